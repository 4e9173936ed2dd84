//! What is started, stopped and restarted without being asked, and what holds for whom.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::id::TaskId;
use crate::domain::scale::ScaleRule;
use crate::domain::schedule::{Due, Schedule};
use crate::domain::time::Mono;

/// When a process is started by itself, besides its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Autostart {
    /// With the instance, and when tasks wait for it.
    Boot,
    /// When tasks wait for it.
    #[default]
    Demand,
    /// Never.
    Never,
}

impl Autostart {
    /// The word in `roles.toml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Demand => "demand",
            Self::Never => "never",
        }
    }
}

/// The `[automation.auto_start]` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoStart {
    /// Whether anything is started by itself at all: with the instance, for tasks, by schedule.
    pub enabled: bool,
    /// Whether tasks that wait start or hire somebody (`employee_availability` among the triggers).
    pub on_demand: bool,
    /// Whether a long queue does (`high_task_queue` among the triggers).
    #[serde(default = "yes")]
    pub long_queue: bool,
    /// With so many processes up, tasks start nobody.
    pub max_processes: usize,
    /// When more than those who are there are hired.
    #[serde(default)]
    pub rule: ScaleRule,
}

fn yes() -> bool {
    true
}

impl Default for AutoStart {
    fn default() -> Self {
        Self {
            enabled: true,
            on_demand: true,
            long_queue: true,
            max_processes: 10,
            rule: ScaleRule::default(),
        }
    }
}

/// The `[automation.auto_stop]` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoStop {
    /// Whether the idle are stopped at all.
    pub enabled: bool,
    /// After how long.
    pub idle_timeout: Duration,
    /// So many stay up.
    pub min_processes: usize,
}

impl Default for AutoStop {
    fn default() -> Self {
        Self {
            enabled: true,
            idle_timeout: Duration::from_secs(300),
            min_processes: 2,
        }
    }
}

/// How long a process of a role may be idle, where the role says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdleStop {
    /// It is not stopped for being idle.
    Never,
    /// It is stopped after so long.
    After(Duration),
}

/// A role's `restart` table: restarts that are planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Restarts {
    /// At these times.
    pub schedule: Option<Schedule>,
    /// After so many attempts at tasks in one run.
    pub after_tasks: Option<u32>,
    /// After a run of this length.
    pub after: Option<Duration>,
}

/// What a role says of all this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Automation {
    /// When its processes start by themselves.
    pub autostart: Autostart,
    /// When they start by schedule.
    pub schedule: Option<Schedule>,
    /// What the agent does whenever it is started, for the kinds `monitoring` and `utility`.
    pub run: Option<String>,
    /// How long they may be idle, in place of `[automation.auto_stop]`.
    pub idle: Option<IdleStop>,
    /// Planned restarts.
    pub restart: Restarts,
}

/// What one process has in place of its role's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Overrides {
    /// When it starts by itself.
    pub autostart: Option<Autostart>,
    /// When it starts by schedule.
    pub schedule: Option<Schedule>,
    /// How long it may be idle.
    pub idle: Option<IdleStop>,
}

/// Who or what put a process down: whether automation may start it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// A person: nothing starts it until a person does.
    #[default]
    Person,
    /// It was hired without being started: waiting tasks do not start it.
    #[serde(rename = "not_started")]
    New,
    /// It had nothing to do.
    Idle,
    /// The instance ended.
    Instance,
    /// It has done what it was to do.
    Finished,
    /// Its cluster was made smaller: nothing starts it until that is made larger, or a person does.
    Scaled,
}

impl Rest {
    /// Whether a person said so: then nothing starts it until a person does.
    #[must_use]
    pub const fn is_by_a_person(self) -> bool {
        matches!(self, Self::Person | Self::Scaled)
    }

    /// The word that is shown and documented.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::New => "not_started",
            Self::Idle => "idle",
            Self::Instance => "instance",
            Self::Finished => "finished",
            Self::Scaled => "scaled",
        }
    }
}

/// What automation keeps of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Upkeep {
    /// Why it is down, while it is.
    pub rest: Rest,
    /// When its schedule comes next.
    pub due: Option<Due>,
    /// When its planned restart comes next.
    pub restart_due: Option<Due>,
    /// The task of the run in hand, for a role with a `run`.
    pub standing: Option<TaskId>,
    /// Whether the program hired it itself: it is the first to be stopped when there is nothing to do.
    pub extra: bool,
}

/// What automation keeps of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Shift {
    /// Who ends it, once it is ending by order.
    pub rest: Rest,
    /// The same in a few words, where it is not a person.
    pub reason: Option<String>,
    /// Since when it has had nothing to do and nobody has looked at it; it begins anew with the
    /// instance.
    #[serde(skip)]
    pub idle_since: Option<Mono>,
    /// Attempts at tasks that have ended in it.
    pub tasks: u32,
    /// It is restarted when it is idle, for this reason.
    pub planned: Option<String>,
}

/// What people see of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct UpkeepView {
    /// When it starts by itself, besides its schedule.
    pub autostart: Autostart,
    /// Its schedule as written.
    pub schedule: Option<String>,
    /// When it is started next.
    pub next_run: Option<Timestamp>,
    /// When it is restarted next as planned.
    pub next_restart: Option<Timestamp>,
    /// Why it is down, while it is.
    pub rest: Option<Rest>,
    /// How long it may be idle; `None` if it is not stopped for that.
    pub idle_stop: Option<Duration>,
    /// Whether tasks that wait start it.
    pub on_demand: bool,
    /// Whether the program hired it itself.
    #[serde(default)]
    pub extra: bool,
}
