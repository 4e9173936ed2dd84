//! The record of what happened: added to by the writing thread, read beside it.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags, Row};

use crate::domain::chronicle::{DAYS, Entry, EntryQuery, MOST, What};

/// How many entries are added before the oldest are looked at again.
const PRUNE: u64 = 1_000;

/// Why the record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The database cannot be read.
    #[error("cannot read the record in {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The reading was interrupted.
    #[error("the reading was interrupted")]
    Interrupted,
}

/// The writing side: knows when the oldest entries are to go.
#[derive(Debug, Default)]
pub(super) struct Record {
    added: u64,
}

impl Record {
    /// Adds entries.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        entries: &[Entry],
    ) -> rusqlite::Result<()> {
        for entry in entries {
            // It holds nothing that JSON cannot say: amounts are finite.
            let document = serde_json::to_string(entry).unwrap_or_default();
            let process = entry.process.map(|id| signed(id.0));
            let task = entry.task.map(|id| signed(id.0));
            connection
                .prepare_cached(
                    "insert into event (at, process, task, document) values (?1, ?2, ?3, ?4)",
                )?
                .execute((entry.at.as_millisecond(), process, task, document))?;
        }
        self.added += entries.len() as u64;
        if self.added >= PRUNE {
            self.prune(connection)?;
        }
        Ok(())
    }

    /// Drops entries that are too many or too old, as of the newest one.
    pub(super) fn prune(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.added = 0;
        let newest: Option<(i64, i64)> = connection
            .prepare_cached("select number, at from event order by number desc limit 1")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .next()
            .transpose()?;
        let Some((newest, at)) = newest else {
            return Ok(());
        };
        connection.execute(
            "delete from event where number <= ?1",
            [newest - signed(MOST)],
        )?;
        let age = SignedDuration::from_hours(24 * DAYS).as_millis();
        let oldest = at.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX));
        // By number: a clock that was set back makes no hole.
        connection.execute(
            "delete from event where number <
             coalesce((select min(number) from event where at >= ?1), 0)",
            [oldest],
        )?;
        Ok(())
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way to the record for readers. Each opens the database for itself and holds up nobody.
#[derive(Debug, Clone)]
pub struct Events {
    path: PathBuf,
}

impl Events {
    /// The record in this database.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Reads entries, oldest first.
    ///
    /// # Errors
    /// [`EventsError`].
    pub fn read(&self, query: &EntryQuery) -> Result<Vec<Entry>, EventsError> {
        let mut entries = Vec::new();
        let order = if query.after.is_some() { "asc" } else { "desc" };
        self.select(query, order, |entry| entries.push(entry))?;
        if query.after.is_none() {
            entries.reverse();
        }
        Ok(entries)
    }

    /// Goes through all entries of a query, oldest first, and keeps none.
    ///
    /// # Errors
    /// [`EventsError`].
    pub fn each(&self, query: &EntryQuery, take: impl FnMut(Entry)) -> Result<(), EventsError> {
        self.select(query, "asc", take)
    }

