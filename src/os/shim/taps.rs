//! The recorded streams of a run: where they come from, and where they go.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::unistd;

use super::clock;
use super::record::Recorder;
use crate::os::run_folder::RunFolder;
use crate::os::segments::Stream;
use crate::os::spec::LaunchSpec;

/// Read from the child at once.
const BUFFER: usize = 256 << 10;

#[derive(Debug)]
struct Tap {
    stream: Stream,
    /// Gone when everyone has closed the other end.
    source: Option<OwnedFd>,
    record: Recorder,
}

#[derive(Debug)]
pub(super) struct Taps {
    taps: Vec<Tap>,
    buffer: Vec<u8>,
}

impl Taps {
    /// Records `sources` as the spec says. A launch that failed has none.
    pub(super) fn new(
        spec: &LaunchSpec,
        folder: &RunFolder,
        sources: impl IntoIterator<Item = (Stream, OwnedFd)>,
    ) -> Self {
        let tap = |(stream, source)| Tap {
            stream,
            source: Some(source),
            record: Recorder::new(folder.path(), stream, spec.segment_size, spec.keep),
        };
        let taps: Vec<_> = sources.into_iter().map(tap).collect();
        let buffer = vec![0; if taps.is_empty() { 0 } else { BUFFER }];
        Self { taps, buffer }
    }

    /// Bytes on disk: output, separate errors.
    pub(super) fn totals(&self) -> (u64, u64) {
        let total = |stream| {
            let tap = self.taps.iter().find(|tap| tap.stream == stream);
            tap.map_or(0, |tap| tap.record.written())
        };
        (total(Stream::Out), total(Stream::Err))
    }

    /// Why a record cannot be written, while one cannot.
    pub(super) fn trouble(&self) -> Option<String> {
        let mut troubles = self.taps.iter().filter_map(|tap| tap.record.trouble());
        troubles.next().map(ToString::to_string)
    }

    /// When to call [`Self::retry`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.taps
            .iter()
            .filter_map(|tap| tap.record.deadline())
            .min()
    }

    /// Tries again to write what is held, if it is time.
    pub(super) fn retry(&mut self, now: Instant) {
        for tap in &mut self.taps {
            tap.record.retry(now);
        }
    }

    /// Does anyone still have the other end of a stream?
    pub(super) fn is_open(&self) -> bool {
        self.taps.iter().any(|tap| tap.source.is_some())
    }

    /// Listens no longer.
    pub(super) fn close(&mut self) {
        for tap in &mut self.taps {
            tap.source = None;
        }
    }

    /// Our end of the output: of a terminal, that is the terminal.
    pub(super) fn output(&self) -> Option<&OwnedFd> {
        let mut taps = self.taps.iter();
        taps.find(|tap| tap.stream == Stream::Out)?.source.as_ref()
    }

    /// Descriptors to read from, for which there is room.
    pub(super) fn sources(&self) -> impl Iterator<Item = (Stream, BorrowedFd<'_>)> {
        self.taps.iter().filter_map(|tap| {
            let source = tap.source.as_ref().filter(|_| tap.record.has_room())?;
            Some((tap.stream, source.as_fd()))
        })
    }

    /// Reads what a stream has, once, and records it.
    pub(super) fn read(&mut self, stream: Stream, now: Instant) {
        let Some(tap) = self.taps.iter_mut().find(|tap| tap.stream == stream) else {
            return;
        };
        let Some(source) = &tap.source else { return };
        match unistd::read(source, &mut self.buffer) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // A terminal that nobody has open any more says EIO.
            Ok(0) | Err(_) => tap.source = None,
            Ok(read) => {
                let bytes = self.buffer.get(..read).unwrap_or_default();
                tap.record.take(bytes, now, clock::unix_ms());
            }
        }
    }
}
