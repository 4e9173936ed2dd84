//! The binary: the shim, the instance and the simulated agent first, then the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = headcount::os::entry(std::env::args_os()) {
        return code;
    }
    if let Some(code) = headcount::app::instance::entry(std::env::args_os()) {
        return code;
    }
    headcount::cli::main()
}
