//! A small cluster at work, with simulated agents: started, given tasks, sized, stopped.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process;

use headcount::domain::cluster::{ClusterDone, ClusterOrder, ToCluster};
use headcount::domain::command::{Command, Outcome};
use headcount::domain::task::{NewTask, Target, TaskState};

use crate::Done;
use crate::company::Company;

fn git(folder: &Path, args: &[&str]) {
    let output = process::Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=Test", "-c", "user.email=test@localhost"])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {args:?}: {said}");
}

async fn order(company: &Company, folder: &Path, order: ClusterOrder) -> ClusterDone {
    let to = ToCluster {
        cluster: "development".to_owned(),
        order,
        folder: Some(folder.to_owned()),
    };
    match company.order(Command::Cluster(to)).await {
        Ok(Outcome::Cluster(done)) => *done,
        other => panic!("not done: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_starts_works_shrinks_and_stops_each_in_a_worktree_of_its_own() -> Done {
    let company = Company::open();
    let shop = company.folder.path().join("shop");
    fs::create_dir(&shop)?;
    git(&shop, &["init", "-q", "-b", "main"]);
    fs::write(shop.join("a.txt"), "one\n")?;
    git(&shop, &["add", "-A"]);
    git(&shop, &["commit", "-qm", "first"]);
    // As the shipped one, but of four.
    let small = |role: &str, count| (role.to_owned(), count);
    let sizes = vec![
        small("senior_developer", 2),
        small("junior_developer", 1),
        small("qa_engineer", 1),
    ];
    let done = order(&company, &shop, ClusterOrder::Scale(sizes)).await;
    assert_eq!((done.hired.len(), done.started.len()), (4, 4), "{done:?}");
    let again = order(&company, &shop, ClusterOrder::Start).await;
    assert_eq!(again, ClusterDone::default());

    let mut folders = BTreeSet::new();
    for id in &done.hired {
        let view = company.view(*id);
        assert_eq!(view.cluster.as_deref(), Some("development"));
        let tree = view.worktree.clone().expect("a worktree of its own");
        assert!(folders.insert(tree.top), "two share a worktree");
    }
    let mut tasks = Vec::new();
    for number in 0..8 {
        let new = NewTask {
            text: format!("SAY done with {number}"),
            target: Target {
                cluster: Some("development".to_owned()),
                ..Target::default()
            },
            ..NewTask::default()
        };
        match company.order(Command::AddTask(Box::new(new))).await {
            Ok(Outcome::TaskAdded(id)) => tasks.push(id),
            other => panic!("not added: {other:?}"),
        }
    }
    for (number, id) in tasks.into_iter().enumerate() {
        let task = company.done(id).await;
        assert_eq!(task.state, TaskState::Succeeded);
        let result = task.result.as_ref().expect("a result");
        assert_eq!(result.text, format!("done with {number}"));
        assert!(done.hired.contains(&task.process().expect("a process")));
    }

    let sizes = vec![small("senior_developer", 1), small("qa_engineer", 0)];
    let shrunk = order(&company, &shop, ClusterOrder::Scale(sizes)).await;
    assert_eq!(shrunk.stopped.len(), 2, "{shrunk:?}");
    assert!(shrunk.ended >= 2 && shrunk.left == 0, "{shrunk:?}");
    // Whoever left keeps what there is to keep.
    for id in &shrunk.stopped {
        let tree = company.view(*id).worktree.clone().expect("its worktree");
        assert!(tree.top.join("a.txt").exists());
    }
    let back = order(
        &company,
        &shop,
        ClusterOrder::Scale(vec![small("senior_developer", 2)]),
    )
    .await;
    assert_eq!((back.hired.len(), back.started.len()), (0, 1), "{back:?}");

    let stopped = order(&company, &shop, ClusterOrder::Stop).await;
    assert_eq!(stopped.stopped.len(), 3, "{stopped:?}");
    assert_eq!(stopped.left, 0, "{stopped:?}");
    company
        .wait("nobody is up", |snapshot| {
            let sum = snapshot.cluster("development").map(|one| one.sum());
            sum.is_some_and(|sum| sum.up == 0 && sum.hired == 3 && sum.spare == 1)
        })
        .await;
    company.close().await;
    Ok(())
}
