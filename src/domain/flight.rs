//! What is kept of a process's life: its changes of state, and the last minute before each exit.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::exit::{Exit, ExitStatus};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::snapshot::{Activity, Status};

/// How long before an exit is kept with it.
pub const KEPT: Duration = Duration::from_secs(60);
/// Exits of a process that are kept; older ones go.
pub const EXITS: usize = 20;
/// Changes of state that a process remembers.
const CHANGES: usize = 24;
/// Samples of figures that are kept with an exit: one a second at most.
const SAMPLES: usize = 60;
/// Orders and signals that a run remembers.
const SENT: usize = 20;
/// How much of a line a change keeps.
const TEXT: usize = 160;

/// A change of state: what it came to, what said so, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// To what.
    pub status: Status,
    /// Doing what.
    pub activity: Activity,
    /// What said so.
    pub source: String,
    /// What it does, asks or suffers, in one line.
    pub text: String,
}

/// What we did to a run: an order, a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// What, for a person.
    pub what: String,
}

/// Figures of the tree at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// When.
    pub at: Timestamp,
    /// Of one core, 100 is a full one.
    pub cpu_percent: f32,
    /// Resident, in bytes.
    pub memory_bytes: u64,
}

/// An exit in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitNote {
    /// Counts the exits of the process.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// How the agent ended.
    pub status: ExitStatus,
    /// The fault that it was, if it was one.
    pub code: Option<FaultCode>,
    /// What followed.
    pub then: Status,
}

/// Everything that is kept of an exit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flight {
    /// Whose.
    pub process: ProcessId,
    /// Counts the exits of the process.
    pub number: u32,
    /// Of which run.
    pub run: RunId,
    /// When the run began.
    pub started: Timestamp,
    /// How it ended.
    pub exit: Exit,
    /// The fault that it was, if it was one.
    pub fault: Option<Fault>,
    /// What followed.
    pub then: Status,
    /// The same, for a person.
    pub reason: String,
    /// Changes of state of the last minute, and the last one before.
    pub changes: Vec<Change>,
    /// What we did to it in the last minute.
    pub sent: Vec<Sent>,
    /// Figures of the last minute.
    pub figures: Vec<Figure>,
    /// The last lines of its log.
    pub lines: Vec<String>,
}

/// Adds a change to those that a process remembers.
pub fn remember(changes: &mut VecDeque<Change>, mut change: Change) {
    if let Some((end, _)) = change.text.char_indices().nth(TEXT) {
        change.text.truncate(end);
        change.text.push('…');
    }
    changes.push_back(change);
    while changes.len() > CHANGES {
        changes.pop_front();
    }
}

/// Adds what was done to those things that a run remembers.
pub fn remember_sent(all: &mut Vec<Sent>, sent: Sent) {
    all.push(sent);
    if all.len() > SENT {
        all.remove(0);
    }
}

/// Adds figures to those of the last minute.
pub fn measure(figures: &mut VecDeque<Figure>, figure: Figure) {
    figures.push_back(figure);
    while figures.len() > SAMPLES
        || figures
            .front()
            .is_some_and(|first| !is_recent(first.at, figure.at))
    {
        figures.pop_front();
    }
}

/// Whether `at` belongs to the last minute before `end`.
#[must_use]
pub fn is_recent(at: Timestamp, end: Timestamp) -> bool {
    Duration::try_from(end.duration_since(at)).map_or(true, |ago| ago <= KEPT)
}

/// The changes of the last minute before `end`, and the one that was in force when it began.
#[must_use]
pub fn last_minute(changes: &VecDeque<Change>, end: Timestamp) -> Vec<Change> {
    let first = changes
        .iter()
        .position(|change| is_recent(change.at, end))
        .unwrap_or(changes.len());
    changes
        .iter()
        .skip(first.saturating_sub(1))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn change(second: i64, text: &str) -> Change {
        Change {
            at: at(second),
            status: Status::Running,
            activity: Activity::Idle,
            source: "order".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_last_minute_has_what_was_in_force_when_it_began() {
        let mut changes = VecDeque::new();
        for second in [0, 10, 100, 150] {
            remember(&mut changes, change(second, ""));
        }
        let seconds = |end| -> Vec<Timestamp> {
            last_minute(&changes, at(end))
                .iter()
                .map(|change| change.at)
                .collect()
        };
        assert_eq!(seconds(155), [at(10), at(100), at(150)]);
        assert_eq!(seconds(300), [at(150)]);
        assert_eq!(last_minute(&VecDeque::new(), at(0)), []);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut changes, mut figures, mut sent) = (VecDeque::new(), VecDeque::new(), vec![]);
        for second in 0..500 {
            remember(&mut changes, change(second, &"ä".repeat(1000)));
            measure(
                &mut figures,
                Figure {
                    at: at(second),
                    cpu_percent: 1.0,
                    memory_bytes: 1,
                },
            );
            let what = second.to_string();
            remember_sent(
                &mut sent,
                Sent {
                    at: at(second),
                    what,
                },
            );
        }
        assert_eq!(
            (changes.len(), figures.len(), sent.len()),
            (CHANGES, SAMPLES, SENT)
        );
        assert!(changes[0].text.chars().count() == TEXT + 1);
        assert_eq!(sent[SENT - 1].what, "499");
        measure(
            &mut figures,
            Figure {
                at: at(700),
                cpu_percent: 1.0,
                memory_bytes: 1,
            },
        );
        assert_eq!(figures.len(), 1);
    }
}
