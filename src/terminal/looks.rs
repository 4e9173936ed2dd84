//! Which processes the attached terminals look at: those are not stopped for being idle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::event::Event;
use crate::domain::id::ProcessId;
use crate::runtime::handle::Handle;

/// What all terminals look at. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Looks {
    now: watch::Sender<BTreeMap<u64, ProcessId>>,
    eyes: Arc<AtomicU64>,
}

/// One terminal's look; it ends with its screen.
#[derive(Debug)]
pub(crate) struct Eye {
    number: u64,
    looks: Looks,
}

impl Looks {
    pub(crate) fn new() -> Self {
        Self {
            now: watch::channel(BTreeMap::new()).0,
            eyes: Arc::new(AtomicU64::new(0)),
        }
    }

    /// For a terminal that has just come.
    pub(crate) fn open(&self) -> Eye {
        Eye {
            number: self.eyes.fetch_add(1, Ordering::Relaxed),
            looks: self.clone(),
        }
    }

    /// Reports what is looked at, as it changes: the newest, in order.
    pub(crate) async fn report(self, handle: Handle, shutdown: CancellationToken) {
        let mut changes = self.now.subscribe();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            let processes: BTreeSet<ProcessId> =
                changes.borrow_and_update().values().copied().collect();
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = handle.report(Event::Watched { processes }) => {}
            }
        }
    }
}

impl Eye {
    /// Turns to a process, or away from all.
    pub(crate) fn turn(&self, process: Option<ProcessId>) {
        self.looks.now.send_if_modified(|looks| {
            let before = match process {
                Some(process) => looks.insert(self.number, process),
                None => looks.remove(&self.number),
            };
            before != process
        });
    }
}

impl Drop for Eye {
    fn drop(&mut self) {
        self.turn(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_ends_with_its_terminal() {
        let looks = Looks::new();
        let seen = || looks.now.borrow().values().copied().collect::<Vec<_>>();
        let (one, other) = (looks.open(), looks.open());
        one.turn(Some(ProcessId(1)));
        other.turn(Some(ProcessId(1)));
        other.turn(Some(ProcessId(2)));
        assert_eq!(seen(), [ProcessId(1), ProcessId(2)]);
        other.turn(None);
        assert_eq!(seen(), [ProcessId(1)]);
        drop(one);
        assert!(seen().is_empty());
    }
}
