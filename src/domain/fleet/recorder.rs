//! The flight recorder: what each process came to, what was done to it, and what it ended with.

use std::sync::Arc;

use crate::domain::effect::Effect;
use crate::domain::exit::Exit;
use crate::domain::fleet::Fleet;
use crate::domain::flight::{
    self, Change, EXITS, ExitNote, Flight, Sent, is_recent, last_minute, remember, remember_sent,
};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::process::{Live, Phase};
use crate::domain::snapshot::{Evidence, Status, Usage};

impl Fleet {
    /// Notes what a status is known from.
    pub(super) fn seen(&mut self, id: ProcessId, source: &str) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.evidence = Evidence {
                source: source.to_owned(),
                at: self.now.wall,
            };
        }
    }

    /// Notes what is done to a live run.
    pub(super) fn done_to(&mut self, id: ProcessId, what: &str) {
        let at = self.now.wall;
        if let Some(Phase::Live(live)) = self.processes.get_mut(&id).map(|one| &mut one.phase) {
            let what = what.to_owned();
            remember_sent(&mut live.sent, Sent { at, what });
        }
    }

    /// Ends a call: what has come to another state remembers that, with what said so.
    pub(super) fn observe(&mut self) {
        let wall = self.now.wall;
        for id in std::mem::take(&mut self.unobserved) {
            let waiting = self.open_requests(id).next().is_some();
            let Some(process) = self.processes.get(&id) else {
                continue;
            };
            let shown = process.status(waiting);
            if process.shown == shown && !process.history.is_empty() {
                continue;
            }
            let change = Change {
                at: wall,
                status: shown.0,
                activity: shown.1,
                source: process.evidence.source.clone(),
                text: self.doing(process, shown.0),
            };
            if let Some(process) = self.processes.get_mut(&id) {
                if process.shown != shown {
                    process.shown = shown;
                    process.since = wall;
                }
                remember(&mut process.history, change);
                self.touch(id);
            }
        }
        // Touching marks them anew.
        self.unobserved.clear();
    }

    /// Keeps what there is of an exit, once it is known what follows.
    pub(super) fn record_exit(
        &mut self,
        id: ProcessId,
        run: RunId,
        live: &Live,
        exit: &Exit,
        lines: Vec<String>,
    ) {
        self.observe();
        let figures = self.last_minute.remove(&id).unwrap_or_default();
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.exits_ever += 1;
        let number = process.exits_ever;
        let then = process.shown.0;
        // A fault that was there before, as that of a block, is none of an end that was ordered.
        let fault = match then {
            _ if live.doom.is_some() => live.doom.clone(),
            Status::Backoff | Status::Error | Status::Blocked => process.fault.clone(),
            _ => None,
        };
        process.exits.push_front(ExitNote {
            number,
            at: exit.at,
            status: exit.status,
            code: fault.as_ref().map(|fault| fault.code),
            then,
        });
        process.exits.truncate(EXITS);
        let reason = self
            .processes
            .get(&id)
            .map_or_else(String::new, |process| self.doing(process, then));
        let Some(process) = self.processes.get(&id) else {
            return;
        };
        let end = self.now.wall;
        let sent = live.sent.iter().filter(|sent| is_recent(sent.at, end));
        let flight = Arc::new(Flight {
            process: id,
            number,
            run,
            started: live.started,
            exit: exit.clone(),
            fault,
            then,
            reason,
            changes: last_minute(&process.history, end),
            sent: sent.cloned().collect(),
            figures: figures
                .into_iter()
                .filter(|figure| is_recent(figure.at, end))
                .collect(),
            lines,
        });
        self.flights.insert(id, Arc::clone(&flight));
        self.touch(id);
        // Before the exit is stored: if we die in between, it is reported and kept again.
        self.fx.push(Effect::Record { flight });
    }

    /// Takes up what is kept of the last exit, from before this instance.
    pub fn remember_flight(&mut self, flight: Flight) {
        let id = flight.process;
        if self.processes.contains_key(&id) {
            self.flights.insert(id, Arc::new(flight));
            self.refresh(id);
        }
    }

    /// Keeps figures for the minute before an exit.
    pub(super) fn measured(&mut self, id: ProcessId, usage: &Usage) {
        #[expect(clippy::cast_possible_truncation, reason = "a figure for a person")]
        let figure = flight::Figure {
            at: self.now.wall,
            cpu_percent: usage.cpu_percent as f32,
            memory_bytes: usage.memory_bytes,
        };
        flight::measure(self.last_minute.entry(id).or_default(), figure);
    }
}
