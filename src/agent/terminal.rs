//! Any command in a pseudo-terminal: a person talks to it, its screen is shown as it draws it.

use crate::agent::launch::{CommandLine, LaunchError, LaunchRequest};
use crate::agent::plain;

/// What our screen emulates; a program that draws must not guess.
const TERM: &str = "xterm-256color";

/// The command as the entry of `[agents]` has it, told which terminal it is in.
pub(super) fn command_line(request: &LaunchRequest<'_>) -> Result<CommandLine, LaunchError> {
    let mut line = plain::command_line(request)?;
    let environment = &mut line.environment;
    environment.insert("TERM".to_owned(), TERM.to_owned());
    environment
        .entry("COLORTERM".to_owned())
        .or_insert_with(|| "truecolor".to_owned());
    Ok(line)
}
