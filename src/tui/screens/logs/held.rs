//! The stretch of the log that is held: which windows are wanted, and what becomes of them.

use crate::domain::log::{LogAnchor, LogChoice, LogLine, LogQuery, LogWindow};

use super::Logs;

/// Screens of lines that are kept at most.
const KEPT: usize = 10;

impl Logs {
    /// The windows that the next frame needs.
    pub(crate) fn queries(&self, height: u16) -> Vec<LogQuery> {
        let lines = usize::from(height.max(1)) * 2;
        let mut anchors = if self.follow {
            vec![LogAnchor::End]
        } else {
            vec![LogAnchor::At(self.top), LogAnchor::Before(self.top)]
        };
        // Lines of a kind may be rare: what is missing is looked for piece by piece.
        if self.known && self.choice != LogChoice::All {
            let above = if self.follow {
                self.lines.len()
            } else {
                self.top_index()
            };
            if above < self.height && self.start > self.begin {
                anchors.push(LogAnchor::Before(self.start));
            }
            let below = self.lines.len() - self.top_index().min(self.lines.len());
            if !self.follow && below < self.height && self.next < self.end {
                anchors.push(LogAnchor::At(self.next));
            }
        }
        let mut queries: Vec<LogQuery> = Vec::with_capacity(anchors.len());
        for anchor in anchors {
            let query = LogQuery {
                process: self.process,
                form: self.form,
                anchor,
                lines,
                choice: self.choice,
            };
            if !queries.contains(&query) {
                queries.push(query);
            }
        }
        queries
    }

    /// Takes a window that was asked for; one that is out of date is dropped.
    pub(crate) fn supply(&mut self, query: LogQuery, window: LogWindow) {
        if query.process != self.process || query.form != self.form || query.choice != self.choice {
            return;
        }
        if window.run != self.run {
            self.begin_anew(&window);
        }
        (self.begin, self.end) = (window.begin, window.end);
        let asked = match query.anchor {
            LogAnchor::End => self.follow,
            // No screen asks by time.
            LogAnchor::Since(_) => false,
            LogAnchor::At(offset) => {
                (!self.follow && offset == self.top) || (self.known && offset == self.next)
            }
            LogAnchor::Before(offset) => {
                (!self.follow && offset == self.top) || (self.known && offset == self.start)
            }
        };
        if !asked {
            return;
        }
        self.cover(window);
        // What was at the top may be rotated away: then it is the first line there is.
        if !self.follow && self.top < self.begin {
            self.top = self.begin;
            self.skip = 0;
        }
        if self.raise > 0 && matches!(query.anchor, LogAnchor::Before(_)) {
            let rows = isize::try_from(std::mem::take(&mut self.raise)).unwrap_or(0);
            self.step(-rows);
        }
    }

    /// The log is that of another run now: offsets of the one before mean nothing in it.
    fn begin_anew(&mut self, window: &LogWindow) {
        self.run = window.run;
        if !self.known {
            return;
        }
        self.forget();
        self.marked = None;
        (self.top, self.skip) = (window.begin, 0);
        if let Some(search) = &mut self.search {
            search.anew();
        }
    }

    /// Puts the lines of a window in the place of those that were known there.
    fn cover(&mut self, window: LogWindow) {
        let apart = window.next < self.start || window.from > self.next;
        if !self.known || apart {
            self.lines.clear();
            (self.start, self.next) = (window.from, window.next);
        }
        let inside = |line: &LogLine| line.offset >= window.from && line.offset < window.next;
        self.lines
            .retain(|line| !inside(line) && line.offset >= window.begin);
        let at = self.lines.partition_point(|line| line.offset < window.from);
        self.lines.splice(at..at, window.lines);
        self.start = self.start.min(window.from).max(window.begin);
        self.next = self.next.max(window.next);
        self.known = true;
        let most = self.height.max(1) * KEPT;
        if self.lines.len() > 2 * most {
            let middle = if self.follow {
                self.lines.len()
            } else {
                self.top_index()
            };
            let (mut from, mut to) = (middle.saturating_sub(most), middle + most);
            if let Some(marked) = &self.marked {
                // What is marked can be copied.
                let marked = marked.within(&self.lines);
                (from, to) = (from.min(marked.start), to.max(marked.end));
            }
            if let Some(line) = self.lines.get(to) {
                self.next = line.offset;
                self.lines.truncate(to);
            }
            if let Some(line) = self.lines.get(from).filter(|_| from > 0) {
                self.start = line.offset;
                self.lines.drain(..from);
            }
        }
    }
}
