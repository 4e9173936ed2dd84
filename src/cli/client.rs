//! The client of the instance's HTTP interface, on its unix socket.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1::{self, Connection};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use crate::serve::wire::{CLI_AGENT, ErrorBody, ErrorDoc, ErrorKind, LONGEST};

/// How often a request is made again while a new build takes over, and how long after the last.
const TRIES: u32 = 100;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Why the instance could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Nobody listens.
    #[error("no instance runs for {}", workspace.display())]
    NoInstance {
        /// The workspace.
        workspace: PathBuf,
    },
    /// The socket is there and cannot be opened.
    #[error("cannot connect to {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Http(#[source] hyper::Error),
    /// The answer is not what this build understands.
    #[error("the answer cannot be read; is the instance of another version?")]
    Answer(#[source] serde_json::Error),
    /// What is to be sent cannot be put into words.
    #[error("the request cannot be written")]
    Unwritable(#[source] serde_json::Error),
    /// A request could not be put together: a bug of ours.
    #[error("the request cannot be written")]
    Request(#[source] hyper::http::Error),
    /// More than the instance reads at once: it was not sent.
    #[error("the request is longer than 8 MiB: {bytes} bytes")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The instance said no.
    #[error("{}", .0.message)]
    Refused(Box<ErrorBody>),
}

impl ClientError {
    /// Whether the same request again may be answered by the build that takes over, and does no harm.
    fn is_passing(&self, method: &Method) -> bool {
        match self {
            Self::Refused(body) => match body.kind {
                ErrorKind::Again => true,
                ErrorKind::Gone => method == Method::GET,
                _ => false,
            },
            Self::Http(_) => method == Method::GET,
            _ => false,
        }
    }
}

/// The way to one instance. A connection is made for each request.
#[derive(Debug, Clone)]
pub(super) struct Client {
    socket: PathBuf,
    workspace: PathBuf,
    // Made to see whether somebody listens: the first request goes that way.
    reached: Arc<Mutex<Option<UnixStream>>>,
}

impl Client {
    pub(super) fn new(socket: &Path, workspace: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            workspace: workspace.to_owned(),
            reached: Arc::default(),
        }
    }

    /// Whether both are the way to the same instance.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.socket == other.socket
    }

    /// Whether somebody listens; the connection is kept for the first request, which should follow at once.
    pub(super) async fn is_reached(&self) -> bool {
        if self.kept().is_some() {
            return true;
        }
        let Ok(stream) = self.connect().await else {
            return false;
        };
        *self.kept() = Some(stream);
        true
    }

    fn kept(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody listens now.
    pub(super) async fn is_answered(&self) -> bool {
        self.connect().await.is_ok()
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Method::GET, path, None::<&()>).await
    }

    /// The body of the answer as it is.
    pub(super) async fn bytes(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let answer = self.open(Method::GET, path, None::<&()>).await?;
        Ok(answer.whole().await?.to_vec())
    }

    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Method::DELETE, path, None::<&()>).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.send(Method::POST, path, Some(document)).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        document: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let mut failed = match self.send_once(&method, path, document).await {
            Err(error) if error.is_passing(&method) => error,
            answer => return answer,
        };
        // Where a new build takes over somebody listens all the while: with nobody there the first
        // answer stands.
        for _ in 0..TRIES {
            tokio::time::sleep(PAUSE).await;
            failed = match self.send_once(&method, path, document).await {
                Err(ClientError::NoInstance { .. } | ClientError::Connect { .. }) => break,
                Err(error) if error.is_passing(&method) => error,
                answer => return answer,
            };
        }
        Err(failed)
    }

    async fn send_once<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        document: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let answer = self.open(method.clone(), path, document).await?;
        let bytes = answer.whole().await?;
        serde_json::from_slice(&bytes).map_err(ClientError::Answer)
    }

    /// Asks for a stream of lines.
    pub(super) async fn stream(&self, path: &str) -> Result<Lines, ClientError> {
        let answer = self.open(Method::GET, path, None::<&()>).await?;
        Ok(Lines {
            answer,
            buffer: Vec::new(),
        })
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        UnixStream::connect(&self.socket).await.map_err(|source| {
            // A socket whose instance was killed is still a file.
            if matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) {
                ClientError::NoInstance {
                    workspace: self.workspace.clone(),
                }
            } else {
                ClientError::Connect {
                    path: self.socket.clone(),
                    source,
                }
            }
        })
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        document: Option<&impl Serialize>,
    ) -> Result<Answer, ClientError> {
        let bytes = match document {
            Some(document) => serde_json::to_vec(document).map_err(ClientError::Unwritable)?,
            None => Vec::new(),
        };
        if bytes.len() > LONGEST {
            return Err(ClientError::TooLong { bytes: bytes.len() });
        }
        let kept = self.kept().take();
        let stream = match kept {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(Patient(stream)))
            .await
            .map_err(ClientError::Http)?;
        let mut line = Line(Some(connection));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::USER_AGENT, CLI_AGENT)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(bytes)))
            .map_err(ClientError::Request)?;
        let response = line.during(sender.send_request(request)).await;
        let answer = Answer {
            response: response.map_err(ClientError::Http)?,
            line,
        };
        if !answer.response.status().is_success() {
            let bytes = answer.whole().await?;
            let error: ErrorDoc = serde_json::from_slice(&bytes).map_err(ClientError::Answer)?;
            return Err(ClientError::Refused(Box::new(error.error)));
        }
        Ok(answer)
    }
}

