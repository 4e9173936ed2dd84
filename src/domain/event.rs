//! Facts: what the runtime reports to the fleet.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::exit::{Ended, Exit, ExitStatus};
use crate::domain::fault::Fault;
use crate::domain::health::Pulse;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::inbox::Ask;
use crate::domain::role::Catalogue;
use crate::domain::sandbox::Sandbox;
use crate::domain::snapshot::{Machine, Member, Usage};
use crate::domain::task::Tokens;
use crate::domain::updates::{Fingerprint, Updates};
use crate::domain::work::FileChange;
use crate::domain::worktree::{WorkDone, WorkSummary, Worktree};

/// What an agent said, in the words of the domain. Made by the drivers, in the order of its lines.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// It answered our first request: it is ready for work.
    Ready {
        /// What it calls its version.
        version: Option<String>,
        /// Whether it has a login or a key at all; `None` if it did not say.
        logged_in: Option<bool>,
    },
    /// It took our message.
    Acknowledged {
        /// The message's uuid.
        message: Uuid,
    },
    /// It began to work on our message.
    TurnStarted {
        /// The message's uuid; `None` for a turn that it began by itself.
        message: Option<Uuid>,
    },
    /// It dropped our message without working on it.
    MessageCancelled {
        /// The message's uuid.
        message: Uuid,
    },
    /// Which conversation it is in.
    Conversation {
        /// The conversation's id.
        id: Uuid,
    },
    /// It has nothing to do, by its own word.
    Idle,
    /// It works, by its own word.
    Busy,
    /// It waits for an answer, by its own word.
    RequiresAction,
    /// It wants a person to decide or to answer.
    Asked {
        /// Its own id for the request.
        key: String,
        /// What it asks.
        ask: Ask,
        /// The tool's input as it came.
        input: serde_json::Value,
    },
    /// A request is void.
    Withdrawn {
        /// The agent's id for it.
        key: String,
    },
    /// It called a tool.
    ToolUsed {
        /// The tool's name.
        tool: String,
        /// What the tool acts on, in a few words.
        subject: String,
    },
    /// A tool changed a file.
    FileChanged(FileChange),
    /// A call to its model failed and is tried again.
    Retrying {
        /// HTTP status, where there was one.
        status: Option<u16>,
        /// The agent's word for the error, for example `overloaded`.
        error: String,
        /// Which try.
        attempt: u32,
    },
    /// It is not logged in, or its key is refused: no turn can succeed.
    NotLoggedIn {
        /// Its own words.
        text: String,
    },
    /// Its account's usage limit is reached.
    UsageLimit {
        /// Until when, where it said.
        until: Option<Timestamp>,
    },
    /// A turn is over.
    TurnEnded(Box<TurnEnd>),
    /// It answered a ping; for nothing but its health.
    Pong {
        /// The ping's number.
        number: u64,
    },
    /// The conversation that was to be resumed is not there.
    ResumeFailed {
        /// Its own words.
        text: String,
    },
}

/// What a turn brought.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnEnd {
    /// Our messages that it answered; empty for a turn that the agent began by itself.
    pub messages: Vec<Uuid>,
    /// The conversation after it.
    pub conversation: Option<Uuid>,
    /// Whether the agent says that it succeeded, judged by all of its fields.
    pub success: bool,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Whether the same task may do better in another attempt.
    pub retryable: bool,
    /// The final text, or the agent's words for the error.
    pub text: String,
    /// Round trips to the model.
    pub turns: u32,
    /// US dollars of this turn.
    pub cost_usd: f64,
    /// Tokens of this turn.
    pub tokens: Tokens,
    /// Tools that were refused.
    pub denials: Vec<String>,
}

/// How far a run's output is read, and what its log had come to by then. Committed together with
/// what was learned, so that an instance that takes over reads on from here and rewrites nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Mark {
    /// Bytes of standard output that are read.
    pub out: u64,
    /// Bytes of standard error that are read.
    pub err: u64,
    /// Where the rendered log ended.
    pub log: u64,
    /// Where the raw log ended.
    pub raw: u64,
}

/// What a run was started with, for the details and for the comparison with what is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetails {
    /// PID of the agent.
    pub pid: u32,
    /// The program that was found.
    pub program: PathBuf,
    /// The command line, without secrets.
    pub command: String,
    /// First digits of the prompt's hash.
    pub prompt_hash: Option<String>,
    /// The environment, secrets masked.
    pub environment: Vec<(String, String)>,
    /// All of it that an edit on disk can change.
    #[serde(default)]
    pub fingerprint: Fingerprint,
    /// Whether that is the last configuration that was good, and not the one on disk.
    #[serde(default)]
    pub put_back: bool,
    /// What it may touch.
    #[serde(default)]
    pub sandbox: Sandbox,
}

/// Why a launch came to nothing, or a run to an end that nobody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchFailure {
    /// For a person.
    pub fault: Fault,
    /// Whether trying again without a change outside is useless.
    pub permanent: bool,
}

