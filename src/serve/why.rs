//! Why a process is as it is: its evidence and history, and the last minute before each exit.

use axum::Json;
use axum::extract::{Path, State};

use crate::domain::command::Refusal;
use crate::domain::id::ProcessId;
use crate::runtime::handle::Handle;
use crate::serve::body::{self, Id};
use crate::serve::error::ApiError;
use crate::serve::wire::{FlightDoc, WhyDoc};

pub(super) async fn why(
    State(handle): State<Handle>,
    Id(id): Id<ProcessId>,
) -> Result<Json<WhyDoc>, ApiError> {
    let snapshot = handle.snapshot();
    let view = snapshot.process(id).ok_or(Refusal::UnknownProcess(id))?;
    Ok(Json(WhyDoc::from(view.as_ref())))
}

/// One exit, by its number or as `last`.
pub(super) async fn exit(
    State(handle): State<Handle>,
    Path((id, number)): Path<(String, String)>,
) -> Result<Json<FlightDoc>, ApiError> {
    let id: ProcessId = body::id(&id)?;
    let snapshot = handle.snapshot();
    let view = snapshot.process(id).ok_or(Refusal::UnknownProcess(id))?;
    let number = match (number.as_str(), view.exits.first()) {
        ("last", Some(last)) => last.number,
        ("last", None) => return Err(ApiError::NoExit { process: id }),
        (text, _) => text
            .parse()
            .map_err(|_| ApiError::Invalid(format!("`{text}` is no number of an exit")))?,
    };
    let flight = handle.flight(id, number).await?;
    let flight = flight.ok_or(ApiError::NoExit { process: id })?;
    Ok(Json(FlightDoc::from(&flight)))
}
