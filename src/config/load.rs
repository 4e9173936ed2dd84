//! Resolves `roles.toml` into a catalogue: layers applied, every name checked against what there is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::domain::role::{self as domain, Catalogue, Protocol};

use super::document::{self, Document, value_or};
use super::embedded;
use super::env_file;
use super::environment::{self, Parent};
use super::layer::{Bounds, Layer};
use super::mistakes::{Mistake, Mistakes, Report};
use super::nearest::{either, meant};
use super::prompt;
use super::reader::shown;
use super::source::Source;
use super::tools;

/// Names another program for the agent `claude`: for tests and unusual installs.
pub const COMMAND_OVERRIDE: &str = "HEADCOUNT_CLAUDE";

/// The agent of a role that names none.
const STANDARD_AGENT: &str = "claude";
/// The limits of a role whose department sets none.
const STANDARD_CPU: domain::Range<f64> = domain::Range { min: 0.5, max: 2.0 };
const STANDARD_MEMORY: domain::Range<u64> = domain::Range {
    min: 256_000_000,
    max: 1_000_000_000,
};
/// A longer file is no `roles.toml`.
const LARGEST: u64 = 1 << 20;

/// A configuration without mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Everything that it says, resolved.
    pub catalogue: Catalogue,
    /// The files whose change changes it: `roles.toml`, prompts, env files; also those that do not exist yet.
    pub files: Vec<PathBuf>,
}

/// Reads and checks a configuration. `parent` looks up the environment for [`COMMAND_OVERRIDE`].
///
/// # Errors
/// All mistakes at once, in the order of the file; syntax errors come alone, as the rest cannot be judged.
pub fn load(source: &Source, parent: Parent<'_>) -> Result<Loaded, Mistakes> {
    let path = source
        .file()
        .unwrap_or_else(|| PathBuf::from(embedded::NAME));
    let text = match source.file() {
        Some(file) => read_text(&file)?,
        None => embedded::ROLES.to_owned(),
    };
    load_text(source, &path, &text, parent)
}

/// As [`load`], for text that may not be saved yet; `path` is for messages.
///
/// # Errors
/// As [`load`].
pub fn load_text(
    source: &Source,
    path: &Path,
    text: &str,
    parent: Parent<'_>,
) -> Result<Loaded, Mistakes> {
    let report = Report::default();
    let root = parse(path, text, &report)?;
    let document = Document::read(root.get_ref(), &report);
    let loaded = Resolver {
        source,
        report: &report,
        parent,
        document: &document,
    }
    .resolve();
    report.finish(path, text)?;
    Ok(loaded)
}

/// Parses the file. Syntax errors end here, all of them; a key that stands twice is a mistake like any other.
fn parse<'t>(
    path: &Path,
    text: &'t str,
    report: &Report,
) -> Result<Spanned<DeTable<'t>>, Mistakes> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let (twice, syntax): (Vec<_>, Vec<_>) = errors
        .iter()
        .partition(|error| error.message() == "duplicate key");
    if syntax.is_empty() {
        for error in twice {
            report.add(duplicate(
                root.get_ref(),
                text,
                error.span().unwrap_or(0..0),
            ));
        }
        return Ok(root);
    }
    let alone = Report::default();
    for error in syntax {
        alone.add(Mistake::at(error.span().unwrap_or(0..0), error.message()).label("not TOML"));
    }
    alone.finish(path, text).map(|()| root)
}

fn read_text(path: &Path) -> Result<String, Mistakes> {
    let whole = |message: String, help: &str| {
        Mistakes::of_the_file(path, Mistake::of_the_file(message).help(help))
    };
    let unreadable = |error: std::io::Error| {
        whole(
            format!("cannot be read: {error}"),
            "make it readable for the user that runs headcount",
        )
    };
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(whole(
            "is not a regular file".to_owned(),
            "put a text file here",
        ));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(whole(
            "is larger than 1 MiB".to_owned(),
            "a roles.toml has some hundred lines; is this the right file?",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        whole(format!("is not UTF-8 in line {line}"), "save it as UTF-8")
    })
}

/// A key that stands twice: a role defined again, or a setting given again.
fn duplicate(root: &DeTable<'_>, text: &str, span: Range<usize>) -> Mistake {
    let name = text.get(span.clone()).unwrap_or_default();
    let first = ["roles", "departments", "agents", "clusters"]
        .into_iter()
        .find_map(|table| {
            let DeValue::Table(entries) = root.get(table)?.get_ref() else {
                return None;
            };
            let (key, _) = entries.get_key_value(name.trim_matches(['"', '\'']))?;
            let in_header =
                text[..span.start].ends_with(&format!("[{table}.")) && key.span() != span;
            in_header.then(|| (table, key.span()))
        });
    let mistake =
        Mistake::at(span, format!("`{}` is there twice", shown(name))).label("again here");
    match first {
        Some((table, first)) => mistake.also(first, "first here").help(format!(
            "keep one of the two, or give the second another name in [{table}]"
        )),
        None => mistake.help("keep one of the two"),
    }
}

