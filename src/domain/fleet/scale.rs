//! Automatic scaling: when tasks wait and nobody who is there can be started, one more is hired.
//!
//! It goes up one by one, never above `max_processes`, never for whom a person stopped, and not on an
//! account or a machine that is short already. Whom it hired is stopped first when there is nothing to
//! do, and stays on the staff: nothing of its work is deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::automation::{Autostart, Overrides, Rest};
use crate::domain::command::NewProcess;
use crate::domain::fleet::automation::is_coming;
use crate::domain::fleet::{Fleet, ITSELF};
use crate::domain::id::ProcessId;
use crate::domain::process::{After, Phase, Process, Stage};
use crate::domain::role::{Kind, Protocol};
use crate::domain::scale::{Demand, ScalingView, Watch};
use crate::domain::task::Target;
use crate::domain::time::Mono;

/// Targets that are looked at, in the order of their first tasks.
const TARGETS: usize = 64;

/// For whom somebody is hired.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    cluster: Option<String>,
    role: String,
}

/// What is kept of one.
#[derive(Debug, Default)]
pub(super) struct Scaling {
    watch: Watch,
    view: Option<Arc<ScalingView>>,
}

impl Fleet {
    /// Looks at what waits, and hires one where that has lasted.
    pub(super) fn scale(&mut self) {
        let policy = self.catalogue.auto_start;
        let demands = if policy.enabled
            && (policy.long_queue || policy.on_demand)
            && self.shutdown.is_none()
            && self.successor.is_none()
        {
            self.demands()
        } else {
            BTreeMap::new()
        };
        for (group, scaling) in &mut self.scaling {
            if !demands.contains_key(group) {
                scaling.watch = Watch::default();
                if scaling.view.as_ref().is_some_and(|view| view.holds) {
                    scaling.view = None;
                    self.changed = true;
                }
            }
        }
        let by = std::mem::replace(&mut self.by, ITSELF);
        for (group, tasks) in demands {
            self.scale_group(group, tasks);
        }
        self.by = by;
    }

    /// When a condition will have lasted for long enough.
    pub(super) fn scale_due(&self) -> Option<Mono> {
        let rule = self.catalogue.auto_start.rule;
        self.scaling
            .values()
            .filter_map(|scaling| scaling.watch.due(&rule))
            // What is due and held back waits for its cause to go, not for a time.
            .filter(|at| *at > self.now.mono)
            .min()
    }

    /// What scaling has to say.
    pub(super) fn scaling_views(&self) -> Vec<Arc<ScalingView>> {
        let views = self.scaling.values().filter_map(|one| one.view.clone());
        views.collect()
    }

    /// How many tasks wait for whom.
    fn demands(&self) -> BTreeMap<Group, usize> {
        let mut demands = BTreeMap::new();
        if self.queue.is_empty() {
            return demands;
        }
        for (target, count) in self.queue.waiting().into_iter().take(TARGETS) {
            if let Some(group) = self.group_for(target) {
                *demands.entry(group).or_default() += count;
            }
        }
        demands
    }

    /// Of which role one more would do tasks of this target: one of which somebody is up already.
    fn group_for(&self, target: &Target) -> Option<Group> {
        if target.process.is_some() {
            return None;
        }
        let mut roles: BTreeMap<&str, usize> = BTreeMap::new();
        for process in self.processes.values() {
            let up = process.live().is_some_and(|live| live.stage == Stage::Up);
            if up && self.may_be_joined(process) && self.fits(target, process.id) {
                *roles.entry(process.spec.role.as_str()).or_default() += 1;
            }
        }
        let role = match (&target.role, &target.cluster) {
            (Some(role), _) => roles.contains_key(role.as_str()).then_some(role.as_str()),
            (None, Some(cluster)) => self.scarcest(cluster, &roles),
            (None, None) => {
                let place = |key: &str| {
                    let mut all = self.catalogue.roles.iter();
                    all.position(|role| role.key == key)
                };
                let most = roles
                    .iter()
                    .min_by_key(|(role, count)| (std::cmp::Reverse(**count), place(role)));
                most.map(|(role, _)| *role)
            }
        }?;
        Some(Group {
            cluster: target.cluster.clone(),
            role: role.to_owned(),
        })
    }

