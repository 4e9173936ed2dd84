//! Reading in a log: following, scrolling, staying.

use std::sync::Arc;

use crate::domain::id::RunId;
use crate::domain::log::{LogFound, LogKind, LogSeek};
use crate::domain::role::Protocol;
use crate::tui::Action;
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

/// A log of five hundred numbered lines, each third of another kind.
fn numbered() -> Screen {
    let mut screen = screen();
    screen.log = log(500);
    for (n, line) in screen.log.lines.iter_mut().enumerate() {
        line.text = format!("line {n:03}");
    }
    screen
}

#[test]
fn a_search_goes_up_from_the_end_and_on_from_hit_to_hit() {
    let mut screen = numbered();
    screen.keys("l/line 1<enter>");
    let text = screen.text();
    assert!(text.contains("▌         line 199"), "{text}");
    assert!(text.contains("“line 1” 100 hits"), "{text}");
    screen.keys("N");
    assert!(screen.text().contains("◆ line 198"), "{}", screen.text());
    screen.keys("nn");
    let text = screen.text();
    assert!(
        text.contains("“line 1” is not further down; N looks further up."),
        "{text}"
    );
    // Another place is another beginning.
    screen.keys("gn");
    assert!(screen.text().contains("line 100"), "{}", screen.text());
    // Esc ends the search, then leaves the log.
    screen.keys("<esc>");
    assert!(!screen.text().contains("hits"));
    assert!(screen.text().contains("f follows"));
    screen.keys("<esc>");
    assert!(!screen.text().contains("f follows"));
}

#[test]
fn a_search_that_takes_long_is_shown_and_left() {
    let mut screen = numbered();
    screen.searching = false;
    screen.keys("lk/499<enter>");
    assert!(screen.text().contains("“499” searching…"));
    let wanted = screen.view.searches();
    let seeks: Vec<_> = wanted.iter().map(|search| search.seek).collect();
    assert!(
        matches!(seeks[..], [LogSeek::Next(_), LogSeek::Count]),
        "{seeks:?}"
    );
    screen.keys("<esc>");
    assert_eq!(screen.view.searches(), []);
    // What comes too late moves nothing.
    let before = screen.text();
    screen.view.found(&wanted[0], Some(LogFound::Line(0)));
    assert_eq!(screen.text(), before);
    screen.keys("/zzz<enter>");
    let wanted = screen.view.searches();
    screen.view.found(&wanted[0], Some(LogFound::Nothing));
    assert!(screen.text().contains("“zzz” is not further down"));
}

#[test]
fn lines_are_marked_and_copied() {
    let mut screen = numbered();
    screen.keys("l");
    screen.text();
    screen.keys(" <up><up>");
    let text = screen.text();
    assert!(text.contains("3 lines marked, C copies"), "{text}");
    for (line, marked) in [(496, false), (497, true), (499, true)] {
        let row = text
            .lines()
            .find(|row| row.contains(&format!("line {line}")));
        assert_eq!(row.unwrap().starts_with('┃'), marked, "{text}");
    }
    let copied = screen.keys("C");
    assert_eq!(
        copied,
        [Action::Copy("line 497\nline 498\nline 499".to_owned())]
    );
    // Esc takes the mark away, and is not yet back.
    screen.keys("<esc>");
    assert!(!screen.text().contains("marked"));
    assert!(screen.text().contains("f follows"));
    // From a hit on, over many screens and both ways.
    screen.keys("G/line 200<enter>");
    assert!(screen.text().contains("line 200"));
    screen.keys(" ");
    assert!(screen.text().contains("1 line marked"));
    screen.keys(&"<pgdn>".repeat(5));
    let text = screen.text();
    assert!(text.contains("┃"), "{text}");
    let Some(Action::Copy(copied)) = screen.keys("C").pop() else {
        panic!("nothing is copied");
    };
    let lines: Vec<&str> = copied.lines().collect();
    assert_eq!(lines[0], "line 200");
    assert_eq!(
        lines.len(),
        lines.last().unwrap()[5..].parse::<usize>().unwrap() - 199
    );
    assert!(lines.len() > 50, "{}", lines.len());
    screen.keys(&"<pgup>".repeat(7));
    let Some(Action::Copy(copied)) = screen.keys("C").pop() else {
        panic!("nothing is copied");
    };
    assert!(copied.lines().last() == Some("line 200") && copied.lines().count() > 20);
    screen.keys(" ");
    assert!(!screen.text().contains("marked"));
}

