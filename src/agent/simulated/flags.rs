//! The command line of `claude -p`, as far as a supervisor uses it.

use std::{fmt, fs, io, path::PathBuf};

use serde_json::Value;

use super::rules::{Rule, split_list};

/// What the flags ask for.
#[derive(Debug, Default)]
pub(super) struct Flags {
    pub(super) version: bool,
    pub(super) print: bool,
    pub(super) stream_json: bool,
    pub(super) partial_messages: bool,
    pub(super) replay_user_messages: bool,
    /// `--permission-prompt-tool stdio`: somebody answers permission requests.
    pub(super) asks: bool,
    pub(super) mode: Option<String>,
    pub(super) bypass_allowed: bool,
    pub(super) session_id: Option<String>,
    pub(super) resume: Option<String>,
    pub(super) system: Option<String>,
    pub(super) append_system: Option<String>,
    pub(super) snapshot_off: bool,
    pub(super) tools: Option<Vec<String>>,
    pub(super) allow: Vec<Rule>,
    pub(super) ask: Vec<Rule>,
    pub(super) deny: Vec<Rule>,
    pub(super) max_turns: Option<u32>,
    pub(super) budget_usd: Option<f64>,
    pub(super) directories: Vec<PathBuf>,
    pub(super) mcp_servers: Vec<String>,
}

/// Why a command line was refused; the real agent ends with code 1 for each.
#[derive(Debug)]
pub(super) enum FlagError {
    Unknown(String),
    Missing(String),
    NotANumber {
        flag: String,
        value: String,
    },
    NotAChoice {
        flag: String,
        value: String,
    },
    NotJson {
        flag: String,
        source: serde_json::Error,
    },
    Read {
        path: String,
        source: io::Error,
    },
}

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(flag) => write!(f, "error: unknown option '{flag}'"),
            Self::Missing(flag) => write!(f, "error: option '{flag}' argument missing"),
            Self::NotANumber { flag, value } => {
                write!(
                    f,
                    "error: option '{flag}' argument '{value}' is invalid. Must be a number"
                )
            }
            Self::NotAChoice { flag, value } => {
                write!(
                    f,
                    "error: option '{flag}' argument '{value}' is invalid. Not an allowed choice"
                )
            }
            Self::NotJson { flag, source } => {
                write!(f, "Error: Invalid JSON provided to {flag}: {source}")
            }
            Self::Read { path, source } => write!(f, "Error: cannot read {path}: {source}"),
        }
    }
}

/// How many words a flag takes.
enum Words {
    None,
    One,
    /// One, if it does not look like a flag.
    Optional,
    /// All up to the next flag.
    Many,
}

fn words(flag: &str) -> Option<Words> {
    Some(match flag {
        "-p"
        | "--print"
        | "-v"
        | "--version"
        | "--verbose"
        | "--include-partial-messages"
        | "--include-hook-events"
        | "--replay-user-messages"
        | "--strict-mcp-config"
        | "--dangerously-skip-permissions"
        | "--allow-dangerously-skip-permissions"
        | "--fork-session"
        | "--forward-subagent-text"
        | "--bare"
        | "--safe-mode"
        | "--restricted"
        | "--no-session-persistence"
        | "--exclude-dynamic-system-prompt-sections" => Words::None,
        "--input-format"
        | "--output-format"
        | "--permission-prompt-tool"
        | "--permission-prompts"
        | "--permission-mode"
        | "--session-id"
        | "--system-prompt"
        | "--system-prompt-file"
        | "--append-system-prompt"
        | "--append-system-prompt-file"
        | "--system-prompt-snapshot"
        | "--max-turns"
        | "--max-budget-usd"
        | "--model"
        | "--fallback-model"
        | "--setting-sources"
        | "--settings"
        | "--name"
        | "--effort"
        | "--agent"
        | "--agents"
        | "--json-schema"
        | "--autocompact"
        | "--debug-file"
        | "--thinking"
        | "--max-thinking-tokens"
        | "--task-budget"
        | "--resume-session-at" => Words::One,
        "-r" | "--resume" | "-d" | "--debug" | "-w" | "--worktree" => Words::Optional,
        "--tools" | "--allowedTools" | "--allowed-tools" | "--disallowedTools"
        | "--disallowed-tools" | "--mcp-config" | "--add-dir" | "--plugin-dir" => Words::Many,
        _ => return None,
    })
}

