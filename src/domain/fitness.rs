//! Whether a process is fit for work: what was looked at, what was found, how grave it is, and the cure.
//!
//! A start, the look at a hire, and `doctor` ask the same function, so that all three say the same words.

use crate::domain::fault::Fault;

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The program, and its version.
    Agent,
    /// Its login or key.
    Login,
    /// What it asks a person before its first word: theme, trust in the folder.
    Trust,
    /// The prompt.
    Prompt,
    /// The tools and permission rules.
    Tools,
    /// The variables.
    Environment,
    /// The working directory.
    Folder,
    /// What holds it in.
    Sandbox,
    /// The room for logs and queue.
    Disk,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It is not started: that could come to nothing.
    Obstacle,
    /// It is most likely not going to work, and somebody else knows better: it is started, and told.
    Doubt,
    /// It works, with a drawback.
    Drawback,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: Subject,
    /// How grave it is.
    pub weight: Weight,
    /// Code, cause and cure.
    pub fault: Fault,
}

impl Finding {
    /// Puts a finding together.
    #[must_use]
    pub const fn new(subject: Subject, weight: Weight, fault: Fault) -> Self {
        Self {
            subject,
            weight,
            fault,
        }
    }
}

impl Subject {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Login => "login",
            Self::Trust => "trust",
            Self::Prompt => "prompt",
            Self::Tools => "tools",
            Self::Environment => "environment",
            Self::Folder => "folder",
            Self::Sandbox => "sandbox",
            Self::Disk => "disk",
        }
    }
}
