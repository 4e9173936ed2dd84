//! What people, scripts and agents order, and what they are answered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::automation::Overrides;
use crate::domain::cluster::{ClusterDone, ToCluster};
use crate::domain::exit::Exit;
use crate::domain::fault::Fault;
use crate::domain::id::{AlertId, ProcessId, RequestId, TaskId};
use crate::domain::preview::Preview;
use crate::domain::role::{Kind, PromptMode, Range};
use crate::domain::task::{Move, NewTask, TaskChange};
use crate::domain::worktree::{SavedWork, UseWorktree, WorkDone, WorkOf, WorkOrder, WorkSummary};

/// Who orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A person at a screen.
    Terminal,
    /// The command line.
    Cli,
    /// Another client of the HTTP interface.
    Api,
    /// An employee, known by the ancestry of its connection.
    Employee(ProcessId),
    /// The program itself.
    Automation,
}

impl Origin {
    /// Who that is, for a person.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Terminal => "an order at the screen",
            Self::Cli => "an order on the command line",
            Self::Api => "an order by the API",
            Self::Employee(_) => "an employee",
            Self::Automation => "headcount itself",
        }
    }
}

/// A process as it is asked for. What is not given comes from the role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct NewProcess {
    /// The role's key.
    pub role: String,
    /// The cluster that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The employee's name; one is chosen where it is not given.
    pub name: Option<String>,
    /// The kind.
    pub kind: Option<Kind>,
    /// Where it works; the workspace where it is not given.
    pub working_directory: Option<PathBuf>,
    /// Variables over the role's.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Tools in place of the role's.
    pub tools: Option<Vec<String>>,
    /// A prompt in place of the role's.
    pub prompt: Option<PromptOverride>,
    /// How the prompt meets the agent's own.
    pub prompt_mode: Option<PromptMode>,
    /// The model.
    pub model: Option<String>,
    /// Turns a task may take.
    pub max_turns: Option<u32>,
    /// Whether it works in a git worktree of its own.
    #[serde(default)]
    pub worktree: Option<UseWorktree>,
    /// Cores.
    pub cpu: Option<Range<f64>>,
    /// Bytes of memory.
    pub memory: Option<Range<u64>>,
    /// Whether it is left down.
    #[serde(default)]
    pub no_start: bool,
    /// Whether it is started again after a failure; the role says where it is not given.
    #[serde(default)]
    pub auto_restart: Option<bool>,
    /// What it has in place of its role's automation.
    #[serde(default)]
    pub automation: Overrides,
}

/// The longest prompt, in bytes.
pub const LONGEST_PROMPT: usize = 1_000_000;

/// A prompt of one process in place of its role's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptOverride {
    /// The text itself.
    Text(String),
    /// A file, absolute.
    File(PathBuf),
}

