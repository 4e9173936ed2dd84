//! The queue against a plain model: which task is where after any order of orders.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::rig::Rig;
use crate::domain::command::{Command, Outcome};
use crate::domain::id::{RunId, TaskId};
use crate::domain::order::Order;
use crate::domain::task::{Move, NewTask, Priority, TaskChange, TaskState};

#[derive(Debug, Clone)]
enum Op {
    Add(usize, Option<usize>),
    AddChain(usize),
    Cancel(usize),
    Retry(usize),
    Hold(usize),
    Release(usize),
    Remove(usize),
    Edit(usize, usize),
    WaitFor(usize, usize),
    MoveFirst(usize),
    MoveBefore(usize, usize),
    Finish(usize, bool),
    Reborn,
}

fn op() -> impl Strategy<Value = Op> {
    let n = || 0..12_usize;
    prop_oneof![
        6 => (0..4_usize, prop::option::of(n())).prop_map(|(p, after)| Op::Add(p, after)),
        1 => (2..5_usize).prop_map(Op::AddChain),
        2 => n().prop_map(Op::Cancel),
        2 => n().prop_map(Op::Retry),
        2 => n().prop_map(Op::Hold),
        2 => n().prop_map(Op::Release),
        1 => n().prop_map(Op::Remove),
        1 => (n(), 0..4_usize).prop_map(|(n, p)| Op::Edit(n, p)),
        2 => (n(), n()).prop_map(|(n, m)| Op::WaitFor(n, m)),
        1 => n().prop_map(Op::MoveFirst),
        2 => (n(), n()).prop_map(|(n, m)| Op::MoveBefore(n, m)),
        8 => (0..3_usize, any::<bool>()).prop_map(|(n, success)| Op::Finish(n, success)),
        1 => Just(Op::Reborn),
    ]
}

/// What a person would say of a task: no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Waiting,
    Held,
    Working,
    Done,
    Failed,
    Cancelled,
}

#[derive(Debug, Default)]
struct Model {
    tasks: BTreeMap<TaskId, (Is, Vec<TaskId>)>,
    /// The order of work of those that wait or are held.
    order: Vec<TaskId>,
}

impl Model {
    fn is(&self, id: TaskId) -> Option<Is> {
        self.tasks.get(&id).map(|(is, _)| *is)
    }

    fn waits(&self, id: TaskId) -> bool {
        matches!(self.is(id), Some(Is::Waiting | Is::Held))
    }

    fn may_go(&self, id: TaskId) -> bool {
        let Some((Is::Waiting, after)) = self.tasks.get(&id) else {
            return false;
        };
        after
            .iter()
            .all(|parent| self.is(*parent) == Some(Is::Done))
    }

    fn set(&mut self, id: TaskId, is: Is) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.0 = is;
        }
    }

    fn reaches(&self, from: TaskId, to: TaskId) -> bool {
        let after = self.tasks.get(&from).map_or(&[][..], |(_, after)| after);
        from == to || after.iter().any(|next| self.reaches(*next, to))
    }
}

struct Both {
    rig: Rig,
    model: Model,
    runs: Vec<RunId>,
}

impl Both {
    fn new() -> Self {
        let mut rig = Rig::new();
        let runs = (0..3).map(|_| rig.ready("developer").1).collect();
        let model = Model::default();
        Self { rig, model, runs }
    }

    fn nth(&self, n: usize) -> Option<TaskId> {
        // The newest are the ones in motion.
        self.model.tasks.keys().rev().nth(n).copied()
    }

    fn order(&mut self, command: Command) -> Result<Outcome, ()> {
        let reply = self.rig.order(command);
        let answer = self.rig.answer(reply).cloned().expect("an answer");
        answer.map_err(drop)
    }

    fn take_in(&mut self, id: TaskId, after: Vec<TaskId>) {
        self.model.tasks.insert(id, (Is::Waiting, after));
    }

