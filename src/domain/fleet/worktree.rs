//! Where processes work: in their folder, or in a git worktree of their own.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::effect::Effect;
use crate::domain::fleet::Fleet;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::log::LogKind;
use crate::domain::process::Process;
use crate::domain::role::{Kind, Role};
use crate::domain::snapshot::Level;
use crate::domain::worktree::{UseWorktree, Worktree, WorktreePlan};

/// How long all set-up commands of a new worktree may take together.
const SET_UP: Duration = Duration::from_secs(15 * 60);

/// What a launch needs to know, but for the colleagues.
pub(super) fn plan(process: &Process, role: &Role) -> WorktreePlan {
    let mut rule = role.worktree.clone();
    if let Some(when) = process.spec.worktree {
        rule.when = when;
    }
    // Who does not work through the queue writes no code beside colleagues.
    let kind = process.spec.kind.unwrap_or(role.kind);
    if kind != Kind::Batch && rule.when == UseWorktree::Auto {
        rule.when = UseWorktree::Never;
    }
    WorktreePlan {
        rule,
        known: process.worktree.clone(),
        others: Vec::new(),
    }
}

/// What a launch may take longer, since a worktree may have to be set up first.
pub(super) fn time_to_set_up(plan: &WorktreePlan) -> Duration {
    if plan.rule.when == UseWorktree::Never && plan.known.is_none() {
        Duration::ZERO
    } else {
        SET_UP
    }
}

impl Fleet {
    /// The folders of all others that work through the queue without a worktree of their own.
    pub(super) fn colleagues_folders(&self, id: ProcessId) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = self
            .processes
            .values()
            .filter(|other| other.id != id && other.worktree.is_none())
            .filter(|other| {
                let role = self.catalogue.role(&other.spec.role);
                let kind = other.spec.kind.or_else(|| role.map(|role| role.kind));
                kind == Some(Kind::Batch)
            })
            .map(|other| other.working_directory.clone())
            .collect();
        folders.sort();
        folders.dedup();
        folders
    }

    pub(super) fn placed(&mut self, run: RunId, worktree: Option<Worktree>, notes: &[String]) {
        let found = self.live_runs().find(|(_, live)| *live == run);
        let Some(id) = found.map(|(process, _)| process.id) else {
            return;
        };
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let name = process.name.clone();
        if let Some(worktree) = worktree
            && process.worktree.as_ref() != Some(&worktree)
        {
            let text = format!(
                "works in a git worktree of its own, on the branch {} from {}",
                worktree.branch, worktree.base
            );
            process.worktree = Some(worktree);
            self.touch(id);
            self.note(id, LogKind::System, &text);
        }
        for note in notes {
            self.note(id, LogKind::System, note);
            self.say(Level::Warning, Some(id), format!("{name}: {note}"));
        }
    }

    /// Has the state of the worktree noted, if the process has one.
    pub(super) fn mark_task(&mut self, process: ProcessId, task: TaskId, end: bool) {
        let known = self.processes.get(&process);
        let Some(worktree) = known.and_then(|process| process.worktree.clone()) else {
            return;
        };
        self.durable.push(Effect::Mark {
            process,
            worktree: Box::new(worktree),
            task,
            end,
        });
    }
}