/// An order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Hires: answered when the process is ready, blocked or failed, or at once with `no_start`.
    Create(Box<NewProcess>),
    /// Looks at what would be hired, and hires nobody: answered when everything is read.
    Preview(Vec<NewProcess>),
    /// Starts: answered when it is ready, blocked or failed.
    Start(ProcessId),
    /// Stops after the current task: answered when nothing of it is left. A second one interrupts
    /// the task, a third one kills.
    Stop(ProcessId),
    /// Kills the whole tree at once: answered when nothing of it is left.
    Kill(ProcessId),
    /// Stops gracefully and starts again: answered as `Start`.
    Restart(ProcessId),
    /// Answers what is to become of updates on disk: answered as `Restart` for now, else at once.
    Update {
        /// Whose.
        process: ProcessId,
        /// When.
        when: UpdateWhen,
    },
    /// Says something to the running turn of a process: answered when that is on disk.
    Say {
        /// Who is to read it.
        process: ProcessId,
        /// What is said.
        text: String,
    },
    /// Asks a process how it does: answered when it has answered, or has not in time.
    Check(ProcessId),
    /// Says that an alert was seen.
    Acknowledge(AlertId),
    /// Removes a process that is down.
    Remove(ProcessId),
    /// Accepts a task: answered when it is on disk.
    AddTask(Box<NewTask>),
    /// Accepts several tasks, all of them or none: answered when they are on disk.
    AddTasks(Vec<NewTask>),
    /// Looks whether a list of tasks would be accepted, and accepts none.
    CheckTasks(Vec<NewTask>),
    /// Changes a task that waits.
    EditTask {
        /// Which one.
        task: TaskId,
        /// What is to be different.
        change: Box<TaskChange>,
    },
    /// Moves a task that waits.
    MoveTask {
        /// Which one.
        task: TaskId,
        /// Where.
        to: Move,
    },
    /// Holds a task that waits until a person releases it.
    HoldTask(TaskId),
    /// Deletes a task that no process holds.
    RemoveTask(TaskId),
    /// Takes a task back; a process that works on it is interrupted.
    CancelTask(TaskId),
    /// Puts a task that ended without success back into the queue.
    RetryTask(TaskId),
    /// Says that a task ended without success and that this is all: the inbox lists it no more.
    DismissTask(TaskId),
    /// Releases a held task.
    ReleaseTask(TaskId),
    /// Allows a request once.
    Approve(RequestId),
    /// Allows a request, and what fits the rule for this process.
    ApproveAlways {
        /// The request.
        request: RequestId,
        /// The rule; the proposed one where it is not given.
        rule: Option<String>,
    },
    /// Refuses a request.
    Deny {
        /// The request.
        request: RequestId,
        /// Why; the agent reads it.
        reason: Option<String>,
    },
    /// Answers a question, in the order of its questions.
    Answer {
        /// The request.
        request: RequestId,
        /// One answer a question.
        answers: Vec<String>,
    },
    /// Does something with work that stands in a git worktree: answered when it is done.
    Work {
        /// Whose.
        of: WorkOf,
        /// What.
        order: WorkOrder,
    },
    /// Orders a whole cluster: answered when each of it has come to where it is to be, or has not.
    Cluster(ToCluster),
    /// Stops everything gracefully and ends the instance.
    Shutdown,
    /// Kills everything and ends the instance.
    ShutdownNow,
    /// Ends the instance and leaves every run to the next: answered when all that was decided is on
    /// disk.
    HandOver {
        /// The program that takes over, absolute.
        program: PathBuf,
    },
}

/// When a process is restarted with its updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateWhen {
    /// After its current task, as any restart.
    Now,
    /// When it has nothing to do.
    Idle,
    /// After its current task, and then all others of its role that have updates: each when the one
    /// before is up again.
    Rolling,
    /// Not for these; later ones are asked about again.
    NotNow,
}

/// What an order brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Done, with nothing to add.
    Done,
    /// Hired.
    Created(ProcessId),
    /// What each would run with, in the order asked for.
    Previewed(Vec<Preview>),
    /// Up and ready.
    Started(ProcessId),
    /// Asked how it does; the snapshot has what came of it.
    Checked(ProcessId),
    /// On its way to the turn of this task.
    Said(TaskId),
    /// Down, with the proof.
    Stopped(ProcessId, Option<Box<Exit>>),
    /// Accepted and on disk.
    TaskAdded(TaskId),
    /// An idempotency key was known: the first task stands.
    TaskKnown(TaskId),
    /// Accepted and on disk, in the order of the list; whether each was known by its key.
    TasksAdded(Vec<(TaskId, bool)>),
    /// What came of work in a worktree.
    Worked {
        /// Whose worktree that is.
        process: ProcessId,
        /// The branch that it is about.
        branch: String,
        /// What that began from.
        base: String,
        /// What came of it.
        done: Box<WorkDone>,
    },
    /// What came of an order to a cluster.
    Cluster(Box<ClusterDone>),
    /// Removed, and its worktree with it.
    Removed {
        /// What was kept of the worktree; `None` if there was nothing to keep.
        saved: Option<Box<SavedWork>>,
        /// What was not committed there.
        left: Option<Box<WorkSummary>>,
    },
}

