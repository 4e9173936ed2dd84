//! What the last log-out ends: by the settings of systemd's log-in manager, as they stand in its files.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use crate::cli::doctor::check::Check;

const NAME: &str = "log-out";
/// Where its settings are; within each, files of a folder are read by name, and the last one counts.
const FOLDERS: [&str; 4] = [
    "usr/lib/systemd/logind.conf.d",
    "usr/local/lib/systemd/logind.conf.d",
    "run/systemd/logind.conf.d",
    "etc/systemd/logind.conf.d",
];
/// The main file, from the least to the most important; what is commented out in it is what was built in.
const FILES: [&str; 2] = ["usr/lib/systemd/logind.conf", "etc/systemd/logind.conf"];

/// What decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LogOut {
    /// A log-out kills what was started in the session.
    kills: bool,
    /// The user's services outlive the last log-out.
    lingers: bool,
    /// The instance is one of them.
    installed: bool,
}

/// Looks at this machine.
pub(super) fn check(installed: bool) -> Check {
    let root = Path::new("/");
    if !root.join("run/systemd/system").is_dir() {
        return Check::ok(NAME, "no systemd here: log-out ends nothing");
    }
    let Ok(Some(user)) = User::from_uid(geteuid()) else {
        return Check::ok(NAME, "the user has no name here");
    };
    tell(LogOut::of(root, &user.name, installed), &user.name)
}

impl LogOut {
    fn of(root: &Path, user: &str, installed: bool) -> Self {
        Self {
            kills: kills(root, user),
            lingers: root.join("var/lib/systemd/linger").join(user).exists(),
            installed,
        }
    }
}

fn tell(found: LogOut, user: &str) -> Check {
    let linger = format!("loginctl enable-linger {user}");
    match found {
        LogOut {
            installed: true,
            lingers: true,
            ..
        } => Check::ok(
            NAME,
            "installed as a service, and lingering is on: it outlives the last log-out",
        ),
        LogOut {
            installed: true,
            lingers: false,
            ..
        } => Check::warn(
            NAME,
            "installed as a service, and lingering is off: systemd ends it at the last log-out",
            linger,
        ),
        LogOut { kills: true, .. } => Check::warn(
            NAME,
            "KillUserProcesses is on: systemd ends an instance that was started in a session when that \
             session ends, and its employees with it",
            "headcount install",
        ),
        LogOut { kills: false, .. } => Check::ok(
            NAME,
            "KillUserProcesses is off: an instance outlives the session that it was started in",
        ),
    }
}

/// Whether a log-out of this user kills what was started in the session.
fn kills(root: &Path, user: &str) -> bool {
    let settings = Settings::read(root);
    let names = |key: &str| settings.last(key).map(|list| list.to_owned());
    let is_in = |list: &str| list.split_whitespace().any(|name| name == user);
    let only = names("KillOnlyUsers").filter(|list| !list.trim().is_empty());
    let except = names("KillExcludeUsers").unwrap_or_else(|| "root".to_owned());
    let on = settings.last("KillUserProcesses").is_some_and(|value| {
        matches!(
            value.to_ascii_lowercase().as_str(),
            "yes" | "true" | "on" | "1" | "y" | "t"
        )
    });
    on && !is_in(&except) && only.is_none_or(|list| is_in(&list))
}

/// Lines of all its files, in the order in which they count.
#[derive(Debug, Default)]
struct Settings(Vec<(String, String)>);

impl Settings {
    fn read(root: &Path) -> Self {
        let mut settings = Self::default();
        let main = FILES.iter().rev().map(|file| root.join(file));
        let main = main.filter_map(|file| fs::read_to_string(file).ok()).next();
        let main = main.unwrap_or_default();
        // What was built in stands there behind a `#`, by custom.
        for line in main.lines().filter_map(|line| line.strip_prefix('#')) {
            settings.add(line);
        }
        main.lines().for_each(|line| settings.add(line));
        let mut parts: Vec<PathBuf> = Vec::new();
        for folder in FOLDERS {
            let files = fs::read_dir(root.join(folder)).into_iter().flatten();
            for file in files.flatten().map(|file| file.path()) {
                // One of the same name in a more important folder stands in its place.
                parts.retain(|other| other.file_name() != file.file_name());
                if file.extension().is_some_and(|end| end == "conf") {
                    parts.push(file);
                }
            }
        }
        parts.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        for part in parts {
            let text = fs::read_to_string(part).unwrap_or_default();
            text.lines().for_each(|line| settings.add(line));
        }
        settings
    }

