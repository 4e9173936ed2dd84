//! Output that is hostile, and output without end.

use std::fs;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::instance::Instance;

/// A company with one plain command for a role.
fn company(command: &str) -> Instance {
    let instance = Instance::with(false, Vec::new());
    let roles = format!(
        r#"
[defaults]
agent = "shell"
[departments.operations]
title = "Operations"
cpu = {{ min = 0.5, max = 2.0 }}
memory = {{ min = "256MB", max = "1GB" }}
[roles.talker]
title = "Talker"
department = "operations"
[agents.shell]
command = "sh"
args = ["-c", '''{command}''']
protocol = "plain"
"#
    );
    fs::write(instance.workspace().join("roles.toml"), roles).expect("roles.toml");
    instance
}

#[test]
fn b4_hostile_output_is_shown_harmless_and_kept_as_it_was() {
    const HOSTILE: &str = r"\033]52;c;cm0gLXJmIC8=\007\033[2J\033[31mred\033[0m\033[?1049h \200\377end \342\200\256rtl\001\nunder\rover\n\033]0;title";
    let instance = company(&format!(
        "printf \"{HOSTILE}\"; echo; echo last; exec sleep 600"
    ));
    instance.ok(&["create", "talker"]);
    instance.until_logged("talker", "last");
    let shown = instance.ok(&["logs", "talker", "-n", "all"]);
    let harmful = |one: char| one.is_control() && one != '\n' || one == '\u{202e}';
    assert!(!shown.contains(harmful), "{shown:?}");
    for word in ["red", "end", "over", "last"] {
        assert!(shown.contains(word), "{word}: {shown:?}");
    }
    assert!(!shown.contains("cm0gLXJm"), "{shown:?}");
    let kept: Vec<u8> = fs::read_dir(instance.state().join("runs"))
        .expect("runs")
        .flatten()
        .flat_map(|run| fs::read_dir(run.path()).expect("a run"))
        .flatten()
        .filter(|file| file.file_name() == *format!("out.{:020}", 0))
        .flat_map(|file| fs::read(file.path()).expect("a segment"))
        .collect();
    let wanted = b"\x1b]52;c;cm0gLXJmIC8=\x07\x1b[2J\x1b[31mred\x1b[0m\x1b[?1049h \x80\xffend \xe2\x80\xaertl\x01\nunder\rover\n\x1b]0;title\nlast\n";
    assert_eq!(kept, wanted);
    instance.close();
}

/// Memory of a process that is not shared, in KiB.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .expect("its memory");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse().expect("a number")
}

#[test]
fn b5_a_command_that_floods_is_read_and_stopped_at_once() {
    const LINE: &str = "a line of a flood that nobody can read as fast as it comes";
    let instance = company(&format!("exec yes {LINE}"));
    instance.ok(&["create", "talker"]);
    let before = memory(instance.pid());
    // One who follows and reads nothing must not keep it from flowing, nor cost memory.
    let mut follower = instance
        .command(&["logs", "talker", "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    for _ in 0..5 {
        let lines = instance.ok(&["logs", "talker", "-n", "100"]);
        assert_eq!(lines.lines().count(), 100);
        // The last one may be on its way.
        assert!(lines.lines().rev().skip(1).all(|line| line == LINE));
    }
    let stopped = instance.ok(&["stop", "talker"]);
    assert!(stopped.contains("1 process ended, 0 left"), "{stopped}");
    let after = memory(instance.pid());
    assert!(
        after < before + (64 << 10),
        "{before} KiB, then {after} KiB"
    );
    let follower_pid = i32::try_from(follower.id()).expect("a PID");
    kill(Pid::from_raw(follower_pid), Signal::SIGKILL).expect("it follows still");
    follower.wait().expect("it ends");
    instance.close();
}
