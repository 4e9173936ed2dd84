//! Orders to clusters: whole teams are hired, started, stopped, restarted and sized as one.
//!
//! A member that a smaller size leaves out is stopped and stays on the staff, with its record and its
//! worktree: it counts no more, and is the first to come back when the cluster grows again.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::domain::automation::Rest;
use crate::domain::cluster::{Cluster, ClusterDone, ClusterOrder, MOST, ToCluster};
use crate::domain::command::{NewProcess, Outcome, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::fleet::staff::answer_for;
use crate::domain::fleet::writing::{Pending, Undo};
use crate::domain::fleet::{Fleet, Until};
use crate::domain::id::ProcessId;
use crate::domain::nearest::{nearest, owned};
use crate::domain::process::{After, Phase, Process};
use crate::domain::snapshot::Level;
use crate::domain::time::Mono;

/// An order to a cluster that is answered when each of its processes has come to where it is to be.
#[derive(Debug)]
pub(super) struct Gathering {
    reply: ReplyId,
    cluster: String,
    done: ClusterDone,
    open: BTreeMap<ProcessId, Until>,
    /// Whether it may be answered before anything is on disk: that all are down is a fact.
    at_once: bool,
}

/// What is taken back when an order to a cluster could not be written.
#[derive(Debug, Clone)]
pub(super) struct Before {
    hired: Vec<ProcessId>,
    cluster: String,
    scaled: Option<BTreeMap<String, u32>>,
}

/// An order in words, for the record.
pub(super) fn in_words(to: &ToCluster) -> String {
    let what = match &to.order {
        ClusterOrder::Start => "to be started".to_owned(),
        ClusterOrder::Stop => "to be stopped".to_owned(),
        ClusterOrder::Restart => "to be restarted".to_owned(),
        ClusterOrder::RestartRolling => "to be restarted, one by one".to_owned(),
        ClusterOrder::Scale(sizes) => {
            let sizes = sizes.iter().map(|(role, count)| format!("{role}={count}"));
            format!("to be scaled: {}", sizes.collect::<Vec<_>>().join(" "))
        }
    };
    format!("cluster {}: {what}", to.cluster)
}

impl Fleet {
    pub(super) fn cluster(&mut self, reply: ReplyId, to: ToCluster) -> Result<(), Refusal> {
        let key = to.cluster.as_str();
        let declared = self.catalogue.cluster(key).cloned();
        let there = self.team(key).next().is_some();
        if declared.is_none() && !there {
            return Err(self.unknown_cluster(key));
        }
        let before = self.meta.scaled.get(key).cloned();
        let mut gathering = Gathering {
            reply,
            cluster: to.cluster.clone(),
            done: ClusterDone::default(),
            open: BTreeMap::new(),
            at_once: to.order == ClusterOrder::Stop,
        };
        match &to.order {
            ClusterOrder::Stop => self.stop_cluster(key, &mut gathering)?,
            order => {
                self.refuse_in_shutdown()?;
                match order {
                    ClusterOrder::Start => {
                        let cluster = declared.as_ref().ok_or_else(|| gone(key))?;
                        self.start_cluster(cluster, to.folder.as_ref(), &mut gathering)?;
                    }
                    ClusterOrder::Scale(sizes) => {
                        let sizes = self.checked(key, declared.as_ref(), sizes)?;
                        for (role, count) in sizes {
                            let size = (role.as_str(), count);
                            self.scale_role(key, size, to.folder.as_ref(), &mut gathering)?;
                        }
                    }
                    ClusterOrder::RestartRolling => self.roll_cluster(key, &mut gathering)?,
                    ClusterOrder::Restart | ClusterOrder::Stop => {
                        let up = self.up_of(key)?;
                        for id in up {
                            self.restart_one(id);
                            gathering.open.insert(id, Until::Up);
                        }
                    }
                }
            }
        }
        let hired = gathering.done.hired.clone();
        if !hired.is_empty() || self.meta.scaled.get(key) != before.as_ref() {
            let before = Before {
                hired,
                cluster: to.cluster,
                scaled: before,
            };
            self.undo.push(Undo::Cluster(Box::new(before), reply));
        }
        self.gatherings.push(gathering);
        self.look_at_schedules();
        self.changed = true;
        Ok(())
    }

    /// Everyone of a cluster.
    pub(super) fn team<'a>(&'a self, cluster: &'a str) -> impl Iterator<Item = &'a Process> {
        self.processes
            .values()
            .filter(move |process| process.spec.cluster.as_deref() == Some(cluster))
    }

    fn up_of(&self, cluster: &str) -> Result<Vec<ProcessId>, Refusal> {
        let team = self.team(cluster);
        let up: Vec<ProcessId> = team
            .filter(|process| process.live().is_some() && !is_left_out(process))
            .map(|process| process.id)
            .collect();
        if up.is_empty() {
            let text =
                format!("nobody of {cluster} is up; start it: `headcount cluster start {cluster}`");
            return Err(Refusal::State(text));
        }
        Ok(up)
    }

    pub(super) fn unknown_cluster(&self, name: &str) -> Refusal {
        let declared = self.catalogue.clusters.iter().map(|one| one.key.as_str());
        let there = self.processes.values();
        let there = there.filter_map(|process| process.spec.cluster.as_deref());
        let keys: std::collections::BTreeSet<&str> = declared.chain(there).collect();
        Refusal::UnknownCluster {
            near: owned(nearest(name, keys)),
            name: name.to_owned(),
        }
    }

    /// Whether there is a cluster of this key: declared, or with somebody in it.
    pub(super) fn is_cluster(&self, key: &str) -> bool {
        self.catalogue.cluster(key).is_some() || self.team(key).next().is_some()
    }

    /// How many of a role a cluster is to have.
    pub(super) fn wanted(&self, cluster: &str, role: &str, declared: u32) -> u32 {
        let scaled = self.meta.scaled.get(cluster);
        let scaled = scaled.and_then(|roles| roles.get(role)).copied();
        scaled.unwrap_or(declared)
    }

    fn start_cluster(
        &mut self,
        cluster: &Cluster,
        folder: Option<&PathBuf>,
        gathering: &mut Gathering,
    ) -> Result<(), Refusal> {
        let key = cluster.key.as_str();
        for member in &cluster.members {
            let role = member.role.key.as_str();
            let wanted = self.wanted(key, role, member.instances);
            let hired = self.counted(key, role).count();
            let missing = (wanted as usize).saturating_sub(hired);
            self.grow(key, role, missing, folder, gathering)?;
        }
        let down: Vec<(ProcessId, bool)> = self
            .team(key)
            .filter(|process| !is_left_out(process) && !gathering.open.contains_key(&process.id))
            .filter(|process| process.live().is_none_or(|live| live.stage.is_stopping()))
            .map(|process| (process.id, process.upkeep.extra))
            .collect();
        for (id, extra) in down {
            if extra {
                // Nobody asked for these by name; a long queue brings them back.
                self.let_it_be_started(id);
            } else if self.start_one(id)? {
                gathering.open.insert(id, Until::Up);
            }
        }
        Ok(())
    }

    /// A person has its cluster work again: what was stopped with it is for tasks to start.
    fn let_it_be_started(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get_mut(&id)
            && matches!(process.phase, Phase::Down)
            && process.upkeep.rest == Rest::Person
        {
            process.upkeep.rest = Rest::Idle;
            process.reason = "its cluster was started; a task starts it".to_owned();
            self.touch(id);
        }
    }

    fn stop_cluster(&mut self, cluster: &str, gathering: &mut Gathering) -> Result<(), Refusal> {
        let team: Vec<ProcessId> = self
            .team(cluster)
            .filter(|process| !is_left_out(process))
            .map(|process| process.id)
            .collect();
        for id in team {
            if self.stop_one(id)? {
                gathering.open.insert(id, Until::Down);
            }
        }
        Ok(())
    }

    fn roll_cluster(&mut self, cluster: &str, gathering: &mut Gathering) -> Result<(), Refusal> {
        for id in self.up_of(cluster)? {
            let live = self.live_mut(id);
            let Some(live) = live.filter(|live| !live.stage.is_stopping()) else {
                continue;
            };
            live.restart_in_turn = true;
            live.restart_when_idle = false;
            gathering.done.in_turn.push(id);
            self.touch(id);
        }
        Ok(())
    }

    /// The sizes that were asked for, if each is one of a role that the cluster has.
    fn checked(
        &self,
        key: &str,
        cluster: Option<&Cluster>,
        sizes: &[(String, u32)],
    ) -> Result<Vec<(String, u32)>, Refusal> {
        if sizes.is_empty() {
            let text = "say which role and how many: ROLE=N".to_owned();
            return Err(Refusal::Invalid(text));
        }
        for (index, (role, count)) in sizes.iter().enumerate() {
            if sizes.iter().take(index).any(|(other, _)| other == role) {
                return Err(Refusal::Invalid(format!("`{role}` is given twice")));
            }
            if *count > MOST {
                let text = format!("{count} of a role are too many; at most {MOST}");
                return Err(Refusal::Invalid(text));
            }
            if cluster.is_some_and(|cluster| cluster.member(role).is_some()) {
                continue;
            }
            let there = self.serving(key, role).count();
            match there {
                // What is declared no more can only be let go.
                there if there > 0 && *count as usize <= there => {}
                0 => {
                    let members = cluster.map_or(&[][..], |cluster| &cluster.members);
                    let keys = members.iter().map(|member| member.role.key.as_str());
                    let near = nearest(role, keys.clone()).first().map_or_else(
                        || format!("it has {}", keys.collect::<Vec<_>>().join(", ")),
                        |near| format!("the nearest is `{near}`"),
                    );
                    let text = format!("the cluster {key} has no role `{role}`; {near}");
                    return Err(Refusal::Invalid(text));
                }
                _ => return Err(gone(key)),
            }
        }
        Ok(sizes.to_vec())
    }

    /// Those of a role that a size counts.
    fn counted<'a>(&'a self, cluster: &'a str, role: &'a str) -> impl Iterator<Item = &'a Process> {
        self.serving(cluster, role)
            .filter(|process| !process.upkeep.extra)
    }

    /// Those of a role that were not left out by a smaller size.
    fn serving<'a>(&'a self, cluster: &'a str, role: &'a str) -> impl Iterator<Item = &'a Process> {
        self.team(cluster)
            .filter(move |process| process.spec.role == role && !is_left_out(process))
    }

    fn scale_role(
        &mut self,
        cluster: &str,
        (role, count): (&str, u32),
        folder: Option<&PathBuf>,
        gathering: &mut Gathering,
    ) -> Result<(), Refusal> {
        let declared = self.catalogue.cluster(cluster);
        let declared = declared.and_then(|cluster| cluster.member(role));
        let declared = declared.map_or(0, |member| member.instances);
        let sizes = self.meta.scaled.entry(cluster.to_owned()).or_default();
        if count == declared {
            sizes.remove(role);
        } else {
            sizes.insert(role.to_owned(), count);
        }
        if sizes.is_empty() {
            self.meta.scaled.remove(cluster);
        }
        self.dirty.meta = true;
        let mut going: Vec<_> = self
            .serving(cluster, role)
            .map(|process| (who_goes_first(process), process.id))
            .collect();
        going.sort_unstable();
        let surplus = going.len().saturating_sub(count as usize);
        for (_, id) in going.drain(..surplus) {
            if self.leave_out(id, count) {
                gathering.open.insert(id, Until::Down);
            } else {
                gathering.done.stopped.push(id);
            }
        }
        // A person has said how many there are to be: nobody is there besides.
        for (_, id) in &going {
            if let Some(process) = self.processes.get_mut(id)
                && std::mem::take(&mut process.upkeep.extra)
            {
                self.touch(*id);
                self.let_it_be_started(*id);
            }
        }
        let missing = (count as usize).saturating_sub(going.len());
        self.grow(cluster, role, missing, folder, gathering)
    }

    /// Takes back those who were left out, then hires, and starts all of these.
    fn grow(
        &mut self,
        cluster: &str,
        role: &str,
        missing: usize,
        folder: Option<&PathBuf>,
        gathering: &mut Gathering,
    ) -> Result<(), Refusal> {
        let mut spare: Vec<(bool, ProcessId)> = self
            .team(cluster)
            .filter(|process| process.spec.role == role && is_left_out(process))
            .map(|process| (process.live().is_some(), process.id))
            .collect();
        spare.sort_unstable();
        let taken: Vec<ProcessId> = spare.iter().take(missing).map(|(_, id)| *id).collect();
        for id in &taken {
            if let Some(process) = self.processes.get_mut(id) {
                process.upkeep.extra = false;
            }
            if self.start_one(*id)? {
                gathering.open.insert(*id, Until::Up);
            }
        }
        let home = self.team(cluster).next();
        let home = home.map(|process| process.working_directory.clone());
        let home = home.or_else(|| folder.cloned());
        for _ in taken.len()..missing {
            let id = self.take_on(NewProcess {
                role: role.to_owned(),
                cluster: Some(cluster.to_owned()),
                working_directory: home.clone(),
                ..NewProcess::default()
            })?;
            gathering.done.hired.push(id);
            gathering.open.insert(id, Until::Created);
            self.launch(id);
        }
        Ok(())
    }

    /// Has a member go for a smaller size; returns whether there is an end to wait for.
    fn leave_out(&mut self, id: ProcessId, size: u32) -> bool {
        let reason = format!("its cluster was scaled to {size}; a larger size takes it back");
        let Some(process) = self.processes.get_mut(&id) else {
            return false;
        };
        match &mut process.phase {
            Phase::Live(live) if live.stage.is_stopping() => {
                live.after = After::Stay;
                live.shift.rest = Rest::Scaled;
                live.shift.reason = Some(reason);
                self.touch(id);
                true
            }
            Phase::Live(_) => {
                self.end_by_itself(id, Rest::Scaled, reason);
                true
            }
            _ => {
                self.rest(id, Rest::Scaled, &reason, self.by);
                false
            }
        }
    }

    /// Answers the orders of which everyone has come to where it is to be.
    pub(super) fn answer_gatherings(&mut self) {
        let mut gatherings = std::mem::take(&mut self.gatherings);
        let mut open = Vec::new();
        for mut gathering in gatherings.drain(..) {
            self.gather(&mut gathering);
            gathering.done.started.sort_unstable();
            gathering.done.stopped.sort_unstable();
            if gathering.open.is_empty() {
                self.answer_gathering(gathering);
            } else {
                open.push(gathering);
            }
        }
        self.gatherings.extend(open);
    }

    fn gather(&self, gathering: &mut Gathering) {
        let done = &mut gathering.done;
        gathering.open.retain(|id, until| {
            let Some(process) = self.processes.get(id) else {
                done.failed
                    .push((*id, "it was removed meanwhile".to_owned()));
                return false;
            };
            match answer_for(process, *until) {
                None => return true,
                Some(Ok(Outcome::Stopped(_, exit))) => {
                    done.stopped.push(*id);
                    if let Some(exit) = exit {
                        let count = |list: &[_]| u32::try_from(list.len()).unwrap_or(u32::MAX);
                        done.ended += exit.ended;
                        done.killed += count(&exit.killed);
                        done.left += count(&exit.left);
                    }
                }
                Some(Ok(_)) => done.started.push(*id),
                Some(Err(Refusal::Fault { fault, .. })) => {
                    done.failed.push((*id, fault.to_string()));
                }
                Some(Err(refusal)) => done.failed.push((*id, refusal.to_string())),
            }
            false
        });
    }

    fn answer_gathering(&mut self, gathering: Gathering) {
        let Gathering {
            reply,
            cluster,
            done,
            at_once,
            ..
        } = gathering;
        let level = if done.failed.is_empty() && done.left == 0 {
            Level::Info
        } else {
            Level::Warning
        };
        self.say(level, None, format!("{cluster}: {}", done.words()));
        let outcome = Ok(Outcome::Cluster(Box::new(done)));
        if at_once {
            self.reply(reply, outcome);
        } else {
            self.reply_durably(reply, outcome);
        }
    }

    pub(super) fn take_cluster_back(
        &mut self,
        before: Before,
        reply: ReplyId,
        pending: &mut Pending,
    ) {
        for id in before.hired {
            self.take_process_back(id, reply, pending);
        }
        match before.scaled {
            Some(scaled) => self.meta.scaled.insert(before.cluster, scaled),
            None => self.meta.scaled.remove(&before.cluster),
        };
        self.gatherings.retain(|one| one.reply != reply);
        self.unsay(reply);
    }
}

/// Whether a smaller size has left it out: down for that, or on its way.
pub(super) fn is_left_out(process: &Process) -> bool {
    match &process.phase {
        Phase::Down => process.upkeep.rest == Rest::Scaled,
        Phase::Live(live) => {
            live.stage.is_stopping() && live.after == After::Stay && live.shift.rest == Rest::Scaled
        }
        _ => false,
    }
}

/// Who is down goes first, then who is idle, the longest first, then who is at work; of these whom
/// the program hired itself, and who came last.
fn who_goes_first(process: &Process) -> (u8, bool, Mono, Reverse<ProcessId>) {
    let latest = Mono(u64::MAX);
    let (rank, since) = match &process.phase {
        Phase::Live(live) if process.is_free() => (1, live.shift.idle_since.unwrap_or(latest)),
        Phase::Live(live) if live.turn.task().is_none() => (2, latest),
        Phase::Live(_) => (3, latest),
        _ => (0, latest),
    };
    (rank, !process.upkeep.extra, since, Reverse(process.id))
}

fn gone(cluster: &str) -> Refusal {
    Refusal::State(format!(
        "{cluster} is not declared like that any more: put it back into [clusters.{cluster}] of roles.toml, or make it smaller"
    ))
}
