//! From a plan to a command line: prompt, tools, environment, program, all read anew. And what of
//! them makes a difference.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::agent::driver::{Driver, Stdio};
use crate::agent::find::find;
use crate::agent::launch::{CommandLine, Conversation, LaunchRequest, PromptText};
use crate::config::environment::{self, Facts, MASK, Variables, mask};
use crate::config::prompt::{self, Prompt};
use crate::config::tools::{self, AgentTools};
use crate::domain::command::PromptOverride;
use crate::domain::effect::{Begin, LaunchPlan};
use crate::domain::event::LaunchFailure;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::nearest::nearest;
use crate::domain::role::{PromptMode, Protocol};
use crate::domain::sandbox::{Sandbox, SandboxLevel, SandboxRule};
use crate::domain::secret::Secrets;
use crate::domain::updates::Fingerprint;
use crate::os::sandbox::Walls;
use crate::os::spec::{self, Keep, LaunchSpec, Stderr};
use crate::runtime::context::Context;
use crate::runtime::good::Good;
use crate::runtime::preflight::{self, Scene, Sight};
use crate::runtime::sandbox::{self, Setting};

/// The size of a pseudo-terminal that nobody looks at.
const TERMINAL: (u16, u16) = (50, 160);

/// A launch that only needs a shim.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) driver: Driver,
    pub(crate) line: CommandLine,
    pub(crate) prompt_hash: Option<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) secrets: Secrets,
    pub(crate) fingerprint: Fingerprint,
    /// What it comes to, to be kept when the run is up.
    pub(crate) good: Good,
    /// Whether that is what was kept, and not what is on disk.
    pub(crate) put_back: bool,
    /// What it may touch, and what is told of that.
    pub(crate) walls: Option<Walls>,
    pub(crate) sandbox: Sandbox,
    /// What was done to get there, for the log.
    pub(crate) steps: Vec<String>,
}

/// Everything that a run is started with, read and checked.
pub(crate) struct Gathered {
    driver: Driver,
    prompt: Option<Prompt>,
    tools: AgentTools,
    variables: Variables,
    program: PathBuf,
    prefix: Vec<String>,
}

impl Gathered {
    /// What was read, if all of it could be.
    fn of(sight: Sight) -> Result<Self, Fault> {
        let obstacle = sight.obstacles().next().cloned();
        match (obstacle, sight.tools, sight.variables, sight.program) {
            (None, Some(tools), Some(variables), Some((program, prefix))) => Ok(Self {
                driver: sight.driver,
                prompt: sight.prompt,
                tools,
                variables,
                program,
                prefix,
            }),
            (Some(fault), ..) => Err(fault),
            // What could not be read is an obstacle, so that there is no such case.
            (None, ..) => Err(Fault::new(
                FaultCode::FailedToStart,
                "what it is started with could not be read",
                "see headcount.log, and report it",
            )),
        }
    }

    /// The prompt's text.
    pub(crate) fn prompt(&self) -> Option<&str> {
        self.prompt.as_ref().map(|prompt| prompt.text.as_str())
    }
}

