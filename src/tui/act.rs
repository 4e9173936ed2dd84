//! What a verb does: it changes what this terminal shows, or becomes orders.

use crate::domain::command::Command;
use crate::domain::id::ProcessId;
use crate::domain::inbox::Ask;
use crate::domain::snapshot::{Activity, Level, ProcessView, Snapshot, Status};
use crate::tui::action::Action;
use crate::tui::chrome::Tab;
use crate::tui::dialogs::answer::AnswerDialog;
use crate::tui::dialogs::confirm::Confirm;
use crate::tui::dialogs::hire::HireDialog;
use crate::tui::dialogs::line::LineDialog;
use crate::tui::dialogs::palette::PaletteDialog;
use crate::tui::dialogs::reader::Reader;
use crate::tui::dialogs::task::TaskDialog;
use crate::tui::dialogs::{Dialog, Order};
use crate::tui::filter::Filter;
use crate::tui::format;
use crate::tui::keys::Verb;
use crate::tui::offer::{can_cancel, can_release, can_retry, can_start, can_stop};
use crate::tui::scene::Scene;
use crate::tui::screens::details::Details;
use crate::tui::screens::inbox::Inbox;
use crate::tui::screens::logs::Logs;
use crate::tui::screens::roles::Roles;
use crate::tui::screens::task::TaskPage;
use crate::tui::view::{Page, View};
use crate::tui::widgets::{request, status};

impl View {
    /// Carries out a verb of a screen.
    pub(crate) fn act(&mut self, verb: Verb, digit: Option<u32>, scene: Scene<'_>) -> Vec<Action> {
        let snapshot = scene.snapshot;
        match verb {
            Verb::Up => self.step(-1, snapshot),
            Verb::Down => self.step(1, snapshot),
            Verb::PageUp => self.page(-1, snapshot),
            Verb::PageDown => self.page(1, snapshot),
            Verb::First => self.to_end(false, snapshot),
            Verb::Last => self.to_end(true, snapshot),
            Verb::Next => self.turn_to(self.tab.turn(1)),
            Verb::Previous => self.turn_to(self.tab.turn(3)),
            Verb::Number => {
                let tab = digit.and_then(|digit| Tab::ALL.get(digit.checked_sub(1)? as usize));
                if let Some(tab) = tab {
                    self.turn_to(*tab);
                }
            }
            Verb::Back => self.back(snapshot),
            Verb::Start | Verb::Stop | Verb::Kill | Verb::Restart | Verb::Remove => {
                return self.control(verb, snapshot);
            }
            Verb::Yes | Verb::Always | Verb::Deny | Verb::Answer => {
                return self.decide(verb, snapshot);
            }
            Verb::Log => {
                if let Some(process) = self.subject(snapshot).map(|process| process.id) {
                    let logs = Logs::new(process, self.look.palette);
                    self.pages.push(Page::Logs(Box::new(logs)));
                }
            }
            Verb::Follow | Verb::Raw => {
                if let Some(Page::Logs(logs)) = self.pages.last_mut() {
                    match verb {
                        Verb::Follow => logs.toggle_follow(),
                        _ => logs.toggle_raw(),
                    }
                }
            }
            Verb::Why => self.why(scene),
            Verb::NextWaiting => self.next_waiting(snapshot),
            Verb::Mark => self.mark(snapshot),
            Verb::Filter => {
                let filter = match self.tab {
                    Tab::Tasks => &self.tasks.filter,
                    _ => &self.processes.filter,
                };
                let dialog = LineDialog::filter(filter.text());
                self.dialogs.push(Dialog::Line(Box::new(dialog)));
            }
            Verb::Open => self.open(scene),
            Verb::Hire => self.hire(None, scene),
            Verb::AddTask => {
                let process = self.subject(snapshot).map(|process| process.id);
                let dialog = TaskDialog::new(process, snapshot);
                self.dialogs.push(Dialog::Task(Box::new(dialog)));
            }
            Verb::Cancel | Verb::Retry | Verb::Release => return self.handle_task(verb, snapshot),
            Verb::Palette => {
                let dialog = PaletteDialog::new(self.place());
                self.dialogs.push(Dialog::Palette(Box::new(dialog)));
            }
            Verb::Help => self
                .dialogs
                .push(Dialog::Reader(Reader::help(self.place()))),
            Verb::Mistakes if snapshot.configuration_mistakes.is_some() => {
                self.dialogs.push(Dialog::Reader(Reader::mistakes()));
            }
            Verb::Demo if snapshot.agent_missing.is_some() => return vec![Action::Demo],
            Verb::Leave => self.note(
                Level::Info,
                "q leaves the screen and stops nothing; `headcount down` stops everything.",
            ),
            Verb::Detach => return vec![Action::Detach],
            _ => {}
        }
        Vec::new()
    }

