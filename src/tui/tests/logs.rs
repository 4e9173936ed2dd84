//! Reading in a log: following, scrolling, staying.

use crate::tui::tests::fixture::{Screen, company, log};

fn screen() -> Screen {
    Screen::new(company(), 80, 24)
}

#[test]
fn the_log_scrolls_to_its_beginning_and_back() {
    let mut screen = screen();
    screen.log = log(500);
    screen.keys("l");
    let end = screen.text();
    assert!(end.contains("following"));
    for _ in 0..60 {
        screen.keys("<pgup>");
    }
    assert!(screen.text().contains("the log begins here"));
    for _ in 0..60 {
        screen.keys("<pgdn>");
    }
    screen.keys("f");
    assert_eq!(screen.text(), end);
    screen.keys("k");
    assert!(screen.text().contains("f follows"));
}

#[test]
fn a_log_that_grows_does_not_move_what_is_read() {
    let mut screen = screen();
    screen.keys("lkkk");
    let body = |text: String| text.lines().skip(4).take(15).collect::<Vec<_>>().join("\n");
    let before = body(screen.text());
    screen.log = log(90);
    assert_eq!(body(screen.text()), before);
    screen.keys("G");
    assert_ne!(body(screen.text()), before);
}

#[test]
fn a_page_of_the_log_misses_no_line_and_repeats_one() {
    let mut screen = screen();
    screen.log = log(200);
    screen
        .log
        .lines
        .iter_mut()
        .enumerate()
        .for_each(|(n, line)| {
            line.text = format!("line {n:03}");
        });
    screen.keys("lg");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let text = screen.text();
        for (at, _) in text.match_indices("line ") {
            seen.extend(
                text.get(at + 5..at + 8)
                    .and_then(|n| n.parse::<usize>().ok()),
            );
        }
        screen.keys("<pgdn>");
    }
    assert_eq!(seen.len(), 200);
}
