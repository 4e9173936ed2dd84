//! Start, stop, crash: phases and their deadlines.

use std::time::Duration;

use super::rig::Rig;
use crate::domain::command::{Command, NewProcess, Outcome, Refusal};
use crate::domain::event::{Event, Fact, LaunchFailure};
use crate::domain::exit::ExitStatus;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::ProcessId;
use crate::domain::order::Order;
use crate::domain::snapshot::{Activity, Machine, Member, Status, Usage};
use crate::domain::task::{AttemptEnd, TaskState};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_hire_is_answered_when_the_agent_says_that_it_is_ready() {
    let mut rig = Rig::new();
    let id = rig.hire("developer");
    assert_eq!(rig.status(id), Status::Starting);
    assert!(rig.answers.is_empty());
    let run = rig.launches[0].run;
    rig.launched(run);
    assert_eq!(rig.status(id), Status::Starting);
    assert_eq!(rig.sent, [(run, 1, Order::Initialize)]);
    rig.fact(
        run,
        Fact::Ready {
            version: None,
            logged_in: None,
        },
    );
    assert_eq!(rig.answers.values().next(), Some(&Ok(Outcome::Created(id))));
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(
        (view.status, view.activity),
        (Status::Running, Activity::Idle)
    );
    assert_eq!(view.evidence.source, "the agent's answer");
}

#[test]
fn b12_an_agent_that_never_gets_ready_is_killed_counted_and_tried_again() {
    let mut rig = Rig::new();
    let id = rig.hire("developer");
    for tries in 1..=4 {
        let run = rig.launches.last().unwrap().run;
        rig.launched(run);
        rig.pass(60 * SECOND);
        assert_eq!(rig.killed.last(), Some(&run));
        rig.exit(run, ExitStatus::Signal(9));
        let view = rig.snapshot().process(id).cloned().unwrap();
        assert_eq!(
            view.fault.as_ref().map(|fault| fault.code),
            Some(FaultCode::FailedToStart)
        );
        assert_eq!(view.tries, (tries, 3));
        let left = if tries <= 3 {
            Status::Backoff
        } else {
            Status::Error
        };
        assert_eq!(view.status, left);
        rig.pass(30 * SECOND);
    }
    assert_eq!(rig.launches.len(), 4);
    rig.pass(3600 * SECOND);
    assert_eq!(rig.launches.len(), 4);
}

#[test]
fn a_stop_closes_the_input_then_terminates_then_kills() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let reply = rig.order(Command::Stop(id));
    assert_eq!(rig.status(id), Status::Stopping);
    assert_eq!(rig.closed, [run]);
    rig.pass(2 * SECOND);
    assert_eq!(rig.terminated, [run]);
    rig.pass(10 * SECOND);
    assert_eq!(rig.killed, [run]);
    assert!(rig.answer(reply).is_none());
    rig.exit(run, ExitStatus::Signal(9));
    assert!(matches!(rig.answer(reply), Some(Ok(Outcome::Stopped(..)))));
    assert_eq!(rig.status(id), Status::Stopped);
    assert_eq!(rig.acknowledged, [run]);
}

#[test]
fn c4_an_exit_that_we_asked_for_is_a_stop_whatever_its_code() {
    let mut rig = Rig::new();
    for status in [
        ExitStatus::Code(143),
        ExitStatus::Code(130),
        ExitStatus::Signal(15),
    ] {
        let (id, run) = rig.ready("developer");
        rig.order(Command::Stop(id));
        rig.exit(run, status);
        let view = rig.snapshot().process(id).cloned().unwrap();
        assert_eq!((view.status, view.fault.clone()), (Status::Stopped, None));
    }
}

#[test]
fn a_busy_one_finishes_first_and_no_longer_than_its_role_allows() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("work", None);
    rig.order(Command::Stop(id));
    assert!(rig.closed.is_empty());
    rig.pass(599 * SECOND);
    assert!(
        !rig.sent
            .iter()
            .any(|(_, _, order)| *order == Order::Interrupt)
    );
    rig.pass(SECOND);
    assert!(
        rig.sent
            .iter()
            .any(|(_, _, order)| *order == Order::Interrupt)
    );
    rig.interrupted(run);
    assert_eq!(rig.closed, [run]);
    rig.exit(run, ExitStatus::Code(0));
    let task = rig.task(task);
    assert_eq!((task.state, task.tries()), (TaskState::Queued, 0));
    assert_eq!(task.attempts[0].end, Some(AttemptEnd::Interrupted));
}

