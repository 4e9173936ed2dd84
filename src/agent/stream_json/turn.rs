//! What a turn brought: the `result` message, judged by all of its fields.

use serde_json::Value;
use uuid::Uuid;

use crate::agent::stream_json::ask::subject;
use crate::agent::stream_json::text::{first_line, readable};
use crate::agent::stream_json::value::{count, is, list, text, uuid};
use crate::domain::event::TurnEnd;
use crate::domain::task::Tokens;

/// How much of a refused tool's subject is told.
const MOST_SUBJECT: usize = 120;

/// Reads a result. `total_before` is what the conversation had cost before this turn, for versions
/// that tell totals only.
pub(super) fn of(result: &Value, total_before: Option<f64>) -> TurnEnd {
    let interrupted = text(result, "terminal_reason").starts_with("aborted_");
    let success = text(result, "subtype") == "success" && !is(result, "is_error");
    let (cost_usd, tokens) = spent(result, total_before);
    TurnEnd {
        messages: messages(result),
        conversation: uuid(result, "session_id"),
        success,
        interrupted,
        retryable: !is_final(text(result, "terminal_reason")),
        text: words(result, interrupted),
        turns: u32::try_from(count(result, "num_turns")).unwrap_or(u32::MAX),
        cost_usd,
        tokens,
        denials: list(result, "permission_denials")
            .iter()
            .map(denial)
            .collect(),
    }
}

/// Whether the same task would end the same way again: its limits are used up, or it does not fit.
fn is_final(reason: &str) -> bool {
    matches!(
        reason,
        "max_turns" | "budget_exhausted" | "prompt_too_long" | "blocking_limit"
    )
}

/// Whether it is the answer to a start that failed, and no turn at all.
pub(super) fn is_failed_start(result: &Value) -> bool {
    is(result, "is_error")
        && count(result, "num_turns") == 0
        && result.get("terminal_reason").is_none_or(Value::is_null)
        && messages(result).is_empty()
        && result.get("origin").is_none_or(Value::is_null)
}

/// The agent's words for what went wrong.
pub(super) fn errors(result: &Value) -> String {
    let errors: Vec<&str> = list(result, "errors")
        .iter()
        .filter_map(Value::as_str)
        // Notes for its own makers.
        .filter(|error| !error.starts_with("[ede_diagnostic]"))
        .collect();
    readable(&errors.join("; "))
}

/// Our messages that this result answers; several, where they were sent before the turn was over.
fn messages(result: &Value) -> Vec<Uuid> {
    let several: Vec<Uuid> = list(result, "user_message_uuids")
        .iter()
        .filter_map(|id| Uuid::parse_str(id.as_str()?).ok())
        .collect();
    if several.is_empty() {
        uuid(result, "user_message_uuid").into_iter().collect()
    } else {
        several
    }
}

fn words(result: &Value, interrupted: bool) -> String {
    let said = text(result, "result");
    if !said.is_empty() {
        return readable(said);
    }
    let errors = errors(result);
    if errors.is_empty() && interrupted {
        "interrupted".to_owned()
    } else if errors.is_empty() && is(result, "is_error") {
        let why = [text(result, "terminal_reason"), text(result, "subtype")];
        let why = why.into_iter().find(|why| !why.is_empty());
        why.unwrap_or("failed without a word").replace('_', " ")
    } else {
        errors
    }
}

/// Money and tokens of this turn, subagents included.
fn spent(result: &Value, total_before: Option<f64>) -> (f64, Tokens) {
    if let Some(models) = result
        .get("model_usage_since_last_result")
        .and_then(Value::as_object)
    {
        let mut cost = 0.0;
        let mut tokens = Tokens::default();
        for usage in models.values() {
            cost += usage.get("costUSD").and_then(Value::as_f64).unwrap_or(0.0);
            tokens.input += count(usage, "inputTokens")
                + count(usage, "cacheReadInputTokens")
                + count(usage, "cacheCreationInputTokens");
            tokens.output += count(usage, "outputTokens");
        }
        return (cost, tokens);
    }
    let usage = result.get("usage").unwrap_or(&Value::Null);
    let tokens = Tokens {
        input: count(usage, "input_tokens")
            + count(usage, "cache_read_input_tokens")
            + count(usage, "cache_creation_input_tokens"),
        output: count(usage, "output_tokens"),
    };
    // Without a known beginning a total says nothing of the turn.
    let cost = match (total(result), total_before) {
        (Some(total), Some(before)) if total >= before => total - before,
        (Some(total), Some(_)) => total,
        _ => 0.0,
    };
    (cost, tokens)
}

/// How many tools a message of the agent calls.
pub(super) fn calls(message: &Value) -> impl Iterator<Item = &str> {
    blocks(message, "tool_use").map(|block| text(block, "id"))
}

/// The ids of the calls whose results a message brings.
pub(super) fn results(message: &Value) -> impl Iterator<Item = &str> {
    blocks(message, "tool_result").map(|block| text(block, "tool_use_id"))
}

