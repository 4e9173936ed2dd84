//! Schedules, runs of monitoring and utility, planned restarts.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::rig::Rig;
use crate::domain::automation::{Rest, Restarts};
use crate::domain::command::{Command, NewProcess, Refusal};
use crate::domain::event::{Event, Fact, LaunchFailure, TurnEnd};
use crate::domain::exit::{Exit, ExitStatus};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::order::Order;
use crate::domain::role::Kind;
use crate::domain::snapshot::Status;
use crate::domain::task::{NewTask, Target, TaskState, Tokens};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The first role watches on a schedule, the plain command too.
fn rig(schedule: &str) -> Rig {
    let mut rig = Rig::new();
    rig.reconfigure(|catalogue| {
        for key in ["tester", "command"] {
            let place = catalogue.roles.iter().position(|role| role.key == key);
            let role = &mut catalogue.roles[place.unwrap()];
            role.kind = Kind::Monitoring;
            role.automation.schedule = Some(schedule.parse().unwrap());
        }
        catalogue.roles[1].automation.run = Some("Look around.\n".to_owned());
    });
    rig
}

fn wall(rig: &Rig) -> Timestamp {
    rig.now.wall
}

/// The task of a run is in its agent's hands, in a conversation that was made fresh for it.
fn delivered(rig: &mut Rig, run: RunId) {
    let last = rig.sent.iter().rev().find(|(to, _, _)| *to == run);
    if let Some((_, _, Order::Clear { .. })) = last {
        rig.turn_ends(run, true);
    }
}

/// The run in hand says what it found, and ends.
fn answers(rig: &mut Rig, text: &str) {
    let run = rig.launches.last().unwrap().run;
    delivered(rig, run);
    let end = TurnEnd {
        messages: vec![rig.message(run)],
        conversation: None,
        success: true,
        interrupted: false,
        retryable: true,
        text: text.to_owned(),
        turns: 1,
        cost_usd: 0.0,
        tokens: Tokens::default(),
        denials: vec![],
    };
    rig.fact(run, Fact::TurnEnded(Box::new(end)));
    assert_eq!(rig.closed.last(), Some(&run), "the run is not ended");
    rig.exit(run, ExitStatus::Code(0));
}

/// A run from its start to its end.
fn runs(rig: &mut Rig, text: &str) {
    let run = rig.launches.last().unwrap().run;
    rig.is_up(run);
    answers(rig, text);
}

fn found(rig: &mut Rig) -> Vec<String> {
    let messages = rig.snapshot().messages;
    let found = messages.iter().filter(|one| one.text.contains(" found: "));
    found.map(|one| one.text.clone()).collect()
}

fn next(rig: &mut Rig, id: ProcessId) -> Option<Timestamp> {
    rig.snapshot().process(id).unwrap().upkeep.next_run
}

#[test]
fn a_monitoring_agent_does_its_run_and_is_down_until_the_next() {
    let mut rig = rig("every 15m");
    let id = rig.hire("tester");
    let begun = wall(&rig);
    runs(&mut rig, "OK: all is well");
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(
        (view.status, view.now.as_str()),
        (Status::Stopped, "finished: OK: all is well")
    );
    assert_eq!(view.upkeep.next_run, begun.checked_add(15 * MINUTE).ok());
    assert_eq!(found(&mut rig), [""; 0]);
    assert!(rig.snapshot().has_work, "an instance with a schedule stays");
    rig.pass(15 * MINUTE - SECOND);
    assert_eq!(rig.launches.len(), 1);
    rig.pass(SECOND);
    assert_eq!(rig.launches.len(), 2);
    runs(&mut rig, "The disk is full.\nAll else is OK.");
    let name = rig.snapshot().process(id).unwrap().name.clone();
    assert_eq!(
        found(&mut rig),
        [format!("{name}: found: The disk is full.")]
    );
    // Each run is a task with the text of the role, and what the answer is judged by.
    let task = rig.task(TaskId(2));
    assert_eq!(task.state, TaskState::Succeeded);
    assert!(
        task.text
            .starts_with("Look around.\n\nBegin your answer with OK")
    );
    // And one that is asked for by hand.
    rig.order(Command::Start(id));
    runs(&mut rig, "OK");
    assert_eq!(rig.task(TaskId(3)).state, TaskState::Succeeded);
}

