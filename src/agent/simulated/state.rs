//! What the threads share: the reader of stdin, the one that works, and the one that waits for signals.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc::Sender},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use serde_json::{Value, json};

use super::{
    clock, environment::Environment, flags::Flags, output::Output, rules::Rules, session::Session,
    usage::Usage,
};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) flags: Flags,
    pub(super) environment: Environment,
    pub(super) output: Output,
    state: Mutex<State>,
    changed: Condvar,
    endings: Mutex<Sender<Ending>>,
}

/// Everything that changes while the process lives.
#[derive(Debug)]
pub(super) struct State {
    pub(super) session: Session,
    pub(super) waiting: VecDeque<Message>,
    /// A turn runs, or is about to: set by who brings a message, cleared by who works.
    pub(super) busy: bool,
    pub(super) interrupted: bool,
    /// No message will come any more.
    pub(super) eof: bool,
    /// Ends the process with this code when the turn is over.
    pub(super) leave_with: Option<u8>,
    pub(super) ignores_term: bool,
    /// How late pings are answered; `None` for never.
    pub(super) pong: Option<Duration>,
    /// Our open permission requests, and the answers to them.
    pub(super) requests: BTreeMap<String, Option<Value>>,
    /// The leader of the tool's process group.
    pub(super) tool: Option<Pid>,
    pub(super) mode: String,
    pub(super) rules: Rules,
    pub(super) directories: Vec<PathBuf>,
    pub(super) system: String,
    pub(super) totals: Usage,
    pub(super) since_result: Usage,
    pub(super) api_time: Duration,
    pub(super) results: u64,
    pub(super) last_failed: bool,
}

/// A user message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) uuid: Option<String>,
    pub(super) text: String,
}

/// How the process ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub(super) code: u8,
    /// Nothing is put in order first.
    pub(super) sudden: bool,
}

/// A wait was cut short by an interrupt.
#[derive(Debug)]
pub(super) struct Interrupted;

impl Shared {
    pub(super) fn new(
        flags: Flags,
        environment: Environment,
        session: Session,
        system: String,
        endings: Sender<Ending>,
    ) -> Self {
        let rules = Rules {
            allow: flags.allow.clone(),
            ask: flags.ask.clone(),
            deny: flags.deny.clone(),
        };
        let state = State {
            waiting: VecDeque::new(),
            busy: false,
            interrupted: false,
            eof: false,
            leave_with: None,
            ignores_term: false,
            pong: Some(Duration::ZERO),
            requests: BTreeMap::new(),
            tool: None,
            mode: flags.mode.clone().unwrap_or_else(|| "default".to_owned()),
            rules,
            directories: flags.directories.clone(),
            system,
            totals: session.totals,
            since_result: Usage::default(),
            api_time: Duration::ZERO,
            results: 0,
            last_failed: false,
            session,
        };
        Self {
            output: Output::start(state.session.id.clone()),
            flags,
            environment,
            state: Mutex::new(state),
            changed: Condvar::new(),
            endings: Mutex::new(endings),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for a change of the state.
    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits until `ready` has an answer.
    pub(super) fn wait<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut state = self.lock();
        loop {
            if let Some(answer) = ready(&mut state) {
                return answer;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets time pass.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Interrupted> {
        let until = clock::now() + time;
        let mut state = self.lock();
        loop {
            if state.interrupted {
                return Err(Interrupted);
            }
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Ok(());
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Interrupts the turn, if one runs.
    pub(super) fn interrupt(&self, state: &mut State) {
        state.interrupted = state.busy;
        self.notify();
    }

    /// Takes back every permission request that is open.
    pub(super) fn withdraw_requests(&self, state: &mut State) {
        for (request, _) in std::mem::take(&mut state.requests) {
            self.output
                .control(&json!({"type": "control_cancel_request", "request_id": request}));
        }
    }

    /// Tells the session's state, if it was asked for.
    pub(super) fn tell_state(&self, state: &str) {
        if self.environment.state_events {
            self.output
                .say(json!({"type": "system", "subtype": "session_state_changed", "state": state}));
        }
    }

    pub(super) fn tell_lifecycle(&self, uuid: Option<&str>, state: &str) {
        if let Some(uuid) = uuid {
            self.output
                .say(json!({"type": "command_lifecycle", "command_uuid": uuid, "state": state}));
        }
    }

    /// Ends the process: the main thread does it.
    pub(super) fn end(&self, ending: Ending) {
        // The main thread waits for as long as there is a process.
        let _ = self
            .endings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(ending);
    }
}

impl State {
    /// Kills what the tool started, as far as it stayed in the tool's group.
    pub(super) fn kill_tool(&self) {
        if let Some(tool) = self.tool {
            // Just after its start the tool leads no group yet; just after its end nobody is there.
            let _ = killpg(tool, Signal::SIGKILL);
            let _ = kill(tool, Signal::SIGKILL);
        }
    }
}
