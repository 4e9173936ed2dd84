//! What happens is on record, once, with who did it and what it cost.

use std::time::Duration;

use jiff::Timestamp;

use super::rig::{Rig, t0};
use crate::domain::chronicle::{Entry, What};
use crate::domain::command::{Command, NewProcess};
use crate::domain::event::{Event, Fact, LaunchFailure};
use crate::domain::exit::ExitStatus;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::{ProcessId, RequestId};
use crate::domain::inbox::Ask;

/// The kinds of what was recorded since the last look.
fn news(rig: &mut Rig) -> Vec<What> {
    let entries = std::mem::take(&mut rig.saved.entries);
    entries.into_iter().map(|entry| entry.what).collect()
}

fn last(rig: &Rig) -> &Entry {
    rig.saved.entries.last().expect("an entry")
}

fn asks(rig: &mut Rig, run: crate::domain::id::RunId) {
    let ask = Ask::Permission {
        tool: "Bash".to_owned(),
        subject: "git push".to_owned(),
        diff: None,
        description: None,
        rule: "Bash(git push *)".to_owned(),
    };
    let input = serde_json::json!({});
    let key = "k".to_owned();
    rig.fact(run, Fact::Asked { key, ask, input });
}

#[test]
fn a_task_is_on_record_from_its_coming_to_its_result_with_the_cost() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let first = [What::InstanceStarted, What::Hired, What::Started];
    assert_eq!(news(&mut rig), first);
    let task = rig.add("do it", None);
    rig.turn_ends(run, true);
    // The agent goes on by itself, and that is paid for as well.
    rig.turn_ends(run, true);
    let entries = std::mem::take(&mut rig.saved.entries);
    let [added, done, turn] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    assert_eq!((added.what, added.task), (What::TaskAdded, Some(task)));
    assert_eq!(added.text, "do it");
    assert_eq!(added.by.as_deref(), Some("an order on the command line"));
    assert_eq!((turn.what, turn.cost_usd), (What::Turn, Some(0.5)));
    assert_eq!((done.what, done.task), (What::TaskSucceeded, Some(task)));
    assert_eq!((done.process, done.by.as_deref()), (Some(id), None));
    assert_eq!((done.text.as_str(), done.cost_usd), ("the end", Some(0.5)));
    let cost: f64 = entries.iter().filter_map(|entry| entry.cost_usd).sum();
    let accounted = rig.snapshot().cost_today_usd;
    assert!((cost - accounted).abs() < 1e-9, "{cost} {accounted}");
}

#[test]
fn a_crash_its_restart_and_the_end_of_the_retries_are_on_record_in_their_order() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    news(&mut rig);
    rig.exit(run, ExitStatus::Signal(9));
    let crash = last(&rig);
    assert_eq!((crash.what, crash.process), (What::Failed, Some(id)));
    assert_eq!(crash.code, Some(FaultCode::Crashed));
    assert!(crash.text.contains("it crashed"), "{crash:?}");
    assert!(crash.text.contains("1 process ended, 0 left"), "{crash:?}");
    rig.pass(Duration::from_secs(31));
    rig.comes_up();
    assert_eq!(
        news(&mut rig),
        [What::Failed, What::Restarted, What::Started]
    );
    for _ in 0..3 {
        let run = rig.launches.last().unwrap().run;
        rig.exit(run, ExitStatus::Signal(9));
        rig.pass(Duration::from_secs(31));
    }
    assert!(news(&mut rig).contains(&What::GaveUp));
}

#[test]
fn an_order_stands_before_what_follows_from_it_and_a_refused_one_does_not_stand_there() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    news(&mut rig);
    rig.order(Command::Restart(id));
    rig.exit(run, ExitStatus::Code(0));
    rig.comes_up();
    let restarted = [What::Ordered, What::Stopped, What::Restarted, What::Started];
    assert_eq!(news(&mut rig), restarted);
    rig.order(Command::Remove(id));
    assert_eq!(news(&mut rig), []);
    rig.order(Command::Kill(id));
    let run = rig.launches.last().unwrap().run;
    rig.exit(run, ExitStatus::Signal(9));
    rig.order(Command::Remove(id));
    let ends = std::mem::take(&mut rig.saved.entries);
    let kinds: Vec<What> = ends.iter().map(|entry| entry.what).collect();
    assert_eq!(kinds, [What::Ordered, What::Stopped, What::Removed]);
    assert_eq!(ends[2].name, ends[0].name);
    rig.order(Command::Shutdown);
    assert_eq!(last(&rig).what, What::InstanceEnds);
    assert_eq!(
        last(&rig).by.as_deref(),
        Some("an order on the command line")
    );
}