    /// Shows the whole of what is selected.
    fn open(&mut self, scene: Scene<'_>) {
        let snapshot = scene.snapshot;
        match self.tab {
            Tab::Processes => {
                if let Some(id) = self.processes.selected(snapshot) {
                    self.pages.push(Page::Details(Details::new(id)));
                }
            }
            Tab::Tasks => {
                if let Some(id) = self.tasks.selected(snapshot) {
                    self.pages.push(Page::Task(TaskPage::new(id)));
                }
            }
            Tab::Inbox => {
                if let Some(id) = self.inbox.selected(snapshot) {
                    self.dialogs.push(Dialog::Reader(Reader::request(id)));
                }
            }
            Tab::Roles => {
                let keys = Roles::keys(&snapshot.catalogue);
                self.hire(self.roles.cursor.selected(&keys), scene);
            }
        }
    }

    fn hire(&mut self, role: Option<usize>, scene: Scene<'_>) {
        let keys = Roles::keys(&scene.snapshot.catalogue);
        let dialog = HireDialog::new(keys, role, scene);
        self.dialogs.push(Dialog::Hire(Box::new(dialog)));
    }

    pub(crate) fn turn_to(&mut self, tab: Tab) {
        self.pages.clear();
        self.tab = tab;
    }

    pub(crate) fn step(&mut self, by: isize, snapshot: &Snapshot) {
        match (self.pages.last_mut(), self.tab) {
            (Some(Page::Details(page)), _) => page.scroll.step(by),
            (Some(Page::Logs(page)), _) => page.step(by),
            (Some(Page::Task(page)), _) => page.scroll.step(by),
            (None, Tab::Processes) => {
                let keys = self.processes.keys(snapshot);
                self.processes.cursor.step(&keys, by);
            }
            (None, Tab::Tasks) => {
                let keys = self.tasks.keys(snapshot);
                self.tasks.cursor.step(&keys, by);
            }
            (None, Tab::Inbox) => {
                self.inbox.cursor.step(&Inbox::keys(snapshot), by);
                self.inbox.note_selected(snapshot);
            }
            (None, Tab::Roles) => {
                let keys = Roles::keys(&snapshot.catalogue);
                self.roles.cursor.step(&keys, by);
            }
        }
    }

    fn page(&mut self, direction: isize, snapshot: &Snapshot) {
        match self.pages.last_mut() {
            Some(Page::Details(page)) => page.scroll.page(direction),
            Some(Page::Logs(page)) => page.page(direction),
            Some(Page::Task(page)) => page.scroll.page(direction),
            None => {
                let page = isize::try_from(self.size.height.saturating_sub(8).max(1)).unwrap_or(1);
                self.step(direction * page, snapshot);
            }
        }
    }

    fn to_end(&mut self, last: bool, snapshot: &Snapshot) {
        match (self.pages.last_mut(), last) {
            (Some(Page::Logs(page)), false) => page.first(),
            (Some(Page::Logs(page)), true) => page.last(),
            (_, last) => self.step(if last { isize::MAX } else { -isize::MAX }, snapshot),
        }
    }

