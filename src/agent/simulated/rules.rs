//! Permission rules: `Bash(git *)`, `Edit(docs/**)`, `Read`, `mcp__office`.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::{
    pattern::{matches_path, matches_text},
    shell::{self, Part},
};

/// One rule: a tool, and which of its calls are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) tool: String,
    pub(super) content: Option<String>,
}

/// The rules in force.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    pub(super) allow: Vec<Rule>,
    pub(super) ask: Vec<Rule>,
    pub(super) deny: Vec<Rule>,
}

/// What the rules and the mode say about one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// With the reason as the protocol names it.
    Allow(&'static str),
    /// With the reason, if an ask rule is it.
    Ask(Option<&'static str>),
    Deny,
}

/// Where a call takes place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) cwd: &'a Path,
    pub(super) directories: &'a [PathBuf],
    pub(super) mode: &'a str,
}

impl Rule {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim();
        match text
            .split_once('(')
            .and_then(|(tool, rest)| Some((tool, rest.strip_suffix(')')?)))
        {
            Some((tool, content)) if !matches!(content, "" | "*") => Self {
                tool: tool.to_owned(),
                content: Some(content.to_owned()),
            },
            Some((tool, _)) => Self {
                tool: tool.to_owned(),
                content: None,
            },
            None => Self {
                tool: text.to_owned(),
                content: None,
            },
        }
    }

    pub(super) fn text(&self) -> String {
        match &self.content {
            Some(content) => format!("{}({content})", self.tool),
            None => self.tool.clone(),
        }
    }

    fn names(&self, tool: &str) -> bool {
        let is_server = self.tool.starts_with("mcp__") && self.content.is_none();
        self.tool == tool || (is_server && tool.starts_with(&format!("{}__", self.tool)))
    }

    /// Says whether the rule is about all calls of a tool.
    pub(super) fn covers_tool(&self, tool: &str) -> bool {
        self.content.is_none() && self.names(tool)
    }

    fn covers_command(&self, part: &Part) -> bool {
        let Some(content) = self.content.as_deref().filter(|_| self.tool == "Bash") else {
            return false;
        };
        match content
            .strip_suffix(":*")
            .or_else(|| content.strip_suffix(" *"))
        {
            Some(prefix) if !prefix.contains('*') => {
                part.text == prefix
                    || part
                        .text
                        .strip_prefix(prefix)
                        .is_some_and(|rest| rest.starts_with(' '))
            }
            _ => matches_text(content, &part.text),
        }
    }

    fn covers_path(&self, tool: &str, path: &Path, cwd: &Path) -> bool {
        // Rules for every tool that writes are spelled `Edit(…)`; `Write(…)` has no effect.
        let group = if matches!(tool, "Edit" | "Write" | "NotebookEdit") {
            "Edit"
        } else {
            "Read"
        };
        let Some(content) = self.content.as_deref().filter(|_| self.tool == group) else {
            return false;
        };
        match content.strip_prefix("//") {
            Some(absolute) => matches_path(&format!("/{absolute}"), &path.to_string_lossy()),
            None => path.strip_prefix(cwd).is_ok_and(|inner| {
                matches_path(
                    content.strip_prefix('/').unwrap_or(content),
                    &inner.to_string_lossy(),
                )
            }),
        }
    }
}

impl Rules {
    /// Judges one call: deny wins over ask, ask over allow.
    pub(super) fn judge(&self, tool: &str, input: &Value, place: Place<'_>) -> Verdict {
        if tool == "AskUserQuestion" {
            return Verdict::Ask(None);
        }
        let parts = input["command"]
            .as_str()
            .filter(|_| tool == "Bash")
            .map(shell::parts);
        let parts = parts.unwrap_or_default();
        let path = target(input, place.cwd);
        let hit = |rules: &[Rule]| {
            rules.iter().any(|rule| {
                rule.covers_tool(tool)
                    || parts.iter().any(|part| rule.covers_command(part))
                    || path
                        .as_deref()
                        .is_some_and(|path| rule.covers_path(tool, path, place.cwd))
            })
        };
        if hit(&self.deny) {
            return Verdict::Deny;
        }
        if hit(&self.ask) {
            return Verdict::Ask(Some("rule"));
        }
        if place.mode == "bypassPermissions" {
            return Verdict::Allow("mode");
        }
        if self.allow.iter().any(|rule| rule.covers_tool(tool)) {
            return Verdict::Allow("rule");
        }
        let allowed = if tool == "Bash" {
            !parts.is_empty() && parts.iter().all(|part| self.runs_freely(part))
        } else {
            hit(&self.allow) || self.is_harmless(tool, path.as_deref(), place)
        };
        if allowed {
            return Verdict::Allow(if tool == "Bash" {
                "subcommandResults"
            } else {
                "rule"
            });
        }
        if place.mode == "acceptEdits"
            && is_edit(tool)
            && path.is_some_and(|path| is_inside(&path, place))
        {
            return Verdict::Allow("mode");
        }
        if place.mode == "dontAsk" {
            Verdict::Deny
        } else {
            Verdict::Ask(None)
        }
    }

    fn runs_freely(&self, part: &Part) -> bool {
        let named = self.allow.iter().any(|rule| rule.covers_command(part));
        (named && !part.has_effects) || shell::only_reads(part)
    }

    fn is_harmless(&self, tool: &str, path: Option<&Path>, place: Place<'_>) -> bool {
        let reads = matches!(tool, "Read" | "LS" | "Glob" | "Grep");
        reads && path.is_none_or(|path| is_inside(path, place))
    }
}

