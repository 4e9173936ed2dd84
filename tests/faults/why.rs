//! Why somebody died, in the words of the command line and of its documents alike.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::instance::Instance;

#[test]
fn why_tells_what_said_so_and_what_led_to_an_exit_in_the_words_of_all_others() {
    let company = Instance::demo();
    company.ok(&["create", "sre", "--name", "Ada", "--no-restart"]);
    let why = company.json(&["why", "ada"]);
    assert_eq!(why["status"], "running");
    assert_eq!(why["evidence"]["source"], "the agent's answer");
    assert_eq!(why["phase"], "active: ready");
    assert_eq!(why["exits"], serde_json::json!([]));
    let none = company.run(&["why", "ada", "--exit", "last"]);
    assert_eq!(none.status.code(), Some(4), "{none:?}");

    // Ended by somebody else, without a word.
    let pid = company.json(&["inspect", "ada"])["pid"].as_i64();
    let pid = i32::try_from(pid.expect("it is up")).expect("a PID");
    kill(Pid::from_raw(pid), Signal::SIGABRT).expect("it is ours");
    company.until_logged("ada", "left down");
    let process = company.json(&["inspect", "ada"]);
    assert_eq!(process["status"], "error");
    let fault = &process["fault"];
    assert_eq!(fault["code"], "PROC_004");
    assert_eq!(&company.json(&["why", "ada"])["fault"], fault);
    let flight = company.json(&["why", "ada", "--exit", "last"]);
    assert_eq!(&flight["fault"], fault);
    assert_eq!(flight["number"], 1);
    assert_eq!(flight["exit"]["signal"], 6);
    let lines = flight["lines"].as_array().expect("the last lines");
    let is_ready =
        |line: &serde_json::Value| line.as_str().is_some_and(|line| line.ends_with(" ready"));
    assert!(lines.iter().any(is_ready), "{lines:?}");
    let steps = [
        "environment set up",
        "tools checked",
        "working directory checked",
        "health check",
    ];
    let log = company.ok(&["logs", "ada", "-n", "all"]);
    for step in steps {
        assert!(log.contains(step), "{step}: {log}");
    }
    let [cause, remedy] = ["cause", "remedy"].map(|part| fault[part].as_str().expect("a text"));
    for words in [
        &["why", "ada"][..],
        &["why", "ada", "--exit", "1"],
        &["inspect", "ada"],
    ] {
        let said = company.ok(words);
        for part in [cause, remedy, "PROC_004"] {
            assert!(said.contains(part), "{words:?}: {said}");
        }
    }
    let unknown = company.run(&["why", "ada", "--exit", "9"]);
    assert_eq!(unknown.status.code(), Some(4), "{unknown:?}");

    // The record is taken up by the next instance.
    company.kill_instance();
    company.ok(&["up"]);
    assert_eq!(company.json(&["why", "ada", "--exit", "last"]), flight);
    company.close();
}
