//! Automatic scaling: when one more of a role is hired, and what keeps from it.
//!
//! A condition must hold for a while before anything follows, and begins anew after each hire; a
//! strained machine must be calm for a while before anybody is hired on it: nothing flaps.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::snapshot::Machine;
use crate::domain::time::Mono;

/// With more of the machine's memory in use nobody is hired.
const MEMORY: f64 = 80.0;
/// With more than this share of time waited for memory, a core or a disk neither.
const MEMORY_PRESSURE: f64 = 10.0;
const CPU_PRESSURE: f64 = 80.0;
const IO_PRESSURE: f64 = 80.0;
/// How long a machine must be calm until it counts as that again.
const CALM: Duration = Duration::from_secs(60);
/// How long what was done is news.
const NEWS: SignedDuration = SignedDuration::from_mins(10);

/// When one more is hired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleRule {
    /// A queue is long with more tasks than this for each who is up.
    pub tasks_per_process: u32,
    /// For so long.
    pub sustained: Duration,
    /// Also a short one, if nobody has been free for so long.
    pub wait: Duration,
}

impl Default for ScaleRule {
    fn default() -> Self {
        Self {
            tasks_per_process: 3,
            sustained: Duration::from_secs(60),
            wait: Duration::from_secs(300),
        }
    }
}

/// What waits, and for how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Tasks that could be worked on at once.
    pub tasks: usize,
    /// Who works through them, or will in a moment.
    pub up: usize,
    /// Whether one of these is about to be free.
    pub coming: bool,
}

/// Since when the two conditions have held for one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watch {
    long_since: Option<Mono>,
    alone_since: Option<Mono>,
}

impl Watch {
    /// Looks at what waits now; returns whether one more is to be hired. `triggers` are those that are
    /// switched on: a long queue, and that nobody is free.
    pub fn look(
        &mut self,
        demand: Demand,
        rule: &ScaleRule,
        (long_queue, nobody_free): (bool, bool),
        now: Mono,
    ) -> bool {
        let most = demand.up.saturating_mul(rule.tasks_per_process as usize);
        let long = long_queue && demand.tasks > most;
        let alone = nobody_free && demand.tasks > 0 && !demand.coming;
        self.long_since = long.then(|| self.long_since.unwrap_or(now));
        self.alone_since = alone.then(|| self.alone_since.unwrap_or(now));
        let held = |since: Option<Mono>, time: Duration| since.is_some_and(|at| at + time <= now);
        held(self.long_since, rule.sustained) || held(self.alone_since, rule.wait)
    }

    /// When one of the conditions will have held for long enough, as things stand.
    #[must_use]
    pub fn due(&self, rule: &ScaleRule) -> Option<Mono> {
        let long = self.long_since.map(|at| at + rule.sustained);
        let alone = self.alone_since.map(|at| at + rule.wait);
        long.into_iter().chain(alone).min()
    }
}

/// Whether the machine has room for one more.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Strain {
    why: Option<String>,
    calm_since: Option<Mono>,
}

impl Strain {
    /// Takes in new figures.
    pub fn look(&mut self, machine: &Machine, now: Mono) {
        if let Some(why) = strain(machine) {
            self.why = Some(why);
            self.calm_since = None;
        } else if self.why.is_some() {
            let since = *self.calm_since.get_or_insert(now);
            if now.since(since) >= CALM {
                *self = Self::default();
            }
        }
    }

    /// Why nobody is hired on it; `None` if it is calm.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

fn strain(machine: &Machine) -> Option<String> {
    let pressure = machine.pressure.unwrap_or_default();
    let used = if machine.memory_total == 0 {
        0.0
    } else {
        machine.memory_used as f64 * 100.0 / machine.memory_total as f64
    };
    let causes = [
        ("memory", used, MEMORY),
        ("waits for memory", pressure.memory_percent, MEMORY_PRESSURE),
        ("waits for a core", pressure.cpu_percent, CPU_PRESSURE),
        ("waits for a disk", pressure.io_percent, IO_PRESSURE),
    ];
    let (what, share, _) = causes.into_iter().find(|(_, share, most)| share > most)?;
    Some(format!("{what} {share:.0} %"))
}

/// What automatic scaling did last for a role, or why it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalingView {
    /// The cluster, where it is about one.
    pub cluster: Option<String>,
    /// The role.
    pub role: String,
    /// Since when it holds, or when it was done.
    pub at: Timestamp,
    /// Whether it holds although more are wanted.
    pub holds: bool,
    /// In one line.
    pub text: String,
}

impl ScalingView {
    /// Whether it is still to be shown.
    #[must_use]
    pub fn is_news(&self, now: Timestamp) -> bool {
        self.holds || now.duration_since(self.at) < NEWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::snapshot::Pressure;

    const S: Duration = Duration::from_secs(1);

    fn demand(tasks: usize, up: usize) -> Demand {
        Demand {
            tasks,
            up,
            coming: false,
        }
    }

    #[test]
    fn a_queue_must_be_long_for_a_while_and_a_short_moment_begins_anew() {
        let (rule, t0) = (ScaleRule::default(), Mono(0));
        let mut watch = Watch::default();
        let mut look = |tasks, at| watch.look(demand(tasks, 2), &rule, (true, false), at);
        assert!(!look(7, t0));
        assert!(!look(7, t0 + 59 * S));
        // Six for two is not long.
        assert!(!look(6, t0 + 60 * S));
        assert!(!look(7, t0 + 61 * S));
        assert!(!look(9, t0 + 120 * S));
        assert!(look(9, t0 + 121 * S));
        assert_eq!(watch.due(&rule), Some(t0 + 121 * S));
    }

    #[test]
    fn a_short_queue_counts_when_nobody_has_been_free_for_long() {
        let (rule, t0) = (ScaleRule::default(), Mono(0));
        let mut watch = Watch::default();
        let mut look = |coming, at| {
            let demand = Demand {
                coming,
                ..demand(1, 1)
            };
            watch.look(demand, &rule, (true, true), at)
        };
        assert!(!look(false, t0));
        assert!(!look(true, t0 + 200 * S));
        assert!(!look(false, t0 + 201 * S));
        assert!(!look(false, t0 + 500 * S));
        assert!(look(false, t0 + 501 * S));
        // Switched off, it does not.
        assert!(!watch.look(demand(1, 1), &rule, (true, false), t0 + 900 * S));
    }

    #[test]
    fn a_strained_machine_must_be_calm_for_a_minute() {
        let machine = |used, memory_percent| Machine {
            memory_used: used,
            memory_total: 100,
            pressure: Some(Pressure {
                memory_percent,
                ..Pressure::default()
            }),
            ..Machine::default()
        };
        let mut strain = Strain::default();
        strain.look(&machine(80, 0.0), Mono(0));
        assert_eq!(strain.why(), None);
        strain.look(&machine(82, 0.0), Mono(0));
        assert_eq!(strain.why(), Some("memory 82 %"));
        strain.look(&machine(50, 0.0), Mono(0) + 10 * S);
        strain.look(&machine(50, 0.0), Mono(0) + 69 * S);
        assert_eq!(strain.why(), Some("memory 82 %"));
        strain.look(&machine(50, 12.4), Mono(0) + 70 * S);
        assert_eq!(strain.why(), Some("waits for memory 12 %"));
        strain.look(&machine(50, 0.0), Mono(0) + 80 * S);
        strain.look(&machine(50, 0.0), Mono(0) + 140 * S);
        assert_eq!(strain.why(), None);
        // What is not known keeps from nothing.
        strain.look(&Machine::default(), Mono(0) + 150 * S);
        assert_eq!(strain.why(), None);
    }
}
