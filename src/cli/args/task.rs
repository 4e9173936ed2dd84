//! Commands about tasks, and their arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

use crate::cli::args::JsonArg;
use crate::cli::args::later::Later;
use crate::cli::args::values::{PriorityArg, filled, variable};
use crate::cli::duration;

/// A command about tasks.
#[derive(Debug, Clone, Subcommand)]
pub enum TaskVerb {
    /// Put work into the queue; starts an instance if none runs.
    Add(Later<Box<TaskAddArgs>>),
    /// List the tasks.
    Ls(Later<TaskListArgs>),
    /// Show everything about a task.
    Show(Later<TaskShowArgs>),
    /// Wait until tasks are over, and print their results.
    Wait(Later<TaskWaitArgs>),
    /// Take tasks back.
    Cancel(Later<TasksArgs>),
    /// Put tasks that ended without success back into the queue.
    Retry(Later<TasksArgs>),
    /// Leave tasks that ended without success at that; the inbox lists them no more.
    Dismiss(Later<TasksArgs>),
    /// Let held tasks go.
    Release(Later<TasksArgs>),
    /// Hold waiting tasks until they are released.
    Hold(Later<TasksArgs>),
    /// Delete tasks that no process works on.
    Rm(Later<TasksArgs>),
    /// Change a task that waits.
    Edit(Later<Box<TaskEditArgs>>),
    /// Move a waiting task in the queue.
    Move(Later<TaskMoveArgs>),
    /// Print what stands of a task in the log of its process.
    Log(Later<TaskLogArgs>),
    /// List the templates of `roles.toml`.
    Templates(Later<JsonArg>),
}

/// Which tasks are listed.
#[derive(Debug, Clone, Args)]
pub struct TaskListArgs {
    /// One state, or `open` for all that are not over.
    #[arg(long, value_name = "STATE")]
    pub only: Option<String>,
    /// Words that must all stand in its id, key, text, result or error.
    #[arg(long, value_name = "WORDS")]
    pub search: Option<String>,
    /// The newest N.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// How it is printed.
    #[command(flatten)]
    pub json: JsonArg,
}

/// Which task is shown.
#[derive(Debug, Clone, Args)]
pub struct TaskShowArgs {
    /// Which one.
    #[arg(value_name = "TASK")]
    pub task: String,
    /// How it is printed.
    #[command(flatten)]
    pub json: JsonArg,
}

/// What is waited for.
#[derive(Debug, Clone, Args)]
pub struct TaskWaitArgs {
    /// Which ones.
    #[arg(value_name = "TASK", required = true)]
    pub tasks: Vec<String>,
    /// For how long, all of them together.
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
    /// How it is printed.
    #[command(flatten)]
    pub json: JsonArg,
}

/// Which part of a log is printed.
#[derive(Debug, Clone, Args)]
pub struct TaskLogArgs {
    /// Which one.
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Which attempt, counted from 1 [default: the last].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
}

/// What is to be different of a task.
#[derive(Debug, Clone, Args)]
pub struct TaskEditArgs {
    /// Which one.
    #[arg(value_name = "TASK")]
    pub task: String,
    /// What to do; `-` reads it from standard input.
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// Any process of this role.
    #[arg(long, value_name = "R")]
    pub role: Option<String>,
    /// This process and no other.
    #[arg(long, value_name = "P")]
    pub process: Option<String>,
    /// Any process whose role has these skills, divided by commas; none: `--skills ""`.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub skills: Option<Vec<String>>,
    /// Anyone of this cluster.
    #[arg(long, value_name = "C", conflicts_with = "process")]
    pub cluster: Option<String>,
    /// Anyone, before what else is given of these four.
    #[arg(long)]
    pub anyone: bool,
    /// How urgent.
    #[arg(long, value_name = "P")]
    pub priority: Option<PriorityArg>,
    /// How long one attempt may take.
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
    /// How often it is tried again.
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// Tasks that must have succeeded before, in place of those it has; none: `--after ""`.
    #[arg(long, value_name = "TASK,TASK", value_delimiter = ',')]
    pub after: Option<Vec<String>>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Where a task is moved.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("where").args(["first", "last", "before", "priority"]).required(true))]
pub struct TaskMoveArgs {
    /// Which one.
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Before everything that waits.
    #[arg(long)]
    pub first: bool,
    /// Behind everything that waits.
    #[arg(long)]
    pub last: bool,
    /// Just before another one that waits.
    #[arg(long, value_name = "TASK")]
    pub before: Option<String>,
    /// Among those of this priority, by when it came.
    #[arg(long, value_name = "P")]
    pub priority: Option<PriorityArg>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Which tasks.
#[derive(Debug, Clone, Args)]
pub struct TasksArgs {
    /// Which ones.
    #[arg(value_name = "TASK", required = true)]
    pub tasks: Vec<String>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// What is to be done, and by whom.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("what").args(["text", "file", "template"]).required(true))]
pub struct TaskAddArgs {
    /// What to do; `-` reads it from standard input.
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
    /// A file of tasks: TOML, JSON lines, or text, one a line or with `---` between them; `-` is standard input.
    #[arg(long, value_name = "F")]
    pub file: Option<PathBuf>,
    /// A template of `roles.toml` in place of a text.
    #[arg(long, value_name = "T")]
    pub template: Option<String>,
    /// What stands for a name of the template; may be given several times.
    #[arg(long, value_name = "K=V", value_parser = variable)]
    pub set: Vec<(String, String)>,
    /// A task that must have succeeded before, by id or key; may be given several times.
    #[arg(long, value_name = "TASK")]
    pub after: Vec<String>,
    /// Hold it until it is released.
    #[arg(long)]
    pub hold: bool,
    /// On a branch of its own, by somebody with a git worktree.
    #[arg(long)]
    pub own_branch: bool,
    /// Any process of this role.
    #[arg(long, value_name = "R")]
    pub role: Option<String>,
    /// This process and no other.
    #[arg(long, value_name = "P")]
    pub process: Option<String>,
    /// Any process whose role has this skill; may be given several times.
    #[arg(long = "skill", value_name = "S", value_parser = filled)]
    pub skills: Vec<String>,
    /// Anyone of this cluster.
    #[arg(long, value_name = "C", conflicts_with = "process")]
    pub cluster: Option<String>,
    /// Go on in the conversation of this task; its process gets it.
    #[arg(long = "continue", value_name = "TASK", conflicts_with = "file")]
    pub continues: Option<String>,
    /// How urgent [default: the template's, or normal].
    #[arg(long, value_name = "P")]
    pub priority: Option<PriorityArg>,
    /// How long one attempt may take [default: the role's].
    #[arg(long, value_name = "D", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
    /// How often it is tried again [default: the role's].
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// An idempotency key: a second task with it is the first one.
    #[arg(long, value_name = "K", conflicts_with = "file", value_parser = filled)]
    pub key: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}
