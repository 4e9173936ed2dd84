//! The simulated agent by itself: the words and faults that the real one does not have.

#[path = "support/piped.rs"]
mod piped;

use std::{
    fs,
    io::Write,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, SystemTime},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use piped::{Launch, Piped};
use serde_json::{Value, json};
use tempfile::TempDir;

const TOOLS: &[&str] = &["--allowedTools", "Bash,Edit,Read"];

fn home() -> TempDir {
    tempfile::tempdir().expect("a folder for HOME")
}

fn launch(home: &TempDir) -> Launch {
    Launch::simulated(home.path(), home.path())
}

/// Gives a task to an agent and returns the result.
fn run(agent: &mut Piped, task: &str) -> Value {
    let uuid = agent.say(task);
    let result = agent.until(|message| message["type"] == "result");
    assert_eq!(result["user_message_uuid"], uuid.as_str());
    agent.until_fact(if result["is_error"] == true {
        "cancelled"
    } else {
        "completed"
    });
    result
}

/// Says that a task is answered with this.
fn check(task: &str, answer: &str) {
    let home = home();
    let mut agent = launch(&home).start(TOOLS);
    assert_eq!(run(&mut agent, task)["result"], answer, "{task}");
}

/// Waits for something that another process does.
fn eventually<T>(what: &str, ready: impl Fn() -> Option<T>) -> T {
    for _ in 0..500 {
        if let Some(found) = ready() {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} did not happen");
}

/// Returns the fields of a process in /proc behind its name: state, parent, group, session.
fn stat(pid: Pid) -> Option<(String, i32, i32, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit(')').next()?.split_whitespace();
    let state = fields.next()?.to_owned();
    let mut number = || fields.next()?.parse().ok();
    Some((state, number()?, number()?, number()?))
}

/// Returns the processes with this text in their command line.
fn processes(text: &str) -> Vec<Pid> {
    let pids = fs::read_dir("/proc").expect("/proc is there").flatten();
    let pids = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw);
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").trim_end() == text
    })
    .collect()
}

#[test]
fn it_says_everywhere_that_it_is_simulated() {
    let home = home();
    let version = launch(&home)
        .command(&["--version"])
        .output()
        .expect("it starts");
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        "2.1.330 (simulated)\n"
    );
    let mut agent = launch(&home).start(&["--model", "opus"]);
    let answer = agent.control(&json!({"subtype": "initialize"}))["response"]["response"].take();
    assert_eq!(answer["claude_code_version"], "2.1.330 (simulated)");
    assert_eq!(answer["account"]["apiKeySource"], "simulated");
    assert_eq!(answer["pid"], agent.pid().as_raw());
    agent.say("SAY a");
    let init = agent.until_fact("init");
    assert_eq!(
        (&init["model"], &init["apiKeySource"]),
        (&json!("simulated"), &json!("simulated"))
    );
    assert_eq!(init["claude_code_version"], "2.1.330 (simulated)");
}

#[test]
fn a_task_without_a_word_is_answered_with_its_beginning() {
    check("Fix the   failing test", "OK: Fix the failing test");
    check("TOOL Bash echo hi", "OK.");
    check("SAY a ;; SAY b", "b");
    check("IGNORE TERM", "OK.");
}

#[test]
fn an_answer_takes_as_long_as_it_says() {
    let home = home();
    let mut agent = launch(&home).start(&["--include-partial-messages"]);
    let begun = SystemTime::now();
    assert_eq!(
        run(&mut agent, "SLOW 0.4 one two three")["result"],
        "one two three"
    );
    assert!(begun.elapsed().expect("the clock goes on") >= Duration::from_millis(400));
    let deltas = agent
        .seen
        .iter()
        .filter_map(|message| message["event"]["delta"]["text"].as_str());
    assert_eq!(deltas.collect::<Vec<_>>(), ["one ", "two ", "three"]);
    run(&mut agent, "THINK hard");
    assert!(agent.facts().contains(&"thinking".to_owned()));
}

