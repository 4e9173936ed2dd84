//! Tasks that go on in the conversation of an earlier one.

use std::time::Duration;

use uuid::Uuid;

use super::rig::Rig;
use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::effect::Begin;
use crate::domain::event::{Event, Fact};
use crate::domain::exit::ExitStatus;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::order::Order;
use crate::domain::snapshot::Status;
use crate::domain::task::{NewTask, Target, TaskState};

/// After this a task that was cut, and the process that died over it, come again.
const RETRY: Duration = Duration::from_secs(30);

fn follow_up(earlier: TaskId) -> NewTask {
    NewTask {
        text: "more".to_owned(),
        continues: Some(earlier),
        ..NewTask::default()
    }
}

fn add(rig: &mut Rig, new: NewTask) -> Result<TaskId, Refusal> {
    let reply = rig.order(Command::AddTask(Box::new(new)));
    match rig.answer(reply) {
        Some(Ok(Outcome::TaskAdded(id))) => Ok(*id),
        Some(Err(refusal)) => Err(refusal.clone()),
        other => panic!("{other:?}"),
    }
}

fn last_order(rig: &Rig, run: RunId) -> &Order {
    let to_run = |(to, ..): &&(RunId, u64, Order)| *to == run;
    &rig.sent.iter().rev().find(to_run).expect("an order").2
}

/// The run that was ordered last comes up.
fn comes_up(rig: &mut Rig) -> RunId {
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    let ready = Fact::Ready {
        version: None,
        logged_in: None,
    };
    rig.fact(run, ready);
    run
}

/// Does one task, and begins another conversation with a second one.
fn two_conversations(rig: &mut Rig) -> (ProcessId, RunId, TaskId, Uuid) {
    let (id, run) = rig.ready("developer");
    let first = rig.add("one", None);
    rig.turn_ends(run, true);
    let conversation = rig.snapshot().process(id).unwrap().conversation.unwrap();
    let second = rig.add("two", None);
    let fresh = Uuid::from_u128(2);
    rig.fact(run, Fact::Conversation { id: fresh });
    rig.turn_ends(run, true);
    rig.turn_ends(run, true);
    assert_eq!(rig.task(second).state, TaskState::Succeeded);
    assert_eq!(rig.task(second).conversation(), Some((id, fresh)));
    (id, run, first, conversation)
}

#[test]
fn a_follow_up_goes_into_the_present_conversation_without_a_clear() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let (_, other) = rig.ready("developer");
    let first = rig.add("one", Some(id));
    rig.turn_ends(run, true);
    let more = add(&mut rig, follow_up(first)).unwrap();
    assert!(matches!(last_order(&rig, run), Order::Message { text, .. } if text == "more"));
    rig.turn_ends(run, true);
    assert_eq!(rig.task(more).state, TaskState::Succeeded);
    assert_eq!(
        rig.task(more).conversation(),
        rig.task(first).conversation()
    );
    assert!(
        rig.sent
            .iter()
            .all(|(to, _, order)| *to != other || *order == Order::Initialize)
    );
}

#[test]
fn a_process_in_another_conversation_starts_anew_with_the_earlier_one() {
    let mut rig = Rig::new();
    let (id, run, first, conversation) = two_conversations(&mut rig);
    let more = add(&mut rig, follow_up(first)).unwrap();
    assert_eq!(rig.task(more).state, TaskState::Queued);
    assert_eq!(rig.closed, [run]);
    rig.exit(run, ExitStatus::Code(0));
    assert_eq!(
        rig.launches.last().unwrap().begin,
        Begin::Resume(conversation)
    );
    let run = comes_up(&mut rig);
    assert!(matches!(last_order(&rig, run), Order::Message { text, .. } if text == "more"));
    rig.turn_ends(run, true);
    assert_eq!(rig.task(more).conversation(), Some((id, conversation)));
    assert_eq!(rig.snapshot().process(id).unwrap().conversations, 2);
    // The next one of its own begins a fresh one all the same.
    rig.add("three", None);
    assert!(matches!(last_order(&rig, run), Order::Clear { .. }));
}

