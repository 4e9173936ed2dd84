//! The modes of the person's terminal: put on, and always taken off again.
//!
//! Taken off by [`Modes`] when it is dropped, and by a panic hook before the panic's message is
//! written. After a SIGKILL nobody can: the next client begins by taking them off. Nothing here
//! waits for a terminal that does not read.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, Once, PoisonError, TryLockError};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// What an earlier client may have left on. Of the alternate screen only its older name is used:
/// the newer one would move the cursor of a terminal that is not in it.
const RESET: &str = "\x1b\\\x1b[?2026l\x1b[0m\x1b[?1006l\x1b[?1003l\x1b[?1002l\x1b[?1000l\
                     \x1b[?2004l\x1b[?1004l\x1b[?1047l";
/// Title kept, alternate screen, keyboard flags (its own stack; what a killed client pushed there
/// goes first), mouse, paste, focus, no cursor, an empty screen.
const ENTER: &str = "\x1b[22;2t\x1b[?1049h\x1b[<9u\x1b[>1u\x1b[?1000h\x1b[?1002h\x1b[?1006h\
                     \x1b[?2004h\x1b[?1004h\x1b[?25l\x1b[2J\x1b[H";
/// The reverse, in the reverse order; the first bytes end whatever sequence was cut.
const LEAVE: &str = "\x1b\\\x1b[?2026l\x1b[0m\x1b[<1u\x1b[?1006l\x1b[?1002l\x1b[?1000l\
                     \x1b[?2004l\x1b[?1004l\x1b[?1049l\x1b[23;2t\x1b[?25h";
/// How long a terminal may take to accept the bytes that restore it, in milliseconds.
const PATIENCE: u16 = 500;

/// What is needed to restore the terminal; `None` when its modes are off.
static SAVED: Mutex<Option<Saved>> = Mutex::new(None);

struct Saved {
    terminal: OwnedFd,
    cooked: Termios,
}

/// Keeps the modes on for as long as it lives.
#[derive(Debug)]
pub struct Modes {
    terminal: OwnedFd,
}

impl Modes {
    /// Puts the modes of `terminal` on.
    ///
    /// # Errors
    /// If its settings cannot be read or changed.
    pub fn enter(terminal: BorrowedFd<'_>) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        let modes = Self {
            terminal: terminal.try_clone_to_owned()?,
        };
        modes.on()?;
        Ok(modes)
    }

    /// Takes the modes off for a while, for an editor or a suspension.
    pub fn off(&self) {
        restore();
    }

    /// Puts them on: at first, after [`Modes::off`], or again after somebody else changed them.
    ///
    /// # Errors
    /// If the terminal's settings cannot be read or changed.
    pub fn on(&self) -> io::Result<()> {
        let mut saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner);
        let cooked = match saved.take() {
            Some(before) => before.cooked,
            None => tcgetattr(&self.terminal)?,
        };
        let mut raw = cooked.clone();
        cfmakeraw(&mut raw);
        // Saved before anything is changed: from here on a panic restores.
        *saved = Some(Saved {
            terminal: self.terminal.try_clone()?,
            cooked,
        });
        drop(saved);
        tcsetattr(&self.terminal, SetArg::TCSANOW, &raw)?;
        write(self.terminal.as_fd(), RESET);
        write(self.terminal.as_fd(), ENTER);
        Ok(())
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        restore();
    }
}

/// Takes the modes off if they are on. Every way out comes here, some of them twice.
fn restore() {
    let saved = match SAVED.try_lock() {
        Ok(mut saved) => saved.take(),
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
        // Another thread is at it.
        Err(TryLockError::WouldBlock) => None,
    };
    if let Some(saved) = saved {
        write(saved.terminal.as_fd(), LEAVE);
        // The terminal may be gone, and then there is nothing to restore.
        let _ = tcsetattr(&saved.terminal, SetArg::TCSANOW, &saved.cooked);
    }
}

/// Writes as much as the terminal takes; one that is gone or takes nothing is left alone.
fn write(terminal: BorrowedFd<'_>, text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let mut ready = [PollFd::new(terminal, PollFlags::POLLOUT)];
        match poll(&mut ready, PATIENCE) {
            Err(nix::errno::Errno::EINTR) => continue,
            Ok(1..) => {}
            _ => return,
        }
        match nix::unistd::write(terminal, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::termios::LocalFlags;

    use super::*;

    /// So many bytes: what was written at once may come in pieces.
    fn read(master: &OwnedFd, length: usize) -> String {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let mut buffer = vec![0; length - bytes.len()];
            let read = nix::unistd::read(master, &mut buffer).unwrap();
            bytes.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn is_raw(terminal: &OwnedFd) -> bool {
        !tcgetattr(terminal)
            .unwrap()
            .local_flags
            .contains(LocalFlags::ICANON)
    }

    // One test: the saved settings are the process's.
    #[test]
    fn e1_drop_and_panic_take_the_modes_off() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let entered = RESET.len() + ENTER.len();
        let modes = Modes::enter(pty.slave.as_fd()).unwrap();
        assert!(is_raw(&pty.slave));
        assert_eq!(read(&pty.master, entered), format!("{RESET}{ENTER}"));
        drop(modes);
        assert!(!is_raw(&pty.slave));
        assert_eq!(read(&pty.master, LEAVE.len()), LEAVE);

        let modes = Modes::enter(pty.slave.as_fd()).unwrap();
        read(&pty.master, entered);
        let thread = std::thread::spawn(|| panic!("on purpose"));
        assert!(thread.join().is_err());
        assert!(
            !is_raw(&pty.slave),
            "the hook came before the end of the guard"
        );
        assert_eq!(read(&pty.master, LEAVE.len()), LEAVE);
        drop(modes);

        let modes = Modes::enter(pty.slave.as_fd()).unwrap();
        read(&pty.master, entered);
        modes.off();
        assert_eq!(read(&pty.master, LEAVE.len()), LEAVE);
        modes.on().unwrap();
        assert!(is_raw(&pty.slave));
        drop(modes);
        assert!(!is_raw(&pty.slave));
    }

    #[test]
    fn what_is_put_on_is_taken_off() {
        for mode in ["1000", "1002", "1006", "2004", "1004", "1049"] {
            assert!(ENTER.contains(&format!("\x1b[?{mode}h")), "{mode}");
            assert!(LEAVE.contains(&format!("\x1b[?{mode}l")), "{mode}");
        }
        assert!(ENTER.contains("\x1b[>1u") && LEAVE.contains("\x1b[<1u"));
        assert!(ENTER.contains("\x1b[?25l") && LEAVE.ends_with("\x1b[?25h"));
        assert!(!format!("{RESET}{ENTER}{LEAVE}").contains("\x1b[c"));
    }
}
