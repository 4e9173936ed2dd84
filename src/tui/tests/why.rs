//! Why somebody is as it is: the page behind `W`.

use std::sync::Arc;

use crate::domain::exit::{Ended, MemoryKill};
use crate::domain::flight::{Change, ExitNote, Figure, Flight, Sent};
use crate::domain::id::RunId;
use crate::domain::snapshot::{Activity, Snapshot, Status};
use crate::tui::tests::fixture::{Screen, ago, company};

/// Ken, who crashed, with all that is known of it.
fn crashed() -> Snapshot {
    let mut company = company();
    let ken = company
        .processes
        .iter_mut()
        .find(|process| process.name == "Ken")
        .expect("Ken");
    let ken = Arc::make_mut(ken);
    let change = |minutes, status, activity, source: &str, text: &str| Change {
        at: ago(minutes),
        status,
        activity,
        source: source.to_owned(),
        text: text.to_owned(),
    };
    ken.phase = "waits to be started again".to_owned();
    ken.history = vec![
        change(
            9,
            Status::Starting,
            Activity::Unknown,
            "headcount itself",
            "",
        ),
        change(9, Status::Running, Activity::Idle, "the agent's answer", ""),
        change(
            2,
            Status::Running,
            Activity::Busy,
            "the task queue",
            "task_0031 Fix the test",
        ),
        change(
            1,
            Status::Backoff,
            Activity::Unknown,
            "exit report",
            "crashed (PROC_004)",
        ),
    ];
    let mut exit = ken.last_exit.clone().expect("an exit");
    let note = |number, code| ExitNote {
        number,
        at: ago(1),
        status: exit.status,
        code,
        then: Status::Backoff,
    };
    let code = ken.fault.as_ref().map(|fault| fault.code);
    ken.exits = vec![note(2, code), note(1, None)];
    exit.memory = Some(MemoryKill {
        source: "the kernel's log".to_owned(),
        culprit: Some(Ended {
            pid: 77,
            name: "cc1plus\u{1b}[2J".to_owned(),
        }),
    });
    ken.flight = Some(Arc::new(Flight {
        process: ken.id,
        number: 2,
        run: RunId(9),
        started: ago(9),
        exit,
        fault: ken.fault.clone(),
        then: Status::Backoff,
        reason: String::new(),
        changes: ken.history[2..].to_vec(),
        sent: vec![Sent {
            at: ago(1),
            what: "its task was interrupted".to_owned(),
        }],
        figures: vec![
            Figure {
                at: ago(2),
                cpu_percent: 10.0,
                memory_bytes: 100_000_000,
            },
            Figure {
                at: ago(1),
                cpu_percent: 98.0,
                memory_bytes: 1_900_000_000,
            },
        ],
        lines: vec!["2026-11-23 10:39:59 > the last words".to_owned()],
    }));
    company
}

#[test]
fn why_shows_how_it_came_to_that_and_the_last_minute() {
    let mut wide = Screen::new(crashed(), 120, 50);
    wide.keys("jjjW");
    let page = wide.text();
    for part in [
        "Why Ken is backoff",
        "Known from  the agent's own event",
        "Phase       waits to be started again",
        "How it came to that",
        "busy, by the task queue: task_0031 Fix the test",
        "backoff, by exit report: crashed (PROC_004)",
        "Last exits",
        "(PROC_004), then backoff",
        "headcount why proc_004 --exit N",
        "The last minute before exit 2",
        "was killed for lack of it; says the kernel's log",
        "its task was interrupted",
        "98%",
        "1.8G",
        "the last words",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains('\u{1b}'), "{page}");
    let mut small = Screen::new(crashed(), 80, 24);
    small.keys("jjjW");
    let first = small.text();
    let fault = crashed().processes[3].fault.clone().expect("a fault");
    assert!(first.contains(&fault.to_string()), "{first}");
    assert!(first.contains(&fault.remedy), "{first}");
    small.keys("G");
    assert!(small.text().contains("the last words"));
    for (width, height) in [(20, 5), (1, 1), (200, 50)] {
        Screen::new(crashed(), width, height).keys("jjjW");
    }
}

#[test]
fn why_of_somebody_who_was_removed_says_so() {
    let mut screen = Screen::new(crashed(), 80, 24);
    screen.keys("jjjW");
    screen.snapshot.processes.remove(3);
    assert!(screen.text().contains("It was removed."));
}
