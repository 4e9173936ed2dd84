//! An agent on pipes: what a supervisor would write to it and read from it.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// No agent may be silent for longer than this when something is awaited.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is started, and where.
#[derive(Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    /// What stands before the agent's own flags.
    pub(crate) first: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) cwd: PathBuf,
}

/// A running agent; it is killed when this is dropped.
pub(crate) struct Piped {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// Every message so far.
    pub(crate) seen: Vec<Value>,
}

impl Launch {
    /// The simulated agent with its state below `home`.
    pub(crate) fn simulated(home: &Path, cwd: &Path) -> Self {
        Self {
            program: env!("CARGO_BIN_EXE_headcount").into(),
            first: vec!["__agent".to_owned()],
            environment: vec![
                ("HOME".to_owned(), home.to_string_lossy().into_owned()),
                ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ],
            cwd: cwd.to_owned(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.first)
            .args(flags)
            .current_dir(&self.cwd)
            .env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it with the flags that make it speak the protocol, and with those given.
    pub(crate) fn start(&self, flags: &[&str]) -> Piped {
        let mut command = self.command(&[
            "-p",
            "--input-format",
            "stream-json",
            "--output-format",
            "stream-json",
        ]);
        command
            .args(["--verbose", "--permission-prompt-tool", "stdio"])
            .args(flags);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the agent starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let message = serde_json::from_str(&line).expect("each line is JSON");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Piped {
            stdin: child.stdin.take(),
            child,
            lines,
            seen: vec![],
        }
    }
}

impl Piped {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a pid fits"))
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string());
    }

    pub(crate) fn send_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is not closed");
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .expect("the agent takes input");
    }

    /// Gives a task; returns its id.
    pub(crate) fn say(&mut self, text: &str) -> String {
        let uuid = Uuid::new_v4().to_string();
        let content = json!([{"type": "text", "text": text}]);
        self.send(
            &json!({"type": "user", "uuid": uuid, "message": {"role": "user", "content": content}}),
        );
        uuid
    }

    /// Makes a control request; returns the answer.
    pub(crate) fn control(&mut self, request: &Value) -> Value {
        let id = Uuid::new_v4().to_string();
        self.send(&json!({"type": "control_request", "request_id": id, "request": request}));
        self.until(|message| {
            message["type"] == "control_response" && message["response"]["request_id"] == id
        })
    }

    /// Answers a permission request.
    pub(crate) fn answer(&mut self, request: &Value, body: &Value) {
        let response =
            json!({"subtype": "success", "request_id": request["request_id"], "response": body});
        self.send(&json!({"type": "control_response", "response": response}));
    }

    /// Reads on until a message is the one.
    pub(crate) fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(message) => {
                    self.seen.push(message.clone());
                    if is_it(&message) {
                        return message;
                    }
                }
                Err(error) => panic!("{error}; seen so far: {:#?}", self.facts()),
            }
        }
    }

    /// Reads on until a message has this fact, see [`fact`].
    pub(crate) fn until_fact(&mut self, expected: &str) -> Value {
        self.until(|message| fact(message).as_deref() == Some(expected))
    }

    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the agent lives");
    }

    /// Waits for the end; returns the exit code, or the number of the signal as a negative number.
    pub(crate) fn end(&mut self) -> i32 {
        while let Ok(message) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(message);
        }
        let status = self.child.wait().expect("the agent is our child");
        status
            .code()
            .unwrap_or_else(|| -status.signal().unwrap_or_default())
    }

    /// Returns what was seen, in short.
    pub(crate) fn facts(&self) -> Vec<String> {
        self.seen.iter().filter_map(fact).collect()
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says in a few words what a message is, if a supervisor depends on it.
pub(crate) fn fact(message: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let block = &message["message"]["content"][0];
    Some(match message["type"].as_str()? {
        "command_lifecycle" => text(&message["state"]),
        "control_response" => format!("answer {}", text(&message["response"]["subtype"])),
        "control_request" => format!("asks {}", text(&message["request"]["tool_name"])),
        "control_cancel_request" => "withdrawn".to_owned(),
        "assistant" if message["aborted"] == true => "cut off".to_owned(),
        "assistant" => match block["type"].as_str()? {
            "text" if message["error"].is_string() => format!("error {}", text(&message["error"])),
            "text" => format!("says {}", text(&block["text"])),
            "tool_use" => format!("uses {}", text(&block["name"])),
            other => other.to_owned(),
        },
        "user" => match block["type"].as_str()? {
            "tool_result" if block["is_error"] == true => "tool failed".to_owned(),
            "tool_result" => "tool done".to_owned(),
            _ => text(&block["text"]),
        },
        "system" => match message["subtype"].as_str()? {
            "init" => "init".to_owned(),
            "session_state_changed" => format!("is {}", text(&message["state"])),
            "api_retry" => format!("retries {}", text(&message["error"])),
            _ => return None,
        },
        "result" => format!(
            "result {} {} {}",
            text(&message["subtype"]),
            message["terminal_reason"].as_str().unwrap_or("-"),
            message["num_turns"]
        ),
        _ => return None,
    })
}
