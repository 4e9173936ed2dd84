//! Compares what `roles.toml` names with what there is: tools, agents, roles, departments, files.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;

use crate::domain::role::{self as domain, Catalogue, Kind, Protocol};

use super::document;
use super::env_file;
use super::environment;
use super::layer::Layer;
use super::mistakes::Mistake;
use super::nearest::{either, meant};
use super::prompt;
use super::reader::shown;
use super::resolve::Resolver;
use super::tools;

impl Resolver<'_> {
    /// Checks each layer where it is written, so that a mistake in the defaults is found though every role overrides it.
    pub(super) fn check_layers(&self, catalogue: &Catalogue) {
        let document = self.document;
        self.check_layer(&document.defaults, "the defaults", catalogue);
        for department in &document.departments {
            self.check_layer(
                &department.layer,
                &format!("department {}", shown(department.key.get_ref())),
                catalogue,
            );
        }
        for role in &document.roles {
            self.check_layer(
                &role.layer,
                &format!("role {}", shown(role.key.get_ref())),
                catalogue,
            );
        }
        for cluster in &document.clusters {
            let of = format!("cluster {}", shown(cluster.key.get_ref()));
            for member in &cluster.members {
                self.check_layer(&member.layer, &of, catalogue);
            }
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
                    .help(format!(
                        "create {}, or take the key out",
                        shown(&path.to_string_lossy())
                    )),
                );
            }
        }
        self.check_environment(&layer.environment, of);
    }

    /// An agent needs a program and a way to be driven; for `claude` both are known.
    pub(super) fn check_agent(&self, agent: &document::Agent, is_standard: bool) {
        let name = agent.key.get_ref();
        let lacks = |what: &str, help: &str| {
            let message = format!("the agent `{}` has no {what}", shown(name));
            self.report.add(
                Mistake::at(agent.key.span(), message)
                    .label(format!("no {what}"))
                    .help(help),
            );
        };
        if agent.lacks_command && !is_standard {
            lacks(
                "command",
                "add `command = \"…\"`, a program on the PATH or a path",
            );
        }
        if agent.lacks_protocol && !is_standard {
            lacks(
                "protocol",
                "add `protocol = \"claude-stream-json\"`, \"terminal\" or \"plain\"",
            );
        }
        if let Some(variables) = &agent.environment {
            self.check_environment(variables, &format!("agent {}", shown(name)));
        }
    }

    /// Reports the rules that mean nothing to the agent.
    pub(super) fn check_rules(
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

    pub(super) fn check_environment(
        &self,
        variables: &BTreeMap<String, Spanned<String>>,
        of: &str,
    ) {
        for (name, value) in variables {
            if let Err(error) = environment::check(name, value.get_ref(), of) {
                self.report
                    .add(Mistake::at(value.span(), error.to_string()).help(error.remedy()));
            }
        }
    }

    /// A standing text is for an agent that takes tasks, in a kind that has runs.
    pub(super) fn check_run(&self, role: &document::Role, layer: &Layer, catalogue: &Catalogue) {
        let Some(run) = &role.run else { return };
        let kind = layer.kind.as_ref().map(|kind| *kind.get_ref());
        if !kind.is_some_and(Kind::has_runs) {
            self.report.add(
                Mistake::at(
                    run.span(),
                    "`run` is for the kinds `monitoring` and `utility`",
                )
                .label("this kind works through the queue")
                .help("add `kind = \"monitoring\"` or `kind = \"utility\"`, or take `run` out"),
            );
        }
        let name = layer
            .agent
            .as_ref()
            .map_or("claude", |agent| agent.get_ref().as_str());
        if let Some(agent) = catalogue
            .agents
            .get(name)
            .filter(|agent| agent.protocol != Protocol::ClaudeStreamJson)
        {
            self.report.add(
                Mistake::at(
                    run.span(),
                    format!(
                        "`run` is a text for an agent; `{}` is a command",
                        shown(&agent.name)
                    ),
                )
                .label("a command reads no text")
                .help(format!(
                    "put what it is to do into `args` of [agents.{}]",
                    shown(&agent.name)
                )),
            );
        }
    }

    /// Roles that clusters and templates name must be there.
    pub(super) fn check_members(&self) {
        let roles: Vec<&str> = self
            .document
            .roles
            .iter()
            .map(|role| role.key.get_ref().as_str())
            .collect();
        let named = self
            .document
            .clusters
            .iter()
            .flat_map(|cluster| &cluster.members)
            .filter_map(|member| member.role.as_ref());
        let templates = &self.document.templates;
        let named = named.chain(
            templates
                .iter()
                .filter_map(|template| template.role.as_ref()),
        );
        for role in named.filter(|role| !roles.contains(&role.get_ref().as_str())) {
            self.unknown("role", role, roles.iter().copied());
        }
        for cluster in &self.document.clusters {
            self.check_members_of(cluster);
        }
    }

    /// `ROLE=N` must say which ones are meant.
    fn check_members_of(&self, cluster: &document::Cluster) {
        let mut known: BTreeMap<&str, &Spanned<String>> = BTreeMap::new();
        for role in cluster.members.iter().filter_map(|one| one.role.as_ref()) {
            let Some(first) = known.get(role.get_ref().as_str()) else {
                known.insert(role.get_ref(), role);
                continue;
            };
            let message = format!(
                "the cluster `{}` has the role `{}` twice",
                shown(cluster.key.get_ref()),
                shown(role.get_ref())
            );
            self.report.add(
                Mistake::at(role.span(), message)
                    .label("here again")
                    .also(first.span(), "here already")
                    .help("keep one of them, with `instances` for how many"),
            );
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

    /// The department that a role is in, if it is there.
    pub(super) fn department_of(&self, role: &document::Role) -> Option<&document::Department> {
        let all = &self.document.departments;
        let known = || {
            all.iter()
                .map(|department| department.key.get_ref().as_str())
        };
        if role.lacks_department {
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
        }
        let name = role.department.as_ref()?;
        let found = all
            .iter()
            .find(|department| department.key.get_ref() == name.get_ref());
        if found.is_none() {
            self.unknown("department", name, known());
        }
        found
    }

    /// A role of an agent that takes tasks needs a prompt; whatever is named must be there.
    pub(super) fn check_prompt(&self, role: &document::Role, agent: Option<&domain::Agent>) {
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
            None if role.lacks_prompt
                && agent.is_some_and(|agent| agent.protocol == Protocol::ClaudeStreamJson) =>
            {
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
}
