//! Starts and ends by the hundred: what the instance holds stays what it was.

use std::fs;
use std::thread;

use crate::instance::Instance;

/// A plain command that ends at once.
const ROLES: &str = r#"
[defaults]
agent = "nothing"
[departments.operations]
title = "Operations"
cpu = { min = 0.1, max = 1.0 }
memory = { min = "16MB", max = "64MB" }
[roles.ender]
title = "Ender"
department = "operations"
[agents.nothing]
command = "true"
protocol = "plain"
"#;
/// So many at once: most of a start is waiting.
const PROCESSES: usize = 8;
/// Starts until everything that is made once is there.
const WARM: usize = 64;

/// What an instance holds.
#[derive(Debug)]
struct Held {
    files: usize,
    threads: usize,
    resident_kib: usize,
    children: usize,
    run_folders: usize,
}

fn count(folder: &str) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

fn held(instance: &Instance, pid: u32) -> Held {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|text| text.parse().ok()).expect("a number")
    };
    let threads: usize = field("Threads:");
    let children = fs::read_dir(format!("/proc/{pid}/task"))
        .expect("its threads")
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .map(|children| children.split_whitespace().count())
        .sum();
    Held {
        files: count(&format!("/proc/{pid}/fd")),
        threads,
        resident_kib: field("VmRSS:"),
        children,
        run_folders: fs::read_dir(instance.state().join("runs")).map_or(0, Iterator::count),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "what a run by hand has seen is in its output"
)]
fn starts(count: usize) {
    let instance = Instance::with(false, Vec::new());
    fs::write(instance.workspace().join("roles.toml"), ROLES).expect("it is ours");
    instance.ok(&["create", "ender", "--count", &PROCESSES.to_string()]);
    let pid = instance.pid();
    let turn = |count: usize| {
        let one = |number: usize| {
            let process = format!("proc_{number:03}");
            for _ in 0..count / PROCESSES {
                instance.ok(&["restart", &process]);
            }
            // The last end is settled when an order for it is answered.
            instance.ok(&["stop", &process]);
        };
        thread::scope(|scope| {
            for number in 1..=PROCESSES {
                scope.spawn(move || one(number));
            }
        });
    };
    turn(WARM);
    let before = held(&instance, pid);
    turn(count);
    let after = held(&instance, pid);
    assert_eq!(instance.pid(), pid, "it is the same instance");
    let seen = format!("{count} starts: {before:?}, then {after:?}");
    println!("{seen}");
    assert!(after.files <= before.files + 4, "{seen}");
    // Threads that wait for work go after a while, so that there may be some more or less.
    assert!(after.threads <= before.threads + 8, "{seen}");
    // The cache of the database fills, and now and then the database is copied.
    assert!(
        after.resident_kib <= before.resident_kib + 12 * 1024,
        "{seen}"
    );
    // The output of its last run is the log of each.
    assert!(after.children <= PROCESSES, "{seen}");
    assert!(after.run_folders <= 2 * PROCESSES, "{seen}");
    instance.close();
}

#[test]
fn d11_two_hundred_starts_and_ends_leave_nothing_behind() {
    starts(200);
}

#[test]
#[ignore = "takes some minutes: cargo test --test faults -- --ignored --nocapture d11"]
fn d11_ten_thousand_starts_and_ends_leave_nothing_behind() {
    starts(10_000);
}
