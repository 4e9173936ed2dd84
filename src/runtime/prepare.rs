//! From a plan to a command line: prompt, tools, environment, program, all read anew.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::agent::driver::{Driver, Stdio};
use crate::agent::find::find;
use crate::agent::launch::{CommandLine, Conversation, LaunchRequest, PromptText};
use crate::config::environment::{self, Facts, mask};
use crate::config::{prompt, tools};
use crate::domain::command::PromptOverride;
use crate::domain::effect::{Begin, LaunchPlan};
use crate::domain::event::LaunchFailure;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::nearest::nearest;
use crate::domain::role::Protocol;
use crate::os::spec::{self, Keep, LaunchSpec, Stderr};
use crate::runtime::context::Context;

/// The size of a pseudo-terminal that nobody looks at.
const TERMINAL: (u16, u16) = (50, 160);
/// Segments of a command's output that are kept.
const KEPT: u32 = 10;

/// A launch that only needs a shim.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) driver: Driver,
    pub(crate) line: CommandLine,
    pub(crate) prompt_hash: Option<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// Reads and checks everything that a run needs. Nothing is spawned if anything is wrong.
pub(crate) fn prepare(
    context: &Context,
    plan: &LaunchPlan,
    run_folder: &Path,
) -> Result<Prepared, LaunchFailure> {
    let permanent = |fault| LaunchFailure {
        fault,
        permanent: true,
    };
    check_folder(&plan.working_directory).map_err(permanent)?;
    let protocol = if plan.simulated {
        Protocol::ClaudeStreamJson
    } else {
        plan.agent.protocol
    };
    let driver = Driver::from(protocol);
    let prompt = read_prompt(context, plan, driver).map_err(permanent)?;
    let catalogue = context.catalogue();
    let names = plan.spec.tools.as_ref().unwrap_or(&plan.role.tools);
    let tools =
        tools::for_agent(&catalogue, names).map_err(|error| permanent(Fault::from(&error)))?;
    let parent = |name: &str| context.environment.get(name).cloned();
    let mut variables = environment::for_role(
        &context.source,
        &catalogue,
        &plan.role,
        &plan.spec.environment,
        Facts::default(),
        &parent,
    )
    .map_err(|error| permanent(Fault::from(&error)))?;
    if plan.simulated {
        // It needs no login, and must not write where the real one keeps its conversations.
        variables.retain(|name, _| !environment::is_secret(name));
        let folder = context.folders.state.join("simulated");
        variables.insert(
            "CLAUDE_CONFIG_DIR".to_owned(),
            folder.to_string_lossy().into_owned(),
        );
    }
    let (program, prefix) = if plan.simulated {
        (
            context.exe.clone(),
            vec![crate::agent::simulated::COMMAND.to_owned()],
        )
    } else {
        let path = variables.get("PATH").map_or("", String::as_str);
        let program = find(&plan.agent.command, OsStr::new(path))
            .map_err(|missing| permanent(missing.fault(&plan.agent)))?;
        (program, Vec::new())
    };
    let request = LaunchRequest {
        agent: &plan.agent,
        program,
        prefix,
        prompt: prompt.as_ref().map(|(text, _)| PromptText {
            text: text.clone(),
            mode: plan.role.prompt_mode,
        }),
        tools: tools.exist,
        allowed: tools.allowed,
        ask: plan.role.ask.clone(),
        deny: plan.role.deny.clone(),
        remembered: plan.allowed.clone(),
        model: plan.spec.model.clone().or_else(|| plan.role.model.clone()),
        max_turns: plan.spec.max_turns.or(plan.role.max_turns),
        budget_usd: plan.role.budget_usd,
        conversation: match plan.begin {
            Begin::New(id) => Conversation::New(id),
            Begin::Resume(id) => Conversation::Resume(id),
        },
        environment: variables,
        temporary_folder: None,
        working_directory: plan.working_directory.clone(),
        run_folder,
    };
    let line = driver
        .command_line(&request)
        .map_err(|error| permanent(error.fault()))?;
    let environment = line
        .environment
        .iter()
        .map(|(name, value)| (name.clone(), mask(name, value).into_owned()))
        .collect();
    Ok(Prepared {
        driver,
        line,
        prompt_hash: prompt.map(|(_, hash)| hash),
        environment,
    })
}

/// What the shim is told.
pub(crate) fn launch_spec(context: &Context, plan: &LaunchPlan, prepared: &Prepared) -> LaunchSpec {
    let line = &prepared.line;
    let mut spec = LaunchSpec::new(&line.program, &line.working_directory);
    spec.arguments = line.args.iter().map(Into::into).collect();
    spec.environment = line
        .environment
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    spec.environment
        .push(("HEADCOUNT_PROCESS".into(), plan.process.to_string().into()));
    let agent = prepared.driver.takes_tasks();
    spec.stdio = match prepared.driver.stdio() {
        Stdio::Terminal => spec::Stdio::Terminal {
            rows: TERMINAL.0,
            cols: TERMINAL.1,
        },
        Stdio::Pipes if agent => spec::Stdio::Pipes {
            stderr: Stderr::Separate,
        },
        Stdio::Pipes => spec::Stdio::Pipes {
            stderr: Stderr::Merged,
        },
    };
    spec.keep = if agent {
        Keep::UntilConsumed
    } else {
        Keep::Last(KEPT)
    };
    spec.open_files = context.open_files;
    spec.adopt_within = context.adopt_within;
    spec.terminate_grace = plan.role.terminate;
    spec
}

fn check_folder(folder: &Path) -> Result<(), Fault> {
    let code = FaultCode::EnvironmentSetupFailed;
    let name = folder.display();
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => match fs::read_dir(folder) {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::new(
                code,
                format!("the working directory {name} cannot be entered: {error}"),
                format!(
                    "give yourself access with `chmod u+rx {name}`, or hire it for another folder"
                ),
            )),
        },
        Ok(_) => Err(Fault::new(
            code,
            format!("the working directory {name} is not a folder"),
            "hire it for a folder",
        )),
        Err(error) => Err(Fault::new(
            code,
            format!("the working directory {name} is not there: {error}"),
            nearest_folder(folder),
        )),
    }
}

/// The remedy for a folder that is not there: its nearest neighbour, or the making of it.
fn nearest_folder(folder: &Path) -> String {
    let wanted = folder.file_name().unwrap_or_default().to_string_lossy();
    let parent = folder.parent().unwrap_or(Path::new("/"));
    let neighbours: Vec<String> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    match nearest(&wanted, neighbours.iter().map(String::as_str)).first() {
        Some(near) => format!("the nearest is {}; or make it", parent.join(near).display()),
        None => format!(
            "make it with `mkdir -p {}`, or hire it for another folder",
            folder.display()
        ),
    }
}

/// The prompt's text and the first digits of its hash.
fn read_prompt(
    context: &Context,
    plan: &LaunchPlan,
    driver: Driver,
) -> Result<Option<(String, String)>, Fault> {
    if !driver.takes_tasks() {
        return Ok(None);
    }
    let prompt = match &plan.spec.prompt {
        Some(PromptOverride::Text(text)) => prompt::Prompt::new("(custom)", text.clone()),
        Some(PromptOverride::File(path)) => {
            prompt::read(&context.source, path).map_err(|error| Fault::from(&error))?
        }
        None if plan.role.prompt.is_none() => return Ok(None),
        None => prompt::load(&context.source, &plan.role).map_err(|error| Fault::from(&error))?,
    };
    let hash = prompt.sha256.chars().take(6).collect();
    Ok(Some((prompt.text, hash)))
}
