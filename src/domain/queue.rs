//! The order of work: which queued task comes next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::id::TaskId;
use crate::domain::task::{Priority, Target, Task, TaskState};
use crate::domain::time::Mono;

/// A task of one priority comes level with a fresh one of the next after this long, so that nothing
/// starves behind a steady stream of more urgent work.
pub const AGEING: Duration = Duration::from_secs(30 * 60);

/// Queued tasks in the order of work. An index only: the tasks themselves are the fleet's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    // Each sorted by rank, then by id: first come, first served. By target, since thousands of tasks
    // have few, and whoever is free fits all of one target or none. No set is empty.
    ready: HashMap<Target, BTreeSet<(i64, TaskId)>>,
    // Not before a time.
    delayed: BTreeSet<(Mono, TaskId)>,
    // Where each task stands in the two.
    places: BTreeMap<TaskId, Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Ready(i64, Target),
    Delayed(Mono),
}

impl Queue {
    /// Brings the index in line with a task: call it after every change of one.
    pub fn update(&mut self, task: &Task) {
        self.remove(task.id);
        if task.state != TaskState::Queued || !task.stored {
            return;
        }
        let place = task.not_before.map_or_else(
            || Place::Ready(rank(task), task.target.clone()),
            Place::Delayed,
        );
        match &place {
            Place::Ready(rank, target) => {
                let same = self.ready.entry(target.clone()).or_default();
                same.insert((*rank, task.id))
            }
            Place::Delayed(at) => self.delayed.insert((*at, task.id)),
        };
        self.places.insert(task.id, place);
    }

    /// Takes a task out.
    pub fn remove(&mut self, id: TaskId) {
        match self.places.remove(&id) {
            Some(Place::Ready(rank, target)) => {
                if let Some(same) = self.ready.get_mut(&target) {
                    same.remove(&(rank, id));
                    if same.is_empty() {
                        self.ready.remove(&target);
                    }
                }
            }
            Some(Place::Delayed(at)) => drop(self.delayed.remove(&(at, id))),
            None => {}
        }
    }

    /// The first task of each target that may be worked on, with its rank; the smallest of them is
    /// the next of all. In no order.
    pub fn first_of_each(&self) -> impl Iterator<Item = (&Target, (i64, TaskId))> {
        self.ready
            .iter()
            .filter_map(|(target, same)| Some((target, *same.first()?)))
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
