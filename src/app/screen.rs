//! Opens the screen in this terminal: finds or starts the instance, and attaches.

use std::io;

use tokio::net::UnixStream;

use crate::app::instance::{self, InstanceError, InstanceOptions};
use crate::app::place::StateFolder;
use crate::app::running::{Claim, Running};
use crate::app::start::{self, StartError};
use crate::domain::command::{Command, Origin};
use crate::terminal::client::{self, ClientError, Ending, Left, Suspension};

/// An instance may end in the very moment that we attach; then another one is started.
const TRIES: u32 = 3;

/// What to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreenOptions {
    /// The workspace's state folder; the demonstration's is found from it.
    pub place: StateFolder,
    /// Whether the demonstration is meant.
    pub demo: bool,
}

impl ScreenOptions {
    fn instance(&self) -> InstanceOptions {
        InstanceOptions {
            place: if self.demo {
                self.place.demo()
            } else {
                self.place.clone()
            },
            demo: self.demo,
            keep: false,
        }
    }
}

/// Why the screen cannot be shown, or ended otherwise than it should.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// The terminal, or the connection to the instance.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The instance cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The instance cannot be in this process.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// It runs and cannot be reached.
    #[error("cannot connect to the instance")]
    Connect(#[source] io::Error),
    /// The program cannot be set up.
    #[error("cannot set the program up")]
    Setup(#[source] io::Error),
}

impl ScreenError {
    /// Whether the instance let nobody in: an employee may not attach.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Client(ClientError::Refused(_)))
    }

    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Client(error) => error.remedy().map(ToOwned::to_owned),
            Self::Start(error) => error.remedy(),
            Self::Instance(error) => error.remedy().map(ToOwned::to_owned),
            Self::Connect(_) | Self::Setup(_) => None,
        }
    }
}

/// Shows the screen until the person leaves or the instance ends; starts the instance if there is
/// none. Blocks. The terminal is as it was when this returns.
///
/// # Errors
/// See [`ScreenError`].
pub fn open(mut options: ScreenOptions) -> Result<Left, ScreenError> {
    // Before anything is started that nobody could see.
    client::check()?;
    let mut tries = TRIES;
    loop {
        start::ensure_running(&options.instance())?;
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ScreenError::Setup)?;
        let left = tokio.block_on(attach(&options.instance()));
        match left {
            Ok(Left {
                ending: Ending::Demo,
                ..
            }) => options.demo = true,
            Err(ScreenError::Client(ClientError::Closed) | ScreenError::Connect(_))
                if tries > 1 =>
            {
                tries -= 1;
            }
            left => return left,
        }
    }
}

async fn attach(options: &InstanceOptions) -> Result<Left, ScreenError> {
    let stream = UnixStream::connect(options.place.attach_socket())
        .await
        .map_err(ScreenError::Connect)?;
    Ok(client::run(
        stream,
        Some(options.place.attach_socket()),
        Suspension::Allowed,
    )
    .await?)
}

/// Runs instance and screen in this process. When the screen is left, the instance ends too; blocks
/// until it has.
///
/// # Errors
/// See [`ScreenError`].
pub fn open_in_foreground(mut options: ScreenOptions) -> Result<Left, ScreenError> {
    client::check()?;
    loop {
        let left = in_foreground(&options.instance())?;
        if left.ending != Ending::Demo {
            return Ok(left);
        }
        options.demo = true;
    }
}

fn in_foreground(options: &InstanceOptions) -> Result<Left, ScreenError> {
    let claim = Claim::take(options, false, None)?;
    let tokio = instance::runtime()?;
    tokio.block_on(async {
        let running = Running::begin(claim)?;
        let (ours, hosts) = UnixStream::pair().map_err(ScreenError::Setup)?;
        running.host.attach(hosts);
        let handle = running.handle.clone();
        let screen = async {
            let left = client::run(ours, None, Suspension::Never).await;
            // Whatever ended the screen ends the instance. If that has ended first, that is as well.
            drop(handle.order(Origin::Terminal, Command::Shutdown).await);
            left
        };
        let (left, _) = futures::future::join(screen, running.end()).await;
        Ok(left?)
    })
}
