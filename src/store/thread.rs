//! The thread that writes: batches in, confirmations out, in order.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use tokio::time::Instant;

use crate::domain::effect::Batch;
use crate::domain::fleet::Saved;
use crate::store::backup;
use crate::store::events::Record;
use crate::store::schema::{self, OpenError};

/// How old the last good copy may be while something is written.
const COPIED_EVERY: Duration = Duration::from_secs(10 * 60);

/// How long a batch that nothing waits for may wait for others, to go to disk with them. Of what it holds,
/// nothing is lost with the instance: it stands in what is not recorded as read.
const PATIENCE: Duration = Duration::from_millis(10);

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Which batch.
    pub token: u64,
    /// Why it is not on disk; nothing of it is.
    pub outcome: Result<(), String>,
}

/// The way to the writing thread.
#[derive(Debug)]
pub struct Store {
    // Unbounded: the fleet writes a batch an input, and inputs are bounded.
    batches: Option<Sender<(u64, Batch)>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the database and starts the thread. `confirm` is called on it, once a batch and in
    /// their order; it must not block for long.
    ///
    /// # Errors
    /// [`OpenError`]; the file is left as it is.
    pub fn open(
        path: &Path,
        boot: &str,
        confirm: impl Fn(Written) + Send + 'static,
    ) -> Result<(Self, Saved), OpenError> {
        let (connection, saved) = schema::open(path, boot)?;
        // Once at a start and now and then: what is too old goes, and nobody waits for it.
        let mut record = Record::default();
        let failed = |source| OpenError::Database {
            path: path.to_owned(),
            source,
        };
        record.prune(&connection).map_err(failed)?;
        let (batches, inbox) = channel();
        let database = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_all(connection, record, Copies::of(&database), &inbox, &confirm))
            .map_err(|error| OpenError::Database {
                path: path.to_owned(),
                source: rusqlite::Error::ToSqlConversionFailure(Box::new(error)),
            })?;
        Ok((
            Self {
                batches: Some(batches),
                thread: Some(thread),
            },
            saved,
        ))
    }

    /// Reads what a database holds that another program has open; nothing is written.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn peek(path: &Path) -> Result<Saved, OpenError> {
        schema::peek(path)
    }

    /// Orders a batch to be written.
    pub fn write(&self, token: u64, batch: Batch) {
        if let Some(batches) = &self.batches {
            // The thread ends only after this sender is gone.
            drop(batches.send((token, batch)));
        }
    }
}

impl Drop for Store {
    /// Writes what is waiting, then closes the database.
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            drop(thread.join());
        }
    }
}

/// The last good copy, as it grows old.
struct Copies {
    path: PathBuf,
    due: Instant,
    /// Something was written since.
    behind: bool,
}

impl Copies {
    /// Due at once: what was read is good, and knows of this instance.
    fn of(database: &Path) -> Self {
        Self {
            path: backup::path_of(database),
            due: Instant::now(),
            behind: true,
        }
    }

    /// The next batch, with a copy made meanwhile if it is time; `None` when there will be none.
    fn next(
        &mut self,
        connection: &Connection,
        inbox: &Receiver<(u64, Batch)>,
    ) -> Option<(u64, Batch)> {
        while self.behind {
            let wait = self.due.saturating_duration_since(Instant::now());
            match inbox.recv_timeout(wait) {
                Ok(batch) => return Some(batch),
                Err(RecvTimeoutError::Timeout) => self.make(connection),
                Err(RecvTimeoutError::Disconnected) => {
                    self.make(connection);
                    return None;
                }
            }
        }
        inbox.recv().ok()
    }

    fn make(&mut self, connection: &Connection) {
        // A disk that is full is told by whoever watches it; the older copy stays.
        if let Err(error) = backup::copy(connection, &self.path) {
            tracing::warn!(%error, "the database is not copied");
        }
        self.behind = false;
        self.due = Instant::now() + COPIED_EVERY;
    }
}

fn write_all(
    mut connection: Connection,
    mut record: Record,
    mut copies: Copies,
    inbox: &Receiver<(u64, Batch)>,
    confirm: &impl Fn(Written),
) {
    while let Some(first) = copies.next(&connection, inbox) {
        copies.behind = true;
        let waiting = gather(first, inbox);
        match write(&mut connection, &mut record, &waiting) {
            Ok(()) => {
                for (token, _) in waiting {
                    confirm(Written {
                        token,
                        outcome: Ok(()),
                    });
                }
            }
            // One may be to blame, such as a document that is too long: each for itself then.
            Err(_) if waiting.len() > 1 => {
                for one in waiting {
                    let outcome = write(&mut connection, &mut record, std::slice::from_ref(&one));
                    let outcome = outcome.map_err(|error| error.to_string());
                    confirm(Written {
                        token: one.0,
                        outcome,
                    });
                }
            }
            Err(error) => {
                for (token, _) in waiting {
                    confirm(Written {
                        token,
                        outcome: Err(error.to_string()),
                    });
                }
            }
        }
    }
}

