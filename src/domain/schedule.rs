//! Schedules: `every 30m`, or five cron fields and, if wanted, a time zone.
//!
//! Where the hour is `*`, a schedule goes by real time. Where hours are named it goes by the clock on
//! the wall, each time of it once: what the clock leaves out in spring comes right after, what it
//! shows twice in autumn comes the first time.

use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::nearest::nearest;
use crate::domain::time::{Mono, Now};
use crate::domain::written::{self, Unreadable};

/// How far the clock may be put back before times that have come are expected to come again.
const SLACK: Duration = Duration::from_secs(60);
/// The word for no schedule at all, over one of an outer layer.
const NEVER: &str = "never";
/// From here on every schedule that occurs at all does so.
const EPOCH: Timestamp = Timestamp::UNIX_EPOCH;

/// When something comes round, as it was written and as it is reckoned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule {
    text: String,
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    Never,
    Every(Duration),
    Cron {
        fields: Box<Cron>,
        /// The machine's own where none is named.
        zone: Option<TimeZone>,
        /// Whether it goes by real time: its hour is no matter.
        hourly: bool,
    },
}

/// When a schedule comes next, on both clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// Of which schedule: another text is another plan.
    pub schedule: String,
    /// By the clock on the wall.
    pub at: Timestamp,
    /// By the clock that only runs: an interval is due when either has come.
    pub mono: Mono,
}

/// What became of a plan when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing is due, and the plan stands.
    Stands,
    /// Nothing is due; the plan was made or made anew.
    Planned,
    /// It was due at this time. However often it was since, it is once.
    Due(Timestamp),
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

impl TryFrom<String> for Schedule {
    type Error = Unreadable;

    fn try_from(text: String) -> Result<Self, Unreadable> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.text
    }
}

impl FromStr for Schedule {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let text = text.trim();
        let rule = if text == NEVER {
            Rule::Never
        } else if let Some(interval) = text.strip_prefix("every ") {
            let length = written::duration(interval)?;
            if length < Duration::from_secs(1) {
                return Err(Unreadable::new(
                    "an interval is at least one second",
                    "write for example \"every 30m\"",
                ));
            }
            Rule::Every(length)
        } else {
            cron(text)?
        };
        let schedule = Self {
            text: text.to_owned(),
            rule,
        };
        if matches!(schedule.rule, Rule::Cron { .. })
            && schedule.next_after(EPOCH, &TimeZone::UTC).is_none()
        {
            return Err(Unreadable::new(
                "a day that never comes",
                "no month has that day; write one that there is",
            ));
        }
        Ok(schedule)
    }
}

impl Schedule {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is the word for no schedule.
    #[must_use]
    pub const fn is_never(&self) -> bool {
        matches!(self.rule, Rule::Never)
    }

