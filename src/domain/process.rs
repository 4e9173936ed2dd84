//! A process: one agent with its configuration, over all of its runs.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::automation::{Shift, Upkeep};
use crate::domain::command::NewProcess;
use crate::domain::event::{Mark, RunDetails};
use crate::domain::exit::{Ended, Exit, ExitStatus};
use crate::domain::fault::Fault;
use crate::domain::flight::{Change, ExitNote, Sent};
use crate::domain::id::{EmployeeId, ProcessId, RunId, TaskId};
use crate::domain::order::Numbered;
use crate::domain::restart::Failures;
use crate::domain::role::Protocol;
use crate::domain::snapshot::{Activity, Evidence, Status};
use crate::domain::task::{AttemptEnd, Tokens};
use crate::domain::time::Mono;
use crate::domain::updates::{Fingerprint, Updates};
use crate::domain::worktree::{WorkSummary, Worktree};

/// How far a live run has come. Each waiting stage holds its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// Ordered; the agent's process does not exist yet.
    Launching {
        /// When it is given up.
        by: Mono,
    },
    /// The agent's process exists and has not said that it is ready.
    Readying {
        /// When it is given up.
        by: Mono,
    },
    /// Ready for work, or at it.
    Up,
    /// To stop after the current task.
    Finishing {
        /// When the task is interrupted.
        by: Mono,
    },
    /// To stop; the turn is being interrupted.
    Interrupting {
        /// When it is asked to end all the same.
        by: Mono,
    },
    /// To stop; its input is closed.
    Closing {
        /// When it is terminated.
        by: Mono,
    },
    /// To stop; it was asked by signal.
    Terminating {
        /// When it is killed.
        by: Mono,
    },
    /// To stop; the kill is on its way until nothing is left.
    Killing,
}

impl Stage {
    /// When something is due.
    #[must_use]
    pub const fn deadline(self) -> Option<Mono> {
        match self {
            Self::Launching { by }
            | Self::Readying { by }
            | Self::Finishing { by }
            | Self::Interrupting { by }
            | Self::Closing { by }
            | Self::Terminating { by } => Some(by),
            Self::Up | Self::Killing => None,
        }
    }

    /// Whether it is on its way down.
    #[must_use]
    pub const fn is_stopping(self) -> bool {
        matches!(
            self,
            Self::Finishing { .. }
                | Self::Interrupting { .. }
                | Self::Closing { .. }
                | Self::Terminating { .. }
                | Self::Killing
        )
    }

    /// What is happening, for a person.
    #[must_use]
    pub const fn words(self) -> Option<&'static str> {
        Some(match self {
            Self::Finishing { .. } => "after the current task",
            Self::Interrupting { .. } => "interrupting the task",
            Self::Closing { .. } => "asked to end",
            Self::Terminating { .. } => "terminating",
            Self::Killing => "killing",
            Self::Launching { .. } | Self::Readying { .. } | Self::Up => return None,
        })
    }
}

/// Why a turn is being ended by us, and when that must have worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// How the attempt will have ended.
    pub end: AttemptEnd,
    /// When the run is killed because the agent did not end its turn.
    pub by: Mono,
}

/// What the agent works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "turn")]
pub enum Turn {
    /// Nothing of ours.
    None,
    /// Its conversation is being made fresh for a task.
    Clearing {
        /// The task.
        task: TaskId,
        /// The uuid of the message that clears.
        message: Uuid,
        /// When the run is killed because the agent did not answer.
        by: Mono,
    },
    /// Its worktree is being put on the branch for a task.
    Placing {
        /// The task.
        task: TaskId,
        /// By which the answer is known.
        message: Uuid,
    },
    /// A task.
    Task {
        /// The task.
        task: TaskId,
        /// Set once we interrupt it.
        ending: Option<Ending>,
    },
}

impl Turn {
    /// The task that it serves.
    #[must_use]
    pub const fn task(self) -> Option<TaskId> {
        match self {
            Self::None => None,
            Self::Clearing { task, .. } | Self::Placing { task, .. } | Self::Task { task, .. } => {
                Some(task)
            }
        }
    }
}

/// How many of its conversations a process keeps at hand.
const CONVERSATIONS: usize = 10;

/// What follows when a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// It stays down.
    Stay,
    /// It is started again.
    Start,
    /// It counts as a failure: back off, or give up.
    Fail,
}

