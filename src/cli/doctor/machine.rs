//! The machine: what can hold limits.

use crate::cli::doctor::check::Check;
use crate::os::cgroup::{Cgroups, OFF_SWITCH};

/// Looks at control groups.
pub(super) fn cgroups() -> Check {
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
