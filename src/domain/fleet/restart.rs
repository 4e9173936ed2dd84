//! Failures: how a run ends as one, and what follows by the policy.

use std::time::Duration;

use crate::domain::alert::{AlertKind, AlertLevel};
use crate::domain::fault::Fault;
use crate::domain::fleet::Fleet;
use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::LogKind;
use crate::domain::process::{After, Phase, Process};
use crate::domain::restart::{AutoRestart, Backoff, Next, SPACING, free_slot};
use crate::domain::snapshot::Level;
use crate::domain::time::Mono;

/// How long after a start was put off for want of something it is tried again; sooner when a run ends.
pub(super) const ROOM_AGAIN: Duration = Duration::from_secs(10);
/// While everything ends nothing is started; it is looked after by the next instance.
const SHUTTING_DOWN: Duration = Duration::from_secs(60);

impl Fleet {
    /// Kills a live run as a failure, and says why; its end is counted by the restart policy. The
    /// first reason holds. What was ordered before holds as well: a run that is being stopped is
    /// killed, and its end stays a stop.
    pub(super) fn fail_live(&mut self, id: ProcessId, fault: Fault) {
        let Some(live) = self.live_mut(id) else {
            return;
        };
        let text = fault.to_string();
        live.doom.get_or_insert(fault);
        self.note(id, LogKind::Error, &text);
        self.kill_run(id);
    }

    /// A random number.
    fn chance(&mut self) -> u64 {
        let (high, low) = self.uuid().as_u64_pair();
        // Some bits of each half are fixed.
        high ^ low.rotate_left(32)
    }

    /// Counts a failure: a restart is due after the delay, or the limit is reached.
    pub(super) fn failed(&mut self, id: ProcessId, fault: Fault) {
        let policy = self.restart_policy(id);
        let shutting_down = self.shutdown.is_some();
        let now = self.now;
        let chance = match policy.backoff {
            Backoff::Constant => 0,
            Backoff::Exponential => self.chance(),
        };
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let name = process.name.clone();
        process.tries += 1;
        process.looks = 0;
        process.put_off = false;
        process.fault = Some(fault.clone());
        let tries = process.tries;
        let next = policy.failed(&mut process.failures, tries, now.mono, chance);
        let (level, text) = match next {
            Next::Again(wait) if !shutting_down => {
                let at = self.slot(id, now.mono + wait);
                self.back_off(id, at);
                let seconds = at.since(now.mono).as_secs();
                let most = policy.max_retries;
                let text = format!("{name}: {fault}; restart {tries} of {most} in {seconds} s");
                (Level::Warning, text)
            }
            next => {
                let why = match next {
                    Next::Again(_) => "as headcount is shutting down".to_owned(),
                    Next::Off => "as it is not to be restarted by itself".to_owned(),
                    Next::Retries(1) => "after 1 failure".to_owned(),
                    Next::Retries(failures) => format!("after {failures} failures"),
                    Next::Window(failures, within) => {
                        let minutes = within.as_secs() / 60;
                        format!("after {failures} failures within {minutes} min")
                    }
                };
                self.give_up(id);
                (Level::Error, format!("{name}: {fault}; left down {why}"))
            }
        };
        self.touch(id);
        self.note(id, LogKind::Error, &text);
        self.say(level, Some(id), text);
        self.answer_waiters(id);
    }

    pub(super) fn back_off(&mut self, id: ProcessId, at: Mono) {
        let at_wall = self.wall_of(at);
        if let Some(process) = self.processes.get_mut(&id) {
            process.phase = Phase::Backoff { at, at_wall };
        }
    }

