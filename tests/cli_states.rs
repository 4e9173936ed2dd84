//! What the command line says where something is in its way: an instance that ends, a strange environment.

#[path = "support/instance.rs"]
#[expect(dead_code, reason = "shared with tests that look at more of the state")]
mod instance;

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use instance::Instance;

/// No command takes longer than this unless it hangs.
const LONG: Duration = Duration::from_secs(60);

fn said(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

#[test]
fn who_comes_while_an_instance_ends_gets_the_next_one() {
    let instance = Instance::demo();
    instance.ok(&["create", "senior_developer", "--name", "Ada"]);
    instance.ok(&["task", "add", "HANG", "--process", "ada"]);
    instance.until_logged("proc_001", "HANG");
    let first = instance.pid();
    let mut down = instance.command(&["down"]);
    let down = down.stdout(Stdio::piped()).spawn().expect("it starts");
    let begin = SystemTime::now();
    while instance.json(&["status"])["instance"]["shutting_down"] != true {
        assert!(
            begin.elapsed().expect("a clock") < LONG,
            "it does not shut down"
        );
    }
    let (code, refused) = said(&instance.run(&["task", "add", "more"]));
    assert_eq!(code, Some(3), "{refused}");
    assert!(
        refused.contains("error: the instance is shutting down"),
        "{refused}"
    );
    assert!(refused.contains("try: `headcount up`"), "{refused}");
    let mut up = instance.command(&["up"]);
    up.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut up = up.spawn().expect("it starts");
    let mut remark = String::new();
    let remarks = up.stderr.as_mut().expect("a pipe");
    BufReader::new(remarks)
        .read_line(&mut remark)
        .expect("a line");
    assert!(
        remark.contains(&format!("instance {first} is shutting down")),
        "{remark}"
    );
    // Nothing holds it up any more.
    instance.ok(&["kill", "ada"]);
    let ended = down.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{ended:?}");
    let started = up.wait_with_output().expect("it ends");
    assert!(started.status.success(), "{started:?}");
    let status = instance.json(&["status"]);
    assert_ne!(status["instance"]["pid"], first);
    assert_eq!(status["instance"]["shutting_down"], false);
    instance.close();
}

#[test]
fn a_workspace_that_is_no_text_is_worked_in_and_ended() {
    let instance = Instance::demo();
    let folder = instance.workspace().join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&folder).expect("a folder");
    headcount::config::init(&folder).expect("the shipped configuration");
    let ask = |verb: &str| {
        let mut command = Command::new(instance::program());
        command
            .current_dir(&folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", instance.state_folder())
            .args(["--demo", verb, "--state"])
            .arg(instance.state_folder())
            .arg("--workspace")
            .arg(&folder);
        command.output().expect("it runs")
    };
    for verb in ["up", "status", "down"] {
        let done = ask(verb);
        assert!(done.status.success(), "{verb}: {done:?}");
    }
}

#[test]
fn a_variable_that_says_nothing_is_told_as_such_and_an_empty_one_is_none() {
    let instance = Instance::with(
        true,
        vec![
            ("HEADCOUNT_LOG_SIZE".to_owned(), "abc".to_owned()),
            ("HEADCOUNT_WORKSPACE".to_owned(), String::new()),
            ("HEADCOUNT_STATE".to_owned(), String::new()),
        ],
    );
    let (code, refused) = said(&instance.run(&["up"]));
    assert_eq!(code, Some(1), "{refused}");
    assert!(refused.contains("HEADCOUNT_LOG_SIZE is `abc`"), "{refused}");
    assert!(!refused.contains("__instance"), "{refused}");
    let mut bare = Command::new(instance::program());
    bare.current_dir(instance.workspace())
        .env_clear()
        .env("HOME", instance.state_folder())
        .env("HEADCOUNT_WORKSPACE", "")
        .env("HEADCOUNT_STATE", "");
    let (code, listed) = said(&bare.arg("roles").output().expect("it runs"));
    assert_eq!(code, Some(0), "{listed}");
}
