//! Adding tasks: from the command line, standard input, a file or a template.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::args::{JsonArg, TaskAddArgs};
use crate::cli::client::{Client, ClientError};
use crate::cli::cluster;
use crate::cli::error::CliError;
use crate::cli::format::first_line;
use crate::cli::instance::started;
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::process::one;
use crate::cli::resolve::{Candidate, bare, resolve};
use crate::cli::table::{Align, Table};
use crate::cli::task::task_id;
use crate::config::{self, FileTask, TaskFile};
use crate::domain::id::{ProcessId, TaskId};
use crate::domain::role::Template;
use crate::domain::task::Priority;
use crate::domain::template::Unfit;
use crate::serve::wire::{CheckedDoc, ProcessDoc, RoleDoc, TaskDoc, TaskRequest};

pub(super) async fn add(
    args: &TaskAddArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    if args.template.is_none() && !args.set.is_empty() {
        let text = "--set fills in a template: name it with --template";
        return Err(CliError::Usage(text.to_owned()));
    }
    if let Some(path) = &args.file {
        return add_file(path, args, place, output).await;
    }
    let request = match (&args.template, args.text.as_deref()) {
        (Some(key), _) => {
            let templates = read_templates(place)?;
            let candidates: Vec<Candidate> = templates.iter().map(|one| bare(&one.key)).collect();
            let key = &resolve("template", key, &candidates)?.id;
            let template = templates.iter().find(|one| one.key == *key);
            let values: BTreeMap<String, String> = args.set.iter().cloned().collect();
            let template = template.ok_or_else(|| CliError::Unknown {
                what: "template",
                text: key.clone(),
                near: Vec::new(),
            })?;
            from_template(template, &values).map_err(CliError::Usage)?
        }
        (None, Some("-")) => of_text(standard_input()?.trim()),
        (None, text) => of_text(text.unwrap_or_default()),
    };
    if request.text.trim().is_empty() {
        return Err(CliError::Usage("the task has no text".to_owned()));
    }
    let client = started(place).await?;
    let mut request = with_arguments(request, args);
    request.role = match &args.role {
        Some(text) => role(Some(text), &client).await?,
        None => request.role,
    };
    request.process = process(args.process.as_deref(), &client).await?;
    request.cluster = cluster::key(args.cluster.as_deref(), &client).await?;
    request.key = args.key.clone();
    request.continues = match &args.continues {
        Some(text) => Some(task_id(text, &client).await?),
        None => None,
    };
    if args.json {
        let task: TaskDoc = client.post("/api/tasks", &request).await?;
        return output.json(&task);
    }
    let task: Added = client.post("/api/tasks", &request).await?;
    output.line(task.id)
}

/// What is read of the document of a task where its id alone is told.
#[derive(Debug, Deserialize)]
struct Added {
    id: TaskId,
}

fn of_text(text: &str) -> TaskRequest {
    TaskRequest {
        text: text.to_owned(),
        ..TaskRequest::default()
    }
}

/// What the arguments say stands above what a template says.
fn with_arguments(request: TaskRequest, args: &TaskAddArgs) -> TaskRequest {
    let timeout = args.timeout.map(|time| time.as_secs_f64());
    let mut skills = request.skills;
    skills.extend(args.skills.iter().cloned());
    let mut after = request.after;
    after.extend(args.after.iter().cloned());
    TaskRequest {
        priority: args.priority.map_or(request.priority, Into::into),
        skills,
        timeout_seconds: timeout.or(request.timeout_seconds),
        retries: args.retries.or(request.retries),
        after,
        held: request.held || args.hold,
        own_branch: request.own_branch || args.own_branch,
        ..request
    }
}

