//! Where a person is, to be there again when the screen is drawn by another program.

use serde::{Deserialize, Serialize};

use crate::domain::id::{ProcessId, TaskId};
use crate::domain::snapshot::Snapshot;
use crate::domain::worktree::WorkOf;
use crate::tui::chrome::Tab;
use crate::tui::screens::details::Details;
use crate::tui::screens::diff::DiffPage;
use crate::tui::screens::logs::Logs;
use crate::tui::screens::task::TaskPage;
use crate::tui::view::{Page, View};

/// The place of a person. What a build does not know of another's it leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Bookmark {
    /// Which tab, from the left.
    tab: usize,
    /// The selected process.
    selected: Option<ProcessId>,
    /// Pages over the tab, the lowest first.
    pages: Vec<Leaf>,
}

/// One page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Leaf {
    Details(ProcessId),
    Logs(ProcessId),
    Task(TaskId),
    Diff(WorkOf),
}

impl View {
    /// Where the person is.
    #[must_use]
    pub fn bookmark(&self, snapshot: &Snapshot) -> Bookmark {
        Bookmark {
            tab: self.tab.number(),
            selected: self.processes.selected(snapshot),
            pages: self
                .pages
                .iter()
                .map(|page| match page {
                    Page::Details(page) => Leaf::Details(page.process),
                    Page::Logs(page) => Leaf::Logs(page.process),
                    Page::Task(page) => Leaf::Task(page.task),
                    Page::Diff(page) => Leaf::Diff(page.of),
                })
                .collect(),
        }
    }

    /// Goes where a person was.
    pub fn go_back_to(&mut self, bookmark: Bookmark, snapshot: &Snapshot) {
        if let Some(tab) = Tab::ALL.get(bookmark.tab) {
            self.tab = *tab;
        }
        if let Some(selected) = bookmark.selected {
            self.processes.select(selected, snapshot);
        }
        let palette = self.look.palette;
        self.pages = bookmark
            .pages
            .into_iter()
            .map(|leaf| match leaf {
                Leaf::Details(process) => Page::Details(Details::new(process)),
                Leaf::Logs(process) => Page::Logs(Box::new(Logs::new(process, palette))),
                Leaf::Task(task) => Page::Task(TaskPage::new(task)),
                Leaf::Diff(of) => Page::Diff(Box::new(DiffPage::new(of))),
            })
            .collect();
    }
}
