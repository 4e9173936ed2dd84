//! A company of its own for each test, and screens of the built program on real pseudo-terminals.

#![expect(
    clippy::unwrap_used,
    reason = "a rig that cannot be set up fails its test"
)]
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses its own part"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use headcount::app::instance::InstanceOptions;
use headcount::app::place::StateFolder;
use headcount::app::start;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{InputFlags, LocalFlags, tcgetattr};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtyPair, PtySize, native_pty_system};

/// How long anything may take on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One workspace with its state folder. Its instance ends with it.
pub(crate) struct Company {
    temp: tempfile::TempDir,
}

impl Company {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        for folder in ["shop", "home"] {
            std::fs::create_dir(temp.path().join(folder)).unwrap();
        }
        let company = Self { temp };
        let init = company
            .command(&["init", company.workspace().to_str().unwrap()])
            .output()
            .unwrap();
        assert!(init.status.success(), "{init:?}");
        company
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.temp.path().join("shop")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.temp.path().join("state")
    }

    pub(crate) fn place(&self) -> StateFolder {
        StateFolder::locate(&self.workspace(), Some(&self.state())).unwrap()
    }

    fn instance(&self) -> InstanceOptions {
        InstanceOptions {
            place: self.place(),
            demo: false,
            keep: false,
        }
    }

    /// The PID of the instance that answers.
    pub(crate) fn running(&self) -> Option<u32> {
        start::running(&self.instance())
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let path = std::env::var("PATH").unwrap_or_default();
        vec![
            ("PATH", path),
            ("HOME", self.temp.path().join("home").display().to_string()),
            ("TERM", "xterm-256color".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            (
                "HEADCOUNT_WORKSPACE",
                self.workspace().display().to_string(),
            ),
            ("HEADCOUNT_STATE", self.state().display().to_string()),
        ]
    }

    /// The program, not on a terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .current_dir(self.temp.path())
            .stdin(Stdio::null());
        command
    }

    /// The screen in a terminal of its own.
    pub(crate) fn open(&self) -> Screen {
        self.run(&[env!("CARGO_BIN_EXE_headcount")], &[])
    }

    /// The screen in a terminal of this size, which reads at this pace.
    pub(crate) fn open_sized(&self, (rows, cols): (u16, u16), pace: Pace) -> Screen {
        self.run_sized(&[env!("CARGO_BIN_EXE_headcount")], &[], (rows, cols), pace)
    }

    /// Any program in a terminal of its own.
    pub(crate) fn run(&self, words: &[&str], environment: &[(&str, &str)]) -> Screen {
        self.run_sized(words, environment, (24, 80), Pace::Eager)
    }

    fn run_sized(
        &self,
        words: &[&str],
        environment: &[(&str, &str)],
        (rows, cols): (u16, u16),
        pace: Pace,
    ) -> Screen {
        let size = PtySize {
            rows,
            cols,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair
            .slave
            .spawn_command(self.builder(words, environment))
            .unwrap();
        Screen::watch(pair, child, pace)
    }

    /// Another program in a terminal whose first one has ended.
    pub(crate) fn run_again(&self, screen: &mut Screen) {
        let builder = self.builder(&[env!("CARGO_BIN_EXE_headcount")], &[]);
        screen.child = screen.pair.slave.spawn_command(builder).unwrap();
    }

    /// What a shell does when its program was killed: canonical input again.
    pub(crate) fn cook(&self, screen: &Screen) {
        let mut stty = Command::new("stty");
        let terminal = File::open(screen.master().tty_name().unwrap()).unwrap();
        assert!(stty.arg("sane").stdin(terminal).status().unwrap().success());
    }

    fn builder(&self, words: &[&str], environment: &[(&str, &str)]) -> CommandBuilder {
        let mut builder = CommandBuilder::new(words[0]);
        builder.args(&words[1..]);
        builder.env_clear();
        for (name, value) in self.environment() {
            builder.env(name, value);
        }
        for (name, value) in environment {
            builder.env(name, value);
        }
        builder.cwd(self.temp.path());
        builder
    }

    /// Asks until so many terminals are attached.
    pub(crate) fn wait_for_terminals(&self, count: u64) {
        let begin = SystemTime::now();
        loop {
            let output = self.command(&["status", "--json"]).output().unwrap();
            let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let attached = status["terminals"]
                .as_u64()
                .or(status["instance"]["terminals"].as_u64());
            if attached == Some(count) {
                return;
            }
            assert!(begin.elapsed().unwrap() < PATIENCE, "{status}");
        }
    }

    /// Waits until no instance has the state folder.
    pub(crate) fn wait_for_the_end(&self) {
        wait_until_unlocked(self.place().path());
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        let place = self.place();
        // Of a test that failed in a demonstration.
        if headcount::os::folder_lock::holder(place.demo().path()).is_some() {
            self.command(&["--demo", "down", "--force"]).output().ok();
        }
        if let Some(pid) = headcount::os::folder_lock::holder(place.path()) {
            kill(Pid::from_raw(pid as i32), Signal::SIGTERM).ok();
            wait_until_unlocked(place.path());
        }
    }
}

