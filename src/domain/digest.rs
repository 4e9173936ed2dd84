//! While nobody looked: what the record says of a time, summed up for one who comes back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::domain::chronicle::{Entry, What};
use crate::domain::fault::FaultCode;
use crate::domain::id::{ProcessId, RequestId, TaskId};
use crate::domain::inbox::is_stuck;
use crate::domain::snapshot::{Snapshot, Status};

/// Lines of each kind that are told one by one; the rest is counted.
pub const LINES: usize = 200;

/// What became of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskNote {
    /// Which task.
    pub task: TaskId,
    /// The first line of its text; empty if it is not there any more.
    pub title: String,
    /// Who worked on it last.
    pub process: Option<ProcessId>,
    /// The employee's name.
    pub name: Option<String>,
    /// How it ended.
    pub what: What,
    /// When.
    pub at: Timestamp,
    /// The first line of the result, or why there is none.
    pub text: String,
    /// US dollars of all its attempts in this time.
    pub cost_usd: f64,
}

/// What went wrong with a process.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureNote {
    /// Which process.
    pub process: ProcessId,
    /// The employee's name.
    pub name: String,
    /// What kind of thing, the last time.
    pub what: What,
    /// The fault, the last time.
    pub code: Option<FaultCode>,
    /// Why, the last time.
    pub text: String,
    /// When, the last time.
    pub at: Timestamp,
    /// How often.
    pub count: u32,
    /// Where it stands now; `None` if it was let go.
    pub now: Option<Status>,
}

/// A process that was started again.
#[derive(Debug, Clone, PartialEq)]
pub struct RestartNote {
    /// Which process.
    pub process: ProcessId,
    /// The employee's name.
    pub name: String,
    /// How often.
    pub count: u32,
    /// Why, the last time.
    pub text: String,
}

/// Somebody whom automation hired.
#[derive(Debug, Clone, PartialEq)]
pub struct HireNote {
    /// Which process.
    pub process: ProcessId,
    /// The employee's name.
    pub name: String,
    /// As what.
    pub text: String,
}

/// Tasks that wait for one and the same thing, which takes a person.
#[derive(Debug, Clone, PartialEq)]
pub struct StuckNote {
    /// Why they wait, and what would help.
    pub text: String,
    /// Which tasks, oldest first; the first [`LINES`] of them.
    pub tasks: Vec<TaskId>,
    /// How many there are.
    pub count: u32,
}

/// What waits for a person now.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitNote {
    /// The request; `None` where no answer is asked for but an act.
    pub request: Option<RequestId>,
    /// Who waits.
    pub process: ProcessId,
    /// The employee's name.
    pub name: String,
    /// For what.
    pub text: String,
    /// Since when.
    pub since: Timestamp,
}

/// An alert that was raised.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertNote {
    /// Whom it concerns.
    pub name: Option<String>,
    /// What is or was wrong.
    pub text: String,
    /// When.
    pub at: Timestamp,
    /// Whether it is over.
    pub over: bool,
}

/// What happened in a time, summed up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Digest {
    /// From then on; `None` for everything that is on record.
    pub since: Option<Timestamp>,
    /// Until then.
    pub until: Timestamp,
    /// Tasks that are done, newest first.
    pub finished: Vec<TaskNote>,
    /// How many that are.
    pub finished_count: u32,
    /// Tasks that ended without success and stand so, newest first.
    pub failed: Vec<TaskNote>,
    /// How many that are.
    pub failed_count: u32,
    /// Processes that failed or were blocked.
    pub failures: Vec<FailureNote>,
    /// Processes that were started again.
    pub restarted: Vec<RestartNote>,
    /// Whom automation hired.
    pub hired: Vec<HireNote>,
    /// How often an instance ended without a word and the next one went on.
    pub instances_lost: u32,
    /// Runs that went on without an instance and are looked after again.
    pub adopted: u32,
    /// What waits for a person now, longest waiting first.
    pub waits: Vec<WaitNote>,
    /// How many of those came in this time.
    pub new_waits: u32,
    /// Tasks that wait now and will not go on by themselves, the most first.
    pub stuck: Vec<StuckNote>,
    /// Alerts that were raised.
    pub alerts: Vec<AlertNote>,
    /// US dollars.
    pub cost_usd: f64,
}

impl Digest {
    /// Whether nothing happened that a person would want to know.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.finished_count == 0
            && self.failed_count == 0
            && self.failures.is_empty()
            && self.restarted.is_empty()
            && self.hired.is_empty()
            && self.instances_lost == 0
            && self.new_waits == 0
            && self.alerts.is_empty()
    }
}

