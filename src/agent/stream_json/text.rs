//! Makes an agent's text harmless to show. Only what is shown: a tool's input goes back as it came.

pub(super) use crate::domain::clean::{exact, readable};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_says_that_there_is_more() {
        assert_eq!(first_line("\n one", 10), "one");
        assert_eq!(first_line("one\ntwo", 10), "one …");
        assert_eq!(first_line("ééééé", 3), "ééé …");
    }
}
