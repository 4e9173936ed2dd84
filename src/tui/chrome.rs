//! What stands around every screen: header, screens, message, keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::domain::inbox;
use crate::domain::snapshot::{Activity, Level, Machine, ProcessView, Snapshot, Status};
use crate::tui::format;
use crate::tui::keys::Key;
use crate::tui::notice::Notice;
use crate::tui::offer::Offers;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;

/// The four screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tab {
    #[default]
    Processes,
    Tasks,
    Inbox,
    Roles,
}

impl Tab {
    pub(crate) const ALL: [Self; 4] = [Self::Processes, Self::Tasks, Self::Inbox, Self::Roles];

    pub(crate) fn number(self) -> usize {
        Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0)
    }

    /// The screen `by` further, round the end.
    pub(crate) fn turn(self, by: usize) -> Self {
        Self::ALL[(self.number() + by) % Self::ALL.len()]
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Processes => "Processes",
            Self::Tasks => "Tasks",
            Self::Inbox => "Inbox",
            Self::Roles => "Roles",
        }
    }

    fn count(self, snapshot: &Snapshot) -> Option<usize> {
        let count = match self {
            Self::Processes | Self::Roles => 0,
            Self::Tasks => (snapshot.counts.queued + snapshot.counts.active) as usize,
            Self::Inbox => inbox::waiting(snapshot).len(),
        };
        (count > 0).then_some(count)
    }
}

/// Open requests; they stand first.
pub(crate) fn waiting_requests(snapshot: &Snapshot) -> usize {
    let open = |request: &&std::sync::Arc<crate::domain::inbox::Request>| request.is_open();
    snapshot.requests.iter().take_while(open).count()
}

/// Alerts that nobody has seen.
pub(crate) fn new_alerts(snapshot: &Snapshot) -> usize {
    snapshot
        .alerts
        .iter()
        .filter(|alert| alert.is_new())
        .count()
}

/// Processes that wait for a person.
pub(crate) fn needs(snapshot: &Snapshot) -> usize {
    let needs = |p: &&std::sync::Arc<_>| {
        let p: &crate::domain::snapshot::ProcessView = p;
        p.needs_a_person()
    };
    snapshot.processes.iter().filter(needs).count()
}

/// Where the parts of the screen are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) header: Rect,
    pub(crate) tabs: Rect,
    pub(crate) rule: Rect,
    pub(crate) mistakes: Rect,
    pub(crate) body: Rect,
    pub(crate) message: Rect,
    pub(crate) footer: Rect,
}

impl Frame {
    /// Divides the screen; on a low one the rules leave first, then the rest, the body last.
    ///
    /// The message takes as many rows as it needs, three at most, where there is room.
    pub(crate) fn divide(area: Rect, mistakes: bool, message: usize) -> Self {
        let mut top = area.y;
        let mut left = area.height;
        let mut take = |wanted: bool| {
            let height = u16::from(wanted && left > 1);
            let rect = Rect::new(area.x, top, area.width, height);
            top += height;
            left -= height;
            rect
        };
        let header = take(area.height >= 3);
        let tabs = take(area.height >= 5);
        let rule = take(area.height >= 10);
        let mistakes = take(mistakes && area.height >= 6);
        let most = if area.height >= 16 { 3 } else { 1 };
        let lines = u16::try_from(message.clamp(1, most)).unwrap_or(1);
        let footer = u16::from(area.height >= 2).min(left.saturating_sub(1));
        let lines = if area.height >= 6 { lines } else { 0 };
        let lines = lines.min(left.saturating_sub(footer + 1));
        let below = footer + lines;
        let body = Rect::new(area.x, top, area.width, left - below);
        Self {
            header,
            tabs,
            rule,
            mistakes,
            body,
            message: Rect::new(area.x, body.bottom(), area.width, lines),
            footer: Rect::new(area.x, body.bottom() + lines, area.width, footer),
        }
    }
}

