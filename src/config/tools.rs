//! Tools and permission rules: what a role's words mean to the agent.
//!
//! The agent reports no unknown name: it takes it as a rule that matches nothing, and the tool is simply
//! not there. So every name is checked here, before anything is spawned.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::fault::{Fault, FaultCode};
use crate::domain::role::Catalogue;

use super::nearest::{either, nearest};

/// The tools that Claude Code 2.1 has, by the names that its rules know.
pub const AGENT_TOOLS: &[&str] = &[
    "Agent",
    "AskUserQuestion",
    "Bash",
    "CronCreate",
    "CronDelete",
    "CronList",
    "Edit",
    "EnterPlanMode",
    "EnterWorktree",
    "ExitPlanMode",
    "ExitWorktree",
    "Glob",
    "Grep",
    "ListAgents",
    "Monitor",
    "NotebookEdit",
    "Read",
    "ReportFindings",
    "ScheduleWakeup",
    "SendMessage",
    "Skill",
    "Task",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskStop",
    "TaskUpdate",
    "ToolSearch",
    "WebFetch",
    "WebSearch",
    "Workflow",
    "Write",
];

/// The tools of a role that lists none.
pub const STANDARD_TOOLS: &[&str] = &["Bash", "Edit", "Write", "Read", "Grep", "Glob", "LS"];

/// The alias that the standard set needs, unless `[tools]` says otherwise.
pub(super) const BUILT_IN_ALIAS: (&str, &str) = ("LS", "Bash(ls *)");

/// Tools for which a pattern has no effect: patterns of every writing tool are spelled `Edit(pattern)`.
const PATTERN_IGNORED: &[&str] = &["Write", "NotebookEdit"];

/// One permission rule: a tool, or the uses of a tool that match a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The agent's tool, for example `Bash`.
    pub tool: String,
    /// What stands in the brackets, for example `git *`.
    pub pattern: Option<String>,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Some(pattern) => write!(f, "{}({pattern})", self.tool),
            None => f.write_str(&self.tool),
        }
    }
}

/// The text is not of the form `Tool` or `Tool(pattern)`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a permission rule", text.escape_debug())]
pub struct RuleError {
    text: String,
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let error = || RuleError {
            text: text.to_owned(),
        };
        let (tool, pattern) = match text.split_once('(') {
            None => (text, None),
            Some((tool, rest)) => (tool, Some(rest.strip_suffix(')').ok_or_else(error)?)),
        };
        let named = !tool.is_empty()
            && tool
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '*'));
        let filled = pattern.is_none_or(|pattern| {
            !pattern.trim().is_empty() && !pattern.chars().any(char::is_control)
        });
        if !named || !filled {
            return Err(error());
        }
        Ok(Self {
            tool: tool.to_owned(),
            pattern: pattern.map(str::to_owned),
        })
    }
}

/// Why a word of a tool list, or a rule, means nothing to the agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// Neither a tool of the agent nor an alias.
    #[error("unknown tool `{}`", name.escape_debug())]
    Unknown {
        /// The word as written.
        name: String,
        /// Known names close to it, best first.
        nearest: Vec<String>,
    },
    /// Not of the form `Tool` or `Tool(pattern)`.
    #[error(transparent)]
    Malformed(#[from] RuleError),
    /// An alias where a rule of the agent must stand: in another alias, or with a pattern.
    #[error("`{name}` is an alias, which means nothing to the agent here")]
    Alias {
        /// The alias.
        name: String,
        /// What it stands for.
        rules: Vec<String>,
    },
    /// The agent accepts the rule and it matches nothing.
    #[error(
        "`{rule}` has no effect: the agent reads path patterns of every writing tool from `Edit`"
    )]
    NoEffect {
        /// The rule as written.
        rule: Rule,
        /// The rule that does what was meant.
        instead: Rule,
    },
}

