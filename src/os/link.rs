//! The instance's end: starts shims, connects to them, speaks with them.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_util::bytes::Bytes;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use super::SHIM_COMMAND;
use super::orphans::Children;
use super::run_folder::RunFolder;
use super::shim::MARK_VARIABLE;
use super::wire::{self, FromShim, Hello, MAX_FRAME, ToShim, VERSION};

/// A shim that is not ready by then is on a machine that cannot run anything.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A shim answers a greeting within one turn of its loop.
const GREET_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no shim.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The process could not be started: the binary is gone, or the limits are reached.
    #[error("cannot start a shim with {}", exe.display())]
    Start {
        /// The binary.
        exe: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The shim ended before it was ready, for the reason it gave.
    #[error("the shim of {} did not begin: {said}", folder.display())]
    NotReady {
        /// The run folder.
        folder: PathBuf,
        /// What it wrote on its way out.
        said: String,
    },
    /// The shim neither became ready nor ended; it was killed.
    #[error("the shim of {} was not ready in time", folder.display())]
    Late {
        /// The run folder.
        folder: PathBuf,
    },
}

/// A shim that this instance started, and has to reap.
///
/// Dropping it leaves the shim alone: it is meant to outlive us.
#[derive(Debug)]
pub struct Shim {
    child: Child,
    pid: u32,
    mark: String,
    children: Children,
}

impl Shim {
    /// Returns its number; valid until [`Self::wait`] has returned.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the value that marks all processes of its run, and names its control group.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Waits for its end and reaps it. May be dropped and called again.
    ///
    /// # Errors
    /// What the system said; the shim is gone then as well.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.children.reaped(self.pid);
        status
    }

    /// Kills it before it was told what to run, and reaps it.
    pub async fn give_up(mut self) {
        // Gone already is as good as killed.
        let _ = self.child.kill().await;
        self.children.reaped(self.pid);
    }
}

/// Starts a shim for the run folder, and returns when it can be connected to.
///
/// It gets a session of its own, no environment, no terminal, and writes what goes wrong to
/// `shim.err` in the folder. Not cancel-safe: a shim without a connection ends after 10 s.
///
/// # Errors
/// [`SpawnError`], each variant of which means that nothing runs.
pub async fn spawn_shim(
    exe: &Path,
    folder: &RunFolder,
    children: &Children,
) -> Result<Shim, SpawnError> {
    let start = |source| SpawnError::Start {
        exe: exe.to_path_buf(),
        source,
    };
    let mark = format!("{}-{}", folder.run(), uuid::Uuid::new_v4().simple());
    let complaints = folder.path().join("shim.err");
    let stderr = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&complaints)
        .map_err(start)?;
    let mut command = Command::new(exe);
    command
        .args([OsStr::new(SHIM_COMMAND), folder.path().as_os_str()])
        .env_clear()
        .env(MARK_VARIABLE, &mark)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr);
    let mut child = children
        .start(|| {
            let child = command.spawn()?;
            let pid = child.id();
            Ok((child, pid))
        })
        .map_err(start)?;
    let pid = child.id().unwrap_or_default();
    let mut ready = [0];
    let answer = match child.stdout.take() {
        Some(mut stdout) => {
            timeout(
                READY_WITHIN,
                async move { stdout.read_exact(&mut ready).await },
            )
            .await
        }
        None => Ok(Ok(1)),
    };
    match answer {
        Ok(Ok(_)) => Ok(Shim {
            child,
            pid,
            mark,
            children: children.clone(),
        }),
        Ok(Err(_)) => {
            // It has closed its output, so it is ending.
            let status = child.wait().await;
            children.reaped(pid);
            let said = fs::read_to_string(&complaints).unwrap_or_default();
            let said = match (said.lines().last(), status) {
                (Some(line), _) => line.to_owned(),
                (None, Ok(status)) => status.to_string(),
                (None, Err(error)) => error.to_string(),
            };
            Err(SpawnError::NotReady {
                folder: folder.path().to_path_buf(),
                said,
            })
        }
        Err(_) => {
            // Gone already is as good as killed.
            let _ = child.kill().await;
            children.reaped(pid);
            Err(SpawnError::Late {
                folder: folder.path().to_path_buf(),
            })
        }
    }
}

