//! Processes: list, look, hire, start, stop, restart, remove.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::command::{Command, Origin, Outcome, Refusal, UpdateWhen};
use crate::domain::exit::Exit;
use crate::domain::id::ProcessId;
use crate::runtime::handle::Handle;
use crate::serve::body::{self, Body, Id, OneOrMany};
use crate::serve::error::ApiError;
use crate::serve::hire::new_process;
use crate::serve::wire::{
    ErrorDoc, ExitDoc, HealthDoc, HireRequest, ProcessDoc, ProcessStatusDoc, RemovedDoc, SaidDoc,
    SavedDoc, SayRequest, StoppedDoc, WorkDoc,
};

pub(super) async fn list(State(handle): State<Handle>) -> Json<Vec<ProcessDoc>> {
    let now = Timestamp::now();
    let snapshot = handle.snapshot();
    let documents = snapshot.processes.iter();
    Json(documents.map(|view| ProcessDoc::new(view, now)).collect())
}

pub(super) async fn show(
    State(handle): State<Handle>,
    Id(id): Id<ProcessId>,
) -> Result<Json<ProcessDoc>, ApiError> {
    document(&handle, id).map(Json)
}

pub(super) async fn status(
    State(handle): State<Handle>,
    Id(id): Id<ProcessId>,
) -> Result<Json<ProcessStatusDoc>, ApiError> {
    let snapshot = handle.snapshot();
    let view = snapshot.process(id).ok_or(Refusal::UnknownProcess(id))?;
    Ok(Json(ProcessStatusDoc::from(view.as_ref())))
}

/// Asks it how it does, and answers when it has, or has not in time.
pub(super) async fn health(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<ProcessId>,
) -> Result<Json<HealthDoc>, ApiError> {
    handle.order(origin, Command::Check(id)).await?;
    let snapshot = handle.snapshot();
    let view = snapshot.process(id).ok_or(Refusal::UnknownProcess(id))?;
    Ok(Json(HealthDoc::from(view.as_ref())))
}

/// Sends a message to its running turn, and answers when that is on disk.
pub(super) async fn say(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(process): Id<ProcessId>,
    Body(bytes): Body,
) -> Result<Response, ApiError> {
    let SayRequest { text } = body::read(&bytes)?;
    match handle.order(origin, Command::Say { process, text }).await? {
        Outcome::Said(task) => {
            let document = SaidDoc { process, task };
            Ok((StatusCode::ACCEPTED, Json(document)).into_response())
        }
        other => Err(unexpected(&other)),
    }
}

/// One of several that were asked for.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Hired {
    Process(Box<ProcessDoc>),
    Refused(ErrorDoc),
}

/// Hires one or several. A process that was hired and does not come up is an answer, not an error:
/// its document has the fault.
pub(super) async fn hire(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Body(bytes): Body,
) -> Result<Response, ApiError> {
    match body::read_some::<HireRequest>(&bytes)? {
        OneOrMany::One(request) => {
            let document = hire_one(&handle, origin, command(&handle, request)?).await?;
            Ok((StatusCode::CREATED, Json(document)).into_response())
        }
        OneOrMany::Many(requests) => {
            // All are read before the first is hired: a slip in the last one hires nobody.
            let commands: Result<Vec<Command>, ApiError> = requests
                .into_iter()
                .map(|request| command(&handle, request))
                .collect();
            let hires = commands?
                .into_iter()
                .map(|command| hire_one(&handle, origin.clone(), command));
            let answers = futures::future::join_all(hires).await;
            let code = if answers.iter().all(Result::is_ok) {
                StatusCode::CREATED
            } else {
                StatusCode::MULTI_STATUS
            };
            let documents: Vec<Hired> = answers
                .into_iter()
                .map(|answer| match answer {
                    Ok(document) => Hired::Process(Box::new(document)),
                    Err(error) => Hired::Refused(ErrorDoc {
                        error: error.body(),
                    }),
                })
                .collect();
            Ok((code, Json(documents)).into_response())
        }
    }
}

