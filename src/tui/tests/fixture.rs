//! Companies for tests: fixed names, times and ids.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::date;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use uuid::Uuid;

use crate::domain::alert::{Alert, AlertKind, AlertLevel, AlertRule};
use crate::domain::automation::{AutoStart, AutoStop, Automation, UpkeepView};
use crate::domain::chronicle::What;
use crate::domain::command::{Command, Outcome};
use crate::domain::diff;
use crate::domain::digest::{Digest, FailureNote};
use crate::domain::exit::{Ended, Exit, ExitStatus};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::health::HealthRule;
use crate::domain::id::{AlertId, EmployeeId, ProcessId, RequestId, RunId, TaskId};
use crate::domain::inbox::{Answer, Ask, Choice, Question, Request};
use crate::domain::log::{LogFound, LogKind, LogLine, LogQuery, LogSearch, LogSeek, LogWindow};
use crate::domain::preview::{Preview, PromptSeen};
use crate::domain::restart::AutoRestart;
use crate::domain::role::{
    Agent, Catalogue, Department, Kind, Layer, LoadBalancing, PromptMode, Protocol, Range, Role,
    WhenChanged, WhenCut,
};
use crate::domain::sandbox::{Sandbox, SandboxRule};
use crate::domain::snapshot::{
    Activity, Condition, Evidence, Health, Level, Machine, Message, ProcessView, Snapshot, Status,
    TaskCounts, Usage,
};
use crate::domain::task::{
    Attempt, AttemptEnd, Priority, Target, Task, TaskResult, TaskState, Tokens, Work,
};
use crate::domain::task_list::TaskList;
use crate::domain::updates::{Fingerprint, Updates};
use crate::domain::waits::Waits;
use crate::domain::worktree::{
    ChangedFile, Changes, WorkSummary, WorkText, Worktree, WorktreeRule,
};
use crate::tui::format::Present;
use crate::tui::look::{Capabilities, ColourDepth};
use crate::tui::view::View;

pub(crate) const MEBI: u64 = 1 << 20;
pub(crate) const GIBI: u64 = 1 << 30;

/// 2026-11-23 10:44 in a zone without summer time.
pub(crate) fn now() -> Present {
    Present {
        wall: Timestamp::from_second(1_795_430_640).expect("a time"),
        zone: jiff::tz::TimeZone::UTC,
    }
}

/// So many minutes ago.
pub(crate) fn ago(minutes: i64) -> Timestamp {
    now().wall - jiff::SignedDuration::from_mins(minutes)
}

pub(crate) fn caps() -> Capabilities {
    Capabilities {
        colour: ColourDepth::True,
        unicode: true,
        dark: true,
        home: Some(PathBuf::from("/home/me")),
        working_directory: PathBuf::from("/home/me/src/shop"),
        editor: true,
    }
}

fn department(key: &str, title: &str, least: u64, most: u64) -> Department {
    Department {
        key: key.to_owned(),
        title: title.to_owned(),
        cpu: Range { min: 0.5, max: 2.0 },
        memory: Range {
            min: least * MEBI,
            max: most * MEBI,
        },
    }
}

fn role(key: &str, title: &str, department: &Department) -> Role {
    let file = key.replace('_', "-");
    Role {
        key: key.to_owned(),
        title: title.to_owned(),
        department: department.key.clone(),
        kind: Kind::Batch,
        agent: "claude".to_owned(),
        prompt: Some(PathBuf::from(format!(
            "corporate-prompts/{}/{file}.md",
            department.key
        ))),
        prompt_mode: PromptMode::Append,
        skills: vec!["rust".to_owned(), "review".to_owned()],
        tools: ["Bash", "Edit", "Write", "Read", "Grep", "Glob", "LS"]
            .map(str::to_owned)
            .to_vec(),
        ask: vec!["Bash(git push *)".to_owned(), "Bash(sudo *)".to_owned()],
        deny: vec![],
        environment: [("NODE_ENV".to_owned(), "development".to_owned())].into(),
        env_file: None,
        model: None,
        max_turns: None,
        budget_usd: None,
        cpu: department.cpu,
        memory: department.memory,
        finish_task: Duration::from_secs(600),
        terminate: Duration::from_secs(10),
        task_timeout: Duration::from_secs(3600),
        task_retries: 2,
        task_retry_delay: Duration::from_secs(30),
        automation: Automation::default(),
        when_cut: WhenCut::Retry,
        auto_restart: AutoRestart::default(),
        health: HealthRule::default(),
        worktree: WorktreeRule::default(),
        origins: [
            ("prompt", Layer::Role),
            ("tools", Layer::Defaults),
            ("environment NODE_ENV", Layer::Defaults),
            ("cpu", Layer::Department),
            ("memory", Layer::Department),
        ]
        .map(|(key, layer)| (key.to_owned(), layer))
        .into(),
        when_changed: WhenChanged::Ask,
        sandbox: SandboxRule::default(),
    }
}

