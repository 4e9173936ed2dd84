//! From what a client sends to what the fleet is asked for: names of roles and prompts are looked up.

use std::path::{Path, PathBuf};

use crate::domain::automation::{IdleStop, Overrides};
use crate::domain::command::{NewProcess, PromptOverride, Refusal};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::role::Role;
use crate::domain::snapshot::Snapshot;
use crate::domain::written::{Unreadable, duration};
use crate::serve::error::ApiError;
use crate::serve::wire::HireRequest;

/// Makes the order of a request. Roles and prompts that are not there are refused here, so that a
/// list with one of them hires nobody.
pub(super) fn new_process(
    request: HireRequest,
    snapshot: &Snapshot,
) -> Result<NewProcess, ApiError> {
    let role = role(&request.role, snapshot)?;
    let automation = overrides(&request)?;
    for (what, path) in [
        ("workingDirectory", request.working_directory.as_deref()),
        ("promptFile", request.prompt_file.as_deref()),
    ] {
        if path.is_some_and(Path::is_relative) {
            return Err(ApiError::Invalid(format!(
                "`{what}` must be an absolute path"
            )));
        }
    }
    let prompt = match (
        &request.custom_prompt,
        request.prompt_file,
        &request.system_prompt,
    ) {
        (Some(text), ..) => Some(PromptOverride::Text(text.clone())),
        (None, Some(file), _) => Some(PromptOverride::File(file)),
        (None, None, Some(name)) => named_prompt(name, role, snapshot)?,
        (None, None, None) => None,
    };
    Ok(NewProcess {
        role: role.key.clone(),
        cluster: None,
        name: request.name,
        kind: request.kind,
        working_directory: request.working_directory,
        environment: request.environment,
        tools: request.allowed_tools,
        prompt,
        prompt_mode: request.prompt_mode,
        model: request.model,
        max_turns: request.max_turns,
        worktree: request.worktree,
        cpu: request.cpu.map(Into::into),
        memory: request.memory.map(Into::into),
        no_start: request.no_start,
        auto_restart: request.auto_restart,
        automation,
    })
}

fn overrides(request: &HireRequest) -> Result<Overrides, ApiError> {
    let unreadable = |what: &str, error: &Unreadable| {
        ApiError::Invalid(format!("`{what}` cannot be read: {error}"))
    };
    let schedule = request.schedule.as_deref().map(str::parse).transpose();
    let idle = match request.idle_stop.as_deref() {
        None => None,
        Some("never") => Some(IdleStop::Never),
        Some(text) => {
            let time = duration(text).map_err(|error| unreadable("idleStop", &error))?;
            if time.is_zero() {
                let text = "`idleStop` is no time at all; write for example \"10m\" or \"never\"";
                return Err(ApiError::Invalid(text.to_owned()));
            }
            Some(IdleStop::After(time))
        }
    };
    Ok(Overrides {
        autostart: request.autostart,
        schedule: schedule.map_err(|error| unreadable("schedule", &error))?,
        idle,
    })
}

fn role<'a>(name: &str, snapshot: &'a Snapshot) -> Result<&'a Role, Refusal> {
    let key = plain(name);
    let roles = &snapshot.catalogue.roles;
    roles.iter().find(|role| role.key == key).ok_or_else(|| {
        let keys = roles.iter().map(|role| role.key.as_str());
        Refusal::UnknownRole {
            name: name.to_owned(),
            near: nearest(&key, keys),
        }
    })
}

/// Finds a prompt by its name. The role's own needs no override.
fn named_prompt(
    name: &str,
    role: &Role,
    snapshot: &Snapshot,
) -> Result<Option<PromptOverride>, ApiError> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let wanted = plain(file.strip_suffix(".md").unwrap_or(file));
    let is_wanted = |path: &Path| stem(path).is_some_and(|stem| stem == wanted);
    if role.prompt.as_deref().is_some_and(is_wanted) {
        return Ok(None);
    }
    let known: Vec<PathBuf> = snapshot
        .catalogue
        .roles
        .iter()
        .filter_map(|role| role.prompt.clone())
        .chain(on_disk(&snapshot.workspace))
        .collect();
    if let Some(path) = known.iter().find(|path| is_wanted(path)) {
        let there = snapshot.workspace.join(path);
        // A prompt of the built-in company is on no disk; it is known by its path in the company.
        let path = if there.is_file() { there } else { path.clone() };
        return Ok(Some(PromptOverride::File(path)));
    }
    let stems: Vec<String> = known.iter().filter_map(|path| stem(path)).collect();
    let near = nearest(&wanted, stems.iter().map(String::as_str));
    let remedy = near.first().map_or_else(
        || "see the prompts in `corporate-prompts`".to_owned(),
        |near| format!("the nearest is `{near}`"),
    );
    Err(ApiError::Fault(Fault::new(
        FaultCode::PromptNotFound,
        format!("there is no prompt `{name}` in corporate-prompts"),
        remedy,
    )))
}

/// The prompts of the workspace that no role names, relative to it.
fn on_disk(workspace: &Path) -> Vec<PathBuf> {
    let folder = workspace.join("corporate-prompts");
    let mut found = Vec::new();
    let departments = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    for department in departments {
        let files = std::fs::read_dir(department.path()).into_iter().flatten();
        for file in files.flatten() {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn stem(path: &Path) -> Option<String> {
    path.file_stem().and_then(|stem| stem.to_str()).map(plain)
}

/// A name as keys are written: lower case, with `_`.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' '], "_")
}

fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut near: Vec<(f64, &str)> = candidates
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.dedup_by_key(|(_, candidate)| *candidate);
    near.into_iter()
        .take(3)
        .map(|(_, candidate)| candidate.to_owned())
        .collect()
}