/// How many, who needs a person, what it costs: dropped from the right where it is narrow.
pub(crate) fn header(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let (snapshot, palette) = (scene.snapshot, scene.palette());
    let mut pen = Pen::new(buffer, area);
    let width = pen.width();
    let mut at = pen.put(0, 1, width, "headcount", palette.strong);
    if snapshot.demo || snapshot.processes.iter().any(|process| process.simulated) {
        at = pen.put(0, at + 1, width, " SIMULATED ", palette.badge);
    }
    if snapshot.shutting_down {
        at = pen.put(0, at + 1, width, " SHUTTING DOWN ", palette.badge);
    }
    let up = snapshot.processes.iter().filter(|p| p.is_up()).count();
    let count = |which: fn(&ProcessView) -> bool| {
        let which = |process: &&std::sync::Arc<ProcessView>| which(process);
        snapshot.processes.iter().filter(which).count()
    };
    let busy = count(|process| process.is_up() && process.activity == Activity::Busy);
    let blocked = match count(|process| process.status == Status::Blocked) {
        0 => String::new(),
        n => format!("{n} blocked"),
    };
    let machine = &snapshot.machine;
    let wide = width >= 110;
    let idle = match count(|process| {
        process.status == Status::Running && process.activity == Activity::Idle
    }) {
        n if wide => format!("{n} idle"),
        _ => String::new(),
    };
    let needs_text = |needs| match needs {
        0 => String::new(),
        1 if wide => "! 1 needs you".to_owned(),
        n if wide => format!("! {n} need you"),
        n => format!("! {n}"),
    };
    let alerts_text = match new_alerts(snapshot) {
        0 => String::new(),
        n if wide => format!("✕ {}", format::plural(n, "alert", "alerts")),
        n => format!("✕ {n}"),
    };
    let today = match format::money(snapshot.cost_today_usd).as_str() {
        "-" => String::new(),
        today => format!("{today} today"),
    };
    let staff = snapshot.processes.len();
    let bold = palette.warn.add_modifier(ratatui::style::Modifier::BOLD);
    let part = |what: String, style, space, leaves| Part {
        what,
        style,
        space,
        leaves,
        most: String::new(),
    };
    let parts = [
        part(format!("{up} up"), palette.plain, 2, 0).at_most(format!("{staff} up")),
        part(format!("{busy} busy"), palette.plain, 2, 2).at_most(format!("{staff} busy")),
        part(idle, palette.plain, 2, 2).at_most(if wide {
            format!("{staff} idle")
        } else {
            String::new()
        }),
        part(blocked, palette.warn, 2, BLOCKED),
        part(needs_text(needs(snapshot)), bold, 2, 0).at_most(needs_text(staff.clamp(1, 9))),
        part(alerts_text, palette.bad, 2, 0),
        part(
            format!("queue {}", snapshot.counts.queued),
            palette.plain,
            4,
            1,
        )
        .at_most("queue 99".to_owned()),
        part(
            format!("cpu {:>4}", format::percent(machine.cpu_percent)),
            palette.dim,
            4,
            4,
        ),
        part(memory(machine, wide), palette.dim, 2, 5),
        part(today, palette.plain, 4, 3).at_most("$99.99 today".to_owned()),
    ];
    // Little space between what belongs together, more between the groups.
    let gap = |space: usize| if wide { space } else { space.div_ceil(2) };
    // Who is blocked stands there where there is room for it: nothing else may leave for that.
    let shown = |part: &&Part, most: u8, blocked: bool| {
        (part.leaves <= most || (blocked && part.leaves == BLOCKED)) && !part.what.is_empty()
    };
    let length = |most: u8, blocked: bool| -> usize {
        let parts = parts.iter().filter(|part| shown(part, most, blocked));
        parts
            .map(|part| text::width(&part.what) + gap(part.space))
            .sum()
    };
    // What leaves depends on the width, not on figures that come and go.
    let reserved = |most: u8| -> usize {
        let parts = parts.iter().filter(|part| part.leaves <= most);
        let widths = parts.map(|part| (text::width(&part.what).max(text::width(&part.most)), part));
        let widths = widths.filter(|(width, _)| *width > 0);
        widths.map(|(width, part)| width + gap(part.space)).sum()
    };
    let room = width.saturating_sub(at + 1);
    let most = (0..=5)
        .rev()
        .find(|most| reserved(*most) <= room)
        .unwrap_or(0);
    let blocked = length(most, true) <= room;
    let start = width.saturating_sub(length(most, blocked) + 1).max(at);
    let folder = scene.path(&snapshot.workspace);
    if start > at + 7 {
        // Half a name tells nobody where this is.
        let cut = text::fit_path(&folder, start - at - 3);
        if cut == folder || cut.starts_with("…/") {
            pen.put(0, at + 2, width, &cut, palette.dim);
        }
    }
    let mut at = start;
    for part in parts.iter().filter(|part| shown(part, most, blocked)) {
        at = pen.put(0, at + gap(part.space), width, &part.what, part.style);
    }
}

