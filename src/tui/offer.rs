//! What can be done now with what is selected: the footer shows it, a key that cannot says why.

use std::collections::BTreeSet;

use crate::domain::automation::Rest;
use crate::domain::id::{AlertId, ProcessId, TaskId};
use crate::domain::inbox::{self, Ask, Item, Request};
use crate::domain::snapshot::{ProcessView, Snapshot, Status};
use crate::domain::task::{Task, TaskState};
use crate::tui::chrome::{self, Tab};
use crate::tui::dialogs::Dialog;
use crate::tui::keys::{self, Key, Verb};
use crate::tui::scene::Scene;
use crate::tui::screens::inbox::Inbox;
use crate::tui::view::{Page, View};

/// Keys and what they do now, for the footer.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    /// Those of the place, the most important ones first.
    pub(crate) here: Vec<(Key, &'static str)>,
    /// Those that are always shown.
    pub(crate) always: Vec<(Key, &'static str)>,
    /// How many are marked, whom keys act on then.
    pub(crate) marked: usize,
}

impl View {
    /// The process that keys act on.
    pub(crate) fn subject<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a ProcessView> {
        let id = match (self.pages.last(), self.tab) {
            (Some(Page::Details(page)), _) => Some(page.process),
            (Some(Page::Logs(page)), _) => Some(page.process),
            (Some(Page::Diff(page)), _) => page.process(snapshot),
            (Some(Page::Task(_)), _) | (None, Tab::Tasks) => {
                self.task(snapshot).and_then(Task::process)
            }
            (None, Tab::Processes) => self.processes.selected(snapshot),
            (None, Tab::Inbox) => match self.inbox.selected(snapshot)? {
                Item::Request(id) => Some(snapshot.request(id)?.process),
                Item::Stuck(id) | Item::Updates(id) => Some(id),
                Item::Alert(id) => snapshot.alert(id)?.process,
                Item::Failed(id) => snapshot.task(id)?.process(),
            },
            (None, Tab::Roles) => None,
        };
        snapshot.process(id?).map(AsRef::as_ref)
    }

    /// The task that keys act on.
    pub(crate) fn task<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Task> {
        let id = match (self.pages.last(), self.tab) {
            (Some(Page::Task(page)), _) => Some(page.task),
            (None, Tab::Tasks) => self.tasks.selected(snapshot),
            (None, Tab::Inbox) => match self.inbox.selected(snapshot)? {
                Item::Failed(id) => Some(id),
                Item::Request(_) | Item::Stuck(_) | Item::Alert(_) | Item::Updates(_) => None,
            },
            _ => None,
        };
        snapshot.task(id?).map(AsRef::as_ref)
    }

    /// What is selected in the inbox, while that is in front.
    pub(crate) fn item(&self, snapshot: &Snapshot) -> Option<Item> {
        let in_front = self.pages.is_empty() && self.tab == Tab::Inbox;
        self.inbox.selected(snapshot).filter(|_| in_front)
    }

    /// The alert that is selected in the inbox.
    pub(crate) fn alert(&self, snapshot: &Snapshot) -> Option<AlertId> {
        match self.item(snapshot)? {
            Item::Alert(id) => Some(id),
            _ => None,
        }
    }

    /// The task that failed and is selected in the inbox.
    pub(crate) fn failed(&self, snapshot: &Snapshot) -> Option<TaskId> {
        match self.item(snapshot)? {
            Item::Failed(id) => Some(id),
            Item::Request(_) | Item::Stuck(_) | Item::Alert(_) | Item::Updates(_) => None,
        }
    }

    /// Whether keys act on a task rather than on a process or a request.
    pub(crate) fn is_on_a_task(&self) -> bool {
        matches!(
            (self.pages.last(), self.tab),
            (Some(Page::Task(_)), _) | (None, Tab::Tasks)
        )
    }

    /// The open request that answer keys act on.
    pub(crate) fn asked<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Request> {
        let id = if self.pages.is_empty() && self.tab == Tab::Inbox {
            self.inbox.request(snapshot)?
        } else {
            *self.subject(snapshot)?.requests.first()?
        };
        let found = snapshot.request(id)?;
        found.is_open().then_some(found.as_ref())
    }

    /// The keys that work now: those of the place, and those that are always shown.
    pub(crate) fn offers(&self, scene: Scene<'_>) -> Offers {
        let mut offers = Offers {
            marked: self.marked().len(),
            ..Offers::default()
        };
        for binding in keys::bindings(self.place()) {
            let Some(key) = binding.keys.first() else {
                continue;
            };
            let Some(label) = self.offer(binding.verb, binding.label, scene.snapshot) else {
                continue;
            };
            if label.is_empty() {
                continue;
            }
            match binding.verb {
                Verb::Help | Verb::Detach if self.dialogs.is_empty() => {
                    offers.always.push((*key, label))
                }
                _ => offers.here.push((*key, label)),
            }
        }
        offers
    }

    /// The label of a verb; `None` where it can do nothing now.
    fn offer(&self, verb: Verb, label: &'static str, snapshot: &Snapshot) -> Option<&'static str> {
        if let Some(Dialog::Alike(dialog)) = self.dialogs.last() {
            return dialog.label(verb, label);
        }
        if let Some(Dialog::Hire(dialog)) = self.dialogs.last()
            && verb == Verb::Help
            && dialog.is_typing()
        {
            return None;
        }
        if !self.dialogs.is_empty() {
            let usable = verb != Verb::Editor || self.look.caps.editor;
            return usable.then_some(label);
        }
        if !self.marked().is_empty() {
            return self.offer_to_marked(verb, label, snapshot);
        }
        if let Some(team) = self.team(snapshot) {
            let up = team.sum().up > 0;
            let offered = match verb {
                Verb::Stop | Verb::Restart | Verb::InTurn => Some(up),
                Verb::Start => Some(team.declared && team.sum().up < team.sum().wanted),
                Verb::More | Verb::Fewer | Verb::Why => Some(true),
                Verb::Open => return Some("fold"),
                _ => None,
            };
            if let Some(offered) = offered {
                return offered.then_some(label);
            }
        }
        let subject = self.subject(snapshot);
        let asked = self.asked(snapshot);
        let permission = |request: &Request| matches!(request.ask, Ask::Permission { .. });
        let offered = match verb {
            Verb::Yes | Verb::Always => asked.is_some_and(permission),
            Verb::Answer if self.is_on_a_task() => self.task(snapshot).is_some_and(can_follow),
            Verb::Answer => asked.is_some_and(|request| !permission(request)),
            Verb::Deny => match self.item(snapshot) {
                Some(Item::Updates(_)) => return Some("not now"),
                _ => asked.is_some(),
            },
            Verb::Alike => match self.item(snapshot) {
                Some(item @ (Item::Alert(_) | Item::Failed(_) | Item::Updates(_))) => {
                    inbox::waiting(snapshot)
                        .iter()
                        .filter(|one| item.is_like(one))
                        .count()
                        > 1
                }
                _ => asked.is_some_and(|one| Inbox::alike(one, snapshot).len() > 1),
            },
            Verb::Later => {
                let waiting = inbox::waiting(snapshot);
                let item = self.item(snapshot);
                waiting.len() > 1 && item.is_some_and(|item| waiting.contains(&item))
            }
            Verb::Acknowledge if self.failed(snapshot).is_some() => return Some("let be"),
            Verb::Acknowledge => {
                let label = if self.tab == Tab::Inbox && self.pages.is_empty() {
                    label
                } else {
                    ""
                };
                return (chrome::new_alerts(snapshot) > 0).then_some(label);
            }
            Verb::Demo => can_demo(snapshot),
            Verb::Start if self.tab == Tab::Inbox && self.pages.is_empty() => {
                matches!(self.item(snapshot), Some(Item::Stuck(_)))
                    && subject.is_some_and(can_start)
            }
            Verb::Start => subject.is_some_and(can_start),
            Verb::Stop => {
                let process = subject.filter(|process| can_stop(process))?;
                return Some(match self.pressed(process) {
                    0 => label,
                    1 if process.task.is_some() => "interrupt",
                    1 => "stop now",
                    _ => "kill",
                });
            }
            Verb::Diff if self.is_on_a_task() => self
                .task(snapshot)
                .and_then(Task::process)
                .and_then(|process| snapshot.process(process))
                .is_some_and(|process| has_worktree(process)),
            Verb::Diff => subject.is_some_and(has_worktree),
            Verb::Bring | Verb::Patch | Verb::Discard => {
                matches!(self.pages.last(), Some(Page::Diff(page)) if page.present().is_some())
            }
            Verb::HandBack => {
                matches!(self.pages.last(), Some(Page::Diff(page)) if !page.conflicts().is_empty())
            }
            Verb::Right if matches!(self.pages.last(), Some(Page::Diff(_))) => matches!(
                self.pages.last(),
                Some(Page::Diff(page)) if page.read().is_some_and(|text| text.files.len() > 1)
            ),
            Verb::Message => subject.is_some_and(can_be_told),
            Verb::Kill | Verb::Restart => subject.is_some_and(ProcessView::is_up),
            Verb::Remove if self.is_on_a_task() => self
                .task(snapshot)
                .is_some_and(|task| !task.state.is_leased()),
            Verb::Remove => subject.is_some_and(|process| !process.is_up()),
            Verb::Log | Verb::Why | Verb::Mark | Verb::MarkRange => subject.is_some(),
            Verb::Sort if self.tab == Tab::Tasks => snapshot.tasks.len() > 1,
            Verb::Reverse if self.tab == Tab::Tasks => self.tasks.order.is_some(),
            Verb::More | Verb::Fewer if self.is_on_a_task() => {
                self.task(snapshot).is_some_and(Task::is_waiting)
            }
            Verb::More | Verb::Fewer | Verb::InTurn => false,
            Verb::Teams => {
                return (!snapshot.clusters.is_empty()).then_some(if self.processes.by_cluster {
                    "departments"
                } else {
                    label
                });
            }
            Verb::Sort => snapshot.processes.len() > 1,
            Verb::Reverse => self.processes.order.is_some(),
            Verb::Open => match self.tab {
                Tab::Processes if subject.is_none() && self.processes.row(snapshot).is_some() => {
                    return Some("unfold");
                }
                Tab::Processes => subject.is_some(),
                Tab::Tasks => self.task(snapshot).is_some(),
                Tab::Inbox => match self.inbox.selected(snapshot) {
                    Some(Item::Alert(_)) => subject.is_some(),
                    selected => selected.is_some(),
                },
                Tab::Roles => self.roles.selected(snapshot).is_some(),
            },
            Verb::Cancel => self.task(snapshot).is_some_and(can_cancel),
            Verb::Edit | Verb::Sooner | Verb::Behind => {
                self.task(snapshot).is_some_and(Task::is_waiting)
            }
            Verb::Around => self
                .task(snapshot)
                .is_some_and(|task| is_knit(task, snapshot)),
            Verb::Retry => self.task(snapshot).is_some_and(can_retry),
            Verb::Release => match self.task(snapshot) {
                Some(task) if can_hold(task) => return Some("hold"),
                task => task.is_some_and(can_release),
            },
            Verb::NextWaiting => {
                chrome::needs(snapshot) > 0 || chrome::waiting_requests(snapshot) > 0
            }
            Verb::NextHit | Verb::PreviousHit => {
                matches!(self.pages.last(), Some(Page::Logs(logs)) if logs.is_searched())
            }
            Verb::Filter if !self.pages.is_empty() => true,
            Verb::Copy => match self.pages.last() {
                Some(_) => true,
                None => self.inbox.request(snapshot).is_some(),
            },
            Verb::Filter if self.tab == Tab::Tasks => !snapshot.tasks.is_empty(),
            Verb::Filter => !snapshot.processes.is_empty(),
            Verb::Mistakes => is_troubled(snapshot),
            Verb::Updates => snapshot
                .processes
                .iter()
                .any(|process| process.updates_available),
            _ => true,
        };
        offered.then_some(label)
    }

    /// Those that are marked, while keys act on them.
    fn marked(&self) -> &BTreeSet<ProcessId> {
        static NOBODY: BTreeSet<ProcessId> = BTreeSet::new();
        let in_front = self.dialogs.is_empty() && self.pages.is_empty();
        if in_front && self.tab == Tab::Processes {
            &self.processes.marked
        } else {
            &NOBODY
        }
    }

    /// The label of a verb where several are marked: only what means all of them, or marks others.
    fn offer_to_marked(
        &self,
        verb: Verb,
        label: &'static str,
        snapshot: &Snapshot,
    ) -> Option<&'static str> {
        let any = |fits: fn(&ProcessView) -> bool| {
            let mut marked = self.marked().iter().filter_map(|id| snapshot.process(*id));
            marked.any(|process| fits(process))
        };
        let offered = match verb {
            Verb::Start => any(can_start),
            Verb::Stop => any(can_stop),
            Verb::Kill | Verb::Restart => any(ProcessView::is_up),
            Verb::Remove => any(|process| !process.is_up()),
            Verb::MarkRange => return Some("mark to here"),
            // The count of them says that key.
            Verb::Back => return Some(""),
            Verb::Mark | Verb::Help | Verb::Detach => true,
            _ => false,
        };
        offered.then_some(label)
    }

    /// How often a stop was asked for already, here or elsewhere.
    pub(crate) fn pressed(&self, process: &ProcessView) -> u8 {
        let here = self.presses.get(&process.id).copied().unwrap_or(0);
        here.max(u8::from(process.status == Status::Stopping))
    }
}

/// Whether the demo is offered: there is no agent, and nobody who would be left for it.
pub(crate) fn can_demo(snapshot: &Snapshot) -> bool {
    snapshot.agent_missing.is_some() && snapshot.processes.is_empty()
}

/// Whether something is wrong that concerns everyone.
pub(crate) fn is_troubled(snapshot: &Snapshot) -> bool {
    snapshot.configuration_mistakes.is_some() || snapshot.agent_missing.is_some()
}

/// Whether what it changes can be told.
pub(crate) const fn has_worktree(process: &ProcessView) -> bool {
    process.worktree.is_some()
}

/// Whether a start means something.
pub(crate) fn can_start(process: &ProcessView) -> bool {
    !process.is_up() && process.status != Status::Starting
}

/// Whether a stop means something: it is up, or would come up by itself.
pub(crate) fn can_stop(process: &ProcessView) -> bool {
    process.is_up()
        || matches!(process.status, Status::Backoff | Status::Starting)
        || process.upkeep.next_run.is_some()
        || matches!(process.upkeep.rest, Some(Rest::Idle | Rest::Instance))
}

/// Whether it has a turn that a message can join.
pub(crate) fn can_be_told(process: &ProcessView) -> bool {
    process.is_up() && process.protocol.is_read() && process.task.is_some()
}

/// Whether it waits for others or others wait for it still.
fn is_knit(task: &Task, snapshot: &Snapshot) -> bool {
    !task.after.is_empty()
        || snapshot
            .tasks
            .rows()
            .filter(|row| !row.state.is_final())
            .any(|row| row.task.after.contains(&task.id))
}

/// Whether it can be taken back.
pub(crate) const fn can_cancel(task: &Task) -> bool {
    !task.state.is_final() && !task.cancelling
}

/// Whether it ended without success.
pub(crate) const fn can_retry(task: &Task) -> bool {
    task.state.is_final() && !matches!(task.state, TaskState::Succeeded)
}

/// Whether its conversation can be gone on with.
pub(crate) fn can_follow(task: &Task) -> bool {
    task.state.is_final() && task.conversation().is_some()
}

/// Whether it waits, and not yet for a person to release it.
pub(crate) const fn can_hold(task: &Task) -> bool {
    matches!(task.state, TaskState::Queued | TaskState::Blocked)
}

/// Whether it waits for a person to release it.
pub(crate) const fn can_release(task: &Task) -> bool {
    matches!(task.state, TaskState::Held)
}
