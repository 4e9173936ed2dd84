//! Tasks: accepted, leased, settled.

use std::time::Duration;

use super::rig::Rig;
use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::event::Fact;
use crate::domain::exit::ExitStatus;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::inbox::{Answer, Ask};
use crate::domain::order::Order;
use crate::domain::snapshot::Status;
use crate::domain::task::{AttemptEnd, NewTask, Priority, Target, TaskState};

const SECOND: Duration = Duration::from_secs(1);

fn new(text: &str) -> NewTask {
    NewTask {
        text: text.to_owned(),
        ..NewTask::default()
    }
}

#[test]
fn the_first_task_goes_out_at_once_and_the_next_in_a_fresh_conversation() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let first = rig.add("one", None);
    let second = rig.add("two", None);
    assert!(matches!(&rig.sent[1].2, Order::Message { text, .. } if text == "one"));
    assert_eq!(
        (rig.task(first).state, rig.task(second).state),
        (TaskState::Assigned, TaskState::Queued)
    );
    rig.turn_ends(run, true);
    assert_eq!(rig.task(first).state, TaskState::Succeeded);
    assert!(matches!(rig.sent[2].2, Order::Clear { .. }));
    rig.turn_ends(run, true);
    assert!(matches!(&rig.sent[3].2, Order::Message { text, .. } if text == "two"));
    rig.turn_ends(run, true);
    assert_eq!(rig.task(second).state, TaskState::Succeeded);
}

/// A process that makes its conversation fresh for a second task.
fn clearing() -> (Rig, ProcessId, RunId, TaskId) {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.add("one", None);
    let second = rig.add("two", None);
    rig.turn_ends(run, true);
    assert!(matches!(rig.sent[2].2, Order::Clear { .. }));
    (rig, id, run, second)
}

#[test]
fn a_process_that_is_blocked_while_it_clears_gets_no_task_and_no_retry_is_used() {
    let (mut rig, id, run, second) = clearing();
    let text = "no login".to_owned();
    rig.fact(run, Fact::NotLoggedIn { text });
    assert_eq!(rig.task(second).state, TaskState::Queued);
    rig.turn_ends(run, true);
    let task = rig.task(second);
    assert_eq!((task.state, task.tries()), (TaskState::Queued, 0));
    assert_eq!(rig.status(id), Status::Blocked);
    assert!(matches!(rig.sent.last().unwrap().2, Order::Clear { .. }));
}

#[test]
fn a_conversation_that_is_not_made_fresh_gets_no_task() {
    let (mut rig, id, run, second) = clearing();
    rig.turn_ends(run, false);
    let task = rig.task(second);
    assert_eq!((task.state, task.tries()), (TaskState::Queued, 0));
    assert_eq!(rig.killed, [run]);
    rig.exit(run, ExitStatus::Signal(9));
    assert_eq!(rig.status(id), Status::Backoff);
}

#[test]
fn f2_a_task_whose_process_dies_goes_back_and_is_parked_at_the_maximum() {
    let mut rig = Rig::new();
    let (_, mut run) = rig.ready("developer");
    let task = rig.add("poison", None);
    for tries in 1..=3 {
        rig.exit(run, ExitStatus::Code(1));
        let now = rig.task(task);
        assert_eq!(now.tries(), tries);
        assert_eq!(now.attempts.last().unwrap().end, Some(AttemptEnd::Cut));
        if tries == 3 {
            assert_eq!(now.state, TaskState::Parked);
            break;
        }
        assert_eq!(now.state, TaskState::Queued);
        rig.pass(30 * SECOND);
        run = rig.launches.last().unwrap().run;
        rig.launched(run);
        rig.fact(
            run,
            Fact::Ready {
                version: None,
                logged_in: None,
            },
        );
        rig.pass(30 * SECOND * tries);
        if rig
            .task(task)
            .lease
            .is_some_and(|lease| lease.message != rig.message(run))
        {
            panic!("not delivered");
        }
        if rig
            .sent
            .iter()
            .any(|(to, _, order)| *to == run && matches!(order, Order::Clear { .. }))
        {
            rig.turn_ends(run, true);
        }
        assert_eq!(rig.task(task).state, TaskState::Assigned, "try {tries}");
    }
}

