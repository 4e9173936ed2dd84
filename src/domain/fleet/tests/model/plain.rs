//! The plain model: what a person would say of the queue, and no more.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{STAFF, Wants};
use crate::domain::id::TaskId;
use crate::domain::time::Mono;

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Waiting,
    Held,
    /// Given to one of the staff, and begun or not.
    Working(usize, bool),
    Done,
    Failed,
    Parked,
    Cancelled,
}

#[derive(Debug, Clone)]
pub(super) struct Plain {
    pub(super) is: Is,
    pub(super) after: Vec<TaskId>,
    /// Whose result its text asks for.
    pub(super) asks: Option<TaskId>,
    pub(super) wants: Wants,
    pub(super) key: Option<usize>,
    /// Tries that failed, and how many may.
    pub(super) tries: u32,
    pub(super) retries: u32,
    pub(super) not_before: Option<Mono>,
    pub(super) dismissed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) tasks: BTreeMap<TaskId, Plain>,
    /// The order of work of those that wait or are held.
    pub(super) order: Vec<TaskId>,
}

impl Model {
    pub(super) fn is(&self, id: TaskId) -> Option<Is> {
        self.tasks.get(&id).map(|task| task.is)
    }

    pub(super) fn waits(&self, id: TaskId) -> bool {
        matches!(self.is(id), Some(Is::Waiting | Is::Held))
    }

    pub(super) fn is_over(&self, id: TaskId) -> bool {
        !matches!(self.is(id), Some(Is::Waiting | Is::Held | Is::Working(..)))
    }

    /// Whether all that it waits for is done.
    pub(super) fn is_free(&self, id: TaskId) -> bool {
        let done = |parent: &TaskId| self.is(*parent) == Some(Is::Done);
        self.tasks
            .get(&id)
            .is_some_and(|task| task.after.iter().all(done))
    }

    /// Whether somebody who fits should have it.
    pub(super) fn may_go(&self, id: TaskId, now: Mono) -> bool {
        let time = |task: &Plain| task.not_before.is_none_or(|at| at <= now);
        self.tasks
            .get(&id)
            .is_some_and(|task| task.is == Is::Waiting && time(task))
            && self.is_free(id)
    }

    pub(super) fn fits(&self, id: TaskId, one: usize) -> bool {
        let role = STAFF[one];
        match self.tasks[&id].wants {
            Wants::Anybody => true,
            Wants::Role(wanted) => wanted == role,
            Wants::Skill(skill) => skill == format!("{role}-skill"),
            Wants::Process(wanted) => wanted == one,
        }
    }

    pub(super) fn change(&mut self, id: TaskId, change: impl FnOnce(&mut Plain)) {
        change(self.tasks.get_mut(&id).expect("it is known"));
    }

    pub(super) fn set(&mut self, id: TaskId, is: Is) {
        self.change(id, |task| task.is = is);
    }

    /// A try that counts came to nothing: again later, or the end.
    pub(super) fn fails(&mut self, id: TaskId, now: Mono, end: Is) {
        self.change(id, |task| {
            task.tries += 1;
            if task.tries <= task.retries {
                task.is = Is::Waiting;
                let doubled = 30 * (1 << (task.tries - 1));
                task.not_before = Some(now + Duration::from_secs(doubled));
            } else {
                task.is = end;
            }
        });
    }

    pub(super) fn remove(&mut self, id: TaskId) {
        let done = self.is(id) == Some(Is::Done);
        self.tasks.remove(&id);
        for task in self.tasks.values_mut() {
            let open = matches!(task.is, Is::Waiting | Is::Held | Is::Working(..));
            // Who has what it waited for is free, unless it is to be told the result.
            if done && open && task.asks != Some(id) {
                task.after.retain(|parent| *parent != id);
            }
        }
    }

    pub(super) fn reaches(&self, from: TaskId, to: TaskId) -> bool {
        let after = self.tasks.get(&from).map_or(&[][..], |task| &task.after);
        from == to || after.iter().any(|next| self.reaches(*next, to))
    }
}
