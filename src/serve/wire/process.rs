//! A process and the employee that it is, as a document.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::automation::{Autostart, Rest, UpkeepView};
use crate::domain::exit::{Ended, Exit, ExitStatus, MemoryKill};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::{EmployeeId, ProcessId, RequestId, TaskId};
use crate::domain::role::{Kind, PromptMode, Range};
use crate::domain::sandbox::Sandbox;
use crate::domain::snapshot::{Activity, Evidence, Health, ProcessView, Status};
use crate::domain::task::Tokens;
use crate::serve::wire::health::ConditionDoc;
use crate::serve::wire::worktree::{SavedDoc, WorkDoc, WorktreeDoc};
use crate::serve::wire::{lossy, maybe_lossy, usd};

/// A fault: code, cause and remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultDoc {
    /// `PROC_001` to `PROC_008`.
    pub code: FaultCode,
    /// What happened.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

impl From<&Fault> for FaultDoc {
    fn from(fault: &Fault) -> Self {
        Self {
            code: fault.code,
            cause: fault.cause.clone(),
            remedy: fault.remedy.clone(),
        }
    }
}

/// From what is promised to what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RangeDoc<T> {
    /// Promised.
    pub min: T,
    /// Allowed at most.
    pub max: T,
}

impl<T: Copy> From<Range<T>> for RangeDoc<T> {
    fn from(range: Range<T>) -> Self {
        Self {
            min: range.min,
            max: range.max,
        }
    }
}

impl<T> From<RangeDoc<T>> for Range<T> {
    fn from(range: RangeDoc<T>) -> Self {
        Self {
            min: range.min,
            max: range.max,
        }
    }
}

/// The limits of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitsDoc {
    /// In cores.
    pub cpu: RangeDoc<f64>,
    /// In bytes.
    pub memory: RangeDoc<u64>,
    /// What enforces them; `null` while nothing does.
    pub enforced_by: Option<String>,
}

/// The sandbox of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxDoc {
    /// `off`, `workspace` or `strict`.
    pub level: String,
    /// Whether the kernel holds it, all that stands in `gaps` apart.
    pub enforced: bool,
    /// What the kernel of this machine does not hold.
    #[serde(default)]
    pub gaps: Vec<String>,
    /// Where it may write; what its role adds, of a role.
    #[serde(default)]
    pub write: Vec<String>,
    /// TCP ports that a role adds at level `strict`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
}

impl From<&Sandbox> for SandboxDoc {
    fn from(sandbox: &Sandbox) -> Self {
        Self {
            level: sandbox.level.as_str().to_owned(),
            enforced: sandbox.enforced,
            gaps: sandbox.gaps.clone(),
            write: sandbox.write.clone(),
            ports: Vec::new(),
        }
    }
}

/// Tokens that were used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokensDoc {
    /// Read by the model, cached ones included.
    pub input_tokens: u64,
    /// Written by the model.
    pub output_tokens: u64,
}

