//! Numbers, times and texts as people read them: short, with a unit, harmless to a terminal.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::limits;

/// Bytes as `412M`: three digits at most, binary units.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "K", "M", "G", "T"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit > 0 && value < 9.95 {
        format!("{value:.1}{}", UNITS[unit])
    } else {
        format!("{value:.0}{}", UNITS[unit])
    }
}

/// A limit as it is written in `roles.toml`, else as [`bytes`].
pub(super) fn limit(size: u64) -> String {
    limits::written(size).unwrap_or_else(|| bytes(size))
}

/// A moment by this machine's clock: `12:04:58` on the day of `now`, else `2026-11-27 12:04:58`.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> String {
    moment_in(at, now, TimeZone::system())
}

fn moment_in(at: Timestamp, now: Timestamp, zone: TimeZone) -> String {
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone));
    let form = if at.date() == now.date() {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S"
    };
    at.strftime(form).to_string()
}

/// A number with the word for what is counted: `1 turn`, `3 turns`.
pub(super) fn counted(count: u32, word: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {word}{plural}")
}

/// Seconds as `40s`, `3m`, `2h`, `5d`.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The time from `then` to `now`, as [`age`].
pub(super) fn since(then: Timestamp, now: Timestamp) -> String {
    age(u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0))
}

/// Milliseconds as `0.4s`, `12s`, `3m 20s`.
pub(super) fn took(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..10 => format!("{:.1}s", milliseconds as f64 / 1000.0),
        10..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// US dollars as `$1.20`, `-` for none: as on the screen.
pub(super) fn dollars(usd: f64) -> String {
    if usd <= 0.0 {
        "-".to_owned()
    } else if usd < 0.01 {
        "<$0.01".to_owned()
    } else {
        format!("${usd:.2}")
    }
}

/// What there is, or `-`.
pub(super) fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

/// The text without escape sequences and control characters; newlines and tabs stay.
pub(super) fn safe(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| crate::domain::clean::clean(line.as_bytes()))
        .collect();
    lines.join("\n")
}

/// The first line of a text, harmless.
pub(super) fn first_line(text: &str) -> String {
    safe(text.trim_start().lines().next().unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_a_unit() {
        for (value, text) in [
            (0, "0B"),
            (999, "999B"),
            (1024, "1.0K"),
            (432_013_312, "412M"),
            (2_147_483_648, "2.0G"),
            (1_073_000_000, "1.0G"),
            (24_696_061_952, "23G"),
        ] {
            assert_eq!(bytes(value), text, "{value}");
        }
        for (value, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (7_199, "1h"),
            (200_000, "2d"),
        ] {
            assert_eq!(age(value), text, "{value}");
        }
        for (value, text) in [
            (400, "0.4s"),
            (12_300, "12s"),
            (200_000, "3m 20s"),
            (3_700_000, "1h 1m"),
        ] {
            assert_eq!(took(value), text, "{value}");
        }
        for (value, text) in [
            (1.204, "$1.20"),
            (0.01, "$0.01"),
            (0.004, "<$0.01"),
            (0.0, "-"),
        ] {
            assert_eq!(dollars(value), text, "{value}");
        }
    }

    #[test]
    fn limits_are_shown_as_they_are_written() {
        for (value, text) in [
            (512_000_000, "512MB"),
            (2_000_000_000, "2GB"),
            (268_435_456, "256MiB"),
            (1 << 31, "2GiB"),
            (1_500_000_001, "1.4G"),
        ] {
            assert_eq!(limit(value), text, "{value}");
        }
    }

    #[test]
    fn moments_say_no_more_than_is_needed() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let now: Timestamp = "2026-11-28T21:30:00Z".parse().expect("a time");
        for (at, text) in [
            ("2026-11-28T20:04:58.27Z", "22:04:58"),
            ("2026-11-27T21:59:00Z", "2026-11-27 23:59:00"),
            ("2025-01-02T03:04:05Z", "2025-01-02 05:04:05"),
        ] {
            let at = at.parse().expect("a time");
            assert_eq!(moment_in(at, now, zone.clone()), text);
        }
        assert_eq!(
            (counted(1, "turn"), counted(0, "turn")),
            ("1 turn".to_owned(), "0 turns".to_owned())
        );
    }

    #[test]
    fn what_an_agent_wrote_cannot_drive_the_terminal() {
        assert_eq!(safe("a\x1b[2Jb\nc\x07"), "ab\nc");
        assert_eq!(first_line("\n  one\ntwo"), "one");
    }
}
