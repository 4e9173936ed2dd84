//! Automatic scaling on a clock of its own: when one more is hired, and what keeps from it.

use std::time::Duration;

use super::cluster;
use super::rig::Rig;
use crate::domain::automation::{Autostart, Rest};
use crate::domain::cluster::ClusterOrder;
use crate::domain::command::{Command, NewProcess, Outcome};
use crate::domain::event::{Event, Fact};
use crate::domain::exit::ExitStatus;
use crate::domain::id::{ProcessId, RunId};
use crate::domain::role::{Catalogue, Kind, Range};
use crate::domain::snapshot::{Machine, Status};
use crate::domain::task::{NewTask, Target};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn tasks(rig: &mut Rig, count: usize, target: &Target) {
    for _ in 0..count {
        let new = NewTask {
            text: "work".to_owned(),
            target: target.clone(),
            ..NewTask::default()
        };
        let reply = rig.order(Command::AddTask(Box::new(new)));
        assert!(matches!(rig.answer(reply), Some(Ok(Outcome::TaskAdded(_)))));
    }
}

fn developers() -> Target {
    Target {
        role: Some("developer".to_owned()),
        ..Target::default()
    }
}

/// One developer at work, and so many more tasks for developers.
fn queue(count: usize) -> Rig {
    let mut rig = Rig::new();
    rig.ready("developer");
    tasks(&mut rig, count + 1, &developers());
    rig
}

fn line(rig: &mut Rig) -> Option<String> {
    let now = rig.now.wall;
    rig.snapshot()
        .scaling_line(now)
        .map(|view| view.text.clone())
}

fn staff(rig: &mut Rig) -> usize {
    rig.snapshot().processes.len()
}

/// Keeps an agent's turn fresh, so that no time-out of the task comes in between.
fn finish(rig: &mut Rig, run: RunId) {
    rig.turn_ends(run, true);
    rig.turn_ends(run, true);
}

#[test]
fn a_long_queue_hires_one_more_after_a_minute_and_says_so() {
    let mut rig = queue(4);
    rig.pass(59 * SECOND);
    assert_eq!((staff(&mut rig), line(&mut rig)), (1, None));
    rig.pass(SECOND);
    let snapshot = rig.snapshot();
    assert_eq!(snapshot.processes.len(), 2);
    let hired = &snapshot.processes[1];
    assert!(hired.upkeep.extra);
    assert_eq!(hired.role, "developer");
    let text = format!("hired {} (developer): 4 tasks wait for 1", hired.name);
    assert_eq!(line(&mut rig), Some(text));
    // Four for two is not long any more, and two of them are one's own soon.
    rig.comes_up();
    rig.pass(4 * MINUTE);
    assert_eq!(staff(&mut rig), 2);
    // After ten minutes it is no news.
    let open: Vec<_> = rig.snapshot().tasks.iter().map(|task| task.id).collect();
    for task in open {
        rig.order(Command::CancelTask(task));
    }
    rig.pass(6 * MINUTE);
    assert_eq!(line(&mut rig), None);
}

#[test]
fn three_for_each_are_not_long_but_who_waits_five_minutes_gets_somebody() {
    let mut rig = queue(3);
    rig.pass(5 * MINUTE - SECOND);
    assert_eq!(staff(&mut rig), 1);
    rig.pass(SECOND);
    assert_eq!(staff(&mut rig), 2);
    // The wait begins anew.
    rig.comes_up();
    rig.pass(5 * MINUTE - SECOND);
    assert_eq!(staff(&mut rig), 2);
    rig.pass(SECOND);
    assert_eq!(staff(&mut rig), 3);
}

#[test]
fn the_triggers_are_switched_on_one_by_one() {
    for (long_queue, on_demand, hired_at) in [
        (true, true, Some(60)),
        (true, false, Some(60)),
        (false, true, Some(300)),
        (false, false, None),
    ] {
        let mut rig = queue(8);
        rig.reconfigure(|catalogue| {
            catalogue.auto_start.long_queue = long_queue;
            catalogue.auto_start.on_demand = on_demand;
        });
        let mut at = None;
        for second in 1..=600 {
            rig.pass(SECOND);
            if staff(&mut rig) > 1 {
                at = Some(second);
                break;
            }
        }
        assert_eq!(at, hired_at, "{long_queue} {on_demand}");
    }
    let mut rig = queue(8);
    rig.reconfigure(|catalogue| catalogue.auto_start.enabled = false);
    rig.pass(10 * MINUTE);
    assert_eq!(staff(&mut rig), 1);
}

