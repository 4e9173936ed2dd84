//! What passes between a terminal's client and the instance: length-delimited frames.
//!
//! Client to host, every frame is JSON. Host to client, the first byte tells: `s` is followed by
//! bytes for the screen as they are, `j` by JSON. The first frame is the [`Hello`]; its numbers and
//! the [`Goodbye`] that answers a strange one never change their form.

use std::io;
use std::path::PathBuf;

use crossterm::event::Event;
use futures::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use crate::tui::Bookmark;

/// Counts up when a message changes its form.
pub const PROTOCOL: u32 = 1;
/// The version of this build.
pub const BUILD: &str = env!("CARGO_PKG_VERSION");
/// A frame is never longer: the largest are edited texts and pastes.
const LONGEST: usize = 8 * 1024 * 1024;

/// Why the other side cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[from] io::Error),
    /// A frame is not what the protocol says.
    #[error("a message cannot be understood")]
    Malformed(#[from] serde_json::Error),
    /// A frame of an unknown kind.
    #[error("a message is of the unknown kind {0:#04x}")]
    UnknownKind(u8),
}

/// The part of a [`Hello`] that every version understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Version of the protocol.
    pub protocol: u32,
    /// Version of the program.
    pub build: String,
}

impl Versions {
    /// Those of this build.
    #[must_use]
    pub fn ours() -> Self {
        Self {
            protocol: PROTOCOL,
            build: BUILD.to_owned(),
        }
    }
}

/// What a client says first: who it is and what its terminal is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The versions.
    #[serde(flatten)]
    pub versions: Versions,
    /// Width in cells.
    pub columns: u16,
    /// Height in cells.
    pub rows: u16,
    /// Where the person was before the instance was another program.
    #[serde(default)]
    pub bookmark: Option<Bookmark>,
    /// The terminal, as the client's environment describes it.
    #[serde(flatten)]
    pub environment: Environment,
}

/// What a client's environment says of its terminal and its person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Environment {
    /// `TERM`.
    pub term: String,
    /// `COLORTERM`.
    pub colour_term: String,
    /// Whether `NO_COLOR` is set and not empty.
    pub no_colour: bool,
    /// `COLORFGBG`, by which some terminals tell a light background.
    pub colour_pair: String,
    /// Whether the locale is UTF-8.
    pub unicode: bool,
    /// Where the client was started.
    pub working_directory: PathBuf,
    /// `VISUAL` or `EDITOR`.
    pub editor: String,
    /// `PAGER`.
    pub pager: String,
    /// `HOME`.
    pub home: PathBuf,
    /// `HEADCOUNT_NOTIFY`: by which ways a person is called; `off` for none.
    pub notify: String,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let text = |name: &str| std::env::var(name).unwrap_or_default();
        let first = |names: &[&str]| {
            names
                .iter()
                .map(|name| text(name))
                .find(|value| !value.is_empty())
                .unwrap_or_default()
        };
        let locale = first(&["LC_ALL", "LC_CTYPE", "LANG"]).to_ascii_lowercase();
        Self {
            term: text("TERM"),
            colour_term: text("COLORTERM"),
            no_colour: !text("NO_COLOR").is_empty(),
            colour_pair: text("COLORFGBG"),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            working_directory: std::env::current_dir().unwrap_or_default(),
            editor: first(&["VISUAL", "EDITOR"]),
            pager: text("PAGER"),
            home: std::env::home_dir().unwrap_or_default(),
            notify: text("HEADCOUNT_NOTIFY"),
        }
    }
}

/// What a client sends after its hello.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToHost {
    /// A key, the mouse, a paste, a size.
    Event(Event),
    /// The screen's content is lost: draw all of it, at this size.
    Redraw {
        /// Width in cells.
        columns: u16,
        /// Height in cells.
        rows: u16,
    },
    /// A text comes back from the editor; `None` if it was not changed or the editor failed.
    Edited {
        /// Which request.
        ticket: u64,
        /// The text.
        text: Option<String>,
    },
    /// The client goes.
    Leave,
}

/// What the instance sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToClient {
    /// Bytes for the terminal.
    Screen(Bytes),
    /// Anything else.
    Note(Note),
}

/// What the instance sends beside the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The client is accepted.
    Welcome(Versions),
    /// Let the person edit this text in an editor.
    Edit {
        /// By which the answer is known.
        ticket: u64,
        /// What the editor opens with.
        text: String,
        /// The file's suffix, for the editor's colours; for example `.md`.
        suffix: String,
    },
    /// The last message.
    Goodbye(Goodbye),
}

/// Why the instance lets a client go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goodbye {
    /// The person left on purpose.
    Detached,
    /// The person asked for the demonstration.
    Demo,
    /// The instance ends.
    Ended,
    /// Another program takes over; the client comes back with the bookmark.
    HandedOver {
        /// Where the person was.
        bookmark: Bookmark,
    },
    /// The client may not attach.
    Refused(String),
    /// The versions do not fit; these are the instance's.
    Versions(Versions),
    /// This client's screen failed; the instance goes on.
    Failed(String),
}

