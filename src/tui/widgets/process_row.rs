//! One process in one row: which columns there are at a width, and what stands in them.

use std::borrow::Cow;

use ratatui::style::Style;

use crate::domain::snapshot::{Activity, ProcessView, Snapshot, Status};
use crate::tui::format::{self, Present};
use crate::tui::look::Palette;
use crate::tui::order::Column;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::status;

/// Below this width a row is one line of words, without columns.
pub(crate) const NARROW: usize = 60;
/// From this width on, ids and PIDs are shown.
const WIDE: usize = 160;
/// Marks and shape before the name.
const LEAD: usize = 5;
/// What `NOW` needs at least.
const NOW: usize = 18;
/// Columns of a title and of a name that are enough to tell them apart, the space behind them included.
const ENOUGH_OF_ROLE: usize = 19;
const ENOUGH_OF_NAME: usize = 14;
/// Where `NOW` has less than this, ids and needless words leave it.
const TERSE: usize = 40;

/// Widths of the columns, the space behind them included; zero for those that are not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    name: usize,
    role: usize,
    status: usize,
    health: usize,
    cpu: usize,
    memory: usize,
    up: usize,
    done: usize,
    cost: usize,
    id: usize,
    pid: usize,
}

/// What a group or the whole list sums up to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    cpu: f64,
    memory: u64,
    done: u32,
    cost: f64,
    up: usize,
    staff: usize,
    busy: usize,
    /// Those who need a person.
    pub(crate) needs: usize,
}

impl Sums {
    pub(crate) fn add(&mut self, process: &ProcessView) {
        if let Some(usage) = process.usage {
            self.cpu += usage.cpu_percent;
            self.memory += usage.memory_bytes;
        }
        self.staff += 1;
        self.up += usize::from(process.is_up());
        self.busy += usize::from(process.is_up() && process.activity == Activity::Busy);
        self.needs += usize::from(process.needs_a_person());
        self.done += process.tasks_completed;
        self.cost += process.cost_usd;
    }

    /// How many there are and what they do: `4, 3 up, 1 busy, 1 needs you`.
    pub(crate) fn summary(&self) -> String {
        let mut line = format!("{}, {} up", self.staff, self.up);
        if self.busy > 0 {
            line.push_str(&format!(", {} busy", self.busy));
        }
        match self.needs {
            0 => {}
            1 => line.push_str(", 1 needs you"),
            n => line.push_str(&format!(", {n} need you")),
        }
        line
    }
}

impl Columns {
    /// Chooses the columns for a width. They depend on the staff, not on what it does, so that
    /// nothing moves while it works.
    pub(crate) fn choose(width: usize, snapshot: &Snapshot) -> Self {
        let longest = |of: fn(&ProcessView) -> &str, least: usize, most: usize| {
            let longest = snapshot.processes.iter().map(|p| text::width(of(p))).max();
            longest.unwrap_or(0).clamp(least, most)
        };
        let wide = width >= 100;
        let most = match width {
            ..100 => 10,
            100..WIDE => 16,
            _ => 24,
        };
        let mut columns = Self {
            name: longest(|p| &p.name, 8, most) + 2,
            role: longest(|p| &p.role_title, 8, 24) + 2,
            status: if wide { 14 } else { 13 },
            health: 9,
            cpu: 5,
            memory: 7,
            up: 6,
            done: 6,
            cost: 8,
            id: if width >= WIDE { 10 } else { 0 },
            pid: if width >= WIDE { 9 } else { 0 },
        };
        let fits = |columns: &Self| columns.fixed() + NOW <= width;
        // Before a column leaves, long names and titles are cut, if that is enough.
        if wide {
            let over = (columns.fixed() + NOW).saturating_sub(width);
            let role = columns.role.saturating_sub(ENOUGH_OF_ROLE);
            let name = columns.name.saturating_sub(ENOUGH_OF_NAME);
            if over <= role + name {
                columns.role -= over.min(role);
                columns.name -= over.saturating_sub(role);
            }
        }
        // What matters least leaves first.
        for leave in [
            |c: &mut Self| c.cost = 0,
            |c: &mut Self| c.done = 0,
            |c: &mut Self| c.up = 0,
            |c: &mut Self| c.health = 0,
        ] {
            if fits(&columns) {
                break;
            }
            leave(&mut columns);
        }
        let over = (columns.fixed() + NOW).saturating_sub(width);
        if over > 0 {
            columns.role = columns.role.saturating_sub(over);
            if columns.role < 9 {
                columns.role = 0;
            }
        }
        columns
    }

    fn fixed(&self) -> usize {
        LEAD + self.name
            + self.role
            + self.status
            + self.health
            + self.cpu
            + self.memory
            + self.up
            + self.done
            + self.cost
            + self.id
            + self.pid
            + 2
    }

    fn figures(&self) -> usize {
        LEAD + self.id + self.name + self.role + self.status + self.health
    }

