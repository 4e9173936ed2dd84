//! The searches in logs that a screen wants, run beside it and dropped when it wants them no longer.

use tokio::task::{AbortHandle, JoinSet};

use crate::domain::log::{LogFound, LogSearch};
use crate::runtime::handle::Handle;
use crate::runtime::logs::LogError;

/// A search that is done, or why it could not be.
pub(crate) type Searched = (LogSearch, Result<LogFound, LogError>);

/// What one screen looks for.
#[derive(Debug, Default)]
pub(crate) struct Searches {
    wanted: Vec<(LogSearch, AbortHandle)>,
    running: JoinSet<Searched>,
}

impl Searches {
    /// Takes what the screen looks for now; what it looks for no longer is stopped.
    pub(crate) fn want(&mut self, searches: Vec<LogSearch>, handle: &Handle) {
        self.wanted.retain(|(search, running)| {
            let stays = searches.contains(search);
            if !stays {
                running.abort();
            }
            stays
        });
        for search in searches {
            if self.wanted.iter().any(|(wanted, _)| *wanted == search) {
                continue;
            }
            let (handle, looked_for) = (handle.clone(), search.clone());
            let running = self.running.spawn(async move {
                let found = handle.search_log(looked_for.clone()).await;
                (looked_for, found)
            });
            self.wanted.push((search, running));
        }
    }

    /// Waits until a search is done, which is returned, or has ended otherwise. May be cancelled.
    pub(crate) async fn news(&mut self) -> Option<Searched> {
        let Some(ended) = self.running.join_next().await else {
            return std::future::pending().await;
        };
        // One that was stopped says nothing.
        let (search, found) = ended.ok()?;
        let at = self
            .wanted
            .iter()
            .position(|(wanted, _)| *wanted == search)?;
        self.wanted.swap_remove(at);
        Some((search, found))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::{mpsc, watch};
    use tokio::time::timeout;

    use super::*;
    use crate::domain::id::ProcessId;
    use crate::domain::log::{LogChoice, LogForm, LogSeek, LogWords};
    use crate::domain::snapshot::Snapshot;
    use crate::runtime::Events;
    use crate::runtime::git::Worktrees;
    use crate::runtime::handle::Growth;
    use crate::runtime::logs::Logs;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn search(words: &str) -> LogSearch {
        LogSearch {
            process: ProcessId(1),
            form: LogForm::Rendered,
            choice: LogChoice::All,
            words: LogWords::new(words).unwrap(),
            seek: LogSeek::Count,
        }
    }

    #[tokio::test]
    async fn what_is_wanted_is_found_once_and_what_is_not_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let log = "2026-11-23 10:41:07 | one\n2026-11-23 10:41:08 | two\n";
        std::fs::write(folder.path().join("proc_001.log"), log).unwrap();
        let (mail, _kept) = mpsc::channel(1);
        let (_view, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let logs = Arc::new(Logs::new(
            folder.path().to_owned(),
            folder.path().to_owned(),
        ));
        let (_shims, shims) = watch::channel(Arc::new(HashMap::new()));
        let handle = Handle::new(
            mail,
            snapshots,
            logs,
            Growth::default(),
            Worktrees::default(),
            shims,
            Events::of(&folder.path().join("headcount.db")),
        );
        let mut searches = Searches::default();
        searches.want(vec![search("one"), search("two")], &handle);
        searches.want(vec![search("two")], &handle);
        let mut seen = Vec::new();
        while !searches.running.is_empty() {
            seen.extend(timeout(PATIENCE, searches.news()).await.unwrap());
        }
        let [(done, found)] = &seen[..] else {
            panic!("{seen:?}");
        };
        assert_eq!(done, &search("two"));
        assert!(matches!(found, Ok(LogFound::Count(1))));
        assert!(searches.wanted.is_empty());
    }
}
