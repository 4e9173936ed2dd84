//! What is kept of exits, on disk: `logs/proc_001.exits/0007.json`, a file an exit.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::domain::flight::{EXITS, Flight};
use crate::domain::id::ProcessId;
use crate::os::replace::replace;

/// Why what is kept of an exit cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FlightError {
    /// A file or folder cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It holds what this build does not understand.
    #[error("cannot understand {}", path.display())]
    Content {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The reading thread was stopped.
    #[error("it was not read to the end")]
    Interrupted,
}

fn folder(logs: &Path, process: ProcessId) -> PathBuf {
    logs.join(format!("{process}.exits"))
}

fn file(logs: &Path, process: ProcessId, number: u32) -> PathBuf {
    folder(logs, process).join(format!("{number:04}.json"))
}

/// Keeps an exit; the oldest go. What was kept under its number is replaced as a whole.
pub(crate) fn keep(logs: &Path, flight: &Flight) -> Result<(), FlightError> {
    let folder = folder(logs, flight.process);
    let path = file(logs, flight.process, flight.number);
    let failed = |source| FlightError::File {
        path: path.clone(),
        source,
    };
    let mut making = DirBuilder::new();
    making.recursive(true).mode(0o700);
    making.create(&folder).map_err(failed)?;
    let text = serde_json::to_vec(flight).map_err(|source| FlightError::Content {
        path: path.clone(),
        source,
    })?;
    replace(&path, &text).map_err(failed)?;
    let kept = numbers(&folder).map_err(failed)?;
    for number in kept.iter().rev().skip(EXITS) {
        fs::remove_file(file(logs, flight.process, *number)).map_err(failed)?;
    }
    Ok(())
}

/// Reads what is kept of an exit; `None` if there is nothing of that number.
pub(crate) fn read(
    logs: &Path,
    process: ProcessId,
    number: u32,
) -> Result<Option<Flight>, FlightError> {
    let path = file(logs, process, number);
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| FlightError::Content { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FlightError::File { path, source }),
    }
}

/// The numbers of the exits that are kept, the oldest first.
fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".json"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exit::{Exit, ExitStatus};
    use crate::domain::id::RunId;
    use crate::domain::snapshot::Status;
    use jiff::Timestamp;

    fn flight(number: u32) -> Flight {
        Flight {
            process: ProcessId(1),
            number,
            run: RunId(u64::from(number)),
            started: Timestamp::UNIX_EPOCH,
            exit: Exit {
                status: ExitStatus::Code(1),
                at: Timestamp::UNIX_EPOCH,
                ended: 1,
                killed: vec![],
                leaked: vec![],
                left: vec![],
                cpu_ms: 0,
                shim_lost: false,
                abandoned: false,
                stderr_tail: String::new(),
                memory: None,
            },
            fault: None,
            then: Status::Stopped,
            reason: String::new(),
            changes: vec![],
            sent: vec![],
            figures: vec![],
            lines: vec!["the last line".to_owned()],
        }
    }

    #[test]
    fn the_last_exits_are_kept_for_our_eyes_only() {
        use std::os::unix::fs::PermissionsExt;
        let logs = tempfile::tempdir().unwrap();
        for number in 1..=25 {
            keep(logs.path(), &flight(number)).unwrap();
        }
        let read = |number| read(logs.path(), ProcessId(1), number).unwrap();
        assert_eq!((read(5), read(26)), (None, None));
        assert_eq!((read(6), read(25)), (Some(flight(6)), Some(flight(25))));
        assert_eq!(
            numbers(&folder(logs.path(), ProcessId(1))).unwrap().len(),
            EXITS
        );
        let mode = fs::metadata(file(logs.path(), ProcessId(1), 25))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_kept_or_read_says_where() {
        let logs = tempfile::tempdir().unwrap();
        fs::write(folder(logs.path(), ProcessId(1)), "in the way").unwrap();
        let error = keep(logs.path(), &flight(1)).unwrap_err();
        assert!(matches!(error, FlightError::File { .. }), "{error:?}");
        let error = read(logs.path(), ProcessId(1), 1).unwrap_err();
        assert!(matches!(error, FlightError::File { .. }), "{error:?}");
        fs::remove_file(folder(logs.path(), ProcessId(1))).unwrap();
        keep(logs.path(), &flight(1)).unwrap();
        fs::write(file(logs.path(), ProcessId(1), 1), "{").unwrap();
        let error = read(logs.path(), ProcessId(1), 1).unwrap_err();
        assert!(matches!(error, FlightError::Content { .. }), "{error:?}");
    }
}
