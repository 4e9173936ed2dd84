//! A file of tasks: TOML, JSON lines, or plain text. Every mistake is reported at once, with its place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use crate::domain::task::Priority;
use crate::domain::written;

use super::document::priority;
use super::layer;
use super::mistakes::{Mistake, Mistakes, Report};
use super::parse::parse;
use super::reader::{Table, Value};

/// A file of tasks that could be read.
#[derive(Debug)]
pub struct TaskFile {
    path: PathBuf,
    text: String,
    /// Its tasks, in the order of the file.
    pub tasks: Vec<FileTask>,
}

/// A task as it stands in a file; what it does not say is left to whoever adds it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileTask {
    /// Where it stands in the file.
    pub span: Range<usize>,
    /// What to do.
    pub text: Option<String>,
    /// A template of `roles.toml` in place of a text.
    pub template: Option<String>,
    /// What the template is filled with.
    pub set: BTreeMap<String, String>,
    /// Any process of this role.
    pub role: Option<String>,
    /// This process and no other: an id or a name.
    pub process: Option<String>,
    /// Any process whose role has all of these skills.
    pub skills: Vec<String>,
    /// Anyone of this cluster.
    pub cluster: Option<String>,
    /// How urgent.
    pub priority: Option<Priority>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How often it is tried again.
    pub retries: Option<u32>,
    /// An idempotency key, by which others of the file may wait for it too.
    pub key: Option<String>,
    /// What others of the file call it.
    pub name: Option<String>,
    /// Tasks that must have succeeded before: names, keys or ids.
    pub after: Vec<String>,
    /// Whether it is held until a person releases it.
    pub held: bool,
    /// Whether it is done on a branch of its own.
    pub own_branch: bool,
}

impl TaskFile {
    /// Reads a file by its ending, or by how it begins: `[[task]]` tables of TOML, JSON lines, or text:
    /// one task a line, or what stands between lines that are `---`.
    ///
    /// # Errors
    /// All mistakes at once, in the order of the file.
    pub fn read(path: &Path, text: String) -> Result<Self, Mistakes> {
        let report = Report::default();
        let tasks = match Form::of(path, &text) {
            Form::Toml => tables(path, &text, &report)?,
            Form::Json => lines(&text, &report),
            Form::Text => texts(&text),
        };
        if tasks.is_empty() {
            let help = "write one task a line, [[task]] tables, or a JSON object a line";
            report.add(Mistake::of_the_file("holds no task").help(help));
        }
        for task in &tasks {
            check(task, &report);
        }
        report.finish(path, &text)?;
        Ok(Self {
            path: path.to_owned(),
            text,
            tasks,
        })
    }

