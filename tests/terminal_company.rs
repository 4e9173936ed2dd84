//! A company at work on several real terminals at once, and the tour of the README by its keys.

mod terminal_support;

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;
use terminal_support::{Company, Pace, Screen};

/// A company whose employees talk without a pause, each line with its number.
fn talkers(count: usize) -> Company {
    let company = Company::new();
    let roles = r#"
[defaults]
agent = "shell"
[departments.operations]
title = "Operations"
cpu = { min = 0.1, max = 2.0 }
memory = { min = "16MB", max = "1GB" }
[roles.talker]
title = "Talker"
department = "operations"
[agents.shell]
command = "sh"
args = ["-c", "i=0; while :; do i=$((i+1)); echo $i; done"]
protocol = "plain"
"#;
    fs::write(company.workspace().join("roles.toml"), roles).expect("roles.toml");
    ok(
        &company,
        &["create", "talker", "--count", &count.to_string()],
    );
    company
}

fn ok(company: &Company, words: &[&str]) -> String {
    let output = company.command(words).output().expect("the program starts");
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(company: &Company, words: &[&str]) -> Value {
    let words = [words, &["--json"]].concat();
    serde_json::from_str(&ok(company, &words)).expect("a JSON document")
}

/// One field of every process.
fn all(company: &Company, field: &str) -> Vec<String> {
    let processes = json(company, &["ps"]);
    let list = processes.as_array().expect("a list");
    list.iter().map(|one| one[field].to_string()).collect()
}

/// The number in the last line that is shown of a log: how far it has come.
fn last_number(screen: &Screen) -> Option<u64> {
    let shown = screen.shown();
    let numbers = shown.lines().filter_map(|line| line.trim().parse().ok());
    numbers.max()
}

#[test]
fn three_terminals_under_load_each_have_their_own_and_outlive_each_other() {
    let company = talkers(5);
    let pids = all(&company, "pid");
    let names: Vec<String> = all(&company, "employee")
        .iter()
        .map(|name| name.trim_matches('"').to_owned())
        .collect();
    let title = |id: &str| format!("Talker · {id}");
    let mut small = company.open_sized((24, 80), Pace::Eager);
    let mut middle = company.open_sized((40, 120), Pace::Eager);
    let mut large = company.open_sized((50, 200), Pace::Eager);
    for screen in [&small, &middle, &large] {
        screen.wait_for_the_screen();
        screen.wait_for("Talker");
    }
    company.wait_for_terminals(3);
    // One follows a log, one reads the beginning of another, one looks at somebody else.
    small.keys(b"l");
    small.wait_for(&title("proc_001"));
    small.wait_for("following");
    middle.keys(b"jlg");
    middle.wait_for(&title("proc_002"));
    middle.wait(" the first line", |screen| {
        screen.lines().any(|line| line.trim() == "1") && !screen.contains("following")
    });
    large.keys(b"G\r");
    large.wait_for(&title("proc_005"));
    let seen = last_number(&small).unwrap_or(0);
    small.wait("a later line", |shown| {
        let numbers = shown
            .lines()
            .filter_map(|line| line.trim().parse::<u64>().ok());
        numbers.max().is_some_and(|number| number > seen)
    });
    assert!(middle.shown().lines().any(|line| line.trim() == "1"));
    assert_eq!(names.len(), 5);

    small.signal(Signal::SIGHUP);
    small.ended();
    small.assert_restored();
    company.wait_for_terminals(2);
    middle.signal(Signal::SIGKILL);
    middle.ended();
    company.wait_for_terminals(1);
    large.assert_alive();
    assert!(
        large.shown().contains(&title("proc_005")),
        "{}",
        large.shown()
    );
    assert_eq!(all(&company, "pid"), pids);
    ok(&company, &["down", "--force"]);
}

#[test]
fn e2_a_screen_that_is_stopped_disturbs_nobody_and_goes_on_with_the_present() {
    let company = talkers(2);
    let pids = all(&company, "pid");
    let mut stopped = company.open_sized((24, 80), Pace::Eager);
    let mut well = company.open_sized((24, 80), Pace::Eager);
    for screen in [&mut stopped, &mut well] {
        screen.wait_for_the_screen();
        screen.keys(b"l");
        screen.wait_for("following");
    }
    stopped.signal(Signal::SIGSTOP);
    for _ in 0..5 {
        let seen = last_number(&well).unwrap_or(0);
        well.wait("a later line", |shown| {
            let numbers = shown
                .lines()
                .filter_map(|line| line.trim().parse::<u64>().ok());
            numbers.max().is_some_and(|number| number > seen)
        });
    }
    assert_eq!(all(&company, "pid"), pids);
    let seen = last_number(&well).unwrap_or(0);
    stopped.signal(Signal::SIGCONT);
    stopped.wait("the present", |shown| {
        let numbers = shown
            .lines()
            .filter_map(|line| line.trim().parse::<u64>().ok());
        numbers.max().is_some_and(|number| number >= seen)
    });
    stopped.assert_alive();
    ok(&company, &["down", "--force"]);
}

#[test]
fn e4_a_stuck_and_a_slow_terminal_hold_nobody_up() {
    let company = talkers(2);
    let pids = all(&company, "pid");
    let mut stuck = company.open_sized((50, 200), Pace::Stuck);
    let mut slow = company.open_sized((50, 200), Pace::Slow);
    let mut well = company.open_sized((24, 80), Pace::Eager);
    well.wait_for_the_screen();
    company.wait_for_terminals(3);
    // Both are sent more than they take: a log that never stands still.
    stuck.keys(b"l");
    slow.keys(b"l");
    well.keys(b"l");
    well.wait_for("following");
    for _ in 0..5 {
        let seen = last_number(&well).unwrap_or(0);
        well.wait("a later line", |shown| {
            let numbers = shown
                .lines()
                .filter_map(|line| line.trim().parse::<u64>().ok());
            numbers.max().is_some_and(|number| number > seen)
        });
        well.assert_alive();
    }
    assert_eq!(all(&company, "pid"), pids);
    // The slow one is late, and right: it shows the log as it was a moment ago.
    slow.wait_for("proc_001");
    stuck.signal(Signal::SIGKILL);
    company.wait_for_terminals(2);
    ok(&company, &["down", "--force"]);
    company.wait_for_the_end();
}

#[test]
fn e3_any_size_is_drawn_while_lines_come_in() {
    let company = talkers(1);
    let mut screen = company.open();
    screen.wait_for_the_screen();
    screen.keys(b"l");
    screen.wait_for("following");
    for round in 0..20 {
        for (rows, columns) in [(0, 0), (1, 1), (5, 20), (3, 200), (24, 80 + round)] {
            screen.resize(rows, columns);
        }
    }
    screen.assert_alive();
    screen.wait_for("following");
    ok(&company, &["down", "--force"]);
}

#[test]
fn the_tour_of_the_readme_goes_as_it_says() {
    let company = Company::new();
    let program = env!("CARGO_BIN_EXE_headcount");
    let mut screen = company.run(&[program, "--demo"], &[]);
    screen.wait_for_the_screen();
    // 1. Hire.
    screen.keys(b"n");
    screen.wait_for("Senior Developer");
    let chosen = |shown: &str| {
        let here = |line: &&str| line.starts_with('▌');
        shown.lines().find(here).unwrap_or("").to_owned()
    };
    while !chosen(&screen.shown()).contains("Senior Developer") {
        let before = chosen(&screen.shown());
        screen.keys(b"j");
        screen.wait("the next role", |shown| chosen(shown) != before);
    }
    screen.keys(b"\r");
    screen.wait_for("Ada");
    screen.wait_for(" idle ");
    // 2. Give a task.
    screen.keys(b"tSLOW 20 one two three four\x13");
    // The header has it before the editor is gone, which would take the next key for text.
    let under_way = |shown: &str| shown.contains("EMPLOYEE") && shown.contains("1 busy");
    screen.wait("the task under way", under_way);
    // 3. Watch.
    screen.keys(b"l");
    screen.wait_for("Ada · Senior Developer · proc_001");
    screen.wait_for("SLOW 20 one two three four");
    screen.keys(b"\x1b");
    screen.wait_for("EMPLOYEE");
    screen.keys(b"\r");
    screen.wait_for("Resources");
    screen.keys(b"W");
    screen.wait_for("Why Ada is busy");
    screen.keys(b"\x1b");
    screen.wait("the details again", |shown| {
        shown.contains("Resources") && !shown.contains("Why Ada is busy")
    });
    screen.keys(b"\x1b");
    screen.wait_for("EMPLOYEE");
    // 4. Answer.
    screen.keys(b"tASK git push origin main\x13");
    screen.wait_for("asks: git push");
    screen.keys(b"w3");
    screen.wait_for("git push origin main");
    screen.keys(b"1y");
    screen.wait_for("idle");
    // 5. Stop, and start again: in the same conversation.
    let conversation = || json(&company, &["--demo", "inspect", "ada"])["session_id"].clone();
    let before = conversation();
    screen.keys(b"x");
    screen.wait_for(" 0 left");
    screen.keys(b"s");
    screen.wait_for("idle");
    assert_eq!(conversation(), before);
    // 6. Leave and come back. (The README's story takes a minute; `down` would wait for it.)
    screen.keys(b"tSLOW 6 a long story\x13");
    screen.wait("the story under way", under_way);
    screen.keys(b"q");
    assert_eq!(screen.ended(), 0);
    screen.assert_restored();
    let mut screen = company.run(&[program, "--demo"], &[]);
    screen.wait_for("Ada");
    screen.wait_for("1 busy");
    screen.keys(b"?");
    screen.wait_for("this once");
    // 7. End.
    ok(&company, &["--demo", "down"]);
    screen.ended();
    screen.assert_restored();
    screen.wait_for("The instance ended.");
}

#[test]
fn who_comes_back_is_told_what_happened_and_who_missed_nothing_is_not() {
    let company = Company::new();
    let program = env!("CARGO_BIN_EXE_headcount");
    let open = || company.run(&[program, "--demo"], &[]);
    let create = ["--demo", "create", "senior_developer", "--name", "Ada"];
    ok(&company, &create);
    // The first time ever: nobody was away.
    let mut screen = open();
    screen.wait_for("Ada");
    screen.keys(b"q");
    assert_eq!(screen.ended(), 0);
    company.wait_for_terminals(0);
    // Nothing happened: nothing comes up, and a key says so.
    let mut screen = open();
    screen.wait_for("EMPLOYEE");
    screen.keys(b"B");
    screen.wait_for("Nothing happened");
    screen.keys(b"\x1b");
    screen.wait_for("EMPLOYEE");
    screen.keys(b"q");
    assert_eq!(screen.ended(), 0);
    company.wait_for_terminals(0);

    let task = |text: &str| {
        let add = ["--demo", "task", "add", text, "--retries", "0"];
        let id = ok(&company, &add);
        let wait = ["--demo", "task", "wait", id.trim(), "--timeout", "60s"];
        // It fails where the task does.
        company.command(&wait).output().expect("the program starts");
    };
    task("SAY all is well");
    task("CRASH 3");
    let mut screen = open();
    screen.wait_for("While you were away");
    screen.wait_for("all is well");
    screen.wait_for("PROC_004");
    screen.keys(b"x");
    screen.wait("the list in its place", |shown| {
        shown.contains("EMPLOYEE") && !shown.contains("While you were away")
    });
    // The key closed it and did nothing else.
    let processes = json(&company, &["--demo", "ps"]);
    assert_ne!(processes[0]["status"], "stopped", "{processes:#}");
    screen.keys(b"B");
    screen.wait_for("all is well");
    screen.keys(b"\r");
    // What failed waits in the inbox until somebody says that this is all.
    screen.wait_for("EMPLOYEE");
    screen.keys(b"3");
    screen.wait_for("CRASH 3");
    screen.keys(b"K");
    screen.wait("nothing that waits", |shown| !shown.contains("CRASH 3"));
    ok(&company, &["--demo", "down", "--force"]);
}
