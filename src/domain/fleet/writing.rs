//! Batches on their way to disk: what waits for them, what is taken back where one is refused, and what is tried again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::alert::Alert;
use crate::domain::chronicle::Entry;
use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::{Batch, Effect, ReplyId};
use crate::domain::fleet::{Fleet, cluster};
use crate::domain::id::{ProcessId, RequestId, TaskId};
use crate::domain::snapshot::Level;
use crate::domain::time::Mono;

/// How long after a failed write it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// A batch on its way to disk.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) then: Vec<Effect>,
    pub(super) dirty: Dirty,
    pub(super) undo: Vec<Undo>,
}

/// What could not be written.
#[derive(Debug)]
pub(super) struct Again {
    /// What the last try came to.
    pub(super) error: String,
    pub(super) at: Mono,
    /// Of batches that failed, and of those that were on their way behind them: in their order.
    pub(super) pending: Pending,
    /// Of calls since then: after all of those.
    pub(super) later: Vec<Effect>,
}

/// What is taken back when a batch could not be written.
#[derive(Debug, Clone)]
pub(super) enum Undo {
    Task(TaskId, ReplyId),
    Tasks(Vec<TaskId>, ReplyId),
    Process(ProcessId, ReplyId),
    Cluster(Box<cluster::Before>, ReplyId),
}

/// What the disk does not know yet.
#[derive(Debug, Default, Clone)]
pub(super) struct Dirty {
    pub(super) processes: BTreeSet<ProcessId>,
    pub(super) tasks: BTreeSet<TaskId>,
    pub(super) requests: BTreeSet<RequestId>,
    pub(super) meta: bool,
    pub(super) alerts: bool,
    /// What is to be added to the record.
    pub(super) entries: Vec<Entry>,
}

/// While the disk refuses writes no more entries wait than these; the oldest go first.
const ENTRIES: usize = 10_000;

impl Dirty {
    pub(super) fn is_empty(&self) -> bool {
        self.processes.is_empty()
            && self.tasks.is_empty()
            && self.requests.is_empty()
            && !self.meta
            && !self.alerts
            && self.entries.is_empty()
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.processes.extend(other.processes);
        self.tasks.extend(other.tasks);
        self.requests.extend(other.requests);
        self.meta |= other.meta;
        self.alerts |= other.alerts;
        self.entries.extend(other.entries);
        let surplus = self.entries.len().saturating_sub(ENTRIES);
        self.entries.drain(..surplus);
    }
}

impl Fleet {
    /// Ends a call: what it changed goes to disk as one batch, and what waits for that waits.
    pub(super) fn flush(&mut self) {
        let then = std::mem::take(&mut self.durable);
        let undo = std::mem::take(&mut self.undo);
        if self.dirty.is_empty() {
            // What depends on an earlier batch must not overtake it.
            match (&mut self.again, self.pending.values_mut().next_back()) {
                (Some(again), _) => again.later.extend(then),
                (None, Some(last)) if last.is_awaited() || !awaited(&then) => {
                    last.then.extend(then);
                }
                // That one takes its time: an empty one behind it hurries it.
                (None, Some(_)) => self.write(Pending {
                    then,
                    dirty: Dirty::default(),
                    undo,
                }),
                (None, None) => self.fx.extend(then),
            }
            return;
        }
        let dirty = std::mem::take(&mut self.dirty);
        let mut pending = Pending { then, dirty, undo };
        if self.again.is_none() {
            self.write(pending);
            return;
        }
        // The disk refuses writes at present. What can be taken back is refused at once, the rest
        // waits with what waits already.
        let why = self.why_not_stored();
        self.refuse_what_can_be(&mut pending, &why);
        if let Some(again) = &mut self.again {
            again.pending.dirty.merge(pending.dirty);
            again.later.extend(pending.then);
        }
    }

    /// Why nothing is written at present: what the last try came to.
    pub(super) fn why_not_stored(&self) -> String {
        let error = self.again.as_ref().map_or("", |again| again.error.as_str());
        format!("an earlier write failed and is being tried again: {error}")
    }

