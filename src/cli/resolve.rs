//! From what a person types to an id: the id itself, a name, a role, or the beginning of one of these.

use crate::cli::error::CliError;
use crate::config::nearest;
use crate::serve::wire::{ProcessDoc, RoleDoc};

/// Something that can be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its id, in full.
    pub(super) id: String,
    /// What a person calls it, for messages.
    pub(super) label: String,
    /// Words that mean only it, in lower case.
    pub(super) names: Vec<String>,
    /// Words that may mean several.
    pub(super) groups: Vec<String>,
}

impl From<&ProcessDoc> for Candidate {
    fn from(process: &ProcessDoc) -> Self {
        Self {
            id: process.id.to_string(),
            label: format!("{} ({})", process.id, process.name),
            names: vec![process.name.to_lowercase(), process.employee.to_string()],
            groups: vec![process.role.clone()],
        }
    }
}

impl From<&RoleDoc> for Candidate {
    fn from(role: &RoleDoc) -> Self {
        Self {
            id: role.key.clone(),
            label: role.key.clone(),
            names: Vec::new(),
            groups: Vec::new(),
        }
    }
}

/// A candidate that has an id and nothing else.
pub(super) fn bare(id: impl ToString) -> Candidate {
    let id = id.to_string();
    Candidate {
        label: id.clone(),
        id,
        names: Vec::new(),
        groups: Vec::new(),
    }
}

/// Finds the one that is meant: by id, then by name, then by what several may share, then by the
/// beginning of any of these. `-`, `_` and a space are one, unless that would mean several names. `what` is the word for
/// messages.
pub(super) fn resolve<'a>(
    what: &'static str,
    text: &str,
    candidates: &'a [Candidate],
) -> Result<&'a Candidate, CliError> {
    let typed = text.trim().to_lowercase();
    let wanted = plain(text);
    let is_wanted = |name: &String| plain(name) == wanted;
    let steps: [&dyn Fn(&Candidate) -> bool; 5] = [
        &|candidate| same_id(&candidate.id, &wanted) || is_wanted(&candidate.id),
        &|candidate| candidate.names.contains(&typed),
        &|candidate| candidate.names.iter().any(is_wanted),
        &|candidate| candidate.groups.iter().any(is_wanted),
        &|candidate| {
            let names = candidate.names.iter().chain(&candidate.groups);
            !wanted.is_empty()
                && names
                    .chain([&candidate.id])
                    .any(|name| plain(name).starts_with(&wanted))
        },
    ];
    for fits in steps {
        let found: Vec<&Candidate> = candidates.iter().filter(|one| fits(one)).collect();
        match found.as_slice() {
            [] => {}
            [one] => return Ok(one),
            several => {
                return Err(CliError::Ambiguous {
                    text: text.to_owned(),
                    candidates: several.iter().map(|one| one.label.clone()).collect(),
                });
            }
        }
    }
    let words = candidates.iter().flat_map(|candidate| {
        let names = candidate.names.iter().chain(&candidate.groups);
        names.chain([&candidate.id]).map(String::as_str)
    });
    Err(CliError::Unknown {
        what,
        text: text.to_owned(),
        near: nearest(&wanted, words)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    })
}

/// `proc_1` is `proc_001`.
fn same_id(id: &str, wanted: &str) -> bool {
    if id == wanted {
        return true;
    }
    match (number(id), number(wanted)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

fn number(id: &str) -> Option<(&str, u64)> {
    let (kind, digits) = id.rsplit_once('_')?;
    let is_id = matches!(kind, "proc" | "task" | "req" | "emp")
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| digits.parse().ok().map(|number| (kind, number)))?
}

/// As names and keys are compared: lower case, with `_`.
fn plain(text: &str) -> String {
    text.trim().to_lowercase().replace(['-', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Code;

    fn company() -> Vec<Candidate> {
        [
            ("proc_001", "ada", "emp_001", "senior_developer"),
            ("proc_002", "grace", "emp_002", "senior_developer"),
            ("proc_003", "greta", "emp_003", "qa_engineer"),
            ("proc_010", "sre", "emp_004", "build_engineer"),
            ("proc_011", "radia", "emp_005", "sre"),
        ]
        .into_iter()
        .map(|(id, name, employee, role)| Candidate {
            id: id.to_owned(),
            label: id.to_owned(),
            names: vec![name.to_owned(), employee.to_owned()],
            groups: vec![role.to_owned()],
        })
        .collect()
    }

    #[test]
    fn one_is_found_by_id_name_role_or_a_beginning_that_fits_no_other() {
        let company = company();
        for (text, id) in [
            ("proc_001", "proc_001"),
            ("proc_1", "proc_001"),
            ("proc_10", "proc_010"),
            ("emp_002", "proc_002"),
            ("Ada", "proc_001"),
            ("ADA", "proc_001"),
            ("a", "proc_001"),
            ("qa_engineer", "proc_003"),
            ("QA Engineer", "proc_003"),
            ("qa-engineer", "proc_003"),
            ("build", "proc_010"),
            ("gra", "proc_002"),
            // A name goes before a role.
            ("sre", "proc_010"),
            ("proc_003", "proc_003"),
        ] {
            match resolve("process", text, &company) {
                Ok(found) => assert_eq!(found.id, id, "{text}"),
                Err(error) => panic!("{text}: {error}"),
            }
        }
    }

    #[test]
    fn a_name_of_several_words_is_found_however_it_is_typed() {
        let named = |id: &str, name: &str| Candidate {
            names: vec![name.to_lowercase()],
            ..bare(id)
        };
        let company = [
            named("proc_001", "Ada"),
            named("proc_002", "Ada 2"),
            named("proc_003", "Jean-Luc Picard"),
            named("proc_004", "Jean_Luc Picard"),
            named("proc_005", "Ünal-Öz"),
        ];
        for (text, id) in [
            ("Ada", "proc_001"),
            ("Ada 2", "proc_002"),
            ("ada-2", "proc_002"),
            ("ada_2", "proc_002"),
            ("Jean-Luc Picard", "proc_003"),
            ("jean_luc picard", "proc_004"),
            ("ÜNAL ÖZ", "proc_005"),
            ("ünal-", "proc_005"),
        ] {
            match resolve("process", text, &company) {
                Ok(found) => assert_eq!(found.id, id, "{text}"),
                Err(error) => panic!("{text}: {error}"),
            }
        }
        let several = resolve("process", "jean luc picard", &company).unwrap_err();
        assert_eq!(several.code(), Code::Usage);
    }

    #[test]
    fn what_may_mean_several_names_them_and_what_means_none_names_the_nearest() {
        let company = company();
        let check = |text: &str, code: Code, words: &str| {
            let error = resolve("process", text, &company).unwrap_err();
            let all = format!("{error} / {}", error.remedy().unwrap_or_default());
            assert_eq!(error.code(), code, "{text}");
            assert!(all.contains(words), "{text}: {all}");
        };
        check("gr", Code::Usage, "proc_002 or proc_003");
        check("senior_developer", Code::Usage, "proc_001 or proc_002");
        check("proc_099", Code::NotFound, "no process");
        check("proc_00", Code::Usage, "proc_001, proc_002 or proc_003");
        check("proc_", Code::Usage, "proc_001, proc_002");
        check("gracee", Code::NotFound, "the nearest is `grace`");
        check("", Code::NotFound, "headcount ps");
    }
}
