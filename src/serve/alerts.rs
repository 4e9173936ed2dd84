//! Alerts: what is wrong now, and who has seen it.

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;

use crate::domain::command::{Command, Origin, Refusal};
use crate::domain::id::AlertId;
use crate::runtime::handle::Handle;
use crate::serve::body::{Id, Params};
use crate::serve::error::ApiError;
use crate::serve::wire::AlertDoc;

/// Which alerts are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Whether those that are over are listed too.
    #[serde(default)]
    all: bool,
}

pub(super) async fn list(
    State(handle): State<Handle>,
    Params(query): Params<ListQuery>,
) -> Json<Vec<AlertDoc>> {
    let snapshot = handle.snapshot();
    let alerts = snapshot.alerts.iter();
    Json(
        alerts
            .filter(|alert| query.all || alert.is_open())
            .map(|alert| AlertDoc::from(alert.as_ref()))
            .collect(),
    )
}

pub(super) async fn acknowledge(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<AlertId>,
) -> Result<Json<AlertDoc>, ApiError> {
    handle.order(origin, Command::Acknowledge(id)).await?;
    let snapshot = handle.snapshot();
    let alert = snapshot.alert(id).ok_or(Refusal::UnknownAlert(id))?;
    Ok(Json(AlertDoc::from(alert.as_ref())))
}
