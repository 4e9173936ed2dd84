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

/// The names as values of their own.
#[must_use]
pub fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
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
    use super::nearest;

    #[test]
    fn mistyped_names_find_their_neighbours() {
        let roles = ["senior_developer", "junior_developer", "qa_engineer", "sre"];
        assert_eq!(nearest("senior-develper", roles), ["senior_developer"]);
        assert_eq!(nearest("developer", roles).len(), 2);
        assert!(nearest("xyz", roles).is_empty());
    }
}
