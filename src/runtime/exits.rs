//! How runs end: the shim's report in the words of the domain, and the trees of killed shims.

use std::io::Read;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::Signal;

use crate::agent::driver::Driver;
use crate::agent::exit::Verdict;
use crate::domain::event::LaunchFailure;
use crate::domain::exit::{Ended, Exit, ExitStatus, MemoryKill};
use crate::domain::fault::{Fault, FaultCode};
use crate::os::identity::ProcessIdentity;
use crate::os::leftovers::{self, LeftoversError};
use crate::os::link::{Link, LinkError};
use crate::os::oom::{self, Kill, Suspects};
use crate::os::run_folder::RunFolder;
use crate::os::scarcity::Scarcity;
use crate::os::segments::Stream;
use crate::os::spec::{EndedBy, ExitReport, LaunchStage, Outcome};
use crate::os::tree::Member;
use crate::os::wire::{FromShim, ToShim};
use crate::runtime::run::Run;

/// How long the tree of a killed shim may take to end.
const SWEEP: Duration = Duration::from_secs(10);
/// How much of the standard error is kept with an exit.
const TAIL: u64 = 4096;

/// How the leader ended.
pub(crate) fn status(outcome: &Outcome) -> ExitStatus {
    match outcome {
        Outcome::Exited { code } => ExitStatus::Code(*code),
        Outcome::Signaled { signal } => ExitStatus::Signal(*signal),
        Outcome::NotLaunched(_) => ExitStatus::Unknown,
    }
}

/// One process, for a person.
pub(crate) fn ended(member: &Member) -> Ended {
    Ended {
        pid: member.pid,
        name: member.name.clone(),
    }
}

/// The report of a shim.
pub(crate) fn of_report(report: &ExitReport) -> Exit {
    let at = i64::try_from(report.ended_unix_ms).ok();
    Exit {
        status: status(&report.outcome),
        at: at
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or_default(),
        ended: u32::try_from(report.processes).unwrap_or(u32::MAX),
        killed: report.killed.iter().map(ended).collect(),
        leaked: report.left.iter().map(ended).collect(),
        left: Vec::new(),
        cpu_ms: u64::try_from(report.cpu.as_millis()).unwrap_or(u64::MAX),
        shim_lost: false,
        abandoned: report.by == EndedBy::Abandoned,
        stderr_tail: String::new(),
        memory: None,
    }
}

/// Ends the tree of a run whose shim was killed, and says what was found.
pub(crate) async fn end_leftovers(folder: RunFolder) -> Exit {
    let mut found = sweep(folder.clone()).await;
    if let Err(LeftoversError::Served { .. }) = found {
        // Only the channel broke. Nobody hears of this run any more, so it must not go on beside
        // the one that is started in its place.
        drop(tokio::time::timeout(SWEEP, end_served(&folder)).await);
        found = sweep(folder.clone()).await;
    }
    if let Err(LeftoversError::Served { .. }) = found {
        kill_shim(&folder);
        found = sweep(folder).await;
    }
    let found = found.unwrap_or_else(|error| {
        tracing::error!(%error, "cannot end what a killed shim left");
        leftovers::Ended::default()
    });
    let killed: Vec<Ended> = found.processes.iter().map(ended).collect();
    Exit {
        status: ExitStatus::Unknown,
        at: Timestamp::now(),
        ended: u32::try_from(killed.len()).unwrap_or(u32::MAX),
        killed,
        leaked: Vec::new(),
        left: found.stuck.iter().map(ended).collect(),
        cpu_ms: 0,
        shim_lost: true,
        abandoned: false,
        stderr_tail: String::new(),
        memory: None,
    }
}

/// Ends a run whose shim lives and does not answer, and the shim before it: it could not be asked, and
/// another copy must not start beside it.
pub(crate) async fn end_silent(folder: RunFolder) -> Exit {
    kill_shim(&folder);
    end_leftovers(folder).await
}

async fn sweep(folder: RunFolder) -> Result<leftovers::Ended, LeftoversError> {
    let swept = tokio::task::spawn_blocking(move || leftovers::end(&folder, &[], SWEEP)).await;
    swept.unwrap_or_else(|error| Err(LeftoversError::Processes(error.into())))
}

/// A shim that lives but cannot be spoken with, since it is stopped for example, goes as well: with
/// it alive another run of its process would be a second copy.
fn kill_shim(folder: &RunFolder) {
    let Ok(Some(record)) = folder.shim() else {
        return;
    };
    tracing::warn!(run = %folder.run(), "killing a shim that does not answer");
    if let Err(error) = record.shim.signal(Signal::SIGKILL) {
        tracing::warn!(%error, run = %folder.run(), "cannot kill it");
    }
}

/// Kills a run that its shim still serves, and waits for the end.
pub(crate) async fn end_served(folder: &RunFolder) {
    let ended = async {
        // The newest generation there can be: nobody takes this run over again.
        let (link, _) = Link::connect(folder, u64::MAX).await?;
        let (mut sender, mut receiver) = link.split();
        sender.send(&ToShim::Kill).await?;
        while let Some(message) = receiver.next().await? {
            if let FromShim::Exited(_) = message {
                sender.send(&ToShim::Acknowledge).await?;
                break;
            }
        }
        Ok::<(), LinkError>(())
    };
    if let Err(error) = ended.await {
        tracing::error!(%error, run = %folder.run(), "cannot end a run that nobody knows");
    }
}

