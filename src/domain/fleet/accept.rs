//! Orders about tasks: add one or several, take back, try again, release.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::domain::command::{Outcome, Refusal, TaskMistake};
use crate::domain::effect::ReplyId;
use crate::domain::fleet::waiting::Misfit;
use crate::domain::fleet::writing::Undo;
use crate::domain::fleet::{Fleet, graph};
use crate::domain::id::TaskId;
use crate::domain::nearest::{nearest, owned};
use crate::domain::process::Turn;
use crate::domain::task::{AttemptEnd, Continued, NewTask, Task, TaskState};

/// A task's text is a message to an agent, not a file transfer.
const TEXT: usize = 1024 * 1024;

impl Fleet {
    pub(super) fn add_task(&mut self, reply: ReplyId, mut new: NewTask) -> Result<(), Refusal> {
        self.check_open()?;
        if let Some(known) = new.key.as_ref().and_then(|key| self.keys.get(key)) {
            let known = *known;
            self.reply_known(reply, known);
            return Ok(());
        }
        self.check_task(&new)?;
        let continues = self.continued(&mut new)?;
        let id = TaskId(self.meta.task + 1);
        let (after, text) = match self.parents(&new.after, &new.text, &HashMap::new()) {
            Ok(parents) => parents,
            Err(mistakes) => return Err(Refusal::Invalid(mistakes.join("; "))),
        };
        self.take_in(id, new, continues, after, text);
        self.undo.push(Undo::Task(id, reply));
        self.reply_durably(reply, Ok(Outcome::TaskAdded(id)));
        Ok(())
    }

    /// Accepts several at once, all of them or none; they may wait for each other in any order.
    pub(super) fn add_tasks(&mut self, reply: ReplyId, new: Vec<NewTask>) -> Result<(), Refusal> {
        self.check_open()?;
        if new.is_empty() {
            return Err(Refusal::Invalid("the list of tasks is empty".to_owned()));
        }
        let mut mistakes = Vec::new();
        let mut ids = Vec::new();
        let mut names: HashMap<&str, TaskId> = HashMap::new();
        let mut next = self.meta.task;
        for (index, task) in new.iter().enumerate() {
            let mut wrong = |text: String| mistakes.push(TaskMistake { index, text });
            let known = task
                .key
                .as_ref()
                .and_then(|key| self.keys.get(key))
                .copied();
            let id = known.unwrap_or_else(|| {
                next += 1;
                TaskId(next)
            });
            let stored = |id| self.tasks.get(&id).is_some_and(|task| task.stored);
            if known.is_some_and(|known| !stored(known)) {
                wrong("its key is being written for another task; try again".to_owned());
            }
            ids.push((id, known.is_some()));
            let name = task
                .name
                .as_deref()
                .filter(|name| task.key.as_deref() != Some(*name));
            for name in task.key.as_deref().into_iter().chain(name) {
                if name.trim() != name || name.is_empty() || name.parse::<TaskId>().is_ok() {
                    wrong(format!("`{name}` cannot be the name of a task"));
                } else if names.insert(name, id).is_some() {
                    wrong(format!(
                        "another task of the list is called `{name}` as well"
                    ));
                }
            }
        }
        let mut accepted = Vec::new();
        for (index, (task, (id, known))) in new.iter().zip(&ids).enumerate() {
            if *known {
                continue;
            }
            let mut wrong = |text: String| mistakes.push(TaskMistake { index, text });
            if let Err(refusal) = self.check_task(task) {
                wrong(refusal.to_string());
            }
            let mut one = task.clone();
            let continues = self.continued(&mut one).unwrap_or_else(|refusal| {
                wrong(refusal.to_string());
                None
            });
            match self.parents(&task.after, &task.text, &names) {
                Ok((after, text)) => accepted.push((index, *id, after, (one, continues, text))),
                Err(texts) => texts.into_iter().for_each(wrong),
            }
        }
        let parents: HashMap<TaskId, &[TaskId]> = accepted
            .iter()
            .map(|(_, id, after, _)| (*id, after.as_slice()))
            .collect();
        // A known task waits for none of these, so a circle lies among the new ones.
        let after = |id: TaskId| parents.get(&id).copied().unwrap_or_default();
        let knotted = graph::knotted(&parents);
        let mut told = BTreeSet::new();
        for (index, id, first, _) in &accepted {
            if knotted.contains(id)
                && !told.contains(id)
                && let Some(way) = graph::circle(*id, first, after)
            {
                let called = |one: &TaskId| {
                    let at = ids.iter().position(|(id, _)| id == one).unwrap_or(0);
                    let named = new
                        .get(at)
                        .and_then(|task| task.name.as_ref().or(task.key.as_ref()));
                    named
                        .cloned()
                        .unwrap_or_else(|| format!("number {}", at + 1))
                };
                let words: Vec<String> = way.iter().map(called).collect();
                told.extend(way);
                let text = format!("they would wait for each other: {}", words.join(" after "));
                mistakes.push(TaskMistake {
                    index: *index,
                    text,
                });
            }
        }
        if !mistakes.is_empty() {
            mistakes.sort_by_key(|mistake| mistake.index);
            return Err(Refusal::Tasks(mistakes));
        }
        let mut added = Vec::new();
        for (_, id, after, (task, continues, text)) in accepted {
            self.take_in(id, task, continues, after, text);
            added.push(id);
        }
        self.undo.push(Undo::Tasks(added, reply));
        self.reply_durably(reply, Ok(Outcome::TasksAdded(ids)));
        Ok(())
    }

