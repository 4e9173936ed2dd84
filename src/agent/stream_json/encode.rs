//! Orders in the agent's own words: one line of JSON each.

use serde_json::{Value, json};

use crate::agent::stream_json::rule;
use crate::domain::order::{Numbered, Order};

/// Begins the id of every request of ours, so that its answer is known.
const REQUEST: &str = "headcount";
/// Begins the id of a ping.
const PING: &str = "headcount-ping-";

/// Puts an order into one line, its newline included. The same order gives the same line.
#[must_use]
pub fn encode(order: &Numbered) -> String {
    let message = match &order.order {
        Order::Initialize => request(order.seq, "initialize"),
        // What waits for the turn's end goes with it.
        Order::Interrupt => {
            let mut interrupt = request(order.seq, "interrupt");
            interrupt["request"]["cancel_queued"] = true.into();
            interrupt
        }
        Order::Message { uuid, text } => user(*uuid, &harmless(text)),
        // Answered like a task, but without a call to the model, and under a new session id.
        Order::Clear { uuid } => user(*uuid, "/clear"),
        Order::Allow {
            key,
            input,
            remember,
        } => {
            let mut answer = json!({"behavior": "allow"});
            if !input.is_null() {
                answer["updatedInput"] = input.clone();
            }
            if let Some(remembered) = remember {
                // For the session and nothing else: what the agent suggests would be written into
                // the project's settings for ever.
                answer["updatedPermissions"] = json!([{
                    "type": "addRules",
                    "rules": [rule::parts(remembered)],
                    "behavior": "allow",
                    "destination": "session",
                }]);
            }
            response(key, &answer)
        }
        Order::Deny { key, reason } => {
            response(key, &json!({"behavior": "deny", "message": reason}))
        }
    };
    let mut line = message.to_string();
    line.push('\n');
    line
}

/// Asks for what costs no call and changes nothing. A version that does not know the question
/// refuses it, and whoever refuses is there.
#[must_use]
pub fn ping(number: u64) -> String {
    let request = control(&format!("{PING}{number}"), "get_binary_version");
    format!("{request}\n")
}

/// The number of the ping that a request's id belongs to.
pub(super) fn ping_of(request_id: &str) -> Option<u64> {
    request_id.strip_prefix(PING)?.parse().ok()
}

fn request(seq: u64, subtype: &str) -> Value {
    control(&format!("{REQUEST}-{seq}-{subtype}"), subtype)
}

fn control(id: &str, subtype: &str) -> Value {
    json!({
        "type": "control_request",
        "request_id": id,
        "request": {"subtype": subtype},
    })
}

fn user(uuid: uuid::Uuid, text: &str) -> Value {
    json!({
        "type": "user",
        "uuid": uuid,
        "parent_tool_use_id": null,
        "message": {"role": "user", "content": [{"type": "text", "text": text}]},
    })
}

fn response(key: &str, answer: &Value) -> Value {
    json!({
        "type": "control_response",
        "response": {"subtype": "success", "request_id": key, "response": answer},
    })
}

/// A task that begins with a slash would be taken for a command of the agent (`/model`, `/clear`):
/// with a space in front it is read as what it is, text.
fn harmless(text: &str) -> std::borrow::Cow<'_, str> {
    if text.starts_with('/') {
        format!(" {text}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn check(order: Order, expected: &Value) {
        let line = encode(&Numbered { seq: 3, order });
        assert!(
            line.ends_with('\n') && !line.trim_end().contains('\n'),
            "{line}"
        );
        assert_eq!(&serde_json::from_str::<Value>(&line).unwrap(), expected);
    }

    #[test]
    fn a_ping_is_known_by_its_number() {
        let line = ping(42);
        let value: Value = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(value["request"], json!({"subtype": "get_binary_version"}));
        assert_eq!(ping_of(value["request_id"].as_str().unwrap()), Some(42));
        for other in [
            "headcount-1-initialize",
            "headcount-ping-",
            "headcount-ping-x",
        ] {
            assert_eq!(ping_of(other), None, "{other}");
        }
    }

    #[test]
    fn each_order_is_one_line() {
        let uuid = Uuid::from_u128(1);
        let id = "00000000-0000-0000-0000-000000000001";
        let user = |text: &str| {
            json!({"type": "user", "uuid": id, "parent_tool_use_id": null,
                "message": {"role": "user", "content": [{"type": "text", "text": text}]}})
        };
        let request = |subtype: &str| {
            json!({"type": "control_request", "request_id": format!("headcount-3-{subtype}"),
                "request": {"subtype": subtype}})
        };
        let reply = |answer: Value| {
            json!({"type": "control_response",
                "response": {"subtype": "success", "request_id": "k", "response": answer}})
        };
        check(Order::Initialize, &request("initialize"));
        let mut interrupt = request("interrupt");
        interrupt["request"]["cancel_queued"] = true.into();
        check(Order::Interrupt, &interrupt);
        for (text, sent) in [
            (
                "two\nlines \u{2028} \"quoted\"",
                "two\nlines \u{2028} \"quoted\"",
            ),
            ("/model opus", " /model opus"),
        ] {
            let text = text.to_owned();
            check(Order::Message { uuid, text }, &user(sent));
        }
        check(Order::Clear { uuid }, &user("/clear"));
        let key = "k".to_owned();
        check(
            Order::Deny {
                key: key.clone(),
                reason: "Not today.".to_owned(),
            },
            &reply(json!({"behavior": "deny", "message": "Not today."})),
        );
        let answered = json!({"questions": [], "answers": {"Which?": "Blue"}});
        check(
            Order::Allow {
                key: key.clone(),
                input: answered.clone(),
                remember: None,
            },
            &reply(json!({"behavior": "allow", "updatedInput": answered})),
        );
        check(
            Order::Allow {
                key: key.clone(),
                input: Value::Null,
                remember: None,
            },
            &reply(json!({"behavior": "allow"})),
        );
        check(
            Order::Allow {
                key,
                input: json!({"command": "git push"}),
                remember: Some("Bash(git push *)".to_owned()),
            },
            &reply(
                json!({"behavior": "allow", "updatedInput": {"command": "git push"},
                "updatedPermissions": [{"type": "addRules", "behavior": "allow", "destination": "session",
                    "rules": [{"toolName": "Bash", "ruleContent": "git push *"}]}]}),
            ),
        );
    }
}
