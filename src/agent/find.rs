//! Finds the program of an agent, before anything is spawned.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::domain::fault::{Fault, FaultCode};
use crate::domain::role::{Agent, Protocol};

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No folder of the search path has it.
    #[error("the program `{command}` is in no folder of PATH")]
    NotOnPath {
        /// What was looked for.
        command: String,
    },
    /// The path leads to nothing.
    #[error("the program {} is not there", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It is there, but it is not a program that we may run.
    #[error("{} is no program that may be executed", path.display())]
    NotExecutable {
        /// Where it is.
        path: PathBuf,
    },
}

impl NotFound {
    /// Says it to a person, with the remedy for this agent.
    #[must_use]
    pub fn fault(&self, agent: &Agent) -> Fault {
        let entry = &agent.name;
        let remedy = match self {
            Self::NotExecutable { path } => format!(
                "make it executable (`chmod +x {}`), or set `command` of [agents.{entry}] to the program",
                path.display()
            ),
            Self::NotOnPath { .. } | Self::Missing { .. }
                if agent.protocol == Protocol::ClaudeStreamJson =>
            {
                format!(
                    "install Claude Code (`npm install -g @anthropic-ai/claude-code`), set `command` of \
                     [agents.{entry}] or HEADCOUNT_CLAUDE to where it is, or try `headcount --demo`"
                )
            }
            Self::NotOnPath { command } => {
                format!("install `{command}`, or set `command` of [agents.{entry}] to where it is")
            }
            Self::Missing { .. } => {
                format!("set `command` of [agents.{entry}] to where the program is")
            }
        };
        Fault::new(FaultCode::FailedToStart, self.to_string(), remedy)
    }
}

/// Finds the program that a command names: a path as it stands, a bare name on the search path
/// (`PATH` of the process that will run it, not ours).
///
/// # Errors
/// [`NotFound`] says whether it is missing or only not executable; the latter is reported when a
/// folder has a file of that name and no later folder has a program.
pub fn find(command: &str, search_path: &OsStr) -> Result<PathBuf, NotFound> {
    if command.contains('/') {
        let path = PathBuf::from(command);
        return if is_program(&path) {
            Ok(path)
        } else if path.exists() {
            Err(NotFound::NotExecutable { path })
        } else {
            Err(NotFound::Missing { path })
        };
    }
    let mut refused = None;
    if !command.is_empty() {
        for folder in std::env::split_paths(search_path) {
            // An empty part would mean the working directory, which is the agent's to write in.
            if folder.as_os_str().is_empty() {
                continue;
            }
            let path = folder.join(command);
            if is_program(&path) {
                return Ok(path);
            }
            if refused.is_none() && path.is_file() {
                refused = Some(path);
            }
        }
    }
    Err(match refused {
        Some(path) => NotFound::NotExecutable { path },
        None => NotFound::NotOnPath {
            command: command.to_owned(),
        },
    })
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn put(folder: &Path, name: &str, mode: u32) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_program_on_the_path_is_found_and_plain_files_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let (first, second) = (root.path().join("first"), root.path().join("second"));
        put(&first, "claude", 0o644);
        put(&second, "claude", 0o755);
        let path = std::env::join_paths([&first, &second]).unwrap();
        assert_eq!(find("claude", &path), Ok(second.join("claude")));
        assert_eq!(
            find("claude", first.as_os_str()),
            Err(NotFound::NotExecutable {
                path: first.join("claude")
            })
        );
        assert_eq!(
            find("nothing", &path),
            Err(NotFound::NotOnPath {
                command: "nothing".to_owned()
            })
        );
        let missing = root.path().join("third/claude");
        assert_eq!(
            find(&missing.display().to_string(), &path),
            Err(NotFound::Missing { path: missing })
        );
    }

    #[test]
    fn a_missing_claude_says_how_to_install_it_and_offers_the_demo() {
        let agent = Agent {
            name: "claude".to_owned(),
            command: "claude".to_owned(),
            args: vec![],
            protocol: Protocol::ClaudeStreamJson,
            environment: BTreeMap::new(),
        };
        let fault = find("claude", OsStr::new("/nowhere"))
            .unwrap_err()
            .fault(&agent);
        assert_eq!(fault.code, FaultCode::FailedToStart);
        for word in [
            "npm install -g @anthropic-ai/claude-code",
            "[agents.claude]",
            "HEADCOUNT_CLAUDE",
            "headcount --demo",
        ] {
            assert!(fault.remedy.contains(word), "{word}: {}", fault.remedy);
        }
    }
}
