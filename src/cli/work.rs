//! What employees changed in their worktrees, the way home, and what is kept.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::cli::args::{DiffArgs, JsonArg, MergeArgs, RestoreArgs};
use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::format::{counted, moment, safe};
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::process::one;
use crate::cli::table::{Align, Table};
use crate::cli::task::task_id;
use crate::domain::clean::exact;
use crate::domain::id::ProcessId;
use crate::domain::worktree::MergeMode;
use crate::serve::wire::{
    ChangesDoc, DiffDoc, MergeDoc, MergeRequest, ProcessDoc, RestoreRequest, SavedDoc, TaskDoc,
};

/// The process that is meant.
async fn process_id(text: &str, client: &Client) -> Result<ProcessId, CliError> {
    let processes: Vec<ProcessDoc> = client.get("/api/processes").await?;
    Ok(one(text, &processes)?.id)
}

/// The path of the process or the task that is meant.
async fn whose(text: &str, client: &Client) -> Result<String, CliError> {
    Ok(if text.starts_with("task_") {
        format!("/api/tasks/{}", task_id(text, client).await?)
    } else {
        format!("/api/processes/{}", process_id(text, client).await?)
    })
}

/// Prints what a process or a task changed.
pub(super) async fn diff(
    args: &DiffArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    if args.what.starts_with("task_") {
        let id = task_id(&args.what, &client).await?;
        let document: DiffDoc = client.get(&format!("/api/tasks/{id}/diff")).await?;
        if args.json {
            return output.json(&document);
        }
        if args.files {
            let task: TaskDoc = client.get(&format!("/api/tasks/{id}")).await?;
            return task_files(&document, &task, output);
        }
        return coloured(&document.diff, output);
    }
    let id = process_id(&args.what, &client).await?;
    if args.files || args.json {
        let changes: ChangesDoc = client.get(&format!("/api/processes/{id}/changes")).await?;
        if args.json && args.files {
            return output.json(&changes);
        }
        if args.files {
            return files(&changes, output);
        }
    }
    let document: DiffDoc = client.get(&format!("/api/processes/{id}/diff")).await?;
    if args.json {
        return output.json(&document);
    }
    coloured(&document.diff, output)
}

/// The files that a task changed by git, and where its tools do not say the same.
fn task_files(document: &DiffDoc, task: &TaskDoc, output: &mut Output) -> Result<(), CliError> {
    let last = task.attempts.last();
    let only_by_git = last.map(|last| last.only_by_git.as_slice());
    for file in &document.files {
        let untold = only_by_git.is_some_and(|only| only.contains(file));
        let note = if untold { " (by git alone)" } else { "" };
        output.line(format_args!("{}{note}", exact(file)))?;
    }
    for file in last.into_iter().flat_map(|last| &last.only_by_tools) {
        output.line(format_args!(
            "{} (by a tool alone: git sees no change)",
            exact(file)
        ))?;
    }
    Ok(())
}

fn files(changes: &ChangesDoc, output: &mut Output) -> Result<(), CliError> {
    output.line(format_args!(
        "{} from {}: {} ahead, {} behind, {} not committed",
        safe(&changes.branch),
        safe(&changes.base),
        counted(changes.ahead, "commit"),
        changes.behind,
        counted(changes.uncommitted, "file"),
    ))?;
    if !changes.conflicts.is_empty() {
        let files = exact(&changes.conflicts.join(", "));
        output.line(format_args!(
            "in conflict with {}: {files}",
            safe(&changes.base)
        ))?;
    }
    let mut table = Table::new(&[
        ("", Align::Left),
        ("+", Align::Right),
        ("-", Align::Right),
        ("FILE", Align::Left),
    ]);
    for file in &changes.files {
        let number = |count: Option<u32>| count.map_or_else(|| "bin".to_owned(), |n| n.to_string());
        let open = if file.uncommitted {
            " (not committed)"
        } else {
            ""
        };
        table.row([
            file.change.letter().to_string(),
            number(file.added),
            number(file.removed),
            format!("{}{open}", exact(&file.path)),
        ]);
    }
    output.table(&table)
}

/// The diff, additions and removals in colour where there is colour; their signs say it anyway. Whoever reads it decides
/// on the work: nothing of a line may be hidden by what else stands in it.
fn coloured(diff: &str, output: &mut Output) -> Result<(), CliError> {
    let colour = output.colour();
    for line in diff.lines() {
        let line = exact(line);
        let code = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => "1",
            [b'+', ..] => "32",
            [b'-', ..] => "31",
            [b'@', b'@', ..] => "36",
            _ => "",
        };
        if colour && !code.is_empty() {
            output.line(format_args!("\x1b[{code}m{line}\x1b[0m"))?;
        } else {
            output.line(line)?;
        }
    }
    Ok(())
}

