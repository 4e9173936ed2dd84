//! Makes an agent's text harmless to show. Only what is shown: a tool's input goes back as it came.

/// For reading: escape sequences and control characters go, tabs become spaces, and of a line that
/// was written over with carriage returns the last state stays.
pub(super) fn readable(text: &str) -> String {
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
pub(super) fn exact(text: &str) -> String {
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

/// The first line, shortened, for places that have one line only.
pub(super) fn first_line(text: &str, most: usize) -> String {
    let text = text.trim_start();
    let line = text.lines().next().unwrap_or("");
    let mut short: String = line.chars().take(most).collect();
    if short.len() < text.trim_end().len() {
        short.push_str(" …");
    }
    short
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

    #[test]
    fn a_first_line_says_that_there_is_more() {
        assert_eq!(first_line("\n one", 10), "one");
        assert_eq!(first_line("one\ntwo", 10), "one …");
        assert_eq!(first_line("ééééé", 3), "ééé …");
    }
}
