//! What the environment says: where things are kept, how fast to be, and which fault to start with.

use std::{env, path::PathBuf, time::Duration};

/// Everything the simulated agent takes from its environment, read once at the start.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) cwd: PathBuf,
    pub(super) config: PathBuf,
    /// `HEADCOUNT_SIM_PACE`, the time between two deltas of an answer.
    pub(super) pace: Duration,
    pub(super) start: Start,
    pub(super) state_events: bool,
    pub(super) max_retries: u32,
}

/// `HEADCOUNT_SIM_START`: the fault to start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Well,
    /// Reads everything and answers nothing.
    Silent,
    Exit(u8),
    /// Every turn ends as it does without a login.
    NoLogin,
    /// Says that it is a version from long ago.
    Old,
}

impl Environment {
    pub(super) fn read() -> Self {
        let var = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let home = var("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        Self {
            cwd: env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            config: var("CLAUDE_CONFIG_DIR").map_or_else(|| home.join(".claude"), PathBuf::from),
            pace: Duration::from_millis(
                var("HEADCOUNT_SIM_PACE")
                    .and_then(|ms| ms.parse().ok())
                    .unwrap_or(0),
            ),
            start: Start::parse(&var("HEADCOUNT_SIM_START").unwrap_or_default()),
            state_events: var("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS").is_some_and(|v| v == "1"),
            max_retries: var("CLAUDE_CODE_MAX_RETRIES")
                .and_then(|n| n.parse().ok())
                .unwrap_or(10),
        }
    }

    pub(super) fn version(&self) -> &'static str {
        if self.start == Start::Old {
            "1.0.0 (simulated)"
        } else {
            "2.1.330 (simulated)"
        }
    }

    /// Says how long to wait where the real agent would back off for `wait`: the full time in a demo,
    /// a thousandth of it in tests.
    pub(super) fn back_off(&self, wait: Duration) -> Duration {
        if self.pace.is_zero() {
            wait / 1000
        } else {
            wait
        }
    }
}

impl Start {
    fn parse(text: &str) -> Self {
        match text {
            "silent" => Self::Silent,
            "nologin" => Self::NoLogin,
            "old" => Self::Old,
            other => match other
                .strip_prefix("exit:")
                .and_then(|code| code.parse().ok())
            {
                Some(code) => Self::Exit(code),
                None => Self::Well,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_to_start_with_is_read_from_its_name() {
        assert_eq!(Start::parse(""), Start::Well);
        assert_eq!(Start::parse("silent"), Start::Silent);
        assert_eq!(Start::parse("exit:3"), Start::Exit(3));
        assert_eq!(Start::parse("exit:none"), Start::Well);
    }
}
