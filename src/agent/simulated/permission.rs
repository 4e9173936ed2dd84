//! Permission requests: asked over stdout, answered over stdin, without a time limit.

use serde_json::{Value, json};

use super::{
    output::new_id,
    rules::{self, Rule},
    script::Call,
    state::{Interrupted, Shared, State},
};

/// What was answered.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// With the input to use instead, if it was changed.
    Allow(Option<Value>),
    Deny(String),
    /// Refused, and the turn is to end.
    Stop,
}

/// Asks; the answer comes to the request of the id that is returned.
pub(super) fn request(
    shared: &Shared,
    call: &Call,
    tool_use_id: &str,
    reason: Option<&str>,
) -> String {
    let id = new_id();
    let mut request = json!({
        "subtype": "can_use_tool", "tool_name": call.tool, "display_name": call.tool, "input": call.input,
        "tool_use_id": tool_use_id,
    });
    if call.tool == "AskUserQuestion" {
        request["requires_user_interaction"] = true.into();
    } else {
        request["description"] = describe(call).into();
        request["permission_suggestions"] = suggestions(call);
    }
    if let Some(path) =
        rules::target(&call.input, &shared.environment.cwd).filter(|_| call.tool == "Read")
    {
        request["blocked_path"] = json!(path);
    }
    if let Some(reason) = reason {
        request["decision_reason_type"] = reason.into();
    }
    // Put down before it is said: the answer may be quick.
    shared.lock().requests.insert(id.clone(), None);
    shared
        .output
        .control(&json!({"type": "control_request", "request_id": id, "request": request}));
    id
}

/// Waits for the answer to a request.
pub(super) fn answer(shared: &Shared, id: &str) -> Result<Answer, Interrupted> {
    shared.wait(|state| {
        if state.interrupted {
            return Some(Err(Interrupted));
        }
        match state.requests.get(id) {
            Some(None) => None,
            Some(Some(_)) => state
                .requests
                .remove(id)
                .flatten()
                .map(|response| Ok(take(state, &response))),
            None => Some(Err(Interrupted)),
        }
    })
}

fn take(state: &mut State, response: &Value) -> Answer {
    let body = &response["response"];
    let answer = read(response);
    if matches!(answer, Answer::Allow(_)) {
        for update in body["updatedPermissions"].as_array().into_iter().flatten() {
            remember(state, update);
        }
    }
    answer
}

fn read(response: &Value) -> Answer {
    let body = &response["response"];
    match (response["subtype"].as_str(), body["behavior"].as_str()) {
        (Some("success"), Some("allow")) => {
            let input = body.get("updatedInput").filter(|input| input.is_object());
            Answer::Allow(input.cloned())
        }
        (Some("success"), Some("deny")) if body["interrupt"] == true => Answer::Stop,
        (Some("success"), Some("deny")) => Answer::Deny(
            body["message"]
                .as_str()
                .unwrap_or("The request was denied.")
                .to_owned(),
        ),
        _ => {
            Answer::Deny("Tool permission request failed: the answer was not understood".to_owned())
        }
    }
}

/// Takes a change of the rules for this session; other destinations are not written.
fn remember(state: &mut State, update: &Value) {
    match update["type"].as_str() {
        Some("addRules") => {
            let rules = update["rules"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|rule| {
                    let content = rule["ruleContent"].as_str().map(str::to_owned);
                    Some(Rule {
                        tool: rule["toolName"].as_str()?.to_owned(),
                        content,
                    })
                });
            match update["behavior"].as_str() {
                Some("deny") => state.rules.deny.extend(rules),
                Some("ask") => state.rules.ask.extend(rules),
                _ => state.rules.allow.extend(rules),
            }
        }
        Some("setMode") => {
            if let Some(mode) = update["mode"].as_str() {
                mode.clone_into(&mut state.mode);
            }
        }
        Some("addDirectories") => {
            let named = update["directories"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            state.directories.extend(named.map(Into::into));
        }
        _ => {}
    }
}

fn describe(call: &Call) -> String {
    let input = &call.input;
    let said = ["description", "file_path", "path", "pattern"]
        .iter()
        .find_map(|field| input[*field].as_str());
    said.map_or_else(
        || call.tool.clone(),
        |text| text.rsplit('/').next().unwrap_or(text).to_owned(),
    )
}

fn suggestions(call: &Call) -> Value {
    let mode = json!({"type": "setMode", "mode": "acceptEdits", "destination": "session"});
    if call.tool != "Bash" {
        return json!([mode]);
    }
    let rule = json!({"toolName": "Bash", "ruleContent": call.input["command"]});
    json!([{"type": "addRules", "rules": [rule], "behavior": "allow", "destination": "localSettings"}, mode])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &Value, expected: &Answer) {
        assert_eq!(
            &read(&json!({"subtype": "success", "response": body})),
            expected
        );
    }

    #[test]
    fn answers_are_read() {
        check(&json!({"behavior": "allow"}), &Answer::Allow(None));
        let changed = json!({"command": "ls"});
        check(
            &json!({"behavior": "allow", "updatedInput": changed}),
            &Answer::Allow(Some(changed)),
        );
        check(
            &json!({"behavior": "deny", "message": "Not now."}),
            &Answer::Deny("Not now.".to_owned()),
        );
        check(
            &json!({"behavior": "deny", "message": "No.", "interrupt": true}),
            &Answer::Stop,
        );
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_a_denial() {
        for body in [
            json!({}),
            json!({"behavior": "maybe"}),
            json!(true),
            Value::Null,
        ] {
            assert!(
                matches!(
                    read(&json!({"subtype": "success", "response": body})),
                    Answer::Deny(_)
                ),
                "{body}"
            );
        }
        assert!(matches!(
            read(&json!({"subtype": "error", "error": "no"})),
            Answer::Deny(_)
        ));
    }
}
