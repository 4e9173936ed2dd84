//! Mistakes in `roles.toml`.

use std::fs;

use crate::errors;
use crate::instance::Instance;

const MISTAKES: &str = r#"
[departments.development]
title = "Development"
cpu = { min = 4.0, max = 1.0 }
memory = { min = "512MB", max = "2GB" }
[roles.one]
title = "One"
department = "developmnt"
prompt = "corporate-prompts/development/senior-developer.md"
[roles.two]
titel = "Two"
department = "development"
prompt = "corporate-prompts/development/nobody.md"
"#;

#[test]
fn r4_all_mistakes_are_told_at_once_and_nothing_starts() {
    let instance = Instance::demo();
    let roles = instance.workspace().join("roles.toml");
    fs::write(&roles, MISTAKES).expect("roles.toml");
    for words in [&["up"][..], &["create", "one"]] {
        let refused = instance.run(words);
        let said = errors(&refused);
        assert_eq!(refused.status.code(), Some(1), "{words:?}: {said}");
        for mistake in ["developmnt", "titel", "nobody.md", "max"] {
            assert!(said.contains(mistake), "{words:?}: no {mistake} in: {said}");
        }
    }
    let status = instance.run(&["status"]);
    assert_eq!(status.status.code(), Some(3));
    instance.until_nothing_is_left();
}

#[test]
fn r4_an_instance_that_runs_is_not_disturbed_by_them() {
    let instance = Instance::demo();
    instance.ok(&["create", "senior_developer"]);
    let pid = instance.json(&["ps"])[0]["pid"].clone();
    let roles = instance.workspace().join("roles.toml");
    fs::write(&roles, MISTAKES).expect("roles.toml");
    let task = instance.json(&["task", "add", "SAY undisturbed"]);
    let task = task["id"].as_str().expect("an id");
    let task = instance.json(&["task", "wait", task, "--timeout", "30s"]);
    assert_eq!(task["result"]["text"], "undisturbed", "{task:#}");
    // It keeps the last good one, for those who are hired now as well.
    instance.ok(&["create", "qa_engineer"]);
    instance.ok(&["up"]);
    assert_eq!(instance.json(&["ps"])[0]["pid"], pid);
    instance.close();
}
