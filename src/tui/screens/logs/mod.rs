//! The log of one process: follows its end, or stays where a person reads. Holds a few screens of
//! lines, however long the log is; what it looks for is looked for elsewhere.

mod held;
mod marked;
mod moving;
mod rows;
mod search;

use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::{LogChoice, LogForm, LogLine};
use crate::tui::look::Palette;
use crate::tui::widgets::log_lines::{Layout, Long};

use self::marked::Marked;
use self::search::Search;

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
    marked: Option<Marked>,
    /// Whose output it is, for a plain command.
    run: Option<RunId>,
    // As drawn last.
    height: usize,
    layout: Layout,
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
            marked: None,
            run: None,
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

    /// The protocol lines as they came, or the readable form.
    pub(crate) fn toggle_raw(&mut self) {
        self.form = match self.form {
            LogForm::Rendered => LogForm::Raw,
            LogForm::Raw => LogForm::Rendered,
        };
        // Offsets of one form mean nothing in the other, and its lines have no kinds.
        self.choice = LogChoice::All;
        self.marked = None;
        self.last();
        self.forget();
        if let Some(search) = &mut self.search {
            search.anew();
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
        self.marked = None;
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
}
