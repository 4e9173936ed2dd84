//! What people see: one immutable value, made by the fleet, shared by every front end.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::alert::Alert;
use crate::domain::automation::UpkeepView;
use crate::domain::cluster::ClusterView;
use crate::domain::exit::Exit;
use crate::domain::fault::Fault;
use crate::domain::flight::{Change, ExitNote, Flight};
use crate::domain::id::{AlertId, EmployeeId, ProcessId, RequestId, RunId, TaskId};
use crate::domain::inbox::Request;
use crate::domain::process::Conversation;
use crate::domain::role::{Catalogue, Kind, PromptMode, Protocol, Range};
use crate::domain::sandbox::Sandbox;
use crate::domain::scale::ScalingView;
use crate::domain::task::{Task, TaskState, Tokens};
use crate::domain::task_list::TaskList;
use crate::domain::updates::Updates;
use crate::domain::waits::{self, Waits};
use crate::domain::worktree::{WorkSummary, Worktree};

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Ordered to run, not ready yet.
    Starting,
    /// Ready, idle or busy.
    Running,
    /// Waits for a person.
    Waiting,
    /// On its way down.
    Stopping,
    /// Down, and meant to be.
    Stopped,
    /// Down, a restart is pending.
    Backoff,
    /// Cannot work until a cause outside is gone.
    Blocked,
    /// Down, and left so.
    Error,
}

impl Status {
    /// The word that is shown and documented.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Backoff => "backoff",
            Self::Blocked => "blocked",
            Self::Error => "error",
        }
    }
}

/// What a live process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Has nothing to do, by its own word.
    Idle,
    /// Works, by its own word.
    Busy,
    /// Has not said.
    Unknown,
}

impl Activity {
    /// The word that is shown and documented.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Unknown => "unknown",
        }
    }
}

/// How a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Answers.
    Healthy,
    /// Degraded.
    Warning,
    /// Errors or failures.
    Critical,
    /// Does not respond, or is down.
    Offline,
    /// Nothing is known.
    Unknown,
}

/// What stands behind a health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Why, for a person.
    pub why: String,
    /// Since when it is at this level.
    pub since: Timestamp,
    /// When it was checked last.
    pub checked: Option<Timestamp>,
    /// How long the last answer took.
    pub answer: Option<Duration>,
    /// Checks in a row without an answer.
    pub missed: u32,
}

impl Health {
    /// The word that is shown and documented.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        }
    }
}

/// What a status is known from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What said so, for example `the agent's own event`, `exit report`, `order`.
    pub source: String,
    /// When it said so.
    pub at: Timestamp,
}

/// Figures of a whole process tree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct Usage {
    /// Of one core, 100 is a full one.
    pub cpu_percent: f64,
    /// Resident, in bytes.
    pub memory_bytes: u64,
    /// Threads of all processes.
    pub threads: u32,
    /// Open file descriptors of all processes.
    pub files: u32,
    /// Processes in the tree.
    pub processes: u32,
    /// Read from disk since the start, in bytes.
    pub disk_read_bytes: u64,
    /// Written to disk since the start, in bytes.
    pub disk_written_bytes: u64,
    /// Bytes a second that were read and written since the figures before; `None` with the first.
    #[serde(default)]
    pub disk_rates: Option<(u64, u64)>,
}

/// One process of a tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Member {
    /// Its number.
    pub pid: u32,
    /// Its parent's number.
    pub parent: u32,
    /// Its short name.
    pub name: String,
    /// Of one core, 100 is a full one; its own time only.
    pub cpu_percent: f64,
    /// Resident, in bytes.
    pub memory_bytes: u64,
}

/// Figures of the whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct Machine {
    /// Of all cores together, 0 to 100.
    pub cpu_percent: f64,
    /// In use, in bytes.
    pub memory_used: u64,
    /// In all, in bytes.
    pub memory_total: u64,
    /// Cores.
    pub cores: u32,
    /// How much work waits for it, by the kernel's word; `None` where the kernel does not say.
    #[serde(default)]
    pub pressure: Option<Pressure>,
}

/// Shares of the last ten seconds in which something waited, 0 to 100 (PSI, `some avg10`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct Pressure {
    /// For a core.
    pub cpu_percent: f64,
    /// For memory.
    pub memory_percent: f64,
    /// For a disk.
    pub io_percent: f64,
}