    fn check_open(&self) -> Result<(), Refusal> {
        if self.shutdown.is_some() {
            return Err(Refusal::State("headcount is shutting down".to_owned()));
        }
        Ok(())
    }

    pub(super) fn take_in(
        &mut self,
        id: TaskId,
        new: NewTask,
        continues: Option<Continued>,
        after: Vec<TaskId>,
        text: String,
    ) {
        self.meta.task = self.meta.task.max(id.0);
        self.dirty.meta = true;
        if let Some(key) = &new.key {
            self.keys.insert(key.clone(), id);
        }
        let task = Task {
            id,
            text,
            state: if new.held {
                TaskState::Held
            } else {
                TaskState::Queued
            },
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
            cut: None,
            after,
            moved: None,
            dismissed: false,
            worktree: None,
        };
        self.graph.link(&task);
        self.tasks.insert(id, Arc::new(task));
        self.dirty.tasks.insert(id);
        self.enter_new_task(id);
    }

    pub(super) fn check_task(&self, new: &NewTask) -> Result<(), Refusal> {
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
        if let Some(cluster) = &new.target.cluster
            && !self.is_cluster(cluster)
        {
            return Err(self.unknown_cluster(cluster));
        }
        let role = new.target.role.as_deref();
        if let Some(role) = role.and_then(|key| self.catalogue.role(key))
            && !self.protocol_of(&role.agent).is_read()
        {
            let text = format!("{} is a role whose command takes no tasks", role.key);
            return Err(Refusal::Invalid(text));
        }
        if let Some(process) = new.target.process.and_then(|id| self.processes.get(&id)) {
            let misfit = if self.standing_text(process).is_some() {
                Some(Misfit::Standing)
            } else {
                self.misfit(&new.target, process)
            };
            // Whoever is not started yet may come to have a worktree.
            if let Some(misfit) = misfit.filter(|misfit| *misfit != Misfit::OwnBranch) {
                let text = format!("{} {}", process.name, misfit.words(&new.target, process));
                return Err(Refusal::Invalid(text));
            }
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
            task.dismissed = false;
            task.state = TaskState::Queued;
            task.error = None;
            task.not_before = None;
        });
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    pub(super) fn dismiss_task(&mut self, reply: ReplyId, id: TaskId) -> Result<(), Refusal> {
        let task = self.tasks.get(&id).ok_or(Refusal::UnknownTask(id))?;
        if !task.state.is_final() || task.state == TaskState::Succeeded {
            let text = format!(
                "{id} is {}; only a task that ended without success is let be",
                task.state.as_str()
            );
            return Err(Refusal::State(text));
        }
        self.with_task(id, |task| task.dismissed = true);
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    pub(super) fn release_task(&mut self, reply: ReplyId, id: TaskId) -> Result<(), Refusal> {
        let task = self.tasks.get(&id).ok_or(Refusal::UnknownTask(id))?;
        if task.state != TaskState::Held {
            let text = format!("{id} is {}, not held", task.state.as_str());
            return Err(Refusal::State(text));
        }
        self.with_task(id, |task| {
            task.state = TaskState::Queued;
            task.not_before = None;
        });
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }
}
