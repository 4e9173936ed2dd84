//! The roles that the instance runs with.

use axum::Json;
use axum::extract::State;

use crate::runtime::handle::Handle;
use crate::serve::wire::RoleDoc;

pub(super) async fn list(State(handle): State<Handle>) -> Json<Vec<RoleDoc>> {
    let snapshot = handle.snapshot();
    Json(snapshot.catalogue.roles.iter().map(RoleDoc::from).collect())
}
