//! A field of one line to type in.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Widget;
use ratatui_textarea::TextArea;

use crate::tui::look::Palette;
use crate::tui::text;

/// One line of text with a cursor.
#[derive(Debug)]
pub(crate) struct Field {
    area: TextArea<'static>,
}

impl Field {
    pub(crate) fn new(content: &str) -> Self {
        let mut area = TextArea::new(vec![text::clean(content).into_owned()]);
        area.set_cursor_line_style(Style::new());
        area.move_cursor(ratatui_textarea::CursorMove::End);
        Self { area }
    }

    /// What stands in it.
    pub(crate) fn text(&self) -> &str {
        self.area.lines().first().map_or("", String::as_str)
    }

    /// A key that edits; Enter and Tab are not for a field.
    pub(crate) fn key(&mut self, key: KeyEvent) {
        use crossterm::event::{KeyCode, KeyModifiers};
        let breaks_line = matches!(key.code, KeyCode::Enter | KeyCode::Tab)
            || (key.code == KeyCode::Char('m') && key.modifiers.contains(KeyModifiers::CONTROL));
        if key.code == KeyCode::Char('u') && key.modifiers.contains(KeyModifiers::CONTROL) {
            // As a shell has it: what stands before the cursor goes.
            self.area.delete_line_by_head();
        } else if !breaks_line {
            self.area.input(key);
        }
    }

    /// A pasted text becomes one line.
    pub(crate) fn paste(&mut self, pasted: &str) {
        self.area
            .insert_str(text::clean(pasted.trim_end()).as_ref());
    }

    pub(crate) fn draw(&mut self, area: Rect, buffer: &mut Buffer, focus: bool, palette: &Palette) {
        let cursor = if focus {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new()
        };
        self.area.set_cursor_style(cursor);
        self.area
            .set_style(if focus { palette.plain } else { palette.dim });
        if area.width > 0 && area.height > 0 {
            (&self.area).render(area, buffer);
        }
    }
}
