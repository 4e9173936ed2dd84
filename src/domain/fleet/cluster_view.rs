//! What people see of a cluster: how many of whom, and what is to be said of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::cluster::{Cluster, ClusterView, MemberView};
use crate::domain::fleet::Fleet;
use crate::domain::fleet::cluster::is_left_out;
use crate::domain::role::Role;
use crate::domain::snapshot::{Activity, ProcessView};
use crate::domain::worktree::UseWorktree;

impl Fleet {
    pub(super) fn cluster_views(&self, views: &[Arc<ProcessView>]) -> Vec<Arc<ClusterView>> {
        let catalogue = &self.catalogue;
        let mut keys: Vec<&str> = catalogue
            .clusters
            .iter()
            .map(|one| one.key.as_str())
            .collect();
        for process in self.processes.values() {
            if let Some(key) = process.spec.cluster.as_deref()
                && !keys.contains(&key)
            {
                keys.push(key);
            }
        }
        let view = |key| Arc::new(self.cluster_view(key, views));
        keys.into_iter().map(view).collect()
    }

    fn cluster_view(&self, key: &str, views: &[Arc<ProcessView>]) -> ClusterView {
        let cluster = self.catalogue.cluster(key);
        let of_role = |role: &Role, declared: u32| MemberView {
            role: role.key.clone(),
            title: role.title.clone(),
            declared,
            wanted: self.wanted(key, &role.key, declared),
            ..MemberView::default()
        };
        let declared = cluster.map_or(&[][..], |cluster| &cluster.members);
        let mut members: Vec<MemberView> = declared
            .iter()
            .map(|member| of_role(&member.role, member.instances))
            .collect();
        for process in self.team(key) {
            let role = process.spec.role.as_str();
            let place = members.iter().position(|member| member.role == role);
            let place = place.unwrap_or_else(|| {
                let known = self.catalogue.role(role);
                members.push(MemberView {
                    role: role.to_owned(),
                    title: known.map_or_else(|| role.to_owned(), |role| role.title.clone()),
                    ..MemberView::default()
                });
                members.len() - 1
            });
            let Some(member) = members.get_mut(place) else {
                continue;
            };
            let count = match (is_left_out(process), process.upkeep.extra) {
                (true, _) => &mut member.spare,
                (false, true) => &mut member.extra,
                (false, false) => &mut member.hired,
            };
            *count += 1;
            member.up += u32::from(process.live().is_some());
            let view = views.iter().find(|view| view.id == process.id);
            let busy = view.is_some_and(|one| one.is_up() && one.activity == Activity::Busy);
            member.busy += u32::from(busy);
        }
        let mut notes: Vec<String> = members
            .iter()
            .filter_map(|member| member.difference(key))
            .collect();
        if cluster.is_none() {
            notes.insert(0, format!("[clusters.{key}] is not in roles.toml any more"));
        }
        notes.extend(self.shared_folder(key));
        ClusterView {
            key: key.to_owned(),
            declared: cluster.is_some(),
            load_balancing: cluster.map(|one| one.load_balancing).unwrap_or_default(),
            health: cluster.and_then(Cluster::health),
            members,
            notes,
        }
    }

    /// What is to be said where members work in one folder.
    fn shared_folder(&self, cluster: &str) -> Option<String> {
        let mut folders: BTreeMap<&PathBuf, usize> = BTreeMap::new();
        for process in self.team(cluster) {
            let placed = process.live().is_some_and(|live| live.details.is_some());
            let role = self.catalogue.role_for(&process.spec);
            let by_will = role.is_some_and(|role| role.worktree.when == UseWorktree::Never);
            if placed && process.worktree.is_none() && !by_will {
                *folders.entry(&process.working_directory).or_default() += 1;
            }
        }
        let (folder, count) = folders.into_iter().max_by_key(|(_, count)| *count)?;
        (count > 1).then(|| {
            format!(
                "{count} work in {} itself, without git worktrees: each sees the others' unfinished work",
                folder.display()
            )
        })
    }
}
