//! Restart with updates: what differs on disk, and what a person says to that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::chronicle::What;
use crate::domain::command::{Outcome, Refusal, UpdateWhen};
use crate::domain::effect::{Begin, Effect, ReplyId};
use crate::domain::fleet::{Fleet, staff};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::LogKind;
use crate::domain::process::{After, Phase, Process, Rejected, Stage};
use crate::domain::role::WhenChanged;
use crate::domain::snapshot::Level;
use crate::domain::updates::{Fingerprint, Updates};

impl Fleet {
    /// Has every live run compared with what it would be started with now.
    pub(super) fn compare(&mut self) {
        let runs: Vec<_> = self
            .processes
            .values()
            .filter_map(|process| {
                let live = process.live()?;
                let fingerprint = live.details.as_ref()?.fingerprint.clone();
                let role = self.catalogue.role_for(&process.spec)?;
                let agent = self.catalogue.agents.get(&role.agent)?;
                let conversation = process.conversations.last()?.id;
                let of_run = (live.run, Begin::Resume(conversation), self.options.demo);
                Some((staff::plan(process, role, agent, of_run), fingerprint))
            })
            .collect();
        if !runs.is_empty() {
            self.fx.push(Effect::Compare { runs });
        }
    }

    pub(super) fn compared(&mut self, run: RunId, updates: Option<Arc<Updates>>) {
        let id = self
            .live_runs()
            .find(|(_, live)| *live == run)
            .map(|(process, _)| process.id);
        let Some(process) = id.and_then(|id| self.processes.get_mut(&id)) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        if live.updates == updates {
            return;
        }
        let Some(updates) = updates else {
            // What was put off is taken back as well; the same change later is a new one.
            live.dismissed = None;
            live.restart_when_idle = false;
            live.restart_in_turn = false;
            live.updates = None;
            process.rejected = None;
            let id = process.id;
            self.touch(id);
            return;
        };
        if let Some(rejected) = &process.rejected
            && rejected.configuration == updates.now
        {
            live.dismissed = Some(updates.now.clone());
        }
        live.updates = Some(Arc::clone(&updates));
        let put_off = live.dismissed.as_ref() == Some(&updates.now);
        let (id, name) = (process.id, process.name.clone());
        let role = self.catalogue.role_for(&process.spec);
        let by_itself = role.is_some_and(|role| role.when_changed == WhenChanged::Idle)
            && updates.obstacle.is_none()
            && !put_off;
        live.restart_when_idle |= by_itself;
        self.touch(id);
        if !put_off {
            let settings: Vec<&str> = updates
                .changes
                .iter()
                .map(|change| change.setting.as_str())
                .collect();
            let then = if by_itself {
                "; it restarts when it is idle, as its role says"
            } else {
                ""
            };
            let text = format!("updates for {name}: {}{then}", settings.join(", "));
            self.note(id, LogKind::System, &text);
            self.enter(What::Changed, Some(id), &settings.join(", "));
            self.say(Level::Info, Some(id), text);
        }
    }

    pub(super) fn update(
        &mut self,
        reply: ReplyId,
        id: ProcessId,
        when: UpdateWhen,
    ) -> Result<(), Refusal> {
        let process = self
            .processes
            .get_mut(&id)
            .ok_or(Refusal::UnknownProcess(id))?;
        let name = process.name.clone();
        let current = || Refusal::State(format!("{name} runs on what is on disk"));
        let Phase::Live(live) = &mut process.phase else {
            return Err(current());
        };
        let updates = live.updates.clone().ok_or_else(current)?;
        if when != UpdateWhen::NotNow
            && let Some(fault) = updates.obstacle.clone()
        {
            return Err(Refusal::Fault { process: id, fault });
        }
        match when {
            UpdateWhen::Now => return self.restart(reply, id),
            UpdateWhen::Idle => live.restart_when_idle = true,
            UpdateWhen::Rolling => {
                let role = process.spec.role.clone();
                self.roll(&role);
            }
            UpdateWhen::NotNow => {
                live.dismissed = Some(updates.now.clone());
                live.restart_when_idle = false;
                live.restart_in_turn = false;
            }
        }
        self.touch(id);
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    /// Restarts those that were to be restarted when idle, and are: before they get another task.
    pub(super) fn restart_idle_ones(&mut self) {
        let due: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| {
                process.live().is_some_and(|live| {
                    let planned = live.shift.planned.is_some() && !live.stage.is_stopping();
                    live.restart_when_idle || planned
                }) && (process.is_free() || !process.protocol.is_read())
            })
            .map(|process| process.id)
            .collect();
        for id in due {
            self.renew_run(id);
        }
    }

    /// Has all that hold a role and have updates restarted, one after the other.
    fn roll(&mut self, role: &str) {
        let mut marked = Vec::new();
        for process in self.processes.values_mut() {
            if process.spec.role != role {
                continue;
            }
            let Phase::Live(live) = &mut process.phase else {
                continue;
            };
            let can = live
                .updates
                .as_ref()
                .is_some_and(|updates| updates.obstacle.is_none());
            if can && !live.stage.is_stopping() {
                live.restart_in_turn = true;
                live.restart_when_idle = false;
                marked.push(process.id);
            }
        }
        marked.into_iter().for_each(|id| self.touch(id));
    }

