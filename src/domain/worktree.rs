//! A git worktree of a process: where it works apart from its colleagues, and what it changed there.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::diff::FileDiff;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::task::{NewTask, Target};

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
    /// Whether each task gets a branch of its own, begun from the base.
    #[serde(default)]
    pub per_task: bool,
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
    /// The task that the branch was made for, where it is one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The branch of the process, while one of a task's own is checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<Aside>,
}

impl Worktree {
    /// The same with the branch of the process in the place of a task's own.
    #[must_use]
    pub fn of_process(&self) -> Self {
        let Some(aside) = &self.aside else {
            return self.clone();
        };
        Self {
            branch: aside.branch.clone(),
            base: aside.base.clone(),
            begun: aside.begun.clone(),
            task: None,
            aside: None,
            ..self.clone()
        }
    }
}

/// Which branch a worktree is to be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch {
    /// The one of this task: made from the base, where it is not there yet.
    Task {
        /// Which task.
        task: TaskId,
        /// The branch that it has already.
        known: Option<String>,
    },
    /// The one of the process.
    Back,
}

/// A branch that is not checked out at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Its name.
    pub branch: String,
    /// The branch or commit that it began from.
    pub base: String,
    /// The commit that it began from.
    pub begun: String,
}

/// What a launch needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorktreePlan {
    /// How its role makes them.
    pub rule: WorktreeRule,
    /// Whether it belongs to a cluster: then the first of them has one too, where there is a repository.
    pub team: bool,
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
    /// Files in which what is committed here and what is in the base changed the same places.
    #[serde(default)]
    pub conflicts: Vec<String>,
}

/// The same in short: what stands in the snapshot, as of a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkSummary {
    /// As of when.
    pub at: Timestamp,
    /// The branch that is checked out.
    pub branch: String,
    /// What it is compared with.
    pub base: String,
    /// Commits that the base does not have.
    pub ahead: u32,
    /// Commits of the base that it does not have.
    pub behind: u32,
    /// How many files differ from the base.
    pub files: u32,
    /// How many files are not committed.
    pub uncommitted: u32,
    /// The first of those.
    pub open: Vec<String>,
}

impl WorkSummary {
    /// More names than this stand in no snapshot.
    const MOST: usize = 20;

    /// What there is to say of changes in short.
    #[must_use]
    pub fn of(changes: &Changes, at: Timestamp) -> Self {
        let open = changes.files.iter().filter(|file| file.uncommitted);
        Self {
            at,
            branch: changes.branch.clone(),
            base: changes.base.clone(),
            ahead: changes.ahead,
            behind: changes.behind,
            files: u32::try_from(changes.files.len()).unwrap_or(u32::MAX),
            uncommitted: changes.uncommitted,
            open: open
                .take(Self::MOST)
                .map(|file| file.path.clone())
                .collect(),
        }
    }

    /// `2 files are not committed: a.rs, b.rs`; `None` if all is.
    #[must_use]
    pub fn uncommitted(&self) -> Option<String> {
        uncommitted(self.uncommitted, &self.open)
    }
}

/// `2 files are not committed: a.rs, b.rs`; `None` for none.
#[must_use]
pub fn uncommitted(count: u32, first: &[String]) -> Option<String> {
    let (files, are) = match count {
        0 => return None,
        1 => ("1 file".to_owned(), "is"),
        n => (format!("{n} files"), "are"),
    };
    let names = named(first, count as usize);
    let names = if names.is_empty() {
        String::new()
    } else {
        format!(": {names}")
    };
    Some(format!("{files} {are} not committed{names}"))
}

/// The first few of `count` names.
#[must_use]
pub fn named(names: &[String], count: usize) -> String {
    const SHOWN: usize = 3;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    let shown = names.len().min(SHOWN);
    if count > shown && shown > 0 {
        text.push_str(&format!(" and {} more", count - shown));
    }
    text
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

/// Whose work is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkOf {
    /// All that is on the branch of a process.
    Process(ProcessId),
    /// What one task changed.
    Task(TaskId),
}

/// What is to be done with work. Nobody gets a task in that worktree meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkOrder {
    /// To the branch that it began from.
    Bring {
        /// How.
        mode: MergeMode,
        /// The message under which what is not committed is committed first; without one, such is refused.
        commit: Option<String>,
    },
    /// Away with it, back to the base; all of it is kept first.
    Discard,
    /// Into a patch file, absolute, that is not there yet.
    Export(PathBuf),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkDone {
    /// It was to be brought home.
    Brought(Merged),
    /// It is gone from the worktree and kept.
    Discarded(SavedWork),
    /// It is written.
    Exported {
        /// Where.
        to: PathBuf,
        /// Bytes.
        bytes: u64,
    },
}

/// Asks an employee to resolve the conflicts of its own branch.
#[must_use]
pub fn conflict_task(process: ProcessId, branch: &str, base: &str, files: &[String]) -> NewTask {
    let text = format!(
        "Your branch `{branch}` cannot be merged into `{base}`: both changed the same places in {}.\n\n\
         Run `git merge {base}` in your working directory. Resolve every conflict so that the intent of both sides holds; \
         look at `git log {base}` for what the other side wanted. Run the tests that cover these files. Commit the \
         merge. Do not push. Report for each file what you kept of either side and why.",
        files.join(", ")
    );
    NewTask {
        text,
        target: Target {
            process: Some(process),
            ..Target::default()
        },
        ..NewTask::default()
    }
}

/// What a screen wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkQuery {
    /// Whose work.
    pub of: WorkOf,
    /// Another one where it may have changed since.
    pub version: u64,
}

/// What one task changed, or a whole branch, to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkText {
    /// In whose worktree.
    pub process: ProcessId,
    /// What the branch holds beyond its base.
    pub changes: Changes,
    /// The diff, one file each, in git's order.
    pub files: Vec<FileDiff>,
    /// Bytes that were left out at the end, as nobody reads so far.
    pub left_out: u64,
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