#[test]
fn never_more_than_the_most_that_start_by_themselves() {
    let mut rig = queue(200);
    rig.reconfigure(|catalogue| catalogue.auto_start.max_processes = 4);
    for _ in 0..20 {
        rig.pass(MINUTE);
        cluster::all_come_up(&mut rig);
    }
    assert_eq!(staff(&mut rig), 4);
    assert_eq!(
        line(&mut rig).as_deref(),
        Some("holding at 4: 4 are up, and no more start by themselves")
    );
    // It says so for as long as it is so.
    let tasks: Vec<_> = rig.snapshot().tasks.iter().map(|task| task.id).collect();
    for task in tasks {
        rig.order(Command::CancelTask(task));
    }
    assert_eq!(line(&mut rig), None);
}

#[test]
fn who_is_down_is_started_before_anybody_is_hired() {
    let mut rig = Rig::new();
    let staff_before: Vec<(ProcessId, RunId)> = (0..3).map(|_| rig.ready("developer")).collect();
    for (id, _) in &staff_before[..2] {
        rig.add("work", Some(*id));
    }
    rig.pass(5 * MINUTE);
    cluster::ends(&mut rig);
    assert_eq!(rig.status(staff_before[2].0), Status::Stopped);
    tasks(&mut rig, 12, &developers());
    // By the wait of tasks at once.
    assert_eq!(rig.status(staff_before[2].0), Status::Starting);
    rig.comes_up();
    rig.pass(MINUTE);
    assert_eq!(staff(&mut rig), 4);
    // And where tasks alone start nobody, by the length of the queue.
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.ready("developer");
    }
    rig.pass(5 * MINUTE);
    cluster::ends(&mut rig);
    rig.reconfigure(|catalogue| catalogue.auto_start.on_demand = false);
    tasks(&mut rig, 12, &developers());
    rig.pass(MINUTE);
    assert_eq!(staff(&mut rig), 3);
    let text = line(&mut rig).unwrap();
    assert!(text.starts_with("started "), "{text}");
}

#[test]
fn what_a_person_stopped_is_not_made_up_for() {
    let mut rig = queue(8);
    let (other, _) = rig.ready("developer");
    tasks(&mut rig, 8, &developers());
    rig.order(Command::Stop(other));
    let name = rig.snapshot().process(other).unwrap().name.clone();
    rig.pass(30 * MINUTE);
    assert_eq!(staff(&mut rig), 2);
    let text = format!("holding at 1: you stopped {name}");
    assert_eq!(line(&mut rig), Some(text));
    // One of another role is nobody's business here.
    let mut rig = queue(8);
    let (tester, _) = rig.ready("tester");
    rig.order(Command::Stop(tester));
    rig.pass(MINUTE);
    assert_eq!(staff(&mut rig), 3);
}

#[test]
fn who_was_hired_and_never_started_is_pointed_at() {
    let mut rig = queue(8);
    rig.order(Command::Create(Box::new(NewProcess {
        role: "developer".to_owned(),
        name: Some("Zoe".to_owned()),
        no_start: true,
        ..NewProcess::default()
    })));
    rig.pass(2 * MINUTE);
    assert_eq!(
        line(&mut rig).as_deref(),
        Some("holding at 1: Zoe is hired and not started yet")
    );
}

