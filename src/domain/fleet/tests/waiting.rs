//! Why a task waits, and what is to be done about it; for whom none can be.

use std::time::Duration;

use super::cluster::{order, with_team};
use super::rig::Rig;
use crate::domain::cluster::ClusterOrder;
use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::digest::Account;
use crate::domain::event::Fact;
use crate::domain::exit::ExitStatus;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::snapshot::Status;
use crate::domain::task::{NewTask, Target};

const SECOND: Duration = Duration::from_secs(1);

impl Rig {
    fn for_whom(&mut self, target: Target) -> Result<TaskId, Refusal> {
        let new = NewTask {
            text: "work".to_owned(),
            target,
            ..NewTask::default()
        };
        let reply = self.order(Command::AddTask(Box::new(new)));
        match self.answer(reply).cloned().expect("an answer")? {
            Outcome::TaskAdded(id) => Ok(id),
            other => panic!("{other:?}"),
        }
    }

    fn waits_for(&mut self, target: Target) -> String {
        let id = self.for_whom(target).expect("it is accepted");
        self.waits(id)
    }

    fn waits(&mut self, id: TaskId) -> String {
        self.snapshot().why(id).unwrap_or_default().into_owned()
    }

    fn called(&mut self, id: ProcessId) -> String {
        self.snapshot().process(id).unwrap().name.clone()
    }
}

fn role(key: &str) -> Target {
    Target {
        role: Some(key.to_owned()),
        ..Target::default()
    }
}

fn only(process: ProcessId) -> Target {
    Target {
        process: Some(process),
        ..Target::default()
    }
}

fn skills(all: &[&str]) -> Target {
    Target {
        skills: all.iter().map(|skill| (*skill).to_owned()).collect(),
        ..Target::default()
    }
}

fn of_team(role: Option<&str>) -> Target {
    Target {
        role: role.map(str::to_owned),
        cluster: Some("team".to_owned()),
        ..Target::default()
    }
}

#[test]
fn whom_to_hire_is_named_where_hiring_helps() {
    let mut rig = Rig::new();
    assert_eq!(rig.waits_for(role("tester")), "nobody fits: hire a tester");
    assert_eq!(
        rig.waits_for(skills(&["careful-skill"])),
        "nobody fits: hire a careful"
    );
    assert_eq!(
        rig.waits_for(skills(&["baking", "tester-skill"])),
        "no role has the skills baking, tester-skill: edit for whom it is, or take it back"
    );
    let lacks = Target {
        role: Some("tester".to_owned()),
        ..skills(&["baking"])
    };
    rig.ready("tester");
    assert_eq!(
        rig.waits_for(lacks),
        "a tester lacks the skill baking: edit for whom it is, or take it back"
    );
    rig.hire("developer");
    assert_eq!(
        rig.waits_for(skills(&["developer-skill"])),
        "no idle employee with developer-skill: 1 starting"
    );
}

#[test]
fn whoever_was_stopped_is_named_and_who_is_gone() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let name = rig.called(id);
    rig.order(Command::Stop(id));
    rig.exit(run, ExitStatus::Code(0));
    let waits = rig.waits_for(role("developer"));
    assert_eq!(
        waits,
        format!("nobody who fits is up, 1 stopped by you: start {name}")
    );
    let task = rig.for_whom(only(id)).unwrap();
    assert_eq!(
        rig.waits(task),
        format!("{name} is stopped by you: start {name}")
    );
    rig.order(Command::Remove(id));
    assert_eq!(
        rig.waits(task),
        format!("{id} was removed: edit for whom it is, or take it back")
    );
}

#[test]
fn what_keeps_automation_from_starting_somebody_is_said() {
    let mut rig = Rig::new();
    rig.reconfigure(|catalogue| {
        catalogue.auto_stop.min_processes = 0;
        catalogue.auto_start.long_queue = false;
    });
    let (idle, run) = rig.ready("tester");
    rig.pass(301 * SECOND);
    rig.exit(run, ExitStatus::Code(0));
    assert_eq!(rig.status(idle), Status::Stopped);
    let (_, run) = rig.ready("developer");
    let until = Some(rig.now.wall + 90 * SECOND);
    rig.fact(run, Fact::UsageLimit { until });
    let task = rig.for_whom(role("tester")).unwrap();
    let why = rig.waits(task);
    assert!(
        why.starts_with("nobody who fits is up, 1 stopped: the account is blocked until "),
        "{why}"
    );
    assert_eq!(rig.launches.len(), 2);
}

