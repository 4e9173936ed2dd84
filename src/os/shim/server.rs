//! The shim's loop: one `poll` over signals, connections and the streams of the run.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;

use super::clock;
use super::peer::{Lost, Peer};
use super::run::Run;
use super::start::Prepared;
use crate::os::segments::Stream;
use crate::os::spec::{EndedBy, LaunchSpec};
use crate::os::wire::{FromShim, Hello, RunState, ToShim, VERSION};

/// A shim that is not told what to run ends.
const SPEC_WITHIN: Duration = Duration::from_secs(10);

/// A connection that does not say who it is is closed.
const GREET_WITHIN: Duration = Duration::from_secs(5);

/// Connections that may wait at once to say who they are.
const MAX_CALLERS: usize = 8;

/// How long a word of growth is enough, when there was little and when there was much: who floods is heard in large pieces.
const GROWTH_EVERY: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(10)];
/// What is much, in bytes.
const MUCH: u64 = 32 << 10;
/// How far ahead of that pace growth may be told: the few messages of an exchange with an agent are told at once.
const GROWTH_AHEAD: Duration = Duration::from_millis(20);

/// A connection that has not greeted yet.
struct Caller {
    peer: Peer,
    until: Instant,
}

pub(super) struct Server {
    prepared: Prepared,
    callers: Vec<Caller>,
    /// The instance.
    peer: Option<Peer>,
    /// The newest that has greeted.
    generation: u64,
    run: Option<Run>,
    /// While there is no run: when to give up.
    spec_until: Instant,
    adopt_within: Duration,
    /// While there is a run and no instance: when it counts as abandoned.
    abandon_at: Option<Instant>,
    /// What the instance was last told of the record.
    told: (u64, u64),
    /// Until when what was told is enough, at the pace that holds.
    told_until: Option<Instant>,
    done: bool,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Signals,
    Listener,
    Callers,
    Peer,
    Output(Stream),
    Input,
}

impl Server {
    pub(super) fn new(prepared: Prepared) -> Self {
        Self {
            prepared,
            callers: Vec::new(),
            peer: None,
            generation: 0,
            run: None,
            spec_until: clock::now() + SPEC_WITHIN,
            adopt_within: Duration::ZERO,
            abandon_at: None,
            told: (0, 0),
            told_until: None,
            done: false,
        }
    }

    /// Serves until the run is over and acknowledged, or there is nobody to acknowledge it.
    pub(super) fn run(mut self) {
        while !self.done {
            let ready = self.wait();
            let now = clock::now();
            for (source, flags) in ready {
                self.handle(source, flags, now);
            }
            self.step(now);
        }
        // A folder without a socket says at once that nobody serves it. The lock says it too.
        let _ = fs::remove_file(self.prepared.folder.path().join("sock"));
        drop(self.prepared.lock);
    }

