//! Whether Claude Code is fit for work, as far as that can be told without starting it: its version,
//! a login or key, and what its terminal would ask before the first word.
//!
//! The files of the login are not opened: whether they are there is all that is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::agent::stream_json::{OLDEST_TRIED, is_older_than_tried};
use crate::domain::fault::{Fault, FaultCode};

/// Variables that stand for a login.
const KEYS: [&str; 3] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
];
/// Variables that name another provider, which has logins of its own.
const PROVIDERS: [&str; 3] = [
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
];

/// Says what is wrong with a version that was said, if anything is.
#[must_use]
pub fn fault_of_version(program: &Path, said: &str) -> Option<Fault> {
    let name = program.display();
    is_older_than_tried(said).then(|| {
        Fault::new(
            FaultCode::FailedToStart,
            format!(
                "{name} is version {}, and {OLDEST_TRIED} is the oldest that headcount was tried with",
                said.split_whitespace().next().unwrap_or(said)
            ),
            "update it: `claude update`, or `npm install -g @anthropic-ai/claude-code`",
        )
    })
}

/// What a program that did not say its version comes to. `why` is a fragment.
#[must_use]
pub fn fault_of_silence(program: &Path, why: &str) -> Fault {
    let name = program.display();
    Fault::new(
        FaultCode::FailedToStart,
        format!("the version of {name} is not known: {why}"),
        format!("run `{name} --version`, and mend what it says or waits for"),
    )
}

/// Where the login was found, or that none was. A doubt: the agent itself may know another way.
///
/// # Errors
/// The fault that the agent would report in its first answer.
pub fn login(variables: &BTreeMap<String, String>) -> Result<String, Fault> {
    let is_set = |name: &&&str| variables.get(**name).is_some_and(|value| !value.is_empty());
    if let Some(name) = KEYS.iter().chain(&PROVIDERS).find(is_set) {
        return Ok(format!("{name} is set"));
    }
    let none = || Fault::no_login("the agent is not logged in: no login and no key");
    let (folder, _) = places(variables).ok_or_else(none)?;
    let login = folder.join(".credentials.json");
    if login.is_file() {
        return Ok(format!("{} is there", login.display()));
    }
    for (file, key) in [
        (folder.join("settings.json"), "apiKeyHelper"),
        // It is always told its folder when it is started on pipes; then this lies in there.
        (folder.join(".claude.json"), "primaryApiKey"),
    ] {
        if read(&file).is_some_and(|document| document.get(key).is_some()) {
            return Ok(format!("{} has {key}", file.display()));
        }
    }
    Err(none())
}

/// What Claude Code in a terminal would ask before its first word; `-p` asks none of it.
#[must_use]
pub fn unsettled(variables: &BTreeMap<String, String>, folder: &Path) -> Option<Fault> {
    let (_, state) = places(variables)?;
    let settled = read(&state).unwrap_or(Value::Null);
    let is_true = |value: Option<&Value>| value.and_then(Value::as_bool) == Some(true);
    let trusted = folder.ancestors().any(|folder| {
        let project = settled
            .get("projects")
            .and_then(|all| all.get(folder.to_string_lossy().as_ref()));
        is_true(project.and_then(|project| project.get("hasTrustDialogAccepted")))
    });
    let asks = match (is_true(settled.get("hasCompletedOnboarding")), trusted) {
        (true, true) => return None,
        (true, false) => "whether the folder is trusted",
        (false, true) => "for its theme and login",
        (false, false) => "for its theme and login, and whether the folder is trusted",
    };
    let name = folder.display();
    Some(Fault::new(
        FaultCode::EnvironmentSetupFailed,
        format!("Claude Code will ask {asks} before it works in {name}"),
        format!("run `claude` once in {name} and answer, then start this process again"),
    ))
}

/// The configuration folder, and the file of what was settled.
fn places(variables: &BTreeMap<String, String>) -> Option<(PathBuf, PathBuf)> {
    let named = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    if let Some(folder) = named("CLAUDE_CONFIG_DIR").map(PathBuf::from) {
        let state = folder.join(".claude.json");
        return Some((folder, state));
    }
    let home = PathBuf::from(named("HOME")?);
    Some((home.join(".claude"), home.join(".claude.json")))
}

fn read(file: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, BTreeMap<String, String>) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".claude")).unwrap();
        let home = folder.path().display().to_string();
        (folder, [("HOME".to_owned(), home)].into())
    }

    #[test]
    fn a_version_that_is_too_old_is_told_with_its_cure() {
        let program = Path::new("/bin/claude");
        let fault = fault_of_version(program, "1.0.33 (Claude Code)\n").unwrap();
        assert_eq!(fault.code, FaultCode::FailedToStart);
        assert!(fault.cause.contains("is version 1.0.33,"), "{fault:?}");
        assert!(fault.remedy.contains("claude update"), "{fault:?}");
        for fine in [OLDEST_TRIED, "9.0.0 (Claude Code)"] {
            assert_eq!(fault_of_version(program, fine), None);
        }
    }

    #[test]
    fn every_way_to_log_in_is_seen() {
        let (home, bare) = home();
        let fault = login(&bare).unwrap_err();
        assert_eq!(fault.code, FaultCode::EnvironmentSetupFailed);
        assert!(fault.remedy.contains("log in"), "{fault:?}");
        let empty = |name: &str, value: &str| {
            let mut variables = bare.clone();
            variables.insert(name.to_owned(), value.to_owned());
            variables
        };
        assert!(login(&empty("ANTHROPIC_API_KEY", "")).is_err());
        for name in KEYS.iter().chain(&PROVIDERS) {
            assert_eq!(login(&empty(name, "1")).unwrap(), format!("{name} is set"));
        }
        for (file, text) in [
            (".claude/.claude.json", r#"{"primaryApiKey": "k"}"#),
            (".claude/settings.json", r#"{"apiKeyHelper": "x"}"#),
            (".claude/.credentials.json", ""),
        ] {
            let path = home.path().join(file);
            fs::write(&path, text).unwrap();
            assert!(login(&bare).unwrap().contains(file), "{file}");
            fs::remove_file(path).unwrap();
        }
        assert!(login(&BTreeMap::new()).is_err());
    }

    #[test]
    fn trust_and_first_questions_are_told_until_they_are_settled() {
        let (home, bare) = home();
        let work = home.path().join("work");
        let asks = |document: &str| {
            let document = document.replace("HERE", &home.path().to_string_lossy());
            fs::write(home.path().join(".claude.json"), document).unwrap();
            unsettled(&bare, &work)
        };
        for (document, words) in [
            ("{}", "for its theme and login, and whether"),
            ("no json", "for its theme and login, and whether"),
            (
                r#"{"hasCompletedOnboarding": true}"#,
                "ask whether the folder",
            ),
            (
                r#"{"projects": {"HERE": {"hasTrustDialogAccepted": true}}}"#,
                "for its theme and login before",
            ),
        ] {
            let fault = asks(document).unwrap();
            assert!(fault.cause.contains(words), "{document}: {fault:?}");
            assert!(fault.remedy.contains("run `claude` once in"));
        }
        let settled = r#"{"hasCompletedOnboarding": true, "projects": {"HERE": {"hasTrustDialogAccepted": true}}}"#;
        assert_eq!(asks(settled), None);
    }
}
