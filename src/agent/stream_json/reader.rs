//! Understands what Claude Code writes on its standard output.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::agent::stream_json::account::{instant, is_usage_limit, logged_in, reset_in};
use crate::agent::stream_json::framing::{Framing, LONGEST_LINE, Line, Rest};
use crate::agent::stream_json::render::Lines;
use crate::agent::stream_json::text::{first_line, readable};
use crate::agent::stream_json::value::{count, is, list, text, uuid};
use crate::agent::stream_json::{ask, encode, turn, work};
use crate::domain::event::Fact;
use crate::domain::log::LogKind;

/// How many answered messages are remembered, to know a late word about one of them.
const REMEMBERED: usize = 16;

/// How much of a line that is too long to be a message stands in one line of the log: no more than
/// a screen shows of a line.
const PIECE: usize = 16 * 1024;

/// What one line said, or a piece of one that is too long.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// For the fleet, in order.
    pub facts: Vec<Fact>,
    /// For the log, in order, without newlines and control characters.
    pub lines: Vec<(LogKind, String)>,
    /// The line as it came, without its newline, for the raw log; `None` if it is not to be kept:
    /// partial messages, which come again complete, and what is no message at all.
    pub raw: Option<Vec<u8>>,
    /// Whether more of the same line follows, so that its newline is not due yet.
    pub goes_on: bool,
    /// Where the line ends in the output, its newline included: whoever goes on from here has
    /// missed nothing and hears nothing twice.
    pub end: u64,
}

/// Reads the output of one run, in chunks as they come.
#[derive(Debug)]
pub struct Reader {
    framing: Framing,
    state: State,
}

impl Reader {
    /// Reads from an offset of the output on, which is 0 or a [`Said::end`] of an earlier reader.
    #[must_use]
    pub fn at(offset: u64) -> Self {
        Self {
            framing: Framing::at(offset, LONGEST_LINE),
            state: State {
                total: (offset == 0).then_some(0.0),
                running: (offset == 0).then(BTreeSet::new),
                ..State::default()
            },
        }
    }

    /// The same, in the middle of a line that is too long: where an earlier reader had come to.
    #[must_use]
    pub fn within(offset: u64) -> Self {
        Self {
            framing: Framing::within(offset, LONGEST_LINE),
            ..Self::at(offset)
        }
    }

    /// Takes a chunk; appends what each line said that is complete with it. Blank lines say nothing.
    ///
    /// Returns where the next chunk has to begin, if not behind this one: a line that is too long to
    /// be held is read once more, in pieces.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8], said: &mut Vec<Said>) -> Option<u64> {
        let Self { framing, state } = self;
        framing.push(bytes, |line, end| match line {
            Line::Whole(line) => said.extend(state.line(line, end)),
            Line::Piece { bytes, first, last } => {
                said.push(piece(&bytes, (first, last), end));
            }
        })
    }

    /// Tools that the turn has called and has no result of; `None` if its beginning was not seen.
    #[must_use]
    pub fn tools(&self) -> Option<usize> {
        self.state.running.as_ref().map(BTreeSet::len)
    }

    /// Takes the end of the output: a last line without newline is a message that was cut, unless it
    /// is complete by chance.
    pub fn finish(&mut self) -> Option<Said> {
        let (rest, end) = match self.framing.rest()? {
            (Rest::Line(line), end) => (line, end),
            (Rest::Piece(bytes), end) => return Some(piece(&bytes, (false, true), end)),
        };
        match serde_json::from_slice::<Value>(&rest) {
            Ok(Value::Object(_)) => self.state.line(&rest, end),
            _ => Some(note(
                format!("its last message was cut after {} bytes", rest.len()),
                end,
            )),
        }
    }
}

/// A piece of a line that is too long: nobody can tell what it means, but it can be read.
fn piece(bytes: &[u8], (first, last): (bool, bool), end: u64) -> Said {
    let mut lines = Vec::new();
    if first {
        let text = format!(
            "a message of more than {} MiB is too long to be understood; it follows in pieces",
            LONGEST_LINE >> 20
        );
        lines.push((LogKind::Error, text));
    }
    let text = readable(&String::from_utf8_lossy(bytes));
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE));
        lines.push((LogKind::Output, piece.to_owned()));
        rest = more;
    }
    Said {
        facts: vec![],
        lines,
        raw: Some(bytes.to_vec()),
        goes_on: !last,
        end,
    }
}

fn note(line: String, end: u64) -> Said {
    Said {
        facts: vec![],
        lines: vec![(LogKind::Error, line)],
        raw: None,
        goes_on: false,
        end,
    }
}

/// What earlier lines tell about the next one.
#[derive(Debug, Default)]
struct State {
    conversation: Option<Uuid>,
    directory: Option<String>,
    introduced: bool,
    // Between the start of a turn and its result.
    in_turn: bool,
    // Tools that this turn has called; unknown when its start was not seen.
    calls: Option<usize>,
    // The calls that have no result yet; unknown as well when the start was not seen.
    running: Option<BTreeSet<String>>,
    // Said in this turn already.
    login_told: bool,
    limit_told: bool,
    error_told: bool,
    // What the conversation has cost; unknown after a start in the middle.
    total: Option<f64>,
    answered: VecDeque<Uuid>,
}

