//! Runs: launched, heard, exited; and what is due when a deadline comes.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::event::{Fact, LaunchFailure, Mark, RunDetails};
use crate::domain::exit::{Ended, Exit, ExitStatus};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::staff::{INTERRUPT, READY};
use crate::domain::fleet::{Fleet, HISTORY};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::LogKind;
use crate::domain::order::Order;
use crate::domain::process::{
    After, Block, Conversation, Ending, Live, Phase, Process, Stage, Turn,
};
use crate::domain::role::Protocol;
use crate::domain::snapshot::{Activity, Evidence, Level, Machine, Usage};
use crate::domain::task::AttemptEnd;
use crate::domain::time::{Mono, Now};

/// How long an agent may take to say that it is idle after its turn.
const SETTLE: Duration = Duration::from_secs(3);

/// A usage limit is not put to the test more often than this.
const LIMIT_SHORTEST: Duration = Duration::from_secs(60);
/// When a usage limit is put to the test if the agent did not say how long it holds.
const LIMIT_UNKNOWN: Duration = Duration::from_secs(15 * 60);

/// An agent's own event is the evidence.
const AGENT: &str = "the agent's own event";

impl Fleet {
    /// Runs a change on the live run of this id; a run that is over is nobody's business any more.
    fn with_run(&mut self, run: RunId, change: impl FnOnce(&mut Live, Now)) -> Option<ProcessId> {
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
        let pid = details.pid;
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
        process.evidence = Evidence {
            source: "launch".to_owned(),
            at: self.now.wall,
        };
        if process.protocol == Protocol::ClaudeStreamJson {
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
        let after = process.live().map(|live| live.after);
        self.withdraw_all(id);
        match after {
            Some(After::Start) => self.launch(id),
            Some(After::Stay) => self.rest(id, "stopped before it was started"),
            _ if failure.permanent => self.block(id, failure.fault, None),
            _ => self.failed(id, failure.fault),
        }
    }

    /// The stage of a run that has shown that it works.
    fn is_up(&mut self, id: ProcessId) {
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
        if live.blocked.is_none() {
            process.fault = None;
        }
        self.touch(id);
        self.answer_waiters(id);
    }

    pub(super) fn adopted(&mut self, run: RunId, accepted: u64, alive: bool) {
        let Some(id) = self.find_run(run) else { return };
        self.accepted(run, accepted);
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
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
        match live.stage {
            Stage::Closing { .. } | Stage::Terminating { .. } => self.terminate(id),
            Stage::Killing => self.kill_run(id),
            Stage::Launching { .. } => {
                // It was launched, and the instance ended before it could record that.
                live.stage = Stage::Readying {
                    by: self.now.mono + READY,
                };
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
        self.touch(id);
        self.note(id, LogKind::System, "adopted by a new instance");
        self.say(
            Level::Info,
            Some(id),
            format!("{name} ran on and is adopted"),
        );
    }

    pub(super) fn accepted(&mut self, run: RunId, seq: u64) {
        let id = self.with_run(run, |live, _| live.outbox.retain(|order| order.seq > seq));
        // Written with the next change: the shim refuses what it has taken before.
        if let Some(id) = id {
            self.refresh(id);
        }
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
            self.refresh(id);
            self.note(
                id,
                LogKind::System,
                &format!("the agent ended with {status}"),
            );
        }
    }

    pub(super) fn heard(&mut self, run: RunId, mark: Mark, facts: Vec<Fact>) {
        let Some(id) = self.with_run(run, |live, _| live.mark = mark) else {
            return;
        };
        self.dirty.processes.insert(id);
        for fact in facts {
            self.fact(id, run, fact);
        }
    }

    fn fact(&mut self, id: ProcessId, run: RunId, fact: Fact) {
        match fact {
            Fact::Ready { version, logged_in } => self.ready(id, version, logged_in),
            Fact::Acknowledged { message } => self.task_acknowledged(id, message),
            Fact::TurnStarted { message } => {
                self.agent_is(id, Activity::Busy);
                if let Some(message) = message {
                    self.task_running(id, message);
                }
            }
            Fact::MessageCancelled { message } => self.message_cancelled(id, message),
            Fact::Conversation { id: conversation } => self.conversation(id, conversation),
            Fact::Idle => self.agent_is(id, Activity::Idle),
            Fact::Busy | Fact::RequiresAction => self.agent_is(id, Activity::Busy),
            Fact::Asked { key, ask, input } => self.asked(id, run, key, ask, input),
            Fact::Withdrawn { key } => self.withdrawn(id, &key),
            Fact::Retrying {
                status,
                error,
                attempt,
            } => {
                let status = status
                    .map(|status| format!(" ({status})"))
                    .unwrap_or_default();
                let hint = format!("the model is not answering: {error}{status}, try {attempt}");
                self.with_run(run, |live, _| live.hint = Some(hint));
                self.refresh(id);
            }
            Fact::NotLoggedIn { text } => {
                let fault = Fault::new(
                    FaultCode::EnvironmentSetupFailed,
                    format!("the agent is not logged in: {text}"),
                    "run `claude` once and log in, or set ANTHROPIC_API_KEY for headcount, \
                     then restart this process",
                );
                self.block_live(
                    id,
                    fault,
                    Block {
                        until: None,
                        until_wall: None,
                    },
                );
            }
            Fact::UsageLimit { until } => {
                let wait = until.map_or(LIMIT_UNKNOWN, |until| {
                    Duration::try_from(until.duration_since(self.now.wall)).unwrap_or_default()
                });
                let fault = Fault::new(
                    FaultCode::LimitsExceeded,
                    "the usage limit of the account is reached",
                    "nothing to do: it goes on by itself when the limit is lifted",
                );
                // Our clock may be ahead of the account's: then it is over here before it is there.
                let until = self.now.mono + wait.max(LIMIT_SHORTEST);
                let block = Block {
                    until: Some(until),
                    until_wall: Some(self.wall_of(until)),
                };
                self.block_live(id, fault, block);
            }
            Fact::TurnEnded(end) => self.turn_ended(id, *end),
            Fact::ResumeFailed { text } => self.resume_failed(id, &text),
        }
    }

    fn ready(&mut self, id: ProcessId, version: Option<String>, logged_in: Option<bool>) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        live.version = version;
        live.activity = Activity::Idle;
        live.settled = true;
        process.evidence = Evidence {
            source: "the agent's answer".to_owned(),
            at: now.wall,
        };
        // First: whoever waits for it to be up is to hear that it cannot work.
        if logged_in == Some(false) {
            self.fact_not_logged_in(id);
        }
        self.is_up(id);
        self.note(id, LogKind::System, "ready");
    }

    fn fact_not_logged_in(&mut self, id: ProcessId) {
        let Some(run) = self
            .processes
            .get(&id)
            .and_then(Process::live)
            .map(|live| live.run)
        else {
            return;
        };
        self.fact(
            id,
            run,
            Fact::NotLoggedIn {
                text: "no login and no key".to_owned(),
            },
        );
    }

    fn agent_is(&mut self, id: ProcessId, activity: Activity) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        live.activity = activity;
        live.hint = None;
        if activity == Activity::Idle && live.turn == Turn::None {
            live.settled = true;
            live.settle_by = None;
        }
        process.evidence = Evidence {
            source: AGENT.to_owned(),
            at: now.wall,
        };
        self.refresh(id);
    }

