//! System prompts: read whole, from disk or from the embedded copy, with a hash to compare by.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::domain::command::LONGEST_PROMPT;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::role::Role;

use super::embedded;
use super::nearest::nearest;
use super::source::{Origin, Source};

/// The folder that prompts live in, beside `roles.toml`.
pub const FOLDER: &str = "corporate-prompts";

/// A longer file is no prompt.
const LARGEST: u64 = LONGEST_PROMPT as u64;

/// How far below [`FOLDER`] prompts are looked for, and how many are compared.
const DEEPEST: usize = 4;
const MOST: usize = 1000;

/// A prompt as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The file as `roles.toml` names it.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    /// The hash of the text, in hexadecimal digits.
    pub sha256: String,
}

/// The text is left out: prompts stay out of logs.
impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt")
            .field("path", &self.path)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

impl Prompt {
    /// Makes a prompt of text, also of text that never was a file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text = text.into();
        let sha256 = Sha256::digest(text.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            path: path.into(),
            text,
            sha256,
        }
    }
}

/// Why there is no prompt.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The role names no prompt file.
    #[error("the role `{role}` names no prompt file")]
    Unnamed {
        /// The role's key.
        role: String,
    },
    /// The file is not there.
    #[error("the prompt file {} is not there", path.display())]
    Missing {
        /// As named.
        path: PathBuf,
        /// The existing file whose name is closest.
        nearest: Option<PathBuf>,
    },
    /// The file is there and cannot be read.
    #[error("cannot read the prompt file {}", path.display())]
    Read {
        /// As named.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is there is a folder, a pipe or a device.
    #[error("the prompt file {} is not a regular file", path.display())]
    NoFile {
        /// As named.
        path: PathBuf,
    },
    /// The file is there and no prompt.
    #[error("the prompt file {} {}", path.display(), what.words())]
    Unfit {
        /// As named.
        path: PathBuf,
        /// What is wrong with its content.
        what: Unfit,
    },
}

/// Why the content of a file is no prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// More than any agent takes.
    TooLarge,
    /// With a NUL character.
    Nul,
    /// In no encoding that we know.
    NotText,
    /// Nothing, or blanks.
    Empty,
}

impl Unfit {
    const fn words(self) -> &'static str {
        match self {
            Self::TooLarge => "is larger than 1 MB",
            Self::Nul => "holds a NUL character",
            Self::NotText => "is not UTF-8",
            Self::Empty => "is empty",
        }
    }
}

impl PromptError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unnamed { role } => format!("add `prompt = \"…\"` to [roles.{role}]"),
            Self::Missing {
                nearest: Some(nearest),
                ..
            } => format!(
                "the nearest is {}: use that, or create the file",
                nearest.display()
            ),
            Self::Missing {
                path,
                nearest: None,
            } if path.is_absolute() => {
                format!("create {}, or name a file that is there", path.display())
            }
            Self::Missing {
                path,
                nearest: None,
            } => format!(
                "create {}, or run `headcount init` for the shipped prompts",
                path.display()
            ),
            Self::Read { path, .. } => format!(
                "make {} readable for the user that runs headcount",
                path.display()
            ),
            Self::NoFile { .. } => "name a file with the text of the prompt".to_owned(),
            Self::Unfit {
                what: Unfit::TooLarge,
                ..
            } => "shorten it; what an agent seldom needs may stand in files that the prompt names"
                .to_owned(),
            Self::Unfit {
                path,
                what: Unfit::Empty,
            } => format!("write the prompt into {}", path.display()),
            Self::Unfit {
                path,
                what: Unfit::Nul | Unfit::NotText,
            } => format!(
                "write the prompt into {} as plain UTF-8 text",
                path.display()
            ),
        }
    }
}

impl From<&PromptError> for Fault {
    fn from(error: &PromptError) -> Self {
        let cause = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self::new(FaultCode::PromptNotFound, cause, error.remedy())
    }
}

/// Reads the prompt of a role.
///
/// # Errors
/// [`PromptError`], each of which is PROC_002.
pub fn load(source: &Source, role: &Role) -> Result<Prompt, PromptError> {
    let path = role.prompt.as_deref().ok_or_else(|| PromptError::Unnamed {
        role: role.key.clone(),
    })?;
    read(source, path)
}

