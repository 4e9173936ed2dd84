//! When a process that failed is started again, and when it is left down: pure arithmetic.
//!
//! Three things end a series of restarts: the number of failures in a row, the number within a
//! window (so that one who crashes each time just after it counted as stable ends as well), and a
//! person. How far apart automatic starts are is one rule for all of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::time::Mono;

/// Automatic starts are at least this far apart: fifty at once would starve the machine.
pub const SPACING: Duration = Duration::from_millis(250);

/// The first look at a cause that only a person can take away, and the longest wait between two.
const LOOKS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15 * 60));

/// An `auto_restart` table, resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoRestart {
    /// Whether a failed process is started again at all.
    pub enabled: bool,
    /// Tries before the process is left in error.
    pub max_retries: u32,
    /// The wait before a try; before the first one where it grows.
    pub retry_delay: Duration,
    /// How the wait grows.
    #[serde(default)]
    pub backoff: Backoff,
    /// It grows no longer than this.
    #[serde(default = "max_delay")]
    pub max_delay: Duration,
    /// A run of this length clears the counter.
    pub stable_after: Duration,
    /// Failures that are too many however long the runs between them were.
    #[serde(default)]
    pub window: Window,
}

fn max_delay() -> Duration {
    Duration::from_secs(600)
}

/// How the wait before a restart grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Not at all.
    #[default]
    Constant,
    /// It doubles, less up to a quarter by chance.
    Exponential,
}

/// So many failures within so long are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The most that are taken.
    pub failures: u32,
    /// Within this time.
    pub within: Duration,
}

impl Window {
    /// The window of a policy that names none: wide enough that somebody who crashes just after
    /// `stable_after` comes to the number, and never tighter than the retries.
    #[must_use]
    pub fn of(max_retries: u32, stable_after: Duration) -> Self {
        Self {
            failures: max_retries.saturating_add(1).max(10),
            within: stable_after.saturating_mul(12),
        }
    }
}

impl Default for Window {
    fn default() -> Self {
        let standard = AutoRestart::default();
        Self::of(standard.max_retries, standard.stable_after)
    }
}

impl Default for AutoRestart {
    fn default() -> Self {
        let (max_retries, stable_after) = (3, Duration::from_secs(600));
        Self {
            enabled: true,
            max_retries,
            retry_delay: Duration::from_secs(30),
            backoff: Backoff::Constant,
            max_delay: max_delay(),
            stable_after,
            window: Window::of(max_retries, stable_after),
        }
    }
}

/// The failures of one process, as far as they still count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Failures {
    // In their order.
    times: Vec<Mono>,
}

impl Failures {
    /// Forgets them all: a person has taken the matter in hand, or the clock began anew.
    pub fn clear(&mut self) {
        self.times.clear();
    }
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another try, after this wait.
    Again(Duration),
    /// Left down, since automatic restarts are switched off for it.
    Off,
    /// Left down: so many failures in a row.
    Retries(u32),
    /// Left down: so many failures within so long.
    Window(u32, Duration),
}

impl AutoRestart {
    /// Counts a failure, the `tries`th in a row, and says what follows. `chance` is a random number.
    pub fn failed(&self, failures: &mut Failures, tries: u32, now: Mono, chance: u64) -> Next {
        failures
            .times
            .retain(|time| now.since(*time) <= self.window.within);
        failures.times.push(now);
        let recent = u32::try_from(failures.times.len()).unwrap_or(u32::MAX);
        if !self.enabled {
            Next::Off
        } else if tries > self.max_retries {
            Next::Retries(tries)
        } else if recent > self.window.failures {
            Next::Window(recent, self.window.within)
        } else {
            Next::Again(self.wait(tries, chance))
        }
    }

    /// The wait before the `tries`th try.
    fn wait(&self, tries: u32, chance: u64) -> Duration {
        match self.backoff {
            Backoff::Constant => self.retry_delay,
            Backoff::Exponential => {
                let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
                let longest = self
                    .retry_delay
                    .saturating_mul(doubled)
                    .min(self.max_delay.max(self.retry_delay));
                // So that those who failed together do not come back together.
                let spread = u64::try_from(longest.as_millis() / 4).unwrap_or(u64::MAX);
                let less = chance.checked_rem(spread.saturating_add(1)).unwrap_or(0);
                longest.saturating_sub(Duration::from_millis(less))
            }
        }
    }
}

