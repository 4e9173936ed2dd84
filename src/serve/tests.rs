//! The routes, through a real socket, against a hub that answers by a script.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::domain::automation::Overrides;
use crate::domain::command::{Command, NewProcess, Origin, Outcome, PromptOverride, Refusal};
use crate::domain::event::Event;
use crate::domain::id::{AlertId, ProcessId, RequestId, TaskId};
use crate::domain::inbox::Answer;
use crate::domain::role::{Kind, PromptMode, Range};
use crate::domain::snapshot::{Health, Snapshot, Status};
use crate::domain::task::{Priority, Task, TaskState};
use crate::runtime::handle::Caller;
use crate::serve::fixture::{ada, at, company, exit, fault, ken, request, task};
use crate::serve::scripted::Scripted;
use crate::serve::wire::{
    AlertDoc, ApprovalDoc, ProcessDoc, ProcessStatusDoc, RoleDoc, StatusDoc, TaskDoc,
};

#[test]
fn the_documents_have_the_fields_that_are_promised() {
    let company = company();
    insta::assert_json_snapshot!("process", ProcessDoc::new(&ada(), at(0)));
    insta::assert_json_snapshot!("process_down", ProcessDoc::new(&ken(), at(0)));
    insta::assert_json_snapshot!("process_status", ProcessStatusDoc::from(&ken()));
    insta::assert_json_snapshot!(
        "task",
        TaskDoc::new(&task(3, TaskState::Succeeded), &company)
    );
    insta::assert_json_snapshot!(
        "task_queued",
        TaskDoc::new(&task(2, TaskState::Queued), &company)
    );
    insta::assert_json_snapshot!("alert", AlertDoc::from(company.alerts[0].as_ref()));
    insta::assert_json_snapshot!("approval", ApprovalDoc::new(&request(), &company));
    let mut status = StatusDoc::new(&company, 77);
    status.instance.version = "0.0.0".to_owned();
    insta::assert_json_snapshot!("status", status);
    let role = company.catalogue.role("senior_developer").unwrap();
    insta::assert_json_snapshot!("role", RoleDoc::from(role));
}

#[tokio::test]
async fn what_is_there_can_be_read() {
    let served = Scripted::silent(company());
    for (path, pointer, value) in [
        ("/api/status", "/processes/total", json!(2)),
        ("/api/processes", "/0/id", json!("proc_001")),
        ("/api/processes/proc_001", "/name", json!("Ada")),
        (
            "/api/processes/proc_002/status",
            "/fault/code",
            json!("PROC_001"),
        ),
        ("/api/tasks", "/1/result/turns", json!(9)),
        ("/api/tasks?state=open&limit=1", "/0/id", json!("task_0002")),
        (
            "/api/tasks/task_0002",
            "/waits_because",
            json!("Ada is busy"),
        ),
        (
            "/api/approvals",
            "/0/line",
            json!("asks to run: git push origin main"),
        ),
        ("/api/roles", "/0/key", json!("project_manager")),
    ] {
        let (code, document) = served.ask(&format!("GET {path}"), "").await;
        assert_eq!(
            (code, document.pointer(pointer)),
            (200, Some(&value)),
            "{path}"
        );
    }
    assert!(served.end().await);
}

#[tokio::test]
async fn waiting_tasks_are_listed_in_the_order_of_the_queue() {
    let mut snapshot = company();
    snapshot.tasks.put(Arc::new(Task {
        priority: Priority::Urgent,
        ..task(9, TaskState::Queued)
    }));
    let served = Scripted::silent(snapshot);
    let (_, tasks) = served.ask("GET /api/tasks", "").await;
    let ids: Vec<&Value> = tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|task| &task["id"])
        .collect();
    assert_eq!(ids, ["task_0001", "task_0003", "task_0009", "task_0002"]);
}

#[tokio::test]
async fn dollars_have_no_more_digits_than_sense() {
    let mut snapshot = company();
    snapshot.cost_today_usd = 0.016_800_000_000_000_002;
    let served = Scripted::silent(snapshot);
    let (_, status) = served.ask("GET /api/status", "").await;
    assert_eq!(status["cost_today_usd"], json!(0.0168));
}

