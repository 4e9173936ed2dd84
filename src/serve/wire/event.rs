//! What happened, entry by entry and summed up, as documents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::chronicle::{Entry, What};
use crate::domain::digest::{
    AlertNote, Digest, FailureNote, HireNote, RestartNote, StuckNote, TaskNote, WaitNote,
};
use crate::domain::fault::FaultCode;
use crate::domain::id::{ProcessId, RequestId, TaskId};
use crate::domain::snapshot::Status;
use crate::serve::wire::usd;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryDoc {
    /// Counts up; never used again.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What kind of thing, for example `task_succeeded`.
    pub what: What,
    /// Whom it concerns.
    pub process: Option<ProcessId>,
    /// The employee's name at that time.
    pub name: Option<String>,
    /// Which task.
    pub task: Option<TaskId>,
    /// Which request.
    pub request: Option<RequestId>,
    /// Who did it; `null` where nobody ordered it.
    pub by: Option<String>,
    /// The code of the fault that it was.
    pub code: Option<FaultCode>,
    /// US dollars that it cost.
    pub cost_usd: Option<f64>,
    /// The rest, in one line.
    pub text: String,
}

impl From<&Entry> for EntryDoc {
    fn from(entry: &Entry) -> Self {
        Self {
            number: entry.number,
            at: entry.at,
            what: entry.what,
            process: entry.process,
            name: entry.name.clone(),
            task: entry.task,
            request: entry.request,
            by: entry.by.clone(),
            code: entry.code,
            cost_usd: entry.cost_usd.map(usd),
            text: entry.text.clone(),
        }
    }
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskNoteDoc {
    /// Which task.
    pub task: TaskId,
    /// The first line of its text.
    pub title: String,
    /// Who worked on it last.
    pub process: Option<ProcessId>,
    /// The employee's name.
    pub name: Option<String>,
    /// `task_succeeded`, `task_failed`, `task_timed_out` or `task_parked`.
    pub what: What,
    /// When.
    pub at: Timestamp,
    /// The first line of the result, or why there is none.
    pub text: String,
    /// US dollars of all its attempts in this time.
    pub cost_usd: f64,
}

impl From<&TaskNote> for TaskNoteDoc {
    fn from(note: &TaskNote) -> Self {
        Self {
            task: note.task,
            title: note.title.clone(),
            process: note.process,
            name: note.name.clone(),
            what: note.what,
            at: note.at,
            text: note.text.clone(),
            cost_usd: usd(note.cost_usd),
        }
    }
}

/// What went wrong with a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureNoteDoc {
    /// Which process.
    pub process: ProcessId,
    /// The employee's name.
    pub name: String,
    /// `failed`, `gave_up` or `blocked`, the last time.
    pub what: What,
    /// The code of the fault, the last time.
    pub code: Option<FaultCode>,
    /// Why, the last time.
    pub text: String,
    /// When, the last time.
    pub at: Timestamp,
    /// How often.
    pub count: u32,
    /// Its status now; `null` if it was let go.
    pub status: Option<Status>,
}

impl From<&FailureNote> for FailureNoteDoc {
    fn from(note: &FailureNote) -> Self {
        Self {
            process: note.process,
            name: note.name.clone(),
            what: note.what,
            code: note.code,
            text: note.text.clone(),
            at: note.at,
            count: note.count,
            status: note.now,
        }
    }
}

/// A process that was started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartNoteDoc {
    /// Which process.
    pub process: ProcessId,
    /// The employee's name.
    pub name: String,
    /// How often.
    pub count: u32,
    /// Why, the last time.
    pub text: String,
}

impl From<&RestartNote> for RestartNoteDoc {
    fn from(note: &RestartNote) -> Self {
        Self {
            process: note.process,
            name: note.name.clone(),
            count: note.count,
            text: note.text.clone(),
        }
    }
}

/// What waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitNoteDoc {
    /// The request; `null` where no answer is asked for but an act.
    pub request: Option<RequestId>,
    /// Who waits.
    pub process: ProcessId,
    /// The employee's name.
    pub name: String,
    /// For what.
    pub text: String,
    /// Since when.
    pub since: Timestamp,
}

