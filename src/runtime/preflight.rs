//! Whether a process is fit for work: everything that it would be started with is read and looked at, and
//! what is missing is named with its cure. A start, the look at a hire, and `doctor` all come here.
//!
//! Nothing is started but `--version` of the agent. That there is no login is a doubt and no obstacle:
//! the agent itself has the last word, in its first answer and before its first task, since it knows
//! more ways to log in than can be seen from outside.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

use crate::agent::driver::Driver;
use crate::agent::stream_json::{fault_of_silence, fault_of_version, login, unsettled};
use crate::config::Source;
use crate::config::environment::Variables;
use crate::config::prompt::Prompt;
use crate::config::tools::AgentTools;
use crate::domain::effect::LaunchPlan;
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::fitness::{Finding, Subject, Weight};
use crate::domain::role::{Catalogue, Protocol};
use crate::os::disk::Room;
use crate::os::orphans::Children;
use crate::runtime::children;
use crate::runtime::good::Good;
use crate::runtime::prepare;
use crate::runtime::sandbox;

/// How long an agent may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);
/// Below this an agent's work may not fit.
const LITTLE: u64 = 1 << 30;
/// Below this the queue itself is in danger.
const TOO_LITTLE: u64 = 100 << 20;

/// Where is looked: a company, running or not.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) source: &'a Source,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) environment: &'a HashMap<String, String>,
    pub(crate) state: &'a Path,
    pub(crate) exe: &'a Path,
    pub(crate) versions: &'a Versions,
    pub(crate) children: &'a Children,
}

/// What programs said their version is, as long as their files are what they were.
#[derive(Debug, Default)]
pub(crate) struct Versions(Mutex<HashMap<PathBuf, (Stamp, String)>>);

/// Device, inode, size and time of change.
type Stamp = (u64, u64, u64, i64, i64);

/// What was read for a process, as far as it could be.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) driver: Driver,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) tools: Option<AgentTools>,
    pub(crate) variables: Option<Variables>,
    pub(crate) program: Option<(PathBuf, Vec<String>)>,
    /// What the program said, where it was asked.
    pub(crate) version: Option<String>,
    /// Where its login was found.
    pub(crate) login: Option<String>,
    pub(crate) findings: Vec<Finding>,
}

impl Sight {
    /// Nothing is seen yet.
    fn of(plan: &LaunchPlan) -> Self {
        Self {
            driver: prepare::driver(plan),
            prompt: None,
            tools: None,
            variables: None,
            program: None,
            version: None,
            login: None,
            findings: Vec::new(),
        }
    }

    /// What of its sandbox does not hold here.
    fn look_at_sandbox(&mut self, plan: &LaunchPlan) {
        let rule = &plan.role.sandbox;
        if let Some(fault) = sandbox::weakness(rule) {
            let weight = match rule.best_effort {
                true => Weight::Drawback,
                false => Weight::Obstacle,
            };
            self.find(Subject::Sandbox, weight, fault);
        }
    }

    /// Where the program is depends on the variables.
    fn find_program(&mut self, scene: &Scene<'_>, plan: &LaunchPlan) {
        let program = self
            .variables
            .as_ref()
            .map(|variables| prepare::find_program(scene, plan, variables));
        self.program = program.and_then(|program| self.keep(Subject::Agent, program));
    }

    /// The number in what the program said: `2.1.330` of `2.1.330 (Claude Code)`.
    pub(crate) fn number_of_version(&self) -> Option<String> {
        let number = self.version.as_deref()?.split_whitespace().next()?;
        let begins = number.starts_with(|char: char| char.is_ascii_digit());
        begins.then(|| number.to_owned())
    }

    /// What keeps it from starting.
    pub(crate) fn obstacles(&self) -> impl Iterator<Item = &Fault> {
        self.weighing(|weight| weight == Weight::Obstacle)
    }

