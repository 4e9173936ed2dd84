//! The loop: one input at a time, its effects, a snapshot.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::{Effect, ReplyId};
use crate::domain::event::{Event, LaunchFailure};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::{Fleet, Input};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::process::{Phase, Process, Stage};
use crate::domain::snapshot::Snapshot;
use crate::os::scarcity::Scarcity;
use crate::runtime::actor::{Actor, Adoption, Told};
use crate::runtime::alarm::Alarm;
use crate::runtime::clock::Clock;
use crate::runtime::context::Context;
use crate::runtime::exits;
use crate::runtime::handle::{Mail, ReplySender};
use crate::runtime::place::Moving;
use crate::runtime::preview::preview;
use crate::runtime::updates::Compared;
use crate::runtime::work::{self, Job};
use crate::store::{Store, Written};

/// The hub: the only place that has the fleet.
pub(crate) struct Hub {
    pub(crate) fleet: Fleet,
    pub(crate) clock: Clock,
    pub(crate) context: Arc<Context>,
    pub(crate) mail: mpsc::Receiver<Mail>,
    pub(crate) written: mpsc::UnboundedReceiver<Written>,
    pub(crate) questions: watch::Sender<Vec<Compared>>,
    pub(crate) alarms: mpsc::Sender<Alarm>,
    pub(crate) store: Store,
    pub(crate) view: watch::Sender<Arc<Snapshot>>,
    pub(crate) actors: HashMap<ProcessId, mpsc::UnboundedSender<Told>>,
    pub(crate) tasks: JoinSet<ProcessId>,
    /// What is done beside the loop: looks at what would be hired, work in worktrees.
    pub(crate) looks: JoinSet<()>,
    pub(crate) replies: HashMap<ReplyId, ReplySender>,
    pub(crate) next_reply: u64,
    /// When the last snapshot was made.
    pub(crate) shown: Instant,
    /// Facts of the hub's own, for after the effects in hand.
    pub(crate) refused: VecDeque<Event>,
    /// What actors that cannot be made at present are to be told, in order, and when that is tried.
    pub(crate) untold: VecDeque<(ProcessId, Told)>,
    pub(crate) tell_at: Option<Instant>,
}

