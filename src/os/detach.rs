//! Starts the instance so that nothing of the terminal reaches it, and learns whether it is up.

use std::fs::OpenOptions;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::setsid;

/// Names the descriptor of the ready pipe to the started process.
pub(super) const READY_VARIABLE: &str = "HEADCOUNT_READY_FD";

/// The descriptor itself: the lowest that is not a standard stream.
const READY_FD: RawFd = 3;

/// An answer longer than this is none.
const MAX_ANSWER: usize = 64 << 10;

/// Why the instance is not up.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    /// Its log could not be opened.
    #[error("cannot open the log {}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It could not be started.
    #[error("cannot start the instance")]
    Start(#[source] io::Error),
    /// It ended before it said anything; its log may tell.
    #[error("the instance ended before it was ready")]
    Ended,
    /// It said nothing in time, and goes on starting.
    #[error("the instance was not ready within {} s", limit.as_secs())]
    Late {
        /// How long we waited.
        limit: Duration,
    },
}

/// Starts `command` in a session of its own: input null, output into `log`, folder `/`.
///
/// # Errors
/// [`DetachError::Log`] and [`DetachError::Start`].
#[expect(unsafe_code, reason = "the new session is made between fork and exec")]
pub fn spawn(command: &mut Command, log: &Path) -> Result<Starting, DetachError> {
    let fail = |source| DetachError::Log {
        path: log.to_path_buf(),
        source,
    };
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(log)
        .map_err(fail)?;
    let errors = file.try_clone().map_err(fail)?;
    let (ready, theirs) = io::pipe().map_err(DetachError::Start)?;
    let raw = theirs.as_raw_fd();
    command
        .env(READY_VARIABLE, READY_FD.to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors);
    // SAFETY: setsid, fcntl and dup2 are async-signal-safe, and nothing here allocates. Whatever
    // has the number of the ready pipe in the child is closed by the exec anyway.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            let result = if raw == READY_FD {
                libc::fcntl(raw, libc::F_SETFD, 0)
            } else {
                libc::dup2(raw, READY_FD)
            };
            Errno::result(result)?;
            Ok(())
        });
    }
    let child = command.spawn().map_err(DetachError::Start)?;
    drop(theirs);
    Ok(Starting { child, ready })
}

/// An instance that is on its way. Dropped, it goes on by itself.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    ready: PipeReader,
}

impl Starting {
    /// Returns its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the one line that it says when it is up, or when it cannot be. Blocks.
    ///
    /// # Errors
    /// [`DetachError::Ended`] and [`DetachError::Late`].
    pub fn wait(mut self, limit: Duration) -> Result<String, DetachError> {
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        // Each piece has the whole time: the line comes in one, and what sends more is alive.
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        while !answer.contains(&b'\n') && answer.len() < MAX_ANSWER {
            let mut fds = [PollFd::new(self.ready.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) => return Err(DetachError::Late { limit }),
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(DetachError::Start(error.into())),
            }
            match self.ready.read(&mut buffer).map_err(DetachError::Start)? {
                0 => {
                    // If it has ended it is reaped here; if not, it has only closed its pipe.
                    let _ = self.child.try_wait();
                    return Err(DetachError::Ended);
                }
                read => answer.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            }
        }
        let end = memchr::memchr(b'\n', &answer).unwrap_or(answer.len());
        answer.truncate(end);
        String::from_utf8(answer).map_err(|_| DetachError::Ended)
    }
}

/// The instance's end of the ready pipe.
#[derive(Debug)]
pub struct Ready {
    pipe: io::PipeWriter,
}

impl Ready {
    /// Takes the pipe that [`spawn`] left us; `None` if we were started otherwise.
    ///
    /// To be called once, first thing in `main`: later the number may belong to another file.
    #[expect(
        unsafe_code,
        reason = "a descriptor that came with the process has no other owner"
    )]
    pub fn inherited() -> Option<Self> {
        let fd: RawFd = std::env::var(READY_VARIABLE).ok()?.parse().ok()?;
        if fd != READY_FD {
            return None;
        }
        // SAFETY: the call only asks; nothing is owned by it.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            return None;
        }
        // SAFETY: the descriptor is open, and came with the process for us to own.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // A child of ours that keeps it open would leave the waiting side in the dark.
        fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
        Some(Self { pipe: fd.into() })
    }

    /// Says the one line, and closes the pipe.
    ///
    /// # Errors
    /// That nobody listens any more, which is no reason not to go on.
    pub fn say(mut self, line: &str) -> io::Result<()> {
        self.pipe.write_all(format!("{line}\n").as_bytes())
    }
}

/// Raises the limit of open files as far as it goes, and returns the old one for our children.
///
/// # Errors
/// What the kernel said.
pub fn raise_file_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(soft)
}

/// Puts the limit of open files back to what it was, for a program that takes our place.
///
/// # Errors
/// What the kernel said.
pub fn restore_file_limit(soft: u64) -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> (tempfile::TempDir, Starting) {
        let temp = tempfile::tempdir().expect("temp folder");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let starting = spawn(&mut command, &temp.path().join("log")).expect("starts");
        (temp, starting)
    }

    #[test]
    fn the_started_process_is_alone_and_says_when_it_is_up() {
        let script = r#"read -r pid x x x x session x < /proc/self/stat
            echo logged; pwd >&$HEADCOUNT_READY_FD"#;
        let (temp, starting) = start(script);
        let pid = starting.pid();
        assert_eq!(
            starting.wait(Duration::from_secs(10)).expect("answers"),
            "/"
        );
        let log = std::fs::read_to_string(temp.path().join("log")).expect("is there");
        assert_eq!(log, "logged\n");
        // It has ended or is ending; its session is what it is until it is reaped.
        let session = nix::unistd::getsid(Some(crate::os::signal::raw(pid)));
        assert!(session.is_err() || session == Ok(crate::os::signal::raw(pid)));
    }

    #[test]
    fn an_end_without_a_word_is_told_from_a_late_start() {
        let (_temp, starting) = start("exit 1");
        let ended = starting.wait(Duration::from_secs(10));
        assert!(matches!(ended, Err(DetachError::Ended)), "{ended:?}");
        let (temp, starting) = start("exec sleep 0.3");
        let late = starting.wait(Duration::from_millis(20));
        assert!(matches!(late, Err(DetachError::Late { .. })), "{late:?}");
        drop(temp);
    }

    #[test]
    fn the_limit_of_open_files_is_raised_once() {
        let old = raise_file_limit().expect("is allowed");
        assert!(raise_file_limit().expect("is allowed") >= old);
    }

    #[test]
    fn a_process_that_was_not_detached_has_no_ready_pipe() {
        assert!(Ready::inherited().is_none());
    }
}
