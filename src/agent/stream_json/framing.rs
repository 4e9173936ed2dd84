//! Cuts a stream of bytes into lines, wherever the chunks of it begin and end.

use std::borrow::Cow;

use memchr::memchr;

/// A longer line is no message, and must not become our memory: it is handed over in pieces.
pub const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// A buffer that a long line has grown beyond this is given back.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// One line, without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// Part of one that is too long; no character of it is torn.
    Piece {
        bytes: Cow<'a, [u8]>,
        first: bool,
        last: bool,
    },
}

/// What is known of the line that has not ended yet.
#[derive(Debug)]
pub(super) struct Framing {
    /// What is held of it: all, or the beginning of a character where it comes in pieces.
    partial: Vec<u8>,
    pieces: Option<Pieces>,
    // Where the last complete line ended, or the last piece.
    end: u64,
    longest: usize,
}

/// A line that is handed over in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pieces {
    Begin,
    Within,
}

impl Framing {
    pub(super) fn at(end: u64, longest: usize) -> Self {
        Self {
            partial: Vec::new(),
            pieces: None,
            end,
            longest,
        }
    }

    /// The same, where an earlier one had handed over the beginning of a line in pieces.
    pub(super) fn within(end: u64, longest: usize) -> Self {
        Self {
            pieces: Some(Pieces::Within),
            ..Self::at(end, longest)
        }
    }

    /// Takes a chunk and hands over each line that ends in it, with the offset behind its newline.
    ///
    /// A line that turns out to be too long is let go and comes again in pieces: then this returns
    /// where the next chunk has to begin.
    #[must_use]
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(Line<'_>, u64),
    ) -> Option<u64> {
        while !bytes.is_empty() {
            let newline = memchr(b'\n', bytes);
            let (tail, rest) = match newline {
                Some(at) => (&bytes[..at], &bytes[at + 1..]),
                None => (bytes, &[][..]),
            };
            let last = newline.is_some();
            if let Some(pieces) = self.pieces {
                let piece = self.piece(tail, last);
                self.end += piece.len() as u64 + u64::from(last);
                self.pieces = (!last).then_some(Pieces::Within);
                let first = pieces == Pieces::Begin;
                let bytes = piece;
                each(Line::Piece { bytes, first, last }, self.end);
            } else if self.partial.len() + tail.len() > self.longest {
                self.pieces = Some(Pieces::Begin);
                self.partial = Vec::new();
                return Some(self.end);
            } else if !last {
                self.partial.extend_from_slice(tail);
            } else {
                self.end += (self.partial.len() + tail.len()) as u64 + 1;
                if self.partial.is_empty() {
                    each(Line::Whole(tail), self.end);
                } else {
                    self.partial.extend_from_slice(tail);
                    each(Line::Whole(&self.partial), self.end);
                }
                self.clear();
            }
            bytes = rest;
        }
        None
    }

    /// What is held and what came, but for the beginning of a character at its end.
    fn piece<'a>(&mut self, tail: &'a [u8], last: bool) -> Cow<'a, [u8]> {
        let mut piece = if self.partial.is_empty() {
            Cow::Borrowed(tail)
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(tail);
            Cow::Owned(whole)
        };
        let torn = if last { 0 } else { begun(&piece) };
        if torn > 0 {
            let cut = piece.len() - torn;
            self.partial = piece[cut..].to_vec();
            match &mut piece {
                Cow::Borrowed(bytes) => *bytes = &bytes[..cut],
                Cow::Owned(bytes) => bytes.truncate(cut),
            }
        }
        piece
    }

    /// What stands behind the last newline, at the end of a stream; it is not complete.
    pub(super) fn rest(&mut self) -> Option<(Rest, u64)> {
        self.end += self.partial.len() as u64;
        let bytes = std::mem::take(&mut self.partial);
        let rest = match self.pieces.take() {
            Some(_) => Rest::Piece(bytes),
            None if bytes.is_empty() => return None,
            None => Rest::Line(bytes),
        };
        Some((rest, self.end))
    }

    fn clear(&mut self) {
        if self.partial.capacity() > KEPT_CAPACITY {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
        }
    }
}

