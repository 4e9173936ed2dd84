//! Wildcards, in commands and in paths.

/// Says whether `text` matches `pattern`, in which `*` stands for anything.
pub(super) fn matches_text(pattern: &str, text: &str) -> bool {
    matches(pattern.as_bytes(), text.as_bytes(), false)
}

/// Says whether a path matches a pattern, in which `*` stops at a slash and `**` does not.
///
/// A pattern without a slash may match any one part's end, as in `.gitignore`.
pub(super) fn matches_path(pattern: &str, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
    matches(pattern.as_bytes(), path.as_bytes(), true)
        || (!pattern.contains('/') && matches(pattern.as_bytes(), name.as_bytes(), true))
        || pattern
            .strip_prefix("**/")
            .is_some_and(|rest| matches_path(rest, path))
}

fn matches(pattern: &[u8], text: &[u8], is_path: bool) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', b'*', rest @ ..], _) if is_path => {
            (0..=text.len()).any(|skipped| matches(rest, &text[skipped..], is_path))
        }
        ([b'*', rest @ ..], _) => {
            let end = if is_path {
                text.iter().position(|b| *b == b'/')
            } else {
                None
            };
            (0..=end.unwrap_or(text.len())).any(|skipped| matches(rest, &text[skipped..], is_path))
        }
        ([b'?', rest @ ..], [one, more @ ..]) if is_path && *one != b'/' => {
            matches(rest, more, is_path)
        }
        ([a, rest @ ..], [b, more @ ..]) if a == b => matches(rest, more, is_path),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_command_stands_for_anything() {
        assert!(matches_text("git * main", "git push origin main"));
        assert!(!matches_text("git * main", "git push origin dev"));
    }

    #[test]
    fn a_star_in_a_path_stops_at_a_slash() {
        assert!(matches_path("docs/*.md", "docs/a.md"));
        assert!(!matches_path("docs/*.md", "docs/deep/a.md"));
        assert!(matches_path("docs/**", "docs/deep/a.md"));
        assert!(matches_path("*.md", "docs/deep/a.md"));
        assert!(matches_path("**/a.?d", "docs/deep/a.md"));
        assert!(!matches_path("*.md", "a.mdx"));
    }
}
