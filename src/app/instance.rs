//! The instance: one process a workspace, from the lock on its state folder to its end.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::app::place::{PlaceError, StateFolder};
use crate::app::ready::Word;
use crate::app::running::{Claim, Running};
use crate::app::sockets::SocketError;
use crate::app::upgrade;
use crate::config;
use crate::os::detach::Ready;
use crate::os::folder_lock::FolderLockError;
use crate::os::handover::Handover;
use crate::runtime;

/// The hidden subcommand that makes this program an instance.
pub const COMMAND: &str = "__instance";

/// How long blocking work may hold up the very end.
const LAST_WORK: Duration = Duration::from_secs(2);

/// What an instance is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceOptions {
    /// Its state folder; a demonstration has its own.
    pub place: StateFolder,
    /// Whether every role runs on the simulated agent.
    pub demo: bool,
    /// Whether it stays when the last terminal leaves and there is nothing to do.
    pub keep: bool,
}

/// Why an instance cannot be.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// It was called in a way that we do not call it.
    #[error("{COMMAND} is for headcount's own use: {0}")]
    Usage(String),
    /// A variable of its environment says nothing that it understands.
    #[error("{0}")]
    Variable(String),
    /// Its state folder cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The state folder is in use or cannot be locked.
    #[error(transparent)]
    Lock(#[from] FolderLockError),
    /// Its log cannot be opened.
    #[error("cannot open the log {}", path.display())]
    Log {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A socket cannot be bound.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The workspace cannot be found.
    #[error("cannot use the workspace")]
    Workspace(#[source] config::FindError),
    /// The configuration has mistakes; all of them are in the text.
    #[error("the configuration has mistakes\n{0}")]
    Configuration(String),
    /// The company cannot be put together.
    #[error(transparent)]
    Runtime(runtime::StartError),
    /// The threads, timers or signals of the program cannot be set up.
    #[error("cannot set the program up")]
    Setup(#[source] io::Error),
}

impl InstanceError {
    /// What to do about it, where there is something to say.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Place(error) | Self::Socket(SocketError::Folder(error)) => error.remedy(),
            Self::Lock(FolderLockError::Held { .. }) => {
                Some("attach to it with `headcount`, or end it with `headcount down`")
            }
            Self::Lock(FolderLockError::Lock { .. }) => {
                Some("name a folder on a local disk with --state")
            }
            Self::Log { .. } | Self::Socket(_) => {
                Some("mend the permissions of the state folder, or name another with --state")
            }
            Self::Configuration(_) => Some("mend roles.toml, then start again"),
            Self::Runtime(_) => Some(
                "nothing was changed; move the state folder aside to begin anew, or use the build that wrote it",
            ),
            Self::Usage(_) | Self::Variable(_) | Self::Setup(_) | Self::Workspace(_) => None,
        }
    }

    fn word(&self) -> Word {
        match self {
            Self::Lock(FolderLockError::Held { holder, .. }) => Word::Taken { holder: *holder },
            error => Word::failed(error, error.remedy()),
        }
    }
}

/// Runs as an instance, or says whether it could, if the command line asks for that; returns its exit code.
///
/// Stands near the beginning of `main`, before any file is opened: the pipe of the starter is
/// known by its number.
pub fn entry(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    let command = arguments.next()?;
    if command == upgrade::COMMAND {
        return Some(upgrade::say(arguments));
    }
    if command != COMMAND {
        return None;
    }
    let ready = Ready::inherited();
    let before = Handover::inherited();
    Some(match InstanceOptions::read(arguments) {
        Ok(options) => run(&options, ready, before),
        Err(error) => fail(&error, ready),
    })
}

impl InstanceOptions {
    /// The arguments that [`InstanceOptions::read`] understands.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            COMMAND.into(),
            "--workspace".into(),
            self.place.workspace().into(),
            "--state".into(),
            self.place.base().into(),
        ];
        arguments.extend(self.demo.then(|| "--demo".into()));
        arguments.extend(self.keep.then(|| "--keep".into()));
        arguments
    }

    pub(super) fn read(
        mut arguments: impl Iterator<Item = OsString>,
    ) -> Result<Self, InstanceError> {
        let (mut workspace, mut state, mut demo, mut keep) = (None, None, false, false);
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--workspace") => workspace = arguments.next().map(PathBuf::from),
                Some("--state") => state = arguments.next().map(PathBuf::from),
                Some("--demo") => demo = true,
                Some("--keep") => keep = true,
                _ => {
                    let what = format!("it does not know {}", argument.display());
                    return Err(InstanceError::Usage(what));
                }
            }
        }
        let Some(workspace) = workspace else {
            return Err(InstanceError::Usage("it needs a workspace".to_owned()));
        };
        let place = StateFolder::locate(&workspace, state.as_deref())?;
        Ok(Self {
            place: if demo { place.demo() } else { place },
            demo,
            keep,
        })
    }
}

