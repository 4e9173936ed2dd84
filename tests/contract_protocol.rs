//! The protocol: the real Claude Code and the simulated agent go through the same scenarios, and a supervisor
//! must not be able to tell one from the other.
//!
//! The real one runs against a fake Messages API; if it is not installed its half is skipped, by name.

#[path = "support/claude.rs"]
mod claude;
#[path = "support/fake_api.rs"]
mod fake_api;
#[path = "support/piped.rs"]
mod piped;

use std::{fs, path::Path, thread, time::Duration};

use fake_api::FakeApi;
use nix::sys::signal::Signal;
use piped::Launch;
use serde_json::{Value, json};
use uuid::Uuid;

/// One thing that a supervisor does.
enum Do {
    Say(&'static str),
    /// Reads on until a message has this fact.
    Await(&'static str),
    /// Answers the permission request that was read last.
    Answer(Value),
    Control(Value),
    /// Lets the command get under way.
    Breathe,
    Signal(Signal),
    Close,
    /// Waits for the end, and starts it again with `--resume`.
    Resume,
}
use Do::{Answer, Await, Breathe, Close, Control, Resume, Say};

struct Scenario {
    flags: &'static [&'static str],
    steps: Vec<Do>,
    /// What is to be seen, divided by ` | ` and line breaks: `…` for what may differ at the end,
    /// and the short forms of `expected`.
    facts: &'static str,
    code: i32,
}

/// Plays a scenario with both agents and compares the facts with those that were recorded.
fn check(scenario: &Scenario) {
    let home = tempfile::tempdir().expect("a folder for HOME");
    play(scenario, "simulated", &simulated(home.path()));
    if let Some(program) = claude::find() {
        let home = tempfile::tempdir().expect("a folder for HOME");
        let api = FakeApi::start();
        play(scenario, "real", &real(&program, home.path(), &api));
        let says = scenario.steps.iter().any(|step| matches!(step, Say(_)));
        assert_eq!(
            !api.requests().is_empty(),
            says,
            "the real agent calls the API for its tasks"
        );
    }
}

fn simulated(home: &Path) -> Launch {
    Launch::simulated(home, &work_folder(home)).with("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1")
}

fn real(program: &Path, home: &Path, api: &FakeApi) -> Launch {
    let launch = Launch {
        program: program.to_owned(),
        first: vec![],
        environment: claude::environment(home, &api.url()),
        cwd: work_folder(home),
    };
    launch
        .with("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1")
        .with("CLAUDE_CODE_MAX_RETRIES", "2")
}

fn work_folder(home: &Path) -> std::path::PathBuf {
    let folder = home.join("work");
    fs::create_dir_all(&folder).expect("a folder to work in");
    folder
}

fn play(scenario: &Scenario, name: &str, launch: &Launch) {
    let session = Uuid::new_v4().to_string();
    let start = |how: &str| {
        let conversation = format!("{how}={session}");
        let mut flags = vec![
            conversation.as_str(),
            "--permission-mode",
            "default",
            "--setting-sources",
            "user",
        ];
        flags.extend(scenario.flags);
        let mut agent = launch.start(&flags);
        agent.control(&json!({"subtype": "initialize"}));
        agent.seen.clear();
        agent
    };
    let mut agent = start("--session-id");
    let mut last = Value::Null;
    let mut facts = vec![];
    for step in &scenario.steps {
        match step {
            Say(text) => drop(agent.say(text)),
            Await(fact) => last = agent.until_fact(fact),
            Answer(body) => agent.answer(&last, body),
            Control(request) => drop(agent.control(request)),
            Breathe => thread::sleep(Duration::from_millis(700)),
            Do::Signal(signal) => agent.signal(*signal),
            Close => agent.close(),
            Resume => {
                let code = agent.end();
                facts.extend(agent.facts());
                facts.push(format!("ended {code}"));
                agent = start("--resume");
            }
        }
    }
    let code = agent.end();
    facts.extend(agent.facts());
    if let Some(sure) = expected(scenario.facts).iter().position(|fact| fact == "…") {
        facts.truncate(sure);
        facts.push("…".to_owned());
    }
    assert_eq!(facts, expected(scenario.facts), "the {name} agent");
    assert_eq!(code, scenario.code, "the exit code of the {name} agent");
    for result in agent
        .seen
        .iter()
        .filter(|message| message["type"] == "result")
    {
        check_result(name, result);
    }
}

fn expected(facts: &str) -> Vec<String> {
    let facts = facts
        .split(['|', '\n'])
        .map(str::trim)
        .filter(|fact| !fact.is_empty());
    let long = facts.flat_map(|fact| match fact {
        "begins" => vec!["is running", "queued", "started", "init"],
        "completes" => vec!["completed", "is idle"],
        "cancels" => vec!["cancelled", "is idle"],
        other => vec![other],
    });
    long.map(str::to_owned).collect()
}

/// Every field of a result that we read is there and has its type.
fn check_result(name: &str, result: &Value) {
    let numbers = [
        "duration_ms",
        "duration_api_ms",
        "num_turns",
        "total_cost_usd",
        "queued_turn_count",
        "result_index",
    ];
    for field in numbers {
        assert!(
            result[field].is_number(),
            "{field} of the {name} agent: {result:#}"
        );
    }
    for field in ["session_id", "uuid", "user_message_uuid", "subtype"] {
        assert!(
            result[field].is_string(),
            "{field} of the {name} agent: {result:#}"
        );
    }
    for field in ["usage", "modelUsage", "model_usage_since_last_result"] {
        assert!(
            result[field].is_object(),
            "{field} of the {name} agent: {result:#}"
        );
    }
    for field in ["permission_denials", "user_message_uuids"] {
        assert!(
            result[field].is_array(),
            "{field} of the {name} agent: {result:#}"
        );
    }
    let text = if result["subtype"] == "success" {
        &result["result"]
    } else {
        &result["errors"][0]
    };
    assert!(text.is_string(), "what the {name} agent says: {result:#}");
}

const IDLE: Do = Await("is idle");

#[test]
fn two_turns_and_the_end_of_input() {
    check(&Scenario {
        flags: &[],
        steps: vec![Say("SAY first"), IDLE, Say("RECALL"), IDLE, Close],
        facts: r#"
            begins | says first | result success completed 1 | completes
            begins | says ["SAY first","RECALL"] | result success completed 1 | completes
        "#,
        code: 0,
    });
}

#[test]
fn a_tool_that_is_allowed_runs_without_a_question() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash(touch *)"],
        steps: vec![
            Say("TOOL Bash touch made ;; TOOL Read made ;; SAY done"),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | tool done | says Calling a tool. | uses Read
                tool done | says done | result success completed 3 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_rule_to_deny_refuses_a_part_of_a_command() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash", "--disallowedTools", "Bash(rm *)"],
        steps: vec![Say("TOOL Bash echo a; rm -f b ;; SAY done"), IDLE, Close],
        facts: "
            begins | says Calling a tool. | uses Bash | tool failed | says done
                result success completed 2 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_rule_to_ask_asks_for_what_is_allowed() {
    check(&Scenario {
        flags: &[
            "--allowedTools",
            "Bash",
            "--settings",
            r#"{"permissions":{"ask":["Bash(git push *)"]}}"#,
        ],
        steps: vec![
            Say("TOOL Bash cd . && git push x ;; SAY done"),
            Await("asks Bash"),
            Answer(json!({"behavior": "deny", "message": "Not on a Friday."})),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | is requires_action | asks Bash | is running
                tool failed | says done | result success completed 2 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_permission_is_given_and_remembered() {
    let rule = json!({"toolName": "Bash", "ruleContent": "touch *"});
    let remember =
        json!({"type": "addRules", "rules": [rule], "behavior": "allow", "destination": "session"});
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("TOOL Bash touch a ;; TOOL Bash touch b ;; SAY done"),
            Await("asks Bash"),
            Answer(json!({
                "behavior": "allow", "updatedInput": {"command": "touch c"}, "updatedPermissions": [remember],
            })),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | is requires_action | asks Bash | is running
                tool done | says Calling a tool. | uses Bash | tool done | says done
                result success completed 3 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_permission_is_refused_and_the_turn_goes_on() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("TOOL Write a.txt|x ;; SAY done"),
            Await("asks Write"),
            Answer(json!({"behavior": "deny", "message": "Not on a Friday."})),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Write | is requires_action | asks Write | is running
                tool failed | says done | result success completed 2 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_refusal_may_end_the_turn() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("TOOL Bash touch a ;; SAY done"),
            Await("asks Bash"),
            Answer(json!({"behavior": "deny", "message": "Stop.", "interrupt": true})),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | is requires_action | asks Bash | is running
                tool failed | [Request interrupted by user for tool use]
                result error_during_execution aborted_tools 3 | cancels
        ",
        code: 1,
    });
}

#[test]
fn a_question_is_withdrawn_by_an_interrupt() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("TOOL Bash touch a"),
            Await("asks Bash"),
            Control(json!({"subtype": "interrupt"})),
            IDLE,
            Say("SAY alive"),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | is requires_action | asks Bash | withdrawn
                answer success | is running | tool failed | [Request interrupted by user for tool use]
                result error_during_execution aborted_tools 3 | cancels
            begins | says alive | result success completed 1 | completes
        ",
        code: 0,
    });
}

#[test]
fn an_interrupt_cuts_an_answer_off() {
    check(&Scenario {
        flags: &["--include-partial-messages"],
        steps: vec![
            Say("SLOW 30"),
            Await("init"),
            Breathe,
            Control(json!({"subtype": "get_binary_version"})),
            Control(json!({"subtype": "interrupt"})),
            IDLE,
            Close,
        ],
        facts: "
            begins | answer success | answer success | cut off | [Request interrupted by user]
                result error_during_execution aborted_streaming 2 | cancels
        ",
        code: 1,
    });
}

#[test]
fn an_interrupt_kills_the_command() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash"],
        steps: vec![
            Say("TOOL Bash tail -f /dev/null"),
            Await("uses Bash"),
            Breathe,
            Control(json!({"subtype": "interrupt"})),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | answer success | tool failed
                [Request interrupted by user for tool use]
                result error_during_execution aborted_tools 3 | cancels
        ",
        code: 1,
    });
}

