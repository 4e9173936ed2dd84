//! An instance that is up: what it lives on, what it lives for, and its end in order.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::time::Duration;

use futures::FutureExt as _;
use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as Arrivals, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::engine;
use crate::app::instance::{InstanceError, InstanceOptions};
use crate::app::own_log;
use crate::app::sockets::{self, Socket, Spare};
use crate::app::upgrade;
use crate::domain::command::{Command, Origin};
use crate::os::detach;
use crate::os::folder_lock::FolderLock;
use crate::os::handover::Handover;
use crate::os::orphans;
use crate::runtime;
use crate::runtime::handle::Handle;
use crate::serve::{self, Trial};
use crate::terminal::host::Host;

/// How long an instance that nobody attaches to waits before it asks itself what it is for.
const FIRST_TERMINAL: Duration = Duration::from_secs(60);
/// The right to be the instance of a state folder, and what this process needs to be one.
#[derive(Debug)]
pub(crate) struct Claim {
    options: InstanceOptions,
    lock: FolderLock,
    /// The sockets of the program that was in this process before.
    sockets: Option<(OwnedFd, OwnedFd)>,
    /// The limit of open files that we were given, for the agents.
    open_files: Option<u64>,
    /// Whether another program can take our place.
    hand_over: bool,
}

impl Claim {
    /// Takes the lock, and nothing is changed before that. With `own_output`, the output of this
    /// process goes to the log as well.
    pub(crate) fn take(
        options: &InstanceOptions,
        own_output: bool,
        before: Option<Handover>,
    ) -> Result<Self, InstanceError> {
        let place = &options.place;
        place.make()?;
        let (lock, sockets) = match before {
            Some(Handover { lock, attach, api }) => (
                FolderLock::inherited(lock, place.path()),
                Some((attach, api)),
            ),
            None => (None, None),
        };
        let lock = match lock {
            Some(lock) => lock,
            None => FolderLock::take(place.path())?,
        };
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
            sockets,
            open_files,
            hand_over: own_output,
        })
    }
}

/// What an instance leaves to the program that takes its place.
#[derive(Debug)]
pub(crate) struct Succession {
    program: PathBuf,
    arguments: Vec<OsString>,
    open_files: Option<u64>,
    handover: Handover,
}

impl Succession {
    /// Becomes that program. Returns only if that cannot be: then nothing is left but to end; the runs
    /// go on, and whoever starts an instance within ten minutes has them all.
    pub(crate) fn take_place(self) -> io::Error {
        tracing::info!(program = %self.program.display(), "another program takes over");
        if let Some(Err(error)) = self.open_files.map(detach::restore_file_limit) {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
        let mut command = std::process::Command::new(&self.program);
        command.arg0("headcount").args(&self.arguments);
        self.handover.exec(&mut command)
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
    /// Ends the socket of the terminals; those that are attached stay.
    door: CancellationToken,
    /// The sockets, and orders of our own.
    tasks: JoinSet<()>,
    /// For a program that takes over: the socket of the terminals and that of the programs.
    spares: (Spare, Spare),
    open_files: Option<u64>,
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
            sockets,
            open_files,
            hand_over,
        } = claim;
        let place = &options.place;
        let signals = Signals::listen().map_err(InstanceError::Setup)?;
        // Before the runtime: where they cannot be bound, no process is touched.
        let (attach, api) = sockets.unzip();
        let attach = Socket::take(place, &place.attach_socket(), attach)?;
        let api = Socket::take(place, &place.api_socket(), api)?;
        let spares = (attach.spare(), api.spare());
        let (handle, engine) = engine::start(&options, open_files, hand_over)?;
        let shutdown = CancellationToken::new();
        let door = shutdown.child_token();
        let host = Host::new(handle.clone(), shutdown.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn({
            let (host, place, door) = (host.clone(), place.clone(), door.clone());
            async move {
                let serve = |listener, until: CancellationToken| {
                    let host = host.clone();
                    async move { host.accept(&listener, &until).await }
                };
                sockets::keep(attach, &place, &door, serve).await;
            }
        });
        tasks.spawn({
            let (handle, place, shutdown) = (handle.clone(), place.clone(), shutdown.clone());
            let options = options.clone();
            let trial = Trial::new(move |program| {
                let options = options.clone();
                async move { upgrade::ask(&program, &options).await }.boxed()
            });
            async move {
                let serve =
                    |listener, until| serve::run(listener, handle.clone(), trial.clone(), until);
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
            door,
            tasks,
            spares,
            open_files,
            lock,
        })
    }

    /// Lives until somebody ends the instance or there is nothing to live for; then brings
    /// everything down.
    ///
    /// Returns what is left to the program that takes over, if one does.
    pub(crate) async fn end(mut self) -> Option<Succession> {
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
                    *attached.borrow() == Some(0)
                }
            };
            if last_left
                && !asked
                && !self.is_kept()
                && !self.handle.snapshot().has_work
                // One that comes in this moment is either there or finds the door closed, and then
                // starts the next instance.
                && self.host.close_if_empty()
            {
                tracing::info!("the last terminal left and there is nothing to do");
                asked = true;
                self.door.cancel();
                self.order(Command::Shutdown);
            }
        }
        let succession = self.succession();
        if succession.is_some() {
            self.host.hand_over();
        }
        self.shutdown.cancel();
        self.host.end().await;
        while self.tasks.join_next().await.is_some() {}
        if succession.is_none() {
            tracing::info!("the instance ended");
        }
        // Released by the kernel when this process is gone: whoever waits for the lock, waits for that.
        // To drop it would release it, and for the program that takes over as well.
        std::mem::forget(self.lock);
        succession
    }

    /// What goes to the program that takes over, if one does. From here on the sockets' files stay.
    fn succession(&self) -> Option<Succession> {
        let program = self.handle.snapshot().successor.clone()?;
        let lock = match self.lock.share() {
            Ok(lock) => lock,
            Err(error) => {
                tracing::error!(%error, "the lock cannot be handed over");
                return None;
            }
        };
        let options = InstanceOptions {
            keep: self.is_kept(),
            ..self.options.clone()
        };
        Some(Succession {
            program,
            arguments: options.arguments(),
            open_files: self.open_files,
            handover: Handover {
                lock,
                attach: self.spares.0.take()?,
                api: self.spares.1.take()?,
            },
        })
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
async fn last_left(attached: &mut watch::Receiver<Option<u32>>) -> bool {
    match attached.changed().await {
        Ok(()) => *attached.borrow_and_update() == Some(0),
        Err(_) => std::future::pending().await,
    }
}
