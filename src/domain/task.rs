//! A unit of work: what was asked, who may do it, every attempt, and what came of it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::time::Mono;

/// How urgent a task is; the order of the variants is the order of work.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before everything else.
    Urgent,
    /// Before the usual.
    High,
    /// The usual.
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

impl Priority {
    /// All of them, most urgent first.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::High, Self::Normal, Self::Low];

    /// The word that is shown and accepted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for a fitting process.
    Queued,
    /// Waits for a person to release it.
    Held,
    /// Waits for another task.
    Blocked,
    /// Leased to a process that has not begun it yet.
    Assigned,
    /// A process works on it.
    Running,
    /// Its process waits for a person.
    Waiting,
    /// Done.
    Succeeded,
    /// Ended without success.
    Failed,
    /// Taken back by a person.
    Cancelled,
    /// Its last attempt ran out of time.
    TimedOut,
    /// Its retries are used up.
    Parked,
}

impl TaskState {
    /// The word that is shown and documented.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Blocked => "blocked",
            Self::Assigned => "assigned",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Parked => "parked",
        }
    }

    /// Whether nothing more will happen to it by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::TimedOut | Self::Parked
        )
    }

    /// Whether a process holds it.
    #[must_use]
    pub const fn is_leased(self) -> bool {
        matches!(self, Self::Assigned | Self::Running | Self::Waiting)
    }
}

/// Who may do a task. Everything that is given must fit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Target {
    /// This process and no other.
    pub process: Option<ProcessId>,
    /// Any process of this role (its key).
    pub role: Option<String>,
    /// Any process whose role has all of these skills.
    #[serde(default)]
    pub skills: Vec<String>,
}

/// A task as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct NewTask {
    /// What to do.
    pub text: String,
    /// How urgent.
    pub priority: Priority,
    /// Who may do it.
    pub target: Target,
    /// How long one attempt may take; the role's own where it is not given.
    pub timeout: Option<Duration>,
    /// How often it is tried again; the role's own where it is not given.
    pub retries: Option<u32>,
    /// An idempotency key: a second task with it is the first one.
    pub key: Option<String>,
    /// The task whose conversation it goes on in; a fresh one where it is not given.
    #[serde(default)]
    pub continues: Option<TaskId>,
}

/// The conversation that a task goes on in. It is settled when the task is accepted: what becomes of
/// the earlier task later changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continued {
    /// The task that it was the conversation of.
    pub task: TaskId,
    /// The process that owns the conversation, and the only one that may go on in it.
    pub process: ProcessId,
    /// The agent's id for it.
    pub conversation: Uuid,
}

/// Tokens that a turn took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Tokens {
    /// Read by the model, cached ones included.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
}

impl std::ops::AddAssign for Tokens {
    fn add_assign(&mut self, more: Self) {
        self.input += more.input;
        self.output += more.output;
    }
}

/// What a task brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The agent's final text.
    pub text: String,
    /// From delivery to result.
    pub duration: Duration,
    /// Round trips to the model.
    pub turns: u32,
    /// US dollars, as the agent estimates them.
    pub cost_usd: f64,
    /// Tokens.
    pub tokens: Tokens,
    /// Tools that were refused while it ran.
    #[serde(default)]
    pub denials: Vec<String>,
}

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptEnd {
    /// The agent said that it is done.
    Succeeded,
    /// The agent said that it failed.
    Failed,
    /// The process died under it.
    Cut,
    /// It ran out of time.
    TimedOut,
    /// A person or a stop interrupted it; this uses no retry.
    Interrupted,
    /// A person took the task back.
    Cancelled,
}

/// One try at a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Who tried.
    pub process: ProcessId,
    /// In which run.
    pub run: RunId,
    /// When it was leased.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub end: Option<AttemptEnd>,
    /// Why it ended so, for a person.
    pub reason: Option<String>,
    /// In which conversation; `None` if the agent never got it.
    #[serde(default)]
    pub conversation: Option<Uuid>,
}

/// How far a leased task has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeasePhase {
    /// Recorded; the conversation is being made fresh or the order is on its way.
    Leased,
    /// The order is in the outbox of the run.
    Delivered,
    /// The agent said that it took it.
    Acknowledged,
    /// The agent said that it works on it.
    Running,
}

/// Who holds a task; a report under another message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The process.
    pub process: ProcessId,
    /// The run of that process.
    pub run: RunId,
    /// The uuid of our message, by which the agent's report is bound to this attempt.
    pub message: Uuid,
    /// How far it has come.
    pub phase: LeasePhase,
    /// When the attempt is out of time; `None` while it waits for a person.
    pub deadline: Option<Mono>,
    /// What is left of its time while it waits for a person.
    pub left: Option<Duration>,
}

/// A unit of work in the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What to do.
    pub text: String,
    /// Where it stands.
    pub state: TaskState,
    /// How urgent.
    pub priority: Priority,
    /// Who may do it.
    pub target: Target,
    /// How long one attempt may take; the role's own where it is not given.
    pub timeout: Option<Duration>,
    /// How often it is tried again; the role's own where it is not given.
    pub retries: Option<u32>,
    /// The idempotency key.
    pub key: Option<String>,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it came to its present state.
    pub since: Timestamp,
    /// Not leased before this, after a failed attempt.
    pub not_before: Option<Mono>,
    /// Every try, oldest first.
    pub attempts: Vec<Attempt>,
    /// Who holds it now.
    pub lease: Option<Lease>,
    /// What it brought.
    pub result: Option<TaskResult>,
    /// Why it ended without success.
    pub error: Option<String>,
    /// Whether it is on disk; only then may it be leased or said to exist.
    #[serde(skip, default = "stored")]
    pub stored: bool,
    /// Whether a person asked for its end while a process still works on it.
    #[serde(default)]
    pub cancelling: bool,
    /// Attempts that do not count any more, since a person asked for another try.
    #[serde(default)]
    pub forgiven: u32,
    /// The conversation that it goes on in, where it does not begin one.
    #[serde(default)]
    pub continues: Option<Continued>,
}

/// What is read from disk is on disk.
fn stored() -> bool {
    true
}

impl Task {
    /// The first line of the text, for lists.
    #[must_use]
    pub fn title(&self) -> &str {
        self.text.trim_start().lines().next().unwrap_or("")
    }

    /// Attempts that count against the retries: those since a person last asked for a try.
    #[must_use]
    pub fn tries(&self) -> u32 {
        let counted = self.attempts.iter().filter(|attempt| {
            !matches!(
                attempt.end,
                Some(AttemptEnd::Interrupted | AttemptEnd::Cancelled)
            )
        });
        u32::try_from(counted.count())
            .unwrap_or(u32::MAX)
            .saturating_sub(self.forgiven)
    }

    /// The conversation in which it was worked on last, and whose that is.
    #[must_use]
    pub fn conversation(&self) -> Option<(ProcessId, Uuid)> {
        let mut latest_first = self.attempts.iter().rev();
        latest_first.find_map(|attempt| Some((attempt.process, attempt.conversation?)))
    }

    /// The process that has it, or had it last.
    #[must_use]
    pub fn process(&self) -> Option<ProcessId> {
        self.lease
            .map(|lease| lease.process)
            .or_else(|| self.attempts.last().map(|attempt| attempt.process))
    }
}
