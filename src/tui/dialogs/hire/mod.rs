//! Hires: which roles and how many at the left, with what at the right, what it comes to below.

mod form;
mod list;
mod preview;

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::domain::command::{Command, NewProcess, Outcome, Refusal};
use crate::domain::role::{Catalogue, Role};
use crate::tui::dialogs::reader::Reader;
use crate::tui::dialogs::{Heard, Order};
use crate::tui::keys::{self, Place, Verb};
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;

use form::{Form, Which};
use list::RoleList;
use preview::Look;

/// From this width on, roles and fields stand side by side.
const TWO: u16 = 70;
/// From this width on, what will run stands beside the fields and not below.
const THREE: u16 = 150;
/// Columns of the roles, and where there are few in all.
const ROLES: u16 = 34;
const ROLES_NARROW: u16 = 28;

/// Columns of the fields where what will run stands beside them.
const FORM: u16 = 72;

/// Below this many rows the rule above the button leaves.
const LOW: u16 = 9;
/// Why nothing can be typed into the name.
const NAMELESS: &str = "each of several gets a name that is free; hire one alone to name it";

/// What the keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Focus {
    Roles,
    Field(Which),
    Button,
}

impl Focus {
    fn all() -> impl Iterator<Item = Self> {
        let fields = Which::ALL.into_iter().map(Self::Field);
        [Self::Roles]
            .into_iter()
            .chain(fields)
            .chain([Self::Button])
    }

    fn turn(self, by: usize) -> Self {
        let all: Vec<Self> = Self::all().collect();
        let at = all.iter().position(|focus| *focus == self).unwrap_or(0);
        all.get((at + by) % all.len()).copied().unwrap_or(self)
    }

    fn next(self) -> Self {
        self.turn(1)
    }

    fn previous(self) -> Self {
        self.turn(Which::ALL.len() + 1)
    }
}

/// What is chosen and typed so far, and what was found out about it.
#[derive(Debug)]
pub(crate) struct HireDialog {
    list: RoleList,
    form: Form,
    focus: Focus,
    look: Look,
    // What was looked at last, under which configuration.
    asked: Option<(Vec<NewProcess>, Arc<Catalogue>)>,
    /// The look that is on its way.
    pub(crate) looking: Option<u64>,
    /// The request for the person's editor.
    pub(crate) editing: Option<u64>,
    error: Option<String>,
    // Where the button is, as drawn last.
    button: Rect,
}

impl HireDialog {
    /// Opens with the cursor on a role; `keys` are the catalogue's roles in the order of the list.
    pub(crate) fn new(keys: Vec<usize>, role: Option<usize>, scene: Scene<'_>) -> Self {
        Self {
            list: RoleList::new(keys, role),
            form: Form::new(scene),
            focus: Focus::Roles,
            look: Look::default(),
            asked: None,
            looking: None,
            editing: None,
            error: None,
            button: Rect::ZERO,
        }
    }

    /// Whether what is pressed is typed into a field.
    pub(crate) const fn is_typing(&self) -> bool {
        matches!(self.focus, Focus::Field(_))
    }

    /// A click, which may be on the button.
    pub(crate) fn click(&mut self, at: Position, scene: Scene<'_>) -> Heard {
        if self.button.contains(at) {
            self.focus = Focus::Button;
            return self.hire(scene);
        }
        Heard::Kept
    }

    /// What is to be looked at now, where it is not what was looked at last.
    pub(crate) fn inquiry(&mut self, scene: Scene<'_>) -> Option<Vec<NewProcess>> {
        let catalogue = &scene.snapshot.catalogue;
        let wanted = self.each(scene).ok()?;
        let same = self
            .asked
            .as_ref()
            .is_some_and(|(asked, under)| *asked == wanted && Arc::ptr_eq(under, catalogue));
        if same || wanted.is_empty() {
            return None;
        }
        self.asked = Some((wanted.clone(), Arc::clone(catalogue)));
        self.look = Look::Awaited;
        Some(wanted)
    }

    /// Takes what was found out.
    pub(crate) fn looked(&mut self, result: Result<Outcome, Refusal>) {
        self.looking = None;
        self.look = match result {
            Ok(Outcome::Previewed(seen)) => Look::Seen(seen),
            // An answer to something else is none.
            Ok(_) => Look::Awaited,
            Err(refusal) => {
                let remedy = refusal.remedy().map(|remedy| format!("; try: {remedy}"));
                Look::Refused(format!("{refusal}{}", remedy.unwrap_or_default()))
            }
        };
    }