pub(crate) fn catalogue() -> Catalogue {
    let departments = vec![
        department("executive", "Executive", 256, 1024),
        department("development", "Development", 512, 2048),
        department("operations", "Operations", 256, 1024),
        department("support", "Support", 128, 512),
    ];
    let staff = [
        ("project_manager", "Project Manager", 0),
        ("technical_lead", "Technical Lead", 0),
        ("qa_director", "QA Director", 0),
        ("senior_developer", "Senior Developer", 1),
        ("junior_developer", "Junior Developer", 1),
        ("qa_engineer", "QA Engineer", 1),
        ("test_engineer", "Test Engineer", 1),
        ("devops_engineer", "DevOps Engineer", 2),
        ("sre", "SRE", 2),
        ("security_engineer", "Security Engineer", 2),
        ("technical_writer", "Technical Writer", 3),
        ("ui_ux_designer", "UI/UX Designer", 3),
        ("build_engineer", "Build Engineer", 3),
        ("utility_worker", "Utility Worker", 3),
    ];
    let roles = staff
        .into_iter()
        .filter_map(|(key, title, at)| Some(role(key, title, departments.get(at)?)))
        .collect();
    Catalogue {
        departments,
        roles,
        tools: [("Git".to_owned(), vec!["Bash(git *)".to_owned()])].into(),
        agents: [(
            "claude".to_owned(),
            Agent {
                name: "claude".to_owned(),
                command: "claude".to_owned(),
                args: vec![],
                protocol: Protocol::ClaudeStreamJson,
                environment: [].into(),
            },
        )]
        .into(),
        auto_start: AutoStart::default(),
        auto_stop: AutoStop::default(),
        clusters: vec![],
        auto_restart: AutoRestart::default(),
        alerts: AlertRule::default(),
        load_balancing: LoadBalancing::default(),
        templates: vec![],
    }
}

/// A process that is up, healthy and idle.
pub(crate) fn process(number: u64, name: &str, role: &Role) -> ProcessView {
    ProcessView {
        id: ProcessId(number),
        employee: EmployeeId(number),
        name: name.to_owned(),
        role: role.key.clone(),
        role_title: role.title.clone(),
        department: role.department.clone(),
        cluster: None,
        kind: role.kind,
        protocol: Protocol::ClaudeStreamJson,
        agent: role.agent.clone(),
        agent_version: Some("2.0.14".to_owned()),
        simulated: false,
        status: Status::Running,
        activity: Activity::Idle,
        health: Health::Healthy,
        condition: Condition {
            why: "it answered in 2 ms".to_owned(),
            since: ago(3),
            checked: Some(ago(0)),
            answer: Some(Duration::from_millis(2)),
            missed: 0,
        },
        evidence: Evidence {
            source: "the agent's own event".to_owned(),
            at: ago(3),
        },
        since: ago(3),
        until: None,
        look: None,
        phase: "active: ready".to_owned(),
        history: vec![],
        exits: vec![],
        flight: None,
        now: String::new(),
        stopping: None,
        pid: Some(12_344 + u32::try_from(number).unwrap_or(0)),
        run: Some(RunId(number)),
        last_run: None,
        started: Some(ago(134)),
        usage: Some(Usage {
            cpu_percent: 0.0,
            memory_bytes: 240 * MEBI,
            threads: 14,
            files: 23,
            processes: 3,
            disk_read_bytes: 48 * MEBI,
            disk_written_bytes: 3 * MEBI,
            disk_rates: None,
        }),
        members: vec![],
        cpu_history: vec![
            1.0, 1.0, 3.0, 5.0, 40.0, 62.0, 44.0, 12.0, 2.0, 1.0, 1.0, 2.0,
        ],
        memory_history: [200, 210, 260, 300, 330, 380, 400, 400, 410, 412, 412, 412]
            .map(|m| m * MEBI)
            .to_vec(),
        tasks_assigned: 13,
        tasks_completed: 12,
        tasks_failed: 0,
        busy: Duration::from_secs(12 * 138),
        task: None,
        last_tasks: vec![],
        cost_usd: 1.2,
        tokens: Tokens {
            input: 412_345,
            output: 38_100,
        },
        restarts: 0,
        tries: (0, 3),
        fault: None,
        updates_available: false,
        updates: None,
        restart_when_idle: false,
        restart_in_turn: false,
        conversation_tokens: None,
        conversation: Some(Uuid::from_u128(0x71f7_eb71_0000_4000_8000_0000_0000_0001)),
        sessions: vec![],
        conversations: 3,
        prompt_file: role.prompt.clone(),
        own_prompt: false,
        prompt_hash: Some("3fa1c2".to_owned()),
        prompt_mode: role.prompt_mode,
        tools: role.tools.clone(),
        ask: role.ask.clone(),
        allowed: vec![],
        worktree: None,
        work: None,
        working_directory: PathBuf::from("/home/me/src/shop"),
        environment: vec![
            ("ANTHROPIC_API_KEY".to_owned(), "••••••••".to_owned()),
            ("NODE_ENV".to_owned(), "development".to_owned()),
        ],
        model: None,
        max_turns: None,
        cpu: role.cpu,
        memory: role.memory,
        requests: vec![],
        last_exit: None,
        upkeep: UpkeepView::default(),
        command: Some("claude --output-format stream-json --verbose".to_owned()),
        sandbox: Sandbox::default(),
        progress: None,
    }
}

