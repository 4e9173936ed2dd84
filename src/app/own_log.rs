//! The instance's own log: `headcount.log`, and one older file beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// Both files together take no more than twice this.
const LONGEST: u64 = 8 * 1024 * 1024;

/// Says how much is logged: a level, or levels by module.
const LEVELS_VARIABLE: &str = "HEADCOUNT_LOG";

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
    let (filter, mistake) = match std::env::var(LEVELS_VARIABLE) {
        Ok(text) => levels(&text),
        Err(_) => levels(""),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(log);
    let subscriber = tracing_subscriber::registry().with(lines).with(filter);
    // One is set already where tests run several instances in one process; it serves as well.
    drop(tracing::subscriber::set_global_default(subscriber));
    if let Some(mistake) = mistake {
        tracing::warn!(
            variable = LEVELS_VARIABLE,
            mistake,
            "not understood, so that level info is logged; what is understood is `debug`, or `info,headcount::store=trace`"
        );
    }
    Ok(())
}

/// What is logged, and what is wrong with the text that should say it.
fn levels(text: &str) -> (Targets, Option<String>) {
    let usual = Targets::new().with_default(LevelFilter::INFO);
    if text.is_empty() {
        return (usual, None);
    }
    match text.parse() {
        Ok(levels) => (levels, None),
        Err(error) => (usual, Some(error.to_string())),
    }
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
    fn levels_are_read_and_a_mistake_leaves_the_usual_ones() {
        let check = |text: &str, debugs: &[&str], is_wrong: bool| {
            let (levels, mistake) = levels(text);
            for target in ["headcount::store", "headcount::serve"] {
                let debug = levels.would_enable(target, &tracing::Level::DEBUG);
                assert_eq!(debug, debugs.contains(&target), "{text} {target}");
            }
            let warns = levels.would_enable("headcount::store", &tracing::Level::WARN);
            assert!(warns, "{text}");
            assert_eq!(mistake.is_some(), is_wrong, "{text}: {mistake:?}");
        };
        check("", &[], false);
        check("warn", &[], false);
        check("debug", &["headcount::store", "headcount::serve"], false);
        check("info,headcount::store=trace", &["headcount::store"], false);
        check("headcount::store=much", &[], true);
    }

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