    /// Takes the text that came back from the person's editor.
    pub(crate) fn edited(&mut self, text: Option<&str>, catalogue: &Catalogue) {
        self.editing = None;
        match text {
            Some(text) => {
                let of_role = self.role_prompt(catalogue);
                self.form.write(text, of_role.as_deref());
            }
            None => {
                self.error = Some("the editor was left without a text; nothing changed".to_owned());
            }
        }
    }

    /// The prompt that the role under the cursor has, as far as it was read.
    fn role_prompt(&self, catalogue: &Catalogue) -> Option<String> {
        if self.form.text.is_some() {
            return None;
        }
        let role = self.list.shown(catalogue)?;
        let seen = self.look.of(&role.key)?;
        seen.prompt.as_ref().map(|prompt| prompt.text.clone())
    }

    pub(crate) fn paste(&mut self, pasted: &str, catalogue: &Catalogue) {
        match self.focus {
            Focus::Field(Which::Name) if self.list.total(catalogue) > 1 => {
                self.error = Some(NAMELESS.to_owned());
            }
            Focus::Field(which) => self.form.paste(which, pasted),
            Focus::Roles | Focus::Button => {}
        }
    }

    pub(crate) fn key(&mut self, key: KeyEvent, verb: Option<Verb>, scene: Scene<'_>) -> Heard {
        self.error = None;
        let catalogue = &scene.snapshot.catalogue;
        match (verb, self.focus) {
            (Some(Verb::Back), _) => return Heard::Closed,
            (Some(Verb::Send), _) | (Some(Verb::Open), Focus::Roles | Focus::Button) => {
                return self.hire(scene);
            }
            (Some(Verb::Next | Verb::Open), _) => self.focus = self.focus.next(),
            (Some(Verb::Previous), _) => self.focus = self.focus.previous(),
            (Some(Verb::Editor), _) if scene.look.caps.editor => {
                let text = self.form.text.clone();
                let text = text.or_else(|| self.role_prompt(catalogue));
                self.focus = Focus::Field(Which::Prompt);
                return Heard::Edit(text.unwrap_or_default());
            }
            (Some(Verb::Editor), _) => {
                self.error = Some("this terminal cannot open an editor".to_owned());
            }
            (Some(Verb::Help), Focus::Roles | Focus::Button) => {
                return Heard::Read(Box::new(Reader::help(Place::Hire)));
            }
            // Letters and digits belong to the field that has the focus.
            (_, Focus::Field(which)) => match key.code {
                KeyCode::Down => self.focus = self.focus.next(),
                KeyCode::Up => self.focus = self.focus.previous(),
                _ if which == Which::Name && self.list.total(catalogue) > 1 => {
                    self.error = Some(NAMELESS.to_owned());
                }
                _ => self.form.key(which, key, self.list.shown(catalogue)),
            },
            (Some(Verb::Up), Focus::Button) => self.focus = self.focus.previous(),
            (_, Focus::Button) => {}
            (Some(verb), Focus::Roles) => self.choose(verb, &key, catalogue),
            (None, Focus::Roles) => {}
        }
        Heard::Kept
    }

    /// A verb of the list.
    fn choose(&mut self, verb: Verb, key: &KeyEvent, catalogue: &Catalogue) {
        const PAGE: isize = 8;
        let list = &mut self.list;
        match verb {
            Verb::Down => list.step(1),
            Verb::Up => list.step(-1),
            Verb::PageDown => list.step(PAGE),
            Verb::PageUp => list.step(-PAGE),
            Verb::First => list.step(-isize::MAX),
            Verb::Last => list.step(isize::MAX),
            Verb::Number => {
                let count = keys::digit(key).unwrap_or(0);
                list.count(catalogue, |_| count);
            }
            Verb::More => list.count(catalogue, |count| count + 1),
            Verb::Fewer => list.count(catalogue, |count| count.saturating_sub(1)),
            Verb::Mark => list.count(catalogue, |count| u32::from(count == 0)),
            Verb::Whole => list.take_department(catalogue),
            _ => {}
        }
        let chosen = self.list.chosen(catalogue);
        let limited = chosen.iter().any(|(role, _)| role.max_turns.is_some());
        let several = self.list.total(catalogue) > 1;
        self.form.propose_turns(several && !limited);
        self.form.propose_departments(&chosen);
    }

