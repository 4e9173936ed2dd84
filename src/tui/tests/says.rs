//! What the screen says is so: no message, number or word contradicts what stands beside it.

use std::sync::Arc;

use crate::domain::automation::Rest;
use crate::domain::command::{Outcome, Refusal};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::inbox::Answer;
use crate::domain::snapshot::{Health, Level, ProcessView, Snapshot, Status};
use crate::domain::task::TaskState;
use crate::tui::Action;
use crate::tui::look::Look;
use crate::tui::tests::fixture::{Screen, caps, company, crowd, empty, message, permission, task};
use crate::tui::tests::teams::teams;

const LINUS: usize = 1;
const GRACE: usize = 2;

fn change(screen: &mut Screen, at: usize, change: impl FnOnce(&mut ProcessView)) {
    change_in(&mut screen.snapshot, at, change);
    screen.view.observe(&screen.snapshot);
}

fn change_in(snapshot: &mut Snapshot, at: usize, change: impl FnOnce(&mut ProcessView)) {
    change(Arc::make_mut(&mut snapshot.processes[at]));
}

/// The line that holds a word.
fn line(screen: &mut Screen, word: &str) -> String {
    let text = screen.text();
    let found = text.lines().find(|line| line.contains(word));
    found
        .unwrap_or_else(|| panic!("no {word} in\n{text}"))
        .to_owned()
}