/// The number of who is blocked, which leaves before all else.
const BLOCKED: u8 = 6;

/// A piece of the header.
struct Part {
    what: String,
    style: Style,
    /// Columns before it.
    space: usize,
    /// What has the highest number leaves first.
    leaves: u8,
    /// As long as it may become without that anything leaves.
    most: String,
}

impl Part {
    fn at_most(self, most: String) -> Self {
        Self { most, ..self }
    }
}

/// Used and total: `mem 5.1/23G`, in per cent where it is narrow.
fn memory(machine: &Machine, wide: bool) -> String {
    let (used, total) = (machine.memory_used, machine.memory_total);
    if !wide {
        #[expect(clippy::cast_precision_loss, reason = "whole per cent are shown")]
        let share = used as f64 * 100.0 / total.max(1) as f64;
        return format!("mem {:>4}", format::percent(share));
    }
    let (used, total) = (format::bytes(used), format::bytes(total));
    match (used.chars().last(), total.chars().last()) {
        (Some(unit), Some(same)) if unit == same => {
            format!("mem {:>4}/{total}", used.trim_end_matches(unit))
        }
        _ => format!("mem {used:>4}/{total}"),
    }
}

/// The screens with their numbers and counts; returns where each stands.
pub(crate) fn tabs(
    scene: Scene<'_>,
    current: Tab,
    departure: &str,
    area: Rect,
    buffer: &mut Buffer,
) -> Vec<(u16, Tab)> {
    let palette = scene.palette();
    let mut pen = Pen::new(buffer, area);
    let width = pen.width();
    let gap = if width >= 60 { 3 } else { 1 };
    let mut at = 1;
    let mut ends = Vec::new();
    for (number, tab) in Tab::ALL.into_iter().enumerate() {
        let style = if tab == current {
            palette.accent.add_modifier(ratatui::style::Modifier::BOLD)
        } else {
            palette.dim
        };
        at = pen.put(0, at, width, &format!("{} ", number + 1), palette.dim);
        let style = if tab == current {
            style.add_modifier(ratatui::style::Modifier::UNDERLINED)
        } else {
            style
        };
        at = pen.put(0, at, width, tab.title(), style);
        if let Some(count) = tab.count(scene.snapshot) {
            let style = if tab == Tab::Inbox {
                palette.warn
            } else {
                palette.dim
            };
            at = pen.put(0, at, width, &format!(" {count}"), style);
        }
        ends.push((u16::try_from(at).unwrap_or(u16::MAX), tab));
        at += gap;
    }
    if !departure.is_empty() {
        let what = text::clean(departure);
        let room = width.saturating_sub(at + 2);
        pen.right(0, at, room + 1, &text::fit(&what, room), palette.accent);
        return ends;
    }
    let outdated = scene.snapshot.processes.iter();
    let outdated = outdated.filter(|process| process.updates_available).count();
    if outdated > 0 {
        let what = format!("▲ {outdated} with updates, u shows");
        if at + text::width(&what) < width {
            pen.right(0, 0, width - 1, &what, palette.accent);
        }
    }
    ends
}

