//! Random interleavings of orders, facts, exits, deaths of the instance and time.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::cluster;
use super::rig::{self, Rig};
use crate::domain::cluster::ClusterOrder;
use crate::domain::command::{Command, NewProcess, UpdateWhen};
use crate::domain::effect::ReplyId;
use crate::domain::event::{Event, Fact, LaunchFailure};
use crate::domain::exit::ExitStatus;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::health::Pulse;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::inbox::Ask;
use crate::domain::order::Order;
use crate::domain::process::{After, Phase, Process};
use crate::domain::role::Kind;
use crate::domain::task::{NewTask, Target};

/// So many start by themselves at most.
const MOST: usize = 3;

#[derive(Debug, Clone)]
enum Op {
    Hire,
    HireWatcher,
    StartTeam,
    StopTeam,
    ScaleTeam(u32),
    AddForTeam,
    Boot,
    Look(usize),
    Clock(i64),
    Start(usize),
    Stop(usize),
    Kill(usize),
    Restart(usize),
    Remove(usize),
    Add(usize),
    FollowUp(usize),
    ResumeFails(usize),
    Cancel(usize),
    Retry(usize),
    Launched(usize),
    LaunchFails(usize, bool),
    PutOff(usize),
    Ready(usize),
    Idle(usize),
    TurnEnds(usize, bool),
    Interrupted(usize),
    Asks(usize),
    Approve(usize),
    Exit(usize, i32),
    Unwell(usize),
    NotLoggedIn(usize),
    Answers(usize, bool),
    Deaf(bool),
    Changes(usize, usize),
    Update(usize, UpdateWhen),
    Pass(u64),
    Disk(bool),
    Reborn,
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0..4_usize;
    let when = prop_oneof![
        Just(UpdateWhen::Now),
        Just(UpdateWhen::Idle),
        Just(UpdateWhen::Rolling),
        Just(UpdateWhen::NotNow),
    ];
    prop_oneof![
        2 => Just(Op::Hire),
        1 => Just(Op::HireWatcher),
        1 => Just(Op::StartTeam),
        1 => Just(Op::StopTeam),
        1 => (0..4_u32).prop_map(Op::ScaleTeam),
        3 => Just(Op::AddForTeam),
        1 => Just(Op::Boot),
        1 => n.clone().prop_map(Op::Look),
        1 => (-40_000_000..40_000_000_i64).prop_map(Op::Clock),
        1 => n.clone().prop_map(Op::Start),
        2 => n.clone().prop_map(Op::Stop),
        1 => n.clone().prop_map(Op::Kill),
        1 => n.clone().prop_map(Op::Restart),
        1 => n.clone().prop_map(Op::Remove),
        4 => n.clone().prop_map(Op::Add),
        3 => n.clone().prop_map(Op::FollowUp),
        1 => n.clone().prop_map(Op::ResumeFails),
        1 => n.clone().prop_map(Op::Cancel),
        1 => n.clone().prop_map(Op::Retry),
        5 => n.clone().prop_map(Op::Launched),
        1 => (n.clone(), any::<bool>()).prop_map(|(n, permanent)| Op::LaunchFails(n, permanent)),
        1 => n.clone().prop_map(Op::PutOff),
        5 => n.clone().prop_map(Op::Ready),
        2 => n.clone().prop_map(Op::Idle),
        4 => (n.clone(), any::<bool>()).prop_map(|(n, success)| Op::TurnEnds(n, success)),
        1 => n.clone().prop_map(Op::Interrupted),
        1 => n.clone().prop_map(Op::Asks),
        1 => n.clone().prop_map(Op::Approve),
        3 => (n.clone(), 0..2_i32).prop_map(|(n, code)| Op::Exit(n, code)),
        1 => n.clone().prop_map(Op::Unwell),
        3 => (n.clone(), any::<bool>()).prop_map(|(n, old)| Op::Answers(n, old)),
        1 => any::<bool>().prop_map(Op::Deaf),
        2 => (n.clone(), 0..3_usize).prop_map(|(n, which)| Op::Changes(n, which)),
        2 => (n.clone(), when).prop_map(|(n, when)| Op::Update(n, when)),
        1 => n.prop_map(Op::NotLoggedIn),
        3 => (0..90_u64).prop_map(Op::Pass),
        1 => Just(Op::Pass(3700)),
        1 => any::<bool>().prop_map(Op::Disk),
        1 => Just(Op::Reborn),
    ]
}

