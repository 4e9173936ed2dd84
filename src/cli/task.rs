//! Tasks: add, list, look, wait, cancel, retry, release.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::args::{JsonArg, TaskAddArgs, TaskVerb, TasksArgs};
use crate::cli::client::Client;
use crate::cli::error::{CliError, Plain};
use crate::cli::exit::Code;
use crate::cli::fields::Fields;
use crate::cli::format::{counted, dollars, first_line, moment, or_dash, safe, since, took};
use crate::cli::instance::started;
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::process::one;
use crate::cli::resolve::{Candidate, bare, resolve};
use crate::cli::table::{Align, Table};
use crate::domain::id::TaskId;
use crate::domain::task::TaskState;
use crate::serve::wire::{ProcessDoc, RoleDoc, TaskDoc, TaskRequest};

pub(super) async fn run(
    verb: TaskVerb,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    match verb {
        TaskVerb::Add(args) => add(&args, place, output).await,
        TaskVerb::Ls { only, json } => ls(only.as_deref(), json, place, output).await,
        TaskVerb::Show { task, json } => show(&task, json, place, output).await,
        TaskVerb::Wait {
            tasks,
            timeout,
            json,
        } => wait(&tasks, timeout, json, place, output).await,
        TaskVerb::Cancel(args) => change("cancel", &args, place, output).await,
        TaskVerb::Retry(args) => change("retry", &args, place, output).await,
        TaskVerb::Release(args) => change("release", &args, place, output).await,
    }
}

async fn add(args: &TaskAddArgs, place: &Place, output: &mut Output) -> Result<(), CliError> {
    let texts = texts(args)?;
    let client = started(place).await?;
    let process = match &args.process {
        Some(text) => {
            let processes: Vec<ProcessDoc> = client.get("/api/processes").await?;
            Some(one(text, &processes)?.id)
        }
        None => None,
    };
    let role = match &args.role {
        Some(text) => {
            let roles: Vec<RoleDoc> = client.get("/api/roles").await?;
            let candidates: Vec<Candidate> = roles.iter().map(Candidate::from).collect();
            Some(resolve("role", text, &candidates)?.id.clone())
        }
        None => None,
    };
    let continues = match &args.continues {
        Some(text) => Some(task_id(text, &client).await?),
        None => None,
    };
    let requests: Vec<TaskRequest> = texts
        .into_iter()
        .map(|text| TaskRequest {
            text,
            priority: args.priority.into(),
            role: role.clone(),
            process,
            skills: args.skills.clone(),
            timeout_seconds: args.timeout.map(|time| time.as_secs_f64()),
            retries: args.retries,
            key: args.key.clone(),
            continues,
        })
        .collect();
    let tasks: Vec<TaskDoc> = match requests.as_slice() {
        [request] if args.file.is_none() => vec![client.post("/api/tasks", request).await?],
        requests => client.post("/api/tasks", &requests).await?,
    };
    if args.json {
        return match tasks.as_slice() {
            [task] if args.file.is_none() => output.json(task),
            tasks => output.json(&tasks),
        };
    }
    for task in tasks {
        output.line(task.id)?;
    }
    Ok(())
}

/// What is to be done: the argument, standard input or a file.
fn texts(args: &TaskAddArgs) -> Result<Vec<String>, CliError> {
    let read = |path: &Path, source| CliError::Read {
        path: path.to_owned(),
        source,
    };
    let texts = match (&args.file, args.text.as_deref()) {
        (Some(path), _) => {
            split(&std::fs::read_to_string(path).map_err(|error| read(path, error))?)
        }
        (None, Some("-")) => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| read(Path::new("standard input"), error))?;
            vec![text.trim().to_owned()]
        }
        (None, text) => vec![text.unwrap_or_default().to_owned()],
    };
    if texts.is_empty() || texts.iter().any(|text| text.trim().is_empty()) {
        return Err(CliError::Usage("the task has no text".to_owned()));
    }
    Ok(texts)
}

