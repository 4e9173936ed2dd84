//! Runs that change hands, or that nobody comes back for.

use std::collections::HashSet;
use std::time::Duration;

use headcount::os::identity::ProcessIdentity;
use headcount::os::leftovers;
use headcount::os::link::{Link, LinkError};
use headcount::os::orphans::{self, Children, Orphans};
use headcount::os::spec::{EndedBy, Outcome, Stdio};
use headcount::os::wire::{FromShim, RunState, ToShim};
use nix::sys::signal::Signal;

use crate::rig::{self, Mode, Rig, sh, signal, soon};

both! {
    async fn d1b_a_run_that_nobody_adopts_ends_by_itself(mode: Mode) {
        let mut spec = sh("trap 'echo int' INT; trap '' TERM; echo up; while :; do sleep 100; done");
        spec.adopt_within = Duration::from_millis(100);
        spec.terminate_grace = Duration::from_millis(200);
        let mut rig = Rig::start(mode, spec).await;
        rig.output("up").await;
        drop((rig.sender, rig.receiver));
        let status = rig::soon("the end", rig.shim.wait()).await.expect("is reaped");
        assert!(status.success());
        let report = rig.folder.exit_report().expect("reads").expect("is there");
        assert_eq!(report.by, EndedBy::Abandoned);
        assert!(rig::marked(&rig.mark).is_empty());
    }

    async fn a13_what_a_killed_shim_leaves_is_ended_within_a_second(mode: Mode) {
        for stdio in [Stdio::default(), Stdio::Terminal { rows: 24, cols: 80 }] {
            let mut spec = sh(
                "trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 100; done' & \
                 ( ( setsid sleep 100 & ) & ); echo up; while :; do sleep 100; done",
            );
            spec.stdio = stdio;
            let mut rig = Rig::start(mode, spec).await;
            let leader = rig.leader().await;
            rig.output("up").await;
            rig.named("sleep", 3).await;
            signal(rig.shim.pid(), Signal::SIGKILL);
            soon("the end of the link", async {
                while rig.receiver.next().await.expect("an unbroken link").is_some() {}
            })
            .await;
            let folder = rig.folder.clone();
            let killed = rig::now();
            let ended = tokio::task::spawn_blocking(move || {
                leftovers::end(&folder, &[], Duration::from_secs(1))
            })
            .await
            .expect("does not panic")
            .expect("ends");
            assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
            assert!(ended.stuck.is_empty(), "{ended:?}");
            assert!(ended.processes.len() >= 5, "{ended:?}");
            assert!(ended.processes.iter().any(|member| member.pid == leader));
            soon("the shim", rig.shim.wait()).await.expect("is reaped");
            rig.nobody_left();
            assert_eq!(rig.folder.exit_report().expect("reads"), None);
            assert_eq!(rig.text().trim_end(), "up", "what was recorded is still there");
        }
    }
}

#[tokio::test]
async fn the_newest_instance_has_the_run_and_an_older_one_is_refused() {
    let mut rig = Rig::start(Mode::Walk, sh("echo up; exec sleep 100")).await;
    rig.output("up").await;
    let (newer, hello) = Link::connect(&rig.folder, 5).await.expect("takes over");
    assert_eq!((hello.out, hello.mark.as_str()), (3, rig.mark.as_str()));
    let closed = rig::soon("the end of the older link", async {
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
    rig::soon("the end", rig.shim.wait())
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
async fn a13_what_hides_from_every_trace_falls_to_the_instance() {
    orphans::become_subreaper().expect("is possible");
    // No mark, no session, no parent, no control group.
    let script = "( setsid env -i /bin/sh -c 'trap \"\" HUP; echo up $$; exec /bin/sleep 100' & ); \
                  exec sleep 100";
    let mut rig = Rig::start(Mode::Walk, sh(script)).await;
    rig.output("up ").await;
    rig.output("\n").await;
    let text = rig.text();
    let hidden: u32 = text
        .trim()
        .strip_prefix("up ")
        .and_then(|n| n.parse().ok())
        .expect("pid");
    let hidden = ProcessIdentity::of(hidden).expect("runs");
    signal(rig.shim.pid(), Signal::SIGKILL);
    soon("the shim", rig.shim.wait()).await.expect("is reaped");
    leftovers::end(&rig.folder, &[], Duration::from_secs(1)).expect("ends");
    assert!(hidden.is_alive(), "there was no trace of it");

    // All children but this one are another test's, also those that have ended.
    let known: HashSet<u32> = rig::children()
        .into_iter()
        .filter(|pid| *pid != hidden.pid)
        .collect();
    let mut orphans = Orphans::new(Children::default());
    orphans.look(&known);
    let strays: Vec<_> = orphans.look(&known).strays;
    let strays: Vec<_> = strays.into_iter().filter(|m| m.pid == hidden.pid).collect();
    assert_eq!(strays.len(), 1);
    let ended = leftovers::end_all(&strays, Duration::from_secs(1)).expect("ends");
    assert_eq!((ended.processes.len(), ended.stuck.len()), (1, 0));
    assert!(!hidden.is_alive());
    rig.nobody_left();
}

#[tokio::test]
async fn a_run_whose_folder_was_removed_still_ends() {
    let mut rig = Rig::start(
        Mode::Walk,
        sh("echo up; while :; do echo more; sleep 0.01; done"),
    )
    .await;
    rig.output("up").await;
    std::fs::remove_dir_all(rig.folder.path()).expect("is removed");
    rig.send(ToShim::Terminate).await;
    let report = rig.until("the end", |message| match message {
        FromShim::Exited(report) => Some((**report).clone()),
        _ => None,
    });
    assert_eq!(report.await.by, EndedBy::Terminate);
    rig.send(ToShim::Acknowledge).await;
    soon("the shim", rig.shim.wait()).await.expect("is reaped");
}