/// What a stream ended with that had no newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// A line that was cut.
    Line(Vec<u8>),
    /// The last piece of one that is too long.
    Piece(Vec<u8>),
}

/// How many bytes at the end are the beginning of a character.
fn begun(bytes: &[u8]) -> usize {
    let is_begun = |length: &usize| {
        let end = std::str::from_utf8(&bytes[bytes.len() - length..]);
        end.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).find(is_begun).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A line, or one that was too long put together from its pieces, and where it ends.
    type Seen = (Result<Vec<u8>, Vec<u8>>, u64);

    fn lines(chunks: &[&[u8]], longest: usize) -> Vec<Seen> {
        let text = chunks.concat();
        let mut framing = Framing::at(0, longest);
        let mut seen = Vec::new();
        let mut long: Option<Vec<u8>> = None;
        let mut at = 0;
        for chunk in chunks {
            let to = at + chunk.len();
            while at < to {
                let again = framing.push(&text[at..to], |line, end| match line {
                    Line::Whole(bytes) => {
                        assert_eq!(long, None);
                        seen.push((Ok(bytes.to_vec()), end));
                    }
                    Line::Piece { bytes, first, last } => {
                        assert_eq!(first, long.is_none());
                        let whole = long.get_or_insert_default();
                        whole.extend_from_slice(&bytes);
                        if last {
                            seen.push((Err(long.take().unwrap()), end));
                        }
                    }
                });
                at = again.map_or(to, |again| usize::try_from(again).unwrap());
            }
        }
        seen
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces_and_the_next_one_is_whole() {
        let chunks: [&[u8]; 4] = [b"abc", b"def", b"gh\nok\nx", b"yz"];
        let expected = vec![(Err(b"abcdefgh".to_vec()), 9), (Ok(b"ok".to_vec()), 12)];
        assert_eq!(lines(&chunks, 5), expected);
        let mut framing = Framing::at(100, 5);
        assert_eq!(framing.push(b"a\nbc", |_, _| {}), None);
        assert_eq!(framing.rest(), Some((Rest::Line(b"bc".to_vec()), 104)));
        assert_eq!(framing.rest(), None);
    }

    #[test]
    fn the_end_of_a_long_line_is_told_from_a_line_that_was_cut() {
        let mut framing = Framing::at(0, 3);
        assert_eq!(framing.push(b"abcd", |_, _| {}), Some(0));
        assert_eq!(
            framing.push("abcdé".as_bytes().split_last().unwrap().1, |_, _| {}),
            None
        );
        assert_eq!(framing.rest(), Some((Rest::Piece(vec![0xc3]), 5)));
        let mut framing = Framing::within(7, 3);
        let mut seen = Vec::new();
        assert_eq!(
            framing.push(b"xyz\n", |line, end| seen.push((format!("{line:?}"), end))),
            None
        );
        assert!(seen[0].0.contains("first: false, last: true"), "{seen:?}");
        assert_eq!((seen.len(), seen[0].1), (1, 11));
    }

    #[test]
    fn no_character_is_torn_between_pieces() {
        let text = "aé€😀".repeat(3);
        for cut in 1..text.len() {
            let mut framing = Framing::within(0, 3);
            let mut pieces = Vec::new();
            for chunk in [&text.as_bytes()[..cut], &text.as_bytes()[cut..], b"\n"] {
                let again = framing.push(chunk, |line, _| match line {
                    Line::Piece { bytes, .. } => {
                        pieces.push(String::from_utf8(bytes.into_owned()).unwrap());
                    }
                    Line::Whole(_) => panic!("it was too long"),
                });
                assert_eq!(again, None);
            }
            assert_eq!(pieces.concat(), text);
        }
        for (bytes, held) in [
            (&b"\xff\xff\xff"[..], 0),
            (b"", 0),
            (b"\x80\xe2", 1),
            (b"a\xf0\x9f\x98", 3),
        ] {
            assert_eq!(begun(bytes), held, "{bytes:?}");
        }
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
