//! A fleet with a clock of its own and a disk that says yes, unless a test says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::domain::alert::{Alert, AlertRule};
use crate::domain::automation::{AutoStart, AutoStop, Automation};
use crate::domain::chronicle::Entry;
use crate::domain::command::{Command, NewProcess, Origin, Outcome, Refusal};
use crate::domain::effect::{Batch, Effect, LaunchPlan, ReplyId};
use crate::domain::event::{Event, Fact, LaunchFailure, Mark, RunDetails, TurnEnd};
use crate::domain::exit::{Exit, ExitStatus};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::{Fleet, Input, Options, Saved};
use crate::domain::flight::Flight;
use crate::domain::health::{HealthRule, Pulse};
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::order::Order;
use crate::domain::restart::AutoRestart;
use crate::domain::role::{
    Agent, Catalogue, Department, Kind, LoadBalancing, PromptMode, Protocol, Range, Role,
    WhenChanged, WhenCut,
};
use crate::domain::sandbox::SandboxRule;
use crate::domain::snapshot::{Snapshot, Status, TaskCounts};
use crate::domain::task::{NewTask, Target, Task, Tokens};
use crate::domain::time::{Mono, Now};
use crate::domain::updates::Fingerprint;
use crate::domain::worktree::WorktreeRule;

pub(super) type Answer = Result<Outcome, Refusal>;

pub(super) struct Rig {
    pub(super) fleet: Fleet,
    pub(super) now: Now,
    /// Whether the disk takes what it is given.
    pub(super) disk: bool,
    /// Batches that a slow disk has not answered for yet; `None` for one that answers at once.
    pub(super) slow: Option<Vec<(u64, Batch)>>,
    pub(super) flights: Vec<Flight>,
    pub(super) looks: Vec<Vec<LaunchPlan>>,
    /// Places, surveys and work: what is to be done with git.
    pub(super) git: Vec<Effect>,
    pub(super) launches: Vec<LaunchPlan>,
    pub(super) sent: Vec<(RunId, u64, Order)>,
    /// Pings, and whether they are answered at once.
    pub(super) pings: Vec<(RunId, u64)>,
    pub(super) answers_pings: bool,
    /// What the command of `[alerts]` was told.
    pub(super) alarms: Vec<Alert>,
    pub(super) closed: Vec<RunId>,
    pub(super) terminated: Vec<RunId>,
    pub(super) killed: Vec<RunId>,
    pub(super) acknowledged: Vec<RunId>,
    pub(super) consumed: Vec<(RunId, Mark)>,
    pub(super) answers: BTreeMap<ReplyId, Answer>,
    /// The newest documents, as a disk would have them.
    pub(super) saved: Disk,
    /// Runs whose end was reported to this instance.
    pub(super) exited: BTreeSet<RunId>,
    replies: u64,
}

#[derive(Default, Clone)]
pub(super) struct Disk {
    pub(super) processes: BTreeMap<ProcessId, String>,
    pub(super) tasks: BTreeMap<TaskId, String>,
    pub(super) requests: BTreeMap<crate::domain::id::RequestId, String>,
    pub(super) meta: Option<String>,
    pub(super) alerts: Option<String>,
    pub(super) entries: Vec<Entry>,
}

pub(super) fn t0() -> Now {
    Now {
        mono: Mono(1_000_000),
        wall: Timestamp::from_second(1_795_000_000).unwrap(),
    }
}

pub(super) fn role(key: &str) -> Role {
    Role {
        key: key.to_owned(),
        title: key.to_owned(),
        department: "development".to_owned(),
        kind: Kind::Batch,
        agent: "claude".to_owned(),
        prompt: None,
        prompt_mode: PromptMode::Append,
        skills: vec![format!("{key}-skill")],
        tools: vec![],
        ask: vec![],
        deny: vec![],
        environment: BTreeMap::new(),
        env_file: None,
        model: None,
        max_turns: None,
        budget_usd: None,
        cpu: Range { min: 1.0, max: 2.0 },
        memory: Range { min: 1, max: 2 },
        finish_task: Duration::from_secs(600),
        terminate: Duration::from_secs(10),
        task_timeout: Duration::from_secs(3600),
        task_retries: 2,
        task_retry_delay: Duration::from_secs(30),
        when_cut: WhenCut::Retry,
        auto_restart: AutoRestart::default(),
        health: HealthRule::default(),
        worktree: WorktreeRule::default(),
        origins: std::collections::BTreeMap::default(),
        when_changed: WhenChanged::Ask,
        sandbox: SandboxRule::default(),
        automation: Automation::default(),
    }
}

