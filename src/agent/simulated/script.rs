//! The words that tell the agent what to do, found in a task's text.
//!
//! Steps are divided by ` ;; ` or line breaks. Text before the first word is ignored, so that a script
//! may stand inside a longer task. A word whose argument makes no sense is plain text.

use std::time::Duration;

use serde_json::{Value, json};

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Say(String),
    /// Streams the text over this time.
    Slow(Duration, String),
    Think(String),
    /// One message with these tool calls.
    Tools(Vec<Call>),
    /// Asks for permission whatever the rules say, then runs the command.
    Ask(String),
    /// Fails as the API would, this many times if it is limited.
    Error {
        code: u16,
        times: Option<u32>,
    },
    Hang,
    Usage {
        input: u64,
        output: u64,
        text: String,
    },
    Recall,
    System,
    Crash(u8),
    IgnoreTerm,
    Fork {
        sort: Fork,
        seconds: f64,
    },
    Alloc {
        megabytes: usize,
    },
    Spin(Duration),
    Stop,
    /// From now on answers pings late by this, `None` not at all.
    Pong(Option<Duration>),
    Flood {
        lines: u64,
        width: usize,
    },
    Line {
        megabytes: usize,
    },
    Limit {
        until: String,
    },
    /// Ends the process after the result.
    Exit(u8),
    /// Goes on with the steps in this file.
    Script(String),
}

/// One tool call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) tool: String,
    pub(super) input: Value,
}

/// How a child is left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fork {
    /// A child in our own process group.
    Plain,
    /// A child in a session of its own.
    Setsid,
    /// A grandchild whose parent has ended, in a session of its own.
    Double,
}

const WORDS: &[&str] = &[
    "SAY", "SLOW", "THINK", "TOOL", "LOOP", "ASK", "QUESTION", "ERROR", "HANG", "USAGE", "RECALL",
    "SYSTEM", "CRASH", "IGNORE", "FORK", "ALLOC", "SPIN", "STOP", "PONG", "FLOOD", "LINE", "LIMIT",
    "EXIT", "SCRIPT",
];

/// Returns the steps in a text, or none if it has no word.
pub(super) fn steps(text: &str) -> Vec<Step> {
    let mut rest = text;
    while let Some(at) = next_word(rest) {
        let pieces = split(&rest[at..]);
        let steps: Vec<Step> = pieces
            .iter()
            .filter_map(|piece| step(piece))
            .flatten()
            .collect();
        if pieces.first().is_some_and(|first| step(first).is_some()) {
            return steps;
        }
        rest = &rest[at + 1..];
    }
    vec![]
}

/// Returns the answer to a text without a word.
pub(super) fn plain_answer(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("OK: {}", text.chars().take(60).collect::<String>())
}

