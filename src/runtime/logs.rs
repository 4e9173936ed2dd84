//! Windows of logs, read from disk: the cost depends on the window, never on the log.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::domain::clean::clean;
use crate::domain::id::{ProcessId, RunId};
use crate::domain::log::{
    LogAnchor, LogChoice, LogForm, LogFound, LogLine, LogQuery, LogSearch, LogWindow,
};

/// How much is read at once when lines are looked for.
const CHUNK: u64 = 64 * 1024;
/// A window never holds more than this, however long its lines are.
const WINDOW: u64 = 4 * 1024 * 1024;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file or folder cannot be read.
    #[error("cannot read the log {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A place was asked for by time in a log whose lines have none.
    #[error("the lines of this log have no times")]
    NoTimes,
    /// The reading thread was stopped.
    #[error("the log was not read to the end")]
    Interrupted,
}

/// Which files hold a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// `logs/proc_001.log` or `.jsonl`, with what is rotated away beside it.
    File(PathBuf),
    /// The segments of a run: `runs/RUN/out.OFFSET`.
    Run(PathBuf),
}

/// The folders that logs are in.
#[derive(Debug, Clone)]
pub struct Logs {
    logs: PathBuf,
    runs: PathBuf,
}

impl Logs {
    pub(crate) fn new(logs: PathBuf, runs: PathBuf) -> Self {
        Self { logs, runs }
    }

    /// The folder of the rendered logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.logs
    }

    /// The rendered log of a process.
    pub(crate) fn rendered(&self, process: ProcessId) -> PathBuf {
        self.logs.join(format!("{process}.log"))
    }

    /// The raw protocol lines of a process.
    pub(crate) fn raw(&self, process: ProcessId) -> PathBuf {
        self.logs.join(format!("{process}.jsonl"))
    }

    /// Which files hold what is asked for. `output` is the run whose output is itself the log: that
    /// of a plain command or a terminal.
    pub(crate) fn place(&self, process: ProcessId, form: LogForm, output: Option<RunId>) -> Place {
        match (output, form) {
            (Some(run), _) => Place::Run(self.runs.join(run.to_string())),
            (None, LogForm::Rendered) => Place::File(self.rendered(process)),
            (None, LogForm::Raw) => Place::File(self.raw(process)),
        }
    }

    /// Reads a window.
    ///
    /// # Errors
    /// [`LogError::Read`] if a file that is there cannot be read; a log that is not there is empty.
    pub(crate) fn window(
        &self,
        query: LogQuery,
        output: Option<RunId>,
    ) -> Result<LogWindow, LogError> {
        let place = self.place(query.process, query.form, output);
        let segments = Segments::list(&place)?;
        // Lines without a mark have no kind: there is nothing to choose by.
        let plain = output.is_some() || query.form == LogForm::Raw;
        let query = match query.anchor {
            LogAnchor::Since(time) => LogQuery {
                anchor: LogAnchor::At(match &place {
                    Place::Run(folder) => segments.recorded_since(folder, time)?,
                    Place::File(_) if plain => return Err(LogError::NoTimes),
                    Place::File(_) => segments.since(time)?,
                }),
                ..query
            },
            _ => query,
        };
        let window = if plain || query.choice == LogChoice::All {
            segments.window(query.anchor, query.lines, plain)?
        } else {
            segments.chosen(query.anchor, query.lines, query.choice)?
        };
        Ok(LogWindow {
            run: output,
            ..window
        })
    }

    /// Looks for words in a whole log, until `stop` says so.
    ///
    /// # Errors
    /// As [`Logs::window`]; [`LogError::Interrupted`] if it was stopped.
    pub(crate) fn search(
        &self,
        search: &LogSearch,
        output: Option<RunId>,
        stop: impl Fn() -> bool,
    ) -> Result<LogFound, LogError> {
        let place = self.place(search.process, search.form, output);
        let plain = output.is_some() || search.form == LogForm::Raw;
        Segments::list(&place)?.search(search, plain, stop)
    }
}

/// One file of a log.
#[derive(Debug)]
struct Segment {
    begin: u64,
    length: u64,
    path: PathBuf,
    /// The one that grows: its name is given to another when it is rotated.
    file: Option<File>,
}

/// The files of a log, in order. Between two of them there is a hole where somebody took of it.
#[derive(Debug, Default)]
pub(crate) struct Segments(Vec<Segment>);

