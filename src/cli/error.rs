//! What can go wrong on the command line, with its exit code and its cure.

use std::io;
use std::path::PathBuf;

use crate::app::instance::InstanceError;
use crate::cli::client::ClientError;
use crate::cli::exit::Code;
use crate::cli::place::PlaceError;
use crate::cli::service::ServiceError;
use crate::config::{InitError, Mistakes};
use crate::domain::id::TaskId;
use crate::serve::wire::{ErrorBody, ErrorKind, FaultDoc};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// Nobody answers for this workspace.
    #[error("no instance runs for {}", workspace.display())]
    NoInstance {
        /// The workspace.
        workspace: PathBuf,
    },
    /// The instance said no.
    #[error("{}", .0.message)]
    Api(ErrorBody),
    /// The instance could not be asked.
    #[error("cannot talk to the instance")]
    Client(#[source] ClientError),
    /// A process was asked to come up and did not.
    #[error("{who} did not come up")]
    NotUp {
        /// Name and id.
        who: String,
        /// What is wrong, where it is known.
        #[source]
        cause: Option<FaultCause>,
    },
    /// A stop could not end everything.
    #[error("not everything of {who} could be ended: {}", left.join(", "))]
    Left {
        /// The name.
        who: String,
        /// What is left, with PIDs.
        left: Vec<String>,
    },
    /// A task ended without success.
    #[error("{task} {state}")]
    TaskFailed {
        /// Its id.
        task: String,
        /// Its state, as a verb: `failed`, `was cancelled`.
        state: &'static str,
        /// Why.
        #[source]
        cause: Option<Plain>,
    },
    /// Work cannot be merged as it is.
    #[error("both sides changed the same places in {}", files.join(", "))]
    Conflicts {
        /// In which files.
        files: Vec<String>,
        /// The task that asks the employee to resolve them.
        task: Option<TaskId>,
    },
    /// A name fits several things.
    #[error("`{text}` may mean {}", either(.candidates))]
    Ambiguous {
        /// What was given.
        text: String,
        /// What it may mean.
        candidates: Vec<String>,
    },
    /// A name fits nothing.
    #[error("there is no {what} `{text}`")]
    Unknown {
        /// `process`, `task`, `request`, `alert`, `role`, `department`, `cluster` or `template`.
        what: &'static str,
        /// What was given.
        text: String,
        /// What is close to it.
        near: Vec<String>,
    },
    /// A cluster has no such role.
    #[error("the cluster {cluster} has no role `{text}`")]
    NotOfCluster {
        /// Its key.
        cluster: String,
        /// What was given.
        text: String,
        /// The role of it that is close.
        near: Option<String>,
        /// The roles that it has.
        roles: Vec<String>,
    },
    /// The arguments contradict each other or cannot be read.
    #[error("{0}")]
    Usage(String),
    /// A time passed.
    #[error("{0}")]
    TimedOut(String),
    /// Workspace or state folder cannot be found, or no instance started.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The configuration has mistakes; they are drawn as they are.
    #[error("{} has {}", .0.path().display(), count(.0.len()))]
    Mistakes(Box<Mistakes>),
    /// A file of tasks has mistakes; they are drawn as they are.
    #[error("{} has {}; nothing was added", .0.path().display(), count(.0.len()))]
    TaskFile(Box<Mistakes>),
    /// A file of tasks is more than is taken at once.
    #[error("the tasks of the file are {bytes} bytes; at most 8 MiB are taken at once")]
    LongFile {
        /// How long they are.
        bytes: usize,
    },
    /// A shipped file cannot be written.
    #[error(transparent)]
    Init(#[from] InitError),
    /// A file that was named cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that was named cannot be written.
    #[error("cannot write {}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Where this program stands cannot be told.
    #[error("cannot tell where this program is")]
    Program(#[source] io::Error),
    /// This build does not understand what the instance has.
    #[error("this build cannot take over; the instance goes on as it is")]
    CannotTakeOver(#[source] Box<InstanceError>),
    /// The instance ended for this build, and this build did not come up.
    #[error("this build took over and then ended; the processes run on for a while")]
    NotTakenOver,
    /// The service cannot be set up or taken away.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Standard output does not take any more.
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
    /// The screen ended badly.
    #[error("the screen cannot be shown")]
    Screen(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is wrong has been said already.
    #[error("some of it did not work out")]
    Said(Code),
}

/// A fault as the cause of an error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{} ({})", .0.cause, .0.code)]
pub(super) struct FaultCause(pub(super) FaultDoc);

/// A text as the cause of an error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct Plain(pub(super) String);

impl CliError {
    /// The exit code.
    pub(super) fn code(&self) -> Code {
        match self {
            // A connection that breaks is that of an instance that was killed.
            Self::NoInstance { .. } | Self::Client(ClientError::Http(_)) => Code::NoInstance,
            Self::Api(body) => match body.kind {
                ErrorKind::NotFound => Code::NotFound,
                ErrorKind::Refused | ErrorKind::Forbidden => Code::Refused,
                ErrorKind::Invalid => Code::Usage,
                ErrorKind::Fault | ErrorKind::NotStored => Code::Failed,
                ErrorKind::Gone | ErrorKind::Again => Code::NoInstance,
            },
            Self::Ambiguous { .. }
            | Self::Usage(_)
            | Self::TaskFile(_)
            | Self::LongFile { .. }
            | Self::Client(ClientError::TooLong { .. } | ClientError::Unwritable(_)) => Code::Usage,
            Self::Unknown { .. } | Self::NotOfCluster { .. } => Code::NotFound,
            Self::TimedOut(_) => Code::TimedOut,
            Self::Place(error) if error.is_refusal() => Code::Refused,
            Self::Said(code) => *code,
            Self::Client(_)
            | Self::NotUp { .. }
            | Self::Left { .. }
            | Self::TaskFailed { .. }
            | Self::Place(_)
            | Self::Mistakes(_)
            | Self::Init(_)
            | Self::Read { .. }
            | Self::WriteFile { .. }
            | Self::Conflicts { .. }
            | Self::Program(_)
            | Self::CannotTakeOver(_)
            | Self::NotTakenOver
            | Self::Service(_)
            | Self::Write(_)
            | Self::Screen(_) => Code::Failed,
        }
    }

    /// What to do about it, where there is something to say.
    pub(super) fn remedy(&self) -> Option<String> {
        match self {
            Self::NoInstance { .. } => Some(
                "start one with `headcount up`, or name its folder with --workspace".to_owned(),
            ),
            Self::Api(body) => body.remedy.clone(),
            Self::NotUp { cause, .. } => cause.as_ref().map(|cause| cause.0.remedy.clone()),
            Self::Left { .. } => Some(
                "a process in an unkillable wait ends when its disk or mount answers".to_owned(),
            ),
            Self::Conflicts { task, .. } => Some(match task {
                Some(task) => {
                    format!("nothing was changed; {task} asks the employee to resolve them")
                }
                None => "nothing was changed; `--hand-back` asks the employee to resolve them"
                    .to_owned(),
            }),
            Self::Ambiguous { .. } => Some("use one of these ids".to_owned()),
            Self::Unknown { what, near, .. } => Some(match (near.first(), *what) {
                (Some(near), _) => format!("the nearest is `{near}`"),
                (None, "role") => "list the roles with `headcount roles`".to_owned(),
                (None, "department") => {
                    "list the roles and their departments with `headcount roles`".to_owned()
                }
                (None, "cluster") => "list the clusters with `headcount cluster ls`".to_owned(),
                (None, "task") => "list the tasks with `headcount task ls`".to_owned(),
                (None, "template") => {
                    "list the templates with `headcount task templates`".to_owned()
                }
                (None, "request") => "list what waits with `headcount inbox`".to_owned(),
                (None, "alert") => "list the alerts with `headcount alerts`".to_owned(),
                (None, _) => "list the processes with `headcount ps`".to_owned(),
            }),
            Self::NotOfCluster {
                near: Some(near), ..
            } => Some(format!("the nearest is `{near}`")),
            Self::NotOfCluster { roles, .. } => Some(format!("its roles are {}", roles.join(", "))),
            Self::CannotTakeOver(error) => error.remedy().map(ToOwned::to_owned),
            Self::NotTakenOver => Some(
                "look into headcount.log in the state folder, then run `headcount up`, with the \
                 build of before if need be: it has them all again within ten minutes"
                    .to_owned(),
            ),
            Self::Place(error) => error.remedy(),
            Self::Service(error) => Some(error.remedy()),
            Self::Mistakes(_) => {
                Some("mend the file; `headcount doctor` checks it again".to_owned())
            }
            Self::TaskFile(_) => Some("mend the file and add it again".to_owned()),
            Self::LongFile { .. } => Some(
                "nothing was added; divide the file, those that wait for each other together"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NoInstance { workspace } => Self::NoInstance { workspace },
            ClientError::Refused(body) => Self::Api(*body),
            error => Self::Client(error),
        }
    }
}

fn either(candidates: &[String]) -> String {
    match candidates {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}

fn count(mistakes: usize) -> String {
    if mistakes == 1 {
        "a mistake".to_owned()
    } else {
        format!("{mistakes} mistakes")
    }
}
