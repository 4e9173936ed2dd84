//! One actor a process: it alone owns the run, its shim's channel, its offset and its log.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::domain::effect::LaunchPlan;
use crate::domain::event::{Event, Mark};
use crate::domain::exit::Exit;
use crate::domain::flight::Flight;
use crate::domain::id::{ProcessId, RunId, TaskId};
use crate::domain::log::LogKind;
use crate::domain::order::{Numbered, Order};
use crate::domain::role::Protocol;
use crate::domain::worktree::Worktree;
use crate::os::cgroup::Leaf;
use crate::os::link::{LinkError, Shim};
use crate::os::run_folder::RunFolder;
use crate::os::scarcity::Scarcity;
use crate::os::spec::{EndedBy, ExitReport, Outcome};
use crate::os::wire::{FromShim, InputRefusal, ToShim};
use crate::runtime::context::Context;
use crate::runtime::exits;
use crate::runtime::good::Good;
use crate::runtime::journal::LogFile;
use crate::runtime::place::{self, Moving};
use crate::runtime::reading::{Backlog, render};
use crate::runtime::run::{ANSWERED, Run};

/// Lines of a task that go into the log; the task itself is kept whole.
const TASK_LINES: usize = 200;

/// How long the shim of a run that is over may take to end, when the instance ends with it.
const SHIM_ENDS: Duration = Duration::from_secs(5);

/// What an actor is told, in the order of the fleet's effects.
#[derive(Debug)]
pub(crate) enum Told {
    Launch(Box<LaunchPlan>),
    Adopt(Adoption),
    Send {
        run: RunId,
        order: Numbered,
    },
    Ping {
        run: RunId,
        number: u64,
    },
    CloseInput {
        run: RunId,
    },
    Terminate {
        run: RunId,
    },
    Kill {
        run: RunId,
    },
    Acknowledge {
        run: RunId,
    },
    Record {
        flight: Arc<Flight>,
    },
    /// The database has what was read up to this mark.
    Consumed {
        run: RunId,
        mark: Mark,
    },
    Mark {
        worktree: Box<Worktree>,
        task: TaskId,
        end: bool,
    },
    /// The database has where the run that is being launched works.
    Placed {
        run: RunId,
    },
    /// Put the worktree on another branch.
    Place(Box<Moving>),
    Note {
        kind: LogKind,
        text: String,
    },
    Forget,
}

impl Told {
    /// Whether it is heard while git is at work in the worktree: what it is at may take minutes.
    const fn waits_for_git(&self) -> bool {
        !matches!(
            self,
            Self::Ping { .. } | Self::Terminate { .. } | Self::Kill { .. } | Self::Consumed { .. }
        )
    }
}

/// A run of an earlier instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adoption {
    pub(crate) run: RunId,
    pub(crate) protocol: Protocol,
    pub(crate) mark: Mark,
    /// Whether it was ready for work.
    pub(crate) ready: bool,
    /// Whether the fleet knows that it was launched.
    pub(crate) launched: bool,
    /// Whether it is taken up because its actor failed, not because the instance is new.
    pub(crate) after_failure: bool,
}

/// The actor of one process.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) id: ProcessId,
    pub(crate) context: Arc<Context>,
    pub(super) told: mpsc::UnboundedReceiver<Told>,
    /// What came while something else had to be done first, oldest first.
    pub(super) put_off: VecDeque<Told>,
    pub(crate) log: LogFile,
    pub(crate) raw: LogFile,
    pub(crate) run: Option<Box<Run>>,
    /// A run that was ended before it was launched.
    pub(crate) cancelled: Option<RunId>,
    /// The last run of a command: its output is the log, so its folder is kept.
    output_of: Option<RunId>,
    pub(super) backlog: Option<Backlog>,
    pub(super) behind: bool,
    pub(super) held: bool,
    pub(super) committed: u64,
    pub(super) again: Option<Instant>,
    /// How the run ended, until all that it said is read and reported.
    pub(super) exit: Option<Exit>,
    reapers: JoinSet<()>,
    /// What git is at in the worktree, one thing at most.
    at_git: JoinSet<()>,
}