/// Sums up entry by entry, oldest first, and keeps little.
#[derive(Debug, Default)]
pub struct Account {
    since: Option<Timestamp>,
    tasks: BTreeMap<TaskId, TaskNote>,
    costs: BTreeMap<TaskId, f64>,
    failures: BTreeMap<ProcessId, FailureNote>,
    restarted: BTreeMap<ProcessId, RestartNote>,
    hired: BTreeMap<ProcessId, HireNote>,
    alerts: Vec<AlertNote>,
    removed: BTreeSet<ProcessId>,
    instances_lost: u32,
    adopted: u32,
    cost_usd: f64,
    // Whether an instance was there to end, and whether it did in order.
    is_served: bool,
}

impl Account {
    /// Begins one for the time from then on.
    #[must_use]
    pub fn since(since: Option<Timestamp>) -> Self {
        Self {
            since,
            is_served: since.is_some(),
            ..Self::default()
        }
    }

    /// Takes the next entry.
    pub fn add(&mut self, entry: &Entry) {
        if let Some(cost) = entry.cost_usd {
            self.cost_usd += cost;
            if let Some(task) = entry.task {
                *self.costs.entry(task).or_default() += cost;
            }
        }
        match entry.what {
            What::TaskSucceeded | What::TaskFailed | What::TaskTimedOut | What::TaskParked => {
                self.task(entry);
            }
            // What failed before and waits again, or was taken back, stands so no more.
            What::TaskCancelled | What::TaskReturned | What::TaskTriedAgain => {
                if let Some(task) = entry.task {
                    self.tasks.remove(&task);
                }
            }
            What::Ordered => {
                if let Some(task) = entry.task {
                    self.tasks.remove(&task);
                }
            }
            What::Failed | What::GaveUp | What::Blocked => self.failure(entry),
            What::Restarted => self.restart(entry),
            What::Hired if entry.by.is_none() => self.hire(entry),
            What::Removed => {
                if let Some(process) = entry.process {
                    self.removed.insert(process);
                }
            }
            What::InstanceStarted => {
                self.instances_lost += u32::from(self.is_served);
                self.is_served = true;
            }
            What::InstanceEnds => self.is_served = false,
            What::Adopted => self.adopted += 1,
            What::Alert => self.alerts.push(AlertNote {
                name: entry.name.clone(),
                text: entry.text.clone(),
                at: entry.at,
                over: false,
            }),
            What::AlertOver => {
                let mut alerts = self.alerts.iter_mut().rev();
                let raised = alerts.find(|alert| {
                    !alert.over && alert.name == entry.name && alert.text == entry.text
                });
                if let Some(alert) = raised {
                    alert.over = true;
                }
            }
            What::Attached
            | What::Left
            | What::Hired
            | What::Started
            | What::Stopped
            | What::Changed
            | What::Updated
            | What::TaskAdded
            | What::TaskHeld
            | What::Turn
            | What::Asked
            | What::Answered
            | What::Withdrawn
            | What::Trouble => {}
        }
    }

    fn task(&mut self, entry: &Entry) {
        let Some(task) = entry.task else { return };
        let note = TaskNote {
            task,
            title: String::new(),
            process: entry.process,
            name: entry.name.clone(),
            what: entry.what,
            at: entry.at,
            text: entry.text.clone(),
            cost_usd: 0.0,
        };
        self.tasks.insert(task, note);
    }

    fn failure(&mut self, entry: &Entry) {
        let Some(process) = entry.process else { return };
        let before = self.failures.get(&process).map_or(0, |note| note.count);
        let note = FailureNote {
            process,
            name: entry.name.clone().unwrap_or_else(|| process.to_string()),
            what: entry.what,
            code: entry.code,
            text: entry.text.clone(),
            at: entry.at,
            count: before + 1,
            now: None,
        };
        self.failures.insert(process, note);
    }

    fn restart(&mut self, entry: &Entry) {
        let Some(process) = entry.process else { return };
        let before = self.restarted.get(&process).map_or(0, |note| note.count);
        let note = RestartNote {
            process,
            name: entry.name.clone().unwrap_or_else(|| process.to_string()),
            count: before + 1,
            text: entry.text.clone(),
        };
        self.restarted.insert(process, note);
    }

    fn hire(&mut self, entry: &Entry) {
        let Some(process) = entry.process else { return };
        let note = HireNote {
            process,
            name: entry.name.clone().unwrap_or_else(|| process.to_string()),
            text: entry.text.clone(),
        };
        self.hired.insert(process, note);
    }

