//! Processes: hire, start, stop, kill, restart, remove.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::args::{CreateArgs, ProcArgs, SendArgs};
use crate::cli::client::Client;
use crate::cli::error::{CliError, FaultCause};
use crate::cli::exit::Code;
use crate::cli::format::safe;
use crate::cli::instance::started;
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::ps::status;
use crate::cli::resolve::{Candidate, bare, resolve};
use crate::cli::task_add::standard_input;
use crate::domain::command::UpdateWhen;
use crate::domain::snapshot::Status;
use crate::serve::wire::{
    ErrorDoc, HireRequest, ProcessDoc, RemovedDoc, RoleDoc, SaidDoc, SayRequest, StoppedDoc,
    WorkDoc,
};

/// Turns that a task of each may take where several roles are hired at once and nothing else is said.
const BATCH_TURNS: u32 = 20;

/// One of several that were asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Hired {
    Process(Box<ProcessDoc>),
    Refused(ErrorDoc),
}

/// Hires. Answers when each is up or has failed.
pub(super) async fn create(
    args: &CreateArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    // What a department holds is known later; nothing may be started for a mistake in the words.
    let several = args.roles.len() > 1 || args.count > 1 || args.department.is_some();
    if args.name.is_some() && several {
        let message = "--name is for one employee; hire the others without it".to_owned();
        return Err(CliError::Usage(message));
    }
    let shape = shape(args)?;
    let client = started(place).await?;
    let roles: Vec<RoleDoc> = client.get("/api/roles").await?;
    let mut requests = Vec::new();
    let batch = args.roles.len() > 1 || args.department.is_some();
    for role in chosen(args, &roles)? {
        let known = roles.iter().find(|one| one.key == role).filter(|_| batch);
        let mut request = HireRequest {
            role,
            ..shape.clone()
        };
        if let Some(known) = known {
            share(&mut request, known, args.max_turns.is_some());
        }
        requests.extend(std::iter::repeat_n(request, args.count as usize));
    }
    let hired: Vec<Hired> = match requests.as_slice() {
        [request] => vec![Hired::Process(
            client.post("/api/processes", request).await?,
        )],
        requests => client.post("/api/processes", &requests).await?,
    };
    if args.json.json {
        match hired.as_slice() {
            [one] => output.json(one)?,
            several => output.json(&several)?,
        }
    }
    let mut worst = None;
    for one in hired {
        let error = match one {
            Hired::Process(process) => {
                if !args.json.json {
                    output.line(hired_line(&process))?;
                }
                not_up(&process)
            }
            Hired::Refused(refused) => Some(CliError::Api(refused.error)),
        };
        if let Some(error) = error {
            output.error(&error);
            worst.get_or_insert(error.code());
        }
    }
    worst.map_or(Ok(()), |code| Err(CliError::Said(code)))
}

/// Says something to the running turn of a process.
pub(super) async fn send(
    args: &SendArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let text = match args.text.as_str() {
        "-" => standard_input()?.trim().to_owned(),
        text => text.to_owned(),
    };
    let client = place.client().await;
    let processes: Vec<ProcessDoc> = client.get("/api/processes").await?;
    let process = one(&args.process, &processes)?;
    let path = format!("/api/processes/{}/messages", process.id);
    let said: SaidDoc = client.post(&path, &SayRequest { text }).await?;
    if args.json.json {
        return output.json(&said);
    }
    let name = safe(&process.name);
    output.line(format_args!(
        "{name} gets it within the running turn of {}, after the step that runs now",
        said.task
    ))
}

/// What several roles that are hired at once have in common, where nothing else is said.
fn share(request: &mut HireRequest, role: &RoleDoc, turns_are_said: bool) {
    if !turns_are_said && role.max_turns.is_none() {
        request.max_turns = Some(BATCH_TURNS);
    }
    let environment = &mut request.environment;
    environment
        .entry("DEPARTMENT".to_owned())
        .or_insert_with(|| role.department.clone());
}

/// The roles that are meant, by their keys.
fn chosen(args: &CreateArgs, roles: &[RoleDoc]) -> Result<Vec<String>, CliError> {
    if let Some(text) = &args.department {
        let departments: BTreeSet<&str> =
            roles.iter().map(|role| role.department.as_str()).collect();
        let candidates: Vec<Candidate> = departments.into_iter().map(bare).collect();
        let department = &resolve("department", text, &candidates)?.id;
        let of_it = roles.iter().filter(|role| role.department == *department);
        return Ok(of_it.map(|role| role.key.clone()).collect());
    }
    let candidates: Vec<Candidate> = roles.iter().map(Candidate::from).collect();
    let keys = args.roles.iter().map(|role| {
        let found = resolve("role", role, &candidates)?;
        Ok(found.id.clone())
    });
    keys.collect()
}

