//! Health and alerts: ask how a process does, list what is wrong, say that it was seen.

use futures::future::join_all;
use jiff::Timestamp;

use crate::cli::args::{JsonArg, ProcArgs};
use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::exit::Code;
use crate::cli::format::{or_dash, since};
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::process::one;
use crate::cli::resolve::{Candidate, bare, resolve};
use crate::cli::table::{Align, Table};
use crate::domain::id::AlertId;
use crate::domain::snapshot::{Health, Status};
use crate::serve::wire::{AlertDoc, HealthDoc, ProcessDoc};

/// Asks processes how they do, all at once. Fails if one that should be up is critical or offline.
pub(super) async fn health(
    args: &ProcArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let processes: Vec<ProcessDoc> = client.get("/api/processes").await?;
    let mut chosen: Vec<&ProcessDoc> = Vec::new();
    if args.all {
        chosen.extend(&processes);
    }
    let mut worst: Option<Code> = None;
    for text in &args.processes {
        match one(text, &processes) {
            Ok(process) if !chosen.contains(&process) => chosen.push(process),
            Ok(_) => {}
            Err(error) => {
                worst.get_or_insert(error.code());
                output.error(&error);
            }
        }
    }
    let client = &client;
    let asked = chosen.iter().map(|process| async move {
        let path = format!("/api/processes/{}/health", process.id);
        client
            .post::<HealthDoc>(&path, &serde_json::json!({}))
            .await
    });
    let mut answers: Vec<HealthDoc> = Vec::new();
    let mut is_ill = false;
    for (process, answer) in chosen.iter().zip(join_all(asked).await) {
        match answer {
            Ok(answer) => {
                is_ill |= matches!(answer.health, Health::Critical | Health::Offline)
                    && process.status != Status::Stopped;
                answers.push(answer);
            }
            Err(error) => {
                let error = CliError::from(error);
                worst.get_or_insert(error.code());
                output.error(&error);
            }
        }
    }
    if args.json {
        let single = !args.all && args.processes.len() == 1;
        match answers.as_slice() {
            [one] if single => output.json(one)?,
            [] if single => {}
            several => output.json(&several)?,
        }
    } else if !answers.is_empty() {
        output.table(&condition_table(&answers, Timestamp::now()))?;
    } else if worst.is_none() {
        output.note("there is no process to ask");
    }
    match worst.or(is_ill.then_some(Code::Failed)) {
        Some(code) => Err(CliError::Said(code)),
        None => Ok(()),
    }
}

fn condition_table(answers: &[HealthDoc], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("EMPLOYEE", Align::Left),
        ("HEALTH", Align::Left),
        ("FOR", Align::Right),
        ("WHY", Align::Left),
    ]);
    for answer in answers {
        table.row([
            answer.id.to_string(),
            answer.name.clone(),
            answer.health.as_str().to_owned(),
            since(answer.condition.since, now),
            answer.condition.why.clone(),
        ]);
    }
    table
}

/// Lists what is wrong, the worst first.
pub(super) async fn list(
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let alerts: Vec<AlertDoc> = place.client().await.get("/api/alerts").await?;
    if json.json {
        return output.json(&alerts);
    }
    if alerts.is_empty() {
        output.note("no alerts");
        return Ok(());
    }
    output.table(&alert_table(&alerts, Timestamp::now()))
}

fn alert_table(alerts: &[AlertDoc], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("LEVEL", Align::Left),
        ("EMPLOYEE", Align::Left),
        ("FOR", Align::Right),
        ("SEEN", Align::Left),
        ("WHAT", Align::Left),
    ]);
    for alert in alerts {
        let seen = if alert.acknowledged_at.is_some() {
            "yes"
        } else {
            "no"
        };
        table.row([
            alert.id.to_string(),
            alert.level.as_str().to_owned(),
            or_dash(alert.name.as_ref()),
            since(alert.since, now),
            seen.to_owned(),
            alert.text.clone(),
        ]);
    }
    table
}

/// Says that alerts were seen.
pub(super) async fn acknowledge(
    ids: &[String],
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let mut documents = Vec::new();
    let mut worst: Option<Code> = None;
    for text in ids {
        match acknowledged(text, &client).await {
            Ok(alert) => {
                if !json.json {
                    output.line(format_args!("{} acknowledged: {}", alert.id, alert.text))?;
                }
                documents.push(alert);
            }
            Err(error) => {
                worst.get_or_insert(error.code());
                output.error(&error);
            }
        }
    }
    if json.json {
        match documents.as_slice() {
            [one] if ids.len() == 1 => output.json(one)?,
            [] if ids.len() == 1 => {}
            several => output.json(&several)?,
        }
    }
    worst.map_or(Ok(()), |code| Err(CliError::Said(code)))
}

async fn acknowledged(text: &str, client: &Client) -> Result<AlertDoc, CliError> {
    let id = alert_id(text, client).await?;
    let path = format!("/api/alerts/{id}/ack");
    Ok(client.post(&path, &serde_json::json!({})).await?)
}

async fn alert_id(text: &str, client: &Client) -> Result<AlertId, CliError> {
    if let Ok(id) = text.parse::<AlertId>() {
        return Ok(id);
    }
    let alerts: Vec<AlertDoc> = client.get("/api/alerts").await?;
    let candidates: Vec<Candidate> = alerts.iter().map(|alert| bare(alert.id)).collect();
    let id = &resolve("alert", text, &candidates)?.id;
    id.parse().map_err(|_| CliError::Unknown {
        what: "alert",
        text: text.to_owned(),
        near: Vec::new(),
    })
}
