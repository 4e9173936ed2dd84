//! The first screen: every employee, one row each, by department.

use std::collections::BTreeSet;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::id::ProcessId;
use crate::domain::log::LogWindow;
use crate::domain::snapshot::{ProcessView, Snapshot};
use crate::tui::filter::Filter;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::peek::Peek;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::process_row::{Columns, Item, NARROW, Sums};
use crate::tui::widgets::sheet::Sheet;

/// The terminal's height from which the selected process is shown below the list.
const PEEK_FROM: u16 = 30;

/// Which row is selected, which are marked, which are shown.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    pub(crate) cursor: Cursor<ProcessId>,
    pub(crate) marked: BTreeSet<ProcessId>,
    pub(crate) filter: Filter,
    // Screen rows as drawn last, for the mouse.
    drawn: Vec<(u16, ProcessId)>,
}

enum Row<'a> {
    Group(&'a str, Sums),
    Process(&'a Arc<ProcessView>),
}

impl Processes {
    fn shown<'a>(&'a self, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Arc<ProcessView>> {
        snapshot.processes.iter().filter(|process| {
            if self.filter.is_empty() {
                return true;
            }
            let id = process.id.to_string();
            let parts = [
                process.name.as_str(),
                process.role_title.as_str(),
                process.role.as_str(),
                process.department.as_str(),
                process.status.as_str(),
                process.activity.as_str(),
                process.now.as_str(),
                id.as_str(),
            ];
            self.filter.admits(parts.into_iter())
        })
    }

    /// The ids of the rows, in order.
    pub(crate) fn keys(&self, snapshot: &Snapshot) -> Vec<ProcessId> {
        self.shown(snapshot).map(|process| process.id).collect()
    }

    /// The selected process.
    pub(crate) fn selected(&self, snapshot: &Snapshot) -> Option<ProcessId> {
        self.cursor.selected(&self.keys(snapshot))
    }

    /// The marked processes, else the selected one.
    pub(crate) fn targets(&self, snapshot: &Snapshot) -> Vec<ProcessId> {
        if self.marked.is_empty() {
            self.selected(snapshot).into_iter().collect()
        } else {
            self.marked.iter().copied().collect()
        }
    }

    /// Takes note of a new snapshot.
    pub(crate) fn settle(&mut self, snapshot: &Snapshot) {
        self.marked.retain(|id| snapshot.process(*id).is_some());
        let keys = self.keys(snapshot);
        self.cursor.settle(&keys);
    }

    /// The process in a row of the screen.
    pub(crate) fn at(&self, y: u16) -> Option<ProcessId> {
        let found = self.drawn.iter().find(|(row, _)| *row == y)?;
        Some(found.1)
    }

    /// How many lines of the selected process's log are shown on a terminal of this height.
    pub(crate) const fn peek_lines(height: u16) -> u16 {
        match height {
            0..PEEK_FROM => 0,
            PEEK_FROM..40 => 6,
            40..46 => 9,
            _ => 13,
        }
    }

    pub(crate) fn draw(
        &mut self,
        scene: Scene<'_>,
        area: Rect,
        screen: u16,
        log: Option<&LogWindow>,
        buffer: &mut Buffer,
    ) {
        self.drawn.clear();
        let snapshot = scene.snapshot;
        if snapshot.processes.is_empty() {
            return welcome(scene, area, buffer);
        }
        let keys = self.keys(snapshot);
        let Some(selected) = self.cursor.selected(&keys) else {
            return self.no_hit(scene, area, buffer);
        };
        let peek = Self::peek_lines(screen).min(area.height.saturating_sub(8));
        let peek = if peek > 0 { peek + 2 } else { 0 };
        let list = Rect {
            height: area.height - peek,
            ..area
        };
        self.list(scene, list, selected, buffer);
        if let Some(process) = snapshot.process(selected)
            && peek > 0
        {
            let below = Rect {
                y: list.bottom() + 1,
                height: peek - 1,
                ..area
            };
            let request = process
                .requests
                .first()
                .and_then(|id| snapshot.request(*id));
            let peek = Peek {
                process,
                request: request.map(AsRef::as_ref),
                log,
                now: scene.now,
                look: scene.look,
            };
            ratatui::widgets::Widget::render(&peek, below, buffer);
        }
    }

    fn rows<'a>(&'a self, snapshot: &'a Snapshot) -> Vec<Row<'a>> {
        let mut rows: Vec<Row<'_>> = Vec::with_capacity(snapshot.processes.len() + 8);
        let mut group: Option<(usize, &str)> = None;
        for process in self.shown(snapshot) {
            let at = match group {
                Some((at, department)) if department == process.department => at,
                _ => {
                    let title = snapshot
                        .catalogue
                        .department(&process.department)
                        .map_or(process.department.as_str(), |found| found.title.as_str());
                    group = Some((rows.len(), &process.department));
                    rows.push(Row::Group(title, Sums::default()));
                    rows.len() - 1
                }
            };
            if let Some(Row::Group(_, sums)) = rows.get_mut(at) {
                sums.add(process);
            }
            rows.push(Row::Process(process));
        }
        rows
    }

    fn list(&mut self, scene: Scene<'_>, area: Rect, selected: ProcessId, buffer: &mut Buffer) {
        let palette = scene.palette();
        let narrow = usize::from(area.width) < NARROW;
        let mut pen = Pen::new(buffer, area);
        let columns = Columns::choose(pen.width(), scene.snapshot);
        let mut top = 0;
        if !narrow && pen.height() > 2 {
            columns.head(&mut pen, 0, palette);
            top = 1;
        }
        let height = pen.height().saturating_sub(top);
        let mut cursor = std::mem::take(&mut self.cursor);
        let mut drawn = std::mem::take(&mut self.drawn);
        let rows = self.rows(scene.snapshot);
        let is_selected =
            |row: &Row<'_>| matches!(row, Row::Process(process) if process.id == selected);
        let row = rows.iter().position(is_selected).unwrap_or(0);
        // The head of its group stays in view with the first of it.
        let above = usize::from(matches!(
            rows.get(row.wrapping_sub(1)),
            Some(Row::Group(..))
        ));
        let offset = cursor.scroll(row, above, rows.len(), height);
        for (at, item) in rows.iter().skip(offset).take(height).enumerate() {
            let at = top + at;
            match item {
                Row::Group(title, sums) if narrow => {
                    let _ = sums;
                    pen.put(at, 1, 40, title, palette.dim);
                }
                Row::Group(title, sums) => {
                    columns.group(&mut pen, at, &text::clean(title), sums, palette);
                }
                Row::Process(process) => {
                    let item = Item {
                        process,
                        snapshot: scene.snapshot,
                        now: scene.now,
                        palette,
                        selected: process.id == selected,
                        marked: self.marked.contains(&process.id),
                    };
                    if narrow {
                        item.narrow(&mut pen, at);
                    } else {
                        columns.row(&mut pen, at, &item);
                    }
                    if item.selected {
                        pen.shade(at, palette.selected);
                    }
                    if let Ok(at) = u16::try_from(at) {
                        drawn.push((area.y + at, process.id));
                    }
                }
            }
        }
        self.cursor = cursor;
        self.drawn = drawn;
    }

    fn no_hit(&self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        let line = format!("No employee matches “{}”.", text::clean(self.filter.text()));
        pen.put(1, 2, width, &line, palette.plain);
        pen.put(2, 2, width, "Esc shows all of them.", palette.dim);
    }
}

/// Nobody is hired: what this is for, and what to do.
fn welcome(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let palette = scene.palette();
    let width = usize::from(area.width.saturating_sub(4)).min(76);
    let mut sheet = Sheet::new(width, *palette);
    if let Some(fault) = &scene.snapshot.agent_missing {
        sheet.text(&format!("✕ {}", fault.cause), 0, palette.bad);
        sheet.text(
            &format!("{}  {}", fault.code, fault.remedy),
            2,
            palette.plain,
        );
        sheet.gap();
        sheet.text(
            "D shows everything with simulated employees, without Claude Code and without cost.",
            0,
            palette.accent,
        );
        sheet.gap();
    }
    sheet.text("No employee yet.", 0, palette.strong);
    sheet.gap();
    sheet.text(
        "headcount runs Claude Code processes as employees: each has a role, a prompt, tools, \
         and a share of the task queue. They work on when you leave.",
        0,
        palette.plain,
    );
    sheet.gap();
    let roles = scene.snapshot.catalogue.roles.len();
    for (key, what) in [
        ("n", format!("hire from {roles} roles")),
        ("4", "read the roles first".to_owned()),
        ("t", "write a task; it waits until somebody fits".to_owned()),
        ("?", "every key".to_owned()),
    ] {
        sheet.line(ratatui::text::Line::from(vec![
            ratatui::text::Span::styled(format!("  {key}  "), palette.accent),
            ratatui::text::Span::raw(text::fit(&what, width.saturating_sub(5)).into_owned()),
        ]));
    }
    let inner = Rect {
        x: area.x + 2.min(area.width),
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(1),
    };
    for (row, line) in (inner.y..inner.bottom()).zip(sheet.into_lines()) {
        ratatui::widgets::Widget::render(line, Rect::new(inner.x, row, inner.width, 1), buffer);
    }
}
