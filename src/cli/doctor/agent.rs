//! The roles as a start would find them: agents, logins, prompts, tools, folders, room. One function
//! looks; here it is told.

use crate::app::fitness::{self, Fitness};
use crate::cli::doctor::check::Check;
use crate::cli::place::Place;
use crate::domain::fitness::{Finding, Subject, Weight};
use crate::domain::role::Catalogue;

/// Looks at every role.
pub(super) async fn check(place: &Place, catalogue: &Catalogue) -> Vec<Check> {
    let seen = fitness::look(place.source(), catalogue, place.state(), place.demo()).await;
    let mut checks = Vec::new();
    if place.demo() {
        checks.push(Check::ok("agent", "the simulated agent is built in"));
    }
    checks.extend(tell(&seen, catalogue.roles.len()));
    checks
}

/// What was found, agents first, with the words that a start has for it.
fn tell(seen: &Fitness, roles: usize) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for (program, agent, version) in &seen.programs {
        let version = version
            .as_ref()
            .map_or_else(String::new, |said| format!(", {said}"));
        let detail = format!("{} for `{agent}`{version}", program.display());
        checks.push(Check::ok("agent", detail));
    }
    checks.extend(seen.logins.iter().map(|login| Check::ok("login", login)));
    checks.extend(
        seen.findings
            .iter()
            // Told of the state folder, once.
            .filter(|(finding, _)| finding.subject != Subject::Disk)
            .map(|(finding, whom)| found(finding, whom, roles)),
    );
    checks
}

/// One finding that is about no role in particular.
pub(super) fn of_all(finding: &Finding) -> Check {
    found(finding, &[], 0)
}

/// One finding, with its code, for some of all roles.
fn found(finding: &Finding, whom: &[String], roles: usize) -> Check {
    let fault = &finding.fault;
    let detail = if whom.len() == roles {
        fault.to_string()
    } else {
        format!("{fault}\nfor {}", whom.join(", "))
    };
    let name = finding.subject.as_str();
    match finding.weight {
        Weight::Obstacle | Weight::Doubt => Check::fail(name, detail, fault.remedy.as_str()),
        Weight::Drawback => Check::warn(name, detail, fault.remedy.as_str()),
    }
}
