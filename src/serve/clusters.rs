//! Clusters: list, look, start, stop, restart, scale.

use std::path::PathBuf;

use axum::extract::State;
use axum::{Extension, Json};

use crate::domain::cluster::{ClusterOrder, ToCluster};
use crate::domain::command::{Command, Origin, Outcome, Refusal};
use crate::domain::nearest::{nearest, owned};
use crate::domain::snapshot::Snapshot;
use crate::runtime::handle::Handle;
use crate::serve::body::{self, Body, Id};
use crate::serve::error::ApiError;
use crate::serve::processes::unexpected;
use crate::serve::wire::{
    ClusterActedDoc, ClusterDoc, ClusterRestartRequest, ClusterScaleRequest, ClusterStartRequest,
};

pub(super) async fn list(State(handle): State<Handle>) -> Json<Vec<ClusterDoc>> {
    let snapshot = handle.snapshot();
    let clusters = snapshot.clusters.iter();
    Json(
        clusters
            .map(|cluster| ClusterDoc::new(cluster, &snapshot))
            .collect(),
    )
}

pub(super) async fn show(
    State(handle): State<Handle>,
    Id(name): Id<String>,
) -> Result<Json<ClusterDoc>, ApiError> {
    document(&handle.snapshot(), &plain(&name)).map(Json)
}

pub(super) async fn start(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(name): Id<String>,
    Body(bytes): Body,
) -> Result<Json<ClusterActedDoc>, ApiError> {
    let request: ClusterStartRequest = body::read(&bytes)?;
    let folder = absolute(request.working_directory)?;
    act(&handle, origin, &name, ClusterOrder::Start, folder).await
}

pub(super) async fn stop(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(name): Id<String>,
) -> Result<Json<ClusterActedDoc>, ApiError> {
    act(&handle, origin, &name, ClusterOrder::Stop, None).await
}

pub(super) async fn restart(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(name): Id<String>,
    Body(bytes): Body,
) -> Result<Json<ClusterActedDoc>, ApiError> {
    let order = if body::read::<ClusterRestartRequest>(&bytes)?.rolling {
        ClusterOrder::RestartRolling
    } else {
        ClusterOrder::Restart
    };
    act(&handle, origin, &name, order, None).await
}

pub(super) async fn scale(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(name): Id<String>,
    Body(bytes): Body,
) -> Result<Json<ClusterActedDoc>, ApiError> {
    let request: ClusterScaleRequest = body::read(&bytes)?;
    let folder = absolute(request.working_directory)?;
    let sizes = request.roles.into_iter();
    let sizes = sizes.map(|(role, count)| (plain(&role), count)).collect();
    act(&handle, origin, &name, ClusterOrder::Scale(sizes), folder).await
}

/// Keys are compared with `_`.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn absolute(folder: Option<PathBuf>) -> Result<Option<PathBuf>, ApiError> {
    if folder.as_ref().is_some_and(|folder| folder.is_relative()) {
        let text = "`workingDirectory` must be an absolute path".to_owned();
        return Err(ApiError::Invalid(text));
    }
    Ok(folder)
}

async fn act(
    handle: &Handle,
    origin: Origin,
    name: &str,
    order: ClusterOrder,
    folder: Option<PathBuf>,
) -> Result<Json<ClusterActedDoc>, ApiError> {
    let name = plain(name);
    let to = ToCluster {
        cluster: name.clone(),
        order,
        folder,
    };
    let done = match handle.order(origin, Command::Cluster(to)).await? {
        Outcome::Cluster(done) => done,
        outcome => return Err(unexpected(&outcome)),
    };
    let cluster = document(&handle.snapshot(), &name)?;
    Ok(Json(ClusterActedDoc::new(&done, cluster)))
}

fn document(snapshot: &Snapshot, name: &str) -> Result<ClusterDoc, ApiError> {
    let found = snapshot.cluster(name);
    let cluster = found.ok_or_else(|| {
        let keys = snapshot.clusters.iter().map(|one| one.key.as_str());
        Refusal::UnknownCluster {
            near: owned(nearest(name, keys)),
            name: name.to_owned(),
        }
    })?;
    Ok(ClusterDoc::new(cluster, snapshot))
}
