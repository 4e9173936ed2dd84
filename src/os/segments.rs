//! The record of a run's output: files named after the offset at which they begin.
//!
//! A segment ends where the next begins, so that a rotation cut short at any moment leaves
//! nothing to repair: the new file is there or it is not.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::run_folder::RunFolder;

/// What went wrong while the record was read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The bytes at the offset were dropped or lost; the record goes on at `next`.
    #[error("the record is gone at {offset}, it goes on at {next}")]
    Gone {
        /// Where reading was tried.
        offset: u64,
        /// Where the next segment begins.
        next: u64,
    },
    /// A file could not be listed, opened, read or removed.
    #[error("cannot read the record {}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Which output of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stream {
    /// The standard output, or all that is written to the terminal.
    Out,
    /// The errors, where they are kept apart.
    Err,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Out => "out",
            Self::Err => "err",
        })
    }
}

/// One file of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Offset of its first byte in the whole record.
    pub start: u64,
    /// Bytes in it.
    pub length: u64,
    /// The file.
    pub path: PathBuf,
}

impl Segment {
    /// Returns the offset behind its last byte.
    pub fn end(&self) -> u64 {
        self.start + self.length
    }
}

/// When the record had reached which offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Bytes recorded before.
    pub offset: u64,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// Bytes of one entry in a time index.
pub(crate) const MOMENT_SIZE: usize = 16;

impl Moment {
    pub(crate) fn to_bytes(self) -> [u8; MOMENT_SIZE] {
        let mut bytes = [0; MOMENT_SIZE];
        bytes[..8].copy_from_slice(&self.offset.to_be_bytes());
        bytes[8..].copy_from_slice(&self.unix_ms.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (offset, unix_ms) = bytes.split_at_checked(8)?;
        Some(Self {
            offset: u64::from_be_bytes(offset.try_into().ok()?),
            unix_ms: u64::from_be_bytes(unix_ms.try_into().ok()?),
        })
    }
}

pub(crate) fn segment_path(folder: &Path, stream: Stream, start: u64) -> PathBuf {
    folder.join(format!("{stream}.{start:020}"))
}

pub(crate) fn index_path(folder: &Path, stream: Stream) -> PathBuf {
    folder.join(format!("{stream}.idx"))
}

/// Lists the segments of a stream, oldest first.
pub(crate) fn list(folder: &Path, stream: Stream) -> Result<Vec<Segment>, SegmentError> {
    let fail = |source| SegmentError::Io {
        path: folder.to_path_buf(),
        source,
    };
    let prefix = format!("{stream}.");
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let Some(digits) = name.to_str().and_then(|name| name.strip_prefix(&prefix)) else {
            continue;
        };
        if digits.len() != 20 {
            continue;
        }
        // A segment that is dropped during the listing is as good as dropped before.
        if let (Ok(start), Ok(meta)) = (digits.parse(), entry.metadata()) {
            segments.push(Segment {
                start,
                length: meta.len(),
                path: entry.path(),
            });
        }
    }
    segments.sort_by_key(|segment| segment.start);
    Ok(segments)
}

impl RunFolder {
    /// Returns the segments of a stream, oldest first; the last is the one that grows.
    ///
    /// # Errors
    /// [`SegmentError::Io`].
    pub fn segments(&self, stream: Stream) -> Result<Vec<Segment>, SegmentError> {
        list(self.path(), stream)
    }

    /// Returns the offset behind the last byte that is on disk.
    ///
    /// # Errors
    /// [`SegmentError::Io`].
    pub fn length(&self, stream: Stream) -> Result<u64, SegmentError> {
        Ok(self.segments(stream)?.last().map_or(0, Segment::end))
    }

    /// Returns a reader that begins at `offset`.
    pub fn reader(&self, stream: Stream, offset: u64) -> SegmentReader {
        SegmentReader {
            folder: self.path().to_path_buf(),
            stream,
            offset,
            current: None,
        }
    }

