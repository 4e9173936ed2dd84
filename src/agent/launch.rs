//! What is launched: everything that a run needs, resolved, and the command line that comes of it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::agent::shown;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::role::{Agent, PromptMode};

/// The role's prompt as it is now.
#[derive(Clone, PartialEq, Eq)]
pub struct PromptText {
    /// The whole text.
    pub text: String,
    /// How it meets the agent's own prompt.
    pub mode: PromptMode,
}

impl fmt::Debug for PromptText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Prompts stay out of logs.
        write!(f, "PromptText({:?}, {} bytes)", self.mode, self.text.len())
    }
}

/// Which conversation a run begins in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversation {
    /// A fresh one under this id; the agent refuses an id that it has used before.
    New(Uuid),
    /// One that it has had. The caller sees to it that no other process has it open: the agent does not.
    Resume(Uuid),
}

/// A launch, with everything resolved: paths absolute, variables expanded, aliases replaced by rules.
pub struct LaunchRequest<'a> {
    /// The entry of `[agents]`.
    pub agent: &'a Agent,
    /// The program that was found.
    pub program: PathBuf,
    /// Words before all others: `__agent` where the program is our own simulated agent.
    pub prefix: Vec<String>,
    /// The role's prompt.
    pub prompt: Option<PromptText>,
    /// The agent's built-in tools that exist at all.
    pub tools: Vec<String>,
    /// Permission rules that run without asking.
    pub allowed: Vec<String>,
    /// Permission rules that wait for a person.
    pub ask: Vec<String>,
    /// Permission rules that refuse.
    pub deny: Vec<String>,
    /// Rules that a person has allowed for this process.
    pub remembered: Vec<String>,
    /// The model, where one is named.
    pub model: Option<String>,
    /// Turns that one task may take.
    pub max_turns: Option<u32>,
    /// US dollars that this life of the process may cost.
    pub budget_usd: Option<f64>,
    /// Which conversation it begins in.
    pub conversation: Conversation,
    /// Every variable that it gets, values expanded; nothing else is inherited.
    pub environment: BTreeMap<String, String>,
    /// Where its temporary files go, where that is not the system's own place.
    pub temporary_folder: Option<PathBuf>,
    /// Where it works.
    pub working_directory: PathBuf,
    /// The run's own folder: the driver writes the prompt there, so the sandbox must let it be read.
    pub run_folder: &'a Path,
}

impl fmt::Debug for LaunchRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchRequest")
            .field("agent", &self.agent.name)
            .field("program", &self.program)
            .field("conversation", &self.conversation)
            .field("working_directory", &self.working_directory)
            .finish_non_exhaustive()
    }
}

/// What the shim executes.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program.
    pub program: PathBuf,
    /// Its arguments, without the program itself.
    pub args: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Where it starts.
    pub working_directory: PathBuf,
    /// The command line as a person may see it: quoted for a shell, secrets masked.
    pub shown: String,
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandLine")
            .field("shown", &self.shown)
            .field("working_directory", &self.working_directory)
            .finish_non_exhaustive()
    }
}

impl CommandLine {
    /// Puts the words behind the program: the prefix, the entry's own arguments, the driver's.
    pub(super) fn new(
        request: &LaunchRequest<'_>,
        driver_args: Vec<String>,
        environment: BTreeMap<String, String>,
    ) -> Self {
        let mut args = request.prefix.clone();
        args.extend(request.agent.args.iter().cloned());
        args.extend(driver_args);
        Self {
            shown: shown::command(&request.program, &args, &environment),
            program: request.program.clone(),
            args,
            environment,
            working_directory: request.working_directory.clone(),
        }
    }
}

/// Why no command line could be made.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The prompt could not be put where the agent reads it.
    #[error("cannot write the prompt for the agent to {}", path.display())]
    WritePrompt {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A value cannot be passed to a program.
    #[error("{what} holds a NUL character")]
    Nul {
        /// Which value.
        what: String,
    },
}

impl LaunchError {
    /// Says it to a person.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::WritePrompt { path, source } => {
                let folder = path.parent().unwrap_or(path);
                Fault::new(
                    FaultCode::EnvironmentSetupFailed,
                    format!("{self}: {source}"),
                    format!(
                        "make room in {} and see that it is writable",
                        folder.display()
                    ),
                )
            }
            Self::Nul { what } => Fault::new(
                FaultCode::EnvironmentSetupFailed,
                self.to_string(),
                format!("take the NUL character out of {what}"),
            ),
        }
    }
}

/// Writes the prompt into the run's folder, readable for the user alone, and returns where it is.
pub(super) fn write_prompt(folder: &Path, text: &str) -> Result<PathBuf, LaunchError> {
    let path = folder.join("prompt.md");
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(path),
        Err(source) => Err(LaunchError::WritePrompt { path, source }),
    }
}

/// Refuses what `execve` cannot take, by name and not by value.
pub(super) fn check(line: CommandLine) -> Result<CommandLine, LaunchError> {
    let nul = |what: String| Err(LaunchError::Nul { what });
    for (name, value) in &line.environment {
        if name.contains(['\0', '=']) || value.contains('\0') {
            return nul(format!("the variable {}", name.replace('\0', "\u{fffd}")));
        }
    }
    if let Some(arg) = line.args.iter().position(|arg| arg.contains('\0')) {
        return nul(format!("argument {} of the command line", arg + 1));
    }
    Ok(line)
}
