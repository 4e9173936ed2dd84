//! Waiting tasks changed by a person: edited, moved, held, deleted; and what a cut one is to become.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::accept::no_parents;
use crate::domain::id::{ProcessId, RequestId, RunId, TaskId};
use crate::domain::inbox::{Answer, Ask, Choice, Question, Request};
use crate::domain::mention;
use crate::domain::task::{Move, NewTask, Place, STEP, Task, TaskChange, TaskState};

/// The answers to the question what is to become of a task that was cut.
pub(super) const TRY_AGAIN: &str = "Try it again";
pub(super) const GIVE_UP: &str = "Give it up";

impl Fleet {
    pub(super) fn edit_task(
        &mut self,
        reply: ReplyId,
        id: TaskId,
        change: TaskChange,
    ) -> Result<(), Refusal> {
        let task = self.waiting_task(id, "edited")?;
        let (after, text) = match (change.text, change.after) {
            (None, None) => (task.after.clone(), task.text.clone()),
            (text, after) => self.other_parents(&task, text, after)?,
        };
        let target = change.target.unwrap_or_else(|| task.target.clone());
        if let Some(continued) = task.continues
            && target.process != Some(continued.process)
        {
            let name = self.name_of(continued.process);
            let text = format!("{id} goes on in a conversation of {name}: nobody else can");
            return Err(Refusal::State(text));
        }
        let timeout = change.timeout.unwrap_or(task.timeout);
        let retries = change.retries.unwrap_or(task.retries);
        self.check_task(&NewTask {
            text: text.clone(),
            target: target.clone(),
            timeout,
            ..NewTask::default()
        })?;
        if let Some(way) = self.circle(id, &after) {
            let way: Vec<String> = way.iter().map(TaskId::to_string).collect();
            let text = format!("they would wait for each other: {}", way.join(" after "));
            return Err(Refusal::Invalid(text));
        }
        self.graph.unlink(&task);
        let priority = change
            .priority
            .filter(|priority| *priority != task.priority);
        self.with_task(id, |task| {
            task.text = text;
            task.target = target;
            task.timeout = timeout;
            task.retries = retries;
            task.after = after;
            if let Some(priority) = priority {
                task.priority = priority;
                task.moved = None;
            }
        });
        if let Some(task) = self.tasks.get(&id) {
            self.graph.link(task);
        }
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    /// What a task waits for with another text, or with others that it is to wait for.
    fn other_parents(
        &self,
        task: &Task,
        text: Option<String>,
        after: Option<Vec<String>>,
    ) -> Result<(Vec<TaskId>, String), Refusal> {
        let named = |text: &str| -> BTreeSet<String> {
            mention::mentioned(text).map(str::to_owned).collect()
        };
        let before = named(&task.text);
        let text = text.unwrap_or_else(|| task.text.clone());
        let wants = named(&text);
        let after = after.unwrap_or_else(|| {
            // Whose result the text does not ask for any more is not waited for.
            let all = task.after.iter().map(TaskId::to_string);
            all.filter(|one| wants.contains(one) || !before.contains(one))
                .collect()
        });
        // One that was deleted stays named until somebody names others.
        let is_gone = |id: &TaskId| task.after.contains(id) && !self.tasks.contains_key(id);
        let gone = |name: &String| name.parse().ok().filter(is_gone);
        if let Some(lost) = wants.iter().find(|name| gone(name).is_some()) {
            let text = format!(
                "the text asks for the result of {lost}, which was deleted: take that out of the text"
            );
            return Err(Refusal::Invalid(text));
        }
        let (kept, after): (Vec<String>, Vec<String>) =
            after.into_iter().partition(|name| gone(name).is_some());
        let (mut after, text) = self
            .parents(&after, &text, &HashMap::new())
            .map_err(|missing| no_parents(&missing))?;
        after.extend(kept.iter().filter_map(gone));
        Ok((after, text))
    }

    pub(super) fn move_task(
        &mut self,
        reply: ReplyId,
        id: TaskId,
        to: Move,
    ) -> Result<(), Refusal> {
        let task = self.waiting_task(id, "moved")?;
        let mut order: Vec<(Place, TaskId)> = self
            .tasks
            .values()
            .filter(|other| other.id != id && other.is_waiting())
            .map(|other| (other.place(), other.id))
            .collect();
        order.sort_unstable();
        let at = match to {
            Move::First => 0,
            Move::Last => order.len(),
            Move::Before(other) if other == id => {
                let text = format!("{id} cannot be moved before itself");
                return Err(Refusal::Invalid(text));
            }
            Move::Before(other) => {
                self.waiting_task(other, "a place to move before")?;
                order.iter().position(|(_, one)| *one == other).unwrap_or(0)
            }
        };
        let before = at.checked_sub(1).and_then(|at| order.get(at));
        let place = match (before, order.get(at)) {
            (None, None) => task.place(),
            (None, Some((next, _))) => Place {
                step: next.step.saturating_sub(STEP),
                ..*next
            },
            (Some((last, _)), None) => Place {
                step: last.step.saturating_add(STEP),
                ..*last
            },
            (Some((last, _)), Some((next, _))) if last.at < next.at => Place {
                step: last.step.saturating_add(STEP),
                ..*last
            },
            (Some((last, _)), Some((next, _))) => {
                if next.step - last.step < 2 {
                    self.make_room(&order, at);
                }
                let next = order.get(at).and_then(|(_, id)| self.tasks.get(id));
                let next = next.map_or(last.step.saturating_add(STEP), |next| next.place().step);
                Place {
                    at: last.at,
                    step: last.step + (next - last.step) / 2,
                }
            }
        };
        self.with_task(id, |task| task.moved = Some(place));
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    /// Moves what stands from a place on in the same millisecond further back.
    fn make_room(&mut self, order: &[(Place, TaskId)], from: usize) {
        let same = order.get(from).map(|(place, _)| place.at);
        for (place, id) in order.iter().skip(from) {
            if Some(place.at) != same {
                return;
            }
            let step = place.step.saturating_add(STEP);
            self.with_task(*id, |task| task.moved = Some(Place { step, ..*place }));
        }
    }

    pub(super) fn hold_task(&mut self, reply: ReplyId, id: TaskId) -> Result<(), Refusal> {
        let task = self.waiting_task(id, "held")?;
        if task.state == TaskState::Held {
            return Err(Refusal::State(format!("{id} is held already")));
        }
        self.with_task(id, |task| {
            task.state = TaskState::Held;
            task.not_before = None;
        });
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    pub(super) fn remove_task(&mut self, reply: ReplyId, id: TaskId) -> Result<(), Refusal> {
        let task = self.tasks.get(&id).ok_or(Refusal::UnknownTask(id))?;
        if task.state.is_leased() {
            let text = format!("{id} is {}; cancel it first", task.state.as_str());
            return Err(Refusal::State(text));
        }
        self.release_children(id);
        if let Some(task) = self.tasks.remove(&id) {
            self.graph.unlink(&task);
            if let Some(key) = &task.key {
                self.keys.remove(key);
            }
        }
        self.queue.remove(id);
        self.dirty.tasks.insert(id);
        self.unlisted.insert(id);
        self.void_question(id);
        self.changed = true;
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    fn waiting_task(&self, id: TaskId, verb: &str) -> Result<Arc<Task>, Refusal> {
        let task = self.tasks.get(&id).ok_or(Refusal::UnknownTask(id))?;
        if !task.is_waiting() || !task.stored {
            let text = format!(
                "{id} is {}; only a task that waits in the queue can be {verb}",
                task.state.as_str()
            );
            return Err(Refusal::State(text));
        }
        Ok(Arc::clone(task))
    }

    /// Asks a person what is to become of a task whose process was cut.
    pub(super) fn ask_about(&mut self, id: TaskId, process: ProcessId, run: RunId, why: &str) {
        self.meta.request += 1;
        self.dirty.meta = true;
        let request = RequestId(self.meta.request);
        let choice = |label: &str, description: &str| Choice {
            label: label.to_owned(),
            description: description.to_owned(),
        };
        let question = Question {
            text: format!("{id} was under way when {why}. It may have had an effect. What now?"),
            choices: vec![
                choice(TRY_AGAIN, "it goes back to the queue"),
                choice(GIVE_UP, "it counts as failed"),
            ],
            several: false,
        };
        let asked = Request {
            id: request,
            process,
            run,
            task: Some(id),
            agent_key: String::new(),
            ask: Ask::Question {
                questions: vec![question],
            },
            input: serde_json::Value::Null,
            asked: self.now.wall,
            answer: None,
            answered: None,
            own: true,
        };
        self.requests.insert(request, Arc::new(asked));
        self.dirty.requests.insert(request);
        self.enter_request(request);
        self.changed = true;
    }

    /// Carries out what a person answered to [`Fleet::ask_about`].
    pub(super) fn decide(
        &mut self,
        reply: ReplyId,
        request: &Request,
        again: bool,
        answer: Answer,
    ) -> Result<(), Refusal> {
        self.mark_answered(request.id, answer);
        if let Some(id) = request.task {
            self.with_task(id, |task| {
                if task.state == TaskState::Held {
                    task.state = if again {
                        TaskState::Queued
                    } else {
                        TaskState::Failed
                    };
                }
            });
        }
        self.reply_durably(reply, Ok(Outcome::Done));
        Ok(())
    }

    /// Takes the question about a task back: it is held no more, or there no more.
    pub(super) fn void_question(&mut self, task: TaskId) {
        let void: Vec<RequestId> = self
            .requests
            .values()
            .filter(|request| request.own && request.is_open() && request.task == Some(task))
            .map(|request| request.id)
            .collect();
        for request in void {
            self.mark_answered(request, Answer::Withdrawn);
        }
    }
}
