//! Permission rules: taken apart for the agent, and proposed for 'always'.
//!
//! A proposed rule is as wide as what a person can judge from the one request that they see: the
//! same command with other arguments, the same file, the same host. Where the first words of a
//! command do not say what it does (`sh`, `sudo`, `python`), or it has several parts, the rule is
//! that command and no other.

use serde_json::{Value, json};

use crate::agent::stream_json::value::text;

/// Programs whose second word says what they do.
const WITH_SUBCOMMANDS: [&str; 34] = [
    "apt",
    "apt-get",
    "brew",
    "bun",
    "bundle",
    "cargo",
    "composer",
    "deno",
    "dnf",
    "docker",
    "docker-compose",
    "dotnet",
    "gem",
    "gh",
    "git",
    "glab",
    "go",
    "helm",
    "journalctl",
    "kubectl",
    "make",
    "mix",
    "npm",
    "nx",
    "pip",
    "pip3",
    "pnpm",
    "podman",
    "poetry",
    "rustup",
    "systemctl",
    "terraform",
    "uv",
    "yarn",
];

/// Programs that run or do whatever their arguments say: no prefix of them can be judged.
const ANYTHING: [&str; 58] = [
    "ash", "awk", "bash", "busybox", "chgrp", "chmod", "chown", "chroot", "crontab", "csh", "curl",
    "dash", "dd", "doas", "env", "eval", "exec", "expect", "find", "fish", "gdb", "install",
    "kill", "killall", "ksh", "ln", "mkfs", "mount", "mv", "nc", "ncat", "nice", "node", "nohup",
    "npx", "perl", "php", "pkexec", "pkill", "python", "python3", "rm", "rsync", "ruby", "scp",
    "sed", "setsid", "sh", "source", "ssh", "strace", "su", "sudo", "tee", "timeout", "wget",
    "xargs", "zsh",
];

/// Programs whose `run` takes any program, not one that the project names.
const RUN_ANYTHING: [&str; 6] = ["bun", "docker", "docker-compose", "podman", "poetry", "uv"];

/// Takes `Bash(git push *)` apart as the agent wants it.
pub(super) fn parts(rule: &str) -> Value {
    match rule.strip_suffix(')').and_then(|rule| rule.split_once('(')) {
        Some((tool, content)) => json!({"toolName": tool, "ruleContent": content}),
        None => json!({"toolName": rule}),
    }
}

/// The rule that 'always' would make of a request.
pub(super) fn propose(tool: &str, input: &Value) -> String {
    let content = match tool {
        "Bash" => command(text(input, "command")),
        // One spelling stands for every tool that writes; a rule of their own has no effect.
        "Edit" | "Write" | "MultiEdit" => {
            return path("Edit", text(input, "file_path"), "");
        }
        "NotebookEdit" => return path("Edit", text(input, "notebook_path"), ""),
        "Read" => return path("Read", text(input, "file_path"), ""),
        "Glob" | "Grep" if !text(input, "path").is_empty() => {
            return path("Read", text(input, "path").trim_end_matches('/'), "/**");
        }
        "WebFetch" => host(text(input, "url")).map(|host| format!("domain:{host}")),
        _ => None,
    };
    content.map_or_else(|| tool.to_owned(), |content| format!("{tool}({content})"))
}

/// An absolute path has a second slash in front; one slash would mean the project's folder.
fn path(tool: &str, path: &str, suffix: &str) -> String {
    if path.is_empty() {
        return tool.to_owned();
    }
    let mut pattern = String::from(if path.starts_with('/') { "/" } else { "" });
    for char in path.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    format!("{tool}({pattern}{suffix})")
}

fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    (!host.is_empty()).then_some(host)
}

fn command(command: &str) -> Option<String> {
    let command = command.trim();
    if command.is_empty() {
        return None;
    }
    Some(prefix(command).unwrap_or_else(|| command.replace('*', r"\*")))
}

