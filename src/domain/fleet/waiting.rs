//! Whom a task may go to, and why one still waits: in words for a person, with what is to be done about it.

use std::cmp::Reverse;

use jiff::Timestamp;

use crate::domain::automation::Rest;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::cluster::is_left_out;
use crate::domain::id::ProcessId;
use crate::domain::process::{Phase, Process};
use crate::domain::role::Role;
use crate::domain::snapshot::{Activity, Status};
use crate::domain::task::Target;
use crate::domain::time::hour;
use crate::domain::waits::Reason;

/// What is done about a task for whom nobody can be found.
const OTHERWISE: &str = "edit for whom it is, or take it back";

/// Why somebody cannot do a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It is a command that reads no tasks.
    Deaf,
    /// It does what stands in its role.
    Standing,
    Role,
    Cluster,
    Skills,
    /// It has no worktree, in which a branch of the task's own could be.
    OwnBranch,
}

impl Misfit {
    /// What is to be said of the one who does not fit.
    pub(super) fn words(self, target: &Target, process: &Process) -> String {
        let role = &process.spec.role;
        match self {
            Self::Deaf => "is a command that takes no tasks".to_owned(),
            Self::Standing => {
                "does what stands under `run` in its role, and nothing else; start it to have that done".to_owned()
            }
            Self::Role => {
                let wanted = target.role.as_deref().unwrap_or_default();
                format!("is {}, not {}", with_article(role), with_article(wanted))
            }
            Self::Cluster => {
                let wanted = target.cluster.as_deref().unwrap_or_default();
                format!("is not of the cluster {wanted}")
            }
            Self::Skills => {
                let one = with_article(role);
                format!("is {one}, who lacks {}", skills(&target.skills))
            }
            Self::OwnBranch => "has no git worktree for a branch of its own".to_owned(),
        }
    }
}

/// What brings somebody up.
#[derive(Debug)]
enum Remedy {
    /// What a person can do.
    Person(String),
    /// What it is a matter of, where automation will.
    Time(String),
}

impl Remedy {
    fn words(&self) -> &str {
        match self {
            Self::Person(text) | Self::Time(text) => text,
        }
    }
}

impl Fleet {
    /// Whether a process is one that may do a task of this target, be it free or not.
    pub(super) fn fits(&self, target: &Target, id: ProcessId) -> bool {
        target.process.is_none_or(|wanted| wanted == id)
            && self
                .processes
                .get(&id)
                .is_some_and(|process| self.misfit(target, process).is_none())
    }

    /// What keeps a process from tasks of a target, be it the one they are for or not.
    pub(super) fn misfit(&self, target: &Target, process: &Process) -> Option<Misfit> {
        if self.standing_text(process).is_some() && target.process != Some(process.id) {
            return Some(Misfit::Standing);
        }
        let role = target.role.as_ref();
        if role.is_some_and(|role| *role != process.spec.role) {
            return Some(Misfit::Role);
        }
        if target.cluster.is_some() && target.cluster != process.spec.cluster {
            return Some(Misfit::Cluster);
        }
        if !target.skills.is_empty() {
            let role = self.catalogue.role_for(&process.spec);
            if role.is_none_or(|role| !has_skills(role, &target.skills)) {
                return Some(Misfit::Skills);
            }
        }
        if target.own_branch && process.worktree.is_none() {
            return Some(Misfit::OwnBranch);
        }
        (!process.protocol.is_read()).then_some(Misfit::Deaf)
    }

    /// Why a task of this target waits.
    pub(super) fn why_waiting(&self, target: &Target) -> Reason {
        let fitting: Vec<&Process> = self
            .processes
            .values()
            .filter(|process| self.fits(target, process.id))
            .collect();
        if fitting.is_empty() {
            return Reason {
                text: self.why_nobody_fits(target).into(),
                is_stuck: true,
            };
        }
        let counted = self.counted_words(&fitting);
        let is_up = fitting.iter().any(|process| process.live().is_some());
        let remedy = if is_up {
            None
        } else {
            self.what_starts_one(target, &fitting)
        };
        let is_stuck = matches!(remedy, Some(Remedy::Person(_)));
        let remedy = remedy.map_or_else(String::new, |remedy| format!(": {}", remedy.words()));
        if let Some(id) = target.process {
            let state = counted.first().map_or("", |(words, _)| words.as_str());
            let text = format!("{} is {state}{remedy}", self.name_of(id)).into();
            return Reason { text, is_stuck };
        }
        let counted: Vec<String> = counted
            .into_iter()
            .map(|(words, count)| format!("{count} {words}"))
            .collect();
        let counted = counted.join(", ");
        let text = match (is_up, target.cluster.as_deref()) {
            (true, _) => format!("no idle {}: {counted}", whom(target)),
            (false, Some(cluster)) => format!("nobody of {cluster} is up, {counted}{remedy}"),
            (false, None) => format!("nobody who fits is up, {counted}{remedy}"),
        };
        Reason {
            text: text.into(),
            is_stuck,
        }
    }

