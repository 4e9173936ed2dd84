//! Tasks: list, look, add, wait, change, delete.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use axum::{Extension, Json};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::domain::command::{Command, Origin, Outcome, Refusal};
use crate::domain::id::TaskId;
use crate::domain::snapshot::Snapshot;
use crate::domain::task::{Move, NewTask, Target, Task, TaskChange, TaskState};
use crate::runtime::handle::Handle;
use crate::serve::body::{self, Body, Id, OneOrMany, Params};
use crate::serve::error::ApiError;
use crate::serve::processes::unexpected;
use crate::serve::server::Shared;
use crate::serve::wire::{CheckedDoc, EditRequest, MoveRequest, TaskDoc, TaskRequest};

/// Which tasks are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// One state, or `open` for all that are not over.
    state: Option<String>,
    /// The newest so many.
    limit: Option<usize>,
    /// Words that must all stand in its id, key, text, result or error, in any case.
    search: Option<String>,
}

/// Whether all words stand in what is told of a task.
fn says(task: &Task, words: &[String]) -> bool {
    let id = task.id.to_string();
    let result = task.result.as_ref().map_or("", |result| &result.text);
    let parts = [
        id.as_str(),
        task.key.as_deref().unwrap_or(""),
        &task.text,
        result,
        task.error.as_deref().unwrap_or(""),
    ];
    let parts = parts.map(str::to_lowercase);
    words
        .iter()
        .all(|word| parts.iter().any(|part| part.contains(word)))
}

/// Those that were begun or are over by id, then those that wait in the order of the queue.
pub(super) async fn list(
    State(handle): State<Handle>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Vec<TaskDoc>>, ApiError> {
    let wanted = query.state.as_deref().filter(|state| *state != "open");
    if let Some(state) = wanted
        && serde_json::from_value::<TaskState>(state.into()).is_err()
    {
        return Err(ApiError::Invalid(format!(
            "`{state}` is no state of a task"
        )));
    }
    let snapshot = handle.snapshot();
    let words: Vec<String> = query
        .search
        .iter()
        .flat_map(|words| words.split_whitespace())
        .map(str::to_lowercase)
        .collect();
    let fits = |task: &&Arc<Task>| {
        let state = match query.state.as_deref() {
            None => true,
            Some("open") => !task.state.is_final(),
            Some(state) => task.state.as_str() == state,
        };
        state && (words.is_empty() || says(task, &words))
    };
    let fitting: Vec<_> = snapshot.tasks.iter().filter(fits).collect();
    let skip = query
        .limit
        .map_or(0, |limit| fitting.len().saturating_sub(limit));
    let listed = fitting.into_iter().skip(skip);
    let (mut waiting, mut tasks): (Vec<_>, Vec<_>) = listed.partition(|task| task.is_waiting());
    waiting.sort_by_key(|task| (task.place(), task.id));
    tasks.append(&mut waiting);
    let documents = tasks.into_iter().map(|task| TaskDoc::new(task, &snapshot));
    Ok(Json(documents.collect()))
}

pub(super) async fn show(
    State(handle): State<Handle>,
    Id(id): Id<TaskId>,
) -> Result<Json<TaskDoc>, ApiError> {
    document(&handle.snapshot(), id).map(Json)
}

/// What is done with the tasks that are sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddQuery {
    /// Look whether they would be accepted, and accept none.
    #[serde(default)]
    check: bool,
}

/// Adds one or several: 201 for a new task, 200 for one whose key was known.
pub(super) async fn add(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Params(query): Params<AddQuery>,
    Body(bytes): Body,
) -> Result<Response, ApiError> {
    let some = body::read_some::<TaskRequest>(&bytes)?;
    if query.check {
        let requests = match some {
            OneOrMany::One(request) => vec![request],
            OneOrMany::Many(requests) => requests,
        };
        let tasks: Result<Vec<NewTask>, ApiError> = requests.into_iter().map(new_task).collect();
        handle.order(origin, Command::CheckTasks(tasks?)).await?;
        return Ok(Json(CheckedDoc { ok: true }).into_response());
    }
    match some {
        OneOrMany::One(request) if request.text.trim().is_empty() => {
            Err(ApiError::Invalid("the task has no text".to_owned()))
        }
        OneOrMany::One(request) => {
            let (code, document) = add_one(&handle, origin, new_task(request)?).await?;
            Ok((code, Json(document)).into_response())
        }
        OneOrMany::Many(requests) => {
            let tasks: Result<Vec<NewTask>, ApiError> =
                requests.into_iter().map(new_task).collect();
            let documents = add_all(&handle, origin, tasks?).await?;
            Ok((StatusCode::CREATED, Json(documents)).into_response())
        }
    }
}

