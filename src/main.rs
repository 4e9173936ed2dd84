//! The binary: the shim and the simulated agent first, then the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    headcount::cli::main()
}
