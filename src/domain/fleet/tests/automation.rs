//! Starts with the instance and for tasks that wait, stops of the idle, and what keeps from both.

use std::collections::BTreeSet;
use std::time::Duration;

use super::rig::Rig;
use crate::domain::automation::{AutoStart, AutoStop, Autostart, IdleStop, Overrides, Rest};
use crate::domain::chronicle::What;
use crate::domain::command::{Command, NewProcess};
use crate::domain::event::{Event, Fact};
use crate::domain::exit::ExitStatus;
use crate::domain::id::{ProcessId, RunId};
use crate::domain::inbox::Ask;
use crate::domain::role::{Catalogue, Kind};
use crate::domain::snapshot::Status;
use crate::domain::task::{NewTask, Target, TaskState};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// So many developers who are up and idle.
fn staff(rig: &mut Rig, count: usize) -> Vec<(ProcessId, RunId)> {
    (0..count).map(|_| rig.ready("developer")).collect()
}

fn down(rig: &mut Rig) -> Vec<ProcessId> {
    let snapshot = rig.snapshot();
    let down = snapshot.processes.iter().filter(|one| {
        matches!(
            one.status,
            Status::Stopped | Status::Stopping | Status::Error
        )
    });
    down.map(|one| one.id).collect()
}

/// Everyone who was asked to end does.
fn ends(rig: &mut Rig) {
    for run in std::mem::take(&mut rig.closed) {
        rig.exit(run, ExitStatus::Code(0));
    }
}

/// One who was stopped for being idle, and two who are up and at work.
fn one_idled_out(rig: &mut Rig) -> ProcessId {
    let staff = staff(rig, 3);
    for (id, _) in &staff[..2] {
        rig.add("work", Some(*id));
    }
    rig.pass(5 * MINUTE);
    ends(rig);
    assert_eq!(down(rig), [staff[2].0]);
    staff[2].0
}

#[test]
fn the_idle_are_stopped_after_five_minutes_and_two_stay() {
    let mut rig = Rig::new();
    let staff = staff(&mut rig, 4);
    rig.pass(MINUTE);
    rig.add("work", Some(staff[1].0));
    rig.turn_ends(staff[1].1, true);
    rig.pass(4 * MINUTE - SECOND);
    assert_eq!(down(&mut rig), []);
    rig.pass(SECOND);
    // Those who were idle for longest: of these the one who came last.
    assert_eq!(down(&mut rig), [staff[2].0, staff[3].0]);
    ends(&mut rig);
    rig.pass(60 * MINUTE);
    assert_eq!(down(&mut rig), [staff[2].0, staff[3].0]);
    let view = rig.snapshot().process(staff[3].0).cloned().unwrap();
    assert_eq!(view.now, "idle for 5 min; a task starts it");
    assert_eq!(view.upkeep.rest, Some(Rest::Idle));
}

#[test]
fn who_is_busy_waits_is_blocked_or_looked_at_is_not_idle() {
    let mut rig = Rig::new();
    rig.reconfigure(|catalogue| catalogue.auto_stop.min_processes = 0);
    let staff = staff(&mut rig, 4);
    rig.add("work", Some(staff[0].0));
    rig.add("more work", Some(staff[1].0));
    let ask = Ask::Permission {
        tool: "Bash".to_owned(),
        subject: "ls".to_owned(),
        diff: None,
        description: None,
        rule: "Bash(ls *)".to_owned(),
    };
    rig.fact(
        staff[1].1,
        Fact::Asked {
            key: "1".to_owned(),
            ask,
            input: serde_json::Value::Null,
        },
    );
    let text = "no".to_owned();
    rig.fact(staff[2].1, Fact::NotLoggedIn { text });
    let looked_at = BTreeSet::from([staff[3].0]);
    rig.event(Event::Watched {
        processes: looked_at,
    });
    rig.pass(30 * MINUTE);
    assert_eq!(down(&mut rig), []);
    // Five minutes from when the last one has turned away.
    rig.event(Event::Watched {
        processes: BTreeSet::new(),
    });
    rig.pass(5 * MINUTE - SECOND);
    assert_eq!(down(&mut rig), []);
    rig.pass(SECOND);
    assert_eq!(down(&mut rig), [staff[3].0]);
}