    /// What is likely to give trouble.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &Fault> {
        self.weighing(|weight| weight != Weight::Obstacle)
    }

    fn weighing(&self, is_meant: impl Fn(Weight) -> bool) -> impl Iterator<Item = &Fault> {
        self.findings
            .iter()
            .filter(move |finding| is_meant(finding.weight))
            .map(|finding| &finding.fault)
    }

    fn find(&mut self, subject: Subject, weight: Weight, fault: Fault) {
        self.findings.push(Finding::new(subject, weight, fault));
    }

    /// Keeps what could be read, and notes what could not.
    fn keep<T>(&mut self, subject: Subject, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.find(subject, Weight::Obstacle, fault))
            .ok()
    }
}

/// Reads what a process would be started with; asks no program and looks at nothing else.
pub(crate) fn read(scene: &Scene<'_>, plan: &LaunchPlan) -> Sight {
    let mut sight = Sight::of(plan);
    sight.keep(
        Subject::Folder,
        prepare::check_folder(&plan.working_directory),
    );
    let prompt = prepare::read_prompt(scene, plan, sight.driver);
    sight.prompt = sight.keep(Subject::Prompt, prompt).flatten();
    sight.tools = sight.keep(Subject::Tools, prepare::read_tools(scene, plan));
    let variables = prepare::read_variables(scene, plan);
    sight.variables = sight.keep(Subject::Environment, variables);
    sight.find_program(scene, plan);
    sight.look_at_sandbox(plan);
    sight
}

/// The same with what was kept of the last good start in the place of prompt, tools and variables. The plan
/// has the rest of it already; secrets and the program are of today.
pub(crate) fn recall(scene: &Scene<'_>, plan: &LaunchPlan, good: Good) -> Sight {
    let mut sight = Sight {
        prompt: good.prompt.map(|text| Prompt::new("(kept)", text)),
        tools: Some(good.tools),
        ..Sight::of(plan)
    };
    sight.keep(
        Subject::Folder,
        prepare::check_folder(&plan.working_directory),
    );
    let variables = prepare::read_variables(scene, plan).map(|mut variables| {
        variables.extend(good.variables);
        variables
    });
    sight.variables = sight.keep(Subject::Environment, variables);
    sight.find_program(scene, plan);
    sight.look_at_sandbox(plan);
    sight
}

/// Reads all of it, asks the program for its version, and looks at what else it takes. Blocks, on a
/// thread of the runtime that may.
pub(crate) fn look(scene: &Scene<'_>, plan: &LaunchPlan) -> Sight {
    look_on(scene, plan, read(scene, plan))
}

/// The rest of a look at what was read.
pub(crate) fn look_on(scene: &Scene<'_>, plan: &LaunchPlan, mut sight: Sight) -> Sight {
    if !plan.simulated {
        agent(scene, plan, &mut sight);
    }
    if sight
        .findings
        .iter()
        .all(|it| it.subject != Subject::Folder)
    {
        sight.findings.extend(
            unwritable(&plan.working_directory)
                .map(|fault| Finding::new(Subject::Folder, Weight::Drawback, fault)),
        );
    }
    sight.findings.extend(room(scene.state));
    sight
}

/// The agent's version and login, or what it would ask first.
fn agent(scene: &Scene<'_>, plan: &LaunchPlan, sight: &mut Sight) {
    let (Some((program, _)), Some(variables)) = (&sight.program, &sight.variables) else {
        return;
    };
    let is_claude = program.file_stem().is_some_and(|name| name == "claude");
    match plan.agent.protocol {
        Protocol::ClaudeStreamJson => {
            let version = scene.versions.of(scene, program, variables);
            let found = login(variables);
            match version {
                Ok(said) => {
                    if let Some(fault) = fault_of_version(program, &said) {
                        sight.find(Subject::Agent, Weight::Obstacle, fault);
                    }
                    sight.version = Some(said);
                }
                Err(fault) => sight.find(Subject::Agent, Weight::Doubt, fault),
            }
            match found {
                Ok(where_) => sight.login = Some(where_),
                Err(fault) => sight.find(Subject::Login, Weight::Doubt, fault),
            }
        }
        Protocol::Terminal if is_claude => {
            if let Some(fault) = unsettled(variables, &plan.working_directory) {
                sight.find(Subject::Trust, Weight::Drawback, fault);
            }
        }
        Protocol::Terminal | Protocol::Plain => {}
    }
}

