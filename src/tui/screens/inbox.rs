//! What waits on a person, longest waiting first, and what was answered.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::domain::alert::AlertLevel;
use crate::domain::id::RequestId;
use crate::domain::inbox::{self, Ask, Item, Request};
use crate::domain::snapshot::Snapshot;
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::pen::{Pen, more, rows_beside_sign};
use crate::tui::widgets::request;
use crate::tui::widgets::sheet::{Scroll, Sheet};
use crate::tui::widgets::status;

/// From this width on, the whole request stands at the right of the list, else below it.
const BESIDE: u16 = 130;

/// A row: what waits, an alert that was seen and is not over, or a request that was answered.
pub(crate) type Row = Item;

/// Which row is selected.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) cursor: Cursor<Row>,
    /// What is put off on this terminal, in the order in which it was.
    later: Vec<Row>,
    // Whether the selected one waited when it was looked at last.
    waited: bool,
    drawn: Vec<(u16, Row)>,
}

impl Inbox {
    /// The rows, in order: what waits, what waits and is put off, what was answered; and how many
    /// wait.
    fn rows(&self, snapshot: &Snapshot) -> (Vec<Row>, usize) {
        let mut rows = inbox::waiting(snapshot);
        let open = rows.len();
        if !self.later.is_empty() {
            let later = self.later.iter().copied();
            let later: Vec<Row> = later.filter(|row| rows.contains(row)).collect();
            rows.retain(|row| !later.contains(row));
            rows.extend(later);
        }
        let seen = snapshot.alerts.iter();
        let seen = seen.filter(|alert| alert.is_open() && !alert.is_new());
        rows.extend(seen.map(|alert| Row::Alert(alert.id)));
        let answered = snapshot.requests.iter().filter(|one| !one.is_open());
        rows.extend(answered.map(|one| Row::Request(one.id)));
        (rows, open)
    }

    /// The rows, in order.
    pub(crate) fn keys(&self, snapshot: &Snapshot) -> Vec<Row> {
        self.rows(snapshot).0
    }

    /// The selected row.
    pub(crate) fn selected(&self, snapshot: &Snapshot) -> Option<Row> {
        self.cursor.selected(&self.keys(snapshot))
    }

    /// The selected request, where one is.
    pub(crate) fn request(&self, snapshot: &Snapshot) -> Option<RequestId> {
        match self.selected(snapshot)? {
            Row::Request(id) => Some(id),
            Row::Stuck(_) | Row::Alert(_) | Row::Failed(_) | Row::Updates(_) => None,
        }
    }

    /// Puts the selected row behind all others that wait; what follows it is selected. `false` if it
    /// does not wait, or nothing else does.
    pub(crate) fn put_off(&mut self, snapshot: &Snapshot) -> bool {
        let (keys, open) = self.rows(snapshot);
        let selected = self.cursor.selected(&keys);
        let at = selected.and_then(|id| keys.iter().position(|key| *key == id));
        let (Some(id), Some(at)) = (selected, at.filter(|at| *at < open && open > 1)) else {
            return false;
        };
        self.later.retain(|one| *one != id);
        self.later.push(id);
        // From the last row it goes on at the top.
        let next = if at + 1 == open { 0 } else { at };
        self.cursor.put(&self.keys(snapshot), next);
        self.note_selected(snapshot);
        true
    }