    /// What is wrong with some of its tasks by somebody else's judgement: the place of each, and words.
    ///
    /// # Errors
    /// All of them, in the order of the file; nothing if there is none.
    pub fn judged(&self, mistakes: &[(usize, String)]) -> Result<(), Mistakes> {
        let report = Report::default();
        for (index, words) in mistakes {
            let task = self.tasks.get(*index).map(|task| task.span.clone());
            report.add(Mistake::at(task.unwrap_or_default(), words.clone()).label("this task"));
        }
        report.finish(&self.path, &self.text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Toml,
    Json,
    Text,
}

impl Form {
    fn of(path: &Path, text: &str) -> Self {
        match path.extension().and_then(|end| end.to_str()) {
            Some("toml") => return Self::Toml,
            Some("json" | "jsonl" | "ndjson") => return Self::Json,
            Some("txt" | "md") => return Self::Text,
            _ => {}
        }
        let mut lines = text.lines().map(str::trim);
        match lines.find(|line| !line.is_empty() && !line.starts_with('#')) {
            Some(line) if line.starts_with("[[task") => Self::Toml,
            Some(line) if line.starts_with('{') => Self::Json,
            _ => Self::Text,
        }
    }
}

fn check(task: &FileTask, report: &Report) {
    let wrong = |message: &str, help: &str| {
        report.add(
            Mistake::at(task.span.clone(), message)
                .label("this task")
                .help(help),
        );
    };
    let has_text = task
        .text
        .as_ref()
        .is_some_and(|text| !text.trim().is_empty());
    match (&task.template, has_text) {
        (None, false) => wrong("the task has no text", "add `text` or `template`"),
        (Some(_), true) => wrong("the task has a text and a template", "keep one of the two"),
        _ => {}
    }
    if task.template.is_none() && !task.set.is_empty() {
        wrong(
            "`set` without a template",
            "add `template`, or take `set` out",
        );
    }
}

fn tables(path: &Path, text: &str, report: &Report) -> Result<Vec<FileTask>, Mistakes> {
    let parsed = parse(path, text, report)?;
    let root = Table::root(parsed.get_ref(), report);
    let tasks = root.get("task").and_then(|value| value.list(table));
    root.finish();
    // A table of an array begins at its header.
    let tasks = tasks.unwrap_or_default().into_iter();
    Ok(tasks.map(Spanned::into_inner).collect())
}

fn table(value: &Value<'_>) -> Option<FileTask> {
    let table = value.table()?;
    let plain = |key| table.read(key, Value::text).map(Spanned::into_inner);
    let list = |key| {
        let texts = layer::texts(&table, key).unwrap_or_default();
        texts.into_iter().map(Spanned::into_inner).collect()
    };
    let text = table.read("text", Value::any_text);
    let task = FileTask {
        span: text.as_ref().map_or_else(|| value.span(), Spanned::span),
        text: text.map(Spanned::into_inner),
        template: plain("template"),
        set: table
            .get("set")
            .map(|value| layer::environment(&value))
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name, value.into_inner()))
            .collect(),
        role: plain("role"),
        process: plain("process"),
        skills: list("skills"),
        cluster: plain("cluster"),
        priority: table.read("priority", priority).map(Spanned::into_inner),
        timeout: table
            .read("timeout", Value::interval)
            .map(Spanned::into_inner),
        retries: table
            .read("retries", |value| value.whole(0..=1000))
            .map(Spanned::into_inner),
        key: plain("key"),
        name: plain("name"),
        after: list("after"),
        held: table
            .read("held", Value::boolean)
            .is_some_and(Spanned::into_inner),
        own_branch: table
            .read("own_branch", Value::boolean)
            .is_some_and(Spanned::into_inner),
    };
    table.finish();
    Some(task)
}

/// One object of a JSON-lines file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    text: Option<String>,
    template: Option<String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    role: Option<String>,
    process: Option<String>,
    #[serde(default)]
    skills: Vec<String>,
    cluster: Option<String>,
    priority: Option<Priority>,
    timeout: Option<String>,
    retries: Option<u32>,
    key: Option<String>,
    name: Option<String>,
    #[serde(default)]
    after: Vec<String>,
    #[serde(default)]
    held: bool,
    #[serde(default)]
    own_branch: bool,
}

fn lines(text: &str, report: &Report) -> Vec<FileTask> {
    let mut tasks = Vec::new();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let span = begin..begin + line.trim_end().len();
        begin += line.len();
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Object>(line) {
            Ok(object) => tasks.push(object.task(span, report)),
            Err(error) => {
                let at = span.start + error.column().saturating_sub(1);
                let words = error.to_string();
                let words = words.split(" at line ").next().unwrap_or(&words).to_owned();
                let at = at.min(span.end.saturating_sub(1)).max(span.start);
                report.add(Mistake::at(at..span.end, words).label("from here"));
            }
        }
    }
    tasks
}

impl Object {
    fn task(self, span: Range<usize>, report: &Report) -> FileTask {
        let read = self.timeout.as_deref().map(written::duration);
        let timeout = read.and_then(|read| {
            let wrong = |message: &str, help: &str| {
                let mistake = Mistake::at(span.clone(), format!("`timeout`: {message}"));
                report.add(mistake.label("this task").help(help));
            };
            match read {
                Ok(time) if time.is_zero() => wrong("no time at all", "write for example \"30m\""),
                Ok(time) => return Some(time),
                Err(unreadable) => wrong(unreadable.why, &unreadable.help),
            }
            None
        });
        FileTask {
            span,
            text: self.text,
            template: self.template,
            set: self.set,
            role: self.role,
            process: self.process,
            skills: self.skills,
            cluster: self.cluster,
            priority: self.priority,
            timeout,
            retries: self.retries,
            key: self.key,
            name: self.name,
            after: self.after,
            held: self.held,
            own_branch: self.own_branch,
        }
    }
}

