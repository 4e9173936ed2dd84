//! The binary: the shim, the simulated agent and the instance first, then the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A shim is single-threaded and the simulated agent is a program of its own: both branch off
    // before anything is set up.
    if let Some(code) = headcount::os::entry(std::env::args_os()) {
        return code;
    }
    if let Some(code) = headcount::agent::simulated::entry(std::env::args_os()) {
        return code;
    }
    if let Some(code) = headcount::app::instance::entry(std::env::args_os()) {
        return code;
    }
    headcount::cli::main()
}
