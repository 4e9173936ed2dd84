//! Finds any action by its name.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::dialogs::Heard;
use crate::tui::filter::Filter;
use crate::tui::keys::{self, Binding, Place, Verb};
use crate::tui::scene::Scene;
use crate::tui::widgets::field::Field;
use crate::tui::widgets::pen::Pen;

/// How many are offered at once.
const SHOWN: usize = 8;

/// The actions of a place, and the words that are typed.
#[derive(Debug)]
pub(crate) struct PaletteDialog {
    place: Place,
    words: Field,
    cursor: usize,
}

impl PaletteDialog {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            words: Field::new(""),
            cursor: 0,
        }
    }

    fn found(&self) -> Vec<&'static Binding> {
        let filter = Filter::new(self.words.text());
        keys::bindings(self.place)
            .filter(|binding| !matches!(binding.verb, Verb::Palette | Verb::Leave | Verb::Number))
            .filter(|binding| filter.admits([binding.label, binding.help].into_iter()))
            .collect()
    }

    pub(crate) fn paste(&mut self, pasted: &str) {
        self.words.paste(pasted);
    }

    pub(crate) fn key(&mut self, key: KeyEvent, verb: Option<Verb>) -> Heard {
        let last = self.found().len().saturating_sub(1);
        match verb {
            Some(Verb::Back) => return Heard::Closed,
            Some(Verb::Send) => {
                return match self.found().get(self.cursor) {
                    Some(binding) => Heard::Chosen(binding.verb),
                    None => Heard::Kept,
                };
            }
            Some(Verb::Down) => self.cursor = (self.cursor + 1).min(last),
            Some(Verb::Up) => self.cursor = self.cursor.saturating_sub(1),
            _ => {
                self.words.key(key);
                self.cursor = 0;
            }
        }
        Heard::Kept
    }

    pub(crate) fn height(&self) -> u16 {
        u16::try_from(self.found().len().clamp(1, SHOWN) + 2).unwrap_or(3)
    }

    pub(crate) fn draw(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let palette = scene.palette();
        let found = self.found();
        let mut pen = Pen::new(buffer, area);
        let width = pen.width();
        pen.title(0, "Command", "", palette);
        pen.put(1, 1, 1, ":", palette.accent);
        let from = self.cursor.saturating_sub(SHOWN - 1);
        for (at, binding) in found.iter().enumerate().skip(from).take(SHOWN) {
            let row = 2 + at - from;
            let key = binding
                .keys
                .first()
                .map_or_else(String::new, ToString::to_string);
            pen.put(row, 3, 10, &key, palette.accent);
            pen.put(
                row,
                14,
                width.saturating_sub(15),
                binding.help,
                palette.plain,
            );
            if at == self.cursor {
                pen.put(row, 0, 1, "▌", palette.accent);
                pen.shade(row, palette.selected);
            }
        }
        if found.is_empty() {
            pen.put(2, 3, width, "nothing is called so", palette.dim);
        }
        let cell = Rect {
            x: area.x.saturating_add(3),
            y: area.y.saturating_add(1),
            width: area.width.saturating_sub(4),
            height: 1,
        };
        self.words
            .draw(cell.intersection(area), buffer, true, palette);
    }
}
