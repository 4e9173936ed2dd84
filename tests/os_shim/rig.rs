//! One run below the built binary's shim, driven as an instance drives it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use headcount::domain::id::RunId;
use headcount::os::cgroup::{Cgroups, Leaf};
use headcount::os::identity::ProcessIdentity;
use headcount::os::leftovers;
use headcount::os::link::{Link, LinkReceiver, LinkSender, Shim, spawn_shim};
use headcount::os::orphans::Children;
use headcount::os::run_folder::RunFolder;
use headcount::os::segments::Stream;
use headcount::os::spec::{ExitReport, LaunchSpec, Outcome};
use headcount::os::tree::{self, Member};
use headcount::os::wire::{FromShim, Hello, Payload, ToShim};
use nix::sys::signal::Signal;

/// Nothing here takes long; what takes this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// How a tree is found and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Cgroup,
    Walk,
}

/// Runs one body with a control group and without.
macro_rules! both {
    ($(async fn $name:ident($mode:ident: Mode) $body:block)*) => {
        $(
            mod $name {
                use super::*;

                async fn body($mode: Mode) $body

                #[tokio::test]
                async fn in_a_control_group() {
                    if headcount::os::cgroup::Cgroups::detect().is_none() {
                        println!("skipped {}: no writable control group", stringify!($name));
                        return;
                    }
                    body(Mode::Cgroup).await;
                }

                #[tokio::test]
                async fn by_the_walk() {
                    body(Mode::Walk).await;
                }
            }
        )*
    };
}

/// Our own children, ended ones too.
pub(crate) fn children() -> Vec<u32> {
    let threads = fs::read_dir("/proc/self/task").expect("/proc").flatten();
    threads
        .flat_map(|thread| {
            let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the tests read the clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Signals a process of ours.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let identity = ProcessIdentity::of(pid).expect("is alive");
    assert!(identity.signal(signal).expect("is allowed"));
}

/// Fails if this takes longer than anything here may.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

pub(crate) fn exe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_headcount"))
}

/// A shell script as a run.
pub(crate) fn sh(script: &str) -> LaunchSpec {
    let mut spec = LaunchSpec::new("/bin/sh", "/");
    spec.arguments = vec!["-c".into(), script.into()];
    spec.environment = vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())];
    spec.terminate_grace = Duration::from_millis(600);
    spec.sweep_grace = Duration::from_millis(400);
    spec
}

/// Who carries this mark in its environment.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    let entry = format!("HEADCOUNT_MARK={mark}");
    fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|text| text.split(|byte| *byte == 0).any(|e| e == entry.as_bytes()))
        })
        .collect()
}

/// Ends what a failed test leaves: the next one must not meet it.
pub(crate) struct Broom(RunFolder);

impl Drop for Broom {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(Some(record)) = self.0.shim()
        {
            let _ = record.shim.signal(Signal::SIGKILL);
            let _ = leftovers::end(&self.0, &[], Duration::from_secs(1));
        }
    }
}

pub(crate) struct Rig {
    /// Before the folder that it reads: fields are dropped in this order.
    pub(crate) _broom: Broom,
    pub(crate) _temp: tempfile::TempDir,
    pub(crate) folder: RunFolder,
    pub(crate) shim: Shim,
    pub(crate) mark: String,
    pub(crate) leaf: Option<Leaf>,
    pub(crate) sender: LinkSender,
    pub(crate) receiver: LinkReceiver,
    /// Everything the shim said so far.
    pub(crate) heard: Vec<FromShim>,
    pub(crate) generation: u64,
}

impl Rig {
    /// A shim that waits for its spec.
    pub(crate) async fn idle(mode: Mode) -> Self {
        let temp = tempfile::tempdir().expect("temp folder");
        let runs = temp.path().to_path_buf();
        Self::idle_below(mode, temp, &runs).await
    }

    /// The same with its folder in `runs`; `temp` goes with the rig.
    pub(crate) async fn idle_below(mode: Mode, temp: tempfile::TempDir, runs: &Path) -> Self {
        let folder = RunFolder::create(runs, RunId(1)).expect("run folder");
        let shim = spawn_shim(exe(), &folder, &Children::default())
            .await
            .expect("a shim");
        let mark = shim.mark().to_owned();
        let leaf = (mode == Mode::Cgroup).then(|| {
            Cgroups::detect()
                .expect("checked")
                .make(&mark)
                .expect("a group")
        });
        let (link, _) = Link::connect(&folder, 1).await.expect("a link");
        let (sender, receiver) = link.split();
        Self {
            _broom: Broom(folder.clone()),
            _temp: temp,
            folder,
            shim,
            mark,
            leaf,
            sender,
            receiver,
            heard: vec![],
            generation: 1,
        }
    }

