//! What the stream-json driver makes of each kind of message.

#![expect(
    clippy::unwrap_used,
    reason = "a failure of a helper is a failure of the test"
)]

use std::fmt::Write;

use headcount::agent::stream_json::{LONGEST_LINE, Reader, Said};
use headcount::domain::event::Fact;
use headcount::domain::inbox::Ask;
use headcount::domain::log::LogKind;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

const SESSION: u128 = 0xa;
const TASK: u128 = 0x1;

fn id(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

fn bytes(messages: &[Value]) -> Vec<u8> {
    let lines = messages.iter().map(|message| format!("{message}\n"));
    lines.collect::<String>().into_bytes()
}

fn read(messages: &[Value]) -> Vec<Said> {
    let mut said = Vec::new();
    let again = Reader::at(0).push(&bytes(messages), &mut said);
    assert_eq!(again, None);
    said
}

fn facts(messages: &[Value]) -> Vec<Fact> {
    read(messages)
        .into_iter()
        .flat_map(|said| said.facts)
        .collect()
}

/// Facts and lines as one text, ids shortened.
fn show(messages: &[Value]) -> String {
    let mut out = String::new();
    for said in read(messages) {
        for fact in said.facts {
            let fact = match fact {
                Fact::Asked { key, ask, .. } => format!("Asked {key} {ask:?}"),
                fact => format!("{fact:?}"),
            };
            writeln!(
                out,
                "    {}",
                fact.replace("00000000-0000-0000-0000-00000000000", "#")
            )
            .unwrap();
        }
        for (kind, line) in said.lines {
            writeln!(out, "{} {line}", kind.mark()).unwrap();
        }
    }
    out
}

fn system(subtype: &str, more: &Value) -> Value {
    with(
        json!({"type": "system", "subtype": subtype, "session_id": id(SESSION)}),
        more,
    )
}

fn with(mut message: Value, more: &Value) -> Value {
    let fields = more.as_object().unwrap().clone();
    message.as_object_mut().unwrap().extend(fields);
    message
}

fn lifecycle(message: u128, state: &str) -> Value {
    json!({"type": "command_lifecycle", "command_uuid": id(message), "state": state,
        "session_id": id(SESSION)})
}

fn init() -> Value {
    system(
        "init",
        &json!({"cwd": "/srv/shop", "model": "large", "claude_code_version": "2.1.330"}),
    )
}

fn assistant(block: &Value) -> Value {
    json!({"type": "assistant", "session_id": id(SESSION), "parent_tool_use_id": null,
        "message": {"role": "assistant", "content": [block]}})
}

fn call(tool: &str, input: &Value) -> Value {
    assistant(&json!({"type": "tool_use", "id": "t1", "name": tool, "input": input}))
}

fn tool_result(content: &Value, failed: bool) -> Value {
    json!({"type": "user", "session_id": id(SESSION), "message": {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "t1", "content": content, "is_error": failed}]}})
}

fn result(more: &Value) -> Value {
    with(
        json!({"type": "result", "subtype": "success", "is_error": false, "session_id": id(SESSION),
            "terminal_reason": "completed", "result": "All green.", "num_turns": 2, "duration_ms": 23_400,
            "user_message_uuid": id(TASK), "user_message_uuids": [id(TASK)],
            "model_usage_since_last_result": {"large": {"inputTokens": 10, "cacheReadInputTokens": 90,
                "outputTokens": 20, "costUSD": 0.0032}}}),
        more,
    )
}

fn turn(messages: &[Value]) -> Vec<Value> {
    let mut all = vec![
        lifecycle(TASK, "queued"),
        lifecycle(TASK, "started"),
        init(),
    ];
    all.extend_from_slice(messages);
    all
}

