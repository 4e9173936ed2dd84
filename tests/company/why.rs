//! Why a process died: what is kept of its exits, and those that the kernel killed for memory.

use std::fs;
use std::path::{Path, PathBuf};

use headcount::domain::command::{Command, NewProcess, Outcome, Refusal};
use headcount::domain::exit::ExitStatus;
use headcount::domain::fault::FaultCode;
use headcount::domain::id::ProcessId;
use headcount::domain::snapshot::Status;
use headcount::domain::task::{NewTask, Target, TaskState};

use crate::Done;
use crate::company::{Company, Setup};

/// One role, `worker`, whose agent is a command.
const ROLES: &str = r#"
[departments.development]
[roles.worker]
department = "development"
agent = "script"
auto_restart = { max_retries = 0 }
sandbox = { level = "off" }
[agents.script]
command = "/bin/sh"
args = ["-c", "COMMAND"]
protocol = "plain"
"#;

fn company(command: &str) -> Company {
    Company::with(Setup {
        roles: ROLES.replace("COMMAND", command),
        demo: false,
        ..Setup::default()
    })
}

async fn hired(company: &Company) -> ProcessId {
    let new = NewProcess {
        role: "worker".to_owned(),
        ..NewProcess::default()
    };
    match company.order(Command::Create(Box::new(new))).await {
        Ok(Outcome::Created(id)) | Err(Refusal::Fault { process: id, .. }) => id,
        other => panic!("not hired: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_minute_before_an_exit_is_kept_on_disk() -> Done {
    let company = company("echo first; echo last words; exit 3");
    let id = hired(&company).await;
    let view = company.until(id, Status::Error).await;
    let fault = view.fault.clone().expect("a fault");
    assert_eq!(fault.code, FaultCode::Crashed);
    assert!(fault.cause.contains("last words"), "{fault:?}");
    // Written by its actor, a moment after it shows.
    company.order(Command::Start(id)).await.ok();
    company
        .wait("it ended again", |snapshot| {
            let view = snapshot.process(id);
            view.is_some_and(|view| view.exits.first().is_some_and(|exit| exit.number == 2))
        })
        .await;
    let flight = company.handle.flight(id, 1).await?.expect("the first exit");
    assert_eq!(flight.exit.status, ExitStatus::Code(3));
    assert_eq!(flight.fault, Some(fault));
    assert_eq!(flight.then, Status::Error);
    let end = flight.lines.iter().rev().take(2).rev();
    assert_eq!(end.collect::<Vec<_>>(), ["first", "last words"]);
    let states: Vec<Status> = flight.changes.iter().map(|change| change.status).collect();
    assert_eq!(states, [Status::Starting, Status::Running, Status::Error]);
    assert_eq!(company.handle.flight(id, 9).await?, None);
    company.close().await;
    Ok(())
}

/// A memory group of our own with a limit, in the hierarchy that this machine has.
struct Group(PathBuf);

impl Group {
    fn make(limit: &str) -> Option<Self> {
        let name = format!("headcount-test-{}", std::process::id());
        for (base, file) in [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ] {
            let path = Path::new(base).join(&name);
            if fs::create_dir(&path).is_err() {
                continue;
            }
            let group = Self(path);
            if fs::write(group.0.join(file), limit).is_ok() {
                return Some(group);
            }
        }
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_one_that_is_killed_for_memory_is_told_from_other_kills() -> Done {
    let Some(group) = Group::make("33554432") else {
        println!("skipped c7_one_that_is_killed…: no memory group can be made here");
        return Ok(());
    };
    let join = format!(
        "echo $$ > {}/cgroup.procs; exec tail /dev/zero",
        group.0.display()
    );
    let company = company(&join);
    let id = hired(&company).await;
    let view = company.until(id, Status::Error).await;
    let fault = view.fault.clone().expect("a fault");
    assert_eq!(fault.code, FaultCode::LimitsExceeded, "{fault:?}");
    let memory = view.last_exit.as_ref().and_then(|exit| exit.memory.clone());
    let memory = memory.expect("the kernel's word");
    if let Some(culprit) = memory.culprit {
        assert_eq!(culprit.name, "tail");
        assert!(
            fault.cause.contains("killed for lack of memory: tail"),
            "{fault:?}"
        );
    }
    company.close().await;
    // The same signal from somebody else is no lack of memory.
    let company = self::company("kill -9 $$");
    let id = hired(&company).await;
    let view = company.until(id, Status::Error).await;
    assert_eq!(
        view.fault.as_ref().map(|fault| fault.code),
        Some(FaultCode::Crashed)
    );
    assert_eq!(
        view.last_exit.as_ref().map(|exit| &exit.memory),
        Some(&None)
    );
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_runs_out_of_time_says_so_with_its_code() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let new = NewTask {
        text: "HANG".to_owned(),
        target: Target {
            process: Some(ada),
            ..Target::default()
        },
        timeout: Some(std::time::Duration::from_millis(300)),
        retries: Some(0),
        ..NewTask::default()
    };
    let task = match company.order(Command::AddTask(Box::new(new))).await {
        Ok(Outcome::TaskAdded(task)) => task,
        other => panic!("not added: {other:?}"),
    };
    let task = company.done(task).await;
    assert_eq!(task.state, TaskState::TimedOut);
    let error = task.error.as_deref().unwrap_or_default();
    assert!(error.ends_with("(PROC_006)"), "{error}");
    company.logged(ada, "make several tasks of it").await;
    company.close().await;
    Ok(())
}

/// Nothing is spawned where the prompt or a tool is not there; the cure names the nearest.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named_with_what_is_near() -> Done {
    let company = Company::open();
    let prompt = company
        .folder
        .path()
        .join("corporate-prompts/operations/sre.md");
    fs::rename(&prompt, prompt.with_file_name("sre-old.md"))?;
    let refused = |new: NewProcess| {
        let company = &company;
        async move {
            match company.order(Command::Create(Box::new(new))).await {
                Err(Refusal::Fault { fault, process }) => (fault, process),
                other => panic!("it started: {other:?}"),
            }
        }
    };
    let (fault, process) = refused(NewProcess {
        role: "sre".to_owned(),
        ..NewProcess::default()
    })
    .await;
    assert_eq!(fault.code, FaultCode::PromptNotFound, "{fault:?}");
    assert!(fault.cause.contains("sre.md"), "{fault:?}");
    assert!(fault.remedy.contains("sre-old.md"), "{fault:?}");
    assert_eq!(company.view(process).fault.as_ref(), Some(&fault));
    let (fault, process) = refused(NewProcess {
        role: "qa_engineer".to_owned(),
        tools: Some(vec!["Reed".to_owned()]),
        ..NewProcess::default()
    })
    .await;
    assert_eq!(fault.code, FaultCode::ToolInitializationFailed, "{fault:?}");
    assert!(fault.remedy.contains("Read"), "{fault:?}");
    assert_eq!(company.view(process).pid, None);
    company.close().await;
    Ok(())
}
