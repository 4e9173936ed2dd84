//! Spans of time as arguments: `90s`, `10m`, `1h 30m`.

use std::time::Duration;

use jiff::SignedDuration;

/// Why a span of time cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DurationError {
    /// A bare number.
    #[error("needs a unit: `{0}s` for seconds, `{0}m` for minutes")]
    Bare(String),
    /// Below zero.
    #[error("cannot be negative")]
    Negative,
    /// Something else.
    #[error("is no span of time; write for example `90s`, `10m` or `1h 30m`")]
    Unreadable,
}

/// Reads a span of time.
pub(super) fn parse(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::Bare(text.to_owned()));
    }
    let span: SignedDuration = text.parse().map_err(|_| DurationError::Unreadable)?;
    Duration::try_from(span).map_err(|_| DurationError::Negative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit_and_are_not_negative() {
        let seconds = Duration::from_secs;
        for (text, expected) in [
            ("90s", Ok(seconds(90))),
            ("10m", Ok(seconds(600))),
            ("1h 30m", Ok(seconds(5400))),
            ("500ms", Ok(Duration::from_millis(500))),
            ("60", Err(DurationError::Bare("60".to_owned()))),
            ("-5s", Err(DurationError::Negative)),
            ("soon", Err(DurationError::Unreadable)),
            ("", Err(DurationError::Unreadable)),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
