//! No file descriptors, no processes: starts are put off, and the rest goes on.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use serde_json::Value;

use crate::errors;
use crate::instance::Instance;
use crate::terminal_support::PATIENCE;

/// Who has no other process than those of the test.
const USER: u32 = 61_713;

/// Processes of the user that do nothing.
struct Crowd(Vec<Child>);

impl Crowd {
    fn of(count: usize) -> Self {
        let sleep = |_| {
            let mut command = Command::new("sleep");
            command.uid(USER).arg("1000").spawn().expect("starts")
        };
        Self((0..count).map(sleep).collect())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for one in &mut self.0 {
            one.kill().expect("it sleeps");
            one.wait().expect("it ends");
        }
    }
}

/// Hires until a start is refused; returns how many came up before that, and the command's errors.
fn hire_until_refused(instance: &Instance) -> (usize, String) {
    for hired in 0..60 {
        let output = instance.run(&["create", "senior_developer"]);
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
            return (hired, errors(&output));
        }
    }
    panic!("sixty were started");
}

fn open_alerts(instance: &Instance) -> Vec<Value> {
    let alerts = instance.json(&["alerts"]);
    let alerts = alerts.as_array().expect("a list");
    alerts
        .iter()
        .filter(|alert| alert["kind"] == "resources")
        .cloned()
        .collect()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = SystemTime::now();
    while !is_so() {
        assert!(begin.elapsed().expect("a clock") < PATIENCE, "{what}");
    }
}

/// The start of `process` is put off for want of `what`: everyone says so, its task waits, others work.
fn is_put_off(instance: &Instance, process: &str, what: &str) -> String {
    let task = instance.json(&["task", "add", "SAY at last", "--process", process]);
    let task = task["id"].as_str().expect("an id").to_owned();
    let view = instance.json(&["inspect", process]);
    assert_eq!(view["status"], "blocked", "{view:#}");
    assert_eq!(view["fault"]["code"], "PROC_003", "{view:#}");
    assert!(
        view["fault"]["cause"].to_string().contains(what),
        "{view:#}"
    );
    assert!(
        view["fault"]["remedy"].to_string().contains("ulimit"),
        "{view:#}"
    );
    let why = instance.ok(&["why", process]);
    assert!(why.contains(what) && why.contains("ulimit"), "{why}");
    let alerts = open_alerts(instance);
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert!(alerts[0]["text"].to_string().contains(what), "{alerts:#?}");
    // Whoever runs is given work, and does it.
    let other = instance.json(&["task", "add", "SAY still here", "--process", "proc_001"]);
    let other = other["id"].as_str().expect("an id");
    let other = instance.json(&["task", "wait", other, "--timeout", "30s"]);
    assert_eq!(other["result"]["text"], "still here", "{other:#}");
    let waiting = instance.json(&["task", "show", &task]);
    assert_eq!(waiting["state"], "queued", "{waiting:#}");
    assert_eq!(waiting["attempts"].as_array().map(Vec::len), Some(0));
    task
}

/// There is room again: it starts by itself, does its task, and nothing is wrong any more.
fn comes_up(instance: &Instance, process: &str, task: &str) {
    let task = instance.json(&["task", "wait", task, "--timeout", "60s"]);
    assert_eq!(task["result"]["text"], "at last", "{task:#}");
    assert_eq!(task["attempts"].as_array().map(Vec::len), Some(1));
    let view = instance.json(&["inspect", process]);
    assert_eq!(view["status"], "running", "{view:#}");
    assert_eq!(
        (&view["restarts"], &view["fault"]),
        (&0.into(), &Value::Null)
    );
    assert_eq!(open_alerts(instance), Vec::<Value>::new());
}

#[test]
fn d10_without_descriptors_a_start_waits_its_task_stays_and_the_instance_answers() {
    let instance = Instance::demo();
    let up = instance
        .limited("-n 128", &["up"])
        .output()
        .expect("starts");
    assert!(up.status.success(), "{}", errors(&up));
    let pid = instance.pid();
    let (hired, said) = hire_until_refused(&instance);
    assert!(hired >= 3, "only {hired}: {said}");
    assert!(
        said.contains("file descriptors left") && said.contains("try: "),
        "{said}"
    );
    let refused = format!("proc_{:03}", hired + 1);
    let task = is_put_off(&instance, &refused, "file descriptors left");
    // More callers at once than a start would have left.
    let follow = |_| -> Child {
        let mut command = instance.command(&["logs", "proc_001", "-f"]);
        command.stdout(Stdio::null()).spawn().expect("starts")
    };
    let mut followers: Vec<Child> = (0..20).map(follow).collect();
    assert_eq!(instance.pid(), pid);
    for follower in &mut followers {
        follower.kill().expect("it follows until it is ended");
        follower.wait().expect("it ends");
    }
    instance.ok(&["stop", "proc_002"]);
    instance.ok(&["stop", "proc_003"]);
    comes_up(&instance, &refused, &task);
    assert_eq!(instance.pid(), pid, "it is the same instance");
    instance.close();
}

