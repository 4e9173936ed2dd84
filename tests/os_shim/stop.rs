//! Stops: the whole tree goes, and it is said who had to be killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use headcount::os::spec::{EndedBy, Outcome, Stdio};
use headcount::os::wire::{FromShim, RunState, ToShim};

use crate::rig::{self, Mode, Rig, now, sh};

/// Forks and leaves its place to the child, about once a millisecond, deaf to requests.
const HOPPER: &str = "trap '' TERM INT HUP; echo hop; sh -c \"$HOP\" & exit 0";

both! {
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
        let mut spec = sh("sh -c \"$HOP\" & exec sleep 100");
        spec.environment.push(("HOP".into(), HOPPER.into()));
        let mut rig = Rig::start(mode, spec).await;
        rig.output("hop").await;
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
        rig.named("sleep", 3).await;
        rig.send(ToShim::Terminate).await;
        let report = rig.finish().await;
        // The leader, two that sleep, one that is deaf and the first of its sleepers, and the
        // one that it started when that was ended.
        assert!((5..=6).contains(&report.processes), "{report:?}");
        assert!(report.killed.iter().any(|member| member.name == "sh"), "{report:?}");
        assert!(report.killed.len() <= 2, "{report:?}");
    }

    async fn a_shell_in_a_terminal_ends_when_that_hangs_up(mode: Mode) {
        // As an interactive shell does; half of the grace passes before the terminal hangs up.
        let mut spec = sh("trap '' TERM; echo up; while :; do sleep 0.01; done");
        spec.stdio = Stdio::Terminal { rows: 24, cols: 80 };
        let mut rig = Rig::start(mode, spec).await;
        rig.output("up").await;
        rig.send(ToShim::Terminate).await;
        let report = rig.finish().await;
        assert_eq!(report.outcome, Outcome::Signaled { signal: 1 });
        assert_eq!(report.by, EndedBy::Terminate);
    }

    async fn a_terminate_of_the_shim_ends_its_run(mode: Mode) {
        let mut rig = Rig::start(mode, sh("echo up; exec sleep 100")).await;
        rig.output("up").await;
        rig::signal(rig.shim.pid(), nix::sys::signal::Signal::SIGTERM);
        let report = rig.finish().await;
        assert_eq!((report.outcome, report.by), (Outcome::Signaled { signal: 15 }, EndedBy::Terminate));
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

/// A group of the older freezer: who is frozen there does not even die when killed.
struct Freezer(PathBuf);

impl Freezer {
    fn make(name: &str) -> Option<Self> {
        let path = Path::new("/sys/fs/cgroup/freezer").join(format!("headcount-{name}"));
        fs::create_dir(&path).is_ok().then_some(Self(path))
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).expect("is written");
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("freezer.state"), "THAWED");
        let _ = fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn a6_who_cannot_be_killed_is_named_and_the_end_is_still_awaited() {
    let mut rig = Rig::idle(Mode::Walk).await;
    let Some(freezer) = Freezer::make(&rig.mark) else {
        println!("skipped a6_who_cannot_be_killed…: no writable freezer (cgroup v1)");
        rig.send(ToShim::Terminate).await;
        rig.gone().await;
        return;
    };
    rig.launch(sh("echo up; exec sleep 100")).await;
    let leader = rig.leader().await;
    rig.output("up").await;
    freezer.write("cgroup.procs", &leader.to_string());
    freezer.write("freezer.state", "FROZEN");
    rig.send(ToShim::Kill).await;
    let stuck = rig.until("the stuck one", |message| match message {
        FromShim::Stuck { processes } => Some(processes.clone()),
        _ => None,
    });
    assert_eq!(
        stuck
            .await
            .iter()
            .map(|member| member.pid)
            .collect::<Vec<_>>(),
        [leader]
    );
    // The shim is not stuck itself.
    let (mut rig, hello) = rig.reconnect().await;
    assert!(matches!(hello.state, RunState::Running { .. }));
    let is_stuck = |message: &FromShim| matches!(message, FromShim::Stuck { .. }).then_some(());
    rig.until("the stuck one again", is_stuck).await;
    freezer.write("freezer.state", "THAWED");
    assert_eq!(rig.finish().await.by, EndedBy::Kill);
}