    fn apply(&mut self, op: &Op) -> Option<()> {
        match *op {
            Op::Add(priority, after) => {
                let after: Vec<TaskId> = after.and_then(|n| self.nth(n)).into_iter().collect();
                let new = NewTask {
                    text: "work".to_owned(),
                    priority: Priority::ALL[priority],
                    after: after.iter().map(TaskId::to_string).collect(),
                    retries: Some(0),
                    ..NewTask::default()
                };
                match self.order(Command::AddTask(Box::new(new))) {
                    Ok(Outcome::TaskAdded(id)) => self.take_in(id, after),
                    other => panic!("{other:?}"),
                }
            }
            Op::AddChain(length) => {
                let link = |n: usize| NewTask {
                    text: "work".to_owned(),
                    name: Some(format!("n{n}")),
                    // Each waits for the one behind it in the list.
                    after: (n + 1 < length)
                        .then(|| format!("n{}", n + 1))
                        .into_iter()
                        .collect(),
                    retries: Some(0),
                    ..NewTask::default()
                };
                match self.order(Command::AddTasks((0..length).map(link).collect())) {
                    Ok(Outcome::TasksAdded(ids)) => {
                        for (n, (id, _)) in ids.iter().enumerate() {
                            let after = ids.get(n + 1).map(|(id, _)| *id);
                            self.take_in(*id, after.into_iter().collect());
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
            Op::Cancel(n) => {
                let id = self.nth(n)?;
                let over = matches!(self.model.is(id)?, Is::Done | Is::Failed | Is::Cancelled);
                assert_eq!(self.order(Command::CancelTask(id)).is_err(), over);
                if self.model.waits(id) {
                    self.model.set(id, Is::Cancelled);
                } else if self.model.is(id) == Some(Is::Working) {
                    self.interrupt(id);
                    self.model.set(id, Is::Cancelled);
                }
            }
            Op::Retry(n) => {
                let id = self.nth(n)?;
                let may = matches!(self.model.is(id)?, Is::Failed | Is::Cancelled);
                assert_eq!(self.order(Command::RetryTask(id)).is_ok(), may);
                if may {
                    self.model.set(id, Is::Waiting);
                }
            }
            Op::Hold(n) => {
                let id = self.nth(n)?;
                let may = self.model.is(id)? == Is::Waiting;
                assert_eq!(self.order(Command::HoldTask(id)).is_ok(), may);
                if may {
                    self.model.set(id, Is::Held);
                }
            }
            Op::Release(n) => {
                let id = self.nth(n)?;
                let may = self.model.is(id)? == Is::Held;
                assert_eq!(self.order(Command::ReleaseTask(id)).is_ok(), may);
                if may {
                    self.model.set(id, Is::Waiting);
                }
            }
            Op::Remove(n) => {
                let id = self.nth(n)?;
                let is = self.model.is(id)?;
                assert_eq!(
                    self.order(Command::RemoveTask(id)).is_ok(),
                    is != Is::Working
                );
                if is != Is::Working {
                    self.model.tasks.remove(&id);
                    for (child, after) in self.model.tasks.values_mut() {
                        let open = matches!(child, Is::Waiting | Is::Held | Is::Working);
                        // Nobody mentions a result here, so who has what it waited for is free.
                        if is == Is::Done && open {
                            after.retain(|parent| *parent != id);
                        }
                    }
                }
            }
            Op::Edit(n, priority) => {
                let task = self.nth(n)?;
                let change = Box::new(TaskChange {
                    priority: Some(Priority::ALL[priority]),
                    ..TaskChange::default()
                });
                let may = self.model.waits(task);
                assert_eq!(self.order(Command::EditTask { task, change }).is_ok(), may);
            }
            Op::WaitFor(n, m) => {
                let (task, parent) = (self.nth(n)?, self.nth(m)?);
                let circle = self.model.reaches(parent, task);
                let change = Box::new(TaskChange {
                    after: Some(vec![parent.to_string()]),
                    ..TaskChange::default()
                });
                let may = self.model.waits(task) && !circle;
                assert_eq!(self.order(Command::EditTask { task, change }).is_ok(), may);
                if may && let Some(task) = self.model.tasks.get_mut(&task) {
                    task.1 = vec![parent];
                }
            }
            Op::MoveFirst(n) => {
                let task = self.nth(n)?;
                let may = self.model.waits(task);
                let to = Move::First;
                assert_eq!(self.order(Command::MoveTask { task, to }).is_ok(), may);
                if may {
                    self.model.order.retain(|one| *one != task);
                    self.model.order.insert(0, task);
                    self.check_order(Some(task));
                }
            }
            Op::MoveBefore(n, m) => {
                let (task, other) = (self.nth(n)?, self.nth(m)?);
                let may = self.model.waits(task) && self.model.waits(other) && task != other;
                let to = Move::Before(other);
                assert_eq!(self.order(Command::MoveTask { task, to }).is_ok(), may);
                if may {
                    self.model.order.retain(|one| *one != task);
                    let at = self.model.order.iter().position(|one| *one == other)?;
                    self.model.order.insert(at, task);
                    self.check_order(Some(task));
                }
            }
            Op::Finish(n, success) => {
                let run = *self.runs.get(n)?;
                let id = self.held_by(run)?;
                self.deliver(run);
                self.rig.turn_ends(run, success);
                self.model
                    .set(id, if success { Is::Done } else { Is::Failed });
            }
            Op::Reborn => {
                let sent = self.rig.sent.clone();
                let mut reborn = self.rig.reborn();
                reborn.sent = sent;
                for run in &self.runs {
                    reborn.event(crate::domain::event::Event::Adopted {
                        run: *run,
                        accepted: u64::MAX,
                        alive: true,
                    });
                }
                self.rig = reborn;
            }
        }
        Some(())
    }

    fn held_by(&mut self, run: RunId) -> Option<TaskId> {
        let snapshot = self.rig.snapshot();
        let held = snapshot
            .tasks
            .iter()
            .find(|task| task.lease.is_some_and(|lease| lease.run == run));
        held.map(|task| task.id)
    }

    /// Sees a lease through to the agent: a fresh conversation first, where one is made.
    fn deliver(&mut self, run: RunId) {
        let last = |rig: &Rig| {
            let mut sent = rig.sent.iter().rev().filter(|(to, _, _)| *to == run);
            sent.find_map(|(_, _, order)| match order {
                Order::Clear { uuid } => Some(Some(*uuid)),
                Order::Message { .. } => Some(None),
                _ => None,
            })
            .flatten()
        };
        // Each conversation is made fresh once, whether anybody still wants it or not.
        let mut answered = None;
        while let Some(clear) = last(&self.rig)
            && answered != Some(clear)
        {
            answered = Some(clear);
            self.rig.turn_ends(run, true);
        }
    }

    /// A task that was taken back while somebody had it: the agent says that it stopped.
    fn interrupt(&mut self, id: TaskId) {
        let lease = self.rig.task(id).lease;
        match lease {
            Some(lease) => self.rig.interrupted(lease.run),
            // It was not in the agent's hands yet; its conversation is fresh in a moment.
            None => {
                for run in self.runs.clone() {
                    self.deliver(run);
                }
            }
        }
    }

    fn check_order(&mut self, moved: Option<TaskId>) {
        let snapshot = self.rig.snapshot();
        let mut waiting: Vec<_> = snapshot
            .tasks
            .iter()
            .filter(|task| task.is_waiting())
            .map(|task| (task.place(), task.id))
            .collect();
        waiting.sort_unstable();
        let now: Vec<TaskId> = waiting.into_iter().map(|(_, id)| id).collect();
        if moved.is_some() {
            assert_eq!(now, self.model.order, "moved {moved:?}");
        }
        self.model.order = now;
    }

    /// What the fleet leased is what the model says may go, and nobody idles while work waits.
    fn check(&mut self) {
        let snapshot = self.rig.snapshot();
        for task in &snapshot.tasks {
            if task.state.is_leased() && self.model.is(task.id) == Some(Is::Waiting) {
                assert!(self.model.may_go(task.id), "{} went too early", task.id);
                self.model.set(task.id, Is::Working);
            }
        }
        assert_eq!(snapshot.tasks.len(), self.model.tasks.len());
        for task in &snapshot.tasks {
            let is = self.model.is(task.id).expect("it is known");
            let expected = match is {
                Is::Waiting if self.model.may_go(task.id) => TaskState::Queued,
                Is::Waiting => TaskState::Blocked,
                Is::Held => TaskState::Held,
                Is::Working => TaskState::Assigned,
                Is::Done => TaskState::Succeeded,
                Is::Failed => TaskState::Failed,
                Is::Cancelled => TaskState::Cancelled,
            };
            assert_eq!(task.state, expected, "{}", task.id);
            assert_eq!(snapshot.why(task.id).is_some(), task.is_waiting());
            let ends = task.attempts.iter().filter(|one| one.end.is_none()).count();
            assert_eq!(ends, usize::from(task.state.is_leased()));
        }
        let free = self.rig.fleet.processes().any(|process| process.is_free());
        let ready = self.model.tasks.keys().any(|id| self.model.may_go(*id));
        assert!(!(free && ready), "somebody idles while work waits");
        self.check_order(None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_is_as_a_plain_model_says(ops in prop::collection::vec(op(), 0..120)) {
        let mut both = Both::new();
        for op in &ops {
            both.apply(op);
            both.check();
        }
        both.rig.pass(Duration::from_secs(1));
        both.check();
    }
}
