//! What the actor reads of its run's output: chunk by chunk into the logs, then reported.

use jiff::Zoned;
use tokio::time::Instant;

use crate::config::environment::MASK;
use crate::domain::event::{Event, Fact, Mark};
use crate::domain::exit::Exit;
use crate::domain::id::RunId;
use crate::domain::log::{LogKind, LogLine};
use crate::os::segments::Stream;
use crate::runtime::actor::Actor;
use crate::runtime::exits;
use crate::runtime::run::{AGAIN, Chunk};

/// Without anything to report, a mark goes to the hub after this many bytes of output.
const COMMIT: u64 = 1024 * 1024;
/// Segments of an agent's output are dropped when they are this far behind what is read.
const LAG: u64 = 128 * 1024 * 1024;
/// Lines that could not be written yet, with what was learned from them.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    log: Vec<u8>,
    raw: Vec<u8>,
    chunk: Chunk,
}

/// How far a look at the output came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// There may be more.
    More,
    /// There is no more at present.
    Done,
    /// It cannot be read or written at present.
    Held,
}

impl Actor {
    /// Reads one chunk; when nothing is left and the run is over, says so. What cannot be read or
    /// written now is tried again, and the end of the run waits for it.
    pub(super) async fn read_on(&mut self) {
        match self.read_chunk().await {
            Reading::More => return,
            Reading::Held => {
                self.behind = false;
                return;
            }
            Reading::Done => self.behind = false,
        }
        let Some(exit) = self.exit.take() else { return };
        if let Some(run) = &mut self.run
            && let Some(output) = &mut run.output
        {
            let chunk = output.finish(run.mark);
            self.take_chunk(chunk).await;
        }
        if self.backlog.is_some() {
            self.exit = Some(exit);
            return;
        }
        self.is_over(exit).await;
    }

    async fn read_chunk(&mut self) -> Reading {
        if self.backlog.is_some() {
            return Reading::Held;
        }
        let Some(run) = &mut self.run else {
            return Reading::Done;
        };
        let mark = run.mark;
        let Some(output) = &mut run.output else {
            return Reading::Done;
        };
        match tokio::task::block_in_place(|| output.next(mark)) {
            Ok(chunk) if chunk.any => {
                self.take_chunk(chunk).await;
                Reading::More
            }
            Ok(_) => {
                self.commit(Vec::new(), false).await;
                Reading::Done
            }
            // A record that somebody removed is not waited for.
            Err(_) if !run.folder.path().exists() => Reading::Done,
            Err(error) => {
                self.is_held(&error.to_string()).await;
                Reading::Held
            }
        }
    }

    async fn take_chunk(&mut self, chunk: Chunk) {
        let log = render(&chunk.lines);
        let raw = chunk.raw.clone();
        self.backlog = Some(Backlog { log, raw, chunk });
        self.write_backlog().await;
    }

    /// Writes what a chunk brought into the logs, and only then reports it.
    async fn write_backlog(&mut self) {
        let Some(mut backlog) = self.backlog.take() else {
            return;
        };
        let before = self.log.end();
        let written = self.log.append(&backlog.log).and_then(|()| {
            backlog.log.clear();
            self.raw.append(&backlog.raw)
        });
        if let Err(error) = written {
            self.backlog = Some(backlog);
            self.is_held(&error.to_string()).await;
            return;
        }
        if std::mem::take(&mut self.held)
            && let Some(run) = &self.run
        {
            self.context.tell(Event::Flowing { run: run.id }).await;
        }
        if self.log.end() != before {
            self.context.growth.grew(self.id, self.log.end());
        }
        let Some(run) = &mut self.run else { return };
        run.mark = Mark {
            out: backlog.chunk.out,
            err: backlog.chunk.err,
            log: self.log.end(),
            raw: self.raw.end(),
        };
        if backlog.chunk.spoke {
            run.spoke = Instant::now();
        }
        let (id, pulse) = (run.id, run.pulse());
        for number in backlog.chunk.pongs {
            let run = id;
            self.context.tell(Event::Pong { run, number, pulse }).await;
        }
        let Some(run) = &mut self.run else { return };
        let facts = backlog.chunk.facts;
        if facts.iter().any(|fact| matches!(fact, Fact::Ready { .. })) {
            run.ready = true;
            self.keep_configuration().await;
        }
        self.commit(facts, false).await;
    }

    /// Reports what was learned, with how far that is; without news only now and then.
    pub(super) async fn commit(&mut self, facts: Vec<Fact>, always: bool) {
        let Some(run) = &mut self.run else { return };
        if !run.is_read() {
            return;
        }
        run.mark.log = self.log.end();
        run.mark.raw = self.raw.end();
        let progress = run.mark.out + run.mark.err;
        if facts.is_empty() && !always && progress < self.committed + COMMIT {
            return;
        }
        self.committed = progress;
        let (id, mark) = (run.id, run.mark);
        self.context
            .tell(Event::Heard {
                run: id,
                mark,
                facts,
            })
            .await;
    }

    async fn is_held(&mut self, error: &str) {
        self.again_soon();
        if !std::mem::replace(&mut self.held, true)
            && let Some(run) = &self.run
        {
            let error = error.to_owned();
            self.context.tell(Event::Held { run: run.id, error }).await;
        }
    }

    pub(super) fn again_soon(&mut self) {
        self.again.get_or_insert_with(|| Instant::now() + AGAIN);
    }

    pub(super) async fn try_again(&mut self) {
        self.again = None;
        self.write_backlog().await;
        if let Some(run) = &mut self.run {
            run.input_again().await;
        }
        self.behind = true;
    }

    /// The run is over and all that it said is reported.
    pub(super) async fn is_over(&mut self, exit: Exit) {
        let Some(run) = &mut self.run else { return };
        run.over = true;
        let tail = exits::stderr_tail(&run.folder, run.is_read());
        let tail = run.secrets.hidden(&tail, MASK).into_owned();
        let memory = exits::memory_kill(run, exit.status);
        let failure = exits::failure(run.driver, exit.status, &tail, run.ready)
            .map(|failure| exits::for_memory(failure, exit.status, memory.as_ref()));
        let id = run.id;
        self.commit(Vec::new(), true).await;
        let lines = self.last_lines(id);
        let exit = Box::new(Exit {
            stderr_tail: tail,
            memory,
            ..exit
        });
        self.context
            .tell(Event::Exited {
                run: id,
                exit,
                failure,
                lines,
            })
            .await;
    }

    /// What was read up to here is in the database: no instance reads it again.
    pub(super) fn consumed(&mut self, run: RunId, mark: Mark) {
        let Some(run) = self.run.as_ref().filter(|current| current.id == run) else {
            return;
        };
        if !run.is_read() {
            return;
        }
        for (stream, read) in [(Stream::Out, mark.out), (Stream::Err, mark.err)] {
            let old = read.saturating_sub(LAG);
            if old == 0 {
                continue;
            }
            if let Err(error) = run.folder.drop_before(stream, old) {
                tracing::debug!(run = %run.id, %error, "old output stays");
            }
        }
    }
}

/// Lines as they stand in the file.
pub(super) fn render(lines: &[(LogKind, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if lines.is_empty() {
        return bytes;
    }
    let time = Zoned::now().datetime();
    for (kind, text) in lines {
        bytes.extend(LogLine::format(time, *kind, text).into_bytes());
        bytes.push(b'\n');
    }
    bytes
}