    /// The first time after `after`; `zone` is the machine's. `None` if it never comes.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match &self.rule {
            Rule::Never => None,
            Rule::Every(length) => later(after, *length),
            Rule::Cron {
                fields,
                zone: own,
                hourly,
            } => {
                let zone = own.as_ref().unwrap_or(zone);
                let zoned = after.to_zoned(zone.clone());
                if *hourly {
                    let next = fields.find_next_occurrence(&zoned, false).ok()?;
                    return Some(next.timestamp());
                }
                // By the clock on the wall: each time of it once, in a gap right after it.
                let mut civil = zoned.datetime();
                loop {
                    civil = fields.find_next_occurrence(&civil, false).ok()?;
                    let at = civil.to_zoned(zone.clone()).ok()?.timestamp();
                    if at > after {
                        return Some(at);
                    }
                }
            }
        }
    }

    /// Plans the first time after now.
    fn plan(&self, now: Now, zone: &TimeZone) -> Option<Due> {
        let at = self.next_after(now.wall, zone)?;
        Some(self.due(at, now))
    }

    fn due(&self, at: Timestamp, now: Now) -> Due {
        let wait = Duration::try_from(at.duration_since(now.wall)).unwrap_or_default();
        Due {
            schedule: self.text.clone(),
            at,
            mono: now.mono + wait,
        }
    }

    /// Brings a plan in line with the clocks: makes it, moves it on when it is due, and makes it anew
    /// when the clock was put back, so that nothing comes twice and nothing waits for a year that
    /// was an error.
    pub fn look(&self, due: &mut Option<Due>, now: Now, zone: &TimeZone) -> Look {
        let Some(planned) = due.as_ref().filter(|due| due.schedule == self.text) else {
            *due = self.plan(now, zone);
            return Look::Planned;
        };
        let (at, mono) = (planned.at, planned.mono);
        match self.rule {
            Rule::Every(length) => {
                if at <= now.wall || mono <= now.mono {
                    // In step with what was planned, unless that is long past or the clock moved.
                    let next = later(at, length).filter(|next| {
                        *next > now.wall
                            && later(now.wall, length).is_some_and(|most| *next <= most)
                    });
                    let next = next.or_else(|| later(now.wall, length));
                    *due = next.map(|next| self.due(next, now));
                    return Look::Due(at);
                }
                if later(now.wall, length + SLACK).is_some_and(|latest| at > latest) {
                    let wait = mono.since(now.mono).min(length);
                    *due = later(now.wall, wait).map(|at| self.due(at, now));
                    return Look::Planned;
                }
            }
            Rule::Never | Rule::Cron { .. } => {
                if at <= now.wall {
                    *due = self.plan(now, zone);
                    return Look::Due(at);
                }
                let sooner = later(now.wall, SLACK)
                    .and_then(|from| self.next_after(from, zone))
                    .filter(|next| *next < at);
                if let Some(sooner) = sooner {
                    *due = Some(self.due(sooner, now));
                    return Look::Planned;
                }
            }
        }
        Look::Stands
    }

    /// How long after `now` a plan of it is due, at least a millisecond.
    #[must_use]
    pub fn wait(&self, due: &Due, now: Now) -> Duration {
        let wall = due.at.duration_since(now.wall);
        let wall = Duration::try_from(wall).unwrap_or_default();
        let wait = match self.rule {
            Rule::Every(_) => wall.min(due.mono.since(now.mono)),
            Rule::Never | Rule::Cron { .. } => wall,
        };
        // Deadlines are whole milliseconds, and one that is served too early is not due.
        Duration::from_millis(
            u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX),
        )
        .max(Duration::from_millis(1))
    }
}

fn later(from: Timestamp, by: Duration) -> Option<Timestamp> {
    let by = SignedDuration::try_from(by).ok()?;
    from.checked_add(by).ok()
}

fn cron(text: &str) -> Result<Rule, Unreadable> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let zone = if words.len() == FIELDS.len() + 1 {
        Some(zone(words.remove(FIELDS.len()))?)
    } else {
        None
    };
    if words.len() != FIELDS.len() {
        return Err(Unreadable::new(
            "not a schedule",
            "write \"every 30m\", or minute, hour, day, month, weekday and, if wanted, a time zone: \"0 9 * * 1-5 Europe/Berlin\"",
        ));
    }
    words
        .iter()
        .zip(&FIELDS)
        .try_for_each(|(word, field)| field.check(word))?;
    let fields: Cron = words.join(" ").parse().map_err(|error| {
        Unreadable::new(
            "not a schedule",
            format!("{error}: write for example \"0 9 * * 1-5\""),
        )
    })?;
    let hourly = words.get(1).is_some_and(|hour| hour.starts_with('*'));
    Ok(Rule::Cron {
        fields: Box::new(fields),
        zone,
        hourly,
    })
}

