//! The instance: one process a workspace, from the lock on its state folder to its end.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as Arrivals, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::engine;
use crate::app::own_log;
use crate::app::place::{PlaceError, StateFolder};
use crate::app::ready::Word;
use crate::app::sockets::{self, Socket, SocketError};
use crate::config;
use crate::domain::command::{Command, Origin};
use crate::domain::snapshot::{Snapshot, Status};
use crate::os::detach::{self, Ready};
use crate::os::folder_lock::{FolderLock, FolderLockError};
use crate::os::orphans;
use crate::runtime;
use crate::runtime::handle::Handle;
use crate::serve;
use crate::terminal::host::Host;

/// The hidden subcommand that makes this program an instance.
pub const COMMAND: &str = "__instance";

/// How long an instance that nobody attaches to waits before it asks itself what it is for.
const FIRST_TERMINAL: Duration = Duration::from_secs(60);
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
            Self::Usage(_) | Self::Setup(_) | Self::Workspace(_) => None,
        }
    }

    fn word(&self) -> Word {
        match self {
            Self::Lock(FolderLockError::Held { holder, .. }) => Word::Taken { holder: *holder },
            error => Word::failed(error, error.remedy()),
        }
    }
}

/// Runs as an instance if the command line asks for one, and returns its exit code.
///
/// Stands near the beginning of `main`, before any file is opened: the pipe of the starter is
/// known by its number.
pub fn entry(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != COMMAND {
        return None;
    }
    let ready = Ready::inherited();
    Some(match InstanceOptions::read(arguments) {
        Ok(options) => run(&options, ready),
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

    fn read(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, InstanceError> {
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
#[must_use]
pub fn run(options: &InstanceOptions, ready: Option<Ready>) -> ExitCode {
    let claim = match Claim::take(options, true) {
        Ok(claim) => claim,
        Err(error) => return fail(&error, ready),
    };
    let tokio = match runtime() {
        Ok(tokio) => tokio,
        Err(error) => return fail(&error, ready),
    };
    let code = tokio.block_on(async {
        let running = match Running::begin(claim) {
            Ok(running) => running,
            Err(error) => return fail(&error, ready),
        };
        if let Some(ready) = ready {
            // One who no longer waits need not be told.
            drop(ready.say(&Word::Up.line()));
        }
        running.end().await;
        ExitCode::SUCCESS
    });
    tokio.shutdown_timeout(LAST_WORK);
    code
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
        .build()
        .map_err(InstanceError::Setup)
}

/// The right to be the instance of a state folder, and what this process needs to be one.
#[derive(Debug)]
pub(crate) struct Claim {
    options: InstanceOptions,
    lock: FolderLock,
    /// The limit of open files that we were given, for the agents.
    open_files: Option<u64>,
}

impl Claim {
    /// Takes the lock, and nothing is changed before that. With `own_output`, the output of this
    /// process goes to the log as well.
    pub(crate) fn take(options: &InstanceOptions, own_output: bool) -> Result<Self, InstanceError> {
        let place = &options.place;
        place.make()?;
        let lock = FolderLock::take(place.path())?;
        let path = place.own_log();
        own_log::begin(&path, own_output).map_err(|source| InstanceError::Log { path, source })?;
        tracing::info!(
            build = env!("CARGO_PKG_VERSION"),
            pid = std::process::id(),
            workspace = %place.workspace().display(),
            "the instance starts"
        );
        let open_files = match detach::raise_file_limit() {
            Ok(before) => Some(before),
            Err(error) => {
                tracing::warn!(%error, "cannot raise the limit of open files");
                None
            }
        };
        if let Err(error) = orphans::become_subreaper() {
            tracing::warn!(%error, "cannot take in orphans");
        }
        // A mark of an earlier instance says nothing of this one.
        drop(std::fs::remove_file(place.keep_mark()));
        // Screens choose their colours by what each terminal can show, not by our environment.
        crossterm::style::force_color_output(true);
        Ok(Self {
            options: options.clone(),
            lock,
            open_files,
        })
    }
}

/// An instance that is up.
#[derive(Debug)]
pub(crate) struct Running {
    options: InstanceOptions,
    pub(crate) handle: Handle,
    pub(crate) host: Host,
    engine: runtime::Running,
    signals: Signals,
    shutdown: CancellationToken,
    /// The sockets, and orders of our own.
    tasks: JoinSet<()>,
    // The last to go: the next instance must find everything done.
    lock: FolderLock,
}

#[derive(Debug)]
struct Signals {
    terminate: Arrivals,
    interrupt: Arrivals,
    // Never read: to receive it is to ignore it, and children do not inherit that.
    _hangup: Arrivals,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let listen = |kind: Signal| signal(SignalKind::from_raw(kind as i32));
        Ok(Self {
            terminate: listen(Signal::SIGTERM)?,
            interrupt: listen(Signal::SIGINT)?,
            _hangup: listen(Signal::SIGHUP)?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Running {
    /// Brings everything up.
    pub(crate) fn begin(claim: Claim) -> Result<Self, InstanceError> {
        let Claim {
            options,
            lock,
            open_files,
        } = claim;
        let place = &options.place;
        let signals = Signals::listen().map_err(InstanceError::Setup)?;
        // Before the runtime: where they cannot be bound, no process is touched.
        let attach = Socket::bind(place, &place.attach_socket())?;
        let api = Socket::bind(place, &place.api_socket())?;
        let (handle, engine) = engine::start(&options, open_files)?;
        let shutdown = CancellationToken::new();
        let host = Host::new(handle.clone(), shutdown.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn({
            let (host, place, shutdown) = (host.clone(), place.clone(), shutdown.clone());
            async move {
                let serve = |listener, until: CancellationToken| {
                    let host = host.clone();
                    async move { host.accept(&listener, &until).await }
                };
                sockets::keep(attach, &place, &shutdown, serve).await;
            }
        });
        tasks.spawn({
            let (handle, place, shutdown) = (handle.clone(), place.clone(), shutdown.clone());
            async move {
                let serve = |listener, until| serve::run(listener, handle.clone(), until);
                sockets::keep(api, &place, &shutdown, serve).await;
            }
        });
        Ok(Self {
            options,
            handle,
            host,
            engine,
            signals,
            shutdown,
            tasks,
            lock,
        })
    }

    /// Lives until somebody ends the instance or there is nothing to live for; then brings
    /// everything down.
    pub(crate) async fn end(mut self) {
        let mut attached = self.host.attached();
        let alone = tokio::time::sleep(FIRST_TERMINAL);
        tokio::pin!(alone);
        let mut asked = false;
        let mut alone_asked = false;
        loop {
            let last_left = tokio::select! {
                biased;
                () = self.engine.done() => break,
                () = self.signals.next() => {
                    let command = if asked { Command::ShutdownNow } else { Command::Shutdown };
                    tracing::info!(?command, "a signal asks the instance to end");
                    asked = true;
                    self.order(command);
                    false
                }
                left = last_left(&mut attached) => left,
                () = &mut alone, if !alone_asked => {
                    alone_asked = true;
                    *attached.borrow() == 0
                }
            };
            if last_left && !self.is_kept() && is_idle(&self.handle.snapshot()) {
                tracing::info!("the last terminal left and there is nothing to do");
                asked = true;
                self.order(Command::Shutdown);
            }
        }
        self.shutdown.cancel();
        self.host.end().await;
        while self.tasks.join_next().await.is_some() {}
        tracing::info!("the instance ended");
        drop(self.lock);
    }

    fn is_kept(&self) -> bool {
        self.options.keep || self.options.place.keep_mark().exists()
    }

    /// Gives an order; its answer comes when all is done, and then the hub ends.
    fn order(&mut self, command: Command) {
        let (handle, shutdown) = (self.handle.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                answer = handle.order(Origin::Automation, command) => if let Err(error) = answer {
                    tracing::info!(%error, "an order was not answered as hoped");
                }
            }
        });
    }
}

/// Waits for a change of the number of terminals; returns whether nobody is left.
async fn last_left(attached: &mut watch::Receiver<u32>) -> bool {
    match attached.changed().await {
        Ok(()) => *attached.borrow_and_update() == 0,
        Err(_) => std::future::pending().await,
    }
}

/// Whether nothing runs, waits or will come.
fn is_idle(snapshot: &Snapshot) -> bool {
    let counts = snapshot.counts;
    counts.queued == 0
        && counts.active == 0
        && snapshot.processes.iter().all(|process| {
            !process.is_up()
                && match process.status {
                    Status::Stopped | Status::Error => true,
                    Status::Blocked => process.until.is_none(),
                    _ => false,
                }
        })
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

    #[test]
    fn an_instance_without_staff_is_idle() {
        assert!(is_idle(&Snapshot::default()));
        let mut busy = Snapshot::default();
        busy.counts.queued = 1;
        assert!(!is_idle(&busy));
    }
}
