//! What the trees of the runs and the machine use, from one pass over `/proc`.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::DirEntryExt;
use std::time::Instant;

use nix::unistd::{SysconfVar, sysconf};

use super::machine::{Machine, MachineUsage, percent};
use super::proc::{self, Stat};
use crate::domain::id::RunId;

/// Those that ended are forgotten when so many were remembered.
const MAX_OUTSIDE: usize = 1 << 16;

/// A run to sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The run.
    pub run: RunId,
    /// Its shim, which is not counted itself.
    pub shim: u32,
}

/// One process of a tree.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessUsage {
    /// Its number.
    pub pid: u32,
    /// Clock ticks from boot to its start.
    pub start_time: u64,
    /// Its parent's number.
    pub parent: u32,
    /// Its short name.
    pub name: String,
    /// Of one core, since the last sample; own time only.
    pub cpu_percent: f32,
    /// Resident memory.
    pub memory_bytes: u64,
}

/// All processes of a run together.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeUsage {
    /// The run.
    pub run: RunId,
    /// Of one core, since the last sample, with those that came and went in between.
    pub cpu_percent: f32,
    /// Sum of the resident memory; shared pages count with each who has them.
    pub memory_bytes: u64,
    /// Threads.
    pub threads: u32,
    /// Open file descriptors.
    pub file_descriptors: u32,
    /// Read from disks since the launch.
    pub disk_read_bytes: u64,
    /// Written to disks since the launch.
    pub disk_written_bytes: u64,
    /// Who they are, by number.
    pub processes: Vec<ProcessUsage>,
}

/// What everything used at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// The machine.
    pub machine: MachineUsage,
    /// The runs, in the order asked for; one whose shim is gone is left out.
    pub trees: Vec<TreeUsage>,
}

/// What is remembered of a run between two samples.
#[derive(Debug, Default)]
struct Past {
    ticks: u64,
    disk_read: u64,
    disk_written: u64,
}

/// A process as found in a pass.
#[derive(Debug)]
struct Row {
    pid: u32,
    /// The number of its folder in `/proc`.
    folder: u64,
    parent: u32,
    start_time: u64,
    own_ticks: u64,
    child_ticks: u64,
    threads: u32,
    memory: u64,
    name: [u8; 16],
}

/// Samples trees; keeps its buffers, and what it saw last.
#[derive(Debug)]
pub struct Sampler {
    ticks_a_second: f64,
    page_size: u64,
    at: Option<Instant>,
    runs: HashMap<RunId, Past>,
    processes: HashMap<(u32, u64), u64>,
    machine: Machine,
    /// What `outside` was found for.
    targets: Vec<Target>,
    /// In none of the trees: number, and that of its folder in `/proc`.
    outside: HashSet<(u32, u64)>,
    rows: Vec<Row>,
    index: HashMap<u32, usize>,
    path: String,
    text: Vec<u8>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler {
    /// Returns a sampler that has seen nothing: its first sample has no shares of time.
    pub fn new() -> Self {
        let ask = |what, usual: u32| {
            let value = sysconf(what)
                .ok()
                .flatten()
                .and_then(|value| u32::try_from(value).ok());
            value.unwrap_or(usual)
        };
        Self {
            ticks_a_second: f64::from(ask(SysconfVar::CLK_TCK, 100)),
            page_size: u64::from(ask(SysconfVar::PAGE_SIZE, 4096)),
            at: None,
            runs: HashMap::new(),
            processes: HashMap::new(),
            machine: Machine::default(),
            targets: Vec::new(),
            outside: HashSet::new(),
            rows: Vec::new(),
            index: HashMap::new(),
            path: String::new(),
            text: vec![0; 8192],
        }
    }

    /// Samples the machine and the trees of these runs; `now` is when it is called.
    pub fn sample(&mut self, targets: &[Target], now: Instant) -> Sample {
        let elapsed = self
            .at
            .map(|at| now.saturating_duration_since(at).as_secs_f64());
        // A share of hardly any time would be noise: a tick is 10 ms.
        let ticks = elapsed
            .filter(|s| *s >= 0.02)
            .map(|s| s * self.ticks_a_second);
        self.at = Some(now);
        let mut sample = Sample {
            machine: self.machine.sample(),
            trees: Vec::new(),
        };
        if targets.is_empty() {
            self.runs.clear();
            self.processes.clear();
            return sample;
        }
        if self.targets != targets {
            self.targets = targets.to_vec();
            self.outside.clear();
        }
        self.pass();
        let mut members = self.assign(targets);
        self.forget_others(targets, &members);
        let mut seen = HashMap::with_capacity(self.processes.len());
        for (target, rows) in targets.iter().zip(&mut members) {
            let Some(shim) = self.index.get(&target.shim).copied() else {
                continue;
            };
            rows.sort_unstable_by_key(|row| self.rows.get(*row).map(|row| row.pid));
            sample
                .trees
                .push(self.tree(*target, shim, rows, ticks, &mut seen));
        }
        self.processes = seen;
        self.runs
            .retain(|run, _| targets.iter().any(|target| target.run == *run));
        sample
    }

    /// Reads `stat` of every process that may be in a tree.
    fn pass(&mut self) {
        self.rows.clear();
        self.index.clear();
        let Ok(entries) = fs::read_dir("/proc") else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(pid) = proc::number(name.as_encoded_bytes()) else {
                continue;
            };
            // The kernel gives the folder of each process a number of its own, so this is no
            // later process of the same number.
            if self.outside.contains(&(pid, entry.ino())) {
                continue;
            }
            let Some(length) = read(&mut self.path, &mut self.text, pid, "stat") else {
                continue;
            };
            let Some(stat) = self.text.get(..length).and_then(Stat::parse) else {
                continue;
            };
            let mut name = [0; 16];
            for (to, from) in name.iter_mut().zip(stat.name) {
                *to = *from;
            }
            self.index.insert(pid, self.rows.len());
            self.rows.push(Row {
                pid,
                folder: entry.ino(),
                parent: stat.parent,
                start_time: stat.start_time,
                own_ticks: stat.own_ticks,
                child_ticks: stat.child_ticks,
                threads: stat.threads,
                memory: stat.resident_pages * self.page_size,
                name,
            });
        }
    }

