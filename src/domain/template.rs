//! Templates: texts with `{{name}}` where something is to be filled in.

use std::collections::BTreeMap;

use crate::domain::role::Template;

/// What does not fit between a template and what it is to be filled with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unfit {
    /// Names that the text has and nobody gave.
    pub missing: Vec<String>,
    /// Names that were given and the text does not have.
    pub unknown: Vec<String>,
}

impl Template {
    /// The names that are to be filled in, in the order of the text, each once.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for piece in pieces(&self.text) {
            if let Piece::Name(name) = piece
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// The text with every name filled in.
    ///
    /// # Errors
    /// [`Unfit`] names all that is missing and all that is too much.
    pub fn filled(&self, values: &BTreeMap<String, String>) -> Result<String, Unfit> {
        let names = self.variables();
        let missing = names.iter().filter(|name| !values.contains_key(**name));
        let unknown = values.keys().filter(|key| !names.contains(&key.as_str()));
        let unfit = Unfit {
            missing: missing.map(|name| (*name).to_owned()).collect(),
            unknown: unknown.cloned().collect(),
        };
        if unfit != Unfit::default() {
            return Err(unfit);
        }
        let piece = |piece| match piece {
            Piece::Text(text) => text,
            Piece::Name(name) => values.get(name).map_or("", String::as_str),
        };
        Ok(pieces(&self.text).map(piece).collect())
    }
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// A name is letters, digits, `_` and `-`; anything else in braces is text, as a mention of a result.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let begin = rest.find("{{").unwrap_or(rest.len());
        if begin > 0 {
            let (text, more) = rest.split_at(begin);
            rest = more;
            return Some(Piece::Text(text));
        }
        let end = rest.find("}}").unwrap_or(rest.len());
        let name = rest[2..end.max(2)].trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if end < rest.len() && !name.is_empty() && name.chars().all(plain) {
            rest = &rest[end + 2..];
            return Some(Piece::Name(name));
        }
        let (text, more) = rest.split_at(2);
        rest = more;
        Some(Piece::Text(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::Priority;

    fn template(text: &str) -> Template {
        Template {
            key: "review".to_owned(),
            text: text.to_owned(),
            role: None,
            skills: vec![],
            priority: Priority::Normal,
            timeout: None,
            retries: None,
        }
    }

    #[test]
    fn every_name_is_filled_in_and_what_does_not_fit_is_named() {
        let check = |text: &str, given: &[&str], expected: Result<&str, (&[&str], &[&str])>| {
            let values = given
                .iter()
                .map(|name| ((*name).to_owned(), format!("<{name}>")));
            let found = template(text).filled(&values.collect());
            let expected = expected
                .map(str::to_owned)
                .map_err(|(missing, unknown)| Unfit {
                    missing: missing.iter().map(|name| (*name).to_owned()).collect(),
                    unknown: unknown.iter().map(|name| (*name).to_owned()).collect(),
                });
            assert_eq!(found, expected, "{text}");
        };
        check("plain", &[], Ok("plain"));
        check(
            "PR {{pr}} of {{ who }}",
            &["pr", "who"],
            Ok("PR <pr> of <who>"),
        );
        check("{{pr}} {{pr}}", &["pr"], Ok("<pr> <pr>"));
        check("{{pr}} {{who}}", &["pt"], Err((&["pr", "who"], &["pt"])));
        check(
            "{{result:task_0001}} {{a}}",
            &["a"],
            Ok("{{result:task_0001}} <a>"),
        );
        check("{{ {{}} {{a", &[], Ok("{{ {{}} {{a"));
        check("ü{{{{a}}", &["a"], Ok("ü{{<a>"));
    }
}