/// A fact for the fleet.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The agent's process exists.
    Launched {
        /// Which run.
        run: RunId,
        /// What it runs with.
        details: Box<RunDetails>,
    },
    /// It is known where a run that is being started will work.
    Placed {
        /// Which run.
        run: RunId,
        /// Its worktree; `None` where it works in its folder.
        worktree: Option<Box<Worktree>>,
        /// What a person should know of it.
        notes: Vec<String>,
    },
    /// The worktree of a process is on another branch, or could not be put on it.
    Moved {
        /// Whose.
        process: ProcessId,
        /// In which run.
        run: RunId,
        /// What was asked for.
        message: Uuid,
        /// The worktree as it is now.
        result: Box<Result<Worktree, Refusal>>,
    },
    /// What the worktree of a process holds.
    Surveyed {
        /// Whose.
        process: ProcessId,
        /// What.
        summary: Box<WorkSummary>,
        /// Whether a run of it has just ended.
        ended: bool,
    },
    /// What a task changed, by git.
    Marked {
        /// Who worked on it.
        process: ProcessId,
        /// The task.
        task: TaskId,
        /// The files, below the top of the worktree.
        files: Vec<String>,
    },
    /// The worktree of a process that is let go is away, or it cannot be.
    Cleared {
        /// Who asked.
        reply: ReplyId,
        /// Whose worktree it was.
        process: ProcessId,
        /// What was kept of it.
        result: Box<Result<Outcome, Refusal>>,
    },
    /// Something was done with work in a worktree, or could not be.
    Worked {
        /// Who asked.
        reply: ReplyId,
        /// Whose worktree it is.
        process: ProcessId,
        /// The worktree.
        worktree: Box<Worktree>,
        /// What came of it.
        result: Box<Result<WorkDone, Refusal>>,
    },
    /// Nothing was started.
    LaunchFailed {
        /// Which run.
        run: RunId,
        /// Why.
        failure: LaunchFailure,
    },
    /// Nothing was started, as the system has too little of what every start takes.
    LaunchPutOff {
        /// Which run.
        run: RunId,
        /// What it lacks.
        fault: Fault,
    },
    /// A run of an earlier instance is ours again.
    Adopted {
        /// Which run.
        run: RunId,
        /// The last order that its shim took.
        accepted: u64,
        /// Whether it lives; a report follows otherwise.
        alive: bool,
    },
    /// The agent said something.
    Heard {
        /// Which run.
        run: RunId,
        /// How far that is.
        mark: Mark,
        /// What it said.
        facts: Vec<Fact>,
    },
    /// The agent answered a ping.
    Pong {
        /// Which run.
        run: RunId,
        /// The ping's number.
        number: u64,
        /// What is known of its work by then.
        pulse: Pulse,
    },
    /// It cannot be pinged: its shim is of a build that passes nothing on.
    NoPing {
        /// Which run.
        run: RunId,
    },
    /// How much room the state folder has.
    Room {
        /// Bytes that may still be written.
        free: u64,
        /// Bytes of the whole file system.
        total: u64,
    },
    /// An order is in the agent's hands.
    Accepted {
        /// Which run.
        run: RunId,
        /// Its number.
        seq: u64,
    },
    /// The agent's own process ended; its tree may live.
    LeaderExited {
        /// Which run.
        run: RunId,
        /// How.
        status: ExitStatus,
    },
    /// The run is over, nothing of it is left, all of its output is read.
    Exited {
        /// Which run.
        run: RunId,
        /// How.
        exit: Box<Exit>,
        /// What the driver makes of it if nobody asked for it; `None` for a command that has done
        /// what it was to do.
        failure: Option<LaunchFailure>,
        /// The last lines of its log.
        lines: Vec<String>,
    },
    /// Some of its processes cannot be ended.
    Stuck {
        /// Which run.
        run: RunId,
        /// Which processes.
        left: Vec<Ended>,
    },
    /// Its output cannot be written to disk and is held.
    Held {
        /// Which run.
        run: RunId,
        /// Why.
        error: String,
    },
    /// Its output is written again.
    Flowing {
        /// Which run.
        run: RunId,
    },
    /// A batch is on disk.
    Stored {
        /// Which one.
        token: u64,
    },
    /// A batch could not be written; nothing of it is on disk.
    NotStored {
        /// Which one.
        token: u64,
        /// Why.
        error: String,
    },
    /// Figures.
    Sampled {
        /// The machine.
        machine: Machine,
        /// Trees, by process.
        trees: Vec<(ProcessId, Usage)>,
        /// The processes of those that somebody looks at.
        members: Vec<(ProcessId, Vec<Member>)>,
    },
    /// `roles.toml` was read anew.
    Configured {
        /// What it says.
        catalogue: Arc<Catalogue>,
    },
    /// A run was compared with what is on disk.
    Compared {
        /// Which run.
        run: RunId,
        /// What differs; `None` if nothing does.
        updates: Option<Arc<Updates>>,
    },
    /// `roles.toml` has mistakes; the last good one stays.
    Misconfigured {
        /// The report.
        report: Arc<str>,
    },
    /// A terminal attached or left.
    Terminals {
        /// How many there are now.
        attached: u32,
        /// When a person was there last before that.
        seen: Option<Timestamp>,
    },
    /// The instance is up, and whoever lived on is adopted.
    Booted,
    /// Which processes somebody looks at.
    Watched {
        /// All of them.
        processes: BTreeSet<ProcessId>,
    },
    /// An employee tried what it may not do.
    Trespass {
        /// Who.
        process: ProcessId,
        /// What.
        what: String,
    },
    /// Part of the runtime failed; it is recorded and shown.
    Trouble {
        /// About which process.
        process: Option<ProcessId>,
        /// What.
        text: String,
    },
}