impl ToolError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unknown { nearest, .. } if !nearest.is_empty() => {
                let names: Vec<&str> = nearest.iter().map(String::as_str).collect();
                format!("write {}, or define the name in [tools]", either(&names))
            }
            Self::Unknown { name, .. } => match SHIPPED_ALIASES.iter().find(|(alias, _)| alias == name) {
                Some((alias, rule)) => format!("define it in [tools], for example `{alias} = [\"{rule}\"]`"),
                None => "use a tool of the agent, such as Bash, Edit or Read, or define the name in [tools]".to_owned(),
            },
            Self::Alias { rules, .. } => {
                let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
                format!("write the rule itself: {}", either(&rules))
            }
            Self::Malformed(_) => "write `Tool` or `Tool(pattern)`, for example `Bash(git push *)`".to_owned(),
            Self::NoEffect { instead, .. } => format!("write `{instead}`"),
        }
    }
}

impl From<&ToolError> for Fault {
    fn from(error: &ToolError) -> Self {
        Self::new(
            FaultCode::ToolInitializationFailed,
            error.to_string(),
            error.remedy(),
        )
    }
}

/// What an alias of the shipped company means in its simplest form, for a file that lacks it.
const SHIPPED_ALIASES: &[(&str, &str)] = &[
    ("Git", "Bash(git *)"),
    ("Test", "Bash(cargo test *)"),
    ("Docker", "Bash(docker *)"),
    ("Kubernetes", "Bash(kubectl *)"),
    ("Markdown", "Edit(*.md)"),
    ("Documentation", "Edit(docs/**)"),
];

/// The words of tool lists and what they expand to, borrowed from a catalogue.
type Aliases = BTreeMap<String, Vec<String>>;

