//! Commands against the real routes with a scripted hub behind them: what they print, how they end.

mod files;
mod places;
mod several;

use std::ffi::OsString;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use crate::app::place::StateFolder;
use crate::cli::args::Cli;
use crate::cli::exit::Code;
use crate::cli::output::test::output;
use crate::cli::place::Place;
use crate::cli::run::carry_out;
use crate::domain::command::{Command, NewProcess, Origin, Outcome, Refusal, UpdateWhen};
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::inbox::Answer;
use crate::domain::role::{PromptMode, Range};
use crate::domain::snapshot::{ProcessView, Snapshot, Status};
use crate::domain::task::TaskState;
use crate::serve::fixture::{ada, company, exit, fault, request, task};
use crate::serve::scripted::{Script, Scripted};

/// A workspace with an instance that answers by a script.
struct Desk {
    served: Scripted,
    /// Where terminals would attach: by it a starter knows that an instance runs.
    _attach: UnixListener,
    workspace: tempfile::TempDir,
}

impl Desk {
    fn open(snapshot: Snapshot, script: Script) -> Self {
        let workspace = tempfile::tempdir().unwrap();
        let folder = StateFolder::locate(workspace.path(), Some(workspace.path())).unwrap();
        folder.make().unwrap();
        folder.make_sockets_folder().unwrap();
        let attach = UnixListener::bind(folder.attach_socket()).unwrap();
        let socket = folder.api_socket();
        let served = Scripted::for_a_person_at(socket, snapshot, script);
        Self {
            served,
            _attach: attach,
            workspace,
        }
    }

    /// What a command line prints, its exit code last.
    async fn run(&self, line: &str) -> String {
        run(line, self.workspace.path()).await
    }
}

async fn run(line: &str, folder: &std::path::Path) -> String {
    let words = line.split_whitespace().map(str::to_owned);
    let place = ["--workspace", "--state"].map(|option| format!("{option}={}", folder.display()));
    let words = ["headcount".to_owned()]
        .into_iter()
        .chain(words)
        .chain(place);
    let words: Vec<OsString> = words.map(OsString::from).collect();
    let cli = Cli::read(&words).unwrap_or_else(|error| panic!("{error}"));
    let (mut output, written) = output();
    let place = Place::find(&cli.base.place).unwrap();
    let done = carry_out(cli.verb.unwrap(), &place, &mut output).await;
    let code = match done {
        Ok(()) => Code::Done,
        Err(error) => {
            let code = error.code();
            if !matches!(error, crate::cli::error::CliError::Said(_)) {
                output.error(&error);
            }
            code
        }
    };
    format!("{}[exit {}]", written.text(), code as u8)
}

fn never(command: &Command, _: &mut Snapshot) -> Option<Result<Outcome, Refusal>> {
    panic!("nobody should have ordered {command:?}")
}

fn up(id: u64, name: &str) -> Arc<ProcessView> {
    Arc::new(ProcessView {
        id: ProcessId(id),
        name: name.to_owned(),
        status: Status::Running,
        ..ada()
    })
}

