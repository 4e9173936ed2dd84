//! The whole way, as a script goes it: hire, add a task, wait for its result, end.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// Ends the instance whatever becomes of the test.
struct Company(tempfile::TempDir);

impl Drop for Company {
    fn drop(&mut self) {
        drop(headcount(self.0.path()).args(["down", "--force"]).output());
    }
}

fn headcount(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("headcount").expect("the binary is built");
    command
        .current_dir(folder)
        .timeout(std::time::Duration::from_secs(120))
        .arg("--workspace")
        .arg(folder)
        .arg("--state")
        .arg(folder.join("state"));
    command
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    let done = headcount(folder).args(arguments).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        done.status.success(),
        "{arguments:?}: {:?}\n{}\n{}",
        done.status,
        text(&done.stdout),
        text(&done.stderr)
    );
    text(&done.stdout)
}

#[test]
fn a_script_hires_gives_a_task_and_gets_its_result() {
    let company = Company(tempfile::tempdir().unwrap());
    let folder = company.0.path();
    let hired = run(
        folder,
        &[
            "create",
            "senior_developer",
            "--name",
            "Ada",
            "--demo",
            "--json",
        ],
    );
    let hired: Value = serde_json::from_str(&hired).unwrap();
    assert_eq!(
        (&hired["name"], &hired["simulated"]),
        (&"Ada".into(), &true.into())
    );
    assert!(hired["pid"].is_u64());

    // The demonstration is the only instance that runs, so it need not be named.
    let task = run(
        folder,
        &["task", "add", "SAY it is done", "--process", "ada"],
    );
    let result = run(folder, &["task", "wait", task.trim(), "--timeout", "60s"]);
    assert_eq!(result.trim(), "it is done");
    let task: Value =
        serde_json::from_str(&run(folder, &["task", "show", task.trim(), "--json"])).unwrap();
    assert_eq!(
        (&task["state"], &task["process"]),
        (&"succeeded".into(), &hired["id"])
    );
    assert!(run(folder, &["logs", "ada"]).contains("it is done"));

    // Her own Bash may look at the totals and nothing else, also from behind a double fork.
    let program = env!("CARGO_BIN_EXE_headcount");
    let place = format!("--workspace {0} --state {0}/state", folder.display());
    let text = format!(
        "TOOL Bash {program} {place} status --json | head -2; {program} {place} ps; \
         (setsid {program} {place} stop ada &); sleep 0.5"
    );
    let task = run(folder, &["task", "add", &text, "--process", "ada"]);
    run(folder, &["task", "wait", task.trim(), "--timeout", "60s"]);
    let log = run(folder, &["logs", "ada", "-n", "all"]);
    assert!(log.contains("\"running\": true"), "{log}");
    let refused = log.matches("< error: an employee may not control the company");
    assert_eq!(refused.count(), 2, "{log}");

    let stopped = run(folder, &["stop", "ada"]);
    assert!(
        stopped.starts_with("Ada stopped: ") && stopped.contains(", 0 left"),
        "{stopped}"
    );
    run(folder, &["rm", "ada"]);
    run(folder, &["down"]);
    let gone = headcount(folder).arg("ps").output().expect("it runs");
    assert_eq!(gone.status.code(), Some(3));
}

