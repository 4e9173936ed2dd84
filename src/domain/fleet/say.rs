//! Messages of people to a turn that runs: they join it after the tool that is in progress, else the
//! agent answers them in a turn of its own, after that of the task.

use uuid::Uuid;

use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::event::TurnEnd;
use crate::domain::fleet::Fleet;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::log::LogKind;
use crate::domain::order::Order;
use crate::domain::process::{Live, Process, Turn, TurnWord};
use crate::domain::snapshot::Level;
use crate::domain::task::{LeasePhase, TurnMessage, TurnMessageState};

impl Fleet {
    /// Sends a message to the running turn of a process.
    pub(super) fn say_to(
        &mut self,
        reply: ReplyId,
        id: ProcessId,
        text: String,
    ) -> Result<(), Refusal> {
        let process = self.processes.get(&id).ok_or(Refusal::UnknownProcess(id))?;
        let name = process.name.clone();
        if text.trim().is_empty() {
            return Err(Refusal::Invalid("the message is empty".to_owned()));
        }
        let task = self.running_task(process)?;
        let uuid = self.uuid();
        let at = self.now.wall;
        if let Some(live) = self.live_mut(id) {
            live.messages.push(TurnWord {
                message: uuid,
                task,
                taken: false,
            });
        }
        self.with_task(task, |task| {
            if let Some(attempt) = task.attempts.last_mut() {
                attempt.messages.push(TurnMessage {
                    uuid,
                    at,
                    text: text.clone(),
                    state: TurnMessageState::Sent,
                });
            }
        });
        let line = format!("a message to the running turn of {task}:");
        self.note(id, LogKind::System, &line);
        self.send(id, Order::Message { uuid, text });
        self.reply_durably(reply, Ok(Outcome::Said(task)));
        self.say(
            Level::Info,
            Some(id),
            format!("{name} gets the message after the step that runs now"),
        );
        Ok(())
    }

    /// The task whose turn can be joined.
    fn running_task(&self, process: &Process) -> Result<TaskId, Refusal> {
        let name = &process.name;
        let refuse = |why: String| Err(Refusal::State(why));
        if !process.protocol.is_read() {
            return refuse(format!("{name} runs a command that takes no messages"));
        }
        let Some(live) = process.live() else {
            return refuse(format!(
                "{name} is not up: start it, and give it a task with `headcount task add`"
            ));
        };
        match live.turn {
            Turn::None => refuse(format!(
                "{name} has no task that runs: give it one with `headcount task add`, or go on from a \
                 result with `--continue`"
            )),
            Turn::Clearing { task, .. } | Turn::Placing { task, .. } => refuse(format!(
                "{name} is only about to begin {task}: try again in a moment"
            )),
            Turn::Task {
                task,
                ending: Some(_),
            } => refuse(format!("{task} of {name} is being interrupted")),
            Turn::Task { task, .. } => {
                let phase = self
                    .tasks
                    .get(&task)
                    .and_then(|task| task.lease)
                    .map(|lease| lease.phase);
                match phase {
                    Some(LeasePhase::Running) => Ok(task),
                    _ => refuse(format!(
                        "{name} is only about to begin {task}: try again in a moment"
                    )),
                }
            }
        }
    }

    /// The agent has a message, and will come to it.
    pub(super) fn message_taken(&mut self, id: ProcessId, message: Uuid) {
        let live = self.live_mut(id);
        let word = live.and_then(|live| {
            let mut words = live.messages.iter_mut();
            words.find(|word| word.message == message)
        });
        if let Some(word) = word {
            word.taken = true;
            self.touch(id);
        }
    }

    /// The agent begins to work on a message: within the turn of its task, or after it.
    pub(super) fn message_read(&mut self, id: ProcessId, message: Uuid) {
        self.message_taken(id, message);
        let Some(live) = self.live(id) else {
            return;
        };
        let Some(task) = task_of(live, message) else {
            return;
        };
        let joins = matches!(live.turn, Turn::Task { task: running, .. } if running == task);
        let (state, line) = if joins {
            (TurnMessageState::Joined, "the message joined the turn")
        } else {
            let line = "the turn was over: the message is read in a turn of its own";
            (TurnMessageState::After, line)
        };
        self.message_is(task, message, state);
        self.note(id, LogKind::System, line);
    }

    /// The agent dropped a message without reading it; whether it was one of these.
    pub(super) fn message_dropped(&mut self, id: ProcessId, message: Uuid) -> bool {
        let Some(live) = self.live_mut(id) else {
            return false;
        };
        let Some(task) = task_of(live, message) else {
            return false;
        };
        live.messages.retain(|word| word.message != message);
        self.message_is(task, message, TurnMessageState::Lost);
        self.note(
            id,
            LogKind::Error,
            "the message was dropped, nobody read it",
        );
        true
    }

    /// A turn ended: what it answered is no longer on its way. Whether it answered a message alone.
    pub(super) fn messages_answered(&mut self, id: ProcessId, end: &TurnEnd) -> bool {
        let Some(live) = self.live_mut(id) else {
            return false;
        };
        let (answered, left): (Vec<_>, Vec<_>) = std::mem::take(&mut live.messages)
            .into_iter()
            .partition(|word| end.messages.contains(&word.message));
        live.messages = left;
        for word in &answered {
            // Of one that was read it was said already how.
            if self.is_unread(*word) {
                self.message_is(word.task, word.message, TurnMessageState::Joined);
            }
        }
        if !answered.is_empty() {
            self.touch(id);
        }
        !answered.is_empty()
    }

    /// The agent has nothing more to do: what it has not read by now it never will.
    pub(super) fn messages_are_over(&mut self, id: ProcessId) {
        let Some(live) = self.live_mut(id) else {
            return;
        };
        let left = std::mem::take(&mut live.messages);
        self.lose(id, &left);
    }

    /// Messages that nobody will read any more.
    pub(super) fn lose(&mut self, id: ProcessId, left: &[TurnWord]) {
        for word in left {
            if self.is_unread(*word) {
                self.message_is(word.task, word.message, TurnMessageState::Lost);
                self.note(
                    id,
                    LogKind::Error,
                    "the message was not read: the turn is over",
                );
            }
        }
        if !left.is_empty() {
            self.touch(id);
        }
    }

    fn is_unread(&self, word: TurnWord) -> bool {
        self.tasks.get(&word.task).is_some_and(|task| {
            let mut messages = task.attempts.iter().flat_map(|attempt| &attempt.messages);
            messages.any(|one| one.uuid == word.message && one.state == TurnMessageState::Sent)
        })
    }

    fn message_is(&mut self, task: TaskId, message: Uuid, state: TurnMessageState) {
        self.with_task(task, |task| {
            let messages = task
                .attempts
                .iter_mut()
                .rev()
                .flat_map(|attempt| attempt.messages.iter_mut());
            if let Some(found) = messages.into_iter().find(|one| one.uuid == message) {
                found.state = state;
            }
        });
    }
}

/// The task that a message went to, as long as it is not answered.
fn task_of(live: &Live, message: Uuid) -> Option<TaskId> {
    let mut words = live.messages.iter();
    words.find_map(|word| (word.message == message).then_some(word.task))
}
