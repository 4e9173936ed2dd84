//! The arguments: every command, its options, and what `--help` says of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::DateTime;

use crate::cli::{duration, since};
use crate::domain::automation::Autostart;
use crate::domain::cluster::MOST;
use crate::domain::command::UpdateWhen;
use crate::domain::limits;
use crate::domain::role::{Kind, PromptMode, Range};
use crate::domain::task::Priority;
use crate::domain::worktree::UseWorktree;

/// A terminal UI process manager for AI employees.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "headcount",
    version,
    about,
    long_about = "A terminal UI process manager for AI employees.\n\n\
        Without a command it opens the screen, and starts the instance if none runs. \
        The instance works on when the screen is closed; `headcount down` ends it.",
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no instance, 4 not found, \
        5 refused, 6 timed out.\nWhere PROC stands: proc_001, an employee's name, a role that one \
        process holds, or the beginning of one of these."
)]
pub struct Cli {
    /// Which company is meant.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Run instance and screen in this one process; both end together.
    #[arg(long)]
    pub foreground: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// Which company is meant.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// The folder with roles.toml; else the nearest one from here upwards, else your own.
    #[arg(long, global = true, value_name = "DIR", env = "HEADCOUNT_WORKSPACE")]
    pub workspace: Option<PathBuf>,
    /// Where logs, queue and sockets are kept.
    #[arg(long, global = true, value_name = "DIR", env = "HEADCOUNT_STATE")]
    pub state: Option<PathBuf>,
    /// Run every role on the simulated agent: no account, no cost.
    #[arg(long, global = true)]
    pub demo: bool,
}