#[test]
fn an_interrupt_ends_a_wait_for_the_api() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("HANG"),
            Await("init"),
            Breathe,
            Control(json!({"subtype": "interrupt"})),
            IDLE,
            Control(json!({"subtype": "interrupt"})),
            Control(json!({"subtype": "ping"})),
            Say("SAY alive"),
            IDLE,
            Close,
        ],
        facts: "
            begins | answer success | [Request interrupted by user]
                result error_during_execution aborted_streaming 2 | cancels | answer success | answer error
            begins | says alive | result success completed 1 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_message_joins_the_turn_whose_tool_runs() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash"],
        steps: vec![
            Say("TOOL Bash timeout 1.5 tail -f /dev/null || true ;; SAY done"),
            Await("uses Bash"),
            Say("hurry up"),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | queued | tool done | started | says done
                completed | result success completed 2 | completes
        ",
        code: 0,
    });
}

#[test]
fn messages_that_wait_become_one_turn() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("SLOW 2 a"),
            Await("init"),
            Say("SAY b"),
            Say("one more thing"),
            IDLE,
            Close,
        ],
        facts: "
            begins | queued | queued | says a | result success completed 1 | completed | started
                started | init | says b | result success completed 1 | completed | completes
        ",
        code: 0,
    });
}

#[test]
fn a_fresh_conversation_begins_with_clear() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("SAY a"),
            IDLE,
            Say("/clear"),
            IDLE,
            Say("RECALL"),
            IDLE,
            Close,
        ],
        facts: r#"
            begins | says a | result success completed 1 | completes | is running | queued | started | init | result success - 0 | completes
            begins | says ["RECALL"] | result success completed 1 | completes
        "#,
        code: 0,
    });
}