#[test]
fn a7_the_second_stop_interrupts_and_the_third_kills_with_one_exit() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.add("work", None);
    let replies = [(); 3].map(|()| rig.order(Command::Stop(id)));
    assert!(
        rig.sent
            .iter()
            .any(|(_, _, order)| *order == Order::Interrupt)
    );
    assert_eq!(rig.killed, [run]);
    rig.exit(run, ExitStatus::Signal(9));
    for reply in replies {
        assert!(matches!(rig.answer(reply), Some(Ok(Outcome::Stopped(..)))));
    }
}

#[test]
fn a8_a_stop_holds_whatever_the_agent_says_on_its_way_down() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.order(Command::Stop(id));
    let text = "not found".to_owned();
    rig.fact(run, Fact::ResumeFailed { text });
    rig.exit(run, ExitStatus::Code(1));
    assert_eq!(rig.status(id), Status::Stopped);
    assert_eq!(rig.launches.len(), 1);
}

#[test]
fn a8_a_stop_cancels_what_is_starting_or_backing_off() {
    let mut rig = Rig::new();
    let id = rig.hire("developer");
    let run = rig.launches[0].run;
    rig.order(Command::Stop(id));
    let fault = Fault::new(FaultCode::FailedToStart, "cancelled", "start it");
    rig.event(Event::LaunchFailed {
        run,
        failure: LaunchFailure {
            fault,
            permanent: false,
        },
    });
    assert_eq!(rig.status(id), Status::Stopped);
    let (id, run) = rig.ready("developer");
    rig.exit(run, ExitStatus::Code(1));
    assert_eq!(rig.status(id), Status::Backoff);
    rig.order(Command::Stop(id));
    let launches = rig.launches.len();
    rig.pass(3600 * SECOND);
    assert_eq!(
        (rig.status(id), rig.launches.len()),
        (Status::Stopped, launches)
    );
}

#[test]
fn a10_a_late_exit_of_an_older_run_changes_nothing() {
    let mut rig = Rig::new();
    let (id, old) = rig.ready("developer");
    rig.order(Command::Restart(id));
    rig.exit(old, ExitStatus::Code(0));
    let new = rig.launches.last().unwrap().run;
    rig.launched(new);
    rig.fact(
        new,
        Fact::Ready {
            version: None,
            logged_in: None,
        },
    );
    rig.exit(old, ExitStatus::Code(9));
    assert_eq!((rig.status(id), old == new), (Status::Running, false));
}

#[test]
fn c3_a_stable_run_clears_the_count() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.exit(run, ExitStatus::Code(1));
    rig.pass(30 * SECOND);
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    rig.fact(
        run,
        Fact::Ready {
            version: None,
            logged_in: None,
        },
    );
    rig.pass(600 * SECOND);
    rig.exit(run, ExitStatus::Code(1));
    assert_eq!(rig.snapshot().process(id).unwrap().tries, (1, 3));
}

#[test]
fn c5_a_usage_limit_parks_the_task_until_its_time() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("work", None);
    let until = (rig.now + 600 * SECOND).wall;
    rig.fact(run, Fact::UsageLimit { until: Some(until) });
    rig.interrupted(run);
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!((view.status, view.until), (Status::Blocked, Some(until)));
    assert_eq!(
        (rig.task(task).state, rig.task(task).tries()),
        (TaskState::Queued, 0)
    );
    rig.pass(599 * SECOND);
    assert_eq!(rig.task(task).state, TaskState::Queued);
    rig.pass(SECOND);
    assert_eq!(rig.status(id), Status::Running);
    assert_eq!(rig.task(task).state, TaskState::Assigned);
}