    /// Takes note of a new snapshot in every list.
    pub(crate) fn settle(&mut self, snapshot: &Snapshot) {
        self.processes.settle(snapshot);
        self.tasks.settle(snapshot);
        self.inbox.settle(snapshot);
        let keys = Roles::keys(&snapshot.catalogue);
        self.roles.cursor.settle(&keys);
    }

    /// Selects the row that was clicked.
    pub(crate) fn click(&mut self, y: u16, snapshot: &Snapshot) {
        match self.tab {
            Tab::Processes => {
                if let Some(id) = self.processes.at(y) {
                    let keys = self.processes.keys(snapshot);
                    self.processes.cursor.select(&keys, id);
                }
            }
            Tab::Tasks => {
                if let Some(id) = self.tasks.at(y) {
                    let keys = self.tasks.keys(snapshot);
                    self.tasks.cursor.select(&keys, id);
                }
            }
            Tab::Inbox => {
                if let Some(id) = self.inbox.at(y) {
                    self.inbox.cursor.select(&Inbox::keys(snapshot), id);
                    self.inbox.note_selected(snapshot);
                }
            }
            Tab::Roles => {
                if let Some(at) = self.roles.at(y) {
                    let keys = Roles::keys(&snapshot.catalogue);
                    self.roles.cursor.select(&keys, at);
                }
            }
        }
    }

    /// One step back: from a page to its screen, then marks go, then the filter.
    fn back(&mut self, snapshot: &Snapshot) {
        if self.pages.pop().is_some() {
            return;
        }
        match self.tab {
            Tab::Processes if self.processes.marked.is_empty() => {
                self.processes.filter = Filter::default();
            }
            Tab::Processes => self.processes.marked.clear(),
            Tab::Tasks => self.tasks.filter = Filter::default(),
            Tab::Inbox | Tab::Roles => {}
        }
        self.settle(snapshot);
    }

    /// Takes a task back, tries it again, or releases it.
    fn handle_task(&mut self, verb: Verb, snapshot: &Snapshot) -> Vec<Action> {
        let Some(task) = self.task(snapshot) else {
            return Vec::new();
        };
        let id = task.id;
        match verb {
            Verb::Cancel if can_cancel(task) => {
                let consequence = match task.lease.and_then(|_| self.subject(snapshot)) {
                    Some(process) => format!("{} works on it and is interrupted.", process.name),
                    None => "Nobody will work on it; R puts it back into the queue.".to_owned(),
                };
                let question = format!("Cancel {id}, {}?", task.title());
                let orders = vec![Order::new(format!("cancel {id}"), Command::CancelTask(id))];
                let dialog = Confirm::new(question, consequence, orders);
                self.dialogs.push(Dialog::Confirm(dialog));
                Vec::new()
            }
            Verb::Retry if can_retry(task) => self.give(vec![Order::new(
                format!("retry {id}"),
                Command::RetryTask(id),
            )]),
            Verb::Release if can_release(task) => {
                let order = Order::new(format!("release {id}"), Command::ReleaseTask(id));
                self.give(vec![order])
            }
            _ => {
                let state = status::task_word(task.state);
                let hint = match verb {
                    Verb::Cancel => "there is nothing to take back",
                    Verb::Retry => "only what ended without success is tried again",
                    _ => "only what is held is released",
                };
                self.note(Level::Info, format!("{id} is {state}: {hint}."));
                Vec::new()
            }
        }
    }