#[tokio::test]
async fn tasks_that_are_looked_at_are_not_added() {
    let served = Scripted::start(Caller::Person, company(), |command, _| {
        Some(match command {
            Command::CheckTasks(tasks) if tasks.len() == 2 => Ok(Outcome::Done),
            _ => Err(Refusal::Tasks(Vec::new())),
        })
    });
    let two = r#"[{"text":"a"},{"text":"b"}]"#;
    let answer = served.ask("POST /api/tasks?check=true", two).await;
    assert_eq!(answer, (200, json!({"ok": true})));
    let (code, _) = served
        .ask("POST /api/tasks?check=true", r#"{"text":"a"}"#)
        .await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn what_is_wrong_is_answered_with_kind_and_message() {
    let served = Scripted::start(Caller::Person, company(), |command, _| {
        Some(Err(match command {
            Command::Remove(_) => Refusal::State("Ada is running".to_owned()),
            Command::Start(process) => Refusal::Fault {
                process: *process,
                fault: fault(),
            },
            Command::CancelTask(task) => Refusal::UnknownTask(*task),
            _ => Refusal::NotStored("no space left on device".to_owned()),
        }))
    });
    for (line, body, status, kind) in [
        ("GET /api/nothing", "", 404, "not_found"),
        ("GET /api/processes/proc_099", "", 404, "not_found"),
        ("GET /api/processes/ada", "", 400, "invalid"),
        ("GET /api/tasks/%ff", "", 400, "invalid"),
        ("GET /api/clusters/%ff", "", 400, "invalid"),
        ("POST /api/processes", "{", 400, "invalid"),
        (
            "POST /api/processes",
            r#"{"role":"sre","tols":[]}"#,
            400,
            "invalid",
        ),
        ("POST /api/processes", "[]", 400, "invalid"),
        (
            "POST /api/processes",
            r#"{"role":"seinor_developer"}"#,
            404,
            "not_found",
        ),
        (
            "POST /api/processes",
            r#"{"role":"sre","workingDirectory":"here"}"#,
            400,
            "invalid",
        ),
        (
            "POST /api/processes",
            r#"{"role":"sre","systemPrompt":"seniour"}"#,
            422,
            "fault",
        ),
        ("GET /api/tasks?state=foo", "", 400, "invalid"),
        ("POST /api/tasks", r#"{"text":"  "}"#, 400, "invalid"),
        (
            "POST /api/tasks",
            r#"{"text":"x","timeoutSeconds":-1}"#,
            400,
            "invalid",
        ),
        ("POST /api/tasks", r#"{"text":"x"}"#, 507, "not_stored"),
        ("POST /api/tasks/task_0009/cancel", "", 404, "not_found"),
        ("DELETE /api/processes/proc_001", "", 409, "refused"),
        ("POST /api/processes/proc_001/start", "", 422, "fault"),
        (
            "POST /api/approvals/req_0001/approve",
            r#"{"rule":"x"}"#,
            400,
            "invalid",
        ),
        (
            "GET /api/processes/proc_001/logs?before=1&after=2",
            "",
            400,
            "invalid",
        ),
        (
            "GET /api/processes/proc_001/logs?raw=true&since=2026-11-23T10:41:07",
            "",
            400,
            "invalid",
        ),
        (
            "POST /api/processes/proc_001/updates",
            r#"{"when":"soon"}"#,
            400,
            "invalid",
        ),
    ] {
        let (code, document) = served.ask(line, body).await;
        assert_eq!(code, status, "{line} {body} {document}");
        assert_eq!(document["error"]["kind"], kind, "{line} {body}");
        assert!(document["error"]["message"].is_string(), "{line} {body}");
    }
    let (_, document) = served.ask("POST /api/processes/proc_001/start", "").await;
    insta::assert_json_snapshot!("error", document);
    let (_, document) = served
        .ask("POST /api/processes", r#"{"role":"seinor_developer"}"#)
        .await;
    assert_eq!(document["error"]["remedy"], "use `senior_developer`");
}

#[tokio::test]
async fn hiring_takes_the_documented_names_and_answers_with_the_process() {
    let served = Scripted::start(Caller::Person, company(), |command, snapshot| {
        assert!(matches!(command, Command::Create(_)));
        snapshot
            .processes
            .push(Arc::new(crate::domain::snapshot::ProcessView {
                id: ProcessId(3),
                status: Status::Running,
                ..ada()
            }));
        Some(Ok(Outcome::Created(ProcessId(3))))
    });
    let body = json!({
        "role": "qa-engineer",
        "systemPrompt": "qa_engineer.md",
        "allowedTools": ["Read"],
        "workingDirectory": "/tmp",
        "environment": {"A": "1"},
        "maxTurns": 20,
        "name": "Grace",
        "kind": "utility",
        "model": "opus",
        "promptMode": "replace",
        "cpu": {"min": 0.5, "max": 2},
        "memory": {"min": 1000, "max": 2000},
        "noStart": true,
        "autoRestart": false,
    });
    let (code, document) = served.ask("POST /api/processes", &body.to_string()).await;
    assert_eq!((code, &document["id"]), (201, &json!("proc_003")));
    let orders = served.orders.lock().unwrap().clone();
    let expected = NewProcess {
        role: "qa_engineer".to_owned(),
        cluster: None,
        name: Some("Grace".to_owned()),
        kind: Some(Kind::Utility),
        working_directory: Some("/tmp".into()),
        environment: [("A".to_owned(), "1".to_owned())].into(),
        tools: Some(vec!["Read".to_owned()]),
        prompt: None,
        prompt_mode: Some(PromptMode::Replace),
        model: Some("opus".to_owned()),
        max_turns: Some(20),
        worktree: None,
        cpu: Some(Range { min: 0.5, max: 2.0 }),
        memory: Some(Range {
            min: 1_000,
            max: 2_000,
        }),
        no_start: true,
        auto_restart: Some(false),
        automation: Overrides::default(),
    };
    assert_eq!(orders, [(Origin::Api, Command::Create(Box::new(expected)))]);
}

#[tokio::test]
async fn a_prompt_may_be_another_roles_a_text_or_a_file() {
    let served = Scripted::start(Caller::Person, company(), |_, _| {
        Some(Ok(Outcome::Created(ProcessId(1))))
    });
    for (field, value, prompt) in [
        (
            "customPrompt",
            "Be brief.",
            PromptOverride::Text("Be brief.".to_owned()),
        ),
        ("promptFile", "/p.md", PromptOverride::File("/p.md".into())),
        (
            "systemPrompt",
            "development/qa-engineer",
            PromptOverride::File("corporate-prompts/development/qa-engineer.md".into()),
        ),
    ] {
        let body = json!({"role": "sre", field: value}).to_string();
        let (code, _) = served.ask("POST /api/processes", &body).await;
        assert_eq!(code, 201, "{field}");
        let order = served.orders.lock().unwrap().pop().unwrap().1;
        let Command::Create(new) = order else {
            panic!("{order:?}")
        };
        assert_eq!(new.prompt, Some(prompt), "{field}");
    }
}

#[tokio::test]
async fn a_list_hires_all_or_says_who_was_not_hired() {
    let served = Scripted::start(Caller::Person, company(), |command, _| {
        let Command::Create(new) = command else {
            panic!("{command:?}")
        };
        Some(match new.role.as_str() {
            "sre" => Ok(Outcome::Created(ProcessId(1))),
            "qa_engineer" => Err(Refusal::Fault {
                process: ProcessId(2),
                fault: fault(),
            }),
            _ => Err(Refusal::State("no memory".to_owned())),
        })
    });
    let body = r#"[{"role":"sre"},{"role":"qa_engineer"},{"role":"build_engineer"}]"#;
    let (code, document) = served.ask("POST /api/processes", body).await;
    assert_eq!(code, 207);
    assert_eq!(document[0]["id"], "proc_001");
    assert_eq!(document[1]["fault"]["code"], "PROC_001");
    assert_eq!(document[2]["error"]["kind"], "refused");
    let before = served.orders.lock().unwrap().len();
    let (code, _) = served
        .ask("POST /api/processes", r#"[{"role":"sre"},{"role":"x"}]"#)
        .await;
    assert_eq!((code, served.orders.lock().unwrap().len()), (404, before));
}

#[tokio::test]
async fn a_stop_answers_with_its_proof_and_the_process_after_it() {
    let served = Scripted::start(Caller::Person, company(), |command, snapshot| {
        assert!(matches!(command, Command::Stop(_) | Command::Kill(_)));
        let mut after = ada();
        (after.run, after.pid, after.status) = (None, None, Status::Stopped);
        snapshot.processes[0] = Arc::new(after);
        Some(Ok(Outcome::Stopped(ProcessId(1), Some(Box::new(exit())))))
    });
    for verb in ["stop", "force-stop"] {
        let line = format!("POST /api/processes/proc_001/{verb}");
        let (code, document) = served.ask(&line, "").await;
        assert_eq!(code, 200);
        assert_eq!(
            document["proof"],
            "7 processes ended, 0 left (1 had to be killed: node server.js)"
        );
        assert_eq!(document["process"]["status"], "stopped");
        assert_eq!(document["exit"]["killed"][0]["pid"], 99);
    }
}

#[tokio::test]
async fn a_task_is_answered_when_it_is_there_and_a_known_key_with_the_first() {
    let served = Scripted::start(Caller::Person, company(), |command, snapshot| {
        let Command::AddTask(new) = command else {
            panic!("{command:?}")
        };
        if new.continues.is_some() {
            assert_eq!(new.continues, Some(TaskId(3)));
            return Some(Ok(Outcome::TaskKnown(TaskId(3))));
        }
        if new.key.is_some() {
            return Some(Ok(Outcome::TaskKnown(TaskId(3))));
        }
        snapshot.tasks.put(Arc::new(task(4, TaskState::Queued)));
        Some(Ok(Outcome::TaskAdded(TaskId(4))))
    });
    let body =
        r#"{"text":"x","role":"sre","skills":["rust"],"priority":"urgent","timeoutSeconds":1.5}"#;
    let (code, document) = served.ask("POST /api/tasks", body).await;
    assert_eq!((code, &document["id"]), (201, &json!("task_0004")));
    let (code, document) = served
        .ask("POST /api/tasks", r#"{"text":"x","key":"k"}"#)
        .await;
    assert_eq!((code, &document["id"]), (200, &json!("task_0003")));
    let (code, _) = served
        .ask("POST /api/tasks", r#"{"text":"x","continue":"task_0003"}"#)
        .await;
    assert_eq!(code, 200);
    let text = "ä".repeat(1024 * 1024);
    let (code, _) = served
        .ask("POST /api/tasks", &json!({"text": text}).to_string())
        .await;
    assert_eq!(code, 201);
    let (code, _) = served
        .ask("POST /api/tasks", &"x".repeat(9 * 1024 * 1024))
        .await;
    assert_eq!(code, 413);
}

#[tokio::test]
async fn a_wait_holds_until_the_task_is_over_or_the_time_is() {
    let served = Scripted::silent(company());
    let (code, document) = served.ask("GET /api/tasks/task_0003/wait", "").await;
    assert_eq!((code, &document["state"]), (200, &json!("succeeded")));
    let (code, document) = served
        .ask("GET /api/tasks/task_0001/wait?timeout=0.05", "")
        .await;
    assert_eq!((code, &document["state"]), (200, &json!("running")));
    let finish = async {
        served.view.send_modify(|snapshot| {
            let snapshot = Arc::make_mut(snapshot);
            snapshot.tasks.put(Arc::new(task(1, TaskState::Failed)));
        });
    };
    let (answer, ()) = tokio::join!(served.ask("GET /api/tasks/task_0001/wait", ""), finish);
    assert_eq!(answer.1["error"], "the tests still fail");
    assert_eq!(served.ask("GET /api/tasks/task_0099/wait", "").await.0, 404);
}

#[tokio::test]
async fn a_process_is_asked_how_it_does_and_an_alert_is_seen() {
    let served = Scripted::start(Caller::Person, company(), |command, snapshot| {
        Some(match command {
            Command::Check(id) if *id == ProcessId(1) => {
                let mut process = ada();
                process.health = Health::Offline;
                process.condition.missed = 2;
                snapshot.processes[0] = Arc::new(process);
                Ok(Outcome::Checked(*id))
            }
            Command::Check(id) => Err(Refusal::UnknownProcess(*id)),
            Command::Acknowledge(id) if *id == AlertId(1) => {
                Arc::make_mut(&mut snapshot.alerts[0]).acknowledged = Some(at(9));
                Ok(Outcome::Done)
            }
            Command::Acknowledge(id) => Err(Refusal::UnknownAlert(*id)),
            _ => panic!("{command:?}"),
        })
    });
    let (code, document) = served.ask("POST /api/processes/proc_001/health", "").await;
    assert_eq!((code, &document["health"]), (200, &json!("offline")));
    assert_eq!(document["condition"]["missed"], 2);
    let (code, waiting) = served.ask("GET /api/inbox", "").await;
    assert_eq!(code, 200, "{waiting}");
    // A request with all its fields first, then what else waits.
    assert_eq!(waiting[0]["id"], json!("req_0001"));
    assert_eq!(waiting[0]["subject"], json!("git push origin main"));
    assert_eq!(waiting[0]["command"], json!("headcount approve req_0001"));
    assert_eq!(waiting[1]["type"], json!("alert"));
    assert_eq!(waiting[1]["command"], json!("headcount ack alert_0001"));
    let (code, document) = served.ask("GET /api/alerts", "").await;
    assert_eq!((code, &document[0]["id"]), (200, &json!("alert_0001")));
    assert_eq!(document.as_array().map(Vec::len), Some(1), "{document}");
    let (_, document) = served.ask("GET /api/alerts?all=true", "").await;
    assert_eq!(document[1]["open"], false);
    let (code, document) = served.ask("POST /api/alerts/alert_0001/ack", "").await;
    assert_eq!(code, 200, "{document}");
    assert_eq!(document["acknowledged_at"], json!(at(9)));
    for path in ["processes/proc_009/health", "alerts/alert_0009/ack"] {
        let (code, document) = served.ask(&format!("POST /api/{path}"), "").await;
        assert_eq!(
            (code, &document["error"]["kind"]),
            (404, &json!("not_found"))
        );
    }
    let (code, _) = served.ask("POST /api/alerts/nonsense/ack", "").await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn something_is_said_to_a_running_turn() {
    let served = Scripted::start(Caller::Person, company(), |command, _| match command {
        Command::Say { process, text } if *process == ProcessId(1) && text == "mind the tests" => {
            Some(Ok(Outcome::Said(TaskId(3))))
        }
        Command::Say { .. } => Some(Err(Refusal::State("it has no task".to_owned()))),
        _ => panic!("{command:?}"),
    });
    let path = "POST /api/processes/proc_001/messages";
    let (code, document) = served.ask(path, r#"{"text":"mind the tests"}"#).await;
    assert_eq!(code, 202);
    assert_eq!(
        document,
        json!({"process": "proc_001", "task": "task_0003"})
    );
    let (code, document) = served.ask(path, r#"{"text":"hello"}"#).await;
    assert_eq!((code, &document["error"]["kind"]), (409, &json!("refused")));
    for body in ["", "{}", r#"{"text":"a","to":"b"}"#] {
        assert_eq!(served.ask(path, body).await.0, 400, "{body}");
    }
}

#[tokio::test]
async fn requests_are_answered_by_their_id() {
    let served = Scripted::start(Caller::Person, company(), |command, snapshot| {
        let mut answered = request();
        answered.answer = Some(match command {
            Command::Approve(_) => Answer::Once,
            Command::ApproveAlways { rule, .. } => Answer::Always {
                rule: rule.clone().unwrap_or_else(|| "proposed".to_owned()),
            },
            Command::Deny { reason, .. } => Answer::Denied {
                reason: reason.clone().unwrap_or_default(),
            },
            Command::Answer { answers, .. } => Answer::Denied {
                reason: answers.join("+"),
            },
            _ => panic!("{command:?}"),
        });
        snapshot.requests[0] = Arc::new(answered);
        Some(Ok(Outcome::Done))
    });
    for (verb, body, answer) in [
        ("approve", "", json!({"type": "once"})),
        (
            "approve",
            r#"{"always":true}"#,
            json!({"type": "always", "rule": "proposed"}),
        ),
        (
            "approve",
            r#"{"always":true,"rule":"r"}"#,
            json!({"type": "always", "rule": "r"}),
        ),
        (
            "deny",
            r#"{"reason":"no"}"#,
            json!({"type": "denied", "reason": "no"}),
        ),
        (
            "answer",
            r#"{"answers":["a","b"]}"#,
            json!({"type": "denied", "reason": "a+b"}),
        ),
    ] {
        let line = format!("POST /api/approvals/req_0001/{verb}");
        let (code, document) = served.ask(&line, body).await;
        assert_eq!((code, &document["answer"]), (200, &answer), "{verb} {body}");
        assert_eq!(document["id"], json!(RequestId(1)));
        served.view.send_modify(|snapshot| {
            Arc::make_mut(snapshot).requests[0] = Arc::new(request());
        });
    }
}

#[tokio::test]
async fn an_employee_sees_the_totals_and_nothing_else_and_a_try_is_reported() {
    let refused = |caller: Caller| async move {
        let served = Scripted::start(caller, company(), |command, _| {
            panic!("it was let through: {command:?}")
        });
        assert_eq!(served.ask("GET /api/status", "").await.0, 200);
        let tries = [
            "GET /api/approvals",
            "GET /api/processes",
            "GET /api/tasks",
            "POST /api/approvals/req_0001/approve",
            "POST /api/processes/proc_002/stop",
            "POST /api/shutdown",
            "POST /api/status",
            "DELETE /api/processes/proc_002",
        ];
        for line in tries {
            let (code, document) = served.ask(line, "").await;
            assert_eq!(
                (code, &document["error"]["kind"]),
                (403, &json!("forbidden")),
                "{line}"
            );
        }
        let events = served.events.lock().unwrap().clone();
        assert_eq!(events.len(), tries.len());
        events
    };
    let events = refused(Caller::Employee(ProcessId(1))).await;
    assert_eq!(
        events[3],
        Event::Trespass {
            process: ProcessId(1),
            what: "POST /api/approvals/req_0001/approve".to_owned(),
        }
    );
    let events = refused(Caller::Stray).await;
    assert!(matches!(events[0], Event::Trouble { process: None, .. }));
}

#[tokio::test]
async fn a_browser_is_refused_and_so_is_a_foreign_name() {
    let served = Scripted::silent(company());
    for (headers, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: localhost:8080\r\n", 200),
        ("Host: 127.0.0.1\r\n", 200),
        ("Host: [::1]:80\r\n", 200),
        ("Host: evil.example\r\n", 403),
        ("Host: localhost.evil.example:80\r\n", 403),
        ("Host: localhost\r\nOrigin: http://localhost:8080\r\n", 403),
        ("Host: localhost\r\nOrigin: null\r\n", 403),
    ] {
        let (code, _) = served.ask_with("GET /api/status", headers, "").await;
        assert_eq!(code, status, "{headers}");
    }
}

#[tokio::test]
async fn the_command_line_is_told_from_other_clients() {
    let served = Scripted::start(Caller::Person, company(), |_, _| Some(Ok(Outcome::Done)));
    let headers = format!(
        "Host: localhost\r\nUser-Agent: {}\r\n",
        crate::serve::wire::CLI_AGENT
    );
    let line = "POST /api/approvals/req_0001/approve";
    drop(served.ask_with(line, &headers, "").await);
    assert_eq!(served.orders.lock().unwrap()[0].0, Origin::Cli);
}

fn append(served: &Scripted, text: &str) {
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(served.log("proc_001.log"))
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let length = file.metadata().unwrap().len();
    served.growth.grew(ProcessId(1), length);
}

#[tokio::test]
async fn a_log_is_read_by_pages_and_followed_without_a_gap() {
    let served = Scripted::silent(company());
    append(
        &served,
        "2026-11-23 10:41:07 | one\n2026-11-23 10:41:08 > Bash  ls\n",
    );
    let (_, page) = served
        .ask("GET /api/processes/proc_001/logs?lines=1", "")
        .await;
    insta::assert_json_snapshot!("log", page);
    let (_, page) = served
        .ask("GET /api/processes/proc_001/logs?before=26", "")
        .await;
    assert_eq!(page["lines"][0]["text"], "one");

    let mut lines = served
        .follow("GET /api/processes/proc_001/logs/follow?lines=1")
        .await;
    let text = |value: Option<Value>| value.unwrap()["line"]["text"].clone();
    assert_eq!(text(lines.next().await), "Bash  ls");
    append(
        &served,
        "2026-11-23 10:41:09 | two\n2026-11-23 10:41:09 | three\n",
    );
    assert_eq!(text(lines.next().await), "two");
    assert_eq!(text(lines.next().await), "three");
    // A line without its end is held, and comes whole.
    append(&served, "fo");
    append(&served, "ur\n");
    assert_eq!(text(lines.next().await), "four");
    // The stream does not keep the instance from ending.
    served.shutdown.cancel();
    assert_eq!(lines.next().await, None);
    assert!(served.end().await);
}

#[tokio::test]
async fn a_shutdown_is_forced_when_its_time_is_over() {
    let served = Scripted::start(Caller::Person, company(), |command, _| match command {
        Command::Shutdown => None,
        Command::ShutdownNow => Some(Ok(Outcome::Done)),
        _ => panic!("{command:?}"),
    });
    let (code, _) = served
        .ask("POST /api/shutdown", r#"{"timeout":0.05}"#)
        .await;
    assert_eq!(code, 200);
    let orders: Vec<Command> = served
        .orders
        .lock()
        .unwrap()
        .iter()
        .map(|order| order.1.clone())
        .collect();
    assert_eq!(orders, [Command::Shutdown, Command::ShutdownNow]);
}

#[tokio::test]
async fn waits_end_with_the_instance() {
    let served = Scripted::silent(Snapshot::clone(&company()));
    // A wait under way has more receivers than one that is over by the time it is looked at, so the
    // count is taken from one that ends by its own time.
    let waiting = async {
        let line = "GET /api/tasks/task_0001/wait?timeout=0.2";
        let mut most = 0;
        let mut ask = std::pin::pin!(served.ask(line, ""));
        loop {
            tokio::select! {
                biased;
                _ = &mut ask => break most,
                () = tokio::task::yield_now() => most = most.max(served.view.receiver_count()),
            }
        }
    }
    .await;
    let end = async {
        while served.view.receiver_count() < waiting {
            tokio::task::yield_now().await;
        }
        served.shutdown.cancel();
    };
    let (answer, ()) = tokio::join!(served.ask("GET /api/tasks/task_0001/wait", ""), end);
    assert_eq!(
        (answer.0, &answer.1["error"]["kind"]),
        (503, &json!("gone"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_come_whole_is_not_waited_for() {
    let served = Scripted::silent(company());
    for (half, says) in [
        ("GET /api/status HTTP/1.1\r\nHost: loc", None),
        (
            "POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
            Some("408"),
        ),
    ] {
        let answer = timeout(Duration::from_secs(3600), served.send(half)).await;
        let answer = answer.expect("the connection is closed");
        assert_eq!(answer.split(' ').nth(1), says, "{answer}");
    }
}
