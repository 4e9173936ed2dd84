//! How a live run does: what it is asked, what is seen of it, and what both come to.
//!
//! A check is a question and its answer or time-out; one follows the other, they never overlap. What
//! is shown gets worse with the check that says so, and better with the second in a row: an agent
//! that comes and goes is shown as what it is, in trouble, and not as healthy now and then.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::id::RunId;
use crate::domain::snapshot::Health;
use crate::domain::sustained::Sustained;
use crate::domain::time::{Mono, Now, in_words};

/// An answer that takes longer is one of a process that has too much to do.
const SLOW: Duration = Duration::from_millis(500);
/// Checks in a row without an answer until it counts as not responding.
const OFFLINE: u32 = 2;
/// Checks in a row that something must show at, to be taken for more than chance.
const TWICE: u32 = 2;
/// From this share of one core on, a process that says nothing spins.
const SPINNING: f64 = 90.0;
/// Questions that are left in the pipe of an agent that does not read: after these it is only
/// waited for.
const UNREAD: u32 = 3;

/// The `health` table of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthRule {
    /// From one check to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long a busy process may say nothing, with no tool running and nobody asked.
    pub silence: Duration,
    /// Whether one that does not respond, or is stuck in its turn, is restarted.
    pub restart: bool,
}

impl Default for HealthRule {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            silence: Duration::from_secs(300),
            restart: false,
        }
    }
}

/// What is known of a run's work in the moment of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// Since it said anything but answers to pings.
    pub quiet: Duration,
    /// Tools that it has running; `None` if that is not known.
    pub tools: Option<usize>,
}

/// What a run comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it does.
    pub level: Health,
    /// Why, for a person.
    pub why: String,
    /// The same without figures, which stays the same while it lasts.
    pub brief: &'static str,
    /// Whether a restart may mend it.
    pub stuck: bool,
}

impl Finding {
    fn new(level: Health, why: impl Into<String>) -> Self {
        Self {
            level,
            why: why.into(),
            brief: "",
            stuck: false,
        }
    }

    fn stuck(level: Health, brief: &'static str, why: String) -> Self {
        Self {
            brief,
            stuck: true,
            ..Self::new(level, why)
        }
    }

    /// Whether this is worse than another.
    #[must_use]
    pub fn is_worse_than(&self, other: &Self) -> bool {
        badness(self.level) > badness(other.level)
    }
}

/// Higher is worse.
#[must_use]
pub const fn badness(level: Health) -> u8 {
    match level {
        Health::Healthy => 0,
        Health::Unknown => 1,
        Health::Warning => 2,
        Health::Critical => 3,
        Health::Offline => 4,
    }
}

/// What the fleet knows besides, in the moment of a judgement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Whether it works, by its own word or ours.
    pub busy: bool,
    /// Whether it waits for a person.
    pub waiting: bool,
    /// Of one core, by the last sample.
    pub cpu_percent: Option<f64>,
    /// Attempts of the last hour that failed, and all of them.
    pub failed: (usize, usize),
}

/// A question on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    number: u64,
    by: Mono,
}

/// What is to be done at a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Ask, under this number.
    Ask(u64),
    /// A check is over; judge what is known.
    Judge,
    /// Nothing, but that time passed.
    Nothing,
}

/// The checks of one run.
#[derive(Debug, Clone)]
pub struct Checkup {
    /// Which run.
    pub run: RunId,
    // Whether it can be asked; a command cannot, nor one below a shim that passes nothing on.
    asks: bool,
    // Why it cannot, where it can be told.
    mute: &'static str,
    next: Mono,
    asked: Option<Asked>,
    last: u64,
    unread: u32,
    missed: u32,
    missing_since: Option<Mono>,
    slow: u32,
    spinning: u32,
    pulse: Option<Pulse>,
    /// How long the last answer took.
    pub answer: Option<Duration>,
    /// When a check ended last.
    pub checked: Option<Timestamp>,
    /// CPU against its limit.
    pub cpu: Sustained,
    /// Memory against its limit.
    pub memory: Sustained,
    /// What is shown.
    pub shown: Finding,
    better: u32,
}