fn process(rig: &Rig, n: usize) -> Option<ProcessId> {
    let ids: Vec<ProcessId> = rig.fleet.processes().map(|process| process.id).collect();
    ids.get(n).copied()
}

/// What a watcher does.
const LOOK: &str = "look";

fn run(rig: &Rig, n: usize) -> Option<RunId> {
    let runs: Vec<RunId> = rig.fleet.live_runs().map(|(_, run)| run).collect();
    runs.get(n).copied()
}

/// A run whose agent exists: no other says anything.
fn launched(rig: &Rig, n: usize) -> Option<RunId> {
    let run = run(rig, n)?;
    launching(rig, n).is_none().then_some(run)
}

/// A run whose agent does not exist yet.
fn launching(rig: &Rig, n: usize) -> Option<RunId> {
    let run = run(rig, n)?;
    rig.fleet
        .processes()
        .filter_map(Process::live)
        .any(|live| live.run == run && live.details.is_none())
        .then_some(run)
}

fn task(rig: &Rig, n: usize) -> Option<TaskId> {
    rig.saved.tasks.keys().nth(n).copied()
}

fn spoken_to(rig: &Rig, run: RunId) -> bool {
    rig.sent.iter().any(|(to, _, order)| {
        *to == run && matches!(order, Order::Message { .. } | Order::Clear { .. })
    })
}