    /// The requests that wait for the very permission that one waits for: same tool, same rule.
    pub(crate) fn alike<'a>(one: &Request, snapshot: &'a Snapshot) -> Vec<&'a Request> {
        let Ask::Permission { tool, rule, .. } = &one.ask else {
            return Vec::new();
        };
        let open = snapshot.requests.iter().filter(|other| other.is_open());
        let same = open.filter(|other| {
            matches!(&other.ask, Ask::Permission { tool: t, rule: r, .. } if t == tool && r == rule)
        });
        same.map(AsRef::as_ref).collect()
    }

    /// Takes note of a new snapshot. When what is selected was answered, the next one that waits
    /// takes its place: a person works through the list.
    pub(crate) fn settle(&mut self, snapshot: &Snapshot) {
        let waiting = inbox::waiting(snapshot);
        self.later.retain(|row| waiting.contains(row));
        let (keys, open) = self.rows(snapshot);
        let answered = self.cursor.id().is_some_and(|row| !waiting.contains(&row));
        if self.waited && answered && open > 0 {
            self.cursor.put(&keys, self.cursor.row().min(open - 1));
        }
        self.cursor.settle(&keys);
        self.note_selected(snapshot);
    }

    /// Takes note of whether what is selected waits.
    pub(crate) fn note_selected(&mut self, snapshot: &Snapshot) {
        let row = self.cursor.id();
        self.waited = row.is_some_and(|row| inbox::waiting(snapshot).contains(&row));
    }

    /// The row at a line of the screen.
    pub(crate) fn at(&self, y: u16) -> Option<Row> {
        let found = self.drawn.iter().find(|(row, _)| *row == y)?;
        Some(found.1)
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        self.drawn.clear();
        let palette = scene.palette();
        let (keys, open) = self.rows(scene.snapshot);
        let Some(selected) = self.cursor.selected(&keys) else {
            let mut pen = Pen::new(buffer, area);
            let width = pen.width();
            pen.put(1, 2, width, "Nothing waits for you.", palette.strong);
            let line = "When an employee asks for a permission or has a question, it stands here, \
                        and its row in the process list is marked with !. So do alerts, employees \
                        that are down, tasks that failed and settings that changed.";
            let room = width.saturating_sub(4).min(76);
            for (row, line) in text::wrap(line, room).iter().enumerate() {
                pen.put(3 + row, 2, width, line, palette.plain);
            }
            return;
        };
        let (list, whole) = if area.width >= BESIDE {
            let width = area.width / 2;
            (
                Rect { width, ..area },
                Rect {
                    x: area.x + width + 1,
                    width: area.width - width - 1,
                    ..area
                },
            )
        } else {
            let height = (area.height / 2).min(u16::try_from(keys.len() + 2).unwrap_or(u16::MAX));
            let height = height.max(3).min(area.height);
            (
                Rect { height, ..area },
                Rect {
                    y: area.y + height,
                    height: area.height - height,
                    ..area
                },
            )
        };
        self.list(scene, list, selected, (&keys, open), buffer);
        match selected {
            Row::Request(id) => {
                if let Some(found) = scene.snapshot.request(id) {
                    write_whole(found, scene, whole, buffer);
                }
            }
            other => write_other(other, scene, whole, buffer),
        }
    }

    fn list(
        &mut self,
        scene: Scene<'_>,
        area: Rect,
        selected: Row,
        (keys, open): (&[Row], usize),
        buffer: &mut Buffer,
    ) {
        let palette = scene.palette();
        let snapshot = scene.snapshot;
        let mut pen = Pen::new(buffer, area);
        let index = keys.iter().position(|id| *id == selected).unwrap_or(0);
        // One line divides what waits from what was answered.
        let line = |index: usize| index + usize::from(index >= open);
        let total = keys.len() + usize::from(keys.len() > open);
        let whole = pen.height();
        let height = rows_beside_sign(total, whole);
        let offset = self
            .cursor
            .scroll(line(index), usize::from(index == open), total, height);
        if height < whole {
            let line = more(offset, total.saturating_sub(offset + height));
            pen.put(height, 1, area.width.into(), &line, palette.dim);
        }
        for at in 0..height.min(total.saturating_sub(offset)) {
            let row = offset + at;
            if row == open {
                let what = if open == 0 {
                    "Nothing waits. Seen or answered before:"
                } else {
                    "Seen or answered"
                };
                pen.put(at, 3, area.width.into(), what, palette.dim);
                continue;
            }
            let index = row - usize::from(row > open);
            let Some(key) = keys.get(index).copied() else {
                continue;
            };
            let later = self.later.contains(&key);
            match key {
                Row::Request(id) => {
                    if let Some(found) = snapshot.request(id) {
                        write_row(&mut pen, at, found, later, scene);
                    }
                }
                other => write_other_row(&mut pen, at, other, later, scene),
            }
            if key == selected {
                pen.put(at, 0, 1, "▌", palette.accent);
                pen.shade(at, palette.selected);
            }
            if let Ok(at) = u16::try_from(at) {
                self.drawn.push((area.y + at, key));
            }
        }
    }
}

fn who(found: &Request, scene: Scene<'_>) -> String {
    match scene.snapshot.process(found.process) {
        Some(process) => text::clean(&process.name).into_owned(),
        None => found.process.to_string(),
    }
}

