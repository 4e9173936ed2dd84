//! Which values are not shown.

use std::borrow::Cow;
use std::fmt;

/// Shorter values say nothing about a secret and would hide half of what is shown.
const SHORTEST: usize = 4;
/// The same for variables that are only around: `true` is the value of many a key.
const SHORTEST_AROUND: usize = 8;

/// Whether a variable of this name holds a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASSWORD"]
        .iter()
        .any(|word| name.contains(word))
}

/// The values of variables that hold secrets, which are not shown wherever else they stand.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(
    // Longest first: one may be part of another.
    Vec<String>,
);

impl Secrets {
    /// Those of the variables of a process, and of those around it that they may have been made of.
    pub fn of<'a>(
        own: impl IntoIterator<Item = (&'a String, &'a String)>,
        around: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        let own = own.into_iter().map(|variable| (variable, SHORTEST));
        let around = around
            .into_iter()
            .map(|variable| (variable, SHORTEST_AROUND));
        let mut values: Vec<String> = own
            .chain(around)
            .filter(|((name, value), shortest)| is_secret(name) && value.len() >= *shortest)
            .map(|((_, value), _)| value.clone())
            .collect();
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self(values)
    }

    /// Whether one of them stands in a text.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret))
    }

    /// The text with the mask in the place of each of them.
    #[must_use]
    pub fn hidden<'a>(&self, text: &'a str, mask: &str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.0 {
            if text.contains(secret) {
                text = Cow::Owned(text.replace(secret, mask));
            }
        }
        text
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        let variables = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(pair).collect()
        };
        let own = variables(&[
            ("API_TOKEN", "planted-1"),
            ("LONG_KEY", "planted-12"),
            ("PASSWORD_LENGTH", "12"),
            ("EDITOR", "nano"),
        ]);
        let around = variables(&[("OTHER_SECRET", "planted-3"), ("KEYS", "true")]);
        let secrets = Secrets::of(&own, &around);
        for (text, shown) in [
            ("http://u:planted-1@h/", "http://u:*@h/"),
            ("planted-12 and planted-1", "* and *"),
            ("Bearer planted-3", "Bearer *"),
            ("nano 12 true", "nano 12 true"),
        ] {
            assert_eq!(secrets.hidden(text, "*"), shown);
            assert_eq!(secrets.are_in(text), text != shown);
        }
        assert!(!format!("{secrets:?}").contains("planted"));
    }
}
