//! Tool calls: whether they may run, and what comes of them.

use serde_json::{Value, json};

use super::{
    bash, files, greeting,
    output::new_id,
    permission::{self, Answer},
    result::End,
    rules::{Place, Verdict},
    script::Call,
    state::Interrupted,
    stream::Block,
    turn::Turn,
    usage::Usage,
};

const REJECTED: &str =
    "The user doesn't want to proceed with this tool use. The tool use was rejected.";

/// What came of a call.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) content: String,
    pub(super) is_error: bool,
    /// The structured twin of `content`.
    pub(super) twin: Value,
}

impl Outcome {
    pub(super) fn error(text: &str) -> Self {
        Self {
            content: text.to_owned(),
            is_error: true,
            twin: format!("Error: {text}").into(),
        }
    }
}

/// What is known of a call before it runs.
enum Fate {
    /// With the reason, as the protocol names it.
    Runs(&'static str),
    Asked(String),
    Refused(String),
    /// There is no such tool.
    Unknown,
}

impl Turn<'_> {
    /// Calls tools, all in one message; with `ask`, whatever the rules say.
    pub(super) fn use_tools(&mut self, calls: &[Call], ask: bool) -> Result<(), End> {
        let calls: Vec<(String, Call)> = calls
            .iter()
            .map(|call| {
                (
                    format!("toolu_sim_{}", new_id().replace('-', "")),
                    call.clone(),
                )
            })
            .collect();
        let mut blocks = vec![Block::Text("Calling a tool.".to_owned())];
        blocks.extend(calls.iter().map(|(id, call)| Block::Tool {
            id: id.clone(),
            call: call.clone(),
        }));
        self.answer(
            &blocks,
            "tool_use",
            Usage::ANSWER,
            std::time::Duration::ZERO,
        )?;
        let verdicts: Vec<Option<Verdict>> = calls
            .iter()
            .map(|(_, call)| self.judge(call, ask))
            .collect();
        let asks =
            self.shared.flags.asks && verdicts.iter().any(|v| matches!(v, Some(Verdict::Ask(_))));
        if asks {
            self.shared.tell_state("requires_action");
        }
        // All questions first: several may be open at once.
        let mut fates = vec![];
        for ((id, call), verdict) in calls.iter().zip(verdicts) {
            fates.push(self.fate(id, call, verdict));
        }
        for (at, ((id, call), fate)) in calls.iter().zip(fates).enumerate() {
            let done = match fate {
                Fate::Runs(reason) => {
                    let meta =
                        json!({"decision": "accept", "source": "config", "reason_type": reason});
                    self.run(id, call, &call.input, &meta)
                }
                Fate::Asked(request) => self.await_answer(id, call, &request),
                Fate::Refused(text) => {
                    let decision = json!({"decision": "reject", "source": "config"});
                    let meta = json!({"non_execution_kind": "permission-rule", "permission_decision": decision});
                    self.tell(id, &Outcome::error(&text), meta);
                    Ok(())
                }
                Fate::Unknown => {
                    let said = format!(
                        "<tool_use_error>Error: No such tool available: {}</tool_use_error>",
                        call.tool
                    );
                    self.tell(id, &Outcome::error(&said), json!({}));
                    Ok(())
                }
            };
            if let Err(end) = done {
                for (id, _) in &calls[at..] {
                    self.reject(id);
                }
                let note =
                    json!([{"type": "text", "text": "[Request interrupted by user for tool use]"}]);
                self.say_user(&note, None);
                self.messages += 1;
                return Err(end);
            }
        }
        Ok(())
    }

    fn judge(&self, call: &Call, ask: bool) -> Option<Verdict> {
        let state = self.shared.lock();
        let tools = greeting::tools(&self.shared.flags, &state.rules);
        // LS is no tool of the real agent, but a script may use it as one.
        let exists = tools.contains(&call.tool) || call.tool == "LS";
        let place = Place {
            cwd: &self.shared.environment.cwd,
            directories: &state.directories,
            mode: &state.mode,
        };
        exists.then(|| {
            if ask {
                Verdict::Ask(None)
            } else {
                state.rules.judge(&call.tool, &call.input, place)
            }
        })
    }

