//! What an exit means that nobody asked for, as far as it is the same for every program.

use crate::domain::exit::ExitStatus;
use crate::domain::fault::{Fault, FaultCode};

/// What an exit that nobody asked for comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its work is done.
    Finished,
    /// It failed.
    Failed {
        /// For a person.
        fault: Fault,
        /// Whether trying again without a change outside is useless.
        permanent: bool,
    },
}

/// Judges the end of a command that is no agent: exit code 0 is the end of its work.
pub(super) fn judge_command(status: ExitStatus, stderr_tail: &str) -> Verdict {
    if status == ExitStatus::Code(0) {
        return Verdict::Finished;
    }
    let (fault, permanent) = fault_of_start(status, stderr_tail)
        .unwrap_or_else(|| (fault_of_crash(status, stderr_tail), false));
    Verdict::Failed { fault, permanent }
}

/// A program that the system could not run at all: no program says this of itself later.
pub(super) fn fault_of_start(status: ExitStatus, stderr_tail: &str) -> Option<(Fault, bool)> {
    let said = last_line(stderr_tail);
    let permanent = |cause: String, remedy: &str| {
        Some((Fault::new(FaultCode::FailedToStart, cause, remedy), true))
    };
    if stderr_tail.contains("error while loading shared libraries") || stderr_tail.contains("GLIBC")
    {
        return permanent(
            format!("the program does not run on this system: {said}"),
            "install a build of it for this system, or the library that it names",
        );
    }
    if stderr_tail.contains("env: ") && stderr_tail.contains("No such file or directory") {
        return permanent(
            format!("the program's interpreter is missing: {said}"),
            "install the interpreter, or add its folder to PATH in the role's environment",
        );
    }
    match status {
        ExitStatus::Code(127) => permanent(
            reason("a program was not found (exit code 127)", said),
            "install what it names, or add its folder to PATH in the role's environment",
        ),
        ExitStatus::Code(126) => permanent(
            reason("the program may not be executed (exit code 126)", said),
            "make it executable, and see that the sandbox lets it be read",
        ),
        _ => None,
    }
}

/// An end in the middle of work.
pub(super) fn fault_of_crash(status: ExitStatus, stderr_tail: &str) -> Fault {
    let said = last_line(stderr_tail);
    let (cause, remedy) = match signal(status) {
        Some(9) => (
            "was killed from outside (SIGKILL); most often by the system for lack of memory"
                .to_owned(),
            "see `dmesg` for the out-of-memory killer, and raise the role's memory limit if it was that",
        ),
        Some(4) => (
            "used an instruction that this processor does not have (SIGILL)".to_owned(),
            "install a build of the program for this processor",
        ),
        Some(number @ (6 | 7 | 8 | 11)) => (
            reason(&format!("crashed ({})", name(number)), said),
            "start it again; if it comes back, update the program",
        ),
        Some(number) => (
            format!("was ended from outside ({})", name(number)),
            "find out who sent the signal, and start it again",
        ),
        None => match status {
            ExitStatus::Code(0) => (
                "ended by itself, without being asked (exit code 0)".to_owned(),
                "read the end of its log, and start it again",
            ),
            ExitStatus::Code(code) => (
                reason(&format!("ended with exit code {code}"), said),
                "read the end of its log, and start it again",
            ),
            ExitStatus::Signal(_) | ExitStatus::Unknown => (
                "ended unseen: its shim was killed".to_owned(),
                "start it again",
            ),
        },
    };
    Fault::new(FaultCode::Crashed, cause, remedy)
}

/// The last line that says something, shortened.
pub(super) fn last_line(text: &str) -> &str {
    let line = text
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty());
    let line = line.unwrap_or("");
    line.char_indices()
        .nth(300)
        .map_or(line, |(end, _)| &line[..end])
}

/// A cause with what the program said of it, where it said anything.
pub(super) fn reason(cause: &str, said: &str) -> String {
    if said.is_empty() {
        cause.to_owned()
    } else {
        format!("{cause}: {said}")
    }
}

/// The signal that ended it, whether it was taken by it (128 + signal) or not.
fn signal(status: ExitStatus) -> Option<i32> {
    match status {
        ExitStatus::Signal(signal) => Some(signal),
        ExitStatus::Code(code) if (129..=159).contains(&code) => Some(code - 128),
        ExitStatus::Code(_) | ExitStatus::Unknown => None,
    }
}

fn name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |signal| signal.as_str().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_exits_with_0_has_finished() {
        assert_eq!(
            judge_command(ExitStatus::Code(0), "noise"),
            Verdict::Finished
        );
    }

    #[test]
    fn ends_are_named_by_their_cause() {
        for (status, stderr, cause, permanent) in [
            (
                ExitStatus::Code(2),
                "a\nno space left\n\n",
                "ended with exit code 2: no space left",
                false,
            ),
            (
                ExitStatus::Code(127),
                "sh: x: not found",
                "a program was not found (exit code 127): sh: x: not found",
                true,
            ),
            (ExitStatus::Signal(11), "", "crashed (SIGSEGV)", false),
            (
                ExitStatus::Code(143),
                "",
                "was ended from outside (SIGTERM)",
                false,
            ),
            (
                ExitStatus::Unknown,
                "",
                "ended unseen: its shim was killed",
                false,
            ),
            (
                ExitStatus::Signal(9),
                "",
                "was killed from outside (SIGKILL); most often by the system for lack of memory",
                false,
            ),
        ] {
            match judge_command(status, stderr) {
                Verdict::Failed {
                    fault,
                    permanent: seen,
                } => {
                    assert_eq!((fault.cause.as_str(), seen), (cause, permanent));
                }
                Verdict::Finished => panic!("{status:?} is no success"),
            }
        }
    }
}
