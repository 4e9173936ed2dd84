//! One answer to several requests that are alike: all of them are shown before it is given.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::command::Command;
use crate::domain::id::RequestId;
use crate::domain::inbox::{Ask, Request};
use crate::domain::snapshot::Snapshot;
use crate::tui::dialogs::line::LineDialog;
use crate::tui::dialogs::{Dialog, Heard, Order};
use crate::tui::keys::Verb;
use crate::tui::scene::Scene;
use crate::tui::text;
use crate::tui::widgets::pen::Pen;
use crate::tui::widgets::request;

/// How many are shown; the rest is counted.
const SHOWN: usize = 8;

/// The requests as they were when the dialog was opened: what comes later is not answered by it.
#[derive(Debug)]
pub(crate) struct AlikeDialog {
    title: String,
    // Who asks, and for what.
    rows: Vec<(String, String)>,
    ids: Vec<RequestId>,
}

impl AlikeDialog {
    pub(crate) fn new(one: &Request, alike: &[&Request], snapshot: &Snapshot) -> Self {
        let rule = match &one.ask {
            Ask::Permission { rule, .. } => rule.as_str(),
            Ask::Question { .. } => "",
        };
        let row = |found: &&Request| {
            let who = snapshot.process(found.process);
            let who = who.map_or_else(|| found.process.to_string(), |one| one.name.clone());
            (who, request::line(found))
        };
        Self {
            title: format!("{} requests wait for {rule}", alike.len()),
            rows: alike.iter().map(row).collect(),
            ids: alike.iter().map(|found| found.id).collect(),
        }
    }

    pub(crate) fn key(&mut self, verb: Option<Verb>) -> Heard {
        match verb {
            Some(Verb::Back) => Heard::Closed,
            Some(Verb::Yes) => {
                let order = |id: &RequestId| Order::new("allow it", Command::Approve(*id));
                Heard::Orders(self.ids.iter().map(order).collect())
            }
            Some(Verb::Deny) => {
                let who = format!("all {}", self.ids.len());
                let dialog = LineDialog::deny(self.ids.clone(), &who, &self.title);
                Heard::Opened(Box::new(Dialog::Line(Box::new(dialog))))
            }
            _ => Heard::Kept,
        }
    }

    pub(crate) fn height(&self) -> u16 {
        let more = usize::from(self.rows.len() > SHOWN);
        u16::try_from(self.rows.len().min(SHOWN) + more + 2).unwrap_or(4)
    }

    pub(crate) fn draw(&self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        pen.title(0, &text::clean(&self.title), "", palette);
        for (at, (who, what)) in self.rows.iter().take(SHOWN).enumerate() {
            pen.put(at + 1, 3, 10, &text::clean(who), palette.strong);
            let room = width.saturating_sub(15);
            pen.put(at + 1, 14, room, &text::clean(what), palette.plain);
        }
        let mut row = self.rows.len().min(SHOWN) + 1;
        let more = self.rows.len().saturating_sub(SHOWN);
        if more > 0 {
            pen.put(row, 3, width, &format!("and {more} more"), palette.dim);
            row += 1;
        }
        let line = format!("y allows all {} once, d denies them.", self.ids.len());
        pen.put(row, 2, width.saturating_sub(3), &line, palette.warn);
    }
}
