//! A night on a clock of its own: a team of seven, sixty tasks, a crash, a usage limit, a task that
//! nobody can do, a queue that is too long and then empty. In the morning it is plain what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use uuid::Uuid;

use super::cluster;
use super::rig::{self, Rig};
use crate::domain::automation::Rest;
use crate::domain::chronicle::What;
use crate::domain::cluster::{Cluster, ClusterOrder, Member, ToCluster};
use crate::domain::command::{Command, Outcome};
use crate::domain::digest::{Account, Digest};
use crate::domain::event::{Event, Fact};
use crate::domain::exit::ExitStatus;
use crate::domain::id::{RunId, TaskId};
use crate::domain::order::Order;
use crate::domain::role::LoadBalancing;
use crate::domain::snapshot::Snapshot;
use crate::domain::task::{AttemptEnd, NewTask, Target, TaskState};
use crate::domain::time::Mono;

const STEP: Duration = Duration::from_secs(15);
const MINUTE: Duration = Duration::from_secs(60);
/// What a turn costs in the rig.
const TURN: f64 = 0.5;

struct Night {
    rig: Rig,
    /// Messages that were answered, and when those that were not are.
    answered: BTreeSet<Uuid>,
    ends: BTreeMap<Uuid, Mono>,
    crash: TaskId,
    crashed: bool,
    poison: TaskId,
    /// Turns that brought a task to an end.
    turns: u32,
    most: usize,
}

/// What an agent was told last.
enum Told {
    Nothing,
    Clear(Uuid),
    Work(Uuid, bool),
}

impl Night {
    fn told(&self, run: RunId) -> Told {
        let mut interrupted = false;
        for (to, _, order) in self.rig.sent.iter().rev() {
            match order {
                _ if *to != run => {}
                Order::Interrupt => interrupted = true,
                Order::Clear { uuid } => return Told::Clear(*uuid),
                Order::Message { uuid, .. } => return Told::Work(*uuid, interrupted),
                _ => {}
            }
        }
        Told::Nothing
    }

    /// What the agents do in a moment; returns whether there was anything.
    fn agents(&mut self) -> bool {
        cluster::all_come_up(&mut self.rig);
        let mut acted = false;
        let down = std::mem::take(&mut self.rig.closed);
        let killed = std::mem::take(&mut self.rig.killed);
        for (run, status) in down
            .into_iter()
            .map(|run| (run, ExitStatus::Code(0)))
            .chain(killed.into_iter().map(|run| (run, ExitStatus::Signal(9))))
        {
            self.rig.exit(run, status);
            acted = true;
        }
        let runs: Vec<(RunId, Option<TaskId>)> = self
            .rig
            .fleet
            .processes()
            .filter_map(|process| process.live())
            .map(|live| (live.run, live.turn.task()))
            .collect();
        for (run, task) in runs {
            match self.told(run) {
                Told::Clear(uuid) if self.answered.insert(uuid) => {
                    self.rig.turn_ends(run, true);
                    acted = true;
                }
                Told::Work(uuid, interrupted) if !self.answered.contains(&uuid) => {
                    acted |= self.work(run, uuid, task, interrupted);
                }
                _ => {}
            }
        }
        acted
    }

    fn work(&mut self, run: RunId, uuid: Uuid, task: Option<TaskId>, interrupted: bool) -> bool {
        let now = self.rig.now.mono;
        let number = task.map_or(0, |task| task.0);
        let time = 6 * MINUTE + Duration::from_secs(number * 37 % 240);
        let at = *self.ends.entry(uuid).or_insert(now + time);
        if interrupted {
            self.rig.interrupted(run);
        } else if task == Some(self.crash) && !self.crashed {
            self.crashed = true;
            self.rig.exit(run, ExitStatus::Code(1));
        } else if at <= now && task == Some(self.poison) {
            self.rig.exit(run, ExitStatus::Code(1));
        } else if at <= now {
            self.turns += 1;
            self.rig.turn_ends(run, true);
        } else {
            return false;
        }
        self.answered.insert(uuid);
        true
    }

    fn pass(&mut self, time: Duration) {
        let end = self.rig.now.mono + time;
        while self.rig.now.mono < end {
            self.rig.pass(STEP);
            let mut rounds = 0;
            while self.agents() {
                rounds += 1;
                assert!(rounds < 50, "the agents do not come to rest");
            }
            let live = self.rig.fleet.live_runs().count();
            self.most = self.most.max(live);
            assert!(live <= 10, "{live} are up");
        }
    }
}

fn development() -> Rig {
    let mut rig = Rig::new();
    rig.reconfigure(|catalogue| {
        let mut members = Vec::new();
        for (key, instances) in [
            ("senior_developer", 2),
            ("junior_developer", 3),
            ("qa_engineer", 2),
        ] {
            let role = rig::role(key);
            catalogue.roles.push(role.clone());
            members.push(Member { role, instances });
        }
        catalogue.clusters.push(Cluster {
            key: "development".to_owned(),
            load_balancing: LoadBalancing::RoundRobin,
            members,
        });
    });
    rig
}

fn add(rig: &mut Rig, text: &str, role: Option<&str>) -> TaskId {
    let new = NewTask {
        text: text.to_owned(),
        target: Target {
            cluster: Some("development".to_owned()),
            role: role.map(str::to_owned),
            ..Target::default()
        },
        ..NewTask::default()
    };
    let reply = rig.order(Command::AddTask(Box::new(new)));
    match rig.answer(reply) {
        Some(Ok(Outcome::TaskAdded(id))) => *id,
        other => panic!("not added: {other:?}"),
    }
}

fn digest(rig: &Rig, snapshot: &Snapshot) -> Digest {
    let mut account = Account::since(None);
    rig.saved
        .entries
        .iter()
        .for_each(|entry| account.add(entry));
    account.close(snapshot, rig.now.wall)
}

