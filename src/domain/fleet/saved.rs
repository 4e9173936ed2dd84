//! What survives: batches on their way to disk, and the fleet put together again from it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::alert::{Alert, AlertKind, AlertLevel};
use crate::domain::chronicle::{Entry, What};
use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::{Batch, Effect, ReplyId};
use crate::domain::fleet::graph::Graph;
use crate::domain::fleet::{
    Again, Dirty, Fleet, ITSELF, Meta, Options, Pending, STAFF_LEFT_OUT, Undo,
};
use crate::domain::id::{ProcessId, RequestId, TaskId};
use crate::domain::inbox::Request;
use crate::domain::process::{Ending, Phase, Process, Stage, Turn};
use crate::domain::queue::Queue;
use crate::domain::role::Catalogue;
use crate::domain::scale::Strain;
use crate::domain::snapshot::{Level, Machine};
use crate::domain::task::Task;
use crate::domain::task_list::TaskList;
use crate::domain::time::{Mono, Now};

/// How long a new instance takes at most to read what was said before it came.
const HEARD: Duration = Duration::from_secs(30);
/// How long after a failed write it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The documents that were on disk.
#[derive(Debug, Default, Clone)]
pub struct Saved {
    /// Processes.
    pub processes: Vec<String>,
    /// Tasks.
    pub tasks: Vec<String>,
    /// Requests.
    pub requests: Vec<String>,
    /// Counters.
    pub meta: Option<String>,
    /// Alerts, as one document.
    pub alerts: Option<String>,
    /// Counts the instances that have opened this state.
    pub generation: u64,
    /// Whether the machine was started anew since: deadlines and runs of before mean nothing.
    pub rebooted: bool,
    /// What is to be told where this is an older copy, since the state itself could not be used.
    pub recovered: Option<String>,
}

