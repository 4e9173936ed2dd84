//! The signals that a client heeds, and stopping as a shell expects it.

use std::io;

use futures::FutureExt;
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::{Pid, getpgid, getpgrp, getppid, getsid};
use tokio::signal::unix::{Signal as Arrivals, SignalKind, signal};

/// The signals that concern a client.
#[derive(Debug)]
pub(crate) struct Signals {
    hangup: Arrivals,
    interrupt: Arrivals,
    quit: Arrivals,
    terminate: Arrivals,
    stop: Arrivals,
    resume: Arrivals,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        let listen = |kind: Signal| signal(SignalKind::from_raw(kind as i32));
        Ok(Self {
            hangup: listen(Signal::SIGHUP)?,
            interrupt: listen(Signal::SIGINT)?,
            quit: listen(Signal::SIGQUIT)?,
            terminate: listen(Signal::SIGTERM)?,
            stop: listen(Signal::SIGTSTP)?,
            resume: listen(Signal::SIGCONT)?,
        })
    }

    /// The next one. May be cancelled.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::SIGHUP,
            _ = self.interrupt.recv() => Signal::SIGINT,
            _ = self.quit.recv() => Signal::SIGQUIT,
            _ = self.terminate.recv() => Signal::SIGTERM,
            _ = self.stop.recv() => Signal::SIGTSTP,
            _ = self.resume.recv() => Signal::SIGCONT,
        }
    }

    /// Forgets stops that have arrived.
    pub(crate) fn forget_stops(&mut self) {
        while self.stop.recv().now_or_never().is_some() {}
    }

    /// The next one that ends a client, while an editor has the terminal: what is typed there, and
    /// the editor's own stops, are not for us.
    pub(crate) async fn end(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::SIGHUP,
            _ = self.terminate.recv() => Signal::SIGTERM,
        }
    }
}

/// Whether a shell is there that would continue us: our parent is of our session and not of our
/// group. Otherwise a stop would be for ever.
pub(crate) fn can_stop() -> bool {
    let parent = getppid();
    let session = getsid(None);
    session.is_ok()
        && getsid(Some(parent)) == session
        && getpgid(Some(parent)).is_ok_and(|group| group != getpgrp())
}

/// Stops this process, with the others of its group; returns when it is continued.
pub(crate) fn stop() -> io::Result<()> {
    // The others stop by the signal that a shell's job expects. We have a receiver for it and would
    // not, so we stop by the one that nobody can receive.
    kill(Pid::from_raw(0), Signal::SIGTSTP)?;
    Ok(raise(Signal::SIGSTOP)?)
}