/// One process and the employee that it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessView {
    /// Keeps over restarts.
    pub id: ProcessId,
    /// The employee.
    pub employee: EmployeeId,
    /// The employee's first name.
    pub name: String,
    /// The role's key.
    pub role: String,
    /// The role's title.
    pub role_title: String,
    /// The department's key.
    pub department: String,
    /// The cluster that it belongs to.
    #[serde(default)]
    pub cluster: Option<String>,
    /// The kind.
    pub kind: Kind,
    /// How its agent is driven.
    pub protocol: Protocol,
    /// The agent's key in `[agents]`.
    pub agent: String,
    /// What the agent calls its version.
    pub agent_version: Option<String>,
    /// Whether the simulated agent runs here.
    pub simulated: bool,
    /// Where it stands.
    pub status: Status,
    /// What it does.
    pub activity: Activity,
    /// How it does.
    pub health: Health,
    /// Why, since when, and what the last check brought.
    pub condition: Condition,
    /// What `status` is known from.
    pub evidence: Evidence,
    /// Since when it has this status and activity.
    pub since: Timestamp,
    /// When a pending restart or the end of a block is due.
    pub until: Option<Timestamp>,
    /// When it is tried whether the cause of a block is gone, where nobody knows how long it lasts.
    pub look: Option<Timestamp>,
    /// The phase of its life that it is in, for a person.
    pub phase: String,
    /// Its last changes of state, oldest first.
    pub history: Vec<Change>,
    /// Its last exits in short, newest first.
    pub exits: Vec<ExitNote>,
    /// What is kept of the last exit.
    #[serde(skip)]
    pub flight: Option<Arc<Flight>>,
    /// What it does, asks or suffers, in one line; empty when there is nothing to say.
    pub now: String,
    /// The stage of a stop, for example `after the current task`.
    pub stopping: Option<String>,
    /// PID of the agent.
    pub pid: Option<u32>,
    /// The current run.
    pub run: Option<RunId>,
    /// The run before.
    pub last_run: Option<RunId>,
    /// When the current run began.
    pub started: Option<Timestamp>,
    /// Figures of its tree; `None` when it is down or not measured yet.
    pub usage: Option<Usage>,
    /// The processes of its tree by number, while somebody looks at it.
    #[serde(default)]
    pub members: Vec<Member>,
    /// CPU of the last minutes in per cent of a core, oldest first, one value a sample.
    pub cpu_history: Vec<f32>,
    /// Memory of the last minutes in bytes, oldest first.
    pub memory_history: Vec<u64>,
    /// Tasks leased to it, ever.
    pub tasks_assigned: u32,
    /// Tasks that it completed, ever.
    pub tasks_completed: u32,
    /// Attempts of it that failed, ever.
    pub tasks_failed: u32,
    /// Time over all completed tasks.
    pub busy: Duration,
    /// The task in flight.
    pub task: Option<TaskId>,
    /// Its last finished tasks, newest first, ten at most.
    pub last_tasks: Vec<TaskId>,
    /// US dollars, ever.
    pub cost_usd: f64,
    /// Tokens, ever.
    pub tokens: Tokens,
    /// Restarts, ever.
    pub restarts: u32,
    /// Failed starts and crashes in a row, and how many are allowed.
    pub tries: (u32, u32),
    /// The last fault, until a good start.
    pub fault: Option<Fault>,
    /// Its prompt or configuration changed on disk since it started, and nobody has said 'not now'.
    pub updates_available: bool,
    /// What changed, also when somebody has.
    #[serde(skip)]
    pub updates: Option<Arc<Updates>>,
    /// It is restarted with its updates when it is idle.
    pub restart_when_idle: bool,
    /// It is restarted with its updates when those of its role before it are up again.
    #[serde(default)]
    pub restart_in_turn: bool,
    /// Tokens of its conversation that a restart has read anew, as far as its last turn tells.
    #[serde(default)]
    pub conversation_tokens: Option<u64>,
    /// The conversation in force.
    pub conversation: Option<Uuid>,
    /// Its last conversations, oldest first.
    pub sessions: Vec<Conversation>,
    /// How many conversations it has had.
    pub conversations: u32,
    /// The role's prompt file as configured.
    pub prompt_file: Option<PathBuf>,
    /// It was hired with a prompt text of its own.
    #[serde(default)]
    pub own_prompt: bool,
    /// The first digits of the hash of the prompt that runs.
    pub prompt_hash: Option<String>,
    /// How the prompt meets the agent's own.
    pub prompt_mode: PromptMode,
    /// Tools as the role lists them.
    pub tools: Vec<String>,
    /// Rules that wait for a person.
    pub ask: Vec<String>,
    /// Rules that a person allowed for this process.
    pub allowed: Vec<String>,
    /// Where it works; in its worktree, where it has one.
    pub working_directory: PathBuf,
    /// The git worktree of its own.
    #[serde(default)]
    pub worktree: Option<Worktree>,
    /// What that held when it was looked at last.
    #[serde(default)]
    pub work: Option<Box<WorkSummary>>,
    /// The environment it runs with, secrets masked.
    pub environment: Vec<(String, String)>,
    /// The model that was asked for.
    pub model: Option<String>,
    /// Turns a task may take.
    pub max_turns: Option<u32>,
    /// In cores.
    pub cpu: Range<f64>,
    /// In bytes.
    pub memory: Range<u64>,
    /// Open requests, oldest first.
    pub requests: Vec<RequestId>,
    /// The last exit.
    pub last_exit: Option<Exit>,
    /// The command line that runs, without secrets.
    pub command: Option<String>,
    /// What it may touch; of one that is down, what its role says.
    #[serde(default)]
    pub sandbox: Sandbox,
    /// What it did last for its task, by its own tool events.
    #[serde(default)]
    pub progress: Option<String>,
    /// What is done with it without being asked.
    #[serde(default)]
    pub upkeep: UpkeepView,
}

