//! Orders to agents: numbered, kept until the shim has taken them, each of them taken once.

use crate::domain::effect::Effect;
use crate::domain::fleet::Fleet;
use crate::domain::id::{ProcessId, RunId};
use crate::domain::order::{Numbered, Order};

/// More uuids than are made between two writes.
const UUIDS_SKIPPED: u64 = 1_000;

impl Fleet {
    /// Puts an order into the outbox of a live run; it goes out once that is on disk.
    pub(super) fn send(&mut self, id: ProcessId, order: Order) {
        if let Some((run, order)) = self.enqueue(id, order) {
            self.durable.push(Effect::Send {
                process: id,
                run,
                order,
            });
        }
    }

    /// Has the conversation cleared, without waiting for the disk: that it is fresh does no harm if what it is for is not known any
    /// more when the next instance comes.
    pub(super) fn send_clear(&mut self, id: ProcessId, uuid: uuid::Uuid) {
        let live = self.live(id);
        if live.is_none_or(|live| !live.outbox.is_empty()) {
            // Numbers must not overtake each other.
            return self.send(id, Order::Clear { uuid });
        }
        if let Some((run, order)) = self.enqueue(id, Order::Clear { uuid }) {
            self.fx.push(Effect::Send {
                process: id,
                run,
                order,
            });
        }
    }

    fn enqueue(&mut self, id: ProcessId, order: Order) -> Option<(RunId, Numbered)> {
        let live = self.processes.get_mut(&id)?.live_mut()?;
        let order = Numbered {
            seq: live.next_seq,
            order,
        };
        live.next_seq += 1;
        live.outbox.push(order.clone());
        let run = live.run;
        self.touch(id);
        Some((run, order))
    }

    /// The shim may have taken a clear that did not come to disk: neither its number nor its uuid is used again.
    pub(super) fn skip_what_was_taken(&mut self, id: ProcessId, accepted: u64) {
        let live = self.live_mut(id);
        let Some(live) = live.filter(|live| live.next_seq <= accepted) else {
            return;
        };
        live.next_seq = accepted + 1;
        self.meta.uuid += UUIDS_SKIPPED;
        self.dirty.meta = true;
        self.touch(id);
    }

    pub(super) fn accepted(&mut self, run: RunId, seq: u64) {
        let id = self.with_run(run, |live, _| live.outbox.retain(|order| order.seq > seq));
        // Written with the next change: the shim refuses what it has taken before.
        if let Some(id) = id {
            self.refresh(id);
        }
    }
}
