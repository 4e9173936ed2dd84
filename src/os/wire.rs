//! What an instance and a shim say to each other: a length of four bytes, then JSON.
//!
//! A shim of an older build may serve a newer instance and the other way round: fields get
//! defaults, a message that is not understood is ignored, and the version stands in the greeting.

use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::identity::ProcessIdentity;
use super::spec::{ExitReport, LaunchSpec, Outcome};
use super::text;
use super::tree::Member;
use crate::domain::id::RunId;

/// Goes up when an older side would misunderstand a newer one.
pub const VERSION: u32 = 1;

/// The longest message, in bytes: room for a prompt and every environment there is.
pub const MAX_FRAME: usize = 16 << 20;

/// What an instance says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ToShim {
    /// The greeting, always first.
    Hello {
        /// Of the protocol.
        version: u32,
        /// Of the instance: an older one is refused, an equal or newer one takes over.
        generation: u64,
    },
    /// Run this. Only the first counts.
    Launch(Box<LaunchSpec>),
    /// Write this to the standard input.
    Input {
        /// Counts up within the run; what was taken already is not taken again.
        seq: u64,
        /// What to write.
        data: Payload,
    },
    /// Write this to the standard input after what waits there already. It has no number: it is not
    /// confirmed, and a later instance does not send it again. For questions that change nothing.
    Ask {
        /// What to write, whole lines.
        data: Payload,
    },
    /// Close the standard input when all is written; on a terminal, send an end of file.
    CloseInput,
    /// The terminal has a new size.
    Resize {
        /// Lines.
        rows: u16,
        /// Characters in a line.
        cols: u16,
    },
    /// Interrupt the leader.
    Interrupt,
    /// Ask the run to end; it is killed when its grace is over.
    Terminate,
    /// Kill the whole tree now.
    Kill,
    /// The exit report is stored; the shim is no longer needed.
    Acknowledge,
}

/// Bytes for a standard input. Prompts stay out of logs, so only their length is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload(#[serde(with = "text::bytes")] pub Vec<u8>);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<B: Into<Vec<u8>>> From<B> for Payload {
    fn from(bytes: B) -> Self {
        Self(bytes.into())
    }
}

/// What a shim says.
///
/// An instance that connects may hear once more what its greeting said already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromShim {
    /// The answer to the greeting.
    Hello(Hello),
    /// An instance of this newer generation has the run.
    Refused {
        /// The newest one known.
        generation: u64,
    },
    /// The leader runs.
    Launched {
        /// Who it is.
        leader: ProcessIdentity,
    },
    /// All input up to this one is in the pipe.
    Accepted {
        /// The last of it.
        seq: u64,
    },
    /// This input was not taken, nor is any later one until it is sent again.
    InputRefused {
        /// Which.
        seq: u64,
        /// Why.
        why: InputRefusal,
    },
    /// So many bytes are on disk now. Several changes may come as one.
    Grew {
        /// Output.
        out: u64,
        /// Separate errors.
        err: u64,
    },
    /// The record cannot be written; the run is held back until it can.
    Held {
        /// What the system said.
        error: String,
    },
    /// The record is being written again.
    Flowing,
    /// The leader ended; what it left behind is being ended.
    LeaderExited {
        /// How.
        outcome: Outcome,
    },
    /// These do not end although they were killed. The shim keeps trying.
    Stuck {
        /// Who.
        processes: Vec<Member>,
    },
    /// It is over: the tree is empty and the report is on disk.
    Exited(Box<ExitReport>),
}

/// How things stand when an instance connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Of the protocol.
    pub version: u32,
    /// The run.
    pub run: RunId,
    /// The value of the environment variable that marks all its processes.
    pub mark: String,
    /// How far it is.
    pub state: RunState,
    /// The last input that is in the pipe.
    pub accepted: u64,
    /// Bytes of output on disk.
    pub out: u64,
    /// Bytes of separate errors on disk.
    pub err: u64,
    /// Whether it passes on [`ToShim::Ask`]; an older build does not.
    #[serde(default)]
    pub asks: bool,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunState {
    /// Nothing was launched yet.
    Waiting,
    /// It runs.
    Running {
        /// Its leader.
        leader: ProcessIdentity,
    },
    /// The leader ended, the rest is being ended.
    Ending {
        /// How the leader ended.
        outcome: Outcome,
    },
    /// It is over.
    Exited(Box<ExitReport>),
}

/// Why input was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputRefusal {
    /// Too much waits already for a child that does not read; send it again later.
    Full,
    /// The standard input is closed.
    Closed,
    /// An earlier one was refused and must come first.
    OutOfOrder,
}

/// Returns the message as it goes over the socket.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = u32::try_from(frame.len() - 4)
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    frame[..4].copy_from_slice(&length);
    Ok(frame)
}

/// Reads a message; `None` for one that this build does not know.
pub(crate) fn decode<M: DeserializeOwned>(json: &[u8]) -> Result<Option<M>, serde_json::Error> {
    match serde_json::from_slice(json) {
        Ok(message) => Ok(Some(message)),
        Err(error) => match serde_json::from_slice::<IgnoredAny>(json) {
            Ok(_) => Ok(None),
            Err(_) => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_ignored() {
        for json in [
            &br#"{"Teleport":{"to":"mars"}}"#[..],
            b"{}",
            b"\"Dance\"",
            b"7",
        ] {
            assert!(decode::<ToShim>(json).expect("is JSON").is_none());
        }
        decode::<ToShim>(b"{\"Hello\"").expect_err("is torn");
    }

    #[test]
    fn a_spec_of_an_older_build_gets_the_usual_times() {
        let json = br#"{"Launch":{"program":"/bin/true","working_directory":"/"}}"#;
        let Some(ToShim::Launch(spec)) = decode(json).expect("is JSON") else {
            panic!("is a launch");
        };
        assert_eq!(spec.segment_size, 64 << 20);
        assert_eq!(spec.adopt_within.as_secs(), 600);
    }

    #[test]
    fn a_spec_keeps_its_secrets_out_of_logs() {
        let mut spec = LaunchSpec::new("/bin/true", "/");
        spec.environment.push(("TOKEN".into(), "s3cret".into()));
        spec.arguments.push("s3cret".into());
        assert!(!format!("{:?}", ToShim::Launch(Box::new(spec))).contains("s3cret"));
    }
}
