//! The text of the unit, and what stands in its place where there is no systemd. Pure.

use std::path::{Path, PathBuf};

/// A service of the user that runs one company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its name, with `.service`.
    pub(super) name: String,
    /// This program.
    pub(super) program: PathBuf,
    /// The workspace, and the folder that `--state` names.
    pub(super) workspace: PathBuf,
    pub(super) state: PathBuf,
    /// Whether the simulated agent runs.
    pub(super) demo: bool,
    /// What the shell has and a service has not, by name.
    pub(super) environment: Vec<(String, String)>,
}

impl Unit {
    /// The words of the call, before its command.
    fn call(&self) -> Vec<String> {
        let mut words = vec![
            self.program.display().to_string(),
            "--workspace".to_owned(),
            self.workspace.display().to_string(),
            "--state".to_owned(),
            self.state.display().to_string(),
        ];
        if self.demo {
            words.push("--demo".to_owned());
        }
        words
    }

    /// The unit file.
    pub(super) fn text(&self) -> String {
        let call: Vec<String> = self.call().iter().map(|word| quoted(word)).collect();
        let call = call.join(" ");
        let mut environment = String::new();
        for (name, value) in &self.environment {
            let pair = assigned(&format!("{name}={value}"));
            environment.push_str(&format!("Environment={pair}\n"));
        }
        format!(
            "# Written by `headcount install`; `headcount uninstall` removes it.\n\
             [Unit]\n\
             Description=headcount for {workspace}\n\
             StartLimitIntervalSec=60\n\
             StartLimitBurst=5\n\
             \n\
             [Service]\n\
             # `up` starts the instance, names it as the main process and ends; where one runs it starts none.\n\
             Type=notify\n\
             NotifyAccess=all\n\
             {environment}\
             ExecStart={call} up\n\
             ExecStop={call} down\n\
             TimeoutStartSec=2min\n\
             TimeoutStopSec=3min\n\
             # An instance that fails is started again and takes its employees up, who work on meanwhile.\n\
             Restart=on-failure\n\
             RestartSec=2s\n\
             KillMode=process\n\
             OOMPolicy=continue\n\
             # Control groups for the runs.\n\
             Delegate=yes\n\
             \n\
             [Install]\n\
             WantedBy=default.target\n",
            workspace = described(&self.workspace),
        )
    }

    /// The line for `crontab -e` or a shell's profile.
    pub(super) fn shell_line(&self) -> String {
        let words: Vec<String> = self.call().iter().map(|word| shell_quoted(word)).collect();
        format!("{} up", words.join(" "))
    }
}

/// A path where a person reads it: on one line.
fn described(path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%");
    text.replace(char::is_control, "?")
}

/// One word of `ExecStart=`: specifiers and variables of systemd are taken as they stand.
fn quoted(word: &str) -> String {
    assigned(&word.replace('$', "$$"))
}

/// A quoted value, where variables mean nothing.
fn assigned(word: &str) -> String {
    let word = word
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('\n', "\\n");
    format!("\"{word}\"")
}

fn shell_quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A search path with each folder at its first place only: shells in shells add theirs again and again.
pub(super) fn each_once(path: &str) -> String {
    let mut folders: Vec<&str> = Vec::new();
    for folder in path.split(':') {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders.join(":")
}

/// Where units of the user are.
pub(super) fn folder(config: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    let config = config
        .filter(|folder| folder.is_absolute())
        .map(Path::to_owned);
    let config = config.or_else(|| home.map(|home| home.join(".config")))?;
    Some(config.join("systemd/user"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_of_a_path_stands_once_and_their_order_stays() {
        for (path, once) in [
            ("/b:/a:/b:/c:/a", "/b:/a:/c"),
            ("/usr/bin", "/usr/bin"),
            ("", ""),
        ] {
            assert_eq!(each_once(path), once);
        }
    }

    #[test]
    fn a_path_of_several_lines_stands_on_one() {
        let unit = Unit {
            name: "headcount-shop.service".to_owned(),
            program: "/opt/headcount".into(),
            workspace: "/home/me/a\nExecStart=/bin/false".into(),
            state: "/home/me/state".into(),
            demo: false,
            environment: Vec::new(),
        };
        let text = unit.text();
        let begin = |line: &&str| line.starts_with("ExecStart=");
        assert_eq!(text.lines().filter(begin).count(), 1, "{text}");
        assert!(text.contains("Description=headcount for /home/me/a?ExecStart=/bin/false\n"));
    }

    #[test]
    fn the_unit_says_what_it_runs_and_quotes_what_systemd_would_read() {
        let unit = Unit {
            name: "headcount-shop.service".to_owned(),
            program: "/opt/head count/headcount".into(),
            workspace: "/home/me/50% \"shop\" $HOME".into(),
            state: "/home/me/state".into(),
            demo: true,
            environment: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        };
        insta::assert_snapshot!(unit.text(), @r#"
        # Written by `headcount install`; `headcount uninstall` removes it.
        [Unit]
        Description=headcount for /home/me/50%% "shop" $HOME
        StartLimitIntervalSec=60
        StartLimitBurst=5

        [Service]
        # `up` starts the instance, names it as the main process and ends; where one runs it starts none.
        Type=notify
        NotifyAccess=all
        Environment="PATH=/usr/bin:/bin"
        ExecStart="/opt/head count/headcount" "--workspace" "/home/me/50%% \"shop\" $$HOME" "--state" "/home/me/state" "--demo" up
        ExecStop="/opt/head count/headcount" "--workspace" "/home/me/50%% \"shop\" $$HOME" "--state" "/home/me/state" "--demo" down
        TimeoutStartSec=2min
        TimeoutStopSec=3min
        # An instance that fails is started again and takes its employees up, who work on meanwhile.
        Restart=on-failure
        RestartSec=2s
        KillMode=process
        OOMPolicy=continue
        # Control groups for the runs.
        Delegate=yes

        [Install]
        WantedBy=default.target
        "#);
        assert_eq!(
            unit.shell_line(),
            "'/opt/head count/headcount' --workspace '/home/me/50% \"shop\" $HOME' --state /home/me/state --demo up"
        );
    }
}
