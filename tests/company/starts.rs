//! Starts that fail: counted and tried again where that may help, blocked where it cannot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use headcount::config;
use headcount::domain::alert::AlertKind;
use headcount::domain::command::{
    Command, NewProcess, Outcome, PromptOverride, Refusal, UpdateWhen,
};
use headcount::domain::fault::{Fault, FaultCode};
use headcount::domain::id::ProcessId;
use headcount::domain::snapshot::Status;
use headcount::domain::task::{AttemptEnd, TaskState};

use crate::Done;
use crate::company::{Company, Setup};
use crate::scripted;

/// A company on the simulated agent that backs off for a moment only.
fn impatient(environment: &str) -> Company {
    let roles = config::ROLES
        .replace(
            "max_retries = 3, retry_delay = \"30s\"",
            "max_retries = 2, retry_delay = \"10ms\"",
        )
        .replace(
            "environment = { NODE_ENV = \"development\" }",
            &format!("environment = {{ {environment} }}"),
        );
    assert_ne!(roles, config::ROLES);
    Company::with(Setup {
        roles,
        ..Setup::default()
    })
}

async fn refused(company: &Company, role: &str, folder: Option<&Path>) -> (ProcessId, Fault) {
    let new = NewProcess {
        role: role.to_owned(),
        working_directory: folder.map(Path::to_owned),
        ..NewProcess::default()
    };
    match company.order(Command::Create(Box::new(new))).await {
        Err(Refusal::Fault { process, fault }) => (process, fault),
        other => panic!("it started: {other:?}"),
    }
}