    fn add(&mut self, line: &str) {
        if let Some((key, value)) = line.split_once('=') {
            self.0
                .push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }

    fn last(&self, key: &str) -> Option<&str> {
        let of_key = |(name, _): &&(String, String)| name == key;
        self.0
            .iter()
            .rev()
            .find(of_key)
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Verdict;

    /// A machine with these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MAIN: &str = "etc/systemd/logind.conf";
    const PART: &str = "etc/systemd/logind.conf.d/50-kill.conf";
    const ON: &str = "[Login]\nKillUserProcesses=yes\n";

    #[test]
    fn d7_whether_a_log_out_kills_is_read_as_the_log_in_manager_reads_it() {
        for (files, kills) in [
            (vec![], false),
            (vec![(MAIN, "[Login]\n#KillUserProcesses=no\n")], false),
            (vec![(MAIN, "[Login]\n#KillUserProcesses=yes\n")], true),
            (
                vec![(MAIN, "#KillUserProcesses=no\nKillUserProcesses = yes")],
                true,
            ),
            (
                vec![(MAIN, "#KillUserProcesses=yes\nKillUserProcesses=no")],
                false,
            ),
            (vec![("usr/lib/systemd/logind.conf", ON)], true),
            (vec![("usr/lib/systemd/logind.conf", ON), (MAIN, "")], false),
            (vec![(MAIN, ON), (PART, "KillUserProcesses=no")], false),
            (vec![(PART, ON)], true),
            (
                vec![
                    ("usr/lib/systemd/logind.conf.d/50-kill.conf", ON),
                    (PART, ""),
                ],
                false,
            ),
            (
                vec![
                    ("run/systemd/logind.conf.d/90.conf", ON),
                    (PART, "KillUserProcesses=no"),
                ],
                true,
            ),
            (
                vec![(PART, "KillUserProcesses=yes\nKillExcludeUsers=root ada")],
                false,
            ),
            (
                vec![(PART, "KillUserProcesses=yes\nKillOnlyUsers=bob")],
                false,
            ),
            (
                vec![(PART, "KillUserProcesses=yes\nKillOnlyUsers=bob ada")],
                true,
            ),
        ] {
            let root = machine(&files);
            assert_eq!(super::kills(root.path(), "ada"), kills, "{files:?}");
        }
    }

    #[test]
    fn d7_who_would_be_killed_is_told_with_the_cure() {
        let killing = machine(&[(PART, ON)]);
        let sparing = machine(&[(MAIN, "")]);
        let lingering = machine(&[(PART, ON), ("var/lib/systemd/linger/ada", "")]);
        for (root, installed, verdict, words, cure) in [
            (
                &killing,
                false,
                Verdict::Warn,
                "KillUserProcesses is on",
                Some("headcount install"),
            ),
            (
                &lingering,
                false,
                Verdict::Warn,
                "KillUserProcesses is on",
                Some("headcount install"),
            ),
            (
                &sparing,
                false,
                Verdict::Ok,
                "KillUserProcesses is off",
                None,
            ),
            (
                &killing,
                true,
                Verdict::Warn,
                "lingering is off",
                Some("loginctl enable-linger ada"),
            ),
            (
                &sparing,
                true,
                Verdict::Warn,
                "lingering is off",
                Some("loginctl enable-linger ada"),
            ),
            (
                &lingering,
                true,
                Verdict::Ok,
                "outlives the last log-out",
                None,
            ),
        ] {
            let check = tell(LogOut::of(root.path(), "ada", installed), "ada");
            assert_eq!(check.verdict, verdict, "{check:?}");
            assert!(check.detail.contains(words), "{check:?}");
            assert_eq!(check.cure.as_deref(), cure);
        }
    }
}
