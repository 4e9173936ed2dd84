//! The keys of the tasks screen, and what it shows of very many.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::command::Command;
use crate::domain::id::TaskId;
use crate::domain::role::Template;
use crate::domain::task::{Move, NewTask, Priority, Target, Task, TaskChange, TaskState};
use crate::tui::Action;
use crate::tui::tests::fixture::{Screen, apart, company, process, task};

const RUNNING: TaskId = TaskId(31);
const QUEUED: TaskId = TaskId(32);
const HELD: TaskId = TaskId(33);
const DONE: TaskId = TaskId(27);

fn orders(actions: Vec<Action>) -> Vec<Command> {
    let orders = actions.into_iter().filter_map(|action| match action {
        Action::Order { command, .. } => Some(command),
        _ => None,
    });
    orders.collect()
}

/// The screen with a task selected.
fn at(id: TaskId) -> Screen {
    let mut screen = Screen::new(company(), 80, 24);
    screen.keys(&format!(":{id}<enter>"));
    assert_eq!(
        screen.view.task(&screen.snapshot).map(|task| task.id),
        Some(id)
    );
    screen
}

fn says(screen: &mut Screen, words: &str) {
    let text = screen.text();
    assert!(text.contains(words), "{words}:\n{text}");
}

fn edit(task: TaskId, change: TaskChange) -> Command {
    let change = Box::new(change);
    Command::EditTask { task, change }
}

#[test]
fn a_task_that_waits_is_changed_in_the_editor() {
    let mut screen = at(QUEUED);
    screen.keys("e");
    says(&mut screen, "Change task_0032");
    says(&mut screen, "Find out why the pager rang at 03:10");
    let target = Target {
        role: Some("sre".to_owned()),
        ..Target::default()
    };
    let change = TaskChange {
        text: Some("Find out why the pager rang at 03:10, and when".to_owned()),
        priority: Some(Priority::High),
        target: Some(target),
        ..TaskChange::default()
    };
    let given = orders(screen.keys(", and when<tab><tab><left><c-s>"));
    assert_eq!(given, [edit(QUEUED, change)]);
    // What is worked on, or over, is not changed any more.
    for id in [RUNNING, DONE] {
        let mut screen = at(id);
        assert_eq!(orders(screen.keys("e")), []);
        says(&mut screen, "only what waits can be changed");
    }
}

#[test]
fn where_there_are_worktrees_a_task_can_have_a_branch_of_its_own() {
    let mut screen = Screen::new(company(), 80, 24);
    screen.keys("2tfix the login<tab><tab>");
    let text = screen.text();
    assert!(!text.contains("Branch"), "nobody could do that:\n{text}");
    let mut screen = Screen::new(apart(), 80, 24);
    // Of Ada, who has none, it cannot be asked.
    screen.keys("2tfix the login<tab><tab>");
    says(&mut screen, "Branch    ‹ that of who does it ›");
    says(&mut screen, "Busy: it is next");
    screen.keys("<right>");
    says(&mut screen, "Nobody who fits has a git worktree");
    screen.keys("<backtab><right><right><tab>");
    says(
        &mut screen,
        "Branch    ‹ one of its own, in a git worktree ›",
    );
    let target = Target {
        own_branch: true,
        ..Target::default()
    };
    let new = NewTask {
        text: "fix the login".to_owned(),
        target: target.clone(),
        ..NewTask::default()
    };
    assert_eq!(
        orders(screen.keys("<c-s>")),
        [Command::AddTask(Box::new(new))]
    );
    // It stands so in the editor, and is taken back there.
    let mut company = company();
    company
        .tasks
        .change(QUEUED, |task| task.target.own_branch = true);
    let waiting = company.tasks.get(QUEUED).unwrap();
    let change = TaskChange {
        text: Some(waiting.text.clone()),
        priority: Some(waiting.priority),
        target: Some(Target {
            own_branch: false,
            ..waiting.target.clone()
        }),
        ..TaskChange::default()
    };
    let mut screen = Screen::new(company, 80, 24);
    screen.keys(&format!(":{QUEUED}<enter>e<tab><tab>"));
    says(
        &mut screen,
        "Branch    ‹ one of its own, in a git worktree ›",
    );
    let given = orders(screen.keys("<left><c-s>"));
    assert_eq!(given, [edit(QUEUED, change)]);
}

