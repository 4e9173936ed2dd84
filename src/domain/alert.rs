//! Alerts: what is wrong now, since when, and whether somebody has seen it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::id::{AlertId, ProcessId};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertLevel {
    /// Somebody should look.
    Warning,
    /// Something does not work.
    Critical,
}

impl AlertLevel {
    /// The word that is shown and documented.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What an alert is about. A process has at most one open alert of a kind, findings apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A process is critical or does not respond.
    Health,
    /// CPU above its share of the limit.
    Cpu,
    /// Memory above its share of the limit.
    Memory,
    /// A process fails again and again, or is left down after failures.
    Failures,
    /// The state folder is nearly full.
    Disk,
    /// Output cannot be written and is held.
    Held,
    /// A process did not come up with what is on disk, and runs on what it had before.
    Configuration,
    /// An employee tried what it may not do. Over when it is acknowledged.
    Trespass,
    /// The system has too little of what a start takes, so that some are put off.
    Resources,
    /// An older copy of the state had to be taken. Over when it is acknowledged.
    State,
    /// What a monitoring employee found. Over when it is acknowledged.
    Finding,
}

impl AlertKind {
    /// The word that is shown and documented.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Failures => "failures",
            Self::Disk => "disk",
            Self::Held => "held",
            Self::Configuration => "configuration",
            Self::Trespass => "trespass",
            Self::Resources => "resources",
            Self::State => "state",
            Self::Finding => "finding",
        }
    }

    /// Whether it tells of a moment: then nothing but a person's word ends it.
    #[must_use]
    pub const fn is_of_a_moment(self) -> bool {
        matches!(self, Self::Trespass | Self::State | Self::Finding)
    }
}

/// Something that is wrong, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What it is about.
    pub kind: AlertKind,
    /// How bad it is.
    pub level: AlertLevel,
    /// Whom it concerns.
    pub process: Option<ProcessId>,
    /// The employee's name.
    pub name: Option<String>,
    /// What is wrong, in one line.
    pub text: String,
    /// Since when.
    pub since: Timestamp,
    /// When somebody said that it was seen.
    pub acknowledged: Option<Timestamp>,
    /// When it was over.
    pub cleared: Option<Timestamp>,
}

impl Alert {
    /// Whether it is still so.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.cleared.is_none()
    }

    /// Whether it is still so and nobody has seen it.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_open() && self.acknowledged.is_none()
    }
}

/// The `[alerts]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRule {
    /// Share of the CPU limit, in per cent.
    pub cpu_percent: u32,
    /// Share of the memory limit, in per cent.
    pub memory_percent: u32,
    /// A program and its arguments, which get each alert as JSON on their standard input.
    pub command: Vec<String>,
}

impl Default for AlertRule {
    fn default() -> Self {
        Self {
            cpu_percent: 80,
            memory_percent: 80,
            command: Vec::new(),
        }
    }
}