impl State {
    fn line(&mut self, line: &[u8], end: u64) -> Option<Said> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        // Invalid UTF-8 can stand in a tool's output; it must not cost us the message.
        let parsed = match std::str::from_utf8(line) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_str(&String::from_utf8_lossy(line)),
        };
        let Ok(message @ Value::Object(_)) = parsed else {
            let text = readable(&String::from_utf8_lossy(line));
            let lines = vec![(LogKind::Output, text)];
            return Some(Said {
                facts: vec![],
                lines,
                raw: None,
                goes_on: false,
                end,
            });
        };
        if let Some(number) = pong(&message) {
            // Not for the logs: it comes all day long.
            return Some(Said {
                facts: vec![Fact::Pong { number }],
                lines: vec![],
                raw: None,
                goes_on: false,
                end,
            });
        }
        let mut lines = Lines::of(&message);
        let mut facts = Vec::new();
        self.message(&message, &mut facts, &mut lines);
        let partial = text(&message, "type") == "stream_event";
        Some(Said {
            facts,
            lines: lines.into_vec(),
            raw: (!partial).then(|| line.to_vec()),
            goes_on: false,
            end,
        })
    }

    fn message(&mut self, message: &Value, facts: &mut Vec<Fact>, lines: &mut Lines) {
        match text(message, "type") {
            "command_lifecycle" => self.lifecycle(message, facts),
            "system" => self.system(message, facts, lines),
            "assistant" => self.assistant(message, facts, lines),
            "user" => {
                lines.results(message);
                if let Some(running) = &mut self.running {
                    for call in turn::results(message) {
                        running.remove(call);
                    }
                }
                facts.extend(work::changed(message).map(Fact::FileChanged));
            }
            "result" => self.result(message, facts, lines),
            "control_response" => answer(message, facts),
            "control_request" => request(message, facts, lines),
            "control_cancel_request" => {
                let key = text(message, "request_id").to_owned();
                lines.line(LogKind::Ask, "takes its question back");
                facts.push(Fact::Withdrawn { key });
            }
            "rate_limit_event" => self.rate_limit(message, facts, lines),
            // Whatever a later version says besides is harmless.
            _ => {}
        }
    }

    fn converse(&mut self, message: &Value, facts: &mut Vec<Fact>) {
        if let Some(id) = uuid(message, "session_id")
            && self.conversation != Some(id)
        {
            self.conversation = Some(id);
            facts.push(Fact::Conversation { id });
        }
    }

    fn lifecycle(&mut self, message: &Value, facts: &mut Vec<Fact>) {
        self.converse(message, facts);
        let Some(id) = uuid(message, "command_uuid") else {
            return;
        };
        match text(message, "state") {
            "queued" => facts.push(Fact::Acknowledged { message: id }),
            "started" => {
                self.in_turn = true;
                self.calls = Some(0);
                self.running = Some(BTreeSet::new());
                facts.push(Fact::TurnStarted { message: Some(id) });
            }
            // Also said of a message whose turn failed: then its result came first.
            "cancelled" if !self.answered.contains(&id) => {
                facts.push(Fact::MessageCancelled { message: id });
            }
            _ => {}
        }
    }

    fn system(&mut self, message: &Value, facts: &mut Vec<Fact>, lines: &mut Lines) {
        match text(message, "subtype") {
            "init" => {
                self.converse(message, facts);
                self.directory = Some(text(message, "cwd").to_owned());
                if !self.introduced {
                    self.introduced = true;
                    lines.introduced(message);
                }
                // It comes with every turn; one that no message of ours began is the agent's own.
                if !self.in_turn && list(message, "user_message_uuids").is_empty() {
                    facts.push(Fact::TurnStarted { message: None });
                }
                self.in_turn = true;
            }
            "session_state_changed" => {
                self.converse(message, facts);
                match text(message, "state") {
                    "idle" => facts.push(Fact::Idle),
                    "running" => facts.push(Fact::Busy),
                    "requires_action" => facts.push(Fact::RequiresAction),
                    _ => {}
                }
            }
            "api_retry" => {
                lines.retry(message);
                let error = text(message, "error").to_owned();
                let status = message.get("error_status").and_then(Value::as_u64);
                let status = status.and_then(|status| u16::try_from(status).ok());
                let refused = status == Some(401) || error == "authentication_failed";
                facts.push(Fact::Retrying {
                    status,
                    error,
                    attempt: u32::try_from(count(message, "attempt")).unwrap_or(u32::MAX),
                });
                // It would go on trying for minutes, and no try can succeed.
                if refused {
                    self.not_logged_in("the login or the key is refused", facts);
                }
            }
            _ => lines.beside(message),
        }
    }

    fn assistant(&mut self, message: &Value, facts: &mut Vec<Fact>, lines: &mut Lines) {
        lines.assistant(message, self.directory.as_deref());
        if let Some(calls) = &mut self.calls {
            *calls += turn::calls(message).count();
        }
        if let Some(running) = &mut self.running {
            running.extend(turn::calls(message).map(str::to_owned));
        }
        work::used(message, self.directory.as_deref(), facts);
        let error = text(message, "error");
        if error.is_empty() {
            return;
        }
        self.error_told = true;
        let content = message
            .get("message")
            .map_or(&[][..], |inner| list(inner, "content"));
        let said = content.first().map_or("", |block| text(block, "text"));
        match error {
            "authentication_failed" | "oauth_org_not_allowed" | "account_on_hold" => {
                self.not_logged_in(said, facts);
            }
            "billing_error" => self.limited(None, facts),
            "rate_limit" if is_usage_limit(said) => self.limited(reset_in(said), facts),
            _ => {}
        }
    }

    fn result(&mut self, message: &Value, facts: &mut Vec<Fact>, lines: &mut Lines) {
        if !self.in_turn && turn::is_failed_start(message) {
            let text = turn::errors(message);
            lines.line(LogKind::Error, first_line(&text, 300));
            // Its session id is the one that was asked for, not one that exists.
            if text.contains("No conversation found") || text.contains("--resume requires") {
                facts.push(Fact::ResumeFailed { text });
            }
            return;
        }
        self.converse(message, facts);
        let mut end = turn::of(message, self.total);
        turn::refuse_if_all_was_refused(&mut end, self.calls.take());
        self.total = turn::total(message).or(self.total);
        if !end.success && end.text.starts_with("Not logged in") {
            self.not_logged_in(&end.text, facts);
        }
        lines.ended(message, &end, self.error_told);
        (self.in_turn, self.error_told) = (false, false);
        // What goes on behind the turn keeps nobody waiting.
        self.running = Some(BTreeSet::new());
        (self.login_told, self.limit_told) = (false, false);
        self.answered.extend(&end.messages);
        while self.answered.len() > REMEMBERED {
            self.answered.pop_front();
        }
        facts.push(Fact::TurnEnded(Box::new(end)));
    }

    fn rate_limit(&mut self, message: &Value, facts: &mut Vec<Fact>, lines: &mut Lines) {
        let info = message.get("rate_limit_info").unwrap_or(&Value::Null);
        let until = info
            .get("resetsAt")
            .and_then(Value::as_i64)
            .and_then(instant);
        match text(info, "status") {
            // What is paid for beside the plan goes on.
            "rejected" if !is(info, "isUsingOverage") => {
                let when = until.map_or_else(String::new, |until| {
                    format!(" until {}", until.strftime("%Y-%m-%d %H:%M UTC"))
                });
                lines.line(
                    LogKind::Error,
                    format!("the account's usage limit is reached{when}"),
                );
                self.limited(until, facts);
            }
            "allowed_warning" => {
                let used = info.get("utilization").and_then(Value::as_f64);
                let used =
                    used.map_or_else(String::new, |used| format!(": {:.0} % used", used * 100.0));
                lines.line(
                    LogKind::System,
                    format!("the account's usage limit is near{used}"),
                );
            }
            _ => {}
        }
    }

    fn not_logged_in(&mut self, text: &str, facts: &mut Vec<Fact>) {
        if !std::mem::replace(&mut self.login_told, true) {
            let text = readable(text);
            facts.push(Fact::NotLoggedIn { text });
        }
    }

    fn limited(&mut self, until: Option<Timestamp>, facts: &mut Vec<Fact>) {
        if !std::mem::replace(&mut self.limit_told, true) {
            facts.push(Fact::UsageLimit { until });
        }
    }
}

