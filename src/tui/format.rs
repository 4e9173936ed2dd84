//! Numbers, times and paths as people read them: short, in few forms, never jittering.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::limits;
use crate::domain::task::Tokens;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The present, as a terminal shows it.
#[derive(Debug, Clone)]
pub struct Present {
    /// What time it is.
    pub wall: Timestamp,
    /// In whose zone times are shown.
    pub zone: TimeZone,
}

impl Present {
    /// The time from `then` to now, zero if `then` is later.
    pub(crate) fn since(&self, then: Timestamp) -> Duration {
        Duration::try_from(self.wall.duration_since(then)).unwrap_or_default()
    }

    /// The time from now to `then`, zero if `then` is past.
    pub(crate) fn until(&self, then: Timestamp) -> Duration {
        Duration::try_from(then.duration_since(self.wall)).unwrap_or_default()
    }

    /// When an age that is counted in whole minutes changes next.
    pub(crate) fn next_minute(&self, then: Timestamp) -> Option<Timestamp> {
        let left = MINUTE - self.since(then).as_secs() % MINUTE;
        self.after(left)
    }

    /// When an age as [`age`] shows it changes next.
    pub(crate) fn next_age(&self, then: Timestamp) -> Option<Timestamp> {
        let secs = self.since(then).as_secs();
        let unit = match secs {
            0..HOUR => MINUTE,
            HOUR..DAY => HOUR,
            _ => DAY,
        };
        self.after(unit - secs % unit)
    }

    /// When what is left until `then` changes next: every second in the last minute.
    pub(crate) fn next_count(&self, then: Timestamp) -> Option<Timestamp> {
        match self.until(then).as_secs() {
            0 if self.wall >= then => None,
            0..MINUTE => self.after(1),
            left => self.after(left % MINUTE + 1),
        }
    }

    fn after(&self, seconds: u64) -> Option<Timestamp> {
        self.wall.checked_add(Duration::from_secs(seconds)).ok()
    }

    /// The time of day, with the day where it is not today.
    pub(crate) fn clock(&self, at: Timestamp) -> String {
        self.written(at, "%H:%M", "%b %-d %H:%M")
    }

    /// The same to the second, where the order of things within a minute counts.
    pub(crate) fn clock_to_the_second(&self, at: Timestamp) -> String {
        self.written(at, "%H:%M:%S", "%m-%d %H:%M")
    }

    fn written(&self, at: Timestamp, today: &str, before: &str) -> String {
        let then = at.to_zoned(self.zone.clone());
        let now = self.wall.to_zoned(self.zone.clone());
        let form = if then.date() == now.date() {
            today
        } else {
            before
        };
        then.strftime(form).to_string()
    }
}

/// How long something has been so: whole minutes, then hours, then days.
pub(crate) fn age(span: Duration) -> String {
    match span.as_secs() {
        0..MINUTE => "<1m".to_owned(),
        s @ MINUTE..HOUR => format!("{}m", s / MINUTE),
        s @ HOUR..DAY => format!("{}h", s / HOUR),
        s => format!("{}d", s / DAY),
    }
}

/// As [`age`], with two units: `2h 14m`.
pub(crate) fn long_age(span: Duration) -> String {
    let s = span.as_secs();
    match s {
        HOUR..DAY => format!("{}h {}m", s / HOUR, s % HOUR / MINUTE),
        DAY.. => format!("{}d {}h", s / DAY, s % DAY / HOUR),
        _ => age(span),
    }
}

/// How long something took, or what is left of it: seconds count below a minute.
pub(crate) fn span(span: Duration) -> String {
    match span.as_secs() {
        s @ 0..MINUTE => format!("{s}s"),
        _ => age(span),
    }
}

/// How long a piece of work took, with two units: `4m 12s`.
pub(crate) fn took(span: Duration) -> String {
    let s = span.as_secs();
    match s {
        0..MINUTE => format!("{s}s"),
        MINUTE..HOUR => format!("{}m {}s", s / MINUTE, s % MINUTE),
        _ => long_age(span),
    }
}

/// Bytes in at most five columns: `412M`, `1.4G`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if count < 1000 {
        return format!("{count}B");
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "three digits of the result are shown"
    )]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let unit_name = UNITS[unit];
    if value < 9.95 && unit >= 2 {
        format!("{value:.1}{unit_name}")
    } else {
        format!("{value:.0}{unit_name}")
    }
}

