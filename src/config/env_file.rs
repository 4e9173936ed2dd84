//! Env files: `NAME=value`, one a line, with `export`, quotes and comments.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::environment::{EnvironmentError, Variables};
use super::reference::is_name;

/// A larger file is not an env file.
const LARGEST: u64 = 1 << 20;

/// Reads an env file. A missing file called `.env` is an empty one: it is looked for by default, and most
/// folders have none.
///
/// # Errors
/// [`EnvironmentError::File`] if it cannot be read, [`EnvironmentError::FileLine`] if a line is no assignment.
pub(super) fn read(path: &Path) -> Result<Variables, EnvironmentError> {
    match read_text(path) {
        Ok(text) => parse(&text, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_be_missing(path) => {
            Ok(Variables::new())
        }
        Err(source) => Err(EnvironmentError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Whether nothing is wrong if this env file does not exist.
pub(super) fn may_be_missing(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ".env")
}

fn read_text(path: &Path) -> io::Result<String> {
    // Opening a named pipe would wait for a writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let mut text = String::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 1 MiB",
        ));
    }
    Ok(text)
}

/// Reads the text of an env file; `path` is for messages.
///
/// # Errors
/// [`EnvironmentError::FileLine`] for the first line that is neither an assignment, nor empty, nor a comment.
pub(super) fn parse(text: &str, path: &Path) -> Result<Variables, EnvironmentError> {
    let mut variables = Variables::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what| EnvironmentError::FileLine {
            path: path.to_owned(),
            line: index + 1,
            what,
        };
        let assignment = line.strip_prefix("export ").map_or(line, str::trim_start);
        let (name, value) = assignment
            .split_once('=')
            .ok_or_else(|| wrong("has no `=`"))?;
        let name = name.trim_end();
        if !is_name(name) {
            return Err(wrong("has no valid name before its `=`"));
        }
        let value =
            unquote(value.trim_start()).ok_or_else(|| wrong("has a quote that does not end"))?;
        if value.contains('\0') {
            return Err(wrong("holds a NUL character"));
        }
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

/// The value without its quotes: `'…'` is literal, `"…"` knows `\n`, `\t`, `\"`, `\\`; ` #` begins a comment.
fn unquote(value: &str) -> Option<String> {
    let mut chars = value.chars();
    match chars.next() {
        Some('\'') => closed(chars.as_str().split_once('\'')?),
        Some('"') => {
            let mut out = String::new();
            loop {
                match chars.next()? {
                    '"' => return closed((&out, chars.as_str())),
                    '\\' => match chars.next()? {
                        'n' => out.push('\n'),
                        't' => out.push('\t'),
                        escaped @ ('"' | '\\' | '$') => out.push(escaped),
                        other => out.extend(['\\', other]),
                    },
                    other => out.push(other),
                }
            }
        }
        _ => {
            let end = value
                .find(" #")
                .or_else(|| value.find("\t#"))
                .unwrap_or(value.len());
            Some(value[..end].trim_end().to_owned())
        }
    }
}

/// The text in quotes, if nothing but a comment stands behind them.
fn closed((inside, behind): (&str, &str)) -> Option<String> {
    let behind = behind.trim_start();
    (behind.is_empty() || behind.starts_with('#')).then(|| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let read = parse(text, Path::new(".env")).unwrap();
        let read: Vec<(&str, &str)> = read
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(read, expected, "{text}");
    }

    #[test]
    fn assignments_are_read_as_shells_read_them() {
        check(
            "A=1\r\n\n# note\nexport B = two words # note\nC=\n",
            &[("A", "1"), ("B", "two words"), ("C", "")],
        );
        check("A='$x # \\n' # note", &[("A", "$x # \\n")]);
        check(
            r#"A="line\nnext \"q\" \$5 \d""#,
            &[("A", "line\nnext \"q\" $5 \\d")],
        );
        check(
            "URL=http://h/#part\nK=a=b",
            &[("K", "a=b"), ("URL", "http://h/#part")],
        );
        check("\u{feff}A=1\nA=2", &[("A", "2")]);
    }

    #[test]
    fn a_line_that_is_no_assignment_is_named_without_its_text() {
        for text in [
            "A=1\nhunter2",
            "A=1\n=x",
            "A=1\n1B=x",
            "A=1\nB='x",
            "A=1\nB=\"x",
            "A=1\nB='x'y",
            "A=1\nB=\0",
        ] {
            let error = parse(text, Path::new("secrets.env"))
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("line 2 of the env file secrets.env "),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn only_the_default_file_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join(".env")).unwrap(), Variables::new());
        assert!(matches!(
            read(&folder.path().join("prod.env")),
            Err(EnvironmentError::File { .. })
        ));
        assert!(matches!(
            read(folder.path()),
            Err(EnvironmentError::File { .. })
        ));
    }
}
