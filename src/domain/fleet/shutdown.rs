//! How the instance ends: everybody is stopped, or left to another build that takes over.

use std::path::PathBuf;

use crate::domain::automation::Rest;
use crate::domain::command::{Outcome, Refusal};
use crate::domain::effect::ReplyId;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::staff::SHUTDOWN_FINISH;
use crate::domain::id::ProcessId;
use crate::domain::process::{After, Phase};

impl Fleet {
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
                Phase::Down | Phase::Failed | Phase::Blocked { .. } => {}
            }
        }
    }

    /// Leaves everything to another program: that it may, and that all of it is on disk.
    pub(super) fn hand_over(&mut self, reply: ReplyId, program: PathBuf) -> Result<(), Refusal> {
        if !self.options.hand_over {
            let text = "it runs in the terminal that shows it; leave that with q and start it anew";
            return Err(Refusal::State(text.to_owned()));
        }
        if self.shutdown.is_some() {
            return Err(Refusal::State("the instance is on its way down".to_owned()));
        }
        if self.again.is_some() {
            return Err(Refusal::NotStored(self.why_not_stored()));
        }
        self.successor.get_or_insert((program, reply));
        self.changed = true;
        Ok(())
    }

    /// The answer to an order that the end overtook.
    ///
    /// # Errors
    /// What was ordered is not done, and will not be.
    pub fn last_answer(&self, reply: ReplyId) -> Result<Outcome, Refusal> {
        let asked = |replies: &Vec<ReplyId>| replies.contains(&reply);
        if let Some((_, asker)) = &self.successor {
            return if *asker == reply {
                Ok(Outcome::Done)
            } else {
                let text = "a new build took over meanwhile; what was ordered goes on: \
                            `headcount ps` shows it";
                Err(Refusal::State(text.to_owned()))
            };
        }
        if self.shutdown.as_ref().is_some_and(asked) {
            Ok(Outcome::Done)
        } else if self.again.is_some() {
            let text = "the instance ended before there was room".to_owned();
            Err(Refusal::NotStored(text))
        } else {
            Err(Refusal::Gone)
        }
    }

    /// Whether a shutdown was asked for and nothing is left to wait for.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        if self.successor.is_some() {
            return self.pending.is_empty();
        }
        self.shutdown.is_some()
            && self
                .processes
                .values()
                .all(|process| process.live().is_none())
            && self.pending.is_empty()
    }

    /// Whether another program takes over: nothing new is looked at any more, the runs go on.
    #[must_use]
    pub fn is_handing_over(&self) -> bool {
        self.successor.is_some()
    }
}
