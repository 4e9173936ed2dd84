//! What waits on a person: permission requests and questions of the agents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::alert::{AlertKind, AlertLevel};
use crate::domain::id::{AlertId, ProcessId, RequestId, RunId, TaskId};
use crate::domain::snapshot::{ProcessView, Snapshot, Status};
use crate::domain::task::{Task, TaskState};

/// One choice of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What is answered when it is chosen.
    pub label: String,
    /// What it means.
    pub description: String,
}

/// One question of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The question; answers are keyed by it.
    pub text: String,
    /// Its choices; any other text may be answered too.
    pub choices: Vec<Choice>,
    /// Whether several may be chosen.
    pub several: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Ask {
    /// May this tool run with this input?
    Permission {
        /// The tool's name.
        tool: String,
        /// The command, the file, the address: what the tool acts on, in one line or more.
        subject: String,
        /// The change that it would make, as a unified diff, where it edits a file.
        diff: Option<String>,
        /// What the agent says of it.
        description: Option<String>,
        /// The permission rule that 'always' would make for this process.
        rule: String,
    },
    /// A question with choices.
    Question {
        /// Its questions.
        questions: Vec<Question>,
    },
}

impl Ask {
    /// One line that says what is asked, as it stands in the row.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Permission { tool, subject, .. } => {
                let first = subject.lines().next().unwrap_or("");
                match tool.as_str() {
                    "Bash" => format!("asks to run: {first}"),
                    "Edit" | "Write" | "MultiEdit" | "NotebookEdit" => {
                        format!("asks to change: {first}")
                    }
                    "Read" => format!("asks to read: {first}"),
                    _ => format!("asks to use {tool}: {first}"),
                }
            }
            Self::Question { questions } => {
                format!(
                    "asks: {}",
                    questions
                        .first()
                        .map_or("", |question| question.text.as_str())
                )
            }
        }
    }
}

/// How a request was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Answer {
    /// Allowed this once.
    Once,
    /// Allowed, and so is everything that fits the rule, for this process.
    Always {
        /// The rule that was made.
        rule: String,
    },
    /// Refused.
    Denied {
        /// Why; the agent reads it.
        reason: String,
    },
    /// A question was answered: question text and answer.
    Answered {
        /// Pairs of question and answer.
        answers: Vec<(String, String)>,
    },
    /// Nobody answered: the turn ended before.
    Withdrawn,
}

impl Answer {
    /// What was answered, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Once => "allowed once".to_owned(),
            Self::Always { rule } => format!("always: {rule}"),
            Self::Denied { reason } if reason.is_empty() => "denied".to_owned(),
            Self::Denied { reason } => format!("denied: {reason}"),
            Self::Answered { answers } => {
                let said: Vec<&str> = answers.iter().map(|(_, answer)| answer.as_str()).collect();
                format!("answered: {}", said.join("; "))
            }
            Self::Withdrawn => "withdrawn".to_owned(),
        }
    }
}

/// One thing that waits on a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// Who asks.
    pub process: ProcessId,
    /// In which run.
    pub run: RunId,
    /// For which task.
    pub task: Option<TaskId>,
    /// The agent's own id for it.
    pub agent_key: String,
    /// What is asked.
    pub ask: Ask,
    /// The tool's input as it came, to be given back when it is allowed.
    pub input: Value,
    /// When it was asked.
    pub asked: Timestamp,
    /// The answer, once there is one.
    pub answer: Option<Answer>,
    /// When it was answered.
    pub answered: Option<Timestamp>,
    /// Whether headcount itself asks, about a task that was cut: no agent waits for the answer.
    #[serde(default)]
    pub own: bool,
}

impl Request {
    /// Whether it still waits.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.answer.is_none()
    }
}

/// Tasks that ended without success and are listed at most: the newest ones.
const FAILED: usize = 100;

/// One thing in the inbox that waits on a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Item {
    /// A permission or a question.
    Request(RequestId),
    /// A process that stays as it is until somebody puts something right.
    Stuck(ProcessId),
    /// Something that is wrong and that nobody has seen.
    Alert(AlertId),
    /// A task that ended without success, and nobody has said what is to become of it.
    Failed(TaskId),
    /// A process that runs on what is no longer on disk.
    Updates(ProcessId),
}

impl Item {
    /// Whether one answer may do for both: alerts, tasks that failed, or updates.
    #[must_use]
    pub const fn is_like(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::Alert(_), Self::Alert(_))
                | (Self::Failed(_), Self::Failed(_))
                | (Self::Updates(_), Self::Updates(_))
        )
    }
}

