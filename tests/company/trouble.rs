//! The real Claude Code in trouble: what its tools leave, how it dies, and a model that does not answer.
//!
//! If Claude Code is not installed, every test says so and passes.

use std::fs;
use std::time::{Duration, SystemTime};

use headcount::domain::command::{Command, Outcome};
use headcount::domain::exit::{Exit, ExitStatus};
use headcount::domain::fault::FaultCode;
use headcount::domain::id::TaskId;
use headcount::domain::snapshot::{Activity, Health, Status};
use headcount::domain::task::{AttemptEnd, Task, TaskState};
use headcount::os::identity::ProcessIdentity;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::company::Company;
use crate::{Done, real};

/// Who wrote its number into a file of the workspace, once it has.
fn noted(company: &Company, name: &str) -> ProcessIdentity {
    let path = company.folder.path().join(name);
    let begin = SystemTime::now();
    loop {
        let number = fs::read_to_string(&path).unwrap_or_default();
        if let Ok(pid) = number.trim().parse() {
            return ProcessIdentity::of(pid).expect("it runs");
        }
        let waited = begin.elapsed().expect("a clock");
        assert!(waited < Duration::from_secs(30), "{name}: {number:?}");
    }
}

async fn ends(company: &Company, by: Command) -> Exit {
    match company.order(by).await {
        Ok(Outcome::Stopped(_, Some(exit))) => {
            assert!(exit.left.is_empty(), "{}", exit.proof());
            *exit
        }
        other => panic!("not ended: {other:?}"),
    }
}

fn task(company: &Company, id: TaskId) -> Task {
    let snapshot = company.handle.snapshot();
    Task::clone(snapshot.task(id).expect("the task"))
}

