//! What a verb does: it changes what this terminal shows, or becomes orders.

use crate::domain::diff::DiffLine;
use crate::domain::id::ProcessId;
use crate::domain::inbox::{Ask, Item};
use crate::domain::snapshot::{Level, Snapshot};
use crate::tui::action::Action;
use crate::tui::chrome::Tab;
use crate::tui::dialogs::Dialog;
use crate::tui::dialogs::hire::HireDialog;
use crate::tui::dialogs::line::LineDialog;
use crate::tui::dialogs::palette::{Choice, PaletteDialog};
use crate::tui::dialogs::reader::Reader;
use crate::tui::dialogs::task::TaskDialog;
use crate::tui::dialogs::updates::UpdatesDialog;
use crate::tui::filter::Filter;
use crate::tui::format;
use crate::tui::keys::Verb;
use crate::tui::offer::{can_be_told, can_demo, can_follow, is_troubled};
use crate::tui::order::Order;
use crate::tui::scene::Scene;
use crate::tui::screens::details::Details;
use crate::tui::screens::logs::Logs;
use crate::tui::screens::processes::Key;
use crate::tui::screens::roles::Roles;
use crate::tui::screens::task::TaskPage;
use crate::tui::text;
use crate::tui::view::{Page, View};

/// More bytes than this do not go into a clipboard through every terminal.
const CLIPBOARD: usize = 48 * 1024;

