//! Values as people write them, and what to say when they cannot be read.

use std::time::Duration;

use jiff::SignedDuration;

/// Longer waits are slips of the keyboard, and would overflow the clock.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Why a value cannot be read: what it is, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}: {help}")]
pub struct Unreadable {
    /// What is wrong with it.
    pub why: &'static str,
    /// What to write in its place.
    pub help: String,
}

impl Unreadable {
    /// Says what is wrong and what to write.
    pub fn new(why: &'static str, help: impl Into<String>) -> Self {
        Self {
            why,
            help: help.into(),
        }
    }
}

/// Reads a duration: `30s`, `10m`, `1h 30m`.
///
/// # Errors
/// [`Unreadable`] for a bare number, a negative one, and what is no duration.
pub fn duration(text: &str) -> Result<Duration, Unreadable> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unreadable::new(
            "a duration needs a unit",
            format!("write \"{text}s\" for seconds, \"{text}m\" for minutes"),
        ));
    }
    let signed: SignedDuration = text.parse().map_err(|_| {
        Unreadable::new(
            "not a duration",
            "write for example \"30s\", \"10m\" or \"1h 30m\"; the largest unit is h",
        )
    })?;
    let length = Duration::try_from(signed).map_err(|_| {
        Unreadable::new("a duration cannot be negative", "leave the minus sign out")
    })?;
    if length > LONGEST {
        return Err(Unreadable::new(
            "longer than a year",
            "write a shorter duration",
        ));
    }
    Ok(length)
}

/// Whether a text can be the name of a variable of the environment, for whichever program reads it.
#[must_use]
pub fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("30s", 30),
            ("10m", 600),
            ("1h 30m", 5400),
            ("0s", 0),
            ("2 hours", 7200),
            ("PT5M", 300),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, why) in [
            ("30", "a duration needs a unit"),
            ("-5s", "a duration cannot be negative"),
            ("soon", "not a duration"),
            ("", "not a duration"),
            ("9999999h", "longer than a year"),
        ] {
            assert_eq!(duration(text).unwrap_err().why, why, "{text}");
        }
    }
}