    fn why_nobody_fits(&self, target: &Target) -> String {
        if let Some(id) = target.process {
            let process = self.processes.get(&id);
            let misfit = process.and_then(|process| {
                let misfit = self.misfit(target, process)?;
                Some(format!(
                    "{} {}",
                    process.name,
                    misfit.words(target, process)
                ))
            });
            let why = misfit.unwrap_or_else(|| format!("{id} was removed"));
            return format!("{why}: {OTHERWISE}");
        }
        let mut others = self.processes.values();
        if target.own_branch
            && others.any(|process| self.misfit(target, process) == Some(Misfit::OwnBranch))
        {
            return "nobody who fits has a git worktree for a branch of its own: hire with \
                    `--worktree always`"
                .to_owned();
        }
        let role = target
            .role
            .as_deref()
            .and_then(|key| self.catalogue.role(key));
        if let Some(role) = role.filter(|role| !has_skills(role, &target.skills)) {
            let lacks = skills(&target.skills);
            return format!("{} lacks {lacks}: {OTHERWISE}", with_article(&role.key));
        }
        if let Some(cluster) = target.cluster.as_deref() {
            return if self.team(cluster).next().is_some() {
                format!("nobody of {cluster} fits: {OTHERWISE}")
            } else {
                format!("{cluster} has nobody yet: `headcount cluster start {cluster}`")
            };
        }
        let mut roles = self.catalogue.roles.iter();
        let can = roles.find(|role| has_skills(role, &target.skills));
        match (&target.role, can) {
            (Some(role), _) => format!("nobody fits: hire {}", with_article(role)),
            (None, _) if target.skills.is_empty() => "nobody fits: hire somebody".to_owned(),
            (None, Some(role)) => format!("nobody fits: hire {}", with_article(&role.key)),
            (None, None) => format!("no role has {}: {OTHERWISE}", skills(&target.skills)),
        }
    }

    /// What brings up one of those who fit and are down; `None` if that is a matter of time.
    fn what_starts_one(&self, target: &Target, fitting: &[&Process]) -> Option<Remedy> {
        let mut on_demand = fitting.iter().filter(|one| self.waits_for_tasks(one));
        if let Some(one) = on_demand.next() {
            let most = self.catalogue.auto_start.max_processes;
            let text = if self.account_is_blocked(one) {
                format!("the account is blocked{}", self.account_until())
            } else if self.running() >= most {
                format!("{most} are up, and no more start by themselves")
            } else {
                "about to start".to_owned()
            };
            return Some(Remedy::Time(text));
        }
        let comes_back = |process: &&Process| matches!(process.phase, Phase::Backoff { .. });
        if fitting.iter().any(comes_back) {
            return None;
        }
        if let Some(cluster) = target.cluster.as_deref()
            && target.process.is_none()
        {
            let left_out = fitting.iter().all(|process| is_left_out(process));
            let text = match fitting.first().filter(|_| left_out) {
                Some(one) => format!(
                    "`headcount cluster scale {cluster} {}=1`",
                    target.role.as_ref().unwrap_or(&one.spec.role)
                ),
                None => format!("`headcount cluster start {cluster}`"),
            };
            return Some(Remedy::Person(text));
        }
        Some(Remedy::Person(match fitting {
            [one] => format!("start {}", one.name),
            _ => format!("start {}", with_article(&whom(target))),
        }))
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
            Phase::Backoff { at_wall, .. } => Some(*at_wall),
            Phase::Live(live) => live.blocked.and_then(|block| block.until_wall),
            Phase::Down | Phase::Failed | Phase::Blocked { .. } => None,
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
            (Status::Stopped, _) => match process.upkeep.rest {
                Rest::Person => "stopped by you".to_owned(),
                Rest::Scaled => "left out".to_owned(),
                Rest::New => "not started yet".to_owned(),
                Rest::Idle | Rest::Instance | Rest::Finished => "stopped".to_owned(),
            },
            (status, _) => status.as_str().to_owned(),
        }
    }

    /// Until when the account is blocked, as ` until 14:30`, where that is known.
    pub(super) fn account_until(&self) -> String {
        let live = self.processes.values().filter_map(Process::live);
        let until = live.filter_map(|live| live.blocked?.until_wall);
        let until = until.max().map(|at| format!(" until {}", self.clock(at)));
        until.unwrap_or_default()
    }

    pub(super) fn clock(&self, at: Timestamp) -> String {
        hour(at, self.now.wall, &self.options.zone)
    }
}

/// Who is looked for, as one of them is called.
fn whom(target: &Target) -> String {
    let one = match (&target.role, &target.cluster) {
        (Some(role), Some(cluster)) => format!("{role} of {cluster}"),
        (Some(role), None) => role.clone(),
        (None, Some(cluster)) => format!("member of {cluster}"),
        (None, None) => "employee".to_owned(),
    };
    match target.role {
        None if !target.skills.is_empty() => format!("{one} with {}", target.skills.join(", ")),
        _ => one,
    }
}

fn skills(wanted: &[String]) -> String {
    let plural = if wanted.len() == 1 { "skill" } else { "skills" };
    format!("the {plural} {}", wanted.join(", "))
}

fn has_skills(role: &Role, wanted: &[String]) -> bool {
    wanted.iter().all(|skill| role.skills.contains(skill))
}

fn with_article(who: &str) -> String {
    let vowel = who.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {who}", if vowel { "an" } else { "a" })
}
