//! Lines from stdin. Control requests are answered here and at once, whatever the turn does.

use std::io::{self, BufRead, Write};

use serde_json::Value;

use super::{
    control,
    environment::Start,
    state::{Ending, Message, Shared},
};

/// Reads stdin to its end.
pub(super) fn read(shared: &Shared) {
    for line in io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { break };
        if line.trim_ascii().is_empty() || shared.environment.start == Start::Silent {
            continue;
        }
        match serde_json::from_slice::<Value>(&line) {
            Ok(message) => take(shared, &message),
            Err(_) => {
                let size = line.len();
                let said = format!(
                    "Error parsing streaming input line (type=unknown, {size} chars): SyntaxError"
                );
                // The exit code tells it too.
                let _ = writeln!(io::stderr(), "{said}");
                shared.output.close();
                shared.end(Ending {
                    code: 1,
                    sudden: false,
                });
                return;
            }
        }
    }
    shared.lock().eof = true;
    shared.notify();
}

fn take(shared: &Shared, message: &Value) {
    match message["type"].as_str() {
        Some("user") => {
            if let Some(text) = text_of(&message["message"]["content"]) {
                queue(
                    shared,
                    Message {
                        uuid: message["uuid"].as_str().map(str::to_owned),
                        text,
                    },
                );
            }
        }
        Some("control_request") => control::answer(shared, message),
        Some("control_response") => {
            let response = &message["response"];
            let mut state = shared.lock();
            let id = response["request_id"].as_str().unwrap_or_default();
            // An answer to no open request is no mistake: the request may just have been withdrawn.
            if let Some(slot @ None) = state.requests.get_mut(id) {
                *slot = Some(response.clone());
                shared.notify();
            }
        }
        _ => {}
    }
}

fn queue(shared: &Shared, message: Message) {
    let mut state = shared.lock();
    if !state.busy {
        state.busy = true;
        shared.tell_state("running");
    }
    shared.tell_lifecycle(message.uuid.as_deref(), "queued");
    state.waiting.push_back(message);
    shared.notify();
}

/// Returns the text of a message's content, which is a string or a list of blocks.
fn text_of(content: &Value) -> Option<String> {
    if let Some(text) = content.as_str() {
        return Some(text.to_owned());
    }
    let texts = content
        .as_array()?
        .iter()
        .filter_map(|block| block["text"].as_str());
    Some(texts.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_is_a_string_or_blocks() {
        assert_eq!(text_of(&json!("a")).as_deref(), Some("a"));
        let blocks = json!([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]);
        assert_eq!(text_of(&blocks).as_deref(), Some("a\nb"));
        assert_eq!(text_of(&Value::Null), None);
    }
}
