//! Output that is hostile, and output without end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::instance::Instance;
use crate::terminal_support::{Company, PATIENCE};

/// A company with one plain command for a role.
fn company(command: &str) -> Instance {
    speaking("plain", command, &[])
}

/// The same, whose command speaks a protocol, with variables in the environment.
fn speaking(protocol: &str, command: &str, environment: &[(&str, &str)]) -> Instance {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let instance = Instance::with(false, environment.collect());
    let prompt = match protocol {
        "plain" => "",
        _ => r#"prompt = "corporate-prompts/operations/sre.md""#,
    };
    let roles = format!(
        r#"
[defaults]
agent = "shell"
[departments.operations]
title = "Operations"
cpu = {{ min = 0.1, max = 2.0 }}
memory = {{ min = "16MB", max = "1GB" }}
[roles.talker]
title = "Talker"
department = "operations"
{prompt}
[agents.shell]
command = "sh"
args = ["-c", '''{command}''']
protocol = "{protocol}"
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

/// What `/proc` says of the memory of a process, in KiB.
fn memory(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .expect("its memory");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse().expect("a number")
}

/// CPU time of a process, in ticks.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(") ").expect("a name");
    let fields: Vec<u64> = rest
        .split(' ')
        .skip(1)
        .map(|field| field.trim().parse().unwrap_or(0))
        .collect();
    fields[10] + fields[11]
}

/// The folders of runs, below `runs`.
fn runs(instance: &Instance) -> Vec<String> {
    let runs = fs::read_dir(instance.state().join("runs")).expect("runs");
    runs.flatten()
        .map(|run| run.file_name().to_string_lossy().into_owned())
        .collect()
}

/// An agent in a few lines of shell: before it says that it is there, it says one line of `LENGTH`.
const ENDLESS: &str = r#"while IFS= read -r line; do
  case $line in
  *"\"subtype\":\"initialize\""*)
    id=${line#*"\"request_id\":\""}; id=${id%%"\""*}
    head -c LENGTH /dev/zero | tr "\\000" x; echo
    echo "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"$id\",\"response\":{\"commands\":[]}}}" ;;
  esac
done"#;

#[test]
fn b3_a_message_without_end_is_kept_in_pieces_and_costs_no_memory() {
    const LENGTH: usize = 70_000_000;
    let command = ENDLESS.replace("LENGTH", &LENGTH.to_string());
    let instance = speaking("claude-stream-json", &command, &[]);
    instance.ok(&["up"]);
    let pid = instance.pid();
    let before = memory(pid, "VmHWM:");
    // It is heard behind that line: else it would not be ready.
    instance.ok(&["create", "talker"]);
    let after = memory(pid, "VmHWM:");
    assert!(
        after < before + (160 << 10),
        "{before} KiB, then {after} KiB"
    );
    let (mut shown, mut raw) = (0, 0);
    for file in fs::read_dir(instance.state().join("logs")).expect("logs") {
        let path = file.expect("a file").path();
        let text = fs::read(&path).expect("a log");
        if path.to_string_lossy().contains(".jsonl") {
            raw += text.iter().filter(|byte| **byte == b'x').count();
            continue;
        }
        for line in text.split(|byte| *byte == b'\n') {
            // What the agent wrote that is no message has no mark.
            if line.get(20) == Some(&b' ') {
                assert!(line.len() <= (16 << 10) + 22);
                shown += line.iter().filter(|byte| **byte == b'x').count();
            }
        }
    }
    assert_eq!(shown, LENGTH);
    assert!((LENGTH..LENGTH + 100).contains(&raw), "{raw}");
    let log = instance.ok(&["logs", "talker", "-n", "20"]);
    assert!(
        log.contains("xxx") && log.contains("ready"),
        "{}",
        log.len()
    );
    instance.close();
}

#[test]
fn b5_fifty_that_flood_lose_no_line_and_cost_little() {
    const LINES: usize = 200_000;
    let company = Company::new();
    let roles = format!(
        r#"
[defaults]
agent = "shell"
[departments.operations]
title = "Operations"
cpu = {{ min = 0.01, max = 2.0 }}
memory = {{ min = "1MB", max = "1GB" }}
[roles.talker]
title = "Talker"
department = "operations"
[agents.shell]
command = "sh"
args = ["-c", "seq -w 1 {LINES}; exec sleep 600"]
protocol = "plain"
"#
    );
    fs::write(company.workspace().join("roles.toml"), roles).expect("roles.toml");
    let ok = |words: &[&str]| {
        let output = company.command(words).output().expect("the program starts");
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    ok(&["create", "talker"]);
    let pid = company.running().expect("an instance");
    let (cpu, anonymous) = (ticks(pid), memory(pid, "RssAnon:"));
    let mut screen = company.open();
    screen.wait_for_the_screen();
    screen.keys(b"l");
    screen.wait_for("following");
    let shown = screen.raw().len();
    ok(&["create", "talker", "--count", "49"]);
    // One who looks sees the end of it, as do fifty that are asked.
    screen.wait_for(&LINES.to_string());
    let expected: Vec<u8> = (1..=LINES)
        .flat_map(|line| format!("{line:06}\n").into_bytes())
        .collect();
    for number in 1..=50 {
        let id = format!("proc_{number:03}");
        let begin = SystemTime::now();
        while ok(&["logs", &id, "-n", "1"]).trim() != LINES.to_string() {
            assert!(begin.elapsed().expect("a clock") < PATIENCE, "{id}");
        }
    }
    let folder = company.place().path().join("runs");
    let runs: Vec<PathBuf> = fs::read_dir(folder)
        .expect("runs")
        .flatten()
        .map(|run| run.path())
        .collect();
    assert_eq!(runs.len(), 50);
    for run in runs {
        let file = run.join(format!("out.{:020}", 0));
        assert!(
            fs::read(file).expect("a segment") == expected,
            "{}",
            run.display()
        );
    }
    let after = memory(pid, "RssAnon:");
    assert!(
        after < anonymous + (32 << 10),
        "{anonymous} KiB, then {after} KiB"
    );
    // Frames are skipped: far less is drawn than was written.
    let drawn = screen.raw().len() - shown;
    assert!(drawn < expected.len() / 4, "{drawn} bytes were drawn");
    let used = ticks(pid) - cpu;
    // Built without optimisation, in hundredths of a second: 70 MB were recorded, 50 started and asked.
    assert!(used < 3000, "{used} ticks");
    ok(&["down", "--force"]);
}

#[test]
fn b7_a_record_taken_away_under_load_goes_on_and_who_follows_is_told() {
    let instance = speaking(
        "plain",
        "i=0; while :; do i=$((i+1)); echo $i; done",
        &[
            ("HEADCOUNT_LOG_SIZE", "64KiB"),
            ("HEADCOUNT_LOG_FILES", "3"),
        ],
    );
    instance.ok(&["create", "talker"]);
    let run = runs(&instance).pop().expect("a run");
    let newest = || {
        let folder = instance.state().join("runs").join(&run);
        let files = fs::read_dir(folder).expect("a run").flatten();
        let names = files.map(|file| file.path());
        let segment = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("out.0")
        };
        names.filter(segment).max().expect("a segment")
    };
    let number = || -> u64 {
        let lines = instance.ok(&["logs", "talker", "-n", "3"]);
        let numbers = lines.lines().filter_map(|line| line.parse().ok());
        numbers.max().unwrap_or(0)
    };
    for outside in [
        |path: &Path| fs::remove_file(path),
        |path: &Path| fs::rename(path, path.with_extension("moved")),
        |path: &Path| fs::write(path, ""),
    ] {
        let before = number();
        // It may be rotated away in this moment.
        outside(&newest()).ok();
        let begin = SystemTime::now();
        while number() <= before + 100 {
            assert!(begin.elapsed().expect("a clock") < PATIENCE);
        }
    }
    // What a page shows has no hole but where something was taken, and no line twice.
    let page = instance.ok(&["logs", "talker", "-n", "all"]);
    let numbers: Vec<u64> = page.lines().filter_map(|line| line.parse().ok()).collect();
    let back = numbers.windows(2).filter(|pair| pair[1] <= pair[0]).count();
    assert!(back <= 3, "{back} steps back");
    assert!(numbers.len() > 1000, "{}", numbers.len());
    instance.close();
}

#[test]
fn b7_a_log_that_is_taken_away_loses_what_was_in_it_and_nothing_else() {
    let instance = Instance::demo();
    instance.ok(&["create", "senior_developer"]);
    let log = instance.state().join("logs/proc_001.log");
    let mut follow = instance
        .command(&["logs", "proc_001", "-f", "-n", "all"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(follow.stdout.take().expect("its output")).lines();
    let mut until = |text: &str| -> Vec<String> {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.contains(text)) {
            seen.push(lines.next().expect("it follows").expect("a line"));
        }
        seen
    };
    let say = |word: &str| {
        let text = format!("SAY {word}");
        instance.ok(&["task", "add", &text, "--process", "proc_001"]);
    };
    say("first");
    let mut seen = until(" - done: ");
    let outside: [(&str, &dyn Fn()); 3] = [
        ("removed", &|| fs::remove_file(&log).expect("is there")),
        ("moved", &|| {
            fs::rename(&log, log.with_extension("1")).expect("is there");
        }),
        ("emptied", &|| fs::write(&log, "").expect("is there")),
    ];
    for (word, change) in outside {
        change();
        say(word);
        let new = until(" - done: ");
        assert!(new.iter().any(|line| line.contains(word)), "{new:?}");
        seen.extend(new);
    }
    // No line came twice to one who followed all the time.
    let said = |word: &str| {
        seen.iter()
            .filter(|line| line.ends_with(&format!("| {word}")))
            .count()
    };
    assert_eq!(
        ["first", "removed", "moved", "emptied"].map(said),
        [1; 4],
        "{seen:?}"
    );
    // Nobody writes to a folder: what is said is held, and written when the way is free.
    fs::remove_file(&log).expect("is there");
    fs::create_dir(&log).expect("a folder");
    say("held");
    let begin = SystemTime::now();
    loop {
        let now = instance.json(&["ps"])[0]["now"].to_string();
        if now.contains("output held: ") {
            break;
        }
        assert!(begin.elapsed().expect("a clock") < PATIENCE, "{now}");
    }
    fs::remove_dir(&log).expect("is there");
    let new = until(" - done: ");
    assert!(new.iter().any(|line| line.ends_with("| held")), "{new:?}");
    follow.kill().expect("it follows");
    follow.wait().expect("it ends");
    instance.close();
}

#[test]
fn a_log_is_read_searched_and_followed_over_its_rotations() {
    let instance = Instance::with(
        true,
        vec![
            ("HEADCOUNT_LOG_SIZE".to_owned(), "4KiB".to_owned()),
            ("HEADCOUNT_LOG_FILES".to_owned(), "4".to_owned()),
        ],
    );
    instance.ok(&["create", "senior_developer"]);
    let mut follow = instance
        .command(&["logs", "proc_001", "-f", "-n", "all"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(follow.stdout.take().expect("its output")).lines();
    let lines = lines.map_while(Result::ok);
    let mut said = lines.filter_map(|line| {
        let (_, word) = line.split_once(" | word ")?;
        Some(format!("word {word}"))
    });
    let words: Vec<String> = (1..=60)
        .map(|number| format!("word {number:03} {}", "w".repeat(300)))
        .collect();
    // One by one, that none is away yet when it is read: over all rotations none is missed.
    for word in &words {
        let text = format!("SAY {word}");
        instance.ok(&["task", "add", &text, "--process", "proc_001"]);
        assert_eq!(said.next().as_ref(), Some(word));
    }
    follow.kill().expect("it follows");
    follow.wait().expect("it ends");
    let count = |name: &str| {
        let files = fs::read_dir(instance.state().join("logs")).expect("logs");
        let names = files.flatten().map(|file| file.file_name());
        names
            .filter(|file| file.to_string_lossy().starts_with(name))
            .count()
    };
    assert_eq!(count("proc_001.log"), 5);
    assert_eq!(count("proc_001.jsonl"), 5);
    let said = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.split_once(" | word "));
        lines.map(|(_, word)| format!("word {word}")).collect()
    };
    // What is kept is the end of it, whole.
    let all = said(&instance.ok(&["logs", "proc_001", "-n", "all"]));
    assert!(all.len() > 10 && all.len() < words.len(), "{}", all.len());
    assert!(words.ends_with(&all), "{all:?}");
    let some = said(&instance.ok(&["logs", "proc_001", "-n", "120"]));
    assert!(all.ends_with(&some) && some.len() > 10, "{some:?}");
    let since = said(&instance.ok(&["logs", "proc_001", "--since", "1h"]));
    assert_eq!(since, all);
    let raw = instance.ok(&["logs", "proc_001", "-n", "all", "--raw"]);
    assert!(
        raw.lines()
            .skip(1)
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    instance.close();
}

#[test]
fn b5_a_command_that_floods_is_read_and_stopped_at_once() {
    const LINE: &str = "a line of a flood that nobody can read as fast as it comes";
    let instance = company(&format!("exec yes {LINE}"));
    instance.ok(&["create", "talker"]);
    let before = memory(instance.pid(), "RssAnon:");
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
    let after = memory(instance.pid(), "RssAnon:");
    assert!(
        after < before + (64 << 10),
        "{before} KiB, then {after} KiB"
    );
    let follower_pid = i32::try_from(follower.id()).expect("a PID");
    kill(Pid::from_raw(follower_pid), Signal::SIGKILL).expect("it follows still");
    follower.wait().expect("it ends");
    instance.close();
}
