//! `install` and `uninstall`: the instance as a service of the user, started at boot, outliving log-outs.
//!
//! Both may be called again and again. Nothing here starts an instance beside one that runs: the service
//! itself calls `up`, which starts none where one is.

mod unit;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::unistd::{User, geteuid};
use tokio::process::Command;

use crate::cli::args::InstallArgs;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::place::Place;
use crate::cli::service::unit::Unit;
use crate::config::COMMAND_OVERRIDE;

/// How long a tool of systemd may take; a start adopts what an earlier instance left.
const PATIENCE: Duration = Duration::from_secs(150);
/// What a service lacks and the roles refer to. Keys are left to the env files: a unit is no place for them.
const KEPT: [&str; 3] = ["PATH", "LANG", COMMAND_OVERRIDE];

/// Why there is no service, or why it stays.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServiceError {
    /// There is no systemd for this user.
    #[error("no systemd answers for this user ({why})")]
    NoManager {
        /// What `systemctl` said, or why it did not.
        why: String,
        /// The line that starts an instance by other means.
        line: String,
    },
    /// One of its tools refused.
    #[error("`{call}` failed: {said}")]
    Refused {
        /// What was called.
        call: String,
        /// What it said.
        said: String,
    },
    /// The unit cannot be written or removed.
    #[error("cannot write {}", path.display())]
    Unit {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no home folder to keep it in.
    #[error("there is no home folder to keep the unit in")]
    NoHome,
}

impl ServiceError {
    /// What to do about it.
    pub(super) fn remedy(&self) -> String {
        match self {
            Self::NoManager { line, .. } => format!(
                "start it at boot with a line in `crontab -e`: @reboot {line}\n\
                 or at each log-in with this line in ~/.profile: {line}"
            ),
            Self::Refused { call, .. } => {
                format!("run `{call}` yourself and mend what it says, then install again")
            }
            Self::Unit { .. } => "mend the permissions of its folder".to_owned(),
            Self::NoHome => "set HOME".to_owned(),
        }
    }
}

/// The unit of a company.
fn unit_of(place: &Place) -> Result<Unit, CliError> {
    let program = std::env::current_exe().map_err(CliError::Program)?;
    let environment = KEPT
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| match name.as_str() {
            "PATH" => (name, unit::each_once(&value)),
            _ => (name, value),
        })
        .collect();
    let folder = place.state().file_name().unwrap_or_default();
    Ok(Unit {
        name: format!("headcount-{}.service", folder.to_string_lossy()),
        program,
        workspace: place.workspace().to_owned(),
        state: place.base().to_owned(),
        demo: place.demo(),
        environment,
    })
}

/// Where its file is.
fn path_of(unit: &Unit) -> Result<PathBuf, ServiceError> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = std::env::home_dir();
    let folder = unit::folder(config.as_deref(), home.as_deref()).ok_or(ServiceError::NoHome)?;
    Ok(folder.join(&unit.name))
}

/// Whether a company is installed, for `doctor`.
pub(super) fn is_installed(place: &Place) -> bool {
    unit_of(place)
        .ok()
        .and_then(|unit| path_of(&unit).ok())
        .is_some_and(|path| path.is_file())
}

/// Sets the company up as a service.
pub(super) async fn install(
    args: &InstallArgs,
    place: &Place,
    output: &mut Output,
) -> Result<(), CliError> {
    let unit = unit_of(place)?;
    if args.print {
        return output.text(&unit.text());
    }
    manager(&unit).await?;
    let path = path_of(&unit)?;
    let text = unit.text();
    if fs::read_to_string(&path).is_ok_and(|there| there == text) {
        output.line(format_args!("{} is there already", path.display()))?;
    } else {
        write(&path, &text)?;
        output.line(format_args!("wrote {}", path.display()))?;
    }
    call("systemctl", &["--user", "daemon-reload"]).await?;
    call("systemctl", &["--user", "enable", &unit.name]).await?;
    output.line(format_args!("it starts with the machine"))?;
    linger(output).await?;
    let client = place.own_client();
    if client.is_answered().await {
        output.line(format_args!(
            "an instance runs already and goes on; the service takes over after `headcount down`, \
             with `systemctl --user start {}`",
            unit.name
        ))?;
    } else {
        call("systemctl", &["--user", "start", &unit.name]).await?;
        output.line(format_args!("started {}", unit.name))?;
    }
    Ok(())
}

/// Takes the service away. What runs goes on.
pub(super) async fn uninstall(place: &Place, output: &mut Output) -> Result<(), CliError> {
    let unit = unit_of(place)?;
    let path = path_of(&unit)?;
    if !path.exists() {
        return output.line(format_args!(
            "no service is installed for {}",
            place.workspace().display()
        ));
    }
    manager(&unit).await?;
    call("systemctl", &["--user", "disable", &unit.name]).await?;
    fs::remove_file(&path).map_err(|source| ServiceError::Unit {
        path: path.clone(),
        source,
    })?;
    call("systemctl", &["--user", "daemon-reload"]).await?;
    output.line(format_args!("removed {}", path.display()))?;
    if place.own_client().is_answered().await {
        output.line(format_args!(
            "the instance goes on; end it with `headcount down`"
        ))?;
    }
    output.line(format_args!(
        "lingering is left as it is: other services may need it (`loginctl disable-linger`)"
    ))
}

/// Whether there is a manager for units of this user.
async fn manager(unit: &Unit) -> Result<(), ServiceError> {
    call("systemctl", &["--user", "show-environment"])
        .await
        .map(drop)
        .map_err(|error| ServiceError::NoManager {
            why: match error {
                ServiceError::Refused { said, .. } => said,
                other => other.to_string(),
            },
            line: unit.shell_line(),
        })
}

/// Sees to it that the user's services outlive the last log-out.
async fn linger(output: &mut Output) -> Result<(), CliError> {
    let Ok(Some(user)) = User::from_uid(geteuid()) else {
        return Ok(());
    };
    let words = ["show-user", &user.name, "--property=Linger", "--value"];
    let asked = call("loginctl", &words).await;
    if asked.is_ok_and(|said| said.trim() == "yes") {
        return output.line(format_args!(
            "lingering is on already: it outlives the last log-out"
        ));
    }
    match call("loginctl", &["enable-linger", &user.name]).await {
        Ok(_) => output.line(format_args!(
            "lingering is on: it outlives the last log-out"
        )),
        // The service is there all the same, and ends at the last log-out.
        Err(error) => {
            output.note(format_args!(
                "it ends at the last log-out and starts at the next log-in: {error}; try: sudo loginctl enable-linger {}",
                user.name
            ));
            Ok(())
        }
    }
}

/// Runs a tool to its end and returns what it printed.
async fn call(tool: &str, words: &[&str]) -> Result<String, ServiceError> {
    let refused = |said: String| ServiceError::Refused {
        call: format!("{tool} {}", words.join(" ")),
        said,
    };
    let running = Command::new(tool)
        .args(words)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let done = tokio::time::timeout(PATIENCE, running)
        .await
        .map_err(|_| refused(format!("no answer in {} s", PATIENCE.as_secs())))?
        .map_err(|error| refused(error.to_string()))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(refused(match said.trim() {
        "" => done.status.to_string(),
        said => said.to_owned(),
    }))
}

/// Writes the unit whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), ServiceError> {
    let fail = |source| ServiceError::Unit {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(fail)?;
    let new = path.with_extension("new");
    fs::write(&new, text).map_err(fail)?;
    fs::rename(&new, path).map_err(fail)
}
