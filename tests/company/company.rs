//! A company in a folder of its own, run in this process on the built binary's shims and agents.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use headcount::config;
use headcount::domain::command::{Command, NewProcess, Origin, Outcome, Refusal};
use headcount::domain::id::{ProcessId, TaskId};
use headcount::domain::log::{LogAnchor, LogChoice, LogForm, LogQuery};
use headcount::domain::snapshot::{ProcessView, Snapshot, Status};
use headcount::domain::task::{NewTask, Target, Task, TaskState};
use headcount::runtime::handle::Handle;
use headcount::runtime::{Folders, Rotation, Running, RuntimeOptions, start};
use tempfile::TempDir;
use tokio::time::timeout;

/// Nothing in a test takes longer than this unless it hangs.
const LONG: Duration = Duration::from_secs(60);

/// A running company; [`Company::close`] ends it and checks that nothing is left.
pub(crate) struct Company {
    pub(crate) handle: Handle,
    pub(crate) folder: TempDir,
    running: Running,
    owned: Vec<PathBuf>,
}

/// How a company is set up.
pub(crate) struct Setup {
    /// `WORKSPACE` in it is the folder of the company.
    pub(crate) roles: String,
    pub(crate) demo: bool,
    pub(crate) environment: HashMap<String, String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            roles: config::ROLES.to_owned(),
            demo: true,
            environment: HashMap::new(),
        }
    }
}

impl Company {
    pub(crate) fn open() -> Self {
        Self::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        config::init(folder.path()).expect("the shipped configuration");
        let roles = setup
            .roles
            .replace("WORKSPACE", &folder.path().to_string_lossy());
        fs::write(folder.path().join("roles.toml"), roles).expect("roles.toml");
        let (handle, running) = serve(folder.path(), setup.demo, setup.environment);
        Self {
            handle,
            folder,
            running,
            owned: Vec::new(),
        }
    }

    /// Something that a tool can write to in the workspace, and the wait for it.
    pub(crate) fn fifo(&self, name: &str) -> tokio::task::JoinHandle<String> {
        let path = self.folder.path().join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        tokio::task::spawn_blocking(move || fs::read_to_string(path).expect("the fifo"))
    }

    /// Removes a folder with the company.
    pub(crate) fn owning(mut self, folder: PathBuf) -> Self {
        self.owned.push(folder);
        self
    }

    pub(crate) async fn order(&self, command: Command) -> Result<Outcome, Refusal> {
        timeout(LONG, self.handle.order(Origin::Cli, command))
            .await
            .expect("an answer in time")
    }

    pub(crate) async fn hire(&self, role: &str) -> ProcessId {
        let new = NewProcess {
            role: role.to_owned(),
            ..NewProcess::default()
        };
        match self.order(Command::Create(Box::new(new))).await {
            Ok(Outcome::Created(id)) => id,
            other => panic!("not hired: {other:?}"),
        }
    }

    pub(crate) async fn add(&self, text: &str, process: ProcessId) -> TaskId {
        let target = Target {
            process: Some(process),
            ..Target::default()
        };
        self.add_task(NewTask {
            text: text.to_owned(),
            target,
            ..NewTask::default()
        })
        .await
    }

    /// Adds a task that goes on in the conversation of an earlier one.
    pub(crate) async fn follow_up(&self, text: &str, earlier: TaskId) -> TaskId {
        self.add_task(NewTask {
            text: text.to_owned(),
            continues: Some(earlier),
            ..NewTask::default()
        })
        .await
    }

    async fn add_task(&self, new: NewTask) -> TaskId {
        match self.order(Command::AddTask(Box::new(new))).await {
            Ok(Outcome::TaskAdded(id)) => id,
            other => panic!("not added: {other:?}"),
        }
    }

    pub(crate) async fn wait(&self, what: &str, seen: impl FnMut(&Arc<Snapshot>) -> bool) {
        let mut snapshots = self.handle.snapshots();
        if timeout(LONG, snapshots.wait_for(seen)).await.is_err() {
            panic!(
                "never saw that {what}; at last: {:#?}",
                self.handle.snapshot().processes
            );
        }
    }

    pub(crate) async fn done(&self, id: TaskId) -> Arc<Task> {
        self.wait(&format!("{id} is done"), |snapshot| {
            snapshot.task(id).is_some_and(|task| task.state.is_final())
        })
        .await;
        self.task(id)
    }

