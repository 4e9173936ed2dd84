//! The queue: what is worked on, what waits, what ended.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::id::TaskId;
use crate::domain::snapshot::Snapshot;
use crate::domain::task::{Place, Priority, Task, TaskState};
use crate::tui::filter::Filter;
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::task_order::{TaskColumn, TaskOrder};
use crate::tui::text;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::pen::{Pen, more, rows_beside_sign};
use crate::tui::widgets::status;
use crate::tui::widgets::task_facts;

const NARROW: usize = 60;
/// In less room there is the title alone; of the selected task the rest stands below.
const BESIDE: usize = 30;
/// Without so many rows nothing more is said of the selected task below the list.
const TALL: u16 = 10;
/// With so many columns one row is enough for that.
const WIDE: u16 = 100;

/// Which task is selected, and which are shown.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    pub(crate) cursor: Cursor<TaskId>,
    pub(crate) filter: Filter,
    /// How a person sorted the list; `None` is by groups.
    pub(crate) order: Option<TaskOrder>,
    drawn: Vec<(u16, TaskId)>,
}

/// Where a task stands in the list. The order of the groups is the order of their names here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Working,
    Queue,
    Failed,
    Parked,
    Ended,
}

impl Group {
    const ALL: [Self; 5] = [
        Self::Working,
        Self::Queue,
        Self::Failed,
        Self::Parked,
        Self::Ended,
    ];

    const fn of(state: TaskState) -> Self {
        match state {
            TaskState::Assigned | TaskState::Running | TaskState::Waiting => Self::Working,
            TaskState::Queued | TaskState::Held | TaskState::Blocked => Self::Queue,
            TaskState::Failed | TaskState::TimedOut => Self::Failed,
            TaskState::Parked => Self::Parked,
            TaskState::Succeeded | TaskState::Cancelled => Self::Ended,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Working => "Working",
            Self::Queue => "Queue",
            Self::Failed => "Failed",
            Self::Parked => "Parked",
            Self::Ended => "Done",
        }
    }
}

/// The shown tasks, in groups.
struct Listed {
    keys: Vec<TaskId>,
    /// Group, and where its first task stands in `keys`.
    groups: Vec<(Group, usize)>,
}

impl Tasks {
    /// One walk over all tasks: there may be very many. What waits stands in the order of work.
    fn listed(&self, snapshot: &Snapshot) -> Listed {
        if let Some(order) = &self.order {
            let shown = order
                .arranged(snapshot)
                .filter(|task| self.filter.is_empty() || self.admits(snapshot, task));
            return Listed {
                keys: shown.map(|task| task.id).collect(),
                groups: Vec::new(),
            };
        }
        let mut queue: Vec<(Place, TaskId)> = Vec::new();
        let mut buckets: [Vec<TaskId>; 4] = Default::default();
        for row in snapshot.tasks.rows() {
            if !self.filter.is_empty() && !self.admits(snapshot, &row.task) {
                continue;
            }
            let bucket = match Group::of(row.state) {
                Group::Queue => {
                    queue.push((row.task.place(), row.id));
                    continue;
                }
                Group::Working => 0,
                Group::Failed => 1,
                Group::Parked => 2,
                Group::Ended => 3,
            };
            if let Some(bucket) = buckets.get_mut(bucket) {
                bucket.push(row.id);
            }
        }
        let [working, mut failed, mut parked, mut ended] = buckets;
        // The newest of what is over is what a person looks for.
        failed.reverse();
        parked.reverse();
        ended.reverse();
        queue.sort_unstable();
        let queue = queue.into_iter().map(|(_, id)| id).collect();
        let (mut keys, mut groups) = (Vec::new(), Vec::new());
        let all = [working, queue, failed, parked, ended];
        for (group, ids) in Group::ALL.into_iter().zip(all) {
            if !ids.is_empty() {
                groups.push((group, keys.len()));
                keys.extend(ids);
            }
        }
        Listed { keys, groups }
    }

