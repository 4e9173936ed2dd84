//! Roles and departments as the configuration defines them, resolved and checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::alert::AlertRule;
use crate::domain::automation::{AutoStart, AutoStop, Automation};
use crate::domain::cluster::Cluster;
use crate::domain::command::NewProcess;
use crate::domain::health::HealthRule;
use crate::domain::restart::AutoRestart;
use crate::domain::sandbox::SandboxRule;
use crate::domain::task::Priority;
use crate::domain::worktree::WorktreeRule;

/// How long-lived work reaches a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person talks to it in a terminal.
    Interactive,
    /// Works through the queue.
    #[default]
    Batch,
    /// Looks at the system on a schedule.
    Monitoring,
    /// Maintenance commands.
    Utility,
}

impl Kind {
    /// Whether each start of it is one run, after which it is down again: of a command, or of an
    /// agent with a standing text.
    #[must_use]
    pub const fn has_runs(self) -> bool {
        matches!(self, Self::Monitoring | Self::Utility)
    }
}

/// How an agent is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Claude Code's stream-json on pipes: takes tasks.
    ClaudeStreamJson,
    /// Any command in a pseudo-terminal, shown as text.
    Terminal,
    /// Any command on pipes; its output is its log.
    Plain,
}

impl Protocol {
    /// Whether its output is read as messages; otherwise the output itself is the log.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Self::ClaudeStreamJson)
    }
}

/// An entry of `[agents]`: a program and how it is driven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The key in `[agents]`.
    pub name: String,
    /// A program name looked up on the PATH, or a path.
    pub command: String,
    /// Arguments put before the driver's own.
    pub args: Vec<String>,
    /// How it is driven.
    pub protocol: Protocol,
    /// Variables, values not yet expanded (`${VAR}`).
    pub environment: BTreeMap<String, String>,
}

/// Whether the role's prompt extends the agent's own or stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum PromptMode {
    /// The agent's own prompt is kept and extended.
    #[default]
    Append,
    /// The agent's own prompt is replaced.
    Replace,
}

/// What becomes of a task whose process was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum WhenCut {
    /// It goes back to the queue, up to its retries.
    #[default]
    Retry,
    /// It is held until a person releases it.
    Ask,
    /// It fails.
    Fail,
}

/// What becomes of a process when something that it runs with changes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum WhenChanged {
    /// A person is asked.
    #[default]
    Ask,
    /// It is restarted when it has nothing to do, without being asked.
    Idle,
}

/// A range from what is promised to what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range<T> {
    /// Promised.
    pub min: T,
    /// Allowed at most.
    pub max: T,
}

/// A department, with the limits that its roles begin from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Department {
    /// The key, for example `development`.
    pub key: String,
    /// The title shown.
    pub title: String,
    /// In cores.
    pub cpu: Range<f64>,
    /// In bytes.
    pub memory: Range<u64>,
}

/// Who sets something in `roles.toml`; the innermost wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Nobody: it is so where nothing else is said.
    #[default]
    BuiltIn,
    /// `[defaults]`.
    Defaults,
    /// The department.
    Department,
    /// The role itself.
    Role,
    /// The cluster that it is held in.
    Cluster,
}

impl Layer {
    /// The word that is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built in",
            Self::Defaults => "defaults",
            Self::Department => "department",
            Self::Role => "role",
            Self::Cluster => "cluster",
        }
    }
}

