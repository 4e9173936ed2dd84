//! Work in git worktrees: nobody works where git is at work, and tasks on branches of their own.

use std::time::Duration;

use super::rig::{Rig, role};
use crate::domain::command::{Command, NewProcess, Outcome, Refusal};
use crate::domain::effect::Effect;
use crate::domain::event::{Event, Fact, TurnEnd};
use crate::domain::exit::ExitStatus;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::order::Order;
use crate::domain::snapshot::Status;
use crate::domain::task::{Attempt, NewTask, Target, TaskState, Tokens};
use crate::domain::work::{FileChange, Work};
use crate::domain::worktree::{
    Aside, MergeMode, Merged, Switch, WorkDone, WorkOf, WorkOrder, WorkSummary, Worktree,
};

fn tree() -> Worktree {
    Worktree {
        repository: "/shop".into(),
        top: "/trees/proc_001".into(),
        folder: "/trees/proc_001/src".into(),
        branch: "headcount/ada".to_owned(),
        base: "main".to_owned(),
        begun: "0123456789".to_owned(),
        task: None,
        aside: None,
    }
}

/// The same while the branch of a task is checked out.
fn on_task(task: TaskId) -> Worktree {
    let own = tree();
    Worktree {
        branch: format!("headcount/{task}"),
        task: Some(task),
        aside: Some(Aside {
            branch: own.branch.clone(),
            base: own.base.clone(),
            begun: own.begun.clone(),
        }),
        ..own
    }
}

/// One that is up in a worktree of its own.
fn apart(rig: &mut Rig) -> (ProcessId, RunId) {
    let id = rig.hire("developer");
    let run = rig.launches.last().unwrap().run;
    rig.event(Event::Placed {
        run,
        worktree: Some(Box::new(tree())),
        notes: vec![],
    });
    rig.comes_up();
    (id, run)
}

fn bring() -> WorkOrder {
    WorkOrder::Bring {
        mode: MergeMode::Merge,
        commit: None,
    }
}

fn work(rig: &mut Rig, of: WorkOf, order: WorkOrder) -> crate::domain::effect::ReplyId {
    rig.order(Command::Work { of, order })
}

/// Git is done with what it was asked for last.
fn done(rig: &mut Rig, result: Result<WorkDone, Refusal>) {
    let asked = rig.git.iter().rev().find_map(|effect| match effect {
        Effect::Work {
            reply,
            process,
            worktree,
            ..
        } => Some((*reply, *process, worktree.clone())),
        _ => None,
    });
    let (reply, process, worktree) = asked.expect("it was asked for");
    rig.event(Event::Worked {
        reply,
        process,
        worktree,
        result: Box::new(result),
    });
}

fn own_branch(rig: &mut Rig, text: &str) -> TaskId {
    let new = NewTask {
        text: text.to_owned(),
        target: Target {
            own_branch: true,
            ..Target::default()
        },
        ..NewTask::default()
    };
    let reply = rig.order(Command::AddTask(Box::new(new)));
    match rig.answer(reply) {
        Some(Ok(Outcome::TaskAdded(id))) => *id,
        other => panic!("{other:?}"),
    }
}

/// The place that was asked for last.
fn placing(rig: &Rig) -> (Switch, uuid::Uuid) {
    let last = rig.git.iter().rev().find_map(|effect| match effect {
        Effect::Place { to, message, .. } => Some((to.clone(), *message)),
        _ => None,
    });
    last.expect("a place was asked for")
}

fn moved(rig: &mut Rig, id: ProcessId, run: RunId, result: Result<Worktree, Refusal>) {
    let (_, message) = placing(rig);
    rig.event(Event::Moved {
        process: id,
        run,
        message,
        result: Box::new(result),
    });
}

#[test]
fn nobody_is_launched_in_a_worktree_that_is_not_on_disk() {
    let mut rig = Rig::new();
    let id = rig.hire("developer");
    let run = rig.launches.last().unwrap().run;
    rig.slow = Some(vec![]);
    rig.event(Event::Placed {
        run,
        worktree: Some(Box::new(tree())),
        notes: vec![],
    });
    assert_eq!(rig.git, []);
    rig.disk_takes_next(true);
    assert_eq!(rig.git.first(), Some(&Effect::Placed { process: id, run }));
}

