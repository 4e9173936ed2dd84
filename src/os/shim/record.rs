//! Writes one stream of a run to its segments, and holds what the disk does not take.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::os::segments::{self, Moment, Stream};
use crate::os::spec::Keep;

/// What is held in memory while the disk is full; then the child is held back.
const MAX_HELD: usize = 1 << 20;

/// How often a full disk is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// How often the time index grows, and the file is looked at from outside.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Recorder {
    folder: PathBuf,
    stream: Stream,
    segment_size: u64,
    keep: Keep,
    file: Option<File>,
    /// Offset of the first byte of `file`.
    start: u64,
    /// Bytes on disk, over all segments.
    written: u64,
    /// Read from the child and not on disk. Empty while there is no `trouble`.
    held: Vec<u8>,
    trouble: Option<io::Error>,
    retry_at: Option<Instant>,
    ticked: Option<Instant>,
}

impl Recorder {
    pub(super) fn new(folder: &Path, stream: Stream, segment_size: u64, keep: Keep) -> Self {
        Self {
            folder: folder.to_path_buf(),
            stream,
            segment_size: segment_size.max(1),
            keep,
            file: None,
            start: 0,
            written: 0,
            held: Vec::new(),
            trouble: None,
            retry_at: None,
            ticked: None,
        }
    }

    /// Bytes on disk.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Is there room for what the child writes?
    pub(super) fn has_room(&self) -> bool {
        self.held.len() < MAX_HELD
    }

    /// Why nothing can be written now.
    pub(super) fn trouble(&self) -> Option<&io::Error> {
        self.trouble.as_ref()
    }

    /// When to call [`Self::retry`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Records bytes: on disk if it takes them, else in memory.
    pub(super) fn take(&mut self, bytes: &[u8], now: Instant, unix_ms: u64) {
        if self.trouble.is_some() {
            self.held.extend_from_slice(bytes);
            return;
        }
        self.tick(now, unix_ms);
        let written = self.append(bytes, now);
        self.held
            .extend_from_slice(bytes.get(written..).unwrap_or_default());
    }

    /// Tries again to write what is held, if it is time.
    pub(super) fn retry(&mut self, now: Instant) {
        if self.retry_at.is_none_or(|at| now < at) {
            return;
        }
        self.trouble = None;
        self.retry_at = None;
        let held = std::mem::take(&mut self.held);
        let written = self.append(&held, now);
        self.held = held;
        self.held.drain(..written);
    }