/// The same process, down.
pub(crate) fn down(mut process: ProcessView, status: Status) -> ProcessView {
    process.status = status;
    process.activity = Activity::Unknown;
    process.health = Health::Offline;
    process.last_run = process.run.take();
    process.pid = None;
    process.started = None;
    process.usage = None;
    process
}

pub(crate) fn task(number: u64, text: &str, state: TaskState) -> Task {
    Task {
        id: TaskId(number),
        text: text.to_owned(),
        state,
        priority: Priority::Normal,
        target: Target::default(),
        timeout: None,
        retries: None,
        key: None,
        created: ago(40),
        since: ago(12),
        not_before: None,
        attempts: vec![],
        lease: None,
        result: None,
        error: None,
        stored: true,
        cancelling: false,
        forgiven: 0,
        continues: None,
        cut: None,
        after: vec![],
        moved: None,
        dismissed: false,
        worktree: None,
    }
}

fn attempt(process: u64, end: Option<AttemptEnd>, reason: Option<&str>) -> Attempt {
    Attempt {
        process: ProcessId(process),
        run: RunId(process),
        started: ago(20),
        ended: end.map(|_| ago(12)),
        end,
        reason: reason.map(str::to_owned),
        conversation: end.map(|_| Uuid::from_u128(u128::from(process))),
        work: Work::default(),
        log: None,
        messages: Vec::new(),
    }
}

pub(crate) fn permission(number: u64, process: u64, command: &str, minutes: i64) -> Request {
    Request {
        id: RequestId(number),
        process: ProcessId(process),
        run: RunId(process),
        task: Some(TaskId(30)),
        agent_key: format!("toolu_{number}"),
        ask: Ask::Permission {
            tool: "Bash".to_owned(),
            subject: command.to_owned(),
            diff: None,
            description: Some("Push the branch so that CI runs".to_owned()),
            rule: "Bash(git push *)".to_owned(),
        },
        input: serde_json::Value::Null,
        asked: ago(minutes),
        answer: None,
        answered: None,
        own: false,
    }
}

pub(crate) fn edit(number: u64, process: u64) -> Request {
    Request {
        ask: Ask::Permission {
            tool: "Edit".to_owned(),
            subject: "src/login.rs".to_owned(),
            diff: Some(
                "--- src/login.rs\n+++ src/login.rs\n@@ -12,3 +12,4 @@\n fn login(user: &User) {\n-    retry(3);\n+    retry(RETRIES);\n+    log(user);\n }"
                    .to_owned(),
            ),
            description: None,
            rule: "Edit(src/login.rs)".to_owned(),
        },
        ..permission(number, process, "", 8)
    }
}