/// Runs an instance to its end. `ready` hears when it is up, or why it cannot be.
/// Where a program was in this process before, `before` is what it left.
#[must_use]
pub fn run(options: &InstanceOptions, ready: Option<Ready>, before: Option<Handover>) -> ExitCode {
    let claim = match Claim::take(options, true, before) {
        Ok(claim) => claim,
        Err(error) => return fail(&error, ready),
    };
    let tokio = match runtime() {
        Ok(tokio) => tokio,
        Err(error) => return fail(&error, ready),
    };
    let ended = tokio.block_on(async {
        let running = match Running::begin(claim) {
            Ok(running) => running,
            Err(error) => return Err(fail(&error, ready)),
        };
        if let Some(ready) = ready {
            // One who no longer waits need not be told.
            drop(ready.say(&Word::Up.line()));
        }
        Ok(running.end().await)
    });
    tokio.shutdown_timeout(LAST_WORK);
    match ended {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(succession)) => {
            let error = succession.take_place();
            tracing::error!(%error, "the other program cannot take over; the runs go on for a while");
            ExitCode::FAILURE
        }
        Err(code) => code,
    }
}

fn fail(error: &InstanceError, ready: Option<Ready>) -> ExitCode {
    tracing::error!(%error, "the instance cannot start");
    let word = error.word();
    match ready {
        // One who no longer waits need not be told.
        Some(ready) => drop(ready.say(&word.line())),
        None => say_on_error_output(&word),
    }
    ExitCode::FAILURE
}

/// For an instance that a service or a person started as such.
fn say_on_error_output(word: &Word) {
    use std::io::Write;
    let text = match word {
        Word::Up => return,
        Word::Taken { holder } => match holder {
            Some(pid) => format!("an instance runs already, as process {pid}"),
            None => "an instance runs already".to_owned(),
        },
        Word::Failed { causes, .. } => causes.join(": "),
    };
    // There is nowhere else to say it.
    drop(writeln!(io::stderr(), "headcount: {text}"));
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, InstanceError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("headcount")
        // Longer than the sampler pauses: where no thread can be made there is one for what blocks.
        .thread_keep_alive(Duration::from_secs(120))
        .build()
        .map_err(InstanceError::Setup)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_read_back() {
        let temp = tempfile::tempdir().unwrap();
        let place = StateFolder::locate(temp.path(), Some(temp.path())).unwrap();
        for (demo, keep) in [(false, false), (true, false), (true, true)] {
            let options = InstanceOptions {
                place: if demo { place.demo() } else { place.clone() },
                demo,
                keep,
            };
            let arguments = options.arguments().into_iter().skip(1);
            assert_eq!(InstanceOptions::read(arguments).unwrap(), options);
        }
        let strange = InstanceOptions::read([OsString::from("--fast")].into_iter());
        assert!(matches!(strange, Err(InstanceError::Usage(_))));
    }
}
