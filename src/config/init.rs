//! Writes the shipped company out for editing.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::embedded;
use super::source::ROLES_FILE;

/// What became of each shipped file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Initialized {
    /// Files that were written.
    pub written: Vec<PathBuf>,
    /// Files that were there before, left as they are.
    pub kept: Vec<PathBuf>,
}

/// A shipped file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct InitError {
    /// The file or its folder.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Writes `roles.toml` and `corporate-prompts/` into a folder, which is made if it does not exist.
///
/// A file that is there already is never touched, so a second call completes what a first one began.
///
/// # Errors
/// [`InitError`] for the first file that cannot be written; what was written before stays.
pub fn init(folder: &Path) -> Result<Initialized, InitError> {
    let mut done = Initialized::default();
    let roles = (ROLES_FILE, embedded::ROLES);
    for (name, text) in std::iter::once(&roles).chain(embedded::PROMPTS) {
        let path = folder.join(name);
        if write_new(&path, text).map_err(|source| InitError {
            path: path.clone(),
            source,
        })? {
            done.written.push(path);
        } else {
            done.kept.push(path);
        }
    }
    Ok(done)
}

/// Writes a file that does not exist; says whether it did so.
fn write_new(path: &Path, text: &str) -> io::Result<bool> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => match file.write_all(text.as_bytes()) {
            Ok(()) => Ok(true),
            Err(error) => {
                // Half a file would be kept for the user's own next time; if this fails too, the first error says why.
                let _ = fs::remove_file(path);
                Err(error)
            }
        },
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_exist_are_kept_and_the_rest_is_written() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("new");
        let first = init(&folder).unwrap();
        assert_eq!((first.written.len(), first.kept.len()), (15, 0));

        let own = folder.join(ROLES_FILE);
        fs::write(&own, "# mine").unwrap();
        let lost = folder.join("corporate-prompts/operations/sre.md");
        fs::remove_file(&lost).unwrap();
        let second = init(&folder).unwrap();
        assert_eq!((second.written, second.kept.len()), (vec![lost], 14));
        assert_eq!(fs::read_to_string(own).unwrap(), "# mine");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(
            init(&file)
                .unwrap_err()
                .to_string()
                .starts_with("cannot write ")
        );
    }
}
