//! A task, its attempts and its result, as a document.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::snapshot::Snapshot;
use crate::domain::task::{
    Attempt, AttemptEnd, Priority, Task, TaskResult, TaskState, TurnMessageState,
};
use crate::serve::wire::process::TokensDoc;
use crate::serve::wire::{seconds, usd};

/// What a task brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskResultDoc {
    /// The agent's final text.
    pub text: String,
    /// From delivery to result, in milliseconds.
    pub duration_ms: u64,
    /// Round trips to the model.
    pub turns: u32,
    /// US dollars, as the agent estimates them.
    pub cost_usd: f64,
    /// Tokens.
    pub usage: TokensDoc,
    /// Tools that were refused while it ran.
    pub denials: Vec<String>,
}

impl From<&TaskResult> for TaskResultDoc {
    fn from(result: &TaskResult) -> Self {
        Self {
            text: result.text.clone(),
            duration_ms: u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
            turns: result.turns,
            cost_usd: usd(result.cost_usd),
            usage: result.tokens.into(),
            denials: result.denials.clone(),
        }
    }
}

/// Tasks that were looked at would be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedDoc {
    /// Always true: else there is an error.
    pub ok: bool,
}

/// One try at a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptDoc {
    /// Who tried.
    pub process: ProcessId,
    /// In which run.
    pub run: RunId,
    /// When it was given the task.
    pub started_at: Timestamp,
    /// When the try ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended: `succeeded`, `failed`, `cut`, `timed_out`, `interrupted` or `cancelled`.
    pub end: Option<AttemptEnd>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// The agent's id for the conversation; `null` if it never got the task.
    #[serde(default)]
    pub session_id: Option<Uuid>,
    /// How often it called each tool.
    pub tools: BTreeMap<String, u32>,
    /// Files that it changed, by its tool events.
    pub files: Vec<FileChangeDoc>,
    /// Files that it changed in its worktree, by git; `null` if git was not asked.
    #[serde(default)]
    pub files_by_git: Option<Vec<String>>,
    /// Those that git alone knows of, as those that a command wrote.
    #[serde(default)]
    pub only_by_git: Vec<String>,
    /// Those that the tools alone know of: changed back, ignored by git, or outside of the worktree.
    #[serde(default)]
    pub only_by_tools: Vec<String>,
    /// What people said to its running turn, oldest first.
    #[serde(default)]
    pub messages: Vec<TurnMessageDoc>,
    /// US dollars that its turn cost, as the agent says.
    #[serde(default)]
    pub cost_usd: f64,
    /// Where it begins in the log of its process, in bytes.
    pub log_from: Option<u64>,
    /// Where it ends there; `null` while it goes on.
    pub log_to: Option<u64>,
}

/// A file that an attempt changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChangeDoc {
    /// Its path, as the agent calls it.
    pub path: String,
    /// Lines that came.
    pub added: u64,
    /// Lines that went.
    pub removed: u64,
}

/// A message of a person to a running turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnMessageDoc {
    /// When it was sent.
    pub at: Timestamp,
    /// What was said.
    pub text: String,
    /// How far it has come: `sent`, `joined`, `after` (read in a turn of its own) or `lost`.
    pub state: TurnMessageState,
}

/// Where a message went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidDoc {
    /// Who reads it.
    pub process: ProcessId,
    /// The task whose turn it joins.
    pub task: TaskId,
}

