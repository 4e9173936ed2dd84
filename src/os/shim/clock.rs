//! The shim's two clocks: one for waits, one for records.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[expect(
    clippy::disallowed_methods,
    reason = "the shim is a process of its own, with this clock"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Returns milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
