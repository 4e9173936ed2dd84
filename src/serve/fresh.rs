//! Waits for the snapshot that shows what an order did: the answer comes before it by a moment.

use std::time::Duration;

use crate::domain::snapshot::Snapshot;
use crate::runtime::handle::Handle;

/// How long the snapshot may lag behind an answer; after it, the newest one has to do.
const LAG: Duration = Duration::from_secs(2);

/// Waits until a snapshot fits, for a moment at most, and looks at the newest in any case.
pub(super) async fn settled<T>(
    handle: &Handle,
    fits: impl Fn(&Snapshot) -> bool,
    look: impl FnOnce(&Snapshot) -> T,
) -> T {
    let mut snapshots = handle.snapshots();
    // Neither the time-out nor the end of the hub changes what is looked at next.
    drop(tokio::time::timeout(LAG, snapshots.wait_for(|snapshot| fits(snapshot))).await);
    look(&handle.snapshot())
}
