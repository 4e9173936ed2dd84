//! Tasks that wait for others, are changed while they wait, and go to whom they fit.

use std::sync::Arc;
use std::time::Duration;

use super::rig::{Rig, catalogue};
use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::event::{Event, Fact, Mark};
use crate::domain::exit::ExitStatus;
use crate::domain::id::TaskId;
use crate::domain::order::Order;
use crate::domain::role::LoadBalancing;
use crate::domain::task::{
    AttemptEnd, LogSpan, Move, NewTask, Priority, Target, Task, TaskChange, TaskState,
};
use crate::domain::work::FileChange;

const SECOND: Duration = Duration::from_secs(1);

fn new(text: &str, after: &[&str]) -> NewTask {
    NewTask {
        text: text.to_owned(),
        after: after.iter().map(|one| (*one).to_owned()).collect(),
        ..NewTask::default()
    }
}

fn named(name: &str, text: &str, after: &[&str]) -> NewTask {
    NewTask {
        name: Some(name.to_owned()),
        ..new(text, after)
    }
}

impl Rig {
    fn put(&mut self, task: NewTask) -> TaskId {
        let reply = self.order(Command::AddTask(Box::new(task)));
        match self.answer(reply) {
            Some(Ok(Outcome::TaskAdded(id))) => *id,
            other => panic!("not added: {other:?}"),
        }
    }

    fn put_all(&mut self, tasks: Vec<NewTask>) -> Vec<TaskId> {
        let reply = self.order(Command::AddTasks(tasks));
        match self.answer(reply) {
            Some(Ok(Outcome::TasksAdded(ids))) => ids.iter().map(|(id, _)| *id).collect(),
            other => panic!("not added: {other:?}"),
        }
    }

    fn done(&self, reply: ReplyId) -> bool {
        self.answer(reply) == Some(&Ok(Outcome::Done))
    }

    fn refused(&self, reply: ReplyId) -> String {
        match self.answer(reply) {
            Some(Err(refusal)) => refusal.to_string(),
            other => panic!("not refused: {other:?}"),
        }
    }

    fn why(&mut self, id: TaskId) -> String {
        self.snapshot().why(id).unwrap_or_default().into_owned()
    }

    /// Lets a process do what it has until its task is over.
    fn work(&mut self, run: crate::domain::id::RunId, task: TaskId, success: bool) {
        while matches!(self.sent.last(), Some((_, _, Order::Clear { .. }))) {
            self.turn_ends(run, true);
        }
        assert!(self.task(task).state.is_leased(), "{:?}", self.task(task));
        self.turn_ends(run, success);
    }
}

#[test]
fn results_flow_to_those_that_wait_for_them() {
    let mut rig = Rig::new();
    let ids = rig.put_all(vec![
        named("review", "Review: {{result:build}}", &[]),
        named("build", "Build what {{result:plan}} says", &["plan"]),
        named("plan", "Plan it", &[]),
    ]);
    let [review, build, plan] = ids[..] else {
        panic!()
    };
    let states = |rig: &mut Rig| [review, build, plan].map(|id| rig.task(id).state);
    use TaskState::{Assigned, Blocked, Queued, Succeeded};
    assert_eq!(states(&mut rig), [Blocked, Blocked, Queued]);
    assert_eq!(rig.why(review), "after task_0002, which is blocked");
    assert_eq!(rig.task(build).after, [plan]);
    assert_eq!(rig.task(review).text, "Review: {{result:task_0002}}");
    let (_, run) = rig.ready("developer");
    rig.work(run, plan, true);
    assert_eq!(states(&mut rig), [Blocked, Assigned, Succeeded]);
    rig.work(run, build, true);
    let sent = |text: &str, rig: &Rig| {
        let messages = rig.sent.iter().map(|(_, _, order)| order);
        let mut messages = messages
            .filter(|order| matches!(order, Order::Message { text: one, .. } if one == text));
        messages.next().is_some()
    };
    assert!(sent("Build what the end says", &rig));
    rig.work(run, review, true);
    assert!(sent("Review: the end", &rig));
    assert_eq!(states(&mut rig), [Succeeded; 3]);
}

