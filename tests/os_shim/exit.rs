//! Exits: the leader's is seen at once, what it leaves is swept and named.

use std::fs;
use std::time::Duration;

use headcount::os::spec::{EndedBy, Outcome};

use crate::rig::{Mode, Rig, now, sh};

both! {
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
}

#[tokio::test]
async fn somebody_outside_who_holds_the_output_open_delays_the_report_but_briefly() {
    let mut rig = Rig::start(Mode::Walk, sh("echo up; read x; exit 0")).await;
    let leader = rig.leader().await;
    rig.output("up").await;
    let outside = fs::OpenOptions::new()
        .write(true)
        .open(format!("/proc/{leader}/fd/1"))
        .expect("is opened from outside");
    rig.input(1, "\n").await;
    let report = rig.finish().await;
    assert!(report.output_held_open);
    drop(outside);
}
