//! Evidence of each status, and what is kept of an exit.

use std::time::Duration;

use super::rig::{Rig, exit_of};
use crate::domain::command::Command;
use crate::domain::event::{Event, Fact, LaunchFailure};
use crate::domain::exit::{Ended, Exit, ExitStatus, MemoryKill};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::flight::EXITS;
use crate::domain::id::ProcessId;
use crate::domain::inbox::Ask;
use crate::domain::snapshot::{Activity, Machine, ProcessView, Status, Usage};

const SECOND: Duration = Duration::from_secs(1);

fn view(rig: &mut Rig, id: ProcessId) -> ProcessView {
    rig.snapshot().process(id).unwrap().as_ref().clone()
}

/// The changes of state of a process, each with what said so.
fn history(rig: &mut Rig, id: ProcessId) -> Vec<String> {
    let changes = view(rig, id).history;
    let line = |change: &crate::domain::flight::Change| {
        let word = match change.status {
            Status::Running => change.activity.as_str(),
            status => status.as_str(),
        };
        format!("{word} by {}", change.source)
    };
    changes.iter().map(line).collect()
}

fn measured(rig: &mut Rig, id: ProcessId, memory_bytes: u64) {
    let usage = Usage {
        cpu_percent: 50.0,
        memory_bytes,
        ..Usage::default()
    };
    rig.event(Event::Sampled {
        machine: Machine::default(),
        trees: vec![(id, usage)],
        members: vec![],
    });
}

#[test]
fn each_status_says_what_it_is_known_from() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.add("work", None);
    let ask = Ask::Permission {
        tool: "Bash".to_owned(),
        subject: "ls".to_owned(),
        diff: None,
        description: None,
        rule: "Bash(ls *)".to_owned(),
    };
    rig.fact(
        run,
        Fact::Asked {
            key: "key".to_owned(),
            ask,
            input: serde_json::Value::Null,
        },
    );
    let request = rig.snapshot().requests[0].id;
    rig.order(Command::Approve(request));
    rig.turn_ends(run, true);
    rig.exit(run, ExitStatus::Code(1));
    rig.pass(30 * SECOND);
    rig.comes_up();
    rig.order(Command::Stop(id));
    rig.exit(rig.launches[1].run, ExitStatus::Code(0));
    assert_eq!(
        history(&mut rig, id),
        [
            "starting by an order on the command line",
            "idle by the agent's answer",
            "busy by the task queue",
            "waiting by the agent's own event",
            "busy by an order on the command line",
            "idle by the agent's own event",
            "backoff by exit report",
            "starting by headcount itself",
            "idle by the agent's answer",
            "stopping by an order on the command line",
            "stopped by exit report",
        ]
    );
    let last = view(&mut rig, id).history.pop().unwrap();
    assert_eq!(last.text, "stopped by you");
}

#[test]
fn without_a_word_of_the_agent_nothing_is_known() {
    let mut rig = Rig::new();
    let id = rig.hire("command");
    rig.launched(rig.launches[0].run);
    let view = view(&mut rig, id);
    assert_eq!(
        (view.status, view.activity),
        (Status::Running, Activity::Unknown)
    );
    assert_eq!(view.evidence.source, "launch");
}

#[test]
fn the_phases_of_a_life_are_named() {
    let mut rig = Rig::new();
    let id = rig.hire("developer");
    let mut phases = vec![view(&mut rig, id).phase];
    let run = rig.launches[0].run;
    rig.launched(run);
    phases.push(view(&mut rig, id).phase);
    rig.comes_up();
    phases.push(view(&mut rig, id).phase);
    rig.add("work", None);
    phases.push(view(&mut rig, id).phase);
    rig.order(Command::Stop(id));
    phases.push(view(&mut rig, id).phase);
    rig.turn_ends(run, true);
    phases.push(view(&mut rig, id).phase);
    rig.event(Event::LeaderExited {
        run,
        status: ExitStatus::Code(0),
    });
    phases.push(view(&mut rig, id).phase);
    rig.exit(run, ExitStatus::Code(0));
    phases.push(view(&mut rig, id).phase);
    assert_eq!(
        phases,
        [
            "initialization: prompt, tools, environment, folder",
            "initialization: health check",
            "active: ready",
            "active: task executed",
            "termination: the current task finishes",
            "termination: asked to end",
            "clean-up: its processes are ended",
            "down",
        ]
    );
}

