//! Tasks: accepted, leased, delivered, settled.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::event::TurnEnd;
use crate::domain::exit::Exit;
use crate::domain::fleet::{Fleet, Undo};
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::log::LogKind;
use crate::domain::nearest::{nearest, owned};
use crate::domain::order::Order;
use crate::domain::process::{After, Conversation, Ending, Live, Phase, Process, Turn};
use crate::domain::role::WhenCut;
use crate::domain::snapshot::Level;
use crate::domain::task::{
    Attempt, AttemptEnd, Lease, LeasePhase, NewTask, Target, Task, TaskResult, TaskState,
};
use crate::domain::time::Mono;

/// A task's text is a message to an agent, not a file transfer.
const TEXT: usize = 1024 * 1024;
/// How long an agent may take to begin a fresh conversation.
const CLEAR: Duration = Duration::from_secs(30);
/// Finished tasks that a process remembers.
const LAST_TASKS: usize = 10;

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
        }
        self.queue.update(task);
        self.dirty.tasks.insert(id);
        self.changed = true;
        if let Some(process) = task.process() {
            self.stale.insert(process);
        }
    }

    pub(super) fn add_task(&mut self, reply: ReplyId, new: NewTask) -> Result<(), Refusal> {
        if self.shutdown.is_some() {
            return Err(Refusal::State("headcount is shutting down".to_owned()));
        }
        if let Some(known) = new.key.as_ref().and_then(|key| self.keys.get(key)) {
            let known = *known;
            self.reply_known(reply, known);
            return Ok(());
        }
        self.check_task(&new)?;
        self.meta.task += 1;
        self.dirty.meta = true;
        let id = TaskId(self.meta.task);
        if let Some(key) = &new.key {
            self.keys.insert(key.clone(), id);
        }
        let task = Task {
            id,
            text: new.text,
            state: TaskState::Queued,
            priority: new.priority,
            target: new.target,
            timeout: new.timeout,
            retries: new.retries,
            key: new.key,
            created: self.now.wall,
            since: self.now.wall,
            not_before: None,
            attempts: Vec::new(),
            lease: None,
            result: None,
            error: None,
            stored: false,
            cancelling: false,
            forgiven: 0,
        };
        self.tasks.insert(id, Arc::new(task));
        self.dirty.tasks.insert(id);
        self.undo.push(Undo::Task(id, reply));
        self.reply_durably(reply, Ok(Outcome::TaskAdded(id)));
        Ok(())
    }

    fn check_task(&self, new: &NewTask) -> Result<(), Refusal> {
        if new.text.trim().is_empty() {
            return Err(Refusal::Invalid("the task has no text".to_owned()));
        }
        if new.text.len() > TEXT {
            let text = "the task's text is over 1 MiB; put it into a file and name the file";
            return Err(Refusal::Invalid(text.to_owned()));
        }
        if new.text.contains('\0') {
            return Err(Refusal::Invalid(
                "the task's text has a NUL character".to_owned(),
            ));
        }
        if let Some(process) = new.target.process
            && !self.processes.contains_key(&process)
        {
            return Err(Refusal::UnknownProcess(process));
        }
        if let Some(role) = &new.target.role
            && self.catalogue.role(role).is_none()
        {
            let keys = self.catalogue.roles.iter().map(|role| role.key.as_str());
            return Err(Refusal::UnknownRole {
                near: owned(nearest(role, keys)),
                name: role.clone(),
            });
        }
        if new.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Refusal::Invalid("the time-out is zero".to_owned()));
        }
        Ok(())
    }

    pub(super) fn cancel_task(&mut self, reply: ReplyId, id: TaskId) -> Result<(), Refusal> {
        let task = self.tasks.get(&id).ok_or(Refusal::UnknownTask(id))?;
        if task.state.is_final() {
            let text = format!("{id} is {} already", task.state.as_str());
            return Err(Refusal::State(text));
        }
        let turn = task.lease.and_then(|lease| {
            Some((
                lease.process,
                self.processes.get(&lease.process)?.live()?.turn,
            ))
        });
        match turn {
            Some((process, Turn::Task { task, .. })) if task == id => {
                self.with_task(id, |task| task.cancelling = true);
                self.end_turn(process, AttemptEnd::Cancelled);
            }
            _ => {
                // Not in an agent's hands yet. A process that clears its conversation for it finds
                // it gone and takes the next.
                self.end_attempt(id, AttemptEnd::Cancelled, "taken back by you");
                self.with_task(id, |task| {
                    task.state = TaskState::Cancelled;
                    task.error = Some("taken back by you".to_owned());
                });
            }
        }
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    pub(super) fn retry_task(&mut self, reply: ReplyId, id: TaskId) -> Result<(), Refusal> {
        let task = self.tasks.get(&id).ok_or(Refusal::UnknownTask(id))?;
        if !task.state.is_final() || task.state == TaskState::Succeeded {
            let text = format!(
                "{id} is {}; only a task that ended without success is tried again",
                task.state.as_str()
            );
            return Err(Refusal::State(text));
        }
        self.with_task(id, |task| {
            // A person's decision begins the count anew.
            task.forgiven += task.tries();
            task.state = TaskState::Queued;
            task.error = None;
            task.not_before = None;
        });
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    pub(super) fn release_task(&mut self, reply: ReplyId, id: TaskId) -> Result<(), Refusal> {
        let task = self.tasks.get(&id).ok_or(Refusal::UnknownTask(id))?;
        if task.state != TaskState::Held {
            let text = format!("{id} is {}, not held", task.state.as_str());
            return Err(Refusal::State(text));
        }
        self.with_task(id, |task| task.state = TaskState::Queued);
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    /// Gives queued tasks to free processes: in the order of work, round robin among those that fit.
    pub(super) fn dispatch(&mut self) {
        if self.queue.is_empty() || self.shutdown.is_some() {
            return;
        }
        let mut free: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| process.is_free())
            .map(|process| process.id)
            .collect();
        free.sort_by_key(|id| {
            self.processes
                .get(id)
                .map_or(0, |process| process.turn_taken)
        });
        while !free.is_empty() {
            let next = self
                .queue
                .first_of_each()
                .filter_map(|(target, first)| {
                    let place = free.iter().position(|one| self.fits(target, *one))?;
                    Some((first, place))
                })
                .min();
            let Some(((_, task), place)) = next else {
                return;
            };
            self.lease(task, free.remove(place));
        }
    }

    /// Whether a process is one that may do a task of this target, be it free or not.
    pub(super) fn fits(&self, target: &Target, id: ProcessId) -> bool {
        let Some(process) = self.processes.get(&id) else {
            return false;
        };
        target.process.is_none_or(|wanted| wanted == id)
            && target
                .role
                .as_ref()
                .is_none_or(|role| *role == process.spec.role)
            && (target.skills.is_empty()
                || self.catalogue.role(&process.spec.role).is_some_and(|role| {
                    target
                        .skills
                        .iter()
                        .all(|skill| role.skills.contains(skill))
                }))
    }

    fn lease(&mut self, task: TaskId, id: ProcessId) {
        let message = self.uuid();
        let now = self.now;
        self.meta.turn += 1;
        let turn = self.meta.turn;
        let timeout = self
            .tasks
            .get(&task)
            .and_then(|task| task.timeout)
            .or_else(|| self.role_of(id).map(|role| role.task_timeout));
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.turn_taken = turn;
        process.record.assigned += 1;
        let fresh = process.conversations.last().is_none_or(|last| !last.used);
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        let run = live.run;
        live.settled = false;
        live.turn = if fresh {
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
        self.note(id, LogKind::System, &format!("{task} assigned"));
        if fresh {
            self.deliver(id, task, message);
        } else {
            // A fresh conversation first; the task follows under its id.
            self.send(id, Order::Clear { uuid: message });
        }
    }

    fn deliver(&mut self, id: ProcessId, task: TaskId, message: Uuid) {
        let Some(text) = self.tasks.get(&task).map(|task| task.text.clone()) else {
            return;
        };
        let begun = self.now.wall;
        if let Some(process) = self.processes.get_mut(&id) {
            match process.conversations.last_mut() {
                Some(last) => last.used = true,
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
        });
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
        let Some((task, _)) = self.leased(id, message) else {
            return;
        };
        let running = self
            .tasks
            .get(&task)
            .and_then(|task| task.lease)
            .is_some_and(|lease| lease.phase == LeasePhase::Running);
        if !running {
            self.return_task(task, "the agent dropped it before it began");
            self.turn_is_over(id);
        }
    }

    pub(super) fn turn_ended(&mut self, id: ProcessId, end: TurnEnd) {
        self.account(id, &end);
        let turn = self
            .processes
            .get(&id)
            .and_then(Process::live)
            .map(|live| live.turn);
        match turn {
            Some(Turn::Clearing { task, message, .. }) if end.messages.contains(&message) => {
                self.cleared(id, task, message);
            }
            Some(Turn::Task { task, ending }) => {
                let lease = self.tasks.get(&task).and_then(|task| task.lease);
                let ours = lease.is_some_and(|lease| end.messages.contains(&lease.message));
                if ours {
                    self.withdraw_all(id);
                    self.settle(id, task, ending, &end);
                    self.turn_is_over(id);
                } else {
                    self.note(id, LogKind::System, "a turn of its own ended");
                }
            }
            _ => self.note(id, LogKind::System, "a turn of its own ended"),
        }
    }

    fn account(&mut self, id: ProcessId, end: &TurnEnd) {
        self.add_cost(end.cost_usd);
        if let Some(process) = self.processes.get_mut(&id) {
            process.record.cost_usd += end.cost_usd;
            process.record.tokens += end.tokens;
        }
        self.touch(id);
    }

    /// The conversation is fresh: the task follows, if it is still to be done.
    fn cleared(&mut self, id: ProcessId, task: TaskId, message: Uuid) {
        let still = self
            .tasks
            .get(&task)
            .and_then(|task| task.lease)
            .is_some_and(|lease| lease.process == id && lease.message == message);
        if still {
            let message = self.uuid();
            self.deliver(id, task, message);
        } else {
            self.turn_is_over(id);
        }
    }

    /// The end of a turn of ours: what came of the task.
    fn settle(&mut self, id: ProcessId, task: TaskId, ending: Option<Ending>, end: &TurnEnd) {
        let stopping = self
            .processes
            .get(&id)
            .and_then(Process::live)
            .is_some_and(|live| live.stage.is_stopping());
        match ending.map(|ending| ending.end) {
            // A turn that was done before the interrupt reached it is done.
            _ if end.success => self.succeed(id, task, end),
            Some(AttemptEnd::Cancelled) => {
                self.end_attempt(task, AttemptEnd::Cancelled, "taken back by you");
                self.with_task(task, |task| {
                    task.state = TaskState::Cancelled;
                    task.error = Some("taken back by you".to_owned());
                });
            }
            Some(AttemptEnd::TimedOut) => {
                self.fail_attempt(
                    id,
                    task,
                    AttemptEnd::TimedOut,
                    "it ran out of time (PROC_006)",
                    true,
                );
            }
            Some(_) => self.return_task(task, "its process cannot work at present"),
            None if end.interrupted && stopping => {
                self.return_task(task, "interrupted: its process was stopped");
            }
            None => self.fail_attempt(id, task, AttemptEnd::Failed, &end.text, end.retryable),
        }
    }

    fn succeed(&mut self, id: ProcessId, task: TaskId, end: &TurnEnd) {
        let now = self.now.wall;
        let begun = self
            .tasks
            .get(&task)
            .and_then(|task| task.attempts.last())
            .map_or(now, |attempt| attempt.started);
        let duration = Duration::try_from(now.duration_since(begun)).unwrap_or_default();
        self.end_attempt(task, AttemptEnd::Succeeded, "done");
        let result = TaskResult {
            text: end.text.clone(),
            duration,
            turns: end.turns,
            cost_usd: end.cost_usd,
            tokens: end.tokens,
            denials: end.denials.clone(),
        };
        self.with_task(task, |task| {
            task.state = TaskState::Succeeded;
            task.result = Some(result);
            task.error = None;
        });
        if let Some(process) = self.processes.get_mut(&id) {
            process.record.completed += 1;
            process.record.busy += duration;
        }
        self.remember(id, task);
        let name = self.name_of(id);
        self.say(Level::Info, Some(id), format!("{name} finished {task}"));
    }

    fn remember(&mut self, id: ProcessId, task: TaskId) {
        if let Some(process) = self.processes.get_mut(&id) {
            process.last_tasks.retain(|other| *other != task);
            process.last_tasks.insert(0, task);
            process.last_tasks.truncate(LAST_TASKS);
        }
        self.touch(id);
    }

    /// Closes the open attempt of a task and frees its lease.
    fn end_attempt(&mut self, task: TaskId, end: AttemptEnd, reason: &str) {
        let now = self.now.wall;
        self.with_task(task, |task| {
            task.lease = None;
            task.cancelling = false;
            if let Some(attempt) = task.attempts.last_mut()
                && attempt.end.is_none()
            {
                attempt.end = Some(end);
                attempt.ended = Some(now);
                attempt.reason = Some(reason.to_owned());
            }
        });
    }

    /// Back to the queue, and no retry is used.
    pub(super) fn return_task(&mut self, task: TaskId, reason: &str) {
        self.end_attempt(task, AttemptEnd::Interrupted, reason);
        self.with_task(task, |task| {
            if !task.state.is_final() {
                task.state = TaskState::Queued;
            }
        });
    }

    /// An attempt that counts failed: again after a wait that doubles, or the end.
    fn fail_attempt(
        &mut self,
        id: ProcessId,
        task: TaskId,
        end: AttemptEnd,
        reason: &str,
        retryable: bool,
    ) {
        self.end_attempt(task, end, reason);
        let role = self.role_of(id);
        let delay = role.map_or(Duration::from_secs(30), |role| role.task_retry_delay);
        let allowed = role.map_or(2, |role| role.task_retries);
        let when_cut = role.map_or(WhenCut::Retry, |role| role.when_cut);
        let now = self.now.mono;
        let mut line = String::new();
        self.with_task(task, |task| {
            let tries = task.tries();
            let left = retryable && tries <= task.retries.unwrap_or(allowed);
            task.error = Some(reason.to_owned());
            task.state = match (end, when_cut) {
                (AttemptEnd::Cut, WhenCut::Ask) => TaskState::Held,
                (AttemptEnd::Cut, WhenCut::Fail) => TaskState::Failed,
                _ if left => TaskState::Queued,
                (AttemptEnd::Cut, WhenCut::Retry) => TaskState::Parked,
                (AttemptEnd::TimedOut, _) => TaskState::TimedOut,
                _ => TaskState::Failed,
            };
            if task.state == TaskState::Queued {
                let doubled = delay.saturating_mul(1 << tries.saturating_sub(1).min(10));
                task.not_before = Some(now + doubled);
            }
            line = match task.state {
                TaskState::Queued => format!("{}: {reason}; it is tried again", task.id),
                TaskState::Held => format!("{}: {reason}; held until you release it", task.id),
                state => format!("{} {}: {reason}", task.id, state.as_str()),
            };
        });
        if let Some(process) = self.processes.get_mut(&id) {
            process.record.failed += 1;
        }
        self.remember(id, task);
        self.say(Level::Warning, Some(id), line);
    }

    /// The run that worked on a task is over.
    pub(super) fn settle_task_of(&mut self, id: ProcessId, live: &Live, exit: &Exit) {
        let Some(task) = live.turn.task() else { return };
        let held = self.tasks.get(&task).and_then(|task| task.lease);
        if held.is_none_or(|lease| lease.process != id || lease.run != live.run) {
            return;
        }
        let ending = match live.turn {
            Turn::Task { ending, .. } => ending.map(|ending| ending.end),
            _ => None,
        };
        let ordered = live.stage.is_stopping() && matches!(live.after, After::Stay | After::Start);
        match ending {
            Some(AttemptEnd::Cancelled) => {
                self.end_attempt(task, AttemptEnd::Cancelled, "taken back by you");
                self.with_task(task, |task| task.state = TaskState::Cancelled);
            }
            Some(AttemptEnd::TimedOut) => {
                let reason = "it ran out of time (PROC_006)";
                self.fail_attempt(id, task, AttemptEnd::TimedOut, reason, true);
            }
            _ if matches!(live.turn, Turn::Clearing { .. }) => {
                self.return_task(task, "its process ended before it began");
            }
            _ if ordered => self.return_task(task, "its process was stopped"),
            _ => {
                let reason = format!("its process died: {} (PROC_004)", exit.status);
                self.fail_attempt(id, task, AttemptEnd::Cut, &reason, true);
            }
        }
    }

    /// Interrupts what is out of time.
    pub(super) fn leases_due(&mut self) {
        let now: Mono = self.now.mono;
        let due: Vec<(ProcessId, TaskId)> = self
            .processes
            .values()
            .filter_map(|process| {
                let live = process.live()?;
                let task = live.turn.task()?;
                let lease = self.tasks.get(&task)?.lease?;
                let its_own = lease.process == process.id && lease.run == live.run;
                (its_own && lease.deadline? <= now).then_some((process.id, task))
            })
            .collect();
        for (process, task) in due {
            self.with_task(task, |task| {
                if let Some(lease) = &mut task.lease {
                    lease.deadline = None;
                }
            });
            self.note(
                process,
                LogKind::Error,
                &format!("{task} is out of time (PROC_006)"),
            );
            let delivered = self
                .processes
                .get(&process)
                .and_then(Process::live)
                .is_some_and(|live| matches!(live.turn, Turn::Task { .. }));
            if delivered {
                self.end_turn(process, AttemptEnd::TimedOut);
            } else {
                // There is no turn to interrupt yet; its process finds it gone.
                let reason = "it ran out of time before it was begun (PROC_006)";
                self.fail_attempt(process, task, AttemptEnd::TimedOut, reason, true);
            }
        }
    }
}
