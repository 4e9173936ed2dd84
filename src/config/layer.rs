//! What may stand in `[defaults]`, a department, a role and a cluster's member; the innermost wins.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use crate::domain::automation::{Autostart, IdleStop};
use crate::domain::role::{Kind, PromptMode, WhenChanged, WhenCut};
use crate::domain::sandbox::SandboxLevel;
use crate::domain::schedule::Schedule;
use crate::domain::worktree::UseWorktree;

use super::reader::{Table, Value};
use super::restart::Restart;

/// More cores than any machine has.
const MOST_CORES: f64 = 65_536.0;
/// More dollars than any budget has.
const MOST_DOLLARS: f64 = 1_000_000_000.0;

/// A value and its place in the file.
pub(super) type Set<T> = Option<Spanned<T>>;

/// A range of which either end may be left to an outer layer.
#[derive(Debug, Clone)]
pub(super) struct Bounds<T> {
    pub(super) min: Set<T>,
    pub(super) max: Set<T>,
}

impl<T> Default for Bounds<T> {
    fn default() -> Self {
        Self {
            min: None,
            max: None,
        }
    }
}

/// One layer: what it sets, each with its place, so that a mistake found later can point at it.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub(super) agent: Set<String>,
    pub(super) kind: Set<Kind>,
    pub(super) prompt_mode: Set<PromptMode>,
    pub(super) skills: Option<Vec<Spanned<String>>>,
    pub(super) tools: Option<Vec<Spanned<String>>>,
    pub(super) ask: Option<Vec<Spanned<String>>>,
    pub(super) deny: Option<Vec<Spanned<String>>>,
    pub(super) environment: BTreeMap<String, Spanned<String>>,
    pub(super) env_file: Set<String>,
    pub(super) model: Set<String>,
    pub(super) max_turns: Set<u32>,
    pub(super) budget_usd: Set<f64>,
    pub(super) cpu: Bounds<f64>,
    pub(super) memory: Bounds<u64>,
    pub(super) finish_task: Set<Duration>,
    pub(super) terminate: Set<Duration>,
    pub(super) task_timeout: Set<Duration>,
    pub(super) task_retries: Set<u32>,
    pub(super) task_retry_delay: Set<Duration>,
    pub(super) when_cut: Set<WhenCut>,
    pub(super) auto_restart: Restart,
    pub(super) health_interval: Set<Duration>,
    pub(super) health_timeout: Set<Duration>,
    pub(super) health_silence: Set<Duration>,
    pub(super) health_restart: Set<bool>,
    pub(super) autostart: Set<Autostart>,
    pub(super) schedule: Set<Schedule>,
    pub(super) idle: Set<IdleStop>,
    pub(super) restart_schedule: Set<Schedule>,
    pub(super) restart_after_tasks: Set<u32>,
    pub(super) restart_after: Set<Duration>,
    pub(super) worktree: Worktree,
    pub(super) when_changed: Set<WhenChanged>,
    pub(super) sandbox: Sandbox,
}

/// The `sandbox` table of a layer.
#[derive(Debug, Clone, Default)]
pub(super) struct Sandbox {
    pub(super) level: Set<SandboxLevel>,
    pub(super) best_effort: Set<bool>,
    pub(super) write: Option<Vec<Spanned<String>>>,
    pub(super) ports: Option<Vec<Spanned<u16>>>,
}

impl Sandbox {
    fn read(table: &Table<'_>) -> Self {
        let Some(table) = table.table("sandbox") else {
            return Self::default();
        };
        let sandbox = Self {
            level: table.read("level", sandbox_level),
            best_effort: table.read("best_effort", Value::boolean),
            write: texts(&table, "write"),
            ports: table.get("ports").and_then(|value| value.list(port)),
        };
        table.finish();
        sandbox
    }

    fn over(self, outer: Self) -> Self {
        Self {
            level: self.level.or(outer.level),
            best_effort: self.best_effort.or(outer.best_effort),
            write: self.write.or(outer.write),
            ports: self.ports.or(outer.ports),
        }
    }
}

fn port(value: &Value<'_>) -> Option<u16> {
    u16::try_from(value.whole(1..=65_535)?).ok()
}

fn sandbox_level(value: &Value<'_>) -> Option<SandboxLevel> {
    value.choice(&[
        ("off", SandboxLevel::Off),
        ("workspace", SandboxLevel::Workspace),
        ("strict", SandboxLevel::Strict),
    ])
}

/// The `worktree` table of a layer.
#[derive(Debug, Clone, Default)]
pub(super) struct Worktree {
    pub(super) when: Set<UseWorktree>,
    pub(super) base: Set<String>,
    pub(super) setup: Option<Vec<Spanned<String>>>,
    pub(super) copy: Option<Vec<Spanned<String>>>,
    pub(super) per_task: Set<bool>,
}