#[test]
fn f4_a_failed_cancelled_or_deleted_parent_blocks_with_the_reason_and_a_retry_unblocks() {
    let mut rig = Rig::new();
    let parent = rig.put(NewTask {
        retries: Some(0),
        ..new("parent", &[])
    });
    let child = rig.put(new("child", &["task_1"]));
    assert_eq!(rig.why(child), "after task_0001, which is queued");
    let (_, run) = rig.ready("developer");
    rig.work(run, parent, false);
    assert_eq!(rig.task(parent).state, TaskState::Failed);
    assert_eq!(rig.task(child).state, TaskState::Blocked);
    assert_eq!(
        rig.why(child),
        "after task_0001, which failed: retry that one"
    );
    rig.order(Command::RetryTask(parent));
    rig.order(Command::CancelTask(parent));
    rig.turn_ends(run, true);
    rig.interrupted(run);
    assert_eq!(rig.task(parent).state, TaskState::Cancelled);
    assert_eq!(
        rig.why(child),
        "after task_0001, which was cancelled: retry that one"
    );
    rig.order(Command::RetryTask(parent));
    rig.work(run, parent, true);
    assert!(rig.task(child).state.is_leased());
    rig.work(run, child, true);
    // A deleted one.
    let parent = rig.put(NewTask {
        held: true,
        ..new("parent", &[])
    });
    let child = rig.put(new("child", &[&parent.to_string()]));
    assert_eq!(
        rig.why(child),
        "after task_0003, which is held: release that one"
    );
    let reply = rig.order(Command::RemoveTask(parent));
    assert!(rig.done(reply));
    assert!(rig.snapshot().task(parent).is_none() && !rig.saved.tasks.contains_key(&parent));
    assert_eq!(
        rig.why(child),
        "task_0003, which it waits for, was deleted: edit what it waits for"
    );
    // It stays so over the end of the instance.
    let mut rig = rig.reborn();
    rig.is_taken_up();
    rig.pass(SECOND);
    assert_eq!(rig.task(child).state, TaskState::Blocked);
    let free = TaskChange {
        after: Some(vec![]),
        ..TaskChange::default()
    };
    let change = Box::new(free);
    rig.order(Command::EditTask {
        task: child,
        change,
    });
    assert!(rig.task(child).state.is_leased());
}

#[test]
fn a_result_that_was_deleted_holds_back_only_those_that_need_it() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let parent = rig.put(new("parent", &[]));
    rig.work(run, parent, true);
    let held = |task| NewTask { held: true, ..task };
    let free = rig.put(held(new("after it", &["task_0001"])));
    let bound = rig.put(held(new("with {{result:task_0001}}", &[])));
    rig.order(Command::RemoveTask(parent));
    rig.order(Command::ReleaseTask(free));
    rig.order(Command::ReleaseTask(bound));
    assert!(rig.task(free).state.is_leased());
    assert_eq!(rig.task(bound).state, TaskState::Blocked);
}

#[test]
fn f4_circles_are_refused_and_a_list_is_accepted_whole_or_not_at_all() {
    let mut rig = Rig::new();
    let reply = rig.order(Command::AddTasks(vec![
        named("a", "one", &["b"]),
        named("b", "two", &["c"]),
        named("c", "three {{result:a}}", &[]),
        new("four", &["nobody", "task_0099"]),
        new(" ", &[]),
        named("a", "again", &[]),
        named("task_0007", "as an id", &[]),
    ]));
    let Some(Err(Refusal::Tasks(mistakes))) = rig.answer(reply).cloned() else {
        panic!("{:?}", rig.answer(reply))
    };
    let told: Vec<(usize, &str)> = mistakes
        .iter()
        .map(|mistake| (mistake.index, mistake.text.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "there is no task `nobody` to wait for"),
            (3, "there is no task `task_0099` to wait for"),
            (4, "the task has no text"),
            (5, "another task of the list is called `a` as well"),
            (6, "`task_0007` cannot be the name of a task"),
        ]
        .into_iter()
        .collect::<Vec<_>>()
    );
    let reply = rig.order(Command::AddTasks(vec![
        named("a", "one", &["b"]),
        named("b", "two", &["c"]),
        named("c", "three {{result:a}}", &[]),
    ]));
    let text = rig.refused(reply);
    assert_eq!(
        text,
        "task 1: they would wait for each other: a after b after c after a"
    );
    assert!(rig.snapshot().tasks.is_empty() && rig.saved.tasks.is_empty());
    // A circle by an edit.
    let first = rig.put(new("first", &[]));
    let second = rig.put(new("second", &["task_0001"]));
    let edit = |rig: &mut Rig, task, after: &str| {
        let after = Some(vec![after.to_owned()]);
        let change = Box::new(TaskChange {
            after,
            ..TaskChange::default()
        });
        let reply = rig.order(Command::EditTask { task, change });
        rig.answer(reply).cloned().unwrap()
    };
    let error = edit(&mut rig, first, &second.to_string()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "they would wait for each other: task_0001 after task_0002 after task_0001"
    );
    assert!(edit(&mut rig, first, "task_0001").is_err());
    assert_eq!(rig.task(first).after, []);
}

