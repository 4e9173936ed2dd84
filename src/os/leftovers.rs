//! Ends what a killed shim left behind.
//!
//! Nobody watches such a tree any more, so it is found by every trace there is: its control
//! group, the mark in the environments, the processes last seen in it, and all below any of them.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use super::cgroup::Leaf;
use super::identity::{ProcessIdentity, boot_id};
use super::orphans;
use super::proc;
use super::run_folder::{RunFolder, RunFolderError};
use super::shim::MARK_VARIABLE;
use super::tree::{self, Member};

/// The longest pause between two passes.
const LONG: Duration = Duration::from_millis(20);

/// How long a shim may take to be gone after it was killed.
const DYING: Duration = Duration::from_millis(250);

/// Why a tree was not ended.
#[derive(Debug, thiserror::Error)]
pub enum LeftoversError {
    /// The shim lives: it ends its tree itself.
    #[error("the shim of {folder} is alive")]
    Served {
        /// The run folder.
        folder: String,
    },
    /// The traces could not be read.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// The list of processes could not be read.
    #[error("cannot list the processes")]
    Processes(#[source] io::Error),
}

/// What was ended.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Everyone who was found.
    pub processes: Vec<Member>,
    /// Those who were still there when the time was over: stuck in the kernel, or not ours.
    pub stuck: Vec<Member>,
}

/// Ends the tree of a run whose shim was killed, and returns when nobody is left or after
/// `limit`.
///
/// `last_seen` are processes once seen in the tree, as by the sampler; numbers that have passed
/// on to others meanwhile are left alone. Blocks; nothing is done for a run of an earlier boot.
///
/// # Errors
/// [`LeftoversError`]; after `Served` nothing was done.
pub fn end(
    folder: &RunFolder,
    last_seen: &[Member],
    limit: Duration,
) -> Result<Ended, LeftoversError> {
    await_end_of_shim(folder)?;
    let Some(record) = folder.shim()? else {
        return Ok(Ended::default());
    };
    if record.shim.boot_id != boot_id() {
        return Ok(Ended::default());
    }
    let leader = record.leader.iter().filter(|leader| leader.is_alive());
    let mut roots: Vec<Member> = leader
        .filter_map(|ProcessIdentity { pid, .. }| Member::of(*pid))
        .collect();
    roots.extend_from_slice(last_seen);
    let traces = Traces {
        mark: Some(format!("{MARK_VARIABLE}={}", record.mark).into_bytes()),
        leaf: record.cgroup.map(Leaf::at),
        found: HashMap::new(),
    };
    traces.end(&roots, limit)
}

