//! Orders about processes: hire, start, stop, kill, restart, remove, shut down.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::automation::{Rest, Shift, Upkeep};
use crate::domain::chronicle::What;
use crate::domain::command::{NewProcess, Outcome, Refusal};
use crate::domain::effect::{Begin, Effect, LaunchPlan, ReplyId};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::preview::check_limits;
use crate::domain::fleet::{Fleet, Undo, Until, Waiter, worktree};
use crate::domain::id::{EmployeeId, ProcessId, RunId};
use crate::domain::log::LogKind;
use crate::domain::names;
use crate::domain::order::{Numbered, Order};
use crate::domain::process::{
    After, Block, Conversation, Live, Phase, Process, Record, Stage, Turn,
};
use crate::domain::restart::{Failures, next_look};
use crate::domain::role::{Agent, Protocol, Role};
use crate::domain::snapshot::{Activity, Evidence, Level, Status};

/// How long a launch may take until the agent's process exists.
const LAUNCH: Duration = Duration::from_secs(30);
/// How long an agent may take to say that it is ready.
pub(super) const READY: Duration = Duration::from_secs(60);
/// How long an interrupted turn may take to end.
pub(super) const INTERRUPT: Duration = Duration::from_secs(5);
/// How long an agent may take to end after its input was closed.
const CLOSE: Duration = Duration::from_secs(2);
/// How long a shutdown lets tasks go on.
const SHUTDOWN_FINISH: Duration = Duration::from_secs(60);

impl Fleet {
    pub(super) fn create(&mut self, reply: ReplyId, new: NewProcess) -> Result<(), Refusal> {
        self.refuse_in_shutdown()?;
        let starts = !new.no_start;
        let id = self.take_on(new)?;
        self.undo.push(Undo::Process(id, reply));
        if starts {
            self.wait(id, reply, Until::Created);
            self.launch(id);
        } else {
            self.reply_durably(reply, Ok(Outcome::Created(id)));
        }
        self.look_at_schedules();
        Ok(())
    }

