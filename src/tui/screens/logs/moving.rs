//! Where on the log the screen is, and how it moves.

use crate::domain::log::LogLine;

use super::Logs;

impl Logs {
    pub(super) fn rows(&self, index: usize) -> usize {
        self.lines
            .get(index)
            .map_or(0, |line| self.layout.rows(line, None).len())
    }

    pub(super) fn top_index(&self) -> usize {
        self.lines.partition_point(|line| line.offset < self.top)
    }

    /// Where the last screen begins: index of its first line, and rows of it above the screen.
    pub(super) fn last_screen(&self) -> (usize, usize) {
        let mut index = self.lines.len();
        let mut rows = 0;
        while index > 0 && rows < self.height {
            index -= 1;
            rows += self.rows(index);
        }
        (index, rows.saturating_sub(self.height))
    }

    /// Where the screen begins: index of its first line, and rows of it above the screen.
    pub(super) fn screen(&self) -> (usize, usize) {
        if self.follow {
            self.last_screen()
        } else {
            (self.top_index(), self.skip)
        }
    }

    /// Whether a line above the first says that the log begins here.
    pub(super) fn shows_beginning(&self) -> bool {
        self.screen() == (0, 0) && self.start <= self.begin
    }

    /// The lines of which some row is on the screen.
    pub(super) fn on_screen(&self) -> &[LogLine] {
        let (index, skip) = self.screen();
        // One says that the log begins here.
        let (mut end, mut rows) = (index, usize::from(!self.follow && self.shows_beginning()));
        while end < self.lines.len() && rows < self.height + skip {
            rows += self.rows(end);
            end += 1;
        }
        self.lines.get(index..end).unwrap_or(&[])
    }

    pub(super) fn put_top(&mut self, index: usize, skip: usize) {
        if let Some(line) = self.lines.get(index) {
            self.top = line.offset;
            self.skip = skip;
        }
    }

    pub(super) fn stay(&mut self) {
        if self.follow {
            let (index, skip) = self.last_screen();
            self.put_top(index, skip);
            self.follow = self.lines.is_empty();
        }
    }

    /// Moves by rows; upwards stops following.
    pub(crate) fn step(&mut self, by: isize) {
        if self.marked.is_some() {
            self.move_mark(by);
            return;
        }
        if by > 0 && self.follow {
            return;
        }
        self.stay();
        let (mut index, mut skip) = (self.top_index(), self.skip);
        for _ in 0..by.unsigned_abs() {
            if by < 0 {
                if skip > 0 {
                    skip -= 1;
                } else if index > 0 {
                    index -= 1;
                    skip = self.rows(index).saturating_sub(1);
                }
            } else if skip + 1 < self.rows(index) {
                skip += 1;
            } else if index + 1 < self.lines.len() {
                index += 1;
                skip = 0;
            }
        }
        let last = self.last_screen();
        let at_end = self.next >= self.end;
        if by > 0 && at_end && (index, skip) > last {
            (index, skip) = last;
        }
        self.put_top(index, skip);
    }

    /// Moves by a screen, one row less.
    pub(crate) fn page(&mut self, direction: isize) {
        let rows = isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1);
        self.step(direction * rows);
    }

    /// To where the log begins.
    pub(crate) fn first(&mut self) {
        if self.marked.is_some() {
            self.move_mark(isize::MIN + 1);
            return;
        }
        self.follow = false;
        self.raise = 0;
        self.top = self.begin;
        self.skip = 0;
        if self.start > self.begin {
            self.forget();
        }
    }

    /// To the end, and follows it.
    pub(crate) fn last(&mut self) {
        if self.marked.is_some() {
            self.move_mark(isize::MAX);
            return;
        }
        self.follow = true;
        self.raise = 0;
    }

    /// Follows, or stays.
    pub(crate) fn toggle_follow(&mut self) {
        if self.follow {
            self.stay();
        } else {
            self.last();
        }
    }

    pub(super) fn forget(&mut self) {
        self.lines.clear();
        self.known = false;
    }
}
