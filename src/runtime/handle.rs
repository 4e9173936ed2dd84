//! The hub's handle: what front ends read and order.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::chronicle::{Entry, EntryQuery};
use crate::domain::command::{Command, Origin, Outcome, Refusal};
use crate::domain::digest::{Account, Digest};
use crate::domain::event::Event;
use crate::domain::flight::Flight;
use crate::domain::id::ProcessId;
use crate::domain::log::{LogFound, LogQuery, LogSearch, LogWindow};
use crate::domain::snapshot::Snapshot;
use crate::os::ancestry::{self, Tracer};
use crate::runtime::context::Shims;
use crate::runtime::flights::{self, FlightError};
use crate::runtime::git::Worktrees;
use crate::runtime::logs::{LogError, Logs};
use crate::runtime::watched::{Looking, Watched};
use crate::store::{Events, EventsError};

/// Where the answer to an order goes.
pub(crate) type ReplySender = oneshot::Sender<Result<Outcome, Refusal>>;

/// What the hub's inbox holds.
#[derive(Debug)]
pub(crate) enum Mail {
    /// An order, with the place for its answer.
    Order {
        origin: Origin,
        command: Command,
        reply: ReplySender,
    },
    /// A fact.
    Fact(Event),
}

/// Who is at the other end of a connection, by the ancestry of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Somebody outside: a person or a script of the user.
    Person,
    /// An employee: the connection comes from the tree of its run.
    Employee(ProcessId),
    /// A process of the instance's own tree that belongs to no known run, or one that has ended.
    Stray,
}

/// Who is at the other end of a unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Of this user, with a line of parents up to init.
    Known(Caller),
    /// Of another user.
    Foreign,
    /// Its line of parents broke off, as that of one who hid behind a process that has ended.
    Untraced,
}

/// Tells who calls.
#[derive(Debug)]
struct Callers {
    shims: watch::Receiver<Shims>,
    tracer: Mutex<(Tracer, Shims)>,
}

impl Callers {
    fn peer(&self, stream: &UnixStream) -> Peer {
        let mut tracer = self.tracer.lock().unwrap_or_else(PoisonError::into_inner);
        let (tracer, before) = &mut *tracer;
        // Before the line of parents: a shim that goes meanwhile has nobody below it any more.
        let shims = self.shims.borrow().clone();
        if !Arc::ptr_eq(&shims, before) {
            // Somebody outside may stand below one that has been found by now.
            *tracer = Tracer::default();
            *before = Arc::clone(&shims);
        }
        let own = std::process::id();
        let known = |pid| match shims.get(&pid) {
            Some(Some(process)) => Some(Caller::Employee(*process)),
            Some(None) => Some(Caller::Stray),
            None => (pid == own).then_some(Caller::Stray),
        };
        match tracer.peer(stream, known) {
            ancestry::Peer::Foreign => Peer::Foreign,
            ancestry::Peer::Untraced => Peer::Untraced,
            ancestry::Peer::Known(caller) => Peer::Known(caller),
            ancestry::Peer::Outside => Peer::Known(Caller::Person),
        }
    }
}

/// Lengths of the logs, for those who follow one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Growth(Arc<Mutex<HashMap<ProcessId, watch::Sender<u64>>>>);

impl Growth {
    /// Follows the length of a log.
    pub(crate) fn follow(&self, process: ProcessId) -> watch::Receiver<u64> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.entry(process)
            .or_insert_with(|| watch::channel(0).0)
            .subscribe()
    }

    /// Tells those who follow that a log has come to this length.
    pub(crate) fn grew(&self, process: ProcessId, length: u64) {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = map.get(&process) {
            sender.send_replace(length);
        }
    }
}

/// The way to the hub. Cheap to clone; every front end has one.
#[derive(Debug, Clone)]
pub struct Handle {
    mail: mpsc::Sender<Mail>,
    view: watch::Receiver<Arc<Snapshot>>,
    logs: Arc<Logs>,
    growth: Growth,
    pub(super) worktrees: Worktrees,
    callers: Arc<Callers>,
    watched: Watched,
    events: Events,
    presence: Presence,
}

/// When a person was there last, at whatever terminal.
#[derive(Debug, Clone, Default)]
pub struct Presence(Arc<Mutex<Option<Timestamp>>>);

