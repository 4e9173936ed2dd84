//! The last good state: a copy of the database beside it, and the way back to it.
//!
//! The copy is made when an instance has read the database, every ten minutes in which something was
//! written, and before the schema is changed. Where the database is damaged, gone or no database, the copy
//! takes its place; what was there is kept aside, never deleted and never written over.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::backup::Progress;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

/// What became of a database that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recovery {
    /// Where the bad one is now; `None` if there was none.
    pub(super) aside: Option<PathBuf>,
    /// When the copy was made that stands in its place.
    pub(super) of: SystemTime,
}

/// The copy of a database.
pub(super) fn path_of(database: &Path) -> PathBuf {
    beside(database, ".good")
}

/// The copy that is made before its schema is changed from this version.
pub(super) fn before_version(database: &Path, version: usize) -> PathBuf {
    beside(database, &format!(".schema-{version}"))
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Copies a database whole, or not at all: an older copy stays until the new one is on disk.
pub(super) fn copy(connection: &Connection, to: &Path) -> Result<(), CopyError> {
    let new = beside(to, ".new");
    // One that was not finished is nobody's.
    drop(fs::remove_file(&new));
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    drop(made);
    let done = connection
        .backup(MAIN_DB, &new, None::<fn(Progress)>)
        .map_err(CopyError::from)
        .and_then(|()| Ok(File::open(&new)?.sync_all()?))
        .and_then(|()| Ok(fs::rename(&new, to)?));
    if done.is_err() {
        drop(fs::remove_file(&new));
    }
    done?;
    if let Some(folder) = to.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// SQLite could not.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// The disk could not.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// Whether there is nothing at all where a database was: SQLite would begin an empty one.
pub(super) fn is_nothing(database: &Path) -> bool {
    fs::metadata(database).is_ok_and(|data| data.len() == 0)
        || matches!(fs::metadata(database), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Puts the copy in the place of a database that cannot be used, which is kept aside. `None` if there is no
/// copy that can: one that passes SQLite's own check, and is `whole`.
pub(super) fn recover(
    database: &Path,
    whole: impl Fn(&Connection) -> bool,
) -> io::Result<Option<Recovery>> {
    let copy = path_of(database);
    if !is_sound(&copy, whole) {
        return Ok(None);
    }
    let of = fs::metadata(&copy)?.modified()?;
    // A copy of the copy: it is still there if this is cut short.
    let new = beside(database, ".new");
    fs::copy(&copy, &new)?;
    File::open(&new)?.sync_all()?;
    let aside = put_aside(database)?;
    fs::rename(&new, database)?;
    if let Some(folder) = database.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(Some(Recovery { aside, of }))
}

/// Whether a copy is there and can be used.
fn is_sound(copy: &Path, whole: impl Fn(&Connection) -> bool) -> bool {
    // For writing: then the files that SQLite makes beside it go when it is closed.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let check = || -> rusqlite::Result<bool> {
        let copy = Connection::open_with_flags(copy, flags)?;
        let said: String = copy.query_row("pragma quick_check(1)", [], |row| row.get(0))?;
        Ok(said == "ok" && whole(&copy))
    };
    !is_nothing(copy) && check().unwrap_or(false)
}

/// Moves a database away with the files that belong to it, under the first name that is free.
fn put_aside(database: &Path) -> io::Result<Option<PathBuf>> {
    let mut number = 1;
    let aside = loop {
        let aside = beside(database, &format!(".bad-{number}"));
        if !aside.exists() {
            break aside;
        }
        number += 1;
    };
    let mut moved = None;
    // The log first: beside another database it would be played into that one.
    for suffix in ["-wal", "-shm", ""] {
        match fs::rename(beside(database, suffix), beside(&aside, suffix)) {
            Ok(()) => moved = Some(aside.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(moved)
}
