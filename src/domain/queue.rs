//! The order of work: which queued task comes next.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::id::TaskId;
use crate::domain::task::{Place, Target, Task, TaskState};
use crate::domain::time::Mono;

/// Queued tasks in the order of work. An index only: the tasks themselves are the fleet's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    // Each in the order of work: first come, first served. By target, since thousands of tasks
    // have few, and whoever is free fits all of one target or none. No set is empty.
    ready: HashMap<Target, BTreeSet<(Place, TaskId)>>,
    // Not before a time.
    delayed: BTreeSet<(Mono, TaskId)>,
    // Where each task stands in the two.
    places: BTreeMap<TaskId, Where>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Where {
    Ready(Place, Target),
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
            || Where::Ready(task.place(), task.target.clone()),
            Where::Delayed,
        );
        match &place {
            Where::Ready(at, target) => {
                let same = self.ready.entry(target.clone()).or_default();
                same.insert((*at, task.id))
            }
            Where::Delayed(at) => self.delayed.insert((*at, task.id)),
        };
        self.places.insert(task.id, place);
    }

    /// Takes a task out.
    pub fn remove(&mut self, id: TaskId) {
        match self.places.remove(&id) {
            Some(Where::Ready(at, target)) => {
                if let Some(same) = self.ready.get_mut(&target) {
                    same.remove(&(at, id));
                    if same.is_empty() {
                        self.ready.remove(&target);
                    }
                }
            }
            Some(Where::Delayed(at)) => drop(self.delayed.remove(&(at, id))),
            None => {}
        }
    }

    /// The tasks of each target that may be worked on, in the order of their places; the smallest of all is the next
    /// of all. The targets are in no order.
    pub fn of_each(&self) -> impl Iterator<Item = (&Target, &BTreeSet<(Place, TaskId)>)> {
        self.ready.iter()
    }

    /// The targets of tasks that may be worked on, in no order.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.ready.keys()
    }

    /// How many tasks of each target may be worked on, in the order of the first of each.
    #[must_use]
    pub fn waiting(&self) -> Vec<(&Target, usize)> {
        let mut waiting: Vec<_> = self.ready.iter().collect();
        waiting.sort_by_key(|(_, same)| same.first().copied());
        waiting
            .into_iter()
            .map(|(target, same)| (target, same.len()))
            .collect()
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
