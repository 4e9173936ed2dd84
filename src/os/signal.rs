//! Sends a signal to one certain process, never to whoever has its number by now.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::proc;

/// Returns the kernel's type for a process number of ours.
pub(crate) fn raw(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

/// Signals the process with this number and start time; `false` if there is none.
///
/// The handle is taken before the start time is compared: if the number passed on in between, the
/// handle is that of the older process, and the signal goes nowhere.
pub(crate) fn send(pid: u32, start_time: u64, signal: Signal) -> Result<bool, Errno> {
    let handle = match open(pid) {
        Ok(handle) => Some(handle),
        Err(Errno::ESRCH | Errno::EINVAL) => return Ok(false),
        // Old kernels and some containers have no handles; the comparison must do there.
        Err(Errno::ENOSYS | Errno::EPERM) => None,
        Err(error) => return Err(error),
    };
    if proc::with_stat(pid, |stat| stat.start_time) != Some(start_time) {
        return Ok(false);
    }
    let sent = match handle {
        Some(handle) => send_by(handle.as_raw_fd(), signal),
        None => signal::kill(raw(pid), signal),
    };
    match sent {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(error) => Err(error),
    }
}

#[expect(unsafe_code, reason = "nix has no call for process handles")]
fn open(pid: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, raw(pid).as_raw(), 0) };
    let fd = RawFd::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just given us this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[expect(unsafe_code, reason = "nix has no call for process handles")]
fn send_by(handle: RawFd, signal: Signal) -> Result<(), Errno> {
    let info = ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed, and means the one that kill(2) would fill in.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, handle, signal as i32, info, 0) };
    Errno::result(result).map(drop)
}
