//! What happened: the record, entry by entry, and the sum of a time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::cli::args::{DigestArgs, EventsArgs, LineCount};
use crate::cli::client::{Client, ClientError};
use crate::cli::error::CliError;
use crate::cli::format::{dollars, moment, safe, since};
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::process::one;
use crate::cli::table::{Align, Table, cut};
use crate::cli::task::task_id;
use crate::domain::id::ProcessId;
use crate::serve::wire::{DigestDoc, EntryDoc, ErrorKind, ProcessDoc, TaskNoteDoc};

/// Entries that are printed if nobody says how many.
const LINES: usize = 50;
/// Entries that are asked for at once.
const PAGE: usize = 2_000;
/// How much of a task's title stands before its result.
const TITLE: usize = 60;
/// How much of an entry's text is printed.
const TEXT: usize = 200;
/// How long after a stream was cut off it is asked for again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Prints entries of the record, and goes on with it.
pub(super) async fn events(
    args: &EventsArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let mut which = String::new();
    if let Some(text) = &args.process {
        let process = process_id(text, &client).await?;
        which.push_str(&format!("&process={process}"));
    }
    if let Some(text) = &args.task {
        let task = task_id(text, &client).await?;
        which.push_str(&format!("&task={task}"));
    }
    let mut begin = which.clone();
    if let Some(time) = args.since {
        begin.push_str(&format!("&since={}", instant(time)));
    }
    let lines = args.lines.unwrap_or(match args.since {
        Some(_) => LineCount::All,
        None => LineCount::Last(LINES),
    });
    let mut last = None;
    match lines {
        LineCount::All => {
            let mut after = 0;
            loop {
                let path = format!("/api/events?lines={PAGE}&after={after}{begin}");
                let page: Vec<EntryDoc> = client.get(&path).await?;
                let Some(newest) = page.last() else { break };
                after = newest.number;
                last = Some(after);
                print(&page, args.json, output)?;
                if page.len() < PAGE {
                    break;
                }
            }
        }
        LineCount::Last(0) => {}
        LineCount::Last(lines) => {
            let path = format!("/api/events?lines={lines}{begin}");
            let page: Vec<EntryDoc> = client.get(&path).await?;
            last = page.last().map(|entry| entry.number);
            print(&page, args.json, output)?;
        }
    }
    if !args.follow {
        if last.is_none() && lines != LineCount::Last(0) {
            output.note("nothing is on record");
        }
        return Ok(());
    }
    if last.is_none() {
        // What is there already was not asked for.
        let newest: Vec<EntryDoc> = client.get("/api/events?lines=1").await?;
        last = newest.last().map(|entry| entry.number);
    }
    follow(&client, &which, last, args.json, output).await
}

async fn follow(
    client: &Client,
    which: &str,
    mut last: Option<u64>,
    json: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    output.flush()?;
    let mut begun = false;
    loop {
        if begun {
            tokio::time::sleep(PAUSE).await;
        }
        let after = last.unwrap_or(0);
        let path = format!("/api/events/follow?after={after}{which}");
        match follow_once(client, &path, &mut last, json, output).await {
            // Cut off: where a new build takes over somebody listens, and has the rest.
            Ok(()) | Err(CliError::Client(ClientError::Http(_))) if client.is_answered().await => {}
            Err(CliError::Api(body)) if body.kind == ErrorKind::Again => {}
            // The instance ended, and that was the last of it.
            Ok(()) => return Ok(()),
            Err(CliError::NoInstance { .. }) if begun => return Ok(()),
            ended => return ended,
        }
        begun = true;
    }
}

async fn follow_once(
    client: &Client,
    path: &str,
    last: &mut Option<u64>,
    json: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    let mut lines = client.stream(path).await?;
    while let Some(entries) = lines.next::<EntryDoc>().await? {
        if let Some(newest) = entries.last() {
            *last = Some(newest.number);
        }
        print(&entries, json, output)?;
        output.flush()?;
    }
    Ok(())
}

