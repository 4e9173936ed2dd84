//! The listener: it knows who is at the other end before the first byte is read.

use std::fmt;
use std::io;
use std::sync::Arc;

use axum::serve::Listener;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

use crate::runtime::handle::Peer;

/// Tells who is at the other end of a connection.
pub(super) type Judge = Arc<dyn Fn(&UnixStream) -> Peer + Send + Sync>;

/// A unix listener whose connections carry their [`Peer`].
pub(super) struct Door {
    listener: UnixListener,
    judge: Judge,
}

impl Door {
    pub(super) fn new(listener: UnixListener, judge: Judge) -> Self {
        Self { listener, judge }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl Listener for Door {
    type Io = UnixStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, _) = Listener::accept(&mut self.listener).await;
        let peer = (self.judge)(&stream);
        (stream, peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        // Of no use to anybody: a door has no peer of its own.
        let _: SocketAddr = UnixListener::local_addr(&self.listener)?;
        Ok(Peer::Untraced)
    }
}
