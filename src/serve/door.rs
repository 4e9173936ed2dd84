//! The listener: it knows who is at the other end before the first byte is read.

use std::fmt;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerPidfd;
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
        let Some(line) = (0..3).find_map(|_| line(pid)) else {
            return Peer::Untraced;
        };
        // Each of the line is asked for by itself: a look at the peer alone could meet a gap, where a
        // parent has just ended, and take an employee for an outsider.
        let verdict = line.into_iter().map(|pid| (self.judge)(pid));
        let caller = verdict
            .into_iter()
            .find(|caller| *caller != Caller::Person)
            .unwrap_or(Caller::Person);
        if is_gone(stream) {
            return Peer::Untraced;
        }
        Peer::Known(caller)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// The process and its parents up to one that has none; `None` if there is a gap.
///
/// Below a living shim every descendant has a line to it, so a line without a gap passes through.
fn line(pid: u32) -> Option<Vec<u32>> {
    let mut line = vec![pid];
    let mut last = pid;
    // Deeper than any real line, so that a line that changes under us cannot hold us.
    while line.len() < 4096 {
        match parent(last)? {
            0 => return Some(line),
            parent => last = parent,
        }
        line.push(last);
    }
    None
}

/// Whether the process that connected has ended, so that its number may be another's by now.
/// Kernels before 6.5 cannot tell.
fn is_gone(stream: &UnixStream) -> bool {
    let Ok(process) = getsockopt(stream, PeerPidfd) else {
        return false;
    };
    let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    poll(&mut ended, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
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
        let line = line(std::process::id()).unwrap();
        assert_eq!(
            line[..2],
            [std::process::id(), std::os::unix::process::parent_id()]
        );
        assert_eq!(super::line(u32::MAX - 1), None);
    }
}
