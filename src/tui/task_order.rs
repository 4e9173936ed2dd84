//! The order of the tasks, where a person sorts them.
//!
//! Rows never move by themselves: the order is taken when the key is pressed and then kept. What is added later
//! stands at the end.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::id::TaskId;
use crate::domain::snapshot::Snapshot;
use crate::domain::task::{Priority, Task, TaskState};
use crate::tui::widgets::task_facts;

/// What tasks are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskColumn {
    Age,
    State,
    Priority,
    Who,
    Time,
    Tries,
    Cost,
}

impl TaskColumn {
    /// In the order of the columns on the screen.
    const ALL: [Self; 7] = [
        Self::Age,
        Self::State,
        Self::Priority,
        Self::Who,
        Self::Time,
        Self::Tries,
        Self::Cost,
    ];

    /// As it is called in a sentence.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::State => "state",
            Self::Priority => "priority",
            Self::Who => "who",
            Self::Time => "time at work",
            Self::Tries => "tries",
            Self::Cost => "cost",
        }
    }

    /// What a person looks for first: the newest, the longest, the dearest.
    const fn is_descending(self) -> bool {
        matches!(self, Self::Age | Self::Time | Self::Tries | Self::Cost)
    }
}

/// What is compared, looked up once a task.
struct Facts {
    id: TaskId,
    state: TaskState,
    priority: Priority,
    who: String,
    time: Duration,
    tries: usize,
    cost: f64,
}

impl Facts {
    fn of(task: &Task, column: TaskColumn, snapshot: &Snapshot) -> Self {
        Self {
            id: task.id,
            state: task.state,
            priority: task.priority,
            who: if column == TaskColumn::Who {
                task_facts::who(task, snapshot).to_lowercase()
            } else {
                String::new()
            },
            time: task.took().unwrap_or_default(),
            tries: task.attempts.len(),
            cost: task.cost_usd(),
        }
    }

    fn compare(&self, other: &Self, column: TaskColumn) -> Ordering {
        match column {
            TaskColumn::Age => self.id.cmp(&other.id),
            TaskColumn::State => self.state.cmp(&other.state),
            TaskColumn::Priority => self.priority.cmp(&other.priority),
            TaskColumn::Who => self.who.cmp(&other.who),
            TaskColumn::Time => self.time.cmp(&other.time),
            TaskColumn::Tries => self.tries.cmp(&other.tries),
            TaskColumn::Cost => self.cost.total_cmp(&other.cost),
        }
    }
}

/// An order that was taken.
#[derive(Debug, Clone)]
pub(crate) struct TaskOrder {
    pub(crate) column: TaskColumn,
    pub(crate) descending: bool,
    pub(crate) taken: Timestamp,
    places: Vec<TaskId>,
    newest: Option<TaskId>,
}

impl TaskOrder {
    /// Takes the order by a column, as it is now.
    pub(crate) fn take(column: TaskColumn, snapshot: &Snapshot, now: Timestamp) -> Self {
        Self::sorted(column, column.is_descending(), snapshot, now)
    }

    /// Takes it anew, the other way round.
    pub(crate) fn reversed(&self, snapshot: &Snapshot, now: Timestamp) -> Self {
        Self::sorted(self.column, !self.descending, snapshot, now)
    }

    fn sorted(column: TaskColumn, descending: bool, snapshot: &Snapshot, now: Timestamp) -> Self {
        let tasks = snapshot.tasks.iter();
        let mut all: Vec<Facts> = tasks
            .map(|task| Facts::of(task, column, snapshot))
            .collect();
        // Equals stay by their age, both ways.
        all.sort_by(|one, other| {
            let order = one.compare(other, column);
            if descending { order.reverse() } else { order }
        });
        Self {
            column,
            descending,
            taken: now,
            places: all.iter().map(|facts| facts.id).collect(),
            newest: snapshot.tasks.rows().next_back().map(|row| row.id),
        }
    }

    /// The column that follows, `None` for the usual order after the last.
    pub(crate) fn next(column: Option<TaskColumn>) -> Option<TaskColumn> {
        let at = column.and_then(|column| TaskColumn::ALL.iter().position(|one| *one == column));
        TaskColumn::ALL.get(at.map_or(0, |at| at + 1)).copied()
    }

    /// The tasks in the order that was taken, the newer ones behind.
    pub(crate) fn arranged<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Task> {
        let known = self.places.iter().filter_map(|id| snapshot.task(*id));
        let newer = snapshot.tasks.rows().rev();
        let newer = newer.take_while(|row| Some(row.id) > self.newest);
        let newer: Vec<&Task> = newer.map(|row| &*row.task).collect();
        known.map(AsRef::as_ref).chain(newer.into_iter().rev())
    }
}
