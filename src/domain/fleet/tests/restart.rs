//! What follows a failure: tries, windows, chance, and fifty at once.

use std::time::Duration;

use super::rig::Rig;
use crate::domain::alert::AlertKind;
use crate::domain::command::{Command, NewProcess, Refusal};
use crate::domain::effect::Begin;
use crate::domain::event::{Event, LaunchFailure};
use crate::domain::exit::ExitStatus;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::Input;
use crate::domain::fleet::restart::ROOM_AGAIN;
use crate::domain::id::ProcessId;
use crate::domain::restart::{AutoRestart, Backoff, SPACING};
use crate::domain::snapshot::Status;
use crate::domain::task::TaskState;

const SECOND: Duration = Duration::from_secs(1);

/// The time until the next deadline.
fn next(rig: &Rig) -> Duration {
    rig.fleet
        .next_deadline()
        .expect("a deadline")
        .since(rig.now.mono)
}

fn fault(rig: &mut Rig, id: ProcessId) -> Option<FaultCode> {
    let view = rig.snapshot().process(id).cloned().unwrap();
    view.fault.as_ref().map(|fault| fault.code)
}

fn last_message(rig: &mut Rig) -> String {
    rig.snapshot().messages.last().unwrap().text.clone()
}

fn policy(change: impl FnOnce(&mut AutoRestart)) -> AutoRestart {
    let mut policy = AutoRestart::default();
    change(&mut policy);
    policy
}

#[test]
fn c1_waits_grow_with_chance_up_to_a_cap_and_end_in_error() {
    let mut rig = Rig::new();
    rig.configure(|catalogue| {
        catalogue.roles[0].auto_restart = policy(|policy| {
            policy.backoff = Backoff::Exponential;
            policy.max_retries = 8;
            policy.max_delay = 300 * SECOND;
        });
    });
    let id = rig.hire("developer");
    let mut waits = vec![];
    loop {
        let run = rig.comes_up();
        rig.pass(Duration::from_millis(5));
        rig.exit(run, ExitStatus::Code(1));
        if rig.status(id) == Status::Error {
            break;
        }
        let wait = next(&rig);
        waits.push(wait);
        rig.pass(wait);
    }
    let longest = [30, 60, 120, 240, 300, 300, 300, 300].map(|seconds| seconds * SECOND);
    assert_eq!(waits.len(), longest.len());
    for (wait, longest) in waits.iter().zip(longest) {
        assert!(*wait <= longest && *wait >= longest * 3 / 4, "{wait:?}");
    }
    // By chance: not all of them can have the same part taken off.
    assert!(waits[4..].windows(2).any(|two| two[0] != two[1]));
    assert_eq!(fault(&mut rig, id), Some(FaultCode::Crashed));
    assert!(last_message(&mut rig).ends_with("left down after 9 failures"));
    rig.pass(24 * 3600 * SECOND);
    assert_eq!(rig.launches.len(), 9);
}

#[test]
fn c2_a_crash_just_after_each_stable_run_ends_by_the_window() {
    let mut rig = Rig::new();
    let id = rig.hire("developer");
    for _ in 0..11 {
        let run = rig.comes_up();
        rig.pass(601 * SECOND);
        rig.exit(run, ExitStatus::Code(1));
        rig.pass(30 * SECOND);
    }
    assert_eq!(rig.status(id), Status::Error);
    assert!(last_message(&mut rig).ends_with("left down after 11 failures within 120 min"));
    // A person begins anew.
    rig.order(Command::Start(id));
    let run = rig.comes_up();
    rig.exit(run, ExitStatus::Code(1));
    assert_eq!(rig.status(id), Status::Backoff);
}

#[test]
fn c3_a_run_that_failed_its_health_check_after_a_stable_time_is_the_first_failure() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.exit(run, ExitStatus::Code(1));
    rig.pass(30 * SECOND);
    let run = rig.comes_up();
    rig.pass(600 * SECOND);
    let unwell = Fault::new(FaultCode::HealthCheckFailed, "it does not answer", "look");
    rig.fails(id, unwell);
    rig.pass(SECOND);
    assert_eq!(rig.killed, [run]);
    rig.exit(run, ExitStatus::Signal(9));
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!((view.status, view.tries), (Status::Backoff, (1, 3)));
    assert_eq!(fault(&mut rig, id), Some(FaultCode::HealthCheckFailed));
}

#[test]
fn c4_a_run_that_is_being_stopped_is_stopped_whatever_fails_meanwhile() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.order(Command::Stop(id));
    let unwell = Fault::new(FaultCode::HealthCheckFailed, "it does not answer", "look");
    rig.fails(id, unwell);
    rig.exit(run, ExitStatus::Signal(9));
    assert_eq!(
        (rig.status(id), fault(&mut rig, id)),
        (Status::Stopped, None)
    );
}

