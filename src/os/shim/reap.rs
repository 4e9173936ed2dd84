//! Reaping. In the shim, and only there, every child is ours to reap, whoever started it.

use std::time::Duration;

use nix::libc;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::os::spec::Outcome;

pub(super) enum Reaped {
    Child {
        pid: u32,
        outcome: Outcome,
    },
    NoneYet,
    /// There are no children, so there are no descendants.
    NobodyLeft,
}

/// Reaps one child that has ended.
#[expect(
    unsafe_code,
    reason = "nix loses a child that a real-time signal ended"
)]
pub(super) fn reap_one() -> Reaped {
    let mut status = 0;
    // SAFETY: the call writes one integer, which lives until it returns.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    let outcome = if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        Outcome::Signaled { signal }
    } else {
        let code = libc::WEXITSTATUS(status);
        Outcome::Exited { code }
    };
    match u32::try_from(pid) {
        Ok(0) => Reaped::NoneYet,
        Ok(pid) => Reaped::Child { pid, outcome },
        Err(_) => Reaped::NobodyLeft,
    }
}

/// Returns what all reaped descendants used of the processor.
pub(super) fn processor_time() -> Duration {
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(Duration::ZERO, |usage| {
        let micros = (usage.user_time() + usage.system_time()).num_microseconds();
        Duration::from_micros(micros.unsigned_abs())
    })
}
