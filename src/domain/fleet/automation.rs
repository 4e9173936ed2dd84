//! What is started and stopped without being asked: with the instance, for tasks that wait, for
//! having nothing to do.
//!
//! What a person stopped stays stopped. Nobody is stopped for being idle whom waiting tasks would not
//! start again, so that a task is never left without its process by that.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::automation::{Autostart, IdleStop, Rest, UpkeepView};
use crate::domain::chronicle::What;
use crate::domain::fleet::Fleet;
use crate::domain::id::ProcessId;
use crate::domain::log::LogKind;
use crate::domain::process::{After, Phase, Process, Stage, Turn};
use crate::domain::role::{Kind, Protocol};
use crate::domain::snapshot::Level;
use crate::domain::time::{Mono, in_words};

impl Fleet {
    // What holds for a process: its own, else its role's.

    pub(super) fn kind_of(&self, process: &Process) -> Kind {
        let role = self.catalogue.role_for(&process.spec);
        let of_role = role.map(|role| role.kind);
        process.spec.kind.or(of_role).unwrap_or_default()
    }

    pub(super) fn autostart_of(&self, process: &Process) -> Autostart {
        let role = self.catalogue.role_for(&process.spec);
        let of_role = role.map(|role| role.automation.autostart);
        let own = process.spec.automation.autostart;
        own.or(of_role).unwrap_or_default()
    }

    /// How long it may be idle; `None` if it is not stopped for that.
    fn idle_of(&self, process: &Process) -> Option<Duration> {
        let role = self.catalogue.role_for(&process.spec);
        let of_role = role.and_then(|role| role.automation.idle);
        match process.spec.automation.idle.or(of_role) {
            _ if !self.catalogue.auto_stop.enabled => None,
            Some(IdleStop::Never) => None,
            Some(IdleStop::After(time)) => Some(time),
            None => Some(self.catalogue.auto_stop.idle_timeout),
        }
    }

    /// Whether waiting tasks may start it.
    fn starts_on_demand(&self, process: &Process) -> bool {
        let policy = self.catalogue.auto_start;
        policy.enabled && policy.on_demand && self.autostart_of(process) != Autostart::Never
    }

    /// What people see of it.
    pub(super) fn upkeep_view(&self, process: &Process) -> UpkeepView {
        let down = matches!(process.phase, Phase::Down);
        UpkeepView {
            autostart: self.autostart_of(process),
            schedule: self
                .schedule_of(process)
                .map(|schedule| schedule.as_str().to_owned()),
            next_run: process.upkeep.due.as_ref().map(|due| due.at),
            next_restart: process.upkeep.restart_due.as_ref().map(|due| due.at),
            rest: down.then_some(process.upkeep.rest),
            idle_stop: self
                .may_idle_out(process)
                .then(|| self.idle_of(process))
                .flatten(),
            on_demand: process.protocol == Protocol::ClaudeStreamJson
                && self.starts_on_demand(process)
                && self.standing_text(process).is_none(),
            extra: process.upkeep.extra,
        }
    }

    // Starts.

