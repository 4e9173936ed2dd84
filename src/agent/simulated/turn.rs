//! One turn: the steps of a task, one after the other.

use std::{
    collections::VecDeque,
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    clock, greeting,
    result::End,
    script::{self, Call, Step},
    state::{Message, Shared},
    stream::Block,
    trouble::{self, Trouble},
    usage::Usage,
    work,
};

/// What happened in a turn so far.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) shared: &'a Shared,
    /// The messages that the turn is for; those that joined it stand last.
    pub(super) uuids: Vec<String>,
    /// The messages that joined it.
    pub(super) folded: Vec<String>,
    /// Messages of the user, tool results among them: the protocol's `num_turns`.
    pub(super) messages: u32,
    /// Answers of the model: what `--max-turns` counts.
    pub(super) calls: u32,
    pub(super) denials: Vec<Value>,
    pub(super) usage: Usage,
    pub(super) started: Instant,
    pub(super) first_token: Option<Duration>,
    pub(super) said: String,
    pub(super) stop_reason: Option<&'static str>,
    /// Ends the process with this code after the result.
    pub(super) exit_with: Option<u8>,
    opener: Option<String>,
}

impl<'a> Turn<'a> {
    pub(super) fn begin(shared: &'a Shared, messages: &[Message]) -> Self {
        let uuids: Vec<String> = messages
            .iter()
            .filter_map(|message| message.uuid.clone())
            .collect();
        Self {
            shared,
            opener: uuids.last().cloned(),
            uuids,
            folded: vec![],
            messages: 1,
            calls: 0,
            denials: vec![],
            usage: Usage::default(),
            started: clock::now(),
            first_token: None,
            said: String::new(),
            stop_reason: None,
            exit_with: None,
        }
    }

    /// Returns the message that opened the turn: the last of those that waited.
    pub(super) fn opener(&self) -> Option<&str> {
        self.opener.as_deref()
    }

    /// Says `init`, and takes the messages into the conversation.
    pub(super) fn greet(&self, messages: &[Message]) {
        self.shared
            .output
            .say(greeting::init(self.shared, &self.uuids));
        let mut state = self.shared.lock();
        let system = state.system.clone();
        state.session.record_system(&system);
        for message in messages {
            state.session.record_prompt(&message.text);
            work::replay(self.shared, message);
        }
    }

    /// Does all steps; an answer that is missing at the end is `OK.`.
    pub(super) fn play(&mut self, steps: Vec<Step>, trouble: &mut Trouble) -> Result<(), End> {
        let mut steps = VecDeque::from(steps);
        let mut answered = false;
        while let Some(step) = steps.pop_front() {
            answered = match step {
                Step::Say(text) => self.answer_text(&text)?,
                Step::Slow(time, text) => {
                    self.answer(&[Block::Text(text)], "end_turn", Usage::ANSWER, time)?
                }
                Step::Think(text) => {
                    let blocks = [Block::Thinking(text), Block::Text("Thought.".to_owned())];
                    self.answer(&blocks, "end_turn", Usage::ANSWER, Duration::ZERO)?
                }
                Step::Usage {
                    input,
                    output,
                    text,
                } => self.answer(
                    &[Block::Text(text)],
                    "end_turn",
                    Usage { input, output },
                    Duration::ZERO,
                )?,
                Step::Recall => {
                    let prompts = json!(self.shared.lock().session.prompts);
                    self.answer_text(&prompts.to_string())?
                }
                Step::System => {
                    let system = self.shared.lock().system.clone();
                    self.answer_text(&system)?
                }
                Step::Flood { lines, width } => self.flood(lines, width)?,
                Step::Line { megabytes } => {
                    self.answer_text(&"abcdefgh".repeat(megabytes << 17))?
                }
                Step::Tools(calls) => {
                    self.use_tools(&calls, false)?;
                    steps.extend(self.take_folded());
                    false
                }
                Step::Ask(command) => {
                    let call = Call {
                        tool: "Bash".to_owned(),
                        input: script::bash(&command),
                    };
                    self.use_tools(&[call], true)?;
                    steps.extend(self.take_folded());
                    false
                }
                Step::Script(path) => {
                    match fs::read_to_string(self.shared.environment.cwd.join(&path)) {
                        Ok(text) => script::steps(&text)
                            .into_iter()
                            .rev()
                            .for_each(|step| steps.push_front(step)),
                        Err(error) => {
                            self.answer_text(&format!("cannot read the script {path}: {error}"))?;
                        }
                    }
                    answered || steps.is_empty() && !self.said.is_empty()
                }
                Step::Hang => self.hang()?,
                Step::Error { code, times } => {
                    self.fail(code, times)?;
                    false
                }
                Step::Limit { until } => return Err(self.reach_limit(&until)),
                Step::Exit(code) => {
                    self.exit_with = Some(code);
                    answered
                }
                Step::Crash(code) => return Err(End::Crash(code)),
                Step::IgnoreTerm => {
                    self.shared.lock().ignores_term = true;
                    answered
                }
                Step::Fork { sort, seconds } => {
                    trouble::fork(sort, seconds);
                    answered
                }
                Step::Alloc { megabytes } => {
                    trouble.allocate(megabytes);
                    answered
                }
                Step::Spin(time) => {
                    trouble::spin(self.shared, time);
                    if self.shared.pause(Duration::ZERO).is_err() {
                        return Err(self.abort_streaming());
                    }
                    answered
                }
                Step::Stop => {
                    trouble::stop();
                    answered
                }
                Step::Pong(late) => {
                    self.shared.lock().pong = late;
                    answered
                }
            };
        }
        if !answered {
            self.answer_text("OK.")?;
        }
        Ok(())
    }

