//! Failures: how a run ends as one, and what follows by the policy.

use crate::domain::fault::Fault;
use crate::domain::fleet::Fleet;
use crate::domain::id::ProcessId;
use crate::domain::log::LogKind;
use crate::domain::process::Phase;
use crate::domain::snapshot::{Evidence, Level};

impl Fleet {
    /// Kills a live run as a failure, and says why; its end is counted by the restart policy. The
    /// first reason holds. What was ordered before holds as well: a run that is being stopped is
    /// killed, and its end stays a stop.
    pub(super) fn fail_live(&mut self, id: ProcessId, fault: Fault) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let Phase::Live(live) = &mut process.phase else {
            return;
        };
        let text = fault.to_string();
        live.doom.get_or_insert(fault);
        self.note(id, LogKind::Error, &text);
        self.kill_run(id);
    }

    /// Counts a failure: a restart is due after the delay, or the limit is reached.
    pub(super) fn failed(&mut self, id: ProcessId, fault: Fault) {
        let policy = self.catalogue.auto_restart;
        let shutting_down = self.shutdown.is_some();
        let now = self.now;
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let name = process.name.clone();
        process.tries += 1;
        process.fault = Some(fault.clone());
        process.evidence = Evidence {
            source: "exit report".to_owned(),
            at: now.wall,
        };
        let again = policy.enabled && process.tries <= policy.max_retries && !shutting_down;
        let text = if again {
            let at = now + policy.retry_delay;
            process.phase = Phase::Backoff {
                at: at.mono,
                at_wall: at.wall,
            };
            let seconds = policy.retry_delay.as_secs();
            let (tries, most) = (process.tries, policy.max_retries);
            format!("{name}: {fault}; restart {tries} of {most} in {seconds} s")
        } else {
            process.phase = Phase::Failed;
            format!(
                "{name}: {fault}; left down after {} failures",
                process.tries
            )
        };
        self.touch(id);
        self.note(id, LogKind::Error, &text);
        self.say(
            if again { Level::Warning } else { Level::Error },
            Some(id),
            text,
        );
        self.answer_waiters(id);
    }
}
