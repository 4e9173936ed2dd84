//! Control groups (v2): one for each run, so that no process of it can slip away.
//!
//! No controller is needed for that, only a subtree that we may write. Where there is none, the
//! walk over `/proc` serves alone. The shim stays outside its run's group: it has to report.

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

use super::proc;

/// Set to anything, it makes [`Cgroups::detect`] find nothing.
pub const OFF_SWITCH: &str = "HEADCOUNT_NO_CGROUP";

/// How long a process may take to leave its group after it was killed.
const GOING: Duration = Duration::from_millis(200);

/// What went wrong with a control group.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The group could not be made.
    #[error("cannot make the control group {}", path.display())]
    Make {
        /// Its folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The group could not be removed.
    #[error("cannot remove the control group {}", path.display())]
    Remove {
        /// Its folder.
        path: PathBuf,
        /// The cause; "resource busy" while a process is in it.
        #[source]
        source: io::Error,
    },
    /// The order to kill could not be given, as with kernels before 5.14.
    #[error("cannot kill the control group {}", path.display())]
    Kill {
        /// Its folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// A subtree in which we may make groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroups {
    base: PathBuf,
}

impl Cgroups {
    /// Finds our own group in the v2 hierarchy, if we may make groups below it.
    ///
    /// A pure v2 system has the hierarchy at `/sys/fs/cgroup`, a mixed one below it; a delegated
    /// subtree is simply the group that we are in.
    pub fn detect() -> Option<Self> {
        if std::env::var_os(OFF_SWITCH).is_some() {
            return None;
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let base = own_group(&mounts, &groups)?;
        // A process may be moved only by who can write the list of members of the group above
        // both places, which is this one.
        let may = |path: &Path, flags| access(path, flags).is_ok();
        (may(&base, AccessFlags::W_OK | AccessFlags::X_OK)
            && may(&base.join("cgroup.procs"), AccessFlags::W_OK)
            && (base.join("cgroup.kill").exists() || is_root_group(&base)))
        .then_some(Self { base })
    }

    /// Returns the folder of the group below which groups are made.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Makes the group of one run; `name` must be unique on this machine, as a run's mark is.
    ///
    /// # Errors
    /// [`CgroupError::Make`] with what the kernel said.
    pub fn make(&self, name: &str) -> Result<Leaf, CgroupError> {
        let path = self.base.join(format!("headcount-{name}"));
        match DirBuilder::new().mode(0o755).create(&path) {
            Ok(()) => Ok(Leaf { path }),
            Err(source) => Err(CgroupError::Make { path, source }),
        }
    }
}

/// The topmost group has no `cgroup.kill`, but each group below it has.
fn is_root_group(base: &Path) -> bool {
    !base.join("cgroup.type").exists()
}

fn own_group(mounts: &str, groups: &str) -> Option<PathBuf> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        // 35 25 0:30 /root /mount/point options - cgroup2 source options
        let (fields, kind) = line.split_once(" - ")?;
        if kind.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = fields.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let relative = Path::new(own).strip_prefix(root).ok()?;
        Some(if relative.as_os_str().is_empty() {
            PathBuf::from(point)
        } else {
            Path::new(point).join(relative)
        })
    })
}

/// The group of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    path: PathBuf,
}

