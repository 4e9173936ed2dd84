//! Takes the answers of a terminal out of what a person types.
//!
//! The client asks its terminal nothing, but answers arrive all the same: to a question that a
//! program before us asked over a slow link, or as a report of a new colour scheme. The decoder of
//! keys does not know most of them; `ESC ] 11 ; rgb:…` would become Alt-] and letters, that is,
//! commands. So they are taken out of the bytes before these are decoded.

use std::time::Duration;

/// An escape that nothing follows for so long is the Escape key.
const ESCAPE: Duration = Duration::from_millis(30);
/// The beginning of an answer that nothing follows for so long is a key with Alt.
const OPENING: Duration = Duration::from_millis(120);
/// An answer that does not go on for so long is given up.
const ANSWER: Duration = Duration::from_secs(1);
/// The longest answer; a key sequence is far shorter.
const LONGEST: usize = 4096;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const PASTE_ENDS: &[u8] = b"\x1b[201~";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Plain text.
    #[default]
    Ground,
    /// After `ESC`.
    Escape,
    /// After `ESC` and the letter that may open a string of this kind.
    Opening(u8),
    /// Inside a string that ends with BEL or ST.
    Text,
    /// Inside a string, after `ESC`.
    TextEscape,
    /// After `ESC [`.
    Csi,
    /// So many bytes belong to the sequence, whatever they are.
    Take(u8),
    /// Inside a paste; so many bytes of its end are seen.
    Paste(usize),
}

/// Passes keys, mouse and pastes on, and drops the answers of a terminal.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    state: State,
    /// What is read of a sequence that is not decided yet.
    held: Vec<u8>,
}

impl Filter {
    /// Takes what was read and adds what may be decoded to `keys`.
    pub(crate) fn feed(&mut self, bytes: &[u8], keys: &mut Vec<u8>) {
        for byte in bytes {
            self.byte(*byte, keys);
        }
    }

