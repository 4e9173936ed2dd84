//! The inbox: what waits on a person, and its answers.

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;

use crate::domain::command::{Command, Origin, Refusal};
use crate::domain::id::RequestId;
use crate::domain::inbox;
use crate::runtime::handle::Handle;
use crate::serve::body::{self, Body, Id, Params};
use crate::serve::error::ApiError;
use crate::serve::wire::{AnswerRequest, ApprovalDoc, ApproveRequest, DenyRequest, WaitingDoc};

/// Which requests are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Whether those that are answered are listed too.
    #[serde(default)]
    all: bool,
}

pub(super) async fn list(
    State(handle): State<Handle>,
    Params(query): Params<ListQuery>,
) -> Json<Vec<ApprovalDoc>> {
    let snapshot = handle.snapshot();
    let requests = snapshot.requests.iter();
    Json(
        requests
            .filter(|request| query.all || request.is_open())
            .map(|request| ApprovalDoc::new(request, &snapshot))
            .collect(),
    )
}

/// All that waits on a person, in the order of the screen.
pub(super) async fn waiting(State(handle): State<Handle>) -> Json<Vec<WaitingDoc>> {
    let snapshot = handle.snapshot();
    let items = inbox::waiting(&snapshot).into_iter();
    Json(
        items
            .filter_map(|item| WaitingDoc::new(item, &snapshot))
            .collect(),
    )
}

pub(super) async fn approve(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(request): Id<RequestId>,
    Body(bytes): Body,
) -> Result<Json<ApprovalDoc>, ApiError> {
    let wanted: ApproveRequest = body::read_or_default(&bytes)?;
    let command = match (wanted.always, wanted.rule) {
        (true, rule) => Command::ApproveAlways { request, rule },
        (false, None) => Command::Approve(request),
        (false, Some(_)) => {
            let message = "`rule` is for `always`, which is not given".to_owned();
            return Err(ApiError::Invalid(message));
        }
    };
    settle(&handle, origin, command, request).await
}

pub(super) async fn deny(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(request): Id<RequestId>,
    Body(bytes): Body,
) -> Result<Json<ApprovalDoc>, ApiError> {
    let DenyRequest { reason } = body::read_or_default(&bytes)?;
    let command = Command::Deny { request, reason };
    settle(&handle, origin, command, request).await
}

pub(super) async fn answer(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(request): Id<RequestId>,
    Body(bytes): Body,
) -> Result<Json<ApprovalDoc>, ApiError> {
    let AnswerRequest { answers } = body::read(&bytes)?;
    let command = Command::Answer { request, answers };
    settle(&handle, origin, command, request).await
}

async fn settle(
    handle: &Handle,
    origin: Origin,
    command: Command,
    id: RequestId,
) -> Result<Json<ApprovalDoc>, ApiError> {
    handle.order(origin, command).await?;
    let snapshot = handle.snapshot();
    let request = snapshot.request(id).ok_or(Refusal::UnknownRequest(id))?;
    Ok(Json(ApprovalDoc::new(request, &snapshot)))
}
