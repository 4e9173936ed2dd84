//! A small company for tests: every value is fixed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::alert::{Alert, AlertKind, AlertLevel};
use crate::domain::automation::{Automation, UpkeepView};
use crate::domain::exit::{Ended, Exit, ExitStatus};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::health::HealthRule;
use crate::domain::id::{AlertId, EmployeeId, ProcessId, RequestId, RunId, TaskId};
use crate::domain::inbox::{Ask, Request};
use crate::domain::role::{
    Catalogue, Kind, PromptMode, Protocol, Range, Role, WhenChanged, WhenCut,
};
use crate::domain::sandbox::{Sandbox, SandboxRule};
use crate::domain::snapshot::{
    Activity, Condition, Evidence, Health, Machine, ProcessView, Snapshot, Status, Usage,
};
use crate::domain::task::{
    Attempt, AttemptEnd, Priority, Target, Task, TaskResult, TaskState, Tokens,
};
use crate::domain::task_list::TaskList;
use crate::domain::waits::{Reason, Waits};
use crate::domain::work::Work;
use crate::domain::worktree::WorktreeRule;

/// 2026-11-23 10:40:00 UTC and so many seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_430_400 + seconds).unwrap()
}

/// Ada, a senior developer at work on task_0001.
pub(crate) fn ada() -> ProcessView {
    ProcessView {
        id: ProcessId(1),
        employee: EmployeeId(1),
        name: "Ada".to_owned(),
        role: "senior_developer".to_owned(),
        role_title: "Senior Developer".to_owned(),
        department: "development".to_owned(),
        cluster: None,
        kind: Kind::Batch,
        protocol: Protocol::ClaudeStreamJson,
        agent: "claude".to_owned(),
        agent_version: Some("2.1.330".to_owned()),
        simulated: false,
        status: Status::Waiting,
        activity: Activity::Busy,
        health: Health::Healthy,
        condition: condition("it answered in 2 ms"),
        evidence: Evidence {
            source: "the agent's own event".to_owned(),
            at: at(0),
        },
        since: at(0),
        until: None,
        look: None,
        phase: "active: ready".to_owned(),
        history: vec![],
        exits: vec![],
        flight: None,
        now: "asks to run: git push origin main".to_owned(),
        stopping: None,
        pid: Some(12_345),
        run: Some(RunId(7)),
        last_run: Some(RunId(6)),
        started: Some(at(-7_200)),
        usage: Some(Usage {
            cpu_percent: 2.04,
            memory_bytes: 432_013_312,
            threads: 14,
            files: 23,
            processes: 3,
            disk_read_bytes: 1_000,
            disk_written_bytes: 2_000,
            disk_rates: None,
        }),
        members: vec![],
        cpu_history: vec![1.0, 2.0],
        memory_history: vec![432_013_312],
        tasks_assigned: 13,
        tasks_completed: 12,
        tasks_failed: 0,
        busy: Duration::from_secs(1_656),
        task: Some(TaskId(1)),
        last_tasks: vec![],
        cost_usd: 1.2,
        tokens: Tokens {
            input: 412_000,
            output: 38_000,
        },
        restarts: 0,
        tries: (0, 3),
        fault: None,
        updates_available: true,
        updates: None,
        restart_when_idle: false,
        restart_in_turn: false,
        conversation_tokens: None,
        conversation: Some(Uuid::from_u128(0x71f7_eb71)),
        sessions: vec![],
        conversations: 3,
        prompt_file: Some("corporate-prompts/development/senior-developer.md".into()),
        own_prompt: false,
        prompt_hash: Some("3fa1c2".to_owned()),
        prompt_mode: PromptMode::Append,
        tools: vec!["Bash".to_owned(), "Git".to_owned()],
        ask: vec!["Bash(git push *)".to_owned()],
        allowed: vec![],
        working_directory: "/home/me/shop".into(),
        worktree: None,
        work: None,
        environment: vec![("EDITOR".to_owned(), "nano".to_owned())],
        model: None,
        max_turns: None,
        cpu: Range { min: 1.0, max: 4.0 },
        memory: Range {
            min: 512_000_000,
            max: 2_000_000_000,
        },
        requests: vec![RequestId(1)],
        last_exit: Some(exit()),
        upkeep: UpkeepView::default(),
        command: Some("claude -p".to_owned()),
        sandbox: Sandbox::default(),
        progress: None,
    }
}