fn apply(rig: &mut Rig, op: &Op) -> Option<()> {
    match *op {
        Op::Hire => {
            let new = NewProcess {
                role: "developer".to_owned(),
                ..NewProcess::default()
            };
            rig.order(Command::Create(Box::new(new)));
        }
        Op::HireWatcher => {
            let new = NewProcess {
                role: "watcher".to_owned(),
                ..NewProcess::default()
            };
            rig.order(Command::Create(Box::new(new)));
        }
        Op::StartTeam => drop(cluster::order(rig, ClusterOrder::Start)),
        Op::StopTeam => drop(cluster::order(rig, ClusterOrder::Stop)),
        Op::ScaleTeam(count) => {
            let sizes = vec![("developer".to_owned(), count)];
            cluster::order(rig, ClusterOrder::Scale(sizes));
        }
        Op::AddForTeam => {
            let new = NewTask {
                text: "work".to_owned(),
                target: Target {
                    cluster: Some("team".to_owned()),
                    ..Target::default()
                },
                ..NewTask::default()
            };
            rig.order(Command::AddTask(Box::new(new)));
        }
        Op::Boot => rig.event(Event::Booted),
        Op::Look(n) => {
            let processes = process(rig, n).into_iter().collect();
            rig.event(Event::Watched { processes });
        }
        Op::Clock(seconds) => {
            let by = SignedDuration::from_secs(seconds);
            rig.now.wall = rig.now.wall.checked_add(by).ok()?;
        }
        Op::Start(n) => drop(rig.order(Command::Start(process(rig, n)?))),
        Op::Stop(n) => drop(rig.order(Command::Stop(process(rig, n)?))),
        Op::Kill(n) => drop(rig.order(Command::Kill(process(rig, n)?))),
        Op::Restart(n) => drop(rig.order(Command::Restart(process(rig, n)?))),
        Op::Remove(n) => drop(rig.order(Command::Remove(process(rig, n)?))),
        Op::Add(n) => {
            let target = Target {
                process: process(rig, n),
                ..Target::default()
            };
            let new = NewTask {
                text: "work".to_owned(),
                target,
                ..NewTask::default()
            };
            rig.order(Command::AddTask(Box::new(new)));
        }
        Op::FollowUp(n) => {
            let new = NewTask {
                text: "more".to_owned(),
                continues: Some(task(rig, n)?),
                ..NewTask::default()
            };
            rig.order(Command::AddTask(Box::new(new)));
        }
        Op::ResumeFails(n) => {
            let run = launched(rig, n).filter(|run| !spoken_to(rig, *run))?;
            let text = "No conversation found".to_owned();
            rig.fact(run, Fact::ResumeFailed { text });
            rig.exit(run, ExitStatus::Code(1));
        }
        Op::Cancel(n) => drop(rig.order(Command::CancelTask(task(rig, n)?))),
        Op::Retry(n) => {
            // A person may have that of one who is gone wait again.
            let id = task(rig, n)?;
            let snapshot = rig.snapshot();
            snapshot
                .task(id)
                .filter(|task| !task.text.starts_with(LOOK))?;
            rig.order(Command::RetryTask(id));
        }
        Op::Launched(n) => rig.launched(run(rig, n)?),
        Op::LaunchFails(n, permanent) => {
            // Of one that an earlier instance had at work nothing may be left.
            let run = run(rig, n)?;
            let fault = Fault::new(FaultCode::FailedToStart, "no", "look");
            rig.event(Event::LaunchFailed {
                run,
                failure: LaunchFailure { fault, permanent },
            });
        }
        Op::PutOff(n) => {
            let run = launching(rig, n)?;
            let fault = Fault::new(FaultCode::LimitsExceeded, "no descriptors", "stop one");
            rig.event(Event::LaunchPutOff { run, fault });
        }
        Op::Ready(n) => {
            rig.fact(
                launched(rig, n)?,
                Fact::Ready {
                    version: None,
                    logged_in: None,
                },
            );
        }
        Op::Idle(n) => rig.fact(launched(rig, n)?, Fact::Idle),
        Op::TurnEnds(n, success) => {
            let run = run(rig, n).filter(|run| spoken_to(rig, *run))?;
            rig.turn_ends(run, success);
        }
        Op::Interrupted(n) => {
            let run = run(rig, n).filter(|run| spoken_to(rig, *run))?;
            rig.interrupted(run);
        }
        Op::Asks(n) => {
            let run = launched(rig, n)?;
            let ask = Ask::Permission {
                tool: "Bash".to_owned(),
                subject: "ls".to_owned(),
                diff: None,
                description: None,
                rule: "Bash(ls *)".to_owned(),
            };
            let key = format!("key {}", rig.sent.len());
            rig.fact(
                run,
                Fact::Asked {
                    key,
                    ask,
                    input: serde_json::Value::Null,
                },
            );
        }
        Op::Approve(n) => {
            let request = rig.snapshot().requests.get(n)?.id;
            rig.order(Command::Approve(request));
        }
        Op::Exit(n, code) => rig.exit(run(rig, n)?, ExitStatus::Code(code)),
        Op::Unwell(n) => {
            let fault = Fault::new(FaultCode::HealthCheckFailed, "no answer", "look");
            let run = launched(rig, n)?;
            let (process, _) = rig.fleet.live_runs().find(|(_, live)| *live == run)?;
            let id = process.id;
            rig.fails(id, fault);
        }
        Op::NotLoggedIn(n) => {
            rig.fact(
                launched(rig, n)?,
                Fact::NotLoggedIn {
                    text: "no".to_owned(),
                },
            );
        }
        Op::Answers(n, old) => {
            let run = launched(rig, n)?;
            let mut asked = rig.pings.iter().filter(|(to, _)| *to == run);
            let ping = if old { asked.next() } else { asked.next_back() };
            let number = ping?.1;
            let pulse = Pulse {
                quiet: Duration::from_secs(n as u64 * 200),
                tools: Some(0),
            };
            rig.event(Event::Pong { run, number, pulse });
        }
        Op::Deaf(deaf) => rig.answers_pings = !deaf,
        Op::Changes(n, which) => {
            let updates =
                (which > 0).then(|| super::update::updates(["", "9be044", "77aa00"][which]));
            rig.event(Event::Compared {
                run: launched(rig, n)?,
                updates,
            });
        }
        Op::Update(n, when) => {
            let process = process(rig, n)?;
            rig.order(Command::Update { process, when });
        }
        // Without room on the disk a write is tried again each second: an hour of that is dull.
        Op::Pass(seconds) if rig.disk || seconds < 100 => rig.pass(Duration::from_secs(seconds)),
        Op::Pass(_) => {}
        Op::Disk(works) => rig.disk = works,
        Op::Reborn => {
            let sent = rig.sent.clone();
            let mut reborn = rig.reborn();
            reborn.sent = sent;
            reborn.answers_pings = rig.answers_pings;
            reborn.is_taken_up();
            *rig = reborn;
        }
    }
    Some(())
}

