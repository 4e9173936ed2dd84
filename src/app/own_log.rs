//! The instance's own log: `headcount.log`, and one older file beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Both files together take no more than twice this.
const LONGEST: u64 = 8 * 1024 * 1024;

/// Opens the log for adding to it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Sends what the program logs to `path`; with `take_over`, standard output and error as well, so
/// that a panic's message is not lost. `HEADCOUNT_LOG` says how much.
///
/// # Errors
/// If the file cannot be opened.
pub(crate) fn begin(path: &Path, take_over: bool) -> io::Result<()> {
    let log = Log::open(path, take_over, LONGEST)?;
    let filter = EnvFilter::try_from_env("HEADCOUNT_LOG").unwrap_or_else(|_| "info".into());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(log)
        .finish();
    // One is set already where tests run several instances in one process; it serves as well.
    drop(tracing::subscriber::set_global_default(subscriber));
    Ok(())
}

#[derive(Debug, Clone)]
struct Log(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    path: PathBuf,
    file: File,
    length: u64,
    longest: u64,
    take_over: bool,
}

impl Log {
    fn open(path: &Path, take_over: bool, longest: u64) -> io::Result<Self> {
        let file = open(path)?;
        let state = State {
            path: path.to_owned(),
            length: file.metadata()?.len(),
            file,
            longest,
            take_over,
        };
        state.redirect()?;
        Ok(Self(Arc::new(Mutex::new(state))))
    }
}

impl State {
    fn redirect(&self) -> io::Result<()> {
        if self.take_over {
            nix::unistd::dup2_stdout(&self.file)?;
            nix::unistd::dup2_stderr(&self.file)?;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let older = self.path.with_extension("log.1");
        fs::rename(&self.path, older)?;
        self.file = open(&self.path)?;
        self.length = 0;
        self.redirect()
    }
}

impl Write for &Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.length >= state.longest {
            // Where it cannot be rotated, a long log is better than none.
            drop(state.rotate());
        }
        let written = state.file.write(bytes)?;
        state.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = &'a Log;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.log");
        let log = Log::open(&path, false, 100).unwrap();
        for line in 0..50 {
            writeln!(&log, "line {line}").unwrap();
        }
        let now = fs::read_to_string(&path).unwrap();
        let older = fs::read_to_string(folder.path().join("headcount.log.1")).unwrap();
        assert!(now.len() <= 110 && older.len() <= 110);
        assert!(format!("{older}{now}").ends_with("line 48\nline 49\n"));
    }
}
