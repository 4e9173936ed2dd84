//! Restart with updates: marked, asked, answered.

use std::sync::Arc;
use std::time::Duration;

use super::rig::Rig;
use crate::domain::alert::AlertKind;
use crate::domain::command::{Command, Outcome, Refusal, UpdateWhen};
use crate::domain::event::{Event, Fact};
use crate::domain::exit::ExitStatus;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::role::WhenChanged;
use crate::domain::snapshot::Status;
use crate::domain::task::TaskState;
use crate::domain::updates::{Fingerprint, Updates};

pub(super) fn updates(prompt: &str) -> Arc<Updates> {
    let (mut before, mut now) = (Fingerprint::default(), Fingerprint::default());
    before.set("prompt", "3fa1c2");
    now.set("prompt", prompt);
    let changes = before.changes(&now);
    Arc::new(Updates {
        now,
        changes,
        obstacle: None,
    })
}

fn changed(rig: &mut Rig, run: RunId, updates: Option<Arc<Updates>>) {
    rig.event(Event::Compared { run, updates });
}

fn marked(rig: &mut Rig, id: ProcessId) -> bool {
    rig.snapshot().process(id).unwrap().updates_available
}

#[test]
fn a_change_marks_and_a_change_taken_back_removes_the_mark() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let before = rig.snapshot().messages.len();
    for _ in 0..3 {
        changed(&mut rig, run, Some(updates("9be044")));
    }
    assert!(marked(&mut rig, id));
    assert_eq!(rig.snapshot().messages.len(), before + 1);
    changed(&mut rig, run, None);
    assert!(!marked(&mut rig, id));
    assert!(rig.launches.len() == 1 && rig.closed.is_empty());
}

#[test]
fn not_now_holds_for_this_change_and_not_for_the_next() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    changed(&mut rig, run, Some(updates("9be044")));
    rig.order(Command::Update {
        process: id,
        when: UpdateWhen::NotNow,
    });
    assert!(!marked(&mut rig, id));
    changed(&mut rig, run, Some(updates("9be044")));
    assert!(!marked(&mut rig, id));
    changed(&mut rig, run, Some(updates("aaaaaa")));
    assert!(marked(&mut rig, id));
}

#[test]
fn when_idle_waits_for_the_task_and_comes_before_the_next_one() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let first = rig.add("one", None);
    let second = rig.add("two", None);
    changed(&mut rig, run, Some(updates("9be044")));
    let reply = rig.order(Command::Update {
        process: id,
        when: UpdateWhen::Idle,
    });
    assert_eq!(rig.answer(reply), Some(&Ok(Outcome::Done)));
    rig.pass(Duration::from_secs(60));
    assert!(rig.closed.is_empty());
    rig.turn_ends(run, true);
    assert_eq!(
        (rig.closed.clone(), rig.status(id)),
        (vec![run], Status::Stopping)
    );
    assert_eq!(
        (rig.task(first).state, rig.task(second).state),
        (TaskState::Succeeded, TaskState::Queued)
    );
    rig.exit(run, ExitStatus::Code(0));
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    rig.fact(
        run,
        Fact::Ready {
            version: None,
            logged_in: None,
        },
    );
    assert!(!marked(&mut rig, id));
    assert_eq!(rig.task(second).state, TaskState::Assigned);
}

#[test]
fn now_restarts_and_what_could_not_start_is_refused() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let none = rig.order(Command::Update {
        process: id,
        when: UpdateWhen::Now,
    });
    assert!(matches!(rig.answer(none), Some(Err(Refusal::State(_)))));
    let fault = Fault::new(FaultCode::PromptNotFound, "gone", "put it back");
    let broken = Updates {
        obstacle: Some(fault.clone()),
        ..Updates::clone(&updates("gone"))
    };
    changed(&mut rig, run, Some(Arc::new(broken)));
    let refused = rig.order(Command::Update {
        process: id,
        when: UpdateWhen::Now,
    });
    assert_eq!(
        rig.answer(refused),
        Some(&Err(Refusal::Fault { process: id, fault }))
    );
    changed(&mut rig, run, Some(updates("9be044")));
    let reply = rig.order(Command::Update {
        process: id,
        when: UpdateWhen::Now,
    });
    rig.exit(run, ExitStatus::Code(0));
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    rig.fact(
        run,
        Fact::Ready {
            version: None,
            logged_in: None,
        },
    );
    assert_eq!(rig.answer(reply), Some(&Ok(Outcome::Started(id))));
}

fn come_up(rig: &mut Rig) -> RunId {
    let run = rig.launches.last().unwrap().run;
    rig.launched(run);
    rig.fact(
        run,
        Fact::Ready {
            version: None,
            logged_in: None,
        },
    );
    run
}

#[test]
fn rolling_restarts_one_after_the_other_each_when_the_one_before_is_up() {
    let mut rig = Rig::new();
    let runs: Vec<(ProcessId, RunId)> = (0..3).map(|_| rig.ready("developer")).collect();
    // The last one has nothing new.
    for (_, run) in &runs[..2] {
        changed(&mut rig, *run, Some(updates("9be044")));
    }
    let reply = rig.order(Command::Update {
        process: runs[0].0,
        when: UpdateWhen::Rolling,
    });
    assert_eq!(rig.answer(reply), Some(&Ok(Outcome::Done)));
    assert_eq!(rig.closed, [runs[0].1]);
    rig.exit(runs[0].1, ExitStatus::Code(0));
    assert_eq!(rig.closed, [runs[0].1]);
    come_up(&mut rig);
    assert_eq!(rig.closed, [runs[0].1, runs[1].1]);
    rig.exit(runs[1].1, ExitStatus::Code(0));
    come_up(&mut rig);
    assert_eq!(rig.closed, [runs[0].1, runs[1].1]);
    assert!(!marked(&mut rig, runs[0].0) && !marked(&mut rig, runs[1].0));
}

