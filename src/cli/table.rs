//! Tables: aligned columns, no borders, a quiet header.

use unicode_width::UnicodeWidthStr as _;

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// More columns than this no cell takes, so that one long text does not push all others out of sight; the whole is in the
/// JSON document.
const WIDEST: usize = 100;
/// The same for what nothing stands behind.
const WIDEST_LAST: usize = 200;

/// A table that is put together row by row.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; a cell is one line.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let last = self.columns.len().saturating_sub(1);
        let cells = cells.into_iter().enumerate().map(|(at, cell)| {
            let widest = if at == last { WIDEST_LAST } else { WIDEST };
            cut(&super::format::safe(&cell.replace('\n', " ")), widest)
        });
        self.rows.push(cells.collect());
    }

    /// The table as text, cut at `width` where there is a terminal.
    pub(super) fn draw(&self, dim_header: bool, width: Option<usize>) -> String {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let cells = self.rows.iter().filter_map(|row| row.get(at));
                cells
                    .map(|cell| cell.width())
                    .chain([self.columns[at].0.width()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let head: Vec<String> = self
            .columns
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        let mut text = String::new();
        let header = self.line(&head, &widths, width);
        if dim_header {
            text.push_str(&format!("\x1b[2m{header}\x1b[0m\n"));
        } else {
            text.push_str(&header);
            text.push('\n');
        }
        for row in &self.rows {
            text.push_str(&self.line(row, &widths, width));
            text.push('\n');
        }
        text
    }

    fn line(&self, cells: &[String], widths: &[usize], width: Option<usize>) -> String {
        let mut line = String::new();
        for ((cell, (_, align)), column) in cells.iter().zip(&self.columns).zip(widths) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let pad = " ".repeat(column.saturating_sub(cell.width()));
            match align {
                Align::Left => {
                    line.push_str(cell);
                    line.push_str(&pad);
                }
                Align::Right => {
                    line.push_str(&pad);
                    line.push_str(cell);
                }
            }
        }
        let line = line.trim_end();
        width.map_or_else(|| line.to_owned(), |width| cut(line, width))
    }
}

/// The text in so many columns, with `…` where it was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    // No character takes more columns than bytes.
    if text.len() <= width || text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for char in text.chars() {
        let wide = unicode_width::UnicodeWidthChar::width(char).unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        short.push(char);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_takes_no_more_than_its_share() {
        let mut table = Table::new(&[("TITLE", Align::Left), ("N", Align::Left)]);
        table.row(["x".repeat(63_000), "1".to_owned()]);
        table.row(["王".repeat(60), "y".repeat(63_000)]);
        let drawn = table.draw(false, None);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[1], format!("{}…  1", "x".repeat(WIDEST - 1)));
        assert_eq!(
            lines[2],
            format!("{}…   {}…", "王".repeat(49), "y".repeat(WIDEST_LAST - 1))
        );
    }

    #[test]
    fn columns_align_by_display_width_and_rows_end_at_the_edge() {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("N", Align::Right),
            ("NOW", Align::Left),
        ]);
        table.row([
            "Ada".to_owned(),
            "1".to_owned(),
            "asks to run:\nls".to_owned(),
        ]);
        table.row(["王小明".to_owned(), "12".to_owned(), String::new()]);
        insta::assert_snapshot!(table.draw(false, None), @r"
        NAME     N  NOW
        Ada      1  asks to run: ls
        王小明  12
        ");
        insta::assert_snapshot!(table.draw(false, Some(16)), @r"
        NAME     N  NOW
        Ada      1  ask…
        王小明  12
        ");
        assert!(table.draw(true, None).starts_with("\x1b[2mNAME"));
    }
}
