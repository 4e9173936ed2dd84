//! What happened while nobody looked, for one who comes back. Any key closes it.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::chronicle::What;
use crate::domain::digest::{Digest, FailureNote, TaskNote};
use crate::domain::id::TaskId;
use crate::domain::snapshot::Status;
use crate::tui::dialogs::Heard;
use crate::tui::format::{age, long_age, money, plural};
use crate::tui::keys::Verb;
use crate::tui::look::Palette;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::sheet::{Scroll, Sheet};

/// Lines of each kind; the rest is counted.
const LINES: usize = 8;
/// Columns of the first word of a line.
const LEAD: usize = 12;

/// The sum of an absence.
#[derive(Debug)]
pub(crate) struct AwayDialog {
    digest: Arc<Digest>,
    scroll: Scroll,
    // As drawn last: whether there is more than the screen shows.
    is_longer: bool,
}

impl AwayDialog {
    pub(crate) fn new(digest: Arc<Digest>) -> Self {
        Self {
            digest,
            scroll: Scroll::default(),
            is_longer: false,
        }
    }

    pub(crate) fn key(&mut self, verb: Option<Verb>) -> Heard {
        match verb {
            Some(Verb::Down) if self.is_longer => self.scroll.step(1),
            Some(Verb::Up) if self.is_longer => self.scroll.step(-1),
            Some(Verb::PageDown) if self.is_longer => self.scroll.page(1),
            Some(Verb::PageUp) if self.is_longer => self.scroll.page(-1),
            Some(Verb::First) if self.is_longer => self.scroll.step(-isize::MAX),
            Some(Verb::Last) if self.is_longer => self.scroll.step(isize::MAX),
            _ => return Heard::Closed,
        }
        Heard::Kept
    }

    /// Moves by lines, for the mouse.
    pub(crate) fn step(&mut self, by: isize) {
        self.scroll.step(by);
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let body = Rect {
            x: area.x + 2.min(area.width),
            y: area.y + 1.min(area.height),
            width: area.width.saturating_sub(4),
            height: area.height.saturating_sub(1),
        };
        let lines = lines(&self.digest, usize::from(body.width), scene);
        self.is_longer = lines.len() > usize::from(body.height);
        // The footer says how to close it.
        let keys = if self.is_longer {
            "j k scroll"
        } else {
            "any key closes"
        };
        let title = match self.digest.since {
            Some(since) => {
                let span = self.digest.until.duration_since(since);
                let span = long_age(span.try_into().unwrap_or_default());
                format!(
                    "While you were away: {span}, since {}",
                    scene.now.clock(since)
                )
            }
            None => "All that is on record".to_owned(),
        };
        Pen::new(buffer, area).title(0, &title, keys, palette);
        self.scroll.draw(lines, body, buffer, palette);
    }
}

