//! Lines for reading: what an agent said, did and was told, as it stands in the log.

use serde_json::Value;

use crate::agent::stream_json::ask::subject;
use crate::agent::stream_json::diff;
use crate::agent::stream_json::text::{first_line, readable};
use crate::agent::stream_json::value::{count, is, list, text};
use crate::domain::event::TurnEnd;
use crate::domain::inbox::Ask;
use crate::domain::log::LogKind;

/// Lines that are shown of a tool's result or of a long command.
const MOST_LINES: usize = 20;

/// Lines that are shown of a thought.
const MOST_THOUGHT: usize = 5;

/// More of one tool's result is not even looked at; the raw log has all of it.
const MOST_RESULT: usize = 1024 * 1024;

/// The end of a result in one line.
const MOST_SUMMARY: usize = 300;

/// Begins the result of a call that was interrupted or refused without a reason.
const NOT_RUN: &str = "The user doesn't want to proceed with this tool use";

/// Lines of one message, in order.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<(LogKind, String)>,
    indent: &'static str,
}

impl Lines {
    /// Lines of a message; a subagent's stand further in.
    pub(super) fn of(message: &Value) -> Self {
        let subagent = !text(message, "parent_tool_use_id").is_empty();
        Self {
            lines: Vec::new(),
            indent: if subagent { "  " } else { "" },
        }
    }

    pub(super) fn into_vec(self) -> Vec<(LogKind, String)> {
        self.lines
    }

    /// One line.
    pub(super) fn line(&mut self, kind: LogKind, line: impl AsRef<str>) {
        let line = line.as_ref().replace('\n', " ");
        self.lines.push((kind, format!("{}{line}", self.indent)));
    }

    /// Text of many lines, `most` of them.
    fn block(&mut self, kind: LogKind, text: &str, most: usize, further: &str) {
        let text = readable(text);
        let text = text.trim_end().trim_start_matches('\n');
        if text.is_empty() {
            return;
        }
        let mut lines = text.split('\n');
        for (number, line) in lines.by_ref().take(most).enumerate() {
            let further = if number == 0 { "" } else { further };
            self.line(kind, format!("{further}{}", line.trim_end()));
        }
        let more = lines.count();
        if more > 0 {
            self.line(kind, format!("{further}… {more} more lines"));
        }
    }

    /// A message of the model: its words, thoughts and calls.
    pub(super) fn assistant(&mut self, message: &Value, directory: Option<&str>) {
        let failed = !text(message, "error").is_empty();
        let spoken = if failed {
            LogKind::Error
        } else {
            LogKind::Assistant
        };
        for block in blocks(message) {
            match text(block, "type") {
                "text" => self.block(spoken, text(block, "text"), usize::MAX, ""),
                "thinking" => {
                    self.block(LogKind::Thinking, text(block, "thinking"), MOST_THOUGHT, "")
                }
                "tool_use" | "server_tool_use" => self.call(block, directory),
                _ => {}
            }
        }
        if is(message, "aborted") {
            self.line(LogKind::System, "cut off here");
        }
    }

    fn call(&mut self, block: &Value, directory: Option<&str>) {
        let tool = text(block, "name");
        let input = block.get("input").unwrap_or(&Value::Null);
        let subject = match tool {
            "AskUserQuestion" => first_line(
                list(input, "questions")
                    .first()
                    .map_or("", |first| text(first, "question")),
                MOST_SUMMARY,
            ),
            _ => subject(tool, input),
        };
        let mut line = format!("{tool}  {}", within(&subject, directory));
        if let Some((added, removed)) = diff::counts(tool, input) {
            line.push_str(&format!("  +{added}"));
            if removed > 0 {
                line.push_str(&format!(" -{removed}"));
            }
        }
        self.block(LogKind::Tool, line.trim_end(), MOST_LINES, "    ");
    }

