//! Hires: which roles and how many at the left, with what at the right, what it comes to below.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::command::{Command, NewProcess};
use crate::domain::role::{Catalogue, Protocol, Role};
use crate::tui::dialogs::{Heard, Order};
use crate::tui::format;
use crate::tui::keys::{self, Verb};
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::field::Field;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::sheet::Sheet;

/// More of one role than this at once is a slip of the finger.
const MOST: u32 = 20;

/// What the keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Focus {
    Roles,
    Name,
    Folder,
    Model,
    Turns,
}

impl Focus {
    const ALL: [Self; 5] = [
        Self::Roles,
        Self::Name,
        Self::Folder,
        Self::Model,
        Self::Turns,
    ];

    fn turn(self, by: usize) -> Self {
        let at = Self::ALL
            .iter()
            .position(|focus| *focus == self)
            .unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}

/// What is chosen and typed so far.
#[derive(Debug)]
pub(crate) struct HireDialog {
    cursor: Cursor<usize>,
    keys: Vec<usize>,
    // How many of each role, by its key; none of a role is not kept.
    counts: BTreeMap<String, u32>,
    focus: Focus,
    name: Field,
    folder: Field,
    model: Field,
    turns: Field,
    error: Option<String>,
}

impl HireDialog {
    /// Opens with the cursor on a role; `keys` are the catalogue's roles in the order of the list.
    pub(crate) fn new(keys: Vec<usize>, role: Option<usize>, scene: Scene<'_>) -> Self {
        let mut cursor = Cursor::default();
        cursor.settle(&keys);
        if let Some(role) = role {
            cursor.select(&keys, role);
        }
        Self {
            cursor,
            keys,
            counts: BTreeMap::new(),
            focus: Focus::Roles,
            name: Field::new(""),
            folder: Field::new(&scene.path(&scene.look.caps.working_directory)),
            model: Field::new(""),
            turns: Field::new(""),
            error: None,
        }
    }

