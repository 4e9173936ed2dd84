//! The order of work: which queued task comes next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::id::TaskId;
use crate::domain::task::{Priority, Task, TaskState};
use crate::domain::time::Mono;

/// A task of one priority comes level with a fresh one of the next after this long, so that nothing
/// starves behind a steady stream of more urgent work.
pub const AGEING: Duration = Duration::from_secs(30 * 60);

/// Queued tasks in the order of work. An index only: the tasks themselves are the fleet's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    // Sorted by rank, then by id: first come, first served.
    ready: BTreeSet<(i64, TaskId)>,
    // Not before a time.
    delayed: BTreeSet<(Mono, TaskId)>,
    // Where each task stands in the two.
    places: BTreeMap<TaskId, Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Ready(i64),
    Delayed(Mono),
}

impl Queue {
    /// Brings the index in line with a task: call it after every change of one.
    pub fn update(&mut self, task: &Task) {
        self.remove(task.id);
        if task.state != TaskState::Queued || !task.stored {
            return;
        }
        let place = task
            .not_before
            .map_or_else(|| Place::Ready(rank(task)), Place::Delayed);
        match place {
            Place::Ready(rank) => self.ready.insert((rank, task.id)),
            Place::Delayed(at) => self.delayed.insert((at, task.id)),
        };
        self.places.insert(task.id, place);
    }

    /// Takes a task out.
    pub fn remove(&mut self, id: TaskId) {
        match self.places.remove(&id) {
            Some(Place::Ready(rank)) => self.ready.remove(&(rank, id)),
            Some(Place::Delayed(at)) => self.delayed.remove(&(at, id)),
            None => false,
        };
    }

    /// Tasks that may be worked on, in the order of work.
    pub fn ready(&self) -> impl Iterator<Item = TaskId> {
        self.ready.iter().map(|(_, id)| *id)
    }

    /// Whether nothing may be worked on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// When the next delayed task may be worked on.
    #[must_use]
    pub fn next_due(&self) -> Option<Mono> {
        self.delayed.first().map(|(at, _)| *at)
    }

    /// Delayed tasks whose time has come.
    pub fn due(&self, now: Mono) -> Vec<TaskId> {
        self.delayed
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, id)| *id)
            .collect()
    }
}

/// The smaller, the sooner: the time of its coming, later by one [`AGEING`] for each step down in
/// priority.
fn rank(task: &Task) -> i64 {
    let steps = match task.priority {
        Priority::Urgent => 0,
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 3,
    };
    let ageing = i64::try_from(AGEING.as_millis()).unwrap_or(i64::MAX);
    Timestamp::as_millisecond(task.created).saturating_add(ageing.saturating_mul(steps))
}