/// The first attempt of a task once it is over.
async fn first_attempt(company: &Company, id: TaskId) -> (AttemptEnd, String) {
    let end = |task: &Task| task.attempts.first().and_then(|attempt| attempt.end);
    company
        .wait("an attempt is over", |snapshot| {
            snapshot.task(id).is_some_and(|task| end(task).is_some())
        })
        .await;
    let task = task(company, id);
    let reason = task.attempts[0].reason.clone().unwrap_or_default();
    (end(&task).expect("it is over"), reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_what_tools_of_the_real_agent_leave_is_gone_after_a_stop() -> Done {
    // Shipped, the agent has no background tasks; who wants them gets them.
    let Some((company, _api)) = real::open_with(|shipped| {
        shipped.replace(
            "NODE_ENV = \"development\"",
            "NODE_ENV = \"development\", CLAUDE_CODE_DISABLE_BACKGROUND_TASKS = \"0\"",
        )
    }) else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    for end in [Command::Stop(ada), Command::Kill(ada)] {
        let ways = [
            (
                "nohup",
                "nohup sleep 1000 > /dev/null 2>&1 & echo $! > nohup",
            ),
            (
                "setsid",
                "setsid sleep 1000 > /dev/null 2>&1 & echo $! > setsid",
            ),
            (
                "background",
                r#"{"command": "echo $$ > background; exec sleep 1000", "description": "Serve", "run_in_background": true}"#,
            ),
        ];
        let mut left = Vec::new();
        for (name, way) in ways {
            let id = company
                .add(&format!("TOOL Bash {way} ;; SAY it serves"), ada)
                .await;
            let task = company.done(id).await;
            assert_eq!(task.state, TaskState::Succeeded, "{name}: {task:#?}");
            left.push(noted(&company, name));
            fs::remove_file(company.folder.path().join(name))?;
        }
        assert!(left.iter().all(ProcessIdentity::is_alive));
        assert_eq!(company.view(ada).status, Status::Running);
        let exit = ends(&company, end).await;
        assert!(exit.ended >= 4, "{}", exit.proof());
        assert!(!left.iter().any(ProcessIdentity::is_alive));
        assert_eq!(company.view(ada).status, Status::Stopped);
        company.order(Command::Start(ada)).await?;
    }
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_the_real_agent_ended_by_a_signal_in_mid_tool_has_crashed_and_its_task_goes_back() -> Done
{
    let Some((company, _api)) = real::open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let begun = company.fifo("begun");
    let id = company
        .add(
            "TOOL Bash echo $$ > tool; echo > begun; exec sleep 1000 ;; SAY never",
            ada,
        )
        .await;
    begun.await?;
    let tool = noted(&company, "tool");
    let pid = company.view(ada).pid.ok_or("no PID")?;
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
    let view = company.until(ada, Status::Backoff).await;
    let fault = view.fault.clone().ok_or("no fault")?;
    assert_eq!(fault.code, FaultCode::Crashed, "{fault:?}");
    assert!(fault.cause.contains("SIGTERM"), "{fault:?}");
    assert!(!fault.remedy.is_empty(), "{fault:?}");
    let exit = view.last_exit.clone().ok_or("no exit")?;
    assert_eq!(exit.status, ExitStatus::Code(143));
    assert!(exit.left.is_empty(), "{}", exit.proof());
    assert!(!tool.is_alive());
    let task = task(&company, id);
    assert_eq!(
        (task.state, task.attempts[0].end, task.tries()),
        (TaskState::Queued, Some(AttemptEnd::Cut), 1)
    );
    // It is as good as new.
    company.order(Command::CancelTask(id)).await?;
    company.order(Command::Start(ada)).await?;
    let next = company.add("SAY still here", ada).await;
    assert_eq!(company.done(next).await.state, TaskState::Succeeded);
    ends(&company, Command::Stop(ada)).await;
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_a_task_that_was_cut_goes_on_in_the_conversation_of_the_real_agent() -> Done {
    let Some((company, api)) =
        real::open_with(|shipped| shipped.replace("retry_delay = \"30s\"", "retry_delay = \"1s\""))
    else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let begun = company.fifo("begun");
    let id = company
        .add(
            "TOOL Bash test -e twice && exit 0; touch twice; echo > begun; exec sleep 1000 ;; SAY it is whole",
            ada,
        )
        .await;
    begun.await?;
    let pid = company.view(ada).pid.ok_or("no PID")?;
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL)?;
    company.until(ada, Status::Backoff).await;
    company.order(Command::Start(ada)).await?;
    let task = company.done(id).await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:#?}");
    let [first, second] = task.attempts.as_slice() else {
        panic!("{task:#?}");
    };
    assert_eq!(first.end, Some(AttemptEnd::Cut));
    assert!(first.conversation.is_some());
    assert_eq!(first.conversation, second.conversation);
    let requests = api.requests();
    let last = requests.last().ok_or("no request")?.body.to_string();
    let notice = "You were interrupted in this task: its process died: ";
    let (before, after) = last.split_once(notice).ok_or("it is not told")?;
    let command = "test -e twice && exit 0";
    assert!(
        before.contains(command) && after.contains(command),
        "{last}"
    );
    ends(&company, Command::Stop(ada)).await;
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_the_real_agent_whose_model_never_answers_is_flagged_and_can_be_ended() -> Done {
    let Some((company, _api)) = real::open_with(|shipped| {
        let health =
            "[defaults]\nhealth = { interval = \"300ms\", timeout = \"5s\", silence = \"1s\" }\n";
        shipped.replacen("[defaults]\n", health, 1)
    }) else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let id = company.add("HANG", ada).await;
    let seen = |snapshot: &std::sync::Arc<headcount::domain::snapshot::Snapshot>| {
        snapshot
            .process(ada)
            .is_some_and(|view| view.condition.why.contains("said nothing"))
    };
    company.wait("its silence is flagged", seen).await;
    let view = company.view(ada);
    assert_ne!(view.health, Health::Healthy);
    assert_eq!(
        (view.status, view.activity),
        (Status::Running, Activity::Busy)
    );
    assert_eq!(view.condition.missed, 0, "it answers all the time");
    company.order(Command::CancelTask(id)).await?;
    assert_eq!(company.done(id).await.state, TaskState::Cancelled);
    let next = company.add("SAY still here", ada).await;
    assert_eq!(company.done(next).await.state, TaskState::Succeeded);
    let id = company.add("HANG", ada).await;
    company.until_task(id, TaskState::Running).await;
    ends(&company, Command::Kill(ada)).await;
    let task = task(&company, id);
    assert_eq!(
        (task.state, task.attempts[0].end, task.tries()),
        (TaskState::Queued, Some(AttemptEnd::Interrupted), 0)
    );
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_model_is_asked_again_and_then_the_attempt_has_failed() -> Done {
    let Some((company, api)) = real::open_with(|shipped| {
        shipped.replace(
            "NODE_ENV = \"development\"",
            "NODE_ENV = \"development\", CLAUDE_CODE_MAX_RETRIES = \"1\"",
        )
    }) else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    for code in ["529", "429"] {
        let id = company
            .add(&format!("ERROR {code} x1 ;; SAY after all {code}"), ada)
            .await;
        let task = company.done(id).await;
        assert_eq!(
            (task.state, task.attempts.len()),
            (TaskState::Succeeded, 1),
            "{task:#?}"
        );
        assert_eq!(api.count(&format!("after all {code}")), 2);
        company.logged(ada, &format!("({code})")).await;
        // For good: that is no success, the agent lives, and nothing is wrong with it or its login.
        let id = company.add(&format!("ERROR {code}"), ada).await;
        let (end, reason) = first_attempt(&company, id).await;
        assert_eq!(end, AttemptEnd::Failed);
        assert!(reason.contains(code), "{reason}");
        let view = company.view(ada);
        assert_eq!((view.status, &view.fault), (Status::Running, &None));
        assert_eq!(self::task(&company, id).state, TaskState::Queued);
        company.order(Command::CancelTask(id)).await?;
    }
    let exit = ends(&company, Command::Stop(ada)).await;
    assert!(exit.killed.is_empty(), "{}", exit.proof());
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_says_so_and_can_be_stopped() -> Done {
    let Some((company, _api)) = real::open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let id = company.add("ERROR 401", ada).await;
    let fault = company.until(ada, Status::Blocked).await.fault.clone();
    let fault = fault.ok_or("no fault")?;
    assert!(fault.cause.contains("not logged in"), "{fault:?}");
    assert!(fault.remedy.contains("log in"), "{fault:?}");
    let (end, _) = first_attempt(&company, id).await;
    assert_eq!(end, AttemptEnd::Interrupted);
    let task = task(&company, id);
    assert_eq!((task.state, task.tries()), (TaskState::Queued, 0));
    ends(&company, Command::Stop(ada)).await;
    assert_eq!(company.view(ada).status, Status::Stopped);
    company.close().await;
    Ok(())
}
