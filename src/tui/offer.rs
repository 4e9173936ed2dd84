//! What can be done now with what is selected: the footer shows it, a key that cannot says why.

use crate::domain::inbox::{Ask, Request};
use crate::domain::snapshot::{ProcessView, Snapshot, Status};
use crate::tui::chrome::{self, Tab};
use crate::tui::keys::{self, Key, Verb};
use crate::tui::scene::Scene;
use crate::tui::view::{Page, View};

impl View {
    /// The process that keys act on.
    pub(crate) fn subject<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a ProcessView> {
        let id = match (self.pages.last(), self.tab) {
            (Some(Page::Logs(logs)), _) => Some(logs.process),
            (None, Tab::Processes) => self.processes.selected(snapshot),
            (None, _) => None,
        };
        snapshot.process(id?).map(AsRef::as_ref)
    }

    /// The open request that answer keys act on.
    pub(crate) fn asked<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Request> {
        let subject = self.subject(snapshot)?;
        let found = snapshot.request(*subject.requests.first()?)?;
        found.is_open().then_some(found.as_ref())
    }

    /// The keys that work now: those of the place, and those that are always shown.
    pub(crate) fn offers(
        &self,
        scene: Scene<'_>,
    ) -> (Vec<(Key, &'static str)>, Vec<(Key, &'static str)>) {
        let (mut here, mut always) = (Vec::new(), Vec::new());
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
                Verb::Help | Verb::Detach => always.push((*key, label)),
                _ => here.push((*key, label)),
            }
        }
        (here, always)
    }

    /// The label of a verb; `None` where it can do nothing now.
    fn offer(&self, verb: Verb, label: &'static str, snapshot: &Snapshot) -> Option<&'static str> {
        if !self.dialogs.is_empty() {
            return Some(label);
        }
        let subject = self.subject(snapshot);
        let asked = self.asked(snapshot);
        let permission = |request: &Request| matches!(request.ask, Ask::Permission { .. });
        let offered = match verb {
            Verb::Yes | Verb::Always => asked.is_some_and(permission),
            Verb::Answer => asked.is_some_and(|request| !permission(request)),
            Verb::Deny => asked.is_some(),
            Verb::Demo => snapshot.agent_missing.is_some(),
            Verb::Start => subject.is_some_and(can_start),
            Verb::Stop => {
                let process = subject.filter(|process| can_stop(process))?;
                return Some(match self.pressed(process) {
                    0 => label,
                    1 => "interrupt",
                    _ => "kill",
                });
            }
            Verb::Kill | Verb::Restart => subject.is_some_and(ProcessView::is_up),
            Verb::Remove => subject.is_some_and(|process| !process.is_up()),
            Verb::Log | Verb::Why | Verb::Mark => subject.is_some(),
            Verb::Open => subject.is_some(),
            Verb::NextWaiting => {
                chrome::needs(snapshot) > 0 || chrome::waiting_requests(snapshot) > 0
            }
            Verb::Filter => !snapshot.processes.is_empty(),
            Verb::Mistakes => snapshot.configuration_mistakes.is_some(),
            _ => true,
        };
        offered.then_some(label)
    }

    /// How often a stop was asked for already, here or elsewhere.
    pub(crate) fn pressed(&self, process: &ProcessView) -> u8 {
        let here = self.presses.get(&process.id).copied().unwrap_or(0);
        here.max(u8::from(process.status == Status::Stopping))
    }
}

/// Whether a start means something.
pub(crate) fn can_start(process: &ProcessView) -> bool {
    !process.is_up() && process.status != Status::Starting
}

/// Whether a stop means something: it is up, or would come up by itself.
pub(crate) fn can_stop(process: &ProcessView) -> bool {
    process.is_up() || matches!(process.status, Status::Backoff | Status::Starting)
}