#[test]
fn a_start_that_fails_is_on_record_and_a_look_in_vain_is_not_repeated() {
    let mut rig = Rig::new();
    rig.hire("developer");
    let fails = |rig: &mut Rig| {
        let run = rig.launches.last().unwrap().run;
        let fault = Fault::new(FaultCode::PromptNotFound, "no prompt", "write one");
        let failure = LaunchFailure {
            fault,
            permanent: true,
        };
        rig.event(Event::LaunchFailed { run, failure });
    };
    fails(&mut rig);
    assert_eq!(last(&rig).what, What::Blocked);
    assert_eq!(last(&rig).code, Some(FaultCode::PromptNotFound));
    news(&mut rig);
    for _ in 0..3 {
        let before = rig.launches.len();
        while rig.launches.len() == before {
            rig.pass(Duration::from_secs(60));
        }
        fails(&mut rig);
    }
    assert_eq!(news(&mut rig), []);
}

#[test]
fn what_is_asked_and_answered_is_on_record_with_who_answered() {
    let mut rig = Rig::new();
    let (_, run) = rig.ready("developer");
    rig.add("do it", None);
    asks(&mut rig, run);
    let asked = last(&rig);
    assert_eq!(
        (asked.what, asked.request),
        (What::Asked, Some(RequestId(1)))
    );
    assert_eq!(asked.text, "asks to run: git push");
    rig.order(Command::Deny {
        request: RequestId(1),
        reason: Some("not today".to_owned()),
    });
    let answered = last(&rig);
    assert_eq!(answered.what, What::Answered);
    assert_eq!(answered.text, "denied: not today: asks to run: git push");
    assert!(answered.by.is_some());
    asks(&mut rig, run);
    rig.exit(run, ExitStatus::Signal(9));
    assert!(news(&mut rig).contains(&What::Withdrawn));
}

#[test]
fn what_could_not_be_accepted_is_not_on_record_and_the_rest_is_written_later() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    news(&mut rig);
    rig.disk = false;
    rig.order(Command::Create(Box::new(NewProcess {
        role: "tester".to_owned(),
        ..NewProcess::default()
    })));
    rig.exit(run, ExitStatus::Signal(9));
    assert_eq!(news(&mut rig), []);
    rig.disk = true;
    rig.pass(Duration::from_secs(2));
    let entries = std::mem::take(&mut rig.saved.entries);
    let kinds: Vec<(What, Option<ProcessId>)> =
        entries.iter().map(|one| (one.what, one.process)).collect();
    assert_eq!(kinds, [(What::Failed, Some(id))]);
}

#[test]
fn a_new_instance_says_that_it_is_there_and_whom_it_adopted() {
    let mut rig = Rig::new();
    let (id, run) = rig.ready("developer");
    let before = rig.saved.entries.len();
    let mut next = rig.reborn();
    next.event(Event::Adopted {
        run,
        accepted: 9,
        alive: true,
    });
    let entries = &next.saved.entries[before..];
    let kinds: Vec<_> = entries.iter().map(|one| (one.what, one.process)).collect();
    assert_eq!(
        kinds,
        [(What::InstanceStarted, None), (What::Adopted, Some(id))]
    );
}

#[test]
fn the_time_when_a_person_was_there_last_survives_and_tells_since_when_one_was_away() {
    let mut rig = Rig::new();
    let at = |second: i64| t0().wall + jiff::SignedDuration::from_secs(second);
    let terminals = |rig: &mut Rig, attached, seen: Option<i64>| {
        let seen = seen.map(at);
        rig.event(Event::Terminals { attached, seen });
    };
    let away = |rig: &mut Rig| -> Option<Timestamp> { rig.snapshot().away_since() };
    assert_eq!(away(&mut rig), None);
    terminals(&mut rig, 1, None);
    assert_eq!(away(&mut rig), None);
    rig.pass(Duration::from_secs(100));
    // The last key was pressed a while before the line broke.
    terminals(&mut rig, 0, Some(60));
    assert_eq!(away(&mut rig), Some(at(60)));
    let mut rig = rig.reborn();
    assert_eq!(away(&mut rig), Some(at(60)));
    rig.pass(Duration::from_secs(900));
    terminals(&mut rig, 1, Some(60));
    assert_eq!(away(&mut rig), Some(at(60)));
    // A second terminal at once changes nothing; one after a long rest at the first does.
    terminals(&mut rig, 2, Some(1000));
    assert_eq!(away(&mut rig), Some(at(60)));
    rig.pass(Duration::from_secs(700));
    terminals(&mut rig, 3, Some(1050));
    assert_eq!(away(&mut rig), Some(at(1050)));
    terminals(&mut rig, 0, Some(1050));
    assert_eq!(away(&mut rig), Some(at(1700)));
}
