//! The deadlines of a run and its turns, each at its very moment: not before, and not later.

use std::time::Duration;

use super::rig::Rig;
use crate::domain::command::Command;
use crate::domain::event::{Event, Fact, LaunchFailure, TurnEnd};
use crate::domain::exit::ExitStatus;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::order::Order;
use crate::domain::snapshot::{Activity, Status};
use crate::domain::task::{TaskState, Tokens};
use crate::domain::worktree::UseWorktree;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1);

/// Nothing of it is so until the time is up, and then it is.
fn comes_after(rig: &mut Rig, time: Duration, is_so: impl Fn(&Rig) -> bool) {
    rig.pass(time - TICK);
    assert!(!is_so(rig), "it comes early");
    rig.pass(TICK);
    assert!(is_so(rig), "it does not come");
}

fn interrupted(rig: &Rig) -> bool {
    let mut orders = rig.sent.iter();
    orders.any(|(_, _, order)| *order == Order::Interrupt)
}

/// One that is at work on a task.
fn at_work(rig: &mut Rig) -> (ProcessId, RunId) {
    let (id, run) = rig.ready("developer");
    rig.add("work", Some(id));
    (id, run)
}

#[test]
fn a_launch_that_takes_too_long_is_given_up_and_counted() {
    // One that may have to set up a worktree first has a quarter of an hour more.
    for (when, seconds) in [(UseWorktree::Never, 30), (UseWorktree::Auto, 930)] {
        let mut rig = Rig::new();
        rig.reconfigure(|catalogue| catalogue.roles[0].worktree.when = when);
        let id = rig.hire("developer");
        let run = rig.launches[0].run;
        comes_after(&mut rig, seconds * SECOND, |rig| rig.killed == [run]);
        // Nothing was started yet, says its actor; that is not why.
        let fault = Fault::new(FaultCode::FailedToStart, "it was stopped", "start it");
        let permanent = false;
        let failure = LaunchFailure { fault, permanent };
        rig.event(Event::LaunchFailed { run, failure });
        let view = rig.snapshot().process(id).cloned().unwrap();
        assert_eq!((view.status, view.tries.0), (Status::Backoff, 1));
        let cause = view.fault.clone().unwrap().cause;
        assert!(cause.contains(&format!("within {seconds} s")), "{cause}");
    }
}

#[test]
fn one_that_says_nothing_at_its_start_has_a_minute() {
    let mut rig = Rig::new();
    rig.hire("developer");
    let run = rig.launches[0].run;
    rig.launched(run);
    comes_after(&mut rig, 60 * SECOND, |rig| rig.killed == [run]);
}

#[test]
fn each_step_of_a_stop_has_its_time() {
    let mut rig = Rig::new();
    let (id, run) = at_work(&mut rig);
    rig.order(Command::Stop(id));
    comes_after(&mut rig, 600 * SECOND, interrupted);
    // It does not hear of it.
    comes_after(&mut rig, 5 * SECOND, |rig| rig.terminated == [run]);
    comes_after(&mut rig, 10 * SECOND, |rig| rig.killed == [run]);
    assert!(rig.closed.is_empty(), "in a turn its end is of no use");
}

#[test]
fn one_with_nothing_to_do_has_two_seconds_to_end_and_ten_more_when_it_is_signalled() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.order(Command::Stop(id));
    assert_eq!(rig.closed, [run]);
    comes_after(&mut rig, 2 * SECOND, |rig| rig.terminated == [run]);
    comes_after(&mut rig, 10 * SECOND, |rig| rig.killed == [run]);
}

#[test]
fn an_interrupted_turn_has_ten_seconds_to_end() {
    let mut rig = Rig::new();
    let (_, run) = at_work(&mut rig);
    let task = rig.task(crate::domain::id::TaskId(1)).id;
    rig.order(Command::CancelTask(task));
    assert!(interrupted(&rig));
    comes_after(&mut rig, 10 * SECOND, |rig| rig.killed == [run]);
}

#[test]
fn a_conversation_has_half_a_minute_to_be_made_fresh() {
    let mut rig = Rig::new();
    let (id, run) = at_work(&mut rig);
    rig.turn_ends(run, true);
    let next = rig.add("more", Some(id));
    assert!(matches!(rig.sent.last().unwrap().2, Order::Clear { .. }));
    comes_after(&mut rig, 30 * SECOND, |rig| rig.killed == [run]);
    rig.exit(run, ExitStatus::Signal(9));
    let next = rig.task(next);
    assert_eq!((next.state, next.tries()), (TaskState::Queued, 0));
}

#[test]
fn one_that_does_not_say_that_it_is_idle_is_taken_as_idle_after_three_seconds() {
    let mut rig = Rig::new();
    let (id, run) = at_work(&mut rig);
    rig.fact(run, Fact::Busy);
    let end = TurnEnd {
        messages: vec![rig.message(run)],
        conversation: None,
        success: true,
        interrupted: false,
        retryable: true,
        text: "done".to_owned(),
        turns: 1,
        cost_usd: 0.0,
        tokens: Tokens::default(),
        denials: vec![],
    };
    rig.fact(run, Fact::TurnEnded(Box::new(end)));
    let next = rig.add("more", Some(id));
    let cleared = |rig: &Rig| matches!(rig.sent.last().unwrap().2, Order::Clear { .. });
    comes_after(&mut rig, 3 * SECOND, cleared);
    assert_eq!(rig.task(next).state, TaskState::Assigned);
}

#[test]
fn a_usage_limit_is_over_at_its_time_and_not_before() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let until = Some((rig.now + 600 * SECOND).wall);
    rig.fact(run, Fact::UsageLimit { until });
    assert_eq!(rig.status(id), Status::Blocked);
    rig.pass(600 * SECOND - TICK);
    assert_eq!(rig.status(id), Status::Blocked);
    rig.pass(TICK);
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(
        (view.status, view.activity),
        (Status::Running, Activity::Idle)
    );
}

#[test]
fn a_write_that_failed_is_tried_again_after_a_second() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let on_disk = |rig: &Rig| rig.saved.processes[&id].contains("\"phase\":\"backoff\"");
    rig.disk = false;
    rig.exit(run, ExitStatus::Code(1));
    rig.disk = true;
    assert!(!on_disk(&rig));
    comes_after(&mut rig, SECOND, on_disk);
}

#[test]
fn a_restart_comes_after_its_delay_and_a_task_again_after_its_own() {
    let mut rig = Rig::new();
    let (id, run) = at_work(&mut rig);
    rig.exit(run, ExitStatus::Code(1));
    comes_after(&mut rig, 30 * SECOND, |rig| rig.launches.len() == 2);
    let run = rig.comes_up();
    // Its own time has come by then, and it is in the agent's hands; that of the next is twice as long.
    rig.turn_ends(run, true);
    rig.exit(run, ExitStatus::Code(1));
    rig.pass(30 * SECOND);
    let run = rig.comes_up();
    let given = |rig: &Rig| {
        let mut orders = rig.sent.iter();
        // In a conversation of its own.
        orders.any(|(to, _, order)| *to == run && matches!(order, Order::Clear { .. }))
    };
    comes_after(&mut rig, 30 * SECOND, given);
    assert_eq!(rig.status(id), Status::Running);
}