    /// Answers who adds a task that is there already: what becomes of that one becomes of this.
    pub(super) fn reply_known(&mut self, reply: ReplyId, task: TaskId) {
        let outcome = Box::new(Ok(Outcome::TaskKnown(task)));
        let effect = Effect::Reply { reply, outcome };
        let stored = self.tasks.get(&task).is_some_and(|task| task.stored);
        let first = self
            .pending
            .values_mut()
            .find(|pending| pending.dirty.tasks.contains(&task))
            .filter(|_| !stored);
        match first {
            Some(pending) => {
                pending.then.push(effect);
                pending.undo.push(Undo::Task(task, reply));
            }
            None => self.durable.push(effect),
        }
    }

    fn refuse_what_can_be(&mut self, pending: &mut Pending, error: &str) {
        for undo in std::mem::take(&mut pending.undo) {
            let reply = self.take_back(undo, pending);
            pending.then.retain(|effect| !answers(effect, reply));
            self.reply(reply, Err(Refusal::NotStored(error.to_owned())));
        }
    }

    fn write(&mut self, pending: Pending) {
        let mut batch = self.batch(&pending.dirty);
        batch.awaited = pending.is_awaited();
        let token = self.next_token;
        self.next_token += 1;
        self.pending.insert(token, pending);
        self.fx.push(Effect::Persist { token, batch });
    }

    fn batch(&self, dirty: &Dirty) -> Batch {
        fn document<T: serde::Serialize>(value: &T) -> Option<String> {
            // These types hold nothing that JSON cannot say: maps have text keys, floats are finite.
            serde_json::to_string(value).ok()
        }
        let process = |id: &ProcessId| (*id, self.processes.get(id).and_then(document));
        let task = |id: &TaskId| (*id, self.tasks.get(id).and_then(|task| document(&**task)));
        let request =
            |id: &RequestId| (*id, self.requests.get(id).and_then(|one| document(&**one)));
        Batch {
            processes: dirty.processes.iter().map(process).collect(),
            tasks: dirty.tasks.iter().map(task).collect(),
            requests: dirty.requests.iter().map(request).collect(),
            meta: dirty.meta.then(|| document(&self.meta)).flatten(),
            alerts: dirty
                .alerts
                .then(|| {
                    document(
                        &self
                            .alerts
                            .values()
                            .map(AsRef::as_ref)
                            .collect::<Vec<&Alert>>(),
                    )
                })
                .flatten(),
            entries: dirty.entries.clone(),
            awaited: false,
        }
    }

    pub(super) fn on_stored(&mut self, token: u64) {
        let Some(pending) = self.pending.remove(&token) else {
            return;
        };
        self.refused = false;
        if !pending.dirty.entries.is_empty() {
            self.entries += pending.dirty.entries.len() as u64;
            self.changed = true;
        }
        for id in &pending.dirty.tasks {
            if let Some(task) = self.tasks.get_mut(id)
                && !task.stored
            {
                Arc::make_mut(task).stored = true;
                self.queue.update(task);
                self.unlisted.insert(*id);
                self.changed = true;
            }
        }
        match &mut self.again {
            // Orders to a run are taken in their order: none overtakes one of a batch that failed.
            Some(again) => again.pending.then.extend(pending.then),
            None => self.fx.extend(pending.then),
        }
    }

    /// Nothing of the batch is on disk. What can be taken back is; the rest is written later, and
    /// supervision goes on meanwhile.
    pub(super) fn on_not_stored(&mut self, token: u64, error: &str) {
        let Some(mut pending) = self.pending.remove(&token) else {
            return;
        };
        self.refused = true;
        self.refuse_what_can_be(&mut pending, error);
        if self.again.is_none() {
            let text = format!("the state cannot be written: {error}; it is tried again");
            self.say(Level::Error, None, text);
        }
        if pending.dirty.is_empty() && pending.then.is_empty() {
            return;
        }
        let at = self.now.mono + AGAIN;
        match &mut self.again {
            Some(again) => {
                error.clone_into(&mut again.error);
                again.pending.dirty.merge(pending.dirty);
                again.pending.then.extend(pending.then);
            }
            None => {
                self.again = Some(Again {
                    error: error.to_owned(),
                    at,
                    pending,
                    later: Vec::new(),
                });
            }
        }
    }

