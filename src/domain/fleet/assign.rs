//! Who gets which task.

use jiff::Timestamp;

use crate::domain::fleet::Fleet;
use crate::domain::id::ProcessId;
use crate::domain::process::{Process, Record};
use crate::domain::role::LoadBalancing;
use crate::domain::task::Target;

/// What was done this long ago counts half for how busy somebody is.
const HALF: f64 = 3600.0;
/// How much the last task counts for how fast somebody is.
const LAST: f64 = 0.3;

impl Record {
    /// Takes note of an attempt that ended: of its length in seconds, and whether it succeeded.
    pub fn worked(&mut self, seconds: f64, succeeded: bool, now: Timestamp) {
        self.load_seconds = self.load(now) + seconds;
        self.load_at = Some(now);
        if succeeded {
            let before = self.pace_seconds.unwrap_or(seconds);
            self.pace_seconds = Some(before + LAST * (seconds - before));
        }
    }

    /// Seconds at work lately, those long ago counting less.
    #[must_use]
    pub fn load(&self, now: Timestamp) -> f64 {
        let age = self
            .load_at
            .map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        self.load_seconds * 0.5_f64.powf(age.max(0.0) / HALF)
    }
}

impl Fleet {
    /// Gives queued tasks to free processes: in the order of work, and among those that fit to the
    /// one whose turn it is.
    pub(super) fn dispatch(&mut self) {
        if self.queue.is_empty() || self.shutdown.is_some() {
            return;
        }
        let mut free: Vec<ProcessId> = self
            .processes
            .values()
            .filter(|process| process.is_free() && !self.handled.contains(&process.id))
            .map(|process| process.id)
            .collect();
        let (rule, now) = (self.catalogue.load_balancing, self.now.wall);
        free.sort_by_cached_key(|id| {
            let process = self.processes.get(id);
            process.map_or((0, 0), |process| turn(process, rule, now))
        });
        while !free.is_empty() {
            let next = self.queue.of_each().filter_map(|(target, same)| {
                let next = same.iter().find_map(|first| match self.returns(first.1) {
                    // Who was at it goes on with it; while that one comes up the next may go.
                    Some(process) => {
                        let place = free.iter().position(|id| *id == process.id)?;
                        Some(Some((*first, place)))
                    }
                    None => Some(self.whose_turn(target, &free).map(|place| (*first, place))),
                });
                next.flatten()
            });
            let next = next.min();
            let Some(((_, task), place)) = next else {
                return;
            };
            let process = free.remove(place);
            match self.elsewhere(task, process) {
                Some(conversation) => self.go_back(process, task, conversation),
                None => self.lease(task, process),
            }
        }
    }

    /// The place of the one of the free who gets a task of this target: these are in the order of the
    /// rule that holds for all, and a cluster may have one of its own.
    fn whose_turn(&self, target: &Target, free: &[ProcessId]) -> Option<usize> {
        let rule = target.cluster.as_deref().and_then(|key| {
            let rule = self.catalogue.cluster(key)?.load_balancing;
            (rule != self.catalogue.load_balancing).then_some(rule)
        });
        let mut fitting = free
            .iter()
            .enumerate()
            .filter(|(_, one)| self.fits(target, **one));
        let Some(rule) = rule else {
            return fitting.next().map(|(place, _)| place);
        };
        let turn = |id| {
            let process = self.processes.get(id);
            process.map(|process| turn(process, rule, self.now.wall))
        };
        fitting
            .min_by_key(|(_, id)| turn(*id))
            .map(|(place, _)| place)
    }
}

/// Whose turn it is: the smallest first; who was asked longest ago where the rule sees no difference.
fn turn(process: &Process, rule: LoadBalancing, now: Timestamp) -> (u64, u64) {
    let tenths = |seconds: f64| (seconds * 10.0).round() as u64;
    let first = match rule {
        LoadBalancing::RoundRobin => 0,
        LoadBalancing::LeastBusy => tenths(process.record.load(now)),
        // Of whom nothing is known yet something is to be learned.
        LoadBalancing::Fastest => process.record.pace_seconds.map_or(0, tenths),
    };
    (first, process.turn_taken)
}
