//! The life of what was launched: it runs, it is asked to end, it is swept, it is reported.
//!
//! A stage holds its deadline; `deadline` names the earliest and `step` acts on what is due. What
//! the instance should know goes into `outbox`, whether one is connected or not.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::Mode;
use nix::sys::time::TimeValLike;
use nix::unistd;

use super::feed::Feed;
use super::record::Recorder;
use super::sweep::Sweep;
use super::{MARK_VARIABLE, RUN_VARIABLE, clock, launch};
use crate::os::identity::ProcessIdentity;
use crate::os::run_folder::{RunFolder, ShimRecord};
use crate::os::segments::Stream;
use crate::os::signal::raw;
use crate::os::spec::{EndedBy, ExitReport, LaunchFailure, LaunchSpec, LaunchStage, Outcome};
use crate::os::wire::{FromShim, RunState, ToShim};

/// Read from the child at once.
const BUFFER: usize = 256 << 10;

/// How long what the leader left has to end unasked: the rest of a pipeline often does.
const SETTLE: Duration = Duration::from_millis(100);

/// From the interrupt of an abandoned run to the request to end.
const INTERRUPT_GRACE: Duration = Duration::from_secs(2);

/// How long output is awaited that somebody outside the tree may still write.
const DRAIN: Duration = Duration::from_millis(500);

/// How often a report that the disk does not take is written again.
const RETRY: Duration = Duration::from_millis(200);

#[derive(Debug)]
enum Stage {
    Running,
    /// Abandoned, and interrupted.
    Interrupted {
        until: Instant,
    },
    /// Asked to end.
    Terminating {
        until: Instant,
    },
    /// The leader ended by itself; what it left may end unasked.
    Settling {
        until: Instant,
    },
    /// What the leader left was asked to end.
    Sweeping {
        until: Instant,
    },
    /// Whoever is left is being killed.
    Killing {
        next: Instant,
    },
    /// The tree is empty; the last output comes in.
    Draining {
        until: Instant,
    },
    /// All is known; the report is being written.
    Reporting {
        next: Instant,
    },
    Over(Box<ExitReport>),
}

/// One recorded stream and where it comes from.
#[derive(Debug)]
struct Tap {
    source: Option<OwnedFd>,
    record: Recorder,
}

#[derive(Debug)]
pub(super) struct Run {
    folder: RunFolder,
    leader: Option<ProcessIdentity>,
    /// Set when the leader was reaped: from then on its number may belong to another.
    outcome: Option<Outcome>,
    by: EndedBy,
    stage: Stage,
    sweep: Sweep,
    out: Tap,
    err: Option<Tap>,
    feed: Option<Feed>,
    buffer: Vec<u8>,
    held: bool,
    output_held_open: bool,
    started_unix_ms: u64,
    terminate_grace: Duration,
    sweep_grace: Duration,
    outbox: Vec<FromShim>,
}

impl Run {
    /// Launches what the spec says. A failure is a run too: one that is over and has a report.
    pub(super) fn launch(
        spec: &LaunchSpec,
        folder: &RunFolder,
        record: &mut ShimRecord,
        mask: Mode,
    ) -> Self {
        let started_unix_ms = clock::unix_ms();
        let recorder = |stream| Recorder::new(folder.path(), stream, spec.segment_size, spec.keep);
        let mut run = Self {
            folder: folder.clone(),
            leader: None,
            outcome: None,
            by: EndedBy::Itself,
            stage: Stage::Running,
            sweep: Sweep::new(spec.cgroup.clone()),
            out: Tap {
                source: None,
                record: recorder(Stream::Out),
            },
            err: None,
            feed: None,
            buffer: Vec::new(),
            held: false,
            output_held_open: false,
            started_unix_ms,
            terminate_grace: spec.terminate_grace,
            sweep_grace: spec.sweep_grace,
            outbox: Vec::new(),
        };
        // The group is on record before anyone is in it: if we are killed, it is found.
        record.cgroup.clone_from(&spec.cgroup);
        if let Err(error) = folder.write_shim(record) {
            super::complain(&error);
        }
        let marks = [
            (RUN_VARIABLE, record.run.to_string()),
            (MARK_VARIABLE, record.mark.clone()),
        ];
        match launch::launch(spec, &marks, mask) {
            Ok(leader) => {
                run.buffer = vec![0; BUFFER];
                run.out.source = Some(leader.out);
                run.err = leader.err.map(|source| Tap {
                    source: Some(source),
                    record: recorder(Stream::Err),
                });
                run.feed = Some(Feed::new(leader.input, leader.is_terminal));
                // It cannot be gone: only we can reap it.
                run.leader = ProcessIdentity::of(leader.pid);
                if let Some(leader) = &run.leader {
                    run.sweep.note_leader(leader);
                    run.outbox.push(FromShim::Launched {
                        leader: leader.clone(),
                    });
                }
                record.leader.clone_from(&run.leader);
                if let Err(error) = folder.write_shim(record) {
                    super::complain(&error);
                }
            }
            Err(failure) => run.end_unlaunched(failure),
        }
        run
    }

