//! What all parts of the runtime share: where things are, and the configuration in force.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::config::Source;
use crate::config::environment::Variables;
use crate::domain::event::Event;
use crate::domain::id::ProcessId;
use crate::domain::role::Catalogue;
use crate::domain::secret::Secrets;
use crate::os::cgroup::Cgroups;
use crate::os::orphans::Children;
use crate::os::scarcity::Starts;
use crate::runtime::git::Worktrees;
use crate::runtime::handle::{Growth, Mail};
use crate::runtime::journal::Rotation;
use crate::runtime::logs::Logs;
use crate::runtime::preflight::{Scene, Versions};

/// The state folder of one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The folder itself.
    pub state: PathBuf,
    /// `headcount.db`.
    pub database: PathBuf,
    /// `runs/`, a folder a run.
    pub runs: PathBuf,
    /// `logs/`, a log a process.
    pub logs: PathBuf,
    /// `worktrees/`, a git worktree a process.
    pub worktrees: PathBuf,
    /// `good/`, the last configuration that each process came up with.
    pub good: PathBuf,
}

impl Folders {
    /// The places in a state folder.
    #[must_use]
    pub fn of(state: impl Into<PathBuf>) -> Self {
        let state = state.into();
        Self {
            database: state.join("headcount.db"),
            runs: state.join("runs"),
            logs: state.join("logs"),
            worktrees: state.join("worktrees"),
            good: state.join("good"),
            state,
        }
    }
}

/// The shims that run, by PID: whoever descends from one is that employee. `None` for the shim of a
/// run that nobody knows, until it is ended.
pub(crate) type Shims = Arc<HashMap<u32, Option<ProcessId>>>;

/// Shared by the hub and all actors.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) folders: Folders,
    pub(crate) source: Source,
    pub(crate) environment: HashMap<String, String>,
    pub(crate) exe: PathBuf,
    pub(crate) generation: u64,
    pub(crate) adopt_within: std::time::Duration,
    pub(crate) rotation: Rotation,
    pub(crate) open_files: Option<u64>,
    /// The starts that are under way.
    pub(crate) starts: Starts,
    pub(crate) cgroups: Option<Cgroups>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) growth: Growth,
    pub(crate) worktrees: Worktrees,
    pub(crate) mail: mpsc::Sender<Mail>,
    /// The programs that this instance started: shims, and git.
    pub(crate) children: Children,
    versions: Versions,
    catalogue: Mutex<Arc<Catalogue>>,
    shims: watch::Sender<Shims>,
}

/// What a context is made of; the rest begins empty.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) folders: Folders,
    pub(crate) source: Source,
    pub(crate) environment: HashMap<String, String>,
    pub(crate) exe: PathBuf,
    pub(crate) generation: u64,
    pub(crate) adopt_within: std::time::Duration,
    pub(crate) rotation: Rotation,
    pub(crate) open_files: Option<u64>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) mail: mpsc::Sender<Mail>,
}

impl Context {
    pub(crate) fn new(parts: Parts) -> Self {
        let children = Children::default();
        let logs = Logs::new(parts.folders.logs.clone(), parts.folders.runs.clone());
        Self {
            folders: parts.folders,
            source: parts.source,
            environment: parts.environment,
            exe: parts.exe,
            generation: parts.generation,
            adopt_within: parts.adopt_within,
            rotation: parts.rotation,
            open_files: parts.open_files,
            starts: Starts::default(),
            cgroups: Cgroups::detect(),
            logs: Arc::new(logs),
            growth: Growth::default(),
            worktrees: Worktrees::new(children.clone()),
            mail: parts.mail,
            children,
            versions: Versions::default(),
            catalogue: Mutex::new(parts.catalogue),
            shims: watch::Sender::default(),
        }
    }

    /// The configuration in force.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(
            &self
                .catalogue
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Where a look at the fitness of a process looks.
    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene {
            source: &self.source,
            catalogue: self.catalogue(),
            environment: &self.environment,
            state: &self.folders.state,
            exe: &self.exe,
            versions: &self.versions,
            children: &self.children,
        }
    }

    /// What is not shown of a process with these variables, nor of what was made of them.
    pub(crate) fn secrets(&self, variables: &Variables) -> Secrets {
        Secrets::of(variables, &self.environment)
    }

    /// Puts another configuration in force.
    pub(crate) fn configure(&self, catalogue: Arc<Catalogue>) {
        *self
            .catalogue
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = catalogue;
    }

    /// The shims that run, as they come and go.
    pub(crate) fn shims(&self) -> watch::Receiver<Shims> {
        self.shims.subscribe()
    }

    pub(crate) fn shim_began(&self, pid: u32, process: ProcessId) {
        self.shims.send_modify(|shims| {
            Arc::make_mut(shims).insert(pid, Some(process));
        });
    }

    /// A shim lives whose run nobody knows: until it is ended, who descends from it is no person.
    pub(crate) fn stray_shim(&self, pid: u32) {
        self.shims.send_modify(|shims| {
            Arc::make_mut(shims).insert(pid, None);
        });
    }

    pub(crate) fn shim_ended(&self, pid: u32) {
        self.shims.send_modify(|shims| {
            Arc::make_mut(shims).remove(&pid);
        });
    }

    /// Reports a fact to the hub. A hub that is gone has nobody left to tell.
    pub(crate) async fn tell(&self, event: Event) {
        drop(self.mail.send(Mail::Fact(event)).await);
    }
}