    fn conversation(&mut self, id: ProcessId, conversation: Uuid) {
        let begun = self.now.wall;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if process
            .conversations
            .last()
            .is_some_and(|last| last.id == conversation)
        {
            return;
        }
        process.conversations.push(Conversation {
            id: conversation,
            begun,
            used: false,
        });
        self.touch(id);
    }

    /// The next start begins afresh; the history keeps the one that was not found.
    fn resume_failed(&mut self, id: ProcessId, text: &str) {
        let fresh = self.uuid();
        let begun = self.now.wall;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.conversations.push(Conversation {
            id: fresh,
            begun,
            used: false,
        });
        // What was stopped meanwhile stays stopped.
        if let Phase::Live(live) = &mut process.phase
            && live.after == After::Fail
        {
            live.after = After::Start;
        }
        let text = format!(
            "the conversation of {} could not be resumed ({text}); a fresh one is begun",
            process.name
        );
        self.touch(id);
        self.note(id, LogKind::Error, &text);
        self.say(Level::Warning, Some(id), text);
    }

    /// The process lives but cannot work: its task goes back, no retry used.
    fn block_live(&mut self, id: ProcessId, fault: Fault, block: Block) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        if live.blocked.replace(block).is_some() {
            return;
        }
        let turn = live.turn;
        let text = format!("{} is blocked: {fault}", process.name);
        process.fault = Some(fault);
        process.evidence = Evidence {
            source: AGENT.to_owned(),
            at: now.wall,
        };
        self.touch(id);
        self.note(id, LogKind::Error, &text);
        self.say(Level::Error, Some(id), text);
        self.answer_waiters(id);
        if matches!(turn, Turn::Task { ending: None, .. }) {
            self.end_turn(id, AttemptEnd::Interrupted);
        }
    }

    /// Interrupts the task of a process; the turn's end settles the task.
    pub(super) fn end_turn(&mut self, id: ProcessId, end: AttemptEnd) {
        let by = self.now.mono + INTERRUPT + INTERRUPT;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        if let Turn::Task { ending, .. } = &mut live.turn {
            // What a person took back is not tried again, whatever else comes over it.
            if ending.is_some_and(|ending| ending.end == AttemptEnd::Cancelled) {
                return;
            }
            *ending = Some(Ending { end, by });
            self.send(id, Order::Interrupt);
        }
    }

    pub(super) fn turn_is_over(&mut self, id: ProcessId) {
        let settle_by = self.now.mono + SETTLE;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        live.turn = Turn::None;
        live.settled = false;
        live.settle_by = Some(settle_by);
        let stage = live.stage;
        self.touch(id);
        if matches!(stage, Stage::Finishing { .. } | Stage::Interrupting { .. }) {
            self.close(id);
        }
    }

    pub(super) fn exited(&mut self, run: RunId, exit: Exit, failure: Option<LaunchFailure>) {
        let Some(id) = self.find_run(run) else {
            // A late report of a run that is over already: it changes nothing.
            return;
        };
        let now = self.now;
        let stable_after = self.catalogue.auto_restart.stable_after;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = process.phase.clone() else {
            return;
        };
        let name = process.name.clone();
        process.last_exit = Some(exit.clone());
        process.last_run = Some(run);
        process.evidence = Evidence {
            source: "exit report".to_owned(),
            at: exit.at,
        };
        if now.mono.since(live.started_mono) >= stable_after && live.stage == Stage::Up {
            process.tries = 0;
        }
        self.figures.remove(&id);
        self.touch(id);
        let effect = crate::domain::effect::Effect::Acknowledge { process: id, run };
        self.durable.push(effect);
        self.withdraw_all(id);
        self.settle_task_of(id, &live, &exit);
        self.note(
            id,
            LogKind::System,
            &format!("ended with {}: {}", exit.status, exit.proof()),
        );
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
                self.rest(id, "stopped by you");
                let level = if exit.left.is_empty() {
                    Level::Info
                } else {
                    Level::Error
                };
                self.say(level, Some(id), format!("{name} stopped: {}", exit.proof()));
            }
            _ if exit.abandoned => {
                self.rest(id, "ended itself: no instance came back");
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
                    self.rest(id, &format!("finished: {}", exit.status));
                    self.say(
                        Level::Info,
                        Some(id),
                        format!("{name} finished: {}", exit.proof()),
                    );
                }
                Some(failure) if failure.permanent => self.block(id, failure.fault, None),
                Some(failure) => self.failed(id, failure.fault),
            },
        }
        self.answer_waiters(id);
    }

    /// Counts a failure: a restart is due after the delay, or the limit is reached.
    fn failed(&mut self, id: ProcessId, fault: Fault) {
        let policy = self.catalogue.auto_restart;
        let shutting_down = self.shutdown.is_some();
        let now = self.now;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let name = process.name.clone();
        process.tries += 1;
        process.fault = Some(fault.clone());
        process.evidence = Evidence {
            source: "exit report".to_owned(),
            at: now.wall,
        };
        let again = policy.enabled && process.tries <= policy.max_retries && !shutting_down;
        let text = if again {
            let at = now + policy.retry_delay;
            process.phase = Phase::Backoff {
                at: at.mono,
                at_wall: at.wall,
            };
            let seconds = policy.retry_delay.as_secs();
            let (tries, most) = (process.tries, policy.max_retries);
            format!("{name}: {fault}; restart {tries} of {most} in {seconds} s")
        } else {
            process.phase = Phase::Failed;
            format!(
                "{name}: {fault}; left down after {} failures",
                process.tries
            )
        };
        self.touch(id);
        self.note(id, LogKind::Error, &text);
        self.say(
            if again { Level::Warning } else { Level::Error },
            Some(id),
            text,
        );
        self.answer_waiters(id);
    }

    pub(super) fn sampled(&mut self, machine: Machine, trees: Vec<(ProcessId, Usage)>) {
        self.machine = machine;
        self.changed = true;
        for (id, usage) in trees {
            if self.processes.get(&id).and_then(Process::live).is_none() {
                continue;
            }
            let figures = self.figures.entry(id).or_default();
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
    }

    /// Does what is due for one process. Each arm moves its deadline or takes it away.
    pub(super) fn process_due(&mut self, id: ProcessId) {
        let now = self.now.mono;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        match &mut process.phase {
            Phase::Down | Phase::Failed => {}
            Phase::Backoff { .. } => {
                process.record.restarts += 1;
                self.launch(id);
            }
            Phase::Blocked(_) => self.launch(id),
            Phase::Live(live) => {
                if live.settle_by.is_some_and(|by| by <= now) {
                    live.settle_by = None;
                    live.settled = true;
                    live.activity = Activity::Idle;
                }
                if live
                    .blocked
                    .and_then(|block| block.until)
                    .is_some_and(|until| until <= now)
                {
                    live.blocked = None;
                    process.fault = None;
                }
                let overdue = matches!(
                    live.turn,
                    Turn::Task { ending: Some(Ending { by, .. }), .. } | Turn::Clearing { by, .. }
                        if by <= now
                );
                if overdue {
                    // Served: the kill has no deadline of its own.
                    live.turn = match live.turn {
                        Turn::Task {
                            task,
                            ending: Some(ending),
                        } => Turn::Task {
                            task,
                            ending: Some(Ending {
                                by: Mono(u64::MAX),
                                ..ending
                            }),
                        },
                        Turn::Clearing { task, message, .. } => Turn::Clearing {
                            task,
                            message,
                            by: Mono(u64::MAX),
                        },
                        turn => turn,
                    };
                }
                let stage = live.stage;
                self.touch(id);
                if stage.deadline().is_some_and(|by| by <= now) {
                    self.stage_due(id, stage);
                } else if overdue {
                    self.doom(
                        id,
                        Fault::new(
                            FaultCode::Crashed,
                            "the agent did not answer in time: its turn would not end",
                            "nothing to do: it is started again",
                        ),
                    );
                }
            }
        }
    }

    /// Ends a run as a failure of its own.
    fn doom(&mut self, id: ProcessId, fault: Fault) {
        self.note(id, LogKind::Error, &fault.to_string());
        if let Some(Phase::Live(live)) = self
            .processes
            .get_mut(&id)
            .map(|process| &mut process.phase)
        {
            live.doom = Some(fault);
        }
        self.kill_run(id);
    }

    fn stage_due(&mut self, id: ProcessId, stage: Stage) {
        match stage {
            Stage::Launching { .. } | Stage::Readying { .. } => {
                self.doom(
                    id,
                    Fault::new(
                        FaultCode::FailedToStart,
                        format!(
                            "the agent did not say within {} s that it is ready",
                            READY.as_secs()
                        ),
                        "see its log; run the agent by hand in its working directory",
                    ),
                );
            }
            Stage::Finishing { .. } => self.interrupt_to_stop(id),
            Stage::Interrupting { .. } | Stage::Closing { .. } => self.terminate(id),
            Stage::Terminating { .. } => self.kill_run(id),
            Stage::Up | Stage::Killing => {}
        }
    }
}
