//! The order of the process list, where a person sorts it.
//!
//! Rows never move by themselves: the order is taken when the key is pressed and then kept, whatever
//! the figures do. Who is hired later stands at the end.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::domain::id::ProcessId;
use crate::domain::snapshot::{Health, ProcessView, Snapshot, Status};

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Name,
    Role,
    Status,
    Health,
    Cpu,
    Memory,
    Up,
    Done,
    Cost,
}

impl Column {
    /// In the order of the columns on the screen.
    pub(crate) const ALL: [Self; 9] = [
        Self::Name,
        Self::Role,
        Self::Status,
        Self::Health,
        Self::Cpu,
        Self::Memory,
        Self::Up,
        Self::Done,
        Self::Cost,
    ];

    /// As it is called in a sentence.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Role => "role",
            Self::Status => "status",
            Self::Health => "health",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Up => "time up",
            Self::Done => "tasks done",
            Self::Cost => "cost",
        }
    }

    /// What a person looks for first: the largest figures, the worst health, the first letters.
    const fn is_descending(self) -> bool {
        matches!(
            self,
            Self::Cpu | Self::Memory | Self::Up | Self::Done | Self::Cost | Self::Health
        )
    }

    fn compare(self, one: &ProcessView, other: &ProcessView) -> Ordering {
        let usage = |process: &ProcessView| process.usage.filter(|_| process.is_up());
        match self {
            Self::Name => one.name.to_lowercase().cmp(&other.name.to_lowercase()),
            Self::Role => one.role_title.cmp(&other.role_title),
            Self::Status => rank(one).cmp(&rank(other)),
            Self::Health => illness(one).cmp(&illness(other)),
            Self::Cpu => {
                let cpu = |process| usage(process).map_or(-1.0, |usage| usage.cpu_percent);
                cpu(one).total_cmp(&cpu(other))
            }
            Self::Memory => {
                let memory = |process| usage(process).map(|usage| usage.memory_bytes);
                memory(one).cmp(&memory(other))
            }
            // Who began first is up longest; who is down is not up at all.
            Self::Up => {
                let began = |process: &ProcessView| process.started.unwrap_or(Timestamp::MAX);
                began(other).cmp(&began(one))
            }
            Self::Done => one.tasks_completed.cmp(&other.tasks_completed),
            Self::Cost => one.cost_usd.total_cmp(&other.cost_usd),
        }
    }
}

/// What needs a person first, then what works, then what is down.
fn rank(process: &ProcessView) -> u8 {
    match process.status {
        Status::Error => 0,
        Status::Waiting => 1,
        Status::Blocked => 2,
        Status::Backoff => 3,
        Status::Running => 4,
        Status::Starting => 5,
        Status::Stopping => 6,
        Status::Stopped => 7,
    }
}

fn illness(process: &ProcessView) -> u8 {
    match process.health {
        Health::Critical => 4,
        Health::Offline if process.status != Status::Stopped => 3,
        Health::Warning => 2,
        Health::Healthy | Health::Unknown => 1,
        Health::Offline => 0,
    }
}

/// An order that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) column: Column,
    pub(crate) descending: bool,
    pub(crate) taken: Timestamp,
    places: Vec<ProcessId>,
}

impl Order {
    /// Takes the order by a column, as it is now.
    pub(crate) fn take(column: Column, snapshot: &Snapshot, now: Timestamp) -> Self {
        Self::sorted(column, column.is_descending(), snapshot, now)
    }

    /// Takes it anew, the other way round.
    pub(crate) fn reversed(&self, snapshot: &Snapshot, now: Timestamp) -> Self {
        Self::sorted(self.column, !self.descending, snapshot, now)
    }

    fn sorted(column: Column, descending: bool, snapshot: &Snapshot, now: Timestamp) -> Self {
        let mut all: Vec<&ProcessView> = snapshot.processes.iter().map(AsRef::as_ref).collect();
        // Equals stay in the fixed order, both ways.
        all.sort_by(|one, other| {
            let order = column.compare(one, other);
            if descending { order.reverse() } else { order }
        });
        Self {
            column,
            descending,
            taken: now,
            places: all.iter().map(|process| process.id).collect(),
        }
    }

    /// The column that follows, `None` for the fixed order after the last.
    pub(crate) fn next(column: Option<Column>) -> Option<Column> {
        let at = column.and_then(|column| Column::ALL.iter().position(|one| *one == column));
        Column::ALL.get(at.map_or(0, |at| at + 1)).copied()
    }

    /// Puts processes into the order that was taken.
    pub(crate) fn arrange<P: AsRef<ProcessView>>(&self, all: &mut [&P]) {
        let places: std::collections::HashMap<ProcessId, usize> = self
            .places
            .iter()
            .enumerate()
            .map(|(at, id)| (*id, at))
            .collect();
        all.sort_by_key(|process| {
            let id = process.as_ref().id;
            (places.get(&id).copied().unwrap_or(usize::MAX), id)
        });
    }
}