/// A stream that takes what is written also when nobody reads it any more: whoever refuses a request may answer and go
/// before all of it has come, and the answer says why.
#[derive(Debug)]
struct Patient(UnixStream);

impl Patient {
    fn patient(written: io::Result<usize>, all: usize) -> io::Result<usize> {
        match written {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                Ok(all)
            }
            written => written,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.0).poll_write(context, bytes));
        Poll::Ready(Self::patient(written, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.0).poll_write_vectored(context, parts));
        Poll::Ready(Self::patient(
            written,
            parts.iter().map(|part| part.len()).sum(),
        ))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// The connection of one request. It is driven while something is waited for, not by a task of its own: most
/// calls wait for one answer, and are over sooner without.
#[derive(Debug)]
struct Line(Option<Connection<TokioIo<Patient>, Full<Bytes>>>);

impl Line {
    async fn during<F: Future>(&mut self, wanted: F) -> F::Output {
        let mut wanted = pin!(wanted);
        poll_fn(|context| {
            // What breaks here breaks what is waited for as well, where it is told.
            if let Some(connection) = &mut self.0
                && pin!(connection).poll(context).is_ready()
            {
                self.0 = None;
            }
            wanted.as_mut().poll(context)
        })
        .await
    }
}

/// An answer whose body is still to be read; its connection ends with it.
#[derive(Debug)]
struct Answer {
    response: Response<Incoming>,
    line: Line,
}

impl Answer {
    async fn whole(mut self) -> Result<Bytes, ClientError> {
        let body = self.line.during(self.response.body_mut().collect()).await;
        Ok(body.map_err(ClientError::Http)?.to_bytes())
    }

    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        self.line.during(self.response.body_mut().frame()).await
    }
}

/// Lines as they come.
#[derive(Debug)]
pub(super) struct Lines {
    answer: Answer,
    buffer: Vec<u8>,
}

impl Lines {
    /// The documents that have come whole, at least one; `None` at the end.
    pub(super) async fn next<T: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<Vec<T>>, ClientError> {
        loop {
            if let Some(end) = memchr::memrchr(b'\n', &self.buffer) {
                let rest = self.buffer.split_off(end + 1);
                let whole = std::mem::replace(&mut self.buffer, rest);
                let lines = whole.split(|byte| *byte == b'\n');
                let documents: Result<Vec<T>, _> = lines
                    .filter(|line| !line.is_empty())
                    .map(serde_json::from_slice)
                    .collect();
                return documents.map(Some).map_err(ClientError::Answer);
            }
            match self.answer.frame().await {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.buffer.extend_from_slice(bytes);
                    }
                }
                Some(Err(error)) => return Err(ClientError::Http(error)),
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn who_refuses_before_all_has_come_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("api.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let refuse = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let body = r#"{"error": {"kind": "forbidden", "message": "not you"}}"#;
            let head = format!(
                "HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + body).as_bytes()).await.unwrap();
        };
        let client = Client::new(&socket, folder.path());
        let long = "x".repeat(LONGEST - 2);
        let asked = client.post::<serde_json::Value>("/", &long);
        let answer = tokio::time::timeout(Duration::from_secs(20), async {
            tokio::join!(asked, refuse).0
        });
        match answer.await.unwrap() {
            Err(ClientError::Refused(body)) => assert_eq!(body.message, "not you"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_longer_than_is_read_is_not_sent() {
        let client = Client::new(Path::new("/nowhere"), Path::new("/nowhere"));
        let long = "x".repeat(LONGEST);
        let answer = client.post::<serde_json::Value>("/", &long).await;
        assert!(
            matches!(answer, Err(ClientError::TooLong { .. })),
            "{answer:?}"
        );
    }
}
