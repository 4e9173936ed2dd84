//! The built program, driven as a person or a script does, in a folder of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// No command takes longer than this unless it hangs.
const LONG: Duration = Duration::from_secs(30);

/// A workspace with a state folder and a home, and the instance that may run there.
pub(crate) struct Instance {
    folder: TempDir,
    environment: Vec<(String, String)>,
    demo: bool,
    user: Option<u32>,
}

/// The program that is driven: the one that was built with this, or another that HEADCOUNT_PROGRAM names.
pub(crate) fn program() -> PathBuf {
    let other = std::env::var_os("HEADCOUNT_PROGRAM");
    other.map_or_else(|| env!("CARGO_BIN_EXE_headcount").into(), PathBuf::from)
}

impl Instance {
    /// A company on the simulated agent.
    pub(crate) fn demo() -> Self {
        Self::with(true, Vec::new())
    }

    /// A company with more variables in its environment; what stands there twice counts as it
    /// comes last.
    pub(crate) fn with(demo: bool, environment: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder.path().join("work")).expect("a workspace");
        fs::create_dir_all(folder.path().join("home")).expect("a home");
        headcount::config::init(&folder.path().join("work")).expect("the shipped configuration");
        Self {
            folder,
            environment,
            demo,
            user: None,
        }
    }

    /// All of it, commands and instance, is another user's from now on. For root alone.
    pub(crate) fn owned_by(mut self, user: u32) -> Self {
        for path in walk(self.folder.path()) {
            std::os::unix::fs::chown(path, Some(user), Some(user)).expect("root may give away");
        }
        self.user = Some(user);
        self
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// What `--state` names.
    pub(crate) fn state_folder(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The folder of this workspace below the state folder, once an instance has been there.
    pub(crate) fn state(&self) -> PathBuf {
        let base = self.folder.path().join("state");
        walk(&base)
            .into_iter()
            .find(|path| path.ends_with("headcount.db"))
            .and_then(|path| path.parent().map(Path::to_owned))
            .unwrap_or(base)
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        let path = std::env::var_os("PATH").unwrap_or_default();
        command
            .current_dir(self.workspace())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path().join("home"))
            .envs(self.environment.iter().cloned())
            .arg("--workspace")
            .arg(self.workspace())
            .arg("--state")
            .arg(self.folder.path().join("state"));
        if self.demo {
            command.arg("--demo");
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command.args(words);
        command
    }

    /// A command under a limit of `ulimit`, which its instance has too if it starts one.
    pub(crate) fn limited(&self, limit: &str, words: &[&str]) -> Command {
        let wanted = self.command(words);
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(format!("ulimit {limit}; exec \"$0\" \"$@\""))
            .arg(wanted.get_program())
            .args(wanted.get_args())
            .current_dir(self.workspace())
            .env_clear();
        for (name, value) in wanted.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program starts");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a PID"));
        let (ended, end) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                if end.recv_timeout(LONG).is_err() {
                    kill(pid, Signal::SIGKILL).ok();
                }
            });
            let output = child.wait_with_output().expect("it ends");
            ended.send(()).ok();
            output
        })
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success(),
            "{words:?}: {} {out} {err}",
            output.status
        );
        out.into_owned()
    }

    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let mut words = words.to_vec();
        words.push("--json");
        serde_json::from_str(&self.ok(&words)).expect("a JSON document")
    }

    /// The PID of the running instance.
    pub(crate) fn pid(&self) -> u32 {
        let pid = self.json(&["status"])["instance"]["pid"]
            .as_u64()
            .expect("the PID of the instance");
        u32::try_from(pid).expect("a PID")
    }

    /// Waits until a line of a process's log has this text.
    pub(crate) fn until_logged(&self, process: &str, text: &str) {
        let mut follow = self
            .command(&["logs", process, "-f"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(follow.stdout.take().expect("its output"));
        let found = output
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains(text));
        follow.kill().expect("it follows until it is ended");
        follow.wait().expect("it ends");
        assert!(found, "{process} never logged `{text}`");
    }

    /// Kills the instance with SIGKILL, and returns when it is gone.
    pub(crate) fn kill_instance(&self) {
        let pid = i32::try_from(self.pid()).expect("a PID");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the instance is ours to kill");
        // Its lock goes with it.
        let folder = File::open(self.state()).expect("the state folder");
        drop(
            Flock::lock(folder, FlockArg::LockExclusive)
                .map_err(|(_, error)| error)
                .expect("the lock"),
        );
    }

    /// Processes of this instance that still run.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let needle = self.folder.path().to_string_lossy().into_owned();
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
            let line = read("cmdline");
            if line.contains(&needle) || read("environ").contains(&needle) {
                found.push(format!("{pid} {line}"));
            }
        }
        found
    }

    /// Looks until no process of this instance is there: one that could not start says so before it
    /// ends.
    pub(crate) fn until_nothing_is_left(&self) {
        let begin = SystemTime::now();
        loop {
            let left = self.leftovers();
            if left.is_empty() {
                return;
            }
            assert!(begin.elapsed().expect("a clock") < LONG, "{left:?}");
        }
    }

    /// Ends the instance, and sees that nothing is left of it.
    pub(crate) fn close(self) {
        self.ok(&["down", "--force"]);
        assert_eq!(self.leftovers(), Vec::<String>::new());
    }
}

impl Drop for Instance {
    /// After a failed test: nothing is left running.
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.command(&["down", "--force"]).output());
        }
    }
}

/// A folder with all that is in it.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}