    /// A message to the model: what its tools gave back. Our own words are logged when they are sent.
    pub(super) fn results(&mut self, message: &Value) {
        for block in blocks(message) {
            if text(block, "type") != "tool_result" {
                continue;
            }
            let kind = if is(block, "is_error") {
                LogKind::Error
            } else {
                LogKind::Result
            };
            match block.get("content") {
                // What it tells the model of a call that a person stopped is not for people.
                Some(Value::String(content)) if content.starts_with(NOT_RUN) => {
                    self.line(kind, "not run, or ended before its time");
                }
                Some(Value::String(content)) => self.result(kind, content),
                Some(Value::Array(parts)) => {
                    for part in parts {
                        match text(part, "type") {
                            "text" => self.result(kind, text(part, "text")),
                            "" => {}
                            other => self.line(kind, format!("[{}]", readable(other))),
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn result(&mut self, kind: LogKind, content: &str) {
        let mut end = content.len().min(MOST_RESULT);
        while !content.is_char_boundary(end) {
            end -= 1;
        }
        self.block(kind, &content[..end], MOST_LINES, "");
        if end < content.len() {
            let mib = content.len() as f64 / 1_048_576.0;
            self.line(
                kind,
                format!("… {mib:.1} MiB in all; the raw log has the rest"),
            );
        }
    }

    /// A request to a person.
    pub(super) fn asked(&mut self, ask: &Ask) {
        match ask {
            Ask::Permission { .. } => self.line(LogKind::Ask, ask.line()),
            Ask::Question { questions } => {
                for question in questions {
                    let choices: Vec<&str> = question
                        .choices
                        .iter()
                        .map(|choice| choice.label.as_str())
                        .collect();
                    let line = format!("asks: {} ({})", question.text, choices.join(", "));
                    self.line(LogKind::Ask, readable(&line));
                }
            }
        }
    }

    /// A call to the model that failed and is tried again.
    pub(super) fn retry(&mut self, message: &Value) {
        let what = match text(message, "error") {
            "overloaded" => "the model is overloaded",
            "rate_limit" => "the model takes no more requests for now",
            "server_error" => "the model's server failed",
            "authentication_failed" => "the login or the key is refused",
            "" | "unknown" => "the model cannot be reached",
            other => other,
        };
        let status = message.get("error_status").and_then(Value::as_u64);
        let status = status.map_or_else(String::new, |status| format!(" ({status})"));
        let wait = seconds(count(message, "retry_delay_ms"));
        let (attempt, most) = (count(message, "attempt"), count(message, "max_retries"));
        let line = format!("{what}{status}, try {attempt} of {most} in {wait}");
        self.line(LogKind::Error, readable(&line));
    }

    /// The end of a turn.
    ///
    /// `told` is whether the words for its failure stand in the log already.
    pub(super) fn ended(&mut self, result: &Value, end: &TurnEnd, told: bool) {
        if text(result, "local_command") == "clear" {
            let line = match text(result, "session_id") {
                "" => "a fresh conversation begins".to_owned(),
                id => format!("a fresh conversation begins: {id}"),
            };
            return self.line(LogKind::System, readable(&line));
        }
        let own = if end.messages.is_empty() {
            ", begun by itself"
        } else {
            ""
        };
        let turns = if end.turns == 1 {
            "1 turn".to_owned()
        } else {
            format!("{} turns", end.turns)
        };
        let (time, cost) = (seconds(count(result, "duration_ms")), dollars(end.cost_usd));
        let figures = format!("{turns}, {time}, {cost}{own}");
        match (end.success, end.interrupted) {
            (true, _) => self.line(LogKind::System, format!("done: {figures}")),
            (false, true) => self.line(LogKind::System, format!("interrupted: {figures}")),
            (false, false) if told => self.line(LogKind::Error, format!("failed: {figures}")),
            (false, false) => {
                let why = first_line(&end.text, MOST_SUMMARY);
                self.line(LogKind::Error, format!("failed: {why} ({figures})"));
            }
        }
    }

    /// The first `init`: what it runs with.
    pub(super) fn introduced(&mut self, init: &Value) {
        let (model, version) = (text(init, "model"), text(init, "claude_code_version"));
        self.line(
            LogKind::System,
            readable(&format!("model {model}, version {version}")),
        );
    }

    /// Work that the agent does beside its turn.
    pub(super) fn beside(&mut self, message: &Value) {
        let what = readable(text(message, "description"));
        match text(message, "subtype") {
            "task_started" if !text(message, "subagent_type").is_empty() => {
                let kind = readable(text(message, "subagent_type"));
                self.line(LogKind::System, format!("subagent {kind} begins: {what}"));
            }
            "task_started" if is(message, "is_backgrounded") => {
                self.line(
                    LogKind::System,
                    format!("goes on in the background: {what}"),
                );
            }
            "compact_boundary" => {
                self.line(
                    LogKind::System,
                    "the conversation was shortened to a summary",
                );
            }
            "informational" | "notification" => {
                let failed = matches!(text(message, "level"), "error" | "warning");
                let kind = if failed {
                    LogKind::Error
                } else {
                    LogKind::System
                };
                self.block(kind, text(message, "content"), MOST_LINES, "");
            }
            _ => {}
        }
    }
}

fn blocks(message: &Value) -> &[Value] {
    message
        .get("message")
        .map_or(&[], |inner| list(inner, "content"))
}

/// A path below the working directory without that directory.
pub(super) fn within<'a>(subject: &'a str, directory: Option<&str>) -> &'a str {
    directory
        .and_then(|directory| subject.strip_prefix(directory)?.strip_prefix('/'))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(subject)
}

fn seconds(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{:.1} s", ms as f64 / 1000.0),
        10_000..60_000 => format!("{} s", ms / 1000),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

fn dollars(usd: f64) -> String {
    if usd < 1.0 {
        format!("${usd:.4}")
    } else {
        format!("${usd:.2}")
    }
}
