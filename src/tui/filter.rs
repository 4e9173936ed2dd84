//! Words that a row must hold, all of them, wherever they stand.

/// The words of a filter, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    words: Vec<String>,
    text: String,
}

impl Filter {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            words: text.split_whitespace().map(str::to_lowercase).collect(),
            text: text.trim().to_owned(),
        }
    }

    /// As it was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether the parts of a row hold every word.
    pub(crate) fn admits<'a>(&self, parts: impl Iterator<Item = &'a str> + Clone) -> bool {
        self.words
            .iter()
            .all(|word| parts.clone().any(|part| holds(part, word)))
    }
}

/// Whether `part` holds `word`, which is in lower case. Nothing is copied where both are ASCII.
fn holds(part: &str, word: &str) -> bool {
    if part.is_ascii() {
        let (part, word) = (part.as_bytes(), word.as_bytes());
        part.len() >= word.len()
            && part
                .windows(word.len())
                .any(|window| window.eq_ignore_ascii_case(word))
    } else {
        part.to_lowercase().contains(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_must_stand_somewhere() {
        let filter = Filter::new("  Dev ada ");
        assert!(filter.admits(["Ada", "Senior Developer"].into_iter()));
        assert!(!filter.admits(["Linus", "Senior Developer"].into_iter()));
        assert!(Filter::new("").admits(["x"].into_iter()));
        assert!(Filter::new("é").admits(["CAFÉ"].into_iter()));
    }
}