#[test]
fn a_team_that_was_made_smaller_is_made_larger_again() {
    let mut rig = with_team();
    assert_eq!(
        rig.waits_for(of_team(None)),
        "team has nobody yet: `headcount cluster start team`"
    );
    order(&mut rig, ClusterOrder::Start);
    for _ in 0..3 {
        rig.comes_up();
    }
    let none = [("developer".to_owned(), 0), ("tester".to_owned(), 0)];
    order(&mut rig, ClusterOrder::Scale(none.into()));
    let live: Vec<_> = rig.fleet.live_runs().map(|(_, run)| run).collect();
    for run in live {
        rig.exit(run, ExitStatus::Code(0));
    }
    let why = rig.waits_for(of_team(Some("tester")));
    assert_eq!(
        why,
        "nobody of team is up, 1 left out: `headcount cluster scale team tester=1`"
    );
    let lacks = Target {
        cluster: Some("team".to_owned()),
        ..role("careful")
    };
    assert_eq!(
        rig.waits_for(lacks),
        "nobody of team fits: edit for whom it is, or take it back"
    );
}

#[test]
fn a_task_for_somebody_who_can_never_do_it_is_refused() {
    let mut rig = Rig::new();
    let (id, _) = rig.ready("developer");
    let command = rig.hire("command");
    let name = rig.called(id);
    let contradicts = Target {
        process: Some(id),
        ..role("tester")
    };
    let lacks = Target {
        process: Some(id),
        ..skills(&["tester-skill"])
    };
    let command_name = rig.called(command);
    for (target, words) in [
        (contradicts, format!("{name} is a developer, not a tester")),
        (
            lacks,
            format!("{name} is a developer, who lacks the skill tester-skill"),
        ),
        (
            only(command),
            format!("{command_name} is a command that takes no tasks"),
        ),
        (
            role("command"),
            "command is a role whose command takes no tasks".to_owned(),
        ),
    ] {
        assert_eq!(rig.for_whom(target), Err(Refusal::Invalid(words)));
    }
}

#[test]
fn what_will_not_go_on_by_itself_is_told_to_who_comes_back() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let add = |rig: &mut Rig, after: &[TaskId], held: bool| {
        let new = NewTask {
            text: "work".to_owned(),
            target: role("developer"),
            after: after.iter().map(TaskId::to_string).collect(),
            retries: Some(0),
            held,
            ..NewTask::default()
        };
        let reply = rig.order(Command::AddTask(Box::new(new)));
        match rig.answer(reply) {
            Some(Ok(Outcome::TaskAdded(id))) => *id,
            other => panic!("{other:?}"),
        }
    };
    let fails = add(&mut rig, &[], false);
    let child = add(&mut rig, &[fails], false);
    let grandchild = add(&mut rig, &[child], false);
    let held = add(&mut rig, &[], true);
    let waits = add(&mut rig, &[], false);
    let later = add(&mut rig, &[waits], false);
    let nobody = rig.for_whom(role("tester")).unwrap();
    rig.turn_ends(run, false);
    let digest = Account::since(None).close(&rig.snapshot(), rig.now.wall);
    let told: Vec<(&str, Vec<TaskId>)> = digest
        .stuck
        .iter()
        .map(|note| (note.text.as_str(), note.tasks.clone()))
        .collect();
    assert_eq!(
        told,
        [
            (
                format!("after {fails}, which failed: retry that one").as_str(),
                vec![child, grandchild]
            ),
            ("held until you release it", vec![held]),
            ("nobody fits: hire a tester", vec![nobody]),
        ]
    );
    // These come in their turn.
    assert_eq!(rig.snapshot().stuck(waits), None);
    assert_eq!(rig.snapshot().stuck(later), None);
    assert_eq!(rig.snapshot().waits_like(grandchild), Some(child));
}