#[test]
fn a_strained_machine_holds_until_it_has_been_calm() {
    let machine = |used| Machine {
        memory_used: used,
        memory_total: 100_000,
        ..Machine::default()
    };
    let sample = |rig: &mut Rig, used| {
        rig.event(Event::Sampled {
            machine: machine(used),
            trees: vec![],
            members: vec![],
        });
    };
    let mut rig = queue(8);
    sample(&mut rig, 82_000);
    rig.pass(5 * MINUTE);
    assert_eq!(staff(&mut rig), 1);
    assert_eq!(line(&mut rig).as_deref(), Some("holding at 1: memory 82 %"));
    sample(&mut rig, 70_000);
    rig.pass(59 * SECOND);
    sample(&mut rig, 70_000);
    assert_eq!(staff(&mut rig), 1);
    rig.pass(SECOND);
    sample(&mut rig, 70_000);
    assert_eq!(staff(&mut rig), 2);
}

#[test]
fn what_would_promise_more_memory_than_there_is_holds() {
    let mut rig = queue(8);
    rig.reconfigure(|catalogue| {
        catalogue.roles[0].memory = Range {
            min: 1_500_000_000,
            max: 2_000_000_000,
        };
    });
    let machine = Machine {
        memory_total: 2_000_000_000,
        ..Machine::default()
    };
    rig.event(Event::Sampled {
        machine,
        trees: vec![],
        members: vec![],
    });
    rig.pass(2 * MINUTE);
    assert_eq!(
        line(&mut rig).as_deref(),
        Some("holding at 1: 1.5 of 2.0 GB of memory are promised")
    );
}

#[test]
fn nobody_is_hired_on_an_account_that_is_blocked() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    rig.ready("tester");
    tasks(&mut rig, 12, &developers());
    let until = rig.now.wall + jiff::SignedDuration::from_mins(30);
    rig.fact(run, Fact::UsageLimit { until: Some(until) });
    rig.interrupted(run);
    rig.pass(29 * MINUTE);
    assert_eq!(staff(&mut rig), 2);
    let text = line(&mut rig).unwrap();
    assert!(text.contains(": the account is blocked until "), "{text}");
    // The block is over, and the wait counts.
    rig.pass(2 * MINUTE);
    assert_eq!(staff(&mut rig), 3);
}

#[test]
fn who_does_not_come_up_is_not_hired_again_and_again() {
    let mut rig = queue(20);
    rig.reconfigure(|catalogue| catalogue.auto_restart.max_retries = 0);
    rig.reconfigure(|catalogue| {
        for role in &mut catalogue.roles {
            role.auto_restart.max_retries = 0;
        }
    });
    rig.pass(MINUTE);
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    rig.exit(run, ExitStatus::Code(1));
    rig.pass(30 * MINUTE);
    assert_eq!(staff(&mut rig), 2);
    let text = line(&mut rig).unwrap();
    assert!(
        text.ends_with("who was hired for this, did not come up"),
        "{text}"
    );
}

#[test]
fn roles_that_tasks_do_not_start_and_kinds_without_a_queue_do_not_grow() {
    let off: [fn(&mut Catalogue); 2] = [
        |catalogue| catalogue.roles[0].automation.autostart = Autostart::Never,
        |catalogue| catalogue.roles[0].kind = Kind::Interactive,
    ];
    for off in off {
        let mut rig = queue(20);
        rig.reconfigure(off);
        rig.pass(30 * MINUTE);
        assert_eq!((staff(&mut rig), line(&mut rig)), (1, None));
    }
    // Nor does what one process is to do itself, or what nobody who is up could do.
    let mut rig = Rig::new();
    let (id, _) = rig.ready("developer");
    let own = Target {
        process: Some(id),
        ..Target::default()
    };
    let testers = Target {
        role: Some("tester".to_owned()),
        ..Target::default()
    };
    tasks(&mut rig, 20, &own);
    tasks(&mut rig, 20, &testers);
    rig.pass(30 * MINUTE);
    assert_eq!((staff(&mut rig), line(&mut rig)), (1, None));
}

#[test]
fn one_more_is_like_the_one_who_is_there() {
    let mut rig = Rig::new();
    let new = NewProcess {
        role: "developer".to_owned(),
        name: Some("Ada".to_owned()),
        working_directory: Some("/shop".into()),
        max_turns: Some(7),
        ..NewProcess::default()
    };
    rig.order(Command::Create(Box::new(new)));
    rig.comes_up();
    tasks(&mut rig, 8, &Target::default());
    rig.pass(MINUTE);
    let plan = rig.launches.last().unwrap();
    assert_eq!(plan.spec.max_turns, Some(7));
    assert_eq!(plan.working_directory, std::path::Path::new("/shop"));
    assert_ne!(plan.name, "Ada");
}

