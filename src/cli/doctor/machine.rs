//! The machine: what can hold limits, and what happens at log-out.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::unistd::{AccessFlags, User, access, geteuid};
use tokio::process::Command;

use crate::cli::doctor::check::Check;

/// How long `loginctl` may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks at cgroups and lingering.
pub(super) async fn check() -> Vec<Check> {
    vec![cgroups(), lingering().await]
}

fn cgroups() -> Check {
    const NAME: &str = "cgroups";
    let root = Path::new("/sys/fs/cgroup");
    if !root.join("cgroup.controllers").is_file() {
        return Check::warn(
            NAME,
            "no cgroup v2 here: a run is ended by walking its tree",
            "nothing is lost but speed; on a machine of your own boot with cgroup v2",
        );
    }
    let Some(own) = own_group(root) else {
        return Check::warn(
            NAME,
            "the own cgroup cannot be told: a run is ended by walking its tree",
            "mount /proc and /sys/fs/cgroup",
        );
    };
    if access(&own, AccessFlags::W_OK | AccessFlags::X_OK).is_ok() {
        Check::ok(NAME, format!("v2, writable at {}", own.display()))
    } else {
        Check::warn(
            NAME,
            "v2, not writable: a run is ended by walking its tree",
            "log in through systemd, which delegates a group to each user",
        )
    }
}

fn own_group(root: &Path) -> Option<PathBuf> {
    let line = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = line.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(root.join(path.trim_start_matches('/')))
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
