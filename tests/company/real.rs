//! With the real Claude Code, against a fake Messages API.
//!
//! If Claude Code is not installed, every test says so and passes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::company::{Company, Setup};
use crate::fake_api::FakeApi;
use crate::{Done, claude};
use headcount::domain::command::{Command, Outcome, Refusal, UpdateWhen};
use headcount::domain::id::ProcessId;
use headcount::domain::snapshot::{Activity, Status};
use headcount::domain::task::{AttemptEnd, Task, TaskState};

/// A company whose agent is the real one, in a home of its own; `None` if that is not installed.
pub(crate) fn open() -> Option<(Company, FakeApi)> {
    open_with(str::to_owned)
}

/// The same with other roles.
pub(crate) fn open_with(change: impl FnOnce(&str) -> String) -> Option<(Company, FakeApi)> {
    let claude = claude::find()?;
    let api = FakeApi::start();
    let home = tempfile::tempdir().expect("a home").keep();
    let environment = claude::environment(&home, &api.url());
    let table: Vec<String> = environment
        .iter()
        .map(|(name, _)| format!("{name} = \"${{{name}}}\""))
        .collect();
    let roles = change(headcount::config::ROLES).replace(
        "environment = { ANTHROPIC_API_KEY",
        &format!("environment = {{ {}, _REST", table.join(", ")),
    );
    let roles = rest_removed(&roles);
    let mut environment: std::collections::HashMap<String, String> =
        environment.into_iter().collect();
    environment.insert(
        "HEADCOUNT_CLAUDE".to_owned(),
        claude.to_string_lossy().into_owned(),
    );
    let company = Company::with(Setup {
        roles,
        demo: false,
        environment,
    });
    Some((company.owning(home), api))
}