#[test]
fn nobody_gets_a_task_while_git_is_at_work_in_the_worktree() {
    let mut rig = Rig::new();
    let (id, _) = apart(&mut rig);
    let reply = work(&mut rig, WorkOf::Process(id), bring());
    assert_eq!(rig.answer(reply), None);
    let task = rig.add("meanwhile", None);
    assert_eq!(rig.task(task).state, TaskState::Queued);
    let second = work(&mut rig, WorkOf::Process(id), WorkOrder::Discard);
    assert!(matches!(rig.answer(second), Some(Err(Refusal::State(_)))));
    let merged = Merged::Done {
        commit: "abcdef0123456789".to_owned(),
        commits: 2,
    };
    done(&mut rig, Ok(WorkDone::Brought(merged)));
    assert!(matches!(
        rig.answer(reply),
        Some(Ok(Outcome::Worked { .. }))
    ));
    assert_ne!(rig.task(task).state, TaskState::Queued);
    let said = rig.snapshot().messages.last().unwrap().text.clone();
    assert!(
        said.ends_with("2 commits of headcount/ada brought home to main, now at abcdef0123"),
        "{said}"
    );
}

#[test]
fn a_task_that_has_just_ended_is_brought_home_before_the_agent_says_that_it_is_idle() {
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    rig.add("busy", None);
    let end = TurnEnd {
        messages: vec![rig.message(run)],
        conversation: None,
        success: true,
        interrupted: false,
        retryable: true,
        text: "done".to_owned(),
        turns: 1,
        cost_usd: 0.0,
        tokens: Tokens::default(),
        denials: Vec::new(),
    };
    rig.fact(run, Fact::TurnEnded(Box::new(end)));
    let reply = work(&mut rig, WorkOf::Process(id), bring());
    assert_eq!(rig.answer(reply), None, "git is at it");
    // Who begins a turn by itself is at work again.
    done(&mut rig, Err(Refusal::State("no".to_owned())));
    rig.fact(run, Fact::TurnStarted { message: None });
    let reply = work(&mut rig, WorkOf::Process(id), bring());
    assert!(matches!(rig.answer(reply), Some(Err(Refusal::State(_)))));
}

#[test]
fn one_that_is_at_work_is_left_alone_but_for_a_patch() {
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    let task = rig.add("busy", None);
    assert_ne!(rig.task(task).state, TaskState::Queued);
    for order in [bring(), WorkOrder::Discard] {
        let reply = work(&mut rig, WorkOf::Process(id), order);
        let Some(Err(Refusal::State(why))) = rig.answer(reply) else {
            panic!("{:?}", rig.answer(reply));
        };
        assert!(why.contains("is at work"), "{why}");
    }
    let patch = WorkOrder::Export("/tmp/x.patch".into());
    let reply = work(&mut rig, WorkOf::Process(id), patch);
    assert_eq!(rig.answer(reply), None);
    let written = WorkDone::Exported {
        to: "/tmp/x.patch".into(),
        bytes: 3,
    };
    done(&mut rig, Ok(written));
    assert!(matches!(
        rig.answer(reply),
        Some(Ok(Outcome::Worked { .. }))
    ));
    rig.turn_ends(run, true);
    // What git refuses is the answer, and the next one may try.
    let reply = work(&mut rig, WorkOf::Process(id), bring());
    let refusal = Refusal::Work {
        cause: "no".to_owned(),
        remedy: None,
    };
    done(&mut rig, Err(refusal.clone()));
    assert_eq!(rig.answer(reply), Some(&Err(refusal)));
    let again = work(&mut rig, WorkOf::Process(id), bring());
    assert_eq!(rig.answer(again), None);
}

