//! The environment of a process: nothing inherited but what is listed, later layers win.
//!
//! From the first to the last: the common part, the env file, the agent's entry, the role, the process.
//! A value may refer to a variable, `${NAME}`, or to one with a default, `${NAME:-default}`; `$$` is a
//! dollar sign, and a `$` before anything else stands for itself. A variable is looked up in the env
//! file, then in the parent environment, then in the layers before.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::domain::fault::{Fault, FaultCode};
use crate::domain::role::{Catalogue, Role};
pub use crate::domain::secret::is_secret;

use super::env_file;
use super::reference::{Failed, expand, is_name};
use super::source::Source;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// Looks a variable up in the environment that `headcount` itself was started with.
pub type Parent<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What is shown in place of a secret.
pub const MASK: &str = "********";

/// One layer of variables whose values may refer to others.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Whose variables they are, for messages: `role sre`.
    pub of: &'a str,
    /// The variables as written.
    pub variables: &'a Variables,
    /// What becomes of an entry that refers to a variable which is not set.
    pub unset: Unset,
}

/// What becomes of an entry that refers to a variable which is not set and has no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// The entry is left out: agents name what they can use, not what they need.
    LeaveOut,
    /// The environment cannot be set up: a role that asks for a variable needs it.
    Refuse,
}

/// What only the running instance knows of the common part.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The agent's version.
    pub claude_version: Option<&'a str>,
    /// Where the API listens on TCP.
    pub dashboard_url: Option<&'a str>,
}

/// Why an environment cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// Not a name that every program can read.
    #[error("`{}` of {of} is not a name for an environment variable", name.escape_debug())]
    BadName {
        /// The name as written.
        name: String,
        /// Whose it is.
        of: String,
    },
    /// A value cannot be passed to a program.
    #[error("the value of `{name}` of {of} holds a NUL character")]
    Nul {
        /// The variable.
        name: String,
        /// Whose it is.
        of: String,
    },
    /// A `${` without its end, or without a name.
    #[error("the value of `{name}` of {of} has a `${{` that does not end in a name and `}}`")]
    BadReference {
        /// The variable.
        name: String,
        /// Whose it is.
        of: String,
    },
    /// A reference to what is not set.
    #[error("`{name}` of {of} refers to `{variable}`, which is not set")]
    NotSet {
        /// The variable.
        name: String,
        /// Whose it is.
        of: String,
        /// What it refers to.
        variable: String,
    },
    /// The env file cannot be read.
    #[error("cannot read the env file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of the env file is no assignment.
    #[error("line {line} of the env file {} {what}", path.display())]
    FileLine {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it; never its text, which may be a secret.
        what: &'static str,
    },
}

impl EnvironmentError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::BadName { .. } => "use letters, digits and `_`, and no digit first".to_owned(),
            Self::Nul { .. } => "take the NUL character out".to_owned(),
            Self::BadReference { .. } => "write `${NAME}`, or `$$` for a dollar sign".to_owned(),
            Self::NotSet { variable, .. } => {
                format!(
                    "set `{variable}` in the env file or before starting the instance, or write `${{{variable}:-default}}`"
                )
            }
            Self::File { path, .. } => format!(
                "create {}, or take `env_file` out of roles.toml",
                path.display()
            ),
            Self::FileLine { .. } => "write NAME=value, one a line".to_owned(),
        }
    }
}

impl From<&EnvironmentError> for Fault {
    fn from(error: &EnvironmentError) -> Self {
        let cause = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self::new(FaultCode::EnvironmentSetupFailed, cause, error.remedy())
    }
}