#[test]
fn turns_are_limited() {
    check(&Scenario {
        flags: &["--max-turns", "2"],
        steps: vec![
            Say("LOOP 5 TOOL Bash echo x"),
            IDLE,
            Say("SAY next"),
            IDLE,
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | tool done | says Calling a tool. | uses Bash
                tool done | result error_max_turns max_turns 3 | completes
            begins | says next | result success completed 1 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_budget_is_used_up_for_good() {
    check(&Scenario {
        flags: &["--max-budget-usd", "0.01"],
        steps: vec![
            Say("USAGE 1000000 2000 first"),
            IDLE,
            Say("SAY next"),
            IDLE,
            Close,
        ],
        facts: "
            begins | says first | result error_max_budget_usd budget_exhausted 1 | cancels
            begins | result error_max_budget_usd budget_exhausted 1 | cancels
        ",
        code: 1,
    });
}

#[test]
fn an_error_of_the_api_is_a_success_that_failed() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("ERROR 400"),
            IDLE,
            Say("ERROR 529 x1 ;; SAY made it"),
            IDLE,
            Close,
        ],
        facts: "
            begins | error unknown | result success api_error 1 | cancels
            begins | retries overloaded | says made it | result success completed 1 | completes
        ",
        code: 0,
    });
}

#[test]
fn a_conversation_is_resumed_after_a_kill() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash"],
        steps: vec![
            Say("SAY a"),
            IDLE,
            Say("TOOL Bash timeout 2 tail -f /dev/null"),
            Await("uses Bash"),
            Breathe,
            Do::Signal(Signal::SIGKILL),
            Resume,
            Say("RECALL"),
            IDLE,
            Close,
        ],
        facts: r#"
            begins | says a | result success completed 1 | completes
            begins | says Calling a tool. | uses Bash | ended -9
            begins | says ["SAY a","TOOL Bash timeout 2 tail -f /dev/null","RECALL"]
                result success completed 1 | completes
        "#,
        code: 0,
    });
}