    /// Writes, and begins new segments where needed; returns how many bytes are on disk.
    fn append(&mut self, bytes: &[u8], now: Instant) -> usize {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..)
            && !rest.is_empty()
        {
            match self.append_once(rest) {
                Ok(written) => {
                    done += written;
                    self.written += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.trouble = Some(error);
                    self.retry_at = Some(now + RETRY);
                    break;
                }
            }
        }
        done
    }

    fn append_once(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.is_some() && self.written - self.start >= self.segment_size {
            self.file = None;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = Self::open(&self.folder, self.stream, self.written)?;
                self.start = self.written;
                self.drop_oldest();
                self.file.insert(file)
            }
        };
        let room = self.segment_size - (self.written - self.start);
        let length = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        match file.write(bytes.get(..length).unwrap_or(bytes)) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            done => done,
        }
    }

    fn open(folder: &Path, stream: Stream, start: u64) -> io::Result<File> {
        let path = segments::segment_path(folder, stream, start);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        // Only a file that was made and then could not be written may be here already.
        if file.metadata()?.len() > 0 {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(file)
    }

    fn drop_oldest(&self) {
        let Keep::Last(kept) = self.keep else { return };
        let Ok(segments) = segments::list(&self.folder, self.stream) else {
            return;
        };
        let excess = segments.len().saturating_sub(kept.max(1) as usize);
        for segment in segments.into_iter().take(excess) {
            // What cannot be removed now is the oldest at the next rotation too.
            let _ = segments::remove(segment.path);
        }
    }

    /// Once a second at most: notes the time, and sees whether our file is still the one there.
    fn tick(&mut self, now: Instant, unix_ms: u64) {
        if self.ticked.is_some_and(|last| now < last + TICK) {
            return;
        }
        self.ticked = Some(now);
        // Someone removed or cut the file: what we add would be lost, or stand at a wrong offset.
        // A new segment begins, and a reader sees the hole.
        if let Some(file) = &self.file
            && let Ok(meta) = file.metadata()
            && (meta.nlink() == 0 || meta.len() != self.written - self.start)
        {
            self.file = None;
        }
        // The index only helps to find a time; a run goes on without.
        let _ = self.note(Moment {
            offset: self.written,
            unix_ms,
        });
    }

    fn note(&self, moment: Moment) -> io::Result<()> {
        let path = segments::index_path(&self.folder, self.stream);
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let length = file.metadata()?.len();
        if file.write(&moment.to_bytes())? < segments::MOMENT_SIZE {
            file.set_len(length)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::id::RunId;
    use crate::os::run_folder::RunFolder;
    use crate::os::shim::clock;

    fn folder() -> (tempfile::TempDir, RunFolder) {
        let temp = tempfile::tempdir().expect("temp folder");
        let folder = RunFolder::create(temp.path(), RunId(1)).expect("is made");
        (temp, folder)
    }

    fn starts(folder: &RunFolder) -> Vec<(u64, u64)> {
        let segments = folder.segments(Stream::Out).expect("lists");
        segments
            .iter()
            .map(|segment| (segment.start, segment.length))
            .collect()
    }

    fn all(folder: &RunFolder, from: u64) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 16];
        let read = folder
            .read_at(Stream::Out, from, &mut buffer)
            .expect("reads");
        buffer.truncate(read);
        buffer
    }

    #[test]
    fn a_segment_ends_at_any_byte() {
        let (_temp, folder) = folder();
        let mut record = Recorder::new(folder.path(), Stream::Out, 4, Keep::UntilConsumed);
        for text in ["ab", "cdefghij", "k", "l", "mn"] {
            record.take(text.as_bytes(), clock::now(), 0);
        }
        assert_eq!(starts(&folder), [(0, 4), (4, 4), (8, 4), (12, 2)]);
        assert_eq!(all(&folder, 0), b"abcdefghijklmn");
        assert_eq!(record.written(), 14);
    }

    #[test]
    fn the_newest_segments_are_kept() {
        let (_temp, folder) = folder();
        let mut record = Recorder::new(folder.path(), Stream::Out, 2, Keep::Last(2));
        record.take(b"abcdefghi", clock::now(), 0);
        assert_eq!(starts(&folder), [(6, 2), (8, 1)]);
    }

    #[test]
    fn b6_what_the_disk_refuses_is_held_and_written_later() {
        let (_temp, folder) = folder();
        let mut record = Recorder::new(folder.path(), Stream::Out, 4, Keep::UntilConsumed);
        let t0 = clock::now();
        record.take(b"abcd", t0, 0);
        // A folder in place of the next segment refuses it as a full disk would.
        let obstacle = segments::segment_path(folder.path(), Stream::Out, 4);
        fs::create_dir(&obstacle).expect("is made");
        record.take(b"efgh", t0, 0);
        record.take(b"ij", t0, 0);
        assert!(record.trouble().is_some());
        assert_eq!(record.written(), 4);
        record.retry(t0 + RETRY);
        assert!(record.trouble().is_some());
        fs::remove_dir(&obstacle).expect("is removed");
        record.retry(t0 + RETRY + RETRY / 2);
        assert!(record.trouble().is_some(), "it is not time yet");
        record.retry(t0 + 2 * RETRY);
        assert!(record.trouble().is_none());
        record.take(b"k", t0, 0);
        assert_eq!(all(&folder, 0), b"abcdefghijk");
        assert_eq!(record.deadline(), None);
    }

    #[test]
    fn b6_the_child_is_held_back_when_memory_is_used_up() {
        let temp = tempfile::tempdir().expect("temp folder");
        let gone = temp.path().join("gone");
        let mut record = Recorder::new(&gone, Stream::Out, 64, Keep::UntilConsumed);
        assert!(record.has_room());
        record.take(&vec![0; MAX_HELD - 1], clock::now(), 0);
        assert!(record.has_room());
        record.take(&[0], clock::now(), 0);
        assert!(!record.has_room());
    }

    #[test]
    fn b7_a_file_removed_or_cut_from_outside_is_begun_anew() {
        let (_temp, folder) = folder();
        let mut record = Recorder::new(folder.path(), Stream::Out, 64, Keep::UntilConsumed);
        let t0 = clock::now();
        record.take(b"abc", t0, 0);
        fs::remove_file(segments::segment_path(folder.path(), Stream::Out, 0)).expect("removed");
        record.take(b"def", t0 + TICK, 1000);
        assert_eq!(
            (starts(&folder), all(&folder, 3)),
            (vec![(3, 3)], b"def".to_vec())
        );
        fs::write(segments::segment_path(folder.path(), Stream::Out, 3), "").expect("is cut");
        record.take(b"ghi", t0 + 2 * TICK, 2000);
        assert_eq!(all(&folder, 6), b"ghi");
    }

    #[test]
    fn the_time_index_grows_once_a_second() {
        let (_temp, folder) = folder();
        let mut record = Recorder::new(folder.path(), Stream::Out, 64, Keep::UntilConsumed);
        let t0 = clock::now();
        for (after, unix_ms) in [(0, 10), (500, 510), (999, 1009), (1000, 1010), (2500, 2510)] {
            record.take(b"x", t0 + Duration::from_millis(after), unix_ms);
        }
        let moments = folder.moments(Stream::Out).expect("reads");
        let pairs: Vec<_> = moments.iter().map(|at| (at.offset, at.unix_ms)).collect();
        assert_eq!(pairs, [(0, 10), (3, 1010), (4, 2510)]);
    }
}