#[test]
fn tools_really_work() {
    let home = home();
    let mut agent =
        launch(&home).start(&["--permission-mode", "acceptEdits", "--allowedTools", "Bash"]);
    let task = "TOOL Write a.txt|hello old world ;; TOOL Edit a.txt|old|new ;; TOOL Bash cat a.txt; exit 3 ;; TOOL \
                LS ;; TOOL Git status";
    run(&mut agent, task);
    assert_eq!(
        fs::read_to_string(home.path().join("a.txt")).expect("it is written"),
        "hello new world"
    );
    let results: Vec<&str> = agent
        .seen
        .iter()
        .filter_map(|message| message["message"]["content"][0]["content"].as_str())
        .collect();
    assert!(
        results[2].starts_with("Exit code 3\nhello new world"),
        "{results:?}"
    );
    assert!(results[3].contains("a.txt"), "{results:?}");
    assert!(
        results[4].contains("No such tool available: Git"),
        "{results:?}"
    );
}

#[test]
fn a_command_runs_in_a_session_of_its_own_and_is_our_child() {
    let home = home();
    let mut agent = launch(&home).start(TOOLS);
    agent.say("TOOL Bash exec sleep 61.5");
    let tool = eventually("the command", || processes("sleep 61.5").pop());
    let (_, parent, group, session) = stat(tool).expect("it lives");
    assert_eq!(
        (parent, group, session),
        (agent.pid().as_raw(), tool.as_raw(), tool.as_raw())
    );
    // A tool survives when its agent is killed, as with the real one.
    agent.signal(Signal::SIGKILL);
    agent.end();
    assert!(stat(tool).is_some_and(|(state, ..)| state == "S"));
    kill(tool, Signal::SIGTERM).expect("the signal is not blocked in it");
    eventually("the end of the command", || {
        processes("sleep 61.5").is_empty().then_some(())
    });
}

#[test]
fn sigterm_takes_the_command_along_unless_it_is_ignored() {
    let home = home();
    let mut agent = launch(&home).start(TOOLS);
    run(&mut agent, "IGNORE TERM");
    agent.signal(Signal::SIGTERM);
    agent.say("TOOL Bash exec sleep 62.5");
    eventually("the command", || processes("sleep 62.5").pop());
    agent.signal(Signal::SIGHUP);
    assert_eq!(agent.end(), 129);
    eventually("the end of the command", || {
        processes("sleep 62.5").is_empty().then_some(())
    });
}

#[test]
fn permission_is_asked_for_whatever_the_rules_say() {
    let home = home();
    let mut agent = launch(&home).start(TOOLS);
    agent.say("ASK touch made");
    let request = agent.until_fact("asks Bash");
    assert_eq!(request["request"]["input"]["command"], "touch made");
    agent.answer(&request, &json!("nonsense"));
    let result = agent.until(|message| message["type"] == "result");
    assert_eq!(result["permission_denials"][0]["tool_name"], "Bash");
    assert!(!home.path().join("made").exists());
}

#[test]
fn several_requests_may_be_open_at_once() {
    let home = home();
    let mut agent = launch(&home).start(&[]);
    agent.say("TOOL Bash touch a ++ Bash touch b");
    let first = agent.until_fact("asks Bash");
    let second = agent.until_fact("asks Bash");
    agent.answer(&second, &json!({"behavior": "allow"}));
    agent.answer(&first, &json!({"behavior": "deny", "message": "no"}));
    agent.until_fact("completed");
    assert!(home.path().join("b").exists() && !home.path().join("a").exists());
}

#[test]
fn a_question_is_answered() {
    let home = home();
    let mut agent = launch(&home).start(&[]);
    agent.say("QUESTION Which colour? | Red | Blue ;; SAY thanks");
    let request = agent.until_fact("asks AskUserQuestion");
    assert_eq!(request["request"]["requires_user_interaction"], true);
    let mut input = request["request"]["input"].clone();
    input["answers"] = json!({"Which colour?": "Blue"});
    agent.answer(
        &request,
        &json!({"behavior": "allow", "updatedInput": input}),
    );
    let told = agent.until_fact("tool done");
    let told = told["message"]["content"][0]["content"]
        .as_str()
        .unwrap_or_default();
    assert!(told.contains("\"Which colour?\"=\"Blue\""), "{told}");
}

#[test]
fn use_is_counted_and_charged() {
    let home = home();
    let mut agent = launch(&home).start(&[]);
    let first = run(&mut agent, "USAGE 1000 100 counted");
    let second = run(&mut agent, "USAGE 2000 200 counted");
    assert_eq!(second["usage"]["input_tokens"], 2000);
    assert_eq!(second["modelUsage"]["simulated"]["outputTokens"], 300);
    assert_eq!(
        second["model_usage_since_last_result"]["simulated"]["outputTokens"],
        200
    );
    let cost = |result: &Value| result["total_cost_usd"].as_f64().expect("a number");
    assert!((cost(&second) - 3.0 * cost(&first)).abs() < 1e-9);
}

