//! What an agent says: ready, busy, idle, asked, blocked; and what of it ends a turn.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::effect::Effect;
use crate::domain::event::{Fact, Mark};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::Fleet;
use crate::domain::fleet::stopping::INTERRUPT;
use crate::domain::health::Pulse;
use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::LogKind;
use crate::domain::order::Order;
use crate::domain::process::{After, Block, Ending, Phase, Process, Stage, Turn};
use crate::domain::snapshot::{Activity, Evidence, Level};
use crate::domain::task::AttemptEnd;

/// How long an agent may take to say that it is idle after its turn.
const SETTLE: Duration = Duration::from_secs(3);

/// A usage limit is not put to the test more often than this.
const LIMIT_SHORTEST: Duration = Duration::from_secs(60);
/// When a usage limit is put to the test if the agent did not say how long it holds.
const LIMIT_UNKNOWN: Duration = Duration::from_secs(15 * 60);

/// An agent's own event is the evidence.
const AGENT: &str = "the agent's own event";

impl Fleet {
    pub(super) fn heard(&mut self, run: RunId, mark: Mark, facts: Vec<Fact>) {
        let Some(id) = self.with_run(run, |live, _| live.mark = mark) else {
            return;
        };
        self.dirty.processes.insert(id);
        // Nobody reads up to here again, once that is on disk.
        self.durable.push(Effect::Consumed {
            process: id,
            run,
            mark,
        });
        for fact in facts {
            self.fact(id, run, fact);
        }
    }

    fn fact(&mut self, id: ProcessId, run: RunId, fact: Fact) {
        match fact {
            Fact::Ready { version, logged_in } => self.ready(id, version, logged_in),
            Fact::Acknowledged { message } => {
                self.task_acknowledged(id, message);
                self.message_taken(id, message);
            }
            Fact::TurnStarted { message } => {
                self.agent_is(id, Activity::Busy);
                if let Some(message) = message {
                    self.task_running(id, message);
                    self.message_read(id, message);
                }
            }
            Fact::MessageCancelled { message } => self.message_cancelled(id, message),
            Fact::Conversation { id: conversation } => self.conversation(id, conversation),
            Fact::Idle => self.agent_is(id, Activity::Idle),
            Fact::Busy | Fact::RequiresAction => self.agent_is(id, Activity::Busy),
            Fact::Asked { key, ask, input } => self.asked(id, run, key, ask, input),
            Fact::ToolUsed { tool, subject } => self.tool_used(id, &tool, &subject),
            Fact::FileChanged(change) => self.file_changed(id, &change),
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
                let fault = Fault::no_login(format!("the agent is not logged in: {text}"));
                self.block_live(id, fault, Block::default());
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
            Fact::Pong { number } => {
                let quiet = Duration::ZERO;
                self.pong(run, number, Pulse { quiet, tools: None });
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
        let idle = activity == Activity::Idle && live.turn == Turn::None;
        // It may have said so before a message came that is on its way.
        let awaits = live.messages.iter().any(|word| !word.taken);
        let over = idle && !awaits;
        if over {
            live.settled = true;
        }
        if idle && awaits {
            live.settle_by.get_or_insert(now.mono + SETTLE);
        }
        // Whoever has begun a turn by itself is not taken for idle before it says so.
        if over || activity == Activity::Busy {
            live.settle_by = None;
        }
        process.evidence = Evidence {
            source: AGENT.to_owned(),
            at: now.wall,
        };
        if over {
            self.messages_are_over(id);
        }
        self.refresh(id);
    }

    fn conversation(&mut self, id: ProcessId, conversation: Uuid) {
        let begun = self.now.wall;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.converses(conversation, begun);
        self.touch(id);
    }

    /// The next start begins afresh; the history keeps the one that was not found.
    pub(super) fn resume_failed(&mut self, id: ProcessId, text: &str) {
        let fresh = self.uuid();
        let begun = self.now.wall;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let lost = process.conversations.last().map(|last| last.id);
        process.converses(fresh, begun);
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
        if let Some(lost) = lost {
            self.cannot_continue(lost);
        }
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
        self.enter_block(id);
        self.answer_waiters(id);
        match turn {
            Turn::Task { ending: None, .. } => self.end_turn(id, AttemptEnd::Interrupted),
            // Not in the agent's hands yet: when its conversation is fresh, the task is not there.
            Turn::Clearing { task, .. } | Turn::Placing { task, .. } => {
                self.return_task(task, "its process cannot work at present");
            }
            Turn::Task { .. } | Turn::None => {}
        }
    }

    /// Interrupts the task of a process; the turn's end settles the task.
    pub(super) fn end_turn(&mut self, id: ProcessId, end: AttemptEnd) {
        let by = self.now.mono + INTERRUPT + INTERRUPT;
        let Some(live) = self.live_mut(id) else {
            return;
        };
        if let Turn::Task { ending, .. } = &mut live.turn {
            // What a person took back is not tried again, whatever else comes over it.
            if ending.is_some_and(|ending| ending.end == AttemptEnd::Cancelled) {
                return;
            }
            *ending = Some(Ending { end, by });
            self.done_to(id, "its task was interrupted");
            self.send(id, Order::Interrupt);
        }
    }

    pub(super) fn turn_is_over(&mut self, id: ProcessId) {
        let settle_by = self.now.mono + SETTLE;
        let Some(live) = self.live_mut(id) else {
            return;
        };
        live.turn = Turn::None;
        live.settled = false;
        live.settle_by = Some(settle_by);
        let stage = live.stage;
        self.seen(id, AGENT);
        self.touch(id);
        if matches!(stage, Stage::Finishing { .. } | Stage::Interrupting { .. }) {
            self.close(id);
        }
    }
}
