//! What the person types: from the terminal, through the [`Filter`], to the decoder of keys.
//!
//! The decoder reads standard input and cannot be given bytes, so it gets a pseudo-terminal of our
//! own there, and a thread copies. That thread can also be told to leave the terminal alone while an
//! editor has it, so that the editor loses no key to us.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use tokio_util::sync::CancellationToken;

use crate::terminal::filter::Filter;

/// The pseudo-terminal that the decoder reads. One for the life of the process: the decoder keeps
/// what it opened first.
static DECODER: OnceLock<Pair> = OnceLock::new();

#[derive(Debug)]
struct Pair {
    writing: OwnedFd,
    reading: OwnedFd,
}

fn decoder() -> io::Result<&'static Pair> {
    if let Some(pair) = DECODER.get() {
        return Ok(pair);
    }
    let pty = nix::pty::openpty(None, None)?;
    for end in [&pty.master, &pty.slave] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let mut raw = tcgetattr(&pty.slave)?;
    cfmakeraw(&mut raw);
    tcsetattr(&pty.slave, SetArg::TCSANOW, &raw)?;
    Ok(DECODER.get_or_init(|| Pair {
        writing: pty.master,
        reading: pty.slave,
    }))
}

/// Copies from the terminal to the decoder for as long as it lives.
#[derive(Debug)]
pub(crate) struct Input {
    /// The terminal itself; standard input is the decoder's meanwhile.
    terminal: OwnedFd,
    orders: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

const PAUSE: u8 = b'p';
const RESUME: u8 = b'r';

impl Input {
    /// Takes standard input over. `gone` is cancelled when the terminal hangs up.
    pub(crate) fn begin(gone: CancellationToken) -> io::Result<Self> {
        let pair = decoder()?;
        let terminal = io::stdin().as_fd().try_clone_to_owned()?;
        let copy = terminal.try_clone()?;
        let (told, orders) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let thread = std::thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || {
                let ways = Ways {
                    terminal: copy.as_fd(),
                    told: told.as_fd(),
                    decoder: pair.writing.as_fd(),
                };
                // Whatever ended it, nothing can be typed any more.
                drop(ways.copy());
                gone.cancel();
            })?;
        let input = Self {
            terminal,
            orders: Some(orders),
            thread: Some(thread),
        };
        nix::unistd::dup2_stdin(&pair.reading)?;
        Ok(input)
    }

    /// The terminal, for programs that need it.
    pub(crate) fn terminal(&self) -> BorrowedFd<'_> {
        self.terminal.as_fd()
    }

    /// Leaves what is typed to somebody else.
    pub(crate) fn pause(&self) {
        self.tell(PAUSE);
    }

    /// Goes on.
    pub(crate) fn resume(&self) {
        self.tell(RESUME);
    }

    fn tell(&self, order: u8) {
        if let Some(orders) = &self.orders {
            // A thread that has ended has told so by itself.
            let _ = nix::unistd::write(orders, &[order]);
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // Its end of the pipe hangs up, and it ends.
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic in a way that matters here.
            drop(thread.join());
        }
        // If this fails there is no standard input to give back.
        let _ = nix::unistd::dup2_stdin(&self.terminal);
    }
}

/// What the thread reads and writes.
struct Ways<'a> {
    terminal: BorrowedFd<'a>,
    told: BorrowedFd<'a>,
    decoder: BorrowedFd<'a>,
}

/// What there is to do.
struct Ready {
    /// An order, or the end of them.
    told: bool,
    other: bool,
}

impl Ways<'_> {
    /// Copies until the terminal hangs up or nobody gives orders any more.
    fn copy(&self) -> io::Result<()> {
        let mut filter = Filter::default();
        let mut paused = false;
        let mut buffer = [0; 4096];
        let mut keys = Vec::new();
        loop {
            let patience = filter
                .patience()
                .and_then(|patience| PollTimeout::try_from(patience).ok())
                .unwrap_or(PollTimeout::NONE);
            let terminal = (!paused).then_some((self.terminal, PollFlags::POLLIN));
            let Some(ready) = self.wait(terminal, patience)? else {
                filter.settle(&mut keys);
                self.pass(&mut keys)?;
                continue;
            };
            if ready.told {
                match nix::unistd::read(self.told, &mut buffer)? {
                    0 => return Ok(()),
                    read => paused = buffer.get(read - 1) == Some(&PAUSE),
                }
            } else if ready.other {
                match nix::unistd::read(self.terminal, &mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(read) => filter.feed(buffer.get(..read).unwrap_or_default(), &mut keys),
                    Err(Errno::EINTR | Errno::EAGAIN) => {}
                    Err(error) => return Err(error.into()),
                }
                self.pass(&mut keys)?;
            }
        }
    }

    /// Writes to the decoder, and gives up when nobody gives orders any more: the decoder may have
    /// stopped reading.
    fn pass(&self, keys: &mut Vec<u8>) -> io::Result<()> {
        let mut rest = keys.as_slice();
        while !rest.is_empty() {
            match nix::unistd::write(self.decoder, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    let decoder = Some((self.decoder, PollFlags::POLLOUT));
                    let ready = self.wait(decoder, PollTimeout::NONE)?;
                    if ready.is_some_and(|ready| ready.told && !ready.other) {
                        return Err(Errno::EPIPE.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        keys.clear();
        Ok(())
    }

    /// Waits for an order or for the other thing; `None` when the time is over.
    fn wait(
        &self,
        other: Option<(BorrowedFd<'_>, PollFlags)>,
        timeout: PollTimeout,
    ) -> io::Result<Option<Ready>> {
        let mut waiting = vec![PollFd::new(self.told, PollFlags::POLLIN)];
        waiting.extend(other.map(|(descriptor, flags)| PollFd::new(descriptor, flags)));
        match poll(&mut waiting, timeout) {
            Ok(0) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| {
            waiting
                .get(at)
                .is_some_and(|descriptor| descriptor.any().unwrap_or(true))
        };
        Ok(Some(Ready {
            told: is_ready(0),
            other: is_ready(1),
        }))
    }
}
