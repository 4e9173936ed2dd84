//! Shape, word and style of a process and of a task.

use ratatui::style::Style;

use crate::domain::snapshot::{Activity, Health, ProcessView, Status};
use crate::domain::task::TaskState;
use crate::tui::format::{self, Present};
use crate::tui::look::Palette;

/// Whether a process lives: its shape. The style says how it does.
pub(crate) fn shape(process: &ProcessView, palette: &Palette) -> (&'static str, Style) {
    let shape = match process.status {
        Status::Starting | Status::Stopping => "◌",
        Status::Running | Status::Waiting => "●",
        Status::Blocked if process.is_up() => "●",
        Status::Blocked | Status::Stopped => "○",
        Status::Backoff | Status::Error => "✕",
    };
    let style = match (process.status, process.health) {
        (Status::Error, _) | (_, Health::Critical) => palette.bad,
        (Status::Running | Status::Waiting, Health::Offline) => palette.bad,
        (Status::Waiting | Status::Backoff | Status::Blocked, _) | (_, Health::Warning) => {
            palette.warn
        }
        (Status::Running, Health::Healthy) => palette.good,
        (Status::Stopped, _) => palette.dim,
        _ => palette.plain,
    };
    (shape, style)
}

/// The word of a status, with the time that belongs to it.
pub(crate) fn word(process: &ProcessView, now: &Present) -> String {
    match process.status {
        Status::Running => match process.activity {
            Activity::Idle => "idle".to_owned(),
            Activity::Busy => "busy".to_owned(),
            Activity::Unknown => "running".to_owned(),
        },
        Status::Waiting => format!("waiting {}", format::age(now.since(process.since))),
        Status::Backoff => match process.until {
            Some(until) => format!("backoff {}", format::span(now.until(until))),
            None => "backoff".to_owned(),
        },
        status => status.as_str().to_owned(),
    }
}

/// The word of a status where no column tells how it does: that is in the word, if it is not well.
pub(crate) fn whole_word(process: &ProcessView, now: &Present) -> String {
    let word = word(process, now);
    match ailment(process) {
        Some(Health::Offline) => Health::Offline.as_str().to_owned(),
        Some(Health::Critical) => format!("{word} crit"),
        Some(_) => format!("{word} warn"),
        None => word,
    }
}

/// The style of that word.
pub(crate) fn whole_word_style(process: &ProcessView, palette: &Palette) -> Style {
    match ailment(process) {
        Some(_) => health_style(process, palette),
        None => word_style(process, palette),
    }
}

/// How it does, if that is not well and its status does not say so.
fn ailment(process: &ProcessView) -> Option<Health> {
    let ill = matches!(
        process.health,
        Health::Warning | Health::Critical | Health::Offline
    );
    (process.status == Status::Running && ill).then_some(process.health)
}

/// The style of the status word: rare colours, for what is not as usual.
pub(crate) fn word_style(process: &ProcessView, palette: &Palette) -> Style {
    match process.status {
        Status::Error => palette.bad,
        Status::Waiting | Status::Backoff | Status::Blocked => palette.warn,
        Status::Stopped => palette.dim,
        Status::Running if process.activity == Activity::Idle => palette.dim,
        _ => palette.plain,
    }
}

/// The style of a health word.
pub(crate) fn health_style(process: &ProcessView, palette: &Palette) -> Style {
    match process.health {
        Health::Healthy | Health::Unknown => palette.dim,
        Health::Offline if process.status == Status::Stopped => palette.dim,
        Health::Warning => palette.warn,
        Health::Critical | Health::Offline => palette.bad,
    }
}

/// What it does, asks or suffers, in one line.
pub(crate) fn now_style(process: &ProcessView, palette: &Palette) -> Style {
    match process.status {
        Status::Waiting | Status::Blocked | Status::Backoff => palette.warn,
        Status::Error => palette.bad,
        Status::Stopped => palette.dim,
        _ => palette.plain,
    }
}

/// The shape and style of a task's state.
pub(crate) fn task_shape(state: TaskState, palette: &Palette) -> (&'static str, Style) {
    match state {
        TaskState::Running => ("●", palette.good),
        TaskState::Assigned => ("◌", palette.plain),
        TaskState::Waiting => ("●", palette.warn),
        TaskState::Held => ("○", palette.warn),
        TaskState::Queued | TaskState::Blocked => ("○", palette.plain),
        TaskState::Succeeded => ("✓", palette.dim),
        TaskState::Failed | TaskState::TimedOut | TaskState::Parked => ("✕", palette.bad),
        TaskState::Cancelled => ("·", palette.dim),
    }
}

/// The word of a task's state, for people.
pub(crate) const fn task_word(state: TaskState) -> &'static str {
    match state {
        TaskState::TimedOut => "timed out",
        state => state.as_str(),
    }
}
