//! Orders about processes: start, stop, kill, restart, shut down; and what a start begins.

use std::time::Duration;

use crate::domain::automation::{Rest, Shift};
use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::{Begin, Effect, LaunchPlan, ReplyId};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::{Fleet, Until, Waiter, worktree};
use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::LogKind;
use crate::domain::process::{After, Conversation, Live, Phase, Process, Stage, Turn};
use crate::domain::restart::next_look;
use crate::domain::role::{Agent, Protocol, Role};
use crate::domain::snapshot::{Activity, Evidence, Level};

/// How long a launch may take until the agent's process exists.
const LAUNCH: Duration = Duration::from_secs(30);
/// How long an agent may take to say that it is ready.
pub(super) const READY: Duration = Duration::from_secs(60);
/// How long a shutdown lets tasks go on.
pub(super) const SHUTDOWN_FINISH: Duration = Duration::from_secs(60);

impl Fleet {
    pub(super) fn start(&mut self, reply: ReplyId, id: ProcessId) -> Result<(), Refusal> {
        self.refuse_in_shutdown()?;
        if self.start_one(id)? {
            self.wait(id, reply, Until::Up);
            // Without its role it is down already; and who waits for its stop waits for nothing now.
            self.answer_waiters(id);
        } else {
            self.reply_durably(reply, Ok(Outcome::Started(id)));
        }
        Ok(())
    }

    /// Starts by a person's order; returns whether there is something to wait for.
    pub(super) fn start_one(&mut self, id: ProcessId) -> Result<bool, Refusal> {
        if self.leaving.contains_key(&id) {
            let text = format!("{} is being let go", self.name_of(id));
            return Err(Refusal::State(text));
        }
        let process = self
            .processes
            .get_mut(&id)
            .ok_or(Refusal::UnknownProcess(id))?;
        match &mut process.phase {
            Phase::Live(live) if live.stage.is_stopping() => live.after = After::Start,
            Phase::Live(live) if live.stage == Stage::Up => {
                // A person says that the cause is gone: the next task will tell.
                if live.blocked.take().is_some() {
                    process.fault = None;
                }
                self.touch(id);
                return Ok(false);
            }
            Phase::Live(_) => {}
            Phase::Down | Phase::Failed | Phase::Backoff { .. } | Phase::Blocked { .. } => {
                process.forget_failures();
                process.rejected = None;
                self.launch(id);
            }
        }
        self.touch(id);
        // What a person kept down is planned for again.
        self.look_at_schedules();
        Ok(true)
    }

    /// The first order finishes the task, the second interrupts it, the third kills.
    pub(super) fn stop(&mut self, reply: ReplyId, id: ProcessId) -> Result<(), Refusal> {
        let process = self.processes.get(&id).ok_or(Refusal::UnknownProcess(id))?;
        let down = matches!(process.phase, Phase::Down);
        let exit = process.last_exit.clone().map(Box::new);
        if self.stop_one(id)? {
            self.wait(id, reply, Until::Down);
        } else if down {
            self.reply_durably(reply, Ok(Outcome::Stopped(id, exit)));
        } else {
            self.reply(reply, Ok(Outcome::Stopped(id, None)));
        }
        Ok(())
    }

    /// Stops by a person's order; returns whether there is an end to wait for.
    pub(super) fn stop_one(&mut self, id: ProcessId) -> Result<bool, Refusal> {
        let process = self
            .processes
            .get_mut(&id)
            .ok_or(Refusal::UnknownProcess(id))?;
        match &mut process.phase {
            Phase::Live(live) => {
                live.after = After::Stay;
                live.shift.rest = Rest::Person;
                live.shift.reason = None;
                match live.stage {
                    Stage::Finishing { .. } => self.interrupt_to_stop(id),
                    stage if stage.is_stopping() => self.kill_run(id),
                    _ => self.begin_stop(id, None),
                }
                return Ok(true);
            }
            Phase::Down => self.keep_down(id),
            Phase::Failed | Phase::Backoff { .. } | Phase::Blocked { .. } => {
                self.rest(id, Rest::Person, "stopped by you", self.by);
            }
        }
        Ok(false)
    }

    pub(super) fn kill(&mut self, reply: ReplyId, id: ProcessId) -> Result<(), Refusal> {
        let process = self
            .processes
            .get_mut(&id)
            .ok_or(Refusal::UnknownProcess(id))?;
        match &mut process.phase {
            Phase::Live(live) => {
                live.after = After::Stay;
                live.shift.rest = Rest::Person;
                live.shift.reason = None;
                process.evidence = Evidence {
                    source: self.by.to_owned(),
                    at: self.now.wall,
                };
                self.kill_run(id);
                self.wait(id, reply, Until::Down);
                Ok(())
            }
            _ => self.stop(reply, id),
        }
    }

