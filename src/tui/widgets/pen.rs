//! Writing into cells at fixed columns: nothing is measured twice, nothing jitters.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::look::Palette;
use crate::tui::text;

/// The sign of a list that goes on: how many rows are above and below what is shown.
pub(crate) fn more(above: usize, below: usize) -> String {
    match (above, below) {
        (0, 0) => String::new(),
        (above, 0) => format!("↑ {above} more"),
        (0, below) => format!("↓ {below} more"),
        (above, below) => format!("↑ {above} more  ↓ {below} more"),
    }
}

/// Rows of a list of so many, where the sign takes the last one if they are not all shown.
pub(crate) const fn rows_beside_sign(total: usize, height: usize) -> usize {
    if total > height && height > 3 {
        height - 1
    } else {
        height
    }
}

/// Writes rows into a part of the buffer; what lies outside of it is dropped.
#[derive(Debug)]
pub(crate) struct Pen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Pen<'a> {
    pub(crate) fn new(buffer: &'a mut Buffer, area: Rect) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area }
    }

    /// Columns that there are.
    pub(crate) fn width(&self) -> usize {
        usize::from(self.area.width)
    }

    /// Rows that there are.
    pub(crate) fn height(&self) -> usize {
        usize::from(self.area.height)
    }

    /// Writes a cleaned text at a column, cut to `columns`; returns the column behind it.
    pub(crate) fn put(
        &mut self,
        row: usize,
        column: usize,
        columns: usize,
        what: &str,
        style: Style,
    ) -> usize {
        let columns = columns.min(self.width().saturating_sub(column));
        if row >= self.height() || columns == 0 {
            return column;
        }
        let cut = text::fit(what, columns);
        let (x, y) = self.cell(row, column);
        let (end, _) = self.buffer.set_stringn(x, y, cut.as_ref(), columns, style);
        usize::from(end - self.area.x)
    }

    /// Writes a cleaned text that ends where `columns` columns end.
    pub(crate) fn right(
        &mut self,
        row: usize,
        column: usize,
        columns: usize,
        what: &str,
        style: Style,
    ) {
        let missing = columns.saturating_sub(text::width(what));
        self.put(row, column + missing, columns - missing, what, style);
    }

    /// Repeats a symbol of one column.
    pub(crate) fn rule(&mut self, row: usize, column: usize, columns: usize, style: Style) {
        let end = (column + columns).min(self.width());
        if row < self.height() {
            for column in column..end {
                let (x, y) = self.cell(row, column);
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.set_symbol("─").set_style(style);
                }
            }
        }
    }

    /// A title with a rule behind it, and words at its right end.
    pub(crate) fn title(&mut self, row: usize, title: &str, right: &str, palette: &Palette) {
        let width = self.width();
        let behind = text::width(right);
        let room = width.saturating_sub(behind + 4);
        let mut at = self.put(row, 1, room, title, palette.strong);
        if at > 1 {
            at += 1;
        }
        let end = width.saturating_sub(if behind > 0 { behind + 2 } else { 0 });
        self.rule(row, at, end.saturating_sub(at), palette.rule);
        self.right(row, 0, width.saturating_sub(1), right, palette.dim);
    }

    /// Lays a style over a whole row, keeping what is written.
    pub(crate) fn shade(&mut self, row: usize, style: Style) {
        if row < self.height() {
            let (x, y) = self.cell(row, 0);
            self.buffer
                .set_style(Rect::new(x, y, self.area.width, 1), style);
        }
    }

    fn cell(&self, row: usize, column: usize) -> (u16, u16) {
        // Both are within the area, which is made of u16.
        #[expect(clippy::cast_possible_truncation, reason = "within the area")]
        let (row, column) = (row as u16, column as u16);
        (self.area.x + column, self.area.y + row)
    }
}
