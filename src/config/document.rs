//! `roles.toml` as it stands on the page: every table read, nothing resolved yet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;

use crate::domain::alert::AlertRule;
use crate::domain::automation::{AutoStart, AutoStop};
use crate::domain::cluster::MOST;
use crate::domain::role::{LoadBalancing, Protocol};
use crate::domain::scale::ScaleRule;
use crate::domain::task::Priority;

use super::layer::{self, Layer, Set};
use super::mistakes::{Mistake, Report};
use super::reader::{Entry, Table, Value, shown};
use super::restart::Restart;

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) defaults: Layer,
    pub(super) departments: Vec<Department>,
    pub(super) roles: Vec<Role>,
    pub(super) tools: Vec<(Spanned<String>, Vec<Spanned<String>>)>,
    pub(super) agents: Vec<Agent>,
    pub(super) clusters: Vec<Cluster>,
    pub(super) automation: Automatic,
    pub(super) alerts: AlertRule,
    pub(super) load_balancing: LoadBalancing,
    pub(super) templates: Vec<Template>,
}

/// A `[templates.…]` table.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) key: Spanned<String>,
    pub(super) text: Set<String>,
    pub(super) role: Set<String>,
    pub(super) skills: Vec<String>,
    pub(super) priority: Set<Priority>,
    pub(super) timeout: Set<Duration>,
    pub(super) retries: Set<u32>,
}

/// The `[automation]` table.
#[derive(Debug, Default)]
pub(super) struct Automatic {
    pub(super) start: AutoStart,
    pub(super) stop: AutoStop,
    pub(super) restart: Restart,
}

/// A `[departments.…]` table.
#[derive(Debug)]
pub(super) struct Department {
    pub(super) key: Spanned<String>,
    pub(super) title: Set<String>,
    pub(super) layer: Layer,
}

/// A `[roles.…]` table.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) key: Spanned<String>,
    pub(super) title: Set<String>,
    pub(super) department: Set<String>,
    pub(super) lacks_department: bool,
    pub(super) prompt: Set<String>,
    pub(super) lacks_prompt: bool,
    pub(super) run: Set<String>,
    pub(super) layer: Layer,
}

/// An `[agents.…]` table.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) key: Spanned<String>,
    pub(super) command: Set<String>,
    pub(super) lacks_command: bool,
    pub(super) protocol: Set<Protocol>,
    pub(super) lacks_protocol: bool,
    pub(super) args: Vec<String>,
    pub(super) environment: Option<BTreeMap<String, Spanned<String>>>,
}

/// A `[clusters.…]` table.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) key: Spanned<String>,
    pub(super) load_balancing: Set<LoadBalancing>,
    /// Of all its members: its health checks.
    pub(super) layer: Layer,
    pub(super) members: Vec<Member>,
}

/// A role that a cluster names.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) role: Set<String>,
    pub(super) instances: Set<u32>,
    pub(super) layer: Layer,
}

impl Document {
    /// Reads every table; what does not fit goes to the report and is left out.
    pub(super) fn read(entries: &DeTable<'_>, report: &Report) -> Self {
        let root = Table::root(entries, report);
        let defaults = root.table("defaults").map(|table| {
            let layer = Layer::read(&table);
            table.finish();
            layer
        });
        let document = Self {
            defaults: defaults.unwrap_or_default(),
            departments: keyed(&root, "departments", report, department),
            roles: keyed(&root, "roles", report, role),
            tools: root
                .table("tools")
                .map(|table| aliases(&table))
                .unwrap_or_default(),
            agents: keyed(&root, "agents", report, agent),
            clusters: keyed(&root, "clusters", report, |key, table| {
                cluster(key, table, report)
            }),
            automation: root.table("automation").map(automation).unwrap_or_default(),
            alerts: root.table("alerts").map(alerts).unwrap_or_default(),
            load_balancing: root.table("tasks").map(tasks).unwrap_or_default(),
            templates: keyed(&root, "templates", report, |key, table| {
                template(key, table, report)
            }),
        };
        check_unused(&root);
        root.finish();
        document
    }
}

/// Reads a table of tables whose keys the user chooses.
fn keyed<T>(
    root: &Table<'_>,
    key: &'static str,
    report: &Report,
    read: impl Fn(Spanned<String>, Table<'_>) -> T,
) -> Vec<T> {
    let entries = root
        .table(key)
        .map(|table| table.entries())
        .unwrap_or_default();
    let read_entry = |Entry { key, value }: Entry<'_>| {
        check_key(&key, report);
        let table = value.table()?;
        Some(read(
            Spanned::new(key.span(), (*key.get_ref()).to_owned()),
            table,
        ))
    };
    entries.into_iter().filter_map(read_entry).collect()
}

