//! Lines that are marked to be copied, and what is copied without a mark.

use std::ops::Range;

use ratatui::text::{Line, Span};

use crate::domain::log::{LogKind, LogLine};
use crate::tui::look::Palette;

use super::Logs;

/// Lines that can be marked: no terminal takes more at once, and they are held while they are.
const MOST: usize = 1000;

/// The lines between two, both of them included, by their offsets.
#[derive(Debug)]
pub(super) struct Marked {
    from: u64,
    /// The one that moves.
    to: u64,
}

impl Marked {
    /// Which of these lines it is, as indexes.
    pub(super) fn within(&self, lines: &[LogLine]) -> Range<usize> {
        let (first, last) = (self.from.min(self.to), self.from.max(self.to));
        let from = lines.partition_point(|line| line.offset < first);
        let to = lines.partition_point(|line| line.offset <= last);
        from..to.max(from)
    }

    /// Shows on the rows of a line whether it is marked.
    pub(super) fn show(&self, rows: &mut [Line<'static>], line: &LogLine, palette: &Palette) {
        if self.within(std::slice::from_ref(line)).is_empty() {
            return;
        }
        for row in rows {
            if let Some(first) = row.spans.first_mut() {
                *first = Span::styled("┃", palette.accent);
            }
            row.style = row.style.patch(palette.selected);
            for span in &mut row.spans {
                span.style = span.style.patch(palette.selected);
            }
        }
    }
}

impl Logs {
    /// Marks the line that was found, if it is on the screen, else the last one there; from then on
    /// the keys that move mark more. Ends that, when something is marked.
    pub(crate) fn toggle_mark(&mut self) {
        if self.end_mark() {
            return;
        }
        if !self.follow && !(self.start..self.next).contains(&self.top) {
            // What is on the screen is on its way.
            return;
        }
        let hit = self.search.as_ref().and_then(|search| search.hit);
        let shown = self.on_screen();
        let found = shown.iter().find(|line| Some(line.offset) == hit);
        let Some(line) = found.or(shown.last()).map(|line| line.offset) else {
            return;
        };
        self.stay();
        self.marked = Some(Marked {
            from: line,
            to: line,
        });
    }

    /// Marks nothing any more; `false` if nothing was.
    pub(crate) fn end_mark(&mut self) -> bool {
        self.marked.take().is_some()
    }

    /// Marks more lines, or fewer, and brings the last of them onto the screen.
    pub(super) fn move_mark(&mut self, by: isize) {
        let Some(marked) = &self.marked else { return };
        let index = |offset: u64| self.lines.partition_point(|line| line.offset < offset);
        let (fixed, last) = (index(marked.from), self.lines.len().saturating_sub(1));
        let to = index(marked.to)
            .saturating_add_signed(by)
            .clamp(fixed.saturating_sub(MOST - 1), fixed + MOST - 1)
            .min(last);
        let Some(line) = self.lines.get(to) else {
            return;
        };
        let offset = line.offset;
        if let Some(marked) = &mut self.marked {
            marked.to = offset;
        }
        let shown = self.on_screen();
        let (above, below) = (
            shown.first().is_none_or(|first| offset <= first.offset),
            shown.last().is_none_or(|last| offset >= last.offset),
        );
        if above {
            self.put_top(to, 0);
        } else if below {
            let (mut first, mut rows) = (to, self.rows(to));
            while first > 0 && rows < self.height {
                first -= 1;
                rows += self.rows(first);
            }
            self.put_top(first, rows.saturating_sub(self.height));
        }
    }

    /// The lines that are marked; else the one that was found, if it is on the screen, else the
    /// agent's last words up to there.
    pub(crate) fn copy(&self) -> Option<String> {
        if let Some(marked) = &self.marked {
            let lines = self.lines.get(marked.within(&self.lines))?;
            let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
            return Some(lines.join("\n"));
        }
        let shown = self.on_screen();
        let hit = self.search.as_ref().and_then(|search| search.hit);
        if let Some(line) = shown.iter().find(|line| Some(line.offset) == hit) {
            return Some(line.text.clone());
        }
        let below = shown.last()?.offset;
        let end = self.lines.partition_point(|line| line.offset <= below);
        let read = self.lines.get(..end)?;
        let said = |line: &LogLine| line.kind == LogKind::Assistant;
        let last = read.iter().rposition(said)?;
        let time = read.get(last)?.time;
        let first = read.get(..last)?;
        let first = first
            .iter()
            .rposition(|line| !said(line) || line.time != time)
            .map_or(0, |at| at + 1);
        let words = read.get(first..=last)?.iter();
        let words: Vec<&str> = words.map(|line| line.text.as_str()).collect();
        Some(words.join("\n"))
    }
}
