//! What people ask of the worktrees: what changed, the way home, what is kept.

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use futures::FutureExt as _;
use jiff::Timestamp;

use crate::domain::command::{Outcome, Refusal};
use crate::domain::diff;
use crate::domain::event::Event;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::snapshot::ProcessView;
use crate::domain::worktree::{
    Changes, SavedWork, WorkDone, WorkOf, WorkOrder, WorkSummary, WorkText, Worktree,
};
use crate::runtime::context::Context;
use crate::runtime::git::{GitError, Worktrees};
use crate::runtime::handle::Handle;

/// Nobody reads further than this on a screen; `headcount diff` prints all of it.
const MOST_READ: usize = 4 * 1024 * 1024;

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

    /// What one task changed, as a diff.
    ///
    /// # Errors
    /// There is no such task, it did not run in a worktree, or git cannot say.
    pub async fn task_diff(&self, id: TaskId, whole: bool) -> Result<Vec<u8>, WorkError> {
        let (worktree, _) = self.worktree_of_task(id)?;
        let patch = self.worktrees.task_patch(&worktree, id, whole).await?;
        patch.ok_or_else(|| not_marked(id).into())
    }

    fn worktree_of_task(
        &self,
        id: TaskId,
    ) -> Result<(Worktree, std::sync::Arc<ProcessView>), Refusal> {
        let snapshot = self.snapshot();
        let task = snapshot.task(id).ok_or(Refusal::UnknownTask(id))?;
        let process = task.process().ok_or_else(|| {
            Refusal::State(format!("{id} was not worked on yet, so it changed nothing"))
        })?;
        let (worktree, view) = self.worktree_of(process)?;
        let own = task.worktree.as_deref().cloned();
        Ok((own.unwrap_or(worktree), view))
    }

    /// What a process or a task changed, to be read on a screen.
    ///
    /// # Errors
    /// As [`Self::diff`] and [`Self::task_diff`].
    pub async fn read_work(&self, of: WorkOf) -> Result<WorkText, WorkError> {
        let (worktree, view, patch) = match of {
            WorkOf::Process(id) => {
                let (worktree, view) = self.worktree_of(id)?;
                let patch = self.worktrees.patch(&worktree, false).await?;
                (worktree, view, patch)
            }
            WorkOf::Task(id) => {
                let (worktree, view) = self.worktree_of_task(id)?;
                let patch = self.task_diff(id, false).await?;
                (worktree, view, patch)
            }
        };
        let changes = self.worktrees.changes(&worktree).await?;
        let kept = patch.get(..MOST_READ).unwrap_or(&patch);
        Ok(WorkText {
            process: view.id,
            changes,
            files: diff::files(&String::from_utf8_lossy(kept)),
            left_out: (patch.len() - kept.len()) as u64,
        })
    }

    /// Has the worktree of a process looked at; what it holds stands in a snapshot soon after.
    pub async fn survey(&self, id: ProcessId) {
        let Ok((worktree, _)) = self.worktree_of(id) else {
            return;
        };
        if let Ok(changes) = self.worktrees.changes(&worktree).await {
            self.report(surveyed(id, &changes, false)).await;
        }
    }

    /// What a process changed and did not commit; `None` if there is nothing, or nobody can say.
    pub async fn left_open(&self, id: ProcessId) -> Option<WorkSummary> {
        let (worktree, _) = self.worktree_of(id).ok()?;
        left_open(&self.worktrees, &worktree).await
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
}

fn not_marked(id: TaskId) -> Refusal {
    Refusal::State(format!(
        "its process had no worktree when {id} ran, so what it changed is not known"
    ))
}

fn surveyed(process: ProcessId, changes: &Changes, ended: bool) -> Event {
    Event::Surveyed {
        process,
        summary: Box::new(WorkSummary::of(changes, Timestamp::now())),
        ended,
    }
}

/// Looks at a worktree and reports it. One that cannot be looked at is reported by whatever needs it next.
pub(in crate::runtime) async fn survey(
    context: &Context,
    process: ProcessId,
    worktree: &Worktree,
    ended: bool,
) {
    match context.worktrees.changes(worktree).await {
        Ok(changes) => context.tell(surveyed(process, &changes, ended)).await,
        Err(error) => tracing::debug!(%process, %error, "cannot look at the worktree"),
    }
}

