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
mod continuing;
mod due;
mod facts;
mod graph;
mod health;
mod hiring;
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
mod staff;
mod standing;
mod stopping;
mod update;
mod view;
mod work;
mod worktree;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::alert::{Alert, AlertKind, AlertLevel};
use crate::domain::chronicle::{Entry, What};
use crate::domain::command::{Command, Origin, Outcome, Refusal};
use crate::domain::effect::{Effect, ReplyId};
use crate::domain::event::Event;
use crate::domain::fault::Fault;
use crate::domain::fleet::graph::Graph;
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

/// Who touches no key for so long was away, although a terminal was attached.
const ABSENCE: SignedDuration = SignedDuration::from_mins(10);

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

/// Counters that are never set back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Meta {
    seed: Uuid,
    process: u64,
    employee: u64,
    task: u64,
    run: u64,
    request: u64,
    uuid: u64,
    turn: u64,
    cost_day: jiff::civil::Date,
    cost_today_usd: f64,
    /// When a person was there last, as far as is known.
    #[serde(default)]
    seen: Option<Timestamp>,
    /// The same, as of before the last time that a person came back.
    #[serde(default)]
    left: Option<Timestamp>,
    /// Numbers that a person gave to roles of clusters, where they are not those of `roles.toml`.
    #[serde(default)]
    scaled: BTreeMap<String, BTreeMap<String, u32>>,
}

/// Ids of processes, employees and alerts that are left out after a recovery: an older copy of the state
/// does not know which were given out since, and each stands in logs, branches and people's notes.
const STAFF_LEFT_OUT: u64 = 1_000;
/// The same for tasks, runs and requests, of which there are more.
const WORK_LEFT_OUT: u64 = 100_000;

impl Meta {
    /// Goes on with ids that nobody has seen. Uuids are made of the seed: with another one they are others.
    fn leave_out(&mut self, seed: Uuid) {
        self.seed = seed;
        for count in [&mut self.process, &mut self.employee] {
            *count += STAFF_LEFT_OUT;
        }
        for count in [&mut self.task, &mut self.run, &mut self.request] {
            *count += WORK_LEFT_OUT;
        }
    }
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

/// A batch on its way to disk.
#[derive(Debug, Default)]
struct Pending {
    then: Vec<Effect>,
    dirty: Dirty,
    undo: Vec<Undo>,
}

/// What could not be written.
#[derive(Debug)]
struct Again {
    /// What the last try came to.
    error: String,
    at: Mono,
    /// Of batches that failed, and of those that were on their way behind them: in their order.
    pending: Pending,
    /// Of calls since then: after all of those.
    later: Vec<Effect>,
}

/// What is taken back when a batch could not be written.
#[derive(Debug, Clone)]
enum Undo {
    Task(TaskId, ReplyId),
    Tasks(Vec<TaskId>, ReplyId),
    Process(ProcessId, ReplyId),
    Cluster(Box<cluster::Before>, ReplyId),
}

/// What the disk does not know yet.
#[derive(Debug, Default, Clone)]
struct Dirty {
    processes: BTreeSet<ProcessId>,
    tasks: BTreeSet<TaskId>,
    requests: BTreeSet<RequestId>,
    meta: bool,
    alerts: bool,
    /// What is to be added to the record.
    entries: Vec<Entry>,
}

/// While the disk refuses writes no more entries wait than these; the oldest go first.
const ENTRIES: usize = 10_000;

impl Dirty {
    fn is_empty(&self) -> bool {
        self.processes.is_empty()
            && self.tasks.is_empty()
            && self.requests.is_empty()
            && !self.meta
            && !self.alerts
            && self.entries.is_empty()
    }

    fn merge(&mut self, other: Self) {
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
    // Answered when the batch that removes the process is on disk.
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

    /// Whether a shutdown was asked for and nothing is left to wait for.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        if self.successor.is_some() {
            return self.pending.is_empty();
        }
        self.shutdown.is_some()
            && self
                .processes
                .values()
                .all(|process| process.live().is_none())
            && self.pending.is_empty()
    }

    /// Whether another program takes over: nothing new is looked at any more, the runs go on.
    #[must_use]
    pub fn is_handing_over(&self) -> bool {
        self.successor.is_some()
    }

