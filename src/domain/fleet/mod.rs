//! The whole company in one value: inputs change it, effects follow, people see snapshots of it.
//!
//! Each call of [`Fleet::apply`] takes one input and gives the effects that follow. What must
//! survive a crash is marked dirty and written as one batch at the end of the call; effects that may
//! only happen once it is on disk wait for the batch's `Stored`. Deadlines are data in the phases;
//! [`Fleet::next_deadline`] names the earliest.

mod accept;
mod alerts;
mod ask;
mod assign;
mod automation;
mod chronicle;
mod cluster;
mod cluster_view;
mod continuing;
mod due;
mod facts;
mod graph;
mod health;
mod hiring;
mod inputs;
mod lifecycle;
mod outbox;
mod preview;
mod recorder;
mod restart;
mod revise;
mod saved;
mod say;
mod scale;
mod schedules;
mod settle;
mod shutdown;
mod staff;
mod standing;
mod stopping;
mod update;
mod view;
mod waiting;
mod work;
mod worktree;
mod writing;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::domain::alert::Alert;
use crate::domain::command::{Command, Origin, Outcome, Refusal};
use crate::domain::effect::{Effect, ReplyId};
use crate::domain::event::Event;
use crate::domain::fault::Fault;
use crate::domain::fleet::graph::Graph;
use crate::domain::fleet::saved::Meta;
use crate::domain::fleet::writing::{Again, Dirty, Pending, Undo};
use crate::domain::flight::{Figure, Flight};
use crate::domain::health::Checkup;
use crate::domain::id::{AlertId, ProcessId, RequestId, RunId, TaskId};
use crate::domain::inbox::Request;
use crate::domain::log::LogKind;
use crate::domain::process::Process;
use crate::domain::queue::Queue;
use crate::domain::role::Catalogue;
use crate::domain::scale::Strain;
use crate::domain::snapshot::{Health, Level, Machine, Member, Message, ProcessView, Usage};
use crate::domain::task::Task;
use crate::domain::task_list::TaskList;
use crate::domain::time::{Mono, Now};

pub use saved::Saved;

/// How many messages a snapshot keeps.
const MESSAGES: usize = 50;
/// Who acts where no order is in hand.
const ITSELF: &str = "headcount itself";

/// How many samples of CPU and memory are kept a process.
const HISTORY: usize = 120;

/// What the fleet takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// An order, and where its answer goes.
    Order {
        /// Where the answer goes.
        reply: ReplyId,
        /// Who orders.
        origin: Origin,
        /// What is ordered.
        command: Command,
    },
    /// A fact.
    Event(Event),
    /// The earliest deadline has come.
    Deadline,
}

/// What holds for the life of the instance.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that holds `roles.toml`.
    pub workspace: PathBuf,
    /// Where `roles.toml` comes from, for a person.
    pub configuration: String,
    /// Whether every role runs on the simulated agent.
    pub demo: bool,
    /// Whether another program can take over from this one.
    pub hand_over: bool,
    /// For what 'today' means.
    pub zone: TimeZone,
    /// Why no agent can be started, when it is not found.
    pub agent_missing: Option<Fault>,
    /// Mixed into every uuid that the fleet makes; random, made once for a state folder.
    pub seed: Uuid,
}

/// An order that is answered when its process has come up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiter {
    reply: ReplyId,
    until: Until,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Up,
    Created,
    Down,
}

/// Figures of a process; not worth a place on disk.
#[derive(Debug, Default)]
struct Figures {
    usage: Option<Usage>,
    // When that was.
    at: Mono,
    // Empty unless somebody looks.
    members: Vec<Member>,
    cpu: VecDeque<f32>,
    memory: VecDeque<u64>,
}

