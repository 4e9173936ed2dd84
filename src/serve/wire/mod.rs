//! The documents that go over the socket, field by field as `docs/cli.md` has them.
//!
//! Fields are only ever added. Ids are strings, times RFC 3339, amounts carry their unit in the name; a
//! value that is not known is `null`, never left out.

mod approval;
mod cluster;
mod error;
mod event;
mod health;
mod inbox;
mod log;
mod process;
mod requests;
mod role;
mod status;
mod task;
mod why;
mod worktree;

pub use approval::{ApprovalDoc, QuestionDoc};
pub use cluster::{
    ClusterActedDoc, ClusterDoc, ClusterFailureDoc, ClusterRestartRequest, ClusterRoleDoc,
    ClusterScaleRequest, ClusterStartRequest, ScalingDoc,
};
pub use error::{ErrorBody, ErrorDoc, ErrorKind};
pub use event::{
    AlertNoteDoc, DigestDoc, EntryDoc, FailureNoteDoc, HireNoteDoc, RestartNoteDoc, StuckNoteDoc,
    TaskNoteDoc, WaitNoteDoc,
};
pub use health::{AlertDoc, ConditionDoc, HealthDoc};
pub use inbox::{WaitingDoc, WaitingThing};
pub use log::{LogDoc, LogEvent, LogLineDoc};
pub use process::{
    ExitDoc, FaultDoc, LimitsDoc, ProcessDoc, ProcessStatusDoc, RangeDoc, RemovedDoc, SandboxDoc,
    StoppedDoc, TokensDoc,
};
pub use requests::{
    AnswerRequest, ApproveRequest, DenyRequest, EditRequest, HireRequest, MoveRequest, SayRequest,
    ShutdownRequest, TaskRequest, UpgradeRequest,
};
pub use role::RoleDoc;
pub use status::{InstanceDoc, ProcessCounts, StatusDoc, TaskCountsDoc};
pub use task::{
    AttemptDoc, CheckedDoc, FileChangeDoc, SaidDoc, TaskDoc, TaskResultDoc, TurnMessageDoc,
};
pub use why::{ChangeDoc, ExitNoteDoc, FigureDoc, FlightDoc, SentDoc, SessionDoc, WhyDoc};
pub use worktree::{
    ChangesDoc, DiffDoc, FileDoc, MergeDoc, MergeRequest, RestoreRequest, SavedDoc, SavedQuery,
    WorkDoc, WorktreeDoc,
};

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serializer;

/// What the command line calls itself, so that the record can tell it from other clients.
pub const CLI_AGENT: &str = concat!("headcount-cli/", env!("CARGO_PKG_VERSION"));

/// The longest request that is read, in bytes: room for a task of 1 MiB however its JSON is escaped.
pub const LONGEST: usize = 8 * 1024 * 1024;

/// Writes a path as text, whatever bytes it has: a document that tells of it must not fail for it.
pub(crate) fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// [`lossy`] of a path that may not be there.
fn maybe_lossy<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => lossy(path, serializer),
        None => serializer.serialize_none(),
    }
}

/// US dollars to the millionth: sums of fractions have more digits than sense.
pub(super) fn usd(dollars: f64) -> f64 {
    (dollars * 1e6).round() / 1e6
}

/// Seconds of a time.
pub(super) const fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}
