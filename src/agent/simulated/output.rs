//! Lines to stdout. Whoever says something never waits for the reader: what it does not take is kept.

use std::{
    io::{self, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use uuid::Uuid;

enum Job {
    Line(String),
    /// Answered when everything before it is written.
    Flush(Sender<()>),
}

/// The way out for all threads.
#[derive(Debug)]
pub(super) struct Output {
    jobs: Mutex<Sender<Job>>,
    session_id: Mutex<String>,
    open: AtomicBool,
}

impl Output {
    /// Starts the thread that writes.
    pub(super) fn start(session_id: String) -> Self {
        let (jobs, inbox) = mpsc::channel();
        thread::spawn(move || write(&inbox));
        Self {
            jobs: Mutex::new(jobs),
            session_id: Mutex::new(session_id),
            open: AtomicBool::new(true),
        }
    }

    /// Says a message that belongs to the conversation: it gets a `uuid` and the `session_id`.
    pub(super) fn say(&self, mut message: Value) {
        message["uuid"] = new_id().into();
        message["session_id"] = self.session_id().into();
        self.control(&message);
    }

    /// Says a control message, just as it is.
    pub(super) fn control(&self, message: &Value) {
        if self.open.load(Ordering::Relaxed) {
            self.send(Job::Line(format!("{message}\n")));
        }
    }

    pub(super) fn session_id(&self) -> String {
        self.session_id
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_session_id(&self, id: String) {
        *self
            .session_id
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = id;
    }

    /// Drops everything that is said from now on.
    pub(super) fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
    }

    /// Waits until everything is written, or for `limit`.
    pub(super) fn drain(&self, limit: Duration) {
        let (done, written) = mpsc::channel();
        self.send(Job::Flush(done));
        // A reader that takes nothing within the limit has lost the rest.
        let _ = written.recv_timeout(limit);
    }

    fn send(&self, job: Job) {
        // The writer only ends with the process.
        let _ = self
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(job);
    }
}

pub(super) fn new_id() -> String {
    Uuid::new_v4().to_string()
}

fn write(inbox: &Receiver<Job>) {
    let mut stdout = io::stdout().lock();
    for job in inbox {
        match job {
            // A closed stdout does not end the real agent, so it does not end this one.
            Job::Line(line) => {
                let _ = stdout
                    .write_all(line.as_bytes())
                    .and_then(|()| stdout.flush());
            }
            // Who asked may have stopped waiting.
            Job::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}
