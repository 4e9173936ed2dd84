//! Asks before something that cannot be taken back.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

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
}

impl Confirm {
    pub(crate) fn new(question: String, consequence: String, orders: Vec<Order>) -> Self {
        Self {
            question,
            consequence,
            orders,
        }
    }

    /// A dialog that is left by a yes with nothing to order.
    pub(crate) fn key(&mut self, verb: Option<Verb>) -> Heard {
        match verb {
            Some(Verb::Yes) => Heard::Orders(std::mem::take(&mut self.orders)),
            Some(Verb::Back) => Heard::Closed,
            _ => Heard::Kept,
        }
    }

    pub(crate) const fn height(&self) -> u16 {
        4
    }

    pub(crate) fn draw(&self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width().saturating_sub(4);
        pen.title(0, "Sure?", "", palette);
        pen.put(1, 2, width, &text::clean(&self.question), palette.warn);
        let rows = text::clean(&self.consequence);
        for (row, part) in text::wrap(&rows, width).into_iter().take(2).enumerate() {
            pen.put(2 + row, 2, width, part, palette.plain);
        }
    }
}
