//! One client's screen: its view, its size, its frames. Everything in here is this client's alone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::Event;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::layout::Size;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::command::{Command, Origin, Outcome, Refusal};
use crate::domain::digest::Digest;
use crate::domain::snapshot::Snapshot;
use crate::runtime::handle::Handle;
use crate::runtime::work::WorkError;
use crate::runtime::{EventsError, Looking};
use crate::terminal::calls::{Calls, Ways};
use crate::terminal::capabilities::capabilities;
use crate::terminal::looks::Eye;
use crate::terminal::remote::{Remote, Sink};
use crate::terminal::searches::{Searched, Searches};
use crate::terminal::windows::{Fetched, Windows};
use crate::terminal::wire::{Goodbye, Hello, Note, ToClient, ToHost};
use crate::terminal::works::{Read, Works};
use crate::tui::{Action, Bookmark, Present, View};

/// What nobody typed is drawn no more often than this.
const FRAME: Duration = Duration::from_millis(33);
/// Answers that wait for a screen: more orders than a person gives at once.
const ANSWERS: usize = 64;

/// A paste that makes a screen of a test panic.
#[cfg(test)]
pub(crate) const PANIC: &str = "panic on purpose";

type Answer = (u64, Result<Outcome, Refusal>);

/// What a screen lives on.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) handle: Handle,
    /// Orders outlive the screen that gave them.
    pub(crate) orders: TaskTracker,
    /// Which process this one looks at.
    pub(crate) eye: Eye,
    pub(crate) shutdown: CancellationToken,
    /// What the client says; closed when it is gone.
    pub(crate) heard: mpsc::Receiver<ToHost>,
    /// What the client is sent: room for one.
    pub(crate) said: mpsc::Sender<ToClient>,
}

/// One client's screen.
pub(crate) struct Screen {
    setting: Setting,
    view: View,
    terminal: Terminal<Remote>,
    sink: Sink,
    windows: Windows,
    searches: Searches,
    works: Works,
    /// The process whose tree is on the screen.
    looking: Option<Looking>,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
    /// Notes that wait for room, before any frame.
    notes: VecDeque<Note>,
    /// The title that the terminal is to have.
    title: Option<String>,
    ways: Ways,
    calls: Calls,
    /// A person did something: draw at once.
    urgent: bool,
    /// Something changed: draw when it is time.
    dirty: bool,
    drawn: Instant,
    bookmark: Option<Bookmark>,
    digests: JoinSet<Result<Digest, EventsError>>,
    goodbye: Option<Goodbye>,
}

/// What the loop picks.
enum Arrival {
    Shutdown,
    Heard(Option<ToHost>),
    Answer(Answer),
    Snapshot,
    Log(Option<Fetched>),
    Search(Option<Searched>),
    Digest(Result<Digest, EventsError>),
    Work(Option<Read>),
    /// The view changes by itself.
    Change,
    /// A frame or a window is due.
    Time,
    /// The client takes a frame; `false` if it takes nothing any more.
    Room(bool),
}

impl Screen {
    pub(crate) fn new(hello: &Hello, setting: Setting) -> Self {
        let sink = Sink::default();
        let size = Size::new(hello.columns, hello.rows);
        let remote = Remote::new(sink.clone(), size);
        let terminal = Terminal::new(remote).expect("a remote terminal does nothing that can fail");
        Self {
            setting,
            view: View::new(capabilities(&hello.environment)),
            terminal,
            sink,
            windows: Windows::default(),
            searches: Searches::default(),
            works: Works::default(),
            looking: None,
            answers: mpsc::channel(ANSWERS),
            notes: VecDeque::new(),
            title: None,
            ways: Ways::of(&hello.environment),
            calls: Calls::default(),
            urgent: true,
            dirty: true,
            drawn: Instant::now(),
            bookmark: hello.bookmark.clone(),
            digests: JoinSet::new(),
            goodbye: None,
        }
    }

    /// Draws and listens until one of the two sides leaves; returns what to say to the client, if it
    /// is still there.
    pub(crate) async fn attend(mut self) -> (Option<Goodbye>, Bookmark) {
        let attached = Timestamp::now();
        let goodbye = self.show().await;
        // Who pressed no key was here all the same.
        self.setting.handle.presence().note(attached);
        let bookmark = self.view.bookmark(&self.setting.handle.snapshot());
        (goodbye, bookmark)
    }

