//! Whose a process is: its parents, up to the first process; and who is at the other end of a socket.

use std::collections::HashSet;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::{PeerCredentials, PeerPidfd};

use super::proc;

/// Deeper than any real line, so that a line that changes under us cannot hold us.
const DEEPEST: usize = 4096;
/// How often a line is walked before it counts as broken: a parent may just have ended.
const TRIES: usize = 3;

/// Who is at the other end of a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Of another user, and not of the one who may do everything.
    Foreign,
    /// The process and its parents up to one that has none, nearest first.
    Line(Vec<u32>),
    /// Its line of parents has a gap, as that of one who hid behind a process that has ended; or it
    /// has ended itself, so that its number may be another's by now.
    Untraced,
}

/// Returns who is at the other end of a unix socket.
pub fn peer(stream: &impl AsFd) -> Peer {
    let Ok(cred) = getsockopt(stream, PeerCredentials) else {
        return Peer::Untraced;
    };
    if cred.uid() != nix::unistd::geteuid().as_raw() && cred.uid() != 0 {
        return Peer::Foreign;
    }
    let pid = u32::try_from(cred.pid()).ok().filter(|pid| *pid > 0);
    let traced = pid.and_then(|pid| (0..TRIES).find_map(|_| line(pid)));
    match traced {
        // After the walk: what it met was the process that connected.
        Some(line) if !is_gone(stream) => Peer::Line(line),
        _ => Peer::Untraced,
    }
}

/// The process and its parents up to one that has none; `None` if there is a gap.
///
/// Below a living shim every descendant has a line to it, so a line without a gap passes through.
fn line(pid: u32) -> Option<Vec<u32>> {
    let mut line = vec![pid];
    let mut last = pid;
    while line.len() < DEEPEST {
        // A dead process keeps its parents for a moment, but cannot be the one that speaks.
        let parent = proc::with_stat(last, |stat| (!stat.is_zombie()).then_some(stat.parent))??;
        match parent {
            0 => return Some(line),
            parent => last = parent,
        }
        line.push(last);
    }
    None
}

/// Whether the process that connected has ended, so that its number may be another's by now.
/// Kernels before 6.5 cannot tell.
fn is_gone(stream: &impl AsFd) -> bool {
    let Ok(process) = getsockopt(stream, PeerPidfd) else {
        return false;
    };
    let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    poll(&mut ended, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Returns the process and its parents, nearest first, up to the first process.
///
/// Ends early where a parent is gone meanwhile; empty if the process itself is.
pub fn parents(pid: u32) -> Vec<u32> {
    let mut line = Vec::new();
    let mut next = pid;
    // A number that passes on during the walk could close a circle.
    while next != 0 && !line.contains(&next) {
        let Some(parent) = proc::with_stat(next, |stat| stat.parent) else {
            break;
        };
        line.push(next);
        next = parent;
    }
    line
}

/// Returns which of `ancestors` is nearest above the process, or is the process itself.
pub fn descends_from(pid: u32, ancestors: &HashSet<u32>) -> Option<u32> {
    parents(pid)
        .into_iter()
        .find(|parent| ancestors.contains(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_live_process_reaches_init_and_that_of_none_does_not() {
        let line = line(std::process::id()).expect("we live");
        assert_eq!(
            line.get(..2),
            Some(&[std::process::id(), std::os::unix::process::parent_id()][..])
        );
        assert_eq!(super::line(u32::MAX - 1), None);
    }

    #[test]
    fn one_who_connected_and_ended_is_not_traced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        let connect = || {
            std::process::Command::new("perl")
                .args(["-MIO::Socket::UNIX", "-e"])
                .arg("IO::Socket::UNIX->new(Peer => $ARGV[0]) or die; <STDIN>")
                .arg(&path)
                .stdin(std::process::Stdio::piped())
                .spawn()
        };
        let Ok(mut child) = connect() else {
            println!("skipped: perl is not installed");
            return;
        };
        let (stream, _) = listener.accept().expect("it connects");
        let Peer::Line(line) = peer(&stream) else {
            panic!("it lives, and is a child of ours")
        };
        assert_eq!(line.get(..2), Some(&[child.id(), std::process::id()][..]));
        drop(child.stdin.take());
        child.wait().expect("it ends");
        assert_eq!(peer(&stream), Peer::Untraced);
    }

    #[test]
    fn a_process_descends_from_itself_and_its_parent() {
        let own = std::process::id();
        let parent = std::os::unix::process::parent_id();
        assert_eq!(parents(own).get(..2), Some(&[own, parent][..]));
        assert_eq!(descends_from(own, &HashSet::from([parent])), Some(parent));
        assert_eq!(descends_from(own, &HashSet::from([parent, own])), Some(own));
        assert_eq!(descends_from(own, &HashSet::new()), None);
    }
}
