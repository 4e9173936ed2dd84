//! From refusals to answers: one place gives each its HTTP status and its document.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::domain::command::Refusal;
use crate::domain::fault::Fault;
use crate::domain::id::ProcessId;
use crate::runtime::EventsError;
use crate::runtime::flights::FlightError;
use crate::runtime::git::GitError;
use crate::runtime::logs::LogError;
use crate::runtime::work::WorkError;
use crate::serve::wire::{ErrorBody, ErrorDoc, ErrorKind};

/// Why a request is not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The hub refused.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// A log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Git could not.
    #[error(transparent)]
    Git(GitError),
    /// What is kept of an exit cannot be read.
    #[error(transparent)]
    Flight(#[from] FlightError),
    /// The record cannot be read.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// Nothing is kept of such an exit.
    #[error("{process} has no such exit, or it is no longer kept")]
    NoExit {
        /// Whose.
        process: ProcessId,
    },
    /// No such path.
    #[error("there is nothing at this path")]
    NoPath,
    /// Something in the request cannot be read.
    #[error("{0}")]
    Invalid(String),
    /// The body is longer than is read.
    #[error("the request is longer than 8 MiB")]
    TooLong,
    /// The rest of the body did not come.
    #[error("the request did not come in time")]
    Late,
    /// The path does not take this method.
    #[error("this path does not take this method")]
    WrongMethod,
    /// The caller may not do this.
    #[error("{message}")]
    Forbidden {
        /// What is refused.
        message: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// A fault before any process was there.
    #[error("{0}")]
    Fault(Fault),
    /// The instance is on its way down.
    #[error("the instance is shutting down")]
    Ending,
}

impl From<WorkError> for ApiError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Refused(refusal) => Self::Refusal(refusal),
            WorkError::Git(error) => Self::Git(error),
        }
    }
}

impl ApiError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refusal(refusal) => match refusal {
                Refusal::UnknownProcess(_)
                | Refusal::UnknownTask(_)
                | Refusal::NoParents(_)
                | Refusal::UnknownRequest(_)
                | Refusal::UnknownAlert(_)
                | Refusal::UnknownRole { .. }
                | Refusal::UnknownCluster { .. } => ErrorKind::NotFound,
                Refusal::State(_) | Refusal::Work { .. } => ErrorKind::Refused,
                Refusal::Forbidden(_) => ErrorKind::Forbidden,
                Refusal::Invalid(_) | Refusal::Tasks(_) => ErrorKind::Invalid,
                Refusal::Fault { .. } => ErrorKind::Fault,
                Refusal::NotStored(_) => ErrorKind::NotStored,
                Refusal::Ending | Refusal::Gone => ErrorKind::Gone,
                Refusal::Again => ErrorKind::Again,
            },
            Self::Log(LogError::NoTimes) => ErrorKind::Invalid,
            Self::Log(_) | Self::Flight(_) | Self::Events(_) => ErrorKind::NotStored,
            Self::Git(GitError::NotSaved { .. }) => ErrorKind::NotFound,
            Self::Git(_) => ErrorKind::Refused,
            Self::NoPath | Self::NoExit { .. } => ErrorKind::NotFound,
            Self::Invalid(_) | Self::TooLong | Self::Late | Self::WrongMethod => ErrorKind::Invalid,
            Self::Forbidden { .. } => ErrorKind::Forbidden,
            Self::Fault(_) => ErrorKind::Fault,
            Self::Ending => ErrorKind::Gone,
        }
    }

    fn fault(&self) -> (Option<&Fault>, Option<ProcessId>) {
        match self {
            Self::Refusal(Refusal::Fault { process, fault }) => (Some(fault), Some(*process)),
            Self::Fault(fault) => (Some(fault), None),
            _ => (None, None),
        }
    }

    /// The answer's body.
    pub(super) fn body(&self) -> ErrorBody {
        let (fault, process) = self.fault();
        let remedy = match self {
            Self::Refusal(refusal) => refusal.remedy(),
            Self::Forbidden { remedy, .. } => remedy.clone(),
            Self::Git(error) => error.remedy(),
            Self::Fault(fault) => Some(fault.remedy.clone()),
            Self::NoExit { process } => Some(format!(
                "see `headcount why {process}` for those that are kept"
            )),
            _ => None,
        };
        // The code has a field of its own, so the cause stands here without it.
        let message = fault.map_or_else(|| chain(self), |fault| fault.cause.clone());
        let tasks = match self {
            Self::Refusal(Refusal::Tasks(mistakes)) => mistakes.clone(),
            _ => Vec::new(),
        };
        ErrorBody {
            kind: self.kind(),
            message,
            remedy,
            code: fault.map(|fault| fault.code),
            process,
            tasks,
        }
    }
}

/// The error and its causes in one line: what goes over the wire has no chain.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // A transparent error has the text of its cause.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// The HTTP status of a kind of error.
const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Refused => StatusCode::CONFLICT,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Fault => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::NotStored => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::Gone | ErrorKind::Again => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = self.body();
        let status = match self {
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            _ => status(error.kind),
        };
        (status, Json(ErrorDoc { error })).into_response()
    }
}
