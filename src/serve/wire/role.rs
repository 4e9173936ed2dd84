//! A role, as a document.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::role::{Kind, PromptMode, Role};
use crate::serve::wire::maybe_lossy;
use crate::serve::wire::process::{LimitsDoc, SandboxDoc};

/// One role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoleDoc {
    /// The key, which commands take.
    pub key: String,
    /// The title.
    pub title: String,
    /// The department's key.
    pub department: String,
    /// The kind of process that it is hired as.
    pub kind: Kind,
    /// The agent's key in `[agents]`.
    pub agent: String,
    /// The prompt file, relative to the folder of `roles.toml`.
    #[serde(serialize_with = "maybe_lossy")]
    pub prompt_file: Option<PathBuf>,
    /// `append` or `replace`.
    pub prompt_mode: PromptMode,
    /// Words that tasks may ask for.
    pub skills: Vec<String>,
    /// Tools as the role lists them.
    pub allowed_tools: Vec<String>,
    /// Permission rules that wait for a person.
    pub ask_rules: Vec<String>,
    /// Permission rules that refuse.
    pub deny_rules: Vec<String>,
    /// The model, where the role names one.
    pub model: Option<String>,
    /// Turns that a task may take.
    pub max_turns: Option<u32>,
    /// Its limits.
    pub limits: LimitsDoc,
    /// Its sandbox.
    pub sandbox: SandboxDoc,
}

impl From<&Role> for RoleDoc {
    fn from(role: &Role) -> Self {
        Self {
            key: role.key.clone(),
            title: role.title.clone(),
            department: role.department.clone(),
            kind: role.kind,
            agent: role.agent.clone(),
            prompt_file: role.prompt.clone(),
            prompt_mode: role.prompt_mode,
            skills: role.skills.clone(),
            allowed_tools: role.tools.clone(),
            ask_rules: role.ask.clone(),
            deny_rules: role.deny.clone(),
            model: role.model.clone(),
            max_turns: role.max_turns,
            limits: LimitsDoc {
                cpu: role.cpu.into(),
                memory: role.memory.into(),
                enforced_by: None,
            },
            sandbox: SandboxDoc {
                level: role.sandbox.level.as_str().to_owned(),
                enforced: false,
                gaps: Vec::new(),
                write: role.sandbox.write.clone(),
                ports: role.sandbox.ports.clone(),
            },
        }
    }
}
