//! Health and alerts: asked, judged, restarted, raised, cleared, acknowledged.

use std::sync::Arc;
use std::time::Duration;

use super::rig::{Rig, catalogue};
use crate::domain::alert::{Alert, AlertKind, AlertLevel};
use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::event::{Event, Fact};
use crate::domain::exit::ExitStatus;
use crate::domain::fault::FaultCode;
use crate::domain::health::Pulse;
use crate::domain::id::{AlertId, ProcessId};
use crate::domain::role::Catalogue;
use crate::domain::snapshot::{Health, Machine, Status, Usage};
use crate::domain::task::TaskState;

const SECOND: Duration = Duration::from_secs(1);

fn health(rig: &mut Rig, id: ProcessId) -> Health {
    rig.snapshot().process(id).unwrap().health
}

fn open(rig: &mut Rig) -> Vec<Alert> {
    let snapshot = rig.snapshot();
    let open = snapshot.alerts.iter().filter(|alert| alert.is_open());
    open.map(|alert| Alert::clone(alert)).collect()
}

fn kinds(rig: &mut Rig) -> Vec<AlertKind> {
    open(rig).iter().map(|alert| alert.kind).collect()
}

/// Puts a changed configuration in force.
fn configure(rig: &mut Rig, change: impl FnOnce(&mut Catalogue)) {
    let mut catalogue = catalogue();
    change(&mut catalogue);
    let catalogue = Arc::new(catalogue);
    rig.event(Event::Configured { catalogue });
}

fn usage(cpu_percent: f64, memory_bytes: u64) -> Usage {
    Usage {
        cpu_percent,
        memory_bytes,
        threads: 1,
        files: 1,
        processes: 1,
        disk_read_bytes: 0,
        disk_written_bytes: 0,
        disk_rates: None,
    }
}

fn sample(rig: &mut Rig, id: ProcessId, usage: Usage) {
    let trees = vec![(id, usage)];
    let machine = Machine::default();
    rig.event(Event::Sampled {
        machine,
        trees,
        members: vec![],
    });
}

#[test]
fn a_ready_agent_is_healthy_and_asked_every_interval() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    assert_eq!(health(&mut rig, id), Health::Healthy);
    assert!(rig.pings.is_empty(), "it has just answered");
    rig.pass(95 * SECOND);
    let asked: Vec<_> = rig.pings.iter().map(|(run, _)| *run).collect();
    assert_eq!(asked, [run, run, run]);
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(view.condition.answer, Some(Duration::ZERO));
    assert_eq!(view.condition.missed, 0);
}

#[test]
fn a_ping_leaves_no_trace_on_disk_and_none_on_screen() {
    let mut rig = Rig::new();
    rig.ready("developer");
    rig.fleet.take_changed();
    let before = rig.saved.processes.clone();
    rig.slow = Some(vec![]);
    rig.pass(600 * SECOND);
    assert_eq!(rig.pings.len(), 20);
    assert_eq!(rig.slow.as_deref(), Some(&[][..]), "nothing was written");
    assert_eq!(rig.saved.processes, before);
    assert!(!rig.fleet.take_changed(), "nothing is new to see");
}

#[test]
fn c8_an_agent_that_does_not_answer_is_offline_after_two_checks_and_an_alert_says_so() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.answers_pings = false;
    rig.pass(35 * SECOND);
    assert_eq!(health(&mut rig, id), Health::Warning);
    assert!(open(&mut rig).is_empty());
    rig.pass(10 * SECOND);
    assert_eq!(health(&mut rig, id), Health::Offline);
    let alert = open(&mut rig).pop().unwrap();
    assert_eq!(
        (alert.kind, alert.level),
        (AlertKind::Health, AlertLevel::Critical)
    );
    assert_eq!(alert.text, "it does not respond");
    assert_eq!(alert.process, Some(id));
    // Nobody asked for a restart, so there is none.
    rig.pass(600 * SECOND);
    assert!(rig.killed.is_empty());
    assert_eq!(
        kinds(&mut rig),
        [AlertKind::Health],
        "one, however long it lasts"
    );
    // It comes back, and is believed at the second answer.
    rig.answers_pings = true;
    let late = rig.pings.last().copied().unwrap();
    let pulse = Pulse {
        quiet: SECOND,
        tools: Some(0),
    };
    rig.event(Event::Pong {
        run,
        number: late.1,
        pulse,
    });
    rig.pass(60 * SECOND);
    assert_eq!(health(&mut rig, id), Health::Healthy);
    assert!(open(&mut rig).is_empty());
}

