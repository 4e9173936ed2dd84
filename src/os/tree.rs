//! The processes below one: who they are, and how to end all of them so that none escapes.

use std::collections::HashSet;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::proc;
use super::signal;

/// A process found in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its number.
    pub pid: u32,
    /// Clock ticks from boot to its start: with the number, it names this process alone.
    pub start_time: u64,
    /// Its parent's number when it was seen.
    pub parent: u32,
    /// Its short name, at most 15 bytes.
    pub name: String,
}

impl Member {
    /// Returns the living process with this number.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        proc::with_stat(pid, |stat| {
            (!stat.is_zombie()).then(|| Self {
                pid,
                start_time: stat.start_time,
                parent: stat.parent,
                name: stat.name(),
            })
        })
        .flatten()
    }

    /// What names this process and no later one.
    pub(crate) fn key(&self) -> (u32, u64) {
        (self.pid, self.start_time)
    }

    /// Signals it; `false` if it is gone or may not be signalled.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        signal::send(self.pid, self.start_time, signal).unwrap_or(false)
    }
}

/// Returns the living processes below `root`, without it, parents before children.
pub fn below(root: u32) -> Vec<Member> {
    below_all(&[root])
}

/// Returns the living processes below any of `roots`, without these.
pub(crate) fn below_all(roots: &[u32]) -> Vec<Member> {
    let mut numbers = Vec::new();
    let mut seen: HashSet<u32> = roots.iter().copied().collect();
    for root in roots {
        proc::children(*root, &mut numbers);
    }
    let mut members = Vec::new();
    let mut next = 0;
    while let Some(pid) = numbers.get(next).copied() {
        next += 1;
        if seen.insert(pid)
            && let Some(member) = Member::of(pid)
        {
            proc::children(pid, &mut numbers);
            members.push(member);
        }
    }
    members
}

/// Rounds of stopping before killing: more are of use only against something that forks faster
/// than it is stopped, and that is what the next pass is for.
const ROUNDS: usize = 8;

/// Stops whatever `find` returns until it returns nobody new, then kills all of them.
///
/// Stopping first is what keeps a process from forking while its relatives are being killed.
/// Returns those that were there to be killed. One pass is not a promise: call again until
/// nobody is left.
pub(crate) fn stop_and_kill(mut find: impl FnMut() -> Vec<Member>) -> Vec<Member> {
    let mut known = HashSet::new();
    let mut all: Vec<Member> = Vec::new();
    for _ in 0..ROUNDS {
        let new: Vec<_> = find()
            .into_iter()
            .filter(|member| known.insert(member.key()))
            .collect();
        if new.is_empty() {
            break;
        }
        for member in &new {
            member.signal(Signal::SIGSTOP);
        }
        all.extend(new);
    }
    all.retain(|member| member.signal(Signal::SIGKILL));
    all
}
