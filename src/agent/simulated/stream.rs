//! One answer of the model: the deltas, if they are wanted, and the finished blocks.

use std::{borrow::Cow, time::Duration};

use serde_json::{Value, json};

use super::{
    clock,
    output::new_id,
    result::End,
    script::Call,
    turn::Turn,
    usage::{MODEL, Usage},
};

/// A part of an answer.
#[derive(Debug)]
pub(super) enum Block {
    Text(String),
    Thinking(String),
    Tool { id: String, call: Call },
}

impl Block {
    fn empty(&self) -> Value {
        match self {
            Self::Text(_) => json!({"type": "text", "text": ""}),
            Self::Thinking(_) => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Self::Tool { id, call } => {
                json!({"type": "tool_use", "id": id, "name": call.tool, "input": {}})
            }
        }
    }

    fn whole(&self) -> Value {
        match self {
            Self::Text(text) => json!({"type": "text", "text": text}),
            Self::Thinking(text) => {
                json!({"type": "thinking", "thinking": text, "signature": MODEL})
            }
            Self::Tool { id, call } => {
                json!({"type": "tool_use", "id": id, "name": call.tool, "input": call.input})
            }
        }
    }

    fn deltas(&self) -> Vec<(&'static str, &'static str, Cow<'_, str>)> {
        let texts = |kind, field, text| {
            pieces(text)
                .into_iter()
                .map(move |piece| (kind, field, Cow::Borrowed(piece)))
        };
        match self {
            Self::Text(text) => texts("text_delta", "text", text).collect(),
            Self::Thinking(text) => texts("thinking_delta", "thinking", text).collect(),
            Self::Tool { call, .. } => {
                vec![(
                    "input_json_delta",
                    "partial_json",
                    Cow::Owned(call.input.to_string()),
                )]
            }
        }
    }
}