/// The descriptors that a process has open for longer than a moment: the fewest of several counts.
fn descriptors(pid: u32) -> usize {
    let count = || {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
        open.expect("the process is ours").count()
    };
    (0..100).map(|_| count()).min().expect("a count")
}

#[test]
fn d10_runs_that_the_next_instance_has_no_descriptors_for_go_on_until_it_has() {
    const RUNS: usize = 14;
    let instance = Instance::demo();
    instance.ok(&["up"]);
    let without = descriptors(instance.pid());
    instance.ok(&["create", "senior_developer", "--count", &RUNS.to_string()]);
    let each = (descriptors(instance.pid()) - without).div_ceil(RUNS);
    let pids = || -> Vec<Value> {
        let processes = instance.json(&["ps"]);
        let processes = processes.as_array().expect("a list").iter();
        processes.map(|process| process["pid"].clone()).collect()
    };
    let before = pids();
    instance.kill_instance();
    // What is kept for callers, what one more takes on its way, and room for a part of the runs.
    let limit = without + 48 + 8 + each * RUNS / 2;
    let up = instance
        .limited(&format!("-n {limit}"), &["up"])
        .output()
        .expect("starts");
    assert!(up.status.success(), "{}", errors(&up));
    assert_eq!(pids(), before);
    let log = |number: usize| instance.ok(&["logs", &format!("proc_{number:03}"), "-n", "all"]);
    let is_adopted = |number: &usize| log(*number).contains("adopted by a new instance");
    // Which of them wait is settled when those that do have said so.
    until("it is said that some wait", || {
        let events = instance.ok(&["events"]);
        events.contains("its run is not taken up yet")
    });
    let (adopted, waiting): (Vec<usize>, Vec<usize>) = (1..=RUNS).partition(is_adopted);
    assert!(
        !waiting.is_empty() && !adopted.is_empty(),
        "{adopted:?} are adopted, {waiting:?} wait"
    );
    // As those end that were taken up, there are descriptors for the others.
    let mut left: Vec<usize> = (1..=RUNS).collect();
    until("all are taken up", || {
        left.retain(|number| {
            if !is_adopted(number) {
                return true;
            }
            let process = format!("proc_{number:03}");
            let view = instance.json(&["inspect", &process]);
            assert_eq!(view["pid"], before[number - 1], "{view:#}");
            let text = format!("SAY {number}");
            let task = instance.json(&["task", "add", &text, "--process", &process]);
            let task = task["id"].as_str().expect("an id");
            let task = instance.json(&["task", "wait", task, "--timeout", "30s"]);
            assert_eq!(task["state"], "succeeded", "{task:#}");
            instance.ok(&["stop", &process]);
            false
        });
        left.is_empty()
    });
    instance.close();
}

#[test]
fn d10_without_processes_a_start_waits_its_task_stays_and_the_instance_answers() {
    const LIMIT: usize = 100;
    if !nix::unistd::geteuid().is_root() {
        println!("skipped d10_without_processes…: only root can be somebody else");
        return;
    }
    let instance = Instance::demo().owned_by(USER);
    if instance.command(&["--version"]).output().is_err() {
        println!("skipped d10_without_processes…: another user cannot reach the program");
        return;
    }
    // Some shells have another letter for it.
    let limit = format!("-u {LIMIT} 2> /dev/null || ulimit -p {LIMIT}");
    let up = instance.limited(&limit, &["up"]).output();
    let up = up.expect("starts");
    assert!(up.status.success(), "{}", errors(&up));
    let pid = instance.pid();
    instance.ok(&["create", "senior_developer"]);
    // The limit is not theirs, but they count.
    let crowd = Crowd::of(LIMIT);
    let refused = instance.run(&["create", "senior_developer"]);
    let said = errors(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("no process can be made"), "{said}");
    assert!(said.contains("try: "), "{said}");
    let task = is_put_off(&instance, "proc_002", "no process can be made");
    // It is tried and put off again, and no retry is used.
    let log = || instance.ok(&["logs", "proc_002", "-n", "all"]);
    until("it is tried again", || {
        log().matches("starting (run").count() > 1
    });
    let view = instance.json(&["inspect", "proc_002"]);
    assert_eq!(view["restarts"], 0, "{view:#}");
    drop(crowd);
    comes_up(&instance, "proc_002", &task);
    assert_eq!(instance.pid(), pid, "it is the same instance");
    instance.close();
}
