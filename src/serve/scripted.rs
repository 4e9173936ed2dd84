//! A hub that answers by a script, with the real routes on a real socket before it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::domain::command::{Command, Origin, Outcome, Refusal};
use crate::domain::event::Event;
use crate::domain::snapshot::Snapshot;
use crate::runtime::Events;
use crate::runtime::git::Worktrees;
use crate::runtime::handle::{Caller, Growth, Handle, Mail, Peer};
use crate::runtime::logs::Logs;
use crate::serve::door::Door;
use crate::serve::instance::Trial;
use crate::serve::server;

/// How a test waits: long enough for a loaded machine, never for ever.
const LONG: Duration = Duration::from_secs(20);

/// What the hub answers to an order. It may change the snapshot; nothing means no answer at all.
pub(crate) type Script = fn(&Command, &mut Snapshot) -> Option<Result<Outcome, Refusal>>;

/// The instance of a test.
pub(crate) struct Scripted {
    folder: tempfile::TempDir,
    socket: PathBuf,
    pub(crate) orders: Arc<Mutex<Vec<(Origin, Command)>>>,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    pub(crate) view: watch::Sender<Arc<Snapshot>>,
    pub(crate) growth: Growth,
    pub(crate) shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Scripted {
    /// Starts it, for callers of one kind.
    pub(crate) fn start(caller: Caller, snapshot: Snapshot, script: Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("api.sock");
        Self::start_at(folder, socket, caller, snapshot, script)
    }

    /// Starts it for a person, on a socket of the test's choice.
    pub(crate) fn for_a_person_at(socket: PathBuf, snapshot: Snapshot, script: Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_at(folder, socket, Caller::Person, snapshot, script)
    }

    /// `folder` is for its logs, and goes with it.
    fn start_at(
        folder: tempfile::TempDir,
        socket: PathBuf,
        caller: Caller,
        snapshot: Snapshot,
        script: Script,
    ) -> Self {
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let (mail, mut inbox) = mpsc::channel(8);
        let (view, seen) = watch::channel(Arc::new(snapshot));
        let growth = Growth::default();
        let (_, shims) = watch::channel(Arc::new(HashMap::new()));
        let logs = Arc::new(Logs::new(
            folder.path().join("logs"),
            folder.path().join("runs"),
        ));
        let handle = Handle::new(
            mail,
            seen,
            logs,
            growth.clone(),
            Worktrees::default(),
            shims,
            Events::of(&folder.path().join("headcount.db")),
        );
        let shutdown = CancellationToken::new();
        let listener = UnixListener::bind(&socket).unwrap();
        let orders: Arc<Mutex<Vec<(Origin, Command)>>> = Arc::default();
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(server::serve(
            Door::new(listener, Arc::new(move |_| Peer::Known(caller))),
            handle,
            Trial::new(|_| std::future::ready(Ok(())).boxed()),
            shutdown.clone(),
        ));
        let (said, told, shown) = (Arc::clone(&orders), Arc::clone(&events), view.clone());
        tasks.spawn(async move {
            let mut unanswered = Vec::new();
            while let Some(mail) = inbox.recv().await {
                match mail {
                    Mail::Order {
                        origin,
                        command,
                        reply,
                    } => {
                        let mut snapshot = Snapshot::clone(&shown.borrow());
                        let answer = script(&command, &mut snapshot);
                        said.lock().unwrap().push((origin, command));
                        // Before the answer, as the hub does.
                        shown.send_replace(Arc::new(snapshot));
                        match answer {
                            Some(answer) => drop(reply.send(answer)),
                            None => unanswered.push(reply),
                        }
                    }
                    Mail::Fact(event) => told.lock().unwrap().push(event),
                }
            }
        });
        Self {
            folder,
            socket,
            orders,
            events,
            view,
            growth,
            shutdown,
            tasks,
        }
    }

    /// For a person, with a hub that must not be asked.
    pub(crate) fn silent(snapshot: Snapshot) -> Self {
        Self::start(Caller::Person, snapshot, |command, _| {
            panic!("nobody should have ordered {command:?}")
        })
    }

    /// The file of a log.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    /// Sends `METHOD /path` and reads the whole answer.
    pub(crate) async fn ask(&self, line: &str, body: &str) -> (u16, Value) {
        self.ask_with(line, "Host: localhost\r\n", body).await
    }

    /// As `ask`, with these headers.
    pub(crate) async fn ask_with(&self, line: &str, headers: &str, body: &str) -> (u16, Value) {
        let answer = tokio::time::timeout(LONG, async {
            let mut stream = self.open(line, headers, body).await;
            let mut answer = Vec::new();
            // A server that refuses a body unread may reset the connection behind its answer.
            drop(stream.read_to_end(&mut answer).await);
            String::from_utf8(answer).unwrap()
        });
        let answer = answer.await.expect("no answer in time");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Sends these bytes, and reads what comes until the connection is closed.
    pub(crate) async fn send(&self, bytes: &str) -> String {
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Sends a request whose answer is read line by line.
    pub(crate) async fn follow(&self, line: &str) -> Followed {
        let stream = self.open(line, "Host: localhost\r\n", "").await;
        Followed(BufReader::new(stream))
    }

    async fn open(&self, line: &str, headers: &str, body: &str) -> UnixStream {
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        // Nor does it read on.
        drop(stream.write_all(request.as_bytes()).await);
        stream
    }

    /// Ends it, and tells whether the routes ended in time.
    pub(crate) async fn end(mut self) -> bool {
        self.shutdown.cancel();
        let served = self.tasks.join_next();
        tokio::time::timeout(LONG, served).await.is_ok()
    }
}

/// An answer that comes line by line.
pub(crate) struct Followed(BufReader<UnixStream>);

impl Followed {
    /// The next line that is JSON; chunk sizes and headers are passed over.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(LONG, self.0.read_line(&mut line)).await;
            if read.expect("no line in time").unwrap() == 0 {
                return None;
            }
            if line.starts_with('{') {
                return serde_json::from_str(&line).ok();
            }
        }
    }
}