/// The company.
#[derive(Debug)]
pub struct Fleet {
    options: Options,
    catalogue: Arc<Catalogue>,
    mistakes: Option<Arc<str>>,
    processes: BTreeMap<ProcessId, Process>,
    tasks: BTreeMap<TaskId, Arc<Task>>,
    requests: BTreeMap<RequestId, Arc<Request>>,
    queue: Queue,
    graph: Graph,
    keys: HashMap<String, TaskId>,
    meta: Meta,
    // When a process was last started by the program itself.
    last_start: Option<Mono>,
    waiters: BTreeMap<ProcessId, Vec<Waiter>>,
    // Orders to clusters that are not answered yet.
    gatherings: Vec<cluster::Gathering>,
    // What scaling watches and has to say, by cluster and role.
    scaling: BTreeMap<scale::Group, scale::Scaling>,
    strain: Strain,
    shutdown: Option<Vec<ReplyId>>,
    /// Who takes over, and where that it does is answered.
    successor: Option<(PathBuf, ReplyId)>,
    generation: u64,
    figures: BTreeMap<ProcessId, Figures>,
    machine: Machine,
    // Of runs that are up, and who waits for the end of one.
    checkups: BTreeMap<ProcessId, Checkup>,
    checks: BTreeMap<ProcessId, Vec<ReplyId>>,
    // The level that was shown last, and since when.
    conditions: BTreeMap<ProcessId, (Health, Timestamp)>,
    alerts: BTreeMap<AlertId, Arc<Alert>>,
    alert_count: u64,
    // Changed by the call in hand: their alerts may have to be.
    touched: BTreeSet<ProcessId>,
    terminals: u32,
    // Processes that somebody looks at.
    watched: BTreeSet<ProcessId>,
    // When the schedules are looked at next; `None` if there are none.
    next_look: Option<Mono>,
    // Entries of the record that this instance has written.
    entries: u64,
    // What the turn in hand cost, until an entry has it.
    turn_cost: Option<f64>,
    messages: VecDeque<Arc<Message>>,
    message_count: u64,
    // Writing.
    dirty: Dirty,
    undo: Vec<Undo>,
    durable: Vec<Effect>,
    pending: BTreeMap<u64, Pending>,
    next_token: u64,
    // What could not be written, to be tried again at a time.
    again: Option<Again>,
    // Whether the disk refused the last write that it answered.
    refused: bool,
    // What may have come to another state in this call.
    unobserved: BTreeSet<ProcessId>,
    // In whose worktrees something is being done: nobody works there meanwhile.
    handled: BTreeSet<ProcessId>,
    // Who is let go once the worktree is away, and by whose order: nobody starts them meanwhile.
    leaving: BTreeMap<ProcessId, &'static str>,
    // Figures of the last minute, by process.
    last_minute: BTreeMap<ProcessId, VecDeque<Figure>>,
    // What is kept of the last exits, by process.
    flights: BTreeMap<ProcessId, Arc<Flight>>,
    // Who gave the order in hand, for a person.
    by: &'static str,
    // Views that are out of date.
    stale: BTreeSet<ProcessId>,
    views: BTreeMap<ProcessId, Arc<ProcessView>>,
    // Tasks as the last snapshot had them, and those that changed since.
    listed: TaskList,
    unlisted: BTreeSet<TaskId>,
    changed: bool,
    // Of the call in hand.
    now: Now,
    fx: Vec<Effect>,
}

impl Fleet {
    /// Takes one input and gives what follows from it.
    pub fn apply(&mut self, input: Input, now: Now, fx: &mut Vec<Effect>) {
        self.now = now;
        self.fx = std::mem::take(fx);
        match input {
            Input::Order {
                reply,
                origin,
                command,
            } => self.order(reply, &origin, command),
            Input::Event(event) => self.event(event),
            Input::Deadline => self.deadlines(),
        }
        self.roll_on();
        self.end_settled_runs();
        self.restart_idle_ones();
        self.settle_dependents();
        self.wake_the_delayed();
        self.dispatch();
        // After the dispatch: who has just been given a task is not idle.
        self.mark_the_idle();
        self.stop_the_idle();
        self.start_on_demand();
        self.scale();
        self.answer_gatherings();
        self.keep_alerts();
        self.observe();
        self.by = ITSELF;
        self.flush();
        *fx = std::mem::take(&mut self.fx);
    }

