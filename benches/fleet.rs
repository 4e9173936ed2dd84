//! The cost of one input with 200 processes and 10,000 tasks: what every fact and order pays, whatever
//! it is about, and what a snapshot costs after it.
//!
//! `cargo bench --bench fleet` prints a line for each.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use headcount::config;
use headcount::domain::command::{Command, NewProcess, Origin};
use headcount::domain::effect::{Effect, ReplyId};
use headcount::domain::event::Event;
use headcount::domain::fleet::{Fleet, Input, Options, Saved};
use headcount::domain::id::TaskId;
use headcount::domain::task::NewTask;
use headcount::domain::time::{Mono, Now};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

const PROCESSES: u64 = 200;
const TASKS: u64 = 10_000;
const ROUNDS: u32 = 1000;

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock; nothing is decided by it"
)]
fn clock() -> Instant {
    Instant::now()
}

/// A fleet whose disk takes everything at once.
struct Company {
    fleet: Fleet,
    now: Now,
    replies: u64,
}

impl Company {
    fn event(&mut self, event: Event) {
        self.apply(Input::Event(event));
    }

    fn order(&mut self, command: Command) {
        self.replies += 1;
        self.apply(Input::Order {
            reply: ReplyId(self.replies),
            origin: Origin::Terminal,
            command,
        });
    }

    fn apply(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.fleet.apply(input, self.now, &mut effects);
        for effect in effects {
            if let Effect::Persist { token, .. } = effect {
                self.event(Event::Stored { token });
            }
        }
    }
}

fn company() -> Result<Company, Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir();
    let roles = include_str!("../roles.toml");
    let source = config::find(&folder, Some(&folder))?;
    let loaded = config::load_text(&source, &folder.join("roles.toml"), roles, &|_: &str| None)
        .map_err(|mistakes| mistakes.plain())?;
    let options = Options {
        workspace: PathBuf::from("/work"),
        configuration: "built in".to_owned(),
        demo: true,
        hand_over: false,
        zone: TimeZone::UTC,
        agent_missing: None,
        seed: Uuid::nil(),
    };
    let now = Now {
        mono: Mono(1_000_000),
        wall: Timestamp::UNIX_EPOCH,
    };
    let fleet = Fleet::restore(options, Arc::new(loaded.catalogue), &Saved::default(), now)?;
    let mut company = Company {
        fleet,
        now,
        replies: 0,
    };
    for _ in 0..PROCESSES {
        company.order(Command::Create(Box::new(NewProcess {
            role: "senior_developer".to_owned(),
            no_start: true,
            ..NewProcess::default()
        })));
    }
    let tasks = (0..TASKS).map(|number| NewTask {
        text: format!("Look into report {number}"),
        ..NewTask::default()
    });
    company.order(Command::AddTasks(tasks.collect()));
    let snapshot = company.fleet.snapshot();
    assert_eq!(snapshot.processes.len() as u64, PROCESSES);
    assert_eq!(snapshot.tasks.len() as u64, TASKS);
    Ok(company)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut company = company()?;
    let mut measure = |name: &str, step: &mut dyn FnMut(&mut Company, u32)| {
        let began = clock();
        for round in 0..ROUNDS {
            step(&mut company, round);
        }
        println!("{name:<36} {:>10.1?}", began.elapsed() / ROUNDS);
    };
    measure("a fact that changes nothing", &mut |company, _| {
        company.event(Event::Room {
            free: 1 << 40,
            total: 1 << 41,
        });
    });
    measure("when the next deadline is", &mut |company, _| {
        std::hint::black_box(company.fleet.next_deadline());
    });
    measure("a task held, and released", &mut |company, round| {
        let task = TaskId(1 + u64::from(round));
        company.order(Command::HoldTask(task));
        company.order(Command::ReleaseTask(task));
    });
    measure("a snapshot", &mut |company, _| {
        std::hint::black_box(company.fleet.snapshot());
    });
    Ok(())
}