fn write_row(pen: &mut Pen<'_>, row: usize, found: &Request, later: bool, scene: Scene<'_>) {
    let palette = scene.palette();
    let width = pen.width();
    let (mark, style, strong) = if later {
        ("↓", palette.dim, palette.plain)
    } else if found.is_open() {
        ("!", palette.warn, palette.strong)
    } else {
        (" ", palette.dim, palette.dim)
    };
    pen.put(row, 1, 1, mark, style);
    pen.put(row, 3, 10, &who(found, scene), strong);
    let since = found.answered.unwrap_or(found.asked);
    pen.right(row, 14, 4, &format::age(scene.now.since(since)), style);
    let what = text::clean(&request::line(found)).into_owned();
    if found.is_open() {
        pen.put(row, 20, width.saturating_sub(21), &what, palette.plain);
    } else {
        let answer = text::clean(&request::answer(found)).into_owned();
        let end = pen.put(row, 20, width.saturating_sub(21), &answer, palette.plain);
        let room = width.saturating_sub(end + 1);
        pen.put(row, end, room, &format!(" · {what}"), palette.dim);
    }
}

/// A row that is no request: who or which, since when, and what is the matter.
fn other(row: Row, scene: Scene<'_>) -> Option<(String, Timestamp, String)> {
    if let Row::Request(_) = row {
        return None;
    }
    let told = row.told(scene.snapshot)?;
    let lead = match (row, &told.name) {
        (Row::Failed(id), _) => id.to_string(),
        (_, Some(name)) => text::clean(name).into_owned(),
        (_, None) => "headcount".to_owned(),
    };
    let line = match row {
        Row::Failed(_) => single_spaced(&told.line),
        _ => told.line,
    };
    Some((lead, told.since, line))
}