/// The kernel gives us the lock when its holder has ended.
fn wait_until_unlocked(folder: &Path) {
    let Ok(folder) = File::open(folder) else {
        return;
    };
    let (done, waiting) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        folder.lock().unwrap();
        // Given back first: whoever asks next who has the lock must not be told that it is us.
        drop(folder);
        done.send(()).ok();
    });
    waiting.recv_timeout(PATIENCE).expect("the instance ends");
}

/// How a terminal reads what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as it comes.
    Eager,
    /// A thousand bytes a second.
    Slow,
    /// Not at all.
    Stuck,
}

struct Seen {
    raw: Vec<u8>,
    screen: vt100::Parser,
}

/// A terminal with a program in it.
pub(crate) struct Screen {
    pair: PtyPair,
    keys: Box<dyn Write + Send>,
    size: (u16, u16),
    pub(crate) child: Box<dyn Child + Send + Sync>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Screen {
    fn watch(pair: PtyPair, child: Box<dyn Child + Send + Sync>, pace: Pace) -> Self {
        let size = pair.master.get_size().unwrap();
        let first = Seen {
            raw: Vec::new(),
            screen: vt100::Parser::new(
                NonZero::new(size.rows).unwrap(),
                NonZero::new(size.cols).unwrap(),
                0,
            ),
        };
        let seen = Arc::new((Mutex::new(first), Condvar::new()));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            if pace == Pace::Stuck {
                return;
            }
            let mut buffer = vec![0; if pace == Pace::Slow { 100 } else { 4096 }];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                let mut seen = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                seen.raw.extend_from_slice(&buffer[..read]);
                seen.screen.process(&buffer[..read]);
                shared.1.notify_all();
                drop(seen);
                if pace == Pace::Slow {
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        });
        Self {
            pair,
            keys,
            size: (size.rows, size.cols),
            child,
            seen,
        }
    }

    pub(crate) fn keys(&mut self, bytes: &[u8]) {
        self.keys.write_all(bytes).unwrap();
        self.keys.flush().unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.process_id().unwrap();
        kill(Pid::from_raw(pid as i32), signal).unwrap();
    }

    pub(crate) fn resize(&mut self, rows: u16, cols: u16) {
        self.size = (rows, cols);
        // The emulator has no screen without cells; the program has to live with one.
        if let (Some(rows), Some(cols)) = (NonZero::new(rows), NonZero::new(cols)) {
            let mut seen = self.seen.0.lock().unwrap();
            seen.screen.screen_mut().set_size(rows, cols);
        }
        let size = PtySize {
            rows,
            cols,
            ..PtySize::default()
        };
        self.master().resize(size).unwrap();
    }

    fn master(&self) -> &dyn MasterPty {
        self.pair.master.as_ref()
    }

    /// What the screen shows.
    pub(crate) fn shown(&self) -> String {
        self.seen.0.lock().unwrap().screen.screen().contents()
    }