    fn under_cursor<'a>(&self, catalogue: &'a Catalogue) -> Option<&'a Role> {
        catalogue.roles.get(self.cursor.selected(&self.keys)?)
    }

    /// The roles that would be hired: those that are counted, else the one under the cursor.
    fn chosen<'a>(&self, catalogue: &'a Catalogue) -> Vec<(&'a Role, u32)> {
        if self.counts.is_empty() {
            return self
                .under_cursor(catalogue)
                .map(|role| (role, 1))
                .into_iter()
                .collect();
        }
        let listed = self.keys.iter().filter_map(|at| catalogue.roles.get(*at));
        listed
            .filter_map(|role| Some((role, *self.counts.get(&role.key)?)))
            .collect()
    }

    fn total(&self, catalogue: &Catalogue) -> u32 {
        self.chosen(catalogue).iter().map(|(_, count)| count).sum()
    }

    fn field(&mut self) -> Option<&mut Field> {
        match self.focus {
            Focus::Roles => None,
            Focus::Name => Some(&mut self.name),
            Focus::Folder => Some(&mut self.folder),
            Focus::Model => Some(&mut self.model),
            Focus::Turns => Some(&mut self.turns),
        }
    }

    pub(crate) fn paste(&mut self, pasted: &str) {
        if let Some(field) = self.field() {
            field.paste(pasted);
        }
    }

    pub(crate) fn key(&mut self, key: KeyEvent, verb: Option<Verb>, scene: Scene<'_>) -> Heard {
        self.error = None;
        match verb {
            Some(Verb::Back) => return Heard::Closed,
            Some(Verb::Send) => return self.hire(scene),
            Some(Verb::Next) => {
                self.focus = self.focus.turn(1);
                return Heard::Kept;
            }
            Some(Verb::Previous) => {
                self.focus = self.focus.turn(Focus::ALL.len() - 1);
                return Heard::Kept;
            }
            _ => {}
        }
        // Letters and digits belong to the field that has the focus.
        if let Some(field) = self.field() {
            field.key(key);
            return Heard::Kept;
        }
        let page = 8;
        match verb {
            Some(Verb::Down) => self.cursor.step(&self.keys, 1),
            Some(Verb::Up) => self.cursor.step(&self.keys, -1),
            Some(Verb::PageDown) => self.cursor.step(&self.keys, page),
            Some(Verb::PageUp) => self.cursor.step(&self.keys, -page),
            Some(Verb::First) => self.cursor.step(&self.keys, -isize::MAX),
            Some(Verb::Last) => self.cursor.step(&self.keys, isize::MAX),
            Some(Verb::Number) => {
                let count = keys::digit(&key).unwrap_or(0);
                self.count(scene, |_| count);
            }
            Some(Verb::More) => self.count(scene, |count| count + 1),
            Some(Verb::Fewer) => self.count(scene, |count| count.saturating_sub(1)),
            Some(Verb::Mark) => self.count(scene, |count| u32::from(count == 0)),
            _ => {}
        }
        Heard::Kept
    }

    fn count(&mut self, scene: Scene<'_>, change: impl Fn(u32) -> u32) {
        let Some(role) = self.under_cursor(&scene.snapshot.catalogue) else {
            return;
        };
        let count = change(self.counts.get(&role.key).copied().unwrap_or(0)).min(MOST);
        if count == 0 {
            self.counts.remove(&role.key);
        } else {
            self.counts.insert(role.key.clone(), count);
        }
    }

    fn hire(&mut self, scene: Scene<'_>) -> Heard {
        let catalogue = &scene.snapshot.catalogue;
        let typed = |field: &Field| {
            let text = field.text().trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let max_turns = match typed(&self.turns).map(|turns| turns.parse::<u32>()) {
            None => None,
            Some(Ok(turns)) if turns > 0 => Some(turns),
            Some(_) => {
                self.error = Some("max turns is a whole number above 0, or empty".to_owned());
                self.focus = Focus::Turns;
                return Heard::Kept;
            }
        };
        let chosen = self.chosen(catalogue);
        if chosen.is_empty() {
            self.error = Some("no role is defined".to_owned());
            return Heard::Kept;
        }
        let name = typed(&self.name).filter(|_| self.total(catalogue) == 1);
        let folder = typed(&self.folder).map(|folder| absolute(&folder, scene));
        let model = typed(&self.model);
        let mut orders = Vec::new();
        for (role, count) in chosen {
            for _ in 0..count {
                let new = NewProcess {
                    role: role.key.clone(),
                    name: name.clone(),
                    working_directory: folder.clone(),
                    model: model.clone(),
                    max_turns,
                    ..NewProcess::default()
                };
                let what = format!("hire a {}", role.title);
                orders.push(Order::new(what, Command::Create(Box::new(new))));
            }
        }
        Heard::Orders(orders)
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        pen.title(0, "Hire", "1-9 + - how many   Tab fields", palette);
        let below = 3.min(area.height.saturating_sub(4));
        let body = Rect {
            y: area.y + 1.min(area.height),
            height: area.height.saturating_sub(1 + below),
            ..area
        };
        // On a narrow terminal the fields stand below the roles.
        let (left, right) = if area.width >= 70 {
            let width = 34;
            (
                Rect { width, ..body },
                Rect {
                    x: body.x + width,
                    width: body.width - width,
                    ..body
                },
            )
        } else {
            let height = body.height.saturating_sub(5);
            (
                Rect { height, ..body },
                Rect {
                    y: body.y + height,
                    height: body.height - height,
                    ..body
                },
            )
        };
        self.roles(scene, left, buffer);
        self.fields(scene, right, buffer);
        let bottom = Rect {
            y: area.bottom().saturating_sub(below),
            height: below,
            ..area
        };
        self.consequences(scene, bottom, buffer);
    }

    fn roles(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let catalogue = &scene.snapshot.catalogue;
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        let selected = self.cursor.selected(&self.keys);
        let mut rows: Vec<Result<usize, &str>> = Vec::new();
        let mut last = None;
        for key in &self.keys {
            let department = catalogue
                .roles
                .get(*key)
                .map(|role| role.department.as_str());
            if department != last {
                let found = department.and_then(|key| catalogue.department(key));
                rows.push(Err(found.map_or("", |department| department.title.as_str())));
                last = department;
            }
            rows.push(Ok(*key));
        }
        let row = rows
            .iter()
            .position(|row| row.ok() == selected && row.is_ok());
        let height = pen.height();
        let offset = self.cursor.scroll(row.unwrap_or(0), 1, rows.len(), height);
        for (at, row) in rows.iter().skip(offset).take(height).enumerate() {
            let key = match row {
                Err(title) => {
                    pen.put(at, 1, width, &text::clean(title), palette.strong);
                    continue;
                }
                Ok(key) => *key,
            };
            let Some(role) = catalogue.roles.get(key) else {
                continue;
            };
            let count = self.counts.get(&role.key);
            let shown = count.map_or_else(|| "·".to_owned(), ToString::to_string);
            let style = if count.is_some() {
                palette.accent
            } else {
                palette.dim
            };
            pen.right(at, 1, 3, &shown, style);
            pen.put(
                at,
                6,
                width.saturating_sub(8),
                &text::clean(&role.title),
                palette.plain,
            );
            if Some(key) == selected {
                pen.put(at, 0, 1, "▌", palette.accent);
                if self.focus == Focus::Roles {
                    let mut row = Pen::new(
                        buffer,
                        Rect {
                            width: area.width.saturating_sub(1),
                            ..area
                        },
                    );
                    row.shade(at, palette.selected);
                    pen = Pen::new(buffer, area);
                }
            }
        }
    }

    fn fields(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        const LABEL: u16 = 14;
        let palette = *scene.palette();
        let catalogue = &scene.snapshot.catalogue;
        let several = self.total(catalogue) > 1;
        let focus = self.focus;
        let hints = [
            (
                Focus::Name,
                "Name",
                if several {
                    "chosen for each"
                } else {
                    "chosen for you"
                },
            ),
            (Focus::Folder, "Folder", "the workspace"),
            (Focus::Model, "Model", "the role's, else the agent's own"),
            (Focus::Turns, "Max turns", "the role's, else no limit"),
        ];
        for (row, (which, label, hint)) in (0u16..).zip(hints) {
            if row >= area.height {
                break;
            }
            let mut pen = Pen::new(buffer, area);
            let style = if which == focus {
                palette.accent
            } else {
                palette.dim
            };
            let mark = if which == focus { "›" } else { " " };
            pen.put(row.into(), 0, 1, mark, palette.accent);
            pen.put(row.into(), 2, usize::from(LABEL) - 2, label, style);
            let cell = Rect {
                x: area.x + LABEL.min(area.width),
                y: area.y + row,
                width: area.width.saturating_sub(LABEL + 2),
                height: 1,
            };
            let field = match which {
                Focus::Name => &mut self.name,
                Focus::Folder => &mut self.folder,
                Focus::Model => &mut self.model,
                Focus::Turns | Focus::Roles => &mut self.turns,
            };
            let unused = which == Focus::Name && several;
            if field.text().is_empty() || unused {
                let at = usize::from(LABEL) + usize::from(which == focus) * 2;
                let columns = usize::from(cell.width);
                pen.put(row.into(), at, columns, hint, palette.dim);
            }
            let shown = if field.text().is_empty() && which == focus {
                Rect { width: 1, ..cell }
            } else {
                cell
            };
            if !unused && (!field.text().is_empty() || which == focus) {
                field.draw(shown.intersection(area), buffer, which == focus, &palette);
            }
        }
        let facts = Rect {
            x: area.x + 2.min(area.width),
            y: area.y + 5.min(area.height),
            width: area.width.saturating_sub(4),
            height: area.height.saturating_sub(5),
        };
        if let Some(role) = self.under_cursor(catalogue) {
            let mut sheet = Sheet::new(usize::from(facts.width), palette);
            describe(&mut sheet, role, scene);
            for (row, line) in (facts.y..facts.bottom()).zip(sheet.into_lines()) {
                let cell = Rect::new(facts.x, row, facts.width, 1);
                ratatui::widgets::Widget::render(line, cell, buffer);
            }
        }
    }

    fn consequences(&self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let snapshot = scene.snapshot;
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        pen.rule(0, 0, width, palette.rule);
        if let Some(error) = &self.error {
            pen.put(1, 1, 1, "✕", palette.bad);
            pen.put(1, 3, width.saturating_sub(4), error, palette.bad);
            return;
        }
        let chosen = self.chosen(&snapshot.catalogue);
        let names: Vec<String> = chosen
            .iter()
            .map(|(role, count)| match count {
                1 => text::clean(&role.title).into_owned(),
                count => format!("{count} × {}", text::clean(&role.title)),
            })
            .collect();
        let folder = match self.folder.text().trim() {
            "" => scene.path(&snapshot.workspace),
            folder => scene.path(&absolute(folder, scene)),
        };
        let line = format!("Enter hires {} in {folder}", names.join(", "));
        pen.put(1, 1, width.saturating_sub(2), &line, palette.plain);
        let promise: u64 = chosen
            .iter()
            .map(|(role, count)| role.memory.min * u64::from(*count))
            .sum();
        let machine = &snapshot.machine;
        let free = machine.memory_total.saturating_sub(machine.memory_used);
        let line = format!(
            "{}, each starts at once; promises {} of {} free, not enforced yet",
            format::plural(
                self.total(&snapshot.catalogue) as usize,
                "process",
                "processes"
            ),
            format::bytes(promise),
            format::bytes(free)
        );
        pen.put(2, 1, width.saturating_sub(2), &line, palette.dim);
    }
}