    fn admits(&self, snapshot: &Snapshot, task: &Task) -> bool {
        let id = task.id.to_string();
        let who = task_facts::who(task, snapshot);
        let parts = [
            id.as_str(),
            status::task_word(task.state),
            task.priority.as_str(),
            who.as_str(),
            task.text.as_str(),
            task.result.as_ref().map_or("", |result| &result.text),
            task.error.as_deref().unwrap_or(""),
        ];
        self.filter.admits(parts.into_iter())
    }

    /// The ids of the rows, in order.
    pub(crate) fn keys(&self, snapshot: &Snapshot) -> Vec<TaskId> {
        self.listed(snapshot).keys
    }

    /// The selected task.
    pub(crate) fn selected(&self, snapshot: &Snapshot) -> Option<TaskId> {
        match self.cursor.id().and_then(|id| snapshot.task(id)) {
            // It is there; whether the filter shows it was settled when it was selected.
            Some(task) if self.filter.is_empty() => Some(task.id),
            _ => self.cursor.selected(&self.keys(snapshot)),
        }
    }

    /// Takes note of a new snapshot.
    pub(crate) fn settle(&mut self, snapshot: &Snapshot) {
        let keys = self.keys(snapshot);
        self.cursor.settle(&keys);
    }

    /// The task in a row of the screen.
    pub(crate) fn at(&self, y: u16) -> Option<TaskId> {
        let found = self.drawn.iter().find(|(row, _)| *row == y)?;
        Some(found.1)
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        self.drawn.clear();
        let palette = scene.palette();
        let area = scaling(scene, area, buffer);
        let listed = self.listed(scene.snapshot);
        let selected = self.cursor.selected(&listed.keys);
        let area = match selected.and_then(|id| scene.snapshot.task(id)) {
            Some(task) => peek(task, scene, area, buffer),
            None => area,
        };
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        let Some(selected) = selected else {
            let (first, second) = if self.filter.is_empty() {
                (
                    "No task yet.".to_owned(),
                    "t writes one. It waits here until an employee fits, and its result stays here.",
                )
            } else {
                let words = text::clean(self.filter.text()).into_owned();
                (
                    format!("No task matches “{words}”."),
                    "Esc shows all of them.",
                )
            };
            pen.put(1, 2, width, &first, palette.strong);
            for (row, line) in text::wrap(second, width.saturating_sub(4))
                .iter()
                .enumerate()
            {
                pen.put(2 + row, 2, width, line, palette.plain);
            }
            return;
        };
        let columns = Columns::choose(width);
        let top = usize::from(width >= NARROW && pen.height() > 2);
        if top > 0 {
            columns.head(&mut pen, self.order.as_ref(), scene);
        }
        let height = pen.height().saturating_sub(top);
        // Rows are the tasks and a head for each group before its first.
        let index = listed
            .keys
            .iter()
            .position(|id| *id == selected)
            .unwrap_or(0);
        let heads = |index: usize| listed.groups.iter().filter(|(_, at)| *at <= index).count();
        let row = index + heads(index);
        let above = usize::from(listed.groups.iter().any(|(_, at)| *at == index));
        let total = listed.keys.len() + listed.groups.len();
        let (whole, height) = (height, rows_beside_sign(total, height));
        let offset = self.cursor.scroll(row, above, total, height);
        if height < whole {
            let line = more(offset, total.saturating_sub(offset + height));
            pen.put(top + height, 1, width, &line, palette.dim);
        }
        for at in 0..height.min(total.saturating_sub(offset)) {
            let row = offset + at;
            let head = listed
                .groups
                .iter()
                .enumerate()
                .find(|(number, (_, first))| first + number == row);
            if let Some((number, (group, first))) = head {
                let next = listed
                    .groups
                    .get(number + 1)
                    .map_or(listed.keys.len(), |next| next.1);
                let title = format!("{} {}", group.title(), next - first);
                pen.put(top + at, 1, width, &title, palette.strong);
                continue;
            }
            let before = listed
                .groups
                .iter()
                .enumerate()
                .filter(|(number, (_, first))| first + number < row)
                .count();
            let task = listed
                .keys
                .get(row - before)
                .and_then(|id| scene.snapshot.task(*id));
            let Some(task) = task else {
                continue;
            };
            columns.row(&mut pen, top + at, task, scene);
            if task.id == selected {
                pen.put(top + at, 0, 1, "▌", palette.accent);
                pen.shade(top + at, palette.selected);
            }
            if let Ok(at) = u16::try_from(top + at) {
                self.drawn.push((area.y + at, task.id));
            }
        }
    }
}

