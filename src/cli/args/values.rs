//! Values of arguments, as they are typed.

use clap::ValueEnum;

use crate::domain::automation::Autostart;
use crate::domain::command::UpdateWhen;
use crate::domain::role::{Kind, PromptMode};
use crate::domain::task::Priority;
use crate::domain::worktree::UseWorktree;

/// Turns that a task may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns(pub Option<u32>);

impl std::str::FromStr for Turns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            text => match text.parse() {
                Ok(count) if count > 0 => Ok(Self(Some(count))),
                _ => Err("a number from 1, or `none`".to_owned()),
            },
        }
    }
}

/// When updates are taken, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhenArg {
    /// After the current task.
    Now,
    /// When it has nothing to do, before its next task.
    Idle,
    /// One after the other, all that hold the role.
    Rolling,
    /// Not for these: nobody is asked again until something else changes.
    Never,
}

impl From<WhenArg> for UpdateWhen {
    fn from(when: WhenArg) -> Self {
        match when {
            WhenArg::Now => Self::Now,
            WhenArg::Idle => Self::Idle,
            WhenArg::Rolling => Self::Rolling,
            WhenArg::Never => Self::NotNow,
        }
    }
}

/// A kind, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// A person talks to it in a terminal.
    Interactive,
    /// Works through the queue.
    Batch,
    /// Looks at the system on a schedule.
    Monitoring,
    /// Maintenance commands.
    Utility,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Interactive => Self::Interactive,
            KindArg::Batch => Self::Batch,
            KindArg::Monitoring => Self::Monitoring,
            KindArg::Utility => Self::Utility,
        }
    }
}

/// Whether there is a worktree, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorktreeArg {
    /// Where another process works in the same repository already.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// When processes start by themselves, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AutostartArg {
    /// With the instance, and when tasks wait.
    Boot,
    /// When tasks wait.
    Demand,
    /// Never.
    Never,
}

impl From<WorktreeArg> for UseWorktree {
    fn from(when: WorktreeArg) -> Self {
        match when {
            WorktreeArg::Auto => Self::Auto,
            WorktreeArg::Always => Self::Always,
            WorktreeArg::Never => Self::Never,
        }
    }
}

/// How a prompt meets the agent's own, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PromptModeArg {
    /// It extends the agent's own.
    Append,
    /// It stands in its place.
    Replace,
}

impl From<PromptModeArg> for PromptMode {
    fn from(mode: PromptModeArg) -> Self {
        match mode {
            PromptModeArg::Append => Self::Append,
            PromptModeArg::Replace => Self::Replace,
        }
    }
}

impl From<AutostartArg> for Autostart {
    fn from(autostart: AutostartArg) -> Self {
        match autostart {
            AutostartArg::Boot => Self::Boot,
            AutostartArg::Demand => Self::Demand,
            AutostartArg::Never => Self::Never,
        }
    }
}

/// A priority, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PriorityArg {
    /// Before everything else.
    Urgent,
    /// Before the usual.
    High,
    /// The usual.
    Normal,
    /// When nothing else waits.
    Low,
}

impl From<PriorityArg> for Priority {
    fn from(priority: PriorityArg) -> Self {
        match priority {
            PriorityArg::Urgent => Self::Urgent,
            PriorityArg::High => Self::High,
            PriorityArg::Normal => Self::Normal,
            PriorityArg::Low => Self::Low,
        }
    }
}

/// A variable of the environment, or what stands for a name of a template.
pub(super) fn variable(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=value"),
    }
}

/// A text that says something.
pub(super) fn filled(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("there is nothing in it");
    }
    Ok(text.to_owned())
}