/// Who was stopped by a person and not started by one since.
fn keep(rig: &Rig, op: &Op, kept: &mut BTreeSet<ProcessId>) {
    match *op {
        Op::Stop(n) | Op::Kill(n) => kept.extend(process(rig, n)),
        Op::StopTeam => kept.extend(team(rig)),
        Op::StartTeam | Op::ScaleTeam(_) => {
            let team: Vec<ProcessId> = team(rig).collect();
            kept.retain(|id| !team.contains(id));
        }
        Op::Start(n) | Op::Restart(n) | Op::Remove(n) | Op::Update(n, UpdateWhen::Now) => {
            if let Some(id) = process(rig, n) {
                kept.remove(&id);
            }
        }
        _ => {}
    }
}

fn team(rig: &Rig) -> impl Iterator<Item = ProcessId> {
    let all = rig.fleet.processes();
    let team = all.filter(|process| process.spec.cluster.is_some());
    team.map(|process| process.id)
}

/// Developers that are up, or come up by themselves.
fn running(rig: &Rig) -> usize {
    let developers = rig
        .fleet
        .processes()
        .filter(|process| process.spec.role == "developer");
    developers
        .filter(|process| !matches!(process.phase, Phase::Down | Phase::Failed))
        .count()
}

/// Whether a person has processes started by it.
fn starts(op: &Op) -> bool {
    matches!(
        op,
        Op::Hire
            | Op::HireWatcher
            | Op::Start(_)
            | Op::Restart(_)
            | Op::Update(..)
            | Op::StartTeam
            | Op::ScaleTeam(_)
            | Op::Reborn
    )
}

/// Nothing is started or hired by itself beyond what may be, nor for whom a person stopped.
fn check_scale(rig: &Rig, op: &Op, (up, staff): (usize, usize), kept: &BTreeSet<ProcessId>) {
    if starts(op) {
        return;
    }
    let now = running(rig);
    assert!(now <= MOST.max(up), "{now} are up, {up} were: {op:?}");
    if rig.fleet.processes().count() > staff {
        // The latest; for a task of the team the others do not matter.
        let hired = rig.fleet.processes().last().expect("one more");
        let cluster = &hired.spec.cluster;
        let mut down = rig.fleet.processes().filter(|one| kept.contains(&one.id));
        let made_up_for = down.find(|one| {
            let matters = cluster.is_none() || one.spec.cluster == *cluster;
            one.spec.role == "developer" && matters
        });
        assert!(made_up_for.is_none(), "hired for {made_up_for:?}");
    }
}

fn check_kept(rig: &Rig, kept: &BTreeSet<ProcessId>) {
    for process in rig.fleet.processes().filter(|one| kept.contains(&one.id)) {
        let stays = match &process.phase {
            Phase::Down => true,
            Phase::Live(live) => live.after == After::Stay,
            _ => false,
        };
        assert!(
            stays,
            "{} was stopped by a person: {:?}",
            process.id, process.phase
        );
    }
}

