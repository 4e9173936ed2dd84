//! Clusters: hired, started, stopped, restarted and sized as one, and what is told of it.

use std::time::Duration;

use super::rig::{self, Rig};
use crate::domain::automation::Rest;
use crate::domain::cluster::{Cluster, ClusterDone, ClusterOrder, Member, MemberView, ToCluster};
use crate::domain::command::{Command, NewProcess, Outcome, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::exit::ExitStatus;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::process::Process;
use crate::domain::role::{Catalogue, LoadBalancing};
use crate::domain::snapshot::Status;
use crate::domain::task::{NewTask, Target, TaskState};
use crate::domain::worktree::UseWorktree;

const SECOND: Duration = Duration::from_secs(1);

/// Two developers, one of them with a model of its own, and a tester.
pub(super) fn team() -> Cluster {
    let member = |key: &str, instances| {
        let mut role = rig::role(key);
        role.health.interval = 7 * SECOND;
        Member { role, instances }
    };
    Cluster {
        key: "team".to_owned(),
        load_balancing: LoadBalancing::LeastBusy,
        members: vec![member("developer", 2), member("tester", 1)],
    }
}

pub(super) fn with_team() -> Rig {
    let mut rig = Rig::new();
    rig.reconfigure(|catalogue| catalogue.clusters.push(team()));
    rig
}

pub(super) fn order(rig: &mut Rig, order: ClusterOrder) -> ReplyId {
    rig.order(Command::Cluster(ToCluster {
        cluster: "team".to_owned(),
        order,
        folder: Some("/shop".into()),
    }))
}

fn scale(rig: &mut Rig, role: &str, count: u32) -> ReplyId {
    order(rig, ClusterOrder::Scale(vec![(role.to_owned(), count)]))
}

fn done(rig: &Rig, reply: ReplyId) -> ClusterDone {
    match rig.answer(reply) {
        Some(Ok(Outcome::Cluster(done))) => (**done).clone(),
        other => panic!("not done: {other:?}"),
    }
}

/// Every launch that has not come up does.
pub(super) fn all_come_up(rig: &mut Rig) {
    let coming: Vec<RunId> = rig
        .fleet
        .processes()
        .filter_map(Process::live)
        .filter(|live| live.details.is_none())
        .map(|live| live.run)
        .collect();
    for run in coming {
        rig.is_up(run);
    }
}

/// Everyone who was asked to end does.
pub(super) fn ends(rig: &mut Rig) {
    for run in std::mem::take(&mut rig.closed) {
        rig.exit(run, ExitStatus::Code(0));
    }
}

pub(super) fn started() -> Rig {
    let mut rig = with_team();
    order(&mut rig, ClusterOrder::Start);
    all_come_up(&mut rig);
    rig
}

fn member(rig: &mut Rig, role: &str) -> MemberView {
    let snapshot = rig.snapshot();
    let cluster = snapshot.cluster("team").expect("the team");
    let member = cluster.members.iter().find(|member| member.role == role);
    member.expect("the role").clone()
}

/// How it differs from what is declared; here nobody has a worktree.
fn differences(rig: &mut Rig) -> Vec<String> {
    let mut notes = rig.snapshot().cluster("team").unwrap().notes.clone();
    notes.retain(|note| !note.contains("without git worktrees"));
    notes
}

fn ids(numbers: &[u64]) -> Vec<ProcessId> {
    numbers.iter().map(|number| ProcessId(*number)).collect()
}

fn statuses(rig: &mut Rig) -> Vec<Status> {
    let snapshot = rig.snapshot();
    snapshot.processes.iter().map(|one| one.status).collect()
}

fn for_team(rig: &mut Rig, text: &str) -> TaskId {
    let new = NewTask {
        text: text.to_owned(),
        target: Target {
            cluster: Some("team".to_owned()),
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

#[test]
fn a_start_hires_who_is_missing_and_answers_once_when_all_are_up() {
    let mut rig = with_team();
    let reply = order(&mut rig, ClusterOrder::Start);
    let runs: Vec<RunId> = rig.launches.iter().map(|plan| plan.run).collect();
    assert_eq!(runs.len(), 3);
    rig.is_up(runs[0]);
    rig.is_up(runs[1]);
    assert_eq!(rig.answer(reply), None);
    rig.is_up(runs[2]);
    let done = done(&rig, reply);
    assert_eq!(
        (done.hired, done.started),
        (ids(&[1, 2, 3]), ids(&[1, 2, 3]))
    );
    // As the cluster has the role, in the caller's folder, and each in a worktree of its own.
    for plan in &rig.launches {
        assert_eq!(plan.working_directory, std::path::Path::new("/shop"));
        assert!(plan.worktree.team);
        assert_eq!(plan.role.health.interval, 7 * SECOND);
    }
    let snapshot = rig.snapshot();
    let roles: Vec<&str> = snapshot
        .processes
        .iter()
        .map(|one| one.role.as_str())
        .collect();
    assert_eq!(roles, ["developer", "developer", "tester"]);
    assert!(
        snapshot
            .processes
            .iter()
            .all(|one| one.cluster.as_deref() == Some("team"))
    );
    let last = snapshot.messages.last().unwrap();
    assert_eq!(last.text, "team: 3 hired, 3 started");
    // A second start finds nothing to do, and answers at once.
    let again = order(&mut rig, ClusterOrder::Start);
    assert_eq!(self::done(&rig, again), ClusterDone::default());
}

#[test]
fn one_that_does_not_come_up_is_named_with_its_cause() {
    let mut rig = with_team();
    let reply = order(&mut rig, ClusterOrder::Start);
    let runs: Vec<RunId> = rig.launches.iter().map(|plan| plan.run).collect();
    rig.launched(runs[0]);
    rig.exit(runs[0], ExitStatus::Code(1));
    rig.is_up(runs[1]);
    rig.is_up(runs[2]);
    let done = done(&rig, reply);
    assert_eq!(done.started, ids(&[2, 3]));
    let (who, why) = done.failed.first().unwrap();
    assert_eq!(*who, ProcessId(1));
    assert!(why.contains("it crashed"), "{why}");
}

#[test]
fn a_stop_ends_all_and_counts_what_ended() {
    let mut rig = started();
    let reply = order(&mut rig, ClusterOrder::Stop);
    assert_eq!(rig.closed.len(), 3);
    assert_eq!(rig.answer(reply), None);
    ends(&mut rig);
    let stopped = done(&rig, reply);
    assert_eq!(stopped.stopped, ids(&[1, 2, 3]));
    assert_eq!((stopped.ended, stopped.left), (3, 0));
    let said = rig.snapshot().messages.last().unwrap().text.clone();
    assert_eq!(said, "team: 3 stopped: 3 processes ended, 0 left");
    // What a person stopped is not started by tasks, and nobody is hired for it.
    let task = for_team(&mut rig, "work");
    rig.pass(Duration::from_secs(3600));
    assert_eq!(rig.launches.len(), 3);
    let snapshot = rig.snapshot();
    assert_eq!(
        snapshot.why(task).as_deref(),
        Some("nobody of team is up, 3 stopped by you: `headcount cluster start team`")
    );
    // A start takes them all back, and hires nobody.
    order(&mut rig, ClusterOrder::Start);
    all_come_up(&mut rig);
    assert_eq!(rig.snapshot().processes.len(), 3);
    assert_eq!(rig.task(task).state, TaskState::Assigned);
}

#[test]
fn a_restart_takes_those_who_are_up_and_leaves_down_whom_a_person_stopped() {
    let mut rig = started();
    rig.order(Command::Stop(ProcessId(2)));
    ends(&mut rig);
    let reply = order(&mut rig, ClusterOrder::Restart);
    ends(&mut rig);
    all_come_up(&mut rig);
    assert_eq!(done(&rig, reply).started, ids(&[1, 3]));
    assert_eq!(rig.status(ProcessId(2)), Status::Stopped);
    for id in [1, 3] {
        rig.order(Command::Stop(ProcessId(id)));
    }
    ends(&mut rig);
    let refused = order(&mut rig, ClusterOrder::Restart);
    assert!(
        matches!(rig.answer(refused), Some(Err(Refusal::State(text))) if text.contains("cluster start team"))
    );
}

#[test]
fn a_rolling_restart_takes_one_of_each_role_at_a_time() {
    let mut rig = started();
    let reply = order(&mut rig, ClusterOrder::RestartRolling);
    assert_eq!(done(&rig, reply).in_turn, ids(&[1, 2, 3]));
    let runs: Vec<RunId> = rig.launches.iter().map(|plan| plan.run).collect();
    assert_eq!(rig.closed, [runs[0], runs[2]]);
    ends(&mut rig);
    assert_eq!(rig.status(ProcessId(2)), Status::Running);
    assert_eq!(rig.closed, []);
    all_come_up(&mut rig);
    assert_eq!(rig.closed, [runs[1]]);
    ends(&mut rig);
    all_come_up(&mut rig);
    assert_eq!(statuses(&mut rig), [Status::Running; 3]);
    assert_eq!(rig.launches.len(), 6);
    // Where one does not come up, the others of its role run on.
    order(&mut rig, ClusterOrder::RestartRolling);
    ends(&mut rig);
    let run = rig.fleet.live_runs().next().map(|(_, run)| run).unwrap();
    rig.launched(run);
    rig.exit(run, ExitStatus::Code(1));
    all_come_up(&mut rig);
    assert_eq!(rig.status(ProcessId(2)), Status::Running);
    rig.pass(SECOND);
    assert_eq!(rig.closed, []);
    let said = rig
        .snapshot()
        .messages
        .iter()
        .any(|one| one.text.contains("is not up again; "));
    assert!(said);
}

#[test]
fn f7_a_smaller_size_takes_who_is_down_then_the_idle_then_the_busy_after_their_task() {
    let mut rig = started();
    scale(&mut rig, "developer", 5);
    all_come_up(&mut rig);
    // 1 and 2, hired first, are at work; 4, 5 and 6 came with the larger size.
    let busy = [ProcessId(1), ProcessId(2)].map(|id| (rig.add("work", Some(id)), id));
    rig.order(Command::Stop(ProcessId(4)));
    ends(&mut rig);
    let reply = scale(&mut rig, "developer", 3);
    // The one who is down, and one of the idle: who came last of these.
    ends(&mut rig);
    assert_eq!(done(&rig, reply).stopped, ids(&[4, 6]));
    assert_eq!(rig.status(ProcessId(5)), Status::Running);
    let reply = scale(&mut rig, "developer", 1);
    ends(&mut rig);
    assert_eq!(rig.answer(reply), None);
    let view = rig.snapshot().process(ProcessId(2)).cloned().unwrap();
    assert_eq!(view.stopping.as_deref(), Some("after the current task"));
    assert_eq!(rig.task(busy[1].0).process(), Some(ProcessId(2)));
    let run = view.run.unwrap();
    rig.turn_ends(run, true);
    rig.turn_ends(run, true);
    ends(&mut rig);
    assert_eq!(done(&rig, reply).stopped, ids(&[2, 5]));
    assert_eq!(rig.status(ProcessId(1)), Status::Running);
    let counts = member(&mut rig, "developer");
    assert_eq!(
        (
            counts.wanted,
            counts.hired,
            counts.spare,
            counts.up,
            counts.busy
        ),
        (1, 1, 4, 1, 1)
    );
    // Their record stays, and says what brings them back.
    let view = rig.snapshot().process(ProcessId(5)).cloned().unwrap();
    assert_eq!(view.upkeep.rest, Some(Rest::Scaled));
    assert_eq!(
        view.now,
        "its cluster was scaled to 1; a larger size takes it back"
    );
}

#[test]
fn a_larger_size_takes_back_before_it_hires() {
    let mut rig = started();
    scale(&mut rig, "developer", 0);
    ends(&mut rig);
    // Neither time, tasks, a start nor another instance bring them back.
    let task = for_team(&mut rig, "work");
    rig.pass(Duration::from_secs(3600));
    let mut rig = rig.reborn();
    rig.event(crate::domain::event::Event::Booted);
    order(&mut rig, ClusterOrder::Start);
    assert_eq!(rig.launches.len(), 0);
    assert_eq!(member(&mut rig, "developer").wanted, 0);
    assert_eq!(rig.task(task).state, TaskState::Assigned);
    let reply = scale(&mut rig, "developer", 3);
    all_come_up(&mut rig);
    let done = done(&rig, reply);
    assert_eq!(done.hired, ids(&[4]));
    assert_eq!(done.started, ids(&[1, 2, 4]));
    let counts = member(&mut rig, "developer");
    assert_eq!((counts.wanted, counts.hired, counts.spare), (3, 3, 0));
}

#[test]
fn the_size_that_was_wanted_outlives_the_instance_and_that_of_the_file_is_followed_again() {
    let mut rig = started();
    scale(&mut rig, "tester", 2);
    all_come_up(&mut rig);
    let mut rig = rig.reborn();
    assert_eq!(member(&mut rig, "tester").wanted, 2);
    let notes = differences(&mut rig);
    assert_eq!(notes, ["tester: roles.toml declares 1, it was scaled to 2"]);
    scale(&mut rig, "tester", 1);
    rig.reconfigure(|catalogue| catalogue.clusters[0].members[1].instances = 4);
    assert_eq!(member(&mut rig, "tester").wanted, 4);
}

#[test]
fn more_that_are_declared_are_told_and_not_hired() {
    let mut rig = started();
    rig.reconfigure(|catalogue| catalogue.clusters[0].members[0].instances = 3);
    rig.pass(Duration::from_secs(200));
    assert_eq!(rig.launches.len(), 3);
    let notes = differences;
    assert_eq!(
        notes(&mut rig),
        ["developer: 1 of 3 is not hired yet; `headcount cluster start team` does"]
    );
    let reply = order(&mut rig, ClusterOrder::Start);
    all_come_up(&mut rig);
    assert_eq!(done(&rig, reply).hired, ids(&[4]));
    assert_eq!(notes(&mut rig), Vec::<String>::new());
    // A role that is declared no more, and then the whole table.
    rig.reconfigure(|catalogue| drop(catalogue.clusters[0].members.remove(1)));
    assert!(notes(&mut rig)[0].starts_with("tester is not declared any more: 1 there"));
    rig.reconfigure(|catalogue| catalogue.clusters.clear());
    assert!(!rig.snapshot().cluster("team").unwrap().declared);
    let refused = order(&mut rig, ClusterOrder::Start);
    assert!(matches!(rig.answer(refused), Some(Err(Refusal::State(_)))));
    let reply = scale(&mut rig, "tester", 0);
    order(&mut rig, ClusterOrder::Stop);
    ends(&mut rig);
    assert_eq!(done(&rig, reply).stopped, ids(&[3]));
}

#[test]
fn what_makes_no_sense_is_refused_with_what_does() {
    let mut rig = started();
    let refused = |rig: &mut Rig, sizes: &[(&str, u32)]| {
        let sizes = sizes
            .iter()
            .map(|(role, count)| ((*role).to_owned(), *count));
        let reply = order(rig, ClusterOrder::Scale(sizes.collect()));
        match rig.answer(reply) {
            Some(Err(refusal)) => refusal.to_string(),
            other => panic!("not refused: {other:?}"),
        }
    };
    for (sizes, says) in [
        (&[][..], "say which role and how many: ROLE=N"),
        (
            &[("develper", 1)],
            "the cluster team has no role `develper`; the nearest is `developer`",
        ),
        (
            &[("zzz", 1)],
            "the cluster team has no role `zzz`; it has developer, tester",
        ),
        (&[("tester", 1), ("tester", 2)], "`tester` is given twice"),
        (
            &[("tester", 1001)],
            "1001 of a role are too many; at most 1000",
        ),
    ] {
        assert_eq!(refused(&mut rig, sizes), says);
    }
    // Nothing of a list that is wrong is done.
    refused(&mut rig, &[("tester", 0), ("zzz", 1)]);
    assert_eq!(member(&mut rig, "tester").wanted, 1);
    let reply = rig.order(Command::Cluster(ToCluster {
        cluster: "taem".to_owned(),
        order: ClusterOrder::Start,
        folder: None,
    }));
    let Some(Err(refusal)) = rig.answer(reply) else {
        panic!("an unknown cluster is started");
    };
    assert_eq!(
        refusal.to_string(),
        "there is no cluster `taem`; the nearest are team"
    );
    assert_eq!(refusal.remedy().as_deref(), Some("use `team`"));
    let new = NewTask {
        text: "work".to_owned(),
        target: Target {
            cluster: Some("taem".to_owned()),
            ..Target::default()
        },
        ..NewTask::default()
    };
    let reply = rig.order(Command::AddTask(Box::new(new)));
    assert!(matches!(
        rig.answer(reply),
        Some(Err(Refusal::UnknownCluster { .. }))
    ));
}

#[test]
fn a_full_disk_takes_a_start_and_a_size_back() {
    let mut rig = with_team();
    rig.disk = false;
    let start = order(&mut rig, ClusterOrder::Start);
    assert!(matches!(
        rig.answer(start),
        Some(Err(Refusal::NotStored(_)))
    ));
    let size = scale(&mut rig, "tester", 3);
    assert!(matches!(rig.answer(size), Some(Err(Refusal::NotStored(_)))));
    assert_eq!(rig.snapshot().processes.len(), 0);
    assert_eq!(member(&mut rig, "tester").wanted, 1);
    assert_eq!(rig.launches.len(), 0);
    rig.disk = true;
    rig.pass(5 * SECOND);
    assert_eq!(rig.launches.len(), 0);
}

#[test]
fn a_task_of_a_cluster_goes_to_one_of_it_by_its_own_rule() {
    let mut rig = with_team();
    let (other, _) = rig.ready("developer");
    let task = for_team(&mut rig, "first");
    let why = rig.snapshot().why(task).map(std::borrow::Cow::into_owned);
    assert_eq!(
        why.as_deref(),
        Some("team has nobody yet: `headcount cluster start team`")
    );
    order(&mut rig, ClusterOrder::Start);
    all_come_up(&mut rig);
    let who = rig.task(task).process().unwrap();
    assert_ne!(who, other);
    // Whoever has worked least: by round robin it would be the turn of another.
    let run = rig.snapshot().process(who).unwrap().run.unwrap();
    rig.turn_ends(run, true);
    rig.pass(200 * SECOND);
    rig.turn_ends(run, true);
    let mut seen = vec![who];
    for text in ["second", "third"] {
        let task = for_team(&mut rig, text);
        let who = rig.task(task).process().unwrap();
        assert!(!seen.contains(&who), "{who} again");
        seen.push(who);
    }
}

#[test]
fn who_is_hired_with_worktrees_switched_off_shares_by_will() {
    let mut rig = with_team();
    rig.reconfigure(|catalogue: &mut Catalogue| {
        catalogue.clusters[0].members[0].role.worktree.when = UseWorktree::Never;
    });
    order(&mut rig, ClusterOrder::Start);
    all_come_up(&mut rig);
    let team: Vec<bool> = rig.launches.iter().map(|plan| plan.worktree.team).collect();
    assert_eq!(team, [false, false, true]);
    assert_eq!(
        rig.snapshot().cluster("team").unwrap().notes,
        Vec::<String>::new()
    );
    // Two who would have one and could not get it are told.
    scale(&mut rig, "tester", 2);
    all_come_up(&mut rig);
    let notes = rig.snapshot().cluster("team").unwrap().notes.clone();
    assert!(notes[1].starts_with("2 work in /shop itself"), "{notes:?}");
}

#[test]
fn states_of_before_there_were_clusters_are_read() {
    let mut rig = Rig::new();
    rig.order(Command::Create(Box::new(NewProcess {
        role: "developer".to_owned(),
        no_start: true,
        ..NewProcess::default()
    })));
    rig.add("work", None);
    let meta = rig.saved.meta.as_mut().unwrap();
    *meta = meta.replace(",\"scaled\":{}", "");
    assert!(!meta.contains("scaled"));
    for document in rig.saved.processes.values_mut() {
        *document = document.replace(",\"extra\":false", "");
        assert!(!document.contains("extra") && !document.contains("cluster"));
    }
    assert!(rig.saved.tasks.values().all(|one| !one.contains("cluster")));
    assert_eq!(rig.reborn().snapshot().processes.len(), 1);
}