    async fn show(&mut self) -> Option<Goodbye> {
        let mut snapshots = self.setting.handle.snapshots();
        if let Some(bookmark) = self.bookmark.take() {
            let snapshot = self.setting.handle.snapshot();
            // Another program took over meanwhile; the person was here all the time.
            self.view.go_back_to(bookmark, &snapshot);
        } else if let Some(since) = self.setting.handle.presence().last() {
            let actions = self.view.comes_back(since);
            self.act(actions);
        }
        self.observe();
        loop {
            let arrival = self.next(&mut snapshots).await;
            match arrival {
                Arrival::Shutdown => return Some(Goodbye::Ended),
                Arrival::Heard(None | Some(ToHost::Leave)) => return None,
                Arrival::Heard(Some(message)) => self.heed(message),
                Arrival::Answer((ticket, answer)) => {
                    self.view.answered(ticket, answer);
                    self.urgent = true;
                }
                Arrival::Snapshot => {
                    self.observe();
                    self.dirty = true;
                }
                Arrival::Log(Some((query, Ok(window)))) => {
                    self.view.supply(query, window);
                    self.dirty = true;
                }
                Arrival::Log(Some((query, Err(error)))) => {
                    tracing::warn!(process = %query.process, %error, "cannot read a log");
                }
                Arrival::Log(None) | Arrival::Search(None) | Arrival::Work(None) => {}
                Arrival::Work(Some((query, read))) => {
                    self.view.read(query, read.map_err(|error| words(&error)));
                    // Somebody waits for it.
                    self.urgent = true;
                }
                Arrival::Search(Some((search, found))) => {
                    if let Err(error) = &found {
                        tracing::warn!(process = %search.process, %error, "cannot search a log");
                    }
                    self.view.found(&search, found.ok());
                    // Somebody waits for it.
                    self.urgent = true;
                }
                Arrival::Digest(digest) => {
                    if let Err(error) = &digest {
                        tracing::warn!(%error, "cannot sum up what happened");
                    }
                    self.view.away(digest.ok().map(Arc::new));
                    self.urgent = true;
                }
                Arrival::Change => self.dirty = true,
                Arrival::Time => {}
                Arrival::Room(true) => self.say(),
                Arrival::Room(false) => return None,
            }
            if self.goodbye.is_some() {
                return self.goodbye.take();
            }
        }
    }

    /// Picks what came first.
    async fn next(&mut self, snapshots: &mut watch::Receiver<Arc<Snapshot>>) -> Arrival {
        let now = Instant::now();
        let next_frame = self.drawn + FRAME;
        let call = self.calls.due(now);
        let ready = self.urgent
            || !self.notes.is_empty()
            || (self.dirty && now >= next_frame)
            || call.is_some_and(|due| due <= now);
        self.windows.fetch(&self.setting.handle, now);
        self.works.fetch(&self.setting.handle, now);
        let wake = [
            (self.dirty && !ready).then_some(next_frame),
            self.windows.due(),
            self.works.due().filter(|due| *due > now),
            call.filter(|due| *due > now),
        ];
        let wake = wake.into_iter().flatten().min();
        let change = self.next_change(now);
        tokio::select! {
            biased;
            () = self.setting.shutdown.cancelled() => Arrival::Shutdown,
            message = self.setting.heard.recv() => Arrival::Heard(message),
            Some(answer) = self.answers.1.recv() => Arrival::Answer(answer),
            // One frame at a time: nothing is drawn that the client would not take.
            room = self.setting.said.reserve(), if ready => Arrival::Room(room.is_ok()),
            Ok(()) = snapshots.changed() => Arrival::Snapshot,
            log = self.windows.news() => Arrival::Log(log),
            search = self.searches.news() => Arrival::Search(search),
            Some(digest) = self.digests.join_next() => {
                Arrival::Digest(digest.unwrap_or(Err(EventsError::Interrupted)))
            }
            work = self.works.news() => Arrival::Work(work),
            () = at(change) => Arrival::Change,
            () = at(wake) => Arrival::Time,
        }
    }

    /// When the view changes without anything happening, such as an age in minutes.
    fn next_change(&self, now: Instant) -> Option<Instant> {
        let present = present();
        let change = self
            .view
            .next_change(&self.setting.handle.snapshot(), &present)?;
        let wait = Duration::try_from(change.duration_since(present.wall)).unwrap_or_default();
        Some(now + wait.max(FRAME))
    }

    fn heed(&mut self, message: ToHost) {
        match message {
            #[cfg(test)]
            ToHost::Event(Event::Paste(text)) if text == PANIC => panic!("{PANIC}"),
            // A size that is the same again may be one that was another in between: what the terminal
            // shows then is anything.
            ToHost::Event(Event::Resize(columns, rows)) | ToHost::Redraw { columns, rows } => {
                let remote = self.terminal.backend_mut();
                remote.resize(Size::new(columns, rows));
                remote.forget();
                // The backend only gathers bytes.
                self.terminal
                    .clear()
                    .expect("a remote terminal does nothing that can fail");
                self.event(&Event::Resize(columns, rows));
            }
            ToHost::Event(event) => self.event(&event),
            ToHost::Edited { ticket, text } => {
                let snapshot = self.setting.handle.snapshot();
                let actions = self.view.edited(ticket, text, &snapshot, &present());
                self.act(actions);
            }
            ToHost::Leave => {}
        }
        self.urgent = true;
    }

