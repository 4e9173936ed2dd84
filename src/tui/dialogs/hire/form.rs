//! With what they are hired: every field with its value and who said so.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::command::{NewProcess, PromptOverride};
use crate::domain::limits;
use crate::domain::role::{Kind, Layer, PromptMode, Role};
use crate::domain::secret::is_secret;
use crate::domain::worktree::UseWorktree;
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::field::Field;
use crate::tui::widgets::pen::Pen;

/// The variable in which each of several is told where it works.
const DEPARTMENT: &str = "DEPARTMENT";
/// Turns that are proposed for each of several: nobody looks after all of them at once.
const PROPOSED_TURNS: &str = "20";
/// Columns before a value.
const LABEL: usize = 15;
/// Columns of an origin.
const ORIGIN: usize = 13;
/// Without so many columns for a value, origins are left out.
const VALUE: usize = 16;

/// One field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Name,
    Folder,
    Prompt,
    Mode,
    Tools,
    Environment,
    Model,
    Turns,
    Cpu,
    Memory,
    Kind,
    Worktree,
    Start,
}

impl Which {
    pub(super) const ALL: [Self; 13] = [
        Self::Name,
        Self::Folder,
        Self::Prompt,
        Self::Mode,
        Self::Tools,
        Self::Environment,
        Self::Model,
        Self::Turns,
        Self::Cpu,
        Self::Memory,
        Self::Kind,
        Self::Worktree,
        Self::Start,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Folder => "Folder",
            Self::Prompt => "Prompt",
            Self::Mode => "Prompt mode",
            Self::Tools => "Tools",
            Self::Environment => "Environment",
            Self::Model => "Model",
            Self::Turns => "Max turns",
            Self::Cpu => "CPU cores",
            Self::Memory => "Memory",
            Self::Kind => "Kind",
            Self::Worktree => "Git worktree",
            Self::Start => "Start",
        }
    }

    /// What may be typed, for the line below.
    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::Name => "Of letters, digits, spaces and -_.'; one is chosen where none is given.",
            Self::Folder => "Where they work; empty is the workspace.",
            Self::Prompt => "The path of a file, or Ctrl-E to write the text; empty is the role's.",
            Self::Mode => "Left and Right: the prompt extends the agent's own, or replaces it.",
            Self::Tools => "Divided by commas; empty is the role's.",
            Self::Environment => "NAME=value NAME=value, over the role's.",
            Self::Model => "As the agent calls it; empty is the role's.",
            Self::Turns => "That one task may take; empty is the role's.",
            Self::Cpu => "MIN..MAX, for example 0.5..2; empty is the role's. Not enforced yet.",
            Self::Memory => {
                "MIN..MAX, for example 512MB..2GB; empty is the role's. Not enforced yet."
            }
            Self::Kind => "Left and Right: what kind of process.",
            Self::Worktree => {
                "Left and Right: a checkout and a branch of its own where it shares a repository, always, or never."
            }
            Self::Start => "Left and Right: whether they start at once.",
        }
    }
}

/// What is typed and chosen so far. What is empty comes from the role.
#[derive(Debug)]
pub(super) struct Form {
    name: Field,
    folder: Field,
    // As it was proposed.
    here: String,
    prompt: Field,
    /// A prompt text of this hire.
    pub(super) text: Option<String>,
    mode: Option<PromptMode>,
    tools: Field,
    environment: Field,
    // Whether a person has said which, be it none.
    environment_typed: bool,
    // Whether each is told its department.
    by_department: bool,
    model: Field,
    turns: Field,
    // Whether a person has said how many, be it none.
    turns_typed: bool,
    cpu: Field,
    memory: Field,
    kind: Option<Kind>,
    worktree: Option<UseWorktree>,
    /// They are not started.
    pub(super) later: bool,
}

/// A field as it is shown when it has not the focus.
struct Shown {
    value: String,
    origin: &'static str,
    changed: bool,
}

impl Form {
    pub(super) fn new(scene: Scene<'_>) -> Self {
        let here = scene.path(&scene.look.caps.working_directory);
        let empty = || Field::new("");
        Self {
            name: empty(),
            folder: Field::new(&here),
            here,
            prompt: empty(),
            text: None,
            mode: None,
            tools: empty(),
            environment: empty(),
            environment_typed: false,
            by_department: false,
            model: empty(),
            turns: empty(),
            turns_typed: false,
            cpu: empty(),
            memory: empty(),
            kind: None,
            worktree: None,
            later: false,
        }
    }