pub(crate) fn question(number: u64, process: u64) -> Request {
    let choice = |label: &str, description: &str| Choice {
        label: label.to_owned(),
        description: description.to_owned(),
    };
    Request {
        ask: Ask::Question {
            questions: vec![Question {
                text: "Which database shall the new service use?".to_owned(),
                choices: vec![
                    choice("PostgreSQL", "as the other services"),
                    choice("SQLite", "one file, no server"),
                ],
                several: false,
            }],
        },
        ..permission(number, process, "", 5)
    }
}

/// The company of the sketch: two departments, one of each trouble.
/// A prompt and a model that changed.
fn updates() -> Updates {
    let (mut before, mut now) = (Fingerprint::default(), Fingerprint::default());
    before.set("prompt", "3fa1c2");
    now.set("prompt", "9be044");
    now.set("model", "opus");
    let mut changes = before.changes(&now);
    for change in changes
        .iter_mut()
        .filter(|change| change.setting == "prompt")
    {
        let diff = "@@ -3,3 +3,4 @@\n ## Core Responsibilities\n-Write code.\n+Write code that others can read.\n+Mention the quince.";
        change.diff = Some(diff.to_owned());
    }
    Updates {
        now,
        changes,
        obstacle: None,
    }
}

pub(crate) fn company() -> Snapshot {
    let catalogue = catalogue();
    let of = |key: &str| catalogue.role(key).cloned().expect("a role");
    let ask = permission(1, 1, "git push origin main", 3);
    let ada = ProcessView {
        status: Status::Waiting,
        activity: Activity::Busy,
        now: ask.ask.line(),
        usage: Some(Usage {
            cpu_percent: 2.0,
            memory_bytes: 412 * MEBI,
            threads: 14,
            files: 23,
            processes: 3,
            disk_read_bytes: 48 * MEBI,
            disk_written_bytes: 3 * MEBI,
            disk_rates: Some((0, 120_000)),
        }),
        task: Some(TaskId(30)),
        last_tasks: vec![TaskId(29), TaskId(27)],
        requests: vec![RequestId(1)],
        allowed: vec!["Bash(cargo *)".to_owned()],
        ..process(1, "Ada", &of("senior_developer"))
    };
    let linus = ProcessView {
        activity: Activity::Busy,
        usage: Some(Usage {
            cpu_percent: 61.4,
            memory_bytes: 733 * MEBI,
            ..Usage::default()
        }),
        tasks_completed: 9,
        cost_usd: 0.94,
        task: Some(TaskId(31)),
        updates_available: true,
        updates: Some(Arc::new(updates())),
        restart_when_idle: false,
        restart_in_turn: false,
        conversation_tokens: None,
        ..process(2, "Linus", &of("senior_developer"))
    };
    let grace = ProcessView {
        tasks_completed: 15,
        cost_usd: 0.61,
        ..process(3, "Grace", &of("qa_engineer"))
    };
    let ken = ProcessView {
        health: Health::Warning,
        until: Some(now().wall + jiff::SignedDuration::from_secs(24)),
        now: "crashed (PROC_004), try 2 of 3".to_owned(),
        tasks_completed: 3,
        tasks_failed: 2,
        cost_usd: 0.2,
        tries: (2, 3),
        fault: Some(Fault::new(
            FaultCode::Crashed,
            "the agent ended with signal 11",
            "read the end of its log with `l`; it is started again by itself",
        )),
        last_exit: Some(Exit {
            status: ExitStatus::Signal(11),
            at: ago(1),
            ended: 7,
            killed: vec![Ended {
                pid: 4242,
                name: "node server.js".to_owned(),
            }],
            leaked: vec![],
            left: vec![],
            cpu_ms: 81_000,
            shim_lost: false,
            abandoned: false,
            stderr_tail: "Segmentation fault (core dumped)".to_owned(),
            memory: None,
        }),
        ..down(process(4, "Ken", &of("test_engineer")), Status::Backoff)
    };
    let radia = ProcessView {
        status: Status::Blocked,
        health: Health::Warning,
        until: Some(now().wall + jiff::SignedDuration::from_mins(226)),
        now: "usage limit until 14:30".to_owned(),
        started: Some(ago(570)),
        tasks_completed: 2,
        cost_usd: 0.11,
        ..process(5, "Radia", &of("sre"))
    };
    let margaret = ProcessView {
        now: "stopped by you 09:12".to_owned(),
        tasks_completed: 0,
        cost_usd: 0.0,
        ..down(
            process(6, "Margaret", &of("devops_engineer")),
            Status::Stopped,
        )
    };
    let mut tasks = vec![
        Task {
            result: Some(TaskResult {
                text: "The client retries three times, with a test for each case.\n\nFiles: src/client.rs, tests/client.rs".to_owned(),
                duration: Duration::from_secs(252),
                turns: 14,
                cost_usd: 0.11,
                tokens: Tokens { input: 52_000, output: 4_100 },
                denials: vec![],
            }),
            attempts: vec![attempt(1, Some(AttemptEnd::Succeeded), None)],
            ..task(27, "Add retry to the client", TaskState::Succeeded)
        },
        Task {
            error: Some("the attempts are used up".to_owned()),
            attempts: vec![
                attempt(4, Some(AttemptEnd::Cut), Some("the agent ended with signal 11")),
                attempt(4, Some(AttemptEnd::Failed), Some("the tests do not compile")),
            ],
            ..task(29, "Write load tests for checkout", TaskState::Parked)
        },
        Task {
            attempts: vec![attempt(1, None, None)],
            ..task(30, "Prepare the release branch\nand push it when the tests pass", TaskState::Waiting)
        },
        Task {
            attempts: vec![attempt(2, None, None)],
            priority: Priority::High,
            ..task(31, "Fix the flaky login test", TaskState::Running)
        },
        Task {
            target: Target { role: Some("sre".to_owned()), ..Target::default() },
            ..task(32, "Find out why the pager rang at 03:10", TaskState::Queued)
        },
        Task {
            priority: Priority::Urgent,
            target: Target { process: Some(ProcessId(6)), ..Target::default() },
            ..task(33, "Rotate the deploy keys", TaskState::Held)
        },
    ];
    tasks.sort_by_key(|task| task.id);
    let mut counts = TaskCounts::default();
    for task in &tasks {
        counts.add(task.state);
    }
    let answered = Request {
        answer: Some(Answer::Always {
            rule: "Bash(cargo *)".to_owned(),
        }),
        answered: Some(ago(60)),
        ..permission(0, 1, "cargo test", 61)
    };
    Snapshot {
        at: now().wall,
        workspace: PathBuf::from("/home/me/src/shop"),
        configuration: "/home/me/src/shop/roles.toml".to_owned(),
        processes: [ada, linus, grace, ken, radia, margaret]
            .into_iter()
            .map(Arc::new)
            .collect(),
        tasks: tasks.into_iter().map(Arc::new).collect(),
        waits: waits(
            Target {
                role: Some("sre".to_owned()),
                ..Target::default()
            },
            "every SRE is blocked: Radia until 14:30",
        ),
        requests: vec![Arc::new(ask), Arc::new(answered)],
        counts,
        machine: Machine {
            cpu_percent: 38.0,
            memory_used: 5_222 * MEBI,
            memory_total: 23 * GIBI,
            cores: 8,
            pressure: None,
        },
        cost_today_usd: 4.12,
        catalogue: Arc::new(catalogue),
        messages: vec![],
        terminals: 1,
        ..Snapshot::default()
    }
}