#[test]
fn a_task_that_waits_is_made_more_or_less_urgent_and_moved() {
    let priority = |task, priority| {
        let change = TaskChange {
            priority: Some(priority),
            ..TaskChange::default()
        };
        [edit(task, change)]
    };
    assert_eq!(
        orders(at(QUEUED).keys("+")),
        priority(QUEUED, Priority::High)
    );
    assert_eq!(
        orders(at(QUEUED).keys("-")),
        priority(QUEUED, Priority::Low)
    );
    let mut urgent = at(HELD);
    assert_eq!(orders(urgent.keys("+")), []);
    says(&mut urgent, "task_0033 is urgent already");
    // The held one stands first, being urgent.
    let moved = |task, to| [Command::MoveTask { task, to }];
    assert_eq!(
        orders(at(QUEUED).keys("<<>")),
        moved(QUEUED, Move::Before(HELD))
    );
    assert_eq!(orders(at(HELD).keys(">")), moved(HELD, Move::Last));
    let mut first = at(HELD);
    assert_eq!(orders(first.keys("<<>")), []);
    says(&mut first, "task_0033 is the first in the queue");
    let mut last = at(QUEUED);
    assert_eq!(orders(last.keys(">")), []);
    says(&mut last, "task_0032 is the last in the queue");
    let mut running = at(RUNNING);
    assert_eq!(orders(running.keys("+<<>>")), []);
    says(&mut running, "only what waits has a place in the queue");
}

#[test]
fn a_task_that_nobody_works_on_is_deleted_after_a_question() {
    let mut screen = at(DONE);
    assert_eq!(orders(screen.keys("<del>")), []);
    says(&mut screen, "Delete task_0027");
    says(&mut screen, "Its result goes with it.");
    assert_eq!(orders(screen.keys("y")), [Command::RemoveTask(DONE)]);
    let mut waited_for = at(HELD);
    waited_for
        .snapshot
        .tasks
        .change(QUEUED, |task| task.after = vec![HELD]);
    waited_for.keys("<del>");
    says(&mut waited_for, "1 task waits for it.");
    assert_eq!(orders(waited_for.keys("<esc>")), []);
    let mut running = at(RUNNING);
    assert_eq!(orders(running.keys("<del>")), []);
    says(&mut running, "c takes it back first");
}

#[test]
fn what_a_task_waits_for_and_what_waits_for_it_is_shown_as_trees() {
    let mut screen = at(QUEUED);
    let tasks = &mut screen.snapshot.tasks;
    for (number, after) in [
        (40, vec![QUEUED]),
        (41, vec![TaskId(40), QUEUED]),
        (42, vec![TaskId(41)]),
    ] {
        let mut one = task(number, &format!("Step {number}"), TaskState::Blocked);
        one.after = after;
        tasks.put(Arc::new(one));
    }
    tasks.change(QUEUED, |task| task.after = vec![DONE, TaskId(999)]);
    screen.keys("a");
    insta::assert_snapshot!(screen.text());
    screen.keys("a");
    says(&mut screen, "PRIORITY");
}

#[test]
fn tasks_are_sorted_as_they_are_at_this_moment() {
    let mut screen = at(DONE);
    let first = |screen: &mut Screen| {
        let text = screen.text();
        let mut lines = text.lines().filter(|line| line.contains("task_"));
        let line = lines.next().unwrap_or_default().to_owned();
        let at = line.find("task_").unwrap_or(0);
        line[at..at + 9].to_owned()
    };
    screen.keys("S");
    says(&mut screen, "by age at 10:44, Esc undoes");
    assert_eq!(first(&mut screen), "task_0033");
    screen.keys("o");
    assert_eq!(first(&mut screen), "task_0027");
    // What is added later stands at the end, and what goes leaves no gap.
    let late = task(99, "later", TaskState::Queued);
    screen.snapshot.tasks.put(Arc::new(late));
    screen.snapshot.tasks.remove(DONE);
    screen.keys("G");
    assert_eq!(first(&mut screen), "task_0029");
    assert_eq!(
        screen.view.task(&screen.snapshot).map(|task| task.id),
        Some(TaskId(99))
    );
    for column in ["state", "priority", "who", "time at work", "tries", "cost"] {
        screen.keys("S");
        says(&mut screen, &format!("by {column} at 10:44"));
    }
    screen.keys("S");
    says(&mut screen, "Queue 3");
    screen.keys("o");
    says(&mut screen, "S sorts them by a column");
    screen.keys("S<esc>");
    says(&mut screen, "Queue 3");
}

