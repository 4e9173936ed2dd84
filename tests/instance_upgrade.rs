//! D1d: another build takes over from the instance under load, and nobody notices.

#[path = "support/instance.rs"]
#[expect(dead_code, reason = "shared with tests that look at more of the state")]
mod instance;
mod terminal_support;

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use instance::Instance;
use serde_json::Value;
use terminal_support::Company;

fn pids(instance: &Instance) -> Vec<Value> {
    let processes = instance.json(&["ps"]);
    let list = processes.as_array().expect("a list of processes");
    list.iter().map(|process| process["pid"].clone()).collect()
}

/// Sends a document to the running instance; returns the status and what it answers.
fn post(instance: &Instance, path: &str, document: &Value) -> (u16, Value) {
    let mut stream = UnixStream::connect(instance.state().join("api.sock")).expect("it listens");
    let body = document.to_string();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = serde_json::from_str(body).expect("a JSON document");
    (code.expect("a status"), body)
}

#[test]
fn d1d_an_upgrade_under_load_is_noticed_by_nobody() {
    const ROUNDS: u64 = 5;
    let instance = Instance::demo();
    for _ in 0..3 {
        instance.ok(&["create", "senior_developer"]);
    }
    let (staff, own) = (pids(&instance), instance.pid());
    let mut follow = instance
        .command(&["logs", "proc_001", "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let first = instance.json(&["status"])["instance"]["generation"]
        .as_u64()
        .expect("a number");
    let mut waits = Vec::new();
    for round in 0..ROUNDS {
        for n in 0..3 {
            let text = format!(
                "TOOL Bash echo {round}-{n} >> done.txt ;; SLOW 0.1 text ;; FLOOD 50 20 ;; SAY did {round}-{n}"
            );
            let process = format!("proc_00{}", n + 1);
            let task = instance.json(&["task", "add", &text, "--process", &process]);
            let id = task["id"].as_str().expect("an id").to_owned();
            let wait = instance
                .command(&["task", "wait", &id, "--timeout", "60s", "--json"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program starts");
            waits.push((wait, format!("did {round}-{n}")));
        }
        let said = instance.ok(&["upgrade"]);
        assert!(said.contains("3 processes run on"), "{said}");
        let status = instance.json(&["status"]);
        assert_eq!(status["instance"]["generation"], first + round + 1);
        assert_eq!(status["instance"]["pid"], own, "{status:#}");
        assert_eq!(pids(&instance), staff, "round {round}");
    }
    for (wait, said) in waits {
        let output = wait.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
        let task: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let task = task.get(0).unwrap_or(&task);
        assert_eq!(task["state"], "succeeded", "{task:#}");
        assert_eq!(task["result"]["text"], said.as_str(), "{task:#}");
        assert_eq!(task["attempts"].as_array().map(Vec::len), Some(1));
    }
    let done = fs::read_to_string(instance.workspace().join("done.txt")).expect("the tools' file");
    assert_eq!(done.lines().count() as u64, 3 * ROUNDS, "{done}");
    // Who followed the log has followed it over all of them, and has each line once.
    let last = format!("did {}-0", ROUNDS - 1);
    let mut seen = String::new();
    for line in BufReader::new(follow.stdout.take().expect("its output")).lines() {
        let line = line.expect("text");
        seen.push_str(&line);
        seen.push('\n');
        if line.ends_with(&format!("| {last}")) {
            break;
        }
    }
    follow.kill().expect("it follows until it is ended");
    follow.wait().expect("it ends");
    for round in 0..ROUNDS {
        assert_eq!(
            seen.matches(&format!("| did {round}-0\n")).count(),
            1,
            "{seen}"
        );
    }
    instance.close();
}

#[test]
fn d1d_a_terminal_comes_back_by_itself_where_it_was() {
    let company = Company::new();
    let run = |words: &[&str]| {
        let output = company.command(words).output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    run(&["--demo", "create", "senior_developer", "--name", "Ada"]);
    let mut screen = company.run(&[env!("CARGO_BIN_EXE_headcount"), "--demo"], &[]);
    screen.wait_for("Ada");
    screen.keys(b"2");
    screen.wait_for("No task yet.");
    let before = screen.raw().len();
    run(&["--demo", "upgrade"]);
    run(&["--demo", "task", "add", "SAY upgraded"]);
    run(&["--demo", "task", "wait", "task_0001", "--timeout", "30s"]);
    screen.wait_for("SAY upgraded");
    assert!(
        !String::from_utf8_lossy(&screen.raw()[before..]).contains("\x1b[?1049l"),
        "the screen was never left"
    );
    screen.keys(b"q");
    assert_eq!(screen.ended(), 0);
    screen.assert_restored();
    run(&["--demo", "down", "--force"]);
}

#[test]
fn an_upgrade_that_cannot_be_changes_nothing() {
    let instance = Instance::demo();
    let none = instance.run(&["upgrade"]);
    assert_eq!(none.status.code(), Some(3));
    instance.ok(&["create", "senior_developer"]);
    let (staff, status) = (pids(&instance), instance.json(&["status"]));
    let roles = instance.workspace().join("roles.toml");
    let text = fs::read_to_string(&roles).expect("roles.toml");
    fs::write(&roles, format!("{text}\nnonsense = [")).expect("roles.toml");
    let refused = instance.run(&["upgrade"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("the instance goes on as it is"), "{said}");
    assert!(said.contains("roles.toml"), "{said}");
    let after = instance.json(&["status"]);
    assert_eq!(
        after["instance"]["generation"],
        status["instance"]["generation"]
    );
    assert_eq!(pids(&instance), staff);
    instance.close();
}

#[test]
fn a_program_that_is_no_headcount_does_not_take_over() {
    let instance = Instance::demo();
    instance.ok(&["create", "senior_developer"]);
    let (staff, status) = (pids(&instance), instance.json(&["status"]));
    let own = instance.workspace().join("no-headcount");
    fs::write(&own, "\x7fELF, but for the rest of it").expect("a file");
    let mut rights = fs::metadata(&own).expect("it is there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o755);
    fs::set_permissions(&own, rights).expect("it is ours");
    for program in [
        "/bin/ls",
        "/bin/true",
        "/bin/echo",
        own.to_str().expect("text"),
    ] {
        let (code, answer) = post(
            &instance,
            "/api/upgrade",
            &serde_json::json!({ "program": program }),
        );
        assert_eq!(code, 409, "{answer:#}");
        let said = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(said.contains("the instance goes on as it is"), "{said}");
    }
    // Nor does one that cannot read what there is.
    let roles = instance.workspace().join("roles.toml");
    let text = fs::read_to_string(&roles).expect("roles.toml");
    fs::write(&roles, format!("{text}\nnonsense = [")).expect("roles.toml");
    let program = serde_json::json!({ "program": env!("CARGO_BIN_EXE_headcount") });
    let (code, answer) = post(&instance, "/api/upgrade", &program);
    assert_eq!(code, 409, "{answer:#}");
    let said = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(said.contains("roles.toml"), "{said}");
    let after = instance.json(&["status"]);
    assert_eq!(after["instance"], status["instance"]);
    assert_eq!(pids(&instance), staff);
    instance.close();
}

#[test]
fn an_upgrade_while_a_worktree_is_made_does_not_forget_it() {
    let instance = Instance::demo();
    let shop = instance.workspace().join("shop");
    let folder = shop.to_str().expect("text");
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args([
            "-C",
            folder,
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@localhost",
        ]);
        let output = command.args(args).output().expect("git runs");
        assert!(output.status.success(), "git {args:?}: {output:?}");
    };
    fs::create_dir(&shop).expect("a folder");
    git(&["init", "-q"]);
    git(&["commit", "-q", "--allow-empty", "-m", "first"]);
    let hook = shop.join(".git/hooks/post-checkout");
    let fifo = |name: &str| {
        let path = shop.join(".git").join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        path
    };
    let (here, go) = (fifo("here"), fifo("go"));
    let script = format!(
        "#!/bin/sh\necho > '{}'\ncat '{}'\n",
        here.display(),
        go.display()
    );
    fs::create_dir_all(shop.join(".git/hooks")).expect("a folder");
    fs::write(&hook, script).expect("a hook");
    let mut rights = fs::metadata(&hook).expect("it is there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o755);
    fs::set_permissions(&hook, rights).expect("it is ours");

    let words = [
        "create",
        "senior_developer",
        "--name",
        "Ada",
        "--cwd",
        folder,
    ];
    instance.ok(&[&words[..], &["--worktree", "always", "--no-start"]].concat());
    let mut start = instance.command(&["start", "ada"]);
    start.stdout(Stdio::null()).stderr(Stdio::null());
    let mut start = start.spawn().expect("the program starts");
    fs::read_to_string(&here).expect("git is at it");
    // Answered when the instance hears nothing any more; git goes on.
    let program = serde_json::json!({ "program": env!("CARGO_BIN_EXE_headcount") });
    let (code, answer) = post(&instance, "/api/upgrade", &program);
    assert_eq!(code, 200, "{answer:#}");
    fs::write(&go, "").expect("git waits for it");
    start.wait().expect("it ends");
    instance.ok(&["start", "ada"]);
    let ada = instance.json(&["inspect", "ada"]);
    assert_eq!(ada["worktree"]["branch"], "headcount/ada", "{ada:#}");
    let task = "TOOL Bash pwd > where.txt ;; SAY done";
    let task = instance.json(&["task", "add", task, "--process", "ada"]);
    instance.ok(&["task", "wait", task["id"].as_str().expect("an id")]);
    let top = ada["worktree"]["folder"].as_str().expect("a folder");
    assert!(Path::new(top).join("where.txt").exists(), "it works there");
    instance.close();
}
