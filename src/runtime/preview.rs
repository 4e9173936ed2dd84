//! Reads what would be launched, and launches nothing: all that is wrong is said at once.

use crate::domain::effect::LaunchPlan;
use crate::domain::preview::{Preview, PromptSeen};
use crate::runtime::context::Context;
use crate::runtime::preflight;
use crate::runtime::prepare::{short_hash, shown};

/// Looks at one plan.
pub(crate) fn preview(context: &Context, plan: &LaunchPlan) -> Preview {
    let sight = preflight::look(&context.scene(), plan);
    let (faults, warnings) = (
        sight.obstacles().cloned().collect(),
        sight.warnings().cloned().collect(),
    );
    let variables = sight.variables.unwrap_or_default();
    let secrets = context.secrets(&variables);
    Preview {
        role: plan.role.key.clone(),
        program: sight.program.map(|(program, _)| program),
        prompt: sight.prompt.map(|prompt| PromptSeen {
            hash: short_hash(&prompt),
            from: prompt.path.display().to_string(),
            text: prompt.text,
        }),
        tools: sight.tools.map(|tools| tools.allowed).unwrap_or_default(),
        environment: variables
            .iter()
            .filter(|(name, value)| context.environment.get(*name) != Some(*value))
            .map(|(name, value)| (name.clone(), shown(&secrets, name, value)))
            .collect(),
        faults,
        warnings,
    }
}
