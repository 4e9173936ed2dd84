//! A unit of work: what was asked, who may do it, every attempt, and what came of it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::time::Mono;
use crate::domain::work::Work;
use crate::domain::worktree::Worktree;

/// A task of one priority comes level with a fresh one of the next after this long, so that nothing
/// starves behind a steady stream of more urgent work.
pub const AGEING: Duration = Duration::from_secs(30 * 60);

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
    /// Anyone of this cluster (its key).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Only one that has a git worktree, where the task gets a branch of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_branch: bool,
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
    /// Tasks that must have succeeded before: ids, keys, or names of the same list.
    #[serde(default)]
    pub after: Vec<String>,
    /// What other tasks of the same list call it; kept nowhere.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether it is held until a person releases it.
    #[serde(default)]
    pub held: bool,
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

/// What is to be different of a task that waits; what is not given stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct TaskChange {
    /// What to do.
    pub text: Option<String>,
    /// How urgent; it takes its place among its equals again.
    pub priority: Option<Priority>,
    /// Who may do it.
    pub target: Option<Target>,
    /// How long one attempt may take; `Some(None)` for the role's own.
    pub timeout: Option<Option<Duration>>,
    /// How often it is tried again; `Some(None)` for the role's own.
    pub retries: Option<Option<u32>>,
    /// Tasks that must have succeeded before, in place of those it has.
    pub after: Option<Vec<String>>,
}

/// Where a waiting task is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// Before everything that waits.
    First,
    /// Behind everything that waits.
    Last,
    /// Just before another one that waits.
    Before(TaskId),
}

/// A place in the order of work: the smaller, the sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Milliseconds of the wall clock: when it came, later for each step down in priority.
    pub at: i64,
    /// The order among those of one millisecond, with room between any two.
    pub step: i64,
}

/// What lies between two neighbours of one millisecond that nobody has moved.
pub const STEP: i64 = 1 << 32;

/// Where an attempt stands in the log of its process, in bytes of the log as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpan {
    /// Where it begins.
    pub from: u64,
    /// Where it ends; `None` while it goes on.
    pub to: Option<u64>,
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
    /// What it did.
    #[serde(default)]
    pub work: Work,
    /// Where it stands in the log.
    #[serde(default)]
    pub log: Option<LogSpan>,
    /// What people said to its running turn, oldest first.
    #[serde(default)]
    pub messages: Vec<TurnMessage>,
    /// US dollars that its turn cost, as the agent says.
    #[serde(default)]
    pub cost_usd: f64,
}

impl Attempt {
    /// How long it took; `None` while it goes on.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let span = self.ended?.duration_since(self.started);
        Some(span.try_into().unwrap_or_default())
    }
}

/// Where a task was cut off while an agent was at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Who was at it.
    pub process: ProcessId,
    /// In which conversation; `None` once that cannot be taken up any more.
    pub conversation: Option<Uuid>,
    /// Why, for a person and for whoever goes on.
    pub reason: String,
}

impl Cut {
    /// What stands before the text of the task when it is given again, to the one who was at it in the same conversation or
    /// to somebody who knows nothing of it.
    #[must_use]
    pub fn notice(&self, knows: bool) -> String {
        let reason = self.reason.trim_end_matches('.');
        if knows {
            format!(
                "You were interrupted in this task: {reason}. What you had done is still there. See how far you came, \
                 do nothing twice, and go on to the end. The task again:"
            )
        } else {
            format!(
                "Somebody was at this task before you and was interrupted: {reason}. Part of it may be done. See how far it \
                 is, do nothing twice, and go on to the end. The task:"
            )
        }
    }
}

/// A message of a person to the running turn of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnMessage {
    /// By which the agent's events name it.
    pub uuid: Uuid,
    /// When it was sent.
    pub at: Timestamp,
    /// What was said.
    pub text: String,
    /// How far it has come.
    pub state: TurnMessageState,
}

/// How far a message to a running turn has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnMessageState {
    /// On its way; the agent reads it after the tool that it runs, or after its turn.
    Sent,
    /// The agent read it within the turn of the task.
    Joined,
    /// The turn was over by then: the agent answers it in a turn of its own.
    After,
    /// The agent never read it: it ended, or was interrupted, first.
    Lost,
}

impl TurnMessageState {
    /// What that means, for a person.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Sent => "on its way",
            Self::Joined => "joined the turn",
            Self::After => "read after the turn, in one of its own",
            Self::Lost => "not read: the agent ended or was interrupted first",
        }
    }
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
    /// Where its last attempt was cut off, if the agent was at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Box<Cut>>,
    /// Tasks that must have succeeded before it is worked on.
    #[serde(default)]
    pub after: Vec<TaskId>,
    /// Where a person has put it in the order of work.
    #[serde(default)]
    pub moved: Option<Place>,
    /// Whether a person has said that it failed and that this is all.
    #[serde(default)]
    pub dismissed: bool,
    /// The branch that was made for it alone, and the worktree where that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<Box<Worktree>>,
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

    /// US dollars that all its attempts cost.
    #[must_use]
    pub fn cost_usd(&self) -> f64 {
        let attempts: f64 = self.attempts.iter().map(|attempt| attempt.cost_usd).sum();
        // Those of an older build are not known one by one.
        let result = self.result.as_ref().map_or(0.0, |result| result.cost_usd);
        attempts.max(result)
    }

    /// How long what it came to took; `None` for what is not over, or was never begun.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        match &self.result {
            Some(result) => Some(result.duration),
            None if self.state.is_final() => self.attempts.last()?.duration(),
            None => None,
        }
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

    /// The conversation that a process is to be in for it: of what it continues, or where this process was cut off.
    /// `None` for a fresh one.
    #[must_use]
    pub fn goes_on_in(&self, process: ProcessId) -> Option<Uuid> {
        let cut = || {
            let cut = self.cut.as_deref()?;
            cut.conversation.filter(|_| cut.process == process)
        };
        self.continues
            .map(|earlier| earlier.conversation)
            .or_else(cut)
    }

    /// Where it stands in the order of work.
    #[must_use]
    pub fn place(&self) -> Place {
        self.moved.unwrap_or_else(|| {
            let steps = match self.priority {
                Priority::Urgent => 0,
                Priority::High => 1,
                Priority::Normal => 2,
                Priority::Low => 3,
            };
            let ageing = i64::try_from(AGEING.as_millis()).unwrap_or(i64::MAX);
            let id = i64::try_from(self.id.0).unwrap_or(i64::MAX);
            Place {
                at: Timestamp::as_millisecond(self.created)
                    .saturating_add(ageing.saturating_mul(steps)),
                step: id.saturating_mul(STEP),
            }
        })
    }

    /// Whether it waits and no process holds it: then it may be changed.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(
            self.state,
            TaskState::Queued | TaskState::Held | TaskState::Blocked
        )
    }

    /// The process that has it, or had it last.
    #[must_use]
    pub fn process(&self) -> Option<ProcessId> {
        self.lease
            .map(|lease| lease.process)
            .or_else(|| self.attempts.last().map(|attempt| attempt.process))
    }
}
