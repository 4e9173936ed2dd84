//! Permissions: rules, questions and their answers.

use serde_json::json;

use super::{
    Do::{Answer, Await, Close, Control, Say},
    IDLE, Scenario, check,
};

#[test]
fn a_tool_that_is_allowed_runs_without_a_question() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash(touch *)"],
        steps: vec![
            Say("TOOL Bash touch made ;; TOOL Read made ;; SAY done"),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | tool done | says Calling a tool. | uses Read
                tool done | says done | result success completed 3 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_rule_to_deny_refuses_a_part_of_a_command() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash", "--disallowedTools", "Bash(rm *)"],
        steps: vec![Say("TOOL Bash echo a; rm -f b ;; SAY done"), IDLE, Close],
        facts: "
            begins | says Calling a tool. | uses Bash | tool failed | says done
                result success completed 2 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_rule_to_ask_asks_for_what_is_allowed() {
    check(&Scenario {
        flags: &[
            "--allowedTools",
            "Bash",
            "--settings",
            r#"{"permissions":{"ask":["Bash(git push *)"]}}"#,
        ],
        steps: vec![
            Say("TOOL Bash cd . && git push x ;; SAY done"),
            Await("asks Bash"),
            Answer(json!({"behavior": "deny", "message": "Not on a Friday."})),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | is requires_action | asks Bash | is running
                tool failed | says done | result success completed 2 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_permission_is_given_and_remembered() {
    let rule = json!({"toolName": "Bash", "ruleContent": "touch *"});
    let remember =
        json!({"type": "addRules", "rules": [rule], "behavior": "allow", "destination": "session"});
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("TOOL Bash touch a ;; TOOL Bash touch b ;; SAY done"),
            Await("asks Bash"),
            Answer(json!({
                "behavior": "allow", "updatedInput": {"command": "touch c"}, "updatedPermissions": [remember],
            })),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | is requires_action | asks Bash | is running
                tool done | says Calling a tool. | uses Bash | tool done | says done
                result success completed 3 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_permission_is_refused_and_the_turn_goes_on() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("TOOL Write a.txt|x ;; SAY done"),
            Await("asks Write"),
            Answer(json!({"behavior": "deny", "message": "Not on a Friday."})),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Write | is requires_action | asks Write | is running
                tool failed | says done | result success completed 2 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_refusal_may_end_the_turn() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("TOOL Bash touch a ;; SAY done"),
            Await("asks Bash"),
            Answer(json!({"behavior": "deny", "message": "Stop.", "interrupt": true})),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | is requires_action | asks Bash | is running
                tool failed | [Request interrupted by user for tool use]
                result error_during_execution aborted_tools 3 | cancels
        ",
        code: 1,
    });
}

#[test]
fn a_question_is_withdrawn_by_an_interrupt() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("TOOL Bash touch a"),
            Await("asks Bash"),
            Control(json!({"subtype": "interrupt"})),
            IDLE,
            Say("SAY alive"),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | is requires_action | asks Bash | withdrawn
                answer success | is running | tool failed | [Request interrupted by user for tool use]
                result error_during_execution aborted_tools 3 | cancels
            begins | says alive | result success completed 1 | completes
        ",
        code: 0,
    });
}