/// Why whatever is for these waits.
pub(crate) fn waits(target: Target, why: &str) -> Waits {
    Waits {
        targets: [(target, why.into())].into(),
        ..Waits::default()
    }
}

/// A company without anybody.
pub(crate) fn empty() -> Snapshot {
    Snapshot {
        processes: vec![],
        tasks: TaskList::default(),
        waits: Waits::default(),
        requests: vec![],
        counts: TaskCounts::default(),
        cost_today_usd: 0.0,
        ..company()
    }
}

/// A company of so many, all developers and testers.
pub(crate) fn crowd(count: u64) -> Snapshot {
    let base = company();
    let names = [
        "Ada", "Linus", "Grace", "Ken", "Radia", "Margaret", "Dennis", "Barbara",
    ];
    let roles = &base.catalogue.roles;
    let mut processes: Vec<ProcessView> = (0..count)
        .filter_map(|n| {
            let at = usize::try_from(n).unwrap_or(0);
            let name = names.get(at % names.len())?;
            let role = roles.get(at % roles.len())?;
            let number = if at < names.len() {
                String::new()
            } else {
                format!(" {}", at / names.len() + 1)
            };
            let mut process = process(n + 1, &format!("{name}{number}"), role);
            if n % 3 == 0 {
                process.activity = Activity::Busy;
                process.now = format!("task_{:04} Look into the report of customer {n}", n + 100);
            }
            Some(process)
        })
        .collect();
    let place = |process: &ProcessView| {
        let mut departments = base.catalogue.departments.iter();
        departments.position(|department| department.key == process.department)
    };
    processes.sort_by_key(|process| (place(process), process.id));
    Snapshot {
        processes: processes.into_iter().map(Arc::new).collect(),
        requests: vec![],
        ..base
    }
}