    /// One of each role that is chosen, as it would be hired.
    fn each(&self, scene: Scene<'_>) -> Result<Vec<NewProcess>, (Which, String)> {
        let catalogue = &scene.snapshot.catalogue;
        let shape = self.form.shape(scene)?;
        let alone = self.list.total(catalogue) == 1;
        let each = self.list.chosen(catalogue).into_iter().map(|(role, _)| {
            let mut shape = shape.clone();
            self.form.tell_department(role, &mut shape.environment);
            NewProcess {
                role: role.key.clone(),
                name: shape.name.filter(|_| alone),
                ..shape
            }
        });
        Ok(each.collect())
    }

    fn hire(&mut self, scene: Scene<'_>) -> Heard {
        let catalogue = &scene.snapshot.catalogue;
        let each = match self.each(scene) {
            Ok(each) => each,
            Err((which, text)) => {
                self.focus = Focus::Field(which);
                self.error = Some(text);
                return Heard::Kept;
            }
        };
        let chosen = self.list.chosen(catalogue);
        if chosen.is_empty() {
            self.error = Some("no role is defined".to_owned());
            return Heard::Kept;
        }
        // A look at something else says nothing of this.
        let current = self.asked.as_ref().is_some_and(|(asked, _)| *asked == each);
        let obstacle = self.look.obstacle(catalogue).filter(|_| current);
        let refused = matches!(self.look, Look::Refused(_));
        if let Some(obstacle) = obstacle
            && (refused || !self.form.later)
        {
            self.error = Some(format!("nobody was hired: {obstacle}"));
            // It may be mended meanwhile, in files that nobody watches.
            self.asked = None;
            return Heard::Kept;
        }
        let mut orders = Vec::new();
        for ((role, count), new) in chosen.into_iter().zip(each) {
            for _ in 0..count {
                let what = format!("hire a {}", role.title);
                orders.push(Order::new(what, Command::Create(Box::new(new.clone()))));
            }
        }
        Heard::Orders(orders)
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let width = usize::from(area.width);
        let right = if width >= 60 {
            "Space 1-9 + - how many   * department   Tab fields"
        } else {
            "Tab fields"
        };
        Pen::new(buffer, area).title(0, "Hire", right, palette);
        let said = self.said(scene, width.saturating_sub(4));
        let most = (usize::from(area.height) / 4).max(1);
        let shown = said.0.len().min(most);
        let below = u16::try_from(shown + 3).unwrap_or(area.height);
        // On a low screen the button and what is wrong stay, at the cost of the rule.
        let low = area.height < LOW;
        let below = if low { below - 1 } else { below };
        let below = below.min(area.height.saturating_sub(if low { 3 } else { 4 }));
        let body = Rect {
            y: area.y + 1.min(area.height),
            height: area.height.saturating_sub(1 + below),
            ..area
        };
        let catalogue = &scene.snapshot.catalogue;
        let role = self.list.shown(catalogue);
        let on_roles = self.focus == Focus::Roles;
        if area.width < TWO {
            // One of the two at a time: the one that the keys go to.
            if on_roles {
                self.list.draw(scene, true, body, buffer);
            } else {
                self.fields(scene, role, body, buffer);
            }
        } else {
            let width = if area.width < 100 {
                ROLES_NARROW
            } else {
                ROLES
            };
            let left = Rect { width, ..body };
            self.list.draw(scene, on_roles, left, buffer);
            let right = Rect {
                x: body.x + width,
                width: body.width - width,
                ..body
            };
            self.fields(scene, role, right, buffer);
        }
        let bottom = Rect {
            y: area.bottom().saturating_sub(below),
            height: below,
            ..area
        };
        self.button = Rect {
            x: bottom.x + 1,
            y: bottom.y + u16::from(!low),
            width: 8,
            height: 1,
        }
        .intersection(bottom);
        self.consequences(scene, &said, bottom, buffer);
    }

