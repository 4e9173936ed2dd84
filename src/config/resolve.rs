//! Applies the layers of `roles.toml` over each other: the catalogue that everyone else works with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;

use crate::domain::automation::{Automation, Autostart, Restarts};
use crate::domain::cluster::{Cluster, Member};
use crate::domain::health::HealthRule;
use crate::domain::role::{self as domain, Catalogue, Protocol};
use crate::domain::sandbox::{SandboxLevel, SandboxRule};
use crate::domain::schedule::Schedule;
use crate::domain::task::Priority;
use crate::domain::worktree::{UseWorktree, WorktreeRule};

use super::document::{self, Document, value_or};
use super::environment::Parent;
use super::layer::{self, Bounds, Layer, Set};
use super::mistakes::{Mistake, Report};
use super::origins;
use super::source::Source;
use super::tools;

/// Names another program for the agent `claude`: for tests and unusual installs.
pub const COMMAND_OVERRIDE: &str = "HEADCOUNT_CLAUDE";

/// The agent of a role that names none, and its program.
const STANDARD_AGENT: &str = "claude";
/// The limits of a role whose department sets none.
const STANDARD_CPU: domain::Range<f64> = domain::Range { min: 0.5, max: 2.0 };
const STANDARD_MEMORY: domain::Range<u64> = domain::Range {
    min: 256_000_000,
    max: 1_000_000_000,
};

/// Where a sandbox lets write whose role lists nothing: the caches of cargo, npm and pip.
const CACHES: &[&str] = &[
    "~/.cargo/registry",
    "~/.cargo/git",
    "~/.cargo/.package-cache",
    "~/.cargo/.package-cache-mutate",
    "~/.cargo/.global-cache",
    "~/.npm",
    "~/.cache/pip",
];

/// A document, and what is needed to judge it. What is wrong goes to the report; the result then has
/// stand-ins and is not used.
pub(super) struct Resolver<'a> {
    pub(super) source: &'a Source,
    pub(super) report: &'a Report,
    pub(super) document: &'a Document,
}