#[test]
fn a_word_to_somebody_at_work_joins_the_turn() {
    let company = Company(tempfile::tempdir().unwrap());
    let folder = company.0.path();
    run(
        folder,
        &["create", "senior_developer", "--name", "Ada", "--demo"],
    );
    let idle = headcount(folder)
        .args(["send", "ada", "hello"])
        .output()
        .unwrap();
    assert_eq!(idle.status.code(), Some(5));
    let said = String::from_utf8_lossy(&idle.stderr).into_owned();
    assert!(said.contains("Ada has no task that runs"), "{said}");

    // A tool that waits until it is let go.
    let gate = folder.join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let text = format!("TOOL Bash cat {} ;; SAY built", gate.display());
    let task = run(folder, &["task", "add", &text, "--process", "ada"]);
    let task = task.trim();
    // It is opened for writing when the tool reads.
    let mut write = std::fs::OpenOptions::new().write(true).open(&gate).unwrap();
    let sent = headcount(folder)
        .args(["send", "ada", "-", "--json"])
        .write_stdin("SAY and tested\n")
        .output()
        .unwrap();
    let sent: Value = serde_json::from_slice(&sent.stdout).unwrap();
    assert_eq!(sent["task"], task);
    std::io::Write::write_all(&mut write, b"go\n").unwrap();
    drop(write);
    run(folder, &["task", "wait", task, "--timeout", "60s"]);
    let shown: Value =
        serde_json::from_str(&run(folder, &["task", "show", task, "--json"])).unwrap();
    let message = &shown["attempts"][0]["messages"][0];
    assert_eq!(
        (&message["text"], &message["state"]),
        (&"SAY and tested".into(), &"joined".into())
    );
    let shown = run(folder, &["task", "show", task]);
    assert!(
        shown.contains("SAY and tested (joined the turn)"),
        "{shown}"
    );
}

#[test]
fn a_script_starts_sizes_restarts_and_stops_a_cluster_as_one() {
    let company = Company(tempfile::tempdir().unwrap());
    let folder = company.0.path();
    run(folder, &["init", &folder.display().to_string()]);
    let team = "\n[clusters.shop]\nload_balancing = \"least_busy\"\n\
        processes = [{ role = \"junior_developer\", instances = 2 }, { role = \"qa_engineer\" }]\n";
    let roles = folder.join("roles.toml");
    let shipped = std::fs::read_to_string(&roles).unwrap();
    std::fs::write(&roles, shipped + team).unwrap();
    let cluster = |verb: &[&str]| -> Value {
        let words = [&["--demo", "cluster"], verb, &["--json"]].concat();
        serde_json::from_str(&run(folder, &words)).unwrap()
    };
    let started = cluster(&["start", "shop"]);
    assert_eq!(started["hired"].as_array().unwrap().len(), 3, "{started:#}");
    assert_eq!(started["cluster"]["up"], 3, "{started:#}");
    let again = cluster(&["start", "shop"]);
    assert_eq!(again["hired"].as_array().unwrap().len(), 0, "{again:#}");
    let task = run(
        folder,
        &["task", "add", "SAY who I am", "--cluster", "shop"],
    );
    let task = run(folder, &["task", "wait", task.trim(), "--json"]);
    let task: Value = serde_json::from_str(&task).unwrap();
    assert_eq!(task["state"], "succeeded", "{task:#}");
    let smaller = cluster(&["scale", "shop", "junior_developer=1", "qa_engineer=2"]);
    assert_eq!(smaller["stopped"].as_array().unwrap().len(), 1);
    assert_eq!(smaller["hired"].as_array().unwrap().len(), 1);
    let listed = run(folder, &["cluster", "ls"]);
    let figures: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().take(6).collect())
        .collect();
    assert_eq!(figures[0][..2], ["CLUSTER", "UP"], "{listed}");
    let shop = figures.iter().position(|line| line[0] == "shop").unwrap();
    assert_eq!(figures[shop], ["shop", "3", "0", "3", "3", "3"], "{listed}");
    let roles = [
        ["junior_developer", "1", "0", "1", "1", "2"],
        ["qa_engineer", "2", "0", "2", "2", "1"],
    ];
    assert_eq!(figures[shop + 1..], roles, "{listed}");
    let restarted = run(folder, &["cluster", "restart", "shop"]);
    assert!(restarted.starts_with("shop: "), "{restarted}");
    let stopped = cluster(&["stop", "shop"]);
    assert_eq!(
        (&stopped["processes_left"], &stopped["cluster"]["up"]),
        (&0.into(), &0.into()),
        "{stopped:#}"
    );
    let unknown = headcount(folder)
        .args(["cluster", "start", "shpo"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert_eq!(unknown.status.code(), Some(4), "{said}");
    assert!(said.contains("shop"), "{said}");
    let much = headcount(folder)
        .args(["cluster", "scale", "shop", "qa_engineer=many"])
        .output()
        .unwrap();
    assert_eq!(much.status.code(), Some(2));
}
