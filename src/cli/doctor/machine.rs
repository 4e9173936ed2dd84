//! The machine: what can hold limits, and what happens at log-out.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::unistd::{User, geteuid};
use tokio::process::Command;

use crate::cli::doctor::check::Check;
use crate::os::cgroup::{Cgroups, OFF_SWITCH};

/// How long `loginctl` may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks at cgroups and lingering.
pub(super) async fn check() -> Vec<Check> {
    vec![cgroups(), lingering().await]
}

fn cgroups() -> Check {
    const NAME: &str = "cgroups";
    match Cgroups::detect() {
        Some(groups) => Check::ok(NAME, format!("v2, writable at {}", groups.base().display())),
        None if std::env::var_os(OFF_SWITCH).is_some() => Check::ok(
            NAME,
            format!("switched off by {OFF_SWITCH}: runs are ended by walking their trees"),
        ),
        None => Check::warn(
            NAME,
            "no writable cgroup v2: runs are ended by walking their trees, and limits are not enforced",
            "log in through systemd, which delegates a group to each user",
        ),
    }
}

async fn lingering() -> Check {
    const NAME: &str = "log-out";
    if !Path::new("/run/systemd/system").is_dir() {
        return Check::ok(NAME, "no systemd here: log-out ends nothing");
    }
    let Ok(Some(user)) = User::from_uid(geteuid()) else {
        return Check::ok(NAME, "the user has no name here");
    };
    let asked = Command::new("loginctl")
        .args(["show-user", &user.name, "--property=Linger", "--value"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let said = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(said)) => String::from_utf8_lossy(&said.stdout).trim().to_owned(),
        _ => String::new(),
    };
    match said.as_str() {
        "yes" => Check::ok(
            NAME,
            "lingering is on: the instance outlives the last log-out",
        ),
        "no" => Check::warn(
            NAME,
            "lingering is off: systemd may end the instance at the last log-out",
            format!("loginctl enable-linger {}", user.name),
        ),
        _ => Check::ok(NAME, "no user manager answers"),
    }
}
