//! The one place that reads the clocks.

use std::time::Duration;

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::domain::time::{Mono, Now};

/// Both clocks. Waits follow tokio's, which tests can stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    mono: Mono,
    started: Instant,
}

impl Clock {
    /// Starts from the machine's clocks.
    pub(crate) fn start() -> Self {
        let mono = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        let mono = Mono(u64::try_from(mono.as_millis()).unwrap_or(u64::MAX));
        Self {
            mono,
            started: Instant::now(),
        }
    }

    /// The present.
    pub(crate) fn now(&self) -> Now {
        let mono = self.mono + self.started.elapsed();
        Now {
            mono,
            wall: Timestamp::now(),
        }
    }

    /// When a deadline comes, for tokio.
    pub(crate) fn instant(&self, at: Mono) -> Instant {
        // A millisecond later than asked for: the wait is rounded down, and a deadline that is
        // served too early is not due.
        self.started + at.since(self.mono) + Duration::from_millis(1)
    }
}