/// What automatic scaling has to say, over the list; returns what is left.
fn scaling(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) -> Rect {
    let Some(view) = scene.snapshot.scaling_line(scene.now.wall) else {
        return area;
    };
    let palette = scene.palette();
    let style = if view.holds {
        palette.warn
    } else {
        palette.dim
    };
    let mut pen = Pen::new(buffer, area);
    let width = pen.width();
    let role = scene.snapshot.catalogue.role(&view.role);
    let role = role.map_or(view.role.as_str(), |role| role.title.as_str());
    let others = scene
        .snapshot
        .scaling
        .iter()
        .filter(|one| one.holds)
        .count();
    let others = match others.saturating_sub(usize::from(view.holds)) {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    };
    let line = text::clean(&format!("Scaling of {role}: {}{others}", view.text)).into_owned();
    pen.put(0, 1, width.saturating_sub(2), &line, style);
    let taken = area.height.min(1);
    Rect {
        y: area.y + taken,
        height: area.height - taken,
        ..area
    }
}

/// Says below the list what the row of the selected task may have no room for: why it waits or failed, what is done
/// for it, what came of it. Returns what is left for the list.
fn peek(task: &Task, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) -> Rect {
    if area.height < TALL || usize::from(area.width) < NARROW {
        return area;
    }
    let rows = if area.width < WIDE { 2 } else { 1 };
    let palette = scene.palette();
    let list = Rect {
        height: area.height - rows,
        ..area
    };
    let below = Rect {
        y: area.y + list.height,
        height: rows,
        ..area
    };
    let mut pen = Pen::new(buffer, below);
    let room = pen.width().saturating_sub(Columns::LEAD + Columns::ID + 1);
    pen.put(
        0,
        Columns::LEAD,
        Columns::ID,
        &task.id.to_string(),
        palette.dim,
    );
    for row in 0..usize::from(rows) {
        pen.put(row, 0, 1, "▌", palette.accent);
    }
    let result = task.result.as_ref().map(|result| result.text.as_str());
    let words = task_facts::beside(task, scene.snapshot)
        .or(result.map(Cow::Borrowed))
        .unwrap_or_else(|| task.title().into());
    let words = text::clean(&words);
    let lines = text::wrap(&words, room.max(1));
    let last = usize::from(rows) - 1;
    for (row, line) in lines.iter().take(last).enumerate() {
        pen.put(row, Columns::LEAD + Columns::ID, room, line, palette.plain);
    }
    if lines.len() > last {
        // What does not fit is seen to be cut.
        let rest = lines.get(last..).unwrap_or_default().join(" ");
        pen.put(
            last,
            Columns::LEAD + Columns::ID,
            room,
            &rest,
            palette.plain,
        );
    }
    list
}

/// Widths of the columns, the space behind them included; zero for those that are not shown.
#[derive(Debug)]
struct Columns {
    state: usize,
    priority: usize,
    who: usize,
    time: usize,
    tries: usize,
    cost: usize,
}

impl Columns {
    const LEAD: usize = 3;
    const ID: usize = 11;

    fn choose(width: usize) -> Self {
        Self {
            state: 13,
            priority: if width >= 70 { 10 } else { 0 },
            who: if width >= 110 { 22 } else { 14 },
            time: if width >= 70 { 6 } else { 0 },
            tries: if width >= 90 { 5 } else { 0 },
            cost: if width >= 110 { 9 } else { 0 },
        }
    }

