//! The life of what was launched: it runs, it is asked to end, it is swept, it is reported.
//!
//! A stage holds its deadline; `deadline` names the earliest and `step` acts on what is due. What
//! the instance should know goes into `outbox`, whether one is connected or not.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::Mode;

use super::feed::Feed;
use super::reap::{Reaped, processor_time, reap_one};
use super::sweep::Sweep;
use super::taps::Taps;
use super::{MARK_VARIABLE, RUN_VARIABLE, clock, launch};
use crate::os::identity::ProcessIdentity;
use crate::os::run_folder::{RunFolder, ShimRecord};
use crate::os::segments::Stream;
use crate::os::signal::raw;
use crate::os::spec::{EndedBy, ExitReport, LaunchFailure, LaunchSpec, LaunchStage, Outcome};
use crate::os::wire::{FromShim, RunState, ToShim};

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
    /// Asked to end. A terminal hangs up half-way: a shell in it ignores the request.
    Terminating {
        hang_up: Option<Instant>,
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

#[derive(Debug)]
pub(super) struct Run {
    folder: RunFolder,
    leader: Option<ProcessIdentity>,
    /// Set when the leader was reaped: from then on its number may belong to another.
    outcome: Option<Outcome>,
    by: EndedBy,
    stage: Stage,
    sweep: Sweep,
    taps: Taps,
    feed: Option<Feed>,
    /// Was the instance told that something cannot be written?
    held: bool,
    output_held_open: bool,
    /// Made once, however often it has to be written.
    report: Option<Box<ExitReport>>,
    /// Does the instance that listens know the report?
    reported: bool,
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
        let mut run = Self {
            folder: folder.clone(),
            leader: None,
            outcome: None,
            by: EndedBy::Itself,
            stage: Stage::Running,
            sweep: Sweep::new(spec.cgroup.clone()),
            taps: Taps::new(spec, folder, []),
            feed: None,
            held: false,
            output_held_open: false,
            report: None,
            reported: false,
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
                let err = leader.err.map(|err| (Stream::Err, err));
                let sources = [(Stream::Out, leader.out)].into_iter().chain(err);
                run.taps = Taps::new(spec, folder, sources);
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
        self.taps.totals()
    }

    /// Why the record cannot be written, while it cannot.
    pub(super) fn trouble(&self) -> Option<String> {
        self.taps.trouble()
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// Whether the instance has heard the report: what it has stored need not be on our disk.
    pub(super) fn is_reported(&self) -> bool {
        self.is_over() || self.reported
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
            ToShim::Ask { data } => {
                if let Some(feed) = &mut self.feed {
                    feed.ask(data.0, &mut self.outbox);
                }
            }
            ToShim::CloseInput => {
                if let Some(feed) = &mut self.feed {
                    feed.close(&mut self.outbox);
                }
            }
            ToShim::Resize { rows, cols } => {
                if let Some(master) = self.taps.output() {
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
        self.reported = false;
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
            self.signal_group(Signal::SIGTERM);
            let is_terminal = self.feed.as_ref().is_some_and(Feed::is_terminal);
            self.stage = Stage::Terminating {
                hang_up: is_terminal.then(|| now + self.terminate_grace / 2),
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

    /// Signals the leader's group; who is stopped goes on, to see it.
    fn signal_group(&self, signal: Signal) {
        // While the leader is not reaped, the group is still its own.
        if let (Some(leader), None) = (&self.leader, &self.outcome) {
            for signal in [signal, Signal::SIGCONT] {
                // If it has ended this very moment, its exit is on its way to us.
                let _ = killpg(raw(leader.pid), signal);
            }
        }
    }

    /// Reaps whoever has ended.
    pub(super) fn reap(&mut self, now: Instant) {
        loop {
            match reap_one() {
                Reaped::Child { pid, outcome } => {
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
            | Stage::Terminating {
                hang_up: None,
                until,
            }
            | Stage::Settling { until }
            | Stage::Sweeping { until }
            | Stage::Draining { until } => Some(*until),
            Stage::Terminating {
                hang_up: Some(next),
                ..
            }
            | Stage::Killing { next }
            | Stage::Reporting { next } => Some(*next),
        };
        [stage, self.taps.deadline()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn step(&mut self, now: Instant) {
        self.taps.retry(now);
        self.tell_trouble(now);
        match self.stage {
            Stage::Interrupted { until } if now >= until => {
                self.terminate(EndedBy::Abandoned, now);
            }
            Stage::Terminating { until, .. } if now >= until => self.kill(now),
            Stage::Terminating {
                hang_up: Some(at),
                until,
            } if now >= at => {
                self.signal_group(Signal::SIGHUP);
                self.stage = Stage::Terminating {
                    hang_up: None,
                    until,
                };
            }
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
        // The record is complete by then, and the report has troubles of its own.
        if matches!(self.stage, Stage::Reporting { .. }) {
            return;
        }
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
        let open = self.taps.is_open();
        // A record whose folder was removed cannot be completed, nor read.
        let held = self.held && self.folder.path().exists();
        if held || (open && now < until) {
            return;
        }
        self.output_held_open = open;
        self.taps.close();
        self.stage = Stage::Reporting { next: now };
    }

    /// Writes the report. Whoever listens hears it also while the disk does not take it: we stay, and
    /// try again, until it is on disk or acknowledged.
    fn write_report(&mut self, now: Instant) {
        let report = match self.report.take() {
            Some(report) => report,
            None => Box::new(self.make_report()),
        };
        self.report = Some(report.clone());
        match self.folder.write_exit_report(&report) {
            Err(error) if self.folder.path().exists() => {
                if !std::mem::replace(&mut self.held, true) {
                    self.outbox.push(FromShim::Held {
                        error: error.to_string(),
                    });
                }
                self.say_report(report);
                self.stage = Stage::Reporting { next: now + RETRY };
            }
            // Written, or the folder was removed: then nobody can look for it there.
            _ => {
                if std::mem::take(&mut self.held) {
                    self.outbox.push(FromShim::Flowing);
                }
                self.say_report(report.clone());
                self.stage = Stage::Over(report);
            }
        }
    }

    fn say_report(&mut self, report: Box<ExitReport>) {
        if !std::mem::replace(&mut self.reported, true) {
            self.outbox.push(FromShim::Exited(report));
        }
    }

    fn make_report(&self) -> ExitReport {
        let (out, err) = self.totals();
        let (killed, left) = self.sweep.named();
        ExitReport {
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
        }
    }

    /// Descriptors to read from, for which there is room.
    pub(super) fn sources(&self) -> impl Iterator<Item = (Stream, BorrowedFd<'_>)> {
        self.taps.sources()
    }

    /// Reads what a stream has, once, and records it.
    pub(super) fn read(&mut self, stream: Stream, now: Instant) {
        self.taps.read(stream, now);
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
