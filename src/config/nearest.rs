//! Finds the names that a person probably meant.

/// At most this many names are worth reading.
const MOST: usize = 3;

/// Returns the candidates closest to `name`, best first, at most three; none if nothing is close.
///
/// Case and the choice between `-`, `_` and a space do not count as differences.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = plain(name);
    let mut close: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| distance(&wanted, &plain(candidate)).map(|far| (far, candidate)))
        .collect();
    close.sort_unstable();
    close.dedup();
    // A clear winner stands alone.
    let best = close.first().map_or(0, |(far, _)| *far);
    close.retain(|(far, _)| *far <= best + 1);
    close.truncate(MOST);
    close.into_iter().map(|(_, candidate)| candidate).collect()
}

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

fn plain(name: &str) -> String {
    name.to_lowercase().replace(['-', ' '], "_")
}

/// The number of edits between two names; `None` if they have too little in common to be confused.
fn distance(wanted: &str, candidate: &str) -> Option<usize> {
    if wanted.is_empty() || candidate.is_empty() {
        return None;
    }
    let edits = strsim::osa_distance(wanted, candidate);
    let allowed = (candidate.chars().count() / 3).max(1);
    let begins = wanted.chars().count() >= 2 && candidate.starts_with(wanted);
    let contains = wanted.chars().count() >= 3 && candidate.contains(wanted);
    (edits <= allowed || begins || contains).then_some(edits)
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