    /// Waits until something is ready or due, and returns what is ready.
    fn wait(&self) -> Vec<(Source, PollFlags)> {
        let mut sources = vec![Source::Signals, Source::Listener];
        let mut fds = vec![
            PollFd::new(self.prepared.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.prepared.listener.as_fd(), PollFlags::POLLIN),
        ];
        let mut add = |source, fd, flags| {
            sources.push(source);
            fds.push(PollFd::new(fd, flags));
        };
        for caller in &self.callers {
            add(Source::Callers, caller.peer.fd(), PollFlags::POLLIN);
        }
        if let Some(peer) = &self.peer {
            let mut flags = PollFlags::POLLIN;
            flags.set(PollFlags::POLLOUT, peer.has_unsent());
            add(Source::Peer, peer.fd(), flags);
        }
        if let Some(run) = &self.run {
            for (stream, fd) in run.sources() {
                add(Source::Output(stream), fd, PollFlags::POLLIN);
            }
            if let Some(fd) = run.sink() {
                add(Source::Input, fd, PollFlags::POLLOUT);
            }
        }
        let timeout = self.deadline().map_or(PollTimeout::NONE, |at| {
            // Rounded up: a deadline that is not quite reached would have us turn in circles.
            let left = at.saturating_duration_since(clock::now()) + Duration::from_micros(999);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            // Out of memory in the kernel; nothing here can mend that, but it may pass.
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
        let flags = fds
            .iter()
            .map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        sources
            .into_iter()
            .zip(flags)
            .filter(|(_, flags)| !flags.is_empty())
            .collect()
    }

    fn deadline(&self) -> Option<Instant> {
        let callers = self.callers.iter().map(|caller| caller.until).min();
        let growth = match (&self.peer, self.told_until) {
            (Some(peer), Some(until)) if self.has_grown() && !peer.has_unsent() => {
                until.checked_sub(GROWTH_AHEAD)
            }
            _ => None,
        };
        let run = match &self.run {
            Some(run) => run.deadline(),
            None => Some(self.spec_until),
        };
        [callers, growth, run, self.abandon_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle(&mut self, source: Source, flags: PollFlags, now: Instant) {
        match source {
            Source::Signals => self.take_signals(now),
            Source::Listener => self.accept(now),
            Source::Callers => self.hear_callers(now),
            Source::Peer => self.hear_peer(flags, now),
            Source::Output(stream) => {
                if let Some(run) = &mut self.run {
                    run.read(stream, now);
                }
            }
            Source::Input => {
                if let Some(run) = &mut self.run {
                    run.write();
                }
            }
        }
    }

    fn take_signals(&mut self, now: Instant) {
        let mut terminate = false;
        while let Ok(Some(signal)) = self.prepared.signals.read_signal() {
            terminate |= i32::try_from(signal.ssi_signo) == Ok(nix::libc::SIGTERM);
        }
        let Some(run) = &mut self.run else {
            self.done |= terminate;
            return;
        };
        run.reap(now);
        if terminate {
            // The machine goes down, or somebody means it: the run ends with us.
            run.terminate(EndedBy::Terminate, now);
        }
    }

    fn accept(&mut self, now: Instant) {
        loop {
            let stream = match self.prepared.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    // No descriptors are left: the caller waits on, and we must not spin.
                    std::thread::sleep(Duration::from_millis(10));
                    return;
                }
            };
            // The socket is for the user alone, but its folder may have been opened to others.
            let own = geteuid().as_raw();
            let is_ours = getsockopt(&stream, sockopt::PeerCredentials)
                .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0);
            if is_ours
                && self.callers.len() < MAX_CALLERS
                && let Ok(peer) = Peer::new(stream)
            {
                let until = now + GREET_WITHIN;
                self.callers.push(Caller { peer, until });
            }
        }
    }

    fn hear_callers(&mut self, now: Instant) {
        for mut caller in std::mem::take(&mut self.callers) {
            let received = caller.peer.receive();
            match (caller.peer.next(), received) {
                (Ok(Some(ToShim::Hello { generation, .. })), _) => {
                    self.greet(caller.peer, generation, now);
                }
                (Ok(None), Ok(())) => self.callers.push(caller),
                // Gone, or it began with something else.
                _ => {}
            }
        }
    }

    /// Takes an instance in place of the one before, unless it is older.
    fn greet(&mut self, mut peer: Peer, generation: u64, now: Instant) {
        if generation < self.generation {
            // Told or not, the connection is closed.
            let _ = peer.send(&FromShim::Refused {
                generation: self.generation,
            });
            return;
        }
        self.generation = generation;
        self.abandon_at = None;
        let (out, err) = self.totals();
        self.told = (out, err);
        self.told_until = None;
        let hello = Hello {
            asks: true,
            version: VERSION,
            run: self.prepared.record.run,
            mark: self.prepared.record.mark.clone(),
            state: self.run.as_ref().map_or(RunState::Waiting, Run::state),
            accepted: self.run.as_ref().map_or(0, Run::accepted),
            out,
            err,
        };
        self.peer = Some(peer);
        // What was meant for the one before is in the greeting, except for this.
        self.send(&FromShim::Hello(hello), now);
        if let Some(error) = self.run.as_ref().and_then(Run::trouble) {
            self.send(&FromShim::Held { error }, now);
        }
        if let Some(run) = &mut self.run {
            run.greeted(now);
        }
        // Orders that came in one piece with the greeting.
        self.hear_peer(PollFlags::empty(), now);
    }

    fn hear_peer(&mut self, flags: PollFlags, now: Instant) {
        let Some(mut peer) = self.peer.take() else {
            return;
        };
        let mut state = if flags.contains(PollFlags::POLLOUT) {
            peer.flush()
        } else {
            Ok(())
        };
        if flags.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            state = state.and(peer.receive());
        }
        // What came before the end still counts.
        loop {
            match peer.next() {
                Ok(Some(order)) => self.obey(order, now),
                Ok(None) => break,
                Err(lost) => {
                    state = Err(lost);
                    break;
                }
            }
        }
        match state {
            Ok(()) => self.peer = Some(peer),
            Err(Lost) => self.lose_peer(now),
        }
    }

