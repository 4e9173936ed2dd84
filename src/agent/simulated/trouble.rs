//! The faults that a script can ask for.

use std::{process::Stdio, thread, time::Duration};

use nix::{
    sys::signal::{Signal, raise},
    unistd::Pid,
};

use super::{
    bash::{self, Group},
    clock,
    script::Fork,
    state::Shared,
};

/// What stays until the process ends.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    hoard: Vec<Vec<u8>>,
}

impl Trouble {
    /// Takes memory, writes to it, and keeps it.
    pub(super) fn allocate(&mut self, megabytes: usize) {
        self.hoard.push(vec![1; megabytes << 20]);
    }
}

/// Leaves a sleeping child behind.
pub(super) fn fork(sort: Fork, seconds: f64) {
    let line = match sort {
        Fork::Plain | Fork::Setsid => format!("exec sleep {seconds}"),
        // The shell ends at once, and the sleep is an orphan.
        Fork::Double => format!("sleep {seconds} &"),
    };
    let group = if sort == Fork::Plain {
        Group::Ours
    } else {
        Group::Own
    };
    let mut command = bash::command(&["/bin/sh", "-c", &line], group);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    // A child that cannot be started is missed by whoever looks for it.
    if let Ok(mut child) = child {
        thread::spawn(move || child.wait());
    }
}

/// Uses a whole core.
pub(super) fn spin(shared: &Shared, time: Duration) {
    let until = clock::now() + time;
    while clock::now() < until && !shared.lock().interrupted {
        for _ in 0..100_000 {
            std::hint::spin_loop();
        }
    }
}

/// Stops this process, all threads of it, until somebody continues it.
pub(super) fn stop() {
    // To the process and not to the thread: `raise` would stop all threads as well, but later.
    if nix::sys::signal::kill(Pid::this(), Signal::SIGSTOP).is_err() {
        let _ = raise(Signal::SIGSTOP);
    }
}

/// Returns what the protocol calls an error of the API.
pub(super) fn error_kind(code: u16) -> &'static str {
    match code {
        401 | 403 => "authentication_failed",
        404 => "model_not_found",
        429 => "rate_limit",
        529 => "overloaded",
        500..=599 => "server_error",
        _ => "unknown",
    }
}

/// Says how often a failed call is repeated.
pub(super) fn tries(code: u16, max: u32) -> u32 {
    match code {
        400 | 403 | 404 => 0,
        // It gives up after the third in a row.
        529 => max.min(2),
        _ => max,
    }
}

/// Returns the wait before a repetition: twice as long each time, up to 35 s.
pub(super) fn retry_delay(attempt: u32) -> Duration {
    Duration::from_millis(550)
        .saturating_mul(1 << (attempt - 1).min(6))
        .min(Duration::from_secs(35))
}

/// Reads when a usage limit ends, in seconds since the epoch: `+90` from now, `14:30` UTC, or the time itself.
pub(super) fn limit_end(until: &str, now: u64) -> u64 {
    let in_an_hour = now + 3600;
    if let Some(seconds) = until.strip_prefix('+') {
        return seconds
            .trim_end_matches('s')
            .parse()
            .map_or(in_an_hour, |seconds: u64| now + seconds);
    }
    if let Some((hours, minutes)) = until.split_once(':') {
        let (Ok(hours), Ok(minutes)) = (hours.parse::<u64>(), minutes.parse::<u64>()) else {
            return in_an_hour;
        };
        let today = now - now % 86_400 + hours * 3600 + minutes * 60;
        return if today > now { today } else { today + 86_400 };
    }
    until.parse().unwrap_or(in_an_hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_ends_when_it_says() {
        let noon = 1_795_348_800; // 2026-11-22T12:00:00Z
        assert_eq!(limit_end("+90", noon), noon + 90);
        assert_eq!(limit_end("12:30", noon), noon + 1800);
        assert_eq!(limit_end("11:00", noon), noon + 82_800);
        assert_eq!(limit_end("1795350000", noon), 1_795_350_000);
        assert_eq!(limit_end("tomorrow", noon), noon + 3600);
    }

    #[test]
    fn retries_wait_longer_each_time() {
        assert_eq!(retry_delay(1), Duration::from_millis(550));
        assert_eq!(retry_delay(2), Duration::from_millis(1100));
        assert_eq!(retry_delay(40), Duration::from_secs(35));
        assert_eq!((tries(529, 10), tries(401, 10), tries(404, 10)), (2, 10, 0));
    }
}
