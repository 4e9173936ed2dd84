//! Worktrees: what changed, bring it home, throw it away, bring it back.

use std::path::Path as FilePath;

use axum::body::Bytes;
use axum::extract::State;
use axum::{Extension, Json};

use crate::domain::command::{Command, Origin, Outcome, Refusal};
use crate::domain::diff;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::worktree::{Merged, WorkDone, WorkOf, WorkOrder, conflict_task};
use crate::runtime::handle::Handle;
use crate::serve::body::{self, Body, Id, Params};
use crate::serve::error::ApiError;
use crate::serve::processes::unexpected;
use crate::serve::wire::{
    ChangesDoc, DiffDoc, MergeDoc, MergeRequest, RestoreRequest, SavedDoc, SavedQuery,
};

pub(super) async fn changes(
    State(handle): State<Handle>,
    Id(id): Id<ProcessId>,
) -> Result<Json<ChangesDoc>, ApiError> {
    let changes = handle.changes(id).await?;
    Ok(Json(changes.into()))
}

fn document(patch: &[u8]) -> Json<DiffDoc> {
    let diff = String::from_utf8_lossy(patch).into_owned();
    let files = diff::files(&diff).into_iter().map(|file| file.path);
    Json(DiffDoc {
        files: files.collect(),
        diff,
    })
}

pub(super) async fn diff(
    State(handle): State<Handle>,
    Id(id): Id<ProcessId>,
) -> Result<Json<DiffDoc>, ApiError> {
    let patch = handle.diff(id, false).await?;
    Ok(document(&patch))
}

/// Bytes as they are, to be applied elsewhere.
pub(super) async fn export(
    State(handle): State<Handle>,
    Id(id): Id<ProcessId>,
) -> Result<Vec<u8>, ApiError> {
    Ok(handle.diff(id, true).await?)
}

pub(super) async fn task_diff(
    State(handle): State<Handle>,
    Id(id): Id<TaskId>,
) -> Result<Json<DiffDoc>, ApiError> {
    let patch = handle.task_diff(id, false).await?;
    Ok(document(&patch))
}

/// Bytes as they are, to be applied elsewhere.
pub(super) async fn export_task(
    State(handle): State<Handle>,
    Id(id): Id<TaskId>,
) -> Result<Vec<u8>, ApiError> {
    Ok(handle.task_diff(id, true).await?)
}

pub(super) async fn merge(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<ProcessId>,
    Body(bytes): Body,
) -> Result<Json<MergeDoc>, ApiError> {
    let of = WorkOf::Process(id);
    bring(&handle, origin, of, &bytes).await
}

pub(super) async fn merge_task(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<TaskId>,
    Body(bytes): Body,
) -> Result<Json<MergeDoc>, ApiError> {
    let of = WorkOf::Task(id);
    bring(&handle, origin, of, &bytes).await
}

async fn bring(
    handle: &Handle,
    origin: Origin,
    of: WorkOf,
    bytes: &Bytes,
) -> Result<Json<MergeDoc>, ApiError> {
    let request: MergeRequest = body::read(bytes)?;
    let order = WorkOrder::Bring {
        mode: request.mode,
        commit: request.commit,
    };
    let outcome = handle
        .order(origin.clone(), Command::Work { of, order })
        .await?;
    let Outcome::Worked {
        process,
        branch,
        base,
        done,
    } = outcome
    else {
        return Err(unexpected(&outcome));
    };
    let WorkDone::Brought(merged) = *done else {
        return Err(ApiError::Refusal(Refusal::Gone));
    };
    let task = match &merged {
        Merged::Conflicts { files } if request.hand_back => {
            let new = conflict_task(process, &branch, &base, files);
            let order = Command::AddTask(Box::new(new));
            match handle.order(origin, order).await? {
                Outcome::TaskAdded(task) => Some(task),
                outcome => return Err(unexpected(&outcome)),
            }
        }
        _ => None,
    };
    Ok(Json(MergeDoc {
        task,
        ..MergeDoc::from(merged)
    }))
}

pub(super) async fn discard(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<ProcessId>,
) -> Result<Json<SavedDoc>, ApiError> {
    let of = WorkOf::Process(id);
    throw_away(&handle, origin, of).await
}

pub(super) async fn discard_task(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<TaskId>,
) -> Result<Json<SavedDoc>, ApiError> {
    let of = WorkOf::Task(id);
    throw_away(&handle, origin, of).await
}

async fn throw_away(
    handle: &Handle,
    origin: Origin,
    of: WorkOf,
) -> Result<Json<SavedDoc>, ApiError> {
    let order = WorkOrder::Discard;
    let outcome = handle.order(origin, Command::Work { of, order }).await?;
    match outcome {
        Outcome::Worked { done, .. } => match *done {
            WorkDone::Discarded(saved) => Ok(Json(saved.into())),
            _ => Err(ApiError::Refusal(Refusal::Gone)),
        },
        outcome => Err(unexpected(&outcome)),
    }
}

pub(super) async fn saved(
    State(handle): State<Handle>,
    Params(query): Params<SavedQuery>,
) -> Result<Json<Vec<SavedDoc>>, ApiError> {
    is_absolute("folder", &query.folder)?;
    let saved = handle.saved_work(&query.folder).await?;
    Ok(Json(saved.into_iter().map(Into::into).collect()))
}

pub(super) async fn restore(
    State(handle): State<Handle>,
    Body(bytes): Body,
) -> Result<Json<SavedDoc>, ApiError> {
    let request: RestoreRequest = body::read(&bytes)?;
    is_absolute("folder", &request.folder)?;
    is_absolute("to", &request.to)?;
    let saved = handle
        .restore_work(&request.folder, &request.name, &request.to)
        .await?;
    Ok(Json(saved.into()))
}

fn is_absolute(what: &str, path: &FilePath) -> Result<(), ApiError> {
    if path.is_absolute() {
        return Ok(());
    }
    let text = format!("`{what}` must be an absolute path");
    Err(ApiError::Invalid(text))
}