#[test]
fn c5_a_permanent_cause_blocks_is_looked_at_rarely_and_comes_back_when_it_is_gone() {
    let mut rig = Rig::new();
    let id = rig.hire("developer");
    let fault = Fault::new(FaultCode::FailedToStart, "no claude", "install it");
    let fails = |rig: &mut Rig| {
        let failure = LaunchFailure {
            fault: fault.clone(),
            permanent: true,
        };
        let run = rig.launches.last().unwrap().run;
        rig.event(Event::LaunchFailed { run, failure });
    };
    fails(&mut rig);
    let refused = Refusal::Fault {
        process: id,
        fault: fault.clone(),
    };
    assert_eq!(rig.answers.values().next(), Some(&Err(refused)));
    let mut looks = 0;
    let end = rig.now + 24 * 3600 * SECOND;
    while rig.now.mono < end.mono {
        assert_eq!(rig.status(id), Status::Blocked);
        assert!(rig.snapshot().process(id).unwrap().needs_a_person());
        let wait = next(&rig);
        rig.pass(wait);
        fails(&mut rig);
        looks += 1;
    }
    assert!(looks < 102, "{looks} looks a day are a storm");
    let messages = rig.snapshot().messages;
    let said = messages.iter().filter(|one| one.text.contains("no claude"));
    assert_eq!(said.count(), 1, "the same cause is said once");
    // A change of the configuration is a reason to look at once.
    let before = rig.launches.len();
    rig.configure(|_| {});
    rig.pass(SECOND);
    assert_eq!(rig.launches.len(), before + 1);
    rig.comes_up();
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!((view.status, &view.fault), (Status::Running, &None));
}

#[test]
fn d10_a_start_that_lacks_something_waits_uses_no_retry_and_keeps_its_task() {
    let mut rig = Rig::new();
    let (ada, first) = rig.ready("developer");
    let bob = rig.hire("developer");
    let lack = Fault::new(FaultCode::LimitsExceeded, "no descriptors", "stop one");
    let put_off = |rig: &mut Rig| {
        let run = rig.launches.last().unwrap().run;
        let fault = lack.clone();
        rig.event(Event::LaunchPutOff { run, fault });
    };
    let open = |rig: &mut Rig| {
        let alerts = rig.snapshot().alerts;
        let open = alerts.iter().filter(|one| one.is_open());
        open.map(|one| (one.kind, one.process, one.text.clone()))
            .collect::<Vec<_>>()
    };
    put_off(&mut rig);
    let refused = Refusal::Fault {
        process: bob,
        fault: lack.clone(),
    };
    assert!(rig.answers.values().any(|one| *one == Err(refused.clone())));
    let task = rig.add("work", Some(bob));
    let alert = [(AlertKind::Resources, None, lack.to_string())];
    // Far more often than there are retries.
    for _ in 0..20 {
        let view = rig.snapshot().process(bob).cloned().unwrap();
        assert_eq!((view.status, view.tries.0), (Status::Blocked, 0));
        assert_eq!(rig.task(task).state, TaskState::Queued);
        assert_eq!(open(&mut rig), alert);
        let before = rig.launches.len();
        rig.pass(ROOM_AGAIN);
        assert_eq!(rig.launches.len(), before + 1);
        assert_eq!(open(&mut rig), alert, "not over while it is tried");
        put_off(&mut rig);
    }
    let messages = rig.snapshot().messages;
    let said = messages
        .iter()
        .filter(|one| one.text.contains("is not started yet"));
    assert_eq!(said.count(), 1, "it is said once");
    // What was kept is what is looked at by the next instance.
    let mut rig = rig.reborn();
    assert_eq!(open(&mut rig), alert);
    rig.order(Command::Kill(ada));
    rig.exit(first, ExitStatus::Signal(9));
    rig.pass(2 * SPACING);
    assert_eq!(rig.launches.len(), 1, "an end makes room");
    rig.comes_up();
    assert_eq!(open(&mut rig), []);
    assert_eq!(rig.status(bob), Status::Running);
    assert_eq!(rig.task(task).state, TaskState::Assigned);
}

#[test]
fn d10_a_start_that_waits_can_be_stopped_and_then_nothing_is_wrong() {
    let mut rig = Rig::new();
    let bob = rig.hire("developer");
    let run = rig.launches.last().unwrap().run;
    let fault = Fault::new(FaultCode::LimitsExceeded, "no processes", "end some");
    rig.event(Event::LaunchPutOff { run, fault });
    assert!(
        rig.snapshot().has_work,
        "an instance that tries again stays"
    );
    rig.order(Command::Stop(bob));
    assert_eq!(rig.status(bob), Status::Stopped);
    assert!(!rig.snapshot().has_work);
    assert!(rig.snapshot().alerts.iter().all(|alert| !alert.is_open()));
    let before = rig.launches.len();
    rig.pass(3600 * SECOND);
    assert_eq!(rig.launches.len(), before);
}