impl Segments {
    /// Lists the files of a log.
    pub(crate) fn list(place: &Place) -> Result<Self, LogError> {
        let (folder, prefix, current) = match place {
            Place::Run(folder) => (folder.as_path(), "out.".to_owned(), None),
            Place::File(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                (
                    path.parent().unwrap_or(Path::new(".")),
                    format!("{name}."),
                    Some(path),
                )
            }
        };
        let fail = |source| LogError::Read {
            path: folder.to_owned(),
            source,
        };
        loop {
            let mut segments = numbered(folder, &prefix).map_err(fail)?;
            let rotated = segments.last().map(|last| last.begin);
            let Some(path) = current else {
                return Ok(Self(segments));
            };
            if let Ok(file) = File::open(path)
                && let Ok(metadata) = file.metadata()
                && metadata.is_file()
            {
                let begin = segments.last().map_or(0, |last| last.begin + last.length);
                segments.push(Segment {
                    begin,
                    length: metadata.len(),
                    path: path.clone(),
                    file: Some(file),
                });
            }
            // Where it was rotated between the two looks, the file is not the one that came behind those.
            let again = numbered(folder, &prefix).map_err(fail)?;
            if again.last().map(|last| last.begin) == rotated {
                return Ok(Self(segments));
            }
        }
    }

    /// Where the log begins now.
    pub(crate) fn begin(&self) -> u64 {
        self.0.first().map_or(0, |first| first.begin)
    }

    /// Where it ends now.
    pub(crate) fn end(&self) -> u64 {
        self.0.last().map_or(0, |last| last.begin + last.length)
    }

    /// The first offset at or after another one at which there is something; `None` at the end.
    pub(crate) fn solid(&self, at: u64) -> Option<u64> {
        let mut files = self.0.iter();
        let file = files.find(|file| file.begin + file.length > at)?;
        Some(file.begin.max(at))
    }

    /// The bounds of what hangs together with the byte before an offset, or with the last one before
    /// that; `None` at the beginning.
    pub(crate) fn joined_before(&self, to: u64) -> Option<(u64, u64)> {
        let is_before = |file: &&Segment| file.begin < to && file.length > 0;
        let mut files = self.0.iter().rev().skip_while(|file| !is_before(file));
        let last = files.next()?;
        let mut begin = last.begin;
        for file in files {
            if file.begin + file.length != begin {
                break;
            }
            begin = file.begin;
        }
        Some((begin, to.min(last.begin + last.length)))
    }

    /// Where what hangs together with an offset ends.
    pub(crate) fn joined_after(&self, from: u64) -> u64 {
        let mut end = from;
        for file in &self.0 {
            if file.begin <= end {
                end = end.max(file.begin + file.length);
            }
        }
        end
    }

