//! A Messages API on loopback, scripted by the prompt: what the real Claude Code talks to in the contract tests.
//!
//! A prompt is a list of steps, divided by ` ;; `; step k answers the k-th request of that prompt, and when
//! they run out the answer is `OK.`. Steps: `SAY text`, `SLOW seconds text`, `THINK text`, `TOOL Name argument`
//! (several in one message with ` ++ `), `LOOP n TOOL …`, `ERROR code [xN]`, `HANG`, `USAGE in out text`,
//! `RECALL` (the prompts that this request held), `SYSTEM` (the beginning of its system prompt).
//! A prompt without a word is answered with `OK: ` and its beginning.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};

#[path = "fake_script.rs"]
mod script;

use script::{input, locate, prompts, steps, system, word};

/// How often a waiting thread looks whether it is time to end.
const TICK: Duration = Duration::from_millis(20);

/// The server; it ends, with all its threads, when this is dropped.
pub(crate) struct FakeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// One request for an answer of the model.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What the person said last.
    pub(crate) prompt: String,
    /// The whole system prompt.
    pub(crate) system: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    requests: Mutex<Vec<Request>>,
    /// How often each step with `ERROR` has failed.
    failures: Mutex<HashMap<String, u32>>,
    ids: AtomicUsize,
}

impl FakeApi {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        let acceptor = Some(thread::spawn(move || accept(&listener, &served)));
        Self {
            address,
            shared,
            acceptor,
        }
    }

    /// Returns what `ANTHROPIC_BASE_URL` must say.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns all requests for an answer so far; those for titles and the like are not among them.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared
            .requests
            .lock()
            .expect("no thread panics with it")
            .clone()
    }

    /// Says how many requests were made for prompts that hold this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.prompt.contains(text))
            .count()
    }
}

impl Drop for FakeApi {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the acceptor; if nobody listens any more it has ended already.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut connections = vec![];
    for stream in listener.incoming().flatten() {
        if shared.is_stopped() {
            break;
        }
        let shared = Arc::clone(shared);
        // A client that goes away in the middle is part of the tests.
        connections.push(thread::spawn(move || drop(shared.serve(stream))));
    }
    for connection in connections {
        let _ = connection.join();
    }
}

impl Shared {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn id(&self, prefix: &str) -> String {
        format!(
            "{prefix}_fake{:08}",
            self.ids.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Answers one request; the connection ends with it.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(TICK))?;
        let mut reader = BufReader::new(Patient {
            stream: stream.try_clone()?,
            shared: self,
        });
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let first = line.clone();
        let mut length = 0;
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut out = stream;
        let path = first
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .split('?')
            .next()
            .unwrap_or_default();
        if path.ends_with("/count_tokens") {
            return self.json(&mut out, 200, &json!({"input_tokens": length / 4 + 1}));
        }
        if !path.ends_with("/v1/messages") {
            return self.json(
                &mut out,
                if first.starts_with("HEAD") { 200 } else { 404 },
                &json!({}),
            );
        }
        match serde_json::from_slice(&body) {
            Ok(body) => self.message(&mut out, body),
            Err(_) => self.error(&mut out, 400),
        }
    }

    fn message(&self, out: &mut TcpStream, body: Value) -> io::Result<()> {
        // Requests without tools are for titles and the like.
        if body["tools"].as_array().is_none_or(Vec::is_empty) {
            return self.answer(out, &body, &Answer::text("A title"));
        }
        let (prompt, index, answered) = locate(&body["messages"]);
        let request = Request {
            prompt: prompt.clone(),
            system: system(&body),
            body: body.clone(),
        };
        self.requests
            .lock()
            .expect("no thread panics with it")
            .push(request);
        let steps = steps(&prompt);
        let mut at = answered;
        for (number, step) in steps.iter().enumerate() {
            let ("ERROR", rest) = word(step) else {
                continue;
            };
            if number > at {
                break;
            }
            let (code, times) = word(rest);
            let limit = times
                .strip_prefix('x')
                .and_then(|n| n.parse().ok())
                .unwrap_or(u32::MAX);
            let mut failures = self.failures.lock().expect("no thread panics with it");
            let failed = failures
                .entry(format!("{index} {number} {prompt}"))
                .or_default();
            if *failed < limit {
                *failed += 1;
                drop(failures);
                return self.error(out, code.parse().unwrap_or(500));
            }
            // This step is used up, and no answer came of it.
            at += 1;
        }
        let step = steps.get(at).map_or("SAY OK.", String::as_str);
        self.act(out, &body, step)
    }

    fn act(&self, out: &mut TcpStream, body: &Value, step: &str) -> io::Result<()> {
        let (name, rest) = word(step);
        let (first, tail) = word(rest);
        let answer = match name {
            "SLOW" => Answer {
                seconds: first.parse().unwrap_or(1.0),
                ..Answer::text(if tail.is_empty() {
                    "one two three four five six seven eight"
                } else {
                    tail
                })
            },
            "THINK" => Answer {
                blocks: vec![
                    json!({"type": "thinking", "thinking": rest, "signature": "ZmFrZQ=="}),
                    json!({"type": "text", "text": "Thought."}),
                ],
                ..Answer::text("")
            },
            "TOOL" => {
                let mut answer = Answer {
                    stop: "tool_use",
                    ..Answer::text("Calling a tool.")
                };
                answer.blocks.extend(rest.split(" ++ ").map(|call| {
                    let (tool, argument) = word(call);
                    json!({"type": "tool_use", "id": self.id("toolu"), "name": tool, "input": input(tool, argument)})
                }));
                answer
            }
            "HANG" => return self.wait_gone(out),
            "USAGE" => {
                let (output, text) = word(tail);
                let count = |text: &str| text.parse().unwrap_or_default();
                Answer {
                    usage: (count(first), count(output)),
                    ..Answer::text(text)
                }
            }
            "RECALL" => {
                let messages = body["messages"].as_array().cloned().unwrap_or_default();
                let users = messages.iter().filter(|message| message["role"] == "user");
                Answer::text(&json!(users.flat_map(prompts).collect::<Vec<_>>()).to_string())
            }
            "SYSTEM" => Answer::text(&system(body).chars().take(400).collect::<String>()),
            _ => Answer::text(rest),
        };
        self.answer(out, body, &answer)
    }

