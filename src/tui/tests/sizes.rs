//! Nothing makes a frame fail: no size, no keys, no text of others.

use std::sync::Arc;

use proptest::prelude::*;

use crate::tui::tests::fixture::{Screen, apart, company, empty, permission, question};

#[test]
fn hostile_text_reaches_no_cell() {
    let mut company = company();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}x\r\n\u{9b}31m";
    for process in &mut company.processes {
        let process = Arc::make_mut(process);
        process.name.push_str(evil);
        process.now.push_str(evil);
        process.role_title.push_str(evil);
        process.environment.push((evil.to_owned(), evil.to_owned()));
    }
    for task in &company.tasks.clone() {
        company
            .tasks
            .change(task.id, |task| task.text.insert_str(0, evil));
    }
    company
        .requests
        .insert(0, Arc::new(permission(9, 1, evil, 9)));
    for keys in [
        "", "<enter>", "l", "2", "2<enter>", "3", "3<enter>", "d", "n", "t", "jX",
    ] {
        let mut screen = Screen::new(company.clone(), 120, 40);
        screen.keys(keys);
        let found = screen.draw().content.iter().any(|cell| {
            cell.symbol()
                .chars()
                .any(|c| c.is_control() || c == '\u{202e}')
        });
        assert!(!found, "{keys}");
    }
}

#[test]
fn a_view_may_move_between_threads() {
    const fn sent<T: Send>() {}
    sent::<crate::tui::View>();
}

const STATES: [&str; 31] = [
    "jp",
    "jp<right>",
    "jpm",
    "jp<del>",
    "2p",
    "",
    "<enter>",
    "l",
    "lk",
    "2",
    "2<enter>",
    "3",
    "3<enter>",
    "3jA",
    "4",
    "n",
    "n<tab>",
    "t",
    "d",
    "jX",
    "?",
    ":s",
    "/a",
    "3Z",
    "<left>",
    "SSS",
    " GVx",
    "l/a",
    "l/ca<enter>N",
    "lFFF",
    "lL<right>",
];

#[test]
fn every_size_is_drawn() {
    let mut company = apart();
    company.requests.insert(1, Arc::new(question(3, 3)));
    for keys in STATES {
        let mut screen = Screen::new(company.clone(), 80, 24);
        screen.keys(keys);
        for width in (0..=60).rev() {
            for height in 0..=20 {
                screen.resize(width, height);
                screen.draw();
            }
        }
        screen.resize(200, 50);
        screen.draw();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_keys_at_any_size_make_it_fail(
        keys in "([a-zA-Z0-9/:?!]|<enter>|<esc>|<tab>|<up>|<down>|<left>|<right>|<pgup>|<pgdn>|<c-s>|<del>){0,40}",
        sizes in proptest::collection::vec((0u16..130, 0u16..45), 1..4),
        count in 0u64..12,
    ) {
        let mut snapshot = if count == 0 { empty() } else { apart() };
        let mut screen = Screen::new(snapshot.clone(), 80, 24);
        for (at, (width, height)) in sizes.into_iter().enumerate() {
            screen.resize(width, height);
            screen.keys(&keys);
            screen.draw();
            if at == 0 && !snapshot.processes.is_empty() {
                snapshot.processes.remove(0);
                snapshot.tasks = crate::domain::task_list::TaskList::default();
                snapshot.requests.clear();
                screen.snapshot = snapshot.clone();
                screen.view.observe(&snapshot);
            }
            screen.draw();
        }
    }
}