    fn field(&mut self, which: Which) -> Option<&mut Field> {
        Some(match which {
            Which::Name => &mut self.name,
            Which::Folder => &mut self.folder,
            Which::Prompt => &mut self.prompt,
            Which::Tools => &mut self.tools,
            Which::Environment => &mut self.environment,
            Which::Model => &mut self.model,
            Which::Turns => &mut self.turns,
            Which::Cpu => &mut self.cpu,
            Which::Memory => &mut self.memory,
            Which::Mode | Which::Kind | Which::Worktree | Which::Start => return None,
        })
    }

    /// Proposes a limit for each of several; what a person said stands.
    pub(super) fn propose_turns(&mut self, several: bool) {
        if !self.turns_typed {
            self.turns = Field::new(if several { PROPOSED_TURNS } else { "" });
        }
    }

    /// Proposes that several roles are told their department; what a person said stands.
    pub(super) fn propose_departments(&mut self, roles: &[(&Role, u32)]) {
        if self.environment_typed {
            return;
        }
        self.by_department = roles.len() > 1;
        let mut all = roles.iter().map(|(role, _)| role.department.as_str());
        let text = match all.next() {
            Some(first) if self.by_department && all.all(|other| other == first) => {
                format!("{DEPARTMENT}={first}")
            }
            _ => String::new(),
        };
        self.environment = Field::new(&text);
    }

    /// What one of several roles has in its environment beyond what holds for all of them.
    pub(super) fn tell_department(&self, role: &Role, environment: &mut BTreeMap<String, String>) {
        if self.by_department && !self.environment_typed {
            environment.insert(DEPARTMENT.to_owned(), role.department.clone());
        }
    }

    pub(super) fn paste(&mut self, which: Which, pasted: &str) {
        self.touch(which);
        if let Some(field) = self.field(which) {
            field.paste(pasted);
        }
    }

    /// A key that edits a field or turns a choice.
    pub(super) fn key(&mut self, which: Which, key: KeyEvent, role: Option<&Role>) {
        let by = match key.code {
            KeyCode::Left => -1,
            KeyCode::Right | KeyCode::Char(' ') => 1,
            _ => 0,
        };
        match which {
            Which::Mode => {
                let now = self.mode.or(role.map(|role| role.prompt_mode));
                self.mode = turned(
                    &[PromptMode::Append, PromptMode::Replace],
                    now,
                    by,
                    self.mode,
                );
            }
            Which::Kind => {
                let all = [
                    Kind::Batch,
                    Kind::Interactive,
                    Kind::Monitoring,
                    Kind::Utility,
                ];
                let now = self.kind.or(role.map(|role| role.kind));
                self.kind = turned(&all, now, by, self.kind);
            }
            Which::Worktree => {
                let all = [UseWorktree::Auto, UseWorktree::Always, UseWorktree::Never];
                let now = self.worktree.or(role.map(|role| role.worktree.when));
                self.worktree = turned(&all, now, by, self.worktree);
            }
            Which::Start => self.later ^= by != 0,
            Which::Prompt if self.text.is_some() => {
                // A text is written in the editor; here it can only be given up.
                if matches!(key.code, KeyCode::Backspace | KeyCode::Delete) {
                    self.text = None;
                }
            }
            _ => {
                self.touch(which);
                if let Some(field) = self.field(which) {
                    field.key(key);
                }
            }
        }
    }

    fn touch(&mut self, which: Which) {
        self.turns_typed |= which == Which::Turns;
        self.environment_typed |= which == Which::Environment;
        if which == Which::Prompt {
            self.text = None;
        }
    }

    /// Takes the text that came from the editor; one that says nothing of its own is none.
    pub(super) fn write(&mut self, text: &str, of_the_role: Option<&str>) {
        let own = text.trim();
        let differs = of_the_role.is_none_or(|role| role.trim() != own);
        self.text = (!own.is_empty() && differs).then(|| text.to_owned());
        if self.text.is_some() {
            self.prompt = Field::new("");
        }
    }