#[test]
fn what_cannot_be_brought_home_says_why() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("in the folder", None);
    rig.turn_ends(run, true);
    for (of, says) in [
        (WorkOf::Process(id), "without a git worktree"),
        (WorkOf::Task(task), "without a git worktree"),
    ] {
        let reply = work(&mut rig, of, bring());
        let Some(Err(refusal)) = rig.answer(reply) else {
            panic!("{:?}", rig.answer(reply));
        };
        assert!(refusal.to_string().contains(says), "{refusal}");
    }
    let unknown = work(&mut rig, WorkOf::Process(ProcessId(9)), bring());
    assert_eq!(
        rig.answer(unknown),
        Some(&Err(Refusal::UnknownProcess(ProcessId(9))))
    );
    let unknown = work(&mut rig, WorkOf::Task(TaskId(99)), bring());
    assert_eq!(
        rig.answer(unknown),
        Some(&Err(Refusal::UnknownTask(TaskId(99))))
    );
    // A task that shares the branch of its process is not brought home alone.
    let mut rig = Rig::new();
    let (_, run) = apart(&mut rig);
    let task = rig.add("shares", None);
    rig.turn_ends(run, true);
    let reply = work(&mut rig, WorkOf::Task(task), bring());
    let Some(Err(refusal)) = rig.answer(reply) else {
        panic!("{:?}", rig.answer(reply));
    };
    assert!(
        refusal.to_string().contains("part of headcount/ada"),
        "{refusal}"
    );
}

#[test]
fn a_task_gets_a_branch_of_its_own_and_the_next_one_goes_back() {
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    let task = own_branch(&mut rig, "alone");
    assert_eq!(rig.task(task).state, TaskState::Assigned);
    let (to, _) = placing(&rig);
    assert_eq!(to, Switch::Task { task, known: None });
    let messages = |rig: &Rig| {
        let sent = rig.sent.iter();
        sent.filter(|(_, _, order)| matches!(order, Order::Message { .. }))
            .count()
    };
    assert_eq!(messages(&rig), 0, "not before it is there");
    moved(&mut rig, id, run, Ok(on_task(task)));
    assert_eq!(messages(&rig), 1);
    assert_eq!(
        rig.task(task).worktree.map(|tree| tree.branch),
        Some("headcount/task_0001".to_owned())
    );
    rig.turn_ends(run, true);
    assert_eq!(rig.task(task).state, TaskState::Succeeded);
    // It is brought home alone, on the branch that it has.
    let reply = work(&mut rig, WorkOf::Task(task), bring());
    assert_eq!(rig.answer(reply), None);
    let Some(Effect::Work { worktree, .. }) = rig.git.last() else {
        panic!("{:?}", rig.git.last());
    };
    assert_eq!(worktree.branch, "headcount/task_0001");
    done(&mut rig, Ok(WorkDone::Brought(Merged::Nothing)));
    // The next one is the process's own again.
    let next = rig.add("as ever", None);
    assert_eq!(placing(&rig).0, Switch::Back);
    moved(&mut rig, id, run, Ok(tree()));
    rig.turn_ends(run, true);
    rig.turn_ends(run, true);
    assert_eq!(rig.task(next).state, TaskState::Succeeded);
    assert_eq!(rig.task(next).worktree, None);
}

#[test]
fn a_branch_that_cannot_be_had_fails_the_attempt_with_the_reason() {
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    let task = own_branch(&mut rig, "alone");
    let refusal = Refusal::Work {
        cause: "you are in the middle of a merge".to_owned(),
        remedy: Some("end it".to_owned()),
    };
    moved(&mut rig, id, run, Err(refusal));
    let seen = rig.task(task);
    let error = seen.error.unwrap();
    assert!(
        error.contains("in the middle of a merge; end it"),
        "{error}"
    );
    assert_eq!(seen.state, TaskState::Queued);
    assert!(seen.not_before.is_some(), "not at once again");
}

#[test]
fn a_stop_while_it_is_moved_gives_the_task_back() {
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    let task = own_branch(&mut rig, "alone");
    rig.order(Command::Stop(id));
    assert_eq!(rig.task(task).state, TaskState::Queued);
    // What comes after that changes nothing but where the worktree is.
    moved(&mut rig, id, run, Ok(on_task(task)));
    assert_eq!(rig.task(task).state, TaskState::Queued);
    let view = rig.snapshot().process(id).unwrap().worktree.clone();
    assert_eq!(view.unwrap().task, Some(task));
}