/// The wait before the next look at a cause that only a person can take away; `looks` were in vain.
#[must_use]
pub fn next_look(looks: u32) -> Duration {
    let (first, longest) = LOOKS;
    first
        .saturating_mul(2_u32.saturating_pow(looks))
        .min(longest)
}

/// The first time from `from` on that is far enough from each of those `taken`.
#[must_use]
pub fn free_slot(from: Mono, mut taken: Vec<Mono>) -> Mono {
    taken.sort_unstable();
    let mut at = from;
    for other in taken {
        if other + SPACING > at && at + SPACING > other {
            at = other + SPACING;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn exponential() -> AutoRestart {
        AutoRestart {
            backoff: Backoff::Exponential,
            max_retries: 20,
            ..AutoRestart::default()
        }
    }

    #[test]
    fn the_standard_is_three_tries_thirty_seconds_apart() {
        let (policy, mut failures) = (AutoRestart::default(), Failures::default());
        let mut now = Mono(5_000);
        for tries in 1..=3 {
            let next = policy.failed(&mut failures, tries, now, 7);
            assert_eq!(next, Next::Again(30 * SECOND));
            now = now + 31 * SECOND;
        }
        let next = policy.failed(&mut failures, 4, now, 7);
        assert_eq!(next, Next::Retries(4));
    }

    #[test]
    fn c1_exponential_waits_double_up_to_the_cap() {
        let waits: Vec<u64> = (1..=8)
            .map(|tries| exponential().wait(tries, 0).as_secs())
            .collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600, 600]);
    }

    #[test]
    fn one_that_is_switched_off_is_left_down() {
        let off = AutoRestart {
            enabled: false,
            ..AutoRestart::default()
        };
        let next = off.failed(&mut Failures::default(), 1, Mono(0), 0);
        assert_eq!(next, Next::Off);
    }

    #[test]
    fn looks_at_a_blocked_cause_become_rare() {
        let waits: Vec<u64> = (0..7).map(|looks| next_look(looks).as_secs()).collect();
        assert_eq!(waits, [60, 120, 240, 480, 900, 900, 900]);
    }

    proptest! {
        #[test]
        fn c1_jitter_takes_at_most_a_quarter(tries in 1..40_u32, chance: u64) {
            let longest = exponential().wait(tries, 0);
            let wait = exponential().wait(tries, chance);
            prop_assert!(wait <= longest && wait >= longest * 3 / 4);
        }

        #[test]
        fn c2_whoever_crashes_just_after_it_is_stable_is_left_down(
            over in 1..60_u64, max_retries in 0..9_u32, stable in 60..7200_u64,
        ) {
            let stable_after = Duration::from_secs(stable);
            let policy = AutoRestart {
                max_retries,
                stable_after,
                retry_delay: SECOND,
                window: Window::of(max_retries, stable_after),
                ..AutoRestart::default()
            };
            let (mut failures, mut now, mut runs) = (Failures::default(), Mono(1), 0);
            // The run was stable each time, so that each failure is the first in a row.
            while let Next::Again(wait) = policy.failed(&mut failures, 1, now, 0) {
                now = now + wait + stable_after + Duration::from_millis(over);
                runs += 1;
                prop_assert!(runs <= 10, "it goes on for ever");
            }
        }

        #[test]
        fn c6_slots_are_never_too_near(from in 0..3_000_u64, count in 1..60_usize) {
            let mut taken: Vec<Mono> = Vec::new();
            for n in 0..count {
                let wish = Mono(from + (n as u64 * 37) % 400);
                let at = free_slot(wish, taken.clone());
                prop_assert!(at >= wish);
                prop_assert!(taken.iter().all(|other| at.since(*other) >= SPACING || other.since(at) >= SPACING));
                taken.push(at);
            }
        }
    }
}