fn condition(why: &str) -> Condition {
    Condition {
        why: why.to_owned(),
        since: at(0),
        checked: Some(at(0)),
        answer: Some(Duration::from_millis(2)),
        missed: 0,
    }
}

/// Ken, who did not come up.
pub(crate) fn ken() -> ProcessView {
    ProcessView {
        id: ProcessId(2),
        employee: EmployeeId(2),
        name: "Ken".to_owned(),
        role: "test_engineer".to_owned(),
        role_title: "Test Engineer".to_owned(),
        status: Status::Error,
        phase: "left down after failures".to_owned(),
        activity: Activity::Unknown,
        health: Health::Offline,
        condition: condition("it is left down after failures"),
        now: String::new(),
        pid: None,
        run: None,
        usage: None,
        started: None,
        task: None,
        requests: vec![],
        fault: Some(fault()),
        last_exit: None,
        ..ada()
    }
}

/// Why Ken did not come up.
pub(crate) fn fault() -> Fault {
    Fault::new(
        FaultCode::FailedToStart,
        "`claude` is not on the PATH",
        "install Claude Code, or try `headcount --demo`",
    )
}

/// How Ada's run before ended.
pub(crate) fn exit() -> Exit {
    Exit {
        status: ExitStatus::Code(143),
        at: at(-7_300),
        ended: 7,
        killed: vec![Ended {
            pid: 99,
            name: "node server.js".to_owned(),
        }],
        leaked: vec![],
        left: vec![],
        cpu_ms: 1_500,
        shim_lost: false,
        abandoned: false,
        stderr_tail: String::new(),
        memory: None,
    }
}

