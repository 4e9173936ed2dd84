//! The arguments: every command, its options, and what `--help` says of them.

mod cluster;
mod later;
mod process;
mod record;
mod requests;
mod task;
mod values;
mod work;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

pub(super) use cluster::ClusterVerb;
pub(super) use later::Later;
pub(super) use process::{CreateArgs, InspectArgs, ProcArgs, RestartArgs, SendArgs};
pub(super) use record::{DigestArgs, EventsArgs, LineCount, LogsArgs, WhyArgs};
pub(super) use requests::{AckArgs, AnswerArgs, ApproveArgs, DenyArgs};
pub(super) use task::{TaskAddArgs, TaskEditArgs, TaskMoveArgs, TaskVerb, TaskWaitArgs, TasksArgs};
pub(super) use work::{DiffArgs, DiscardArgs, ExportArgs, MergeArgs, RestoreArgs};

use crate::cli::duration;

/// How a task is added.
const ADD: [&str; 2] = ["task", "add"];

/// What the command line says.
#[derive(Debug, Clone)]
pub struct Cli {
    /// What stands before a command.
    pub base: BaseArgs,
    /// What to do.
    pub verb: Option<Verb>,
}

impl Cli {
    /// All of it, as the help has it.
    #[must_use]
    pub fn command() -> Command {
        Self::with(|_| true)
    }

    fn with(is_wanted: impl Fn(&Command) -> bool) -> Command {
        let all = Verb::augment_subcommands(Command::new("headcount"));
        let wanted = all.get_subcommands().filter(|verb| is_wanted(verb));
        BaseArgs::command().subcommands(wanted.cloned())
    }

    /// Reads a command line. Of the commands only those are laid out whose names stand in it; what is wrong, and help, is
    /// told by all of them.
    ///
    /// # Errors
    /// What is wrong with it, or the help that was asked for.
    pub fn read(words: &[OsString]) -> Result<Self, clap::Error> {
        let adds = words.windows(2).any(|pair| pair == ADD);
        let command = if adds {
            Self::add_alone()
        } else {
            Self::with(|verb| words.iter().any(|word| word == verb.get_name()))
        };
        Self::by(command, words).or_else(|_| Self::by(Self::command(), words))
    }

    /// The command that scripts call in loops, without its neighbours: even to name those takes longer than to read it.
    fn add_alone() -> Command {
        let [task, add] = ADD.map(Command::new);
        BaseArgs::command().subcommand(task.subcommand(TaskAddArgs::augment_args(add)))
    }

    pub(super) fn by(mut command: Command, words: &[OsString]) -> Result<Self, clap::Error> {
        let mut matches = command.try_get_matches_from_mut(words)?;
        let read = |matches: &mut ArgMatches| {
            let base = BaseArgs::from_arg_matches_mut(matches)?;
            let verb = matches.subcommand_name().is_some();
            let verb = verb.then(|| Verb::from_arg_matches_mut(matches));
            Ok(Self {
                base,
                verb: verb.transpose()?,
            })
        };
        read(&mut matches).map_err(|error: clap::Error| error.format(&mut command))
    }
}

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
pub struct BaseArgs {
    /// Which company is meant.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Run instance and screen in this one process; both end together.
    #[arg(long)]
    pub foreground: bool,
}

/// Which company is meant.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    // The variables are not for clap to read: its errors would name the options that they stand for.
    /// The folder with roles.toml; else the nearest one from here upwards, else your own [env: HEADCOUNT_WORKSPACE].
    #[arg(long, global = true, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// Where logs, queue and sockets are kept [env: HEADCOUNT_STATE].
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Run every role on the simulated agent: no account, no cost.
    #[arg(long, global = true)]
    pub demo: bool,
}

impl PlaceArgs {
    /// With the variables of the environment where an option is not given; an empty variable is none.
    pub(super) fn or_else(&self, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let read = |given: &Option<PathBuf>, name| {
            let set = || variable(name).filter(|value| !value.is_empty());
            given.clone().or_else(|| set().map(PathBuf::from))
        };
        Self {
            workspace: read(&self.workspace, "HEADCOUNT_WORKSPACE"),
            state: read(&self.state, "HEADCOUNT_STATE"),
            demo: self.demo,
        }
    }
}

