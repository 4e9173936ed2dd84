//! Finds the running instance of a workspace, or starts one that no terminal can take with it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::app::instance::InstanceOptions;
use crate::app::place::PlaceError;
use crate::app::ready::Word;
use crate::os::detach::{self, DetachError};

/// How long a start may take: it adopts what an earlier instance left.
const READY: Duration = Duration::from_secs(60);
/// How often to try an instance that is there and does not answer yet, and how many times: it may be
/// starting by another way, ending, or about to bind a socket that vanished.
const RETRY: Duration = Duration::from_millis(100);
const RETRIES: u32 = 80;
/// How much of the log is shown when an instance ends without a word.
const TAIL: u64 = 2000;

/// Whether there was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It was started now.
    Started {
        /// Its PID.
        pid: u32,
    },
    /// It ran already.
    AlreadyRunning {
        /// Its PID.
        pid: u32,
    },
}

/// Why there is no instance.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state folder cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The lock of the starters cannot be taken.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not be started, or did not get ready.
    #[error(transparent)]
    Detach(#[from] DetachError),
    /// It ended without a word.
    #[error("the instance ended before it was ready{}", last_words(.log))]
    Ended {
        /// The end of its log.
        log: String,
    },
    /// It said why it cannot be.
    #[error("the instance cannot start: {}", causes.join(": "))]
    Failed {
        /// Cause after cause.
        causes: Vec<String>,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// The state folder is in use by a process that does not answer.
    #[error("{} uses the state folder {} and does not answer", holder_name(*holder), folder.display())]
    Taken {
        /// Its PID, where the kernel tells.
        holder: Option<u32>,
        /// The folder.
        folder: PathBuf,
    },
}

fn last_words(log: &str) -> String {
    if log.trim().is_empty() {
        String::new()
    } else {
        format!("; the end of its log:\n{}", log.trim_end())
    }
}

fn holder_name(holder: Option<u32>) -> String {
    holder.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

impl StartError {
    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::Place(error) => return error.remedy().map(ToOwned::to_owned),
            Self::Failed { remedy, .. } => return remedy.clone(),
            Self::Lock { .. } => "mend its permissions, or name another folder with --state",
            Self::Taken {
                holder: Some(pid), ..
            } => {
                return Some(format!(
                    "look at it with `ps {pid}`; end it with `kill {pid}`"
                ));
            }
            Self::Detach(DetachError::Late { .. }) => "look into headcount.log in the state folder",
            Self::Taken { holder: None, .. } | Self::Detach(_) | Self::Ended { .. } => return None,
        };
        Some(text.to_owned())
    }
}

/// Returns the PID of the instance that answers, if one does.
#[must_use]
pub fn running(options: &InstanceOptions) -> Option<u32> {
    let stream = UnixStream::connect(options.place.attach_socket()).ok()?;
    let peer = getsockopt(&stream, PeerCredentials).ok()?;
    u32::try_from(peer.pid()).ok()
}

/// Sees to it that an instance runs. Blocks until it answers.
///
/// Of several starters at once one starts it, and the others find it.
///
/// # Errors
/// See [`StartError`].
pub fn ensure_running(options: &InstanceOptions) -> Result<Found, StartError> {
    let place = &options.place;
    place.make()?;
    // Before it is asked whether it is there: it looks for the mark before it ends by itself.
    keep(options)?;
    if let Some(pid) = running(options) {
        return Ok(Found::AlreadyRunning { pid });
    }
    let _turn = take_turn(options)?;
    if let Some(pid) = running(options) {
        return Ok(Found::AlreadyRunning { pid });
    }
    let mut tries = 0;
    loop {
        match spawn(options)? {
            (pid, Word::Up) => return Ok(Found::Started { pid }),
            (_, Word::Failed { causes, remedy }) => {
                return Err(StartError::Failed { causes, remedy });
            }
            (_, Word::Taken { holder }) => {
                // Not started by a starter like us, or on its way down.
                if let Some(pid) = wait_for_answer(options, &mut tries) {
                    return Ok(Found::AlreadyRunning { pid });
                }
                if tries >= RETRIES {
                    return Err(StartError::Taken {
                        holder,
                        folder: place.path().to_owned(),
                    });
                }
            }
        }
    }
}

/// Waits until the holder of the folder answers; `None` when it is gone or the tries are used up.
fn wait_for_answer(options: &InstanceOptions, tries: &mut u32) -> Option<u32> {
    while *tries < RETRIES {
        *tries += 1;
        std::thread::sleep(RETRY);
        if let Some(pid) = running(options) {
            return Some(pid);
        }
        crate::os::folder_lock::holder(options.place.path())?;
    }
    None
}

/// Tells an instance that may run already to stay, if that is asked for.
fn keep(options: &InstanceOptions) -> Result<(), StartError> {
    if !options.keep {
        return Ok(());
    }
    let path = options.place.keep_mark();
    fs::write(&path, "").map_err(|source| StartError::Lock { path, source })
}

/// Waits for the turn to start: the kernel gives it to one after the other.
fn take_turn(options: &InstanceOptions) -> Result<File, StartError> {
    let path = options.place.start_lock();
    let take = || {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)?;
        file.lock()?;
        Ok(file)
    };
    take().map_err(|source| StartError::Lock {
        path: path.clone(),
        source,
    })
}

fn spawn(options: &InstanceOptions) -> Result<(u32, Word), StartError> {
    let log = options.place.own_log();
    let before = fs::metadata(&log).map_or(0, |metadata| metadata.len());
    // This very program, also when another one stands at its path by now.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("headcount").args(options.arguments());
    let starting = detach::spawn(&mut command, &log)?;
    let pid = starting.pid();
    let word = match starting.wait(READY) {
        Ok(line) => Word::read(&line),
        Err(DetachError::Ended) => None,
        Err(error) => return Err(error.into()),
    };
    match word {
        Some(word) => Ok((pid, word)),
        None => Err(StartError::Ended {
            log: tail(options, before),
        }),
    }
}

/// What was written to the log since, or the end of it.
fn tail(options: &InstanceOptions, before: u64) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(options.place.own_log())?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(
            before.max(length.saturating_sub(TAIL)).min(length),
        ))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    // Without a log there is nothing to add to the error.
    read().unwrap_or_default()
}