fn check(rig: &mut Rig, before: &BTreeSet<RunId>) {
    // A launch is ordered for a process that has no other live run, and each run once.
    let mut launched = BTreeSet::new();
    for plan in &rig.launches {
        assert!(launched.insert(plan.run), "{} is launched twice", plan.run);
        assert!(
            !before.contains(&plan.run),
            "{} was launched before",
            plan.run
        );
    }
    let snapshot = rig.snapshot();
    let mut holders = BTreeSet::new();
    for task in &snapshot.tasks {
        assert_eq!(task.state.is_leased(), task.lease.is_some(), "{task:?}");
        if let Some(lease) = task.lease {
            assert!(
                holders.insert(lease.process),
                "{} holds two tasks",
                lease.process
            );
            let holder = snapshot
                .process(lease.process)
                .expect("a lease has a holder");
            assert_eq!((holder.run, holder.task), (Some(lease.run), Some(task.id)));
            if let Some(continued) = task.continues {
                assert_eq!(
                    (holder.id, holder.conversation),
                    (continued.process, Some(continued.conversation))
                );
            }
        }
        assert!(
            task.attempts
                .iter()
                .filter(|attempt| attempt.end.is_none())
                .count()
                <= 1
        );
        // What a watcher is started for goes with it.
        if let Some(id) = task.target.process
            && task.text.starts_with(LOOK)
            && !task.state.is_final()
        {
            assert!(
                snapshot.process(id).is_some(),
                "nobody is there for {task:?}"
            );
        }
    }
    for request in snapshot.requests.iter().filter(|request| request.is_open()) {
        let asker = snapshot
            .process(request.process)
            .expect("an open request has an asker");
        assert_eq!(asker.run, Some(request.run));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_doubled_or_forgotten(ops in prop::collection::vec(op(), 0..100)) {
        let mut rig = Rig::new();
        let mut before = BTreeSet::new();
        let mut accepted = BTreeSet::new();
        let (mut kept, mut sound) = (BTreeSet::new(), true);
        rig.reconfigure(|catalogue| {
            let mut watcher = rig::role("watcher");
            watcher.kind = Kind::Monitoring;
            watcher.automation.run = Some(LOOK.to_owned());
            watcher.automation.schedule = Some("every 7m".parse().unwrap());
            watcher.automation.restart.after_tasks = Some(1);
            catalogue.roles.push(watcher);
            let restart = &mut catalogue.roles[0].automation.restart;
            restart.after_tasks = Some(3);
            restart.after = Some(Duration::from_secs(2000));
            restart.schedule = Some("*/20 * * * *".parse().unwrap());
            catalogue.auto_stop.min_processes = 1;
            catalogue.auto_start.max_processes = MOST;
            catalogue.auto_start.rule.sustained = Duration::from_secs(20);
            catalogue.auto_start.rule.wait = Duration::from_secs(40);
            catalogue.auto_start.rule.tasks_per_process = 1;
            catalogue.clusters.push(cluster::team());
            catalogue.roles[0].health.restart = true;
        });
        for op in &ops {
            keep(&rig, op, &mut kept);
            sound &= rig.disk;
            if let Op::Reborn = op && !std::mem::replace(&mut sound, rig.disk) {
                // What was not written is not known after a death.
                kept.clear();
            }
            if let Op::Reborn = op {
                before.extend(rig.launches.iter().map(|plan| plan.run));
            }
            let was = (running(&rig), rig.fleet.processes().count());
            apply(&mut rig, op);
            check(&mut rig, &before);
            check_kept(&rig, &kept);
            check_scale(&rig, op, was, &kept);
            accepted.extend(rig.saved.tasks.keys().copied());
            let known: BTreeSet<TaskId> =
                rig.snapshot().tasks.iter().map(|task| task.id).collect();
            prop_assert!(accepted.is_subset(&known), "a task is lost");
        }
        // Whatever has happened, a shutdown comes to its end.
        rig.disk = true;
        let shutdown = rig.order(Command::Shutdown);
        rig.pass(Duration::from_secs(3600));
        let left: Vec<RunId> = rig.fleet.live_runs().map(|(_, run)| run).collect();
        for run in left {
            rig.exit(run, ExitStatus::Signal(9));
        }
        rig.pass(Duration::from_secs(5));
        prop_assert!(rig.fleet.is_drained());
        // No end is lost: each is on disk, and its shim was told so.
        for run in &rig.exited {
            prop_assert!(rig.acknowledged.contains(run), "the end of {} is lost", run);
        }
        // And whoever has asked for something was answered; the shutdown is, by the end itself.
        for reply in 1..shutdown.0 {
            prop_assert!(rig.answer(ReplyId(reply)).is_some(), "{} is not answered", reply);
        }
    }
}
