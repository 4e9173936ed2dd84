//! How well typed letters fit a name.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// How letters fit, the best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// The letters stand in the name in their order, with others between them.
    Scattered,
    /// Each word begins a word of what is said about it.
    Said,
    /// They stand in the name.
    Inside,
    /// Each word begins a word of the name.
    Word,
    /// They begin the name.
    Start,
    /// They are the name.
    Whole,
}

/// What was typed.
#[derive(Debug)]
pub(super) struct Query {
    words: Vec<String>,
    // Without what stands between words.
    letters: String,
    scattered: Pattern,
    matcher: Matcher,
}

impl Query {
    pub(super) fn new(typed: &str) -> Self {
        let words = words(typed);
        let letters = words.concat();
        let scattered = Pattern::new(
            &letters,
            CaseMatching::Ignore,
            Normalization::Smart,
            AtomKind::Fuzzy,
        );
        Self {
            words,
            letters,
            scattered,
            matcher: Matcher::new(Config::DEFAULT),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// How it fits a name, scattered letters apart.
    pub(super) fn fit(&self, name: &str) -> Option<Fit> {
        let of_name = words(name);
        let whole = of_name.concat();
        if whole == self.letters {
            Some(Fit::Whole)
        } else if whole.starts_with(&self.letters) {
            Some(Fit::Start)
        } else if self.begins(&of_name) {
            Some(Fit::Word)
        } else if whole.contains(&self.letters) {
            Some(Fit::Inside)
        } else {
            None
        }
    }

    /// How it fits a short name, whose letters may be left out.
    pub(super) fn fit_letters(&mut self, name: &str) -> Option<Fit> {
        if let Some(fit) = self.fit(name) {
            return Some(fit);
        }
        // What begins elsewhere is a chance, not a find.
        let first = self.letters.chars().next();
        let begins = words(name).iter().any(|word| word.chars().next() == first);
        let mut letters = Vec::new();
        let text = Utf32Str::new(name, &mut letters);
        let found = begins && self.scattered.score(text, &mut self.matcher).is_some();
        found.then_some(Fit::Scattered)
    }

    /// Whether a sentence holds its words.
    pub(super) fn is_said(&self, sentence: &str) -> bool {
        self.letters.chars().count() > 2 && self.begins(&words(sentence))
    }

    fn begins(&self, of_name: &[String]) -> bool {
        let begins = |typed: &String| of_name.iter().any(|word| word.starts_with(typed.as_str()));
        self.words.iter().all(begins)
    }
}

/// The words of a text in small letters: a sign that is no letter divides them, but may be one alone.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let divides =
        |c: char| c.is_whitespace() || matches!(c, '_' | '-' | '/' | ',' | ';' | ':' | '·' | '!');
    let words = text.split(divides).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