/// Why the configuration on disk is not in force.
pub(crate) fn mistakes(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let palette = scene.palette();
    let mut pen = Pen::new(buffer, area);
    let width = pen.width();
    if scene.snapshot.configuration_mistakes.is_some() {
        // What to do about it stands first: the end is cut where it is narrow.
        let line = "✕ roles.toml is wrong, E shows how; the last good one stays in force.";
        pen.put(0, 1, width.saturating_sub(2), line, palette.bad);
    } else if let Some(fault) = &scene.snapshot.agent_missing {
        const REST: &str = ". E shows what to do.";
        let room = width.saturating_sub(5 + text::width(REST));
        let cause = text::clean(&fault.cause);
        let line = format!("✕ {}{REST}", text::fit(&cause, room));
        pen.put(0, 1, width.saturating_sub(2), &line, palette.bad);
    }
}

/// The message, or a rule where there is none.
pub(crate) fn message(scene: Scene<'_>, notice: Option<&Notice>, area: Rect, buffer: &mut Buffer) {
    let palette = scene.palette();
    let mut pen = Pen::new(buffer, area);
    let width = pen.width();
    let Some(notice) = notice else {
        pen.rule(0, 0, width, palette.rule);
        return;
    };
    let (mark, style) = match notice.level {
        Level::Info => ("·", palette.plain),
        Level::Warning => ("!", palette.warn),
        Level::Error => ("✕", palette.bad),
    };
    pen.put(0, 1, 2, mark, style);
    let line = text::clean(&notice.text);
    let rows = text::wrap(&line, message_width(area.width));
    let last = pen.height().saturating_sub(1);
    for (row, part) in rows.iter().take(last).enumerate() {
        pen.put(row, 3, width, part, style);
    }
    // What does not fit is cut in the last row, and seen to be.
    let rest = rows.get(last..).unwrap_or(&[]).join(" ");
    pen.put(last, 3, width.saturating_sub(4), &rest, style);
}

/// Columns of a message.
fn message_width(width: u16) -> usize {
    usize::from(width).saturating_sub(4).max(1)
}

/// Rows that a message needs.
pub(crate) fn message_rows(notice: Option<&Notice>, width: u16) -> usize {
    notice.map_or(1, |notice| {
        text::wrap(&text::clean(&notice.text), message_width(width)).len()
    })
}

/// The keys that work now: those at the left leave where it is narrow, those at the right stay.
pub(crate) fn footer(scene: Scene<'_>, offers: &Offers, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let width = pen.width();
    let length = |(key, label): &(Key, &str)| text::width(&key.to_string()) + 1 + label.len();
    let right: usize = offers.always.iter().map(|pair| length(pair) + 2).sum();
    let mut at = 1;
    if offers.marked > 0 {
        let line = format!("{} marked, Esc clears", offers.marked);
        at = pen.put(
            0,
            at,
            width.saturating_sub(at + right),
            &line,
            scene.palette().strong,
        ) + 2;
    }
    // Without those the last one, which leaves, must not be lost.
    let last = offers.here.last().filter(|_| offers.always.is_empty());
    let kept = right + last.map_or(0, |pair| length(pair) + 1);
    let before = offers.here.len() - usize::from(last.is_some());
    for pair in offers.here.iter().take(before) {
        if at + length(pair) + kept > width {
            break;
        }
        at = pair_at(&mut pen, at, pair, scene) + 2;
    }
    if let Some(pair) = last {
        pair_at(&mut pen, at, pair, scene);
    }
    let mut at = width.saturating_sub(right).saturating_add(1).max(at);
    for pair in &offers.always {
        at = pair_at(&mut pen, at, pair, scene) + 2;
    }
}

fn pair_at(pen: &mut Pen<'_>, at: usize, (key, label): &(Key, &str), scene: Scene<'_>) -> usize {
    let palette = scene.palette();
    let width = pen.width();
    let at = pen.put(0, at, width, &key.to_string(), palette.accent);
    pen.put(0, at + 1, width, label, palette.dim)
}