    /// Reads at `offset`, over as many segments as needed; returns how many bytes there were.
    ///
    /// # Errors
    /// [`SegmentError::Gone`] if the very first byte is, [`SegmentError::Io`].
    pub fn read_at(
        &self,
        stream: Stream,
        offset: u64,
        into: &mut [u8],
    ) -> Result<usize, SegmentError> {
        let mut reader = self.reader(stream, offset);
        let mut filled = 0;
        while filled < into.len() {
            match reader.read(&mut into[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(SegmentError::Gone { .. }) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Removes the segments that end at or before `offset`; never the one that grows.
    ///
    /// # Errors
    /// [`SegmentError::Io`].
    pub fn drop_before(&self, stream: Stream, offset: u64) -> Result<(), SegmentError> {
        let mut segments = self.segments(stream)?;
        segments.pop();
        for segment in segments {
            if segment.end() <= offset {
                remove(segment.path)?;
            }
        }
        Ok(())
    }

    /// Returns the time index of a stream: at most one entry a second, oldest first.
    ///
    /// # Errors
    /// [`SegmentError::Io`].
    pub fn moments(&self, stream: Stream) -> Result<Vec<Moment>, SegmentError> {
        let path = index_path(self.path(), stream);
        match fs::read(&path) {
            Ok(bytes) => Ok(bytes
                .chunks_exact(MOMENT_SIZE)
                .filter_map(Moment::from_bytes)
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(SegmentError::Io { path, source }),
        }
    }
}

pub(crate) fn remove(path: PathBuf) -> Result<(), SegmentError> {
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(SegmentError::Io { path, source })
        }
        _ => Ok(()),
    }
}

/// Reads a record from an offset on, and keeps the file open in which it is.
#[derive(Debug)]
pub struct SegmentReader {
    folder: PathBuf,
    stream: Stream,
    offset: u64,
    /// The open file and the offset of its first byte.
    current: Option<(u64, File)>,
}

impl SegmentReader {
    /// Returns the offset of the next byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on at another offset.
    pub fn seek(&mut self, offset: u64) {
        self.offset = offset;
        self.current = None;
    }

    /// Reads what is there, up to the size of `into` or the end of a segment; 0 if nothing is.
    ///
    /// # Errors
    /// [`SegmentError::Gone`] if there is more, but not here: `seek` to where it goes on.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, SegmentError> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.current.is_none() && !self.open()? {
            return Ok(0);
        }
        loop {
            let Some((start, file)) = &self.current else {
                return Ok(0);
            };
            let start = *start;
            let read = retry(|| file.read_at(into, self.offset - start));
            match read {
                Ok(0) => {}
                Ok(read) => {
                    self.offset += read as u64;
                    return Ok(read);
                }
                Err(source) => return Err(self.fail(start, source)),
            }
            // The end of this file, as it is now. If the next segment begins here, what was read was its last
            // byte: the shim never writes to a segment behind which there is another.
            if start == self.offset || !self.open_at(self.offset)? {
                return self.at_the_end(start, into);
            }
        }
    }

    /// Opens the segment in which the offset lies.
    fn open(&mut self) -> Result<bool, SegmentError> {
        let segments = list(&self.folder, self.stream)?;
        let at = segments.partition_point(|segment| segment.start <= self.offset);
        let Some(segment) = at.checked_sub(1).and_then(|at| segments.get(at)) else {
            return match segments.first() {
                Some(first) => Err(SegmentError::Gone {
                    offset: self.offset,
                    next: first.start,
                }),
                None => Ok(false),
            };
        };
        self.open_at(segment.start)
    }

    fn open_at(&mut self, start: u64) -> Result<bool, SegmentError> {
        match File::open(segment_path(&self.folder, self.stream, start)) {
            Ok(file) => {
                self.current = Some((start, file));
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.fail(start, source)),
        }
    }

    /// Nothing more was in the segment that begins at `start`: tells the end of the record from a hole in it.
    fn at_the_end(&mut self, start: u64, into: &mut [u8]) -> Result<usize, SegmentError> {
        let later = list(&self.folder, self.stream)?
            .into_iter()
            .map(|segment| segment.start)
            .find(|other| *other > start);
        let Some(next) = later else { return Ok(0) };
        let current = self.current.take();
        if next <= self.offset {
            // Made between the two looks: the next read finds it.
            return Ok(0);
        }
        // It may have grown to its end between the two looks. Now it grows no more.
        if let Some((start, file)) = current {
            let read = retry(|| file.read_at(into, self.offset - start));
            match read {
                Ok(0) => {}
                Ok(read) => {
                    self.offset += read as u64;
                    self.current = Some((start, file));
                    return Ok(read);
                }
                Err(source) => return Err(self.fail(start, source)),
            }
        }
        Err(SegmentError::Gone {
            offset: self.offset,
            next,
        })
    }

    fn fail(&self, start: u64, source: io::Error) -> SegmentError {
        SegmentError::Io {
            path: segment_path(&self.folder, self.stream, start),
            source,
        }
    }
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::RunId;

    fn folder(segments: &[(u64, &str)]) -> (tempfile::TempDir, RunFolder) {
        let temp = tempfile::tempdir().expect("temp folder");
        let folder = RunFolder::create(temp.path(), RunId(1)).expect("is made");
        for (start, text) in segments {
            fs::write(segment_path(folder.path(), Stream::Out, *start), text).expect("is written");
        }
        (temp, folder)
    }

    fn read(folder: &RunFolder, offset: u64, length: usize) -> Result<String, SegmentError> {
        let mut buffer = vec![0; length];
        let read = folder.read_at(Stream::Out, offset, &mut buffer)?;
        buffer.truncate(read);
        Ok(String::from_utf8(buffer).expect("is text"))
    }

    #[test]
    fn a_read_goes_over_the_ends_of_segments() {
        let (_temp, folder) = folder(&[(0, "abc"), (3, "de"), (5, "fgh"), (8, "")]);
        assert_eq!(folder.length(Stream::Out).expect("lists"), 8);
        for (offset, length, expected) in [
            (0, 8, "abcdefgh"),
            (0, 100, "abcdefgh"),
            (2, 3, "cde"),
            (3, 2, "de"),
            (7, 9, "h"),
        ] {
            assert_eq!(read(&folder, offset, length).expect("reads"), expected);
        }
        assert_eq!(read(&folder, 8, 10).expect("reads"), "");
        assert_eq!(read(&folder, 0, 0).expect("reads"), "");
    }

    #[test]
    fn a_reader_follows_a_record_that_grows_and_rotates() {
        let (_temp, folder) = folder(&[]);
        let mut reader = folder.reader(Stream::Out, 0);
        let mut buffer = [0; 16];
        assert_eq!(reader.read(&mut buffer).expect("reads"), 0);
        for (start, text) in [(0, "ab"), (0, "abc"), (3, ""), (3, "d"), (4, "e")] {
            fs::write(segment_path(folder.path(), Stream::Out, start), text).expect("is written");
            let mut all = Vec::new();
            loop {
                match reader.read(&mut buffer).expect("reads") {
                    0 => break,
                    read => all.extend_from_slice(&buffer[..read]),
                }
            }
            assert_eq!(reader.offset(), start + text.len() as u64);
            assert!(text.as_bytes().ends_with(&all));
        }
    }

    #[test]
    fn what_was_dropped_is_gone_and_said_so() {
        let (_temp, folder) = folder(&[(0, "abc"), (3, "de"), (5, "f")]);
        folder.drop_before(Stream::Out, 4).expect("drops");
        assert!(matches!(
            read(&folder, 0, 1),
            Err(SegmentError::Gone { offset: 0, next: 3 })
        ));
        folder.drop_before(Stream::Out, 100).expect("drops");
        assert!(matches!(
            read(&folder, 3, 1),
            Err(SegmentError::Gone { offset: 3, next: 5 })
        ));
        assert_eq!(read(&folder, 5, 1).expect("reads"), "f");
    }

    #[test]
    fn a_hole_is_told_from_the_end() {
        let (_temp, folder) = folder(&[(0, "abc"), (10, "k")]);
        assert_eq!(read(&folder, 0, 10).expect("reads"), "abc");
        assert!(matches!(
            read(&folder, 3, 1),
            Err(SegmentError::Gone {
                offset: 3,
                next: 10
            })
        ));
    }

    #[test]
    fn what_a_segment_grew_by_just_before_the_next_one_began_is_read() {
        let (_temp, folder) = folder(&[(0, "a")]);
        let mut reader = folder.reader(Stream::Out, 0);
        let mut buffer = [0; 16];
        assert_eq!(reader.read(&mut buffer).expect("reads"), 1);
        assert_eq!(reader.read(&mut buffer).expect("reads"), 0);
        // Between the end of the file and the look at what comes after it.
        for (start, text) in [(0, "abc"), (3, "d")] {
            fs::write(segment_path(folder.path(), Stream::Out, start), text).expect("is written");
        }
        assert_eq!(reader.at_the_end(0, &mut buffer).expect("reads"), 2);
        assert_eq!(&buffer[..2], b"bc");
        assert_eq!(reader.read(&mut buffer).expect("reads"), 1);
        assert_eq!((buffer[0], reader.offset()), (b'd', 4));
    }

    #[test]
    fn moments_come_back_and_a_torn_one_is_left_out() {
        let (_temp, folder) = folder(&[]);
        let moments = [
            Moment {
                offset: 0,
                unix_ms: 5,
            },
            Moment {
                offset: 9,
                unix_ms: 1005,
            },
        ];
        let mut bytes: Vec<u8> = moments
            .iter()
            .flat_map(|moment| moment.to_bytes())
            .collect();
        bytes.extend([1, 2, 3]);
        fs::write(index_path(folder.path(), Stream::Out), bytes).expect("is written");
        assert_eq!(folder.moments(Stream::Out).expect("reads"), moments);
    }
}