/// Returns everything that a process of this role gets: common part, env file, agent, role, `process`.
///
/// # Errors
/// [`EnvironmentError`], each of which is PROC_007.
pub fn for_role(
    source: &Source,
    catalogue: &Catalogue,
    role: &Role,
    process: &Variables,
    facts: Facts<'_>,
    parent: Parent<'_>,
) -> Result<Variables, EnvironmentError> {
    let file = match &role.env_file {
        Some(path) => env_file::read(&source.folder().join(path))?,
        None => Variables::new(),
    };
    let common = common(facts, parent);
    let none = Variables::new();
    let of_agent = format!("agent {}", role.agent);
    let of_role = format!("role {}", role.key);
    let layers = [
        Layer {
            of: "the common part",
            variables: &common,
            unset: Unset::LeaveOut,
        },
        Layer {
            of: &of_agent,
            variables: catalogue
                .agents
                .get(&role.agent)
                .map_or(&none, |agent| &agent.environment),
            unset: Unset::LeaveOut,
        },
        Layer {
            of: &of_role,
            variables: &role.environment,
            unset: Unset::Refuse,
        },
        Layer {
            of: "the process",
            variables: process,
            unset: Unset::Refuse,
        },
    ];
    resolve(&layers, &file, parent)
}

/// Returns the common part: the user's own variables that compilers, logins and terminals need.
#[must_use]
pub fn common(facts: Facts<'_>, parent: Parent<'_>) -> Variables {
    let inherited = [
        "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TMPDIR", "TERM", "PATH",
    ];
    let defaults = [
        ("NODE_ENV", "development"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("TERM", "xterm-256color"),
    ];
    let known = [
        ("CLAUDE_VERSION", facts.claude_version),
        ("DASHBOARD_URL", facts.dashboard_url),
    ];

    let mut common: Variables = defaults
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let set = inherited.iter().filter_map(|name| {
        Some((
            (*name).to_owned(),
            parent(name).filter(|value| !value.is_empty())?,
        ))
    });
    common.extend(set);
    common.extend(
        known
            .iter()
            .filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned()))),
    );
    // These values are taken as they are, so a dollar sign in them is no reference.
    common
        .values_mut()
        .for_each(|value| *value = value.replace('$', "$$"));
    common
}