impl From<Tokens> for TokensDoc {
    fn from(tokens: Tokens) -> Self {
        Self {
            input_tokens: tokens.input,
            output_tokens: tokens.output,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitDoc {
    /// The exit code of the agent, where it had one.
    pub code: Option<i32>,
    /// The signal that ended the agent, where one did.
    pub signal: Option<i32>,
    /// When.
    pub at: Timestamp,
    /// Processes of the tree that ended, the agent included.
    pub ended: u32,
    /// Those of them that had to be killed.
    pub killed: Vec<Ended>,
    /// Those that the agent left behind when it exited by itself.
    pub leaked: Vec<Ended>,
    /// Processes that could not be ended.
    pub left: Vec<Ended>,
    /// CPU time of the whole tree, in milliseconds.
    pub cpu_ms: u64,
    /// The last lines of its standard error.
    pub stderr: String,
    /// What says that something of it was killed for lack of memory.
    pub memory: Option<MemoryKill>,
}

impl From<&Exit> for ExitDoc {
    fn from(exit: &Exit) -> Self {
        let (code, signal) = match exit.status {
            ExitStatus::Code(code) => (Some(code), None),
            ExitStatus::Signal(signal) => (None, Some(signal)),
            ExitStatus::Unknown => (None, None),
        };
        Self {
            code,
            signal,
            at: exit.at,
            ended: exit.ended,
            killed: exit.killed.clone(),
            leaked: exit.leaked.clone(),
            left: exit.left.clone(),
            cpu_ms: exit.cpu_ms,
            stderr: exit.stderr_tail.clone(),
            memory: exit.memory.clone(),
        }
    }
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessDoc {
    /// `proc_001`; keeps over restarts.
    pub id: ProcessId,
    /// `emp_001`.
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
    /// `interactive`, `batch`, `monitoring` or `utility`.
    pub kind: Kind,
    /// Where it stands.
    pub status: Status,
    /// What it does.
    pub activity: Activity,
    /// How it does.
    pub health: Health,
    /// Why it does so, and what the last check brought.
    pub condition: ConditionDoc,
    /// Since when it has this status and activity.
    pub since: Timestamp,
    /// When a pending restart or the end of a block is due.
    pub until: Option<Timestamp>,
    /// The phase of its life that it is in.
    pub phase: String,
    /// What it does, asks or suffers, in one line.
    pub now: String,
    /// What the status is known from, and when that was said.
    pub evidence: Evidence,
    /// PID of the agent.
    pub pid: Option<u32>,
    /// Processes in its tree.
    pub processes: Option<u32>,
    /// Of one core, 100 is a full one; the whole tree.
    pub cpu_percent: Option<f64>,
    /// Resident memory of the whole tree.
    pub memory_bytes: Option<u64>,
    /// Threads of the whole tree.
    pub threads: Option<u32>,
    /// Open file descriptors of the whole tree.
    pub file_descriptors: Option<u32>,
    /// Read from disk by the whole tree.
    pub disk_read_bytes: Option<u64>,
    /// Written to disk by the whole tree.
    pub disk_written_bytes: Option<u64>,
    /// When the present run began.
    pub started_at: Option<Timestamp>,
    /// How long the present run has been up.
    pub uptime_seconds: Option<u64>,
    /// Tasks that it was given, ever.
    pub tasks_assigned: u32,
    /// Tasks that it completed, ever.
    pub tasks_completed: u32,
    /// Attempts of it that failed, ever.
    pub tasks_failed: u32,
    /// The task in flight.
    pub current_task: Option<TaskId>,
    /// Its last finished tasks, newest first.
    pub last_tasks: Vec<TaskId>,
    /// US dollars, ever.
    pub cost_usd: f64,
    /// Tokens, ever.
    pub usage: TokensDoc,
    /// Restarts, ever.
    pub restarts: u32,
    /// The last fault, until a good start.
    pub fault: Option<FaultDoc>,
    /// Whether its prompt or configuration changed on disk since it started.
    pub updates_available: bool,
    /// The conversation in force.
    pub session_id: Option<Uuid>,
    /// The agent's key in `[agents]`.
    pub agent: String,
    /// What the agent calls its version.
    pub agent_version: Option<String>,
    /// Whether the simulated agent runs here.
    pub simulated: bool,
    /// The model that was asked for.
    pub model: Option<String>,
    /// Turns that a task may take.
    pub max_turns: Option<u32>,
    /// The role's prompt file.
    #[serde(serialize_with = "maybe_lossy")]
    pub prompt_file: Option<PathBuf>,
    /// The first digits of the hash of the prompt that runs.
    pub prompt_hash: Option<String>,
    /// `append` or `replace`.
    pub prompt_mode: PromptMode,
    /// Tools as the role or the process lists them.
    pub allowed_tools: Vec<String>,
    /// Permission rules that wait for a person.
    pub ask_rules: Vec<String>,
    /// Permission rules that a person allowed for this process.
    pub allowed_rules: Vec<String>,
    /// Where it works.
    #[serde(serialize_with = "lossy")]
    pub working_directory: PathBuf,
    /// The git worktree of its own; `null` where it works in a folder that others may use as well.
    #[serde(default)]
    pub worktree: Option<WorktreeDoc>,
    /// What it runs with, secrets masked.
    pub environment: BTreeMap<String, String>,
    /// The command line that runs, without secrets.
    pub command: Option<String>,
    /// Its limits.
    pub limits: LimitsDoc,
    /// Its sandbox.
    pub sandbox: SandboxDoc,
    /// Open requests, oldest first.
    pub requests: Vec<RequestId>,
    /// The last exit.
    pub last_exit: Option<ExitDoc>,
    /// What is done with it without being asked.
    pub automation: AutomationDoc,
}

/// What is done with a process without being asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutomationDoc {
    /// `boot`, `demand` or `never`.
    pub autostart: Autostart,
    /// Its schedule as written.
    pub schedule: Option<String>,
    /// When it is started next by its schedule; `null` while you keep it down.
    pub next_run_at: Option<Timestamp>,
    /// When it is restarted next as planned.
    pub next_restart_at: Option<Timestamp>,
    /// How long it may be idle; `null` if it is not stopped for that.
    pub idle_stop_seconds: Option<u64>,
    /// Who or what put it down, while it is: `person`, `not_started`, `idle`, `instance`, `finished`.
    pub down_by: Option<Rest>,
}

impl From<&UpkeepView> for AutomationDoc {
    fn from(view: &UpkeepView) -> Self {
        Self {
            autostart: view.autostart,
            schedule: view.schedule.clone(),
            next_run_at: view.next_run,
            next_restart_at: view.next_restart,
            idle_stop_seconds: view.idle_stop.map(|time| time.as_secs()),
            down_by: view.rest,
        }
    }
}

impl ProcessDoc {
    /// Writes a process down as it stands at `at`.
    #[must_use]
    pub fn new(view: &ProcessView, at: Timestamp) -> Self {
        let usage = view.usage;
        Self {
            id: view.id,
            employee: view.employee,
            name: view.name.clone(),
            role: view.role.clone(),
            role_title: view.role_title.clone(),
            department: view.department.clone(),
            cluster: view.cluster.clone(),
            kind: view.kind,
            status: view.status,
            activity: view.activity,
            health: view.health,
            condition: ConditionDoc::from(&view.condition),
            since: view.since,
            until: view.until,
            phase: view.phase.clone(),
            now: view.now.clone(),
            evidence: view.evidence.clone(),
            pid: view.pid,
            processes: usage.map(|usage| usage.processes),
            cpu_percent: usage.map(|usage| (usage.cpu_percent * 10.0).round() / 10.0),
            memory_bytes: usage.map(|usage| usage.memory_bytes),
            threads: usage.map(|usage| usage.threads),
            file_descriptors: usage.map(|usage| usage.files),
            disk_read_bytes: usage.map(|usage| usage.disk_read_bytes),
            disk_written_bytes: usage.map(|usage| usage.disk_written_bytes),
            started_at: view.started,
            uptime_seconds: view
                .started
                .filter(|_| view.is_up())
                .map(|started| u64::try_from(at.duration_since(started).as_secs()).unwrap_or(0)),
            tasks_assigned: view.tasks_assigned,
            tasks_completed: view.tasks_completed,
            tasks_failed: view.tasks_failed,
            current_task: view.task,
            last_tasks: view.last_tasks.clone(),
            cost_usd: usd(view.cost_usd),
            usage: view.tokens.into(),
            restarts: view.restarts,
            fault: view.fault.as_ref().map(FaultDoc::from),
            updates_available: view.updates_available,
            session_id: view.conversation,
            agent: view.agent.clone(),
            agent_version: view.agent_version.clone(),
            simulated: view.simulated,
            model: view.model.clone(),
            max_turns: view.max_turns,
            prompt_file: view.prompt_file.clone(),
            prompt_hash: view.prompt_hash.clone(),
            prompt_mode: view.prompt_mode,
            allowed_tools: view.tools.clone(),
            ask_rules: view.ask.clone(),
            allowed_rules: view.allowed.clone(),
            working_directory: view.working_directory.clone(),
            worktree: WorktreeDoc::of(view),
            environment: view.environment.iter().cloned().collect(),
            command: view.command.clone(),
            limits: LimitsDoc {
                cpu: view.cpu.into(),
                memory: view.memory.into(),
                enforced_by: None,
            },
            sandbox: (&view.sandbox).into(),
            requests: view.requests.clone(),
            last_exit: view.last_exit.as_ref().map(ExitDoc::from),
            automation: (&view.upkeep).into(),
        }
    }
}

/// What `GET /api/processes/{id}/status` answers: where a process stands and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessStatusDoc {
    /// Its id.
    pub id: ProcessId,
    /// Where it stands.
    pub status: Status,
    /// What it does.
    pub activity: Activity,
    /// How it does.
    pub health: Health,
    /// Why it does so, and what the last check brought.
    pub condition: ConditionDoc,
    /// Since when.
    pub since: Timestamp,
    /// When a pending restart or the end of a block is due.
    pub until: Option<Timestamp>,
    /// What it does, asks or suffers, in one line.
    pub now: String,
    /// What the status is known from, and when that was said.
    pub evidence: Evidence,
    /// PID of the agent.
    pub pid: Option<u32>,
    /// The task in flight.
    pub current_task: Option<TaskId>,
    /// The last fault, until a good start.
    pub fault: Option<FaultDoc>,
}

impl From<&ProcessView> for ProcessStatusDoc {
    fn from(view: &ProcessView) -> Self {
        Self {
            id: view.id,
            status: view.status,
            activity: view.activity,
            health: view.health,
            condition: ConditionDoc::from(&view.condition),
            since: view.since,
            until: view.until,
            now: view.now.clone(),
            evidence: view.evidence.clone(),
            pid: view.pid,
            current_task: view.task,
            fault: view.fault.as_ref().map(FaultDoc::from),
        }
    }
}

/// What a stop or a kill answers: the proof, and the process after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoppedDoc {
    /// What became of the tree: `7 processes ended, 0 left`.
    pub proof: Option<String>,
    /// How the run ended; `null` if there was none.
    pub exit: Option<ExitDoc>,
    /// The process.
    pub process: ProcessDoc,
    /// What it has not committed in its worktree; `null` if there is nothing.
    #[serde(default)]
    pub left: Option<WorkDoc>,
}

/// What a removal answers: the process as it was, and what was kept of its worktree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemovedDoc {
    /// The process.
    #[serde(flatten)]
    pub process: ProcessDoc,
    /// The kept state of its worktree; `null` if there was none.
    #[serde(default)]
    pub saved: Option<SavedDoc>,
    /// What was not committed there; `null` if there was nothing.
    #[serde(default)]
    pub left: Option<WorkDoc>,
}
