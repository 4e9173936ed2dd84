//! Why tasks wait, in words for a person.
//!
//! Thousands of tasks wait for few reasons: what holds for all of a target is told once, the rest follows
//! from the task and those that it waits for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::id::TaskId;
use crate::domain::task::{Target, TaskState};
use crate::domain::time::{Mono, Now, moment};

const RELEASE: &str = "held until you release it";

/// Why nobody works on tasks of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// In words for a person.
    pub text: Arc<str>,
    /// Whether it takes a person to change that.
    pub is_stuck: bool,
}

/// What is the same for many, and the clocks for what is not.
#[derive(Debug, Clone)]
pub struct Waits {
    /// Why nobody works on tasks of a target; those of tasks that could be worked on.
    pub targets: HashMap<Target, Reason>,
    /// When this was found, by the clock of waits.
    pub at: Mono,
    /// The zone of a person's clock.
    pub zone: TimeZone,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            targets: HashMap::new(),
            at: Mono::default(),
            zone: TimeZone::UTC,
        }
    }
}

impl Waits {
    /// Why a task of this target is not worked on.
    pub(super) fn target(&self, target: &Target) -> Option<&Reason> {
        self.targets.get(target)
    }

    /// A task that waits for its next try; `wall` is the time of [`Waits::at`] on a person's clock.
    pub(super) fn later(&self, at: Mono, wall: Timestamp) -> String {
        let now = Now {
            mono: self.at,
            wall,
        };
        let at = (now + at.since(self.at)).wall;
        format!("next try at {}", moment(at, wall, &self.zone))
    }
}

/// A task that waits for another, which is in this state, or gone.
pub(super) fn blocked(by: TaskId, parent: Option<TaskState>) -> String {
    match parent {
        None => format!("{by}, which it waits for, was deleted: edit what it waits for"),
        Some(TaskState::Failed) => format!("after {by}, which failed: retry that one"),
        Some(TaskState::TimedOut) => format!("after {by}, which ran out of time: retry that one"),
        Some(TaskState::Parked) => {
            format!("after {by}, which is parked, its retries used up: retry that one")
        }
        Some(TaskState::Cancelled) => format!("after {by}, which was cancelled: retry that one"),
        Some(TaskState::Held) => format!("after {by}, which is held: release that one"),
        Some(state) => format!("after {by}, which is {}", state.as_str()),
    }
}

/// A task that is held, after an error perhaps.
pub(super) fn held(error: Option<&str>) -> Cow<'static, str> {
    match error {
        Some(error) => format!("{error}; {RELEASE}").into(),
        None => RELEASE.into(),
    }
}
