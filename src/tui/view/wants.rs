//! What a view wants to be read for it, from logs and worktrees, and takes when it has been.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use ratatui::layout::Size;

use crate::domain::id::ProcessId;
use crate::domain::log::{LogAnchor, LogChoice, LogForm, LogFound, LogQuery, LogSearch, LogWindow};
use crate::domain::snapshot::{Level, Snapshot};
use crate::domain::worktree::{WorkOf, WorkQuery, WorkText};
use crate::tui::chrome::Tab;
use crate::tui::dialogs::Dialog;
use crate::tui::screens::processes::{Key, Processes};
use crate::tui::view::{Page, View};

impl View {
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
}

/// A number that is another one where the value is another one.
fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