/// A resolved role: every default applied, every name checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// The key, for example `senior_developer`.
    pub key: String,
    /// The title shown, for example `Senior Developer`.
    pub title: String,
    /// The department's key.
    pub department: String,
    /// Kind of process that the role is hired as.
    pub kind: Kind,
    /// The agent's key in [`Catalogue::agents`].
    pub agent: String,
    /// The prompt file relative to the folder of `roles.toml`; `None` for a command that takes none.
    pub prompt: Option<PathBuf>,
    /// How the prompt meets the agent's own.
    pub prompt_mode: PromptMode,
    /// Words that tasks may ask for.
    pub skills: Vec<String>,
    /// Tools as the role lists them, aliases not expanded.
    pub tools: Vec<String>,
    /// Permission rules that wait for a person.
    pub ask: Vec<String>,
    /// Permission rules that refuse.
    pub deny: Vec<String>,
    /// Variables, later layers already merged over earlier ones, values not yet expanded.
    pub environment: BTreeMap<String, String>,
    /// A file of further variables, relative to the folder of `roles.toml`.
    pub env_file: Option<PathBuf>,
    /// The model, where the role names one.
    pub model: Option<String>,
    /// Turns that one task may take, where the role limits them.
    pub max_turns: Option<u32>,
    /// US dollars that one life of the process may cost, where the role limits it.
    pub budget_usd: Option<f64>,
    /// In cores.
    pub cpu: Range<f64>,
    /// In bytes.
    pub memory: Range<u64>,
    /// How long a stop lets the current task go on.
    pub finish_task: Duration,
    /// How long a stop waits between the request to end and the kill.
    pub terminate: Duration,
    /// How long one attempt at a task may take; waiting for a person does not count.
    pub task_timeout: Duration,
    /// How often a task is tried again.
    pub task_retries: u32,
    /// The wait before the first retry; it doubles.
    pub task_retry_delay: Duration,
    /// What becomes of a task whose process was cut.
    pub when_cut: WhenCut,
    /// When it is started again after a failure.
    #[serde(default)]
    pub auto_restart: AutoRestart,
    /// How it is asked how it does.
    #[serde(default)]
    pub health: HealthRule,
    /// Whether its processes work in git worktrees of their own, and how those are made.
    #[serde(default)]
    pub worktree: WorktreeRule,
    /// What its processes may touch on the machine.
    #[serde(default)]
    pub sandbox: SandboxRule,
    /// Which layer set what, by the key in `roles.toml`; a variable as `environment NAME`.
    #[serde(default)]
    pub origins: BTreeMap<String, Layer>,
    /// What becomes of its processes when something changes on disk.
    #[serde(default)]
    pub when_changed: WhenChanged,
    /// What is done without being asked.
    #[serde(default)]
    pub automation: Automation,
}

impl Role {
    /// Which layer set a key.
    #[must_use]
    pub fn origin(&self, key: &str) -> Layer {
        self.origins.get(key).copied().unwrap_or_default()
    }
}

/// Who of several free ones gets a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum LoadBalancing {
    /// Whoever was asked longest ago.
    #[default]
    RoundRobin,
    /// Whoever has worked least of late.
    LeastBusy,
    /// Whoever takes the least time for a task.
    Fastest,
}

impl LoadBalancing {
    /// The word that is shown and accepted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastBusy => "least_busy",
            Self::Fastest => "fastest",
        }
    }
}

/// A task that is asked for often, with `{{name}}` where something is to be filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The key, for example `review`.
    pub key: String,
    /// What to do.
    pub text: String,
    /// Any process of this role.
    pub role: Option<String>,
    /// Any process whose role has all of these skills.
    pub skills: Vec<String>,
    /// How urgent.
    pub priority: Priority,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How often it is tried again.
    pub retries: Option<u32>,
}

/// Everything that `roles.toml` says, resolved. Replaced as a whole, never edited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Catalogue {
    /// Departments in the order of the file.
    pub departments: Vec<Department>,
    /// Roles in the order of the file.
    pub roles: Vec<Role>,
    /// Tool aliases: a role's word to the agent's own permission rules.
    pub tools: BTreeMap<String, Vec<String>>,
    /// Agents by key.
    pub agents: BTreeMap<String, Agent>,
    /// Automatic restarts of who has no role any more.
    pub auto_restart: AutoRestart,
    /// When alerts are raised, and who hears of them.
    #[serde(default)]
    pub alerts: AlertRule,
    /// Who of several free ones gets a task.
    #[serde(default)]
    pub load_balancing: LoadBalancing,
    /// Tasks that are asked for often, in the order of the file.
    #[serde(default)]
    pub templates: Vec<Template>,
    /// Automatic starts.
    #[serde(default)]
    pub auto_start: AutoStart,
    /// Automatic stops.
    #[serde(default)]
    pub auto_stop: AutoStop,
    /// Declared teams, in the order of the file.
    #[serde(default)]
    pub clusters: Vec<Cluster>,
}

impl Catalogue {
    /// The role of a key.
    #[must_use]
    pub fn role(&self, key: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.key == key)
    }

    /// The cluster of a key.
    #[must_use]
    pub fn cluster(&self, key: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.key == key)
    }

    /// The role that a process holds: as its cluster has it, where it belongs to one that does.
    #[must_use]
    pub fn role_for(&self, spec: &NewProcess) -> Option<&Role> {
        let cluster = spec.cluster.as_deref().and_then(|key| self.cluster(key));
        let member = cluster.and_then(|cluster| cluster.member(&spec.role));
        member
            .map(|member| &member.role)
            .or_else(|| self.role(&spec.role))
    }

    /// The department of a key.
    #[must_use]
    pub fn department(&self, key: &str) -> Option<&Department> {
        self.departments
            .iter()
            .find(|department| department.key == key)
    }
}
