//! Two who change the same file at the same time, with the real Claude Code against a fake Messages API.
//!
//! If Claude Code is not installed, the test says so and passes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process;

use crate::Done;
use crate::company::Company;
use crate::real;
use headcount::domain::command::{Command, NewProcess, Outcome};
use headcount::domain::id::ProcessId;
use headcount::domain::snapshot::Activity;
use headcount::domain::task::{NewTask, Target, TaskState};
use headcount::domain::worktree::{
    MergeMode, Merged, UseWorktree, WorkDone, WorkOf, WorkOrder, conflict_task,
};

pub(crate) fn git(folder: &Path, args: &[&str]) -> String {
    let output = process::Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository with one commit in the workspace.
fn shop(company: &Company) -> std::io::Result<PathBuf> {
    let shop = company.folder.path().join("shop");
    fs::create_dir(&shop)?;
    git(&shop, &["init", "-q", "-b", "main"]);
    git(&shop, &["config", "user.name", "Test"]);
    git(&shop, &["config", "user.email", "test@localhost"]);
    fs::write(shop.join("a.txt"), "one\n")?;
    git(&shop, &["add", "-A"]);
    git(&shop, &["commit", "-qm", "first"]);
    Ok(shop)
}

async fn hire(company: &Company, name: &str, folder: &Path) -> ProcessId {
    let new = NewProcess {
        role: "senior_developer".to_owned(),
        name: Some(name.to_owned()),
        working_directory: Some(folder.to_owned()),
        worktree: Some(UseWorktree::Always),
        ..NewProcess::default()
    };
    match company.order(Command::Create(Box::new(new))).await {
        Ok(Outcome::Created(id)) => id,
        other => panic!("not hired: {other:?}"),
    }
}

async fn bring(company: &Company, process: ProcessId) -> Merged {
    // Its own word that it is idle comes a little behind its result.
    company
        .wait("it is idle", |snapshot| {
            let view = snapshot.process(process);
            view.is_some_and(|view| view.activity == Activity::Idle)
        })
        .await;
    let order = Command::Work {
        of: WorkOf::Process(process),
        order: WorkOrder::Bring {
            mode: MergeMode::Merge,
            commit: None,
        },
    };
    match company.order(order).await {
        Ok(Outcome::Worked { done, .. }) => match *done {
            WorkDone::Brought(merged) => merged,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_edit_one_file_at_once_and_the_conflict_comes_home_resolved() -> Done {
    let Some((company, api)) = real::open() else {
        return Ok(());
    };
    let shop = shop(&company)?;
    let ada = hire(&company, "Ada", &shop).await;
    let linus = hire(&company, "Linus", &shop).await;

    // Claude Code's own working directory and state follow the worktree.
    let edit = |who: &str| {
        format!(
            "TOOL Bash echo {who} > a.txt && git commit -qam {who} && pwd > where.txt ;; SAY {who} is done"
        )
    };
    let first = company.add(&edit("ada"), ada).await;
    let second = company.add(&edit("linus"), linus).await;
    for task in [first, second] {
        assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    }
    for (process, name) in [(ada, "ada"), (linus, "linus")] {
        let view = company.view(process);
        let tree = view.worktree.clone().expect("a worktree");
        let place = fs::read_to_string(tree.top.join("where.txt"))?;
        assert_eq!(Path::new(place.trim()), tree.top.canonicalize()?);
        let text = company.handle.read_work(WorkOf::Process(process)).await?;
        let file = text.files.iter().find(|file| file.path == "a.txt");
        let lines = &file.expect("it was changed").lines;
        assert!(lines.iter().any(|line| line.text == name), "{lines:?}");
    }
    assert_eq!(fs::read_to_string(shop.join("a.txt"))?, "one\n");

    for process in [ada, linus] {
        let tree = company.view(process).worktree.clone().expect("a worktree");
        fs::remove_file(tree.top.join("where.txt"))?;
    }
    assert!(matches!(bring(&company, ada).await, Merged::Done { .. }));
    assert_eq!(fs::read_to_string(shop.join("a.txt"))?, "ada\n");
    let Merged::Conflicts { files } = bring(&company, linus).await else {
        panic!("both changed a.txt");
    };
    assert_eq!(files, ["a.txt"]);
    let task = conflict_task(linus, "headcount/linus", "main", &files);
    let task = match company.order(Command::AddTask(Box::new(task))).await? {
        Outcome::TaskAdded(task) => task,
        other => panic!("{other:?}"),
    };
    assert_eq!(company.done(task).await.state, TaskState::Succeeded);
    assert!(api.count("git merge main") > 0, "the agent was asked to");
    // What such a task asks for, told step by step: the answers of this API are no model's.
    let steps = "TOOL Bash git merge main; printf 'ada\\nlinus\\n' > a.txt && git commit -qam both ;; SAY resolved";
    let resolved = company.follow_up(steps, task).await;
    assert_eq!(company.done(resolved).await.state, TaskState::Succeeded);
    assert!(matches!(bring(&company, linus).await, Merged::Done { .. }));
    assert_eq!(fs::read_to_string(shop.join("a.txt"))?, "ada\nlinus\n");
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_answers_and_can_be_killed_while_git_is_at_work_in_its_worktree() -> Done {
    let company = Company::open();
    let shop = shop(&company)?;
    let ada = hire(&company, "Ada", &shop).await;
    let here = company.fifo("here");
    let go = company.folder.path().join("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU)?;
    let hook = shop.join(".git/hooks/post-checkout");
    fs::create_dir_all(shop.join(".git/hooks"))?;
    let script = format!(
        "#!/bin/sh\necho > '{}'\ncat '{}'\n",
        company.folder.path().join("here").display(),
        go.display()
    );
    fs::write(&hook, script)?;
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755))?;
    let task = NewTask {
        text: "SAY done".to_owned(),
        target: Target {
            process: Some(ada),
            own_branch: true,
            ..Target::default()
        },
        ..NewTask::default()
    };
    company.order(Command::AddTask(Box::new(task))).await?;
    // The branch of the task is being checked out.
    here.await?;
    assert_eq!(
        company.order(Command::Check(ada)).await?,
        Outcome::Checked(ada)
    );
    let condition = company.view(ada).condition.clone();
    assert_eq!(condition.missed, 0, "{condition:?}");
    let killed = company.order(Command::Kill(ada)).await?;
    assert!(matches!(killed, Outcome::Stopped(..)), "{killed:?}");
    tokio::task::spawn_blocking(move || fs::write(go, "")).await??;
    company.close().await;
    Ok(())
}
