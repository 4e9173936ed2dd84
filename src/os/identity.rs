//! Who a process is: its number, when it started, and in which boot. A number alone is reused.

use std::fs;
use std::io;
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::proc;
use super::signal;

/// One process, told apart from any later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Its number.
    pub pid: u32,
    /// Clock ticks from boot to its start, as `/proc/PID/stat` says.
    pub start_time: u64,
    /// The boot it belongs to: start times begin anew with each.
    pub boot_id: String,
}

impl ProcessIdentity {
    /// Returns the identity of the process that has this number now.
    pub fn of(pid: u32) -> Option<Self> {
        let start_time = proc::with_stat(pid, |stat| stat.start_time)?;
        Some(Self {
            pid,
            start_time,
            boot_id: boot_id().to_owned(),
        })
    }

    /// Is this very process still running? A zombie is not.
    pub fn is_alive(&self) -> bool {
        self.boot_id == boot_id()
            && proc::with_stat(self.pid, |stat| {
                stat.start_time == self.start_time && !stat.is_zombie()
            })
            .unwrap_or(false)
    }

    /// Signals this very process; returns whether it was there to be signalled.
    ///
    /// # Errors
    /// What the kernel said, mostly that the process belongs to someone else.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        if self.boot_id != boot_id() {
            return Ok(false);
        }
        Ok(signal::send(self.pid, self.start_time, signal)?)
    }
}

/// Returns the id of the running boot; empty where the kernel does not tell.
pub fn boot_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> ProcessIdentity {
        ProcessIdentity::of(std::process::id()).expect("we are running")
    }

    #[test]
    fn only_the_very_same_process_is_alive() {
        let own = own();
        assert!(own.is_alive());
        assert!(
            !ProcessIdentity {
                start_time: own.start_time + 1,
                ..own.clone()
            }
            .is_alive()
        );
        assert!(
            !ProcessIdentity {
                boot_id: "another".into(),
                ..own
            }
            .is_alive()
        );
    }

    #[test]
    fn d2_a_recycled_number_is_never_signalled() {
        // Signal 0 would not do: the point is that a deadly one is not sent to ourselves.
        let own = own();
        let earlier = ProcessIdentity {
            start_time: own.start_time - 1,
            ..own.clone()
        };
        assert!(!earlier.signal(Signal::SIGKILL).expect("is no error"));
        let before_reboot = ProcessIdentity {
            boot_id: "another".into(),
            ..own
        };
        assert!(!before_reboot.signal(Signal::SIGKILL).expect("is no error"));
    }
}