/// The last of what a run wrote to its standard error; a command's errors are in its output.
pub(crate) fn stderr_tail(folder: &RunFolder, separate: bool) -> String {
    let stream = if separate { Stream::Err } else { Stream::Out };
    let Ok(length) = folder.length(stream) else {
        return String::new();
    };
    let from = length.saturating_sub(TAIL);
    let mut tail = Vec::new();
    let mut reader = folder.reader(stream, from);
    let mut buffer = vec![0; 4096];
    while let Ok(read) = reader.read(&mut buffer) {
        if read == 0 {
            break;
        }
        if (&buffer[..read]).read_to_end(&mut tail).is_err() {
            break;
        }
    }
    String::from_utf8_lossy(&tail)
        .lines()
        .map(|line| crate::domain::clean::clean(line.as_bytes()))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether the kernel says that something of this run was killed for lack of memory.
pub(crate) fn memory_kill(run: &Run, status: ExitStatus) -> Option<MemoryKill> {
    let record = run.folder.shim().ok().flatten();
    let known: Vec<&ProcessIdentity> = record
        .iter()
        .flat_map(|record| record.leader.iter().chain([&record.shim]))
        .collect();
    let cgroup = record.as_ref().and_then(|record| record.cgroup.as_deref());
    let counted = cgroup.and_then(oom::group_counter).unwrap_or(0);
    let is_killed = is_kill(status) && run.ended_itself || status == ExitStatus::Unknown;
    if counted == 0 && !is_killed {
        return None;
    }
    let suspects = Suspects {
        known: &known,
        cgroup,
    };
    let of = |source: String, culprit| Some(MemoryKill { source, culprit });
    if let Some(Kill { pid, name }) = oom::logged(suspects) {
        return of("the kernel's log".to_owned(), Some(Ended { pid, name }));
    }
    if counted > 0 {
        return of("the memory counter of its control group".to_owned(), None);
    }
    // The poorest witness, and for the leader's own end alone: somebody was killed meanwhile.
    let meanwhile = oom::counter()?.checked_sub(run.oom_before?)?;
    if meanwhile > 0 && status != ExitStatus::Unknown {
        return of(
            "most likely: the kernel's counter of such kills went up while it ran".to_owned(),
            None,
        );
    }
    None
}

fn is_kill(status: ExitStatus) -> bool {
    matches!(status, ExitStatus::Signal(9) | ExitStatus::Code(137))
}

/// Names a failure by the lack of memory that was its cause.
pub(crate) fn for_memory(
    failure: LaunchFailure,
    status: ExitStatus,
    memory: Option<&MemoryKill>,
) -> LaunchFailure {
    let (Some(memory), true) = (memory, is_kill(status) || status == ExitStatus::Unknown) else {
        return failure;
    };
    let who = memory.culprit.as_ref().map_or_else(String::new, |who| {
        format!(": {} (PID {})", who.name, who.pid)
    });
    let fault = Fault::new(
        FaultCode::LimitsExceeded,
        format!("killed for lack of memory{who}; says {}", memory.source),
        "give it less to do at once, raise its memory limit, or stop something else on this machine",
    );
    LaunchFailure {
        fault,
        permanent: false,
    }
}

/// What an end that nobody asked for comes to; `None` for a command that has done its work.
pub(crate) fn failure(
    driver: Driver,
    status: ExitStatus,
    stderr_tail: &str,
    ready: bool,
) -> Option<LaunchFailure> {
    if status == ExitStatus::Unknown {
        let fault = Fault::new(
            FaultCode::Crashed,
            "its shim was killed, and its processes were ended with it",
            "nothing to do: it is started again",
        );
        return Some(LaunchFailure {
            fault,
            permanent: false,
        });
    }
    match driver.judge_exit(status, stderr_tail, ready) {
        Verdict::Finished => None,
        Verdict::Failed { fault, permanent } => Some(LaunchFailure { fault, permanent }),
    }
}

/// Nothing was launched: what the shim said, for a person.
pub(crate) fn not_launched(failure: &crate::os::spec::LaunchFailure, shown: &str) -> LaunchFailure {
    let cause = format!("{failure}: {shown}");
    let fault = match failure.stage {
        LaunchStage::WorkingDirectory => Fault::new(
            FaultCode::EnvironmentSetupFailed,
            cause,
            "give yourself access to the working directory, or hire it for another",
        ),
        LaunchStage::Sandbox => Fault::new(
            FaultCode::EnvironmentSetupFailed,
            cause,
            "see `headcount doctor`; set `best_effort = true` or `level = \"off\"` in the role's `sandbox`",
        ),
        LaunchStage::Program => Fault::new(
            FaultCode::FailedToStart,
            cause,
            "see that the agent's command is a program for this machine",
        ),
        _ => Fault::new(
            FaultCode::EnvironmentSetupFailed,
            cause,
            "see headcount.log",
        ),
    };
    LaunchFailure {
        fault,
        permanent: true,
    }
}

/// What a start lacks, for a person.
pub(crate) fn put_off(lack: &Scarcity) -> Fault {
    Fault::new(FaultCode::LimitsExceeded, lack.to_string(), lack.remedy())
}
