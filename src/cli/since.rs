//! Moments as arguments: a span of time ago, or a local time.

use jiff::civil::{DateTime, Time};
use jiff::{Span, Timestamp, Zoned};

/// Why a moment cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no time; write for example `10m` for ten minutes ago, `10:41` or `2026-11-23 10:41`")]
pub(super) struct SinceError;

/// Reads a moment, as local time.
pub(super) fn parse(text: &str) -> Result<DateTime, SinceError> {
    at(text, &Zoned::now())
}

fn at(text: &str, now: &Zoned) -> Result<DateTime, SinceError> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.to_zoned(now.time_zone().clone()).datetime());
    }
    // Before times: a time is read out of it as well.
    if let Ok(moment) = text.parse::<DateTime>() {
        return Ok(moment);
    }
    // Before spans: `10:41:07` could be one as well. A bare number is neither.
    if text.contains(':')
        && let Ok(time) = text.parse::<Time>()
    {
        return Ok(now.date().to_datetime(time));
    }
    let span: Span = text.parse().map_err(|_| SinceError)?;
    now.checked_sub(span.abs())
        .map(|then| then.datetime())
        .map_err(|_| SinceError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spans_ago_or_local_times() {
        let now: Zoned = "2026-11-23T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        for (text, expected) in [
            ("10m", Some("2026-11-23T11:50:00")),
            ("1d", Some("2026-11-22T12:00:00")),
            ("5m ago", Some("2026-11-23T11:55:00")),
            ("10:41", Some("2026-11-23T10:41:00")),
            ("10:41:07", Some("2026-11-23T10:41:07")),
            ("2026-11-20", Some("2026-11-20T00:00:00")),
            ("2026-11-20 10:41", Some("2026-11-20T10:41:00")),
            ("2026-11-20T10:41:00Z", Some("2026-11-20T11:41:00")),
            ("soon", None),
            ("10", None),
            ("", None),
        ] {
            let expected = expected.map(|expected| expected.parse().unwrap());
            assert_eq!(at(text, &now).ok(), expected, "{text}");
        }
    }
}
