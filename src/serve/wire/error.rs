//! What a request that came to nothing is answered with.

use serde::{Deserialize, Serialize};

use crate::domain::command::TaskMistake;
use crate::domain::fault::FaultCode;
use crate::domain::id::ProcessId;

/// What kind of failure it is; the command line makes its exit codes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// There is no such thing.
    NotFound,
    /// The present state does not allow it.
    Refused,
    /// This caller may not do it.
    Forbidden,
    /// The request makes no sense as it stands.
    Invalid,
    /// It was tried and did not work out; `code` says what failed.
    Fault,
    /// The disk did not take it; nothing was changed.
    NotStored,
    /// The instance is on its way down.
    Gone,
    /// A new build takes over, and nothing was done: the same request again is answered by that.
    Again,
}

/// The `error` member of [`ErrorDoc`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What went wrong, a lower-case fragment.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The code of a fault, `PROC_001` to `PROC_008`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<FaultCode>,
    /// The process that the fault is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessId>,
    /// What is wrong with which tasks of a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskMistake>,
}

/// An error as a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDoc {
    /// The error.
    pub error: ErrorBody,
}
