//! What survives: the fleet put together again from what is on disk.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::alert::{Alert, AlertKind, AlertLevel};
use crate::domain::chronicle::{Entry, What};
use crate::domain::fleet::graph::Graph;
use crate::domain::fleet::writing::Dirty;
use crate::domain::fleet::{Fleet, ITSELF, Options};
use crate::domain::id::ProcessId;
use crate::domain::inbox::Request;
use crate::domain::process::{Ending, Phase, Process, Stage, Turn};
use crate::domain::queue::Queue;
use crate::domain::role::Catalogue;
use crate::domain::scale::Strain;
use crate::domain::snapshot::Machine;
use crate::domain::task::Task;
use crate::domain::task_list::TaskList;
use crate::domain::time::{Mono, Now};

/// How long a new instance takes at most to read what was said before it came.
const HEARD: Duration = Duration::from_secs(30);

/// Counters that are never set back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) seed: Uuid,
    pub(super) process: u64,
    pub(super) employee: u64,
    pub(super) task: u64,
    pub(super) run: u64,
    pub(super) request: u64,
    pub(super) uuid: u64,
    pub(super) turn: u64,
    pub(super) cost_day: jiff::civil::Date,
    pub(super) cost_today_usd: f64,
    /// When a person was there last, as far as is known.
    #[serde(default)]
    pub(super) seen: Option<Timestamp>,
    /// The same, as of before the last time that a person came back.
    #[serde(default)]
    pub(super) left: Option<Timestamp>,
    /// Numbers that a person gave to roles of clusters, where they are not those of `roles.toml`.
    #[serde(default)]
    pub(super) scaled: BTreeMap<String, BTreeMap<String, u32>>,
}

/// Ids of processes, employees and alerts that are left out after a recovery: an older copy of the state
/// does not know which were given out since, and each stands in logs, branches and people's notes.
const STAFF_LEFT_OUT: u64 = 1_000;
/// The same for tasks, runs and requests, of which there are more.
const WORK_LEFT_OUT: u64 = 100_000;

impl Meta {
    /// Goes on with ids that nobody has seen. Uuids are made of the seed: with another one they are others.
    fn leave_out(&mut self, seed: Uuid) {
        self.seed = seed;
        for count in [&mut self.process, &mut self.employee] {
            *count += STAFF_LEFT_OUT;
        }
        for count in [&mut self.task, &mut self.run, &mut self.request] {
            *count += WORK_LEFT_OUT;
        }
    }
}

/// The documents that were on disk.
#[derive(Debug, Default, Clone)]
pub struct Saved {
    /// Processes.
    pub processes: Vec<String>,
    /// Tasks.
    pub tasks: Vec<String>,
    /// Requests.
    pub requests: Vec<String>,
    /// Counters.
    pub meta: Option<String>,
    /// Alerts, as one document.
    pub alerts: Option<String>,
    /// Counts the instances that have opened this state.
    pub generation: u64,
    /// Whether the machine was started anew since: deadlines and runs of before mean nothing.
    pub rebooted: bool,
    /// What is to be told where this is an older copy, since the state itself could not be used.
    pub recovered: Option<String>,
}