    fn fate(&mut self, id: &str, call: &Call, verdict: Option<Verdict>) -> Fate {
        match verdict {
            None => Fate::Unknown,
            Some(Verdict::Allow(reason)) => Fate::Runs(reason),
            Some(Verdict::Ask(reason)) if self.shared.flags.asks => {
                Fate::Asked(permission::request(self.shared, call, id, reason))
            }
            Some(verdict) => {
                self.deny(id, call);
                self.shared.output.say(json!({
                    "type": "system", "subtype": "permission_denied", "tool_name": call.tool, "tool_use_id": id,
                }));
                Fate::Refused(match verdict {
                    Verdict::Deny => format!("Permission to use {} has been denied.", call.tool),
                    _ => format!(
                        "Claude requested permissions to use {}, but you haven't granted it yet.",
                        call.tool
                    ),
                })
            }
        }
    }

    fn await_answer(&mut self, id: &str, call: &Call, request: &str) -> Result<(), End> {
        let answer = permission::answer(self.shared, request);
        if !matches!(answer, Ok(Answer::Allow(_) | Answer::Deny(_))) {
            // The turn ends, and with it all its questions.
            self.shared.withdraw_requests(&mut self.shared.lock());
        }
        if self.shared.lock().requests.is_empty() {
            self.shared.tell_state("running");
        }
        match answer {
            Ok(Answer::Allow(input)) => {
                let meta = json!({"decision": "accept", "source": "user_temporary"});
                self.run(id, call, input.as_ref().unwrap_or(&call.input), &meta)
            }
            Ok(Answer::Deny(text)) => {
                self.deny(id, call);
                let decision = json!({"decision": "reject", "source": "user_reject"});
                let meta = json!({"non_execution_kind": "permission-rule", "permission_decision": decision});
                self.tell(id, &Outcome::error(&text), meta);
                Ok(())
            }
            Ok(Answer::Stop) | Err(Interrupted) => {
                self.deny(id, call);
                Err(End::AbortedTools)
            }
        }
    }

    fn run(&mut self, id: &str, call: &Call, input: &Value, decision: &Value) -> Result<(), End> {
        let environment = &self.shared.environment;
        let outcome = match call.tool.as_str() {
            "Bash" => bash::run(self.shared, input, id).map_err(|_| End::AbortedTools)?,
            "AskUserQuestion" => answered(input),
            other => match files::run(other, input, &environment.cwd) {
                Some(outcome) => outcome,
                None => Outcome::error(&format!("{other} does nothing in the simulated agent")),
            },
        };
        self.tell(id, &outcome, json!({"permission_decision": decision}));
        Ok(())
    }

    fn deny(&mut self, id: &str, call: &Call) {
        self.denials
            .push(json!({"tool_name": call.tool, "tool_use_id": id, "tool_input": call.input}));
    }

    fn tell(&mut self, id: &str, outcome: &Outcome, mut meta: Value) {
        let mut block =
            json!({"type": "tool_result", "tool_use_id": id, "content": outcome.content});
        if outcome.is_error || outcome.twin.get("stdout").is_some() {
            block["is_error"] = outcome.is_error.into();
        }
        meta["id"] = id.into();
        self.say_user(
            &json!([block]),
            Some(json!({"tool_use_result": outcome.twin, "tool_result_meta": [meta]})),
        );
        self.messages += 1;
    }

    fn reject(&mut self, id: &str) {
        let twin = "User rejected tool use".into();
        let outcome = Outcome {
            content: REJECTED.to_owned(),
            is_error: true,
            twin,
        };
        self.tell(id, &outcome, json!({"non_execution_kind": "user-rejected"}));
    }
}

fn answered(input: &Value) -> Outcome {
    let answers = input["answers"].as_object().cloned().unwrap_or_default();
    let said: Vec<String> = answers
        .iter()
        .map(|(question, answer)| format!("\"{question}\"={answer}"))
        .collect();
    Outcome {
        content: format!(
            "Your questions have been answered: {}. You can now continue with these answers in mind.",
            said.join(", ")
        ),
        is_error: false,
        twin: input.clone(),
    }
}
