//! Whether enough is left of what every start takes: descriptors of this process, and processes.
//!
//! Looked at before a start, so that what is left last stays for the sockets that people and scripts
//! come by; and after one that failed, since a file that could not be opened for want of descriptors
//! looks like one that is not there.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use super::spec::{LaunchFailure, LaunchStage};

/// Descriptors that no start may take: for callers, terminals, the database and a start's own files.
const KEPT: u64 = 48;
/// Descriptors that one start takes, on its way and for good.
const START: u64 = 8;

/// The starts that are under way. Cheap to clone; all are one count.
#[derive(Debug, Clone, Default)]
pub struct Starts(Arc<Mutex<u64>>);

/// A start under way; it is not when this goes.
#[derive(Debug)]
pub struct Start(Arc<Mutex<u64>>);

impl Drop for Start {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}

impl Starts {
    /// Begins one, if there is enough for it beside all others that are under way: many at once would
    /// each find what is there for one of them.
    ///
    /// # Errors
    /// What is missing.
    pub fn begin(&self) -> Result<Start, Scarcity> {
        let start = self.take_up()?;
        match Scarcity::of_processes() {
            Some(lack) => Err(lack),
            None => Ok(start),
        }
    }

    /// The same for a run that is there already, which takes descriptors alone.
    ///
    /// # Errors
    /// What is missing.
    pub fn take_up(&self) -> Result<Start, Scarcity> {
        // Those that are refused do not count: many that ask again at once would refuse each other for ever.
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match Scarcity::of_descriptors(*under_way + 1) {
            Some(lack) => Err(lack),
            None => {
                *under_way += 1;
                Ok(Start(Arc::clone(&self.0)))
            }
        }
    }
}

/// What there is not enough of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scarcity {
    /// Descriptors of this process.
    Descriptors {
        /// How many are left.
        left: u64,
        /// How many it may have.
        limit: u64,
    },
    /// Descriptors of all processes together.
    AllDescriptors,
    /// Processes and threads.
    Processes,
    /// The kernel's memory.
    Memory,
}

impl fmt::Display for Scarcity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptors { left, limit } => write!(
                f,
                "headcount has {left} of its {limit} file descriptors left and keeps them for who calls"
            ),
            Self::AllDescriptors => f.write_str("the machine has no file descriptors left"),
            Self::Processes => f.write_str("no process can be made: their limit is reached"),
            Self::Memory => f.write_str("the machine has no memory for another process"),
        }
    }
}

impl Scarcity {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Descriptors { .. } => {
                "stop a process, or raise the limit (`ulimit -n`, `LimitNOFILE` of a service) and start headcount anew; it is tried again"
            }
            Self::AllDescriptors => {
                "end what has many files open (`lsof`), or raise `fs.file-max`; it is tried again"
            }
            Self::Processes => {
                "end what runs for nothing, or raise the limit (`ulimit -u`, `TasksMax` of a service, `pids.max` of a control group); it is tried again"
            }
            Self::Memory => "end what takes much memory; it is tried again",
        }
    }

    /// Looks what there is too little of for a start.
    pub fn look() -> Option<Self> {
        Self::of_descriptors(1).or_else(Self::of_processes)
    }

    fn of_descriptors(starts: u64) -> Option<Self> {
        let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        let used = match std::fs::read_dir("/proc/self/fd") {
            Ok(open) => open.count() as u64,
            Err(error) => return Self::of(&error),
        };
        let left = limit.saturating_sub(used);
        (left < KEPT + starts * START).then_some(Self::Descriptors { left, limit })
    }

    /// A thread counts as a process, whoever sets the limit: the user, a control group, the machine.
    fn of_processes() -> Option<Self> {
        match std::thread::Builder::new().spawn(|| ()) {
            Ok(thread) => {
                // It does nothing, so it cannot fail either.
                drop(thread.join());
                None
            }
            Err(error) => Self::of(&error).or(Some(Self::Processes)),
        }
    }

    /// What an error says is missing.
    pub fn of(error: &io::Error) -> Option<Self> {
        Self::of_errno(Errno::from_raw(error.raw_os_error()?))
    }

    fn of_errno(errno: Errno) -> Option<Self> {
        match errno {
            Errno::EMFILE => {
                let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or_default();
                Some(Self::Descriptors { left: 0, limit })
            }
            Errno::ENFILE => Some(Self::AllDescriptors),
            Errno::EAGAIN => Some(Self::Processes),
            Errno::ENOMEM => Some(Self::Memory),
            _ => None,
        }
    }

    /// What a shim lacked that could launch nothing. A program that cannot be run is another matter.
    pub fn of_launch(failure: &LaunchFailure) -> Option<Self> {
        match failure.stage {
            LaunchStage::Program | LaunchStage::WorkingDirectory => None,
            _ => Self::of_errno(Errno::from_raw(failure.errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_missing() {
        let of = |errno: Errno| Scarcity::of(&io::Error::from(errno));
        assert_eq!(of(Errno::ENFILE), Some(Scarcity::AllDescriptors));
        assert_eq!(of(Errno::EAGAIN), Some(Scarcity::Processes));
        assert_eq!(of(Errno::ENOMEM), Some(Scarcity::Memory));
        assert!(matches!(
            of(Errno::EMFILE),
            Some(Scarcity::Descriptors { left: 0, .. })
        ));
        assert_eq!(of(Errno::ENOENT), None);
        assert_eq!(Scarcity::of(&io::Error::other("no number")), None);
    }

    #[test]
    fn many_starts_at_once_find_no_more_than_there_is() {
        let starts = Starts::default();
        let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let most = limit / START;
        // Where there is no limit to speak of, there is no end to them either.
        let begun: Vec<Start> = (0..most.min(100_000))
            .map_while(|_| starts.take_up().ok())
            .collect();
        assert!(!begun.is_empty());
        if most <= 100_000 {
            assert!((begun.len() as u64) < most, "{} began", begun.len());
            assert!(starts.take_up().is_err());
        }
        drop(begun);
        assert!(starts.take_up().is_ok(), "what is over takes nothing");
    }

    #[test]
    fn a_program_that_cannot_be_run_is_no_scarcity() {
        let failure = |stage| LaunchFailure {
            stage,
            errno: Errno::EAGAIN as i32,
        };
        let of = |stage| Scarcity::of_launch(&failure(stage));
        assert_eq!(of(LaunchStage::Fork), Some(Scarcity::Processes));
        assert_eq!(of(LaunchStage::Program), None);
    }
}
