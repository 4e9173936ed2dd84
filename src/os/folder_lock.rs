//! One instance a state folder: a lock on the folder itself.
//!
//! There is no file to delete, and no number in a file to believe. The lock goes when its holder
//! does, however that happens, and no child inherits it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::sys::stat::{major, minor};

/// Why the folder was not locked.
#[derive(Debug, thiserror::Error)]
pub enum FolderLockError {
    /// Another process has it.
    #[error("{} is in use{}", path.display(), by(*holder))]
    Held {
        /// The folder.
        path: PathBuf,
        /// Who; unknown where the kernel does not tell.
        holder: Option<u32>,
    },
    /// It cannot be opened or locked, as on some network file systems.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

fn by(holder: Option<u32>) -> String {
    holder
        .map(|pid| format!(" by process {pid}"))
        .unwrap_or_default()
}

/// How often the list of locks is read before nobody is said to hold one.
const LOOKS: usize = 20;

/// The exclusive use of a folder, for as long as this lives.
#[derive(Debug)]
pub struct FolderLock {
    folder: Flock<File>,
}

impl FolderLock {
    /// Locks a folder, or says who has it.
    ///
    /// # Errors
    /// [`FolderLockError`].
    pub fn take(path: &Path) -> Result<Self, FolderLockError> {
        let fail = |source| FolderLockError::Lock {
            path: path.to_path_buf(),
            source,
        };
        let folder = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC)
            .open(path)
            .map_err(fail)?;
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Ok(folder) => Ok(Self { folder }),
            Err((_, Errno::EWOULDBLOCK)) => Err(FolderLockError::Held {
                path: path.to_path_buf(),
                holder: holder(path),
            }),
            Err((_, error)) => Err(fail(error.into())),
        }
    }
}

impl FolderLock {
    /// Takes the lock over from the program that was in this process before; `None` if the descriptor
    /// is not the folder's, or does not hold its lock.
    pub fn inherited(folder: OwnedFd, path: &Path) -> Option<Self> {
        let folder = File::from(folder);
        let (ours, theirs) = (fs::metadata(path).ok()?, folder.metadata().ok()?);
        if (ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()) {
            return None;
        }
        // Of one open file a second lock is the first.
        let folder = Flock::lock(folder, FlockArg::LockExclusiveNonblock).ok()?;
        Some(Self { folder })
    }

    /// Gives a descriptor that holds the lock as well, for the program that takes our place. The lock is
    /// one: whoever drops this releases it for both.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.folder.as_fd().try_clone_to_owned()
    }
}

/// Waits until nobody holds the lock of a folder; at once if it is not there. Blocks.
pub fn wait_until_free(path: &Path) {
    if let Ok(folder) = File::open(path) {
        // A lock that cannot be had is not held by anyone we could wait for.
        drop(Flock::lock(folder, FlockArg::LockShared));
    }
}

/// Returns who holds the lock of a folder, as far as the kernel tells.
pub fn holder(path: &Path) -> Option<u32> {
    // The kernel's list passes over a lock when others come and go while it is read.
    (0..LOOKS).find_map(|_| listed_holder(path))
}

fn listed_holder(path: &Path) -> Option<u32> {
    let folder = fs::metadata(path).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let device = (major(folder.dev()), minor(folder.dev()));
    let all = || {
        locks
            .lines()
            .filter_map(Entry::parse)
            .filter(|lock| lock.inode == folder.ino())
    };
    // Some file systems, btrfs among them, show another device here than in a folder's data.
    let exact = all().find(|lock| lock.device == device);
    exact.or_else(|| all().next()).map(|lock| lock.pid)
}

/// A held lock of the kind we use.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    pid: u32,
    device: (u64, u64),
    inode: u64,
}

impl Entry {
    /// Reads `1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`; a waiting one has an arrow.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1);
        if words.next()? != "FLOCK" || words.nth(1)? != "WRITE" {
            return None;
        }
        let pid = words.next()?.parse().ok()?;
        let mut place = words.next()?.split(':');
        let mut number = || u64::from_str_radix(place.next()?, 16).ok();
        let device = (number()?, number()?);
        Some(Self {
            pid,
            device,
            inode: place.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d4_a_second_taker_is_told_who_has_thefolder() {
        let temp = tempfile::tempdir().expect("temp folder");
        let lock = FolderLock::take(temp.path()).expect("is free");
        match FolderLock::take(temp.path()) {
            Err(FolderLockError::Held { holder, .. }) => {
                assert_eq!(holder, Some(std::process::id()));
            }
            other => panic!("is held: {other:?}"),
        }
        drop(lock);
        FolderLock::take(temp.path()).expect("is free again");
        assert_eq!(holder(temp.path()), None);
    }

    #[test]
    fn a_shared_lock_is_one_lock() {
        let temp = tempfile::tempdir().expect("temp folder");
        let other = tempfile::tempdir().expect("temp folder");
        let lock = FolderLock::take(temp.path()).expect("is free");
        let share = || lock.share().expect("a descriptor");
        assert!(FolderLock::inherited(share(), other.path()).is_none());
        let next = FolderLock::inherited(share(), temp.path()).expect("is held");
        // As a program that ends without a word does: its descriptor goes, the lock stays.
        std::mem::forget(lock);
        assert!(FolderLock::take(temp.path()).is_err());
        drop(next);
        assert!(FolderLock::take(temp.path()).is_ok());
    }

    #[test]
    fn d4_a_child_does_not_inherit_the_lock() {
        let temp = tempfile::tempdir().expect("temp folder");
        let lock = FolderLock::take(temp.path()).expect("is free");
        let mut child = std::process::Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("cat starts");
        drop(lock);
        FolderLock::take(temp.path()).expect("is free although the child runs");
        drop(child.stdin.take());
        child.wait().expect("ends");
    }

    #[test]
    fn afolder_that_is_not_there_is_not_held() {
        let missing = FolderLock::take(Path::new("/nowhere/at/all"));
        assert!(matches!(missing, Err(FolderLockError::Lock { .. })));
    }

    #[test]
    fn only_held_locks_of_our_kind_are_read() {
        let held = Entry::parse("1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF");
        assert_eq!(
            held,
            Some(Entry {
                pid: 1234,
                device: (0xfd, 1),
                inode: 5678
            })
        );
        for line in [
            "1: -> FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF",
            "2: POSIX  ADVISORY  WRITE 1234 fd:01:5678 0 EOF",
            "3: FLOCK  ADVISORY  READ 1234 fd:01:5678 0 EOF",
            "",
        ] {
            assert_eq!(Entry::parse(line), None, "{line}");
        }
    }
}