    pub(super) fn restart(&mut self, reply: ReplyId, id: ProcessId) -> Result<(), Refusal> {
        self.refuse_in_shutdown()?;
        let process = self.processes.get(&id).ok_or(Refusal::UnknownProcess(id))?;
        if process.live().is_none() {
            return self.start(reply, id);
        }
        self.restart_one(id);
        self.wait(id, reply, Until::Up);
        self.answer_waiters(id);
        Ok(())
    }

    /// Has a live run end and begin anew, by a person's order.
    pub(super) fn restart_one(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        let stopping = live.stage.is_stopping();
        live.after = After::Start;
        process.record.restarts += 1;
        process.offer_updates();
        if !stopping {
            self.begin_stop(id, None);
        }
        self.touch(id);
    }

    // What the orders are made of.

    /// Orders a run. Configuration and prompt are read when it happens.
    pub(super) fn launch(&mut self, id: ProcessId) {
        self.meta.run += 1;
        self.dirty.meta = true;
        let run = RunId(self.meta.run);
        let fresh = self.uuid();
        let now = self.now;
        let catalogue = self.catalogue.clone();
        let demo = self.options.demo;
        let others = self.colleagues_folders(id);
        self.enter_launch(id);
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let role = catalogue.role_for(&process.spec);
        let agent = role.and_then(|role| catalogue.agents.get(&role.agent));
        let (Some(role), Some(agent)) = (role, agent) else {
            let fault = Fault::new(
                FaultCode::EnvironmentSetupFailed,
                format!(
                    "the role `{}` is not in roles.toml any more",
                    process.spec.role
                ),
                "put the role back into roles.toml, or remove this process",
            );
            self.seen(id, "the configuration");
            self.block(id, fault);
            return;
        };
        process.protocol = if demo {
            Protocol::ClaudeStreamJson
        } else {
            agent.protocol
        };
        let begin = match process.conversations.last() {
            Some(last) if last.used => Begin::Resume(last.id),
            Some(last) => Begin::New(last.id),
            None => {
                let begun = Conversation {
                    id: fresh,
                    begun: now.wall,
                    used: false,
                };
                process.conversations.push(begun);
                Begin::New(fresh)
            }
        };
        let mut plan = plan(process, role, agent, (run, begin, demo));
        plan.worktree.others = others;
        let set_up = worktree::time_to_set_up(&plan.worktree);
        process.phase = Phase::Live(Box::new(Live {
            run,
            started: now.wall,
            started_mono: now.mono,
            stage: Stage::Launching {
                by: now.mono + LAUNCH + set_up,
            },
            after: After::Fail,
            turn: Turn::None,
            activity: Activity::Unknown,
            reached: true,
            settled: false,
            settle_by: None,
            messages: Vec::new(),
            blocked: None,
            up_since: None,
            details: None,
            version: None,
            mark: crate::domain::event::Mark::default(),
            outbox: Vec::new(),
            next_seq: 1,
            leader: None,
            doom: None,
            updates: None,
            dismissed: None,
            restart_when_idle: false,
            restart_in_turn: false,
            shift: Shift::default(),
            stuck: Vec::new(),
            held: None,
            sent: Vec::new(),
            hint: None,
            progress: None,
        }));
        process.evidence = Evidence {
            source: self.by.to_owned(),
            at: now.wall,
        };
        process.reason = String::new();
        self.touch(id);
        self.note(id, LogKind::System, &format!("starting ({run})"));
        self.durable.push(Effect::Launch(Box::new(plan)));
        self.give_standing_task(id);
    }

    /// Keeps down what is down: a person said so.
    pub(super) fn keep_down(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get_mut(&id)
            && process.upkeep.rest != Rest::Person
        {
            process.upkeep.rest = Rest::Person;
            process.reason = "stopped by you".to_owned();
            self.touch(id);
            self.look_at_schedules();
        }
    }

    /// Down, and meant to be.
    pub(super) fn rest(&mut self, id: ProcessId, rest: Rest, reason: &str, source: &str) {
        self.drop_standing_task(id);
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        process.phase = Phase::Down;
        process.upkeep.rest = rest;
        process.put_off = false;
        process.fault = None;
        process.forget_failures();
        process.reason = reason.to_owned();
        process.evidence = Evidence {
            source: source.to_owned(),
            at: self.now.wall,
        };
        self.touch(id);
        self.answer_waiters(id);
        // A plan that ends, or begins again.
        self.look_at_schedules();
    }

