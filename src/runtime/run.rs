//! One run as its actor sees it: the shim's channel, what is read of its output, what is not sent.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::agent::driver::Driver;
use crate::agent::stream_json::{Reader, Said};
use crate::domain::event::{Fact, Mark, RunDetails};
use crate::domain::health::Pulse;
use crate::domain::id::RunId;
use crate::domain::log::LogKind;
use crate::domain::secret::Secrets;
use crate::os::link::{LinkError, LinkReceiver, LinkSender, Shim};
use crate::os::run_folder::RunFolder;
use crate::os::segments::{SegmentError, SegmentReader, Stream};
use crate::os::wire::{FromShim, ToShim};
use crate::runtime::good::Good;

/// How much of the output is read at once.
const CHUNK: usize = 256 * 1024;
/// A line of errors that goes on for longer than this is taken as it is.
const LONGEST_ERROR: usize = 64 * 1024;
/// How long a shim may take to take a message.
const TAKEN: Duration = Duration::from_secs(1);
/// How long a shim that was told to kill may say nothing at all before it is killed itself.
pub(crate) const ANSWERED: Duration = Duration::from_secs(10);
/// How long after a failure something is tried again.
pub(crate) const AGAIN: Duration = Duration::from_millis(300);

/// A run and our end of its shim.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) driver: Driver,
    pub(crate) folder: RunFolder,
    pub(crate) shim: Option<Shim>,
    pub(crate) shim_pid: Option<u32>,
    /// Our end of the channel; `None` for a run of the past that is only read to its end.
    pub(crate) sender: Option<LinkSender>,
    pub(crate) receiver: Option<LinkReceiver>,
    /// What it runs with, until the shim says that it does.
    pub(crate) details: Option<RunDetails>,
    /// What it runs with, as it is kept once it is up.
    pub(crate) good: Option<Box<Good>>,
    /// What is not shown of what it says at its end.
    pub(crate) secrets: Secrets,
    /// Orders that the shim has not confirmed, as they go over the wire.
    pub(crate) unsent: VecDeque<(u64, String)>,
    pub(crate) output: Option<Output>,
    /// Bytes on disk, as the shim said last.
    pub(crate) out: u64,
    pub(crate) err: u64,
    pub(crate) mark: Mark,
    pub(crate) ready: bool,
    /// By when the shim, which was told to kill, has to say something.
    pub(crate) answer_by: Option<Instant>,
    /// Whether the shim has no more to say.
    pub(crate) over: bool,
    /// How many the kernel had killed for lack of memory when it was launched, where that was seen.
    pub(crate) oom_before: Option<u64>,
    /// Whether its end was its own.
    pub(crate) ended_itself: bool,
    /// Whether the shim passes on questions: one of an older build does not.
    pub(crate) asks: bool,
    /// When the agent said something last, answers to pings left out.
    pub(crate) spoke: Instant,
}

impl Run {
    /// A run whose output begins at `mark` for us, with nothing to talk to yet.
    pub(crate) fn new(id: RunId, driver: Driver, folder: RunFolder, mark: Mark) -> Self {
        Self {
            id,
            driver,
            output: Output::new(driver, &folder, mark),
            folder,
            shim: None,
            shim_pid: None,
            sender: None,
            receiver: None,
            details: None,
            good: None,
            secrets: Secrets::default(),
            unsent: VecDeque::new(),
            out: 0,
            err: 0,
            mark,
            ready: false,
            answer_by: None,
            over: false,
            oom_before: None,
            ended_itself: false,
            asks: false,
            spoke: Instant::now(),
        }
    }

    /// The shim's next message; never, when there is nobody to hear.
    pub(crate) async fn message(&mut self) -> Result<Option<FromShim>, LinkError> {
        match &mut self.receiver {
            Some(receiver) if !self.over => receiver.next().await,
            _ => std::future::pending().await,
        }
    }

    /// Whether its output is a protocol that we read; else the output itself is the log.
    pub(crate) fn is_read(&self) -> bool {
        self.output.is_some()
    }

    /// Tells the shim something; a shim that is gone shows in the other direction. One that does not
    /// read, as one that is stopped, holds nobody up: what it did not take goes before the next message.
    pub(crate) async fn tell(&mut self, message: ToShim) {
        let Some(sender) = &mut self.sender else {
            return;
        };
        match timeout(TAKEN, sender.send(&message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(run = %self.id, %error, "the shim did not take a message");
            }
            Err(_) => tracing::warn!(run = %self.id, "the shim does not read"),
        }
    }

    /// Writes an order to the agent, and keeps it until the shim has it in the pipe.
    pub(crate) async fn input(&mut self, seq: u64, line: String) {
        self.unsent.push_back((seq, line.clone()));
        self.tell(ToShim::Input {
            seq,
            data: line.into(),
        })
        .await;
    }

    /// Asks the agent whether it is there; `false` if it cannot be asked.
    pub(crate) async fn ping(&mut self, number: u64) -> bool {
        let Some(line) = self.driver.ping(number).filter(|_| self.asks) else {
            return false;
        };
        self.tell(ToShim::Ask { data: line.into() }).await;
        true
    }

