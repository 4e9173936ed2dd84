//! Cuts a stream of bytes into lines, wherever the chunks of it begin and end.

use memchr::memchr;

/// A longer line is let go by: no message is that long, and it must not become our memory.
pub const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// A buffer that a long line has grown beyond this is given back.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// One complete line, without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// It was this long, and nothing of it was kept.
    TooLong(u64),
}

/// What is known of the line that has not ended yet.
#[derive(Debug)]
pub(super) struct Framing {
    partial: Vec<u8>,
    // Length of the unfinished line if it is too long to be kept, else 0.
    dropped: u64,
    // Where the last complete line ended.
    end: u64,
    longest: usize,
}

impl Framing {
    pub(super) fn at(end: u64, longest: usize) -> Self {
        Self {
            partial: Vec::new(),
            dropped: 0,
            end,
            longest,
        }
    }

    /// Takes a chunk and hands over each line that ends in it, with the offset behind its newline.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>, u64)) {
        while let Some(newline) = memchr(b'\n', bytes) {
            let (tail, rest) = (&bytes[..newline], &bytes[newline + 1..]);
            let length = self.length() + tail.len() as u64;
            self.end += length + 1;
            if length > self.longest as u64 {
                each(Line::TooLong(length), self.end);
            } else if self.partial.is_empty() {
                each(Line::Whole(tail), self.end);
            } else {
                self.partial.extend_from_slice(tail);
                each(Line::Whole(&self.partial), self.end);
            }
            self.clear();
            bytes = rest;
        }
        if self.dropped > 0 || self.partial.len() + bytes.len() > self.longest {
            self.dropped = self.length() + bytes.len() as u64;
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    /// What stands behind the last newline, at the end of a stream; it is not complete.
    pub(super) fn rest(&mut self) -> Option<(Vec<u8>, u64)> {
        let length = self.length();
        if length == 0 {
            return None;
        }
        self.end += length;
        self.dropped = 0;
        Some((std::mem::take(&mut self.partial), self.end))
    }

    fn length(&self) -> u64 {
        self.dropped.max(self.partial.len() as u64)
    }

    fn clear(&mut self) {
        self.dropped = 0;
        if self.partial.capacity() > KEPT_CAPACITY {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]], longest: usize) -> Vec<(Result<Vec<u8>, u64>, u64)> {
        let mut framing = Framing::at(0, longest);
        let mut seen = Vec::new();
        for chunk in chunks {
            framing.push(chunk, |line, end| {
                let line = match line {
                    Line::Whole(bytes) => Ok(bytes.to_vec()),
                    Line::TooLong(length) => Err(length),
                };
                seen.push((line, end));
            });
        }
        seen
    }

    #[test]
    fn a_line_that_is_too_long_is_counted_and_the_next_one_is_whole() {
        let chunks: [&[u8]; 4] = [b"abc", b"def", b"gh\nok\nx", b"yz"];
        let expected = vec![(Err(8), 9), (Ok(b"ok".to_vec()), 12)];
        assert_eq!(lines(&chunks, 5), expected);
        let mut framing = Framing::at(100, 5);
        framing.push(b"a\nbc", |_, _| {});
        assert_eq!(framing.rest(), Some((b"bc".to_vec(), 104)));
        assert_eq!(framing.rest(), None);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(
            text in proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')], 0..200),
            cuts in proptest::collection::vec(0_usize..200, 0..8),
            longest in 1_usize..40,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(lines(&chunks, longest), lines(&[&text], longest));
        }
    }
}
