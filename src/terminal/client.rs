//! The thin client: forwards what the person does, shows what the instance draws.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures::StreamExt;
use nix::sys::signal::Signal;
use tokio::io::ReadHalf;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::terminal::editor::Draft;
pub use crate::terminal::ending::{ClientError, Ending, Left};
use crate::terminal::input::Input;
use crate::terminal::modes::Modes;
use crate::terminal::output::Output;
use crate::terminal::post::Post;
use crate::terminal::signals::{Signals, can_stop, stop};
use crate::terminal::wire::{
    self, Environment, Frames, Goodbye, Hello, Note, ToClient, ToHost, Versions, WireError,
};
use crate::tui::Bookmark;

/// Whether Ctrl-Z may stop the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspension {
    /// It may, where a shell can continue it.
    Allowed,
    /// It may not: the instance lives in this very process.
    Never,
}

/// Checks that there is a terminal which can show a screen, before anything is started for it.
///
/// # Errors
/// [`ClientError::NotATerminal`] and [`ClientError::Dumb`].
pub fn check() -> Result<(), ClientError> {
    if !io::stdin().is_terminal() {
        return Err(ClientError::NotATerminal("input"));
    }
    if !io::stdout().is_terminal() {
        return Err(ClientError::NotATerminal("output"));
    }
    let term = std::env::var("TERM").unwrap_or_default();
    if term.is_empty() || term == "dumb" {
        return Err(ClientError::Dumb(term));
    }
    Ok(())
}

/// Shows the instance's screen until one of the two sides ends it.
///
/// The terminal is as it was when this returns.
///
/// # Errors
/// See [`ClientError`].
///
/// `socket` is where to find the instance again when another program has taken over from it.
pub async fn run(
    stream: UnixStream,
    socket: Option<PathBuf>,
    suspension: Suspension,
) -> Result<Left, ClientError> {
    check()?;
    let gone = CancellationToken::new();
    let screen = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(ClientError::Begin)?;
    let copy = screen.try_clone().map_err(ClientError::Begin)?;
    // Before the size is measured: no change of it is missed.
    let signals = Signals::listen().map_err(ClientError::Begin)?;
    let (from_host, to_host) = wire::split(stream);
    let (columns, rows) = size();
    let hello = Hello {
        versions: Versions::ours(),
        columns,
        rows,
        bookmark: None,
        environment: Environment::of_this_process(),
    };
    let editor = hello.environment.editor.clone();
    let post = Post::begin(to_host, hello);

    // In this order: the modes go last, after nobody reads or writes any more.
    let modes = Modes::enter(io::stdin().as_fd()).map_err(ClientError::Modes)?;
    let output = Output::begin(copy, gone.clone()).map_err(ClientError::Begin)?;
    let input = Input::begin(gone.clone()).map_err(ClientError::Begin)?;
    let mut client = Client {
        from_host,
        post,
        socket,
        events: EventStream::new(),
        signals,
        output,
        input,
        screen,
        modes,
        gone,
        suspension,
        own_stop: false,
        editor,
        other_build: None,
        welcomed: false,
    };
    let ending = client.attend().await;
    client.output.settle().await;
    let (post, other_build) = client.restore();
    post.end().await;
    ending.map(|ending| Left {
        ending,
        other_build,
    })
}

/// Width and height; never asks the terminal itself.
fn size() -> (u16, u16) {
    crossterm::terminal::window_size().map_or((80, 24), |size| (size.columns, size.rows))
}

/// What the loop picks.
enum Arrival {
    Gone,
    Signal(Signal),
    Event(Option<io::Result<Event>>),
    Message(Result<Option<ToClient>, WireError>),
}