/// Reads and checks everything that a run needs, and puts its command line together. Nothing is
/// spawned if anything is wrong.
pub(crate) fn prepare(
    context: &Context,
    plan: &LaunchPlan,
    run_folder: &Path,
) -> Result<Prepared, LaunchFailure> {
    let permanent = |fault| LaunchFailure {
        fault,
        permanent: true,
    };
    let kept = plan
        .put_back
        .then(|| Good::read(&context.folders.good, plan.process))
        .flatten();
    let put_back = kept.is_some();
    let scene = context.scene();
    let (plan, sight) = match kept {
        Some(good) => {
            let plan = good.in_place_of(plan);
            let read = preflight::recall(&scene, &plan, good);
            let sight = preflight::look_on(&scene, &plan, read);
            (plan, sight)
        }
        None => (plan.clone(), preflight::look(&scene, plan)),
    };
    let mut warnings: Vec<String> = sight.warnings().map(warning).collect();
    let version = sight.number_of_version();
    let gathered = Gathered::of(sight).map_err(permanent)?;
    let plan = &plan;
    let fingerprint = fingerprint(context, plan, &gathered);
    let secrets = context.secrets(&gathered.variables);
    let passed_on = |name: &str, value: &str| {
        let own = context.environment.get(name);
        own.is_some_and(|own| own == value)
    };
    let kept_back = |name: &str, value: &str| {
        environment::is_secret(name) || secrets.are_in(value) || passed_on(name, value)
    };
    let good = Good::of(
        plan,
        gathered.prompt(),
        &gathered.tools,
        &gathered.variables,
        kept_back,
    );
    let Gathered {
        driver,
        prompt,
        tools,
        mut variables,
        program,
        prefix,
    } = gathered;
    if let Some(version) = version {
        // Not in the fingerprint: a new version alone is nothing that a role changed.
        let known = variables.entry("CLAUDE_VERSION".to_owned());
        known.or_insert(version);
    }
    let prompt_hash = prompt.as_ref().map(short_hash);
    let prompt_step = prompt_hash.as_ref().map_or_else(
        || "no prompt: the agent takes none".to_owned(),
        |hash| format!("prompt loaded ({hash})"),
    );
    let tools_step = match tools.allowed.len() {
        0 => "tools checked: none is asked for".to_owned(),
        count => format!("tools checked: {count} rules"),
    };
    let request = LaunchRequest {
        agent: &plan.agent,
        program,
        prefix,
        prompt: prompt.map(|prompt| PromptText {
            text: prompt.text,
            mode: prompt_mode(plan),
        }),
        tools: tools.exist,
        allowed: tools.allowed,
        ask: plan.role.ask.clone(),
        deny: plan.role.deny.clone(),
        remembered: plan.allowed.clone(),
        model: model(plan),
        max_turns: max_turns(plan),
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
    let worktree = context.folders.worktrees.join(plan.process.to_string());
    let setting = Setting {
        rule: &plan.role.sandbox,
        folder: &plan.working_directory,
        worktree: Some(worktree.as_path()).filter(|top| plan.working_directory.starts_with(top)),
        run_folder,
        program: &line.program,
        environment: &line.environment,
    };
    let (walls, sandbox) = sandbox::walls(&setting);
    warnings.extend(sandbox::gives_secrets_away(&setting).iter().map(warning));
    let environment = line
        .environment
        .iter()
        .map(|(name, value)| (name.clone(), shown(&secrets, name, value)))
        .collect();
    let mut steps = vec![
        prompt_step,
        format!("environment set up: {} variables", line.environment.len()),
        tools_step,
        format!(
            "working directory checked: {}",
            plan.working_directory.display()
        ),
        sandbox_step(&sandbox),
    ];
    steps.extend(warnings);
    Ok(Prepared {
        driver,
        line,
        prompt_hash,
        environment,
        secrets,
        fingerprint,
        good,
        put_back,
        walls,
        sandbox,
        steps,
    })
}

/// A value as it may be shown: nothing of one that is a secret by its name, and no such value within another.
pub(crate) fn shown(secrets: &Secrets, name: &str, value: &str) -> String {
    secrets.hidden(&mask(name, value), MASK).into_owned()
}

/// How a sandbox is told in a log.
fn sandbox_step(sandbox: &Sandbox) -> String {
    match (sandbox.level, sandbox.enforced) {
        (SandboxLevel::Off, _) => "sandbox: off, it can do what you can do".to_owned(),
        (level, true) => format!("sandbox: {}, held by the kernel", level.as_str()),
        (level, false) => format!("sandbox: {}, NOT held by this kernel", level.as_str()),
    }
}

/// How a doubt is told in a log.
fn warning(fault: &Fault) -> String {
    format!("started all the same, but {fault}; try: {}", fault.remedy)
}

/// Reads everything that a run would be started with now.
pub(crate) fn gather(context: &Context, plan: &LaunchPlan) -> Result<Gathered, Fault> {
    Gathered::of(preflight::read(&context.scene(), plan))
}

/// How its agent is driven.
pub(crate) fn driver(plan: &LaunchPlan) -> Driver {
    Driver::from(if plan.simulated {
        Protocol::ClaudeStreamJson
    } else {
        plan.agent.protocol
    })
}

/// What its tools mean to the agent.
pub(crate) fn read_tools(scene: &Scene<'_>, plan: &LaunchPlan) -> Result<AgentTools, Fault> {
    let names = plan.spec.tools.as_ref().unwrap_or(&plan.role.tools);
    tools::for_agent(&scene.catalogue, names).map_err(|error| Fault::from(&error))
}

/// The variables that it gets.
pub(crate) fn read_variables(scene: &Scene<'_>, plan: &LaunchPlan) -> Result<Variables, Fault> {
    let parent = |name: &str| scene.environment.get(name).cloned();
    let mut variables = environment::for_role(
        scene.source,
        &scene.catalogue,
        &plan.role,
        &plan.spec.environment,
        Facts::default(),
        &parent,
    )
    .map_err(|error| Fault::from(&error))?;
    if plan.simulated {
        // It needs no login, and must not write where the real one keeps its conversations. What was given for it alone
        // is for its tools.
        let given = &plan.spec.environment;
        variables.retain(|name, _| !environment::is_secret(name) || given.contains_key(name));
        let folder = scene.state.join("simulated");
        variables.insert(
            "CLAUDE_CONFIG_DIR".to_owned(),
            folder.to_string_lossy().into_owned(),
        );
    }
    Ok(variables)
}

/// Its program, and arguments that stand before all others.
pub(crate) fn find_program(
    scene: &Scene<'_>,
    plan: &LaunchPlan,
    variables: &Variables,
) -> Result<(PathBuf, Vec<String>), Fault> {
    if plan.simulated {
        let agent = crate::agent::simulated::COMMAND.to_owned();
        return Ok((scene.exe.to_owned(), vec![agent]));
    }
    let path = variables.get("PATH").map_or("", String::as_str);
    let program = find(&plan.agent.command, OsStr::new(path))
        .map_err(|missing| missing.fault(&plan.agent))?;
    Ok((program, Vec::new()))
}

/// What a run is started with, for the comparison with what is on disk. Nothing that differs from
/// start to start stands in it: no conversation, no folder of a run, nothing that the instance only
/// passes on from its own environment.
pub(crate) fn fingerprint(
    context: &Context,
    plan: &LaunchPlan,
    gathered: &Gathered,
) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    let secrets = context.secrets(&gathered.variables);
    let mode = match prompt_mode(plan) {
        PromptMode::Append => "added to the agent's own",
        PromptMode::Replace => "in place of the agent's own",
    };
    if let Some(prompt) = &gathered.prompt {
        fingerprint.set("prompt", short_hash(prompt));
        fingerprint.set("prompt mode", mode);
    }
    fingerprint.set("tools", gathered.tools.allowed.join(" "));
    fingerprint.set("asks for", plan.role.ask.join(" "));
    fingerprint.set("refuses", plan.role.deny.join(" "));
    fingerprint.set("model", model(plan).unwrap_or_default());
    fingerprint.set(
        "max turns",
        max_turns(plan).map(|n| n.to_string()).unwrap_or_default(),
    );
    let budget = plan.role.budget_usd.map(|usd| format!("${usd:.2}"));
    fingerprint.set("budget", budget.unwrap_or_default());
    fingerprint.set("sandbox", sandbox_setting(&plan.role.sandbox));
    let mut agent = vec![gathered.program.display().to_string()];
    agent.extend(plan.agent.args.iter().cloned());
    fingerprint.set("agent", agent.join(" "));
    for (name, value) in &gathered.variables {
        if context.environment.get(name) == Some(value) {
            continue;
        }
        let shown = if environment::is_secret(name) || secrets.are_in(value) {
            format!("secret {}", short_hash(&Prompt::new("", value.as_str())))
        } else {
            value.clone()
        };
        fingerprint.set(format!("environment {name}"), shown);
    }
    fingerprint
}

