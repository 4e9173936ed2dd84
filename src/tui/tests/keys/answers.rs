//! Keys that answer what waits for a person.

use std::sync::Arc;

use crate::domain::command::{Command, UpdateWhen};
use crate::domain::id::{AlertId, RequestId, TaskId};
use crate::domain::inbox::{self, Item};
use crate::domain::snapshot::{Snapshot, Status};
use crate::domain::task::TaskState;
use crate::tui::tests::fixture::{self, Screen, alert, company, edit, permission, question};
use crate::tui::tests::keys::{LINUS, check, orders, screen};

#[test]
fn an_alert_is_seen_by_one_key_and_the_next_one_is_first() {
    let mut company = company();
    company.alerts = vec![
        alert(1, Some((2, "Linus")), "it does not respond"),
        alert(2, None, "the disk is nearly full"),
    ];
    let mut screen = Screen::new(company.clone(), 80, 24);
    let given = orders(screen.keys("K"));
    assert_eq!(given, [Command::Acknowledge(AlertId(1))]);
    assert!(screen.text().contains("Seen: Linus: it does not respond"));
    Arc::make_mut(&mut company.alerts[0]).acknowledged = Some(company.at);
    let mut screen = Screen::new(company.clone(), 80, 24);
    let given = orders(screen.keys("3K"));
    assert_eq!(given, [Command::Acknowledge(AlertId(2))]);
    company.alerts.clear();
    let mut screen = Screen::new(company, 80, 24);
    assert_eq!(orders(screen.keys("K")), []);
    assert!(screen.text().contains("no alert that nobody has seen"));
}

#[test]
fn alerts_stand_in_the_inbox_one_by_one_and_can_all_be_seen_at_once() {
    let mut company = company();
    company.alerts = vec![
        alert(1, Some((2, "Linus")), "it does not respond"),
        alert(2, None, "the disk is nearly full"),
    ];
    let [first, second] = [1, 2].map(|id| Item::Alert(AlertId(id)));
    let given = |item, keys: &str| orders(at_item(&company, item).keys(keys));
    assert_eq!(given(second, "K"), [Command::Acknowledge(AlertId(2))]);
    assert_eq!(
        given(first, "by"),
        [1, 2].map(|id| Command::Acknowledge(AlertId(id)))
    );
    let mut screen = at_item(&company, first);
    assert!(
        screen.text().contains("K seen  W why  Enter details"),
        "{}",
        screen.text()
    );
    screen.keys("<enter>");
    assert!(
        screen.text().contains("Linus · Senior Developer"),
        "{}",
        screen.text()
    );
    // One that was seen and is not over stands below what waits.
    Arc::make_mut(&mut company.alerts[0]).acknowledged = Some(company.at);
    let waiting = inbox::waiting(&company);
    assert!(!waiting.contains(&first) && waiting.contains(&second));
    let mut screen = Screen::new(company, 120, 40);
    screen.keys("3");
    let text = screen.text();
    assert!(text.contains("Seen or answered"), "{text}");
    assert!(text.contains("it does not respond"), "{text}");
}

#[test]
fn requests_are_answered_in_the_list_and_in_the_inbox() {
    check("y", &[Command::Approve(RequestId(1))]);
    check("3y", &[Command::Approve(RequestId(1))]);
    check("<enter>y", &[Command::Approve(RequestId(1))]);
    let deny = |reason: Option<&str>| Command::Deny {
        request: RequestId(1),
        reason: reason.map(str::to_owned),
    };
    check("dnot on a Friday<enter>", &[deny(Some("not on a Friday"))]);
    check("d<enter>", &[deny(None)]);
    check("dno<esc>", &[]);
    let always = |rule: &str| Command::ApproveAlways {
        request: RequestId(1),
        rule: Some(rule.to_owned()),
    };
    check("Y<enter>", &[always("Bash(git push *)")]);
    check(
        "Y<backspace><backspace>origin *)<enter>",
        &[always("Bash(git push origin *)")],
    );
}

#[test]
fn questions_are_answered_by_number_by_cursor_or_in_words() {
    let mut company = company();
    company.requests.insert(0, Arc::new(question(3, 3)));
    for (keys, answer) in [
        ("3A1", "PostgreSQL"),
        ("3Aj<enter>", "SQLite"),
        ("3A<tab>DuckDB, 2 files<enter>", "DuckDB, 2 files"),
    ] {
        let mut screen = Screen::new(company.clone(), 80, 24);
        let expected = Command::Answer {
            request: RequestId(3),
            answers: vec![answer.to_owned()],
        };
        assert_eq!(orders(screen.keys(keys)), [expected], "{keys}");
    }
}

#[test]
fn the_inbox_goes_on_with_the_next_that_waits() {
    let mut screen = screen();
    screen.snapshot.requests.insert(1, Arc::new(edit(2, 2)));
    screen.view.observe(&screen.snapshot);
    screen.keys("3y");
    let mut answered = permission(1, 1, "git push origin main", 3);
    answered.answer = Some(crate::domain::inbox::Answer::Once);
    answered.answered = Some(screen.now.wall);
    screen.snapshot.requests.remove(0);
    screen.snapshot.requests.insert(1, Arc::new(answered));
    screen.view.observe(&screen.snapshot);
    assert_eq!(orders(screen.keys("y")), [Command::Approve(RequestId(2))]);
}

/// Three that wait for the same rule, and one that does not.
fn pushing() -> Screen {
    let mut company = company();
    for (number, process) in [(4, 2), (5, 3)] {
        let ask = permission(number, process, "git push origin fix", 2);
        company.requests.insert(1, Arc::new(ask));
    }
    company.requests.insert(1, Arc::new(edit(2, 2)));
    // Nothing but requests waits.
    for task in &company.tasks.clone() {
        company.tasks.change(task.id, |task| task.dismissed = true);
    }
    for process in &mut company.processes {
        Arc::make_mut(process).updates_available = false;
    }
    Screen::new(company, 80, 24)
}

