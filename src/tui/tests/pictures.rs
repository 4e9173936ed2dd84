//! The screens as pictures, at the sizes that people have.

use std::sync::Arc;

use crate::domain::chronicle::What;
use crate::domain::digest::{Digest, RestartNote, TaskNote, WaitNote};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::{ProcessId, RequestId, TaskId};
use crate::domain::snapshot::{Level, Snapshot, Status};
use crate::tui::look::{Capabilities, ColourDepth};
use crate::tui::tests::fixture::{
    self, Screen, alert, caps, company, crowd, digest, edit, empty, message, now, question,
};

/// Draws a company after some keys and compares with the picture that is kept.
fn check(name: &str, mut screen: Screen, keys: &str) {
    screen.keys(keys);
    insta::assert_snapshot!(name, screen.text());
}

/// Three open requests of the three kinds.
fn asking() -> Snapshot {
    let mut company = company();
    company.requests.insert(0, Arc::new(edit(2, 2)));
    company.requests.insert(1, Arc::new(question(3, 3)));
    company
}

#[test]
fn the_process_list_at_every_size() {
    check("processes_80x24", Screen::new(company(), 80, 24), "");
    check("processes_120x40", Screen::new(company(), 120, 40), "");
    check("processes_200x50", Screen::new(company(), 200, 50), "j");
    check("processes_50x20", Screen::new(company(), 50, 20), "");
    check("processes_20x5", Screen::new(company(), 20, 5), "");
}

#[test]
fn the_process_list_of_one_of_twenty_and_of_two_hundred() {
    check("processes_one", Screen::new(crowd(1), 80, 24), "");
    check("processes_twenty", Screen::new(crowd(20), 120, 40), "");
    check(
        "processes_two_hundred",
        Screen::new(crowd(200), 120, 40),
        "G",
    );
}

#[test]
fn the_process_list_sorted_folded_and_marked() {
    for (width, height) in [(80, 24), (120, 40), (50, 20)] {
        let screen = || Screen::new(company(), width, height);
        let size = format!("{width}x{height}");
        check(&format!("processes_sorted_{size}"), screen(), "SSSSS");
        check(&format!("processes_folded_{size}"), screen(), "<left>");
        check(&format!("processes_marked_{size}"), screen(), "j jVx");
    }
}

#[test]
fn every_screen_has_something_to_say_when_it_is_empty() {
    check("empty_processes", Screen::new(empty(), 80, 24), "");
    check("empty_tasks", Screen::new(empty(), 80, 24), "2");
    check("empty_inbox", Screen::new(empty(), 80, 24), "3");
    let mut bare = empty();
    bare.catalogue = Arc::default();
    check("empty_roles", Screen::new(bare, 80, 24), "4");
    check(
        "filter_without_a_hit",
        Screen::new(company(), 80, 24),
        "/zzz<enter>",
    );
}

#[test]
fn details_show_everything_about_one_process() {
    check(
        "details_80x24",
        Screen::new(company(), 80, 24),
        "jjj<enter>",
    );
    check("details_120x40", Screen::new(company(), 120, 40), "<enter>");
    check("details_50x20", Screen::new(company(), 50, 20), "<enter>");
    check(
        "details_of_a_failure",
        Screen::new(company(), 120, 40),
        "jjj<enter>",
    );
}

#[test]
fn logs_follow_and_scroll() {
    check("log_following", Screen::new(company(), 80, 24), "l");
    check("log_scrolled", Screen::new(company(), 80, 24), "lkkk");
    check("log_beginning", Screen::new(company(), 80, 24), "lg");
    check("log_50x20", Screen::new(company(), 50, 20), "l");
    for (width, height) in [(80, 24), (120, 40), (50, 20)] {
        let screen = || Screen::new(company(), width, height);
        check(
            &format!("log_search_{width}x{height}"),
            screen(),
            "l/cargo<enter>N",
        );
        check(&format!("log_errors_{width}x{height}"), screen(), "lFFFFL");
    }
    check(
        "log_search_typed",
        Screen::new(company(), 80, 24),
        "l/cargo",
    );
}

#[test]
fn tasks_stand_in_groups_and_open_whole() {
    check("tasks_80x24", Screen::new(company(), 80, 24), "2j");
    check("tasks_120x40", Screen::new(company(), 120, 40), "2");
    check("tasks_50x20", Screen::new(company(), 50, 20), "2");
    check("task_done", Screen::new(company(), 80, 24), "2G<enter>");
    check(
        "task_failed",
        Screen::new(company(), 80, 24),
        "2jjjj<enter>",
    );
}