#[test]
fn c8_an_agent_that_does_not_answer_is_restarted_if_its_role_says_so() {
    let mut rig = Rig::new();
    configure(&mut rig, |catalogue| {
        catalogue.roles[0].health.restart = true;
    });
    let (id, run) = rig.ready("developer");
    let task = rig.add("work", Some(id));
    rig.answers_pings = false;
    rig.pass(45 * SECOND);
    assert_eq!(rig.killed, [run]);
    rig.exit(run, ExitStatus::Signal(9));
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(view.status, Status::Backoff);
    let fault = view.fault.clone().unwrap();
    assert_eq!(fault.code, FaultCode::HealthCheckFailed);
    assert!(fault.cause.contains("has not answered"), "{fault}");
    assert_ne!(rig.task(task).state, TaskState::Running);
    rig.pass(40 * SECOND);
    assert_eq!(rig.launches.len(), 2);
    assert_eq!(rig.killed, [run]);
}

#[test]
fn c9_a_busy_agent_that_says_nothing_is_flagged_and_restarted() {
    let mut rig = Rig::new();
    configure(&mut rig, |catalogue| {
        catalogue.roles[0].health.restart = true;
    });
    let (id, run) = rig.ready("developer");
    rig.fact(run, Fact::Busy);
    rig.answers_pings = false;
    let mut quiet = Duration::ZERO;
    let mut flagged = None;
    for _ in 0..30 {
        let before = rig.pings.len();
        rig.pass(30 * SECOND);
        quiet += 30 * SECOND;
        if rig.pings.len() == before {
            break;
        }
        let (_, number) = *rig.pings.last().unwrap();
        let tools = Some(0);
        let pulse = Pulse { quiet, tools };
        rig.event(Event::Pong { run, number, pulse });
        if flagged.is_none() && health(&mut rig, id) == Health::Warning {
            flagged = Some(quiet);
        }
    }
    assert_eq!(flagged, Some(300 * SECOND));
    assert_eq!(rig.killed, [run]);
    assert_eq!(quiet, 630 * SECOND);
}

#[test]
fn c9_an_agent_that_spins_is_flagged_by_the_second_check() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.fact(run, Fact::Busy);
    rig.answers_pings = false;
    for (check, level) in [(1, Health::Healthy), (2, Health::Warning)] {
        sample(&mut rig, id, usage(99.0, 0));
        rig.pass(30 * SECOND);
        let (_, number) = *rig.pings.last().unwrap();
        let pulse = Pulse {
            quiet: 60 * SECOND,
            tools: Some(0),
        };
        rig.event(Event::Pong { run, number, pulse });
        assert_eq!(health(&mut rig, id), level, "check {check}");
    }
}

#[test]
fn a_check_now_is_answered_with_what_it_brought() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let reply = rig.order(Command::Check(id));
    assert_eq!(rig.answer(reply), Some(&Ok(Outcome::Checked(id))));
    assert_eq!(rig.pings.len(), 1);
    rig.answers_pings = false;
    let reply = rig.order(Command::Check(id));
    let same = rig.order(Command::Check(id));
    assert_eq!(rig.answer(reply), None);
    assert_eq!(rig.pings.len(), 2, "two who ask wait for one answer");
    rig.pass(5 * SECOND);
    for reply in [reply, same] {
        assert_eq!(rig.answer(reply), Some(&Ok(Outcome::Checked(id))));
    }
    assert_eq!(rig.snapshot().process(id).unwrap().condition.missed, 1);
    // It dies while it is asked.
    let reply = rig.order(Command::Check(id));
    rig.exit(run, ExitStatus::Signal(9));
    assert_eq!(rig.answer(reply), Some(&Ok(Outcome::Checked(id))));
    let unknown = rig.order(Command::Check(ProcessId(9)));
    assert_eq!(
        rig.answer(unknown),
        Some(&Err(Refusal::UnknownProcess(ProcessId(9))))
    );
}

#[test]
fn a_command_is_shown_as_alive_and_never_as_healthy() {
    let mut rig = Rig::new();
    let id = rig.hire("command");
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    rig.pass(120 * SECOND);
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!(
        (view.status, view.health),
        (Status::Running, Health::Unknown)
    );
    assert!(view.condition.why.contains("cannot be asked"));
    assert!(rig.pings.is_empty());
    let reply = rig.order(Command::Check(id));
    assert_eq!(rig.answer(reply), Some(&Ok(Outcome::Checked(id))));
}

#[test]
fn one_below_a_shim_of_an_older_build_is_unknown_and_not_offline() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.answers_pings = false;
    rig.pass(30 * SECOND);
    rig.event(Event::NoPing { run });
    rig.pass(600 * SECOND);
    assert_eq!(health(&mut rig, id), Health::Unknown);
    assert_eq!(rig.pings.len(), 1);
}