/// Work that something is to be done with.
#[derive(Debug, Clone, Copy)]
pub(in crate::runtime) struct Job<'a> {
    pub(in crate::runtime) process: ProcessId,
    pub(in crate::runtime) worktree: &'a Worktree,
    pub(in crate::runtime) task: Option<TaskId>,
    /// What a merge is called.
    pub(in crate::runtime) message: &'a str,
}

/// Does it. A bug in there must not leave the process waiting for its end.
pub(in crate::runtime) async fn carry_out(
    worktrees: &Worktrees,
    job: Job<'_>,
    order: WorkOrder,
) -> Result<WorkDone, Refusal> {
    let doing = AssertUnwindSafe(act(worktrees, job, order));
    doing
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(failed_inside()))
}

/// Takes the worktree of a process that is let go away, all of it kept; returns what that was.
///
/// # Errors
/// It cannot be kept; then the process must stay as well.
pub(in crate::runtime) async fn clear(
    worktrees: &Worktrees,
    process: ProcessId,
    name: &str,
    worktree: &Worktree,
) -> Result<Outcome, Refusal> {
    let clearing = AssertUnwindSafe(async {
        let left = left_open(worktrees, worktree).await.map(Box::new);
        match worktrees.remove(worktree, process, Timestamp::now()).await {
            Ok(saved) => Ok(Outcome::Removed {
                saved: saved.map(Box::new),
                left,
            }),
            Err(error) => Err(Refusal::Work {
                cause: format!(
                    "what {name} has in its worktree cannot be kept, so nothing was removed: {}",
                    error.in_full()
                ),
                remedy: error.remedy(),
            }),
        }
    });
    clearing
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(failed_inside()))
}

fn failed_inside() -> Refusal {
    Refusal::Work {
        cause: "a part of headcount failed; see headcount.log".to_owned(),
        remedy: None,
    }
}

/// What is changed and not committed; `None` if there is nothing, or nobody can say.
async fn left_open(worktrees: &Worktrees, worktree: &Worktree) -> Option<WorkSummary> {
    let changes = worktrees.changes(worktree).await.ok()?;
    let summary = WorkSummary::of(&changes, Timestamp::now());
    (summary.uncommitted > 0).then_some(summary)
}

async fn act(worktrees: &Worktrees, job: Job<'_>, order: WorkOrder) -> Result<WorkDone, Refusal> {
    let Job {
        process, worktree, ..
    } = job;
    let done = match order {
        WorkOrder::Bring { mode, commit } => worktrees
            .bring(worktree, mode, job.message, commit.as_deref())
            .await
            .map(WorkDone::Brought),
        WorkOrder::Discard => worktrees
            .discard(worktree, process, Timestamp::now())
            .await
            .map(WorkDone::Discarded),
        WorkOrder::Export(to) => {
            let patch = match job.task {
                Some(task) => worktrees.task_patch(worktree, task, true).await,
                None => worktrees.patch(worktree, true).await.map(Some),
            };
            let patch = patch.map_err(|error| error.refusal())?;
            let patch = patch.ok_or_else(|| match job.task {
                Some(task) => not_marked(task),
                None => Refusal::Gone,
            })?;
            return export(to, patch).await;
        }
    };
    done.map_err(|error| error.refusal())
}

/// Writes a patch into a file that is not there yet.
async fn export(to: PathBuf, patch: Vec<u8>) -> Result<WorkDone, Refusal> {
    let place = to.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::create_new(&place)?;
        file.write_all(&patch)?;
        file.sync_all()?;
        Ok(patch.len() as u64)
    });
    let failed = |error: std::io::Error| {
        let remedy = (error.kind() == std::io::ErrorKind::AlreadyExists)
            .then(|| "name a file that is not there yet".to_owned());
        Refusal::Work {
            cause: format!("cannot write {}: {error}", to.display()),
            remedy,
        }
    };
    match written.await {
        Ok(Ok(bytes)) => Ok(WorkDone::Exported { to, bytes }),
        Ok(Err(error)) => Err(failed(error)),
        Err(error) => Err(failed(std::io::Error::other(error))),
    }
}
