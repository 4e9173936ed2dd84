//! Verbs that become orders: control of processes, answers to requests.
//! What cannot be taken back asks first.

use crate::domain::command::{Command, UpdateWhen};
use crate::domain::id::ProcessId;
use crate::domain::inbox::{self, Ask, Item};
use crate::domain::snapshot::{Activity, Level, ProcessView, Snapshot, Status};
use crate::tui::action::Action;
use crate::tui::chrome::Tab;
use crate::tui::dialogs::alike::AlikeDialog;
use crate::tui::dialogs::answer::AnswerDialog;
use crate::tui::dialogs::confirm::Confirm;
use crate::tui::dialogs::line::LineDialog;
use crate::tui::dialogs::{Dialog, Order};
use crate::tui::format;
use crate::tui::keys::Verb;
use crate::tui::offer::{can_start, can_stop};
use crate::tui::screens::inbox::Inbox;
use crate::tui::text;
use crate::tui::view::View;
use crate::tui::widgets::request;

impl View {
    /// Says that an alert was seen: the one that is selected in the inbox, else the first.
    pub(crate) fn acknowledge(&mut self, snapshot: &Snapshot) -> Vec<Action> {
        if let Some(id) = self.failed(snapshot) {
            let order = Order::new(format!("let {id} be"), Command::DismissTask(id));
            return self.give(vec![order]);
        }
        let selected = self.alert(snapshot);
        let first = || snapshot.alerts.iter().find(|alert| alert.is_new());
        let alert = match selected.and_then(|id| snapshot.alert(id)) {
            Some(alert) => Some(alert).filter(|alert| alert.is_new()),
            None => first(),
        };
        let Some(alert) = alert else {
            self.note(Level::Info, "There is no alert that nobody has seen.");
            return Vec::new();
        };
        let who = alert.name.as_deref().unwrap_or("headcount");
        self.note(Level::Info, format!("Seen: {who}: {}", alert.text));
        let order = Order::new("acknowledge the alert", Command::Acknowledge(alert.id));
        self.give(vec![order])
    }

