//! A file of tasks: TOML, JSON lines, or plain text. Every mistake is reported at once, with its place.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use toml::Spanned;

use crate::domain::task::Priority;
use crate::domain::written;

use super::document::priority;
use super::layer;
use super::mistakes::{Mistake, Mistakes, Report};
use super::nearest::meant;
use super::parse::parse;
use super::reader::{Table, Value};

/// What may be said of a task.
const KEYS: [&str; 15] = [
    "text",
    "template",
    "set",
    "role",
    "process",
    "skills",
    "cluster",
    "priority",
    "timeout",
    "retries",
    "key",
    "name",
    "after",
    "held",
    "own_branch",
];

/// A file of tasks, and what is wrong with it so far.
#[derive(Debug)]
pub struct TaskFile {
    path: PathBuf,
    text: String,
    report: Report,
    is_whole: bool,
    /// Its tasks, in the order of the file.
    pub tasks: Vec<FileTask>,
}

/// A task as it stands in a file; what it does not say is left to whoever adds it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileTask {
    /// Where it stands in the file.
    pub span: Range<usize>,
    /// Where the values of its keys stand; those of plain text have none.
    pub places: BTreeMap<&'static str, Range<usize>>,
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
    /// What is wrong with single tasks is kept, so that others can add what they find: see [`TaskFile::mistakes`].
    ///
    /// # Errors
    /// What is wrong with a file that cannot be taken apart.
    pub fn read(path: &Path, text: String) -> Result<Self, Mistakes> {
        let report = Report::default();
        let (tasks, is_whole) = match Form::of(path, &text) {
            Form::Toml => (tables(path, &text, &report)?, true),
            Form::Json => lines(&text, &report),
            Form::Text => (texts(&text), true),
        };
        if tasks.is_empty() && report.is_empty() {
            let help = "write one task a line, [[task]] tables, or a JSON object a line";
            report.add(Mistake::of_the_file("holds no task").help(help));
        }
        for task in &tasks {
            check(task, &report);
        }
        Ok(Self {
            path: path.to_owned(),
            text,
            report,
            is_whole,
            tasks,
        })
    }

    /// Whether every task of it could be read: else others may seem to wait for what is not there.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether nothing is wrong with it so far.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.report.is_empty()
    }

    /// Adds what somebody else finds wrong with a task: under which of its keys, if it is one, and words.
    pub fn find(&self, index: usize, key: Option<&str>, words: impl Into<String>) {
        let task = self.tasks.get(index);
        let place = task
            .zip(key)
            .and_then(|(task, key)| task.places.get(key).cloned());
        let label = if place.is_some() { "here" } else { "this task" };
        let whole = || task.map(|task| task.span.clone()).unwrap_or_default();
        let mistake = Mistake::at(place.unwrap_or_else(whole), words);
        self.report.add(mistake.label(label));
    }

    /// All that is wrong with it, in the order of the file; nothing if there is nothing.
    #[must_use]
    pub fn mistakes(self) -> Option<Mistakes> {
        self.report.finish(&self.path, &self.text).err()
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
    let wrong = |key: &str, message: &str, help: &str| {
        let place = task.places.get(key);
        let label = if place.is_some() { "here" } else { "this task" };
        let place = place.unwrap_or(&task.span).clone();
        report.add(Mistake::at(place, message).label(label).help(help));
    };
    let has_text = task
        .text
        .as_ref()
        .is_some_and(|text| !text.trim().is_empty());
    let is_told = task.text.is_none() && task.places.contains_key("text");
    match (&task.template, has_text) {
        (None, false) if !is_told => {
            wrong("text", "the task has no text", "add `text` or `template`");
        }
        (Some(_), true) => wrong(
            "template",
            "the task has a text and a template",
            "keep one of the two",
        ),
        _ => {}
    }
    let has_template = task.template.is_some() || task.places.contains_key("template");
    if !has_template && !task.set.is_empty() {
        wrong(
            "set",
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
    let mut places = BTreeMap::new();
    for key in KEYS {
        if let Some(value) = table.get(key) {
            places.insert(key, value.span());
        }
    }
    let text = table.read("text", Value::any_text);
    let task = FileTask {
        span: text.as_ref().map_or_else(|| value.span(), Spanned::span),
        places,
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

/// Reads a line each; and whether each could be read.
fn lines(text: &str, report: &Report) -> (Vec<FileTask>, bool) {
    let mut tasks = Vec::new();
    let mut is_whole = true;
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let span = begin..begin + line.trim_end().len();
        begin += line.len();
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Object<'_>>(line) {
            Ok(object) => tasks.push(object.task(line, span, report)),
            Err(error) => {
                is_whole = false;
                let at = span.start + error.column().saturating_sub(1);
                let at = at.min(span.end.saturating_sub(1)).max(span.start);
                report.add(Mistake::at(at..span.end, words(&error)).label("from here"));
            }
        }
    }
    (tasks, is_whole)
}

/// What is wrong, without the line and column of a text that is a part of the file.
fn words(error: &serde_json::Error) -> String {
    let words = error.to_string();
    words.split(" at line ").next().unwrap_or(&words).to_owned()
}

/// One object of a JSON-lines file: its values as they stand there, so that each is read for itself.
#[derive(Debug)]
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

impl Object<'_> {
    fn task(self, line: &str, span: Range<usize>, report: &Report) -> FileTask {
        let mut task = FileTask {
            span: span.clone(),
            ..FileTask::default()
        };
        for (key, raw) in self.0 {
            if raw.get() == "null" {
                continue;
            }
            // The value is a part of the line.
            let begin = (raw.get().as_ptr() as usize).saturating_sub(line.as_ptr() as usize);
            let place = span.start + begin..span.start + begin + raw.get().len();
            let Some(known) = KEYS.into_iter().find(|known| *known == key) else {
                let quoted = format!("\"{key}\"");
                let before = line.get(..begin).and_then(|before| before.rfind(&quoted));
                let place =
                    before.map_or(place, |at| span.start + at..span.start + at + quoted.len());
                let mistake = Mistake::at(place, format!("unknown key `{key}`"))
                    .label("not a key here")
                    .help(format!("the keys here are {}", KEYS.join(", ")));
                report.add(mistake.maybe_help(meant(&key, KEYS)));
                continue;
            };
            if task.places.insert(known, place.clone()).is_some() {
                report.add(Mistake::at(
                    place.clone(),
                    format!("`{key}` stands here twice"),
                ));
            }
            let one = Entry {
                key: known,
                text: raw.get(),
                place,
                report,
            };
            match known {
                "text" => task.text = one.read(),
                "template" => task.template = one.read(),
                "set" => task.set = one.read().unwrap_or_default(),
                "role" => task.role = one.read(),
                "process" => task.process = one.read(),
                "skills" => task.skills = one.read().unwrap_or_default(),
                "cluster" => task.cluster = one.read(),
                "priority" => task.priority = one.read(),
                "timeout" => task.timeout = one.time(),
                "retries" => task.retries = one.read(),
                "key" => task.key = one.read(),
                "name" => task.name = one.read(),
                "after" => task.after = one.read().unwrap_or_default(),
                "held" => task.held = one.read().unwrap_or_default(),
                _ => task.own_branch = one.read().unwrap_or_default(),
            }
        }
        task
    }
}

/// A value of one key of an object.
struct Entry<'a> {
    key: &'static str,
    text: &'a str,
    place: Range<usize>,
    report: &'a Report,
}

