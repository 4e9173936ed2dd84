//! Tasks on their way to an agent: leased, delivered, begun.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::event::TurnEnd;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::Fleet;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::log::LogKind;
use crate::domain::order::Order;
use crate::domain::process::{Conversation, Ending, Phase, Turn};
use crate::domain::task::{Attempt, Lease, LeasePhase, LogSpan, Task, TaskState};
use crate::domain::work::{FileChange, Work};

/// How long an agent may take to begin a fresh conversation.
const CLEAR: Duration = Duration::from_secs(30);

impl Fleet {
    /// Runs a change on a task and keeps the indices in line.
    pub(super) fn with_task(&mut self, id: TaskId, change: impl FnOnce(&mut Task)) {
        let now = self.now.wall;
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        let before = task.state;
        let task = Arc::make_mut(task);
        change(task);
        if task.state != before {
            task.since = now;
            self.graph.turned(task, before);
        }
        let turned = task.state != before;
        self.queue.update(task);
        self.dirty.tasks.insert(id);
        self.unlisted.insert(id);
        self.changed = true;
        if let Some(process) = task.process() {
            self.stale.insert(process);
        }
        if turned {
            self.enter_task(id, before);
            if before == TaskState::Held {
                self.void_question(id);
            }
        }
    }

    pub(super) fn lease(&mut self, task: TaskId, id: ProcessId) {
        let message = self.uuid();
        let now = self.now;
        self.meta.turn += 1;
        let turn = self.meta.turn;
        let timeout = self
            .tasks
            .get(&task)
            .and_then(|task| task.timeout)
            .or_else(|| self.role_of(id).map(|role| role.task_timeout));
        let stays = self.needs_no_clearing(task, id);
        let moves = self.switch_for(id, task).is_some();
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.turn_taken = turn;
        process.record.assigned += 1;
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        let run = live.run;
        let begins = live.mark.log;
        live.settled = false;
        live.turn = if moves {
            Turn::Placing { task, message }
        } else if stays {
            Turn::Task { task, ending: None }
        } else {
            Turn::Clearing {
                task,
                message,
                by: now.mono + CLEAR,
            }
        };
        self.with_task(task, |task| {
            task.state = TaskState::Assigned;
            task.attempts.push(Attempt {
                process: id,
                run,
                started: now.wall,
                ended: None,
                end: None,
                reason: None,
                conversation: None,
                work: Work::default(),
                log: Some(LogSpan {
                    from: begins,
                    to: None,
                }),
                messages: Vec::new(),
                cost_usd: 0.0,
            });
            task.lease = Some(Lease {
                process: id,
                run,
                message,
                phase: LeasePhase::Leased,
                deadline: timeout.map(|timeout| now.mono + timeout),
                left: None,
            });
        });
        self.touch(id);
        self.seen(id, "the task queue");
        self.note(id, LogKind::System, &format!("{task} assigned"));
        if moves {
            self.place(id, task, message);
        } else if stays {
            self.deliver(id, task, message);
        } else {
            // A fresh conversation first; the task follows under its id.
            self.send_clear(id, message);
        }
    }

    /// Its worktree is on the right branch: the task goes on its way as any other.
    pub(super) fn hand_over_task(&mut self, id: ProcessId, task: TaskId, message: Uuid) {
        let by = self.now.mono + CLEAR;
        let stays = self.needs_no_clearing(task, id);
        let Some(live) = self.live_mut(id) else {
            return;
        };
        if stays {
            live.turn = Turn::Task { task, ending: None };
            self.deliver(id, task, message);
        } else {
            live.turn = Turn::Clearing { task, message, by };
            self.touch(id);
            self.send_clear(id, message);
        }
    }

    fn deliver(&mut self, id: ProcessId, task: TaskId, message: Uuid) {
        let Some(text) = self.tasks.get(&task).map(|task| self.words_for(task, id)) else {
            return;
        };
        let begun = self.now.wall;
        let mut conversation = None;
        if let Some(process) = self.processes.get_mut(&id) {
            match process.conversations.last_mut() {
                Some(last) => {
                    last.used = true;
                    conversation = Some(last.id);
                }
                None => {
                    let id = Uuid::nil();
                    process.conversations.push(Conversation {
                        id,
                        begun,
                        used: true,
                    });
                }
            }
            if let Phase::Live(live) = &mut process.phase {
                live.turn = Turn::Task { task, ending: None };
            }
        }
        self.with_task(task, |task| {
            if let Some(lease) = &mut task.lease {
                lease.phase = LeasePhase::Delivered;
                lease.message = message;
            }
            if let Some(attempt) = task.attempts.last_mut() {
                attempt.conversation = conversation;
            }
        });
        self.mark_task(id, task, false);
        self.send(
            id,
            Order::Message {
                uuid: message,
                text,
            },
        );
    }

