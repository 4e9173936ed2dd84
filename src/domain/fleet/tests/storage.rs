//! Durable before said; a disk that refuses; an instance that dies and comes back.

use std::time::Duration;

use super::rig::Rig;
use crate::domain::command::{Command, NewProcess, Outcome, Refusal};
use crate::domain::event::{Event, Fact, Mark};
use crate::domain::exit::ExitStatus;
use crate::domain::order::Order;
use crate::domain::snapshot::Status;
use crate::domain::task::{NewTask, TaskState};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn d9_a_full_disk_refuses_what_is_new_and_supervision_goes_on() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.disk = false;
    let task = NewTask {
        text: "work".to_owned(),
        ..NewTask::default()
    };
    let add = rig.order(Command::AddTask(Box::new(task.clone())));
    assert!(matches!(rig.answer(add), Some(Err(Refusal::NotStored(_)))));
    assert!(rig.snapshot().tasks.is_empty());
    let new = NewProcess {
        role: "tester".to_owned(),
        ..NewProcess::default()
    };
    let hire = rig.order(Command::Create(Box::new(new)));
    assert!(matches!(rig.answer(hire), Some(Err(Refusal::NotStored(_)))));
    assert_eq!((rig.snapshot().processes.len(), rig.launches.len()), (1, 1));
    let stop = rig.order(Command::Stop(id));
    assert_eq!(rig.closed, [run]);
    rig.exit(run, ExitStatus::Code(0));
    assert_eq!(rig.status(id), Status::Stopped);
    // That it is down is said at once; the exit report is kept until it is on disk.
    assert!(matches!(rig.answer(stop), Some(Ok(_))));
    rig.pass(5 * SECOND);
    assert!(rig.acknowledged.is_empty());
    rig.disk = true;
    rig.pass(SECOND);
    assert_eq!(rig.acknowledged, [run]);
    let add = rig.order(Command::AddTask(Box::new(task)));
    assert!(matches!(rig.answer(add), Some(Ok(_))));
}

#[test]
fn a_new_instance_takes_the_run_up_and_sends_only_what_was_not_taken() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("work", None);
    let orders = rig.sent.clone();
    assert_eq!(orders.len(), 2);
    for (accepted, sent_again) in [(2, 0), (1, 1), (0, 2)] {
        let mut reborn = rig.reborn();
        reborn.event(Event::Adopted {
            run,
            accepted,
            alive: true,
        });
        assert_eq!(reborn.sent, orders[orders.len() - sent_again..]);
        assert_eq!(
            (reborn.status(id), reborn.task(task).state),
            (Status::Running, TaskState::Assigned)
        );
        reborn.sent.clone_from(&orders);
        reborn.turn_ends(run, true);
        assert_eq!(reborn.task(task).state, TaskState::Succeeded);
        assert!(reborn.launches.is_empty());
    }
}

#[test]
fn a_run_that_was_ordered_but_never_launched_is_started_anew() {
    let mut rig = Rig::new();
    let id = rig.hire("developer");
    let run = rig.launches[0].run;
    let mut reborn = rig.reborn();
    reborn.event(Event::Adopted {
        run,
        accepted: 0,
        alive: false,
    });
    let fault = crate::domain::fault::Fault::new(
        crate::domain::fault::FaultCode::FailedToStart,
        "never launched",
        "nothing to do",
    );
    let failure = crate::domain::event::LaunchFailure {
        fault,
        permanent: false,
    };
    reborn.event(Event::LaunchFailed { run, failure });
    assert_eq!(
        (reborn.status(id), reborn.launches.len()),
        (Status::Starting, 1)
    );
    assert_ne!(reborn.launches[0].run, run);
}

#[test]
fn d3_after_a_reboot_waits_follow_the_wall_clock() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.exit(run, ExitStatus::Code(1));
    let saved = crate::domain::fleet::Saved {
        processes: rig.saved.processes.values().cloned().collect(),
        tasks: vec![],
        requests: vec![],
        meta: rig.saved.meta.clone(),
        alerts: None,
        generation: 2,
        rebooted: true,
        recovered: None,
    };
    let mut now = rig.now + 10 * SECOND;
    now.mono = crate::domain::time::Mono(5);
    let mut reborn = Rig::of(&saved, now);
    assert_eq!(reborn.status(id), Status::Backoff);
    reborn.pass(19 * SECOND);
    assert!(reborn.launches.is_empty());
    reborn.pass(SECOND);
    assert_eq!(reborn.launches.len(), 1);
}