    /// A run whose spec could not even be acted upon.
    fn end_unlaunched(&mut self, failure: LaunchFailure) {
        self.outcome = Some(Outcome::NotLaunched(failure));
        self.stage = Stage::Reporting { next: clock::now() };
    }

    /// Returns what the instance should know, in order.
    pub(super) fn take_outbox(&mut self) -> Vec<FromShim> {
        std::mem::take(&mut self.outbox)
    }

    pub(super) fn state(&self) -> RunState {
        match (&self.stage, &self.leader, &self.outcome) {
            (Stage::Over(report), ..) => RunState::Exited(report.clone()),
            (_, _, Some(outcome)) => RunState::Ending {
                outcome: outcome.clone(),
            },
            (_, Some(leader), None) => RunState::Running {
                leader: leader.clone(),
            },
            (_, None, None) => RunState::Waiting,
        }
    }

    pub(super) fn accepted(&self) -> u64 {
        self.feed.as_ref().map_or(0, Feed::accepted)
    }

    /// Bytes on disk: output, separate errors.
    pub(super) fn totals(&self) -> (u64, u64) {
        (
            self.out.record.written(),
            self.err.as_ref().map_or(0, |tap| tap.record.written()),
        )
    }

    /// Why the record cannot be written, while it cannot.
    pub(super) fn trouble(&self) -> Option<String> {
        let taps = [Some(&self.out), self.err.as_ref()];
        taps.into_iter()
            .flatten()
            .find_map(|tap| tap.record.trouble())
            .map(ToString::to_string)
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// Carries out an order of the instance.
    pub(super) fn order(&mut self, order: ToShim, now: Instant) {
        match order {
            ToShim::Input { seq, data } => match &mut self.feed {
                Some(feed) => feed.take(seq, data.0, &mut self.outbox),
                None => self.outbox.push(FromShim::InputRefused {
                    seq,
                    why: crate::os::wire::InputRefusal::Closed,
                }),
            },
            ToShim::CloseInput => {
                if let Some(feed) = &mut self.feed {
                    feed.close(&mut self.outbox);
                }
            }
            ToShim::Resize { rows, cols } => {
                if let Some(master) = &self.out.source {
                    // Without a terminal there is nothing to size.
                    let _ = launch::resize(master, rows, cols);
                }
            }
            ToShim::Interrupt => self.signal_leader(Signal::SIGINT),
            ToShim::Terminate => self.terminate(EndedBy::Terminate, now),
            ToShim::Kill => self.kill(now),
            ToShim::Hello { .. } | ToShim::Launch(_) | ToShim::Acknowledge => {}
        }
    }

    /// Another instance listens now.
    pub(super) fn greeted(&mut self, now: Instant) {
        self.sweep.tell_again(now);
    }

    /// No instance came back: ends the run, gently first.
    pub(super) fn abandon(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Running) {
            self.by = EndedBy::Abandoned;
            self.signal_leader(Signal::SIGINT);
            self.stage = Stage::Interrupted {
                until: now + INTERRUPT_GRACE,
            };
        }
    }

    /// Asks the run to end, once; what is ending already is left to it.
    pub(super) fn terminate(&mut self, by: EndedBy, now: Instant) {
        if matches!(self.stage, Stage::Running | Stage::Interrupted { .. }) {
            self.by = by;
            self.sweep.note_tree();
            if let Some(leader) = &self.leader {
                // The leader is not reaped, so the group is still its own. A stopped one sees
                // the request only when it goes on.
                for signal in [Signal::SIGTERM, Signal::SIGCONT] {
                    // It has ended this very moment: then its exit is on its way to us.
                    let _ = killpg(raw(leader.pid), signal);
                }
            }
            self.stage = Stage::Terminating {
                until: now + self.terminate_grace,
            };
        }
    }

    /// Kills the whole tree, now.
    fn kill(&mut self, now: Instant) {
        match self.stage {
            Stage::Running | Stage::Interrupted { .. } | Stage::Terminating { .. } => {
                if self.by != EndedBy::Abandoned {
                    self.by = EndedBy::Kill;
                }
            }
            Stage::Settling { .. } | Stage::Sweeping { .. } => {}
            _ => return,
        }
        self.begin_killing(now);
        self.step(now);
    }

