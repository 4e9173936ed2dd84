//! Snapshots: what the company looks like to people.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::alert::Alert;
use crate::domain::command::PromptOverride;
use crate::domain::fleet::Fleet;
use crate::domain::health::{Checkup, badness};
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::inbox::Request;
use crate::domain::process::{Live, Phase, Process};
use crate::domain::role::{Range, Role};
use crate::domain::sandbox::Sandbox;
use crate::domain::snapshot::{Activity, Condition, Health, ProcessView, Snapshot, Status};
use crate::domain::waits::Waits;

/// Conversations that a snapshot lists of a process.
const SESSIONS: usize = 10;
/// Answered requests that a snapshot keeps.
const ANSWERED: usize = 200;

impl Fleet {
    /// Whether something that people see has changed since the last snapshot.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Makes a snapshot. Only what changed since the last one is made anew.
    pub fn snapshot(&mut self) -> Snapshot {
        for id in std::mem::take(&mut self.stale) {
            self.renew(id);
        }
        let mut processes: Vec<Arc<ProcessView>> = self.views.values().cloned().collect();
        let departments = &self.catalogue.departments;
        let place = |view: &ProcessView| {
            departments
                .iter()
                .position(|department| department.key == view.department)
                .unwrap_or(usize::MAX)
        };
        processes.sort_by_key(|view| (place(view), view.id));
        for id in std::mem::take(&mut self.unlisted) {
            match self.tasks.get(&id).filter(|task| task.stored) {
                Some(task) => self.listed.put(Arc::clone(task)),
                None => self.listed.remove(id),
            }
        }
        // A reason looks at every process.
        let targets = self.queue.targets();
        let targets = targets.map(|target| (target.clone(), self.why_waiting(target)));
        let waits = Waits {
            targets: targets.collect(),
            at: self.now.mono,
            zone: self.options.zone.clone(),
        };
        let clusters = self.cluster_views(&processes);
        let today = self.options.zone.to_datetime(self.now.wall).date();
        let same_day = self.meta.cost_day == today;
        Snapshot {
            at: self.now.wall,
            workspace: self.options.workspace.clone(),
            configuration: self.options.configuration.clone(),
            demo: self.options.demo,
            agent_missing: self.options.agent_missing.clone(),
            configuration_mistakes: self.mistakes.clone(),
            catalogue: Arc::clone(&self.catalogue),
            processes,
            tasks: self.listed.clone(),
            waits,
            clusters,
            scaling: self.scaling_views(),
            requests: self.listed_requests(),
            counts: self.listed.counts(),
            machine: self.machine,
            alerts: self.listed_alerts(),
            cost_today_usd: if same_day {
                self.meta.cost_today_usd
            } else {
                0.0
            },
            messages: self.messages.iter().cloned().collect(),
            terminals: self.terminals,
            entries: self.entries,
            seen: self.meta.seen,
            left: self.meta.left,
            successor: self.successor.as_ref().map(|(program, _)| program.clone()),
            generation: self.generation,
            has_work: self.has_work(),
            shutting_down: self.shutdown.is_some(),
        }
    }

    fn listed_alerts(&self) -> Vec<Arc<Alert>> {
        let mut open: Vec<Arc<Alert>> = self
            .alerts
            .values()
            .filter(|alert| alert.is_open())
            .cloned()
            .collect();
        open.sort_by_key(|alert| std::cmp::Reverse(alert.level));
        let over = self.alerts.values().rev().filter(|alert| !alert.is_open());
        open.extend(over.cloned());
        open
    }

    fn listed_requests(&self) -> Vec<Arc<Request>> {
        let open = self
            .requests
            .values()
            .filter(|request| request.is_open())
            .cloned();
        let answered = self
            .requests
            .values()
            .rev()
            .filter(|request| !request.is_open())
            .cloned();
        open.chain(answered.take(ANSWERED)).collect()
    }

    fn renew(&mut self, id: ProcessId) {
        let wall = self.now.wall;
        if let Some(process) = self.processes.get(&id) {
            let (level, _) = self.health_of(process, process.shown.0);
            let known = self.conditions.entry(id).or_insert((level, wall));
            if known.0 != level {
                *known = (level, wall);
            }
        }
        match self.processes.get(&id) {
            Some(process) => {
                let view = self.view(process, process.shown);
                self.views.insert(id, Arc::new(view));
            }
            None => drop(self.views.remove(&id)),
        }
    }