#[test]
fn the_last_minute_before_an_exit_is_kept() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    for second in 0..100 {
        measured(&mut rig, id, second);
        rig.pass(SECOND);
    }
    rig.add("work", None);
    rig.order(Command::Stop(id));
    rig.order(Command::Stop(id));
    rig.order(Command::Stop(id));
    rig.exit(run, ExitStatus::Signal(9));
    let [flight] = rig.flights.as_slice() else {
        panic!("one exit: {:?}", rig.flights);
    };
    assert_eq!((flight.number, flight.run, flight.process), (1, run, id));
    assert_eq!(
        (flight.then, flight.reason.as_str()),
        (Status::Stopped, "stopped by you")
    );
    assert_eq!(flight.fault, None);
    assert_eq!(flight.lines, ["the last line"]);
    let sent: Vec<&str> = flight.sent.iter().map(|sent| sent.what.as_str()).collect();
    assert_eq!(
        sent,
        ["its task was interrupted", "SIGKILL to its whole tree"]
    );
    assert_eq!(
        flight.figures.last().map(|figure| figure.memory_bytes),
        Some(99)
    );
    assert!((50..=60).contains(&flight.figures.len()));
    // The state that was in force when the minute began, and what came since.
    let states: Vec<Status> = flight.changes.iter().map(|change| change.status).collect();
    let expected = [
        Status::Running,
        Status::Running,
        Status::Stopping,
        Status::Stopped,
    ];
    assert_eq!(states, expected);
    let shown = view(&mut rig, id);
    assert_eq!(shown.flight.as_deref(), rig.flights.first());
    assert_eq!(shown.exits[0].number, 1);
}

#[test]
fn exits_are_counted_and_only_the_last_are_listed() {
    let mut rig = Rig::new();
    let (id, mut run) = rig.ready("developer");
    for _ in 0..25 {
        rig.exit(run, ExitStatus::Code(3));
        rig.order(Command::Start(id));
        run = rig.comes_up();
    }
    let exits = view(&mut rig, id).exits;
    assert_eq!(exits.len(), EXITS);
    assert_eq!((exits[0].number, exits[EXITS - 1].number), (25, 6));
    assert_eq!(exits[0].code, Some(FaultCode::Crashed));
    // The next instance goes on counting.
    let mut reborn = rig.reborn();
    reborn.exit(run, ExitStatus::Code(3));
    assert_eq!(reborn.flights[0].number, 26);
    assert_eq!(view(&mut reborn, id).exits.len(), EXITS);
}

#[test]
fn an_exit_that_was_not_stored_is_kept_again_under_its_number() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    rig.slow = Some(vec![]);
    rig.exit(run, ExitStatus::Code(1));
    assert_eq!(rig.flights[0].number, 1);
    assert_eq!(rig.acknowledged, []);
    // The instance dies before the disk has taken it; its shim reports to the next one.
    let mut reborn = rig.reborn();
    reborn.exit(run, ExitStatus::Code(1));
    assert_eq!(reborn.flights[0].number, 1);
    assert_eq!(reborn.acknowledged, [run]);
}

#[test]
fn c7_who_was_killed_for_memory_is_named_with_what_it_had() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    measured(&mut rig, id, 1_900_000_000);
    let culprit = Ended {
        pid: 77,
        name: "cc1plus".to_owned(),
    };
    let cause = "killed for lack of memory: cc1plus (PID 77); says the kernel's log";
    rig.event(Event::Exited {
        run,
        exit: Box::new(Exit {
            memory: Some(MemoryKill {
                source: "the kernel's log".to_owned(),
                culprit: Some(culprit),
            }),
            ..exit_of(ExitStatus::Signal(9))
        }),
        failure: Some(LaunchFailure {
            fault: Fault::new(FaultCode::LimitsExceeded, cause, "less at once"),
            permanent: false,
        }),
        lines: vec![],
    });
    let view = view(&mut rig, id);
    assert_eq!((view.status, view.tries.0), (Status::Backoff, 1));
    assert_eq!(
        view.fault.unwrap().to_string(),
        format!("{cause}; it had 1900 MB when measured last (PROC_003)")
    );
    assert_eq!(view.exits[0].code, Some(FaultCode::LimitsExceeded));
}

#[test]
fn what_an_older_build_has_stored_is_understood() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.exit(run, ExitStatus::Code(1));
    rig.pass(30 * SECOND);
    let run = rig.comes_up();
    for document in rig.saved.processes.values_mut() {
        let mut value: serde_json::Value = serde_json::from_str(document).unwrap();
        let process = value.as_object_mut().unwrap();
        for key in ["history", "exits", "exits_ever", "failures", "looks"] {
            assert!(process.remove(key).is_some(), "{key}");
        }
        let live = process["phase"].as_object_mut().unwrap();
        for key in ["sent", "up_since"] {
            assert!(live.remove(key).is_some(), "{key}");
        }
        let exit = process["last_exit"].as_object_mut().unwrap();
        assert!(exit.remove("memory").is_some());
        *document = value.to_string();
    }
    let mut reborn = rig.reborn();
    assert_eq!(reborn.status(id), Status::Running);
    reborn.exit(run, ExitStatus::Code(1));
    assert_eq!(
        (reborn.status(id), reborn.flights[0].number),
        (Status::Backoff, 1)
    );
}
