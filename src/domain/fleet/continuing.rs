//! Tasks that go on in the conversation of an earlier one, or in their own where they were cut off.
//!
//! A conversation has one owner, the process that began it: two that go on in it at once would each
//! lose what the other said. So a task that continues goes to that process and to no other. A process
//! that is in another conversation by then is started anew with the earlier one, before the task is
//! leased: a failed start costs the task nothing.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::command::Refusal;
use crate::domain::fleet::Fleet;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::log::LogKind;
use crate::domain::process::{After, Phase, Process, Stage, Turn};
use crate::domain::snapshot::Level;
use crate::domain::task::{Continued, NewTask, Task, TaskState};

impl Fleet {
    /// The conversation that a new task is to go on in; its target becomes the owner of that.
    pub(super) fn continued(&self, new: &mut NewTask) -> Result<Option<Continued>, Refusal> {
        let Some(earlier) = new.continues else {
            return Ok(None);
        };
        let task = self
            .tasks
            .get(&earlier)
            .ok_or(Refusal::UnknownTask(earlier))?;
        if !task.state.is_final() {
            let state = task.state.as_str();
            let text = format!("{earlier} is {state}; it can be continued when it is over");
            return Err(Refusal::State(text));
        }
        let Some((process, conversation)) = task.conversation() else {
            let text = format!("{earlier} has no conversation that is known: nobody began it");
            return Err(Refusal::State(text));
        };
        if !self.processes.contains_key(&process) {
            let text =
                format!("the conversation of {earlier} went with {process}, which was removed");
            return Err(Refusal::State(text));
        }
        let owner = || {
            format!(
                "the conversation of {earlier} is {}'s",
                self.name_of(process)
            )
        };
        if new.target.process.is_some_and(|wanted| wanted != process) {
            let text = format!("{} ({process}), and nobody else can go on in it", owner());
            return Err(Refusal::Invalid(text));
        }
        new.target.process = Some(process);
        if !self.fits(&new.target, process) {
            let text = format!("{}, who has not that role or not those skills", owner());
            return Err(Refusal::Invalid(text));
        }
        Ok(Some(Continued {
            task: earlier,
            process,
            conversation,
        }))
    }

    /// The conversation of a task that goes on, if the process is in another one at present.
    pub(super) fn elsewhere(&self, task: TaskId, process: ProcessId) -> Option<Uuid> {
        let wanted = self.tasks.get(&task)?.goes_on_in(process)?;
        (!self.is_in(process, wanted)).then_some(wanted)
    }

    /// Whether a process can be given the task as it is; otherwise its conversation is cleared first.
    pub(super) fn needs_no_clearing(&self, task: TaskId, process: ProcessId) -> bool {
        let wanted = self.tasks.get(&task);
        let wanted = wanted.and_then(|task| task.goes_on_in(process));
        let present = self.processes.get(&process);
        let present = present.and_then(|process| process.conversations.last());
        match (wanted, present) {
            (Some(wanted), Some(present)) => present.id == wanted || !present.used,
            (_, present) => present.is_none_or(|present| !present.used),
        }
    }

    fn is_in(&self, process: ProcessId, conversation: Uuid) -> bool {
        let process = self.processes.get(&process);
        let present = process.and_then(|process| process.conversations.last());
        present.is_some_and(|present| present.id == conversation)
    }

    /// What the agent is told: the task, and before it that it was begun, if it was.
    pub(super) fn words_for(&self, task: &Task, process: ProcessId) -> String {
        let text = self.filled(task);
        let Some(cut) = task.cut.as_deref() else {
            return text;
        };
        let knows = cut.process == process
            && cut
                .conversation
                .is_some_and(|conversation| self.is_in(process, conversation));
        format!("{}\n\n{text}", cut.notice(knows))
    }

    /// Who was at a task when it was cut off, while that one may still take it up: free, or about to be.
    pub(super) fn returns(&self, task: TaskId) -> Option<&Process> {
        let task = self.tasks.get(&task)?;
        let cut = task.cut.as_deref()?;
        let process = self.processes.get(&cut.process)?;
        let live = process.live()?;
        let starts = matches!(live.stage, Stage::Launching { .. } | Stage::Readying { .. });
        let is_idle = live.turn == Turn::None;
        let settles = live.stage == Stage::Up && is_idle && !live.settled;
        let restarts = live.stage.is_stopping() && is_idle && live.after == After::Start;
        (cut.conversation.is_some()
            && live.blocked.is_none()
            && (process.is_free() || starts || settles || restarts)
            && self.fits(&task.target, process.id))
        .then_some(process)
    }

    /// Starts a free process anew in an earlier conversation; the task follows when it is up.
    pub(super) fn go_back(&mut self, id: ProcessId, task: TaskId, conversation: Uuid) {
        let begun = self.now.wall;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.goes_back_to(conversation, begun);
        if let Phase::Live(live) = &mut process.phase {
            live.after = After::Start;
        }
        self.note(
            id,
            LogKind::System,
            &format!("starts anew in an earlier conversation, for {task}"),
        );
        self.begin_stop(id, None);
    }

    /// A conversation is not there any more: what was to go on in it would not know what it is about. A task that was cut off in
    /// it is whole by itself, and begins afresh.
    pub(super) fn cannot_continue(&mut self, lost: Uuid) {
        let of_it = |task: &&Arc<Task>| {
            let cut = task.cut.as_deref();
            cut.is_some_and(|cut| cut.conversation == Some(lost))
        };
        let cut: Vec<TaskId> = self
            .tasks
            .values()
            .filter(of_it)
            .map(|task| task.id)
            .collect();
        for task in cut {
            self.with_task(task, |task| {
                if let Some(cut) = &mut task.cut {
                    cut.conversation = None;
                }
            });
        }
        let waiting: Vec<(TaskId, TaskId)> = self
            .tasks
            .values()
            .filter(|task| matches!(task.state, TaskState::Queued | TaskState::Held))
            .filter_map(|task| {
                let continued = task.continues?;
                (continued.conversation == lost).then_some((task.id, continued.task))
            })
            .collect();
        for (task, earlier) in waiting {
            let reason = format!("the conversation of {earlier} could not be resumed");
            self.say(Level::Warning, None, format!("{task} failed: {reason}"));
            self.with_task(task, |task| {
                task.state = TaskState::Failed;
                task.not_before = None;
                task.error = Some(reason);
            });
        }
    }
}
