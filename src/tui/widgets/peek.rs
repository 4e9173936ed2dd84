//! The selected process below the list: its question with the answer keys, else the end of its log.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::domain::inbox::{Ask, Request};
use crate::domain::log::LogWindow;
use crate::domain::snapshot::ProcessView;
use crate::tui::format::{self, Present};
use crate::tui::look::Look;
use crate::tui::text;
use crate::tui::widgets::log_lines::{Layout, Long};
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::request;
use crate::tui::widgets::sheet::Sheet;

/// A process, what it asks, and the end of its log.
#[derive(Debug)]
pub(crate) struct Peek<'a> {
    pub(crate) process: &'a ProcessView,
    pub(crate) request: Option<&'a Request>,
    pub(crate) log: Option<&'a LogWindow>,
    pub(crate) now: &'a Present,
    pub(crate) look: &'a Look,
}

impl Widget for &Peek<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let palette = &self.look.palette;
        let title = format!(
            "{} · {} · {}",
            text::clean(&self.process.name),
            text::clean(&self.process.role_title),
            self.process.id
        );
        Pen::new(buffer, area).title(0, &title, "l log  Enter details  W why", palette);
        let body = Rect {
            y: area.y + 1,
            height: area.height.saturating_sub(1),
            ..area
        };
        match self.request {
            Some(request) => self.ask(request, body, buffer),
            None => self.log(body, buffer),
        }
    }
}

impl Peek<'_> {
    fn ask(&self, asked: &Request, area: Rect, buffer: &mut Buffer) {
        let palette = &self.look.palette;
        let columns = usize::from(area.width.saturating_sub(4));
        let mut sheet = Sheet::new(columns, *palette);
        request::write(&mut sheet, &asked.ask, palette);
        let mut lines = sheet.into_lines();
        let fits = usize::from(area.height.saturating_sub(1));
        let cut = lines.len() > fits;
        lines.truncate(fits);
        // What led to the question stands above it, where there is room.
        let above = fits - lines.len();
        let told = self.log.map_or(&[][..], |window| &window.lines);
        let mut rows = if above > 1 {
            self.layout(area).tail(told, above - 1)
        } else {
            Vec::new()
        };
        if !rows.is_empty() {
            rows.push(Line::default());
        }
        for mut line in lines {
            line.spans.insert(0, Span::raw("  "));
            rows.push(line);
        }
        let row = rows.len();
        for (y, line) in (area.y..area.bottom()).zip(rows) {
            line.render(Rect::new(area.x, y, area.width, 1), buffer);
        }
        let mut pen = Pen::new(buffer, area);
        let since = format!(
            "waiting for you {}{}",
            format::age(self.now.since(asked.asked)),
            if cut {
                " · the whole of it: 3, Enter"
            } else {
                ""
            }
        );
        let keys = match asked.ask {
            Ask::Permission { .. } => "y allow   Y always   d deny",
            Ask::Question { .. } => "A answer   d deny",
        };
        let width = pen.width();
        pen.put(
            row,
            2,
            width.saturating_sub(keys.len() + 6),
            &since,
            palette.warn,
        );
        pen.right(row, 0, width.saturating_sub(2), keys, palette.accent);
    }

    fn layout(&self, area: Rect) -> Layout {
        Layout {
            width: usize::from(area.width.saturating_sub(1)),
            palette: self.look.palette,
            long: Long::Wrapped,
        }
    }

    fn log(&self, area: Rect, buffer: &mut Buffer) {
        let palette = self.look.palette;
        let lines = self.log.map_or(&[][..], |window| &window.lines);
        if lines.is_empty() {
            let what = if self.log.is_some() {
                "nothing in its log yet"
            } else {
                "reading its log…"
            };
            Pen::new(buffer, area).put(0, 2, usize::from(area.width), what, palette.dim);
            return;
        }
        let rows = self.layout(area).tail(lines, usize::from(area.height));
        for (row, line) in (area.y..area.bottom()).zip(rows) {
            line.render(Rect::new(area.x, row, area.width, 1), buffer);
        }
    }
}