fn blocks<'a>(message: &'a Value, kind: &'static str) -> impl Iterator<Item = &'a Value> {
    let content = message
        .get("message")
        .map_or(&[][..], |inner| list(inner, "content"));
    content
        .iter()
        .filter(move |block| text(block, "type") == kind)
}

/// A turn that was refused every tool it called has done nothing, whatever it says of itself.
pub(super) fn refuse_if_all_was_refused(end: &mut TurnEnd, calls: Option<usize>) {
    let Some(calls) = calls.filter(|calls| *calls > 0) else {
        return;
    };
    if end.success && end.denials.len() >= calls {
        end.success = false;
        end.retryable = false;
        let tools = end.denials.join(", ");
        end.text = format!(
            "every tool that it called was refused ({tools}): {}",
            end.text
        );
    }
}

/// What the conversation has cost so far.
pub(super) fn total(result: &Value) -> Option<f64> {
    result.get("total_cost_usd").and_then(Value::as_f64)
}

fn denial(denial: &Value) -> String {
    let tool = text(denial, "tool_name");
    let input = denial.get("tool_input").unwrap_or(&Value::Null);
    let subject = first_line(&subject(tool, input), MOST_SUBJECT);
    if subject.is_empty() {
        tool.to_owned()
    } else {
        format!("{tool}  {subject}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(mut fields: Value, more: Value) -> Value {
        let all = fields.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        fields
    }

    #[test]
    fn success_is_judged_by_all_fields() {
        let done = json!({"subtype": "success", "is_error": false, "terminal_reason": "completed",
            "result": "done", "num_turns": 4});
        for (more, success, interrupted, words) in [
            (json!({}), true, false, "done"),
            (
                json!({"is_error": true, "terminal_reason": "api_error", "result": "API Error: 529"}),
                false,
                false,
                "API Error: 529",
            ),
            (
                json!({"subtype": "error_max_turns", "is_error": true, "terminal_reason": "max_turns",
                "result": null, "errors": ["Reached maximum number of turns (3)"]}),
                false,
                false,
                "Reached maximum number of turns (3)",
            ),
            (
                json!({"subtype": "error_during_execution", "is_error": true, "result": null,
                "terminal_reason": "aborted_tools", "errors": ["[ede_diagnostic] x=1"]}),
                false,
                true,
                "interrupted",
            ),
            (
                json!({"subtype": "error_during_execution", "is_error": true, "result": null,
                "terminal_reason": "prompt_too_long"}),
                false,
                false,
                "prompt too long",
            ),
        ] {
            let end = of(&result(done.clone(), more), None);
            assert_eq!(
                (end.success, end.interrupted, end.text.as_str()),
                (success, interrupted, words)
            );
        }
    }

    #[test]
    fn a_turn_costs_what_it_used_and_not_what_all_of_them_did() {
        let totals = json!({"total_cost_usd": 0.5, "usage": {"input_tokens": 10,
            "cache_read_input_tokens": 90, "output_tokens": 5}});
        let of_turn = json!({"model_usage_since_last_result": {
            "large": {"inputTokens": 1, "cacheReadInputTokens": 2, "cacheCreationInputTokens": 3,
                "outputTokens": 4, "costUSD": 0.125},
            "small": {"inputTokens": 10, "outputTokens": 20, "costUSD": 0.25}}});
        let tokens = |input, output| Tokens { input, output };
        for (fields, before, cost, used) in [
            (
                result(totals.clone(), of_turn),
                Some(0.0),
                0.375,
                tokens(16, 24),
            ),
            (totals.clone(), Some(0.375), 0.125, tokens(100, 5)),
            // The total began anew with a fresh conversation.
            (totals.clone(), Some(0.75), 0.5, tokens(100, 5)),
            (totals, None, 0.0, tokens(100, 5)),
            (
                json!({"total_cost_usd": 9.0, "model_usage_since_last_result": {}}),
                None,
                0.0,
                tokens(0, 0),
            ),
        ] {
            let end = of(&fields, before);
            assert_eq!((end.cost_usd, end.tokens), (cost, used));
        }
    }

    #[test]
    fn a_turn_whose_every_tool_was_refused_is_no_success() {
        let fields = json!({"subtype": "success", "result": "sorry", "permission_denials":
            [{"tool_name": "Bash", "tool_input": {"command": "rm x"}}]});
        for (calls, success) in [(Some(1), false), (Some(2), true), (None, true)] {
            let mut end = of(&fields, None);
            refuse_if_all_was_refused(&mut end, calls);
            assert_eq!(end.success, success);
        }
        let call = json!({"message": {"content": [{"type": "text"}, {"type": "tool_use"}]}});
        assert_eq!(calls(&call).count(), 1);
    }

    #[test]
    fn refused_tools_are_named_with_what_they_were_for() {
        let end = of(
            &json!({"permission_denials": [
            {"tool_name": "Bash", "tool_input": {"command": "rm x\nrm y"}},
            {"tool_name": "mcp__a__b", "tool_input": {}}]}),
            None,
        );
        assert_eq!(end.denials, ["Bash  rm x …", "mcp__a__b"]);
    }
}