impl View {
    /// Carries out a verb of a screen.
    pub(crate) fn act(&mut self, verb: Verb, digit: Option<u32>, scene: Scene<'_>) -> Vec<Action> {
        let snapshot = scene.snapshot;
        if let Some(why) = self.nobody(verb, snapshot) {
            self.note(Level::Info, why);
            return Vec::new();
        }
        match verb {
            Verb::Up => self.step(-1, snapshot),
            Verb::Down => self.step(1, snapshot),
            Verb::PageUp => self.page(-1, snapshot),
            Verb::PageDown => self.page(1, snapshot),
            Verb::First => self.go_end(false, snapshot),
            Verb::Last => self.go_end(true, snapshot),
            Verb::Next => self.turn_to(self.tab.turn(1)),
            Verb::Previous => self.turn_to(self.tab.turn(3)),
            Verb::Number => {
                let tab = digit.and_then(|digit| Tab::ALL.get(digit.checked_sub(1)? as usize));
                if let Some(tab) = tab {
                    self.turn_to(*tab);
                }
            }
            Verb::Back => self.back(snapshot),
            Verb::Remove if self.is_on_a_task() => return self.handle_task(verb, snapshot),
            Verb::Start | Verb::Stop | Verb::Restart | Verb::InTurn
                if self.team(snapshot).is_some() =>
            {
                return self.control_team(verb, snapshot);
            }
            Verb::More | Verb::Fewer if self.is_on_a_task() => {
                return self.handle_task(verb, snapshot);
            }
            Verb::More | Verb::Fewer | Verb::InTurn => self.scale(verb, snapshot),
            Verb::Teams => self.turn_teams(snapshot),
            Verb::Why if self.team(snapshot).is_some() => self.why_team(scene),
            Verb::Start | Verb::Stop | Verb::Kill | Verb::Restart | Verb::Remove => {
                return self.control(verb, snapshot);
            }
            Verb::Answer if self.is_on_a_task() => self.follow_up(snapshot),
            Verb::Yes | Verb::Always | Verb::Deny | Verb::Answer => {
                return self.decide(verb, snapshot);
            }
            Verb::Message => self.message(snapshot),
            Verb::Log => {
                // Of a task that is over its part of the log, else the end of it.
                let past = self.task(snapshot).and_then(|task| {
                    let attempt = task.attempts.last().filter(|_| task.lease.is_none())?;
                    Some((attempt.process, attempt.log?.from))
                });
                if let Some((process, from)) = past
                    && snapshot.process(process).is_some()
                {
                    let logs = Logs::from(process, self.look.palette, from);
                    self.pages.push(Page::Logs(Box::new(logs)));
                } else if let Some(process) = self.subject(snapshot).map(|process| process.id) {
                    let logs = Logs::new(process, self.look.palette);
                    self.pages.push(Page::Logs(Box::new(logs)));
                } else {
                    self.note(Level::Info, "Nobody has begun it: there is no log of it.");
                }
            }
            Verb::Left | Verb::Right if matches!(self.pages.last(), Some(Page::Details(_))) => {
                if let Some(Page::Details(page)) = self.pages.last_mut() {
                    page.jump(verb == Verb::Right);
                }
            }
            Verb::Left | Verb::Right if self.pages.is_empty() => {
                if let Some(hint) = self.processes.fold(verb == Verb::Left, snapshot) {
                    self.note(Level::Info, hint);
                }
            }
            Verb::Left | Verb::Right if matches!(self.pages.last(), Some(Page::Diff(_))) => {
                if let Some(Page::Diff(page)) = self.pages.last_mut() {
                    page.turn(verb == Verb::Right);
                }
            }
            Verb::Diff if matches!(self.pages.last(), Some(Page::Diff(_))) => self.back(snapshot),
            Verb::Diff => self.diff(snapshot),
            Verb::Bring | Verb::Discard | Verb::Patch | Verb::HandBack => {
                return self.work_on(verb, scene);
            }
            Verb::Follow
            | Verb::Raw
            | Verb::Kinds
            | Verb::Wrap
            | Verb::Left
            | Verb::Right
            | Verb::NextHit
            | Verb::PreviousHit => self.read_log(verb, snapshot),
            Verb::Copy => return self.copy(snapshot),
            Verb::Sort | Verb::Reverse => self.sort(verb, scene),
            Verb::MarkRange => self.processes.mark_range(snapshot),
            Verb::Later => {
                self.put_off(snapshot);
            }
            Verb::Acknowledge => return self.acknowledge(snapshot),
            Verb::Alike => self.alike(snapshot),
            Verb::Why => self.why(scene),
            Verb::NextWaiting => self.next_waiting(snapshot),
            Verb::Mark => self.mark(snapshot),
            Verb::Filter => {
                if let Some(Page::Logs(logs)) = self.pages.last() {
                    let dialog = LineDialog::search(logs.words());
                    self.dialogs.push(Dialog::Line(Box::new(dialog)));
                    return Vec::new();
                }
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
                let team = self.team(snapshot).map(|team| team.key.clone());
                let dialog = match team {
                    Some(team) => TaskDialog::for_team(team, snapshot),
                    None => TaskDialog::new(process, snapshot),
                };
                self.dialogs.push(Dialog::Task(Box::new(dialog)));
            }
            Verb::Cancel
            | Verb::Retry
            | Verb::Release
            | Verb::Edit
            | Verb::Around
            | Verb::Sooner
            | Verb::Behind => return self.handle_task(verb, snapshot),
            Verb::Palette => {
                let dialog = PaletteDialog::new(self.place(), snapshot);
                self.dialogs.push(Dialog::Palette(Box::new(dialog)));
            }
            Verb::Help => self
                .dialogs
                .push(Dialog::Reader(Reader::help(self.place()))),
            Verb::Mistakes if is_troubled(snapshot) => {
                self.dialogs.push(Dialog::Reader(Reader::mistakes()));
            }
            Verb::Away => return self.tell(snapshot),
            Verb::Updates => {
                let selected = self.subject(snapshot).map(|process| process.id);
                match UpdatesDialog::new(selected, snapshot) {
                    Some(dialog) => self.dialogs.push(Dialog::Updates(dialog)),
                    None => self.note(Level::Info, "Everybody runs on what is on disk."),
                }
            }
            Verb::Mistakes => self.note(
                Level::Info,
                "Nothing is wrong: the configuration is in force, and the agent is there.",
            ),
            Verb::Demo if can_demo(snapshot) => return vec![Action::Demo],
            Verb::Demo if snapshot.demo => {
                self.note(
                    Level::Info,
                    "This is the demo: everybody here is simulated.",
                );
            }
            Verb::Demo => self.note(
                Level::Info,
                "The demo has a place of its own: `headcount --demo` in your shell opens it.",
            ),
            Verb::Leave => self.note(
                Level::Info,
                "q leaves the screen and stops nothing; `headcount down` stops everything.",
            ),
            Verb::Detach => return vec![Action::Detach],
            _ => {}
        }
        Vec::new()
    }

