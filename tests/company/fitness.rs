//! Whether a process is fit for work: each finding with its code and cure, in the same words before a
//! hire and at a start.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use headcount::domain::command::{
    Command, NewProcess, Outcome, PromptOverride, Refusal, UpdateWhen,
};
use headcount::domain::fault::{Fault, FaultCode};
use headcount::domain::preview::Preview;
use headcount::domain::snapshot::Status;

use crate::Done;
use crate::company::{Company, Setup};
use crate::scripted;

/// A company of scripted workers with a key, in a home of its own.
fn open(roles: impl FnOnce(String) -> String) -> Company {
    let key = "[agents.script]\nenvironment = { ANTHROPIC_API_KEY = \"key\" }\n";
    let with_key = scripted::ROLES.replace("[agents.script]\n", key);
    let home = tempfile::tempdir().expect("a home").keep();
    let environment = HashMap::from([("HOME".to_owned(), home.display().to_string())]);
    let company = Company::with(Setup {
        roles: roles(with_key),
        demo: false,
        environment,
    });
    scripted::put(company.folder.path(), "", "");
    company.owning(home)
}

async fn look(company: &Company, new: &NewProcess) -> Preview {
    match company.order(Command::Preview(vec![new.clone()])).await {
        Ok(Outcome::Previewed(mut seen)) => seen.remove(0),
        other => panic!("{other:?}"),
    }
}

fn worker() -> NewProcess {
    NewProcess {
        role: "worker".to_owned(),
        ..NewProcess::default()
    }
}

fn says(fault: &Fault, code: FaultCode, cause: &str, remedy: &str) {
    assert_eq!(fault.code, code, "{fault:?}");
    assert!(fault.cause.contains(cause), "{fault:?}");
    assert!(fault.remedy.contains(remedy), "{fault:?}");
}

/// An obstacle: nothing is started, and the look beforehand and the start say the same.
async fn refuses(
    roles: impl FnOnce(String) -> String,
    change: impl FnOnce(&Path, &mut NewProcess),
    code: FaultCode,
    cause: &str,
    remedy: &str,
) {
    let company = open(roles);
    let mut new = worker();
    change(company.folder.path(), &mut new);
    let seen = look(&company, &new).await;
    assert_eq!(seen.faults.len(), 1, "{seen:?}");
    says(&seen.faults[0], code, cause, remedy);
    match company.order(Command::Create(Box::new(new))).await {
        Err(Refusal::Fault { process, fault }) => {
            assert_eq!(fault, seen.faults[0]);
            let view = company.view(process);
            assert_eq!((view.status, view.pid), (Status::Blocked, None));
            assert_eq!(view.fault.as_ref(), Some(&fault));
        }
        other => panic!("it started: {other:?}"),
    }
    assert!(!company.folder.path().join("begun").exists());
    company.close().await;
}

/// A doubt or a drawback: it is started, and its log says what the look said.
async fn warns(
    roles: impl FnOnce(String) -> String,
    change: impl FnOnce(&Path, &mut NewProcess),
    code: FaultCode,
    cause: &str,
    remedy: &str,
) {
    let company = open(roles);
    let mut new = worker();
    change(company.folder.path(), &mut new);
    let seen = look(&company, &new).await;
    assert_eq!(seen.faults, []);
    let warning = seen.warnings.iter().find(|it| it.cause.contains(cause));
    let warning = warning.unwrap_or_else(|| panic!("not told: {:?}", seen.warnings));
    says(warning, code, cause, remedy);
    let ada = match company.order(Command::Create(Box::new(new))).await {
        Ok(Outcome::Created(ada)) => ada,
        other => panic!("{other:?}"),
    };
    company.logged(ada, &warning.to_string()).await;
    company.close().await;
}