fn hired_line(process: &ProcessDoc) -> String {
    let simulated = if process.simulated { ", simulated" } else { "" };
    format!(
        "{} {}, {}: {}{simulated}",
        process.id,
        process.name,
        process.role_title,
        status(process)
    )
}

/// What is the same for all who are hired by one command.
fn shape(args: &CreateArgs) -> Result<HireRequest, CliError> {
    let cwd = absolute(args.cwd.as_deref().unwrap_or(Path::new(".")))?;
    let prompt_file = args.prompt_file.as_deref().map(absolute).transpose()?;
    let environment: BTreeMap<String, String> = args.env.iter().cloned().collect();
    Ok(HireRequest {
        role: String::new(),
        system_prompt: None,
        custom_prompt: args.prompt.clone(),
        prompt_file,
        prompt_mode: args.prompt_mode.map(Into::into),
        allowed_tools: args.tools.clone(),
        working_directory: Some(cwd),
        environment,
        max_turns: args.max_turns.and_then(|turns| turns.0),
        name: args.name.clone(),
        kind: args.kind.map(Into::into),
        model: args.model.clone(),
        worktree: args.worktree.map(Into::into),
        cpu: args.cpu.map(Into::into),
        memory: args.memory.map(Into::into),
        no_start: args.no_start,
        auto_restart: args.no_restart.then_some(false),
        autostart: args.autostart.map(Into::into),
        schedule: args.schedule.clone(),
        idle_stop: args.idle_stop.clone(),
    })
}

/// The path as the instance can find it. One that is not there is the instance's to judge: it knows
/// the code and the cure.
fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    let found = path
        .canonicalize()
        .or_else(|_| std::path::absolute(path))
        .map_err(|source| CliError::Read {
            path: path.to_owned(),
            source,
        })?;
    is_text(&found)?;
    Ok(found)
}

/// A path that is no text cannot be asked for: requests are text.
pub(super) fn is_text(path: &Path) -> Result<(), CliError> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(CliError::Usage(format!(
            "{} is not UTF-8: nobody can be hired for it; rename it, or name another with --cwd",
            path.display()
        ))),
    }
}

/// Why a process that was asked to come up is not up.
fn not_up(process: &ProcessDoc) -> Option<CliError> {
    let is_down = matches!(
        process.status,
        Status::Blocked | Status::Error | Status::Backoff
    );
    (is_down || (process.fault.is_some() && process.pid.is_none())).then(|| CliError::NotUp {
        who: format!("{} ({})", process.name, process.id),
        cause: process.fault.clone().map(FaultCause),
    })
}

/// What is done to processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Start.
    Start,
    /// Stop gracefully.
    Stop,
    /// Kill.
    Kill,
    /// Stop and start.
    Restart,
    /// Stop and start, if there is anything new on disk.
    Renew(UpdateWhen),
    /// Remove.
    Remove,
}

impl Act {
    /// Whether `--all` means this process.
    fn fits(self, process: &ProcessDoc) -> bool {
        let is_up = process.pid.is_some()
            || matches!(
                process.status,
                Status::Starting | Status::Running | Status::Waiting | Status::Stopping
            );
        match self {
            Self::Start | Self::Remove => !is_up,
            Self::Stop | Self::Kill => is_up || process.status == Status::Backoff,
            Self::Restart => is_up,
            Self::Renew(_) => process.updates_available,
        }
    }
}

/// What came of it for one process.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Acted {
    Process(Box<ProcessDoc>),
    Stopped(Box<StoppedDoc>),
    Removed(Box<RemovedDoc>),
}

/// Does one thing to several processes at once.
pub(super) async fn act(
    act: Act,
    args: &ProcArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = place.client().await;
    let processes: Vec<ProcessDoc> = client.get("/api/processes").await?;
    let mut chosen: Vec<&ProcessDoc> = Vec::new();
    if args.all {
        chosen.extend(processes.iter().filter(|process| act.fits(process)));
    }
    let mut worst: Option<Code> = None;
    for text in &args.processes {
        let process = match one(text, &processes) {
            Ok(process) => process,
            Err(error) => {
                worst.get_or_insert(error.code());
                output.error(&error);
                continue;
            }
        };
        // Named ones are taken at their word, but for those that have nothing to renew.
        let fits = !matches!(act, Act::Renew(_)) || act.fits(process);
        if fits && !chosen.contains(&process) {
            chosen.push(process);
        }
    }
    let answers = chosen
        .iter()
        .map(|process| carry_out(act, &client, process));
    let answers = futures::future::join_all(answers).await;
    let mut documents = Vec::new();
    for (process, answer) in chosen.iter().zip(answers) {
        let error = match answer {
            Ok(acted) => {
                if !args.json {
                    output.line(said(act, &acted))?;
                }
                let error = match &acted {
                    Acted::Process(after) => not_up(after),
                    Acted::Stopped(after) => leftover(after),
                    Acted::Removed(_) => None,
                };
                documents.push(acted);
                error
            }
            Err(error) => Some(named(error, process)),
        };
        if let Some(error) = error {
            output.error(&error);
            worst.get_or_insert(error.code());
        }
    }
    if args.json {
        let single = !args.all && args.processes.len() == 1;
        match documents.as_slice() {
            [one] if single => output.json(one)?,
            // A single one that failed has no document; its error is on standard error.
            [] if single => {}
            several => output.json(&several)?,
        }
    } else if chosen.is_empty() && worst.is_none() {
        output.note(if matches!(act, Act::Renew(_)) {
            "nobody runs on anything old"
        } else {
            "there is no process to do that to"
        });
    }
    worst.map_or(Ok(()), |code| Err(CliError::Said(code)))
}

