//! The log of one process: follows its end, or stays where a person reads. Holds a few screens of
//! lines, however long the log is; what it looks for is looked for elsewhere.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::domain::id::ProcessId;
use crate::domain::log::{
    LogAnchor, LogChoice, LogForm, LogFound, LogKind, LogLine, LogQuery, LogSearch, LogSeek,
    LogWindow, LogWords,
};
use crate::tui::format;
use crate::tui::look::Palette;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::log_lines::{Layout, Long, mark_words};
use crate::tui::widgets::pen::Pen;

/// Screens of lines that are kept at most.
const KEPT: usize = 10;
/// Columns that an arrow moves lines which are cut.
const SIDEWAYS: usize = 16;

/// Where a person reads in the log of a process.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) process: ProcessId,
    form: LogForm,
    choice: LogChoice,
    follow: bool,
    /// The line at the top, and how many of its rows are above the screen. Not used while following.
    top: u64,
    skip: usize,
    /// Rows to show above the top as soon as they are there.
    raise: usize,
    // In order of their offsets; all that are chosen between `start` and `next`.
    lines: Vec<LogLine>,
    start: u64,
    next: u64,
    begin: u64,
    end: u64,
    known: bool,
    search: Option<Search>,
    // As drawn last.
    height: usize,
    layout: Layout,
}

/// What is looked for.
#[derive(Debug)]
struct Search {
    words: LogWords,
    /// What is being looked for now.
    seek: Option<LogSeek>,
    /// The line that was found last.
    hit: Option<u64>,
    /// Lines that are hits, and where the log ended when they were counted.
    count: Option<(u32, u64)>,
    counting: bool,
}

impl Logs {
    pub(crate) fn new(process: ProcessId, palette: Palette) -> Self {
        Self {
            process,
            form: LogForm::Rendered,
            choice: LogChoice::All,
            follow: true,
            top: 0,
            skip: 0,
            raise: 0,
            lines: Vec::new(),
            start: 0,
            next: 0,
            begin: 0,
            end: 0,
            known: false,
            search: None,
            height: 20,
            layout: Layout {
                width: 80,
                palette,
                long: Long::Wrapped,
            },
        }
    }

    /// The same, from an offset on.
    pub(crate) fn from(process: ProcessId, palette: Palette, offset: u64) -> Self {
        Self {
            follow: false,
            top: offset,
            ..Self::new(process, palette)
        }
    }

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
            let (from, to) = (middle.saturating_sub(most), middle + most);
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

    /// Where the screen begins: index of its first line, and rows of it above the screen.
    fn screen(&self) -> (usize, usize) {
        if self.follow {
            self.last_screen()
        } else {
            (self.top_index(), self.skip)
        }
    }

    /// The lines of which some row is on the screen.
    fn on_screen(&self) -> &[LogLine] {
        let (index, skip) = self.screen();
        let (mut end, mut rows) = (index, 0);
        while end < self.lines.len() && rows < self.height + skip {
            rows += self.rows(end);
            end += 1;
        }
        self.lines.get(index..end).unwrap_or(&[])
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
        self.raise = 0;
        self.top = self.begin;
        self.skip = 0;
        if self.start > self.begin {
            self.forget();
        }
    }

