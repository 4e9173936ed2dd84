//! How a client ends, as it should and otherwise.

use std::io;

use crate::terminal::wire::{self, WireError};

/// Why a client could not begin, or ended in another way than it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Standard input or output is not a terminal.
    #[error("standard {0} is not a terminal")]
    NotATerminal(&'static str),
    /// `TERM` says that the terminal cannot show a screen.
    #[error("the terminal cannot show a screen: TERM is {}", if .0.is_empty() { "not set" } else { .0 })]
    Dumb(String),
    /// The terminal's modes cannot be changed.
    #[error("the terminal cannot be put into raw mode")]
    Modes(#[source] io::Error),
    /// A part of the client could not be started.
    #[error("the terminal cannot be read")]
    Begin(#[source] io::Error),
    /// The instance closed the connection before it said anything.
    #[error("the instance closed the connection at once")]
    Closed,
    /// The instance is of a version that speaks otherwise.
    #[error(
        "the instance is headcount {instance}, this is {}, and the two do not understand each other",
        wire::BUILD
    )]
    Versions {
        /// The instance's version.
        instance: String,
    },
    /// The instance refused.
    #[error("the instance refused: {0}")]
    Refused(String),
    /// The instance's side of the screen failed.
    #[error("this screen failed: {0}")]
    Failed(String),
    /// The connection broke.
    #[error("the connection to the instance broke")]
    Lost(#[source] Option<WireError>),
}

impl ClientError {
    /// What to do about it, where there is something to say.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotATerminal(_) => {
                "run it in a terminal, or use `headcount up` and `headcount ps`, which need none"
            }
            Self::Dumb(_) => {
                "set TERM, for example to xterm-256color, or use `headcount ps`, which needs no screen"
            }
            Self::Versions { .. } => {
                "use the program of the instance, or end it with `headcount down` and start again"
            }
            Self::Failed(_) => "run `headcount` again; nothing but this screen has stopped",
            Self::Lost(_) => {
                "run `headcount` again: the employees work on, and it takes them over; headcount.log may say what happened"
            }
            Self::Modes(_) | Self::Begin(_) | Self::Closed | Self::Refused(_) => return None,
        })
    }
}

/// How a client ended as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The person left; the instance goes on.
    Detached,
    /// The person asked for the demonstration.
    Demo,
    /// The instance ended.
    InstanceEnded,
    /// A signal asked the client to go.
    Signal(i32),
    /// The terminal hung up.
    TerminalGone,
}

/// What a client has to say at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// How it ended.
    pub ending: Ending,
    /// The instance's version, where it is another than ours.
    pub other_build: Option<String>,
}

impl Left {
    /// What to tell the person, where there is something to tell.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let ending = match self.ending {
            Ending::InstanceEnded => Some("The instance ended.".to_owned()),
            Ending::Detached | Ending::Demo | Ending::Signal(_) | Ending::TerminalGone => None,
        };
        let build = self.other_build.as_ref().map(|build| {
            format!(
                "The instance is headcount {build}, this is {}.",
                wire::BUILD
            )
        });
        match (ending, build) {
            (Some(ending), Some(build)) => Some(format!("{ending} {build}")),
            (ending, build) => ending.or(build),
        }
    }
}
