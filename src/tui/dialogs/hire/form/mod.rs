//! With what they are hired: every field with its value and who said so.

mod picture;
mod variables;

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent};

use crate::domain::command::{NewProcess, PromptOverride};
use crate::domain::limits;
use crate::domain::role::{Kind, PromptMode, Role};
use crate::domain::worktree::UseWorktree;
use crate::tui::dialogs::hire::form::variables::variables;
use crate::tui::scene::Scene;
use crate::tui::widgets::field::Field;

/// The variable in which each of several is told where it works.
const DEPARTMENT: &str = "DEPARTMENT";
/// Turns that are proposed for each of several: nobody looks after all of them at once.
const PROPOSED_TURNS: &str = "20";
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
