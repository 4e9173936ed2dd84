//! Reaps what fell to us: the instance takes in the children of shims that were killed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::os::orphans::Orphans;
use crate::runtime::context::Context;

/// Between two looks: a child that is being started is known by then.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Looks at our children whenever one has ended. Our own shims are left to those who started them.
pub(crate) async fn reap(context: Arc<Context>) {
    let mut ended = match signal(SignalKind::child()) {
        Ok(ended) => ended,
        Err(error) => {
            tracing::error!(%error, "orphans are not reaped");
            return;
        }
    };
    let mut orphans = Orphans::default();
    while ended.recv().await.is_some() {
        // A child counts as an orphan when two looks in a row do not know it.
        for _ in 0..2 {
            let known: HashSet<u32> = context.shims().borrow().keys().copied().collect();
            let found = orphans.look(&known);
            if !found.reaped.is_empty() {
                tracing::info!(pids = ?found.reaped, "reaped orphans");
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}