/// One line an entry: those that come later stand in the same columns.
fn print(entries: &[EntryDoc], json: bool, output: &mut Output) -> Result<(), CliError> {
    for entry in entries {
        if json {
            output.json_line(entry)?;
        } else {
            output.line(line(entry, &TimeZone::system()))?;
        }
    }
    Ok(())
}

fn line(entry: &EntryDoc, zone: &TimeZone) -> String {
    let at = entry.at.to_zoned(zone.clone());
    let time = at.strftime("%Y-%m-%d %H:%M:%S");
    let who = entry.name.as_deref().unwrap_or("-");
    let what = entry.what.as_str();
    let mut rest = Vec::new();
    if let Some(task) = entry.task {
        rest.push(task.to_string());
    }
    if let Some(request) = entry.request {
        rest.push(request.to_string());
    }
    if !entry.text.is_empty() {
        rest.push(cut(&safe(&entry.text), TEXT));
    }
    if let Some(cost) = entry.cost_usd {
        rest.push(format!("({})", cents(cost)));
    }
    if let Some(by) = &entry.by {
        rest.push(format!("[{by}]"));
    }
    safe(&format!(
        "{time}  {who:<10}  {what:<16}  {}",
        rest.join(" ")
    ))
    .trim_end()
    .to_owned()
}

/// US dollars of a single thing, which are often less than a cent.
fn cents(usd: f64) -> String {
    if usd < 0.01 {
        format!("${usd:.4}")
    } else {
        format!("${usd:.2}")
    }
}

async fn process_id(text: &str, client: &Client) -> Result<ProcessId, CliError> {
    // Of one that was let go there is a record as well.
    if let Ok(id) = text.parse::<ProcessId>() {
        return Ok(id);
    }
    let processes: Vec<ProcessDoc> = client.get("/api/processes").await?;
    Ok(one(text, &processes)?.id)
}

/// A local time as an instant.
fn instant(time: DateTime) -> Timestamp {
    TimeZone::system()
        .to_ambiguous_timestamp(time)
        .compatible()
        .unwrap_or(Timestamp::MIN)
}

/// Sums up what happened since a time, or since a person was there last.
pub(super) async fn digest(
    args: &DigestArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let path = args.since.map_or_else(
        || "/api/digest".to_owned(),
        |time| format!("/api/digest?since={}", instant(time)),
    );
    let digest: DigestDoc = client.get(&path).await?;
    if args.json {
        return output.json(&digest);
    }
    let now = digest.until;
    output.line(match digest.since {
        Some(since) => format!("Since {}", moment(since, now)),
        None => "Since the record begins".to_owned(),
    })?;
    if digest.quiet && digest.waits.is_empty() {
        return output.line("Nothing happened, and nothing waits for you.");
    }
    write(&digest, output)
}