/// A task in some state.
pub(crate) fn task(id: u64, state: TaskState) -> Task {
    let is_over = state.is_final();
    Task {
        id: TaskId(id),
        text: "Fix the flaky login test".to_owned(),
        state,
        priority: Priority::High,
        target: Target {
            role: Some("senior_developer".to_owned()),
            ..Target::default()
        },
        timeout: Some(Duration::from_secs(600)),
        retries: None,
        key: Some("login".to_owned()),
        created: at(-600),
        since: at(-60),
        not_before: None,
        attempts: if state == TaskState::Queued {
            vec![]
        } else {
            vec![Attempt {
                process: ProcessId(1),
                run: RunId(7),
                started: at(-500),
                ended: is_over.then(|| at(-60)),
                end: is_over.then_some(AttemptEnd::Succeeded),
                reason: None,
                conversation: None,
                work: Work::default(),
                log: None,
                messages: Vec::new(),
                cost_usd: 0.0,
            }]
        },
        lease: None,
        result: (state == TaskState::Succeeded).then(|| TaskResult {
            text: "Fixed: the clock was not stopped.".to_owned(),
            duration: Duration::from_millis(440_500),
            turns: 9,
            cost_usd: 0.11,
            tokens: Tokens {
                input: 9_000,
                output: 800,
            },
            denials: vec![],
        }),
        error: (state == TaskState::Failed).then(|| "the tests still fail".to_owned()),
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

/// What Ada asks.
pub(crate) fn request() -> Request {
    Request {
        id: RequestId(1),
        process: ProcessId(1),
        run: RunId(7),
        task: Some(TaskId(1)),
        agent_key: "key".to_owned(),
        ask: Ask::Permission {
            tool: "Bash".to_owned(),
            subject: "git push origin main".to_owned(),
            diff: None,
            description: Some("push the branch".to_owned()),
            rule: "Bash(git push *)".to_owned(),
        },
        input: serde_json::json!({"command": "git push origin main"}),
        asked: at(-180),
        answer: None,
        answered: None,
        own: false,
    }
}

/// A role whose prompt is named after it.
fn role(key: &str, title: &str, department: &str) -> Role {
    let prompt = format!(
        "corporate-prompts/{department}/{}.md",
        key.replace('_', "-")
    );
    Role {
        key: key.to_owned(),
        title: title.to_owned(),
        department: department.to_owned(),
        kind: Kind::Batch,
        agent: "claude".to_owned(),
        prompt: Some(prompt.into()),
        prompt_mode: PromptMode::Append,
        skills: vec!["rust".to_owned()],
        tools: vec!["Bash".to_owned(), "Git".to_owned()],
        ask: vec!["Bash(git push *)".to_owned()],
        deny: vec![],
        environment: [("EDITOR".to_owned(), "nano".to_owned())].into(),
        env_file: None,
        model: None,
        max_turns: Some(20),
        budget_usd: None,
        cpu: Range { min: 1.0, max: 4.0 },
        memory: Range {
            min: 512_000_000,
            max: 2_000_000_000,
        },
        finish_task: Duration::from_secs(600),
        terminate: Duration::from_secs(10),
        task_timeout: Duration::from_secs(3_600),
        task_retries: 2,
        task_retry_delay: Duration::from_secs(30),
        automation: Automation::default(),
        when_cut: WhenCut::Retry,
        auto_restart: crate::domain::restart::AutoRestart::default(),
        health: HealthRule::default(),
        worktree: WorktreeRule::default(),
        origins: std::collections::BTreeMap::default(),
        when_changed: WhenChanged::Ask,
        sandbox: SandboxRule::default(),
    }
}

fn catalogue() -> Catalogue {
    Catalogue {
        roles: vec![
            role("project_manager", "Project Manager", "executive"),
            role("senior_developer", "Senior Developer", "development"),
            role("qa_engineer", "QA Engineer", "development"),
            role("sre", "Site Reliability Engineer", "operations"),
            role("build_engineer", "Build Engineer", "support"),
        ],
        ..Catalogue::default()
    }
}

/// Something is wrong with Ada.
fn alert(number: u64) -> Alert {
    Alert {
        id: AlertId(number),
        kind: AlertKind::Health,
        level: AlertLevel::Critical,
        process: Some(ProcessId(1)),
        name: Some("Ada".to_owned()),
        text: "it does not respond".to_owned(),
        since: at(0),
        acknowledged: None,
        cleared: None,
    }
}

fn over(mut alert: Alert) -> Alert {
    alert.cleared = Some(at(5));
    alert
}

/// All of it.
pub(crate) fn company() -> Snapshot {
    let tasks: TaskList = [
        task(1, TaskState::Running),
        task(2, TaskState::Queued),
        task(3, TaskState::Succeeded),
    ]
    .into_iter()
    .map(Arc::new)
    .collect();
    let counts = tasks.counts();
    let busy = Reason {
        text: "Ada is busy".into(),
        is_stuck: false,
    };
    Snapshot {
        at: at(0),
        workspace: "/home/me/shop".into(),
        configuration: "built in".to_owned(),
        catalogue: Arc::new(catalogue()),
        processes: vec![Arc::new(ada()), Arc::new(ken())],
        tasks,
        waits: Waits {
            targets: [(task(2, TaskState::Queued).target, busy)].into(),
            ..Waits::default()
        },
        requests: vec![Arc::new(request())],
        alerts: vec![Arc::new(alert(1)), Arc::new(over(alert(2)))],
        counts,
        machine: Machine {
            cpu_percent: 38.0,
            memory_used: 5_000_000_000,
            memory_total: 24_000_000_000,
            cores: 8,
            pressure: None,
        },
        cost_today_usd: 4.12,
        terminals: 1,
        ..Snapshot::default()
    }
}