impl Versions {
    /// What a program says its version is. It is asked once for each file that it is.
    fn of(
        &self,
        scene: &Scene<'_>,
        program: &Path,
        variables: &Variables,
    ) -> Result<String, Fault> {
        let stamp = fs::metadata(program).ok().map(|data| {
            (
                data.dev(),
                data.ino(),
                data.size(),
                data.mtime(),
                data.mtime_nsec(),
            )
        });
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, said)) = known.get(program)
            && Some(*at) == stamp
        {
            return Ok(said.clone());
        }
        drop(known);
        let said = ask(scene, program, variables).map_err(|why| fault_of_silence(program, &why))?;
        if let Some(stamp) = stamp {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(program.to_owned(), (stamp, said.clone()));
        }
        Ok(said)
    }
}

/// Has the program say its version; `Err` is why it did not.
fn ask(scene: &Scene<'_>, program: &Path, variables: &Variables) -> Result<String, String> {
    let mut command = tokio::process::Command::new(program);
    let somewhere = std::env::temp_dir();
    let folder = if scene.state.is_dir() {
        scene.state
    } else {
        &somewhere
    };
    command
        .arg("--version")
        .env_clear()
        .envs(variables)
        .env("DISABLE_AUTOUPDATER", "1")
        .current_dir(folder);
    let runtime = tokio::runtime::Handle::try_current().map_err(|error| error.to_string())?;
    let output = runtime
        .block_on(children::run(scene.children, command, b"", PATIENCE))
        .map_err(|error| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })?;
    if !output.status.success() {
        return Err(format!("`--version` ended with {}", output.status));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    match said.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => Ok(line.chars().take(100).collect()),
        None => Err("`--version` says nothing".to_owned()),
    }
}

/// A folder that can be read and not written.
fn unwritable(folder: &Path) -> Option<Fault> {
    let error = access(folder, AccessFlags::W_OK).err()?;
    let name = folder.display();
    Some(Fault::new(
        FaultCode::EnvironmentSetupFailed,
        format!(
            "the working directory {name} cannot be written: {}",
            error.desc()
        ),
        format!(
            "give yourself access with `chmod u+w {name}`, or hire it for another folder; reading works"
        ),
    ))
}

/// A disk that is nearly full.
pub(crate) fn room(state: &Path) -> Option<Finding> {
    let there = state.ancestors().find(|path| path.is_dir())?;
    let free = Room::of(there).ok()?.free;
    little(there, free)
}

fn little(folder: &Path, free: u64) -> Option<Finding> {
    let name = folder.display();
    let left = bytesize::ByteSize::b(free).display().iec();
    let (weight, danger) = match free {
        0..TOO_LITTLE => (
            Weight::Doubt,
            "the queue and the logs cannot be kept safely",
        ),
        TOO_LITTLE..LITTLE => (Weight::Drawback, "the logs may not fit"),
        _ => return None,
    };
    let fault = Fault::new(
        FaultCode::EnvironmentSetupFailed,
        format!("the disk of {name} is nearly full, {left} free: {danger}"),
        format!(
            "make room on it, or choose another folder with --state; `du -sh {name}/*` shows what is there"
        ),
    );
    Some(Finding::new(Subject::Disk, weight, fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_told_by_how_much() {
        let folder = Path::new("/state");
        assert_eq!(little(folder, LITTLE), None);
        for (free, weight, words) in [
            (LITTLE - 1, Weight::Drawback, "the logs may not fit"),
            (TOO_LITTLE - 1, Weight::Doubt, "cannot be kept safely"),
            (0, Weight::Doubt, "0 B free"),
        ] {
            let finding = little(folder, free).unwrap();
            assert_eq!((finding.subject, finding.weight), (Subject::Disk, weight));
            assert!(finding.fault.cause.contains(words), "{finding:?}");
            assert!(finding.fault.remedy.contains("make room"), "{finding:?}");
        }
    }
}
