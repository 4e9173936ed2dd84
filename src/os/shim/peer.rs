//! One connection of an instance: whole messages in and out, without ever waiting for it.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::os::wire::{self, FromShim, MAX_FRAME, ToShim};

/// An instance that lets this much pile up does not read; it may connect again.
const MAX_PENDING: usize = 4 << 20;

/// The other side is gone, or not worth listening to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost;

#[derive(Debug)]
pub(super) struct Peer {
    stream: UnixStream,
    received: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
}

impl Peer {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Takes in what has arrived. What came before the end of the connection is still there.
    pub(super) fn receive(&mut self) -> Result<(), Lost> {
        let mut buffer = [0; 64 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Lost),
                Ok(read) => {
                    self.received
                        .extend_from_slice(buffer.get(..read).unwrap_or_default());
                    // The rest keeps until what is here was dealt with.
                    if self.received.len() > MAX_FRAME {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Lost),
            }
        }
    }

    /// Returns the next whole message; those of unknown kinds are skipped.
    pub(super) fn next(&mut self) -> Result<Option<ToShim>, Lost> {
        loop {
            let Some((length, rest)) = self.received.split_first_chunk::<4>() else {
                return Ok(None);
            };
            let length = u32::from_be_bytes(*length) as usize;
            if length > MAX_FRAME {
                return Err(Lost);
            }
            let Some(json) = rest.get(..length) else {
                return Ok(None);
            };
            let message = wire::decode(json).map_err(|_| Lost)?;
            self.received.drain(..4 + length);
            if message.is_some() {
                return Ok(message);
            }
        }
    }

    /// Queues a message and sends what can be sent at once.
    pub(super) fn send(&mut self, message: &FromShim) -> Result<(), Lost> {
        let frame = wire::encode(message).map_err(|_| Lost)?;
        self.unsent.extend_from_slice(&frame);
        self.flush()
    }

    pub(super) fn flush(&mut self) -> Result<(), Lost> {
        while let Some(rest) = self.unsent.get(self.sent..)
            && !rest.is_empty()
        {
            match self.stream.write(rest) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let pending = self.unsent.len() - self.sent;
                    return if pending > MAX_PENDING {
                        Err(Lost)
                    } else {
                        Ok(())
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Lost),
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_however_they_are_cut() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let mut peer = Peer::new(ours).expect("a peer");
        let hello = ToShim::Hello {
            version: 1,
            generation: 7,
        };
        let mut bytes = wire::encode(&hello).expect("is written");
        bytes.extend([0, 0, 0, 2]);
        bytes.extend(b"{}");
        bytes.extend(wire::encode(&ToShim::Kill).expect("is written"));
        let mut seen = Vec::new();
        for byte in bytes {
            theirs.write_all(&[byte]).expect("is sent");
            peer.receive().expect("is connected");
            seen.extend(peer.next().expect("is well-formed"));
        }
        assert!(matches!(
            seen[..],
            [ToShim::Hello { generation: 7, .. }, ToShim::Kill]
        ));
        drop(theirs);
        assert_eq!(peer.receive(), Err(Lost));
    }

    #[test]
    fn a_message_without_end_ends_the_connection() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let mut peer = Peer::new(ours).expect("a peer");
        theirs.write_all(&u32::MAX.to_be_bytes()).expect("is sent");
        peer.receive().expect("is connected");
        assert_eq!(peer.next().err(), Some(Lost));
    }
}
