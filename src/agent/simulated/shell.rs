//! As much of the shell's grammar as permission rules need.

/// One command of a compound line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) text: String,
    /// Writes to a file, or runs another command inside.
    pub(super) has_effects: bool,
}

/// Cuts a line at `&&`, `||`, `;`, `|`, `&` and line breaks that stand outside of quotes.
pub(super) fn parts(command: &str) -> Vec<Part> {
    let mut parts = vec![];
    let mut start = 0;
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in command.char_indices() {
        let escaped = before == '\\';
        before = if escaped { ' ' } else { c };
        match quote {
            Some(open) if c == open && !escaped => quote = None,
            None if matches!(c, '\'' | '"') && !escaped => quote = Some(c),
            None if matches!(c, ';' | '|' | '\n') => {
                parts.push(&command[start..at]);
                start = at + 1;
            }
            // `2>&1` and `&>file` are redirections.
            None if c == '&'
                && !command[..at].ends_with('>')
                && !command[at + 1..].starts_with('>') =>
            {
                parts.push(&command[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&command[start..]);
    let named = parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty());
    named
        .map(|text| Part {
            text: text.to_owned(),
            has_effects: has_effects(text),
        })
        .collect()
}

fn has_effects(part: &str) -> bool {
    let quiet = ["2>&1", "2>/dev/null", ">/dev/null", "> /dev/null"]
        .iter()
        .fold(part.to_owned(), |t, r| t.replace(r, ""));
    let mut single = false;
    let mut double = false;
    for (at, c) in quiet.char_indices() {
        match c {
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '>' if !single && !double => return true,
            '`' if !single => return true,
            '$' if !single && quiet[at + 1..].starts_with('(') => return true,
            _ => {}
        }
    }
    false
}

/// Says whether a command only reads, so that it runs without a rule.
pub(super) fn only_reads(part: &Part) -> bool {
    let mut words = part.text.split_whitespace();
    if part.has_effects {
        return false;
    }
    match words.next() {
        Some("find") => !part.text.contains("-delete") && !part.text.contains("-exec"),
        Some("git") => {
            matches!(
                words.next(),
                Some("status" | "log" | "diff" | "show" | "rev-parse" | "blame" | "--version")
            )
        }
        Some(name) => [
            "ls", "cat", "echo", "pwd", "head", "tail", "wc", "grep", "rg", "which", "whoami",
            "date", "true", "false", "printf", "stat", "file", "du", "df", "diff", "sort", "uniq",
            "cut", "tr", "uname", "id", "hostname", "basename", "dirname", "realpath", "test",
            "cd", "ps", "nproc",
        ]
        .contains(&name),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_into_its_commands() {
        let check = |line: &str, expected: &[&str]| {
            let texts: Vec<_> = parts(line).into_iter().map(|part| part.text).collect();
            assert_eq!(texts, expected, "{line}");
        };
        check("git --version && touch y", &["git --version", "touch y"]);
        check("a | b || c; d & e", &["a", "b", "c", "d", "e"]);
        check("echo 'a && b' \"c; d\"", &["echo 'a && b' \"c; d\""]);
        check("cat x 2>&1 | wc -l", &["cat x 2>&1", "wc -l"]);
        check("bash -c 'rm x; rm y'", &["bash -c 'rm x; rm y'"]);
    }

    #[test]
    fn reading_is_told_from_writing() {
        let check = |line: &str, reads: bool| {
            assert_eq!(parts(line).iter().all(only_reads), reads, "{line}");
        };
        check("ls -la | wc -l", true);
        check("cat x 2>/dev/null", true);
        check("echo a > b", false);
        check("echo $(touch b)", false);
        check("find . -delete", false);
        check("git status", true);
        check("git commit", false);
        check("touch x", false);
    }
}
