//! The fields as they are shown: the value that holds, and who said so.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::role::{Kind, Layer, PromptMode, Role};
use crate::domain::worktree::UseWorktree;
use crate::tui::dialogs::hire::form::variables::{joined, variables};
use crate::tui::dialogs::hire::form::{DEPARTMENT, Form, Which};
use crate::tui::format;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::field::Field;
use crate::tui::widgets::pen::Pen;

/// Columns before a value.
const LABEL: usize = 15;
/// Columns of an origin.
const ORIGIN: usize = 13;
/// Without so many columns for a value, origins are left out.
const VALUE: usize = 16;

/// A field as it is shown when it has not the focus.
struct Shown {
    value: String,
    origin: &'static str,
    changed: bool,
}

impl Form {
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
                let value = role.map(|role| {
                    let (min, max) = (role.cpu.min, role.cpu.max);
                    format!("{}..{}", format::cores(min), format::cores(max))
                });
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
    pub(in crate::tui::dialogs::hire) fn draw(
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
