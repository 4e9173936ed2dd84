//! Runs of the kinds `monitoring` and `utility`: an agent with a standing text, or a command. Each
//! start is one run; when it has done its task it is down again. What a monitoring run finds is said.

use std::sync::Arc;

use crate::domain::alert::{AlertKind, AlertLevel};
use crate::domain::automation::Rest;
use crate::domain::exit::{Exit, ExitStatus};
use crate::domain::fleet::Fleet;
use crate::domain::fleet::lifecycle::EXIT;
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::process::Process;
use crate::domain::role::{Kind, Protocol};
use crate::domain::task::{AttemptEnd, NewTask, Target, Task, TaskState};

/// What a monitoring agent is told besides its text, so that its answer can be judged.
const JUDGED: &str = "Begin your answer with OK if nothing needs anybody's attention. \
    Otherwise begin it with one line that says what does.";
/// How much of a finding is shown in one line.
const LINE: usize = 300;
/// How many last lines of a command are its finding.
const LAST_LINES: usize = 3;

impl Fleet {
    /// What a process does whenever it is started, if its role has that for its kind.
    pub(super) fn standing_text<'a>(&'a self, process: &Process) -> Option<&'a str> {
        let role = self.catalogue.role_for(&process.spec)?;
        let run = role.automation.run.as_deref()?;
        (self.kind_of(process).has_runs() && process.protocol == Protocol::ClaudeStreamJson)
            .then_some(run)
    }

    /// Gives a process that is being started its standing task; one that is not over goes on.
    pub(super) fn give_standing_task(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get(&id) else {
            return;
        };
        let Some(text) = self.standing_text(process) else {
            return;
        };
        let open = |task: &TaskId| {
            self.tasks
                .get(task)
                .is_some_and(|task| !task.state.is_final())
        };
        if process.upkeep.standing.as_ref().is_some_and(open) {
            return;
        }
        let text = match self.kind_of(process) {
            Kind::Monitoring => format!("{}\n\n{JUDGED}", text.trim_end()),
            _ => text.to_owned(),
        };
        let task = TaskId(self.meta.task + 1);
        let target = Target {
            process: Some(id),
            ..Target::default()
        };
        let new = NewTask {
            target,
            ..NewTask::default()
        };
        self.take_in(task, new, None, Vec::new(), text);
        if let Some(process) = self.processes.get_mut(&id) {
            process.upkeep.standing = Some(task);
        }
        self.touch(id);
    }

    /// Ends the runs whose task is settled, in whatever way.
    pub(super) fn end_settled_runs(&mut self) {
        let settled: Vec<(ProcessId, Arc<Task>)> = self
            .processes
            .values()
            .filter_map(|process| {
                let task = self.tasks.get(&process.upkeep.standing?)?;
                task.state
                    .is_final()
                    .then(|| (process.id, Arc::clone(task)))
            })
            .collect();
        for (id, task) in settled {
            if let Some(process) = self.processes.get_mut(&id) {
                process.upkeep.standing = None;
                self.touch(id);
            }
            let line = self.judge(id, &task);
            self.end_by_itself(id, Rest::Finished, format!("finished: {line}"));
        }
    }

    /// What came of a run in one line; a finding is said aloud.
    fn judge(&mut self, id: ProcessId, task: &Task) -> String {
        let watches = self
            .processes
            .get(&id)
            .is_some_and(|process| self.kind_of(process) == Kind::Monitoring);
        match (&task.result, task.state) {
            (Some(result), TaskState::Succeeded) => {
                let line = first_line(&result.text);
                if watches && !is_ok(&result.text) {
                    self.found(id, &line);
                }
                line
            }
            (_, TaskState::Cancelled) => "its run was taken back".to_owned(),
            _ => {
                let error = task.error.as_deref().unwrap_or("it came to nothing");
                let line = format!("its run failed: {}", first_line(error));
                if watches {
                    self.found(id, &line);
                }
                line
            }
        }
    }

    /// The end of a monitoring command that nobody asked for: another code than 0 is a finding, not
    /// a failure. Returns whether it was one.
    pub(super) fn found_by_command(&mut self, id: ProcessId, exit: &Exit) -> bool {
        let watches = self.processes.get(&id).is_some_and(|process| {
            !process.protocol.is_read() && self.kind_of(process) == Kind::Monitoring
        });
        let ExitStatus::Code(code) = exit.status else {
            return false;
        };
        if !watches || code == 0 {
            return false;
        }
        let mut last: Vec<&str> = exit
            .stderr_tail
            .lines()
            .rev()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .take(LAST_LINES)
            .collect();
        last.reverse();
        let said = match last.as_slice() {
            [] => "it said nothing".to_owned(),
            last => last.join(" / "),
        };
        let line = first_line(&format!("exit code {code}: {said}"));
        self.found(id, &line);
        self.rest(id, Rest::Finished, &format!("finished: {line}"), EXIT);
        true
    }

    /// What a monitoring run found is an alert: in its log, and to whoever looks.
    fn found(&mut self, id: ProcessId, line: &str) {
        let text = format!("found: {line}");
        self.raise(AlertKind::Finding, AlertLevel::Warning, Some(id), text);
    }

    /// The run of a process that comes to rest is over, whatever became of it.
    pub(super) fn drop_standing_task(&mut self, id: ProcessId) {
        let task = self
            .processes
            .get_mut(&id)
            .and_then(|process| process.upkeep.standing.take());
        let Some(task) = task else { return };
        let open = |task: &Arc<Task>| !task.state.is_final();
        if self.tasks.get(&task).is_some_and(open) {
            let reason = "its process was stopped";
            self.end_attempt(task, AttemptEnd::Cancelled, reason);
            self.with_task(task, |task| {
                task.state = TaskState::Cancelled;
                task.error = Some(reason.to_owned());
            });
        }
    }
}

/// Whether an answer says that all is well: it begins with the word OK.
fn is_ok(answer: &str) -> bool {
    let begins = answer.trim_start_matches(|c: char| !c.is_alphanumeric());
    begins
        .strip_prefix("OK")
        .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or("it said nothing");
    match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_ok_by_its_first_word() {
        for (answer, ok) in [
            ("OK", true),
            ("OK: nothing to do", true),
            ("\n**OK** all is well", true),
            ("OKAY", false),
            ("ok", false),
            ("The disk is full. Otherwise OK", false),
            ("", false),
        ] {
            assert_eq!(is_ok(answer), ok, "{answer:?}");
        }
    }
}