    pub(super) fn task_acknowledged(&mut self, id: ProcessId, message: Uuid) {
        self.lease_comes_to(id, message, LeasePhase::Acknowledged);
    }

    pub(super) fn task_running(&mut self, id: ProcessId, message: Uuid) {
        self.lease_comes_to(id, message, LeasePhase::Running);
    }

    /// The agent called a tool.
    pub(super) fn tool_used(&mut self, id: ProcessId, tool: &str, subject: &str) {
        let line = if subject.is_empty() {
            tool.to_owned()
        } else {
            format!("{tool}  {subject}")
        };
        if let Some(live) = self.live_mut(id) {
            live.progress = Some(line);
        }
        self.refresh(id);
        self.work_of(id, |work| work.used(tool));
    }

    /// The agent changed a file.
    pub(super) fn file_changed(&mut self, id: ProcessId, change: &FileChange) {
        self.work_of(id, |work| work.changed(change));
    }

    fn work_of(&mut self, id: ProcessId, change: impl FnOnce(&mut Work)) {
        let turn = self.live(id);
        let Some(Turn::Task { task, .. }) = turn.map(|live| live.turn) else {
            return;
        };
        self.with_task(task, |task| {
            if let Some(attempt) = task.attempts.last_mut()
                && attempt.end.is_none()
            {
                change(&mut attempt.work);
            }
        });
    }

    fn lease_comes_to(&mut self, id: ProcessId, message: Uuid, phase: LeasePhase) {
        let Some((task, _)) = self.leased(id, message) else {
            return;
        };
        self.with_task(task, |task| {
            if let Some(lease) = &mut task.lease {
                lease.phase = phase;
            }
            if phase == LeasePhase::Running && task.state == TaskState::Assigned {
                task.state = TaskState::Running;
            }
        });
        self.refresh(id);
    }

    /// The task in flight that was given under this message, and how its turn is being ended.
    fn leased(&self, id: ProcessId, message: Uuid) -> Option<(TaskId, Option<Ending>)> {
        let live = self.processes.get(&id)?.live()?;
        let Turn::Task { task, ending } = live.turn else {
            return None;
        };
        let lease = self.tasks.get(&task)?.lease?;
        (lease.process == id && lease.run == live.run && lease.message == message)
            .then_some((task, ending))
    }

    pub(super) fn message_cancelled(&mut self, id: ProcessId, message: Uuid) {
        // A turn that was interrupted ends with a result as well; this alone settles a message that
        // the agent dropped before it began.
        if self.message_dropped(id, message) {
            return;
        }
        let Some((task, ending)) = self.leased(id, message) else {
            return;
        };
        let running = self
            .tasks
            .get(&task)
            .and_then(|task| task.lease)
            .is_some_and(|lease| lease.phase == LeasePhase::Running);
        if !running {
            match ending {
                Some(ending) => self.end_as_ordered(id, task, ending.end),
                None => self.return_task(task, "the agent dropped it before it began"),
            }
            self.turn_is_over(id);
        }
    }

    /// The conversation is fresh: the task follows, if it is still to be done.
    pub(super) fn cleared(&mut self, id: ProcessId, task: TaskId, message: Uuid, end: &TurnEnd) {
        let still = self
            .tasks
            .get(&task)
            .and_then(|task| task.lease)
            .is_some_and(|lease| lease.process == id && lease.message == message);
        if still && end.success {
            let message = self.uuid();
            self.deliver(id, task, message);
            return;
        }
        self.turn_is_over(id);
        if still {
            // The task must not go into a conversation that it has nothing to do with.
            self.return_task(task, "its process did not begin a fresh conversation");
            let cause = format!("the agent did not begin a fresh conversation: {}", end.text);
            let remedy = "nothing to do: it is started again";
            self.fail_live(id, Fault::new(FaultCode::Crashed, cause, remedy));
        }
    }
}
