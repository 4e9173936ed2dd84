//! Everything that is in a folder, as it is: files with their modes, links, empty folders.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::GitError;

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A file and its permission bits.
    File(u32),
    /// A link and where it points.
    Link(PathBuf),
    /// A folder with nothing in it that is kept, and its permission bits.
    Empty(u32),
}

/// Paths below the top, and what each is.
pub(super) type Tree = BTreeMap<PathBuf, Entry>;

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What is to be kept.
    pub(super) tree: Tree,
    /// Sockets, pipes and devices: they have no contents.
    pub(super) special: Vec<PathBuf>,
}

/// Reads all below `top` but git's own file and what is `left_out`.
///
/// # Errors
/// A folder cannot be read, or holds a repository of its own.
pub(super) fn walk(top: &Path, left_out: &[PathBuf]) -> Result<Found, GitError> {
    let mut found = Found::default();
    folder(top, Path::new(""), left_out, &mut found)?;
    Ok(found)
}

fn cannot(act: &'static str, path: &Path) -> impl Fn(io::Error) -> GitError {
    let path = path.to_owned();
    move |source| GitError::File {
        act,
        path: path.clone(),
        source,
    }
}

/// Reads one folder; returns whether anything below it is kept.
fn folder(
    top: &Path,
    below: &Path,
    left_out: &[PathBuf],
    found: &mut Found,
) -> Result<(), GitError> {
    let here = top.join(below);
    let mut is_empty = true;
    for entry in fs::read_dir(&here).map_err(cannot("read", &here))? {
        let entry = entry.map_err(cannot("read", &here))?;
        let path = below.join(entry.file_name());
        if entry.file_name() == ".git" {
            if below.as_os_str().is_empty() {
                continue;
            }
            return Err(GitError::Nested { folder: here });
        }
        is_empty = false;
        if left_out.contains(&path) {
            continue;
        }
        let full = top.join(&path);
        let meta = fs::symlink_metadata(&full).map_err(cannot("look at", &full))?;
        if meta.is_dir() {
            folder(top, &path, left_out, found)?;
        } else if meta.is_symlink() {
            let to = fs::read_link(&full).map_err(cannot("read", &full))?;
            found.tree.insert(path, Entry::Link(to));
        } else if meta.is_file() {
            let mode = meta.permissions().mode() & 0o7777;
            found.tree.insert(path, Entry::File(mode));
        } else {
            found.special.push(path);
        }
    }
    if is_empty && !below.as_os_str().is_empty() {
        let meta = fs::metadata(&here).map_err(cannot("look at", &here))?;
        let mode = meta.permissions().mode() & 0o7777;
        found.tree.insert(below.to_owned(), Entry::Empty(mode));
    }
    Ok(())
}

/// How many bytes a path holds, as far as it can be read.
pub(super) fn size(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !meta.is_dir() {
        return meta.len();
    }
    let inside = fs::read_dir(path).into_iter().flatten().flatten();
    inside.map(|entry| size(&entry.path())).sum()
}
