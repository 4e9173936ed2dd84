//! What was done in an attempt, by the agent's tool events, and held against what git says.

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::worktree::Worktree;

/// A file that an attempt changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Its path, as the agent calls it.
    pub path: String,
    /// Lines that came.
    pub added: u64,
    /// Lines that went.
    pub removed: u64,
}

/// What an attempt did, from the agent's own tool events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Work {
    /// How often each tool was called.
    #[serde(default)]
    pub tools: BTreeMap<String, u32>,
    /// Files that were changed, in the order of their first change.
    #[serde(default)]
    pub files: Vec<FileChange>,
    /// Files that git says were changed, below the top of the worktree; `None` if it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_git: Option<Vec<String>>,
}

impl Work {
    /// More names than this are not kept apart: they come from an agent.
    const MOST: usize = 500;

    /// Counts a call of a tool.
    pub fn used(&mut self, tool: &str) {
        if let Some(count) = self.tools.get_mut(tool) {
            *count = count.saturating_add(1);
        } else if self.tools.len() < Self::MOST {
            self.tools.insert(tool.to_owned(), 1);
        }
    }

    /// Adds a change of a file.
    pub fn changed(&mut self, change: &FileChange) {
        if let Some(known) = self.files.iter_mut().find(|file| file.path == change.path) {
            known.added = known.added.saturating_add(change.added);
            known.removed = known.removed.saturating_add(change.removed);
        } else if self.files.len() < Self::MOST {
            self.files.push(change.clone());
        }
    }

    /// Where git and the tools do not say the same, for work in this worktree; `None` if git was not asked.
    #[must_use]
    pub fn differences(&self, worktree: &Worktree) -> Option<Differences> {
        let by_git = self.by_git.as_ref()?;
        let by_tools: Vec<String> = self
            .files
            .iter()
            .map(|file| below_the_top(&file.path, worktree))
            .collect();
        let only = |these: &[String], those: &[String]| {
            let mut only: Vec<String> = these
                .iter()
                .filter(|path| !those.contains(path))
                .cloned()
                .collect();
            only.dedup();
            only
        };
        Some(Differences {
            by_git: only(by_git, &by_tools),
            by_tools: only(&by_tools, by_git),
        })
    }

    /// Whether nothing is known of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty() && self.files.is_empty() && self.by_git.is_none()
    }
}

/// As git calls a file that an agent calls so.
fn below_the_top(path: &str, worktree: &Worktree) -> String {
    let whole = worktree.folder.join(path);
    let below = whole.strip_prefix(&worktree.top).unwrap_or(&whole);
    let mut plain = PathBuf::new();
    for part in below.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain.to_string_lossy().into_owned()
}

/// Files of which the agent's tool events and git do not say the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Differences {
    /// Changed by git's word alone: by a command, mostly.
    pub by_git: Vec<String>,
    /// Changed by a tool's word alone: changed back since, ignored by git, or outside of the worktree.
    pub by_tools: Vec<String>,
}

impl Differences {
    /// Whether both say the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_git.is_empty() && self.by_tools.is_empty()
    }
}