/// Merges layers over each other, the first weakest, and expands their values.
///
/// The env file's variables come after the first layer and are taken as they are.
///
/// # Errors
/// The first variable that cannot be passed on, see [`EnvironmentError`].
pub fn resolve(
    layers: &[Layer<'_>],
    env_file: &Variables,
    parent: Parent<'_>,
) -> Result<Variables, EnvironmentError> {
    let mut resolved = Variables::new();
    for (place, layer) in layers.iter().enumerate() {
        let before = resolved.clone();
        let look_up = |name: &str| {
            env_file
                .get(name)
                .cloned()
                .or_else(|| parent(name))
                .or_else(|| before.get(name).cloned())
        };
        for (name, value) in layer.variables {
            check_name(name, layer.of)?;
            match expand(value, &look_up) {
                Ok(value) if value.contains('\0') => {
                    return Err(EnvironmentError::Nul {
                        name: name.clone(),
                        of: layer.of.to_owned(),
                    });
                }
                Ok(value) => {
                    resolved.insert(name.clone(), value);
                }
                Err(Failed::NotSet(_)) if layer.unset == Unset::LeaveOut => {}
                Err(Failed::NotSet(variable)) => {
                    return Err(EnvironmentError::NotSet {
                        name: name.clone(),
                        of: layer.of.to_owned(),
                        variable,
                    });
                }
                Err(Failed::BadReference) => {
                    return Err(EnvironmentError::BadReference {
                        name: name.clone(),
                        of: layer.of.to_owned(),
                    });
                }
            }
        }
        if place == 0 {
            resolved.extend(env_file.clone());
        }
    }
    Ok(resolved)
}

/// Checks a variable as it is written, before anything is known of other variables.
pub(super) fn check(name: &str, value: &str, of: &str) -> Result<(), EnvironmentError> {
    check_name(name, of)?;
    if value.contains('\0') {
        return Err(EnvironmentError::Nul {
            name: name.to_owned(),
            of: of.to_owned(),
        });
    }
    match expand(value, &|_| Some(String::new())) {
        Ok(_) | Err(Failed::NotSet(_)) => Ok(()),
        Err(Failed::BadReference) => Err(EnvironmentError::BadReference {
            name: name.to_owned(),
            of: of.to_owned(),
        }),
    }
}

fn check_name(name: &str, of: &str) -> Result<(), EnvironmentError> {
    if is_name(name) {
        return Ok(());
    }
    Err(EnvironmentError::BadName {
        name: name.to_owned(),
        of: of.to_owned(),
    })
}

/// Returns the value as it may be shown: secrets are masked, by their names.
#[must_use]
pub fn mask<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if is_secret(name) {
        Cow::Borrowed(MASK)
    } else {
        Cow::Borrowed(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn one(value: &str, unset: Unset) -> Result<Variables, EnvironmentError> {
        let entry = variables(&[("X", value)]);
        let file = variables(&[("FILE", "from file")]);
        let parent = |name: &str| (name == "SET").then(|| "set".to_owned());
        let layers = [
            Layer {
                of: "the common part",
                variables: &Variables::new(),
                unset,
            },
            Layer {
                of: "role sre",
                variables: &entry,
                unset,
            },
        ];
        resolve(&layers, &file, &parent)
    }

    #[test]
    fn what_is_not_set_is_left_out_or_refused() {
        assert!(!one("${UNSET}", Unset::LeaveOut).unwrap().contains_key("X"));
        let error = one("${UNSET}", Unset::Refuse).unwrap_err();
        let fault = Fault::from(&error);
        assert_eq!(fault.code, FaultCode::EnvironmentSetupFailed);
        assert_eq!(
            fault.cause,
            "`X` of role sre refers to `UNSET`, which is not set"
        );
        assert_eq!(
            fault.remedy,
            "set `UNSET` in the env file or before starting the instance, or write `${UNSET:-default}`"
        );
    }

    #[test]
    fn broken_references_names_and_values_are_refused() {
        for value in ["${", "${}", "${A B}", "${1}"] {
            assert!(
                matches!(
                    one(value, Unset::LeaveOut),
                    Err(EnvironmentError::BadReference { .. })
                ),
                "{value}"
            );
        }
        assert!(matches!(
            one("a\0b", Unset::Refuse),
            Err(EnvironmentError::Nul { .. })
        ));
        for name in ["", "1A", "A-B", "A=B", "Ä"] {
            assert!(
                matches!(
                    check(name, "", "role sre"),
                    Err(EnvironmentError::BadName { .. })
                ),
                "{name}"
            );
        }
    }

    #[test]
    fn later_layers_win() {
        let first = variables(&[("A", "1"), ("B", "1"), ("C", "1")]);
        let second = variables(&[("B", "2"), ("C", "${C}+2")]);
        let file = variables(&[("A", "file"), ("D", "$literal")]);
        let layers = [
            Layer {
                of: "one",
                variables: &first,
                unset: Unset::Refuse,
            },
            Layer {
                of: "two",
                variables: &second,
                unset: Unset::Refuse,
            },
        ];
        let resolved = resolve(&layers, &file, &|_| None).unwrap();
        assert_eq!(
            resolved,
            variables(&[("A", "file"), ("B", "2"), ("C", "1+2"), ("D", "$literal")])
        );
    }

    #[test]
    fn the_common_part_inherits_what_is_listed_and_nothing_else() {
        let parent = |name: &str| match name {
            "PATH" => Some("/opt/bin".to_owned()),
            "HOME" => Some("/home/$dev".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("leaked".to_owned()),
            _ => None,
        };
        let facts = Facts {
            claude_version: Some("2.1.330"),
            dashboard_url: None,
        };
        let common = common(facts, &parent);
        let layers = [Layer {
            of: "the common part",
            variables: &common,
            unset: Unset::LeaveOut,
        }];
        let resolved = resolve(&layers, &Variables::new(), &|_| None).unwrap();
        assert_eq!(
            resolved,
            variables(&[
                ("CLAUDE_VERSION", "2.1.330"),
                ("HOME", "/home/$dev"),
                ("LANG", "C.UTF-8"),
                ("NODE_ENV", "development"),
                ("PATH", "/opt/bin"),
                ("TERM", "xterm-256color"),
            ])
        );
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "ANTHROPIC_API_KEY",
            "github_token",
            "DB_PASSWORD",
            "SECRETS",
        ] {
            assert_eq!(mask(name, "hunter2"), MASK, "{name}");
        }
        assert_eq!(mask("EDITOR", "nano"), "nano");
    }
}