/// A run that is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Its id.
    pub run: RunId,
    /// When it was ordered.
    pub started: Timestamp,
    /// The same on the other clock.
    pub started_mono: Mono,
    /// How far it has come.
    pub stage: Stage,
    /// What follows when it is over by our order.
    pub after: After,
    /// What the agent works on.
    pub turn: Turn,
    /// What the agent does by its own word.
    pub activity: Activity,
    /// Whether it is free for the next task: the agent said that it is idle since its last turn.
    pub settled: bool,
    /// When it is taken as settled although the agent has not said so.
    pub settle_by: Option<Mono>,
    /// It lives but cannot work, until its cause is gone or this time has come.
    pub blocked: Option<Block>,
    /// Since when it has been ready for work.
    #[serde(default)]
    pub up_since: Option<Mono>,
    /// What it runs with.
    pub details: Option<RunDetails>,
    /// What the agent calls its version.
    pub version: Option<String>,
    /// How far its output is read.
    pub mark: Mark,
    /// Orders that its shim has not confirmed.
    pub outbox: Vec<Numbered>,
    /// The number of the next order.
    pub next_seq: u64,
    /// The exit of the agent's own process, while its tree is being ended.
    pub leader: Option<ExitStatus>,
    /// Why we end it ourselves as a failure.
    pub doom: Option<Fault>,
    /// What cannot be ended.
    pub stuck: Vec<Ended>,
    /// Why its output is held.
    pub held: Option<String>,
    /// What we did to it last, oldest first.
    #[serde(default)]
    pub sent: Vec<Sent>,
    /// What is different on disk by now.
    #[serde(skip)]
    pub updates: Option<Arc<Updates>>,
    /// What a person has said 'not now' to.
    #[serde(default)]
    pub dismissed: Option<Fingerprint>,
    /// It is restarted when it is idle.
    #[serde(default)]
    pub restart_when_idle: bool,
    /// It is restarted when it is its turn among all of its role.
    #[serde(default)]
    pub restart_in_turn: bool,
    /// What automation keeps of it.
    #[serde(default)]
    pub shift: Shift,
    /// Messages to running turns that it has not answered yet.
    #[serde(default)]
    pub messages: Vec<TurnWord>,
    /// Whether its shim has been reached since this instance began. Before that it is not known what it was given.
    #[serde(skip)]
    pub reached: bool,
    /// What it is up to besides, for example the retry of a call; gone with the next sign of life.
    #[serde(skip)]
    pub hint: Option<String>,
    /// What it did last for its task, by its own tool events.
    #[serde(skip)]
    pub progress: Option<String>,
}

/// A message to a running turn, as long as it is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnWord {
    pub message: Uuid,
    /// Whose turn it was sent to.
    pub task: TaskId,
    /// Whether the agent has said that it has it: until then it may be on its way, whatever the agent says of itself.
    #[serde(default)]
    pub taken: bool,
}

/// A cause outside that keeps a process that is up from working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Block {
    /// When it is over by itself, where that is known.
    pub until: Option<Mono>,
    /// The same on the other clock.
    pub until_wall: Option<Timestamp>,
}

/// Where a process stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
    /// Down, and meant to be.
    Down,
    /// Down after failures; the fault says why.
    Failed,
    /// Down, to be started again.
    Backoff {
        /// When.
        at: Mono,
        /// The same on the other clock.
        at_wall: Timestamp,
    },
    /// Down, until a cause outside is gone.
    Blocked {
        /// When it is tried whether the cause is gone.
        #[serde(default)]
        look: Mono,
    },
    /// A run is not over.
    Live(Box<Live>),
}

/// One conversation of an employee. The history only grows: one that is taken up again stands in it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The agent's id for it.
    pub id: Uuid,
    /// When it began.
    pub begun: Timestamp,
    /// Whether a message was sent in it; only then does the agent keep it.
    pub used: bool,
}

/// What a process has done, ever.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct Record {
    /// Tasks leased to it.
    pub assigned: u32,
    /// Tasks completed.
    pub completed: u32,
    /// Attempts failed.
    pub failed: u32,
    /// Time over completed tasks.
    pub busy: Duration,
    /// US dollars.
    pub cost_usd: f64,
    /// Tokens.
    pub tokens: Tokens,
    /// Restarts.
    pub restarts: u32,
    /// Seconds at work lately, as of `load_at`; see [`Record::load`].
    #[serde(default)]
    pub load_seconds: f64,
    /// When that was.
    #[serde(default)]
    pub load_at: Option<Timestamp>,
    /// Seconds that a task takes it, the last ones counting more.
    #[serde(default)]
    pub pace_seconds: Option<f64>,
}

