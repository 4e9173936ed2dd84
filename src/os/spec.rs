//! What a shim is asked to run, and what it says came of it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sandbox::Walls;
use super::text;
use super::tree::Member;

/// Everything a run needs. It goes over the socket, since a command line is public and an
/// environment is inherited.
#[derive(Clone, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// The program, absolute.
    #[serde(with = "text::path")]
    pub program: PathBuf,
    /// Its arguments, without its own name.
    #[serde(with = "text::list", default)]
    pub arguments: Vec<OsString>,
    /// Its whole environment; nothing is inherited. The shim adds the run's two marks.
    #[serde(with = "text::pairs", default)]
    pub environment: Vec<(OsString, OsString)>,
    /// Where it starts, absolute.
    #[serde(with = "text::path")]
    pub working_directory: PathBuf,
    /// What its standard streams are.
    #[serde(default)]
    pub stdio: Stdio,
    /// The folder of the control group it joins.
    #[serde(with = "text::maybe_path", default)]
    pub cgroup: Option<PathBuf>,
    /// Soft limit of open files; the shim's own where absent.
    #[serde(default)]
    pub open_files: Option<u64>,
    /// What it may touch; everything where absent.
    #[serde(default)]
    pub walls: Option<Walls>,
    /// Bytes after which a new segment of the record begins.
    #[serde(default = "LaunchSpec::default_segment_size")]
    pub segment_size: u64,
    /// Which segments are kept.
    #[serde(default)]
    pub keep: Keep,
    /// How long the run goes on with no instance connected.
    #[serde(default = "LaunchSpec::default_adopt_within")]
    pub adopt_within: Duration,
    /// From the request to end until the kill.
    #[serde(default = "LaunchSpec::default_terminate_grace")]
    pub terminate_grace: Duration,
    /// How long what the leader left behind has to end by itself.
    #[serde(default = "LaunchSpec::default_sweep_grace")]
    pub sweep_grace: Duration,
}

impl LaunchSpec {
    /// Returns a spec with pipes, no arguments, an empty environment and the usual times.
    pub fn new(program: impl Into<PathBuf>, working_directory: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            working_directory: working_directory.into(),
            stdio: Stdio::default(),
            cgroup: None,
            open_files: None,
            walls: None,
            segment_size: Self::default_segment_size(),
            keep: Keep::default(),
            adopt_within: Self::default_adopt_within(),
            terminate_grace: Self::default_terminate_grace(),
            sweep_grace: Self::default_sweep_grace(),
        }
    }

    fn default_segment_size() -> u64 {
        64 << 20
    }

    fn default_adopt_within() -> Duration {
        Duration::from_mins(10)
    }

    fn default_terminate_grace() -> Duration {
        Duration::from_secs(10)
    }

    fn default_sweep_grace() -> Duration {
        Duration::from_secs(2)
    }
}

/// Leaves out arguments and values: prompts and tokens stay out of logs.
impl fmt::Debug for LaunchSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchSpec")
            .field("program", &self.program)
            .field("arguments", &self.arguments.len())
            .field("environment", &self.environment.len())
            .field("working_directory", &self.working_directory)
            .field("stdio", &self.stdio)
            .field("cgroup", &self.cgroup)
            .finish_non_exhaustive()
    }
}

/// What the standard streams of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdio {
    /// Three pipes.
    Pipes {
        /// Where the errors go.
        stderr: Stderr,
    },
    /// A terminal of its own; everything written is one stream.
    Terminal {
        /// Lines.
        rows: u16,
        /// Characters in a line.
        cols: u16,
    },
}

impl Default for Stdio {
    fn default() -> Self {
        Self::Pipes {
            stderr: Stderr::Separate,
        }
    }
}

/// Where the errors of a run with pipes are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stderr {
    /// In a record of their own.
    Separate,
    /// Among the output, in the order written.
    Merged,
}

/// Which segments of the record are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// All, until the instance drops what it has read.
    #[default]
    UntilConsumed,
    /// The newest so many; the shim drops older ones.
    Last(u32),
}

/// Why nothing was launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("the launch failed at the {stage}: {}", nix::errno::Errno::from_raw(*errno).desc())]
pub struct LaunchFailure {
    /// At which step.
    pub stage: LaunchStage,
    /// The error number of the system.
    pub errno: i32,
}

/// A step of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaunchStage {
    /// A path, argument or variable holds a NUL.
    Arguments,
    /// Pipes or terminal could not be opened.
    Streams,
    /// No process could be made.
    Fork,
    /// The new process could not have its own session or terminal.
    Session,
    /// The control group could not be joined.
    Cgroup,
    /// The limits could not be set.
    Limits,
    /// The sandbox could not be entered.
    Sandbox,
    /// The working directory could not be entered.
    WorkingDirectory,
    /// The program could not be executed.
    Program,
}

impl LaunchStage {
    pub(crate) const ALL: [Self; 9] = [
        Self::Arguments,
        Self::Streams,
        Self::Fork,
        Self::Session,
        Self::Cgroup,
        Self::Limits,
        Self::Sandbox,
        Self::WorkingDirectory,
        Self::Program,
    ];
}

impl fmt::Display for LaunchStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arguments => "arguments",
            Self::Streams => "standard streams",
            Self::Fork => "new process",
            Self::Session => "session",
            Self::Cgroup => "control group",
            Self::Limits => "limits",
            Self::Sandbox => "sandbox",
            Self::WorkingDirectory => "working directory",
            Self::Program => "program",
        })
    }
}

/// How the leader of a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// By itself, with this code.
    Exited {
        /// 0 to 255.
        code: i32,
    },
    /// By a signal.
    Signaled {
        /// Its number.
        signal: i32,
    },
    /// It never began.
    NotLaunched(LaunchFailure),
}

/// Whose decision the end of a run was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndedBy {
    /// The leader's own.
    Itself,
    /// Ours, gracefully, and it ended within its grace.
    Terminate,
    /// Ours, by force: at once, or when the grace was over.
    Kill,
    /// The shim's, since no instance came back for the run.
    Abandoned,
}

/// The whole truth about the end of a run: leader ended, tree empty, output stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitReport {
    /// How the leader ended.
    pub outcome: Outcome,
    /// Whose decision it was.
    pub by: EndedBy,
    /// Processes that were in the tree when the end began or came later, with the leader.
    pub processes: u64,
    /// Those that had to be killed; the first hundred.
    pub killed: Vec<Member>,
    /// Those that the leader left behind when it ended by itself; the first hundred.
    pub left: Vec<Member>,
    /// Did somebody outside the tree still hold the output open when we stopped listening?
    pub output_held_open: bool,
    /// Bytes of output on disk.
    pub out: u64,
    /// Bytes of separate errors on disk.
    pub err: u64,
    /// Processor time of the whole tree.
    pub cpu: Duration,
    /// When it was launched, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// When the tree was empty, in milliseconds since 1970.
    pub ended_unix_ms: u64,
}
