//! What came of a task: turns end, runs end, time runs out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::event::TurnEnd;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::Fleet;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::log::LogKind;
use crate::domain::process::{After, Ending, Live, Process, Turn};
use crate::domain::role::WhenCut;
use crate::domain::snapshot::Level;
use crate::domain::task::{AttemptEnd, Cut, LeasePhase, TaskResult, TaskState};
use crate::domain::time::{Mono, in_words};

/// Finished tasks that a process remembers.
const LAST_TASKS: usize = 10;

/// What a turn was that was not that of the task.
const fn apart(to_a_message: bool) -> &'static str {
    if to_a_message {
        "the turn that answers the message ended"
    } else {
        "a turn of its own ended"
    }
}

impl Fleet {
    pub(super) fn turn_ended(&mut self, id: ProcessId, end: TurnEnd) {
        self.account(id, &end);
        let to_a_message = self.messages_answered(id, &end);
        self.enter_cost(&end);
        let turn = self
            .processes
            .get(&id)
            .and_then(Process::live)
            .map(|live| live.turn);
        match turn {
            Some(Turn::Clearing { task, message, .. }) if end.messages.contains(&message) => {
                self.cleared(id, task, message, &end);
            }
            Some(Turn::Task { task, ending }) => {
                let lease = self.tasks.get(&task).and_then(|task| task.lease);
                let ours = lease.is_some_and(|lease| end.messages.contains(&lease.message));
                if ours {
                    self.withdraw_all(id);
                    self.with_task(task, |task| {
                        if let Some(attempt) = task.attempts.last_mut() {
                            attempt.conversation = end.conversation.or(attempt.conversation);
                            attempt.cost_usd += end.cost_usd;
                        }
                    });
                    self.settle(id, task, ending, &end);
                    self.turn_is_over(id);
                } else {
                    self.note(id, LogKind::System, apart(to_a_message));
                }
            }
            _ => self.note(id, LogKind::System, apart(to_a_message)),
        }
        self.enter_rest_of_cost(id);
    }