    /// The names of the columns.
    pub(crate) fn head(
        &self,
        pen: &mut Pen<'_>,
        row: usize,
        order: Option<(Column, bool)>,
        palette: &Palette,
    ) {
        // The column that rows are sorted by is marked with the direction.
        let title = |name: &str, column: Option<Column>| match order {
            Some((by, descending)) if Some(by) == column => {
                let arrow = if descending { "↓" } else { "↑" };
                (format!("{name}{arrow}"), palette.accent)
            }
            _ => (name.to_owned(), palette.dim),
        };
        let mut at = LEAD;
        for (name, columns, column) in [
            ("ID", self.id, None),
            ("EMPLOYEE", self.name, Some(Column::Name)),
            ("ROLE", self.role, Some(Column::Role)),
            ("STATUS", self.status, Some(Column::Status)),
            ("HEALTH", self.health, Some(Column::Health)),
        ] {
            if columns > 0 {
                let (name, style) = title(name, column);
                pen.put(row, at, columns - 1, &name, style);
                at += columns;
            }
        }
        for (name, columns, column) in [
            ("CPU", self.cpu, Some(Column::Cpu)),
            ("MEM", self.memory, Some(Column::Memory)),
            ("UP", self.up, Some(Column::Up)),
            ("DONE", self.done, Some(Column::Done)),
            ("COST", self.cost, Some(Column::Cost)),
            ("PID", self.pid, None),
        ] {
            if columns > 0 {
                let (name, style) = title(name, column);
                pen.right(row, at, columns, &name, style);
                at += columns;
            }
        }
        pen.put(row, at + 2, NOW, "NOW", palette.dim);
    }

    /// A department and what it sums up to.
    pub(crate) fn group(
        &self,
        pen: &mut Pen<'_>,
        row: usize,
        title: &str,
        sums: &Sums,
        palette: &Palette,
    ) {
        pen.put(row, 1, self.figures() - 2, title, palette.strong);
        let figures = [
            (format::percent(sums.cpu), self.cpu, sums.up > 0),
            (format::bytes(sums.memory), self.memory, sums.up > 0),
            (String::new(), self.up, false),
            (sums.done.to_string(), self.done, sums.done > 0),
            (format::money(sums.cost), self.cost, sums.cost > 0.0),
        ];
        let mut at = self.figures();
        for (figure, columns, known) in figures {
            if known && columns > 0 {
                pen.right(row, at, columns, &figure, palette.dim);
            }
            at += columns;
        }
    }

    /// One process.
    pub(crate) fn row(&self, pen: &mut Pen<'_>, row: usize, item: &Item<'_>) {
        let (process, palette) = (item.process, item.palette);
        item.lead(pen, row);
        let mut at = LEAD;
        let (word, word_style) = if self.health > 0 {
            let style = status::word_style(process, palette);
            (status::word(process, item.now), style)
        } else {
            let style = status::whole_word_style(process, palette);
            (status::whole_word(process, item.now), style)
        };
        let id = process.id.to_string();
        let name_style = if process.is_up() || process.needs_a_person() {
            palette.strong
        } else {
            palette.plain
        };
        let name = text::clean(&process.name);
        let role = text::clean(&process.role_title);
        for (what, columns, style) in [
            (id.as_str(), self.id, palette.dim),
            (&name, self.name, name_style),
            (&role, self.role, palette.plain),
            (&word, self.status, word_style),
            (
                process.health.as_str(),
                self.health,
                status::health_style(process, palette),
            ),
        ] {
            if columns > 0 {
                pen.put(row, at, columns - 1, what, style);
                at += columns;
            }
        }
        let usage = process.usage.filter(|_| process.is_up());
        let dash = || "-".to_owned();
        let cpu = usage.map_or_else(dash, |usage| format::percent(usage.cpu_percent));
        let memory = usage.map_or_else(dash, |usage| format::bytes(usage.memory_bytes));
        let up = process
            .started
            .filter(|_| process.is_up())
            .map_or_else(dash, |started| format::age(item.now.since(started)));
        let pid = process.pid.map_or_else(dash, |pid| pid.to_string());
        for (what, columns) in [
            (cpu, self.cpu),
            (memory, self.memory),
            (up, self.up),
            (process.tasks_completed.to_string(), self.done),
            (format::money(process.cost_usd), self.cost),
            (pid, self.pid),
        ] {
            if columns > 0 {
                let style = if what == "-" {
                    palette.dim
                } else {
                    palette.plain
                };
                pen.right(row, at, columns, &what, style);
                at += columns;
            }
        }
        let room = pen.width().saturating_sub(at + 3);
        pen.put(
            row,
            at + 2,
            room,
            &item.now_line(room),
            status::now_style(process, palette),
        );
    }
}

