//! How a run is ended: after its task, by an interrupt, by the end of its input, by signals.

use std::time::Duration;

use crate::domain::effect::Effect;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::staff::SHUTDOWN_FINISH;
use crate::domain::id::ProcessId;
use crate::domain::log::LogKind;
use crate::domain::order::Order;
use crate::domain::process::{Phase, Stage, Turn};
use crate::domain::role::Protocol;
use crate::domain::snapshot::Evidence;

/// How long an interrupted turn may take to end.
pub(super) const INTERRUPT: Duration = Duration::from_secs(5);
/// How long an agent may take to end after its input was closed.
const CLOSE: Duration = Duration::from_secs(2);

impl Fleet {
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
        let Some(live) = self.live_mut(id) else {
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
        let Some(live) = self.live_mut(id) else {
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
        let Some(live) = self.live_mut(id) else {
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
}
