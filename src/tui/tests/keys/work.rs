//! Keys that give work: the task dialog, the queue, a word to a running turn.

use std::sync::Arc;

use crossterm::event::Event;

use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::task::{Priority, Task};
use crate::tui::Action;
use crate::tui::tests::fixture::{Screen, company};
use crate::tui::tests::keys::{LINUS, check, orders, screen};

#[test]
fn a_task_shows_what_it_waits_for_and_what_was_done_and_opens_its_part_of_the_log() {
    use crate::domain::id::RunId;
    use crate::domain::task::{Attempt, AttemptEnd, LogSpan, TaskState};
    use crate::domain::work::{FileChange, Work};
    let mut screen = screen();
    let mut tasks = screen.snapshot.tasks.iter();
    let parent = tasks.next().unwrap().id;
    let queued = tasks.find(|task| task.state == TaskState::Queued);
    let mut task = Task::clone(queued.unwrap());
    let child = task.id;
    task.after = vec![parent, TaskId(999)];
    task.attempts = vec![Attempt {
        process: LINUS,
        run: RunId(1),
        started: task.created,
        ended: Some(task.created),
        end: Some(AttemptEnd::Failed),
        reason: None,
        work: Work {
            tools: [("Edit".to_owned(), 3)].into(),
            files: vec![FileChange {
                path: "src/cart.rs".to_owned(),
                added: 12,
                removed: 4,
            }],
            by_git: None,
        },
        conversation: None,
        messages: Vec::new(),
        cost_usd: 0.0,
        log: Some(LogSpan {
            from: 4711,
            to: Some(5000),
        }),
    }];
    screen.snapshot.tasks.put(Arc::new(task));
    screen.keys("2");
    while screen.view.task(&screen.snapshot).map(|task| task.id) != Some(child) {
        screen.keys("j");
    }
    assert_eq!(orders(screen.keys("h")), [Command::HoldTask(child)]);
    screen.keys("<enter>");
    let text = screen.text();
    for words in [
        "task_0999 (deleted)",
        "called Edit 3",
        "src/cart.rs  +12 -4",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    screen.keys("l");
    let asked = screen.view.wants(ratatui::layout::Size::new(80, 24));
    assert!(
        asked.iter().any(|query| query.process == LINUS
            && query.anchor == crate::domain::log::LogAnchor::At(4711)),
        "{asked:?}"
    );
}

fn sent(actions: Vec<Action>) -> (u64, String, Option<ProcessId>, Option<String>, Priority) {
    for action in actions {
        if let Action::Order {
            ticket,
            command: Command::AddTask(task),
        } = action
        {
            let target = task.target;
            return (
                ticket,
                task.text,
                target.process,
                target.role,
                task.priority,
            );
        }
    }
    panic!("no task was sent");
}

#[test]
fn a_task_is_written_for_the_selected_employee_and_kept_until_it_is_accepted() {
    let mut screen = screen();
    let actions = screen.keys("jtFix it<enter>soon<c-s>");
    let (ticket, text, process, role, _) = sent(actions);
    assert_eq!(
        (text.as_str(), process, role),
        ("Fix it\nsoon", Some(LINUS), None)
    );
    assert!(screen.text().contains("sending"));
    let refusal = Refusal::NotStored("no space left".to_owned());
    screen.view.answered(ticket, Err(refusal));
    let text = screen.text();
    assert!(
        text.contains("Fix it") && text.contains("no space left"),
        "{text}"
    );
    let (ticket, ..) = sent(screen.keys("<c-s>"));
    screen
        .view
        .answered(ticket, Ok(Outcome::TaskAdded(TaskId(34))));
    let text = screen.text();
    assert!(text.contains("task_0034 is accepted"), "{text}");
    assert!(!text.contains("Fix it"), "{text}");
}

#[test]
fn a_task_may_go_to_a_role_or_to_anyone_with_a_priority() {
    let (_, _, process, role, priority) =
        sent(screen().keys("jtFix it<tab><right><tab><left><c-s>"));
    assert_eq!((process, role.as_deref()), (None, Some("senior_developer")));
    assert_eq!(priority, Priority::High);
    let (_, _, process, role, _) = sent(screen().keys("4tFix it<c-s>"));
    assert_eq!((process, role), (None, None));
}

#[test]
fn a_pasted_text_keeps_its_lines_and_loses_its_control_characters() {
    let mut screen = screen();
    screen.keys("4t");
    let paste = Event::Paste("one\r\ntwo\u{1b}[31m red\tend".to_owned());
    screen.view.event(&paste, &screen.snapshot, &screen.now);
    let (_, text, ..) = sent(screen.keys("<c-s>"));
    assert_eq!(text, "one\ntwo red    end");
}

#[test]
fn esc_asks_before_it_throws_a_text_away() {
    let mut screen = screen();
    screen.keys("tHello<esc>");
    assert!(screen.text().contains("Esc again throws this text away"));
    screen.keys("!");
    assert!(screen.text().contains("Hello!"));
    screen.keys("<esc><esc>");
    assert!(!screen.text().contains("Hello"));
}

#[test]
fn the_editor_gets_the_text_and_gives_it_back() {
    let mut screen = screen();
    let actions = screen.keys("4tHello<c-e>");
    let [Action::Edit { ticket, text, .. }] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert_eq!(text, "Hello");
    screen.view.edited(
        *ticket,
        Some("Hello\nworld\n".to_owned()),
        &screen.snapshot,
        &screen.now,
    );
    let (_, text, ..) = sent(screen.keys("<c-s>"));
    assert_eq!(text, "Hello\nworld");
}

#[test]
fn tasks_are_retried_and_released() {
    check("2jjjjR", &[Command::RetryTask(TaskId(29))]);
    check("2jjh", &[Command::ReleaseTask(TaskId(33))]);
}

#[test]
fn a_result_is_answered_with_a_task_in_its_conversation() {
    let mut screen = screen();
    screen.keys("2/retry to<enter>");
    let actions = screen.keys("<enter>AAnd the tests?<c-s>");
    let [Action::Order { command, .. }] = actions.as_slice() else {
        panic!("{actions:?}\n{}", screen.text());
    };
    let Command::AddTask(new) = command else {
        panic!("{command:?}");
    };
    let answered = screen.snapshot.task(TaskId(27)).expect("it is there");
    let owner = answered.conversation().map(|(process, _)| process);
    assert_eq!(
        (new.text.as_str(), new.continues, new.target.process),
        ("And the tests?", Some(TaskId(27)), owner)
    );
    assert!(owner.is_some());
    let mut screen = self::screen();
    assert_eq!(orders(screen.keys("2A")), []);
    let text = screen.text();
    assert!(
        text.contains("It can be answered when it is over"),
        "{text}"
    );
}

#[test]
fn something_is_said_to_a_running_turn_and_to_no_other() {
    let mut screen = screen();
    // Linus works, Grace has nothing to do.
    assert_eq!(screen.keys("jM"), []);
    let text = screen.text();
    assert!(text.contains("A message to Linus's running turn"), "{text}");
    assert_eq!(
        orders(screen.keys("mind the tests<enter>")),
        [Command::Say {
            process: ProcessId(2),
            text: "mind the tests".to_owned(),
        }]
    );
    assert_eq!(screen.keys("jM"), []);
    let text = screen.text();
    assert!(text.contains("Grace has no task that runs"), "{text}");
}

#[test]
fn what_a_task_waits_for_is_typed_and_changed() {
    let mut screen = screen();
    let given = orders(screen.keys("tlook<backtab>task_0030, task_0031<c-s>"));
    let [Command::AddTask(new)] = given.as_slice() else {
        panic!("{given:?}");
    };
    assert_eq!(new.after, ["task_0030", "task_0031"]);
    let mut company = company();
    let waits = company.tasks.iter().find(|task| task.is_waiting()).cloned();
    let mut waits = Task::clone(&waits.unwrap());
    let id = waits.id;
    waits.after = vec![TaskId(30)];
    company.tasks.put(Arc::new(waits));
    let open = || {
        let mut screen = Screen::new(company.clone(), 80, 24);
        screen.keys("2");
        let is_at = |line: &str| line.starts_with('▌') && line.contains(&id.to_string());
        while !screen.text().lines().any(is_at) {
            screen.keys("j");
        }
        screen.keys("e");
        assert!(
            screen.text().contains("After       task_0030"),
            "{}",
            screen.text()
        );
        screen
    };
    let after = |given: Vec<Command>| {
        let [Command::EditTask { task, change }] = given.as_slice() else {
            panic!("{given:?}");
        };
        assert_eq!(*task, id);
        change.after.clone()
    };
    // Left as it is, it follows the text.
    assert_eq!(after(orders(open().keys("<c-s>"))), None);
    let changed = orders(open().keys("<backtab><c-u><c-s>"));
    assert_eq!(after(changed), Some(vec![]));
}

#[test]
fn the_text_of_a_task_has_room_on_a_small_screen() {
    let mut screen = Screen::new(company(), 40, 10);
    screen.keys("tlook into it");
    let text = screen.text();
    let row = |what: &str| text.lines().position(|line| line.contains(what));
    assert!(row("look into it") < row("For "), "{text}");
    assert!(row("For ").is_some(), "{text}");
}