#[test]
fn f3_a_poison_task_does_not_stop_others() {
    let mut rig = Rig::new();
    let (poisoned, run) = rig.ready("developer");
    let poison = rig.add("poison", Some(poisoned));
    let (_, other) = rig.ready("tester");
    rig.exit(run, ExitStatus::Code(1));
    let task = rig.add("fine", None);
    rig.turn_ends(other, true);
    assert_eq!(rig.task(task).state, TaskState::Succeeded);
    assert_eq!(rig.task(poison).state, TaskState::Queued);
}

#[test]
fn a_cut_task_of_a_careful_role_is_held_for_a_person() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("careful");
    let task = rig.add("deploy", None);
    rig.exit(run, ExitStatus::Code(1));
    assert_eq!(rig.task(task).state, TaskState::Held);
    rig.order(Command::ReleaseTask(task));
    assert_eq!(rig.task(task).state, TaskState::Queued);
}

#[test]
fn f8_a_late_result_of_an_older_attempt_is_refused() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let task = rig.add("work", None);
    let old = rig.message(run);
    rig.order(Command::CancelTask(task));
    rig.interrupted(run);
    rig.order(Command::RetryTask(task));
    rig.turn_ends(run, true);
    assert_ne!(rig.message(run), old);
    let late = crate::domain::event::TurnEnd {
        messages: vec![old],
        conversation: None,
        success: true,
        interrupted: false,
        retryable: true,
        text: "late".to_owned(),
        turns: 1,
        cost_usd: 0.0,
        tokens: crate::domain::task::Tokens::default(),
        denials: vec![],
    };
    rig.fact(run, Fact::TurnEnded(Box::new(late)));
    assert_eq!(rig.task(task).state, TaskState::Assigned);
}

#[test]
fn priorities_come_first_and_nobody_starves() {
    let mut rig = Rig::new();
    let low = rig.add("low", None);
    rig.order(Command::CancelTask(low));
    let add = |rig: &mut Rig, priority| {
        let task = NewTask {
            priority,
            ..new("task")
        };
        let reply = rig.order(Command::AddTask(Box::new(task)));
        match rig.answer(reply) {
            Some(Ok(Outcome::TaskAdded(id))) => *id,
            other => panic!("{other:?}"),
        }
    };
    let low = add(&mut rig, Priority::Low);
    let normal = add(&mut rig, Priority::Normal);
    let urgent = add(&mut rig, Priority::Urgent);
    rig.pass(91 * 60 * SECOND);
    let late = add(&mut rig, Priority::Urgent);
    let (_, run) = rig.ready("developer");
    let mut order = vec![];
    for _ in 0..4 {
        let assigned: Vec<_> = [low, normal, urgent, late]
            .into_iter()
            .filter(|id| rig.task(*id).state == TaskState::Assigned)
            .collect();
        order.extend(assigned);
        rig.turn_ends(run, true);
        if !rig.task(order[order.len() - 1]).state.is_final() {
            rig.turn_ends(run, true);
        } else if let Some((_, _, Order::Clear { .. })) = rig.sent.last() {
            rig.turn_ends(run, true);
        }
    }
    assert_eq!(order, [urgent, normal, low, late]);
}

#[test]
fn a_key_makes_the_second_task_the_first() {
    let mut rig = Rig::new();
    let task = NewTask {
        key: Some("once".to_owned()),
        ..new("task")
    };
    let one = rig.order(Command::AddTask(Box::new(task.clone())));
    let two = rig.order(Command::AddTask(Box::new(task)));
    let Some(Ok(Outcome::TaskAdded(id))) = rig.answer(one).cloned() else {
        panic!()
    };
    assert_eq!(rig.answer(two), Some(&Ok(Outcome::TaskKnown(id))));
}

#[test]
fn bad_tasks_are_refused_with_a_reason() {
    let mut rig = Rig::new();
    let unknown = Target {
        role: Some("developr".to_owned()),
        ..Target::default()
    };
    for task in [
        new("  \n "),
        new("nul \0"),
        new(&"x".repeat(2 << 20)),
        NewTask {
            target: unknown,
            ..new("work")
        },
        NewTask {
            timeout: Some(Duration::ZERO),
            ..new("work")
        },
    ] {
        let reply = rig.order(Command::AddTask(Box::new(task)));
        assert!(matches!(rig.answer(reply), Some(Err(_))));
    }
    assert!(rig.snapshot().tasks.is_empty());
}

