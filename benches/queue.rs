//! The queue of a running instance, from the command line to the agent, with the floors of the machine measured
//! in the same run: what SQLite commits, what the kernel starts, what a shim starts.
//!
//! `cargo bench --bench queue` prints a line for each; with words behind `--`, only those parts: `enqueue`,
//! `batch`, `deliver`, `drain`. The instance, its employees (simulated) and the command line are the built
//! program's own. With HEADCOUNT_PROGRAM it is another one: what `cargo build --release` makes is smaller than
//! what is built together with a benchmark, and so starts faster.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../tests/support/instance.rs"]
#[expect(dead_code, reason = "shared with tests that look at more of the state")]
mod instance;

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use headcount::domain::id::RunId;
use headcount::os::link::{Link, spawn_shim};
use headcount::os::orphans::Children;
use headcount::os::run_folder::RunFolder;
use headcount::os::spec::LaunchSpec;
use headcount::os::wire::{FromShim, ToShim};
use instance::{Instance, program};
use rusqlite::Connection;

type Done = Result<(), Box<dyn Error>>;

/// How the relay before an agent is called.
const RELAY: &str = "__relay";
/// Calls that are timed.
const CALLS: usize = 500;
/// Tasks that stand in the queue when it is called full.
const FULL: usize = 10_000;
/// What an import is measured with.
const FILE: usize = 1_000;
/// Callers at once, where several call.
const AT_ONCE: usize = 4;

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock; nothing is decided by it"
)]
fn clock() -> Instant {
    Instant::now()
}

/// Nanoseconds of the clock that all processes of the machine share.
fn monotonic() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    now.map_or(0, |now| {
        now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
    })
}

fn main() -> Done {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == RELAY) {
        return relay(&words[1..]);
    }
    let parts: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    let commits = commits()?;
    println!("floor: durable commits of SQLite, one row each {commits:>10.0}/s");
    if wanted("enqueue") {
        enqueue(commits)?;
    }
    if wanted("batch") {
        batch(commits)?;
    }
    if wanted("deliver") {
        deliver()?;
    }
    if wanted("drain") {
        drain()?;
    }
    Ok(())
}

/// How many rows SQLite puts on the disk a second, each in a transaction of its own.
fn commits() -> Result<f64, Box<dyn Error>> {
    const ROWS: usize = 2_000;
    let folder = tempfile::tempdir()?;
    let connection = Connection::open(folder.path().join("floor.db"))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection
        .execute_batch("create table task (id integer primary key, document text not null)")?;
    let document = "x".repeat(500);
    let began = clock();
    for row in 0..ROWS {
        connection
            .prepare_cached("insert into task values (?1, ?2)")?
            .execute((row as i64, &document))?;
    }
    Ok(ROWS as f64 / began.elapsed().as_secs_f64())
}

/// Runs something so many times, by one caller or by several at once; returns how often a second.
fn rate(count: usize, callers: usize, call: impl Fn(usize) + Sync) -> f64 {
    let next = AtomicUsize::new(0);
    let began = clock();
    thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    call(number);
                }
            });
        }
    });
    count as f64 / began.elapsed().as_secs_f64()
}

/// CPU that a process has used, in milliseconds.
fn cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks * 10.0
}

/// A request straight to the socket, without a program of ours between.
fn post(socket: &Path, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn quiet(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?}");
}

/// A task file with so many tasks.
fn file(instance: &Instance, count: usize) -> PathBuf {
    let path = instance.workspace().join(format!("{count}.txt"));
    let lines: String = (0..count)
        .map(|n| format!("Look into report {n}\n"))
        .collect();
    fs::write(&path, lines).expect("a file of tasks");
    path
}

fn import(instance: &Instance, count: usize) -> Duration {
    let path = file(instance, count);
    let path = path.to_string_lossy();
    let began = clock();
    quiet(&mut instance.command(&["task", "add", "--file", &path]));
    began.elapsed()
}