/// A process as a row shows it.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) process: &'a ProcessView,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) now: &'a Present,
    pub(crate) palette: &'a Palette,
    pub(crate) selected: bool,
    pub(crate) marked: bool,
    /// It stops to be started anew.
    pub(crate) starts_again: bool,
}

impl Item<'_> {
    /// Selection, call for a person, mark or waiting updates, shape.
    fn lead(&self, pen: &mut Pen<'_>, row: usize) {
        let palette = self.palette;
        if self.selected {
            pen.put(row, 0, 1, "▌", palette.accent);
        }
        if self.process.needs_a_person() {
            pen.put(row, 1, 1, "!", self.attention());
        } else if self.process.updates_available {
            pen.put(row, 1, 1, "▲", palette.accent);
        }
        if self.marked {
            pen.put(row, 2, 1, "✓", palette.accent);
        }
        let (shape, style) = status::shape(self.process, palette);
        pen.put(row, 3, 1, shape, style);
    }

    fn attention(&self) -> Style {
        let style = match status::now_style(self.process, self.palette) {
            style if style == self.palette.bad => style,
            _ => self.palette.warn,
        };
        style.add_modifier(ratatui::style::Modifier::BOLD)
    }

    /// What blocks it for a time, and until when.
    fn limit(&self) -> Option<String> {
        let process = self.process;
        let until = process
            .until
            .filter(|_| process.status == Status::Blocked)?;
        let until = format!("until {}", self.now.clock(until));
        let fault = process.fault.as_ref()?;
        Some(if fault.cause.contains("usage limit") {
            format!("usage limit {until}")
        } else {
            format!("{until}: {}", process.now)
        })
    }

    /// What it does, asks or suffers, in as many columns.
    fn now_line(&self, room: usize) -> String {
        let process = self.process;
        let said = if let Some(limit) = self.limit() {
            limit
        } else if process.now.is_empty() || self.starts_again {
            match (&process.stopping, process.task) {
                (Some(stage), _) if self.starts_again => {
                    format!("starts again: {stage}")
                }
                (Some(stage), _) => format!("stopping {stage}"),
                (None, Some(task)) => match self.snapshot.task(task) {
                    Some(found) => format!("{task} {}", found.title()),
                    None => task.to_string(),
                },
                (None, None) => String::new(),
            }
        } else {
            process.now.clone()
        };
        let said = if room < TERSE {
            terse(&said, room)
        } else {
            Cow::Borrowed(said.as_str())
        };
        let mut said = text::clean(&said).into_owned();
        if let Some(next) = process.upkeep.next_run.filter(|_| !process.is_up()) {
            let next = format!("next {}", self.now.clock(next));
            said = match said.as_str() {
                "" => next,
                said if room < TERSE && text::width(said) + text::width(&next) + 3 > room => next,
                said => format!("{next} · {said}"),
            };
        }
        if process.simulated && !self.snapshot.demo {
            return format!(
                "simulated{}{said}",
                if said.is_empty() { "" } else { " · " }
            );
        }
        said
    }

    /// The whole row as one line of words, for narrow terminals.
    pub(crate) fn narrow(&self, pen: &mut Pen<'_>, row: usize) {
        let palette = self.palette;
        self.lead(pen, row);
        let name = text::clean(&self.process.name);
        let columns = pen.width();
        let at = pen.put(row, LEAD, columns, &name, palette.strong);
        let word = status::whole_word(self.process, self.now);
        let style = status::whole_word_style(self.process, palette);
        let at = pen.put(row, at + 1, columns, &word, style);
        let now = self.now_line(columns.saturating_sub(at + 3));
        if !now.is_empty() && at + 6 < columns {
            let at = pen.put(row, at, 3, " · ", palette.dim);
            pen.put(
                row,
                at,
                columns,
                &now,
                status::now_style(self.process, palette),
            );
        }
    }
}

/// What of a line is worth narrow columns: a task without its id, a command without `to run`, until when a limit holds.
fn terse(said: &str, room: usize) -> Cow<'_, str> {
    if let Some(command) = said.strip_prefix("asks to run: ") {
        return Cow::Owned(format!("asks: {command}"));
    }
    if let Some(limit) = said.strip_prefix("usage ")
        && limit.starts_with("limit until ")
        && text::width(said) > room
    {
        return Cow::Borrowed(limit);
    }
    let numbered = said.strip_prefix("task_").and_then(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.strip_prefix(' ')
    });
    Cow::Borrowed(numbered.filter(|title| !title.is_empty()).unwrap_or(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_line_says_the_matter_itself() {
        for (said, left) in [
            ("task_0031 Fix the login", "Fix the login"),
            ("task_0031", "task_0031"),
            ("task_list is wrong", "task_list is wrong"),
            ("asks to run: git push", "asks: git push"),
            ("usage limit until 14:30", "limit until 14:30"),
            ("crashed (PROC_004)", "crashed (PROC_004)"),
        ] {
            assert_eq!(terse(said, 20), left);
        }
    }
}
