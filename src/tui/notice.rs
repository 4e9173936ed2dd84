//! The line above the footer: what just happened, or why something did not.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::snapshot::Level;
use crate::tui::format::Present;

/// How long good news stand.
const GOOD_FOR: Duration = Duration::from_secs(30);
/// How long an answer to a key does: what it says may be otherwise soon.
const ANSWER_FOR: Duration = Duration::from_secs(10);
/// A key within this time after it appeared does not wipe it: it was pressed before it was read.
const TOO_QUICK: Duration = Duration::from_secs(2);

/// One line, and since when it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) level: Level,
    pub(crate) text: String,
    since: Option<Timestamp>,
    /// It answers a key: the next one that does something makes it old.
    is_answer: bool,
}

impl Notice {
    pub(crate) fn new(level: Level, text: impl Into<String>) -> Self {
        Self {
            level,
            text: text.into(),
            since: None,
            is_answer: false,
        }
    }

    /// What is said to a key.
    pub(crate) fn answer(level: Level, text: impl Into<String>) -> Self {
        Self {
            is_answer: true,
            ..Self::new(level, text)
        }
    }

    /// Whether it says something to a key.
    pub(crate) const fn is_answer(&self) -> bool {
        self.is_answer
    }

    /// Takes note that it is on the screen.
    pub(crate) fn shown(&mut self, now: &Present) {
        self.since.get_or_insert(now.wall);
    }

    /// When it goes by itself; what went wrong stays until a key is pressed.
    pub(crate) fn ends(&self) -> Option<Timestamp> {
        let stands = if self.is_answer { ANSWER_FOR } else { GOOD_FOR };
        match self.level {
            Level::Info => self.since.and_then(|since| since.checked_add(stands).ok()),
            Level::Warning | Level::Error => None,
        }
    }

    /// Whether a key that does something now wipes it.
    pub(crate) fn was_read(&self, now: &Present) -> bool {
        let read = self
            .since
            .is_some_and(|since| now.since(since) >= TOO_QUICK);
        self.is_answer || read
    }
}
