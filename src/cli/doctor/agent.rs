//! The agents: found, of a version, and with a login or key.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::cli::doctor::check::Check;
use crate::config::COMMAND_OVERRIDE;
use crate::domain::role::{Agent, Catalogue, Protocol};

/// How long an agent may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);
/// Variables that stand for a login.
const KEYS: [&str; 3] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
];

/// Looks at every agent that a role uses; at Claude Code where the roles cannot be read.
pub(super) async fn check(catalogue: Option<&Catalogue>) -> Vec<Check> {
    let mut checks = Vec::new();
    let used = catalogue.map(used).unwrap_or_default();
    let mut is_claude = used.is_empty();
    if used.is_empty() {
        let command = std::env::var(COMMAND_OVERRIDE).unwrap_or_else(|_| "claude".to_owned());
        checks.push(claude(&command).await);
    }
    for agent in used {
        if agent.protocol == Protocol::ClaudeStreamJson {
            is_claude = true;
            checks.push(claude(&agent.command).await);
        } else {
            checks.push(plain(agent));
        }
    }
    if is_claude {
        checks.push(login());
    }
    checks
}

/// The agents that roles use, each once.
fn used(catalogue: &Catalogue) -> Vec<&Agent> {
    let keys: BTreeSet<&str> = catalogue
        .roles
        .iter()
        .map(|role| role.agent.as_str())
        .collect();
    keys.into_iter()
        .filter_map(|key| catalogue.agents.get(key))
        .collect()
}

async fn claude(command: &str) -> Check {
    let Some(program) = find(command) else {
        return Check::fail(
            "agent",
            format!("`{command}` is not on the PATH"),
            "install Claude Code (npm install -g @anthropic-ai/claude-code), \
             or look around with `headcount --demo`",
        );
    };
    let said = Command::new(&program)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let path = program.display();
    match tokio::time::timeout(PATIENCE, said).await {
        Ok(Ok(said)) if said.status.success() => {
            let version = String::from_utf8_lossy(&said.stdout);
            Check::ok("agent", format!("{path}, {}", version.trim()))
        }
        Ok(Ok(said)) => Check::fail(
            "agent",
            format!("{path} --version ended with {}", said.status),
            format!("run `{path} --version` and mend what it says"),
        ),
        Ok(Err(error)) => Check::fail(
            "agent",
            format!("{path} cannot be run: {error}"),
            "install it anew",
        ),
        Err(_) => Check::fail(
            "agent",
            format!("{path} did not say its version in {} s", PATIENCE.as_secs()),
            format!("run `{path} --version` yourself and see what it waits for"),
        ),
    }
}

fn plain(agent: &Agent) -> Check {
    match find(&agent.command) {
        Some(program) => Check::ok(
            "agent",
            format!("{} for `{}`", program.display(), agent.name),
        ),
        None => Check::warn(
            "agent",
            format!(
                "`{}` for `{}` is not on the PATH",
                agent.command, agent.name
            ),
            format!("install it, or change `command` in [agents.{}]", agent.name),
        ),
    }
}

/// Whether there is a login or key. The file of the login is never opened.
fn login() -> Check {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if let Some(name) = KEYS.iter().find(|name| is_set(name)) {
        return Check::ok("login", format!("{name} is set"));
    }
    let folder = std::env::var_os("CLAUDE_CONFIG_DIR")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".claude")));
    match folder.map(|folder| folder.join(".credentials.json")) {
        Some(file) if file.is_file() => Check::ok("login", format!("{} is there", file.display())),
        _ => Check::fail(
            "login",
            "no login and no key",
            "run `claude` once and log in, or write ANTHROPIC_API_KEY=… into the `env_file` of the roles; a key that is set in the shell counts for what is started from it",
        ),
    }
}

/// The program that a command names: a path, or a name on the PATH.
pub(super) fn find(command: &str) -> Option<PathBuf> {
    let is_program = |path: &Path| {
        path.metadata()
            .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    if command.contains('/') {
        let path = PathBuf::from(command);
        return is_program(&path).then_some(path);
    }
    let path = std::env::var_os("PATH");
    let path = path
        .as_deref()
        .unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"));
    std::env::split_paths(path)
        .map(|folder| folder.join(command))
        .find(|path| is_program(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Verdict;

    fn script(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (folder, path.display().to_string())
    }

    #[tokio::test]
    async fn an_agent_that_says_its_version_is_fit() {
        let (_folder, path) = script("echo 2.1.330");
        let check = claude(&path).await;
        assert_eq!(check.verdict, Verdict::Ok, "{check:?}");
        assert!(check.detail.ends_with("2.1.330"));
    }

    #[tokio::test]
    async fn an_agent_that_is_missing_or_broken_fails_with_a_cure() {
        let (_folder, path) = script("exit 3");
        for command in [
            path.as_str(),
            "/nonexistent/claude",
            "no-such-agent-anywhere",
        ] {
            let check = claude(command).await;
            assert_eq!(check.verdict, Verdict::Fail, "{command}");
            assert!(check.cure.is_some());
        }
    }
}
