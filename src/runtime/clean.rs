//! Makes hostile bytes harmless: what a child writes is stored raw and shown clean.

/// Turns a line into text that can be shown: invalid UTF-8 is replaced, escape sequences go, control
/// characters go, tabs become spaces.
#[must_use]
pub fn clean(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    // A line that was written over with carriage returns shows what was written last.
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or("");
    if !text.chars().any(hostile) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\x1b' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\t' => clean.push_str("    "),
            char if hostile(char) => {}
            char => clean.push(char),
        }
    }
    clean
}

/// Control characters, and the characters that turn the direction of text around.
fn hostile(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn skip_escape(chars: &mut Chars<'_>) {
    match chars.next() {
        Some('[') => skip_csi(chars),
        // OSC, DCS, SOS, PM, APC: up to BEL or ST.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(char) = chars.next() {
                if char == '\x07' || (char == '\x1b' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        // Two-character sequences with an intermediate byte, such as the choice of a character set.
        Some(' '..='/') => {
            chars.next();
        }
        _ => {}
    }
}

fn skip_csi(chars: &mut Chars<'_>) {
    for char in chars.by_ref() {
        if ('@'..='~').contains(&char) {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn escapes_controls_and_broken_text_become_harmless() {
        for (raw, shown) in [
            (&b"plain text"[..], "plain text"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b]52;c;aGk=\x07copied", "copied"),
            (b"\x1b]0;title\x1b\\text", "text"),
            (b"\x1b[?1049hscreen", "screen"),
            (b"a\tb\x08\x00c", "a    bc"),
            (b"10%\r50%\r100%\r", "100%"),
            (b"unterminated \x1b]52;c;", "unterminated "),
            (b"caf\xc3\xa9 \xff!", "caf\u{e9} \u{fffd}!"),
            ("left\u{202e}right".as_bytes(), "leftright"),
            (b"\x1b(Bascii", "ascii"),
        ] {
            assert_eq!(clean(raw), shown);
        }
    }
}