/// A configuration that a process did not come up with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// What it was.
    pub configuration: Fingerprint,
    /// What became of the try, for a person.
    pub why: String,
}

/// One agent with its configuration; keeps its id over restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub id: ProcessId,
    /// The employee.
    pub employee: EmployeeId,
    /// The employee's name.
    pub name: String,
    /// What it was hired with.
    pub spec: NewProcess,
    /// Where it was hired to work; see [`Process::folder`].
    pub working_directory: PathBuf,
    /// The git worktree that it works in, once it has one.
    #[serde(default)]
    pub worktree: Option<Worktree>,
    /// What that held when it was looked at last.
    #[serde(default)]
    pub work: Option<Box<WorkSummary>>,
    /// How its agent is driven.
    pub protocol: Protocol,
    /// Where it stands.
    pub phase: Phase,
    /// What its status is known from.
    pub evidence: Evidence,
    /// Why it is down, in a few words.
    pub reason: String,
    /// The status and activity that were shown last, and since when.
    pub shown: (Status, Activity),
    /// Since when.
    pub since: Timestamp,
    /// Failed starts and crashes in a row.
    pub tries: u32,
    /// Failures within the policy's window, whatever came between them.
    #[serde(default)]
    pub failures: Failures,
    /// How often it was looked in vain whether the cause of a block is gone.
    #[serde(default)]
    pub looks: u32,
    /// Its start waits until the system has enough of what it takes.
    #[serde(default)]
    pub put_off: bool,
    /// The last fault, until a good start.
    pub fault: Option<Fault>,
    /// Its latest, oldest first. Those before stand with the tasks that ran in them, and in its log.
    pub conversations: Vec<Conversation>,
    /// How many were before those.
    #[serde(default)]
    pub conversations_before: u32,
    /// Rules that a person allowed for it.
    pub allowed: Vec<String>,
    /// What it has done.
    pub record: Record,
    /// Its last finished tasks, newest first.
    pub last_tasks: Vec<TaskId>,
    /// The last exit.
    pub last_exit: Option<Exit>,
    /// The run of that exit.
    pub last_run: Option<RunId>,
    /// Its last changes of state, oldest first.
    #[serde(default)]
    pub history: VecDeque<Change>,
    /// Its last exits in short, newest first.
    #[serde(default)]
    pub exits: VecDeque<ExitNote>,
    /// How many exits it has had.
    #[serde(default)]
    pub exits_ever: u32,
    /// When it was last given a task, as a count: round robin takes the smallest.
    pub turn_taken: u64,
    /// The run that was ended for updates, until another one has come up or has not.
    #[serde(default)]
    pub renewing: Option<RunId>,
    /// What it was to come up with then.
    #[serde(default)]
    pub offered: Option<Fingerprint>,
    /// What it did not come up with: it runs on the last configuration that was good.
    #[serde(default)]
    pub rejected: Option<Rejected>,
    /// What automation keeps of it.
    #[serde(default)]
    pub upkeep: Upkeep,
}