/// Reads a prompt by its path: absolute, or from the folder of `roles.toml`.
///
/// # Errors
/// [`PromptError`], each of which is PROC_002.
pub fn read(source: &Source, path: &Path) -> Result<Prompt, PromptError> {
    if !exists(source, path) {
        return Err(missing(source, path));
    }
    if let Some(text) = of_the_binary(source, path) {
        return Ok(Prompt::new(path, text));
    }
    let bytes = read_bytes(&source.folder().join(path)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(source, path),
        io::ErrorKind::InvalidInput => PromptError::NoFile {
            path: path.to_owned(),
        },
        _ => PromptError::Read {
            path: path.to_owned(),
            source: error,
        },
    })?;
    let unfit = |what| PromptError::Unfit {
        path: path.to_owned(),
        what,
    };
    if bytes.len() as u64 > LARGEST {
        return Err(unfit(Unfit::TooLarge));
    }
    if bytes.contains(&0) {
        return Err(unfit(Unfit::Nul));
    }
    let text = String::from_utf8(bytes).map_err(|_| unfit(Unfit::NotText))?;
    if text.trim().is_empty() {
        return Err(unfit(Unfit::Empty));
    }
    Ok(Prompt::new(path, text))
}

/// Finds the prompt that a caller names freely: `senior-developer`, `senior_developer.md`,
/// `development/senior-developer`, with or without the folder and `.md`.
///
/// # Errors
/// [`PromptError::Missing`] if no prompt, or more than one, has this name.
pub fn find(source: &Source, name: &str) -> Result<PathBuf, PromptError> {
    let plain = |name: &str| {
        name.trim_end_matches(".md")
            .replace('_', "-")
            .to_lowercase()
    };
    let wanted = plain(name);
    let fits = |path: &&String| {
        let path = plain(path);
        path == wanted || path.ends_with(&format!("/{wanted}"))
    };
    let all = list(source);
    let mut fitting = all.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(PathBuf::from(only)),
        _ => Err(missing(source, Path::new(name))),
    }
}

/// Returns the paths of all prompts, from the folder of `roles.toml`, in order.
#[must_use]
pub fn list(source: &Source) -> Vec<String> {
    if source.origin() == Origin::Embedded {
        return embedded::PROMPTS
            .iter()
            .map(|(path, _)| (*path).to_owned())
            .collect();
    }
    let mut found = Vec::new();
    collect(&source.folder().join(FOLDER), FOLDER, DEEPEST, &mut found);
    found.sort_unstable();
    found
}

/// Whether there is a file of this path, whatever its content.
pub(super) fn exists(source: &Source, path: &Path) -> bool {
    of_the_binary(source, path).is_some() || source.folder().join(path).exists()
}

/// The error for a path that does not exist, with the nearest that does.
pub(super) fn missing(source: &Source, path: &Path) -> PromptError {
    let all = list(source);
    let whole = path.to_string_lossy();
    let near = nearest(&whole, all.iter().map(String::as_str))
        .first()
        .map(PathBuf::from);
    // The folder may be what is wrong, so the bare name is tried as well.
    let by_name = || {
        let stem = |path: &str| {
            Path::new(path)
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let stems: Vec<String> = all.iter().map(|path| stem(path)).collect();
        let wanted = stem(&whole);
        let best = *nearest(&wanted, stems.iter().map(String::as_str)).first()?;
        let at = stems.iter().position(|stem| stem == best)?;
        Some(PathBuf::from(&all[at]))
    };
    PromptError::Missing {
        path: path.to_owned(),
        nearest: near.or_else(by_name),
    }
}

fn of_the_binary(source: &Source, path: &Path) -> Option<&'static str> {
    let plain: PathBuf = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    (source.origin() == Origin::Embedded)
        .then(|| embedded::prompt(plain.to_str()?))
        .flatten()
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a named pipe would wait for a writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed tells a long file from one that just fits.
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn collect(folder: &Path, name: &str, depth: usize, found: &mut Vec<String>) {
    // A folder that cannot be read has no prompts to suggest; reading the named one says why.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(file_name) = entry.file_name().into_string() else {
            continue;
        };
        let path = format!("{name}/{file_name}");
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth > 0 {
            collect(&entry.path(), &path, depth - 1, found);
        } else if !is_folder && file_name.ends_with(".md") && found.len() < MOST {
            found.push(path);
        }
    }
}
