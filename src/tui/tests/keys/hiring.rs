//! Keys of the hire form.

use crossterm::event::{Event, KeyCode};

use crate::domain::command::{Command, NewProcess, PromptOverride, Refusal};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::role::{Kind, PromptMode, Range};
use crate::domain::worktree::UseWorktree;
use crate::tui::Action;
use crate::tui::tests::fixture::Screen;
use crate::tui::tests::keys::{check, create, new, orders, screen};

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
