//! Lines of a process's log, as they stand in its file and as a screen asks for them.
//!
//! A line of an agent's log is `2026-11-23 10:41:07 > Bash  git status`: local time, a mark for the
//! kind, the text. The log of a plain command is what the command wrote, without time or mark.

use std::ops::Range;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::domain::id::{ProcessId, RunId};

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

    /// The line as it stands in the file.
    #[must_use]
    pub fn shown(&self) -> String {
        self.time.map_or_else(
            || self.text.clone(),
            |time| Self::format(time, self.kind, &self.text),
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
    /// At the first line that was written at this local time or later; in the output of a plain
    /// command, whose lines have no times, up to a second earlier.
    Since(DateTime),
}

/// Which lines of a log are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum LogChoice {
    /// Every line.
    #[default]
    All,
    /// What was asked of the agent, and what it says and thinks.
    Assistant,
    /// Tool calls, and the questions about them.
    Tools,
    /// What tools gave back.
    Results,
    /// What went wrong.
    Errors,
    /// What headcount says of the process.
    System,
}

impl LogChoice {
    /// All of them, in the order that a person goes through them.
    pub const ALL: [Self; 6] = [
        Self::All,
        Self::Assistant,
        Self::Tools,
        Self::Results,
        Self::Errors,
        Self::System,
    ];

    /// The word that is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Assistant => "assistant",
            Self::Tools => "tools",
            Self::Results => "results",
            Self::Errors => "errors",
            Self::System => "system",
        }
    }

    /// Whether a line of this kind belongs to it.
    #[must_use]
    pub const fn admits(self, kind: LogKind) -> bool {
        match self {
            Self::All => true,
            Self::Assistant => {
                matches!(kind, LogKind::Assistant | LogKind::Thinking | LogKind::Task)
            }
            Self::Tools => matches!(kind, LogKind::Tool | LogKind::Ask),
            Self::Results => matches!(kind, LogKind::Result),
            Self::Errors => matches!(kind, LogKind::Error),
            Self::System => matches!(kind, LogKind::System),
        }
    }
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
    /// Which ones.
    #[serde(default)]
    pub choice: LogChoice,
}

/// What the log holds there. Its cost depends on the window, not on the log: where few lines are
/// chosen, it may hold fewer than were asked for, and says between which offsets it has looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct LogWindow {
    /// In order.
    pub lines: Vec<LogLine>,
    /// From where on the log was looked through.
    pub from: u64,
    /// Up to where; without a choice it is the offset behind the last line.
    pub next: u64,
    /// Where the log begins now; what was before is rotated away.
    pub begin: u64,
    /// Where it ends now.
    pub end: u64,
    /// The run whose output it is, for a plain command: with another one the log begins anew.
    #[serde(default)]
    pub run: Option<RunId>,
}

/// Words that are looked for in a log: the very text within one line. Without a capital letter,
/// those of ASCII match in both cases.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogWords(String);

impl LogWords {
    /// `None` where there is nothing to look for.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// As they were typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first place at or after `from` in a text where they stand, as a range of bytes.
    #[must_use]
    pub fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let (text, words) = (text.as_bytes(), self.0.as_bytes());
        let either = !self.0.contains(char::is_uppercase);
        let first = *words.first()?;
        let same = |at: &usize| {
            let there = text.get(*at..*at + words.len());
            there.is_some_and(|there| {
                there == words || (either && there.eq_ignore_ascii_case(words))
            })
        };
        let rest = text.get(from..)?;
        let other = if either {
            first.to_ascii_uppercase()
        } else {
            first
        };
        let at = memchr::memchr2_iter(first, other, rest)
            .map(|at| from + at)
            .find(same)?;
        Some(at..at + words.len())
    }
}

/// What is looked for in a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogSearch {
    /// Whose log.
    pub process: ProcessId,
    /// In which form.
    pub form: LogForm,
    /// In which lines.
    pub choice: LogChoice,
    /// The words.
    pub words: LogWords,
    /// What of it.
    pub seek: LogSeek,
}

/// Which hit is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LogSeek {
    /// The first one that begins at or after this offset.
    Next(u64),
    /// The last one that begins before this offset.
    Previous(u64),
    /// None: how many lines are hits.
    Count,
}

impl LogSeek {
    /// More hits are not counted.
    pub const MOST: u32 = 10_000;
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogFound {
    /// The line that begins here.
    Line(u64),
    /// No line in that direction.
    Nothing,
    /// So many lines; there may be more from [`LogSeek::MOST`] on.
    Count(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_without_a_capital_match_in_both_cases() {
        for (words, text, from, found) in [
            ("push", "git Push", 0, Some(4..8)),
            ("Push", "git push", 0, None),
            ("Push", "git Push", 0, Some(4..8)),
            ("aa", "aaa", 1, Some(1..3)),
            ("aa", "aaa", 2, None),
            ("é", "caf\u{e9}", 0, Some(3..5)),
            ("x", "", 0, None),
            ("x", "y", 9, None),
        ] {
            let words = LogWords::new(words).unwrap();
            assert_eq!(words.find(text, from), found, "{words:?} {text}");
        }
        assert_eq!(LogWords::new(""), None);
    }

    #[test]
    fn every_kind_is_chosen_by_all_and_by_one_more_but_plain_output() {
        for mark in "|~><@?!- ".chars() {
            let kind = LogKind::from_mark(mark).unwrap();
            let by = LogChoice::ALL.iter().filter(|choice| choice.admits(kind));
            let expected = if kind == LogKind::Output { 1 } else { 2 };
            assert_eq!(by.count(), expected, "{kind:?}");
        }
    }

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
