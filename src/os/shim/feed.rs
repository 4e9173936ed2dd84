//! The standard input of a run: taken in order, each once, written as fast as the child reads.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd;

use crate::os::wire::{FromShim, InputRefusal};

/// What may wait for a child that does not read. A single larger input is still taken.
const MAX_WAITING: usize = 4 << 20;

/// The end of file as one types it.
const END_OF_FILE: u8 = 4;

#[derive(Debug)]
pub(super) struct Feed {
    pipe: Option<OwnedFd>,
    is_terminal: bool,
    waiting: VecDeque<(u64, Vec<u8>)>,
    waiting_bytes: usize,
    /// Bytes of the first one that are written.
    written: usize,
    /// The last one taken; never goes back.
    taken: u64,
    /// The last one written whole.
    accepted: u64,
    /// The first one that was refused for want of room, while it has not come again.
    refused: Option<u64>,
    closing: bool,
}

impl Feed {
    pub(super) fn new(pipe: OwnedFd, is_terminal: bool) -> Self {
        Self {
            pipe: Some(pipe),
            is_terminal,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            written: 0,
            taken: 0,
            accepted: 0,
            refused: None,
            closing: false,
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// The descriptor to wait for, while there is something to write.
    ///
    /// Only then: a pipe without a reader would otherwise be ready all the time.
    pub(super) fn wants_write(&self) -> Option<BorrowedFd<'_>> {
        self.pipe
            .as_ref()
            .filter(|_| !self.waiting.is_empty())
            .map(AsFd::as_fd)
    }

    /// Takes an input, unless it was taken before.
    pub(super) fn take(&mut self, seq: u64, data: Vec<u8>, outbox: &mut Vec<FromShim>) {
        if seq <= self.accepted {
            outbox.push(FromShim::Accepted { seq });
            return;
        }
        if seq <= self.taken {
            // In the queue already, by way of an earlier connection.
            return;
        }
        let refusal = if self.pipe.is_none() || self.closing {
            Some(InputRefusal::Closed)
        } else if self.refused.is_some_and(|first| seq > first) {
            Some(InputRefusal::OutOfOrder)
        } else if self.waiting_bytes > 0 && self.waiting_bytes + data.len() > MAX_WAITING {
            self.refused = Some(seq);
            Some(InputRefusal::Full)
        } else {
            None
        };
        if let Some(why) = refusal {
            outbox.push(FromShim::InputRefused { seq, why });
            return;
        }
        self.refused = None;
        self.taken = seq;
        self.waiting_bytes += data.len();
        self.waiting.push_back((seq, data));
        self.write(outbox);
    }

    /// Takes a question without a number, behind what waits; a closed input takes none.
    pub(super) fn ask(&mut self, data: Vec<u8>, outbox: &mut Vec<FromShim>) {
        let full = self.waiting_bytes > 0 && self.waiting_bytes + data.len() > MAX_WAITING;
        if self.pipe.is_none() || self.closing || full {
            return;
        }
        self.waiting_bytes += data.len();
        // Under the number of what was taken last, so that it confirms nothing that is not written.
        self.waiting.push_back((self.taken, data));
        self.write(outbox);
    }

    /// Closes the input once all is written.
    pub(super) fn close(&mut self, outbox: &mut Vec<FromShim>) {
        if self.closing {
            return;
        }
        if self.is_terminal {
            // The other side of a terminal stays open; an end of file is something one types.
            self.waiting_bytes += 1;
            self.waiting.push_back((self.taken, vec![END_OF_FILE]));
            self.write(outbox);
        } else {
            self.closing = true;
            self.close_if_done();
        }
    }

    /// Writes what the child has room for.
    pub(super) fn write(&mut self, outbox: &mut Vec<FromShim>) {
        let before = self.accepted;
        let mut broken = false;
        while let (Some(pipe), Some((seq, data))) = (&self.pipe, self.waiting.front()) {
            let rest = data.get(self.written..).unwrap_or_default();
            if !rest.is_empty() {
                match unistd::write(pipe, rest) {
                    Ok(written) => self.written += written,
                    Err(Errno::EINTR) => continue,
                    Err(Errno::EAGAIN) => break,
                    Err(_) => {
                        broken = true;
                        break;
                    }
                }
            }
            if self.written >= data.len() {
                self.accepted = self.accepted.max(*seq);
                self.waiting_bytes -= data.len();
                self.written = 0;
                self.waiting.pop_front();
            }
        }
        if self.accepted > before {
            outbox.push(FromShim::Accepted { seq: self.accepted });
        }
        if broken {
            self.break_off(outbox);
        }
        self.close_if_done();
    }

    fn close_if_done(&mut self) {
        if self.closing && self.waiting.is_empty() {
            self.pipe = None;
        }
    }

    /// Nobody reads any more.
    pub(super) fn break_off(&mut self, outbox: &mut Vec<FromShim>) {
        self.pipe = None;
        self.waiting_bytes = 0;
        self.written = 0;
        for (seq, _) in self.waiting.drain(..) {
            if seq > self.accepted {
                outbox.push(FromShim::InputRefused {
                    seq,
                    why: InputRefusal::Closed,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use nix::fcntl::OFlag;
    use nix::unistd::pipe2;

    use super::*;

    fn feed() -> (Feed, std::fs::File) {
        let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).expect("a pipe");
        (Feed::new(write, false), read.into())
    }

    fn read(pipe: &mut std::fs::File) -> Vec<u8> {
        let mut all = Vec::new();
        // Ends with "would block" while the pipe is open.
        let _ = pipe.read_to_end(&mut all);
        all
    }

    #[test]
    fn what_is_sent_twice_is_written_once() {
        let (mut feed, mut pipe) = feed();
        let mut outbox = Vec::new();
        for (seq, text) in [(1, "a"), (2, "b"), (1, "a"), (2, "b"), (3, "c")] {
            feed.take(seq, text.into(), &mut outbox);
        }
        assert_eq!(read(&mut pipe), b"abc");
        assert_eq!(outbox.last(), Some(&FromShim::Accepted { seq: 3 }));
        assert_eq!(outbox.len(), 5);
    }

    #[test]
    fn what_waits_for_a_slow_child_is_not_taken_again() {
        let (mut feed, mut pipe) = feed();
        let mut outbox = Vec::new();
        let large = vec![b'x'; 200 << 10];
        feed.take(1, large.clone(), &mut outbox);
        feed.take(1, large.clone(), &mut outbox);
        assert_eq!((outbox.len(), feed.accepted()), (0, 0));
        let mut length = 0;
        while feed.wants_write().is_some() {
            length += read(&mut pipe).len();
            feed.write(&mut outbox);
        }
        assert_eq!(length + read(&mut pipe).len(), large.len());
        assert_eq!(outbox, [FromShim::Accepted { seq: 1 }]);
    }

    #[test]
    fn after_a_refusal_nothing_overtakes() {
        let (mut feed, mut pipe) = feed();
        let mut outbox = Vec::new();
        feed.take(1, vec![b'x'; MAX_WAITING], &mut outbox);
        feed.take(2, vec![b'y'; 100 << 10], &mut outbox);
        feed.take(3, vec![], &mut outbox);
        assert_eq!(
            outbox,
            [
                FromShim::InputRefused {
                    seq: 2,
                    why: InputRefusal::Full
                },
                FromShim::InputRefused {
                    seq: 3,
                    why: InputRefusal::OutOfOrder
                },
            ]
        );
        while feed.wants_write().is_some() {
            read(&mut pipe);
            feed.write(&mut outbox);
        }
        read(&mut pipe);
        outbox.clear();
        feed.take(2, b"y".to_vec(), &mut outbox);
        feed.take(3, b"z".to_vec(), &mut outbox);
        assert_eq!(
            outbox,
            [FromShim::Accepted { seq: 2 }, FromShim::Accepted { seq: 3 }]
        );
        assert!(read(&mut pipe).ends_with(b"yz"));
    }

    #[test]
    fn a_question_waits_its_turn_and_confirms_nothing() {
        let (mut feed, mut pipe) = feed();
        let mut outbox = Vec::new();
        feed.ask(b"first?".to_vec(), &mut outbox);
        assert_eq!((read(&mut pipe), outbox.len()), (b"first?".to_vec(), 0));
        feed.take(1, vec![b'x'; 200 << 10], &mut outbox);
        feed.ask(b"?".to_vec(), &mut outbox);
        feed.take(2, b"y".to_vec(), &mut outbox);
        assert!(outbox.is_empty());
        let mut all = Vec::new();
        while feed.wants_write().is_some() {
            all.extend(read(&mut pipe));
            feed.write(&mut outbox);
        }
        all.extend(read(&mut pipe));
        assert!(all.ends_with(b"x?y"));
        assert_eq!(all.len(), (200 << 10) + 2);
        assert_eq!(outbox.last(), Some(&FromShim::Accepted { seq: 2 }));
        feed.close(&mut outbox);
        feed.ask(b"late?".to_vec(), &mut outbox);
        assert_eq!(read(&mut pipe), b"");
    }

    #[test]
    fn closing_waits_for_what_was_taken() {
        let (mut feed, mut pipe) = feed();
        let mut outbox = Vec::new();
        feed.take(1, vec![b'x'; 100 << 10], &mut outbox);
        feed.close(&mut outbox);
        feed.take(2, b"late".to_vec(), &mut outbox);
        assert_eq!(
            outbox,
            [FromShim::InputRefused {
                seq: 2,
                why: InputRefusal::Closed
            }]
        );
        let mut length = read(&mut pipe).len();
        feed.write(&mut outbox);
        length += read(&mut pipe).len();
        assert_eq!(length, 100 << 10);
        assert!(feed.pipe.is_none());
    }

    #[test]
    fn a_child_that_closed_its_input_refuses_it() {
        let (mut feed, pipe) = feed();
        drop(pipe);
        let mut outbox = Vec::new();
        // The test's runner ignores SIGPIPE, as the shim does.
        feed.take(1, b"x".to_vec(), &mut outbox);
        assert_eq!(
            outbox,
            [FromShim::InputRefused {
                seq: 1,
                why: InputRefusal::Closed
            }]
        );
    }
}
