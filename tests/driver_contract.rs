//! The real Claude Code understands what the driver writes, and the driver understands it.
//!
//! Needs `HEADCOUNT_CLAUDE` to name the program; without it these tests say so and pass. They need
//! no account and no network: nothing here comes to a call of the model.

#![expect(
    clippy::unwrap_used,
    reason = "a failure of a helper is a failure of the test"
)]
#![expect(clippy::print_stdout, reason = "says what is skipped")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use headcount::agent::driver::Driver;
use headcount::agent::find::find;
use headcount::agent::launch::{Conversation, LaunchRequest, PromptText};
use headcount::agent::stream_json::Reader;
use headcount::domain::event::{Fact, TurnEnd};
use headcount::domain::order::{Numbered, Order};
use headcount::domain::role::{Agent, PromptMode, Protocol};
use tempfile::TempDir;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

struct Run {
    child: Child,
    stdin: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    reader: Reader,
    seq: u64,
    // The agent's home and working directory, as long as it runs.
    _folder: TempDir,
}

impl Run {
    fn start(conversation: Conversation) -> Option<Self> {
        let Ok(command) = std::env::var("HEADCOUNT_CLAUDE") else {
            println!("skipped: HEADCOUNT_CLAUDE does not name Claude Code");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let agent = Agent {
            name: "claude".to_owned(),
            command: command.clone(),
            args: vec![],
            protocol: Protocol::ClaudeStreamJson,
            environment: BTreeMap::new(),
        };
        let home = folder.path().display().to_string();
        let environment = [
            ("HOME", home.as_str()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9"),
        ];
        let rules = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
        let line = Driver::StreamJson
            .command_line(&LaunchRequest {
                agent: &agent,
                program: find(&command, OsStr::new("/usr/local/bin:/usr/bin:/bin")).unwrap(),
                prefix: vec![],
                prompt: Some(PromptText {
                    text: "You test a driver.".to_owned(),
                    mode: PromptMode::Append,
                }),
                tools: rules(&["Bash", "Read", "Edit", "Write", "Glob", "Grep"]),
                allowed: rules(&["Bash", "Edit", "Bash(echo a, (b))"]),
                ask: rules(&["Bash(git push *)"]),
                deny: rules(&["Bash(rm *)"]),
                remembered: rules(&["Bash(cd . && (make; make test))"]),
                model: Some("sonnet".to_owned()),
                max_turns: Some(20),
                budget_usd: Some(0.5),
                conversation,
                environment: environment
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                temporary_folder: Some(folder.path().to_owned()),
                working_directory: PathBuf::from(folder.path()),
                run_folder: folder.path(),
            })
            .unwrap();
        let mut child = Command::new(&line.program)
            .args(&line.args)
            .env_clear()
            .envs(&line.environment)
            .current_dir(&line.working_directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (chunks, output) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut chunk) {
                if chunks.send(chunk[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let stdin = child.stdin.take();
        Some(Self {
            child,
            stdin,
            output,
            reader: Reader::at(0),
            seq: 0,
            _folder: folder,
        })
    }

    fn tell(&mut self, order: Order) {
        self.seq += 1;
        let line = Driver::StreamJson.encode(&Numbered {
            seq: self.seq,
            order,
        });
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line.unwrap().as_bytes()).unwrap();
    }

    /// Everything heard up to a fact.
    fn hear(&mut self, is_last: impl Fn(&Fact) -> bool) -> Vec<Fact> {
        let mut heard = Vec::new();
        while !heard.iter().any(&is_last) {
            let chunk = self
                .output
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("only {heard:?}"));
            let mut said = Vec::new();
            assert_eq!(self.reader.push(&chunk, &mut said), None);
            heard.extend(said.into_iter().flat_map(|said| said.facts));
        }
        heard
    }

    fn end(mut self) -> Option<i32> {
        self.stdin = None;
        self.child.wait().unwrap().code()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A failed test leaves nothing behind; after `end` there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn turn_end(facts: &[Fact]) -> &TurnEnd {
    let end = facts.iter().find_map(|fact| match fact {
        Fact::TurnEnded(end) => Some(&**end),
        _ => None,
    });
    end.unwrap_or_else(|| panic!("no end in {facts:?}"))
}

#[test]
fn it_takes_every_option_and_becomes_ready_and_begins_afresh() {
    let first = Uuid::new_v4();
    let Some(mut run) = Run::start(Conversation::New(first)) else {
        return;
    };
    run.tell(Order::Initialize);
    let heard = run.hear(|fact| matches!(fact, Fact::Ready { .. }));
    let Some(Fact::Ready {
        version: Some(version),
        logged_in,
    }) = heard.last()
    else {
        panic!("{heard:?}");
    };
    assert!(
        !headcount::agent::stream_json::is_older_than_tried(version),
        "{version}"
    );
    assert_eq!(*logged_in, Some(false));

    let uuid = Uuid::new_v4();
    run.tell(Order::Clear { uuid });
    let heard = run.hear(|fact| matches!(fact, Fact::Idle));
    assert!(
        heard.contains(&Fact::Conversation { id: first }),
        "{heard:?}"
    );
    assert!(
        heard.contains(&Fact::Acknowledged { message: uuid }),
        "{heard:?}"
    );
    let end = turn_end(&heard);
    assert!(end.success && end.messages == [uuid], "{end:?}");
    let fresh = end.conversation.unwrap();
    assert_ne!(fresh, first);
    assert!(
        heard.contains(&Fact::Conversation { id: fresh }),
        "{heard:?}"
    );
    assert_eq!(run.end(), Some(0));
}

#[test]
fn without_a_login_a_task_fails_at_once_and_says_why() {
    let Some(mut run) = Run::start(Conversation::New(Uuid::new_v4())) else {
        return;
    };
    let uuid = Uuid::new_v4();
    run.tell(Order::Initialize);
    run.tell(Order::Message {
        uuid,
        text: "/model is a command, this is a task".to_owned(),
    });
    let heard = run.hear(|fact| matches!(fact, Fact::Idle));
    assert!(
        heard
            .iter()
            .any(|fact| matches!(fact, Fact::NotLoggedIn { .. })),
        "{heard:?}"
    );
    let end = turn_end(&heard);
    assert!(!end.success && end.messages == [uuid], "{end:?}");
    assert!(
        !heard
            .iter()
            .any(|fact| matches!(fact, Fact::MessageCancelled { .. })),
        "{heard:?}"
    );
}

#[test]
fn a_conversation_that_it_never_had_is_not_resumed() {
    let Some(mut run) = Run::start(Conversation::Resume(Uuid::new_v4())) else {
        return;
    };
    let heard = run.hear(|fact| matches!(fact, Fact::ResumeFailed { .. }));
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(run.end(), Some(1));
}
