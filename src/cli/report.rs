//! Prints an error with its causes: `error:`, `caused by:` a line each, `try:`.

use std::error::Error as _;

use crate::cli::error::CliError;
use crate::cli::format::safe;

/// The lines that standard error gets.
pub(super) fn report(error: &CliError, colour: bool, width: usize) -> String {
    let mut text = String::new();
    let mut line = |word: &str, style: &str, rest: &str| {
        // Causes may quote what an agent wrote.
        let rest = safe(rest);
        if colour {
            text.push_str(&format!("\x1b[{style}m{word}:\x1b[0m {rest}\n"));
        } else {
            text.push_str(&format!("{word}: {rest}\n"));
        }
    };
    line("error", "1;31", &error.to_string());
    // A fault of the instance comes with its code, which is what people search for.
    if let CliError::Api(body) = error
        && let Some(code) = body.code
    {
        line("caused by", "31", code.as_str());
    }
    let mut next = error.source();
    while let Some(cause) = next {
        line("caused by", "31", &cause.to_string());
        next = cause.source();
    }
    if let Some(remedy) = error.remedy() {
        line("try", "36", &remedy);
    }
    if let CliError::Mistakes(mistakes) | CliError::TaskFile(mistakes) = error {
        text = format!("{}{text}", mistakes.fancy(colour, width));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::error::{FaultCause, Plain};
    use crate::domain::fault::FaultCode;
    use crate::serve::wire::{ErrorBody, ErrorKind, FaultDoc};

    fn lines(error: &CliError) -> String {
        format!("{}[exit {}]", report(error, false, 80), error.code() as u8)
    }

    #[test]
    fn errors_print_their_chain_and_what_to_try() {
        let fault = FaultDoc {
            code: FaultCode::FailedToStart,
            cause: "`claude` is not on the PATH".to_owned(),
            remedy: "install Claude Code, or try `headcount --demo`".to_owned(),
        };
        insta::assert_snapshot!(lines(&CliError::NotUp {
            who: "Ada (proc_001)".to_owned(),
            cause: Some(FaultCause(fault)),
        }), @r"
        error: Ada (proc_001) did not come up
        caused by: `claude` is not on the PATH (PROC_001)
        try: install Claude Code, or try `headcount --demo`
        [exit 1]
        ");
        insta::assert_snapshot!(lines(&CliError::NoInstance {
            workspace: "/home/me/shop".into(),
        }), @r"
        error: no instance runs for /home/me/shop
        try: start one with `headcount up`, or name its folder with --workspace
        [exit 3]
        ");
        insta::assert_snapshot!(lines(&CliError::Ambiguous {
            text: "gr".to_owned(),
            candidates: vec!["proc_001 (Grace)".to_owned(), "proc_004 (Greta)".to_owned()],
        }), @r"
        error: `gr` may mean proc_001 (Grace) or proc_004 (Greta)
        try: use one of these ids
        [exit 2]
        ");
        insta::assert_snapshot!(lines(&CliError::TaskFailed {
            task: "task_0007".to_owned(),
            state: "was parked",
            cause: Some(Plain("crashed three times\x1b[2J".to_owned())),
        }), @r"
        error: task_0007 was parked
        caused by: crashed three times
        [exit 1]
        ");
    }

    #[test]
    fn what_the_instance_refuses_keeps_its_code_and_remedy() {
        let body = ErrorBody {
            kind: ErrorKind::Fault,
            message: "there is no prompt `seniour`".to_owned(),
            remedy: Some("the nearest is `senior_developer`".to_owned()),
            code: Some(FaultCode::PromptNotFound),
            process: None,
            tasks: Vec::new(),
        };
        insta::assert_snapshot!(lines(&CliError::Api(body)), @r"
        error: there is no prompt `seniour`
        caused by: PROC_002
        try: the nearest is `senior_developer`
        [exit 1]
        ");
    }
}