    /// Whether a shutdown was asked for.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shutdown.is_some()
    }

    /// Whether anything runs, is queued or is to be started at a time: then the instance stays although
    /// nobody looks.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty()
            || self.queue.next_due().is_some()
            || self.has_schedules()
            || self
                .processes
                .values()
                .any(|process| process.live().is_some())
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

    fn order(&mut self, reply: ReplyId, origin: &Origin, command: Command) {
        if let Origin::Employee(process) = origin {
            let refusal = Refusal::Forbidden(format!("{process} may not give orders"));
            self.reply(reply, Err(refusal));
            return;
        }
        self.by = origin.words();
        let entry = self.entry_of(&command);
        let place = self.dirty.entries.len();
        let refused = match command {
            Command::Create(new) => self.create(reply, *new),
            Command::Preview(news) => self.preview(reply, news),
            Command::Start(id) => self.start(reply, id),
            Command::Stop(id) => self.stop(reply, id),
            Command::Kill(id) => self.kill(reply, id),
            Command::Restart(id) => self.restart(reply, id),
            Command::Update { process, when } => self.update(reply, process, when),
            Command::Remove(id) => self.remove(reply, id),
            Command::AddTask(new) => self.add_task(reply, *new),
            Command::AddTasks(new) => self.add_tasks(reply, new),
            Command::EditTask { task, change } => self.edit_task(reply, task, *change),
            Command::MoveTask { task, to } => self.move_task(reply, task, to),
            Command::HoldTask(id) => self.hold_task(reply, id),
            Command::RemoveTask(id) => self.remove_task(reply, id),
            Command::CancelTask(id) => self.cancel_task(reply, id),
            Command::RetryTask(id) => self.retry_task(reply, id),
            Command::DismissTask(id) => self.dismiss_task(reply, id),
            Command::ReleaseTask(id) => self.release_task(reply, id),
            Command::Approve(id) => self.approve(reply, id),
            Command::ApproveAlways { request, rule } => self.approve_always(reply, request, rule),
            Command::Deny { request, reason } => self.deny(reply, request, reason),
            Command::Answer { request, answers } => self.answer(reply, request, &answers),
            Command::Say { process, text } => self.say_to(reply, process, text),
            Command::Check(id) => self.check(reply, id),
            Command::Cluster(to) => self.cluster(reply, to),
            Command::Acknowledge(id) => self.acknowledge_alert(reply, id),
            Command::Work { of, order } => self.work(reply, of, order),
            Command::Shutdown => {
                self.shut_down(reply, false);
                Ok(())
            }
            Command::HandOver { program } => self.hand_over(reply, program),
            Command::ShutdownNow => {
                self.shut_down(reply, true);
                Ok(())
            }
        };
        match (refused, entry) {
            (Err(refusal), _) => self.reply(reply, Err(refusal)),
            // Before what followed from it.
            (Ok(()), Some(entry)) => self.dirty.entries.insert(place, entry),
            (Ok(()), None) => {}
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Launched { run, details } => self.launched(run, *details),
            Event::Placed {
                run,
                worktree,
                notes,
            } => self.placed(run, worktree.map(|worktree| *worktree), &notes),
            Event::Moved {
                process,
                run,
                message,
                result,
            } => self.moved(process, run, message, *result),
            Event::Surveyed {
                process,
                summary,
                ended,
            } => self.surveyed(process, *summary, ended),
            Event::Marked {
                process,
                task,
                files,
            } => self.marked(process, task, files),
            Event::Worked {
                reply,
                process,
                worktree,
                result,
            } => self.worked(reply, process, &worktree, *result),
            Event::LaunchFailed { run, failure } => self.launch_failed(run, failure),
            Event::LaunchPutOff { run, fault } => self.put_off(run, fault),
            Event::Adopted {
                run,
                accepted,
                alive,
            } => self.adopted(run, accepted, alive),
            Event::Heard { run, mark, facts } => self.heard(run, mark, facts),
            Event::Pong { run, number, pulse } => self.pong(run, number, pulse),
            Event::NoPing { run } => self.no_ping(run),
            Event::Room { free, total } => self.room(free, total),
            Event::Accepted { run, seq } => self.accepted(run, seq),
            Event::LeaderExited { run, status } => self.leader_exited(run, status),
            Event::Exited {
                run,
                exit,
                failure,
                lines,
            } => self.exited(run, *exit, failure, lines),
            Event::Stuck { run, left } => self.stuck(run, left),
            Event::Held { run, error } => self.held(run, Some(error)),
            Event::Flowing { run } => self.held(run, None),
            Event::Stored { token } => self.on_stored(token),
            Event::NotStored { token, error } => self.on_not_stored(token, &error),
            Event::Sampled {
                machine,
                trees,
                members,
            } => self.sampled(machine, trees, members),
            Event::Configured { catalogue } => {
                self.catalogue = catalogue;
                self.mistakes = None;
                self.stale.extend(self.processes.keys().copied());
                self.changed = true;
                self.compare();
                self.look_again();
                self.look_at_schedules();
            }
            Event::Compared { run, updates } => self.compared(run, updates),
            Event::Misconfigured { report } => {
                self.mistakes = Some(report);
                self.changed = true;
            }
            Event::Terminals { attached, seen } => self.terminals(attached, seen),
            Event::Booted => self.booted(),
            Event::Watched { processes } => self.watched(processes),
            Event::Trespass { process, what } => {
                let text = format!("{} {what}: refused", self.name_of(process));
                self.note(process, LogKind::Error, &text);
                self.say(Level::Error, Some(process), text);
                self.raise(
                    AlertKind::Trespass,
                    AlertLevel::Warning,
                    Some(process),
                    format!("{what}: refused"),
                );
            }
            Event::Trouble { process, text } => {
                self.enter(What::Trouble, process, &text);
                self.say(Level::Error, process, text);
            }
        }
    }

    /// Terminals came or left; `seen` is when a person was there last before that.
    fn terminals(&mut self, attached: u32, seen: Option<Timestamp>) {
        let now = self.now.wall;
        let known = self.meta.seen.max(seen);
        let word = if attached == 1 {
            "terminal"
        } else {
            "terminals"
        };
        let text = format!("{attached} {word} attached");
        if attached > self.terminals {
            let long_ago = known.is_some_and(|seen| now.duration_since(seen) >= ABSENCE);
            if self.terminals == 0 || long_ago {
                self.meta.left = known;
            }
            self.meta.seen = Some(now);
            self.enter(What::Attached, None, &text);
        } else {
            self.meta.seen = known;
            self.enter(What::Left, None, &text);
        }
        self.dirty.meta = true;
        self.terminals = attached;
        self.changed = true;
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
