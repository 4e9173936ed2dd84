//! Health: each live run is asked in turn, measured, judged, and restarted if its role says so.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::{Effect, ReplyId};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::Fleet;
use crate::domain::health::{Checkup, Due, HealthRule, Pulse, Seen};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::process::{Process, Stage, Turn};
use crate::domain::snapshot::{Activity, Health, Usage};
use crate::domain::task::AttemptEnd;
use crate::domain::time::Mono;

/// Attempts from before this say nothing about now.
const RECENT: Duration = Duration::from_secs(3600);

impl Fleet {
    fn health_rule(&self, process: &Process) -> HealthRule {
        self.catalogue
            .role_for(&process.spec)
            .map(|role| role.health)
            .unwrap_or_default()
    }

    /// Begins the checks of runs that are up, ends those of runs that are not. `answered` is the one
    /// that has just said that it is ready.
    pub(super) fn watch_health(&mut self, id: ProcessId, answered: bool) {
        let Some(process) = self.processes.get(&id) else {
            return;
        };
        let rule = self.health_rule(process);
        let up = process.live().filter(|live| live.stage == Stage::Up);
        let Some(run) = up.map(|live| live.run) else {
            return;
        };
        if self.checkups.get(&id).is_some_and(|one| one.run == run) {
            return;
        }
        let checkup = if process.protocol.is_read() {
            Checkup::of_agent(run, &rule, self.now, answered)
        } else {
            Checkup::of_command(run, &rule, self.now)
        };
        self.checkups.insert(id, checkup);
        self.refresh(id);
    }

    /// The run is over, or on its way: nobody is asked any more, and who waits for an answer has one.
    pub(super) fn end_checks(&mut self, id: ProcessId) {
        self.checkups.remove(&id);
        self.answer_checks(id);
    }

    pub(super) fn next_check(&self) -> Option<Mono> {
        self.checkups.values().map(Checkup::deadline).min()
    }

    pub(super) fn checks_due(&mut self) {
        let now = self.now.mono;
        let due: Vec<ProcessId> = self
            .checkups
            .iter()
            .filter(|(_, checkup)| checkup.deadline() <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.check_due(id);
        }
    }

    fn check_due(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get(&id) else {
            self.end_checks(id);
            return;
        };
        let rule = self.health_rule(process);
        let up = process.live().filter(|live| live.stage == Stage::Up);
        let Some(run) = up.map(|live| live.run) else {
            self.end_checks(id);
            return;
        };
        let now = self.now;
        let Some(checkup) = self.checkups.get_mut(&id) else {
            return;
        };
        if checkup.run != run {
            self.end_checks(id);
            self.watch_health(id, false);
            return;
        }
        match checkup.due(&rule, now) {
            Due::Ask(number) => self.fx.push(Effect::Ping {
                process: id,
                run,
                number,
            }),
            Due::Judge => self.judge_health(id),
            Due::Nothing => {}
        }
    }

    pub(super) fn pong(&mut self, run: RunId, number: u64, pulse: Pulse) {
        let Some(id) = self.checked_run(run) else {
            return;
        };
        let Some(rule) = self.processes.get(&id).map(|one| self.health_rule(one)) else {
            return;
        };
        let now = self.now;
        let Some(checkup) = self.checkups.get_mut(&id) else {
            return;
        };
        if checkup.answered(number, pulse, &rule, now) {
            self.judge_health(id);
        }
    }

    pub(super) fn no_ping(&mut self, run: RunId) {
        let Some(id) = self.checked_run(run) else {
            return;
        };
        let Some(rule) = self.processes.get(&id).map(|one| self.health_rule(one)) else {
            return;
        };
        let now = self.now.mono;
        if let Some(checkup) = self.checkups.get_mut(&id) {
            checkup.cannot_be_asked(&rule, now);
            self.judge_health(id);
        }
    }

    fn checked_run(&self, run: RunId) -> Option<ProcessId> {
        let found = self.checkups.iter().find(|(_, one)| one.run == run)?;
        Some(*found.0)
    }