    /// Follows those that were ended for updates until they are up again, and begins with the next of
    /// their role. Where one does not come up, the others of its role are left as they are.
    pub(super) fn roll_on(&mut self) {
        let over: Vec<(ProcessId, bool)> = self
            .processes
            .values()
            .filter_map(|process| {
                let came_up = came_up(process, process.renewing?)?;
                Some((process.id, came_up))
            })
            .collect();
        for (id, came_up) in over {
            self.renewed(id, came_up);
        }
        let under_way: BTreeSet<&str> = self
            .processes
            .values()
            .filter(|process| process.renewing.is_some())
            .map(|process| process.spec.role.as_str())
            .collect();
        let mut next: BTreeMap<&str, ProcessId> = BTreeMap::new();
        for process in self.processes.values() {
            let role = process.spec.role.as_str();
            if process.live().is_some_and(|live| live.restart_in_turn) && !under_way.contains(role)
            {
                next.entry(role).or_insert(process.id);
            }
        }
        let next: Vec<ProcessId> = next.into_values().collect();
        for id in next {
            self.renew_run(id);
            // Also where nothing is new: the next one waits for it to be up again.
            if let Some(process) = self.processes.get_mut(&id)
                && let Phase::Live(live) = &process.phase
                && live.after == After::Start
            {
                process.renewing.get_or_insert(live.run);
            }
        }
    }

    fn renewed(&mut self, id: ProcessId, came_up: bool) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let before = process.renewing.take();
        let offered = process.offered.take();
        let name = process.name.clone();
        let was_stopped = matches!(process.phase, Phase::Down);
        self.touch(id);
        match (came_up, offered) {
            (true, Some(_)) => {
                self.enter(What::Updated, Some(id), "came up with its updates");
            }
            (true, None) => self.is_back(id),
            (false, None) => {
                self.is_not_back(id);
                let others = self.leave_the_others(id);
                if !others.is_empty() {
                    let text = format!("{name} is not up again{others}");
                    self.say(Level::Error, Some(id), text);
                }
            }
            (false, Some(offered)) => {
                let others = self.leave_the_others(id);
                let text = if was_stopped {
                    format!("{name} was stopped before it came up with its updates{others}")
                } else {
                    format!("{name} did not come up with its updates{others}")
                };
                // A stop was ordered; only what it means for the others is news.
                if !was_stopped || !others.is_empty() {
                    self.note(id, LogKind::Error, &text);
                    self.say(Level::Error, Some(id), text);
                }
                self.put_back(id, before, offered);
            }
        }
    }

    /// Those of a role that still wait for their turn are not restarted; returns who, in words.
    fn leave_the_others(&mut self, of: ProcessId) -> String {
        let role = self.processes.get(&of).map(|one| one.spec.role.clone());
        let mut left = Vec::new();
        for process in self.processes.values_mut() {
            if Some(&process.spec.role) == role.as_ref()
                && let Phase::Live(live) = &mut process.phase
                && std::mem::take(&mut live.restart_in_turn)
            {
                left.push((process.id, process.name.clone()));
            }
        }
        let names: Vec<&str> = left.iter().map(|(_, name)| name.as_str()).collect();
        let others = match names.as_slice() {
            [] => String::new(),
            names => format!("; {} run on as they are", names.join(", ")),
        };
        for (id, _) in left {
            self.touch(id);
        }
        others
    }

    /// Starts a process, which did not come up with its updates, with what it had before; not if what
    /// is wrong is the account's and no configuration's.
    fn put_back(&mut self, id: ProcessId, before: Option<RunId>, configuration: Fingerprint) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let by_configuration = match &process.phase {
            Phase::Failed | Phase::Backoff { .. } | Phase::Blocked { .. } => true,
            Phase::Down | Phase::Live(_) => false,
        };
        if !by_configuration || self.shutdown.is_some() {
            return;
        }
        let fault = process.fault.take();
        let why = fault.map_or_else(String::new, |fault| fault.to_string());
        process.rejected = Some(Rejected { configuration, why });
        process.renewing = before;
        process.forget_failures();
        self.note(
            id,
            LogKind::System,
            "starting with the last configuration that was good",
        );
        self.launch(id);
    }

    fn is_back(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get(&id)
            && process.rejected.is_some()
        {
            let text = format!(
                "{} runs on the last configuration that was good",
                process.name
            );
            self.note(id, LogKind::System, &text);
            let words = "with the last configuration that was good";
            self.enter(What::Restarted, Some(id), words);
            self.say(Level::Warning, Some(id), text);
        }
    }

    /// The configuration was not what kept it down: it is tried with the one on disk.
    fn is_not_back(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get_mut(&id)
            && process.rejected.take().is_some()
        {
            let text = format!(
                "{} does not come up with the last configuration that was good either",
                process.name
            );
            self.note(id, LogKind::Error, &text);
            self.say(Level::Error, Some(id), text);
        }
    }

    /// Ends a run, after its task, to start it again with its updates.
    fn renew_run(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        live.restart_when_idle = false;
        live.restart_in_turn = false;
        if live.stage.is_stopping() {
            // It ends already, and for a reason of its own.
            self.touch(id);
            return;
        }
        live.after = After::Start;
        process.record.restarts += 1;
        process.offer_updates();
        self.begin_stop(id, None);
    }
}

/// Whether a process came up after its run was ended for updates; `None` while that is open.
fn came_up(process: &Process, before: RunId) -> Option<bool> {
    match &process.phase {
        // For want of descriptors or processes: that says nothing of its configuration.
        _ if process.put_off => None,
        Phase::Live(live) if live.run == before => None,
        Phase::Live(live) if live.blocked.is_some() => Some(false),
        Phase::Live(live) => (live.stage == Stage::Up).then_some(true),
        Phase::Down | Phase::Failed | Phase::Backoff { .. } | Phase::Blocked { .. } => Some(false),
    }
}
