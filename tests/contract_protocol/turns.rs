//! Turns: what is said, in which order, and what an interrupt or a limit makes of it.

use serde_json::json;

use super::{
    Do::{Await, Breathe, Close, Control, Say},
    IDLE, Scenario, check,
};

#[test]
fn an_interrupt_cuts_an_answer_off() {
    check(&Scenario {
        flags: &["--include-partial-messages"],
        steps: vec![
            Say("SLOW 30"),
            Await("init"),
            Breathe,
            Control(json!({"subtype": "get_binary_version"})),
            Control(json!({"subtype": "interrupt"})),
            IDLE,
            Close,
        ],
        facts: "
            begins | answer success | answer success | cut off | [Request interrupted by user]
                result error_during_execution aborted_streaming 2 | cancels
        ",
        code: 1,
    });
}

#[test]
fn an_interrupt_kills_the_command() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash"],
        steps: vec![
            Say("TOOL Bash tail -f /dev/null"),
            Await("uses Bash"),
            Breathe,
            Control(json!({"subtype": "interrupt"})),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | answer success | tool failed
                [Request interrupted by user for tool use]
                result error_during_execution aborted_tools 3 | cancels
        ",
        code: 1,
    });
}

#[test]
fn an_interrupt_ends_a_wait_for_the_api() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("HANG"),
            Await("init"),
            Breathe,
            Control(json!({"subtype": "interrupt"})),
            IDLE,
            Control(json!({"subtype": "interrupt"})),
            Control(json!({"subtype": "ping"})),
            Say("SAY alive"),
            IDLE,
            Close,
        ],
        facts: "
            begins | answer success | [Request interrupted by user]
                result error_during_execution aborted_streaming 2 | cancels | answer success | answer error
            begins | says alive | result success completed 1 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_message_joins_the_turn_whose_tool_runs() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash"],
        steps: vec![
            Say("TOOL Bash timeout 1.5 tail -f /dev/null || true ;; SAY done"),
            Await("uses Bash"),
            Say("hurry up"),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | queued | tool done | started | says done
                completed | result success completed 2 | completes
        ",
        code: 0,
    });
}

#[test]
fn messages_that_wait_become_one_turn() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("SLOW 2 a"),
            Await("init"),
            Say("SAY b"),
            Say("one more thing"),
            IDLE,
            Close,
        ],
        facts: "
            begins | queued | queued | says a | result success completed 1 | completed | started
                started | init | says b | result success completed 1 | completed | completes
        ",
        code: 0,
    });
}

#[test]
fn a_fresh_conversation_begins_with_clear() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("SAY a"),
            IDLE,
            Say("/clear"),
            IDLE,
            Say("RECALL"),
            IDLE,
            Close,
        ],
        facts: r#"
            begins | says a | result success completed 1 | completes | is running | queued | started | init | result success - 0 | completes
            begins | says ["RECALL"] | result success completed 1 | completes
        "#,
        code: 0,
    });
}

#[test]
fn turns_are_limited() {
    check(&Scenario {
        flags: &["--max-turns", "2"],
        steps: vec![
            Say("LOOP 5 TOOL Bash echo x"),
            IDLE,
            Say("SAY next"),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | tool done | says Calling a tool. | uses Bash
                tool done | result error_max_turns max_turns 3 | completes
            begins | says next | result success completed 1 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_budget_is_used_up_for_good() {
    check(&Scenario {
        flags: &["--max-budget-usd", "0.01"],
        steps: vec![
            Say("USAGE 1000000 2000 first"),
            IDLE,
            Say("SAY next"),
            IDLE,
            Close,
        ],
        facts: "
            begins | says first | result error_max_budget_usd budget_exhausted 1 | cancels
            begins | result error_max_budget_usd budget_exhausted 1 | cancels
        ",
        code: 1,
    });
}

#[test]
fn an_error_of_the_api_is_a_success_that_failed() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("ERROR 400"),
            IDLE,
            Say("ERROR 529 x1 ;; SAY made it"),
            IDLE,
            Close,
        ],
        facts: "
            begins | error unknown | result success api_error 1 | cancels
            begins | retries overloaded | says made it | result success completed 1 | completes
        ",
        code: 0,
    });
}
