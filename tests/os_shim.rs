//! Launch, stop, exit and input of real processes below the real shim.

mod os_support;

use std::time::{Duration, Instant};

use headcount::os::link::{Link, LinkError};
use headcount::os::segments::Stream;
use headcount::os::spec::{
    EndedBy, LaunchFailure, LaunchSpec, LaunchStage, Outcome, Stderr, Stdio,
};
use headcount::os::wire::{FromShim, InputRefusal, RunState, ToShim};
use os_support::{Mode, Rig, now, sh};

/// Forks and leaves its place to the child, about once a millisecond, deaf to requests.
const HOPPER: &str = "trap '' TERM INT HUP; sh -c \"$HOP\" & exit 0";

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

    async fn a1_a_child_that_ignores_terminate_is_killed_after_the_grace_period(mode: Mode) {
        let script =
            "trap 'exit 0' TERM; (trap '' TERM; echo up; while :; do sleep 100; done) & wait";
        let mut rig = Rig::start(mode, sh(script)).await;
        rig.output("up").await;
        rig.send(ToShim::Terminate).await;
        rig.leader_exit().await;
        let report = rig.finish().await;
        assert_eq!(report.outcome, Outcome::Exited { code: 0 });
        assert_eq!(report.by, EndedBy::Terminate);
        assert!(report.processes >= 3, "{report:?}");
        assert!(report.killed.iter().any(|member| member.name == "sh"), "{report:?}");
        assert_eq!(report.left, [], "we ended it, so nothing was left behind");
    }

    async fn a1_a_leader_that_ignores_terminate_is_killed_after_the_grace_period(mode: Mode) {
        let script = "trap '' TERM; echo up; while :; do sleep 100; done";
        let mut rig = Rig::start(mode, sh(script)).await;
        rig.output("up").await;
        let asked = now();
        rig.send(ToShim::Terminate).await;
        let report = rig.finish().await;
        assert!(asked.elapsed() >= Duration::from_millis(600));
        assert_eq!(report.outcome, Outcome::Signaled { signal: 9 });
        assert_eq!(report.by, EndedBy::Kill);
    }

    async fn a2_a_child_in_a_session_of_its_own_is_gone_after_a_stop(mode: Mode) {
        let mut rig = Rig::start(mode, sh("setsid sh -c 'echo up; exec sleep 100' & wait")).await;
        rig.output("up").await;
        rig.send(ToShim::Terminate).await;
        let report = rig.finish().await;
        assert_eq!(report.by, EndedBy::Terminate);
        assert!(report.processes >= 2, "{report:?}");
        assert_eq!(report.killed, [], "it was asked to end, and did");
    }

    async fn a3_a_child_that_forked_twice_and_cleared_its_environment_is_gone(mode: Mode) {
        let script = "( ( setsid env -i /bin/sh -c 'trap \"\" TERM; echo up $$; \
                      while :; do /bin/sleep 100; done' & ) & ); exec sleep 100";
        let mut rig = Rig::start(mode, sh(script)).await;
        rig.output("up ").await;
        rig.output("\n").await;
        let text = rig.text();
        let hidden: u32 = text.trim().strip_prefix("up ").and_then(|n| n.parse().ok()).expect("pid");
        rig.send(ToShim::Kill).await;
        let report = rig.finish().await;
        assert!(report.killed.iter().any(|member| member.pid == hidden), "{report:?}");
        assert!(!std::path::Path::new(&format!("/proc/{hidden}")).exists(), "no zombie stays");
    }

    async fn a4_a_child_that_forks_every_millisecond_does_not_escape(mode: Mode) {
        let mut spec = sh("sh -c \"$HOP\" & echo up; exec sleep 100");
        spec.environment.push(("HOP".into(), HOPPER.into()));
        let mut rig = Rig::start(mode, spec).await;
        rig.output("up").await;
        rig.send(ToShim::Terminate).await;
        let report = rig.finish().await;
        assert!(!report.killed.is_empty(), "{report:?}");
    }

    async fn a4_a_child_that_multiplies_does_not_escape(mode: Mode) {
        let script = "trap '' TERM; echo up; i=0; while :; do (setsid sleep 100) & done";
        let mut rig = Rig::start(mode, sh(script)).await;
        rig.output("up").await;
        rig.send(ToShim::Kill).await;
        let report = rig.finish().await;
        assert_eq!(report.by, EndedBy::Kill);
        assert!(report.processes >= 1);
    }

    async fn a5_a_stopped_child_still_ends_gracefully(mode: Mode) {
        let script = "trap 'echo bye; exit 7' TERM; echo up; kill -STOP $$; sleep 100 & wait";
        let mut rig = Rig::start(mode, sh(script)).await;
        rig.output("up").await;
        rig.send(ToShim::Terminate).await;
        let report = rig.finish().await;
        assert_eq!((report.outcome, report.by), (Outcome::Exited { code: 7 }, EndedBy::Terminate));
        assert!(rig.text().contains("bye"));
    }

    async fn a7_a_kill_during_a_graceful_stop_escalates_at_once(mode: Mode) {
        let mut spec = sh("trap '' TERM; echo up; while :; do sleep 100; done");
        spec.terminate_grace = Duration::from_secs(3600);
        let mut rig = Rig::start(mode, spec).await;
        rig.output("up").await;
        rig.send(ToShim::Terminate).await;
        rig.send(ToShim::Terminate).await;
        rig.send(ToShim::Kill).await;
        rig.send(ToShim::Kill).await;
        let report = rig.finish().await;
        assert_eq!((report.outcome, report.by), (Outcome::Signaled { signal: 9 }, EndedBy::Kill));
        let reports = rig.heard.iter().filter(|heard| matches!(heard, FromShim::Exited(_)));
        assert_eq!(reports.count(), 1);
    }

    async fn a7_a_kill_during_the_sweep_escalates_at_once(mode: Mode) {
        let mut spec = sh("trap 'exit 0' TERM; (trap '' TERM; echo up; sleep 100) & wait");
        spec.sweep_grace = Duration::from_secs(3600);
        let mut rig = Rig::start(mode, spec).await;
        rig.output("up").await;
        rig.send(ToShim::Terminate).await;
        rig.leader_exit().await;
        rig.send(ToShim::Kill).await;
        assert_eq!(rig.finish().await.outcome, Outcome::Exited { code: 0 });
    }

    async fn a12_a_stop_says_how_many_ended_and_who_was_killed(mode: Mode) {
        let script = "trap 'exit 0' TERM; sleep 100 & sleep 100 & \
                      (trap '' TERM; while :; do sleep 100; done) & echo up; wait";
        let mut rig = Rig::start(mode, sh(script)).await;
        rig.output("up").await;
        rig.tree(5).await;
        rig.send(ToShim::Terminate).await;
        let report = rig.finish().await;
        // The leader, two that sleep, one that is deaf and the first of its sleepers, and the
        // one that it started when that was ended.
        assert!((5..=6).contains(&report.processes), "{report:?}");
        assert!(report.killed.iter().any(|member| member.name == "sh"), "{report:?}");
        assert!(report.killed.len() <= 2, "{report:?}");
    }

    async fn b1_a_grandchild_that_holds_the_output_delays_nothing(mode: Mode) {
        let mut spec = sh("(trap '' TERM; while :; do sleep 100; done) & echo done; exit 4");
        spec.sweep_grace = Duration::from_millis(1200);
        let mut rig = Rig::start(mode, spec).await;
        let started = now();
        assert_eq!(rig.leader_exit().await, Outcome::Exited { code: 4 });
        assert!(started.elapsed() < Duration::from_secs(1));
        let report = rig.finish().await;
        assert_eq!((&report.outcome, report.by), (&Outcome::Exited { code: 4 }, EndedBy::Itself));
        assert!(report.left.iter().any(|member| member.name == "sh"), "{report:?}");
        assert_eq!(rig.text(), "done\n");
        assert!(!report.output_held_open);
    }

    async fn b11_what_a_leader_leaves_behind_is_swept_and_named(mode: Mode) {
        let script = "sleep 100 & setsid sleep 100 & exit 0";
        let mut rig = Rig::start(mode, sh(script)).await;
        let report = rig.finish().await;
        assert_eq!((report.outcome, report.by), (Outcome::Exited { code: 0 }, EndedBy::Itself));
        assert_eq!(report.left.iter().filter(|left| left.name == "sleep").count(), 2);
        assert_eq!((report.killed.len(), report.processes), (0, 3));
    }

    async fn what_ends_just_after_the_leader_was_not_left_behind(mode: Mode) {
        let mut rig = Rig::start(mode, sh("(sleep 0.03; echo late) & exit 0")).await;
        let report = rig.finish().await;
        assert_eq!((report.left.len(), rig.text().as_str()), (0, "late\n"));
    }

    async fn d1b_a_run_that_nobody_adopts_ends_by_itself(mode: Mode) {
        let mut spec = sh("trap 'echo int' INT; trap '' TERM; echo up; while :; do sleep 100; done");
        spec.adopt_within = Duration::from_millis(100);
        spec.terminate_grace = Duration::from_millis(200);
        let mut rig = Rig::start(mode, spec).await;
        rig.output("up").await;
        drop((rig.sender, rig.receiver));
        let status = os_support::soon("the end", rig.shim.wait()).await.expect("is reaped");
        assert!(status.success());
        let report = rig.folder.exit_report().expect("reads").expect("is there");
        assert_eq!(report.by, EndedBy::Abandoned);
        assert!(os_support::marked(&rig.mark).is_empty());
    }

    async fn a_terminate_of_the_shim_ends_its_run(mode: Mode) {
        let mut rig = Rig::start(mode, sh("echo up; exec sleep 100")).await;
        rig.output("up").await;
        os_support::signal(rig.shim.pid(), nix::sys::signal::Signal::SIGTERM);
        let report = rig.finish().await;
        assert_eq!((report.outcome, report.by), (Outcome::Signaled { signal: 15 }, EndedBy::Terminate));
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
async fn a11_the_group_of_a_reaped_leader_is_ended_too() {
    let script = "(trap '' TERM; echo up; while :; do sleep 100; done) & \
                  while ! [ -e \"$GO\" ]; do sleep 0.01; done; exit 0";
    let temp = tempfile::tempdir().expect("temp folder");
    let go = temp.path().join("go");
    let mut spec = sh(script);
    spec.environment.push(("GO".into(), go.clone().into()));
    let mut rig = Rig::start(Mode::Walk, spec).await;
    rig.output("up").await;
    std::fs::write(go, "").expect("is written");
    rig.leader_exit().await;
    rig.send(ToShim::Kill).await;
    let report = rig.finish().await;
    assert_eq!(report.by, EndedBy::Itself);
    assert!(
        report.killed.iter().any(|member| member.name == "sh"),
        "{report:?}"
    );
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
    let status = os_support::soon("the end", rig.shim.wait())
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
async fn input_is_taken_once_over_two_instances() {
    let mut rig = Rig::start(
        Mode::Walk,
        sh("while read line; do echo \"got $line\"; done"),
    )
    .await;
    rig.input(1, "a\n").await;
    rig.input(2, "b\n").await;
    rig.output("got b").await;
    let (mut rig, hello) = rig.reconnect().await;
    assert_eq!(hello.accepted, 2);
    assert!(matches!(hello.state, RunState::Running { .. }));
    // The instance does not know whether the second was taken, and sends it again.
    rig.input(2, "b\n").await;
    rig.input(3, "c\n").await;
    rig.send(ToShim::CloseInput).await;
    let report = rig.finish().await;
    assert_eq!(report.outcome, Outcome::Exited { code: 0 });
    assert_eq!(rig.text(), "got a\ngot b\ngot c\n");
    let accepted = |seq| rig.heard.contains(&FromShim::Accepted { seq });
    assert!(accepted(2) && accepted(3), "{:?}", rig.heard);
}

#[tokio::test]
async fn input_that_nobody_reads_is_refused_and_stops_nothing() {
    let mut rig = Rig::start(Mode::Walk, sh("exec <&-; echo closed; exec sleep 100")).await;
    rig.output("closed").await;
    rig.input(1, "a").await;
    let refused = FromShim::InputRefused {
        seq: 1,
        why: InputRefusal::Closed,
    };
    rig.until("the refusal", |message| (*message == refused).then_some(()))
        .await;
    rig.send(ToShim::Kill).await;
    rig.finish().await;

    let mut rig = Rig::start(Mode::Walk, sh("exec sleep 100")).await;
    let large = "x".repeat(3 << 20);
    rig.input(1, &large).await;
    rig.input(2, &large).await;
    let full = FromShim::InputRefused {
        seq: 2,
        why: InputRefusal::Full,
    };
    rig.until("the refusal", |message| (*message == full).then_some(()))
        .await;
    rig.send(ToShim::Kill).await;
    rig.finish().await;
}

#[tokio::test]
async fn an_interrupt_reaches_the_leader() {
    let mut rig = Rig::start(
        Mode::Walk,
        sh("trap 'echo int; exit 0' INT; echo up; sleep 5 & wait"),
    )
    .await;
    rig.output("up").await;
    rig.send(ToShim::Interrupt).await;
    rig.output("int").await;
    rig.finish().await;
}

#[tokio::test]
async fn the_newest_instance_has_the_run_and_an_older_one_is_refused() {
    let mut rig = Rig::start(Mode::Walk, sh("echo up; exec sleep 100")).await;
    rig.output("up").await;
    let (newer, hello) = Link::connect(&rig.folder, 5).await.expect("takes over");
    assert_eq!((hello.out, hello.mark.as_str()), (3, rig.mark.as_str()));
    let closed = os_support::soon("the end of the older link", async {
        while rig
            .receiver
            .next()
            .await
            .expect("an unbroken link")
            .is_some()
        {}
    });
    closed.await;
    match Link::connect(&rig.folder, 4).await {
        Err(LinkError::Refused { generation: 5 }) => {}
        other => panic!("is refused: {other:?}"),
    }
    (rig.sender, rig.receiver) = newer.split();
    rig.send(ToShim::Kill).await;
    rig.finish().await;
}

#[tokio::test]
async fn a_run_that_ended_meanwhile_is_reported_to_the_next_instance_from_disk() {
    let temp = tempfile::tempdir().expect("temp folder");
    let go = temp.path().join("go");
    let mut spec = sh("echo up; while ! [ -e \"$GO\" ]; do sleep 0.01; done; exit 9");
    spec.environment.push(("GO".into(), go.clone().into()));
    let mut rig = Rig::start(Mode::Walk, spec).await;
    rig.output("up").await;
    drop((rig.sender, rig.receiver));
    std::fs::write(go, "").expect("is written");
    os_support::soon("the end", rig.shim.wait())
        .await
        .expect("is reaped");
    match Link::connect(&rig.folder, 2).await {
        Err(LinkError::Connect { .. }) => {}
        other => panic!("nobody is there: {other:?}"),
    }
    let report = rig.folder.exit_report().expect("reads").expect("is there");
    assert_eq!(report.outcome, Outcome::Exited { code: 9 });
}

#[tokio::test]
async fn an_unacknowledged_report_is_given_to_the_next_instance() {
    let mut rig = Rig::start(Mode::Walk, sh("exit 9")).await;
    rig.until("the end", |message| {
        matches!(message, FromShim::Exited(_)).then_some(())
    })
    .await;
    let (link, hello) = Link::connect(&rig.folder, 2).await.expect("is still there");
    assert!(matches!(hello.state, RunState::Exited(_)));
    (rig.sender, rig.receiver) = link.split();
    rig.send(ToShim::Acknowledge).await;
    rig.gone().await;
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
    let second = headcount::os::link::spawn_shim(os_support::exe(), &rig.folder).await;
    let error = second.expect_err("is refused").to_string();
    assert!(error.contains("another shim serves"), "{error}");
    rig.send(ToShim::Terminate).await;
    rig.gone().await;
}

#[tokio::test]
async fn twenty_runs_start_and_end_at_once() {
    let started: Instant = now();
    let runs = (0..20).map(|n| async move {
        let mut rig = Rig::start(Mode::Walk, sh(&format!("echo {n}; exec sleep 100"))).await;
        rig.output("\n").await;
        rig.send(ToShim::Terminate).await;
        rig.finish().await
    });
    for report in futures::future::join_all(runs).await {
        assert_eq!(report.by, EndedBy::Terminate);
    }
    println!("20 runs in {:?}", started.elapsed());
}