/// What a role runs.
fn describe(sheet: &mut Sheet, role: &Role, scene: Scene<'_>) {
    let palette = scene.palette();
    sheet.heading(&role.title);
    let agent = scene.snapshot.catalogue.agents.get(&role.agent);
    let runs = agent.map_or_else(|| role.agent.clone(), |agent| agent.command.clone());
    let takes = match agent.map(|agent| agent.protocol) {
        Some(Protocol::ClaudeStreamJson) | None => "takes tasks",
        Some(Protocol::Terminal | Protocol::Plain) => "takes no tasks",
    };
    sheet.field("Runs", &format!("{runs}, {takes}"), palette.plain);
    if let Some(prompt) = &role.prompt {
        sheet.field("Prompt", &scene.path(prompt), palette.plain);
    }
    sheet.list("Tools", &role.tools, palette.plain);
    if !role.ask.is_empty() {
        sheet.list("Asks for", &role.ask, palette.plain);
    }
    if !role.deny.is_empty() {
        sheet.list("Refuses", &role.deny, palette.plain);
    }
    if let Some(model) = &role.model {
        sheet.field("Model", model, palette.plain);
    }
    if let Some(turns) = role.max_turns {
        sheet.field("Max turns", &turns.to_string(), palette.plain);
    }
}

/// A typed folder, from where the terminal was opened.
fn absolute(typed: &str, scene: Scene<'_>) -> PathBuf {
    let caps = &scene.look.caps;
    match (typed, typed.strip_prefix("~/"), &caps.home) {
        ("~", _, Some(home)) => home.clone(),
        (_, Some(rest), Some(home)) => home.join(rest),
        _ => caps.working_directory.join(typed),
    }
}