#[test]
fn c5_nothing_is_looked_at_while_everything_ends() {
    let mut rig = Rig::new();
    rig.hire("developer");
    let fault = Fault::new(FaultCode::FailedToStart, "no claude", "install it");
    rig.event(Event::LaunchFailed {
        run: rig.launches[0].run,
        failure: LaunchFailure {
            fault,
            permanent: true,
        },
    });
    rig.order(Command::Shutdown);
    rig.pass(3600 * SECOND);
    assert_eq!(rig.launches.len(), 1);
    assert!(rig.fleet.is_drained());
}

fn fifty(rig: &mut Rig) {
    for _ in 0..50 {
        rig.ready("developer");
    }
    let runs: Vec<_> = rig.launches.iter().map(|plan| plan.run).collect();
    for run in runs {
        rig.exit(run, ExitStatus::Code(1));
    }
}

/// Serves deadlines, and gives the times of the launches that come of them.
fn launches(rig: &mut Rig, count: usize) -> Vec<u64> {
    let before = rig.launches.len();
    let mut times = vec![];
    while rig.launches.len() < before + count {
        let seen = rig.launches.len();
        let wait = next(rig);
        rig.now = rig.now + wait;
        rig.apply(Input::Deadline);
        assert!(rig.launches.len() <= seen + 1, "two at once");
        times.extend((seen..rig.launches.len()).map(|_| rig.now.mono.0));
    }
    times
}

#[test]
fn c6_fifty_that_crash_together_come_back_one_after_the_other() {
    let mut rig = Rig::new();
    fifty(&mut rig);
    let began = rig.now.mono;
    let times = launches(&mut rig, 50);
    let spacing = u64::try_from(SPACING.as_millis()).unwrap();
    assert!(times.windows(2).all(|two| two[1] - two[0] >= spacing));
    assert!(times[0] >= began.0 + 30_000 && times[49] <= began.0 + 30_000 + 50 * spacing);
}

#[test]
fn c6_fifty_that_are_overdue_come_back_one_after_the_other() {
    let mut rig = Rig::new();
    fifty(&mut rig);
    // The machine was suspended.
    rig.now = rig.now + 300 * SECOND;
    rig.apply(Input::Deadline);
    assert_eq!(rig.launches.len(), 51);
    let times = launches(&mut rig, 49);
    let spacing = u64::try_from(SPACING.as_millis()).unwrap();
    assert!(times.windows(2).all(|two| two[1] - two[0] >= spacing));
}

#[test]
fn c6_a_clock_that_rings_late_puts_nobody_off_for_ever() {
    for late in [1, 3, 100, 260] {
        let mut rig = Rig::new();
        fifty(&mut rig);
        let began = rig.now.mono;
        while rig.launches.len() < 100 {
            let at = rig.fleet.next_deadline().unwrap();
            let wait = at.since(rig.now.mono) + Duration::from_millis(late);
            rig.now = rig.now + wait;
            rig.apply(Input::Deadline);
            let taken = rig.now.mono.since(began);
            assert!(
                taken < 120 * SECOND,
                "{late} ms late: {}",
                rig.launches.len()
            );
        }
    }
}

#[test]
fn a_conversation_that_does_not_come_up_is_left_for_a_fresh_one_and_kept() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let first = rig.launches[0].begin;
    rig.add("work", None);
    rig.turn_ends(run, true);
    let mut begun = vec![];
    rig.exit(run, ExitStatus::Code(1));
    for _ in 0..3 {
        rig.pass(30 * SECOND);
        let plan = rig.launches.last().unwrap();
        begun.push(plan.begin);
        let run = plan.run;
        rig.launched(run);
        rig.exit(run, ExitStatus::Code(1));
    }
    let Begin::New(first) = first else {
        panic!("the first is new: {first:?}");
    };
    assert_eq!(begun[..2], [Begin::Resume(first); 2]);
    assert!(matches!(begun[2], Begin::New(fresh) if fresh != first));
    // The way back is still known.
    let sessions = rig.snapshot().process(id).unwrap().sessions.clone();
    assert_eq!(sessions.first().map(|session| session.id), Some(first));
    assert!(sessions.len() > 1 && sessions[0].used);
}

#[test]
fn one_that_is_not_to_be_restarted_is_left_down_by_role_and_by_process() {
    let mut rig = Rig::new();
    rig.configure(|catalogue| catalogue.roles[1].auto_restart.enabled = false);
    let hire = |rig: &mut Rig, role: &str, auto_restart| {
        let new = NewProcess {
            role: role.to_owned(),
            auto_restart,
            ..NewProcess::default()
        };
        rig.order(Command::Create(Box::new(new)));
        let run = rig.comes_up();
        let id = rig.launches.last().unwrap().process;
        rig.exit(run, ExitStatus::Code(1));
        rig.status(id)
    };
    for (role, own, status) in [
        ("developer", None, Status::Backoff),
        ("developer", Some(false), Status::Error),
        ("tester", None, Status::Error),
        ("tester", Some(true), Status::Backoff),
    ] {
        assert_eq!(hire(&mut rig, role, own), status, "{role} {own:?}");
    }
}
