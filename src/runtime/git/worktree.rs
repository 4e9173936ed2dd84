//! A worktree of its own for a process: made once, found again after that.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::changes;
use super::command::Git;
use super::error::GitError;
use super::repository::{Checkout, checkout, uncommitted};
use crate::domain::worktree::{UseWorktree, Worktree, WorktreeRule};
use crate::os::orphans::Children;
use crate::runtime::children;

/// How long one set-up command may take.
const SETUP: Duration = Duration::from_secs(600);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The folder that the process was hired for.
    pub(crate) folder: &'a Path,
    /// Where its worktree is to be.
    pub(crate) place: &'a Path,
    /// The employee, for the name of the branch.
    pub(crate) name: &'a str,
    /// How.
    pub(crate) rule: &'a WorktreeRule,
    /// Whether it is one of a team: then it has one wherever there is a repository.
    pub(crate) team: bool,
    /// The one that it had before.
    pub(crate) known: Option<&'a Worktree>,
    /// Folders of colleagues who work without one of their own.
    pub(crate) others: &'a [PathBuf],
}

impl Wanted<'_> {
    /// Whether there can be a worktree: who has one keeps it, its work is there.
    pub(super) fn may_have_one(&self) -> bool {
        self.known.is_some() || self.rule.when != UseWorktree::Never
    }
}

/// What there is now, and what a person should know of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Settled {
    /// The worktree; `None` where it works in its folder.
    pub(crate) worktree: Option<Worktree>,
    /// In plain words.
    pub(crate) notes: Vec<String>,
    /// Whether its set-up commands have not all run yet.
    pub(crate) set_up: bool,
}

/// Finds the worktree of a process, makes it, or says that it needs none.
///
/// # Errors
/// It is to have one, and the folder or the repository cannot give it.
pub(crate) async fn settle(children: &Children, wanted: Wanted<'_>) -> Result<Settled, GitError> {
    if !wanted.may_have_one() {
        return Ok(shares_knowingly(children, wanted).await);
    }
    let must = wanted.known.is_some() || wanted.rule.when == UseWorktree::Always;
    if !must && !wanted.team && wanted.others.is_empty() {
        return Ok(Settled::default());
    }
    let git = Git::at(children, wanted.folder);
    let home = match checkout(&git).await {
        Ok(home) => home,
        Err(
            error @ (GitError::NoRepository { .. } | GitError::Bare { .. } | GitError::Missing),
        ) if !must => {
            return Ok(shares_for_want(wanted, &error));
        }
        Err(error) => return Err(error),
    };
    if !must && !wanted.team && !is_shared(children, &home, wanted.others).await {
        return Ok(Settled::default());
    }
    if let Some(found) = find(children, &home, wanted).await? {
        let inside = Git::at(children, &found.top);
        changes::sweep(&inside).await?;
        let set_up = pending(&inside).await?.exists();
        return Ok(Settled {
            worktree: Some(found),
            notes: Vec::new(),
            set_up,
        });
    }
    let Some(head) = home.head.clone() else {
        let repository = home.top;
        if must {
            return Err(GitError::NoCommit { repository });
        }
        let note = format!(
            "shares {} with a colleague: the repository has no commit yet to begin a worktree from",
            repository.display()
        );
        return Ok(Settled {
            worktree: None,
            notes: vec![note],
            set_up: false,
        });
    };
    make(children, &git, &home, &head, wanted).await
}

/// One of a team would have a worktree, and there is none to be had: that is said, where it matters.
fn shares_for_want(wanted: Wanted<'_>, error: &GitError) -> Settled {
    let mut settled = Settled::default();
    if wanted.team && wanted.others.iter().any(|other| other == wanted.folder) {
        settled.notes.push(format!(
            "shares {} with its cluster, each sees the other's unfinished work: {error}",
            wanted.folder.display()
        ));
    }
    settled
}

/// Worktrees are switched off: that two work in one checkout is said, and no obstacle.
async fn shares_knowingly(children: &Children, wanted: Wanted<'_>) -> Settled {
    let mut settled = Settled::default();
    if !wanted.others.is_empty()
        && let Ok(home) = checkout(&Git::at(children, wanted.folder)).await
        && is_shared(children, &home, wanted.others).await
    {
        settled.notes.push(format!(
            "shares {} with a colleague, each sees the other's unfinished work: worktrees are switched off for its role \
             (`worktree`)",
            home.top.display()
        ));
    }
    settled
}

async fn is_shared(children: &Children, home: &Checkout, others: &[PathBuf]) -> bool {
    for other in others {
        // A folder that is no repository, or is gone, shares nothing.
        if let Ok(other) = checkout(&Git::at(children, other)).await
            && other.common == home.common
        {
            return true;
        }
    }
    false
}

