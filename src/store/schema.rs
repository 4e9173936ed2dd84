//! Opening the database: checked, brought up to date, read.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::domain::fleet::Saved;

/// Each step brings the schema one version further; `PRAGMA user_version` counts them.
const STEPS: &[&str] = &[
    "
    create table process (id integer primary key, document text not null) strict;
    create table task (id integer primary key, document text not null) strict;
    create table request (id integer primary key, document text not null) strict;
    create table meta (key text primary key, document text not null) strict, without rowid;
",
    "
    create table event (
        number integer primary key autoincrement,
        at integer not null,
        process integer,
        task integer,
        document text not null
    ) strict;
",
];

/// Why the database cannot be used. The file is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite cannot open, read or write it.
    #[error("cannot use the database {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// It fails SQLite's own check.
    #[error("the database {} is damaged: {finding}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check said first.
        finding: String,
    },
    /// A newer headcount has written it.
    #[error(
        "the database {} is of a newer headcount (schema {found}; this one knows {known})",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: usize,
        /// The newest that is known here.
        known: usize,
    },
}

/// Opens the database, making it if it is not there, and reads what it holds.
pub(super) fn open(path: &Path, boot: &str) -> Result<(Connection, Saved), OpenError> {
    let failed = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // For our eyes only, and SQLite gives the files beside it the same mode.
    drop(
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path),
    );
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    prepare(&connection).map_err(failed)?;
    check(&connection, path)?;
    migrate(&mut connection, path)?;
    let saved = read(&connection, boot).map_err(failed)?;
    Ok((connection, saved))
}

/// Reads what a database holds that another program has open, to see whether it is understood here.
/// Nothing is written.
pub(super) fn peek(path: &Path) -> Result<Saved, OpenError> {
    let failed = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    let wait = std::time::Duration::from_secs(5);
    connection.busy_timeout(wait).map_err(failed)?;
    version(&connection, path)?;
    // All of it as of one moment.
    let connection = connection.transaction().map_err(failed)?;
    documents(&connection).map_err(failed)
}

/// The version of the schema, if it is known here.
fn version(connection: &Connection, path: &Path) -> Result<usize, OpenError> {
    let found: usize = connection
        .query_row("pragma user_version", [], |row| row.get::<_, i64>(0))
        .map_err(|source| OpenError::Database {
            path: path.to_owned(),
            source,
        })?
        .try_into()
        .unwrap_or(usize::MAX);
    let known = STEPS.len();
    if found > known {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(found)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A task that is acknowledged survives a power loss.
    connection.pragma_update(None, "synchronous", "full")
}

fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let finding: String = connection
        .query_row("pragma quick_check(1)", [], |row| row.get(0))
        .map_err(|source| OpenError::Database {
            path: path.to_owned(),
            source,
        })?;
    if finding == "ok" {
        Ok(())
    } else {
        Err(OpenError::Damaged {
            path: path.to_owned(),
            finding,
        })
    }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let found = version(connection, path)?;
    for (at, step) in STEPS.iter().enumerate().skip(found) {
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(step).map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", at as i64 + 1)
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

/// What stands in the tables.
fn documents(connection: &Connection) -> rusqlite::Result<Saved> {
    let documents = |table: &str| -> rusqlite::Result<Vec<String>> {
        let mut all = connection.prepare(&format!("select document from {table} order by id"))?;
        all.query_map([], |row| row.get(0))?.collect()
    };
    let meta = |key: &str| -> rusqlite::Result<Option<String>> {
        let mut one = connection.prepare("select document from meta where key = ?1")?;
        one.query_map([key], |row| row.get(0))?.next().transpose()
    };
    Ok(Saved {
        processes: documents("process")?,
        tasks: documents("task")?,
        requests: documents("request")?,
        meta: meta("fleet")?,
        alerts: meta("alerts")?,
        generation: meta("generation")?
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        rebooted: false,
    })
}

/// Reads everything for a new instance, and notes that there is one.
fn read(connection: &Connection, boot: &str) -> rusqlite::Result<Saved> {
    let saved = documents(connection)?;
    let before: Option<String> = connection
        .prepare("select document from meta where key = 'boot'")?
        .query_map([], |row| row.get(0))?
        .next()
        .transpose()?;
    let generation = saved.generation + 1;
    let mut put = connection.prepare("insert or replace into meta values (?1, ?2)")?;
    put.execute(("boot", boot))?;
    put.execute(("generation", generation.to_string()))?;
    Ok(Saved {
        generation,
        rebooted: before.is_some_and(|before| before != boot),
        ..saved
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_a_newer_headcount_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let (connection, _) = open(&path, "boot").unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        assert!(matches!(
            open(&path, "boot"),
            Err(OpenError::Newer { found: 99, .. })
        ));
    }

    #[test]
    fn garbage_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        std::fs::write(
            &path,
            "this is no database, but it is long enough to be one ".repeat(99),
        )
        .unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(
            open(&path, "boot"),
            Err(OpenError::Database { .. })
        ));
        assert!(std::fs::read(&path).unwrap() == before);
    }

    #[test]
    fn the_database_is_for_our_eyes_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let _open = open(&path, "boot").unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn another_boot_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        for (boot, rebooted) in [
            ("one", false),
            ("one", false),
            ("two", true),
            ("two", false),
        ] {
            assert_eq!(open(&path, boot).unwrap().1.rebooted, rebooted);
        }
    }
}
