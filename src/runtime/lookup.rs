//! What a log holds of a kind, and where words stand in it: walks over whole lines, block by block in
//! either direction, so that the memory it takes does not depend on the log.

use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::clean::clean;
use crate::domain::log::{
    LogAnchor, LogChoice, LogFound, LogKind, LogLine, LogSearch, LogSeek, LogWindow,
};
use crate::os::run_folder::RunFolder;
use crate::os::segments::Stream;
use crate::runtime::logs::{LogError, Segments};

/// How much is read at once.
const BLOCK: u64 = 256 * 1024;
/// A line that is longer than this is looked through in pieces.
const LONGEST: u64 = 4 * 1024 * 1024;
/// How much is looked through for one window of chosen lines: who wants more asks again from there.
const LOOK: u64 = 2 * 1024 * 1024;

/// Whole lines, and where the first one begins.
#[derive(Debug)]
struct Block {
    begin: u64,
    bytes: Vec<u8>,
}

impl Block {
    fn end(&self) -> u64 {
        self.begin + self.bytes.len() as u64
    }

    /// Offsets and bytes of the lines, without their newlines.
    fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut at = self.begin;
        self.bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(move |line| {
                let offset = at;
                at += line.len() as u64;
                (offset, line.strip_suffix(b"\n").unwrap_or(line))
            })
    }
}

impl Segments {
    /// The lines from an offset on; empty at the end.
    fn after(&self, from: u64) -> Result<Block, LogError> {
        let from = self.solid(from).unwrap_or(from);
        let end = self.joined_after(from);
        let mut size = BLOCK;
        loop {
            let to = end.min(from.saturating_add(size));
            let mut bytes = self.read(from, to)?;
            if to < end && size < LONGEST {
                // The last line is not whole: it belongs to the next block.
                match memchr::memrchr(b'\n', &bytes) {
                    Some(last) => bytes.truncate(last + 1),
                    None if !bytes.is_empty() => {
                        size *= 4;
                        continue;
                    }
                    None => {}
                }
            }
            return Ok(Block { begin: from, bytes });
        }
    }

