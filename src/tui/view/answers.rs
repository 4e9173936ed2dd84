//! What comes back to a view: the answers to its orders, and texts from the person's editor.

use crate::domain::command::{Command, Outcome, Refusal};
use crate::domain::id::ProcessId;
use crate::domain::snapshot::{Level, Snapshot};
use crate::domain::worktree::{Merged, WorkDone, WorkOf, WorkSummary, conflict_task, named};
use crate::tui::action::Action;
use crate::tui::dialogs::confirm::Confirm;
use crate::tui::dialogs::{Dialog, Order};
use crate::tui::format::Present;
use crate::tui::notice::Notice;
use crate::tui::view::{Page, View};

impl View {
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
                // What went wrong before, and how a stop was announced, is old now.
                let ended = matches!(outcome, Outcome::Stopped(..));
                let old = |notice: &Notice| match notice.level {
                    Level::Info => ended && notice.is_answer(),
                    Level::Warning | Level::Error => true,
                };
                if self.notice.as_ref().is_some_and(old) {
                    self.notice = None;
                }
                if let Some((at, _)) = self.tied(ticket) {
                    self.dialogs.remove(at);
                }
                match outcome {
                    Outcome::TaskAdded(task) => {
                        self.news(Level::Info, format!("{task} is accepted and on disk."));
                    }
                    Outcome::TaskKnown(task) => {
                        self.news(Level::Info, format!("{task} was there already."));
                    }
                    Outcome::TasksAdded(tasks) => {
                        let line = format!("{} tasks are accepted and on disk.", tasks.len());
                        self.news(Level::Info, line);
                    }
                    Outcome::Said(task) => {
                        self.news(
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
                            self.news(Level::Info, kept(&saved.process, left.as_deref()));
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
                    None => self.news(Level::Error, line),
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
                self.news(Level::Info, line);
            }
            WorkDone::Exported { to, bytes } => {
                let line = format!(
                    "Written: {}, {bytes} bytes; `git apply` takes it.",
                    to.display()
                );
                self.news(Level::Info, line);
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
}

/// What is said of a worktree that went with its process.
fn kept(process: &ProcessId, left: Option<&WorkSummary>) -> String {
    let open = left.and_then(WorkSummary::uncommitted);
    let open = open.map(|open| format!("{open}. ")).unwrap_or_default();
    format!(
        "{open}All that was in its worktree is kept: `headcount restore {process}` brings it back."
    )
}
