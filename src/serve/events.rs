//! The record of what happened: a page of it, its entries as they come, and what it sums up to.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::chronicle::EntryQuery;
use crate::domain::id::{IdError, ProcessId, TaskId};
use crate::domain::snapshot::Snapshot;
use crate::runtime::handle::Handle;
use crate::serve::body::Params;
use crate::serve::error::ApiError;
use crate::serve::wire::{DigestDoc, EntryDoc};

/// Entries of a page if the client does not say.
const LINES: usize = 200;
/// Entries of a page at most: they are held in memory.
const MOST: usize = 10_000;
/// Entries that a follower is given at once.
const BATCH: usize = 500;

/// Which entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    lines: Option<usize>,
    after: Option<u64>,
    since: Option<Timestamp>,
    process: Option<String>,
    task: Option<String>,
}

impl EventsQuery {
    fn query(&self) -> Result<EntryQuery, ApiError> {
        let invalid = |error: IdError| ApiError::Invalid(error.to_string());
        let process = self.process.as_deref().map(str::parse::<ProcessId>);
        let task = self.task.as_deref().map(str::parse::<TaskId>);
        Ok(EntryQuery {
            after: self.after,
            since: self.since,
            process: process.transpose().map_err(invalid)?,
            task: task.transpose().map_err(invalid)?,
            lines: self.lines.unwrap_or(LINES).min(MOST),
        })
    }
}

pub(super) async fn page(
    State(handle): State<Handle>,
    Params(query): Params<EventsQuery>,
) -> Result<Json<Vec<EntryDoc>>, ApiError> {
    let entries = handle.entries(query.query()?).await?;
    Ok(Json(entries.iter().map(EntryDoc::from).collect()))
}

/// One JSON document a line; as server-sent events for who accepts those.
pub(super) async fn follow(
    State(handle): State<Handle>,
    State(ending): State<CancellationToken>,
    headers: HeaderMap,
    Params(query): Params<EventsQuery>,
) -> Result<Response, ApiError> {
    let query = query.query()?;
    let accepts = headers.get(header::ACCEPT);
    let sent = accepts.is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    let (form, kind) = if sent {
        (Form::Sent, "text/event-stream")
    } else {
        (Form::Lines, "application/x-ndjson")
    };
    // Who lost the connection says which event came last.
    let last = headers.get("last-event-id");
    let last = last.and_then(|last| last.to_str().ok()?.parse().ok());
    // The watch is taken before the first look, so that nothing comes unseen between the two.
    let seen = handle.snapshots();
    let first = EntryQuery {
        after: last.or(query.after),
        ..query
    };
    let entries = handle.entries(first).await?;
    let at = entries.last().map(|entry| entry.number);
    // Without an entry yet everything that comes is new.
    let at = at.or(first.after).unwrap_or(0);
    let follower = Follower {
        handle,
        query,
        seen,
        at,
        ready: entries.iter().map(EntryDoc::from).collect(),
        form,
    };
    let stream = futures::stream::unfold((follower, ending), |(mut follower, ending)| async {
        let batch = tokio::select! {
            biased;
            () = ending.cancelled() => None,
            batch = follower.next() => batch,
        };
        batch.map(|bytes| (Ok::<Bytes, Infallible>(bytes), (follower, ending)))
    });
    let body = Body::from_stream(stream);
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// How entries are written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Lines,
    Sent,
}

/// One who follows the record.
struct Follower {
    handle: Handle,
    query: EntryQuery,
    seen: watch::Receiver<Arc<Snapshot>>,
    /// The number that was handed out last.
    at: u64,
    /// Read and not handed out yet.
    ready: VecDeque<EntryDoc>,
    form: Form,
}

impl Follower {
    /// The next entries; `None` when the instance is gone or the record cannot be read.
    async fn next(&mut self) -> Option<Bytes> {
        while self.ready.is_empty() {
            let written = self.seen.borrow_and_update().entries;
            let query = EntryQuery {
                after: Some(self.at),
                since: None,
                lines: BATCH,
                ..self.query
            };
            let entries = self.handle.entries(query).await.ok()?;
            if entries.is_empty() {
                let more = |snapshot: &Arc<Snapshot>| snapshot.entries != written;
                self.seen.wait_for(more).await.ok()?;
                continue;
            }
            self.ready.extend(entries.iter().map(EntryDoc::from));
        }
        let mut bytes = Vec::new();
        for entry in self.ready.drain(..) {
            self.at = self.at.max(entry.number);
            // These documents hold nothing that JSON cannot write.
            let json = serde_json::to_string(&entry).unwrap_or_default();
            let text = match self.form {
                Form::Lines => format!("{json}\n"),
                Form::Sent => format!("id: {}\ndata: {json}\n\n", entry.number),
            };
            bytes.extend_from_slice(text.as_bytes());
        }
        Some(Bytes::from(bytes))
    }
}

/// From when on is summed up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DigestQuery {
    since: Option<Timestamp>,
}

pub(super) async fn digest(
    State(handle): State<Handle>,
    Params(query): Params<DigestQuery>,
) -> Result<Json<DigestDoc>, ApiError> {
    let since = query.since.or_else(|| handle.snapshot().away_since());
    let digest = handle.digest(since).await?;
    Ok(Json(DigestDoc::from(&digest)))
}
