//! Asks before something that cannot be taken back.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::id::ProcessId;
use crate::tui::dialogs::{Heard, Order};
use crate::tui::keys::Verb;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;

/// A question, what a yes means, and what a yes does.
#[derive(Debug)]
pub(crate) struct Confirm {
    question: String,
    consequence: String,
    orders: Vec<Order>,
    /// Of whose worktrees it is said what is not committed.
    work: Vec<ProcessId>,
}

/// Rows of a consequence.
const MOST: usize = 4;
/// More of them are not named.
const WORK: usize = 3;

impl Confirm {
    pub(crate) fn new(question: String, consequence: String, orders: Vec<Order>) -> Self {
        Self {
            question,
            consequence,
            orders,
            work: Vec::new(),
        }
    }

    /// Says as well what is not committed in the worktrees of these.
    pub(crate) fn with_work(self, work: Vec<ProcessId>) -> Self {
        Self { work, ..self }
    }

    /// Whose worktrees are to be looked at.
    pub(crate) fn work(&self) -> &[ProcessId] {
        &self.work
    }

    /// A dialog that is left by a yes with nothing to order.
    pub(crate) fn key(&mut self, verb: Option<Verb>) -> Heard {
        match verb {
            Some(Verb::Yes) => Heard::Orders(std::mem::take(&mut self.orders)),
            Some(Verb::Back) => Heard::Closed,
            _ => Heard::Kept,
        }
    }

    pub(crate) fn height(&self, width: u16) -> u16 {
        let room = usize::from(width.saturating_sub(4));
        let rows = text::wrap(&text::clean(&self.consequence), room).len();
        let rows = u16::try_from(rows.clamp(2, MOST)).unwrap_or(2);
        let work = u16::try_from(self.work.len().min(WORK)).unwrap_or(0);
        2 + rows + work
    }

    pub(crate) fn draw(&self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width().saturating_sub(4);
        pen.title(0, "Sure?", "", palette);
        pen.put(1, 2, width, &text::clean(&self.question), palette.warn);
        let consequence = text::clean(&self.consequence);
        let rows = text::wrap(&consequence, width);
        let mut row = 2;
        for part in rows.into_iter().take(MOST) {
            pen.put(row, 2, width, part, palette.plain);
            row += 1;
        }
        for id in self.work.iter().take(WORK) {
            let Some(process) = scene.snapshot.process(*id) else {
                continue;
            };
            let (line, style) = match &process.work {
                None => ("its worktree is being looked at".to_owned(), palette.dim),
                Some(work) => match work.uncommitted() {
                    Some(left) => (left, palette.warn),
                    None => ("all is committed".to_owned(), palette.dim),
                },
            };
            let line = format!("{}: {line}", process.name);
            pen.put(row, 2, width, &text::clean(&line), style);
            row += 1;
        }
    }
}
