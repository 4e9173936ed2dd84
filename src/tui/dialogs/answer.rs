//! Answers a question of an agent: a choice by its number, or words of one's own.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::domain::command::Command;
use crate::domain::id::RequestId;
use crate::domain::inbox::Question;
use crate::tui::dialogs::{Heard, Order};
use crate::tui::keys::{self, Verb};
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::field::Field;
use crate::tui::widgets::pen::{Pen, more};
use crate::tui::widgets::sheet::Sheet;

/// The questions of a request, one after the other.
#[derive(Debug)]
pub(crate) struct AnswerDialog {
    request: RequestId,
    who: String,
    questions: Vec<Question>,
    answers: Vec<String>,
    cursor: usize,
    marked: Vec<usize>,
    words: Field,
    typing: bool,
    /// The first choice that is shown, where there is no room for all.
    first: usize,
}

impl AnswerDialog {
    pub(crate) fn new(request: RequestId, who: String, questions: Vec<Question>) -> Self {
        let typing = questions.first().is_none_or(|q| q.choices.is_empty());
        Self {
            request,
            who,
            questions,
            answers: Vec::new(),
            cursor: 0,
            marked: Vec::new(),
            words: Field::new(""),
            typing,
            first: 0,
        }
    }

    fn question(&self) -> Option<&Question> {
        self.questions.get(self.answers.len())
    }

    fn choices(&self) -> usize {
        self.question().map_or(0, |question| question.choices.len())
    }

    pub(crate) fn paste(&mut self, pasted: &str) {
        self.typing = true;
        self.words.paste(pasted);
    }

    pub(crate) fn key(&mut self, key: KeyEvent, verb: Option<Verb>) -> Heard {
        let last = self.choices().saturating_sub(1);
        match verb {
            Some(Verb::Back) => return Heard::Closed,
            Some(Verb::Next | Verb::Previous) => {
                self.typing = !self.typing || self.choices() == 0;
                return Heard::Kept;
            }
            Some(Verb::Open) => return self.take(),
            _ if self.typing => {
                self.words.key(key);
                return Heard::Kept;
            }
            Some(Verb::Down) => self.cursor = (self.cursor + 1).min(last),
            Some(Verb::Up) => self.cursor = self.cursor.saturating_sub(1),
            Some(Verb::First | Verb::PageUp) => self.cursor = 0,
            Some(Verb::Last | Verb::PageDown) => self.cursor = last,
            Some(Verb::Mark) => self.mark(self.cursor),
            Some(Verb::Number) => {
                let at = keys::digit(&key).unwrap_or(0) as usize;
                if (1..=self.choices()).contains(&at) {
                    self.cursor = at - 1;
                    if self.question().is_some_and(|question| question.several) {
                        self.mark(at - 1);
                    } else {
                        return self.take();
                    }
                }
            }
            _ => {}
        }
        Heard::Kept
    }

    fn mark(&mut self, at: usize) {
        if !self.question().is_some_and(|question| question.several) {
            return;
        }
        match self.marked.iter().position(|marked| *marked == at) {
            Some(found) => drop(self.marked.remove(found)),
            None => self.marked.push(at),
        }
        self.marked.sort_unstable();
    }

    /// Takes the answer to this question; with the last one, all are given.
    fn take(&mut self) -> Heard {
        let Some(question) = self.question() else {
            return Heard::Closed;
        };
        let typed = self.words.text().trim();
        let answer = if self.typing {
            typed.to_owned()
        } else {
            let marked: &[usize] = if self.marked.is_empty() {
                std::slice::from_ref(&self.cursor)
            } else {
                &self.marked
            };
            let labels = marked.iter().filter_map(|at| question.choices.get(*at));
            let labels: Vec<&str> = labels.map(|choice| choice.label.as_str()).collect();
            labels.join(", ")
        };
        if answer.is_empty() {
            return Heard::Kept;
        }
        self.answers.push(answer);
        self.cursor = 0;
        self.first = 0;
        self.marked.clear();
        self.words = Field::new("");
        self.typing = self.choices() == 0;
        if self.answers.len() < self.questions.len() {
            return Heard::Kept;
        }
        Heard::Orders(vec![Order::new(
            "answer it",
            Command::Answer {
                request: self.request,
                answers: std::mem::take(&mut self.answers),
            },
        )])
    }

