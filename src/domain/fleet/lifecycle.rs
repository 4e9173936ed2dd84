//! Runs: launched, adopted, measured, exited.

use std::time::Duration;

use crate::domain::automation::Rest;
use crate::domain::chronicle::What;
use crate::domain::event::{LaunchFailure, RunDetails};
use crate::domain::exit::{Ended, Exit, ExitStatus};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::staff::READY;
use crate::domain::fleet::{Fleet, HISTORY};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::LogKind;
use crate::domain::order::Order;
use crate::domain::process::{After, Live, Phase, Stage, Turn};
use crate::domain::role::Protocol;
use crate::domain::snapshot::{Activity, Evidence, Level, Machine, Member, Usage};
use crate::domain::time::Now;

/// Failures in a row after which a start without its conversation is tried.
const STARTS: u32 = 2;
/// A shim's last word is the evidence.
pub(super) const EXIT: &str = "exit report";

impl Fleet {
    /// Runs a change on the live run of this id; a run that is over is nobody's business any more.
    pub(super) fn with_run(
        &mut self,
        run: RunId,
        change: impl FnOnce(&mut Live, Now),
    ) -> Option<ProcessId> {
        let now = self.now;
        let id = self.find_run(run)?;
        let live = self.processes.get_mut(&id)?.live_run(run)?;
        change(live, now);
        Some(id)
    }

    fn find_run(&self, run: RunId) -> Option<ProcessId> {
        self.live_runs()
            .find(|(_, live)| *live == run)
            .map(|(process, _)| process.id)
    }

    pub(super) fn launched(&mut self, run: RunId, details: RunDetails) {
        let (pid, put_back) = (details.pid, details.put_back);
        let id = self.with_run(run, |live, now| {
            live.details = Some(details);
            if let Stage::Launching { .. } = live.stage {
                live.stage = Stage::Readying {
                    by: now.mono + READY,
                };
            }
        });
        let Some(id) = id else { return };
        self.touch(id);
        self.note(id, LogKind::System, &format!("running as PID {pid}"));
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.put_off = false;
        process.evidence = Evidence {
            source: "launch".to_owned(),
            at: self.now.wall,
        };
        if !put_back {
            // No good one is kept: it was started with what there is.
            process.rejected = None;
        }
        if process.protocol == Protocol::ClaudeStreamJson {
            self.note(
                id,
                LogKind::System,
                "health check: asked to say that it is ready",
            );
            self.send(id, Order::Initialize);
        } else {
            // A command has nothing to say of its readiness: that it runs is all there is to know.
            self.is_up(id);
        }
    }

    pub(super) fn launch_failed(&mut self, run: RunId, failure: LaunchFailure) {
        let Some(id) = self.find_run(run) else { return };
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Some(live) = process.live().cloned() else {
            return;
        };
        let rest = live.shift.rest;
        self.seen(id, "the launch");
        self.end_checks(id);
        self.withdraw_all(id);
        // Of a run that an earlier instance had at work nothing may be left to tell that it was.
        self.settle_task_of(id, &live, &failure.fault.to_string());
        let place = self.dirty.entries.len();
        match live.after {
            After::Start => self.launch(id),
            After::Stay => self.rest(id, rest, "stopped before it was started", self.by),
            _ => match live.doom.clone() {
                // Given up by us: what its actor says of that is not why.
                Some(fault) => self.failed(id, fault),
                None if failure.permanent => self.block(id, failure.fault),
                None => self.failed(id, failure.fault),
            },
        }
        self.enter_end(id, &live, "", place);
    }

    /// The stage of a run that has shown that it works.
    pub(super) fn is_up(&mut self, id: ProcessId) {
        let now = self.now.mono;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        if live.stage.is_stopping() {
            return;
        }
        live.stage = Stage::Up;
        let pid = live.details.as_ref().map(|details| details.pid);
        let is_first = live.up_since.is_none();
        live.up_since.get_or_insert(now);
        process.looks = 0;
        if live.blocked.is_none() {
            process.fault = None;
        }
        if is_first {
            let text = pid.map_or_else(|| "ready".to_owned(), |pid| format!("ready as PID {pid}"));
            self.enter(What::Started, Some(id), &text);
        }
        // An agent is up because it has just answered.
        self.watch_health(id, true);
        self.touch(id);
        self.answer_waiters(id);
    }

