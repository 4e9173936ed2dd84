//! Answers to control requests.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    greeting,
    rules::Rule,
    state::{Ending, Shared, State},
    usage::MODEL,
};

/// Why a request was refused: the text, and the code for programs.
type Refusal = (String, &'static str);

/// Answers one control request.
pub(super) fn answer(shared: &Shared, message: &Value) {
    let request = &message["request"];
    let mut state = shared.lock();
    if request["subtype"] == "get_binary_version" {
        let Some(late) = state.pong else { return };
        drop(state);
        // As a process that has too much to do: whatever comes behind it waits as well.
        std::thread::sleep(late);
        state = shared.lock();
    }
    let answered = match request["subtype"].as_str().unwrap_or_default() {
        "initialize" => Ok(initialize(shared, &mut state, request)),
        "interrupt" => Ok(interrupt(shared, &mut state, request)),
        "end_session" => Ok(Value::Null),
        "set_permission_mode" => set_mode(shared, &mut state, request),
        // There is but one model here, whatever it is called.
        "set_model" => Ok(json!({"model": MODEL})),
        "get_binary_version" => Ok(json!({
            "version": shared.environment.version(), "buildTime": "1970-01-01T00:00:00Z",
        })),
        "get_session_cost" => Ok(json!({"text": cost(&state)})),
        "get_usage" => Ok(json!({
            "session": {
                "total_cost_usd": state.totals.cost_usd(), "model_usage": state.totals.by_model(),
                "total_api_duration_ms": millis(state.api_time),
            },
            "subscription_type": null, "rate_limits_available": false, "rate_limits": null,
        })),
        "get_context_usage" => Ok(context(&state)),
        "mcp_status" => Ok(json!({"mcpServers": greeting::servers(&shared.flags)})),
        "list_permission_rules" => Ok(rules(shared, &state)),
        "get_settings" => Ok(json!({"effective": {}, "sources": [], "applied": {"model": MODEL}})),
        "rename_session" => {
            let title = request["title"].clone();
            shared
                .output
                .say(json!({"type": "system", "subtype": "session_title_changed", "title": title}));
            Ok(Value::Null)
        }
        "list_models" => Ok(json!({})),
        other => Err((
            format!("Unsupported control request subtype: {other}"),
            "unsupported_request",
        )),
    };
    let mut response = json!({"request_id": message["request_id"]});
    match answered {
        Ok(body) => {
            response["subtype"] = "success".into();
            if !body.is_null() {
                response["response"] = body;
            }
        }
        Err((error, code)) => {
            response["subtype"] = "error".into();
            response["error"] = error.into();
            response["error_code"] = code.into();
        }
    }
    shared
        .output
        .control(&json!({"type": "control_response", "response": response}));
    // Only now, so that the answer comes before the end that it announces.
    match request["subtype"].as_str() {
        Some("interrupt") => shared.interrupt(&mut state),
        Some("end_session") if state.busy => {
            state.leave_with = Some(1);
            shared.withdraw_requests(&mut state);
            shared.interrupt(&mut state);
        }
        Some("end_session") => shared.end(Ending {
            code: 0,
            sudden: false,
        }),
        _ => {}
    }
}

fn initialize(shared: &Shared, state: &mut State, request: &Value) -> Value {
    if let Some(system) = request["systemPrompt"].as_str() {
        system.clone_into(&mut state.system);
    }
    if let Some(more) = request["appendSystemPrompt"].as_str() {
        state.system = format!("{}\n\n{more}", state.system);
    }
    greeting::initialized(shared, state)
}

fn interrupt(shared: &Shared, state: &mut State, request: &Value) -> Value {
    shared.withdraw_requests(state);
    if request["cancel_queued"] == true {
        for message in std::mem::take(&mut state.waiting) {
            shared.tell_lifecycle(message.uuid.as_deref(), "cancelled");
        }
    }
    let queued: Vec<_> = state
        .waiting
        .iter()
        .filter_map(|message| message.uuid.clone())
        .collect();
    json!({"still_queued": queued})
}

fn set_mode(shared: &Shared, state: &mut State, request: &Value) -> Result<Value, Refusal> {
    const MODES: [&str; 6] = [
        "acceptEdits",
        "auto",
        "bypassPermissions",
        "default",
        "dontAsk",
        "plan",
    ];
    let mode = request["mode"].as_str().unwrap_or_default();
    if !MODES.contains(&mode) {
        let said = format!(
            "Cannot set permission mode: must be one of {}",
            MODES.join(", ")
        );
        return Err((said, "invalid_mode"));
    }
    let launched =
        shared.flags.bypass_allowed || shared.flags.mode.as_deref() == Some("bypassPermissions");
    if mode == "bypassPermissions" && !launched {
        let said = "Cannot set permission mode to bypassPermissions because the session was not launched with \
                    --dangerously-skip-permissions";
        return Err((said.to_owned(), "bypass_not_launched"));
    }
    if mode != state.mode {
        mode.clone_into(&mut state.mode);
        shared.output.say(json!({
            "type": "system", "subtype": "status", "status": null, "permissionMode": mode,
        }));
    }
    Ok(json!({"mode": mode}))
}

fn cost(state: &State) -> String {
    format!(
        "Estimated cost:        ${:.4} (simulated)\nTotal duration (API):  {}s\nUsage by model:\n     {MODEL}:  {} \
         input, {} output",
        state.totals.cost_usd(),
        state.api_time.as_secs(),
        state.totals.input,
        state.totals.output,
    )
}

fn context(state: &State) -> Value {
    let max = 200_000;
    let words: usize = state
        .session
        .prompts
        .iter()
        .map(|prompt| prompt.len() / 4 + 20)
        .sum();
    let system = state.system.len() / 4;
    let total = system + words;
    json!({
        "categories": [
            {"id": "system_prompt", "name": "System prompt", "tokens": system, "kind": "used"},
            {"id": "messages", "name": "Messages", "tokens": words, "kind": "used"},
        ],
        "totalTokens": total, "maxTokens": max, "rawMaxTokens": max, "percentage": total * 100 / max,
        "model": MODEL,
    })
}

fn rules(shared: &Shared, state: &State) -> Value {
    let list = |behaviour: &'static str, rules: &[Rule]| {
        rules
            .iter()
            .map(|rule| json!({"behavior": behaviour, "source": "cliArg", "rule": rule.text(), "editability": "session"}))
            .collect::<Vec<_>>()
    };
    let mut all = list("allow", &state.rules.allow);
    all.extend(list("ask", &state.rules.ask));
    all.extend(list("deny", &state.rules.deny));
    json!({"state": {
        "rules": all, "workspaceDirectories": state.directories, "originalCwd": shared.environment.cwd,
        "managedOnly": false,
    }})
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