    pub(crate) async fn until(&self, id: ProcessId, status: Status) -> Arc<ProcessView> {
        self.wait(&format!("{id} is {status:?}"), |snapshot| {
            snapshot
                .process(id)
                .is_some_and(|view| view.status == status)
        })
        .await;
        self.view(id)
    }

    /// The task, as soon as it is in this state.
    pub(crate) async fn until_task(&self, id: TaskId, state: TaskState) -> Arc<Task> {
        self.wait(&format!("{id} is {state:?}"), |snapshot| {
            snapshot.task(id).is_some_and(|task| task.state == state)
        })
        .await;
        self.task(id)
    }

    pub(crate) fn task(&self, id: TaskId) -> Arc<Task> {
        self.handle.snapshot().task(id).cloned().expect("is there")
    }

    pub(crate) fn view(&self, id: ProcessId) -> Arc<ProcessView> {
        Arc::clone(self.handle.snapshot().process(id).expect("the process"))
    }

    pub(crate) async fn log(&self, process: ProcessId) -> Vec<String> {
        let query = LogQuery {
            process,
            form: LogForm::Rendered,
            anchor: LogAnchor::End,
            lines: 10_000,
            choice: LogChoice::All,
        };
        let window = self.handle.log_window(query).await.expect("the log");
        window.lines.into_iter().map(|line| line.text).collect()
    }

    /// The log once it has this text: what the fleet notes is written a moment after it shows.
    pub(crate) async fn logged(&self, process: ProcessId, text: &str) -> Vec<String> {
        self.log_until(process, text, |line| line.contains(text))
            .await
    }

    /// As [`Self::logged`], for a line of its own: a task's text stands in the log too.
    pub(crate) async fn said(&self, process: ProcessId, text: &str) -> Vec<String> {
        self.log_until(process, text, |line| line == text).await
    }

    async fn log_until(
        &self,
        process: ProcessId,
        what: &str,
        is_it: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut growth = self.handle.follow_log(process);
        loop {
            let log = self.log(process).await;
            if log.iter().any(|line| is_it(line)) {
                return log;
            }
            match timeout(LONG, growth.changed()).await {
                Ok(changed) => changed.expect("the log goes on"),
                Err(_) => panic!("never logged `{what}`; at last: {log:#?}"),
            }
        }
    }

    /// Stops everything, and sees that no process of this company is left.
    pub(crate) async fn close(mut self) {
        self.order(Command::ShutdownNow).await.expect("a shutdown");
        timeout(LONG, self.running.done())
            .await
            .expect("an end in time");
        assert_eq!(leftovers(self.folder.path()), Vec::<String>::new());
        for folder in &self.owned {
            fs::remove_dir_all(folder).expect("a folder of this test");
        }
    }
}

fn serve(folder: &Path, demo: bool, more: HashMap<String, String>) -> (Handle, Running) {
    let source = config::find(folder, Some(folder)).expect("the workspace");
    let mut environment: HashMap<String, String> = std::env::vars()
        .filter(|(name, _)| ["PATH", "HOME", "LANG", "USER"].contains(&name.as_str()))
        .collect();
    environment.extend(more);
    let parent = |name: &str| environment.get(name).cloned();
    let loaded =
        config::load(&source, &parent).unwrap_or_else(|mistakes| panic!("{}", mistakes.plain()));
    let options = RuntimeOptions {
        folders: Folders::of(folder.join("state")),
        source,
        catalogue: loaded.catalogue,
        demo,
        environment,
        exe: PathBuf::from(env!("CARGO_BIN_EXE_headcount")),
        adopt_within: Duration::from_secs(5),
        rotation: Rotation::default(),
        hand_over: false,
        open_files: None,
    };
    start(options).expect("the runtime")
}

/// Processes that work for the company of this folder: its shims, and all that carry a mark of its
/// runs.
pub(crate) fn leftovers(folder: &Path) -> Vec<String> {
    let needle = folder.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        if pid == std::process::id() {
            continue;
        }
        let read = |name: &str| {
            fs::read(entry.path().join(name))
                .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
                .unwrap_or_default()
        };
        let (line, environment) = (read("cmdline"), read("environ"));
        if line.contains(&needle) || environment.contains(&needle) {
            found.push(format!("{pid} {line}"));
        }
    }
    found
}