#[test]
fn a_follow_up_waits_for_its_process_though_others_are_free() {
    let mut rig = Rig::new();
    let (id, run, first, conversation) = two_conversations(&mut rig);
    rig.ready("developer");
    rig.order(Command::Stop(id));
    rig.exit(run, ExitStatus::Code(0));
    let more = add(&mut rig, follow_up(first)).unwrap();
    assert_eq!(rig.task(more).state, TaskState::Queued);
    rig.order(Command::Start(id));
    let run = comes_up(&mut rig);
    rig.exit(run, ExitStatus::Code(0));
    assert_eq!(
        rig.launches.last().unwrap().begin,
        Begin::Resume(conversation)
    );
    comes_up(&mut rig);
    assert_eq!(rig.task(more).state, TaskState::Assigned);
}

#[test]
fn the_way_back_survives_the_instance() {
    let mut rig = Rig::new();
    let (_, run, first, conversation) = two_conversations(&mut rig);
    let more = add(&mut rig, follow_up(first)).unwrap();
    let mut rig = rig.reborn();
    rig.exit(run, ExitStatus::Code(0));
    assert_eq!(
        rig.launches.last().unwrap().begin,
        Begin::Resume(conversation)
    );
    comes_up(&mut rig);
    assert_eq!(rig.task(more).state, TaskState::Assigned);
}

#[test]
fn a_conversation_that_is_gone_fails_the_follow_up_and_the_process_works_on() {
    let mut rig = Rig::new();
    let (id, run, first, conversation) = two_conversations(&mut rig);
    let more = add(&mut rig, follow_up(first)).unwrap();
    rig.exit(run, ExitStatus::Code(0));
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    let text = "No conversation found".to_owned();
    rig.fact(run, Fact::ResumeFailed { text });
    rig.exit(run, ExitStatus::Code(1));
    let failed = rig.task(more);
    assert_eq!(failed.state, TaskState::Failed);
    assert_eq!(
        failed.error.as_deref(),
        Some("the conversation of task_0001 could not be resumed")
    );
    comes_up(&mut rig);
    assert_eq!(rig.status(id), Status::Running);
    // The way back is kept: whoever tries again, tries that one.
    rig.order(Command::RetryTask(more));
    let run = rig.launches.last().unwrap().run;
    rig.exit(run, ExitStatus::Code(0));
    assert_eq!(
        rig.launches.last().unwrap().begin,
        Begin::Resume(conversation)
    );
}

#[test]
fn what_cannot_be_continued_is_refused_with_the_reason() {
    let mut rig = Rig::new();
    let (ada, run) = rig.ready("developer");
    let (grace, _) = rig.ready("tester");
    let first = rig.add("one", Some(ada));
    let check = |rig: &mut Rig, new: NewTask, why: &str| {
        assert_eq!(add(rig, new).unwrap_err().to_string(), why);
    };
    let unknown = follow_up(TaskId(9));
    check(&mut rig, unknown, "there is no task task_0009");
    let why = "task_0001 is assigned; it can be continued when it is over";
    check(&mut rig, follow_up(first), why);
    rig.turn_ends(run, true);
    let elsewhere = NewTask {
        target: Target {
            process: Some(grace),
            ..Target::default()
        },
        ..follow_up(first)
    };
    let name = rig.snapshot().process(ada).unwrap().name.clone();
    let why = format!(
        "the conversation of task_0001 is {name}'s (proc_001), and nobody else can go on in it"
    );
    check(&mut rig, elsewhere, &why);
    let role = NewTask {
        target: Target {
            role: Some("tester".to_owned()),
            ..Target::default()
        },
        ..follow_up(first)
    };
    let why = format!(
        "the conversation of task_0001 is {name}'s, who has not that role or not those skills"
    );
    check(&mut rig, role, &why);
    let never = rig.add("never", Some(grace));
    rig.order(Command::Stop(grace));
    rig.order(Command::CancelTask(never));
    let waiting = rig.add("waits", Some(grace));
    rig.order(Command::CancelTask(waiting));
    let why = "task_0003 has no conversation that is known: nobody began it";
    check(&mut rig, follow_up(waiting), why);
    rig.order(Command::Stop(ada));
    rig.exit(run, ExitStatus::Code(0));
    rig.order(Command::Remove(ada));
    let why = "the conversation of task_0001 went with proc_001, which was removed";
    check(&mut rig, follow_up(first), why);
}

