//! Orders about tasks: add one or several, take back, try again, release.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::domain::command::{Outcome, Refusal, TaskMistake};
use crate::domain::effect::ReplyId;
use crate::domain::fleet::waiting::Misfit;
use crate::domain::fleet::writing::Undo;
use crate::domain::fleet::{Fleet, graph};
use crate::domain::id::TaskId;
use crate::domain::process::Turn;
use crate::domain::task::{AttemptEnd, Continued, NewTask, Task, TaskState};

/// A task's text is a message to an agent, not a file transfer.
const TEXT: usize = 1024 * 1024;

/// What is accepted of a list: the id of each, whether it was known by its key, and those that are new.
#[derive(Debug)]
struct Judged {
    ids: Vec<(TaskId, bool)>,
    new: Vec<Accepted>,
}

#[derive(Debug)]
struct Accepted {
    index: usize,
    id: TaskId,
    after: Vec<TaskId>,
    task: NewTask,
    continues: Option<Continued>,
    text: String,
}

/// A mistake in one task of a list.
fn mistake(index: usize, key: Option<&'static str>, text: String) -> TaskMistake {
    TaskMistake {
        index,
        key: key.map(Cow::Borrowed),
        text,
    }
}

/// Tasks to wait for that are not there, as the answer to one who names them.
pub(super) fn no_parents(missing: &[graph::NoParent]) -> Refusal {
    let names = missing.iter().map(|missing| missing.name.clone());
    Refusal::NoParents(names.collect())
}

/// Refuses what cannot be the name or the key of a task: it could not be told from nothing, or from an id.
fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    if name.trim().is_empty() {
        return Err(Refusal::Invalid(format!("the {what} of the task is empty")));
    }
    if name.trim() != name || name.parse::<TaskId>().is_ok() {
        let text = format!("`{name}` cannot be the {what} of a task");
        return Err(Refusal::Invalid(text));
    }
    Ok(())
}

impl Fleet {
    pub(super) fn add_task(&mut self, reply: ReplyId, mut new: NewTask) -> Result<(), Refusal> {
        self.check_open()?;
        if let Some(key) = &new.key {
            check_name("key", key)?;
        }
        if let Some(known) = new.key.as_ref().and_then(|key| self.keys.get(key)) {
            let known = *known;
            self.reply_known(reply, known);
            return Ok(());
        }
        self.check_task(&new)?;
        let continues = self.continued(&mut new)?;
        let id = TaskId(self.meta.task + 1);
        let (after, text) = self
            .parents(&new.after, &new.text, &HashMap::new())
            .map_err(|missing| no_parents(&missing))?;
        self.take_in(id, new, continues, after, text);
        self.undo.push(Undo::Task(id, reply));
        self.reply_durably(reply, Ok(Outcome::TaskAdded(id)));
        Ok(())
    }

    /// Accepts several at once, all of them or none; they may wait for each other in any order.
    pub(super) fn add_tasks(&mut self, reply: ReplyId, new: Vec<NewTask>) -> Result<(), Refusal> {
        let judged = self.judged(&new)?;
        let mut added = Vec::new();
        for one in judged.new {
            self.take_in(one.id, one.task, one.continues, one.after, one.text);
            added.push(one.id);
        }
        self.undo.push(Undo::Tasks(added, reply));
        self.reply_durably(reply, Ok(Outcome::TasksAdded(judged.ids)));
        Ok(())
    }

    /// Looks whether a list would be accepted.
    pub(super) fn check_tasks(&mut self, reply: ReplyId, new: &[NewTask]) -> Result<(), Refusal> {
        self.judged(new)?;
        self.reply(reply, Ok(Outcome::Done));
        Ok(())
    }