#[test]
fn a_key_that_is_empty_or_an_id_is_refused_and_loses_no_task() {
    let mut rig = Rig::new();
    for key in ["", "  ", " k", "task_0001"] {
        let keyed = |text: &str| NewTask {
            key: Some(key.to_owned()),
            ..new(text, &[])
        };
        for text in ["one", "two"] {
            let reply = rig.order(Command::AddTask(Box::new(keyed(text))));
            assert!(
                matches!(rig.answer(reply), Some(Err(Refusal::Invalid(_)))),
                "{key:?}"
            );
        }
        let reply = rig.order(Command::AddTasks(vec![keyed("one")]));
        assert!(matches!(rig.answer(reply), Some(Err(Refusal::Tasks(_)))));
    }
    assert!(rig.snapshot().tasks.is_empty());
}

#[test]
fn a_list_is_looked_at_without_being_accepted_and_each_mistake_has_its_key() {
    let mut rig = Rig::new();
    let reply = rig.order(Command::CheckTasks(vec![new("a", &[])]));
    assert!(rig.done(reply));
    let wrong = NewTask {
        target: Target {
            role: Some("nobody".to_owned()),
            cluster: Some("nobody".to_owned()),
            skills: vec![String::new()],
            process: Some(crate::domain::id::ProcessId(99)),
            ..Target::default()
        },
        ..new("see {{result:nothing}}", &["nobody"])
    };
    let reply = rig.order(Command::CheckTasks(vec![new("a", &[]), wrong]));
    let Some(Err(Refusal::Tasks(mistakes))) = rig.answer(reply).cloned() else {
        panic!("{:?}", rig.answer(reply))
    };
    let keys: Vec<_> = mistakes
        .iter()
        .map(|mistake| (mistake.index, mistake.key.as_deref()))
        .collect();
    let wanted = ["skills", "process", "role", "cluster", "after", "text"];
    assert_eq!(keys, wanted.map(|key| (1, Some(key))));
    assert!(rig.snapshot().tasks.is_empty());
}

#[test]
fn a_task_to_wait_for_that_is_not_there_is_told_as_such() {
    let mut rig = Rig::new();
    let reply = rig.order(Command::AddTask(Box::new(new("a", &["task_9999", "b"]))));
    assert_eq!(
        rig.answer(reply),
        Some(&Err(Refusal::NoParents(vec![
            "task_9999".to_owned(),
            "b".to_owned()
        ])))
    );
}

#[test]
fn a_list_that_cannot_be_written_leaves_nothing_behind() {
    let mut rig = Rig::new();
    rig.disk = false;
    let keyed = NewTask {
        key: Some("k".to_owned()),
        ..named("b", "b", &["a"])
    };
    let reply = rig.order(Command::AddTasks(vec![named("a", "a", &[]), keyed.clone()]));
    assert!(matches!(
        rig.answer(reply),
        Some(Err(Refusal::NotStored(_)))
    ));
    assert!(rig.snapshot().tasks.is_empty());
    rig.disk = true;
    rig.pass(5 * SECOND);
    let ids = rig.put_all(vec![named("a", "a", &[]), keyed.clone()]);
    let again = rig.order(Command::AddTasks(vec![named("a", "a", &[]), keyed]));
    let Some(Ok(Outcome::TasksAdded(tasks))) = rig.answer(again).cloned() else {
        panic!()
    };
    assert_eq!(tasks[1], (ids[1], true));
    assert!(!tasks[0].1 && tasks[0].0 != ids[0]);
}

