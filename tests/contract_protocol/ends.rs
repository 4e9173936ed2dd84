//! Ends: by the end of input, by request, by signal; and what is left to resume.

use nix::sys::signal::Signal;
use serde_json::json;

use super::{
    Do::{self, Await, Breathe, Close, Control, Resume, Say},
    IDLE, Scenario, check,
};

#[test]
fn two_turns_and_the_end_of_input() {
    check(&Scenario {
        flags: &[],
        steps: vec![Say("SAY first"), IDLE, Say("RECALL"), IDLE, Close],
        facts: r#"
            begins | says first | result success completed 1 | completes
            begins | says ["SAY first","RECALL"] | result success completed 1 | completes
        "#,
        code: 0,
    });
}

#[test]
fn a_conversation_is_resumed_after_a_kill() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash"],
        steps: vec![
            Say("SAY a"),
            IDLE,
            Say("TOOL Bash timeout 2 tail -f /dev/null"),
            Await("uses Bash"),
            Breathe,
            Do::Signal(Signal::SIGKILL),
            Resume,
            Say("RECALL"),
            IDLE,
            Close,
        ],
        facts: r#"
            begins | says a | result success completed 1 | completes
            begins | says Calling a tool. | uses Bash | ended -9
            begins | says ["SAY a","TOOL Bash timeout 2 tail -f /dev/null","RECALL"]
                result success completed 1 | completes
        "#,
        code: 0,
    });
}

#[test]
fn the_end_of_input_lets_the_turn_finish() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash"],
        steps: vec![
            Say("TOOL Bash timeout 1 tail -f /dev/null || true ;; SAY done"),
            Await("uses Bash"),
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | tool done | says done
                result success completed 2 | completes
        ",
        code: 0,
    });
}

#[test]
fn an_idle_agent_ends_by_signal_with_a_code() {
    for (signal, code) in [
        (Signal::SIGTERM, 143),
        (Signal::SIGINT, 0),
        (Signal::SIGHUP, 129),
    ] {
        check(&Scenario {
            flags: &[],
            steps: vec![Breathe, Do::Signal(signal)],
            facts: "",
            code,
        });
    }
}

#[test]
fn a_busy_agent_ends_by_sigterm_without_a_result() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("HANG"),
            Await("init"),
            Breathe,
            Do::Signal(Signal::SIGTERM),
        ],
        facts: "begins",
        code: 143,
    });
}

#[test]
fn a_busy_agent_ends_by_sigint_with_code_0() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("HANG"),
            Await("init"),
            Breathe,
            Do::Signal(Signal::SIGINT),
        ],
        // It may be gone before the result is out.
        facts: "begins | [Request interrupted by user] | …",
        code: 0,
    });
}

#[test]
fn a_session_can_be_ended_by_request() {
    let end = || Control(json!({"subtype": "end_session"}));
    check(&Scenario {
        flags: &[],
        steps: vec![end()],
        facts: "answer success",
        code: 0,
    });
    check(&Scenario {
        flags: &[],
        steps: vec![Say("HANG"), Await("init"), Breathe, end()],
        facts: "
            begins | answer success | [Request interrupted by user]
                result error_during_execution aborted_streaming 2 | cancels
        ",
        code: 1,
    });
}