impl Actor {
    /// Makes the actor of a process. `last` is its last run, if that was a command's.
    pub(crate) fn new(
        id: ProcessId,
        context: Arc<Context>,
        told: mpsc::UnboundedReceiver<Told>,
        last: Option<RunId>,
    ) -> std::io::Result<Self> {
        let log = LogFile::open(context.logs.rendered(id), context.rotation)?;
        let raw = LogFile::open(context.logs.raw(id), context.rotation)?;
        Ok(Self {
            id,
            context,
            told,
            put_off: VecDeque::new(),
            log,
            raw,
            run: None,
            cancelled: None,
            output_of: last,
            backlog: None,
            behind: false,
            held: false,
            committed: 0,
            again: None,
            exit: None,
            reapers: JoinSet::new(),
            at_git: JoinSet::new(),
        })
    }

    /// Serves until the hub is gone or the process is removed.
    pub(crate) async fn serve(mut self) {
        loop {
            if self.run.is_none() {
                // Descriptors are for those who are up.
                self.log.rest();
                self.raw.rest();
            }
            if self.at_git.is_empty()
                && let Some(told) = self.put_off.pop_front()
            {
                if matches!(told, Told::Forget) {
                    Good::forget(&self.context.folders.good, self.id);
                    break;
                }
                self.told(told).await;
                continue;
            }
            let silent_at = self.run.as_ref().and_then(|run| run.answer_by);
            let Self {
                told,
                run,
                again,
                reapers,
                at_git,
                behind,
                ..
            } = &mut self;
            let message = async {
                match run {
                    Some(run) => run.message().await,
                    None => pending().await,
                }
            };
            let wait = async {
                match again {
                    Some(at) => sleep_until(*at).await,
                    None => pending().await,
                }
            };
            let silence = async {
                match silent_at {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            // Orders first: a flood of output must not keep a kill waiting.
            tokio::select! {
                biased;
                told = told.recv() => match told {
                    Some(told) if told.waits_for_git() && !at_git.is_empty() => {
                        self.put_off.push_back(told);
                    }
                    Some(Told::Forget) => {
                        Good::forget(&self.context.folders.good, self.id);
                        break;
                    }
                    None if at_git.is_empty() => break,
                    // Its work is ended and what was put off is done; nobody gives more of it.
                    None => ended(at_git.join_next().await),
                    Some(told) => self.told(told).await,
                },
                at_end = at_git.join_next(), if !at_git.is_empty() => ended(at_end),
                message = message => self.message(message).await,
                Some(_) = reapers.join_next() => {}
                () = wait => self.try_again().await,
                () = silence => self.is_silent().await,
                () = std::future::ready(()), if *behind => self.read_on().await,
            }
        }
        // The shims of runs that are over have been told so, and end at once: then nothing is left of them.
        let ended = async { while self.reapers.join_next().await.is_some() {} };
        drop(timeout(SHIM_ENDS, ended).await);
    }

    async fn told(&mut self, told: Told) {
        match told {
            Told::Launch(plan) => self.launch(*plan).await,
            Told::Adopt(adoption) => self.adopt(adoption).await,
            Told::Send { run, order } => self.send(run, order).await,
            Told::Ping { run, number } => self.ping(run, number).await,
            Told::CloseInput { run } => self.tell(run, ToShim::CloseInput).await,
            Told::Terminate { run } => self.end(run, ToShim::Terminate).await,
            Told::Kill { run } => self.kill(run).await,
            Told::Acknowledge { run } => self.acknowledge(run).await,
            Told::Consumed { run, mark } => self.consumed(run, mark),
            Told::Mark {
                worktree,
                task,
                end,
            } => {
                let context = Arc::clone(&self.context);
                self.at_git
                    .spawn(place::mark(context, self.id, worktree, task, end));
            }
            Told::Place(moving) => {
                let context = Arc::clone(&self.context);
                self.at_git.spawn(place::move_to(context, self.id, *moving));
            }
            Told::Record { flight } => self.record(&flight).await,
            Told::Note { kind, text } => self.note(kind, &text).await,
            // It came after the launch was given up.
            Told::Placed { .. } | Told::Forget => {}
        }
    }

    async fn tell(&mut self, run: RunId, message: ToShim) {
        if let Some(current) = self.run.as_mut().filter(|current| current.id == run) {
            current.tell(message).await;
        }
    }

    /// Ends a run; one that is not launched yet will not be.
    async fn end(&mut self, run: RunId, message: ToShim) {
        match self.run.as_mut().filter(|current| current.id == run) {
            Some(current) => current.tell(message).await,
            None => self.cancelled = Some(run),
        }
    }

    /// Kills a run. A shim that then says nothing, as one that is stopped, goes with it.
    async fn kill(&mut self, run: RunId) {
        self.end(run, ToShim::Kill).await;
        if let Some(current) = self.run.as_mut().filter(|current| current.id == run)
            && !current.over
        {
            current
                .answer_by
                .get_or_insert_with(|| Instant::now() + ANSWERED);
        }
    }

    /// The shim was told to kill and said nothing since.
    async fn is_silent(&mut self) {
        let Some(run) = self.run.as_mut() else { return };
        run.answer_by = None;
        run.over = true;
        tracing::warn!(run = %run.id, "the shim does not answer; it is ended with its run");
        let exit = exits::end_silent(run.folder.clone()).await;
        self.over(exit);
    }

    async fn send(&mut self, run: RunId, order: Numbered) {
        let Some(current) = self.run.as_mut().filter(|current| current.id == run) else {
            return;
        };
        let Some(line) = current.driver.encode(&order) else {
            return;
        };
        current.input(order.seq, line).await;
        if let Order::Message { text, .. } = &order.order {
            let text = text.clone();
            self.write_task(&text).await;
        }
    }

    /// Past the numbered orders: nothing of it is kept, here or on disk.
    async fn ping(&mut self, run: RunId, number: u64) {
        let Some(current) = self.run.as_mut().filter(|current| current.id == run) else {
            return;
        };
        if !current.ping(number).await {
            self.context.tell(Event::NoPing { run }).await;
        }
    }

    async fn write_task(&mut self, text: &str) {
        let mut lines: Vec<(LogKind, String)> = text
            .lines()
            .take(TASK_LINES)
            .map(|line| (LogKind::Task, crate::domain::clean::clean(line.as_bytes())))
            .collect();
        let more = text.lines().count().saturating_sub(TASK_LINES);
        if more > 0 {
            lines.push((LogKind::Task, format!("… {more} more lines")));
        }
        self.write_own(&lines).await;
    }

    /// Lines of our own. If they cannot be written they are missing from the log, and only there.
    pub(crate) fn write_lines(&mut self, lines: &[(LogKind, String)]) {
        match self.log.append(&render(lines)) {
            Ok(()) => self.context.growth.grew(self.id, self.log.end()),
            Err(error) => tracing::warn!(process = %self.id, %error, "cannot write the log"),
        }
    }

    async fn note(&mut self, kind: LogKind, text: &str) {
        let lines: Vec<(LogKind, String)> =
            text.lines().map(|line| (kind, line.to_owned())).collect();
        self.write_own(&lines).await;
    }

    /// Lines of our own, to stay where they are.
    async fn write_own(&mut self, lines: &[(LogKind, String)]) {
        self.write_lines(lines);
        // What is read but not committed would be rendered again by the next instance, and the log
        // cut back to where it was committed: these lines would be gone.
        if self.backlog.is_none() {
            self.commit(Vec::new(), true).await;
        }
    }

    async fn message(&mut self, message: Result<Option<FromShim>, LinkError>) {
        match message {
            Ok(Some(message)) => self.heard(message).await,
            Ok(None) => self.lost().await,
            Err(error) => {
                tracing::warn!(process = %self.id, %error, "the channel to the shim broke");
                self.lost().await;
            }
        }
    }

    async fn heard(&mut self, message: FromShim) {
        let Some(run) = self.run.as_mut() else { return };
        // It answers: what it cannot end it will name.
        run.answer_by = None;
        let id = run.id;
        match message {
            FromShim::Hello(_) | FromShim::Refused { .. } => {}
            FromShim::Launched { leader } => self.launched(leader.pid).await,
            FromShim::Accepted { seq } => {
                run.unsent.retain(|(waiting, _)| *waiting > seq);
                self.context.tell(Event::Accepted { run: id, seq }).await;
            }
            FromShim::InputRefused { seq, why } => match why {
                InputRefusal::Closed => run.unsent.retain(|(waiting, _)| *waiting > seq),
                InputRefusal::Full | InputRefusal::OutOfOrder => self.again_soon(),
            },
            FromShim::Grew { out, err } => {
                (run.out, run.err) = (out, err);
                if run.is_read() {
                    self.behind = true;
                } else {
                    self.context.growth.grew(self.id, out);
                }
            }
            FromShim::Held { error } => {
                self.context.tell(Event::Held { run: id, error }).await;
            }
            FromShim::Flowing => self.context.tell(Event::Flowing { run: id }).await,
            FromShim::LeaderExited { outcome } => {
                let status = exits::status(&outcome);
                self.context
                    .tell(Event::LeaderExited { run: id, status })
                    .await;
            }
            FromShim::Stuck { processes } => {
                let left = processes.iter().map(exits::ended).collect();
                self.context.tell(Event::Stuck { run: id, left }).await;
            }
            FromShim::Exited(report) => self.ended(report).await,
        }
    }

    /// The shim's last word. Nothing was launched, or everything is read and then it is over.
    pub(crate) async fn ended(&mut self, report: Box<ExitReport>) {
        let Some(run) = self.run.as_mut() else { return };
        run.over = true;
        if let Outcome::NotLaunched(failure) = &report.outcome {
            let shown = run.details.as_ref().map(|details| details.command.clone());
            let id = run.id;
            let event = match Scarcity::of_launch(failure) {
                Some(lack) => Event::LaunchPutOff {
                    run: id,
                    fault: exits::put_off(&lack),
                },
                None => Event::LaunchFailed {
                    run: id,
                    failure: exits::not_launched(failure, shown.as_deref().unwrap_or("the agent")),
                },
            };
            // The output of a run before it stays the log: this one has none.
            self.release(id).await;
            self.remove_folder(id).await;
            self.context.tell(event).await;
            return;
        }
        run.ended_itself = report.by == EndedBy::Itself;
        self.over(exits::of_report(&report));
    }

    /// Nothing more comes: what there is is read to its end, and then the end is reported.
    pub(crate) fn over(&mut self, exit: Exit) {
        if let Some(run) = &mut self.run {
            run.over = true;
        }
        self.exit = Some(exit);
        self.behind = true;
    }

    /// The shim's channel closed. Its report may be on disk; else the shim was killed.
    async fn lost(&mut self) {
        let Some(run) = self.run.as_mut() else { return };
        run.over = true;
        match run.folder.exit_report() {
            Ok(Some(report)) => self.ended(Box::new(report)).await,
            _ => {
                let exit = exits::end_leftovers(run.folder.clone()).await;
                self.over(exit);
            }
        }
    }

    /// The report is stored: the shim may go, and what is not the log.
    async fn acknowledge(&mut self, run: RunId) {
        let surplus = if self.release(run).await {
            self.output_of.replace(run)
        } else {
            Some(run)
        };
        if let Some(surplus) = surplus {
            self.remove_folder(surplus).await;
        }
    }

    /// Lets the shim of a run go; returns whether the run's output is the log.
    async fn release(&mut self, run: RunId) -> bool {
        let mut output_is_log = false;
        match self.run.take_if(|current| current.id == run) {
            Some(mut current) => {
                output_is_log = !current.is_read();
                current.tell(ToShim::Acknowledge).await;
                self.remove_group(&current.folder);
                if let Some(pid) = current.shim_pid {
                    self.context.shim_ended(pid);
                }
                if let Some(shim) = current.shim.take() {
                    self.reap(shim);
                }
            }
            None => {
                if let Ok(folder) = RunFolder::open(self.context.folders.runs.join(run.to_string()))
                {
                    self.remove_group(&folder);
                }
            }
        }
        output_is_log
    }

    async fn remove_folder(&self, run: RunId) {
        let folder = self.context.folders.runs.join(run.to_string());
        // What cannot be removed now is removed when the next instance starts.
        if let Err(error) = tokio::fs::remove_dir_all(&folder).await {
            tracing::debug!(%error, folder = %folder.display(), "a run's folder stays");
        }
    }

    fn remove_group(&self, folder: &RunFolder) {
        let group = folder
            .shim()
            .ok()
            .flatten()
            .and_then(|record| record.cgroup);
        if let Some(Err(error)) = group.map(|path| Leaf::at(path).remove()) {
            tracing::debug!(%error, "a control group stays");
        }
    }

    pub(crate) fn reap(&mut self, mut shim: Shim) {
        self.reapers.spawn(async move {
            // It is gone either way.
            drop(shim.wait().await);
        });
    }

    /// Takes the place of a run; whatever was behind belongs to the one before.
    pub(crate) fn begin(&mut self, run: Run) {
        self.committed = run.mark.out + run.mark.err;
        self.behind = run.is_read();
        self.backlog = None;
        self.held = false;
        self.exit = None;
        if let Some(pid) = run.shim_pid {
            self.context.shim_began(pid, self.id);
        }
        self.run = Some(Box::new(run));
    }
}

/// What git was at has ended. A bug in there is one of the actor's.
fn ended(end: Option<Result<(), JoinError>>) {
    if let Some(Err(error)) = end
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