#[test]
fn a_task_out_of_time_is_interrupted_and_waiting_for_a_person_does_not_count() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = NewTask {
        timeout: Some(60 * SECOND),
        retries: Some(0),
        ..new("slow")
    };
    let reply = rig.order(Command::AddTask(Box::new(task)));
    let Some(Ok(Outcome::TaskAdded(task))) = rig.answer(reply).cloned() else {
        panic!()
    };
    rig.pass(30 * SECOND);
    let ask = Ask::Permission {
        tool: "Bash".to_owned(),
        subject: "git push".to_owned(),
        diff: None,
        description: None,
        rule: "Bash(git push *)".to_owned(),
    };
    let input = serde_json::json!({"command": "git push"});
    rig.fact(
        run,
        Fact::Asked {
            key: "k".to_owned(),
            ask,
            input,
        },
    );
    assert_eq!(
        (rig.status(id), rig.task(task).state),
        (Status::Waiting, TaskState::Waiting)
    );
    rig.pass(3600 * SECOND);
    assert_eq!(rig.task(task).state, TaskState::Waiting);
    let request = rig.snapshot().requests[0].id;
    rig.order(Command::Approve(request));
    rig.pass(29 * SECOND);
    assert!(
        !rig.sent
            .iter()
            .any(|(_, _, order)| *order == Order::Interrupt)
    );
    rig.pass(SECOND);
    assert!(
        rig.sent
            .iter()
            .any(|(_, _, order)| *order == Order::Interrupt)
    );
    rig.interrupted(run);
    assert_eq!(rig.task(task).state, TaskState::TimedOut);
    assert!(rig.task(task).error.unwrap().contains("PROC_006"));
}

#[test]
fn an_agent_that_does_not_end_its_turn_is_killed() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let task = rig.add("hang", None);
    rig.order(Command::CancelTask(task));
    rig.pass(60 * SECOND);
    assert_eq!(rig.killed, [run]);
    rig.exit(run, ExitStatus::Signal(9));
    assert_eq!(rig.task(task).state, TaskState::Cancelled);
}

#[test]
fn a_withdrawn_request_cannot_be_answered() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let task = rig.add("ask", None);
    let ask = Ask::Permission {
        tool: "Bash".to_owned(),
        subject: "ls".to_owned(),
        diff: None,
        description: None,
        rule: "Bash(ls *)".to_owned(),
    };
    rig.fact(
        run,
        Fact::Asked {
            key: "k".to_owned(),
            ask,
            input: serde_json::Value::Null,
        },
    );
    let request = rig.snapshot().requests[0].id;
    rig.order(Command::CancelTask(task));
    rig.interrupted(run);
    let reply = rig.order(Command::Approve(request));
    assert!(matches!(rig.answer(reply), Some(Err(Refusal::State(_)))));
    assert_eq!(rig.snapshot().requests[0].answer, Some(Answer::Withdrawn));
}

#[test]
fn a_task_that_a_person_retries_gets_all_of_its_retries_again() {
    for retries in [None, Some(1)] {
        let mut rig = Rig::new();
        let (_, run) = rig.ready("developer");
        let reply = rig.order(Command::AddTask(Box::new(NewTask {
            retries,
            ..new("hard")
        })));
        let Some(Ok(Outcome::TaskAdded(task))) = rig.answer(reply).cloned() else {
            panic!()
        };
        for round in 1..=3 {
            let mut attempts = 0;
            while !rig.task(task).state.is_final() {
                for _ in 0..120 {
                    if rig.task(task).state == TaskState::Queued {
                        rig.pass(SECOND);
                    }
                }
                let before = rig.task(task).attempts.len();
                while rig.task(task).attempts.last().unwrap().end.is_none() {
                    let clearing = matches!(rig.sent.last(), Some((_, _, Order::Clear { .. })));
                    rig.turn_ends(run, clearing);
                }
                assert_eq!(rig.task(task).attempts.len(), before);
                attempts += 1;
            }
            assert_eq!(attempts, retries.unwrap_or(2) + 1, "round {round}");
            assert_eq!(rig.task(task).retries, retries);
            rig.order(Command::RetryTask(task));
        }
    }
}

