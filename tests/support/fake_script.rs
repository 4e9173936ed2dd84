//! What the fake API is told to do: the steps in the last prompt of a conversation.

use serde_json::{Value, json};

const WORDS: &[&str] = &[
    "SAY", "SLOW", "THINK", "TOOL", "LOOP", "ERROR", "HANG", "USAGE", "RECALL", "SYSTEM",
];

/// Returns the last prompt, where it stands, and how many answers followed it.
pub(crate) fn locate(messages: &Value) -> (String, usize, usize) {
    let messages = messages.as_array().map_or(&[][..], Vec::as_slice);
    for (index, message) in messages.iter().enumerate().rev() {
        let texts = prompts(message);
        let scripted = texts.iter().rev().find(|text| script_start(text).is_some());
        let is_result = message["content"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|b| b["type"] == "tool_result");
        let prompt = if is_result {
            scripted
        } else {
            scripted.or(texts.last())
        };
        if let Some(prompt) = prompt.filter(|_| message["role"] == "user") {
            let answered = messages[index..]
                .iter()
                .filter(|message| message["role"] == "assistant")
                .count();
            return (prompt.clone(), index, answered);
        }
    }
    (String::new(), 0, 0)
}

/// Returns what a person typed, without the notes that the agent adds.
pub(crate) fn prompts(message: &Value) -> Vec<String> {
    let texts: Vec<&str> = match &message["content"] {
        Value::String(text) => vec![text],
        blocks => blocks
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|block| block["text"].as_str())
            .collect(),
    };
    let cleaned = texts.into_iter().map(|text| {
        let text = without(text, "<system-reminder>", "</system-reminder>");
        let text = without(&text, "[Request interrupted by user", "]");
        let is_note = text.starts_with("<local-command-") || text.starts_with("<command-name>");
        if is_note {
            String::new()
        } else {
            text.trim().to_owned()
        }
    });
    cleaned.filter(|text| !text.is_empty()).collect()
}

fn without(text: &str, open: &str, close: &str) -> String {
    let mut text = text.to_owned();
    while let Some(start) = text.find(open) {
        let end = text[start..]
            .find(close)
            .map_or(text.len(), |at| start + at + close.len());
        text.replace_range(start..end, "");
    }
    text
}

fn script_start(text: &str) -> Option<usize> {
    let is_letter = |c: char| c.is_alphanumeric();
    let hits = WORDS.iter().flat_map(|word| text.match_indices(word));
    let whole = hits.filter(|(at, word)| {
        !text[..*at].ends_with(is_letter) && !text[at + word.len()..].starts_with(is_letter)
    });
    whole.map(|(at, _)| at).min()
}

pub(crate) fn steps(prompt: &str) -> Vec<String> {
    let Some(start) = script_start(prompt) else {
        return vec![format!(
            "SAY OK: {}",
            prompt.chars().take(60).collect::<String>()
        )];
    };
    let mut steps = vec![];
    for piece in prompt[start..].split(" ;; ").map(str::trim) {
        match word(piece) {
            ("LOOP", rest) => {
                let (times, step) = word(rest);
                steps.extend(vec![step.to_owned(); times.parse().unwrap_or(1)]);
            }
            _ => steps.push(piece.to_owned()),
        }
    }
    steps
}

pub(crate) fn word(text: &str) -> (&str, &str) {
    let (first, rest) = text
        .trim_start()
        .split_once(char::is_whitespace)
        .unwrap_or((text.trim_start(), ""));
    (first, rest.trim())
}

pub(crate) fn input(tool: &str, argument: &str) -> Value {
    if let Ok(input @ Value::Object(_)) = serde_json::from_str(argument) {
        return input;
    }
    let mut fields = argument.split('|');
    let mut field = || fields.next().unwrap_or_default();
    match tool {
        "Bash" => json!({"command": argument, "description": "Run a scripted command"}),
        "Read" => json!({"file_path": argument}),
        "Write" => json!({"file_path": field(), "content": field()}),
        "Edit" => json!({"file_path": field(), "old_string": field(), "new_string": field()}),
        _ => json!({"pattern": argument}),
    }
}

pub(crate) fn system(body: &Value) -> String {
    match &body["system"] {
        Value::String(text) => text.clone(),
        blocks => {
            let texts = blocks
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|block| block["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
    }
}
