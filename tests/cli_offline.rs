//! The built binary without an instance: what it prints and how it ends.

use std::path::Path;

use assert_cmd::Command;

fn headcount(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("headcount").expect("the binary is built");
    command
        .current_dir(folder)
        .env_remove("HEADCOUNT_WORKSPACE")
        .env_remove("HEADCOUNT_STATE")
        .env_remove("HEADCOUNT_CLAUDE")
        .env("NO_COLOR", "1")
        .arg("--workspace")
        .arg(folder)
        .arg("--state")
        .arg(folder.join("state"));
    command
}

fn check(folder: &Path, arguments: &[&str], code: i32, out: &str, err: &str) {
    let done = headcount(folder).args(arguments).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&done.stdout), text(&done.stderr));
    let said = format!("{arguments:?}\n{stdout}\n{stderr}");
    assert_eq!(done.status.code(), Some(code), "{said}");
    assert!(stdout.contains(out), "{said}");
    assert!(stderr.contains(err), "{said}");
    assert!(!format!("{stdout}{stderr}").contains('\x1b'), "{said}");
}

#[test]
fn exit_codes_tell_wrong_usage_from_no_instance() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    check(folder, &["--help"], 0, "Usage: headcount", "");
    check(folder, &["--version"], 0, env!("CARGO_PKG_VERSION"), "");
    check(folder, &["dance"], 2, "", "unrecognized subcommand");
    check(folder, &["create"], 2, "", "<ROLE|--department <D>>");
    check(
        folder,
        &["start"],
        2,
        "",
        "Usage: headcount start <PROC|--all>",
    );
    for (limits, says) in [
        (
            ["--cpu", "2"],
            "`2` is not a range; write MIN..MAX, for example 0.5..2",
        ),
        (
            ["--memory", "2GB..1GB"],
            "the minimum 2GB is above the maximum 1GB",
        ),
    ] {
        check(
            folder,
            &["create", "sre", limits[0], limits[1]],
            2,
            "",
            says,
        );
    }
    check(folder, &["ps", "--foreground"], 2, "", "error:");
    check(folder, &["ps"], 3, "", "try: start one with `headcount up`");
    check(folder, &["down"], 3, "", "error: no instance runs for");
    check(folder, &["status", "--json"], 3, "\"running\": false", "");
    check(folder, &["task", "wait", "task_0001"], 3, "", "no instance");
}

#[test]
fn a_workspace_is_written_listed_and_its_mistakes_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let here = folder.display().to_string();
    check(folder, &["init", &here], 0, "wrote ", "");
    check(folder, &["init", &here], 0, "kept ", "");
    check(folder, &["roles"], 0, "senior_developer", "");
    check(folder, &["roles", "--json"], 0, "\"key\": \"sre\"", "");
    std::fs::write(folder.join("roles.toml"), "[roles.x]\ntitel = \"X\"\n").unwrap();
    check(folder, &["roles"], 1, "", "titel");
    check(folder, &["doctor"], 1, "✕ fail  configuration", "");
}

#[test]
fn doctor_finds_the_agent_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let agent = folder.join("agent");
    std::fs::write(&agent, "#!/bin/sh\necho 9.9.9\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&agent, mode).unwrap();
    let done = headcount(folder)
        .args(["doctor", "--json"])
        .env("HEADCOUNT_CLAUDE", &agent)
        .env("ANTHROPIC_API_KEY", "a key that must not be printed")
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(!text.contains("must not be printed"));
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let check = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("no check `{name}` in {text}"))
    };
    assert_eq!(check("agent")["state"], "ok", "{text}");
    assert!(
        check("agent")["detail"]
            .as_str()
            .unwrap()
            .ends_with("9.9.9")
    );
    assert_eq!(check("login")["state"], "ok");
    assert_eq!(check("state folder")["state"], "ok");
}