    /// Sums up, with how things stand now.
    #[must_use]
    pub fn close(self, snapshot: &Snapshot, now: Timestamp) -> Digest {
        let (mut finished, mut failed) = (Vec::new(), Vec::new());
        for (id, mut note) in self.tasks {
            note.cost_usd = self.costs.get(&id).copied().unwrap_or(0.0);
            if let Some(task) = snapshot.task(id) {
                note.title = task.title().to_owned();
            }
            if note.what == What::TaskSucceeded {
                finished.push(note);
            } else {
                failed.push(note);
            }
        }
        let count = |notes: &Vec<TaskNote>| u32::try_from(notes.len()).unwrap_or(u32::MAX);
        let (finished_count, failed_count) = (count(&finished), count(&failed));
        for notes in [&mut finished, &mut failed] {
            notes.sort_by_key(|note| std::cmp::Reverse((note.at, note.task)));
            notes.truncate(LINES);
        }
        let mut failures: Vec<FailureNote> = self.failures.into_values().collect();
        for note in &mut failures {
            note.now = snapshot.process(note.process).map(|view| view.status);
        }
        failures.retain(|note| !self.removed.contains(&note.process) || note.now.is_some());
        let mut alerts = self.alerts;
        alerts.drain(..alerts.len().saturating_sub(LINES));
        let waits = waits(snapshot);
        let is_new = |note: &&WaitNote| self.since.is_none_or(|since| note.since >= since);
        Digest {
            since: self.since,
            until: now,
            finished,
            finished_count,
            failed,
            failed_count,
            failures,
            restarted: self.restarted.into_values().collect(),
            hired: self.hired.into_values().collect(),
            stuck: stuck(snapshot),
            instances_lost: self.instances_lost,
            adopted: self.adopted,
            new_waits: u32::try_from(waits.iter().filter(is_new).count()).unwrap_or(u32::MAX),
            waits,
            alerts,
            cost_usd: self.cost_usd,
        }
    }
}

/// What waits for a person now, longest waiting first: requests, and processes that stay down.
fn waits(snapshot: &Snapshot) -> Vec<WaitNote> {
    let name_of = |id: ProcessId| {
        let view = snapshot.process(id);
        view.map_or_else(|| id.to_string(), |view| view.name.clone())
    };
    let asked = snapshot.requests.iter().filter(|one| one.is_open());
    let asked = asked.map(|request| WaitNote {
        request: Some(request.id),
        process: request.process,
        name: name_of(request.process),
        text: request.ask.line(),
        since: request.asked,
    });
    let stuck = snapshot.processes.iter();
    let stuck = stuck.filter(|view| is_stuck(view) && view.requests.is_empty());
    let stuck = stuck.map(|view| WaitNote {
        request: None,
        process: view.id,
        name: view.name.clone(),
        text: view.now.clone(),
        since: view.since,
    });
    let mut waits: Vec<WaitNote> = asked.chain(stuck).collect();
    waits.sort_by_key(|note| note.since);
    waits
}

