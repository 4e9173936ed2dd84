//! Putting the runtime together.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::agent::find::find;
use crate::config::Source;
use crate::domain::event::Event;
use crate::domain::fault::Fault;
use crate::domain::fleet::{Fleet, Options};
use crate::domain::id::ProcessId;
use crate::domain::role::{Catalogue, Protocol};
use crate::domain::snapshot::Snapshot;
use crate::os::identity::boot_id;
use crate::os::run_folder::RunFolder;
use crate::runtime::clock::Clock;
use crate::runtime::context::{Context, Folders, Parts};
use crate::runtime::exits;
use crate::runtime::handle::Handle;
use crate::runtime::hub::Hub;
use crate::runtime::journal::Rotation;
use crate::runtime::{alarm, flights, reaper, sampler, updates};
use crate::store::{Events, OpenError, Store};

/// Orders and facts that may wait for the hub: more than all processes say at once, and few enough
/// that a snapshot is never far behind.
const INBOX: usize = 1024;

/// How long the shim of a run that nobody knows may take to end it.
const STRANGER: Duration = Duration::from_secs(20);

/// What the runtime is started with.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// The state folder; it is ours alone, the caller holds its lock.
    pub folders: Folders,
    /// Where the configuration comes from.
    pub source: Source,
    /// The configuration.
    pub catalogue: Catalogue,
    /// Whether every role runs on the simulated agent.
    pub demo: bool,
    /// The environment that variables of roles may refer to.
    pub environment: HashMap<String, String>,
    /// This program, for the shims.
    pub exe: PathBuf,
    /// How long a run goes on while no instance is there.
    pub adopt_within: Duration,
    /// How much of each log is kept.
    pub rotation: Rotation,
    /// The limit of open files that agents get.
    pub open_files: Option<u64>,
    /// Whether another program can take over from this one.
    pub hand_over: bool,
}

/// Why the runtime cannot be started. Nothing on disk was changed for the worse.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder of the state cannot be made.
    #[error("cannot make the folder {}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The database holds what this build does not understand.
    #[error("cannot understand what the database {} holds; it is left as it is", path.display())]
    Saved {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// The runtime's own tasks. Dropping it aborts them; the runs go on below their shims.
#[derive(Debug)]
pub struct Running {
    tasks: JoinSet<()>,
    // End with the hub: they have nothing of their own to finish.
    _helpers: JoinSet<()>,
}

impl Running {
    /// Waits until a shutdown is done, or until the hub fails.
    pub async fn done(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "the hub failed");
            }
        }
    }
}

/// What is kept of the last exits is shown again.
fn remember_flights(context: &Context, fleet: &mut Fleet) {
    let last: Vec<(ProcessId, u32)> = fleet
        .processes()
        .filter(|process| process.exits_ever > 0)
        .map(|process| (process.id, process.exits_ever))
        .collect();
    for (process, number) in last {
        match flights::read(context.logs.folder(), process, number) {
            Ok(flight) => flight
                .into_iter()
                .for_each(|flight| fleet.remember_flight(flight)),
            Err(error) => tracing::warn!(%process, %error, "the last exit is not shown"),
        }
    }
}