fn next_word(text: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    WORDS
        .iter()
        .flat_map(|word| text.match_indices(word))
        .filter(|(at, word)| {
            !text[..*at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
        })
        .map(|(at, _)| at)
        .min()
}

/// Cuts a script into its steps, but not inside the JSON of a tool call.
fn split(script: &str) -> Vec<&str> {
    let mut pieces = vec![];
    let mut start = 0;
    let mut at = 0;
    while at < script.len() {
        let rest = &script[at..];
        if rest.starts_with('{') && opens_json(&script[start..at]) {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            if matches!(values.next(), Some(Ok(_))) {
                at += values.byte_offset();
                continue;
            }
        }
        let cut = if rest.starts_with(" ;; ") {
            4
        } else {
            usize::from(rest.starts_with('\n'))
        };
        if cut > 0 {
            pieces.push(&script[start..at]);
            start = at + cut;
        }
        at += cut.max(rest.chars().next().map_or(1, char::len_utf8));
    }
    pieces.push(&script[start..]);
    pieces
        .into_iter()
        .map(|piece| piece.trim().trim_end_matches(";;").trim_end())
        .collect()
}

fn opens_json(before: &str) -> bool {
    let words: Vec<&str> = before.split_whitespace().collect();
    matches!(words.as_slice(), [.., "TOOL" | "++", _]) && before.ends_with(char::is_whitespace)
}

fn step(piece: &str) -> Option<Vec<Step>> {
    let (word, rest) = first_word(piece);
    let (first, tail) = first_word(rest);
    let one = match word {
        "SAY" => Step::Say(rest.to_owned()),
        "SLOW" => {
            let text = if tail.is_empty() {
                "one two three four five six seven eight nine ten"
            } else {
                tail
            };
            Step::Slow(seconds(first)?, text.to_owned())
        }
        "THINK" => Step::Think(rest.to_owned()),
        "TOOL" => Step::Tools(rest.split(" ++ ").map(call).collect::<Option<_>>()?),
        "LOOP" => {
            let inner = step(tail)?;
            let times = first.parse::<usize>().ok()?.min(10_000);
            return Some(vec![inner; times].concat());
        }
        "ASK" if !rest.is_empty() => Step::Ask(rest.to_owned()),
        "QUESTION" => Step::Tools(vec![question(rest)?]),
        "ERROR" => {
            let times = tail
                .strip_prefix('x')
                .and_then(|n| n.split(' ').next()?.parse().ok());
            Step::Error {
                code: first.parse().ok()?,
                times,
            }
        }
        "HANG" => Step::Hang,
        "USAGE" => {
            let (output, text) = first_word(tail);
            let text = if text.is_empty() { "Counted." } else { text }.to_owned();
            Step::Usage {
                input: first.parse().ok()?,
                output: output.parse().ok()?,
                text,
            }
        }
        "RECALL" => Step::Recall,
        "SYSTEM" => Step::System,
        "CRASH" => Step::Crash(first.parse().ok()?),
        "IGNORE" if rest == "TERM" => Step::IgnoreTerm,
        "FORK" => {
            let sort = match first {
                "plain" => Fork::Plain,
                "setsid" => Fork::Setsid,
                "double" => Fork::Double,
                _ => return None,
            };
            Step::Fork {
                sort,
                seconds: seconds(tail)?.as_secs_f64(),
            }
        }
        "ALLOC" => Step::Alloc {
            megabytes: first.parse().ok()?,
        },
        "SPIN" => Step::Spin(seconds(first)?),
        "STOP" if rest.is_empty() => Step::Stop,
        "PONG" if rest == "never" => Step::Pong(None),
        "PONG" => Step::Pong(Some(seconds(first)?)),
        "FLOOD" => Step::Flood {
            lines: first.parse().ok()?,
            width: tail.parse().unwrap_or(80),
        },
        "LINE" => Step::Line {
            megabytes: first.parse().ok()?,
        },
        "LIMIT" if !rest.is_empty() => Step::Limit {
            until: first.to_owned(),
        },
        "EXIT" => Step::Exit(first.parse().ok()?),
        "SCRIPT" if !rest.is_empty() => Step::Script(rest.to_owned()),
        _ => return None,
    };
    Some(vec![one])
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn call(text: &str) -> Option<Call> {
    let (tool, argument) = first_word(text);
    if tool.is_empty() {
        return None;
    }
    let input = if argument.starts_with('{') {
        serde_json::from_str(argument).ok()?
    } else {
        input(tool, argument)
    };
    Some(Call {
        tool: tool.to_owned(),
        input,
    })
}

fn input(tool: &str, argument: &str) -> Value {
    let mut pieces = argument.splitn(3, '|');
    let mut piece = || pieces.next().unwrap_or_default();
    match tool {
        "Bash" => bash(argument),
        "Read" => json!({"file_path": argument}),
        "Write" => {
            let (path, content) = argument.split_once('|').unwrap_or((argument, ""));
            json!({"file_path": path.trim(), "content": content})
        }
        "Edit" => {
            json!({"file_path": piece().trim(), "old_string": piece(), "new_string": piece()})
        }
        "LS" => json!({"path": if argument.is_empty() { "." } else { argument }}),
        "Glob" | "Grep" => json!({"pattern": argument}),
        _ if argument.is_empty() => json!({}),
        _ => json!({"prompt": argument}),
    }
}

/// Returns the input of a Bash call.
pub(super) fn bash(command: &str) -> Value {
    json!({"command": command, "description": "Run a scripted command"})
}

fn question(text: &str) -> Option<Call> {
    let mut pieces = text.split('|').map(str::trim);
    let question = pieces.next().filter(|question| !question.is_empty())?;
    let options: Vec<Value> = pieces
        .map(|label| json!({"label": label, "description": label}))
        .collect();
    let header: String = question.chars().take(12).collect();
    Some(Call {
        tool: "AskUserQuestion".to_owned(),
        input: json!({"questions": [
            {"question": question, "header": header, "options": options, "multiSelect": false}
        ]}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Step {
        Step::Say(text.to_owned())
    }

    fn tool(name: &str, input: Value) -> Step {
        Step::Tools(vec![Call {
            tool: name.to_owned(),
            input,
        }])
    }

    #[test]
    fn steps_are_divided_by_two_semicolons_or_lines() {
        assert_eq!(steps("SAY a b ;; SAY c"), [say("a b"), say("c")]);
        assert_eq!(
            steps("Please do this:\nSAY a\n\nSAY b"),
            [say("a"), say("b")]
        );
        assert_eq!(steps("Your task is SAY a"), [say("a")]);
    }

    #[test]
    fn a_word_without_its_argument_is_plain_text() {
        for text in [
            "say hello",
            "Please STOP the server",
            "CRASH often",
            "the TOOLS",
            "FORK it",
            "RECALLED",
            "",
        ] {
            assert_eq!(steps(text), [], "{text}");
        }
        assert_eq!(steps("Do not STOP here, but SAY it"), [say("it")]);
    }

    #[test]
    fn tools_take_a_short_form_or_json() {
        assert_eq!(
            steps("TOOL Bash echo hi; ls"),
            [tool("Bash", bash("echo hi; ls"))]
        );
        assert_eq!(
            steps("TOOL Write a.txt|x|y"),
            [tool(
                "Write",
                json!({"file_path": "a.txt", "content": "x|y"})
            )]
        );
        let edit = json!({"file_path": "a", "old_string": "b", "new_string": "c|d"});
        assert_eq!(steps("TOOL Edit a|b|c|d"), [tool("Edit", edit)]);
        assert_eq!(
            steps(r#"TOOL Bash {"command": "a ;; b"} ;; SAY c"#),
            [tool("Bash", json!({"command": "a ;; b"})), say("c")]
        );
        assert!(
            matches!(steps("TOOL Bash a ++ Bash b").as_slice(), [Step::Tools(calls)] if calls.len() == 2)
        );
    }

    #[test]
    fn a_loop_repeats_its_step() {
        assert_eq!(steps("LOOP 3 SAY a"), [say("a"), say("a"), say("a")]);
    }

    #[test]
    fn a_question_has_its_options() {
        let found = steps("QUESTION Which colour? | Red | Blue");
        let [Step::Tools(calls)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            calls[0].input["questions"][0]["options"][1]["label"],
            "Blue"
        );
    }

    #[test]
    fn numbers_are_read() {
        assert_eq!(
            steps("ERROR 529 x2"),
            [Step::Error {
                code: 529,
                times: Some(2)
            }]
        );
        assert_eq!(
            steps("FORK double 2.5"),
            [Step::Fork {
                sort: Fork::Double,
                seconds: 2.5
            }]
        );
        assert_eq!(
            steps("FLOOD 10"),
            [Step::Flood {
                lines: 10,
                width: 80
            }]
        );
        assert_eq!(steps("IGNORE TERM ;; STOP"), [Step::IgnoreTerm, Step::Stop]);
        assert_eq!(
            steps("PONG 1.5 ;; PONG never"),
            [
                Step::Pong(Some(Duration::from_millis(1500))),
                Step::Pong(None)
            ]
        );
    }

    #[test]
    fn plain_text_is_answered_with_its_beginning() {
        assert_eq!(plain_answer("  fix\nthe   test "), "OK: fix the test");
    }
}
