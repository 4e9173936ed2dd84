//! Dialogs: a stack over the screen, of which the top one gets the keys. Each keeps what is typed
//! and answers with what is to be done; none gives an order itself.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::command::Command;
use crate::domain::snapshot::Snapshot;
use crate::tui::keys::{Place, Verb};
use crate::tui::scene::Scene;

pub(crate) mod alike;
pub(crate) mod answer;
mod around;
pub(crate) mod away;
pub(crate) mod bring;
pub(crate) mod confirm;
pub(crate) mod hire;
pub(crate) mod line;
pub(crate) mod palette;
pub(crate) mod reader;
pub(crate) mod sizes;
pub(crate) mod task;
pub(crate) mod updates;
mod why;

use alike::AlikeDialog;
use answer::AnswerDialog;
use away::AwayDialog;
use bring::BringDialog;
use confirm::Confirm;
use hire::HireDialog;
use line::LineDialog;
use palette::{Choice, PaletteDialog};
use reader::Reader;
use sizes::SizesDialog;
use task::TaskDialog;
use updates::UpdatesDialog;

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
    /// It closes, and this one opens in its place.
    Opened(Box<Dialog>),
    /// It stays, and this is read above it.
    Read(Box<Reader>),
    /// It closes, and these are given.
    Orders(Vec<Order>),
    /// It stays open until this is answered.
    Submitted(Order),
    /// It stays open until the person's editor comes back with this text.
    Edit(String),
    /// It closes, and these are the words of the filter or the search.
    Filtered(String),
    /// It closes, and this is done.
    Chosen(Choice),
}

/// One dialog.
#[derive(Debug)]
pub(crate) enum Dialog {
    Alike(AlikeDialog),
    Answer(Box<AnswerDialog>),
    Away(AwayDialog),
    Bring(Box<BringDialog>),
    Confirm(Confirm),
    Hire(Box<HireDialog>),
    Line(Box<LineDialog>),
    Palette(Box<PaletteDialog>),
    Reader(Reader),
    Sizes(SizesDialog),
    Task(Box<TaskDialog>),
    Updates(UpdatesDialog),
}

impl Dialog {
    /// Which part of the key table holds.
    pub(crate) const fn place(&self) -> Place {
        match self {
            Self::Alike(_) => Place::Alike,
            Self::Answer(_) => Place::Choices,
            Self::Away(_) => Place::Away,
            Self::Bring(_) => Place::Bring,
            Self::Confirm(_) => Place::Confirm,
            Self::Hire(_) => Place::Hire,
            Self::Line(_) => Place::Line,
            Self::Palette(_) => Place::Finder,
            Self::Reader(_) => Place::Reader,
            Self::Sizes(_) => Place::Sizes,
            Self::Task(_) => Place::Editor,
            Self::Updates(_) => Place::Updates,
        }
    }

    /// A key, with its verb where it has one here.
    pub(crate) fn key(&mut self, key: KeyEvent, verb: Option<Verb>, scene: Scene<'_>) -> Heard {
        match self {
            Self::Alike(dialog) => dialog.key(verb),
            Self::Answer(dialog) => dialog.key(key, verb),
            Self::Away(dialog) => dialog.key(verb),
            Self::Bring(dialog) => dialog.key(key, verb),
            Self::Confirm(dialog) => dialog.key(verb),
            Self::Hire(dialog) => dialog.key(key, verb, scene),
            Self::Line(dialog) => dialog.key(key, verb, scene),
            Self::Palette(dialog) => dialog.key(key, verb, scene.snapshot),
            Self::Reader(dialog) => dialog.key(verb),
            Self::Sizes(dialog) => dialog.key(verb),
            Self::Task(dialog) => dialog.key(key, verb, scene.look.caps.editor),
            Self::Updates(dialog) => dialog.key(verb, scene),
        }
    }

    /// A pasted text.
    pub(crate) fn paste(&mut self, pasted: &str, snapshot: &Snapshot) {
        match self {
            Self::Answer(dialog) => dialog.paste(pasted),
            Self::Bring(dialog) => dialog.paste(pasted),
            Self::Hire(dialog) => dialog.paste(pasted, &snapshot.catalogue),
            Self::Line(dialog) => dialog.paste(pasted),
            Self::Palette(dialog) => dialog.paste(pasted, snapshot),
            Self::Task(dialog) => dialog.paste(pasted),
            Self::Alike(_)
            | Self::Away(_)
            | Self::Confirm(_)
            | Self::Reader(_)
            | Self::Sizes(_)
            | Self::Updates(_) => {}
        }
    }

    /// The rows that it takes below the screen; `None` if it takes the screen's place.
    pub(crate) fn height(&self, width: u16) -> Option<u16> {
        match self {
            Self::Alike(dialog) => Some(dialog.height()),
            Self::Answer(dialog) => Some(dialog.height(width)),
            Self::Bring(dialog) => Some(dialog.height()),
            Self::Confirm(dialog) => Some(dialog.height(width)),
            Self::Line(dialog) => Some(dialog.height(width)),
            Self::Palette(dialog) => Some(dialog.height()),
            Self::Sizes(dialog) => Some(dialog.height()),
            Self::Away(_) | Self::Hire(_) | Self::Reader(_) | Self::Task(_) | Self::Updates(_) => {
                None
            }
        }
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        match self {
            Self::Alike(dialog) => dialog.draw(scene, area, buffer),
            Self::Answer(dialog) => dialog.draw(scene, area, buffer),
            Self::Away(dialog) => dialog.draw(scene, area, buffer),
            Self::Bring(dialog) => dialog.draw(scene, area, buffer),
            Self::Confirm(dialog) => dialog.draw(scene, area, buffer),
            Self::Hire(dialog) => dialog.draw(scene, area, buffer),
            Self::Line(dialog) => dialog.draw(scene, area, buffer),
            Self::Palette(dialog) => dialog.draw(scene, area, buffer),
            Self::Reader(dialog) => dialog.draw(scene, area, buffer),
            Self::Sizes(dialog) => dialog.draw(scene, area, buffer),
            Self::Task(dialog) => dialog.draw(scene, area, buffer),
            Self::Updates(dialog) => dialog.draw(scene, area, buffer),
        }
    }
}