#[test]
fn one_that_was_cancelled_while_it_is_moved_is_not_begun() {
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    let task = own_branch(&mut rig, "alone");
    rig.order(Command::CancelTask(task));
    assert_eq!(rig.task(task).state, TaskState::Cancelled);
    moved(&mut rig, id, run, Ok(on_task(task)));
    assert!(
        !rig.sent
            .iter()
            .any(|(_, _, order)| matches!(order, Order::Message { .. }))
    );
}

#[test]
fn a_new_instance_asks_again_for_a_place_that_nobody_heard_of() {
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    let task = own_branch(&mut rig, "alone");
    let before = placing(&rig);
    let mut rig = rig.reborn();
    assert!(rig.git.is_empty());
    rig.event(Event::Adopted {
        run,
        accepted: 1,
        alive: true,
    });
    assert_eq!(placing(&rig), before);
    moved(&mut rig, id, run, Ok(on_task(task)));
    rig.turn_ends(run, true);
    assert_eq!(rig.task(task).state, TaskState::Succeeded);
}

#[test]
fn a_task_that_wants_a_branch_waits_for_somebody_with_a_worktree() {
    let mut rig = Rig::new();
    rig.ready("developer");
    let task = own_branch(&mut rig, "alone");
    assert_eq!(rig.task(task).state, TaskState::Queued);
    let snapshot = rig.snapshot();
    let why = snapshot.why(task).unwrap();
    assert!(why.contains("--worktree always"), "{why}");
}

#[test]
fn a_role_may_want_a_branch_for_each_task() {
    let mut rig = Rig::new();
    rig.configure(|catalogue| {
        let mut developer = role("developer");
        developer.worktree.per_task = true;
        developer.worktree.base = Some("release".to_owned());
        for role in &mut catalogue.roles {
            if role.key == "developer" {
                role.worktree = developer.worktree.clone();
            }
        }
    });
    apart(&mut rig);
    let task = rig.add("any", None);
    assert_eq!(placing(&rig).0, Switch::Task { task, known: None });
    let Some(Effect::Place { base, .. }) = rig.git.last() else {
        panic!("{:?}", rig.git.last());
    };
    assert_eq!(base.as_deref(), Some("release"));
}

