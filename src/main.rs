use std::process::ExitCode;

fn main() -> ExitCode {
    // The simulated agent is a program of its own: it branches off before anything is set up.
    if let Some(code) = headcount::agent::simulated::entry(std::env::args_os()) {
        return code;
    }
    ExitCode::SUCCESS
}
