//! Lines of a process's log, as they stand in its file and as a screen asks for them.
//!
//! A line of an agent's log is `2026-11-23 10:41:07 > Bash  git status`: local time, a mark for the
//! kind, the text. The log of a plain command is what the command wrote, without time or mark.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::domain::id::ProcessId;

/// Who or what a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// The agent's own words.
    Assistant,
    /// The agent's thoughts.
    Thinking,
    /// A tool call.
    Tool,
    /// What a tool gave back.
    Result,
    /// A task or another message to the agent.
    Task,
    /// A question to a person, and its answer.
    Ask,
    /// Something went wrong.
    Error,
    /// What headcount says of the process: started, stopped, adopted.
    System,
    /// What a plain command wrote.
    Output,
}

impl LogKind {
    /// The mark in the file.
    #[must_use]
    pub const fn mark(self) -> char {
        match self {
            Self::Assistant => '|',
            Self::Thinking => '~',
            Self::Tool => '>',
            Self::Result => '<',
            Self::Task => '@',
            Self::Ask => '?',
            Self::Error => '!',
            Self::System => '-',
            Self::Output => ' ',
        }
    }

    /// The kind of a mark.
    #[must_use]
    pub const fn from_mark(mark: char) -> Option<Self> {
        Some(match mark {
            '|' => Self::Assistant,
            '~' => Self::Thinking,
            '>' => Self::Tool,
            '<' => Self::Result,
            '@' => Self::Task,
            '?' => Self::Ask,
            '!' => Self::Error,
            '-' => Self::System,
            ' ' => Self::Output,
            _ => return None,
        })
    }
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Where it begins in the log, in bytes since the log's first line ever.
    pub offset: u64,
    /// When it was written, local time; `None` for a plain command's output.
    pub time: Option<DateTime>,
    /// Its kind.
    pub kind: LogKind,
    /// The text without time and mark; control characters and escape sequences are already gone.
    pub text: String,
}

impl LogLine {
    /// The length of `2026-11-23 10:41:07 > `.
    const HEAD: usize = 22;

    /// Writes a line as it stands in the file, without its newline.
    #[must_use]
    pub fn format(time: DateTime, kind: LogKind, text: &str) -> String {
        format!(
            "{} {} {text}",
            time.strftime("%Y-%m-%d %H:%M:%S"),
            kind.mark()
        )
    }

    /// Reads a line of an agent's log; whatever does not look like one is output.
    #[must_use]
    pub fn parse(offset: u64, line: &str) -> Self {
        Self::marked(offset, line).unwrap_or_else(|| Self::output(offset, line))
    }

    /// A line of a plain command.
    #[must_use]
    pub fn output(offset: u64, line: &str) -> Self {
        Self {
            offset,
            time: None,
            kind: LogKind::Output,
            text: line.to_owned(),
        }
    }

    fn marked(offset: u64, line: &str) -> Option<Self> {
        let time = DateTime::strptime("%Y-%m-%d %H:%M:%S", line.get(..19)?).ok()?;
        let mark = line.get(20..21)?.chars().next()?;
        let kind = LogKind::from_mark(mark)?;
        let text = line.get(Self::HEAD..).unwrap_or("").to_owned();
        Some(Self {
            offset,
            time: Some(time),
            kind,
            text,
        })
    }
}

/// Which form of a log is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum LogForm {
    /// For reading.
    #[default]
    Rendered,
    /// The protocol lines as they came.
    Raw,
}

/// Where a window hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogAnchor {
    /// At the end: the last lines.
    End,
    /// At the line that begins at or after this offset: it and what follows.
    At(u64),
    /// Lines that end before this offset.
    Before(u64),
}

/// A window of a log that somebody wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuery {
    /// Whose log.
    pub process: ProcessId,
    /// In which form.
    pub form: LogForm,
    /// Where it hangs.
    pub anchor: LogAnchor,
    /// How many lines at most.
    pub lines: usize,
}

/// What the log holds there. Its cost depends on the window, not on the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct LogWindow {
    /// In order.
    pub lines: Vec<LogLine>,
    /// The offset behind the last line of the window.
    pub next: u64,
    /// Where the log begins now; what was before is rotated away.
    pub begin: u64,
    /// Where it ends now.
    pub end: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_it_was_written() {
        let time = jiff::civil::datetime(2026, 11, 23, 10, 41, 7, 0);
        let line = LogLine::format(time, LogKind::Tool, "Bash  git status");
        assert_eq!(line, "2026-11-23 10:41:07 > Bash  git status");
        let read = LogLine::parse(5, &line);
        assert_eq!((read.kind, read.time), (LogKind::Tool, Some(time)));
        assert_eq!(read.text, "Bash  git status");
    }

    #[test]
    fn what_does_not_look_like_a_line_is_output() {
        for text in [
            "",
            "hello",
            "2026-11-23 10:41:07",
            "é2026-11-23 10:41:07 > x",
            "äääääääääääääääää",
        ] {
            assert_eq!(LogLine::parse(0, text).kind, LogKind::Output, "{text}");
        }
    }
}
