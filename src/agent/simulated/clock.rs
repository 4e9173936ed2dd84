//! The two clocks: how long something took, and when it happened.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads the monotonic clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulated agent is a process of its own, outside the runtime that reads the clock for all"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Returns the time since the epoch.
pub(super) fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Returns the present time as the protocol writes it, `2026-11-22T21:59:43.600Z`.
pub(super) fn timestamp() -> String {
    written(since_epoch())
}

fn written(at: Duration) -> String {
    let seconds = at.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let rest = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        rest / 3600,
        rest % 3600 / 60,
        rest % 60,
        at.subsec_millis()
    )
}

/// Turns days since 1970-01-01 into year, month and day: years begin in March here, so that the
/// leap day is the last one.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_protocol_writes_them() {
        let check = |millis, text: &str| assert_eq!(written(Duration::from_millis(millis)), text);
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_827_696_789, "2000-02-29T12:34:56.789Z");
        check(1_795_384_783_600, "2026-11-22T21:59:43.600Z");
    }
}
