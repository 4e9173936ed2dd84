//! What a folder is to git.

use std::path::{Path, PathBuf};

use super::command::Git;
use super::error::GitError;

/// A checkout that a folder lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkout {
    /// Its top.
    pub(super) top: PathBuf,
    /// The folder with the history, the same for all worktrees of a repository.
    pub(super) common: PathBuf,
    /// The folder, below the top.
    pub(super) below: PathBuf,
    /// The branch that is checked out; `None` for a detached head.
    pub(super) branch: Option<String>,
    /// The commit that is checked out; `None` before the first.
    pub(super) head: Option<String>,
    /// Whether submodules are declared.
    pub(super) has_submodules: bool,
}

/// Looks at a folder.
///
/// # Errors
/// [`GitError::NoRepository`] and [`GitError::Bare`] for a folder that has nothing to work on.
pub(super) async fn checkout(git: &Git) -> Result<Checkout, GitError> {
    let folder = git.folder();
    let said = match git.run(&["rev-parse", "--is-inside-work-tree"]).await {
        Ok(said) => said,
        Err(GitError::Failed { said, .. }) if said.contains("not a git repository") => {
            return Err(GitError::NoRepository {
                folder: folder.to_owned(),
            });
        }
        Err(error) => return Err(error),
    };
    if said.trim_ascii() != b"true" {
        return Err(GitError::Bare {
            folder: folder.to_owned(),
        });
    }
    let top = git.path(&["rev-parse", "--show-toplevel"]).await?;
    let common = git
        .path(&["rev-parse", "--path-format=absolute", "--git-common-dir"])
        .await?;
    let below = git.path(&["rev-parse", "--show-prefix"]).await?;
    let branch = branch(git).await?;
    Ok(Checkout {
        has_submodules: top.join(".gitmodules").exists(),
        head: git.commit("HEAD").await?,
        below,
        branch,
        common,
        top,
    })
}

/// The branch that is checked out; `None` for a detached head.
pub(super) async fn branch(git: &Git) -> Result<Option<String>, GitError> {
    match git
        .line(&["symbolic-ref", "--quiet", "--short", "HEAD"])
        .await
    {
        Ok(branch) => Ok(Some(branch)),
        Err(GitError::Failed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Files that are not committed, new ones included; paths below the top.
pub(super) async fn uncommitted(git: &Git) -> Result<Vec<String>, GitError> {
    let args = [
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=none",
    ];
    let fields = git.fields(&args).await?;
    let path = |field: &Vec<u8>| {
        field
            .get(3..)
            .map(|path| String::from_utf8_lossy(path).into_owned())
    };
    Ok(fields.iter().filter_map(path).collect())
}

/// The checkout of a repository that has a branch checked out, if there is one.
pub(super) async fn home_of(git: &Git, branch: &str) -> Result<Option<PathBuf>, GitError> {
    let fields = git
        .fields(&["worktree", "list", "--porcelain", "-z"])
        .await?;
    let wanted = format!("branch refs/heads/{branch}");
    let mut top: Option<&Path> = None;
    for field in &fields {
        if let Some(path) = field.strip_prefix(b"worktree ") {
            use std::os::unix::ffi::OsStrExt as _;
            top = Some(Path::new(std::ffi::OsStr::from_bytes(path)));
        } else if field == wanted.as_bytes() {
            return Ok(top.map(Path::to_owned));
        }
    }
    Ok(None)
}
