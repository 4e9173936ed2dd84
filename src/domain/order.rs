//! Orders to an agent, in the words of the domain; the drivers put them into the agent's own.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What an agent is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Order {
    /// Say that you are ready.
    Initialize,
    /// A message: a task's text.
    Message {
        /// By which its result is known.
        uuid: Uuid,
        /// The text.
        text: String,
    },
    /// Begin a fresh conversation.
    Clear {
        /// By which its end is known.
        uuid: Uuid,
    },
    /// End the turn.
    Interrupt,
    /// A request is allowed.
    Allow {
        /// The agent's id for it.
        key: String,
        /// The tool's input.
        input: serde_json::Value,
        /// A permission rule to keep for the life of the process, for example `Bash(git push *)`.
        remember: Option<String>,
    },
    /// A request is refused.
    Deny {
        /// The agent's id for it.
        key: String,
        /// Why; the agent reads it.
        reason: String,
    },
}

/// An order with its number: a run takes each number once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Numbered {
    /// Counts up within a run, from 1.
    pub seq: u64,
    /// The order.
    pub order: Order,
}
