//! The windows of logs that a screen wants, fetched when they are new and when their log grew.

use std::time::Duration;

use futures::future::select_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::domain::id::RunId;
use crate::domain::log::{LogQuery, LogWindow};
use crate::domain::snapshot::Snapshot;
use crate::runtime::handle::Handle;
use crate::runtime::logs::LogError;

/// A window is read no more often than this, however fast its log grows.
const PACE: Duration = Duration::from_millis(33);

/// A window that was read, or why not.
pub(crate) type Fetched = (LogQuery, Result<LogWindow, LogError>);

#[derive(Debug)]
struct Wanted {
    query: LogQuery,
    growth: watch::Receiver<u64>,
    /// Whether anybody can still tell that the log grew.
    followed: bool,
    /// The run whose output is itself the log.
    output: Option<RunId>,
    stale: bool,
    reading: bool,
    not_before: Instant,
}

/// What one screen wants to see of the logs.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    wanted: Vec<Wanted>,
    reads: JoinSet<Fetched>,
}

impl Windows {
    /// Takes what the screen wants now; what it wants no longer is forgotten.
    pub(crate) fn want(&mut self, queries: &[LogQuery], handle: &Handle, snapshot: &Snapshot) {
        self.wanted.retain(|wanted| queries.contains(&wanted.query));
        for query in queries {
            let output = snapshot
                .process(query.process)
                .and_then(|process| process.output_run());
            match self.wanted.iter_mut().find(|wanted| wanted.query == *query) {
                Some(wanted) => {
                    wanted.stale |= wanted.output != output;
                    wanted.output = output;
                }
                None => self.wanted.push(Wanted {
                    query: *query,
                    growth: handle.follow_log(query.process),
                    followed: true,
                    output,
                    stale: true,
                    reading: false,
                    not_before: Instant::now(),
                }),
            }
        }
    }

    /// Begins to read what is stale and due.
    pub(crate) fn fetch(&mut self, handle: &Handle, now: Instant) {
        for wanted in &mut self.wanted {
            if wanted.stale && !wanted.reading && wanted.not_before <= now {
                wanted.stale = false;
                wanted.reading = true;
                wanted.not_before = now + PACE;
                let (handle, query) = (handle.clone(), wanted.query);
                self.reads
                    .spawn(async move { (query, handle.log_window(query).await) });
            }
        }
    }

    /// When something is due next.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.wanted
            .iter()
            .filter(|wanted| wanted.stale && !wanted.reading)
            .map(|wanted| wanted.not_before)
            .min()
    }

    /// Waits until a window is read, which is returned, or until a log grew. May be cancelled.
    pub(crate) async fn news(&mut self) -> Option<Fetched> {
        let Self { wanted, reads } = self;
        tokio::select! {
            Some(read) = reads.join_next() => {
                let Ok((query, window)) = read else {
                    // Which one it was is not known; reading one twice does no harm.
                    wanted.iter_mut().for_each(|wanted| wanted.reading = false);
                    return None;
                };
                let wanted = wanted.iter_mut().find(|wanted| wanted.query == query)?;
                wanted.reading = false;
                Some((query, window))
            }
            () = grew(wanted) => None,
        }
    }
}

/// Waits until one of the logs grew, and notes which. May be cancelled.
async fn grew(wanted: &mut [Wanted]) {
    let followed = wanted.iter_mut().filter(|wanted| wanted.followed);
    let changes: Vec<_> = followed
        .map(|wanted| {
            Box::pin(async {
                match wanted.growth.changed().await {
                    Ok(()) => wanted.stale = true,
                    Err(_) => wanted.followed = false,
                }
            })
        })
        .collect();
    if changes.is_empty() {
        std::future::pending().await
    }
    select_all(changes).await;
}
