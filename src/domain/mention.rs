//! `{{result:task_0001}}` in a task's text: the place where another task's result goes.

/// What begins and ends a mention.
const BEGIN: &str = "{{result:";
const END: &str = "}}";

/// What the mentions of a text name, in their order, each as often as it stands there.
pub fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Mention(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// The text with each mention replaced by what `with` makes of its name; `None` leaves it as it is.
#[must_use]
pub fn replaced(text: &str, mut with: impl FnMut(&str) -> Option<String>) -> String {
    let mut whole = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => whole.push_str(text),
            Piece::Mention(name) => match with(name) {
                Some(other) => whole.push_str(&other),
                None => {
                    whole.push_str(BEGIN);
                    whole.push_str(name);
                    whole.push_str(END);
                }
            },
        }
    }
    whole
}

/// How a mention of a task is written.
#[must_use]
pub fn mention(name: &str) -> String {
    format!("{BEGIN}{name}{END}")
}

enum Piece<'a> {
    Text(&'a str),
    Mention(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let begin = rest.find(BEGIN).unwrap_or(rest.len());
        if begin > 0 {
            let (text, more) = rest.split_at(begin);
            rest = more;
            return Some(Piece::Text(text));
        }
        let name = &rest[BEGIN.len()..];
        // A name is short and stands on one line; anything else only looks like a mention.
        let end = name
            .find(END)
            .filter(|end| (1..=128).contains(end) && !name[..*end].contains(['\n', '{']));
        match end {
            Some(end) => {
                rest = &name[end + END.len()..];
                Some(Piece::Mention(name[..end].trim()))
            }
            None => {
                rest = name;
                Some(Piece::Text(BEGIN))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_are_found_and_replaced_and_all_else_is_left_alone() {
        let check = |text: &str, names: &[&str], filled: &str| {
            assert_eq!(mentioned(text).collect::<Vec<_>>(), names, "{text}");
            let with = |name: &str| (name != "unknown").then(|| format!("<{name}>"));
            assert_eq!(replaced(text, with), filled);
        };
        check("", &[], "");
        check("plain {{pr}} text", &[], "plain {{pr}} text");
        check("{{result:a}}", &["a"], "<a>");
        check("x {{result: a }}{{result:b}} y", &["a", "b"], "x <a><b> y");
        check("{{result:unknown}}", &["unknown"], "{{result:unknown}}");
        check("{{result:", &[], "{{result:");
        check("{{result:}} {{result:a}}", &["a"], "{{result:}} <a>");
        check(
            "{{result:a\n}} ü {{result:b}}",
            &["b"],
            "{{result:a\n}} ü <b>",
        );
        check("{{result:{{result:b}}", &["b"], "{{result:<b>");
    }
}
