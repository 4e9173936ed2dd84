//! The record: every byte, over rotations, full disks and killed shims.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use headcount::os::leftovers;
use headcount::os::segments::{Segment, Stream};
use headcount::os::spec::{Keep, Outcome, Stdio};
use headcount::os::wire::{FromShim, ToShim};
use nix::sys::signal::Signal;

use crate::rig::{self, Mode, Rig, sh, signal, soon};

both! {
    async fn b8_a_shim_killed_while_it_rotates_loses_and_doubles_nothing(mode: Mode) {
        let mut spec = sh("exec seq -w 1 99999999");
        spec.segment_size = 1000;
        let mut rig = Rig::start(mode, spec).await;
        for _ in 0..3 {
            rig.until("growth", |m| matches!(m, FromShim::Grew { .. }).then_some(())).await;
        }
        signal(rig.shim.pid(), Signal::SIGKILL);
        soon("the shim", rig.shim.wait()).await.expect("is reaped");
        leftovers::end(&rig.folder, &[], Duration::from_secs(1)).expect("ends");
        rig.nobody_left();
        let segments = rig.folder.segments(Stream::Out).expect("lists");
        assert!(segments.len() > 3, "{}", segments.len());
        for pair in segments.windows(2) {
            assert_eq!(pair[0].end(), pair[1].start);
        }
        let text = rig.text();
        assert_eq!(text.len() as u64, segments.last().map_or(0, Segment::end));
        for (line, expected) in text.lines().zip(1..) {
            let expected = format!("{expected:08}");
            assert!(expected.starts_with(line), "{line} is {expected}");
        }
    }
}

#[tokio::test]
async fn b2_the_last_byte_of_a_burst_is_stored() {
    // 300 kB is more than a pipe holds, and the process is gone when the last of it is read.
    let script = "head -c 300000 /dev/zero | tr '\\0' x; printf end";
    for _ in 0..25 {
        let runs = (0..8).map(|_| async {
            let mut rig = Rig::start(Mode::Walk, sh(script)).await;
            let report = rig.finish().await;
            assert_eq!(report.out, 300_003);
            assert!(rig.recorded(Stream::Out).ends_with(b"xend"));
        });
        futures::future::join_all(runs).await;
    }
}

#[tokio::test]
async fn b2_the_last_byte_of_a_burst_on_a_terminal_is_stored() {
    let mut spec = sh("head -c 100000 /dev/zero | tr '\\0' x; printf end");
    spec.stdio = Stdio::Terminal { rows: 24, cols: 80 };
    for _ in 0..10 {
        let mut rig = Rig::start(Mode::Walk, spec.clone()).await;
        assert_eq!(rig.finish().await.out, 100_003);
        assert!(rig.recorded(Stream::Out).ends_with(b"xend"));
    }
}

#[tokio::test]
async fn b3_a_line_without_end_is_just_bytes() {
    let mut rig = Rig::start(Mode::Walk, sh("head -c 200000000 /dev/zero")).await;
    let report = rig.finish().await;
    assert_eq!(report.out, 200_000_000);
    let starts: Vec<u64> = rig
        .folder
        .segments(Stream::Out)
        .expect("lists")
        .iter()
        .map(|s| s.start)
        .collect();
    assert_eq!(starts, [0, 64 << 20, 128 << 20]);
}

#[tokio::test]
async fn b9_a_terminal_that_nobody_looks_at_is_drained() {
    let mut spec = sh("seq 1 200000; echo done; read x");
    spec.stdio = Stdio::Terminal { rows: 24, cols: 80 };
    let mut rig = Rig::start(Mode::Walk, spec).await;
    rig.leader().await;
    // Nobody is even connected.
    let folder = rig.folder.clone();
    drop((rig.sender, rig.receiver));
    let (link, _) = soon("the record", async {
        loop {
            let (link, hello) = headcount::os::link::Link::connect(&folder, 9)
                .await
                .expect("a link");
            let tail = hello.out.saturating_sub(20);
            let mut bytes = [0; 20];
            let read = folder
                .read_at(Stream::Out, tail, &mut bytes)
                .unwrap_or_default();
            if bytes[..read].ends_with(b"done\r\n") {
                return (link, hello);
            }
        }
    })
    .await;
    (rig.sender, rig.receiver) = link.split();
    rig.send(ToShim::Kill).await;
    rig.finish().await;
}