#[test]
fn an_idle_stop_can_be_switched_off_for_all_for_a_role_and_for_a_process() {
    let off: [fn(&mut Catalogue); 6] = [
        |catalogue| catalogue.auto_stop.enabled = false,
        |catalogue| catalogue.roles[0].automation.idle = Some(IdleStop::Never),
        // Whoever would not be started again stays up.
        |catalogue| catalogue.roles[0].automation.autostart = Autostart::Never,
        |catalogue| catalogue.auto_start.enabled = false,
        |catalogue| catalogue.auto_start.on_demand = false,
        |catalogue| catalogue.roles[0].kind = Kind::Interactive,
    ];
    for (number, off) in off.into_iter().enumerate() {
        let mut rig = Rig::new();
        rig.reconfigure(off);
        staff(&mut rig, 4);
        rig.pass(60 * MINUTE);
        assert_eq!(down(&mut rig), [], "{number}");
    }
    let mut rig = Rig::new();
    staff(&mut rig, 2);
    for idle in [IdleStop::Never, IdleStop::After(MINUTE)] {
        let automation = Overrides {
            idle: Some(idle),
            ..Overrides::default()
        };
        let new = NewProcess {
            role: "developer".to_owned(),
            automation,
            ..NewProcess::default()
        };
        rig.order(Command::Create(Box::new(new)));
        let run = rig.launches.last().unwrap().run;
        rig.is_up(run);
    }
    rig.pass(MINUTE);
    assert_eq!(down(&mut rig), [ProcessId(4)]);
}

#[test]
fn a_task_that_waits_starts_whom_automation_stopped_and_nobody_else() {
    let mut rig = Rig::new();
    let idled = one_idled_out(&mut rig);
    let (stopped, run) = rig.ready("developer");
    rig.order(Command::Stop(stopped));
    rig.exit(run, ExitStatus::Code(0));
    let new = NewProcess {
        role: "developer".to_owned(),
        no_start: true,
        ..NewProcess::default()
    };
    rig.order(Command::Create(Box::new(new)));
    let launches = rig.launches.len();
    let tasks: Vec<_> = (0..3).map(|_| rig.add("more", None)).collect();
    assert_eq!(rig.launches.len(), launches + 1);
    assert_eq!(rig.launches.last().unwrap().process, idled);
    // The record says why, and that nobody ordered it.
    let mut entries = rig.saved.entries.iter().rev();
    let ordered = entries.find(|entry| entry.what == What::Ordered).unwrap();
    assert_eq!(ordered.process, Some(idled));
    assert_eq!(ordered.text, "started for a task that waits");
    assert_eq!(ordered.by, None);
    let run = rig.launches.last().unwrap().run;
    rig.is_up(run);
    assert_eq!(rig.task(tasks[0]).state, TaskState::Assigned);
    rig.pass(60 * MINUTE);
    assert_eq!(rig.status(stopped), Status::Stopped);
}

#[test]
fn nobody_is_started_for_a_task_that_somebody_will_do_soon() {
    let mut rig = Rig::new();
    let idled = one_idled_out(&mut rig);
    // Just hired, and not ready yet.
    rig.hire("developer");
    let launches = rig.launches.len();
    rig.add("more", None);
    assert_eq!(rig.launches.len(), launches);
    rig.add("even more", None);
    assert_eq!(rig.launches.len(), launches + 1);
    assert_eq!(rig.launches.last().unwrap().process, idled);
}

#[test]
fn a_start_on_demand_can_be_switched_off_and_has_a_limit() {
    let off: [fn(&mut Catalogue); 4] = [
        |catalogue| catalogue.auto_start.enabled = false,
        |catalogue| catalogue.auto_start.on_demand = false,
        |catalogue| catalogue.auto_start.max_processes = 2,
        |catalogue| catalogue.roles[0].automation.autostart = Autostart::Never,
    ];
    for (number, off) in off.into_iter().enumerate() {
        let mut rig = Rig::new();
        let idled = one_idled_out(&mut rig);
        rig.reconfigure(off);
        let launches = rig.launches.len();
        rig.add("more", None);
        rig.pass(MINUTE);
        assert_eq!(rig.launches.len(), launches, "{number}");
        // On again, it is made up for.
        rig.reconfigure(|catalogue| {
            catalogue.auto_start = AutoStart::default();
            catalogue.roles[0].automation.autostart = Autostart::Demand;
        });
        assert_eq!(rig.launches.last().unwrap().process, idled, "{number}");
    }
}

#[test]
fn nobody_is_started_whose_account_is_blocked() {
    let mut rig = Rig::new();
    one_idled_out(&mut rig);
    let launches = rig.launches.len();
    let blocked = rig.launches[0].run;
    rig.fact(blocked, Fact::UsageLimit { until: None });
    rig.interrupted(blocked);
    rig.add("more", None);
    assert_eq!(rig.launches.len(), launches);
    rig.pass(15 * MINUTE);
    // The limit is lifted: whoever is free takes what waits, and there is a place for one more.
    assert_eq!(rig.launches.len(), launches + 1);
}

