//! What is due for a process when a deadline comes.

use std::time::Duration;

use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fleet::Fleet;
use crate::domain::fleet::staff::READY;
use crate::domain::id::ProcessId;
use crate::domain::process::{Ending, Phase, Stage, Turn};
use crate::domain::snapshot::{Activity, Evidence};
use crate::domain::time::Mono;

impl Fleet {
    /// Does what is due for one process. Each arm moves its deadline or takes it away.
    pub(super) fn process_due(&mut self, id: ProcessId) {
        let now = self.now.mono;
        let mut forgotten = Vec::new();
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        match &mut process.phase {
            Phase::Down | Phase::Failed => {}
            Phase::Backoff { .. } | Phase::Blocked { .. } => self.start_by_itself(id),
            Phase::Live(live) => {
                if live.settle_by.is_some_and(|by| by <= now) {
                    live.settle_by = None;
                    live.settled = true;
                    live.activity = Activity::Idle;
                    process.evidence = Evidence {
                        source: "no word of it since its result".to_owned(),
                        at: self.now.wall,
                    };
                    forgotten = std::mem::take(&mut live.messages);
                }
                if live
                    .blocked
                    .and_then(|block| block.until)
                    .is_some_and(|until| until <= now)
                {
                    live.blocked = None;
                    process.fault = None;
                    process.evidence = Evidence {
                        source: "the clock: the time that was said has come".to_owned(),
                        at: self.now.wall,
                    };
                }
                let overdue = matches!(
                    live.turn,
                    Turn::Task { ending: Some(Ending { by, .. }), .. } | Turn::Clearing { by, .. }
                        if by <= now
                );
                if overdue {
                    // Served: the kill has no deadline of its own.
                    live.turn = match live.turn {
                        Turn::Task {
                            task,
                            ending: Some(ending),
                        } => Turn::Task {
                            task,
                            ending: Some(Ending {
                                by: Mono(u64::MAX),
                                ..ending
                            }),
                        },
                        Turn::Clearing { task, message, .. } => Turn::Clearing {
                            task,
                            message,
                            by: Mono(u64::MAX),
                        },
                        turn => turn,
                    };
                }
                let stage = live.stage;
                self.touch(id);
                self.lose(id, &forgotten);
                if stage.deadline().is_some_and(|by| by <= now) {
                    self.stage_due(id, stage);
                } else if overdue {
                    self.fail_live(
                        id,
                        Fault::new(
                            FaultCode::Crashed,
                            "the agent did not answer in time: its turn would not end",
                            "nothing to do: it is started again",
                        ),
                    );
                }
            }
        }
    }

    fn stage_due(&mut self, id: ProcessId, stage: Stage) {
        match stage {
            Stage::Launching { by } => {
                let live = self.live(id);
                let time = live.map_or(Duration::ZERO, |live| by.since(live.started_mono));
                self.fail_live(
                    id,
                    Fault::new(
                        FaultCode::FailedToStart,
                        format!("it was not launched within {} s", time.as_secs()),
                        "see headcount.log, and whether the machine is overloaded",
                    ),
                );
            }
            Stage::Readying { .. } => {
                self.fail_live(
                    id,
                    Fault::new(
                        FaultCode::FailedToStart,
                        format!(
                            "the agent did not say within {} s that it is ready",
                            READY.as_secs()
                        ),
                        "see its log; run the agent by hand in its working directory",
                    ),
                );
            }
            Stage::Finishing { .. } => self.interrupt_to_stop(id),
            Stage::Interrupting { .. } | Stage::Closing { .. } => self.terminate(id),
            Stage::Terminating { .. } => self.kill_run(id),
            Stage::Up | Stage::Killing => {}
        }
    }
}
