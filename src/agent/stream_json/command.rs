//! The command line and the environment of Claude Code.

use std::collections::BTreeMap;

use serde_json::json;

use crate::agent::launch::{
    CommandLine, Conversation, LaunchError, LaunchRequest, check, write_prompt,
};
use crate::domain::role::PromptMode;

/// The tool by which an agent asks a person; without it in the list a restricted agent has no way to.
const ASK_PERSON: &str = "AskUserQuestion";

/// Tools by which sessions of one configuration folder find and talk to each other.
const TALK: &str = "ListAgents,SendMessage";

/// What a Claude Code session leaves in the environment of whatever it starts. Where headcount runs
/// below one, or a role names such a variable by mistake, it would pass for a part of that session.
const OUTER: [&str; 11] = [
    "CLAUDECODE",
    "CLAUDE_PID",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "CLAUDE_CODE_MESSAGING_TOKEN",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SSE_PORT",
    // The queue decides what is done again, not the agent.
    "CLAUDE_CODE_RESUME_INTERRUPTED_TURN",
    // Would unlock the mode that asks nobody.
    "IS_SANDBOX",
];

/// Puts the command line together and writes the role's prompt beside the run.
pub(in crate::agent) fn command_line(
    request: &LaunchRequest<'_>,
) -> Result<CommandLine, LaunchError> {
    // Values are bound with `=`: as words of their own, some options would swallow what follows.
    let mut args: Vec<String> = [
        "-p",
        "--input-format=stream-json",
        "--output-format=stream-json",
        "--verbose",
        "--permission-prompt-tool=stdio",
        "--permission-mode=default",
    ]
    .map(str::to_owned)
    .into();
    args.push(match request.conversation {
        Conversation::New(id) => format!("--session-id={id}"),
        Conversation::Resume(id) => format!("--resume={id}"),
    });
    if let Some(prompt) = &request.prompt {
        let path = write_prompt(request.run_folder, &prompt.text)?;
        let flag = match prompt.mode {
            PromptMode::Append => "--append-system-prompt-file",
            PromptMode::Replace => "--system-prompt-file",
        };
        args.push(format!("{flag}={}", path.display()));
    }
    // Else a resumed conversation goes on with the prompt that it began with, without a word.
    args.push("--system-prompt-snapshot=off".to_owned());
    args.push(format!("--tools={}", tools(request)));
    args.push(format!("--disallowedTools={TALK}"));
    args.push(format!("--settings={}", settings(request)));
    // The project's own settings may not widen what the role allows.
    args.push("--setting-sources=user".to_owned());
    args.push("--strict-mcp-config".to_owned());
    if let Some(model) = &request.model {
        args.push(format!("--model={model}"));
    }
    if let Some(turns) = request.max_turns {
        args.push(format!("--max-turns={turns}"));
    }
    if let Some(usd) = request.budget_usd {
        args.push(format!("--max-budget-usd={usd}"));
    }
    check(CommandLine::new(request, args, environment(request)))
}

fn tools(request: &LaunchRequest<'_>) -> String {
    let mut tools: Vec<&str> = request.tools.iter().map(String::as_str).collect();
    if !tools.contains(&ASK_PERSON) && !request.deny.iter().any(|rule| rule == ASK_PERSON) {
        tools.push(ASK_PERSON);
    }
    tools.join(",")
}

/// All rules go as JSON: in `--allowedTools` a rule with commas or brackets in it would be cut apart.
fn settings(request: &LaunchRequest<'_>) -> String {
    let mut allow: Vec<&String> = Vec::new();
    for rule in request.allowed.iter().chain(&request.remembered) {
        if !allow.contains(&rule) {
            allow.push(rule);
        }
    }
    // An ask rule wins over an allow rule: what a person has allowed for good must not stay in both.
    let ask: Vec<&String> = request
        .ask
        .iter()
        .filter(|rule| !request.remembered.contains(rule))
        .collect();
    json!({"permissions": {"allow": allow, "ask": ask, "deny": request.deny}}).to_string()
}

