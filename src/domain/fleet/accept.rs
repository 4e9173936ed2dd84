//! Orders about tasks: add, take back, try again, release.

use std::sync::Arc;

use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::fleet::{Fleet, Undo};
use crate::domain::id::TaskId;
use crate::domain::nearest::{nearest, owned};
use crate::domain::process::Turn;
use crate::domain::task::{AttemptEnd, NewTask, Task, TaskState};

/// A task's text is a message to an agent, not a file transfer.
const TEXT: usize = 1024 * 1024;

impl Fleet {
    pub(super) fn add_task(&mut self, reply: ReplyId, mut new: NewTask) -> Result<(), Refusal> {
        if self.shutdown.is_some() {
            return Err(Refusal::State("headcount is shutting down".to_owned()));
        }
        if let Some(known) = new.key.as_ref().and_then(|key| self.keys.get(key)) {
            let known = *known;
            self.reply_known(reply, known);
            return Ok(());
        }
        self.check_task(&new)?;
        let continues = self.continued(&mut new)?;
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
            continues,
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
}
