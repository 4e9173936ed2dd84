//! What a process or a task changed: the files, and the diff of one of them.

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::diff::{FileDiff, Sign};
use crate::domain::id::ProcessId;
use crate::domain::snapshot::Snapshot;
use crate::domain::worktree::{WorkOf, WorkText, named};
use crate::tui::format;
use crate::tui::look::Palette;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::sheet::Scroll;

/// From this width on, the files stand beside the diff.
const BESIDE: u16 = 110;
/// Columns of the files there, at most.
const LIST: u16 = 48;
/// Rows of the files above the diff, at most.
const ROWS: u16 = 6;
/// Columns of a line number.
const NUMBER: usize = 5;

/// Whose work, which file, and how far it is scrolled.
#[derive(Debug)]
pub(crate) struct DiffPage {
    pub(crate) of: WorkOf,
    text: Option<Result<Box<WorkText>, String>>,
    file: usize,
    scroll: Scroll,
    /// Files that were in conflict when it was to be brought home.
    conflicts: Vec<String>,
    // The diff as it was written last: of which file, for which width.
    written: Option<(usize, usize, Vec<Line<'static>>)>,
}

impl DiffPage {
    pub(crate) fn new(of: WorkOf) -> Self {
        Self {
            of,
            text: None,
            file: 0,
            scroll: Scroll::default(),
            conflicts: Vec::new(),
            written: None,
        }
    }

    /// Takes what was read; the file that is looked at stays.
    pub(crate) fn supply(&mut self, read: Result<Box<WorkText>, String>) {
        let present = self.present().map(|file| file.path.clone());
        self.text = Some(read);
        self.written = None;
        let files = self.files();
        let again = files
            .iter()
            .position(|file| Some(&file.path) == present.as_ref());
        match again {
            Some(at) => self.file = at,
            None => {
                self.file = self.file.min(files.len().saturating_sub(1));
                self.scroll = Scroll::default();
            }
        }
        if let Some(Ok(text)) = &self.text {
            // What is true of the branch now stands above what was heard before.
            self.conflicts.clone_from(&text.changes.conflicts);
        }
    }

    /// Takes note of files that were in conflict.
    pub(crate) fn clash(&mut self, files: &[String]) {
        self.conflicts = files.to_vec();
    }

    /// What there is to read.
    pub(crate) fn read(&self) -> Option<&WorkText> {
        match &self.text {
            Some(Ok(text)) => Some(text),
            _ => None,
        }
    }

    /// The process in whose worktree it is.
    pub(crate) fn process(&self, snapshot: &Snapshot) -> Option<ProcessId> {
        match self.of {
            WorkOf::Process(process) => Some(process),
            WorkOf::Task(task) => snapshot.task(task)?.process(),
        }
    }

    /// The files in conflict with the base.
    pub(crate) fn conflicts(&self) -> &[String] {
        &self.conflicts
    }

    /// What merge, discard and hand back mean here: the task if it has a branch of its own, else all of its process.
    pub(crate) fn whole(&self, snapshot: &Snapshot) -> Option<WorkOf> {
        if let WorkOf::Task(id) = self.of
            && snapshot
                .task(id)
                .is_some_and(|task| task.worktree.is_some())
        {
            return Some(self.of);
        }
        self.process(snapshot).map(WorkOf::Process)
    }

    fn files(&self) -> &[FileDiff] {
        self.read().map_or(&[], |text| text.files.as_slice())
    }

    /// The file that is looked at.
    pub(crate) fn present(&self) -> Option<&FileDiff> {
        self.files().get(self.file)
    }

    pub(crate) fn turn(&mut self, forward: bool) {
        let last = self.files().len().saturating_sub(1);
        let file = if forward {
            (self.file + 1).min(last)
        } else {
            self.file.saturating_sub(1)
        };
        if file != self.file {
            self.file = file;
            self.scroll = Scroll::default();
        }
    }

    pub(crate) fn step(&mut self, by: isize) {
        self.scroll.step(by);
    }