    /// Takes back what was accepted on condition, and says who was to be answered.
    fn take_back(&mut self, undo: Undo, pending: &mut Pending) -> ReplyId {
        self.changed = true;
        match undo {
            Undo::Task(id, reply) => {
                self.take_task_back(id, pending);
                reply
            }
            Undo::Tasks(ids, reply) => {
                for id in ids {
                    self.take_task_back(id, pending);
                }
                reply
            }
            Undo::Cluster(before, reply) => {
                self.take_cluster_back(*before, reply, pending);
                reply
            }
            Undo::Process(id, reply) => {
                self.take_process_back(id, reply, pending);
                reply
            }
        }
    }

    /// An answer that waits for its write is not given: another one is.
    pub(super) fn unsay(&mut self, reply: ReplyId) {
        self.durable.retain(|effect| !answers(effect, reply));
        let again = self.again.iter_mut();
        let later = again.flat_map(|again| [&mut again.pending.then, &mut again.later]);
        let pending = self.pending.values_mut().map(|pending| &mut pending.then);
        for then in pending.chain(later) {
            then.retain(|effect| !answers(effect, reply));
        }
    }

    pub(super) fn take_process_back(
        &mut self,
        id: ProcessId,
        reply: ReplyId,
        pending: &mut Pending,
    ) {
        let gone = self.processes.remove(&id);
        self.views.remove(&id);
        if let Some(task) = gone.and_then(|process| process.upkeep.standing) {
            self.take_task_back(task, pending);
        }
        for waiter in self.waiters.remove(&id).unwrap_or_default() {
            if waiter.reply != reply {
                self.reply(waiter.reply, Err(Refusal::UnknownProcess(id)));
            }
        }
        pending.dirty.processes.remove(&id);
        pending.dirty.entries.retain(|one| one.process != Some(id));
        pending
            .then
            .retain(|effect| !matches!(effect, Effect::Launch(plan) if plan.process == id));
    }

    fn take_task_back(&mut self, id: TaskId, pending: &mut Pending) {
        if let Some(task) = self.tasks.remove(&id) {
            self.graph.unlink(&task);
            if let Some(key) = &task.key
                && self.keys.get(key) == Some(&id)
            {
                self.keys.remove(key);
            }
        }
        self.queue.remove(id);
        self.unlisted.insert(id);
        pending.dirty.tasks.remove(&id);
        pending.dirty.entries.retain(|one| one.task != Some(id));
    }

    pub(super) fn write_again_if_due(&mut self) {
        let now = self.now.mono;
        let Some(again) = self.again.as_mut().filter(|again| again.at <= now) else {
            return;
        };
        if !self.pending.is_empty() {
            // Batches from before the failure are still on their way, and their effects come first.
            again.at = now + AGAIN;
            return;
        }
        if let Some(again) = self.again.take() {
            let mut pending = again.pending;
            pending.then.extend(again.later);
            self.write(pending);
        }
    }
}

impl Pending {
    /// Who follows the record waits for its entries.
    fn is_awaited(&self) -> bool {
        awaited(&self.then) || !self.dirty.entries.is_empty()
    }
}

/// Whether somebody waits for these. That output was recorded as read only frees room.
fn awaited(then: &[Effect]) -> bool {
    let frees = |effect: &Effect| matches!(effect, Effect::Consumed { .. });
    !then.iter().all(frees)
}

fn answers(effect: &Effect, to: ReplyId) -> bool {
    matches!(effect, Effect::Reply { reply, .. } if *reply == to)
}
