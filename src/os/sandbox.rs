//! Holds a process in by the kernel's Landlock: it and all that descend from it write below certain
//! places alone, and where that is asked for also read and connect to certain ones alone.
//!
//! Landlock takes away and never gives: what file permissions refuse stays refused. It does not cover
//! sockets by path, nor UDP. See landlock(7).

use std::error::Error;
use std::ffi::OsString;
use std::io;

use landlock::{
    ABI, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus,
};
use nix::errno::Errno;
use nix::libc;
use serde::{Deserialize, Serialize};

use super::text;

/// The newest version of Landlock that is asked for.
const NEWEST: ABI = ABI::V6;
/// From this version on, cutting a file short is a way of writing to it.
const TRUNCATE: u32 = 3;
/// From this version on, TCP is covered.
const TCP: u32 = 4;

/// What a run may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Walls {
    /// Files, and folders with all below them, that may be written and read.
    #[serde(with = "text::list", default)]
    pub write: Vec<OsString>,
    /// Those that may be read and executed; everything where absent.
    #[serde(default)]
    pub read: Option<Readable>,
    /// TCP ports that may be connected to; all of them where absent.
    #[serde(default)]
    pub ports: Option<Vec<u16>>,
    /// Whether the run starts although the kernel cannot hold all of it.
    #[serde(default)]
    pub best_effort: bool,
}

/// Places that may be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readable(#[serde(with = "text::list")] pub Vec<OsString>);

/// The version of Landlock that this kernel has; 0 for none.
#[must_use]
#[expect(
    unsafe_code,
    reason = "no crate asks for the version without making a ruleset"
)]
pub fn version() -> u32 {
    const ASK_VERSION: u32 = 1;
    // SAFETY: with this flag the call takes no memory of ours and makes nothing.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            ASK_VERSION,
        )
    };
    u32::try_from(version).unwrap_or(0)
}

/// What a kernel with this version of Landlock would not hold, in words for a person; empty if it
/// holds all.
#[must_use]
pub fn gaps(walls: &Walls, version: u32) -> Vec<&'static str> {
    let mut gaps = Vec::new();
    if version == 0 {
        gaps.push("anything: the kernel has no Landlock, or it is switched off");
        return gaps;
    }
    if version < TRUNCATE {
        gaps.push("cutting a file short");
    }
    if walls.ports.is_some() && version < TCP {
        gaps.push("connecting to TCP ports");
    }
    gaps
}

/// Holds this process in, for good. To be called between fork and exec.
pub(super) fn enter(walls: &Walls) -> Result<(), Errno> {
    try_enter(walls).map_err(|error| errno_of(error.as_ref()))
}

fn try_enter(walls: &Walls) -> Result<(), Box<dyn Error>> {
    let (read, write) = (AccessFs::from_read(NEWEST), AccessFs::from_write(NEWEST));
    let handled = match walls.read {
        Some(_) => read | write,
        None => write,
    };
    let ruleset = landlock::Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)?;
    let ruleset = match walls.ports {
        Some(_) => ruleset.handle_access(AccessNet::ConnectTcp)?,
        None => ruleset,
    };
    let mut ruleset = ruleset.create()?;
    for path in &walls.write {
        // What is not there cannot be granted, and need not be.
        if let Ok(place) = PathFd::new(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(place, handled))?;
        }
    }
    for path in walls.read.iter().flat_map(|readable| &readable.0) {
        if let Ok(place) = PathFd::new(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(place, read))?;
        }
    }
    for port in walls.ports.iter().flatten() {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    let status = ruleset.restrict_self()?;
    if !walls.best_effort && status.ruleset == RulesetStatus::NotEnforced {
        return Err(Box::new(io::Error::from_raw_os_error(libc::ENOSYS)));
    }
    Ok(())
}

/// The system's number for what went wrong, somewhere down the causes.
fn errno_of(error: &(dyn Error + 'static)) -> Errno {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let number = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error);
        if let Some(number) = number {
            return Errno::from_raw(number);
        }
        cause = error.source();
    }
    Errno::EINVAL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_kernel_holds_less_and_says_what() {
        let strict = Walls {
            ports: Some(vec![443]),
            ..Walls::default()
        };
        let workspace = Walls::default();
        assert_eq!(gaps(&workspace, 0).len(), 1);
        assert_eq!(gaps(&workspace, 1), ["cutting a file short"]);
        assert_eq!(gaps(&workspace, TRUNCATE), [] as [&str; 0]);
        assert_eq!(gaps(&strict, TRUNCATE), ["connecting to TCP ports"]);
        assert_eq!(gaps(&strict, TCP), [] as [&str; 0]);
    }

    #[test]
    fn the_number_of_a_mistake_is_found_below_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        let inner = io::Error::from_raw_os_error(libc::EMFILE);
        assert_eq!(errno_of(&Outer(inner)), Errno::EMFILE);
        assert_eq!(errno_of(&Outer(io::Error::other("words"))), Errno::EINVAL);
    }
}
