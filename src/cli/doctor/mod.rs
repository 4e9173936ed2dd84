//! Looks at everything that a company needs, and names what is missing with its cure.
//!
//! It needs no instance, changes nothing, and never shows a secret: only whether one is there.

mod agent;
mod check;
mod logout;
mod machine;
mod security;
mod state;
mod workspace;

use serde::Serialize;

use crate::cli::args::DoctorArgs;
use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::error::CliError;
use crate::cli::exit::Code;
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::service;

/// Everything that was looked at.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
}

/// Looks and tells; fails if anything failed.
pub(super) async fn run(
    args: DoctorArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let (mut checks, catalogue) = workspace::check(place.source());
    if args.security {
        checks = security::check(place.source(), catalogue.as_ref(), place.state());
        return tell(checks, args, output);
    }
    match &catalogue {
        Some(catalogue) => checks.extend(agent::check(place, catalogue).await),
        None => checks.push(Check::warn(
            "agent",
            "not looked at, since the configuration cannot be read",
            "mend the configuration first",
        )),
    }
    checks.extend(state::check(place.state()));
    checks.push(machine::cgroups());
    checks.push(logout::check(service::is_installed(place)));
    tell(checks, args, output)
}

fn tell(checks: Vec<Check>, args: DoctorArgs, output: &mut Output) -> Result<(), CliError> {
    let ok = checks.iter().all(|check| check.verdict != Verdict::Fail);
    let report = Report { ok, checks };
    if args.json.json {
        output.json(&report)?;
    } else {
        for check in &report.checks {
            output.text(&check.draw(output.colour()))?;
        }
    }
    if ok {
        Ok(())
    } else {
        Err(CliError::Said(Code::Failed))
    }
}