    /// To the end, and follows it.
    pub(crate) fn last(&mut self) {
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

    fn forget(&mut self) {
        self.lines.clear();
        self.known = false;
    }

    /// The protocol lines as they came, or the readable form.
    pub(crate) fn toggle_raw(&mut self) {
        self.form = match self.form {
            LogForm::Rendered => LogForm::Raw,
            LogForm::Raw => LogForm::Rendered,
        };
        // Offsets of one form mean nothing in the other, and its lines have no kinds.
        self.choice = LogChoice::All;
        self.last();
        self.forget();
        self.count_anew();
        if let Some(search) = &mut self.search {
            search.hit = None;
            search.seek = None;
        }
    }

    /// Whether its lines are of kinds.
    pub(crate) fn is_rendered(&self) -> bool {
        self.form == LogForm::Rendered
    }

    /// Shows the next kind of lines alone, and all of them after the last.
    pub(crate) fn turn_choice(&mut self) {
        let all = LogChoice::ALL;
        let at = all.iter().position(|choice| *choice == self.choice);
        self.choice = all[(at.unwrap_or(0) + 1) % all.len()];
        // What is at the top stays there, or what follows it.
        self.skip = 0;
        self.forget();
        self.count_anew();
    }

    /// Wraps long lines, or cuts them.
    pub(crate) fn toggle_wrap(&mut self) {
        self.layout.long = match self.layout.long {
            Long::Wrapped => Long::Cut(0),
            Long::Cut(_) => Long::Wrapped,
        };
        self.skip = 0;
    }

    /// Moves lines that are cut to the side; `false` where they are wrapped.
    pub(crate) fn sideways(&mut self, right: bool) -> bool {
        let Long::Cut(left) = &mut self.layout.long else {
            return false;
        };
        *left = if right {
            left.saturating_add(SIDEWAYS).min(SIDEWAYS * 1024)
        } else {
            left.saturating_sub(SIDEWAYS)
        };
        true
    }

    /// What was looked for last.
    pub(crate) fn words(&self) -> &str {
        self.search
            .as_ref()
            .map_or("", |search| search.words.as_str())
    }

    /// Looks for words: from the end back while following, else from here on. Nothing ends it.
    pub(crate) fn look_for(&mut self, words: &str) {
        self.search = LogWords::new(words).map(|words| Search {
            words,
            seek: None,
            hit: None,
            count: None,
            counting: true,
        });
        let seek = if self.follow {
            LogSeek::Previous(u64::MAX)
        } else {
            LogSeek::Next(self.top)
        };
        if let Some(search) = &mut self.search {
            search.seek = Some(seek);
        }
    }

    /// Looks for the next hit, further down or up; `false` if nothing is looked for.
    pub(crate) fn look_on(&mut self, down: bool) -> bool {
        let shown = self.on_screen();
        let first = shown.first().map_or(self.top, |line| line.offset);
        let hit = self.search.as_ref().and_then(|search| search.hit);
        let hit = hit.filter(|hit| shown.iter().any(|line| line.offset == *hit));
        let end = self.end;
        let Some(search) = &mut self.search else {
            return false;
        };
        search.seek = Some(match (down, hit) {
            (true, Some(hit)) => LogSeek::Next(hit + 1),
            (true, None) => LogSeek::Next(first),
            (false, Some(hit)) => LogSeek::Previous(hit),
            (false, None) => LogSeek::Previous(first),
        });
        search.counting |= search.count.is_none_or(|(_, counted)| counted != end);
        true
    }

    /// Whether something is looked for.
    pub(crate) const fn is_searched(&self) -> bool {
        self.search.is_some()
    }

    /// Looks for nothing any more; `false` if it did not before.
    pub(crate) fn end_search(&mut self) -> bool {
        self.search.take().is_some()
    }

    fn count_anew(&mut self) {
        if let Some(search) = &mut self.search {
            search.count = None;
            search.counting = true;
        }
    }

    /// What is to be looked for in the whole log.
    pub(crate) fn searches(&self) -> Vec<LogSearch> {
        let Some(search) = &self.search else {
            return Vec::new();
        };
        let count = search.counting.then_some(LogSeek::Count);
        let seeks = search.seek.into_iter().chain(count);
        seeks.map(|seek| self.look(search, seek)).collect()
    }

    fn look(&self, search: &Search, seek: LogSeek) -> LogSearch {
        LogSearch {
            process: self.process,
            form: self.form,
            choice: self.choice,
            words: search.words.clone(),
            seek,
        }
    }

    /// Takes what was found, `None` if the log cannot be read; says what a person must know.
    pub(crate) fn found(&mut self, done: &LogSearch, found: Option<LogFound>) -> Option<String> {
        let asked = self.search.as_ref();
        if asked.is_none_or(|search| self.look(search, done.seek) != *done) {
            return None;
        }
        let end = self.end;
        let search = self.search.as_mut()?;
        if done.seek == LogSeek::Count {
            search.counting = false;
            if let Some(LogFound::Count(count)) = found {
                search.count = Some((count, end));
            }
            return None;
        }
        if search.seek != Some(done.seek) {
            return None;
        }
        search.seek = None;
        let words = &search.words;
        match found {
            Some(LogFound::Line(offset)) => {
                search.hit = Some(offset);
                self.show(offset);
                None
            }
            Some(_) => {
                let words = text::clean(words.as_str());
                Some(match done.seek {
                    LogSeek::Previous(u64::MAX) => format!("“{words}” is nowhere in this log."),
                    LogSeek::Previous(_) => {
                        format!("“{words}” is not further up; n looks further down.")
                    }
                    _ => format!("“{words}” is not further down; N looks further up."),
                })
            }
            None => Some("The log cannot be read; the instance's own log says why.".to_owned()),
        }
    }

    /// Brings a line onto the screen, a third of it below the top, unless it is there already.
    fn show(&mut self, offset: u64) {
        if self.on_screen().iter().any(|line| line.offset == offset) {
            self.stay();
            return;
        }
        self.follow = false;
        self.top = offset;
        self.skip = 0;
        self.raise = self.height / 3;
    }

    /// The line that was found, if it is on the screen, else the agent's last words up to there.
    pub(crate) fn copy(&self) -> Option<String> {
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
        if skip == 0 && index == 0 && self.start <= self.begin {
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
                self.mark(&mut new, line, search);
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
    fn mark(&self, rows: &mut [Line<'static>], line: &LogLine, search: &Search) {
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
        state.extend(self.search.as_ref().map(searched));
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

/// What is looked for, and how often it is there.
fn searched(search: &Search) -> String {
    let words = text::clean(search.words.as_str());
    let words = text::fit(&words, 20);
    let state = match search.count {
        _ if search.seek.is_some() => "searching…".to_owned(),
        Some((LogSeek::MOST.., _)) => format!("{}+ hits", LogSeek::MOST),
        Some((count, _)) => format::plural(count as usize, "hit", "hits"),
        None => "counting…".to_owned(),
    };
    format!("“{words}” {state}")
}