    /// The processes that a control key acts on.
    fn targets<'a>(&self, snapshot: &'a Snapshot) -> Vec<&'a ProcessView> {
        let ids: Vec<ProcessId> = if self.pages.is_empty() && self.tab == Tab::Processes {
            self.processes.targets(snapshot)
        } else {
            self.subject(snapshot)
                .map(|process| process.id)
                .into_iter()
                .collect()
        };
        ids.into_iter()
            .filter_map(|id| snapshot.process(id))
            .map(AsRef::as_ref)
            .collect()
    }

    /// Start, stop, kill, restart, remove: what cannot be taken back asks first.
    pub(crate) fn control(&mut self, verb: Verb, snapshot: &Snapshot) -> Vec<Action> {
        let all = self.targets(snapshot);
        let fits = |process: &&ProcessView| match verb {
            Verb::Start => can_start(process),
            Verb::Stop => can_stop(process),
            Verb::Restart | Verb::Kill => process.is_up(),
            _ => !process.is_up() && process.status != Status::Starting,
        };
        let targets: Vec<&ProcessView> = all.iter().copied().filter(fits).collect();
        let Some(first) = targets.first() else {
            match all.first() {
                Some(process) => self.note(Level::Info, cannot(verb, process)),
                None => self.note(Level::Info, "It is about nobody in particular."),
            }
            return Vec::new();
        };
        let (word, order): (&str, fn(ProcessId) -> Command) = match verb {
            Verb::Start => ("start", Command::Start),
            Verb::Stop => ("stop", Command::Stop),
            Verb::Kill => ("kill", Command::Kill),
            Verb::Restart => ("restart", Command::Restart),
            _ => ("remove", Command::Remove),
        };
        let orders: Vec<Order> = targets
            .iter()
            .map(|process| Order::new(format!("{word} {}", process.name), order(process.id)))
            .collect();
        let names = names(&targets);
        let busy = targets
            .iter()
            .filter(|p| p.task.is_some() || p.activity == Activity::Busy)
            .count();
        if verb == Verb::Stop {
            // A stop that was asked for elsewhere counts; the order itself is counted when it is given.
            for process in &targets {
                let pressed = self.pressed(process);
                self.presses.insert(process.id, pressed);
            }
        }
        if targets.len() > 1 && verb != Verb::Start {
            let consequence = match verb {
                Verb::Stop => self.stop_line(first, targets.len(), "They"),
                Verb::Kill => cut_off(busy),
                Verb::Restart => "Each stops after its current task and starts with prompt and \
                                  settings as they are on disk."
                    .to_owned(),
                _ => removed(&worktrees(&targets)),
            };
            let others = match all.len() - targets.len() {
                0 => String::new(),
                n => format!(" ({n} more marked, for whom it means nothing)"),
            };
            let staff = format::plural(targets.len(), "employee", "employees");
            let question = format!("{} {staff}: {names}?{others}", capital(word));
            let work = match verb {
                Verb::Stop | Verb::Kill | Verb::Remove => worktrees(&targets),
                _ => Vec::new(),
            };
            let dialog = Confirm::new(question, consequence, orders).with_work(work);
            self.dialogs.push(Dialog::Confirm(dialog));
            return Vec::new();
        }
        match verb {
            Verb::Kill if busy > 0 => {
                let consequence = match first.task {
                    Some(task) => {
                        format!("{task} is cut off. Everything it started is killed at once.")
                    }
                    None => cut_off(busy),
                };
                let dialog = Confirm::new(format!("Kill {names}?"), consequence, orders)
                    .with_work(worktrees(&targets));
                self.dialogs.push(Dialog::Confirm(dialog));
                return Vec::new();
            }
            Verb::Remove => {
                let question = format!("Remove {names}?");
                let work = worktrees(&targets);
                let dialog = Confirm::new(question, removed(&work), orders).with_work(work);
                self.dialogs.push(Dialog::Confirm(dialog));
                return Vec::new();
            }
            Verb::Stop => {
                let line = self.stop_line(first, targets.len(), &names);
                self.note(Level::Info, line);
            }
            Verb::Restart => self.note(Level::Info, restart_line(first)),
            _ => {}
        }
        self.processes.marked.clear();
        self.give(orders)
    }

    /// What this press does, and what the next one will.
    fn stop_line(&self, first: &ProcessView, count: usize, names: &str) -> String {
        match self.pressed(first) {
            0 if !first.is_up() => format!("{names} stays down until you start it."),
            0 if count > 1 => {
                format!(
                    "{names} stop after their current tasks. x again interrupts, a third x kills."
                )
            }
            0 => match (first.task, first.status) {
                (Some(task), Status::Waiting) => {
                    format!(
                        "{names} waits for you, so {task} is interrupted. x again, twice, kills."
                    )
                }
                (Some(task), _) => format!(
                    "{names} stops after {task}. x again interrupts the task, a third x kills."
                ),
                (None, _) => format!("{names} is asked to end. A third x kills."),
            },
            1 if count > 1 => format!("{names} interrupt their tasks. x again kills."),
            _ if count > 1 => format!("{names} are killed, with all they started."),
            1 if first.task.is_none() => format!("{names} is on the way down. x again kills."),
            1 => format!("{names}: the task is interrupted. x again kills."),
            _ => format!("{names}: killing the whole tree."),
        }
    }

    /// Answers what is asked.
    pub(crate) fn decide(&mut self, verb: Verb, snapshot: &Snapshot) -> Vec<Action> {
        if let (Verb::Deny, Some(Item::Updates(process))) = (verb, self.item(snapshot)) {
            let when = UpdateWhen::NotNow;
            let command = Command::Update { process, when };
            return self.give(vec![Order::new("put the updates off", command)]);
        }
        let Some(asked) = self.asked(snapshot) else {
            if self.subject(snapshot).is_some() {
                self.note(
                    Level::Info,
                    "Nothing is asked here; w goes to what waits for you.",
                );
            } else {
                self.note(Level::Info, "That answers a request, and none is selected.");
            }
            return Vec::new();
        };
        let who = snapshot
            .process(asked.process)
            .map_or_else(|| asked.process.to_string(), |process| process.name.clone());
        match (verb, &asked.ask) {
            (Verb::Yes, Ask::Permission { .. }) => {
                return self.give(vec![Order::new("allow it", Command::Approve(asked.id))]);
            }
            (Verb::Always, Ask::Permission { rule, .. }) => {
                let dialog = LineDialog::rule(asked.id, &who, rule);
                self.dialogs.push(Dialog::Line(Box::new(dialog)));
            }
            (Verb::Deny, _) => {
                let dialog = LineDialog::deny(vec![asked.id], &who, &request::line(asked));
                self.dialogs.push(Dialog::Line(Box::new(dialog)));
            }
            (Verb::Answer, Ask::Question { questions }) => {
                let dialog = AnswerDialog::new(asked.id, who, questions.clone());
                self.dialogs.push(Dialog::Answer(Box::new(dialog)));
            }
            (Verb::Answer, Ask::Permission { .. }) => {
                self.note(Level::Info, "It asks for a permission: y allows, d denies.");
            }
            (_, Ask::Question { .. }) => {
                self.note(Level::Info, "It is a question: A answers it.");
            }
            _ => {}
        }
        Vec::new()
    }

    /// Asks for one answer to all requests that are like the selected one.
    pub(crate) fn alike(&mut self, snapshot: &Snapshot) {
        if let Some(item @ (Item::Alert(_) | Item::Failed(_) | Item::Updates(_))) =
            self.item(snapshot)
        {
            let waiting = inbox::waiting(snapshot);
            let like: Vec<Item> = waiting
                .into_iter()
                .filter(|one| item.is_like(one))
                .collect();
            let dialog = AlikeDialog::of(&like, snapshot);
            self.dialogs.push(Dialog::Alike(dialog));
            return;
        }
        let Some(asked) = self.asked(snapshot) else {
            self.note(Level::Info, "Nothing that waits is selected.");
            return;
        };
        let alike = Inbox::alike(asked, snapshot);
        if alike.len() < 2 {
            self.note(
                Level::Info,
                "Nothing else waits like it; y, Y, A and d answer this one.",
            );
            return;
        }
        let dialog = AlikeDialog::new(asked, &alike, snapshot);
        self.dialogs.push(Dialog::Alike(dialog));
    }
}

