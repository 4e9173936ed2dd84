//! Entries of the record: made where things happen, written with what they changed.

use crate::domain::chronicle::{Entry, What};
use crate::domain::command::{Command, UpdateWhen};
use crate::domain::event::TurnEnd;
use crate::domain::fleet::{Fleet, ITSELF, cluster};
use crate::domain::id::{ProcessId, RequestId, TaskId};
use crate::domain::inbox::{Answer, Request};
use crate::domain::process::{Live, Phase};
use crate::domain::task::{AttemptEnd, Task, TaskState};

impl Fleet {
    /// An entry about a process, or about none.
    pub(super) fn enter(&mut self, what: What, process: Option<ProcessId>, text: &str) {
        let entry = self.entry(what, process, text);
        self.dirty.entries.push(entry);
    }

    fn entry(&self, what: What, process: Option<ProcessId>, text: &str) -> Entry {
        Entry {
            process,
            name: process.map(|id| self.name_of(id)),
            by: (self.by != ITSELF).then(|| self.by.to_owned()),
            ..Entry::new(self.now.wall, what, text)
        }
    }

    /// What an order will have been, if it is carried out; `None` for those that tell of themselves
    /// by what follows.
    pub(super) fn entry_of(&self, command: &Command) -> Option<Entry> {
        if let Command::Cluster(to) = command {
            return Some(self.entry(What::Ordered, None, &cluster::in_words(to)));
        }
        let (process, task, what, text) = match command {
            Command::Start(id) => (Some(*id), None, What::Ordered, "to be started"),
            Command::Stop(id) => (Some(*id), None, What::Ordered, "to be stopped"),
            Command::Kill(id) => (Some(*id), None, What::Ordered, "to be killed"),
            Command::Restart(id) => (Some(*id), None, What::Ordered, "to be restarted"),
            Command::Update { process, when } => {
                let text = match when {
                    UpdateWhen::Now => "to be restarted with its updates",
                    UpdateWhen::Idle => "to be restarted with its updates when it is idle",
                    UpdateWhen::Rolling => "all of its role to be restarted, one by one",
                    UpdateWhen::NotNow => "its updates are put off",
                };
                (Some(*process), None, What::Ordered, text)
            }
            Command::RemoveTask(id) => (None, Some(*id), What::Ordered, "deleted"),
            Command::RetryTask(id) => (None, Some(*id), What::Ordered, "to be tried again"),
            Command::DismissTask(id) => (None, Some(*id), What::Ordered, "let be"),
            Command::ReleaseTask(id) => (None, Some(*id), What::Ordered, "released"),
            Command::Shutdown => (None, None, What::InstanceEnds, "everything is stopped"),
            Command::ShutdownNow => (None, None, What::InstanceEnds, "everything is killed"),
            Command::HandOver { .. } => {
                (None, None, What::InstanceEnds, "another build takes over")
            }
            _ => return None,
        };
        Some(Entry {
            task,
            ..self.entry(what, process, text)
        })
    }

    /// A task came to another state.
    pub(super) fn enter_task(&mut self, id: TaskId, before: TaskState) {
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        let Some((what, text)) = turned(task, before) else {
            return;
        };
        let process = task.process();
        let cost_usd = self.turn_cost.take().filter(|cost| *cost > 0.0);
        let mut entry = Entry {
            task: Some(id),
            cost_usd,
            ..self.entry(what, process, &text)
        };
        // Whoever had it before is no news of a task that nobody tried.
        if task.attempts.is_empty() {
            (entry.process, entry.name) = (None, None);
        }
        self.dirty.entries.push(entry);
    }

    /// A task was accepted.
    pub(super) fn enter_new_task(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else {
            return;
        };
        let entry = Entry {
            task: Some(id),
            ..self.entry(What::TaskAdded, None, task.title())
        };
        self.dirty.entries.push(entry);
    }

    /// What a turn cost goes to the entry of what came of it.
    pub(super) fn enter_cost(&mut self, end: &TurnEnd) {
        self.turn_cost = Some(end.cost_usd);
    }

    /// A turn that nothing came of cost something all the same.
    pub(super) fn enter_rest_of_cost(&mut self, id: ProcessId) {
        let Some(cost) = self.turn_cost.take().filter(|cost| *cost > 0.0) else {
            return;
        };
        let entry = Entry {
            cost_usd: Some(cost),
            ..self.entry(What::Turn, Some(id), "a turn of its own")
        };
        self.dirty.entries.push(entry);
    }