impl From<&WaitNote> for WaitNoteDoc {
    fn from(note: &WaitNote) -> Self {
        Self {
            request: note.request,
            process: note.process,
            name: note.name.clone(),
            text: note.text.clone(),
            since: note.since,
        }
    }
}

/// An alert that was raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertNoteDoc {
    /// Whom it concerns.
    pub name: Option<String>,
    /// What is or was wrong.
    pub text: String,
    /// When it was raised.
    pub at: Timestamp,
    /// Whether it is over.
    pub over: bool,
}

impl From<&AlertNote> for AlertNoteDoc {
    fn from(note: &AlertNote) -> Self {
        Self {
            name: note.name.clone(),
            text: note.text.clone(),
            at: note.at,
            over: note.over,
        }
    }
}

/// Somebody whom automation hired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HireNoteDoc {
    /// Which process.
    pub process: ProcessId,
    /// The employee's name.
    pub name: String,
    /// As what.
    pub text: String,
}

impl From<&HireNote> for HireNoteDoc {
    fn from(note: &HireNote) -> Self {
        Self {
            process: note.process,
            name: note.name.clone(),
            text: note.text.clone(),
        }
    }
}

/// Tasks that wait for one and the same thing, which takes a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckNoteDoc {
    /// Why they wait, and what would help.
    pub text: String,
    /// Which tasks, oldest first, 200 at most.
    pub tasks: Vec<TaskId>,
    /// How many there are.
    pub count: u32,
}

impl From<&StuckNote> for StuckNoteDoc {
    fn from(note: &StuckNote) -> Self {
        Self {
            text: note.text.clone(),
            tasks: note.tasks.clone(),
            count: note.count,
        }
    }
}

/// What happened in a time, summed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DigestDoc {
    /// From then on; `null` for everything that is on record.
    pub since: Option<Timestamp>,
    /// Until then.
    pub until: Timestamp,
    /// Whether nothing happened that a person would want to know.
    pub quiet: bool,
    /// Tasks that are done, newest first, 200 at most.
    pub finished: Vec<TaskNoteDoc>,
    /// How many there are.
    pub finished_count: u32,
    /// Tasks that ended without success and stand so, newest first, 200 at most.
    pub failed: Vec<TaskNoteDoc>,
    /// How many there are.
    pub failed_count: u32,
    /// Processes that failed or were blocked.
    pub failures: Vec<FailureNoteDoc>,
    /// Processes that were started again.
    pub restarted: Vec<RestartNoteDoc>,
    /// Whom automation hired.
    pub hired: Vec<HireNoteDoc>,
    /// How often an instance ended without a word and the next one went on.
    pub instances_lost: u32,
    /// Runs that went on without an instance.
    pub adopted: u32,
    /// What waits for a person now, longest waiting first.
    pub waits: Vec<WaitNoteDoc>,
    /// Tasks that wait now and will not go on by themselves, the most first.
    pub stuck: Vec<StuckNoteDoc>,
    /// Alerts that were raised.
    pub alerts: Vec<AlertNoteDoc>,
    /// US dollars.
    pub cost_usd: f64,
}

impl From<&Digest> for DigestDoc {
    fn from(digest: &Digest) -> Self {
        Self {
            since: digest.since,
            until: digest.until,
            quiet: digest.is_quiet(),
            finished: digest.finished.iter().map(Into::into).collect(),
            finished_count: digest.finished_count,
            failed: digest.failed.iter().map(Into::into).collect(),
            failed_count: digest.failed_count,
            failures: digest.failures.iter().map(Into::into).collect(),
            restarted: digest.restarted.iter().map(Into::into).collect(),
            hired: digest.hired.iter().map(Into::into).collect(),
            instances_lost: digest.instances_lost,
            adopted: digest.adopted,
            waits: digest.waits.iter().map(Into::into).collect(),
            stuck: digest.stuck.iter().map(Into::into).collect(),
            alerts: digest.alerts.iter().map(Into::into).collect(),
            cost_usd: usd(digest.cost_usd),
        }
    }
}