/// What a removal means.
const REMOVED: &str =
    "The process and its place in the list go; logs, results and costs stay on record.";

/// The same where there are worktrees, which go along.
fn removed(worktrees: &[ProcessId]) -> String {
    if worktrees.is_empty() {
        return REMOVED.to_owned();
    }
    let whose = if worktrees.len() == 1 {
        "Its worktree goes"
    } else {
        "Their worktrees go"
    };
    format!(
        "{REMOVED} {whose} as well, all that is in there kept in a ref first: `headcount restore` brings it back."
    )
}

/// Those that have a git worktree.
fn worktrees(targets: &[&ProcessView]) -> Vec<ProcessId> {
    let own = targets.iter().filter(|process| process.worktree.is_some());
    own.map(|process| process.id).collect()
}

/// What a kill means for those at work.
fn cut_off(busy: usize) -> String {
    let what = match busy {
        0 => String::new(),
        1 => "1 piece of work is cut off. ".to_owned(),
        n => format!("{n} pieces of work are cut off. "),
    };
    format!("{what}Everything they started is killed at once.")
}

/// What a restart does now, and how it is taken back.
fn restart_line(process: &ProcessView) -> String {
    let name = text::clean(&process.name);
    match (process.task, process.status) {
        (Some(task), Status::Waiting) => {
            format!("{name} waits for you, so {task} is interrupted; then {name} starts again.")
        }
        (Some(task), _) => {
            format!("{name} starts again after {task}. x interrupts it, and {name} stays down.")
        }
        (None, Status::Stopping) => format!("{name} is on the way down, and starts again then."),
        (None, _) => format!("{name} ends and starts again."),
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// Why a key does nothing now, and which one would.
fn cannot(verb: Verb, process: &ProcessView) -> String {
    let name = &process.name;
    match verb {
        Verb::Start => format!("{name} is up already: r restarts, x stops."),
        Verb::Stop | Verb::Kill => format!("{name} is down already: s starts."),
        Verb::Restart => format!("{name} is down: s starts."),
        _ => format!("{name} is up: x stops it first."),
    }
}

fn names(targets: &[&ProcessView]) -> String {
    match targets {
        [one] => one.name.clone(),
        [one, other] => format!("{} and {}", one.name, other.name),
        [one, rest @ ..] => format!("{} and {} others", one.name, rest.len()),
        [] => String::new(),
    }
}
