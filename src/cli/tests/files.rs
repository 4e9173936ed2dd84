//! Files of tasks: what is wrong with them is told whole.

use crate::cli::tests::{Desk, never};
use crate::domain::command::{Command, Outcome, Refusal, TaskMistake};
use crate::domain::snapshot::Snapshot;
use crate::serve::fixture::company;
use crate::serve::wire::LONGEST;

/// Finds a role wrong, and what is waited for.
fn checks(command: &Command, _: &mut Snapshot) -> Option<Result<Outcome, Refusal>> {
    let Command::CheckTasks(tasks) = command else {
        panic!("{command:?}")
    };
    let mut mistakes = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        let mut wrong = |key: &'static str, text: &str| {
            mistakes.push(TaskMistake {
                index,
                key: Some(key.into()),
                text: text.to_owned(),
            });
        };
        if task.text.is_empty() {
            wrong("text", "told twice");
        }
        if task.target.role.is_some() {
            wrong("role", "there is no such role");
        }
        if !task.after.is_empty() {
            wrong("after", "there is no such task");
        }
    }
    Some(Err(Refusal::Tasks(mistakes)))
}

#[tokio::test]
async fn all_that_is_wrong_with_a_file_is_told_at_once_each_at_its_key() {
    let desk = Desk::open(company(), checks);
    let toml = r#"[[task]]
text = "a"
role = "nobody"

[[task]]
text = "b"
process = "nobody"
after = ["nobody"]

[[task]]
template = "nobody"
role = "nobody"

[[task]]
text = ""
retries = -1
"#;
    let json = r#"{"text": "a", "role": "nobody"}
{"text": "b", "process": "nobody", "after": ["nobody"]}
{"template": "nobody", "role": "nobody"}
{"text": "", "retries": -1}
"#;
    for (name, text) in [("tasks.toml", toml), ("tasks.jsonl", json)] {
        let file = desk.workspace.path().join(name);
        std::fs::write(&file, text).unwrap();
        let said = desk
            .run(&format!("task add --file {}", file.display()))
            .await;
        for words in [
            "there is no such role",
            "there is no process `nobody`",
            "there is no such task",
            "there is no template `nobody`",
            "the task has no text",
            "retries",
            "7 mistakes; nothing was added",
        ] {
            assert!(said.contains(words), "{name}, {words}: {said}");
        }
        assert!(!said.contains("told twice"), "{said}");
        assert!(said.ends_with("[exit 2]"), "{said}");
    }
    // What is waited for may be what could not be read.
    let file = desk.workspace.path().join("tasks.jsonl");
    std::fs::write(
        &file,
        "{\"text\": \"a\", \"after\": [\"b\"]}\n{\"name\": \"b\"\n",
    )
    .unwrap();
    let said = desk
        .run(&format!("task add --file {}", file.display()))
        .await;
    assert!(said.contains("a mistake; nothing was added"), "{said}");
    assert!(!said.contains("no such task"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_longer_than_is_taken_says_the_limit() {
    let desk = Desk::open(company(), never);
    let file = desk.workspace.path().join("tasks.txt");
    let line = "x".repeat(1000) + "\n";
    std::fs::write(&file, line.repeat(LONGEST / 1000)).unwrap();
    let said = desk
        .run(&format!("task add --file {}", file.display()))
        .await;
    assert!(said.contains("at most 8 MiB are taken at once"), "{said}");
    assert!(
        said.contains("try: nothing was added; divide the file"),
        "{said}"
    );
    assert!(said.ends_with("[exit 2]"), "{said}");
}

#[tokio::test]
async fn what_has_no_words_is_refused_before_anything_is_started() {
    let desk = Desk::open(company(), never);
    let said = desk.run("task add x --set a=b").await;
    assert!(said.contains("name it with --template"), "{said}");
    assert!(said.ends_with("[exit 2]"), "{said}");
}