/// Why an order was refused or failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No process of that id.
    #[error("there is no process {0}")]
    UnknownProcess(ProcessId),
    /// No task of that id.
    #[error("there is no task {0}")]
    UnknownTask(TaskId),
    /// No tasks that are called so, to be waited for.
    #[error("{}", unmet(.0))]
    NoParents(Vec<String>),
    /// No request of that id.
    #[error("there is no request {0}")]
    UnknownRequest(RequestId),
    /// No alert of that id.
    #[error("there is no alert {0}")]
    UnknownAlert(AlertId),
    /// No role of that key.
    #[error("there is no role `{name}`{}", nearest(.near))]
    UnknownRole {
        /// What was asked for.
        name: String,
        /// Keys that are close to it.
        near: Vec<String>,
    },
    /// No cluster of that key.
    #[error("there is no cluster `{name}`{}", nearest(.near))]
    UnknownCluster {
        /// What was asked for.
        name: String,
        /// Keys that are close to it.
        near: Vec<String>,
    },
    /// The present state does not allow it.
    #[error("{0}")]
    State(String),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// Git could not; nothing is lost.
    #[error("{cause}")]
    Work {
        /// Why.
        cause: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// The request makes no sense as it stands.
    #[error("{0}")]
    Invalid(String),
    /// Some of the tasks make no sense; none is accepted.
    #[error("{}", mistaken(.0))]
    Tasks(Vec<TaskMistake>),
    /// It was tried and did not come up; the process exists.
    #[error("{process} did not start: {fault}")]
    Fault {
        /// The process.
        process: ProcessId,
        /// What is wrong.
        fault: Fault,
    },
    /// It could not be written to disk; nothing was changed.
    #[error("cannot write to the state folder: {0}")]
    NotStored(String),
    /// The instance is on its way down and begins nothing more.
    #[error("the instance is shutting down")]
    Ending,
    /// The instance ended before it was answered.
    #[error("the instance ended")]
    Gone,
    /// A new build took over before the order was looked at: nothing was done.
    #[error("a new build takes over; ask again")]
    Again,
}

/// What is wrong with one task of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMistake {
    /// Which one, the first being 0.
    pub index: usize,
    /// Which key of it, as it is written in a file of tasks; none for the task as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'static, str>>,
    /// What is wrong.
    pub text: String,
}

fn mistaken(mistakes: &[TaskMistake]) -> String {
    let lines: Vec<String> = mistakes
        .iter()
        .map(|mistake| format!("task {}: {}", mistake.index + 1, mistake.text))
        .collect();
    lines.join("; ")
}

fn unmet(names: &[String]) -> String {
    let texts: Vec<String> = names
        .iter()
        .map(|name| format!("there is no task `{name}` to wait for"))
        .collect();
    texts.join("; ")
}

fn nearest(near: &[String]) -> String {
    if near.is_empty() {
        String::new()
    } else {
        format!("; the nearest are {}", near.join(", "))
    }
}

impl Refusal {
    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Fault { fault, .. } => Some(fault.remedy.clone()),
            Self::Work { remedy, .. } => remedy.clone(),
            Self::UnknownRole { near, .. } if near.is_empty() => {
                Some("list the roles with `headcount roles`".to_owned())
            }
            Self::UnknownCluster { near, .. } if near.is_empty() => Some(
                "`headcount cluster ls` lists them; write [clusters.NAME] into roles.toml for a new one"
                    .to_owned(),
            ),
            Self::UnknownRole { near, .. } | Self::UnknownCluster { near, .. } => near.first().map(|key| format!("use `{key}`")),
            Self::NoParents(_) => Some("list the tasks with `headcount task ls`".to_owned()),
            Self::Ending => Some(
                "`headcount up` waits until it is gone and starts another; then try again"
                    .to_owned(),
            ),
            Self::NotStored(_) => {
                Some("make room on the disk or mend its permissions, then try again".to_owned())
            }
            _ => None,
        }
    }
}
