//! Names that are close to a mistyped one.

/// The candidates that `name` may have meant, nearest first, three at most.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase().replace([' ', '-'], "_");
    let mut close: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| {
            let folded = candidate.to_lowercase();
            let mut score = strsim::jaro_winkler(&wanted, &folded);
            if wanted.len() > 2 && folded.contains(&wanted) {
                score += 0.5;
            }
            (score, candidate)
        })
        .filter(|(score, _)| *score > 0.72)
        .collect();
    close.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    close
        .into_iter()
        .take(3)
        .map(|(_, candidate)| candidate.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn mistyped_names_find_their_neighbours() {
        let roles = ["senior_developer", "junior_developer", "qa_engineer", "sre"];
        assert_eq!(nearest("senior-develper", roles)[0], "senior_developer");
        assert_eq!(nearest("developer", roles).len(), 2);
        assert!(nearest("xyz", roles).is_empty());
    }
}
