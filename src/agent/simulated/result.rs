//! The message that ends a turn.

use serde_json::{Value, json};

use super::{clock, output::new_id, turn::Turn, usage::Usage};

/// How a turn ended.
#[derive(Debug)]
pub(super) enum End {
    Done,
    /// The conversation was begun anew, and nothing else.
    Cleared,
    /// Interrupted while it answered.
    AbortedStreaming,
    /// Interrupted while it used a tool, or stopped by the answer to a permission request.
    AbortedTools,
    Api {
        status: Option<u16>,
        text: String,
    },
    MaxTurns,
    Budget,
    /// The process is to end at once.
    Crash(u8),
}

impl End {
    /// Says what becomes of the messages that the turn was for.
    pub(super) fn lifecycle(&self) -> &'static str {
        if matches!(self, Self::Done | Self::Cleared | Self::MaxTurns) {
            "completed"
        } else {
            "cancelled"
        }
    }

    pub(super) fn is_error(&self) -> bool {
        !matches!(self, Self::Done | Self::Cleared)
    }

    fn subtype_and_reason(&self) -> (&'static str, &'static str) {
        match self {
            Self::Done | Self::Cleared => ("success", "completed"),
            Self::Api { .. } => ("success", "api_error"),
            Self::AbortedStreaming => ("error_during_execution", "aborted_streaming"),
            Self::AbortedTools | Self::Crash(_) => ("error_during_execution", "aborted_tools"),
            Self::MaxTurns => ("error_max_turns", "max_turns"),
            Self::Budget => ("error_max_budget_usd", "budget_exhausted"),
        }
    }
}

/// Returns the result of a turn; counts it, too.
pub(super) fn message(turn: &Turn<'_>, end: &End) -> Value {
    let flags = &turn.shared.flags;
    let (subtype, reason) = end.subtype_and_reason();
    let mut state = turn.shared.lock();
    let mut result = json!({
        "type": "result", "subtype": subtype, "terminal_reason": reason, "is_error": end.is_error(),
        "stop_reason": turn.stop_reason, "num_turns": turn.messages, "permission_denials": turn.denials,
        "duration_ms": millis(clock::now().saturating_duration_since(turn.started)),
        "duration_api_ms": millis(state.api_time),
        "total_cost_usd": state.totals.cost_usd(), "usage": turn.usage.of_turn(),
        "modelUsage": state.totals.by_model(), "model_usage_since_last_result": state.since_result.by_model(),
        "user_message_uuids": turn.uuids, "queued_turn_count": 0, "result_index": state.results,
        "fast_mode_state": "off", "safety_stops": 0,
    });
    if let Some(opener) = turn.opener() {
        result["user_message_uuid"] = opener.into();
    }
    if let Some(first) = turn.first_token {
        result["ttft_ms"] = millis(first).into();
    }
    match end {
        End::Done => {
            result["result"] = turn.said.as_str().into();
            result["api_error_status"] = Value::Null;
        }
        End::Cleared => {
            result["result"] = "".into();
            result["local_command"] = "clear".into();
            result["num_turns"] = 0.into();
            if let Some(fields) = result.as_object_mut() {
                fields.remove("terminal_reason");
            }
        }
        End::Api { status, text } => {
            result["result"] = text.as_str().into();
            result["api_error_status"] = json!(status);
        }
        End::MaxTurns => {
            let max = flags.max_turns.unwrap_or_default();
            result["errors"] = json!([format!("Reached maximum number of turns ({max})")]);
        }
        End::Budget => {
            let budget = flags.budget_usd.unwrap_or_default();
            result["errors"] = json!([format!("Reached maximum budget (${budget})")]);
        }
        End::AbortedStreaming | End::AbortedTools | End::Crash(_) => {
            let stop = turn.stop_reason.unwrap_or("null");
            result["errors"] = json!([format!(
                "[ede_diagnostic] result_type=user last_content_type=n/a stop_reason={stop}"
            )]);
        }
    }
    state.results += 1;
    state.since_result = Usage::default();
    state.last_failed = end.is_error();
    result
}

/// Returns the result of a process that does not start.
pub(super) fn never_started(session_id: &str, why: &str) -> Value {
    json!({
        "type": "result", "subtype": "error_during_execution", "is_error": true, "num_turns": 0,
        "duration_ms": 0, "duration_api_ms": 0, "stop_reason": null, "total_cost_usd": 0,
        "usage": Usage::default().of_turn(), "modelUsage": {}, "permission_denials": [],
        "errors": [why], "session_id": session_id, "uuid": new_id(),
    })
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
