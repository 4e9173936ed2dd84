//! Samples CPU and memory: once a second while somebody looks, seldom otherwise.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::domain::event::Event;
use crate::domain::id::ProcessId;
use crate::domain::snapshot::{Machine, Member, Pressure, Snapshot, Usage};
use crate::os::disk::Room;
use crate::os::usage::{Sample, Sampler, Target, TreeUsage};
use crate::runtime::context::{Context, Shims};
use crate::runtime::watched::Watched;

/// While a terminal is attached.
const WATCHED: Duration = Duration::from_secs(1);
/// After a process came up or went down, while none is.
const FIRST: Duration = Duration::from_millis(500);
/// While none is.
const UNWATCHED: Duration = Duration::from_secs(30);

/// Samples until the hub is gone.
pub(crate) async fn sample(
    context: Arc<Context>,
    mut view: watch::Receiver<Arc<Snapshot>>,
    watched: Watched,
) {
    let mut sampler = Sampler::new();
    let mut room_told: Option<tokio::time::Instant> = None;
    let mut shims = context.shims();
    let mut ticks = interval(WATCHED);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if view.borrow().terminals == 0 {
            // The first look of somebody who comes is fresh.
            tokio::select! {
                () = sleep(UNWATCHED) => {}
                // One that has just come up: a script that started it asks next.
                () = came_or_went(&mut shims) => {}
                seen = view.wait_for(|snapshot| snapshot.terminals > 0) => {
                    if seen.is_err() {
                        return;
                    }
                }
            }
        } else {
            ticks.tick().await;
        }
        if view.has_changed().is_err() {
            return;
        }
        let snapshot = view.borrow().clone();
        let known = shims.borrow_and_update().clone();
        let targets: Vec<(Target, ProcessId)> = known
            .iter()
            .filter_map(|(shim, process)| {
                let process = (*process)?;
                let run = snapshot.process(process)?.run?;
                Some((Target { run, shim: *shim }, process))
            })
            .collect();
        let runs: Vec<Target> = targets.iter().map(|(target, _)| *target).collect();
        let now = tokio::time::Instant::now().into_std();
        let taken = tokio::task::spawn_blocking(move || {
            let sample = sampler.sample(&runs, now);
            (sampler, sample)
        })
        .await;
        let Ok((back, sample)) = taken else { return };
        sampler = back;
        context
            .tell(in_our_words(&sample, &targets, &watched))
            .await;
        if room_told.is_none_or(|at| at.elapsed() >= UNWATCHED) {
            room_told = Some(tokio::time::Instant::now());
            match Room::of(&context.folders.state) {
                Ok(Room { free, total }) => context.tell(Event::Room { free, total }).await,
                Err(error) => tracing::debug!(%error, "the room on disk is not known"),
            }
        }
    }
}

async fn came_or_went(shims: &mut watch::Receiver<Shims>) {
    if shims.changed().await.is_err() {
        // The sender is the context's, which this task keeps alive.
        std::future::pending().await
    }
    sleep(FIRST).await;
}

fn in_our_words(sample: &Sample, targets: &[(Target, ProcessId)], watched: &Watched) -> Event {
    let machine = Machine {
        cpu_percent: f64::from(sample.machine.cpu_percent),
        memory_used: sample.machine.memory_used_bytes,
        memory_total: sample.machine.memory_total_bytes,
        cores: sample.machine.cores,
        pressure: sample.machine.pressure.map(|[cpu, memory, io]| Pressure {
            cpu_percent: cpu,
            memory_percent: memory,
            io_percent: io,
        }),
    };
    let whose = |tree: &TreeUsage| {
        let found = targets.iter().find(|(target, _)| target.run == tree.run);
        found.map(|(_, process)| *process)
    };
    let members = sample
        .trees
        .iter()
        .filter_map(|tree| {
            let process = whose(tree).filter(|process| watched.is_watched(*process))?;
            let members = tree.processes.iter().map(|one| Member {
                pid: one.pid,
                parent: one.parent,
                name: one.name.clone(),
                cpu_percent: f64::from(one.cpu_percent),
                memory_bytes: one.memory_bytes,
            });
            Some((process, members.collect()))
        })
        .collect();
    let trees = sample
        .trees
        .iter()
        .filter_map(|tree| {
            let process = whose(tree)?;
            let usage = Usage {
                cpu_percent: f64::from(tree.cpu_percent),
                memory_bytes: tree.memory_bytes,
                threads: tree.threads,
                files: tree.file_descriptors,
                processes: u32::try_from(tree.processes.len()).unwrap_or(u32::MAX),
                disk_read_bytes: tree.disk_read_bytes,
                disk_written_bytes: tree.disk_written_bytes,
                disk_rates: None,
            };
            Some((process, usage))
        })
        .collect();
    Event::Sampled {
        machine,
        trees,
        members,
    }
}
