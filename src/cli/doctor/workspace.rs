//! The workspace: where the roles come from, mistakes in them, their prompts.

use std::path::Path;

use crate::cli::doctor::check::Check;
use crate::config::{self, Finding, Origin, Source, prompt};
use crate::domain::role::{Catalogue, Role};

/// What was found, and the roles where they can be read.
pub(super) fn check(source: &Source) -> (Vec<Check>, Option<Catalogue>) {
    let mut checks = vec![origin(source)];
    for passed in source.passed_over() {
        checks.push(Check::warn(
            "roles.toml",
            format!(
                "{} belongs to another user and is passed over",
                passed.display()
            ),
            "name its folder with --workspace if you trust it",
        ));
    }
    let parent = |name: &str| std::env::var(name).ok();
    match config::load(source, &parent) {
        Ok(loaded) => {
            let catalogue = loaded.catalogue;
            checks.push(Check::ok(
                "configuration",
                format!(
                    "{} roles in {} departments, no mistakes",
                    catalogue.roles.len(),
                    catalogue.departments.len()
                ),
            ));
            checks.extend(prompts(source, &catalogue));
            (checks, Some(catalogue))
        }
        Err(mistakes) => {
            checks.push(Check::fail(
                "configuration",
                mistakes.plain().trim_end(),
                "mend these; a running instance keeps the last good configuration",
            ));
            (checks, None)
        }
    }
}

fn origin(source: &Source) -> Check {
    let workspace = source.workspace().display();
    let detail = match (source.origin(), source.file()) {
        (Origin::Embedded, _) | (_, None) => format!("{workspace}, with the built-in roles"),
        (_, Some(file)) => format!("{workspace}, with {}", file.display()),
    };
    Check::ok("workspace", detail)
}

/// Lints every prompt.
fn prompts(source: &Source, catalogue: &Catalogue) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut good = 0;
    for role in catalogue.roles.iter().filter(|role| role.prompt.is_some()) {
        // One that cannot be read is told with what else keeps the role from starting.
        let Ok(prompt) = prompt::load(source, role) else {
            continue;
        };
        let findings = config::lint(role, &prompt.text);
        if findings.is_empty() {
            good += 1;
        } else {
            checks.push(lacking(role, &findings));
        }
    }
    checks.insert(0, Check::ok("prompts", format!("{good} complete")));
    checks
}

/// What one prompt lacks, line by line, with a cure for each.
fn lacking(role: &Role, findings: &[Finding]) -> Check {
    let path = role.prompt.as_deref().unwrap_or(Path::new(""));
    let mut detail = path.display().to_string();
    let mut cures = Vec::new();
    for finding in findings {
        let line = finding
            .line
            .map_or_else(String::new, |line| format!("line {line}: "));
        detail.push_str(&format!("\n{line}{}", finding.message));
        cures.push(finding.help.as_str());
    }
    Check::warn("prompt", detail, cures.join("\n"))
}