#[test]
fn a_run_whose_task_fails_is_a_finding() {
    let mut rig = rig("every 15m");
    let id = rig.hire("tester");
    let run = rig.launches[0].run;
    rig.is_up(run);
    for tries in 0..3 {
        delivered(&mut rig, run);
        rig.turn_ends(run, false);
        rig.pass((1 << tries) * 30 * SECOND + 3 * SECOND);
    }
    assert_eq!(rig.task(TaskId(1)).state, TaskState::Failed);
    rig.exit(run, ExitStatus::Code(0));
    let name = rig.snapshot().process(id).unwrap().name.clone();
    assert_eq!(
        found(&mut rig),
        [format!("{name}: found: its run failed: the end")]
    );
    assert_eq!(rig.status(id), Status::Stopped);
}

#[test]
fn a_utility_does_its_run_and_finds_nothing() {
    let mut rig = rig("every 15m");
    rig.reconfigure(|catalogue| catalogue.roles[1].kind = Kind::Utility);
    let id = rig.hire("tester");
    runs(&mut rig, "removed 12 files");
    assert_eq!(found(&mut rig), [""; 0]);
    assert_eq!(rig.task(TaskId(1)).text, "Look around.\n");
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(view.now, "finished: removed 12 files");
    // As a worker of the queue it has no runs.
    let new = NewProcess {
        role: "tester".to_owned(),
        kind: Some(Kind::Batch),
        ..NewProcess::default()
    };
    rig.order(Command::Create(Box::new(new)));
    let run = rig.launches.last().unwrap().run;
    rig.is_up(run);
    assert_eq!(rig.snapshot().tasks.len(), 1);
    assert_eq!(rig.status(ProcessId(2)), Status::Running);
}

#[test]
fn who_has_runs_takes_nothing_else() {
    let mut rig = rig("every 15m");
    let id = rig.hire("tester");
    let of = |target| NewTask {
        text: "work".to_owned(),
        target,
        ..NewTask::default()
    };
    let own = rig.order(Command::AddTask(Box::new(of(Target {
        process: Some(id),
        ..Target::default()
    }))));
    assert!(matches!(rig.answer(own), Some(Err(Refusal::Invalid(_)))));
    rig.order(Command::AddTask(Box::new(of(Target::default()))));
    runs(&mut rig, "OK");
    assert_eq!(rig.task(TaskId(1)).state, TaskState::Succeeded);
    assert_eq!(rig.task(TaskId(2)).state, TaskState::Queued);
    // And nobody starts it for that.
    assert_eq!(rig.launches.len(), 1);
}

#[test]
fn a_run_goes_on_after_a_crash_and_ends_with_a_stop() {
    let mut rig = rig("every 15m");
    let id = rig.hire("tester");
    let run = rig.launches[0].run;
    rig.is_up(run);
    rig.exit(run, ExitStatus::Signal(11));
    assert_eq!(rig.task(TaskId(1)).state, TaskState::Queued);
    rig.pass(30 * SECOND);
    runs(&mut rig, "OK");
    assert_eq!(rig.task(TaskId(1)).state, TaskState::Succeeded);
    assert_eq!(rig.snapshot().tasks.len(), 1);
    rig.order(Command::Start(id));
    let run = rig.launches.last().unwrap().run;
    rig.order(Command::Stop(id));
    rig.exit(run, ExitStatus::Signal(15));
    assert_eq!(rig.task(TaskId(2)).state, TaskState::Cancelled);
    // What a person stopped stays so, whatever its schedule says.
    assert_eq!(next(&mut rig, id), None);
    let launches = rig.launches.len();
    rig.pass(120 * MINUTE);
    assert_eq!(rig.launches.len(), launches);
    rig.order(Command::Start(id));
    assert!(next(&mut rig, id).is_some());
}

fn command_ends(rig: &mut Rig, status: ExitStatus, said: &str) {
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    let fault = Fault::new(FaultCode::Crashed, "it crashed", "look");
    let failure = (status != ExitStatus::Code(0)).then_some(LaunchFailure {
        fault,
        permanent: false,
    });
    let exit = Exit {
        stderr_tail: said.to_owned(),
        ..super::rig::exit_of(status)
    };
    rig.event(Event::Exited {
        run,
        exit: Box::new(exit),
        failure,
        lines: vec![],
    });
}