fn is_edit(tool: &str) -> bool {
    matches!(tool, "Edit" | "Write" | "NotebookEdit")
}

fn is_inside(path: &Path, place: Place<'_>) -> bool {
    path.starts_with(place.cwd)
        || place
            .directories
            .iter()
            .any(|directory| path.starts_with(directory))
}

/// Returns the file that a call is about, without `.` and `..`.
pub(super) fn target(input: &Value, cwd: &Path) -> Option<PathBuf> {
    let named = input["file_path"]
        .as_str()
        .or_else(|| input["path"].as_str())?;
    let mut path = PathBuf::new();
    for part in cwd.join(named).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    Some(path)
}

/// Cuts a list of rules at commas and blanks that stand outside of brackets.
pub(super) fn split_list(list: &str) -> Vec<String> {
    let mut depth = 0_u32;
    let mut rules = vec![String::new()];
    for c in list.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' | ' ' if depth == 0 => {
                rules.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(rule) = rules.last_mut() {
            rule.push(c);
        }
    }
    rules.retain(|rule| !rule.is_empty());
    rules
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALLOW: Verdict = Verdict::Allow("subcommandResults");

    fn rules(allow: &str, ask: &str, deny: &str) -> Rules {
        let list = |text: &str| {
            split_list(text)
                .iter()
                .map(|rule| Rule::parse(rule))
                .collect()
        };
        Rules {
            allow: list(allow),
            ask: list(ask),
            deny: list(deny),
        }
    }

    fn judge(rules: &Rules, mode: &str, tool: &str, input: &Value) -> Verdict {
        let place = Place {
            cwd: Path::new("/work"),
            directories: &[PathBuf::from("/more")],
            mode,
        };
        rules.judge(tool, input, place)
    }

    #[test]
    fn each_part_of_a_command_is_judged() {
        let rules = rules(
            "Bash(git *) Bash(cargo test:*)",
            "Bash(git push *)",
            "Bash(rm *)",
        );
        let check = |command: &str, expected: Verdict| {
            assert_eq!(
                judge(&rules, "default", "Bash", &json!({"command": command})),
                expected,
                "{command}"
            );
        };
        check("git init x", ALLOW);
        check("cargo test", ALLOW);
        check("cargo test --lib", ALLOW);
        check("cargo tests", Verdict::Ask(None));
        check("git --version && touch y", Verdict::Ask(None));
        check("git init x > log", Verdict::Ask(None));
        check("git status; rm -r y", Verdict::Deny);
        check("cd . && git push x", Verdict::Ask(Some("rule")));
        check("bash -c 'git push x'", Verdict::Ask(None));
        check("ls | wc", ALLOW);
    }

    #[test]
    fn an_ask_rule_stands_above_a_tool_that_is_allowed() {
        let rules = rules("Bash", "Bash(git push *)", "");
        let verdict = |command| judge(&rules, "default", "Bash", &json!({"command": command}));
        assert_eq!(verdict("touch x > y"), Verdict::Allow("rule"));
        assert_eq!(verdict("git push x"), Verdict::Ask(Some("rule")));
    }

    #[test]
    fn paths_are_covered_by_edit_rules_alone() {
        let write = |path: &str| json!({"file_path": path, "content": ""});
        let edits = rules("Edit(*.md) Edit(docs/**)", "", "");
        assert_eq!(
            judge(&edits, "default", "Write", &write("a/b.md")),
            Verdict::Allow("rule")
        );
        assert_eq!(
            judge(&edits, "default", "Write", &write("/work/docs/x")),
            Verdict::Allow("rule")
        );
        assert_eq!(
            judge(&edits, "default", "Write", &write("b.rs")),
            Verdict::Ask(None)
        );
        let writes = rules("Write(*.md)", "", "");
        assert_eq!(
            judge(&writes, "default", "Write", &write("b.md")),
            Verdict::Ask(None)
        );
        assert_eq!(
            judge(&writes, "acceptEdits", "Write", &write("b.md")),
            Verdict::Allow("mode")
        );
        assert_eq!(
            judge(&writes, "acceptEdits", "Write", &write("../b.md")),
            Verdict::Ask(None)
        );
    }

    #[test]
    fn reading_asks_only_outside() {
        let none = Rules::default();
        let read = |path: &str| judge(&none, "default", "Read", &json!({"file_path": path}));
        assert_eq!(read("x"), Verdict::Allow("rule"));
        assert_eq!(read("/more/x"), Verdict::Allow("rule"));
        assert_eq!(read("../x"), Verdict::Ask(None));
    }

    #[test]
    fn modes_allow_or_refuse_the_rest() {
        let none = Rules::default();
        let touch = json!({"command": "touch x"});
        assert_eq!(
            judge(&none, "bypassPermissions", "Bash", &touch),
            Verdict::Allow("mode")
        );
        assert_eq!(judge(&none, "dontAsk", "Bash", &touch), Verdict::Deny);
    }

    #[test]
    fn a_server_rule_covers_its_tools() {
        let rules = rules("mcp__office", "", "mcp__office__fire");
        assert_eq!(
            judge(&rules, "default", "mcp__office__hire", &json!({})),
            Verdict::Allow("rule")
        );
        assert_eq!(
            judge(&rules, "default", "mcp__office__fire", &json!({})),
            Verdict::Deny
        );
    }
}