    /// What is the same for all who are hired.
    pub(super) fn shape(&self, scene: Scene<'_>) -> Result<NewProcess, (Which, String)> {
        let max_turns = match typed(&self.turns).map(|turns| turns.parse::<u32>()) {
            None => None,
            Some(Ok(turns)) if turns > 0 => Some(turns),
            Some(_) => {
                let text = "max turns is a whole number above 0, or empty";
                return Err((Which::Turns, text.to_owned()));
            }
        };
        let cpu = typed(&self.cpu).map(|text| limits::cores(&text));
        let memory = typed(&self.memory).map(|text| limits::sizes(&text));
        let tools: Vec<String> = self
            .tools
            .text()
            .split(',')
            .map(|tool| tool.trim().to_owned())
            .filter(|tool| !tool.is_empty())
            .collect();
        let prompt = match (&self.text, typed(&self.prompt)) {
            (Some(text), _) => Some(PromptOverride::Text(text.clone())),
            (None, file) => file.map(|file| PromptOverride::File(scene.absolute(&file))),
        };
        Ok(NewProcess {
            role: String::new(),
            name: typed(&self.name),
            kind: self.kind,
            worktree: self.worktree,
            working_directory: typed(&self.folder).map(|folder| scene.absolute(&folder)),
            environment: variables(self.environment.text())
                .map_err(|text| (Which::Environment, text))?,
            tools: (!tools.is_empty()).then_some(tools),
            prompt,
            prompt_mode: self.mode,
            model: typed(&self.model),
            max_turns,
            cpu: cpu
                .transpose()
                .map_err(|error| (Which::Cpu, error.to_string()))?,
            memory: memory
                .transpose()
                .map_err(|error| (Which::Memory, error.to_string()))?,
            no_start: self.later,
            ..NewProcess::default()
        })
    }