    /// A check is over.
    fn judge_health(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get(&id) else {
            return;
        };
        let rule = self.health_rule(process);
        let seen = self.besides(process);
        let now = self.now.mono;
        let Some(checkup) = self.checkups.get_mut(&id) else {
            return;
        };
        let before = checkup.shown.level;
        let changed = checkup.judge(&rule, seen, now);
        let shown = checkup.shown.clone();
        // Figures of an answer are no news: they are seen with the next thing that is.
        self.stale.insert(id);
        self.touched.insert(id);
        if changed && (before != Health::Healthy || shown.level != Health::Healthy) {
            self.refresh(id);
        }
        self.answer_checks(id);
        let is_up = |process: &Process| {
            let live = process.live();
            live.is_some_and(|live| live.stage == Stage::Up)
        };
        let up = self.processes.get(&id).is_some_and(is_up);
        if shown.stuck && rule.restart && up && self.shutdown.is_none() {
            let fault = Fault::new(
                FaultCode::HealthCheckFailed,
                shown.why,
                "see its log for what it did last; `restart` in the role's `health` table says that \
                 it is started again",
            );
            self.fail_live(id, fault);
        }
    }

    /// What is known of it besides its answers.
    fn besides(&self, process: &Process) -> Seen {
        let live = process.live();
        let figures = self.figures.get(&process.id);
        Seen {
            busy: live
                .is_some_and(|live| live.turn != Turn::None || live.activity == Activity::Busy),
            waiting: self.open_requests(process.id).next().is_some(),
            cpu_percent: figures
                .and_then(|figures| figures.usage)
                .map(|usage| usage.cpu_percent),
            failed: self.failed_lately(process),
        }
    }

    /// Of its last tasks' attempts that ended within the hour: how many failed, and how many there are.
    fn failed_lately(&self, process: &Process) -> (usize, usize) {
        let now = self.now.wall;
        let recent = |ended: Timestamp| {
            Duration::try_from(now.duration_since(ended)).unwrap_or_default() < RECENT
        };
        let attempts = process
            .last_tasks
            .iter()
            .filter_map(|task| self.tasks.get(task))
            .flat_map(|task| &task.attempts)
            .filter(|attempt| attempt.process == process.id && attempt.ended.is_some_and(recent));
        attempts.fold((0, 0), |(failed, all), attempt| {
            let is_failure = matches!(attempt.end, Some(AttemptEnd::Failed | AttemptEnd::TimedOut));
            (failed + usize::from(is_failure), all + 1)
        })
    }

    /// Figures against the limits; `true` if one has turned.
    pub(super) fn weigh(&mut self, id: ProcessId, usage: &Usage) -> bool {
        let Some(process) = self.processes.get(&id) else {
            return false;
        };
        let Some(role) = self.catalogue.role_for(&process.spec) else {
            return false;
        };
        let (cores, bytes) = (role.cpu.max, role.memory.max);
        let rule = &self.catalogue.alerts;
        let (most_cpu, most_memory) = (rule.cpu_percent, rule.memory_percent);
        let now = self.now.mono;
        let Some(checkup) = self.checkups.get_mut(&id) else {
            return false;
        };
        let mut turned = false;
        if cores > 0.0 {
            turned |= checkup
                .cpu
                .take(usage.cpu_percent / cores, most_cpu.into(), now);
        }
        if bytes > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
            let share = usage.memory_bytes as f64 * 100.0 / bytes as f64;
            turned |= checkup.memory.take(share, most_memory.into(), now);
        }
        turned
    }

    /// Asks now. Answered when the check is over; what cannot be asked is answered with what is known.
    pub(super) fn check(&mut self, reply: ReplyId, id: ProcessId) -> Result<(), Refusal> {
        if !self.processes.contains_key(&id) {
            return Err(Refusal::UnknownProcess(id));
        }
        let now = self.now.mono;
        let asks = self
            .checkups
            .get_mut(&id)
            .is_some_and(|checkup| checkup.hasten(now));
        if asks {
            self.checks.entry(id).or_default().push(reply);
            self.check_due(id);
        } else {
            self.refresh(id);
            self.reply(reply, Ok(Outcome::Checked(id)));
        }
        Ok(())
    }

    fn answer_checks(&mut self, id: ProcessId) {
        for reply in self.checks.remove(&id).unwrap_or_default() {
            self.refresh(id);
            self.reply(reply, Ok(Outcome::Checked(id)));
        }
    }
}
