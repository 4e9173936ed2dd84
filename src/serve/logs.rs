//! Logs: a page of one, or its lines as they come.
//!
//! A reader is paged from the files, so a slow one costs nothing but its own time and misses nothing
//! that is not rotated away.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::civil::DateTime;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::command::Refusal;
use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::{LogAnchor, LogChoice, LogForm, LogQuery, LogWindow};
use crate::runtime::handle::Handle;
use crate::serve::body::{Id, Params};
use crate::serve::error::ApiError;
use crate::serve::wire::{LogDoc, LogEvent};

/// Lines of a page if the client does not say.
const LINES: usize = 200;
/// Lines of a page at most: a window is held in memory.
const MOST: usize = 10_000;
/// Lines that a follower is given at once.
const BATCH: usize = 500;
/// How long a line without its end is held back, in the hope of the rest.
const HOLD: Duration = Duration::from_millis(500);
/// How often a log is looked at that says nothing of its growth.
const LOOK: Duration = Duration::from_secs(1);

/// Which part of a log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    lines: Option<usize>,
    before: Option<u64>,
    after: Option<u64>,
    since: Option<DateTime>,
    #[serde(default)]
    raw: bool,
}

impl PageQuery {
    fn anchor(&self) -> Result<LogAnchor, ApiError> {
        match (self.before, self.after, self.since) {
            (None, None, None) => Ok(LogAnchor::End),
            (Some(offset), None, None) => Ok(LogAnchor::Before(offset)),
            (None, Some(offset), None) => Ok(LogAnchor::At(offset)),
            (None, None, Some(time)) => Ok(LogAnchor::Since(time)),
            _ => Err(ApiError::Invalid(
                "only one of `before`, `after` and `since` can be given".to_owned(),
            )),
        }
    }

    const fn form(&self) -> LogForm {
        if self.raw {
            LogForm::Raw
        } else {
            LogForm::Rendered
        }
    }
}

pub(super) async fn page(
    State(handle): State<Handle>,
    Id(id): Id<ProcessId>,
    Params(query): Params<PageQuery>,
) -> Result<Json<LogDoc>, ApiError> {
    let process = known(&handle, id)?;
    let window = handle
        .log_window(LogQuery {
            process,
            form: query.form(),
            anchor: query.anchor()?,
            lines: query.lines.unwrap_or(LINES).min(MOST),
            choice: LogChoice::All,
        })
        .await?;
    Ok(Json(LogDoc::new(process, window)))
}

pub(super) async fn follow(
    State(handle): State<Handle>,
    State(ending): State<CancellationToken>,
    Id(id): Id<ProcessId>,
    Params(query): Params<PageQuery>,
) -> Result<Response, ApiError> {
    let process = known(&handle, id)?;
    let anchor = query.anchor()?;
    if matches!(anchor, LogAnchor::Before(_)) {
        let message = "`before` is for pages; a follower goes on".to_owned();
        return Err(ApiError::Invalid(message));
    }
    // The watch is taken before the first window, so that nothing grows unseen between the two.
    let growth = handle.follow_log(process);
    let form = query.form();
    let lines = query.lines.unwrap_or(LINES).min(MOST);
    let first = handle
        .log_window(LogQuery {
            process,
            form,
            anchor,
            lines,
            choice: LogChoice::All,
        })
        .await?;
    let follower = Follower {
        handle,
        process,
        form,
        growth,
        at: first.lines.first().map_or(first.next, |line| line.offset),
        run: first.run,
        ready: VecDeque::new(),
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
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn known(handle: &Handle, id: ProcessId) -> Result<ProcessId, ApiError> {
    if handle.snapshot().process(id).is_none() {
        return Err(Refusal::UnknownProcess(id).into());
    }
    Ok(id)
}

/// One who follows a log.
struct Follower {
    handle: Handle,
    process: ProcessId,
    form: LogForm,
    growth: watch::Receiver<u64>,
    /// The offset that comes next.
    at: u64,
    /// Whose output the log is, if it is that of a plain command.
    run: Option<RunId>,
    /// Read and not handed out yet.
    ready: VecDeque<LogEvent>,
}

impl Follower {
    /// The next lines as JSON, one a line; `None` when the log is gone.
    async fn next(&mut self) -> Option<Bytes> {
        while self.ready.is_empty() {
            let mut window = self.window().await?;
            if window.run != self.run {
                // A plain command was started anew: its log begins anew.
                (self.run, self.at) = (window.run, 0);
                continue;
            }
            if window.begin > self.at {
                let bytes = window.begin - self.at;
                self.ready.push_back(LogEvent::Skipped { bytes });
                self.at = window.begin;
                continue;
            }
            if window.end < self.at {
                // Somebody took of the log; it goes on where it had ended.
                self.grew_in(LOOK).await?;
                continue;
            }
            if let Some(cut) = cut_line(&window) {
                if window.lines.len() > 1 {
                    window.next = cut;
                    window.lines.pop();
                } else if self.grew_in(HOLD).await? {
                    continue;
                }
            }
            if window.lines.is_empty() {
                self.grew_in(LOOK).await?;
                continue;
            }
            self.take(window);
        }
        let mut bytes = Vec::new();
        for event in self.ready.drain(..) {
            // These documents hold nothing that JSON cannot write.
            if serde_json::to_writer(&mut bytes, &event).is_ok() {
                bytes.push(b'\n');
            }
        }
        Some(Bytes::from(bytes))
    }

    async fn window(&self) -> Option<LogWindow> {
        let query = LogQuery {
            process: self.process,
            form: self.form,
            anchor: LogAnchor::At(self.at),
            lines: BATCH,
            choice: LogChoice::All,
        };
        self.handle.log_window(query).await.ok()
    }

    fn take(&mut self, window: LogWindow) {
        self.at = window.next;
        let lines = window.lines.into_iter();
        self.ready
            .extend(lines.map(|line| LogEvent::Line(line.into())));
    }

    /// Waits until the log grew, or for a while: not every log says that it grew. `None` when the
    /// instance or the process is gone.
    async fn grew_in(&mut self, time: Duration) -> Option<bool> {
        let grew = tokio::time::timeout(time, self.growth.changed()).await;
        if matches!(grew, Ok(Err(_))) {
            return None;
        }
        self.handle.snapshot().process(self.process)?;
        Some(grew.is_ok())
    }
}

/// Where the last line begins, if its end seems not to be written yet. Only plain output comes in
/// pieces; there, text as long as its place in the file leaves no room for a newline.
fn cut_line(window: &LogWindow) -> Option<u64> {
    let line = window.lines.last()?;
    let is_cut = window.next == window.end
        && line.time.is_none()
        && window.next - line.offset == line.text.len() as u64;
    is_cut.then_some(line.offset)
}