impl Fleet {
    /// Puts the company together from what was on disk; from nothing, a new one.
    ///
    /// # Errors
    /// The document that cannot be read, and why; nothing is thrown away.
    pub fn restore(
        options: Options,
        catalogue: Arc<Catalogue>,
        saved: &Saved,
        now: Now,
    ) -> Result<Self, serde_json::Error> {
        let mut processes = BTreeMap::new();
        for document in &saved.processes {
            let mut process: Process = serde_json::from_str(document)?;
            if saved.rebooted {
                after_reboot(&mut process, now);
            }
            hear_first(&mut process, now);
            processes.insert(process.id, process);
        }
        let mut tasks = BTreeMap::new();
        let mut queue = Queue::default();
        let mut graph = Graph::default();
        let mut keys = HashMap::new();
        for document in &saved.tasks {
            let mut task: Task = serde_json::from_str(document)?;
            if saved.rebooted {
                task.not_before = None;
            }
            if let Some(deadline) = task
                .lease
                .as_mut()
                .and_then(|lease| lease.deadline.as_mut())
            {
                *deadline = (*deadline).max(now.mono + HEARD);
            }
            if let Some(key) = &task.key {
                keys.insert(key.clone(), task.id);
            }
            queue.update(&task);
            graph.link(&task);
            tasks.insert(task.id, Arc::new(task));
        }
        let mut requests = BTreeMap::new();
        for document in &saved.requests {
            let request: Request = serde_json::from_str(document)?;
            requests.insert(request.id, Arc::new(request));
        }
        let mut meta = match &saved.meta {
            Some(document) => serde_json::from_str(document)?,
            None => Meta {
                seed: options.seed,
                process: 0,
                employee: 0,
                task: 0,
                run: 0,
                request: 0,
                uuid: 0,
                turn: 0,
                cost_day: options.zone.to_datetime(now.wall).date(),
                cost_today_usd: 0.0,
                seen: None,
                left: None,
                scaled: BTreeMap::new(),
            },
        };
        let is_recovered = saved.recovered.is_some();
        let mut left_out = 0;
        if is_recovered {
            meta.leave_out(options.seed);
            left_out = STAFF_LEFT_OUT;
        }
        let kept: Vec<Alert> = match &saved.alerts {
            Some(document) => serde_json::from_str(document)?,
            None => Vec::new(),
        };
        let last_alert = kept.iter().map(|alert| alert.id.0).max().unwrap_or(0);
        let alert_count = last_alert + left_out;
        let alerts = kept
            .into_iter()
            .map(|alert| (alert.id, Arc::new(alert)))
            .collect();
        let stale: BTreeSet<ProcessId> = processes.keys().copied().collect();
        let unlisted = tasks.keys().copied().collect();
        let mut fleet = Self {
            options,
            catalogue,
            mistakes: None,
            processes,
            tasks,
            requests,
            queue,
            graph,
            keys,
            meta,
            last_start: None,
            waiters: BTreeMap::new(),
            gatherings: Vec::new(),
            scaling: BTreeMap::new(),
            strain: Strain::default(),
            shutdown: None,
            successor: None,
            generation: saved.generation,
            figures: BTreeMap::new(),
            machine: Machine::default(),
            checkups: BTreeMap::new(),
            checks: BTreeMap::new(),
            conditions: BTreeMap::new(),
            alerts,
            alert_count,
            // What was wrong may be over by now.
            touched: stale.clone(),
            terminals: 0,
            watched: BTreeSet::new(),
            next_look: None,
            entries: 0,
            turn_cost: None,
            messages: VecDeque::new(),
            message_count: 0,
            dirty: Dirty {
                meta: saved.meta.is_none() || is_recovered,
                entries: vec![Entry::new(now.wall, What::InstanceStarted, &begins(saved))],
                ..Dirty::default()
            },
            undo: Vec::new(),
            durable: Vec::new(),
            pending: BTreeMap::new(),
            next_token: 1,
            again: None,
            refused: false,
            unobserved: stale.clone(),
            handled: BTreeSet::new(),
            leaving: BTreeMap::new(),
            last_minute: BTreeMap::new(),
            flights: BTreeMap::new(),
            by: ITSELF,
            stale,
            views: BTreeMap::new(),
            listed: TaskList::default(),
            unlisted,
            changed: true,
            now,
            fx: Vec::new(),
        };
        if let Some(text) = &saved.recovered {
            fleet.raise(AlertKind::State, AlertLevel::Critical, None, text.clone());
        }
        Ok(fleet)
    }
}

/// How an instance says that it is there.
fn begins(saved: &Saved) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let reboot = if saved.rebooted {
        ", after a restart of the machine"
    } else {
        ""
    };
    format!("headcount {version} is up{reboot}")
}

/// Nothing of before a reboot runs, and nothing of it is acted on.
fn after_reboot(process: &mut Process, now: Now) {
    // Their clock began anew.
    process.failures.clear();
    let upkeep = &mut process.upkeep;
    for due in [&mut upkeep.due, &mut upkeep.restart_due]
        .into_iter()
        .flatten()
    {
        due.mono = rebased(due.at, now);
    }
    match &mut process.phase {
        Phase::Backoff { at, at_wall } => *at = rebased(*at_wall, now),
        // What kept it down may have gone with the reboot.
        Phase::Blocked { look } => *look = now.mono,
        Phase::Down | Phase::Failed | Phase::Live(_) => {}
    }
}

/// What the agent said while nobody was there may be what it had to say in time: it is read before
/// anything is held against it.
fn hear_first(process: &mut Process, now: Now) {
    let Phase::Live(live) = &mut process.phase else {
        return;
    };
    let heard = now.mono + HEARD;
    if let Stage::Launching { by } | Stage::Readying { by } = &mut live.stage {
        *by = (*by).max(heard);
    }
    match &mut live.turn {
        Turn::Clearing { by, .. }
        | Turn::Task {
            ending: Some(Ending { by, .. }),
            ..
        } => *by = (*by).max(heard),
        Turn::Task { ending: None, .. } | Turn::Placing { .. } | Turn::None => {}
    }
}

fn rebased(wall: Timestamp, now: Now) -> Mono {
    now.mono + Duration::try_from(wall.duration_since(now.wall)).unwrap_or_default()
}