/// A stop that could not end everything has failed, whatever else it did.
fn leftover(stopped: &StoppedDoc) -> Option<CliError> {
    let left = &stopped.exit.as_ref()?.left;
    let names = left
        .iter()
        .map(|ended| format!("{} ({})", ended.name, ended.pid));
    let names: Vec<String> = names.collect();
    (!names.is_empty()).then(|| CliError::Left {
        who: stopped.process.name.clone(),
        left: names,
    })
}

/// A fault says whose it is.
fn named(error: CliError, process: &ProcessDoc) -> CliError {
    match error {
        CliError::Api(body) if body.code.is_some() => {
            let fault = body.code.map(|code| crate::serve::wire::FaultDoc {
                code,
                cause: body.message.clone(),
                remedy: body.remedy.clone().unwrap_or_default(),
            });
            CliError::NotUp {
                who: format!("{} ({})", process.name, process.id),
                cause: fault.map(FaultCause),
            }
        }
        error => error,
    }
}

async fn carry_out(act: Act, client: &Client, process: &ProcessDoc) -> Result<Acted, CliError> {
    let path = format!("/api/processes/{}", process.id);
    let nothing = serde_json::json!({});
    Ok(match act {
        Act::Start => Acted::Process(client.post(&format!("{path}/start"), &nothing).await?),
        Act::Restart => Acted::Process(client.post(&format!("{path}/restart"), &nothing).await?),
        Act::Renew(when) => {
            let body = serde_json::json!({ "when": when });
            Acted::Process(client.post(&format!("{path}/updates"), &body).await?)
        }
        Act::Stop => Acted::Stopped(client.post(&format!("{path}/stop"), &nothing).await?),
        Act::Kill => Acted::Stopped(client.post(&format!("{path}/force-stop"), &nothing).await?),
        Act::Remove => Acted::Removed(client.delete(&path).await?),
    })
}

/// One line that says what came of it.
fn said(act: Act, acted: &Acted) -> String {
    match acted {
        Acted::Stopped(stopped) => {
            let word = if act == Act::Kill {
                "killed"
            } else {
                "stopped"
            };
            let line = match &stopped.proof {
                Some(proof) => format!("{} {word}: {proof}", stopped.process.name),
                None => format!("{} was not running", stopped.process.name),
            };
            match stopped.left.as_ref().and_then(WorkDoc::uncommitted) {
                Some(left) => format!("{line}; in its worktree {}", safe(&left)),
                None => line,
            }
        }
        Acted::Removed(removed) => {
            let mut line = format!("{} removed", removed.process.name);
            if let Some(left) = removed.left.as_ref().and_then(WorkDoc::uncommitted) {
                line.push_str(&format!("; in its worktree {}", safe(&left)));
            }
            if let Some(saved) = &removed.saved {
                let id = removed.process.id;
                line.push_str(&format!(
                    "; all of it is kept, `headcount restore {id}` brings it back"
                ));
                if !saved.left_out.is_empty() {
                    let out = saved.left_out.join(", ");
                    line.push_str(&format!(", but for {}", safe(&out)));
                }
            }
            line
        }
        Acted::Process(process) => {
            let word = match act {
                Act::Restart => "restarted",
                Act::Renew(UpdateWhen::Now) => "restarted with updates",
                Act::Renew(UpdateWhen::Idle) => {
                    return format!("{} restarts when it is idle", process.name);
                }
                Act::Renew(UpdateWhen::Rolling) => {
                    return format!("{} restarts when it is its turn", process.name);
                }
                Act::Renew(UpdateWhen::NotNow) => {
                    return format!("{} runs on as it is", process.name);
                }
                _ => "started",
            };
            format!("{} {word}: {}", process.name, status(process))
        }
    }
}

/// The process that is meant.
pub(super) fn one<'a>(text: &str, processes: &'a [ProcessDoc]) -> Result<&'a ProcessDoc, CliError> {
    let candidates: Vec<Candidate> = processes.iter().map(Candidate::from).collect();
    let id = &resolve("process", text, &candidates)?.id;
    let found = processes
        .iter()
        .find(|process| process.id.to_string() == *id);
    found.ok_or_else(|| CliError::Unknown {
        what: "process",
        text: text.to_owned(),
        near: Vec::new(),
    })
}