    fn begin_killing(&mut self, now: Instant) {
        self.sweep.begin(now);
        self.stage = Stage::Killing { next: now };
    }

    fn signal_leader(&self, signal: Signal) {
        if let (Some(leader), None) = (&self.leader, &self.outcome) {
            // Fails only for a program that became another user's; the grace period decides.
            let _ = leader.signal(signal);
        }
    }

    /// Reaps whoever has ended.
    pub(super) fn reap(&mut self, now: Instant) {
        loop {
            match reap_one() {
                Reaped::Child(pid, outcome) => {
                    if self.outcome.is_none()
                        && self.leader.as_ref().is_some_and(|leader| leader.pid == pid)
                    {
                        self.leader_ended(outcome, now);
                    }
                }
                Reaped::NoneYet => return,
                Reaped::NobodyLeft => {
                    if self.outcome.is_some() && !self.is_empty() {
                        self.tree_emptied(now);
                    }
                    return;
                }
            }
        }
    }

    /// Is the tree known to be empty?
    fn is_empty(&self) -> bool {
        matches!(
            self.stage,
            Stage::Draining { .. } | Stage::Reporting { .. } | Stage::Over(_)
        )
    }

    fn leader_ended(&mut self, outcome: Outcome, now: Instant) {
        self.outbox.push(FromShim::LeaderExited {
            outcome: outcome.clone(),
        });
        self.outcome = Some(outcome);
        match self.stage {
            Stage::Running => {
                self.stage = Stage::Settling {
                    until: now + SETTLE,
                }
            }
            Stage::Interrupted { .. } | Stage::Terminating { .. } => self.sweep_rest(now),
            _ => {}
        }
    }

    /// Asks what is left to end.
    fn sweep_rest(&mut self, now: Instant) {
        for member in self.sweep.note_tree() {
            member.signal(Signal::SIGTERM);
            member.signal(Signal::SIGCONT);
        }
        self.stage = Stage::Sweeping {
            until: now + self.sweep_grace,
        };
    }

    fn tree_emptied(&mut self, now: Instant) {
        self.sweep.finish();
        if let Some(feed) = &mut self.feed {
            feed.break_off(&mut self.outbox);
        }
        self.stage = Stage::Draining { until: now + DRAIN };
    }

