//! How a run ended, in its three parts: result seen, process exited, tree empty.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How the leader of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// With an exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Nobody saw it: its shim was killed.
    Unknown,
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("an unseen exit"),
        }
    }
}

/// A process that was ended or left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its PID.
    pub pid: u32,
    /// Its short name: its command line may hold secrets.
    pub name: String,
}

/// What became of a run and of all that it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// How the leader ended.
    pub status: ExitStatus,
    /// When.
    pub at: Timestamp,
    /// Processes of the tree that ended, the leader included.
    pub ended: u32,
    /// Those of them that had to be killed.
    pub killed: Vec<Ended>,
    /// Those that the leader left behind when it exited by itself.
    pub leaked: Vec<Ended>,
    /// Processes that could not be ended.
    pub left: Vec<Ended>,
    /// CPU time of the whole tree, in milliseconds.
    pub cpu_ms: u64,
    /// Whether the shim was killed, so that this report is put together from what was found.
    pub shim_lost: bool,
    /// Whether the run ended itself because no instance came back.
    pub abandoned: bool,
    /// The last lines of its standard error, for the cause.
    pub stderr_tail: String,
    /// What says that something of it was killed for lack of memory.
    #[serde(default)]
    pub memory: Option<MemoryKill>,
}

/// Something of a run was killed for lack of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryKill {
    /// What says so, for a person.
    pub source: String,
    /// Who was killed, where that is known.
    pub culprit: Option<Ended>,
}

impl Exit {
    /// The proof of an end: `7 processes ended, 0 left (1 had to be killed: node server.js)`.
    #[must_use]
    pub fn proof(&self) -> String {
        let processes = if self.ended == 1 {
            "process"
        } else {
            "processes"
        };
        let mut line = format!("{} {processes} ended, {} left", self.ended, self.left.len());
        for (who, what) in [
            (&self.leaked, "outlived it"),
            (&self.killed, "had to be killed"),
        ] {
            if !who.is_empty() {
                let names: Vec<&str> = who.iter().map(|ended| ended.name.as_str()).collect();
                line.push_str(&format!(" ({} {what}: {})", who.len(), names.join(", ")));
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_counts_and_names_who_outlived_it_and_who_had_to_be_killed() {
        let mut exit = Exit {
            status: ExitStatus::Code(143),
            at: Timestamp::UNIX_EPOCH,
            ended: 1,
            killed: vec![],
            leaked: vec![],
            left: vec![],
            cpu_ms: 0,
            shim_lost: false,
            abandoned: false,
            stderr_tail: String::new(),
            memory: None,
        };
        assert_eq!(exit.proof(), "1 process ended, 0 left");
        exit.ended = 7;
        exit.killed.push(Ended {
            pid: 9,
            name: "node server.js".to_owned(),
        });
        assert_eq!(
            exit.proof(),
            "7 processes ended, 0 left (1 had to be killed: node server.js)"
        );
        let sleep = Ended {
            pid: 10,
            name: "sleep 600".to_owned(),
        };
        exit.leaked = vec![sleep.clone(), sleep];
        assert_eq!(
            exit.proof(),
            "7 processes ended, 0 left (2 outlived it: sleep 600, sleep 600) \
             (1 had to be killed: node server.js)"
        );
    }
}
