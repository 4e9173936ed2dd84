//! Agents that are well, slow, deaf or stopped, and who hears of it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::company::{Company, Setup};
use crate::{Done, real};
use headcount::domain::alert::{AlertKind, AlertLevel};
use headcount::domain::command::{Command, Outcome};
use headcount::domain::fault::FaultCode;
use headcount::domain::id::ProcessId;
use headcount::domain::snapshot::{Activity, Health, ProcessView, Status};
use headcount::domain::task::TaskState;

/// The shipped roles, asked often and given up early.
fn roles(shipped: &str, health: &str) -> String {
    let defaults = format!("[defaults]\nhealth = {{ {health} }}\n");
    shipped
        .replacen("[defaults]\n", &defaults, 1)
        .replace("retry_delay = \"30s\"", "retry_delay = \"10ms\"")
}

fn open(health: &str, alerts: &str) -> Company {
    let roles = roles(headcount::config::ROLES, health);
    Company::with(Setup {
        roles: format!("{roles}\n{alerts}\n"),
        ..Setup::default()
    })
}

/// Asks now, and returns what came of it.
async fn check(company: &Company, id: ProcessId) -> std::sync::Arc<ProcessView> {
    let outcome = company.order(Command::Check(id)).await;
    assert_eq!(outcome, Ok(Outcome::Checked(id)));
    company.view(id)
}

fn answers(view: &ProcessView) -> bool {
    view.condition.missed == 0 && view.condition.answer.is_some() && view.health == Health::Healthy
}