#[test]
fn waiting_tasks_are_edited_moved_held_and_deleted_and_others_are_not() {
    let mut rig = Rig::new();
    let ids: Vec<TaskId> = (0..40)
        .map(|n| rig.put(new(&format!("{n}"), &[])))
        .collect();
    let order = |rig: &mut Rig| {
        let snapshot = rig.snapshot();
        let mut tasks: Vec<&Arc<Task>> = snapshot.tasks.iter().collect();
        tasks.sort_by_key(|task| (task.place(), task.id));
        tasks.iter().map(|task| task.id).collect::<Vec<_>>()
    };
    assert_eq!(order(&mut rig), ids);
    // More moves into one gap than it has room for by halving.
    let mut expected = ids.clone();
    for id in &ids[2..] {
        let to = Move::Before(ids[1]);
        let reply = rig.order(Command::MoveTask { task: *id, to });
        assert!(rig.done(reply));
        expected.retain(|one| one != id);
        let at = expected.iter().position(|one| *one == ids[1]).unwrap();
        expected.insert(at, *id);
        assert_eq!(order(&mut rig), expected);
    }
    let task = ids[20];
    for (to, first) in [(Move::First, true), (Move::Last, false)] {
        rig.order(Command::MoveTask { task, to });
        let now = order(&mut rig);
        let found = if first { now.first() } else { now.last() };
        assert_eq!(found, Some(&task));
    }
    let reply = rig.order(Command::MoveTask {
        task,
        to: Move::Before(task),
    });
    assert!(rig.refused(reply).contains("before itself"));
    // Edited: everything that was said, and what depends on it.
    let change = TaskChange {
        text: Some("other".to_owned()),
        priority: Some(Priority::Urgent),
        target: Some(Target {
            role: Some("tester".to_owned()),
            ..Target::default()
        }),
        timeout: Some(Some(5 * SECOND)),
        retries: Some(Some(7)),
        after: None,
    };
    let change = Box::new(change);
    rig.order(Command::EditTask { task, change });
    let edited = rig.task(task);
    assert_eq!((edited.text.as_str(), edited.retries), ("other", Some(7)));
    assert_eq!(order(&mut rig)[0], task, "urgent ones come first");
    for bad in [
        TaskChange {
            text: Some(" ".to_owned()),
            ..TaskChange::default()
        },
        TaskChange {
            timeout: Some(Some(Duration::ZERO)),
            ..TaskChange::default()
        },
        TaskChange {
            after: Some(vec!["nobody".to_owned()]),
            ..TaskChange::default()
        },
    ] {
        let change = Box::new(bad);
        let reply = rig.order(Command::EditTask { task, change });
        assert!(!rig.refused(reply).is_empty());
    }
    // Held: nobody gets it.
    let held = expected[0];
    rig.order(Command::HoldTask(held));
    let again = rig.order(Command::HoldTask(held));
    assert!(rig.refused(again).contains("held already"));
    assert_eq!(rig.why(held), "held until you release it");
    let (_, _) = rig.ready("developer");
    assert_eq!(rig.task(held).state, TaskState::Held);
    let leased = expected[1];
    assert!(rig.task(leased).state.is_leased());
    for command in [
        Command::HoldTask(leased),
        Command::RemoveTask(leased),
        Command::MoveTask {
            task: leased,
            to: Move::First,
        },
        Command::MoveTask {
            task: held,
            to: Move::Before(leased),
        },
        Command::EditTask {
            task: leased,
            change: Box::default(),
        },
        Command::RemoveTask(TaskId(99)),
    ] {
        let reply = rig.order(command);
        assert!(!rig.refused(reply).is_empty());
    }
}