    /// The lines that end at an offset where a line begins; empty at the beginning.
    fn before(&self, to: u64) -> Result<Block, LogError> {
        let (begin, to) = self.joined_before(to).unwrap_or((to, to));
        let mut size = BLOCK;
        loop {
            let mut from = begin.max(to.saturating_sub(size));
            let mut bytes = self.read(from, to)?;
            if from > begin && size < LONGEST {
                let first = memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1);
                if first >= bytes.len() && !bytes.is_empty() {
                    size *= 4;
                    continue;
                }
                bytes.drain(..first);
                from += first as u64;
            }
            return Ok(Block { begin: from, bytes });
        }
    }

    /// Where the first line begins that begins at or after an offset.
    fn line_from(&self, offset: u64) -> Result<u64, LogError> {
        if offset <= self.begin() {
            return Ok(offset);
        }
        let mut at = offset - 1;
        loop {
            match self.solid(at) {
                Some(solid) if solid == at => {}
                // Behind a hole a line begins.
                Some(solid) => return Ok(solid),
                None => return Ok(self.end().max(offset)),
            }
            let bytes = self.read(at, self.end().min(at + BLOCK))?;
            if let Some(newline) = memchr::memchr(b'\n', &bytes) {
                return Ok(at + newline as u64 + 1);
            }
            if bytes.is_empty() {
                return Ok(at);
            }
            at += bytes.len() as u64;
        }
    }

    /// Where the first line begins that was written at a time or later; the end if none was.
    ///
    /// Halves the log, as its lines are in the order of their times, and then walks the last block.
    pub(crate) fn since(&self, time: DateTime) -> Result<u64, LogError> {
        // What ends before `low` is older than that.
        let (mut low, mut high) = (self.begin(), self.end());
        while high - low > BLOCK {
            let middle = self.line_from(low + (high - low) / 2)?;
            if middle >= high {
                break;
            }
            match self.timed(middle, high)? {
                Some((offset, at)) if at < time => low = offset,
                Some(_) | None => high = middle,
            }
        }
        let end = self.end();
        while low < end {
            let block = self.after(low)?;
            if block.bytes.is_empty() {
                break;
            }
            for (offset, line) in block.lines() {
                if LogLine::parse(offset, &clean(line))
                    .time
                    .is_some_and(|at| at >= time)
                {
                    return Ok(offset);
                }
            }
            low = block.end();
        }
        Ok(end)
    }

    /// Where the record of a run, whose lines have no times, stood at a time: up to a second before
    /// what came then; the end if nothing came since.
    pub(crate) fn recorded_since(&self, folder: &Path, time: DateTime) -> Result<u64, LogError> {
        let fail = |source| LogError::Read {
            path: folder.to_owned(),
            source,
        };
        let begin = time
            .to_zoned(TimeZone::system())
            .map_err(|error| fail(std::io::Error::other(error)))?
            .timestamp()
            .as_millisecond();
        let moments = RunFolder::open(folder)
            .map_err(|error| fail(std::io::Error::other(error)))?
            .moments(Stream::Out)
            .map_err(|error| fail(std::io::Error::other(error)))?;
        // What follows a moment came within a second from then, or there is another moment.
        let at = moments
            .iter()
            .find(|moment| i64::try_from(moment.unix_ms).is_ok_and(|ms| ms + 1000 > begin));
        self.line_from(at.map_or(self.end(), |moment| moment.offset))
    }

    /// The first line from an offset on that has a time.
    fn timed(&self, from: u64, to: u64) -> Result<Option<(u64, DateTime)>, LogError> {
        let mut at = from;
        while at < to {
            let block = self.after(at)?;
            if block.bytes.is_empty() {
                break;
            }
            let found = block.lines().find_map(|(offset, line)| {
                Some((offset, LogLine::parse(offset, &clean(line)).time?))
            });
            if found.is_some() {
                return Ok(found);
            }
            at = block.end();
        }
        Ok(None)
    }

    /// A window of the lines of a kind. It holds fewer than `lines` where they are rare.
    pub(crate) fn chosen(
        &self,
        anchor: LogAnchor,
        lines: usize,
        choice: LogChoice,
    ) -> Result<LogWindow, LogError> {
        let (begin, end) = (self.begin(), self.end());
        let mut window = LogWindow {
            begin,
            end,
            ..LogWindow::default()
        };
        let offset = match anchor {
            LogAnchor::At(offset) | LogAnchor::Before(offset) => offset.clamp(begin, end),
            LogAnchor::End => end,
            LogAnchor::Since(time) => self.since(time)?,
        };
        (window.from, window.next) = (offset, offset);
        if let LogAnchor::At(_) | LogAnchor::Since(_) = anchor {
            while window.next - offset < LOOK && window.lines.len() < lines {
                let block = self.after(window.next)?;
                if block.bytes.is_empty() {
                    break;
                }
                window.next = block.end();
                for (at, raw) in block.lines() {
                    if window.lines.len() == lines {
                        window.next = at;
                        break;
                    }
                    window.lines.extend(of_kind(at, raw, choice));
                }
            }
            return Ok(window);
        }
        while offset - window.from < LOOK && window.lines.len() < lines {
            let block = self.before(window.from)?;
            if block.bytes.is_empty() {
                break;
            }
            let lines = block.lines();
            let mut found: Vec<_> = lines
                .filter_map(|(at, raw)| of_kind(at, raw, choice))
                .collect();
            window.from = block.begin;
            found.append(&mut window.lines);
            window.lines = found;
        }
        let over = window.lines.len().saturating_sub(lines);
        if over > 0 {
            window.lines.drain(..over);
            window.from = window.lines.first().map_or(window.from, |line| line.offset);
        }
        Ok(window)
    }

    /// Looks for words, until `stop` says so.
    pub(crate) fn search(
        &self,
        search: &LogSearch,
        plain: bool,
        stop: impl Fn() -> bool,
    ) -> Result<LogFound, LogError> {
        let (begin, end) = (self.begin(), self.end());
        let is_hit = |raw: &[u8]| is_hit(raw, search, plain);
        let mut count = 0;
        let mut at = match search.seek {
            LogSeek::Next(offset) => self.line_from(offset.clamp(begin, end))?,
            LogSeek::Previous(offset) => offset.clamp(begin, end),
            LogSeek::Count => begin,
        };
        loop {
            if stop() {
                return Err(LogError::Interrupted);
            }
            let back = matches!(search.seek, LogSeek::Previous(_));
            let block = if back {
                self.before(at)?
            } else {
                self.after(at)?
            };
            if block.bytes.is_empty() {
                break;
            }
            at = if back { block.begin } else { block.end() };
            let mut hits = block.lines().filter(|(_, raw)| is_hit(raw));
            let found = match search.seek {
                LogSeek::Next(_) => hits.next(),
                LogSeek::Previous(_) => hits.last(),
                LogSeek::Count => {
                    let left = LogSeek::MOST - count;
                    let more = hits.take(left as usize).count();
                    count += u32::try_from(more).unwrap_or(left);
                    if count >= LogSeek::MOST {
                        break;
                    }
                    continue;
                }
            };
            if let Some((offset, _)) = found {
                return Ok(LogFound::Line(offset));
            }
        }
        Ok(match search.seek {
            LogSeek::Count => LogFound::Count(count),
            LogSeek::Next(_) | LogSeek::Previous(_) => LogFound::Nothing,
        })
    }
}