/// How often a process was launched, by its own log.
async fn launches(company: &Company, process: ProcessId) -> usize {
    let log = company.logged(process, "starting (run").await;
    let begun = log.iter().filter(|line| line.starts_with("starting (run"));
    begun.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_an_agent_that_ends_at_its_start_is_tried_again_and_then_left_down() -> Done {
    let company = impatient("HEADCOUNT_SIM_START = \"exit:1\"");
    let (ada, fault) = refused(&company, "senior_developer", None).await;
    assert_eq!(fault.code, FaultCode::FailedToStart);
    assert!(
        fault.cause.contains("exit code 1") && fault.cause.contains("simulated failure at start"),
        "{fault:?}"
    );
    let view = company.until(ada, Status::Error).await;
    assert_eq!((view.tries, view.restarts), ((3, 2), 2));
    company.logged(ada, "left down after 3 failures").await;
    assert_eq!(launches(&company, ada).await, 3);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_in_the_snapshot() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let view = |id| company.handle.snapshot().process(id).cloned();
    for _ in 0..10 {
        company.order(Command::Stop(ada)).await?;
        assert!(view(ada).is_some_and(|view| !view.is_up()));
        let task = company.add("SAY so", ada).await;
        assert!(company.handle.snapshot().task(task).is_some());
        company.order(Command::CancelTask(task)).await?;
        let state = company.handle.snapshot().task(task).map(|task| task.state);
        assert_eq!(state, Some(TaskState::Cancelled));
        company.order(Command::RemoveTask(task)).await?;
        assert!(company.handle.snapshot().task(task).is_none());
        company.order(Command::Start(ada)).await?;
        assert!(view(ada).is_some_and(|view| view.is_up()));
    }
    company.order(Command::Kill(ada)).await?;
    company.order(Command::Remove(ada)).await?;
    assert!(view(ada).is_none());
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_hire_says_everything_that_is_wrong_and_starts_nothing() -> Done {
    let company = Company::with(Setup::default());
    let new = NewProcess {
        role: "senior_developer".to_owned(),
        ..NewProcess::default()
    };
    let look = |new: NewProcess| async {
        match company.order(Command::Preview(vec![new])).await {
            Ok(Outcome::Previewed(mut seen)) => seen.remove(0),
            other => panic!("{other:?}"),
        }
    };
    let seen = look(NewProcess {
        environment: [("MOOD".to_owned(), "good".to_owned())].into(),
        ..new.clone()
    })
    .await;
    assert_eq!(seen.faults, []);
    assert!(seen.program.is_some_and(|program| program.is_file()));
    let prompt = seen.prompt.expect("a prompt");
    assert!(prompt.from.ends_with("senior-developer.md") && prompt.text.len() > 100);
    assert_eq!(prompt.hash.len(), 6);
    assert!(seen.tools.contains(&"Bash".to_owned()), "{:?}", seen.tools);
    let mood = ("MOOD".to_owned(), "good".to_owned());
    assert!(seen.environment.contains(&mood), "{:?}", seen.environment);
    let seen = look(NewProcess {
        working_directory: Some("/nowhere".into()),
        prompt: Some(PromptOverride::File("/nowhere/own.md".into())),
        tools: Some(vec!["Bsh".to_owned()]),
        environment: [("A".to_owned(), "${HEADCOUNT_NO_SUCH}".to_owned())].into(),
        ..new
    })
    .await;
    let codes: Vec<FaultCode> = seen.faults.iter().map(|fault| fault.code).collect();
    assert_eq!(
        codes,
        [
            FaultCode::EnvironmentSetupFailed,
            FaultCode::PromptNotFound,
            FaultCode::ToolInitializationFailed,
            FaultCode::EnvironmentSetupFailed,
        ],
        "{:#?}",
        seen.faults
    );
    assert!(seen.faults.iter().all(|fault| !fault.remedy.is_empty()));
    assert!(company.handle.snapshot().processes.is_empty());
    company.close().await;
    Ok(())
}

/// A cause that no retry can cure: one launch, and one more when the cause is gone.
async fn check(wrong: impl Fn(&Path), code: FaultCode, words: &str) {
    let company = scripted::open();
    let root = company.folder.path().to_owned();
    let desk = root.join("desk");
    fs::create_dir(&desk).expect("a folder");
    scripted::put(&root, "", "");
    wrong(&root);
    let (ada, fault) = refused(&company, "worker", Some(&desk)).await;
    assert_eq!(fault.code, code, "{fault:?}");
    assert!(fault.to_string().contains(words), "{fault:?}");
    assert!(!fault.remedy.is_empty());
    assert_eq!(company.view(ada).status, Status::Blocked);
    let task = company.add("anything", ada).await;
    // A whole life of another process: time enough for a start that nobody asked for.
    let other = root.join("other");
    scripted::put(&root, "", "");
    fs::create_dir(&other).expect("a folder");
    let new = NewProcess {
        role: "worker".to_owned(),
        working_directory: Some(other),
        ..NewProcess::default()
    };
    let bob = match company.order(Command::Create(Box::new(new))).await {
        Ok(Outcome::Created(bob)) => bob,
        other => panic!("{other:?}"),
    };
    company.order(Command::Stop(bob)).await.expect("it stops");
    let view = company.view(ada);
    assert_eq!(
        (view.status, launches(&company, ada).await),
        (Status::Blocked, 1)
    );
    let waiting = company.handle.snapshot().task(task).map(|task| task.state);
    assert_eq!(waiting, Some(TaskState::Queued));
    if !desk.exists() {
        fs::create_dir(&desk).expect("a folder");
    }
    company.order(Command::Start(ada)).await.expect("it starts");
    assert_eq!(company.view(ada).fault, None);
    let task = company.done(task).await;
    assert_eq!((task.state, task.attempts.len()), (TaskState::Succeeded, 1));
    company.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_missing_program_blocks() {
    let gone = |root: &Path| fs::remove_file(root.join("agent")).expect("is there");
    check(gone, FaultCode::FailedToStart, "agent is not there").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_program_without_permission_blocks() {
    let plain = |root: &Path| {
        let mode = fs::Permissions::from_mode(0o644);
        fs::set_permissions(root.join("agent"), mode).expect("is ours");
    };
    check(plain, FaultCode::FailedToStart, "may be executed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_working_directory_that_is_gone_blocks() {
    let gone = |root: &Path| fs::remove_dir(root.join("desk")).expect("is there");
    check(gone, FaultCode::EnvironmentSetupFailed, "desk is not there").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_bad_flag_blocks() {
    let refusing = |root: &Path| {
        let lines = "echo \"error: unknown option '--nonsense'\" >&2; exit 1";
        scripted::put(root, lines, "");
    };
    check(refusing, FaultCode::FailedToStart, "--nonsense").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_login_that_is_missing_blocks_and_gives_the_task_back() -> Done {
    let company = impatient("HEADCOUNT_SIM_START = \"${START:-nologin}\"");
    let ada = company.hire("senior_developer").await;
    let task = company.add("SAY done at last", ada).await;
    let view = company.until(ada, Status::Blocked).await;
    let fault = view.fault.clone().expect("says why");
    assert_eq!(fault.code, FaultCode::EnvironmentSetupFailed);
    assert!(
        fault.cause.contains("not logged in") && fault.remedy.contains("log in"),
        "{fault:?}"
    );
    let back = |task: &headcount::domain::task::Task| {
        task.state == TaskState::Queued && task.lease.is_none()
    };
    company
        .wait("the task is back", |snapshot| {
            snapshot.task(task).is_some_and(|task| back(task))
        })
        .await;
    let snapshot = company.handle.snapshot();
    let given = snapshot.task(task).expect("is there");
    assert_eq!(
        (given.tries(), given.attempts.len(), given.attempts[0].end),
        (0, 1, Some(AttemptEnd::Interrupted))
    );
    assert_eq!(
        (view.status, launches(&company, ada).await),
        (Status::Blocked, 1)
    );
    // The remedy's own words: log in, then restart this process.
    fs::write(company.folder.path().join(".env"), "START=well\n")?;
    company.order(Command::Restart(ada)).await?;
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    assert_eq!(launches(&company, ada).await, 2);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_usage_limit_blocks_until_its_end_and_no_retry_is_used() -> Done {
    let company = impatient("HEADCOUNT_SIM_PACE = \"0\"");
    let ada = company.hire("senior_developer").await;
    let task = company.add("LIMIT +2", ada).await;
    let view = company.until(ada, Status::Blocked).await;
    assert_eq!(
        view.fault.as_ref().map(|fault| fault.code),
        Some(FaultCode::LimitsExceeded)
    );
    // However soon it ends, it is not put to the test in a loop.
    let until = view.until.expect("it is known until when");
    assert!(until > view.since, "{until}");
    company.until_task(task, TaskState::Queued).await;
    company.order(Command::CancelTask(task)).await?;
    let task = company.done(task).await;
    assert_eq!((task.tries(), task.attempts.len()), (0, 1), "{task:#?}");
    assert_eq!(launches(&company, ada).await, 1);
    // A person says that the cause is gone, without waiting for the time.
    company.order(Command::Start(ada)).await?;
    let task = company.add("SAY done at last", ada).await;
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_come_up_with_its_updates_runs_on_with_what_it_had() -> Done {
    let company = impatient("HEADCOUNT_SIM_PACE = \"0\"");
    let ada = company.hire("senior_developer").await;
    let before = company.view(ada);
    let roles = company.folder.path().join("roles.toml");
    let good = fs::read_to_string(&roles)?;
    let bad = good.replace(
        "environment = { HEADCOUNT_SIM_PACE = \"0\" }",
        "environment = { HEADCOUNT_SIM_PACE = \"0\", HEADCOUNT_SIM_START = \"exit:1\" }",
    );
    assert_ne!(good, bad);
    // What a prompt says is kept with the rest.
    let prompt = company
        .folder
        .path()
        .join("corporate-prompts/development/senior-developer.md");
    let text = fs::read_to_string(&prompt)? + "\nMention the quince.\n";
    fs::write(&prompt, text)?;
    fs::write(&roles, bad)?;
    company
        .wait("there are updates", |snapshot| {
            let view = snapshot.process(ada).expect("Ada");
            let changes = view.updates.as_ref().map(|updates| updates.changes.len());
            changes == Some(2)
        })
        .await;
    let update = Command::Update {
        process: ada,
        when: UpdateWhen::Now,
    };
    let answer = company.order(update.clone()).await;
    assert!(matches!(answer, Err(Refusal::Fault { .. })), "{answer:?}");
    company
        .wait("it is back on what it had", |snapshot| {
            let view = snapshot.process(ada).expect("Ada");
            let up = view.status == Status::Running && view.pid != before.pid;
            up && snapshot
                .alerts
                .iter()
                .any(|alert| alert.is_open() && alert.kind == AlertKind::Configuration)
        })
        .await;
    let view = company.view(ada);
    assert_eq!(view.prompt_hash, before.prompt_hash);
    assert!(
        !view.updates_available,
        "what it did not come up with is no news"
    );
    let task = company.add("SAY at work", ada).await;
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    // It is put right on disk: asked about, and taken.
    fs::write(&roles, good)?;
    company
        .wait("there are updates again", |snapshot| {
            snapshot.process(ada).expect("Ada").updates_available
        })
        .await;
    company.order(update).await?;
    assert_ne!(company.view(ada).prompt_hash, before.prompt_hash);
    company
        .wait("the alert is over", |snapshot| {
            snapshot.alerts.iter().all(|alert| !alert.is_open())
        })
        .await;
    company.close().await;
    Ok(())
}
