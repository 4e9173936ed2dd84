//! Restart with updates: what differs on disk, and what a person says to that.

use std::sync::Arc;

use crate::domain::command::{Outcome, Refusal, UpdateWhen};
use crate::domain::effect::{Begin, Effect, ReplyId};
use crate::domain::fleet::{Fleet, staff};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::LogKind;
use crate::domain::process::{After, Phase, Process};
use crate::domain::snapshot::Level;
use crate::domain::updates::Updates;

impl Fleet {
    /// Has every live run compared with what it would be started with now.
    pub(super) fn compare(&mut self) {
        let runs: Vec<_> = self
            .processes
            .values()
            .filter_map(|process| {
                let live = process.live()?;
                let fingerprint = live.details.as_ref()?.fingerprint.clone();
                let role = self.catalogue.role(&process.spec.role)?;
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
        if updates.is_none() {
            // What was put off is taken back as well; the same change later is a new one.
            live.dismissed = None;
            live.restart_when_idle = false;
        }
        live.updates.clone_from(&updates);
        let (id, name) = (process.id, process.name.clone());
        let put_off = live.dismissed.as_ref() == updates.as_ref().map(|updates| &updates.now);
        self.touch(id);
        if let Some(updates) = updates.filter(|_| !put_off) {
            let settings: Vec<&str> = updates
                .changes
                .iter()
                .map(|change| change.setting.as_str())
                .collect();
            let text = format!("updates for {name}: {}", settings.join(", "));
            self.note(id, LogKind::System, &text);
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
            UpdateWhen::NotNow => {
                live.dismissed = Some(updates.now.clone());
                live.restart_when_idle = false;
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
                process.live().is_some_and(|live| live.restart_when_idle)
                    && (process.is_free() || !process.protocol.is_read())
            })
            .map(|process| process.id)
            .collect();
        for id in due {
            if let Some(Phase::Live(live)) = self
                .processes
                .get_mut(&id)
                .map(|process: &mut Process| &mut process.phase)
            {
                live.restart_when_idle = false;
                live.after = After::Start;
            }
            self.begin_stop(id, None);
        }
    }
}
