//! What waits on a person, longest waiting first, and what was answered.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::domain::alert::AlertLevel;
use crate::domain::id::RequestId;
use crate::domain::inbox::{Ask, Request};
use crate::domain::snapshot::Snapshot;
use crate::tui::chrome;
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::request;
use crate::tui::widgets::sheet::Sheet;

/// From this width on, the whole request stands at the right of the list, else below it.
const BESIDE: u16 = 130;
/// Alerts that are shown above it.
const ALERTS: usize = 5;

/// Which request is selected.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) cursor: Cursor<RequestId>,
    /// What is put off on this terminal, in the order in which it was.
    later: Vec<RequestId>,
    // Whether the selected one waited when it was looked at last.
    waited: bool,
    drawn: Vec<(u16, RequestId)>,
}

impl Inbox {
    /// The ids of the rows, in order: what waits, what waits and is put off, what was answered.
    pub(crate) fn keys(&self, snapshot: &Snapshot) -> Vec<RequestId> {
        let ids = snapshot.requests.iter().map(|request| request.id);
        if self.later.is_empty() {
            return ids.collect();
        }
        let open = chrome::waiting_requests(snapshot);
        let mut keys: Vec<RequestId> = ids.collect();
        let answered = keys.split_off(open.min(keys.len()));
        keys.retain(|id| !self.later.contains(id));
        let later = self.later.iter().copied();
        keys.extend(later.filter(|id| snapshot.request(*id).is_some_and(|one| one.is_open())));
        keys.extend(answered);
        keys
    }

    /// The selected request.
    pub(crate) fn selected(&self, snapshot: &Snapshot) -> Option<RequestId> {
        self.cursor.selected(&self.keys(snapshot))
    }

    /// Puts the selected request behind all others that wait; what follows it is selected. `false`
    /// if it does not wait, or nothing else does.
    pub(crate) fn put_off(&mut self, snapshot: &Snapshot) -> bool {
        let keys = self.keys(snapshot);
        let open = chrome::waiting_requests(snapshot);
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
        self.later
            .retain(|id| snapshot.request(*id).is_some_and(|one| one.is_open()));
        let keys = self.keys(snapshot);
        let open = chrome::waiting_requests(snapshot);
        let found = self.cursor.id().and_then(|id| snapshot.request(id));
        let answered = found.is_some_and(|request| !request.is_open());
        if self.waited && answered && open > 0 {
            self.cursor.put(&keys, self.cursor.row().min(open - 1));
        }
        self.cursor.settle(&keys);
        self.note_selected(snapshot);
    }

    /// Takes note of whether what is selected waits.
    pub(crate) fn note_selected(&mut self, snapshot: &Snapshot) {
        let found = self.cursor.id().and_then(|id| snapshot.request(id));
        self.waited = found.is_some_and(|request| request.is_open());
    }

    /// The request in a row of the screen.
    pub(crate) fn at(&self, y: u16) -> Option<RequestId> {
        let found = self.drawn.iter().find(|(row, _)| *row == y)?;
        Some(found.1)
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        self.drawn.clear();
        let area = write_alerts(scene, area, buffer);
        let palette = scene.palette();
        let keys = self.keys(scene.snapshot);
        let Some(selected) = self.cursor.selected(&keys) else {
            let mut pen = Pen::new(buffer, area);
            let width = pen.width();
            pen.put(1, 2, width, "Nothing waits for you.", palette.strong);
            let line = "When an employee asks for a permission or has a question, it stands here, \
                        and its row in the process list is marked with !.";
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
        self.list(scene, list, selected, &keys, buffer);
        if let Some(found) = scene.snapshot.request(selected) {
            write_whole(found, scene, whole, buffer);
        }
    }

    fn list(
        &mut self,
        scene: Scene<'_>,
        area: Rect,
        selected: RequestId,
        keys: &[RequestId],
        buffer: &mut Buffer,
    ) {
        let palette = scene.palette();
        let snapshot = scene.snapshot;
        let open = chrome::waiting_requests(snapshot);
        let mut pen = Pen::new(buffer, area);
        let index = keys.iter().position(|id| *id == selected).unwrap_or(0);
        // One line divides what waits from what was answered.
        let line = |index: usize| index + usize::from(index >= open);
        let total = keys.len() + usize::from(keys.len() > open);
        let height = pen.height();
        let offset = self
            .cursor
            .scroll(line(index), usize::from(index == open), total, height);
        for at in 0..height.min(total.saturating_sub(offset)) {
            let row = offset + at;
            if row == open {
                let what = if open == 0 {
                    "Nothing waits. Answered before:"
                } else {
                    "Answered"
                };
                pen.put(at, 3, area.width.into(), what, palette.dim);
                continue;
            }
            let index = row - usize::from(row > open);
            let Some(found) = keys.get(index).and_then(|id| snapshot.request(*id)) else {
                continue;
            };
            write_row(&mut pen, at, found, self.later.contains(&found.id), scene);
            if found.id == selected {
                pen.put(at, 0, 1, "▌", palette.accent);
                pen.shade(at, palette.selected);
            }
            if let Ok(at) = u16::try_from(at) {
                self.drawn.push((area.y + at, found.id));
            }
        }
    }
}

/// What is wrong, above everything that is asked; returns what is left of the area.
fn write_alerts(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) -> Rect {
    let palette = scene.palette();
    let alerts = &scene.snapshot.alerts;
    // What was seen stands behind what was not.
    let unseen = alerts.iter().filter(|alert| alert.is_new());
    let seen = alerts
        .iter()
        .filter(|alert| alert.is_open() && !alert.is_new());
    let open: Vec<_> = unseen.chain(seen).collect();
    let most = usize::from(area.height / 3).min(ALERTS);
    if open.is_empty() || most == 0 {
        return area;
    }
    let mut pen = Pen::new(buffer, area);
    let width = pen.width();
    let shown = open.len().min(most);
    for (row, alert) in open.iter().take(shown).enumerate() {
        let (style, plain) = match (alert.is_new(), alert.level) {
            (false, _) => (palette.dim, palette.dim),
            (true, AlertLevel::Critical) => (palette.bad, palette.plain),
            (true, AlertLevel::Warning) => (palette.warn, palette.plain),
        };
        pen.put(row, 1, 1, if alert.is_new() { "✕" } else { "·" }, style);
        let who = alert.name.as_deref().unwrap_or("headcount");
        pen.put(row, 3, 10, &text::clean(who), style);
        let age = format::age(scene.now.since(alert.since));
        pen.right(row, 14, 4, &age, style);
        let line = text::clean(&alert.text).into_owned();
        pen.put(row, 20, width.saturating_sub(21), &line, plain);
    }
    let more = open.len() - shown;
    let unseen = chrome::new_alerts(scene.snapshot);
    let hint = match (more, unseen) {
        (0, 0) => "seen by you; it goes when it is over".to_owned(),
        (0, _) => "K says that the first one is seen".to_owned(),
        (more, 0) => format!("and {more} more, all seen"),
        (more, _) => format!("and {more} more; K says that the first one is seen"),
    };
    pen.put(shown, 3, width.saturating_sub(4), &hint, palette.dim);
    let used = u16::try_from(shown + 1).unwrap_or(0).min(area.height);
    Rect {
        y: area.y + used,
        height: area.height - used,
        ..area
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
