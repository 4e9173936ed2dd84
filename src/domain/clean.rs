//! Makes hostile text harmless: what a child writes is stored raw and shown clean.

/// Turns a line of bytes into text that can be shown; invalid UTF-8 is replaced.
#[must_use]
pub fn clean(line: &[u8]) -> String {
    readable(&String::from_utf8_lossy(line))
}

/// For reading: escape sequences and control characters go, tabs become spaces, and of a line that
/// was written over with carriage returns the last state stays.
#[must_use]
pub fn readable(text: &str) -> String {
    if !text.chars().any(|char| char != '\n' && hostile(char)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let line = line.trim_end_matches('\r');
        let line = line.rsplit('\r').next().unwrap_or("");
        strip(line, &mut out);
    }
    out
}

/// For a decision: every character that could hide something is shown as a replacement character,
/// none is left out. Newlines stay.
#[must_use]
pub fn exact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            char if hostile(char) => out.push('\u{fffd}'),
            char => out.push(char),
        }
    }
    out
}

/// Control characters, and those that turn the direction of text around or take no room.
fn hostile(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn strip(line: &str, out: &mut String) {
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\x1b' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\t' => out.push_str("    "),
            // Joins the parts of one emoji, and letters of some scripts.
            '\u{200d}' | '\u{200c}' => out.push(char),
            char if hostile(char) => {}
            char => out.push(char),
        }
    }
}

fn skip_escape(chars: &mut Chars<'_>) {
    match chars.next() {
        Some('[') => skip_csi(chars),
        // Sequences that end with BEL or ST.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(char) = chars.next() {
                if char == '\x07' || (char == '\x1b' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        // The choice of a character set takes one more.
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
    use super::*;

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

    #[test]
    fn what_is_read_has_no_control_characters_and_what_is_decided_hides_none() {
        for (raw, read, decided) in [
            ("plain\ntext", "plain\ntext", "plain\ntext"),
            ("\x1b[31mred\x1b[0m", "red", "\u{fffd}[31mred\u{fffd}[0m"),
            (
                "\x1b]52;c;aGk=\x07done",
                "done",
                "\u{fffd}]52;c;aGk=\u{fffd}done",
            ),
            (
                "10%\r90%\rall\r\nnext",
                "all\nnext",
                "10%\u{fffd}90%\u{fffd}all\u{fffd}\nnext",
            ),
            ("a\tb", "a    b", "a    b"),
            ("rm \u{202e}txt.x", "rm txt.x", "rm \u{fffd}txt.x"),
            ("ls\u{200b} x", "ls x", "ls\u{fffd} x"),
        ] {
            assert_eq!(readable(raw), read);
            assert_eq!(exact(raw), decided);
        }
    }
}
