//! F1: instance and agent die together, at each single point of a task's way.

use std::sync::Arc;
use std::time::Duration;

use super::rig::Rig;
use crate::domain::command::Command;
use crate::domain::event::{Event, Fact};
use crate::domain::exit::ExitStatus;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::order::Order;
use crate::domain::role::WhenCut;
use crate::domain::snapshot::Status;
use crate::domain::task::{AttemptEnd, LeasePhase, TaskState};

const SECOND: Duration = Duration::from_secs(1);

/// How far a task has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// The lease is decided and on its way to disk.
    Leased,
    /// The same, and the shim has taken that the conversation is to be cleared for it.
    Clearing,
    /// It is on disk, and so is the order; the shim has not taken it.
    OnDisk,
    /// The shim has taken the order.
    Delivered,
    /// The agent said that it has it.
    Acknowledged,
    /// The agent said that it works on it.
    Running,
    /// The agent said what came of it; that is on its way to disk.
    Result,
}

const POINTS: [Point; 7] = [
    Point::Leased,
    Point::Clearing,
    Point::OnDisk,
    Point::Delivered,
    Point::Acknowledged,
    Point::Running,
    Point::Result,
];

impl Point {
    /// Whether the disk does not know that it is given to anybody.
    fn is_undecided(self) -> bool {
        matches!(self, Self::Leased | Self::Clearing)
    }
}

/// What is on disk when a task has come this far, and what the shim has taken by then.
fn come_to(point: Point, when_cut: WhenCut) -> (Rig, ProcessId, RunId, TaskId, u64) {
    let mut rig = Rig::new();
    set(&mut rig, when_cut);
    let (id, run) = rig.ready("developer");
    if point.is_undecided() {
        // Busy when the task comes: it is given only with the next turn.
        let first = rig.add("first", Some(id));
        let task = rig.add("work", Some(id));
        let taken = rig.taken(run);
        rig.event(Event::Accepted { run, seq: taken });
        rig.slow = Some(vec![]);
        rig.turn_ends(run, true);
        assert_eq!(rig.task(first).state, TaskState::Succeeded);
        assert_eq!(rig.task(task).state, TaskState::Assigned);
        assert!(matches!(rig.sent.last(), Some((_, _, Order::Clear { .. }))));
        let taken = taken + u64::from(point == Point::Clearing);
        return (rig, id, run, task, taken);
    }
    let task = rig.add("work", Some(id));
    let message = rig.message(run);
    let taken = rig.sent.len() as u64;
    if point == Point::OnDisk {
        return (rig, id, run, task, taken - 1);
    }
    rig.event(Event::Accepted { run, seq: taken });
    if point == Point::Delivered {
        return (rig, id, run, task, taken);
    }
    rig.fact(run, Fact::Acknowledged { message });
    if point == Point::Acknowledged {
        return (rig, id, run, task, taken);
    }
    let message = Some(message);
    rig.fact(run, Fact::TurnStarted { message });
    if point == Point::Result {
        rig.slow = Some(vec![]);
        rig.turn_ends(run, true);
    }
    (rig, id, run, task, taken)
}

fn set(rig: &mut Rig, when_cut: WhenCut) {
    rig.reconfigure(|catalogue| {
        catalogue.roles[0].when_cut = when_cut;
        catalogue.roles[0].task_retry_delay = SECOND;
    });
}

/// The next instance: it has what was on disk, and hears again what was not recorded.
fn reborn(rig: &Rig, point: Point, run: RunId, accepted: u64, alive: bool) -> Rig {
    let mut next = rig.reborn();
    next.event(Event::Adopted {
        run,
        accepted,
        alive,
    });
    let orders = next.sent.clone();
    next.sent.clone_from(&rig.sent);
    if point.is_undecided() {
        // Of what was sent since, nothing is known.
        next.sent.pop();
    }
    if point.is_undecided() || point == Point::Result {
        // The end of the turn stands in what was not recorded as read.
        next.turn_ends(run, true);
    }
    next.sent.extend(orders);
    next
}

/// Messages that the shim of a run was given, each number once.
fn messages(rig: &Rig, run: RunId) -> usize {
    let mut numbers: Vec<u64> = rig
        .sent
        .iter()
        .filter(|(to, _, order)| *to == run && matches!(order, Order::Message { .. }))
        .map(|(_, seq, _)| *seq)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.len()
}

