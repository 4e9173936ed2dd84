//! `auto_restart`, wherever it stands: `[automation]`, `[defaults]`, a department, a role.

use std::time::Duration;

use crate::domain::restart::{AutoRestart, Backoff, Window};

use super::document::value_or;
use super::layer::Set;
use super::reader::{Table, Value};

/// What one table sets; the rest comes from the table around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Restart {
    enabled: Set<bool>,
    max_retries: Set<u32>,
    retry_delay: Set<Duration>,
    backoff: Set<Backoff>,
    max_delay: Set<Duration>,
    stable_after: Set<Duration>,
    failures: Set<u32>,
    within: Set<Duration>,
}

impl Restart {
    /// Reads the `auto_restart` table of `table`, if it has one.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let Some(table) = table.table("auto_restart") else {
            return Self::default();
        };
        let window = table.table("window");
        let read = Self {
            enabled: table.read("enabled", Value::boolean),
            max_retries: table.read("max_retries", |value| value.whole(0..=1000)),
            retry_delay: table.read("retry_delay", Value::duration),
            backoff: table.read("backoff", |value| {
                value.choice(&[
                    ("constant", Backoff::Constant),
                    ("exponential", Backoff::Exponential),
                ])
            }),
            max_delay: table.read("max_delay", Value::duration),
            stable_after: table.read("stable_after", Value::duration),
            failures: window
                .as_ref()
                .and_then(|window| window.read("failures", |value| value.whole(1..=10_000))),
            within: window
                .as_ref()
                .and_then(|window| window.read("within", Value::interval)),
        };
        window.into_iter().for_each(Table::finish);
        table.finish();
        read
    }

    /// This over an outer one.
    pub(super) fn over(self, outer: Self) -> Self {
        Self {
            enabled: self.enabled.or(outer.enabled),
            max_retries: self.max_retries.or(outer.max_retries),
            retry_delay: self.retry_delay.or(outer.retry_delay),
            backoff: self.backoff.or(outer.backoff),
            max_delay: self.max_delay.or(outer.max_delay),
            stable_after: self.stable_after.or(outer.stable_after),
            failures: self.failures.or(outer.failures),
            within: self.within.or(outer.within),
        }
    }

    /// With the standard values for what nobody sets.
    pub(super) fn resolve(self) -> AutoRestart {
        let standard = AutoRestart::default();
        let max_retries = value_or(self.max_retries, standard.max_retries);
        let stable_after = value_or(self.stable_after, standard.stable_after);
        let window = Window::of(max_retries, stable_after);
        AutoRestart {
            enabled: value_or(self.enabled, standard.enabled),
            max_retries,
            retry_delay: value_or(self.retry_delay, standard.retry_delay),
            backoff: value_or(self.backoff, standard.backoff),
            max_delay: value_or(self.max_delay, standard.max_delay),
            stable_after,
            window: Window {
                failures: value_or(self.failures, window.failures),
                within: value_or(self.within, window.within),
            },
        }
    }
}
