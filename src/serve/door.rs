//! The listener: it knows who is at the other end before the first byte is read.

use std::fmt;
use std::io;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

use crate::runtime::handle::Caller;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// Of this user, with a line of parents up to init.
    Known(Caller),
    /// Of another user.
    Foreign,
    /// Its line of parents broke off, as that of one who hid behind a process that has ended.
    Untraced,
}

/// Tells who calls from a PID.
pub(super) type Judge = Arc<dyn Fn(u32) -> Caller + Send + Sync>;

/// A unix listener whose connections carry their [`Peer`].
pub(super) struct Door {
    listener: UnixListener,
    judge: Judge,
}

impl Door {
    pub(super) fn new(listener: UnixListener, judge: Judge) -> Self {
        Self { listener, judge }
    }

    fn peer(&self, stream: &UnixStream) -> Peer {
        let Ok(cred) = stream.peer_cred() else {
            return Peer::Untraced;
        };
        let own = nix::unistd::geteuid().as_raw();
        if cred.uid() != own && cred.uid() != 0 {
            return Peer::Foreign;
        }
        let pid = cred.pid().and_then(|pid| u32::try_from(pid).ok());
        let Some(pid) = pid.filter(|pid| *pid > 0) else {
            return Peer::Untraced;
        };
        // The verdict is taken before the line is proved whole: a parent that ends in between makes
        // the proof fail, never the verdict milder.
        for _ in 0..3 {
            let caller = (self.judge)(pid);
            if caller != Caller::Person || reaches_init(pid) {
                return Peer::Known(caller);
            }
        }
        Peer::Untraced
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// Whether the parents of a process lead up to one that has none, without a gap.
fn reaches_init(pid: u32) -> bool {
    let mut pid = pid;
    // Deeper than any real line, so that a line that changes under us cannot hold us.
    for _ in 0..4096 {
        match parent(pid) {
            Some(0) => return true,
            Some(parent) => pid = parent,
            None => return false,
        }
    }
    false
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    // A dead process keeps its parents for a moment, but cannot be the one that speaks.
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.next()?.parse().ok()
}

impl Listener for Door {
    type Io = UnixStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, _) = Listener::accept(&mut self.listener).await;
        let peer = self.peer(&stream);
        (stream, peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        // Of no use to anybody: a door has no peer of its own.
        let _: SocketAddr = UnixListener::local_addr(&self.listener)?;
        Ok(Peer::Untraced)
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        *stream.remote_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_live_process_reaches_init_and_that_of_none_does_not() {
        assert!(reaches_init(std::process::id()));
        assert!(!reaches_init(u32::MAX - 1));
    }
}
