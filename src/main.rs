use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = headcount::os::entry(std::env::args_os()) {
        return code;
    }
    ExitCode::SUCCESS
}