fn command(handle: &Handle, request: HireRequest) -> Result<Command, ApiError> {
    let new = new_process(request, &handle.snapshot())?;
    Ok(Command::Create(Box::new(new)))
}

async fn hire_one(
    handle: &Handle,
    origin: Origin,
    command: Command,
) -> Result<ProcessDoc, ApiError> {
    let id = match handle.order(origin, command).await {
        Ok(Outcome::Created(id) | Outcome::Started(id))
        | Err(Refusal::Fault { process: id, .. }) => id,
        Ok(outcome) => return Err(unexpected(&outcome)),
        Err(refusal) => return Err(refusal.into()),
    };
    document(handle, id)
}

pub(super) async fn start(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<ProcessId>,
) -> Result<Json<ProcessDoc>, ApiError> {
    up(&handle, origin, Command::Start(id), id).await
}

pub(super) async fn restart(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<ProcessId>,
) -> Result<Json<ProcessDoc>, ApiError> {
    up(&handle, origin, Command::Restart(id), id).await
}

/// What is to become of updates on disk.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateRequest {
    when: UpdateWhen,
}

/// Answers for `now` as a restart does, for the others at once.
pub(super) async fn update(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(process): Id<ProcessId>,
    Body(bytes): Body,
) -> Result<Json<ProcessDoc>, ApiError> {
    let UpdateRequest { when } = body::read(&bytes)?;
    let command = Command::Update { process, when };
    if when == UpdateWhen::Now {
        return up(&handle, origin, command, process).await;
    }
    handle.order(origin, command).await?;
    document(&handle, process).map(Json)
}

async fn up(
    handle: &Handle,
    origin: Origin,
    command: Command,
    id: ProcessId,
) -> Result<Json<ProcessDoc>, ApiError> {
    handle.order(origin, command).await?;
    document(handle, id).map(Json)
}

pub(super) async fn stop(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<ProcessId>,
) -> Result<Json<StoppedDoc>, ApiError> {
    down(&handle, origin, Command::Stop(id), id).await
}

pub(super) async fn kill(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<ProcessId>,
) -> Result<Json<StoppedDoc>, ApiError> {
    down(&handle, origin, Command::Kill(id), id).await
}

async fn down(
    handle: &Handle,
    origin: Origin,
    command: Command,
    id: ProcessId,
) -> Result<Json<StoppedDoc>, ApiError> {
    let exit = match handle.order(origin, command).await? {
        Outcome::Stopped(_, exit) => exit,
        _ => None,
    };
    let left = handle.left_open(id).await;
    Ok(Json(StoppedDoc {
        left: left.as_ref().map(WorkDoc::from),
        proof: exit.as_deref().map(Exit::proof),
        exit: exit.as_deref().map(ExitDoc::from),
        process: document(handle, id)?,
    }))
}

/// Answers with the process as it was.
pub(super) async fn remove(
    State(handle): State<Handle>,
    Extension(origin): Extension<Origin>,
    Id(id): Id<ProcessId>,
) -> Result<Json<RemovedDoc>, ApiError> {
    let last = document(&handle, id)?;
    let (saved, left) = match handle.order(origin, Command::Remove(id)).await? {
        Outcome::Removed { saved, left } => (saved, left),
        _ => (None, None),
    };
    Ok(Json(RemovedDoc {
        process: last,
        saved: saved.map(|saved| SavedDoc::from(*saved)),
        left: left.as_deref().map(WorkDoc::from),
    }))
}

fn document(handle: &Handle, id: ProcessId) -> Result<ProcessDoc, ApiError> {
    let snapshot = handle.snapshot();
    let view = snapshot.process(id).ok_or(Refusal::UnknownProcess(id))?;
    Ok(ProcessDoc::new(view, Timestamp::now()))
}

/// The hub answered another question than the one that was asked: a bug of ours.
pub(super) fn unexpected(outcome: &Outcome) -> ApiError {
    tracing::error!(?outcome, "an order was answered with something else");
    ApiError::Refusal(Refusal::Gone)
}
