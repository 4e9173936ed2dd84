//! Verbs of tasks: what becomes of one, where it stands, in which order they are shown.

use std::collections::BTreeSet;

use crate::domain::command::Command;
use crate::domain::id::TaskId;
use crate::domain::snapshot::{Level, Snapshot};
use crate::domain::task::{Move, Priority, Task, TaskChange};
use crate::tui::action::Action;
use crate::tui::chrome::Tab;
use crate::tui::dialogs::confirm::Confirm;
use crate::tui::dialogs::reader::Reader;
use crate::tui::dialogs::task::TaskDialog;
use crate::tui::dialogs::{Dialog, Order};
use crate::tui::format;
use crate::tui::keys::Verb;
use crate::tui::offer::{can_cancel, can_hold, can_release, can_retry};
use crate::tui::scene::Scene;
use crate::tui::task_order::TaskOrder;
use crate::tui::view::View;
use crate::tui::widgets::status;

impl View {
    /// Carries out a verb on the selected task, or says why it means nothing now.
    pub(crate) fn handle_task(&mut self, verb: Verb, snapshot: &Snapshot) -> Vec<Action> {
        let Some(task) = self.task(snapshot) else {
            let line = match (self.tab, snapshot.tasks.is_empty()) {
                (Tab::Inbox, _) => "That is for a task that failed, and none is selected.",
                (_, true) => "There is no task: t writes one.",
                (_, false) => "No task is selected.",
            };
            self.note(Level::Info, line);
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
            Verb::Retry if can_retry(task) => self.give_one("retry", id, Command::RetryTask(id)),
            Verb::Release if can_release(task) => {
                self.give_one("release", id, Command::ReleaseTask(id))
            }
            Verb::Release if can_hold(task) => self.give_one("hold", id, Command::HoldTask(id)),
            Verb::Edit if task.is_waiting() => {
                let dialog = TaskDialog::edit(task, snapshot);
                self.dialogs.push(Dialog::Task(Box::new(dialog)));
                Vec::new()
            }
            Verb::Remove if !task.state.is_leased() => {
                let question = format!("Delete {id}, {}?", task.title());
                let dialog = Confirm::new(
                    question,
                    what_goes(task, snapshot),
                    vec![Order::new(format!("delete {id}"), Command::RemoveTask(id))],
                );
                self.dialogs.push(Dialog::Confirm(dialog));
                Vec::new()
            }
            Verb::More | Verb::Fewer if task.is_waiting() => self.hurry(verb, task),
            Verb::Sooner | Verb::Behind if task.is_waiting() => self.pass(verb, id, snapshot),
            Verb::Around => {
                self.dialogs.push(Dialog::Reader(Reader::around(id)));
                Vec::new()
            }
            _ => {
                let state = status::task_word(task.state);
                let hint = match verb {
                    Verb::Cancel => "there is nothing to take back",
                    Verb::Retry => "only what ended without success is tried again",
                    Verb::Remove => "c takes it back first",
                    Verb::Edit => "only what waits can be changed",
                    Verb::Release => "only what waits is held or released",
                    _ => "only what waits has a place in the queue",
                };
                self.note(Level::Info, format!("{id} is {state}: {hint}."));
                Vec::new()
            }
        }
    }

    fn give_one(&mut self, word: &str, id: TaskId, command: Command) -> Vec<Action> {
        self.give(vec![Order::new(format!("{word} {id}"), command)])
    }

    /// One step more or less urgent.
    fn hurry(&mut self, verb: Verb, task: &Task) -> Vec<Action> {
        let at = Priority::ALL.iter().position(|one| *one == task.priority);
        let next = match (at, verb) {
            (Some(at), Verb::More) => at.checked_sub(1),
            (at, _) => at.map(|at| at + 1),
        };
        let Some(priority) = next.and_then(|at| Priority::ALL.get(at)).copied() else {
            let line = format!("{} is {} already.", task.id, task.priority.as_str());
            self.note(Level::Info, line);
            return Vec::new();
        };
        let change = TaskChange {
            priority: Some(priority),
            ..TaskChange::default()
        };
        let command = Command::EditTask {
            task: task.id,
            change: Box::new(change),
        };
        self.give_one("change the priority of", task.id, command)
    }

    /// One place sooner or later in the queue, of those that are shown.
    fn pass(&mut self, verb: Verb, task: TaskId, snapshot: &Snapshot) -> Vec<Action> {
        let shown: BTreeSet<TaskId> = self.tasks.keys(snapshot).into_iter().collect();
        let mut waiting: Vec<_> = snapshot
            .tasks
            .iter()
            .filter(|one| one.is_waiting())
            .map(|one| (one.place(), one.id))
            .collect();
        waiting.sort_unstable();
        let at = waiting.iter().position(|(_, id)| *id == task);
        let (before, after) = waiting.split_at(at.unwrap_or(0));
        let is_shown = |(_, id): &&(_, TaskId)| shown.contains(id);
        let to = match verb {
            Verb::Sooner => before
                .iter()
                .rfind(is_shown)
                .map(|(_, id)| Move::Before(*id)),
            _ => {
                let mut after = after.iter().skip(1).skip_while(|one| !is_shown(one));
                // Before the one behind the next, or behind all.
                after.next().map(|_| {
                    let behind = after.next();
                    behind.map_or(Move::Last, |(_, id)| Move::Before(*id))
                })
            }
        };
        let Some(to) = to else {
            let end = if verb == Verb::Sooner {
                "first"
            } else {
                "last"
            };
            let of = if self.tasks.filter.is_empty() {
                "in the queue"
            } else {
                "of those that are shown"
            };
            self.note(Level::Info, format!("{task} is the {end} {of}."));
            return Vec::new();
        };
        let orders = self.give_one("move", task, Command::MoveTask { task, to });
        if let Some(order) = &self.tasks.order {
            let line = format!(
                "Moved; the list is by {}, Esc shows the order of work.",
                order.column.as_str()
            );
            self.note(Level::Info, line);
        }
        orders
    }

    /// Sorts the tasks by the next column, or the other way round.
    pub(crate) fn sort_tasks(&mut self, verb: Verb, scene: Scene<'_>) {
        let (snapshot, now) = (scene.snapshot, scene.now.wall);
        match (verb, self.tasks.order.as_ref()) {
            (Verb::Sort, order) => {
                let next = TaskOrder::next(order.map(|order| order.column));
                self.tasks.order = next.map(|column| TaskOrder::take(column, snapshot, now));
            }
            (_, Some(order)) => self.tasks.order = Some(order.reversed(snapshot, now)),
            (_, None) => self.note(
                Level::Info,
                "The tasks are in their usual order; S sorts them by a column.",
            ),
        }
        self.settle(snapshot);
    }
}

/// What a deletion takes along, and whom it concerns.
fn what_goes(task: &Task, snapshot: &Snapshot) -> String {
    let what = if task.result.is_some() {
        "Its result goes with it"
    } else {
        "It is not kept anywhere"
    };
    let open = snapshot.tasks.rows().filter(|row| !row.state.is_final());
    let waiting = open.filter(|row| row.task.after.contains(&task.id)).count();
    match waiting {
        0 => format!("{what}."),
        n => format!(
            "{what}; {} for it.",
            format::plural(n, "task waits", "tasks wait")
        ),
    }
}
