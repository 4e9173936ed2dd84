//! Ends and reaps what fell to us: the instance takes in the children of shims that were killed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::domain::event::Event;
use crate::os::leftovers;
use crate::os::orphans::Orphans;
use crate::os::tree::Member;
use crate::runtime::context::Context;

/// Between two looks: a child that is being started is known by then.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How long strays may take to end.
const SWEEP: Duration = Duration::from_secs(10);

/// Looks at our children whenever one has ended, ends what belongs to nobody, and says so. Our own shims are left to those who started them.
pub(crate) async fn reap(context: Arc<Context>) {
    let mut ended = match signal(SignalKind::child()) {
        Ok(ended) => ended,
        Err(error) => {
            tracing::error!(%error, "orphans are not reaped");
            return;
        }
    };
    let mut orphans = Orphans::new(context.children.clone());
    while ended.recv().await.is_some() {
        // A child counts as an orphan when two looks in a row do not know it.
        for _ in 0..2 {
            let known: HashSet<u32> = context.shims().borrow().keys().copied().collect();
            let found = orphans.look(&known);
            if !found.reaped.is_empty() {
                tracing::info!(pids = ?found.reaped, "reaped orphans");
            }
            if !found.strays.is_empty() {
                end(&context, found.strays).await;
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Ends strays with all below them. Their ends bring us here again, to reap them.
async fn end(context: &Context, strays: Vec<Member>) {
    let names: Vec<String> = strays
        .iter()
        .map(|stray| format!("{} ({})", stray.name, stray.pid))
        .collect();
    let names = names.join(", ");
    tracing::warn!(names, "ending what fell to us and belongs to no run");
    let swept = tokio::task::spawn_blocking(move || leftovers::end_all(&strays, SWEEP)).await;
    let text = match swept {
        Ok(Ok(ended)) if ended.stuck.is_empty() => {
            format!("what a run had left was ended: {names}")
        }
        Ok(Ok(_)) => format!("what a run had left cannot be ended: {names}"),
        Ok(Err(error)) => format!("what a run had left cannot be ended: {names}: {error}"),
        // The program ends.
        Err(_) => return,
    };
    let process = None;
    context.tell(Event::Trouble { process, text }).await;
}
