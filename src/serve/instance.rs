//! The instance as a whole: its totals and its end.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::domain::command::{Command, Origin, Refusal};
use crate::runtime::handle::Handle;
use crate::serve::body::{self, Body};
use crate::serve::error::ApiError;
use crate::serve::wire::{ShutdownRequest, StatusDoc, UpgradeRequest};

/// How long a graceful shutdown may take if the client does not say.
const PATIENCE: Duration = Duration::from_secs(60);

/// Finds out whether a program can take over from this instance.
#[derive(Clone)]
pub struct Trial(Arc<dyn Fn(PathBuf) -> BoxFuture<'static, Result<(), Refusal>> + Send + Sync>);

impl Trial {
    /// Finds it out by this.
    pub fn new(
        ask: impl Fn(PathBuf) -> BoxFuture<'static, Result<(), Refusal>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(ask))
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").finish_non_exhaustive()
    }
}

pub(super) async fn status(State(handle): State<Handle>) -> Json<StatusDoc> {
    Json(StatusDoc::new(&handle.snapshot(), std::process::id()))
}

/// Answers when the instance is ending; what is left after the time is killed.
pub(super) async fn shutdown(
    State(handle): State<Handle>,
    State(ending): State<CancellationToken>,
    Extension(origin): Extension<Origin>,
    Body(bytes): Body,
) -> Result<Json<StatusDoc>, ApiError> {
    let request: ShutdownRequest = body::read_or_default(&bytes)?;
    let patience = match request.timeout {
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|error| ApiError::Invalid(format!("`timeout` is no time: {error}")))?,
        None => PATIENCE,
    };
    let command = if request.force {
        Command::ShutdownNow
    } else {
        Command::Shutdown
    };
    let gracefully = async {
        ended(handle.order(origin.clone(), command).await)?;
        ending.cancelled().await;
        Ok::<(), ApiError>(())
    };
    tokio::select! {
        done = gracefully => done?,
        () = ending.cancelled() => {}
        () = tokio::time::sleep(patience), if !request.force => {
            ended(handle.order(origin.clone(), Command::ShutdownNow).await)?;
        }
    }
    Ok(Json(StatusDoc::new(&handle.snapshot(), std::process::id())))
}

/// Answers when everything is on disk; then the program takes over under the same PID, and whoever
/// connects meanwhile waits for it.
pub(super) async fn upgrade(
    State(handle): State<Handle>,
    State(Trial(ask)): State<Trial>,
    Extension(origin): Extension<Origin>,
    Body(bytes): Body,
) -> Result<Json<StatusDoc>, ApiError> {
    let UpgradeRequest { program } = body::read(&bytes)?;
    if !program.is_absolute() {
        let text = "`program` is to be an absolute path".to_owned();
        return Err(ApiError::Invalid(text));
    }
    let is_program = program
        .metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0);
    if !is_program {
        let text = format!("{} is no program", program.display());
        return Err(ApiError::Invalid(text));
    }
    // Once it has begun there is no way back: what is no headcount would end the instance.
    ask(program.clone()).await?;
    handle.order(origin, Command::HandOver { program }).await?;
    Ok(Json(StatusDoc::new(&handle.snapshot(), std::process::id())))
}

/// A hub that is gone has done what it was asked to.
fn ended(outcome: Result<crate::domain::command::Outcome, Refusal>) -> Result<(), Refusal> {
    match outcome {
        Ok(_) | Err(Refusal::Gone) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
