//! From the branch of a process to that of a task, and back.
//!
//! Nothing is carried along and nothing is lost: what is not committed is committed to the branch that is left.

use jiff::Timestamp;

use super::command::Git;
use super::error::GitError;
use super::repository::{branch, home_of, uncommitted};
use super::saved;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::worktree::{Aside, Switch, Worktree};

/// Puts a worktree on another branch; returns the worktree as it is then.
pub(super) async fn switch(
    git: &Git,
    worktree: &Worktree,
    to: &Switch,
    base: Option<&str>,
    process: ProcessId,
) -> Result<Worktree, GitError> {
    let own = worktree.of_process();
    match to {
        Switch::Back => {
            leave(git, &own.branch, process).await?;
            if git.commit(&head(&own.branch)).await?.is_none() {
                // Somebody deleted it: it begins anew.
                let from = begin(git, &own, base).await?;
                git.run(&[
                    "switch",
                    "--quiet",
                    "--no-track",
                    "-c",
                    &own.branch,
                    &from.1,
                ])
                .await?;
            } else if branch(git).await?.as_ref() != Some(&own.branch) {
                git.run(&["switch", "--quiet", &own.branch]).await?;
            }
            Ok(own)
        }
        Switch::Task { task, known } => {
            let (base, begun) = begin(git, &own, base).await?;
            let branch = branch_of(git, *task, known.as_deref()).await?;
            leave(git, &branch, process).await?;
            if super::repository::branch(git).await?.as_ref() != Some(&branch) {
                if git.commit(&head(&branch)).await?.is_some() {
                    git.run(&["switch", "--quiet", &branch]).await?;
                } else {
                    let args = ["switch", "--quiet", "--no-track", "-c", &branch, &begun];
                    git.run(&args).await?;
                    let key = format!("branch.{branch}.headcountbegun");
                    git.run(&["config", &key, &begun]).await?;
                }
            }
            // One that was made before knows from where.
            let key = format!("branch.{branch}.headcountbegun");
            let begun = git.line(&["config", &key]).await.unwrap_or(begun);
            Ok(Worktree {
                branch,
                base,
                begun,
                task: Some(*task),
                aside: Some(Aside {
                    branch: own.branch.clone(),
                    base: own.base.clone(),
                    begun: own.begun.clone(),
                }),
                ..own
            })
        }
    }
}

fn head(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// From where a new branch begins: the name of the base as it stands now, and its commit.
async fn begin(
    git: &Git,
    own: &Worktree,
    base: Option<&str>,
) -> Result<(String, String), GitError> {
    if let Some(base) = base {
        let begun = git.commit(base).await?.ok_or_else(|| GitError::NoBase {
            repository: own.repository.clone(),
            base: base.to_owned(),
        })?;
        return Ok((base.to_owned(), begun));
    }
    // A base that is gone leaves the commit that the process began from.
    let begun = git.commit(&own.base).await?;
    Ok((own.base.clone(), begun.unwrap_or_else(|| own.begun.clone())))
}

/// The branch of a task: the one that it has, if nobody else has it checked out, else one that is free.
async fn branch_of(git: &Git, task: TaskId, known: Option<&str>) -> Result<String, GitError> {
    let top = git.path(&["rev-parse", "--show-toplevel"]).await?;
    let first = known.map_or_else(|| format!("headcount/{task}"), str::to_owned);
    let mut branch = first.clone();
    for n in 2.. {
        let taken = match home_of(git, &branch).await? {
            Some(home) => home != top,
            // One of that name that nobody recorded is that of an earlier company, or of a move that was cut
            // before it was: its commit says which, as that has no work of its own.
            None => known.is_none() && has_work(git, &branch).await?,
        };
        if !taken {
            break;
        }
        branch = format!("{first}-{n}");
    }
    Ok(branch)
}

async fn has_work(git: &Git, branch: &str) -> Result<bool, GitError> {
    let Some(tip) = git.commit(&head(branch)).await? else {
        return Ok(false);
    };
    let key = format!("branch.{branch}.headcountbegun");
    Ok(git.line(&["config", &key]).await.ok() != Some(tip))
}

/// Leaves nothing behind that is in no commit.
async fn leave(git: &Git, next: &str, process: ProcessId) -> Result<(), GitError> {
    let here = branch(git).await?;
    if here.as_deref() == Some(next) {
        return Ok(());
    }
    if here.is_none() {
        // Commits that no branch has would be found by nobody.
        saved::save(git, process, Timestamp::now()).await?;
    }
    if uncommitted(git).await?.is_empty() {
        return Ok(());
    }
    git.run(&["add", "--all"]).await?;
    let message = format!("Unfinished, put aside for {next}");
    git.as_headcount()
        .without_hooks()
        .run(&["commit", "--quiet", "--no-verify", "-m", &message])
        .await?;
    Ok(())
}
