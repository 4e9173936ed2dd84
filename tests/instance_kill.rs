//! D1: the instance dies with SIGKILL, the employees work on, and the next one takes them up.

#[path = "support/claude.rs"]
mod claude;
#[path = "support/fake_api.rs"]
#[expect(dead_code, reason = "shared with tests that look at more of a request")]
mod fake_api;
#[path = "support/instance.rs"]
#[expect(dead_code, reason = "shared with tests that look at more of the state")]
mod instance;

use std::fs;
use std::time::Duration;

use instance::Instance;
use serde_json::Value;

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

fn pids(instance: &Instance) -> Vec<Value> {
    let processes = instance.json(&["ps"]);
    let list = processes.as_array().expect("a list of processes");
    list.iter().map(|process| process["pid"].clone()).collect()
}

fn agents(instance: &Instance, count: usize) {
    for _ in 0..count {
        instance.ok(&["create", "senior_developer"]);
    }
}

/// Two commands that write numbered lines for ever, into pipes and onto a terminal.
const FLOODS: &str = r#"
[roles.pipe]
title = "Pipe"
department = "operations"
agent = "pipe"
[roles.screen]
title = "Screen"
department = "operations"
agent = "screen"
[agents.pipe]
command = "sh"
args = ["-c", "FLOOD"]
protocol = "plain"
[agents.screen]
command = "sh"
args = ["-c", "FLOOD"]
protocol = "terminal"
"#;
const FLOOD: &str = "n=0; while :; do i=0; while [ $i -lt 100 ]; do n=$((n+1)); i=$((i+1)); echo line $n; done; sleep 0.02; done";

/// The simulated agent in the place of the real one, beside the commands that flood.
fn with_floods() -> Instance {
    let instance = Instance::with(false, Vec::new());
    let path = instance.workspace().join("roles.toml");
    let roles = fs::read_to_string(&path).expect("roles.toml");
    let agent = format!(
        "command = \"{}\"\nargs = [\"__agent\"]",
        env!("CARGO_BIN_EXE_headcount")
    );
    let roles = roles
        .replace("command = \"claude\"", &agent)
        .replace("\nargs = []", "");
    let roles = format!("{roles}{}", FLOODS.replace("FLOOD", FLOOD));
    fs::write(path, roles).expect("roles.toml");
    instance
}

/// What a run has recorded, for each run there is.
fn records(instance: &Instance) -> Vec<String> {
    let runs = fs::read_dir(instance.state().join("runs")).expect("runs");
    runs.flatten()
        .map(|run| {
            let files = fs::read_dir(run.path()).expect("a run").flatten();
            let is_segment =
                |name: &str| name.strip_prefix("out.").is_some_and(|at| at.len() == 20);
            let mut segments: Vec<_> = files
                .filter(|file| is_segment(&file.file_name().to_string_lossy()))
                .map(|file| file.path())
                .collect();
            segments.sort();
            let bytes = segments
                .iter()
                .flat_map(|segment| fs::read(segment).expect("a segment"))
                .collect();
            String::from_utf8(bytes).expect("text")
        })
        .collect()
}