#[test]
fn c5_without_a_login_it_waits_for_a_person() {
    let mut rig = Rig::new();
    let id = rig.hire("developer");
    let run = rig.launches[0].run;
    rig.launched(run);
    rig.fact(
        run,
        Fact::Ready {
            version: None,
            logged_in: Some(false),
        },
    );
    assert_eq!(rig.status(id), Status::Blocked);
    let task = rig.add("work", None);
    rig.pass(3600 * SECOND);
    assert_eq!(
        (rig.task(task).state, rig.launches.len()),
        (TaskState::Queued, 1)
    );
}

#[test]
fn a_plain_command_that_is_done_is_done() {
    let mut rig = Rig::new();
    let id = rig.hire("command");
    let run = rig.launches[0].run;
    rig.launched(run);
    assert_eq!(rig.status(id), Status::Running);
    rig.exit(run, ExitStatus::Code(0));
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(
        (view.status, view.now.as_str()),
        (Status::Stopped, "finished: exit code 0")
    );
}

#[test]
fn a_conversation_that_cannot_be_resumed_is_followed_by_a_fresh_one() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.add("work", None);
    rig.turn_ends(run, true);
    rig.order(Command::Restart(id));
    rig.exit(run, ExitStatus::Code(0));
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    rig.fact(
        run,
        Fact::ResumeFailed {
            text: "not found".to_owned(),
        },
    );
    rig.exit(run, ExitStatus::Code(1));
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!((view.status, view.conversations), (Status::Starting, 2));
    assert!(matches!(
        rig.launches.last().unwrap().begin,
        crate::domain::effect::Begin::New(_)
    ));
}

#[test]
fn a_shutdown_waits_for_everyone_and_starts_nobody() {
    let mut rig = Rig::new();
    let (_, one) = rig.ready("developer");
    let (_, two) = rig.ready("tester");
    rig.exit(two, ExitStatus::Code(1));
    rig.order(Command::Shutdown);
    assert!(!rig.fleet.is_drained());
    rig.pass(3600 * SECOND);
    rig.exit(one, ExitStatus::Code(0));
    assert!(rig.fleet.is_drained());
    assert_eq!(rig.launches.len(), 2);
}

#[test]
fn a_stop_that_a_start_overtakes_is_answered() {
    for again in [Command::Start, Command::Restart] {
        let mut rig = Rig::new();
        let (id, run) = rig.ready("developer");
        let stop = rig.order(Command::Stop(id));
        let start = rig.order(again(id));
        assert!(matches!(rig.answer(stop), Some(Err(Refusal::State(_)))));
        assert!(rig.answer(start).is_none());
        rig.exit(run, ExitStatus::Code(0));
        assert_eq!(rig.launches.len(), 2);
    }
}

#[test]
fn a_start_without_its_role_is_answered_with_the_cause() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.order(Command::Stop(id));
    rig.exit(run, ExitStatus::Code(0));
    let catalogue = std::sync::Arc::new(crate::domain::role::Catalogue {
        roles: vec![],
        ..super::rig::catalogue()
    });
    rig.event(Event::Configured { catalogue });
    let start = rig.order(Command::Start(id));
    assert!(matches!(
        rig.answer(start),
        Some(Err(Refusal::Fault { .. }))
    ));
    assert_eq!(rig.status(id), Status::Blocked);
}

#[test]
fn a_stop_stays_a_stop_when_the_conversation_cannot_be_resumed() {
    for order in [None, Some(Command::Shutdown)] {
        let mut rig = Rig::new();
        let (id, run) = rig.ready("developer");
        rig.order(order.unwrap_or(Command::Stop(id)));
        let text = "not found".to_owned();
        rig.fact(run, Fact::ResumeFailed { text });
        rig.exit(run, ExitStatus::Code(1));
        assert_eq!((rig.status(id), rig.launches.len()), (Status::Stopped, 1));
    }
}

#[test]
fn a_usage_limit_that_is_over_by_our_clock_is_no_retry_storm() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("work", None);
    for attempts in 2..4 {
        let past = (rig.now.wall - jiff::SignedDuration::from_secs(300)).into();
        rig.fact(run, Fact::UsageLimit { until: past });
        rig.interrupted(run);
        rig.pass(59 * SECOND);
        assert_eq!(rig.status(id), Status::Blocked);
        assert_eq!(rig.task(task).attempts.len(), attempts - 1);
        rig.pass(SECOND);
        // Its conversation is made fresh first.
        rig.turn_ends(run, true);
        assert_eq!(rig.task(task).attempts.len(), attempts);
    }
}