    /// A run that was launched.
    pub(crate) async fn start(mode: Mode, spec: LaunchSpec) -> Self {
        let mut rig = Self::idle(mode).await;
        rig.launch(spec).await;
        rig
    }

    pub(crate) async fn launch(&mut self, mut spec: LaunchSpec) {
        spec.cgroup = self.leaf.as_ref().map(|leaf| leaf.path().to_path_buf());
        self.send(ToShim::Launch(Box::new(spec))).await;
    }

    pub(crate) async fn send(&mut self, message: ToShim) {
        self.sender.send(&message).await.expect("is sent");
    }

    pub(crate) async fn input(&mut self, seq: u64, text: &str) {
        self.send(ToShim::Input {
            seq,
            data: Payload::from(text),
        })
        .await;
    }

    pub(crate) async fn next(&mut self, what: &str) -> FromShim {
        let next = soon(what, self.receiver.next())
            .await
            .expect("an unbroken link");
        let message =
            next.unwrap_or_else(|| panic!("the shim left before {what}: {:?}", self.heard));
        self.heard.push(message.clone());
        message
    }

    /// Waits for a message.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        find: impl Fn(&FromShim) -> Option<T>,
    ) -> T {
        loop {
            if let Some(found) = find(&self.next(what).await) {
                return found;
            }
        }
    }

    pub(crate) async fn leader(&mut self) -> u32 {
        self.until("the launch", |message| match message {
            FromShim::Launched { leader } => Some(leader.pid),
            _ => None,
        })
        .await
    }

    pub(crate) async fn leader_exit(&mut self) -> Outcome {
        self.until("the leader's exit", |message| match message {
            FromShim::LeaderExited { outcome } => Some(outcome.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until so many processes of this name are in the tree: the script that starts them
    /// goes on before they are what they will be.
    pub(crate) async fn named(&self, name: &str, count: usize) {
        let shim = self.shim.pid();
        let is_named = |member: &Member| member.name == name;
        soon("the tree", async {
            while tree::below(shim).iter().filter(|&m| is_named(m)).count() < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub(crate) fn recorded(&self, stream: Stream) -> Vec<u8> {
        let length = self.folder.length(stream).expect("lists");
        let first = self
            .folder
            .segments(stream)
            .expect("lists")
            .first()
            .map_or(0, |s| s.start);
        let mut bytes = vec![0; (length - first) as usize];
        let read = self
            .folder
            .read_at(stream, first, &mut bytes)
            .expect("reads");
        bytes.truncate(read);
        bytes
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.recorded(Stream::Out)).into_owned()
    }

    /// Waits until the output holds this.
    pub(crate) async fn output(&mut self, text: &str) {
        while !self.text().contains(text) {
            self.until(text, |message| {
                matches!(message, FromShim::Grew { .. }).then_some(())
            })
            .await;
        }
    }

    /// Leaves without a word, and comes back as the next instance.
    pub(crate) async fn reconnect(self) -> (Self, Box<Hello>) {
        let Self {
            _broom,
            _temp,
            folder,
            shim,
            mark,
            leaf,
            sender,
            receiver,
            generation,
            ..
        } = self;
        drop((sender, receiver));
        let generation = generation + 1;
        let (link, hello) = Link::connect(&folder, generation).await.expect("a link");
        let (sender, receiver) = link.split();
        (
            Self {
                _broom,
                _temp,
                folder,
                shim,
                mark,
                leaf,
                sender,
                receiver,
                heard: vec![],
                generation,
            },
            hello,
        )
    }

    /// Waits for the report, lets the shim go, and sees that nobody is left.
    pub(crate) async fn finish(&mut self) -> ExitReport {
        let report = self
            .until("the end", |message| match message {
                FromShim::Exited(report) => Some((**report).clone()),
                _ => None,
            })
            .await;
        assert_eq!(
            self.folder.exit_report().expect("reads").as_ref(),
            Some(&report)
        );
        self.send(ToShim::Acknowledge).await;
        self.gone().await;
        report
    }

    /// Waits for the end of the shim, and sees that nobody is left.
    pub(crate) async fn gone(&mut self) {
        let status = soon("the shim's end", self.shim.wait())
            .await
            .expect("is reaped");
        assert!(status.success(), "{status}: {}", self.complaints());
        self.nobody_left();
    }

    pub(crate) fn nobody_left(&self) {
        assert_eq!(marked(&self.mark), Vec::<u32>::new());
        assert!(!self.folder.is_served().expect("is tried"));
        if let Some(leaf) = &self.leaf {
            assert!(
                !leaf.path().exists(),
                "the group is removed: {}",
                self.complaints()
            );
        }
    }

    pub(crate) fn complaints(&self) -> String {
        fs::read_to_string(self.folder.path().join("shim.err")).unwrap_or_default()
    }
}
