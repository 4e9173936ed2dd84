//! The conversation on disk: one JSON line for each message, where the real agent keeps it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{clock, environment::Environment, output::new_id, usage::Usage};

/// A conversation and the file that holds it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    path: PathBuf,
    /// Opened by the first message: a session without a task leaves no trace.
    file: Option<File>,
    cwd: String,
    /// What the person said so far.
    pub(super) prompts: Vec<String>,
    /// The system prompt that was recorded with the conversation.
    pub(super) system: Option<String>,
    /// What the last process had used when it ended in good order.
    pub(super) totals: Usage,
}

impl Session {
    pub(super) fn fresh(id: String, environment: &Environment) -> Self {
        Self {
            path: folder(environment).join(format!("{id}.jsonl")),
            id,
            file: None,
            cwd: environment.cwd.to_string_lossy().into_owned(),
            prompts: vec![],
            system: None,
            totals: Usage::default(),
        }
    }

    /// Reads a conversation back, from whatever folder it was held in.
    pub(super) fn resume(id: &str, environment: &Environment) -> Option<Self> {
        let path = find(id, &environment.config)?;
        let text = fs::read_to_string(&path).ok()?;
        let mut session = Self {
            path,
            ..Self::fresh(id.to_owned(), environment)
        };
        for line in text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        {
            match line["type"].as_str() {
                Some("user") => session
                    .prompts
                    .extend(line["prompt"].as_str().map(str::to_owned)),
                Some("system-prompt") => session.system = line["text"].as_str().map(str::to_owned),
                // The totals go on only from a good end that nothing came after.
                Some("totals") => {
                    let tokens = |name: &str| line[name].as_u64().unwrap_or_default();
                    session.totals = Usage {
                        input: tokens("input"),
                        output: tokens("output"),
                    };
                    continue;
                }
                _ => {}
            }
            session.totals = Usage::default();
        }
        Some(session)
    }

    /// Says whether a conversation of this id was begun.
    pub(super) fn exists(id: &str, environment: &Environment) -> bool {
        find(id, &environment.config).is_some()
    }

    pub(super) fn record_prompt(&mut self, text: &str) {
        self.prompts.push(text.to_owned());
        self.append(
            json!({"type": "user", "prompt": text, "message": {"role": "user", "content": text}}),
        );
    }

    pub(super) fn record_system(&mut self, text: &str) {
        if self.system.as_deref() != Some(text) {
            self.system = Some(text.to_owned());
            self.append(json!({"type": "system-prompt", "text": text}));
        }
    }

    pub(super) fn record_message(&mut self, kind: &str, message: &Value) {
        self.append(json!({"type": kind, "message": message}));
    }

    /// Notes the totals at a good end; a conversation that was not begun keeps none.
    pub(super) fn record_totals(&mut self, totals: Usage) {
        if self.file.is_some() || self.path.exists() {
            self.append(json!({"type": "totals", "input": totals.input, "output": totals.output}));
        }
    }

    fn append(&mut self, mut line: Value) {
        line["sessionId"] = self.id.as_str().into();
        line["uuid"] = new_id().into();
        line["timestamp"] = clock::timestamp().into();
        line["cwd"] = self.cwd.as_str().into();
        // The real agent goes on without a word when it cannot keep the conversation; so does this one.
        let _ = self
            .open()
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }

    fn open(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&self.path)?;
            self.file = Some(file);
        }
        self.file
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn folder(environment: &Environment) -> PathBuf {
    environment
        .config
        .join("projects")
        .join(dashed(&environment.cwd))
}

fn dashed(cwd: &Path) -> String {
    cwd.to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

fn find(id: &str, config: &Path) -> Option<PathBuf> {
    let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let folders = fs::read_dir(config.join("projects"))
        .ok()
        .filter(|_| is_id)?;
    let mut files = folders
        .flatten()
        .map(|folder| folder.path().join(format!("{id}.jsonl")));
    files.find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::environment::Start;
    use super::*;

    fn environment(config: &Path) -> Environment {
        Environment {
            cwd: "/home/dev/my.project".into(),
            config: config.to_owned(),
            pace: Duration::ZERO,
            start: Start::Well,
            state_events: false,
            max_retries: 10,
        }
    }

    #[test]
    fn a_conversation_is_found_again_with_all_that_was_said() {
        let home = tempfile::tempdir().unwrap();
        let environment = environment(home.path());
        let mut session = Session::fresh("one".to_owned(), &environment);
        assert!(!Session::exists("one", &environment));
        session.record_system("be kind");
        session.record_prompt("SAY a");
        session.record_totals(Usage::ANSWER);
        assert!(
            home.path()
                .join("projects/-home-dev-my-project/one.jsonl")
                .is_file()
        );

        let again = Session::resume("one", &environment).unwrap();
        assert_eq!(again.prompts, ["SAY a"]);
        assert_eq!(again.system.as_deref(), Some("be kind"));
        assert_eq!(again.totals, Usage::ANSWER);
        assert!(Session::resume("two", &environment).is_none());
    }

    #[test]
    fn totals_do_not_go_on_after_a_sudden_end() {
        let home = tempfile::tempdir().unwrap();
        let environment = environment(home.path());
        let mut session = Session::fresh("one".to_owned(), &environment);
        session.record_prompt("SAY a");
        session.record_totals(Usage::ANSWER);
        session.record_prompt("SAY b");
        assert_eq!(
            Session::resume("one", &environment).unwrap().totals,
            Usage::default()
        );
    }
}