    /// When the next deadline is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        let processes = self.processes.values().filter_map(Process::deadline);
        let leases = self.processes.values().filter_map(|process| {
            let task = process.live()?.turn.task()?;
            self.tasks.get(&task)?.lease?.deadline
        });
        let again = self.again.as_ref().map(|again| again.at);
        processes
            .chain(leases)
            .chain(self.queue.next_due())
            .chain(self.next_check())
            .chain(again)
            .chain(self.next_look)
            .chain(self.idle_due())
            .chain(self.age_due())
            .chain(self.scale_due())
            .min()
    }

    /// Whether anything runs, is queued, or comes by itself: a schedule, a start that is tried again. Then the
    /// instance stays although nobody looks.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty()
            || self.queue.next_due().is_some()
            || self.has_schedules()
            || self
                .processes
                .values()
                .any(|process| process.live().is_some() || process.deadline().is_some())
    }

    /// Runs that are not over, with their processes.
    pub fn live_runs(&self) -> impl Iterator<Item = (&Process, RunId)> {
        self.processes
            .values()
            .filter_map(|process| Some((process, process.live()?.run)))
    }

    /// All processes.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// When a person was there last, as far as is known.
    #[must_use]
    pub const fn last_seen(&self) -> Option<Timestamp> {
        self.meta.seen
    }

    /// Lets delayed tasks go whose time has come. With every input: one that waited for another as well may be let go
    /// by that when its time is past, and has its place before those that came later.
    fn wake_the_delayed(&mut self) {
        for id in self.queue.due(self.now.mono) {
            self.with_task(id, |task| task.not_before = None);
        }
    }

    fn deadlines(&mut self) {
        self.write_again_if_due();
        let due: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| process.deadline().is_some_and(|at| at <= self.now.mono))
            .map(|process| process.id)
            .collect();
        for id in due {
            self.process_due(id);
        }
        self.checks_due();
        self.leases_due();
        self.look_at_schedules_if_due();
        self.restart_the_aged();
    }

    // Small things that every part uses.

    fn reply(&mut self, reply: ReplyId, outcome: Result<Outcome, Refusal>) {
        self.fx.push(Effect::Reply {
            reply,
            outcome: Box::new(outcome),
        });
    }

    /// Answers once what this call changed is on disk.
    fn reply_durably(&mut self, reply: ReplyId, outcome: Result<Outcome, Refusal>) {
        self.durable.push(Effect::Reply {
            reply,
            outcome: Box::new(outcome),
        });
    }

    /// A line for the message area of every screen.
    fn say(&mut self, level: Level, process: Option<ProcessId>, text: String) {
        self.message_count += 1;
        let number = self.message_count;
        let message = Message {
            number,
            at: self.now.wall,
            level,
            process,
            text,
        };
        self.messages.push_back(Arc::new(message));
        if self.messages.len() > MESSAGES {
            self.messages.pop_front();
        }
        self.changed = true;
    }

    /// A line for a process's log.
    fn note(&mut self, process: ProcessId, kind: LogKind, text: &str) {
        self.fx.push(Effect::Note {
            process,
            kind,
            text: text.to_owned(),
        });
    }

    /// Marks a process as changed, on disk and on screen.
    fn touch(&mut self, id: ProcessId) {
        self.dirty.processes.insert(id);
        self.refresh(id);
    }

    /// Marks a process as changed on screen only.
    fn refresh(&mut self, id: ProcessId) {
        self.stale.insert(id);
        self.unobserved.insert(id);
        self.touched.insert(id);
        self.changed = true;
    }

    fn name_of(&self, id: ProcessId) -> String {
        self.processes
            .get(&id)
            .map_or_else(|| id.to_string(), |process| process.name.clone())
    }

    /// A uuid that no other call, instance or state folder makes.
    fn uuid(&mut self) -> Uuid {
        use sha2::{Digest, Sha256};
        self.meta.uuid += 1;
        self.dirty.meta = true;
        let mut hash = Sha256::new();
        hash.update(self.meta.seed.as_bytes());
        hash.update(self.meta.uuid.to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    fn add_cost(&mut self, usd: f64) {
        let today = self.options.zone.to_datetime(self.now.wall).date();
        if self.meta.cost_day != today {
            self.meta.cost_day = today;
            self.meta.cost_today_usd = 0.0;
        }
        self.meta.cost_today_usd += usd;
        self.dirty.meta = true;
    }

    fn wall_of(&self, at: Mono) -> Timestamp {
        (self.now + at.since(self.now.mono)).wall
    }
}
