//! What can be wrong with a repository or a request about it.

use std::io;
use std::path::PathBuf;

use crate::domain::command::Refusal;
use crate::domain::fault::{Fault, FaultCode};
use crate::runtime::children::ChildError;

/// Why git did not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program is not there.
    #[error("git is not on the PATH")]
    Missing,
    /// It ran and refused.
    #[error("git {act} failed: {said}")]
    Failed {
        /// Its subcommand.
        act: String,
        /// Its own words.
        said: String,
    },
    /// It could not be run to its end.
    #[error("git {act} could not be run to its end")]
    Child {
        /// Its subcommand.
        act: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The folder is in no repository.
    #[error("{} is in no git repository", folder.display())]
    NoRepository {
        /// The folder.
        folder: PathBuf,
    },
    /// The repository has no files.
    #[error("{} is a bare repository: it has no files to work on", folder.display())]
    Bare {
        /// The folder.
        folder: PathBuf,
    },
    /// There is nothing to begin from.
    #[error("the repository {} has no commit yet", repository.display())]
    NoCommit {
        /// Its top.
        repository: PathBuf,
    },
    /// The base is not there.
    #[error("{} has no `{base}` to begin from", repository.display())]
    NoBase {
        /// Its top.
        repository: PathBuf,
        /// What was asked for.
        base: String,
    },
    /// What it began from was no branch, or is gone.
    #[error("`{base}` is no branch of {}, so nothing can be brought home to it", repository.display())]
    NoHome {
        /// Its top.
        repository: PathBuf,
        /// What it began from.
        base: String,
    },
    /// The branch is gone.
    #[error("{} has no branch `{branch}` any more: somebody deleted it", repository.display())]
    NoBranch {
        /// Its top.
        repository: PathBuf,
        /// Which one.
        branch: String,
    },
    /// A branch is checked out no more, so there are no files to take back.
    #[error("`{branch}` is not checked out in {} any more, so it is in nobody's way", place.display())]
    NotCheckedOut {
        /// The worktree.
        place: PathBuf,
        /// The branch.
        branch: String,
    },
    /// Some of it is not committed.
    #[error("{} has {} that {} not committed: {}", place.display(), count(files.len(), "file"), if files.len() == 1 { "is" } else { "are" }, some(files))]
    Uncommitted {
        /// Where.
        place: PathBuf,
        /// Which files.
        files: Vec<String>,
    },
    /// The worktree's folder is gone.
    #[error("the worktree {} is gone: its folder was removed by somebody else", folder.display())]
    Gone {
        /// Where it was.
        folder: PathBuf,
    },
    /// A repository inside would not be kept.
    #[error("{} is a repository of its own: its history cannot be kept with the worktree", folder.display())]
    Nested {
        /// The inner one.
        folder: PathBuf,
    },
    /// A set-up command failed.
    #[error("the set-up command `{command}` failed: {said}")]
    Setup {
        /// The command.
        command: String,
        /// Its last words.
        said: String,
    },
    /// A file could not be read or written.
    #[error("cannot {act} {}", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no saved state of this name.
    #[error("nothing is kept under `{name}`")]
    NotSaved {
        /// What was asked for.
        name: String,
    },
    /// The place is taken.
    #[error("{} is there already and is not empty", folder.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
    },
}

impl GitError {
    pub(super) fn child(act: &str, error: ChildError) -> Self {
        match error {
            ChildError::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Self::Missing
            }
            error => Self::Child {
                act: act.to_owned(),
                source: Box::new(error),
            },
        }
    }

    /// What to do about it, an imperative fragment; `None` where there is nothing to say.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Missing => "install git".to_owned(),
            Self::NoRepository { folder } => format!(
                "run `git init` in {} and commit, or hire with `--worktree never`",
                folder.display()
            ),
            Self::Bare { .. } => "hire in a checkout of it".to_owned(),
            Self::NoCommit { .. } => "make a first commit".to_owned(),
            Self::NoBase { .. } => {
                "mend `base` of [roles.….worktree], or leave it out for what is checked out"
                    .to_owned()
            }
            Self::NoHome { .. } => {
                "check out a branch in the repository and merge by hand, or export a patch"
                    .to_owned()
            }
            Self::NoBranch { .. } => {
                "`git reflog` in its worktree may have the commit; `headcount diff` of the task has what it changed"
                    .to_owned()
            }
            Self::NotCheckedOut { branch, .. } => format!("`git branch -D {branch}` drops it"),
            Self::Uncommitted { .. } => "commit it first, or have it committed".to_owned(),
            Self::Gone { .. } => {
                "restart the process: the worktree is made anew from its branch".to_owned()
            }
            Self::Nested { folder } => format!(
                "move {} away, or remove it, and try again",
                folder.display()
            ),
            Self::Setup { .. } => {
                "mend `setup` of the role's worktree, then start again".to_owned()
            }
            Self::NotSaved { .. } => "`headcount restore` lists what is kept".to_owned(),
            Self::Taken { .. } => "name another folder".to_owned(),
            Self::Failed { said, .. } if said.contains(".lock") => {
                "another git runs there; if none does, remove the lock file it names".to_owned()
            }
            Self::Failed { .. } | Self::Child { .. } | Self::File { .. } => return None,
        })
    }

    /// The error with all of its causes.
    pub(crate) fn in_full(&self) -> String {
        chain(self)
    }

    /// The same for whoever ordered it.
    pub(crate) fn refusal(&self) -> Refusal {
        Refusal::Work {
            cause: chain(self),
            remedy: self.remedy(),
        }
    }

    /// The fault of a start that this prevented.
    pub(crate) fn fault(&self) -> Fault {
        let cause = chain(self);
        let remedy = self
            .remedy()
            .unwrap_or_else(|| "put it right, then start the process again".to_owned());
        Fault::new(
            FaultCode::EnvironmentSetupFailed,
            format!("no worktree could be made: {cause}"),
            remedy,
        )
    }
}

/// An error with all of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn count(n: usize, word: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {word}{plural}")
}

/// The first few of a list.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