#[test]
fn a_login_that_fails_is_tried_again_for_long() {
    let home = home();
    let mut agent = launch(&home).start(&[]);
    agent.say("ERROR 401");
    agent.until_fact("retries authentication_failed");
    agent.control(&json!({"subtype": "interrupt"}));
    agent.until_fact("result error_during_execution aborted_streaming 2");
}

#[test]
fn errors_of_the_api_are_told() {
    let home = home();
    let mut agent = launch(&home).start(&[]);
    let result = run(&mut agent, "ERROR 529");
    assert_eq!(
        (&result["subtype"], &result["is_error"]),
        (&json!("success"), &json!(true))
    );
    assert_eq!(
        (&result["terminal_reason"], &result["api_error_status"]),
        (&json!("api_error"), &json!(529))
    );
    run(&mut agent, "LIMIT 1795350000");
    let event = agent
        .seen
        .iter()
        .find(|message| message["type"] == "rate_limit_event")
        .expect("it is told");
    assert_eq!(event["rate_limit_info"]["status"], "rejected");
    assert_eq!(event["rate_limit_info"]["resetsAt"], 1_795_350_000);
    agent.close();
    assert_eq!(agent.end(), 1);
}

#[test]
fn it_ends_when_and_how_it_is_told() {
    for (task, code, has_result) in [("SAY a ;; CRASH 7", 7, false), ("EXIT 5", 5, true)] {
        let home = home();
        let mut agent = launch(&home).start(&[]);
        agent.say(task);
        assert_eq!(agent.end(), code, "{task}");
        assert_eq!(
            agent.seen.iter().any(|message| message["type"] == "result"),
            has_result,
            "{task}"
        );
    }
}

#[test]
fn a_line_that_is_no_json_ends_it() {
    let home = home();
    let mut agent = launch(&home).start(&[]);
    agent.send_line("\r");
    agent.send(&json!({"type": "unheard_of"}));
    agent.send(&json!({"type": "keep_alive"}));
    agent.control(&json!({"subtype": "get_binary_version"}));
    agent.send_line("this is no JSON");
    assert_eq!(agent.end(), 1);
}

#[test]
fn children_are_left_behind_in_three_ways() {
    let home = home();
    let mut agent = launch(&home).start(&[]);
    run(
        &mut agent,
        "FORK plain 63.1 ;; FORK setsid 63.2 ;; FORK double 63.3",
    );
    let child =
        |seconds: &str| eventually("a child", || processes(&format!("sleep {seconds}")).pop());
    let children = [child("63.1"), child("63.2"), child("63.3")];
    let [plain, setsid, double] = children.map(|pid| stat(pid).expect("it lives"));
    let ours = stat(agent.pid()).expect("the agent lives");
    assert_eq!((plain.1, plain.2), (agent.pid().as_raw(), ours.2));
    assert_eq!(
        (setsid.1, setsid.3),
        (agent.pid().as_raw(), children[1].as_raw())
    );
    assert!(double.1 != agent.pid().as_raw() && double.3 != ours.3);
    agent.close();
    assert_eq!(agent.end(), 0);
    for child in children {
        kill(child, Signal::SIGTERM).expect("it lives on when the agent has ended");
    }
}

#[test]
fn it_takes_memory_and_time() {
    let home = home();
    let mut agent = launch(&home).start(&[]);
    run(&mut agent, "ALLOC 64 ;; SPIN 0.2");
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("it lives");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .expect("a line for memory");
    let kilobytes: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("a number");
    assert!(kilobytes > 64 << 10, "{line}");
}

#[test]
fn it_stops_itself_and_goes_on() {
    let home = home();
    let mut agent = launch(&home).start(&[]);
    agent.say("STOP ;; SAY back");
    let pid = agent.pid();
    eventually("the stop", || stat(pid).filter(|(state, ..)| state == "T"));
    agent.signal(Signal::SIGCONT);
    agent.until_fact("says back");
}