/// Keys are typed on command lines and stand in file names, so they are plain.
fn check_key(key: &Spanned<&str>, report: &Report) {
    const LONGEST: usize = 64;
    let name = key.get_ref();
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if begins && plain && name.len() <= LONGEST {
        return;
    }
    let proposal = name.trim().to_lowercase().replace(['-', ' ', '.'], "_");
    let fits = proposal.len() <= LONGEST && proposal.starts_with(|c: char| c.is_ascii_lowercase());
    let proposal = fits.then(|| format!("write `{}`", shown(&proposal)));
    report.add(
        Mistake::at(
            key.span(),
            format!("`{}` cannot be a name here", shown(name)),
        )
        .label("not a plain name")
        .help("use small letters, digits and `_`, a letter first, at most 64")
        .maybe_help(proposal),
    );
}

fn department(key: Spanned<String>, table: Table<'_>) -> Department {
    let department = Department {
        key,
        title: table.read("title", Value::text),
        layer: Layer::read(&table),
    };
    table.finish();
    department
}

fn role(key: Spanned<String>, table: Table<'_>) -> Role {
    let role = Role {
        key,
        title: table.read("title", Value::text),
        department: table.read("department", Value::text),
        lacks_department: table.lacks("department"),
        prompt: table.read("prompt", Value::text),
        lacks_prompt: table.lacks("prompt"),
        run: table.read("run", Value::lines),
        layer: Layer::read(&table),
    };
    table.finish();
    role
}

fn agent(key: Spanned<String>, table: Table<'_>) -> Agent {
    let protocols = [
        ("claude-stream-json", Protocol::ClaudeStreamJson),
        ("terminal", Protocol::Terminal),
        ("plain", Protocol::Plain),
    ];
    let args = table
        .get("args")
        .and_then(|value| value.list(Value::any_text))
        .unwrap_or_default();
    let agent = Agent {
        key,
        command: table.read("command", Value::text),
        lacks_command: table.lacks("command"),
        lacks_protocol: table.lacks("protocol"),
        protocol: table.read("protocol", |value| value.choice(&protocols)),
        args: args.into_iter().map(Spanned::into_inner).collect(),
        environment: table
            .get("environment")
            .map(|value| layer::environment(&value)),
    };
    table.finish();
    agent
}

fn aliases(table: &Table<'_>) -> Vec<(Spanned<String>, Vec<Spanned<String>>)> {
    let read = |Entry { key, value }: Entry<'_>| {
        let key = Spanned::new(key.span(), (*key.get_ref()).to_owned());
        Some((key, value.texts()?))
    };
    table.entries().into_iter().filter_map(read).collect()
}

fn cluster(key: Spanned<String>, table: Table<'_>, report: &Report) -> Cluster {
    let rule = table.read("load_balancing", load_balancing);
    let mut layer = Layer::default();
    if let Some(health) = table.table("health") {
        layer.health_interval = health.read("interval", Value::interval);
        layer.health_timeout = health.read("timeout", Value::interval);
        health.finish();
    }
    let none = || {
        let message = format!("the cluster `{}` has no processes", shown(key.get_ref()));
        report.add(
            Mistake::at(key.span(), message)
                .label("nobody in it")
                .help("add for example `processes = [{ role = \"sre\", instances = 2 }]`"),
        );
    };
    if table.lacks("processes") {
        none();
    }
    let members = table
        .get("processes")
        .and_then(|value| value.list(member))
        .map(|members| {
            if members.is_empty() {
                none();
            }
            members.into_iter().map(Spanned::into_inner).collect()
        });
    table.finish();
    Cluster {
        key,
        load_balancing: rule,
        layer,
        members: members.unwrap_or_default(),
    }
}

fn member(item: &Value<'_>) -> Option<Member> {
    let table = item.table()?;
    let read = Member {
        role: table.read("role", Value::text),
        instances: table.read("instances", |value| value.whole(1..=MOST)),
        layer: Layer::read(&table),
    };
    if table.lacks("role") {
        item.wrong::<()>(
            "names no role",
            "no role here",
            "write for example { role = \"sre\", instances = 2 }",
        );
    }
    table.finish();
    Some(read)
}

fn load_balancing(value: &Value<'_>) -> Option<LoadBalancing> {
    let rules = [
        LoadBalancing::RoundRobin,
        LoadBalancing::LeastBusy,
        LoadBalancing::Fastest,
    ];
    value.choice(&rules.map(|rule| (rule.as_str(), rule)))
}

fn tasks(table: Table<'_>) -> LoadBalancing {
    let rule = table.read("load_balancing", load_balancing);
    table.finish();
    value_or(rule, LoadBalancing::default())
}