impl Worktree {
    fn read(table: &Table<'_>) -> Self {
        let Some(table) = table.table("worktree") else {
            return Self::default();
        };
        let worktree = Self {
            when: table.read("when", use_worktree),
            base: table.read("base", Value::text),
            setup: texts(&table, "setup"),
            copy: texts(&table, "copy"),
            per_task: table.read("per_task", Value::boolean),
        };
        table.finish();
        worktree
    }

    fn over(self, outer: Self) -> Self {
        Self {
            when: self.when.or(outer.when),
            base: self.base.or(outer.base),
            setup: self.setup.or(outer.setup),
            copy: self.copy.or(outer.copy),
            per_task: self.per_task.or(outer.per_task),
        }
    }
}

impl Layer {
    /// Reads the keys of a layer; the caller reads the table's other keys and finishes it.
    pub(super) fn read(table: &Table<'_>) -> Self {
        let stop = table.table("stop");
        let task = table.table("task");
        let health = table.table("health");
        let in_health = |key| health.as_ref()?.read(key, Value::interval);
        let restart = table.table("restart");
        let in_stop = |key| stop.as_ref()?.read(key, Value::duration);
        let layer = Self {
            agent: table.read("agent", Value::text),
            kind: table.read("kind", kind),
            prompt_mode: table.read("prompt_mode", prompt_mode),
            skills: texts(table, "skills"),
            tools: texts(table, "tools"),
            ask: texts(table, "ask"),
            deny: texts(table, "deny"),
            environment: table
                .get("environment")
                .map(|value| environment(&value))
                .unwrap_or_default(),
            env_file: table.read("env_file", Value::any_text),
            model: table.read("model", Value::text),
            max_turns: table.read("max_turns", |value| value.whole(1..=u32::MAX)),
            budget_usd: dollars(table, "budget"),
            cpu: bounds(table, "cpu", |value| value.number(MOST_CORES)),
            memory: bounds(table, "memory", |value| value.size()),
            finish_task: in_stop("finish_task"),
            terminate: in_stop("terminate"),
            task_timeout: task
                .as_ref()
                .and_then(|task| task.read("timeout", Value::interval)),
            task_retries: task
                .as_ref()
                .and_then(|task| task.read("retries", |value| value.whole(0..=1000))),
            task_retry_delay: task
                .as_ref()
                .and_then(|task| task.read("retry_delay", Value::duration)),
            when_cut: task
                .as_ref()
                .and_then(|task| task.read("when_cut", when_cut)),
            auto_restart: Restart::read(table),
            health_interval: in_health("interval"),
            health_timeout: in_health("timeout"),
            health_silence: in_health("silence"),
            health_restart: health
                .as_ref()
                .and_then(|health| health.read("restart", Value::boolean)),
            worktree: Worktree::read(table),
            sandbox: Sandbox::read(table),
            when_changed: table.read("updates", when_changed),
            autostart: table.read("autostart", autostart),
            schedule: table.read("schedule", Value::schedule),
            idle: stop.as_ref().and_then(|stop| stop.read("idle", idle)),
            restart_schedule: restart
                .as_ref()
                .and_then(|restart| restart.read("schedule", Value::schedule)),
            restart_after_tasks: restart.as_ref().and_then(|restart| {
                restart.read("after_tasks", |value| value.whole(1..=1_000_000))
            }),
            restart_after: restart
                .as_ref()
                .and_then(|restart| restart.read("after", Value::interval)),
        };
        stop.into_iter()
            .chain(task)
            .chain(health)
            .chain(restart)
            .for_each(Table::finish);
        layer
    }