/// A limit as it is written in `roles.toml`, else as [`bytes`].
pub(crate) fn limit(size: u64) -> String {
    limits::written(size).unwrap_or_else(|| bytes(size))
}

/// A sum of limits: as [`bytes`], but in the decimal unit that they were written in, where they were.
pub(crate) fn sum_of_limits(size: u64) -> String {
    const MB: u64 = 1_000_000;
    const MIB: u64 = 1 << 20;
    if size == 0 || !size.is_multiple_of(MB) || size.is_multiple_of(MIB) {
        return bytes(size);
    }
    match size / MB {
        mega @ 0..1000 => format!("{mega}MB"),
        mega => format!("{}.{}GB", mega / 1000, mega % 1000 / 100),
    }
}

/// A share in whole per cent.
pub(crate) fn percent(value: f64) -> String {
    format!("{:.0}%", value.max(0.0))
}

/// Cores with one decimal, two where they need them: `0.25`.
pub(crate) fn cores(value: f64) -> String {
    let written = format!("{value:.2}");
    match written.strip_suffix('0') {
        Some(short) => short.to_owned(),
        None => written,
    }
}

/// US dollars; `-` where nothing was spent.
pub(crate) fn money(usd: f64) -> String {
    if usd < 0.000_05 {
        "-".to_owned()
    } else if usd < 0.01 {
        "<$0.01".to_owned()
    } else if usd < 1000.0 {
        format!("${usd:.2}")
    } else {
        format!("${usd:.0}")
    }
}

/// A large count: `412k`.
pub(crate) fn count(n: u64) -> String {
    match n {
        0..1000 => n.to_string(),
        1000..1_000_000 => format!("{}k", n / 1000),
        _ => format!("{}.{}M", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

/// Tokens of both ways.
pub(crate) fn tokens(tokens: Tokens) -> String {
    format!("{} in, {} out", count(tokens.input), count(tokens.output))
}

/// A number with its noun.
pub(crate) fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A path, the home folder as `~`.
pub(crate) fn path(path: &Path, home: Option<&Path>) -> String {
    if let Some(home) = home
        && home.components().count() > 1
        && let Ok(rest) = path.strip_prefix(home)
    {
        return if rest.as_os_str().is_empty() {
            "~".to_owned()
        } else {
            format!("~/{}", rest.display())
        };
    }
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_minutes_after_the_first() {
        for (seconds, short, long) in [
            (0, "<1m", "<1m"),
            (59, "<1m", "<1m"),
            (60, "1m", "1m"),
            (3599, "59m", "59m"),
            (8040, "2h", "2h 14m"),
            (200_000, "2d", "2d 7h"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), short);
            assert_eq!(long_age(Duration::from_secs(seconds)), long);
        }
        assert_eq!(span(Duration::from_secs(24)), "24s");
        assert_eq!(took(Duration::from_secs(252)), "4m 12s");
    }

    #[test]
    fn sizes_take_at_most_five_columns() {
        for (size, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1K"),
            (412 << 20, "412M"),
            (1023 << 20, "1.0G"),
            (1468 << 20, "1.4G"),
            (23 << 30, "23G"),
            (u64::MAX, "16384P"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn limits_are_shown_as_they_are_written() {
        assert_eq!(limit(512_000_000), "512MB");
        assert_eq!(limit(1 << 31), "2GiB");
        assert_eq!(limit(1_500_000_001), "1.4G");
    }

    #[test]
    fn money_and_counts_are_short() {
        assert_eq!(money(0.0), "-");
        assert_eq!(money(0.004), "<$0.01");
        assert_eq!(money(1.2), "$1.20");
        assert_eq!(money(12_345.0), "$12345");
        assert_eq!(count(412_345), "412k");
        assert_eq!(count(1_250_000), "1.2M");
    }

    #[test]
    fn the_home_folder_is_a_tilde() {
        let home = Some(Path::new("/home/me"));
        assert_eq!(path(Path::new("/home/me/src"), home), "~/src");
        assert_eq!(path(Path::new("/home/me"), home), "~");
        assert_eq!(path(Path::new("/home/meg"), home), "/home/meg");
        assert_eq!(path(Path::new("/etc"), Some(Path::new("/"))), "/etc");
    }
}
