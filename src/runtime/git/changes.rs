//! What a worktree holds beyond its base.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::command::Git;
use super::error::GitError;
use super::home::merged_tree;
use super::repository::uncommitted;
use crate::domain::worktree::{ChangedFile, Changes, FileChange, Worktree};

/// How the names of the copies begin.
const SCRATCH: &str = "headcount-index-";

/// A copy that is older than this is nobody's: no git of ours runs so long.
const LEFT: Duration = Duration::from_secs(3600);

/// A copy of the index that goes when it is dropped: files that git does not know yet can be told to it there, and the
/// user's own staging is left alone.
#[derive(Debug)]
pub(super) struct ScratchIndex(PathBuf);

impl Drop for ScratchIndex {
    fn drop(&mut self) {
        // It may never have been written; the lock is there if git was killed.
        drop(fs::remove_file(&self.0));
        drop(fs::remove_file(self.0.with_extension("lock")));
    }
}

impl ScratchIndex {
    /// A copy of the index of a checkout.
    pub(super) async fn of(git: &Git) -> Result<(Self, Git), GitError> {
        let index = index(git).await?;
        // Never the name of one that was left: the lock of that may be there as well.
        let scratch = index.with_file_name(format!("{SCRATCH}{}", Uuid::new_v4().simple()));
        copied(&index, &scratch).map_err(|source| GitError::File {
            act: "copy",
            path: index,
            source,
        })?;
        let git = git.with_index(&scratch);
        Ok((Self(scratch), git))
    }
}

async fn index(git: &Git) -> Result<PathBuf, GitError> {
    let args = ["rev-parse", "--path-format=absolute", "--git-path", "index"];
    git.path(&args).await
}

/// Removes the copies that were left beside the index of a checkout when the one that made them, or its git, was killed.
pub(super) async fn sweep(git: &Git) -> Result<(), GitError> {
    let index = index(git).await?;
    if let (Some(folder), Some(before)) = (index.parent(), SystemTime::now().checked_sub(LEFT)) {
        remove_scratch(folder, before);
    }
    Ok(())
}

