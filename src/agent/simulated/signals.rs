//! Signals, taken one at a time by a thread of their own.

use nix::sys::signal::{SigSet, Signal};

use super::state::{Ending, Shared};

fn handled() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
        .into_iter()
        .collect()
}

/// Holds back the signals that `listen` waits for.
pub(super) fn block() {
    // It fails only for a set that is none.
    let _ = handled().thread_block();
}

/// Lets the signals through again: what we start would inherit the block.
pub(super) fn unblock() {
    let _ = handled().thread_unblock();
}

/// Ends the process as the real agent ends: with a code, not by the signal.
pub(super) fn listen(shared: &Shared) {
    while let Ok(signal) = handled().wait() {
        let mut state = shared.lock();
        match signal {
            Signal::SIGTERM if state.ignores_term => {}
            // An interrupt with a result.
            Signal::SIGINT if state.busy => {
                state.leave_with = Some(0);
                shared.withdraw_requests(&mut state);
                shared.interrupt(&mut state);
            }
            Signal::SIGINT => shared.end(Ending {
                code: 0,
                sudden: false,
            }),
            other => {
                shared.output.close();
                state.kill_tool();
                let code = if other == Signal::SIGHUP { 129 } else { 143 };
                shared.end(Ending {
                    code,
                    sudden: false,
                });
            }
        }
    }
}
