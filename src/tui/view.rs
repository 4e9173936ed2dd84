//! The view state of one terminal, and its life: events in, actions out, a frame drawn.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use crossterm::event::{Event, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::digest::Digest;
use crate::domain::id::{ProcessId, RequestId};
use crate::domain::log::{LogAnchor, LogChoice, LogForm, LogFound, LogQuery, LogSearch, LogWindow};
use crate::domain::snapshot::{Level, Message, Snapshot, Status};
use crate::domain::worktree::{
    Merged, WorkDone, WorkOf, WorkQuery, WorkSummary, WorkText, conflict_task, named,
};
use crate::tui::action::Action;
use crate::tui::ascii;
use crate::tui::chrome::{self, Tab};
use crate::tui::dialogs::away::AwayDialog;
use crate::tui::dialogs::confirm::Confirm;
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
use crate::tui::screens::processes::{Key, Processes};
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
            self.note(Level::Error, text);
            return;
        };
        if by_itself && digest.is_quiet() {
            return;
        }
        if by_itself && !self.may_tell {
            self.note(
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
            Event::Mouse(mouse) => self.mouse(*mouse, snapshot),
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
        if self
            .notice
            .as_ref()
            .is_some_and(|notice| notice.was_read(now))
        {
            self.notice = None;
        }
        let verb = keys::verb(self.place(), &key);
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

    fn mouse(&mut self, mouse: MouseEvent, snapshot: &Snapshot) -> Vec<Action> {
        if let Some(dialog) = self.dialogs.last_mut() {
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
        actions.extend(call.map(Action::Call));
        let title = title(snapshot);
        if title != self.seen.title {
            self.seen.title.clone_from(&title);
            actions.push(Action::Title(title));
        }
        actions
    }

    /// The windows of logs that the next frame shows. The host reads them whenever it is about to
    /// draw and the log has grown or the view has changed, and hands them to [`View::supply`].
    #[must_use]
    pub fn wants(&self, size: Size) -> Vec<LogQuery> {
        match self.pages.last() {
            Some(Page::Logs(logs)) => logs.queries(size.height),
            Some(_) => Vec::new(),
            None if self.tab == Tab::Processes => {
                let lines = Processes::peek_lines(size.height);
                let selected = match self.processes.cursor.id() {
                    Some(Key::Process(process)) => Some(process),
                    Some(Key::Folded(_) | Key::Cluster(_)) | None => None,
                };
                let query = selected.map(|process| LogQuery {
                    process,
                    form: LogForm::Rendered,
                    anchor: LogAnchor::End,
                    lines: usize::from(lines),
                    choice: LogChoice::All,
                });
                query.filter(|_| lines > 0).into_iter().collect()
            }
            None => Vec::new(),
        }
    }

    /// The process whose tree is shown one by one, if one is.
    #[must_use]
    pub fn looks_at(&self) -> Option<ProcessId> {
        match self.pages.last() {
            Some(Page::Details(page)) => Some(page.process),
            _ => None,
        }
    }

    /// The process whose worktree is to be looked at, since what it holds is on the screen; with another number each
    /// time that it may hold something else.
    #[must_use]
    pub fn surveys(&self, snapshot: &Snapshot) -> Vec<WorkQuery> {
        let asked = match self.dialogs.last() {
            Some(Dialog::Confirm(dialog)) => dialog.work(),
            _ => &[],
        };
        let details = match self.pages.last() {
            Some(Page::Details(page)) => Some(page.process),
            _ => None,
        };
        let all = asked.iter().copied().chain(details);
        let worktrees = all.filter_map(|id| snapshot.process(id));
        worktrees
            .filter(|process| process.worktree.is_some())
            .map(|process| WorkQuery {
                of: WorkOf::Process(process.id),
                version: fingerprint(&(
                    process.tasks_completed,
                    process.tasks_failed,
                    process.task,
                    process.status,
                )),
            })
            .collect()
    }

    /// The work that the next frame shows. The host reads it when it is new, and hands it to [`View::read`].
    #[must_use]
    pub fn work(&self, snapshot: &Snapshot) -> Option<WorkQuery> {
        let Some(Page::Diff(page)) = self.pages.last() else {
            return None;
        };
        let process = page.process(snapshot).and_then(|id| snapshot.process(id));
        let done = process.map(|process| {
            let task = process.task.and_then(|task| snapshot.task(task));
            let attempt = task.and_then(|task| task.attempts.last());
            let calls = attempt.map(|attempt| attempt.work.tools.values().sum::<u32>());
            let work = process.work.as_ref();
            let work = work.map(|work| (work.ahead, work.behind, work.files, work.uncommitted));
            (process.tasks_completed, process.task, calls, work)
        });
        Some(WorkQuery {
            of: page.of,
            version: fingerprint(&(done, self.worked)),
        })
    }

    /// Takes what [`View::work`] asked for, or why it cannot be read.
    pub fn read(&mut self, query: WorkQuery, read: Result<Box<WorkText>, String>) {
        if let Some(Page::Diff(page)) = self.pages.last_mut()
            && page.of == query.of
        {
            page.supply(read);
        }
    }

    /// Takes a window that [`View::wants`] asked for.
    pub fn supply(&mut self, query: LogQuery, window: LogWindow) {
        match self.pages.last_mut() {
            Some(Page::Logs(logs)) => logs.supply(query, window),
            _ => self.peek = Some((query.process, window)),
        }
    }

    /// What is to be looked for in whole logs. The host begins what is new, drops what is not wanted
    /// any more, and hands what it finds to [`View::found`].
    #[must_use]
    pub fn searches(&self) -> Vec<LogSearch> {
        match self.pages.last() {
            Some(Page::Logs(logs)) => logs.searches(),
            _ => Vec::new(),
        }
    }

    /// Takes what a search found; `None` if the log could not be read.
    pub fn found(&mut self, search: &LogSearch, found: Option<LogFound>) {
        if let Some(Page::Logs(logs)) = self.pages.last_mut()
            && let Some(line) = logs.found(search, found)
        {
            self.note(Level::Info, line);
        }
    }

    /// Takes the answer to an order.
    pub fn answered(&mut self, ticket: u64, result: Result<Outcome, Refusal>) {
        for dialog in &mut self.dialogs {
            if let Dialog::Hire(dialog) = dialog
                && dialog.looking == Some(ticket)
            {
                return dialog.looked(result);
            }
        }
        let Some(what) = self.pending.remove(&ticket) else {
            return;
        };
        match result {
            Ok(outcome) => {
                if let Some((at, _)) = self.tied(ticket) {
                    self.dialogs.remove(at);
                }
                match outcome {
                    Outcome::TaskAdded(task) => {
                        self.note(Level::Info, format!("{task} is accepted and on disk."));
                    }
                    Outcome::TaskKnown(task) => {
                        self.note(Level::Info, format!("{task} was there already."));
                    }
                    Outcome::TasksAdded(tasks) => {
                        let line = format!("{} tasks are accepted and on disk.", tasks.len());
                        self.note(Level::Info, line);
                    }
                    Outcome::Said(task) => {
                        self.note(
                            Level::Info,
                            format!("The message is on its way to the turn of {task}."),
                        );
                    }
                    // The rest is seen in the next snapshot, or said by a message of the company.
                    Outcome::Done
                    | Outcome::Created(_)
                    | Outcome::Previewed(_)
                    | Outcome::Started(_)
                    | Outcome::Checked(_)
                    | Outcome::Stopped(..)
                    | Outcome::Cluster(_) => {}
                    Outcome::Removed { saved, left } => {
                        if let Some(saved) = saved {
                            self.note(Level::Info, kept(&saved.process, left.as_deref()));
                        }
                    }
                    Outcome::Worked {
                        process,
                        branch,
                        base,
                        done,
                    } => self.worked(process, &branch, &base, &done),
                }
            }
            Err(refusal) => {
                let remedy = refusal.remedy().map(|remedy| format!("; try: {remedy}"));
                let line = format!("cannot {what}: {refusal}{}", remedy.unwrap_or_default());
                match self.tied(ticket) {
                    Some((_, dialog)) => dialog.refused(line),
                    None => self.note(Level::Error, line),
                }
            }
        }
    }

    /// What came of work: the company says what has changed, this terminal what is to be done next.
    fn worked(&mut self, process: ProcessId, branch: &str, base: &str, done: &WorkDone) {
        self.worked += 1;
        match done {
            WorkDone::Brought(Merged::Conflicts { files }) => {
                let mut task = conflict_task(process, branch, base, files);
                if let Some(Page::Diff(page)) = self.pages.last_mut() {
                    page.clash(files);
                    // One that has a branch of its own goes on there.
                    if let WorkOf::Task(of) = page.of
                        && branch.contains(&of.to_string())
                    {
                        task.continues = Some(of);
                    }
                }
                let question = format!(
                    "Hand it back as a task? {branch} and {base} both changed {}.",
                    named(files, files.len())
                );
                let consequence = "The base is as it was. The task asks to merge the base into the branch, to resolve \
                                   the conflicts and to commit that; then it can be brought home.";
                let order = Order::new("hand it back", Command::AddTask(Box::new(task)));
                let dialog = Confirm::new(question, consequence.to_owned(), vec![order]);
                self.dialogs.push(Dialog::Confirm(dialog));
            }
            WorkDone::Brought(Merged::Nothing) => {
                let line = format!("{branch} has no commit that {base} does not have.");
                self.note(Level::Info, line);
            }
            WorkDone::Exported { to, bytes } => {
                let line = format!(
                    "Written: {}, {bytes} bytes; `git apply` takes it.",
                    to.display()
                );
                self.note(Level::Info, line);
            }
            WorkDone::Brought(Merged::Done { .. }) | WorkDone::Discarded(_) => {}
        }
    }

    /// Takes the text that came back from the person's editor; `None` if it was not saved.
    pub fn edited(
        &mut self,
        ticket: u64,
        text: Option<String>,
        snapshot: &Snapshot,
        now: &Present,
    ) -> Vec<Action> {
        for dialog in &mut self.dialogs {
            match dialog {
                Dialog::Hire(dialog) if dialog.editing == Some(ticket) => {
                    dialog.edited(text.as_deref(), &snapshot.catalogue);
                }
                Dialog::Task(dialog) if dialog.ticket == Some(ticket) => {
                    dialog.edited(text.as_deref());
                }
                _ => {}
            }
        }
        self.inquire(snapshot, now).into_iter().collect()
    }

    /// Draws one frame.
    pub fn draw(&mut self, frame: &mut ratatui::Frame<'_>, snapshot: &Snapshot, now: &Present) {
        let area = frame.area();
        self.paint(area, frame.buffer_mut(), snapshot, now);
    }

    fn paint(&mut self, area: Rect, buffer: &mut Buffer, snapshot: &Snapshot, now: &Present) {
        self.size = area.as_size();
        let look = self.look.clone();
        let scene = Scene {
            snapshot,
            now,
            look: &look,
        };
        let trouble = snapshot.configuration_mistakes.is_some()
            || (snapshot.agent_missing.is_some() && !snapshot.processes.is_empty());
        if let Some(notice) = &mut self.notice {
            if notice.ends().is_some_and(|end| end <= now.wall) {
                self.notice = None;
            } else {
                notice.shown(now);
            }
        }
        let message = chrome::message_rows(self.notice.as_ref(), area.width);
        let parts = chrome::Frame::divide(area, trouble, message);
        chrome::header(scene, parts.header, buffer);
        let view = self.departure(scene);
        self.tabs = chrome::tabs(scene, self.tab, &view, parts.tabs, buffer);
        self.tabs_row = (parts.tabs.height > 0).then_some(parts.tabs.y);
        let mut rule = crate::tui::widgets::pen::Pen::new(buffer, parts.rule);
        rule.rule(0, 0, usize::from(area.width), look.palette.rule);
        chrome::mistakes(scene, parts.mistakes, buffer);
        self.body(scene, parts.body, buffer);
        chrome::message(scene, self.notice.as_ref(), parts.message, buffer);
        chrome::footer(scene, &self.offers(scene), parts.footer, buffer);
        if !look.caps.unicode {
            ascii::to_ascii(buffer);
        }
    }

    /// How the list differs from the usual one, and the way back.
    fn departure(&self, scene: Scene<'_>) -> String {
        let filter = match self.tab {
            _ if !self.pages.is_empty() => return String::new(),
            Tab::Processes => &self.processes.filter,
            Tab::Tasks => &self.tasks.filter,
            Tab::Inbox | Tab::Roles => return String::new(),
        };
        let taken = match self.tab {
            Tab::Tasks => {
                let order = self.tasks.order.as_ref();
                order.map(|order| (order.column.as_str(), order.taken))
            }
            _ => {
                let order = self.processes.order.as_ref();
                order.map(|order| (order.column.as_str(), order.taken))
            }
        };
        let order = taken.map(|(column, taken)| {
            let taken = scene.now.clock(taken);
            format!("by {column} at {taken}")
        });
        match (filter.is_empty(), order) {
            (true, None) => String::new(),
            (true, Some(order)) => format!("{order}, Esc undoes"),
            (false, None) => format!("only “{}”, Esc shows all", filter.text()),
            (false, Some(order)) => format!("only “{}”, Esc shows all; {order}", filter.text()),
        }
    }

    fn body(&mut self, scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
        let mut area = area;
        if let Some(dialog) = self.dialogs.last_mut() {
            let Some(height) = dialog.height(area.width) else {
                return dialog.draw(scene, area, buffer);
            };
            let height = height.min(area.height);
            let [above, below] = [
                Rect {
                    height: area.height - height,
                    ..area
                },
                Rect {
                    y: area.bottom() - height,
                    height,
                    ..area
                },
            ];
            dialog.draw(scene, below, buffer);
            area = above;
        }
        match self.pages.last_mut() {
            Some(Page::Details(page)) => return page.draw(scene, area, buffer),
            Some(Page::Logs(page)) => return page.draw(scene, area, buffer),
            Some(Page::Task(page)) => return page.draw(scene, area, buffer),
            Some(Page::Diff(page)) => return page.draw(scene, area, buffer),
            None => {}
        }
        match self.tab {
            Tab::Processes => {
                let selected = self.processes.selected(scene.snapshot);
                let log = self
                    .peek
                    .as_ref()
                    .filter(|(process, _)| Some(*process) == selected)
                    .map(|(_, window)| window);
                self.processes
                    .draw(scene, area, self.size.height, log, buffer);
            }
            Tab::Tasks => self.tasks.draw(scene, area, buffer),
            Tab::Inbox => self.inbox.draw(scene, area, buffer),
            Tab::Roles => self.roles.draw(scene, area, buffer),
        }
    }

    /// When the picture changes by time alone; `None` if it does not.
    #[must_use]
    pub fn next_change(&self, snapshot: &Snapshot, now: &Present) -> Option<Timestamp> {
        let ages = snapshot.processes.iter().flat_map(|process| {
            let waits = (process.status == Status::Waiting).then_some(process.since);
            waits.into_iter().chain(process.started)
        });
        let open = snapshot.requests.iter().take_while(|one| one.is_open());
        let ages = ages.chain(open.map(|request| request.asked));
        // Of tasks the age of those at work is enough: the others are read at leisure.
        let tasks = (self.tab == Tab::Tasks).then(|| snapshot.tasks.rows());
        let open = tasks
            .into_iter()
            .flatten()
            .filter(|row| !row.state.is_final());
        let ages = ages.chain(open.map(|row| row.task.since));
        let ages = ages.filter_map(|then| now.next_age(then));
        let page = match self.pages.last() {
            Some(Page::Details(page)) => snapshot.process(page.process),
            _ => None,
        };
        // Details count minutes behind the hours as well.
        let page = page.and_then(|process| now.next_minute(process.started?));
        let counted = snapshot
            .processes
            .iter()
            .filter(|process| process.status == Status::Backoff)
            .filter_map(|process| now.next_count(process.until?));
        let notice = self.notice.as_ref().and_then(Notice::ends);
        ages.chain(counted).chain(notice).chain(page).min()
    }

    /// The process that somebody looks at closely: its details, its log.
    #[must_use]
    pub fn looked_at(&self) -> Option<ProcessId> {
        match self.pages.last()? {
            Page::Details(page) => Some(page.process),
            Page::Logs(page) => Some(page.process),
            Page::Diff(page) => match page.of {
                WorkOf::Process(process) => Some(process),
                WorkOf::Task(_) => None,
            },
            Page::Task(_) => None,
        }
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
                let ticket = self.ticket();
                self.pending.insert(ticket, order.what);
                Action::Order {
                    ticket,
                    command: order.command,
                }
            })
            .collect()
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Says something in the message area.
    pub(crate) fn note(&mut self, level: Level, text: impl Into<String>) {
        self.notice = Some(Notice::new(level, text));
    }
}

/// A number that is another one where the value is another one.
fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
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

/// What is said of a worktree that went with its process.
fn kept(process: &ProcessId, left: Option<&WorkSummary>) -> String {
    let open = left.and_then(WorkSummary::uncommitted);
    let open = open.map(|open| format!("{open}. ")).unwrap_or_default();
    format!(
        "{open}All that was in its worktree is kept: `headcount restore {process}` brings it back."
    )
}
