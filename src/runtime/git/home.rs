//! The way home: merge, rebase or squash into the base, or away with it.
//!
//! The new commit is made without touching any files; then the checkout that has the base is moved forward to it, which git
//! refuses if that would overwrite what somebody has not committed there. Conflicts change nothing.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::command::Git;
use super::error::GitError;
use super::repository::{branch, home_of, uncommitted};
use crate::domain::worktree::{MergeMode, Merged, Worktree};

/// What is to be brought home, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bring<'a> {
    pub(super) worktree: &'a Worktree,
    pub(super) mode: MergeMode,
    /// The message of the commit that is made for it.
    pub(super) message: &'a str,
    /// The message under which what is not committed is committed first.
    pub(super) commit: Option<&'a str>,
}

/// Brings the commits of a worktree to its base, and the worktree up to it.
pub(super) async fn bring(git: &Git, bring: Bring<'_>) -> Result<Merged, GitError> {
    let Bring { worktree, mode, .. } = bring;
    let base = format!("refs/heads/{}", worktree.base);
    let Some(old) = git.commit(&base).await? else {
        return Err(GitError::NoHome {
            repository: worktree.repository.clone(),
            base: worktree.base.clone(),
        });
    };
    // What an employee has checked out is its work, whatever it called that. The branch of a task may be
    // checked out no more.
    let tip = if is_elsewhere(git, worktree).await? {
        let branch = format!("refs/heads/{}", worktree.branch);
        if git.commit(&branch).await?.is_none() {
            return Err(GitError::NoBranch {
                repository: worktree.repository.clone(),
                branch: worktree.branch.clone(),
            });
        }
        branch
    } else {
        commit_rest(git, worktree, bring.commit).await?;
        "HEAD".to_owned()
    };
    let range = format!("{base}..{tip}");
    let commits = git.line(&["rev-list", "--count", &range]).await?;
    let commits: u32 = commits.parse().unwrap_or(0);
    if commits == 0 {
        return Ok(Merged::Nothing);
    }
    let new = if mode == MergeMode::Rebase {
        match rebase(git, worktree, &base, &tip).await? {
            Ok(new) => new,
            Err(files) => return Ok(Merged::Conflicts { files }),
        }
    } else {
        let tree = match merged_tree(git, &base, &tip).await? {
            Ok(tree) => tree,
            Err(files) => return Ok(Merged::Conflicts { files }),
        };
        let mut args = vec!["commit-tree", &tree, "-p", &old];
        if mode == MergeMode::Merge {
            args.extend(["-p", &tip]);
        }
        args.extend(["-m", bring.message]);
        git.line(&args).await?
    };
    match home_of(git, &worktree.base).await? {
        Some(home) => {
            let home = git.elsewhere(&home);
            home.run(&["merge", "--ff-only", "--quiet", &new]).await?;
        }
        None => drop(git.run(&["update-ref", &base, &new, &old]).await?),
    }
    // What it worked on goes on from the new base; nothing is lost, as all of it is committed and in there.
    if tip == "HEAD" {
        git.run(&["reset", "--hard", "--quiet", &new]).await?;
    } else {
        git.run(&["update-ref", &tip, &new]).await?;
    }
    Ok(Merged::Done {
        commit: new,
        commits,
    })
}

/// Whether the branch was made for a task and is not checked out any more.
pub(super) async fn is_elsewhere(git: &Git, worktree: &Worktree) -> Result<bool, GitError> {
    Ok(worktree.task.is_some() && branch(git).await?.as_ref() != Some(&worktree.branch))
}

async fn commit_rest(
    git: &Git,
    worktree: &Worktree,
    message: Option<&str>,
) -> Result<(), GitError> {
    let files = uncommitted(git).await?;
    if files.is_empty() {
        return Ok(());
    }
    let Some(message) = message else {
        return Err(GitError::Uncommitted {
            place: worktree.top.clone(),
            files,
        });
    };
    git.run(&["add", "--all"]).await?;
    git.run(&["commit", "--quiet", "-m", message]).await?;
    Ok(())
}

