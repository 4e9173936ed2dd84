//! The runtime, as far as the instance needs it to live. Stands in until the hub is there.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::event::Event;
use crate::domain::snapshot::Snapshot;
use crate::runtime::handle::{Growth, Handle, Mail};
use crate::runtime::logs::Logs;

/// What the runtime is started with.
#[derive(Debug, Clone)]
pub(crate) struct EngineOptions {
    pub(crate) workspace: PathBuf,
    pub(crate) runs: PathBuf,
    pub(crate) logs: PathBuf,
    pub(crate) demo: bool,
}

/// The running hub.
#[derive(Debug)]
pub(crate) struct Engine(JoinSet<()>);

impl Engine {
    /// Returns when the hub has ended.
    pub(crate) async fn ended(&mut self) {
        drop(self.0.join_next().await);
    }
}

/// Starts it.
pub(crate) fn start(options: EngineOptions) -> (Handle, Engine) {
    let (mail, mut inbox) = mpsc::channel(64);
    let snapshot = Snapshot {
        workspace: options.workspace,
        configuration: "built in".to_owned(),
        demo: options.demo,
        ..Snapshot::default()
    };
    let (view, snapshots) = watch::channel(Arc::new(snapshot));
    let (shims, known) = watch::channel(Arc::new(HashMap::new()));
    let logs = Arc::new(Logs::new(options.logs, options.runs));
    let handle = Handle::new(mail, snapshots, logs, Growth::default(), known);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _shims = shims;
        while let Some(mail) = inbox.recv().await {
            match mail {
                Mail::Order { command, reply, .. } => {
                    let ends = matches!(command, Command::Shutdown | Command::ShutdownNow);
                    let answer = if ends {
                        Ok(Outcome::Done)
                    } else {
                        Err(Refusal::State("nothing is built yet".to_owned()))
                    };
                    drop(reply.send(answer));
                    if ends {
                        return;
                    }
                }
                Mail::Fact(Event::Terminals { attached }) => view.send_modify(|snapshot| {
                    Arc::make_mut(snapshot).terminals = attached;
                }),
                Mail::Fact(event) => tracing::info!(?event, "reported"),
            }
        }
    });
    (handle, Engine(tasks))
}