/// Removes those that nobody touched since; their own times are those of the index.
fn remove_scratch(folder: &Path, before: SystemTime) {
    let before = before.duration_since(SystemTime::UNIX_EPOCH);
    let before = before.unwrap_or_default().as_secs();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(SCRATCH.as_bytes());
        let is_old = |data: fs::Metadata| u64::try_from(data.ctime()).is_ok_and(|at| at < before);
        if is_ours && entry.metadata().is_ok_and(is_old) {
            // It is tried again at the next start.
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Copies an index together with its time: a file as old as its index may have been changed in the same second, so git reads it
/// again ("racy git", `Documentation/technical/racy-git.txt`); under a younger index it would be taken for unchanged.
fn copied(index: &Path, to: &Path) -> io::Result<()> {
    let mut from = match File::open(index) {
        // Before the first `add` there is none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut copy = File::create(to)?;
    io::copy(&mut from, &mut copy)?;
    copy.set_modified(from.metadata()?.modified()?)
}

/// The commit where a worktree left its base: what it is compared with.
pub(super) async fn left_at(git: &Git, worktree: &Worktree) -> Result<String, GitError> {
    match git.line(&["merge-base", "HEAD", &worktree.base]).await {
        Ok(commit) => Ok(commit),
        // The base is gone, or shares nothing with it any more.
        Err(GitError::Failed { .. }) => Ok(worktree.begun.clone()),
        Err(error) => Err(error),
    }
}

/// Branch, distance and files.
pub(super) async fn changes(git: &Git, worktree: &Worktree) -> Result<Changes, GitError> {
    let left = left_at(git, worktree).await?;
    let (ahead, behind) = distance(git, worktree).await?;
    let open: BTreeSet<String> = uncommitted(git).await?.into_iter().collect();
    let (_scratch, with_new) = ScratchIndex::of(git).await?;
    with_new.run(&["add", "--intent-to-add", "--all"]).await?;
    let range = ["--no-renames", "-z", "--no-ext-diff", left.as_str()];
    let kinds = with_new
        .fields(&[["diff", "--name-status"].as_slice(), &range].concat())
        .await?;
    let counts = with_new
        .fields(&[["diff", "--numstat"].as_slice(), &range].concat())
        .await?;
    let files = kinds
        .chunks_exact(2)
        .zip(&counts)
        .map(|(kind, count)| file(kind, count, &open))
        .collect();
    // What is not behind cannot be in its way.
    let conflicts = match git.commit(&worktree.base).await? {
        Some(base) if ahead > 0 && behind > 0 => match merged_tree(git, &base, "HEAD").await {
            Ok(Err(files)) => files,
            // Where git cannot say, as between histories that share nothing, a merge says why.
            Ok(Ok(_)) | Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    };
    Ok(Changes {
        branch: worktree.branch.clone(),
        base: worktree.base.clone(),
        ahead,
        behind,
        files,
        uncommitted: u32::try_from(open.len()).unwrap_or(u32::MAX),
        conflicts,
    })
}

fn file(kind: &[Vec<u8>], count: &[u8], open: &BTreeSet<String>) -> ChangedFile {
    let path = String::from_utf8_lossy(&kind[1]).into_owned();
    let change = match kind[0].first() {
        Some(b'A') => FileChange::Added,
        Some(b'D') => FileChange::Deleted,
        Some(b'R') => FileChange::Renamed,
        Some(b'T') => FileChange::TypeChanged,
        _ => FileChange::Modified,
    };
    // `12\t3\tpath`, with dashes for a binary file.
    let mut numbers = count
        .splitn(3, |byte| *byte == b'\t')
        .map(|number| std::str::from_utf8(number).ok()?.parse().ok());
    ChangedFile {
        uncommitted: open.contains(&path),
        path,
        change,
        added: numbers.next().flatten(),
        removed: numbers.next().flatten(),
    }
}

/// Commits that only the branch has, and that only its base has.
async fn distance(git: &Git, worktree: &Worktree) -> Result<(u32, u32), GitError> {
    let base = if git.commit(&worktree.base).await?.is_some() {
        &worktree.base
    } else {
        &worktree.begun
    };
    let range = format!("{base}...HEAD");
    let line = git
        .line(&["rev-list", "--left-right", "--count", &range])
        .await?;
    let mut numbers = line.split_whitespace().map(|n| n.parse().unwrap_or(0));
    let behind = numbers.next().unwrap_or(0);
    Ok((numbers.next().unwrap_or(0), behind))
}

/// All of it as a diff, files that are not committed and new ones included; the whole of it with binary files can be applied elsewhere.
pub(super) async fn patch(
    git: &Git,
    worktree: &Worktree,
    whole: bool,
) -> Result<Vec<u8>, GitError> {
    let left = left_at(git, worktree).await?;
    let (_scratch, with_new) = ScratchIndex::of(git).await?;
    with_new.run(&["add", "--intent-to-add", "--all"]).await?;
    let mut args = vec!["diff", "--no-ext-diff", "--no-textconv", "--find-renames"];
    if whole {
        args.extend(["--binary", "--full-index"]);
    }
    args.push(&left);
    with_new.run(&args).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_were_left_are_removed_and_those_in_use_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["headcount-index-7-1", "headcount-index-7-1.lock", "index"];
        for name in names {
            fs::write(folder.path().join(name), "").expect("a file");
        }
        let there = || {
            let names = names.iter();
            names
                .filter(|name| folder.path().join(name).exists())
                .count()
        };
        let minute = Duration::from_secs(60);
        remove_scratch(folder.path(), SystemTime::now() - minute);
        assert_eq!(there(), 3);
        remove_scratch(folder.path(), SystemTime::now() + minute);
        assert_eq!(there(), 1);
    }
}