    fn event(&mut self, event: &Event) {
        if matches!(event, Event::Key(_) | Event::Mouse(_) | Event::Paste(_)) {
            self.setting.handle.presence().note(Timestamp::now());
        }
        let snapshot = self.setting.handle.snapshot();
        let actions = self.view.event(event, &snapshot, &present());
        self.act(actions);
    }

    fn observe(&mut self) {
        let actions = self.view.observe(&self.setting.handle.snapshot());
        self.act(actions);
    }

    pub(crate) fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Order { ticket, command } => self.order(ticket, command),
                Action::Detach => self.goodbye = Some(Goodbye::Detached),
                Action::Demo => self.goodbye = Some(Goodbye::Demo),
                Action::Edit {
                    ticket,
                    text,
                    suffix,
                } => self.notes.push_back(Note::Edit {
                    ticket,
                    text,
                    suffix: suffix.to_owned(),
                }),
                Action::Copy(text) => {
                    // Written like a title: the terminal shows nothing of it.
                    let copy = CopyToClipboard::to_clipboard_from(text);
                    crossterm::queue!(self.sink, copy).expect("a sink does nothing that can fail");
                    self.dirty = true;
                }
                Action::Title(title) if self.ways.title => {
                    self.title = Some(title);
                    self.dirty = true;
                }
                Action::Title(_) => {}
                Action::Digest { since } => {
                    let handle = self.setting.handle.clone();
                    self.digests
                        .spawn(async move { handle.digest(since).await });
                }
                Action::Call(text) => self.calls.call(text),
            }
        }
    }

    pub(crate) fn order(&self, ticket: u64, command: Command) {
        let handle = self.setting.handle.clone();
        let answers = self.answers.0.clone();
        let shutdown = self.setting.shutdown.clone();
        self.setting.orders.spawn(async move {
            let answer = tokio::select! {
                biased;
                answer = handle.order(Origin::Terminal, command) => answer,
                () = shutdown.cancelled() => Err(Refusal::Gone),
            };
            // The person may have left meanwhile; the order stands.
            drop(answers.send((ticket, answer)).await);
        });
    }

    /// Says one thing to a client that has room for it.
    fn say(&mut self) {
        let message = match self.notes.pop_front() {
            Some(note) => Some(ToClient::Note(note)),
            None => self.frame().map(ToClient::Screen),
        };
        if let Some(message) = message {
            // There is room: nobody else sends. A client that has gone since is noticed elsewhere.
            drop(self.setting.said.try_send(message));
        }
    }

    /// Draws; `None` if nothing has changed on the screen.
    pub(crate) fn frame(&mut self) -> Option<Bytes> {
        self.urgent = false;
        self.dirty = false;
        self.drawn = Instant::now();
        let snapshot = self.setting.handle.snapshot();
        let size = self.terminal.backend().size().unwrap_or_default();
        self.setting.eye.turn(self.view.looked_at());
        let queries = self.view.wants(size);
        self.windows.want(&queries, &self.setting.handle, &snapshot);
        self.searches
            .want(self.view.searches(), &self.setting.handle);
        self.works.want(self.view.work(&snapshot));
        self.works
            .survey(self.view.surveys(&snapshot), &self.setting.handle);
        let looks_at = self.view.looks_at();
        if self.looking.as_ref().map(Looking::process) != looks_at {
            let handle = &self.setting.handle;
            self.looking = looks_at.map(|process| handle.look_at(process));
        }
        if let Some(title) = self.title.take() {
            let title: String = title.chars().filter(|char| !char.is_control()).collect();
            self.sink.add(format!("\x1b]2;{title}\x07").as_bytes());
        }
        if let Some(call) = self.calls.take(self.ways, self.drawn) {
            self.sink.add(call.as_bytes());
        }
        let view = &mut self.view;
        self.terminal
            .draw(|frame| view.draw(frame, &snapshot, &present()))
            .expect("a remote terminal does nothing that can fail");
        self.sink.take()
    }
}

/// Why work cannot be read, for a person.
fn words(error: &WorkError) -> String {
    let remedy = match error {
        WorkError::Refused(refusal) => refusal.remedy(),
        WorkError::Git(error) => error.remedy(),
    };
    match remedy {
        Some(remedy) => format!("{error}; try: {remedy}"),
        None => error.to_string(),
    }
}

/// The present, in the zone of this machine.
fn present() -> Present {
    Present {
        wall: Timestamp::now(),
        zone: TimeZone::system(),
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
