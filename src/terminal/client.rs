//! The thin client: forwards what the person does, shows what the instance draws.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures::StreamExt;
use nix::sys::signal::Signal;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::terminal::editor::Draft;
use crate::terminal::input::Input;
use crate::terminal::modes::Modes;
use crate::terminal::output::Output;
use crate::terminal::signals::{Signals, can_stop, stop};
use crate::terminal::wire::{
    self, Environment, Frames, Goodbye, Hello, Note, Sender, ToClient, ToHost, Versions, WireError,
};

/// How long the last message to the instance may take.
const LAST_LETTER: Duration = Duration::from_millis(200);

/// Why a client could not begin, or ended in another way than it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Standard input or output is not a terminal.
    #[error("standard {0} is not a terminal")]
    NotATerminal(&'static str),
    /// `TERM` says that the terminal cannot show a screen.
    #[error("the terminal cannot show a screen: TERM is {}", if .0.is_empty() { "not set" } else { .0 })]
    Dumb(String),
    /// The terminal's modes cannot be changed.
    #[error("the terminal cannot be put into raw mode")]
    Modes(#[source] io::Error),
    /// A part of the client could not be started.
    #[error("the terminal cannot be read")]
    Begin(#[source] io::Error),
    /// The instance closed the connection before it said anything.
    #[error("the instance closed the connection at once")]
    Closed,
    /// The instance is of a version that speaks otherwise.
    #[error(
        "the instance is headcount {instance}, this is {}, and the two do not understand each other",
        wire::BUILD
    )]
    Versions {
        /// The instance's version.
        instance: String,
    },
    /// The instance refused.
    #[error("the instance refused: {0}")]
    Refused(String),
    /// The instance's side of the screen failed.
    #[error("this screen failed: {0}")]
    Failed(String),
    /// The connection broke.
    #[error("the connection to the instance broke")]
    Lost(#[source] Option<WireError>),
}

impl ClientError {
    /// What to do about it, where there is something to say.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotATerminal(_) => {
                "run it in a terminal, or use `headcount up` and `headcount ps`, which need none"
            }
            Self::Dumb(_) => {
                "set TERM, for example to xterm-256color, or use `headcount ps`, which needs no screen"
            }
            Self::Versions { .. } => {
                "use the program of the instance, or end it with `headcount down` and start again"
            }
            Self::Failed(_) => "run `headcount` again; nothing but this screen has stopped",
            Self::Lost(_) => {
                "run `headcount` again: the employees work on, and it takes them over; headcount.log may say what happened"
            }
            Self::Modes(_) | Self::Begin(_) | Self::Closed | Self::Refused(_) => return None,
        })
    }
}

/// How a client ended as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The person left; the instance goes on.
    Detached,
    /// The person asked for the demonstration.
    Demo,
    /// The instance ended.
    InstanceEnded,
    /// A signal asked the client to go.
    Signal(i32),
    /// The terminal hung up.
    TerminalGone,
}

/// What a client has to say at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// How it ended.
    pub ending: Ending,
    /// The instance's version, where it is another than ours.
    pub other_build: Option<String>,
}

impl Left {
    /// What to tell the person, where there is something to tell.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let ending = match self.ending {
            Ending::InstanceEnded => Some("The instance ended.".to_owned()),
            Ending::Detached | Ending::Demo | Ending::Signal(_) | Ending::TerminalGone => None,
        };
        let build = self.other_build.as_ref().map(|build| {
            format!(
                "The instance is headcount {build}, this is {}.",
                wire::BUILD
            )
        });
        match (ending, build) {
            (Some(ending), Some(build)) => Some(format!("{ending} {build}")),
            (ending, build) => ending.or(build),
        }
    }
}

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
pub async fn run(stream: UnixStream, suspension: Suspension) -> Result<Left, ClientError> {
    check()?;
    let gone = CancellationToken::new();
    let screen = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(ClientError::Begin)?;
    let copy = screen.try_clone().map_err(ClientError::Begin)?;
    let signals = Signals::listen().map_err(ClientError::Begin)?;
    let (from_host, to_host) = wire::split(stream);
    let (columns, rows) = size();
    let hello = Hello {
        versions: Versions::ours(),
        columns,
        rows,
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

/// What goes to the host. An instance that does not read must not hold the client up: it could not
/// even be left then.
struct Post {
    letters: mpsc::Sender<ToHost>,
    task: JoinSet<()>,
}

impl Post {
    fn begin(mut to_host: Sender<WriteHalf<UnixStream>>, hello: Hello) -> Self {
        // Room for the events of a second of an instance that is held up.
        let (letters, mut waiting) = mpsc::channel(256);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // A failure is not told here: the instance may have said goodbye, which is still to be
            // read from the other direction.
            if wire::send(&mut to_host, &hello).await.is_err() {
                return;
            }
            while let Some(letter) = waiting.recv().await {
                if wire::send(&mut to_host, &letter).await.is_err() {
                    return;
                }
            }
        });
        Self { letters, task }
    }

    fn send(&self, letter: ToHost) {
        // Where there is no room, the instance has not read for long and will not miss a key.
        drop(self.letters.try_send(letter));
    }

    /// Waits until the last one is sent, for as long as is reasonable.
    async fn end(mut self) {
        drop(self.letters);
        drop(tokio::time::timeout(LAST_LETTER, self.task.join_next()).await);
    }
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
                Arrival::Signal(signal) => {
                    self.post.send(ToHost::Leave);
                    return Ok(Ending::Signal(signal as i32));
                }
                Arrival::Event(None) => return Ok(Ending::TerminalGone),
                // A sequence that nobody knows is no key.
                Arrival::Event(Some(Err(_))) => {}
                Arrival::Event(Some(Ok(event))) if asks_to_stop(&event) => self.suspend()?,
                Arrival::Event(Some(Ok(event))) => self.forward(event),
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

    fn forward(&self, event: Event) {
        self.post.send(ToHost::Event(match event {
            // Measured once more: by now it may be another one.
            Event::Resize(..) => {
                let (columns, rows) = size();
                Event::Resize(columns, rows)
            }
            event => event,
        }));
    }

    async fn heed(
        &mut self,
        message: Result<Option<ToClient>, WireError>,
    ) -> Result<Option<Ending>, ClientError> {
        let note = match message {
            Ok(None | Some(ToClient::Screen(_))) => return Ok(None),
            Ok(Some(ToClient::Note(note))) => note,
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
            Note::Goodbye(Goodbye::Ended) if self.welcomed => Ok(Some(Ending::InstanceEnded)),
            Note::Goodbye(Goodbye::Ended) => Err(ClientError::Closed),
            Note::Goodbye(Goodbye::Refused(why)) => Err(ClientError::Refused(why)),
            Note::Goodbye(Goodbye::Failed(why)) => Err(ClientError::Failed(why)),
            Note::Goodbye(Goodbye::Versions(versions)) => Err(ClientError::Versions {
                instance: versions.build,
            }),
        }
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
