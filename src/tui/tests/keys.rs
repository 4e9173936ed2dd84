//! What keys do: which orders they give, what they show, what they refuse.

use std::sync::Arc;

use crossterm::event::{Event, KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::domain::command::{Command, NewProcess, Outcome, PromptOverride, Refusal, UpdateWhen};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::{AlertId, ProcessId, RequestId, TaskId};
use crate::domain::inbox::{self, Item};
use crate::domain::role::{Kind, PromptMode, Range};
use crate::domain::snapshot::{Level, Snapshot, Status};
use crate::domain::task::{Priority, TaskState};
use crate::domain::worktree::UseWorktree;
use crate::tui::Action;
use crate::tui::look::{Capabilities, ColourDepth};
use crate::tui::tests::fixture::{
    self, Screen, alert, caps, company, crowd, digest, edit, empty, message, now, permission,
    question,
};

fn screen() -> Screen {
    Screen::new(company(), 80, 24)
}

/// The orders among actions.
fn orders(actions: Vec<Action>) -> Vec<Command> {
    actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Order { command, .. } => Some(command),
            _ => None,
        })
        .collect()
}

/// After these keys, exactly these orders were given.
fn check(keys: &str, expected: &[Command]) {
    assert_eq!(orders(screen().keys(keys)), expected, "{keys}");
}

const LINUS: ProcessId = ProcessId(2);
const GRACE: ProcessId = ProcessId(3);
const MARGARET: ProcessId = ProcessId(6);

#[test]
fn control_keys_order_for_the_selected_process() {
    check("jx", &[Command::Stop(LINUS)]);
    check("jr", &[Command::Restart(LINUS)]);
    check("Gs", &[Command::Start(MARGARET)]);
    // An idle one has nothing to lose: nothing is asked.
    check("jjX", &[Command::Kill(GRACE)]);
}

#[test]
fn what_cannot_be_taken_back_asks_first() {
    check("jX", &[]);
    check("jX<esc>", &[]);
    check("jXy", &[Command::Kill(LINUS)]);
    check("G<del>", &[]);
    check("G<del>y", &[Command::Remove(MARGARET)]);
    check("2c", &[]);
    check("2cy", &[Command::CancelTask(TaskId(30))]);
}

#[test]
fn a_key_that_cannot_act_says_why() {
    for (keys, hint) in [
        ("s", "Ada is up already"),
        ("Gx", "Margaret is down already"),
        ("Gr", "Margaret is down: s starts"),
        ("<del>", "Ada is up: x stops it first"),
        ("jy", "Nothing is asked here"),
        ("2R", "task_0030 is waiting"),
        ("2h", "only what waits is held or released"),
        ("<c-c>", "q leaves the screen"),
    ] {
        let mut screen = screen();
        assert_eq!(orders(screen.keys(keys)), [], "{keys}");
        let text = screen.text();
        assert!(text.contains(hint), "{keys}\n{text}");
    }
}