pub(crate) fn message(number: u64, level: Level, text: &str) -> Arc<Message> {
    Arc::new(Message {
        number,
        at: now().wall,
        level,
        process: None,
        text: text.to_owned(),
    })
}

/// Lines of a morning's log, one a minute.
pub(crate) fn log(lines: u64) -> LogWindow {
    let kinds = [
        (LogKind::Task, "task_0030 Prepare the release branch"),
        (
            LogKind::Assistant,
            "I look at the state of the branch first, then I run the tests.",
        ),
        (LogKind::Tool, "Bash  git status --short"),
        (LogKind::Result, " M src/login.rs"),
        (
            LogKind::Thinking,
            "The change is small; the tests of the login module are enough.",
        ),
        (LogKind::Tool, "Bash  cargo test login"),
        (LogKind::Error, "exit code 101"),
        (LogKind::Ask, "asks to run: git push origin main"),
        (LogKind::System, "allowed by you"),
    ];
    let begin = date(2026, 11, 23).at(10, 0, 0, 0);
    let lines: Vec<LogLine> = (0..lines)
        .zip(kinds.iter().cycle())
        .map(|(n, (kind, text))| LogLine {
            offset: n * 100,
            time: begin
                .checked_add(jiff::SignedDuration::from_secs(
                    i64::try_from(n * 20).unwrap_or(0),
                ))
                .ok(),
            kind: *kind,
            text: (*text).to_owned(),
        })
        .collect();
    let end = lines.len() as u64 * 100;
    LogWindow {
        lines,
        from: 0,
        next: end,
        begin: 0,
        end,
        run: None,
    }
}

/// What a log on disk answers.
pub(crate) fn answer(query: &LogQuery, whole: &LogWindow) -> LogWindow {
    use crate::domain::log::LogAnchor;
    let chosen: Vec<&LogLine> = whole.lines.iter().collect();
    let chosen: Vec<&LogLine> = chosen
        .into_iter()
        .filter(|line| query.choice.admits(line.kind))
        .collect();
    let split = |offset: u64| chosen.partition_point(|line| line.offset < offset);
    let (range, from, next) = match query.anchor {
        LogAnchor::End => {
            let from = chosen.len().saturating_sub(query.lines);
            (from..chosen.len(), None, whole.end)
        }
        LogAnchor::At(offset) => {
            let from = split(offset);
            let to = (from + query.lines).min(chosen.len());
            let next = chosen.get(to).map_or(whole.end, |line| line.offset);
            (from..to, Some(offset), next)
        }
        LogAnchor::Since(_) => panic!("no screen asks by time"),
        LogAnchor::Before(offset) => {
            let to = split(offset);
            (to.saturating_sub(query.lines)..to, None, offset)
        }
    };
    // Where all there is was taken, all was looked through.
    let first = match range.start {
        0 => whole.begin,
        at => chosen.get(at).map_or(next, |line| line.offset),
    };
    let lines = chosen.get(range).unwrap_or(&[]);
    LogWindow {
        lines: lines.iter().copied().cloned().collect(),
        from: from.unwrap_or(first),
        next,
        begin: whole.begin,
        end: whole.end,
        run: whole.run,
    }
}

/// What a search over a log on disk answers.
pub(crate) fn found(search: &LogSearch, whole: &LogWindow) -> LogFound {
    let mut hits = whole.lines.iter().filter(|line| {
        search.choice.admits(line.kind) && search.words.find(&line.text, 0).is_some()
    });
    let line =
        |hit: Option<&LogLine>| hit.map_or(LogFound::Nothing, |line| LogFound::Line(line.offset));
    match search.seek {
        LogSeek::Next(offset) => line(hits.find(|hit| hit.offset >= offset)),
        LogSeek::Previous(offset) => line(hits.rfind(|hit| hit.offset < offset)),
        LogSeek::Count => LogFound::Count(u32::try_from(hits.count()).unwrap_or(0)),
    }
}