    pub(super) fn adopted(&mut self, run: RunId, accepted: u64, alive: bool) {
        let Some(id) = self.find_run(run) else { return };
        self.accepted(run, accepted);
        self.skip_what_was_taken(id, accepted);
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        live.reached = true;
        if !alive {
            if let Stage::Launching { .. } = live.stage {
                // It was never started: that is no failure of its own.
                live.after = After::Start;
            }
            return;
        }
        // What the shim had not taken when the last instance ended goes out now; the shim takes
        // each number once.
        for order in live.outbox.clone() {
            self.durable.push(crate::domain::effect::Effect::Send {
                process: id,
                run,
                order,
            });
        }
        let (stage, turn) = (live.stage, live.turn);
        if let Turn::Placing { task, message } = turn {
            // Whether the branch is checked out is not known; where it is, it is found so.
            self.place(id, task, message);
        }
        let by = self.now.mono + READY;
        let Some(live) = self.live_mut(id) else {
            return;
        };
        match stage {
            Stage::Closing { .. } | Stage::Terminating { .. } => self.terminate(id),
            Stage::Killing => self.kill_run(id),
            Stage::Launching { .. } => {
                // It was launched, and the instance ended before it could record that.
                live.stage = Stage::Readying { by };
                let initialized = live.next_seq > 1;
                if self.processes.get(&id).map(|process| process.protocol)
                    != Some(Protocol::ClaudeStreamJson)
                {
                    self.is_up(id);
                } else if !initialized {
                    self.send(id, Order::Initialize);
                }
            }
            _ => {}
        }
        let name = self.name_of(id);
        self.watch_health(id, false);
        self.touch(id);
        self.note(id, LogKind::System, "adopted by a new instance");
        self.enter(What::Adopted, Some(id), "ran on and is looked after again");
        self.say(
            Level::Info,
            Some(id),
            format!("{name} ran on and is adopted"),
        );
    }

    pub(super) fn held(&mut self, run: RunId, error: Option<String>) {
        let Some(id) = self.with_run(run, |live, _| live.held.clone_from(&error)) else {
            return;
        };
        self.refresh(id);
        let name = self.name_of(id);
        match error {
            Some(error) => {
                let text = format!("the output of {name} cannot be written and is held: {error}");
                self.say(Level::Error, Some(id), text);
            }
            None => {
                let text = format!("the output of {name} is written again; nothing is lost");
                self.say(Level::Info, Some(id), text);
            }
        }
    }

    pub(super) fn stuck(&mut self, run: RunId, left: Vec<Ended>) {
        let names: Vec<String> = left
            .iter()
            .map(|left| format!("{} ({})", left.name, left.pid))
            .collect();
        let Some(id) = self.with_run(run, |live, _| live.stuck = left) else {
            return;
        };
        let name = self.name_of(id);
        self.refresh(id);
        let text = format!("{name} cannot be ended: {} still there", names.join(", "));
        self.say(Level::Error, Some(id), text);
    }

    pub(super) fn leader_exited(&mut self, run: RunId, status: ExitStatus) {
        let id = self.with_run(run, |live, _| {
            live.leader = Some(status);
            live.activity = Activity::Unknown;
        });
        if let Some(id) = id {
            self.seen(id, "its shim's report");
            self.refresh(id);
            self.note(
                id,
                LogKind::System,
                &format!("the agent ended with {status}"),
            );
        }
    }

    pub(super) fn exited(
        &mut self,
        run: RunId,
        exit: Exit,
        failure: Option<LaunchFailure>,
        lines: Vec<String>,
    ) {
        let Some(id) = self.find_run(run) else {
            // A late report of a run that is over already: it changes nothing.
            return;
        };
        let now = self.now;
        let stable_after = self.restart_policy(id).stable_after;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = process.phase.clone() else {
            return;
        };
        process.last_exit = Some(exit.clone());
        process.last_run = Some(run);
        process.evidence = Evidence {
            source: EXIT.to_owned(),
            at: exit.at,
        };
        // Whatever ends it: a run that did its work for so long is no failure in a row with another.
        let up = live
            .up_since
            .or((live.stage == Stage::Up).then_some(live.started_mono));
        if up.is_some_and(|since| now.mono.since(since) >= stable_after) {
            process.tries = 0;
        }
        self.figures.remove(&id);
        self.end_checks(id);
        self.touch(id);
        self.look_for_room();
        let effect = crate::domain::effect::Effect::Acknowledge { process: id, run };
        self.durable.push(effect);
        self.withdraw_all(id);
        let code = match exit.memory {
            Some(_) => FaultCode::LimitsExceeded,
            None => FaultCode::Crashed,
        };
        self.settle_task_of(id, &live, &format!("{} ({code})", exit.status));
        self.survey(id, true);
        self.note(
            id,
            LogKind::System,
            &format!("ended with {}: {}", exit.status, exit.proof()),
        );
        let failure = failure.map(|failure| self.with_figures(id, &exit, failure));
        let place = self.dirty.entries.len();
        self.follow(id, &live, &exit, failure);
        self.enter_end(id, &live, &exit.proof(), place);
        self.answer_waiters(id);
        self.record_exit(id, run, &live, &exit, lines);
    }

