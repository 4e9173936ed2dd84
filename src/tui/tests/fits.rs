//! What does not fit is cut where it matters least, and it is seen that something is cut.

use std::sync::Arc;

use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::domain::command::Command;
use crate::domain::inbox::{Ask, Choice, Question, Request};
use crate::domain::snapshot::Snapshot;
use crate::tui::Action;
use crate::tui::tests::fixture::{Screen, company, crowd, question};

/// Somebody asks, with so many choices, the first of which has this label.
fn asking(choices: usize, label: &str) -> Snapshot {
    let mut company = company();
    let choice = |at: usize| Choice {
        label: match at {
            1 => label.to_owned(),
            at => format!("Choice number {at}"),
        },
        description: String::new(),
    };
    let asked = Request {
        ask: Ask::Question {
            questions: vec![Question {
                text: "Which of them shall it be, after all that was said about it before?"
                    .to_owned(),
                choices: (1..=choices).map(choice).collect(),
                several: false,
            }],
        },
        ..question(3, 3)
    };
    company.requests.insert(0, Arc::new(asked));
    company
}

#[test]
fn the_choice_that_enter_takes_is_always_in_view() {
    for (width, height) in [(40, 10), (60, 20), (80, 24), (40, 12), (30, 9)] {
        let mut screen = Screen::new(asking(11, "Choice number 1"), width, height);
        screen.keys("3A");
        for at in 1..=11 {
            let text = screen.text();
            let cursor = format!("› {at:>2} Choice number {at}");
            assert!(text.contains(&cursor), "{width}x{height}\n{text}");
            let all = (1..=11).all(|at| text.contains(&format!("Choice number {at}")));
            let says = text.contains('↑') || text.contains('↓');
            assert!(all || says, "{width}x{height}\n{text}");
            screen.keys("j");
        }
    }
}

#[test]
fn a_long_choice_is_seen_to_be_cut() {
    let long = "The one with the very long label that nobody could ever read in forty columns";
    let mut screen = Screen::new(asking(2, long), 40, 20);
    screen.keys("3A");
    let text = screen.text();
    let line = text
        .lines()
        .find(|line| line.contains("› 1 The one"))
        .expect("a choice");
    assert!(line.trim_end().ends_with('…'), "{line}");
}

#[test]
fn a_choice_that_is_described_by_its_own_label_is_said_once() {
    let mut company = asking(2, "Postgres");
    let asked = Arc::make_mut(&mut company.requests[0]);
    if let Ask::Question { questions } = &mut asked.ask {
        questions[0].choices[0].description = "Postgres".to_owned();
    }
    let mut screen = Screen::new(company, 80, 30);
    screen.keys("3");
    assert_eq!(
        screen.text().matches("Postgres").count(),
        1,
        "{}",
        screen.text()
    );
    screen.keys("A");
    let text = screen.text();
    assert!(text.contains("› 1 Postgres\n"), "{text}");
}

#[test]
fn lists_say_that_they_go_on() {
    for (keys, says) in [("", "↓ "), ("G", "↑ "), ("<pgdn>", "more  ↓ ")] {
        let mut screen = Screen::new(crowd(60), 80, 24);
        screen.keys(keys);
        assert!(screen.text().contains(says), "{keys}\n{}", screen.text());
    }
    let mut all = Screen::new(crowd(8), 80, 40);
    assert!(!all.text().contains(" more"), "{}", all.text());
    let mut hire = Screen::new(company(), 80, 20);
    hire.keys("n");
    assert!(hire.text().contains("↓ "), "{}", hire.text());
    hire.keys("G");
    assert!(hire.text().contains("↑ "), "{}", hire.text());
    // The last row is never hidden by the sign.
    let mut screen = Screen::new(crowd(60), 80, 24);
    screen.keys("G");
    let last = screen
        .snapshot
        .processes
        .last()
        .expect("somebody")
        .name
        .clone();
    assert!(screen.text().contains(&last));
}

#[test]
fn marks_are_counted_and_the_last_line_is_about_them() {
    let mut screen = Screen::new(crowd(60), 80, 24);
    screen.keys(" GV");
    let text = screen.text();
    let last = text.lines().last().unwrap_or_default();
    assert!(
        last.starts_with(" 60 marked, Esc clears  x stop  X kill  r restart"),
        "{last}"
    );
    assert!(!last.contains("log") && last.contains("q detach"), "{last}");
    screen.keys("<esc>");
    assert!(!screen.text().contains("marked"));
}

#[test]
fn what_is_marked_in_a_log_is_the_last_line_on_the_screen() {
    let mut screen = Screen::new(company(), 80, 24);
    for (n, line) in screen.log.lines.iter_mut().enumerate() {
        line.text = format!("line {n:03}");
    }
    screen.keys("lg");
    screen.draw();
    screen.keys(" ");
    let text = screen.text();
    assert!(text.contains("the log begins here"), "{text}");
    let shown = text.lines().rev().find(|line| line.contains("line 0"));
    let shown = shown
        .expect("a line")
        .trim()
        .rsplit("line ")
        .next()
        .unwrap_or_default();
    let actions = screen.keys("C");
    let [Action::Copy(copied)] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert_eq!(copied, &format!("line {shown}"));
}

