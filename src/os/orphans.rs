//! Children that came to us because their parent, a shim, was killed.
//!
//! The instance is a subreaper, so that what a killed shim leaves falls to it and not out of
//! sight. It never waits for just any child: the runtime waits for those that it started.

use std::collections::HashSet;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

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
    /// Unknown at the last look: number and start time.
    suspects: HashSet<(u32, u64)>,
}

impl Orphans {
    /// Looks at all children that are not `known`, reaps the ended ones, names the others.
    ///
    /// A child counts only when it is unknown at two looks in a row: one that the runtime is
    /// starting at this moment may not be known yet, and its exit is not ours to take.
    pub fn look(&mut self, known: &HashSet<u32>) -> Found {
        let mut children = Vec::new();
        proc::children(std::process::id(), &mut children);
        let before = std::mem::take(&mut self.suspects);
        let mut found = Found::default();
        for pid in children {
            if known.contains(&pid) {
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
        let mut child = Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("cat starts");
        let pid = child.id();
        // The children of other tests in this process are none of ours.
        let mut others = Vec::new();
        proc::children(std::process::id(), &mut others);
        let others: HashSet<u32> = others.into_iter().filter(|other| *other != pid).collect();
        let mut with_it = others.clone();
        with_it.insert(pid);
        let mut orphans = Orphans::default();
        let is_stray = |found: &Found| found.strays.iter().any(|member| member.pid == pid);
        assert!(!is_stray(&orphans.look(&others)), "it may be just starting");
        assert!(!is_stray(&orphans.look(&with_it)), "it is known");
        assert!(!is_stray(&orphans.look(&others)), "it was known");
        assert!(is_stray(&orphans.look(&others)));
        drop(child.stdin.take());
        waitid(
            Id::Pid(raw(pid)),
            WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
        )
        .expect("ends");
        assert!(orphans.look(&others).reaped.contains(&pid));
        child.wait().expect_err("is reaped already");
    }
}
