//! Reads what would be launched, and launches nothing: every step of [`prepare`] on its own, so that
//! all that is wrong is said at once.

use crate::config::environment::mask;
use crate::domain::effect::LaunchPlan;
use crate::domain::fault::Fault;
use crate::domain::preview::{Preview, PromptSeen};
use crate::runtime::context::Context;
use crate::runtime::prepare::{self, short_hash};

/// Looks at one plan.
pub(crate) fn preview(context: &Context, plan: &LaunchPlan) -> Preview {
    let mut preview = Preview {
        role: plan.role.key.clone(),
        ..Preview::default()
    };
    let mut faults: Vec<Fault> = Vec::new();
    let mut noted = |fault: Fault| faults.push(fault);
    prepare::check_folder(&plan.working_directory)
        .err()
        .into_iter()
        .for_each(&mut noted);
    match prepare::read_prompt(context, plan, prepare::driver(plan)) {
        Ok(prompt) => {
            preview.prompt = prompt.map(|prompt| PromptSeen {
                hash: short_hash(&prompt),
                from: prompt.path.display().to_string(),
                text: prompt.text,
            });
        }
        Err(fault) => noted(fault),
    }
    match prepare::read_tools(context, plan) {
        Ok(tools) => preview.tools = tools.allowed,
        Err(fault) => noted(fault),
    }
    match prepare::read_variables(context, plan) {
        Ok(variables) => {
            match prepare::find_program(context, plan, &variables) {
                Ok((program, _)) => preview.program = Some(program),
                Err(fault) => noted(fault),
            }
            preview.environment = variables
                .iter()
                .filter(|(name, value)| context.environment.get(*name) != Some(*value))
                .map(|(name, value)| (name.clone(), mask(name, value).into_owned()))
                .collect();
        }
        Err(fault) => noted(fault),
    }
    preview.faults = faults;
    preview
}
