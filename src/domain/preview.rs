//! What a process would run with, looked at before it is hired: the same readings as its start.

use std::fmt;
use std::path::PathBuf;

use crate::domain::fault::Fault;

/// What one process would be started with now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preview {
    /// The role's key.
    pub role: String,
    /// The program that would run.
    pub program: Option<PathBuf>,
    /// Its prompt, for an agent that takes one.
    pub prompt: Option<PromptSeen>,
    /// The permission rules that its tools come to.
    pub tools: Vec<String>,
    /// Its environment without what the instance only passes on, secrets masked.
    pub environment: Vec<(String, String)>,
    /// What keeps it from starting, each with its remedy; empty if nothing does.
    pub faults: Vec<Fault>,
    /// What is likely to give trouble though it would be started.
    pub warnings: Vec<Fault>,
}

/// A prompt as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct PromptSeen {
    /// Where it was read.
    pub from: String,
    /// The first digits of its hash.
    pub hash: String,
    /// The whole text.
    pub text: String,
}

/// The text is left out: prompts stay out of logs.
impl fmt::Debug for PromptSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptSeen")
            .field("from", &self.from)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}