/// A shim that was killed is gone when its lock is, a moment after its connection.
fn await_end_of_shim(folder: &RunFolder) -> Result<(), LeftoversError> {
    for _ in 0..DYING.as_millis() {
        if !folder.is_served()? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(LeftoversError::Served {
        folder: folder.path().display().to_string(),
    })
}

/// Ends these processes and all below them, as [`end`] does.
///
/// # Errors
/// [`LeftoversError::Processes`].
pub fn end_all(members: &[Member], limit: Duration) -> Result<Ended, LeftoversError> {
    Traces {
        mark: None,
        leaf: None,
        found: HashMap::new(),
    }
    .end(members, limit)
}

struct Traces {
    mark: Option<Vec<u8>>,
    leaf: Option<Leaf>,
    /// Everyone who was ever found: a child is found below its parent only while that lives.
    found: HashMap<(u32, u64), Member>,
}

impl Traces {
    fn end(mut self, roots: &[Member], limit: Duration) -> Result<Ended, LeftoversError> {
        self.found
            .extend(roots.iter().map(|member| (member.key(), member.clone())));
        // Those that were gone before we came are not ours to count.
        self.found.retain(|key, _| is_there(*key));
        // To see now that the list can be read saves an answer in each look.
        proc::all().map_err(LeftoversError::Processes)?;
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(1);
        loop {
            if self.look().is_empty() {
                break;
            }
            if let Some(leaf) = &self.leaf {
                // Where the kernel cannot, the walk does it.
                let _ = leaf.kill();
            }
            tree::stop_and_kill(|| self.look());
            self.reap();
            let left = self.look();
            if left.is_empty() {
                break;
            }
            if waited >= limit {
                return Ok(Ended {
                    processes: self.found.into_values().collect(),
                    stuck: left,
                });
            }
            std::thread::sleep(pause);
            waited += pause;
            pause = (pause * 2).min(LONG);
        }
        self.reap();
        if let Some(leaf) = &self.leaf {
            // An empty group harms nobody; `doctor` shows it.
            let _ = leaf.remove();
        }
        Ok(Ended {
            processes: self.found.into_values().collect(),
            stuck: Vec::new(),
        })
    }

    /// Returns everyone of the tree who lives now.
    fn look(&mut self) -> Vec<Member> {
        let mut numbers: Vec<u32> = self
            .found
            .keys()
            .filter(|key| is_there(**key))
            .map(|(pid, _)| *pid)
            .collect();
        if let Some(leaf) = &self.leaf {
            numbers.extend(leaf.members());
        }
        if let Some(mark) = &self.mark {
            let all = proc::all().unwrap_or_default().into_iter();
            numbers.extend(all.filter(|pid| proc::has_environment(*pid, mark)));
        }
        numbers.sort_unstable();
        numbers.dedup();
        let mut members = tree::below_all(&numbers);
        members.extend(numbers.into_iter().filter_map(Member::of));
        // Never ourselves, whatever our environment says: this may run below a run.
        members.retain(|member| member.pid != std::process::id());
        self.found
            .extend(members.iter().map(|member| (member.key(), member.clone())));
        members
    }

    /// Reaps those that have become children of ours.
    fn reap(&self) {
        for (pid, start_time) in self.found.keys() {
            let is_ours = proc::with_stat(*pid, |stat| {
                stat.start_time == *start_time
                    && stat.is_zombie()
                    && stat.parent == std::process::id()
            });
            if is_ours == Some(true) {
                orphans::reap(*pid);
            }
        }
    }
}

fn is_there((pid, start_time): (u32, u64)) -> bool {
    proc::with_stat(pid, |stat| {
        stat.start_time == start_time && !stat.is_zombie()
    })
    .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::domain::id::RunId;
    use crate::os::run_folder::ShimRecord;
    use crate::os::wire::VERSION;

    fn record(run: RunId, leader: &ProcessIdentity) -> ShimRecord {
        ShimRecord {
            version: VERSION,
            run,
            shim: ProcessIdentity {
                start_time: 1,
                ..leader.clone()
            },
            mark: uuid::Uuid::new_v4().to_string(),
            cgroup: None,
            leader: Some(leader.clone()),
        }
    }

    /// Is `cat`, recorded as this, ended?
    fn check(change: impl Fn(&mut ShimRecord), expected: bool) {
        let temp = tempfile::tempdir().expect("temp folder");
        let folder = RunFolder::create(temp.path(), RunId(1)).expect("is made");
        let mut cat = Command::new("/bin/cat")
            .stdin(Stdio::piped())
            .spawn()
            .expect("cat starts");
        let leader = ProcessIdentity::of(cat.id()).expect("is alive");
        let mut record = record(RunId(1), &leader);
        change(&mut record);
        folder.write_shim(&record).expect("is written");
        let ended = end(&folder, &[], Duration::from_secs(1)).expect("ends");
        assert_eq!(
            ended.processes.iter().any(|member| member.pid == cat.id()),
            expected
        );
        assert_eq!(leader.is_alive(), !expected);
        drop(cat.stdin.take());
        // Where it was ended it is reaped as well.
        let _ = cat.wait();
    }

    #[test]
    fn d2_d3_only_the_very_processes_on_record_are_ended() {
        check(|_| {}, true);
        check(
            |record| record.leader.as_mut().expect("is set").start_time -= 1,
            false,
        );
        check(
            |record| record.leader.as_mut().expect("is set").boot_id = "old".into(),
            false,
        );
        check(|record| record.shim.boot_id = "old".into(), false);
        check(|record| record.leader = None, false);
    }

    #[test]
    fn a_run_with_a_living_shim_is_left_to_it() {
        let temp = tempfile::tempdir().expect("temp folder");
        let folder = RunFolder::create(temp.path(), RunId(1)).expect("is made");
        let _lock = folder.lock().expect("is tried").expect("is free");
        let refused = end(&folder, &[], Duration::ZERO).expect_err("is refused");
        assert!(matches!(refused, LeftoversError::Served { .. }));
    }
}
