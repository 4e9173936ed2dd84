//! What one instance leaves to the program that takes its place in the same process: the lock of its
//! folder and its sockets, open all the while, so that nobody finds them free or closed.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};

use super::detach::READY_VARIABLE;

/// Names the descriptors to the program: lock, socket of the terminals, socket of the programs.
const VARIABLE: &str = "HEADCOUNT_HANDED_OVER";

/// The descriptors.
#[derive(Debug)]
pub struct Handover {
    /// The folder, locked.
    pub lock: OwnedFd,
    /// Where terminals connect; who does meanwhile waits.
    pub attach: OwnedFd,
    /// Where programs connect.
    pub api: OwnedFd,
}

impl Handover {
    /// Takes what the program before us in this process left; `None` if there was none.
    ///
    /// To be called once, first thing in `main`: later the numbers may belong to other files.
    #[expect(
        unsafe_code,
        reason = "descriptors that came with the process have no other owner"
    )]
    pub fn inherited() -> Option<Self> {
        let text = std::env::var(VARIABLE).ok()?;
        let numbers: Vec<RawFd> = text
            .split(',')
            .map(|number| number.parse().ok().filter(|fd| *fd > 2))
            .collect::<Option<_>>()?;
        let &[lock, attach, api] = numbers.as_slice() else {
            return None;
        };
        if lock == attach || lock == api || attach == api {
            return None;
        }
        for fd in numbers {
            // SAFETY: the call only asks; nothing is owned by it.
            if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
                return None;
            }
        }
        let take = |fd| {
            // SAFETY: the descriptor is open, named once, and came with the process for us to own.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            // Children of ours must not keep them.
            fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
            Some(fd)
        };
        Some(Self {
            lock: take(lock)?,
            attach: take(attach)?,
            api: take(api)?,
        })
    }

    /// Becomes `command`, in this very process. Returns only if that cannot be.
    #[expect(unsafe_code, reason = "the disposition of a signal is put back")]
    pub fn exec(self, command: &mut Command) -> io::Error {
        let numbers = [&self.lock, &self.attach, &self.api].map(|fd| {
            // The one flag there is.
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map(|_| fd.as_raw_fd().to_string())
        });
        let error = match numbers.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(numbers) => command
                .env(VARIABLE, numbers.join(","))
                // That pipe was answered long ago.
                .env_remove(READY_VARIABLE)
                .exec(),
            Err(error) => error.into(),
        };
        // The library gave SIGPIPE its default back for the program to come: whoever writes to a pipe that
        // nobody reads would end us from now on.
        // SAFETY: to ignore a signal runs no code of ours.
        if let Err(errno) = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) } {
            tracing::error!(%errno, "a broken pipe may end this instance");
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_took_nothing_over_has_nothing() {
        assert!(Handover::inherited().is_none());
    }

    #[test]
    fn a_program_that_is_not_there_leaves_everything_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || OwnedFd::from(std::fs::File::open(folder.path()).expect("opens"));
        let handover = Handover {
            lock: open(),
            attach: open(),
            api: open(),
        };
        let error = handover.exec(&mut Command::new("/nonexistent/headcount"));
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        // Ignored, as the library has it from the start: this is told, and ends nobody.
        let (reader, mut writer) = io::pipe().expect("a pipe");
        drop(reader);
        let broken = io::Write::write_all(&mut writer, b"x").expect_err("nobody reads");
        assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
    }
}