fn zone(name: &str) -> Result<TimeZone, Unreadable> {
    if let Ok(zone) = TimeZone::get(name) {
        return Ok(zone);
    }
    if jiff::tz::db().is_definitively_empty() {
        return Err(Unreadable::new(
            "no time zones are known here",
            "install the system's time zone data (tzdata), or leave the zone out",
        ));
    }
    let known: Vec<String> = jiff::tz::db()
        .available()
        .map(|zone| zone.as_str().to_owned())
        .collect();
    let near = nearest(name, known.iter().map(String::as_str));
    let help = near.first().map_or_else(
        || "write a name such as Europe/Berlin or UTC".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Err(Unreadable::new("unknown time zone", help))
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
                // A step needs something to step through.
                None => step.is_none() && self.value(range).is_some(),
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
    use proptest::prelude::*;

    fn schedule(text: &str) -> Schedule {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The next `count` times after `from`, as a clock in Berlin shows them.
    fn times(text: &str, from: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let (schedule, mut at) = (schedule(text), from.parse::<Timestamp>().unwrap());
        (0..count)
            .map(|_| {
                at = schedule.next_after(at, &zone).unwrap();
                at.to_zoned(zone.clone())
                    .strftime("%a %d %H:%M %Z")
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn schedules_are_checked_field_by_field() {
        for good in [
            "every 30m",
            "0 9 * * 1-5",
            "*/5 0-6,22 1 jan-mar sun",
            "0 9 * * 1-5 UTC",
            "0 0 * * 7",
            "0 0 29 2 *",
            "never",
        ] {
            schedule(good);
        }
        for (bad, why) in [
            ("every day", "not a duration"),
            ("every 0s", "an interval is at least one second"),
            ("60 * * * *", "not a schedule"),
            ("* * *", "not a schedule"),
            ("5-1 * * * *", "not a schedule"),
            ("*/0 * * * *", "not a schedule"),
            ("5/10 * * * *", "not a schedule"),
            ("0 0 30 2 *", "a day that never comes"),
            ("0 9 * * 1-5 Europe/Berlyn", "unknown time zone"),
        ] {
            assert_eq!(bad.parse::<Schedule>().unwrap_err().why, why, "{bad}");
        }
    }

    #[test]
    fn times_follow_the_fields_in_the_zone() {
        assert_eq!(
            times("0 9 * * 1-5", "2026-11-27T12:00:00Z", 2),
            ["Mon 30 09:00 CET", "Tue 01 09:00 CET"]
        );
        assert_eq!(
            times("0 9 * * * UTC", "2026-11-27T12:00:00Z", 1),
            ["Sat 28 10:00 CET"]
        );
        // Day of the month or weekday, whichever comes, as cron has it.
        assert_eq!(
            times("0 0 1 * mon", "2026-11-27T12:00:00Z", 2),
            ["Mon 30 00:00 CET", "Tue 01 00:00 CET"]
        );
    }

    #[test]
    fn d14_what_the_clock_leaves_out_in_spring_comes_once_right_after() {
        // 02:00 is followed by 03:00 on 29 March.
        assert_eq!(
            times("30 2 * * *", "2026-03-28T12:00:00Z", 2),
            ["Sun 29 03:30 CEST", "Mon 30 02:30 CEST"]
        );
        assert_eq!(
            times("0 2,3 * * *", "2026-03-28T12:00:00Z", 2),
            ["Sun 29 03:00 CEST", "Mon 30 02:00 CEST"]
        );
        assert_eq!(
            times("*/30 * * * *", "2026-03-29T00:30:00Z", 2),
            ["Sun 29 03:00 CEST", "Sun 29 03:30 CEST"]
        );
    }

    #[test]
    fn d14_what_the_clock_shows_twice_in_autumn_comes_once() {
        // 03:00 CEST is followed by 02:00 CET on 25 October.
        assert_eq!(
            times("30 2 * * *", "2026-10-24T12:00:00Z", 2),
            ["Sun 25 02:30 CEST", "Mon 26 02:30 CET"]
        );
        assert_eq!(
            times("0,30 2,14 * * *", "2026-10-24T13:00:00Z", 3),
            ["Sun 25 02:00 CEST", "Sun 25 02:30 CEST", "Sun 25 14:00 CET"]
        );
        // Half hours go on in real time.
        assert_eq!(
            times("*/30 * * * *", "2026-10-25T00:00:00Z", 4),
            [
                "Sun 25 02:30 CEST",
                "Sun 25 02:00 CET",
                "Sun 25 02:30 CET",
                "Sun 25 03:00 CET"
            ]
        );
    }

    fn at(wall: &str, mono: u64) -> Now {
        Now {
            mono: Mono(mono * 1000),
            wall: wall.parse().unwrap(),
        }
    }

    /// Looks at each of these moments; returns which of them were due.
    fn look(text: &str, moments: &[(&str, u64)]) -> Vec<usize> {
        let (schedule, mut due) = (schedule(text), None);
        let mut seen = Vec::new();
        for (number, (wall, mono)) in moments.iter().enumerate() {
            if let Look::Due(_) = schedule.look(&mut due, at(wall, *mono), &TimeZone::UTC) {
                seen.push(number);
            }
            assert!(
                due.as_ref()
                    .is_some_and(|due| due.at > at(wall, *mono).wall)
            );
        }
        seen
    }

    #[test]
    fn d13_what_was_missed_is_caught_up_once() {
        // The machine slept: the clock on the wall went on, the other did not.
        let asleep = [
            ("2026-11-28T10:00:00Z", 0),
            ("2026-11-28T14:00:00Z", 30),
            ("2026-11-28T14:00:30Z", 60),
        ];
        assert_eq!(look("*/10 * * * *", &asleep), [1]);
        assert_eq!(look("every 10m", &asleep), [1]);
    }

    #[test]
    fn d12_a_clock_that_goes_wrong_by_a_year_is_no_storm() {
        let moments = [
            ("2026-11-28T10:00:00Z", 0),
            ("2027-11-28T10:00:00Z", 30),
            ("2027-11-28T10:00:30Z", 60),
            // Put right: nothing waits for the year that was an error.
            ("2026-11-28T10:02:00Z", 120),
            ("2026-11-28T10:09:59Z", 599),
            ("2026-11-28T10:12:01Z", 721),
        ];
        assert_eq!(look("*/10 * * * *", &moments), [1, 5]);
        assert_eq!(look("every 10m", &moments), [1, 5]);
        let backwards = [
            ("2026-11-28T10:00:00Z", 0),
            ("2025-11-28T10:01:00Z", 60),
            ("2025-11-28T10:10:01Z", 601),
            ("2025-11-28T10:10:31Z", 631),
        ];
        assert_eq!(look("*/10 * * * *", &backwards), [2]);
        assert_eq!(look("every 10m", &backwards), [2]);
    }

    #[test]
    fn a_clock_that_is_put_right_by_seconds_brings_nothing_twice() {
        let moments = [
            ("2026-11-28T09:59:00Z", 0),
            ("2026-11-28T10:00:00Z", 60),
            ("2026-11-28T09:59:57Z", 61),
            ("2026-11-28T10:00:00Z", 64),
        ];
        assert_eq!(look("0 * * * *", &moments), [1]);
    }

    #[test]
    fn another_schedule_is_another_plan() {
        let mut due = None;
        let now = at("2026-11-28T10:00:00Z", 0);
        schedule("every 1s").look(&mut due, now, &TimeZone::UTC);
        let later = at("2026-11-28T11:00:00Z", 3600);
        let look = schedule("every 1h").look(&mut due, later, &TimeZone::UTC);
        assert_eq!(look, Look::Planned);
    }

    proptest! {
        #[test]
        fn a_plan_that_was_served_is_not_due_again(
            text in prop::sample::select(vec!["every 1s", "every 90s", "* * * * *", "30 2 * * *", "0 */6 1 * *"]),
            steps in prop::collection::vec((-400_000_000_i64..400_000_000, 0..400_000_000_u64), 1..40),
        ) {
            let schedule = schedule(text);
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let mut now = at("2026-10-24T22:00:00Z", 0);
            let mut due = None;
            for (wall, mono) in steps {
                now.wall = now.wall.checked_add(SignedDuration::from_millis(wall)).unwrap();
                now.mono = now.mono + Duration::from_millis(mono);
                schedule.look(&mut due, now, &zone);
                prop_assert_eq!(schedule.look(&mut due, now, &zone), Look::Stands);
                let wait = schedule.wait(due.as_ref().unwrap(), now);
                prop_assert!(wait >= Duration::from_millis(1));
                // And when it has come it is due.
                let then = now + wait;
                let mut copy = due.clone();
                prop_assert!(matches!(schedule.look(&mut copy, then, &zone), Look::Due(_)));
            }
        }
    }
}
