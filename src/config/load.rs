//! Loads a configuration: read, parse, check, resolve.

use std::path::{Path, PathBuf};

use crate::domain::role::Catalogue;

use super::document::Document;
use super::embedded;
use super::environment::Parent;
use super::mistakes::{Mistakes, Report};
use super::parse::{parse, read_text};
use super::resolve::Resolver;
use super::source::Source;

/// A configuration without mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Everything that it says, resolved.
    pub catalogue: Catalogue,
    /// The files whose change changes it: `roles.toml`, prompts, env files; also those that do not exist yet.
    pub files: Vec<PathBuf>,
}

/// Reads and checks a configuration. `parent` looks up the environment for [`COMMAND_OVERRIDE`].
///
/// # Errors
/// All mistakes at once, in the order of the file; syntax errors come alone, as the rest cannot be judged.
///
/// [`COMMAND_OVERRIDE`]: super::COMMAND_OVERRIDE
pub fn load(source: &Source, parent: Parent<'_>) -> Result<Loaded, Mistakes> {
    match source.file() {
        Some(file) => load_text(source, &file, &read_text(&file)?, parent),
        None => load_text(source, Path::new(embedded::NAME), embedded::ROLES, parent),
    }
}

/// As [`load`], for text that may not be saved yet; `path` is for messages.
///
/// # Errors
/// As [`load`].
pub fn load_text(
    source: &Source,
    path: &Path,
    text: &str,
    parent: Parent<'_>,
) -> Result<Loaded, Mistakes> {
    let report = Report::default();
    let root = parse(path, text, &report)?;
    let document = Document::read(root.get_ref(), &report);
    let resolver = Resolver {
        source,
        report: &report,
        document: &document,
    };
    let catalogue = resolver.resolve(parent);
    let files = resolver.files(&catalogue);
    report.finish(path, text)?;
    Ok(Loaded { catalogue, files })
}
