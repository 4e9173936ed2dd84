//! Environment variables in one line.

use std::collections::BTreeMap;

use crate::domain::secret::is_secret;
use crate::domain::written::is_variable;

/// Reads `NAME=value NAME=value`; a word without a name goes on with the value before it.
pub(super) fn variables(typed: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for word in typed.split_whitespace() {
        match (word.split_once('='), found.last_mut()) {
            (Some((name, value)), _) if is_variable(name) => {
                found.push((name.to_owned(), value.to_owned()));
            }
            (_, Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (_, None) => return Err(format!("`{word}` is not NAME=value")),
        }
    }
    Ok(found.into_iter().collect())
}

/// Variables in one line, secrets masked.
pub(super) fn joined(variables: &BTreeMap<String, String>) -> String {
    let all: Vec<String> = variables
        .iter()
        .map(|(name, value)| {
            let value = if is_secret(name) {
                "••••"
            } else {
                value
            };
            format!("{name}={value}")
        })
        .collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_may_have_spaces_in_their_values() {
        let found = variables("A=1  GREETING=hello big world B=").expect("variables");
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            found,
            [("A", "1"), ("B", ""), ("GREETING", "hello big world")]
        );
        assert_eq!(variables("no"), Err("`no` is not NAME=value".to_owned()));
        assert_eq!(
            variables("1A=x"),
            Err("`1A=x` is not NAME=value".to_owned())
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let variables = variables("API_KEY=sk-123 EDITOR=vi").expect("variables");
        assert_eq!(joined(&variables), "API_KEY=•••• EDITOR=vi");
    }
}