fn environment(request: &LaunchRequest<'_>) -> BTreeMap<String, String> {
    let mut environment = request.environment.clone();
    for name in OUTER {
        if !request.agent.environment.contains_key(name) {
            environment.remove(name);
        }
    }
    if let Some(home) = environment.get("HOME").filter(|home| !home.is_empty()) {
        // Always set: then `.claude.json` lies in it too, and nothing is written in HOME itself.
        let folder = format!("{}/.claude", home.trim_end_matches('/'));
        environment
            .entry("CLAUDE_CONFIG_DIR".to_owned())
            .or_insert(folder);
    }
    if let Some(folder) = &request.temporary_folder {
        environment.insert("TMPDIR".to_owned(), folder.display().to_string());
    }
    if let Some(folder) = environment.get("TMPDIR").cloned() {
        // It looks at its own variable first, and for some files at the other one alone.
        environment
            .entry("CLAUDE_CODE_TMPDIR".to_owned())
            .or_insert(folder);
    }
    for name in [
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
        "CLAUDE_CODE_DISABLE_TERMINAL_TITLE",
        "DISABLE_AUTOUPDATER",
    ] {
        environment
            .entry(name.to_owned())
            .or_insert_with(|| "1".to_owned());
    }
    // Not for the user to change: idle and busy are known by it.
    environment.insert(
        "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS".to_owned(),
        "1".to_owned(),
    );
    environment
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use uuid::Uuid;

    use super::*;
    use crate::agent::launch::PromptText;
    use crate::domain::role::{Agent, Protocol};

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn agent() -> Agent {
        Agent {
            name: "claude".to_owned(),
            command: "claude".to_owned(),
            args: vec![],
            protocol: Protocol::ClaudeStreamJson,
            environment: map(&[("ANTHROPIC_API_KEY", "${ANTHROPIC_API_KEY}")]),
        }
    }

    fn request<'a>(agent: &'a Agent, folder: &'a Path) -> LaunchRequest<'a> {
        LaunchRequest {
            agent,
            program: PathBuf::from("/usr/bin/claude"),
            prefix: vec![],
            prompt: Some(PromptText {
                text: "You review.".to_owned(),
                mode: PromptMode::Append,
            }),
            tools: strings(&["Bash", "Read", "Edit"]),
            allowed: strings(&["Bash", "Read", "Edit", "Bash(git *)"]),
            ask: strings(&["Bash(git push *)", "Bash(npm publish *)"]),
            deny: strings(&["Bash(rm *)"]),
            remembered: strings(&["Bash(echo a, (b))", "Bash(git *)", "Bash(npm publish *)"]),
            model: Some("sonnet".to_owned()),
            max_turns: Some(20),
            budget_usd: Some(2.5),
            conversation: Conversation::New(Uuid::from_u128(7)),
            environment: map(&[
                ("ANTHROPIC_API_KEY", "planted-secret"),
                ("CLAUDECODE", "1"),
                ("CLAUDE_CODE_SESSION_ID", "outer"),
                ("CLAUDE_CODE_MAX_RETRIES", "3"),
                ("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "0"),
                ("HOME", "/home/dev/"),
                ("PATH", "/usr/bin:/bin"),
            ]),
            temporary_folder: None,
            working_directory: PathBuf::from("/home/dev/project"),
            run_folder: folder,
        }
    }

    #[test]
    fn a_fresh_conversation_begins_with_every_option_bound_to_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let agent = agent();
        let line = command_line(&request(&agent, folder.path())).unwrap();
        let prompt = folder.path().join("prompt.md");
        assert_eq!(std::fs::read_to_string(&prompt).unwrap(), "You review.");
        let mode = std::fs::metadata(&prompt).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let args = line
            .args
            .join("\n")
            .replace(&folder.path().display().to_string(), "RUN");
        insta::assert_snapshot!(args, @r#"
        -p
        --input-format=stream-json
        --output-format=stream-json
        --verbose
        --permission-prompt-tool=stdio
        --permission-mode=default
        --session-id=00000000-0000-0000-0000-000000000007
        --append-system-prompt-file=RUN/prompt.md
        --system-prompt-snapshot=off
        --tools=Bash,Read,Edit,AskUserQuestion
        --disallowedTools=ListAgents,SendMessage
        --settings={"permissions":{"allow":["Bash","Read","Edit","Bash(git *)","Bash(echo a, (b))","Bash(npm publish *)"],"ask":["Bash(git push *)"],"deny":["Bash(rm *)"]}}
        --setting-sources=user
        --strict-mcp-config
        --model=sonnet
        --max-turns=20
        --max-budget-usd=2.5
        "#);
        assert!(!line.shown.contains("planted"));
        assert!(!format!("{line:?}").contains("planted"));
    }

    #[test]
    fn the_environment_is_what_is_listed_and_what_the_driver_needs() {
        let folder = tempfile::tempdir().unwrap();
        let agent = agent();
        let line = command_line(&request(&agent, folder.path())).unwrap();
        let lines: Vec<String> = line
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        ANTHROPIC_API_KEY=planted-secret
        CLAUDE_CODE_DISABLE_BACKGROUND_TASKS=1
        CLAUDE_CODE_DISABLE_TERMINAL_TITLE=1
        CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS=1
        CLAUDE_CODE_MAX_RETRIES=3
        CLAUDE_CONFIG_DIR=/home/dev/.claude
        DISABLE_AUTOUPDATER=1
        HOME=/home/dev/
        PATH=/usr/bin:/bin
        ");
    }

    #[test]
    fn a_bare_request_resumes_with_the_simulated_agent_in_front() {
        let folder = tempfile::tempdir().unwrap();
        let mut agent = agent();
        agent.args = strings(&["--add-dir=/srv"]);
        let mut request = request(&agent, folder.path());
        request.prefix = strings(&["__agent"]);
        request.prompt = Some(PromptText {
            text: String::new(),
            mode: PromptMode::Replace,
        });
        request.tools.clear();
        request.deny = strings(&[ASK_PERSON]);
        (request.model, request.max_turns, request.budget_usd) = (None, None, None);
        request.conversation = Conversation::Resume(Uuid::from_u128(9));
        request.temporary_folder = Some(PathBuf::from("/run/tmp"));
        let line = command_line(&request).unwrap();
        assert_eq!(
            line.args[..3],
            strings(&["__agent", "--add-dir=/srv", "-p"])
        );
        for arg in ["--resume=00000000-0000-0000-0000-000000000009", "--tools="] {
            assert!(line.args.iter().any(|word| word == arg), "{arg}");
        }
        assert!(
            line.args
                .iter()
                .any(|arg| arg.starts_with("--system-prompt-file="))
        );
        assert_eq!(line.environment["TMPDIR"], "/run/tmp");
        assert_eq!(line.environment["CLAUDE_CODE_TMPDIR"], "/run/tmp");
    }

    #[test]
    fn a_nul_is_refused_by_name_and_not_by_value() {
        let folder = tempfile::tempdir().unwrap();
        let agent = agent();
        let mut request = request(&agent, folder.path());
        request.environment = map(&[("API_KEY", "planted\0")]);
        let error = command_line(&request).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the variable API_KEY holds a NUL character"
        );
    }
}