    fn answer_text(&mut self, text: &str) -> Result<bool, End> {
        self.answer(
            &[Block::Text(text.to_owned())],
            "end_turn",
            Usage::ANSWER,
            Duration::ZERO,
        )
    }

    /// Answers in many messages of some numbered lines each.
    fn flood(&mut self, lines: u64, width: usize) -> Result<bool, End> {
        let line = |number: u64| format!("{number:08} {}", "x".repeat(width.saturating_sub(9)));
        for first in (1..=lines).step_by(20) {
            let text: Vec<String> = (first..=lines.min(first + 19)).map(line).collect();
            self.answer_text(&text.join("\n"))?;
        }
        Ok(lines > 0)
    }

    fn hang(&mut self) -> Result<bool, End> {
        self.calls += 1;
        self.tell_requesting();
        while self.shared.pause(Duration::from_secs(3600)).is_ok() {}
        Err(self.abort_streaming())
    }

    /// Notes in the conversation that the person interrupted it.
    pub(super) fn abort_streaming(&mut self) -> End {
        self.say_user(
            &json!([{"type": "text", "text": "[Request interrupted by user]"}]),
            None,
        );
        self.messages += 1;
        End::AbortedStreaming
    }

    /// Lets messages that came while a tool ran join this turn; returns their steps.
    fn take_folded(&mut self) -> Vec<Step> {
        let mut state = self.shared.lock();
        let mut steps = vec![];
        for message in state.waiting.drain(..).collect::<Vec<_>>() {
            self.shared
                .tell_lifecycle(message.uuid.as_deref(), "started");
            work::replay(self.shared, &message);
            state.session.record_prompt(&message.text);
            steps.extend(script::steps(&message.text));
            self.uuids.extend(message.uuid.clone());
            self.folded.extend(message.uuid);
        }
        steps
    }

    /// Fails as the API does, with retries; goes on if the failure passes.
    fn fail(&mut self, code: u16, times: Option<u32>) -> Result<(), End> {
        if code == 0 {
            let text = "Not logged in · Please run /login";
            return Err(self.give_up(None, text, "authentication_failed"));
        }
        let kind = trouble::error_kind(code);
        let tries = trouble::tries(code, self.shared.environment.max_retries);
        self.tell_requesting();
        for attempt in 1.. {
            if times.is_some_and(|times| attempt > times) {
                return Ok(());
            }
            if attempt > tries {
                break;
            }
            let delay = trouble::retry_delay(attempt);
            self.shared.output.say(json!({
                "type": "system", "subtype": "api_retry", "attempt": attempt,
                "max_retries": self.shared.environment.max_retries,
                "retry_delay_ms": u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                "error_status": code, "error": kind,
            }));
            // A login that fails is worth waiting for: it is what a supervisor must not wait for.
            let wait = if code == 401 {
                delay
            } else {
                self.shared.environment.back_off(delay)
            };
            if self.shared.pause(wait).is_err() {
                return Err(self.abort_streaming());
            }
        }
        Err(self.give_up(
            Some(code),
            &format!("API Error: {code} simulated {kind}"),
            kind,
        ))
    }

    fn reach_limit(&mut self, until: &str) -> End {
        let resets_at = trouble::limit_end(until, clock::since_epoch().as_secs());
        self.shared.output.say(json!({
            "type": "rate_limit_event",
            "rate_limit_info": {
                "status": "rejected", "resetsAt": resets_at, "rateLimitType": "five_hour", "utilization": 1.0,
                "isUsingOverage": false,
            },
        }));
        let day = resets_at % 86_400;
        let text = format!(
            "You've hit your limit · resets {:02}:{:02} (UTC)",
            day / 3600,
            day % 3600 / 60
        );
        self.give_up(Some(429), &text, "rate_limit")
    }

    fn give_up(&mut self, status: Option<u16>, text: &str, kind: &str) -> End {
        self.stop_reason = Some("stop_sequence");
        self.shared.output.say(json!({
            "type": "assistant", "parent_tool_use_id": null, "timestamp": clock::timestamp(),
            "message": {
                "id": super::output::new_id(), "type": "message", "role": "assistant", "model": "<synthetic>",
                "content": [{"type": "text", "text": text}], "stop_reason": "stop_sequence", "stop_sequence": "",
                "usage": Usage::default().of_message(),
            },
            "error": kind, "is_api_error_message": true, "api_error_status": status,
            "user_message_uuid": self.opener,
        }));
        End::Api {
            status,
            text: text.to_owned(),
        }
    }
}