    /// How long to wait for more before [`Filter::settle`]; `None` if nothing is held.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match self.state {
            State::Ground | State::Paste(_) => None,
            State::Escape => Some(ESCAPE),
            State::Opening(_) | State::Csi | State::Take(_) => Some(OPENING),
            State::Text | State::TextEscape => Some(ANSWER),
        }
    }

    /// Nothing more came in time: decides what is held as it stands.
    pub(crate) fn settle(&mut self, keys: &mut Vec<u8>) {
        match self.state {
            State::Text | State::TextEscape => self.drop_held(),
            State::Paste(_) => {}
            _ => self.pass_held(keys),
        }
    }

    fn byte(&mut self, byte: u8, keys: &mut Vec<u8>) {
        match self.state {
            State::Ground if byte == ESC => self.hold(byte, State::Escape),
            State::Ground => keys.push(byte),
            State::Escape => self.after_escape(byte, keys),
            State::Opening(kind) => self.after_opening(kind, byte, keys),
            State::Text => match byte {
                BEL => self.drop_held(),
                ESC => self.hold(byte, State::TextEscape),
                // 0x18 and 0x1a abort a string.
                0x18 | 0x1a => self.drop_held(),
                _ if self.held.len() > LONGEST => self.drop_held(),
                _ => self.hold(byte, State::Text),
            },
            State::TextEscape => {
                // ST, or a new sequence that ends the string without one.
                self.drop_held();
                if byte != b'\\' {
                    self.hold(ESC, State::Escape);
                    self.byte(byte, keys);
                }
            }
            State::Csi => self.in_csi(byte, keys),
            State::Take(left) => {
                self.held.push(byte);
                match left {
                    0 | 1 => self.pass_held(keys),
                    _ => self.state = State::Take(left - 1),
                }
            }
            State::Paste(seen) => {
                keys.push(byte);
                let seen = match PASTE_ENDS.get(seen) {
                    Some(next) if *next == byte => seen + 1,
                    _ => usize::from(byte == ESC),
                };
                self.state = if seen == PASTE_ENDS.len() {
                    State::Ground
                } else {
                    State::Paste(seen)
                };
            }
        }
    }

    fn after_escape(&mut self, byte: u8, keys: &mut Vec<u8>) {
        match byte {
            b'[' => self.hold(byte, State::Csi),
            b']' | b'P' | b'_' | b'^' | b'X' => self.hold(byte, State::Opening(byte)),
            b'O' => {
                self.hold(byte, State::Take(1));
            }
            ESC => {
                self.pass_held(keys);
                self.hold(ESC, State::Escape);
            }
            _ => {
                self.held.push(byte);
                self.pass_held(keys);
            }
        }
    }

    /// Decides by its first byte whether a string follows: an answer always begins in one of these
    /// ways, and a person who types Alt-] hardly ever goes on so within the time.
    fn after_opening(&mut self, kind: u8, byte: u8, keys: &mut Vec<u8>) {
        let string = match kind {
            b']' => byte.is_ascii_digit(),
            b'P' => byte.is_ascii_digit() || b">!$+=?|".contains(&byte),
            b'_' => byte == b'G',
            _ => false,
        };
        if string {
            self.hold(byte, State::Text);
        } else {
            self.pass_held(keys);
            self.byte(byte, keys);
        }
    }

    fn in_csi(&mut self, byte: u8, keys: &mut Vec<u8>) {
        self.held.push(byte);
        match byte {
            // The console's function keys: `ESC [ [ A`.
            b'[' if self.held.len() == 3 => self.state = State::Take(1),
            // The old form of the mouse: three bytes follow.
            b'M' if self.held.len() == 3 => self.state = State::Take(3),
            0x20..=0x3f if self.held.len() < LONGEST => {}
            0x40..=0x7e => {
                let paste = self.held == b"\x1b[200~";
                if is_key(self.held.get(2..).unwrap_or_default()) {
                    self.pass_held(keys);
                } else {
                    self.drop_held();
                }
                if paste {
                    self.state = State::Paste(0);
                }
            }
            ESC => {
                // The sequence was cut; another one begins.
                self.drop_held();
                self.hold(ESC, State::Escape);
            }
            _ => self.drop_held(),
        }
    }

    fn hold(&mut self, byte: u8, state: State) {
        self.held.push(byte);
        self.state = state;
    }

    fn pass_held(&mut self, keys: &mut Vec<u8>) {
        keys.append(&mut self.held);
        self.state = State::Ground;
    }

    fn drop_held(&mut self) {
        self.held.clear();
        self.state = State::Ground;
    }
}