/// Cuts a text into words with the blanks behind them, and a long one into pieces of 16 KiB.
fn pieces(text: &str) -> Vec<&str> {
    const LONG: usize = 16 << 10;
    let mut pieces = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        let end = if text.len() > LONG {
            (LONG..rest.len()).find(|at| rest.is_char_boundary(*at))
        } else {
            let blank = rest.find(char::is_whitespace);
            blank.and_then(|at| {
                rest[at..]
                    .find(|c: char| !c.is_whitespace())
                    .map(|more| at + more)
            })
        };
        let (piece, more) = rest.split_at(end.unwrap_or(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces
}

impl Turn<'_> {
    /// Gives one answer over `time` at least; true, for it is one.
    pub(super) fn answer(
        &mut self,
        blocks: &[Block],
        stop: &'static str,
        usage: Usage,
        time: Duration,
    ) -> Result<bool, End> {
        self.check_limits()?;
        self.calls += 1;
        self.stop_reason = None;
        self.tell_requesting();
        let begun = clock::now();
        let id = format!("msg_sim_{}", new_id().replace('-', ""));
        let first = Usage { output: 1, ..usage };
        let mut start = self.message(&id, first, &json!([]));
        self.claim(&mut start);
        self.event(
            json!({"type": "message_start", "message": start["message"]}),
            &id,
        );
        let all: usize = blocks.iter().map(|block| block.deltas().len()).sum();
        let share = time / u32::try_from(all.max(1)).unwrap_or(u32::MAX);
        let pause = share.max(self.shared.environment.pace);
        for (index, block) in blocks.iter().enumerate() {
            self.event(json!({"type": "content_block_start", "index": index, "content_block": block.empty()}), &id);
            let mut sent = 0;
            for (kind, field, piece) in block.deltas() {
                self.first_token
                    .get_or_insert_with(|| clock::now().saturating_duration_since(self.started));
                self.event(
                    json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, field: piece}}),
                    &id,
                );
                sent += piece.len();
                if self.shared.pause(pause).is_err() {
                    return Err(self.cut_off(block, sent, index, &id, usage));
                }
            }
            let mut message = self.message(&id, first, &json!([block.whole()]));
            if index == 0 {
                self.claim(&mut message);
            }
            self.say_assistant(message);
            self.event(json!({"type": "content_block_stop", "index": index}), &id);
            if let Block::Text(text) = block {
                self.said.clone_from(text);
            }
        }
        let delta = json!({"stop_reason": stop, "stop_sequence": null});
        self.event(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage.output}}), &id);
        self.event(json!({"type": "message_stop"}), &id);
        self.stop_reason = Some(stop);
        self.charge(usage, clock::now().saturating_duration_since(begun));
        if self.is_over_budget() {
            Err(End::Budget)
        } else {
            Ok(true)
        }
    }

    /// Ends an answer in the middle of a block.
    fn cut_off(&mut self, block: &Block, sent: usize, index: usize, id: &str, usage: Usage) -> End {
        let first = Usage { output: 1, ..usage };
        if let Block::Text(text) = block {
            let mut message =
                self.message(id, first, &json!([{"type": "text", "text": text[..sent]}]));
            message["aborted"] = true.into();
            self.claim(&mut message);
            self.say_assistant(message);
        }
        let end = self.abort_streaming();
        self.event(json!({"type": "content_block_stop", "index": index}), id);
        let delta = json!({"stop_reason": null, "stop_sequence": null});
        self.event(
            json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 1}}),
            id,
        );
        self.event(json!({"type": "message_stop"}), id);
        self.charge(first, Duration::ZERO);
        end
    }

    /// Refuses to call the model when a limit is reached.
    fn check_limits(&self) -> Result<(), End> {
        if self.is_over_budget() {
            return Err(End::Budget);
        }
        let is_last = self
            .shared
            .flags
            .max_turns
            .is_some_and(|max| self.calls >= max);
        if is_last { Err(End::MaxTurns) } else { Ok(()) }
    }

    fn is_over_budget(&self) -> bool {
        let cost = self.shared.lock().totals.cost_usd();
        self.shared
            .flags
            .budget_usd
            .is_some_and(|budget| cost >= budget)
    }

    fn charge(&mut self, usage: Usage, api_time: Duration) {
        self.usage.add(usage);
        let mut state = self.shared.lock();
        state.totals.add(usage);
        state.since_result.add(usage);
        state.api_time += api_time;
    }

    fn message(&self, id: &str, usage: Usage, content: &Value) -> Value {
        json!({
            "type": "assistant", "parent_tool_use_id": null, "timestamp": clock::timestamp(),
            "message": {
                "id": id, "type": "message", "role": "assistant", "model": MODEL, "content": content,
                "stop_reason": null, "stop_sequence": null, "usage": usage.of_message(),
            },
        })
    }

    /// Names the user's message in the first answer of the turn.
    fn claim(&self, message: &mut Value) {
        if let Some(opener) = self.opener().filter(|_| self.calls == 1) {
            message["user_message_uuid"] = opener.into();
            message["user_message_uuids"] = json!(self.uuids);
        }
    }

    fn say_assistant(&self, message: Value) {
        self.shared
            .lock()
            .session
            .record_message("assistant", &message["message"]);
        self.shared.output.say(message);
    }

    /// Says a message in the user's name: tool results and notes.
    pub(super) fn say_user(&self, content: &Value, more: Option<Value>) {
        let mut message = more.unwrap_or_else(|| json!({}));
        message["type"] = "user".into();
        message["message"] = json!({"role": "user", "content": content});
        message["parent_tool_use_id"] = Value::Null;
        message["timestamp"] = clock::timestamp().into();
        self.shared
            .lock()
            .session
            .record_message("user", &message["message"]);
        self.shared.output.say(message);
    }

    pub(super) fn tell_requesting(&self) {
        if self.shared.flags.partial_messages {
            self.shared.output.say(json!({
                "type": "system", "subtype": "status", "status": "requesting", "user_message_uuids": self.uuids,
            }));
        }
    }

    fn event(&self, event: Value, id: &str) {
        if self.shared.flags.partial_messages {
            self.shared.output.say(json!({
                "type": "stream_event", "event": event, "parent_tool_use_id": null, "api_message_id": id,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_streams_word_by_word() {
        assert_eq!(pieces("one two  three"), ["one ", "two  ", "three"]);
        assert_eq!(pieces(" one\n"), [" ", "one\n"]);
        assert!(pieces("").is_empty());
        assert_eq!(pieces(&"é".repeat(10_000)).len(), 2);
    }
}