impl ProcessView {
    /// Whether it has a run that is not over.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.run.is_some()
    }

    /// The run whose output is itself the log: the present or last one of a command that is not
    /// driven by a protocol.
    #[must_use]
    pub fn output_run(&self) -> Option<RunId> {
        if self.protocol.is_read() {
            None
        } else {
            self.run.or(self.last_run)
        }
    }

    /// Whether it waits for a person to answer or to put something right.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        !self.requests.is_empty()
            || matches!(self.status, Status::Waiting | Status::Error)
            || (self.status == Status::Blocked && self.until.is_none())
    }
}

/// How many tasks stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct TaskCounts {
    /// Queued, held or blocked.
    pub queued: u32,
    /// With a process.
    pub active: u32,
    /// Succeeded.
    pub succeeded: u32,
    /// Failed, timed out or parked.
    pub failed: u32,
}

impl TaskCounts {
    /// Counts a task of this state.
    pub const fn add(&mut self, state: TaskState) {
        match state {
            TaskState::Queued | TaskState::Held | TaskState::Blocked => self.queued += 1,
            TaskState::Assigned | TaskState::Running | TaskState::Waiting => self.active += 1,
            TaskState::Succeeded => self.succeeded += 1,
            TaskState::Failed | TaskState::TimedOut | TaskState::Parked => self.failed += 1,
            TaskState::Cancelled => {}
        }
    }

    /// Takes back what [`TaskCounts::add`] counted.
    pub const fn take(&mut self, state: TaskState) {
        match state {
            TaskState::Queued | TaskState::Held | TaskState::Blocked => self.queued -= 1,
            TaskState::Assigned | TaskState::Running | TaskState::Waiting => self.active -= 1,
            TaskState::Succeeded => self.succeeded -= 1,
            TaskState::Failed | TaskState::TimedOut | TaskState::Parked => self.failed -= 1,
            TaskState::Cancelled => {}
        }
    }
}

/// How loud a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Wants a look.
    Warning,
    /// Went wrong.
    Error,
}

/// A line for the message area: what just happened, such as the proof of a stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Counts up; a front end shows those that it has not shown.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// How loud.
    pub level: Level,
    /// About which process.
    pub process: Option<ProcessId>,
    /// The line.
    pub text: String,
}

/// The state of the company at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// When it was made; ages are counted from the reader's clock, not from this.
    pub at: Timestamp,
    /// The folder that holds `roles.toml`.
    pub workspace: PathBuf,
    /// Where `roles.toml` comes from, for a person: a path, or `built in`.
    pub configuration: String,
    /// Whether every role runs on the simulated agent.
    pub demo: bool,
    /// Why no agent can be started, when it is not found: shown on the first screen.
    pub agent_missing: Option<Fault>,
    /// A mistake in the configuration on disk; the last good one is in force.
    pub configuration_mistakes: Option<Arc<str>>,
    /// Roles, departments, tools.
    pub catalogue: Arc<Catalogue>,
    /// Grouped by department in the catalogue's order, then by id. Never reordered by itself.
    pub processes: Vec<Arc<ProcessView>>,
    /// By id.
    pub tasks: TaskList,
    /// Why tasks wait; [`Snapshot::why`] says it of one.
    pub waits: Waits,
    /// Clusters, in the order of `roles.toml`; then those that stand there no more.
    pub clusters: Vec<Arc<ClusterView>>,
    /// What automatic scaling did last or why it does not, by cluster and role.
    pub scaling: Vec<Arc<ScalingView>>,
    /// Open requests, longest waiting first, then up to 200 answered ones, newest first.
    pub requests: Vec<Arc<Request>>,
    /// Counts over all tasks.
    pub counts: TaskCounts,
    /// The machine.
    pub machine: Machine,
    /// US dollars since midnight of the machine's zone.
    pub cost_today_usd: f64,
    /// Open alerts, the worst first, then the oldest; then up to 100 that are over, newest first.
    pub alerts: Vec<Arc<Alert>>,
    /// The last messages, oldest first, 50 at most.
    pub messages: Vec<Arc<Message>>,
    /// Terminals attached.
    pub terminals: u32,
    /// Entries of the record that this instance has written: counts up.
    pub entries: u64,
    /// When a person was there last, as far as is known.
    pub seen: Option<Timestamp>,
    /// The same, as of before the last time that a person came back.
    pub left: Option<Timestamp>,
    /// The program that takes over, once it does.
    pub successor: Option<PathBuf>,
    /// Counts the instances that have opened this state.
    pub generation: u64,
    /// Whether anything runs, is queued or comes by itself: then the instance stays although nobody looks.
    pub has_work: bool,
    /// Whether the instance is on its way down.
    pub shutting_down: bool,
}

