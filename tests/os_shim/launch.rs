//! What a run gets, and what is said when it cannot be launched.

use headcount::os::segments::Stream;
use headcount::os::spec::{
    EndedBy, LaunchFailure, LaunchSpec, LaunchStage, Outcome, Stderr, Stdio,
};
use headcount::os::wire::ToShim;

use crate::rig::{self, Mode, Rig, sh};

both! {
    async fn a_run_is_launched_recorded_and_reported(mode: Mode) {
        let mut rig = Rig::start(mode, sh("echo out; echo err >&2; pwd; exit 3")).await;
        let report = rig.finish().await;
        assert_eq!(report.outcome, Outcome::Exited { code: 3 });
        assert_eq!((report.by, report.processes), (EndedBy::Itself, 1));
        assert_eq!((report.killed.len(), report.left.len()), (0, 0));
        assert_eq!(rig.text(), "out\n/\n");
        assert_eq!(rig.recorded(Stream::Err), b"err\n");
        assert_eq!((report.out, report.err), (6, 4));
        assert!(!report.output_held_open);
        assert!(report.ended_unix_ms >= report.started_unix_ms);
    }

    async fn a_terminal_runs_resizes_and_ends(mode: Mode) {
        let mut spec = sh("trap 'stty size' WINCH; stty size; read line; echo \"got $line\"; \
                          while :; do sleep 0.01; done");
        spec.stdio = Stdio::Terminal { rows: 30, cols: 100 };
        let mut rig = Rig::start(mode, spec).await;
        rig.output("30 100").await;
        rig.input(1, "hello\r").await;
        rig.output("got hello").await;
        rig.send(ToShim::Resize { rows: 5, cols: 20 }).await;
        rig.output("5 20").await;
        // As one types it: the terminal turns it into a signal for who is in the foreground.
        rig.input(2, "\x03").await;
        let report = rig.finish().await;
        assert_eq!((report.outcome, report.by), (Outcome::Signaled { signal: 2 }, EndedBy::Itself));
        assert_eq!(report.err, 0);
    }
}

#[tokio::test]
async fn the_environment_is_what_the_spec_says_and_the_marks() {
    let mut spec = LaunchSpec::new("/usr/bin/env", "/tmp");
    spec.environment = vec![
        ("A".into(), "1 2".into()),
        ("HEADCOUNT_MARK".into(), "forged".into()),
    ];
    let mut rig = Rig::start(Mode::Walk, spec).await;
    rig.finish().await;
    let expected = format!(
        "A=1 2\nHEADCOUNT_RUN=run_000001\nHEADCOUNT_MARK={}\n",
        rig.mark
    );
    assert_eq!(rig.text(), expected);
}

#[tokio::test]
async fn nothing_of_the_shim_reaches_the_child() {
    // Descriptors: three streams, and the one with which ls lists. Signals: none is ignored.
    let script = "ls /proc/self/fd | wc -l; grep -E '^Sig(Ign|Blk)' /proc/self/status; umask; \
                  ps -o sid= -p $$ >/dev/null 2>&1; cut -d' ' -f6 /proc/$$/stat; echo $$";
    let mut rig = Rig::start(Mode::Walk, sh(script)).await;
    rig.finish().await;
    let text = rig.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "4");
    assert_eq!(lines[1], "SigBlk:\t0000000000000000");
    // The C library keeps 32 and 33 for itself, and lets nobody change them.
    let ignored = lines[2].strip_prefix("SigIgn:\t").expect("comes third");
    assert_eq!(
        u64::from_str_radix(ignored, 16).expect("is hex") & !(0b11 << 31),
        0
    );
    assert_ne!(lines[3], "0077", "files of the child are not ours");
    assert_eq!(lines[4], lines[5], "it leads a session of its own");
}

#[tokio::test]
async fn b13_the_standard_input_is_never_a_terminal() {
    let script = "[ -t 0 ] && echo yes || echo no; \
                  sh -c ': < /dev/tty' 2>/dev/null && echo tty || echo none";
    let mut rig = Rig::start(Mode::Walk, sh(script)).await;
    rig.finish().await;
    assert_eq!(rig.text(), "no\nnone\n");
}