#[test]
fn a_monitoring_command_finds_by_its_exit_code() {
    let mut rig = rig("every 15m");
    let id = rig.hire("command");
    command_ends(&mut rig, ExitStatus::Code(0), "all is well");
    assert_eq!(found(&mut rig), [""; 0]);
    rig.pass(15 * MINUTE);
    command_ends(&mut rig, ExitStatus::Code(3), "one\ntwo\n\n  three\nfour\n");
    let view = rig.snapshot().process(id).cloned().unwrap();
    let finding = "exit code 3: two / three / four";
    assert_eq!(view.status, Status::Stopped);
    assert_eq!(view.now, format!("finished: {finding}"));
    assert_eq!(
        found(&mut rig),
        [format!("{}: found: {finding}", view.name)]
    );
    // A crash is none.
    rig.pass(15 * MINUTE);
    command_ends(&mut rig, ExitStatus::Signal(11), "");
    assert_eq!(rig.status(id), Status::Backoff);
    // For a utility every code but 0 is a failure.
    rig.pass(30 * SECOND);
    rig.reconfigure(|catalogue| catalogue.roles[3].kind = Kind::Utility);
    command_ends(&mut rig, ExitStatus::Code(3), "no");
    assert_eq!(rig.status(id), Status::Backoff);
}

#[test]
fn a_time_at_which_the_last_run_is_not_over_is_left_out() {
    let mut rig = rig("every 15m");
    let id = rig.hire("command");
    let run = rig.launches[0].run;
    rig.launched(run);
    rig.pass(50 * MINUTE);
    assert_eq!(rig.launches.len(), 1);
    let said = rig.snapshot().messages;
    let left_out = said.iter().filter(|one| one.text.contains("left out"));
    assert_eq!(left_out.count(), 3);
    command_ends(&mut rig, ExitStatus::Code(0), "");
    rig.pass(10 * MINUTE);
    assert_eq!(rig.launches.len(), 2);
    assert_eq!(rig.status(id), Status::Starting);
}

#[test]
fn a_schedule_starts_again_what_failed_too_often() {
    let mut rig = rig("every 6h");
    let id = rig.hire("command");
    rig.reconfigure(|catalogue| catalogue.roles[3].auto_restart.max_retries = 0);
    command_ends(&mut rig, ExitStatus::Signal(11), "");
    assert_eq!(rig.status(id), Status::Error);
    rig.pass(6 * 60 * MINUTE);
    assert_eq!((rig.launches.len(), rig.status(id)), (2, Status::Starting));
}

#[test]
fn a_schedule_starts_a_worker_and_leaves_one_that_is_up_alone() {
    let mut rig = Rig::new();
    rig.reconfigure(|catalogue| {
        catalogue.roles[0].automation.schedule = Some("0 * * * *".parse().unwrap());
    });
    let new = NewProcess {
        role: "developer".to_owned(),
        no_start: true,
        ..NewProcess::default()
    };
    rig.order(Command::Create(Box::new(new)));
    assert!(rig.launches.is_empty());
    rig.pass(60 * MINUTE);
    assert_eq!(rig.launches.len(), 1);
    let run = rig.launches[0].run;
    rig.is_up(run);
    rig.pass(120 * MINUTE);
    assert_eq!((rig.launches.len(), rig.closed.len()), (1, 0));
}

#[test]
fn a_schedule_can_be_switched_off_for_all_and_for_a_process() {
    let mut rig = rig("every 15m");
    rig.reconfigure(|catalogue| catalogue.auto_start.enabled = false);
    let id = rig.hire("command");
    command_ends(&mut rig, ExitStatus::Code(0), "");
    assert_eq!(next(&mut rig, id), None);
    assert!(!rig.snapshot().has_work);
    rig.pass(60 * MINUTE);
    assert_eq!(rig.launches.len(), 1);
    rig.reconfigure(|catalogue| catalogue.auto_start.enabled = true);
    rig.pass(15 * MINUTE);
    assert_eq!(rig.launches.len(), 2);
    let mut new = NewProcess {
        role: "command".to_owned(),
        ..NewProcess::default()
    };
    new.automation.schedule = Some("never".parse().unwrap());
    rig.order(Command::Create(Box::new(new)));
    command_ends(&mut rig, ExitStatus::Code(0), "");
    assert_eq!(next(&mut rig, ProcessId(2)), None);
}