#[test]
fn a_task_is_begun_with_a_template_and_what_is_open_in_it_is_asked_for() {
    let mut screen = Screen::new(company(), 80, 24);
    let mut catalogue = (*screen.snapshot.catalogue).clone();
    catalogue.templates = vec![Template {
        key: "review".to_owned(),
        text: "Review PR {{pr}}".to_owned(),
        role: Some("technical_lead".to_owned()),
        skills: vec![],
        priority: Priority::High,
        timeout: Some(Duration::from_secs(600)),
        retries: Some(1),
    }];
    screen.snapshot.catalogue = Arc::new(catalogue);
    screen.keys("2t<tab>");
    says(&mut screen, "Template  ‹ none ›");
    screen.keys("<right>");
    says(&mut screen, "Template  ‹ review ›");
    says(&mut screen, "Review PR {{pr}}");
    assert_eq!(orders(screen.keys("<c-s>")), []);
    says(&mut screen, "write something in the place of {{pr}}");
    // Back in the text, at its end.
    screen.keys("<backtab><backspace><backspace><backspace><backspace><backspace><backspace>12");
    let new = NewTask {
        text: "Review PR 12".to_owned(),
        priority: Priority::High,
        target: Target {
            role: Some("technical_lead".to_owned()),
            ..Target::default()
        },
        timeout: Some(Duration::from_secs(600)),
        retries: Some(1),
        ..NewTask::default()
    };
    // What is written is not thrown away for another template.
    screen.keys("<tab><right>");
    says(&mut screen, "there is a text already");
    let given = orders(screen.keys("<c-s>"));
    assert_eq!(given, [Command::AddTask(Box::new(new))]);
}

#[test]
fn f5_ten_thousand_tasks_and_a_hundred_processes_draw_in_one_frame() {
    let mut company = company();
    let role = company.catalogue.role("sre").cloned().expect("a role");
    company.processes = (1..=100)
        .map(|number| Arc::new(process(number, &format!("Sam {number}"), &role)))
        .collect();
    let text = |number| format!("Look into report {number}");
    company.tasks = (1..=10_000)
        .map(|number| {
            let state = match number {
                ..=100 => TaskState::Running,
                101..=9_000 => TaskState::Queued,
                _ => TaskState::Succeeded,
            };
            Arc::new(task(number, &text(number), state))
        })
        .collect();
    company.counts = company.tasks.counts();
    for (width, height) in [(80, 24), (200, 50)] {
        let mut screen = Screen::new(company.clone(), width, height);
        screen.keys("2");
        says(&mut screen, "Working 100");
        says(&mut screen, "Look into report 1");
        // The last of the queue, and the oldest of what is done.
        screen.keys("G");
        says(&mut screen, "task_9001");
        screen.keys("1");
        says(&mut screen, "Sam 1");
    }
}

#[test]
fn under_a_filter_a_task_is_moved_among_those_that_are_shown() {
    let mut company = company();
    let queued = company.tasks.get(QUEUED).cloned().unwrap();
    for (id, text) in [
        (41, "pager one"),
        (42, "other"),
        (43, "pager two"),
        (44, "last"),
    ] {
        company.tasks.put(Arc::new(Task {
            id: TaskId(id),
            text: text.to_owned(),
            ..Task::clone(&queued)
        }));
    }
    let open = |keys: &str| {
        let mut screen = Screen::new(company.clone(), 80, 24);
        screen.keys(&format!("2/pager<enter>{keys}"));
        screen
    };
    let to = |task: u64, to: Move| {
        let task = TaskId(task);
        vec![Command::MoveTask { task, to }]
    };
    assert_eq!(
        orders(open("G").keys("<")),
        to(43, Move::Before(TaskId(41)))
    );
    assert_eq!(
        orders(open("Gk").keys(">")),
        to(41, Move::Before(TaskId(44)))
    );
    says(
        &mut open("G>"),
        "task_0043 is the last of those that are shown.",
    );
}