struct Client {
    from_host: Frames<ReadHalf<UnixStream>>,
    post: Post,
    /// Where to find the instance again.
    socket: Option<PathBuf>,
    events: EventStream,
    signals: Signals,
    output: Output,
    // Gives standard input back before the modes go.
    input: Input,
    modes: Modes,
    /// The terminal, for the editor's output.
    screen: OwnedFd,
    gone: CancellationToken,
    suspension: Suspension,
    /// A stop of our own is still to be told.
    own_stop: bool,
    editor: String,
    other_build: Option<String>,
    welcomed: bool,
}

impl Client {
    /// Gives the terminal back as it was.
    fn restore(self) -> (Post, Option<String>) {
        (self.post, self.other_build)
    }

    async fn attend(&mut self) -> Result<Ending, ClientError> {
        loop {
            match self.next().await {
                Arrival::Gone => return Ok(Ending::TerminalGone),
                Arrival::Signal(Signal::SIGTSTP) if self.own_stop => self.own_stop = false,
                Arrival::Signal(Signal::SIGTSTP) => self.suspend()?,
                Arrival::Signal(Signal::SIGCONT) => self.resume()?,
                Arrival::Signal(Signal::SIGWINCH) => {
                    let (columns, rows) = size();
                    self.post.send(ToHost::Event(Event::Resize(columns, rows)));
                }
                Arrival::Signal(signal) => {
                    self.post.send(ToHost::Leave);
                    return Ok(Ending::Signal(signal as i32));
                }
                Arrival::Event(None) => return Ok(Ending::TerminalGone),
                // A sequence that nobody knows is no key.
                Arrival::Event(Some(Err(_))) => {}
                Arrival::Event(Some(Ok(event))) if asks_to_stop(&event) => self.suspend()?,
                // Heard of by the signal already: the decoder listens for it later than that.
                Arrival::Event(Some(Ok(Event::Resize(..)))) => {}
                Arrival::Event(Some(Ok(event))) => self.post.send(ToHost::Event(event)),
                Arrival::Message(message) => {
                    if let Some(ending) = self.heed(message).await? {
                        return Ok(ending);
                    }
                }
            }
        }
    }

    /// Picks what came first. A message is taken only when the terminal has room for it: until then
    /// it stays with the host, which draws no further ahead.
    async fn next(&mut self) -> Arrival {
        let (output, from_host) = (&self.output, &mut self.from_host);
        let message = async {
            let Some(room) = output.room().await else {
                return Arrival::Gone;
            };
            match wire::receive(from_host).await {
                Ok(Some(frame)) => match wire::read_from_host(frame) {
                    Ok(ToClient::Screen(bytes)) => {
                        room.write(bytes);
                        Arrival::Message(Ok(None))
                    }
                    message => Arrival::Message(message.map(Some)),
                },
                Ok(None) => Arrival::Message(Err(WireError::Connection(
                    io::ErrorKind::UnexpectedEof.into(),
                ))),
                Err(error) => Arrival::Message(Err(error)),
            }
        };
        tokio::select! {
            biased;
            () = self.gone.cancelled() => Arrival::Gone,
            signal = self.signals.next() => Arrival::Signal(signal),
            event = self.events.next() => Arrival::Event(event),
            message = message => message,
        }
    }

