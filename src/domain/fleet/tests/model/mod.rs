//! The queue against a plain model: which task is where after any order of orders, facts and crashes.

mod both;
mod plain;

use std::time::Duration;

use proptest::prelude::*;

use self::both::Both;
use crate::domain::task::Priority;

/// Tasks are named by how new they are, processes by their number.
#[derive(Debug, Clone)]
enum Op {
    Add(Priority, Option<usize>, Wants),
    /// With a key: the second time it is the first one.
    AddKeyed(usize),
    /// Each waits for the one behind it in the list.
    AddChain(usize),
    /// Its text asks for the result of another.
    AddAsking(usize),
    Cancel(usize),
    Retry(usize),
    Dismiss(usize),
    Hold(usize),
    Release(usize),
    Remove(usize),
    EditPriority(usize, Priority),
    EditTarget(usize, Wants),
    EditAfter(usize, usize),
    MoveFirst(usize),
    MoveLast(usize),
    MoveBefore(usize, usize),
    /// The agent gets its fresh conversation, and the task after it.
    Deliver(usize),
    Acknowledge(usize),
    Begin(usize),
    Finish(usize, bool),
    Crash(usize),
    /// What an earlier attempt had to say comes now.
    Late(usize, usize),
    /// Minutes go by.
    Pass(u64),
    /// The instance dies, and the next one takes everything up.
    Reborn,
}

/// Who may do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    Anybody,
    Role(&'static str),
    Skill(&'static str),
    Process(usize),
}

/// Those who work: two of one role, one of another, and one whose cut tasks are to be asked about.
const STAFF: [&str; 4] = ["developer", "developer", "tester", "careful"];

fn wants() -> impl Strategy<Value = Wants> {
    let roles = prop::sample::select(vec!["developer", "tester", "careful"]);
    let skills = prop::sample::select(vec!["developer-skill", "tester-skill"]);
    prop_oneof![
        4 => Just(Wants::Anybody),
        3 => roles.prop_map(Wants::Role),
        1 => skills.prop_map(Wants::Skill),
        1 => (0..STAFF.len()).prop_map(Wants::Process),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let n = || 0..12_usize;
    let one = || 0..STAFF.len();
    let priority = || prop::sample::select(Priority::ALL.to_vec());
    prop_oneof![
        8 => (priority(), prop::option::of(n()), wants()).prop_map(|(p, after, who)| Op::Add(p, after, who)),
        1 => (0..3_usize).prop_map(Op::AddKeyed),
        1 => (2..5_usize).prop_map(Op::AddChain),
        1 => n().prop_map(Op::AddAsking),
        2 => n().prop_map(Op::Cancel),
        2 => n().prop_map(Op::Retry),
        1 => n().prop_map(Op::Dismiss),
        2 => n().prop_map(Op::Hold),
        2 => n().prop_map(Op::Release),
        1 => n().prop_map(Op::Remove),
        1 => (n(), priority()).prop_map(|(n, p)| Op::EditPriority(n, p)),
        1 => (n(), wants()).prop_map(|(n, who)| Op::EditTarget(n, who)),
        2 => (n(), n()).prop_map(|(n, m)| Op::EditAfter(n, m)),
        1 => n().prop_map(Op::MoveFirst),
        1 => n().prop_map(Op::MoveLast),
        2 => (n(), n()).prop_map(|(n, m)| Op::MoveBefore(n, m)),
        2 => one().prop_map(Op::Deliver),
        1 => one().prop_map(Op::Acknowledge),
        2 => one().prop_map(Op::Begin),
        10 => (one(), any::<bool>()).prop_map(|(n, success)| Op::Finish(n, success)),
        2 => one().prop_map(Op::Crash),
        2 => (one(), n()).prop_map(|(n, m)| Op::Late(n, m)),
        2 => (1..20_u64).prop_map(Op::Pass),
        1 => Just(Op::Reborn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_is_as_a_plain_model_says(ops in prop::collection::vec(op(), 0..150)) {
        let mut both = Both::new();
        for op in &ops {
            both.apply(op);
            both.check();
        }
        both.pass(Duration::from_secs(1));
        both.check();
    }
}

/// A task that is freed in the moment in which its next try is due goes at once.
#[test]
fn one_that_is_freed_when_it_is_due_goes_at_once() {
    let ops = [
        Op::Add(Priority::Urgent, None, Wants::Process(0)),
        Op::Add(Priority::Urgent, None, Wants::Role("careful")),
        Op::AddAsking(2),
        Op::Crash(0),
        Op::Crash(0),
        Op::EditAfter(1, 0),
        Op::Crash(0),
        Op::Finish(3, true),
    ];
    let mut both = Both::new();
    for op in &ops {
        both.apply(op);
        both.check();
    }
}

/// A task that is freed when its next try has long been due goes before those that came later.
#[test]
fn one_that_is_freed_after_it_was_due_keeps_its_place() {
    let ops = [
        Op::Add(Priority::Low, None, Wants::Anybody),
        Op::Add(Priority::Urgent, None, Wants::Anybody),
        Op::Add(Priority::Urgent, None, Wants::Anybody),
        Op::Finish(0, false),
        Op::Add(Priority::Urgent, None, Wants::Role("developer")),
        Op::Finish(0, false),
        Op::Add(Priority::Urgent, None, Wants::Role("tester")),
        Op::EditAfter(0, 0),
        Op::AddChain(3),
        Op::Finish(3, true),
        Op::Add(Priority::Urgent, None, Wants::Anybody),
        Op::EditAfter(5, 3),
        Op::Finish(0, true),
        Op::Pass(1),
        Op::Finish(0, true),
    ];
    let mut both = Both::new();
    for op in &ops {
        both.apply(op);
        both.check();
    }
}
