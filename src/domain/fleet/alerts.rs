//! Alerts: raised when something is wrong, cleared when it is over, acknowledged by a person.

use std::sync::Arc;

use crate::domain::alert::{Alert, AlertKind, AlertLevel};
use crate::domain::chronicle::What;
use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::{Effect, ReplyId};
use crate::domain::fault::FaultCode;
use crate::domain::fleet::Fleet;
use crate::domain::id::{AlertId, ProcessId};
use crate::domain::log::LogKind;
use crate::domain::process::Phase;
use crate::domain::snapshot::{Health, Level};

/// Alerts that are over and kept.
const KEPT: usize = 100;
/// Open ones of a moment: more than these tell nobody anything.
const OPEN: usize = 100;
/// Failures in a row from which on a process that is started again is worth an alert.
const LOOP: u32 = 2;
/// With less room than this the state folder is nearly full.
const ROOM: u64 = 1 << 30;
/// On small file systems: with less than this share of it, in per cent.
const SHARE: u64 = 2;

/// What is wrong with one process, by kind; what is not there is not wrong.
type Wrong = Vec<(AlertKind, AlertLevel, String)>;

impl Fleet {
    /// Raises an alert, or renews the words of the one that is open. Of findings and trespasses each
    /// text stands for itself.
    pub(super) fn raise(
        &mut self,
        kind: AlertKind,
        level: AlertLevel,
        process: Option<ProcessId>,
        text: String,
    ) {
        let same = |alert: &Alert| {
            alert.is_open()
                && alert.kind == kind
                && alert.process == process
                && (!kind.is_of_a_moment() || alert.text == text)
        };
        if let Some(known) = self.alerts.values_mut().find(|alert| same(alert)) {
            if known.text != text || known.level != level {
                let worse = level > known.level;
                let known = Arc::make_mut(known);
                known.text = text;
                known.level = level;
                if worse {
                    // What got worse is to be seen anew.
                    known.acknowledged = None;
                }
                self.changed = true;
                self.dirty.alerts = true;
            }
            return;
        }
        self.alert_count += 1;
        let alert = Alert {
            id: AlertId(self.alert_count),
            kind,
            level,
            process,
            name: process.map(|id| self.name_of(id)),
            text,
            since: self.now.wall,
            acknowledged: None,
            cleared: None,
        };
        if let Some(id) = process {
            self.note(id, LogKind::Error, &format!("alert: {}", alert.text));
        }
        // What has a line of its own in the message area already is not said twice.
        if !matches!(
            kind,
            AlertKind::Failures | AlertKind::Held | AlertKind::Trespass
        ) {
            let shown = match level {
                AlertLevel::Warning => Level::Warning,
                AlertLevel::Critical => Level::Error,
            };
            let who = alert.name.as_ref().map(|name| format!("{name}: "));
            let text = format!("{}{}", who.unwrap_or_default(), alert.text);
            self.say(shown, process, text);
        }
        self.sound(&alert);
        self.alerts.insert(alert.id, Arc::new(alert));
        self.changed = true;
        self.dirty.alerts = true;
        self.forget_old_alerts();
    }

    /// What was wrong is over.
    pub(super) fn clear(&mut self, kind: AlertKind, process: Option<ProcessId>) {
        let open = self
            .alerts
            .values()
            .find(|alert| alert.is_open() && alert.kind == kind && alert.process == process);
        if let Some(id) = open.map(|alert| alert.id) {
            self.clear_one(id);
        }
    }

    fn clear_one(&mut self, id: AlertId) {
        let now = self.now.wall;
        let Some(alert) = self.alerts.get_mut(&id) else {
            return;
        };
        Arc::make_mut(alert).cleared = Some(now);
        let alert = Arc::clone(alert);
        if let Some(process) = alert.process.filter(|id| self.processes.contains_key(id)) {
            self.note(process, LogKind::System, &format!("over: {}", alert.text));
        }
        self.sound(&alert);
        self.changed = true;
        self.dirty.alerts = true;
        self.forget_old_alerts();
    }

