//! Worktrees: what changed, bring it home, throw it away, bring it back.

use std::path::Path as FilePath;

use axum::extract::{Path, State};
use axum::{Extension, Json};

use crate::domain::command::{Command, Origin, Outcome, Refusal};
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::task::{NewTask, Target};
use crate::domain::worktree::Merged;
use crate::runtime::handle::Handle;
use crate::serve::body::{self, Body, Params};
use crate::serve::error::ApiError;
use crate::serve::processes::{process_id, unexpected};
use crate::serve::tasks::task_id;
use crate::serve::wire::{
    ChangesDoc, DiffDoc, MergeDoc, MergeRequest, RestoreRequest, SavedDoc, SavedQuery,
};

pub(super) async fn changes(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<Json<ChangesDoc>, ApiError> {
    let changes = handle.changes(process_id(&id)?).await?;
    Ok(Json(changes.into()))
}

fn document(patch: &[u8], files: Vec<String>) -> Json<DiffDoc> {
    Json(DiffDoc {
        diff: String::from_utf8_lossy(patch).into_owned(),
        files,
    })
}

pub(super) async fn diff(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<Json<DiffDoc>, ApiError> {
    let patch = handle.diff(process_id(&id)?, false).await?;
    Ok(document(&patch, Vec::new()))
}

/// Bytes as they are, to be applied elsewhere.
pub(super) async fn export(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<Vec<u8>, ApiError> {
    Ok(handle.diff(process_id(&id)?, true).await?)
}

pub(super) async fn task_diff(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<Json<DiffDoc>, ApiError> {
    let id: TaskId = task_id(&id)?;
    let (patch, files) = handle.task_diff(id).await?;
    Ok(document(&patch, files))
}

pub(super) async fn merge(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Path(id): Path<String>,
    Body(bytes): Body,
) -> Result<Json<MergeDoc>, ApiError> {
    let id = process_id(&id)?;
    let request: MergeRequest = body::read(&bytes)?;
    let commit = request.commit.as_deref();
    let merged = handle.bring_home(id, request.mode, commit).await?;
    let task = match &merged {
        Merged::Conflicts { files } if request.hand_back => {
            Some(hand_back(&handle, origin, id, files).await?)
        }
        _ => None,
    };
    Ok(Json(MergeDoc {
        task,
        ..MergeDoc::from(merged)
    }))
}

/// Asks the employee to resolve the conflicts of its own work.
async fn hand_back(
    handle: &Handle,
    origin: Origin,
    id: ProcessId,
    files: &[String],
) -> Result<TaskId, ApiError> {
    let snapshot = handle.snapshot();
    let view = snapshot.process(id).ok_or(Refusal::UnknownProcess(id))?;
    let base = view.worktree.as_ref().map_or("", |worktree| &worktree.base);
    let new = NewTask {
        text: conflict_task(base, files),
        target: Target {
            process: Some(id),
            ..Target::default()
        },
        ..NewTask::default()
    };
    match handle
        .order(origin, Command::AddTask(Box::new(new)))
        .await?
    {
        Outcome::TaskAdded(task) => Ok(task),
        outcome => Err(unexpected(&outcome)),
    }
}

fn conflict_task(base: &str, files: &[String]) -> String {
    format!(
        "Your branch cannot be merged into `{base}`: both changed the same places in {}.\n\n\
         Run `git merge {base}` in your working directory. Resolve every conflict so that the intent of both sides holds; \
         look at `git log {base}` for what the other side wanted. Run the tests that cover these files. Commit the \
         merge. Do not push. Report for each file what you kept of either side and why.",
        files.join(", ")
    )
}

pub(super) async fn discard(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<Json<SavedDoc>, ApiError> {
    let saved = handle.discard(process_id(&id)?).await?;
    Ok(Json(saved.into()))
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