    /// The fields, and what will run where there is room for it.
    fn fields(&mut self, scene: Scene<'_>, role: Option<&Role>, area: Rect, buffer: &mut Buffer) {
        let several = self.list.total(&scene.snapshot.catalogue) > 1;
        let focus = match self.focus {
            Focus::Field(which) => Some(which),
            Focus::Roles | Focus::Button => None,
        };
        let beside = area.width + ROLES >= THREE;
        let form = Rect {
            width: if beside {
                FORM.min(area.width / 2)
            } else {
                area.width
            },
            ..area
        };
        let used = self.form.draw(scene, (role, several, focus), form, buffer);
        let facts = if beside {
            Rect {
                x: area.x + form.width + 2,
                width: area.width.saturating_sub(form.width + 4),
                ..area
            }
        } else {
            Rect {
                x: area.x + 2.min(area.width),
                y: area.y + (used + 1).min(area.height),
                width: area.width.saturating_sub(4),
                height: area.height.saturating_sub(used + 1),
            }
        };
        // A line or two of it would only be torn out of their context.
        if let Some(role) = role.filter(|_| facts.height >= 4) {
            preview::describe(role, self.look.of(&role.key), scene, facts, buffer);
        }
    }

    /// What is said of the hire as it stands, wrapped, and whether it is bad news.
    fn said(&self, scene: Scene<'_>, width: usize) -> (Vec<String>, bool) {
        let (lines, bad) = match (&self.error, self.focus) {
            (Some(error), _) => (vec![error.clone()], true),
            (None, focus) => {
                let (lines, bad) = self.look.lines(&scene.snapshot.catalogue);
                match focus {
                    // What may be typed is said where nothing worse is to be.
                    Focus::Field(which) if !bad => (vec![which.hint().to_owned()], false),
                    _ => (lines, bad),
                }
            }
        };
        let wrapped = lines.iter().flat_map(|line| {
            let line = text::clean(line).into_owned();
            let rows: Vec<String> = text::wrap(&line, width.max(1))
                .into_iter()
                .map(str::to_owned)
                .collect();
            rows
        });
        (wrapped.collect(), bad)
    }

    fn consequences(
        &self,
        scene: Scene<'_>,
        (said, bad): &(Vec<String>, bool),
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let palette = scene.palette();
        let catalogue = &scene.snapshot.catalogue;
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        let top = usize::from(self.button.y.saturating_sub(area.y));
        if top > 0 {
            pen.rule(0, 0, width, palette.rule);
        }
        let chosen = self.list.chosen(catalogue);
        let names: Vec<String> = chosen
            .iter()
            .map(|(role, count)| match count {
                1 => text::clean(&role.title).into_owned(),
                count => format!("{count} × {}", text::clean(&role.title)),
            })
            .collect();
        let style = if self.focus == Focus::Button {
            palette.selected
        } else {
            palette.accent
        };
        let end = pen.put(top, 1, width, "[ Hire ]", style) + 1;
        let place = format!(" in {}", self.form.place(scene));
        let room = width.saturating_sub(end + 1);
        let list = room.saturating_sub(text::width(&place));
        let end = pen.put(
            top,
            end,
            list.max(room / 2),
            &names.join(", "),
            palette.plain,
        );
        pen.put(top, end, width.saturating_sub(end + 1), &place, palette.dim);
        let shape = self.form.shape(scene).unwrap_or_default();
        let limits = (
            shape.cpu.map(|cpu| cpu.min),
            shape.memory.map(|memory| memory.min),
        );
        let room = width.saturating_sub(2);
        let (line, too_much) = preview::promise(&chosen, limits, scene, room);
        // Nothing enforces it yet, so it is no obstacle.
        let style = if too_much { palette.warn } else { palette.dim };
        let mut row_of_said = top + 1;
        // Where there is one row left, it is for what is wrong.
        if !*bad || pen.height() > top + 2 {
            pen.put(top + 1, 1, room, &line, style);
            row_of_said += 1;
        }
        let rows = pen.height().saturating_sub(row_of_said);
        for (row, line) in said.iter().take(rows).enumerate() {
            let cut = row + 1 == rows && said.len() > rows;
            let line = if cut {
                format!("{line} …")
            } else {
                line.clone()
            };
            let style = if *bad { palette.bad } else { palette.dim };
            if row == 0 {
                let (mark, style) = match (bad, &self.look, self.focus) {
                    (true, ..) => ("✕", palette.bad),
                    (false, Look::Seen(_), Focus::Roles | Focus::Button) => ("✓", palette.good),
                    _ => (" ", palette.dim),
                };
                pen.put(row_of_said, 1, 1, mark, style);
            }
            pen.put(row_of_said + row, 3, width.saturating_sub(4), &line, style);
        }
    }
}