    fn view(&self, process: &Process, (status, activity): (Status, Activity)) -> ProcessView {
        let id = process.id;
        let role = self.catalogue.role_for(&process.spec);
        let live = process.live();
        let details = live.and_then(|live| live.details.as_ref());
        let figures = self.figures.get(&id);
        let spec = &process.spec;
        let until = match &process.phase {
            Phase::Backoff { at_wall, .. } => Some(*at_wall),
            Phase::Live(live) => live.blocked.and_then(|block| block.until_wall),
            Phase::Down | Phase::Failed | Phase::Blocked { .. } => None,
        };
        let policy = self.restart_policy(id);
        let nothing = Range { min: 0.0, max: 0.0 };
        let (health, condition) = self.condition(process, status);
        ProcessView {
            id,
            employee: process.employee,
            name: process.name.clone(),
            role: spec.role.clone(),
            role_title: role.map_or_else(|| spec.role.clone(), |role| role.title.clone()),
            department: role.map(|role| role.department.clone()).unwrap_or_default(),
            cluster: spec.cluster.clone(),
            kind: spec.kind.or(role.map(|role| role.kind)).unwrap_or_default(),
            protocol: process.protocol,
            agent: role.map(|role| role.agent.clone()).unwrap_or_default(),
            agent_version: live.and_then(|live| live.version.clone()),
            simulated: self.options.demo,
            status,
            activity,
            health,
            condition,
            evidence: process.evidence.clone(),
            since: process.since,
            until,
            look: match &process.phase {
                Phase::Blocked { look } => Some(self.wall_of(*look)),
                _ => None,
            },
            phase: process.phase().to_owned(),
            history: process.history.iter().cloned().collect(),
            exits: process.exits.iter().cloned().collect(),
            flight: self.flights.get(&id).cloned(),
            now: self.doing(process, status),
            stopping: live.and_then(|live| live.stage.words()).map(str::to_owned),
            pid: details.map(|details| details.pid),
            run: live.map(|live| live.run),
            last_run: process.last_run,
            started: live.map(|live| live.started),
            usage: figures.and_then(|figures| figures.usage),
            members: figures.map(|f| f.members.clone()).unwrap_or_default(),
            cpu_history: figures
                .map(|f| f.cpu.iter().copied().collect())
                .unwrap_or_default(),
            memory_history: figures
                .map(|f| f.memory.iter().copied().collect())
                .unwrap_or_default(),
            tasks_assigned: process.record.assigned,
            tasks_completed: process.record.completed,
            tasks_failed: process.record.failed,
            busy: process.record.busy,
            task: live.and_then(|live| live.turn.task()),
            last_tasks: process.last_tasks.clone(),
            cost_usd: process.record.cost_usd,
            tokens: process.record.tokens,
            restarts: process.record.restarts,
            tries: (process.tries, policy.max_retries),
            fault: process.fault.clone(),
            updates_available: live.is_some_and(has_updates),
            updates: live.and_then(|live| live.updates.clone()),
            restart_when_idle: live.is_some_and(|live| live.restart_when_idle),
            restart_in_turn: live.is_some_and(|live| live.restart_in_turn),
            conversation_tokens: self.conversation_tokens(process),
            conversation: process.conversations.last().map(|last| last.id),
            conversations: conversations(process),
            sessions: process
                .conversations
                .iter()
                .skip(process.conversations.len().saturating_sub(SESSIONS))
                .copied()
                .collect(),
            prompt_file: match &spec.prompt {
                Some(PromptOverride::File(path)) => Some(path.clone()),
                Some(PromptOverride::Text(_)) => None,
                None => role.and_then(|role| role.prompt.clone()),
            },
            own_prompt: matches!(spec.prompt, Some(PromptOverride::Text(_))),
            prompt_hash: details.and_then(|details| details.prompt_hash.clone()),
            prompt_mode: spec
                .prompt_mode
                .or(role.map(|role| role.prompt_mode))
                .unwrap_or_default(),
            tools: tools(process, role),
            ask: role.map(|role| role.ask.clone()).unwrap_or_default(),
            allowed: process.allowed.clone(),
            working_directory: process.folder().to_owned(),
            worktree: process.worktree.clone(),
            work: process.work.clone(),
            environment: details
                .map(|details| details.environment.clone())
                .unwrap_or_default(),
            model: spec
                .model
                .clone()
                .or_else(|| role.and_then(|role| role.model.clone())),
            max_turns: spec.max_turns.or(role.and_then(|role| role.max_turns)),
            cpu: spec.cpu.or(role.map(|role| role.cpu)).unwrap_or(nothing),
            memory: spec
                .memory
                .or(role.map(|role| role.memory))
                .unwrap_or(Range { min: 0, max: 0 }),
            requests: self.open_requests(id).map(|request| request.id).collect(),
            last_exit: process.last_exit.clone(),
            progress: live.and_then(|live| live.progress.clone()),
            command: details.map(|details| details.command.clone()),
            sandbox: details.map_or_else(
                || Sandbox {
                    level: role.map(|role| role.sandbox.level).unwrap_or_default(),
                    ..Sandbox::default()
                },
                |details| details.sandbox.clone(),
            ),
            upkeep: self.upkeep_view(process),
        }
    }

