//! Arguments of the commands that hire people and that start and stop them.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::cli::args::JsonArg;
use crate::cli::args::values::{
    AutostartArg, KindArg, PromptModeArg, Turns, WhenArg, WorktreeArg, filled, variable,
};
use crate::domain::limits;
use crate::domain::role::Range;

/// Whom to hire.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("whom").args(["roles", "department"]).required(true))]
pub struct CreateArgs {
    /// Which roles.
    #[arg(value_name = "ROLE")]
    pub roles: Vec<String>,
    /// Every role of a department.
    #[arg(long, value_name = "D")]
    pub department: Option<String>,
    /// How many of each.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub count: u32,
    /// The employee's name; for one employee only.
    #[arg(long)]
    pub name: Option<String>,
    /// The kind, in place of the role's.
    #[arg(long, value_name = "K")]
    pub kind: Option<KindArg>,
    /// Where they work [default: this folder].
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// A variable of their environment; may be given several times.
    #[arg(long, value_name = "K=V", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// Tools in place of the role's, divided by commas.
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = filled)]
    pub tools: Option<Vec<String>>,
    /// A prompt in place of the role's.
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt_file", value_parser = filled)]
    pub prompt: Option<String>,
    /// A file with a prompt in place of the role's.
    #[arg(long, value_name = "F")]
    pub prompt_file: Option<PathBuf>,
    /// Whether the prompt extends the agent's own or stands in its place, as against the role.
    #[arg(long, value_name = "MODE")]
    pub prompt_mode: Option<PromptModeArg>,
    /// Turns that a task may take, or `none` [default: the role's; 20 for several roles at once].
    #[arg(long, value_name = "N")]
    pub max_turns: Option<Turns>,
    /// The model.
    #[arg(long, value_name = "M", value_parser = filled)]
    pub model: Option<String>,
    /// Whether they work in git worktrees of their own [default: the role's].
    #[arg(long, value_name = "WHEN")]
    pub worktree: Option<WorktreeArg>,
    /// Cores that are promised and allowed, for example 0.5..2.
    #[arg(long, value_name = "MIN..MAX", value_parser = limits::cores)]
    pub cpu: Option<Range<f64>>,
    /// Memory that is promised and allowed, for example 512MB..2GB.
    #[arg(long, value_name = "MIN..MAX", value_parser = limits::sizes)]
    pub memory: Option<Range<u64>>,
    /// Hire only; do not start.
    #[arg(long)]
    pub no_start: bool,
    /// When they start by the clock: `every 30m`, `0 9 * * 1-5 Europe/Berlin`, or `never`.
    #[arg(long, value_name = "S")]
    pub schedule: Option<String>,
    /// When else they start by themselves, in place of the role's.
    #[arg(long, value_name = "WHEN")]
    pub autostart: Option<AutostartArg>,
    /// How long they may be idle before they are stopped, or `never`.
    #[arg(long, value_name = "D")]
    pub idle_stop: Option<String>,
    /// Leave it down after a failure, whatever its role says.
    #[arg(long)]
    pub no_restart: bool,
    /// Whether the answer is JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// Which processes to restart.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("which").args(["processes", "all", "updates"]).required(true).multiple(true))]
pub struct RestartArgs {
    /// Which ones.
    #[arg(value_name = "PROC", conflicts_with = "all")]
    pub processes: Vec<String>,
    /// All that are up.
    #[arg(long)]
    pub all: bool,
    /// Only those whose prompt or configuration changed on disk since they started.
    #[arg(long)]
    pub updates: bool,
    /// When: at once, when it is idle, or all of its role, each when the one before is up again.
    #[arg(long, value_name = "WHEN", default_value = "now", requires = "updates")]
    pub when: WhenArg,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Which processes.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("which").args(["processes", "all"]).required(true))]
pub struct ProcArgs {
    /// Which ones.
    #[arg(value_name = "PROC")]
    pub processes: Vec<String>,
    /// All that this can be done to.
    #[arg(long)]
    pub all: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Which process is shown.
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// Which one.
    #[arg(value_name = "PROC")]
    pub process: String,
    /// Whether the answer is JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// What is said to whom.
#[derive(Debug, Clone, Args)]
pub struct SendArgs {
    /// Who: an id, a name or the beginning of one.
    #[arg(value_name = "PROC")]
    pub process: String,
    /// What; `-` reads it from standard input.
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// Whether the answer is JSON.
    #[command(flatten)]
    pub json: JsonArg,
}