    fn shown(&self, which: Which, role: Option<&Role>, several: bool, scene: Scene<'_>) -> Shown {
        let field = |field: &Field| field.text().trim().to_owned();
        let own = |value: String| Shown {
            value,
            origin: "this hire",
            changed: true,
        };
        let unchanged = |value: String, origin: &'static str| Shown {
            value,
            origin,
            changed: false,
        };
        // What the role has, and which layer of roles.toml said so.
        let of_role = |typed: String, value: Option<String>, key: &str, none: &'static str| {
            if !typed.is_empty() {
                return own(typed);
            }
            match value {
                Some(value) if !value.is_empty() => {
                    let layer = role.map_or(Layer::BuiltIn, |role| role.origin(key));
                    unchanged(value, layer.as_str())
                }
                _ => unchanged(none.to_owned(), "built in"),
            }
        };
        match which {
            Which::Name if several => unchanged("one for each".to_owned(), "chosen"),
            Which::Name => match field(&self.name) {
                name if name.is_empty() => unchanged("one that is free".to_owned(), "chosen"),
                name => own(name),
            },
            Which::Folder => match field(&self.folder) {
                folder if folder.is_empty() => {
                    unchanged(scene.path(&scene.snapshot.workspace), "workspace")
                }
                folder if folder == self.here => unchanged(folder, "where you are"),
                folder => own(folder),
            },
            Which::Prompt => match &self.text {
                Some(text) => {
                    let lines = format::plural(text.lines().count(), "line", "lines");
                    own(format!("a text of {lines}"))
                }
                None => {
                    let file = role.and_then(|role| role.prompt.as_ref());
                    let file = file.map(|file| scene.path(file));
                    of_role(field(&self.prompt), file, "prompt", "none")
                }
            },
            Which::Mode => {
                let typed = self.mode.map(mode_words).unwrap_or_default().to_owned();
                let value = role.map(|role| mode_words(role.prompt_mode).to_owned());
                of_role(typed, value, "prompt_mode", "")
            }
            Which::Tools => {
                let value = role.map(|role| role.tools.join(", "));
                of_role(field(&self.tools), value, "tools", "none")
            }
            Which::Environment => self.environment_shown(role),
            Which::Model => {
                let value = role.and_then(|role| role.model.clone());
                of_role(field(&self.model), value, "model", "the agent's own")
            }
            Which::Turns => {
                if !self.turns_typed && !self.turns.text().is_empty() {
                    return Shown {
                        value: field(&self.turns),
                        origin: "for several",
                        changed: true,
                    };
                }
                let value = role.and_then(|role| role.max_turns);
                let value = value.map(|turns| turns.to_string());
                of_role(field(&self.turns), value, "max_turns", "no limit")
            }
            Which::Cpu => {
                let value = role.map(|role| format!("{:.1}..{:.1}", role.cpu.min, role.cpu.max));
                of_role(field(&self.cpu), value, "cpu", "")
            }
            Which::Memory => {
                let value = role.map(|role| {
                    let (min, max) = (role.memory.min, role.memory.max);
                    format!("{}..{}", format::limit(min), format::limit(max))
                });
                of_role(field(&self.memory), value, "memory", "")
            }
            Which::Kind => {
                let typed = self.kind.map(kind_word).unwrap_or_default().to_owned();
                let value = role.map(|role| kind_word(role.kind).to_owned());
                of_role(typed, value, "kind", "")
            }
            Which::Worktree => {
                let typed = self.worktree.map(worktree_words);
                let value = role.map(|role| worktree_words(role.worktree.when).to_owned());
                of_role(typed.unwrap_or_default().to_owned(), value, "worktree", "")
            }
            Which::Start if self.later => own("later: s starts them".to_owned()),
            Which::Start => unchanged("at once".to_owned(), "usual"),
        }
    }

    fn environment_shown(&self, role: Option<&Role>) -> Shown {
        let typed = self.environment.text().trim();
        if self.by_department && !self.environment_typed {
            let each = || format!("{DEPARTMENT} of each");
            return Shown {
                value: if typed.is_empty() {
                    each()
                } else {
                    typed.to_owned()
                },
                origin: "for several",
                changed: true,
            };
        }
        if !typed.is_empty() {
            let value = variables(typed).map_or_else(|_| typed.to_owned(), |all| joined(&all));
            return Shown {
                value,
                origin: "this hire",
                changed: true,
            };
        }
        let Some(role) = role.filter(|role| !role.environment.is_empty()) else {
            return Shown {
                value: "nothing of its own".to_owned(),
                origin: "built in",
                changed: false,
            };
        };
        let mut layers = role
            .environment
            .keys()
            .map(|name| role.origin(&format!("environment {name}")));
        let first = layers.next().unwrap_or_default();
        Shown {
            value: joined(&role.environment),
            origin: if layers.all(|layer| layer == first) {
                first.as_str()
            } else {
                "roles.toml"
            },
            changed: false,
        }
    }

    /// Draws the fields, the one that has the focus in view; returns the rows that were used.
    pub(super) fn draw(
        &mut self,
        scene: Scene<'_>,
        of: (Option<&Role>, bool, Option<Which>),
        area: Rect,
        buffer: &mut Buffer,
    ) -> u16 {
        let (role, several, focus) = of;
        let palette = *scene.palette();
        let height = usize::from(area.height).min(Which::ALL.len());
        let at = Which::ALL.iter().position(|which| Some(*which) == focus);
        let offset = at.map_or(0, |at| (at + 1).saturating_sub(height));
        let width = usize::from(area.width);
        let origins = width >= LABEL + VALUE + ORIGIN + 2;
        let room = width.saturating_sub(LABEL + 1 + if origins { ORIGIN + 1 } else { 0 });
        for (row, which) in Which::ALL.into_iter().skip(offset).take(height).enumerate() {
            let focused = focus == Some(which);
            let shown = self.shown(which, role, several, scene);
            let mut pen = Pen::new(buffer, area);
            let mark = match (focused, shown.changed) {
                (true, _) => "›",
                (false, true) => "•",
                (false, false) => " ",
            };
            pen.put(row, 0, 1, mark, palette.accent);
            let style = if focused { palette.accent } else { palette.dim };
            pen.put(row, 2, LABEL - 3, which.label(), style);
            if origins {
                pen.right(row, width - ORIGIN - 1, ORIGIN, shown.origin, palette.dim);
            }
            let style = if shown.changed {
                palette.plain
            } else {
                palette.dim
            };
            let value = text::clean(&shown.value);
            let value = match which {
                Which::Folder | Which::Prompt => text::fit_path(&value, room),
                _ => text::fit(&value, room),
            };
            let own_text = which == Which::Prompt && self.text.is_some();
            let field = self.field(which).filter(|_| focused && !own_text);
            match field {
                Some(field) => {
                    // Both are within the area, which is made of u16.
                    #[expect(clippy::cast_possible_truncation, reason = "within the area")]
                    let (x, y, columns) = (LABEL as u16, row as u16, room as u16);
                    let empty = field.text().is_empty();
                    let cell = Rect {
                        x: area.x + x,
                        y: area.y + y,
                        width: if empty { 1 } else { columns },
                        height: 1,
                    };
                    field.draw(cell.intersection(area), buffer, true, &palette);
                    if empty {
                        let mut pen = Pen::new(buffer, area);
                        let room = room.saturating_sub(2);
                        pen.put(row, LABEL + 2, room, &value, palette.dim);
                    }
                }
                None if focused && !own_text => {
                    let choice = format!("‹ {value} ›");
                    pen.put(row, LABEL, room, &choice, palette.accent);
                }
                None => {
                    pen.put(row, LABEL, room, &value, style);
                }
            }
        }
        u16::try_from(height).unwrap_or(area.height)
    }

    /// The folder as it is said below.
    pub(super) fn place(&self, scene: Scene<'_>) -> String {
        match typed(&self.folder) {
            None => scene.path(&scene.snapshot.workspace),
            Some(folder) => scene.path(&scene.absolute(&folder)),
        }
    }
}

