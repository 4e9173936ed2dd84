//! Whose tree somebody looks at: only then its processes are told one by one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::id::ProcessId;

/// The processes that are looked at, and by how many.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched(Arc<Mutex<HashMap<ProcessId, u32>>>);

/// One look at a process; it ends when this is dropped.
#[derive(Debug)]
pub struct Looking {
    watched: Watched,
    process: ProcessId,
}

impl Watched {
    /// Begins a look.
    pub(crate) fn look(&self, process: ProcessId) -> Looking {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *watched.entry(process).or_insert(0) += 1;
        Looking {
            watched: self.clone(),
            process,
        }
    }

    /// Whether anybody looks.
    pub(crate) fn is_watched(&self, process: ProcessId) -> bool {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.contains_key(&process)
    }
}

impl Looking {
    /// At which process.
    #[must_use]
    pub const fn process(&self) -> ProcessId {
        self.process
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let mut watched = self
            .watched
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = watched.get_mut(&self.process) {
            *count -= 1;
            if *count == 0 {
                watched.remove(&self.process);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_watched_until_the_last_look_ends() {
        let watched = Watched::default();
        let ada = ProcessId(1);
        let (one, other) = (watched.look(ada), watched.look(ada));
        assert_eq!(one.process(), ada);
        drop(one);
        assert!(watched.is_watched(ada) && !watched.is_watched(ProcessId(2)));
        drop(other);
        assert!(!watched.is_watched(ada));
    }
}