    async fn heed(
        &mut self,
        message: Result<Option<ToClient>, WireError>,
    ) -> Result<Option<Ending>, ClientError> {
        let note = match message {
            Ok(None | Some(ToClient::Screen(_))) => return Ok(None),
            Ok(Some(ToClient::Note(note))) => note,
            Err(_) if self.welcomed && self.find_again(None).await => return Ok(None),
            Err(error) if self.welcomed => return Err(ClientError::Lost(Some(error))),
            Err(_) => return Err(ClientError::Closed),
        };
        match note {
            Note::Welcome(versions) => {
                self.welcomed = true;
                self.other_build = (versions.build != wire::BUILD).then_some(versions.build);
                Ok(None)
            }
            Note::Edit {
                ticket,
                text,
                suffix,
            } => self.edit(ticket, &text, &suffix).await,
            Note::Goodbye(Goodbye::Detached) => Ok(Some(Ending::Detached)),
            Note::Goodbye(Goodbye::Demo) => Ok(Some(Ending::Demo)),
            Note::Goodbye(Goodbye::HandedOver { bookmark }) => {
                if self.find_again(Some(bookmark)).await {
                    Ok(None)
                } else {
                    Err(ClientError::Lost(None))
                }
            }
            Note::Goodbye(Goodbye::Ended) if self.welcomed => Ok(Some(Ending::InstanceEnded)),
            Note::Goodbye(Goodbye::Ended) => Err(ClientError::Closed),
            Note::Goodbye(Goodbye::Refused(why)) => Err(ClientError::Refused(why)),
            Note::Goodbye(Goodbye::Failed(why)) => Err(ClientError::Failed(why)),
            Note::Goodbye(Goodbye::Versions(versions)) => Err(ClientError::Versions {
                instance: versions.build,
            }),
        }
    }

    /// Attaches to whoever listens now, with the terminal as it is; the picture stays until the new one
    /// comes. Returns whether somebody does: the socket is open while a program takes over.
    async fn find_again(&mut self, bookmark: Option<Bookmark>) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        let Ok(stream) = UnixStream::connect(socket).await else {
            return false;
        };
        let (from_host, to_host) = wire::split(stream);
        let (columns, rows) = size();
        let hello = Hello {
            versions: Versions::ours(),
            columns,
            rows,
            bookmark,
            environment: Environment::of_this_process(),
        };
        self.from_host = from_host;
        self.post = Post::begin(to_host, hello);
        // It believes that the terminal is empty.
        self.post.send(ToHost::Redraw { columns, rows });
        true
    }

    /// Gives the terminal to an editor. Frames wait with the host meanwhile.
    async fn edit(
        &mut self,
        ticket: u64,
        text: &str,
        suffix: &str,
    ) -> Result<Option<Ending>, ClientError> {
        self.output.settle().await;
        self.input.pause();
        self.modes.off();
        let draft = Draft::write(text, suffix);
        let started = draft.as_ref().ok().and_then(|draft| {
            let (input, screen) = (self.input.terminal(), self.screen.as_fd());
            draft.open(&self.editor, input, screen).ok()
        });
        if let Some(mut editor) = started {
            let ended = tokio::select! {
                _ = editor.wait() => None,
                () = self.gone.cancelled() => Some(Ending::TerminalGone),
                signal = self.signals.end() => Some(Ending::Signal(signal as i32)),
            };
            if ended.is_some() {
                // It may have ended by itself in this moment.
                drop(editor.kill().await);
                return Ok(ended);
            }
        }
        self.resume()?;
        let text = draft.ok().and_then(|draft| draft.changed());
        self.post.send(ToHost::Edited { ticket, text });
        Ok(None)
    }

    /// Stops as a shell expects it; what is to be done when it goes on comes as a signal.
    fn suspend(&mut self) -> Result<(), ClientError> {
        if self.suspension == Suspension::Never || !can_stop() {
            return Ok(());
        }
        self.input.pause();
        self.modes.off();
        self.own_stop = stop().map_err(ClientError::Begin)?;
        Ok(())
    }

    /// Takes the terminal back, whoever had it, and has everything drawn anew.
    fn resume(&mut self) -> Result<(), ClientError> {
        self.modes.on().map_err(ClientError::Modes)?;
        self.input.resume();
        let (columns, rows) = size();
        self.post.send(ToHost::Redraw { columns, rows });
        Ok(())
    }
}

/// Ctrl-Z: in raw mode it is a key like others.
fn asks_to_stop(event: &Event) -> bool {
    matches!(
        event,
        Event::Key(KeyEvent {
            code: KeyCode::Char('z'),
            modifiers: KeyModifiers::CONTROL,
            kind: KeyEventKind::Press,
            ..
        })
    )
}