/// Takes the shipped table's own entries out, behind ours.
fn rest_removed(roles: &str) -> String {
    roles
        .lines()
        .map(|line| match line.split_once(", _REST") {
            Some((ours, _)) => format!("{ours} }}"),
            None => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

async fn run(company: &Company, text: &str, process: ProcessId) -> std::sync::Arc<Task> {
    let task = company.add(text, process).await;
    company.done(task).await
}

fn text(task: &Task) -> &str {
    task.result
        .as_ref()
        .map_or("", |result| result.text.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_uses_tools_and_the_next_knows_nothing_of_it() -> Done {
    let Some((company, api)) = open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let view = company.view(ada);
    assert_eq!(
        (view.status, view.activity, view.simulated),
        (Status::Running, Activity::Idle, false)
    );
    assert!(
        view.agent_version
            .as_deref()
            .is_some_and(|version| version.starts_with("2."))
    );
    let first = run(
        &company,
        "TOOL Bash echo made > plum.txt ;; SAY the plum is made",
        ada,
    )
    .await;
    assert_eq!(
        (first.state, text(&first)),
        (TaskState::Succeeded, "the plum is made")
    );
    assert!(
        first
            .result
            .as_ref()
            .is_some_and(|result| result.turns >= 2 && result.cost_usd > 0.0)
    );
    assert_eq!(
        fs::read_to_string(company.folder.path().join("plum.txt"))?,
        "made\n"
    );
    let second = run(&company, "RECALL", ada).await;
    assert_eq!(second.state, TaskState::Succeeded);
    assert!(!text(&second).contains("plum"), "{}", text(&second));
    assert_eq!(company.view(ada).conversations, 2);
    let system = api
        .requests()
        .last()
        .map(|request| request.system.clone())
        .unwrap_or_default();
    assert!(system.contains("You are a Senior Developer at Claude AI Software Company"));
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_is_asked_allowed_and_refused() -> Done {
    let Some((company, _api)) = open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let task = company
        .add("TOOL Bash git push origin main ;; SAY pushed", ada)
        .await;
    let view = company.until(ada, Status::Waiting).await;
    assert_eq!(view.now, "asks to run: git push origin main");
    company.order(Command::Approve(view.requests[0])).await?;
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);

    let task = company
        .add("TOOL Bash git push origin next ;; SAY not pushed", ada)
        .await;
    let view = company.until(ada, Status::Waiting).await;
    let reason = Some("Not on a Friday.".to_owned());
    company
        .order(Command::Deny {
            request: view.requests[0],
            reason,
        })
        .await?;
    assert_eq!(company.done(task).await.state, TaskState::Failed);
    assert!(
        company
            .log(ada)
            .await
            .join("\n")
            .contains("Not on a Friday.")
    );

    // Allowed for good: this time, the next time, and after a restart.
    let task = company
        .add("TOOL Bash git push origin third ;; SAY pushed", ada)
        .await;
    let view = company.until(ada, Status::Waiting).await;
    company
        .order(Command::ApproveAlways {
            request: view.requests[0],
            rule: None,
        })
        .await?;
    company.done(task).await;
    run(
        &company,
        "TOOL Bash git push origin fourth ;; SAY pushed",
        ada,
    )
    .await;
    company.order(Command::Restart(ada)).await?;
    run(
        &company,
        "TOOL Bash git push origin fifth ;; SAY pushed",
        ada,
    )
    .await;
    assert_eq!(company.handle.snapshot().requests.len(), 3);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_task_ends_and_the_process_works_on() -> Done {
    let Some((company, _api)) = open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let task = company
        .add("TOOL Bash while :; do :; done ;; SAY never", ada)
        .await;
    company.until_task(task, TaskState::Running).await;
    company.order(Command::CancelTask(task)).await?;
    assert_eq!(company.done(task).await.state, TaskState::Cancelled);
    assert_eq!(
        text(&*run(&company, "SAY still here", ada).await),
        "still here"
    );
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_resumes_the_conversation_with_the_prompt_as_it_is_now() -> Done {
    let Some((company, api)) = open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    run(&company, "SAY the plum is ripe", ada).await;
    let before = company.view(ada);
    let prompt = company
        .folder
        .path()
        .join("corporate-prompts/development/senior-developer.md");
    let changed = fs::read_to_string(&prompt)? + "\nAlways mention the quince.\n";
    fs::write(&prompt, changed)?;
    company.order(Command::Restart(ada)).await?;
    let after = company.view(ada);
    assert_eq!(after.conversation, before.conversation);
    assert_ne!(
        (after.pid, &after.prompt_hash),
        (before.pid, &before.prompt_hash)
    );
    run(&company, "SAY with the new prompt", ada).await;
    let system = api
        .requests()
        .last()
        .map(|request| request.system.clone())
        .unwrap_or_default();
    assert!(system.contains("Always mention the quince."));
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follow_up_takes_up_the_earlier_conversation() -> Done {
    let Some((company, _api)) = open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let first = run(&company, "SAY the plum is ripe", ada).await;
    // In the conversation that it is in: nothing is restarted.
    let pid = company.view(ada).pid;
    let follow = company.follow_up("RECALL", first.id).await;
    let follow = company.done(follow).await;
    assert!(
        text(&follow).contains("the plum is ripe"),
        "{}",
        text(&follow)
    );
    assert_eq!(company.view(ada).pid, pid);
    // In another one by then: it goes back to the earlier one, and knows nothing of the other.
    run(&company, "SAY the quince is not", ada).await;
    let follow = company.follow_up("RECALL", first.id).await;
    let follow = company.done(follow).await;
    assert!(
        text(&follow).contains("the plum is ripe"),
        "{}",
        text(&follow)
    );
    assert!(!text(&follow).contains("quince"), "{}", text(&follow));
    assert_eq!(follow.conversation(), first.conversation());
    assert_ne!(company.view(ada).pid, pid);
    company.close().await;
    Ok(())
}

/// How an editor saves.
#[derive(Debug, Clone, Copy)]
enum Save {
    RenameOver,
    TruncateAndWrite,
}

impl Save {
    fn append(self, prompt: &Path, line: &str) -> std::io::Result<()> {
        let text = fs::read_to_string(prompt)? + line;
        match self {
            Self::RenameOver => {
                let beside = prompt.with_extension("md.tmp");
                fs::write(&beside, text)?;
                fs::rename(beside, prompt)
            }
            Self::TruncateAndWrite => fs::write(prompt, text),
        }
    }
}

async fn sees_updates(company: &Company, process: ProcessId) {
    company
        .wait("there are updates", |snapshot| {
            snapshot
                .process(process)
                .is_some_and(|view| view.updates_available)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_prompt_reaches_the_agent_and_it_still_knows_the_conversation() -> Done {
    let Some((company, api)) = open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let first = run(&company, "SAY the plum is ripe", ada).await;
    let prompts = company.folder.path().join("corporate-prompts/development");
    let prompt = prompts.join("senior-developer.md");
    let conversation = company.view(ada).conversation;
    for (save, word) in [
        (Save::RenameOver, "quince"),
        (Save::TruncateAndWrite, "medlar"),
    ] {
        // In the middle of a turn of that conversation.
        let begun = company.fifo(&format!("begun-{word}"));
        let go = company.folder.path().join(format!("go-{word}"));
        nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU)?;
        let script = format!("TOOL Bash echo > begun-{word}; cat go-{word} ;; SAY done");
        let at_work = company.follow_up(&script, first.id).await;
        begun.await?;
        let before = company.view(ada);
        save.append(&prompt, &format!("\nAlways mention the {word}.\n"))?;
        sees_updates(&company, ada).await;
        company
            .order(Command::Update {
                process: ada,
                when: UpdateWhen::Idle,
            })
            .await?;
        tokio::task::spawn_blocking(move || fs::write(go, "go")).await??;
        assert_eq!(company.done(at_work).await.state, TaskState::Succeeded);
        company
            .wait("it is up again on the new prompt", |snapshot| {
                snapshot.process(ada).is_some_and(|view| {
                    view.pid.is_some()
                        && view.pid != before.pid
                        && view.status == Status::Running
                        && !view.updates_available
                })
            })
            .await;
        let recalled = company.follow_up("RECALL", first.id).await;
        let recalled = company.done(recalled).await;
        let known = text(&recalled);
        assert!(known.contains("the plum is ripe"), "{save:?}: {known}");
        assert_eq!(company.view(ada).conversation, conversation, "{save:?}");
        let asked = api.requests().pop().expect("it asked the model");
        assert!(
            asked
                .system
                .contains(&format!("Always mention the {word}.")),
            "{save:?}"
        );
    }
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_touched_prompt_is_no_update() -> Done {
    let Some((company, _api)) = open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let grace = company.hire("qa_engineer").await;
    run(&company, "SAY the plum is ripe", ada).await;
    let prompts = company.folder.path().join("corporate-prompts/development");
    let touched = fs::File::options()
        .append(true)
        .open(prompts.join("senior-developer.md"))?;
    touched.set_modified(std::time::SystemTime::now() + Duration::from_secs(60))?;
    // When the other one's is seen, this one's was looked at as well.
    Save::TruncateAndWrite.append(&prompts.join("qa-engineer.md"), "\nBe kind.\n")?;
    sees_updates(&company, grace).await;
    assert!(!company.view(ada).updates_available);
    let now = Command::Update {
        process: ada,
        when: UpdateWhen::Now,
    };
    let refused = company.order(now).await;
    assert!(matches!(refused, Err(Refusal::State(_))), "{refused:?}");
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_finishes_the_task_and_leaves_nothing() -> Done {
    let Some((company, _api)) = open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let task = company.add("SLOW 2 slowly but surely", ada).await;
    company.until_task(task, TaskState::Running).await;
    let stopped = company.order(Command::Stop(ada)).await?;
    let Outcome::Stopped(_, Some(exit)) = stopped else {
        panic!("{stopped:?}")
    };
    assert!(
        exit.left.is_empty() && exit.killed.is_empty(),
        "{}",
        exit.proof()
    );
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_force_stop_in_a_tool_takes_the_tool_along_and_gives_the_task_back() -> Done {
    let Some((company, _api)) = open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let begun = company.fifo("begun");
    let task = company
        .add(
            "TOOL Bash echo > begun; while :; do :; done ;; SAY never",
            ada,
        )
        .await;
    begun.await?;
    let stopped = company.order(Command::Kill(ada)).await?;
    let Outcome::Stopped(_, Some(exit)) = stopped else {
        panic!("{stopped:?}")
    };
    assert!(exit.left.is_empty() && exit.ended >= 2, "{}", exit.proof());
    let task = company.task(task);
    assert_eq!(
        (task.state, task.attempts[0].end),
        (TaskState::Queued, Some(AttemptEnd::Interrupted))
    );
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_no_success_and_a_refused_key_blocks() -> Done {
    let Some((company, _api)) = open() else {
        return Ok(());
    };
    let ada = company.hire("senior_developer").await;
    let task = company.add("ERROR 400", ada).await;
    company
        .wait("it failed once", |snapshot| {
            snapshot
                .task(task)
                .is_some_and(|task| !task.attempts.is_empty() && task.attempts[0].end.is_some())
        })
        .await;
    let failed = company.task(task);
    assert_eq!(failed.attempts[0].end, Some(AttemptEnd::Failed));
    company.order(Command::CancelTask(task)).await?;
    let refused = company.add("ERROR 401", ada).await;
    let view = company.until(ada, Status::Blocked).await;
    assert!(
        view.fault
            .as_ref()
            .is_some_and(|fault| fault.remedy.contains("log in")),
        "{:?}",
        view.fault
    );
    company.until_task(refused, TaskState::Queued).await;
    company.close().await;
    Ok(())
}