    /// Holds the connection until the client or the server goes.
    fn wait_gone(&self, stream: &mut TcpStream) -> io::Result<()> {
        while !self.is_stopped() {
            match stream.read(&mut [0]) {
                Ok(0) => break,
                Err(error)
                    if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn answer(&self, out: &mut TcpStream, body: &Value, answer: &Answer) -> io::Result<()> {
        let usage = |output: u64| {
            json!({
                "input_tokens": answer.usage.0, "output_tokens": output, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0, "service_tier": "standard",
            })
        };
        let mut message = json!({
            "id": self.id("msg"), "type": "message", "role": "assistant", "model": body["model"],
            "content": answer.blocks, "stop_reason": answer.stop, "stop_sequence": null,
            "usage": usage(answer.usage.1),
        });
        if body["stream"] != true {
            return self.json(out, 200, &message);
        }
        message["content"] = json!([]);
        message["stop_reason"] = Value::Null;
        message["usage"] = usage(1);
        self.head(out, 200, "text/event-stream")?;
        event(out, &json!({"type": "message_start", "message": message}))?;
        for (index, block) in answer.blocks.iter().enumerate() {
            let (start, deltas) = pieces(block);
            event(
                out,
                &json!({"type": "content_block_start", "index": index, "content_block": start}),
            )?;
            let pause =
                answer.seconds / f64::from(u32::try_from(deltas.len().max(1)).unwrap_or(u32::MAX));
            for delta in deltas {
                event(
                    out,
                    &json!({"type": "content_block_delta", "index": index, "delta": delta}),
                )?;
                self.pause(Duration::from_secs_f64(pause));
            }
            event(out, &json!({"type": "content_block_stop", "index": index}))?;
        }
        let delta = json!({"stop_reason": answer.stop, "stop_sequence": null});
        event(
            out,
            &json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": answer.usage.1}}),
        )?;
        event(out, &json!({"type": "message_stop"}))
    }

    fn pause(&self, mut time: Duration) {
        while !time.is_zero() && !self.is_stopped() {
            let part = time.min(TICK);
            thread::sleep(part);
            time -= part;
        }
    }

    fn error(&self, out: &mut TcpStream, code: u16) -> io::Result<()> {
        let kind = match code {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        self.json(
            out,
            code,
            &json!({"type": "error", "error": {"type": kind, "message": format!("fake {kind}")}}),
        )
    }

    fn json(&self, out: &mut TcpStream, code: u16, body: &Value) -> io::Result<()> {
        self.head(out, code, "application/json")?;
        out.write_all(body.to_string().as_bytes())
    }

    fn head(&self, out: &mut TcpStream, code: u16, kind: &str) -> io::Result<()> {
        let id = self.id("req");
        let head = format!(
            "HTTP/1.1 {code} -\r\ncontent-type: {kind}\r\nrequest-id: {id}\r\nconnection: close\r\n\r\n"
        );
        out.write_all(head.as_bytes())
    }
}

/// Reads although there is a time limit, as long as the server is not stopped.
struct Patient<'a> {
    stream: TcpStream,
    shared: &'a Shared,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if self.shared.is_stopped() {
                        return Err(error);
                    }
                }
                done => return done,
            }
        }
    }
}

struct Answer {
    blocks: Vec<Value>,
    stop: &'static str,
    usage: (u64, u64),
    /// Over how long it streams.
    seconds: f64,
}

impl Answer {
    fn text(text: &str) -> Self {
        let blocks = vec![json!({"type": "text", "text": text})];
        Self {
            blocks,
            stop: "end_turn",
            usage: (100, 20),
            seconds: 0.0,
        }
    }
}

fn event(out: &mut TcpStream, data: &Value) -> io::Result<()> {
    out.write_all(
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap_or_default()
        )
        .as_bytes(),
    )
}

fn pieces(block: &Value) -> (Value, Vec<Value>) {
    let text = |field: &str| block[field].as_str().unwrap_or_default().to_owned();
    match block["type"].as_str() {
        Some("tool_use") => {
            let start =
                json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}});
            (
                start,
                vec![
                    json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}),
                ],
            )
        }
        Some("thinking") => {
            let thought = json!({"type": "thinking_delta", "thinking": text("thinking")});
            let signed = json!({"type": "signature_delta", "signature": text("signature")});
            (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                vec![thought, signed],
            )
        }
        _ => {
            let text = text("text");
            let words = text
                .split_inclusive(' ')
                .map(|word| json!({"type": "text_delta", "text": word}));
            (json!({"type": "text", "text": ""}), words.collect())
        }
    }
}