/// What is needed to judge a document.
struct Resolver<'a> {
    source: &'a Source,
    report: &'a Report,
    parent: Parent<'a>,
    document: &'a Document,
}

impl Resolver<'_> {
    fn resolve(&self) -> Loaded {
        let mut catalogue = Catalogue {
            tools: self.aliases(),
            agents: self.agents(),
            auto_restart: self.document.auto_restart,
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
        let files = self.files(&catalogue);
        Loaded { catalogue, files }
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

    fn agents(&self) -> BTreeMap<String, domain::Agent> {
        let standard = domain::Agent {
            name: STANDARD_AGENT.to_owned(),
            command: "claude".to_owned(),
            args: Vec::new(),
            protocol: Protocol::ClaudeStreamJson,
            environment: BTreeMap::from([(
                "ANTHROPIC_API_KEY".to_owned(),
                "${ANTHROPIC_API_KEY}".to_owned(),
            )]),
        };
        let mut agents = BTreeMap::from([(standard.name.clone(), standard)]);
        for agent in &self.document.agents {
            let name = agent.key.get_ref();
            self.check_environment(&agent.environment, &format!("agent {name}"));
            if agent.command.is_none() && name != STANDARD_AGENT {
                self.report.add(
                    Mistake::at(
                        agent.key.span(),
                        format!("the agent `{name}` has no command"),
                    )
                    .label("no command")
                    .help("add `command = \"…\"`, a program on the PATH or a path"),
                );
            }
            if agent.protocol.is_none() && name != STANDARD_AGENT {
                self.report.add(
                    Mistake::at(
                        agent.key.span(),
                        format!("the agent `{name}` has no protocol"),
                    )
                    .label("no protocol")
                    .help("add `protocol = \"claude-stream-json\"`, \"terminal\" or \"plain\""),
                );
            }
            let resolved = domain::Agent {
                name: name.clone(),
                command: value_or(agent.command.clone(), "claude".to_owned()),
                args: agent.args.clone(),
                protocol: value_or(agent.protocol.clone(), Protocol::ClaudeStreamJson),
                environment: plain_environment(&agent.environment),
            };
            agents.insert(name.clone(), resolved);
        }
        if let Some(command) = (self.parent)(COMMAND_OVERRIDE).filter(|command| !command.is_empty())
        {
            let meant = |agent: &&mut domain::Agent| {
                agent.name == STANDARD_AGENT || agent.command == "claude"
            };
            agents
                .values_mut()
                .filter(meant)
                .for_each(|agent| agent.command.clone_from(&command));
        }
        agents
    }

    /// Checks each layer where it is written, so that a mistake in the defaults is found though every role overrides it.
    fn check_layers(&self, catalogue: &Catalogue) {
        let document = self.document;
        self.check_layer(&document.defaults, "the defaults", catalogue);
        for department in &document.departments {
            self.check_layer(
                &department.layer,
                &format!("department {}", department.key.get_ref()),
                catalogue,
            );
        }
        for role in &document.roles {
            self.check_layer(
                &role.layer,
                &format!("role {}", role.key.get_ref()),
                catalogue,
            );
        }
        for member in &document.members {
            self.check_layer(&member.layer, "a cluster's member", catalogue);
        }
    }

    fn check_layer(&self, layer: &Layer, of: &str, catalogue: &Catalogue) {
        for rules in [&layer.tools, &layer.ask, &layer.deny]
            .into_iter()
            .flatten()
        {
            self.check_rules(rules, |word| {
                tools::expand_one(&catalogue.tools, word).map(|_| ())
            });
        }
        if let Some(agent) = layer
            .agent
            .as_ref()
            .filter(|agent| !catalogue.agents.contains_key(agent.get_ref()))
        {
            self.unknown("agent", agent, catalogue.agents.keys().map(String::as_str));
        }
        if let Some(file) = &layer.env_file {
            let path = self.source.folder().join(file.get_ref());
            if !file.get_ref().is_empty() && !path.exists() && !env_file::may_be_missing(&path) {
                self.report.add(
                    Mistake::at(
                        file.span(),
                        format!("the env file `{}` is not there", shown(file.get_ref())),
                    )
                    .label("no such file")
                    .help(format!("create {}, or take the key out", path.display())),
                );
            }
        }
        self.check_environment(&layer.environment, of);
    }

    fn check_rules(
        &self,
        rules: &[Spanned<String>],
        check: impl Fn(&str) -> Result<(), tools::ToolError>,
    ) {
        for rule in rules {
            if let Err(error) = check(rule.get_ref()) {
                self.report.add(
                    Mistake::at(rule.span(), error.to_string())
                        .label("means nothing to the agent")
                        .help(error.remedy()),
                );
            }
        }
    }

    fn check_environment(&self, variables: &BTreeMap<String, Spanned<String>>, of: &str) {
        for (name, value) in variables {
            if let Err(error) = environment::check(name, value.get_ref(), of) {
                self.report
                    .add(Mistake::at(value.span(), error.to_string()).help(error.remedy()));
            }
        }
    }

    fn check_members(&self) {
        let roles: Vec<&str> = self
            .document
            .roles
            .iter()
            .map(|role| role.key.get_ref().as_str())
            .collect();
        let named = self
            .document
            .members
            .iter()
            .filter_map(|member| member.role.as_ref());
        for role in named.filter(|role| !roles.contains(&role.get_ref().as_str())) {
            self.unknown("role", role, roles.iter().copied());
        }
    }

    fn unknown<'n>(
        &self,
        what: &str,
        name: &Spanned<String>,
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        let names: Vec<&str> = known.clone().collect();
        let help = match names.as_slice() {
            [] => format!("define it as [{what}s.{}]", shown(name.get_ref())),
            names => format!(
                "write {}, or define it as [{what}s.{}]",
                either(names),
                shown(name.get_ref())
            ),
        };
        self.report.add(
            Mistake::at(
                name.span(),
                format!("unknown {what} `{}`", shown(name.get_ref())),
            )
            .label(format!("no such {what}"))
            .help(help)
            .maybe_help(meant(name.get_ref(), known)),
        );
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
        let department = self.department_of(role);
        let outer = match department {
            Some(department) => department.layer.clone().over(&self.document.defaults),
            None => self.document.defaults.clone(),
        };
        let layer = role.layer.clone().over(&outer);
        let agent = value_or(layer.agent, STANDARD_AGENT.to_owned());
        self.check_prompt(role, catalogue.agents.get(&agent));
        let standard_tools = || {
            tools::STANDARD_TOOLS
                .iter()
                .map(|tool| (*tool).to_owned())
                .collect()
        };
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
        })
    }

    fn department_of(&self, role: &document::Role) -> Option<&document::Department> {
        let all = &self.document.departments;
        let known = || {
            all.iter()
                .map(|department| department.key.get_ref().as_str())
        };
        let Some(name) = &role.department else {
            let names: Vec<&str> = known().collect();
            let mistake = Mistake::at(
                role.key.span(),
                format!("the role `{}` has no department", shown(role.key.get_ref())),
            )
            .label("no department")
            .help("add `department = \"…\"` and define it as [departments.…]");
            let choose = (!names.is_empty())
                .then(|| format!("add `department = \"…\"`: {}", either(&names)));
            self.report.add(mistake.maybe_help(choose));
            return None;
        };
        let found = all
            .iter()
            .find(|department| department.key.get_ref() == name.get_ref());
        if found.is_none() {
            self.unknown("department", name, known());
        }
        found
    }

    /// A role of an agent that takes tasks needs a prompt; whatever is named must be there.
    fn check_prompt(&self, role: &document::Role, agent: Option<&domain::Agent>) {
        let key = role.key.get_ref();
        match &role.prompt {
            Some(path) if !prompt::exists(self.source, Path::new(path.get_ref())) => {
                let error = prompt::missing(self.source, Path::new(path.get_ref()));
                self.report.add(
                    Mistake::at(path.span(), error.to_string())
                        .label("no such file")
                        .help(error.remedy()),
                );
            }
            None if agent.is_some_and(|agent| agent.protocol == Protocol::ClaudeStreamJson) => {
                self.report.add(
                    Mistake::at(
                        role.key.span(),
                        format!("the role `{}` has no prompt", shown(key)),
                    )
                    .label("no prompt")
                    .help(format!(
                        "add `prompt = \"corporate-prompts/…/{}.md\"`",
                        shown(&key.replace('_', "-"))
                    )),
                );
            }
            _ => {}
        }
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
            self.report.add(
                Mistake::at(at_max.span(), format!("the minimum of `{what}` is above its maximum"))
                    .label(format!("at most {}", in_words(max)))
                    .also(at_min.span(), format!("at least {}", in_words(min)))
                    .help("lower the minimum or raise the maximum; one of them may come from the department or the defaults"),
            );
        }
        domain::Range { min, max }
    }

    fn files(&self, catalogue: &Catalogue) -> Vec<PathBuf> {
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