    /// This layer over an outer one. Lists replace lists; environments merge by variable.
    pub(super) fn over(self, outer: &Self) -> Self {
        let outer = outer.clone();
        let mut environment = outer.environment;
        environment.extend(self.environment);
        Self {
            agent: self.agent.or(outer.agent),
            kind: self.kind.or(outer.kind),
            prompt_mode: self.prompt_mode.or(outer.prompt_mode),
            skills: self.skills.or(outer.skills),
            tools: self.tools.or(outer.tools),
            ask: self.ask.or(outer.ask),
            deny: self.deny.or(outer.deny),
            environment,
            env_file: self.env_file.or(outer.env_file),
            model: self.model.or(outer.model),
            max_turns: self.max_turns.or(outer.max_turns),
            budget_usd: self.budget_usd.or(outer.budget_usd),
            cpu: self.cpu.over(outer.cpu),
            memory: self.memory.over(outer.memory),
            finish_task: self.finish_task.or(outer.finish_task),
            terminate: self.terminate.or(outer.terminate),
            task_timeout: self.task_timeout.or(outer.task_timeout),
            task_retries: self.task_retries.or(outer.task_retries),
            task_retry_delay: self.task_retry_delay.or(outer.task_retry_delay),
            when_cut: self.when_cut.or(outer.when_cut),
            auto_restart: self.auto_restart.over(outer.auto_restart),
            health_interval: self.health_interval.or(outer.health_interval),
            health_timeout: self.health_timeout.or(outer.health_timeout),
            health_silence: self.health_silence.or(outer.health_silence),
            health_restart: self.health_restart.or(outer.health_restart),
            worktree: self.worktree.over(outer.worktree),
            sandbox: self.sandbox.over(outer.sandbox),
            when_changed: self.when_changed.or(outer.when_changed),
            autostart: self.autostart.or(outer.autostart),
            schedule: self.schedule.or(outer.schedule),
            idle: self.idle.or(outer.idle),
            restart_schedule: self.restart_schedule.or(outer.restart_schedule),
            restart_after_tasks: self.restart_after_tasks.or(outer.restart_after_tasks),
            restart_after: self.restart_after.or(outer.restart_after),
        }
    }
}

impl<T> Bounds<T> {
    fn over(self, outer: Self) -> Self {
        Self {
            min: self.min.or(outer.min),
            max: self.max.or(outer.max),
        }
    }
}

/// Reads a list of text.
pub(super) fn texts(table: &Table<'_>, key: &'static str) -> Option<Vec<Spanned<String>>> {
    table.get(key)?.texts()
}

/// Reads a table of environment variables, whose names and values are checked later.
pub(super) fn environment(value: &Value<'_>) -> BTreeMap<String, Spanned<String>> {
    let entries = value
        .table()
        .map(|table| table.entries())
        .unwrap_or_default();
    let read = |entry: super::reader::Entry<'_>| {
        let text = entry.value.any_text()?;
        let place: Range<usize> = entry.key.span().start..entry.value.span().end;
        Some(((*entry.key.get_ref()).to_owned(), Spanned::new(place, text)))
    };
    entries.into_iter().filter_map(read).collect()
}

fn bounds<T>(
    table: &Table<'_>,
    key: &'static str,
    read: impl Fn(&Value<'_>) -> Option<T>,
) -> Bounds<T> {
    let Some(range) = table.table(key) else {
        return Bounds::default();
    };
    let bounds = Bounds {
        min: range.read("min", &read),
        max: range.read("max", &read),
    };
    range.finish();
    bounds
}

fn dollars(table: &Table<'_>, key: &'static str) -> Set<f64> {
    let budget = table.table(key)?;
    let usd = budget.read("usd", amount);
    budget.finish();
    usd
}

/// An amount of US dollars.
pub(super) fn amount(value: &Value<'_>) -> Option<f64> {
    value.number(MOST_DOLLARS)
}

fn kind(value: &Value<'_>) -> Option<Kind> {
    value.choice(&[
        ("interactive", Kind::Interactive),
        ("batch", Kind::Batch),
        ("monitoring", Kind::Monitoring),
        ("utility", Kind::Utility),
    ])
}

fn prompt_mode(value: &Value<'_>) -> Option<PromptMode> {
    value.choice(&[
        ("append", PromptMode::Append),
        ("replace", PromptMode::Replace),
    ])
}

fn use_worktree(value: &Value<'_>) -> Option<UseWorktree> {
    value.choice(&[
        ("auto", UseWorktree::Auto),
        ("always", UseWorktree::Always),
        ("never", UseWorktree::Never),
    ])
}

fn when_cut(value: &Value<'_>) -> Option<WhenCut> {
    value.choice(&[
        ("retry", WhenCut::Retry),
        ("ask", WhenCut::Ask),
        ("fail", WhenCut::Fail),
    ])
}

fn when_changed(value: &Value<'_>) -> Option<WhenChanged> {
    value.choice(&[("ask", WhenChanged::Ask), ("when_idle", WhenChanged::Idle)])
}

fn autostart(value: &Value<'_>) -> Option<Autostart> {
    value.choice(&[
        ("boot", Autostart::Boot),
        ("demand", Autostart::Demand),
        ("never", Autostart::Never),
    ])
}

/// A duration above zero, or the word that there is none.
fn idle(value: &Value<'_>) -> Option<IdleStop> {
    if value.is_text("never") {
        return Some(IdleStop::Never);
    }
    value.interval().map(IdleStop::After)
}