fn new_task(request: TaskRequest) -> Result<NewTask, ApiError> {
    Ok(NewTask {
        text: request.text,
        priority: request.priority,
        target: Target {
            process: request.process,
            role: request.role.map(|role| role.replace('-', "_")),
            skills: request.skills,
            cluster: request.cluster.map(|key| key.replace('-', "_")),
            own_branch: request.own_branch,
        },
        timeout: request
            .timeout_seconds
            .map(|time| span("timeoutSeconds", time))
            .transpose()?,
        retries: request.retries,
        key: request.key,
        continues: request.continues,
        after: request.after,
        name: request.name,
        held: request.held,
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
    Ok((code, document(&handle.snapshot(), id)?))
}

/// All of them or none, in one batch on disk.
async fn add_all(
    handle: &Handle,
    origin: Origin,
    tasks: Vec<NewTask>,
) -> Result<Vec<TaskDoc>, ApiError> {
    let ids: Vec<TaskId> = match handle.order(origin, Command::AddTasks(tasks)).await? {
        Outcome::TasksAdded(tasks) => tasks.into_iter().map(|(id, _)| id).collect(),
        outcome => return Err(unexpected(&outcome)),
    };
    let snapshot = handle.snapshot();
    ids.iter().map(|id| document(&snapshot, *id)).collect()
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
    Id(id): Id<TaskId>,
    Params(query): Params<WaitQuery>,
) -> Result<Json<TaskDoc>, ApiError> {
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

/// An order about one task, answered with what has become of it.
pub(super) fn order(command: fn(TaskId) -> Command) -> MethodRouter<Shared> {
    post(
        async move |State(handle): State<Handle>,
                    Extension(origin): Extension<Origin>,
                    Id(id): Id<TaskId>| change(&handle, origin, command(id), id).await,
    )
}

/// Moves a waiting task, or gives it another priority.
pub(super) async fn r#move(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(task): Id<TaskId>,
    Body(bytes): Body,
) -> Result<Json<TaskDoc>, ApiError> {
    let request: MoveRequest = body::read(&bytes)?;
    let to = match (request.first, request.last, request.before) {
        (true, false, None) => Move::First,
        (false, true, None) => Move::Last,
        (false, false, Some(before)) => Move::Before(before),
        _ => {
            let text = "give one of `first`, `last` and `before`".to_owned();
            return Err(ApiError::Invalid(text));
        }
    };
    handle.order(origin, Command::MoveTask { task, to }).await?;
    document(&handle.snapshot(), task).map(Json)
}

/// Changes a waiting task.
pub(super) async fn edit(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(task): Id<TaskId>,
    Body(bytes): Body,
) -> Result<Json<TaskDoc>, ApiError> {
    let request: EditRequest = body::read(&bytes)?;
    let snapshot = handle.snapshot();
    let present = snapshot.task(task).ok_or(Refusal::UnknownTask(task))?;
    let anyone = request.anyone;
    let targeted = anyone
        || request.role.is_some()
        || request.process.is_some()
        || request.skills.is_some()
        || request.cluster.is_some();
    let target = targeted.then(|| {
        let known = if anyone {
            Target::default()
        } else {
            present.target.clone()
        };
        Target {
            // Whoever names a role means anybody of it.
            process: request.process.or(known
                .process
                .filter(|_| request.role.is_none() && request.cluster.is_none())),
            cluster: request
                .cluster
                .map(|key| key.replace('-', "_"))
                .or(known.cluster),
            role: request
                .role
                .map(|role| role.replace('-', "_"))
                .or(known.role),
            skills: request.skills.unwrap_or(known.skills),
            own_branch: present.target.own_branch,
        }
    });
    let timeout = request
        .timeout_seconds
        .map(|time| time.map(|time| span("timeoutSeconds", time)).transpose());
    let change = TaskChange {
        text: request.text,
        priority: request.priority,
        target,
        timeout: timeout.transpose()?,
        retries: request.retries,
        after: request.after,
    };
    let change = Box::new(change);
    handle
        .order(origin, Command::EditTask { task, change })
        .await?;
    document(&handle.snapshot(), task).map(Json)
}

/// Deletes a task, and answers with what it was.
pub(super) async fn remove(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<TaskId>,
) -> Result<Json<TaskDoc>, ApiError> {
    let was = document(&handle.snapshot(), id)?;
    handle.order(origin, Command::RemoveTask(id)).await?;
    Ok(Json(was))
}

async fn change(
    handle: &Handle,
    origin: Origin,
    command: Command,
    id: TaskId,
) -> Result<Json<TaskDoc>, ApiError> {
    handle.order(origin, command).await?;
    document(&handle.snapshot(), id).map(Json)
}

fn document(snapshot: &Snapshot, id: TaskId) -> Result<TaskDoc, ApiError> {
    let task = snapshot.task(id).ok_or(Refusal::UnknownTask(id))?;
    Ok(TaskDoc::new(task, snapshot))
}