    /// A person has seen it.
    pub(super) fn acknowledge_alert(&mut self, reply: ReplyId, id: AlertId) -> Result<(), Refusal> {
        let now = self.now.wall;
        let alert = self.alerts.get_mut(&id).ok_or(Refusal::UnknownAlert(id))?;
        if alert.is_new() {
            Arc::make_mut(alert).acknowledged = Some(now);
            let of_a_moment = alert.kind.is_of_a_moment();
            self.changed = true;
            self.dirty.alerts = true;
            if of_a_moment {
                self.clear_one(id);
            }
        }
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    /// The record and the command of `[alerts]` hear of it.
    fn sound(&mut self, alert: &Alert) {
        let what = if alert.is_open() {
            What::Alert
        } else {
            What::AlertOver
        };
        self.enter(what, alert.process, &alert.text);
        let command = &self.catalogue.alerts.command;
        if !command.is_empty() {
            self.fx.push(Effect::Alarm {
                command: command.clone(),
                alert: Box::new(alert.clone()),
            });
        }
    }

    fn forget_old_alerts(&mut self) {
        let oldest = |alerts: &std::collections::BTreeMap<AlertId, Arc<Alert>>,
                      most,
                      which: fn(&Alert) -> bool| {
            let found: Vec<AlertId> = alerts
                .values()
                .filter(|alert| which(alert))
                .map(|alert| alert.id)
                .collect();
            let surplus = found.len().saturating_sub(most);
            found.into_iter().take(surplus).collect::<Vec<_>>()
        };
        for id in oldest(&self.alerts, KEPT, |alert| !alert.is_open()) {
            self.alerts.remove(&id);
        }
        for id in oldest(&self.alerts, OPEN, |alert| {
            alert.is_open() && alert.kind.is_of_a_moment()
        }) {
            self.alerts.remove(&id);
        }
    }

    /// Brings the alerts of the processes that this call changed in line with how they stand.
    pub(super) fn keep_alerts(&mut self) {
        let is_short = |alert: &Alert| alert.is_open() && alert.kind == AlertKind::Resources;
        if !self.touched.is_empty()
            && self.alerts.values().any(|alert| is_short(alert))
            && !self.processes.values().any(|process| process.put_off)
        {
            self.clear(AlertKind::Resources, None);
        }
        for id in std::mem::take(&mut self.touched) {
            let wrong = self.wrong_with(id);
            for kind in [
                AlertKind::Health,
                AlertKind::Cpu,
                AlertKind::Memory,
                AlertKind::Failures,
                AlertKind::Held,
                AlertKind::Configuration,
            ] {
                match wrong.iter().find(|(one, _, _)| *one == kind) {
                    Some((_, level, text)) => self.raise(kind, *level, Some(id), text.clone()),
                    None => self.clear(kind, Some(id)),
                }
            }
        }
    }

    fn wrong_with(&self, id: ProcessId) -> Wrong {
        let mut wrong = Wrong::new();
        let Some(process) = self.processes.get(&id) else {
            return wrong;
        };
        let fault = || {
            let fault = process.fault.as_ref();
            fault.map_or_else(String::new, |fault| format!(": {fault}"))
        };
        match &process.phase {
            Phase::Failed => {
                let text = format!("is left down{}", fault());
                wrong.push((AlertKind::Failures, AlertLevel::Critical, text));
            }
            Phase::Backoff { .. } if process.tries >= LOOP => {
                let text = format!("failed {} times in a row{}", process.tries, fault());
                wrong.push((AlertKind::Failures, AlertLevel::Warning, text));
            }
            // Up again is not well yet: that is so after a stable run.
            Phase::Live(live)
                if process.tries >= LOOP
                    && !live.stage.is_stopping()
                    && self.now.mono.since(live.started_mono)
                        < self.restart_policy(id).stable_after =>
            {
                let text = format!("failed {} times in a row", process.tries);
                wrong.push((AlertKind::Failures, AlertLevel::Warning, text));
            }
            _ => {}
        }
        // Who is started again for it is not well before it is up.
        let doom = process.live().and_then(|live| live.doom.as_ref());
        let restarts = matches!(process.phase, Phase::Live(_) | Phase::Backoff { .. });
        if let Some(fault) = doom.or(process.fault.as_ref())
            && fault.code == FaultCode::HealthCheckFailed
            && restarts
        {
            let text = format!("is started again: {}", fault.cause);
            wrong.push((AlertKind::Health, AlertLevel::Critical, text));
        }
        let Some(live) = process.live() else {
            return wrong;
        };
        if let Some(rejected) = &process.rejected {
            let text = format!(
                "runs on the last configuration that was good; with the one on disk it did not come up: {}",
                rejected.why
            );
            wrong.push((AlertKind::Configuration, AlertLevel::Warning, text));
        }
        if let Some(error) = &live.held {
            let text = format!("its output cannot be written and is held: {error}");
            wrong.push((AlertKind::Held, AlertLevel::Critical, text));
        }
        if live.stage.is_stopping() {
            return wrong;
        }
        let Some(checkup) = self.checkups.get(&id).filter(|one| one.run == live.run) else {
            return wrong;
        };
        if matches!(checkup.shown.level, Health::Critical | Health::Offline) {
            let text = checkup.shown.brief.to_owned();
            wrong.push((AlertKind::Health, AlertLevel::Critical, text));
        }
        let rule = &self.catalogue.alerts;
        for (kind, what, figure, most) in [
            (AlertKind::Cpu, "CPU", checkup.cpu, rule.cpu_percent),
            (
                AlertKind::Memory,
                "memory",
                checkup.memory,
                rule.memory_percent,
            ),
        ] {
            if figure.high {
                let text = format!("its {what} stays above {most} % of its limit");
                wrong.push((kind, AlertLevel::Warning, text));
            }
        }
        wrong
    }

    /// The state folder has this much room. Well above the mark it counts as enough again.
    pub(super) fn room(&mut self, free: u64, total: u64) {
        let least = ROOM.min(total / 100 * SHARE);
        if free < least {
            let text = "the disk of the state folder is nearly full".to_owned();
            self.raise(AlertKind::Disk, AlertLevel::Critical, None, text);
        } else if free >= least + least / 4 {
            self.clear(AlertKind::Disk, None);
        }
    }
}