#[tokio::test]
async fn a_command_keeps_its_newest_segments_and_an_agent_those_not_dropped() {
    let mut spec = sh("seq -w 1 2000");
    spec.segment_size = 1000;
    spec.keep = Keep::Last(3);
    let mut rig = Rig::start(Mode::Walk, spec.clone()).await;
    assert_eq!(rig.finish().await.out, 10_000);
    let starts = |rig: &Rig| -> Vec<u64> {
        rig.folder
            .segments(Stream::Out)
            .expect("lists")
            .iter()
            .map(|s| s.start)
            .collect()
    };
    assert_eq!(starts(&rig), [7000, 8000, 9000]);

    spec.keep = Keep::UntilConsumed;
    let mut rig = Rig::start(Mode::Walk, spec).await;
    rig.finish().await;
    assert_eq!(starts(&rig).len(), 10);
    rig.folder.drop_before(Stream::Out, 8500).expect("drops");
    assert_eq!(starts(&rig), [8000, 9000]);
    assert_eq!(
        rig.folder
            .moments(Stream::Out)
            .expect("reads")
            .first()
            .map(|m| m.offset),
        Some(0)
    );
}

/// A small file system of its own, where one may make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn of(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("temp folder");
        let made = nix::unistd::geteuid().is_root()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
                .arg(folder.path())
                .status()
                .is_ok_and(|status| status.success());
        made.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn b6_a_full_disk_holds_the_child_back_and_loses_nothing() {
    let Some(disk) = SmallDisk::of("4m") else {
        println!("skipped b6_a_full_disk…: only root can mount a small disk");
        return;
    };
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![0; 3700 << 10]).expect("is written");
    let temp = tempfile::tempdir().expect("temp folder");
    let done = temp.path().join("done");
    // More than the disk, the memory and the pipe take together.
    let mut spec = sh("seq -w 1 400000; touch \"$DONE\"");
    spec.environment.push(("DONE".into(), done.clone().into()));
    spec.segment_size = 64 << 10;
    let mut rig = Rig::idle_below(Mode::Walk, temp, disk.path()).await;
    rig.launch(spec).await;
    rig.until("the disk is full", |m| {
        matches!(m, FromShim::Held { .. }).then_some(())
    })
    .await;
    assert!(!done.exists(), "the child waits");
    fs::remove_file(&ballast).expect("is removed");
    let freed = rig::now();
    rig.until("room", |m| matches!(m, FromShim::Flowing).then_some(()))
        .await;
    assert!(freed.elapsed() < Duration::from_secs(1));
    // From here on we consume, as the instance does for an agent.
    let mut reader = rig.folder.reader(Stream::Out, 0);
    let (mut text, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    let report = loop {
        loop {
            match reader.read(&mut buffer).expect("reads") {
                0 => break,
                read => text.extend_from_slice(&buffer[..read]),
            }
        }
        rig.folder
            .drop_before(Stream::Out, reader.offset())
            .expect("drops");
        if let FromShim::Exited(report) = rig.next("the end").await {
            break report;
        }
    };
    while let read @ 1.. = reader.read(&mut buffer).expect("reads") {
        text.extend_from_slice(&buffer[..read]);
    }
    rig.send(ToShim::Acknowledge).await;
    rig.gone().await;
    assert!(done.exists());
    assert_eq!(report.outcome, Outcome::Exited { code: 0 });
    assert_eq!((report.out, text.len()), (400_000 * 7, 400_000 * 7));
    let text = String::from_utf8(text).expect("is text");
    assert!(
        text.lines()
            .zip(1..)
            .all(|(line, n)| line == format!("{n:06}"))
    );
}

#[tokio::test]
async fn b6_a_run_that_ended_on_a_full_disk_is_reported_when_there_is_room() {
    let Some(disk) = SmallDisk::of("1m") else {
        println!("skipped b6_a_run_that_ended…: only root can mount a small disk");
        return;
    };
    let temp = tempfile::tempdir().expect("temp folder");
    let mut rig = Rig::idle_below(Mode::Walk, temp, disk.path()).await;
    let ballast = disk.path().join("ballast");
    // Writes until nothing more goes in.
    fs::write(&ballast, vec![0; 2 << 20]).expect_err("the disk is full");
    rig.launch(sh("seq -w 1 100000; exit 5")).await;
    rig.until("the disk is full", |m| {
        matches!(m, FromShim::Held { .. }).then_some(())
    })
    .await;
    assert_eq!(rig.leader_exit().await, Outcome::Exited { code: 5 });
    fs::remove_file(&ballast).expect("is removed");
    assert_eq!(rig.finish().await.out, 700_000);
    assert!(rig.text().ends_with("099999\n100000\n"));
    let held = |m: &&FromShim| matches!(m, FromShim::Held { .. } | FromShim::Flowing);
    assert_eq!(rig.heard.iter().filter(held).count(), 2, "{:?}", rig.heard);
}