    /// Remembers who is in none of the trees: no one gets into a tree but by birth.
    fn forget_others(&mut self, targets: &[Target], members: &[Vec<usize>]) {
        if self.outside.len() > MAX_OUTSIDE {
            self.outside.clear();
        }
        let inside: HashSet<usize> = members.iter().flatten().copied().collect();
        let shims: HashSet<u32> = targets.iter().map(|target| target.shim).collect();
        for (at, row) in self.rows.iter().enumerate() {
            if !inside.contains(&at) && !shims.contains(&row.pid) {
                self.outside.insert((row.pid, row.folder));
            }
        }
    }

    /// Returns for each target the rows below its shim.
    fn assign(&self, targets: &[Target]) -> Vec<Vec<usize>> {
        let shims: HashMap<u32, usize> = targets
            .iter()
            .enumerate()
            .map(|(at, target)| (target.shim, at))
            .collect();
        let mut members = vec![Vec::new(); targets.len()];
        for (at, row) in self.rows.iter().enumerate() {
            let mut parent = row.parent;
            // Depth is bounded: the rows were read one after another, and may close a circle.
            for _ in 0..256 {
                if let Some(target) = shims.get(&parent) {
                    if let Some(rows) = members.get_mut(*target) {
                        rows.push(at);
                    }
                    break;
                }
                match self.index.get(&parent).and_then(|at| self.rows.get(*at)) {
                    Some(above) => parent = above.parent,
                    None => break,
                }
            }
        }
        members
    }

    fn tree(
        &mut self,
        target: Target,
        shim: usize,
        members: &[usize],
        elapsed_ticks: Option<f64>,
        seen: &mut HashMap<(u32, u64), u64>,
    ) -> TreeUsage {
        let mut usage = TreeUsage {
            run: target.run,
            cpu_percent: 0.0,
            memory_bytes: 0,
            threads: 0,
            file_descriptors: 0,
            disk_read_bytes: 0,
            disk_written_bytes: 0,
            processes: Vec::with_capacity(members.len()),
        };
        // Who ends hands its time to who waits for it. So the sum over everyone, with what they
        // inherited, only grows, and nobody who came and went between two samples is missed.
        let mut total = self.rows.get(shim).map_or(0, |shim| shim.child_ticks);
        for row in members.iter().filter_map(|at| self.rows.get(*at)) {
            total += row.own_ticks + row.child_ticks;
            usage.memory_bytes += row.memory;
            usage.threads += row.threads;
            let key = (row.pid, row.start_time);
            seen.insert(key, row.own_ticks);
            let before = self.processes.get(&key).copied();
            usage.processes.push(ProcessUsage {
                pid: row.pid,
                start_time: row.start_time,
                parent: row.parent,
                name: text_of(&row.name),
                cpu_percent: share(row.own_ticks, before, elapsed_ticks),
                memory_bytes: row.memory,
            });
            let (path, text) = (&mut self.path, &mut self.text);
            usage.file_descriptors += descriptors(path, row.pid);
            let (read, written) = disk(path, text, row.pid);
            usage.disk_read_bytes += read;
            usage.disk_written_bytes += written;
        }
        let past = self.runs.entry(target.run);
        let before = match &past {
            std::collections::hash_map::Entry::Occupied(past) => Some(past.get().ticks),
            std::collections::hash_map::Entry::Vacant(_) => None,
        };
        usage.cpu_percent = share(total, before, elapsed_ticks);
        let past = past.or_default();
        past.ticks = total;
        // What an orphan used goes to the shim, with the shim's own; better held than taken back.
        past.disk_read = past.disk_read.max(usage.disk_read_bytes);
        past.disk_written = past.disk_written.max(usage.disk_written_bytes);
        usage.disk_read_bytes = past.disk_read;
        usage.disk_written_bytes = past.disk_written;
        usage
    }
}

