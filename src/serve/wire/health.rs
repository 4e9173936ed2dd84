//! How a process does, and what is wrong, as documents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::alert::{Alert, AlertKind, AlertLevel};
use crate::domain::id::{AlertId, ProcessId};
use crate::domain::snapshot::{Condition, Health, ProcessView};

/// What stands behind a health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionDoc {
    /// Why, for a person.
    pub why: String,
    /// Since when it is at this level.
    pub since: Timestamp,
    /// When it was checked last.
    pub checked_at: Option<Timestamp>,
    /// How long its last answer took.
    pub answer_ms: Option<u64>,
    /// Checks in a row that it has not answered.
    pub missed: u32,
}

impl From<&Condition> for ConditionDoc {
    fn from(condition: &Condition) -> Self {
        Self {
            why: condition.why.clone(),
            since: condition.since,
            checked_at: condition.checked,
            answer_ms: condition
                .answer
                .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            missed: condition.missed,
        }
    }
}

/// What `POST /api/processes/{id}/health` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthDoc {
    /// Its id.
    pub id: ProcessId,
    /// The employee's first name.
    pub name: String,
    /// How it does.
    pub health: Health,
    /// What stands behind it.
    pub condition: ConditionDoc,
}

impl From<&ProcessView> for HealthDoc {
    fn from(view: &ProcessView) -> Self {
        Self {
            id: view.id,
            name: view.name.clone(),
            health: view.health,
            condition: ConditionDoc::from(&view.condition),
        }
    }
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertDoc {
    /// `alert_0001`.
    pub id: AlertId,
    /// What it is about: `health`, `cpu`, `memory`, `failures`, `disk`, `held`, `trespass`, `finding`.
    pub kind: AlertKind,
    /// `warning` or `critical`.
    pub level: AlertLevel,
    /// Whom it concerns.
    pub process: Option<ProcessId>,
    /// The employee's first name.
    pub name: Option<String>,
    /// What is wrong, in one line.
    pub text: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether it is still so.
    pub open: bool,
    /// When somebody said that it was seen.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was over.
    pub cleared_at: Option<Timestamp>,
}

impl From<&Alert> for AlertDoc {
    fn from(alert: &Alert) -> Self {
        Self {
            id: alert.id,
            kind: alert.kind,
            level: alert.level,
            process: alert.process,
            name: alert.name.clone(),
            text: alert.text.clone(),
            since: alert.since,
            open: alert.is_open(),
            acknowledged_at: alert.acknowledged,
            cleared_at: alert.cleared,
        }
    }
}