    /// Does what was found by its name, or goes there. What is gone meanwhile is not gone to.
    pub(crate) fn choose(&mut self, choice: Choice, scene: Scene<'_>) -> Vec<Action> {
        let snapshot = scene.snapshot;
        match choice {
            Choice::Act(verb) => return self.act(verb, None, scene),
            Choice::Screen(tab) => self.turn_to(tab),
            Choice::Sort(column) => {
                self.turn_to(Tab::Processes);
                let order = Order::take(column, snapshot, scene.now.wall);
                self.processes.order = Some(order);
            }
            Choice::Cluster(number) => {
                self.turn_to(Tab::Processes);
                self.processes.go_to_cluster(number, snapshot);
            }
            Choice::Process(id) => {
                self.turn_to(Tab::Processes);
                if !self.processes.everyone(snapshot).contains(&id) {
                    self.processes.filter = Filter::default();
                }
                self.processes.select(id, snapshot);
            }
            Choice::Role(at) => {
                self.turn_to(Tab::Roles);
                let keys = Roles::keys(&snapshot.catalogue);
                self.roles.cursor.select(&keys, at);
            }
            Choice::Task(id) => {
                self.turn_to(Tab::Tasks);
                let mut keys = self.tasks.keys(snapshot);
                if !keys.contains(&id) {
                    self.tasks.filter = Filter::default();
                    keys = self.tasks.keys(snapshot);
                }
                self.tasks.cursor.select(&keys, id);
            }
        }
        self.settle(snapshot);
        Vec::new()
    }

    /// Writes a message to the running turn of the selected process.
    fn message(&mut self, snapshot: &Snapshot) {
        let Some(process) = self.subject(snapshot) else {
            return;
        };
        if can_be_told(process) {
            let dialog = LineDialog::say(process.id, &process.name);
            self.dialogs.push(Dialog::Line(Box::new(dialog)));
        } else {
            let line = format!(
                "{} has no task that runs; t writes one, A on a result goes on from it.",
                text::clean(&process.name)
            );
            self.note(Level::Info, line);
        }
    }

    /// Writes a task that answers the result of the selected one.
    fn follow_up(&mut self, snapshot: &Snapshot) {
        match self.task(snapshot) {
            Some(task) if can_follow(task) => {
                let dialog = TaskDialog::follow_up(task);
                self.dialogs.push(Dialog::Task(Box::new(dialog)));
            }
            Some(task) if task.state.is_final() => self.note(
                Level::Info,
                "Nobody began it, so it has no conversation to go on in; t writes a task.",
            ),
            Some(_) => self.note(Level::Info, "It can be answered when it is over."),
            None => {}
        }
    }

    /// Puts the selected request behind the others that wait.
    fn put_off(&mut self, snapshot: &Snapshot) {
        if !self.inbox.put_off(snapshot) {
            self.note(Level::Info, "Nothing else waits that could come first.");
        }
    }