/// The tasks of a file: one a line; where a line is `---`, what stands between such lines.
fn split(text: &str) -> Vec<String> {
    let is_rule = |line: &str| line.trim_end() == "---";
    let parts: Vec<String> = if text.lines().any(is_rule) {
        let lines: Vec<&str> = text.lines().collect();
        lines
            .split(|line| is_rule(line))
            .map(|part| part.join("\n"))
            .collect()
    } else {
        text.lines().map(str::to_owned).collect()
    };
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

async fn ls(
    state: Option<&str>,
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    if let Some(state) = state.filter(|state| *state != "open") {
        let quoted = serde_json::Value::from(state);
        if serde_json::from_value::<TaskState>(quoted).is_err() {
            return Err(CliError::Usage(format!("`{state}` is no state of a task")));
        }
    }
    let path = state.map_or_else(
        || "/api/tasks".to_owned(),
        |state| format!("/api/tasks?state={state}"),
    );
    let tasks: Vec<TaskDoc> = place.client().await.get(&path).await?;
    if json.json {
        return output.json(&tasks);
    }
    if tasks.is_empty() {
        output.note("no tasks; add one with `headcount task add TEXT`");
        return Ok(());
    }
    output.table(&list(&tasks, Timestamp::now()))
}

fn list(tasks: &[TaskDoc], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("STATE", Align::Left),
        ("PRIORITY", Align::Left),
        ("ROLE", Align::Left),
        ("PROCESS", Align::Left),
        ("FOR", Align::Right),
        ("TRIES", Align::Right),
        ("COST", Align::Right),
        ("TEXT", Align::Left),
    ]);
    for task in tasks {
        let text = first_line(&task.text);
        let text = match &task.waits_because {
            Some(why) => format!("{text} ({why})"),
            None => text,
        };
        table.row([
            task.id.to_string(),
            task.state.as_str().to_owned(),
            task.priority.as_str().to_owned(),
            or_dash(task.role.as_ref()),
            or_dash(task.process),
            since(task.since, now),
            task.attempts.len().to_string(),
            dollars(task.result.as_ref().map_or(0.0, |result| result.cost_usd)),
            text,
        ]);
    }
    table
}

async fn show(
    task: &str,
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let id = task_id(task, &client).await?;
    let task: TaskDoc = client.get(&format!("/api/tasks/{id}")).await?;
    if json.json {
        return output.json(&task);
    }
    output.text(&details(&task, Timestamp::now()).draw())
}

fn details(task: &TaskDoc, now: Timestamp) -> Fields {
    let mut fields = Fields::default();
    fields.add("task", task.id);
    fields.add(
        "state",
        format!("{}, for {}", task.state.as_str(), since(task.since, now)),
    );
    fields.maybe("waits", task.waits_because.as_ref());
    fields.maybe("error", task.error.as_ref());
    fields.add("priority", task.priority.as_str());
    fields.maybe("role", task.role.as_ref());
    fields.maybe("process", task.process);
    fields.maybe(
        "skills",
        (!task.skills.is_empty()).then(|| task.skills.join(" ")),
    );
    fields.maybe("continues", task.continues);
    fields.maybe("key", task.key.as_ref());
    fields.add("added", moment(task.created_at, now));
    for attempt in &task.attempts {
        let how = attempt.end.and_then(|end| {
            let word = serde_json::to_value(end).ok()?;
            word.as_str().map(str::to_owned)
        });
        let why = attempt.reason.as_ref().map(|why| format!(": {why}"));
        fields.add(
            "attempt",
            format!(
                "{} at {}, {}{}",
                attempt.process,
                moment(attempt.started_at, now),
                how.as_deref().unwrap_or("under way"),
                why.unwrap_or_default()
            ),
        );
    }
    fields.add("text", task.text.trim_end());
    if let Some(result) = &task.result {
        fields.add(
            "took",
            format!(
                "{}, {}, {}, {} tokens in, {} out",
                took(result.duration_ms),
                counted(result.turns, "turn"),
                dollars(result.cost_usd),
                result.usage.input_tokens,
                result.usage.output_tokens
            ),
        );
        fields.maybe(
            "refused",
            (!result.denials.is_empty()).then(|| result.denials.join(", ")),
        );
        fields.add("result", result.text.trim_end());
    }
    fields
}

