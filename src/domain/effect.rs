//! What follows from a decision: orders of the fleet to the runtime.

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use crate::domain::alert::Alert;
use crate::domain::chronicle::Entry;
use crate::domain::command::{NewProcess, Outcome, Refusal};
use crate::domain::event::Mark;
use crate::domain::flight::Flight;
use crate::domain::id::{ProcessId, RequestId, RunId, TaskId};
use crate::domain::log::LogKind;
use crate::domain::order::Numbered;
use crate::domain::role::{Agent, Role};
use crate::domain::updates::Fingerprint;
use crate::domain::worktree::{Switch, WorkOrder, Worktree, WorktreePlan};

/// Where an answer goes; the runtime keeps the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyId(pub u64);

/// The conversation that a run begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// A fresh one, under this id.
    New(Uuid),
    /// The one of this id is taken up again.
    Resume(Uuid),
}

/// Everything that a launch needs to know; files and environment are read when it happens.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchPlan {
    /// For which process.
    pub process: ProcessId,
    /// As which run.
    pub run: RunId,
    /// The employee's name.
    pub name: String,
    /// The role as it stands now.
    pub role: Role,
    /// The agent.
    pub agent: Agent,
    /// Whether the simulated agent runs in its place.
    pub simulated: bool,
    /// What the process has of its own.
    pub spec: NewProcess,
    /// Where it works; in its worktree, where it has one.
    pub working_directory: PathBuf,
    /// Whether it gets a worktree of its own.
    pub worktree: WorktreePlan,
    /// Rules that a person allowed for it.
    pub allowed: Vec<String>,
    /// The conversation.
    pub begin: Begin,
    /// Whether the last configuration that it came up with stands in place of the one on disk.
    pub put_back: bool,
}

impl LaunchPlan {
    /// What a process of this role would be started with, for a look: no process and no run, nothing
    /// of them is read.
    #[must_use]
    pub fn for_a_look(role: Role, agent: Agent, folder: PathBuf, spec: NewProcess) -> Self {
        Self {
            process: ProcessId(0),
            run: RunId(0),
            name: String::new(),
            role,
            agent,
            simulated: false,
            working_directory: folder,
            spec,
            worktree: WorktreePlan::default(),
            allowed: Vec::new(),
            begin: Begin::New(Uuid::nil()),
            put_back: false,
        }
    }
}

/// Rows to be written in one transaction. `None` removes the row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// Processes as JSON documents.
    pub processes: Vec<(ProcessId, Option<String>)>,
    /// Tasks as JSON documents.
    pub tasks: Vec<(TaskId, Option<String>)>,
    /// Requests as JSON documents.
    pub requests: Vec<(RequestId, Option<String>)>,
    /// Counters, as a JSON document.
    pub meta: Option<String>,
    /// All alerts that are kept, as one JSON document.
    pub alerts: Option<String>,
    /// What is added to the record, in order.
    pub entries: Vec<Entry>,
    /// Whether something waits until it is on disk. Otherwise it may wait a moment for the next one.
    pub awaited: bool,
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Start a run.
    Launch(Box<LaunchPlan>),
    /// Give an order to the agent; each number reaches it once.
    Send {
        /// Which process.
        process: ProcessId,
        /// In which run.
        run: RunId,
        /// The order.
        order: Numbered,
    },
    /// Ask the agent whether it is there. Past the outbox: it leaves no trace on disk.
    Ping {
        /// Which process.
        process: ProcessId,
        /// In which run.
        run: RunId,
        /// Its number; a `Pong` of the same number answers.
        number: u64,
    },
    /// Somebody is to hear of an alert.
    Alarm {
        /// The program and its arguments.
        command: Vec<String>,
        /// The alert, raised or cleared.
        alert: Box<Alert>,
    },
    /// Close the agent's standard input.
    CloseInput {
        /// Which process.
        process: ProcessId,
        /// In which run.
        run: RunId,
    },
    /// Ask the tree to end.
    Terminate {
        /// Which process.
        process: ProcessId,
        /// In which run.
        run: RunId,
    },
    /// End the tree at once.
    Kill {
        /// Which process.
        process: ProcessId,
        /// In which run.
        run: RunId,
    },
    /// The exit report is recorded; the run's folder may go.
    Acknowledge {
        /// Which process.
        process: ProcessId,
        /// In which run.
        run: RunId,
    },
    /// Keep what there is of an exit.
    Record {
        /// All of it.
        flight: Arc<Flight>,
    },
    /// The process is gone for good.
    Forget {
        /// Which process.
        process: ProcessId,
    },
    /// Write; `Stored` or `NotStored` follows.
    Persist {
        /// By which the answer is known.
        token: u64,
        /// What to write.
        batch: Batch,
    },
    /// Read what would be started, start nothing, and answer with that.
    Preview {
        /// Whose.
        reply: ReplyId,
        /// As each would be launched.
        plans: Vec<LaunchPlan>,
    },
    /// Answer an order.
    Reply {
        /// Whose.
        reply: ReplyId,
        /// With what.
        outcome: Box<Result<Outcome, Refusal>>,
    },
    /// Compare live runs with what they would be started with now; a `Compared` follows for each.
    Compare {
        /// As each would be launched, the run being the one that lives, and what that runs with.
        runs: Vec<(LaunchPlan, Fingerprint)>,
    },
    /// What a run said up to this mark is on disk: older output may be dropped.
    Consumed {
        /// Whose.
        process: ProcessId,
        /// Which run.
        run: RunId,
        /// Up to where.
        mark: Mark,
    },
    /// Note what its worktree holds as the beginning or the end of a task.
    Mark {
        /// Which process.
        process: ProcessId,
        /// Its worktree.
        worktree: Box<Worktree>,
        /// The task.
        task: TaskId,
        /// Whether it is the end.
        end: bool,
    },
    /// Put its worktree on another branch; a `Moved` follows.
    Place {
        /// Which process.
        process: ProcessId,
        /// In which run.
        run: RunId,
        /// Its worktree as it is.
        worktree: Box<Worktree>,
        /// Which branch.
        to: Switch,
        /// What a new one begins from; the base of the process where it is not given.
        base: Option<String>,
        /// By which the answer is known.
        message: Uuid,
    },
    /// Where it works is on disk: it may be launched there.
    Placed {
        /// Which process.
        process: ProcessId,
        /// Its run.
        run: RunId,
    },
    /// Look at what its worktree holds; a `Surveyed` follows.
    Survey {
        /// Which process.
        process: ProcessId,
        /// Its worktree.
        worktree: Box<Worktree>,
        /// Whether a run of it has just ended.
        ended: bool,
    },
    /// Take the worktree of a process that is let go away, all of it kept; a `Cleared` follows.
    Clear {
        /// Who asked.
        reply: ReplyId,
        /// Whose worktree it is.
        process: ProcessId,
        /// What that is called.
        name: String,
        /// The worktree.
        worktree: Box<Worktree>,
    },
    /// Do something with work in a worktree; a `Worked` follows.
    Work {
        /// Who asked.
        reply: ReplyId,
        /// Whose worktree it is.
        process: ProcessId,
        /// The worktree, on the branch that is meant.
        worktree: Box<Worktree>,
        /// The task, where it is about what one changed.
        task: Option<TaskId>,
        /// What to do.
        order: WorkOrder,
        /// What a merge is called.
        message: String,
    },
    /// Write a line into a process's log.
    Note {
        /// Whose log.
        process: ProcessId,
        /// Its kind.
        kind: LogKind,
        /// The line.
        text: String,
    },
}