    /// Reads the bytes from `from` to `to`; less where a hole begins, or a file has become shorter.
    pub(crate) fn read(&self, from: u64, to: u64) -> Result<Vec<u8>, LogError> {
        let mut bytes = Vec::new();
        for segment in &self.0 {
            let start = from.max(segment.begin);
            let end = to.min(segment.begin + segment.length);
            if start >= end {
                continue;
            }
            if start != from + bytes.len() as u64 {
                break;
            }
            let mut part = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX)];
            let at = start - segment.begin;
            let read = match &segment.file {
                Some(file) => read_full_at(file, &mut part, at),
                None => match File::open(&segment.path) {
                    Ok(file) => read_full_at(&file, &mut part, at),
                    // Dropped since: a hole.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
                    Err(error) => Err(error),
                },
            };
            let read = read.map_err(|source| LogError::Read {
                path: segment.path.clone(),
                source,
            })?;
            part.truncate(read);
            bytes.append(&mut part);
        }
        Ok(bytes)
    }

    fn window(&self, anchor: LogAnchor, most: usize, plain: bool) -> Result<LogWindow, LogError> {
        let (begin, end) = (self.begin(), self.end());
        let offset = match anchor {
            LogAnchor::At(offset) | LogAnchor::Before(offset) => offset.clamp(begin, end),
            LogAnchor::End => end,
            LogAnchor::Since(time) => self.since(time)?,
        };
        let mut window = LogWindow {
            from: offset,
            next: offset,
            begin,
            end,
            ..LogWindow::default()
        };
        let cut = |mut at: u64, bytes: &[u8], most: usize| {
            let mut lines = Vec::new();
            for raw in bytes.split_inclusive(|byte| *byte == b'\n').take(most) {
                let text = clean(raw.strip_suffix(b"\n").unwrap_or(raw));
                lines.push(if plain {
                    LogLine::output(at, &text)
                } else {
                    LogLine::parse(at, &text)
                });
                at += raw.len() as u64;
            }
            (lines, at)
        };
        let mut taken = 0;
        while taken < WINDOW && window.lines.len() < most {
            let missing = most - window.lines.len();
            let (start, bytes) = if let LogAnchor::At(_) | LogAnchor::Since(_) = anchor {
                self.forward(window.next, missing)?
            } else {
                self.backward(window.from, missing)?
            };
            if bytes.is_empty() {
                break;
            }
            taken += bytes.len() as u64;
            let (mut lines, next) = cut(start, &bytes, missing);
            if let LogAnchor::At(_) | LogAnchor::Since(_) = anchor {
                window.lines.append(&mut lines);
                window.next = next;
            } else {
                lines.append(&mut window.lines);
                window.lines = lines;
                window.from = start;
            }
        }
        Ok(window)
    }

    /// The bytes of `lines` lines from `offset` on, as far as they hang together.
    fn forward(&self, offset: u64, lines: usize) -> Result<(u64, Vec<u8>), LogError> {
        let mut bytes = Vec::new();
        let Some(offset) = self.solid(offset) else {
            return Ok((offset, bytes));
        };
        let end = self.joined_after(offset);
        let mut at = offset;
        let mut found = 0;
        while at < end && found < lines && at - offset < WINDOW {
            let chunk = self.read(at, end.min(at + CHUNK))?;
            if chunk.is_empty() {
                break;
            }
            found += memchr::memchr_iter(b'\n', &chunk).count();
            at += chunk.len() as u64;
            bytes.extend(chunk);
        }
        Ok((offset, bytes))
    }

    /// The bytes of the `lines` lines that end before `offset`, as far as they hang together.
    fn backward(&self, offset: u64, lines: usize) -> Result<(u64, Vec<u8>), LogError> {
        let mut bytes: Vec<u8> = Vec::new();
        let Some((begin, offset)) = self.joined_before(offset) else {
            return Ok((offset, bytes));
        };
        let mut start = offset;
        while start > begin && offset - start < WINDOW {
            let from = begin.max(start.saturating_sub(CHUNK));
            let mut chunk = self.read(from, start)?;
            if chunk.is_empty() {
                break;
            }
            chunk.append(&mut bytes);
            bytes = chunk;
            start = from;
            // The newline that ends the last line belongs to it and is no boundary before it.
            let body = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            if let Some(cut) = memchr::memrchr_iter(b'\n', body).nth(lines.saturating_sub(1)) {
                bytes.drain(..=cut);
                return Ok((start + cut as u64 + 1, bytes));
            }
        }
        Ok((start, bytes))
    }
}

/// Files of a folder named `prefix` and a number, in the order of their numbers.
fn numbered(folder: &Path, prefix: &str) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(segments),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix));
        let Some(begin) = number.and_then(|number| number.parse().ok()) else {
            continue;
        };
        // A segment that is dropped between the listing and this look is not part of the log.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        segments.push(Segment {
            begin,
            length: metadata.len(),
            path: entry.path(),
            file: None,
        });
    }
    segments.sort_by_key(|segment| segment.begin);
    Ok(segments)
}

