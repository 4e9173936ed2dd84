//! F5: ten thousand tasks and a hundred processes.

use std::time::{Duration, Instant};

use super::rig::Rig;
use crate::domain::command::Command;
use crate::domain::event::Fact;
use crate::domain::snapshot::Status;
use crate::domain::task::{NewTask, Target};

/// What one thing took, of many; the clock is this test's own.
#[expect(
    clippy::disallowed_methods,
    reason = "no runtime here whose clock could be stopped"
)]
fn timed(times: u32, mut one: impl FnMut()) -> Duration {
    let begin = Instant::now();
    for _ in 0..times {
        one();
    }
    begin.elapsed() / times
}

#[test]
fn f5_ten_thousand_tasks_and_a_hundred_processes_stay_quick() {
    let mut rig = Rig::new();
    let mut runs = vec![];
    for _ in 0..50 {
        runs.push(rig.ready("tester").1);
        rig.ready("careful");
    }
    for n in 0..10_000 {
        let role = ["developer", "command"][n % 2].to_owned();
        rig.order(Command::AddTask(Box::new(NewTask {
            text: format!("task {n}"),
            target: Target {
                role: Some(role),
                ..Target::default()
            },
            ..NewTask::default()
        })));
    }
    // Everybody is free, nobody fits, and everybody talks.
    let mut next = runs.iter().cycle();
    let fact = timed(100, || rig.fact(*next.next().unwrap(), Fact::Busy));
    let idle = timed(100, || rig.fact(*next.next().unwrap(), Fact::Idle));
    let snapshot = timed(10, || drop(rig.snapshot()));
    let seen = rig.snapshot();
    let why = timed(100, || assert!(seen.why(seen.tasks[9_999].id).is_some()));
    println!("a fact {fact:?}, {idle:?}; a snapshot {snapshot:?}; a reason {why:?}");
    // Far above what it takes without optimisation, far below what each with each would take.
    assert!(
        fact + idle < Duration::from_millis(100),
        "{fact:?} {idle:?}"
    );
    assert!(snapshot < Duration::from_millis(150), "{snapshot:?}");
    assert!(
        seen.processes
            .iter()
            .all(|one| one.status == Status::Running)
    );
    assert_eq!(seen.waits.len(), 10_000);
    // And once somebody fits, the first come is the first served.
    rig.ready("developer");
    assert!(rig.snapshot().tasks[0].lease.is_some());
}