impl Resolver<'_> {
    /// Resolves and checks everything.
    pub(super) fn resolve(&self, parent: Parent<'_>) -> Catalogue {
        let mut catalogue = Catalogue {
            tools: self.aliases(),
            agents: self.agents(parent),
            auto_restart: self.document.automation.restart.clone().resolve(),
            auto_start: self.document.automation.start,
            auto_stop: self.document.automation.stop,
            alerts: self.document.alerts.clone(),
            load_balancing: self.document.load_balancing,
            templates: self.templates(),
            ..Catalogue::default()
        };
        self.check_layers(&catalogue);
        self.check_members();
        catalogue.departments = self
            .document
            .departments
            .iter()
            .map(|department| self.department(department))
            .collect();
        catalogue.roles = self
            .document
            .roles
            .iter()
            .filter_map(|role| self.role(role, &catalogue))
            .collect();
        catalogue.clusters = self
            .document
            .clusters
            .iter()
            .map(|cluster| self.cluster(cluster, &catalogue))
            .collect();
        catalogue
    }

    /// A cluster with its members' roles as they are held in it. A member whose role is not there is
    /// in the report already.
    fn cluster(&self, cluster: &document::Cluster, catalogue: &Catalogue) -> Cluster {
        let member = |member: &document::Member| {
            let key = member.role.as_ref()?.get_ref();
            let roles = &self.document.roles;
            let role = roles.iter().find(|role| role.key.get_ref() == key)?;
            let inner = member.layer.clone().over(&cluster.layer);
            Some(Member {
                role: self.role_as(role, Some(&inner), catalogue)?,
                instances: value_or(member.instances.clone(), 1),
            })
        };
        Cluster {
            key: cluster.key.get_ref().clone(),
            load_balancing: value_or(cluster.load_balancing.clone(), self.document.load_balancing),
            members: cluster.members.iter().filter_map(member).collect(),
        }
    }

    fn templates(&self) -> Vec<domain::Template> {
        let template = |template: &document::Template| domain::Template {
            key: template.key.get_ref().clone(),
            text: value_or(template.text.clone(), String::new()),
            role: template.role.as_ref().map(|role| role.get_ref().clone()),
            skills: template.skills.clone(),
            priority: value_or(template.priority.clone(), Priority::default()),
            timeout: template.timeout.as_ref().map(|time| *time.get_ref()),
            retries: template.retries.as_ref().map(|retries| *retries.get_ref()),
        };
        self.document.templates.iter().map(template).collect()
    }

    fn aliases(&self) -> BTreeMap<String, Vec<String>> {
        let plain =
            |rules: &[Spanned<String>]| rules.iter().map(|rule| rule.get_ref().clone()).collect();
        let (name, rule) = tools::BUILT_IN_ALIAS;
        let mut aliases = BTreeMap::from([(name.to_owned(), vec![rule.to_owned()])]);
        aliases.extend(
            self.document
                .tools
                .iter()
                .map(|(key, rules)| (key.get_ref().clone(), plain(rules))),
        );
        for (key, rules) in &self.document.tools {
            let name = key.get_ref();
            let declares = rules.iter().any(|rule| rule.get_ref() == name);
            if tools::AGENT_TOOLS.contains(&name.as_str()) && !declares {
                self.report.add(
                    Mistake::at(
                        key.span(),
                        format!("`{name}` is a tool of the agent and cannot mean something else"),
                    )
                    .label("the agent's own name")
                    .help("choose another name for the alias"),
                );
            }
            self.check_rules(rules, |rule| tools::check_rule(&aliases, rule).map(|_| ()));
        }
        aliases
    }

    fn agents(&self, parent: Parent<'_>) -> BTreeMap<String, domain::Agent> {
        let standard = standard_agent();
        let mut agents = BTreeMap::new();
        for agent in &self.document.agents {
            self.check_agent(agent, agent.key.get_ref() == STANDARD_AGENT);
            let resolved = domain::Agent {
                name: agent.key.get_ref().clone(),
                command: value_or(agent.command.clone(), standard.command.clone()),
                args: agent.args.clone(),
                protocol: value_or(agent.protocol.clone(), standard.protocol),
                environment: match &agent.environment {
                    Some(variables) => plain_environment(variables),
                    None if agent.key.get_ref() == STANDARD_AGENT => standard.environment.clone(),
                    None => BTreeMap::new(),
                },
            };
            agents.insert(resolved.name.clone(), resolved);
        }
        agents.entry(standard.name.clone()).or_insert(standard);
        if let Some(command) = parent(COMMAND_OVERRIDE).filter(|command| !command.is_empty()) {
            let is_claude = |agent: &&mut domain::Agent| {
                agent.name == STANDARD_AGENT || agent.command == STANDARD_AGENT
            };
            agents
                .values_mut()
                .filter(is_claude)
                .for_each(|agent| agent.command.clone_from(&command));
        }
        agents
    }

    fn department(&self, department: &document::Department) -> domain::Department {
        let layer = department.layer.clone().over(&self.document.defaults);
        domain::Department {
            key: department.key.get_ref().clone(),
            title: value_or(department.title.clone(), title_of(department.key.get_ref())),
            cpu: self.range("cpu", &layer.cpu, STANDARD_CPU, cores),
            memory: self.range("memory", &layer.memory, STANDARD_MEMORY, bytes),
        }
    }

    fn role(&self, role: &document::Role, catalogue: &Catalogue) -> Option<domain::Role> {
        self.role_as(role, None, catalogue)
    }

    /// A role, as it is or with what a cluster says over it.
    fn role_as(
        &self,
        role: &document::Role,
        inner: Option<&Layer>,
        catalogue: &Catalogue,
    ) -> Option<domain::Role> {
        let department = self.department_of(role);
        let outer = match department {
            Some(department) => department.layer.clone().over(&self.document.defaults),
            None => self.document.defaults.clone(),
        };
        let origins = origins::of(
            [inner, Some(&role.layer)],
            department.map(|department| &department.layer),
            &self.document.defaults,
        );
        let of_role = role.layer.clone().over(&outer);
        let layer = match inner {
            Some(inner) => inner.clone().over(&of_role),
            None => of_role,
        };
        let automation = automation(role, &layer);
        self.check_run(role, &layer, catalogue);
        let agent = value_or(layer.agent, STANDARD_AGENT.to_owned());
        self.check_prompt(role, catalogue.agents.get(&agent));
        let standard_tools = || {
            tools::STANDARD_TOOLS
                .iter()
                .map(|tool| (*tool).to_owned())
                .collect()
        };
        let health = HealthRule::default();
        Some(domain::Role {
            key: role.key.get_ref().clone(),
            title: value_or(role.title.clone(), title_of(role.key.get_ref())),
            department: department?.key.get_ref().clone(),
            kind: value_or(layer.kind, domain::Kind::default()),
            agent,
            prompt: role
                .prompt
                .as_ref()
                .map(|path| PathBuf::from(path.get_ref())),
            prompt_mode: value_or(layer.prompt_mode, domain::PromptMode::default()),
            skills: plain(layer.skills).unwrap_or_default(),
            tools: plain(layer.tools).unwrap_or_else(standard_tools),
            ask: rules(plain(layer.ask), catalogue),
            deny: rules(plain(layer.deny), catalogue),
            environment: plain_environment(&layer.environment),
            env_file: layer
                .env_file
                .map(Spanned::into_inner)
                .filter(|file| !file.is_empty())
                .map(PathBuf::from),
            model: layer.model.map(Spanned::into_inner),
            max_turns: layer.max_turns.map(Spanned::into_inner),
            budget_usd: layer.budget_usd.map(Spanned::into_inner),
            cpu: self.range("cpu", &layer.cpu, STANDARD_CPU, cores),
            memory: self.range("memory", &layer.memory, STANDARD_MEMORY, bytes),
            finish_task: value_or(layer.finish_task, Duration::from_secs(600)),
            terminate: value_or(layer.terminate, Duration::from_secs(10)),
            task_timeout: value_or(layer.task_timeout, Duration::from_secs(3600)),
            task_retries: value_or(layer.task_retries, 2),
            task_retry_delay: value_or(layer.task_retry_delay, Duration::from_secs(30)),
            when_cut: value_or(layer.when_cut, domain::WhenCut::default()),
            auto_restart: layer
                .auto_restart
                .over(self.document.automation.restart.clone())
                .resolve(),
            health: HealthRule {
                interval: value_or(layer.health_interval, health.interval),
                timeout: value_or(layer.health_timeout, health.timeout),
                silence: value_or(layer.health_silence, health.silence),
                restart: value_or(layer.health_restart, health.restart),
            },
            automation,
            worktree: worktree(layer.worktree),
            sandbox: sandbox(layer.sandbox),
            when_changed: value_or(layer.when_changed, domain::WhenChanged::default()),
            origins,
        })
    }

    /// The range that holds, and a mistake if its ends are crossed, wherever each of them was set.
    fn range<T: Copy + PartialOrd>(
        &self,
        what: &str,
        bounds: &Bounds<T>,
        standard: domain::Range<T>,
        in_words: fn(T) -> String,
    ) -> domain::Range<T> {
        let (set_min, set_max) = (bounds.min.as_ref(), bounds.max.as_ref());
        // A standard end gives way to one that was set beyond it.
        let min = set_min.map_or_else(
            || set_max.map_or(standard.min, |max| lower(standard.min, *max.get_ref())),
            |min| *min.get_ref(),
        );
        let max = set_max.map_or_else(|| lower_bound(standard.max, min), |max| *max.get_ref());
        if let (Some(at_min), Some(at_max)) = (set_min, set_max)
            && min > max
        {
            let message = format!("the minimum of `{what}` is above its maximum");
            let low = (at_min.span(), format!("at least {}", in_words(min)));
            let high = (at_max.span(), format!("at most {}", in_words(max)));
            // The one further down is the inner layer's, or the one written last.
            let (outer, inner) = if at_min.span().start < at_max.span().start {
                (low, high)
            } else {
                (high, low)
            };
            let mistake = Mistake::at(inner.0, message)
                .label(inner.1)
                .also(outer.0, outer.1);
            self.report
                .add(mistake.help("lower the minimum or raise the maximum"));
        }
        domain::Range { min, max }
    }

    /// The files whose change changes the catalogue or what is done with it.
    pub(super) fn files(&self, catalogue: &Catalogue) -> Vec<PathBuf> {
        let folder = self.source.folder();
        let on_disk = |path: &&PathBuf| self.source.file().is_some() || folder.join(path).exists();
        let prompts = catalogue
            .roles
            .iter()
            .filter_map(|role| role.prompt.as_ref())
            .filter(on_disk);
        let env_files = catalogue
            .roles
            .iter()
            .filter_map(|role| role.env_file.as_ref());
        let mut files: Vec<PathBuf> = prompts
            .chain(env_files)
            .map(|path| folder.join(path))
            .chain(self.source.file())
            .collect();
        files.sort();
        files.dedup();
        files
    }
}

