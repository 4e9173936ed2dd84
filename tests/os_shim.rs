//! Stops, exits and output of real processes below the real shim.

mod os_support;

use headcount::os::segments::Stream;
use headcount::os::spec::{EndedBy, Outcome};
use headcount::os::wire::{FromShim, ToShim};
use os_support::{Mode, Rig, sh};

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
        assert!(report.ended_unix_ms >= report.started_unix_ms);
    }

    async fn a1_a_child_that_ignores_terminate_is_killed_after_the_grace_period(mode: Mode) {
        let script = "trap 'exit 0' TERM; (trap '' TERM; echo up; while :; do sleep 100; done) & wait";
        let mut rig = Rig::start(mode, sh(script)).await;
        rig.output("up").await;
        rig.send(ToShim::Terminate).await;
        rig.until("the leader's exit", |message| {
            matches!(message, FromShim::LeaderExited { .. }).then_some(())
        })
        .await;
        let report = rig.finish().await;
        assert_eq!(report.outcome, Outcome::Exited { code: 0 });
        assert_eq!(report.by, EndedBy::Terminate);
        assert!(report.processes >= 3, "{report:?}");
        assert!(report.killed.iter().any(|member| member.name == "sh"), "{report:?}");
    }
}