    pub(crate) fn page(&mut self, direction: isize) {
        self.scroll.page(direction);
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let name = self.name(scene);
        let mut pen = Pen::new(buffer, area);
        let text = match &self.text {
            None => {
                pen.title(0, &name, "", palette);
                pen.put(1, 2, usize::from(area.width), "reading…", palette.dim);
                return;
            }
            Some(Err(error)) => {
                pen.title(0, &name, "", palette);
                let room = pen.width().saturating_sub(4);
                let error = text::clean(error);
                for (row, part) in text::wrap(&error, room).into_iter().enumerate() {
                    pen.put(1 + row, 2, room, part, palette.plain);
                }
                return;
            }
            Some(Ok(text)) => text,
        };
        let changes = &text.changes;
        let distance = match self.of {
            WorkOf::Process(_) if changes.behind > 0 => {
                format!(
                    "{} ahead of {}, {} behind",
                    changes.ahead, changes.base, changes.behind
                )
            }
            WorkOf::Process(_) => format!("{} ahead of {}", changes.ahead, changes.base),
            WorkOf::Task(_) => String::new(),
        };
        pen.title(0, &name, &text::clean(&distance), palette);
        let mut row = 1;
        for (line, style) in self.summary(text, scene) {
            pen.put(
                row,
                2,
                usize::from(area.width).saturating_sub(3),
                &line,
                style,
            );
            row += 1;
        }
        let below = |rows: usize| {
            let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(area.height);
            Rect {
                y: area.y + rows,
                height: area.height - rows,
                ..area
            }
        };
        let rest = below(row);
        if text.files.is_empty() {
            return;
        }
        if area.width >= BESIDE {
            let list = Rect {
                width: LIST.min(area.width / 3),
                ..rest
            };
            let diff = Rect {
                x: rest.x + list.width + 1,
                width: rest.width - list.width - 1,
                ..rest
            };
            self.list(list, buffer, palette);
            self.text(diff, buffer, palette);
            return;
        }
        let count = u16::try_from(self.files().len()).unwrap_or(u16::MAX);
        let height = count.min(ROWS).min(rest.height / 3).max(1);
        let list = Rect {
            height: height.min(rest.height),
            ..rest
        };
        self.list(list, buffer, palette);
        let diff = Rect {
            y: rest.y + list.height,
            height: rest.height - list.height,
            ..rest
        };
        self.text(diff, buffer, palette);
    }

    fn name(&self, scene: Scene<'_>) -> String {
        let process = self.process(scene.snapshot);
        let process = process.and_then(|id| scene.snapshot.process(id));
        let who = process.map_or_else(
            || "somebody".to_owned(),
            |view| text::clean(&view.name).into_owned(),
        );
        match self.of {
            WorkOf::Process(_) => {
                let branch = self.read().map(|text| text.changes.branch.as_str());
                let known = process
                    .and_then(|view| view.worktree.as_ref())
                    .map(|worktree| worktree.branch.as_str());
                match branch.or(known) {
                    Some(branch) => format!("Diff · {who} · {}", text::clean(branch)),
                    None => format!("Diff · {who}"),
                }
            }
            WorkOf::Task(id) => {
                let own = scene
                    .snapshot
                    .task(id)
                    .and_then(|task| task.worktree.as_ref());
                match own {
                    Some(own) => format!("Diff · {who} · {}", text::clean(&own.branch)),
                    None => format!("Diff · {who} · {id}"),
                }
            }
        }
    }

    /// What it comes to, what is not committed, and what stands in its way.
    fn summary(&self, text: &WorkText, scene: Scene<'_>) -> Vec<(String, Style)> {
        let palette = scene.palette();
        let mut lines = Vec::new();
        let sum = |count: fn(&FileDiff) -> Option<u32>| -> u32 {
            text.files
                .iter()
                .filter_map(count)
                .fold(0, u32::saturating_add)
        };
        if text.files.is_empty() {
            let base = text::clean(&text.changes.base).into_owned();
            let line = match self.of {
                WorkOf::Process(_) => format!("Nothing differs from {base}."),
                WorkOf::Task(_) => "It changed no file.".to_owned(),
            };
            lines.push((line, palette.plain));
            return lines;
        }
        let mut line = format!(
            "{} changed, +{} -{}",
            format::plural(text.files.len(), "file", "files"),
            sum(|file| file.added),
            sum(|file| file.removed)
        );
        let open = text.files.iter().filter(|file| is_open(file, text)).count();
        if open > 0 && matches!(self.of, WorkOf::Process(_)) {
            line.push_str(&format!("; {open} not committed (*)"));
        }
        if text.left_out > 0 {
            line.push_str("; cut here, `headcount diff` has all of it");
        }
        lines.push((line, palette.plain));
        if !self.conflicts.is_empty() {
            let files = text::clean(&named(&self.conflicts, self.conflicts.len())).into_owned();
            let base = text::clean(&text.changes.base).into_owned();
            let line = format!("in conflict with {base}: {files}; H hands it back as a task");
            lines.push((line, palette.warn));
        }
        if let WorkOf::Task(id) = self.of {
            lines.extend(differences(id, scene));
        }
        lines
    }

