//! Tasks: list, look, add, wait, cancel, retry, release.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::domain::command::{Command, Origin, Outcome, Refusal};
use crate::domain::id::{IdError, TaskId};
use crate::domain::snapshot::Snapshot;
use crate::domain::task::{NewTask, Target};
use crate::runtime::handle::Handle;
use crate::serve::body::{self, Body, OneOrMany, Params};
use crate::serve::error::ApiError;
use crate::serve::fresh::settled;
use crate::serve::processes::unexpected;
use crate::serve::wire::{TaskDoc, TaskRequest};

/// Which tasks are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// One state, or `open` for all that are not over.
    state: Option<String>,
    /// The newest so many.
    limit: Option<usize>,
}

pub(super) async fn list(
    State(handle): State<Handle>,
    Params(query): Params<ListQuery>,
) -> Json<Vec<TaskDoc>> {
    let snapshot = handle.snapshot();
    let fits = |task: &&Arc<crate::domain::task::Task>| match query.state.as_deref() {
        None => true,
        Some("open") => !task.state.is_final(),
        Some(state) => task.state.as_str() == state,
    };
    let fitting: Vec<_> = snapshot.tasks.iter().filter(fits).collect();
    let skip = query
        .limit
        .map_or(0, |limit| fitting.len().saturating_sub(limit));
    let documents = fitting.into_iter().skip(skip);
    Json(
        documents
            .map(|task| TaskDoc::new(task, &snapshot))
            .collect(),
    )
}

pub(super) async fn show(
    State(handle): State<Handle>,
    Path(id): Path<String>,
) -> Result<Json<TaskDoc>, ApiError> {
    document(&handle.snapshot(), task_id(&id)?).map(Json)
}

/// Adds one or several: 201 for a new task, 200 for one whose key was known.
pub(super) async fn add(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Body(bytes): Body,
) -> Result<Response, ApiError> {
    match body::read_some::<TaskRequest>(&bytes)? {
        OneOrMany::One(request) => {
            let (code, document) = add_one(&handle, origin, new_task(request)?).await?;
            Ok((code, Json(document)).into_response())
        }
        OneOrMany::Many(requests) => {
            let tasks: Result<Vec<NewTask>, ApiError> =
                requests.into_iter().map(new_task).collect();
            let mut documents = Vec::new();
            // One after the other, so that their ids stand in the order of the list.
            for task in tasks? {
                documents.push(add_one(&handle, origin.clone(), task).await?.1);
            }
            Ok((StatusCode::CREATED, Json(documents)).into_response())
        }
    }
}

fn new_task(request: TaskRequest) -> Result<NewTask, ApiError> {
    if request.text.trim().is_empty() {
        return Err(ApiError::Invalid("the task has no text".to_owned()));
    }
    Ok(NewTask {
        text: request.text,
        priority: request.priority,
        target: Target {
            process: request.process,
            role: request.role.map(|role| role.replace('-', "_")),
            skills: request.skills,
        },
        timeout: request
            .timeout_seconds
            .map(|time| span("timeoutSeconds", time))
            .transpose()?,
        retries: request.retries,
        key: request.key,
        continues: request.continues,
    })
}

fn span(what: &str, seconds: f64) -> Result<Duration, ApiError> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| ApiError::Invalid(format!("`{what}` is no time: {error}")))
}

async fn add_one(
    handle: &Handle,
    origin: Origin,
    task: NewTask,
) -> Result<(StatusCode, TaskDoc), ApiError> {
    let order = handle.order(origin, Command::AddTask(Box::new(task)));
    let (code, id) = match order.await? {
        Outcome::TaskAdded(id) => (StatusCode::CREATED, id),
        Outcome::TaskKnown(id) => (StatusCode::OK, id),
        outcome => return Err(unexpected(&outcome)),
    };
    let document = settled(
        handle,
        |snapshot| snapshot.task(id).is_some(),
        |snapshot| document(snapshot, id),
    )
    .await?;
    Ok((code, document))
}

/// How long a wait may take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitQuery {
    /// In seconds; for ever if it is not given.
    timeout: Option<f64>,
}

/// Holds until the task is over or the time is, and answers with the task as it stands then.
pub(super) async fn wait(
    State(handle): State<Handle>,
    State(ending): State<CancellationToken>,
    Path(id): Path<String>,
    Params(query): Params<WaitQuery>,
) -> Result<Json<TaskDoc>, ApiError> {
    let id = task_id(&id)?;
    let timeout = query
        .timeout
        .map(|time| span("timeout", time))
        .transpose()?;
    let mut snapshots = handle.snapshots();
    let over =
        snapshots.wait_for(|snapshot| snapshot.task(id).is_none_or(|task| task.state.is_final()));
    let late = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        seen = over => drop(seen.map_err(|_| ApiError::Ending)?),
        () = late => {}
        () = ending.cancelled() => return Err(ApiError::Ending),
    }
    document(&handle.snapshot(), id).map(Json)
}

pub(super) async fn cancel(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Path(id): Path<String>,
) -> Result<Json<TaskDoc>, ApiError> {
    let id = task_id(&id)?;
    change(&handle, origin, Command::CancelTask(id), id).await
}

pub(super) async fn retry(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Path(id): Path<String>,
) -> Result<Json<TaskDoc>, ApiError> {
    let id = task_id(&id)?;
    change(&handle, origin, Command::RetryTask(id), id).await
}

pub(super) async fn release(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Path(id): Path<String>,
) -> Result<Json<TaskDoc>, ApiError> {
    let id = task_id(&id)?;
    change(&handle, origin, Command::ReleaseTask(id), id).await
}

async fn change(
    handle: &Handle,
    origin: Origin,
    command: Command,
    id: TaskId,
) -> Result<Json<TaskDoc>, ApiError> {
    let before = handle
        .snapshot()
        .task(id)
        .map(|task| (task.since, task.cancelling));
    handle.order(origin, command).await?;
    settled(
        handle,
        |snapshot| {
            let now = snapshot.task(id).map(|task| (task.since, task.cancelling));
            now != before
        },
        |snapshot| document(snapshot, id),
    )
    .await
    .map(Json)
}

pub(super) fn task_id(text: &str) -> Result<TaskId, ApiError> {
    text.parse()
        .map_err(|error: IdError| ApiError::Invalid(error.to_string()))
}

fn document(snapshot: &Snapshot, id: TaskId) -> Result<TaskDoc, ApiError> {
    let task = snapshot.task(id).ok_or(Refusal::UnknownTask(id))?;
    Ok(TaskDoc::new(task, snapshot))
}