#[test]
fn no_more_is_marked_than_a_terminal_takes() {
    let mut screen = screen();
    screen.log = log(5000);
    screen.keys("l ");
    screen.keys(&"<pgup>".repeat(100));
    assert!(
        screen.text().contains("1000 lines marked"),
        "{}",
        screen.text()
    );
    screen.keys("G");
    assert!(screen.text().contains("1 line marked"), "{}", screen.text());
}

#[test]
fn the_log_of_another_run_is_another_log() {
    let mut screen = numbered();
    screen.keys("l/line 1<enter>");
    assert!(screen.text().contains("line 199"));
    screen.log = log(30);
    screen.log.run = Some(RunId(2));
    screen.text();
    let text = screen.text();
    assert!(!text.contains("line 199"), "{text}");
    assert!(text.contains("the log begins here"), "{text}");
    screen.keys("G");
    assert!(screen.text().contains("following"));
}

#[test]
fn one_key_goes_through_the_kinds_of_lines() {
    let mut screen = screen();
    screen.keys("l");
    for (kind, mark, other) in [
        ("assistant", "I look at the state", "▸"),
        ("tools", "▸ Bash", "✕"),
        ("results", "M src/login.rs", "▸"),
        ("errors", "exit code 101", "▸"),
        ("system", "allowed by you", "✕"),
    ] {
        screen.keys("F");
        let text = screen.text();
        assert!(text.contains(&format!("only {kind} · ")), "{text}");
        assert!(
            text.contains(mark) && !text.contains(other),
            "{kind}\n{text}"
        );
    }
    screen.keys("F");
    assert!(!screen.text().contains("only "));
    screen.log.lines.retain(|line| line.kind != LogKind::Error);
    screen.keys("FFFF");
    assert!(
        screen
            .text()
            .contains("No errors here. F shows the next kind.")
    );
}

#[test]
fn lines_that_were_shown_as_they_came_have_no_kinds() {
    let mut screen = screen();
    screen.keys("lvF");
    assert!(
        screen
            .text()
            .contains("Lines that are shown as they came have no kinds.")
    );
    let mut plain = company();
    Arc::make_mut(&mut plain.processes[0]).protocol = Protocol::Plain;
    let mut screen = Screen::new(plain, 80, 24);
    screen.keys("lF");
    assert!(screen.text().contains("have no kinds"));
}

#[test]
fn long_lines_are_cut_and_moved_on_demand() {
    let mut screen = screen();
    for line in &mut screen.log.lines {
        line.text = (0..40).map(|n| format!("word{n:02} ")).collect();
    }
    screen.keys("l<right>");
    let text = screen.text();
    assert!(text.contains("Long lines are wrapped; L cuts them."));
    assert!(text.contains("word39"));
    screen.keys("L");
    let text = screen.text();
    assert!(
        text.contains("word00") && !text.contains("word39"),
        "{text}"
    );
    assert!(text.contains('…'), "{text}");
    screen.keys("<right>");
    let text = screen.text();
    assert!(
        !text.contains("word00") && text.contains("from column 17"),
        "{text}"
    );
    screen.keys("<left><left>L");
    assert!(screen.text().contains("word39"));
}

fn copied(actions: Vec<Action>) -> Option<String> {
    actions.into_iter().find_map(|action| match action {
        Action::Copy(text) => Some(text),
        _ => None,
    })
}

#[test]
fn copying_takes_the_hit_else_the_last_words_of_the_agent() {
    let mut screen = screen();
    let last = screen.log.lines.len() - 1;
    let time = screen.log.lines[last].time;
    for (line, text) in
        screen.log.lines[last - 2..]
            .iter_mut()
            .zip(["Done.", "", "All tests pass."])
    {
        (line.kind, line.time) = (LogKind::Assistant, time);
        line.text = text.to_owned();
    }
    screen.keys("l");
    assert_eq!(
        copied(screen.keys("C")).as_deref(),
        Some("Done.\n\nAll tests pass.")
    );
    assert!(
        screen
            .text()
            .contains("Sent 3 lines to the clipboard of your terminal: Done.")
    );
    screen.keys("/exit<enter>");
    assert_eq!(copied(screen.keys("C")).as_deref(), Some("exit code 101"));
}

#[test]
fn results_and_requests_are_copied_too() {
    let mut screen = screen();
    let result = copied(screen.keys("2G<enter>C")).unwrap_or_default();
    assert!(
        result.starts_with("The client retries three times"),
        "{result}"
    );
    assert_eq!(
        copied(screen.keys("3C")).as_deref(),
        Some("git push origin main")
    );
    screen.snapshot.requests.clear();
    assert_eq!(copied(screen.keys("C")), None);
    assert!(screen.text().contains("There is nothing here to copy."));
}