    /// Returns when `step` is next of use.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Running | Stage::Over(_) => None,
            // While the disk is full there is no hurry: nothing more is being read.
            Stage::Draining { .. } if self.held => None,
            Stage::Interrupted { until }
            | Stage::Terminating { until }
            | Stage::Settling { until }
            | Stage::Sweeping { until }
            | Stage::Draining { until } => Some(*until),
            Stage::Killing { next } | Stage::Reporting { next } => Some(*next),
        };
        let err = self.err.as_ref().and_then(|tap| tap.record.deadline());
        [stage, self.out.record.deadline(), err]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due.
    pub(super) fn step(&mut self, now: Instant) {
        for tap in [Some(&mut self.out), self.err.as_mut()]
            .into_iter()
            .flatten()
        {
            tap.record.retry(now);
        }
        self.tell_trouble(now);
        match self.stage {
            Stage::Interrupted { until } if now >= until => {
                self.terminate(EndedBy::Abandoned, now);
            }
            Stage::Terminating { until } if now >= until => self.kill(now),
            Stage::Settling { until } if now >= until => {
                self.sweep.note_left();
                self.sweep_rest(now);
            }
            Stage::Sweeping { until } if now >= until => {
                self.begin_killing(now);
                self.step(now);
            }
            Stage::Killing { next } if now >= next => {
                let next = self.sweep.pass(now, &mut self.outbox);
                self.stage = Stage::Killing { next };
                self.reap(now);
            }
            Stage::Draining { until } => self.drain(until, now),
            _ => {}
        }
        if let Stage::Reporting { next } = self.stage
            && now >= next
        {
            self.write_report(now);
        }
    }

    fn tell_trouble(&mut self, now: Instant) {
        match (self.trouble(), self.held) {
            (Some(error), false) => {
                self.held = true;
                self.outbox.push(FromShim::Held { error });
            }
            (None, true) => {
                self.held = false;
                self.outbox.push(FromShim::Flowing);
                // What waited in the pipes meanwhile has its time now.
                if let Stage::Draining { until } = &mut self.stage {
                    *until = now + DRAIN;
                }
            }
            _ => {}
        }
    }

    fn drain(&mut self, until: Instant, now: Instant) {
        let open = [Some(&self.out), self.err.as_ref()]
            .into_iter()
            .flatten()
            .any(|tap| tap.source.is_some());
        // A record whose folder was removed cannot be completed, nor read.
        let held = self.held && self.folder.path().exists();
        if held || (open && now < until) {
            return;
        }
        self.output_held_open = open;
        self.out.source = None;
        if let Some(err) = &mut self.err {
            err.source = None;
        }
        self.stage = Stage::Reporting { next: now };
    }

    /// Writes the report, and only then says it.
    fn write_report(&mut self, now: Instant) {
        let (out, err) = self.totals();
        let (killed, left) = self.sweep.named();
        let report = ExitReport {
            outcome: self
                .outcome
                .clone()
                .unwrap_or(Outcome::NotLaunched(LaunchFailure {
                    stage: LaunchStage::Fork,
                    errno: Errno::ECHILD as i32,
                })),
            by: self.by,
            processes: self.sweep.count(),
            killed,
            left,
            output_held_open: self.output_held_open,
            out,
            err,
            cpu: processor_time(),
            started_unix_ms: self.started_unix_ms,
            ended_unix_ms: clock::unix_ms(),
        };
        match self.folder.write_exit_report(&report) {
            Err(error) if self.folder.path().exists() => {
                if !std::mem::replace(&mut self.held, true) {
                    self.outbox.push(FromShim::Held {
                        error: error.to_string(),
                    });
                }
                self.stage = Stage::Reporting { next: now + RETRY };
            }
            // Written, or the folder was removed: then nobody can look for it there.
            _ => {
                let report = Box::new(report);
                if std::mem::take(&mut self.held) {
                    self.outbox.push(FromShim::Flowing);
                }
                self.outbox.push(FromShim::Exited(report.clone()));
                self.stage = Stage::Over(report);
            }
        }
    }

    /// Descriptors to read from, with what to call them.
    pub(super) fn sources(&self) -> impl Iterator<Item = (Stream, BorrowedFd<'_>)> {
        let out = Some((Stream::Out, &self.out));
        let err = self.err.as_ref().map(|tap| (Stream::Err, tap));
        [out, err]
            .into_iter()
            .flatten()
            .filter_map(|(stream, tap)| {
                let source = tap.source.as_ref().filter(|_| tap.record.has_room())?;
                Some((stream, source.as_fd()))
            })
    }

    /// Reads what one stream has, once, and records it.
    pub(super) fn read(&mut self, stream: Stream, now: Instant) {
        let tap = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => match &mut self.err {
                Some(tap) => tap,
                None => return,
            },
        };
        let Some(source) = &tap.source else { return };
        match unistd::read(source, &mut self.buffer) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // A terminal that nobody has open any more says EIO.
            Ok(0) | Err(_) => tap.source = None,
            Ok(read) => {
                let bytes = self.buffer.get(..read).unwrap_or_default();
                tap.record.take(bytes, now, clock::unix_ms());
            }
        }
    }

    /// The descriptor to write input to, while there is some.
    pub(super) fn sink(&self) -> Option<BorrowedFd<'_>> {
        self.feed.as_ref().and_then(Feed::wants_write)
    }

    /// Writes what the child has room for.
    pub(super) fn write(&mut self) {
        if let Some(feed) = &mut self.feed {
            feed.write(&mut self.outbox);
        }
    }
}

enum Reaped {
    Child(u32, Outcome),
    NoneYet,
    NobodyLeft,
}

/// Reaps any child that has ended. In the shim, and only there, all children are ours to reap.
#[expect(
    unsafe_code,
    reason = "nix loses a child that a real-time signal ended"
)]
fn reap_one() -> Reaped {
    let mut status = 0;
    // SAFETY: the call writes one integer, which lives until it returns.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    match u32::try_from(pid) {
        Ok(0) => Reaped::NoneYet,
        Ok(pid) if libc::WIFSIGNALED(status) => Reaped::Child(
            pid,
            Outcome::Signaled {
                signal: libc::WTERMSIG(status),
            },
        ),
        Ok(pid) => Reaped::Child(
            pid,
            Outcome::Exited {
                code: libc::WEXITSTATUS(status),
            },
        ),
        Err(_) => Reaped::NobodyLeft,
    }
}

/// Returns what all reaped descendants used.
fn processor_time() -> Duration {
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(Duration::ZERO, |usage| {
        let micros = (usage.user_time() + usage.system_time()).num_microseconds();
        Duration::from_micros(micros.unsigned_abs())
    })
}