#[expect(
    clippy::print_stdout,
    reason = "what a run by hand has seen is in its output"
)]
fn killed_over_and_over(rounds: u64, seed: u64) {
    let instance = with_floods();
    agents(&instance, 3);
    instance.ok(&["create", "pipe", "screen"]);
    let before = pids(&instance);
    assert_eq!(before.len(), 5);
    let mut random = Random(seed);
    let mut tasks = Vec::new();
    for round in 0..rounds {
        for n in 0..3 {
            let text = format!(
                "TOOL Bash echo {round}-{n} >> done.txt ;; SLOW 0.1 text ;; FLOOD 50 20 ;; SAY did {round}-{n}"
            );
            let task = instance.json(&["task", "add", &text, "--role", "senior_developer"]);
            tasks.push((
                task["id"].as_str().expect("an id").to_owned(),
                format!("did {round}-{n}"),
            ));
        }
        // The moment itself is what is tried here: nothing is waited for.
        std::thread::sleep(Duration::from_millis(random.below(250)));
        instance.kill_instance();
        instance.ok(&["up"]);
        assert_eq!(pids(&instance), before, "round {round} of seed {seed}");
    }
    for (task, said) in &tasks {
        let task = instance.json(&["task", "wait", task, "--timeout", "60s"]);
        assert_eq!(task["state"], "succeeded", "{task:#}");
        assert_eq!(task["result"]["text"], said.as_str(), "{task:#}");
        assert_eq!(
            task["attempts"].as_array().map(Vec::len),
            Some(1),
            "{task:#}"
        );
    }
    let mut done: Vec<String> = fs::read_to_string(instance.workspace().join("done.txt"))
        .expect("the file of the tools")
        .lines()
        .map(str::to_owned)
        .collect();
    let count = done.len();
    done.sort();
    done.dedup();
    assert_eq!((count, done.len()), (tasks.len(), tasks.len()));
    // Every task was logged once, and every line of its flood.
    let logs: String = (1..=3)
        .map(|n| {
            let path = instance.state().join(format!("logs/proc_00{n}.log"));
            fs::read_to_string(path).expect("a log")
        })
        .collect();
    for (_, said) in &tasks {
        assert_eq!(logs.matches(&format!("| {said}\n")).count(), 1, "{said}");
    }
    for n in 1..=50 {
        let line = format!("{n:08} xxx");
        assert_eq!(logs.matches(&line).count(), tasks.len(), "{line}");
    }
    // Nor is one of the commands' lines missing, torn or doubled; the log ends as the record does.
    instance.ok(&["stop", "proc_004"]);
    instance.ok(&["stop", "proc_005"]);
    let mut floods = Vec::new();
    for record in records(&instance) {
        if !record.starts_with("line 1") {
            continue;
        }
        let mut count = 0;
        for line in record.lines() {
            count += 1;
            assert_eq!(line.trim_end_matches('\r'), format!("line {count}"));
        }
        floods.push(format!("line {count}"));
    }
    let mut ends: Vec<String> = ["proc_004", "proc_005"]
        .iter()
        .map(|process| instance.ok(&["logs", process, "-n", "1"]).trim().to_owned())
        .collect();
    floods.sort();
    ends.sort();
    println!("seed {seed}: {rounds} kills, {count} tasks; floods ended with {floods:?}");
    assert_eq!(floods, ends);
    instance.close();
}

#[test]
fn d1_killed_at_random_moments_nothing_is_lost_and_nothing_done_twice() {
    killed_over_and_over(20, 2026);
}

#[test]
#[ignore = "takes some minutes: cargo test --test instance_kill -- --ignored --nocapture d1"]
fn d1_killed_at_a_hundred_random_moments_nothing_is_lost_and_nothing_done_twice() {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    let seed = since.expect("a clock").as_secs();
    println!("seed {seed}");
    killed_over_and_over(100, seed);
}

#[test]
fn d1b_when_nobody_comes_back_each_run_ends_itself() {
    let instance = Instance::with(
        true,
        vec![("HEADCOUNT_ADOPT_WITHIN".to_owned(), "1s".to_owned())],
    );
    agents(&instance, 2);
    let shims = instance.leftovers().len();
    assert!(shims >= 3, "{:?}", instance.leftovers());
    // Both shims hold a lock in the folder of their run until they end.
    instance.kill_instance();
    for run in fs::read_dir(instance.state().join("runs"))
        .expect("runs")
        .flatten()
    {
        let lock = fs::File::open(run.path().join("lock")).expect("the lock of a shim");
        let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive);
        drop(lock.map_err(|(_, error)| error).expect("the shim ends"));
    }
    instance.ok(&["up"]);
    // What became of them is read from their reports, after the instance is up.
    instance.until_logged("proc_001", "ended with");
    instance.until_logged("proc_002", "ended with");
    let processes = instance.json(&["ps"]);
    for process in processes.as_array().expect("a list") {
        assert_eq!(process["status"], "stopped", "{process:#}");
    }
    instance.close();
}

