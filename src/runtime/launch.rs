//! The actor's launches and adoptions.

use std::path::PathBuf;

use crate::agent::driver::Driver;
use crate::config::environment::Variables;
use crate::domain::effect::LaunchPlan;
use crate::domain::event::{Event, LaunchFailure, Mark, RunDetails};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::id::RunId;
use crate::domain::sandbox::Sandbox;
use crate::domain::updates::Fingerprint;
use crate::os::link::{Link, LinkError, SpawnError, spawn_shim};
use crate::os::oom;
use crate::os::run_folder::{RunFolder, RunFolderError};
use crate::os::scarcity::{Scarcity, Start};
use crate::os::wire::{RunState, ToShim};
use crate::runtime::actor::{Actor, Adoption};
use crate::runtime::exits;
use crate::runtime::prepare::{Prepared, launch_spec, prepare};
use crate::runtime::run::{AGAIN, Run};

/// Tries after which a run that cannot be taken up is spoken of: others may just have been first.
const LONG: u32 = 5;

/// Why there is no shim to talk to.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot make the run's folder")]
    Folder(#[source] RunFolderError),
    #[error(transparent)]
    Spawn(SpawnError),
    #[error("the shim did not answer")]
    Link(#[source] LinkError),
}

impl Actor {
    /// Launches a run. That it exists is said by the shim; here only failures are.
    pub(crate) async fn launch(&mut self, plan: LaunchPlan) {
        let run = plan.run;
        if self.cancelled == Some(run) {
            self.launch_failed(run, cancelled()).await;
            return;
        }
        let _under_way = match self.context.starts.begin() {
            Ok(start) => start,
            Err(lack) => {
                self.put_off(run, &lack).await;
                return;
            }
        };
        let Err(failure) = self.try_launch(&plan).await else {
            return;
        };
        // Nothing of it runs: a shim without a spec has run nothing.
        let folder = self.context.folders.runs.join(run.to_string());
        drop(tokio::fs::remove_dir_all(folder).await);
        match Scarcity::look() {
            // Whatever it looked like: a prompt that cannot be opened for want of descriptors is there.
            Some(lack) => self.put_off(run, &lack).await,
            None => self.launch_failed(run, failure).await,
        }
    }

    async fn put_off(&mut self, run: RunId, lack: &Scarcity) {
        tracing::warn!(%run, %lack, "a start is put off");
        let fault = exits::put_off(lack);
        self.context.tell(Event::LaunchPutOff { run, fault }).await;
    }

    async fn launch_failed(&mut self, run: RunId, failure: LaunchFailure) {
        self.context
            .tell(Event::LaunchFailed { run, failure })
            .await;
    }

    async fn try_launch(&mut self, plan: &LaunchPlan) -> Result<(), LaunchFailure> {
        let folder = RunFolder::create(&self.context.folders.runs, plan.run)
            .map_err(|error| start_failed(&StartError::Folder(error)))?;
        let plan = &self.place(plan).await?;
        let prepared = {
            let context = std::sync::Arc::clone(&self.context);
            let (plan, path) = (plan.clone(), folder.path().to_owned());
            tokio::task::spawn_blocking(move || prepare(&context, &plan, &path))
                .await
                .unwrap_or_else(|_| Err(interrupted()))?
        };
        self.start(plan, &prepared, folder)
            .await
            .map_err(|error| start_failed(&error))
    }

    async fn start(
        &mut self,
        plan: &LaunchPlan,
        prepared: &Prepared,
        folder: RunFolder,
    ) -> Result<(), StartError> {
        let shim = spawn_shim(&self.context.exe, &folder, &self.context.children)
            .await
            .map_err(StartError::Spawn)?;
        let (link, hello) = match Link::connect(&folder, self.context.generation).await {
            Ok(connected) => connected,
            Err(error) => {
                shim.give_up().await;
                return Err(StartError::Link(error));
            }
        };
        let mut spec = launch_spec(&self.context, plan, prepared);
        spec.cgroup = self.context.cgroups.as_ref().and_then(|groups| {
            // Without a group of its own the tree is found by way of /proc.
            groups
                .make(shim.mark())
                .ok()
                .map(|leaf| leaf.path().to_owned())
        });
        let (sender, receiver) = link.split();
        let mark = Mark {
            log: self.log.end(),
            raw: self.raw.end(),
            ..Mark::default()
        };
        let mut run = Run::new(plan.run, prepared.driver, folder, mark);
        run.oom_before = oom::counter();
        run.shim_pid = Some(shim.pid());
        run.shim = Some(shim);
        run.sender = Some(sender);
        run.receiver = Some(receiver);
        run.asks = hello.asks;
        run.details = Some(RunDetails {
            pid: 0,
            program: prepared.line.program.clone(),
            command: prepared.line.shown.clone(),
            prompt_hash: prepared.prompt_hash.clone(),
            environment: prepared.environment.clone(),
            fingerprint: prepared.fingerprint.clone(),
            put_back: prepared.put_back,
            sandbox: prepared.sandbox.clone(),
        });
        run.secrets = prepared.secrets.clone();
        run.good = Some(Box::new(prepared.good.clone()));
        run.tell(ToShim::Launch(Box::new(spec))).await;
        self.begin(run);
        self.write_steps(&prepared.steps);
        Ok(())
    }

    /// The agent's process exists.
    pub(crate) async fn launched(&mut self, pid: u32) {
        let Some(run) = &mut self.run else { return };
        let Some(details) = run.details.take() else {
            return;
        };
        let details = Box::new(RunDetails { pid, ..details });
        let id = run.id;
        if !run.is_read() {
            // That it runs is all there is to know of a command.
            self.keep_configuration().await;
        }
        let run = id;
        self.context.tell(Event::Launched { run, details }).await;
    }

    /// What it came up with is what is put back if it does not come up with something newer.
    pub(crate) async fn keep_configuration(&mut self) {
        let good = self.run.as_mut().and_then(|run| run.good.take());
        let Some(good) = good else { return };
        let (folder, process) = (self.context.folders.good.clone(), self.id);
        let kept = tokio::task::spawn_blocking(move || good.keep(&folder, process)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%process, %error, "its configuration is not kept");
        }
    }

    /// Takes up a run of an earlier instance: alive, over, or lost.
    pub(crate) async fn adopt(&mut self, adoption: Adoption) {
        let run = adoption.run;
        let path = self.context.folders.runs.join(run.to_string());
        let folder = match RunFolder::open(path) {
            Ok(folder) => folder,
            Err(error) => {
                tracing::warn!(%run, %error, "the folder of a run cannot be opened");
                self.never_launched(adoption).await;
                return;
            }
        };
        let _under_way = self.wait_for_descriptors().await;
        if !folder.is_served().unwrap_or(false) {
            self.adopt_dead(adoption, folder).await;
            return;
        }
        let (link, hello) = match Link::connect(&folder, self.context.generation).await {
            Ok(connected) => connected,
            // It ended between the two looks, or does not answer: then it is ended.
            Err(error) => {
                tracing::warn!(%run, %error, "cannot adopt");
                self.adopt_dead(adoption, folder).await;
                return;
            }
        };
        if hello.state == RunState::Waiting {
            // The last instance ended before it could say what to run; the shim ends as well.
            if let Ok(Some(record)) = folder.shim() {
                self.context.shim_ended(record.shim.pid);
            }
            self.never_launched(adoption).await;
            return;
        }
        let record = folder.shim().ok().flatten();
        let mut current = self.past_run(adoption, folder);
        let (sender, receiver) = link.split();
        (current.sender, current.receiver) = (Some(sender), Some(receiver));
        current.shim_pid = record.map(|record| record.shim.pid);
        (current.out, current.err) = (hello.out, hello.err);
        current.asks = hello.asks;
        self.begin(current);
        let alive = !matches!(hello.state, RunState::Exited(_));
        if let (RunState::Running { leader }, false) = (&hello.state, adoption.launched) {
            self.launched(leader.pid).await;
        }
        self.context
            .tell(Event::Adopted {
                run,
                accepted: hello.accepted,
                alive,
            })
            .await;
        match hello.state {
            RunState::Ending { outcome } => {
                let status = exits::status(&outcome);
                self.context.tell(Event::LeaderExited { run, status }).await;
            }
            RunState::Exited(report) => self.ended(report).await,
            RunState::Waiting | RunState::Running { .. } => {}
        }
    }

    /// A run that cannot be connected to for want of descriptors lives all the same, and goes on below its
    /// shim until there are some: one that is taken for dead would be ended.
    async fn wait_for_descriptors(&self) -> Option<Start> {
        let mut tries = 0;
        while !self.told.is_closed() {
            match self.context.starts.take_up() {
                Ok(start) => return Some(start),
                Err(lack) if tries == LONG => {
                    let remedy = lack.remedy();
                    let text = format!("its run is not taken up yet: {lack}; try: {remedy}");
                    let process = Some(self.id);
                    self.context.tell(Event::Trouble { process, text }).await;
                }
                Err(_) => {}
            }
            tries += 1;
            tokio::time::sleep(AGAIN).await;
        }
        None
    }

    /// A run of an earlier instance; the logs are cut back to where that one had committed.
    fn past_run(&mut self, adoption: Adoption, folder: RunFolder) -> Run {
        for (file, offset) in [
            (&mut self.log, adoption.mark.log),
            (&mut self.raw, adoption.mark.raw),
        ] {
            if let Err(error) = file.cut_back_to(offset) {
                tracing::warn!(process = %self.id, %error, "a log keeps lines twice");
            }
        }
        let driver = Driver::from(adoption.protocol);
        let mut run = Run::new(adoption.run, driver, folder, adoption.mark);
        run.ready = adoption.ready;
        run.secrets = self.context.secrets(&Variables::new());
        run.details = (!adoption.launched).then(|| RunDetails {
            pid: 0,
            program: PathBuf::new(),
            command: String::new(),
            prompt_hash: None,
            environment: Vec::new(),
            fingerprint: Fingerprint::default(),
            put_back: false,
            sandbox: Sandbox::default(),
        });
        run
    }

    /// The run is over, or its shim is gone.
    async fn adopt_dead(&mut self, adoption: Adoption, folder: RunFolder) {
        let run = adoption.run;
        let record = folder.shim().ok().flatten();
        if let Some(record) = &record {
            self.context.shim_ended(record.shim.pid);
        }
        let began = record.is_some_and(|record| record.leader.is_some());
        let report = folder.exit_report().ok().flatten();
        if report.is_none() && !began {
            // A shim that was killed in the moment of the launch has left what it launched.
            exits::end_leftovers(folder).await;
            self.never_launched(adoption).await;
            return;
        }
        let mut current = self.past_run(adoption, folder.clone());
        current.over = true;
        self.begin(current);
        self.context
            .tell(Event::Adopted {
                run,
                accepted: 0,
                alive: false,
            })
            .await;
        match report {
            Some(report) => self.ended(Box::new(report)).await,
            None => {
                let exit = exits::end_leftovers(folder).await;
                self.over(exit);
            }
        }
    }

    async fn never_launched(&mut self, adoption: Adoption) {
        let run = adoption.run;
        let fault = if adoption.after_failure {
            // A failure of ours that comes with each launch must not be repeated without a pause.
            interrupted().fault
        } else {
            self.context
                .tell(Event::Adopted {
                    run,
                    accepted: 0,
                    alive: false,
                })
                .await;
            Fault::new(
                FaultCode::FailedToStart,
                "the instance ended while it was being started",
                "nothing to do: it is started again",
            )
        };
        self.launch_failed(
            run,
            LaunchFailure {
                fault,
                permanent: false,
            },
        )
        .await;
    }
}

pub(super) fn cancelled() -> LaunchFailure {
    let fault = Fault::new(
        FaultCode::FailedToStart,
        "it was stopped before it was started",
        "start it when you want it",
    );
    LaunchFailure {
        fault,
        permanent: false,
    }
}

fn interrupted() -> LaunchFailure {
    let fault = Fault::new(
        FaultCode::FailedToStart,
        "the launch was interrupted by a failure inside headcount",
        "see headcount.log, and report it",
    );
    LaunchFailure {
        fault,
        permanent: false,
    }
}

/// A launch that failed on our side: out of disk, processes or descriptors, mostly.
fn start_failed(error: &StartError) -> LaunchFailure {
    let mut cause = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        cause = format!("{cause}: {inner}");
        source = inner.source();
    }
    let fault = Fault::new(
        FaultCode::FailedToStart,
        cause,
        "see that the disk has room and the machine has processes left; it is tried again",
    );
    LaunchFailure {
        fault,
        permanent: false,
    }
}
