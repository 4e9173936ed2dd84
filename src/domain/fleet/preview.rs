//! Looks at what would be hired, and hires nobody.

use std::path::Path;

use crate::domain::command::{LONGEST_PROMPT, NewProcess, PromptOverride, Refusal};
use crate::domain::effect::{Effect, LaunchPlan, ReplyId};
use crate::domain::fleet::Fleet;
use crate::domain::limits::is_range;
use crate::domain::nearest::{nearest, owned};
use crate::domain::written::is_variable;

impl Fleet {
    /// Has it read what each would be started with. What hiring would refuse is refused here too.
    pub(super) fn preview(&mut self, reply: ReplyId, news: Vec<NewProcess>) -> Result<(), Refusal> {
        let mut plans = Vec::new();
        for new in news {
            check_new(&new)?;
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

/// Refuses what no start could make anything of.
pub(super) fn check_new(new: &NewProcess) -> Result<(), Refusal> {
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
    let has_nul = |path: &Path| path.as_os_str().as_encoded_bytes().contains(&0);
    let is_blank = |text: &String| text.trim().is_empty();
    let wrong = match &new.prompt {
        Some(PromptOverride::Text(text)) if is_blank(text) => {
            Some("the prompt is empty: leave it out for that of the role")
        }
        Some(PromptOverride::Text(text)) if text.contains('\0') => {
            Some("the prompt has a NUL character: take it out")
        }
        Some(PromptOverride::Text(text)) if text.len() > LONGEST_PROMPT => {
            Some("the prompt is larger than 1 MB: shorten it, or name files in it")
        }
        Some(PromptOverride::File(path)) if has_nul(path) => {
            Some("the path of the prompt has a NUL character: take it out")
        }
        _ if new.max_turns == Some(0) => {
            Some("a task may take no turn at all: write a number from 1, or leave it out")
        }
        _ if new.working_directory.as_deref().is_some_and(has_nul) => {
            Some("the working directory has a NUL character: take it out")
        }
        _ if new.model.as_ref().is_some_and(is_blank) => {
            Some("the model is empty: leave it out for that of the role")
        }
        _ if new.model.as_ref().is_some_and(|model| model.contains('\0')) => {
            Some("the model has a NUL character: take it out")
        }
        _ if new.tools.iter().flatten().any(is_blank) => {
            Some("a tool has no name: leave the tools out for those of the role")
        }
        _ => None,
    };
    if let Some(wrong) = wrong {
        return Err(Refusal::Invalid(wrong.to_owned()));
    }
    for (name, value) in &new.environment {
        if !is_variable(name) {
            let text = format!(
                "`{}` is not a name for an environment variable: use letters, digits and `_`, and no digit first",
                name.escape_debug()
            );
            return Err(Refusal::Invalid(text));
        }
        if value.contains('\0') {
            let text = format!("the variable {name} has a NUL character: take it out");
            return Err(Refusal::Invalid(text));
        }
    }
    Ok(())
}
