//! The log of one process: follows its end, or stays where a person reads. Holds a few screens of
//! lines, however long the log is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::domain::id::ProcessId;
use crate::domain::log::{LogAnchor, LogForm, LogLine, LogQuery, LogWindow};
use crate::tui::format;
use crate::tui::look::Palette;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::log_lines::Layout;
use crate::tui::widgets::pen::Pen;

/// Where a person reads in the log of a process.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) process: ProcessId,
    form: LogForm,
    follow: bool,
    /// The line at the top, and how many of its rows are above the screen. Not used while following.
    top: u64,
    skip: usize,
    // In order of their offsets, without gaps; a few screens at most.
    lines: Vec<LogLine>,
    begin: u64,
    end: u64,
    /// Behind the last of `lines`.
    next: u64,
    known: bool,
    // As drawn last.
    height: usize,
    layout: Layout,
}

impl Logs {
    pub(crate) fn new(process: ProcessId, palette: Palette) -> Self {
        Self {
            process,
            form: LogForm::Rendered,
            follow: true,
            top: 0,
            skip: 0,
            lines: Vec::new(),
            begin: 0,
            end: 0,
            next: 0,
            known: false,
            height: 20,
            layout: Layout { width: 80, palette },
        }
    }

    /// The windows that the next frame needs.
    pub(crate) fn queries(&self, height: u16) -> Vec<LogQuery> {
        let lines = usize::from(height.max(1)) * 2;
        let query = |anchor| LogQuery {
            process: self.process,
            form: self.form,
            anchor,
            lines,
        };
        if self.follow {
            vec![query(LogAnchor::End)]
        } else {
            vec![
                query(LogAnchor::At(self.top)),
                query(LogAnchor::Before(self.top)),
            ]
        }
    }

    /// Takes a window that was asked for; one that is out of date is dropped.
    pub(crate) fn supply(&mut self, query: LogQuery, window: LogWindow) {
        if query.process != self.process || query.form != self.form {
            return;
        }
        (self.begin, self.end) = (window.begin, window.end);
        match query.anchor {
            LogAnchor::End if self.follow => {
                self.lines = window.lines;
                self.next = window.next;
                self.known = true;
            }
            LogAnchor::At(offset) if !self.follow && offset == self.top => {
                self.lines.retain(|line| line.offset < offset);
                // What was before may be rotated away: the top is the first line there is.
                if let Some(first) = window.lines.first()
                    && first.offset != offset
                {
                    self.top = first.offset;
                    self.skip = 0;
                    self.lines.clear();
                }
                self.lines.extend(window.lines);
                self.next = window.next;
                self.known = true;
            }
            LogAnchor::Before(offset) if !self.follow && offset == self.top => {
                self.lines.retain(|line| line.offset >= offset);
                self.lines.splice(0..0, window.lines);
            }
            _ => {}
        }
    }

    fn rows(&self, index: usize) -> usize {
        self.lines
            .get(index)
            .map_or(0, |line| self.layout.rows(line, None).len())
    }

    fn top_index(&self) -> usize {
        self.lines.partition_point(|line| line.offset < self.top)
    }

    /// Where the last screen begins: index of its first line, and rows of it above the screen.
    fn last_screen(&self) -> (usize, usize) {
        let mut index = self.lines.len();
        let mut rows = 0;
        while index > 0 && rows < self.height {
            index -= 1;
            rows += self.rows(index);
        }
        (index, rows.saturating_sub(self.height))
    }

    fn put_top(&mut self, index: usize, skip: usize) {
        if let Some(line) = self.lines.get(index) {
            self.top = line.offset;
            self.skip = skip;
        }
    }

    fn stay(&mut self) {
        if self.follow {
            let (index, skip) = self.last_screen();
            self.put_top(index, skip);
            self.follow = self.lines.is_empty();
        }
    }

    /// Moves by rows; upwards stops following.
    pub(crate) fn step(&mut self, by: isize) {
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
        self.follow = false;
        self.top = self.begin;
        self.skip = 0;
        if self
            .lines
            .first()
            .is_none_or(|line| line.offset > self.begin)
        {
            self.lines.clear();
            self.known = false;
        }
    }

    /// To the end, and follows it.
    pub(crate) fn last(&mut self) {
        self.follow = true;
    }

    /// Follows, or stays.
    pub(crate) fn toggle_follow(&mut self) {
        if self.follow {
            self.stay();
        } else {
            self.last();
        }
    }

    /// The protocol lines as they came, or the readable form.
    pub(crate) fn toggle_raw(&mut self) {
        self.form = match self.form {
            LogForm::Rendered => LogForm::Raw,
            LogForm::Raw => LogForm::Rendered,
        };
        // Offsets of one form mean nothing in the other.
        self.follow = true;
        self.lines.clear();
        self.known = false;
    }

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
        };
        self.height = usize::from(body.height);
        if self.lines.is_empty() {
            let what = if self.known {
                "Nothing is written yet. What the employee says appears here."
            } else {
                "reading…"
            };
            let mut pen = Pen::new(buffer, body);
            pen.put(1, 2, usize::from(body.width), what, palette.dim);
            return;
        }
        for (row, line) in (body.y..body.bottom()).zip(self.visible()) {
            line.render(Rect::new(body.x, row, body.width, 1), buffer);
        }
    }

    fn visible(&self) -> Vec<Line<'static>> {
        let (index, skip) = if self.follow {
            self.last_screen()
        } else {
            (self.top_index(), self.skip)
        };
        let mut rows = Vec::new();
        if skip == 0
            && self
                .lines
                .get(index)
                .is_some_and(|line| line.offset <= self.begin)
        {
            rows.push(self.beginning());
        }
        let from = rows.len();
        let shown = self.lines.get(index..).unwrap_or(&[]);
        let mut before = None;
        for line in shown {
            if rows.len() > self.height + skip {
                break;
            }
            rows.extend(self.layout.rows(line, before));
            before = line.time.or(before);
        }
        rows.drain(from..(from + skip).min(rows.len()));
        // The line that says where the log begins must not push the last one out while following.
        if self.follow && rows.len() > self.height {
            rows.remove(0);
        }
        rows
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
        let form = match self.form {
            LogForm::Rendered => "",
            LogForm::Raw => "raw · ",
        };
        let span = self.end.saturating_sub(self.begin);
        let place = if self.follow {
            "following".to_owned()
        } else {
            let read = self.top.saturating_sub(self.begin);
            let share = (read.saturating_mul(100)).checked_div(span).unwrap_or(0);
            format!("{share}%, f follows")
        };
        let state = format!("{form}{} · {place}", format::bytes(span));
        Pen::new(buffer, area).title(0, &name, &state, scene.palette());
    }
}