    fn list(&self, area: Rect, buffer: &mut Buffer, palette: &Palette) {
        let Some(text) = self.read() else { return };
        let mut pen = Pen::new(buffer, area);
        let (width, height) = (pen.width(), pen.height());
        let top = (self.file + 1).saturating_sub(height);
        let shown = text.files.iter().enumerate().skip(top).take(height);
        for (row, (at, file)) in shown.enumerate() {
            let figures = match (file.added, file.removed) {
                (Some(added), Some(removed)) => format!("+{added} -{removed}"),
                _ => "binary".to_owned(),
            };
            let open = matches!(self.of, WorkOf::Process(_)) && is_open(file, text);
            let mark = if open { '*' } else { ' ' };
            let chosen = at == self.file;
            let style = if chosen {
                palette.accent
            } else {
                palette.plain
            };
            pen.put(row, 0, 1, if chosen { "›" } else { " " }, palette.accent);
            pen.put(row, 2, 2, &format!("{}{mark}", file.change.letter()), style);
            let room = width.saturating_sub(text::width(&figures) + 7);
            let path = match &file.before {
                Some(before) => format!("{before} → {}", file.path),
                None => file.path.clone(),
            };
            let path = text::clean(&path);
            pen.put(row, 5, room, &text::fit_path(&path, room), style);
            pen.right(row, 0, width.saturating_sub(1), &figures, palette.dim);
        }
    }

    fn text(&mut self, area: Rect, buffer: &mut Buffer, palette: &Palette) {
        let Some(file) = self.present() else { return };
        let title = text::clean(&file.path).into_owned();
        let place = format!("{} of {}", self.file + 1, self.files().len());
        let width = usize::from(area.width.saturating_sub(2));
        let is_written = matches!(&self.written, Some((at, columns, _)) if (*at, *columns) == (self.file, width));
        if !is_written {
            let lines = write(file, width, palette);
            self.written = Some((self.file, width, lines));
        }
        let mut pen = Pen::new(buffer, area);
        let room = usize::from(area.width).saturating_sub(text::width(&place) + 6);
        pen.title(0, &text::fit_path(&title, room), &place, palette);
        let body = Rect {
            x: area.x + 1.min(area.width),
            y: area.y + 1.min(area.height),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(1),
        };
        if let Some((_, _, lines)) = &self.written {
            self.scroll.show(lines, body, buffer, palette);
        }
    }
}

fn is_open(file: &FileDiff, text: &WorkText) -> bool {
    let known = text
        .changes
        .files
        .iter()
        .find(|known| known.path == file.path);
    known.is_some_and(|known| known.uncommitted)
}

/// Where the agent's tool events and git do not say the same of a task.
pub(crate) fn differences(id: crate::domain::id::TaskId, scene: Scene<'_>) -> Vec<(String, Style)> {
    let (snapshot, palette) = (scene.snapshot, scene.palette());
    let found = snapshot.task(id).and_then(|task| {
        let attempt = task.attempts.last()?;
        let process = snapshot.process(attempt.process)?;
        attempt.work.differences(process.worktree.as_ref()?)
    });
    let Some(found) = found else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    // The order of the agent's calls says nothing here.
    let sorted = |files: &[String]| -> Vec<String> {
        let files: BTreeSet<&String> = files.iter().collect();
        files.into_iter().cloned().collect()
    };
    let mut say = |files: &[String], what: &str| {
        if !files.is_empty() {
            let files = sorted(files);
            let names = named(&files, files.len());
            lines.push((
                text::clean(&format!("{what}: {names}")).into_owned(),
                palette.dim,
            ));
        }
    };
    say(&found.by_git, "By git alone, as by a command");
    say(&found.by_tools, "By its tools alone, git sees no change");
    lines
}

/// The hunks of a file; each line with its number, its sign and its colour.
fn write(file: &FileDiff, width: usize, palette: &Palette) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if !file.notes.is_empty() {
        let notes = text::clean(&file.notes.join(", ")).into_owned();
        lines.push(Line::styled(notes, palette.dim));
    }
    // Numbers take too much of a very narrow screen.
    let gutter = if width >= 40 { NUMBER + 1 } else { 0 };
    let room = width.saturating_sub(gutter + 1).max(1);
    for line in &file.lines {
        let style = match line.sign {
            Sign::Same => palette.plain,
            Sign::Added => palette.good,
            Sign::Removed => palette.bad,
            Sign::Hunk => palette.accent,
            Sign::Note => palette.dim,
        };
        let mut number = if line.number > 0 {
            line.number.to_string()
        } else {
            String::new()
        };
        let mut sign = line.sign.letter().to_string();
        if matches!(line.sign, Sign::Hunk | Sign::Note) {
            sign = " ".to_owned();
        }
        // A line of a diff is one line, whatever stands in it.
        let shown = text::clean(&line.text.replace('\t', "    ")).into_owned();
        for part in text::wrap(&shown, room) {
            let mut spans = Vec::with_capacity(3);
            if gutter > 0 {
                spans.push(Span::styled(format!("{number:>NUMBER$} "), palette.dim));
            }
            spans.push(Span::styled(sign, style));
            spans.push(Span::styled(part.to_owned(), style));
            lines.push(Line::from(spans));
            number = String::new();
            sign = " ".to_owned();
        }
    }
    if lines.is_empty() {
        let note = match file.before {
            Some(_) => "It has another name, nothing else.",
            None => "It is empty.",
        };
        lines.push(Line::styled(note, palette.dim));
    }
    lines
}
