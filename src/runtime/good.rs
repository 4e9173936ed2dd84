//! The last configuration that each process came up with: `good/proc_001.json`.
//!
//! It is put back when the process does not come up with a newer one. Secrets are not in it: they are
//! read anew.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::environment::{Variables, is_secret};
use crate::config::tools::AgentTools;
use crate::domain::effect::LaunchPlan;
use crate::domain::id::ProcessId;
use crate::domain::role::{Agent, Role};
use crate::os::replace::replace;

/// What a process was started with, as far as files on disk say it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Good {
    pub(crate) role: Role,
    pub(crate) agent: Agent,
    pub(crate) prompt: Option<String>,
    pub(crate) tools: AgentTools,
    pub(crate) variables: Variables,
}

impl Good {
    /// What a plan came to, without variables that are kept back: what the instance only passes on, and secrets.
    pub(crate) fn of(
        plan: &LaunchPlan,
        prompt: Option<&str>,
        tools: &AgentTools,
        variables: &Variables,
        kept_back: impl Fn(&str, &str) -> bool,
    ) -> Self {
        let mut role = plan.role.clone();
        let mut agent = plan.agent.clone();
        role.environment.retain(|name, _| !is_secret(name));
        agent.environment.retain(|name, _| !is_secret(name));
        let variables = variables
            .iter()
            .filter(|(name, value)| !kept_back(name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Self {
            role,
            agent,
            prompt: prompt.map(str::to_owned),
            tools: tools.clone(),
            variables,
        }
    }

    /// A plan with this in the place of what is on disk.
    pub(crate) fn in_place_of(&self, plan: &LaunchPlan) -> LaunchPlan {
        let mut back = plan.clone();
        let secrets = |of: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let mut secrets = of.clone();
            secrets.retain(|name, _| is_secret(name));
            secrets
        };
        back.role = self.role.clone();
        back.role
            .environment
            .extend(secrets(&plan.role.environment));
        back.agent = self.agent.clone();
        back.agent
            .environment
            .extend(secrets(&plan.agent.environment));
        back
    }

    /// Keeps it, in the place of what was kept before.
    pub(crate) fn keep(&self, folder: &Path, process: ProcessId) -> io::Result<()> {
        let path = path(folder, process);
        let text = serde_json::to_vec(self)?;
        if fs::read(&path).is_ok_and(|kept| kept == text) {
            return Ok(());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        replace(&path, &text)
    }

    /// Reads what is kept; `None` if nothing is, or nothing that this build understands.
    pub(crate) fn read(folder: &Path, process: ProcessId) -> Option<Self> {
        let text = fs::read(path(folder, process)).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| {
                tracing::warn!(%process, %error, "its last good configuration cannot be read");
            })
            .ok()
    }

    /// Removes what is kept of a process that is gone.
    pub(crate) fn forget(folder: &Path, process: ProcessId) {
        if let Err(error) = fs::remove_file(path(folder, process))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%process, %error, "its last good configuration cannot be removed");
        }
    }
}

fn path(folder: &Path, process: ProcessId) -> PathBuf {
    folder.join(format!("{process}.json"))
}
