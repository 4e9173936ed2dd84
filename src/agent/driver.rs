//! The closed set of drivers: one for each protocol that `[agents]` may name.

use crate::agent::exit::{self, Verdict};
use crate::agent::launch::{CommandLine, LaunchError, LaunchRequest};
use crate::agent::stream_json::{self, Reader};
use crate::agent::{plain, terminal};
use crate::domain::exit::ExitStatus;
use crate::domain::order::Numbered;
use crate::domain::role::Protocol;

/// What an agent's standard streams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    /// Three pipes.
    Pipes,
    /// A pseudo-terminal.
    Terminal,
}

/// How an agent is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Claude Code's stream-json on pipes.
    StreamJson,
    /// Any command in a pseudo-terminal.
    Terminal,
    /// Any command on pipes.
    Plain,
}

impl From<Protocol> for Driver {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::ClaudeStreamJson => Self::StreamJson,
            Protocol::Terminal => Self::Terminal,
            Protocol::Plain => Self::Plain,
        }
    }
}

impl Driver {
    /// Puts the command line together; writes the prompt into the run's folder where it has one.
    ///
    /// # Errors
    /// [`LaunchError`] if the prompt cannot be written, or a value cannot be passed to a program.
    pub fn command_line(self, request: &LaunchRequest<'_>) -> Result<CommandLine, LaunchError> {
        match self {
            Self::StreamJson => stream_json::command_line(request),
            Self::Terminal => terminal::command_line(request),
            Self::Plain => plain::command_line(request),
        }
    }

    /// Whether tasks of the queue can be given to it, and it says when it is ready.
    #[must_use]
    pub const fn takes_tasks(self) -> bool {
        matches!(self, Self::StreamJson)
    }

    /// What its standard streams are.
    #[must_use]
    pub const fn stdio(self) -> Stdio {
        match self {
            Self::StreamJson | Self::Plain => Stdio::Pipes,
            Self::Terminal => Stdio::Terminal,
        }
    }

    /// The bytes of an order for its standard input; `None` where it cannot be told such a thing.
    #[must_use]
    pub fn encode(self, order: &Numbered) -> Option<String> {
        match self {
            Self::StreamJson => Some(stream_json::encode(order)),
            Self::Terminal | Self::Plain => None,
        }
    }

    /// The bytes of a question that costs nothing and changes nothing; `None` where nobody answers.
    #[must_use]
    pub fn ping(self, number: u64) -> Option<String> {
        match self {
            Self::StreamJson => Some(stream_json::ping(number)),
            Self::Terminal | Self::Plain => None,
        }
    }

    /// What understands its output from an offset on; `None` where the output itself is the log.
    #[must_use]
    pub fn reader(self, offset: u64) -> Option<Reader> {
        match self {
            Self::StreamJson => Some(Reader::at(offset)),
            Self::Terminal | Self::Plain => None,
        }
    }

    /// Judges an end that nobody asked for. `ready` is whether the run had become ready.
    #[must_use]
    pub fn judge_exit(self, status: ExitStatus, stderr_tail: &str, ready: bool) -> Verdict {
        match self {
            Self::StreamJson => {
                let (fault, permanent) = stream_json::fault_of_exit(status, stderr_tail, ready);
                Verdict::Failed { fault, permanent }
            }
            Self::Terminal | Self::Plain => exit::judge_command(status, stderr_tail),
        }
    }
}
