//! The line above the footer: what just happened, or why something did not.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::snapshot::Level;
use crate::tui::format::Present;

/// How long good news stand.
const GOOD_FOR: Duration = Duration::from_secs(30);
/// A key within this time after it appeared does not wipe it: it was pressed before it was read.
const TOO_QUICK: Duration = Duration::from_secs(2);

/// One line, and since when it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) level: Level,
    pub(crate) text: String,
    since: Option<Timestamp>,
}

impl Notice {
    pub(crate) fn new(level: Level, text: impl Into<String>) -> Self {
        Self {
            level,
            text: text.into(),
            since: None,
        }
    }

    /// Takes note that it is on the screen.
    pub(crate) fn shown(&mut self, now: &Present) {
        self.since.get_or_insert(now.wall);
    }

    /// When it goes by itself; what went wrong stays until a key is pressed.
    pub(crate) fn ends(&self) -> Option<Timestamp> {
        match self.level {
            Level::Info => self
                .since
                .and_then(|since| since.checked_add(GOOD_FOR).ok()),
            Level::Warning | Level::Error => None,
        }
    }

    /// Whether a key that is pressed now wipes it.
    pub(crate) fn was_read(&self, now: &Present) -> bool {
        self.since
            .is_some_and(|since| now.since(since) >= TOO_QUICK)
    }
}
