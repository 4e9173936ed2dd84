//! The log files of one process: rendered lines and raw protocol lines, rotated by size.
//!
//! A file that is full is renamed to its name and the offset at which it began, so that an offset
//! means the same line for as long as the line is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file is rotated when it has come to this many bytes.
const LIMIT: u64 = 64 * 1024 * 1024;
/// How many rotated files are kept.
const KEPT: usize = 10;

/// A log file that only grows, by whole appends.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: Option<File>,
    // Where the present file begins in the log as a whole.
    begin: u64,
    length: u64,
    limit: u64,
}

impl LogFile {
    /// Takes up the log where it is; the file is made with the first append.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        Self::with_limit(path, LIMIT)
    }

    fn with_limit(path: PathBuf, limit: u64) -> io::Result<Self> {
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
            limit,
        })
    }

    /// The offset behind the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.begin + self.length
    }

    /// Takes back what was appended behind `offset` but not committed. What was rotated away
    /// meanwhile stays: a line twice is better than a line lost.
    pub(crate) fn cut_back_to(&mut self, offset: u64) -> io::Result<()> {
        if offset < self.begin || offset >= self.end() {
            return Ok(());
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
        if self.length >= self.limit {
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
        let there = fs::metadata(&self.path)
            .map(|metadata| (metadata.dev(), metadata.ino()))
            .ok();
        let open = match &self.file {
            Some(file) => {
                let metadata = file.metadata()?;
                Some((metadata.dev(), metadata.ino()))
            }
            None => None,
        };
        if open.is_none() || open != there {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&self.path)?;
            self.length = file.metadata()?.len();
            self.file = Some(file);
        }
        self.file
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let name = format!("{}.{:020}", self.path.display(), self.begin);
        fs::rename(&self.path, name)?;
        self.file = None;
        self.begin += self.length;
        self.length = 0;
        let rotated = rotated(&self.path)?;
        let surplus = rotated.len().saturating_sub(KEPT);
        for (_, path) in rotated.into_iter().take(surplus) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
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

    #[test]
    fn offsets_stay_the_same_over_rotations_and_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proc_001.log");
        let mut end = 0;
        for round in 0..5 {
            let mut log = LogFile::with_limit(path.clone(), 100).unwrap();
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
        let mut log = LogFile::open(folder.path().join("proc_001.log")).unwrap();
        log.append(b"kept\n").unwrap();
        let committed = log.end();
        log.append(b"not committed\n").unwrap();
        log.cut_back_to(committed).unwrap();
        log.append(b"again\n").unwrap();
        let text = fs::read_to_string(folder.path().join("proc_001.log")).unwrap();
        assert_eq!(text, "kept\nagain\n");
    }

    #[test]
    fn a_file_that_somebody_moved_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proc_001.log");
        let mut log = LogFile::open(path.clone()).unwrap();
        log.append(b"one\n").unwrap();
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        log.append(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    }
}