/// Adds what a file holds: all of it or nothing, in one batch on disk.
async fn add_file(
    path: &Path,
    args: &TaskAddArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let (path, text) = if path == Path::new("-") {
        (Path::new("standard input"), standard_input()?)
    } else {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| CliError::Read {
            path: path.to_owned(),
            source,
        })?;
        (path, text)
    };
    let wrong = |mistakes| CliError::TaskFile(Box::new(mistakes));
    let file = TaskFile::read(path, text).map_err(wrong)?;
    if file.tasks.is_empty() {
        return Err(file.mistakes().map_or_else(
            || CliError::Usage(format!("{} holds no task", path.display())),
            wrong,
        ));
    }
    let templated = file.tasks.iter().any(|task| task.template.is_some());
    let templates = if templated {
        read_templates(place)?
    } else {
        Vec::new()
    };
    let client = started(place).await?;
    let processes: Vec<ProcessDoc> =
        if file.tasks.iter().any(|task| task.process.is_some()) || args.process.is_some() {
            client.get("/api/processes").await?
        } else {
            Vec::new()
        };
    let everyone = Common {
        role: role(args.role.as_deref(), &client).await?,
        process: match &args.process {
            Some(text) => Some(one(text, &processes)?.id),
            None => None,
        },
        cluster: cluster::key(args.cluster.as_deref(), &client).await?,
        templates,
        processes,
    };
    let mut requests = Vec::new();
    for (index, task) in file.tasks.iter().enumerate() {
        let request = everyone.request(task, |key, words| file.find(index, Some(key), words));
        requests.push(with_arguments(request, args));
    }
    let answer: Result<Vec<TaskDoc>, ClientError> = if file.is_good() {
        client.post("/api/tasks", &requests).await
    } else {
        for request in &mut requests {
            // That it has none is told already.
            if request.text.is_empty() {
                "?".clone_into(&mut request.text);
            }
        }
        // Nothing of it is added: what else is wrong is to be told at once.
        let checked: Result<CheckedDoc, _> = client.post("/api/tasks?check=true", &requests).await;
        checked.map(|_| Vec::new())
    };
    match answer {
        Ok(tasks) if file.is_good() => return said(&tasks, args.json, output),
        Ok(_) => {}
        Err(ClientError::Refused(body)) if !body.tasks.is_empty() => {
            for mistake in body.tasks {
                let key = mistake.key.as_deref();
                // What is waited for, or mentioned, may stand in a line that could not be read.
                if file.is_whole() || !matches!(key, Some("after" | "text")) {
                    file.find(mistake.index, key, mistake.text);
                }
            }
        }
        Err(ClientError::TooLong { bytes }) => return Err(CliError::LongFile { bytes }),
        Err(error) => return Err(error.into()),
    }
    Err(file.mistakes().map_or_else(
        || CliError::Usage("the tasks were not accepted".to_owned()),
        wrong,
    ))
}

fn said(tasks: &[TaskDoc], json: bool, output: &mut Output) -> Result<(), CliError> {
    if json {
        return output.json(&tasks);
    }
    for task in tasks {
        output.line(task.id)?;
    }
    Ok(())
}

/// What is needed to make a request of each task of a file.
#[derive(Debug)]
struct Common {
    role: Option<String>,
    process: Option<ProcessId>,
    cluster: Option<String>,
    templates: Vec<Template>,
    processes: Vec<ProcessDoc>,
}

impl Common {
    /// The request of a task, as far as it can be made; what is wrong with it is told key by key.
    fn request(&self, task: &FileTask, wrong: impl Fn(&'static str, String)) -> TaskRequest {
        let request = match &task.template {
            Some(key) => self.templated(key, task).unwrap_or_else(|(key, words)| {
                wrong(key, words);
                TaskRequest::default()
            }),
            None => of_text(task.text.as_deref().unwrap_or_default().trim()),
        };
        let process = match &task.process {
            Some(text) => match one(text, &self.processes) {
                Ok(found) => Some(found.id),
                Err(error) => {
                    wrong("process", in_a_line(&error));
                    None
                }
            },
            None => self.process,
        };
        let skills = if task.skills.is_empty() {
            request.skills
        } else {
            task.skills.clone()
        };
        TaskRequest {
            text: request.text,
            priority: task.priority.unwrap_or(request.priority),
            role: task
                .role
                .clone()
                .or(request.role)
                .or_else(|| self.role.clone()),
            process,
            skills,
            cluster: task.cluster.clone().or_else(|| self.cluster.clone()),
            timeout_seconds: task
                .timeout
                .map(|time| time.as_secs_f64())
                .or(request.timeout_seconds),
            retries: task.retries.or(request.retries),
            key: task.key.clone(),
            continues: None,
            after: task.after.clone(),
            name: task.name.clone(),
            held: task.held,
            own_branch: task.own_branch,
        }
    }

    fn templated(&self, key: &str, task: &FileTask) -> Result<TaskRequest, (&'static str, String)> {
        let template = self.templates.iter().find(|one| one.key == key);
        let template =
            template.ok_or_else(|| ("template", unknown_template(key, &self.templates)))?;
        let place = if task.set.is_empty() {
            "template"
        } else {
            "set"
        };
        from_template(template, &task.set).map_err(|words| (place, words))
    }
}

/// An error where there is room for a line: with the name that is near.
fn in_a_line(error: &CliError) -> String {
    match error {
        CliError::Unknown { near, .. } => match near.first() {
            Some(near) => format!("{error}; the nearest is `{near}`"),
            None => error.to_string(),
        },
        error => error.to_string(),
    }
}

fn unknown_template(key: &str, templates: &[Template]) -> String {
    let keys: Vec<&str> = templates.iter().map(|one| one.key.as_str()).collect();
    match config::nearest(key, keys.iter().copied()).first() {
        Some(near) => format!("there is no template `{key}`; the nearest is `{near}`"),
        None if keys.is_empty() => format!("there is no template `{key}`; roles.toml has none"),
        None => format!(
            "there is no template `{key}`; there are {}",
            keys.join(", ")
        ),
    }
}

fn from_template(
    template: &Template,
    values: &BTreeMap<String, String>,
) -> Result<TaskRequest, String> {
    let text = template
        .filled(values)
        .map_err(|unfit| words(template, &unfit))?;
    Ok(TaskRequest {
        text,
        priority: template.priority,
        role: template.role.clone(),
        skills: template.skills.clone(),
        timeout_seconds: template.timeout.map(|time| time.as_secs_f64()),
        retries: template.retries,
        ..TaskRequest::default()
    })
}

/// What does not fit, with the names that would.
fn words(template: &Template, unfit: &Unfit) -> String {
    let mut parts = Vec::new();
    if !unfit.missing.is_empty() {
        parts.push(format!("nothing is set for {}", unfit.missing.join(", ")));
    }
    if !unfit.unknown.is_empty() {
        parts.push(format!("it has no {}", unfit.unknown.join(", ")));
    }
    let names = template.variables();
    let names = if names.is_empty() {
        "nothing is to be filled in".to_owned()
    } else {
        format!("its names are {}", names.join(", "))
    };
    format!("template `{}`: {}; {names}", template.key, parts.join("; "))
}

/// The role that is meant.
pub(super) async fn role(text: Option<&str>, client: &Client) -> Result<Option<String>, CliError> {
    let Some(text) = text else { return Ok(None) };
    let roles: Vec<RoleDoc> = client.get("/api/roles").await?;
    let candidates: Vec<Candidate> = roles.iter().map(Candidate::from).collect();
    Ok(Some(resolve("role", text, &candidates)?.id.clone()))
}

/// The process that is meant.
pub(super) async fn process(
    text: Option<&str>,
    client: &Client,
) -> Result<Option<ProcessId>, CliError> {
    let Some(text) = text else { return Ok(None) };
    if let Ok(id) = text.parse() {
        return Ok(Some(id));
    }
    let processes: Vec<ProcessDoc> = client.get("/api/processes").await?;
    Ok(Some(one(text, &processes)?.id))
}

/// All of standard input.
pub(super) fn standard_input() -> Result<String, CliError> {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|source| CliError::Read {
        path: Path::new("standard input").to_owned(),
        source,
    })?;
    Ok(text)
}

