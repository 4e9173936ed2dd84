//! What an employee may touch, with the simulated agent and with the real one.
//!
//! The place that is not granted must lie outside of the temporary folder, which is; where the build does not, or the
//! kernel has no Landlock, a test says so and passes.

use std::fs;
use std::path::Path;

use crate::company::{Company, Setup};
use crate::worktrees::git;
use crate::{Done, real};
use headcount::config;
use headcount::domain::command::{Command, NewProcess, Outcome, Refusal};
use headcount::domain::fault::FaultCode;
use headcount::domain::id::ProcessId;
use headcount::domain::sandbox::SandboxLevel;
use headcount::domain::task::TaskState;
use headcount::domain::worktree::UseWorktree;
use headcount::os::sandbox::version;

/// A folder that no employee is granted.
#[expect(clippy::print_stdout, reason = "what is skipped is said")]
fn outside() -> Option<tempfile::TempDir> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let common = ["/tmp", "/var/tmp", "/dev"];
    if version() == 0 || common.iter().any(|common| place.starts_with(common)) {
        println!("skipped: no Landlock, or the build is in the temporary folder");
        return None;
    }
    Some(tempfile::tempdir_in(place).expect("a folder"))
}

async fn hire(company: &Company, folder: &Path) -> ProcessId {
    let new = NewProcess {
        role: "senior_developer".to_owned(),
        working_directory: Some(folder.to_owned()),
        worktree: Some(UseWorktree::Always),
        ..NewProcess::default()
    };
    match company.order(Command::Create(Box::new(new))).await {
        Ok(Outcome::Created(id)) => id,
        other => panic!("not hired: {other:?}"),
    }
}

/// A worktree's employee writes there, commits into its repository's git folder, and writes nowhere else.
async fn is_held_in(company: &Company, outside: &Path) -> Done {
    let shop = outside.join("shop");
    fs::create_dir(&shop)?;
    git(&shop, &["init", "-q", "-b", "main"]);
    git(&shop, &["config", "user.name", "Test"]);
    git(&shop, &["config", "user.email", "test@localhost"]);
    fs::write(shop.join("a.txt"), "one\n")?;
    git(&shop, &["add", "-A"]);
    git(&shop, &["commit", "-qm", "first"]);
    let ada = hire(company, &shop).await;
    let view = company.view(ada);
    assert_eq!(view.sandbox.level, SandboxLevel::Workspace);
    assert!(view.sandbox.enforced, "{:?}", view.sandbox);
    let granted = shop.join(".git").display().to_string();
    assert!(view.sandbox.write.contains(&granted), "{:?}", view.sandbox);
    company
        .logged(ada, "sandbox: workspace, held by the kernel")
        .await;
    let text = format!(
        "TOOL Bash echo two > a.txt && git commit -qam two && echo committed > done.txt; \
         echo three > {shop}/a.txt || echo refused > refused.txt; cat {shop}/a.txt > read.txt ;; SAY done",
        shop = shop.display()
    );
    let task = company.add(&text, ada).await;
    let task = company.done(task).await;
    assert_eq!(task.state, TaskState::Succeeded, "{:?}", task.error);
    let folder = company.view(ada).working_directory.clone();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    assert_eq!(
        read("done.txt"),
        "committed\n",
        "{:?}",
        company.log(ada).await
    );
    assert_eq!(read("refused.txt"), "refused\n");
    assert_eq!(read("read.txt"), "one\n");
    assert_eq!(fs::read_to_string(shop.join("a.txt"))?, "one\n");
    let branch = company
        .view(ada)
        .worktree
        .as_ref()
        .map(|worktree| worktree.branch.clone());
    assert_eq!(
        git(
            &shop,
            &["log", "-1", "--format=%s", &branch.expect("a branch")]
        ),
        "two"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_employee_writes_in_its_worktree_and_its_repository_and_nowhere_else() -> Done {
    let Some(outside) = outside() else {
        return Ok(());
    };
    let company = Company::open();
    is_held_in(&company, outside.path()).await?;
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_agent_is_held_in_the_same_way() -> Done {
    let Some(outside) = outside() else {
        return Ok(());
    };
    let Some((company, _api)) = real::open() else {
        return Ok(());
    };
    is_held_in(&company, outside.path()).await?;
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_one_works_and_reads_no_secret_of_its_home() -> Done {
    let Some(outside) = outside() else {
        return Ok(());
    };
    let home = outside.path().join("home");
    let work = home.join("src/shop");
    fs::create_dir_all(&work)?;
    fs::create_dir_all(home.join(".ssh"))?;
    fs::write(home.join(".ssh/id"), "plum\n")?;
    fs::write(home.join("notes"), "open\n")?;
    let setup = Setup {
        roles: config::ROLES.replace("level = \"workspace\"", "level = \"strict\""),
        environment: [("HOME".to_owned(), home.display().to_string())].into(),
        ..Setup::default()
    };
    let company = Company::with(setup);
    let new = NewProcess {
        role: "senior_developer".to_owned(),
        working_directory: Some(work.clone()),
        ..NewProcess::default()
    };
    let hired = company.order(Command::Create(Box::new(new))).await;
    let Ok(Outcome::Created(ada)) = hired else {
        panic!("{hired:?}");
    };
    assert_eq!(company.view(ada).sandbox.level, SandboxLevel::Strict);
    let text =
        "TOOL Bash cat ~/notes > notes; cat ~/.ssh/id > id || echo refused > refused ;; SAY done";
    let task = company.add(text, ada).await;
    let task = company.done(task).await;
    assert_eq!(task.state, TaskState::Succeeded, "{:?}", task.error);
    let read = |name: &str| fs::read_to_string(work.join(name)).unwrap_or_default();
    assert_eq!(read("notes"), "open\n");
    assert_eq!(
        (read("id").as_str(), read("refused").as_str()),
        ("", "refused\n")
    );
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_kernel_cannot_hold_a_sandbox_only_best_effort_starts() -> Done {
    if version() > 0 {
        println!("skipped: this kernel has Landlock");
        return Ok(());
    }
    let company = Company::with(Setup {
        roles: config::ROLES.replace("best_effort = true", "best_effort = false"),
        ..Setup::default()
    });
    let new = NewProcess {
        role: "senior_developer".to_owned(),
        ..NewProcess::default()
    };
    match company.order(Command::Create(Box::new(new))).await {
        Err(Refusal::Fault { fault, .. }) => {
            assert_eq!(fault.code, FaultCode::EnvironmentSetupFailed);
            assert!(fault.cause.contains("cannot hold its sandbox"), "{fault}");
        }
        other => panic!("{other:?}"),
    }
    company.close().await;
    Ok(())
}