impl Leaf {
    /// Takes up the group at `path`, which may or may not exist (any more).
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file into which a process writes `0` to join, ready for use after a fork.
    pub(crate) fn door(&self) -> Result<CString, io::Error> {
        let path = self.path.join("cgroup.procs");
        CString::new(path.as_os_str().as_bytes())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    /// Returns the processes in it and in groups below it; zombies are not counted.
    pub fn members(&self) -> Vec<u32> {
        let mut members = Vec::new();
        self.each_folder(&mut |folder| {
            let list = fs::read(folder.join("cgroup.procs")).unwrap_or_default();
            members.extend(
                list.split(|byte| *byte == b'\n')
                    .filter_map(proc::number::<u32>),
            );
        });
        members
    }

    /// Kills every process in it and below it, also what is being forked meanwhile.
    ///
    /// # Errors
    /// [`CgroupError::Kill`] where the kernel cannot do so.
    pub fn kill(&self) -> Result<(), CgroupError> {
        match fs::write(self.path.join("cgroup.kill"), "1") {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(CgroupError::Kill {
                path: self.path.clone(),
                source,
            }),
            _ => Ok(()),
        }
    }

    /// Removes it with the groups below it; that it is gone already is fine.
    ///
    /// Whoever was killed a moment ago may still be on the way out; that is awaited briefly.
    ///
    /// # Errors
    /// [`CgroupError::Remove`], mostly because a process is still in it.
    pub fn remove(&self) -> Result<(), CgroupError> {
        self.try_remove().or_else(|_| {
            self.wait_empty(GOING);
            self.try_remove()
        })
    }

    fn try_remove(&self) -> Result<(), CgroupError> {
        let mut folders = Vec::new();
        self.each_folder(&mut |folder| folders.push(folder.to_path_buf()));
        for path in folders.into_iter().rev() {
            match fs::remove_dir(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(CgroupError::Remove { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits until no living process is in it; `false` when the time is over.
    ///
    /// Blocks, and is woken by the kernel's notice, not by asking again.
    pub fn wait_empty(&self, limit: Duration) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::io::{Read, Seek};
        use std::os::fd::AsFd;

        let Ok(mut events) = fs::File::open(self.path.join("cgroup.events")) else {
            return true;
        };
        let mut rounds = 0;
        loop {
            let mut text = String::new();
            if events
                .rewind()
                .and_then(|()| events.read_to_string(&mut text))
                .is_err()
                || text.lines().any(|line| line == "populated 0")
            {
                return true;
            }
            // Each notice is a change, and there are two kinds of them; a handful is plenty.
            rounds += 1;
            let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
            if rounds > 4 || poll(&mut fds, timeout).is_ok_and(|ready| ready == 0) {
                return false;
            }
        }
    }

    /// Calls `visit` for its folder and each below it, parents first.
    fn each_folder(&self, visit: &mut impl FnMut(&Path)) {
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            visit(&folder);
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            folders.extend(
                entries
                    .flatten()
                    .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                    .map(|entry| entry.path()),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mounts: &str, groups: &str, expected: Option<&str>) {
        assert_eq!(
            own_group(mounts, groups).as_deref(),
            expected.map(Path::new)
        );
    }

    #[test]
    fn our_group_is_found_in_each_kind_of_hierarchy() {
        let pure = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw";
        check(
            pure,
            "0::/user.slice/a.scope\n",
            Some("/sys/fs/cgroup/user.slice/a.scope"),
        );
        check(pure, "0::/\n", Some("/sys/fs/cgroup"));
        let mixed = "30 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                     31 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        check(mixed, "4:cpu:/x\n0::/\n", Some("/sys/fs/cgroup/unified"));
        let container = "29 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        check(container, "0::/docker/x/y\n", Some("/sys/fs/cgroup/y"));
        check(container, "0::/elsewhere\n", None);
        check("", "0::/\n", None);
        check(pure, "4:cpu:/x\n", None);
    }

    #[test]
    fn a_group_is_made_listed_and_removed() {
        let Some(groups) = Cgroups::detect() else {
            println!("skipped: no writable control group");
            return;
        };
        let leaf = groups
            .make(&uuid::Uuid::new_v4().to_string())
            .expect("is made");
        assert_eq!(leaf.members(), Vec::<u32>::new());
        assert!(leaf.wait_empty(Duration::ZERO));
        leaf.kill().expect("nobody to kill is fine");
        leaf.remove().expect("is removed");
        leaf.remove().expect("twice is fine");
    }
}