    /// A run came to nothing or to an end, and it is known what follows: that stands behind `place`.
    pub(super) fn enter_end(&mut self, id: ProcessId, live: &Live, proof: &str, place: usize) {
        let Some(process) = self.processes.get(&id) else {
            return;
        };
        let fault = || process.fault.clone();
        let (what, fault) = match &process.phase {
            Phase::Backoff { .. } => (What::Failed, fault()),
            Phase::Failed => (What::GaveUp, fault()),
            // What is looked at again and again in vain is no news.
            Phase::Blocked { .. } if process.looks > 1 => return,
            Phase::Blocked { .. } => (What::Blocked, fault()),
            Phase::Live(_) if live.doom.is_some() => (What::Failed, live.doom.clone()),
            Phase::Down | Phase::Live(_) => (What::Stopped, None),
        };
        let reason = match &process.phase {
            Phase::Live(_) => "to be started again".to_owned(),
            _ => self.doing(process, process.status(false).0),
        };
        let text = match proof {
            "" => reason,
            proof => format!("{reason}; {proof}"),
        };
        let mut entry = self.entry(what, Some(id), &text);
        entry.code = fault.map(|fault| fault.code);
        self.dirty.entries.insert(place, entry);
    }

    /// A process that lives cannot work.
    pub(super) fn enter_block(&mut self, id: ProcessId) {
        let Some(fault) = self.processes.get(&id).and_then(|one| one.fault.clone()) else {
            return;
        };
        let mut entry = self.entry(What::Blocked, Some(id), &fault.to_string());
        entry.code = Some(fault.code);
        self.dirty.entries.push(entry);
    }

    /// A process is about to be started: an entry where it is a restart.
    pub(super) fn enter_launch(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get(&id) else {
            return;
        };
        let text = match &process.phase {
            // Without a failure it only waited for its turn.
            Phase::Backoff { .. } if process.tries == 0 => return,
            Phase::Backoff { .. } => format!("after a failure, try {}", process.tries),
            Phase::Live(_) if process.offered.is_some() => "with its updates".to_owned(),
            Phase::Live(_) => "it is started again".to_owned(),
            Phase::Down | Phase::Failed | Phase::Blocked { .. } => return,
        };
        self.enter(What::Restarted, Some(id), &text);
    }

    /// Somebody wants a person to decide.
    pub(super) fn enter_request(&mut self, id: RequestId) {
        let Some(request) = self.requests.get(&id) else {
            return;
        };
        let line = request.ask.line();
        let entry = self.about(request, What::Asked, &line);
        self.dirty.entries.push(entry);
    }

    /// A request waits no more.
    pub(super) fn enter_answer(&mut self, id: RequestId) {
        let Some(request) = self.requests.get(&id) else {
            return;
        };
        let (what, text) = match &request.answer {
            None => return,
            Some(Answer::Withdrawn) => (What::Withdrawn, request.ask.line()),
            Some(answer) => (
                What::Answered,
                format!("{}: {}", answer.line(), request.ask.line()),
            ),
        };
        let entry = self.about(request, what, &text);
        self.dirty.entries.push(entry);
    }

    fn about(&self, request: &Request, what: What, text: &str) -> Entry {
        Entry {
            task: request.task,
            request: Some(request.id),
            ..self.entry(what, Some(request.process), text)
        }
    }
}

/// What is to be said of a task that came from one state to another.
fn turned(task: &Task, before: TaskState) -> Option<(What, String)> {
    let reason = || task.error.clone().unwrap_or_default();
    let last = task.attempts.last();
    Some(match task.state {
        TaskState::Succeeded => {
            let result = task.result.as_ref();
            let text = result.map_or("", |result| result.text.trim());
            let first = text.lines().next().unwrap_or("").to_owned();
            (What::TaskSucceeded, first)
        }
        TaskState::Failed => (What::TaskFailed, reason()),
        TaskState::TimedOut => (What::TaskTimedOut, reason()),
        TaskState::Parked => (What::TaskParked, reason()),
        TaskState::Cancelled => (What::TaskCancelled, reason()),
        TaskState::Held if before.is_leased() => (What::TaskHeld, reason()),
        TaskState::Held => (What::TaskHeld, "held until it is released".to_owned()),
        TaskState::Queued if before.is_leased() => {
            let why = last.and_then(|attempt| attempt.reason.clone());
            let what = match last.and_then(|attempt| attempt.end) {
                Some(AttemptEnd::Interrupted | AttemptEnd::Cancelled) | None => What::TaskReturned,
                Some(_) => What::TaskTriedAgain,
            };
            (what, why.unwrap_or_default())
        }
        TaskState::Queued
        | TaskState::Blocked
        | TaskState::Assigned
        | TaskState::Running
        | TaskState::Waiting => return None,
    })
}