    fn account(&mut self, id: ProcessId, end: &TurnEnd) {
        self.add_cost(end.cost_usd);
        if let Some(process) = self.processes.get_mut(&id) {
            process.record.cost_usd += end.cost_usd;
            process.record.tokens += end.tokens;
        }
        self.touch(id);
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
            Some(end) => self.end_as_ordered(id, task, end),
            None if end.interrupted && stopping => {
                self.return_task(task, "its process was stopped");
            }
            None => self.fail_attempt(id, task, AttemptEnd::Failed, &end.text, end.retryable),
        }
    }

    /// The turn of a task was interrupted by our order, for this reason.
    pub(super) fn end_as_ordered(&mut self, id: ProcessId, task: TaskId, end: AttemptEnd) {
        match end {
            AttemptEnd::Cancelled => {
                self.end_attempt(task, AttemptEnd::Cancelled, "taken back by you");
                self.with_task(task, |task| {
                    task.state = TaskState::Cancelled;
                    task.error = Some("taken back by you".to_owned());
                });
            }
            AttemptEnd::TimedOut => {
                let reason = self.out_of_time(id, task).to_string();
                self.fail_attempt(id, task, AttemptEnd::TimedOut, &reason, true);
            }
            _ => self.return_task(task, "its process cannot work at present"),
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
        self.count_attempt(id);
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
    pub(super) fn end_attempt(&mut self, task: TaskId, end: AttemptEnd, reason: &str) {
        let now = self.now.wall;
        if let Some(lease) = self.tasks.get(&task).and_then(|task| task.lease) {
            self.mark_task(lease.process, task, true);
            self.survey(lease.process, false);
        }
        let logs: BTreeMap<ProcessId, u64> = self
            .tasks
            .get(&task)
            .and_then(|task| self.processes.get(&task.lease?.process))
            .and_then(|process| Some((process.id, process.live()?.mark.log)))
            .into_iter()
            .collect();
        let mut worked = None;
        self.with_task(task, |task| {
            let lease = task.lease.take();
            let was_at_it = lease.is_some_and(|lease| lease.phase == LeasePhase::Running);
            task.cancelling = false;
            match (end, task.attempts.last()) {
                (AttemptEnd::Cut | AttemptEnd::Interrupted, Some(attempt)) if was_at_it => {
                    let before = task.cut.as_deref().and_then(|cut| cut.conversation);
                    // Who dies twice in one conversation may die of it.
                    let dies_of_it = end == AttemptEnd::Cut && before == attempt.conversation;
                    task.cut = Some(Box::new(Cut {
                        process: attempt.process,
                        conversation: attempt.conversation.filter(|_| !dies_of_it),
                        reason: reason.to_owned(),
                    }));
                }
                // Whoever did not come to begin leaves it as the one before did.
                (AttemptEnd::Cut | AttemptEnd::Interrupted, _) => {}
                _ => task.cut = None,
            }
            if let Some(attempt) = task.attempts.last_mut()
                && attempt.end.is_none()
            {
                attempt.end = Some(end);
                attempt.ended = Some(now);
                attempt.reason = Some(reason.to_owned());
                if let Some(log) = &mut attempt.log {
                    log.to = logs.get(&attempt.process).copied();
                }
                worked = Some((attempt.process, now.duration_since(attempt.started)));
            }
        });
        if let Some((id, time)) = worked
            && let Some(process) = self.processes.get_mut(&id)
        {
            let succeeded = end == AttemptEnd::Succeeded;
            process.record.worked(time.as_secs_f64(), succeeded, now);
            process.forget_progress();
            self.touch(id);
        }
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
    pub(super) fn fail_attempt(
        &mut self,
        id: ProcessId,
        task: TaskId,
        end: AttemptEnd,
        reason: &str,
        retryable: bool,
    ) {
        let run = self
            .tasks
            .get(&task)
            .and_then(|task| task.lease)
            .map(|lease| lease.run);
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
        let held = self
            .tasks
            .get(&task)
            .is_some_and(|task| task.state == TaskState::Held);
        if held && let Some(run) = run {
            self.ask_about(task, id, run, reason);
        }
        self.remember(id, task);
        self.count_attempt(id);
        self.say(Level::Warning, Some(id), line);
    }

    /// The run that worked on a task is over; `cut` is how, for whom was not ordered to end.
    pub(super) fn settle_task_of(&mut self, id: ProcessId, live: &Live, cut: &str) {
        self.lose(id, &live.messages);
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
                let reason = self.out_of_time(id, task).to_string();
                self.fail_attempt(id, task, AttemptEnd::TimedOut, &reason, true);
            }
            _ if matches!(live.turn, Turn::Clearing { .. } | Turn::Placing { .. }) => {
                self.return_task(task, "its process ended before it began");
            }
            _ if ordered => self.return_task(task, "its process was stopped"),
            // On our order; that the turn did not end in time is not the task's failure.
            Some(AttemptEnd::Interrupted) => {
                self.return_task(task, "its process cannot work at present");
            }
            _ => {
                let reason = format!("its process died: {cut}");
                self.fail_attempt(id, task, AttemptEnd::Cut, &reason, true);
            }
        }
    }

    /// What a task is told that is out of time: the cause, and what to do about it.
    fn out_of_time(&self, id: ProcessId, task: TaskId) -> Fault {
        let own = self.tasks.get(&task).and_then(|task| task.timeout);
        let time = own.or_else(|| self.role_of(id).map(|role| role.task_timeout));
        let time = time.map_or_else(String::new, |time| format!(" of {}", in_words(time)));
        Fault::new(
            FaultCode::TaskTimeout,
            format!("it ran out of its time{time}"),
            "give it more with `--timeout`, or make several tasks of it",
        )
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
            let fault = self.out_of_time(process, task);
            let text = format!("{task}: {fault}; {}", fault.remedy);
            self.note(process, LogKind::Error, &text);
            self.say(Level::Warning, Some(process), text);
            let delivered = self
                .processes
                .get(&process)
                .and_then(Process::live)
                .is_some_and(|live| matches!(live.turn, Turn::Task { .. }));
            if delivered {
                self.end_turn(process, AttemptEnd::TimedOut);
            } else {
                // There is no turn to interrupt yet; its process finds it gone.
                let reason = self.out_of_time(process, task).to_string();
                self.fail_attempt(process, task, AttemptEnd::TimedOut, &reason, true);
            }
        }
    }
}