fn read_full_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::log::LogKind;

    fn texts(window: &LogWindow) -> Vec<&str> {
        window.lines.iter().map(|line| line.text.as_str()).collect()
    }

    fn log(parts: &[(u64, &str)]) -> (tempfile::TempDir, Segments) {
        let folder = tempfile::tempdir().unwrap();
        for (begin, text) in parts {
            fs::write(folder.path().join(format!("out.{begin:020}")), text).unwrap();
        }
        let segments = Segments::list(&Place::Run(folder.path().to_owned())).unwrap();
        (folder, segments)
    }

    #[test]
    fn windows_cross_segments_in_both_directions() {
        let (_folder, segments) = log(&[(0, "one\ntw"), (6, "o\nthree\n"), (14, "four")]);
        let end = segments.window(LogAnchor::End, 2, true).unwrap();
        assert_eq!(texts(&end), ["three", "four"]);
        assert_eq!(
            (end.lines[0].offset, end.next, end.begin, end.end),
            (8, 18, 0, 18)
        );
        let before = segments.window(LogAnchor::Before(8), 5, true).unwrap();
        assert_eq!(texts(&before), ["one", "two"]);
        assert_eq!(before.next, 8);
        let at = segments.window(LogAnchor::At(4), 2, true).unwrap();
        assert_eq!(texts(&at), ["two", "three"]);
        assert_eq!(at.next, 14);
    }

    #[test]
    fn b7_windows_go_over_a_hole_and_every_line_keeps_its_offset() {
        let (_folder, segments) = log(&[(0, "one\ntw"), (20, "o\nthree\n"), (28, "four\n")]);
        let offsets = |window: &LogWindow| -> Vec<u64> {
            window.lines.iter().map(|line| line.offset).collect()
        };
        let all = segments.window(LogAnchor::At(0), 9, true).unwrap();
        assert_eq!(texts(&all), ["one", "tw", "o", "three", "four"]);
        assert_eq!(offsets(&all), [0, 4, 20, 22, 28]);
        assert_eq!((all.from, all.next, all.end), (0, 33, 33));
        let end = segments.window(LogAnchor::End, 4, true).unwrap();
        assert_eq!(texts(&end), ["tw", "o", "three", "four"]);
        assert_eq!(
            (offsets(&end), end.from, end.next),
            (vec![4, 20, 22, 28], 4, 33)
        );
        // From within the hole.
        let at = segments.window(LogAnchor::At(10), 1, true).unwrap();
        assert_eq!((offsets(&at), at.next), (vec![20], 22));
        let before = segments.window(LogAnchor::Before(10), 1, true).unwrap();
        assert_eq!(offsets(&before), [4]);
    }

    #[test]
    fn a_log_that_is_not_there_is_empty() {
        let place = Place::Run(PathBuf::from("/nonexistent/headcount"));
        let window = Segments::list(&place)
            .unwrap()
            .window(LogAnchor::End, 5, true)
            .unwrap();
        assert_eq!(window, LogWindow::default());
    }

    #[test]
    fn a_rotated_log_says_where_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proc_001.log");
        fs::write(
            folder.path().join("proc_001.log.00000000000000000100"),
            "old\n",
        )
        .unwrap();
        fs::write(&path, "2026-11-23 10:41:07 | new\n").unwrap();
        let segments = Segments::list(&Place::File(path)).unwrap();
        let window = segments.window(LogAnchor::At(0), 9, false).unwrap();
        assert_eq!((window.begin, window.end), (100, 130));
        assert_eq!(texts(&window), ["old", "new"]);
        assert_eq!(window.lines[1].kind, LogKind::Assistant);
    }

    #[test]
    fn every_line_is_met_once_when_paging_through() {
        let text: String = (0..5000)
            .map(|n| format!("line {n} {}\n", "x".repeat(n % 97)))
            .collect();
        let (_folder, segments) = log(&[(0, &text[..70_000]), (70_000, &text[70_000..])]);
        let mut forward = Vec::new();
        let mut at = 0;
        while at < segments.end() {
            let window = segments.window(LogAnchor::At(at), 37, true).unwrap();
            forward.extend(window.lines);
            at = window.next;
        }
        let mut backward = Vec::new();
        let mut before = segments.end();
        while before > 0 {
            let window = segments
                .window(LogAnchor::Before(before), 41, true)
                .unwrap();
            before = window.lines[0].offset;
            backward.extend(window.lines.into_iter().rev());
        }
        backward.reverse();
        assert_eq!(forward.len(), 5000);
        assert!(forward == backward);
    }

    #[test]
    fn what_is_listed_is_read_as_it_was_though_the_log_is_rotated_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proc_001.log");
        let rotated = folder.path().join("proc_001.log.00000000000000000000");
        fs::write(&path, "one\ntwo\n").unwrap();
        let place = Place::File(path.clone());
        let before = Segments::list(&place).unwrap();
        fs::rename(&path, &rotated).unwrap();
        fs::write(&path, "three and more\n").unwrap();
        assert_eq!(before.read(0, 8).unwrap(), b"one\ntwo\n");
        let after = Segments::list(&place).unwrap();
        assert_eq!(after.read(4, 13).unwrap(), b"two\nthree");
        // What is dropped since the listing is a hole, and no failure.
        fs::remove_file(&rotated).unwrap();
        assert_eq!(after.read(0, 13).unwrap(), b"");
        assert_eq!(after.read(8, 13).unwrap(), b"three");
    }
}
