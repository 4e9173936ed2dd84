//! Looks at what would be hired, and hires nobody.

use crate::domain::command::{NewProcess, Refusal};
use crate::domain::effect::{Effect, LaunchPlan, ReplyId};
use crate::domain::fleet::Fleet;
use crate::domain::limits::is_range;
use crate::domain::nearest::{nearest, owned};

impl Fleet {
    /// Has it read what each would be started with. What hiring would refuse is refused here too.
    pub(super) fn preview(&mut self, reply: ReplyId, news: Vec<NewProcess>) -> Result<(), Refusal> {
        let mut plans = Vec::new();
        for new in news {
            check_limits(&new)?;
            let Some(role) = self.catalogue.role_for(&new) else {
                return Err(self.unknown_role(new.role));
            };
            let agent = self.catalogue.agents.get(&role.agent).ok_or_else(|| {
                let text = format!("there is no agent `{}` in roles.toml", role.agent);
                Refusal::Invalid(text)
            })?;
            let name = new.name.as_ref().map(|name| self.checked_name(name));
            let folder = new.working_directory.clone();
            let folder = folder.unwrap_or_else(|| self.options.workspace.clone());
            plans.push(LaunchPlan {
                name: name.transpose()?.unwrap_or_default(),
                simulated: self.options.demo,
                ..LaunchPlan::for_a_look(role.clone(), agent.clone(), folder, new)
            });
        }
        self.fx.push(Effect::Preview { reply, plans });
        Ok(())
    }

    pub(super) fn unknown_role(&self, name: String) -> Refusal {
        let keys = self.catalogue.roles.iter().map(|role| role.key.as_str());
        Refusal::UnknownRole {
            near: owned(nearest(&name, keys)),
            name,
        }
    }
}

/// Refuses limits that are none.
pub(super) fn check_limits(new: &NewProcess) -> Result<(), Refusal> {
    let crossed = |what: &str| Refusal::Invalid(format!("the {what} limits are not a range"));
    if new.cpu.is_some_and(|cpu| !is_range(cpu)) {
        return Err(crossed("CPU"));
    }
    if new
        .memory
        .is_some_and(|memory| memory.min > memory.max || memory.max == 0)
    {
        return Err(crossed("memory"));
    }
    Ok(())
}
