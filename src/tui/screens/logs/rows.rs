//! The log as rows on a screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::domain::log::{LogChoice, LogForm, LogLine};
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::log_lines::{Layout, Long, mark_words};
use crate::tui::widgets::pen::Pen;

use super::Logs;
use super::search::Search;

impl Logs {
    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = *scene.palette();
        self.title(scene, area, buffer);
        let body = Rect {
            y: area.y + 1.min(area.height),
            height: area.height.saturating_sub(1),
            ..area
        };
        self.layout = Layout {
            width: usize::from(body.width.saturating_sub(1)),
            palette,
            ..self.layout
        };
        self.height = usize::from(body.height);
        if self.lines.is_empty() {
            let mut pen = Pen::new(buffer, body);
            let what = self.nothing();
            pen.put(1, 2, usize::from(body.width), &what, palette.dim);
            return;
        }
        for (row, line) in (body.y..body.bottom()).zip(self.visible()) {
            line.render(Rect::new(body.x, row, body.width, 1), buffer);
        }
    }

    /// Why there is no line.
    fn nothing(&self) -> String {
        match (self.known, self.choice) {
            (false, _) => "reading…".to_owned(),
            (true, LogChoice::All) => {
                "Nothing is written yet. What the employee says appears here.".to_owned()
            }
            (true, choice) if self.start > self.begin || self.next < self.end => {
                let read = self.next.saturating_sub(self.start).saturating_mul(100);
                let whole = self.end.saturating_sub(self.begin).max(1);
                format!("looking for {}… {}%", choice.as_str(), read / whole)
            }
            (true, choice) => format!("No {} here. F shows the next kind.", choice.as_str()),
        }
    }

    fn visible(&self) -> Vec<Line<'static>> {
        let (index, skip) = self.screen();
        let mut rows = Vec::new();
        if self.shows_beginning() {
            rows.push(self.beginning());
        }
        let from = rows.len();
        let shown = self.lines.get(index..).unwrap_or(&[]);
        let mut before = None;
        for line in shown {
            if rows.len() > self.height + skip {
                break;
            }
            let mut new = self.layout.rows(line, before);
            if let Some(search) = &self.search {
                self.show_hits(&mut new, line, search);
            }
            if let Some(marked) = &self.marked {
                marked.show(&mut new, line, &self.layout.palette);
            }
            rows.extend(new);
            before = line.time.or(before);
        }
        rows.drain(from..(from + skip).min(rows.len()));
        // The line that says where the log begins must not push the last one out while following.
        if self.follow && rows.len() > self.height {
            rows.remove(0);
        }
        rows
    }

    /// Shows where the words stand, and which line was found.
    fn show_hits(&self, rows: &mut [Line<'static>], line: &LogLine, search: &Search) {
        let palette = &self.layout.palette;
        let style = palette.accent.add_modifier(Modifier::REVERSED);
        for row in rows {
            mark_words(row, &search.words, style);
            if search.hit == Some(line.offset)
                && let Some(first) = row.spans.first_mut()
            {
                *first = Span::styled("▌", palette.accent);
            }
        }
    }

    fn beginning(&self) -> Line<'static> {
        let when = self
            .lines
            .first()
            .and_then(|line| line.time)
            .map_or_else(String::new, |time| {
                format!(" {}", time.strftime("%Y-%m-%d %H:%M"))
            });
        let older = if self.begin > 0 {
            "; older lines are rotated away"
        } else {
            ""
        };
        Line::styled(
            format!(" the log begins here{when}{older}"),
            self.layout.palette.dim,
        )
    }

    fn title(&self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let name = match scene.snapshot.process(self.process) {
            Some(process) => format!(
                "{} · {} · {}",
                text::clean(&process.name),
                text::clean(&process.role_title),
                self.process
            ),
            None => format!("{} (removed)", self.process),
        };
        let span = self.end.saturating_sub(self.begin);
        let mut state: Vec<String> = Vec::new();
        state.extend(self.marked.as_ref().map(|marked| {
            let lines = marked.within(&self.lines).len();
            format!(
                "{}, C copies",
                format::plural(lines, "line marked", "lines marked")
            )
        }));
        state.extend(self.search.as_ref().map(Search::shown));
        if self.form == LogForm::Raw {
            state.push("raw".to_owned());
        }
        if self.choice != LogChoice::All {
            state.push(format!("only {}", self.choice.as_str()));
        }
        if let Long::Cut(left) = self.layout.long {
            state.push(match left {
                0 => "cut".to_owned(),
                left => format!("from column {}", left + 1),
            });
        }
        state.push(format::bytes(span));
        state.push(if self.follow {
            "following".to_owned()
        } else {
            let read = self.top.saturating_sub(self.begin);
            let share = (read.saturating_mul(100)).checked_div(span).unwrap_or(0);
            format!("{share}%, f follows")
        });
        Pen::new(buffer, area).title(0, &name, &state.join(" · "), scene.palette());
    }
}
