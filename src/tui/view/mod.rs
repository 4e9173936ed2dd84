//! The view state of one terminal, and its life: events in, actions out. What it wants to be read is in `wants`, what
//! comes back in `answers`, a frame in `picture`.

mod answers;
mod picture;
mod wants;

use std::collections::BTreeMap;
use std::sync::Arc;

use crossterm::event::{Event, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use jiff::Timestamp;
use ratatui::layout::{Position, Size};

use crate::domain::command::Command;
use crate::domain::digest::Digest;
use crate::domain::id::{ProcessId, RequestId};
use crate::domain::log::LogWindow;
use crate::domain::snapshot::{Level, Message, Snapshot, Status};
use crate::tui::action::Action;
use crate::tui::chrome::{self, Tab};
use crate::tui::dialogs::away::AwayDialog;
use crate::tui::dialogs::task::TaskDialog;
use crate::tui::dialogs::{Dialog, Heard, Order};
use crate::tui::filter::Filter;
use crate::tui::format::Present;
use crate::tui::keys::{self, Place};
use crate::tui::look::{Capabilities, Look};
use crate::tui::notice::Notice;
use crate::tui::scene::Scene;
use crate::tui::screens::details::Details;
use crate::tui::screens::diff::DiffPage;
use crate::tui::screens::inbox::Inbox;
use crate::tui::screens::logs::Logs;
use crate::tui::screens::processes::Processes;
use crate::tui::screens::roles::Roles;
use crate::tui::screens::task::TaskPage;
use crate::tui::screens::tasks::Tasks;

/// A page over a screen; Esc leads back.
#[derive(Debug)]
pub(crate) enum Page {
    Details(Details),
    Logs(Box<Logs>),
    Task(TaskPage),
    Diff(Box<DiffPage>),
}

/// What was there when it was last looked, so that only what is new is said.
#[derive(Debug, Default)]
struct Seen {
    message: Option<u64>,
    request: Option<RequestId>,
    updates: Option<usize>,
    title: String,
}

/// The view state of one terminal: which screen, what is selected, how far it is scrolled, which
/// dialogs are open, which messages were shown. It holds no copy of the company.
#[derive(Debug)]
pub struct View {
    pub(crate) look: Look,
    pub(crate) size: Size,
    pub(crate) tab: Tab,
    pub(crate) pages: Vec<Page>,
    pub(crate) dialogs: Vec<Dialog>,
    pub(crate) processes: Processes,
    pub(crate) tasks: Tasks,
    pub(crate) inbox: Inbox,
    pub(crate) roles: Roles,
    pub(crate) notice: Option<Notice>,
    /// How often a stop was asked for since the process is stopping.
    pub(crate) presses: BTreeMap<ProcessId, u8>,
    peek: Option<(ProcessId, LogWindow)>,
    /// Orders that are not answered, as they are called in a message.
    pending: BTreeMap<u64, String>,
    tickets: u64,
    /// Orders about work that were answered: what is shown of it is old then.
    worked: u64,
    seen: Seen,
    /// Since when the person was away before this terminal was attached.
    since: Option<Timestamp>,
    /// Whether what happened meanwhile may come up by itself: until a key is pressed.
    may_tell: bool,
    /// Whether a key asked for it.
    telling: bool,
    // As drawn last, for the mouse.
    tabs: Vec<(u16, Tab)>,
    tabs_row: Option<u16>,
}

impl View {
    /// The first picture of a terminal.
    #[must_use]
    pub fn new(caps: Capabilities) -> Self {
        Self {
            look: Look::new(caps),
            size: Size::new(80, 24),
            tab: Tab::default(),
            pages: Vec::new(),
            dialogs: Vec::new(),
            processes: Processes::default(),
            tasks: Tasks::default(),
            inbox: Inbox::default(),
            roles: Roles::default(),
            notice: None,
            presses: BTreeMap::new(),
            peek: None,
            pending: BTreeMap::new(),
            tickets: 0,
            worked: 0,
            seen: Seen::default(),
            since: None,
            may_tell: true,
            telling: false,
            tabs: Vec::new(),
            tabs_row: None,
        }
    }

    /// Takes note since when the person was away; the host asks for what happened in that time.
    pub fn comes_back(&mut self, since: Timestamp) -> Vec<Action> {
        self.since = Some(since);
        vec![Action::Digest { since: Some(since) }]
    }

    /// Takes what [`Action::Digest`] asked for, `None` if the record could not be read. What was not
    /// asked for by a key comes up if there is anything to tell and nothing was begun meanwhile.
    pub fn away(&mut self, digest: Option<Arc<Digest>>) {
        let by_itself = !std::mem::take(&mut self.telling);
        let Some(digest) = digest else {
            let text = "The record of what happened cannot be read; the instance's log says why.";
            self.news(Level::Error, text);
            return;
        };
        if by_itself && digest.is_quiet() {
            return;
        }
        if by_itself && !self.may_tell {
            self.news(
                Level::Info,
                "Things happened while you were away: B shows them.",
            );
            return;
        }
        self.dialogs.push(Dialog::Away(AwayDialog::new(digest)));
    }

    /// Asks for what happened while the person was away.
    pub(crate) fn tell(&mut self, snapshot: &Snapshot) -> Vec<Action> {
        self.telling = true;
        let since = self.since.or_else(|| snapshot.away_since());
        vec![Action::Digest { since }]
    }

    /// Takes a key, a paste, a click or a new size.
    pub fn event(&mut self, event: &Event, snapshot: &Snapshot, now: &Present) -> Vec<Action> {
        let mut actions = self.hear(event, snapshot, now);
        actions.extend(self.inquire(snapshot, now));
        actions
    }

    fn hear(&mut self, event: &Event, snapshot: &Snapshot, now: &Present) -> Vec<Action> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key, snapshot, now),
            Event::Paste(pasted) => {
                match self.dialogs.last_mut() {
                    Some(dialog) => dialog.paste(pasted, snapshot),
                    None => self.note(Level::Info, "Nothing to paste into here; t writes a task."),
                }
                Vec::new()
            }
            Event::Mouse(mouse) => self.mouse(*mouse, snapshot, now),
            Event::Resize(width, height) => {
                self.size = Size::new(*width, *height);
                Vec::new()
            }
            Event::Key(_) | Event::FocusGained | Event::FocusLost => Vec::new(),
        }
    }

    /// Has it looked at what a hire would run with, where that has changed.
    fn inquire(&mut self, snapshot: &Snapshot, now: &Present) -> Option<Action> {
        let look = self.look.clone();
        let Some(Dialog::Hire(dialog)) = self.dialogs.last_mut() else {
            return None;
        };
        let scene = Scene {
            snapshot,
            now,
            look: &look,
        };
        let wanted = dialog.inquiry(scene)?;
        self.tickets += 1;
        dialog.looking = Some(self.tickets);
        Some(Action::Order {
            ticket: self.tickets,
            command: Command::Preview(wanted),
        })
    }

    fn key(&mut self, key: KeyEvent, snapshot: &Snapshot, now: &Present) -> Vec<Action> {
        self.may_tell = false;
        let verb = keys::verb(self.place(), &key);
        let does_something = verb.is_some() || !self.dialogs.is_empty();
        if does_something && self.notice.as_ref().is_some_and(|one| one.was_read(now)) {
            self.notice = None;
        }
        let look = self.look.clone();
        let scene = Scene {
            snapshot,
            now,
            look: &look,
        };
        if let Some(dialog) = self.dialogs.last_mut() {
            let heard = dialog.key(key, verb, scene);
            return self.heard(heard, scene);
        }
        match verb {
            Some(verb) => self.act(verb, keys::digit(&key), scene),
            None => Vec::new(),
        }
    }

    fn heard(&mut self, heard: Heard, scene: Scene<'_>) -> Vec<Action> {
        match heard {
            Heard::Kept => return Vec::new(),
            Heard::Read(reader) => {
                self.dialogs.push(Dialog::Reader(*reader));
                return Vec::new();
            }
            Heard::Submitted(order) => {
                let actions = self.give(vec![order]);
                self.tie(self.tickets);
                return actions;
            }
            Heard::Edit(text) => {
                let ticket = self.ticket();
                self.tie(ticket);
                return vec![Action::Edit {
                    ticket,
                    text,
                    suffix: ".md",
                }];
            }
            Heard::Closed
            | Heard::Opened(_)
            | Heard::Orders(_)
            | Heard::Filtered(_)
            | Heard::Chosen(_) => {
                self.dialogs.pop();
            }
        }
        match heard {
            Heard::Orders(orders) => self.give(orders),
            Heard::Opened(dialog) => {
                self.dialogs.push(*dialog);
                Vec::new()
            }
            Heard::Chosen(choice) => self.choose(choice, scene),
            Heard::Filtered(words) => {
                if let Some(Page::Logs(logs)) = self.pages.last_mut() {
                    logs.look_for(&words);
                    return Vec::new();
                }
                let filter = Filter::new(&words);
                match self.tab {
                    Tab::Tasks => self.tasks.filter = filter,
                    _ => self.processes.filter = filter,
                }
                self.settle(scene.snapshot);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Makes the dialog on top wait for a ticket.
    fn tie(&mut self, ticket: u64) {
        match self.dialogs.last_mut() {
            Some(Dialog::Task(dialog)) => dialog.ticket = Some(ticket),
            Some(Dialog::Hire(dialog)) => dialog.editing = Some(ticket),
            _ => {}
        }
    }

    /// The dialog that waits for a ticket, and where it stands in the stack.
    fn tied(&mut self, ticket: u64) -> Option<(usize, &mut TaskDialog)> {
        self.dialogs
            .iter_mut()
            .enumerate()
            .find_map(|(at, dialog)| match dialog {
                Dialog::Task(dialog) if dialog.ticket == Some(ticket) => Some((at, &mut **dialog)),
                _ => None,
            })
    }

    fn mouse(&mut self, mouse: MouseEvent, snapshot: &Snapshot, now: &Present) -> Vec<Action> {
        if let Some(dialog) = self.dialogs.last_mut() {
            if let (Dialog::Hire(dialog), MouseEventKind::Down(MouseButton::Left)) =
                (&mut *dialog, mouse.kind)
            {
                let look = self.look.clone();
                let scene = Scene {
                    snapshot,
                    now,
                    look: &look,
                };
                let heard = dialog.click(Position::new(mouse.column, mouse.row), scene);
                return self.heard(heard, scene);
            }
            match (dialog, mouse.kind) {
                (Dialog::Reader(reader), MouseEventKind::ScrollUp) => reader.step(-3),
                (Dialog::Reader(reader), MouseEventKind::ScrollDown) => reader.step(3),
                (Dialog::Away(away), MouseEventKind::ScrollUp) => away.step(-3),
                (Dialog::Away(away), MouseEventKind::ScrollDown) => away.step(3),
                (Dialog::Away(_), MouseEventKind::Down(_)) => drop(self.dialogs.pop()),
                _ => {}
            }
            return Vec::new();
        }
        match mouse.kind {
            MouseEventKind::ScrollUp => self.step(-3, snapshot),
            MouseEventKind::ScrollDown => self.step(3, snapshot),
            MouseEventKind::Down(MouseButton::Left) if self.tabs_row == Some(mouse.row) => {
                let hit = self.tabs.iter().find(|(end, _)| mouse.column < *end);
                if let Some((_, tab)) = hit {
                    self.turn_to(*tab);
                }
            }
            MouseEventKind::Down(MouseButton::Left) if self.pages.is_empty() => {
                self.click(mouse.row, snapshot);
            }
            _ => {}
        }
        Vec::new()
    }

    /// Takes note of a new snapshot: the selection is kept by id, what is new is said.
    pub fn observe(&mut self, snapshot: &Snapshot) -> Vec<Action> {
        self.settle(snapshot);
        self.presses.retain(|id, _| {
            snapshot
                .process(*id)
                .is_some_and(|process| process.status == Status::Stopping)
        });
        let mut actions = Vec::new();
        let mut call = None;
        let newest = snapshot.messages.last().map_or(0, |message| message.number);
        // What was said before this terminal attached is history.
        let shown = *self.seen.message.get_or_insert(newest);
        if newest > shown {
            let fresh = snapshot.messages.iter().filter(|m| m.number > shown);
            let loudest = |message: &&Arc<Message>| match message.level {
                Level::Info => 0,
                Level::Warning => 1,
                Level::Error => 2,
            };
            // Of equals the last one is taken, which is the newest.
            if let Some(message) = fresh.max_by_key(loudest) {
                self.notice = Some(Notice::new(message.level, message.text.clone()));
                call = (message.level == Level::Error).then(|| message.text.clone());
            }
            self.seen.message = Some(newest);
        }
        let open = snapshot.requests.iter().filter(|request| request.is_open());
        let newest = open.max_by_key(|request| request.id);
        let id = newest.map(|request| request.id);
        if id > self.seen.request
            && self.seen.request.is_some()
            && let Some(request) = newest
        {
            let name = snapshot
                .process(request.process)
                .map_or("somebody", |view| view.name.as_str());
            call = Some(format!("{name} asks: {}", request.ask.line()));
        }
        self.seen.request = id.max(self.seen.request).or(Some(RequestId(0)));
        let old = snapshot
            .processes
            .iter()
            .filter(|one| one.updates_available);
        let count = old.clone().count();
        if self.seen.updates.is_some_and(|before| count > before) {
            let names: Vec<&str> = old.map(|one| one.name.as_str()).collect();
            let text = format!("updates for {}", names.join(", "));
            // Who asks comes first.
            call = call.or(Some(text));
        }
        self.seen.updates = Some(count);
        if call.is_some() && self.notice.as_ref().is_some_and(Notice::is_answer) {
            // Before somebody asked, or something changed, it was so.
            self.notice = None;
        }
        actions.extend(call.map(Action::Call));
        let title = title(snapshot);
        if title != self.seen.title {
            self.seen.title.clone_from(&title);
            actions.push(Action::Title(title));
        }
        actions
    }

    /// What is on top, for the key table.
    pub(crate) fn place(&self) -> Place {
        if let Some(dialog) = self.dialogs.last() {
            return dialog.place();
        }
        match (self.pages.last(), self.tab) {
            (Some(Page::Details(_)), _) => Place::Details,
            (Some(Page::Logs(_)), _) => Place::Logs,
            (Some(Page::Task(_)), _) => Place::Task,
            (Some(Page::Diff(_)), _) => Place::Diff,
            (None, Tab::Processes) => Place::Processes,
            (None, Tab::Tasks) => Place::Tasks,
            (None, Tab::Inbox) => Place::Inbox,
            (None, Tab::Roles) => Place::Roles,
        }
    }

    /// Gives orders, and remembers how they are called.
    pub(crate) fn give(&mut self, orders: Vec<Order>) -> Vec<Action> {
        orders
            .into_iter()
            .map(|order| {
                if let Command::Stop(process) = order.command {
                    let here = self.presses.entry(process).or_insert(0);
                    *here = here.saturating_add(1);
                }
                match order.command {
                    Command::Restart(process) => {
                        self.processes.restarting.insert(process, None);
                        self.overtake(&["stop"], &order.what);
                    }
                    Command::Start(_) => self.overtake(&["stop"], &order.what),
                    Command::Stop(process) | Command::Kill(process) => {
                        self.processes.restarting.remove(&process);
                        self.overtake(&["restart", "start"], &order.what);
                    }
                    _ => {}
                }
                let ticket = self.ticket();
                self.pending.insert(ticket, order.what);
                Action::Order {
                    ticket,
                    command: order.command,
                }
            })
            .collect()
    }

    /// Forgets orders about the same one that another order takes back: that nothing came of them is no failure.
    fn overtake(&mut self, words: &[&str], what: &str) {
        let whom = what.split_once(' ').map(|(_, whom)| whom);
        self.pending.retain(|_, pending| {
            let order = pending.split_once(' ');
            !order.is_some_and(|(word, other)| words.contains(&word) && Some(other) == whom)
        });
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Answers a key in the message area.
    pub(crate) fn note(&mut self, level: Level, text: impl Into<String>) {
        self.notice = Some(Notice::answer(level, text));
    }

    /// Says in the message area what came while other keys may have been pressed.
    pub(crate) fn news(&mut self, level: Level, text: impl Into<String>) {
        self.notice = Some(Notice::new(level, text));
    }
}

/// The number that waits stands first, so that a narrow tab still shows it.
fn title(snapshot: &Snapshot) -> String {
    let name = snapshot
        .workspace
        .file_name()
        .map(|name| format!(" {}", name.to_string_lossy()))
        .unwrap_or_default();
    let name = crate::tui::text::clean(&name).into_owned();
    match chrome::needs(snapshot) {
        0 => format!("headcount{name}"),
        n => format!("({n}) headcount{name}"),
    }
}
