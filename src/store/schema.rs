//! Opening the database: checked, brought up to date, read.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::domain::fleet::Saved;
use crate::store::backup::{self, CopyError, Recovery};

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
    /// It is older, and cannot be kept as it was before it is changed.
    #[error("cannot copy the database to {} before its schema is changed", path.display())]
    Copy {
        /// Where to.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
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

impl OpenError {
    /// Whether the file itself is bad, and not what it takes to open it.
    fn is_of_the_file(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Database { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
            ),
            Self::Copy { .. } | Self::Newer { .. } => false,
        }
    }

    /// The fault alone, for a sentence that names the file itself.
    fn reason(&self) -> String {
        match self {
            Self::Damaged { finding, .. } => format!("damaged: {finding}"),
            Self::Database { source, .. } => source.to_string(),
            Self::Copy { .. } | Self::Newer { .. } => self.to_string(),
        }
    }
}

/// Generations that are left out after a recovery: shims may have seen later ones than the copy knows, and
/// listen to none that is not newer.
const LEFT_OUT: u64 = 1000;

/// Numbers of events that are left out likewise, for those who read on from one that is lost.
const EVENTS_LEFT_OUT: i64 = 100_000;

/// The key under which it stands that a copy was taken.
pub(super) const RECOVERED: &str = "recovered";

/// Opens the database, making it if it is not there, and reads what it holds. One that is bad is kept aside,
/// and its last good copy taken; without a copy it is left as it is, and nothing is begun over it.
pub(super) fn open(path: &Path, boot: &str) -> Result<(Connection, Saved), OpenError> {
    let cause = if backup::is_nothing(path) {
        // SQLite would begin an empty one.
        None
    } else {
        match open_there(path, boot) {
            Err(error) if error.is_of_the_file() => Some(error),
            opened => return opened,
        }
    };
    let reason = cause
        .as_ref()
        .map_or_else(|| "it is empty or gone".to_owned(), OpenError::reason);
    match backup::recover(path, whole) {
        Ok(Some(recovery)) => {
            let (connection, saved) = open_there(path, boot)?;
            let text = told(&recovery, &reason, &saved);
            tracing::error!("{text}");
            let saved =
                leave_out(&connection, saved, text).map_err(|source| OpenError::Database {
                    path: path.to_owned(),
                    source,
                })?;
            Ok((connection, saved))
        }
        Ok(None) => match cause {
            Some(error) => Err(error),
            None => open_there(path, boot),
        },
        Err(error) => {
            tracing::error!(%error, "the last good copy of the database cannot be taken");
            match cause {
                Some(error) => Err(error),
                None => Err(OpenError::Copy {
                    path: backup::path_of(path),
                    source: Box::new(error),
                }),
            }
        }
    }
}

/// What a person is told of a recovery.
fn told(recovery: &Recovery, reason: &str, saved: &Saved) -> String {
    let of = Timestamp::try_from(recovery.of).unwrap_or_default();
    let of = of.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M");
    let kept = recovery.aside.as_ref().map_or_else(
        || "there was nothing to keep".to_owned(),
        |aside| format!("it is kept as {}", aside.display()),
    );
    format!(
        "the database could not be used ({reason}); {kept}. Its last good copy, of {of}, stands in its place, \
         with {} processes and {} tasks: what was decided since is lost",
        saved.processes.len(),
        saved.tasks.len(),
    )
}

/// Goes on with a generation that no shim has seen, and with numbers of events that no reader has. That
/// a copy was taken stands in the database until the fleet has written what it makes of it.
fn leave_out(connection: &Connection, saved: Saved, text: String) -> rusqlite::Result<Saved> {
    let generation = saved.generation + LEFT_OUT;
    let mut put = connection.prepare("insert or replace into meta values (?1, ?2)")?;
    put.execute(("generation", generation.to_string()))?;
    put.execute((RECOVERED, &text))?;
    // No row is there as long as there was no event.
    connection.execute_batch(
        "insert into sqlite_sequence (name, seq) select 'event', 0
         where not exists (select 1 from sqlite_sequence where name = 'event')",
    )?;
    connection.execute(
        "update sqlite_sequence set seq = seq + ?1 where name = 'event'",
        [EVENTS_LEFT_OUT],
    )?;
    Ok(Saved {
        generation,
        recovered: Some(text),
        ..saved
    })
}

/// Whether what a copy holds is all there.
fn whole(copy: &Connection) -> bool {
    documents(copy).is_ok_and(|saved| torn(&saved).is_none())
}