    /// What would be accepted of a list; else all that is wrong with it.
    fn judged(&self, new: &[NewTask]) -> Result<Judged, Refusal> {
        self.check_open()?;
        if new.is_empty() {
            return Err(Refusal::Invalid("the list of tasks is empty".to_owned()));
        }
        let mut mistakes = Vec::new();
        let mut ids = Vec::new();
        let mut names: HashMap<&str, TaskId> = HashMap::new();
        let mut next = self.meta.task;
        for (index, task) in new.iter().enumerate() {
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
                let text = "its key is being written for another task; try again".to_owned();
                mistakes.push(mistake(index, Some("key"), text));
            }
            ids.push((id, known.is_some()));
            let name = task
                .name
                .as_deref()
                .filter(|name| task.key.as_deref() != Some(*name));
            let key = task.key.as_deref().map(|key| ("key", key));
            for (what, name) in key.into_iter().chain(name.map(|name| ("name", name))) {
                if let Err(refusal) = check_name(what, name) {
                    mistakes.push(mistake(index, Some(what), refusal.to_string()));
                } else if names.insert(name, id).is_some() {
                    let text = format!("another task of the list is called `{name}` as well");
                    mistakes.push(mistake(index, Some(what), text));
                }
            }
        }
        let mut accepted = Vec::new();
        for (index, (task, (id, known))) in new.iter().zip(&ids).enumerate() {
            if *known {
                continue;
            }
            let wrong = self.wrong_in(task).into_iter();
            mistakes
                .extend(wrong.map(|(key, refusal)| mistake(index, Some(key), refusal.to_string())));
            let mut one = task.clone();
            let continues = self.continued(&mut one).unwrap_or_else(|refusal| {
                mistakes.push(mistake(index, None, refusal.to_string()));
                None
            });
            match self.parents(&task.after, &task.text, &names) {
                Ok((after, text)) => accepted.push(Accepted {
                    index,
                    id: *id,
                    after,
                    task: one,
                    continues,
                    text,
                }),
                Err(missing) => mistakes.extend(missing.iter().map(|one| {
                    let key = if one.mentioned { "text" } else { "after" };
                    mistake(index, Some(key), one.text())
                })),
            }
        }
        let parents: HashMap<TaskId, &[TaskId]> = accepted
            .iter()
            .map(|one| (one.id, one.after.as_slice()))
            .collect();
        // A known task waits for none of these, so a circle lies among the new ones.
        let after = |id: TaskId| parents.get(&id).copied().unwrap_or_default();
        let knotted = graph::knotted(&parents);
        let mut told = BTreeSet::new();
        for one in &accepted {
            if knotted.contains(&one.id)
                && !told.contains(&one.id)
                && let Some(way) = graph::circle(one.id, &one.after, after)
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
                mistakes.push(mistake(one.index, Some("after"), text));
            }
        }
        if !mistakes.is_empty() {
            mistakes.sort_by_key(|mistake| mistake.index);
            return Err(Refusal::Tasks(mistakes));
        }
        Ok(Judged { ids, new: accepted })
    }

    fn check_open(&self) -> Result<(), Refusal> {
        if self.shutdown.is_some() {
            return Err(Refusal::Ending);
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

    /// Refuses a task for the first thing that is wrong with it.
    pub(super) fn check_task(&self, new: &NewTask) -> Result<(), Refusal> {
        let wrong = self.wrong_in(new).into_iter().next();
        wrong.map_or(Ok(()), |(_, refusal)| Err(refusal))
    }

    /// All that is wrong with a task by itself, each with the key that it stands under.
    fn wrong_in(&self, new: &NewTask) -> Vec<(&'static str, Refusal)> {
        let mut wrong = Vec::new();
        let mut invalid = |key, text: &str| wrong.push((key, Refusal::Invalid(text.to_owned())));
        if new.text.trim().is_empty() {
            invalid("text", "the task has no text");
        }
        if new.text.len() > TEXT {
            let text = "the task's text is over 1 MiB; put it into a file and name the file";
            invalid("text", text);
        }
        if new.text.contains('\0') {
            invalid("text", "the task's text has a NUL character");
        }
        if new
            .target
            .skills
            .iter()
            .any(|skill| skill.trim().is_empty())
        {
            invalid("skills", "a skill of the task has no name");
        }
        if new.timeout.is_some_and(|timeout| timeout.is_zero()) {
            invalid("timeout", "the time-out is zero");
        }
        let known = new.target.process.map(|id| (id, self.processes.get(&id)));
        if let Some((id, None)) = known {
            wrong.push(("process", Refusal::UnknownProcess(id)));
        }
        if let Some(role) = &new.target.role
            && self.catalogue.role(role).is_none()
        {
            wrong.push(("role", self.unknown_role(role.clone())));
        }
        if let Some(cluster) = &new.target.cluster
            && !self.is_cluster(cluster)
        {
            wrong.push(("cluster", self.unknown_cluster(cluster)));
        }
        let role = new.target.role.as_deref();
        if let Some(role) = role.and_then(|key| self.catalogue.role(key))
            && !self.protocol_of(&role.agent).is_read()
        {
            let text = format!("{} is a role whose command takes no tasks", role.key);
            wrong.push(("role", Refusal::Invalid(text)));
        }
        if let Some((_, Some(process))) = known {
            let misfit = if self.standing_text(process).is_some() {
                Some(Misfit::Standing)
            } else {
                self.misfit(&new.target, process)
            };
            // Whoever is not started yet may come to have a worktree; a role that is not there is told as such.
            let told = new
                .target
                .role
                .as_ref()
                .is_some_and(|role| self.catalogue.role(role).is_none());
            let misfit = misfit.filter(|misfit| match misfit {
                Misfit::OwnBranch => false,
                Misfit::Role => !told,
                _ => true,
            });
            if let Some(misfit) = misfit {
                let text = format!("{} {}", process.name, misfit.words(&new.target, process));
                wrong.push(("process", Refusal::Invalid(text)));
            }
        }
        wrong
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
