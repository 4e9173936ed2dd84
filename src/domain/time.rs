//! Two clocks in one value: waits use the monotonic one, records the wall one.

use std::ops::{Add, Sub};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A point of the machine's monotonic clock, in milliseconds since its boot (`CLOCK_MONOTONIC`).
///
/// It means the same in every process of one boot, so a deadline survives the instance that set it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Mono(pub u64);

impl Mono {
    /// The time from `earlier` to here, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;

    fn sub(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

/// The present, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For waits and deadlines.
    pub mono: Mono,
    /// For records.
    pub wall: Timestamp,
}

impl Add<Duration> for Now {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        let wall = jiff::SignedDuration::try_from(wait)
            .ok()
            .and_then(|wait| self.wall.checked_add(wait).ok())
            .unwrap_or(Timestamp::MAX);
        Self {
            mono: self.mono + wait,
            wall,
        }
    }
}

/// What is nearer is told with its seconds.
const SOON: SignedDuration = SignedDuration::from_mins(2);

/// A length of time for a person: seconds below two minutes, then minutes.
pub(super) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

/// As [`hour`], with the seconds where it is that near.
pub(super) fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    if at.duration_since(now) < SOON {
        return zone.to_datetime(at).strftime("%H:%M:%S").to_string();
    }
    hour(at, now, zone)
}

/// A time of day for a person, with the weekday if it is not today.
pub(super) fn hour(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let at = zone.to_datetime(at);
    if at.date() == zone.to_datetime(now).date() {
        at.strftime("%H:%M").to_string()
    } else {
        at.strftime("%a %H:%M").to_string()
    }
}