fn template(key: Spanned<String>, table: Table<'_>, report: &Report) -> Template {
    if table.lacks("text") {
        let message = format!("the template `{}` has no text", shown(key.get_ref()));
        report.add(
            Mistake::at(key.span(), message)
                .label("no text")
                .help("add `text = \"…\"`, with {{name}} where something is to be filled in"),
        );
    }
    let template = Template {
        text: table.read("text", Value::any_text),
        role: table.read("role", Value::text),
        skills: layer::texts(&table, "skills")
            .unwrap_or_default()
            .into_iter()
            .map(Spanned::into_inner)
            .collect(),
        priority: table.read("priority", priority),
        timeout: table.read("timeout", Value::interval),
        retries: table.read("retries", |value| value.whole(0..=1000)),
        key,
    };
    if let Some(text) = &template.text
        && text.get_ref().trim().is_empty()
    {
        report.add(Mistake::at(text.span(), "a template without a text").label("nothing in it"));
    }
    table.finish();
    template
}

/// The priority of a task.
pub(super) fn priority(value: &Value<'_>) -> Option<Priority> {
    value.choice(&Priority::ALL.map(|priority| (priority.as_str(), priority)))
}

fn automation(table: Table<'_>) -> Automatic {
    let read = Automatic {
        start: table
            .table("auto_start")
            .map(auto_start)
            .unwrap_or_default(),
        stop: table.table("auto_stop").map(auto_stop).unwrap_or_default(),
        restart: Restart::read(&table),
    };
    table.finish();
    read
}

fn auto_start(table: Table<'_>) -> AutoStart {
    let standard = AutoStart::default();
    // Whether it is the one of a long queue.
    let triggers = [("high_task_queue", true), ("employee_availability", false)];
    let triggers = table.read("triggers", |value| {
        value.list(|trigger| trigger.choice(&triggers))
    });
    let has = |long_queue: bool, standard: bool| {
        triggers.as_ref().map_or(standard, |triggers| {
            let mut all = triggers.get_ref().iter();
            all.any(|one| *one.get_ref() == long_queue)
        })
    };
    let rule = standard.rule;
    let read = AutoStart {
        enabled: value_or(table.read("enabled", Value::boolean), standard.enabled),
        on_demand: has(false, standard.on_demand),
        long_queue: has(true, standard.long_queue),
        max_processes: table
            .read("max_processes", |value| value.whole(1..=10_000))
            .map_or(standard.max_processes, |most| *most.get_ref() as usize),
        rule: ScaleRule {
            tasks_per_process: value_or(
                table.read("tasks_per_process", |value| value.whole(1..=10_000)),
                rule.tasks_per_process,
            ),
            sustained: value_or(table.read("sustained", Value::interval), rule.sustained),
            wait: value_or(table.read("wait", Value::interval), rule.wait),
        },
    };
    table.finish();
    read
}

fn auto_stop(table: Table<'_>) -> AutoStop {
    let standard = AutoStop::default();
    let read = AutoStop {
        enabled: value_or(table.read("enabled", Value::boolean), standard.enabled),
        idle_timeout: value_or(
            table.read("idle_timeout", Value::interval),
            standard.idle_timeout,
        ),
        min_processes: table
            .read("min_processes", |value| value.whole(0..=10_000))
            .map_or(standard.min_processes, |least| *least.get_ref() as usize),
    };
    table.finish();
    read
}

fn alerts(table: Table<'_>) -> AlertRule {
    let standard = AlertRule::default();
    let percent = |key| table.read(key, |value| value.whole(1..=100));
    let command = layer::texts(&table, "command").unwrap_or_default();
    let rule = AlertRule {
        cpu_percent: value_or(percent("cpu_percent"), standard.cpu_percent),
        memory_percent: value_or(percent("memory_percent"), standard.memory_percent),
        command: command.into_iter().map(Spanned::into_inner).collect(),
    };
    table.finish();
    rule
}

/// Checks the tables of features that the program does not have yet.
fn check_unused(root: &Table<'_>) {
    if let Some(budgets) = root.table("budgets") {
        budgets.read("day_usd", layer::amount);
        budgets.finish();
    }
    if let Some(api) = root.table("api") {
        api.read("listen", address);
        api.finish();
    }
}

fn address(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let numeric = text.replacen("localhost:", "127.0.0.1:", 1);
    if numeric.parse::<SocketAddr>().is_err() {
        return value.wrong(
            "is not an address to listen on",
            "not an address and a port",
            "write for example \"127.0.0.1:8080\"",
        );
    }
    Some(text)
}

/// The value that was set, or the one that holds otherwise.
pub(super) fn value_or<T>(set: Set<T>, otherwise: T) -> T {
    set.map_or(otherwise, Spanned::into_inner)
}