#[test]
fn a_task_shows_what_it_waits_for_and_what_was_done_and_opens_its_part_of_the_log() {
    use crate::domain::id::RunId;
    use crate::domain::task::{Attempt, AttemptEnd, FileChange, LogSpan, Task, TaskState, Work};
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
fn each_press_of_stop_says_what_the_next_one_does() {
    let mut screen = screen();
    screen.keys("jx");
    assert!(
        screen
            .text()
            .contains("x again interrupts the task, a third x kills")
    );
    let linus = Arc::make_mut(&mut screen.snapshot.processes[1]);
    linus.status = Status::Stopping;
    screen.view.observe(&screen.snapshot);
    assert!(screen.text().contains("x interrupt"));
    assert_eq!(orders(screen.keys("x")), [Command::Stop(LINUS)]);
    let text = screen.text();
    assert!(text.contains("x again kills"), "{text}");
    assert!(text.contains("x kill"), "{text}");
    assert_eq!(orders(screen.keys("x")), [Command::Stop(LINUS)]);
    assert!(screen.text().contains("killing the whole tree"));
}

#[test]
fn marked_processes_are_acted_on_together() {
    check("j  r", &[]);
    check("j  ry", &[Command::Restart(LINUS), Command::Restart(GRACE)]);
    // A range goes from the last mark to the row, in either direction.
    let three = [
        Command::Stop(ProcessId(1)),
        Command::Stop(LINUS),
        Command::Stop(GRACE),
    ];
    check(" jVxy", &three);
    check("jj kkkVxy", &three);
    check("VVx", &[Command::Stop(ProcessId(1))]);
    // Esc takes the marks back.
    check("j  <esc>kkr", &[Command::Restart(LINUS)]);
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

fn new(role: &str) -> NewProcess {
    NewProcess {
        role: role.to_owned(),
        working_directory: Some("/home/me/src/shop".into()),
        ..NewProcess::default()
    }
}

/// As one of several: with the turns that are proposed for them.
fn several(role: &str) -> NewProcess {
    NewProcess {
        max_turns: Some(20),
        ..new(role)
    }
}

/// As one of several roles: with its department as well.
fn of_roles(role: &str, department: &str) -> NewProcess {
    let department = ("DEPARTMENT".to_owned(), department.to_owned());
    NewProcess {
        environment: [department].into(),
        ..several(role)
    }
}

fn create(new: NewProcess) -> Command {
    Command::Create(Box::new(new))
}

#[test]
fn hiring_orders_one_process_for_each_instance() {
    check("n<enter>", &[create(new("project_manager"))]);
    check(
        "njjj2j+<c-s>",
        &[
            create(of_roles("senior_developer", "development")),
            create(of_roles("senior_developer", "development")),
            create(of_roles("junior_developer", "development")),
        ],
    );
    // Two of one role know where they work.
    check(
        "njjj2<c-s>",
        &[
            create(several("senior_developer")),
            create(several("senior_developer")),
        ],
    );
    check("n<esc>", &[]);
    let named = NewProcess {
        name: Some("Barbara".to_owned()),
        working_directory: Some("/home/me/src/other".into()),
        model: Some("opus".to_owned()),
        max_turns: Some(20),
        environment: [("API_KEY".to_owned(), "x y".to_owned())].into(),
        cpu: Some(Range { min: 1.0, max: 2.0 }),
        memory: Some(Range {
            min: 1_000_000_000,
            max: 2_000_000_000,
        }),
        kind: Some(Kind::Interactive),
        no_start: true,
        worktree: Some(UseWorktree::Always),
        ..new("technical_lead")
    };
    let keys = "nj<tab>Barbara<tab><backspace><backspace><backspace><backspace>other<down><down><down><down>\
        API_KEY=x y<tab>opus<enter>20<tab>1..2<tab>1GB..2GB<tab><right><tab><right><tab><right><tab><enter>";
    check(keys, &[create(named)]);
    // From the roles: the one under the cursor.
    check("4jj<enter><enter>", &[create(new("qa_director"))]);
}

#[test]
fn a_key_hires_a_whole_department() {
    let departments = [
        "senior_developer",
        "junior_developer",
        "qa_engineer",
        "test_engineer",
    ];
    let all = departments.map(|role| create(of_roles(role, "development")));
    check("njjj*<c-s>", &all);
    // A second time takes it back: then it is the one under the cursor.
    check("njjj**<enter>", &[create(new("senior_developer"))]);
    // What a person says of the turns stands, be it nothing.
    let free = departments.map(|role| {
        create(NewProcess {
            max_turns: None,
            ..of_roles(role, "development")
        })
    });
    check(
        "njjj*<tab><tab><tab><tab><tab><tab><tab><tab><backspace><backspace><backtab><c-s>",
        &free,
    );
}

#[test]
fn a_hire_with_a_mistake_stays_open() {
    for (keys, says) in [
        (
            "n<backtab><up><up><up><up><up><up>many<c-s>",
            "max turns is a whole number",
        ),
        ("n<backtab><up><up><up><up><up>2<c-s>", "`2` is not a range"),
        (
            "n<backtab><up><up><up><up>2GB..1GB<c-s>",
            "the minimum 2GB is above",
        ),
        (
            "n<tab><tab><tab><tab><tab><tab>x<c-s>",
            "`x` is not NAME=value",
        ),
    ] {
        let mut screen = screen();
        assert_eq!(orders(screen.keys(keys)), []);
        let text = screen.text();
        assert!(text.contains(says), "{text}");
        screen.keys(&"<backspace>".repeat(8));
        assert_eq!(orders(screen.keys("<c-s>")).len(), 1, "{keys}");
        assert!(!screen.text().contains("Hire ─"));
    }
}

#[test]
fn what_is_wrong_with_a_hire_is_said_before_anything_is_started() {
    let mut screen = screen();
    screen.faults = vec![Fault::new(
        FaultCode::PromptNotFound,
        "the prompt sre.md is not there",
        "put it back",
    )];
    screen.keys("njjjj");
    let text = screen.text();
    assert!(
        text.contains("Junior Developer: the prompt sre.md is not there"),
        "{text}"
    );
    assert!(text.contains("(PROC_002); try: put it"), "{text}");
    assert_eq!(orders(screen.keys("<enter>")), []);
    assert!(screen.text().contains("nobody was hired"));
    // Mended meanwhile: it was looked at again.
    screen.faults.clear();
    assert_eq!(orders(screen.keys("<enter>")), []);
    assert_eq!(orders(screen.keys("<enter>")).len(), 1);
}

#[test]
fn what_is_doubtful_about_a_hire_is_said_and_hinders_nobody() {
    let mut screen = screen();
    screen.warnings = vec![Fault::no_login("the agent is not logged in: no login")];
    screen.keys("njjjj");
    let text = screen.text();
    assert!(
        text.contains("Junior Developer: the agent is not logged in: no login (PROC_007)"),
        "{text}"
    );
    assert_eq!(orders(screen.keys("<enter>")).len(), 1);
}

#[test]
fn one_that_cannot_start_yet_may_be_hired_for_later() {
    let mut screen = screen();
    screen.faults = vec![Fault::new(
        FaultCode::FailedToStart,
        "no claude",
        "install it",
    )];
    assert_eq!(
        orders(screen.keys("n<backtab><backtab><right><c-s>")).len(),
        1
    );
}

#[test]
fn a_name_that_is_taken_is_said_while_it_is_typed() {
    let mut screen = screen();
    let event = Event::Key(KeyCode::Char('n').into());
    let (view, snapshot, now) = (&mut screen.view, &screen.snapshot, &screen.now);
    let actions = view.event(&event, snapshot, now);
    let [
        Action::Order {
            ticket,
            command: Command::Preview(news),
        },
    ] = actions.as_slice()
    else {
        panic!("{actions:?}");
    };
    assert_eq!(news.as_slice(), [new("project_manager")]);
    // Nothing is known before it is answered, and then it is hired all the same.
    let taken = Refusal::Invalid("there is an employee named Ada already".to_owned());
    screen.view.answered(*ticket, Err(taken));
    let text = screen.text();
    assert!(
        text.contains("there is an employee named Ada already"),
        "{text}"
    );
    assert_eq!(orders(screen.keys("<enter>")), []);
}

#[test]
fn a_prompt_is_written_in_the_editor_from_the_roles_own() {
    let mut screen = screen();
    let actions = screen.keys("n<c-e>");
    let [Action::Edit { ticket, text, .. }] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert_eq!(text, "You are a Project Manager.\nBe brief.\n");
    let edited = |screen: &mut Screen, text: Option<&str>| {
        let text = text.map(str::to_owned);
        let (view, snapshot, now) = (&mut screen.view, &screen.snapshot, &screen.now);
        let actions = view.edited(*ticket, text, snapshot, now);
        screen.look(actions);
    };
    edited(&mut screen, Some("Be kind.\n"));
    assert!(screen.text().contains("a text of 1 line"));
    let own = NewProcess {
        prompt: Some(PromptOverride::Text("Be kind.\n".to_owned())),
        prompt_mode: Some(PromptMode::Replace),
        ..new("project_manager")
    };
    assert_eq!(orders(screen.keys("<tab><right><c-s>")), [create(own)]);
    let file = NewProcess {
        prompt: Some(PromptOverride::File("/home/me/notes.md".into())),
        tools: Some(vec!["Bash".to_owned(), "Read".to_owned()]),
        ..new("project_manager")
    };
    check(
        "n<tab><tab><tab>~/notes.md<tab><tab>Bash, Read,<c-s>",
        &[create(file)],
    );
}

#[test]
fn a_prompt_that_says_nothing_new_is_the_roles() {
    let mut screen = screen();
    let actions = screen.keys("n<c-e>");
    let [Action::Edit { ticket, text, .. }] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    let (view, snapshot, now) = (&mut screen.view, &screen.snapshot, &screen.now);
    view.edited(*ticket, Some(text.clone()), snapshot, now);
    assert_eq!(
        orders(screen.keys("<c-s>")),
        [create(new("project_manager"))]
    );
}

#[test]
fn left_and_right_go_by_sections_of_the_details() {
    let mut screen = screen();
    let first = |screen: &mut Screen| {
        let text = screen.text();
        text.lines().nth(5).unwrap_or_default().trim().to_owned()
    };
    screen.keys("<enter>");
    assert_eq!(first(&mut screen), "Overview");
    assert_eq!(screen.view.looks_at(), Some(ProcessId(1)));
    screen.keys("<right>");
    assert_eq!(first(&mut screen), "Resources");
    screen.keys("<right>");
    assert_eq!(first(&mut screen), "Activity");
    screen.keys("<left><left>");
    assert_eq!(first(&mut screen), "Overview");
    screen.keys("<esc>");
    assert_eq!(screen.view.looks_at(), None);
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
fn a_refused_order_is_shown_with_its_remedy() {
    let mut screen = screen();
    let actions = screen.keys("jr");
    let [Action::Order { ticket, .. }] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    let refusal = Refusal::NotStored("no space left".to_owned());
    screen.view.answered(*ticket, Err(refusal));
    let text = screen.text();
    assert!(
        text.contains("cannot restart Linus: cannot write"),
        "{text}"
    );
}

#[test]
fn the_selection_is_kept_by_id_while_rows_come_and_go() {
    let mut screen = screen();
    screen.keys("j");
    screen.snapshot.processes.remove(0);
    screen.view.observe(&screen.snapshot);
    assert_eq!(orders(screen.keys("x")), [Command::Stop(LINUS)]);
    screen.snapshot.processes.remove(0);
    screen.view.observe(&screen.snapshot);
    assert_eq!(orders(screen.keys("x")), [Command::Stop(GRACE)]);
}

#[test]
fn a_filter_shows_only_what_holds_its_words() {
    let mut screen = screen();
    screen.keys("/qa<enter>");
    let text = screen.text();
    assert!(text.contains("Grace") && !text.contains("Linus"), "{text}");
    screen.keys("<esc>");
    assert!(screen.text().contains("Linus"));
}

#[test]
fn one_key_goes_to_what_waits() {
    let mut screen = Screen::new(company(), 80, 24);
    screen.keys("2w");
    assert_eq!(orders(screen.keys("y")), [Command::Approve(RequestId(1))]);
    let mut quiet = Screen::new(crowd(3), 80, 24);
    quiet.keys("w");
    assert!(quiet.text().contains("Nobody waits for you"));
}

#[test]
fn why_names_the_evidence() {
    let mut screen = screen();
    screen.keys("W");
    let text = screen.text();
    assert!(
        text.contains("Known from  the agent's own event, 10:41"),
        "{text}"
    );
    // The same key goes back.
    screen.keys("W");
    assert!(!screen.text().contains("Known from"));
}

#[test]
fn only_what_is_said_after_attaching_is_shown_and_rung() {
    let mut screen = screen();
    screen.snapshot.messages = vec![message(1, Level::Info, "old news")];
    let mut view = crate::tui::View::new(caps());
    let actions = view.observe(&screen.snapshot);
    assert_eq!(actions, [Action::Title("(1) headcount shop".to_owned())]);
    screen.view = view;
    assert!(!screen.text().contains("old news"));
    let proof = "Linus stopped: 7 processes ended, 0 left";
    screen
        .snapshot
        .messages
        .push(message(2, Level::Info, proof));
    assert_eq!(screen.view.observe(&screen.snapshot), []);
    assert!(screen.text().contains(proof));
    screen.snapshot.requests.insert(1, Arc::new(edit(2, 2)));
    let actions = screen.view.observe(&screen.snapshot);
    assert!(
        matches!(actions.as_slice(), [Action::Call(text)] if text.starts_with("Linus asks: ")),
        "{actions:?}"
    );
    assert_eq!(screen.view.observe(&screen.snapshot), []);
}

#[test]
fn news_leave_after_a_while_and_errors_with_the_next_key() {
    let mut screen = screen();
    screen.snapshot.messages = vec![message(1, Level::Info, "good news")];
    screen.view.observe(&Snapshot::default());
    screen.view.observe(&screen.snapshot);
    assert!(screen.text().contains("good news"));
    // A key right after it appeared was not pressed because of it.
    screen.keys("j");
    assert!(screen.text().contains("good news"));
    screen.now.wall += jiff::SignedDuration::from_secs(31);
    assert!(!screen.text().contains("good news"));
}

#[test]
fn clicks_select_rows_and_screens_and_the_wheel_scrolls() {
    let mut screen = screen();
    screen.draw();
    let mouse = |kind, column, row| {
        Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    screen
        .view
        .event(&mouse(click, 10, 6), &screen.snapshot, &screen.now);
    assert_eq!(orders(screen.keys("x")), [Command::Stop(LINUS)]);
    let wheel = mouse(MouseEventKind::ScrollDown, 10, 6);
    screen.view.event(&wheel, &screen.snapshot, &screen.now);
    assert_eq!(orders(screen.keys("<up>x")), [Command::Stop(ProcessId(4))]);
    screen
        .view
        .event(&mouse(click, 18, 1), &screen.snapshot, &screen.now);
    assert!(screen.text().contains("PRIORITY"));
}

#[test]
fn what_needs_a_person_is_coloured_as_well_as_marked() {
    let mut screen = screen();
    let warn = crate::tui::look::Look::new(caps()).palette.warn.fg;
    let cell = screen.draw().cell((1, 5)).expect("a cell").clone();
    assert_eq!(cell.symbol(), "!");
    assert_eq!(Some(cell.fg), warn);
}

#[test]
fn without_colours_the_selected_row_is_reversed() {
    let plain = Capabilities {
        colour: ColourDepth::None,
        ..caps()
    };
    let mut screen = Screen::with(plain, company(), 80, 24);
    let cell = screen.draw().cell((8, 5)).expect("a cell").clone();
    assert!(cell.modifier.contains(ratatui::style::Modifier::REVERSED));
}

#[test]
fn the_picture_changes_by_time_when_a_minute_is_full_or_a_countdown_runs() {
    let screen = screen();
    let next = screen
        .view
        .next_change(&screen.snapshot, &screen.now)
        .expect("a countdown runs");
    assert_eq!(next.duration_since(screen.now.wall).as_secs(), 1);
    // Up for 2h 14m: the list shows hours, the details minutes too.
    for (keys, seconds) in [("", 46 * 60), ("<enter>", 60)] {
        let mut quiet = Screen::new(crowd(3), 80, 24);
        quiet.keys(keys);
        let next = quiet
            .view
            .next_change(&quiet.snapshot, &quiet.now)
            .expect("times are shown");
        assert_eq!(next.duration_since(quiet.now.wall).as_secs(), seconds);
    }
    let nobody = Screen::new(empty(), 80, 24);
    assert_eq!(nobody.view.next_change(&nobody.snapshot, &nobody.now), None);
}

#[test]
fn the_demo_is_offered_while_there_is_no_agent_and_nobody() {
    let mut snapshot = empty();
    assert_eq!(Screen::new(snapshot.clone(), 80, 24).keys("D"), []);
    snapshot.agent_missing = Some(crate::domain::fault::Fault::new(
        crate::domain::fault::FaultCode::FailedToStart,
        "no `claude` on the PATH",
        "install it",
    ));
    let mut screen = Screen::new(snapshot, 80, 24);
    assert_eq!(screen.keys("D"), [Action::Demo]);
    assert!(screen.text().contains("D demo"));
}

#[test]
fn of_many_messages_the_worst_is_shown() {
    let mut screen = screen();
    screen.snapshot.messages = vec![
        message(1, Level::Error, "it broke"),
        message(2, Level::Info, "all is well"),
    ];
    screen.view.observe(&Snapshot::default());
    screen.view.observe(&screen.snapshot);
    assert!(screen.text().contains("it broke"));
}

#[test]
fn q_detaches_and_stops_nothing() {
    assert_eq!(screen().keys("q"), [Action::Detach]);
    assert_eq!(screen().keys("lq"), [Action::Detach]);
    // In a text it is a letter.
    assert_eq!(screen().keys("tq"), []);
}

#[test]
fn updates_are_taken_now_when_idle_or_not_now() {
    let update = |when| Command::Update {
        process: LINUS,
        when,
    };
    check("u<enter>", &[update(UpdateWhen::Now)]);
    check("ui", &[update(UpdateWhen::Idle)]);
    check("uO", &[update(UpdateWhen::Rolling)]);
    check("ud", &[update(UpdateWhen::NotNow)]);
    check("u<esc>", &[]);
    // Nobody runs on anything old: the key says so and opens nothing.
    let mut screen = Screen::new(crowd(1), 80, 24);
    assert!(orders(screen.keys("u<enter>")).is_empty());
}

#[test]
fn one_question_names_how_many_are_meant() {
    let mut screen = screen();
    screen.keys(" GVX");
    let text = screen.text();
    assert!(
        text.contains("Kill 4 employees: Ada and 3 others? (2 more marked"),
        "{text}"
    );
    assert!(text.contains("2 pieces of work are cut off."), "{text}");
    screen.keys("<esc>x");
    let text = screen.text();
    assert!(text.contains("Stop 5 employees"), "{text}");
    assert!(
        text.contains("They stop after their current tasks."),
        "{text}"
    );
    assert_eq!(orders(screen.keys("y")).len(), 5);
    // The marks stay, so that the next press means the same ones.
    screen.keys("x");
    assert!(
        screen.text().contains("They interrupt their tasks."),
        "{}",
        screen.text()
    );
}

/// The names in the rows, from the top.
fn names(screen: &mut Screen) -> Vec<String> {
    let text = screen.text();
    let known = ["Ada", "Linus", "Grace", "Ken", "Radia", "Margaret"];
    let name = |line: &str| {
        let found = known
            .iter()
            .find(|name| line.contains(&format!(" {name} ")));
        found.map(|name| (*name).to_owned())
    };
    let rows = text
        .lines()
        .skip(4)
        .take_while(|line| !line.starts_with(" ·"));
    rows.filter_map(name).collect()
}

#[test]
fn a_sorted_list_keeps_the_order_of_the_moment_it_was_sorted() {
    let mut screen = Screen::new(company(), 120, 24);
    // Name, role, status, health, CPU.
    screen.keys("S");
    let by_name = ["Ada", "Grace", "Ken", "Linus", "Margaret", "Radia"];
    assert_eq!(names(&mut screen), by_name);
    screen.keys("o");
    assert!(screen.text().contains("EMPLOYEE↓"), "{}", screen.text());
    assert_eq!(
        names(&mut screen),
        by_name.iter().rev().copied().collect::<Vec<_>>()
    );
    screen.keys("SSSS");
    let by_cpu = ["Linus", "Ada", "Grace", "Radia", "Ken", "Margaret"];
    assert_eq!(names(&mut screen), by_cpu);
    assert!(screen.text().contains("by CPU at 10:44, Esc undoes"));
    // Figures change: the rows stay, until the key is pressed again.
    let ada = Arc::make_mut(&mut screen.snapshot.processes[0]);
    ada.usage = ada.usage.map(|usage| crate::domain::snapshot::Usage {
        cpu_percent: 99.0,
        ..usage
    });
    screen.view.observe(&screen.snapshot);
    assert_eq!(names(&mut screen), by_cpu);
    screen.keys("oo");
    assert_eq!(names(&mut screen)[..2], ["Ada", "Linus"]);
    // Who is hired later stands at the end.
    screen.snapshot.processes.insert(
        0,
        Arc::new(crate::tui::tests::fixture::process(
            9,
            "Barbara",
            &screen.snapshot.catalogue.roles[0],
        )),
    );
    screen.view.observe(&screen.snapshot);
    let text = screen.text();
    assert!(text.find("Barbara") > text.find("Margaret"), "{text}");
    screen.keys("<esc>");
    assert!(screen.text().contains("▾ Development"));
}

#[test]
fn a_folded_department_is_one_row_that_says_who_needs_a_person() {
    let mut screen = screen();
    screen.keys("j<left>");
    let text = screen.text();
    assert!(
        text.contains("▸ Development  4, 3 up, 2 busy, 1 needs you"),
        "{text}"
    );
    assert_eq!(names(&mut screen), ["Radia", "Margaret"]);
    // Nobody is selected: nothing is done to anybody.
    assert_eq!(orders(screen.keys("xXrsy")), []);
    assert_eq!(orders(screen.keys("jx")), [Command::Stop(ProcessId(5))]);
    // A filter finds in folded departments too.
    screen.keys("/linus<enter>");
    assert_eq!(names(&mut screen), ["Linus"]);
    screen.keys("<esc>");
    // What waits is unfolded by the key that goes to it.
    assert_eq!(orders(screen.keys("wy")), [Command::Approve(RequestId(1))]);
    assert!(screen.text().contains("▾ Development"));
    screen.keys("<left><enter>");
    assert!(screen.text().contains("▾ Development"));
    screen.keys("S<left>");
    assert!(
        screen
            .text()
            .contains("Only the usual list has departments to fold")
    );
}

#[test]
fn the_palette_finds_actions_and_goes_to_what_is_found() {
    // By letters in their order, wherever they stand.
    assert_eq!(screen().keys(":dtch<enter>"), [Action::Detach]);
    check("2:linus<enter>x", &[Command::Stop(LINUS)]);
    check(":proc_003<enter>x", &[Command::Stop(GRACE)]);
    // It is found behind a filter and in a folded department as well.
    check("/margaret<enter>:linus<enter>x", &[Command::Stop(LINUS)]);
    check("<left>:linus<enter>x", &[Command::Stop(LINUS)]);
    check(":load tests<enter>R", &[Command::RetryTask(TaskId(29))]);
    check(":sre<esc>", &[]);
    check(
        ":qadirector<enter><enter><enter>",
        &[create(new("qa_director"))],
    );
    let mut screen = screen();
    screen.keys(":sortcost<enter>");
    assert!(screen.text().contains("by cost at 10:44"));
    screen.keys(":zzzz<enter>");
    assert!(screen.text().contains("nothing is called so"));
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

#[test]
fn what_happened_comes_up_once_and_any_key_closes_it() {
    let told = |screen: &mut Screen| screen.text().contains("While you were away");
    for key in ["<esc>", "q", " ", "y", "<enter>", "x"] {
        let mut screen = Screen::new(company(), 80, 24);
        let since = now().wall;
        let asked = screen.view.comes_back(since);
        assert_eq!(asked, [Action::Digest { since: Some(since) }]);
        screen.view.away(Some(Arc::new(digest(true))));
        assert!(told(&mut screen), "{}", screen.text());
        assert_eq!(screen.keys(key), []);
        assert!(!told(&mut screen), "{key}");
        // A key asks for it again, with the same beginning.
        assert_eq!(screen.keys("B"), [Action::Digest { since: Some(since) }]);
        screen.view.away(Some(Arc::new(digest(false))));
        assert!(
            screen.text().contains("Nothing happened"),
            "{}",
            screen.text()
        );
    }
}

#[test]
fn nothing_comes_up_where_nothing_happened_or_somebody_is_at_work_already() {
    let mut screen = Screen::new(company(), 80, 24);
    screen.view.comes_back(now().wall);
    screen.view.away(Some(Arc::new(digest(false))));
    assert!(screen.text().contains("EMPLOYEE"));
    let mut screen = Screen::new(company(), 80, 24);
    screen.view.comes_back(now().wall);
    screen.keys("t");
    screen.view.away(Some(Arc::new(digest(true))));
    assert!(!screen.text().contains("While you were away:"));
    assert!(screen.text().contains("B shows them"), "{}", screen.text());
    // What cannot be read is said.
    screen.view.away(None);
    assert!(
        screen.text().contains("cannot be read"),
        "{}",
        screen.text()
    );
}

#[test]
fn new_updates_call_a_person() {
    let mut screen = Screen::new(company(), 80, 24);
    let grace = Arc::make_mut(&mut screen.snapshot.processes[2]);
    grace.updates_available = true;
    let call = Action::Call("updates for Linus, Grace".to_owned());
    assert_eq!(screen.view.observe(&screen.snapshot), [call]);
    assert_eq!(screen.view.observe(&screen.snapshot), []);
}
