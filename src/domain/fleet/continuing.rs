//! Tasks that go on in the conversation of an earlier one.
//!
//! A conversation has one owner, the process that began it: two that go on in it at once would each
//! lose what the other said. So a task that continues goes to that process and to no other. A process
//! that is in another conversation by then is started anew with the earlier one, before the task is
//! leased: a failed start costs the task nothing.

use uuid::Uuid;

use crate::domain::command::Refusal;
use crate::domain::fleet::Fleet;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::log::LogKind;
use crate::domain::process::{After, Phase};
use crate::domain::snapshot::Level;
use crate::domain::task::{Continued, NewTask, TaskState};

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

    /// The conversation of a task that continues, if the process is in another one at present.
    pub(super) fn elsewhere(&self, task: TaskId, process: ProcessId) -> Option<Uuid> {
        let wanted = self.tasks.get(&task)?.continues?.conversation;
        let present = self.processes.get(&process)?.conversations.last();
        present
            .is_none_or(|present| present.id != wanted)
            .then_some(wanted)
    }

    /// Starts a free process anew in an earlier conversation; the task follows when it is up.
    pub(super) fn go_back(&mut self, id: ProcessId, task: TaskId, conversation: Uuid) {
        let begun = self.now.wall;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.converses(conversation, begun);
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

    /// A conversation is not there any more: what was to go on in it would not know what it is about.
    pub(super) fn cannot_continue(&mut self, lost: Uuid) {
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
