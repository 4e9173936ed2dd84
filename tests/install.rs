//! `install` and `uninstall`, with a `systemctl` and a `loginctl` that note what they are asked.

#[path = "support/instance.rs"]
#[expect(dead_code, reason = "shared with tests that look at more of the state")]
mod instance;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use instance::Instance;

/// Notes its call; starts what a unit says, as the manager would.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "systemctl $*" >> "HERE/calls"
[ -e "HERE/no-manager" ] && { echo "Failed to connect to bus: No medium found" >&2; exit 1; }
[ "$2" = start ] || exit 0
eval "$(sed -n 's/^ExecStart=//p' "$HOME/.config/systemd/user/$3")"
"#;

const LOGINCTL: &str = r#"#!/bin/sh
echo "loginctl $*" >> "HERE/calls"
case $1 in
show-user) [ -e "HERE/lingers" ] && echo yes || echo no ;;
enable-linger) [ -e "HERE/no-linger" ] && { echo "Access denied" >&2; exit 1; }; touch "HERE/lingers" ;;
esac
"#;

/// A company, and the folder of the tools.
fn company() -> (Instance, tempfile::TempDir) {
    let tools = tempfile::tempdir().expect("a folder");
    let here = tools.path().display().to_string();
    for (name, text) in [("systemctl", SYSTEMCTL), ("loginctl", LOGINCTL)] {
        let path = tools.path().join(name);
        fs::write(&path, text.replace("HERE", &here)).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let path = format!("{here}:{}", std::env::var("PATH").unwrap_or_default());
    let instance = Instance::with(true, vec![("PATH".to_owned(), path)]);
    (instance, tools)
}

fn calls(tools: &Path) -> Vec<String> {
    let text = fs::read_to_string(tools.join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn units(instance: &Instance) -> Vec<PathBuf> {
    let folder = instance
        .workspace()
        .with_file_name("home")
        .join(".config/systemd/user");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.path()).collect()
}

#[test]
fn install_sets_it_up_once_and_uninstall_takes_it_away_while_it_runs_on() {
    let (instance, tools) = company();
    let tools = tools.path();
    let printed = instance.ok(&["install", "--print"]);
    let workspace = instance.workspace().canonicalize().expect("is there");
    let workspace = format!("\"--workspace\" \"{}\"", workspace.display());
    assert!(printed.contains(&workspace), "{printed}");
    assert!(printed.contains("\"--demo\" up\n"), "{printed}");
    assert!(printed.contains("Environment=\"PATH="), "{printed}");
    assert_eq!((calls(tools).len(), units(&instance).len()), (0, 0));

    let said = instance.ok(&["install"]);
    assert!(said.contains("lingering is on"), "{said}");
    let unit = units(&instance).remove(0);
    assert_eq!(fs::read_to_string(&unit).expect("the unit"), printed);
    let name = unit.file_name().expect("a name").to_string_lossy();
    let has = |call: &str| calls(tools).iter().filter(|it| *it == call).count();
    let start = format!("systemctl --user start {name}");
    assert_eq!(has(&format!("systemctl --user enable {name}")), 1);
    assert_eq!(has("systemctl --user daemon-reload"), 1);
    assert_eq!(has(&start), 1);
    let pid = instance.pid();

    let said = instance.ok(&["install"]);
    assert!(said.contains("is there already"), "{said}");
    assert!(said.contains("an instance runs already"), "{said}");
    assert!(said.contains("lingering is on already"), "{said}");
    // D4: no second one, whoever asks.
    assert_eq!((has(&start), instance.pid()), (1, pid));

    let said = instance.ok(&["uninstall"]);
    assert!(said.contains("the instance goes on"), "{said}");
    assert_eq!(has(&format!("systemctl --user disable {name}")), 1);
    assert_eq!((units(&instance).len(), instance.pid()), (0, pid));
    let said = instance.ok(&["uninstall"]);
    assert!(said.contains("no service is installed"), "{said}");
    instance.close();
}

#[test]
fn without_a_manager_it_says_what_to_write_where() {
    let (instance, tools) = company();
    fs::write(tools.path().join("no-manager"), "").expect("a mark");
    let done = instance.run(&["install"]);
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8_lossy(&done.stderr);
    for words in ["No medium found", "@reboot /", "~/.profile", "--demo up"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(units(&instance).len(), 0);
    fs::remove_file(tools.path().join("systemctl")).expect("is there");
    let nothing = tools.path().display().to_string();
    let mut command = instance.command(&["install"]);
    let done = command.env("PATH", nothing).output().expect("it ends");
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("@reboot"), "{said}");
    assert_eq!(instance.leftovers(), Vec::<String>::new());
}

#[test]
fn lingering_that_is_refused_is_said_with_its_cure() {
    let (instance, tools) = company();
    fs::write(tools.path().join("no-linger"), "").expect("a mark");
    let done = instance.run(&["install"]);
    assert!(done.status.success());
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("Access denied"), "{said}");
    assert!(said.contains("sudo loginctl enable-linger"), "{said}");
    instance.close();
}

#[test]
fn a_service_is_told_which_process_it_is_and_only_of_its_own() {
    let (instance, tools) = company();
    let path = tools.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(30)))
        .expect("a limit");
    let up = || {
        let mut command = instance.command(&["up"]);
        let done = command.env("NOTIFY_SOCKET", &path).output();
        assert!(done.expect("it ends").status.success());
        let mut words = [0; 200];
        let count = socket.recv(&mut words).expect("a word");
        String::from_utf8_lossy(&words[..count]).into_owned()
    };
    assert_eq!(up(), format!("MAINPID={}\nREADY=1", instance.pid()));
    assert_eq!(up(), "READY=1");
    instance.close();
}
