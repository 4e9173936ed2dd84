//! Where the screen is: which list, which row, by keys and by clicks.

use crate::domain::snapshot::Snapshot;
use crate::tui::chrome::Tab;
use crate::tui::screens::roles::Roles;
use crate::tui::view::{Page, View};

impl View {
    pub(crate) fn turn_to(&mut self, tab: Tab) {
        self.pages.clear();
        self.tab = tab;
    }

    pub(crate) fn step(&mut self, by: isize, snapshot: &Snapshot) {
        match (self.pages.last_mut(), self.tab) {
            (Some(Page::Details(page)), _) => page.scroll.step(by),
            (Some(Page::Logs(page)), _) => page.step(by),
            (Some(Page::Task(page)), _) => page.scroll.step(by),
            (Some(Page::Diff(page)), _) => page.step(by),
            (None, Tab::Processes) => {
                let keys = self.processes.keys(snapshot);
                self.processes.cursor.step(&keys, by);
            }
            (None, Tab::Tasks) => {
                let keys = self.tasks.keys(snapshot);
                self.tasks.cursor.step(&keys, by);
            }
            (None, Tab::Inbox) => {
                let keys = self.inbox.keys(snapshot);
                self.inbox.cursor.step(&keys, by);
                self.inbox.note_selected(snapshot);
            }
            (None, Tab::Roles) => {
                let keys = Roles::keys(&snapshot.catalogue);
                self.roles.cursor.step(&keys, by);
            }
        }
    }

    pub(super) fn page(&mut self, direction: isize, snapshot: &Snapshot) {
        match self.pages.last_mut() {
            Some(Page::Details(page)) => page.scroll.page(direction),
            Some(Page::Logs(page)) => page.page(direction),
            Some(Page::Task(page)) => page.scroll.page(direction),
            Some(Page::Diff(page)) => page.page(direction),
            None => {
                let page = isize::try_from(self.size.height.saturating_sub(8).max(1)).unwrap_or(1);
                self.step(direction * page, snapshot);
            }
        }
    }

    pub(super) fn go_end(&mut self, last: bool, snapshot: &Snapshot) {
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
                if let Some(row) = self.processes.at(y) {
                    let keys = self.processes.keys(snapshot);
                    self.processes.cursor.select(&keys, row);
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
                    let keys = self.inbox.keys(snapshot);
                    self.inbox.cursor.select(&keys, id);
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
}
