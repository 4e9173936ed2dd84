//! Figures that count only when they stay.

use std::time::Duration;

use crate::domain::time::Mono;

/// How long a share of a limit must be exceeded until it counts, and be kept until it is over.
const SUSTAINED: Duration = Duration::from_secs(60);
/// How far below the share it must be to count as kept.
const MARGIN: f64 = 10.0;

/// A figure that counts only when it stays: raised above a share of its limit, cleared well below.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sustained {
    since: Option<Mono>,
    /// Whether it is raised.
    pub high: bool,
    /// The last share, in per cent of the limit.
    pub percent: f64,
}

impl Sustained {
    /// Takes a sample; returns whether that turned it.
    pub fn take(&mut self, percent: f64, limit: f64, now: Mono) -> bool {
        self.percent = percent;
        let turning = if self.high {
            percent < limit - MARGIN
        } else {
            percent >= limit
        };
        if !turning {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        if now.since(since) < SUSTAINED {
            return false;
        }
        self.since = None;
        self.high = !self.high;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_counts_when_it_stays_and_is_over_when_it_stays_away() {
        let mut share = Sustained::default();
        let at = |seconds: u64| Mono(seconds * 1000);
        let mut turns = vec![];
        for (second, percent) in [
            (0, 90.0),
            (30, 90.0),
            (45, 50.0),
            (60, 90.0),
            (119, 90.0),
            (120, 90.0), // held
            (150, 75.0),
            (300, 79.0),
            (330, 60.0),
            (360, 75.0),
            (400, 60.0),
            (460, 60.0),
        ] {
            if share.take(percent, 80.0, at(second)) {
                turns.push((second, share.high));
            }
        }
        assert_eq!(turns, [(120, true), (460, false)]);
    }
}