/// Brings the work of a process home.
pub(super) async fn merge(
    args: &MergeArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let whose = whose(&args.process, &client).await?;
    let mode = match (args.rebase, args.squash) {
        (true, _) => MergeMode::Rebase,
        (_, true) => MergeMode::Squash,
        _ => MergeMode::Merge,
    };
    let request = MergeRequest {
        mode,
        commit: args.commit.clone(),
        hand_back: args.hand_back,
    };
    let merged: MergeDoc = client.post(&format!("{whose}/merge"), &request).await?;
    if args.json {
        output.json(&merged)?;
    } else {
        match (merged.outcome.as_str(), &merged.commit) {
            ("done", Some(commit)) => output.line(format_args!(
                "{} brought home, now at {}",
                counted(merged.commits, "commit"),
                commit.get(..10).unwrap_or(commit)
            ))?,
            ("nothing", _) => output.line("nothing to bring home")?,
            _ => {}
        }
    }
    if merged.outcome != "conflicts" {
        return Ok(());
    }
    Err(CliError::Conflicts {
        files: merged.files,
        task: merged.task,
    })
}

/// Keeps what a process has in its worktree, and takes the worktree back to its base.
pub(super) async fn discard(
    process: &str,
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let path = format!("{}/discard", whose(process, &client).await?);
    let saved: SavedDoc = client.post(&path, &()).await?;
    if json.json {
        return output.json(&saved);
    }
    output.line(format_args!(
        "{} kept as {}; `headcount restore` brings it back",
        counted(saved.files, "file"),
        saved.name
    ))
}

/// Prints the work of a process as a patch that can be applied elsewhere, or writes it into a file.
pub(super) async fn export(
    process: &str,
    file: Option<&Path>,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let path = format!("{}/export", whose(process, &client).await?);
    let patch = client.bytes(&path).await?;
    match file {
        Some(path) => std::fs::write(path, patch).map_err(|source| CliError::WriteFile {
            path: path.to_owned(),
            source,
        }),
        None => output.bytes(&patch),
    }
}

/// Lists what is kept, or brings one of it back.
pub(super) async fn restore(
    args: &RestoreArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let here = folder(args.repository.as_deref())?;
    let Some(name) = &args.name else {
        return list(&here, args.json, &client, output).await;
    };
    let name = process_id(name, &client)
        .await
        .map_or_else(|_| name.clone(), |id| id.to_string());
    let to = match &args.to {
        Some(to) => std::path::absolute(to).map_err(|source| CliError::Read {
            path: to.clone(),
            source,
        })?,
        None => here.join(format!("restored-{}", name.replace('/', "-"))),
    };
    let request = RestoreRequest {
        folder: here,
        name,
        to: to.clone(),
    };
    let saved: SavedDoc = client.post("/api/saved/restore", &request).await?;
    if args.json {
        return output.json(&saved);
    }
    output.line(format_args!(
        "{} of {} brought back into {}",
        counted(saved.files, "file"),
        saved.process,
        to.display()
    ))
}

async fn list(
    here: &Path,
    json: bool,
    client: &Client,
    output: &mut Output,
) -> Result<(), CliError> {
    let query = format!("/api/saved?folder={}", encoded(here));
    let saved: Vec<SavedDoc> = client.get(&query).await?;
    if json {
        return output.json(&saved);
    }
    if saved.is_empty() {
        return output.line("nothing is kept here");
    }
    let now = Timestamp::now();
    let mut table = Table::new(&[
        ("KEPT", Align::Left),
        ("PROCESS", Align::Left),
        ("BRANCH", Align::Left),
        ("FILES", Align::Right),
        ("REF", Align::Left),
    ]);
    for saved in saved {
        table.row([
            moment(saved.at, now),
            saved.process.to_string(),
            safe(&saved.branch),
            saved.files.to_string(),
            saved.name,
        ]);
    }
    output.table(&table)
}

fn folder(given: Option<&Path>) -> Result<PathBuf, CliError> {
    let path = given.unwrap_or(Path::new("."));
    path.canonicalize().map_err(|source| CliError::Read {
        path: path.to_owned(),
        source,
    })
}

/// A path as part of a query.
fn encoded(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::test::output;
    use crate::domain::snapshot::Snapshot;
    use crate::domain::task::TaskState;
    use crate::serve::fixture;

    #[test]
    fn nothing_of_a_diff_is_hidden_by_what_else_stands_in_its_line() {
        let (mut output, written) = output();
        let diff = "+evil()\rx = 1\n+a\x1b[8mb\u{202e}c\r\n";
        coloured(diff, &mut output).expect("it is written");
        assert_eq!(
            written.text(),
            "+evil()\u{fffd}x = 1\n+a\u{fffd}[8mb\u{fffd}c\n"
        );
        let (mut output, written) = self::output();
        let document = DiffDoc {
            diff: String::new(),
            files: vec!["evil.rs\rreadme".to_owned()],
        };
        let task = fixture::task(1, TaskState::Succeeded);
        let task = TaskDoc::new(&task, &Snapshot::default());
        task_files(&document, &task, &mut output).expect("it is written");
        assert_eq!(written.text(), "evil.rs\u{fffd}readme\n");
    }
}