/// A company in which something is wrong.
fn alarmed() -> Snapshot {
    let mut company = asking();
    let mut seen = alert(2, None, "the disk of the state folder is nearly full");
    Arc::make_mut(&mut seen).acknowledged = Some(seen.since);
    company.alerts = vec![alert(1, Some((2, "Linus")), "it does not respond"), seen];
    company
}

#[test]
fn alerts_stand_in_the_header_and_above_what_is_asked() {
    check("alerts_80x24", Screen::new(alarmed(), 80, 24), "3");
    check("alerts_120x40", Screen::new(alarmed(), 120, 40), "3");
    check("alerts_50x20", Screen::new(alarmed(), 50, 20), "3");
    let mut alone = empty();
    alone.alerts = (1..=9)
        .map(|number| alert(number, Some((1, "Ada")), "it does not respond"))
        .collect();
    check("alerts_alone", Screen::new(alone, 80, 24), "3");
}

#[test]
fn the_inbox_shows_the_whole_request() {
    check("inbox_80x24", Screen::new(asking(), 80, 24), "3");
    check("inbox_160x40", Screen::new(asking(), 160, 40), "3j");
    check("inbox_50x20", Screen::new(asking(), 50, 20), "3jj");
    check("inbox_answered", Screen::new(asking(), 80, 24), "3G");
    check("request_whole", Screen::new(asking(), 80, 24), "3<enter>");
}

#[test]
fn the_inbox_answers_several_and_puts_off() {
    let mut asking = asking();
    let other = crate::tui::tests::fixture::permission(4, 2, "git push origin fix", 1);
    asking.requests.insert(3, Arc::new(other));
    for (width, height) in [(80, 24), (120, 40), (50, 20)] {
        let screen = || Screen::new(asking.clone(), width, height);
        let size = format!("{width}x{height}");
        check(&format!("inbox_alike_{size}"), screen(), "3jjb");
        check(&format!("inbox_later_{size}"), screen(), "3Zj");
    }
}

#[test]
fn roles_stand_by_department() {
    check("roles_80x24", Screen::new(company(), 80, 24), "4");
    check("roles_200x50", Screen::new(company(), 200, 50), "4j");
}

#[test]
fn dialogs_show_what_they_will_do() {
    check("hire_80x24", Screen::new(company(), 80, 24), "njjjj2jj1");
    check(
        "hire_120x40",
        Screen::new(company(), 120, 40),
        "n<tab>Barbara",
    );
    check(
        "hire_50x20",
        Screen::new(company(), 50, 20),
        "njj<tab><tab>",
    );
    check(
        "hire_with_a_mistake",
        Screen::new(company(), 80, 24),
        "n<backtab><up><up><up><up><up>many<c-s>",
    );
    check(
        "task_dialog",
        Screen::new(company(), 80, 24),
        "jtWrite a test<enter>for the login",
    );
    check(
        "task_dialog_leaving",
        Screen::new(company(), 80, 24),
        "jtWrite a test<tab><right><esc>",
    );
    check("task_dialog_50x20", Screen::new(company(), 50, 20), "t");
    check("deny", Screen::new(company(), 80, 24), "dnot on a Friday");
    check("always", Screen::new(company(), 80, 24), "Y");
    check("answer", Screen::new(asking(), 80, 24), "3jAj");
    check(
        "answer_in_own_words",
        Screen::new(asking(), 80, 24),
        "3jA<tab>DuckDB",
    );
    check("kill", Screen::new(company(), 80, 24), "jX");
    check("remove", Screen::new(company(), 80, 24), "G<del>");
    check("palette", Screen::new(company(), 80, 24), ":task");
    check("palette_120x40", Screen::new(company(), 120, 40), ":lin");
    check("palette_50x20", Screen::new(company(), 50, 20), ":dev");
}

#[test]
fn help_is_made_from_the_key_table() {
    check("help_80x24", Screen::new(company(), 80, 24), "?");
    check("help_of_processes", Screen::new(company(), 100, 50), "?");
    check("help_of_logs", Screen::new(company(), 100, 50), "l?");
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let mut missing = empty();
    missing.agent_missing = Some(Fault::new(
        FaultCode::FailedToStart,
        "Claude Code is not installed: no `claude` on the PATH",
        "install it with `npm install -g @anthropic-ai/claude-code`, then log in with `claude`",
    ));
    check("agent_missing", Screen::new(missing.clone(), 80, 24), "");
    missing.processes = company().processes;
    check("agent_gone", Screen::new(missing, 80, 24), "");
    let mut wrong = company();
    wrong.configuration_mistakes = Some(Arc::from(
        "roles.toml:12:9\n  12 | promt = \"sre.md\"\n     | ^^^^^ unknown key\n  try: prompt",
    ));
    check("mistakes", Screen::new(wrong.clone(), 80, 24), "");
    check("mistakes_read", Screen::new(wrong, 80, 24), "E");
    let mut screen = Screen::new(company(), 80, 24);
    screen.snapshot.messages = vec![message(
        7,
        Level::Error,
        "Ada: 7 processes ended, 1 left: PID 4242 node server.js",
    )];
    screen.view.observe(&Snapshot::default());
    screen.view.observe(&screen.snapshot);
    check("message", screen, "");
}

