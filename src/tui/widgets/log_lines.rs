//! Lines of a log as rows: the time where the minute changes, a mark for the kind, the text wrapped.

use jiff::civil::DateTime;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::domain::log::{LogKind, LogLine, LogWords};
use crate::tui::look::Palette;
use crate::tui::text;

/// Columns before the text: ` 10:41  ▸ `.
const TIME: usize = 7;
const MARK: usize = 2;
/// A line that is longer is cut here: it would fill many screens.
const LONGEST: usize = 16 * 1024;

fn mark(kind: LogKind) -> &'static str {
    match kind {
        LogKind::Assistant | LogKind::Output => "",
        LogKind::Thinking => "~",
        LogKind::Tool => "▸",
        LogKind::Result => "│",
        LogKind::Task => "◆",
        LogKind::Ask => "?",
        LogKind::Error => "✕",
        LogKind::System => "·",
    }
}

fn style(kind: LogKind, palette: &Palette) -> Style {
    match kind {
        LogKind::Assistant | LogKind::Output => palette.plain,
        LogKind::Thinking => palette.dim.add_modifier(Modifier::ITALIC),
        LogKind::Tool => palette.accent,
        LogKind::Result | LogKind::System => palette.dim,
        LogKind::Task => palette.strong,
        LogKind::Ask => palette.warn,
        LogKind::Error => palette.bad,
    }
}

/// How the lines of a log are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Columns in all.
    pub(crate) width: usize,
    /// Styles.
    pub(crate) palette: Palette,
    /// How long lines are shown.
    pub(crate) long: Long,
}

/// What becomes of a line that is longer than the screen is wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Long {
    /// It goes on in the next row.
    #[default]
    Wrapped,
    /// It is cut; so many columns of it are left of the screen.
    Cut(usize),
}

impl Layout {
    fn gutter(self, line: &LogLine) -> usize {
        match (line.time, line.kind) {
            (None, LogKind::Output) => 1,
            _ if self.width < 40 => 1 + MARK,
            _ => 1 + TIME + MARK,
        }
    }

    /// The rows of a line. The time is written where its minute is not that of `before`.
    pub(crate) fn rows(self, line: &LogLine, before: Option<DateTime>) -> Vec<Line<'static>> {
        let gutter = self.gutter(line);
        let style = style(line.kind, &self.palette);
        let shown = line
            .text
            .get(..line.text.floor_char_boundary(LONGEST))
            .unwrap_or("");
        let expanded;
        let cleaned = if shown.contains('\t') {
            expanded = shown.replace('\t', "    ");
            text::clean(&expanded)
        } else {
            text::clean(shown)
        };
        let time = line
            .time
            .filter(|time| gutter > 1 + MARK && !same_minute(Some(*time), before));
        let room = self.width.saturating_sub(gutter);
        let cut;
        let parts = match self.long {
            Long::Wrapped => text::wrap(&cleaned, room),
            Long::Cut(left) => {
                cut = text::fit(text::skip(&cleaned, left), room);
                vec![cut.as_ref()]
            }
        };
        let mut rows: Vec<Line<'static>> = parts
            .into_iter()
            .enumerate()
            .map(|(row, part)| {
                let mut spans = vec![Span::raw(" ")];
                if gutter > 1 + MARK {
                    let time = time.filter(|_| row == 0);
                    let time = time.map_or_else(String::new, |t| t.strftime("%H:%M").to_string());
                    spans.push(Span::styled(text::pad(&time, TIME), self.palette.dim));
                }
                if gutter > 1 {
                    let mark = if row == 0 || line.kind == LogKind::Result {
                        mark(line.kind)
                    } else {
                        ""
                    };
                    spans.push(Span::styled(text::pad(mark, MARK), style));
                }
                spans.push(Span::styled(part.to_owned(), style));
                Line::from(spans)
            })
            .collect();
        if shown.len() < line.text.len() && self.long == Long::Wrapped {
            let note = format!(
                "{}… {} more bytes in this line",
                " ".repeat(gutter),
                line.text.len() - shown.len()
            );
            rows.push(Line::styled(note, self.palette.dim));
        }
        rows
    }

    /// The last rows of these lines that fit into `height`.
    pub(crate) fn tail(self, lines: &[LogLine], height: usize) -> Vec<Line<'static>> {
        let mut from = lines.len();
        let mut count = 0;
        while from > 0 && count < height {
            from -= 1;
            count += lines
                .get(from)
                .map_or(0, |line| self.rows(line, None).len());
        }
        let mut rows = self.all(lines.get(from..).unwrap_or(&[]));
        let above = rows.len().saturating_sub(height);
        rows.drain(..above);
        rows
    }

    /// The rows of all these lines.
    pub(crate) fn all(self, lines: &[LogLine]) -> Vec<Line<'static>> {
        let mut before = None;
        let mut rows = Vec::new();
        for line in lines {
            rows.extend(self.rows(line, before));
            before = line.time.or(before);
        }
        rows
    }
}

/// Shows where words stand in a row, each within one span of it.
pub(crate) fn mark_words(row: &mut Line<'static>, words: &LogWords, style: Style) {
    let Some(text) = row.spans.pop() else {
        return;
    };
    let mut from = 0;
    while let Some(found) = words.find(&text.content, from) {
        let before = text.content.get(from..found.start).unwrap_or("").to_owned();
        let hit = text.content.get(found.clone()).unwrap_or("").to_owned();
        row.spans.push(Span::styled(before, text.style));
        row.spans.push(Span::styled(hit, style));
        from = found.end;
    }
    let rest = text.content.get(from..).unwrap_or("").to_owned();
    row.spans.push(Span::styled(rest, text.style));
}

fn same_minute(one: Option<DateTime>, other: Option<DateTime>) -> bool {
    match (one, other) {
        (Some(a), Some(b)) => {
            a.date() == b.date() && a.hour() == b.hour() && a.minute() == b.minute()
        }
        _ => false,
    }
}