#[test]
fn a_night_ends_with_every_task_where_it_belongs_and_a_digest_that_says_so() {
    let mut rig = development();
    rig.order(Command::Cluster(ToCluster {
        cluster: "development".to_owned(),
        order: ClusterOrder::Start,
        folder: None,
    }));
    cluster::all_come_up(&mut rig);
    assert_eq!(rig.fleet.live_runs().count(), 7);
    // Nobody looks from here on.
    rig.event(Event::Terminals {
        attached: 0,
        seen: Some(rig.now.wall),
    });
    let mut tasks = Vec::new();
    for number in 0..58 {
        let role = match number % 6 {
            0 => Some("junior_developer"),
            1 => Some("qa_engineer"),
            _ => None,
        };
        tasks.push(add(&mut rig, &format!("task number {number}"), role));
    }
    let crash = add(&mut rig, "what makes its process crash", None);
    let poison = add(&mut rig, "what nobody can do", None);
    tasks.extend([crash, poison]);
    let mut night = Night {
        rig,
        answered: BTreeSet::new(),
        ends: BTreeMap::new(),
        crash,
        crashed: false,
        poison,
        turns: 0,
        most: 0,
    };

    // The queue is far too long for seven: the team grows to what it may.
    night.pass(20 * MINUTE);
    assert_eq!(night.most, 10);
    let line = {
        let now = night.rig.now.wall;
        let snapshot = night.rig.snapshot();
        snapshot.scaling_line(now).map(|view| view.text.clone())
    };
    let line = line.unwrap_or_default();
    let says = ": 10 are up, and no more start by themselves";
    assert!(
        line.starts_with("holding at ") && line.ends_with(says),
        "{line}"
    );

    // The account is at its limit for an hour: whoever works finds out.
    let until = night.rig.now.wall + SignedDuration::from_mins(60);
    let runs: Vec<RunId> = night.rig.fleet.live_runs().map(|(_, run)| run).collect();
    for run in &runs {
        night
            .rig
            .fact(*run, Fact::UsageLimit { until: Some(until) });
    }
    // Each ends its turn at once, as it is told; one that did not would be started anew.
    while night.agents() {}
    let limited = runs.len();
    let done = |snapshot: &Snapshot| {
        let all = snapshot.tasks.iter();
        all.filter(|task| task.state == TaskState::Succeeded)
            .count()
    };
    night.pass(MINUTE);
    let before = done(&night.rig.snapshot());
    night.pass(55 * MINUTE);
    assert_eq!(
        done(&night.rig.snapshot()),
        before,
        "somebody works past the limit"
    );

    night.pass(5 * 60 * MINUTE);
    let snapshot = night.rig.snapshot();

    // Every task is where it belongs, and its attempts add up.
    for id in &tasks {
        let task = snapshot.task(*id).expect("no task is lost");
        let expected = if *id == poison {
            TaskState::Parked
        } else {
            TaskState::Succeeded
        };
        assert_eq!(task.state, expected, "{id}: {task:?}");
        let ends = |end| {
            task.attempts
                .iter()
                .filter(|one| one.end == Some(end))
                .count()
        };
        let cut = usize::from(*id == crash) + if *id == poison { 3 } else { 0 };
        assert_eq!(ends(AttemptEnd::Cut), cut, "{id}");
        assert_eq!(
            ends(AttemptEnd::Succeeded),
            usize::from(*id != poison),
            "{id}"
        );
        let interrupted = ends(AttemptEnd::Interrupted);
        assert_eq!(
            task.attempts.len(),
            1 - usize::from(*id == poison) + cut + interrupted
        );
    }

    // The team went down to the two that stay, those hired for the queue first; nobody is gone.
    let team: Vec<_> = snapshot.processes.iter().collect();
    assert_eq!(team.len(), 10);
    assert_eq!(team.iter().filter(|one| one.is_up()).count(), 2);
    let extra: Vec<_> = team.iter().filter(|one| one.upkeep.extra).collect();
    assert_eq!(extra.len(), 3);
    assert!(extra.iter().all(|one| one.upkeep.rest == Some(Rest::Idle)));

    // And the digest says so.
    let digest = digest(&night.rig, &snapshot);
    assert_eq!(digest.finished_count, 59);
    assert_eq!(digest.failed_count, 1);
    let failed = digest.failed.first().expect("one that failed");
    assert_eq!((failed.task, failed.what), (poison, What::TaskParked));
    assert_eq!(failed.title, "what nobody can do");
    let troubles: u32 = digest.failures.iter().map(|note| note.count).sum();
    assert_eq!(troubles as usize, limited + 1 + 3);
    let restarts: u32 = digest.restarted.iter().map(|note| note.count).sum();
    assert_eq!(restarts, 1 + 3, "{:?}", digest.restarted);
    for id in [crash, poison] {
        let cut = snapshot.task(id).expect("it is kept").attempts.iter();
        for attempt in cut.filter(|one| one.end == Some(AttemptEnd::Cut)) {
            let mut restarted = digest.restarted.iter();
            assert!(restarted.any(|note| note.process == attempt.process));
        }
    }
    let paid: f64 = team.iter().map(|process| process.cost_usd).sum();
    assert!(
        (digest.cost_usd - paid).abs() < 1e-6,
        "{} {paid}",
        digest.cost_usd
    );
    // Every turn that came to an end was paid for; what began a conversation anew as well.
    assert!(paid >= f64::from(night.turns) * TURN, "{paid}");
    assert_eq!(night.turns, 59);
    assert!(digest.waits.is_empty(), "{:?}", digest.waits);
    assert_eq!(digest.instances_lost, 0);
}
