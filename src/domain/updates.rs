//! What a process runs with, and how that differs from what is on disk now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything that a run was started with and that an edit on disk can change, by the name of the
/// setting. One function makes it, at the start and for every comparison, so that nothing differs
/// but what was changed. Values are for people to read: secrets stand as a hash, a prompt as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Fingerprint(pub BTreeMap<String, String>);

impl Fingerprint {
    /// Sets one setting; an empty value is the same as none.
    pub fn set(&mut self, setting: impl Into<String>, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.0.insert(setting.into(), value);
        }
    }

    /// What differs in `now`, in the order of the names.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        let names = self
            .0
            .keys()
            .chain(now.0.keys().filter(|name| !self.0.contains_key(*name)));
        let mut names: Vec<&String> = names.collect();
        names.sort();
        names
            .into_iter()
            .filter(|name| self.0.get(*name) != now.0.get(*name))
            .map(|name| Change {
                setting: name.clone(),
                before: self.0.get(name).cloned(),
                after: now.0.get(name).cloned(),
                diff: None,
            })
            .collect()
    }
}

/// One setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its name, for example `prompt`, `model`, `environment EDITOR`.
    pub setting: String,
    /// What the process runs with; `None` if it has nothing of the kind.
    pub before: Option<String>,
    /// What it would be started with now.
    pub after: Option<String>,
    /// The change of a text, as a unified diff.
    pub diff: Option<String>,
}

/// What a restart would change for one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updates {
    /// What it would be started with.
    pub now: Fingerprint,
    /// The difference, never empty.
    pub changes: Vec<Change>,
    /// Why it could not be started with it, if it could not.
    pub obstacle: Option<crate::domain::fault::Fault>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &[(&str, &str)]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for (setting, value) in settings {
            fingerprint.set(*setting, *value);
        }
        fingerprint
    }

    #[test]
    fn changes_are_found_in_all_directions_and_only_there() {
        let before = of(&[("model", "large"), ("prompt", "3fa1c2"), ("tools", "Bash")]);
        let now = of(&[
            ("max turns", "20"),
            ("prompt", "9be044"),
            ("tools", "Bash"),
            ("x", ""),
        ]);
        let changes: Vec<(String, Option<String>, Option<String>)> = before
            .changes(&now)
            .into_iter()
            .map(|change| (change.setting, change.before, change.after))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            changes,
            [
                ("max turns".to_owned(), None, text("20")),
                ("model".to_owned(), text("large"), None),
                ("prompt".to_owned(), text("3fa1c2"), text("9be044")),
            ]
        );
        assert!(before.changes(&before).is_empty());
    }
}