/// The clock on the wall alone is moved.
fn step(rig: &mut Rig, seconds: i64) {
    let by = SignedDuration::from_secs(seconds);
    rig.now.wall = rig.now.wall.checked_add(by).unwrap();
}

/// A command that has run once, and how often it runs from then on.
fn command(schedule: &str) -> Rig {
    let mut rig = rig(schedule);
    rig.hire("command");
    command_ends(&mut rig, ExitStatus::Code(0), "");
    rig.launches.clear();
    rig
}

/// Lets time pass; every run ends at once. Returns how many there were.
fn count(rig: &mut Rig, time: Duration) -> usize {
    let end = rig.now.mono + time;
    let mut count = 0;
    while rig.now.mono < end {
        rig.pass(SECOND);
        while let Some(plan) = rig.launches.first().cloned() {
            command_ends(rig, ExitStatus::Code(0), "");
            assert_eq!(rig.launches.len(), 1, "{} has two runs", plan.process);
            rig.launches.clear();
            count += 1;
        }
    }
    count
}

#[test]
fn d12_a_clock_that_is_set_a_year_off_or_back_is_no_storm() {
    const YEAR: i64 = 365 * 24 * 3600;
    for schedule in ["every 10m", "*/10 * * * *"] {
        let mut rig = command(schedule);
        let new = NewProcess {
            role: "developer".to_owned(),
            ..NewProcess::default()
        };
        rig.order(Command::Create(Box::new(new)));
        let worker = rig.launches.last().unwrap().run;
        rig.is_up(worker);
        rig.launches.clear();
        step(&mut rig, YEAR);
        // However often its time has come meanwhile.
        assert_eq!(count(&mut rig, 31 * SECOND), 1, "{schedule}");
        let ahead = count(&mut rig, 60 * MINUTE);
        assert!((6..=7).contains(&ahead), "{schedule}: {ahead}");
        step(&mut rig, -2 * YEAR);
        let behind = count(&mut rig, 60 * MINUTE);
        assert!((6..=7).contains(&behind), "{schedule}: {behind}");
        // Nobody was restarted, killed or stopped by it.
        assert_eq!(rig.status(ProcessId(2)), Status::Running);
        assert!(rig.killed.is_empty() && rig.closed.is_empty());
    }
}

#[test]
fn d13_after_a_suspend_of_five_minutes_what_was_missed_is_caught_up_once() {
    for schedule in ["every 1m", "* * * * *"] {
        let mut rig = command(schedule);
        let (worker, run) = rig.ready("developer");
        rig.launches.clear();
        rig.add("work", Some(worker));
        // Asleep: the clock on the wall goes on, the other one does not.
        step(&mut rig, 300);
        assert_eq!(count(&mut rig, 30 * SECOND), 1, "{schedule}");
        let on = count(&mut rig, 5 * MINUTE);
        assert!((5..=6).contains(&on), "{schedule}: {on}");
        // No time-out of a task or a start has gone by.
        assert_eq!(rig.status(worker), Status::Running);
        assert!(
            rig.sent
                .iter()
                .all(|(_, _, order)| *order != Order::Interrupt)
        );
        let _ = run;
    }
}

#[test]
fn d13_what_was_missed_while_nothing_ran_is_caught_up_once() {
    for schedule in ["every 10m", "*/10 * * * *"] {
        let rig = command(schedule);
        let mut reborn = rig.reborn();
        reborn.now = reborn.now + 240 * MINUTE;
        reborn.event(Event::Booted);
        assert_eq!(reborn.launches.len(), 1, "{schedule}");
        let said = reborn.snapshot().messages;
        assert!(said.iter().any(|one| one.text.contains("it was due at")));
        let count = count(&mut reborn, 31 * SECOND);
        assert_eq!(count, 1, "{schedule}: the caught up one alone");
    }
}

#[test]
fn d14_a_job_in_the_hour_that_comes_twice_runs_once() {
    let mut rig = rig("30 2 * * * Europe/Berlin");
    // 25 October 2026, 02:00 CEST, an hour before the clock goes back.
    rig.now.wall = "2026-10-25T00:00:00Z".parse().unwrap();
    rig.hire("command");
    command_ends(&mut rig, ExitStatus::Code(0), "");
    rig.launches.clear();
    assert_eq!(count(&mut rig, 180 * MINUTE), 1);
    // And in the one that does not come: 29 March 2026.
    rig.now.wall = "2026-03-29T00:00:00Z".parse().unwrap();
    assert_eq!(count(&mut rig, 180 * MINUTE), 1);
}

