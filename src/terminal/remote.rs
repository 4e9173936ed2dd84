//! A terminal that is elsewhere: what is drawn becomes bytes to send, what is asked is answered
//! from what the client said.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use tokio_util::bytes::Bytes;

/// Bracket a frame, so that a terminal which knows them shows it at once and whole.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Where the bytes gather.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// Takes what has gathered as one frame; `None` if nothing has.
    pub(crate) fn take(&self) -> Option<Bytes> {
        let bytes = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if bytes.is_empty() {
            return None;
        }
        Some([BEGIN, &bytes, END].concat().into())
    }

    /// Adds bytes that are no drawing, such as a title.
    pub(crate) fn add(&self, bytes: &[u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The backend of one client's screen. A frame that changes nothing makes no bytes.
#[derive(Debug)]
pub(crate) struct Remote {
    inner: CrosstermBackend<Sink>,
    size: Size,
    /// Where the cursor was put last; `None` when drawing has moved it since.
    cursor: Option<Position>,
    shown: Option<bool>,
}

impl Remote {
    pub(crate) fn new(sink: Sink, size: Size) -> Self {
        Self {
            inner: CrosstermBackend::new(sink),
            size,
            cursor: None,
            shown: None,
        }
    }

    /// The client's terminal has another size now; the next frame heeds it.
    pub(crate) fn resize(&mut self, size: Size) {
        self.size = size;
    }

    /// What the terminal shows and where its cursor is are not known any more.
    pub(crate) fn forget(&mut self) {
        self.cursor = None;
        self.shown = None;
    }
}

impl Backend for Remote {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        if content.peek().is_none() {
            return Ok(());
        }
        self.cursor = None;
        self.inner.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.shown.replace(false) == Some(false) {
            return Ok(());
        }
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.shown.replace(true) == Some(true) {
            return Ok(());
        }
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let position = position.into();
        if self.cursor.replace(position) == Some(position) {
            return Ok(());
        }
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.inner.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize {
            columns_rows: self.size,
            pixels: Size::default(),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::layout::Rect;
    use ratatui::widgets::Paragraph;

    use super::*;

    fn terminal(width: u16, height: u16) -> (Terminal<Remote>, Sink) {
        let sink = Sink::default();
        let remote = Remote::new(sink.clone(), Size::new(width, height));
        (Terminal::new(remote).unwrap(), sink)
    }

    fn show(bytes: &[u8]) -> String {
        let cells = |count| std::num::NonZero::new(count).unwrap();
        let mut screen = vt100::Parser::new(cells(4), cells(10), 0);
        screen.process(bytes);
        screen.screen().contents().trim_end().to_owned()
    }

    #[test]
    fn a_frame_that_changes_nothing_makes_no_bytes() {
        let (mut terminal, sink) = terminal(10, 4);
        let mut draw = |text: &str| {
            terminal
                .draw(|frame| {
                    frame.render_widget(Paragraph::new(text), frame.area());
                    frame.set_cursor_position((2, 1));
                })
                .unwrap();
            sink.take()
        };
        assert_eq!(show(&draw("hello").unwrap()), "hello");
        assert_eq!(draw("hello"), None);
        assert!(draw("hullo").unwrap().len() < 60);
    }

    #[test]
    fn e3_any_size_can_be_drawn_and_a_new_one_draws_everything() {
        let (mut terminal, sink) = terminal(10, 4);
        for (width, height) in [(0, 0), (1, 1), (20, 5), (0, 3), (10, 4)] {
            terminal.backend_mut().resize(Size::new(width, height));
            terminal
                .draw(|frame| {
                    assert_eq!(frame.area(), Rect::new(0, 0, width, height));
                    frame.render_widget(Paragraph::new("text"), frame.area());
                })
                .unwrap();
        }
        let bytes = sink.take().unwrap();
        assert_eq!(show(&bytes), "text");
    }

    #[test]
    fn a_screen_that_was_lost_is_drawn_anew() {
        let (mut terminal, sink) = terminal(10, 4);
        let mut draw = |lost: bool| {
            if lost {
                terminal.backend_mut().forget();
                terminal.clear().unwrap();
            }
            terminal
                .draw(|frame| frame.render_widget(Paragraph::new("text"), frame.area()))
                .unwrap();
            sink.take()
        };
        draw(false);
        assert_eq!(show(&draw(true).unwrap()), "text");
    }
}
