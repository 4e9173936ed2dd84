//! What clients send. Names are camelCase; a name that is not known is refused, not passed over.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::automation::Autostart;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::role::{Kind, PromptMode};
use crate::domain::task::Priority;
use crate::domain::worktree::UseWorktree;
use crate::serve::wire::process::RangeDoc;

/// A process as it is asked for. What is not given comes from the role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HireRequest {
    /// The role's key; `-` is read as `_`.
    pub role: String,
    /// The name of a prompt in `corporate-prompts`, with `-` or `_`, with or without `.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The text of a prompt; stands in place of any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_prompt: Option<String>,
    /// The path of a prompt file, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_file: Option<PathBuf>,
    /// `append` or `replace`: how the prompt meets the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_mode: Option<PromptMode>,
    /// Tools in place of the role's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    /// Where it works, absolute; the workspace if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<PathBuf>,
    /// Variables over the role's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Turns that a task may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// The employee's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether it works in a git worktree of its own: `auto`, `always` or `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<UseWorktree>,
    /// Cores promised and allowed, `{"min": 0.5, "max": 2}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<RangeDoc<f64>>,
    /// Bytes of memory promised and allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<RangeDoc<u64>>,
    /// Whether it is hired but not started.
    #[serde(default)]
    pub no_start: bool,
    /// Whether it is started again after a failure; the role says if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_restart: Option<bool>,
    /// When it is started by itself, besides its schedule: `boot`, `demand` or `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autostart: Option<Autostart>,
    /// When it is started by the clock, as in `roles.toml`; `never` for not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// How long it may be idle before it is stopped, for example `10m`; `never` for as long as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_stop: Option<String>,
}

/// A task as it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskRequest {
    /// What to do.
    pub text: String,
    /// How urgent.
    #[serde(default)]
    pub priority: Priority,
    /// Any process of this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// This process and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessId>,
    /// Any process whose role has all of these skills.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
    /// Anyone of this cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// How long one attempt may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// How often it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// An idempotency key: a second task with it is the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The task whose conversation it goes on in.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continues: Option<TaskId>,
    /// Tasks that must have succeeded before: ids, keys, or names of the same list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// What other tasks of the same list call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is held until a person releases it.
    #[serde(default)]
    pub held: bool,
    /// Whether it is done on a branch of its own, by somebody with a git worktree.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_branch: bool,
}

/// Moves a task that waits: one of the three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MoveRequest {
    /// Before everything that waits.
    #[serde(default)]
    pub first: bool,
    /// Behind everything that waits.
    #[serde(default)]
    pub last: bool,
    /// Just before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<TaskId>,
}

/// Changes a task that waits; what is not given stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditRequest {
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How urgent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Any process of this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// This process and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessId>,
    /// Any process whose role has all of these skills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills: Option<Vec<String>>,
    /// Anyone of this cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Anyone, before what else is given of a target.
    #[serde(default)]
    pub anyone: bool,
    /// How long one attempt may take, in seconds; `null` for the role's own.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "given"
    )]
    pub timeout_seconds: Option<Option<f64>>,
    /// How often it is tried again; `null` for the role's own.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "given"
    )]
    pub retries: Option<Option<u32>>,
    /// Tasks that must have succeeded before, in place of those it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<String>>,
}

/// `null` is a value too: not the same as nothing at all.
fn given<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Allows a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveRequest {
    /// Whether everything that fits the rule is allowed for this process.
    #[serde(default)]
    pub always: bool,
    /// The rule; the proposed one if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// Refuses a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DenyRequest {
    /// Why; the agent reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Answers a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnswerRequest {
    /// One answer a question, in their order.
    pub answers: Vec<String>,
}

/// Ends the instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShutdownRequest {
    /// Whether everything is killed at once.
    #[serde(default)]
    pub force: bool,
    /// Seconds after which what is still there is killed; 60 if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
}

/// Who is to take over from the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpgradeRequest {
    /// The program, absolute.
    pub program: PathBuf,
}

/// A message to the running turn of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SayRequest {
    /// What is said.
    pub text: String,
}