fn sandbox_setting(rule: &SandboxRule) -> String {
    let mut setting = rule.level.as_str().to_owned();
    if rule.level == SandboxLevel::Off {
        return setting;
    }
    if rule.best_effort {
        setting.push_str(", best effort");
    }
    for place in &rule.write {
        setting.push_str(", ");
        setting.push_str(place);
    }
    if rule.level == SandboxLevel::Strict {
        for port in &rule.ports {
            setting.push_str(&format!(", port {port}"));
        }
    }
    setting
}

fn model(plan: &LaunchPlan) -> Option<String> {
    plan.spec.model.clone().or_else(|| plan.role.model.clone())
}

fn prompt_mode(plan: &LaunchPlan) -> PromptMode {
    plan.spec.prompt_mode.unwrap_or(plan.role.prompt_mode)
}

fn max_turns(plan: &LaunchPlan) -> Option<u32> {
    plan.spec.max_turns.or(plan.role.max_turns)
}

/// The first digits of a text's hash: enough to tell versions apart.
pub(crate) fn short_hash(prompt: &Prompt) -> String {
    prompt.sha256.chars().take(6).collect()
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
        Keep::Last(context.rotation.kept + 1)
    };
    spec.segment_size = context.rotation.size;
    spec.open_files = context.open_files;
    spec.walls.clone_from(&prepared.walls);
    spec.adopt_within = context.adopt_within;
    spec.terminate_grace = plan.role.terminate;
    spec
}

pub(crate) fn check_folder(folder: &Path) -> Result<(), Fault> {
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

/// The prompt as it stands now; `None` for an agent that takes none.
pub(crate) fn read_prompt(
    scene: &Scene<'_>,
    plan: &LaunchPlan,
    driver: Driver,
) -> Result<Option<Prompt>, Fault> {
    if !driver.takes_tasks() {
        return Ok(None);
    }
    match &plan.spec.prompt {
        Some(PromptOverride::Text(text)) => Ok(Some(Prompt::new("(custom)", text.clone()))),
        Some(PromptOverride::File(path)) => prompt::read(scene.source, path).map(Some),
        None if plan.role.prompt.is_none() => Ok(None),
        None => prompt::load(scene.source, &plan.role).map(Some),
    }
    .map_err(|error| Fault::from(&error))
}