    fn mark(&mut self, snapshot: &Snapshot) {
        if let Some(id) = self.processes.selected(snapshot) {
            if !self.processes.marked.remove(&id) {
                self.processes.marked.insert(id);
            }
            self.step(1, snapshot);
        }
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
    fn control(&mut self, verb: Verb, snapshot: &Snapshot) -> Vec<Action> {
        let all = self.targets(snapshot);
        let fits = |process: &&ProcessView| match verb {
            Verb::Start => can_start(process),
            Verb::Stop => can_stop(process),
            Verb::Restart | Verb::Kill => process.is_up(),
            _ => !process.is_up() && process.status != Status::Starting,
        };
        let targets: Vec<&ProcessView> = all.iter().copied().filter(fits).collect();
        let Some(first) = targets.first() else {
            if let Some(process) = all.first() {
                self.note(Level::Info, cannot(verb, process));
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
        match verb {
            Verb::Kill if busy > 0 => {
                let consequence = match first.task.filter(|_| targets.len() == 1) {
                    Some(task) => {
                        format!("{task} is cut off. Everything it started is killed at once.")
                    }
                    None => format!(
                        "{} cut off. Everything they started is killed at once.",
                        format::plural(busy, "piece of work is", "pieces of work are")
                    ),
                };
                let dialog = Confirm::new(format!("Kill {names}?"), consequence, orders);
                self.dialogs.push(Dialog::Confirm(dialog));
                return Vec::new();
            }
            Verb::Remove => {
                let consequence = "The process and its place in the list go; logs, results and \
                                   costs stay on record.";
                let question = format!("Remove {names}?");
                let dialog = Confirm::new(question, consequence.to_owned(), orders);
                self.dialogs.push(Dialog::Confirm(dialog));
                return Vec::new();
            }
            Verb::Stop => {
                let line = self.stop_line(first, targets.len(), &names);
                self.note(Level::Info, line);
                for process in &targets {
                    let pressed = self.pressed(process);
                    self.presses.insert(process.id, pressed.saturating_add(1));
                }
            }
            _ => {}
        }
        self.processes.marked.clear();
        self.give(orders)
    }

    /// What this press does, and what the next one will.
    fn stop_line(&self, first: &ProcessView, count: usize, names: &str) -> String {
        match self.pressed(first) {
            0 if !first.is_up() => format!("{names} stays down: no restart."),
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
            1 => format!("{names}: the task is interrupted. x again kills."),
            _ => format!("{names}: killing the whole tree."),
        }
    }

    /// Answers what is asked.
    fn decide(&mut self, verb: Verb, snapshot: &Snapshot) -> Vec<Action> {
        let Some(asked) = self.asked(snapshot) else {
            if self.subject(snapshot).is_some() {
                self.note(
                    Level::Info,
                    "Nothing is asked here; w goes to what waits for you.",
                );
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
                let dialog = LineDialog::deny(asked.id, &who, &request::line(asked));
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

    /// Says what a status is known from.
    fn why(&mut self, scene: Scene<'_>) {
        let Some(process) = self.subject(scene.snapshot) else {
            return;
        };
        let now = if process.now.is_empty() {
            String::new()
        } else {
            format!(": {}", process.now)
        };
        let line = format!(
            "{} is {}, from {}, {}{now}",
            process.name,
            status::word(process, scene.now),
            process.evidence.source,
            scene.now.clock(process.evidence.at),
        );
        self.note(Level::Info, line);
    }

    /// To the next process that waits for a person, round the end.
    fn next_waiting(&mut self, snapshot: &Snapshot) {
        let from = match (self.pages.last(), self.tab) {
            (Some(Page::Task(_)), _) | (None, Tab::Tasks | Tab::Inbox) => None,
            _ => self.subject(snapshot).map(|process| process.id),
        };
        self.turn_to(Tab::Processes);
        let mut keys = self.processes.keys(snapshot);
        let waits = |id: &ProcessId| {
            snapshot
                .process(*id)
                .is_some_and(|process| process.needs_a_person())
        };
        if !keys.iter().any(waits) && !self.processes.filter.is_empty() {
            self.processes.filter = Filter::default();
            keys = self.processes.keys(snapshot);
        }
        let start = from
            .and_then(|from| keys.iter().position(|id| *id == from))
            .map_or(0, |at| at + 1);
        let found = keys
            .iter()
            .cycle()
            .skip(start)
            .take(keys.len())
            .find(|id| waits(id));
        match found {
            Some(id) => self.processes.cursor.select(&keys, *id),
            None => self.note(Level::Info, "Nobody waits for you."),
        }
    }
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