/// How long actors may take to end what they are at before another program takes over.
const LAST_WORK: Duration = Duration::from_secs(5);
/// How long after an actor could not be made it is tried again.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// How long a flood of facts may keep a snapshot waiting.
const UNSEEN: Duration = Duration::from_millis(100);

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("actors", &self.actors.len())
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// Serves until a shutdown is done; then everything that was decided is on disk.
    pub(crate) async fn serve(mut self) {
        self.adopt();
        // What changed while the company was put together, and the first snapshot.
        self.apply(Input::Deadline);
        self.apply(Input::Event(Event::Booted));
        while !self.fleet.is_drained() {
            let deadline = self.fleet.next_deadline().map(|at| self.clock.instant(at));
            let wait = async {
                match deadline {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            if self.fleet.is_handing_over() {
                // Only what is on its way to disk: all else is the next one's.
                let Some(written) = self.written.recv().await else {
                    break;
                };
                self.is_written(written);
                continue;
            }
            let tell_at = self.tell_at;
            let tell_again = async {
                match tell_at {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = wait => self.apply(Input::Deadline),
                () = tell_again => self.tell_again(),
                Some(written) = self.written.recv() => self.is_written(written),
                Some(mail) = self.mail.recv() => self.take(mail),
                // After the mail: an actor's last message is handled before its end.
                Some(ended) = self.tasks.join_next() => self.actor_ended(ended),
                // Who waits for one that failed hears that nothing came of it.
                Some(_) = self.looks.join_next() => {}
            }
        }
        self.end().await;
    }

    fn is_written(&mut self, written: Written) {
        let token = written.token;
        self.apply(Input::Event(match written.outcome {
            Ok(()) => Event::Stored { token },
            Err(error) => Event::NotStored { token, error },
        }));
    }

    async fn end(mut self) {
        let handing_over = self.fleet.is_handing_over();
        self.view.send_replace(Arc::new(self.fleet.snapshot()));
        for (id, reply) in self.replies.drain() {
            // Whoever asked for the shutdown is answered by it, the others are not told that something
            // was done that is not on disk. They may have gone meanwhile.
            drop(reply.send(self.fleet.last_answer(id)));
        }
        self.actors.clear();
        // An actor that is telling us something must not wait for us to hear it.
        self.mail.close();
        while let Ok(mail) = self.mail.try_recv() {
            if let Mail::Order { reply, .. } = mail
                && handing_over
            {
                // Whoever asked may have gone.
                drop(reply.send(Err(Refusal::Again)));
            }
        }
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if handing_over {
            // What one of them is in the middle of is taken up by the next instance, as after a kill.
            drop(tokio::time::timeout(LAST_WORK, ended).await);
        } else {
            ended.await;
        }
        let looked = async { while self.looks.join_next().await.is_some() {} };
        if handing_over {
            // The new program is not kept waiting by a large repository; git ends what it is at.
            drop(tokio::time::timeout(LAST_WORK, looked).await);
        } else {
            looked.await;
        }
    }

    fn take(&mut self, mail: Mail) {
        let input = match mail {
            Mail::Fact(event) => Input::Event(event),
            Mail::Order {
                origin,
                command,
                reply,
            } => {
                self.next_reply += 1;
                let id = ReplyId(self.next_reply);
                self.replies.insert(id, reply);
                Input::Order {
                    reply: id,
                    origin,
                    command,
                }
            }
        };
        self.apply(input);
    }

    fn apply(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.fleet.apply(input, self.clock.now(), &mut effects);
        let (answers, others): (Vec<Effect>, Vec<Effect>) = effects
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Reply { .. }));
        for effect in others {
            self.run(effect);
        }
        // With more to do at once, the snapshot comes after it, but not for ever. Whoever is
        // answered finds in the snapshot what the answer says.
        let may_look =
            self.mail.is_empty() || !answers.is_empty() || self.shown.elapsed() >= UNSEEN;
        if may_look && self.fleet.take_changed() {
            let snapshot = Arc::new(self.fleet.snapshot());
            self.view.send_replace(snapshot);
            self.shown = Instant::now();
        }
        if let Some(event) = self.refused.pop_front() {
            self.apply(Input::Event(event));
        }
        for answer in answers {
            self.run(answer);
        }
    }

    fn run(&mut self, effect: Effect) {
        match effect {
            Effect::Launch(plan) => self.tell(plan.process, Told::Launch(plan)),
            Effect::Send {
                process,
                run,
                order,
            } => self.tell(process, Told::Send { run, order }),
            Effect::Ping {
                process,
                run,
                number,
            } => self.tell(process, Told::Ping { run, number }),
            Effect::Alarm { command, alert } => {
                if let Err(error) = self.alarms.try_send((command, alert)) {
                    // It is on screen, in the log and in the interface all the same.
                    tracing::warn!(%error, "an alert is not passed on");
                }
            }
            Effect::CloseInput { process, run } => self.tell(process, Told::CloseInput { run }),
            Effect::Terminate { process, run } => self.tell(process, Told::Terminate { run }),
            Effect::Kill { process, run } => self.tell(process, Told::Kill { run }),
            Effect::Acknowledge { process, run } => self.tell(process, Told::Acknowledge { run }),
            Effect::Consumed { process, run, mark } => {
                // Nothing to tell an actor that is not there yet.
                if self.actors.contains_key(&process) {
                    self.tell(process, Told::Consumed { run, mark });
                }
            }
            Effect::Mark {
                process,
                worktree,
                task,
                end,
            } => self.tell(
                process,
                Told::Mark {
                    worktree,
                    task,
                    end,
                },
            ),
            Effect::Record { flight } => self.tell(flight.process, Told::Record { flight }),
            Effect::Note {
                process,
                kind,
                text,
            } => self.tell(process, Told::Note { kind, text }),
            Effect::Forget { process } => {
                self.tell(process, Told::Forget);
                self.actors.remove(&process);
            }
            Effect::Compare { runs } => {
                // The newest question is the only one that counts.
                self.questions.send_replace(runs);
            }
            Effect::Preview { reply, plans } => {
                if let Some(reply) = self.replies.remove(&reply) {
                    let context = Arc::clone(&self.context);
                    self.looks.spawn_blocking(move || {
                        let seen = plans.iter().map(|plan| preview(&context, plan)).collect();
                        // Whoever asked may have gone meanwhile.
                        drop(reply.send(Ok(Outcome::Previewed(seen))));
                    });
                }
            }
            Effect::Placed { process, run } => self.tell(process, Told::Placed { run }),
            Effect::Place {
                process,
                run,
                worktree,
                to,
                base,
                message,
            } => self.tell(
                process,
                Told::Place(Box::new(Moving {
                    run,
                    worktree: *worktree,
                    to,
                    base,
                    message,
                })),
            ),
            Effect::Survey {
                process,
                worktree,
                ended,
            } => {
                let context = Arc::clone(&self.context);
                self.looks.spawn(async move {
                    work::survey(&context, process, &worktree, ended).await;
                });
            }
            Effect::Clear {
                reply,
                process,
                name,
                worktree,
            } => {
                let context = Arc::clone(&self.context);
                self.looks.spawn(async move {
                    let result = work::clear(&context.worktrees, process, &name, &worktree).await;
                    let event = Event::Cleared {
                        reply,
                        process,
                        result: Box::new(result),
                    };
                    context.tell(event).await;
                });
            }
            Effect::Work {
                reply,
                process,
                worktree,
                task,
                order,
                message,
            } => {
                let context = Arc::clone(&self.context);
                self.looks.spawn(async move {
                    let job = Job {
                        process,
                        worktree: &worktree,
                        task,
                        message: &message,
                    };
                    let result = work::carry_out(&context.worktrees, job, order).await;
                    let event = Event::Worked {
                        reply,
                        process,
                        worktree,
                        result: Box::new(result),
                    };
                    context.tell(event).await;
                });
            }
            Effect::Persist { token, batch } => self.store.write(token, batch),
            Effect::Reply { reply, outcome } => {
                if let Some(reply) = self.replies.remove(&reply) {
                    // Whoever asked may have gone meanwhile.
                    drop(reply.send(*outcome));
                }
            }
        }
    }

    /// Its log cannot be opened, for want of descriptors or room: it is told when that is over.
    fn tell_later(&mut self, process: ProcessId, told: Told) {
        self.untold.push_back((process, told));
        if self.tell_at.is_none() {
            self.tell_at = Some(Instant::now() + TELL_AGAIN);
        }
    }

    fn tell_again(&mut self) {
        self.tell_at = None;
        for (process, told) in std::mem::take(&mut self.untold) {
            self.tell(process, told);
        }
        if let Some(event) = self.refused.pop_front() {
            self.apply(Input::Event(event));
        }
    }

    /// Tells an actor something, making it if it is the first thing.
    fn tell(&mut self, process: ProcessId, told: Told) {
        if self.untold.iter().any(|(waiting, _)| *waiting == process) {
            // Not before what waits already.
            self.tell_later(process, told);
            return;
        }
        if !self.actors.contains_key(&process) {
            // Unbounded: the fleet gives few orders a run, and each of them has to arrive.
            let (sender, inbox) = mpsc::unbounded_channel();
            let last = self
                .fleet
                .processes()
                .find(|known| known.id == process)
                .filter(|known| !known.protocol.is_read())
                .and_then(|known| known.last_run);
            match Actor::new(process, Arc::clone(&self.context), inbox, last) {
                Ok(actor) => {
                    self.tasks.spawn(async move {
                        actor.serve().await;
                        process
                    });
                    self.actors.insert(process, sender);
                }
                Err(error) => {
                    tracing::error!(%process, %error, "cannot open its log");
                    match told {
                        Told::Launch(plan) => {
                            self.refused.push_back(not_launched(plan.run, &error));
                        }
                        told => self.tell_later(process, told),
                    }
                    return;
                }
            }
        }
        if let Some(actor) = self.actors.get(&process) {
            // An actor that has ended is reported when it is joined.
            drop(actor.send(told));
        }
    }

    fn actor_ended(&mut self, ended: Result<ProcessId, tokio::task::JoinError>) {
        let Err(error) = ended else { return };
        // A panic takes one actor, not the company. Its run goes on below its shim; a new actor is
        // made with the next order, and takes the run up again.
        tracing::error!(%error, "an actor failed");
        let gone: Vec<ProcessId> = self
            .actors
            .iter()
            .filter(|(_, sender)| sender.is_closed())
            .map(|(process, _)| *process)
            .collect();
        for process in gone {
            self.actors.remove(&process);
            let text = "a part of headcount failed; see headcount.log".to_owned();
            self.apply(Input::Event(Event::Trouble {
                process: Some(process),
                text,
            }));
            self.adopt_one(process, true);
        }
    }

    /// Takes up every run that was not over when the last instance ended.
    fn adopt(&mut self) {
        let processes: Vec<ProcessId> = self
            .fleet
            .live_runs()
            .map(|(process, _)| process.id)
            .collect();
        for process in processes {
            self.adopt_one(process, false);
        }
    }

    fn adopt_one(&mut self, process: ProcessId, after_failure: bool) {
        let adoption = self
            .fleet
            .processes()
            .find(|known| known.id == process)
            .and_then(adoption)
            .map(|adoption| Adoption {
                after_failure,
                ..adoption
            });
        if let Some(adoption) = adoption {
            self.tell(process, Told::Adopt(adoption));
        }
    }
}

/// Nobody could be told to launch it: out of descriptors, mostly.
fn not_launched(run: RunId, error: &std::io::Error) -> Event {
    if let Some(lack) = Scarcity::of(error) {
        let fault = exits::put_off(&lack);
        return Event::LaunchPutOff { run, fault };
    }
    let fault = Fault::new(
        FaultCode::FailedToStart,
        format!("its log cannot be opened: {error}"),
        "see that the state folder can be read and written; it is tried again",
    );
    let permanent = false;
    Event::LaunchFailed {
        run,
        failure: LaunchFailure { fault, permanent },
    }
}

fn adoption(process: &Process) -> Option<Adoption> {
    let Phase::Live(live) = &process.phase else {
        return None;
    };
    Some(Adoption {
        run: live.run,
        protocol: process.protocol,
        mark: live.mark,
        ready: !matches!(live.stage, Stage::Launching { .. } | Stage::Readying { .. }),
        launched: live.details.is_some(),
        after_failure: false,
    })
}
