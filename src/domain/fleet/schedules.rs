//! Schedules: what starts at its times, and what is restarted as planned.
//!
//! A time that was missed, since the machine slept or nothing ran, is caught up once; a time at which
//! the last run is not over is left out.

use std::time::Duration;

use crate::domain::fleet::Fleet;
use crate::domain::id::ProcessId;
use crate::domain::log::LogKind;
use crate::domain::process::{Phase, Process, Stage};
use crate::domain::schedule::{Look, Schedule};
use crate::domain::snapshot::Level;
use crate::domain::time::Mono;

/// How long a plan goes by the clock that only runs, before the one on the wall is looked at: it may
/// have been put right, and a machine may have slept.
const LOOK: Duration = Duration::from_secs(30);

impl Fleet {
    pub(super) fn schedule_of<'a>(&'a self, process: &'a Process) -> Option<&'a Schedule> {
        let role = self.catalogue.role_for(&process.spec);
        let of_role = role.and_then(|role| role.automation.schedule.as_ref());
        let own = process.spec.automation.schedule.as_ref();
        own.or(of_role).filter(|schedule| !schedule.is_never())
    }

    /// The schedule that starts it: none while a person keeps it down.
    fn starting_schedule<'a>(&'a self, process: &'a Process) -> Option<&'a Schedule> {
        let kept = matches!(process.phase, Phase::Down) && process.upkeep.rest.is_by_a_person();
        let on = self.catalogue.auto_start.enabled && !kept;
        self.schedule_of(process).filter(|_| on)
    }

    /// The schedule that restarts it: for what stays up, while it is.
    fn restarting_schedule<'a>(&'a self, process: &'a Process) -> Option<&'a Schedule> {
        let role = self.catalogue.role_for(&process.spec)?;
        let schedule = role.automation.restart.schedule.as_ref()?;
        (process.live().is_some() && !self.has_runs(process)).then_some(schedule)
    }

    /// Whether each start of it is one run.
    pub(super) fn has_runs(&self, process: &Process) -> bool {
        self.kind_of(process).has_runs()
            && (!process.protocol.is_read() || self.standing_text(process).is_some())
    }

    /// Brings all plans in line with configuration, processes and clocks, and does what is due.
    pub(super) fn look_at_schedules(&mut self) {
        let (now, zone) = (self.now, self.options.zone.clone());
        let (mut starts, mut restarts) = (Vec::new(), Vec::new());
        let mut changes = Vec::new();
        let mut next: Option<Duration> = None;
        for process in self.processes.values() {
            let mut upkeep = process.upkeep.clone();
            for (schedule, due, is_start) in [
                (self.starting_schedule(process), &mut upkeep.due, true),
                (
                    self.restarting_schedule(process),
                    &mut upkeep.restart_due,
                    false,
                ),
            ] {
                let Some(schedule) = schedule else {
                    *due = None;
                    continue;
                };
                match schedule.look(due, now, &zone) {
                    Look::Due(at) if is_start => starts.push((process.id, at)),
                    Look::Due(_) => restarts.push(process.id),
                    Look::Planned | Look::Stands => {}
                }
                if let Some(due) = due {
                    let wait = schedule.wait(due, now).min(LOOK);
                    next = Some(next.map_or(wait, |next| next.min(wait)));
                }
            }
            if upkeep != process.upkeep {
                changes.push((process.id, upkeep));
            }
        }
        self.next_look = next.map(|wait| now.mono + wait);
        for (id, upkeep) in changes {
            if let Some(process) = self.processes.get_mut(&id) {
                process.upkeep = upkeep;
                self.touch(id);
            }
        }
        if self.shutdown.is_some() {
            return;
        }
        for (id, at) in starts {
            self.start_by_schedule(id, at);
        }
        for id in restarts {
            self.plan_restart(id, "at its time");
        }
    }

    pub(super) fn look_at_schedules_if_due(&mut self) {
        if self.next_look.is_some_and(|at| at <= self.now.mono) {
            self.look_at_schedules();
        }
    }

    /// Whether anything is to be started at a time.
    pub(super) fn has_schedules(&self) -> bool {
        self.processes
            .values()
            .any(|process| process.upkeep.due.is_some())
    }

    fn start_by_schedule(&mut self, id: ProcessId, at: jiff::Timestamp) {
        let Some(process) = self.processes.get(&id) else {
            return;
        };
        match &process.phase {
            Phase::Live(_) if self.has_runs(process) => {
                let text = "a run is due and left out: the last one is not over";
                let line = format!("{}: {text}", process.name);
                self.note(id, LogKind::System, text);
                self.say(Level::Warning, Some(id), line);
            }
            // It is up already, or comes by itself.
            Phase::Live(_) | Phase::Backoff { .. } => {}
            Phase::Blocked { .. } if process.deadline().is_some() => {}
            Phase::Down | Phase::Failed | Phase::Blocked { .. } => {
                let late = self.now.wall.duration_since(at).as_secs() >= 60;
                let why = if late {
                    let time = at.to_zoned(self.options.zone.clone());
                    format!("started late: it was due at {}", time.strftime("%F %H:%M"))
                } else {
                    "started by its schedule".to_owned()
                };
                self.start_unasked(id, &why);
            }
        }
    }

    // Planned restarts.

    /// When the next run has lasted as long as its role wants it to.
    pub(super) fn age_due(&self) -> Option<Mono> {
        self.processes
            .values()
            .filter_map(|process| self.age_of(process))
            .min()
    }

    fn age_of(&self, process: &Process) -> Option<Mono> {
        let role = self.catalogue.role_for(&process.spec)?;
        let after = role.automation.restart.after?;
        let live = process.live()?;
        let open = live.stage == Stage::Up && live.shift.planned.is_none();
        (open && !self.has_runs(process)).then_some(live.started_mono + after)
    }

    pub(super) fn restart_the_aged(&mut self) {
        let now = self.now.mono;
        let due: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| self.age_of(process).is_some_and(|at| at <= now))
            .map(|process| process.id)
            .collect();
        for id in due {
            let role = self.role_of(id);
            let after = role.and_then(|role| role.automation.restart.after);
            let hours = after.unwrap_or_default().as_secs_f64() / 3600.0;
            self.plan_restart(id, &format!("after {hours:.1} h"));
        }
    }

    /// Counts an attempt that has ended, and plans a restart after enough of them.
    pub(super) fn count_attempt(&mut self, id: ProcessId) {
        let most = self
            .role_of(id)
            .and_then(|role| role.automation.restart.after_tasks);
        let Some(Phase::Live(live)) = self
            .processes
            .get_mut(&id)
            .map(|process| &mut process.phase)
        else {
            return;
        };
        live.shift.tasks += 1;
        if let Some(most) = most.filter(|most| live.shift.tasks >= *most) {
            self.plan_restart(id, &format!("after {most} tasks"));
        }
    }

    /// Has a process restarted as soon as it is idle.
    fn plan_restart(&mut self, id: ProcessId, why: &str) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let name = process.name.clone();
        if let Phase::Live(live) = &mut process.phase
            && !live.stage.is_stopping()
            && live.shift.planned.is_none()
        {
            live.shift.planned = Some(why.to_owned());
            let text = format!("restarts as planned, {why}");
            self.touch(id);
            self.note(id, LogKind::System, &text);
            self.say(Level::Info, Some(id), format!("{name} {text}"));
        }
    }
}