/// What needs a person first, then what went wrong, then what went well.
fn lines(digest: &Digest, width: usize, scene: Scene<'_>) -> Vec<Line<'static>> {
    let palette = scene.palette();
    let mut list = List {
        sheet: Sheet::new(width, *palette),
        palette,
    };
    if digest.is_quiet() && digest.waits.is_empty() && digest.stuck.is_empty() {
        let line = "Nothing happened, and nothing waits for you.";
        list.sheet.text(line, 0, palette.plain);
        return list.sheet.into_lines();
    }
    let heading = plural(digest.waits.len(), "waits for you", "wait for you");
    list.heading(digest.waits.len(), &heading, palette.warn);
    for wait in digest.waits.iter().take(LINES) {
        let for_long = age(scene.now.since(wait.since));
        list.row(&wait.name, &wait.text, &for_long, palette.plain);
    }
    list.more(digest.waits.len());

    let stuck: u32 = digest.stuck.iter().map(|note| note.count).sum();
    let heading = format!(
        "{} without you",
        plural(count(stuck), "task does not go on", "tasks do not go on")
    );
    list.heading(count(stuck), &heading, palette.warn);
    for note in digest.stuck.iter().take(LINES) {
        let first = note
            .tasks
            .first()
            .map_or_else(String::new, TaskId::to_string);
        let others = match note.count {
            0 | 1 => String::new(),
            more => format!("and {} more", more - 1),
        };
        list.row(&first, &note.text, &others, palette.plain);
    }
    list.more(digest.stuck.len());

    let failed = count(digest.failed_count);
    let heading = format!("{} without success", plural(failed, "task", "tasks"));
    list.heading(failed, &heading, palette.bad);
    for note in digest.failed.iter().take(LINES) {
        list.row(
            &note.task.to_string(),
            &told(note),
            &by(note),
            palette.plain,
        );
    }
    list.more(failed);

    let heading = format!(
        "{} went wrong",
        plural(digest.failures.len(), "employee", "employees")
    );
    list.heading(digest.failures.len(), &heading, palette.bad);
    for note in digest.failures.iter().take(LINES) {
        list.row(&note.name, &note.text, &standing(note), palette.plain);
    }
    list.more(digest.failures.len());
    if digest.instances_lost > 0 {
        let times = times(digest.instances_lost);
        let line = format!(
            "The instance itself ended without a word {times}; {} ran on meanwhile.",
            digest.adopted
        );
        list.sheet.gap();
        list.sheet.text(&line, 0, palette.warn);
    }

    let alerts: Vec<_> = digest.alerts.iter().filter(|alert| !alert.over).collect();
    let heading = plural(alerts.len(), "alert", "alerts");
    list.heading(alerts.len(), &heading, palette.warn);
    for alert in alerts.iter().rev().take(LINES) {
        let who = alert.name.as_deref().unwrap_or("headcount");
        list.row(who, &alert.text, &scene.now.clock(alert.at), palette.plain);
    }
    list.more(alerts.len());

    list.sheet.gap();
    if !digest.restarted.is_empty() {
        let restarted: Vec<String> = digest
            .restarted
            .iter()
            .map(|note| match note.count {
                1 => note.name.clone(),
                count => format!("{} ({count} times)", note.name),
            })
            .collect();
        list.sheet
            .field("Restarted", &restarted.join(", "), palette.plain);
    }
    if !digest.hired.is_empty() {
        let hired: Vec<String> = digest
            .hired
            .iter()
            .map(|note| format!("{} {}", note.name, note.text))
            .collect();
        list.sheet.field("Hired", &hired.join(", "), palette.plain);
    }
    list.sheet
        .field("Cost", &money(digest.cost_usd), palette.plain);
    let finished = count(digest.finished_count);
    let heading = format!("{} done", plural(finished, "task", "tasks"));
    list.heading(finished, &heading, palette.good);
    for note in digest.finished.iter().take(LINES) {
        list.row(
            &note.task.to_string(),
            &told(note),
            &by(note),
            palette.plain,
        );
    }
    list.more(finished);
    list.sheet.into_lines()
}

/// A list in the making.
struct List<'a> {
    sheet: Sheet,
    palette: &'a Palette,
}

impl List<'_> {
    /// A heading, where there is something below it.
    fn heading(&mut self, count: usize, what: &str, style: Style) {
        if count > 0 {
            self.sheet.gap();
            self.sheet.line(Line::styled(
                what.to_owned(),
                style.patch(self.palette.strong),
            ));
        }
    }

    /// One line: who or which, what, and a few words at the right end.
    fn row(&mut self, lead: &str, what: &str, end: &str, style: Style) {
        let width = self.sheet.width();
        let (lead, what, end) = (text::clean(lead), text::clean(what), text::clean(end));
        let room = width.saturating_sub(LEAD + 3 + text::width(&end)).max(1);
        self.sheet.line(Line::from(vec![
            Span::styled(
                format!("  {}", text::pad(&text::fit(&lead, LEAD - 1), LEAD)),
                self.palette.strong,
            ),
            Span::styled(text::pad(&text::fit(&what, room), room), style),
            Span::styled(format!(" {end}"), self.palette.dim),
        ]));
    }

    /// How many are not shown.
    fn more(&mut self, count: usize) {
        if count > LINES {
            let line = format!("  and {} more: headcount digest", count - LINES);
            self.sheet.line(Line::styled(line, self.palette.dim));
        }
    }
}

/// What a task was and what came of it.
fn told(note: &TaskNote) -> String {
    let how = match note.what {
        What::TaskTimedOut => "out of time: ",
        What::TaskParked => "retries used up: ",
        _ => "",
    };
    match (note.title.as_str(), note.text.as_str()) {
        (title, "") => title.to_owned(),
        ("", text) => format!("{how}{text}"),
        (title, text) => format!("{title} · {how}{text}"),
    }
}

fn by(note: &TaskNote) -> String {
    let who = note.name.clone().unwrap_or_default();
    if note.cost_usd > 0.0 {
        format!("{who} {}", money(note.cost_usd))
    } else {
        who
    }
}

/// How often it went wrong, and how the employee stands now.
fn standing(note: &FailureNote) -> String {
    let now = note.now.map_or("gone", Status::as_str);
    match note.count {
        1 => format!("now {now}"),
        count => format!("{count} times, now {now}"),
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