#[test]
fn what_somebody_did_stands_beside_how_it_is_set_up() {
    let mut screen = Screen::new(company(), 120, 40);
    screen.keys("<enter>");
    let text = screen.text();
    let row = |what: &str| {
        let found = text.lines().position(|line| line.contains(what));
        found.unwrap_or_else(|| panic!("no {what} in\n{text}"))
    };
    assert!(row("Activity") <= row("Configuration"), "{text}");
    // A key goes to where a section begins, and not into the middle of one.
    let mut low = Screen::new(company(), 120, 16);
    low.keys("<enter>");
    low.draw();
    low.keys("<right>");
    let text = low.text();
    let first = text.lines().nth(5).unwrap_or_default();
    assert!(
        first.contains("Activity") || first.contains("Configuration"),
        "{text}"
    );
}

#[test]
fn what_holds_for_a_message_is_read_to_its_end() {
    for width in [40, 60, 80] {
        let mut screen = Screen::new(company(), width, 24);
        screen.keys("jM");
        let text = screen.text().replace('\n', " ");
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains("in one of its own."), "{text}");
    }
}

#[test]
fn what_to_do_about_mistakes_is_not_cut() {
    for width in [40, 60, 80] {
        let mut wrong = company();
        wrong.configuration_mistakes = Some(Arc::from("roles.toml:12:9"));
        let mut screen = Screen::new(wrong, width, 24);
        assert!(screen.text().contains("E shows how"), "{}", screen.text());
    }
}

#[test]
fn long_names_take_room_that_is_free_and_no_column_that_is_needed() {
    let mut company = company();
    let long = "A Very Long Employee Na";
    Arc::make_mut(&mut company.processes[0]).name = long.to_owned();
    let title = "Principal Release Engineer";
    Arc::make_mut(&mut company.processes[1]).role_title = title.to_owned();
    let mut wide = Screen::new(company.clone(), 200, 40);
    assert!(wide.text().contains(long), "{}", wide.text());
    let mut screen = Screen::new(company, 120, 40);
    let text = screen.text();
    let head = text
        .lines()
        .find(|line| line.contains("EMPLOYEE"))
        .expect("a head");
    assert!(head.contains("COST"), "{head}");
}

#[test]
fn a_hire_on_a_low_screen_keeps_its_button_and_what_is_wrong() {
    let mut screen = Screen::new(company(), 40, 10);
    screen.keys("n");
    let text = screen.text();
    assert!(
        text.contains("[ Hire ]") && text.contains("promised"),
        "{text}"
    );
    // Fields and what is wrong with one.
    screen.keys("<backtab><up><up><up><up><up>many<c-s>");
    let text = screen.text();
    assert!(text.contains("[ Hire ]") && text.contains('✕'), "{text}");
}

#[test]
fn a_click_on_the_button_hires() {
    for (width, height) in [(80, 24), (40, 10), (160, 40)] {
        let mut screen = Screen::new(company(), width, height);
        screen.keys("n");
        let text = screen.text();
        let row = text
            .lines()
            .position(|line| line.contains("[ Hire ]"))
            .expect("a button");
        let click = Event::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: 4,
            row: u16::try_from(row).expect("a row"),
            modifiers: KeyModifiers::NONE,
        });
        let actions = screen.view.event(&click, &screen.snapshot, &screen.now);
        let hires = |action: &Action| {
            matches!(
                action,
                Action::Order {
                    command: Command::Create(_),
                    ..
                }
            )
        };
        assert!(actions.iter().any(hires), "{actions:?}");
    }
}

#[test]
fn help_on_a_hire_is_read_above_it() {
    let help = "these keys; in a field it is a letter";
    let mut screen = Screen::new(company(), 80, 24);
    screen.keys("njj2?");
    assert!(screen.text().contains(help), "{}", screen.text());
    screen.keys("<esc>");
    assert!(screen.text().contains("2 × "), "{}", screen.text());
    // In a field it is a letter.
    screen.keys("<tab><tab>?");
    assert!(!screen.text().contains(help));
}

#[test]
fn a_hire_of_several_shows_one_of_them_and_names_nobody() {
    let mut screen = Screen::new(company(), 120, 40);
    // Two are chosen, and the cursor goes on to one that is not.
    screen.keys("n j ");
    let runs = |text: &str| {
        let line = text.lines().find(|line| line.contains(" runs"));
        line.unwrap_or_default()
            .rsplit("  ")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    screen.keys("jjj");
    let other = screen.text();
    assert!(runs(&other).starts_with("Project Manager"), "{other}");
    screen.keys("<tab>B");
    let text = screen.text();
    assert!(
        text.contains("each of several gets a name that is free"),
        "{text}"
    );
}

#[test]
fn limits_are_written_with_the_digits_and_the_unit_that_they_have() {
    let mut company = company();
    let catalogue = Arc::make_mut(&mut company.catalogue);
    for role in &mut catalogue.roles {
        role.cpu.min = 0.25;
        role.memory.min = 256_000_000;
    }
    Arc::make_mut(&mut company.processes[0]).cpu.min = 0.25;
    let mut screen = Screen::new(company, 120, 40);
    screen.keys("n");
    let text = screen.text();
    assert!(text.contains("0.25.."), "{text}");
    assert!(
        text.contains("promises 256MB of 18G free and 0.25 of 8 cores"),
        "{text}"
    );
    screen.keys("5");
    assert!(
        screen
            .text()
            .contains("promise 1.2GB of 18G free and 1.25 of 8 cores")
    );
    screen.keys("<esc><enter>");
    assert!(
        screen.text().contains("0.25 to 2.0 cores"),
        "{}",
        screen.text()
    );
}