    fn give_up(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.phase = Phase::Failed;
        }
    }

    /// Starts a process whose wait is over, unless another was started this very moment: then it
    /// waits for its turn.
    pub(super) fn start_by_itself(&mut self, id: ProcessId) {
        let now = self.now.mono;
        let due = self.processes.get(&id).and_then(Process::deadline);
        // The clock rings a little late, and those that come next keep their times all the same.
        let turn = due.filter(|at| now.since(*at) < SPACING).unwrap_or(now);
        let is_clear = self.last_start.is_none_or(|last| last + SPACING <= turn);
        let at = match self.shutdown {
            Some(_) => now + SHUTTING_DOWN,
            None if is_clear => now,
            None => self.slot(id, now),
        };
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if at > now {
            match &mut process.phase {
                Phase::Blocked { look } => *look = at,
                Phase::Backoff { .. } => self.back_off(id, at),
                Phase::Down | Phase::Failed | Phase::Live(_) => {}
            }
            self.touch(id);
            return;
        }
        // Without a failure it only waited for its turn.
        if process.tries > 0 && matches!(process.phase, Phase::Backoff { .. }) {
            process.record.restarts += 1;
        }
        self.last_start = Some(turn);
        self.launch(id);
    }

    /// Looks soon whether the causes are gone that keep processes down: the configuration changed.
    pub(super) fn look_again(&mut self) {
        let blocked: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| matches!(process.phase, Phase::Blocked { .. }))
            .map(|process| process.id)
            .collect();
        for id in blocked {
            self.look_soon(id);
        }
    }

    /// The system has too little of something for this start: it waits, and no retry is used.
    pub(super) fn put_off(&mut self, run: RunId, fault: Fault) {
        let live = self.live_runs().find(|(_, live)| *live == run);
        let Some((id, live)) =
            live.and_then(|(process, _)| Some((process.id, process.live()?.clone())))
        else {
            return;
        };
        self.seen(id, "the launch");
        self.withdraw_all(id);
        let place = self.dirty.entries.len();
        if live.after == After::Stay {
            self.rest(
                id,
                live.shift.rest,
                "stopped before it was started",
                self.by,
            );
            self.enter_end(id, &live, "", place);
            return;
        }
        let look = self.slot(id, self.now.mono + ROOM_AGAIN);
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let is_news = !std::mem::replace(&mut process.put_off, true);
        let text = format!("{} is not started yet: {fault}", process.name);
        process.fault = Some(fault.clone());
        process.phase = Phase::Blocked { look };
        self.touch(id);
        if is_news {
            self.enter_block(id);
            self.note(id, LogKind::Error, &text);
            self.say(Level::Error, Some(id), text);
        }
        self.raise(
            AlertKind::Resources,
            AlertLevel::Critical,
            None,
            fault.to_string(),
        );
        self.answer_waiters(id);
    }

    /// A run has ended, so that there may be enough for those that were put off.
    pub(super) fn look_for_room(&mut self) {
        let waiting: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| process.put_off && matches!(process.phase, Phase::Blocked { .. }))
            .map(|process| process.id)
            .collect();
        for id in waiting {
            self.look_soon(id);
        }
    }

    fn look_soon(&mut self, id: ProcessId) {
        let at = self.slot(id, self.now.mono + SPACING);
        if let Some(Phase::Blocked { look }) = self.processes.get_mut(&id).map(|p| &mut p.phase) {
            *look = at;
            self.touch(id);
        }
    }

    /// When the program itself may start this process: from `from` on, and not together with others.
    pub(super) fn slot(&self, id: ProcessId, from: Mono) -> Mono {
        let due = self.processes.values().filter_map(|process| {
            let at = match &process.phase {
                Phase::Backoff { at, .. } => Some(*at),
                Phase::Blocked { .. } => process.deadline(),
                Phase::Down | Phase::Failed | Phase::Live(_) => None,
            };
            // Who is overdue gets a new time itself.
            at.filter(|at| process.id != id && *at > self.now.mono)
        });
        free_slot(from, due.chain(self.last_start).collect())
    }

    /// The policy in force for a process.
    pub(super) fn restart_policy(&self, id: ProcessId) -> AutoRestart {
        let role = self.role_of(id);
        let mut policy = role.map_or(self.catalogue.auto_restart, |role| role.auto_restart);
        let own = self
            .processes
            .get(&id)
            .and_then(|process| process.spec.auto_restart);
        policy.enabled = own.unwrap_or(policy.enabled);
        policy
    }
}
