//! Runs the routes on a listener until the instance ends.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::{get, post};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::domain::command::Command;
use crate::runtime::handle::{Handle, Peer};
use crate::serve::door::{Door, Judge};
use crate::serve::error::ApiError;
use crate::serve::instance::Trial;
use crate::serve::{
    alerts, approvals, body, clusters, events, gate, instance, logs, processes, roles, tasks, why,
    worktrees,
};

/// How long answers that are under way may take to leave once the instance ends.
const LEAVE: Duration = Duration::from_secs(3);

/// What the routes share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    handle: Handle,
    trial: Trial,
    shutdown: CancellationToken,
}

impl FromRef<Shared> for Handle {
    fn from_ref(shared: &Shared) -> Self {
        shared.handle.clone()
    }
}

impl FromRef<Shared> for Trial {
    fn from_ref(shared: &Shared) -> Self {
        shared.trial.clone()
    }
}

impl FromRef<Shared> for CancellationToken {
    fn from_ref(shared: &Shared) -> Self {
        shared.shutdown.clone()
    }
}

/// Answers requests on the socket until `shutdown`.
///
/// The listener's file is the caller's to make (0600) and to remove. What is under way when
/// `shutdown` comes has a few seconds to leave; streams and waits end at once.
pub async fn run(
    listener: UnixListener,
    handle: Handle,
    trial: Trial,
    shutdown: CancellationToken,
) {
    let known = handle.clone();
    let judge: Judge = Arc::new(move |stream| known.peer(stream));
    serve(Door::new(listener, judge), handle, trial, shutdown).await;
}

/// [`run`] behind any door, for tests that call from their own process.
pub(super) async fn serve(door: Door, handle: Handle, trial: Trial, shutdown: CancellationToken) {
    let service =
        router(handle, trial, shutdown.clone()).into_make_service_with_connect_info::<Peer>();
    let stop = shutdown.clone();
    let serving = axum::serve(door, service)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .into_future();
    let late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LEAVE).await;
    };
    tokio::select! {
        ended = serving => {
            if let Err(error) = ended {
                tracing::error!(%error, "the HTTP interface ended");
            }
        }
        () = late => tracing::warn!("some HTTP answers did not leave in time"),
    }
}

fn router(handle: Handle, trial: Trial, shutdown: CancellationToken) -> Router {
    let gate = axum::middleware::from_fn_with_state(handle.clone(), gate::gate);
    Router::new()
        .route("/api/status", get(instance::status))
        .route("/api/shutdown", post(instance::shutdown))
        .route("/api/upgrade", post(instance::upgrade))
        .route("/api/roles", get(roles::list))
        .route("/api/processes", get(processes::list).post(processes::hire))
        .route(
            "/api/processes/{id}",
            get(processes::show).delete(processes::remove),
        )
        .route("/api/processes/{id}/why", get(why::why))
        .route("/api/processes/{id}/exits/{number}", get(why::exit))
        .route("/api/processes/{id}/status", get(processes::status))
        .route("/api/processes/{id}/start", post(processes::start))
        .route("/api/processes/{id}/stop", post(processes::stop))
        .route("/api/processes/{id}/force-stop", post(processes::kill))
        .route("/api/processes/{id}/restart", post(processes::restart))
        .route("/api/processes/{id}/messages", post(processes::say))
        .route("/api/processes/{id}/health", post(processes::health))
        .route("/api/processes/{id}/changes", get(worktrees::changes))
        .route("/api/processes/{id}/updates", post(processes::update))
        .route("/api/processes/{id}/diff", get(worktrees::diff))
        .route("/api/processes/{id}/export", get(worktrees::export))
        .route("/api/processes/{id}/merge", post(worktrees::merge))
        .route("/api/processes/{id}/discard", post(worktrees::discard))
        .route("/api/saved", get(worktrees::saved))
        .route("/api/saved/restore", post(worktrees::restore))
        .route("/api/tasks/{id}/diff", get(worktrees::task_diff))
        .route("/api/tasks/{id}/export", get(worktrees::export_task))
        .route("/api/tasks/{id}/merge", post(worktrees::merge_task))
        .route("/api/tasks/{id}/discard", post(worktrees::discard_task))
        .route("/api/processes/{id}/logs", get(logs::page))
        .route("/api/processes/{id}/logs/follow", get(logs::follow))
        .route("/api/clusters", get(clusters::list))
        .route("/api/clusters/{name}", get(clusters::show))
        .route("/api/clusters/{name}/start", post(clusters::start))
        .route("/api/clusters/{name}/stop", post(clusters::stop))
        .route("/api/clusters/{name}/restart", post(clusters::restart))
        .route("/api/clusters/{name}/scale", post(clusters::scale))
        .route("/api/tasks", get(tasks::list).post(tasks::add))
        .route("/api/tasks/{id}", get(tasks::show).delete(tasks::remove))
        .route("/api/tasks/{id}/wait", get(tasks::wait))
        .route("/api/tasks/{id}/cancel", tasks::order(Command::CancelTask))
        .route("/api/tasks/{id}/retry", tasks::order(Command::RetryTask))
        .route(
            "/api/tasks/{id}/dismiss",
            tasks::order(Command::DismissTask),
        )
        .route(
            "/api/tasks/{id}/release",
            tasks::order(Command::ReleaseTask),
        )
        .route("/api/tasks/{id}/hold", tasks::order(Command::HoldTask))
        .route("/api/tasks/{id}/edit", post(tasks::edit))
        .route("/api/tasks/{id}/move", post(tasks::r#move))
        .route("/api/inbox", get(approvals::waiting))
        .route("/api/approvals", get(approvals::list))
        .route("/api/approvals/{id}/approve", post(approvals::approve))
        .route("/api/approvals/{id}/deny", post(approvals::deny))
        .route("/api/approvals/{id}/answer", post(approvals::answer))
        .route("/api/alerts", get(alerts::list))
        .route("/api/alerts/{id}/ack", post(alerts::acknowledge))
        .route("/api/events", get(events::page))
        .route("/api/events/follow", get(events::follow))
        .route("/api/digest", get(events::digest))
        .fallback(async || ApiError::NoPath)
        .method_not_allowed_fallback(async || ApiError::WrongMethod)
        .layer(DefaultBodyLimit::max(body::LONGEST))
        // Outermost, so that nothing is read from a caller that may not call.
        .layer(gate)
        .with_state(Shared {
            handle,
            trial,
            shutdown,
        })
}
