//! A text of styled lines that is longer than the screen: built for a width, shown from a line on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::tui::look::Palette;
use crate::tui::text;

/// Texts of others are cut here: nobody reads further on a screen, and each frame builds them anew.
const LONGEST: usize = 64 * 1024;
/// Columns of a label before its value.
const LABEL: usize = 12;

/// Lines in the making, none wider than `width`.
#[derive(Debug)]
pub(crate) struct Sheet {
    lines: Vec<Line<'static>>,
    width: usize,
    palette: Palette,
}

impl Sheet {
    pub(crate) fn new(width: usize, palette: Palette) -> Self {
        Self {
            lines: Vec::new(),
            width: width.max(1),
            palette,
        }
    }

    /// An empty line, but never two, and none at the top.
    pub(crate) fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| line.width() > 0) {
            self.lines.push(Line::default());
        }
    }

    /// A heading over what follows.
    pub(crate) fn heading(&mut self, what: &str) {
        self.gap();
        self.lines.push(Line::styled(
            text::fit(what, self.width).into_owned(),
            self.palette.strong,
        ));
    }

    /// A text of one or more lines, wrapped, moved in by `indent` columns.
    pub(crate) fn text(&mut self, what: &str, indent: usize, style: Style) {
        let (shown, more) = cut(what);
        let room = self.width.saturating_sub(indent).max(1);
        for line in text::clean_lines(shown) {
            for row in text::wrap(&line, room) {
                self.lines.push(Line::from(vec![
                    Span::raw(" ".repeat(indent)),
                    Span::styled(row.to_owned(), style),
                ]));
            }
        }
        if more > 0 {
            let note = format!("… {more} more bytes, whole in the log");
            self.lines.push(Line::styled(note, self.palette.dim));
        }
    }

    /// A label and its value, which is wrapped beside it.
    pub(crate) fn field(&mut self, label: &str, value: &str, style: Style) {
        if self.width < LABEL + 12 {
            self.text(label, 0, self.palette.dim);
            self.text(value, 1, style);
            return;
        }
        let (shown, _) = cut(value);
        let mut label = text::pad(label, LABEL);
        for line in text::clean_lines(if shown.is_empty() { " " } else { shown }) {
            for row in text::wrap(&line, self.width - LABEL) {
                self.lines.push(Line::from(vec![
                    Span::styled(label, self.palette.dim),
                    Span::styled(row.to_owned(), style),
                ]));
                label = " ".repeat(LABEL);
            }
        }
    }

    /// A label and a list beside it: a line ends between two items, never within one that fits.
    pub(crate) fn list(&mut self, label: &str, items: &[String], style: Style) {
        const GAP: &str = "  ";
        let room = self.value_room();
        let mut row = String::new();
        let mut rows: Vec<String> = Vec::new();
        for item in items {
            let item = text::clean(item);
            if row.is_empty() {
                row.push_str(&item);
            } else if text::width(&row) + GAP.len() + text::width(&item) <= room {
                row.push_str(GAP);
                row.push_str(&item);
            } else {
                rows.push(std::mem::replace(&mut row, item.into_owned()));
            }
        }
        rows.push(row);
        self.field(label, &rows.join("\n"), style);
    }

    /// Columns of a value beside its label.
    fn value_room(&self) -> usize {
        if self.width < LABEL + 12 {
            self.width.saturating_sub(1)
        } else {
            self.width - LABEL
        }
    }

    /// Columns that there are.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// A line as it is.
    pub(crate) fn line(&mut self, line: Line<'static>) {
        self.lines.push(line);
    }

    /// A unified diff: lines that go and come are marked by their sign and by colour.
    pub(crate) fn diff(&mut self, diff: &str, indent: usize) {
        let (shown, _) = cut(diff);
        for line in shown.lines() {
            let style = match line.chars().next() {
                _ if line.starts_with("+++") || line.starts_with("---") => self.palette.dim,
                Some('+') => self.palette.good,
                Some('-') => self.palette.bad,
                Some('@') => self.palette.accent,
                _ => self.palette.plain,
            };
            self.text(line, indent, style);
        }
    }

    pub(crate) fn into_lines(self) -> Vec<Line<'static>> {
        self.lines
    }
}

fn cut(what: &str) -> (&str, usize) {
    if what.len() <= LONGEST {
        return (what, 0);
    }
    let end = what.floor_char_boundary(LONGEST);
    (what.get(..end).unwrap_or(""), what.len() - end)
}

/// How far a text is scrolled.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scroll {
    top: usize,
    // As drawn last, so that a step knows the page and the end.
    page: usize,
    total: usize,
}

impl Scroll {
    /// Moves by lines, and stays at the ends.
    pub(crate) fn step(&mut self, by: isize) {
        self.top = self
            .top
            .saturating_add_signed(by)
            .min(self.total.saturating_sub(self.page));
    }

    /// The first line in view.
    pub(crate) const fn top(self) -> usize {
        self.top
    }

    /// Puts a line first, as far as there are lines below it.
    pub(crate) fn go_to(&mut self, line: usize) {
        self.top = line;
        self.step(0);
    }

    /// Moves by a page.
    pub(crate) fn page(&mut self, direction: isize) {
        let page = isize::try_from(self.page.saturating_sub(1).max(1)).unwrap_or(1);
        self.step(direction * page);
    }

    /// Draws the lines in view; the last row says how much is below, where there is more.
    pub(crate) fn draw(
        &mut self,
        lines: Vec<Line<'static>>,
        area: Rect,
        buffer: &mut Buffer,
        palette: &Palette,
    ) {
        self.show(&lines, area, buffer, palette);
    }

    /// The same of lines that are kept for the next frame.
    pub(crate) fn show(
        &mut self,
        lines: &[Line<'static>],
        area: Rect,
        buffer: &mut Buffer,
        palette: &Palette,
    ) {
        self.total = lines.len();
        self.page = usize::from(area.height);
        self.step(0);
        let below = self.total.saturating_sub(self.top + self.page);
        for (row, line) in (area.y..area.bottom()).zip(lines.iter().skip(self.top)) {
            line.render(Rect::new(area.x, row, area.width, 1), buffer);
        }
        if below > 0 && area.height > 2 {
            let row = Rect::new(area.x, area.bottom() - 1, area.width, 1);
            buffer.set_style(row, Style::reset());
            for cell in row.positions() {
                if let Some(cell) = buffer.cell_mut(cell) {
                    cell.reset();
                }
            }
            Line::styled(format!("↓ {} more lines", below + 1), palette.dim).render(row, buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::look::{Capabilities, Look};

    #[test]
    fn a_list_breaks_between_its_items() {
        let palette = Look::new(Capabilities::default()).palette;
        let mut sheet = Sheet::new(40, palette);
        let rules = ["Bash(git push *)", "Bash(helm uninstall *)", "Bash(sudo *)"];
        sheet.list("Asks for", &rules.map(str::to_owned), palette.plain);
        let lines: Vec<String> = sheet.into_lines().iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "Asks for    Bash(git push *)",
                "            Bash(helm uninstall *)",
                "            Bash(sudo *)",
            ]
        );
    }
}