#[test]
fn one_answer_goes_to_all_that_are_alike() {
    let all = [RequestId(1), RequestId(5), RequestId(4)];
    let mut screen = pushing();
    assert_eq!(orders(screen.keys("3b")), []);
    let text = screen.text();
    assert!(
        text.contains("3 requests wait for Bash(git push *)"),
        "{text}"
    );
    assert!(
        text.contains("y allows all 3 once, d denies them."),
        "{text}"
    );
    assert_eq!(orders(screen.keys("y")), all.map(Command::Approve));
    let deny = |request| Command::Deny {
        request,
        reason: Some("not today".to_owned()),
    };
    let denied = pushing().keys("3bdnot today<enter>");
    assert_eq!(orders(denied), all.map(deny));
    assert_eq!(orders(pushing().keys("3b<esc>bd<esc>")), []);
    let mut alone = pushing();
    assert_eq!(orders(alone.keys("3jby")), [Command::Approve(RequestId(2))]);
}

#[test]
fn what_is_put_off_stands_behind_the_others_on_this_terminal() {
    let mut screen = pushing();
    screen.keys("3Z");
    assert_eq!(orders(screen.keys("y")), [Command::Approve(RequestId(2))]);
    screen.keys("ZZZ");
    // Once round, it is the first one's turn again.
    assert_eq!(orders(screen.keys("gy")), [Command::Approve(RequestId(1))]);
    screen
        .snapshot
        .requests
        .retain(|request| request.id == RequestId(1));
    screen.view.observe(&screen.snapshot);
    screen.keys("Z");
    assert!(
        screen
            .text()
            .contains("Nothing else waits that could come first.")
    );
    assert_eq!(orders(screen.keys("y")), [Command::Approve(RequestId(1))]);
}

/// Goes to a row of the inbox.
fn at_item(company: &Snapshot, item: Item) -> Screen {
    let waiting = inbox::waiting(company);
    let at = waiting.iter().position(|one| *one == item).expect("a row");
    let mut screen = Screen::new(company.clone(), 120, 40);
    screen.keys(&format!("3{}", "j".repeat(at)));
    screen
}

#[test]
fn who_waits_for_an_answer_stands_first_in_the_inbox_then_what_is_down_failed_or_old() {
    let company = company();
    let waiting = inbox::waiting(&company);
    let rank = |item: &Item| match item {
        Item::Request(_) => 0,
        Item::Alert(_) | Item::Stuck(_) => 1,
        Item::Failed(_) => 2,
        Item::Updates(_) => 3,
    };
    assert!(waiting.is_sorted_by_key(rank), "{waiting:?}");
    assert!(waiting.contains(&Item::Updates(LINUS)), "{waiting:?}");
    let failed = |item: &&Item| matches!(item, Item::Failed(_));
    assert!(waiting.iter().any(|item| failed(&item)), "{waiting:?}");
}

#[test]
fn a_task_that_failed_is_retried_let_be_or_all_are_at_once() {
    let mut company = company();
    let failed = company.tasks.iter().find(|task| inbox::is_unsettled(task));
    let first = Arc::clone(failed.expect("a task that failed"));
    let mut second = fixture::task(90, "Another one", TaskState::Parked);
    second.since = company.at;
    company.tasks.put(Arc::new(second));
    let item = Item::Failed(first.id);
    let given = |keys: &str| orders(at_item(&company, item).keys(keys));
    assert_eq!(given("R"), [Command::RetryTask(first.id)]);
    assert_eq!(given("K"), [Command::DismissTask(first.id)]);
    let both = [first.id, TaskId(90)];
    assert_eq!(given("by"), both.map(Command::RetryTask));
    assert_eq!(given("bd"), both.map(Command::DismissTask));
    assert_eq!(given("b<esc>"), []);
    // What was let be is listed no more.
    for task in &company.tasks.clone() {
        company.tasks.change(task.id, |task| task.dismissed = true);
    }
    assert!(!inbox::waiting(&company).contains(&item));
}

#[test]
fn updates_in_the_inbox_have_the_answers_of_their_prompt() {
    let company = company();
    let update = |when| Command::Update {
        process: LINUS,
        when,
    };
    for (keys, when) in [
        ("<enter><enter>", UpdateWhen::Now),
        ("<enter>i", UpdateWhen::Idle),
        ("<enter>O", UpdateWhen::Rolling),
        ("<enter>d", UpdateWhen::NotNow),
        ("d", UpdateWhen::NotNow),
        ("by", UpdateWhen::Now),
    ] {
        let mut screen = at_item(&company, Item::Updates(LINUS));
        assert_eq!(orders(screen.keys(keys)), [update(when)], "{keys}");
    }
}

#[test]
fn who_stays_down_is_started_from_the_inbox() {
    let mut company = company();
    let grace = Arc::make_mut(&mut company.processes[2]);
    let id = grace.id;
    *grace = fixture::down(grace.clone(), Status::Error);
    let mut screen = at_item(&company, Item::Stuck(id));
    assert_eq!(orders(screen.keys("s")), [Command::Start(id)]);
    assert!(screen.text().contains("s start"), "{}", screen.text());
    // It can be put off on this terminal, and is the last then.
    screen.keys("Z");
    let last = screen.view.inbox.keys(&screen.snapshot);
    let open = inbox::waiting(&screen.snapshot).len();
    assert_eq!(last[open - 1], Item::Stuck(id));
}
