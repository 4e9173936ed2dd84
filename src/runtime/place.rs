//! Where a run works: the actor's dealings with git worktrees.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::effect::LaunchPlan;
use crate::domain::event::{Event, LaunchFailure};
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::worktree::{Switch, Worktree};
use crate::runtime::actor::{Actor, Told};
use crate::runtime::context::Context;
use crate::runtime::git::Wanted;
use crate::runtime::launch::cancelled;

/// A worktree that is to be on another branch.
#[derive(Debug)]
pub(crate) struct Moving {
    pub(crate) run: RunId,
    pub(crate) worktree: Worktree,
    pub(crate) to: Switch,
    /// What a new branch begins from.
    pub(crate) base: Option<String>,
    /// By which the answer is known.
    pub(crate) message: Uuid,
}

/// Puts the worktree on another branch, and says what came of it.
pub(super) async fn move_to(context: Arc<Context>, process: ProcessId, moving: Moving) {
    let Moving {
        run,
        worktree,
        to,
        base,
        message,
    } = moving;
    let moved = context
        .worktrees
        .switch(&worktree, &to, base.as_deref(), process)
        .await;
    let result = Box::new(moved.map_err(|error| error.refusal()));
    context
        .tell(Event::Moved {
            process,
            run,
            message,
            result,
        })
        .await;
}

/// Notes the state of the worktree; a failure costs the comparison and nothing else.
pub(super) async fn mark(
    context: Arc<Context>,
    process: ProcessId,
    worktree: Box<Worktree>,
    task: TaskId,
    end: bool,
) {
    let worktrees = &context.worktrees;
    let files = async {
        worktrees.mark(&worktree, task, end).await?;
        if end {
            worktrees.task_files(&worktree, task).await
        } else {
            Ok(None)
        }
    };
    match files.await {
        Ok(Some(files)) => {
            context
                .tell(Event::Marked {
                    process,
                    task,
                    files,
                })
                .await;
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%process, %task, %error, "cannot note the worktree's state");
        }
    }
}

impl Actor {
    /// Finds or makes the worktree of a process that has or wants one, and returns the plan with the folder in it.
    ///
    /// That may take minutes; an order to end the run meanwhile is heard.
    pub(super) async fn place(&mut self, plan: &LaunchPlan) -> Result<LaunchPlan, LaunchFailure> {
        let context = Arc::clone(&self.context);
        let place = context.folders.worktrees.join(plan.process.to_string());
        let known = plan.worktree.known.as_ref();
        if known.is_none() && !plan.working_directory.is_dir() {
            // What is wrong with the folder is said with the rest that is checked before a start.
            return Ok(plan.clone());
        }
        let settling = context.worktrees.settle(Wanted {
            folder: known.map_or(&plan.working_directory, |known| &known.repository),
            place: &place,
            name: &plan.name,
            rule: &plan.worktree.rule,
            team: plan.worktree.team,
            known,
            others: &plan.worktree.others,
        });
        tokio::pin!(settling);
        let settled = loop {
            tokio::select! {
                biased;
                settled = &mut settling => break settled,
                Some(told) = self.told.recv() => match told {
                    Told::Terminate { run } | Told::Kill { run } if run == plan.run => {
                        return Err(cancelled());
                    }
                    other => self.put_off.push_back(other),
                },
            }
        };
        let settled = settled.map_err(|error| LaunchFailure {
            fault: error.fault(),
            permanent: true,
        })?;
        let mut placed = plan.clone();
        if let Some(worktree) = &settled.worktree {
            placed.working_directory.clone_from(&worktree.folder);
        }
        if settled.worktree.is_some() || !settled.notes.is_empty() {
            self.context
                .tell(Event::Placed {
                    run: plan.run,
                    worktree: settled.worktree.map(Box::new),
                    notes: settled.notes,
                })
                .await;
            self.placed(plan.run).await?;
        }
        Ok(placed)
    }

    /// Waits until it is on disk where a run works: one that is adopted must not be taken for one that works elsewhere.
    async fn placed(&mut self, run: RunId) -> Result<(), LaunchFailure> {
        loop {
            match self.told.recv().await {
                Some(Told::Placed { run: placed }) if placed == run => return Ok(()),
                Some(Told::Terminate { run: ended } | Told::Kill { run: ended })
                    if ended == run =>
                {
                    return Err(cancelled());
                }
                Some(other) => self.put_off.push_back(other),
                // The next instance starts it.
                None => return Err(cancelled()),
            }
        }
    }
}
