//! Prints the log of a process, and goes on with it.

use crate::cli::args::{LineCount, LogsArgs};
use crate::cli::client::{Client, ClientError};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::process::one;
use crate::domain::id::ProcessId;
use crate::domain::log::LogLine;
use crate::serve::wire::{ErrorKind, LogDoc, LogEvent, LogLineDoc, ProcessDoc};

/// Lines that are printed if nobody says how many.
const LINES: usize = 200;
/// Lines that are asked for at once.
const PAGE: usize = 2_000;
/// How long after a stream was cut off it is asked for again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

pub(super) async fn run(
    args: &LogsArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let processes: Vec<ProcessDoc> = client.get("/api/processes").await?;
    let process = one(&args.process, &processes)?.id;
    let raw = args.raw;
    let lines = args.lines.unwrap_or(match args.since {
        Some(_) => LineCount::All,
        None => LineCount::Last(LINES),
    });
    let since = match args.since {
        Some(time) => {
            let path = format!("/api/processes/{process}/logs?lines=1&since={time}");
            let page: LogDoc = client.get(&path).await?;
            page.lines.first().map_or(page.end, |line| line.offset)
        }
        None => 0,
    };
    let next = match lines {
        LineCount::All => {
            // The end is that of the first page: a log that grows as fast as it is read is
            // followed with -f, not here.
            pages(&client, process, raw, since, output).await?
        }
        LineCount::Last(0) => {
            let path = format!("/api/processes/{process}/logs?lines=1&raw={raw}");
            client.get::<LogDoc>(&path).await?.end
        }
        LineCount::Last(lines) if lines > PAGE || args.since.is_some() => {
            let from = back(&client, process, raw, lines).await?.max(since);
            pages(&client, process, raw, from, output).await?
        }
        LineCount::Last(lines) => {
            let path = format!("/api/processes/{process}/logs?lines={lines}&raw={raw}");
            let page: LogDoc = client.get(&path).await?;
            print(page.lines, output)?;
            page.next
        }
    };
    if args.follow {
        follow(&client, process, raw, next, output).await?;
    }
    Ok(())
}

/// Prints from an offset to where the log ended when it began; returns where it stopped.
async fn pages(
    client: &Client,
    process: ProcessId,
    raw: bool,
    from: u64,
    output: &mut Output,
) -> Result<u64, CliError> {
    let mut at = from;
    let mut end = None;
    loop {
        let path = format!("/api/processes/{process}/logs?lines={PAGE}&after={at}&raw={raw}");
        let page: LogDoc = client.get(&path).await?;
        let end = *end.get_or_insert(page.end);
        let is_over = page.lines.is_empty() || page.next >= end;
        at = page.next;
        print(page.lines, output)?;
        if is_over {
            return Ok(at);
        }
    }
}

/// Prints what stands between two offsets, or from one to the end.
pub(super) async fn span(
    client: &Client,
    process: ProcessId,
    from: u64,
    to: Option<u64>,
    output: &mut Output,
) -> Result<(), CliError> {
    let mut at = from;
    let mut end = to;
    loop {
        let path = format!("/api/processes/{process}/logs?lines={PAGE}&after={at}");
        let page: LogDoc = client.get(&path).await?;
        let end = *end.get_or_insert(page.end);
        if at < page.begin {
            output.note(format_args!(
                "({} bytes were rotated away)",
                page.begin - at
            ));
        }
        let is_over = page.lines.is_empty() || page.next >= end;
        at = page.next;
        print(
            page.lines.into_iter().filter(|line| line.offset < end),
            output,
        )?;
        if is_over {
            return Ok(());
        }
    }
}

/// Where the last so many lines begin.
async fn back(
    client: &Client,
    process: ProcessId,
    raw: bool,
    lines: usize,
) -> Result<u64, CliError> {
    let mut left = lines;
    let mut before = u64::MAX;
    loop {
        let count = left.min(PAGE);
        let path = format!("/api/processes/{process}/logs?lines={count}&before={before}&raw={raw}");
        let page: LogDoc = client.get(&path).await?;
        let Some(first) = page.lines.first() else {
            return Ok(before.min(page.end));
        };
        left -= page.lines.len().min(left);
        before = first.offset;
        if left == 0 || before <= page.begin {
            return Ok(before);
        }
    }
}

async fn follow(
    client: &Client,
    process: ProcessId,
    raw: bool,
    from: u64,
    output: &mut Output,
) -> Result<(), CliError> {
    output.flush()?;
    let (mut last, mut begun) = (None, false);
    loop {
        if begun {
            tokio::time::sleep(PAUSE).await;
        }
        let after = last.unwrap_or(from);
        let path = format!("/api/processes/{process}/logs/follow?after={after}&raw={raw}");
        let followed = follow_once(client, &path, &mut last, output).await;
        match followed {
            // Cut off: where a new build takes over somebody listens, and has the rest.
            Ok(()) | Err(CliError::Client(ClientError::Http(_))) if client.is_answered().await => {}
            Err(CliError::Api(body)) if body.kind == ErrorKind::Again => {}
            // The process was removed, or the instance ended: then the log has.
            Err(CliError::NoInstance { .. }) if begun => return Ok(()),
            Err(CliError::Api(body)) if begun && body.kind == ErrorKind::NotFound => return Ok(()),
            ended => return ended,
        }
        begun = true;
    }
}

/// Prints what comes after the last line that was printed, until the stream ends.
async fn follow_once(
    client: &Client,
    path: &str,
    last: &mut Option<u64>,
    output: &mut Output,
) -> Result<(), CliError> {
    let printed = *last;
    let mut lines = client.stream(path).await?;
    while let Some(events) = lines.next::<LogEvent>().await? {
        for event in events {
            match event {
                LogEvent::Line(line) if printed == Some(line.offset) => {}
                LogEvent::Line(line) => {
                    *last = Some(line.offset);
                    print([line], output)?;
                }
                LogEvent::Skipped { bytes } => {
                    output.note(format_args!("({bytes} bytes were rotated away unread)"));
                }
            }
        }
        output.flush()?;
    }
    Ok(())
}

fn print(lines: impl IntoIterator<Item = LogLineDoc>, output: &mut Output) -> Result<(), CliError> {
    for line in lines {
        match line.time {
            Some(time) => output.line(LogLine::format(time, line.kind, &line.text))?,
            None => output.line(line.text)?,
        }
    }
    Ok(())
}
