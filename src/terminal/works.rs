//! What somebody changed, read for a screen when it is new and when it may have changed.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::domain::worktree::{WorkOf, WorkQuery, WorkText};
use crate::runtime::handle::Handle;
use crate::runtime::work::WorkError;

/// It is read no more often than this, however fast an employee works: git looks at every file.
const PACE: Duration = Duration::from_secs(1);

/// What was read, or why not.
pub(crate) type Read = (WorkQuery, Result<Box<WorkText>, WorkError>);

/// What one screen wants to read, and which worktrees it wants looked at.
#[derive(Debug, Default)]
pub(crate) struct Works {
    wanted: Option<WorkQuery>,
    known: Option<WorkQuery>,
    reading: bool,
    not_before: Option<Instant>,
    reads: JoinSet<Read>,
    surveyed: Vec<WorkQuery>,
    surveys: JoinSet<()>,
}

impl Works {
    /// Takes what the screen wants now.
    pub(crate) fn want(&mut self, query: Option<WorkQuery>) {
        if self.wanted.map(|query| query.of) != query.map(|query| query.of) {
            // Another page: it does not wait for the one before.
            self.known = None;
            self.not_before = None;
            self.reading = false;
            self.reads.abort_all();
        }
        self.wanted = query;
    }

    /// Has worktrees looked at, each once for each number; what they hold comes with a snapshot.
    pub(crate) fn survey(&mut self, queries: Vec<WorkQuery>, handle: &Handle) {
        for query in &queries {
            if self.surveyed.contains(query) {
                continue;
            }
            if let WorkOf::Process(process) = query.of {
                let handle = handle.clone();
                self.surveys
                    .spawn(async move { handle.survey(process).await });
            }
        }
        self.surveyed = queries;
    }

    /// Begins to read what is wanted, new and due.
    pub(crate) fn fetch(&mut self, handle: &Handle, now: Instant) {
        if let Some(query) = self.wanted
            && self.is_stale()
            && self.not_before.is_none_or(|at| at <= now)
        {
            self.reading = true;
            self.known = Some(query);
            self.not_before = Some(now + PACE);
            let handle = handle.clone();
            self.reads.spawn(async move {
                let read = handle.read_work(query.of).await;
                (query, read.map(Box::new))
            });
        }
    }

    fn is_stale(&self) -> bool {
        self.wanted.is_some() && !self.reading && self.known != self.wanted
    }

    /// When something is due next.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.not_before.filter(|_| self.is_stale())
    }

    /// Waits until it is read, which is returned. May be cancelled.
    pub(crate) async fn news(&mut self) -> Option<Read> {
        tokio::select! {
            Some(read) = self.reads.join_next() => {
                let read = read.ok()?;
                if self.wanted.map(|query| query.of) != Some(read.0.of) {
                    return None;
                }
                self.reading = false;
                Some(read)
            }
            Some(_) = self.surveys.join_next() => None,
            else => std::future::pending().await,
        }
    }
}