    /// Who was killed for lack of memory is told how much it had when it was measured last.
    fn with_figures(&self, id: ProcessId, exit: &Exit, failure: LaunchFailure) -> LaunchFailure {
        let last = self.last_minute.get(&id).and_then(|figures| figures.back());
        let (Some(_), FaultCode::LimitsExceeded, Some(last)) =
            (&exit.memory, failure.fault.code, last)
        else {
            return failure;
        };
        let (fault, megabytes) = (failure.fault, last.memory_bytes / 1_000_000);
        let cause = format!("{}; it had {megabytes} MB when measured last", fault.cause);
        LaunchFailure {
            fault: Fault { cause, ..fault },
            ..failure
        }
    }

    /// A conversation that does not come up again and again is not taken up for ever.
    fn begin_afresh_if_stuck(&mut self, id: ProcessId, live: &Live) {
        let was_up = live.up_since.is_some() || live.stage == Stage::Up;
        let is_stuck = self.processes.get(&id).is_some_and(|process| {
            process.tries >= STARTS && process.conversations.last().is_some_and(|last| last.used)
        });
        if is_stuck && !was_up {
            self.resume_failed(id, "it did not get ready with it, again and again");
        }
    }

    /// What follows an exit.
    fn follow(&mut self, id: ProcessId, live: &Live, exit: &Exit, failure: Option<LaunchFailure>) {
        let name = self.name_of(id);
        let ordered = live.stage.is_stopping();
        match live.after {
            After::Start => {
                if ordered {
                    self.say(
                        Level::Info,
                        Some(id),
                        format!("{name} restarts: {}", exit.proof()),
                    );
                }
                self.launch(id);
            }
            After::Stay => {
                let reason = live.shift.reason.as_deref().unwrap_or("stopped by you");
                self.rest(id, live.shift.rest, reason, EXIT);
                let level = if exit.left.is_empty() {
                    Level::Info
                } else {
                    Level::Error
                };
                self.say(level, Some(id), format!("{name} stopped: {}", exit.proof()));
            }
            _ if exit.abandoned => {
                let reason = "ended itself: no instance came back";
                self.rest(id, Rest::Instance, reason, EXIT);
                let text = format!("{name} ended itself since no instance came back in time");
                self.say(Level::Warning, Some(id), text);
            }
            _ => match live
                .doom
                .clone()
                .map(|fault| LaunchFailure {
                    fault,
                    permanent: false,
                })
                .or(failure)
            {
                None => {
                    let reason = format!("finished: {}", exit.status);
                    self.rest(id, Rest::Finished, &reason, EXIT);
                    self.say(
                        Level::Info,
                        Some(id),
                        format!("{name} finished: {}", exit.proof()),
                    );
                }
                Some(failure) if failure.permanent => self.block(id, failure.fault),
                Some(_) if live.doom.is_none() && self.found_by_command(id, exit) => {}
                Some(failure) => {
                    self.begin_afresh_if_stuck(id, live);
                    self.failed(id, failure.fault);
                }
            },
        }
    }

    pub(super) fn sampled(
        &mut self,
        machine: Machine,
        trees: Vec<(ProcessId, Usage)>,
        members: Vec<(ProcessId, Vec<Member>)>,
    ) {
        for (id, figures) in &mut self.figures {
            if !figures.members.is_empty() {
                figures.members.clear();
                self.stale.insert(*id);
            }
        }
        self.machine = machine;
        self.strain.look(&machine, self.now.mono);
        self.changed = true;
        for (id, mut usage) in trees {
            if self.live(id).is_none() {
                continue;
            }
            self.measured(id, &usage);
            if self.weigh(id, &usage) {
                self.touched.insert(id);
            }
            let figures = self.figures.entry(id).or_default();
            usage.disk_rates = figures
                .usage
                .and_then(|before| disk_rates(&before, &usage, self.now.mono.since(figures.at)));
            figures.at = self.now.mono;
            #[expect(clippy::cast_possible_truncation, reason = "a sparkline needs no more")]
            figures.cpu.push_back(usage.cpu_percent as f32);
            figures.memory.push_back(usage.memory_bytes);
            if figures.cpu.len() > HISTORY {
                figures.cpu.pop_front();
                figures.memory.pop_front();
            }
            figures.usage = Some(usage);
            self.stale.insert(id);
        }
        for (id, members) in members {
            if let Some(figures) = self.figures.get_mut(&id) {
                figures.members = members;
                self.stale.insert(id);
            }
        }
    }
}

/// Bytes a second between two figures; `None` where no time has passed.
fn disk_rates(before: &Usage, now: &Usage, span: Duration) -> Option<(u64, u64)> {
    let millis = u64::try_from(span.as_millis()).ok().filter(|ms| *ms > 0)?;
    let rate = |before: u64, now: u64| now.saturating_sub(before).saturating_mul(1000) / millis;
    Some((
        rate(before.disk_read_bytes, now.disk_read_bytes),
        rate(before.disk_written_bytes, now.disk_written_bytes),
    ))
}