impl Fleet {
    /// Puts the company together from what was on disk; from nothing, a new one.
    ///
    /// # Errors
    /// The document that cannot be read, and why; nothing is thrown away.
    pub fn restore(
        options: Options,
        catalogue: Arc<Catalogue>,
        saved: &Saved,
        now: Now,
    ) -> Result<Self, serde_json::Error> {
        let mut processes = BTreeMap::new();
        for document in &saved.processes {
            let mut process: Process = serde_json::from_str(document)?;
            if saved.rebooted {
                after_reboot(&mut process, now);
            }
            hear_first(&mut process, now);
            processes.insert(process.id, process);
        }
        let mut tasks = BTreeMap::new();
        let mut queue = Queue::default();
        let mut graph = Graph::default();
        let mut keys = HashMap::new();
        for document in &saved.tasks {
            let mut task: Task = serde_json::from_str(document)?;
            if saved.rebooted {
                task.not_before = None;
            }
            if let Some(deadline) = task
                .lease
                .as_mut()
                .and_then(|lease| lease.deadline.as_mut())
            {
                *deadline = (*deadline).max(now.mono + HEARD);
            }
            if let Some(key) = &task.key {
                keys.insert(key.clone(), task.id);
            }
            queue.update(&task);
            graph.link(&task);
            tasks.insert(task.id, Arc::new(task));
        }
        let mut requests = BTreeMap::new();
        for document in &saved.requests {
            let request: Request = serde_json::from_str(document)?;
            requests.insert(request.id, Arc::new(request));
        }
        let mut meta = match &saved.meta {
            Some(document) => serde_json::from_str(document)?,
            None => Meta {
                seed: options.seed,
                process: 0,
                employee: 0,
                task: 0,
                run: 0,
                request: 0,
                uuid: 0,
                turn: 0,
                cost_day: options.zone.to_datetime(now.wall).date(),
                cost_today_usd: 0.0,
                seen: None,
                left: None,
                scaled: BTreeMap::new(),
            },
        };
        let is_recovered = saved.recovered.is_some();
        let mut left_out = 0;
        if is_recovered {
            meta.leave_out(options.seed);
            left_out = STAFF_LEFT_OUT;
        }
        let kept: Vec<Alert> = match &saved.alerts {
            Some(document) => serde_json::from_str(document)?,
            None => Vec::new(),
        };
        let last_alert = kept.iter().map(|alert| alert.id.0).max().unwrap_or(0);
        let alert_count = last_alert + left_out;
        let alerts = kept
            .into_iter()
            .map(|alert| (alert.id, Arc::new(alert)))
            .collect();
        let stale: BTreeSet<ProcessId> = processes.keys().copied().collect();
        let unlisted = tasks.keys().copied().collect();
        let mut fleet = Self {
            options,
            catalogue,
            mistakes: None,
            processes,
            tasks,
            requests,
            queue,
            graph,
            keys,
            meta,
            last_start: None,
            waiters: BTreeMap::new(),
            gatherings: Vec::new(),
            scaling: BTreeMap::new(),
            strain: Strain::default(),
            shutdown: None,
            successor: None,
            generation: saved.generation,
            figures: BTreeMap::new(),
            machine: Machine::default(),
            checkups: BTreeMap::new(),
            checks: BTreeMap::new(),
            conditions: BTreeMap::new(),
            alerts,
            alert_count,
            // What was wrong may be over by now.
            touched: stale.clone(),
            terminals: 0,
            watched: BTreeSet::new(),
            next_look: None,
            entries: 0,
            turn_cost: None,
            messages: VecDeque::new(),
            message_count: 0,
            dirty: Dirty {
                meta: saved.meta.is_none() || is_recovered,
                entries: vec![Entry::new(now.wall, What::InstanceStarted, &begins(saved))],
                ..Dirty::default()
            },
            undo: Vec::new(),
            durable: Vec::new(),
            pending: BTreeMap::new(),
            next_token: 1,
            again: None,
            refused: false,
            unobserved: stale.clone(),
            handled: BTreeSet::new(),
            last_minute: BTreeMap::new(),
            flights: BTreeMap::new(),
            by: ITSELF,
            stale,
            views: BTreeMap::new(),
            listed: TaskList::default(),
            unlisted,
            changed: true,
            now,
            fx: Vec::new(),
        };
        if let Some(text) = &saved.recovered {
            fleet.raise(AlertKind::State, AlertLevel::Critical, None, text.clone());
        }
        Ok(fleet)
    }

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
    fn why_not_stored(&self) -> String {
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

    /// Leaves everything to another program: that it may, and that all of it is on disk.
    pub(super) fn hand_over(&mut self, reply: ReplyId, program: PathBuf) -> Result<(), Refusal> {
        if !self.options.hand_over {
            let text = "it runs in the terminal that shows it; leave that with q and start it anew";
            return Err(Refusal::State(text.to_owned()));
        }
        if self.shutdown.is_some() {
            return Err(Refusal::State("the instance is on its way down".to_owned()));
        }
        if self.again.is_some() {
            return Err(Refusal::NotStored(self.why_not_stored()));
        }
        self.successor.get_or_insert((program, reply));
        self.changed = true;
        Ok(())
    }

    /// The answer to an order that the end overtook.
    ///
    /// # Errors
    /// What was ordered is not done, and will not be.
    pub fn last_answer(&self, reply: ReplyId) -> Result<Outcome, Refusal> {
        let asked = |replies: &Vec<ReplyId>| replies.contains(&reply);
        if let Some((_, asker)) = &self.successor {
            return if *asker == reply {
                Ok(Outcome::Done)
            } else {
                let text = "a new build took over meanwhile; what was ordered goes on: \
                            `headcount ps` shows it";
                Err(Refusal::State(text.to_owned()))
            };
        }
        if self.shutdown.as_ref().is_some_and(asked) {
            Ok(Outcome::Done)
        } else if self.again.is_some() {
            let text = "the instance ended before there was room".to_owned();
            Err(Refusal::NotStored(text))
        } else {
            Err(Refusal::Gone)
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
        self.processes.remove(&id);
        self.views.remove(&id);
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

/// How an instance says that it is there.
fn begins(saved: &Saved) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let reboot = if saved.rebooted {
        ", after a restart of the machine"
    } else {
        ""
    };
    format!("headcount {version} is up{reboot}")
}

fn answers(effect: &Effect, to: ReplyId) -> bool {
    matches!(effect, Effect::Reply { reply, .. } if *reply == to)
}

/// Nothing of before a reboot runs, and nothing of it is acted on.
fn after_reboot(process: &mut Process, now: Now) {
    // Their clock began anew.
    process.failures.clear();
    let upkeep = &mut process.upkeep;
    for due in [&mut upkeep.due, &mut upkeep.restart_due]
        .into_iter()
        .flatten()
    {
        due.mono = rebased(due.at, now);
    }
    match &mut process.phase {
        Phase::Backoff { at, at_wall } => *at = rebased(*at_wall, now),
        Phase::Blocked(block) => {
            block.until = block.until_wall.map(|wall| rebased(wall, now));
            // What kept it down may have gone with the reboot.
            block.look = block.look.map(|_| now.mono);
        }
        Phase::Down | Phase::Failed | Phase::Live(_) => {}
    }
}

/// What the agent said while nobody was there may be what it had to say in time: it is read before
/// anything is held against it.
fn hear_first(process: &mut Process, now: Now) {
    let Phase::Live(live) = &mut process.phase else {
        return;
    };
    let heard = now.mono + HEARD;
    if let Stage::Launching { by } | Stage::Readying { by } = &mut live.stage {
        *by = (*by).max(heard);
    }
    match &mut live.turn {
        Turn::Clearing { by, .. }
        | Turn::Task {
            ending: Some(Ending { by, .. }),
            ..
        } => *by = (*by).max(heard),
        Turn::Task { ending: None, .. } | Turn::Placing { .. } | Turn::None => {}
    }
}

fn rebased(wall: Timestamp, now: Now) -> Mono {
    now.mono + Duration::try_from(wall.duration_since(now.wall)).unwrap_or_default()
}