fn last_line(screen: &mut Screen) -> String {
    screen.text().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn who_does_not_answer_is_never_shown_as_idle() {
    let palette = Look::new(caps()).palette;
    for (health, word, style) in [
        (Health::Critical, "idle crit", palette.bad),
        (Health::Offline, "offline", palette.bad),
        (Health::Warning, "idle warn", palette.warn),
    ] {
        for width in [50, 80] {
            let mut screen = Screen::new(company(), width, 24);
            change(&mut screen, GRACE, |grace| grace.health = health);
            let row = line(&mut screen, "Grace");
            assert!(row.contains(word), "{row}");
            let buffer = screen.draw();
            let y = (0..24).find(|y| {
                buffer
                    .cell((5, *y))
                    .is_some_and(|cell| cell.symbol() == "G")
            });
            let shape = buffer.cell((3, y.expect("a row"))).expect("a cell");
            assert_eq!(Some(shape.fg), style.fg, "{health:?} at {width}");
        }
        // Where a column says so, the word is that of the status.
        let mut wide = Screen::new(company(), 120, 24);
        change(&mut wide, GRACE, |grace| grace.health = health);
        let row = line(&mut wide, "Grace");
        assert!(
            row.contains("idle  ") && row.contains(health.as_str()),
            "{row}"
        );
    }
}

#[test]
fn the_last_line_says_what_one_answer_for_several_does() {
    let mut failed = company();
    let mut other = task(28, "Write more load tests", TaskState::Failed);
    other.error = Some("the tests do not compile".to_owned());
    failed.tasks.put(Arc::new(other));
    let mut screen = Screen::new(failed, 80, 24);
    screen.keys("3jb");
    assert_eq!(
        last_line(&mut screen),
        " y retry all  d let all be  Esc leave"
    );
    let mut updates = company();
    change_in(&mut updates, GRACE, |grace| grace.updates_available = true);
    let mut screen = Screen::new(updates, 80, 24);
    screen.keys("3jjb");
    assert_eq!(
        last_line(&mut screen),
        " y restart all  d not now  Esc leave"
    );
}

#[test]
fn an_answer_to_a_key_goes_with_the_next_key_that_does_something() {
    let mut screen = Screen::new(company(), 80, 24);
    screen.keys("s");
    assert!(screen.text().contains("Ada is up already"));
    // A key without a meaning is none.
    screen.keys("!");
    assert!(screen.text().contains("Ada is up already"));
    screen.keys("j");
    assert!(!screen.text().contains("Ada is up already"));
    // What is new may make it untrue.
    let mut quiet = Screen::new(crowd(3), 80, 24);
    quiet.keys("w");
    assert!(quiet.text().contains("Nobody waits for you"));
    let ask = permission(9, 1, "git push", 0);
    quiet.snapshot.requests.insert(0, Arc::new(ask));
    quiet.view.observe(&quiet.snapshot);
    assert!(!quiet.text().contains("Nobody waits for you"));
    // What came by itself may not have been read yet.
    screen.snapshot.messages = vec![message(1, Level::Info, "Ken is up again")];
    screen.view.observe(&Snapshot::default());
    screen.view.observe(&screen.snapshot);
    screen.draw();
    screen.keys("j");
    assert!(screen.text().contains("Ken is up again"));
}

#[test]
fn what_succeeds_takes_away_what_failed_and_what_was_announced() {
    let mut screen = Screen::new(company(), 80, 24);
    let actions = screen.keys("jx");
    let [Action::Order { ticket, .. }] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert!(screen.text().contains("Linus stops after"));
    screen
        .view
        .answered(*ticket, Ok(Outcome::Stopped(ProcessId(2), None)));
    assert!(!screen.text().contains("Linus stops after"));
}

#[test]
fn who_is_blocked_is_not_idle_as_well() {
    let mut screen = Screen::new(company(), 120, 24);
    assert!(line(&mut screen, "headcount").contains("2 busy  1 idle  1 blocked"));
}

#[test]
fn nothing_in_the_header_moves_when_a_figure_gets_a_digit() {
    for (width, staff) in [(80, 3), (80, 12), (120, 3), (120, 12), (200, 30)] {
        let header = |cpu: f64, memory: u64| {
            let mut snapshot = crowd(staff);
            snapshot.machine.cpu_percent = cpu;
            snapshot.machine.memory_used = memory << 20;
            line(&mut Screen::new(snapshot, width, 24), "headcount")
        };
        let place = |line: &str, what: &str| line.find(what).map(|at| line.get(..at).map(str::len));
        let one = header(9.0, 900);
        for other in [header(10.0, 10_000), header(100.0, 5_222)] {
            for what in ["up", "busy", "queue", "cpu", "mem", "today"] {
                assert_eq!(
                    place(&one, what),
                    place(&other, what),
                    "{what}\n{one}\n{other}"
                );
            }
        }
    }
    // Who begins to wait takes no figure away.
    let mut quiet = Screen::new(crowd(12), 80, 24);
    assert!(line(&mut quiet, "headcount").contains("mem  22%"));
    change(&mut quiet, 0, |ada| ada.status = Status::Waiting);
    assert!(line(&mut quiet, "headcount").contains("! 1"));
    assert!(line(&mut quiet, "headcount").contains("mem  22%"));
}

#[test]
fn a_restart_says_what_it_waits_for_and_the_row_that_it_starts_again() {
    let mut screen = Screen::new(company(), 120, 24);
    let actions = screen.keys("jr");
    let [Action::Order { ticket, .. }] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    let restart = *ticket;
    let says = "Linus starts again after task_0031. x interrupts it, and Linus stays down.";
    assert!(screen.text().contains(says), "{}", screen.text());
    change(&mut screen, LINUS, |linus| {
        linus.status = Status::Stopping;
        linus.stopping = Some("after the current task".to_owned());
        linus.now = "task_0031 Fix the flaky login test".to_owned();
    });
    screen.keys("k");
    let row = line(&mut screen, "Linus");
    assert!(row.contains("starts again: after the"), "{row}");
    screen.keys("j<enter>");
    let text = screen.text();
    assert!(text.contains("then it starts again"), "{text}");
    // Stopped after all: it does not.
    screen.keys("<esc>x");
    assert!(!line(&mut screen, "Linus").contains("starts again"));
    // Nor is it said then that it could not be restarted: that is what was asked for.
    screen.view.answered(
        restart,
        Err(Refusal::State("Linus was stopped meanwhile".to_owned())),
    );
    assert!(
        !screen.text().contains("cannot restart"),
        "{}",
        screen.text()
    );
    for (keys, says) in [
        (
            "r",
            "Ada waits for you, so task_0030 is interrupted; then Ada starts again.",
        ),
        ("jjr", "Grace ends and starts again."),
    ] {
        let mut screen = Screen::new(company(), 120, 24);
        screen.keys(keys);
        assert!(screen.text().contains(says), "{}", screen.text());
    }
}

#[test]
fn details_do_not_contradict_themselves() {
    let mut snapshot = company();
    change_in(&mut snapshot, GRACE, |grace| {
        grace.tasks_assigned = 1;
        grace.tasks_completed = 0;
    });
    let mut screen = Screen::new(snapshot, 80, 60);
    screen.keys("jj<enter>");
    assert!(screen.text().contains("1 assigned, 0 done, 0 failed"));
    assert!(!screen.text().contains("No task yet"));
    let mut snapshot = company();
    change_in(&mut snapshot, 5, |margaret| {
        margaret.upkeep.rest = Some(Rest::Person);
        margaret.upkeep.on_demand = true;
    });
    let mut screen = Screen::new(snapshot, 80, 60);
    screen.keys("G<enter>");
    assert!(
        screen
            .text()
            .contains("By itself   nothing: you stopped it")
    );
    assert!(!screen.text().contains("starts when tasks wait"));
}

#[test]
fn a_usage_limit_says_until_when_it_holds() {
    let mut snapshot = company();
    change_in(&mut snapshot, 4, |radia| {
        let fault = Fault::new(
            FaultCode::LimitsExceeded,
            "the usage limit of the account is reached",
            "nothing to do",
        );
        radia.now = fault.to_string();
        radia.fault = Some(fault);
    });
    for width in [50, 80, 120, 200] {
        let mut screen = Screen::new(snapshot.clone(), width, 40);
        let row = line(&mut screen, "Radia");
        let says = if width == 80 {
            "  limit until 14:30"
        } else {
            "usage limit until 14:30"
        };
        assert!(row.contains(says), "{row}");
    }
    let mut screen = Screen::new(snapshot, 120, 40);
    screen.keys("jjjj<enter>");
    assert!(screen.text().contains("until 14:30"), "{}", screen.text());
}

#[test]
fn a_key_that_can_do_nothing_says_why() {
    let mut demo = company();
    demo.demo = true;
    for (snapshot, keys, says) in [
        (company(), "E", "Nothing is wrong"),
        (company(), "D", "`headcount --demo`"),
        (demo, "D", "This is the demo"),
        (teams(), "+", "T shows the list by cluster"),
        (company(), "+", "No clusters"),
        (empty(), "s", "Nobody is hired yet"),
        (empty(), "2c", "There is no task"),
        (empty(), "2l", "There is no task"),
        (empty(), "3b", "Nothing that waits is selected"),
        (company(), "/zzz<enter>x", "Nobody is shown"),
        (company(), "2jjl", "Nobody has begun it"),
    ] {
        let mut screen = Screen::new(snapshot, 80, 24);
        screen.keys(keys);
        assert!(screen.text().contains(says), "{keys}\n{}", screen.text());
    }
    for key in [
        "y", "Y", "d", "A", "l", "p", "x", "X", "r", "s", "M", "W", " ", "V", "<del>",
    ] {
        let mut screen = Screen::new(company(), 80, 24);
        screen.keys("<left>");
        screen.keys(key);
        let says = "these are folded: Right unfolds them";
        assert!(screen.text().contains(says), "{key}\n{}", screen.text());
    }
    // By cluster, on one of its employees.
    let mut screen = Screen::new(teams(), 80, 24);
    screen.keys("Tj+");
    assert!(
        screen.text().contains("k goes up to it"),
        "{}",
        screen.text()
    );
    for key in ["y", "l", "p", "X", "M", " ", "V", "<del>"] {
        let mut screen = Screen::new(teams(), 80, 24);
        screen.keys("Tg");
        screen.keys(key);
        let says = "on the head of a cluster s x r act on all of it";
        assert!(screen.text().contains(says), "{key}\n{}", screen.text());
    }
}

#[test]
fn what_was_refused_and_what_failed_is_said_in_a_sentence() {
    let mut snapshot = company();
    let answered = snapshot.requests.iter_mut().find(|one| !one.is_open());
    Arc::make_mut(answered.expect("an answered one")).answer = Some(Answer::Denied {
        reason: "A person refused this.".to_owned(),
    });
    snapshot.tasks.change(TaskId(29), |task| {
        task.error = Some("refused what it needs (Bash  git push origin main): OK.".to_owned());
    });
    let mut screen = Screen::new(snapshot, 120, 40);
    screen.keys("3j");
    let text = screen.text();
    assert!(
        text.contains("denied ·") && !text.contains("A person refused"),
        "{text}"
    );
    assert!(text.contains("(Bash git push origin main): OK."), "{text}");
    assert!(!text.contains("Bash  git"), "{text}");
}

#[test]
fn the_inbox_counts_its_rows_and_the_sign_who_is_blocked_on_a_person() {
    let mut screen = Screen::new(company(), 120, 24);
    // A request, a task that failed, updates.
    let text = screen.text();
    assert!(text.contains("3 Inbox 3"), "{text}");
    assert!(text.contains("! 1 needs you"), "{text}");
}