fn share(ticks: u64, before: Option<u64>, elapsed: Option<f64>) -> f32 {
    match (before, elapsed) {
        (Some(before), Some(elapsed)) => percent(ticks.saturating_sub(before), elapsed),
        _ => 0.0,
    }
}

fn text_of(name: &[u8; 16]) -> String {
    let end = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(name.len());
    String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned()
}

/// Reads a small file of a process into `text`; returns its length.
fn read(path: &mut String, text: &mut [u8], pid: u32, name: &str) -> Option<usize> {
    path.clear();
    write!(path, "/proc/{pid}/{name}").ok()?;
    File::open(&path).and_then(|mut file| file.read(text)).ok()
}

fn descriptors(path: &mut String, pid: u32) -> u32 {
    path.clear();
    let _ = write!(path, "/proc/{pid}/fd");
    // Since Linux 6.2 the size of the folder is the answer.
    match fs::metadata(&*path).map(|meta| meta.len()) {
        Ok(count) if count > 0 => u32::try_from(count).unwrap_or(u32::MAX),
        _ => fs::read_dir(&*path).map_or(0, |list| u32::try_from(list.count()).unwrap_or(u32::MAX)),
    }
}

fn disk(path: &mut String, text: &mut [u8], pid: u32) -> (u64, u64) {
    let length = read(path, text, pid, "io").unwrap_or_default();
    let text = text.get(..length).unwrap_or_default();
    let field = |name: &[u8]| {
        text.split(|byte| *byte == b'\n')
            .find_map(|line| line.strip_prefix(name))
            .and_then(|value| proc::number(value.trim_ascii()))
            .unwrap_or(0)
    };
    (field(b"read_bytes:"), field(b"write_bytes:"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the test reads the clock"
    )]
    fn t0() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_tree_is_summed_without_its_shim() {
        // We play the shim, since whatever runs below us counts.
        let mut child = std::process::Command::new("/bin/cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("cat starts");
        let targets = [Target {
            run: RunId(1),
            shim: std::process::id(),
        }];
        let mut sampler = Sampler::new();
        sampler.sample(&targets, t0());
        let sample = sampler.sample(&targets, t0() + Duration::from_secs(1));
        let tree = sample.trees.first().expect("we are there");
        let cat = tree
            .processes
            .iter()
            .find(|process| process.pid == child.id());
        let cat = cat.expect("is below us");
        assert_eq!(cat.parent, std::process::id());
        assert!(cat.memory_bytes > 0 && tree.memory_bytes >= cat.memory_bytes);
        assert!(tree.threads >= 1 && tree.file_descriptors >= 3);
        assert!(
            tree.processes
                .iter()
                .all(|process| process.pid != std::process::id())
        );
        assert!(sample.machine.memory_total_bytes > sample.machine.memory_used_bytes);
        assert!(sample.machine.cores >= 1);
        drop(child.stdin.take());
        child.wait().expect("ends");
    }

    #[test]
    fn a_run_whose_shim_is_gone_is_left_out() {
        let mut sampler = Sampler::new();
        let targets = [Target {
            run: RunId(1),
            shim: u32::MAX,
        }];
        assert_eq!(sampler.sample(&targets, t0()).trees, []);
    }

    #[test]
    fn shares_are_of_one_core_and_never_negative() {
        assert_eq!(share(150, Some(100), Some(100.0)), 50.0);
        assert_eq!(share(400, Some(0), Some(100.0)), 400.0);
        assert_eq!(share(50, Some(100), Some(100.0)), 0.0);
        assert_eq!(share(50, None, Some(100.0)), 0.0);
        assert_eq!(share(50, Some(0), None), 0.0);
    }

    #[test]
    #[ignore = "a measurement"]
    fn twenty_trees_cost_less_than_two_milliseconds() {
        let mut shims: Vec<_> = (0..20)
            .map(|_| {
                let mut shim = std::process::Command::new("/bin/sh");
                shim.args(["-c", "cat | cat | cat"]);
                shim.stdin(std::process::Stdio::piped())
                    .spawn()
                    .expect("sh starts")
            })
            .collect();
        let targets: Vec<_> = shims
            .iter()
            .zip(1..)
            .map(|(shim, run)| Target {
                run: RunId(run),
                shim: shim.id(),
            })
            .collect();
        let mut sampler = Sampler::new();
        for _ in 0..10 {
            let begin = t0();
            let sample = sampler.sample(&targets, begin);
            let processes: usize = sample.trees.iter().map(|tree| tree.processes.len()).sum();
            println!(
                "{:?} for {processes} of {}",
                begin.elapsed(),
                sampler.rows.len()
            );
        }
        for shim in &mut shims {
            drop(shim.stdin.take());
            shim.wait().expect("ends");
        }
    }
}
