//! Clusters: list, start, stop, restart, scale.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::args::{ClusterVerb, JsonArg};
use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::exit::Code;
use crate::cli::format::safe;
use crate::cli::instance::started;
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::process::is_text;
use crate::cli::resolve::{Candidate, bare, resolve};
use crate::cli::table::{Align, Table};
use crate::serve::wire::{
    ClusterActedDoc, ClusterDoc, ClusterRestartRequest, ClusterScaleRequest, ClusterStartRequest,
};

pub(super) async fn run(
    verb: ClusterVerb,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    match verb {
        ClusterVerb::Ls(json) => list(json, place, output).await,
        ClusterVerb::Start { name, json } => {
            let client = started(place).await?;
            let request = ClusterStartRequest {
                working_directory: Some(here()?),
            };
            act(("start", &name), &request, json, &client, output).await
        }
        ClusterVerb::Stop { name, json } => {
            let client = place.client().await;
            let nothing = serde_json::json!({});
            act(("stop", &name), &nothing, json, &client, output).await
        }
        ClusterVerb::Restart {
            name,
            rolling,
            json,
        } => {
            let client = place.client().await;
            let request = ClusterRestartRequest { rolling };
            act(("restart", &name), &request, json, &client, output).await
        }
        ClusterVerb::Scale { name, sizes, json } => {
            let client = started(place).await?;
            let cluster = one(&name, &client).await?;
            let candidates: Vec<Candidate> =
                cluster.roles.iter().map(|role| bare(&role.role)).collect();
            let mut roles = BTreeMap::new();
            for (role, count) in sizes {
                let found = resolve("role", &role, &candidates);
                let role = found
                    .map_err(|error| of_cluster(error, &cluster))?
                    .id
                    .clone();
                if roles.insert(role.clone(), count).is_some() {
                    return Err(CliError::Usage(format!("`{role}` is given twice")));
                }
            }
            let request = ClusterScaleRequest {
                roles,
                working_directory: Some(here()?),
            };
            act(("scale", &cluster.name), &request, json, &client, output).await
        }
    }
}

/// A role that is none of a cluster's may be one all the same.
fn of_cluster(error: CliError, cluster: &ClusterDoc) -> CliError {
    match error {
        CliError::Unknown { text, near, .. } => CliError::NotOfCluster {
            cluster: cluster.name.clone(),
            text,
            near: near.into_iter().next(),
            roles: cluster.roles.iter().map(|role| role.role.clone()).collect(),
        },
        error => error,
    }
}

/// The folder of the caller: there the first of a cluster are hired.
fn here() -> Result<PathBuf, CliError> {
    let here = std::env::current_dir().map_err(|source| CliError::Read {
        path: PathBuf::from("."),
        source,
    })?;
    is_text(&here)?;
    Ok(here)
}

/// The cluster that is meant.
async fn one(text: &str, client: &Client) -> Result<ClusterDoc, CliError> {
    let clusters: Vec<ClusterDoc> = client.get("/api/clusters").await?;
    let candidates: Vec<Candidate> = clusters.iter().map(|one| bare(&one.name)).collect();
    let name = &resolve("cluster", text, &candidates)?.id;
    let found = clusters.iter().find(|cluster| cluster.name == *name);
    found.cloned().ok_or_else(|| CliError::Unknown {
        what: "cluster",
        text: text.to_owned(),
        near: Vec::new(),
    })
}

/// The key of the cluster that is meant.
pub(super) async fn key(text: Option<&str>, client: &Client) -> Result<Option<String>, CliError> {
    match text {
        Some(text) => Ok(Some(one(text, client).await?.name)),
        None => Ok(None),
    }
}

async fn act(
    (verb, name): (&str, &str),
    request: &impl Serialize,
    json: JsonArg,
    client: &Client,
    output: &mut Output,
) -> Result<(), CliError> {
    let name = one(name, client).await?.name;
    let path = format!("/api/clusters/{name}/{verb}");
    let acted: ClusterActedDoc = client.post(&path, request).await?;
    if json.json {
        output.json(&acted)?;
    } else {
        output.line(format!("{name}: {}", acted.summary))?;
        for failure in &acted.failed {
            output.line(format!("  {}: {}", failure.process, safe(&failure.why)))?;
        }
        for note in &acted.cluster.notes {
            output.note(safe(note));
        }
    }
    if acted.failed.is_empty() && acted.processes_left == 0 {
        Ok(())
    } else {
        Err(CliError::Said(Code::Failed))
    }
}

async fn list(json: JsonArg, place: &Place, output: &mut Output) -> Result<(), CliError> {
    let client = place.client().await;
    let clusters: Vec<ClusterDoc> = client.get("/api/clusters").await?;
    if json.json {
        return output.json(&clusters);
    }
    if clusters.is_empty() {
        output.note("no clusters; write [clusters.NAME] with `processes` into roles.toml");
        return Ok(());
    }
    output.table(&table(&clusters))?;
    for cluster in &clusters {
        let scaling = cluster.scaling.iter();
        let scaling = scaling.map(|one| format!("{}: {}", one.role, one.text));
        for note in cluster.notes.iter().cloned().chain(scaling) {
            output.note(safe(&format!("{}: {note}", cluster.name)));
        }
    }
    Ok(())
}

pub(super) fn table(clusters: &[ClusterDoc]) -> Table {
    let mut table = Table::new(&[
        ("CLUSTER", Align::Left),
        ("UP", Align::Right),
        ("BUSY", Align::Right),
        ("HIRED", Align::Right),
        ("WANTED", Align::Right),
        ("DECLARED", Align::Right),
        ("BALANCING", Align::Left),
        ("HEALTH", Align::Left),
    ]);
    for cluster in clusters {
        let health = match (
            cluster.health_interval_seconds,
            cluster.health_timeout_seconds,
        ) {
            (Some(interval), Some(timeout)) => format!("every {interval} s, {timeout} s"),
            _ => "by role".to_owned(),
        };
        let declared: u32 = cluster.roles.iter().map(|role| role.declared).sum();
        table.row([
            cluster.name.clone(),
            cluster.up.to_string(),
            cluster.busy.to_string(),
            cluster.hired.to_string(),
            cluster.wanted.to_string(),
            declared.to_string(),
            cluster.load_balancing.as_str().to_owned(),
            health,
        ]);
        for role in &cluster.roles {
            table.row([
                format!("  {}", role.role),
                role.up.to_string(),
                role.busy.to_string(),
                (role.hired + role.extra).to_string(),
                role.wanted.to_string(),
                role.declared.to_string(),
            ]);
        }
    }
    table
}
