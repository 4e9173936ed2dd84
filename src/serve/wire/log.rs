//! Windows and lines of a log, as documents.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::domain::id::ProcessId;
use crate::domain::log::{LogKind, LogLine, LogWindow};

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLineDoc {
    /// Where it begins, in bytes since the log's first line ever.
    pub offset: u64,
    /// When it was written, local time; `null` for a plain command and in the raw form.
    pub time: Option<DateTime>,
    /// What it is.
    pub kind: LogKind,
    /// The text.
    pub text: String,
}

impl From<LogLine> for LogLineDoc {
    fn from(line: LogLine) -> Self {
        Self {
            offset: line.offset,
            time: line.time,
            kind: line.kind,
            text: line.text,
        }
    }
}

/// A window of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDoc {
    /// Whose log.
    pub process: ProcessId,
    /// In order.
    pub lines: Vec<LogLineDoc>,
    /// The offset behind the last line: what `after` takes for the next page.
    pub next: u64,
    /// Where the log begins now; what was before is rotated away.
    pub begin: u64,
    /// Where it ends now.
    pub end: u64,
}

impl LogDoc {
    /// Writes a window down.
    #[must_use]
    pub fn new(process: ProcessId, window: LogWindow) -> Self {
        Self {
            process,
            next: window.next,
            begin: window.begin,
            end: window.end,
            lines: window.lines.into_iter().map(LogLineDoc::from).collect(),
        }
    }
}

/// One line of a log that is followed: newline-delimited JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogEvent {
    /// A line.
    Line(LogLineDoc),
    /// Bytes that were rotated away before they could be read.
    Skipped {
        /// How many.
        bytes: u64,
    },
}
