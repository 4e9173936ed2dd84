//! The cost of one frame with 200 processes and 10,000 tasks, on every screen, and with 100,000 more tasks that
//! are done.
//!
//! `cargo bench --bench frame` prints a line for each; a frame has to stay well below the 33 ms
//! between two of them.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use headcount::domain::id::{EmployeeId, ProcessId, RunId, TaskId};
use headcount::domain::role::{Catalogue, Department, Kind, PromptMode, Protocol, Range};
use headcount::domain::snapshot::{
    Activity, Condition, Evidence, Health, ProcessView, Snapshot, Status, Usage,
};
use headcount::domain::task::{Priority, Target, Task, TaskState, Tokens};
use headcount::tui::{Capabilities, ColourDepth, Present, View};
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const FRAMES: u32 = 200;

fn process(number: u64, now: Timestamp) -> ProcessView {
    ProcessView {
        id: ProcessId(number),
        employee: EmployeeId(number),
        name: format!("Employee {number}"),
        role: "senior_developer".to_owned(),
        role_title: "Senior Developer".to_owned(),
        department: format!("department{}", number / 50),
        cluster: None,
        kind: Kind::Batch,
        protocol: Protocol::ClaudeStreamJson,
        agent: "claude".to_owned(),
        agent_version: None,
        simulated: false,
        status: Status::Running,
        activity: Activity::Busy,
        health: Health::Healthy,
        condition: Condition {
            why: "it answered in 2 ms".to_owned(),
            since: now,
            checked: Some(now),
            answer: None,
            missed: 0,
        },
        evidence: Evidence {
            source: "the agent's own event".to_owned(),
            at: now,
        },
        since: now,
        until: None,
        look: None,
        phase: String::new(),
        history: vec![],
        exits: vec![],
        flight: None,
        now: format!("task_{number:04} Look into the report of a customer, with all its details"),
        stopping: None,
        pid: Some(4242),
        run: Some(RunId(number)),
        last_run: None,
        started: Some(now),
        usage: Some(Usage {
            cpu_percent: 12.0,
            memory_bytes: 400 << 20,
            ..Usage::default()
        }),
        members: vec![],
        cpu_history: vec![1.0; 60],
        memory_history: vec![1 << 20; 60],
        tasks_assigned: 12,
        tasks_completed: 12,
        tasks_failed: 0,
        busy: Duration::from_secs(600),
        task: None,
        last_tasks: vec![],
        cost_usd: 1.0,
        tokens: Tokens::default(),
        restarts: 0,
        tries: (0, 3),
        fault: None,
        updates_available: false,
        updates: None,
        restart_when_idle: false,
        restart_in_turn: false,
        conversation: None,
        conversation_tokens: None,
        sessions: vec![],
        conversations: 1,
        prompt_file: None,
        own_prompt: false,
        prompt_hash: None,
        prompt_mode: PromptMode::Append,
        tools: vec![],
        ask: vec![],
        allowed: vec![],
        working_directory: PathBuf::from("/work"),
        worktree: None,
        work: None,
        environment: vec![],
        model: None,
        max_turns: None,
        cpu: Range { min: 0.5, max: 2.0 },
        memory: Range {
            min: 1 << 28,
            max: 1 << 30,
        },
        requests: vec![],
        last_exit: None,
        command: None,
        sandbox: headcount::domain::sandbox::Sandbox::default(),
        progress: None,
        upkeep: headcount::domain::automation::UpkeepView::default(),
    }
}

fn task(number: u64, now: Timestamp) -> Task {
    let state = match number % 10 {
        0 => TaskState::Running,
        1..6 => TaskState::Queued,
        6 => TaskState::Failed,
        _ => TaskState::Succeeded,
    };
    Task {
        id: TaskId(number),
        text: format!("Look into report {number}\nand write down what is to be done about it"),
        state,
        priority: Priority::ALL[usize::try_from(number % 4).unwrap_or(0)],
        target: Target::default(),
        timeout: None,
        retries: None,
        key: None,
        created: now,
        since: now,
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

fn company(now: Timestamp, done: u64) -> Snapshot {
    let department = |number: u64| Department {
        key: format!("department{number}"),
        title: format!("Department {number}"),
        cpu: Range { min: 0.5, max: 2.0 },
        memory: Range {
            min: 1 << 28,
            max: 1 << 30,
        },
    };
    Snapshot {
        at: now,
        workspace: PathBuf::from("/work"),
        catalogue: Arc::new(Catalogue {
            departments: (0..5).map(department).collect(),
            ..Catalogue::default()
        }),
        processes: (1..=200).map(|n| Arc::new(process(n, now))).collect(),
        tasks: (1..=done)
            .map(|number| {
                let state = TaskState::Succeeded;
                Arc::new(Task {
                    state,
                    ..task(number, now)
                })
            })
            .chain((1..=10_000).map(|n| Arc::new(task(done + n, now))))
            .collect(),
        ..Snapshot::default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock; nothing is decided by it"
)]
fn clock() -> Instant {
    Instant::now()
}

fn main() {
    let now = Present {
        wall: Timestamp::UNIX_EPOCH,
        zone: jiff::tz::TimeZone::UTC,
    };
    let few = company(now.wall, 0);
    for (name, keys) in [("processes", "1"), ("details", "1\r"), ("tasks", "2")] {
        measure(name, keys, &few, &now);
    }
    let many = company(now.wall, 100_000);
    measure("tasks, 100,000 done", "2", &many, &now);
    measure("processes, the same", "1", &many, &now);
}

fn measure(name: &str, keys: &str, company: &Snapshot, now: &Present) {
    let mut view = View::new(Capabilities {
        colour: ColourDepth::True,
        unicode: true,
        dark: true,
        ..Capabilities::default()
    });
    let Ok(mut terminal) = Terminal::new(TestBackend::new(200, 50));
    view.observe(company);
    for key in keys.chars() {
        let code = match key {
            '\r' => KeyCode::Enter,
            key => KeyCode::Char(key),
        };
        let event = Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        view.event(&event, company, now);
    }
    let down = Event::Key(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE));
    let began = clock();
    for _ in 0..FRAMES {
        view.event(&down, company, now);
        let Ok(_) = terminal.draw(|frame| view.draw(frame, company, now));
    }
    let drawn = began.elapsed() / FRAMES;
    let began = clock();
    for _ in 0..FRAMES {
        view.observe(company);
    }
    let observed = began.elapsed() / FRAMES;
    println!("{name:<20} frame {drawn:>10.1?}   snapshot {observed:>10.1?}");
}
