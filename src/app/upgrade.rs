//! Whether a program can take over from the instance that runs, found out before it does.
//!
//! A command line asks itself with [`check`]. The instance asks the program that it is to become: it starts it with
//! [`COMMAND`], and it has to say that it understands. What is no headcount does not say so.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::process::Command;

use crate::app::engine;
use crate::app::instance::{InstanceError, InstanceOptions};
use crate::app::place::StateFolder;
use crate::app::ready::Word;
use crate::domain::command::Refusal;
use crate::os::orphans::Children;
use crate::runtime::{self, Folders, children};

/// The hidden subcommand that makes this program say whether it could be the instance.
pub(super) const COMMAND: &str = "__understands";

/// How long it may take to read configuration and state.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads configuration and state as an instance would; changes nothing.
///
/// # Errors
/// What an instance of this build would end with.
pub fn check(place: &StateFolder) -> Result<(), InstanceError> {
    let (_, catalogue, _) = engine::configuration(place)?;
    runtime::understands(&Folders::of(place.path()), catalogue).map_err(InstanceError::Runtime)
}

/// Says on standard output whether this program could be that instance.
pub(super) fn say(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let checked = InstanceOptions::read(arguments).and_then(|options| check(&options.place));
    let word = match checked {
        Ok(()) => Word::Up,
        Err(error) => Word::failed(&error, error.remedy()),
    };
    match writeln!(std::io::stdout(), "{}", word.line()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Asks a program whether it could take the place of the instance with these options.
///
/// # Errors
/// Why it cannot.
pub(super) async fn ask(program: &Path, options: &InstanceOptions) -> Result<(), Refusal> {
    let cannot = |causes: &str, remedy| Refusal::Work {
        cause: format!(
            "{} cannot take over, and the instance goes on as it is: {causes}",
            program.display()
        ),
        remedy,
    };
    let mut command = Command::new(program);
    command
        .arg0("headcount")
        .arg(COMMAND)
        .args(options.arguments().into_iter().skip(1));
    let said = children::run(&Children::default(), command, b"", PATIENCE).await;
    let output = said.map_err(|error| {
        let cause = std::error::Error::source(&error);
        let cause = cause.map(|cause| format!(": {cause}"));
        cannot(&format!("{error}{}", cause.unwrap_or_default()), None)
    })?;
    let line = String::from_utf8_lossy(&output.stdout);
    match Word::read(line.trim_end()) {
        Some(Word::Up) => Ok(()),
        Some(Word::Failed { causes, remedy }) => Err(cannot(&causes.join(": "), remedy)),
        Some(Word::Taken { .. }) | None => Err(cannot(
            "it is no headcount that takes over",
            Some("name the program of a headcount of this version or later".to_owned()),
        )),
    }
}