    /// Shows the whole of what is selected.
    fn open(&mut self, scene: Scene<'_>) {
        let snapshot = scene.snapshot;
        match self.tab {
            Tab::Processes => match self.processes.row(snapshot) {
                Some(Key::Process(id)) => self.pages.push(Page::Details(Details::new(id))),
                Some(Key::Folded(_)) => {
                    self.processes.fold(false, snapshot);
                }
                Some(Key::Cluster(_)) => self.processes.toggle(snapshot),
                None => {}
            },
            Tab::Tasks => {
                if let Some(id) = self.tasks.selected(snapshot) {
                    self.pages.push(Page::Task(TaskPage::new(id)));
                }
            }
            Tab::Inbox => match self.inbox.selected(snapshot) {
                Some(Item::Request(id)) => {
                    self.dialogs.push(Dialog::Reader(Reader::request(id)));
                }
                Some(Item::Stuck(id)) => self.pages.push(Page::Details(Details::new(id))),
                Some(Item::Alert(id)) => {
                    let process = snapshot.alert(id).and_then(|alert| alert.process);
                    let process = process.filter(|id| snapshot.process(*id).is_some());
                    match process {
                        Some(id) => self.pages.push(Page::Details(Details::new(id))),
                        None => self.note(
                            Level::Info,
                            "It is about nobody in particular; all that is known stands here.",
                        ),
                    }
                }
                Some(Item::Failed(id)) => self.pages.push(Page::Task(TaskPage::new(id))),
                Some(Item::Updates(id)) => {
                    let dialog = UpdatesDialog::new(Some(id), snapshot);
                    self.dialogs.extend(dialog.map(Dialog::Updates));
                }
                None => {}
            },
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

    /// A verb of the log.
    fn read_log(&mut self, verb: Verb, snapshot: &Snapshot) {
        let Some(Page::Logs(logs)) = self.pages.last_mut() else {
            return;
        };
        let hint = match verb {
            Verb::Follow => {
                logs.toggle_follow();
                return;
            }
            Verb::Raw => {
                logs.toggle_raw();
                return;
            }
            Verb::Wrap => {
                logs.toggle_wrap();
                return;
            }
            Verb::Kinds => {
                let process = snapshot.process(logs.process);
                let kinds = process.is_none_or(|process| process.protocol.is_read());
                if kinds && logs.is_rendered() {
                    logs.turn_choice();
                    return;
                }
                "Lines that are shown as they came have no kinds."
            }
            Verb::Left | Verb::Right if logs.sideways(verb == Verb::Right) => return,
            Verb::Left | Verb::Right => "Long lines are wrapped; L cuts them.",
            _ if logs.look_on(verb == Verb::NextHit) => return,
            _ => "Nothing is searched; / begins a search.",
        };
        self.note(Level::Info, hint);
    }

    /// Puts what is in front into the terminal's clipboard.
    fn copy(&mut self, snapshot: &Snapshot) -> Vec<Action> {
        let text = match self.pages.last() {
            Some(Page::Logs(logs)) => logs.copy(),
            Some(Page::Diff(page)) => page.present().map(|file| {
                let line = |line: &DiffLine| format!("{}{}\n", line.sign.letter(), line.text);
                file.lines.iter().map(line).collect()
            }),
            Some(Page::Task(_)) => self.task(snapshot).map(|task| match &task.result {
                Some(result) => result.text.clone(),
                None => task.text.clone(),
            }),
            _ => {
                let id = self.inbox.request(snapshot);
                let request = id.and_then(|id| snapshot.request(id));
                request.map(|request| match &request.ask {
                    Ask::Permission { subject, .. } => subject.clone(),
                    ask @ Ask::Question { .. } => ask.line(),
                })
            }
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            self.note(Level::Info, "There is nothing here to copy.");
            return Vec::new();
        };
        // Terminals drop what is longer.
        let kept = text
            .get(..text.floor_char_boundary(CLIPBOARD))
            .unwrap_or("");
        let cut = if kept.len() < text.len() {
            ", cut where terminals cut"
        } else {
            ""
        };
        let first = text::clean(kept.lines().next().unwrap_or(""));
        let line = format!(
            "Sent {} to the clipboard of your terminal{cut}: {}",
            format::plural(kept.lines().count(), "line", "lines"),
            text::fit(&first, 40)
        );
        self.note(Level::Info, line);
        vec![Action::Copy(kept.to_owned())]
    }

    /// One step back: a search ends, from a page to its screen, then marks go, then the filter.
    fn back(&mut self, snapshot: &Snapshot) {
        if let Some(Page::Logs(logs)) = self.pages.last_mut()
            && (logs.end_mark() || logs.end_search())
        {
            return;
        }
        if self.pages.pop().is_some() {
            return;
        }
        match self.tab {
            Tab::Processes if !self.processes.marked.is_empty() => {
                self.processes.marked.clear();
                self.processes.mark = None;
            }
            Tab::Processes if !self.processes.filter.is_empty() => {
                self.processes.filter = Filter::default();
            }
            Tab::Processes => self.processes.order = None,
            Tab::Tasks if !self.tasks.filter.is_empty() => self.tasks.filter = Filter::default(),
            Tab::Tasks => self.tasks.order = None,
            Tab::Inbox | Tab::Roles => {}
        }
        self.settle(snapshot);
    }

    fn mark(&mut self, snapshot: &Snapshot) {
        if let Some(Page::Logs(logs)) = self.pages.last_mut() {
            logs.toggle_mark();
            return;
        }
        self.processes.mark(snapshot);
        self.step(1, snapshot);
    }

    /// Sorts by the next column, or the other way round.
    fn sort(&mut self, verb: Verb, scene: Scene<'_>) {
        let (snapshot, now) = (scene.snapshot, scene.now.wall);
        if self.tab == Tab::Tasks {
            self.sort_tasks(verb, scene);
            return;
        }
        let order = self.processes.order.as_ref();
        match (verb, order) {
            (Verb::Sort, order) => {
                let next = Order::next(order.map(|order| order.column));
                self.processes.order = next.map(|column| Order::take(column, snapshot, now));
            }
            (_, Some(order)) => self.processes.order = Some(order.reversed(snapshot, now)),
            (_, None) => self.note(
                Level::Info,
                "The list is in its usual order; S sorts it by a column.",
            ),
        }
        self.settle(snapshot);
    }

    /// Why a verb that is for one employee means nothing now, where none is selected.
    fn nobody(&self, verb: Verb, snapshot: &Snapshot) -> Option<String> {
        let of_all = matches!(
            verb,
            Verb::Start | Verb::Stop | Verb::Kill | Verb::Restart | Verb::Remove
        );
        let of_one = of_all
            || matches!(
                verb,
                Verb::Yes
                    | Verb::Always
                    | Verb::Deny
                    | Verb::Answer
                    | Verb::Log
                    | Verb::Diff
                    | Verb::Message
                    | Verb::Why
                    | Verb::Open
                    | Verb::Mark
                    | Verb::MarkRange
            );
        let on_tasks = self.pages.is_empty() && self.tab == Tab::Tasks;
        if of_one && on_tasks && self.task(snapshot).is_none() {
            return Some(match snapshot.tasks.is_empty() {
                true => "There is no task: t writes one.".into(),
                false => "No task is shown: Esc shows all of them.".into(),
            });
        }
        let in_front = self.pages.is_empty() && self.tab == Tab::Processes;
        if !of_one || !in_front || self.subject(snapshot).is_some() {
            return None;
        }
        if of_all && !self.processes.marked.is_empty() {
            return None;
        }
        let of_team = matches!(
            verb,
            Verb::Start | Verb::Stop | Verb::Restart | Verb::Why | Verb::Open
        );
        match self.processes.row(snapshot) {
            Some(Key::Cluster(_)) if of_team => None,
            Some(Key::Cluster(_)) => Some(
                "That is for one employee; on the head of a cluster s x r act on all of it.".into(),
            ),
            Some(Key::Folded(_)) if verb == Verb::Open => None,
            Some(Key::Folded(_)) => {
                Some("That is for one employee, and these are folded: Right unfolds them.".into())
            }
            _ if snapshot.processes.is_empty() => Some("Nobody is hired yet: n hires.".into()),
            _ => Some("Nobody is shown: Esc shows all of them.".into()),
        }
    }

    /// Says what a status is known from.
    fn why(&mut self, scene: Scene<'_>) {
        if let Some(process) = self.subject(scene.snapshot) {
            self.dialogs.push(Dialog::Reader(Reader::why(process.id)));
        } else {
            self.note(Level::Info, "It is about nobody in particular.");
        }
    }

    /// To the next process that waits for a person, round the end.
    fn next_waiting(&mut self, snapshot: &Snapshot) {
        let from = match (self.pages.last(), self.tab) {
            (Some(Page::Task(_)), _) | (None, Tab::Tasks | Tab::Inbox) => None,
            _ => self.subject(snapshot).map(|process| process.id),
        };
        self.turn_to(Tab::Processes);
        let mut keys = self.processes.everyone(snapshot);
        let waits = |id: &ProcessId| {
            snapshot
                .process(*id)
                .is_some_and(|process| process.needs_a_person())
        };
        if !keys.iter().any(waits) && !self.processes.filter.is_empty() {
            self.processes.filter = Filter::default();
            keys = self.processes.everyone(snapshot);
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
            Some(id) => self.processes.select(*id, snapshot),
            None => self.note(Level::Info, "Nobody waits for you."),
        }
    }
}
