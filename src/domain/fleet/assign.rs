//! Who gets which task, and why a task still waits.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::fleet::Fleet;
use crate::domain::id::ProcessId;
use crate::domain::process::{Process, Record};
use crate::domain::role::LoadBalancing;
use crate::domain::snapshot::{Activity, Status};
use crate::domain::task::Target;
use crate::domain::time::hour;

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

    /// Whether a process is one that may do a task of this target, be it free or not.
    pub(super) fn fits(&self, target: &Target, id: ProcessId) -> bool {
        let Some(process) = self.processes.get(&id) else {
            return false;
        };
        if self.standing_text(process).is_some() && target.process != Some(id) {
            // It does what stands in its role.
            return false;
        }
        target.process.is_none_or(|wanted| wanted == id)
            && (!target.own_branch || process.worktree.is_some())
            && (target.cluster.is_none() || target.cluster == process.spec.cluster)
            && target
                .role
                .as_ref()
                .is_none_or(|role| *role == process.spec.role)
            && (target.skills.is_empty()
                || self.catalogue.role_for(&process.spec).is_some_and(|role| {
                    target
                        .skills
                        .iter()
                        .all(|skill| role.skills.contains(skill))
                }))
    }

    /// Why a task of this target waits, in words for a person.
    pub(super) fn why_waiting(&self, target: &Target) -> Arc<str> {
        let fitting: Vec<&Process> = self
            .processes
            .values()
            .filter(|process| self.fits(target, process.id) && process.protocol.is_read())
            .collect();
        let who = match (&target.process, &target.role) {
            (Some(process), _) => self.name_of(*process),
            (None, role) if target.cluster.is_some() => {
                let cluster = target.cluster.as_deref().unwrap_or_default();
                format!("{} of {cluster}", role.as_deref().unwrap_or("member"))
            }
            (None, Some(role)) => role.clone(),
            (None, None) if !target.skills.is_empty() => {
                format!("somebody with {}", target.skills.join(", "))
            }
            (None, None) => "somebody".to_owned(),
        };
        if fitting.is_empty() && target.own_branch {
            let anywhere = Target {
                own_branch: false,
                ..target.clone()
            };
            let others = self.processes.values();
            if others
                .into_iter()
                .any(|process| self.fits(&anywhere, process.id))
            {
                return "nobody who fits has a git worktree for a branch of its own: hire with \
                        `--worktree always`"
                    .into();
            }
        }
        if let Some(cluster) = target.cluster.as_deref()
            && target.process.is_none()
            && fitting.iter().all(|process| process.live().is_none())
        {
            let start = format!("`headcount cluster start {cluster}`");
            let team = |one: &&Process| one.spec.cluster.as_deref() == Some(cluster);
            return match self.processes.values().find(team) {
                None => format!("{cluster} has nobody yet: {start}").into(),
                Some(_) if fitting.is_empty() => format!("nobody of {cluster} fits").into(),
                Some(_) => {
                    let counted: Vec<String> = self
                        .counted_words(&fitting)
                        .into_iter()
                        .map(|(words, count)| format!("{count} {words}"))
                        .collect();
                    format!("nobody of {cluster} is up, {}: {start}", counted.join(", ")).into()
                }
            };
        }
        if fitting.is_empty() {
            return match target.process {
                Some(id) if self.processes.contains_key(&id) => {
                    format!("{who} does not fit: take the task back").into()
                }
                Some(id) => format!("{id} was removed: take the task back").into(),
                None => format!("nobody fits: hire {}", with_article(&who)).into(),
            };
        }
        let counted = self.counted_words(&fitting);
        if target.process.is_some() {
            let state = counted.first().map_or("", |(words, _)| words.as_str());
            return format!("{who} is {state}").into();
        }
        let counted: Vec<String> = counted
            .into_iter()
            .map(|(words, count)| format!("{count} {words}"))
            .collect();
        let counted = counted.join(", ");
        if fitting.iter().any(|process| process.live().is_some()) {
            let whom = if target.role.is_some() || target.cluster.is_some() {
                who
            } else {
                format!("{who} that fits")
            };
            let whom = whom.replace("somebody that fits", "employee");
            format!("no idle {whom}: {counted}").into()
        } else {
            format!(
                "nobody who fits is up, {counted}: start {}",
                with_article(&who)
            )
            .into()
        }
    }

    /// What those who fit are at, the most frequent first.
    fn counted_words(&self, processes: &[&Process]) -> Vec<(String, usize)> {
        let mut counted: Vec<(String, usize)> = Vec::new();
        for process in processes {
            let words = self.at_present(process);
            match counted.iter_mut().find(|(known, _)| *known == words) {
                Some((_, count)) => *count += 1,
                None => counted.push((words, 1)),
            }
        }
        counted.sort_by_key(|(_, count)| Reverse(*count));
        counted
    }

    fn at_present(&self, process: &Process) -> String {
        let waiting = self.open_requests(process.id).next().is_some();
        let until = match &process.phase {
            crate::domain::process::Phase::Backoff { at_wall, .. } => Some(*at_wall),
            crate::domain::process::Phase::Blocked(block) => block.until_wall,
            crate::domain::process::Phase::Live(live) => {
                live.blocked.and_then(|block| block.until_wall)
            }
            _ => None,
        };
        let until = until.map(|at| format!(" until {}", self.clock(at)));
        match process.status(waiting) {
            (Status::Running, Activity::Idle) if !process.is_free() => {
                "about to be free".to_owned()
            }
            (Status::Running, Activity::Idle) => "idle".to_owned(),
            (Status::Running, _) => "busy".to_owned(),
            (Status::Waiting, _) => "waiting for you".to_owned(),
            (Status::Blocked, _) => format!("blocked{}", until.unwrap_or_default()),
            (Status::Backoff, _) => format!("in backoff{}", until.unwrap_or_default()),
            (Status::Error, _) => "in error".to_owned(),
            (status, _) => status.as_str().to_owned(),
        }
    }

    pub(super) fn clock(&self, at: Timestamp) -> String {
        hour(at, self.now.wall, &self.options.zone)
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

fn with_article(who: &str) -> String {
    if who.starts_with("somebody") {
        return who.to_owned();
    }
    let vowel = who.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {who}", if vowel { "an" } else { "a" })
}