/// The first document that is none.
fn torn(saved: &Saved) -> Option<String> {
    let of = |kind: &str, document: &String| {
        let parsed = serde_json::from_str::<serde::de::IgnoredAny>(document);
        let error = parsed.err()?;
        Some(format!("the document of a {kind} is torn ({error})"))
    };
    let processes = saved.processes.iter().map(|one| of("process", one));
    let tasks = saved.tasks.iter().map(|one| of("task", one));
    let requests = saved.requests.iter().map(|one| of("request", one));
    let meta = saved.meta.iter().map(|one| of("fleet", one));
    let alerts = saved.alerts.iter().map(|one| of("list of alerts", one));
    processes
        .chain(tasks)
        .chain(requests)
        .chain(meta)
        .chain(alerts)
        .find_map(|found| found)
}

fn open_there(path: &Path, boot: &str) -> Result<(Connection, Saved), OpenError> {
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
    migrate(&mut connection, path, STEPS)?;
    let saved = documents(&connection).map_err(failed)?;
    if let Some(finding) = torn(&saved) {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            finding,
        });
    }
    let saved = read(&connection, saved, boot).map_err(failed)?;
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
    version(&connection, path, STEPS.len())?;
    // All of it as of one moment.
    let connection = connection.transaction().map_err(failed)?;
    documents(&connection).map_err(failed)
}

/// The version of the schema, if it is known here.
fn version(connection: &Connection, path: &Path, known: usize) -> Result<usize, OpenError> {
    let found: usize = connection
        .query_row("pragma user_version", [], |row| row.get::<_, i64>(0))
        .map_err(|source| OpenError::Database {
            path: path.to_owned(),
            source,
        })?
        .try_into()
        .unwrap_or(usize::MAX);
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

/// Brings the schema up to date, step by step. What was there is copied first; a step that fails leaves
/// the database at the version before it.
fn migrate(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let found = version(connection, path, steps.len())?;
    if found > 0 && found < steps.len() {
        let copy = backup::before_version(path, found);
        backup::copy(connection, &copy).map_err(|error: CopyError| OpenError::Copy {
            path: copy,
            source: Box::new(error),
        })?;
    }
    for (at, step) in steps.iter().enumerate().skip(found) {
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
        recovered: meta(RECOVERED)?,
    })
}

