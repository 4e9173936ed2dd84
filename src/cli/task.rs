//! Tasks: list, look, wait, and what is done to them; [`crate::cli::task_add`] adds them.

use jiff::Timestamp;

use crate::cli::args::{JsonArg, TaskEditArgs, TaskMoveArgs, TaskVerb, TaskWaitArgs, TasksArgs};
use crate::cli::client::Client;
use crate::cli::cluster;
use crate::cli::error::{CliError, Plain};
use crate::cli::exit::Code;
use crate::cli::fields::Fields;
use crate::cli::format::{counted, dollars, first_line, moment, or_dash, safe, since, took};
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::resolve::{Candidate, bare, resolve};
use crate::cli::table::{Align, Table, cut};
use crate::cli::{logs, task_add};
use crate::domain::id::TaskId;
use crate::domain::task::TaskState;
use crate::serve::wire::{EditRequest, MoveRequest, TaskDoc};

/// How much of a task's text stands before why it waits.
const TITLE: usize = 60;

pub(super) async fn run(
    verb: TaskVerb,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    match verb {
        TaskVerb::Add(args) => task_add::add(&args, place, output).await,
        TaskVerb::Ls(args) => {
            let query = query(args.only.as_deref(), args.search.as_deref(), args.limit)?;
            ls(&query, args.json, place, output).await
        }
        TaskVerb::Show(args) => show(&args.task, args.json, place, output).await,
        TaskVerb::Wait(args) => wait(&args, place, output).await,
        TaskVerb::Cancel(args) => change("cancel", &args, place, output).await,
        TaskVerb::Retry(args) => change("retry", &args, place, output).await,
        TaskVerb::Dismiss(args) => change("dismiss", &args, place, output).await,
        TaskVerb::Release(args) => change("release", &args, place, output).await,
        TaskVerb::Hold(args) => change("hold", &args, place, output).await,
        TaskVerb::Rm(args) => change("rm", &args, place, output).await,
        TaskVerb::Edit(args) => edit(&args, place, output).await,
        TaskVerb::Move(args) => shift(&args, place, output).await,
        TaskVerb::Log(args) => log(&args.task, args.attempt, place, output).await,
        TaskVerb::Templates(json) => task_add::templates(*json, place, output),
    }
}

