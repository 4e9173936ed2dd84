//! What happened is on record, survives the instance, and is summed up for who comes back.

#[path = "support/instance.rs"]
#[expect(dead_code, reason = "shared with tests that look at more of the state")]
mod instance;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, SystemTime};

use instance::Instance;
use serde_json::Value;

/// How long is waited for what comes at once.
const PATIENCE: Duration = Duration::from_secs(30);

fn task(instance: &Instance, text: &str) -> Value {
    let task = instance.json(&["task", "add", text, "--retries", "0"]);
    let id = task["id"].as_str().expect("an id");
    // It fails where the task does.
    let over = instance.run(&["task", "wait", id, "--timeout", "60s", "--json"]);
    serde_json::from_slice(&over.stdout).expect("a task")
}

fn entries(instance: &Instance, words: &[&str]) -> Vec<Value> {
    let mut all = vec!["events", "--json"];
    all.extend_from_slice(words);
    instance
        .ok(&all)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document a line"))
        .collect()
}

fn kinds(entries: &[Value]) -> Vec<&str> {
    let kinds = entries.iter().map(|entry| entry["what"].as_str());
    kinds.map(|what| what.expect("a kind")).collect()
}

/// A command that follows, and ends with the test.
struct Follower(Child, BufReader<ChildStdout>);

impl Follower {
    fn start(instance: &Instance, words: &[&str]) -> Self {
        let mut child = instance
            .command(words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Self(child, output)
    }

    /// The first of the next lines that is of this kind.
    fn until(&mut self, what: &str) -> Value {
        loop {
            let mut line = String::new();
            let read = self.1.read_line(&mut line).expect("a line");
            assert!(read > 0, "it ended before `{what}`");
            let entry: Value = serde_json::from_str(&line).expect("a document a line");
            if entry["what"] == what {
                return entry;
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn what_happened_is_summed_up_with_reasons_and_costs() {
    let instance = Instance::demo();
    instance.ok(&["create", "senior_developer", "--name", "Ada"]);
    let quiet = instance.json(&["digest"]);
    assert_eq!(quiet["quiet"], true, "{quiet:#}");
    let done = task(&instance, "USAGE 100000 2000 ;; SAY all is well");
    assert_eq!(done["state"], "succeeded", "{done:#}");
    let lost = task(&instance, "CRASH 3");
    assert_eq!(lost["state"], "parked", "{lost:#}");
    instance.ok(&["create", "qa_engineer", "--name", "Grace"]);
    instance.ok(&[
        "task",
        "add",
        "ASK git push origin main",
        "--process",
        "grace",
    ]);
    instance.until_logged("grace", "git push origin main");

    let digest = instance.json(&["digest"]);
    assert_eq!(digest["since"], Value::Null, "nobody was ever there");
    assert_eq!(
        (&digest["quiet"], &digest["finished_count"]),
        (&false.into(), &1.into())
    );
    let finished = &digest["finished"][0];
    assert_eq!(finished["task"], done["id"], "{digest:#}");
    assert_eq!(finished["text"], "all is well");
    assert_eq!(finished["cost_usd"], done["result"]["cost_usd"]);
    assert_eq!(digest["cost_usd"], done["result"]["cost_usd"]);
    let failed = &digest["failed"][0];
    assert_eq!(
        (&failed["task"], &failed["what"]),
        (&lost["id"], &"task_parked".into())
    );
    assert_eq!(failed["text"], lost["error"]);
    let failure = &digest["failures"][0];
    assert_eq!(
        (&failure["name"], &failure["code"]),
        (&"Ada".into(), &"PROC_004".into())
    );
    let waits = &digest["waits"][0];
    assert_eq!(
        (&waits["name"], &waits["text"]),
        (&"Grace".into(), &"asks to run: git push origin main".into())
    );

    let text = instance.ok(&["digest"]);
    for part in [
        "Waits for you: 1",
        "Failed: 1",
        "Went wrong: 1",
        "Finished: 1",
        "all is well",
        "git push origin main",
        "Cost: $",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    // Nothing of it is later than now.
    let later = instance.json(&["digest", "--since", "0s"]);
    assert_eq!(later["finished_count"], 0, "{later:#}");

    let of_task = entries(&instance, &["--task", done["id"].as_str().expect("an id")]);
    assert_eq!(kinds(&of_task), ["task_added", "task_succeeded"]);
    assert_eq!(of_task[0]["by"], "an order on the command line");
    let of_ada = entries(&instance, &["--process", "ada"]);
    assert_eq!(kinds(&of_ada)[..2], ["hired", "started"]);
    assert_eq!(entries(&instance, &["-n", "1"]).len(), 1);
    let since = entries(&instance, &["--since", "10m"]);
    assert!(since == entries(&instance, &["-n", "all"]), "{since:#?}");
    instance.close();
}

#[test]
fn the_record_goes_on_over_a_kill_and_so_does_who_follows_it() {
    let instance = Instance::demo();
    instance.ok(&["create", "senior_developer", "--name", "Ada"]);
    let mut follower = Follower::start(&instance, &["events", "-f", "-n", "1", "--json"]);
    let started = follower.until("started");
    assert_eq!(started["name"], "Ada");
    task(&instance, "SAY one");
    let one = follower.until("task_succeeded");
    assert!(one["number"].as_u64() > started["number"].as_u64());
    drop(follower);

    let moment = one["at"].as_str().expect("a time").to_owned();
    instance.kill_instance();
    instance.ok(&["up"]);
    // It is up before all that it found is on record.
    let begin = SystemTime::now();
    let adopted = loop {
        let digest = instance.json(&["digest", "--since", &moment]);
        if digest["adopted"] == 1 {
            break digest;
        }
        assert!(begin.elapsed().expect("a clock") < PATIENCE, "{digest:#}");
    };
    assert_eq!(adopted["instances_lost"], 1);
    assert_eq!(adopted["quiet"], false);

    let mut follower = Follower::start(
        &instance,
        &["events", "-f", "-n", "0", "--json", "--process", "ada"],
    );
    // It follows before it has printed anything: what it waits for comes again and again until then.
    let ada = std::thread::scope(|scope| {
        let seen = scope.spawn(|| follower.until("task_succeeded"));
        while !seen.is_finished() {
            task(&instance, "SAY two");
        }
        seen.join().expect("an entry")
    });
    assert_eq!((&ada["name"], &ada["text"]), (&"Ada".into(), &"two".into()));
    // The end of the instance is the end of who follows, and no failure.
    instance.ok(&["down", "--force"]);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut follower.1, &mut rest).expect("the rest");
    assert!(follower.0.wait().expect("it ends").success(), "{rest}");

    instance.ok(&["up"]);
    let begins = |all: &[Value]| {
        let kinds = kinds(all).into_iter();
        kinds.filter(|what| *what == "instance_started").count()
    };
    let begin = SystemTime::now();
    let all = loop {
        let all = entries(&instance, &["-n", "all"]);
        if begins(&all) == 3 {
            break all;
        }
        assert!(begin.elapsed().expect("a clock") < PATIENCE, "{all:#?}");
    };
    let numbers: Vec<u64> = all
        .iter()
        .filter_map(|entry| entry["number"].as_u64())
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{numbers:?}"
    );
    assert!(kinds(&all).contains(&"instance_ends"), "{all:#?}");
    instance.close();
}
