//! Verbs about what somebody changed: look at it, bring it home, write it out, throw it away, hand it back.

use crate::domain::command::Command;
use crate::domain::snapshot::{Level, Snapshot};
use crate::domain::worktree::{WorkOf, WorkOrder, conflict_task};
use crate::tui::action::Action;
use crate::tui::dialogs::bring::BringDialog;
use crate::tui::dialogs::confirm::Confirm;
use crate::tui::dialogs::line::LineDialog;
use crate::tui::dialogs::{Dialog, Order};
use crate::tui::format;
use crate::tui::keys::Verb;
use crate::tui::scene::Scene;
use crate::tui::screens::diff::DiffPage;
use crate::tui::view::{Page, View};

impl View {
    /// Opens what the selected task or process changed.
    pub(crate) fn diff(&mut self, snapshot: &Snapshot) {
        let of = if self.is_on_a_task() {
            let Some(task) = self.task(snapshot) else {
                return;
            };
            if task.process().is_none() {
                let line = format!("{} was not worked on yet.", task.id);
                return self.note(Level::Info, line);
            }
            WorkOf::Task(task.id)
        } else {
            let Some(process) = self.subject(snapshot) else {
                return;
            };
            WorkOf::Process(process.id)
        };
        if let Some(process) = self.subject(snapshot)
            && process.worktree.is_none()
        {
            let line = format!(
                "{} works in the folder itself, without a git worktree: your own git shows what changed there.",
                process.name
            );
            return self.note(Level::Info, line);
        }
        self.pages.push(Page::Diff(Box::new(DiffPage::new(of))));
    }

    /// Does something with the work that is looked at. What takes anything away asks first.
    pub(crate) fn work_on(&mut self, verb: Verb, scene: Scene<'_>) -> Vec<Action> {
        let snapshot = scene.snapshot;
        let Some(Page::Diff(page)) = self.pages.last() else {
            return Vec::new();
        };
        let process = page.process(snapshot).and_then(|id| snapshot.process(id));
        let (Some(process), Some(text), Some(whole)) = (process, page.read(), page.whole(snapshot))
        else {
            self.note(
                Level::Info,
                "There is nothing here that this could be done with.",
            );
            return Vec::new();
        };
        let changes = &text.changes;
        if text.files.is_empty() && changes.ahead == 0 {
            let line = format!(
                "Nothing differs from {}: there is nothing to do that with.",
                changes.base
            );
            self.note(Level::Info, line);
            return Vec::new();
        }
        let (name, branch, base) = (&process.name, &changes.branch, &changes.base);
        let task = match page.of {
            WorkOf::Task(task) => snapshot.task(task),
            WorkOf::Process(_) => None,
        };
        match verb {
            Verb::HandBack if page.conflicts().is_empty() => {
                let line = format!("{branch} is in no conflict with {base}.");
                self.note(Level::Info, line);
            }
            Verb::HandBack => {
                let mut new = conflict_task(process.id, branch, base, page.conflicts());
                if let WorkOf::Task(task) = whole {
                    new.continues = Some(task);
                }
                let order = Command::AddTask(Box::new(new));
                return self.give(vec![Order::new(format!("hand it back to {name}"), order)]);
            }
            Verb::Bring => {
                let words = match task {
                    Some(task) => task.title().to_owned(),
                    None => format!("Work of {name}"),
                };
                let dialog = BringDialog::new(whole, changes, changes.uncommitted, &words);
                self.dialogs.push(Dialog::Bring(Box::new(dialog)));
            }
            Verb::Patch => {
                let file = match page.of {
                    WorkOf::Task(task) => format!("{task}.patch"),
                    WorkOf::Process(_) => format!("{}.patch", branch.replace('/', "-")),
                };
                let whose = match task {
                    Some(task) => task.id.to_string(),
                    None => name.clone(),
                };
                let folder = scene.path(&scene.look.caps.working_directory);
                let file = format!("{folder}/{file}");
                let dialog = LineDialog::patch(page.of, &whose, &file);
                self.dialogs.push(Dialog::Line(Box::new(dialog)));
            }
            _ => {
                let commits = format::plural(changes.ahead as usize, "commit", "commits");
                let open = match changes.uncommitted {
                    0 => String::new(),
                    1 => " and 1 file that is not committed".to_owned(),
                    n => format!(" and {n} files that are not committed"),
                };
                let question = format!("Discard {branch}: {commits}{open}?");
                let consequence = format!(
                    "The worktree is as {base} is then. All of it, untracked files too, is kept in a ref first: \
                     `headcount restore {}` brings it back.",
                    process.id
                );
                let command = Command::Work {
                    of: whole,
                    order: WorkOrder::Discard,
                };
                let order = Order::new(format!("discard {branch}"), command);
                let dialog = Confirm::new(question, consequence, vec![order]);
                self.dialogs.push(Dialog::Confirm(dialog));
            }
        }
        Vec::new()
    }
}