impl Flags {
    /// Reads the words behind the program's name.
    pub(super) fn parse(args: &[String]) -> Result<Self, FlagError> {
        let mut flags = Self::default();
        let mut rest = args.iter().map(String::as_str).peekable();
        while let Some(arg) = rest.next() {
            if arg == "--" {
                break;
            }
            if !arg.starts_with('-') {
                // A prompt in argv: `-p` with stream-json input does not read it.
                continue;
            }
            let (flag, inline) = match arg.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (arg, None),
            };
            let kind = words(flag).ok_or_else(|| FlagError::Unknown(flag.to_owned()))?;
            let mut values: Vec<&str> = inline.into_iter().collect();
            match kind {
                Words::None => {}
                Words::One if values.is_empty() => {
                    values.push(
                        rest.next()
                            .ok_or_else(|| FlagError::Missing(flag.to_owned()))?,
                    );
                }
                Words::Optional if values.is_empty() => {
                    values.extend(rest.next_if(|word| !word.starts_with('-')));
                }
                Words::Many => {
                    while let Some(word) = rest.next_if(|word| !word.starts_with('-')) {
                        values.push(word);
                    }
                }
                Words::One | Words::Optional => {}
            }
            flags.set(flag, &values)?;
        }
        Ok(flags)
    }

    fn set(&mut self, flag: &str, values: &[&str]) -> Result<(), FlagError> {
        let value = values.first().copied().unwrap_or_default();
        let rules = || {
            values
                .iter()
                .flat_map(|list| split_list(list))
                .map(|rule| Rule::parse(&rule))
        };
        match flag {
            "-v" | "--version" => self.version = true,
            "-p" | "--print" => self.print = true,
            "--input-format" => {
                self.stream_json = choice(flag, value, &["text", "stream-json"])? == 1
            }
            "--output-format" => {
                choice(flag, value, &["text", "json", "stream-json"])?;
            }
            "--include-partial-messages" => self.partial_messages = true,
            "--replay-user-messages" => self.replay_user_messages = true,
            "--permission-prompt-tool" => self.asks = value == "stdio",
            "--permission-prompts" if value == "none" => self.asks = false,
            "--permission-mode" => {
                const MODES: &[&str] = &[
                    "acceptEdits",
                    "auto",
                    "bypassPermissions",
                    "default",
                    "dontAsk",
                    "manual",
                    "plan",
                ];
                let mode = MODES[choice(flag, value, MODES)?];
                self.mode = Some(if mode == "manual" { "default" } else { mode }.to_owned());
            }
            "--dangerously-skip-permissions" => self.mode = Some("bypassPermissions".to_owned()),
            "--allow-dangerously-skip-permissions" => self.bypass_allowed = true,
            "--session-id" => self.session_id = Some(value.to_owned()),
            "-r" | "--resume" => self.resume = Some(value.to_owned()),
            "--system-prompt" => add(&mut self.system, value.to_owned()),
            "--system-prompt-file" => add(&mut self.system, read(value)?),
            "--append-system-prompt" => add(&mut self.append_system, value.to_owned()),
            "--append-system-prompt-file" => add(&mut self.append_system, read(value)?),
            "--system-prompt-snapshot" => self.snapshot_off = value == "off",
            "--tools" => {
                let names: Vec<String> = values.iter().flat_map(|list| split_list(list)).collect();
                self.tools = (names != ["default"]).then_some(names);
            }
            "--allowedTools" | "--allowed-tools" => self.allow.extend(rules()),
            "--disallowedTools" | "--disallowed-tools" => self.deny.extend(rules()),
            "--max-turns" => self.max_turns = Some(number(flag, value)?).filter(|turns| *turns > 0),
            "--max-budget-usd" => self.budget_usd = Some(number(flag, value)?),
            "--settings" => self.settings(flag, value)?,
            "--add-dir" => self.directories.extend(values.iter().map(PathBuf::from)),
            "--mcp-config" => {
                for config in values {
                    let config = json_or_file(flag, config)?;
                    let servers = config["mcpServers"].as_object();
                    self.mcp_servers
                        .extend(servers.into_iter().flat_map(|s| s.keys().cloned()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn settings(&mut self, flag: &str, value: &str) -> Result<(), FlagError> {
        let settings = json_or_file(flag, value)?;
        let rules = |behaviour: &str| {
            let list = settings["permissions"][behaviour]
                .as_array()
                .cloned()
                .unwrap_or_default();
            list.into_iter()
                .filter_map(|rule| rule.as_str().map(Rule::parse))
                .collect::<Vec<_>>()
        };
        self.allow.extend(rules("allow"));
        self.ask.extend(rules("ask"));
        self.deny.extend(rules("deny"));
        Ok(())
    }
}

fn add(prompt: &mut Option<String>, text: String) {
    *prompt = Some(match prompt.take() {
        Some(first) => format!("{first}\n\n{text}"),
        None => text,
    });
}

fn read(path: &str) -> Result<String, FlagError> {
    fs::read_to_string(path).map_err(|source| FlagError::Read {
        path: path.to_owned(),
        source,
    })
}

fn number<N: std::str::FromStr>(flag: &str, value: &str) -> Result<N, FlagError> {
    value.parse().map_err(|_| FlagError::NotANumber {
        flag: flag.to_owned(),
        value: value.to_owned(),
    })
}

fn choice(flag: &str, value: &str, allowed: &[&str]) -> Result<usize, FlagError> {
    let not = || FlagError::NotAChoice {
        flag: flag.to_owned(),
        value: value.to_owned(),
    };
    allowed.iter().position(|one| *one == value).ok_or_else(not)
}

fn json_or_file(flag: &str, value: &str) -> Result<Value, FlagError> {
    let text = if value.trim_start().starts_with('{') {
        value.to_owned()
    } else {
        read(value)?
    };
    serde_json::from_str(&text).map_err(|source| FlagError::NotJson {
        flag: flag.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, FlagError> {
        Flags::parse(&line.split('|').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_list_takes_the_words_up_to_the_next_flag() {
        let flags =
            parse("-p|--allowedTools|Bash(git *)|Read,Edit|--tools=Bash,Read|--max-turns|3")
                .unwrap();
        assert_eq!(flags.allow.len(), 3);
        assert_eq!(
            flags.tools,
            Some(vec!["Bash".to_owned(), "Read".to_owned()])
        );
        assert_eq!(flags.max_turns, Some(3));
    }

    #[test]
    fn an_empty_list_of_tools_means_none() {
        assert_eq!(parse("--tools|").unwrap().tools, Some(vec![]));
        assert_eq!(parse("--tools|default").unwrap().tools, None);
    }

    #[test]
    fn rules_come_from_the_settings_too() {
        let flags =
            parse(r#"--settings={"permissions":{"ask":["Bash(git push *)"],"deny":["WebFetch"]}}"#);
        let flags = flags.unwrap();
        assert_eq!((flags.ask.len(), flags.deny.len()), (1, 1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |line: &str, said: &str| {
            let text = parse(line).unwrap_err().to_string();
            assert!(text.contains(said), "{text}");
        };
        check("-p|--frobnicate", "unknown option '--frobnicate'");
        check("--model", "argument missing");
        check("--max-turns|many", "Must be a number");
        check("--permission-mode|lax", "invalid");
        check("--settings|{", "Invalid JSON");
        check(
            "--system-prompt-file|/nowhere/at/all",
            "cannot read /nowhere/at/all",
        );
    }
}
