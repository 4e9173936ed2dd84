//! One call of git: a clean environment, a bound in time, its words as an error.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::error::GitError;
use crate::os::orphans::Children;
use crate::runtime::children;

/// A large checkout on a slow disk takes its time; a hook that waits for a person would wait for ever.
const LIMIT: Duration = Duration::from_secs(300);

/// Git in one folder.
#[derive(Debug, Clone)]
pub(super) struct Git {
    children: Children,
    folder: PathBuf,
    index: Option<PathBuf>,
    as_headcount: bool,
    hooks: bool,
}

impl Git {
    /// Git as if it were started in this folder.
    pub(super) fn at(children: &Children, folder: &Path) -> Self {
        Self {
            children: children.clone(),
            folder: folder.to_owned(),
            index: None,
            as_headcount: false,
            hooks: true,
        }
    }

    /// The same git in another folder.
    pub(super) fn elsewhere(&self, folder: &Path) -> Self {
        Self::at(&self.children, folder)
    }

    /// The same with a name of ours under what it commits: nobody need have told git who they are.
    pub(super) fn as_headcount(&self) -> Self {
        Self {
            as_headcount: true,
            ..self.clone()
        }
    }

    /// The same without the repository's hooks: what they are there for is not what is done.
    pub(super) fn without_hooks(&self) -> Self {
        Self {
            hooks: false,
            ..self.clone()
        }
    }

    /// The same with an index file of its own, so that the user's staging is left alone.
    pub(super) fn with_index(&self, index: &Path) -> Self {
        Self {
            index: Some(index.to_owned()),
            ..self.clone()
        }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn command(&self, args: &[&OsStr]) -> Command {
        let mut command = Command::new("git");
        // What the instance was started with is not what this repository is to be worked with.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") {
                command.env_remove(name);
            }
        }
        command
            .arg("-C")
            .arg(&self.folder)
            // Names of files as they are, and no pager, colour or editor of the user's.
            .args(["-c", "core.quotePath=false", "-c", "color.ui=false"])
            .args(["-c", "core.fsmonitor=false", "-c", "gc.auto=0"])
            .args(
                (!self.hooks)
                    .then_some(["-c", "core.hooksPath=/dev/null"])
                    .into_iter()
                    .flatten(),
            )
            .args(args)
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_EDITOR", "true")
            .env("GIT_PAGER", "cat")
            .env("GIT_OPTIONAL_LOCKS", "0");
        if self.as_headcount {
            for who in ["AUTHOR", "COMMITTER"] {
                command
                    .env(format!("GIT_{who}_NAME"), "headcount")
                    .env(format!("GIT_{who}_EMAIL"), "headcount@localhost");
            }
        }
        if let Some(index) = &self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        command
    }

    /// What it printed, and its exit code.
    pub(super) async fn try_run(
        &self,
        args: &[&OsStr],
        input: &[u8],
    ) -> Result<(Option<i32>, Vec<u8>, String), GitError> {
        let act = args
            .iter()
            .find(|arg| !arg.as_encoded_bytes().starts_with(b"-"))
            .map(|arg| arg.to_string_lossy().into_owned())
            .unwrap_or_default();
        let output = children::run(&self.children, self.command(args), input, LIMIT)
            .await
            .and_then(|output| output.whole("git"))
            .map_err(|error| GitError::child(&act, error))?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok((output.status.code(), output.stdout, said))
    }

    /// What it printed; any exit code but 0 is an error with its words.
    pub(super) async fn feed<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        input: &[u8],
    ) -> Result<Vec<u8>, GitError> {
        let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        let (code, stdout, said) = self.try_run(&args, input).await?;
        if code == Some(0) {
            return Ok(stdout);
        }
        let act = args
            .first()
            .map(|act| act.to_string_lossy().into_owned())
            .unwrap_or_default();
        let said = if said.is_empty() {
            String::from_utf8_lossy(&stdout).trim().to_owned()
        } else {
            said
        };
        Err(GitError::Failed { act, said })
    }

    /// The same with nothing on its input.
    pub(super) async fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Vec<u8>, GitError> {
        self.feed(args, b"").await
    }

    /// The one line that it printed.
    pub(super) async fn line<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<String, GitError> {
        let mut printed = self.run(args).await?;
        while printed.last().is_some_and(|last| *last == b'\n') {
            printed.pop();
        }
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }

    /// The one line that it printed, as a path.
    pub(super) async fn path<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<PathBuf, GitError> {
        let mut printed = self.run(args).await?;
        while printed.last().is_some_and(|last| *last == b'\n') {
            printed.pop();
        }
        Ok(PathBuf::from(OsString::from_vec(printed)))
    }

    /// Whether it says yes (0) or no (1).
    pub(super) async fn asks<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<bool, GitError> {
        let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        let (code, _, said) = self.try_run(&args, b"").await?;
        match code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(GitError::Failed {
                act: args
                    .first()
                    .map(|act| act.to_string_lossy().into_owned())
                    .unwrap_or_default(),
                said,
            }),
        }
    }

    /// The commit of a name; `None` where there is none.
    pub(super) async fn commit(&self, name: &str) -> Result<Option<String>, GitError> {
        let name = format!("{name}^{{commit}}");
        let args = [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &name,
        ];
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        let (code, printed, _) = self.try_run(&args, b"").await?;
        let commit = String::from_utf8_lossy(&printed).trim().to_owned();
        Ok((code == Some(0)).then_some(commit))
    }

    /// What it printed, cut at NUL characters.
    pub(super) async fn fields<S: AsRef<OsStr>>(
        &self,
        args: &[S],
    ) -> Result<Vec<Vec<u8>>, GitError> {
        let printed = self.run(args).await?;
        Ok(printed
            .split(|byte| *byte == 0)
            .filter(|field| !field.is_empty())
            .map(<[u8]>::to_vec)
            .collect())
    }
}
