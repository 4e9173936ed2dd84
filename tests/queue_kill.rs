//! D1 under queue load: the instance is killed with SIGKILL over and over while five work through a queue of
//! tasks that wait for each other. In the end each task is in one end state, none is lost, and none was done
//! oftener than its attempts say.
//!
//! The short form runs with all tests. The long one, 100 kills and 500 tasks, takes a minute and a half:
//! `cargo test --test queue_kill -- --ignored --nocapture`.

#[path = "support/instance.rs"]
#[expect(dead_code, reason = "shared with tests that look at more of the state")]
mod instance;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, SystemTime};

use instance::Instance;
use serde_json::{Value, json};

/// A queue that is not empty by then stands still.
const LONG: Duration = Duration::from_secs(600);

/// A small generator, so that a round that fails can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A task of the load.
struct Planned {
    after: Vec<usize>,
    /// It kills its process each time, and nobody waits for it.
    poison: bool,
}

fn planned(count: usize, random: &mut Random) -> Vec<Planned> {
    let mut tasks: Vec<Planned> = Vec::new();
    for number in 0..count {
        let poison = number % 40 == 20;
        let mut after = BTreeSet::new();
        for _ in 0..random.below(3) {
            let back = 1 + random.below(12) as usize;
            let parent = number.checked_sub(back);
            after.extend(parent.filter(|parent| tasks.get(*parent).is_some_and(|one| !one.poison)));
        }
        tasks.push(Planned {
            after: after.into_iter().collect(),
            poison,
        });
    }
    tasks
}

fn line(number: usize, task: &Planned) -> String {
    let tool = format!("TOOL Bash echo {number} >> done.txt ;; SLOW 0.1 text");
    let after: Vec<String> = task
        .after
        .iter()
        .map(|parent| format!("n{parent}"))
        .collect();
    let last = if task.poison { "CRASH 3" } else { "SAY did" };
    let priority = ["urgent", "high", "normal", "low"][number % 4];
    let document = json!({
        "name": format!("n{number}"),
        "text": format!("{tool} ;; {last} {number}"),
        "after": after,
        "priority": priority,
        "retries": 1,
    });
    format!("{document}\n")
}

/// Crashes are to be over soon here, and are no reason to leave anybody down.
fn hasten(instance: &Instance) {
    let path = instance.workspace().join("roles.toml");
    let text = fs::read_to_string(&path).expect("roles.toml");
    let hastened = text
        .replace(
            "retries = 2, retry_delay = \"30s\"",
            "retries = 2, retry_delay = \"10ms\"",
        )
        .replace(
            "max_retries = 3, retry_delay = \"30s\"",
            "max_retries = 1000, retry_delay = \"10ms\"",
        );
    assert_ne!(text, hastened);
    fs::write(path, hastened).expect("roles.toml");
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

/// Waits for one that is open, and looks again, until there is none.
fn until_all_are_over(instance: &Instance) {
    let begin = SystemTime::now();
    loop {
        let open = instance.json(&["task", "ls", "--only", "open"]);
        let Some(first) = open[0]["id"].as_str() else {
            return;
        };
        assert!(begin.elapsed().expect("a clock") < LONG, "{open:#}");
        // Whether it succeeds, fails or is not over in time is looked at afterwards.
        instance.run(&["task", "wait", first, "--timeout", "20s"]);
    }
}

#[expect(
    clippy::print_stdout,
    reason = "what a run by hand has seen is in its output"
)]
fn killed_over_and_over(kills: usize, count: usize) {
    let instance = Instance::demo();
    hasten(&instance);
    instance.ok(&["create", "senior_developer", "--count", "5"]);
    let mut random = Random(2026);
    let plan = planned(count, &mut random);
    let file = instance.workspace().join("tasks.jsonl");
    let lines = plan
        .iter()
        .enumerate()
        .map(|(number, task)| line(number, task));
    fs::write(&file, lines.collect::<String>()).expect("a file of tasks");
    let added = instance.json(&["task", "add", "--file", &file.to_string_lossy()]);
    let ids: Vec<String> = added
        .as_array()
        .expect("a list of tasks")
        .iter()
        .map(|task| task["id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), count);
    for kill in 0..kills {
        let tasks = &instance.json(&["status"])["tasks"];
        let open = number(&tasks["queued"]) + number(&tasks["active"]);
        assert!(open > 0, "all is done before kill {kill}: there is no load");
        // The moment itself is what is tried here: nothing is waited for.
        std::thread::sleep(Duration::from_millis(random.below(150)));
        instance.kill_instance();
        instance.ok(&["up"]);
    }
    until_all_are_over(&instance);
    let done = fs::read_to_string(instance.workspace().join("done.txt")).expect("what was done");
    let mut runs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, line) in done.lines().enumerate() {
        let number = line.parse().expect("a number");
        runs.entry(number).or_default().push(place);
    }
    let tasks = instance.json(&["task", "ls"]);
    let tasks = tasks.as_array().expect("a list of tasks");
    assert_eq!(tasks.len(), count, "none is lost, none is there twice");
    let (mut attempts, mut succeeded, mut failed) = (0, 0, 0);
    for (at, id) in ids.iter().enumerate() {
        let (task, planned) = (instance.json(&["task", "show", id]), &plan[at]);
        let state = if planned.poison {
            "parked"
        } else {
            "succeeded"
        };
        assert_eq!(task["state"], state, "{task:#}");
        let tries = task["attempts"].as_array().expect("its attempts");
        let ran = runs.get(&at).map_or(0, Vec::len);
        assert!(
            tries.iter().all(|attempt| attempt["end"].is_string()),
            "an attempt that never ended: {task:#}"
        );
        assert!(
            ran <= tries.len() && (planned.poison || ran > 0),
            "ran {ran} times in {} attempts: {task:#}",
            tries.len()
        );
        let count = |end: &str| tries.iter().filter(|one| one["end"] == end).count();
        assert_eq!(count("succeeded"), usize::from(!planned.poison), "{task:#}");
        attempts += tries.len();
        succeeded += count("succeeded");
        failed += count("cut") + count("failed") + count("timed_out");
        // Whoever waits begins after those it waits for have done their work.
        let began = runs.get(&at).and_then(|places| places.first());
        for parent in &planned.after {
            let ended = runs.get(parent).and_then(|places| places.last());
            assert!(ended < began, "{id} began before task {parent} was done");
        }
    }
    let processes = instance.json(&["ps"]);
    let sum = |field: &str| -> usize {
        let processes = processes.as_array().expect("a list of processes");
        processes
            .iter()
            .map(|one| number(&one[field]) as usize)
            .sum()
    };
    assert_eq!(sum("tasks_assigned"), attempts, "attempts add up");
    assert_eq!(sum("tasks_completed"), succeeded);
    assert_eq!(sum("tasks_failed"), failed);
    println!(
        "{kills} kills, {count} tasks: {succeeded} succeeded, {} parked, {attempts} attempts, {} runs of their tools",
        count - succeeded,
        done.lines().count()
    );
    instance.close();
}

#[test]
fn d1_killed_under_a_queue_each_task_ends_once() {
    killed_over_and_over(5, 41);
}

#[test]
#[ignore = "takes a minute and a half"]
fn d1_killed_a_hundred_times_under_five_hundred_tasks_each_ends_once() {
    killed_over_and_over(100, 500);
}
