//! Where commands write: standard output and standard error, with what the terminal can show.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::report::report;
use crate::cli::table::Table;

/// What commands write to.
pub(super) struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    /// Columns of the terminal that standard output is; `None` for a pipe or a file.
    width: Option<usize>,
    /// Whether standard output takes colour.
    colour: bool,
    /// Whether standard error takes colour.
    colour_err: bool,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("width", &self.width)
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// The process's own streams.
    pub(super) fn standard() -> Self {
        let may_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let is_terminal = io::stdout().is_terminal();
        Self {
            out: Box::new(io::BufWriter::new(io::stdout())),
            err: Box::new(io::stderr()),
            width: is_terminal.then(columns),
            colour: may_colour && is_terminal,
            colour_err: may_colour && io::stderr().is_terminal(),
        }
    }

    /// Writes a line.
    pub(super) fn line(&mut self, text: impl fmt::Display) -> Result<(), CliError> {
        writeln!(self.out, "{text}").map_err(CliError::Write)
    }

    /// Writes a text and a newline if it has none at its end.
    pub(super) fn text(&mut self, text: &str) -> Result<(), CliError> {
        let end = if text.ends_with('\n') || text.is_empty() {
            ""
        } else {
            "\n"
        };
        write!(self.out, "{text}{end}").map_err(CliError::Write)
    }

    /// Writes bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.out.write_all(bytes).map_err(CliError::Write)
    }

    /// Writes a table.
    pub(super) fn table(&mut self, table: &Table) -> Result<(), CliError> {
        let text = table.draw(self.colour, self.width);
        self.out.write_all(text.as_bytes()).map_err(CliError::Write)
    }

    /// Writes a document as JSON.
    pub(super) fn json(&mut self, document: &impl Serialize) -> Result<(), CliError> {
        serde_json::to_writer_pretty(&mut self.out, document)
            .map_err(|error| CliError::Write(error.into()))?;
        self.line("")
    }

    /// Writes a document as JSON on one line.
    pub(super) fn json_line(&mut self, document: &impl Serialize) -> Result<(), CliError> {
        serde_json::to_writer(&mut self.out, document)
            .map_err(|error| CliError::Write(error.into()))?;
        self.line("")
    }

    /// Hands over what is buffered, for a reader that follows.
    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        self.out.flush().map_err(CliError::Write)
    }

    /// Writes a remark to standard error.
    pub(super) fn note(&mut self, text: impl fmt::Display) {
        // There is nowhere left to say that standard error is closed.
        let _ = writeln!(self.err, "{text}");
    }

    /// Says on standard error what went wrong.
    pub(super) fn error(&mut self, error: &CliError) {
        // What was done before comes first where both streams are one terminal.
        let _ = self.out.flush();
        let text = report(error, self.colour_err, self.width.unwrap_or(100));
        let _ = self.err.write_all(text.as_bytes());
    }

    /// Whether standard output takes colour.
    pub(super) const fn colour(&self) -> bool {
        self.colour
    }
}

fn columns() -> usize {
    crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns).max(40))
}

#[cfg(test)]
pub(super) mod test {
    use std::io::Write;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::Output;

    /// What was written.
    #[derive(Debug, Clone, Default)]
    pub(in crate::cli) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(in crate::cli) fn text(&self) -> String {
            let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// An output without a terminal, and what it wrote to either stream.
    pub(in crate::cli) fn output() -> (Output, Written) {
        let written = Written::default();
        let output = Output {
            out: Box::new(written.clone()),
            err: Box::new(written.clone()),
            width: None,
            colour: false,
            colour_err: false,
        };
        (output, written)
    }
}