/// The tree of the merge, or the files that are in conflict.
pub(super) async fn merged_tree(
    git: &Git,
    base: &str,
    tip: &str,
) -> Result<Result<String, Vec<String>>, GitError> {
    let args = [
        "merge-tree",
        "--write-tree",
        "--name-only",
        "--no-messages",
        "-z",
        base,
        tip,
    ];
    let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    let (code, printed, said) = git.try_run(&args, b"").await?;
    let mut fields = printed
        .split(|byte| *byte == 0)
        .map(|field| String::from_utf8_lossy(field).trim().to_owned())
        .filter(|field| !field.is_empty());
    match (code, fields.next()) {
        (Some(0), Some(tree)) => Ok(Ok(tree)),
        (Some(1), Some(_)) => Ok(Err(fields.collect())),
        _ => Err(GitError::Failed {
            act: "merge-tree".to_owned(),
            said,
        }),
    }
}

/// What the rebase comes to, or the files that are in conflict.
///
/// It is done in a checkout of its own, beside the worktree: one that is cut in the middle leaves the employee's as it is.
async fn rebase(
    git: &Git,
    worktree: &Worktree,
    base: &str,
    tip: &str,
) -> Result<Result<String, Vec<String>>, GitError> {
    let mut place = worktree.top.clone().into_os_string();
    place.push(".rebase");
    let place = PathBuf::from(place);
    let tip = git.line(&["rev-parse", tip]).await?;
    clear(git, &place).await?;
    let add = ["worktree", "add", "--quiet", "--force", "--detach"].map(OsStr::new);
    let args = [&add[..], &[place.as_os_str(), OsStr::new(&tip)]].concat();
    git.run(&args).await?;
    let there = git.elsewhere(&place);
    let outcome = rebase_there(&there, base).await;
    clear(git, &place).await?;
    outcome
}

async fn rebase_there(there: &Git, base: &str) -> Result<Result<String, Vec<String>>, GitError> {
    let args = ["rebase", "--quiet", base].map(OsStr::new);
    let (code, _, said) = there.try_run(&args, b"").await?;
    if code == Some(0) {
        return there.line(&["rev-parse", "HEAD"]).await.map(Ok);
    }
    let fields = there
        .fields(&["diff", "--name-only", "--diff-filter=U", "-z"])
        .await?;
    let files: Vec<String> = fields
        .iter()
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect();
    if files.is_empty() {
        return Err(GitError::Failed {
            act: "rebase".to_owned(),
            said,
        });
    }
    Ok(Err(files))
}

/// Takes a checkout of ours away: of this call, or of one that was cut.
async fn clear(git: &Git, place: &Path) -> Result<(), GitError> {
    if !place.exists() {
        return Ok(());
    }
    let args = ["worktree", "remove", "--force", "--force"].map(OsStr::new);
    let args = [&args[..], &[place.as_os_str()]].concat();
    if git.run(&args).await.is_err() && place.exists() {
        // One that was cut while it was made is none to git yet.
        fs::remove_dir_all(place).map_err(|source| GitError::File {
            act: "remove",
            path: place.to_owned(),
            source,
        })?;
        git.run(&["worktree", "prune"]).await?;
    }
    Ok(())
}

/// Takes a worktree back to its base; what it held must be kept by then. Ignored files stay.
pub(super) async fn discard(git: &Git, worktree: &Worktree) -> Result<(), GitError> {
    let base = format!("refs/heads/{}", worktree.base);
    let to = git
        .commit(&base)
        .await?
        .unwrap_or_else(|| worktree.begun.clone());
    git.run(&["reset", "--hard", "--quiet", &to]).await?;
    git.run(&["clean", "-d", "--force", "--force", "--quiet"])
        .await?;
    Ok(())
}