impl Checkup {
    /// Of an agent that can be asked. One that has just answered needs no question yet.
    #[must_use]
    pub fn of_agent(run: RunId, rule: &HealthRule, now: Now, has_answered: bool) -> Self {
        let mut checkup = Self::new(run, now.mono);
        checkup.asks = true;
        checkup.shown = Finding::new(Health::Unknown, "it has not been asked yet");
        if has_answered {
            checkup.next = now.mono + rule.interval;
            checkup.checked = Some(now.wall);
            checkup.shown = Finding::new(Health::Healthy, "it answered that it is ready");
        }
        checkup
    }

    /// Of a command: that it lives, and what it uses, is all there is to know.
    #[must_use]
    pub fn of_command(run: RunId, rule: &HealthRule, now: Now) -> Self {
        let mut checkup = Self::new(run, now.mono + rule.interval);
        checkup.mute = "its process lives; a command cannot be asked how it does";
        checkup.shown = Finding::new(Health::Unknown, checkup.mute);
        checkup
    }

    fn new(run: RunId, next: Mono) -> Self {
        Self {
            run,
            asks: false,
            mute: "",
            next,
            asked: None,
            last: 0,
            unread: 0,
            missed: 0,
            missing_since: None,
            slow: 0,
            spinning: 0,
            pulse: None,
            answer: None,
            checked: None,
            cpu: Sustained::default(),
            memory: Sustained::default(),
            shown: Finding::new(Health::Unknown, ""),
            better: 0,
        }
    }