#[test]
fn memory_near_its_limit_is_an_alert_only_while_it_stays() {
    let mut rig = Rig::new();
    configure(&mut rig, |catalogue| {
        catalogue.roles[0].memory.max = 1000;
        catalogue.alerts.command = vec!["tell".to_owned()];
    });
    let (id, _) = rig.ready("developer");
    for _ in 0..2 {
        sample(&mut rig, id, usage(1.0, 900));
        rig.pass(30 * SECOND);
        assert!(open(&mut rig).is_empty());
    }
    sample(&mut rig, id, usage(1.0, 900));
    let alert = open(&mut rig).pop().unwrap();
    assert_eq!(alert.kind, AlertKind::Memory);
    assert_eq!(alert.text, "its memory stays above 80 % of its limit");
    for memory in [750, 790, 500, 500, 500] {
        sample(&mut rig, id, usage(1.0, memory));
        rig.pass(30 * SECOND);
    }
    assert!(open(&mut rig).is_empty());
    let told: Vec<bool> = rig.alarms.iter().map(Alert::is_open).collect();
    assert_eq!(told, [true, false], "its command hears of both");
}

#[test]
fn a_crash_loop_is_an_alert_until_a_stable_run_and_error_until_a_person_acts() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.exit(run, ExitStatus::Code(1));
    assert!(open(&mut rig).is_empty(), "once is no loop");
    rig.pass(31 * SECOND);
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    rig.exit(run, ExitStatus::Code(1));
    assert_eq!(kinds(&mut rig), [AlertKind::Failures]);
    let mut tries = 0;
    while rig.status(id) == Status::Backoff {
        rig.pass(300 * SECOND);
        let run = rig.launches.last().unwrap().run;
        rig.launched(run);
        rig.exit(run, ExitStatus::Code(1));
        tries += 1;
        assert!(tries < 10);
    }
    let alert = open(&mut rig).pop().unwrap();
    assert_eq!(alert.level, AlertLevel::Critical);
    assert!(alert.text.starts_with("is left down: "), "{}", alert.text);
    rig.order(Command::Start(id));
    assert!(open(&mut rig).is_empty());
}

#[test]
fn what_is_acknowledged_stays_until_it_is_over_and_survives_the_instance() {
    let mut rig = Rig::new();
    rig.event(Event::Room {
        free: 1 << 20,
        total: 1 << 40,
    });
    let alert = open(&mut rig).pop().unwrap();
    assert_eq!((alert.kind, alert.process), (AlertKind::Disk, None));
    let reply = rig.order(Command::Acknowledge(alert.id));
    assert_eq!(rig.answer(reply), Some(&Ok(Outcome::Done)));
    let mut rig = rig.reborn();
    let seen = open(&mut rig).pop().unwrap();
    assert!(seen.acknowledged.is_some() && !seen.is_new());
    rig.event(Event::Room {
        free: (1 << 30) + (1 << 20),
        total: 1 << 40,
    });
    assert_eq!(open(&mut rig).len(), 1, "not well above the mark yet");
    rig.event(Event::Room {
        free: 2 << 30,
        total: 1 << 40,
    });
    assert!(open(&mut rig).is_empty());
    assert_eq!(
        rig.snapshot().alerts.len(),
        1,
        "it is kept as one that is over"
    );
    let unknown = rig.order(Command::Acknowledge(AlertId(9)));
    assert_eq!(
        rig.answer(unknown),
        Some(&Err(Refusal::UnknownAlert(AlertId(9))))
    );
}

#[test]
fn a_trespass_is_an_alert_until_somebody_has_seen_it() {
    let mut rig = Rig::new();
    let (id, _) = rig.ready("developer");
    for _ in 0..3 {
        rig.event(Event::Trespass {
            process: id,
            what: "tried to approve".to_owned(),
        });
    }
    let alerts = open(&mut rig);
    assert_eq!(alerts.len(), 1, "the same thing is said once");
    rig.pass(3600 * SECOND);
    assert_eq!(kinds(&mut rig), [AlertKind::Trespass]);
    rig.order(Command::Acknowledge(alerts[0].id));
    assert!(open(&mut rig).is_empty());
}

#[test]
fn held_output_is_an_alert_until_it_flows() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let error = "no space".to_owned();
    rig.event(Event::Held { run, error });
    assert_eq!(kinds(&mut rig), [AlertKind::Held]);
    rig.event(Event::Flowing { run });
    assert!(open(&mut rig).is_empty());
}

#[test]
fn old_alerts_are_forgotten() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    for number in 0..150 {
        let error = "no space".to_owned();
        rig.event(Event::Held { run, error });
        rig.event(Event::Flowing { run });
        let what = format!("tried {number}");
        rig.event(Event::Trespass { process: id, what });
    }
    let snapshot = rig.snapshot();
    let open = snapshot
        .alerts
        .iter()
        .filter(|alert| alert.is_open())
        .count();
    assert_eq!((open, snapshot.alerts.len()), (100, 200));
}