/// The agent that is there also where `[agents]` is not.
fn standard_agent() -> domain::Agent {
    domain::Agent {
        name: STANDARD_AGENT.to_owned(),
        command: STANDARD_AGENT.to_owned(),
        args: Vec::new(),
        protocol: Protocol::ClaudeStreamJson,
        environment: BTreeMap::from([(
            "ANTHROPIC_API_KEY".to_owned(),
            "${ANTHROPIC_API_KEY}".to_owned(),
        )]),
    }
}

/// What a role does without being asked; `never` takes an outer layer's schedule away.
fn automation(role: &document::Role, layer: &Layer) -> Automation {
    let schedule = |set: &Set<Schedule>| {
        set.as_ref()
            .map(|schedule| schedule.get_ref().clone())
            .filter(|schedule| !schedule.is_never())
    };
    Automation {
        autostart: value_or(layer.autostart.clone(), Autostart::default()),
        schedule: schedule(&layer.schedule),
        run: role.run.as_ref().map(|run| run.get_ref().clone()),
        idle: layer.idle.as_ref().map(|idle| *idle.get_ref()),
        restart: Restarts {
            schedule: schedule(&layer.restart_schedule),
            after_tasks: layer.restart_after_tasks.as_ref().map(|n| *n.get_ref()),
            after: layer.restart_after.as_ref().map(|after| *after.get_ref()),
        },
    }
}

