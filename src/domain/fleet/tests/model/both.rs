//! The fleet and the model side by side.

use std::time::Duration;

use uuid::Uuid;

use super::plain::{Is, Model, Plain};
use super::{Op, STAFF, Wants};
use crate::domain::command::{Command, Outcome};
use crate::domain::event::{Event, Fact, TurnEnd};
use crate::domain::exit::ExitStatus;
use crate::domain::fleet::tests::rig::Rig;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::order::Order;
use crate::domain::restart::Window;
use crate::domain::snapshot::Snapshot;
use crate::domain::task::{
    AttemptEnd, Move, NewTask, Priority, Target, Task, TaskChange, TaskState, Tokens,
};
use crate::domain::time::Mono;

/// How often each task is tried again.
const RETRIES: u32 = 1;
/// What an agent has to do in time is done within this.
const STEP: Duration = Duration::from_secs(10);
/// What lies between two priorities, in milliseconds.
const AGEING: i64 = 30 * 60 * 1000;

pub(super) struct Both {
    rig: Rig,
    model: Model,
    staff: Vec<(ProcessId, RunId)>,
    /// Messages of attempts that are over.
    past: Vec<Uuid>,
}

impl Both {
    pub(super) fn new() -> Self {
        let mut rig = Rig::new();
        rig.reconfigure(|catalogue| {
            catalogue.auto_stop.enabled = false;
            for role in &mut catalogue.roles {
                // Crashes are to be over soon, and are no reason to leave anybody down.
                role.auto_restart.max_retries = u32::MAX;
                role.auto_restart.retry_delay = Duration::from_secs(1);
                role.auto_restart.window = Window {
                    failures: u32::MAX,
                    ..role.auto_restart.window
                };
            }
        });
        let staff = STAFF.iter().map(|role| rig.ready(role)).collect();
        Self {
            rig,
            model: Model::default(),
            staff,
            past: Vec::new(),
        }
    }

    /// The newest are the ones in motion.
    fn nth(&self, n: usize) -> Option<TaskId> {
        self.model.tasks.keys().rev().nth(n).copied()
    }

    fn order(&mut self, command: Command) -> Result<Outcome, ()> {
        let reply = self.rig.order(command);
        let answer = self.rig.answer(reply).cloned().expect("an answer");
        answer.map_err(drop)
    }

    fn target(&self, wants: Wants) -> Target {
        let mut target = Target::default();
        match wants {
            Wants::Anybody => {}
            Wants::Role(role) => target.role = Some(role.to_owned()),
            Wants::Skill(skill) => target.skills = vec![skill.to_owned()],
            Wants::Process(one) => target.process = Some(self.staff[one].0),
        }
        target
    }

    fn new_task(&self, wants: Wants) -> NewTask {
        NewTask {
            text: "work".to_owned(),
            retries: Some(RETRIES),
            // Nothing here runs out of time.
            timeout: Some(Duration::from_secs(1 << 30)),
            target: self.target(wants),
            ..NewTask::default()
        }
    }

    fn take_in(&mut self, id: TaskId, after: Vec<TaskId>, wants: Wants) {
        let plain = Plain {
            is: Is::Waiting,
            after,
            asks: None,
            wants,
            key: None,
            tries: 0,
            retries: RETRIES,
            not_before: None,
            dismissed: false,
        };
        let known = self.model.tasks.insert(id, plain);
        assert!(known.is_none(), "{id} was given twice");
    }

