//! What people ask of the worktrees: what changed, the way home, what is kept.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::domain::command::Refusal;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::snapshot::{Activity, ProcessView};
use crate::domain::worktree::{Changes, MergeMode, Merged, SavedWork, Worktree};
use crate::runtime::git::GitError;
use crate::runtime::handle::Handle;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The state does not allow it, or there is no such thing.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Git could not.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Handle {
    fn worktree_of(
        &self,
        id: ProcessId,
    ) -> Result<(Worktree, std::sync::Arc<ProcessView>), Refusal> {
        let snapshot = self.snapshot();
        let view = snapshot.process(id).ok_or(Refusal::UnknownProcess(id))?;
        let worktree = view.worktree.clone().ok_or_else(|| {
            let folder = view.working_directory.display();
            Refusal::State(format!(
                "{} works in {folder} itself, without a git worktree of its own",
                view.name
            ))
        })?;
        Ok((worktree, std::sync::Arc::clone(view)))
    }

    /// What a process changed beyond the base of its worktree.
    ///
    /// # Errors
    /// It has no worktree, or git cannot say.
    pub async fn changes(&self, id: ProcessId) -> Result<Changes, WorkError> {
        let (worktree, _) = self.worktree_of(id)?;
        Ok(self.worktrees.changes(&worktree).await?)
    }

    /// The same as a diff to read; `whole` with all that is needed to apply it elsewhere.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub async fn diff(&self, id: ProcessId, whole: bool) -> Result<Vec<u8>, WorkError> {
        let (worktree, _) = self.worktree_of(id)?;
        Ok(self.worktrees.patch(&worktree, whole).await?)
    }

    /// What one task changed, as a diff, and the files that it changed by git.
    ///
    /// # Errors
    /// There is no such task, it did not run in a worktree, or git cannot say.
    pub async fn task_diff(&self, id: TaskId) -> Result<(Vec<u8>, Vec<String>), WorkError> {
        let snapshot = self.snapshot();
        let task = snapshot.task(id).ok_or(Refusal::UnknownTask(id))?;
        let last = task.attempts.last();
        let process = last.map(|attempt| attempt.process).ok_or_else(|| {
            Refusal::State(format!("{id} was not worked on yet, so it changed nothing"))
        })?;
        let (worktree, view) = self.worktree_of(process)?;
        let patch = self.worktrees.task_patch(&worktree, id).await?;
        let Some(patch) = patch else {
            let text = format!(
                "{} had no worktree when {id} ran, so its changes are not known",
                view.name
            );
            return Err(Refusal::State(text).into());
        };
        let files = self.worktrees.task_files(&worktree, id).await?;
        Ok((patch, files))
    }

    /// Brings the work of a process to the branch that it began from.
    ///
    /// # Errors
    /// It has no worktree or is at work, something is not committed, or git refuses.
    pub async fn bring_home(
        &self,
        id: ProcessId,
        mode: MergeMode,
        commit: Option<&str>,
    ) -> Result<Merged, WorkError> {
        let (worktree, view) = self.worktree_of(id)?;
        is_at_rest(&view)?;
        let message = format!("Merge the work of {} ({})", view.name, worktree.branch);
        Ok(self
            .worktrees
            .bring(&worktree, mode, &message, commit)
            .await?)
    }

    /// Keeps what a process has in its worktree in a ref, then takes the worktree back to its base.
    ///
    /// # Errors
    /// It has no worktree or is at work, or not all of it can be kept: then nothing is changed.
    pub async fn discard(&self, id: ProcessId) -> Result<SavedWork, WorkError> {
        let (worktree, view) = self.worktree_of(id)?;
        is_at_rest(&view)?;
        Ok(self
            .worktrees
            .discard(&worktree, id, Timestamp::now())
            .await?)
    }

    /// What is kept in the repository that a folder is in, newest first.
    ///
    /// # Errors
    /// The folder is in none.
    pub async fn saved_work(&self, folder: &Path) -> Result<Vec<SavedWork>, WorkError> {
        Ok(self.worktrees.saved(folder).await?)
    }

    /// Brings back what is kept, into a new worktree at `to`.
    ///
    /// # Errors
    /// Nothing is kept under that name, or the place is taken.
    pub async fn restore_work(
        &self,
        folder: &Path,
        name: &str,
        to: &Path,
    ) -> Result<SavedWork, WorkError> {
        Ok(self.worktrees.restore(folder, name, to).await?)
    }

    /// Takes the worktree of a process that is being removed away, all of it kept.
    ///
    /// # Errors
    /// It cannot be kept; then the process must stay as well.
    pub(in crate::runtime) async fn clear_worktree(&self, id: ProcessId) -> Result<(), Refusal> {
        let snapshot = self.snapshot();
        let Some(view) = snapshot.process(id).filter(|view| !view.is_up()) else {
            return Ok(());
        };
        let Some(worktree) = &view.worktree else {
            return Ok(());
        };
        match self.worktrees.remove(worktree, id, Timestamp::now()).await {
            Ok(Some(saved)) => {
                tracing::info!(process = %id, name = saved.name, "kept what the worktree held");
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                let remedy = error.remedy().map(|remedy| format!("; {remedy}"));
                Err(Refusal::State(format!(
                    "what {} has in its worktree cannot be kept, so nothing was removed: {error}{}",
                    view.name,
                    remedy.unwrap_or_default()
                )))
            }
        }
    }
}

/// Files must not change under an agent that works on them.
fn is_at_rest(view: &ProcessView) -> Result<(), Refusal> {
    let at_work = view.task.is_some() || (view.is_up() && view.activity == Activity::Busy);
    if at_work {
        let text = format!(
            "{} is at work; wait for the task to end, or stop it",
            view.name
        );
        return Err(Refusal::State(text));
    }
    Ok(())
}

/// Where a restored worktree goes if nobody says.
#[must_use]
pub fn restored_folder(beside: &Path, process: ProcessId) -> PathBuf {
    beside.join(format!("restored-{process}"))
}