#[test]
fn a_task_that_was_taken_back_is_not_tried_again_when_its_time_runs_out() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let reply = rig.order(Command::AddTask(Box::new(NewTask {
        timeout: Some(5 * SECOND),
        ..new("slow")
    })));
    let Some(Ok(Outcome::TaskAdded(task))) = rig.answer(reply).cloned() else {
        panic!()
    };
    rig.pass(4 * SECOND);
    rig.order(Command::CancelTask(task));
    rig.pass(2 * SECOND);
    rig.interrupted(run);
    assert_eq!(rig.task(task).state, TaskState::Cancelled);
}

#[test]
fn a_task_whose_time_runs_out_before_it_is_delivered_is_out_of_time() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    rig.add("first", None);
    rig.turn_ends(run, true);
    let reply = rig.order(Command::AddTask(Box::new(NewTask {
        timeout: Some(5 * SECOND),
        retries: Some(0),
        ..new("second")
    })));
    let Some(Ok(Outcome::TaskAdded(task))) = rig.answer(reply).cloned() else {
        panic!()
    };
    rig.pass(6 * SECOND);
    assert_eq!(rig.task(task).state, TaskState::TimedOut);
    // The conversation is fresh at last: the next one takes it.
    let next = rig.add("third", None);
    rig.turn_ends(run, true);
    assert_eq!(rig.task(next).state, TaskState::Assigned);
}

#[test]
fn of_answered_requests_only_the_last_are_kept() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    rig.add("ask", None);
    for n in 0..1100 {
        let ask = Ask::Permission {
            tool: "Bash".to_owned(),
            subject: "ls".to_owned(),
            diff: None,
            description: None,
            rule: "Bash(ls *)".to_owned(),
        };
        let input = serde_json::Value::Null;
        let key = format!("k{n}");
        rig.fact(run, Fact::Asked { key, ask, input });
        let request = rig.snapshot().requests[0].id;
        let reply = rig.order(Command::Approve(request));
        assert!(matches!(rig.answer(reply), Some(Ok(_))));
    }
    assert_eq!(rig.saved.requests.len(), 1000);
}

#[test]
fn a_question_that_comes_after_the_time_of_a_task_does_not_take_the_task_back() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let first = rig.add("first", None);
    let second = rig.add("second", Some(id));
    rig.turn_ends(run, true);
    assert_eq!(rig.task(first).state, TaskState::Succeeded);
    // Its conversation is still being made fresh when the time is over.
    rig.pass(Duration::from_secs(3700));
    assert_eq!(rig.task(second).lease, None);
    let state = rig.task(second).state;
    let ask = Ask::Permission {
        tool: "Bash".to_owned(),
        subject: "ls".to_owned(),
        diff: None,
        description: None,
        rule: "Bash(ls *)".to_owned(),
    };
    let key = "late".to_owned();
    let input = serde_json::Value::Null;
    rig.fact(run, Fact::Asked { key, ask, input });
    assert_eq!(rig.task(second).state, state);
}

#[test]
fn a_task_that_failed_is_let_be_until_it_is_tried_again() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let task = rig.add("do it", None);
    let refused = rig.order(Command::DismissTask(task));
    assert!(matches!(rig.answer(refused), Some(Err(Refusal::State(_)))));
    let unknown = rig.order(Command::DismissTask(TaskId(99)));
    let answer = rig.answer(unknown);
    assert!(matches!(answer, Some(Err(Refusal::UnknownTask(_)))));
    rig.turn_ends(run, false);
    rig.order(Command::CancelTask(task));
    let done = rig.order(Command::DismissTask(task));
    assert_eq!(rig.answer(done), Some(&Ok(Outcome::Done)));
    assert!(rig.task(task).dismissed);
    // That it was is on disk.
    let mut rig = rig.reborn();
    assert!(rig.task(task).dismissed);
    rig.order(Command::RetryTask(task));
    assert!(!rig.task(task).dismissed);
}
