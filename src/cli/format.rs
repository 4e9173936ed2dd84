//! Numbers, times and texts as people read them: short, with a unit, harmless to a terminal.

use jiff::Timestamp;

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

/// US dollars as `$1.20`, `-` for none.
pub(super) fn dollars(usd: f64) -> String {
    if usd > 0.0 {
        format!("${usd:.2}")
    } else {
        "-".to_owned()
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
        assert_eq!(
            (dollars(1.204), dollars(0.0)),
            ("$1.20".to_owned(), "-".to_owned())
        );
    }

    #[test]
    fn what_an_agent_wrote_cannot_drive_the_terminal() {
        assert_eq!(safe("a\x1b[2Jb\nc\x07"), "ab\nc");
        assert_eq!(first_line("\n  one\ntwo"), "one");
    }
}
