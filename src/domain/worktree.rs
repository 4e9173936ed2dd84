//! A git worktree of a process: where it works apart from its colleagues, and what it changed there.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::id::{ProcessId, TaskId};

/// Whether a process works in a git worktree of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum UseWorktree {
    /// Where another process works in the same repository already.
    #[default]
    Auto,
    /// Always; without a repository it does not start.
    Always,
    /// Never.
    Never,
}

impl UseWorktree {
    /// The word that is shown and accepted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// How a role's worktrees are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct WorktreeRule {
    /// Whether there is one.
    pub when: UseWorktree,
    /// The branch, tag or commit that it begins from; what is checked out where it is not given.
    pub base: Option<String>,
    /// Commands that `sh` runs in a new one, in this order, for example `npm ci`.
    pub setup: Vec<String>,
    /// Files that git does not track and that a new one needs all the same, for example `.env`;
    /// relative to the top of the repository.
    pub copy: Vec<PathBuf>,
}

/// A worktree that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worktree {
    /// The top of the checkout that it was made from: where its work is brought home to.
    pub repository: PathBuf,
    /// The top of the worktree.
    pub top: PathBuf,
    /// Where the process works: the same place below `top` as its folder has below `repository`.
    pub folder: PathBuf,
    /// Its own branch.
    pub branch: String,
    /// The branch that it began from; the commit where no branch was checked out.
    pub base: String,
    /// The commit that it began from.
    pub begun: String,
}

/// What a launch needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorktreePlan {
    /// How its role makes them.
    pub rule: WorktreeRule,
    /// The one that the process has.
    pub known: Option<Worktree>,
    /// Folders of colleagues who work without one of their own.
    pub others: Vec<PathBuf>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// It is new.
    Added,
    /// Its contents or its mode changed.
    Modified,
    /// It is gone.
    Deleted,
    /// It has another name.
    Renamed,
    /// It is another kind of file, for example a link now.
    TypeChanged,
}

impl FileChange {
    /// The letter that git uses.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Modified => 'M',
            Self::Deleted => 'D',
            Self::Renamed => 'R',
            Self::TypeChanged => 'T',
        }
    }
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Its path below the top, as git prints it; not UTF-8 is replaced.
    pub path: String,
    /// What happened.
    pub change: FileChange,
    /// Lines added; `None` for a binary file.
    pub added: Option<u32>,
    /// Lines removed; `None` for a binary file.
    pub removed: Option<u32>,
    /// Whether some of it is not committed.
    pub uncommitted: bool,
}

/// What a worktree holds beyond its base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Its branch.
    pub branch: String,
    /// What it is compared with.
    pub base: String,
    /// Commits that the base does not have.
    pub ahead: u32,
    /// Commits of the base that it does not have.
    pub behind: u32,
    /// Files that differ from where it left the base, by path.
    pub files: Vec<ChangedFile>,
    /// How many files are not committed, new ones included.
    pub uncommitted: u32,
}

/// How work is brought home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum MergeMode {
    /// A merge commit.
    #[default]
    Merge,
    /// Its commits again, on top of the base.
    Rebase,
    /// All of it as one commit.
    Squash,
}

impl MergeMode {
    /// The word that is shown and accepted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Rebase => "rebase",
            Self::Squash => "squash",
        }
    }
}

/// What came of bringing work home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Merged {
    /// The base has it.
    Done {
        /// The commit that the base is at now.
        commit: String,
        /// How many commits came home.
        commits: u32,
    },
    /// There was nothing to bring.
    Nothing,
    /// Both sides changed the same places. Nothing was changed.
    Conflicts {
        /// In these files.
        files: Vec<String>,
    },
}

/// The state of a worktree as it was kept before it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedWork {
    /// The ref, `refs/headcount/saved/…`.
    pub name: String,
    /// The commit that the ref names.
    pub commit: String,
    /// When it was kept.
    pub at: Timestamp,
    /// Of which process.
    pub process: ProcessId,
    /// The branch that was checked out.
    pub branch: String,
    /// Files that it has.
    pub files: u32,
    /// What was left out, as ignored by git and too large.
    pub left_out: Vec<String>,
}

/// The name of the ref that holds the state of a worktree when a task began or ended.
#[must_use]
pub fn task_ref(task: TaskId, end: bool) -> String {
    let which = if end { "after" } else { "before" };
    format!("refs/headcount/tasks/{task}/{which}")
}