/// The next of some choices; what the role says stays unsaid until it is left.
fn turned<T: Copy + PartialEq>(
    all: &[T],
    now: Option<T>,
    by: isize,
    before: Option<T>,
) -> Option<T> {
    if by == 0 {
        return before;
    }
    let at = now.and_then(|now| all.iter().position(|one| *one == now));
    let at = isize::try_from(at.unwrap_or(0)).unwrap_or(0) + by;
    let count = isize::try_from(all.len()).unwrap_or(1).max(1);
    let at = usize::try_from(at.rem_euclid(count)).unwrap_or(0);
    all.get(at).copied()
}

fn typed(field: &Field) -> Option<String> {
    let text = field.text().trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Reads `NAME=value NAME=value`; a word without a name goes on with the value before it.
fn variables(typed: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for word in typed.split_whitespace() {
        match (word.split_once('='), found.last_mut()) {
            (Some((name, value)), _) if is_name(name) => {
                found.push((name.to_owned(), value.to_owned()));
            }
            (_, Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (_, None) => return Err(format!("`{word}` is not NAME=value")),
        }
    }
    Ok(found.into_iter().collect())
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Variables in one line, secrets masked.
fn joined(variables: &BTreeMap<String, String>) -> String {
    let all: Vec<String> = variables
        .iter()
        .map(|(name, value)| {
            let value = if is_secret(name) {
                "••••"
            } else {
                value
            };
            format!("{name}={value}")
        })
        .collect();
    all.join(" ")
}

const fn mode_words(mode: PromptMode) -> &'static str {
    match mode {
        PromptMode::Append => "extends the agent's",
        PromptMode::Replace => "replaces the agent's",
    }
}

const fn worktree_words(when: UseWorktree) -> &'static str {
    match when {
        UseWorktree::Auto => "if it shares a repository",
        UseWorktree::Always => "always",
        UseWorktree::Never => "never",
    }
}

const fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Interactive => "interactive",
        Kind::Batch => "batch",
        Kind::Monitoring => "monitoring",
        Kind::Utility => "utility",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_may_have_spaces_in_their_values() {
        let found = variables("A=1  GREETING=hello big world B=").expect("variables");
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            found,
            [("A", "1"), ("B", ""), ("GREETING", "hello big world")]
        );
        assert_eq!(variables("no"), Err("`no` is not NAME=value".to_owned()));
        assert_eq!(
            variables("1A=x"),
            Err("`1A=x` is not NAME=value".to_owned())
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let variables = variables("API_KEY=sk-123 EDITOR=vi").expect("variables");
        assert_eq!(joined(&variables), "API_KEY=•••• EDITOR=vi");
    }
}
