//! Exit codes: a contract with scripts.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// It did what was asked.
    Done = 0,
    /// It did not work out.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// No instance runs.
    NoInstance = 3,
    /// There is no such process, task, request or role.
    NotFound = 4,
    /// State, limits or scope do not allow it.
    Refused = 5,
    /// It took longer than it may.
    TimedOut = 6,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}
