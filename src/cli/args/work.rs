//! Arguments of the commands about work in git worktrees.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::JsonArg;

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
    #[arg(long, value_name = "DIR", requires = "name")]
    pub to: Option<PathBuf>,
    /// A folder of the repository [default: this one].
    #[arg(long, value_name = "DIR")]
    pub repository: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Whose work is taken back.
#[derive(Debug, Clone, Args)]
pub struct DiscardArgs {
    /// Whose: a process, or a task that has a branch of its own.
    #[arg(value_name = "PROC|TASK")]
    pub process: String,
    /// Whether the answer is JSON.
    #[command(flatten)]
    pub json: JsonArg,
}

/// Whose work is printed as a patch.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Whose: all of a process, or what one task changed.
    #[arg(value_name = "PROC|TASK")]
    pub process: String,
    /// A file to write it into.
    #[arg(short, long, value_name = "F")]
    pub output: Option<PathBuf>,
}
