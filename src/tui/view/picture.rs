//! One frame of a view, and when it changes by time alone.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::snapshot::{Snapshot, Status};
use crate::tui::ascii;
use crate::tui::chrome::{self, Tab};
use crate::tui::format::Present;
use crate::tui::notice::Notice;
use crate::tui::scene::Scene;
use crate::tui::view::{Page, View};
use crate::tui::widgets::pen::Pen;

impl View {
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
        let mut rule = Pen::new(buffer, parts.rule);
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
            Some(Page::Details(page)) => {
                let process = scene.snapshot.process(page.process);
                page.starts_again =
                    process.is_some_and(|process| self.processes.starts_again(process));
                return page.draw(scene, area, buffer);
            }
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
}