/// Whether a control sequence, from behind its `[` to its last byte, is something a person did.
fn is_key(sequence: &[u8]) -> bool {
    let Some((last, parameters)) = sequence.split_last() else {
        return false;
    };
    match parameters.first() {
        // The mouse.
        Some(b'<') => matches!(last, b'M' | b'm'),
        // Reports: of a mode, of the device, of the keyboard, of the colour scheme.
        Some(b'?' | b'>' | b'=') => false,
        _ if parameters.iter().any(|byte| (0x20..=0x2f).contains(byte)) => false,
        None => b"ABCDEFHPQSZIO".contains(last),
        // Attributes, cursor position, status and window reports end with other letters.
        Some(_) => b"ABCDEFHPQSZ~uM".contains(last),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn keys_of(chunks: &[&[u8]]) -> Vec<u8> {
        let mut filter = Filter::default();
        let mut keys = Vec::new();
        for chunk in chunks {
            filter.feed(chunk, &mut keys);
        }
        filter.settle(&mut keys);
        keys
    }

    const ANSWERS: &[&[u8]] = &[
        b"\x1b]11;rgb:1e1e/1e1e/2e2e\x07",
        b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\",
        b"\x1b]4;1;rgb:cdcd/0000/0000\x1b\\",
        b"\x1b]52;c;cXVpdA==\x07",
        b"\x1b[?1;2c",
        b"\x1b[?64;1;2;6;9;15;18;21;22c",
        b"\x1b[>0;276;0c",
        b"\x1b[=0c",
        b"\x1b[12;40R",
        b"\x1b[?12;40;1R",
        b"\x1b[0n",
        b"\x1b[?997;1n",
        b"\x1b[?2026;2$y",
        b"\x1b[4;600;800t",
        b"\x1b[?1u",
        b"\x1bP>|xterm(390)\x1b\\",
        b"\x1bP1+r5463=787465726d\x1b\\",
        b"\x1bP1$r0 q\x1b\\",
        b"\x1b_Gi=31;OK\x1b\\",
    ];

    const KEYS: &[&[u8]] = &[
        b"q",
        b"\x1b",
        b"\x1b\x1b",
        b"\x1b[A",
        b"\x1b[1;5C",
        b"\x1bOP",
        b"\x1b[[A",
        b"\x1b[15~",
        b"\x1b[27u",
        b"\x1b[97;5u",
        b"\x1b[97;1:3u",
        b"\x1b[Z",
        b"\x1b[I",
        b"\x1b[<35;40;12M",
        b"\x1b[<0;40;12m",
        b"\x1b[M !!",
        b"\x1bq",
        b"\x1b]",
        b"\x1b]abc",
        b"\x1bP",
        b"\x1bPut",
        b"\x1b_",
        b"\x03\x1a\r\t\x7f",
        b"\x1b[200~x\x1b]11;rgb:1\x07\x1b[?1;2c\x1b[201~y",
        "caf\u{e9} \u{1f980}".as_bytes(),
    ];

    #[test]
    fn e6_no_answer_of_a_terminal_is_taken_for_a_key() {
        for answer in ANSWERS {
            let shown = answer.escape_ascii().to_string();
            assert_eq!(keys_of(&[answer]).escape_ascii().to_string(), "", "{shown}");
            let around = [b"a", *answer, b"b"].concat();
            assert_eq!(keys_of(&[&around]), b"ab", "{shown}");
            for cut in 1..answer.len() {
                let (one, two) = answer.split_at(cut);
                assert_eq!(keys_of(&[one, two, b"b"]), b"b", "{shown} cut at {cut}");
            }
        }
    }

    #[test]
    fn keys_mouse_and_pastes_pass_as_they_are() {
        for key in KEYS {
            assert_eq!(
                keys_of(&[key]).escape_ascii().to_string(),
                key.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn an_answer_without_an_end_is_given_up() {
        let mut filter = Filter::default();
        let mut keys = Vec::new();
        filter.feed(b"\x1b]11;rgb:1e1e", &mut keys);
        assert_eq!(filter.patience(), Some(ANSWER));
        filter.settle(&mut keys);
        filter.feed(b"q", &mut keys);
        assert_eq!(keys, b"q");

        let long = [&b"\x1b]11;"[..], &[b'x'; LONGEST + 10]].concat();
        filter.feed(&long, &mut keys);
        assert_eq!(filter.patience(), None);
    }

    #[test]
    fn an_answer_that_the_next_key_interrupts_takes_no_key_with_it() {
        assert_eq!(keys_of(&[b"\x1b]11;rgb:1e\x1b[A"]), b"\x1b[A");
        assert_eq!(keys_of(&[b"\x1b[12;4\x1b[B"]), b"\x1b[B");
    }

    proptest! {
        #[test]
        fn plain_text_passes_whole_however_it_is_cut(text in "[^\\x1b]{0,200}", cut in 0_usize..200) {
            let bytes = text.as_bytes();
            let (one, two) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(keys_of(&[one, two]), bytes);
        }

        #[test]
        fn whatever_comes_the_filter_holds_little_and_comes_to_rest(bytes in vec(any::<u8>(), 0..400)) {
            let mut filter = Filter::default();
            let mut keys = Vec::new();
            filter.feed(&bytes, &mut keys);
            prop_assert!(keys.len() + filter.held.len() <= bytes.len());
            filter.settle(&mut keys);
            prop_assert!(filter.held.is_empty());
        }
    }
}