impl Process {
    /// Its run, if one is not over.
    #[must_use]
    pub fn live(&self) -> Option<&Live> {
        match &self.phase {
            Phase::Live(live) => Some(live),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.phase {
            Phase::Live(live) => Some(live),
            _ => None,
        }
    }

    /// What it did last is no longer what it does.
    pub fn forget_progress(&mut self) {
        if let Some(live) = self.live_mut() {
            live.progress = None;
        }
    }

    /// Its run, if one is not over and is this one.
    pub fn live_run(&mut self, run: RunId) -> Option<&mut Live> {
        match &mut self.phase {
            Phase::Live(live) if live.run == run => Some(live),
            _ => None,
        }
    }

    /// A person has taken it in hand, or it shows that it works: what failed before does not count.
    pub fn forget_failures(&mut self) {
        self.tries = 0;
        self.looks = 0;
        self.failures.clear();
    }

    /// Its run ends to be started again with what is on disk: what it does not come up with is not
    /// kept.
    pub fn offer_updates(&mut self) {
        self.rejected = None;
        if let Phase::Live(live) = &self.phase
            && let Some(updates) = &live.updates
        {
            self.offered = Some(updates.now.clone());
            self.renewing = Some(live.run);
        }
    }

    /// Where it works: in its worktree, where it has one.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match &self.worktree {
            Some(worktree) => &worktree.folder,
            None => &self.working_directory,
        }
    }

    /// Takes note that the agent is in this conversation from now on, be it new or one of before.
    pub fn converses(&mut self, id: Uuid, begun: Timestamp) {
        let known = |one: &&Conversation| one.id == id;
        let used = match self.conversations.last() {
            Some(last) if last.id == id => return,
            _ => self.conversations.iter().rev().find(known),
        }
        .is_some_and(|before| before.used);
        self.conversations.push(Conversation { id, begun, used });
        // It is written with each step of a task: it must not grow with their number.
        let surplus = self.conversations.len().saturating_sub(CONVERSATIONS);
        self.conversations.drain(..surplus);
        let surplus = u32::try_from(surplus).unwrap_or(u32::MAX);
        self.conversations_before = self.conversations_before.saturating_add(surplus);
    }

    /// Has it take up a conversation that it had, however long ago.
    pub fn goes_back_to(&mut self, id: Uuid, now: Timestamp) {
        self.converses(id, now);
        if let Some(last) = self.conversations.last_mut() {
            last.used = true;
        }
    }

    /// Whether it can be given a task now.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.protocol == Protocol::ClaudeStreamJson
            && self.live().is_some_and(|live| {
                live.stage == Stage::Up
                    && live.reached
                    && live.turn == Turn::None
                    && live.settled
                    && live.activity == Activity::Idle
                    && live.messages.is_empty()
                    && live.blocked.is_none()
            })
    }

    /// When something is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        match &self.phase {
            Phase::Down | Phase::Failed => None,
            Phase::Backoff { at, .. } => Some(*at),
            Phase::Blocked { look } => Some(*look),
            Phase::Live(live) => {
                let ending = match live.turn {
                    Turn::Task {
                        ending: Some(ending),
                        ..
                    } => Some(ending.by),
                    Turn::Clearing { by, .. } => Some(by),
                    _ => None,
                };
                let blocked = live.blocked.and_then(|block| block.until);
                [live.stage.deadline(), ending, blocked, live.settle_by]
                    .into_iter()
                    .flatten()
                    .min()
            }
        }
    }

    /// The phase of its life that it is in, for a person.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        let live = match &self.phase {
            Phase::Down => return "down",
            Phase::Failed => return "left down after failures",
            Phase::Backoff { .. } => return "waits to be started again",
            Phase::Blocked { .. } => return "waits for its cause to go",
            Phase::Live(live) => live,
        };
        match live.stage {
            _ if live.leader.is_some() => "clean-up: its processes are ended",
            Stage::Launching { .. } => "initialization: prompt, tools, environment, folder",
            Stage::Readying { .. } => "initialization: health check",
            Stage::Up => match live.turn {
                Turn::Clearing { .. } | Turn::Placing { .. } => "active: task assigned",
                Turn::Task { ending: None, .. } => "active: task executed",
                Turn::Task {
                    ending: Some(_), ..
                } => "active: task interrupted",
                Turn::None if !live.settled => "active: result reported",
                Turn::None => "active: ready",
            },
            Stage::Finishing { .. } => "termination: the current task finishes",
            Stage::Interrupting { .. } => "termination: the task is interrupted",
            Stage::Closing { .. } => "termination: asked to end",
            Stage::Terminating { .. } => "termination: asked to end by signal",
            Stage::Killing => "termination: killed",
        }
    }

    /// The status and activity that it has now; `waiting` is whether a request of it is open.
    #[must_use]
    pub fn status(&self, waiting: bool) -> (Status, Activity) {
        match &self.phase {
            Phase::Down => (Status::Stopped, Activity::Unknown),
            Phase::Failed => (Status::Error, Activity::Unknown),
            Phase::Backoff { .. } => (Status::Backoff, Activity::Unknown),
            Phase::Blocked { .. } => (Status::Blocked, Activity::Unknown),
            Phase::Live(live) => {
                let status = match live.stage {
                    Stage::Launching { .. } | Stage::Readying { .. } => Status::Starting,
                    stage if stage.is_stopping() => Status::Stopping,
                    _ if waiting => Status::Waiting,
                    _ if live.blocked.is_some() => Status::Blocked,
                    _ => Status::Running,
                };
                // A task that is ours to be done makes it busy before the agent has said so.
                let busy = live.turn != Turn::None || live.activity == Activity::Busy;
                (status, if busy { Activity::Busy } else { live.activity })
            }
        }
    }
}