#[tokio::test]
async fn lists_are_tables_that_a_person_can_read() {
    let desk = Desk::open(company(), never);
    insta::assert_snapshot!(without_ages(&desk.run("ps").await), @r"
    ID EMPLOYEE ROLE STATUS HEALTH PID CPU MEM UP DONE COST NOW
    proc_001 Ada senior_developer waiting healthy 12345 2% 412M AGE 12 $1.20 asks to run: git push origin main
    proc_002 Ken test_engineer error offline - - - - 12 $1.20
    [exit 0]
    ");
    insta::assert_snapshot!("inspect", without_ages(&desk.run("inspect ada").await));
    let tasks = without_ages(&desk.run("task ls").await);
    insta::assert_snapshot!(tasks, @r#"
    ID STATE PRIORITY ROLE PROCESS FOR TRIES COST TEXT
    task_0001 running high senior_developer proc_001 AGE 1 - Fix the flaky login test
    task_0003 succeeded high senior_developer proc_001 AGE 1 $0.11 Fix the flaky login test
    task_0002 queued high senior_developer - AGE 0 - Fix the flaky login test (Ada is busy)
    [exit 0]
    "#);
    insta::assert_snapshot!(without_ages(&desk.run("inbox").await), @r#"
    ID WHAT EMPLOYEE FOR COMMAND ABOUT
    req_0001 permission Ada AGE headcount approve req_0001 asks to run: git push origin main
    alert_0001 alert Ada AGE headcount ack alert_0001 it does not respond
    proc_002 stuck Ken AGE headcount why proc_002 error
    [exit 0]
    "#);
}

/// Ages are counted from the clock of this machine, and moments shown in its zone.
fn without_ages(text: &str) -> String {
    let is_age = |word: &str| {
        let digits = word
            .trim_end_matches(';')
            .trim_end_matches(['s', 'm', 'h', 'd']);
        digits.len() < word.len()
            && !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let is_moment = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && (word.matches(':').count() == 2 || word.matches('-').count() == 2)
            && word
                .bytes()
                .all(|b| b.is_ascii_digit() || b"-:".contains(&b))
    };
    let line = |line: &str| {
        let words: Vec<&str> = line
            .split(' ')
            .map(|word| match word {
                word if is_age(word) => "AGE",
                word if is_moment(word) => "MOMENT",
                word => word,
            })
            .filter(|word| !word.is_empty())
            .collect();
        words.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn json_is_one_document_with_the_fields_in_order() {
    let desk = Desk::open(company(), never);
    let text = desk.run("ps --json").await;
    let json = text.strip_suffix("[exit 0]").unwrap();
    let document: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(document[1]["fault"]["code"], "PROC_001");
    assert!(json.starts_with("[\n  {\n    \"id\": \"proc_001\",\n    \"employee\": \"emp_001\","));
}

#[tokio::test]
async fn without_an_instance_commands_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for line in [
        "ps",
        "inspect ada",
        "stop ada",
        "logs ada",
        "task ls",
        "task wait task_0001",
        "inbox",
        "approve req_0001",
        "down",
    ] {
        let said = run(line, folder.path()).await;
        assert!(
            said.starts_with("error: no instance runs for "),
            "{line}: {said}"
        );
        assert!(said.ends_with("[exit 3]"), "{line}: {said}");
        assert!(
            said.contains("try: start one with `headcount up`"),
            "{line}: {said}"
        );
    }
    let said = run("status --json", folder.path()).await;
    assert!(
        said.contains("\"running\": false") && said.ends_with("[exit 3]"),
        "{said}"
    );
}

#[tokio::test]
async fn hiring_prints_who_is_up_and_why_another_is_not() {
    let desk = Desk::open(company(), |command, snapshot| {
        let Command::Create(new) = command else {
            panic!("{command:?}")
        };
        Some(match new.role.as_str() {
            "sre" => {
                snapshot.processes.push(up(3, "Radia"));
                Ok(Outcome::Created(ProcessId(3)))
            }
            "qa_engineer" => Err(Refusal::Fault {
                process: ProcessId(2),
                fault: fault(),
            }),
            _ => Err(Refusal::State("no memory is left".to_owned())),
        })
    });
    insta::assert_snapshot!(desk.run("create sre").await, @r#"
    proc_003 Radia, Senior Developer: busy
    [exit 0]
    "#);
    insta::assert_snapshot!(desk.run("create sre qa-engineer Build").await, @r#"
    proc_003 Radia, Senior Developer: busy
    proc_002 Ken, Test Engineer: error
    error: Ken (proc_002) did not come up
    caused by: `claude` is not on the PATH (PROC_001)
    try: install Claude Code, or try `headcount --demo`
    error: no memory is left
    [exit 1]
    "#);
    insta::assert_snapshot!(desk.run("create sree").await, @r#"
    error: there is no role `sree`
    try: the nearest is `sre`
    [exit 4]
    "#);
    insta::assert_snapshot!(desk.run("create sre --count 2 --name Ada").await, @r#"
    error: --name is for one employee; hire the others without it
    [exit 2]
    "#);
    insta::assert_snapshot!(desk.run("create --department development --name Ada").await, @r#"
    error: --name is for one employee; hire the others without it
    [exit 2]
    "#);
    insta::assert_snapshot!(desk.run("create --department develpment").await, @r#"
    error: there is no department `develpment`
    try: the nearest is `development`
    [exit 4]
    "#);
    let (origin, Command::Create(new)) = desk.served.orders.lock().unwrap()[0].clone() else {
        panic!("an order")
    };
    assert_eq!(origin, Origin::Cli);
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    assert_eq!(new.working_directory, Some(here));
}

#[tokio::test]
async fn a_department_is_hired_with_settings_of_its_own() {
    let desk = Desk::open(company(), |_, _| Some(Ok(Outcome::Created(ProcessId(1)))));
    let line = "create --department Development --count 2 --cpu 0.5..2 --memory 512MB..2GB \
        --prompt-mode replace --max-turns 20 --env DEPARTMENT=development --no-start";
    let said = desk.run(line).await;
    assert!(said.ends_with("[exit 0]"), "{said}");
    let orders = desk.served.orders.lock().unwrap().clone();
    let hired: Vec<NewProcess> = orders
        .into_iter()
        .map(|(_, command)| match command {
            Command::Create(new) => *new,
            other => panic!("{other:?}"),
        })
        .collect();
    let of_it = company()
        .catalogue
        .roles
        .iter()
        .filter(|role| role.department == "development")
        .count();
    assert!(of_it > 1);
    assert_eq!(hired.len(), 2 * of_it);
    for new in hired {
        assert_eq!(new.cpu, Some(Range { min: 0.5, max: 2.0 }));
        assert_eq!(new.memory.map(|memory| memory.max), Some(2_000_000_000));
        assert_eq!(new.prompt_mode, Some(PromptMode::Replace));
        assert_eq!((new.max_turns, new.no_start), (Some(20), true));
        assert_eq!(new.environment["DEPARTMENT"], "development");
    }
}

#[tokio::test]
async fn a_stop_prints_its_proof() {
    let desk = Desk::open(company(), |command, snapshot| {
        let Command::Stop(id) = command else {
            return Some(Err(Refusal::State(
                "Ada is running; stop her first".to_owned(),
            )));
        };
        if *id == ProcessId(2) {
            return Some(Ok(Outcome::Stopped(*id, None)));
        }
        let mut after = ada();
        (after.run, after.pid, after.status) = (None, None, Status::Stopped);
        snapshot.processes[0] = Arc::new(after);
        Some(Ok(Outcome::Stopped(*id, Some(Box::new(exit())))))
    });
    insta::assert_snapshot!(desk.run("rm ada").await, @r#"
    error: Ada is running; stop her first
    [exit 5]
    "#);
    insta::assert_snapshot!(desk.run("stop ADA proc_2").await, @r#"
    Ada stopped: 7 processes ended, 0 left (1 had to be killed: node server.js)
    Ken was not running
    [exit 0]
    "#);
    insta::assert_snapshot!(desk.run("stop --all").await, @r#"
    there is no process to do that to
    [exit 0]
    "#);
    insta::assert_snapshot!(desk.run("stop nobody").await, @r#"
    error: there is no process `nobody`
    try: list the processes with `headcount ps`
    [exit 4]
    "#);
}

#[tokio::test]
async fn a_start_that_fails_says_whose_fault_it_is() {
    let desk = Desk::open(company(), |command, _| match command {
        Command::Start(process) => Some(Err(Refusal::Fault {
            process: *process,
            fault: fault(),
        })),
        _ => panic!("{command:?}"),
    });
    insta::assert_snapshot!(desk.run("start ken").await, @r#"
    error: Ken (proc_002) did not come up
    caused by: `claude` is not on the PATH (PROC_001)
    try: install Claude Code, or try `headcount --demo`
    [exit 1]
    "#);
}

#[tokio::test]
async fn a_task_is_added_and_waited_for() {
    let desk = Desk::open(company(), |command, snapshot| match command {
        Command::AddTask(new) => {
            assert_eq!(new.target.role.as_deref(), Some("sre"));
            assert_eq!(new.target.process, Some(ProcessId(1)));
            assert_eq!(new.continues, Some(TaskId(3)));
            snapshot.tasks.put(Arc::new(task(4, TaskState::Failed)));
            Some(Ok(Outcome::TaskAdded(TaskId(4))))
        }
        _ => panic!("{command:?}"),
    });
    insta::assert_snapshot!(desk.run("task add hello --role sre --process ada --continue task_3").await, @r#"
    task_0004
    [exit 0]
    "#);
    insta::assert_snapshot!(desk.run("task wait task_0003").await, @r#"
    Fixed: the clock was not stopped.
    [exit 0]
    "#);
    insta::assert_snapshot!(desk.run("task wait task_3 task_0004").await, @r#"
    task_0003:
    Fixed: the clock was not stopped.
    error: task_0004 failed
    caused by: the tests still fail
    [exit 1]
    "#);
    insta::assert_snapshot!(desk.run("task wait task_0002 --timeout 10ms").await, @r#"
    error: task_0002 is still queued: Ada is busy
    [exit 6]
    "#);
    insta::assert_snapshot!(desk.run("task wait task_0099").await, @r#"
    error: there is no task task_0099
    [exit 4]
    "#);
    insta::assert_snapshot!(desk.run("task show 0003").await, @r#"
    error: there is no task `0003`
    try: the nearest is `task_0003`
    [exit 4]
    "#);
    insta::assert_snapshot!(desk.run("task ls --only done").await, @r#"
    error: `done` is no state of a task
    [exit 2]
    "#);
}

#[tokio::test]
async fn requests_are_answered_by_id_and_never_by_a_name() {
    let desk = Desk::open(company(), |command, snapshot| {
        let mut answered = request();
        answered.answer = Some(match command {
            Command::ApproveAlways { .. } => Answer::Always {
                rule: "Bash(git push *)".to_owned(),
            },
            _ => Answer::Once,
        });
        snapshot.requests[0] = Arc::new(answered);
        Some(Ok(Outcome::Done))
    });
    insta::assert_snapshot!(desk.run("approve ada").await, @r#"
    error: there is no request `ada`
    try: list what waits with `headcount inbox`
    [exit 4]
    "#);
    insta::assert_snapshot!(desk.run("approve req_1 --always").await, @r#"
    req_0001 allowed, and Bash(git push *) from now on
    [exit 0]
    "#);
}

#[tokio::test]
async fn a_log_is_printed_as_it_stands_in_the_file() {
    let desk = Desk::open(company(), never);
    let text: String = (0..4500)
        .map(|n| format!("2026-11-23 10:41:07 | line {n}\n"))
        .collect();
    std::fs::write(desk.served.log("proc_001.log"), &text).unwrap();
    let all = format!("{text}[exit 0]");
    assert!(desk.run("logs ada -n all").await == all);
    assert!(desk.run("logs ada -n 9000").await == all);
    let last = |lines: usize| {
        let from = text.lines().skip(4500 - lines);
        let lines: String = from.map(|line| format!("{line}\n")).collect();
        format!("{lines}[exit 0]")
    };
    for lines in [1, 200, 2_000, 2_001, 4_499] {
        assert!(
            desk.run(&format!("logs ada -n {lines}")).await == last(lines),
            "{lines}"
        );
    }
    assert_eq!(desk.run("logs ada -n 0").await, "[exit 0]");
}

#[tokio::test]
async fn a_log_is_printed_since_a_time_across_rotated_files() {
    let desk = Desk::open(company(), never);
    let line = |n: usize| {
        let (hour, minute) = (n / 60 % 24, n % 60);
        let text = "x".repeat(400);
        format!(
            "2026-11-{:02} {hour:02}:{minute:02}:07 | {n} {text}\n",
            1 + n / 1440
        )
    };
    let part = |range: std::ops::Range<usize>| range.map(line).collect::<String>();
    let old = part(0..2_000);
    std::fs::write(desk.served.log("proc_001.log.00000000000000000000"), &old).unwrap();
    std::fs::write(desk.served.log("proc_001.log"), part(2_000..4_000)).unwrap();
    for (since, first) in [
        ("2026-10-01", 0),
        ("2026-11-01T00:00:07", 0),
        ("2026-11-01T00:00:08", 1),
        ("2026-11-02T09:20", 2_000),
        ("2026-11-03T12:00", 3_600),
        ("2026-11-20", 4_000),
    ] {
        let said = desk.run(&format!("logs ada --since {since}")).await;
        assert!(said == format!("{}[exit 0]", part(first..4_000)), "{since}");
    }
    let said = desk.run("logs ada --since 2026-11-02 -n 3").await;
    assert!(said == format!("{}[exit 0]", part(3_997..4_000)));
}

#[tokio::test]
async fn updates_are_taken_when_it_is_said() {
    /// Takes the order of one moment and no other.
    fn takes(command: &Command, when: UpdateWhen) -> Option<Result<Outcome, Refusal>> {
        let process = ProcessId(1);
        Some(if *command == (Command::Update { process, when }) {
            Ok(Outcome::Done)
        } else {
            Err(Refusal::Invalid(format!("not {command:?}")))
        })
    }
    let cases: [(&str, Script, &str); 3] = [
        (
            "idle",
            |command, _| takes(command, UpdateWhen::Idle),
            "Ada restarts when it is idle",
        ),
        (
            "rolling",
            |command, _| takes(command, UpdateWhen::Rolling),
            "Ada restarts when it is its turn",
        ),
        (
            "never",
            |command, _| takes(command, UpdateWhen::NotNow),
            "Ada runs on as it is",
        ),
    ];
    for (when, script, said) in cases {
        // Everybody of this company has updates; one is named.
        let desk = Desk::open(company(), script);
        let line = format!("restart ada --updates --when {when}");
        let printed = desk.run(&line).await;
        assert_eq!(printed, format!("{said}\n[exit 0]"));
    }
}