#[test]
fn it_floods() {
    let home = home();
    let mut agent = launch(&home).start(&[]);
    run(&mut agent, "FLOOD 1000 40");
    let texts = agent
        .facts()
        .into_iter()
        .filter(|fact| fact.starts_with("says "));
    let lines: Vec<String> = texts
        .flat_map(|text| text[5..].lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(lines.len(), 1000);
    assert!(lines[999].starts_with("00001000 x") && lines[999].len() == 40);
    let long = run(&mut agent, "LINE 3");
    assert_eq!(long["result"].as_str().map(str::len), Some(3 << 20));
}

#[test]
fn it_goes_on_although_nobody_reads() {
    let home = home();
    let flags = [
        "-p",
        "--input-format",
        "stream-json",
        "--allowedTools",
        "Bash",
    ];
    let mut command = launch(&home).command(&flags);
    let mut agent = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let task =
        json!({"type": "user", "message": {"content": "FLOOD 20000 200 ;; TOOL Bash touch made"}});
    let mut stdin = agent.stdin.take().expect("stdin is piped");
    writeln!(stdin, "{task}").expect("it takes input");
    let made = home.path().join("made");
    eventually("the last step", || made.exists().then_some(()));
    agent.kill().expect("it lives");
    agent.wait().expect("it is our child");
}

#[test]
fn steps_may_stand_in_a_file() {
    let home = home();
    fs::write(
        home.path().join("steps"),
        "SAY a\nTOOL Bash touch made\nSAY b\n",
    )
    .expect("it is written");
    let mut agent = launch(&home).start(TOOLS);
    assert_eq!(run(&mut agent, "SCRIPT steps ;; SAY c")["result"], "c");
    assert!(home.path().join("made").exists());
    let missing = run(&mut agent, "SCRIPT none");
    assert!(
        missing["result"]
            .as_str()
            .unwrap_or_default()
            .starts_with("cannot read the script none"),
        "{missing}"
    );
}

#[test]
fn totals_go_on_after_a_good_end_alone() {
    let home = home();
    let id = "--session-id=0b57feac-c68d-4729-a2cd-21863e76a52b";
    let again = "--resume=0b57feac-c68d-4729-a2cd-21863e76a52b";
    let play = |flags: &str, ends_well: bool| {
        let mut agent = launch(&home).start(&[flags]);
        let result = run(&mut agent, "SAY a");
        if ends_well {
            agent.close();
        } else {
            agent.signal(Signal::SIGKILL);
        }
        agent.end();
        result["modelUsage"]["simulated"]["inputTokens"].as_u64()
    };
    assert_eq!(play(id, true), Some(100));
    assert_eq!(play(again, false), Some(200));
    assert_eq!(play(again, true), Some(100));
    let used = launch(&home)
        .command(&["-p", "--input-format", "stream-json", id])
        .output()
        .expect("it starts");
    assert_eq!(used.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&used.stderr).contains("is already in use"));
}

#[test]
fn it_fails_at_start_as_it_is_told() {
    let home = home();
    let start = |how: &str| launch(&home).with("HEADCOUNT_SIM_START", how);
    assert_eq!(start("exit:4").start(&[]).end(), 4);
    let mut old = start("old").start(&[]);
    let answer = old.control(&json!({"subtype": "get_binary_version"}));
    assert_eq!(
        answer["response"]["response"]["version"],
        "1.0.0 (simulated)"
    );
    let mut stranger = start("nologin").start(&[]);
    let result = run(&mut stranger, "SAY a");
    assert_eq!(
        (&result["terminal_reason"], &result["is_error"]),
        (&json!("api_error"), &json!(true))
    );
    assert!(
        result["result"]
            .as_str()
            .unwrap_or_default()
            .starts_with("Not logged in")
    );
    let mut silent = start("silent").start(&[]);
    silent.send(&json!({"type": "control_request", "request_id": "1", "request": {"subtype": "initialize"}}));
    silent.say("SAY a");
    silent.close();
    assert_eq!((silent.end(), silent.seen.len()), (0, 0));
}

#[test]
fn the_conversation_is_kept_where_the_real_one_keeps_it() {
    let home = home();
    let id = "0b57feac-c68d-4729-a2cd-21863e76a52b";
    let mut agent = launch(&home).start(&["--session-id", id]);
    run(&mut agent, "SAY a");
    let folder: String = home
        .path()
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    assert!(
        Path::new(
            &home
                .path()
                .join(".claude/projects")
                .join(folder)
                .join(format!("{id}.jsonl"))
        )
        .is_file()
    );
}