    /// What a restart has the model read anew: what it read in a round trip of the last task.
    fn conversation_tokens(&self, process: &Process) -> Option<u64> {
        process.conversations.last().filter(|last| last.used)?;
        let last = self.tasks.get(process.last_tasks.first()?)?;
        let result = last.result.as_ref()?;
        let tokens = result.tokens.input / u64::from(result.turns.max(1));
        (tokens > 0).then_some(tokens)
    }

    /// What a process does, asks or suffers, in one line.
    pub(super) fn doing(&self, process: &Process, status: Status) -> String {
        let fault = || {
            process
                .fault
                .as_ref()
                .map_or_else(String::new, |fault| fault.to_string())
        };
        match status {
            Status::Waiting => self
                .open_requests(process.id)
                .next()
                .map_or_else(String::new, |request| request.ask.line()),
            Status::Backoff => {
                let most = self.restart_policy(process.id).max_retries;
                format!("{}, try {} of {most}", fault(), process.tries)
            }
            Status::Blocked | Status::Error => fault(),
            Status::Stopped => process.reason.clone(),
            Status::Starting | Status::Running | Status::Stopping => {
                let Some(live) = process.live() else {
                    return String::new();
                };
                if !live.stuck.is_empty() {
                    let names: Vec<&str> =
                        live.stuck.iter().map(|left| left.name.as_str()).collect();
                    return format!("cannot be ended: {}", names.join(", "));
                }
                if let Some(held) = &live.held {
                    return format!("output held: {held}");
                }
                if let Some(hint) = &live.hint {
                    return hint.clone();
                }
                live.turn
                    .task()
                    .map_or_else(String::new, |task| self.task_line(task))
            }
        }
    }

    /// How it does and why: what the checks came to, or what is plainly wrong, whichever is worse.
    fn health_of(&self, process: &Process, status: Status) -> (Health, String) {
        let of_checks = || {
            let checkup = self.checkups.get(&process.id);
            match checkup.map(|checkup| &checkup.shown) {
                Some(shown) => (shown.level, shown.why.clone()),
                None => (Health::Unknown, "it has not been asked yet".to_owned()),
            }
        };
        let (plain, why) = match status {
            Status::Starting => return (Health::Unknown, "it is starting".to_owned()),
            Status::Stopped => return (Health::Offline, process.reason.clone()),
            Status::Error => {
                return (
                    Health::Critical,
                    "it is left down after failures".to_owned(),
                );
            }
            Status::Backoff => (Health::Warning, "a restart is pending"),
            Status::Blocked => (Health::Warning, "its cause is outside"),
            Status::Running | Status::Waiting | Status::Stopping => match process.live() {
                Some(live) if !live.stuck.is_empty() => (Health::Critical, "it cannot be ended"),
                Some(live) if live.held.is_some() => (Health::Warning, "its output is held"),
                Some(live) if live.hint.is_some() => {
                    (Health::Warning, "its model is not answering")
                }
                _ => return of_checks(),
            },
        };
        let checked = of_checks();
        if process.live().is_some() && badness(checked.0) > badness(plain) {
            checked
        } else {
            (plain, why.to_owned())
        }
    }

    fn condition(&self, process: &Process, status: Status) -> (Health, Condition) {
        let (level, why) = self.health_of(process, status);
        let checkup = self.checkups.get(&process.id);
        let condition = Condition {
            why,
            since: self
                .conditions
                .get(&process.id)
                .map_or(self.now.wall, |(_, since)| *since),
            checked: checkup.and_then(|checkup| checkup.checked),
            answer: checkup.and_then(|checkup| checkup.answer),
            missed: checkup.map_or(0, Checkup::missed),
        };
        (level, condition)
    }

    fn task_line(&self, id: TaskId) -> String {
        self.tasks
            .get(&id)
            .map_or_else(|| id.to_string(), |task| format!("{id} {}", task.title()))
    }
}

/// How many it has had; one that was taken up again counts once.
fn conversations(process: &Process) -> u32 {
    let ids: BTreeSet<_> = process.conversations.iter().map(|one| one.id).collect();
    let latest = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    latest.saturating_add(process.conversations_before)
}

/// Whether there is something new that nobody has put off.
fn has_updates(live: &Live) -> bool {
    live.updates
        .as_ref()
        .is_some_and(|updates| live.dismissed.as_ref() != Some(&updates.now))
}

fn tools(process: &Process, role: Option<&Role>) -> Vec<String> {
    match (&process.spec.tools, role) {
        (Some(tools), _) => tools.clone(),
        (None, Some(role)) => role.tools.clone(),
        (None, None) => Vec::new(),
    }
}