    /// When something is due.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        self.asked.map_or(self.next, |asked| asked.by)
    }

    /// Checks in a row without an answer.
    #[must_use]
    pub const fn missed(&self) -> u32 {
        self.missed
    }

    /// Makes a check due now; `false` if it cannot be asked.
    pub fn hasten(&mut self, now: Mono) -> bool {
        if self.asks && self.asked.is_none() {
            self.next = now;
        }
        self.asks
    }

    /// It turned out that it cannot be asked.
    pub fn cannot_be_asked(&mut self, rule: &HealthRule, now: Mono) {
        self.asks = false;
        self.mute = "its process lives; its shim is of an older build and passes no question on";
        self.asked = None;
        self.next = now + rule.interval;
    }

    /// Serves what is due.
    pub fn due(&mut self, rule: &HealthRule, now: Now) -> Due {
        if let Some(asked) = self.asked {
            if asked.by > now.mono {
                return Due::Nothing;
            }
            self.asked = None;
            self.missed += 1;
            self.missing_since
                .get_or_insert(Mono(asked.number.min(now.mono.0)));
            self.end_check(rule, now);
            return Due::Judge;
        }
        if self.next > now.mono {
            return Due::Nothing;
        }
        if !self.asks {
            self.end_check(rule, now);
            return Due::Judge;
        }
        // Its number is its time, so that a late answer says how late it is; and unique.
        let number = now.mono.0.max(self.last + 1);
        self.asked = Some(Asked {
            number,
            by: now.mono + rule.timeout,
        });
        if self.unread >= UNREAD {
            return Due::Nothing;
        }
        self.last = number;
        self.unread += 1;
        Due::Ask(number)
    }

    /// Takes an answer; returns whether that ended a check. One that comes late is a sign of life all
    /// the same, and of how slow it is.
    pub fn answered(&mut self, number: u64, pulse: Pulse, rule: &HealthRule, now: Now) -> bool {
        let took = now.mono.since(Mono(number));
        let in_time = self.asked.filter(|asked| asked.number == number).is_some();
        // Answers come in order: what was asked before this was answered or is lost.
        self.unread = if number == self.last {
            0
        } else {
            self.unread.saturating_sub(1)
        };
        self.answer = Some(took);
        self.missed = 0;
        self.missing_since = None;
        self.slow = if took > SLOW { self.slow + 1 } else { 0 };
        self.pulse = Some(pulse);
        if in_time {
            self.asked = None;
            self.end_check(rule, now);
        } else {
            // Nothing was said of it in time: that is worth more than one slow answer.
            self.slow = self.slow.max(TWICE);
        }
        in_time
    }

    fn end_check(&mut self, rule: &HealthRule, now: Now) {
        self.checked = Some(now.wall);
        // In doubt the next check comes sooner.
        let in_doubt = self.missed > 0 || (self.asks && badness(self.shown.level) >= 4);
        let wait = if in_doubt {
            rule.interval.min(rule.timeout)
        } else {
            rule.interval
        };
        self.next = now.mono + wait;
    }

    /// Judges after a check; returns whether what is shown has changed.
    pub fn judge(&mut self, rule: &HealthRule, seen: Seen, now: Mono) -> bool {
        let talks = self.pulse.is_none_or(|pulse| pulse.quiet < rule.interval);
        let works = self.pulse.and_then(|pulse| pulse.tools) != Some(0);
        let spins = seen.cpu_percent.is_some_and(|percent| percent >= SPINNING);
        self.spinning = if spins && !talks && !works {
            self.spinning + 1
        } else {
            0
        };
        let found = self.find(rule, seen, now);
        let changed = found != self.shown;
        if badness(found.level) >= badness(self.shown.level) {
            self.better = 0;
            self.shown = found;
            return changed;
        }
        self.better += 1;
        if self.better < TWICE && self.shown.level != Health::Unknown {
            return false;
        }
        self.better = 0;
        self.shown = found;
        changed
    }

    /// What the evidence comes to by itself, the worst first.
    fn find(&self, rule: &HealthRule, seen: Seen, now: Mono) -> Finding {
        let mut worst = self.responds(now);
        for found in [
            self.progresses(rule, seen),
            self.spins(),
            fails(seen.failed),
            self.uses(),
        ]
        .into_iter()
        .flatten()
        {
            if found.is_worse_than(&worst) {
                worst = found;
            }
        }
        worst
    }

    fn responds(&self, now: Mono) -> Finding {
        if !self.asks {
            return Finding::new(Health::Unknown, self.mute);
        }
        if let Some(since) = self.missing_since {
            let seconds = now.since(since).as_secs();
            let why = format!("it has not answered for {seconds} s");
            return if self.missed >= OFFLINE {
                Finding::stuck(Health::Offline, "it does not respond", why)
            } else {
                Finding::new(Health::Warning, why)
            };
        }
        let Some(took) = self.answer else {
            return self.shown.clone();
        };
        let why = format!("it answered in {}", short(took));
        if self.slow >= TWICE {
            Finding::new(Health::Warning, format!("{why}: it is slow"))
        } else {
            Finding::new(Health::Healthy, why)
        }
    }

    /// A busy process that says nothing, with no tool running and nobody asked.
    fn progresses(&self, rule: &HealthRule, seen: Seen) -> Option<Finding> {
        let pulse = self.pulse?;
        if !seen.busy || seen.waiting || pulse.tools != Some(0) || pulse.quiet < rule.silence {
            return None;
        }
        let why = format!(
            "it is busy and has said nothing for {}, with no tool running",
            in_words(pulse.quiet)
        );
        Some(if pulse.quiet >= rule.silence * 2 {
            Finding::stuck(
                Health::Critical,
                "it is busy, says nothing, and no tool runs",
                why,
            )
        } else {
            Finding::new(Health::Warning, why)
        })
    }

    fn spins(&self) -> Option<Finding> {
        (self.spinning >= TWICE).then(|| {
            Finding::new(
                Health::Warning,
                "it uses a whole core and says nothing, with no tool running",
            )
        })
    }

    fn uses(&self) -> Option<Finding> {
        let (what, figure) = match (self.memory.high, self.cpu.high) {
            (true, _) => ("memory", self.memory),
            (_, true) => ("CPU", self.cpu),
            _ => return None,
        };
        let why = format!("its {what} is at {:.0} % of its limit", figure.percent);
        Some(Finding::new(Health::Warning, why))
    }
}

/// Many of its last attempts failed.
fn fails((failed, all): (usize, usize)) -> Option<Finding> {
    let why = format!("{failed} of its last {all} attempts failed");
    if all >= 5 && failed == all {
        Some(Finding {
            brief: "its attempts fail",
            ..Finding::new(Health::Critical, why)
        })
    } else if all >= 3 && failed * 2 >= all {
        Some(Finding::new(Health::Warning, why))
    } else {
        None
    }
}