/// One terminal with its view, fed as the host feeds it.
#[derive(Debug)]
pub(crate) struct Screen {
    pub(crate) view: View,
    pub(crate) snapshot: Snapshot,
    pub(crate) now: Present,
    pub(crate) log: LogWindow,
    /// Whether searches are answered at once.
    pub(crate) searching: bool,
    /// What a look at a hire finds wrong.
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<Fault>,
    terminal: Terminal<TestBackend>,
    /// What the host reads when work is looked at.
    pub(crate) work: Result<Box<WorkText>, String>,
}

impl Screen {
    pub(crate) fn new(snapshot: Snapshot, width: u16, height: u16) -> Self {
        Self::with(caps(), snapshot, width, height)
    }

    pub(crate) fn with(caps: Capabilities, snapshot: Snapshot, width: u16, height: u16) -> Self {
        let mut view = View::new(caps);
        view.observe(&snapshot);
        let terminal = Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
        Self {
            view,
            snapshot,
            now: now(),
            log: log(60),
            searching: true,
            work: Ok(Box::new(work())),
            faults: Vec::new(),
            warnings: Vec::new(),
            terminal,
        }
    }

    /// Presses keys: a letter each, or a name in angle brackets such as `<enter>`.
    pub(crate) fn keys(&mut self, keys: &str) -> Vec<crate::tui::Action> {
        let mut actions = Vec::new();
        for key in parse(keys) {
            let event = crossterm::event::Event::Key(key);
            let given = self.view.event(&event, &self.snapshot, &self.now);
            actions.extend(self.look(given));
            self.feed();
        }
        actions
    }

    /// Answers looks at what would be hired; gives the other actions back.
    pub(crate) fn look(&mut self, actions: Vec<crate::tui::Action>) -> Vec<crate::tui::Action> {
        let mut others = Vec::new();
        for action in actions {
            if let crate::tui::Action::Order {
                ticket,
                command: Command::Preview(news),
            } = &action
            {
                let seen = news.iter().map(|new| self.preview(&new.role)).collect();
                self.view.answered(*ticket, Ok(Outcome::Previewed(seen)));
            } else {
                others.push(action);
            }
        }
        others
    }

    fn preview(&self, role: &str) -> Preview {
        let role = self.snapshot.catalogue.role(role).cloned();
        let role = role.expect("a role");
        Preview {
            program: Some("/home/me/.local/bin/claude".into()),
            prompt: role.prompt.as_ref().map(|file| PromptSeen {
                from: file.display().to_string(),
                hash: "3fa1c2".to_owned(),
                text: format!("You are a {}.\nBe brief.\n", role.title),
            }),
            tools: role.tools.clone(),
            environment: vec![
                ("ANTHROPIC_API_KEY".to_owned(), "••••••••".to_owned()),
                ("NODE_ENV".to_owned(), "development".to_owned()),
            ],
            faults: self.faults.clone(),
            warnings: self.warnings.clone(),
            role: role.key,
        }
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        self.terminal.backend_mut().resize(width, height);
        let event = crossterm::event::Event::Resize(width, height);
        self.view.event(&event, &self.snapshot, &self.now);
    }

    fn feed(&mut self) {
        let size = self.terminal.size().unwrap_or(Size::ZERO);
        for query in self.view.wants(size) {
            self.view.supply(query, answer(&query, &self.log));
        }
        if let Some(query) = self.view.work(&self.snapshot) {
            self.view.read(query, self.work.clone());
        }
        if self.searching {
            for search in self.view.searches() {
                let found = found(&search, &self.log);
                self.view.found(&search, Some(found));
            }
        }
    }

    pub(crate) fn draw(&mut self) -> &Buffer {
        self.feed();
        let (view, snapshot, now) = (&mut self.view, &self.snapshot, &self.now);
        self.terminal
            .draw(|frame| view.draw(frame, snapshot, now))
            .expect("a test terminal draws");
        self.terminal.backend().buffer()
    }

