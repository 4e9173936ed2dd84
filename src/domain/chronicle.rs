//! The record of what happened: one entry for each thing that a person may ask about later. It is only
//! ever added to; the oldest entries go when there are too many or they are too old.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::fault::FaultCode;
use crate::domain::id::{ProcessId, RequestId, TaskId};

/// How many entries are kept.
pub const MOST: u64 = 100_000;
/// How many days an entry is kept.
pub const DAYS: i64 = 90;
/// How much of a line an entry keeps, in characters.
const TEXT: usize = 400;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An instance began to serve this company.
    InstanceStarted,
    /// An instance was told to end, or to leave everything to another build.
    InstanceEnds,
    /// A terminal came.
    Attached,
    /// A terminal left.
    Left,
    /// Somebody was hired.
    Hired,
    /// Somebody was let go.
    Removed,
    /// A process or a task was ordered to do something.
    Ordered,
    /// A process is ready for work.
    Started,
    /// A run ended and was meant to, or had done its work.
    Stopped,
    /// A run failed; a restart is pending.
    Failed,
    /// A process is left down after failures.
    GaveUp,
    /// A process cannot work until a cause outside is gone.
    Blocked,
    /// A process was started again.
    Restarted,
    /// A run went on without an instance and is looked after again.
    Adopted,
    /// What a process runs with changed on disk.
    Changed,
    /// A process came up with its updates.
    Updated,
    /// A task was accepted.
    TaskAdded,
    /// A task is done.
    TaskSucceeded,
    /// An attempt at a task failed; it is tried again.
    TaskTriedAgain,
    /// A task went back to the queue, and no retry was used.
    TaskReturned,
    /// A task waits for a person to release it.
    TaskHeld,
    /// A task ended without success.
    TaskFailed,
    /// A task ran out of time for the last time.
    TaskTimedOut,
    /// A task's retries are used up.
    TaskParked,
    /// A task was taken back.
    TaskCancelled,
    /// An agent worked by itself, and what that cost.
    Turn,
    /// Somebody wants a person to decide.
    Asked,
    /// A person decided.
    Answered,
    /// Nobody waits for the answer any more.
    Withdrawn,
    /// Something is wrong.
    Alert,
    /// It is over.
    AlertOver,
    /// Part of the program failed, or somebody tried what is not allowed.
    Trouble,
}

impl What {
    /// The word that is shown and documented.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InstanceStarted => "instance_started",
            Self::InstanceEnds => "instance_ends",
            Self::Attached => "attached",
            Self::Left => "left",
            Self::Hired => "hired",
            Self::Removed => "removed",
            Self::Ordered => "ordered",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::GaveUp => "gave_up",
            Self::Blocked => "blocked",
            Self::Restarted => "restarted",
            Self::Adopted => "adopted",
            Self::Changed => "changed",
            Self::Updated => "updated",
            Self::TaskAdded => "task_added",
            Self::TaskSucceeded => "task_succeeded",
            Self::TaskTriedAgain => "task_tried_again",
            Self::TaskReturned => "task_returned",
            Self::TaskHeld => "task_held",
            Self::TaskFailed => "task_failed",
            Self::TaskTimedOut => "task_timed_out",
            Self::TaskParked => "task_parked",
            Self::TaskCancelled => "task_cancelled",
            Self::Turn => "turn",
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Withdrawn => "withdrawn",
            Self::Alert => "alert",
            Self::AlertOver => "alert_over",
            Self::Trouble => "trouble",
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up, in the order in which they were written; the store gives it.
    #[serde(skip)]
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub what: What,
    /// Whom it concerns.
    #[serde(default)]
    pub process: Option<ProcessId>,
    /// The employee's name at that time.
    #[serde(default)]
    pub name: Option<String>,
    /// Which task.
    #[serde(default)]
    pub task: Option<TaskId>,
    /// Which request.
    #[serde(default)]
    pub request: Option<RequestId>,
    /// Who did it, for a person; `None` where nobody did.
    #[serde(default)]
    pub by: Option<String>,
    /// The fault that it was.
    #[serde(default)]
    pub code: Option<FaultCode>,
    /// US dollars that it cost.
    #[serde(default)]
    pub cost_usd: Option<f64>,
    /// The rest, in one line.
    pub text: String,
}

impl Entry {
    /// An entry with nothing but a text.
    #[must_use]
    pub fn new(at: Timestamp, what: What, text: &str) -> Self {
        Self {
            number: 0,
            at,
            what,
            process: None,
            name: None,
            task: None,
            request: None,
            by: None,
            code: None,
            cost_usd: None,
            text: one_line(text),
        }
    }
}

/// A text as one line that is not too long.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    let words = text.trim().split(|c: char| c.is_control());
    for part in words.map(str::trim).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
        if let Some((end, _)) = line.char_indices().nth(TEXT) {
            line.truncate(end);
            line.push('…');
            break;
        }
    }
    line
}

/// Which entries are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntryQuery {
    /// Only those behind this number, oldest first; without it the newest ones.
    pub after: Option<u64>,
    /// Only those since then.
    pub since: Option<Timestamp>,
    /// Only those of this process.
    pub process: Option<ProcessId>,
    /// Only those of this task.
    pub task: Option<TaskId>,
    /// How many at most.
    pub lines: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_of_bounded_length() {
        let entry = |text: &str| Entry::new(Timestamp::UNIX_EPOCH, What::Trouble, text).text;
        assert_eq!(entry(" a\n\n b\tc\u{1b}[2J\r\n"), "a b c [2J");
        assert_eq!(entry(&"ä".repeat(1000)).chars().count(), TEXT + 1);
        assert_eq!(entry(""), "");
    }

    #[test]
    fn the_word_is_the_one_that_stands_in_the_documents() {
        for what in [What::GaveUp, What::TaskTimedOut, What::InstanceEnds] {
            let json = serde_json::to_value(what).unwrap();
            assert_eq!(json, what.as_str());
        }
    }
}