/// The worktree that is there already: from an earlier run, or from one whose end nobody recorded.
async fn find(
    children: &Children,
    home: &Checkout,
    wanted: Wanted<'_>,
) -> Result<Option<Worktree>, GitError> {
    if !wanted.place.join(".git").exists() {
        return Ok(None);
    }
    let git = Git::at(children, wanted.place);
    let there = match checkout(&git).await {
        Ok(there) if there.common == home.common => there,
        Ok(_) | Err(GitError::NoRepository { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if let Some(known) = wanted.known {
        return Ok(Some(known.clone()));
    }
    let Some(branch) = there.branch else {
        return Ok(None);
    };
    let key = |what: &str| format!("branch.{branch}.headcount{what}");
    let (Ok(base), Ok(begun)) = (
        git.line(&["config", &key("base")]).await,
        git.line(&["config", &key("begun")]).await,
    ) else {
        return Ok(None);
    };
    Ok(Some(Worktree {
        repository: home.top.clone(),
        top: wanted.place.to_owned(),
        folder: wanted.place.join(&home.below),
        branch,
        base,
        begun,
        task: None,
        aside: None,
    }))
}

async fn make(
    children: &Children,
    git: &Git,
    home: &Checkout,
    head: &str,
    wanted: Wanted<'_>,
) -> Result<Settled, GitError> {
    let mut notes = Vec::new();
    if wanted
        .place
        .read_dir()
        .is_ok_and(|mut inside| inside.next().is_some())
    {
        return Err(GitError::Taken {
            folder: wanted.place.to_owned(),
        });
    }
    if let Some(parent) = wanted.place.parent() {
        fs::create_dir_all(parent).map_err(|source| GitError::File {
            act: "make the folder",
            path: parent.to_owned(),
            source,
        })?;
    }
    let place = wanted.place.as_os_str();
    // Its folder went without git being told: what it had committed is in its branch.
    let lost = match wanted.known {
        Some(known) => git
            .commit(&format!("refs/heads/{}", known.branch))
            .await?
            .map(|_| known),
        None => None,
    };
    let worktree = if let Some(known) = lost {
        let args = ["worktree", "add", "--quiet", "--force"].map(std::ffi::OsStr::new);
        let branch = std::ffi::OsStr::new(&known.branch);
        git.run(&[args[0], args[1], args[2], args[3], place, branch])
            .await?;
        notes.push(format!(
            "its worktree was gone; it is made anew from the branch {}, without what was not committed",
            known.branch
        ));
        known.clone()
    } else {
        let (base, begun) = begin(git, home, head, wanted, &mut notes).await?;
        let branch = free_branch(git, wanted.name).await?;
        let args = [
            "worktree",
            "add",
            "--quiet",
            "--force",
            "--no-track",
            "-b",
            &branch,
        ];
        let mut args: Vec<&std::ffi::OsStr> = args.iter().map(std::ffi::OsStr::new).collect();
        args.extend([place, std::ffi::OsStr::new(&begun)]);
        git.run(&args).await?;
        for (what, value) in [("base", &base), ("begun", &begun)] {
            let key = format!("branch.{branch}.headcount{what}");
            git.run(&["config", &key, value]).await?;
        }
        Worktree {
            repository: home.top.clone(),
            top: wanted.place.to_owned(),
            folder: wanted.place.join(&home.below),
            branch,
            base,
            begun,
            task: None,
            aside: None,
        }
    };
    if home.has_submodules {
        notes.push(
            "submodules are not checked out in a new worktree: add `git submodule update --init` to its `setup`"
                .to_owned(),
        );
    }
    if uses_lfs(&home.top) && git.run(&["lfs", "version"]).await.is_err() {
        notes.push(
            "the repository keeps files in LFS and git-lfs is not installed: they are pointers here"
                .to_owned(),
        );
    }
    copy_files(&home.top, &worktree.top, &wanted.rule.copy, &mut notes)?;
    fs::create_dir_all(&worktree.folder).map_err(|source| GitError::File {
        act: "make the folder",
        path: worktree.folder.clone(),
        source,
    })?;
    let set_up = !wanted.rule.setup.is_empty();
    if set_up {
        let pending = pending(&Git::at(children, &worktree.top)).await?;
        fs::write(&pending, b"").map_err(|source| GitError::File {
            act: "write",
            path: pending,
            source,
        })?;
    }
    Ok(Settled {
        worktree: Some(worktree),
        notes,
        set_up,
    })
}

/// The file that is there until all set-up commands of a worktree have run.
async fn pending(git: &Git) -> Result<PathBuf, GitError> {
    let args = [
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "headcount-set-up",
    ];
    git.path(&args).await
}

/// Runs the set-up commands in a new worktree. One that failed is run again at the next start, and those before it.
pub(super) async fn set_up(
    children: &Children,
    worktree: &Worktree,
    commands: &[String],
) -> Result<(), GitError> {
    for command in commands {
        run_one(children, &worktree.folder, command).await?;
    }
    let pending = pending(&Git::at(children, &worktree.top)).await?;
    // Gone is what it should be.
    drop(fs::remove_file(pending));
    Ok(())
}

/// From where it begins: the name of the base, and its commit.
async fn begin(
    git: &Git,
    home: &Checkout,
    head: &str,
    wanted: Wanted<'_>,
    notes: &mut Vec<String>,
) -> Result<(String, String), GitError> {
    if let Some(base) = &wanted.rule.base {
        let begun = git.commit(base).await?.ok_or_else(|| GitError::NoBase {
            repository: home.top.clone(),
            base: base.clone(),
        })?;
        return Ok((base.clone(), begun));
    }
    let dirty = uncommitted(git).await?;
    if !dirty.is_empty() {
        let (s, is) = if dirty.len() == 1 {
            ("", "is")
        } else {
            ("s", "are")
        };
        notes.push(format!(
            "{} file{s} in {} {is} not committed, so the worktree does not have {}",
            dirty.len(),
            home.top.display(),
            if dirty.len() == 1 { "it" } else { "them" },
        ));
    }
    let base = home.branch.clone().unwrap_or_else(|| {
        notes.push(
            "no branch is checked out in the repository: the work cannot be merged into one, only exported"
                .to_owned(),
        );
        head.to_owned()
    });
    Ok((base, head.to_owned()))
}

/// `headcount/ada`, or the next number that is free.
async fn free_branch(git: &Git, name: &str) -> Result<String, GitError> {
    let slug: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let slug = slug.trim_matches('-');
    let slug = if slug.is_empty() { "employee" } else { slug };
    let mut branch = format!("headcount/{slug}");
    for n in 2.. {
        if git.commit(&format!("refs/heads/{branch}")).await?.is_none() {
            break;
        }
        branch = format!("headcount/{slug}-{n}");
    }
    Ok(branch)
}

fn uses_lfs(top: &Path) -> bool {
    fs::read_to_string(top.join(".gitattributes")).is_ok_and(|text| text.contains("filter=lfs"))
}

fn copy_files(
    from: &Path,
    to: &Path,
    names: &[PathBuf],
    notes: &mut Vec<String>,
) -> Result<(), GitError> {
    for name in names {
        let inside = name
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            notes.push(format!(
                "{} is not below the repository and was not copied",
                name.display()
            ));
            continue;
        }
        if to.join(name).exists() {
            continue;
        }
        match copy(&from.join(name), &to.join(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                notes.push(format!(
                    "{} is not there and was not copied",
                    name.display()
                ));
            }
            Err(source) => {
                return Err(GitError::File {
                    act: "copy",
                    path: from.join(name),
                    source,
                });
            }
        }
    }
    Ok(())
}

/// A file with its mode, a link as a link, a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if kind.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    if !kind.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

async fn run_one(children: &Children, folder: &Path, command: &str) -> Result<(), GitError> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).current_dir(folder);
    let failed = |said: String| GitError::Setup {
        command: command.to_owned(),
        said,
    };
    let output = children::run(children, shell, b"", SETUP)
        .await
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<&str> = said.trim().lines().rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(failed(format!("{}: {}", output.status, last.join(" / "))))
}

/// Takes the worktree's folder away; what it held must be kept by then. The branch goes as well if its base has all of it.
pub(super) async fn remove(git: &Git, worktree: &Worktree) -> Result<(), GitError> {
    let args = ["worktree", "remove", "--force", "--force"].map(std::ffi::OsStr::new);
    let top = worktree.top.as_os_str();
    match git.run(&[args[0], args[1], args[2], args[3], top]).await {
        Ok(_) => {}
        // Its folder is gone already; git is to forget it.
        Err(_) if !worktree.top.exists() => drop(git.run(&["worktree", "prune"]).await?),
        Err(error) => return Err(error),
    }
    let branch = format!("refs/heads/{}", worktree.branch);
    let base = format!("refs/heads/{}", worktree.base);
    if git.commit(&branch).await?.is_some()
        && git.commit(&base).await?.is_some()
        && git
            .asks(&["merge-base", "--is-ancestor", &branch, &base])
            .await?
    {
        git.run(&["branch", "--quiet", "-D", &worktree.branch])
            .await?;
    }
    Ok(())
}
