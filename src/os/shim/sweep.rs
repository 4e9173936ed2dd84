//! Ends whatever is left of a tree, and keeps count of who was in it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::os::cgroup::Leaf;
use crate::os::identity::ProcessIdentity;
use crate::os::tree::{self, Member};
use crate::os::wire::FromShim;

/// Names kept for a report; a fork bomb has thousands.
const MAX_NAMED: usize = 100;

/// The pause after a pass that found somebody new: they may be forking still.
const SHORT: Duration = Duration::from_millis(1);

/// The longest pause between two passes.
const LONG: Duration = Duration::from_millis(200);

/// Whoever is left so long after the first kill is stuck in the kernel, or not ours to kill.
const STUCK: Duration = Duration::from_secs(2);

/// How often the stuck ones are named again.
const STUCK_AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Sweep {
    shim: u32,
    leaf: Option<Leaf>,
    seen: HashSet<(u32, u64)>,
    killed: Vec<Member>,
    killed_keys: HashSet<(u32, u64)>,
    left: Vec<Member>,
    pause: Duration,
    /// When the stuck ones are named next.
    tell_at: Option<Instant>,
    told: bool,
}

impl Sweep {
    pub(super) fn new(cgroup: Option<PathBuf>) -> Self {
        Self {
            shim: std::process::id(),
            leaf: cgroup.map(Leaf::at),
            seen: HashSet::new(),
            killed: Vec::new(),
            killed_keys: HashSet::new(),
            left: Vec::new(),
            pause: SHORT,
            tell_at: None,
            told: false,
        }
    }

    pub(super) fn note_leader(&mut self, leader: &ProcessIdentity) {
        self.seen.insert((leader.pid, leader.start_time));
    }

    /// Returns everyone in the tree now, and counts them.
    pub(super) fn note_tree(&mut self) -> Vec<Member> {
        let members = find(self.shim, self.leaf.as_ref());
        self.seen.extend(members.iter().map(Member::key));
        members
    }

    /// Names everyone in the tree now as left behind by the leader.
    pub(super) fn note_left(&mut self) {
        self.left = self.note_tree();
        self.left.truncate(MAX_NAMED);
    }

    /// The kill begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.pause = SHORT;
        self.tell_at = Some(now + STUCK);
    }

    /// Another instance listens, and was not told who is stuck.
    pub(super) fn tell_again(&mut self, now: Instant) {
        if self.told {
            self.tell_at = Some(now);
        }
    }

    /// Kills everyone who is there, and returns when to look again.
    pub(super) fn pass(&mut self, now: Instant, outbox: &mut Vec<FromShim>) -> Instant {
        let (shim, leaf) = (self.shim, self.leaf.as_ref());
        let mut hit = Vec::new();
        if let Some(leaf) = leaf {
            // The kernel does in one go what we can only approach; but it names nobody.
            hit = find(shim, Some(leaf));
            if let Err(error) = leaf.kill() {
                super::complain(&error);
            }
        }
        hit.extend(tree::stop_and_kill(|| find(shim, leaf)));
        let mut anyone_new = false;
        for member in hit {
            self.seen.insert(member.key());
            if self.killed_keys.insert(member.key()) {
                anyone_new = true;
                if self.killed.len() < MAX_NAMED {
                    self.killed.push(member);
                }
            }
        }
        self.pause = if anyone_new {
            SHORT
        } else {
            (self.pause * 2).min(LONG)
        };
        if self.tell_at.is_some_and(|at| now >= at) {
            self.tell_at = Some(now + STUCK_AGAIN);
            let processes = find(self.shim, self.leaf.as_ref());
            if !processes.is_empty() {
                self.told = true;
                outbox.push(FromShim::Stuck { processes });
            }
        }
        now + self.pause
    }

    /// Nobody is left: gives the control group back.
    pub(super) fn finish(&self) {
        if let Some(leaf) = &self.leaf
            && let Err(error) = leaf.remove()
        {
            super::complain(&error);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Returns who had to be killed, and who was left by the leader.
    pub(super) fn named(&self) -> (Vec<Member>, Vec<Member>) {
        (self.killed.clone(), self.left.clone())
    }
}

/// Returns everyone below the shim or in the run's group.
fn find(shim: u32, leaf: Option<&Leaf>) -> Vec<Member> {
    let mut members = tree::below(shim);
    if let Some(leaf) = leaf {
        let known: HashSet<u32> = members.iter().map(|member| member.pid).collect();
        let others = leaf
            .members()
            .into_iter()
            .filter(|pid| !known.contains(pid));
        members.extend(others.filter_map(Member::of));
    }
    members
}
