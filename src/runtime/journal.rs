//! The log files of one process: rendered lines and raw protocol lines, rotated by size.
//!
//! A file that is full is renamed to its name and the offset at which it began, so that an offset
//! means the same line for as long as the line is kept. That holds also where somebody removes, moves
//! or empties the file: the log goes on where it ended, and an empty file beside it, named like one
//! that was rotated, says where that is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How much of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A file is rotated when it has come to this many bytes.
    pub size: u64,
    /// How many files are kept besides the one that grows.
    pub kept: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            size: 64 * 1024 * 1024,
            kept: 10,
        }
    }
}

/// A log file that only grows, by whole appends.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: Option<File>,
    // Where the present file begins in the log as a whole.
    begin: u64,
    length: u64,
    rotation: Rotation,
}

impl LogFile {
    /// Takes up the log where it is; the file is made with the first append.
    pub(crate) fn open(path: PathBuf, rotation: Rotation) -> io::Result<Self> {
        let rotated = rotated(&path)?;
        let begin = match rotated.last() {
            Some((begin, path)) => begin + fs::metadata(path)?.len(),
            None => 0,
        };
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Self {
            path,
            file: None,
            begin,
            length,
            rotation,
        })
    }

    /// The offset behind the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.begin + self.length
    }

    /// Closes the file until the next append.
    pub(crate) fn rest(&mut self) {
        self.file = None;
    }

    /// Takes back what was appended behind `offset` but not committed. What was rotated away
    /// meanwhile stays: a line twice is better than a line lost. Where the log ends before `offset`,
    /// somebody took of it while nobody wrote.
    pub(crate) fn cut_back_to(&mut self, offset: u64) -> io::Result<()> {
        if offset < self.begin || offset == self.end() {
            return Ok(());
        }
        if offset > self.end() {
            let length = std::mem::replace(&mut self.length, offset - self.begin);
            return self.changed_outside(length);
        }
        let length = offset - self.begin;
        self.writable()?.set_len(length)?;
        self.length = length;
        Ok(())
    }

    /// Appends whole lines; on an error nothing of them is in the file.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.writable()?;
        if self.length >= self.rotation.size {
            self.rotate()?;
        }
        let length = self.length;
        let file = self.writable()?;
        if let Err(error) = file.write_all(bytes) {
            // A part may be in it already. If even this fails, the part stays and is overtaken.
            drop(file.set_len(length));
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The open file; opened anew when somebody has moved or removed it.
    fn writable(&mut self) -> io::Result<&mut File> {
        let there = match fs::metadata(&self.path) {
            Ok(there) if there.is_file() => Some(there),
            Ok(_) => return Err(io::ErrorKind::IsADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let length = there.as_ref().map_or(0, fs::Metadata::len);
        if length != self.length {
            self.changed_outside(length)?;
        }
        let same = match (&self.file, &there) {
            (Some(file), Some(there)) => {
                let open = file.metadata()?;
                (open.dev(), open.ino()) == (there.dev(), there.ino())
            }
            _ => false,
        };
        if !same {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&self.path)?;
            self.file = Some(file);
        }
        self.file
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Somebody has made the file another one. What is in it now keeps its place, and what is
    /// written next gets no offset that a line had before.
    fn changed_outside(&mut self, length: u64) -> io::Result<()> {
        if length > self.length {
            self.length = length;
            return Ok(());
        }
        let (begin, end) = (self.begin, self.end());
        self.file = None;
        if length > 0 {
            fs::rename(&self.path, rotated_name(&self.path, begin))?;
        }
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(rotated_name(&self.path, end))?;
        (self.begin, self.length) = (end, 0);
        let before = rotated_name(&self.path, begin);
        if fs::metadata(&before).is_ok_and(|metadata| metadata.len() == 0) {
            // It said where a file began that is none any more.
            fs::remove_file(before)?;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(&self.path, rotated_name(&self.path, self.begin))?;
        self.file = None;
        self.begin += self.length;
        self.length = 0;
        let rotated = rotated(&self.path)?;
        let surplus = rotated.len().saturating_sub(self.rotation.kept as usize);
        for (_, path) in rotated.into_iter().take(surplus) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// The name of a file that begins at an offset and is not written to any more.
fn rotated_name(path: &Path, begin: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{begin:020}"));
    PathBuf::from(name)
}

/// The rotated files of a log, oldest first.
fn rotated(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let prefix = format!(
        "{}.",
        path.file_name().unwrap_or_default().to_string_lossy()
    );
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let begin = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        if let Some(begin) = begin.and_then(|begin| begin.parse().ok()) {
            files.push((begin, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::logs::{Place, Segments};

    const SMALL: Rotation = Rotation { size: 10, kept: 10 };

    fn open(path: &Path) -> LogFile {
        LogFile::open(path.to_owned(), Rotation::default()).unwrap()
    }

    #[test]
    fn offsets_stay_the_same_over_rotations_and_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proc_001.log");
        let mut end = 0;
        for round in 0..5 {
            let mut log = LogFile::open(
                path.clone(),
                Rotation {
                    size: 100,
                    kept: 10,
                },
            )
            .unwrap();
            assert_eq!(log.end(), end);
            for line in 0..10 {
                log.append(format!("round {round} line {line}\n").as_bytes())
                    .unwrap();
            }
            end = log.end();
        }
        let segments = Segments::list(&Place::File(path)).unwrap();
        assert_eq!((segments.begin(), segments.end()), (0, end));
        let all = String::from_utf8(segments.read(0, end).unwrap()).unwrap();
        assert_eq!(all.lines().count(), 50);
        assert!(all.starts_with("round 0 line 0\n") && all.ends_with("round 4 line 9\n"));
    }

    #[test]
    fn what_was_not_committed_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = open(&folder.path().join("proc_001.log"));
        log.append(b"kept\n").unwrap();
        let committed = log.end();
        log.append(b"not committed\n").unwrap();
        log.cut_back_to(committed).unwrap();
        log.append(b"again\n").unwrap();
        let text = fs::read_to_string(folder.path().join("proc_001.log")).unwrap();
        assert_eq!(text, "kept\nagain\n");
    }

    /// What of a log is there, and where it begins.
    fn read(path: &Path) -> (u64, String) {
        let segments = Segments::list(&Place::File(path.to_owned())).unwrap();
        let (mut at, mut text) = (segments.begin(), Vec::new());
        while let Some(from) = segments.solid(at) {
            let bytes = segments.read(from, segments.end()).unwrap();
            at = from + bytes.len() as u64;
            text.extend(bytes);
        }
        (segments.end(), String::from_utf8(text).unwrap())
    }

    #[test]
    fn b7_a_file_that_is_removed_moved_or_emptied_goes_on_at_the_offset_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proc_001.log");
        let moved = folder.path().join("elsewhere");
        let mut log = LogFile::open(path.clone(), SMALL).unwrap();
        let mut kept = String::new();
        // Just when the next line would rotate it.
        let outside: [&dyn Fn(); 3] = [
            &|| fs::rename(&path, &moved).unwrap(),
            &|| fs::remove_file(&path).unwrap(),
            &|| fs::write(&path, "").unwrap(),
        ];
        for (round, change) in outside.into_iter().enumerate() {
            log.append(format!("lost in round {round}\n").as_bytes())
                .unwrap();
            let end = log.end();
            change();
            let line = format!("kept in round {round}\n");
            kept.push_str(&line);
            log.append(line.as_bytes()).unwrap();
            assert_eq!(log.end(), end + line.len() as u64);
            // As a reader sees it, and the next instance.
            assert_eq!(read(&path), (log.end(), kept.clone()));
            assert_eq!(open(&path).end(), log.end());
        }
        assert_eq!(fs::read_to_string(&moved).unwrap(), "lost in round 0\n");
    }

    #[test]
    fn b7_a_file_that_cannot_be_written_keeps_nothing_half_and_is_written_again_when_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proc_001.log");
        let mut log = open(&path);
        log.append(b"one\n").unwrap();
        fs::remove_file(&path).unwrap();
        // Nobody, root included, writes to a folder.
        fs::create_dir(&path).unwrap();
        log.append(b"two\n").unwrap_err();
        log.append(b"two\n").unwrap_err();
        fs::remove_dir(&path).unwrap();
        log.append(b"two\n").unwrap();
        assert_eq!(log.end(), 8);
        assert_eq!(read(&path), (8, "two\n".to_owned()));
    }

    #[test]
    fn b7_what_is_left_of_a_file_keeps_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proc_001.log");
        let mut log = open(&path);
        log.append(b"one\ntwo\nsix\n").unwrap();
        fs::write(&path, "one\n").unwrap();
        log.append(b"ten\n").unwrap();
        assert_eq!(log.end(), 16);
        assert_eq!(read(&path), (16, "one\nten\n".to_owned()));
        // While nobody wrote.
        drop(log);
        fs::remove_file(&path).unwrap();
        let mut log = open(&path);
        log.cut_back_to(16).unwrap();
        log.append(b"end\n").unwrap();
        assert_eq!(read(&path), (20, "one\nend\n".to_owned()));
        // More than there was is as if it had been written here.
        fs::write(&path, "end\nmore\n").unwrap();
        log.append(b"last\n").unwrap();
        assert_eq!(read(&path), (30, "one\nend\nmore\nlast\n".to_owned()));
    }

    #[test]
    fn the_newest_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proc_001.log");
        let mut log = LogFile::open(path.clone(), Rotation { size: 4, kept: 2 }).unwrap();
        for line in ["one\n", "two\n", "six\n", "ten\n", "end\n"] {
            log.append(line.as_bytes()).unwrap();
        }
        assert_eq!(read(&path), (20, "six\nten\nend\n".to_owned()));
    }
}
