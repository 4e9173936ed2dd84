//! The state of a worktree when a task began and ended, so that its own changes can be told from those before.

use super::changes::ScratchIndex;
use super::command::Git;
use super::error::GitError;
use crate::domain::id::TaskId;
use crate::domain::worktree::task_ref;

/// More names than this are not kept of one task.
const MOST: usize = 500;

/// Keeps what the worktree holds now, new files included, as the beginning or the end of a task.
pub(super) async fn mark(git: &Git, task: TaskId, end: bool) -> Result<(), GitError> {
    let (_scratch, scratch) = ScratchIndex::of(git).await?;
    scratch.run(&["add", "--all"]).await?;
    let tree = scratch.line(&["write-tree"]).await?;
    let name = task_ref(task, end);
    let message = format!("{name} of {}", git.folder().display());
    let commit = git
        .as_headcount()
        .line(&["commit-tree", &tree, "-p", "HEAD", "-m", &message])
        .await?;
    git.run(&["update-ref", &name, &commit]).await?;
    Ok(())
}

/// What a task changed, by git; `None` if it was not marked. A task that has not ended is compared with what is there now.
pub(super) async fn patch(
    git: &Git,
    task: TaskId,
    whole: bool,
) -> Result<Option<Vec<u8>>, GitError> {
    let Some(before) = git.commit(&task_ref(task, false)).await? else {
        return Ok(None);
    };
    let mut args = vec!["diff", "--no-ext-diff", "--no-textconv", "--find-renames"];
    if whole {
        args.extend(["--binary", "--full-index"]);
    }
    let printed = if let Some(after) = git.commit(&task_ref(task, true)).await? {
        git.run(&[args.as_slice(), &[&before, &after]].concat())
            .await?
    } else {
        let (_scratch, scratch) = ScratchIndex::of(git).await?;
        scratch.run(&["add", "--intent-to-add", "--all"]).await?;
        scratch.run(&[args.as_slice(), &[&before]].concat()).await?
    };
    Ok(Some(printed))
}

/// The files that a task changed, by git; `None` if it was not marked at both ends.
pub(super) async fn files(git: &Git, task: TaskId) -> Result<Option<Vec<String>>, GitError> {
    let (before, after) = (task_ref(task, false), task_ref(task, true));
    if git.commit(&before).await?.is_none() || git.commit(&after).await?.is_none() {
        return Ok(None);
    }
    let args = ["diff", "--name-only", "-z", "--no-renames", &before, &after];
    let fields = git.fields(&args).await?;
    let path = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
    Ok(Some(fields.iter().take(MOST).map(path).collect()))
}
