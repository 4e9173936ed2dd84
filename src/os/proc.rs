//! Reads `/proc`: the one parser of `stat`, and the lists of children, members and environments.

use std::fs::{self, File};
use std::io::{self, Read};
use std::str;

/// One line of `/proc/PID/stat`, as far as anyone here needs it.
///
/// Borrows the name, so that a pass over all processes allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat<'a> {
    pub(crate) pid: u32,
    pub(crate) name: &'a [u8],
    pub(crate) state: u8,
    pub(crate) parent: u32,
    /// Own time in user and kernel mode, in clock ticks.
    pub(crate) own_ticks: u64,
    /// The same of the children that were waited for.
    pub(crate) child_ticks: u64,
    pub(crate) threads: u32,
    /// Clock ticks between boot and the start of the process.
    pub(crate) start_time: u64,
    pub(crate) resident_pages: u64,
}

impl<'a> Stat<'a> {
    /// Reads one line; the name stands in brackets and may itself hold brackets and blanks.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let open = memchr::memchr(b'(', line)?;
        let close = memchr::memrchr(b')', line)?;
        let pid = number(line.get(..open)?.trim_ascii())?;
        let name = line.get(open + 1..close)?;
        let mut fields = line.get(close + 2..)?.split(|byte| *byte == b' ');
        let state = *fields.next()?.first()?;
        // From here on each field is a number; `nth` skips those between.
        let parent = number(fields.next()?)?;
        let user: u64 = number(fields.nth(9)?)?;
        let system: u64 = number(fields.next()?)?;
        let child_user: u64 = number(fields.next()?)?;
        let child_system: u64 = number(fields.next()?)?;
        let threads = number(fields.nth(2)?)?;
        let start_time = number(fields.nth(1)?)?;
        let resident_pages = number(fields.nth(1)?)?;
        Some(Self {
            pid,
            name,
            state,
            parent,
            own_ticks: user + system,
            child_ticks: child_user + child_system,
            threads,
            start_time,
            resident_pages,
        })
    }

    /// Has it ended, and waits only for its parent to look?
    ///
    /// A process whose first thread has ended looks the same, but for the other threads.
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }

    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(self.name).into_owned()
    }
}

/// Reads a decimal number that fills the whole field.
pub(crate) fn number<N: str::FromStr>(field: &[u8]) -> Option<N> {
    str::from_utf8(field).ok()?.parse().ok()
}

/// Calls `look` with the `stat` of a process, or returns `None` if there is none.
pub(crate) fn with_stat<R>(pid: u32, look: impl FnOnce(Stat<'_>) -> R) -> Option<R> {
    let mut line = [0; 1024];
    let length = File::open(format!("/proc/{pid}/stat"))
        .ok()?
        .read(&mut line)
        .ok()?;
    Stat::parse(line.get(..length)?).map(look)
}

/// Appends the children of a process, those of all its threads.
///
/// The kernel may miss some while others end; only a stopped tree is listed completely.
pub(crate) fn children(pid: u32, into: &mut Vec<u32>) {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return;
    };
    let mut list = String::new();
    for thread in threads.flatten() {
        list.clear();
        let read = File::open(thread.path().join("children"))
            .and_then(|mut file| file.read_to_string(&mut list));
        if read.is_ok() {
            into.extend(
                list.split_ascii_whitespace()
                    .filter_map(|word| word.parse::<u32>().ok()),
            );
        }
    }
}

/// Returns the numbers of all processes there are.
pub(crate) fn all() -> io::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// Does the environment that the process was started with hold exactly this `NAME=value`?
///
/// `false` also where it may not be read, which is the case for other people's processes.
pub(crate) fn has_environment(pid: u32, entry: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment
            .split(|byte| *byte == 0)
            .any(|have| have == entry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_brackets_and_blanks() {
        let line =
            b"42 (a) (b c) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 999 1000 77 0";
        let stat = Stat::parse(line).expect("parses");
        assert_eq!(stat.name, b"a) (b c");
        assert_eq!((stat.pid, stat.parent, stat.state), (42, 7, b'S'));
        assert_eq!((stat.own_ticks, stat.child_ticks), (30, 70));
        assert_eq!(
            (stat.threads, stat.start_time, stat.resident_pages),
            (5, 999, 77)
        );
    }

    #[test]
    fn a_process_that_lost_its_first_thread_has_not_ended() {
        let line = |threads| format!("4 (x) Z 1 4 4 0 -1 0 0 0 0 0 1 1 1 1 20 0 {threads} 0 9 0 0");
        let is_zombie = |line: String| Stat::parse(line.as_bytes()).expect("parses").is_zombie();
        assert!(is_zombie(line(1)));
        assert!(!is_zombie(line(3)));
    }

    #[test]
    fn a_torn_line_is_no_process() {
        for line in [&b""[..], b"42", b"42 (sh", b"42 (sh)", b"42 (sh) S 1 2"] {
            assert_eq!(Stat::parse(line), None);
        }
    }

    #[test]
    fn we_find_ourselves() {
        let own = std::process::id();
        assert_eq!(with_stat(own, |stat| stat.pid), Some(own));
        assert!(all().expect("/proc is readable").contains(&own));
    }
}