/// One a line; where a line is `---`, what stands between such lines.
fn texts(text: &str) -> Vec<FileTask> {
    let is_rule = |line: &str| line.trim_end() == "---";
    let ruled = text.lines().any(is_rule);
    let mut tasks = Vec::new();
    let mut part = 0..0;
    for line in text.split_inclusive('\n') {
        let end = part.end + line.len();
        if ruled && is_rule(line) {
            tasks.extend(part_of(text, part));
            part = end..end;
        } else if ruled {
            part.end = end;
        } else {
            tasks.extend(part_of(text, part.end..end));
            part = end..end;
        }
    }
    tasks.extend(part_of(text, part));
    tasks
}

fn part_of(text: &str, part: Range<usize>) -> Option<FileTask> {
    let words = text.get(part.clone())?.trim();
    (!words.is_empty()).then(|| FileTask {
        span: part,
        text: Some(words.to_owned()),
        ..FileTask::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<TaskFile, Mistakes> {
        TaskFile::read(Path::new(name), text.to_owned())
    }

    fn told(name: &str, text: &str) -> Vec<(usize, String)> {
        let list = read(name, text).map_or_else(|mistakes| mistakes.list(), |_| Vec::new());
        let entry = |entry: super::super::MistakeEntry| (entry.line.unwrap_or(0), entry.message);
        list.into_iter().map(entry).collect()
    }

    #[test]
    fn a_text_file_holds_one_task_a_line_or_parts_between_rules() {
        let check = |text: &str, expected: &[&str]| {
            let file = read("tasks", text).unwrap();
            let texts: Vec<&str> = file
                .tasks
                .iter()
                .flat_map(|task| task.text.as_deref())
                .collect();
            assert_eq!(texts, expected);
        };
        check("one\n\n  two\n", &["one", "two"]);
        check("one\nmore\n---\n\ntwo\n---\n", &["one\nmore", "two"]);
        assert_eq!(told("tasks", " \n"), [(0, "holds no task".to_owned())]);
    }

    #[test]
    fn toml_and_json_lines_say_the_same() {
        let toml = r#"
            [[task]]
            name = "plan"
            text = "Plan it"
            role = "technical_lead"
            priority = "high"

            [[task]]
            text = "Do it: {{result:plan}}"
            after = ["plan"]
            timeout = "30m"
            retries = 1
            held = true
            set = {}
        "#;
        let json = concat!(
            r#"{"name": "plan", "text": "Plan it", "role": "technical_lead", "priority": "high"}"#,
            "\n\n",
            r#"{"text": "Do it: {{result:plan}}", "after": ["plan"], "timeout": "30m", "retries": 1, "held": true}"#,
        );
        let plain = |file: TaskFile| -> Vec<FileTask> {
            let bare = |task| FileTask { span: 0..0, ..task };
            file.tasks.into_iter().map(bare).collect()
        };
        let tables = plain(read("a.toml", toml).unwrap());
        assert_eq!(tables, plain(read("-", json).unwrap()));
        assert_eq!(tables, plain(read("-", toml).unwrap()));
        assert_eq!(tables[1].timeout, Some(Duration::from_secs(1800)));
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines() {
        let toml =
            "[[task]]\ntext = \"\"\n[[task]]\ntext = \"a\"\nrol = \"sre\"\npriority = \"soon\"\n";
        assert_eq!(
            told("a.toml", toml),
            [
                (2, "the task has no text".to_owned()),
                (5, "unknown key `rol` in `task`".to_owned()),
                (6, "`task.priority` cannot be `soon`".to_owned()),
            ]
        );
        let json = "{\"text\": \"a\"}\n{\"txt\": 1}\n{\"text\": \"b\", \"timeout\": \"5\"}\n{\n";
        let lines: Vec<usize> = told("a.jsonl", json)
            .iter()
            .map(|(line, _)| *line)
            .collect();
        assert_eq!(lines, [2, 3, 4]);
    }

    #[test]
    fn what_the_instance_finds_wrong_is_told_at_its_line() {
        let file = read("tasks", "one\ntwo\nthree\n").unwrap();
        let mistakes = file.judged(&[(2, "no".to_owned())]).unwrap_err();
        assert_eq!(mistakes.list()[0].line, Some(3));
        assert!(file.judged(&[]).is_ok());
    }
}