    /// The frame as text, without the space at the ends of lines.
    pub(crate) fn text(&mut self) -> String {
        let buffer = self.draw();
        let width = usize::from(buffer.area.width).max(1);
        buffer
            .content
            .chunks(width)
            .map(|row| {
                let mut line = String::new();
                let mut skip = 0;
                for cell in row {
                    if skip > 0 {
                        skip -= 1;
                        continue;
                    }
                    line.push_str(cell.symbol());
                    skip = crate::tui::text::width(cell.symbol()).saturating_sub(1);
                }
                line.trim_end().to_owned()
            })
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn parse(keys: &str) -> Vec<crossterm::event::KeyEvent> {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    let mut events = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        if c == '<'
            && let Some((name, after)) = rest.get(1..).and_then(|rest| rest.split_once('>'))
        {
            let (modifiers, name) = match name.strip_prefix("c-") {
                Some(name) => (KeyModifiers::CONTROL, name),
                None => (KeyModifiers::NONE, name),
            };
            let code = match name {
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "tab" => KeyCode::Tab,
                "backtab" => KeyCode::BackTab,
                "up" => KeyCode::Up,
                "down" => KeyCode::Down,
                "left" => KeyCode::Left,
                "right" => KeyCode::Right,
                "pgup" => KeyCode::PageUp,
                "pgdn" => KeyCode::PageDown,
                "home" => KeyCode::Home,
                "end" => KeyCode::End,
                "del" => KeyCode::Delete,
                "backspace" => KeyCode::Backspace,
                name => KeyCode::Char(name.chars().next().unwrap_or(' ')),
            };
            events.push(KeyEvent::new(code, modifiers));
            rest = after;
        } else {
            events.push(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
            rest = rest.get(c.len_utf8()..).unwrap_or("");
        }
    }
    events
}

/// An alert that nobody has seen.
pub(crate) fn alert(number: u64, process: Option<(u64, &str)>, text: &str) -> Arc<Alert> {
    Arc::new(Alert {
        id: AlertId(number),
        kind: AlertKind::Health,
        level: AlertLevel::Critical,
        process: process.map(|(id, _)| ProcessId(id)),
        name: process.map(|(_, name)| name.to_owned()),
        text: text.to_owned(),
        since: ago(4),
        acknowledged: None,
        cleared: None,
    })
}

/// A company in which the second one, Linus, works in a git worktree of its own.
pub(crate) fn apart() -> Snapshot {
    let mut company = company();
    let linus = Arc::make_mut(&mut company.processes[1]);
    linus.worktree = Some(Worktree {
        repository: "/home/me/src/shop".into(),
        top: "/home/me/.local/state/headcount/shop/worktrees/proc_002".into(),
        folder: "/home/me/.local/state/headcount/shop/worktrees/proc_002".into(),
        branch: "headcount/linus".to_owned(),
        base: "main".to_owned(),
        begun: "0123456789".to_owned(),
        task: None,
        aside: None,
    });
    linus.work = Some(Box::new(WorkSummary::of(&work().changes, ago(2))));
    company
}

/// The diff of three files, one of them not committed, in conflict with the base.
pub(crate) fn work() -> WorkText {
    let patch = include_str!("linus.patch");
    let files = diff::files(patch);
    let changed = files.iter().map(|file| ChangedFile {
        path: file.path.clone(),
        change: file.change,
        added: file.added,
        removed: file.removed,
        uncommitted: file.path == "tests/login.rs",
    });
    WorkText {
        process: ProcessId(2),
        changes: Changes {
            branch: "headcount/linus".to_owned(),
            base: "main".to_owned(),
            ahead: 2,
            behind: 1,
            files: changed.collect(),
            uncommitted: 1,
            conflicts: vec!["src/login.rs".to_owned()],
        },
        files,
        left_out: 0,
    }
}

/// What an absence brought.
pub(crate) fn digest(failed: bool) -> Digest {
    let mut digest = Digest {
        since: Some(now().wall - jiff::SignedDuration::from_mins(192)),
        until: now().wall,
        cost_usd: 1.31,
        ..Digest::default()
    };
    if failed {
        digest.failures.push(FailureNote {
            process: ProcessId(4),
            name: "Ken".to_owned(),
            what: What::Failed,
            code: Some(FaultCode::Crashed),
            text: "crashed: exit code 3 (PROC_004), try 2 of 3".to_owned(),
            at: now().wall,
            count: 2,
            now: Some(Status::Backoff),
        });
    }
    digest
}
