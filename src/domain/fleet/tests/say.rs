//! Messages to a turn that runs.

use uuid::Uuid;

use super::rig::Rig;
use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::event::{Fact, TurnEnd};
use crate::domain::exit::ExitStatus;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::order::Order;
use crate::domain::process::TurnWord;
use crate::domain::snapshot::Status;
use crate::domain::task::{TaskState, Tokens, TurnMessageState};

/// An employee with a task that runs, and the task's own message.
fn at_work(rig: &mut Rig) -> (ProcessId, RunId, TaskId, Uuid) {
    let (id, run) = rig.ready("developer");
    let task = rig.add("build it", None);
    let own = rig.message(run);
    begins(rig, run, own);
    (id, run, task, own)
}

fn begins(rig: &mut Rig, run: RunId, message: Uuid) {
    let message = Some(message);
    rig.fact(run, Fact::TurnStarted { message });
}

fn say(rig: &mut Rig, process: ProcessId, text: &str) -> Result<TaskId, Refusal> {
    let text = text.to_owned();
    let reply = rig.order(Command::Say { process, text });
    match rig.answer(reply) {
        Some(Ok(Outcome::Said(task))) => Ok(*task),
        Some(Err(refusal)) => Err(refusal.clone()),
        other => panic!("{other:?}"),
    }
}

fn ends(rig: &mut Rig, run: RunId, messages: Vec<Uuid>) {
    let end = TurnEnd {
        messages,
        conversation: None,
        success: true,
        interrupted: false,
        retryable: true,
        text: "done".to_owned(),
        turns: 1,
        cost_usd: 0.5,
        tokens: Tokens::default(),
        denials: vec![],
    };
    rig.fact(run, Fact::TurnEnded(Box::new(end)));
}

fn states(rig: &mut Rig, task: TaskId) -> Vec<TurnMessageState> {
    let task = rig.task(task);
    let messages = task.attempts.iter().flat_map(|attempt| &attempt.messages);
    messages.map(|message| message.state).collect()
}

#[test]
fn a_message_joins_the_turn_and_stands_with_its_task() {
    let mut rig = Rig::new();
    let (id, run, task, own) = at_work(&mut rig);
    assert_eq!(say(&mut rig, id, "mind the tests"), Ok(task));
    let message = rig.message(run);
    assert_ne!(message, own);
    assert_eq!(states(&mut rig, task), [TurnMessageState::Sent]);
    begins(&mut rig, run, message);
    assert_eq!(states(&mut rig, task), [TurnMessageState::Joined]);
    ends(&mut rig, run, vec![own, message]);
    rig.fact(run, Fact::Idle);
    let done = rig.task(task);
    assert_eq!(done.state, TaskState::Succeeded);
    let text = &done.attempts[0].messages[0].text;
    assert_eq!(text, "mind the tests");
    // Nothing is left open: the next task is taken.
    let next = rig.add("more", None);
    assert_eq!(rig.task(next).state, TaskState::Assigned);
}

#[test]
fn one_that_comes_late_is_answered_in_a_turn_of_its_own_and_no_task_comes_between() {
    let mut rig = Rig::new();
    let (id, run, task, own) = at_work(&mut rig);
    say(&mut rig, id, "and the docs").unwrap();
    let message = rig.message(run);
    ends(&mut rig, run, vec![own]);
    assert_eq!(rig.task(task).state, TaskState::Succeeded);
    let next = rig.add("more", None);
    assert_eq!(rig.task(next).state, TaskState::Queued);
    begins(&mut rig, run, message);
    assert_eq!(states(&mut rig, task), [TurnMessageState::After]);
    // Longer than an agent may take to say that it is idle: it has said that it works.
    rig.pass(std::time::Duration::from_secs(20));
    assert_eq!(rig.task(next).state, TaskState::Queued);
    ends(&mut rig, run, vec![message]);
    rig.fact(run, Fact::Idle);
    assert_eq!(rig.task(next).state, TaskState::Assigned);
    // The result of the task is its own.
    assert_eq!(rig.task(task).result.unwrap().text, "done");
}

#[test]
fn one_that_is_never_begun_is_lost_and_holds_nobody_up() {
    let mut rig = Rig::new();
    let (id, run, task, own) = at_work(&mut rig);
    say(&mut rig, id, "hello?").unwrap();
    ends(&mut rig, run, vec![own]);
    let next = rig.add("more", None);
    // It says nothing more; after a while it is taken as it seems to be.
    rig.pass(std::time::Duration::from_secs(5));
    assert_eq!(states(&mut rig, task), [TurnMessageState::Lost]);
    assert_eq!(rig.task(next).state, TaskState::Assigned);
}