/// A line, if it is of a kind. The mark is looked at before the rest is read.
fn of_kind(offset: u64, raw: &[u8], choice: LogChoice) -> Option<LogLine> {
    const MARK: usize = 20;
    let kind = LogKind::from_mark(char::from(*raw.get(MARK)?))?;
    if !choice.admits(kind) {
        return None;
    }
    let line = LogLine::parse(offset, &clean(raw));
    choice.admits(line.kind).then_some(line)
}

/// Whether the words stand in a line as it is shown.
fn is_hit(raw: &[u8], search: &LogSearch, plain: bool) -> bool {
    let cleaned;
    let shown = match std::str::from_utf8(raw) {
        Ok(text) if raw.iter().all(|byte| matches!(byte, b' '..=b'~')) => text,
        _ => {
            cleaned = clean(raw);
            &cleaned
        }
    };
    if search.words.find(shown, 0).is_none() {
        return false;
    }
    if plain {
        return true;
    }
    // Neither the time nor the mark is a hit.
    let line = LogLine::parse(0, shown);
    search.choice.admits(line.kind) && search.words.find(&line.text, 0).is_some()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::ProcessId;
    use crate::domain::log::{LogForm, LogWords};
    use crate::runtime::logs::Place;

    /// A log in several files, cut anywhere.
    fn log(text: &str, cuts: &[usize]) -> (tempfile::TempDir, Segments) {
        let folder = tempfile::tempdir().unwrap();
        let mut begin = 0;
        for cut in cuts.iter().copied().chain([text.len()]) {
            let cut = text.floor_char_boundary(cut.min(text.len())).max(begin);
            let part = &text[begin..cut];
            if !part.is_empty() {
                fs::write(folder.path().join(format!("out.{begin:020}")), part).unwrap();
            }
            begin = cut;
        }
        let segments = Segments::list(&Place::Run(folder.path().to_owned())).unwrap();
        (folder, segments)
    }

    fn search(words: &str, seek: LogSeek) -> LogSearch {
        LogSearch {
            process: ProcessId(1),
            form: LogForm::Rendered,
            choice: LogChoice::All,
            words: LogWords::new(words).unwrap(),
            seek,
        }
    }

    fn found(segments: &Segments, words: &str, seek: LogSeek) -> LogFound {
        segments
            .search(&search(words, seek), false, || false)
            .unwrap()
    }

    /// Lines of all kinds, one error in a hundred.
    fn lines(count: usize) -> String {
        let line = |n: usize| {
            let mark = if n % 100 == 50 { '!' } else { '|' };
            format!(
                "2026-11-23 10:41:07 {mark} line {n} {}\n",
                "x".repeat(n % 97)
            )
        };
        (0..count).map(line).collect()
    }

    #[test]
    fn a_search_goes_both_ways_over_every_file() {
        let text = lines(9000);
        let (_folder, segments) = log(&text, &[100_000, 300_001]);
        let at = |n: usize| {
            LogFound::Line(
                text.find(&format!("2026-11-23 10:41:07 | line {n} "))
                    .unwrap() as u64,
            )
        };
        assert_eq!(found(&segments, "line 8123 ", LogSeek::Next(0)), at(8123));
        assert_eq!(
            found(&segments, "LINE 8123 ", LogSeek::Next(0)),
            LogFound::Nothing
        );
        assert_eq!(
            found(&segments, "line 123 ", LogSeek::Previous(u64::MAX)),
            at(123)
        );
        let LogFound::Line(hit) = at(123) else {
            panic!("no line");
        };
        assert_eq!(found(&segments, "line 123 ", LogSeek::Next(hit)), at(123));
        assert_eq!(
            found(&segments, "line 123 ", LogSeek::Next(hit + 1)),
            LogFound::Nothing
        );
        assert_eq!(
            found(&segments, "line 123 ", LogSeek::Previous(hit)),
            LogFound::Nothing
        );
        assert_eq!(found(&segments, "line 1", LogSeek::Previous(hit)), at(122));
        assert_eq!(
            found(&segments, "line 899", LogSeek::Count),
            LogFound::Count(11)
        );
        assert_eq!(
            found(&segments, "line", LogSeek::Count),
            LogFound::Count(9000)
        );
    }

    #[test]
    fn neither_time_nor_mark_nor_an_escape_sequence_is_a_hit() {
        let text =
            "2026-11-23 10:41:07 | a\u{1b}[31mred\u{1b}[0m\tapple\n2026-11-23 10:41:08 ! no\n";
        let (_folder, segments) = log(text, &[]);
        assert_eq!(
            found(&segments, "10:41", LogSeek::Next(0)),
            LogFound::Nothing
        );
        assert_eq!(found(&segments, "31m", LogSeek::Next(0)), LogFound::Nothing);
        assert_eq!(
            found(&segments, "ared", LogSeek::Next(0)),
            LogFound::Line(0)
        );
        let errors = LogSearch {
            choice: LogChoice::Errors,
            ..search("o", LogSeek::Count)
        };
        let count = segments.search(&errors, false, || false).unwrap();
        assert_eq!(count, LogFound::Count(1));
    }

    #[test]
    fn a_search_stops_when_it_is_told_to() {
        let (_folder, segments) = log(&lines(100), &[]);
        let stopped = segments.search(&search("x", LogSeek::Count), false, || true);
        assert!(matches!(stopped, Err(LogError::Interrupted)));
    }

    #[test]
    fn a_line_longer_than_a_block_is_found_whole() {
        let long = "y".repeat(700_000);
        let text = format!("short\n{long} needle\nlast\n");
        let (_folder, segments) = log(&text, &[300_000]);
        assert_eq!(
            found(&segments, "needle", LogSeek::Next(0)),
            LogFound::Line(6)
        );
        assert_eq!(
            found(&segments, "needle", LogSeek::Previous(u64::MAX)),
            LogFound::Line(6)
        );
    }

    #[test]
    fn a_window_of_rare_lines_says_how_far_it_looked() {
        let text = lines(60_000);
        let (_folder, segments) = log(&text, &[1_000_000]);
        let mut seen = Vec::new();
        let mut before = segments.end();
        while before > segments.begin() {
            let window = segments
                .chosen(LogAnchor::Before(before), 10_000, LogChoice::Errors)
                .unwrap();
            assert!(before - window.from <= LOOK + LONGEST);
            before = window.from;
            seen.splice(0..0, window.lines);
        }
        assert_eq!(seen.len(), 600);
        assert!(seen.iter().all(|line| line.kind == LogKind::Error));
        let mut forward = Vec::new();
        let mut at = segments.begin();
        while at < segments.end() {
            let window = segments
                .chosen(LogAnchor::At(at), 7, LogChoice::Errors)
                .unwrap();
            at = window.next;
            forward.extend(window.lines);
        }
        assert!(forward == seen);
    }

    #[test]
    fn b7_a_search_goes_over_a_hole() {
        let folder = tempfile::tempdir().unwrap();
        for (begin, text) in [
            (0, "needle\nha"),
            (500, "lf needle\n"),
            (510, "needle\nx\n"),
        ] {
            fs::write(folder.path().join(format!("out.{begin:020}")), text).unwrap();
        }
        let segments = Segments::list(&Place::Run(folder.path().to_owned())).unwrap();
        let look = |seek| {
            segments
                .search(&search("needle", seek), true, || false)
                .unwrap()
        };
        let mut down = Vec::new();
        let mut at = 0;
        while let LogFound::Line(hit) = look(LogSeek::Next(at)) {
            down.push(hit);
            at = hit + 1;
        }
        assert_eq!(down, [0, 500, 510]);
        let mut up = Vec::new();
        let mut at = u64::MAX;
        while let LogFound::Line(hit) = look(LogSeek::Previous(at)) {
            up.push(hit);
            at = hit;
        }
        assert_eq!(up, [510, 500, 0]);
        assert_eq!(look(LogSeek::Count), LogFound::Count(3));
    }

    #[test]
    fn a_place_in_the_output_of_a_command_is_found_by_time() {
        use crate::os::segments::index_path;
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run_000001");
        fs::create_dir(&run).unwrap();
        fs::write(
            run.join(format!("out.{:020}", 0)),
            "one\ntwo\nthree\nfour\n",
        )
        .unwrap();
        let begin = jiff::civil::datetime(2026, 11, 23, 10, 0, 0, 0);
        let zoned = begin.to_zoned(TimeZone::system()).unwrap();
        let first = u64::try_from(zoned.timestamp().as_millisecond()).unwrap();
        let index =
            [(0, first), (4, first + 1500), (8, first + 60_000)].map(|(offset, unix_ms)| {
                let moment = crate::os::segments::Moment { offset, unix_ms };
                moment.to_bytes()
            });
        fs::write(index_path(&run, Stream::Out), index.concat()).unwrap();
        let segments = Segments::list(&Place::Run(run.clone())).unwrap();
        for (seconds, offset) in [(-60, 0), (0, 0), (1, 4), (2, 4), (3, 8), (60, 8), (61, 19)] {
            let time = begin + jiff::SignedDuration::from_secs(seconds);
            assert_eq!(
                segments.recorded_since(&run, time).unwrap(),
                offset,
                "{seconds}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_search_finds_what_a_plain_look_finds(
            words in prop::collection::vec("[ab]{0,6}", 1..60),
            cuts in prop::collection::btree_set(0usize..300, 0..4),
            from in 0u64..300,
        ) {
            let text: String = words.iter().map(|line| format!("{line}\n")).collect();
            let cuts: Vec<usize> = cuts.into_iter().collect();
            let (_folder, segments) = log(&text, &cuts);
            let mut at = 0;
            let mut hits = Vec::new();
            let mut begins = vec![];
            for line in &words {
                begins.push(at);
                if line.contains("ab") {
                    hits.push(at);
                }
                at += line.len() as u64 + 1;
            }
            let from = begins.iter().copied().rfind(|begin| *begin <= from).unwrap_or(0);
            let line = |found: Option<&u64>| found.map_or(LogFound::Nothing, |at| LogFound::Line(*at));
            let next = hits.iter().find(|hit| **hit >= from);
            prop_assert_eq!(found(&segments, "ab", LogSeek::Next(from)), line(next));
            let before = hits.iter().rfind(|hit| **hit < from);
            prop_assert_eq!(found(&segments, "ab", LogSeek::Previous(from)), line(before));
            let count = u32::try_from(hits.len()).unwrap();
            prop_assert_eq!(found(&segments, "ab", LogSeek::Count), LogFound::Count(count));
        }
    }
}