/// A template, as a document.
#[derive(Debug, Serialize)]
struct TemplateDoc {
    key: String,
    role: Option<String>,
    skills: Vec<String>,
    priority: Priority,
    names: Vec<String>,
    text: String,
}

/// Lists the templates of the workspace, as its `roles.toml` has them now.
pub(super) fn templates(json: JsonArg, place: &Place, output: &mut Output) -> Result<(), CliError> {
    let document = |template: &Template| TemplateDoc {
        key: template.key.clone(),
        role: template.role.clone(),
        skills: template.skills.clone(),
        priority: template.priority,
        names: template
            .variables()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        text: template.text.clone(),
    };
    let templates: Vec<TemplateDoc> = read_templates(place)?.iter().map(document).collect();
    if json.json {
        return output.json(&templates);
    }
    if templates.is_empty() {
        output.note("no templates; write [templates.NAME] with a `text` into roles.toml");
        return Ok(());
    }
    let mut table = Table::new(&[
        ("TEMPLATE", Align::Left),
        ("ROLE", Align::Left),
        ("SET", Align::Left),
        ("TEXT", Align::Left),
    ]);
    for template in templates {
        table.row([
            template.key,
            template.role.unwrap_or_else(|| "-".to_owned()),
            template.names.join(" "),
            first_line(&template.text),
        ]);
    }
    output.table(&table)
}

fn read_templates(place: &Place) -> Result<Vec<Template>, CliError> {
    let parent = |name: &str| std::env::var(name).ok();
    let loaded = config::load(place.source(), &parent)
        .map_err(|mistakes| CliError::Mistakes(Box::new(mistakes)))?;
    Ok(loaded.catalogue.templates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_a_template_is_named() {
        let template = Template {
            key: "review".to_owned(),
            text: "Review PR {{pr}} for {{who}}".to_owned(),
            role: Some("technical_lead".to_owned()),
            skills: vec![],
            priority: Priority::High,
            timeout: None,
            retries: Some(1),
        };
        let values = |names: &[&str]| {
            let value = |name: &&str| ((*name).to_owned(), "12".to_owned());
            names
                .iter()
                .map(value)
                .collect::<BTreeMap<String, String>>()
        };
        let error = from_template(&template, &values(&["pt"])).unwrap_err();
        assert_eq!(
            error,
            "template `review`: nothing is set for pr, who; it has no pt; its names are pr, who"
        );
        let request = from_template(&template, &values(&["pr", "who"])).unwrap();
        assert_eq!(request.text, "Review PR 12 for 12");
        assert_eq!(
            (request.priority, request.retries),
            (Priority::High, Some(1))
        );
    }
}