#[tokio::test]
async fn merged_errors_stand_among_the_output() {
    let mut spec = sh("echo a; echo b >&2; echo c");
    spec.stdio = Stdio::Pipes {
        stderr: Stderr::Merged,
    };
    let mut rig = Rig::start(Mode::Walk, spec).await;
    assert_eq!(rig.finish().await.err, 0);
    assert_eq!(rig.text(), "a\nb\nc\n");
    assert!(rig.folder.segments(Stream::Err).expect("lists").is_empty());
}

#[tokio::test]
async fn what_cannot_be_launched_says_at_which_step() {
    let missing = LaunchSpec::new("/nowhere/at/all", "/");
    let relative = LaunchSpec::new("sh", "/");
    let no_folder = LaunchSpec::new("/bin/sh", "/nowhere/at/all");
    let not_executable = LaunchSpec::new("/etc/passwd", "/");
    let mut torn = LaunchSpec::new("/bin/sh", "/");
    torn.arguments = vec!["a\0b".into()];
    for (spec, stage, errno) in [
        (missing, LaunchStage::Program, nix::errno::Errno::ENOENT),
        (relative, LaunchStage::Program, nix::errno::Errno::ENOENT),
        (
            no_folder,
            LaunchStage::WorkingDirectory,
            nix::errno::Errno::ENOENT,
        ),
        (
            not_executable,
            LaunchStage::Program,
            nix::errno::Errno::EACCES,
        ),
        (torn, LaunchStage::Arguments, nix::errno::Errno::EINVAL),
    ] {
        let mut rig = Rig::start(Mode::Walk, spec).await;
        let report = rig.finish().await;
        let failure = LaunchFailure {
            stage,
            errno: errno as i32,
        };
        assert_eq!(report.outcome, Outcome::NotLaunched(failure));
        assert_eq!(report.processes, 0);
    }
    let mut rig = Rig::idle(Mode::Walk).await;
    let mut spec = sh("exit 0");
    spec.cgroup = Some("/nowhere/at/all".into());
    rig.send(ToShim::Launch(Box::new(spec))).await;
    let outcome = rig.finish().await.outcome;
    assert!(matches!(outcome, Outcome::NotLaunched(f) if f.stage == LaunchStage::Cgroup));
}

#[tokio::test]
async fn a_shim_that_is_told_nothing_runs_nothing() {
    let mut rig = Rig::idle(Mode::Walk).await;
    drop((rig.sender, rig.receiver));
    let status = rig::soon("the end", rig.shim.wait())
        .await
        .expect("is reaped");
    assert!(status.success());
    assert_eq!(rig.folder.exit_report().expect("reads"), None);
    assert!(!rig.folder.is_served().expect("is tried"));
}

#[tokio::test]
async fn a8_a_stop_before_the_launch_cancels_it() {
    let mut rig = Rig::idle(Mode::Walk).await;
    rig.send(ToShim::Terminate).await;
    rig.gone().await;
    assert_eq!(rig.folder.exit_report().expect("reads"), None);
}

#[tokio::test]
async fn a_long_path_is_no_obstacle() {
    let temp = tempfile::tempdir().expect("temp folder");
    let deep = temp.path().join("a".repeat(120)).join("b".repeat(120));
    std::fs::create_dir_all(&deep).expect("is made");
    let mut rig = Rig::idle_below(Mode::Walk, temp, &deep).await;
    rig.launch(sh("echo up")).await;
    rig.finish().await;
    assert_eq!(rig.text(), "up\n");
}

#[tokio::test]
async fn a_second_shim_for_a_run_does_not_begin() {
    let mut rig = Rig::idle(Mode::Walk).await;
    let second = headcount::os::link::spawn_shim(
        rig::exe(),
        &rig.folder,
        &headcount::os::orphans::Children::default(),
    )
    .await;
    let error = second.expect_err("is refused").to_string();
    assert!(error.contains("another shim serves"), "{error}");
    rig.send(ToShim::Terminate).await;
    rig.gone().await;
}