/// Starts the hub. Runs of an earlier instance are adopted before anything else happens.
///
/// # Errors
/// [`StartError`], with nothing started.
pub fn start(options: RuntimeOptions) -> Result<(Handle, Running), StartError> {
    let RuntimeOptions {
        folders,
        source,
        catalogue,
        demo,
        environment,
        exe,
        adopt_within,
        rotation,
        open_files,
        hand_over,
    } = options;
    for path in [&folders.state, &folders.runs, &folders.logs] {
        make_folder(path)?;
    }
    let (mail, inbox) = mpsc::channel(INBOX);
    let (confirm, written) = mpsc::unbounded_channel();
    let (store, saved) = Store::open(&folders.database, boot_id(), move |what| {
        // A hub that is gone has nobody to tell.
        drop(confirm.send(what));
    })?;
    let (database, events) = (folders.database.clone(), folders.database.clone());
    let clock = Clock::start();
    let catalogue = Arc::new(catalogue);
    let fleet_options = Options {
        workspace: source.workspace().to_owned(),
        configuration: source
            .file()
            .map_or_else(|| "built in".to_owned(), |path| path.display().to_string()),
        demo,
        hand_over,
        zone: TimeZone::system(),
        agent_missing: if demo {
            None
        } else {
            missing_agent(&catalogue, &environment)
        },
        seed: Uuid::new_v4(),
    };
    let mut fleet = Fleet::restore(fleet_options, Arc::clone(&catalogue), &saved, clock.now())
        .map_err(|source| StartError::Saved {
            path: database,
            source,
        })?;
    let context = Arc::new(Context::new(Parts {
        folders,
        source,
        environment,
        exe,
        generation: saved.generation,
        adopt_within,
        rotation,
        open_files,
        catalogue,
        mail: mail.clone(),
    }));
    remember_flights(&context, &mut fleet);
    let (view, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    view.send_replace(Arc::new(fleet.snapshot()));
    let handle = Handle::new(
        mail,
        snapshots.clone(),
        Arc::clone(&context.logs),
        context.growth.clone(),
        context.worktrees.clone(),
        context.shims(),
        Events::of(&events),
    );
    if let Some(seen) = fleet.last_seen() {
        handle.presence().note(seen);
    }
    know_shims(&context, &fleet);
    let strangers = strangers(&context, &fleet);
    for folder in &strangers {
        if folder.is_served().unwrap_or(true)
            && let Ok(Some(record)) = folder.shim()
        {
            context.stray_shim(record.shim.pid);
        }
    }
    let (questions, asked) = watch::channel(Vec::new());
    let (alarms, heard) = mpsc::channel(alarm::WAITING);
    let hub = Hub {
        questions,
        alarms,
        fleet,
        clock,
        context: Arc::clone(&context),
        mail: inbox,
        written,
        store,
        view,
        actors: HashMap::new(),
        tasks: JoinSet::new(),
        looks: JoinSet::new(),
        replies: HashMap::new(),
        next_reply: 0,
        shown: Instant::now(),
        refused: VecDeque::new(),
        untold: VecDeque::new(),
        tell_at: None,
    };
    let (mut tasks, mut helpers) = (JoinSet::new(), JoinSet::new());
    tasks.spawn(hub.serve());
    helpers.spawn(updates::look(Arc::clone(&context), asked));
    helpers.spawn(alarm::sound(Arc::clone(&context), heard));
    helpers.spawn(reaper::reap(Arc::clone(&context)));
    helpers.spawn(sampler::sample(
        Arc::clone(&context),
        snapshots,
        handle.watched(),
    ));
    for folder in strangers {
        tasks.spawn(end_stranger(Arc::clone(&context), folder));
    }
    Ok((
        handle,
        Running {
            tasks,
            _helpers: helpers,
        },
    ))
}

/// Looks whether this build understands a state that another program has open. Nothing is changed.
///
/// # Errors
/// [`StartError`], as a start would have it.
pub fn understands(folders: &Folders, catalogue: Catalogue) -> Result<(), StartError> {
    let saved = Store::peek(&folders.database)?;
    let options = Options {
        workspace: PathBuf::new(),
        configuration: String::new(),
        demo: false,
        hand_over: false,
        zone: TimeZone::UTC,
        agent_missing: None,
        seed: Uuid::nil(),
    };
    match Fleet::restore(options, Arc::new(catalogue), &saved, Clock::start().now()) {
        Ok(_) => Ok(()),
        Err(source) => Err(StartError::Saved {
            path: folders.database.clone(),
            source,
        }),
    }
}

fn make_folder(path: &std::path::Path) -> Result<(), StartError> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(source) => Err(StartError::Folder {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Why no agent can be started: none of those that roles name is there.
fn missing_agent(catalogue: &Catalogue, environment: &HashMap<String, String>) -> Option<Fault> {
    let path = environment.get("PATH").map_or("", String::as_str);
    let agent = catalogue
        .agents
        .values()
        .find(|agent| agent.protocol == Protocol::ClaudeStreamJson)?;
    find(&agent.command, path.as_ref())
        .err()
        .map(|missing| missing.fault(agent))
}

/// Knows the shims of the runs that are to be adopted before the first caller is let in: until then
/// an employee would pass for a person.
fn know_shims(context: &Context, fleet: &Fleet) {
    for (process, run) in fleet.live_runs() {
        let Ok(folder) = RunFolder::open(context.folders.runs.join(run.to_string())) else {
            continue;
        };
        if folder.is_served().unwrap_or(true)
            && let Ok(Some(record)) = folder.shim()
        {
            context.shim_began(record.shim.pid, process.id);
        }
    }
}

/// Run folders that the fleet does not know as live: what is left of runs whose end is recorded, or
/// of a state folder that was put back to an earlier day.
fn strangers(context: &Context, fleet: &Fleet) -> Vec<RunFolder> {
    let known: Vec<_> = fleet
        .processes()
        .flat_map(|process| {
            let output = (!process.protocol.is_read())
                .then_some(process.last_run)
                .flatten();
            [process.live().map(|live| live.run), output]
        })
        .flatten()
        .collect();
    fs::read_dir(&context.folders.runs)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| RunFolder::open(entry.path()).ok())
        .filter(|folder| !known.contains(&folder.run()))
        .collect()
}

/// Ends what cannot be adopted, and removes what is left of it.
async fn end_stranger(context: Arc<Context>, folder: RunFolder) {
    let shim = folder.shim().ok().flatten();
    if folder.is_served().unwrap_or(false) {
        tracing::warn!(run = %folder.run(), "ending a run that nobody knows");
        if tokio::time::timeout(STRANGER, exits::end_served(&folder))
            .await
            .is_err()
        {
            // It does not answer: then by its traces.
            exits::end_leftovers(folder.clone()).await;
        }
        let text = format!("{} was of no known process and was ended", folder.run());
        let process = None;
        context.tell(Event::Trouble { process, text }).await;
    } else if folder.exit_report().ok().flatten().is_none() {
        exits::end_leftovers(folder.clone()).await;
    }
    if let Some(record) = shim {
        context.shim_ended(record.shim.pid);
    }
    if let Err(error) = fs::remove_dir_all(folder.path()) {
        tracing::warn!(%error, run = %folder.run(), "a run's folder stays");
    }
}