// Planned restarts.

fn planned(restart: Restarts) -> (Rig, ProcessId, RunId) {
    let mut rig = Rig::new();
    rig.reconfigure(|catalogue| catalogue.roles[0].automation.restart = restart);
    let (id, run) = rig.ready("developer");
    (rig, id, run)
}

#[test]
fn a_restart_is_planned_after_so_many_tasks() {
    let (mut rig, id, run) = planned(Restarts {
        after_tasks: Some(2),
        ..Restarts::default()
    });
    let tasks: Vec<TaskId> = (0..3).map(|_| rig.add("work", None)).collect();
    rig.turn_ends(run, true);
    assert!(rig.closed.is_empty());
    // The second task comes in a fresh conversation.
    rig.turn_ends(run, true);
    rig.turn_ends(run, true);
    assert_eq!(rig.closed, [run]);
    assert_eq!(rig.task(tasks[2]).state, TaskState::Queued);
    rig.exit(run, ExitStatus::Code(0));
    let run = rig.launches.last().unwrap().run;
    rig.is_up(run);
    assert_eq!(rig.task(tasks[2]).state, TaskState::Assigned);
    assert_eq!(rig.snapshot().process(id).unwrap().restarts, 1);
}

#[test]
fn a_restart_after_some_hours_waits_for_the_task_in_hand() {
    let (mut rig, id, run) = planned(Restarts {
        after: Some(30 * MINUTE),
        ..Restarts::default()
    });
    rig.pass(29 * MINUTE);
    rig.add("work", None);
    rig.pass(10 * MINUTE);
    assert!(rig.closed.is_empty());
    rig.turn_ends(run, true);
    assert_eq!(rig.closed, [run]);
    rig.exit(run, ExitStatus::Code(0));
    assert_eq!(rig.status(id), Status::Starting);
    let next = rig.launches.last().unwrap().run;
    rig.is_up(next);
    rig.pass(30 * MINUTE);
    assert_eq!(rig.closed, [run, next]);
}

#[test]
fn a_restart_at_its_time_leaves_alone_who_is_down() {
    let (mut rig, id, run) = planned(Restarts {
        schedule: Some("0 4 * * *".parse().unwrap()),
        ..Restarts::default()
    });
    assert!(
        rig.snapshot()
            .process(id)
            .unwrap()
            .upkeep
            .next_restart
            .is_some()
    );
    rig.pass(24 * 60 * MINUTE);
    assert_eq!(rig.closed, [run]);
    rig.exit(run, ExitStatus::Code(0));
    let run = rig.launches.last().unwrap().run;
    rig.order(Command::Stop(id));
    rig.exit(run, ExitStatus::Code(0));
    let launches = rig.launches.len();
    rig.pass(48 * 60 * MINUTE);
    assert_eq!(rig.launches.len(), launches);
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(
        (view.upkeep.next_restart, view.upkeep.rest),
        (None, Some(Rest::Person))
    );
}

#[test]
fn what_somebody_is_started_for_goes_with_a_hire_that_is_not_stored() {
    let mut rig = rig("every 15m");
    rig.disk = false;
    let new = NewProcess {
        role: "tester".to_owned(),
        ..NewProcess::default()
    };
    let hire = rig.order(Command::Create(Box::new(new)));
    assert!(matches!(rig.answer(hire), Some(Err(Refusal::NotStored(_)))));
    rig.disk = true;
    rig.pass(5 * SECOND);
    let snapshot = rig.snapshot();
    assert!(snapshot.processes.is_empty() && snapshot.tasks.is_empty());
    assert!(rig.saved.tasks.is_empty());
}

#[test]
fn what_somebody_is_started_for_ends_when_he_is_removed_between_two_tries() {
    let mut rig = rig("every 15m");
    let id = rig.hire("tester");
    let run = rig.launches[0].run;
    rig.launched(run);
    rig.exit(run, ExitStatus::Code(1));
    assert_eq!(rig.status(id), Status::Backoff);
    rig.order(Command::Remove(id));
    let task = rig.task(TaskId(1));
    assert_eq!(task.state, TaskState::Cancelled);
}
