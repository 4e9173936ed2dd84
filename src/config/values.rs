//! Durations, sizes and schedules as people write them, and what to say when they cannot be read.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;
use jiff::tz::TimeZone;

/// Longer waits are slips of the keyboard, and would overflow the clock.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Why a value cannot be read: what it is, and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) why: &'static str,
    pub(super) help: String,
}

impl Unreadable {
    fn new(why: &'static str, help: impl Into<String>) -> Self {
        Self {
            why,
            help: help.into(),
        }
    }
}

/// Reads a duration: `30s`, `10m`, `1h 30m`.
pub(super) fn duration(text: &str) -> Result<Duration, Unreadable> {
    let text = text.trim();
    if let Some(bare) = bare_number(text) {
        return Err(Unreadable::new(
            "a duration needs a unit",
            format!("write \"{bare}s\" for seconds, \"{bare}m\" for minutes"),
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

/// Reads a size in bytes: `512MB` is 512,000,000 and `512MiB` is 536,870,912.
pub(super) fn size(text: &str) -> Result<u64, Unreadable> {
    let text = text.trim();
    if let Some(bare) = bare_number(text) {
        return Err(Unreadable::new(
            "a size needs a unit",
            format!("write \"{bare}MB\", or \"{bare}B\" if bytes are meant"),
        ));
    }
    if text.starts_with('-') {
        return Err(Unreadable::new(
            "a size cannot be negative",
            "leave the minus sign out",
        ));
    }
    match text.parse::<ByteSize>() {
        Ok(ByteSize(0)) => Err(Unreadable::new(
            "a size cannot be zero",
            "write for example \"512MB\"",
        )),
        Ok(size) => Ok(size.as_u64()),
        Err(_) => Err(Unreadable::new(
            "not a size",
            "write for example \"512MB\" (512,000,000 bytes), \"512MiB\" (536,870,912) or \"2GB\"",
        )),
    }
}

fn bare_number(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

/// Checks a schedule: `every 30m`, or five cron fields and, if wanted, a time zone.
pub(super) fn check_schedule(text: &str) -> Result<(), Unreadable> {
    if let Some(interval) = text.trim().strip_prefix("every ") {
        let length = duration(interval)?;
        if length < Duration::from_secs(1) {
            return Err(Unreadable::new(
                "an interval is at least one second",
                "write for example \"every 30m\"",
            ));
        }
        return Ok(());
    }
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if words.len() == FIELDS.len() + 1 {
        check_zone(words.remove(FIELDS.len()))?;
    }
    if words.len() != FIELDS.len() {
        return Err(Unreadable::new(
            "not a schedule",
            "write \"every 30m\", or minute, hour, day, month, weekday and, if wanted, a time zone: \"0 9 * * 1-5 Europe/Berlin\"",
        ));
    }
    words
        .iter()
        .zip(&FIELDS)
        .try_for_each(|(word, field)| field.check(word))
}

fn check_zone(name: &str) -> Result<(), Unreadable> {
    // A machine without time zone data cannot tell a wrong name from a right one.
    if jiff::tz::db().is_definitively_empty() || TimeZone::get(name).is_ok() {
        return Ok(());
    }
    let known: Vec<String> = jiff::tz::db()
        .available()
        .map(|zone| zone.as_str().to_owned())
        .collect();
    let help = super::nearest::meant(name, known.iter().map(String::as_str));
    Err(Unreadable::new(
        "unknown time zone",
        help.unwrap_or_else(|| "write a name such as Europe/Berlin or UTC".to_owned()),
    ))
}

/// One of the five fields of a cron expression.
struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    /// Names that stand for `low`, `low + 1` and so on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        low: 0,
        high: 59,
        names: &[],
    },
    Field {
        name: "hour",
        low: 0,
        high: 23,
        names: &[],
    },
    Field {
        name: "day of the month",
        low: 1,
        high: 31,
        names: &[],
    },
    Field {
        name: "month",
        low: 1,
        high: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "weekday",
        low: 0,
        high: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

impl Field {
    fn check(&self, word: &str) -> Result<(), Unreadable> {
        let readable = word.split(',').all(|part| self.reads(part));
        if readable {
            return Ok(());
        }
        let help = format!(
            "`{}` is no {}: write *, a number from {} to {}, a range 1-5, a list 1,3 or a step */5",
            word.escape_debug(),
            self.name,
            self.low,
            self.high
        );
        Err(Unreadable::new("not a schedule", help))
    }

    fn reads(&self, part: &str) -> bool {
        let (range, step) = part
            .split_once('/')
            .map_or((part, None), |(range, step)| (range, Some(step)));
        let step_reads = step.is_none_or(|step| number(step).is_some_and(|step| step > 0));
        let range_reads = range == "*"
            || match range.split_once('-') {
                None => self.value(range).is_some(),
                Some((from, to)) => {
                    matches!((self.value(from), self.value(to)), (Some(from), Some(to)) if from <= to)
                }
            };
        step_reads && range_reads
    }

    fn value(&self, word: &str) -> Option<u32> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(word));
        let value = match named {
            Some(at) => self.low + u32::try_from(at).ok()?,
            None => number(word)?,
        };
        (self.low..=self.high).contains(&value).then_some(value)
    }
}

fn number(word: &str) -> Option<u32> {
    word.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| word.parse().ok())
        .flatten()
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

    #[test]
    fn sizes_are_decimal_unless_they_say_i() {
        for (text, bytes) in [
            ("512MB", 512_000_000),
            ("512M", 512_000_000),
            ("1 GiB", 1 << 30),
            ("1.5GB", 1_500_000_000),
            ("10B", 10),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, why) in [
            ("512", "a size needs a unit"),
            ("-1GB", "a size cannot be negative"),
            ("0MB", "a size cannot be zero"),
            ("much", "not a size"),
        ] {
            assert_eq!(size(text).unwrap_err().why, why, "{text}");
        }
    }

    #[test]
    fn schedules_are_checked_field_by_field() {
        for good in [
            "every 30m",
            "0 9 * * 1-5",
            "*/5 0-6,22 1 jan-mar sun",
            "0 9 * * 1-5 UTC",
            "0 0 * * 7",
        ] {
            assert_eq!(check_schedule(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("every day", "not a duration"),
            ("every 0s", "an interval is at least one second"),
            ("60 * * * *", "not a schedule"),
            ("* * *", "not a schedule"),
            ("5-1 * * * *", "not a schedule"),
            ("*/0 * * * *", "not a schedule"),
            ("0 9 * * 1-5 Europe/Berlyn", "unknown time zone"),
        ] {
            assert_eq!(check_schedule(bad).unwrap_err().why, why, "{bad}");
        }
    }
}