impl Snapshot {
    /// Since when a person who asks now has not seen what happened; `None` if nobody ever looked.
    #[must_use]
    pub const fn away_since(&self) -> Option<Timestamp> {
        if self.terminals == 0 {
            self.seen
        } else {
            self.left
        }
    }

    /// The process of an id.
    #[must_use]
    pub fn process(&self, id: ProcessId) -> Option<&Arc<ProcessView>> {
        self.processes.iter().find(|process| process.id == id)
    }

    /// The task of an id.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Arc<Task>> {
        self.tasks.get(id)
    }

    /// The request of an id.
    #[must_use]
    pub fn request(&self, id: RequestId) -> Option<&Arc<Request>> {
        self.requests.iter().find(|request| request.id == id)
    }

    /// The alert of an id.
    #[must_use]
    pub fn alert(&self, id: AlertId) -> Option<&Arc<Alert>> {
        self.alerts.iter().find(|alert| alert.id == id)
    }

    /// The cluster of a key.
    #[must_use]
    pub fn cluster(&self, key: &str) -> Option<&Arc<ClusterView>> {
        self.clusters.iter().find(|cluster| cluster.key == key)
    }

    /// What automatic scaling has to say at a time: why it holds first, else what it did lately.
    #[must_use]
    pub fn scaling_line(&self, now: Timestamp) -> Option<&ScalingView> {
        let holds = self.scaling.iter().filter(|one| one.holds);
        let lately = self.scaling.iter().filter(|one| one.is_news(now));
        let newest = holds.max_by_key(|one| one.at);
        newest
            .or_else(|| lately.max_by_key(|one| one.at))
            .map(AsRef::as_ref)
    }

    /// Of those that a task waits for one that will not succeed by itself, else the first that has not succeeded yet.
    fn waits_for(&self, task: &Task) -> Option<TaskId> {
        let state = |parent: &TaskId| self.tasks.get(*parent).map(|parent| parent.state);
        let open = task.after.iter().copied();
        let mut open = open.filter(|id| state(id) != Some(TaskState::Succeeded));
        let is_over = |id: &TaskId| {
            state(id).is_none_or(|state| state.is_final() || state == TaskState::Held)
        };
        open.clone().find(is_over).or_else(|| open.next())
    }

    /// The task that a blocked one waits for and that waits itself: its cause is the cause of both.
    pub(super) fn waits_like(&self, id: TaskId) -> Option<TaskId> {
        let task = self.tasks.get(id)?;
        let parent = self.tasks.get(self.waits_for(task)?)?;
        let waits = matches!(parent.state, TaskState::Blocked | TaskState::Queued);
        (task.state == TaskState::Blocked && waits).then_some(parent.id)
    }

    /// Why a task waits, where that takes a person to change and is not the cause of another that it waits for.
    #[must_use]
    pub fn stuck(&self, id: TaskId) -> Option<Cow<'_, str>> {
        let task = self.tasks.get(id)?;
        let takes_a_person = match task.state {
            TaskState::Held => true,
            TaskState::Queued => {
                let reason = self.waits.target(&task.target);
                task.not_before.is_none() && reason.is_some_and(|reason| reason.is_stuck)
            }
            TaskState::Blocked => {
                let parent = self.waits_for(task).and_then(|by| self.tasks.get(by));
                parent.is_none_or(|one| one.state.is_final() || one.state == TaskState::Held)
            }
            _ => false,
        };
        takes_a_person.then(|| self.why(id)).flatten()
    }

    /// Why a task that is queued, held or blocked waits.
    #[must_use]
    pub fn why(&self, id: TaskId) -> Option<Cow<'_, str>> {
        let task = self.tasks.get(id)?;
        match (task.state, task.not_before) {
            (TaskState::Queued, Some(at)) => Some(self.waits.later(at, self.at).into()),
            (TaskState::Queued, None) => {
                let reason = self.waits.target(&task.target)?;
                Some(Cow::Borrowed(reason.text.as_ref()))
            }
            (TaskState::Blocked, _) => {
                let by = self.waits_for(task)?;
                let parent = self.tasks.get(by).map(|parent| parent.state);
                Some(waits::blocked(by, parent).into())
            }
            (TaskState::Held, _) => Some(waits::held(task.error.as_deref())),
            _ => None,
        }
    }
}