    /// The role of a cluster that it has least of, as against what is declared: so it keeps its shape.
    fn scarcest<'a>(&self, cluster: &str, up: &BTreeMap<&'a str, usize>) -> Option<&'a str> {
        let members = &self.catalogue.cluster(cluster)?.members;
        let share = |role: &str| {
            let member = members.iter().find(|member| member.role.key == role)?;
            let there = self.processes.values().filter(|process| {
                process.spec.role == role && process.spec.cluster.as_deref() == Some(cluster)
            });
            // In thousandths, that it can be compared.
            Some(there.count() * 1000 / member.instances.max(1) as usize)
        };
        let place = |role: &str| members.iter().position(|member| member.role.key == role);
        let shares = up
            .keys()
            .filter_map(|role| Some((share(role)?, place(role)?, *role)));
        shares.min().map(|(_, _, role)| role)
    }

    /// Whether one more like it may be hired at all.
    fn may_be_joined(&self, process: &Process) -> bool {
        process.protocol == Protocol::ClaudeStreamJson
            && self.kind_of(process) == Kind::Batch
            && self.standing_text(process).is_none()
            && self.autostart_of(process) != Autostart::Never
    }

    fn of_group<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Process> {
        self.processes.values().filter(move |process| {
            process.spec.role == group.role
                && (group.cluster.is_none() || process.spec.cluster == group.cluster)
        })
    }

    fn scale_group(&mut self, group: Group, tasks: usize) {
        let policy = self.catalogue.auto_start;
        let staff = self.of_group(&group).filter(|one| self.may_be_joined(one));
        let at_hand: Vec<&Process> = staff.filter(|one| works(one)).collect();
        let demand = Demand {
            tasks,
            up: at_hand.len(),
            coming: at_hand.iter().any(|process| is_coming(process)),
        };
        let now = self.now.mono;
        let triggers = (policy.long_queue, policy.on_demand);
        let scaling = self.scaling.entry(group.clone()).or_default();
        if !scaling.watch.look(demand, &policy.rule, triggers, now) {
            if scaling.view.as_ref().is_some_and(|view| view.holds) {
                scaling.view = None;
                self.changed = true;
            }
            return;
        }
        if let Some(why) = self.why_nobody_is_hired(&group) {
            let text = format!("holding at {}: {why}", demand.up);
            self.tell_scaling(&group, true, text);
            return;
        }
        let waits = match (tasks, demand.up) {
            (1, up) => format!("1 task waits for {up}"),
            (tasks, up) => format!("{tasks} tasks wait for {up}"),
        };
        if let Some(id) = self.down_of(&group) {
            let text = format!("started {} ({}): {waits}", self.name_of(id), group.role);
            self.start_unasked(id, &format!("started: {waits}"));
            self.has_scaled(&group, text);
            return;
        }
        let Some(new) = self.one_more(&group) else {
            return;
        };
        match self.take_on(new) {
            Ok(id) => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.upkeep.extra = true;
                    process.upkeep.rest = Rest::Idle;
                }
                let text = format!("hired {} ({}): {waits}", self.name_of(id), group.role);
                self.start_unasked(id, &format!("hired by headcount itself: {waits}"));
                self.has_scaled(&group, text);
            }
            Err(refusal) => {
                let text = format!("holding at {}: {refusal}", demand.up);
                self.tell_scaling(&group, true, text);
            }
        }
    }

    fn has_scaled(&mut self, group: &Group, text: String) {
        if let Some(scaling) = self.scaling.get_mut(group) {
            scaling.watch = Watch::default();
        }
        self.tell_scaling(group, false, text);
    }

    fn tell_scaling(&mut self, group: &Group, holds: bool, text: String) {
        let scaling = self.scaling.entry(group.clone()).or_default();
        let known = scaling.view.as_ref();
        if known.is_some_and(|view| view.holds == holds && view.text == text) {
            return;
        }
        // Since when it holds, whatever the cause is at present.
        let since = known.filter(|view| view.holds && holds).map(|view| view.at);
        scaling.view = Some(Arc::new(ScalingView {
            cluster: group.cluster.clone(),
            role: group.role.clone(),
            at: since.unwrap_or(self.now.wall),
            holds,
            text,
        }));
        self.changed = true;
    }

    /// Somebody whom scaling hired has nothing to do any more.
    pub(super) fn tell_retired(&mut self, id: ProcessId, time: &str) {
        let Some(process) = self.processes.get(&id).filter(|one| one.upkeep.extra) else {
            return;
        };
        let known = self.scaling.keys().find(|group| {
            group.role == process.spec.role
                && (group.cluster.is_none() || group.cluster == process.spec.cluster)
        });
        let group = known.cloned().unwrap_or_else(|| Group {
            cluster: process.spec.cluster.clone(),
            role: process.spec.role.clone(),
        });
        let text = format!("retired {} ({}): idle for {time}", process.name, group.role);
        self.tell_scaling(&group, false, text);
    }

    /// Why nobody is hired although more are wanted.
    fn why_nobody_is_hired(&self, group: &Group) -> Option<String> {
        if self.refused {
            return Some("the state cannot be written".to_owned());
        }
        let most = self.catalogue.auto_start.max_processes;
        if self.running() >= most {
            return Some(format!("{most} are up, and no more start by themselves"));
        }
        for process in self.of_group(group) {
            if let Some(why) = why_not_another(process) {
                return Some(why);
            }
        }
        let one = self.of_group(group).find(|process| works(process))?;
        if self.account_is_blocked(one) {
            let until = self.account_until();
            return Some(format!("the account is blocked{until}"));
        }
        if let Some(why) = self.strain.why() {
            return Some(why.to_owned());
        }
        let promised = |process: &Process| {
            let role = self.catalogue.role_for(&process.spec);
            let memory = process.spec.memory.or(role.map(|role| role.memory));
            memory.map_or(0, |memory| memory.min)
        };
        let live = self.processes.values().filter(|one| one.live().is_some());
        let sum: u64 = live.map(promised).sum();
        let total = self.machine.memory_total;
        if total > 0 && sum.saturating_add(promised(one)) > total {
            let giga = |bytes: u64| bytes as f64 / 1e9;
            return Some(format!(
                "{:.1} of {:.1} GB of memory are promised",
                giga(sum),
                giga(total)
            ));
        }
        None
    }

    /// Those that are up, or come up by themselves.
    pub(super) fn running(&self) -> usize {
        let all = self.processes.values();
        all.filter(|process| !matches!(process.phase, Phase::Down | Phase::Failed))
            .count()
    }

    /// One who is down and whom no person keeps down, where tasks alone start nobody.
    fn down_of(&self, group: &Group) -> Option<ProcessId> {
        let down = self.of_group(group).find(|process| {
            matches!(process.phase, Phase::Down)
                && matches!(
                    process.upkeep.rest,
                    Rest::Idle | Rest::Instance | Rest::Finished
                )
                && self.may_be_joined(process)
        });
        down.map(|process| process.id)
    }

    /// One more like the one who is there: with its folder and settings, without its name and clock.
    fn one_more(&self, group: &Group) -> Option<NewProcess> {
        let mut colleagues: Vec<&Process> = self
            .of_group(group)
            .filter(|process| works(process) && self.may_be_joined(process))
            .collect();
        // Whoever belongs to no cluster, where it is not for one.
        colleagues.sort_by_key(|process| process.spec.cluster.is_some());
        let like = colleagues.first()?;
        Some(NewProcess {
            name: None,
            no_start: false,
            working_directory: Some(like.working_directory.clone()),
            automation: Overrides::default(),
            ..like.spec.clone()
        })
    }
}

/// Whether it takes tasks, now or in a moment.
fn works(process: &Process) -> bool {
    match &process.phase {
        Phase::Live(live) => !live.stage.is_stopping() || live.after == After::Start,
        Phase::Backoff { .. } => true,
        Phase::Down | Phase::Failed | Phase::Blocked { .. } => false,
    }
}

/// Why no other is hired beside this one.
fn why_not_another(process: &Process) -> Option<String> {
    let name = &process.name;
    let rest = match &process.phase {
        Phase::Down => process.upkeep.rest,
        Phase::Live(live) if live.stage.is_stopping() && live.after == After::Stay => {
            live.shift.rest
        }
        Phase::Failed | Phase::Blocked { .. } if process.upkeep.extra => {
            return Some(format!("{name}, who was hired for this, did not come up"));
        }
        _ => return None,
    };
    match rest {
        Rest::Person => Some(format!("you stopped {name}")),
        Rest::Scaled => Some("its cluster was made smaller".to_owned()),
        Rest::New => Some(format!("{name} is hired and not started yet")),
        Rest::Idle | Rest::Instance | Rest::Finished => None,
    }
}
