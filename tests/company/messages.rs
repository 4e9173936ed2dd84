//! Messages to a turn that runs, by the simulated agent and by the real one.

use std::fs;
use std::path::PathBuf;

use crate::company::Company;
use crate::{Done, real};
use headcount::domain::command::{Command, Outcome};
use headcount::domain::id::{ProcessId, TaskId};
use headcount::domain::task::{Task, TaskState, TurnMessageState};

/// A pipe that a tool waits for, and the task that has it wait.
fn gate(company: &Company) -> (PathBuf, String) {
    let path = company.folder.path().join("gate");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let text = format!("TOOL Bash cat {} ;; SAY built", path.display());
    (path, text)
}

/// Lets the tool go on.
async fn open(gate: PathBuf) {
    let write = tokio::task::spawn_blocking(move || fs::write(gate, "go\n"));
    write.await.expect("a thread").expect("the tool reads");
}

async fn in_its_tool(company: &Company, task: TaskId) {
    company
        .wait("the tool runs", |snapshot| {
            let task = snapshot.task(task);
            task.is_some_and(|task| !task.attempts.is_empty() && !used(task).is_empty())
        })
        .await;
}

fn used(task: &Task) -> Vec<&str> {
    let attempts = task.attempts.iter();
    let tools = attempts.flat_map(|attempt| attempt.work.tools.keys());
    tools.map(String::as_str).collect()
}

fn states(task: &Task) -> Vec<TurnMessageState> {
    let attempts = task.attempts.iter();
    let messages = attempts.flat_map(|attempt| &attempt.messages);
    messages.map(|message| message.state).collect()
}

async fn say(company: &Company, process: ProcessId, text: &str) -> TaskId {
    let text = text.to_owned();
    match company.order(Command::Say { process, text }).await {
        Ok(Outcome::Said(task)) => task,
        other => panic!("not said: {other:?}"),
    }
}

/// Waits until the agent has said that it has the message to a task: before that it could be done without it.
async fn has_it(company: &Company, task: TaskId) {
    let snapshot = company.handle.snapshot();
    let sent = snapshot.task(task).expect("the task").attempts.last();
    let sent = sent.and_then(|attempt| attempt.messages.last());
    let uuid = sent.expect("a message").uuid.to_string();
    let raw = company.handle.log_folder().join("proc_001.jsonl");
    let begin = std::time::SystemTime::now();
    while !std::fs::read_to_string(&raw).is_ok_and(|lines| lines.contains(&uuid)) {
        let waited = begin.elapsed().expect("a clock");
        assert!(waited.as_secs() < 30, "the agent never had the message");
        tokio::task::yield_now().await;
    }
}

/// A message while a tool runs joins the turn, is shown as that, and gives one result for both.
async fn joins(company: &Company) -> Done {
    let ada = company.hire("senior_developer").await;
    let (pipe, text) = gate(company);
    let task = company.add(&text, ada).await;
    in_its_tool(company, task).await;
    assert_eq!(say(company, ada, "SAY tested too").await, task);
    company.logged(ada, "SAY tested too").await;
    has_it(company, task).await;
    open(pipe).await;
    let done = company.done(task).await;
    assert_eq!(done.state, TaskState::Succeeded, "{:?}", done.error);
    assert_eq!(states(&done), [TurnMessageState::Joined]);
    assert_eq!(done.attempts.len(), 1);
    company.logged(ada, "the message joined the turn").await;
    // The conversation goes on as any other.
    let next = company.add("SAY next", ada).await;
    let next = company.done(next).await;
    assert_eq!(
        next.result.as_ref().map(|result| result.text.as_str()),
        Some("next")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_joins_the_running_turn() -> Done {
    let company = Company::open();
    joins(&company).await?;
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_agent_reads_a_message_within_its_turn() -> Done {
    let Some((company, api)) = real::open() else {
        return Ok(());
    };
    joins(&company).await?;
    let mut requests = api.requests().into_iter();
    assert!(requests.any(|request| request.body.to_string().contains("tested too")));
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_while_the_model_answers_is_read_after_the_task() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let task = company.add("SLOW 1 the answer", ada).await;
    company.until_task(task, TaskState::Running).await;
    say(&company, ada, "SAY and the rest").await;
    let next = company.add("SAY next", ada).await;
    let done = company.done(task).await;
    assert_eq!(
        done.result.as_ref().map(|result| result.text.as_str()),
        Some("the answer")
    );
    company
        .logged(ada, "the turn that answers the message ended")
        .await;
    let next = company.done(next).await;
    assert_eq!(
        next.result.as_ref().map(|result| result.text.as_str()),
        Some("next")
    );
    let done = company.done(task).await;
    assert_eq!(states(&done), [TurnMessageState::After]);
    company.close().await;
    Ok(())
}