    fn added(&mut self, new: NewTask) -> TaskId {
        match self.order(Command::AddTask(Box::new(new))) {
            Ok(Outcome::TaskAdded(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    /// Gives an order that the model allows or not, and holds the answer to that.
    fn may(&mut self, command: Command, may: bool) -> bool {
        let words = format!("{command:?}");
        assert_eq!(self.order(command).is_ok(), may, "{words}");
        may
    }

    pub(super) fn apply(&mut self, op: &Op) -> Option<()> {
        match *op {
            Op::Add(priority, after, wants) => {
                let after: Vec<TaskId> = after.and_then(|n| self.nth(n)).into_iter().collect();
                let new = NewTask {
                    priority,
                    after: after.iter().map(TaskId::to_string).collect(),
                    ..self.new_task(wants)
                };
                let id = self.added(new);
                self.take_in(id, after, wants);
            }
            Op::AddKeyed(key) => {
                let new = NewTask {
                    key: Some(format!("key {key}")),
                    ..self.new_task(Wants::Anybody)
                };
                let mut tasks = self.model.tasks.iter();
                let known = tasks.find(|(_, task)| task.key == Some(key));
                let known = known.map(|(id, _)| *id);
                match (self.order(Command::AddTask(Box::new(new))), known) {
                    (Ok(Outcome::TaskKnown(id)), Some(known)) => assert_eq!(id, known),
                    (Ok(Outcome::TaskAdded(id)), None) => {
                        self.take_in(id, Vec::new(), Wants::Anybody);
                        self.model.change(id, |task| task.key = Some(key));
                    }
                    other => panic!("{other:?}"),
                }
            }
            Op::AddChain(length) => {
                let link = |n: usize| NewTask {
                    name: Some(format!("n{n}")),
                    after: (n + 1 < length)
                        .then(|| format!("n{}", n + 1))
                        .into_iter()
                        .collect(),
                    ..self.new_task(Wants::Anybody)
                };
                match self.order(Command::AddTasks((0..length).map(link).collect())) {
                    Ok(Outcome::TasksAdded(ids)) => {
                        for (n, (id, _)) in ids.iter().enumerate() {
                            let after = ids.get(n + 1).map(|(id, _)| *id);
                            self.take_in(*id, after.into_iter().collect(), Wants::Anybody);
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
            Op::AddAsking(n) => {
                let asked = self.nth(n)?;
                let new = NewTask {
                    text: format!("go by {{{{result:{asked}}}}}"),
                    ..self.new_task(Wants::Anybody)
                };
                let id = self.added(new);
                self.take_in(id, vec![asked], Wants::Anybody);
                self.model.change(id, |task| task.asks = Some(asked));
            }
            Op::Cancel(n) => {
                let id = self.nth(n)?;
                let may = !self.model.is_over(id);
                let message = self.rig.task(id).lease.map(|lease| lease.message);
                if self.may(Command::CancelTask(id), may) {
                    if let Is::Working(one, _) = self.model.is(id)? {
                        self.past.extend(message);
                        self.interrupt(id, one);
                    }
                    self.model.set(id, Is::Cancelled);
                }
            }
            Op::Retry(n) => {
                let id = self.nth(n)?;
                let may = self.model.is_over(id) && self.model.is(id) != Some(Is::Done);
                if self.may(Command::RetryTask(id), may) {
                    self.model.change(id, |task| {
                        task.is = Is::Waiting;
                        task.tries = 0;
                        task.not_before = None;
                        task.dismissed = false;
                    });
                }
            }
            Op::Dismiss(n) => {
                let id = self.nth(n)?;
                let may = self.model.is_over(id) && self.model.is(id) != Some(Is::Done);
                if self.may(Command::DismissTask(id), may) {
                    self.model.change(id, |task| task.dismissed = true);
                }
            }
            Op::Hold(n) => {
                let id = self.nth(n)?;
                let may = self.model.is(id)? == Is::Waiting;
                if self.may(Command::HoldTask(id), may) {
                    self.model.change(id, |task| {
                        task.is = Is::Held;
                        task.not_before = None;
                    });
                }
            }
            Op::Release(n) => {
                let id = self.nth(n)?;
                let may = self.model.is(id)? == Is::Held;
                if self.may(Command::ReleaseTask(id), may) {
                    self.model.set(id, Is::Waiting);
                }
            }
            Op::Remove(n) => {
                let id = self.nth(n)?;
                let may = !matches!(self.model.is(id)?, Is::Working(..));
                if self.may(Command::RemoveTask(id), may) {
                    self.model.remove(id);
                }
            }
            Op::EditPriority(n, priority) => {
                let task = self.nth(n)?;
                let change = TaskChange {
                    priority: Some(priority),
                    ..TaskChange::default()
                };
                self.edit(task, change, true);
            }
            Op::EditTarget(n, wants) => {
                let task = self.nth(n)?;
                let change = TaskChange {
                    target: Some(self.target(wants)),
                    ..TaskChange::default()
                };
                if self.edit(task, change, true) {
                    self.model.change(task, |task| task.wants = wants);
                }
            }
            Op::EditAfter(n, m) => {
                let (task, parent) = (self.nth(n)?, self.nth(m)?);
                // Whose result it asks for it waits for in any case.
                let mut after = vec![parent];
                after.extend(
                    self.model.tasks[&task]
                        .asks
                        .filter(|asked| *asked != parent),
                );
                let lost = after.iter().any(|one| !self.model.tasks.contains_key(one));
                let circle = after.iter().any(|one| self.model.reaches(*one, task));
                let change = TaskChange {
                    after: Some(vec![parent.to_string()]),
                    ..TaskChange::default()
                };
                if self.edit(task, change, !circle && !lost) {
                    self.model.change(task, |task| task.after = after);
                }
            }
            Op::MoveFirst(n) => {
                let task = self.nth(n)?;
                let may = self.model.waits(task);
                let to = Move::First;
                if self.may(Command::MoveTask { task, to }, may) {
                    self.moved(task, 0);
                }
            }
            Op::MoveLast(n) => {
                let task = self.nth(n)?;
                let may = self.model.waits(task);
                let to = Move::Last;
                if self.may(Command::MoveTask { task, to }, may) {
                    self.moved(task, usize::MAX);
                }
            }
            Op::MoveBefore(n, m) => {
                let (task, other) = (self.nth(n)?, self.nth(m)?);
                let may = self.model.waits(task) && self.model.waits(other) && task != other;
                let to = Move::Before(other);
                if self.may(Command::MoveTask { task, to }, may) {
                    let mut rest = self.model.order.iter().filter(|one| **one != task);
                    let at = rest.position(|one| *one == other)?;
                    self.moved(task, at);
                }
            }
            Op::Deliver(one) => self.deliver(one),
            Op::Acknowledge(one) => {
                self.deliver(one);
                self.held_by(one)?;
                let message = self.rig.message(self.staff[one].1);
                self.hears(one, Fact::Acknowledged { message });
            }
            Op::Begin(one) => {
                self.deliver(one);
                self.see_leases();
                let id = self.held_by(one)?;
                let message = Some(self.rig.message(self.staff[one].1));
                self.hears(one, Fact::TurnStarted { message });
                self.model.set(id, Is::Working(one, true));
            }
            Op::Finish(one, success) => {
                self.deliver(one);
                let id = self.held_by(one)?;
                let run = self.staff[one].1;
                self.past.push(self.rig.message(run));
                self.check();
                self.rig.turn_ends(run, success);
                if success {
                    self.model.set(id, Is::Done);
                } else {
                    self.model.fails(id, self.rig.now.mono, Is::Failed);
                }
            }
            Op::Crash(one) => self.crash(one),
            Op::Late(one, n) => {
                let message = *self.past.iter().rev().nth(n)?;
                self.hears(one, Fact::Acknowledged { message });
                let begun = Some(message);
                self.hears(one, Fact::TurnStarted { message: begun });
                self.hears(one, Fact::TurnEnded(Box::new(end_of(message))));
                if self.held_by(one).is_none() && self.clearing(self.staff[one].1).is_none() {
                    self.hears(one, Fact::Idle);
                }
            }
            Op::Pass(minutes) => self.pass(Duration::from_secs(60 * minutes)),
            Op::Reborn => {
                let sent = self.rig.sent.clone();
                let mut reborn = self.rig.reborn();
                reborn.sent = sent;
                for (_, run) in &self.staff {
                    let accepted = reborn.taken(*run);
                    reborn.event(Event::Adopted {
                        run: *run,
                        accepted,
                        alive: true,
                    });
                }
                self.rig = reborn;
            }
        }
        Some(())
    }

    fn edit(&mut self, task: TaskId, change: TaskChange, may: bool) -> bool {
        let may = may && self.model.waits(task);
        let change = Box::new(change);
        self.may(Command::EditTask { task, change }, may)
    }

    fn hears(&mut self, one: usize, fact: Fact) {
        self.rig.fact(self.staff[one].1, fact);
    }

    /// Time goes by; who is to begin a fresh conversation does so in time.
    pub(super) fn pass(&mut self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            for one in 0..STAFF.len() {
                self.deliver(one);
            }
            self.check();
            let step = left.min(STEP);
            self.rig.pass(step);
            left -= step;
        }
    }

    fn held_by(&mut self, one: usize) -> Option<TaskId> {
        let run = self.staff[one].1;
        let snapshot = self.rig.snapshot();
        let held = snapshot
            .tasks
            .iter()
            .find(|task| task.lease.is_some_and(|lease| lease.run == run));
        held.map(|task| task.id)
    }

    /// The fresh conversation that a run is to begin.
    fn clearing(&self, run: RunId) -> Option<Uuid> {
        let mut sent = self.rig.sent.iter().rev().filter(|(to, _, _)| *to == run);
        sent.find_map(|(_, _, order)| match order {
            Order::Clear { uuid } => Some(Some(*uuid)),
            Order::Message { .. } => Some(None),
            _ => None,
        })
        .flatten()
    }

    /// Sees a lease through to the agent: a fresh conversation first, where one is made.
    fn deliver(&mut self, one: usize) {
        let run = self.staff[one].1;
        // Each conversation is made fresh once, whether anybody still wants it or not.
        let mut answered = None;
        while let Some(clear) = self.clearing(run)
            && answered != Some(clear)
        {
            answered = Some(clear);
            self.rig.turn_ends(run, true);
        }
    }

    /// A task that was taken back while somebody had it: the agent says that it stopped.
    fn interrupt(&mut self, id: TaskId, one: usize) {
        if self.rig.task(id).lease.is_some() {
            self.rig.interrupted(self.staff[one].1);
        } else {
            // It was not in the agent's hands yet; its conversation is fresh in a moment.
            self.deliver(one);
        }
    }

    /// The process dies, and is up again before long.
    fn crash(&mut self, one: usize) {
        let (process, run) = self.staff[one];
        let held = self.held_by(one);
        let delivered = self.clearing(run).is_none();
        if let Some(id) = held {
            self.past.push(self.rig.message(run));
            if !delivered {
                // It never began.
                self.model.set(id, Is::Waiting);
            } else if STAFF[one] == "careful" {
                self.model.change(id, |task| {
                    task.is = Is::Held;
                    task.tries += 1;
                });
            } else {
                self.model.fails(id, self.rig.now.mono, Is::Parked);
            }
        }
        self.rig.exit(run, ExitStatus::Code(1));
        self.check();
        let before = self.rig.launches.len();
        let mut steps = 0;
        let run = loop {
            let mut again = self.rig.launches[before..].iter();
            if let Some(plan) = again.find(|plan| plan.process == process) {
                break plan.run;
            }
            assert!(steps < 20, "it is not started again");
            steps += 1;
            self.pass(STEP);
        };
        self.check();
        self.rig.is_up(run);
        self.staff[one].1 = run;
    }

    fn moved(&mut self, task: TaskId, to: usize) {
        let order = &mut self.model.order;
        order.retain(|one| *one != task);
        order.insert(to.min(order.len()), task);
        let expected = order.clone();
        assert_eq!(self.waiting(), expected, "moved {task}");
    }

    /// What waits or is held, in the order of work.
    fn waiting(&mut self) -> Vec<TaskId> {
        let snapshot = self.rig.snapshot();
        let waiting = snapshot.tasks.iter().filter(|task| task.is_waiting());
        let mut waiting: Vec<_> = waiting.map(|task| (task.place(), task.id)).collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, id)| id).collect()
    }

    /// Who has a task by now that the model says waits: it could go, its place was before all others that this
    /// process could have had, and the process fits.
    fn see_leases(&mut self) {
        let snapshot = self.rig.snapshot();
        let now = self.rig.now.mono;
        let mut given = Vec::new();
        for task in &snapshot.tasks {
            if let Some(lease) = task.lease
                && self.model.is(task.id) == Some(Is::Waiting)
            {
                let one = self.staff.iter().position(|(id, _)| *id == lease.process);
                let one = one.expect("one of the staff");
                assert!(
                    self.model.may_go(task.id, now),
                    "{} went too early",
                    task.id
                );
                assert!(self.model.fits(task.id, one), "{} went to {one}", task.id);
                given.push((task.id, (task.place(), task.id), one));
            }
        }
        for (id, _, one) in &given {
            self.model.set(*id, Is::Working(*one, false));
        }
        for task in &snapshot.tasks {
            for (id, place, one) in &given {
                let before = (task.place(), task.id) < *place;
                // It may have been kept for the one who was at it when it was cut off.
                let mut ends = task.attempts.iter().filter_map(|attempt| attempt.end);
                let kept = ends.any(|end| matches!(end, AttemptEnd::Cut | AttemptEnd::Interrupted));
                let passed_over = before
                    && !kept
                    && self.model.may_go(task.id, self.began(id, &snapshot))
                    && self.model.fits(task.id, *one);
                assert!(!passed_over, "{id} went before {}", task.id);
            }
        }
    }

    /// When the attempt began that a task is at, by the clock of waits.
    fn began(&self, id: &TaskId, snapshot: &Snapshot) -> Mono {
        let now = self.rig.now;
        let last = snapshot.task(*id).and_then(|task| task.attempts.last());
        let began = last.map_or(now.wall, |attempt| attempt.started);
        let ago = now.wall.duration_since(began);
        now.mono - Duration::try_from(ago).unwrap_or_default()
    }

    /// What the fleet says of each task is what the model says, and nobody idles while work waits.
    pub(super) fn check(&mut self) {
        // What is due this very moment is served before anybody looks.
        self.rig.pass(Duration::ZERO);
        self.see_leases();
        let snapshot = self.rig.snapshot();
        assert_eq!(snapshot.tasks.len(), self.model.tasks.len());
        for task in &snapshot.tasks {
            let plain = self.model.tasks.get(&task.id).expect("it is known");
            let expected = match plain.is {
                Is::Waiting if self.model.is_free(task.id) => TaskState::Queued,
                Is::Waiting => TaskState::Blocked,
                Is::Held => TaskState::Held,
                Is::Working(_, false) => TaskState::Assigned,
                Is::Working(_, true) => TaskState::Running,
                Is::Done => TaskState::Succeeded,
                Is::Failed => TaskState::Failed,
                Is::Parked => TaskState::Parked,
                Is::Cancelled => TaskState::Cancelled,
            };
            assert_eq!(task.state, expected, "{}", task.id);
            let uncounted = task.lease.is_some() || plain.is == Is::Done;
            assert_eq!(
                task.tries() - u32::from(uncounted),
                plain.tries,
                "{}",
                task.id
            );
            assert_eq!(task.dismissed, plain.dismissed, "{}", task.id);
            let why = snapshot.why(task.id);
            assert_eq!(why.is_some(), task.is_waiting(), "{}: {why:?}", task.id);
            let open = task.attempts.iter().filter(|one| one.end.is_none()).count();
            assert_eq!(open, usize::from(task.state.is_leased()));
        }
        let now = self.rig.now.mono;
        for process in self.rig.fleet.processes().filter(|one| one.is_free()) {
            let one = self.staff.iter().position(|(id, _)| *id == process.id);
            let one = one.expect("one of the staff");
            for id in self.model.tasks.keys() {
                // Who was at it when it was cut off has it before others, once that one is up again.
                let kept = self.rig.fleet.returns(*id);
                let kept = kept.is_some_and(|other| other.id != process.id);
                let could = self.model.may_go(*id, now) && self.model.fits(*id, one) && !kept;
                assert!(!could, "{} idles while {id} waits", process.id);
            }
        }
        self.model.order = self.waiting();
        let unmoved = snapshot
            .tasks
            .iter()
            .filter(|task| task.moved.is_none() && task.is_waiting());
        let mut unmoved: Vec<&Task> = unmoved.map(AsRef::as_ref).collect();
        unmoved.sort_by_key(|task| (came(task), task.id));
        let unmoved: Vec<TaskId> = unmoved.into_iter().map(|task| task.id).collect();
        let order = &self.model.order;
        let listed = order.iter().filter(|id| unmoved.contains(id));
        assert!(listed.eq(&unmoved), "{order:?} against {unmoved:?}");
    }
}

/// When it came, later for each step down in priority.
fn came(task: &Task) -> i64 {
    let steps = Priority::ALL.iter().position(|one| *one == task.priority);
    let steps = i64::try_from(steps.expect("one of them")).expect("few");
    task.created.as_millisecond() + steps * AGEING
}

fn end_of(message: Uuid) -> TurnEnd {
    TurnEnd {
        messages: vec![message],
        conversation: None,
        success: true,
        interrupted: false,
        retryable: true,
        text: "late".to_owned(),
        turns: 1,
        cost_usd: 0.0,
        tokens: Tokens::default(),
        denials: vec![],
    }
}