impl Presence {
    /// Notes that a person is there; returns when one was there last before.
    pub fn note(&self, at: Timestamp) -> Option<Timestamp> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *last;
        *last = before.max(Some(at));
        before
    }

    /// When a person was there last.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    pub(crate) fn new(
        mail: mpsc::Sender<Mail>,
        view: watch::Receiver<Arc<Snapshot>>,
        logs: Arc<Logs>,
        growth: Growth,
        worktrees: Worktrees,
        shims: watch::Receiver<Shims>,
        events: Events,
    ) -> Self {
        Self {
            mail,
            view,
            logs,
            growth,
            worktrees,
            callers: Arc::new(Callers {
                shims,
                tracer: Mutex::default(),
            }),
            watched: Watched::default(),
            events,
            presence: Presence::default(),
        }
    }

    /// Whose trees are looked at.
    pub(crate) fn watched(&self) -> Watched {
        self.watched.clone()
    }

    /// Looks at the tree of a process, so that snapshots tell its processes one by one.
    #[must_use]
    pub fn look_at(&self, process: ProcessId) -> Looking {
        self.watched.look(process)
    }

    /// Gives an order and waits for its answer; [`Command`] says when each is answered.
    ///
    /// # Errors
    /// Why it was refused or failed; [`Refusal::Gone`] if the instance ended first.
    pub async fn order(&self, origin: Origin, command: Command) -> Result<Outcome, Refusal> {
        let (reply, answer) = oneshot::channel();
        let order = Mail::Order {
            origin,
            command,
            reply,
        };
        self.mail.send(order).await.map_err(|_| {
            if self.view.borrow().successor.is_some() {
                Refusal::Again
            } else {
                Refusal::Gone
            }
        })?;
        answer.await.map_err(|_| Refusal::Gone)?
    }

    /// Reports a fact; used by the parts of the program that see something of their own.
    pub async fn report(&self, event: Event) {
        // A hub that is gone has nobody left to tell.
        drop(self.mail.send(Mail::Fact(event)).await);
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.view.borrow().clone()
    }

    /// Snapshots as they come.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.view.clone()
    }

    /// Reads a window of a log.
    ///
    /// # Errors
    /// [`LogError`] if the files cannot be read.
    pub async fn log_window(&self, query: LogQuery) -> Result<LogWindow, LogError> {
        let logs = Arc::clone(&self.logs);
        let output = self
            .snapshot()
            .process(query.process)
            .and_then(|view| view.output_run());
        tokio::task::spawn_blocking(move || logs.window(query, output))
            .await
            .unwrap_or(Err(LogError::Interrupted))
    }

    /// Looks for words in a whole log. Ends early when the future is dropped.
    ///
    /// # Errors
    /// [`LogError`] if the files cannot be read.
    pub async fn search_log(&self, search: LogSearch) -> Result<LogFound, LogError> {
        let logs = Arc::clone(&self.logs);
        let output = self
            .snapshot()
            .process(search.process)
            .and_then(|view| view.output_run());
        let stop = CancellationToken::new();
        let _dropped = stop.clone().drop_guard();
        tokio::task::spawn_blocking(move || logs.search(&search, output, || stop.is_cancelled()))
            .await
            .unwrap_or(Err(LogError::Interrupted))
    }

    /// Reads what is kept of an exit of a process; `None` if there is nothing of that number.
    ///
    /// # Errors
    /// [`FlightError`] if it cannot be read.
    pub async fn flight(
        &self,
        process: ProcessId,
        number: u32,
    ) -> Result<Option<Flight>, FlightError> {
        let logs = Arc::clone(&self.logs);
        tokio::task::spawn_blocking(move || flights::read(logs.folder(), process, number))
            .await
            .unwrap_or(Err(FlightError::Interrupted))
    }

    /// Reads entries of the record of what happened, oldest first.
    ///
    /// # Errors
    /// [`EventsError`] if it cannot be read.
    pub async fn entries(&self, query: EntryQuery) -> Result<Vec<Entry>, EventsError> {
        let events = self.events.clone();
        tokio::task::spawn_blocking(move || events.read(&query))
            .await
            .unwrap_or(Err(EventsError::Interrupted))
    }

    /// Sums up what happened since then; everything that is on record without it.
    ///
    /// # Errors
    /// [`EventsError`] if the record cannot be read.
    pub async fn digest(&self, since: Option<Timestamp>) -> Result<Digest, EventsError> {
        let events = self.events.clone();
        let snapshot = self.snapshot();
        tokio::task::spawn_blocking(move || {
            let mut account = Account::since(since);
            let query = EntryQuery {
                since,
                lines: usize::MAX,
                ..EntryQuery::default()
            };
            events.each(&query, |entry| account.add(&entry))?;
            Ok(account.close(&snapshot, Timestamp::now()))
        })
        .await
        .unwrap_or(Err(EventsError::Interrupted))
    }

    /// When a person was there last.
    #[must_use]
    pub const fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The length of a log as it grows, in bytes.
    #[must_use]
    pub fn follow_log(&self, process: ProcessId) -> watch::Receiver<u64> {
        self.growth.follow(process)
    }

    /// Tells who is at the other end of a unix socket.
    #[must_use]
    pub fn peer(&self, stream: &UnixStream) -> Peer {
        self.callers.peer(stream)
    }

    /// The folder of the logs.
    #[must_use]
    pub fn log_folder(&self) -> &Path {
        self.logs.folder()
    }
}