/// Tasks that will not go on by themselves, by what they wait for.
fn stuck(snapshot: &Snapshot) -> Vec<StuckNote> {
    let mut notes: BTreeMap<String, StuckNote> = BTreeMap::new();
    // Of each the one whose cause it shares: of a long chain each link is looked at once.
    let mut causes: HashMap<TaskId, TaskId> = HashMap::new();
    for row in snapshot.tasks.rows() {
        if row.state.is_final() {
            continue;
        }
        let (mut way, mut at) = (Vec::new(), row.id);
        let cause = loop {
            if let Some(known) = causes.get(&at) {
                break *known;
            }
            way.push(at);
            match snapshot.waits_like(at) {
                Some(parent) => at = parent,
                None => break at,
            }
        };
        causes.extend(way.into_iter().map(|one| (one, cause)));
        let Some(text) = snapshot.stuck(cause) else {
            continue;
        };
        let note = notes
            .entry(text.into_owned())
            .or_insert_with_key(|text| StuckNote {
                text: text.clone(),
                tasks: Vec::new(),
                count: 0,
            });
        note.count += 1;
        if note.tasks.len() < LINES {
            note.tasks.push(row.id);
        }
    }
    let mut notes: Vec<StuckNote> = notes.into_values().collect();
    notes.sort_by_key(|note| std::cmp::Reverse(note.count));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn entry(second: i64, what: What) -> Entry {
        Entry {
            process: Some(ProcessId(1)),
            name: Some("Ada".to_owned()),
            ..Entry::new(at(second), what, &format!("text {second}"))
        }
    }

    fn task(second: i64, what: What, id: u64, cost: f64) -> Entry {
        Entry {
            task: Some(TaskId(id)),
            cost_usd: (cost > 0.0).then_some(cost),
            ..entry(second, what)
        }
    }

    fn sum(since: Option<i64>, entries: &[Entry]) -> Digest {
        let mut account = Account::since(since.map(at));
        entries.iter().for_each(|entry| account.add(entry));
        account.close(&Snapshot::default(), at(1000))
    }

    #[test]
    fn a_task_counts_by_how_it_stands_and_costs_what_all_attempts_cost() {
        let digest = sum(
            Some(0),
            &[
                task(1, What::TaskTriedAgain, 1, 0.25),
                task(2, What::TaskSucceeded, 1, 0.5),
                task(3, What::TaskParked, 2, 0.25),
                task(4, What::TaskFailed, 3, 0.0),
                task(5, What::Ordered, 3, 0.0),
                task(6, What::TaskSucceeded, 4, 0.0),
                task(7, What::TaskCancelled, 5, 0.0),
                task(8, What::Turn, 0, 0.5),
            ],
        );
        let ids = |notes: &[TaskNote]| -> Vec<u64> { notes.iter().map(|n| n.task.0).collect() };
        assert_eq!(ids(&digest.finished), [4, 1]);
        assert_eq!(ids(&digest.failed), [2]);
        assert_eq!((digest.finished_count, digest.failed_count), (2, 1));
        let costs = (digest.cost_usd, digest.finished[1].cost_usd);
        assert_eq!(costs, (1.5, 0.75));
    }

    #[test]
    fn failures_and_restarts_are_counted_by_process_with_the_last_reason() {
        let crash = Entry {
            code: Some(FaultCode::Crashed),
            ..entry(5, What::Failed)
        };
        let digest = sum(
            Some(0),
            &[
                entry(1, What::Blocked),
                crash,
                entry(6, What::Restarted),
                entry(7, What::Restarted),
            ],
        );
        let [failure] = digest.failures.as_slice() else {
            panic!("{digest:?}");
        };
        assert_eq!((failure.count, failure.text.as_str()), (2, "text 5"));
        assert_eq!(failure.code, Some(FaultCode::Crashed));
        assert_eq!((digest.restarted[0].count, digest.restarted.len()), (2, 1));
    }

    #[test]
    fn an_instance_that_ended_without_a_word_is_told_and_one_that_was_told_to_is_not() {
        let lost = |since, entries: &[What]| {
            let entries: Vec<Entry> = entries.iter().map(|what| entry(1, *what)).collect();
            sum(since, &entries).instances_lost
        };
        assert_eq!(lost(Some(0), &[What::InstanceStarted, What::Adopted]), 1);
        assert_eq!(
            lost(Some(0), &[What::InstanceEnds, What::InstanceStarted]),
            0
        );
        // The first of all.
        assert_eq!(lost(None, &[What::InstanceStarted]), 0);
        assert_eq!(
            lost(None, &[What::InstanceStarted, What::InstanceStarted]),
            1
        );
    }

    #[test]
    fn what_a_person_did_is_no_news() {
        let quiet = [
            What::Started,
            What::Stopped,
            What::TaskAdded,
            What::Attached,
            What::Left,
            What::Answered,
        ];
        let entries: Vec<Entry> = quiet.iter().map(|what| entry(1, *what)).collect();
        assert!(sum(Some(0), &entries).is_quiet());
        assert!(!sum(Some(0), &[entry(1, What::GaveUp)]).is_quiet());
        assert!(!sum(Some(0), &[task(1, What::TaskSucceeded, 1, 0.0)]).is_quiet());
    }

    #[test]
    fn whom_automation_hired_is_news_and_whom_a_person_hired_is_not() {
        let by_hand = Entry {
            by: Some("you".to_owned()),
            ..entry(1, What::Hired)
        };
        assert!(sum(Some(0), &[by_hand]).is_quiet());
        let digest = sum(Some(0), &[entry(2, What::Hired)]);
        assert_eq!(digest.hired[0].text, "text 2");
        assert!(!digest.is_quiet());
    }

    #[test]
    fn an_alert_that_is_over_is_told_as_such() {
        let over = Entry {
            text: "text 1".to_owned(),
            ..entry(3, What::AlertOver)
        };
        let digest = sum(
            Some(0),
            &[entry(1, What::Alert), entry(2, What::Alert), over],
        );
        let states: Vec<bool> = digest.alerts.iter().map(|alert| alert.over).collect();
        assert_eq!(states, [true, false]);
    }
}
