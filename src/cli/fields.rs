//! Everything about one thing: names on the left, values on the right.

use crate::cli::format::safe;

/// Pairs of name and value, as lines.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Adds a pair.
    pub(super) fn add(&mut self, name: &'static str, value: impl ToString) {
        self.0.push((name, safe(&value.to_string())));
    }

    /// Adds a pair if there is a value.
    pub(super) fn maybe(&mut self, name: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// The lines; further lines of a value stand below its first.
    pub(super) fn draw(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.0 {
            let mut label = *name;
            for line in value.lines().chain(value.is_empty().then_some("-")) {
                text.push_str(format!("{label:width$}  {line}").trim_end());
                text.push('\n');
                label = "";
            }
        }
        text
    }
}
