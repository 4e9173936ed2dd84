//! Clusters: declared teams that are started, stopped, restarted and sized as one.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::id::ProcessId;
use crate::domain::role::{LoadBalancing, Role};

/// More of one role than any cluster has.
pub const MOST: u32 = 1000;

/// A `[clusters.…]` table, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// The key, for example `development`.
    pub key: String,
    /// Who of its free ones gets a task that is for the cluster.
    pub load_balancing: LoadBalancing,
    /// Who belongs to it, in the order of the file; no role twice.
    pub members: Vec<Member>,
}

/// So many of a role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The role as it is held here: with what the cluster and its member say in place of the role's.
    pub role: Role,
    /// How many, at least 1.
    pub instances: u32,
}

impl Cluster {
    /// The member of a role.
    #[must_use]
    pub fn member(&self, role: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.role.key == role)
    }

    /// How often each of its processes is asked how it does, and how long an answer may take; `None`
    /// where its members differ.
    #[must_use]
    pub fn health(&self) -> Option<(Duration, Duration)> {
        let mut rules = self.members.iter().map(|member| {
            let rule = member.role.health;
            (rule.interval, rule.timeout)
        });
        let first = rules.next()?;
        rules.all(|rule| rule == first).then_some(first)
    }
}

/// An order to a cluster as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterOrder {
    /// Hires who is missing, and starts all who are down but those whom a smaller size left out.
    Start,
    /// Stops all after their current tasks; a second one interrupts these, a third one kills.
    Stop,
    /// Restarts all who are up, at once.
    Restart,
    /// Restarts all who are up: of each role one when the one before is up again.
    RestartRolling,
    /// Brings roles to these numbers: takes back, hires and starts, or stops, idle ones first.
    Scale(Vec<(String, u32)>),
}

/// Whom an order to a cluster concerned, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClusterDone {
    /// Hired by it.
    pub hired: Vec<ProcessId>,
    /// Up and ready, those hired by it as well.
    pub started: Vec<ProcessId>,
    /// Down.
    pub stopped: Vec<ProcessId>,
    /// To be restarted, each when the one before is up again.
    pub in_turn: Vec<ProcessId>,
    /// Not where they were to be, and why.
    pub failed: Vec<(ProcessId, String)>,
    /// Of all that were stopped: processes of their trees that ended.
    pub ended: u32,
    /// Of these, those that had to be killed.
    pub killed: u32,
    /// Processes that could not be ended.
    pub left: u32,
}

impl ClusterDone {
    /// In one line.
    #[must_use]
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        let mut part = |count: usize, words: &str| {
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        };
        part(self.hired.len(), "hired");
        part(self.started.len(), "started");
        part(
            self.in_turn.len(),
            "restart, of each role one after the other",
        );
        part(self.failed.len(), "did not come up");
        part(self.stopped.len(), "stopped");
        let mut line = match parts.as_slice() {
            [] => "nothing to do".to_owned(),
            parts => parts.join(", "),
        };
        if self.ended > 0 {
            let killed = match self.killed {
                0 => String::new(),
                killed => format!(" ({killed} had to be killed)"),
            };
            let processes = if self.ended == 1 {
                "process"
            } else {
                "processes"
            };
            line.push_str(&format!(
                ": {} {processes} ended, {} left{killed}",
                self.ended, self.left
            ));
        }
        line
    }
}

/// A cluster at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterView {
    /// The key.
    pub key: String,
    /// Whether `roles.toml` declares it; a team whose table is gone is shown until it is let go.
    pub declared: bool,
    /// Who of its free ones gets a task that is for the cluster.
    pub load_balancing: LoadBalancing,
    /// From one check to the next, and the time for an answer.
    pub health: Option<(Duration, Duration)>,
    /// By role, in the order of the file.
    pub members: Vec<MemberView>,
    /// What a person should know: how it differs from what is declared, and how its members share a
    /// folder.
    pub notes: Vec<String>,
}

/// One role of a cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberView {
    /// The role's key.
    pub role: String,
    /// The role's title.
    pub title: String,
    /// As `roles.toml` has it; 0 if it does not name the role any more.
    pub declared: u32,
    /// As it is to be: as declared, or as a person scaled it.
    pub wanted: u32,
    /// Members who count: hired, and not left out by a smaller size.
    pub hired: u32,
    /// Hired by the program itself besides, for a long queue.
    pub extra: u32,
    /// Left out by a smaller size, down, and there to be taken back.
    pub spare: u32,
    /// With a run that is not over, of all of these.
    pub up: u32,
    /// At work.
    pub busy: u32,
}

impl ClusterView {
    /// The sum over its roles.
    #[must_use]
    pub fn sum(&self) -> MemberView {
        let mut sum = MemberView::default();
        for member in &self.members {
            sum.declared += member.declared;
            sum.wanted += member.wanted;
            sum.hired += member.hired;
            sum.extra += member.extra;
            sum.spare += member.spare;
            sum.up += member.up;
            sum.busy += member.busy;
        }
        sum
    }
}

impl MemberView {
    /// How it differs from what is declared or wanted, and what to do; `None` if it does not.
    #[must_use]
    pub fn difference(&self, cluster: &str) -> Option<String> {
        let role = &self.role;
        if self.declared == 0 {
            return Some(format!(
                "{role} is not declared any more: {} there; stop and remove them, or scale to {role}=0",
                self.hired + self.extra
            ));
        }
        // Before the first start nobody is missed.
        let missing = self.wanted.saturating_sub(self.hired);
        let scaled = (self.wanted != self.declared).then(|| {
            format!(
                "{role}: roles.toml declares {}, it was scaled to {}",
                self.declared, self.wanted
            )
        });
        let missed = (missing > 0 && self.hired > 0).then(|| {
            let is = if missing == 1 { "is" } else { "are" };
            format!(
                "{role}: {missing} of {} {is} not hired yet; `headcount cluster start {cluster}` does",
                self.wanted
            )
        });
        let over = self.hired.saturating_sub(self.wanted);
        let over = (over > 0).then(|| {
            format!(
                "{role}: {over} more than {}; `headcount cluster scale {cluster} {role}={}` stops them, idle ones first",
                self.wanted, self.wanted
            )
        });
        let words: Vec<String> = [scaled, missed, over].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// An order to a cluster, with where to hire if nobody of it is there yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToCluster {
    /// The cluster's key.
    pub cluster: String,
    /// What is to be done.
    pub order: ClusterOrder,
    /// Where new ones work if the cluster has nobody; the workspace if it is not given.
    pub folder: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_said_with_what_to_do() {
        let member = |declared, wanted, hired| MemberView {
            role: "sre".to_owned(),
            declared,
            wanted,
            hired,
            ..MemberView::default()
        };
        let says = |declared, wanted, hired| member(declared, wanted, hired).difference("ops");
        assert_eq!(says(2, 2, 2), None);
        assert_eq!(says(2, 2, 0), None);
        for (declared, wanted, hired, words) in [
            (
                3,
                3,
                2,
                "sre: 1 of 3 is not hired yet; `headcount cluster start ops` does",
            ),
            (2, 4, 4, "sre: roles.toml declares 2, it was scaled to 4"),
            (
                2,
                2,
                3,
                "sre: 1 more than 2; `headcount cluster scale ops sre=2` stops them, idle ones first",
            ),
            (
                0,
                0,
                2,
                "sre is not declared any more: 2 there; stop and remove them, or scale to sre=0",
            ),
        ] {
            assert_eq!(says(declared, wanted, hired).as_deref(), Some(words));
        }
    }
}