    /// Down until a cause outside is gone.
    pub(super) fn block(&mut self, id: ProcessId, fault: Fault) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let text = format!("{} is blocked: {fault}", process.name);
        // What was looked at in vain is known already.
        let news = process.looks == 0 || process.fault.as_ref() != Some(&fault);
        let look = next_look(process.looks);
        process.looks = process.looks.saturating_add(1);
        process.put_off = false;
        process.fault = Some(fault);
        let look = self.slot(id, self.now.mono + look);
        if let Some(process) = self.processes.get_mut(&id) {
            process.phase = Phase::Blocked { look };
        }
        self.touch(id);
        self.note(id, LogKind::Error, &text);
        if news {
            self.say(Level::Error, Some(id), text);
        }
        self.answer_waiters(id);
    }

    pub(super) fn wait(&mut self, id: ProcessId, reply: ReplyId, until: Until) {
        self.waiters
            .entry(id)
            .or_default()
            .push(Waiter { reply, until });
    }

    /// Answers those who wait for a process, if it has come to where they wait for.
    pub(super) fn answer_waiters(&mut self, id: ProcessId) {
        let Some(waiters) = self.waiters.remove(&id) else {
            return;
        };
        let (mut open, mut answers) = (Vec::new(), Vec::new());
        if let Some(process) = self.processes.get(&id) {
            for waiter in waiters {
                match answer_for(process, waiter.until) {
                    Some(answer) => answers.push((waiter.reply, waiter.until, answer)),
                    None => open.push(waiter),
                }
            }
        }
        if !open.is_empty() {
            self.waiters.insert(id, open);
        }
        for (reply, until, answer) in answers {
            // That it is down is a fact, on disk or not: a full disk keeps nobody waiting for it.
            match until {
                Until::Down => self.reply(reply, answer),
                Until::Up | Until::Created => self.reply_durably(reply, answer),
            }
        }
    }

    pub(super) fn refuse_in_shutdown(&self) -> Result<(), Refusal> {
        match self.shutdown {
            Some(_) => Err(Refusal::Ending),
            None => Ok(()),
        }
    }

    pub(super) fn live(&self, id: ProcessId) -> Option<&Live> {
        self.processes.get(&id)?.live()
    }

    pub(super) fn live_mut(&mut self, id: ProcessId) -> Option<&mut Live> {
        self.processes.get_mut(&id)?.live_mut()
    }

    pub(super) fn role_of(&self, id: ProcessId) -> Option<&Role> {
        self.catalogue.role_for(&self.processes.get(&id)?.spec)
    }

    pub(super) fn role_title(&self, id: ProcessId) -> String {
        self.role_of(id)
            .map_or_else(String::new, |role| role.title.clone())
    }
}

/// What a process is launched with.
pub(super) fn plan(
    process: &Process,
    role: &Role,
    agent: &Agent,
    (run, begin, simulated): (RunId, Begin, bool),
) -> LaunchPlan {
    LaunchPlan {
        process: process.id,
        run,
        name: process.name.clone(),
        role: role.clone(),
        agent: agent.clone(),
        simulated,
        spec: process.spec.clone(),
        working_directory: process.folder().to_owned(),
        worktree: worktree::plan(process, role),
        allowed: process.allowed.clone(),
        begin,
        put_back: process.rejected.is_some(),
    }
}

/// The answer for one who waits, or `None` while there is still something to wait for.
pub(super) fn answer_for(process: &Process, until: Until) -> Option<Result<Outcome, Refusal>> {
    let id = process.id;
    let up = match until {
        Until::Up => Outcome::Started(id),
        Until::Created => Outcome::Created(id),
        Until::Down => {
            let exit = process.last_exit.clone().map(Box::new);
            return match &process.phase {
                Phase::Live(live) if live.after == After::Start => {
                    let text = format!("{} was started again meanwhile", process.name);
                    Some(Err(Refusal::State(text)))
                }
                Phase::Live(_) => None,
                _ => Some(Ok(Outcome::Stopped(id, exit))),
            };
        }
    };
    match &process.phase {
        Phase::Live(live) if live.stage == Stage::Up => match (&live.blocked, &process.fault) {
            (Some(_), Some(fault)) => Some(Err(Refusal::Fault {
                process: id,
                fault: fault.clone(),
            })),
            _ => Some(Ok(up)),
        },
        Phase::Live(live) if live.stage.is_stopping() && live.after == After::Stay => Some(Err(
            Refusal::State(format!("{} was stopped meanwhile", process.name)),
        )),
        Phase::Live(_) => None,
        Phase::Down => match &process.last_exit {
            // A command that has done what it was to do.
            Some(_) if process.fault.is_none() && process.reason.starts_with("finished") => {
                Some(Ok(up))
            }
            _ => Some(Err(Refusal::State(format!(
                "{} was stopped meanwhile",
                process.name
            )))),
        },
        Phase::Failed | Phase::Backoff { .. } | Phase::Blocked { .. } => {
            let fault = process.fault.clone().unwrap_or_else(|| {
                Fault::new(FaultCode::FailedToStart, "it did not start", "see its log")
            });
            Some(Err(Refusal::Fault { process: id, fault }))
        }
    }
}