    /// What is asked, and a line for each choice.
    fn lines(&self, width: usize, scene: Scene<'_>) -> [Vec<Line<'static>>; 2] {
        let palette = scene.palette();
        let mut asked = Sheet::new(width, *palette);
        let mut sheet = Sheet::new(width, *palette);
        let Some(question) = self.question() else {
            return [Vec::new(), Vec::new()];
        };
        asked.text(&question.text, 0, palette.strong);
        let digits = question.choices.len().to_string().len();
        for (at, choice) in question.choices.iter().enumerate() {
            let number = format!("{:>digits$} ", at + 1);
            let here = !self.typing && at == self.cursor;
            let mark = match (question.several, self.marked.contains(&at)) {
                (false, _) => "",
                (true, true) => "✓ ",
                (true, false) => "· ",
            };
            let line = format!("{mark}{}", text::clean(&choice.label));
            let about = text::clean(&choice.description).into_owned();
            let room = width.saturating_sub(2 + text::width(&number));
            let line = text::fit(&line, room).into_owned();
            // What only says the same again is left out.
            let about = if about.is_empty() || choice.description == choice.label {
                String::new()
            } else {
                format!("  {about}")
            };
            let room = room.saturating_sub(text::width(&line));
            sheet.line(Line::from(vec![
                Span::styled(if here { "› " } else { "  " }, palette.accent),
                Span::styled(number, palette.accent),
                Span::styled(line, if here { palette.strong } else { palette.plain }),
                Span::styled(text::fit(&about, room).into_owned(), palette.dim),
            ]));
        }
        [asked.into_lines(), sheet.into_lines()]
    }

    pub(crate) fn height(&self, width: u16) -> u16 {
        let wrapped: usize = self.question().map_or(0, |question| {
            let columns = usize::from(width.saturating_sub(4)).max(1);
            let lines = text::clean_lines(&question.text);
            lines.map(|line| text::wrap(&line, columns).len()).sum()
        });
        u16::try_from(wrapped + self.choices() + 3).unwrap_or(u16::MAX)
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        let count = match self.questions.len() {
            0 | 1 => String::new(),
            all => format!("{} of {all}", self.answers.len() + 1),
        };
        let title = format!("{} asks", text::clean(&self.who));
        pen.title(0, &title, &count, palette);
        let body = Rect {
            x: area.x + 2.min(area.width),
            y: area.y + 1.min(area.height),
            width: area.width.saturating_sub(4),
            height: area
                .height
                .saturating_sub(if area.height > 6 { 3 } else { 2 }),
        };
        let [mut asked, choices] = self.lines(usize::from(body.width), scene);
        // The choices come first: three of them at least, and what is asked from its beginning.
        let room = usize::from(body.height);
        let least = choices.len().min(3);
        let rows = room
            .saturating_sub(asked.len())
            .max(least)
            .min(choices.len());
        let rows = rows.min(room.saturating_sub(1).max(1));
        asked.truncate(room.saturating_sub(rows));
        self.first = self
            .first
            .min(self.cursor)
            .max((self.cursor + 1).saturating_sub(rows));
        self.first = self.first.min(choices.len().saturating_sub(rows));
        let (above, below) = (self.first, choices.len().saturating_sub(self.first + rows));
        let shown = choices.into_iter().skip(self.first).take(rows);
        for (row, line) in (body.y..body.bottom()).zip(asked.into_iter().chain(shown)) {
            line.render(Rect::new(body.x, row, body.width, 1), buffer);
        }
        let row = usize::from(body.bottom().saturating_sub(area.y));
        let mut pen = Pen::new(buffer, area);
        let label = if self.typing {
            "in your own words"
        } else {
            "Tab: in your own words"
        };
        let width = pen.width();
        let end = pen.put(row, 2, width, label, palette.dim);
        if !self.typing {
            let room = width.saturating_sub(end + 3);
            let sign = match more(above, below) {
                sign if text::width(&sign) > room => format!("↑{above} ↓{below}"),
                sign => sign,
            };
            pen.right(row, end + 1, room, &sign, palette.accent);
        }
        if self.typing {
            pen.put(row, end + 1, 1, "›", palette.accent);
            let x = u16::try_from(end + 3).unwrap_or(u16::MAX).min(area.width);
            let cell = Rect {
                x: area.x + x,
                y: area.y + u16::try_from(row).unwrap_or(0),
                width: area.width.saturating_sub(x + 1),
                height: 1,
            };
            self.words
                .draw(cell.intersection(area), buffer, true, palette);
        }
    }
}