    fn obey(&mut self, order: ToShim, now: Instant) {
        match (order, &mut self.run) {
            (ToShim::Launch(spec), None) => self.launch(&spec),
            (ToShim::Acknowledge, Some(run)) => self.done |= run.is_reported(),
            // Nothing was launched, and nothing is to be.
            (ToShim::Terminate | ToShim::Kill | ToShim::Acknowledge, None) => self.done = true,
            (order, Some(run)) => run.order(order, now),
            (_, None) => {}
        }
    }

    fn launch(&mut self, spec: &LaunchSpec) {
        let Prepared {
            folder,
            record,
            umask,
            ..
        } = &mut self.prepared;
        self.adopt_within = spec.adopt_within;
        self.run = Some(Run::launch(spec, folder, record, *umask));
    }

    fn lose_peer(&mut self, now: Instant) {
        self.peer = None;
        match &self.run {
            // It did not get as far as to say what to run, or the report is for the next one.
            None => self.done = true,
            Some(run) if run.is_over() => self.done = true,
            Some(_) => self.abandon_at = Some(now + self.adopt_within),
        }
    }

    fn send(&mut self, message: &FromShim, now: Instant) {
        if let Some(peer) = &mut self.peer
            && peer.send(message) == Err(Lost)
        {
            self.lose_peer(now);
        }
    }

    fn step(&mut self, now: Instant) {
        self.callers.retain(|caller| now < caller.until);
        let Some(run) = &mut self.run else {
            self.done |= now >= self.spec_until;
            return;
        };
        if self.abandon_at.is_some_and(|at| now >= at) {
            self.abandon_at = None;
            run.abandon(now);
        }
        run.step(now);
        let messages = run.take_outbox();
        let is_over = run.is_over();
        // How far the record is comes before what happened next.
        if !messages.is_empty() {
            self.tell_growth(now);
        }
        for message in &messages {
            self.send(message, now);
        }
        if self
            .told_until
            .is_none_or(|until| now + GROWTH_AHEAD >= until)
        {
            self.tell_growth(now);
        }
        if is_over && self.peer.is_none() {
            self.done = true;
        }
    }

    fn totals(&self) -> (u64, u64) {
        self.run.as_ref().map_or((0, 0), Run::totals)
    }

    fn has_grown(&self) -> bool {
        self.totals() != self.told
    }

    /// Tells how far the record is, unless the instance has not taken what it was told before.
    fn tell_growth(&mut self, now: Instant) {
        if self.has_grown() && self.peer.as_ref().is_some_and(|peer| !peer.has_unsent()) {
            let before = self.told.0 + self.told.1;
            self.told = self.totals();
            let (out, err) = self.told;
            let enough = GROWTH_EVERY[usize::from(out + err - before >= MUCH)];
            let until = self.told_until.map_or(now, |until| until.max(now));
            self.told_until = Some(until + enough);
            self.send(&FromShim::Grew { out, err }, now);
        }
    }
}
