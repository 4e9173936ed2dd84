//! What a person meets when something is wrong: a code, the cause, and a remedy for this very case.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The documented error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FaultCode {
    /// The process failed to start.
    #[serde(rename = "PROC_001")]
    FailedToStart,
    /// The system prompt was not found.
    #[serde(rename = "PROC_002")]
    PromptNotFound,
    /// Resource limits were exceeded.
    #[serde(rename = "PROC_003")]
    LimitsExceeded,
    /// The process crashed unexpectedly.
    #[serde(rename = "PROC_004")]
    Crashed,
    /// A health check failed.
    #[serde(rename = "PROC_005")]
    HealthCheckFailed,
    /// A task ran out of time.
    #[serde(rename = "PROC_006")]
    TaskTimeout,
    /// The environment could not be set up.
    #[serde(rename = "PROC_007")]
    EnvironmentSetupFailed,
    /// A tool could not be initialized.
    #[serde(rename = "PROC_008")]
    ToolInitializationFailed,
}

impl FaultCode {
    /// The code as it is shown and documented, `PROC_001` to `PROC_008`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailedToStart => "PROC_001",
            Self::PromptNotFound => "PROC_002",
            Self::LimitsExceeded => "PROC_003",
            Self::Crashed => "PROC_004",
            Self::HealthCheckFailed => "PROC_005",
            Self::TaskTimeout => "PROC_006",
            Self::EnvironmentSetupFailed => "PROC_007",
            Self::ToolInitializationFailed => "PROC_008",
        }
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault: screen, command line and API say the same words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The documented code.
    pub code: FaultCode,
    /// What happened, a lower-case fragment without a full stop.
    pub cause: String,
    /// What to do about it, an imperative fragment.
    pub remedy: String,
}

impl Fault {
    /// Puts a fault together.
    pub fn new(code: FaultCode, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }
}

impl Fault {
    /// Neither login nor key, whoever says so.
    pub fn no_login(cause: impl Into<String>) -> Self {
        Self::new(
            FaultCode::EnvironmentSetupFailed,
            cause,
            "run `claude` once and log in, or write ANTHROPIC_API_KEY=… into the `env_file` of the \
             role, which is read at every start; then restart this process. A key that is set \
             in the shell counts after `headcount down`, when headcount is started with it",
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.cause, self.code)
    }
}