fn short(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const RULE: HealthRule = HealthRule {
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        silence: Duration::from_secs(300),
        restart: false,
    };

    fn t0() -> Now {
        Now {
            mono: Mono(1_000_000),
            wall: Timestamp::from_second(1_795_000_000).unwrap(),
        }
    }

    /// One that works off checks on a clock of its own.
    struct Bench {
        checkup: Checkup,
        now: Now,
        seen: Seen,
        asked: Vec<u64>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                checkup: Checkup::of_agent(RunId(1), &RULE, t0(), true),
                now: t0(),
                seen: Seen::default(),
                asked: vec![],
            }
        }

        /// Serves the next deadline.
        fn next(&mut self) -> Due {
            let at = self.checkup.deadline();
            self.now = self.now + at.since(self.now.mono);
            let due = self.checkup.due(&RULE, self.now);
            match due {
                Due::Ask(number) => self.asked.push(number),
                Due::Judge => {
                    self.checkup.judge(&RULE, self.seen, self.now.mono);
                }
                Due::Nothing => {}
            }
            assert!(self.checkup.deadline() > self.now.mono, "it stays due");
            due
        }

        /// A check that is answered after this long.
        fn good(&mut self, took: Duration, pulse: Pulse) -> Health {
            assert!(matches!(self.next(), Due::Ask(_)));
            self.now = self.now + took;
            let number = *self.asked.last().unwrap();
            if self.checkup.answered(number, pulse, &RULE, self.now) {
                self.checkup.judge(&RULE, self.seen, self.now.mono);
            }
            self.checkup.shown.level
        }

        /// A check that nobody answers.
        fn miss(&mut self) -> Health {
            self.next();
            assert_eq!(self.next(), Due::Judge);
            self.checkup.shown.level
        }
    }

    const TALKS: Pulse = Pulse {
        quiet: SECOND,
        tools: Some(0),
    };

    fn silent(minutes: u64) -> Pulse {
        Pulse {
            quiet: SECOND * 60 * u32::try_from(minutes).unwrap(),
            tools: Some(0),
        }
    }

    #[test]
    fn c8_a_probe_that_hangs_times_out_and_the_second_in_a_row_is_offline() {
        let mut bench = Bench::new();
        assert_eq!(bench.good(SECOND / 100, TALKS), Health::Healthy);
        assert_eq!(bench.miss(), Health::Warning);
        let before = bench.now;
        assert_eq!(bench.miss(), Health::Offline);
        assert_eq!(
            bench.now.mono.since(before.mono),
            10 * SECOND,
            "in doubt sooner"
        );
        assert!(
            bench.checkup.shown.why.contains("15 s"),
            "{}",
            bench.checkup.shown.why
        );
        assert!(bench.checkup.shown.stuck);
    }

    #[test]
    fn c8_questions_never_overlap_and_a_deaf_agent_is_left_few_of_them() {
        let mut bench = Bench::new();
        for _ in 0..20 {
            bench.next();
            assert!(bench.checkup.asked.is_some());
            let before = bench.checkup.deadline();
            assert!(bench.checkup.hasten(bench.now.mono));
            assert_eq!(bench.checkup.deadline(), before, "one at a time");
            bench.next();
            assert!(bench.checkup.asked.is_none());
        }
        assert_eq!(bench.asked.len(), 3);
        assert_eq!(bench.checkup.shown.level, Health::Offline);
        // It goes on: all that waited is answered late, and it is asked again.
        for number in bench.asked.clone() {
            assert!(!bench.checkup.answered(number, TALKS, &RULE, bench.now));
        }
        assert_eq!(
            bench.good(SECOND / 100, TALKS),
            Health::Offline,
            "once is chance"
        );
        assert_eq!(bench.good(SECOND / 100, TALKS), Health::Healthy);
    }

    #[test]
    fn c8_one_that_flaps_is_shown_in_trouble_all_the_time() {
        let mut bench = Bench::new();
        bench.miss();
        for _ in 0..10 {
            assert_eq!(bench.good(SECOND / 100, TALKS), Health::Warning);
            assert_eq!(bench.miss(), Health::Warning);
        }
        bench.good(SECOND / 100, TALKS);
        assert_eq!(bench.good(SECOND / 100, TALKS), Health::Healthy);
    }

    #[test]
    fn one_that_always_answers_too_late_is_slow_and_not_gone() {
        let mut bench = Bench::new();
        for _ in 0..5 {
            assert_ne!(bench.miss(), Health::Offline);
            bench.now = bench.now + 2 * SECOND;
            let number = *bench.asked.last().unwrap();
            assert!(!bench.checkup.answered(number, TALKS, &RULE, bench.now));
            assert_eq!(bench.checkup.answer, Some(7 * SECOND));
        }
        assert_eq!(bench.checkup.shown.level, Health::Warning);
    }

    #[test]
    fn slow_answers_count_from_the_second_on() {
        let mut bench = Bench::new();
        assert_eq!(bench.good(SECOND, TALKS), Health::Healthy);
        assert_eq!(bench.good(SECOND, TALKS), Health::Warning);
        assert!(bench.checkup.shown.why.contains("1.0 s"));
        assert_eq!(bench.good(SECOND / 100, TALKS), Health::Warning);
        assert_eq!(bench.good(SECOND / 100, TALKS), Health::Healthy);
    }

    #[test]
    fn c9_silence_counts_only_while_busy_with_no_tool_and_nobody_asked() {
        let busy = Seen {
            busy: true,
            ..Seen::default()
        };
        let waiting = Seen {
            waiting: true,
            ..busy
        };
        let tool = Pulse {
            tools: Some(1),
            ..silent(60)
        };
        let unknown = Pulse {
            tools: None,
            ..silent(60)
        };
        for (seen, pulse, level) in [
            (busy, silent(4), Health::Healthy),
            (busy, silent(5), Health::Warning),
            (busy, silent(10), Health::Critical),
            (Seen::default(), silent(60), Health::Healthy),
            (waiting, silent(60), Health::Healthy),
            (busy, tool, Health::Healthy),
            (busy, unknown, Health::Healthy),
        ] {
            let mut bench = Bench::new();
            bench.seen = seen;
            assert_eq!(bench.good(SECOND / 100, pulse), level, "{seen:?} {pulse:?}");
        }
    }

    #[test]
    fn c9_one_that_spins_and_says_nothing_is_flagged_by_the_second_check() {
        let mut bench = Bench::new();
        bench.seen.cpu_percent = Some(100.0);
        assert_eq!(bench.good(SECOND / 100, silent(1)), Health::Healthy);
        assert_eq!(bench.good(SECOND / 100, silent(1)), Health::Warning);
        assert!(bench.checkup.shown.why.contains("a whole core"));
        let mut bench = Bench::new();
        bench.seen.cpu_percent = Some(100.0);
        for _ in 0..4 {
            assert_eq!(bench.good(SECOND / 100, TALKS), Health::Healthy);
        }
    }

    #[test]
    fn a_command_is_never_healthy_without_evidence() {
        let mut checkup = Checkup::of_command(RunId(1), &RULE, t0());
        assert_eq!(checkup.shown.level, Health::Unknown);
        let now = t0() + RULE.interval;
        assert_eq!(checkup.due(&RULE, now), Due::Judge);
        checkup.judge(&RULE, Seen::default(), now.mono);
        assert_eq!(checkup.shown.level, Health::Unknown);
        checkup.memory.high = true;
        checkup.memory.percent = 91.0;
        checkup.judge(&RULE, Seen::default(), now.mono);
        assert_eq!(checkup.shown.level, Health::Warning);
        assert!(checkup.shown.why.contains("91 %"));
        assert!(!checkup.hasten(now.mono));
    }

    #[test]
    fn many_failures_are_a_warning_and_nothing_but_failures_critical() {
        for (failed, level) in [
            ((0, 0), None),
            ((2, 2), None),
            ((1, 3), None),
            ((2, 4), Some(Health::Warning)),
            ((4, 4), Some(Health::Warning)),
            ((5, 5), Some(Health::Critical)),
        ] {
            assert_eq!(fails(failed).map(|found| found.level), level, "{failed:?}");
        }
    }
}