#[test]
fn a_request_that_was_open_when_the_instance_died_is_answered_to_the_next() {
    let instance = Instance::demo();
    agents(&instance, 1);
    let task = instance.json(&["task", "add", "ASK echo yes > asked.txt ;; SAY asked"]);
    let id = task["id"].as_str().expect("an id");
    let inbox = wait_for_request(&instance);
    instance.kill_instance();
    instance.ok(&["up"]);
    instance.ok(&["approve", &inbox]);
    let task = instance.json(&["task", "wait", id, "--timeout", "30s"]);
    assert_eq!(task["state"], "succeeded", "{task:#}");
    assert_eq!(
        fs::read_to_string(instance.workspace().join("asked.txt")).expect("the file"),
        "yes\n"
    );
    instance.close();
}

#[test]
fn what_hides_from_every_trace_is_ended_when_it_falls_to_the_instance() {
    let off = ("HEADCOUNT_NO_CGROUP".to_owned(), "1".to_owned());
    let instance = Instance::with(true, vec![off]);
    agents(&instance, 1);
    // No mark, no session, no parent, no control group; it tells where it is, and is known by a file.
    let hidden = instance.workspace().join("hidden");
    let text = format!(
        "TOOL Bash ( setsid env -i /bin/sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec /bin/sleep 1000' & ) ;; SAY hidden",
        hidden.display()
    );
    let task = instance.json(&["task", "add", &text]);
    let id = task["id"].as_str().expect("an id");
    instance.json(&["task", "wait", id, "--timeout", "30s"]);
    let begin = std::time::SystemTime::now();
    while !hidden.exists() {
        assert!(begin.elapsed().expect("a clock") < Duration::from_secs(30));
    }
    let number = fs::read_to_string(&hidden).expect("its number");
    let hidden =
        headcount::os::identity::ProcessIdentity::of(number.trim().parse().expect("a number"))
            .expect("it runs");
    kill_shim(&pids(&instance)[0]);
    let begin = std::time::SystemTime::now();
    while hidden.is_alive() {
        assert!(begin.elapsed().expect("a clock") < Duration::from_secs(30));
    }
    instance.close();
}

/// Kills the shim of a run, by the PID of its leader.
fn kill_shim(leader: &Value) {
    let stat = fs::read_to_string(format!("/proc/{leader}/stat")).expect("its stat");
    let shim = stat.rsplit_once(')').expect("a name").1.split(' ').nth(2);
    let shim = shim.expect("a parent").parse().expect("a PID");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(shim),
        nix::sys::signal::Signal::SIGKILL,
    )
    .expect("the shim is ours to kill");
}

