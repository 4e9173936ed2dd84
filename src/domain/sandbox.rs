//! What a process may touch on the machine: what its role says, and what the kernel holds of it.

use serde::{Deserialize, Serialize};

/// How much a process is held in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum SandboxLevel {
    /// It can do what its user can do.
    #[default]
    Off,
    /// It writes in its working directory and a few other places, and nowhere else.
    Workspace,
    /// Besides, it does not read the user's secrets, and connects to certain TCP ports alone.
    Strict,
}

impl SandboxLevel {
    /// The word in `roles.toml` and in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Workspace => "workspace",
            Self::Strict => "strict",
        }
    }
}

/// The `sandbox` table of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct SandboxRule {
    /// How much.
    pub level: SandboxLevel,
    /// Whether it starts all the same where the kernel cannot hold all of it.
    pub best_effort: bool,
    /// Further places that it may write to: absolute, below `~/`, or below its working directory.
    pub write: Vec<String>,
    /// TCP ports that it may connect to at level `strict`, besides that of its model's API.
    pub ports: Vec<u16>,
}

/// The sandbox of a process as it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Sandbox {
    /// How much.
    pub level: SandboxLevel,
    /// Whether the kernel holds it, all that stands in `gaps` apart.
    pub enforced: bool,
    /// What the kernel of this machine does not hold, in words.
    pub gaps: Vec<String>,
    /// Where it may write.
    pub write: Vec<String>,
}