fn write(digest: &DigestDoc, output: &mut Output) -> Result<(), CliError> {
    let now = digest.until;
    if !digest.waits.is_empty() {
        heading("Waits for you", digest.waits.len(), output)?;
        let mut table = Table::new(&[
            ("ID", Align::Left),
            ("EMPLOYEE", Align::Left),
            ("FOR", Align::Right),
            ("WHAT", Align::Left),
        ]);
        for wait in &digest.waits {
            let id = wait.request.map(|id| id.to_string());
            table.row([
                id.unwrap_or_else(|| wait.process.to_string()),
                wait.name.clone(),
                since(wait.since, now),
                wait.text.clone(),
            ]);
        }
        output.table(&table)?;
    }
    if !digest.stuck.is_empty() {
        let count: u32 = digest.stuck.iter().map(|note| note.count).sum();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        heading("Do not go on without you", count, output)?;
        let mut table = Table::new(&[
            ("TASKS", Align::Right),
            ("FIRST", Align::Left),
            ("WHY", Align::Left),
        ]);
        for note in &digest.stuck {
            let first = note.tasks.first();
            table.row([
                note.count.to_string(),
                first.map_or_else(String::new, ToString::to_string),
                note.text.clone(),
            ]);
        }
        output.table(&table)?;
    }
    tasks("Failed", &digest.failed, digest.failed_count, now, output)?;
    if !digest.failures.is_empty() {
        heading("Went wrong", digest.failures.len(), output)?;
        let mut table = Table::new(&[
            ("PROC", Align::Left),
            ("EMPLOYEE", Align::Left),
            ("AT", Align::Left),
            ("TIMES", Align::Right),
            ("NOW", Align::Left),
            ("WHY", Align::Left),
        ]);
        for failure in &digest.failures {
            table.row([
                failure.process.to_string(),
                failure.name.clone(),
                moment(failure.at, now),
                failure.count.to_string(),
                failure
                    .status
                    .map_or("gone", |status| status.as_str())
                    .to_owned(),
                failure.text.clone(),
            ]);
        }
        output.table(&table)?;
    }
    tasks(
        "Finished",
        &digest.finished,
        digest.finished_count,
        now,
        output,
    )?;
    if !digest.hired.is_empty() {
        heading("Hired", digest.hired.len(), output)?;
        let mut table = Table::new(&[
            ("PROC", Align::Left),
            ("EMPLOYEE", Align::Left),
            ("ROLE", Align::Left),
        ]);
        for hire in &digest.hired {
            table.row([
                hire.process.to_string(),
                hire.name.clone(),
                hire.text.clone(),
            ]);
        }
        output.table(&table)?;
    }
    if !digest.restarted.is_empty() {
        heading("Restarted", digest.restarted.len(), output)?;
        let mut table = Table::new(&[
            ("PROC", Align::Left),
            ("EMPLOYEE", Align::Left),
            ("TIMES", Align::Right),
            ("WHY", Align::Left),
        ]);
        for restart in &digest.restarted {
            table.row([
                restart.process.to_string(),
                restart.name.clone(),
                restart.count.to_string(),
                restart.text.clone(),
            ]);
        }
        output.table(&table)?;
    }
    if !digest.alerts.is_empty() {
        heading("Alerts", digest.alerts.len(), output)?;
        let mut table = Table::new(&[
            ("AT", Align::Left),
            ("EMPLOYEE", Align::Left),
            ("OVER", Align::Left),
            ("WHAT", Align::Left),
        ]);
        for alert in &digest.alerts {
            let over = if alert.over { "yes" } else { "no" };
            table.row([
                moment(alert.at, now),
                alert.name.clone().unwrap_or_else(|| "-".to_owned()),
                over.to_owned(),
                alert.text.clone(),
            ]);
        }
        output.table(&table)?;
    }
    output.line("")?;
    if digest.instances_lost > 0 {
        output.line(format_args!(
            "The instance ended without a word {}; {} ran on and are looked after again.",
            times(digest.instances_lost),
            digest.adopted
        ))?;
    }
    output.line(format_args!("Cost: {}", dollars(digest.cost_usd)))
}

fn tasks(
    title: &str,
    notes: &[TaskNoteDoc],
    count: u32,
    now: Timestamp,
    output: &mut Output,
) -> Result<(), CliError> {
    if notes.is_empty() {
        return Ok(());
    }
    heading(title, usize::try_from(count).unwrap_or(usize::MAX), output)?;
    let mut table = Table::new(&[
        ("TASK", Align::Left),
        ("EMPLOYEE", Align::Left),
        ("AT", Align::Left),
        ("COST", Align::Right),
        ("TITLE", Align::Left),
        ("RESULT", Align::Left),
    ]);
    for note in notes {
        table.row([
            note.task.to_string(),
            note.name.clone().unwrap_or_else(|| "-".to_owned()),
            moment(note.at, now),
            dollars(note.cost_usd),
            cut(&safe(&note.title), TITLE),
            note.text.clone(),
        ]);
    }
    output.table(&table)?;
    let shown = u32::try_from(notes.len()).unwrap_or(u32::MAX);
    if count > shown {
        output.line(format_args!("and {} more", count - shown))?;
    }
    Ok(())
}

fn heading(title: &str, count: usize, output: &mut Output) -> Result<(), CliError> {
    output.line(format_args!("\n{title}: {count}"))
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}