#[test]
fn one_that_is_on_its_way_when_the_agent_falls_idle_is_not_lost() {
    let mut rig = Rig::new();
    let (id, run, task, own) = at_work(&mut rig);
    say(&mut rig, id, "and the docs").unwrap();
    let message = rig.message(run);
    let next = rig.add("more", None);
    // All of this was said before the message reached the agent.
    ends(&mut rig, run, vec![own]);
    rig.fact(run, Fact::Idle);
    assert_eq!(states(&mut rig, task), [TurnMessageState::Sent]);
    assert_eq!(rig.task(next).state, TaskState::Queued);
    rig.fact(run, Fact::Acknowledged { message });
    begins(&mut rig, run, message);
    assert_eq!(states(&mut rig, task), [TurnMessageState::After]);
    ends(&mut rig, run, vec![message]);
    rig.fact(run, Fact::Idle);
    assert_eq!(rig.task(next).state, TaskState::Assigned);
}

#[test]
fn one_that_the_agent_had_and_did_not_come_to_is_lost_as_soon_as_it_is_idle() {
    let mut rig = Rig::new();
    let (id, run, task, own) = at_work(&mut rig);
    say(&mut rig, id, "hello?").unwrap();
    let message = rig.message(run);
    rig.fact(run, Fact::Acknowledged { message });
    ends(&mut rig, run, vec![own]);
    rig.fact(run, Fact::Idle);
    assert_eq!(states(&mut rig, task), [TurnMessageState::Lost]);
    let next = rig.add("more", None);
    assert_eq!(rig.task(next).state, TaskState::Assigned);
}

#[test]
fn one_that_never_reaches_an_idle_agent_is_lost_after_a_while() {
    let mut rig = Rig::new();
    let (id, run, task, own) = at_work(&mut rig);
    say(&mut rig, id, "hello?").unwrap();
    ends(&mut rig, run, vec![own]);
    rig.fact(run, Fact::Idle);
    let next = rig.add("more", None);
    rig.pass(std::time::Duration::from_secs(5));
    assert_eq!(states(&mut rig, task), [TurnMessageState::Lost]);
    assert_eq!(rig.task(next).state, TaskState::Assigned);
}

#[test]
fn a_word_that_an_older_build_kept_is_read() {
    let uuid = Uuid::from_u128(7);
    let kept = serde_json::json!([uuid, TaskId(3)]).to_string();
    let word: TurnWord = serde_json::from_str(&kept).unwrap();
    let wanted = TurnWord {
        message: uuid,
        task: TaskId(3),
        taken: false,
    };
    assert_eq!(word, wanted);
}

#[test]
fn an_interrupt_drops_what_waits() {
    let mut rig = Rig::new();
    let (id, run, task, own) = at_work(&mut rig);
    say(&mut rig, id, "hello?").unwrap();
    let message = rig.message(run);
    rig.order(Command::CancelTask(task));
    assert_eq!(rig.sent.last().unwrap().2, Order::Interrupt);
    let refused = say(&mut rig, id, "and this?").unwrap_err();
    assert!(
        refused.to_string().contains("is being interrupted"),
        "{refused}"
    );
    rig.fact(run, Fact::MessageCancelled { message });
    assert_eq!(states(&mut rig, task), [TurnMessageState::Lost]);
    ends(&mut rig, run, vec![own]);
    rig.fact(run, Fact::Idle);
    let next = rig.add("more", None);
    assert_eq!(rig.task(next).state, TaskState::Assigned);
}

#[test]
fn a_task_that_was_taken_back_before_it_began_is_cancelled() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let task = rig.add("build it", None);
    let message = rig.message(run);
    rig.order(Command::CancelTask(task));
    rig.fact(run, Fact::MessageCancelled { message });
    assert_eq!(rig.task(task).state, TaskState::Cancelled);
}

#[test]
fn one_whose_reader_dies_is_lost() {
    let mut rig = Rig::new();
    let (id, run, task, _) = at_work(&mut rig);
    say(&mut rig, id, "hello?").unwrap();
    rig.exit(run, ExitStatus::Code(1));
    assert_eq!(states(&mut rig, task), [TurnMessageState::Lost]);
}

#[test]
fn one_that_was_sent_before_the_instance_ended_is_sent_once_and_known_to_the_next() {
    let mut rig = Rig::new();
    let (id, run, task, own) = at_work(&mut rig);
    say(&mut rig, id, "mind the tests").unwrap();
    let message = rig.message(run);
    let mut rig = rig.reborn();
    begins(&mut rig, run, message);
    assert_eq!(states(&mut rig, task), [TurnMessageState::Joined]);
    ends(&mut rig, run, vec![own, message]);
    rig.fact(run, Fact::Idle);
    assert_eq!(rig.task(task).state, TaskState::Succeeded);
    assert_eq!(rig.status(id), Status::Running);
}

#[test]
fn without_a_turn_that_runs_nothing_can_be_said() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let check = |rig: &mut Rig, process, text: &str, said: &str| {
        let refused = say(rig, process, text).unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    };
    check(
        &mut rig,
        ProcessId(9),
        "hello",
        "there is no process proc_009",
    );
    check(&mut rig, id, "hello", "has no task that runs");
    rig.add("build it", None);
    check(&mut rig, id, "hello", "is only about to begin");
    let own = rig.message(run);
    begins(&mut rig, run, own);
    check(&mut rig, id, " \n", "the message is empty");
    rig.order(Command::Kill(id));
    rig.exit(run, ExitStatus::Signal(9));
    check(&mut rig, id, "hello", "is not up");
}
