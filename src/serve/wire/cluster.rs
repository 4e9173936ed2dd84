//! Clusters and automatic scaling, as documents.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::cluster::{ClusterDone, ClusterView, MemberView};
use crate::domain::id::ProcessId;
use crate::domain::role::LoadBalancing;
use crate::domain::scale::ScalingView;
use crate::domain::snapshot::Snapshot;
use crate::serve::wire::seconds;

/// One role of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRoleDoc {
    /// The role's key.
    pub role: String,
    /// The role's title.
    pub title: String,
    /// As `roles.toml` has it; 0 if it does not name the role any more.
    pub declared: u32,
    /// As it is to be: as declared, or as it was scaled.
    pub wanted: u32,
    /// Members who count.
    pub hired: u32,
    /// Hired by headcount itself besides.
    pub extra: u32,
    /// Left out by a smaller size, there to be taken back.
    pub spare: u32,
    /// With a live agent.
    pub up: u32,
    /// At work.
    pub busy: u32,
}

impl From<&MemberView> for ClusterRoleDoc {
    fn from(view: &MemberView) -> Self {
        Self {
            role: view.role.clone(),
            title: view.title.clone(),
            declared: view.declared,
            wanted: view.wanted,
            hired: view.hired,
            extra: view.extra,
            spare: view.spare,
            up: view.up,
            busy: view.busy,
        }
    }
}

/// What automatic scaling did last for a role, or why it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalingDoc {
    /// The cluster, where it is about one.
    pub cluster: Option<String>,
    /// The role.
    pub role: String,
    /// Since when it holds, or when it was done.
    pub at: Timestamp,
    /// Whether it holds although more are wanted.
    pub holds: bool,
    /// In one line.
    pub text: String,
}

impl From<&ScalingView> for ScalingDoc {
    fn from(view: &ScalingView) -> Self {
        Self {
            cluster: view.cluster.clone(),
            role: view.role.clone(),
            at: view.at,
            holds: view.holds,
            text: view.text.clone(),
        }
    }
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterDoc {
    /// Its key in `[clusters]`.
    pub name: String,
    /// Whether `roles.toml` declares it.
    pub declared: bool,
    /// `round_robin`, `least_busy` or `fastest`.
    pub load_balancing: LoadBalancing,
    /// From one health check to the next; `null` where its roles differ.
    pub health_interval_seconds: Option<f64>,
    /// How long an answer to one may take; `null` where its roles differ.
    pub health_timeout_seconds: Option<f64>,
    /// How many it is to have.
    pub wanted: u32,
    /// How many it has, without those left out by a smaller size.
    pub hired: u32,
    /// How many have a live agent.
    pub up: u32,
    /// How many are at work.
    pub busy: u32,
    /// By role, in the order of `roles.toml`.
    pub roles: Vec<ClusterRoleDoc>,
    /// Everyone who belongs to it.
    pub processes: Vec<ProcessId>,
    /// What automatic scaling did last or why it holds.
    pub scaling: Vec<ScalingDoc>,
    /// What a person should know: how it differs from what is declared, who shares a folder.
    pub notes: Vec<String>,
}

impl ClusterDoc {
    /// Writes a cluster of a snapshot down.
    #[must_use]
    pub fn new(view: &ClusterView, snapshot: &Snapshot) -> Self {
        let sum = view.sum();
        let of_it = |cluster: &Option<String>| cluster.as_deref() == Some(&view.key);
        Self {
            name: view.key.clone(),
            declared: view.declared,
            load_balancing: view.load_balancing,
            health_interval_seconds: view.health.map(|(interval, _)| seconds(interval)),
            health_timeout_seconds: view.health.map(|(_, timeout)| seconds(timeout)),
            wanted: sum.wanted,
            hired: sum.hired + sum.extra,
            up: sum.up,
            busy: sum.busy,
            roles: view.members.iter().map(ClusterRoleDoc::from).collect(),
            processes: snapshot
                .processes
                .iter()
                .filter(|process| of_it(&process.cluster))
                .map(|process| process.id)
                .collect(),
            scaling: snapshot
                .scaling
                .iter()
                .filter(|one| of_it(&one.cluster))
                .map(|one| ScalingDoc::from(one.as_ref()))
                .collect(),
            notes: view.notes.clone(),
        }
    }
}

/// A process that is not where an order to its cluster was to bring it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFailureDoc {
    /// Which one.
    pub process: ProcessId,
    /// Why.
    pub why: String,
}

/// What came of an order to a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterActedDoc {
    /// The cluster as it stands after it.
    pub cluster: ClusterDoc,
    /// Hired by it.
    pub hired: Vec<ProcessId>,
    /// Up and ready by it, those hired as well.
    pub started: Vec<ProcessId>,
    /// Down by it.
    pub stopped: Vec<ProcessId>,
    /// To be restarted, of each role one when the one before is up again.
    pub in_turn: Vec<ProcessId>,
    /// Not where they were to be.
    pub failed: Vec<ClusterFailureDoc>,
    /// Processes of the trees of those that were stopped, that ended.
    pub processes_ended: u32,
    /// Those of them that had to be killed.
    pub processes_killed: u32,
    /// Processes that could not be ended.
    pub processes_left: u32,
    /// All of it in one line.
    pub summary: String,
}

impl ClusterActedDoc {
    /// Writes down what came of an order, and how the cluster stands after it.
    #[must_use]
    pub fn new(done: &ClusterDone, cluster: ClusterDoc) -> Self {
        Self {
            cluster,
            hired: done.hired.clone(),
            started: done.started.clone(),
            stopped: done.stopped.clone(),
            in_turn: done.in_turn.clone(),
            failed: done
                .failed
                .iter()
                .map(|(process, why)| ClusterFailureDoc {
                    process: *process,
                    why: why.clone(),
                })
                .collect(),
            processes_ended: done.ended,
            processes_killed: done.killed,
            processes_left: done.left,
            summary: done.words(),
        }
    }
}

/// Starts a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterStartRequest {
    /// Where those work who are hired for it, absolute, if it has nobody yet; the workspace if it is not
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<PathBuf>,
}

/// Restarts a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterRestartRequest {
    /// Whether of each role one is restarted when the one before is up again.
    #[serde(default)]
    pub rolling: bool,
}

/// Brings roles of a cluster to numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterScaleRequest {
    /// How many of each; roles that are not named stay.
    pub roles: BTreeMap<String, u32>,
    /// As for a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<PathBuf>,
}
