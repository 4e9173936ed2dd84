//! Why Claude Code is gone: what its exit and its last words mean, and what to do about it.

use crate::agent::exit::{fault_of_crash, fault_of_start, last_line, reason};
use crate::agent::stream_json::OLDEST_TRIED;
use crate::domain::exit::ExitStatus;
use crate::domain::fault::{Fault, FaultCode};

/// Says why a run ended that nobody asked to end, and whether starting it again without a change
/// outside is useless. `ready` is whether it had answered our first request: what it writes while it
/// starts is its reason, what it writes later may be anything.
#[must_use]
pub fn fault_of_exit(status: ExitStatus, stderr_tail: &str, ready: bool) -> (Fault, bool) {
    if ready {
        return (fault_of_crash(status, stderr_tail), false);
    }
    if let Some(fault) = refusal(stderr_tail).or_else(|| fault_of_start(status, stderr_tail)) {
        return fault;
    }
    let said = last_line(stderr_tail);
    match status {
        ExitStatus::Code(code) if code < 129 => (
            Fault::new(
                FaultCode::FailedToStart,
                reason(
                    &format!("ended with exit code {code} before it was ready"),
                    said,
                ),
                "run its command line from the details by hand, and see what it says",
            ),
            false,
        ),
        status => {
            let fault = fault_of_crash(status, stderr_tail);
            let cause = format!("{} before it was ready", fault.cause);
            (
                Fault::new(FaultCode::FailedToStart, cause, fault.remedy),
                false,
            )
        }
    }
}

/// A start that the agent refused, by its own words.
fn refusal(stderr: &str) -> Option<(Fault, bool)> {
    let line = |word: &str| {
        stderr
            .lines()
            .map(str::trim)
            .find(|line| line.to_ascii_lowercase().contains(word))
    };
    let fault = |code, cause: String, remedy: String, permanent| {
        Some((Fault::new(code, cause, remedy), permanent))
    };
    if let Some(said) = line("unknown option") {
        return fault(
            FaultCode::FailedToStart,
            format!("the agent does not know an option: {}", short(said)),
            format!(
                "update Claude Code (`claude update`; tried from {OLDEST_TRIED} on), or correct `args` of its entry in [agents]"
            ),
            true,
        );
    }
    if let Some(said) = line("is invalid").or_else(|| line("argument missing")) {
        return fault(
            FaultCode::FailedToStart,
            format!("the agent refuses an option: {}", short(said)),
            "correct the role's model, max_turns or budget, or `args` of the entry in [agents]"
                .to_owned(),
            true,
        );
    }
    if line("session id").is_some() && line("already in use").is_some() {
        return fault(
            FaultCode::FailedToStart,
            "its conversation is in use already".to_owned(),
            "stop the other process that has it open, or start this one with a fresh conversation"
                .to_owned(),
            false,
        );
    }
    if line("no conversation found").is_some() || line("--resume requires").is_some() {
        return fault(
            FaultCode::FailedToStart,
            "the conversation that was to be resumed is not there".to_owned(),
            "start it again: it begins a fresh conversation, and the old id stays in its history"
                .to_owned(),
            false,
        );
    }
    if let Some(said) = line("prompt file not found") {
        return fault(
            FaultCode::PromptNotFound,
            format!("the agent cannot read its prompt: {}", short(said)),
            "see that the sandbox lets it read the state folder, and that nothing clears that folder".to_owned(),
            true,
        );
    }
    if let Some(said) = line("not logged in")
        .or_else(|| line("invalid api key"))
        .or_else(|| line("please run /login"))
    {
        let cause = format!("the agent is not logged in: {}", short(said));
        return Some((Fault::no_login(cause), true));
    }
    if line("root/sudo").is_some() || line("root privileges").is_some() {
        return fault(
            FaultCode::FailedToStart,
            "the agent refuses to run without permissions as root".to_owned(),
            "take --dangerously-skip-permissions out of `args` in [agents], or run headcount as another user".to_owned(),
            true,
        );
    }
    let settings = line("settings").filter(|said| said.to_ascii_lowercase().starts_with("error"));
    if let Some(said) = settings.or_else(|| line("invalid json")) {
        return fault(
            FaultCode::ToolInitializationFailed,
            format!("the agent refuses its settings: {}", short(said)),
            "correct the role's tools, ask and deny rules, or ~/.claude/settings.json".to_owned(),
            true,
        );
    }
    None
}

fn short(line: &str) -> &str {
    last_line(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        status: i32,
        stderr: &str,
        ready: bool,
        code: FaultCode,
        words: &str,
        permanent: bool,
    ) {
        let (fault, seen) = fault_of_exit(ExitStatus::Code(status), stderr, ready);
        assert_eq!(fault.code, code, "{fault}");
        assert!(
            fault.cause.contains(words) || fault.remedy.contains(words),
            "{words}: {fault:?}"
        );
        assert_eq!(seen, permanent, "{fault}");
    }

    #[test]
    fn a_refused_start_says_what_to_change() {
        use FaultCode::*;
        let start = |stderr: &str, code, words: &str, permanent| {
            check(1, stderr, false, code, words, permanent);
        };
        start(
            "error: unknown option '--nonsense=1'",
            FailedToStart,
            "--nonsense=1",
            true,
        );
        start(
            "error: unknown option '--x'\n(Did you mean --y?)",
            FailedToStart,
            "claude update",
            true,
        );
        start(
            "error: option '--max-turns <turns>' argument 'x' is invalid. must be a number",
            FailedToStart,
            "max_turns",
            true,
        );
        start(
            "Error: Session ID 3d is already in use.",
            FailedToStart,
            "fresh conversation",
            false,
        );
        start(
            "No conversation found with session ID: 3d",
            FailedToStart,
            "not there",
            false,
        );
        start(
            "Error: Append system prompt file not found: /run/x",
            PromptNotFound,
            "/run/x",
            true,
        );
        start(
            "Invalid API key · Please run /login",
            EnvironmentSetupFailed,
            "ANTHROPIC_API_KEY",
            true,
        );
        start(
            "Error: Settings file not found: /x",
            ToolInitializationFailed,
            "deny rules",
            true,
        );
        start(
            "--dangerously-skip-permissions cannot be used with root/sudo privileges",
            FailedToStart,
            "another user",
            true,
        );
        start(
            "something else\n",
            FailedToStart,
            "before it was ready: something else",
            false,
        );
        start(
            "",
            FailedToStart,
            "ended with exit code 1 before it was ready",
            false,
        );
    }

    #[test]
    fn what_it_wrote_long_ago_is_no_reason_for_a_crash() {
        let noise = "error: unknown option '--x'";
        check(
            1,
            noise,
            true,
            FaultCode::Crashed,
            "ended with exit code 1",
            false,
        );
        check(137, "", true, FaultCode::Crashed, "memory", false);
        check(143, "", false, FaultCode::FailedToStart, "SIGTERM", false);
        check(
            127,
            "sh: claude: not found",
            false,
            FaultCode::FailedToStart,
            "PATH",
            true,
        );
    }
}