#[test]
fn what_is_removed_is_gone_from_the_disk() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let reply = rig.order(Command::Remove(id));
    assert!(matches!(rig.answer(reply), Some(Err(Refusal::State(_)))));
    rig.order(Command::Stop(id));
    rig.exit(run, ExitStatus::Code(0));
    rig.order(Command::Remove(id));
    assert!(rig.saved.processes.is_empty());
    assert!(rig.snapshot().processes.is_empty());
    let reborn = rig.reborn();
    assert_eq!(reborn.fleet.processes().count(), 0);
    assert!(
        !rig.sent
            .iter()
            .any(|(_, _, order)| matches!(order, Order::Message { .. }))
    );
}

#[test]
fn what_waits_for_a_failed_write_is_not_overtaken_by_what_came_later() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    rig.add("work", None);
    rig.sent.clear();
    rig.slow = Some(vec![]);
    let key = |n: u32| crate::domain::event::Fact::Asked {
        key: format!("k{n}"),
        ask: crate::domain::inbox::Ask::Permission {
            tool: "Bash".to_owned(),
            subject: "ls".to_owned(),
            diff: None,
            description: None,
            rule: "Bash(ls *)".to_owned(),
        },
        input: serde_json::Value::Null,
    };
    for n in 0..4 {
        rig.fact(run, key(n));
    }
    let requests: Vec<_> = rig.snapshot().requests.iter().map(|one| one.id).collect();
    let drain = |rig: &mut Rig| {
        while rig.slow.as_ref().is_some_and(|waiting| !waiting.is_empty()) {
            rig.disk_takes_next(true);
        }
    };
    drain(&mut rig);
    // The first is refused by the disk, the second was on its way already, the third comes later.
    rig.order(Command::Approve(requests[0]));
    rig.order(Command::Approve(requests[1]));
    rig.disk_takes_next(false);
    rig.order(Command::Approve(requests[2]));
    rig.disk_takes_next(true);
    rig.pass(2 * SECOND);
    rig.order(Command::Approve(requests[3]));
    drain(&mut rig);
    let order: Vec<u64> = rig.sent.iter().map(|(_, seq, _)| *seq).collect();
    assert_eq!(order, [3, 4, 5, 6]);
}

#[test]
fn a_second_task_with_the_key_of_one_that_was_not_stored_is_refused_as_well() {
    let mut rig = Rig::new();
    rig.slow = Some(vec![]);
    let task = NewTask {
        text: "work".to_owned(),
        key: Some("k".to_owned()),
        ..NewTask::default()
    };
    let first = rig.order(Command::AddTask(Box::new(task.clone())));
    let second = rig.order(Command::AddTask(Box::new(task)));
    rig.disk_takes_next(false);
    rig.slow = None;
    rig.pass(5 * SECOND);
    for reply in [first, second] {
        let answer = rig.answer(reply);
        assert!(
            matches!(answer, Some(Err(Refusal::NotStored(_)))),
            "{answer:?}"
        );
    }
}

#[test]
fn who_waits_for_a_process_that_could_not_be_stored_is_answered() {
    let mut rig = Rig::new();
    rig.slow = Some(vec![]);
    let new = NewProcess {
        role: "tester".to_owned(),
        ..NewProcess::default()
    };
    let hire = rig.order(Command::Create(Box::new(new)));
    let id = rig.snapshot().processes[0].id;
    let stop = rig.order(Command::Stop(id));
    rig.disk_takes_next(false);
    rig.slow = None;
    rig.pass(5 * SECOND);
    for reply in [hire, stop] {
        assert!(matches!(rig.answer(reply), Some(Err(_))));
    }
    assert!(rig.launches.is_empty());
}

#[test]
fn what_fell_due_while_no_instance_was_there_waits_for_what_was_said_meanwhile() {
    let mut rig = Rig::new();
    let id = rig.hire("developer");
    let run = rig.launches[0].run;
    rig.launched(run);
    let (_, other) = rig.ready("tester");
    rig.add("first", None);
    rig.turn_ends(other, true);
    let task = rig.add("second", None);
    let mut reborn = rig.reborn();
    reborn.now = rig.now + 300 * SECOND;
    let saved = crate::domain::fleet::Saved {
        processes: rig.saved.processes.values().cloned().collect(),
        tasks: rig.saved.tasks.values().cloned().collect(),
        requests: vec![],
        meta: rig.saved.meta.clone(),
        alerts: None,
        generation: 2,
        rebooted: false,
        recovered: None,
    };
    let mut reborn = Rig::of(&saved, reborn.now);
    reborn.sent.clone_from(&rig.sent);
    // As the hub does it: what is due comes before the first word of the shims.
    reborn.pass(SECOND);
    for run in [run, other] {
        reborn.event(Event::Adopted {
            run,
            accepted: 9,
            alive: true,
        });
    }
    assert_eq!(reborn.killed, []);
    reborn.turn_ends(other, true);
    assert_eq!(reborn.task(task).state, TaskState::Assigned);
    // And still nobody waits for ever.
    reborn.pass(300 * SECOND);
    assert_eq!(reborn.killed, [run]);
    assert_eq!(reborn.status(id), Status::Stopping);
}

