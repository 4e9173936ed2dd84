//! Starts: the system prompt, and what keeps the agent from starting.

use std::fs;

use serde_json::Value;
use uuid::Uuid;

use super::{each_agent, piped::Launch};

#[test]
fn a_changed_system_prompt_is_used_after_a_resume() {
    if let Some(api) = each_agent(check_system_prompt) {
        assert_eq!(api.count("SYSTEM"), 3);
        let last = api.requests().pop().expect("three requests were made");
        assert!(last.system.contains("You are a heron.") && last.body["stream"] == true);
    }
}

fn check_system_prompt(name: &str, launch: &Launch) {
    let file = launch.cwd.join("prompt.md");
    let session = Uuid::new_v4().to_string();
    let ask = |conversation: &str, prompt: &str, more: &[&str]| {
        fs::write(&file, prompt).expect("a prompt is written");
        let path = file.to_string_lossy();
        let conversation = format!("{conversation}={session}");
        let mut flags = vec![conversation.as_str(), "--system-prompt-file", &path];
        flags.extend(more);
        let mut agent = launch.start(&flags);
        agent.say("SYSTEM");
        let result = agent.until(|message| message["type"] == "result");
        agent.close();
        assert_eq!(agent.end(), 0);
        result["result"].as_str().unwrap_or_default().to_owned()
    };
    let said = ask("--session-id", "You are an owl.", &[]);
    assert!(
        said.contains("You are an owl."),
        "the {name} agent said {said}"
    );
    let said = ask("--resume", "You are a heron.", &[]);
    assert!(
        said.contains("You are an owl."),
        "the {name} agent said {said}"
    );
    let said = ask(
        "--resume",
        "You are a heron.",
        &["--system-prompt-snapshot", "off"],
    );
    assert!(
        said.contains("You are a heron."),
        "the {name} agent said {said}"
    );
}

#[test]
fn an_agent_that_cannot_start_ends_with_code_1() {
    each_agent(check_refusals);
}

fn check_refusals(name: &str, launch: &Launch) {
    let unknown = "--resume=00000000-0000-4000-8000-000000000000";
    let json = [
        "-p",
        "--input-format",
        "stream-json",
        "--output-format",
        "stream-json",
        "--verbose",
    ];
    let cases: [(&[&str], &str); 6] = [
        (&["--frobnicate"], "unknown option"),
        (&["--max-turns", "many"], "--max-turns"),
        (&["--permission-mode", "lax"], "--permission-mode"),
        (&["--settings", "{"], ""),
        (&["--system-prompt-file", "nowhere.md"], "nowhere.md"),
        (&[unknown], "No conversation found"),
    ];
    for (flags, said) in cases {
        let output = launch
            .command(&[&json, flags].concat())
            .output()
            .expect("the agent starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(1),
            "the {name} agent with {flags:?}: {errors}"
        );
        assert!(
            errors.contains(said) && !errors.is_empty(),
            "the {name} agent with {flags:?}: {errors}"
        );
        let result: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let is_told =
            result.is_some_and(|result| result["num_turns"] == 0 && result["is_error"] == true);
        assert_eq!(
            is_told,
            flags == [unknown],
            "the {name} agent with {flags:?}"
        );
    }
}
