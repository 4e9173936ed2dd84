//! Every screen at the sizes that people have, of companies of every size: one picture book a screen.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::domain::id::{RequestId, TaskId};
use crate::domain::snapshot::{Activity, Member, ProcessView, Snapshot, Status, TaskCounts};
use crate::domain::task::{Target, TaskState};
use crate::tui::tests::fixture::{
    MEBI, Screen, company, crowd, down, empty, permission, process, task, waits,
};
use crate::tui::text;

const SIZES: [(u16, u16); 4] = [(80, 24), (120, 40), (200, 50), (50, 20)];
/// Nobody, one, some, many.
const ALL: &[u64] = &[0, 1, 20, 200];

/// Draws a screen of each company at each size, holds what is true of every frame, and compares the
/// whole with what is kept.
fn check(name: &str, keys: &str, counts: &[u64]) {
    let mut book = String::new();
    for (width, height) in SIZES {
        for count in counts {
            let mut screen = Screen::new(staffed(*count), width, height);
            screen.keys(keys);
            let frame = screen.text();
            let title = format!("{name} of {count} at {width}x{height}");
            sound(&title, &frame, usize::from(width));
            writeln!(book, "== {title}\n{frame}").expect("a string takes all");
        }
    }
    insta::assert_snapshot!(format!("book_{name}"), book);
}

/// What no frame may have.
fn sound(title: &str, frame: &str, width: usize) {
    for line in frame.lines() {
        assert!(text::width(line) <= width, "{title}: too wide: {line}");
    }
    let words = [
        "processes",
        "tasks",
        "lines",
        "files",
        "roles",
        "others",
        "terminals",
        "employees",
    ];
    for word in words {
        for before in [" 1 ", "(1 ", "\n1 "] {
            let wrong = format!("{before}{word}");
            assert!(!frame.contains(&wrong), "{title}: `{wrong}`\n{frame}");
        }
    }
    assert!(frame.lines().count() > 4, "{title} says nothing");
}

/// A company of so many with tasks, some of them in each state, and requests of some.
fn staffed(count: u64) -> Snapshot {
    if count == 0 {
        return empty();
    }
    let mut snapshot = crowd(count);
    let mut requests = Vec::new();
    for (at, entry) in snapshot.processes.iter_mut().enumerate() {
        let one = Arc::make_mut(entry);
        match at {
            0 => show_all(one),
            _ if at % 5 == 2 => {
                let number = u64::try_from(requests.len()).unwrap_or(0) + 1;
                let ask = permission(number, one.id.0, "git push origin main", 3);
                one.status = Status::Waiting;
                one.activity = Activity::Busy;
                one.now = ask.ask.line();
                one.requests = vec![RequestId(number)];
                requests.push(Arc::new(ask));
            }
            _ if at % 7 == 4 => {
                *one = ProcessView {
                    now: "stopped by you 09:12".to_owned(),
                    ..down(one.clone(), Status::Stopped)
                };
            }
            _ => {}
        }
    }
    snapshot.requests = requests;
    let states = [
        TaskState::Running,
        TaskState::Queued,
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Held,
    ];
    let mut counts = TaskCounts::default();
    let tasks = (1..=count).map(|number| {
        let at = usize::try_from(number).unwrap_or(0) % states.len();
        let state = states.get(at).copied().unwrap_or(TaskState::Queued);
        counts.add(state);
        let text = format!("Look into the report of customer {number} and answer it");
        Arc::new(task(number, &text, state))
    });
    snapshot.tasks = tasks.collect();
    snapshot.waits = waits(Target::default(), "all who fit are busy");
    snapshot.counts = counts;
    snapshot
}

/// The first one has something in every section.
fn show_all(one: &mut ProcessView) {
    let member = |pid, parent, name: &str, cpu_percent, mebi| Member {
        pid,
        parent,
        name: name.to_owned(),
        cpu_percent,
        memory_bytes: mebi * MEBI,
    };
    one.members = vec![
        member(12_345, 12_300, "claude", 1.5, 212),
        member(12_390, 12_345, "bash", 0.0, 4),
        member(12_391, 12_390, "cargo", 0.4, 18),
        member(12_402, 12_391, "rustc", 97.0, 640),
        member(12_393, 12_345, "node server.js", 2.0, 88),
    ];
    one.last_tasks = vec![TaskId(2)];
    let updates = company()
        .processes
        .iter()
        .find_map(|one| one.updates.clone());
    one.updates_available = updates.is_some();
    one.updates = updates;
}

#[test]
fn the_processes() {
    check("processes", "", ALL);
}

#[test]
fn the_tasks() {
    check("tasks", "2", ALL);
}

#[test]
fn the_inbox() {
    check("inbox", "3", ALL);
}

#[test]
fn the_roles() {
    check("roles", "4", &[0, 20]);
}

#[test]
fn the_details() {
    check("details", "<enter>", &[1, 200]);
}

#[test]
fn the_log() {
    check("log", "l", &[1, 200]);
}

#[test]
fn the_hire_dialog() {
    check("hire", "njj2", &[0, 20]);
}

#[test]
fn the_updates() {
    check("updates", "u", &[1, 200]);
}

#[test]
fn the_help() {
    check("help", "?", &[0, 20]);
}

#[test]
fn the_palette() {
    check("palette", ":", &[0, 200]);
}

#[test]
fn the_reason_of_a_status() {
    check("why", "jjW", &[1, 20, 200]);
}

#[test]
fn one_that_was_never_started_has_nothing_to_measure() {
    let mut company = company();
    let role = company.catalogue.roles.first().cloned().expect("a role");
    let never = ProcessView {
        last_run: None,
        conversation: None,
        command: None,
        sandbox: crate::domain::sandbox::Sandbox::default(),
        environment: vec![],
        now: "not started".to_owned(),
        ..down(process(9, "Hedy", &role), Status::Stopped)
    };
    company.processes = vec![Arc::new(never)];
    let mut screen = Screen::new(company, 80, 24);
    screen.keys("<enter>");
    let text = screen.text();
    for says in [
        "down, and never started",
        "It is down: nothing is measured.",
    ] {
        assert!(text.contains(says), "{text}");
    }
    assert!(
        !text.contains("Tree") && !text.contains("Last exit"),
        "{text}"
    );
}
