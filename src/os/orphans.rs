//! Children that came to us because their parent, a shim, was killed.
//!
//! The instance is a subreaper, so that what a killed shim leaves falls to it and not out of
//! sight. It never waits for just any child: the runtime waits for those that it started. Those are in
//! the registry of [`Children`], or in the session of this program, which nobody can join from outside;
//! an employee and all below it are in sessions of their own, and so is what [`Children::start_apart`] starts: what
//! that leaves behind is an orphan as well.

use std::collections::HashSet;
use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{getsid, setsid};

use super::proc;
use super::signal::raw;
use super::tree::Member;

/// Makes this process the one that orphaned descendants fall to.
///
/// # Errors
/// What the kernel said; every one of this century can do it.
pub fn become_subreaper() -> Result<(), Errno> {
    prctl::set_child_subreaper(true)
}

/// A process has its children once, however many companies live in it (as in tests): what one of them
/// started is no orphan for the other.
static STARTED: LazyLock<Mutex<HashSet<u32>>> = LazyLock::new(Mutex::default);

/// The children with sessions of their own that this process started itself. Cheap to clone; all are one set.
#[derive(Debug, Clone)]
pub struct Children(&'static Mutex<HashSet<u32>>);

impl Default for Children {
    fn default() -> Self {
        Self(&STARTED)
    }
}

impl Children {
    /// Starts one and knows it, with nobody looking in between: what is started is never taken for an
    /// orphan. `start` returns the child and its number.
    pub(crate) fn start<C>(
        &self,
        start: impl FnOnce() -> io::Result<(C, Option<u32>)>,
    ) -> io::Result<C> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (child, pid) = start()?;
        known.extend(pid);
        Ok(child)
    }

    /// Starts a program in a session of its own, and knows it: what it leaves when it ends is not taken for ours.
    #[expect(unsafe_code, reason = "the new session is made between fork and exec")]
    pub(crate) fn start_apart(
        &self,
        command: &mut tokio::process::Command,
    ) -> io::Result<tokio::process::Child> {
        // SAFETY: setsid is async-signal-safe, and nothing here allocates.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                Ok(())
            });
        }
        self.start(|| {
            let child = command.spawn()?;
            let pid = child.id();
            Ok((child, pid))
        })
    }

    /// One was waited for: its number may be another's from now on.
    pub(crate) fn reaped(&self, pid: u32) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&pid);
    }
}

/// What [`Orphans::look`] found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Found {
    /// Had ended, and were reaped.
    pub reaped: Vec<u32>,
    /// Run, and belong to nobody: to be ended with [`leftovers::end_all`].
    ///
    /// [`leftovers::end_all`]: super::leftovers::end_all
    pub strays: Vec<Member>,
}

/// Finds the children of this process that it did not start.
#[derive(Debug, Default)]
pub struct Orphans {
    /// Those that are not orphans.
    children: Children,
    /// Unknown at the last look: number and start time.
    suspects: HashSet<(u32, u64)>,
}

impl Orphans {
    /// Begins to look; `children` are not orphans.
    pub fn new(children: Children) -> Self {
        Self {
            children,
            suspects: HashSet::new(),
        }
    }

    /// Looks at all children that are not `known`, reaps the ended ones, names the others. `known` are
    /// those that an earlier instance started in this very process.
    ///
    /// A child counts only when it is unknown at two looks in a row: one that the runtime is
    /// starting at this moment may not be known yet, and its exit is not ours to take.
    pub fn look(&mut self, known: &HashSet<u32>) -> Found {
        let mut children = Vec::new();
        // While nobody can start one.
        let own = self
            .children
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        proc::children(std::process::id(), &mut children);
        let before = std::mem::take(&mut self.suspects);
        let session = getsid(None).ok();
        let mut found = Found::default();
        for pid in children {
            if known.contains(&pid) || own.contains(&pid) {
                continue;
            }
            if session.is_some() && getsid(Some(raw(pid))).ok() == session {
                continue;
            }
            let Some(start_time) = proc::with_stat(pid, |stat| stat.start_time) else {
                continue;
            };
            self.suspects.insert((pid, start_time));
            if !before.contains(&(pid, start_time)) {
                continue;
            }
            if reap(pid) {
                self.suspects.remove(&(pid, start_time));
                found.reaped.push(pid);
            } else if let Some(member) = Member::of(pid) {
                found.strays.push(member);
            }
        }
        found
    }
}

/// Reaps one child of ours if it has ended.
pub(crate) fn reap(pid: u32) -> bool {
    match waitid(
        Id::Pid(raw(pid)),
        WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG,
    ) {
        Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => false,
        // An error after the fact: it was reaped, but nix has no word for its signal.
        Ok(_) | Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_a_child_that_stays_unknown_is_an_orphan() {
        let start = |session: &str| {
            let mut command = Command::new(session);
            command.args(["cat"]).stdin(std::process::Stdio::piped());
            command.spawn().expect("cat starts")
        };
        let mut child = start("setsid");
        let mut ours = start("env");
        let pid = child.id();
        // In a session of its own from when it reads on.
        let mut input = child.stdin.take().expect("a pipe");
        while getsid(Some(raw(pid))) == getsid(None) {
            std::thread::yield_now();
        }
        // The children of other tests in this process are none of ours.
        let mut others = Vec::new();
        proc::children(std::process::id(), &mut others);
        let others: HashSet<u32> = others
            .into_iter()
            .filter(|other| *other != pid && *other != ours.id())
            .collect();
        let mut with_it = others.clone();
        with_it.insert(pid);
        let children = Children::default();
        let mut orphans = Orphans::new(children.clone());
        let is_stray = |found: &Found| found.strays.iter().any(|member| member.pid == pid);
        assert!(!is_stray(&orphans.look(&others)), "it may be just starting");
        assert!(!is_stray(&orphans.look(&with_it)), "it is known");
        assert!(!is_stray(&orphans.look(&others)), "it was known");
        let found = orphans.look(&others);
        assert!(is_stray(&found));
        assert!(found.strays.iter().all(|member| member.pid != ours.id()));
        children
            .start(|| Ok(((), Some(pid))))
            .expect("nothing is started");
        assert!(!is_stray(&orphans.look(&others)), "it is ours");
        children.reaped(pid);
        orphans.look(&others);
        std::io::Write::write_all(&mut input, b"on").expect("it reads");
        drop(input);
        drop(ours.stdin.take());
        for pid in [pid, ours.id()] {
            waitid(
                Id::Pid(raw(pid)),
                WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
            )
            .expect("ends");
        }
        assert!(orphans.look(&others).reaped.contains(&pid));
        child.wait().expect_err("is reaped already");
        ours.wait().expect("is left to us");
    }
}
