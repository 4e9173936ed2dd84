//! Finds the names that a person probably meant.

pub use crate::domain::nearest::nearest;

/// Says "did you mean" in words, or `None` if nothing is close.
pub(super) fn meant<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let names = nearest(name, candidates);
    (!names.is_empty()).then(|| format!("did you mean {}?", either(&names)))
}

/// Lists names as `a`, `b` or `c`.
pub(super) fn either(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_slips_and_beginnings_find_their_name() {
        let roles = [
            "senior_developer",
            "junior_developer",
            "sre",
            "qa_engineer",
            "qa_director",
        ];
        let cases: &[(&str, &[&str])] = &[
            ("senior_develper", &["senior_developer"]),
            ("Senior-Developer", &["senior_developer"]),
            ("qa", &["qa_director", "qa_engineer"]),
            ("ser", &["sre"]),
            ("developer", &["junior_developer", "senior_developer"]),
            ("plumber", &[]),
            ("", &[]),
        ];
        for (name, expected) in cases {
            let mut found = nearest(name, roles);
            found.sort_unstable();
            assert_eq!(found, *expected, "{name}");
        }
    }

    #[test]
    fn names_are_listed_as_a_sentence() {
        assert_eq!(either(&["a"]), "`a`");
        assert_eq!(either(&["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