#[test]
fn f1_a_cut_task_of_a_careful_role_asks_in_the_inbox_what_is_to_become_of_it() {
    use crate::domain::fleet::revise::{GIVE_UP, TRY_AGAIN};
    let answer = |request, text: &str| Command::Answer {
        request,
        answers: vec![text.to_owned()],
    };
    type Act = fn(crate::domain::id::RequestId, TaskId) -> Command;
    let cases: [(Act, TaskState); 6] = [
        (|request, _| Command::Approve(request), TaskState::Queued),
        (
            |request, _| Command::Deny {
                request,
                reason: None,
            },
            TaskState::Failed,
        ),
        (|_, task| Command::ReleaseTask(task), TaskState::Queued),
        (|_, task| Command::CancelTask(task), TaskState::Cancelled),
        (
            |request, _| Command::Answer {
                request,
                answers: vec![TRY_AGAIN.to_owned()],
            },
            TaskState::Queued,
        ),
        (
            |request, _| Command::Answer {
                request,
                answers: vec![GIVE_UP.to_owned()],
            },
            TaskState::Failed,
        ),
    ];
    for (act, state) in cases {
        let mut rig = Rig::new();
        let (_, run) = rig.ready("careful");
        let task = rig.add("deploy", None);
        rig.exit(run, ExitStatus::Code(1));
        assert_eq!(rig.task(task).state, TaskState::Held);
        assert!(rig.why(task).contains("its process died"));
        // It is asked over the end of the instance too.
        let mut rig = rig.reborn();
        rig.pass(SECOND);
        let request = rig.snapshot().requests[0].clone();
        assert!(request.is_open() && request.own && request.task == Some(task));
        assert!(
            request
                .ask
                .line()
                .contains("task_0001 was under way when its process died")
        );
        let unclear = rig.order(answer(request.id, "perhaps"));
        assert!(rig.refused(unclear).contains(TRY_AGAIN));
        let reply = rig.order(act(request.id, task));
        assert!(rig.done(reply));
        assert_eq!(rig.task(task).state, state);
        assert!(!rig.snapshot().requests[0].is_open());
        let late = rig.order(Command::Approve(request.id));
        assert!(!rig.refused(late).is_empty());
    }
}

#[test]
fn what_an_attempt_did_is_kept_with_it() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let at = |log| Mark {
        log,
        ..Mark::default()
    };
    let heard = |rig: &mut Rig, log, facts| {
        let mark = at(log);
        rig.event(Event::Heard { run, mark, facts });
    };
    heard(&mut rig, 100, vec![Fact::Idle]);
    let task = rig.add("work", None);
    let used = |tool: &str| Fact::ToolUsed {
        tool: tool.to_owned(),
        subject: "src/a.rs".to_owned(),
    };
    let changed = |added| {
        Fact::FileChanged(FileChange {
            path: "src/a.rs".to_owned(),
            added,
            removed: 1,
        })
    };
    heard(
        &mut rig,
        200,
        vec![
            used("Read"),
            used("Edit"),
            changed(2),
            used("Edit"),
            changed(3),
        ],
    );
    let view = rig.snapshot().process(id).unwrap().clone();
    assert_eq!(view.progress.as_deref(), Some("Edit  src/a.rs"));
    // It survives the end of the instance: it comes from the agent's words, which are read once.
    assert!(rig.saved.tasks[&task].contains("src/a.rs"));
    rig.turn_ends(run, true);
    let attempt = rig.task(task).attempts[0].clone();
    let tools: Vec<(&str, u32)> = attempt
        .work
        .tools
        .iter()
        .map(|(tool, count)| (tool.as_str(), *count))
        .collect();
    assert_eq!(tools, [("Edit", 2), ("Read", 1)]);
    assert_eq!(
        (attempt.work.files[0].added, attempt.work.files[0].removed),
        (5, 2)
    );
    assert_eq!(
        attempt.log,
        Some(LogSpan {
            from: 100,
            to: Some(0)
        })
    );
    assert_eq!(rig.snapshot().process(id).unwrap().progress, None);
    // What it does by itself afterwards is not the task's.
    heard(&mut rig, 300, vec![used("Bash")]);
    assert_eq!(rig.task(task).attempts[0].work, attempt.work);
}

#[test]
fn free_ones_are_given_work_by_the_rule() {
    let check = |rule, expected: [usize; 4]| {
        let mut rig = Rig::new();
        let mut rules = catalogue();
        rules.load_balancing = rule;
        let catalogue = Arc::new(rules);
        rig.event(Event::Configured { catalogue });
        let staff = [rig.ready("developer"), rig.ready("developer")];
        let mut given = vec![];
        for _ in 0..4 {
            let task = rig.add("work", None);
            let lease = rig.task(task).lease.expect("one is free");
            let who = staff
                .iter()
                .position(|(id, _)| *id == lease.process)
                .unwrap();
            while matches!(rig.sent.last(), Some((_, _, Order::Clear { .. }))) {
                rig.turn_ends(staff[who].1, true);
            }
            // The first takes its time.
            rig.pass(if who == 0 { 100 * SECOND } else { 10 * SECOND });
            rig.turn_ends(staff[who].1, true);
            given.push(who);
        }
        assert_eq!(given, expected, "{rule:?}");
    };
    check(LoadBalancing::RoundRobin, [0, 1, 0, 1]);
    check(LoadBalancing::LeastBusy, [0, 1, 1, 1]);
    check(LoadBalancing::Fastest, [0, 1, 1, 1]);
}

