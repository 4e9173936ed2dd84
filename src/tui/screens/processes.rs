//! The first screen: every employee, one row each, by department or by cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::cluster::ClusterView;
use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::LogWindow;
use crate::domain::snapshot::{ProcessView, Snapshot};
use crate::tui::filter::Filter;
use crate::tui::look::Palette;
use crate::tui::order::Order;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::cluster;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::peek::Peek;
use crate::tui::widgets::pen::{Pen, more, rows_beside_sign};
use crate::tui::widgets::process_row::{Columns, Item, NARROW, Sums};
use crate::tui::widgets::sheet::Sheet;

/// The terminal's height from which the selected process is shown below the list.
const PEEK_FROM: u16 = 30;

/// A row that can be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Process(ProcessId),
    /// The head of a folded department, by the first who is in it.
    Folded(ProcessId),
    /// The head of a cluster, by its [`team`] number.
    Cluster(u64),
}

/// A number for the key of a cluster, by which its row is known.
pub(crate) fn team(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Of what rows stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Department(&'a str),
    Cluster(&'a str),
    /// Those of no cluster.
    Others,
}

impl Part<'_> {
    /// As it is known among the folded ones.
    fn name(self) -> String {
        match self {
            Self::Department(key) => key.to_owned(),
            Self::Cluster(key) => format!("cluster:{key}"),
            Self::Others => "cluster:".to_owned(),
        }
    }
}

/// Which row is selected, which are marked, which are shown, in which order.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    pub(crate) cursor: Cursor<Key>,
    pub(crate) marked: BTreeSet<ProcessId>,
    /// Those that were told here to start anew, with the run that ends for it as soon as that is seen.
    pub(crate) restarting: BTreeMap<ProcessId, Option<RunId>>,
    /// Where a range of marks begins.
    pub(crate) mark: Option<ProcessId>,
    pub(crate) filter: Filter,
    /// How a person sorted the list; `None` is the fixed order by department.
    pub(crate) order: Option<Order>,
    /// Whether clusters stand in the place of departments.
    pub(crate) by_cluster: bool,
    /// Names of the parts that are folded.
    folded: BTreeSet<String>,
    // Screen rows as drawn last, for the mouse.
    drawn: Vec<(u16, Key)>,
}