    /// Hires, and leaves it to others to start.
    pub(super) fn take_on(&mut self, new: NewProcess) -> Result<ProcessId, Refusal> {
        check_limits(&new)?;
        let Some(role) = self.catalogue.role_for(&new) else {
            return Err(self.unknown_role(new.role));
        };
        let protocol = self.protocol_of(&role.agent);
        let name = match &new.name {
            Some(name) => self.checked_name(name)?,
            None => names::first_free(|name| self.has_name(name)),
        };
        self.meta.process += 1;
        self.meta.employee += 1;
        self.dirty.meta = true;
        let id = ProcessId(self.meta.process);
        let working_directory = new
            .working_directory
            .clone()
            .unwrap_or_else(|| self.options.workspace.clone());
        let process = Process {
            id,
            employee: EmployeeId(self.meta.employee),
            name,
            working_directory,
            worktree: None,
            work: None,
            protocol,
            phase: Phase::Down,
            evidence: Evidence {
                source: self.by.to_owned(),
                at: self.now.wall,
            },
            reason: "not started".to_owned(),
            shown: (Status::Stopped, Activity::Unknown),
            since: self.now.wall,
            tries: 0,
            failures: Failures::default(),
            looks: 0,
            fault: None,
            conversations: Vec::new(),
            conversations_before: 0,
            allowed: Vec::new(),
            record: Record::default(),
            last_tasks: Vec::new(),
            last_exit: None,
            last_run: None,
            history: VecDeque::new(),
            exits: VecDeque::new(),
            exits_ever: 0,
            turn_taken: 0,
            put_off: false,
            renewing: None,
            offered: None,
            rejected: None,
            upkeep: Upkeep {
                rest: Rest::New,
                ..Upkeep::default()
            },
            spec: new,
        };
        self.processes.insert(id, process);
        self.touch(id);
        let text = format!("as {}", self.role_title(id));
        self.enter(What::Hired, Some(id), &text);
        Ok(id)
    }

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
            Phase::Down | Phase::Failed | Phase::Backoff { .. } | Phase::Blocked(_) => {
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
            Phase::Failed | Phase::Backoff { .. } | Phase::Blocked(_) => {
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

    pub(super) fn remove(&mut self, reply: ReplyId, id: ProcessId) -> Result<(), Refusal> {
        let process = self.processes.get(&id).ok_or(Refusal::UnknownProcess(id))?;
        if process.live().is_some() {
            let text = format!("{} is not stopped; stop it first", process.name);
            return Err(Refusal::State(text));
        }
        let name = process.name.clone();
        self.processes.remove(&id);
        self.views.remove(&id);
        self.flights.remove(&id);
        self.last_minute.remove(&id);
        self.figures.remove(&id);
        self.end_checks(id);
        self.conditions.remove(&id);
        self.touch(id);
        self.durable.push(Effect::Forget { process: id });
        self.reply_durably(reply, Ok(Outcome::Done));
        self.say(
            Level::Info,
            None,
            format!("{name} ({id}) was removed; its log is kept"),
        );
        Ok(())
    }

    pub(super) fn shut_down(&mut self, reply: ReplyId, now: bool) {
        self.shutdown.get_or_insert_default().push(reply);
        self.changed = true;
        let ids: Vec<ProcessId> = self.processes.keys().copied().collect();
        for id in ids {
            let Some(process) = self.processes.get_mut(&id) else {
                continue;
            };
            match &mut process.phase {
                Phase::Live(live) => {
                    // Whoever stops already, does so for whom it was stopped by.
                    if !(live.stage.is_stopping() && live.after == After::Stay) {
                        live.shift.rest = Rest::Instance;
                        live.shift.reason = Some("stopped by the shutdown".to_owned());
                    }
                    live.after = After::Stay;
                    let stopping = live.stage.is_stopping();
                    if now {
                        self.kill_run(id);
                    } else if !stopping {
                        self.begin_stop(id, Some(SHUTDOWN_FINISH));
                    }
                }
                Phase::Backoff { .. } => {
                    self.rest(id, Rest::Instance, "stopped by the shutdown", self.by);
                }
                Phase::Down | Phase::Failed | Phase::Blocked(_) => {}
            }
        }
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
            self.block(id, fault, None);
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

    /// Begins the way down of a live run that is not on it yet.
    pub(super) fn begin_stop(&mut self, id: ProcessId, finish: Option<Duration>) {
        let waits = self.open_requests(id).next().is_some();
        let role_finish = self
            .role_of(id)
            .map_or(SHUTDOWN_FINISH, |role| role.finish_task);
        let finish = finish.map_or(role_finish, |finish| finish.min(role_finish));
        let by = self.now.mono + finish;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        process.evidence = Evidence {
            source: self.by.to_owned(),
            at: self.now.wall,
        };
        let (stage, turn) = (live.stage, live.turn);
        self.note(id, LogKind::System, &format!("stop asked: {}", self.by));
        let Some(Phase::Live(live)) = self.processes.get_mut(&id).map(|one| &mut one.phase) else {
            return;
        };
        match (stage, turn) {
            (Stage::Launching { .. } | Stage::Readying { .. }, _) => self.terminate(id),
            (_, Turn::Task { .. }) if !waits => {
                live.stage = Stage::Finishing { by };
                self.note(id, LogKind::System, "stopping after the current task");
            }
            (_, Turn::Task { .. }) => self.interrupt_to_stop(id),
            (_, Turn::Clearing { task, .. } | Turn::Placing { task, .. }) => {
                live.turn = Turn::None;
                self.return_task(task, "its process was stopped before it began");
                self.close(id);
            }
            (_, Turn::None) => self.close(id),
        }
        self.touch(id);
    }

    /// Interrupts the task of a run that is to stop.
    pub(super) fn interrupt_to_stop(&mut self, id: ProcessId) {
        let by = self.now.mono + INTERRUPT;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        live.stage = Stage::Interrupting { by };
        self.touch(id);
        self.note(id, LogKind::System, "interrupting the task to stop");
        self.done_to(id, "its task was interrupted");
        self.send(id, Order::Interrupt);
    }

    /// Closes the input of a run; an agent that has nothing to do ends by that.
    pub(super) fn close(&mut self, id: ProcessId) {
        let by = self.now.mono + CLOSE;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let takes_input = process.protocol == Protocol::ClaudeStreamJson;
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        if !takes_input {
            self.terminate(id);
            return;
        }
        let run = live.run;
        live.stage = Stage::Closing { by };
        self.touch(id);
        self.done_to(id, "its input was closed");
        self.note(id, LogKind::System, "asked to end: its input is closed");
        self.fx.push(Effect::CloseInput { process: id, run });
    }

    /// Asks the tree of a run to end.
    pub(super) fn terminate(&mut self, id: ProcessId) {
        let grace = self
            .role_of(id)
            .map_or(Duration::from_secs(10), |role| role.terminate);
        let by = self.now.mono + grace;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        let run = live.run;
        live.stage = Stage::Terminating { by };
        self.touch(id);
        self.done_to(id, "SIGTERM to its processes");
        self.note(id, LogKind::System, "asked to end by signal");
        self.fx.push(Effect::Terminate { process: id, run });
    }

    /// Ends the tree of a run at once.
    pub(super) fn kill_run(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        let run = live.run;
        if live.stage != Stage::Killing {
            live.stage = Stage::Killing;
            self.note(id, LogKind::System, "killing the whole tree");
        }
        self.touch(id);
        self.done_to(id, "SIGKILL to its whole tree");
        self.fx.push(Effect::Kill { process: id, run });
    }

    /// Puts an order into the outbox of a live run; it goes out once that is on disk.
    pub(super) fn send(&mut self, id: ProcessId, order: Order) {
        if let Some((run, order)) = self.enqueue(id, order) {
            self.durable.push(Effect::Send {
                process: id,
                run,
                order,
            });
        }
    }

    /// Has the conversation cleared, without waiting for the disk: that it is fresh does no harm if what it is for is not known any
    /// more when the next instance comes.
    pub(super) fn send_clear(&mut self, id: ProcessId, uuid: uuid::Uuid) {
        let live = self.processes.get(&id).and_then(Process::live);
        if live.is_none_or(|live| !live.outbox.is_empty()) {
            // Numbers must not overtake each other.
            return self.send(id, Order::Clear { uuid });
        }
        if let Some((run, order)) = self.enqueue(id, Order::Clear { uuid }) {
            self.fx.push(Effect::Send {
                process: id,
                run,
                order,
            });
        }
    }

    fn enqueue(&mut self, id: ProcessId, order: Order) -> Option<(RunId, Numbered)> {
        let live = self.processes.get_mut(&id)?.live_mut()?;
        let order = Numbered {
            seq: live.next_seq,
            order,
        };
        live.next_seq += 1;
        live.outbox.push(order.clone());
        let run = live.run;
        self.touch(id);
        Some((run, order))
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
    pub(super) fn block(&mut self, id: ProcessId, fault: Fault, block: Option<Block>) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let text = format!("{} is blocked: {fault}", process.name);
        // What was looked at in vain is known already.
        let news = process.looks == 0 || process.fault.as_ref() != Some(&fault);
        let look = next_look(process.looks);
        process.looks = process.looks.saturating_add(1);
        process.put_off = false;
        process.phase = Phase::Blocked(block.unwrap_or_default());
        process.fault = Some(fault);
        let look = self.slot(id, self.now.mono + look);
        if let Some(Phase::Blocked(block)) = self.processes.get_mut(&id).map(|p| &mut p.phase)
            && block.until.is_none()
        {
            block.look = Some(look);
        }
        self.touch(id);
        self.note(id, LogKind::Error, &text);
        if news {
            self.say(Level::Error, Some(id), text);
        }
        self.answer_waiters(id);
    }

    fn wait(&mut self, id: ProcessId, reply: ReplyId, until: Until) {
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
            Some(_) => Err(Refusal::State("headcount is shutting down".to_owned())),
            None => Ok(()),
        }
    }

    fn protocol_of(&self, agent: &str) -> Protocol {
        if self.options.demo {
            return Protocol::ClaudeStreamJson;
        }
        self.catalogue
            .agents
            .get(agent)
            .map_or(Protocol::ClaudeStreamJson, |agent| agent.protocol)
    }

    pub(super) fn role_of(&self, id: ProcessId) -> Option<&Role> {
        self.catalogue.role_for(&self.processes.get(&id)?.spec)
    }

    fn role_title(&self, id: ProcessId) -> String {
        self.role_of(id)
            .map_or_else(String::new, |role| role.title.clone())
    }

    fn has_name(&self, name: &str) -> bool {
        self.processes
            .values()
            .any(|process| process.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn checked_name(&self, name: &str) -> Result<String, Refusal> {
        let name = name.trim();
        let fits = !name.is_empty()
            && name.chars().count() <= 32
            && name
                .chars()
                .all(|char| char.is_alphanumeric() || " -_.'".contains(char));
        if !fits {
            let text = "a name has 1 to 32 letters, digits, spaces or -_.'";
            return Err(Refusal::Invalid(text.to_owned()));
        }
        if self.has_name(name) {
            return Err(Refusal::Invalid(format!(
                "there is an employee named {name} already"
            )));
        }
        Ok(name.to_owned())
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
        Phase::Failed | Phase::Backoff { .. } | Phase::Blocked(_) => {
            let fault = process.fault.clone().unwrap_or_else(|| {
                Fault::new(FaultCode::FailedToStart, "it did not start", "see its log")
            });
            Some(Err(Refusal::Fault { process: id, fault }))
        }
    }
}