fn enqueue(commits: f64) -> Done {
    for callers in [1, AT_ONCE] {
        let programs = rate(CALLS, callers, |_| quiet(&mut Command::new("/bin/true")));
        let ours = rate(CALLS, callers, |_| {
            quiet(Command::new(program()).arg("--version"))
        });
        println!(
            "floor: {callers} at a time, starts of /bin/true {programs:.0}/s, of `headcount --version` {ours:.0}/s"
        );
    }
    let instance = Instance::demo();
    instance.ok(&["up"]);
    let pid = instance.pid();
    let socket = instance.state().join("api.sock");
    for queued in [0, FULL] {
        if queued > 0 {
            let there = instance.json(&["status"])["tasks"]["queued"]
                .as_u64()
                .unwrap_or(0);
            import(&instance, queued - there as usize);
        }
        for callers in [1, AT_ONCE] {
            let before = cpu(pid);
            let calls = rate(CALLS, callers, |number| {
                quiet(&mut instance.command(&["task", "add", &format!("Look into {number}")]));
            });
            let used = (cpu(pid) - before) / CALLS as f64;
            println!(
                "one CLI call a task, {callers} at a time, {queued} queued {calls:>8.0}/s; {used:.2} ms CPU of the instance a task"
            );
        }
        for callers in [1, AT_ONCE] {
            let before = cpu(pid);
            let requests = rate(CALLS, callers, |number| {
                let body = format!("{{\"text\":\"Look into {number}\"}}");
                let answer = post(&socket, "/api/tasks", &body).expect("an answer");
                assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
            });
            let used = (cpu(pid) - before) / CALLS as f64;
            println!(
                "one request a task, {callers} at a time, {queued} queued {requests:>9.0}/s, {:.0} % of the commits; {used:.2} ms CPU",
                100.0 * requests / commits
            );
        }
    }
    instance.close();
    Ok(())
}

fn batch(commits: f64) -> Done {
    let instance = Instance::demo();
    instance.ok(&["up"]);
    let first = import(&instance, FULL);
    println!("{FULL} tasks by one file into an empty queue {first:>9.1?}");
    for _ in 0..3 {
        let time = import(&instance, FILE);
        let tasks = FILE as f64 / time.as_secs_f64();
        println!(
            "{FILE} tasks by one file with {FULL} queued {time:>9.1?}, {tasks:.0} tasks/s: {:.1} times the commits",
            tasks / commits
        );
    }
    instance.close();
    Ok(())
}

/// Stands before an agent and tells in a pipe when each message comes to its standard input.
fn relay(words: &[String]) -> Done {
    let [file, program, arguments @ ..] = words else {
        return Err("relay FILE PROGRAM ARGUMENTS".into());
    };
    let mut times = fs::OpenOptions::new().append(true).open(file)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no input")?;
    for line in BufReader::new(std::io::stdin()).lines() {
        let line = line?;
        let now = monotonic();
        if line.contains("\"type\":\"user\"") {
            writeln!(times, "{now} {line}")?;
        }
        writeln!(input, "{line}")?;
    }
    drop(input);
    child.wait()?;
    Ok(())
}

