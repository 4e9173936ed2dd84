//! References to variables in values: `${NAME}`.

pub(super) use crate::domain::written::is_variable as is_name;

/// Why a value cannot be expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It refers to this variable, which is not set and has no default.
    NotSet(String),
    /// It has a `${` without a name or without its end.
    BadReference,
}

/// Puts the values of variables in the place of references to them.
///
/// `${NAME}` is the variable, `${NAME:-default}` also stands for the default, `$$` is a dollar sign, and a
/// `$` before anything else is itself.
pub(super) fn expand(
    value: &str,
    look_up: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Failed> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        rest = if let Some(reference) = after.strip_prefix('{') {
            let (inside, behind) = reference.split_once('}').ok_or(Failed::BadReference)?;
            let (name, default) = inside
                .split_once(":-")
                .map_or((inside, None), |(name, default)| (name, Some(default)));
            if !is_name(name) {
                return Err(Failed::BadReference);
            }
            // As in a shell, the default also stands in for an empty value.
            let set = look_up(name).filter(|set| default.is_none() || !set.is_empty());
            match set.as_deref().or(default) {
                Some(text) => out.push_str(text),
                None => return Err(Failed::NotSet(name.to_owned())),
            }
            behind
        } else {
            out.push('$');
            after.strip_prefix('$').unwrap_or(after)
        };
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_expand() {
        let look_up = |name: &str| match name {
            "SET" => Some("set".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (value, expected) in [
            ("plain", Ok("plain")),
            ("${SET}/bin:${SET}", Ok("set/bin:set")),
            ("${UNSET:-default}", Ok("default")),
            ("${EMPTY:-default}", Ok("default")),
            ("${EMPTY}", Ok("")),
            ("${UNSET:-}", Ok("")),
            ("$$HOME costs $5", Ok("$HOME costs $5")),
            ("$", Ok("$")),
            ("${UNSET}", Err(Failed::NotSet("UNSET".to_owned()))),
            ("${", Err(Failed::BadReference)),
            ("${}", Err(Failed::BadReference)),
            ("${A B}", Err(Failed::BadReference)),
            ("${1}", Err(Failed::BadReference)),
        ] {
            assert_eq!(
                expand(value, &look_up),
                expected.map(str::to_owned),
                "{value}"
            );
        }
    }
}
