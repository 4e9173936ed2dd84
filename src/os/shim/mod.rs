//! The shim: one small process for each run, which outlives the instance.
//!
//! It launches, records the raw output, relays input and signals, and reaps until nobody of the
//! run is left. It is synchronous and has a single thread: one loop around `poll`, and any code
//! may run between its fork and its exec. It decides nothing but how a tree is ended.
//!
//! `server` is the loop and the connections, `run` the life of what was launched.

mod clock;
mod feed;
mod launch;
mod peer;
mod reap;
mod record;
mod run;
mod server;
mod start;
mod sweep;
mod taps;

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use server::Server;

/// The variable that tells every process of a run which run it belongs to.
pub const RUN_VARIABLE: &str = "HEADCOUNT_RUN";

/// The variable by which the processes of a run are found: ids of runs repeat between
/// workspaces, its value does not.
pub const MARK_VARIABLE: &str = "HEADCOUNT_MARK";

/// Serves the run whose folder is given until it is over, and returns the exit code.
///
/// 0: it is over, or there was nothing to run. 1: the shim could not begin. 3: another serves it.
pub fn serve(folder: &Path) -> u8 {
    match start::prepare(folder) {
        Ok(prepared) => {
            Server::new(prepared).run();
            0
        }
        Err(error) => {
            complain(&error);
            match error {
                start::StartError::Served { .. } => 3,
                _ => 1,
            }
        }
    }
}

/// Writes an error with its causes to where the instance looks after a failed start.
fn complain(error: &dyn Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    // There is nobody left to tell if even this fails.
    let _ = writeln!(io::stderr(), "{text}");
}
