//! With the simulated agent.

use crate::company::{Company, Setup};
use headcount::domain::command::{Command, NewProcess, Origin, Outcome, Refusal, UpdateWhen};
use headcount::domain::event::Event;
use headcount::domain::fault::FaultCode;
use headcount::domain::inbox::Answer;
use headcount::domain::snapshot::{Activity, Snapshot, Status};
use headcount::domain::task::{AttemptEnd, TaskState};

use crate::Done;

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_is_hired_works_and_is_stopped() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let view = company.view(ada);
    assert_eq!(
        (view.name.as_str(), view.status, view.activity),
        ("Ada", Status::Running, Activity::Idle)
    );
    assert!(view.pid.is_some() && view.simulated);
    let task = company.add("SAY the work is done", ada).await;
    let task = company.done(task).await;
    assert_eq!(task.state, TaskState::Succeeded);
    assert_eq!(
        task.result.as_ref().map(|result| result.text.as_str()),
        Some("the work is done")
    );
    let stopped = company.order(Command::Stop(ada)).await?;
    let Outcome::Stopped(_, Some(exit)) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!(exit.proof(), "1 process ended, 0 left");
    let view = company.view(ada);
    assert_eq!(
        (view.status, view.now.as_str()),
        (Status::Stopped, "stopped by you")
    );
    assert_eq!((view.tasks_completed, view.tasks_assigned), (1, 1));
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_task_knows_nothing_of_the_first() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let first = company.add("SAY the secret word is plum", ada).await;
    company.done(first).await;
    let before = company.view(ada).conversation;
    let second = company.add("RECALL", ada).await;
    let second = company.done(second).await;
    let text = second
        .result
        .as_ref()
        .map(|result| result.text.clone())
        .unwrap_or_default();
    assert!(!text.contains("plum"), "{text}");
    assert_ne!(company.view(ada).conversation, before);
    assert_eq!(company.view(ada).conversations, 2);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follow_up_knows_what_was_said_before_and_nothing_else() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let first = company.add("SAY the secret word is plum", ada).await;
    company.done(first).await;
    let second = company.add("SAY the secret word is quince", ada).await;
    company.done(second).await;
    let follow = company.follow_up("RECALL", first).await;
    let follow = company.done(follow).await;
    let text = follow.result.as_ref().map_or("", |result| &result.text);
    assert!(text.contains("plum") && !text.contains("quince"), "{text}");
    assert_eq!(company.view(ada).conversations, 2);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_is_asked_and_allowed_and_another_refused() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let allowed = company.add("ASK echo allowed-by-hand", ada).await;
    let view = company.until(ada, Status::Waiting).await;
    assert!(
        view.now.starts_with("asks to run: echo allowed-by-hand"),
        "{}",
        view.now
    );
    assert_eq!(
        company
            .handle
            .snapshot()
            .task(allowed)
            .map(|task| task.state),
        Some(TaskState::Waiting)
    );
    company.order(Command::Approve(view.requests[0])).await?;
    assert_eq!(company.done(allowed).await.state, TaskState::Succeeded);
    let again = company.order(Command::Approve(view.requests[0])).await;
    assert!(matches!(again, Err(Refusal::State(_))), "{again:?}");

    let refused = company.add("ASK echo not-this-one", ada).await;
    let view = company.until(ada, Status::Waiting).await;
    let reason = Some("Not on a Friday.".to_owned());
    company
        .order(Command::Deny {
            request: view.requests[0],
            reason,
        })
        .await?;
    // Its only tool was refused: whatever it says of itself, that is no success.
    let refused = company.done(refused).await;
    assert_eq!(refused.state, TaskState::Failed);
    assert!(
        refused
            .error
            .as_ref()
            .is_some_and(|error| error.contains("refused"))
    );
    let snapshot = company.handle.snapshot();
    let request = snapshot.request(view.requests[0]).expect("is kept");
    assert_eq!(
        request.answer,
        Some(Answer::Denied {
            reason: "Not on a Friday.".to_owned()
        })
    );
    let log = company.log(ada).await.join("\n");
    assert!(log.contains("Not on a Friday."), "{log}");
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn always_holds_for_the_process_and_over_its_restart() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let task = company.add("TOOL Bash git push origin main", ada).await;
    let view = company.until(ada, Status::Waiting).await;
    company
        .order(Command::ApproveAlways {
            request: view.requests[0],
            rule: None,
        })
        .await?;
    company.done(task).await;
    let task = company.add("TOOL Bash git push origin main", ada).await;
    company.done(task).await;
    company.order(Command::Restart(ada)).await?;
    let task = company.add("TOOL Bash git push origin main", ada).await;
    company.done(task).await;
    assert_eq!(company.view(ada).allowed, ["Bash(git push *)"]);
    assert_eq!(company.handle.snapshot().requests.len(), 1);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_puts_the_task_back_and_is_said() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let task = company.add("CRASH 3", ada).await;
    let view = company.until(ada, Status::Backoff).await;
    assert_eq!(
        view.fault.as_ref().map(|fault| fault.code),
        Some(FaultCode::Crashed)
    );
    let task = company.task(task);
    assert_eq!(task.state, TaskState::Queued);
    assert_eq!(task.attempts[0].end, Some(AttemptEnd::Cut));
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_one_finishes_its_task_before_it_stops() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let task = company.add("SLOW 1 slowly but surely", ada).await;
    company
        .wait("it is busy", |snapshot| {
            snapshot
                .process(ada)
                .is_some_and(|view| view.activity == Activity::Busy)
        })
        .await;
    company.order(Command::Stop(ada)).await?;
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stop_interrupts_the_task_and_gives_it_back() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let task = company.add("HANG", ada).await;
    company.until_task(task, TaskState::Running).await;
    let mut waiting = tokio::task::JoinSet::new();
    let handle = company.handle.clone();
    waiting.spawn(async move { handle.order(Origin::Cli, Command::Stop(ada)).await });
    company.until(ada, Status::Stopping).await;
    company.order(Command::Stop(ada)).await?;
    let first = waiting.join_next().await.expect("the first stop")?;
    assert!(matches!(first, Ok(Outcome::Stopped(..))));
    let task = company.task(task);
    assert_eq!(
        (task.state, task.attempts[0].end),
        (TaskState::Queued, Some(AttemptEnd::Interrupted))
    );
    assert_eq!(task.tries(), 0);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_in_flight_can_be_taken_back() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let task = company.add("HANG", ada).await;
    company.until_task(task, TaskState::Running).await;
    company.order(Command::CancelTask(task)).await?;
    assert_eq!(company.done(task).await.state, TaskState::Cancelled);
    let next = company.add("SAY still here", ada).await;
    assert_eq!(company.done(next).await.state, TaskState::Succeeded);
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn force_stop_takes_everything_that_the_agent_started() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    let task = company
        .add("FORK setsid 600 ;; FORK double 600 ;; FORK plain 600", ada)
        .await;
    company.done(task).await;
    let stopped = company.order(Command::Kill(ada)).await?;
    let Outcome::Stopped(_, Some(exit)) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!((exit.ended, exit.left.len()), (4, 0), "{}", exit.proof());
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_name_their_cause_and_their_cure() -> Done {
    let roles = r#"
[defaults]
agent = "claude"
[departments.development]
title = "Development"
cpu = { min = 1.0, max = 4.0 }
memory = { min = "512MB", max = "2GB" }
[roles.missing]
title = "Missing"
department = "development"
prompt = "corporate-prompts/development/senior-developer.md"
[roles.command]
title = "Command"
department = "development"
agent = "shell"
[agents.claude]
command = "no-such-claude-anywhere"
protocol = "claude-stream-json"
[agents.shell]
command = "sh"
args = ["-c", "echo out; echo err >&2; exit 0"]
protocol = "plain"
"#;
    let company = Company::with(Setup {
        roles: roles.to_owned(),
        demo: false,
        ..Setup::default()
    });
    let new = |role: &str| NewProcess {
        role: role.to_owned(),
        ..NewProcess::default()
    };
    let fault = |answer: Result<Outcome, Refusal>| match answer {
        Err(Refusal::Fault { fault, .. }) => fault,
        other => panic!("no fault: {other:?}"),
    };

    let unknown = company
        .order(Command::Create(Box::new(new("mising"))))
        .await;
    assert!(
        matches!(&unknown, Err(Refusal::UnknownRole { near, .. }) if near == &["missing"]),
        "{unknown:?}"
    );

    let no_agent = fault(
        company
            .order(Command::Create(Box::new(new("missing"))))
            .await,
    );
    assert_eq!(no_agent.code, FaultCode::FailedToStart);
    assert!(
        no_agent
            .remedy
            .contains("npm install -g @anthropic-ai/claude-code"),
        "{no_agent:?}"
    );

    let folder = company.folder.path().join("corporate-prompt");
    let lost = NewProcess {
        working_directory: Some(folder),
        ..new("missing")
    };
    let no_folder = fault(company.order(Command::Create(Box::new(lost))).await);
    assert_eq!(no_folder.code, FaultCode::EnvironmentSetupFailed);
    assert!(
        no_folder.remedy.contains("corporate-prompts"),
        "{no_folder:?}"
    );

    let tools = NewProcess {
        tools: Some(vec!["Bsh".to_owned()]),
        ..new("missing")
    };
    let no_tool = fault(company.order(Command::Create(Box::new(tools))).await);
    assert_eq!(no_tool.code, FaultCode::ToolInitializationFailed);
    assert!(no_tool.remedy.contains("Bash"), "{no_tool:?}");

    let prompts = company.folder.path().join("corporate-prompts/development");
    std::fs::rename(
        prompts.join("senior-developer.md"),
        prompts.join("senior-devloper.md"),
    )?;
    let no_prompt = fault(
        company
            .order(Command::Create(Box::new(new("missing"))))
            .await,
    );
    assert_eq!(no_prompt.code, FaultCode::PromptNotFound);
    assert!(
        no_prompt.remedy.contains("senior-devloper.md"),
        "{no_prompt:?}"
    );
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_command_runs_and_its_output_is_its_log() -> Done {
    let roles = |protocol: &str| {
        format!(
            r#"
[defaults]
agent = "shell"
[departments.operations]
title = "Operations"
cpu = {{ min = 0.5, max = 2.0 }}
memory = {{ min = "256MB", max = "1GB" }}
[roles.counter]
title = "Counter"
department = "operations"
[agents.shell]
command = "sh"
args = ["-c", "for n in 1 2 3; do echo line $n; done; exec sleep 600"]
protocol = "{protocol}"
"#
        )
    };
    for protocol in ["plain", "terminal"] {
        let setup = Setup {
            roles: roles(protocol),
            demo: false,
            ..Setup::default()
        };
        let company = Company::with(setup);
        let counter = company.hire("counter").await;
        let mut growth = company.handle.follow_log(counter);
        while company.log(counter).await != ["line 1", "line 2", "line 3"] {
            growth.changed().await?;
        }
        let stopped = company.order(Command::Stop(counter)).await?;
        let Outcome::Stopped(_, Some(exit)) = stopped else {
            panic!("{stopped:?}")
        };
        assert_eq!(exit.proof(), "1 process ended, 0 left");
        assert_eq!(company.log(counter).await.len(), 3);
        company.close().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_changes_on_disk_marks_who_runs_on_it_however_it_is_saved() -> Done {
    let company = Company::open();
    let ada = company.hire("senior_developer").await;
    company.hire("qa_engineer").await;
    let prompt = company
        .folder
        .path()
        .join("corporate-prompts/development/senior-developer.md");
    let original = std::fs::read_to_string(&prompt)?;
    let marked = async |company: &Company, wanted: bool| {
        company
            .wait("the mark is there or gone", |snapshot| {
                snapshot
                    .process(ada)
                    .is_some_and(|view| view.updates_available == wanted)
            })
            .await;
    };
    // By a new file in its place.
    let beside = prompt.with_extension("md.new");
    std::fs::write(&beside, original.clone() + "\nMention the quince.\n")?;
    std::fs::rename(&beside, &prompt)?;
    marked(&company, true).await;
    let view = company.view(ada);
    let updates = view.updates.as_ref().expect("what changed");
    assert_eq!(updates.changes.len(), 1);
    let diff = updates.changes[0].diff.as_deref().unwrap_or_default();
    assert!(diff.contains("+Mention the quince."), "{diff}");
    // Taken back, by writing into the file.
    std::fs::write(&prompt, &original)?;
    marked(&company, false).await;
    // Nobody else was marked, and nothing was restarted by itself.
    let snapshot = company.handle.snapshot();
    assert!(
        snapshot
            .processes
            .iter()
            .all(|view| !view.updates_available && view.restarts == 0)
    );
    // A wrong roles.toml changes nothing but says so.
    let roles = company.folder.path().join("roles.toml");
    let good = std::fs::read_to_string(&roles)?;
    std::fs::write(
        &roles,
        good.replace("[roles.sre]", "[roles.sre]\nmoodel = \"x\""),
    )?;
    company
        .wait("the mistake is shown", |snapshot| {
            snapshot.configuration_mistakes.is_some()
        })
        .await;
    std::fs::write(
        &roles,
        good.replace(
            "[roles.senior_developer]",
            "[roles.senior_developer]\nmax_turns = 7",
        ),
    )?;
    company
        .wait("it is right again", |snapshot| {
            snapshot.configuration_mistakes.is_none()
        })
        .await;
    marked(&company, true).await;
    let change = company
        .view(ada)
        .updates
        .as_ref()
        .map(|updates| updates.changes[0].clone());
    let change = change.expect("what changed");
    assert_eq!(
        (change.setting.as_str(), change.after.as_deref()),
        ("max turns", Some("7"))
    );
    company
        .order(Command::Update {
            process: ada,
            when: UpdateWhen::Now,
        })
        .await?;
    let view = company.view(ada);
    assert_eq!((view.max_turns, view.updates_available), (Some(7), false));
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processes_of_a_tree_are_seen_while_somebody_looks_at_it() -> Done {
    let company = Company::with(Setup::default());
    let ada = company.hire("senior_developer").await;
    company
        .handle
        .report(Event::Terminals {
            attached: 1,
            seen: None,
        })
        .await;
    let look = company.handle.look_at(ada);
    let members = |snapshot: &Snapshot| snapshot.process(ada).map(|view| view.members.clone());
    company
        .wait("its processes are told", |snapshot| {
            let pid = snapshot.process(ada).and_then(|view| view.pid);
            let members = members(snapshot).unwrap_or_default();
            members
                .iter()
                .any(|one| Some(one.pid) == pid && one.memory_bytes > 0)
        })
        .await;
    drop(look);
    company
        .wait("they are told no more", |snapshot| {
            members(snapshot).is_some_and(|members| members.is_empty())
        })
        .await;
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_secrets_a_simulated_one_gets_those_that_it_was_hired_with() -> Done {
    let company = Company::with(Setup {
        environment: [("OTHER_TOKEN".to_owned(), "planted-token".to_owned())].into(),
        roles: headcount::config::ROLES.replacen(
            "NODE_ENV = \"development\"",
            "ROLES_TOKEN = \"${OTHER_TOKEN}\", PLAIN = \"1\"",
            1,
        ),
        ..Setup::default()
    });
    let new = NewProcess {
        role: "senior_developer".to_owned(),
        environment: [("API_TOKEN".to_owned(), "of-its-own".to_owned())].into(),
        ..NewProcess::default()
    };
    let Outcome::Created(ada) = company.order(Command::Create(Box::new(new))).await? else {
        panic!("not hired");
    };
    let task = "TOOL Bash echo $API_TOKEN,$ROLES_TOKEN,$PLAIN > said.txt ;; SAY done";
    let task = company.add(task, ada).await;
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    let said = std::fs::read_to_string(company.folder.path().join("said.txt"))?;
    assert_eq!(said, "of-its-own,,1\n");
    company.close().await;
    Ok(())
}