/// From the order to the agent's standard input.
fn deliver() -> Done {
    const TASKS: usize = 100;
    let instance = Instance::with(false, Vec::new());
    let times = instance.workspace().join("times");
    nix::unistd::mkfifo(&times, nix::sys::stat::Mode::S_IRWXU)?;
    // For both ways, so that neither end waits for the other.
    let pipe = fs::File::options().read(true).write(true).open(&times)?;
    let mut heard = BufReader::new(pipe).lines();
    let script = instance.workspace().join("relay.sh");
    let relay = std::env::current_exe()?;
    fs::write(
        &script,
        format!(
            "#!/bin/sh\nexec {} {RELAY} {} {} __agent \"$@\"\n",
            relay.display(),
            times.display(),
            program().display()
        ),
    )?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let roles = instance.workspace().join("roles.toml");
    let text = fs::read_to_string(&roles)?;
    let command = format!("command = \"{}\"", script.display());
    fs::write(&roles, text.replace("command = \"claude\"", &command))?;
    instance.ok(&["create", "senior_developer"]);
    let socket = instance.state().join("api.sock");
    let mut spans: Vec<[f64; 2]> = Vec::new();
    for number in 0..TASKS {
        let words = format!("SAY number {number} is done");
        let sent = monotonic();
        let answer = post(&socket, "/api/tasks", &format!("{{\"text\":\"{words}\"}}"))?;
        let accepted = monotonic();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        // Nothing else runs meanwhile: who waits for a task starts a program.
        let line = loop {
            let line = heard.next().ok_or("the pipe has ended")??;
            if line.contains(&words) {
                break line;
            }
        };
        let came: u64 = line.split(' ').next().unwrap_or("").parse()?;
        let since = |then: u64| (came as f64 - then as f64) / 1e6;
        spans.push([since(sent), since(accepted)]);
        let id = format!("task_{:04}", number + 1);
        instance.ok(&["task", "wait", &id, "--timeout", "30s"]);
    }
    for (what, at) in [("its request was sent", 0), ("its acceptance was heard", 1)] {
        let mut times: Vec<f64> = spans.iter().map(|one| one[at]).collect();
        times.sort_by(f64::total_cmp);
        println!(
            "message on the agent's stdin after {what}: median {:.2} ms, 95 % {:.2} ms, longest {:.2} ms (n={TASKS})",
            times[TASKS / 2],
            times[TASKS * 95 / 100],
            times[TASKS - 1]
        );
    }
    println!("(each in a conversation of its own: `/clear` goes before all but the first)");
    instance.close();
    Ok(())
}

/// How many programs that do nothing a shim each starts and ends, so many at once.
fn shims(count: usize, at_once: usize) -> Result<f64, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let folder = tempfile::tempdir()?;
    let children = Children::default();
    let next = AtomicUsize::new(1);
    let one = async |number: usize| -> Result<(), Box<dyn Error + Send + Sync>> {
        let run = RunFolder::create(folder.path(), RunId(number as u64))?;
        let mut shim = spawn_shim(&program(), &run, &children).await?;
        let (link, _) = Link::connect(&run, 1).await?;
        let (mut sender, mut receiver) = link.split();
        let spec = LaunchSpec::new("/bin/true", "/");
        sender.send(&ToShim::Launch(Box::new(spec))).await?;
        while let Some(said) = receiver.next().await? {
            if matches!(said, FromShim::Exited(_)) {
                sender.send(&ToShim::Acknowledge).await?;
                break;
            }
        }
        shim.wait().await?;
        Ok(())
    };
    let began = clock();
    runtime
        .block_on(async {
            let lane = async || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > count {
                        return Ok::<(), Box<dyn Error + Send + Sync>>(());
                    }
                    one(number).await?;
                }
            };
            let lanes = (0..at_once).map(|_| lane());
            futures::future::try_join_all(lanes).await
        })
        .map_err(|error| -> Box<dyn Error> { error })?;
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Tasks that do nothing, by utility workers.
fn drain() -> Done {
    const TASKS: usize = 1_000;
    for workers in [1, 4] {
        let floor = shims(200, workers)?;
        let instance = Instance::demo();
        let count = workers.to_string();
        instance.ok(&["create", "utility_worker", "--count", &count]);
        let path = instance.workspace().join("nothing.txt");
        fs::write(&path, "SAY ok\n".repeat(TASKS))?;
        let began = clock();
        quiet(&mut instance.command(&["task", "add", "--file", &path.to_string_lossy()]));
        let last = format!("task_{TASKS:04}");
        quiet(&mut instance.command(&["task", "wait", &last, "--timeout", "120s"]));
        while instance.json(&["status"])["tasks"]["succeeded"] != TASKS {
            assert!(began.elapsed() < Duration::from_secs(120));
        }
        let drained = TASKS as f64 / began.elapsed().as_secs_f64();
        println!(
            "{TASKS} tasks that do nothing, by {workers} utility workers {drained:>7.0}/s; runs of /bin/true, each below a shim, {workers} at once {floor:.0}/s"
        );
        instance.close();
    }
    Ok(())
}
