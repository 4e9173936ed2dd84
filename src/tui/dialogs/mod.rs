//! Dialogs: a stack over the screen, of which the top one gets the keys. Each keeps what is typed
//! and answers with what is to be done; none gives an order itself.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::command::Command;
use crate::tui::keys::{Place, Verb};
use crate::tui::scene::Scene;

pub(crate) mod confirm;
pub(crate) mod line;

use confirm::Confirm;
use line::LineDialog;

/// An order, and how it is called in a message when it fails.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) command: Command,
    /// As in `cannot stop Ada`.
    pub(crate) what: String,
}

impl Order {
    pub(crate) fn new(what: impl Into<String>, command: Command) -> Self {
        Self {
            what: what.into(),
            command,
        }
    }
}

/// What a dialog made of a key.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It stays open.
    Kept,
    /// It closes, nothing is done.
    Closed,
    /// It closes, and these are given.
    Orders(Vec<Order>),
    /// It closes, and the filter is this.
    Filtered(String),
}

/// One dialog.
#[derive(Debug)]
pub(crate) enum Dialog {
    Confirm(Confirm),
    Line(Box<LineDialog>),
}

impl Dialog {
    /// Which part of the key table holds.
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Confirm(_) => Place::Confirm,
            Self::Line(_) => Place::Line,
        }
    }

    /// A key, with its verb where it has one here.
    pub(crate) fn key(&mut self, key: KeyEvent, verb: Option<Verb>, scene: Scene<'_>) -> Heard {
        let _ = scene;
        match self {
            Self::Confirm(dialog) => dialog.key(verb),
            Self::Line(dialog) => dialog.key(key, verb),
        }
    }

    /// A pasted text.
    pub(crate) fn paste(&mut self, pasted: &str) {
        match self {
            Self::Line(dialog) => dialog.paste(pasted),
            Self::Confirm(_) => {}
        }
    }

    /// The rows that it takes below the screen; `None` if it takes the screen's place.
    pub(crate) fn height(&self, width: u16) -> Option<u16> {
        let _ = width;
        match self {
            Self::Confirm(dialog) => Some(dialog.height()),
            Self::Line(dialog) => Some(dialog.height()),
        }
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        match self {
            Self::Confirm(dialog) => dialog.draw(scene, area, buffer),
            Self::Line(dialog) => dialog.draw(scene, area, buffer),
        }
    }
}
