//! Git, by its own program: worktrees of processes, what changed in them, the way home, and what is kept.
//!
//! Nothing here pushes, fetches or talks to a remote. What writes to a repository does so under a lock of ours for that
//! repository; git's own locks protect it from the others. Before anything is thrown away it is [`saved`].

mod changes;
mod command;
mod error;
mod home;
mod marks;
mod repository;
mod saved;
mod switch;
mod tree;
mod worktree;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::domain::id::{ProcessId, TaskId};
use crate::domain::worktree::{Changes, MergeMode, Merged, SavedWork, Switch, Worktree};
use crate::os::orphans::Children;
use command::Git;

pub use error::GitError;
pub(crate) use worktree::{Settled, Wanted};

/// The worktrees of a company. Cheap to clone; all clones have the same locks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Worktrees {
    children: Children,
    // By the top of the checkout that a worktree was made from.
    locks: Arc<Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Worktrees {
    /// Runs git as these children.
    pub(crate) fn new(children: Children) -> Self {
        Self {
            children,
            locks: Arc::default(),
        }
    }

    fn git(&self, folder: &Path) -> Git {
        Git::at(&self.children, folder)
    }

    /// Git in a worktree that is there.
    fn inside(&self, worktree: &Worktree) -> Result<Git, GitError> {
        if worktree.top.join(".git").exists() {
            Ok(self.git(&worktree.top))
        } else {
            Err(GitError::Gone {
                folder: worktree.top.clone(),
            })
        }
    }

    async fn lock(&self, repository: &Path) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(repository.to_owned()).or_default())
        };
        lock.lock_owned().await
    }

    /// Finds, makes or spares the worktree of a process that is about to start.
    ///
    /// # Errors
    /// It is to have one and cannot.
    pub(crate) async fn settle(&self, wanted: Wanted<'_>) -> Result<Settled, GitError> {
        if !wanted.may_have_one() {
            // Nothing is made, so there is nothing to wait for: another's checkout may take minutes.
            return worktree::settle(&self.children, wanted).await;
        }
        // One after the other, whatever the repository: which one it is, is found out on the way.
        let lock = self.lock(Path::new("")).await;
        let settled = worktree::settle(&self.children, wanted).await?;
        drop(lock);
        if let (true, Some(worktree)) = (settled.set_up, &settled.worktree) {
            worktree::set_up(&self.children, worktree, &wanted.rule.setup).await?;
        }
        Ok(settled)
    }

    /// Puts a worktree on the branch of a task, or back on that of its process. A new branch begins from `base`.
    ///
    /// # Errors
    /// Git refuses; then it is on the branch that it was on.
    pub(crate) async fn switch(
        &self,
        worktree: &Worktree,
        to: &Switch,
        base: Option<&str>,
        process: ProcessId,
    ) -> Result<Worktree, GitError> {
        let git = self.inside(worktree)?;
        let _lock = self.lock(&worktree.repository).await;
        switch::switch(&git, worktree, to, base, process).await
    }

    /// What a worktree holds beyond its base.
    ///
    /// # Errors
    /// It is gone, or git cannot say.
    pub(crate) async fn changes(&self, worktree: &Worktree) -> Result<Changes, GitError> {
        changes::changes(&self.inside(worktree)?, worktree).await
    }

    /// All that it holds beyond its base, as a diff to read or, `whole`, to apply elsewhere.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub(crate) async fn patch(
        &self,
        worktree: &Worktree,
        whole: bool,
    ) -> Result<Vec<u8>, GitError> {
        changes::patch(&self.inside(worktree)?, worktree, whole).await
    }

    /// Notes the state of a worktree as the beginning or the end of a task.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub(crate) async fn mark(
        &self,
        worktree: &Worktree,
        task: TaskId,
        end: bool,
    ) -> Result<(), GitError> {
        marks::mark(&self.inside(worktree)?, task, end).await
    }

    /// What a task changed; `None` where it was not marked. `whole` to apply it elsewhere.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub(crate) async fn task_patch(
        &self,
        worktree: &Worktree,
        task: TaskId,
        whole: bool,
    ) -> Result<Option<Vec<u8>>, GitError> {
        marks::patch(&self.inside(worktree)?, task, whole).await
    }

    /// The files that a task changed, by git; `None` where it was not marked at both ends.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub(crate) async fn task_files(
        &self,
        worktree: &Worktree,
        task: TaskId,
    ) -> Result<Option<Vec<String>>, GitError> {
        marks::files(&self.inside(worktree)?, task).await
    }

    /// Brings the work of a process home to the base. Its process must not be at work.
    ///
    /// # Errors
    /// Something is not committed, the base is gone, or git refuses; then nothing was changed.
    pub(crate) async fn bring(
        &self,
        worktree: &Worktree,
        mode: MergeMode,
        message: &str,
        commit: Option<&str>,
    ) -> Result<Merged, GitError> {
        let git = self.inside(worktree)?;
        let _lock = self.lock(&worktree.repository).await;
        let bring = home::Bring {
            worktree,
            mode,
            message,
            commit,
        };
        home::bring(&git, bring).await
    }

    /// Keeps all that a worktree holds, then takes it back to its base.
    ///
    /// # Errors
    /// It cannot be kept: then nothing was changed.
    pub(crate) async fn discard(
        &self,
        worktree: &Worktree,
        process: ProcessId,
        at: Timestamp,
    ) -> Result<SavedWork, GitError> {
        let git = self.inside(worktree)?;
        let _lock = self.lock(&worktree.repository).await;
        if home::is_elsewhere(&git, worktree).await? {
            return Err(GitError::NotCheckedOut {
                place: worktree.top.clone(),
                branch: worktree.branch.clone(),
            });
        }
        let saved = saved::save(&git, process, at).await?;
        home::discard(&git, worktree).await?;
        Ok(saved)
    }

    /// Keeps all that a worktree holds, then takes the worktree away. `None` if it was gone already.
    ///
    /// # Errors
    /// It cannot be kept: then it stays.
    pub(crate) async fn remove(
        &self,
        worktree: &Worktree,
        process: ProcessId,
        at: Timestamp,
    ) -> Result<Option<SavedWork>, GitError> {
        let _lock = self.lock(&worktree.repository).await;
        let saved = match self.inside(worktree) {
            Ok(git) => Some(saved::save(&git, process, at).await?),
            Err(GitError::Gone { .. }) => None,
            Err(error) => return Err(error),
        };
        worktree::remove(&self.git(&worktree.repository), worktree).await?;
        Ok(saved)
    }

    /// What is kept in the repository of a folder, newest first.
    ///
    /// # Errors
    /// The folder is in no repository.
    pub(crate) async fn saved(&self, folder: &Path) -> Result<Vec<SavedWork>, GitError> {
        let git = self.git(folder);
        repository::checkout(&git).await?;
        saved::list(&git).await
    }

    /// Brings a kept state back into a new worktree.
    ///
    /// # Errors
    /// There is none of that name, or the place is taken.
    pub(crate) async fn restore(
        &self,
        folder: &Path,
        name: &str,
        to: &Path,
    ) -> Result<SavedWork, GitError> {
        let git = self.git(folder);
        let _lock = self.lock(folder).await;
        repository::checkout(&git).await?;
        let saved = saved::find(&git, name).await?;
        saved::restore(&git, &saved, to).await?;
        Ok(saved)
    }
}
