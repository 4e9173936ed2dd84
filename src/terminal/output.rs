//! What the person sees: a thread that writes to the terminal, so that a terminal which takes
//! nothing holds up nobody but itself.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::{mpsc, oneshot};
use tokio_util::bytes::Bytes;
use tokio_util::sync::CancellationToken;

/// How long the last frame may take when the client ends.
const LAST: Duration = Duration::from_millis(500);

/// What the writing thread is given.
#[derive(Debug)]
enum Work {
    Write(Bytes),
    /// Tell when all before is written.
    Tell(oneshot::Sender<()>),
}

/// The way to the writing thread.
#[derive(Debug)]
pub(crate) struct Output {
    // One frame in its hands, one waiting: the host draws no more than the terminal takes.
    work: mpsc::Sender<Work>,
}

/// Room for one frame.
pub(crate) struct Room<'a>(mpsc::Permit<'a, Work>);

impl Room<'_> {
    pub(crate) fn write(self, bytes: Bytes) {
        self.0.send(Work::Write(bytes));
    }
}

impl Output {
    /// Begins to write. `gone` is cancelled when the terminal takes nothing any more for good.
    pub(crate) fn begin(terminal: OwnedFd, gone: CancellationToken) -> io::Result<Self> {
        let (work, mut todo) = mpsc::channel(1);
        // Not joined: a write to a stalled terminal may last for ever, and ends with the process.
        std::thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || {
                while let Some(work) = todo.blocking_recv() {
                    match work {
                        Work::Write(bytes) => {
                            if write(&terminal, &bytes).is_err() {
                                gone.cancel();
                                return;
                            }
                        }
                        // One who no longer waits need not be told.
                        Work::Tell(done) => drop(done.send(())),
                    }
                }
            })?;
        Ok(Self { work })
    }

    /// Waits for room; `None` when the terminal is gone. May be cancelled.
    pub(crate) async fn room(&self) -> Option<Room<'_>> {
        self.work.reserve().await.ok().map(Room)
    }

    /// Waits until everything is written, for as long as is reasonable.
    pub(crate) async fn settle(&self) {
        let written = async {
            let (done, written) = oneshot::channel();
            if self.work.send(Work::Tell(done)).await.is_ok() {
                // The thread has ended: nothing is written any more.
                drop(written.await);
            }
        };
        // A terminal that takes nothing is left as it is.
        drop(tokio::time::timeout(LAST, written).await);
    }
}

fn write(terminal: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match nix::unistd::write(terminal, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            // Somebody who shares the terminal made it non-blocking.
            Err(Errno::EAGAIN) => {
                let mut ready = [PollFd::new(
                    std::os::fd::AsFd::as_fd(terminal),
                    PollFlags::POLLOUT,
                )];
                match poll(&mut ready, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
