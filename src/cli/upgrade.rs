//! This build takes over from the instance that runs.

use std::time::Duration;

use crate::app::upgrade;
use crate::cli::client::ClientError;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::serve::wire::{StatusDoc, UpgradeRequest};

/// How long the program that takes over may take to answer: it adopts every run.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(50);

/// Looks whether this build can, has it take over, and waits until it answers.
pub(super) async fn run(place: &Place, output: &mut Output) -> Result<(), CliError> {
    let client = place.client().await;
    let before: StatusDoc = client.get("/api/status").await?;
    // By name of the file that stands there now: the one that was called may be gone from its path.
    let program = std::env::current_exe().map_err(CliError::Program)?;
    let folder = place.holder_of(before.instance.pid);
    if let Some(folder) = folder {
        upgrade::check(&folder).map_err(|error| CliError::CannotTakeOver(Box::new(error)))?;
    }
    let request = UpgradeRequest { program };
    match client.post::<StatusDoc>("/api/upgrade", &request).await {
        // One that leaves before its answer has left.
        Ok(_) | Err(ClientError::Http(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let taken = async {
        loop {
            let now: StatusDoc = client.get("/api/status").await?;
            if now.instance.generation > before.instance.generation {
                return Ok::<_, ClientError>(now);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let now = match tokio::time::timeout(PATIENCE, taken).await {
        Ok(Ok(now)) => now,
        Ok(Err(ClientError::NoInstance { .. })) => {
            return Err(CliError::NotTakenOver);
        }
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => {
            let text = "the new build has not answered".to_owned();
            return Err(CliError::TimedOut(text));
        }
    };
    let (old, new) = (&before.instance.version, &now.instance.version);
    let version = if old == new {
        format!("version {new}")
    } else {
        format!("version {new}, was {old}")
    };
    let up = now.processes.up;
    output.line(format_args!(
        "instance {} is this build now ({version}); {up} {} on",
        now.instance.pid,
        if up == 1 {
            "process runs"
        } else {
            "processes run"
        },
    ))
}