    /// The names of the columns; the one that rows are sorted by is marked with the direction.
    fn head(&self, pen: &mut Pen<'_>, order: Option<&TaskOrder>, scene: Scene<'_>) {
        let palette = scene.palette();
        let title = |name: &str, column: TaskColumn| match order {
            Some(order) if order.column == column => {
                let arrow = if order.descending { "↓" } else { "↑" };
                (format!("{name}{arrow}"), palette.accent)
            }
            _ => (name.to_owned(), palette.dim),
        };
        let mut at = Self::LEAD;
        for (name, columns, column) in [
            ("TASK", Self::ID, TaskColumn::Age),
            ("STATE", self.state, TaskColumn::State),
            ("PRIORITY", self.priority, TaskColumn::Priority),
            ("WHO", self.who, TaskColumn::Who),
        ] {
            if columns > 0 {
                let (name, style) = title(name, column);
                pen.put(0, at, columns, &name, style);
                at += columns;
            }
        }
        for (name, columns, column) in [
            ("TIME", self.time, TaskColumn::Time),
            ("TRY", self.tries, TaskColumn::Tries),
            ("COST", self.cost, TaskColumn::Cost),
        ] {
            if columns > 0 {
                let (name, style) = title(name, column);
                pen.right(0, at, columns, &name, style);
                at += columns;
            }
        }
        pen.put(0, at + 2, 20, "WHAT", palette.dim);
    }

    fn row(&self, pen: &mut Pen<'_>, row: usize, task: &Task, scene: Scene<'_>) {
        let palette = scene.palette();
        let width = pen.width();
        let (shape, style) = status::task_shape(task.state, palette);
        pen.put(
            row,
            Self::LEAD,
            Self::ID - 1,
            &task.id.to_string(),
            palette.dim,
        );
        let title = text::clean(task.title());
        let word = if task.cancelling {
            "cancelling"
        } else {
            status::task_word(task.state)
        };
        let mut at = Self::LEAD + Self::ID;
        pen.put(row, at, 1, shape, style);
        let word_style = if style == palette.good {
            palette.plain
        } else {
            style
        };
        if width < NARROW {
            let end = pen.put(row, at + 2, width, word, word_style);
            pen.put(row, end + 1, width, &title, palette.plain);
            return;
        }
        pen.put(row, at + 2, self.state - 3, word, word_style);
        at += self.state;
        if self.priority > 0 {
            let style = match task.priority {
                Priority::Urgent | Priority::High => palette.strong,
                Priority::Normal | Priority::Low => palette.dim,
            };
            pen.put(row, at, self.priority - 1, task.priority.as_str(), style);
            at += self.priority;
        }
        let who = task_facts::who(task, scene.snapshot);
        pen.put(row, at, self.who - 2, &who, palette.plain);
        at += self.who;
        let cost = task.cost_usd();
        let tries = match task.attempts.len() {
            0 => "-".to_owned(),
            tries => tries.to_string(),
        };
        for (what, columns) in [
            (task_facts::time(task, scene.now), self.time),
            (tries, self.tries),
            (format::money(cost), self.cost),
        ] {
            if columns > 0 {
                pen.right(row, at, columns, &what, palette.dim);
                at += columns;
            }
        }
        let room = width.saturating_sub(at + 3);
        let style = if Group::of(task.state) == Group::Ended {
            palette.dim
        } else {
            palette.plain
        };
        let beside = (room >= BESIDE).then(|| task_facts::beside(task, scene.snapshot));
        let beside = beside.flatten();
        let why = beside.map(|why| format!(" · {}", text::clean(&why)));
        // What is to be said of it has half of the room, or what the title leaves.
        let wanted = why.as_deref().map_or(0, text::width);
        let of_title = room.saturating_sub(wanted).max(room / 2);
        let end = pen.put(row, at + 2, of_title.min(room), &title, style);
        if let Some(why) = why {
            pen.put(row, end, width.saturating_sub(end + 1), &why, palette.dim);
        }
    }
}