async fn wait(
    tasks: &[String],
    timeout: Option<Duration>,
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task_id(task, &client).await?);
    }
    let waits = ids.iter().map(|id| {
        let time = timeout.map(|time| format!("?timeout={}", time.as_secs_f64()));
        let path = format!("/api/tasks/{id}/wait{}", time.unwrap_or_default());
        let client = client.clone();
        async move { client.get::<TaskDoc>(&path).await }
    });
    let mut over = Vec::new();
    for task in futures::future::join_all(waits).await {
        over.push(task?);
    }
    if json.json {
        match over.as_slice() {
            [task] => output.json(task)?,
            tasks => output.json(&tasks)?,
        }
    } else {
        for task in &over {
            if let Some(result) = &task.result {
                if over.len() > 1 {
                    output.line(format_args!("{}:", task.id))?;
                }
                output.text(&safe(&result.text))?;
            }
        }
    }
    let mut worst: Option<Code> = None;
    for task in &over {
        if let Some(error) = unsuccessful(task) {
            output.error(&error);
            worst.get_or_insert(error.code());
        }
    }
    worst.map_or(Ok(()), |code| Err(CliError::Said(code)))
}

fn unsuccessful(task: &TaskDoc) -> Option<CliError> {
    let state = match task.state {
        TaskState::Succeeded => return None,
        TaskState::Failed => "failed",
        TaskState::Cancelled => "was cancelled",
        TaskState::TimedOut => "ran out of time",
        TaskState::Parked => "was parked: its retries are used up",
        state => {
            let why = task.waits_because.as_ref().map(|why| format!(": {why}"));
            return Some(CliError::TimedOut(format!(
                "{} is still {}{}",
                task.id,
                state.as_str(),
                why.unwrap_or_default()
            )));
        }
    };
    Some(CliError::TaskFailed {
        task: task.id.to_string(),
        state,
        cause: task.error.clone().map(Plain),
    })
}

async fn change(
    verb: &str,
    args: &TasksArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let mut changed: Vec<TaskDoc> = Vec::new();
    let mut worst: Option<Code> = None;
    for task in &args.tasks {
        let id = task_id(task, &client).await?;
        let nothing = serde_json::json!({});
        match client
            .post(&format!("/api/tasks/{id}/{verb}"), &nothing)
            .await
        {
            Ok(task) => changed.push(task),
            Err(error) => {
                let error = CliError::from(error);
                output.error(&error);
                worst.get_or_insert(error.code());
            }
        }
    }
    if args.json {
        match changed.as_slice() {
            [task] if args.tasks.len() == 1 => output.json(task)?,
            [] if args.tasks.len() == 1 => {}
            tasks => output.json(&tasks)?,
        }
    } else {
        for task in changed {
            let ending = if task.cancelling {
                ", being cancelled"
            } else {
                ""
            };
            output.line(format_args!("{} {}{ending}", task.id, task.state.as_str()))?;
        }
    }
    worst.map_or(Ok(()), |code| Err(CliError::Said(code)))
}

/// The task that is meant: its id, or the beginning of one.
pub(super) async fn task_id(text: &str, client: &Client) -> Result<TaskId, CliError> {
    if let Ok(id) = text.parse::<TaskId>()
        && id.to_string() == text
    {
        return Ok(id);
    }
    let tasks: Vec<TaskDoc> = client.get("/api/tasks").await?;
    let candidates: Vec<Candidate> = tasks.iter().map(|task| bare(task.id)).collect();
    let id = &resolve("task", text, &candidates)?.id;
    id.parse().map_err(|_| CliError::Unknown {
        what: "task",
        text: text.to_owned(),
        near: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_task_a_line_or_parts_between_rules() {
        assert_eq!(split("one\n\n  two\n"), ["one", "two"]);
        assert_eq!(split("one\nmore\n---\n\ntwo\n---\n"), ["one\nmore", "two"]);
        assert!(split(" \n").is_empty());
    }
}