/// Expands the words of a role's tool list to permission rules, each once, in the order of the list.
///
/// # Errors
/// The first word that is neither a tool of the agent, nor a rule for one, nor an alias of `[tools]`.
pub fn expand<S: AsRef<str>>(catalogue: &Catalogue, names: &[S]) -> Result<Vec<Rule>, ToolError> {
    let mut rules = Vec::new();
    for name in names {
        for rule in expand_one(&catalogue.tools, name.as_ref())? {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    Ok(rules)
}

/// What the agent is started with for a tool list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AgentTools {
    /// Built-in tools that exist at all: the value of `--tools`.
    pub exist: Vec<String>,
    /// Rules for what runs without asking: the words after `--allowedTools`.
    pub allowed: Vec<String>,
}

/// Returns what a tool list means on the agent's command line.
///
/// A rule for some uses of a tool (`Bash(git *)`) makes the tool exist, and lets only those uses run
/// without asking. Tools of MCP servers are not built in, so they are allowed only.
///
/// # Errors
/// As [`expand`].
pub fn for_agent<S: AsRef<str>>(
    catalogue: &Catalogue,
    names: &[S],
) -> Result<AgentTools, ToolError> {
    let mut tools = AgentTools::default();
    for rule in expand(catalogue, names)? {
        // The tool that `--tools` calls Task is Agent in rules.
        let (exists, rules_say) = match rule.tool.as_str() {
            "Task" | "Agent" => ("Task", "Agent"),
            other => (other, other),
        };
        if !rule.tool.starts_with("mcp__") && !tools.exist.iter().any(|name| name == exists) {
            tools.exist.push(exists.to_owned());
        }
        let allowed = Rule {
            tool: rules_say.to_owned(),
            pattern: rule.pattern.clone(),
        };
        let allowed = allowed.to_string();
        if !tools.allowed.contains(&allowed) {
            tools.allowed.push(allowed);
        }
    }
    Ok(tools)
}

/// Expands one word.
pub(super) fn expand_one(aliases: &Aliases, word: &str) -> Result<Vec<Rule>, ToolError> {
    if let Some(rules) = aliases.get(word) {
        return rules.iter().map(|rule| check_rule(aliases, rule)).collect();
    }
    check_rule(aliases, word).map(|rule| vec![rule])
}

/// Reads a rule and makes sure that it can match something.
pub(super) fn check_rule(aliases: &Aliases, text: &str) -> Result<Rule, ToolError> {
    let rule: Rule = text.parse()?;
    if !exists(aliases, &rule.tool) {
        if let Some(rules) = aliases.get(&rule.tool) {
            return Err(ToolError::Alias {
                name: rule.tool,
                rules: rules.clone(),
            });
        }
        let words = AGENT_TOOLS
            .iter()
            .copied()
            .chain(aliases.keys().map(String::as_str));
        return Err(ToolError::Unknown {
            nearest: nearest(&rule.tool, words)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            name: rule.tool,
        });
    }
    if rule.pattern.is_some() && PATTERN_IGNORED.contains(&rule.tool.as_str()) {
        let instead = Rule {
            tool: "Edit".to_owned(),
            pattern: rule.pattern.clone(),
        };
        return Err(ToolError::NoEffect { rule, instead });
    }
    Ok(rule)
}

/// A tool of the agent, of an MCP server, or one that `[tools]` declares by naming it after itself: the
/// way to use a tool of a newer agent.
fn exists(aliases: &Aliases, tool: &str) -> bool {
    let of_a_server = tool
        .strip_prefix("mcp__")
        .is_some_and(|rest| !rest.is_empty());
    let declared = || {
        aliases.get(tool).is_some_and(|rules| {
            rules
                .iter()
                .any(|rule| rule.split('(').next() == Some(tool))
        })
    };
    of_a_server || AGENT_TOOLS.contains(&tool) || declared()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let alias = |name: &str, rules: &[&str]| {
            (
                name.to_owned(),
                rules.iter().map(|rule| (*rule).to_owned()).collect(),
            )
        };
        Catalogue {
            tools: [
                alias("Git", &["Bash(git *)"]),
                alias("Docs", &["Read", "Edit(docs/**)"]),
                alias("Brand", &["Brand"]),
                alias("Bad", &["Git"]),
            ]
            .into(),
            ..Catalogue::default()
        }
    }

    #[test]
    fn words_expand_to_rules_once_each_in_order() {
        let rules = expand(
            &catalogue(),
            &[
                "Read",
                "Docs",
                "Bash(ls *)",
                "mcp__github__get_issue",
                "Brand",
            ],
        )
        .unwrap();
        let rules: Vec<String> = rules.iter().map(Rule::to_string).collect();
        assert_eq!(
            rules,
            [
                "Read",
                "Edit(docs/**)",
                "Bash(ls *)",
                "mcp__github__get_issue",
                "Brand"
            ]
        );
    }

    #[test]
    fn a_rule_for_some_uses_makes_the_tool_exist() {
        let tools = for_agent(
            &catalogue(),
            &["Read", "Git", "Bash(ls *)", "Agent", "mcp__github"],
        )
        .unwrap();
        assert_eq!(tools.exist, ["Read", "Bash", "Task"]);
        assert_eq!(
            tools.allowed,
            ["Read", "Bash(git *)", "Bash(ls *)", "Agent", "mcp__github"]
        );
    }

    #[test]
    fn what_means_nothing_to_the_agent_is_an_error_with_a_remedy() {
        for (word, message, remedy) in [
            (
                "Reed",
                "unknown tool `Reed`",
                "write `Read`, or define the name in [tools]",
            ),
            (
                "Kubernetes",
                "unknown tool `Kubernetes`",
                "define it in [tools], for example `Kubernetes = [\"Bash(kubectl *)\"]`",
            ),
            (
                "Bad",
                "`Git` is an alias, which means nothing to the agent here",
                "write the rule itself: `Bash(git *)`",
            ),
            (
                "Bash(git",
                "`Bash(git` is not a permission rule",
                "write `Tool` or `Tool(pattern)`, for example `Bash(git push *)`",
            ),
            (
                "Bash()",
                "`Bash()` is not a permission rule",
                "write `Tool` or `Tool(pattern)`, for example `Bash(git push *)`",
            ),
            (
                "mcp__",
                "unknown tool `mcp__`",
                "use a tool of the agent, such as Bash, Edit or Read, or define the name in [tools]",
            ),
            (
                "Write(*.md)",
                "`Write(*.md)` has no effect: the agent reads path patterns of every writing tool from `Edit`",
                "write `Edit(*.md)`",
            ),
        ] {
            let error = expand(&catalogue(), &[word]).unwrap_err();
            let fault = Fault::from(&error);
            assert_eq!(
                (fault.code, fault.cause.as_str(), fault.remedy.as_str()),
                (FaultCode::ToolInitializationFailed, message, remedy)
            );
        }
    }
}
