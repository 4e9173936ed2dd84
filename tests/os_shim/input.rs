//! Input: in order, each once, whoever sends it.

use headcount::os::spec::Outcome;
use headcount::os::wire::{FromShim, InputRefusal, RunState, ToShim};

use crate::rig::{Mode, Rig, sh};

#[tokio::test]
async fn input_is_taken_once_over_two_instances() {
    let mut rig = Rig::start(
        Mode::Walk,
        sh("while read line; do echo \"got $line\"; done"),
    )
    .await;
    rig.input(1, "a\n").await;
    rig.input(2, "b\n").await;
    rig.output("got b").await;
    let (mut rig, hello) = rig.reconnect().await;
    assert_eq!(hello.accepted, 2);
    assert!(matches!(hello.state, RunState::Running { .. }));
    // The instance does not know whether the second was taken, and sends it again.
    rig.input(2, "b\n").await;
    rig.input(3, "c\n").await;
    rig.send(ToShim::CloseInput).await;
    let report = rig.finish().await;
    assert_eq!(report.outcome, Outcome::Exited { code: 0 });
    assert_eq!(rig.text(), "got a\ngot b\ngot c\n");
    let accepted = |seq| rig.heard.contains(&FromShim::Accepted { seq });
    assert!(accepted(2) && accepted(3), "{:?}", rig.heard);
}

#[tokio::test]
async fn input_that_nobody_reads_is_refused_and_stops_nothing() {
    let mut rig = Rig::start(Mode::Walk, sh("exec <&-; echo closed; exec sleep 100")).await;
    rig.output("closed").await;
    rig.input(1, "a").await;
    let refused = FromShim::InputRefused {
        seq: 1,
        why: InputRefusal::Closed,
    };
    rig.until("the refusal", |message| (*message == refused).then_some(()))
        .await;
    rig.send(ToShim::Kill).await;
    rig.finish().await;

    let mut rig = Rig::start(Mode::Walk, sh("exec sleep 100")).await;
    let large = "x".repeat(3 << 20);
    rig.input(1, &large).await;
    rig.input(2, &large).await;
    let full = FromShim::InputRefused {
        seq: 2,
        why: InputRefusal::Full,
    };
    rig.until("the refusal", |message| (*message == full).then_some(()))
        .await;
    rig.send(ToShim::Kill).await;
    rig.finish().await;
}

#[tokio::test]
async fn an_interrupt_reaches_the_leader() {
    let mut rig = Rig::start(
        Mode::Walk,
        sh("trap 'echo int; exit 0' INT; echo up; sleep 5 & wait"),
    )
    .await;
    rig.output("up").await;
    rig.send(ToShim::Interrupt).await;
    rig.output("int").await;
    rig.finish().await;
}
