//! What lists and pages say of a task.

use std::borrow::Cow;

use crate::domain::id::ProcessId;
use crate::domain::snapshot::Snapshot;
use crate::domain::task::{Target, Task, TaskState};
use crate::tui::format::{self, Present};
use crate::tui::text;

/// Who has it, had it, or may have it.
pub(crate) fn who(task: &Task, snapshot: &Snapshot) -> String {
    if let Some(id) = task.process().filter(|_| !is_queued(task)) {
        return name(id, snapshot);
    }
    target(&task.target, snapshot)
}

fn name(id: ProcessId, snapshot: &Snapshot) -> String {
    match snapshot.process(id) {
        Some(process) => text::clean(&process.name).into_owned(),
        None => id.to_string(),
    }
}

/// Who may have it.
pub(crate) fn target(target: &Target, snapshot: &Snapshot) -> String {
    if let Some(id) = target.process {
        return name(id, snapshot);
    }
    let mut words = Vec::new();
    if let Some(key) = &target.role {
        let role = snapshot.catalogue.role(key);
        let title = role.map_or(key.as_str(), |role| role.title.as_str());
        words.push(format!("any {title}"));
    }
    if let Some(cluster) = &target.cluster {
        words.push(format!("cluster {cluster}"));
    }
    if !target.skills.is_empty() {
        words.push(format!("skills {}", target.skills.join(", ")));
    }
    if words.is_empty() {
        "anyone".to_owned()
    } else {
        words.join(", ")
    }
}

/// How long it took, or how long it is in its state where it is not over.
pub(crate) fn time(task: &Task, now: &Present) -> String {
    match task.took() {
        Some(took) => format::span(took),
        None if task.state.is_final() => "-".to_owned(),
        None => format::age(now.since(task.since)),
    }
}

/// Why it is not worked on.
pub(crate) fn waits<'a>(task: &'a Task, snapshot: &'a Snapshot) -> Option<Cow<'a, str>> {
    if task.state.is_final() {
        return task.error.as_deref().map(Cow::Borrowed);
    }
    snapshot.why(task.id)
}

/// What its process did for it last, by the agent's own events; or what it asks.
pub(crate) fn progress<'a>(task: &Task, snapshot: &'a Snapshot) -> Option<&'a str> {
    let process = snapshot.process(task.lease?.process)?;
    if task.state == TaskState::Waiting {
        return Some(&process.now);
    }
    process
        .progress
        .as_deref()
        .filter(|_| process.task == Some(task.id))
}

/// What is to be said of it beside its title: why it is not worked on, or what is done for it.
pub(crate) fn beside<'a>(task: &'a Task, snapshot: &'a Snapshot) -> Option<Cow<'a, str>> {
    waits(task, snapshot).or_else(|| progress(task, snapshot).map(Cow::Borrowed))
}

/// Whether it is in the queue, so that who tried before matters less than who may.
const fn is_queued(task: &Task) -> bool {
    matches!(
        task.state,
        TaskState::Queued | TaskState::Held | TaskState::Blocked
    )
}
