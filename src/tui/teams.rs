//! What keys do on the head of a cluster: the whole team is started, stopped, restarted, sized.

use crate::domain::cluster::{ClusterOrder, ClusterView, ToCluster};
use crate::domain::command::Command;
use crate::domain::snapshot::{Level, Snapshot};
use crate::tui::action::Action;
use crate::tui::chrome::Tab;
use crate::tui::dialogs::confirm::Confirm;
use crate::tui::dialogs::sizes::SizesDialog;
use crate::tui::dialogs::{Dialog, Order};
use crate::tui::keys::Verb;
use crate::tui::scene::Scene;
use crate::tui::view::View;

/// Why there is nothing that is done to clusters.
const NO_CLUSTERS: &str = "No clusters: write [clusters.NAME] into roles.toml.";

impl View {
    /// The cluster that keys act on: its head is selected, and nobody is marked.
    pub(crate) fn team<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a ClusterView> {
        let in_front = self.pages.is_empty() && self.tab == Tab::Processes;
        if !in_front || !self.processes.marked.is_empty() {
            return None;
        }
        self.processes.cluster(snapshot)
    }

    /// Start, stop, restart: what ends work asks first.
    pub(crate) fn control_team(&mut self, verb: Verb, snapshot: &Snapshot) -> Vec<Action> {
        let Some(cluster) = self.team(snapshot) else {
            return Vec::new();
        };
        let sum = cluster.sum();
        let key = cluster.key.clone();
        if verb != Verb::Start && sum.up == 0 {
            self.note(Level::Info, format!("Nobody of {key} is up: s starts it."));
            return Vec::new();
        }
        let (word, order) = match verb {
            Verb::Start => ("start", ClusterOrder::Start),
            Verb::Stop => ("stop", ClusterOrder::Stop),
            Verb::InTurn => ("restart", ClusterOrder::RestartRolling),
            _ => ("restart", ClusterOrder::Restart),
        };
        let to = ToCluster {
            cluster: key.clone(),
            order,
            folder: None,
        };
        let order = Order::new(format!("{word} {key}"), Command::Cluster(to));
        let (question, consequence) = match verb {
            Verb::Start => {
                let missing = sum.wanted.saturating_sub(sum.hired);
                let line = match missing {
                    0 => format!("{key} starts."),
                    missing => format!("{key} starts; {missing} are hired for it."),
                };
                self.note(Level::Info, line);
                return self.give(vec![order]);
            }
            Verb::Stop => (
                format!("Stop {key}, {} who are up?", sum.up),
                "They stop after their current tasks, and stay down until you start them. A second \
                 stop interrupts the tasks, a third one kills.",
            ),
            Verb::InTurn => (
                format!("Restart {key} one by one, {} who are up?", sum.up),
                "Of each role one at a time, after its current task; the next when it is up again.",
            ),
            _ => (
                format!("Restart {key}, {} who are up?", sum.up),
                "Each stops after its current task and starts with prompt and settings as they are \
                 on disk. O takes one of each role at a time.",
            ),
        };
        let dialog = Confirm::new(question, consequence.to_owned(), vec![order]);
        self.dialogs.push(Dialog::Confirm(dialog));
        Vec::new()
    }

    /// Asks how many of each role it is to have.
    pub(crate) fn scale(&mut self, verb: Verb, snapshot: &Snapshot) {
        match self.team(snapshot) {
            Some(cluster) => {
                let by = if verb == Verb::Fewer { -1 } else { 1 };
                let dialog = SizesDialog::new(cluster, by);
                self.dialogs.push(Dialog::Sizes(dialog));
            }
            None => {
                let line = if snapshot.clusters.is_empty() {
                    NO_CLUSTERS
                } else if self.processes.by_cluster {
                    "That is for the head of a cluster; k goes up to it."
                } else {
                    "That is for the head of a cluster; T shows the list by cluster."
                };
                self.note(Level::Info, line);
            }
        }
    }

    /// Shows the list by cluster, or by department again.
    pub(crate) fn turn_teams(&mut self, snapshot: &Snapshot) {
        if snapshot.clusters.is_empty() {
            self.note(Level::Info, NO_CLUSTERS);
            return;
        }
        self.processes.turn(snapshot);
        let line = if self.processes.by_cluster {
            "By cluster: on a head s x r act on all of it, + sizes it. T: by department."
        } else {
            "By department."
        };
        self.note(Level::Info, line);
    }

    /// What is to be known of a cluster.
    pub(crate) fn why_team(&mut self, scene: Scene<'_>) {
        let Some(cluster) = self.team(scene.snapshot) else {
            return;
        };
        let scaling = scene.snapshot.scaling.iter();
        let scaling = scaling
            .filter(|one| one.cluster.as_deref() == Some(cluster.key.as_str()))
            .map(|one| format!("{}: {}", one.role, one.text));
        let notes: Vec<String> = scaling.chain(cluster.notes.iter().cloned()).collect();
        let line = match notes.as_slice() {
            [] => format!("{} is as it is declared.", cluster.key),
            notes => notes.join("; "),
        };
        self.note(Level::Info, line);
    }
}