#[test]
fn a_cluster_grows_within_itself_and_keeps_its_shape() {
    let mut rig = cluster::started();
    let team = Target {
        cluster: Some("team".to_owned()),
        ..Target::default()
    };
    tasks(&mut rig, 30, &team);
    for _ in 0..3 {
        rig.pass(MINUTE);
        cluster::all_come_up(&mut rig);
    }
    let snapshot = rig.snapshot();
    let extra: Vec<(&str, Option<&str>)> = snapshot
        .processes
        .iter()
        .filter(|one| one.upkeep.extra)
        .map(|one| (one.role.as_str(), one.cluster.as_deref()))
        .collect();
    // Two to one, as it is declared: a developer, then a tester, then a developer.
    assert_eq!(
        extra,
        [
            ("developer", Some("team")),
            ("tester", Some("team")),
            ("developer", Some("team")),
        ]
    );
    let view = snapshot.cluster("team").unwrap().sum();
    assert_eq!((view.wanted, view.hired, view.extra), (3, 3, 3));
    // A person who stops the cluster stops these too, and nothing brings anybody back.
    cluster::order(&mut rig, ClusterOrder::Stop);
    rig.pass(20 * MINUTE);
    for run in rig
        .fleet
        .live_runs()
        .map(|(_, run)| run)
        .collect::<Vec<_>>()
    {
        rig.exit(run, ExitStatus::Signal(15));
    }
    rig.pass(60 * MINUTE);
    assert_eq!(rig.fleet.live_runs().count(), 0);
    // A start brings back the three who are wanted; the others come with the queue.
    cluster::order(&mut rig, ClusterOrder::Start);
    assert_eq!(
        rig.fleet
            .live_runs()
            .filter(|(one, _)| !one.upkeep.extra)
            .count(),
        3
    );
}

#[test]
fn f7_those_it_hired_go_first_when_there_is_nothing_to_do_and_stay_on_the_staff() {
    let mut rig = Rig::new();
    let first: Vec<(ProcessId, RunId)> = (0..2).map(|_| rig.ready("developer")).collect();
    tasks(&mut rig, 9, &developers());
    rig.pass(MINUTE);
    let run = rig.comes_up();
    let extra = rig.launches.last().unwrap().process;
    assert_eq!(staff(&mut rig), 3);
    let open: Vec<_> = rig.snapshot().tasks.iter().map(|task| task.id).collect();
    for task in open {
        rig.order(Command::CancelTask(task));
    }
    // The one who was hired is idle last, and is the first to go.
    for (_, run) in first {
        rig.interrupted(run);
        finish(&mut rig, run);
    }
    rig.pass(SECOND);
    rig.interrupted(run);
    finish(&mut rig, run);
    rig.pass(5 * MINUTE - SECOND);
    assert_eq!(rig.closed, []);
    rig.pass(SECOND);
    assert_eq!(rig.closed, [run]);
    cluster::ends(&mut rig);
    rig.pass(60 * MINUTE);
    let view = rig.snapshot().process(extra).cloned().unwrap();
    assert_eq!(view.upkeep.rest, Some(Rest::Idle));
    assert_eq!(rig.fleet.live_runs().count(), 2);
    // The next long queue takes it back, and hires nobody.
    tasks(&mut rig, 9, &developers());
    assert_eq!(rig.status(extra), Status::Starting);
    assert_eq!(staff(&mut rig), 3);
}

#[test]
fn nobody_is_hired_while_the_state_cannot_be_written() {
    let mut rig = queue(8);
    rig.disk = false;
    // Something to be written, which fails.
    let waiting = rig.snapshot().tasks.iter().next_back().unwrap().id;
    rig.order(Command::HoldTask(waiting));
    for _ in 0..90 {
        rig.pass(SECOND);
    }
    assert_eq!(staff(&mut rig), 1);
    rig.disk = true;
    rig.pass(5 * SECOND);
    assert_eq!(staff(&mut rig), 2);
}