enum Row<'a> {
    Group(Group<'a>),
    Process(&'a Arc<ProcessView>),
}

/// The head of a department or a cluster.
struct Group<'a> {
    title: &'a str,
    cluster: Option<&'a ClusterView>,
    sums: Sums,
    /// The first of those who are in it, if it is folded.
    folded: Option<ProcessId>,
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
                process.health.as_str(),
                process.now.as_str(),
                id.as_str(),
            ];
            self.filter.admits(parts.into_iter())
        })
    }

    /// Those that are shown, in the order of the rows.
    fn ordered<'a>(&'a self, snapshot: &'a Snapshot) -> Vec<&'a Arc<ProcessView>> {
        let mut shown: Vec<_> = self.shown(snapshot).collect();
        if let Some(order) = &self.order {
            order.arrange(&mut shown);
        } else if self.by_cluster {
            let place = |cluster: &Option<String>| {
                let key = cluster.as_deref()?;
                snapshot.clusters.iter().position(|one| one.key == key)
            };
            shown.sort_by_key(|process| place(&process.cluster).unwrap_or(usize::MAX));
        }
        shown
    }

    /// Where a process stands.
    fn part<'a>(&self, process: &'a ProcessView) -> Part<'a> {
        match (self.by_cluster, process.cluster.as_deref()) {
            (false, _) => Part::Department(&process.department),
            (true, Some(cluster)) => Part::Cluster(cluster),
            (true, None) => Part::Others,
        }
    }

    /// Those that are shown, part by part; clusters that have nobody too, so that they can be started.
    fn parts<'a>(&'a self, snapshot: &'a Snapshot) -> Vec<(Part<'a>, Vec<&'a Arc<ProcessView>>)> {
        let mut parts: Vec<(Part<'a>, Vec<&'a Arc<ProcessView>>)> = Vec::new();
        if self.by_cluster && self.filter.is_empty() {
            let clusters = snapshot.clusters.iter();
            parts.extend(clusters.map(|one| (Part::Cluster(&one.key), Vec::new())));
        }
        for process in self.ordered(snapshot) {
            let part = self.part(process);
            match parts.iter_mut().rev().find(|(known, _)| *known == part) {
                Some((_, staff)) => staff.push(process),
                None => parts.push((part, vec![process])),
            }
        }
        parts
    }

    /// Whether a part is folded now: what a filter finds is always shown, and a sorted list has none.
    fn is_folded(&self, part: Part<'_>) -> bool {
        self.filter.is_empty()
            && self.order.is_none()
            && !self.folded.is_empty()
            && self.folded.contains(&part.name())
    }

    /// The cluster whose head is selected.
    pub(crate) fn cluster<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a ClusterView> {
        let Key::Cluster(number) = self.row(snapshot)? else {
            return None;
        };
        let mut all = snapshot.clusters.iter();
        all.find(|cluster| team(&cluster.key) == number)
            .map(AsRef::as_ref)
    }

    /// Shows the list by cluster, or by department again; the selected row stays.
    pub(crate) fn turn(&mut self, snapshot: &Snapshot) {
        let selected = self.selected(snapshot);
        self.by_cluster = !self.by_cluster;
        self.order = None;
        if let Some(id) = selected {
            self.select(id, snapshot);
        }
    }

    /// Selects the head of a cluster.
    pub(crate) fn go_to_cluster(&mut self, number: u64, snapshot: &Snapshot) {
        self.by_cluster = true;
        self.order = None;
        self.filter = Filter::default();
        let keys = self.keys(snapshot);
        self.cursor.select(&keys, Key::Cluster(number));
    }

    /// The rows that can be selected, in order.
    pub(crate) fn keys(&self, snapshot: &Snapshot) -> Vec<Key> {
        if self.folded.is_empty() && self.order.is_none() && !self.by_cluster {
            return self
                .shown(snapshot)
                .map(|process| Key::Process(process.id))
                .collect();
        }
        if self.order.is_some() {
            let all = self.ordered(snapshot).into_iter();
            return all.map(|process| Key::Process(process.id)).collect();
        }
        let mut keys = Vec::with_capacity(snapshot.processes.len() + 8);
        for (part, staff) in self.parts(snapshot) {
            let folded = self.is_folded(part);
            match part {
                Part::Cluster(key) => keys.push(Key::Cluster(team(key))),
                _ if folded => keys.extend(staff.first().map(|first| Key::Folded(first.id))),
                _ => {}
            }
            if !folded {
                keys.extend(staff.iter().map(|process| Key::Process(process.id)));
            }
        }
        keys
    }

    /// Everyone whom the filter shows, in folded departments too, in the order of the rows.
    pub(crate) fn everyone(&self, snapshot: &Snapshot) -> Vec<ProcessId> {
        let all = self.ordered(snapshot);
        all.into_iter().map(|process| process.id).collect()
    }

    /// The selected row.
    pub(crate) fn row(&self, snapshot: &Snapshot) -> Option<Key> {
        self.cursor.selected(&self.keys(snapshot))
    }

    /// The selected process; `None` on the head of a folded department.
    pub(crate) fn selected(&self, snapshot: &Snapshot) -> Option<ProcessId> {
        match self.row(snapshot)? {
            Key::Process(id) => Some(id),
            Key::Folded(_) | Key::Cluster(_) => None,
        }
    }

    /// Selects a process, and unfolds its department.
    pub(crate) fn select(&mut self, id: ProcessId, snapshot: &Snapshot) {
        if let Some(process) = snapshot.process(id) {
            let part = self.part(process).name();
            self.folded.remove(&part);
        }
        let keys = self.keys(snapshot);
        self.cursor.select(&keys, Key::Process(id));
    }

    /// Folds the department of the selected row, or unfolds it; says why not.
    pub(crate) fn fold(&mut self, fold: bool, snapshot: &Snapshot) -> Option<&'static str> {
        if self.order.is_some() || !self.filter.is_empty() {
            return Some("Only the usual list has departments to fold; Esc goes back to it.");
        }
        let row = self.row(snapshot)?;
        let part = match row {
            Key::Process(id) | Key::Folded(id) => self.part(snapshot.process(id)?),
            Key::Cluster(_) => Part::Cluster(&self.cluster(snapshot)?.key),
        };
        let name = part.name();
        let head = match part {
            Part::Cluster(key) => Key::Cluster(team(key)),
            part => {
                let mut all = self.ordered(snapshot).into_iter();
                Key::Folded(all.find(|process| self.part(process) == part)?.id)
            }
        };
        let to = if fold {
            self.folded.insert(name);
            head
        } else {
            self.folded.remove(&name);
            match row {
                Key::Folded(id) => Key::Process(id),
                row => row,
            }
        };
        let keys = self.keys(snapshot);
        self.cursor.select(&keys, to);
        None
    }

    /// Folds the selected head, or unfolds it.
    pub(crate) fn toggle(&mut self, snapshot: &Snapshot) {
        let folded = self
            .cluster(snapshot)
            .is_some_and(|cluster| self.is_folded(Part::Cluster(&cluster.key)));
        self.fold(!folded, snapshot);
    }

    /// Marks the selected row, or unmarks it: a range begins here.
    pub(crate) fn mark(&mut self, snapshot: &Snapshot) {
        if let Some(id) = self.selected(snapshot) {
            if self.marked.remove(&id) {
                self.mark = None;
            } else {
                self.marked.insert(id);
                self.mark = Some(id);
            }
        }
    }

    /// Marks all from the last mark to the selected row; without a mark, the selected row.
    pub(crate) fn mark_range(&mut self, snapshot: &Snapshot) {
        let keys = self.keys(snapshot);
        let at = |id: ProcessId| keys.iter().position(|key| *key == Key::Process(id));
        let Some(here) = self.selected(snapshot) else {
            return;
        };
        let from = self.mark.and_then(at).or(at(here));
        if let (Some(from), Some(to)) = (from, at(here)) {
            let range = keys.get(from.min(to)..=from.max(to)).unwrap_or(&[]);
            self.marked.extend(range.iter().filter_map(|key| match key {
                Key::Process(id) => Some(*id),
                Key::Folded(_) | Key::Cluster(_) => None,
            }));
            self.mark = Some(here);
        }
    }

    /// The marked processes, else the selected one.
    pub(crate) fn targets(&self, snapshot: &Snapshot) -> Vec<ProcessId> {
        if self.marked.is_empty() {
            self.selected(snapshot).into_iter().collect()
        } else {
            // In the order of the list, so that what is said begins with the first row.
            let all = snapshot.processes.iter().map(|process| process.id);
            all.filter(|id| self.marked.contains(id)).collect()
        }
    }

    /// Whether it stops to be started anew, as far as this terminal knows.
    pub(crate) fn starts_again(&self, process: &ProcessView) -> bool {
        process.stopping.is_some() && self.restarting.contains_key(&process.id)
    }

    /// Takes note of a new snapshot.
    pub(crate) fn settle(&mut self, snapshot: &Snapshot) {
        self.restarting.retain(|id, run| {
            let now = snapshot.process(*id).and_then(|process| process.run);
            now.is_some_and(|now| *run.get_or_insert(now) == now)
        });
        self.marked.retain(|id| snapshot.process(*id).is_some());
        let keys = self.keys(snapshot);
        self.cursor.settle(&keys);
    }

    /// What stands in a row of the screen.
    pub(crate) fn at(&self, y: u16) -> Option<Key> {
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
        if snapshot.processes.is_empty() && !self.by_cluster {
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
        if let Key::Process(selected) = selected
            && let Some(process) = snapshot.process(selected)
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
        if let Some(cluster) = self.cluster(snapshot)
            && peek > 0
        {
            let below = Rect {
                y: list.bottom() + 1,
                height: peek - 1,
                ..area
            };
            cluster::draw(cluster, scene, below, buffer);
        }
    }

    fn rows<'a>(&'a self, snapshot: &'a Snapshot) -> Vec<Row<'a>> {
        let mut rows: Vec<Row<'_>> = Vec::with_capacity(snapshot.processes.len() + 8);
        if self.order.is_some() {
            return self
                .ordered(snapshot)
                .into_iter()
                .map(Row::Process)
                .collect();
        }
        for (part, staff) in self.parts(snapshot) {
            let folded = self.is_folded(part);
            let mut sums = Sums::default();
            staff.iter().for_each(|process| sums.add(process));
            let (title, cluster) = match part {
                Part::Department(key) => {
                    let found = snapshot.catalogue.department(key);
                    (found.map_or(key, |found| found.title.as_str()), None)
                }
                Part::Cluster(key) => (key, snapshot.cluster(key).map(AsRef::as_ref)),
                Part::Others => ("In no cluster", None),
            };
            rows.push(Row::Group(Group {
                title,
                cluster,
                sums,
                folded: staff.first().filter(|_| folded).map(|first| first.id),
            }));
            if !folded {
                rows.extend(staff.into_iter().map(Row::Process));
            }
        }
        rows
    }

    fn list(&mut self, scene: Scene<'_>, area: Rect, selected: Key, buffer: &mut Buffer) {
        let palette = scene.palette();
        let narrow = usize::from(area.width) < NARROW;
        let mut pen = Pen::new(buffer, area);
        let columns = Columns::choose(pen.width(), scene.snapshot);
        let mut top = 0;
        if !narrow && pen.height() > 2 {
            let order = self.order.as_ref();
            let order = order.map(|order| (order.column, order.descending));
            columns.head(&mut pen, 0, order, palette);
            top = 1;
        }
        let height = pen.height().saturating_sub(top);
        let mut cursor = std::mem::take(&mut self.cursor);
        let mut drawn = std::mem::take(&mut self.drawn);
        let rows = self.rows(scene.snapshot);
        let is_selected = |row: &Row<'_>| match row {
            Row::Process(process) => Key::Process(process.id) == selected,
            Row::Group(group) => group.key() == Some(selected),
        };
        let row = rows.iter().position(is_selected).unwrap_or(0);
        // The head of its group stays in view with the first of it.
        let above = usize::from(matches!(
            rows.get(row.wrapping_sub(1)),
            Some(Row::Group(..))
        ));
        let (whole, height) = (height, rows_beside_sign(rows.len(), height));
        let offset = cursor.scroll(row, above, rows.len(), height);
        if height < whole {
            let below = rows.len().saturating_sub(offset + height);
            let line = more(offset, below);
            pen.put(top + height, 1, usize::from(area.width), &line, palette.dim);
        }
        for (at, item) in rows.iter().skip(offset).take(height).enumerate() {
            let at = top + at;
            match item {
                Row::Group(group) => {
                    let columns = (!narrow).then_some(&columns);
                    write_head(&mut pen, at, group, columns, palette);
                    if let (Some(key), Ok(at)) = (group.key(), u16::try_from(at)) {
                        drawn.push((area.y + at, key));
                    }
                    if is_selected(item) {
                        pen.put(at, 0, 1, "▌", palette.accent);
                        pen.shade(at, palette.selected);
                    }
                }
                Row::Process(process) => {
                    let item = Item {
                        process,
                        snapshot: scene.snapshot,
                        now: scene.now,
                        palette,
                        selected: is_selected(&Row::Process(process)),
                        marked: self.marked.contains(&process.id),
                        starts_again: self.starts_again(process),
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
                        drawn.push((area.y + at, Key::Process(process.id)));
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

impl Group<'_> {
    /// By which it is selected, if it can be.
    fn key(&self) -> Option<Key> {
        match self.cluster {
            Some(cluster) => Some(Key::Cluster(team(&cluster.key))),
            None => self.folded.map(Key::Folded),
        }
    }
}

/// The head of a department; a folded one says who is in it and whether anyone needs a person.
fn write_head(
    pen: &mut Pen<'_>,
    row: usize,
    group: &Group<'_>,
    columns: Option<&Columns>,
    palette: &Palette,
) {
    let title = text::clean(group.title);
    if let Some(cluster) = group.cluster {
        let mark = if group.folded.is_some() { "▸" } else { "▾" };
        let title = format!("{mark} {title}  {}", cluster::counts(cluster));
        match columns {
            Some(columns) => columns.group(pen, row, &title, &group.sums, palette),
            None => drop(pen.put(row, 1, 60, &title, palette.strong)),
        }
        if group.folded.is_some() && group.sums.needs > 0 {
            pen.put(row, 0, 1, "!", palette.warn);
        }
        return;
    }
    let Some(_) = group.folded else {
        let title = format!("▾ {title}");
        match columns {
            Some(columns) => columns.group(pen, row, &title, &group.sums, palette),
            None => drop(pen.put(row, 1, 40, &title, palette.dim)),
        }
        return;
    };
    let title = format!("▸ {title}  {}", group.sums.summary());
    match columns {
        Some(columns) => columns.group(pen, row, &title, &group.sums, palette),
        None => drop(pen.put(row, 1, 60, &title, palette.plain)),
    }
    if group.sums.needs > 0 {
        pen.put(row, 0, 1, "!", palette.warn);
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
        ("t", "write a task for later".to_owned()),
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