fn cores(limit: f64) -> String {
    format!("{limit} cores")
}

fn bytes(limit: u64) -> String {
    ByteSize(limit).display().si().to_string()
}

fn lower<T: PartialOrd>(a: T, b: T) -> T {
    if b < a { b } else { a }
}

fn lower_bound<T: PartialOrd>(value: T, at_least: T) -> T {
    if value < at_least { at_least } else { value }
}

fn plain(texts: Option<Vec<Spanned<String>>>) -> Option<Vec<String>> {
    texts.map(|texts| texts.into_iter().map(Spanned::into_inner).collect())
}

fn plain_environment(variables: &BTreeMap<String, Spanned<String>>) -> BTreeMap<String, String> {
    variables
        .iter()
        .map(|(name, value)| (name.clone(), value.get_ref().clone()))
        .collect()
}

/// Aliases in `ask` and `deny` become rules here; what cannot be expanded is in the report already.
fn rules(words: Option<Vec<String>>, catalogue: &Catalogue) -> Vec<String> {
    let rules = tools::expand(catalogue, &words.unwrap_or_default()).unwrap_or_default();
    rules.iter().map(tools::Rule::to_string).collect()
}

/// `senior_developer` as a title.
fn title_of(key: &str) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars
            .next()
            .map(|first| first.to_uppercase().chain(chars).collect::<String>())
            .unwrap_or_default()
    };
    key.split('_').map(capital).collect::<Vec<_>>().join(" ")
}

fn sandbox(layer: layer::Sandbox) -> SandboxRule {
    let caches = || CACHES.iter().map(|place| (*place).to_owned()).collect();
    SandboxRule {
        level: value_or(layer.level, SandboxLevel::Workspace),
        best_effort: value_or(layer.best_effort, true),
        write: plain(layer.write).unwrap_or_else(caches),
        ports: layer
            .ports
            .unwrap_or_default()
            .into_iter()
            .map(Spanned::into_inner)
            .collect(),
    }
}

fn worktree(layer: layer::Worktree) -> WorktreeRule {
    WorktreeRule {
        when: value_or(layer.when, UseWorktree::default()),
        base: layer.base.map(Spanned::into_inner),
        setup: plain(layer.setup).unwrap_or_default(),
        copy: plain(layer.copy)
            .unwrap_or_default()
            .into_iter()
            .map(PathBuf::from)
            .collect(),
        per_task: value_or(layer.per_task, false),
    }
}