/// What goes to disk together: what has come meanwhile, and what comes soon if nothing waits for these. One `fsync` for all.
fn gather(first: (u64, Batch), inbox: &Receiver<(u64, Batch)>) -> Vec<(u64, Batch)> {
    let by = Instant::now() + PATIENCE;
    let mut waiting = vec![first];
    loop {
        waiting.extend(inbox.try_iter());
        if waiting.iter().any(|(_, batch)| batch.awaited) {
            return waiting;
        }
        match inbox.recv_timeout(by.saturating_duration_since(Instant::now())) {
            Ok(one) => waiting.push(one),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return waiting,
        }
    }
}

fn write(
    connection: &mut Connection,
    record: &mut Record,
    batches: &[(u64, Batch)],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (_, batch) in batches {
        for (id, document) in &batch.processes {
            put(&transaction, "process", id.0, document.as_deref())?;
        }
        for (id, document) in &batch.tasks {
            put(&transaction, "task", id.0, document.as_deref())?;
        }
        for (id, document) in &batch.requests {
            put(&transaction, "request", id.0, document.as_deref())?;
        }
        if let Some(meta) = &batch.meta {
            transaction
                .prepare_cached("insert or replace into meta values ('fleet', ?1)")?
                .execute([meta])?;
            // It knows of it by now, and so does whoever reads its alerts.
            transaction
                .prepare_cached("delete from meta where key = ?1")?
                .execute([schema::RECOVERED])?;
        }
        if let Some(alerts) = &batch.alerts {
            transaction
                .prepare_cached("insert or replace into meta values ('alerts', ?1)")?
                .execute([alerts])?;
        }
        record.add(&transaction, &batch.entries)?;
    }
    transaction.commit()
}

fn put(
    transaction: &Transaction<'_>,
    table: &str,
    id: u64,
    document: Option<&str>,
) -> rusqlite::Result<()> {
    let id = i64::try_from(id).unwrap_or(i64::MAX);
    match document {
        Some(document) => transaction
            .prepare_cached(&format!("insert or replace into {table} values (?1, ?2)"))?
            .execute((id, document))?,
        None => transaction
            .prepare_cached(&format!("delete from {table} where id = ?1"))?
            .execute([id])?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::TaskId;

    fn open(path: &Path) -> (Store, Saved, Receiver<Written>) {
        let (written, confirmations) = channel();
        let confirm = move |what| drop(written.send(what));
        let (store, saved) = Store::open(path, "boot", confirm).unwrap();
        (store, saved, confirmations)
    }

    fn batch(id: u64, text: Option<&str>) -> Batch {
        Batch {
            tasks: vec![(TaskId(id), text.map(str::to_owned))],
            ..Batch::default()
        }
    }

    #[test]
    fn batches_are_confirmed_in_order_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let (store, saved, confirmations) = open(&path);
        assert!(saved.tasks.is_empty() && saved.meta.is_none());
        for token in 1..=50 {
            store.write(token, batch(token, Some(&format!("{{\"n\":{token}}}"))));
        }
        store.write(51, batch(1, None));
        drop(store);
        let tokens: Vec<u64> = confirmations.iter().map(|written| written.token).collect();
        assert_eq!(tokens, (1..=51).collect::<Vec<u64>>());
        let (_store, saved, _) = open(&path);
        assert_eq!(saved.tasks.len(), 49);
        assert_eq!(saved.tasks[0], "{\"n\":2}");
    }

    #[test]
    fn what_is_awaited_takes_along_what_waits_and_the_order_is_kept() {
        let (batches, inbox) = channel();
        let awaited = Batch {
            awaited: true,
            ..Batch::default()
        };
        batches.send((2, batch(2, None))).unwrap();
        batches.send((3, awaited)).unwrap();
        batches.send((4, batch(4, None))).unwrap();
        let tokens = |waiting: Vec<(u64, Batch)>| -> Vec<u64> {
            waiting.into_iter().map(|(token, _)| token).collect()
        };
        assert_eq!(tokens(gather((1, batch(1, None)), &inbox)), [1, 2, 3, 4]);
        // Nothing comes, or nothing can come any more.
        assert_eq!(tokens(gather((5, batch(5, None)), &inbox)), [5]);
        drop(batches);
        assert_eq!(tokens(gather((6, batch(6, None)), &inbox)), [6]);
    }

    #[test]
    fn d8_a_recovery_is_told_until_the_fleet_has_written_what_it_makes_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let (store, ..) = open(&path);
        store.write(1, batch(1, Some("{\"n\":1}")));
        drop(store);
        std::fs::remove_file(&path).unwrap();
        let (store, saved, _) = open(&path);
        assert!(saved.recovered.is_some());
        store.write(2, batch(2, Some("{\"n\":2}")));
        drop(store);
        let (store, saved, _) = open(&path);
        assert!(saved.recovered.is_some() && saved.tasks.len() == 2);
        let meta = Batch {
            meta: Some("{}".to_owned()),
            ..Batch::default()
        };
        store.write(3, meta);
        drop(store);
        assert_eq!(open(&path).1.recovered, None);
    }

    #[test]
    fn d8_an_orderly_end_leaves_a_copy_of_all_that_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.db");
        let (store, ..) = open(&path);
        store.write(1, batch(1, Some("{\"n\":1}")));
        drop(store);
        let copy = Store::peek(&backup::path_of(&path)).unwrap();
        assert_eq!(copy.tasks, ["{\"n\":1}"]);
        assert_eq!(copy.generation, 1);
    }
}