    /// What is known of its work in this moment.
    pub(crate) fn pulse(&self) -> Pulse {
        Pulse {
            quiet: self.spoke.elapsed(),
            tools: self.output.as_ref().and_then(Output::tools),
        }
    }

    /// Sends again what the shim has not confirmed; it takes each number once.
    pub(crate) async fn input_again(&mut self) {
        if self.answer_by.is_some() {
            // A shim that reads nothing is not written to for each of them.
            return;
        }
        for (seq, line) in self.unsent.clone() {
            self.tell(ToShim::Input {
                seq,
                data: line.into(),
            })
            .await;
        }
    }
}

/// What is read of a run's output.
#[derive(Debug)]
pub(crate) struct Output {
    reader: Reader,
    out: SegmentReader,
    err: SegmentReader,
    errors: Vec<u8>,
    buffer: Vec<u8>,
}

/// What a chunk of output brought.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) facts: Vec<Fact>,
    /// Pings that it answered.
    pub(crate) pongs: Vec<u64>,
    /// Whether it said anything besides.
    pub(crate) spoke: bool,
    pub(crate) lines: Vec<(LogKind, String)>,
    pub(crate) raw: Vec<u8>,
    /// How far the streams are read with it.
    pub(crate) out: u64,
    pub(crate) err: u64,
    /// Whether there was anything at all.
    pub(crate) any: bool,
}

impl Output {
    pub(crate) fn new(driver: Driver, folder: &RunFolder, mark: Mark) -> Option<Self> {
        let mut reader = driver.reader(mark.out)?;
        // A mark within a line was left by one who read it in pieces.
        let mut before = [b'\n'];
        if let Some(at) = mark.out.checked_sub(1)
            && let Ok(1) = folder.read_at(Stream::Out, at, &mut before)
            && before != [b'\n']
        {
            reader = Reader::within(mark.out);
        }
        Some(Self {
            reader,
            out: folder.reader(Stream::Out, mark.out),
            err: folder.reader(Stream::Err, mark.err),
            errors: Vec::new(),
            buffer: vec![0; CHUNK],
        })
    }

    /// Tools that run in the turn; `None` if its beginning was not seen.
    pub(crate) fn tools(&self) -> Option<usize> {
        self.reader.tools()
    }

    /// Reads the next chunk of both streams.
    pub(crate) fn next(&mut self, mark: Mark) -> Result<Chunk, SegmentError> {
        let mut chunk = Chunk {
            out: mark.out,
            err: mark.err,
            ..Chunk::default()
        };
        let length = read(&mut self.out, &mut self.buffer)?;
        chunk.any |= length > 0;
        let mut said = Vec::new();
        if let Some(again) = self.reader.push(&self.buffer[..length], &mut said) {
            self.out.seek(again);
        }
        for said in said {
            take(&mut chunk, said);
        }
        let length = read(&mut self.err, &mut self.buffer)?;
        chunk.any |= length > 0;
        self.errors.extend_from_slice(&self.buffer[..length]);
        self.take_errors(&mut chunk, false);
        Ok(chunk)
    }

    /// What is left when no more will come.
    pub(crate) fn finish(&mut self, mark: Mark) -> Chunk {
        let mut chunk = Chunk {
            out: mark.out,
            err: mark.err,
            any: true,
            ..Chunk::default()
        };
        if let Some(said) = self.reader.finish() {
            take(&mut chunk, said);
        }
        self.take_errors(&mut chunk, true);
        chunk
    }

    fn take_errors(&mut self, chunk: &mut Chunk, last: bool) {
        let whole = match memchr::memrchr(b'\n', &self.errors) {
            _ if last || self.errors.len() > LONGEST_ERROR => self.errors.len(),
            Some(at) => at + 1,
            None => return,
        };
        let rest = self.errors.split_off(whole);
        let lines = std::mem::replace(&mut self.errors, rest);
        for line in lines.split(|byte| *byte == b'\n') {
            let text = crate::domain::clean::clean(line);
            if !text.trim().is_empty() {
                chunk.lines.push((LogKind::Error, text));
            }
        }
        chunk.err = self.err.offset() - self.errors.len() as u64;
    }
}

fn take(chunk: &mut Chunk, said: Said) {
    match said.facts.as_slice() {
        [Fact::Pong { number }] => chunk.pongs.push(*number),
        _ => {
            chunk.spoke = true;
            chunk.facts.extend(said.facts);
        }
    }
    chunk.lines.extend(said.lines);
    if let Some(raw) = said.raw {
        chunk.raw.extend(raw);
        if !said.goes_on {
            chunk.raw.push(b'\n');
        }
    }
    chunk.out = said.end;
}

/// A hole in the record is passed over: what was dropped was read before.
fn read(reader: &mut SegmentReader, buffer: &mut [u8]) -> Result<usize, SegmentError> {
    match reader.read(buffer) {
        Err(SegmentError::Gone { next, .. }) => {
            reader.seek(next);
            reader.read(buffer)
        }
        other => other,
    }
}