/// The ping that this answers, whatever the answer says.
fn pong(message: &Value) -> Option<u64> {
    if text(message, "type") != "control_response" {
        return None;
    }
    encode::ping_of(text(message.get("response")?, "request_id"))
}

/// An answer to a request of ours. Only the one to `initialize` tells anything; an error is an
/// answer too, since whoever refuses is there.
fn answer(message: &Value, facts: &mut Vec<Fact>) {
    let Some(response) = message.get("response") else {
        return;
    };
    let told = response.get("response").unwrap_or(&Value::Null);
    let version = text(told, "claude_code_version");
    if version.is_empty()
        && told.get("commands").is_none()
        && !text(response, "request_id").ends_with("-initialize")
    {
        return;
    }
    facts.push(Fact::Ready {
        version: (!version.is_empty()).then(|| version.to_owned()),
        logged_in: told.get("account").and_then(logged_in),
    });
}

/// A request of the agent to us.
fn request(message: &Value, facts: &mut Vec<Fact>, lines: &mut Lines) {
    let request = message.get("request").unwrap_or(&Value::Null);
    let subtype = text(request, "subtype");
    if subtype != "can_use_tool" {
        let line = format!("asks for something that headcount does not know: {subtype}");
        return lines.line(LogKind::Error, readable(&line));
    }
    let ask = ask::of(request);
    lines.asked(&ask);
    facts.push(Fact::Asked {
        key: text(message, "request_id").to_owned(),
        ask,
        input: request.get("input").cloned().unwrap_or(Value::Null),
    });
}