pub(super) fn catalogue() -> Catalogue {
    let agent = |name: &str, protocol| Agent {
        name: name.to_owned(),
        command: name.to_owned(),
        args: vec![],
        protocol,
        environment: BTreeMap::new(),
    };
    let command = Role {
        agent: "shell".to_owned(),
        ..role("command")
    };
    let careful = Role {
        when_cut: WhenCut::Ask,
        ..role("careful")
    };
    Catalogue {
        departments: vec![Department {
            key: "development".to_owned(),
            title: "Development".to_owned(),
            cpu: Range { min: 1.0, max: 2.0 },
            memory: Range { min: 1, max: 2 },
        }],
        roles: vec![role("developer"), role("tester"), careful, command],
        tools: BTreeMap::new(),
        agents: BTreeMap::from([
            (
                "claude".to_owned(),
                agent("claude", Protocol::ClaudeStreamJson),
            ),
            ("shell".to_owned(), agent("shell", Protocol::Plain)),
        ]),
        auto_restart: AutoRestart::default(),
        alerts: AlertRule::default(),
        load_balancing: LoadBalancing::default(),
        templates: vec![],
        auto_start: AutoStart::default(),
        auto_stop: AutoStop::default(),
        clusters: vec![],
    }
}

fn options() -> Options {
    Options {
        workspace: PathBuf::from("/work"),
        configuration: "test".to_owned(),
        hand_over: true,
        demo: false,
        zone: TimeZone::UTC,
        agent_missing: None,
        seed: Uuid::from_u128(7),
    }
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::of(&Saved::default(), t0())
    }

    pub(super) fn of(saved: &Saved, now: Now) -> Self {
        let fleet = Fleet::restore(options(), Arc::new(catalogue()), saved, now).unwrap();
        Self {
            fleet,
            now,
            disk: true,
            slow: None,
            flights: vec![],
            launches: vec![],
            looks: vec![],
            git: vec![],
            sent: vec![],
            pings: vec![],
            answers_pings: true,
            alarms: vec![],
            closed: vec![],
            terminated: vec![],
            killed: vec![],
            acknowledged: vec![],
            consumed: vec![],
            answers: BTreeMap::new(),
            saved: Disk::default(),
            exited: BTreeSet::new(),
            replies: 0,
        }
    }

    /// The same company after its instance died, with what was on disk.
    pub(super) fn reborn(&self) -> Self {
        let saved = Saved {
            processes: self.saved.processes.values().cloned().collect(),
            tasks: self.saved.tasks.values().cloned().collect(),
            requests: self.saved.requests.values().cloned().collect(),
            meta: self.saved.meta.clone(),
            alerts: self.saved.alerts.clone(),
            generation: 2,
            rebooted: false,
            recovered: None,
        };
        let mut rig = Self::of(&saved, self.now);
        rig.saved = self.saved.clone();
        // The configuration is read anew, and is what it was.
        rig.event(Event::Configured {
            catalogue: self.fleet.catalogue.clone(),
        });
        rig
    }

    pub(super) fn apply(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut effects = vec![];
            self.fleet.apply(input, self.now, &mut effects);
            for effect in effects {
                if let Some(next) = self.take(effect) {
                    inputs.insert(0, next);
                }
            }
        }
    }

    fn take(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Preview { plans, .. } => self.looks.push(plans),
            Effect::Launch(plan) => self.launches.push(*plan),
            Effect::Send { run, order, .. } => self.sent.push((run, order.seq, order.order)),
            Effect::Ping { run, number, .. } => {
                self.pings.push((run, number));
                let pulse = Pulse {
                    quiet: Duration::ZERO,
                    tools: Some(0),
                };
                if self.answers_pings {
                    return Some(Input::Event(Event::Pong { run, number, pulse }));
                }
            }
            Effect::Alarm { alert, .. } => self.alarms.push(*alert),
            Effect::CloseInput { run, .. } => self.closed.push(run),
            Effect::Terminate { run, .. } => self.terminated.push(run),
            Effect::Kill { run, .. } => self.killed.push(run),
            Effect::Consumed { run, mark, .. } => self.consumed.push((run, mark)),
            Effect::Acknowledge { run, .. } => self.acknowledged.push(run),
            Effect::Reply { reply, outcome } => {
                let before = self.answers.insert(reply, *outcome);
                assert!(before.is_none(), "{reply:?} was answered twice");
            }
            Effect::Persist { token, batch } => match &mut self.slow {
                Some(waiting) => waiting.push((token, batch)),
                None => return Some(self.write(token, batch)),
            },
            Effect::Record { flight } => self.flights.push(Arc::unwrap_or_clone(flight)),
            effect @ (Effect::Placed { .. }
            | Effect::Place { .. }
            | Effect::Survey { .. }
            | Effect::Clear { .. }
            | Effect::Work { .. }) => {
                self.git.push(effect);
            }
            Effect::Note { .. }
            | Effect::Forget { .. }
            | Effect::Compare { .. }
            | Effect::Mark { .. } => {}
        }
        None
    }

    fn write(&mut self, token: u64, batch: Batch) -> Input {
        if !self.disk {
            let error = "no space".to_owned();
            return Input::Event(Event::NotStored { token, error });
        }
        let saved = &mut self.saved;
        put(&mut saved.processes, batch.processes);
        put(&mut saved.tasks, batch.tasks);
        put(&mut saved.requests, batch.requests);
        saved.meta = batch.meta.or(saved.meta.take());
        saved.alerts = batch.alerts.or(saved.alerts.take());
        saved.entries.extend(batch.entries);
        Input::Event(Event::Stored { token })
    }

    /// The slow disk comes to its next batch, and has room for it or not.
    pub(super) fn disk_takes_next(&mut self, room: bool) {
        let (token, batch) = self.slow.as_mut().expect("a slow disk").remove(0);
        let before = std::mem::replace(&mut self.disk, room);
        let answer = self.write(token, batch);
        self.disk = before;
        self.apply(answer);
    }

    /// What another part of the fleet does with a live run, such as a health check that fails.
    pub(super) fn fails(&mut self, id: ProcessId, fault: Fault) {
        self.fleet.now = self.now;
        self.fleet.fail_live(id, fault);
        self.fleet.observe();
        self.fleet.flush();
        for effect in std::mem::take(&mut self.fleet.fx) {
            if let Some(next) = self.take(effect) {
                self.apply(next);
            }
        }
    }

    /// The configuration is read anew.
    pub(super) fn configure(&mut self, change: impl FnOnce(&mut Catalogue)) {
        let mut catalogue = catalogue();
        change(&mut catalogue);
        self.event(Event::Configured {
            catalogue: Arc::new(catalogue),
        });
    }

    /// The run that was launched last becomes ready.
    pub(super) fn comes_up(&mut self) -> RunId {
        let run = self.launches.last().unwrap().run;
        self.launched(run);
        self.fact(
            run,
            Fact::Ready {
                version: None,
                logged_in: None,
            },
        );
        run
    }

    pub(super) fn event(&mut self, event: Event) {
        self.apply(Input::Event(event));
    }

    pub(super) fn order(&mut self, command: Command) -> ReplyId {
        self.replies += 1;
        let reply = ReplyId(self.replies);
        self.apply(Input::Order {
            reply,
            origin: Origin::Cli,
            command,
        });
        reply
    }

    pub(super) fn answer(&self, reply: ReplyId) -> Option<&Answer> {
        self.answers.get(&reply)
    }

    /// Lets time pass; every deadline on the way is served, and none stays due.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut served = (self.now.mono, 0);
        while let Some(at) = self.fleet.next_deadline().filter(|at| *at <= end.mono) {
            let wait = at.since(self.now.mono);
            self.now = self.now + wait;
            self.apply(Input::Deadline);
            served = if served.0 == self.now.mono {
                (served.0, served.1 + 1)
            } else {
                (self.now.mono, 0)
            };
            assert!(served.1 < 20, "the hub spins at {at:?}");
        }
        self.now = self.now + end.mono.since(self.now.mono);
    }

    /// Changes the configuration that is in force.
    pub(super) fn reconfigure(&mut self, change: impl FnOnce(&mut Catalogue)) {
        let mut catalogue = Catalogue::clone(&self.snapshot().catalogue);
        change(&mut catalogue);
        let catalogue = Arc::new(catalogue);
        self.event(Event::Configured { catalogue });
    }

    /// Has the run of a process come up.
    pub(super) fn is_up(&mut self, run: RunId) {
        self.launched(run);
        self.fact(
            run,
            Fact::Ready {
                version: None,
                logged_in: None,
            },
        );
    }

    pub(super) fn hire(&mut self, role: &str) -> ProcessId {
        let new = NewProcess {
            role: role.to_owned(),
            ..NewProcess::default()
        };
        self.order(Command::Create(Box::new(new)));
        self.launches.last().unwrap().process
    }

    /// Hires one and lets it get ready.
    pub(super) fn ready(&mut self, role: &str) -> (ProcessId, RunId) {
        let id = self.hire(role);
        let run = self.launches.last().unwrap().run;
        self.is_up(run);
        (id, run)
    }

    pub(super) fn launched(&mut self, run: RunId) {
        let details = Box::new(RunDetails {
            pid: 42,
            program: PathBuf::from("/bin/claude"),
            command: "claude".to_owned(),
            prompt_hash: None,
            environment: vec![],
            fingerprint: Fingerprint::default(),
            sandbox: Default::default(),
            put_back: self.launches.last().is_some_and(|plan| plan.put_back),
        });
        self.event(Event::Launched { run, details });
    }

    pub(super) fn fact(&mut self, run: RunId, fact: Fact) {
        self.event(Event::Heard {
            run,
            mark: Mark::default(),
            facts: vec![fact],
        });
    }

    pub(super) fn exit(&mut self, run: RunId, status: ExitStatus) {
        self.exited.insert(run);
        let clean = status == ExitStatus::Code(0);
        let fault = Fault::new(FaultCode::Crashed, "it crashed", "look");
        let failure = (!clean).then_some(LaunchFailure {
            fault,
            permanent: false,
        });
        self.event(Event::Exited {
            run,
            exit: Box::new(exit_of(status)),
            failure,
            lines: vec!["the last line".to_owned()],
        });
    }

    pub(super) fn add(&mut self, text: &str, process: Option<ProcessId>) -> TaskId {
        let target = Target {
            process,
            ..Target::default()
        };
        let new = NewTask {
            text: text.to_owned(),
            target,
            ..NewTask::default()
        };
        let reply = self.order(Command::AddTask(Box::new(new)));
        match self.answer(reply) {
            Some(Ok(Outcome::TaskAdded(id))) => *id,
            other => panic!("not added: {other:?}"),
        }
    }

    /// The next instance reaches all runs, whose shims have taken what they were sent.
    pub(super) fn is_taken_up(&mut self) {
        let runs: Vec<RunId> = self.fleet.live_runs().map(|(_, run)| run).collect();
        for run in runs {
            let accepted = self.taken(run);
            self.event(Event::Adopted {
                run,
                accepted,
                alive: true,
            });
        }
    }

    /// The highest number of an order that a run was sent.
    pub(super) fn taken(&self, run: RunId) -> u64 {
        let to_run = self.sent.iter().filter(|(to, ..)| *to == run);
        to_run.map(|(_, seq, _)| *seq).max().unwrap_or(0)
    }

    /// The uuid of the last message that a run was sent.
    pub(super) fn message(&self, run: RunId) -> Uuid {
        self.sent
            .iter()
            .rev()
            .find_map(|(to, _, order)| match order {
                Order::Message { uuid, .. } | Order::Clear { uuid } if *to == run => Some(*uuid),
                _ => None,
            })
            .expect("a message")
    }

    pub(super) fn turn_ends(&mut self, run: RunId, success: bool) {
        let end = TurnEnd {
            messages: vec![self.message(run)],
            conversation: None,
            success,
            interrupted: false,
            retryable: true,
            text: "the end".to_owned(),
            turns: 1,
            cost_usd: 0.5,
            tokens: Tokens {
                input: 10,
                output: 1,
            },
            denials: vec![],
        };
        self.fact(run, Fact::TurnEnded(Box::new(end)));
        self.fact(run, Fact::Idle);
    }

    pub(super) fn interrupted(&mut self, run: RunId) {
        let end = TurnEnd {
            messages: vec![self.message(run)],
            conversation: None,
            success: false,
            interrupted: true,
            retryable: true,
            text: "interrupted".to_owned(),
            turns: 1,
            cost_usd: 0.0,
            tokens: Tokens::default(),
            denials: vec![],
        };
        self.fact(run, Fact::TurnEnded(Box::new(end)));
        self.fact(run, Fact::Idle);
    }

    /// What people see; that its list of tasks is kept piece by piece must not show.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        let snapshot = self.fleet.snapshot();
        let stored = self.fleet.tasks.values().filter(|task| task.stored);
        assert!(
            snapshot.tasks.iter().eq(stored.clone()),
            "the list is stale"
        );
        let mut counts = TaskCounts::default();
        stored.for_each(|task| counts.add(task.state));
        assert_eq!(snapshot.counts, counts);
        snapshot
    }

    pub(super) fn status(&mut self, id: ProcessId) -> Status {
        self.snapshot().process(id).unwrap().status
    }

    pub(super) fn task(&mut self, id: TaskId) -> Task {
        Task::clone(self.snapshot().task(id).unwrap())
    }
}

fn put<K: Ord>(rows: &mut BTreeMap<K, String>, changes: Vec<(K, Option<String>)>) {
    for (key, document) in changes {
        match document {
            Some(document) => rows.insert(key, document),
            None => rows.remove(&key),
        };
    }
}

pub(super) fn exit_of(status: ExitStatus) -> Exit {
    Exit {
        status,
        at: t0().wall,
        ended: 1,
        killed: vec![],
        leaked: vec![],
        left: vec![],
        cpu_ms: 0,
        shim_lost: false,
        abandoned: false,
        stderr_tail: String::new(),
        memory: None,
    }
}
