//! The instance and its totals, as a document.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::snapshot::{Activity, Machine, Snapshot, Status};
use crate::serve::wire::cluster::ScalingDoc;
use crate::serve::wire::process::FaultDoc;
use crate::serve::wire::{lossy, usd};

/// The instance that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceDoc {
    /// Its PID.
    pub pid: u32,
    /// The version of its build.
    pub version: String,
    /// The folder of the workspace.
    #[serde(serialize_with = "lossy")]
    pub workspace: PathBuf,
    /// Where `roles.toml` comes from: a path, or `built in`.
    pub configuration: String,
    /// Whether every role runs on the simulated agent.
    pub demo: bool,
    /// Counts the instances that have opened this state; the next one has the next number.
    #[serde(default)]
    pub generation: u64,
    /// Terminals attached.
    pub terminals: u32,
    /// Whether it is on its way down.
    pub shutting_down: bool,
}

/// How many processes stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ProcessCounts {
    /// All of them.
    pub total: u32,
    /// With a live agent.
    pub up: u32,
    /// At work.
    pub busy: u32,
    /// In need of a person.
    pub need_you: u32,
    /// In error.
    pub error: u32,
}

/// How many tasks stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct TaskCountsDoc {
    /// Queued, held or blocked.
    pub queued: u32,
    /// With a process.
    pub active: u32,
    /// Succeeded.
    pub succeeded: u32,
    /// Failed, timed out or parked.
    pub failed: u32,
}

/// The state of the company in figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusDoc {
    /// Always true: an instance that does not run cannot answer.
    pub running: bool,
    /// The instance.
    pub instance: InstanceDoc,
    /// Its processes.
    pub processes: ProcessCounts,
    /// Its tasks.
    pub tasks: TaskCountsDoc,
    /// Open requests.
    pub inbox: u32,
    /// US dollars since midnight.
    pub cost_today_usd: f64,
    /// The machine.
    pub machine: Machine,
    /// What automatic scaling did last or why it holds, by cluster and role.
    #[serde(default)]
    pub scaling: Vec<ScalingDoc>,
    /// Why no agent can be started, when none is found.
    pub agent_missing: Option<FaultDoc>,
    /// Mistakes in the configuration on disk, as text; the last good one is in force.
    pub configuration_mistakes: Option<String>,
}

impl StatusDoc {
    /// Writes a snapshot down in figures. `pid` is the instance's own.
    #[must_use]
    pub fn new(snapshot: &Snapshot, pid: u32) -> Self {
        let mut processes = ProcessCounts::default();
        for view in &snapshot.processes {
            processes.total += 1;
            processes.up += u32::from(view.is_up());
            processes.busy += u32::from(view.is_up() && view.activity == Activity::Busy);
            processes.need_you += u32::from(view.needs_a_person());
            processes.error += u32::from(view.status == Status::Error);
        }
        let open = snapshot.requests.iter().filter(|request| request.is_open());
        Self {
            running: true,
            instance: InstanceDoc {
                pid,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                workspace: snapshot.workspace.clone(),
                configuration: snapshot.configuration.clone(),
                demo: snapshot.demo,
                generation: snapshot.generation,
                terminals: snapshot.terminals,
                shutting_down: snapshot.shutting_down,
            },
            processes,
            tasks: TaskCountsDoc {
                queued: snapshot.counts.queued,
                active: snapshot.counts.active,
                succeeded: snapshot.counts.succeeded,
                failed: snapshot.counts.failed,
            },
            inbox: u32::try_from(open.count()).unwrap_or(u32::MAX),
            cost_today_usd: usd(snapshot.cost_today_usd),
            machine: snapshot.machine,
            scaling: snapshot
                .scaling
                .iter()
                .map(|one| ScalingDoc::from(one.as_ref()))
                .collect(),
            agent_missing: snapshot.agent_missing.as_ref().map(FaultDoc::from),
            configuration_mistakes: snapshot
                .configuration_mistakes
                .as_deref()
                .map(str::to_owned),
        }
    }
}
