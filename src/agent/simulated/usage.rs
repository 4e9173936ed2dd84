//! Tokens and what they cost.

use serde_json::{Value, json};

/// The name under which all use is counted.
pub(super) const MODEL: &str = "simulated";

const USD_PER_INPUT_TOKEN: f64 = 4e-6;
const USD_PER_OUTPUT_TOKEN: f64 = 20e-6;

/// Tokens used, in one answer or in all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) output: u64,
}

impl Usage {
    /// What an answer takes when the script does not say.
    pub(super) const ANSWER: Self = Self {
        input: 100,
        output: 20,
    };

    pub(super) fn add(&mut self, more: Self) {
        self.input += more.input;
        self.output += more.output;
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "token counts are far below 2^52"
    )]
    pub(super) fn cost_usd(self) -> f64 {
        self.input as f64 * USD_PER_INPUT_TOKEN + self.output as f64 * USD_PER_OUTPUT_TOKEN
    }

    /// Returns the figures as they stand in a message of the API.
    pub(super) fn of_message(self) -> Value {
        json!({
            "input_tokens": self.input, "output_tokens": self.output,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "service_tier": "standard",
        })
    }

    /// Returns the figures as they stand in a result.
    pub(super) fn of_turn(self) -> Value {
        json!({
            "input_tokens": self.input, "output_tokens": self.output,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens_details": {"thinking_tokens": 0},
            "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
            "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
            "service_tier": "standard", "inference_geo": "", "iterations": [], "speed": "standard",
        })
    }

    /// Returns the figures by model; nothing was used when nothing is in it.
    pub(super) fn by_model(self) -> Value {
        if self == Self::default() {
            return json!({});
        }
        json!({MODEL: {
            "inputTokens": self.input, "outputTokens": self.output,
            "cacheReadInputTokens": 0, "cacheCreationInputTokens": 0, "webSearchRequests": 0,
            "costUSD": self.cost_usd(), "contextWindow": 200_000, "maxOutputTokens": 32_000,
            "thinkingTokens": 0, "canonicalModel": MODEL, "provider": MODEL, "costBasis": MODEL,
        }})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_costs_its_tokens() {
        assert!((Usage::ANSWER.cost_usd() - 0.0008).abs() < 1e-12);
        assert!(
            (Usage {
                input: 100_000,
                output: 2_000
            }
            .cost_usd()
                - 0.44)
                .abs()
                < 1e-12
        );
    }
}
