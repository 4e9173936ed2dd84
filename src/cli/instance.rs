//! The instance as a whole: the screen, up, down, status.

use std::time::Duration;

use serde::Serialize;

use crate::app::start::Found;
use crate::cli::args::{DownArgs, JsonArg, PlaceArgs};
use crate::cli::client::{Client, ClientError};
use crate::cli::error::CliError;
use crate::cli::exit::Code;
use crate::cli::fields::Fields;
use crate::cli::format::{bytes, dollars, safe};
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::os::{folder_lock, notify};
use crate::serve::wire::{ChangesDoc, ProcessDoc, ShutdownRequest, StatusDoc, lossy};

/// How often the end of an instance is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// How often it is looked whether another instance holds what is waited for.
const GLANCE: Duration = Duration::from_millis(500);
/// How long an instance may take to end once everything is killed.
const LAST: Duration = Duration::from_secs(30);

/// Opens the screen.
pub(super) fn screen(args: &PlaceArgs, foreground: bool) -> Result<(), CliError> {
    let place = Place::find(args)?;
    place.screen(foreground).map_err(CliError::from)
}

/// Starts an instance if none runs, and has one that runs stay.
pub(super) async fn up(place: &Place, output: &mut Output) -> Result<(), CliError> {
    let mut is_told = false;
    let (service, status) = loop {
        let service = match place.start().await? {
            Found::Started { pid } => Some(pid),
            // Not the service's: it was started by hand, and ends by hand.
            Found::AlreadyRunning { .. } => None,
        };
        let ending = match place.own_client().get::<StatusDoc>("/api/status").await {
            Ok(status) if !status.instance.shutting_down => break (service, status),
            Ok(status) => Some(status.instance.pid),
            // It went while it was asked.
            Err(ClientError::NoInstance { .. } | ClientError::Http(_)) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(pid) = ending {
            if !std::mem::replace(&mut is_told, true) {
                output.note(format_args!(
                    "instance {pid} is shutting down; another one starts when it has ended"
                ));
            }
            gone(pid, place.folder_of(pid)).await;
        }
        tokio::time::sleep(LOOK).await;
    };
    if let Err(error) = notify::ready(service) {
        // It runs; that the service does not hear of it is the service's to notice.
        output.note(format_args!("the service manager was not told: {error}"));
    }
    let kind = if status.instance.demo {
        ", simulated"
    } else {
        ""
    };
    output.line(format_args!(
        "instance {} runs for {}{kind}",
        status.instance.pid,
        status.instance.workspace.display(),
    ))
}

/// The client of an instance that runs, started if need be.
pub(super) async fn started(place: &Place) -> Result<Client, CliError> {
    let client = place.client().await;
    // Where the demonstration is the only one that runs, it is meant.
    if client.is_same(&place.own_client()) && !(place.is_kept() && client.is_reached().await) {
        // Also where one answers: it is told to stay when the last terminal leaves.
        place.start().await?;
    }
    Ok(client)
}

/// Ends the instance.
pub(super) async fn down(
    args: &DownArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let status: StatusDoc = client.get("/api/status").await?;
    let up = status.processes.up;
    let folder = place.folder_of(status.instance.pid);
    say_what_is_open(&client, output).await;
    let gracefully = async {
        shut(&client, args.force, args.timeout).await?;
        gone(status.instance.pid, folder.clone()).await;
        Ok::<(), CliError>(())
    };
    match tokio::time::timeout(args.timeout + LOOK, gracefully).await {
        Ok(done) => done?,
        Err(_) => {
            if !args.force {
                output.note("not all have stopped in time; killing what is left");
                let forced = shut(&client, true, args.timeout);
                // The instance may end under the request.
                drop(tokio::time::timeout(LAST, forced).await);
            }
            tokio::time::timeout(LAST, gone(status.instance.pid, folder.clone()))
                .await
                .map_err(|_| CliError::TimedOut("the instance has not ended".to_owned()))?;
        }
    }
    output.line(format_args!(
        "instance {} ended, {up} {} stopped",
        status.instance.pid,
        if up == 1 { "process" } else { "processes" },
    ))
}

/// Says what stands in worktrees and is not committed: it stays there, and is easily forgotten.
async fn say_what_is_open(client: &Client, output: &mut Output) {
    // That it cannot be told is no reason to run on.
    let processes: Vec<ProcessDoc> = client.get("/api/processes").await.unwrap_or_default();
    let with_worktree = processes
        .iter()
        .filter_map(|process| Some((process, process.worktree.as_ref()?)));
    for (process, worktree) in with_worktree {
        let path = format!("/api/processes/{}/changes", process.id);
        let changes: Result<ChangesDoc, _> = client.get(&path).await;
        let open = changes.map_or(0, |changes| changes.uncommitted);
        if open > 0 {
            output.note(format_args!(
                "{} has {open} {} not committed, in {}",
                safe(&process.name),
                if open == 1 { "file" } else { "files" },
                safe(&worktree.folder.to_string_lossy())
            ));
        }
    }
}

async fn shut(client: &Client, force: bool, timeout: Duration) -> Result<(), CliError> {
    let request = ShutdownRequest {
        force,
        timeout: Some(timeout.as_secs_f64()),
    };
    match client.post::<StatusDoc>("/api/shutdown", &request).await {
        // An instance that ends before its answer has left has ended.
        Ok(_) | Err(ClientError::Http(_) | ClientError::NoInstance { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until the process of the instance is gone: its lock goes with it.
async fn gone(instance: u32, folder: Option<std::path::PathBuf>) {
    let Some(folder) = folder else { return };
    let (ended, mut end) = tokio::sync::oneshot::channel();
    let waited_for = folder.clone();
    // A thread of its own: one that waits for ever must not keep this program from ending.
    std::thread::spawn(move || {
        folder_lock::wait_until_free(&waited_for);
        // Nobody listens any more when the time is over.
        let _ = ended.send(());
    });
    while tokio::time::timeout(GLANCE, &mut end).await.is_err() {
        // The next one may have been quicker to take the lock.
        if folder_lock::holder(&folder).is_some_and(|holder| holder != instance) {
            return;
        }
    }
}

/// What `status --json` says where no instance runs.
#[derive(Debug, Serialize)]
struct NotRunning<'a> {
    running: bool,
    #[serde(serialize_with = "lossy")]
    workspace: &'a std::path::Path,
}

/// Shows the totals.
pub(super) async fn status(
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let status: StatusDoc = match place.client().await.get("/api/status").await {
        Ok(status) => status,
        Err(ClientError::NoInstance { .. }) if json.json => {
            output.json(&NotRunning {
                running: false,
                workspace: place.workspace(),
            })?;
            return Err(CliError::Said(Code::NoInstance));
        }
        Err(error) => return Err(error.into()),
    };
    if json.json {
        return output.json(&status);
    }
    output.text(&totals(&status).draw())
}

fn totals(status: &StatusDoc) -> Fields {
    let StatusDoc {
        instance,
        processes,
        tasks,
        machine,
        ..
    } = status;
    let mut fields = Fields::default();
    let kind = if instance.demo { ", simulated" } else { "" };
    let end = if instance.shutting_down {
        ", shutting down"
    } else {
        ""
    };
    fields.add(
        "instance",
        format!("{} (version {}{kind}{end})", instance.pid, instance.version),
    );
    fields.add("workspace", instance.workspace.display());
    fields.add("roles", &instance.configuration);
    fields.add("terminals", instance.terminals);
    fields.add(
        "processes",
        format!(
            "{} up, {} busy, {} in error, {} in all",
            processes.up, processes.busy, processes.error, processes.total
        ),
    );
    fields.add(
        "tasks",
        format!(
            "{} queued, {} active, {} succeeded, {} failed",
            tasks.queued, tasks.active, tasks.succeeded, tasks.failed
        ),
    );
    fields.add("inbox", format!("{} waiting for you", status.inbox));
    fields.add("cost today", dollars(status.cost_today_usd));
    fields.add(
        "machine",
        format!(
            "cpu {:.0}% of {} cores, memory {} of {}",
            machine.cpu_percent,
            machine.cores,
            bytes(machine.memory_used),
            bytes(machine.memory_total)
        ),
    );
    fields.maybe(
        "agent",
        status
            .agent_missing
            .as_ref()
            .map(|fault| format!("{} ({})\ntry: {}", fault.cause, fault.code, fault.remedy)),
    );
    fields.maybe("mistakes", status.configuration_mistakes.as_ref());
    fields
}
