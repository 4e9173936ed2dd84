//! Writes the shipped company out for editing.

use std::path::Path;

use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::config;

pub(super) fn run(folder: &Path, output: &mut Output) -> Result<(), CliError> {
    let done = config::init(folder)?;
    for path in &done.written {
        output.line(format_args!("wrote {}", path.display()))?;
    }
    for path in &done.kept {
        output.line(format_args!("kept {}", path.display()))?;
    }
    Ok(())
}