/// Reads frames.
pub(crate) type Frames<R> = FramedRead<R, LengthDelimitedCodec>;
/// Writes frames.
pub(crate) type Sender<W> = FramedWrite<W, LengthDelimitedCodec>;

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder()
        .max_frame_length(LONGEST)
        .new_codec()
}

/// The two directions of a connection.
pub(crate) fn split<S: AsyncRead + AsyncWrite>(
    stream: S,
) -> (
    Frames<tokio::io::ReadHalf<S>>,
    Sender<tokio::io::WriteHalf<S>>,
) {
    let (read, write) = tokio::io::split(stream);
    (
        FramedRead::new(read, codec()),
        FramedWrite::new(write, codec()),
    )
}

/// The next frame; `None` at the end of the connection.
pub(crate) async fn receive<R: AsyncRead + Unpin>(
    frames: &mut Frames<R>,
) -> Result<Option<BytesMut>, WireError> {
    Ok(frames.next().await.transpose()?)
}

/// Reads a message of a client.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(frame: &[u8]) -> Result<T, WireError> {
    Ok(serde_json::from_slice(frame)?)
}

/// Reads a message of the instance.
pub(crate) fn read_from_host(mut frame: BytesMut) -> Result<ToClient, WireError> {
    match frame.first() {
        Some(b's') => Ok(ToClient::Screen(frame.split_off(1).freeze())),
        Some(b'j') => Ok(ToClient::Note(serde_json::from_slice(&frame[1..])?)),
        kind => Err(WireError::UnknownKind(kind.copied().unwrap_or(0))),
    }
}

/// Writes a message of a client. Returns when it is in the kernel's hands.
pub(crate) async fn send<W: AsyncWrite + Unpin, T: Serialize>(
    sender: &mut Sender<W>,
    message: &T,
) -> Result<(), WireError> {
    let frame = serde_json::to_vec(message)?;
    Ok(sender.send(Bytes::from(frame)).await?)
}

/// Writes a message of the instance. Returns when it is in the kernel's hands.
pub(crate) async fn send_to_client<W: AsyncWrite + Unpin>(
    sender: &mut Sender<W>,
    message: &ToClient,
) -> Result<(), WireError> {
    let mut frame = BytesMut::new();
    match message {
        ToClient::Screen(bytes) => {
            frame.reserve(bytes.len() + 1);
            frame.put_u8(b's');
            frame.put_slice(bytes);
        }
        ToClient::Note(note) => {
            frame.put_u8(b'j');
            frame.put_slice(&serde_json::to_vec(note)?);
        }
    }
    Ok(sender.send(frame.freeze()).await?)
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;

    fn hello() -> Hello {
        Hello {
            versions: Versions::ours(),
            columns: 80,
            rows: 24,
            bookmark: None,
            environment: Environment {
                term: "xterm-256color".to_owned(),
                ..Environment::default()
            },
        }
    }

    #[tokio::test]
    async fn messages_arrive_as_they_were_sent() {
        let (one, two) = tokio::io::duplex(4096);
        let ((mut from_host, mut to_host), (mut from_client, mut to_client)) =
            (split(one), split(two));
        let key = Event::Key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::CONTROL));
        let sent = [
            ToHost::Event(key),
            ToHost::Event(Event::Paste("a\nb\u{1f980}".to_owned())),
            ToHost::Edited {
                ticket: 7,
                text: None,
            },
            ToHost::Leave,
        ];
        send(&mut to_host, &hello()).await.unwrap();
        for message in &sent {
            send(&mut to_host, message).await.unwrap();
        }
        let frame = receive(&mut from_client).await.unwrap().unwrap();
        assert_eq!(read::<Hello>(&frame).unwrap(), hello());
        for message in &sent {
            let frame = receive(&mut from_client).await.unwrap().unwrap();
            assert_eq!(&read::<ToHost>(&frame).unwrap(), message);
        }
        for message in [
            ToClient::Screen(Bytes::from_static(b"\x1b[2Jj\xff")),
            ToClient::Note(Note::Goodbye(Goodbye::Versions(Versions::ours()))),
        ] {
            send_to_client(&mut to_client, &message).await.unwrap();
            let frame = receive(&mut from_host).await.unwrap().unwrap();
            assert_eq!(read_from_host(frame).unwrap(), message);
        }
        drop((from_client, to_client));
        assert!(receive(&mut from_host).await.unwrap().is_none());
    }

    #[test]
    fn the_versions_of_a_strange_hello_are_readable() {
        let strange = br#"{"protocol":9,"build":"7.0.0","shape":{"round":true}}"#;
        let versions: Versions = read(strange).unwrap();
        assert_eq!((versions.protocol, versions.build.as_str()), (9, "7.0.0"));
        assert!(read::<Hello>(strange).is_err());
    }

    #[test]
    fn a_frame_of_an_unknown_kind_is_refused() {
        for frame in [&b""[..], b"x", b"j{", b"j\"nothing\""] {
            assert!(read_from_host(BytesMut::from(frame)).is_err(), "{frame:?}");
        }
    }
}