/// The first word or two with a star, where they say what the command does.
fn prefix(command: &str) -> Option<String> {
    if has_several_parts(command) {
        return None;
    }
    let mut words = command.split(' ').filter(|word| !word.is_empty());
    let program = words.next()?;
    let name = program.rsplit('/').next()?;
    if !is_plain(program) || ANYTHING.contains(&name) {
        return None;
    }
    if !WITH_SUBCOMMANDS.contains(&name) {
        return Some(format!("{program} *"));
    }
    let second = words.next()?;
    // An option in its place (`git -c core.pager=… log`) can change what the whole command does.
    let runs_anything =
        matches!(second, "exec" | "x" | "dlx") || (second == "run" && RUN_ANYTHING.contains(&name));
    let says = is_plain(second) && !second.starts_with('-') && !runs_anything;
    says.then(|| format!("{program} {second} *"))
}

fn is_plain(word: &str) -> bool {
    word.chars()
        .all(|char| char.is_ascii_alphanumeric() || "-_./:+".contains(char))
}

/// Whether a shell would see more in it than one command and its words.
fn has_several_parts(command: &str) -> bool {
    let mut quote = None;
    let mut chars = command.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (None, '\'' | '"') => quote = Some(char),
            (Some(open), char) if open == char => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                chars.next();
            }
            (_, '`' | '$') => return true,
            (None, ';' | '&' | '|' | '<' | '>' | '(' | ')' | '{' | '}' | '#' | '\n' | '\r') => {
                return true;
            }
            _ => {}
        }
    }
    quote.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tool: &str, input: Value, expected: &str) {
        assert_eq!(propose(tool, &input), expected, "{input}");
    }

    #[test]
    fn a_rule_is_as_wide_as_what_can_be_judged() {
        for (command, rule) in [
            ("git push origin main", "Bash(git push *)"),
            ("npm run lint -- --fix", "Bash(npm run *)"),
            ("git commit -m 'fix (a); b'", "Bash(git commit *)"),
            ("touch  notes.md", "Bash(touch *)"),
            ("./gradlew test", "Bash(./gradlew *)"),
            ("pytest", "Bash(pytest *)"),
            // What follows is that command alone.
            ("cd . && git push", "Bash(cd . && git push)"),
            ("git push > log", "Bash(git push > log)"),
            (
                "git commit -m \"$(cat x)\"",
                "Bash(git commit -m \"$(cat x)\")",
            ),
            ("git -c core.pager=sh log", "Bash(git -c core.pager=sh log)"),
            ("sudo apt install x", "Bash(sudo apt install x)"),
            ("/usr/bin/python3 -c 'x'", "Bash(/usr/bin/python3 -c 'x')"),
            ("A=1 make", "Bash(A=1 make)"),
            ("make", "Bash(make)"),
            (
                "docker run -v /:/x alpine",
                "Bash(docker run -v /:/x alpine)",
            ),
            ("rm *.o", r"Bash(rm \*.o)"),
            ("echo 'unclosed", "Bash(echo 'unclosed)"),
            ("git push\nrm x", "Bash(git push\nrm x)"),
            ("", "Bash"),
        ] {
            check("Bash", json!({"command": command}), rule);
        }
    }

    #[test]
    fn files_hosts_and_other_tools_have_rules_of_their_own() {
        check(
            "Edit",
            json!({"file_path": "/srv/a.rs"}),
            "Edit(//srv/a.rs)",
        );
        check(
            "Write",
            json!({"file_path": "docs/[x].md"}),
            r"Edit(docs/\[x\].md)",
        );
        check(
            "Read",
            json!({"file_path": "/etc/hosts"}),
            "Read(//etc/hosts)",
        );
        check(
            "Grep",
            json!({"pattern": "x", "path": "/srv/"}),
            "Read(//srv/**)",
        );
        check("Grep", json!({"pattern": "x"}), "Grep");
        check(
            "WebFetch",
            json!({"url": "https://me@docs.rs:443/x?y"}),
            "WebFetch(domain:docs.rs)",
        );
        check("mcp__office__list", json!({}), "mcp__office__list");
    }

    #[test]
    fn a_rule_is_taken_apart_at_its_outer_brackets() {
        for (rule, tool, content) in [
            ("Bash(git push *)", "Bash", Some("git push *")),
            ("Bash(echo (a) b)", "Bash", Some("echo (a) b")),
            ("Read", "Read", None),
        ] {
            let parts = parts(rule);
            assert_eq!(parts["toolName"], tool);
            assert_eq!(parts["ruleContent"].as_str(), content);
        }
    }
}
