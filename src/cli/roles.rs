//! The roles of the workspace, as its `roles.toml` has them now.

use crate::cli::args::JsonArg;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::table::{Align, Table};
use crate::config;
use crate::serve::wire::RoleDoc;

pub(super) fn run(json: JsonArg, place: &Place, output: &mut Output) -> Result<(), CliError> {
    let parent = |name: &str| std::env::var(name).ok();
    let loaded = config::load(place.source(), &parent)
        .map_err(|mistakes| CliError::Mistakes(Box::new(mistakes)))?;
    let roles: Vec<RoleDoc> = loaded.catalogue.roles.iter().map(RoleDoc::from).collect();
    if json.json {
        return output.json(&roles);
    }
    let mut table = Table::new(&[
        ("ROLE", Align::Left),
        ("TITLE", Align::Left),
        ("DEPARTMENT", Align::Left),
        ("AGENT", Align::Left),
        ("TOOLS", Align::Left),
    ]);
    for role in roles {
        table.row([
            role.key,
            role.title,
            role.department,
            role.agent,
            role.allowed_tools.join(" "),
        ]);
    }
    output.table(&table)
}
