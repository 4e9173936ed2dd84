//! The thread that works: it takes the messages that wait, and makes one turn of them.

use serde_json::json;

use super::{
    clock,
    environment::Start,
    greeting,
    output::new_id,
    result::{self, End},
    script::{self, Step},
    session::Session,
    state::{Ending, Message, Shared},
    trouble::Trouble,
    turn::Turn,
    usage::Usage,
};

enum Next {
    Messages(Vec<Message>),
    End(u8),
}

/// Works until stdin has ended and nothing waits.
pub(super) fn work(shared: &Shared) {
    let mut trouble = Trouble::default();
    loop {
        let next = shared.wait(|state| {
            if !state.waiting.is_empty() {
                return Some(Next::Messages(state.waiting.drain(..).collect()));
            }
            state.eof.then_some(Next::End(u8::from(state.last_failed)))
        });
        let messages = match next {
            Next::Messages(messages) => messages,
            Next::End(code) => {
                return shared.end(Ending {
                    code,
                    sudden: false,
                });
            }
        };
        if let Some(ending) = turn(shared, &messages, &mut trouble) {
            return shared.end(ending);
        }
    }
}

/// Makes one turn; returns how the process ends, if it is to end then.
fn turn(shared: &Shared, messages: &[Message], trouble: &mut Trouble) -> Option<Ending> {
    for message in messages {
        shared.tell_lifecycle(message.uuid.as_deref(), "started");
    }
    let is_clear = matches!(messages, [only] if only.text.trim() == "/clear");
    let mut turn = Turn::begin(shared, messages);
    let end = if is_clear {
        clear(shared, &turn.uuids);
        End::Cleared
    } else {
        turn.greet(messages);
        let failed = turn.play(plan(shared, messages), trouble).err();
        failed.unwrap_or(End::Done)
    };
    if let End::Crash(code) = end {
        shared.output.close();
        return Some(Ending { code, sudden: true });
    }
    for uuid in &turn.folded {
        shared.tell_lifecycle(Some(uuid), end.lifecycle());
    }
    shared.output.say(result::message(&turn, &end));
    for message in messages {
        shared.tell_lifecycle(message.uuid.as_deref(), end.lifecycle());
    }
    let mut state = shared.lock();
    state.interrupted = false;
    state.busy = !state.waiting.is_empty();
    if !state.busy {
        shared.tell_state("idle");
    }
    let leave = state.leave_with.or(turn.exit_with);
    leave.map(|code| Ending {
        code,
        sudden: false,
    })
}

fn plan(shared: &Shared, messages: &[Message]) -> Vec<Step> {
    if shared.environment.start == Start::NoLogin {
        return vec![Step::Error {
            code: 0,
            times: None,
        }];
    }
    let steps: Vec<Step> = messages
        .iter()
        .flat_map(|message| script::steps(&message.text))
        .collect();
    if !steps.is_empty() {
        return steps;
    }
    let last = messages
        .last()
        .map(|message| message.text.as_str())
        .unwrap_or_default();
    vec![Step::Say(script::plain_answer(last))]
}

/// Begins a fresh conversation: a new id, no memory, totals from nothing.
fn clear(shared: &Shared, uuids: &[String]) {
    shared.output.say(json!({
        "type": "conversation_reset", "trigger": "clear", "new_conversation_id": new_id(),
        "user_message_uuid": uuids.last(), "timestamp": clock::timestamp(),
    }));
    let mut state = shared.lock();
    state.session = Session::fresh(new_id(), &shared.environment);
    state.totals = Usage::default();
    state.since_result = Usage::default();
    shared.output.set_session_id(state.session.id.clone());
    drop(state);
    shared.output.say(greeting::init(shared, uuids));
}

/// Says what a message of ours looks like when it comes back.
pub(super) fn replay(shared: &Shared, message: &Message) {
    if shared.flags.replay_user_messages {
        shared.output.say(json!({
            "type": "user", "isReplay": true, "parent_tool_use_id": null,
            "message": {"role": "user", "content": [{"type": "text", "text": message.text}]},
        }));
    }
}
