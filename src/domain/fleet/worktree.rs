//! Where processes work: in their folder, or in a git worktree of their own.

use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::{Effect, ReplyId};
use crate::domain::fleet::Fleet;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::log::LogKind;
use crate::domain::process::{Phase, Process, Turn};
use crate::domain::role::{Kind, Role};
use crate::domain::snapshot::Activity;
use crate::domain::snapshot::Level;
use crate::domain::task::{AttemptEnd, Task};
use crate::domain::worktree::{
    Merged, Switch, UseWorktree, WorkDone, WorkOf, WorkOrder, WorkSummary, Worktree, WorktreePlan,
    named,
};

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
    let team = process.spec.cluster.is_some() && rule.when == UseWorktree::Auto;
    WorktreePlan {
        team,
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
    /// The folders of all others that work through the queue without a worktree of their own; none for whom has
    /// worked in its folder itself before: it stays there, whoever came since.
    pub(super) fn colleagues_folders(&self, id: ProcessId) -> Vec<PathBuf> {
        let own = self.processes.get(&id);
        if own.is_some_and(|own| own.last_run.is_some() && own.worktree.is_none()) {
            return Vec::new();
        }
        let mut folders: Vec<PathBuf> = self
            .processes
            .values()
            .filter(|other| other.id != id && other.worktree.is_none())
            // Whoever was never started comes after, and has one made then.
            .filter(|other| !matches!(other.phase, Phase::Down) || other.last_run.is_some())
            .filter(|other| {
                let role = self.catalogue.role_for(&other.spec);
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
        self.durable.push(Effect::Placed { process: id, run });
        self.survey(id, false);
        for note in notes {
            self.note(id, LogKind::System, note);
            // A team of seven is told once.
            let known = self.messages.iter().any(|one| one.text.ends_with(note));
            if !known {
                self.say(Level::Warning, Some(id), format!("{name}: {note}"));
            }
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

    /// Which branch the worktree of a process has to be put on for a task; `None` where it is on it, and where
    /// there is no worktree.
    pub(super) fn switch_for(&self, id: ProcessId, task: TaskId) -> Option<Switch> {
        let present = self.processes.get(&id)?.worktree.as_ref()?;
        let role = self.role_of(id)?;
        let known = self.tasks.get(&task)?;
        // What goes on in a conversation goes on where that was.
        let earlier = known
            .continues
            .and_then(|continued| self.tasks.get(&continued.task))
            .and_then(|earlier| earlier.worktree.as_deref());
        let (whose, branch) = match (&known.worktree, earlier) {
            (Some(own), _) => (own.task, Some(own.branch.clone())),
            (None, Some(earlier)) => (earlier.task, Some(earlier.branch.clone())),
            (None, None) if known.target.own_branch || role.worktree.per_task => (Some(task), None),
            (None, None) => (None, None),
        };
        if whose == present.task {
            return None;
        }
        Some(match whose {
            Some(task) => Switch::Task {
                task,
                known: branch,
            },
            None => Switch::Back,
        })
    }

    /// Has the worktree put on the branch for a task.
    pub(super) fn place(&mut self, id: ProcessId, task: TaskId, message: Uuid) {
        let known = self.processes.get(&id);
        let Some((run, worktree)) =
            known.and_then(|process| Some((process.live()?.run, process.worktree.clone()?)))
        else {
            return;
        };
        let Some(to) = self.switch_for(id, task) else {
            self.hand_over_task(id, task, message);
            return;
        };
        let base = self.role_of(id).and_then(|role| role.worktree.base.clone());
        self.durable.push(Effect::Place {
            process: id,
            run,
            worktree: Box::new(worktree),
            to,
            base,
            message,
        });
    }

    pub(super) fn moved(
        &mut self,
        id: ProcessId,
        run: RunId,
        message: Uuid,
        result: Result<Worktree, Refusal>,
    ) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        if let Ok(worktree) = &result {
            process.worktree = Some(worktree.clone());
        }
        self.touch(id);
        // Whatever became of the task: that is where the worktree is.
        let turn = self
            .processes
            .get(&id)
            .and_then(Process::live)
            .filter(|live| live.run == run)
            .map(|live| live.turn);
        let Some(Turn::Placing {
            task,
            message: ours,
        }) = turn
        else {
            return;
        };
        if ours != message {
            return;
        }
        let still = self
            .tasks
            .get(&task)
            .and_then(|task| task.lease)
            .is_some_and(|lease| lease.process == id && lease.message == message);
        match result {
            Ok(_) if !still => self.turn_is_over(id),
            Ok(worktree) => {
                self.note(
                    id,
                    LogKind::System,
                    &format!("on the branch {} for {task}", worktree.branch),
                );
                self.with_task(task, |task| {
                    task.worktree = worktree.task.is_some().then(|| Box::new(worktree));
                });
                self.hand_over_task(id, task, message);
            }
            Err(refusal) => {
                let remedy = refusal.remedy().map(|remedy| format!("; {remedy}"));
                let reason = format!(
                    "its worktree could not be put on the branch for it: {refusal}{}",
                    remedy.unwrap_or_default()
                );
                self.turn_is_over(id);
                if still {
                    self.fail_attempt(id, task, AttemptEnd::Failed, &reason, true);
                }
            }
        }
    }

    /// What a task changed, by git.
    pub(super) fn marked(&mut self, process: ProcessId, task: TaskId, files: Vec<String>) {
        self.with_task(task, |task| {
            let mut latest = task.attempts.iter_mut().rev();
            if let Some(attempt) = latest.find(|attempt| attempt.process == process) {
                attempt.work.by_git = Some(files);
            }
        });
    }

    /// Has the worktree of a process looked at, if it has one.
    pub(super) fn survey(&mut self, process: ProcessId, ended: bool) {
        let known = self.processes.get(&process);
        if let Some(worktree) = known.and_then(|process| process.worktree.clone()) {
            self.durable.push(Effect::Survey {
                process,
                worktree: Box::new(worktree),
                ended,
            });
        }
    }

    pub(super) fn surveyed(&mut self, id: ProcessId, summary: WorkSummary, ended: bool) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let (name, left) = (process.name.clone(), summary.uncommitted());
        if process.work.as_ref().is_none_or(|known| {
            WorkSummary {
                at: summary.at,
                ..(**known).clone()
            } != summary
        }) {
            process.work = Some(Box::new(summary));
            self.touch(id);
        }
        if let Some(left) = left.filter(|_| ended) {
            let text = format!("in its worktree {left}");
            self.note(id, LogKind::System, &text);
            self.say(Level::Warning, Some(id), format!("{name} is down; {text}"));
        }
    }

    /// Does something with work. Until that is done nobody is given a task in that worktree: an agent that
    /// writes into files that git takes away would lose what it writes.
    pub(super) fn work(
        &mut self,
        reply: ReplyId,
        of: WorkOf,
        order: WorkOrder,
    ) -> Result<(), Refusal> {
        let (id, task, worktree) = match of {
            WorkOf::Process(id) => {
                let process = self.processes.get(&id).ok_or(Refusal::UnknownProcess(id))?;
                (id, None, own_worktree(process)?)
            }
            WorkOf::Task(id) => {
                let task = self.tasks.get(&id).ok_or(Refusal::UnknownTask(id))?;
                let process = task.process().and_then(|id| self.processes.get(&id));
                let process = process.ok_or_else(|| nobody_has(task))?;
                let worktree = match (&task.worktree, &order) {
                    (Some(worktree), _) => (**worktree).clone(),
                    (None, WorkOrder::Export(_)) => own_worktree(process)?,
                    (None, _) => return Err(no_branch_of_its_own(task, process)),
                };
                (process.id, Some(id), worktree)
            }
        };
        let Some(process) = self.processes.get(&id) else {
            return Err(Refusal::UnknownProcess(id));
        };
        if self.handled.contains(&id) {
            return Err(handled(process));
        }
        if !matches!(order, WorkOrder::Export(_)) {
            let (_, activity) = process.status(false);
            // Right after a result the agent has not said yet that it is idle; nothing runs then.
            let has_just_ended = process
                .live()
                .is_some_and(|live| live.turn == Turn::None && live.settle_by.is_some());
            if process.live().is_some() && activity == Activity::Busy && !has_just_ended {
                let text = format!(
                    "{} is at work; wait for the task to end, or stop it",
                    process.name
                );
                return Err(Refusal::State(text));
            }
        }
        let message = match task.and_then(|task| self.tasks.get(&task)) {
            Some(task) => format!("{} ({} of {})", task.title(), task.id, process.name),
            None => format!("Merge the work of {} ({})", process.name, worktree.branch),
        };
        self.handled.insert(id);
        self.fx.push(Effect::Work {
            reply,
            process: id,
            worktree: Box::new(worktree),
            task,
            order,
            message,
        });
        Ok(())
    }

    pub(super) fn worked(
        &mut self,
        reply: ReplyId,
        id: ProcessId,
        worktree: &Worktree,
        result: Result<WorkDone, Refusal>,
    ) {
        self.handled.remove(&id);
        let name = self.name_of(id);
        let (branch, base) = (&worktree.branch, &worktree.base);
        let said = match &result {
            Ok(WorkDone::Brought(Merged::Done { commits, commit })) => {
                let s = if *commits == 1 { "" } else { "s" };
                let at = commit.get(..10).unwrap_or(commit);
                let text =
                    format!("{commits} commit{s} of {branch} brought home to {base}, now at {at}");
                Some((Level::Info, text))
            }
            Ok(WorkDone::Brought(Merged::Conflicts { files })) => {
                let files = named(files, files.len());
                let text = format!("{branch} and {base} both changed {files}; {base} is as it was");
                Some((Level::Warning, text))
            }
            Ok(WorkDone::Discarded(saved)) => {
                let text = format!(
                    "{branch} is as {base} again; what it had is kept as {}",
                    saved.name
                );
                Some((Level::Info, text))
            }
            Ok(WorkDone::Brought(Merged::Nothing) | WorkDone::Exported { .. }) | Err(_) => None,
        };
        if let Some((level, text)) = said {
            self.note(id, LogKind::System, &text);
            self.say(level, Some(id), format!("{name}: {text}"));
        }
        self.survey(id, false);
        let outcome = result.map(|done| Outcome::Worked {
            process: id,
            branch: branch.clone(),
            base: base.clone(),
            done: Box::new(done),
        });
        self.reply(reply, outcome);
        self.changed = true;
    }
}

pub(super) fn handled(process: &Process) -> Refusal {
    Refusal::State(format!(
        "something is being done in the worktree of {}",
        process.name
    ))
}

fn own_worktree(process: &Process) -> Result<Worktree, Refusal> {
    process.worktree.clone().ok_or_else(|| {
        Refusal::State(format!(
            "{} works in {} itself, without a git worktree of its own",
            process.name,
            process.working_directory.display()
        ))
    })
}

fn nobody_has(task: &Task) -> Refusal {
    Refusal::State(match task.process() {
        Some(gone) => format!("{gone}, who worked on {}, was removed", task.id),
        None => format!("{} was not worked on yet, so it changed nothing", task.id),
    })
}

fn no_branch_of_its_own(task: &Task, process: &Process) -> Refusal {
    let id = task.id;
    match &process.worktree {
        Some(worktree) => Refusal::Work {
            cause: format!(
                "{id} has no branch of its own: what it changed is part of {}",
                worktree.of_process().branch
            ),
            remedy: Some(format!("name {} to have all of it", process.name)),
        },
        None => Refusal::State(format!(
            "{id} was done in {} itself, without a git worktree",
            process.working_directory.display()
        )),
    }
}