fn same(roles: String) -> String {
    roles
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_configuration_is_looked_at_as_well_before_it_is_put_back() -> Done {
    let company = open(same);
    let ada = company.hire("worker").await;
    let folder = company.folder.path();
    let old = "[ \"$1\" = --version ] && echo '1.0.0 (a script)' && exit";
    scripted::put(folder, old, "");
    let roles = folder.join("roles.toml");
    let text = fs::read_to_string(&roles)?;
    let title = "title = \"Worker\"";
    let new = text.replace(title, &format!("{title}\nenvironment = {{ NEW = \"1\" }}"));
    assert_ne!(new, text);
    fs::write(&roles, new)?;
    company
        .wait("there are updates", |snapshot| {
            snapshot.process(ada).expect("Ada").updates_available
        })
        .await;
    let update = Command::Update {
        process: ada,
        when: UpdateWhen::Now,
    };
    let answer = company.order(update).await;
    assert!(matches!(answer, Err(Refusal::Fault { .. })), "{answer:?}");
    company
        .logged(ada, "starting with the last configuration that was good")
        .await;
    let fault = company.until(ada, Status::Blocked).await.fault.clone();
    let fault = fault.expect("a fault");
    assert!(fault.cause.contains("1.0.0"), "{fault:?}");
    let begun = fs::read_to_string(folder.join("begun"))?;
    assert_eq!(begun.lines().count(), 1, "it was never run: {begun}");
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_lacks_nothing_has_nothing_to_be_told() -> Done {
    let company = open(same);
    let seen = look(&company, &worker()).await;
    assert_eq!(seen.faults, []);
    // The disk of a machine that builds may be as full as it is.
    let others = seen.warnings.iter().filter(|it| !it.cause.contains("disk"));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&Fault>::new());
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_missing_is_told_with_how_to_get_it() {
    let gone = |root: &Path, _: &mut NewProcess| fs::remove_file(root.join("agent")).expect("ours");
    let (code, remedy) = (FaultCode::FailedToStart, "npm install -g");
    refuses(same, gone, code, "agent is not there", remedy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_too_old_is_told_before_it_can_fail() {
    let old = |roles: String| roles.replace("{ ANTHROPIC", "{ SAYS = \"1.0.33\", ANTHROPIC");
    let (code, cause) = (FaultCode::FailedToStart, "agent is version 1.0.33,");
    refuses(old, |_, _| {}, code, cause, "claude update").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_not_say_its_version_is_told_and_tried() {
    let mute = |root: &Path, _: &mut NewProcess| {
        scripted::put(root, "[ \"$1\" = --version ] && exit 3", "");
    };
    let (code, cause) = (
        FaultCode::FailedToStart,
        "agent is not known: `--version` ended",
    );
    warns(same, mute, code, cause, "mend what it says").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_missing_is_told_before_the_first_task() {
    let bare = |roles: String| roles.replace("ANTHROPIC_API_KEY = \"key\"", "OTHER = \"1\"");
    let (code, cause) = (FaultCode::EnvironmentSetupFailed, "no login and no key");
    warns(bare, |_, _| {}, code, cause, "ANTHROPIC_API_KEY").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_terminal_would_ask_first_is_told() {
    let terminal = |roles: String| {
        roles
            .replace("\"claude-stream-json\"", "\"terminal\"")
            .replace("WORKSPACE/agent\"", "WORKSPACE/claude\"")
    };
    let named = |root: &Path| {
        fs::rename(root.join("agent"), root.join("claude")).expect("is there");
    };
    let company = open(terminal);
    named(company.folder.path());
    // Its log is what stands on its terminal: there the questions themselves are seen.
    let seen = look(&company, &worker()).await;
    assert_eq!(seen.faults, []);
    let asks = seen.warnings.iter().find(|it| it.cause.contains("trusted"));
    let asks = asks.expect("it is told");
    let (code, cause) = (FaultCode::EnvironmentSetupFailed, "for its theme and login");
    says(asks, code, cause, "run `claude` once in");
    company.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_missing_is_told_with_the_nearest() {
    let gone = |root: &Path, new: &mut NewProcess| {
        let file = root.join("corporate-prompts/development/senior-developper.md");
        new.prompt = Some(PromptOverride::File(file));
    };
    let (code, remedy) = (FaultCode::PromptNotFound, "senior-developer.md");
    refuses(
        same,
        gone,
        code,
        "senior-developper.md is not there",
        remedy,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_is_none_is_told_before_anything_is_spawned() {
    let wrong = |_: &Path, new: &mut NewProcess| new.tools = Some(vec!["Bsh".to_owned()]);
    refuses(
        same,
        wrong,
        FaultCode::ToolInitializationFailed,
        "Bsh",
        "Bash",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_leads_to_nothing_is_told() {
    let unset = |_: &Path, new: &mut NewProcess| {
        new.environment = [("A".to_owned(), "${HEADCOUNT_NO_SUCH}".to_owned())].into();
    };
    let code = FaultCode::EnvironmentSetupFailed;
    refuses(same, unset, code, "HEADCOUNT_NO_SUCH", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_missing_or_no_folder_is_told() {
    let code = FaultCode::EnvironmentSetupFailed;
    let gone = |root: &Path, new: &mut NewProcess| new.working_directory = Some(root.join("desk"));
    refuses(same, gone, code, "desk is not there", "mkdir -p").await;
    let file = |root: &Path, new: &mut NewProcess| {
        new.working_directory = Some(root.join("roles.toml"));
    };
    refuses(same, file, code, "is not a folder", "hire it for a folder").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_is_told() {
    let Some(read_only) = read_only() else {
        return;
    };
    let there = |_: &Path, new: &mut NewProcess| new.working_directory = Some(read_only);
    let (code, cause) = (FaultCode::EnvironmentSetupFailed, "cannot be written");
    warns(same, there, code, cause, "reading works").await;
}

/// A folder that even root cannot write.
fn read_only() -> Option<std::path::PathBuf> {
    let folder = Path::new("/proc/sys");
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        let flags = nix::unistd::AccessFlags::W_OK;
        // Only a mount that is read-only stops root.
        return nix::unistd::access(folder, flags)
            .is_err()
            .then(|| folder.to_owned());
    }
    let folder = Path::new("/etc");
    let mode = fs::metadata(folder).ok()?.permissions().mode();
    (mode & 0o002 == 0).then(|| folder.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_shows_nowhere_whatever_it_stands_in() -> Done {
    let company = Company::with(Setup {
        roles: scripted::ROLES.to_owned(),
        demo: false,
        environment: HashMap::from([("SECRETX_TOKEN".to_owned(), "planted-token".to_owned())]),
    });
    scripted::put(company.folder.path(), "", "");
    let mut new = worker();
    new.environment = [
        ("API_TOKEN", "${SECRETX_TOKEN}"),
        ("URL", "http://u:${SECRETX_TOKEN}@h/"),
        ("PLAIN", "as it is"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let shown = [
        ("API_TOKEN", "********"),
        ("PLAIN", "as it is"),
        ("URL", "http://u:********@h/"),
    ];
    let seen = look(&company, &new).await.environment;
    let hire = Command::Create(Box::new(new.clone()));
    let Outcome::Created(ada) = company.order(hire).await? else {
        panic!("not hired");
    };
    let view = company.view(ada);
    for environment in [&seen, &view.environment] {
        for (name, value) in shown {
            let found = environment.iter().find(|(known, _)| known == name);
            assert_eq!(found.map(|(_, value)| value.as_str()), Some(value));
        }
        assert!(!format!("{environment:?}").contains("planted"));
    }
    let snapshot = format!("{:?}", company.handle.snapshot());
    assert!(!snapshot.contains("planted"), "{snapshot}");
    // Nor is it kept, and what it says at its end says it neither.
    let good = fs::read_to_string(company.folder.path().join("state/good/proc_001.json"))?;
    assert!(
        good.contains("as it is") && !good.contains("planted"),
        "{good}"
    );
    let fails = "[ \"$1\" = --version ] || { echo \"no $URL\" >&2; exit 3; }";
    scripted::put(company.folder.path(), fails, "");
    let Err(Refusal::Fault { process, .. }) = company.order(Command::Create(Box::new(new))).await
    else {
        panic!("it started");
    };
    let last = company.view(process).last_exit.clone().expect("an exit");
    assert_eq!(last.stderr_tail.trim(), "no http://u:********@h/");
    company.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_knows_the_version_of_its_agent() -> Done {
    let company = open(same);
    let mut own = worker();
    own.environment = [("CLAUDE_VERSION".to_owned(), "mine".to_owned())].into();
    for (new, version) in [(worker(), "2.1.330"), (own, "mine")] {
        let hire = Command::Create(Box::new(new));
        let Outcome::Created(id) = company.order(hire).await? else {
            panic!("not hired");
        };
        let view = company.view(id);
        let mut known = view.environment.iter();
        let known = known.find(|(name, _)| name == "CLAUDE_VERSION");
        assert_eq!(known.map(|(_, value)| value.as_str()), Some(version));
    }
    company.close().await;
    Ok(())
}