#[test]
fn a_follow_up_of_a_process_that_was_removed_says_so() {
    let mut rig = Rig::new();
    let (id, run, first, _) = two_conversations(&mut rig);
    rig.order(Command::Stop(id));
    rig.exit(run, ExitStatus::Code(0));
    let more = add(&mut rig, follow_up(first)).unwrap();
    rig.order(Command::Remove(id));
    let snapshot = rig.snapshot();
    assert_eq!(
        snapshot.why(more).as_deref(),
        Some("proc_001 was removed: edit for whom it is, or take it back")
    );
}

/// Has the agent begin its task, and die over it.
fn cut(rig: &mut Rig, run: RunId) {
    let message = Some(rig.message(run));
    rig.fact(run, Fact::TurnStarted { message });
    rig.exit(run, ExitStatus::Signal(9));
}

fn words(rig: &Rig, run: RunId) -> &str {
    match last_order(rig, run) {
        Order::Message { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_task_that_was_cut_goes_on_in_its_conversation_and_is_told_so() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    rig.ready("developer");
    let task = rig.add("build it", None);
    let conversation = rig.task(task).conversation();
    cut(&mut rig, run);
    // Its colleague is free when it is due again, and does not take it: the one who was at it comes up.
    let mut rig = rig.reborn();
    rig.pass(RETRY);
    assert_eq!(rig.task(task).state, TaskState::Queued);
    let begin = rig.launches.last().unwrap().begin;
    assert_eq!(Some(begin), conversation.map(|(_, id)| Begin::Resume(id)));
    let run = rig.comes_up();
    let lease = rig.task(task).lease.expect("it is at it again");
    assert_eq!((lease.process, lease.run), (id, run));
    let text = words(&rig, run);
    assert!(
        text.starts_with("You were interrupted in this task: its process died: ")
            && text.ends_with("\n\nbuild it"),
        "{text}"
    );
    rig.turn_ends(run, true);
    let done = rig.task(task);
    assert_eq!(done.state, TaskState::Succeeded);
    assert_eq!((done.conversation(), done.cut), (conversation, None));
}

#[test]
fn a_colleague_who_takes_a_task_that_was_cut_is_told_that_it_was_begun() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let (other, its_run) = rig.ready("developer");
    let task = rig.add("build it", None);
    cut(&mut rig, run);
    rig.order(Command::Stop(id));
    rig.pass(RETRY);
    assert_eq!(rig.task(task).lease.map(|lease| lease.process), Some(other));
    let text = words(&rig, its_run);
    assert!(text.starts_with("Somebody was at this task before you and was interrupted: "));
    assert!(text.ends_with("\n\nbuild it"), "{text}");
}

#[test]
fn a_task_that_was_cut_before_it_was_begun_begins_as_any_other() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    let task = rig.add("build it", None);
    rig.exit(run, ExitStatus::Signal(9));
    rig.pass(RETRY);
    let run = rig.comes_up();
    assert!(matches!(last_order(&rig, run), Order::Clear { .. }));
    rig.turn_ends(run, true);
    assert_eq!(words(&rig, run), "build it");
    assert_eq!(rig.task(task).state, TaskState::Assigned);
}

