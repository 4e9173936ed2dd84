//! A text to read in the screen's place: the help, a report, a whole request.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::id::{ProcessId, RequestId, TaskId};
use crate::domain::inbox::Request;
use crate::tui::dialogs::{Heard, around, why};
use crate::tui::keys::{self, Place, Verb};
use crate::tui::look::Palette;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::request;
use crate::tui::widgets::sheet::{Scroll, Sheet};

/// What is read.
#[derive(Debug)]
enum Content {
    /// The keys of a place.
    Help(Place),
    /// What is wrong in the configuration.
    Mistakes,
    /// A request whole.
    Request(RequestId),
    /// Why a process is as it is.
    Why(ProcessId),
    /// What a task waits for, and what waits for it.
    Around(TaskId),
}

/// A text, and how far it is scrolled.
#[derive(Debug)]
pub(crate) struct Reader {
    content: Content,
    scroll: Scroll,
}

impl Reader {
    pub(crate) fn help(place: Place) -> Self {
        Self::of(Content::Help(place))
    }

    pub(crate) fn mistakes() -> Self {
        Self::of(Content::Mistakes)
    }

    pub(crate) fn request(id: RequestId) -> Self {
        Self::of(Content::Request(id))
    }

    pub(crate) fn why(id: ProcessId) -> Self {
        Self::of(Content::Why(id))
    }

    pub(crate) fn around(id: TaskId) -> Self {
        Self::of(Content::Around(id))
    }

    fn of(content: Content) -> Self {
        Self {
            content,
            scroll: Scroll::default(),
        }
    }

    pub(crate) fn key(&mut self, verb: Option<Verb>) -> Heard {
        match verb {
            Some(Verb::Back | Verb::Help | Verb::Detach | Verb::Why | Verb::Around) => {
                return Heard::Closed;
            }
            Some(Verb::Down) => self.scroll.step(1),
            Some(Verb::Up) => self.scroll.step(-1),
            Some(Verb::PageDown) => self.scroll.page(1),
            Some(Verb::PageUp) => self.scroll.page(-1),
            Some(Verb::First) => self.scroll.step(-isize::MAX),
            Some(Verb::Last) => self.scroll.step(isize::MAX),
            _ => {}
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
        let width = usize::from(body.width);
        let (title, lines) = match &self.content {
            Content::Help(place) => ("Keys".to_owned(), help(*place, width, palette)),
            Content::Mistakes => ("What is wrong".to_owned(), wrong(width, scene)),
            Content::Request(id) => whole(*id, width, scene),
            Content::Why(id) => why::page(*id, width, scene),
            Content::Around(id) => around::page(*id, width, scene),
        };
        Pen::new(buffer, area).title(0, &title, "Esc back", palette);
        self.scroll.draw(lines, body, buffer, palette);
    }
}

fn wrong(width: usize, scene: Scene<'_>) -> Vec<Line<'static>> {
    let (snapshot, palette) = (scene.snapshot, scene.palette());
    let mut sheet = Sheet::new(width, *palette);
    if let Some(fault) = &snapshot.agent_missing {
        sheet.text(&fault.to_string(), 0, palette.bad);
        sheet.text(&format!("try: {}", fault.remedy), 0, palette.plain);
        sheet.gap();
    }
    if let Some(report) = &snapshot.configuration_mistakes {
        sheet.text(report, 0, palette.plain);
    } else if snapshot.agent_missing.is_none() {
        sheet.text("Nothing: all is right again.", 0, palette.plain);
    }
    sheet.into_lines()
}

fn whole(id: RequestId, width: usize, scene: Scene<'_>) -> (String, Vec<Line<'static>>) {
    let palette = scene.palette();
    let mut sheet = Sheet::new(width, *palette);
    let Some(found) = scene.snapshot.request(id) else {
        sheet.text("It is no longer kept.", 0, palette.dim);
        return (id.to_string(), sheet.into_lines());
    };
    request::write(&mut sheet, &found.ask, palette);
    sheet.gap();
    sheet.text(&state(found, scene), 0, palette.dim);
    let who = match scene.snapshot.process(found.process) {
        Some(process) => text::clean(&process.name).into_owned(),
        None => found.process.to_string(),
    };
    (format!("{who} · {id}"), sheet.into_lines())
}

fn state(found: &Request, scene: Scene<'_>) -> String {
    match found.answered {
        Some(at) => format!("{}, {}", request::answer(found), scene.now.clock(at)),
        None => format!(
            "asked {}; Esc, then y or d answers",
            scene.now.clock(found.asked)
        ),
    }
}

/// The keys of a place, from the table: what acts first, then how to move.
fn help(place: Place, width: usize, palette: &Palette) -> Vec<Line<'static>> {
    let mut sheet = Sheet::new(width, *palette);
    let names = |binding: &keys::Binding| {
        let names: Vec<String> = binding.keys.iter().map(ToString::to_string).collect();
        names.join(" ")
    };
    let widest = keys::bindings(place).map(|binding| text::width(&names(binding)));
    let column = widest.max().unwrap_or(0).max(8) + 1;
    let room = width.saturating_sub(column + 2).max(1);
    for (title, moves) in [("Here", false), ("Moving", true)] {
        sheet.heading(title);
        for binding in keys::bindings(place).filter(|binding| is_move(binding.verb) == moves) {
            let mut keys = names(binding);
            for row in text::wrap(binding.help, room) {
                sheet.line(Line::from(vec![
                    Span::raw("  "),
                    Span::styled(text::pad(&keys, column), palette.accent),
                    Span::raw(row.to_owned()),
                ]));
                keys.clear();
            }
        }
    }
    sheet.heading("Signs");
    for (sign, meaning) in [
        ("● ◌ ○ ✕", "up, starting or ending, down, failed"),
        ("! ▲ ✓", "needs you, runs on old settings, marked"),
    ] {
        sheet.line(Line::from(vec![
            Span::raw("  "),
            Span::styled(text::pad(sign, column), palette.accent),
            Span::raw(text::fit(meaning, room).into_owned()),
        ]));
    }
    sheet.into_lines()
}

const fn is_move(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Up
            | Verb::Down
            | Verb::PageUp
            | Verb::PageDown
            | Verb::First
            | Verb::Last
            | Verb::Next
            | Verb::Previous
            | Verb::Number
    )
}