fn summary(uncommitted: u32, open: &[&str]) -> WorkSummary {
    WorkSummary {
        at: super::rig::t0().wall,
        branch: "headcount/ada".to_owned(),
        base: "main".to_owned(),
        ahead: 1,
        behind: 0,
        files: 3,
        uncommitted,
        open: open.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[test]
fn what_is_not_committed_is_said_when_a_run_has_ended() {
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    rig.git.clear();
    rig.order(Command::Stop(id));
    rig.exit(run, ExitStatus::Code(0));
    assert!(
        matches!(rig.git.last(), Some(Effect::Survey { ended: true, .. })),
        "{:?}",
        rig.git
    );
    let open = ["a.rs", "b.rs", "c.rs", "d.rs"];
    rig.event(Event::Surveyed {
        process: id,
        summary: Box::new(summary(4, &open)),
        ended: true,
    });
    let snapshot = rig.snapshot();
    let said = &snapshot.messages.last().unwrap().text;
    assert!(
        said.ends_with("4 files are not committed: a.rs, b.rs, c.rs and 1 more"),
        "{said}"
    );
    let work = snapshot.process(id).unwrap().work.clone().unwrap();
    assert_eq!(work.uncommitted, 4);
    // All is committed: nothing to say.
    let count = rig.snapshot().messages.len();
    rig.event(Event::Surveyed {
        process: id,
        summary: Box::new(summary(0, &[])),
        ended: true,
    });
    assert_eq!(rig.snapshot().messages.len(), count);
}

#[test]
fn git_and_the_tools_are_held_against_each_other() {
    let file = |path: &str| FileChange {
        path: path.to_owned(),
        added: 1,
        removed: 0,
    };
    let mut work = Work {
        files: vec![
            file("/trees/proc_001/src/told.rs"),
            file("../Cargo.toml"),
            file("./gone.rs"),
            file("/elsewhere/out.rs"),
        ],
        ..Work::default()
    };
    assert_eq!(work.differences(&tree()), None, "git was not asked");
    work.by_git = Some(vec![
        "src/told.rs".to_owned(),
        "Cargo.toml".to_owned(),
        "src/generated.rs".to_owned(),
    ]);
    let found = work.differences(&tree()).unwrap();
    assert_eq!(found.by_git, ["src/generated.rs"]);
    assert_eq!(found.by_tools, ["src/gone.rs", "/elsewhere/out.rs"]);
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    let task = rig.add("one", None);
    rig.turn_ends(run, true);
    rig.event(Event::Marked {
        process: id,
        task,
        files: vec!["x.rs".to_owned()],
    });
    let attempts: Vec<Attempt> = rig.task(task).attempts;
    assert_eq!(
        attempts[0].work.by_git.as_deref(),
        Some(&["x.rs".to_owned()][..])
    );
}

#[test]
fn whoever_works_in_the_folder_itself_stays_there_over_a_restart() {
    let mut rig = Rig::new();
    let others = |rig: &Rig| {
        let plan = rig.launches.last().unwrap();
        plan.worktree.others.len()
    };
    let (first, run) = rig.ready("developer");
    assert_eq!(others(&rig), 0);
    let new = NewProcess {
        role: "developer".to_owned(),
        no_start: true,
        ..NewProcess::default()
    };
    rig.order(Command::Create(Box::new(new)));
    let (_, _) = rig.ready("developer");
    assert_eq!(others(&rig), 1);
    rig.order(Command::Restart(first));
    rig.exit(run, ExitStatus::Code(0));
    assert_eq!(rig.launches.last().unwrap().process, first);
    assert_eq!(others(&rig), 0);
}

#[test]
fn who_was_never_started_is_in_nobodys_way() {
    let mut rig = Rig::new();
    let new = NewProcess {
        role: "developer".to_owned(),
        no_start: true,
        ..NewProcess::default()
    };
    rig.order(Command::Create(Box::new(new)));
    rig.hire("developer");
    assert!(rig.launches.last().unwrap().worktree.others.is_empty());
}

#[test]
fn nothing_starts_one_who_is_let_go_while_its_work_is_put_away() {
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    let up = rig.order(Command::Remove(id));
    assert!(matches!(rig.answer(up), Some(Err(Refusal::State(_)))));
    // It failed, and would be started again in a while.
    rig.exit(run, ExitStatus::Code(1));
    assert_eq!(rig.status(id), Status::Backoff);
    let first = rig.launches.len();
    let removed = rig.order(Command::Remove(id));
    let asked = matches!(rig.git.last(), Some(Effect::Clear { process, .. }) if *process == id);
    assert!(asked, "{:?}", rig.git);
    assert_eq!(rig.answer(removed), None);
    for command in [
        Command::Start(id),
        Command::Restart(id),
        Command::Remove(id),
        Command::Work {
            of: WorkOf::Process(id),
            order: WorkOrder::Discard,
        },
    ] {
        let reply = rig.order(command);
        assert!(matches!(rig.answer(reply), Some(Err(Refusal::State(_)))));
    }
    rig.add("meanwhile", None);
    rig.pass(Duration::from_secs(3600));
    assert_eq!(rig.launches.len(), first);
    let outcome = Outcome::Removed {
        saved: None,
        left: None,
    };
    rig.event(Event::Cleared {
        reply: removed,
        process: id,
        result: Box::new(Ok(outcome.clone())),
    });
    assert_eq!(rig.answer(removed), Some(&Ok(outcome)));
    assert!(rig.snapshot().processes.is_empty());
}

#[test]
fn one_whose_work_cannot_be_kept_stays_and_can_be_started() {
    let mut rig = Rig::new();
    let (id, run) = apart(&mut rig);
    rig.order(Command::Stop(id));
    rig.exit(run, ExitStatus::Code(0));
    let reply = rig.order(Command::Remove(id));
    let refusal = Refusal::State("it cannot be kept".to_owned());
    rig.event(Event::Cleared {
        reply,
        process: id,
        result: Box::new(Err(refusal.clone())),
    });
    assert_eq!(rig.answer(reply), Some(&Err(refusal)));
    assert_eq!(rig.status(id), Status::Stopped);
    let first = rig.launches.len();
    rig.order(Command::Start(id));
    assert_eq!(rig.launches.len(), first + 1);
}
