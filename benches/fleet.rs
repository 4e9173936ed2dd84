//! The cost of one input with 100 processes at work and 10,000 tasks that wait: what every fact and order
//! pays, whatever it is about, what it costs to decide who gets the next task, and what a snapshot costs.
//!
//! `cargo bench --bench fleet` prints a line for each.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headcount::config;
use headcount::domain::command::{Command, NewProcess, Origin};
use headcount::domain::effect::{Effect, ReplyId};
use headcount::domain::event::{Event, Fact, Mark, RunDetails, TurnEnd};
use headcount::domain::fleet::{Fleet, Input, Options, Saved};
use headcount::domain::id::{RunId, TaskId};
use headcount::domain::order::Order;
use headcount::domain::sandbox::Sandbox;
use headcount::domain::task::{NewTask, Priority, Target, Tokens};
use headcount::domain::time::{Mono, Now};
use headcount::domain::updates::Fingerprint;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

const PROCESSES: u64 = 100;
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
    /// The message that each run was sent last, and whether it is to forget the conversation.
    messages: BTreeMap<RunId, (Uuid, bool)>,
    launched: Vec<RunId>,
    /// How long the fleet took for the input itself, without what the disk said of it.
    took: Duration,
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
        let began = clock();
        self.fleet.apply(input, self.now, &mut effects);
        let took = began.elapsed();
        for effect in effects {
            match effect {
                Effect::Persist { token, .. } => self.event(Event::Stored { token }),
                Effect::Launch(plan) => self.launched.push(plan.run),
                Effect::Send { run, order, .. } => match order.order {
                    Order::Message { uuid, .. } => drop(self.messages.insert(run, (uuid, false))),
                    Order::Clear { uuid } => drop(self.messages.insert(run, (uuid, true))),
                    _ => {}
                },
                _ => {}
            }
        }
        self.took = took;
    }

    fn hears(&mut self, run: RunId, facts: Vec<Fact>) {
        let mark = Mark::default();
        self.event(Event::Heard { run, mark, facts });
    }

    fn comes_up(&mut self, run: RunId) {
        let details = Box::new(RunDetails {
            pid: 42,
            program: PathBuf::from("/bin/claude"),
            command: "claude".to_owned(),
            prompt_hash: None,
            environment: vec![],
            fingerprint: Fingerprint::default(),
            put_back: false,
            sandbox: Sandbox::default(),
        });
        self.event(Event::Launched { run, details });
        let ready = Fact::Ready {
            version: None,
            logged_in: None,
        };
        self.hears(run, vec![ready]);
    }

    /// The turn that a run is in ends well, and it says that it is idle.
    fn turn_ends(&mut self, run: RunId) {
        let Some((message, _)) = self.messages.get(&run) else {
            return;
        };
        let end = TurnEnd {
            messages: vec![*message],
            conversation: None,
            success: true,
            interrupted: false,
            retryable: true,
            text: "It is done, and this is what came of it.".to_owned(),
            turns: 3,
            cost_usd: 0.01,
            tokens: Tokens::default(),
            denials: vec![],
        };
        self.hears(run, vec![Fact::TurnEnded(Box::new(end)), Fact::Idle]);
    }

    /// What a run is at, seen to its end: a fresh conversation first, where one is made. Returns how long the
    /// fleet took to hear of the end and to give it the next task.
    fn finishes(&mut self, run: RunId) -> Duration {
        if self.messages.get(&run).is_some_and(|(_, clear)| *clear) {
            self.turn_ends(run);
        }
        self.turn_ends(run);
        self.took
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
        messages: BTreeMap::new(),
        launched: Vec::new(),
        took: Duration::ZERO,
    };
    let roles = ["senior_developer", "junior_developer", "qa_engineer", "sre"];
    for number in 0..PROCESSES {
        let role = roles[number as usize % roles.len()];
        company.order(Command::Create(Box::new(NewProcess {
            role: role.to_owned(),
            ..NewProcess::default()
        })));
    }
    // Starts are spread: each in its turn.
    while let Some(at) = company.fleet.next_deadline()
        && (company.launched.len() as u64) < PROCESSES
    {
        company.now = company.now + at.since(company.now.mono);
        company.apply(Input::Deadline);
    }
    for run in company.launched.clone() {
        company.comes_up(run);
    }
    let tasks = (0..TASKS).map(|number| NewTask {
        text: format!("Look into report {number}"),
        priority: Priority::ALL[number as usize % 4],
        target: Target {
            role: (number % 5 > 0).then(|| roles[number as usize % 4].to_owned()),
            ..Target::default()
        },
        ..NewTask::default()
    });
    company.order(Command::AddTasks(tasks.collect()));
    let snapshot = company.fleet.snapshot();
    assert_eq!(snapshot.processes.len() as u64, PROCESSES);
    assert_eq!(snapshot.tasks.len() as u64, TASKS);
    assert_eq!(
        u64::from(snapshot.counts.active),
        PROCESSES,
        "all are at work"
    );
    Ok(company)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut company = company()?;
    let mut measure = |name: &str, step: &mut dyn FnMut(&mut Company, u32)| {
        let began = clock();
        for round in 0..ROUNDS {
            step(&mut company, round);
        }
        println!("{name:<44} {:>10.1?}", began.elapsed() / ROUNDS);
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
    measure("schedules looked at, and compared", &mut |company, _| {
        let catalogue = Arc::clone(&company.fleet.snapshot().catalogue);
        company.event(Event::Configured { catalogue });
    });
    measure("a tool called by one at work", &mut |company, round| {
        let run = company.launched[round as usize % company.launched.len()];
        let used = Fact::ToolUsed {
            tool: "Bash".to_owned(),
            subject: "cargo test".to_owned(),
        };
        company.hears(run, vec![used]);
    });
    measure("a snapshot after it", &mut |company, round| {
        let run = company.launched[round as usize % company.launched.len()];
        let used = Fact::ToolUsed {
            tool: "Bash".to_owned(),
            subject: "cargo test".to_owned(),
        };
        company.hears(run, vec![used]);
        std::hint::black_box(company.fleet.snapshot());
    });
    measure("a task held, and released", &mut |company, round| {
        let task = TaskId(TASKS - u64::from(round));
        company.order(Command::HoldTask(task));
        company.order(Command::ReleaseTask(task));
    });
    measure("a task added", &mut |company, round| {
        company.order(Command::AddTask(Box::new(NewTask {
            text: format!("One more, {round}"),
            ..NewTask::default()
        })));
    });
    let (mut sum, mut worst) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        let run = company.launched[round as usize % company.launched.len()];
        let took = company.finishes(run);
        (sum, worst) = (sum + took, worst.max(took));
    }
    println!(
        "{:<44} {:>10.1?}   the longest {worst:.1?}",
        "a turn ends, and its employee gets the next task",
        sum / ROUNDS
    );
    let active = company.fleet.snapshot().counts.active;
    assert_eq!(u64::from(active), PROCESSES, "nobody is left without work");
    Ok(())
}
