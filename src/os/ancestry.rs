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

/// How many processes are remembered; then it is begun anew.
const MOST: usize = 1024;

/// Who is at the other end of a unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer<T> {
    /// Of another user, and not of the one who may do everything.
    Foreign,
    /// Itself or the nearest of its parents that somebody knows.
    Known(T),
    /// Nobody knows it, or any of its parents up to one that has none.
    Outside,
    /// Its line of parents has a gap, as that of one who hid behind a process that has ended; or it
    /// has ended itself, so that its number may be another's by now.
    Untraced,
}

/// Tells who is at the other end of unix sockets, and remembers who is outside.
///
/// A process that descends from nobody known will not as long as it lives: who loses its parent gets one of those
/// above. So what was found of one holds for all that it starts, and those who call often are not traced up to the
/// first process each time. Only somebody who comes to be known anew makes that void.
#[derive(Debug, Default)]
pub struct Tracer {
    // With their start times: a number alone may be another's by now.
    outside: HashSet<(u32, u64)>,
}

impl Tracer {
    /// Returns who is at the other end of a unix socket; `known` is asked of it and of its parents, nearest first.
    pub fn peer<T>(&mut self, stream: &impl AsFd, known: impl Fn(u32) -> Option<T>) -> Peer<T> {
        let Ok(cred) = getsockopt(stream, PeerCredentials) else {
            return Peer::Untraced;
        };
        if cred.uid() != nix::unistd::geteuid().as_raw() && cred.uid() != 0 {
            return Peer::Foreign;
        }
        let pid = u32::try_from(cred.pid()).ok().filter(|pid| *pid > 0);
        let traced = pid.and_then(|pid| (0..TRIES).find_map(|_| self.trace(pid, &known)));
        match traced {
            // After the walk: what it met was the process that connected.
            Some(Traced::To(known)) if !is_gone(stream) => Peer::Known(known),
            Some(Traced::Outside(met)) if !is_gone(stream) => {
                if self.outside.len() + met.len() > MOST {
                    self.outside.clear();
                }
                self.outside.extend(met);
                Peer::Outside
            }
            _ => Peer::Untraced,
        }
    }

    /// Follows the parents of a process to one that is known, or is known to be outside, or has none; `None` if
    /// there is a gap.
    ///
    /// Below a living shim every descendant has a line to it, so a line without a gap passes through.
    fn trace<T>(&self, pid: u32, known: impl Fn(u32) -> Option<T>) -> Option<Traced<T>> {
        let mut met = Vec::new();
        let mut next = pid;
        while met.len() < DEEPEST {
            if let Some(found) = known(next) {
                return Some(Traced::To(found));
            }
            // A dead process keeps its parents for a moment, but cannot be the one that speaks.
            let (parent, start) = proc::with_stat(next, |stat| {
                (!stat.is_zombie()).then_some((stat.parent, stat.start_time))
            })??;
            if self.outside.contains(&(next, start)) {
                return Some(Traced::Outside(met));
            }
            met.push((next, start));
            match parent {
                0 => return Some(Traced::Outside(met)),
                parent => next = parent,
            }
        }
        None
    }
}

/// Where a line of parents led.
#[derive(Debug, PartialEq, Eq)]
enum Traced<T> {
    To(T),
    /// To nobody who is known; with those on the way, and their start times.
    Outside(Vec<(u32, u64)>),
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
        let tracer = Tracer::default();
        let own = std::process::id();
        let parent = std::os::unix::process::parent_id();
        let Some(Traced::Outside(met)) = tracer.trace(own, nobody) else {
            panic!("we live")
        };
        let line: Vec<u32> = met.iter().map(|(pid, _)| *pid).collect();
        assert_eq!(line.get(..2), Some(&[own, parent][..]));
        assert_eq!(tracer.trace(u32::MAX - 1, nobody), None);
        let known = |pid| (pid == parent).then_some("the parent");
        assert_eq!(tracer.trace(own, known), Some(Traced::To("the parent")));
    }

    #[test]
    fn who_is_outside_is_not_traced_again_and_another_of_its_number_is() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().expect("a socket");
        let mut tracer = Tracer::default();
        let asked = std::cell::Cell::new(0);
        let depth = |tracer: &mut Tracer| {
            asked.set(0);
            let who = tracer.peer(&ours, |_| {
                asked.set(asked.get() + 1);
                None::<()>
            });
            assert_eq!(who, Peer::Outside);
            asked.get()
        };
        let whole = depth(&mut tracer);
        assert!(whole > 1, "{whole}");
        assert_eq!(depth(&mut tracer), 1);
        // As if all of them had ended, and their numbers were those of others.
        let others = tracer.outside.iter().map(|(pid, start)| (*pid, start + 1));
        tracer.outside = others.collect();
        assert_eq!(depth(&mut tracer), whole);
    }

    fn nobody(_: u32) -> Option<()> {
        None
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
        let mut tracer = Tracer::default();
        let own = std::process::id();
        let ours = |pid| (pid == own).then_some("ours");
        // It lives, and is a child of ours.
        assert_eq!(tracer.peer(&stream, ours), Peer::Known("ours"));
        assert_eq!(tracer.peer(&stream, nobody), Peer::Outside);
        drop(child.stdin.take());
        child.wait().expect("it ends");
        assert_eq!(tracer.peer(&stream, ours), Peer::Untraced);
        assert_eq!(tracer.peer(&stream, nobody), Peer::Untraced);
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
