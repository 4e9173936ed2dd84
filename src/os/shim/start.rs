//! How a shim begins: alone in its session, deaf to the terminal, holding its folder.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::Flock;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{dup2_stdout, setsid};

use super::MARK_VARIABLE;
use crate::os::identity::ProcessIdentity;
use crate::os::run_folder::{RunFolder, RunFolderError, ShimRecord};
use crate::os::wire;

/// Why a shim did not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("another shim serves {folder}")]
    Served { folder: String },
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    #[error("cannot listen in the run folder")]
    Listen(#[source] io::Error),
    #[error("cannot {act}")]
    System {
        act: &'static str,
        #[source]
        source: Errno,
    },
}

/// What the loop needs to begin.
pub(super) struct Prepared {
    pub(super) folder: RunFolder,
    pub(super) record: ShimRecord,
    pub(super) listener: UnixListener,
    pub(super) signals: SignalFd,
    /// What the run gets; our own files are for our eyes only.
    pub(super) umask: Mode,
    /// Held as long as the shim lives; nobody needs to read it.
    pub(super) lock: Flock<File>,
}

pub(super) fn prepare(folder: &Path) -> Result<Prepared, StartError> {
    close_inherited();
    // Fails only if we lead a group already, as when started by hand from a shell.
    let _ = setsid();
    let signals = hush()?;
    prctl::set_child_subreaper(true).map_err(|source| StartError::System {
        act: "become a subreaper",
        source,
    })?;
    let umask = umask(Mode::from_bits_truncate(0o077));
    let path = fs::canonicalize(folder).map_err(|source| RunFolderError::Read {
        path: folder.to_path_buf(),
        source,
    })?;
    let folder = RunFolder::open(path)?;
    let lock = take(&folder)?;
    // Keeps no folder from being unmounted.
    std::env::set_current_dir("/").map_err(StartError::Listen)?;

    let mark = std::env::var(MARK_VARIABLE)
        .unwrap_or_else(|_| format!("{}-{}", folder.run(), uuid::Uuid::new_v4().simple()));
    let shim = ProcessIdentity::of(std::process::id()).ok_or(StartError::System {
        act: "read /proc",
        source: Errno::ENOENT,
    })?;
    let record = ShimRecord {
        version: wire::VERSION,
        run: folder.run(),
        shim,
        mark,
        cgroup: None,
        leader: None,
    };
    folder.write_shim(&record)?;
    let listener = listen(&folder).map_err(StartError::Listen)?;
    say_ready().map_err(StartError::Listen)?;
    Ok(Prepared {
        folder,
        record,
        listener,
        signals,
        umask,
        lock,
    })
}

/// A probe of [`RunFolder::is_served`] holds the lock for an instant; that is no other shim.
fn take(folder: &RunFolder) -> Result<Flock<File>, StartError> {
    for _ in 0..20 {
        if let Some(lock) = folder.lock()? {
            return Ok(lock);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(StartError::Served {
        folder: folder.path().display().to_string(),
    })
}

/// Listens at `sock` in the folder, by way of a descriptor: a path may have 107 bytes, no more.
fn listen(folder: &RunFolder) -> io::Result<UnixListener> {
    let socket = folder.path().join("sock");
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let handle = File::open(folder.path())?;
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/sock", handle.as_raw_fd()))?;
    fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Tells who started us that we can be connected to, and lets go of its pipe.
fn say_ready() -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(b"+")?;
    out.flush()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdout(&null)?;
    Ok(())
}

/// Ignores what a terminal or a full pipe would send, and takes the rest as events.
#[expect(unsafe_code, reason = "nix marks every change of a signal's action")]
fn hush() -> Result<SignalFd, StartError> {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTSTP,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
        Signal::SIGPIPE,
    ] {
        // SAFETY: no handler of ours is installed, so none can run at a bad moment.
        unsafe { sigaction(signal, &ignore) }.map_err(|source| StartError::System {
            act: "ignore signals",
            source,
        })?;
    }
    let mask = SigSet::from_iter([Signal::SIGCHLD, Signal::SIGTERM]);
    mask.thread_block()
        .and_then(|()| SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC))
        .map_err(|source| StartError::System {
            act: "receive signals",
            source,
        })
}

/// Closes what came from who started us: a pipe kept open here would never end there.
#[expect(
    unsafe_code,
    reason = "nix has no call to close a range of descriptors"
)]
fn close_inherited() {
    // SAFETY: this is the first thing the process does, so no descriptor above 2 is owned by
    // anything of ours. Where the call does not exist nothing is closed.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0) };
}