impl Entry<'_> {
    /// The value; `None` if it is wrong.
    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let read = serde_json::from_str(self.text);
        read.map_err(|error| {
            let text = format!("`{}`: {}", self.key, words(&error));
            self.report.add(Mistake::at(self.place.clone(), text));
        })
        .ok()
    }

    fn time(&self) -> Option<Duration> {
        let wrong = |message: &str, help: &str| {
            let text = format!("`{}`: {message}", self.key);
            let mistake = Mistake::at(self.place.clone(), text);
            self.report.add(mistake.help(help));
        };
        match written::duration(&self.read::<String>()?) {
            Ok(time) if time.is_zero() => wrong("no time at all", "write for example \"30m\""),
            Ok(time) => return Some(time),
            Err(unreadable) => wrong(unreadable.why, &unreadable.help),
        }
        None
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
        let read = read(name, text);
        let mistakes = read.map_or_else(Some, TaskFile::mistakes);
        let list = mistakes.map_or_else(Vec::new, |mistakes| mistakes.list());
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
            let bare = |task| FileTask {
                span: 0..0,
                places: BTreeMap::new(),
                ..task
            };
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
        let json = concat!(
            r#"{"text": "a", "rol": "sre", "retries": "two"}"#,
            "\n",
            r#"{"text": ""}"#,
            "\n",
            r#"{"text": "b", "timeout": "5", "held": 1}"#,
            "\n{\n",
            r#"{"text": "c", "text": "d"}"#,
        );
        assert_eq!(
            told("a.jsonl", json),
            [
                (1, "unknown key `rol`"),
                (1, "`retries`: invalid type: string \"two\", expected u32"),
                (2, "the task has no text"),
                (3, "`timeout`: a duration needs a unit"),
                (3, "`held`: invalid type: integer `1`, expected a boolean"),
                (4, "EOF while parsing an object"),
                (5, "`text` stands here twice"),
            ]
            .map(|(line, words)| (line, words.to_owned()))
        );
    }

    #[test]
    fn what_others_find_wrong_is_told_at_its_line_and_key_with_all_the_rest() {
        let file = read("tasks", "one\ntwo\nthree\n").unwrap();
        assert!(file.is_good());
        file.find(2, Some("text"), "no");
        assert_eq!(file.mistakes().unwrap().list()[0].line, Some(3));
        let toml = "[[task]]\ntext = \"a\"\nrole = \"sre\"\n[[task]]\ntext = \"\"\n";
        for (name, text, place) in [
            ("a.toml", toml, (3, 8)),
            (
                "a.jsonl",
                "{\"text\": \"a\", \"role\": \"sre\"}\n{\"text\": \"\"}\n",
                (1, 23),
            ),
        ] {
            let file = read(name, text).unwrap();
            assert!(!file.is_good());
            file.find(0, Some("role"), "no such role");
            let list = file.mistakes().unwrap().list();
            let first = &list[0];
            assert_eq!(list.len(), 2, "{list:?}");
            assert_eq!((first.line.unwrap(), first.column.unwrap()), place);
        }
        assert!(
            !read("a.jsonl", "{\"text\": \"a\"}\n{\n")
                .unwrap()
                .is_whole()
        );
    }
}