#[test]
fn rolling_ends_with_the_first_that_does_not_come_up_and_says_so() {
    let mut rig = Rig::new();
    let (first, run) = rig.ready("developer");
    let (second, other) = rig.ready("developer");
    changed(&mut rig, run, Some(updates("9be044")));
    changed(&mut rig, other, Some(updates("9be044")));
    rig.order(Command::Update {
        process: first,
        when: UpdateWhen::Rolling,
    });
    rig.exit(run, ExitStatus::Code(0));
    let again = rig.launches.last().unwrap().run;
    rig.launched(again);
    rig.exit(again, ExitStatus::Code(1));
    let snapshot = rig.snapshot();
    assert_eq!(rig.closed, [run]);
    assert!(snapshot.messages.iter().any(|message| {
        message.text.contains("did not come up with its updates")
            && message.text.contains("run on as they are")
    }));
    assert!(marked(&mut rig, second));
    assert!(!snapshot.process(second).unwrap().restart_in_turn);
}

#[test]
fn a_role_may_say_that_its_processes_restart_without_being_asked() {
    let mut rig = Rig::new();
    let mut catalogue = rig.snapshot().catalogue.as_ref().clone();
    for role in &mut catalogue.roles {
        role.when_changed = WhenChanged::Idle;
    }
    rig.event(Event::Configured {
        catalogue: Arc::new(catalogue),
    });
    let (id, run) = rig.ready("developer");
    let task = rig.add("one", None);
    changed(&mut rig, run, Some(updates("9be044")));
    assert!(rig.closed.is_empty() && rig.snapshot().process(id).unwrap().restart_when_idle);
    rig.turn_ends(run, true);
    assert_eq!(rig.task(task).state, TaskState::Succeeded);
    assert_eq!(rig.closed, [run]);
    rig.exit(run, ExitStatus::Code(0));
    // What could not be started is left for a person.
    let run = come_up(&mut rig);
    let broken = Updates {
        obstacle: Some(Fault::new(FaultCode::PromptNotFound, "gone", "put it back")),
        ..Updates::clone(&updates("gone"))
    };
    changed(&mut rig, run, Some(Arc::new(broken)));
    assert_eq!(rig.closed.len(), 1);
    assert!(marked(&mut rig, id));
}

#[test]
fn who_does_not_come_up_with_its_updates_gets_its_last_good_configuration_back() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    changed(&mut rig, run, Some(updates("9be044")));
    rig.order(Command::Update {
        process: id,
        when: UpdateWhen::Now,
    });
    rig.exit(run, ExitStatus::Code(0));
    let again = rig.launches.last().unwrap().clone();
    assert!(!again.put_back);
    rig.launched(again.run);
    rig.exit(again.run, ExitStatus::Code(1));
    let back = rig.launches.last().unwrap().clone();
    assert!(back.put_back && back.run != again.run);
    let back = come_up(&mut rig);
    assert_eq!(rig.status(id), Status::Running);
    let alert = rig.snapshot().alerts[0].clone();
    assert_eq!(alert.kind, AlertKind::Configuration);
    assert!(alert.text.contains("PROC_00"), "{}", alert.text);
    // What it did not come up with is no news; it is put back after a crash as well, also over the end of the instance.
    changed(&mut rig, back, Some(updates("9be044")));
    assert!(!marked(&mut rig, id));
    let mut rig = rig.reborn();
    rig.exit(back, ExitStatus::Code(1));
    rig.pass(Duration::from_secs(40));
    assert!(rig.launches.last().unwrap().put_back);
    let back = come_up(&mut rig);
    // Another change is asked about, and a start by a person takes what is on disk.
    changed(&mut rig, back, Some(updates("77aa00")));
    assert!(marked(&mut rig, id));
    rig.order(Command::Restart(id));
    rig.exit(back, ExitStatus::Code(0));
    assert!(!rig.launches.last().unwrap().put_back);
    come_up(&mut rig);
    let open = rig
        .snapshot()
        .alerts
        .iter()
        .filter(|one| one.is_open())
        .count();
    assert_eq!(open, 0);
}

#[test]
fn what_is_no_fault_of_the_configuration_puts_nothing_back() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    changed(&mut rig, run, Some(updates("9be044")));
    rig.order(Command::Restart(id));
    rig.exit(run, ExitStatus::Code(0));
    let again = rig.launches.last().unwrap().run;
    rig.launched(again);
    rig.exit(again, ExitStatus::Code(1));
    // Nor does it come up with the old one: then the new one is tried on, by the common rule.
    let back = rig.launches.last().unwrap().clone();
    assert!(back.put_back);
    rig.launched(back.run);
    rig.exit(back.run, ExitStatus::Code(1));
    rig.pass(Duration::from_secs(40));
    let next = rig.launches.last().unwrap().clone();
    assert!(!next.put_back && next.run != back.run);
    // A change that is taken back leaves nothing to put back.
    let run = come_up(&mut rig);
    changed(&mut rig, run, Some(updates("9be044")));
    changed(&mut rig, run, None);
    assert!(!marked(&mut rig, id));
}