/// What is said of a thing that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whose it is.
    pub process: Option<ProcessId>,
    /// The first name of who that is.
    pub name: Option<String>,
    /// Since when it waits.
    pub since: Timestamp,
    /// What it is about, in one line.
    pub line: String,
}

impl Item {
    /// What is said of it wherever it is listed; `None` if it is there no more.
    #[must_use]
    pub fn told(self, snapshot: &Snapshot) -> Option<Told> {
        let (process, since, line) = match self {
            Self::Request(id) => {
                let request = snapshot.requests.iter().find(|one| one.id == id)?;
                (Some(request.process), request.asked, request.ask.line())
            }
            Self::Stuck(id) => {
                let view = snapshot.process(id)?;
                let status = view.status.as_str();
                let line = match view.now.as_str() {
                    "" => status.to_owned(),
                    now => format!("{status}: {now}"),
                };
                (Some(id), view.since, line)
            }
            Self::Alert(id) => {
                let alert = snapshot.alert(id)?;
                (alert.process, alert.since, alert.text.clone())
            }
            Self::Failed(id) => {
                let task = snapshot.task(id)?;
                let process = task.attempts.last().map(|attempt| attempt.process);
                let error = task.error.as_deref().unwrap_or("no reason is known");
                let state = match task.state {
                    TaskState::TimedOut => "timed out",
                    state => state.as_str(),
                };
                (
                    process,
                    task.since,
                    format!("{} · {state}: {error}", task.title()),
                )
            }
            Self::Updates(id) => {
                let view = snapshot.process(id)?;
                let changes = &view.updates.as_ref()?.changes;
                let settings: Vec<&str> = changes.iter().map(|one| one.setting.as_str()).collect();
                let line = format!("changed on disk: {}", settings.join(", "));
                (Some(id), view.started.unwrap_or(view.since), line)
            }
        };
        let known = process.and_then(|id| Some(snapshot.process(id)?.name.clone()));
        // An alert keeps the name of who is gone.
        let name = known.or_else(|| match self {
            Self::Alert(id) => snapshot.alert(id)?.name.clone(),
            _ => None,
        });
        Some(Told {
            process,
            name,
            since,
            line,
        })
    }
}

/// What waits on a person, the most urgent first, then what waits longest: who cannot go on without
/// an answer, what does not work, who is down, what failed, what should be looked at, what could be renewed.
#[must_use]
pub fn waiting(snapshot: &Snapshot) -> Vec<Item> {
    let views = || snapshot.processes.iter().map(AsRef::as_ref);
    let asked = snapshot.requests.iter().take_while(|one| one.is_open());
    let mut items: Vec<Item> = asked.map(|one| Item::Request(one.id)).collect();
    let mut stuck: Vec<&ProcessView> = views().filter(|view| is_stuck(view)).collect();
    stuck.sort_by_key(|view| view.since);
    let alerts = |level: AlertLevel| {
        let of_it = snapshot.alerts.iter().filter(move |alert| {
            // That somebody is down has a row of its own.
            let told = alert.process.is_some_and(|id| {
                matches!(alert.kind, AlertKind::Failures | AlertKind::Health)
                    && snapshot.process(id).is_some_and(|view| is_stuck(view))
            });
            alert.level == level && alert.is_new() && !told
        });
        of_it.map(|alert| Item::Alert(alert.id))
    };
    items.extend(alerts(AlertLevel::Critical));
    items.extend(stuck.into_iter().map(|view| Item::Stuck(view.id)));
    let over = snapshot
        .tasks
        .rows()
        .rev()
        .filter(|row| row.state.is_final());
    let failed = over.map(|row| &*row.task).filter(|task| is_unsettled(task));
    let mut failed: Vec<&Task> = failed.take(FAILED).collect();
    failed.sort_by_key(|task| (task.since, task.id));
    items.extend(failed.into_iter().map(|task| Item::Failed(task.id)));
    items.extend(alerts(AlertLevel::Warning));
    let old = views().filter(|view| view.updates_available);
    items.extend(old.map(|view| Item::Updates(view.id)));
    items
}

/// Whether a process stays as it is until a person puts something right.
#[must_use]
pub fn is_stuck(view: &ProcessView) -> bool {
    view.status == Status::Error || (view.status == Status::Blocked && view.until.is_none())
}

/// Whether a task ended without success and nobody has said that this is all.
#[must_use]
pub fn is_unsettled(task: &Task) -> bool {
    let failed = matches!(
        task.state,
        TaskState::Failed | TaskState::TimedOut | TaskState::Parked
    );
    failed && !task.dismissed
}