#[test]
fn a_task_that_waits_says_for_whom_and_why() {
    let mut rig = Rig::new();
    let task = rig.put(NewTask {
        target: Target {
            role: Some("developer".to_owned()),
            ..Target::default()
        },
        ..new("work", &[])
    });
    assert_eq!(rig.why(task), "nobody fits: hire a developer");
    let (first, run) = rig.ready("developer");
    let (_, second) = rig.ready("developer");
    let (_, third) = rig.ready("developer");
    for _ in 0..2 {
        rig.add("more", None);
    }
    // All three are busy with the one and the two others.
    let waits = rig.put(NewTask {
        target: Target {
            role: Some("developer".to_owned()),
            ..Target::default()
        },
        ..new("work", &[])
    });
    assert_eq!(rig.why(waits), "no idle developer: 3 busy");
    let until = Some(rig.now.wall + 90 * SECOND);
    rig.fact(third, Fact::UsageLimit { until });
    let why = rig.why(waits);
    assert!(
        why.starts_with("no idle developer: 2 busy, 1 blocked until "),
        "{why}"
    );
    let _ = (run, second);
    let only = rig.put(NewTask {
        target: Target {
            process: Some(first),
            ..Target::default()
        },
        ..new("work", &[])
    });
    let name = rig.snapshot().process(first).unwrap().name.clone();
    assert_eq!(rig.why(only), format!("{name} is busy"));
    let skilled = rig.put(NewTask {
        target: Target {
            skills: vec!["tester-skill".to_owned()],
            ..Target::default()
        },
        ..new("work", &[])
    });
    assert_eq!(rig.why(skilled), "nobody fits: hire a tester");
}

#[test]
fn a_failed_attempt_waits_twice_as_long_each_time_and_says_until_when() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let task = rig.put(NewTask {
        retries: Some(3),
        ..new("work", &[])
    });
    for wait in [30, 60, 120] {
        rig.work(run, task, false);
        assert_eq!(rig.task(task).state, TaskState::Queued);
        assert!(rig.why(task).starts_with("next try at "));
        rig.pass((wait - 1) * SECOND);
        assert_eq!(rig.task(task).state, TaskState::Queued);
        rig.pass(SECOND);
        assert!(rig.task(task).state.is_leased());
    }
    rig.work(run, task, false);
    assert_eq!(rig.task(task).state, TaskState::Failed);
    let ends = rig
        .task(task)
        .attempts
        .iter()
        .map(|one| one.end)
        .collect::<Vec<_>>();
    assert_eq!(ends, [Some(AttemptEnd::Failed); 4]);
}

#[test]
fn a_text_that_asks_for_no_result_waits_for_none() {
    let mut rig = Rig::new();
    let parent = rig.put(new("first", &[]));
    let other = rig.put(new("second", &[]));
    let child = rig.put(new(
        &format!("go on with {{{{result:{parent}}}}}"),
        &[&other.to_string()],
    ));
    let edit = |rig: &mut Rig, text: Option<&str>, after: Option<&[&str]>| {
        let change = Box::new(TaskChange {
            text: text.map(str::to_owned),
            after: after.map(|all| all.iter().map(|one| (*one).to_owned()).collect()),
            priority: Some(Priority::High),
            ..TaskChange::default()
        });
        let reply = rig.order(Command::EditTask {
            task: child,
            change,
        });
        rig.answer(reply).cloned().unwrap()
    };
    rig.order(Command::RemoveTask(parent));
    assert_eq!(
        rig.why(child),
        format!("{parent}, which it waits for, was deleted: edit what it waits for")
    );
    // What is not about that goes on as it is.
    assert_eq!(edit(&mut rig, None, None), Ok(Outcome::Done));
    let lost = format!(
        "the text asks for the result of {parent}, which was deleted: take that out of the text"
    );
    assert_eq!(edit(&mut rig, None, Some(&[])), Err(Refusal::Invalid(lost)));
    assert_eq!(edit(&mut rig, Some("go on"), None), Ok(Outcome::Done));
    assert_eq!(rig.task(child).after, [other]);
    assert_eq!(edit(&mut rig, None, Some(&[])), Ok(Outcome::Done));
    assert_eq!(rig.task(child).after, []);
}