#[test]
fn f6_a_task_that_arrives_in_the_instant_of_an_idle_stop_is_not_lost() {
    let instant = 5 * MINUTE;
    for (early, slow) in [
        (Duration::from_millis(1), false),
        (Duration::ZERO, false),
        (Duration::from_millis(1), true),
        (Duration::ZERO, true),
    ] {
        let mut rig = Rig::new();
        rig.reconfigure(|catalogue| {
            catalogue.auto_stop = AutoStop {
                min_processes: 0,
                ..AutoStop::default()
            };
        });
        let (id, _) = rig.ready("developer");
        rig.pass(instant - early);
        let (task, stopping) = if slow {
            // Accepted, and not on disk when the stop is due.
            rig.slow = Some(vec![]);
            let new = NewTask {
                text: "work".to_owned(),
                target: Target::default(),
                ..NewTask::default()
            };
            rig.order(Command::AddTask(Box::new(new)));
            rig.pass(early);
            while rig.slow.as_ref().is_some_and(|batches| !batches.is_empty()) {
                rig.disk_takes_next(true);
            }
            rig.slow = None;
            (*rig.saved.tasks.keys().next().unwrap(), true)
        } else {
            let stopping = early.is_zero();
            let task = rig.add("work", None);
            rig.pass(early);
            (task, stopping)
        };
        if stopping {
            assert_eq!(rig.status(id), Status::Stopping, "{early:?} {slow}");
            ends(&mut rig);
            let run = rig.launches.last().unwrap().run;
            rig.is_up(run);
        }
        assert_eq!(
            rig.task(task).state,
            TaskState::Assigned,
            "{early:?} {slow}"
        );
        let run = rig.launches.last().unwrap().run;
        rig.turn_ends(run, true);
        assert_eq!(rig.task(task).state, TaskState::Succeeded);
    }
}

#[test]
fn with_the_instance_starts_who_is_to_but_for_whom_a_person_stopped() {
    let boot = Overrides {
        autostart: Some(Autostart::Boot),
        ..Overrides::default()
    };
    let hire = |automation: &Overrides| NewProcess {
        role: "developer".to_owned(),
        automation: automation.clone(),
        ..NewProcess::default()
    };
    for off in [false, true] {
        let mut rig = Rig::new();
        for automation in [&boot, &boot, &Overrides::default()] {
            rig.order(Command::Create(Box::new(hire(automation))));
            let run = rig.launches.last().unwrap().run;
            rig.is_up(run);
        }
        let runs: Vec<RunId> = rig.launches.iter().map(|plan| plan.run).collect();
        rig.order(Command::Stop(ProcessId(2)));
        rig.exit(runs[1], ExitStatus::Code(0));
        rig.order(Command::Shutdown);
        rig.exit(runs[0], ExitStatus::Code(0));
        rig.exit(runs[2], ExitStatus::Code(0));
        assert!(rig.fleet.is_drained());
        let mut rig = rig.reborn();
        rig.reconfigure(|catalogue| catalogue.auto_start.enabled = !off);
        rig.event(Event::Booted);
        let started: Vec<ProcessId> = rig.launches.iter().map(|plan| plan.process).collect();
        let expected: &[ProcessId] = if off { &[] } else { &[ProcessId(1)] };
        assert_eq!(started, expected);
        // The third one comes when there is something to do.
        rig.add("work", Some(ProcessId(3)));
        rig.add("work", Some(ProcessId(2)));
        rig.pass(SECOND);
        let last = rig.launches.last().map(|plan| plan.process);
        assert_eq!(last, (!off).then_some(ProcessId(3)));
    }
}

#[test]
fn a_stop_keeps_down_what_is_down_already() {
    let mut rig = Rig::new();
    let idled = one_idled_out(&mut rig);
    let stop = rig.order(Command::Stop(idled));
    assert!(rig.answer(stop).unwrap().is_ok());
    let launches = rig.launches.len();
    rig.add("more", None);
    rig.pass(MINUTE);
    assert_eq!(rig.launches.len(), launches);
    assert_eq!(rig.snapshot().process(idled).unwrap().now, "stopped by you");
    // Also after a new start of the instance.
    let mut rig = rig.reborn();
    rig.event(Event::Booted);
    assert!(rig.launches.is_empty());
    rig.order(Command::Start(idled));
    assert_eq!(rig.launches.len(), 1);
}

#[test]
fn a_person_who_stops_what_is_stopping_for_idleness_has_the_last_word() {
    let mut rig = Rig::new();
    let staff = staff(&mut rig, 3);
    rig.pass(5 * MINUTE);
    let id = staff[2].0;
    assert_eq!(rig.status(id), Status::Stopping);
    rig.order(Command::Stop(id));
    rig.exit(staff[2].1, ExitStatus::Signal(9));
    for _ in 0..3 {
        rig.add("work", None);
    }
    assert_eq!(rig.launches.len(), 3);
    let rest = rig.snapshot().process(id).unwrap().upkeep.rest;
    assert_eq!(rest, Some(Rest::Person));
}

#[test]
fn a_state_of_before_keeps_down_what_was_down() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.order(Command::Shutdown);
    rig.exit(run, ExitStatus::Code(0));
    let document = rig.saved.processes.get_mut(&id).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(document).unwrap();
    value.as_object_mut().unwrap().remove("upkeep").unwrap();
    let spec = value["spec"].as_object_mut().unwrap();
    spec.remove("automation").unwrap();
    *document = value.to_string();
    let mut rig = rig.reborn();
    rig.add("work", None);
    assert!(rig.launches.is_empty());
}
