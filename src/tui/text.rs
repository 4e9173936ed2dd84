//! Text of others, made fit for a cell: cleaned of control sequences, measured in columns, cut, wrapped.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Whether a character could move the cursor, hide text or turn its direction.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// One line: line breaks and tabs become spaces, escape sequences and control characters go.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\n' | '\t' => out.push(' '),
            c if is_hostile(c) => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Several lines: as [`clean`], but line breaks stay and a tab is four spaces.
pub(crate) fn clean_lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.lines().map(|line| {
        if line.contains('\t') {
            Cow::Owned(clean(&line.replace('\t', "    ")).into_owned())
        } else {
            clean(line)
        }
    })
}

/// Skips what follows an escape character: a control sequence, a string up to its end, or one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            while let Some(c) = chars.next_if(|c| !c.is_control()) {
                if ('\u{40}'..='\u{7e}').contains(&c) {
                    break;
                }
            }
        }
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(c) = chars.next_if(|c| *c != '\n') {
                if c == '\u{7}' {
                    break;
                }
                if c == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        _ => {}
    }
}

/// At most `columns` columns, with `…` where something was cut.
pub(crate) fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    // Every byte of ASCII is a column; the usual text is measured by its length alone.
    if text.len() <= columns || text.width() <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let mut cut = take(text, columns - 1).to_owned();
    cut.push('…');
    Cow::Owned(cut)
}

/// As [`fit`], but the end stays: for paths.
pub(crate) fn fit_end(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let mut used = 0;
    let mut from = text.len();
    for (at, c) in text.char_indices().rev() {
        let w = c.width().unwrap_or(0);
        if used + w > columns - 1 {
            break;
        }
        used += w;
        from = at;
    }
    Cow::Owned(format!("…{}", text.get(from..).unwrap_or("")))
}

/// As [`fit_end`], but whole folders leave where that is possible: `…/shop`.
pub(crate) fn fit_path(path: &str, columns: usize) -> Cow<'_, str> {
    if path.width() <= columns {
        return Cow::Borrowed(path);
    }
    let mut from = path.match_indices('/').map(|(at, _)| at);
    let found = from.find_map(|at| path.get(at..).filter(|rest| rest.width() < columns));
    match found {
        Some(rest) if rest.len() > 1 => Cow::Owned(format!("…{rest}")),
        _ => fit_end(path, columns),
    }
}

/// The longest beginning that takes at most `columns` columns.
fn take(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        let w = c.width().unwrap_or(0);
        if used + w > columns {
            return text.get(..at).unwrap_or("");
        }
        used += w;
    }
    text
}

/// What follows the first `columns` columns.
pub(crate) fn skip(text: &str, columns: usize) -> &str {
    text.get(take(text, columns).len()..).unwrap_or("")
}

/// Exactly `columns` columns, cut or filled up on the right.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let mut out = fit(text, columns).into_owned();
    let missing = columns.saturating_sub(out.width());
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// Breaks one cleaned line into rows of at most `columns` columns, at spaces where there are some.
///
/// An empty line is one empty row.
pub(crate) fn wrap(line: &str, columns: usize) -> Vec<&str> {
    let columns = columns.max(1);
    if line.len() <= columns || line.width() <= columns {
        return vec![line];
    }
    let mut rows = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let mut row = take(rest, columns);
        if row.is_empty() {
            // A symbol that is wider than the space there is.
            row = rest
                .chars()
                .next()
                .and_then(|c| rest.get(..c.len_utf8()))
                .unwrap_or(rest);
        } else if row.len() < rest.len() && !rest[row.len()..].starts_with(' ') {
            // At a space or behind a slash, unless that leaves a row that is mostly empty.
            if let Some(space) = row.rfind([' ', '/'])
                && space > row.len() / 3
            {
                row = row.get(..=space).unwrap_or(row);
            }
        }
        let (end, next) = (row.trim_end(), rest.get(row.len()..).unwrap_or(""));
        rows.push(end);
        rest = next.trim_start_matches(' ');
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_and_control_characters_go() {
        for (given, expected) in [
            ("plain", "plain"),
            ("a\u{1b}[31mred\u{1b}[0m", "ared"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]8;;http://x\u{1b}\\link", "alink"),
            ("a\u{1b}Pq#0\u{1b}\\b", "ab"),
            ("a\r\nb\tc\u{8}", "a b c"),
            ("\u{202e}evil\u{200b}", "evil"),
            ("\u{9b}31mx", "31mx"),
        ] {
            assert_eq!(clean(given), expected, "{given:?}");
        }
    }

    #[test]
    fn text_is_cut_by_columns_not_by_bytes() {
        assert_eq!(fit("git push origin", 8), "git pus…");
        assert_eq!(fit("漢字漢字", 5), "漢字…");
        assert_eq!(fit("漢字漢字", 4), "漢…");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit_end("/home/me/src/shop", 9), "…src/shop");
        assert_eq!(fit_path("~/src/shop", 8), "…/shop");
        assert_eq!(fit_path("~/src/shopping", 8), "…hopping");
        assert_eq!(pad("漢", 4), "漢  ");
        assert_eq!(skip("漢字x", 3), "字x");
        assert_eq!(skip("abc", 9), "");
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("one two   three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in "\\PC{0,80}", columns in 0usize..40) {
            let text = clean(&text).into_owned();
            prop_assert!(fit(&text, columns).width() <= columns.max(1));
            prop_assert!(fit_end(&text, columns).width() <= columns.max(1));
            if columns >= 2 {
                for row in wrap(&text, columns) {
                    prop_assert!(row.width() <= columns);
                }
            }
        }

        #[test]
        fn a_cleaned_text_holds_no_control_character(text in any::<String>()) {
            prop_assert!(!clean(&text).chars().any(char::is_control));
        }
    }
}