/// Why a shim cannot be spoken with.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody listens there: the shim has ended. The exit report, if any, is in the folder.
    #[error("no shim listens in {}", folder.display())]
    Connect {
        /// The run folder.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The connection broke, or what came over it was not a message.
    #[error("the connection to the shim is broken")]
    Broken(#[source] io::Error),
    /// The shim closed the connection: a newer instance took over, or the shim ended.
    #[error("the shim closed the connection")]
    Closed,
    /// An instance of a newer generation has the run.
    #[error("the run belongs to an instance of generation {generation}")]
    Refused {
        /// That generation.
        generation: u64,
    },
    /// The shim accepted the connection and then said nothing, as one does that is stopped.
    #[error("the shim does not answer")]
    Silent,
    /// A message is too long, which the caller must prevent.
    #[error("a message to the shim cannot be written")]
    Message(#[source] serde_json::Error),
}

/// A connection to a shim that has greeted us.
#[derive(Debug)]
pub struct Link {
    sender: LinkSender,
    receiver: LinkReceiver,
}

impl Link {
    /// Connects to the shim of a run folder and takes over from any instance before us.
    ///
    /// # Errors
    /// Any [`LinkError`]. After `Connect` and `Closed` look for the exit report in the folder.
    pub async fn connect(
        folder: &RunFolder,
        generation: u64,
    ) -> Result<(Self, Box<Hello>), LinkError> {
        let connect = |source| LinkError::Connect {
            folder: folder.path().to_path_buf(),
            source,
        };
        // By way of a descriptor: the path of a socket may have 107 bytes, no more.
        let handle = File::open(folder.path()).map_err(connect)?;
        let path = format!("/proc/self/fd/{}/sock", handle.as_raw_fd());
        let stream = UnixStream::connect(path).await.map_err(connect)?;
        drop(handle);
        let (read, write) = stream.into_split();
        let mut sender = LinkSender {
            frames: FramedWrite::new(write, codec()),
        };
        let mut receiver = LinkReceiver {
            frames: FramedRead::new(read, codec()),
        };
        sender
            .send(&ToShim::Hello {
                version: VERSION,
                generation,
            })
            .await?;
        match timeout(GREET_WITHIN, receiver.next()).await {
            Err(_) => Err(LinkError::Silent),
            Ok(Ok(Some(FromShim::Hello(hello)))) => {
                Ok((Self { sender, receiver }, Box::new(hello)))
            }
            Ok(Ok(Some(FromShim::Refused { generation }))) => {
                Err(LinkError::Refused { generation })
            }
            Ok(Ok(_)) => Err(LinkError::Closed),
            Ok(Err(error)) => Err(error),
        }
    }

    /// Returns both directions, for two places that use one each.
    pub fn split(self) -> (LinkSender, LinkReceiver) {
        (self.sender, self.receiver)
    }
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder()
        .max_frame_length(MAX_FRAME)
        .new_codec()
}

/// The direction to the shim.
#[derive(Debug)]
pub struct LinkSender {
    frames: FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>,
}

impl LinkSender {
    /// Sends a message.
    ///
    /// Dropped half-way, it is sent whole with the next one: never in part, never twice.
    ///
    /// # Errors
    /// [`LinkError::Broken`] if the shim is gone, [`LinkError::Message`] if it cannot be written.
    pub async fn send(&mut self, message: &ToShim) -> Result<(), LinkError> {
        let json = serde_json::to_vec(message).map_err(LinkError::Message)?;
        self.frames
            .send(Bytes::from(json))
            .await
            .map_err(LinkError::Broken)
    }
}

/// The direction from the shim.
#[derive(Debug)]
pub struct LinkReceiver {
    frames: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
}

impl LinkReceiver {
    /// Returns the next message, or `None` when the shim closed the connection. Cancel-safe.
    ///
    /// Messages that this build does not know are skipped.
    ///
    /// # Errors
    /// [`LinkError::Broken`].
    pub async fn next(&mut self) -> Result<Option<FromShim>, LinkError> {
        while let Some(frame) = self.frames.next().await {
            let frame = match frame {
                Ok(frame) => frame,
                // A shim that was killed with something unread looks like this.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(LinkError::Broken(error)),
            };
            let message = wire::decode(&frame).map_err(|error| LinkError::Broken(error.into()))?;
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }
}