#[test]
fn a_task_that_was_cut_begins_afresh_if_its_conversation_is_lost() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("build it", None);
    cut(&mut rig, run);
    rig.pass(RETRY);
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    let text = "No conversation found".to_owned();
    rig.fact(run, Fact::ResumeFailed { text });
    rig.exit(run, ExitStatus::Code(1));
    let run = rig.comes_up();
    assert!(matches!(rig.launches.last().unwrap().begin, Begin::New(_)));
    let text = words(&rig, run);
    assert!(text.starts_with("Somebody was at this task before you"));
    assert_eq!(rig.task(task).lease.map(|lease| lease.process), Some(id));
}

#[test]
fn who_was_stopped_over_a_task_goes_on_where_it_was_and_uses_no_retry() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("build it", None);
    let message = Some(rig.message(run));
    rig.fact(run, Fact::TurnStarted { message });
    rig.order(Command::Kill(id));
    rig.exit(run, ExitStatus::Signal(9));
    let stopped = rig.task(task);
    assert_eq!((stopped.state, stopped.tries()), (TaskState::Queued, 0));
    rig.order(Command::Start(id));
    let run = rig.comes_up();
    let text = words(&rig, run);
    assert!(
        text.starts_with("You were interrupted in this task: its process was stopped. "),
        "{text}"
    );
}

#[test]
fn who_did_something_else_meanwhile_goes_back_to_the_task_that_was_cut() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("build it", Some(id));
    let conversation = rig.task(task).conversation();
    let message = Some(rig.message(run));
    rig.fact(run, Fact::TurnStarted { message });
    rig.order(Command::Kill(id));
    rig.exit(run, ExitStatus::Signal(9));
    rig.order(Command::HoldTask(task));
    rig.order(Command::Start(id));
    let run = rig.comes_up();
    rig.add("something else", Some(id));
    rig.fact(
        run,
        Fact::Conversation {
            id: Uuid::from_u128(2),
        },
    );
    rig.turn_ends(run, true);
    rig.turn_ends(run, true);
    rig.order(Command::ReleaseTask(task));
    assert_eq!(rig.closed, [run]);
    rig.exit(run, ExitStatus::Code(0));
    let run = rig.comes_up();
    assert!(words(&rig, run).starts_with("You were interrupted in this task: "));
    assert_eq!(rig.task(task).conversation(), conversation);
}

#[test]
fn a_process_keeps_its_latest_conversations_and_finds_back_to_the_first() {
    let mut rig = Rig::new();
    let (id, run, first, conversation) = two_conversations(&mut rig);
    for n in 3..=50 {
        rig.add("one more", None);
        rig.fact(
            run,
            Fact::Conversation {
                id: Uuid::from_u128(n),
            },
        );
        rig.turn_ends(run, true);
        rig.turn_ends(run, true);
        let seq = rig.sent.last().unwrap().1;
        rig.event(Event::Accepted { run, seq });
    }
    let view = rig.snapshot().process(id).cloned().unwrap();
    assert_eq!((view.conversations, view.sessions.len()), (50, 10));
    let document = rig.saved.processes.values().next().unwrap();
    assert!(document.len() < 8_000, "{document}");
    add(&mut rig, follow_up(first)).unwrap();
    rig.exit(run, ExitStatus::Code(0));
    assert_eq!(
        rig.launches.last().unwrap().begin,
        Begin::Resume(conversation)
    );
}

#[test]
fn a_task_that_was_cut_twice_in_one_conversation_is_tried_in_a_fresh_one() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let task = rig.add("build it", None);
    cut(&mut rig, run);
    rig.pass(RETRY);
    let run = rig.comes_up();
    assert!(words(&rig, run).starts_with("You were interrupted in this task: "));
    cut(&mut rig, run);
    rig.pass(RETRY + RETRY);
    let run = rig.comes_up();
    assert!(matches!(last_order(&rig, run), Order::Clear { .. }));
    rig.turn_ends(run, true);
    assert!(words(&rig, run).starts_with("Somebody was at this task before you"));
    assert_eq!(rig.task(task).lease.map(|lease| lease.process), Some(id));
}
