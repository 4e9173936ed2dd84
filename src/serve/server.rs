//! Runs the routes on a listener until the instance ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRef};
use axum::http::Request;
use axum::routing::{get, post};
use axum::serve::Listener as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::domain::command::Command;
use crate::runtime::handle::{Handle, Peer};
use crate::serve::door::{Door, Judge};
use crate::serve::error::ApiError;
use crate::serve::instance::Trial;
use crate::serve::{
    alerts, approvals, clusters, events, gate, instance, logs, processes, roles, tasks, why, wire,
    worktrees,
};

/// How long a connection may take from one request to the head of the next: one that sends half of it and no more
/// is not kept.
const HEAD: Duration = Duration::from_secs(30);

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
pub(super) async fn serve(
    mut door: Door,
    handle: Handle,
    trial: Trial,
    shutdown: CancellationToken,
) {
    let routes = router(handle, trial, shutdown.clone());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            (stream, peer) = door.accept() => {
                connections.spawn(attend(stream, peer, routes.clone(), shutdown.clone()));
            }
            Some(ended) = connections.join_next() => told(ended),
        }
    }
    drop(door);
    let all = async {
        while let Some(ended) = connections.join_next().await {
            told(ended);
        }
    };
    if timeout(LEAVE, all).await.is_err() {
        tracing::warn!("some HTTP answers did not leave in time");
    }
}

/// Answers the requests of one connection.
async fn attend(stream: UnixStream, peer: Peer, routes: Router, shutdown: CancellationToken) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

fn told(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an answer failed");
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
        .layer(DefaultBodyLimit::max(wire::LONGEST))
        // Outermost, so that nothing is read from a caller that may not call.
        .layer(gate)
        .with_state(Shared {
            handle,
            trial,
            shutdown,
        })
}