/// A command.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Start the instance without a screen; returns when it is ready.
    Up,
    /// Stop everything and end the instance.
    Down(Later<DownArgs>),
    /// Have this build take over from the instance that runs; processes and screens go on.
    Upgrade,
    /// Show whether an instance runs, and its totals.
    Status(Later<JsonArg>),
    /// Write the shipped roles.toml and prompts out for editing.
    Init(Later<InitArgs>),
    /// Have the instance start with the machine and outlive log-outs, as a service of the user.
    Install(Later<InstallArgs>),
    /// Take that service away; what runs goes on.
    Uninstall,
    /// Check workspace, agent, login and machine; needs no instance.
    Doctor(Later<DoctorArgs>),
    /// List the roles; needs no instance.
    Roles(Later<JsonArg>),
    /// List the processes.
    Ps(Later<JsonArg>),
    /// Show everything about a process.
    Inspect(Later<InspectArgs>),
    /// Show what the status of a process is known from, or why it died.
    Why(Later<WhyArgs>),
    /// Hire employees; starts an instance if none runs.
    Create(Later<Box<CreateArgs>>),
    /// Start processes that are down.
    Start(Later<ProcArgs>),
    /// Stop processes after their current task.
    Stop(Later<ProcArgs>),
    /// Kill processes at once, with all that they started.
    Kill(Later<ProcArgs>),
    /// Stop processes and start them again with what is on disk now.
    Restart(Later<RestartArgs>),
    /// Remove processes that are down.
    Rm(Later<ProcArgs>),
    /// Print the log of a process.
    Logs(Later<LogsArgs>),
    /// Show what a process or a task changed in its git worktree.
    Diff(Later<DiffArgs>),
    /// Bring the work of a process or a task to the branch that it began from.
    Merge(Later<MergeArgs>),
    /// Keep what a process has in its worktree in a ref, and take the worktree back to its base.
    Discard(Later<DiscardArgs>),
    /// Print the work of a process or a task as a patch for `git apply`.
    Export(Later<ExportArgs>),
    /// List what was kept of worktrees that went, or bring one of it back.
    Restore(Later<RestoreArgs>),
    /// Work with teams that `roles.toml` declares.
    #[command(subcommand)]
    Cluster(Later<ClusterVerb>),
    /// Work with the task queue.
    #[command(subcommand)]
    Task(Later<TaskVerb>),
    /// Say something to the running turn of a busy employee.
    Send(Later<SendArgs>),
    /// List what waits for you.
    Inbox(Later<JsonArg>),
    /// Ask processes how they do, now.
    Health(Later<ProcArgs>),
    /// List what is wrong.
    Alerts(Later<JsonArg>),
    /// Show what happened, as it was recorded.
    Events(Later<EventsArgs>),
    /// Sum up what happened while you were away.
    Digest(Later<DigestArgs>),
    /// Say that alerts were seen.
    Ack(Later<AckArgs>),
    /// Allow what an employee asks for.
    Approve(Later<ApproveArgs>),
    /// Refuse what an employee asks for.
    Deny(Later<DenyArgs>),
    /// Answer an employee's question.
    Answer(Later<AnswerArgs>),
    /// Print what a shell needs to complete commands and options.
    Completions(Later<CompletionsArgs>),
    /// Print the manual page, or write the pages of all commands into a folder.
    Man(Later<ManArgs>),
}

/// Whether the answer is JSON.
#[derive(Debug, Clone, Copy, Args)]
pub struct JsonArg {
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Where what is shipped is written.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Where to; made if it is not there.
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
}

/// For which shell.
#[derive(Debug, Clone, Copy, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Where manual pages are written.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Where to, for example ~/.local/share/man/man1; made if it is not there.
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
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