async fn until(company: &Company, id: ProcessId, health: Health) {
    company
        .wait(&format!("{id} is {health:?}"), |snapshot| {
            snapshot
                .process(id)
                .is_some_and(|view| view.health == health)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_asked_and_nothing_of_it_stands_in_its_logs() -> Done {
    let company = open("interval = \"50ms\", timeout = \"30s\"", "");
    let ada = company.hire("senior_developer").await;
    let mut last = None;
    for _ in 0..3 {
        company
            .wait("another check is over", |snapshot| {
                let view = snapshot.process(ada).expect("Ada");
                let checked = view.condition.checked;
                view.condition.answer.is_some() && checked != last && {
                    last = checked;
                    true
                }
            })
            .await;
        check(&company, ada).await;
    }
    let task = company.add("SAY still here", ada).await;
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    let log = company.logged(ada, "still here").await.join("\n");
    let raw = std::fs::read_to_string(company.handle.log_folder().join("proc_001.jsonl"))?;
    assert!(raw.contains("still here"));
    for text in [log, raw] {
        assert!(!text.contains("ping"), "{text}");
    }
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_one_that_answers_late_is_slow_and_one_that_does_not_is_restarted() -> Done {
    let company = open("interval = \"1s\", timeout = \"2s\", restart = true", "");
    let ada = company.hire("senior_developer").await;
    let slow = company.add("PONG 0.7 ;; SAY slow", ada).await;
    company.done(slow).await;
    until(&company, ada, Health::Warning).await;
    let why = company.view(ada).condition.why.clone();
    assert!(why.contains("it is slow"), "{why}");
    let first = company.view(ada).pid;
    let deaf = company.add("PONG never ;; SAY deaf", ada).await;
    company.done(deaf).await;
    company
        .wait("an alert says so", |snapshot| {
            snapshot
                .alerts
                .iter()
                .any(|alert| alert.kind == AlertKind::Health && alert.level == AlertLevel::Critical)
        })
        .await;
    company
        .wait("another run is up", |snapshot| {
            let view = snapshot.process(ada).expect("Ada");
            view.status == Status::Running && view.pid != first && view.health == Health::Healthy
        })
        .await;
    let log = company.logged(ada, "PROC_005").await.join("\n");
    assert!(log.contains("has not answered"), "{log}");
    company
        .wait("the alert is over", |snapshot| {
            snapshot
                .alerts
                .iter()
                .all(|alert| alert.kind != AlertKind::Health || !alert.is_open())
        })
        .await;
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_one_that_stops_itself_in_a_task_is_restarted_and_the_task_goes_back() -> Done {
    let company = open("interval = \"500ms\", timeout = \"2s\", restart = true", "");
    let ada = company.hire("senior_developer").await;
    let task = company.add("STOP ;; SAY never", ada).await;
    company
        .wait("the task was cut", |snapshot| {
            let task = snapshot.task(task).expect("the task");
            task.attempts.iter().any(|attempt| attempt.ended.is_some())
        })
        .await;
    let log = company.logged(ada, "PROC_005").await.join("\n");
    assert!(log.contains("has not answered"), "{log}");
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_one_that_hangs_in_its_turn_answers_and_is_flagged() -> Done {
    let company = open(
        "interval = \"200ms\", timeout = \"30s\", silence = \"1s\"",
        "",
    );
    let ada = company.hire("senior_developer").await;
    let task = company.add("HANG", ada).await;
    until(&company, ada, Health::Warning).await;
    until(&company, ada, Health::Critical).await;
    let view = company.view(ada);
    assert_eq!(view.condition.missed, 0, "it answers all the time");
    assert!(
        view.condition.why.contains("said nothing"),
        "{}",
        view.condition.why
    );
    company.order(Command::CancelTask(task)).await?;
    until(&company, ada, Health::Healthy).await;
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_of_alerts_hears_of_what_is_wrong() -> Done {
    // Outside of the company's folder: its command is none of the processes that must be gone.
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("heard");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU)?;
    let script = format!("test -p {0} && cat > {0} && rm {0}", path.display());
    let heard = tokio::task::spawn_blocking(move || std::fs::read_to_string(path));
    let company = open(
        "interval = \"200ms\", timeout = \"1s\"",
        &format!("[alerts]\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]"),
    );
    let ada = company.hire("senior_developer").await;
    let deaf = company.add("PONG never ;; SAY deaf", ada).await;
    company.done(deaf).await;
    let heard: serde_json::Value = serde_json::from_str(&heard.await??)?;
    assert_eq!(heard["kind"], "health");
    assert_eq!(heard["process"], "proc_001");
    assert_eq!(heard["text"], "it does not respond");
    assert_eq!(heard["cleared"], serde_json::Value::Null);
    until(&company, ada, Health::Offline).await;
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_agent_answers_while_idle_at_a_tool_and_waiting() -> Done {
    let Some((company, _api)) = real::open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let idle = check(&company, ada).await;
    assert!(answers(&idle), "{:?}", idle.condition);
    let begun = company.fifo("begun");
    let task = company
        .add("TOOL Bash echo > begun; sleep 600 ;; SAY never", ada)
        .await;
    begun.await?;
    let busy = check(&company, ada).await;
    assert_eq!(busy.activity, Activity::Busy);
    assert!(answers(&busy), "{:?}", busy.condition);
    company.order(Command::CancelTask(task)).await?;
    company.done(task).await;
    company
        .add("TOOL Bash git push origin main ;; SAY done", ada)
        .await;
    company.until(ada, Status::Waiting).await;
    let waiting = check(&company, ada).await;
    assert_eq!(waiting.status, Status::Waiting);
    assert!(answers(&waiting), "{:?}", waiting.condition);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_the_real_agent_stopped_by_a_signal_is_offline_and_restarted() -> Done {
    let Some((company, _api)) = real::open_with(|shipped| {
        roles(
            shipped,
            "interval = \"1s\", timeout = \"3s\", restart = true",
        )
    }) else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    assert!(answers(check(&company, ada).await.as_ref()));
    let pid = company.view(ada).pid.ok_or("no PID")?;
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGSTOP)?;
    company
        .wait("it is restarted", |snapshot| {
            let view = snapshot.process(ada).expect("Ada");
            view.status == Status::Running && view.pid.is_some_and(|now| now != pid)
        })
        .await;
    let log = company
        .logged(ada, FaultCode::HealthCheckFailed.as_str())
        .await;
    assert!(log.iter().any(|line| line.contains("has not answered")));
    assert!(answers(check(&company, ada).await.as_ref()));
    company.close().await;
    Ok(())
}