/// Tools and what they were used for stand two spaces apart in a log, not in a sentence.
fn single_spaced(line: &str) -> String {
    line.split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn write_other_row(pen: &mut Pen<'_>, at: usize, row: Row, later: bool, scene: Scene<'_>) {
    let palette = scene.palette();
    let width = pen.width();
    let Some((lead, since, line)) = other(row, scene) else {
        return;
    };
    let is_seen = matches!(row, Row::Alert(id) if scene.snapshot.alert(id).is_some_and(|alert| !alert.is_new()));
    let (mark, style) = match row {
        _ if later => ("↓", palette.dim),
        Row::Alert(_) if is_seen => ("·", palette.dim),
        Row::Stuck(_) | Row::Failed(_) => ("✕", palette.bad),
        Row::Alert(id)
            if scene
                .snapshot
                .alert(id)
                .is_some_and(|alert| alert.level == AlertLevel::Critical) =>
        {
            ("✕", palette.bad)
        }
        Row::Alert(_) | Row::Updates(_) | Row::Request(_) => ("▲", palette.warn),
    };
    let strong = match (is_seen, later) {
        (true, _) => palette.dim,
        (false, true) => palette.plain,
        (false, false) => palette.strong,
    };
    pen.put(at, 1, 1, mark, style);
    pen.put(at, 3, 10, &lead, strong);
    pen.right(at, 14, 4, &format::age(scene.now.since(since)), style);
    let line = text::clean(&line).into_owned();
    pen.put(at, 20, width.saturating_sub(21), &line, palette.plain);
}

/// What is no request, whole, with the keys that do something about it.
fn write_other(row: Row, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let (palette, snapshot) = (scene.palette(), scene.snapshot);
    let body = Rect {
        x: area.x + 2.min(area.width),
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(1),
    };
    let mut sheet = Sheet::new(usize::from(body.width), *palette);
    let (title, keys) = match row {
        Row::Request(_) => return,
        Row::Stuck(id) => {
            let Some(view) = snapshot.process(id) else {
                return;
            };
            sheet.text(&view.now, 0, palette.plain);
            if let Some(fault) = &view.fault {
                sheet.gap();
                sheet.text(&format!("try: {}", fault.remedy), 0, palette.plain);
            }
            let title = format!("{} · {}", view.name, view.status.as_str());
            (title, "s start  W why  Enter details")
        }
        Row::Alert(id) => {
            let Some(alert) = snapshot.alert(id) else {
                return;
            };
            sheet.text(&alert.text, 0, palette.plain);
            sheet.gap();
            let since = scene.now.clock(alert.since);
            let told = match alert.acknowledged {
                Some(at) => format!("since {since}; seen {}", scene.now.clock(at)),
                None => format!("since {since}"),
            };
            let ends = if alert.kind.is_of_a_moment() {
                "; it stands until somebody has seen it"
            } else {
                "; it goes when it is over"
            };
            sheet.text(&format!("{told}{ends}"), 0, palette.dim);
            let who = alert.name.as_deref().unwrap_or("headcount");
            let title = format!("{who} · {}", alert.level.as_str());
            let keys = match (alert.is_new(), alert.process) {
                (true, Some(_)) => "K seen  W why  Enter details",
                (true, None) => "K seen",
                (false, Some(_)) => "W why  Enter details",
                (false, None) => "",
            };
            (title, keys)
        }
        Row::Failed(id) => {
            let Some(task) = snapshot.task(id) else {
                return;
            };
            sheet.text(&task.text, 0, palette.plain);
            if let Some(error) = &task.error {
                sheet.gap();
                sheet.text(&single_spaced(error), 0, palette.bad);
            }
            let title = format!("{id} · {}", status::task_word(task.state));
            (title, "R retry  K let be  Enter whole")
        }
        Row::Updates(id) => {
            let found = snapshot.process(id);
            let Some((view, updates)) = found.and_then(|one| Some((one, one.updates.as_ref()?)))
            else {
                return;
            };
            for change in &updates.changes {
                match &change.diff {
                    Some(diff) => {
                        sheet.heading(&change.setting);
                        sheet.diff(diff, 1);
                    }
                    None => {
                        let before = change.before.as_deref().unwrap_or("nothing");
                        let after = change.after.as_deref().unwrap_or("nothing");
                        sheet.heading(&change.setting);
                        sheet.text(&format!("-{before}"), 1, palette.bad);
                        sheet.text(&format!("+{after}"), 1, palette.good);
                    }
                }
            }
            let title = format!("{} · updates", view.name);
            (title, "Enter choose  d not now")
        }
    };
    Pen::new(buffer, area).title(0, &text::clean(&title), keys, palette);
    Scroll::default().draw(sheet.into_lines(), body, buffer, palette);
}

fn write_whole(found: &Request, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let palette = scene.palette();
    let keys = match (&found.ask, found.is_open()) {
        (_, false) => "",
        (Ask::Permission { .. }, true) => "y allow  Y always  d deny",
        (Ask::Question { .. }, true) => "A answer  d deny",
    };
    let task = found
        .task
        .map_or_else(String::new, |task| format!(" · {task}"));
    let title = format!("{}{task}", who(found, scene));
    let mut pen = Pen::new(buffer, area);
    pen.title(0, &title, keys, palette);
    let body = Rect {
        x: area.x + 2.min(area.width),
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(1),
    };
    let lines = lines(found, usize::from(body.width), scene);
    let fits = usize::from(body.height);
    let more = lines.len().saturating_sub(fits);
    for (row, line) in (body.y..body.bottom()).zip(lines) {
        line.render(Rect::new(body.x, row, body.width, 1), buffer);
    }
    if more > 0 && fits > 0 {
        let mut pen = Pen::new(buffer, body);
        let width = pen.width();
        let line = format!("↓ {} more lines, Enter shows the whole", more + 1);
        pen.put(fits - 1, 0, width, &text::pad(&line, width), palette.dim);
    }
}

/// A request whole: what is asked, and what was answered.
pub(crate) fn lines(found: &Request, width: usize, scene: Scene<'_>) -> Vec<Line<'static>> {
    let palette = scene.palette();
    let mut sheet = Sheet::new(width, *palette);
    request::write(&mut sheet, &found.ask, palette);
    if let Ask::Permission { rule, .. } = &found.ask
        && found.is_open()
    {
        sheet.gap();
        sheet.text(&format!("Y would allow: {rule}"), 0, palette.dim);
        let alike = Inbox::alike(found, scene.snapshot).len();
        if alike > 1 {
            let line = format!("{alike} requests wait for this rule; b answers all of them.");
            sheet.text(&line, 0, palette.plain);
        }
    }
    if let Some(at) = found.answered {
        sheet.gap();
        let line = format!("{}, {}", request::answer(found), scene.now.clock(at));
        sheet.text(&line, 0, palette.plain);
    }
    sheet.into_lines()
}
