//! What the agent says of itself: the answer to `initialize`, and `system/init` before each turn.

use serde_json::{Value, json};

use super::{
    environment::Start,
    flags::Flags,
    rules::Rules,
    state::{Shared, State},
    usage::MODEL,
};

/// The built-in tools that a call can find, besides LS.
const TOOLS: &[&str] = &["Task", "Bash", "Edit", "Read", "Write"];

/// Tools that exist only if they are named, or if Bash does not.
const SEARCH: &[&str] = &["Glob", "Grep"];

/// Tools of which we know the name and nothing else.
const NAMES: &[&str] = &[
    "CronCreate",
    "CronDelete",
    "CronList",
    "EnterWorktree",
    "ExitWorktree",
    "ListAgents",
    "Monitor",
    "NotebookEdit",
    "ReportFindings",
    "ScheduleWakeup",
    "SendMessage",
    "Skill",
    "TaskStop",
    "ToolSearch",
    "WebFetch",
    "WebSearch",
    "Workflow",
];

/// Returns the tools that exist under these flags and rules.
pub(super) fn tools(flags: &Flags, rules: &Rules) -> Vec<String> {
    let named = |tool: &str| {
        let in_list = flags
            .tools
            .as_ref()
            .map(|list| list.iter().any(|name| name == tool));
        in_list.unwrap_or_else(|| rules.allow.iter().any(|rule| rule.tool == tool))
    };
    let is_on = |tool: &str| flags.tools.is_none() || named(tool);
    let is_left = |tool: &str| !rules.deny.iter().any(|rule| rule.covers_tool(tool));
    let has_bash = is_on("Bash") && is_left("Bash");
    let asking = ["AskUserQuestion"].iter().filter(|_| flags.asks);
    let mut tools: Vec<&str> = TOOLS
        .iter()
        .chain(asking)
        .copied()
        .filter(|tool| is_on(tool))
        .collect();
    tools.extend(
        SEARCH
            .iter()
            .filter(|tool| named(tool) || (flags.tools.is_none() && !has_bash)),
    );
    tools.extend(NAMES.iter().filter(|tool| is_on(tool)));
    tools.retain(|tool| is_left(tool));
    tools.sort_unstable();
    tools.into_iter().map(str::to_owned).collect()
}

/// Returns the MCP servers of the command line, none of which is ever connected.
pub(super) fn servers(flags: &Flags) -> Vec<Value> {
    flags
        .mcp_servers
        .iter()
        .map(|name| json!({"name": name, "status": "disabled"}))
        .collect()
}

fn login(shared: &Shared) -> &'static str {
    if shared.environment.start == Start::NoLogin {
        "none"
    } else {
        MODEL
    }
}

/// Returns the answer to `initialize`.
pub(super) fn initialized(shared: &Shared, state: &State) -> Value {
    json!({
        "commands": [{"name": "clear", "description": "Begin a fresh conversation", "argumentHint": "", "builtin": true}],
        "agents": [{"name": "general-purpose", "description": "Simulated"}],
        "output_style": "default", "available_output_styles": ["default"],
        "models": [{"value": "default", "resolvedModel": MODEL, "displayName": "Simulated", "description": "Simulated"}],
        "account": {"tokenSource": login(shared), "apiKeySource": login(shared), "apiProvider": MODEL},
        "pid": std::process::id(), "claude_code_version": shared.environment.version(),
        "current_permission_mode": state.mode, "session_state": if state.busy { "running" } else { "idle" },
        "fast_mode_state": "off",
        "capabilities": ["interrupt_receipt_v1", "interrupt_cancel_queued_v1", "msg_lifecycle_v1"],
    })
}

/// Returns `system/init`, which comes before each turn.
pub(super) fn init(shared: &Shared, uuids: &[String]) -> Value {
    let state = shared.lock();
    json!({
        "type": "system", "subtype": "init", "cwd": shared.environment.cwd, "model": MODEL,
        "tools": tools(&shared.flags, &state.rules), "mcp_servers": servers(&shared.flags),
        "permissionMode": state.mode, "apiKeySource": login(shared), "claude_code_version": shared.environment.version(),
        "slash_commands": ["clear"], "terminal_slash_commands": [], "output_style": "default",
        "agents": ["general-purpose"], "skills": [], "plugins": [],
        "capabilities": ["interrupt_receipt_v1", "interrupt_cancel_queued_v1", "msg_lifecycle_v1"],
        "original_cwd": shared.environment.cwd, "additional_directories": state.directories,
        "fast_mode_state": "off", "user_message_uuids": uuids,
    })
}

#[cfg(test)]
mod tests {
    use super::super::rules::Rule;
    use super::*;

    fn check(given: Option<&str>, deny: &str, has: &[&str], lacks: &[&str]) {
        let flags = Flags {
            tools: given.map(|list| list.split(',').map(str::to_owned).collect()),
            ..Flags::default()
        };
        let rules = Rules {
            deny: vec![Rule::parse(deny)],
            ..Rules::default()
        };
        let tools = tools(&flags, &rules);
        for tool in has {
            assert!(
                tools.iter().any(|t| t == tool),
                "{tool} is missing in {tools:?}"
            );
        }
        for tool in lacks {
            assert!(!tools.iter().any(|t| t == tool), "{tool} is in {tools:?}");
        }
    }

    #[test]
    fn search_tools_stand_in_for_bash() {
        check(
            None,
            "WebFetch",
            &["Bash", "WebSearch"],
            &["Glob", "WebFetch"],
        );
        check(None, "Bash", &["Glob", "Grep"], &["Bash"]);
        check(None, "Bash(rm *)", &["Bash"], &["Glob"]);
        check(
            Some("Read,Glob,Git"),
            "",
            &["Read", "Glob"],
            &["Bash", "Grep", "Git", "WebFetch"],
        );
    }
}