    /// The instance is up: whoever is to be, is started, but for those whom a person stopped.
    pub(super) fn booted(&mut self) {
        self.look_at_schedules();
        if !self.catalogue.auto_start.enabled {
            return;
        }
        let ids: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| {
                matches!(process.phase, Phase::Down)
                    && !process.upkeep.rest.is_by_a_person()
                    && self.autostart_of(process) == Autostart::Boot
            })
            .map(|process| process.id)
            .collect();
        for id in ids {
            self.start_unasked(id, "started with headcount");
        }
    }

    /// Starts a process that is down, in its turn, and says why.
    pub(super) fn start_unasked(&mut self, id: ProcessId, why: &str) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.tries = 0;
            let text = format!("{} is {why}", process.name);
            self.note(id, LogKind::System, why);
            self.say(Level::Info, Some(id), text);
            self.enter(What::Ordered, Some(id), why);
            self.back_off(id, self.now.mono);
            self.start_by_itself(id);
        }
    }

    /// Starts whom automation may start, for tasks that wait and for which nobody is free or coming.
    pub(super) fn start_on_demand(&mut self) {
        if self.queue.is_empty() || self.shutdown.is_some() {
            return;
        }
        let mut down: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| self.may_be_demanded(process))
            .map(|process| process.id)
            .collect();
        if down.is_empty() {
            return;
        }
        let mut coming: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| is_coming(process))
            .map(|process| process.id)
            .collect();
        let most = self.catalogue.auto_start.max_processes;
        let mut room = most.saturating_sub(self.running());
        let mut starts = Vec::new();
        for (target, count) in self.queue.waiting() {
            for _ in 0..count {
                if let Some(place) = coming.iter().position(|one| self.fits(target, *one)) {
                    coming.remove(place);
                } else if let Some(place) = down.iter().position(|one| self.fits(target, *one))
                    && room > 0
                {
                    room -= 1;
                    starts.push(down.remove(place));
                } else {
                    break;
                }
            }
        }
        for id in starts {
            self.start_unasked(id, "started for a task that waits");
        }
    }

    fn may_be_demanded(&self, process: &Process) -> bool {
        self.waits_for_tasks(process) && !self.account_is_blocked(process)
    }

    /// Whether tasks are what starts it again.
    pub(super) fn waits_for_tasks(&self, process: &Process) -> bool {
        matches!(process.phase, Phase::Down)
            && matches!(
                process.upkeep.rest,
                Rest::Idle | Rest::Instance | Rest::Finished
            )
            && process.protocol == Protocol::ClaudeStreamJson
            && self.starts_on_demand(process)
            && self.standing_text(process).is_none()
    }

    /// Whether another of the same agent cannot work at present: then this one could not either.
    pub(super) fn account_is_blocked(&self, process: &Process) -> bool {
        let agent = |process: &Process| {
            let role = self.catalogue.role_for(&process.spec);
            role.map(|role| role.agent.clone())
        };
        let ours = agent(process);
        self.processes.values().any(|other| {
            other.live().is_some_and(|live| live.blocked.is_some()) && agent(other) == ours
        })
    }

    // Stops.

    /// Which processes somebody looks at: those are not idle.
    pub(super) fn watched(&mut self, processes: BTreeSet<ProcessId>) {
        self.watched = processes;
    }

    /// Keeps since when each is idle. Called at the end of every input.
    pub(super) fn mark_the_idle(&mut self) {
        let now = self.now.mono;
        for process in self.processes.values_mut() {
            let idle = process.is_free() && !self.watched.contains(&process.id);
            if let Phase::Live(live) = &mut process.phase {
                let since = live.shift.idle_since;
                live.shift.idle_since = idle.then(|| since.unwrap_or(now));
            }
        }
    }

    /// Whether it may be stopped for being idle, when it is.
    fn may_idle_out(&self, process: &Process) -> bool {
        process.protocol == Protocol::ClaudeStreamJson
            && self.kind_of(process) != Kind::Interactive
            && (self.starts_on_demand(process) || process.upkeep.extra)
            && self.standing_text(process).is_none()
    }

    /// Who is to be stopped for being idle, and when: whom the program hired itself first, then the
    /// longest idle, and so many of them that enough stay up.
    fn idle_ones(&self) -> impl Iterator<Item = (Mono, ProcessId)> {
        let counts = |process: &&Process| {
            process.live().is_some_and(|live| live.stage == Stage::Up)
                && !(self.kind_of(process).has_runs()
                    && (!process.protocol.is_read() || self.standing_text(process).is_some()))
        };
        let up = self.processes.values().filter(counts).count();
        let spare = up.saturating_sub(self.catalogue.auto_stop.min_processes);
        let mut idle: Vec<(bool, Mono, Reverse<ProcessId>)> = Vec::new();
        if spare > 0 && self.shutdown.is_none() {
            idle.extend(self.processes.values().filter_map(|process| {
                let since = process
                    .live()
                    .filter(|_| process.is_free())?
                    .shift
                    .idle_since?;
                let after = self.idle_of(process)?;
                self.may_idle_out(process).then_some((
                    !process.upkeep.extra,
                    since + after,
                    Reverse(process.id),
                ))
            }));
            idle.sort_unstable();
        }
        idle.into_iter()
            .take(spare)
            .map(|(_, at, Reverse(id))| (at, id))
    }

    /// When the next one has been idle for long enough.
    pub(super) fn idle_due(&self) -> Option<Mono> {
        self.idle_ones().map(|(at, _)| at).min()
    }

    /// Stops those that have been idle for long enough.
    pub(super) fn stop_the_idle(&mut self) {
        let now = self.now.mono;
        let due: Vec<ProcessId> = self
            .idle_ones()
            .filter(|(at, _)| *at <= now)
            .map(|(_, id)| id)
            .collect();
        for id in due {
            let after = self.processes.get(&id).and_then(|one| self.idle_of(one));
            let time = in_words(after.unwrap_or_default());
            let reason = format!("idle for {time}; a task starts it");
            self.tell_retired(id, &time);
            self.end_by_itself(id, Rest::Idle, reason);
        }
    }

    /// Begins the way down of a process that has nothing to do.
    pub(super) fn end_by_itself(&mut self, id: ProcessId, rest: Rest, reason: String) {
        if let Some(Phase::Live(live)) = self
            .processes
            .get_mut(&id)
            .map(|process| &mut process.phase)
            && !live.stage.is_stopping()
        {
            live.after = After::Stay;
            live.shift.rest = rest;
            self.note(id, LogKind::System, &format!("stopping: {reason}"));
            if let Some(Phase::Live(live)) = self
                .processes
                .get_mut(&id)
                .map(|process| &mut process.phase)
            {
                live.shift.reason = Some(reason);
            }
            self.begin_stop(id, None);
        }
    }
}

/// Whether it will be free soon without being told anything.
pub(super) fn is_coming(process: &Process) -> bool {
    process.protocol == Protocol::ClaudeStreamJson
        && match &process.phase {
            Phase::Live(live) => {
                live.blocked.is_none()
                    && match live.stage {
                        Stage::Launching { .. } | Stage::Readying { .. } => true,
                        Stage::Up => live.turn == Turn::None,
                        // It comes down and up again.
                        _ => live.after == After::Start,
                    }
            }
            Phase::Backoff { .. } => true,
            Phase::Down | Phase::Failed | Phase::Blocked { .. } => false,
        }
}
