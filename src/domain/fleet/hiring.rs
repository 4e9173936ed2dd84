//! Who is taken on, under which name, and who is let go.

use std::collections::VecDeque;

use crate::domain::automation::{Rest, Upkeep};
use crate::domain::chronicle::What;
use crate::domain::command::{NewProcess, Outcome, Refusal};
use crate::domain::effect::{Effect, ReplyId};
use crate::domain::fleet::preview::check_new;
use crate::domain::fleet::worktree::handled;
use crate::domain::fleet::writing::Undo;
use crate::domain::fleet::{Fleet, Until};
use crate::domain::id::{EmployeeId, ProcessId};
use crate::domain::names;
use crate::domain::process::{Phase, Process, Record};
use crate::domain::restart::Failures;
use crate::domain::role::Protocol;
use crate::domain::snapshot::{Activity, Evidence, Level, Status};

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
        check_new(&new)?;
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

    pub(super) fn remove(&mut self, reply: ReplyId, id: ProcessId) -> Result<(), Refusal> {
        let process = self.processes.get(&id).ok_or(Refusal::UnknownProcess(id))?;
        if process.live().is_some() {
            let text = format!("{} is not stopped; stop it first", process.name);
            return Err(Refusal::State(text));
        }
        if self.handled.contains(&id) {
            return Err(handled(process));
        }
        let Some(worktree) = process.worktree.clone() else {
            self.let_go(reply, id, Outcome::Done);
            return Ok(());
        };
        let name = process.name.clone();
        // Nothing starts it while its work is put away; where that cannot be, it is there, and down.
        self.stop_one(id)?;
        self.handled.insert(id);
        self.leaving.insert(id, self.by);
        self.fx.push(Effect::Clear {
            reply,
            process: id,
            name,
            worktree: Box::new(worktree),
        });
        Ok(())
    }

    /// The worktree of one who is let go is away, or it cannot be: then they stay.
    pub(super) fn worktree_cleared(
        &mut self,
        reply: ReplyId,
        id: ProcessId,
        result: Result<Outcome, Refusal>,
    ) {
        self.handled.remove(&id);
        if let Some(by) = self.leaving.remove(&id) {
            self.by = by;
        }
        match result {
            Ok(outcome) => self.let_go(reply, id, outcome),
            Err(refusal) => self.reply(reply, Err(refusal)),
        }
    }

    fn let_go(&mut self, reply: ReplyId, id: ProcessId, outcome: Outcome) {
        let name = self.name_of(id);
        self.enter(What::Removed, Some(id), "let go; its log is kept");
        // One whose next start was due has a run that is not over.
        self.drop_standing_task(id);
        self.processes.remove(&id);
        self.views.remove(&id);
        self.flights.remove(&id);
        self.last_minute.remove(&id);
        self.figures.remove(&id);
        self.end_checks(id);
        self.conditions.remove(&id);
        self.touch(id);
        self.durable.push(Effect::Forget { process: id });
        self.reply_durably(reply, Ok(outcome));
        self.say(
            Level::Info,
            None,
            format!("{name} ({id}) was removed; its log is kept"),
        );
    }

    pub(super) fn protocol_of(&self, agent: &str) -> Protocol {
        if self.options.demo {
            return Protocol::ClaudeStreamJson;
        }
        self.catalogue
            .agents
            .get(agent)
            .map_or(Protocol::ClaudeStreamJson, |agent| agent.protocol)
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
        if is_like_an_id(name) {
            let text = format!("{name} looks like an id: another could not be told from it");
            return Err(Refusal::Invalid(text));
        }
        if self.has_name(name) {
            return Err(Refusal::Invalid(format!(
                "there is an employee named {name} already"
            )));
        }
        Ok(name.to_owned())
    }
}

/// Whether a name could be taken for an id, of whatever that is.
fn is_like_an_id(name: &str) -> bool {
    let name = name.to_lowercase().replace(['-', ' '], "_");
    name.rsplit_once('_').is_some_and(|(kind, digits)| {
        matches!(kind, "proc" | "emp" | "task" | "run" | "req" | "alert")
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}