#[test]
fn f1_a_task_whose_instance_and_agent_die_together_is_retried_or_asked_about() {
    let instance = Instance::demo();
    for (role, state) in [("senior_developer", "queued"), ("devops_engineer", "held")] {
        let process = instance.json(&["create", role]);
        let id = process[0]["id"].as_str().or(process["id"].as_str());
        let id = id.expect("an id").to_owned();
        let fifo = instance.workspace().join("go");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let text = "TOOL Bash echo once >> began.txt; cat go ;; SAY did it";
        let task = instance.json(&["task", "add", text, "--process", &id]);
        let task = task["id"].as_str().expect("an id").to_owned();
        instance.until_logged(&id, "Bash  echo once");
        let begin = std::time::SystemTime::now();
        let began = instance.workspace().join("began.txt");
        while !began.exists() {
            assert!(begin.elapsed().expect("a clock") < Duration::from_secs(30));
        }
        let leader = instance.json(&["inspect", &id])["pid"].clone();
        instance.kill_instance();
        kill_shim(&leader);
        instance.ok(&["up"]);
        // What is left of the run is swept before anything is said of it.
        instance.until_logged(&id, "its shim was killed");
        let seen = instance.json(&["task", "show", &task]);
        assert_eq!(seen["state"], state, "{seen:#}");
        let attempts = seen["attempts"].as_array().expect("a list");
        assert_eq!(attempts.len(), 1, "{seen:#}");
        assert_eq!(attempts[0]["end"], "cut", "{seen:#}");
        let asked = instance.json(&["inbox"]);
        let about = |one: &&Value| one["type"] == "question" && one.to_string().contains(&task);
        let asked = asked
            .as_array()
            .expect("a list")
            .iter()
            .filter(about)
            .count();
        assert_eq!(asked, usize::from(state == "held"));
        let begun = fs::read_to_string(&began).expect("the tool's file");
        assert_eq!(begun, "once\n", "nothing was begun twice");
        fs::remove_file(&began).expect("is there");
        fs::remove_file(&fifo).expect("is there");
        instance.ok(&["task", "cancel", &task]);
    }
    instance.close();
}

/// The id of the only open request, once its process has logged that it asks.
fn wait_for_request(instance: &Instance) -> String {
    instance.until_logged("proc_001", "asks to run");
    let inbox = instance.json(&["inbox"]);
    inbox[0]["id"].as_str().expect("a request").to_owned()
}

#[test]
fn d1_the_real_agent_killed_over_in_mid_tool_brings_its_result_once() {
    let Some(claude) = claude::find() else { return };
    let api = fake_api::FakeApi::start();
    let home = tempfile::tempdir().expect("a home");
    let mut environment = claude::environment(home.path(), &api.url());
    let names: Vec<String> = environment
        .iter()
        .map(|(name, _)| format!("{name} = \"${{{name}}}\""))
        .collect();
    environment.push((
        "HEADCOUNT_CLAUDE".to_owned(),
        claude.to_string_lossy().into_owned(),
    ));
    let instance = Instance::with(false, environment);
    let roles = instance.workspace().join("roles.toml");
    let text = fs::read_to_string(&roles).expect("roles.toml");
    let table = format!(
        "[agents.claude]\nenvironment = {{ {} }}\n",
        names.join(", ")
    );
    let without: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("environment = { ANTHROPIC_API_KEY"))
        .collect();
    let text = without.join("\n").replace("[agents.claude]\n", &table);
    fs::write(&roles, text).expect("roles.toml");

    agents(&instance, 1);
    let before = pids(&instance);
    let fifo = instance.workspace().join("go");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let text = "TOOL Bash echo once >> tool.txt; cat go ;; SAY the tool came through";
    let task = instance.json(&["task", "add", text]);
    let id = task["id"].as_str().expect("an id");
    instance.until_logged("proc_001", "Bash  echo once");
    instance.kill_instance();
    // The tool ends while nobody is there to hear of it.
    fs::write(&fifo, "go\n").expect("the tool reads on");
    instance.ok(&["up"]);
    assert_eq!(pids(&instance), before);
    let task = instance.json(&["task", "wait", id, "--timeout", "60s"]);
    assert_eq!(task["state"], "succeeded", "{task:#}");
    assert_eq!(task["result"]["text"], "the tool came through");
    assert_eq!(task["attempts"].as_array().map(Vec::len), Some(1));
    let tool = fs::read_to_string(instance.workspace().join("tool.txt")).expect("the tool's file");
    assert_eq!(tool, "once\n");
    // One call that asked for the tool, one with its result: nothing was asked twice.
    let asked = api
        .requests()
        .iter()
        .filter(|one| one.prompt.contains("TOOL Bash"))
        .count();
    assert_eq!(asked, 2);
    instance.close();
}
