//! A command line as a person may see it: quoted for a shell, secrets masked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::secret::Secrets;

const MASK: &str = "***";

/// Words in the name of a variable or an option whose value is never shown.
const SECRET: [&str; 4] = ["KEY", "TOKEN", "SECRET", "PASSWORD"];

/// Writes a command line without its secrets: the values of options and variables with a secret's
/// name, and every secret of the environment wherever it stands.
pub(super) fn command(
    program: &Path,
    args: &[String],
    environment: &BTreeMap<String, String>,
) -> String {
    let secrets = Secrets::of(environment, []);
    let mut line = quoted(&program.to_string_lossy()).into_owned();
    let mut hide_next = false;
    for arg in args {
        line.push(' ');
        let text = if std::mem::take(&mut hide_next) && !arg.starts_with('-') {
            MASK.to_owned()
        } else {
            let text = match arg.split_once('=') {
                Some((name, _)) if is_secret(name) => format!("{name}={MASK}"),
                _ => arg.clone(),
            };
            hide_next = arg.starts_with('-') && !arg.contains('=') && is_secret(arg);
            secrets.hidden(&text, MASK).into_owned()
        };
        line.push_str(&quoted(&text));
    }
    line
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // A JSON value is no name: its own words must not hide a whole argument.
    name.len() <= 64 && SECRET.iter().any(|word| name.contains(word))
}

fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |char: char| char.is_alphanumeric() || "-_./=:,@%+".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    let word: String = word
        .chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect();
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_never_show() {
        let environment = BTreeMap::from([
            ("ANTHROPIC_API_KEY".to_owned(), "planted-1".to_owned()),
            ("EDITOR".to_owned(), "nano".to_owned()),
            ("PASSWORD_LENGTH".to_owned(), "12".to_owned()),
        ]);
        for (args, expected) in [
            (vec!["--api-key=planted-2"], "/bin/x '--api-key=***'"),
            (
                vec!["--token", "planted-3", "go"],
                "/bin/x --token '***' go",
            ),
            (vec!["--header", "x: planted-1"], "/bin/x --header 'x: ***'"),
            (vec!["GITHUB_TOKEN=planted-4"], "/bin/x 'GITHUB_TOKEN=***'"),
            (vec!["nano", "12"], "/bin/x nano 12"),
            (vec!["it's", ""], r"/bin/x 'it'\''s' ''"),
            (vec!["a\nb\x1b[31m"], "/bin/x 'a\u{fffd}b\u{fffd}[31m'"),
        ] {
            let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
            let line = command(Path::new("/bin/x"), &args, &environment);
            assert_eq!(line, expected);
            assert!(!line.contains("planted"), "{line}");
        }
    }
}
