//! Brings work home: how, and under which words what is not committed is committed first.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::command::Command;
use crate::domain::worktree::{Changes, MergeMode, WorkOf, WorkOrder};
use crate::tui::dialogs::{Heard, Order};
use crate::tui::format;
use crate::tui::keys::Verb;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::field::Field;
use crate::tui::widgets::pen::Pen;

const MODES: [MergeMode; 3] = [MergeMode::Merge, MergeMode::Rebase, MergeMode::Squash];

/// A way home in the making.
#[derive(Debug)]
pub(crate) struct BringDialog {
    of: WorkOf,
    branch: String,
    base: String,
    commits: u32,
    /// How many files are not committed.
    open: u32,
    mode: usize,
    message: Field,
    error: Option<&'static str>,
}

impl BringDialog {
    pub(crate) fn new(of: WorkOf, changes: &Changes, open: u32, message: &str) -> Self {
        Self {
            of,
            branch: changes.branch.clone(),
            base: changes.base.clone(),
            commits: changes.ahead,
            open,
            mode: 0,
            message: Field::new(message),
            error: None,
        }
    }

    pub(crate) fn key(&mut self, key: KeyEvent, verb: Option<Verb>) -> Heard {
        self.error = None;
        match verb {
            Some(Verb::Back) => return Heard::Closed,
            Some(Verb::Down) => self.mode = (self.mode + 1) % MODES.len(),
            Some(Verb::Up) => self.mode = (self.mode + MODES.len() - 1) % MODES.len(),
            Some(Verb::Send) => return self.send(),
            _ if self.open > 0 => self.message.key(key),
            _ => {}
        }
        Heard::Kept
    }

    fn send(&mut self) -> Heard {
        let message = self.message.text().trim();
        if self.open > 0 && message.is_empty() {
            self.error = Some("a commit needs a message");
            return Heard::Kept;
        }
        let order = WorkOrder::Bring {
            mode: MODES[self.mode],
            commit: (self.open > 0).then(|| message.to_owned()),
        };
        Heard::Orders(vec![Order::new(
            format!("bring {} home", self.branch),
            Command::Work { of: self.of, order },
        )])
    }

    pub(crate) fn paste(&mut self, pasted: &str) {
        self.message.paste(pasted);
    }

    pub(crate) const fn height(&self) -> u16 {
        if self.open > 0 { 7 } else { 5 }
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = *scene.palette();
        let base = text::clean(&self.base).into_owned();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        let title = format!("Bring {} home to {base}", text::clean(&self.branch));
        pen.title(0, &title, "", &palette);
        let commits = format::plural(self.commits as usize, "commit", "commits");
        let its = match (self.commits, self.open) {
            (0, _) => "what is committed now".to_owned(),
            (_, 0) => format!("its {commits}"),
            _ => format!("its {commits} and one for the rest"),
        };
        for (row, mode) in MODES.iter().enumerate() {
            let does = match mode {
                MergeMode::Merge => format!("a merge commit on top of {base}"),
                MergeMode::Rebase => format!("{its}, again, on top of {base}"),
                MergeMode::Squash => format!("all of it as one commit on top of {base}"),
            };
            let chosen = row == self.mode;
            let style = if chosen {
                palette.accent
            } else {
                palette.plain
            };
            pen.put(
                1 + row,
                2,
                1,
                if chosen { "›" } else { " " },
                palette.accent,
            );
            pen.put(1 + row, 4, 8, mode.as_str(), style);
            pen.put(1 + row, 12, width.saturating_sub(13), &does, palette.dim);
        }
        if self.open == 0 {
            let line = "Conflicts change nothing. Nothing is pushed.";
            pen.put(4, 2, width.saturating_sub(3), line, palette.dim);
            return;
        }
        let files = format::plural(self.open as usize, "file is", "files are");
        let (line, style) = match self.error {
            Some(error) => (error.to_owned(), palette.bad),
            None => (
                format!("{files} not committed, and committed first under:"),
                palette.warn,
            ),
        };
        pen.put(4, 2, width.saturating_sub(3), &line, style);
        pen.put(5, 2, 1, "›", palette.accent);
        let line = "Conflicts change nothing else. Nothing is pushed.";
        pen.put(6, 2, width.saturating_sub(3), line, palette.dim);
        let row = Rect {
            x: area.x.saturating_add(4),
            y: area.y.saturating_add(5),
            width: area.width.saturating_sub(6),
            height: 1,
        };
        self.message
            .draw(row.intersection(area), buffer, true, &palette);
    }
}