/// The query of a list.
fn query(
    state: Option<&str>,
    search: Option<&str>,
    limit: Option<usize>,
) -> Result<String, CliError> {
    if let Some(state) = state.filter(|state| *state != "open") {
        let quoted = serde_json::Value::from(state);
        if serde_json::from_value::<TaskState>(quoted).is_err() {
            return Err(CliError::Usage(format!("`{state}` is no state of a task")));
        }
    }
    let parts = [
        state.map(|state| format!("state={state}")),
        search.map(|words| format!("search={}", escaped(words))),
        limit.map(|limit| format!("limit={limit}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Ok(parts.join("&"))
}

/// A value as it may stand in a query.
fn escaped(value: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    value.bytes().fold(String::new(), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

async fn ls(
    query: &str,
    json: JsonArg,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let path = format!("/api/tasks?{query}");
    let tasks: Vec<TaskDoc> = place.client().await.get(&path).await?;
    if json.json {
        return output.json(&tasks);
    }
    if tasks.is_empty() && !query.is_empty() {
        output.note("no such task; see all of them with `headcount task ls`");
        return Ok(());
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
            Some(why) => format!("{} ({why})", cut(&text, TITLE)),
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
    fields.maybe("cluster", task.cluster.as_ref());
    fields.maybe("process", task.process);
    fields.maybe(
        "skills",
        (!task.skills.is_empty()).then(|| task.skills.join(" ")),
    );
    fields.maybe("continues", task.continues);
    fields.maybe("branch", task.branch.clone());
    fields.maybe("key", task.key.as_ref());
    let after: Vec<String> = task.after.iter().map(TaskId::to_string).collect();
    fields.maybe("after", (!after.is_empty()).then(|| after.join(" ")));
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
        for message in &attempt.messages {
            let at = moment(message.at, now);
            let line = format!("{at} {} ({})", message.text, message.state.words());
            fields.add("message", line);
        }
    }
    if let Some(last) = task.attempts.last() {
        let tools = last
            .tools
            .iter()
            .map(|(tool, count)| format!("{tool} {count}"));
        let tools: Vec<String> = tools.collect();
        fields.maybe("tools", (!tools.is_empty()).then(|| tools.join(", ")));
        for file in &last.files {
            let line = format!("{} +{} -{}", file.path, file.added, file.removed);
            fields.add("changed", line);
        }
        for file in &last.only_by_git {
            fields.add("changed", format!("{file}, says git alone: not by a tool"));
        }
        for file in &last.only_by_tools {
            let line = format!("{file}, says a tool alone: git sees no change there");
            fields.add("unchanged", line);
        }
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

async fn wait(args: &TaskWaitArgs, place: &Place, output: &mut Output) -> Result<(), CliError> {
    let client = place.client().await;
    let mut worst: Option<Code> = None;
    let mut ids = Vec::new();
    for task in &args.tasks {
        match task_id(task, &client).await {
            Ok(id) => ids.push(id),
            Err(error) => {
                worst.get_or_insert(error.code());
                output.error(&error);
            }
        }
    }
    let waits = ids.iter().map(|id| {
        let time = args
            .timeout
            .map(|time| format!("?timeout={}", time.as_secs_f64()));
        let path = format!("/api/tasks/{id}/wait{}", time.unwrap_or_default());
        let client = client.clone();
        async move { client.get::<TaskDoc>(&path).await }
    });
    let mut over = Vec::new();
    for task in futures::future::join_all(waits).await {
        match task {
            Ok(task) => over.push(task),
            Err(error) => {
                let error = CliError::from(error);
                worst.get_or_insert(error.code());
                output.error(&error);
            }
        }
    }
    let single = args.tasks.len() == 1;
    if args.json.json {
        match over.as_slice() {
            [task] if single => output.json(task)?,
            [] if single => {}
            tasks => output.json(&tasks)?,
        }
    } else {
        for task in &over {
            if let Some(result) = &task.result {
                if !single {
                    output.line(format_args!("{}:", task.id))?;
                }
                output.text(&safe(&result.text))?;
            }
        }
    }
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
        match change_one(verb, task, &client).await {
            Ok(task) => changed.push(task),
            Err(error) => {
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
            let state = match verb {
                "rm" => "deleted",
                _ => task.state.as_str(),
            };
            output.line(format_args!("{} {state}{ending}", task.id))?;
        }
    }
    worst.map_or(Ok(()), |code| Err(CliError::Said(code)))
}

async fn change_one(verb: &str, task: &str, client: &Client) -> Result<TaskDoc, CliError> {
    let id = task_id(task, client).await?;
    let done = match verb {
        "rm" => client.delete(&format!("/api/tasks/{id}")).await,
        verb => {
            let path = format!("/api/tasks/{id}/{verb}");
            client.post(&path, &serde_json::json!({})).await
        }
    };
    Ok(done?)
}

async fn edit(args: &TaskEditArgs, place: &Place, output: &mut Output) -> Result<(), CliError> {
    let client = place.client().await;
    let id = task_id(&args.task, &client).await?;
    let text = match args.text.as_deref() {
        Some("-") => Some(task_add::standard_input()?.trim().to_owned()),
        text => text.map(str::to_owned),
    };
    let given = |list: &Vec<String>| -> Vec<String> {
        let given = list.iter().map(|one| one.trim());
        given
            .filter(|one| !one.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let request = EditRequest {
        text,
        priority: args.priority.map(Into::into),
        role: task_add::role(args.role.as_deref(), &client).await?,
        process: task_add::process(args.process.as_deref(), &client).await?,
        skills: args.skills.as_ref().map(given),
        cluster: cluster::key(args.cluster.as_deref(), &client).await?,
        anyone: args.anyone,
        timeout_seconds: args.timeout.map(|time| Some(time.as_secs_f64())),
        retries: args.retries.map(Some),
        after: args.after.as_ref().map(given),
    };
    if request == EditRequest::default() {
        let text = "say what is to be different; see `headcount task edit --help`";
        return Err(CliError::Usage(text.to_owned()));
    }
    let path = format!("/api/tasks/{id}/edit");
    changed(&client.post(&path, &request).await?, args.json, output)
}

async fn shift(args: &TaskMoveArgs, place: &Place, output: &mut Output) -> Result<(), CliError> {
    let client = place.client().await;
    let id = task_id(&args.task, &client).await?;
    if let Some(priority) = args.priority {
        let request = EditRequest {
            priority: Some(priority.into()),
            ..EditRequest::default()
        };
        let path = format!("/api/tasks/{id}/edit");
        return changed(&client.post(&path, &request).await?, args.json, output);
    }
    let before = match &args.before {
        Some(other) => Some(task_id(other, &client).await?),
        None => None,
    };
    let request = MoveRequest {
        first: args.first,
        last: args.last,
        before,
    };
    let path = format!("/api/tasks/{id}/move");
    changed(&client.post(&path, &request).await?, args.json, output)
}

fn changed(task: &TaskDoc, json: bool, output: &mut Output) -> Result<(), CliError> {
    if json {
        return output.json(task);
    }
    let why = task.waits_because.as_ref();
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    output.line(format_args!("{} {}{why}", task.id, task.state.as_str()))
}

/// Prints the part of its process's log that an attempt is.
async fn log(
    task: &str,
    attempt: Option<u32>,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let id = task_id(task, &client).await?;
    let task: TaskDoc = client.get(&format!("/api/tasks/{id}")).await?;
    let count = task.attempts.len();
    let number = attempt.map_or(count, |number| number as usize);
    let Some(attempt) = number.checked_sub(1).and_then(|at| task.attempts.get(at)) else {
        return Err(CliError::Usage(match count {
            0 => format!("{id} has not been begun yet"),
            1 => format!("{id} has one attempt"),
            count => format!("{id} has {count} attempts"),
        }));
    };
    let Some(from) = attempt.log_from else {
        let text = format!("where {id} stands in the log is not known: an older build ran it");
        return Err(CliError::Usage(text));
    };
    logs::span(&client, attempt.process, from, attempt.log_to, output).await
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