    /// Waits until what is shown is so.
    pub(crate) fn wait(&self, what: &str, ready: impl Fn(&str) -> bool) {
        self.wait_seen(what, |seen| ready(&seen.screen.screen().contents()));
    }

    /// Waits for a text on the screen.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait(&format!("`{text}`"), |shown| shown.contains(text));
    }

    /// Waits until a text is not on the screen.
    pub(crate) fn wait_for_none(&self, text: &str) {
        self.wait(&format!("no `{text}`"), |shown| !shown.contains(text));
    }

    /// Waits for bytes that come after the first so many.
    pub(crate) fn wait_for_bytes(&self, after: usize, text: &str) {
        self.wait_seen(&format!("{text:?}"), |seen| {
            last(&seen.raw, text).is_some_and(|at| at >= after)
        });
    }

    /// Waits until the first screen is drawn.
    pub(crate) fn wait_for_the_screen(&self) {
        self.wait_seen("the screen", |seen| {
            seen.screen.screen().alternate_screen()
                && seen.screen.screen().contents().contains("headcount")
        });
    }

    fn wait_seen(&self, what: &str, ready: impl Fn(&Seen) -> bool) {
        let (seen, changed) = &*self.seen;
        let seen = seen.lock().unwrap();
        let (seen, late) = changed
            .wait_timeout_while(seen, PATIENCE, |seen| !ready(seen))
            .unwrap();
        let shown = seen.screen.screen().contents();
        drop(seen);
        assert!(
            !late.timed_out(),
            "waited for {what}; the screen shows:\n{shown}"
        );
    }

    /// Waits for the end of the program, and returns its exit code.
    pub(crate) fn ended(&mut self) -> u32 {
        let (done, waiting) = std::sync::mpsc::channel();
        let mut killer = self.child.clone_killer();
        std::thread::scope(|scope| {
            let child = &mut self.child;
            scope.spawn(move || done.send(child.wait().unwrap().exit_code()));
            waiting.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                killer.kill().ok();
                panic!("the program has not ended");
            })
        })
    }

    /// Asserts that the instance draws for this terminal: everything anew at another size.
    pub(crate) fn assert_alive(&mut self) {
        let before = self.raw().len();
        let (rows, columns) = self.size;
        let rows = if rows < 5 { 24 } else { rows };
        self.resize(rows, if columns == 80 { 100 } else { 80 });
        self.wait_for_bytes(before, "\x1b[2J");
        self.wait_for_the_screen();
    }

    /// Asserts that the terminal is as a shell expects it.
    pub(crate) fn assert_restored(&self) {
        // The last bytes may still be on their way to the reader.
        self.wait_seen("the modes to be off", |seen| {
            let screen = seen.screen.screen();
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
                && ["1004", "1006"].iter().all(|mode| {
                    last(&seen.raw, &format!("\x1b[?{mode}l"))
                        > last(&seen.raw, &format!("\x1b[?{mode}h"))
                })
                && last(&seen.raw, "\x1b[<1u") > last(&seen.raw, "\x1b[>1u")
        });
        let terminal = File::open(self.master().tty_name().unwrap()).unwrap();
        let settings = tcgetattr(&terminal).unwrap();
        let cooked = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
        assert!(settings.local_flags.contains(cooked), "{settings:?}");
        assert!(
            settings.input_flags.contains(InputFlags::ICRNL),
            "{settings:?}"
        );
    }

    /// Asserts that something is on which a shell does not expect.
    pub(crate) fn assert_not_restored(&self) {
        assert!(
            self.seen
                .0
                .lock()
                .unwrap()
                .screen
                .screen()
                .alternate_screen()
        );
    }

    /// What was sent to the terminal.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.seen.0.lock().unwrap().raw.clone()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// Where a text occurs last.
fn last(raw: &[u8], text: &str) -> Option<usize> {
    raw.windows(text.len())
        .rposition(|window| window == text.as_bytes())
}
