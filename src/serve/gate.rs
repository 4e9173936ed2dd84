//! Who may call what: browsers nothing, other users nothing, employees the totals.
//!
//! An employee could otherwise approve its own requests or stop a colleague with one line of Bash.

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::http::{Method, Request, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::domain::command::Origin;
use crate::domain::event::Event;
use crate::runtime::handle::{Caller, Handle, Peer};
use crate::serve::error::ApiError;

/// Lets a request through, or answers why not. What comes through carries its [`Origin`].
pub(super) async fn gate(
    State(handle): State<Handle>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(error) = admit(&handle, peer, &parts).await {
        return error.into_response();
    }
    let origin = origin(&parts);
    parts.extensions.insert(origin);
    next.run(Request::from_parts(parts, body)).await
}

async fn admit(handle: &Handle, peer: Peer, request: &Parts) -> Result<(), ApiError> {
    if request.headers.contains_key(header::ORIGIN) {
        return Err(forbidden("a page in a browser may not call"));
    }
    if !is_own_host(request) {
        return Err(forbidden("the Host header names another machine"));
    }
    match peer {
        Peer::Known(Caller::Person) => Ok(()),
        _ if is_open_to_all(request) && peer != Peer::Foreign => Ok(()),
        Peer::Known(Caller::Employee(process)) => {
            let what = act(request);
            tracing::warn!(%process, what, "an employee called the control socket");
            handle.report(Event::Trespass { process, what }).await;
            Err(forbidden("an employee may not control the company"))
        }
        Peer::Known(Caller::Stray) => {
            let what = act(request);
            tracing::warn!(what, "a stray process of our own tree called");
            let text = format!("a process that escaped from its run tried {what}");
            handle
                .report(Event::Trouble {
                    process: None,
                    text,
                })
                .await;
            Err(forbidden(
                "a process of an employee may not control the company",
            ))
        }
        Peer::Foreign => Err(forbidden("the socket belongs to another user")),
        Peer::Untraced => Err(ApiError::Forbidden {
            message:
                "cannot tell who calls: the calling process has ended or is in another namespace"
                    .to_owned(),
            remedy: Some("call from a process that waits for the answer".to_owned()),
        }),
    }
}

/// What everybody of this user may see.
fn is_open_to_all(request: &Parts) -> bool {
    request.method == Method::GET && request.uri.path() == "/api/status"
}

/// What was tried, for the record: the query is left out, it may hold anything.
fn act(request: &Parts) -> String {
    format!("{} {}", request.method, request.uri.path())
}

fn forbidden(message: &str) -> ApiError {
    ApiError::Forbidden {
        message: message.to_owned(),
        remedy: None,
    }
}

/// Whether the request means this machine: a page that rebinds a name to loopback does not.
fn is_own_host(request: &Parts) -> bool {
    let Some(host) = request.headers.get(header::HOST) else {
        return true;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "" | "localhost" | "127.0.0.1" | "[::1]" | "headcount")
}

fn origin(request: &Parts) -> Origin {
    let agent = request.headers.get(header::USER_AGENT);
    let is_cli = agent.is_some_and(|agent| agent.as_bytes().starts_with(b"headcount-cli/"));
    if is_cli { Origin::Cli } else { Origin::Api }
}