#[test]
fn the_simulated_are_always_labelled() {
    let mut demo = company();
    demo.demo = true;
    check("demo_80x24", Screen::new(demo, 80, 24), "");
    let mut mixed = company();
    if let Some(ada) = mixed.processes.first_mut() {
        Arc::make_mut(ada).simulated = true;
    }
    check("one_simulated_50x20", Screen::new(mixed, 50, 20), "");
}

#[test]
fn ascii_terminals_get_ascii_only() {
    let caps = Capabilities {
        unicode: false,
        colour: ColourDepth::None,
        ..caps()
    };
    for keys in ["", "<enter>", "l", "2", "3", "4", "n", "t", "?"] {
        let mut screen = Screen::with(caps.clone(), asking(), 120, 40);
        screen.keys(keys);
        assert!(screen.text().is_ascii(), "{keys}");
    }
    check("ascii", Screen::with(caps, company(), 80, 24), "");
}

#[test]
fn updates_show_what_a_restart_would_change() {
    check("updates_80x24", Screen::new(company(), 80, 24), "u");
    check("updates_50x20", Screen::new(company(), 50, 20), "u");
}

/// A night in which a lot happened.
fn night() -> Digest {
    let note = |number: u64, what, text: &str| TaskNote {
        task: TaskId(number),
        title: format!("Piece of work number {number}"),
        process: Some(ProcessId(1)),
        name: Some("Ada".to_owned()),
        what,
        at: now().wall,
        text: text.to_owned(),
        cost_usd: 0.11,
    };
    let mut digest = digest(true);
    digest.finished_count = 12;
    digest.finished = (1..=12)
        .rev()
        .map(|number| note(number, What::TaskSucceeded, "Done, all tests pass."))
        .collect();
    digest.failed_count = 1;
    digest.failed = vec![note(
        20,
        What::TaskParked,
        "its process died: exit code 3 (PROC_004)",
    )];
    digest.restarted = vec![RestartNote {
        process: ProcessId(4),
        name: "Ken".to_owned(),
        count: 2,
        text: "after a failure, try 2".to_owned(),
    }];
    digest.instances_lost = 1;
    digest.adopted = 5;
    digest.waits = vec![WaitNote {
        request: Some(RequestId(1)),
        process: ProcessId(1),
        name: "Ada".to_owned(),
        text: "asks to run: git push origin main".to_owned(),
        since: now().wall - jiff::SignedDuration::from_mins(12),
    }];
    digest
}

#[test]
fn what_happened_while_nobody_looked() {
    for (width, height) in [(80, 24), (120, 40), (200, 50), (50, 20)] {
        let mut screen = Screen::new(company(), width, height);
        screen.view.away(Some(Arc::new(night())));
        check(&format!("away_{width}x{height}"), screen, "");
    }
    let mut short = Screen::new(company(), 80, 24);
    short.view.away(Some(Arc::new(digest(true))));
    check("away_short", short, "");
    let mut scrolled = Screen::new(company(), 80, 24);
    scrolled.view.away(Some(Arc::new(night())));
    scrolled.text();
    check("away_scrolled", scrolled, "G");
}

#[test]
fn everything_that_waits_stands_in_the_inbox() {
    let mut company = asking();
    let grace = Arc::make_mut(&mut company.processes[2]);
    let mut lost = fixture::down(grace.clone(), Status::Error);
    lost.now = "crashed: exit code 3 (PROC_004)".to_owned();
    *grace = lost;
    for (width, height) in [(80, 24), (120, 40), (200, 50), (50, 20)] {
        let screen = || Screen::new(company.clone(), width, height);
        check(&format!("inbox_stuck_{width}x{height}"), screen(), "3jjj");
        check(&format!("inbox_failed_{width}x{height}"), screen(), "3jjjj");
        check(
            &format!("inbox_updates_{width}x{height}"),
            screen(),
            "3jjjjj",
        );
    }
}