#[test]
fn f1_an_agent_that_lives_on_does_its_task_once_wherever_the_instance_died() {
    for point in POINTS {
        let (rig, id, run, task, accepted) = come_to(point, WhenCut::Retry);
        let mut next = reborn(&rig, point, run, accepted, true);
        if point.is_undecided() {
            // It was never decided, as far as the disk knows: it is decided anew.
            assert_eq!(next.taken(run), accepted + 1, "{point:?}");
            next.turn_ends(run, true);
        }
        if next.task(task).state != TaskState::Succeeded {
            let lease = next.task(task).lease.expect("it is at it");
            assert_eq!((lease.process, lease.run), (id, run), "{point:?}");
            next.turn_ends(run, true);
        }
        let done = next.task(task);
        assert_eq!(done.state, TaskState::Succeeded, "{point:?}");
        assert_eq!(done.attempts.len(), 1, "{point:?}");
        assert_eq!(done.attempts[0].end, Some(AttemptEnd::Succeeded));
        assert!(next.launches.is_empty(), "{point:?}");
        assert!(messages(&next, run) <= 2, "{point:?}");
    }
}

#[test]
fn f1_a_task_that_was_cut_is_retried_held_or_failed_by_the_policy_and_never_two_at_once() {
    for point in POINTS {
        for (when_cut, state) in [
            (WhenCut::Retry, TaskState::Queued),
            (WhenCut::Ask, TaskState::Held),
            (WhenCut::Fail, TaskState::Failed),
        ] {
            let (rig, id, run, task, accepted) = come_to(point, when_cut);
            let mut next = reborn(&rig, point, run, accepted, false);
            if point.is_undecided() {
                // Nobody was given it: there is nothing to ask a person about.
                next.exit(run, ExitStatus::Unknown);
                let seen = next.task(task);
                assert!(seen.lease.is_none(), "{seen:#?}");
                assert_eq!(seen.state, TaskState::Queued, "{when_cut:?}");
                assert_eq!(seen.tries(), 0, "{when_cut:?}");
                continue;
            }
            next.exit(run, ExitStatus::Unknown);
            let seen = next.task(task);
            assert!(seen.lease.is_none(), "{seen:#?}");
            assert_eq!(seen.attempts.len(), 1, "{point:?}");
            let end = seen.attempts[0].end;
            if point == Point::Result {
                // It was done: what is left of its agent does not matter.
                assert_eq!(
                    (seen.state, end),
                    (TaskState::Succeeded, Some(AttemptEnd::Succeeded))
                );
                continue;
            }
            assert_eq!(
                (seen.state, end),
                (state, Some(AttemptEnd::Cut)),
                "{point:?}"
            );
            assert!(seen.attempts[0].reason.is_some());
            // Of the first attempt nothing is heard that counts any more.
            next.turn_ends(run, true);
            assert_eq!(next.task(task).state, state, "{point:?}");
            next.pass(60 * SECOND);
            next.comes_up();
            if when_cut == WhenCut::Fail {
                assert_eq!(next.task(task).state, TaskState::Failed);
                continue;
            }
            if when_cut == WhenCut::Ask {
                next.pass(3600 * SECOND);
                assert_eq!(next.task(task).state, TaskState::Held, "only a person may");
                next.order(Command::ReleaseTask(task));
            }
            let run = next.launches.last().expect("it is up again").run;
            let seen = next.task(task);
            assert_eq!(seen.attempts.len(), 2, "{point:?} {when_cut:?}");
            let lease = seen.lease.expect("it is at it again");
            assert_eq!((lease.process, lease.run), (id, run));
            assert_ne!(lease.phase, LeasePhase::Running);
            if lease.phase == LeasePhase::Leased {
                // A conversation of its own is made first.
                next.turn_ends(run, true);
            }
            next.turn_ends(run, true);
            assert_eq!(next.task(task).state, TaskState::Succeeded);
        }
    }
}

#[test]
fn f1_a_result_that_was_not_stored_is_counted_once() {
    let (rig, id, run, task, accepted) = come_to(Point::Result, WhenCut::Retry);
    let mut next = reborn(&rig, Point::Result, run, accepted, true);
    let view = next.snapshot().process(id).map(Arc::clone).unwrap();
    assert_eq!(next.task(task).state, TaskState::Succeeded);
    assert_eq!(view.tasks_completed, 1);
    assert!(
        (view.cost_usd - 0.5).abs() < f64::EPSILON,
        "{}",
        view.cost_usd
    );
    assert_eq!(view.status, Status::Running);
    // Another instance later nothing is left to hear.
    let mut last = next.reborn();
    last.event(Event::Adopted {
        run,
        accepted,
        alive: true,
    });
    let view = last.snapshot().process(id).map(Arc::clone).unwrap();
    assert_eq!((view.tasks_completed, last.sent.len()), (1, 0));
}