    fn select(
        &self,
        query: &EntryQuery,
        order: &str,
        mut take: impl FnMut(Entry),
    ) -> Result<(), EventsError> {
        let failed = |source| EventsError::Database {
            path: self.path.clone(),
            source,
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        let wait = std::time::Duration::from_secs(5);
        connection.busy_timeout(wait).map_err(failed)?;
        let mut statement = connection
            .prepare(&format!(
                "select number, at, document from event
                 where number > ?1 and at >= ?2
                 and (?3 is null or process = ?3) and (?4 is null or task = ?4)
                 order by number {order} limit ?5"
            ))
            .map_err(failed)?;
        let mut rows = statement
            .query((
                signed(query.after.unwrap_or(0)),
                query.since.map_or(i64::MIN, Timestamp::as_millisecond),
                query.process.map(|id| signed(id.0)),
                query.task.map(|id| signed(id.0)),
                signed(query.lines as u64),
            ))
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            take(read(row).map_err(failed)?);
        }
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (number, at, document): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let entry = serde_json::from_str(&document).unwrap_or_else(|_| {
        // Another build has written it. That something happened is shown all the same.
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        Entry::new(
            at,
            What::Trouble,
            &format!("not understood by this build: {document}"),
        )
    });
    Ok(Entry {
        number: u64::try_from(number).unwrap_or(0),
        ..entry
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::effect::Batch;
    use crate::domain::id::{ProcessId, TaskId};
    use crate::store::{Store, schema};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn entry(second: i64, process: u64, task: u64) -> Entry {
        Entry {
            process: Some(ProcessId(process)),
            task: Some(TaskId(task)),
            ..Entry::new(at(second), What::TaskFailed, &format!("at {second}"))
        }
    }

    fn texts(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.text.as_str()).collect()
    }

    const ALL: EntryQuery = EntryQuery {
        after: None,
        since: None,
        process: None,
        task: None,
        lines: 100,
    };

    #[test]
    fn what_is_written_is_read_by_number_time_process_and_task() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let (store, _) = Store::open(&path, "boot", |_| {}).unwrap();
        for second in 0..10_u64 {
            let entries = vec![entry(second as i64, second % 2, second % 3)];
            let batch = Batch {
                entries,
                ..Batch::default()
            };
            store.write(second, batch);
        }
        drop(store);
        let events = Events::of(&path);
        let read = |query: EntryQuery| events.read(&query).unwrap();
        assert_eq!(read(ALL).len(), 10);
        let last = read(EntryQuery { lines: 2, ..ALL });
        assert_eq!(texts(&last), ["at 8", "at 9"]);
        assert_eq!(
            last[1],
            Entry {
                number: 10,
                ..entry(9, 1, 0)
            }
        );
        let next = read(EntryQuery {
            after: Some(3),
            lines: 2,
            ..ALL
        });
        assert_eq!(texts(&next), ["at 3", "at 4"]);
        let since = read(EntryQuery {
            since: Some(at(8)),
            ..ALL
        });
        assert_eq!(texts(&since), ["at 8", "at 9"]);
        let one = read(EntryQuery {
            process: Some(ProcessId(1)),
            ..ALL
        });
        assert_eq!(texts(&one), ["at 1", "at 3", "at 5", "at 7", "at 9"]);
        let task = read(EntryQuery {
            task: Some(TaskId(2)),
            ..ALL
        });
        assert_eq!(texts(&task), ["at 2", "at 5", "at 8"]);
    }

    #[test]
    fn the_oldest_go_when_they_are_too_many_or_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let (connection, _) = schema::open(&path, "boot").unwrap();
        let mut record = Record::default();
        let old = entry(-(DAYS * 86_400) - 5, 1, 1);
        record.add(&connection, &[old, entry(0, 1, 2)]).unwrap();
        record.prune(&connection).unwrap();
        let events = Events::of(&path);
        assert_eq!(texts(&events.read(&ALL).unwrap()), ["at 0"]);
        let many: Vec<Entry> = (1..=MOST as i64).map(|n| entry(n / 1000, 1, 3)).collect();
        let transaction = connection.unchecked_transaction().unwrap();
        record.add(&transaction, &many).unwrap();
        transaction.commit().unwrap();
        let mut numbers = Vec::new();
        let all = EntryQuery {
            lines: usize::MAX,
            ..ALL
        };
        events
            .each(&all, |entry| numbers.push(entry.number))
            .unwrap();
        assert_eq!(numbers.len() as u64, MOST);
        // Numbers are not used again, whatever has gone.
        assert_eq!((numbers[0], numbers.last()), (3, Some(&(MOST + 2))));
    }

    #[test]
    fn what_cannot_be_read_is_said_and_what_cannot_be_understood_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let missing = Events::of(&path).read(&ALL);
        assert!(matches!(missing, Err(EventsError::Database { .. })));
        let (connection, _) = schema::open(&path, "boot").unwrap();
        connection
            .execute(
                "insert into event (at, document) values (7000, '{\"what\":\"new\"}')",
                [],
            )
            .unwrap();
        let strange = Events::of(&path).read(&ALL).unwrap();
        assert_eq!((strange[0].number, strange[0].what), (1, What::Trouble));
        assert_eq!(strange[0].at.as_second(), 7);
        assert!(
            strange[0].text.ends_with("{\"what\":\"new\"}"),
            "{strange:?}"
        );
    }
}