#[test]
fn output_may_go_only_when_it_is_on_disk_that_it_was_read() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let mark = |out| Mark {
        out,
        ..Mark::default()
    };
    let heard = |rig: &mut Rig, out| {
        let (mark, facts) = (mark(out), vec![]);
        rig.event(Event::Heard { run, mark, facts });
    };
    heard(&mut rig, 1000);
    assert_eq!(rig.consumed.last(), Some(&(run, mark(1000))));
    rig.disk = false;
    heard(&mut rig, 2000);
    heard(&mut rig, 3000);
    assert_eq!(rig.consumed.last(), Some(&(run, mark(1000))));
    rig.disk = true;
    rig.pass(2 * SECOND);
    assert_eq!(rig.consumed.last(), Some(&(run, mark(3000))));
}

#[test]
fn a_shutdown_on_a_full_disk_says_of_no_order_that_it_was_done() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let task = rig.add("work", None);
    rig.disk = false;
    let cancel = rig.order(Command::CancelTask(task));
    let shutdown = rig.order(Command::ShutdownNow);
    rig.exit(run, ExitStatus::Signal(9));
    assert!(rig.fleet.is_drained());
    for unanswered in [cancel, shutdown] {
        assert!(rig.answer(unanswered).is_none());
    }
    assert!(matches!(rig.fleet.last_answer(shutdown), Ok(Outcome::Done)));
    assert!(matches!(
        rig.fleet.last_answer(cancel),
        Err(Refusal::NotStored(_))
    ));
}

#[test]
fn what_nobody_waits_for_may_wait_and_holds_nobody_up() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let keyed = NewTask {
        text: "work".to_owned(),
        key: Some("k".to_owned()),
        held: true,
        ..NewTask::default()
    };
    rig.order(Command::AddTask(Box::new(keyed.clone())));
    rig.slow = Some(vec![]);
    let mark = Mark {
        out: 9,
        ..Mark::default()
    };
    rig.event(Event::Heard {
        run,
        mark,
        facts: vec![],
    });
    let again = rig.order(Command::AddTask(Box::new(keyed)));
    let batches = rig.slow.as_ref().unwrap();
    let awaited: Vec<bool> = batches.iter().map(|(_, batch)| batch.awaited).collect();
    assert_eq!(awaited, [false, true]);
    rig.disk_takes_next(true);
    assert!(rig.answer(again).is_none());
    rig.disk_takes_next(true);
    assert!(matches!(rig.answer(again), Some(Ok(Outcome::TaskKnown(_)))));
}

#[test]
fn a_conversation_is_cleared_before_the_disk_knows_why_and_no_number_is_used_twice() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.add("first", Some(id));
    rig.event(Event::Accepted { run, seq: 2 });
    rig.turn_ends(run, true);
    rig.slow = Some(vec![]);
    let second = NewTask {
        text: "second".to_owned(),
        ..NewTask::default()
    };
    let add = rig.order(Command::AddTask(Box::new(second)));
    rig.disk_takes_next(true);
    let Some(Ok(Outcome::TaskAdded(task))) = rig.answer(add).cloned() else {
        panic!("not added");
    };
    let Some((_, 3, Order::Clear { uuid })) = rig.sent.last().cloned() else {
        panic!("{:?}", rig.sent);
    };
    // The lease is on its way to disk when the instance dies; the shim has taken the clear.
    let mut next = rig.reborn();
    assert_eq!(next.task(task).state, TaskState::Queued);
    next.event(Event::Adopted {
        run,
        accepted: 3,
        alive: true,
    });
    let Some((_, 4, Order::Clear { uuid: another })) = next.sent.last().cloned() else {
        panic!("{:?}", next.sent);
    };
    assert_ne!(
        another, uuid,
        "the agent would not clear twice for the same"
    );
    let fresh = uuid::Uuid::from_u128(7);
    next.fact(run, Fact::Conversation { id: fresh });
    next.turn_ends(run, true);
    assert!(matches!(
        next.sent.last(),
        Some((_, 5, Order::Message { .. }))
    ));
    next.turn_ends(run, true);
    let done = next.task(task);
    assert_eq!((done.state, done.attempts.len()), (TaskState::Succeeded, 1));
    assert_eq!(done.conversation(), Some((id, fresh)));
}
