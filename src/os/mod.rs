//! What the operating system does for us, and the only place with `unsafe`.
//!
//! - [`shim`]: the small process below which each run lives. It launches, records, relays and
//!   reaps, and it outlives the instance.
//! - [`link`]: the instance's end of the socket to a shim; [`wire`] and [`spec`] are what passes.
//! - [`run_folder`] and [`segments`]: what a run keeps on disk, readable with or without its shim.
//! - [`cgroup`], [`tree`], [`leftovers`], [`orphans`]: finding every process of a run, and ending it.
//! - [`identity`], [`ancestry`], [`usage`], [`machine`], [`oom`]: who a process is, whose it is, what it
//!   consumes, and whether it was killed for that.
//! - [`scarcity`]: whether there is enough of what every start takes.
//! - [`replace`]: files that are written as a whole.
//! - [`folder_lock`], [`detach`]: one instance a state folder, started without a terminal.
//!
//! Nothing here decides anything about employees or tasks, and nothing signals a process by its
//! number alone: a number is reused, a number with a start time is not.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub mod ancestry;
pub mod cgroup;
pub mod detach;
pub mod disk;
pub mod folder_lock;
pub mod handover;
pub mod identity;
pub mod leftovers;
pub mod link;
pub mod machine;
pub mod notify;
pub mod oom;
pub mod orphans;
mod proc;
pub(crate) mod replace;
pub mod run_folder;
pub mod sandbox;
pub mod scarcity;
pub mod segments;
pub mod shim;
pub mod signal;
pub mod spec;
mod text;
pub mod tree;
pub mod usage;
pub mod wire;

/// The hidden subcommand that makes this binary a shim.
pub const SHIM_COMMAND: &str = "__exec";

/// Serves as a shim if the command line asks for one, and returns its exit code.
///
/// Stands first in `main`, before anything starts a thread or opens a file: a shim is
/// single-threaded, so that any code may run between its fork and its exec.
pub fn entry(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != SHIM_COMMAND {
        return None;
    }
    let code = match (arguments.next(), arguments.next()) {
        (Some(folder), None) => shim::serve(Path::new(&folder)),
        _ => 2,
    };
    Some(ExitCode::from(code))
}