impl AttemptDoc {
    /// Writes an attempt of a snapshot down.
    #[must_use]
    pub fn new(attempt: &Attempt, snapshot: &Snapshot) -> Self {
        let worktree = snapshot
            .process(attempt.process)
            .and_then(|view| view.worktree.as_ref());
        let differences = worktree.and_then(|worktree| attempt.work.differences(worktree));
        let differences = differences.unwrap_or_default();
        Self {
            files_by_git: attempt.work.by_git.clone(),
            only_by_git: differences.by_git,
            only_by_tools: differences.by_tools,
            process: attempt.process,
            run: attempt.run,
            started_at: attempt.started,
            ended_at: attempt.ended,
            end: attempt.end,
            reason: attempt.reason.clone(),
            session_id: attempt.conversation,
            cost_usd: attempt.cost_usd,
            messages: attempt
                .messages
                .iter()
                .map(|message| TurnMessageDoc {
                    at: message.at,
                    text: message.text.clone(),
                    state: message.state,
                })
                .collect(),
            tools: attempt.work.tools.clone(),
            files: attempt
                .work
                .files
                .iter()
                .map(|file| FileChangeDoc {
                    path: file.path.clone(),
                    added: file.added,
                    removed: file.removed,
                })
                .collect(),
            log_from: attempt.log.map(|log| log.from),
            log_to: attempt.log.and_then(|log| log.to),
        }
    }
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDoc {
    /// `task_0001`.
    pub id: TaskId,
    /// What to do.
    pub text: String,
    /// Where it stands.
    pub state: TaskState,
    /// How urgent.
    pub priority: Priority,
    /// The role that was asked for, else the role of the process that has it.
    pub role: Option<String>,
    /// The process that has it or had it last, else the one that was asked for.
    pub process: Option<ProcessId>,
    /// Skills that were asked for.
    pub skills: Vec<String>,
    /// The cluster that was asked for.
    #[serde(default)]
    pub cluster: Option<String>,
    /// The idempotency key.
    pub key: Option<String>,
    /// How long one attempt may take; `null`: the role's own.
    pub timeout_seconds: Option<f64>,
    /// How often it is tried again; `null`: the role's own.
    pub retries: Option<u32>,
    /// The task whose conversation it goes on in.
    #[serde(default)]
    pub continues: Option<TaskId>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Since when it has its state.
    pub since: Timestamp,
    /// Tasks that must have succeeded before.
    pub after: Vec<TaskId>,
    /// Whether it is to be done on a branch of its own.
    #[serde(default)]
    pub own_branch: bool,
    /// The branch that was made for it alone.
    #[serde(default)]
    pub branch: Option<String>,
    /// Why it waits, while it is queued, held or blocked.
    pub waits_because: Option<String>,
    /// Whether its end was asked for while a process still works on it.
    pub cancelling: bool,
    /// Every try, oldest first.
    pub attempts: Vec<AttemptDoc>,
    /// What it brought.
    pub result: Option<TaskResultDoc>,
    /// Why it ended without success.
    pub error: Option<String>,
}

impl TaskDoc {
    /// Writes a task of a snapshot down.
    #[must_use]
    pub fn new(task: &Task, snapshot: &Snapshot) -> Self {
        let process = task.process().or(task.target.process);
        let role = task.target.role.clone().or_else(|| {
            process
                .and_then(|id| snapshot.process(id))
                .map(|view| view.role.clone())
        });
        Self {
            id: task.id,
            text: task.text.clone(),
            state: task.state,
            priority: task.priority,
            role,
            process,
            skills: task.target.skills.clone(),
            cluster: task.target.cluster.clone(),
            key: task.key.clone(),
            timeout_seconds: task.timeout.map(seconds),
            retries: task.retries,
            continues: task.continues.map(|continued| continued.task),
            created_at: task.created,
            since: task.since,
            after: task.after.clone(),
            waits_because: snapshot.why(task.id).map(Cow::into_owned),
            cancelling: task.cancelling,
            attempts: task
                .attempts
                .iter()
                .map(|attempt| AttemptDoc::new(attempt, snapshot))
                .collect(),
            own_branch: task.target.own_branch,
            branch: task
                .worktree
                .as_ref()
                .map(|worktree| worktree.branch.clone()),
            result: task.result.as_ref().map(TaskResultDoc::from),
            error: task.error.clone(),
        }
    }
}
