//! Whether the roles of a company are fit for work, without an instance: what `doctor` tells.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Source;
use crate::domain::command::NewProcess;
use crate::domain::effect::LaunchPlan;
use crate::domain::fitness::Finding;
use crate::domain::role::Catalogue;
use crate::os::orphans::Children;
use crate::runtime::preflight::{self, Scene, Versions, look};

/// A company that need not run.
#[derive(Debug, Clone)]
pub struct Company {
    /// Where the configuration comes from.
    pub source: Source,
    /// The configuration.
    pub catalogue: Arc<Catalogue>,
    /// Whether every role runs on the simulated agent.
    pub demo: bool,
    /// The environment that an instance would be started with.
    pub environment: HashMap<String, String>,
    /// The state folder.
    pub state: PathBuf,
}

/// What a look at all roles came to.
#[derive(Debug, Clone, Default)]
pub struct Fitness {
    /// Each finding once, with the roles that it is about, by key.
    pub findings: Vec<(Finding, Vec<String>)>,
    /// The programs that roles run, with their agents and what they say their version is.
    pub programs: Vec<(PathBuf, String, Option<String>)>,
    /// Where logins were found.
    pub logins: Vec<String>,
}

/// Looks at each role as a start in the workspace would. Blocks, on a thread of the runtime that may.
#[must_use]
pub fn fitness(company: &Company) -> Fitness {
    let versions = Versions::default();
    let children = Children::default();
    let scene = Scene {
        source: &company.source,
        catalogue: Arc::clone(&company.catalogue),
        environment: &company.environment,
        state: &company.state,
        exe: Path::new("headcount"),
        versions: &versions,
        children: &children,
    };
    let mut fitness = Fitness::default();
    for role in &company.catalogue.roles {
        let Some(agent) = company.catalogue.agents.get(&role.agent) else {
            continue;
        };
        let spec = NewProcess {
            role: role.key.clone(),
            ..NewProcess::default()
        };
        let folder = company.source.workspace().to_owned();
        let plan = LaunchPlan {
            simulated: company.demo,
            ..LaunchPlan::for_a_look(role.clone(), agent.clone(), folder, spec)
        };
        let sight = look(&scene, &plan);
        for finding in sight.findings {
            match fitness.findings.iter_mut().find(|(it, _)| *it == finding) {
                Some((_, roles)) => roles.push(role.key.clone()),
                None => fitness.findings.push((finding, vec![role.key.clone()])),
            }
        }
        if let Some((program, _)) = sight.program.filter(|_| !company.demo) {
            let found = (program, agent.name.clone(), sight.version);
            if !fitness.programs.contains(&found) {
                fitness.programs.push(found);
            }
        }
        if let Some(login) = sight.login
            && !fitness.logins.contains(&login)
        {
            fitness.logins.push(login);
        }
    }
    fitness
}

/// What is to be said of the room that a state folder has left.
#[must_use]
pub fn room(state: &Path) -> Option<Finding> {
    preflight::room(state)
}

/// The version of the kernel's Landlock, which holds sandboxes; 0 for none.
#[must_use]
pub fn kernel_sandbox() -> u32 {
    crate::os::sandbox::version()
}
