//! Work that goes from one role to the next, with the real Claude Code: a plan, what is built by it, a review.

use std::fs;

use headcount::domain::command::{Command, Outcome};
use headcount::domain::id::TaskId;
use headcount::domain::task::{AttemptEnd, NewTask, Target, TaskState};

use crate::Done;
use crate::real::open_with;

fn step(name: &str, role: &str, text: &str) -> NewTask {
    NewTask {
        text: text.to_owned(),
        name: Some(name.to_owned()),
        target: Target {
            role: Some(role.to_owned()),
            ..Target::default()
        },
        ..NewTask::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_flow_over_three_roles_and_a_step_that_fails_is_tried_again() -> Done {
    let hasten = |roles: &str| {
        roles.replace(
            "retries = 2, retry_delay = \"30s\"",
            "retries = 2, retry_delay = \"50ms\"",
        )
    };
    let Some((company, api)) = open_with(hasten) else {
        return Ok(());
    };
    let lead = company.hire("technical_lead").await;
    let developer = company.hire("senior_developer").await;
    let tester = company.hire("qa_engineer").await;
    // How often the agent asks before it gives a turn up: so often the model is to fail it.
    let probe = NewTask {
        retries: Some(0),
        ..step("probe", "senior_developer", "ERROR 400 ;; SAY a probe")
    };
    let probe = company.order(Command::AddTask(Box::new(probe))).await?;
    let Outcome::TaskAdded(probe) = probe else {
        panic!("{probe:?}")
    };
    assert_eq!(company.done(probe).await.state, TaskState::Failed);
    let tries = api.count("SAY a probe");
    let build = format!(
        "ERROR 400 x{tries} ;; TOOL Bash echo '{{{{result:plan}}}}' >> built.txt ;; SAY built by the words {{{{result:plan}}}}"
    );
    // Given in the wrong order: who waits for whom stands in the texts alone.
    let chain = vec![
        step(
            "review",
            "qa_engineer",
            "TOOL Bash cat built.txt ;; SAY reviewed, {{result:build}}",
        ),
        step("build", "senior_developer", &build),
        step("plan", "technical_lead", "SAY plums before quinces"),
    ];
    let added = company.order(Command::AddTasks(chain)).await?;
    let Outcome::TasksAdded(added) = added else {
        panic!("{added:?}")
    };
    let ids: Vec<TaskId> = added.into_iter().map(|(id, _)| id).collect();
    let [review, build, plan] = ids[..] else {
        panic!("{ids:?}")
    };
    let review = company.done(review).await;
    let snapshot = company.handle.snapshot();
    let [plan, build] = [plan, build].map(|id| snapshot.task(id).expect("it is there"));
    let said = |task: &headcount::domain::task::Task| {
        let result = task.result.as_ref();
        result.map_or_else(String::new, |result| result.text.clone())
    };
    for (task, process, text) in [
        (plan, lead, "plums before quinces"),
        (build, developer, "built by the words plums before quinces"),
        (
            &review,
            tester,
            "reviewed, built by the words plums before quinces",
        ),
    ] {
        assert_eq!(task.state, TaskState::Succeeded, "{task:#?}");
        assert_eq!(said(task), text);
        assert_eq!(task.process(), Some(process));
    }
    // The step that failed says why, and was tried once more; the others were not.
    let ends = |task: &headcount::domain::task::Task| {
        let ends = task.attempts.iter().map(|attempt| attempt.end);
        ends.collect::<Vec<Option<AttemptEnd>>>()
    };
    let succeeded = Some(AttemptEnd::Succeeded);
    assert_eq!(ends(build), [Some(AttemptEnd::Failed), succeeded]);
    let reason = build.attempts[0].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("400"), "{reason}");
    assert_eq!(
        (ends(plan), ends(&review)),
        (vec![succeeded], vec![succeeded])
    );
    // Nobody began before what it waits for was done, the retry included.
    let begun = |at: usize, task: &headcount::domain::task::Task| task.attempts[at].started;
    let ended =
        |task: &headcount::domain::task::Task| task.attempts.last().and_then(|last| last.ended);
    assert!(ended(plan) <= Some(begun(0, build)));
    assert!(ended(build) <= Some(begun(0, &review)));
    let built = fs::read_to_string(company.folder.path().join("built.txt"))?;
    assert_eq!(built, "plums before quinces\n");
    // What the model was asked had the words in it, and each role its own prompt.
    for (prompt, system) in [
        ("SAY plums", "You are a Technical Lead"),
        ("SAY built by the words plums", "You are a Senior Developer"),
        (
            "SAY reviewed, built by the words plums",
            "You are a QA Engineer",
        ),
    ] {
        let requests = api.requests();
        let asked = requests.iter().find(|one| one.prompt.contains(prompt));
        let asked = asked.unwrap_or_else(|| panic!("nobody was asked: {prompt}"));
        assert!(asked.system.contains(system), "{prompt}");
    }
    company.close().await;
    Ok(())
}
