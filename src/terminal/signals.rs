//! The signals that a client heeds, and stopping as a shell expects it.

use std::io;

use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::{Pid, getpgid, getpgrp, getpid, getppid, getsid};
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
    resize: Arrivals,
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
            resize: listen(Signal::SIGWINCH)?,
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
            _ = self.resize.recv() => Signal::SIGWINCH,
        }
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

/// Stops this process, and where it is not alone in its shell's job, the others of the job. Returns
/// when it is continued, and then whether [`Signals`] will tell of a stop that was this one.
pub(crate) fn stop() -> io::Result<bool> {
    // A shell looks at the leader of the job.
    let leads = getpgrp() == getpid();
    if !leads {
        kill(Pid::from_raw(0), Signal::SIGTSTP)?;
    }
    // We have a receiver for the other one and would not stop by it; for this nobody can have one.
    raise(Signal::SIGSTOP)?;
    Ok(!leads)
}
