//! Why a process is as it is, and what is kept of its exits, as documents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::exit::ExitStatus;
use crate::domain::fault::FaultCode;
use crate::domain::flight::{Change, ExitNote, Figure, Flight, Sent};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::process::Conversation;
use crate::domain::snapshot::{Activity, Evidence, Health, ProcessView, Status};
use crate::serve::wire::health::ConditionDoc;
use crate::serve::wire::process::{ExitDoc, FaultDoc};

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeDoc {
    /// When.
    pub at: Timestamp,
    /// To what.
    pub status: Status,
    /// Doing what.
    pub activity: Activity,
    /// What said so.
    pub source: String,
    /// What it did, asked or suffered, in one line.
    pub text: String,
}

impl From<&Change> for ChangeDoc {
    fn from(change: &Change) -> Self {
        Self {
            at: change.at,
            status: change.status,
            activity: change.activity,
            source: change.source.clone(),
            text: change.text.clone(),
        }
    }
}

/// An exit in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitNoteDoc {
    /// Counts the exits of the process.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// The exit code of the agent, where it had one.
    pub code: Option<i32>,
    /// The signal that ended the agent, where one did.
    pub signal: Option<i32>,
    /// The code of the fault that it was; `null` if it was none.
    pub fault: Option<FaultCode>,
    /// What the process came to by it.
    pub then: Status,
}

impl From<&ExitNote> for ExitNoteDoc {
    fn from(note: &ExitNote) -> Self {
        let (code, signal) = match note.status {
            ExitStatus::Code(code) => (Some(code), None),
            ExitStatus::Signal(signal) => (None, Some(signal)),
            ExitStatus::Unknown => (None, None),
        };
        Self {
            number: note.number,
            at: note.at,
            code,
            signal,
            fault: note.code,
            then: note.then,
        }
    }
}

/// A conversation. The history only grows: one that could not be resumed stays known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDoc {
    /// The agent's id for it.
    pub id: Uuid,
    /// When it began.
    pub begun_at: Timestamp,
    /// Whether a message was sent in it; only then does the agent keep it.
    pub used: bool,
}

impl From<&Conversation> for SessionDoc {
    fn from(conversation: &Conversation) -> Self {
        Self {
            id: conversation.id,
            begun_at: conversation.begun,
            used: conversation.used,
        }
    }
}

/// What `GET /api/processes/{id}/why` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhyDoc {
    /// Which process.
    pub process: ProcessId,
    /// The employee's name.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// What it does.
    pub activity: Activity,
    /// How it does.
    pub health: Health,
    /// What stands behind that.
    pub condition: ConditionDoc,
    /// Since when it has this status and activity.
    pub since: Timestamp,
    /// The phase of its life.
    pub phase: String,
    /// What it does, asks or suffers, in one line.
    pub now: String,
    /// What the status is known from, and when that was said.
    pub evidence: Evidence,
    /// When a pending restart or the end of a block is due.
    pub until: Option<Timestamp>,
    /// When it is tried whether the cause of a block is gone.
    pub look_at: Option<Timestamp>,
    /// Failed starts and crashes in a row.
    pub tries: u32,
    /// How many of them are followed by a restart.
    pub max_retries: u32,
    /// The last fault, until a good start.
    pub fault: Option<FaultDoc>,
    /// Its last conversations, oldest first.
    pub sessions: Vec<SessionDoc>,
    /// Its last changes of state, oldest first.
    pub history: Vec<ChangeDoc>,
    /// Its last exits, newest first.
    pub exits: Vec<ExitNoteDoc>,
}

impl From<&ProcessView> for WhyDoc {
    fn from(view: &ProcessView) -> Self {
        Self {
            process: view.id,
            name: view.name.clone(),
            status: view.status,
            activity: view.activity,
            health: view.health,
            condition: ConditionDoc::from(&view.condition),
            since: view.since,
            phase: view.phase.clone(),
            now: view.now.clone(),
            evidence: view.evidence.clone(),
            until: view.until,
            look_at: view.look,
            tries: view.tries.0,
            max_retries: view.tries.1,
            fault: view.fault.as_ref().map(FaultDoc::from),
            sessions: view.sessions.iter().map(SessionDoc::from).collect(),
            history: view.history.iter().map(ChangeDoc::from).collect(),
            exits: view.exits.iter().map(ExitNoteDoc::from).collect(),
        }
    }
}

/// Something that was done to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentDoc {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
}

impl From<&Sent> for SentDoc {
    fn from(sent: &Sent) -> Self {
        Self {
            at: sent.at,
            what: sent.what.clone(),
        }
    }
}

/// Figures of the tree at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FigureDoc {
    /// When.
    pub at: Timestamp,
    /// Of one core, 100 is a full one.
    pub cpu_percent: f64,
    /// Resident, in bytes.
    pub memory_bytes: u64,
}

impl From<&Figure> for FigureDoc {
    fn from(figure: &Figure) -> Self {
        Self {
            at: figure.at,
            cpu_percent: (f64::from(figure.cpu_percent) * 10.0).round() / 10.0,
            memory_bytes: figure.memory_bytes,
        }
    }
}

/// What `GET /api/processes/{id}/exits/{number}` answers: the last minute before an exit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlightDoc {
    /// Which process.
    pub process: ProcessId,
    /// Counts the exits of the process.
    pub number: u32,
    /// Which run.
    pub run: RunId,
    /// When the run began.
    pub started_at: Timestamp,
    /// How it ended.
    pub exit: ExitDoc,
    /// What became of the tree: `7 processes ended, 0 left`.
    pub proof: String,
    /// The fault that it was; `null` if it was none.
    pub fault: Option<FaultDoc>,
    /// What the process came to by it.
    pub then: Status,
    /// The same, for a person.
    pub reason: String,
    /// Changes of state of the last minute, and the last one before, oldest first.
    pub changes: Vec<ChangeDoc>,
    /// What was done to it in the last minute.
    pub sent: Vec<SentDoc>,
    /// Figures of its tree in the last minute.
    pub figures: Vec<FigureDoc>,
    /// The last lines of its log.
    pub lines: Vec<String>,
}

impl From<&Flight> for FlightDoc {
    fn from(flight: &Flight) -> Self {
        Self {
            process: flight.process,
            number: flight.number,
            run: flight.run,
            started_at: flight.started,
            exit: ExitDoc::from(&flight.exit),
            proof: flight.exit.proof(),
            fault: flight.fault.as_ref().map(FaultDoc::from),
            then: flight.then,
            reason: flight.reason.clone(),
            changes: flight.changes.iter().map(ChangeDoc::from).collect(),
            sent: flight.sent.iter().map(SentDoc::from).collect(),
            figures: flight.figures.iter().map(FigureDoc::from).collect(),
            lines: flight.lines.clone(),
        }
    }
}