#[test]
fn a_usage_limit_without_a_time_is_tried_again_by_itself() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.fact(run, Fact::UsageLimit { until: None });
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(view.status, Status::Blocked);
    assert!(view.until.is_some() && !view.needs_a_person());
    rig.pass(3600 * SECOND);
    assert_eq!(rig.status(id), Status::Running);
}

#[test]
fn a_hire_without_a_login_is_answered_with_the_cause() {
    let mut rig = Rig::new();
    let new = NewProcess {
        role: "developer".to_owned(),
        ..NewProcess::default()
    };
    let hire = rig.order(Command::Create(Box::new(new)));
    let run = rig.launches[0].run;
    rig.launched(run);
    rig.fact(
        run,
        Fact::Ready {
            version: None,
            logged_in: Some(false),
        },
    );
    assert!(matches!(rig.answer(hire), Some(Err(Refusal::Fault { .. }))));
    let id = rig.launches[0].process;
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert!(view.fault.is_some());
}

#[test]
fn a_launch_that_fails_leaves_the_output_of_the_run_before_in_place() {
    let mut rig = Rig::new();
    let id = rig.hire("command");
    let run = rig.launches[0].run;
    rig.launched(run);
    rig.exit(run, ExitStatus::Code(0));
    rig.order(Command::Start(id));
    let fault = Fault::new(FaultCode::FailedToStart, "no", "look");
    rig.event(Event::LaunchFailed {
        run: rig.launches[1].run,
        failure: LaunchFailure {
            fault,
            permanent: true,
        },
    });
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(view.output_run(), Some(run));
}

#[test]
fn the_processes_of_a_tree_are_told_only_while_somebody_looks() {
    let mut rig = Rig::new();
    let (id, _) = rig.ready("developer");
    let sampled = |members: Vec<(ProcessId, Vec<Member>)>| Event::Sampled {
        machine: Machine::default(),
        trees: vec![(id, Usage::default())],
        members,
    };
    let told = |rig: &mut Rig| rig.snapshot().process(id).unwrap().members.len();
    rig.event(sampled(vec![(id, vec![Member::default()])]));
    assert_eq!(told(&mut rig), 1);
    rig.event(sampled(vec![]));
    assert_eq!(told(&mut rig), 0);
    // Of one that is gone nothing is kept.
    rig.event(sampled(vec![(ProcessId(99), vec![Member::default()])]));
    assert_eq!(told(&mut rig), 0);
}

#[test]
fn a_task_of_a_run_of_which_nothing_is_left_goes_back() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("work", Some(id));
    assert_eq!(rig.task(task).state, TaskState::Assigned);
    let check = rig.order(Command::Check(id));
    let fault = Fault::new(FaultCode::FailedToStart, "nothing is left of it", "wait");
    let permanent = false;
    let failure = LaunchFailure { fault, permanent };
    rig.event(Event::LaunchFailed { run, failure });
    assert_eq!(rig.status(id), Status::Backoff);
    assert!(
        rig.answer(check).is_some(),
        "who asks how it does is answered"
    );
    let task = rig.task(task);
    assert_eq!(
        (task.state, task.lease, task.attempts[0].end),
        (TaskState::Queued, None, Some(AttemptEnd::Cut))
    );
    let reason = task.attempts[0].reason.as_deref();
    assert_eq!(
        reason,
        Some("its process died: nothing is left of it (PROC_001)")
    );
}

#[test]
fn one_that_dies_over_our_interrupt_when_it_is_blocked_uses_no_retry() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("work", Some(id));
    rig.fact(run, Fact::UsageLimit { until: None });
    assert_eq!(rig.status(id), Status::Blocked);
    rig.exit(run, ExitStatus::Signal(9));
    let task = rig.task(task);
    assert_eq!(
        (task.state, task.attempts[0].end, task.tries()),
        (TaskState::Queued, Some(AttemptEnd::Interrupted), 0)
    );
}
