//! Any command on pipes: its output is its log, and exit code 0 is the end of its work.

use crate::agent::launch::{CommandLine, LaunchError, LaunchRequest, check};

/// The command as the entry of `[agents]` has it.
pub(super) fn command_line(request: &LaunchRequest<'_>) -> Result<CommandLine, LaunchError> {
    let mut environment = request.environment.clone();
    if let Some(folder) = &request.temporary_folder {
        environment.insert("TMPDIR".to_owned(), folder.display().to_string());
    }
    check(CommandLine::new(request, vec![], environment))
}
