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

#[path = "contract_protocol/ends.rs"]
mod ends;
#[path = "contract_protocol/permissions.rs"]
mod permissions;
#[path = "contract_protocol/starts.rs"]
mod starts;
#[path = "contract_protocol/turns.rs"]
mod turns;

use std::{fs, path::Path, thread, time::Duration};

use fake_api::FakeApi;
use nix::sys::signal::Signal;
use piped::Launch;
use serde_json::{Value, json};
use uuid::Uuid;

/// Reads on until the agent is free for the next task.
const IDLE: Do = Await("is idle");

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
    if let Some(api) = each_agent(|name, launch| play(scenario, name, launch)) {
        let says = scenario.steps.iter().any(|step| matches!(step, Say(_)));
        let said = "the real agent calls the API for its tasks";
        assert_eq!(!api.requests().is_empty(), says, "{said}");
    }
}

/// Does something with each agent, by name; returns the API that the real one used, if there is a real one.
fn each_agent(play: impl Fn(&str, &Launch)) -> Option<FakeApi> {
    let home = || tempfile::tempdir().expect("a folder for HOME");
    let folder = home();
    play("simulated", &simulated(folder.path()));
    let program = claude::find()?;
    let (folder, api) = (home(), FakeApi::start());
    play("real", &real(&program, folder.path(), &api));
    Some(api)
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
