//! All tasks as people see them: in pieces, which snapshots share for as long as nothing in them changes.

use std::iter::{FlatMap, Map};
use std::slice;
use std::sync::Arc;

use crate::domain::id::TaskId;
use crate::domain::snapshot::TaskCounts;
use crate::domain::task::{Task, TaskState};

/// How many ids a piece spans: a change copies one piece, a copy of the list only names them.
const PIECE: u64 = 256;

/// Tasks by id. A copy costs nothing, and so does a change, however many there are.
#[derive(Debug, Clone, Default)]
pub struct TaskList {
    // By number. None is empty.
    pieces: Arc<Vec<Piece>>,
    counts: TaskCounts,
    length: usize,
}

/// Tasks whose ids are near each other.
#[derive(Debug, Clone)]
pub struct Piece {
    number: u64,
    // By id.
    rows: Arc<Vec<Row>>,
}

/// A task, with what lists sort by beside it: to walk over many must not fetch each of them.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its id.
    pub id: TaskId,
    /// Its state.
    pub state: TaskState,
    /// The task.
    pub task: Arc<Task>,
}

/// The rows of a list, by id.
pub type Rows<'a> = FlatMap<slice::Iter<'a, Piece>, slice::Iter<'a, Row>, RowsOf<'a>>;
/// The tasks of a list, by id.
pub type Iter<'a> = Map<Rows<'a>, fn(&'a Row) -> &'a Arc<Task>>;
/// What makes rows of a piece.
pub type RowsOf<'a> = fn(&'a Piece) -> slice::Iter<'a, Row>;

impl TaskList {
    /// Puts a task in, or in the place of what it was before.
    pub fn put(&mut self, task: Arc<Task>) {
        let number = task.id.0 / PIECE;
        let row = Row {
            id: task.id,
            state: task.state,
            task,
        };
        self.counts.add(row.state);
        let pieces = Arc::make_mut(&mut self.pieces);
        let at = match pieces.binary_search_by_key(&number, |piece| piece.number) {
            Ok(at) => at,
            Err(at) => {
                let rows = Arc::default();
                pieces.insert(at, Piece { number, rows });
                at
            }
        };
        let Some(piece) = pieces.get_mut(at) else {
            return;
        };
        let rows = Arc::make_mut(&mut piece.rows);
        match rows.binary_search_by_key(&row.id, |row| row.id) {
            Ok(at) => {
                if let Some(before) = rows.get_mut(at) {
                    self.counts.take(before.state);
                    *before = row;
                }
            }
            Err(at) => {
                rows.insert(at, row);
                self.length += 1;
            }
        }
    }

    /// Changes a task, if it is there.
    pub fn change(&mut self, id: TaskId, change: impl FnOnce(&mut Task)) {
        if let Some(mut task) = self.get(id).cloned() {
            change(Arc::make_mut(&mut task));
            self.put(task);
        }
    }

    /// Takes a task out.
    pub fn remove(&mut self, id: TaskId) {
        let number = id.0 / PIECE;
        let Ok(at) = self
            .pieces
            .binary_search_by_key(&number, |piece| piece.number)
        else {
            return;
        };
        let pieces = Arc::make_mut(&mut self.pieces);
        let Some(piece) = pieces.get_mut(at) else {
            return;
        };
        if let Ok(row) = piece.rows.binary_search_by_key(&id, |row| row.id) {
            let rows = Arc::make_mut(&mut piece.rows);
            self.counts.take(rows.remove(row).state);
            self.length -= 1;
            if rows.is_empty() {
                pieces.remove(at);
            }
        }
    }

    /// The task of an id.
    #[must_use]
    pub fn get(&self, id: TaskId) -> Option<&Arc<Task>> {
        let number = id.0 / PIECE;
        let at = self
            .pieces
            .binary_search_by_key(&number, |piece| piece.number);
        let rows = &self.pieces.get(at.ok()?)?.rows;
        let at = rows.binary_search_by_key(&id, |row| row.id).ok()?;
        Some(&rows.get(at)?.task)
    }

    /// All of them, by id.
    pub fn iter(&self) -> Iter<'_> {
        self.rows().map(|row| &row.task)
    }

    /// All of them with their states, by id.
    pub fn rows(&self) -> Rows<'_> {
        let rows: RowsOf<'_> = |piece| piece.rows.iter();
        self.pieces.iter().flat_map(rows)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many of each kind there are.
    #[must_use]
    pub const fn counts(&self) -> TaskCounts {
        self.counts
    }
}

impl FromIterator<Arc<Task>> for TaskList {
    fn from_iter<I: IntoIterator<Item = Arc<Task>>>(tasks: I) -> Self {
        let mut list = Self::default();
        for task in tasks {
            list.put(task);
        }
        list
    }
}

impl<'a> IntoIterator for &'a TaskList {
    type Item = &'a Arc<Task>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}