/// A command.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Start the instance without a screen; returns when it is ready.
    Up,
    /// Stop everything and end the instance.
    Down(DownArgs),
    /// Have this build take over from the instance that runs; processes and screens go on.
    Upgrade,
    /// Show whether an instance runs, and its totals.
    Status(JsonArg),
    /// Write the shipped roles.toml and prompts out for editing.
    Init {
        /// Where to; made if it is not there.
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
    /// Have the instance start with the machine and outlive log-outs, as a service of the user.
    Install(InstallArgs),
    /// Take that service away; what runs goes on.
    Uninstall,
    /// Check workspace, agent, login and machine; needs no instance.
    Doctor(DoctorArgs),
    /// List the roles; needs no instance.
    Roles(JsonArg),
    /// List the processes.
    Ps(JsonArg),
    /// Show everything about a process.
    Inspect {
        /// Which one.
        #[arg(value_name = "PROC")]
        process: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Show what the status of a process is known from, or why it died.
    Why(WhyArgs),
    /// Hire employees; starts an instance if none runs.
    Create(Box<CreateArgs>),
    /// Start processes that are down.
    Start(ProcArgs),
    /// Stop processes after their current task.
    Stop(ProcArgs),
    /// Kill processes at once, with all that they started.
    Kill(ProcArgs),
    /// Stop processes and start them again with what is on disk now.
    Restart(RestartArgs),
    /// Remove processes that are down.
    Rm(ProcArgs),
    /// Print the log of a process.
    Logs(LogsArgs),
    /// Show what a process or a task changed in its git worktree.
    Diff(DiffArgs),
    /// Bring the work of a process or a task to the branch that it began from.
    Merge(MergeArgs),
    /// Keep what a process has in its worktree in a ref, and take the worktree back to its base.
    Discard {
        /// Whose: a process, or a task that has a branch of its own.
        #[arg(value_name = "PROC|TASK")]
        process: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Print the work of a process or a task as a patch for `git apply`.
    Export {
        /// Whose: all of a process, or what one task changed.
        #[arg(value_name = "PROC|TASK")]
        process: String,
        /// A file to write it into.
        #[arg(short, long, value_name = "F")]
        output: Option<PathBuf>,
    },
    /// List what was kept of worktrees that went, or bring one of it back.
    Restore(RestoreArgs),
    /// Work with teams that `roles.toml` declares.
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// Work with the task queue.
    #[command(subcommand)]
    Task(TaskVerb),
    /// Say something to the running turn of a busy employee.
    Send {
        /// Who: an id, a name or the beginning of one.
        #[arg(value_name = "PROC")]
        process: String,
        /// What; `-` reads it from standard input.
        #[arg(value_name = "TEXT")]
        text: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// List what waits for you.
    Inbox(JsonArg),
    /// Ask processes how they do, now.
    Health(ProcArgs),
    /// List what is wrong.
    Alerts(JsonArg),
    /// Show what happened, as it was recorded.
    Events(EventsArgs),
    /// Sum up what happened while you were away.
    Digest(DigestArgs),
    /// Say that alerts were seen.
    Ack {
        /// Which alerts, for example alert_0001.
        #[arg(value_name = "ID", required = true)]
        alerts: Vec<String>,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Allow what an employee asks for.
    Approve {
        /// Which request, for example req_0001.
        #[arg(value_name = "ID")]
        request: String,
        /// Allow everything that fits its rule, for this process.
        #[arg(long)]
        always: bool,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Refuse what an employee asks for.
    Deny {
        /// Which request, for example req_0001.
        #[arg(value_name = "ID")]
        request: String,
        /// Why; the employee reads it.
        #[arg(long, value_name = "T")]
        reason: Option<String>,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Answer an employee's question.
    Answer {
        /// Which request, for example req_0001.
        #[arg(value_name = "ID")]
        request: String,
        /// One answer a question.
        #[arg(value_name = "TEXT", required = true)]
        answers: Vec<String>,
        #[command(flatten)]
        json: JsonArg,
    },
}

/// A command about clusters.
#[derive(Debug, Clone, Subcommand)]
pub enum ClusterVerb {
    /// List the clusters: who is up, who is wanted, and how that differs from roles.toml.
    Ls(JsonArg),
    /// Hire who is missing and start all of it; starts an instance if none runs.
    Start {
        /// Which one.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Stop all of it after their current tasks.
    Stop {
        /// Which one.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Stop those who are up and start them again with what is on disk now.
    Restart {
        /// Which one.
        #[arg(value_name = "NAME")]
        name: String,
        /// Of each role one when the one before is up again; answers at once.
        #[arg(long)]
        rolling: bool,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Bring roles of it to numbers: hires and starts, or stops, idle ones first.
    Scale {
        /// Which one.
        #[arg(value_name = "NAME")]
        name: String,
        /// How many of a role; roles that are not named stay.
        #[arg(value_name = "ROLE=N", required = true, value_parser = size)]
        sizes: Vec<(String, u32)>,
        #[command(flatten)]
        json: JsonArg,
    },
}

/// Whose changes.
#[derive(Debug, Clone, Args)]
pub struct DiffArgs {
    /// A process or a task.
    #[arg(value_name = "PROC|TASK")]
    pub what: String,
    /// The files alone.
    #[arg(long)]
    pub files: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// How work is brought home.
#[derive(Debug, Clone, Args)]
pub struct MergeArgs {
    /// Whose work: all of a process, or a task that has a branch of its own.
    #[arg(value_name = "PROC|TASK")]
    pub process: String,
    /// Its commits again, on top of the base, in place of a merge commit.
    #[arg(long, conflicts_with = "squash")]
    pub rebase: bool,
    /// All of it as one commit.
    #[arg(long)]
    pub squash: bool,
    /// Commit what is not committed first, under this message.
    #[arg(long, value_name = "MESSAGE")]
    pub commit: Option<String>,
    /// Hand conflicts back to the employee as a task.
    #[arg(long)]
    pub hand_back: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// What is brought back.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// The ref, its end, a commit, or a process: then the newest of it. Without, all are listed.
    #[arg(value_name = "SAVED|PROC")]
    pub name: Option<String>,
    /// The new folder [default: `restored-…` in this one].
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// A folder of the repository [default: this one].
    #[arg(long, value_name = "DIR")]
    pub repository: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Whether the answer is JSON.
#[derive(Debug, Clone, Copy, Args)]
pub struct JsonArg {
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Options of `install`.
#[derive(Debug, Clone, Copy, Args)]
pub struct InstallArgs {
    /// Print the unit and do nothing.
    #[arg(long)]
    pub print: bool,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, Args)]
pub struct DoctorArgs {
    /// Review permissions, secrets and dangerous settings instead.
    #[arg(long)]
    pub security: bool,
    /// Whether the answer is JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// How the instance ends.
#[derive(Debug, Clone, Args)]
pub struct DownArgs {
    /// Kill everything at once.
    #[arg(long)]
    pub force: bool,
    /// How long current tasks may take before all is killed.
    #[arg(long, value_name = "D", default_value = "60s", value_parser = duration::parse)]
    pub timeout: Duration,
}

/// Whom to hire.
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// Which roles.
    #[arg(value_name = "ROLE", required_unless_present = "department")]
    pub roles: Vec<String>,
    /// Every role of a department.
    #[arg(long, value_name = "D", conflicts_with = "roles")]
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
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub tools: Option<Vec<String>>,
    /// A prompt in place of the role's.
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt_file")]
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
    #[arg(long, value_name = "M")]
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

/// Turns that a task may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns(pub Option<u32>);

impl std::str::FromStr for Turns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            text => match text.parse() {
                Ok(count) if count > 0 => Ok(Self(Some(count))),
                _ => Err("a number from 1, or `none`".to_owned()),
            },
        }
    }
}

/// What to tell of a process.
#[derive(Debug, Clone, Args)]
pub struct WhyArgs {
    /// Which one.
    #[arg(value_name = "PROC")]
    pub process: String,
    /// The last minute before this exit of it; `last` is the last one.
    #[arg(long, value_name = "N")]
    pub exit: Option<ExitArg>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Which exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitArg {
    /// The last one.
    Last,
    /// The one of this number.
    Number(u32),
}

impl std::str::FromStr for ExitArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "last" => Ok(Self::Last),
            text => text
                .parse()
                .map(Self::Number)
                .map_err(|_| "a number, or `last`".to_owned()),
        }
    }
}

impl std::fmt::Display for ExitArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Last => f.write_str("last"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// Which processes to restart.
#[derive(Debug, Clone, Args)]
pub struct RestartArgs {
    /// Which ones.
    #[arg(value_name = "PROC", required_unless_present_any = ["all", "updates"], conflicts_with = "all")]
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
pub struct ProcArgs {
    /// Which ones.
    #[arg(
        value_name = "PROC",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub processes: Vec<String>,
    /// All that this can be done to.
    #[arg(long)]
    pub all: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Which part of a log.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// Whose.
    #[arg(value_name = "PROC")]
    pub process: String,
    /// Go on with what comes, until interrupted.
    #[arg(short, long)]
    pub follow: bool,
    /// The last N lines, or `all` [default: 200; with --since all since then].
    #[arg(short = 'n', long, value_name = "N", value_parser = lines)]
    pub lines: Option<LineCount>,
    /// What was written since then: `10m`, `10:41`, `2026-11-23 10:41`.
    #[arg(long, value_name = "T", value_parser = since::parse, conflicts_with = "raw")]
    pub since: Option<DateTime>,
    /// The protocol lines as they came.
    #[arg(long)]
    pub raw: bool,
}

/// Which part of the record.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// Go on with what comes, until interrupted.
    #[arg(short, long)]
    pub follow: bool,
    /// The last N entries, or `all` [default: 50; with --since all since then].
    #[arg(short = 'n', long, value_name = "N", value_parser = lines)]
    pub lines: Option<LineCount>,
    /// What happened since then: `10m`, `10:41`, `2026-11-23 10:41`.
    #[arg(long, value_name = "T", value_parser = since::parse)]
    pub since: Option<DateTime>,
    /// Only what concerns this process.
    #[arg(long, value_name = "PROC")]
    pub process: Option<String>,
    /// Only what concerns this task.
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// Print one JSON document a line.
    #[arg(long)]
    pub json: bool,
}

/// Which time is summed up.
#[derive(Debug, Clone, Args)]
pub struct DigestArgs {
    /// From then on: `10m`, `10:41`, `2026-11-23 10:41` [default: since you were there last].
    #[arg(long, value_name = "T", value_parser = since::parse)]
    pub since: Option<DateTime>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// How many lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineCount {
    /// The last so many.
    Last(usize),
    /// All of them.
    All,
}

/// A command about tasks.
#[derive(Debug, Clone, Subcommand)]
pub enum TaskVerb {
    /// Put work into the queue; starts an instance if none runs.
    Add(Box<TaskAddArgs>),
    /// List the tasks.
    Ls {
        /// One state, or `open` for all that are not over.
        #[arg(long, value_name = "STATE")]
        only: Option<String>,
        /// Words that must all stand in its id, key, text, result or error.
        #[arg(long, value_name = "WORDS")]
        search: Option<String>,
        /// The newest N.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Show everything about a task.
    Show {
        /// Which one.
        #[arg(value_name = "TASK")]
        task: String,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Wait until tasks are over, and print their results.
    Wait {
        /// Which ones.
        #[arg(value_name = "TASK", required = true)]
        tasks: Vec<String>,
        /// For how long, all of them together.
        #[arg(long, value_name = "D", value_parser = duration::parse)]
        timeout: Option<Duration>,
        #[command(flatten)]
        json: JsonArg,
    },
    /// Take tasks back.
    Cancel(TasksArgs),
    /// Put tasks that ended without success back into the queue.
    Retry(TasksArgs),
    /// Leave tasks that ended without success at that; the inbox lists them no more.
    Dismiss(TasksArgs),
    /// Let held tasks go.
    Release(TasksArgs),
    /// Hold waiting tasks until they are released.
    Hold(TasksArgs),
    /// Delete tasks that no process works on.
    Rm(TasksArgs),
    /// Change a task that waits.
    Edit(Box<TaskEditArgs>),
    /// Move a waiting task in the queue.
    Move(TaskMoveArgs),
    /// Print what stands of a task in the log of its process.
    Log {
        /// Which one.
        #[arg(value_name = "TASK")]
        task: String,
        /// Which attempt, counted from 1 [default: the last].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        attempt: Option<u32>,
    },
    /// List the templates of `roles.toml`.
    Templates(JsonArg),
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
pub struct TaskMoveArgs {
    /// Which one.
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Before everything that waits.
    #[arg(long, required_unless_present_any = ["last", "before", "priority"], conflicts_with_all = ["last", "before", "priority"])]
    pub first: bool,
    /// Behind everything that waits.
    #[arg(long, conflicts_with_all = ["before", "priority"])]
    pub last: bool,
    /// Just before another one that waits.
    #[arg(long, value_name = "TASK", conflicts_with = "priority")]
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
pub struct TaskAddArgs {
    /// What to do; `-` reads it from standard input.
    #[arg(
        value_name = "TEXT",
        required_unless_present_any = ["file", "template"],
        conflicts_with_all = ["file", "template"]
    )]
    pub text: Option<String>,
    /// A file of tasks: TOML, JSON lines, or text, one a line or with `---` between them; `-` is standard input.
    #[arg(long, value_name = "F")]
    pub file: Option<PathBuf>,
    /// A template of `roles.toml` in place of a text.
    #[arg(long, value_name = "T", conflicts_with = "file")]
    pub template: Option<String>,
    /// What stands for a name of the template; may be given several times.
    #[arg(long, value_name = "K=V", value_parser = variable, requires = "template")]
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
    #[arg(long = "skill", value_name = "S")]
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
    #[arg(long, value_name = "K", conflicts_with = "file")]
    pub key: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// When updates are taken, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhenArg {
    /// After the current task.
    Now,
    /// When it has nothing to do, before its next task.
    Idle,
    /// One after the other, all that hold the role.
    Rolling,
    /// Not for these: nobody is asked again until something else changes.
    Never,
}

impl From<WhenArg> for UpdateWhen {
    fn from(when: WhenArg) -> Self {
        match when {
            WhenArg::Now => Self::Now,
            WhenArg::Idle => Self::Idle,
            WhenArg::Rolling => Self::Rolling,
            WhenArg::Never => Self::NotNow,
        }
    }
}

/// A kind, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// A person talks to it in a terminal.
    Interactive,
    /// Works through the queue.
    Batch,
    /// Looks at the system on a schedule.
    Monitoring,
    /// Maintenance commands.
    Utility,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Interactive => Self::Interactive,
            KindArg::Batch => Self::Batch,
            KindArg::Monitoring => Self::Monitoring,
            KindArg::Utility => Self::Utility,
        }
    }
}

/// Whether there is a worktree, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorktreeArg {
    /// Where another process works in the same repository already.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// When processes start by themselves, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AutostartArg {
    /// With the instance, and when tasks wait.
    Boot,
    /// When tasks wait.
    Demand,
    /// Never.
    Never,
}

impl From<WorktreeArg> for UseWorktree {
    fn from(when: WorktreeArg) -> Self {
        match when {
            WorktreeArg::Auto => Self::Auto,
            WorktreeArg::Always => Self::Always,
            WorktreeArg::Never => Self::Never,
        }
    }
}

/// How a prompt meets the agent's own, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PromptModeArg {
    /// It extends the agent's own.
    Append,
    /// It stands in its place.
    Replace,
}

impl From<PromptModeArg> for PromptMode {
    fn from(mode: PromptModeArg) -> Self {
        match mode {
            PromptModeArg::Append => Self::Append,
            PromptModeArg::Replace => Self::Replace,
        }
    }
}

impl From<AutostartArg> for Autostart {
    fn from(autostart: AutostartArg) -> Self {
        match autostart {
            AutostartArg::Boot => Self::Boot,
            AutostartArg::Demand => Self::Demand,
            AutostartArg::Never => Self::Never,
        }
    }
}

/// A priority, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PriorityArg {
    /// Before everything else.
    Urgent,
    /// Before the usual.
    High,
    /// The usual.
    Normal,
    /// When nothing else waits.
    Low,
}

impl From<PriorityArg> for Priority {
    fn from(priority: PriorityArg) -> Self {
        match priority {
            PriorityArg::Urgent => Self::Urgent,
            PriorityArg::High => Self::High,
            PriorityArg::Normal => Self::Normal,
            PriorityArg::Low => Self::Low,
        }
    }
}

fn size(text: &str) -> Result<(String, u32), String> {
    let wrong = || "write it as ROLE=N, for example qa_engineer=2".to_owned();
    let (role, count) = text.split_once('=').ok_or_else(wrong)?;
    let count: u32 = count.parse().map_err(|_| wrong())?;
    if role.is_empty() {
        return Err(wrong());
    }
    if count > MOST {
        return Err(format!("at most {MOST} of a role"));
    }
    Ok((role.to_owned(), count))
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=value"),
    }
}

fn lines(text: &str) -> Result<LineCount, &'static str> {
    if text == "all" {
        return Ok(LineCount::All);
    }
    text.parse()
        .map(LineCount::Last)
        .map_err(|_| "write a number, or `all`")
}
