//! What the kernel says of processes that it killed for lack of memory.
//!
//! Three witnesses, from the best to the poorest: the kernel's log names the process and its control
//! group, but only root may read it on many machines; the group's own counter tells that somebody of
//! the run was killed, where the memory controller is on; the counter of the whole machine tells
//! that somebody was.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::identity::ProcessIdentity;

/// Clock ticks in a second, as `/proc` counts; the same on every Linux.
const TICKS: u64 = 100;
/// The log's clock and that of `/proc` may differ by so much, in microseconds.
const SLACK: u64 = 1_000_000;
/// A line of the kernel's log is never longer.
const RECORD: usize = 8192;

/// Whose kills are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Suspects<'a> {
    /// Processes of the run that are known: its leader and its shim.
    pub known: &'a [&'a ProcessIdentity],
    /// The folder of its control group.
    pub cgroup: Option<&'a Path>,
}

/// A kill that the kernel's log tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    /// Who was killed.
    pub pid: u32,
    /// Its short name.
    pub name: String,
}

/// How many processes the kernel of this machine has killed for lack of memory.
#[must_use]
pub fn counter() -> Option<u64> {
    entry(&fs::read_to_string("/proc/vmstat").ok()?, "oom_kill")
}

/// How many processes of a control group, and of those below it, were killed for lack of memory;
/// `None` where the memory controller is not on.
#[must_use]
pub fn group_counter(cgroup: &Path) -> Option<u64> {
    entry(
        &fs::read_to_string(cgroup.join("memory.events")).ok()?,
        "oom_kill",
    )
}

/// The last kill of one of them in the kernel's log, if we may read it.
#[must_use]
pub fn logged(suspects: Suspects<'_>) -> Option<Kill> {
    last_kill(&kernel_log(), suspects)
}

fn entry(text: &str, key: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}

/// What the kernel's log holds at present; nothing where we may not read it.
fn kernel_log() -> String {
    let mut text = String::new();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open("/dev/kmsg");
    let Ok(mut log) = opened else { return text };
    let mut record = [0; RECORD];
    loop {
        // One record a read; an error of its own for one that was overwritten meanwhile.
        match log.read(&mut record) {
            Ok(0) => return text,
            Ok(length) => {
                text.push_str(&String::from_utf8_lossy(&record[..length]));
                if !text.ends_with('\n') {
                    text.push('\n');
                }
            }
            Err(error) if error.raw_os_error() == Some(nix::libc::EPIPE) => {}
            Err(_) => return text,
        }
    }
}

fn last_kill(log: &str, suspects: Suspects<'_>) -> Option<Kill> {
    let group = suspects
        .cgroup
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    log.lines().rev().find_map(|line| {
        // 6,1234,5678901,-;text
        let (head, text) = line.split_once(';')?;
        let at: u64 = head.split(',').nth(2)?.parse().ok()?;
        let kill = of_group(text, group).or_else(|| by_name(text))?;
        let began = suspects
            .known
            .iter()
            .map(|known| known.start_time)
            .min()
            .unwrap_or(0);
        let is_of_this_time = at + SLACK >= began.saturating_mul(1_000_000 / TICKS);
        let is_known = suspects.known.iter().any(|known| known.pid == kill.pid);
        (is_of_this_time && (is_known || of_group(text, group).is_some())).then_some(kill)
    })
}

/// `oom-kill:constraint=CONSTRAINT_MEMCG,…,task_memcg=/headcount-MARK,task=node,pid=42,uid=0`
fn of_group(text: &str, group: Option<&str>) -> Option<Kill> {
    let fields = text.strip_prefix("oom-kill:")?;
    let field = |key: &str| {
        fields
            .split(',')
            .find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
    };
    let group = group?;
    let within = field("task_memcg")?.split('/').any(|part| part == group);
    within.then_some(Kill {
        pid: field("pid")?.parse().ok()?,
        name: field("task")?.to_owned(),
    })
}

/// `Memory cgroup out of memory: Killed process 42 (node) total-vm:…`
fn by_name(text: &str) -> Option<Kill> {
    let (before, rest) = text.split_once("Killed process ")?;
    if !before.to_ascii_lowercase().contains("out of memory") {
        return None;
    }
    let (pid, rest) = rest.split_once(" (")?;
    let (name, _) = rest.split_once(')')?;
    Some(Kill {
        pid: pid.parse().ok()?,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
6,1,1000000,-;node invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0\n\
6,2,9000000,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
oom_memcg=/user,task_memcg=/user/headcount-abc/sub,task=cc1plus,pid=77,uid=1000\n\
3,3,9000001,-;Memory cgroup out of memory: Killed process 77 (cc1plus) total-vm:1kB, anon-rss:1kB\n\
3,4,9500000,-;Out of memory: Killed process 42 (node) total-vm:1kB\n\
6,5,9600000,-;systemd: Killed process 43 (sshd) with signal SIGTERM\n";

    fn identity(pid: u32, start_time: u64) -> ProcessIdentity {
        ProcessIdentity {
            pid,
            start_time,
            boot_id: String::new(),
        }
    }

    fn check(pid: u32, start_time: u64, cgroup: Option<&str>, expected: Option<(u32, &str)>) {
        let leader = identity(pid, start_time);
        let suspects = Suspects {
            known: &[&leader],
            cgroup: cgroup.map(Path::new),
        };
        let found = last_kill(LOG, suspects);
        let found = found.as_ref().map(|kill| (kill.pid, kill.name.as_str()));
        assert_eq!(found, expected);
    }

    #[test]
    fn c7_the_kernels_log_names_who_was_killed() {
        check(42, 100, None, Some((42, "node")));
        check(
            1,
            100,
            Some("/sys/fs/cgroup/headcount-abc"),
            Some((77, "cc1plus")),
        );
        check(1, 100, Some("/sys/fs/cgroup/headcount-xyz"), None);
        // Ended by somebody else, for another reason.
        check(43, 100, None, None);
        // A number that was used before, by another.
        check(42, 2000, None, None);
    }

    #[test]
    fn c7_counters_are_read_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(group_counter(folder.path()), None);
        let text = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n";
        fs::write(folder.path().join("memory.events"), text).unwrap();
        assert_eq!(group_counter(folder.path()), Some(2));
        assert_eq!(entry("oom_kills 3\n", "oom_kill"), None);
    }
}