/// Notes that there is a new instance, which goes on with this.
fn read(connection: &Connection, saved: Saved, boot: &str) -> rusqlite::Result<Saved> {
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

    /// A database with one task, and its copy.
    fn with_a_copy(folder: &Path) -> PathBuf {
        let path = folder.join("headcount.db");
        let (connection, _) = open(&path, "boot").unwrap();
        connection
            .execute("insert into task values (1, '{\"id\":1}')", [])
            .unwrap();
        backup::copy(&connection, &backup::path_of(&path)).unwrap();
        path
    }

    /// What becomes of the bytes of a database.
    type Wrong = fn(Vec<u8>) -> Vec<u8>;

    #[test]
    fn d8_a_bad_database_is_kept_aside_and_its_last_good_copy_taken() {
        let torn = |bytes: Vec<u8>| {
            let mut bytes = bytes;
            let middle = bytes.len() / 2;
            bytes.truncate(middle);
            bytes
        };
        let garbage = |bytes: Vec<u8>| b"no database at all".repeat(bytes.len());
        let header = |mut bytes: Vec<u8>| {
            bytes[100..4096].fill(0xff);
            bytes
        };
        let empty = |_: Vec<u8>| Vec::new();
        let wrongs: [(&str, Wrong); 4] = [
            ("torn", torn),
            ("garbage", garbage),
            ("header", header),
            ("empty", empty),
        ];
        for (name, wrong) in wrongs {
            let folder = tempfile::tempdir().unwrap();
            let path = with_a_copy(folder.path());
            let bad = wrong(std::fs::read(&path).unwrap());
            std::fs::write(&path, &bad).unwrap();
            let (_open, saved) = open(&path, "boot").unwrap();
            assert_eq!(saved.tasks, ["{\"id\":1}"], "{name}");
            let told = saved.recovered.unwrap();
            let aside = folder.path().join("headcount.db.bad-1");
            assert!(told.contains(&aside.display().to_string()), "{told}");
            assert!(told.contains("1 tasks"), "{told}");
            assert!(std::fs::read(&aside).unwrap() == bad, "{name}");
            // Newer than any instance that wrote what is lost.
            assert!(saved.generation > LEFT_OUT, "{}", saved.generation);
            drop(_open);
            // Until the fleet has made something of it.
            let (_, again) = open(&path, "boot").unwrap();
            assert_eq!((again.recovered, again.tasks.len()), (Some(told), 1));
        }
    }

    #[test]
    fn d8_a_document_that_is_torn_is_damage_wherever_it_stands() {
        for (table, key) in [
            ("process", "1"),
            ("task", "1"),
            ("request", "1"),
            ("meta", "'fleet'"),
            ("meta", "'alerts'"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = with_a_copy(folder.path());
            let tear = || {
                let connection = Connection::open(&path).unwrap();
                let torn = format!("insert or replace into {table} values ({key}, '{{\"id\":1,')");
                connection.execute(&torn, []).unwrap();
                connection
            };
            drop(tear());
            let (_, saved) = open(&path, "boot").unwrap();
            assert_eq!(saved.tasks, ["{\"id\":1}"], "{table} {key}");
            let told = saved.recovered.unwrap();
            assert!(
                told.contains("is torn") && told.contains(".bad-1"),
                "{told}"
            );
            // One that is as torn as the database is no good copy.
            backup::copy(&tear(), &backup::path_of(&path)).unwrap();
            let error = open(&path, "boot").unwrap_err();
            assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
            assert!(!folder.path().join("headcount.db.bad-2").exists());
        }
    }

    #[test]
    fn d8_numbers_of_events_are_not_given_out_twice_after_a_recovery() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let add = |connection: &Connection| {
            let text = "insert into event (at, document) values (0, '{}') returning number";
            let number: i64 = connection.query_row(text, [], |row| row.get(0)).unwrap();
            number
        };
        let (connection, _) = open(&path, "boot").unwrap();
        backup::copy(&connection, &backup::path_of(&path)).unwrap();
        add(&connection);
        let lost = add(&connection);
        drop(connection);
        std::fs::write(&path, "garbage ".repeat(999)).unwrap();
        let (connection, _) = open(&path, "boot").unwrap();
        assert!(add(&connection) > lost);
    }

    #[test]
    fn d8_a_database_that_is_gone_is_taken_from_its_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = with_a_copy(folder.path());
        std::fs::remove_file(&path).unwrap();
        let (_, saved) = open(&path, "boot").unwrap();
        assert_eq!(saved.tasks.len(), 1);
        assert!(saved.recovered.unwrap().contains("nothing to keep"));
    }

    #[test]
    fn d8_a_bad_copy_is_not_taken_and_the_bad_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = with_a_copy(folder.path());
        let garbage = b"no database at all, but long enough ".repeat(200);
        for file in [path.clone(), backup::path_of(&path)] {
            std::fs::write(file, &garbage).unwrap();
        }
        assert!(matches!(
            open(&path, "boot"),
            Err(OpenError::Database { .. })
        ));
        assert!(std::fs::read(&path).unwrap() == garbage);
        // Nor is one that cannot be opened for another reason.
        let error = OpenError::Newer {
            path,
            found: 9,
            known: 1,
        };
        assert!(!error.is_of_the_file());
    }

    /// A database as the first version made it, with a task.
    fn of_version_1(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch(
                "create table process (id integer primary key, document text not null) strict;
                create table task (id integer primary key, document text not null) strict;
                create table request (id integer primary key, document text not null) strict;
                create table meta (key text primary key, document text not null) strict, without rowid;
                insert into task values (7, '{\"id\":7}');
                insert into meta values ('generation', '41');
                pragma user_version = 1;",
            )
            .unwrap();
        connection
    }

    #[test]
    fn d16_an_older_schema_is_copied_and_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let mut connection = of_version_1(&path);
        let more = "alter table task add column note text; update task set note = 'moved'";
        migrate(&mut connection, &path, &[STEPS[0], more]).unwrap();
        let note = |connection: &Connection| -> rusqlite::Result<String> {
            connection.query_row("select note from task where id = 7", [], |row| row.get(0))
        };
        assert_eq!(note(&connection).unwrap(), "moved");
        assert_eq!(version(&connection, &path, 2).unwrap(), 2);
        let copy = Connection::open(backup::before_version(&path, 1)).unwrap();
        assert_eq!(version(&copy, &path, 2).unwrap(), 1);
        assert_eq!(documents(&copy).unwrap().tasks, ["{\"id\":7}"]);
        note(&copy).unwrap_err();
        // Once is enough.
        migrate(&mut connection, &path, &[STEPS[0], more]).unwrap();
    }

    #[test]
    fn d16_a_step_that_fails_leaves_the_version_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let mut connection = of_version_1(&path);
        let wrong = "delete from task; alter table nothing add column note text";
        migrate(&mut connection, &path, &[STEPS[0], wrong]).unwrap_err();
        assert_eq!(version(&connection, &path, 2).unwrap(), 1);
        assert_eq!(documents(&connection).unwrap().tasks.len(), 1);
    }

    #[test]
    fn d16_a_database_of_the_first_version_opens_with_all_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        drop(of_version_1(&path));
        let (connection, saved) = open(&path, "boot").unwrap();
        assert_eq!((saved.generation, saved.tasks.len()), (42, 1));
        let known = STEPS.len();
        assert_eq!(version(&connection, &path, known).unwrap(), known);
        assert!(backup::before_version(&path, 1).is_file());
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
