//! Worktrees: what changed, what came of bringing it home, what is kept.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::id::{ProcessId, TaskId};
use crate::domain::snapshot::ProcessView;
use crate::domain::worktree::{
    ChangedFile, Changes, FileChange, MergeMode, Merged, SavedWork, WorkSummary, Worktree,
    uncommitted,
};
use crate::serve::wire::lossy;

/// The worktree of a process, as its document has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorktreeDoc {
    /// Its folder.
    #[serde(serialize_with = "lossy")]
    pub folder: PathBuf,
    /// Its branch.
    pub branch: String,
    /// The branch, or the commit, that it began from.
    pub base: String,
    /// The checkout that it was made from.
    #[serde(serialize_with = "lossy")]
    pub repository: PathBuf,
    /// The task whose own branch is checked out; `null` for the branch of the process.
    #[serde(default)]
    pub task: Option<TaskId>,
    /// What it held when it was looked at last.
    #[serde(default)]
    pub work: Option<WorkDoc>,
}

/// What a worktree holds beyond its base, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkDoc {
    /// As of when.
    pub at: Timestamp,
    /// Commits that the base does not have.
    pub ahead: u32,
    /// Commits that only the base has.
    pub behind: u32,
    /// Files that differ.
    pub files: u32,
    /// Files that are not committed.
    pub uncommitted: u32,
    /// The first of those.
    pub open: Vec<String>,
}

impl From<&WorkSummary> for WorkDoc {
    fn from(work: &WorkSummary) -> Self {
        Self {
            at: work.at,
            ahead: work.ahead,
            behind: work.behind,
            files: work.files,
            uncommitted: work.uncommitted,
            open: work.open.clone(),
        }
    }
}

impl WorkDoc {
    /// `2 files are not committed: a.rs, b.rs`; `None` if all is.
    #[must_use]
    pub fn uncommitted(&self) -> Option<String> {
        uncommitted(self.uncommitted, &self.open)
    }
}

impl WorktreeDoc {
    /// The worktree of a process that has one.
    #[must_use]
    pub fn of(view: &ProcessView) -> Option<Self> {
        let worktree = view.worktree.as_ref()?;
        Some(Self {
            work: view.work.as_deref().map(WorkDoc::from),
            ..Self::from(worktree)
        })
    }
}

impl From<&Worktree> for WorktreeDoc {
    fn from(worktree: &Worktree) -> Self {
        Self {
            folder: worktree.top.clone(),
            branch: worktree.branch.clone(),
            base: worktree.base.clone(),
            repository: worktree.repository.clone(),
            task: worktree.task,
            work: None,
        }
    }
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDoc {
    /// Below the top of the worktree.
    pub path: String,
    /// `added`, `modified`, `deleted`, `renamed`, `type_changed`.
    pub change: FileChange,
    /// Lines; `null` for a binary file.
    pub added: Option<u32>,
    /// Lines; `null` for a binary file.
    pub removed: Option<u32>,
    /// Whether some of it is not committed.
    pub uncommitted: bool,
}

impl From<ChangedFile> for FileDoc {
    fn from(file: ChangedFile) -> Self {
        Self {
            path: file.path,
            change: file.change,
            added: file.added,
            removed: file.removed,
            uncommitted: file.uncommitted,
        }
    }
}

/// What a process changed beyond the base of its worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesDoc {
    /// Its branch.
    pub branch: String,
    /// What it is compared with.
    pub base: String,
    /// Commits that the base does not have.
    pub ahead: u32,
    /// Commits that only the base has.
    pub behind: u32,
    /// Files that are not committed.
    pub uncommitted: u32,
    /// All files that differ.
    pub files: Vec<FileDoc>,
    /// Files in which it and its base changed the same places.
    #[serde(default)]
    pub conflicts: Vec<String>,
}

impl From<Changes> for ChangesDoc {
    fn from(changes: Changes) -> Self {
        Self {
            branch: changes.branch,
            base: changes.base,
            ahead: changes.ahead,
            behind: changes.behind,
            uncommitted: changes.uncommitted,
            files: changes.files.into_iter().map(Into::into).collect(),
            conflicts: changes.conflicts,
        }
    }
}

/// A diff as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffDoc {
    /// The diff; what is no UTF-8 in it is replaced.
    pub diff: String,
    /// The files in it.
    pub files: Vec<String>,
}

/// How work is to be brought home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MergeRequest {
    /// `merge`, `rebase` or `squash`.
    #[serde(default)]
    pub mode: MergeMode,
    /// What is not committed is committed first, under this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Conflicts go back to the employee as a task.
    #[serde(default)]
    pub hand_back: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeDoc {
    /// `done`, `nothing` or `conflicts`.
    pub outcome: String,
    /// The commit that the base is at now.
    pub commit: Option<String>,
    /// How many commits came home.
    pub commits: u32,
    /// The files in conflict.
    pub files: Vec<String>,
    /// The task that asks the employee to resolve them.
    pub task: Option<TaskId>,
}

impl From<Merged> for MergeDoc {
    fn from(merged: Merged) -> Self {
        let (outcome, commit, commits, files) = match merged {
            Merged::Done { commit, commits } => ("done", Some(commit), commits, Vec::new()),
            Merged::Nothing => ("nothing", None, 0, Vec::new()),
            Merged::Conflicts { files } => ("conflicts", None, 0, files),
        };
        Self {
            outcome: outcome.to_owned(),
            commit,
            commits,
            files,
            task: None,
        }
    }
}

/// The state of a worktree that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedDoc {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: String,
    /// The commit that it names.
    pub commit: String,
    /// When it was kept.
    pub at: Timestamp,
    /// Of which process.
    pub process: ProcessId,
    /// The branch that was checked out.
    pub branch: String,
    /// Files that it has.
    pub files: u32,
    /// Ignored places that were too large to keep.
    pub left_out: Vec<String>,
}

impl From<SavedWork> for SavedDoc {
    fn from(saved: SavedWork) -> Self {
        Self {
            name: saved.name,
            commit: saved.commit,
            at: saved.at,
            process: saved.process,
            branch: saved.branch,
            files: saved.files,
            left_out: saved.left_out,
        }
    }
}

/// What is to be brought back, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreRequest {
    /// A folder of the repository, absolute.
    pub folder: PathBuf,
    /// The ref, its end, a commit, or a process: then its newest.
    pub name: String,
    /// The new folder, absolute.
    pub to: PathBuf,
}

/// Which repository is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedQuery {
    /// A folder of it, absolute.
    pub folder: PathBuf,
}
