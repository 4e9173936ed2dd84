//! What waits on a person, whatever it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::id::ProcessId;
use crate::domain::inbox::{Ask, Item};
use crate::domain::snapshot::Snapshot;
use crate::serve::wire::ApprovalDoc;

/// One thing that waits on a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WaitingDoc {
    /// The thing itself.
    #[serde(flatten)]
    pub what: WaitingThing,
    /// Since when it waits.
    pub since: Timestamp,
    /// What it is about, in one line.
    pub text: String,
    /// The command that settles it, or that tells more where there is none.
    pub command: String,
}

/// What waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WaitingThing {
    /// A request, all of it.
    Request(Box<ApprovalDoc>),
    /// Something else.
    Other {
        /// The process, alert or task, by its id.
        id: String,
        /// `stuck`, `alert`, `failed` or `updates`.
        #[serde(rename = "type")]
        kind: String,
        /// Whose it is.
        process: Option<ProcessId>,
        /// The first name of who that is.
        name: Option<String>,
    },
}

impl WaitingThing {
    /// Its id, the word for what it is, and whose it is.
    #[must_use]
    pub fn heading(&self) -> (String, &str, Option<&String>) {
        match self {
            Self::Request(request) => {
                let id = request.id.to_string();
                (id, &request.kind, request.name.as_ref())
            }
            Self::Other { id, kind, name, .. } => (id.clone(), kind, name.as_ref()),
        }
    }
}

impl WaitingDoc {
    /// Writes an item down; `None` if the snapshot has it no more.
    #[must_use]
    pub fn new(item: Item, snapshot: &Snapshot) -> Option<Self> {
        let told = item.told(snapshot)?;
        let other = |id: String, kind: &str| WaitingThing::Other {
            id,
            kind: kind.to_owned(),
            process: told.process,
            name: told.name.clone(),
        };
        let (what, command) = match item {
            Item::Request(id) => {
                let request = snapshot.requests.iter().find(|one| one.id == id)?;
                let command = match request.ask {
                    Ask::Permission { .. } => format!("approve {id}"),
                    Ask::Question { .. } => format!("answer {id} TEXT"),
                };
                let request = Box::new(ApprovalDoc::new(request, snapshot));
                (WaitingThing::Request(request), command)
            }
            Item::Stuck(id) => (other(id.to_string(), "stuck"), format!("why {id}")),
            Item::Alert(id) => (other(id.to_string(), "alert"), format!("ack {id}")),
            Item::Failed(id) => (other(id.to_string(), "failed"), format!("task retry {id}")),
            Item::Updates(id) => {
                let command = format!("restart {id} --updates");
                (other(id.to_string(), "updates"), command)
            }
        };
        Some(Self {
            what,
            since: told.since,
            text: told.line,
            command: format!("headcount {command}"),
        })
    }
}