#[test]
fn a_task_goes_from_acknowledged_to_done() {
    let messages = [
        json!({"type": "control_response", "response": {"subtype": "success",
            "request_id": "headcount-1-initialize", "response": {"claude_code_version": "2.1.330",
            "account": {"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY"}}}}),
        system("session_state_changed", &json!({"state": "running"})),
        lifecycle(TASK, "queued"),
        lifecycle(TASK, "started"),
        init(),
        assistant(&json!({"type": "thinking", "thinking": "Look first.\n\n3\n4\n5\n6\n7"})),
        assistant(&json!({"type": "text", "text": "I will look.\nThen I fix it."})),
        call(
            "Bash",
            &json!({"command": "git status\ngit diff", "description": "Look"}),
        ),
        tool_result(
            &json!("On branch main\n\u{1b}[31mM\u{1b}[0m src/x.rs"),
            false,
        ),
        call(
            "Edit",
            &json!({"file_path": "/srv/shop/src/x.rs", "old_string": "a", "new_string": "b\nc"}),
        ),
        tool_result(
            &json!([{"type": "text", "text": "Updated."}, {"type": "image"}]),
            false,
        ),
        result(&json!({})),
        lifecycle(TASK, "completed"),
        system("session_state_changed", &json!({"state": "idle"})),
        // The second turn does not introduce itself again.
        lifecycle(2, "queued"),
        lifecycle(2, "started"),
        init(),
    ];
    insta::assert_snapshot!(show(&messages), @r#"
        Ready { version: Some("2.1.330"), logged_in: Some(true) }
        Conversation { id: #a }
        Busy
        Acknowledged { message: #1 }
        TurnStarted { message: Some(#1) }
    - model large, version 2.1.330
    ~ Look first.
    ~ 
    ~ 3
    ~ 4
    ~ 5
    ~ … 2 more lines
    | I will look.
    | Then I fix it.
        ToolUsed { tool: "Bash", subject: "git status …" }
    > Bash  git status
    >     git diff
    < On branch main
    < M src/x.rs
        ToolUsed { tool: "Edit", subject: "src/x.rs" }
    > Edit  src/x.rs  +2 -1
    < Updated.
    < [image]
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#a), success: true, interrupted: false, retryable: true, text: "All green.", turns: 2, cost_usd: 0.0032, tokens: Tokens { input: 100, output: 20 }, denials: [] })
    - done: 2 turns, 23 s, $0.0032
        Idle
        Acknowledged { message: #2 }
        TurnStarted { message: Some(#2) }
    "#);
}

#[test]
fn permissions_and_questions_wait_for_a_person() {
    let request = |key: &str, tool: &str, input: Value| {
        json!({"type": "control_request", "request_id": key, "request": {"subtype": "can_use_tool",
            "tool_name": tool, "input": input, "tool_use_id": "t1"}})
    };
    let push = json!({"command": "git push\u{7} origin", "description": "Publish"});
    let messages = [
        system(
            "session_state_changed",
            &json!({"state": "requires_action"}),
        ),
        request("r1", "Bash", push.clone()),
        request(
            "r2",
            "Write",
            json!({"file_path": "/srv/a", "content": "x\ny"}),
        ),
        request(
            "r3",
            "AskUserQuestion",
            json!({"questions": [{"question": "Which colour?",
            "options": [{"label": "Red", "description": "r"}, {"label": "Blue", "description": "b"}]}]}),
        ),
        json!({"type": "control_cancel_request", "request_id": "r2"}),
        json!({"type": "control_request", "request_id": "r4", "request": {"subtype": "elicitation"}}),
    ];
    insta::assert_snapshot!(show(&messages), @r#"
        Conversation { id: #a }
        RequiresAction
        Asked r1 Permission { tool: "Bash", subject: "git push� origin", diff: None, description: Some("Publish"), rule: "Bash(git push\u{7} origin)" }
    ? asks to run: git push� origin
        Asked r2 Permission { tool: "Write", subject: "/srv/a", diff: Some("--- /srv/a\n+++ /srv/a\n@@\n+x\n+y"), description: None, rule: "Edit(//srv/a)" }
    ? asks to change: /srv/a
        Asked r3 Question { questions: [Question { text: "Which colour?", choices: [Choice { label: "Red", description: "r" }, Choice { label: "Blue", description: "b" }], several: false }] }
    ? asks: Which colour? (Red, Blue)
        Withdrawn { key: "r2" }
    ? takes its question back
    ! asks for something that headcount does not know: elicitation
    "#);
    // What goes back to the agent is what it asked for, to the last character.
    match &facts(&messages)[2] {
        Fact::Asked {
            input,
            ask: Ask::Permission { subject, .. },
            ..
        } => {
            assert_eq!(input, &push);
            assert_eq!(subject, "git push\u{fffd} origin");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interrupted_turn_is_no_failure_and_its_message_is_not_cancelled_besides() {
    let messages = turn(&[
        with(
            assistant(&json!({"type": "text", "text": "one two"})),
            &json!({"aborted": true}),
        ),
        tool_result(
            &json!("The user doesn't want to proceed with this tool use. STOP."),
            true,
        ),
        json!({"type": "user", "message": {"content": [{"type": "text", "text": "[Request interrupted by user]"}]}}),
        result(
            &json!({"subtype": "error_during_execution", "is_error": true, "result": null,
            "terminal_reason": "aborted_tools", "errors": ["[ede_diagnostic] x"],
            "permission_denials": [{"tool_name": "Bash", "tool_input": {"command": "rm x"}}]}),
        ),
        lifecycle(TASK, "cancelled"),
        lifecycle(3, "cancelled"),
    ]);
    insta::assert_snapshot!(show(&messages), @r#"
        Conversation { id: #a }
        Acknowledged { message: #1 }
        TurnStarted { message: Some(#1) }
    - model large, version 2.1.330
    | one two
    - cut off here
    ! not run, or ended before its time
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#a), success: false, interrupted: true, retryable: true, text: "interrupted", turns: 2, cost_usd: 0.0032, tokens: Tokens { input: 100, output: 20 }, denials: ["Bash  rm x"] })
    - interrupted: 2 turns, 23 s, $0.0032
        MessageCancelled { message: #3 }
    "#);
}

#[test]
fn failures_are_told_apart() {
    let retry = |status: Value, error: &str, attempt: u32| {
        system(
            "api_retry",
            &json!({"attempt": attempt, "max_retries": 10, "retry_delay_ms": 1096,
            "error_status": status, "error": error}),
        )
    };
    let failed = |error: &str, words: &str| {
        with(
            assistant(&json!({"type": "text", "text": words})),
            &json!({"error": error}),
        )
    };
    let gave_up = |words: &str| {
        result(
            &json!({"is_error": true, "terminal_reason": "api_error", "result": words,
            "model_usage_since_last_result": {}}),
        )
    };
    let messages = turn(&[
        retry(json!(529), "overloaded", 2),
        retry(json!(null), "unknown", 3),
        failed("server_error", "API Error: 500"),
        gave_up("API Error: 500"),
        retry(json!(401), "authentication_failed", 1),
        retry(json!(401), "authentication_failed", 2),
        gave_up("Failed to authenticate."),
        failed("authentication_failed", "Not logged in · Please run /login"),
        gave_up("Not logged in · Please run /login"),
        // Too many requests in a minute is no usage limit.
        failed("rate_limit", "API Error: Request rejected (429)"),
        gave_up("API Error: Request rejected (429)"),
        json!({"type": "rate_limit_event", "rate_limit_info": {"status": "allowed_warning", "utilization": 0.9}}),
        json!({"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "isUsingOverage": true}}),
        json!({"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1_795_400_000}}),
        failed(
            "rate_limit",
            "You've hit your session limit · resets 2:13am",
        ),
        gave_up("You've hit your session limit · resets 2:13am"),
        failed("rate_limit", "Claude AI usage limit reached|1795400000"),
        gave_up("Claude AI usage limit reached|1795400000"),
        result(
            &json!({"subtype": "error_max_turns", "is_error": true, "terminal_reason": "max_turns",
            "errors": ["Reached maximum number of turns (2)"], "result": null}),
        ),
    ]);
    insta::assert_snapshot!(show(&messages), @r#"
        Conversation { id: #a }
        Acknowledged { message: #1 }
        TurnStarted { message: Some(#1) }
    - model large, version 2.1.330
        Retrying { status: Some(529), error: "overloaded", attempt: 2 }
    ! the model is overloaded (529), try 2 of 10 in 1.1 s
        Retrying { status: None, error: "unknown", attempt: 3 }
    ! the model cannot be reached, try 3 of 10 in 1.1 s
    ! API Error: 500
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#a), success: false, interrupted: false, retryable: true, text: "API Error: 500", turns: 2, cost_usd: 0.0, tokens: Tokens { input: 0, output: 0 }, denials: [] })
    ! failed: 2 turns, 23 s, $0.0000
        Retrying { status: Some(401), error: "authentication_failed", attempt: 1 }
        NotLoggedIn { text: "the login or the key is refused" }
    ! the login or the key is refused (401), try 1 of 10 in 1.1 s
        Retrying { status: Some(401), error: "authentication_failed", attempt: 2 }
    ! the login or the key is refused (401), try 2 of 10 in 1.1 s
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#a), success: false, interrupted: false, retryable: true, text: "Failed to authenticate.", turns: 2, cost_usd: 0.0, tokens: Tokens { input: 0, output: 0 }, denials: [] })
    ! failed: Failed to authenticate. (2 turns, 23 s, $0.0000)
        NotLoggedIn { text: "Not logged in · Please run /login" }
    ! Not logged in · Please run /login
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#a), success: false, interrupted: false, retryable: true, text: "Not logged in · Please run /login", turns: 2, cost_usd: 0.0, tokens: Tokens { input: 0, output: 0 }, denials: [] })
    ! failed: 2 turns, 23 s, $0.0000
    ! API Error: Request rejected (429)
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#a), success: false, interrupted: false, retryable: true, text: "API Error: Request rejected (429)", turns: 2, cost_usd: 0.0, tokens: Tokens { input: 0, output: 0 }, denials: [] })
    ! failed: 2 turns, 23 s, $0.0000
    - the account's usage limit is near: 90 % used
        UsageLimit { until: Some(2026-11-23T02:13:20Z) }
    ! the account's usage limit is reached until 2026-11-23 02:13 UTC
    ! You've hit your session limit · resets 2:13am
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#a), success: false, interrupted: false, retryable: true, text: "You've hit your session limit · resets 2:13am", turns: 2, cost_usd: 0.0, tokens: Tokens { input: 0, output: 0 }, denials: [] })
    ! failed: 2 turns, 23 s, $0.0000
        UsageLimit { until: Some(2026-11-23T02:13:20Z) }
    ! Claude AI usage limit reached|1795400000
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#a), success: false, interrupted: false, retryable: true, text: "Claude AI usage limit reached|1795400000", turns: 2, cost_usd: 0.0, tokens: Tokens { input: 0, output: 0 }, denials: [] })
    ! failed: 2 turns, 23 s, $0.0000
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#a), success: false, interrupted: false, retryable: false, text: "Reached maximum number of turns (2)", turns: 2, cost_usd: 0.0032, tokens: Tokens { input: 100, output: 20 }, denials: [] })
    ! failed: Reached maximum number of turns (2) (2 turns, 23 s, $0.0032)
    "#);
}

#[test]
fn a_turn_of_its_own_answers_no_task() {
    let own = result(
        &json!({"origin": {"kind": "task-notification"}, "user_message_uuid": null,
        "user_message_uuids": [], "num_turns": 1}),
    );
    let messages = turn(&[
        system(
            "task_started",
            &json!({"description": "tests", "is_backgrounded": true}),
        ),
        result(&json!({})),
        init(),
        own,
    ]);
    insta::assert_snapshot!(show(&messages), @r#"
        Conversation { id: #a }
        Acknowledged { message: #1 }
        TurnStarted { message: Some(#1) }
    - model large, version 2.1.330
    - goes on in the background: tests
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#a), success: true, interrupted: false, retryable: true, text: "All green.", turns: 2, cost_usd: 0.0032, tokens: Tokens { input: 100, output: 20 }, denials: [] })
    - done: 2 turns, 23 s, $0.0032
        TurnStarted { message: None }
        TurnEnded(TurnEnd { messages: [], conversation: Some(#a), success: true, interrupted: false, retryable: true, text: "All green.", turns: 1, cost_usd: 0.0032, tokens: Tokens { input: 100, output: 20 }, denials: [] })
    - done: 1 turn, 23 s, $0.0032, begun by itself
    "#);
}

#[test]
fn a_fresh_conversation_is_known_by_its_new_session() {
    let fresh = json!({"session_id": id(0xb), "local_command": "clear", "num_turns": 0, "result": "",
        "terminal_reason": null, "model_usage_since_last_result": {}});
    let messages = turn(&[
        // Names another id than the conversation will have.
        json!({"type": "conversation_reset", "new_conversation_id": id(0xc), "session_id": id(SESSION)}),
        with(init(), &json!({"session_id": id(0xb)})),
        result(&fresh),
    ]);
    insta::assert_snapshot!(show(&messages), @r#"
        Conversation { id: #a }
        Acknowledged { message: #1 }
        TurnStarted { message: Some(#1) }
    - model large, version 2.1.330
        Conversation { id: #b }
        TurnEnded(TurnEnd { messages: [#1], conversation: Some(#b), success: true, interrupted: false, retryable: true, text: "", turns: 0, cost_usd: 0.0, tokens: Tokens { input: 0, output: 0 }, denials: [] })
    - a fresh conversation begins: 00000000-0000-0000-0000-00000000000b
    "#);
}

#[test]
fn a_conversation_that_is_gone_is_no_turn() {
    let gone = json!({"type": "result", "subtype": "error_during_execution", "is_error": true,
        "num_turns": 0, "session_id": id(9), "errors": [format!("No conversation found with session ID: {}", id(9))]});
    insta::assert_snapshot!(show(&[gone]), @r#"
        ResumeFailed { text: "No conversation found with session ID: #9" }
    ! No conversation found with session ID: 00000000-0000-0000-0000-000000000009
    "#);
}

#[test]
fn whether_there_is_a_login_is_told_by_the_account() {
    for (account, logged_in) in [
        (
            json!({"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY", "apiProvider": "firstParty"}),
            Some(true),
        ),
        (
            json!({"tokenSource": "claude.ai", "apiProvider": "firstParty"}),
            Some(true),
        ),
        (
            json!({"tokenSource": "none", "apiProvider": "firstParty"}),
            Some(false),
        ),
        (json!({"apiProvider": "bedrock"}), None),
    ] {
        let response = json!({"claude_code_version": "2.1.330", "account": account});
        let facts = facts(&[json!({"type": "control_response",
            "response": {"subtype": "success", "request_id": "x", "response": response}})]);
        let version = Some("2.1.330".to_owned());
        assert_eq!(facts, [Fact::Ready { version, logged_in }]);
    }
    // Who refuses the question is there as well; other answers say nothing.
    let answer = |id: &str| {
        json!({"type": "control_response",
        "response": {"subtype": "error", "request_id": id, "error": "no"}})
    };
    let ready = Fact::Ready {
        version: None,
        logged_in: None,
    };
    assert_eq!(
        facts(&[
            answer("headcount-1-initialize"),
            answer("headcount-2-interrupt")
        ]),
        [ready]
    );
}

#[test]
fn long_results_are_shown_in_part_and_subagents_further_in() {
    let long = (1..=140)
        .map(|line| format!("line {line}\n"))
        .collect::<String>();
    let mut subagent = call("Read", &json!({"file_path": "/srv/shop/a.txt"}));
    subagent["parent_tool_use_id"] = json!("t0");
    let messages = turn(&[tool_result(&json!(long), false), subagent]);
    let lines: Vec<(LogKind, String)> = read(&messages)
        .into_iter()
        .flat_map(|said| said.lines)
        .collect();
    assert_eq!(lines[20], (LogKind::Result, "line 20".to_owned()));
    assert_eq!(lines[21], (LogKind::Result, "… 120 more lines".to_owned()));
    assert_eq!(lines[22], (LogKind::Tool, "  Read  a.txt".to_owned()));

    let huge = read(&[tool_result(&json!("é".repeat(3 << 19)), false)])
        .remove(0)
        .lines;
    assert!(huge[0].1.len() <= 1 << 20);
    assert_eq!(huge[1].1, "… 3.0 MiB in all; the raw log has the rest");
}

#[test]
fn what_is_no_message_and_what_a_later_version_says_is_harmless() {
    let partial = json!({"type": "stream_event", "event": {"type": "message_stop"}});
    let unknown = json!({"type": "hologram", "session_id": 7, "message": []});
    let odd = json!({"type": "result", "errors": 3, "permission_denials": {}, "num_turns": -1});
    let mut stream = b"\r\n\nWarning: \x1b[1mhot\x1b[0m\n[1,2]\n".to_vec();
    stream.extend(bytes(&[partial, unknown, odd]));
    stream.extend(b"{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"caf\xe9\"}]}}\n");
    stream.extend(b"{\"type\":\"resu");
    let mut said = Vec::new();
    let mut reader = Reader::at(1000);
    assert_eq!(reader.push(&stream, &mut said), None);
    let last = reader.finish().unwrap();
    assert_eq!(last.end, 1000 + stream.len() as u64);
    assert_eq!(
        last.lines,
        [(
            LogKind::Error,
            "its last message was cut after 13 bytes".to_owned()
        )]
    );
    let line = |at: usize| said[at].lines[0].clone();
    assert_eq!(line(0), (LogKind::Output, "Warning: hot".to_owned()));
    assert_eq!(line(1), (LogKind::Output, "[1,2]".to_owned()));
    let kept: Vec<bool> = said.iter().map(|said| said.raw.is_some()).collect();
    assert_eq!(kept, [false, false, false, true, true, true]);
    assert!(
        said[2..4]
            .iter()
            .all(|said| said.facts.is_empty() && said.lines.is_empty())
    );
    assert_eq!(line(5), (LogKind::Assistant, "caf\u{fffd}".to_owned()));
}

#[test]
fn b3_a_line_without_end_is_kept_in_pieces_and_the_next_one_is_heard() {
    let next = bytes(&[system("session_state_changed", &json!({"state": "idle"}))]);
    let length = LONGEST_LINE + (1 << 20);
    let mut stream = vec![b'x'; length];
    stream.push(b'\n');
    stream.extend(next);
    let mut reader = Reader::at(0);
    let (mut said, mut again, mut at) = (Vec::new(), Vec::new(), 0);
    while at < stream.len() {
        let to = stream.len().min(at + (256 << 10));
        match reader.push(&stream[at..to], &mut said) {
            Some(offset) => {
                again.push(offset);
                at = usize::try_from(offset).unwrap();
            }
            None => at = to,
        }
    }
    assert_eq!(again, [0]);
    assert_eq!(
        said[0].lines[0],
        (
            LogKind::Error,
            "a message of more than 64 MiB is too long to be understood; it follows in pieces"
                .to_owned()
        )
    );
    let (last, pieces) = said.split_last().unwrap();
    assert!(last.facts.contains(&Fact::Idle));
    let shown = pieces.iter().flat_map(|said| &said.lines).skip(1);
    assert!(
        shown
            .clone()
            .all(|(kind, text)| *kind == LogKind::Output && text.len() <= 16 << 10)
    );
    assert_eq!(shown.map(|(_, text)| text.len()).sum::<usize>(), length);
    let raw = pieces.iter().filter_map(|said| said.raw.as_ref());
    assert_eq!(raw.map(Vec::len).sum::<usize>(), length);
    let (end, within) = pieces.split_last().unwrap();
    assert!(!end.goes_on && within.iter().all(|said| said.goes_on));
    assert_eq!(end.end, length as u64 + 1);

    // Another instance goes on in the middle of it.
    let middle = pieces[pieces.len() / 2].end;
    let mut later = Vec::new();
    let rest = &stream[usize::try_from(middle).unwrap()..];
    assert_eq!(Reader::within(middle).push(rest, &mut later), None);
    assert_eq!(later.last(), said.last());
    let raw: usize = later[..later.len() - 1]
        .iter()
        .filter_map(|said| Some(said.raw.as_ref()?.len()))
        .sum();
    assert_eq!(raw as u64, length as u64 - middle);
    assert!(
        later
            .iter()
            .all(|said| said.lines.iter().all(|(kind, _)| *kind != LogKind::Error))
    );
}

proptest! {
    #[test]
    fn any_split_and_any_restart_says_the_same(cuts in proptest::collection::vec(0_usize..4000, 0..12)) {
        let stream = bytes(&turn(&[
            call("Bash", &json!({"command": "echo ü"})),
            tool_result(&json!("ü\n"), false),
            result(&json!({})),
            lifecycle(TASK, "completed"),
        ]));
        let mut whole = Vec::new();
        prop_assert_eq!(Reader::at(0).push(&stream, &mut whole), None);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let (mut reader, mut said) = (Reader::at(0), Vec::new());
        for pair in cuts.windows(2) {
            prop_assert_eq!(reader.push(&stream[pair[0]..pair[1]], &mut said), None);
        }
        prop_assert_eq!(&said, &whole);

        // Another instance goes on where this one had come to.
        let heard = cuts.len().min(whole.len()) - 1;
        let mut later = Vec::new();
        let from = whole[heard].end;
        let rest = &stream[usize::try_from(from).unwrap()..];
        prop_assert_eq!(Reader::at(from).push(rest, &mut later), None);
        let ends = |said: &[Said]| said.iter().map(|said| said.end).collect::<Vec<_>>();
        prop_assert_eq!(ends(&later), ends(&whole[heard + 1..]));
        let turn_ends = |said: &[Said]| said.iter().flat_map(|said| said.facts.clone())
            .filter(|fact| matches!(fact, Fact::TurnEnded(_))).collect::<Vec<_>>();
        prop_assert_eq!(turn_ends(&later), turn_ends(&whole[heard + 1..]));
    }
}