#[test]
fn the_end_of_input_lets_the_turn_finish() {
    check(&Scenario {
        flags: &["--allowedTools", "Bash"],
        steps: vec![
            Say("TOOL Bash timeout 1 tail -f /dev/null || true ;; SAY done"),
            Await("uses Bash"),
            Close,
        ],
        facts: "
            begins | says Calling a tool. | uses Bash | tool done | says done
                result success completed 2 | completes
        ",
        code: 0,
    });
}

#[test]
fn an_idle_agent_ends_by_signal_with_a_code() {
    for (signal, code) in [
        (Signal::SIGTERM, 143),
        (Signal::SIGINT, 0),
        (Signal::SIGHUP, 129),
    ] {
        check(&Scenario {
            flags: &[],
            steps: vec![Breathe, Do::Signal(signal)],
            facts: "",
            code,
        });
    }
}

#[test]
fn a_busy_agent_ends_by_sigterm_without_a_result() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("HANG"),
            Await("init"),
            Breathe,
            Do::Signal(Signal::SIGTERM),
        ],
        facts: "begins",
        code: 143,
    });
}

#[test]
fn a_busy_agent_ends_by_sigint_with_code_0() {
    check(&Scenario {
        flags: &[],
        steps: vec![
            Say("HANG"),
            Await("init"),
            Breathe,
            Do::Signal(Signal::SIGINT),
        ],
        // It may be gone before the result is out.
        facts: "begins | [Request interrupted by user] | …",
        code: 0,
    });
}

#[test]
fn a_session_can_be_ended_by_request() {
    let end = || Control(json!({"subtype": "end_session"}));
    check(&Scenario {
        flags: &[],
        steps: vec![end()],
        facts: "answer success",
        code: 0,
    });
    check(&Scenario {
        flags: &[],
        steps: vec![Say("HANG"), Await("init"), Breathe, end()],
        facts: "
            begins | answer success | [Request interrupted by user]
                result error_during_execution aborted_streaming 2 | cancels
        ",
        code: 1,
    });
}

#[test]
fn a_changed_system_prompt_is_used_after_a_resume() {
    let home = tempfile::tempdir().expect("a folder for HOME");
    check_system_prompt("simulated", &simulated(home.path()));
    if let Some(program) = claude::find() {
        let home = tempfile::tempdir().expect("a folder for HOME");
        let api = FakeApi::start();
        check_system_prompt("real", &real(&program, home.path(), &api));
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
    let home = tempfile::tempdir().expect("a folder for HOME");
    check_refusals("simulated", &simulated(home.path()));
    if let Some(program) = claude::find() {
        let home = tempfile::tempdir().expect("a folder for HOME");
        let api = FakeApi::start();
        check_refusals("real", &real(&program, home.path(), &api));
    }
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
