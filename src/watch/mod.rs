//! Watches prompts and configuration on disk, and says that something may have changed.
//!
//! What changed is not said: an editor's save is several events of several kinds, and whoever is told
//! compares contents. Folders are watched, never files: after a rename over it a watched file is
//! dead. A folder that is not there is waited for in the nearest one above it that is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// An editor's save is over when nothing came for this long.
const SETTLED: Duration = Duration::from_millis(250);
/// After so many events it is said although there are more: a file that never rests is one that changed.
const MOST: usize = 1000;

/// Why changes are not noticed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The kernel gives no watcher; mostly its limits are used up.
    #[error("changes of prompts and roles.toml are not noticed")]
    Watch(#[source] notify::Error),
}

/// Watches a set of files. Dropped, it stops.
#[derive(Debug)]
pub struct Watch {
    watching: RecommendedWatcher,
    folders: BTreeMap<PathBuf, Identity>,
    files: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Watch {
    /// Begins to watch nothing. `changed` is called on a thread of its own, once for what belongs
    /// together.
    ///
    /// # Errors
    /// [`WatchError::Watch`].
    pub fn begin(changed: impl Fn() + Send + 'static) -> Result<Self, WatchError> {
        let files: Arc<Mutex<BTreeSet<PathBuf>>> = Arc::default();
        let known = Arc::clone(&files);
        let (sender, events) = channel();
        let told = move |result: notify::Result<notify::Event>| {
            // An error is a reason to look as well: events may have been lost.
            let concerns = result.map_or(true, |event| {
                let known = known.lock().unwrap_or_else(PoisonError::into_inner);
                concerns(&event, &known)
            });
            if concerns {
                // The other end goes with the last event alone.
                let _ = sender.send(());
            }
        };
        let watching = notify::recommended_watcher(told).map_err(WatchError::Watch)?;
        // Waits in the kernel while nothing changes. A debouncer that ticks took more of the
        // processor than all else of an instance at rest.
        thread::Builder::new()
            .name("changes".to_owned())
            .spawn(move || settle(&events, changed))
            .map_err(|error| WatchError::Watch(notify::Error::io(error)))?;
        Ok(Self {
            watching,
            folders: BTreeMap::new(),
            files,
        })
    }

    /// Watches these files from now on, also those that do not exist yet. To be called again after
    /// each change: a folder may have been replaced by another of the same name. Returns whether a
    /// folder is watched that was not before: what changed in it meanwhile was not noticed.
    ///
    /// # Errors
    /// [`WatchError::Watch`] if a folder that is there cannot be watched; the others are.
    pub fn set(&mut self, files: impl IntoIterator<Item = PathBuf>) -> Result<bool, WatchError> {
        let files: BTreeSet<PathBuf> = files.into_iter().collect();
        let wanted: BTreeMap<PathBuf, Identity> = files
            .iter()
            .flat_map(|file| folders_of(file))
            .filter_map(|folder| Some((folder.clone(), identity(&folder)?)))
            .collect();
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
        // A watch that holds is left alone: between taking it away and setting it anew, a change
        // would be lost.
        let gone = self
            .folders
            .extract_if(.., |folder, known| wanted.get(folder) != Some(known));
        for (folder, _) in gone {
            // One that is gone has taken its watch along.
            drop(self.watching.unwatch(&folder));
        }
        let mut outcome = Ok(false);
        for (folder, identity) in wanted {
            if self.folders.contains_key(&folder) {
                continue;
            }
            match self.watching.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.folders.insert(folder, identity);
                    outcome = outcome.map(|_| true);
                }
                // It went between the two looks; the one above it tells when it is back.
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                Err(error) => outcome = Err(WatchError::Watch(error)),
            }
        }
        outcome
    }
}

/// Says once of events that follow each other closely that something changed; until no more can come.
fn settle(events: &Receiver<()>, changed: impl Fn()) {
    while events.recv().is_ok() {
        for _ in 1..MOST {
            if events.recv_timeout(SETTLED).is_err() {
                break;
            }
        }
        changed();
    }
}

/// Tells a folder from another that has taken its name.
type Identity = (u64, u64);

fn identity(folder: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(folder).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The folder of a file and the one above it, as far as they are there; else the nearest that is.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    file.ancestors()
        .skip(1)
        .filter(|folder| folder.is_dir())
        .take(2)
        .map(Path::to_owned)
        .collect()
}

/// Whether an event is about one of the files, or about a folder on the way to one.
fn concerns(event: &notify::Event, files: &BTreeSet<PathBuf>) -> bool {
    if matches!(event.kind, EventKind::Access(_)) {
        return false;
    }
    event.need_rescan()
        || event
            .paths
            .iter()
            .any(|path| files.iter().any(|file| file.starts_with(path)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn watching(file: &Path) -> (Watch, Receiver<()>) {
        let (sender, told) = channel();
        let mut watch = Watch::begin(move || {
            let _ = sender.send(());
        })
        .unwrap();
        assert!(watch.set([file.to_owned()]).unwrap());
        assert!(!watch.set([file.to_owned()]).unwrap());
        (watch, told)
    }

    #[test]
    fn every_way_of_saving_a_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let prompts = folder.path().join("prompts");
        fs::create_dir(&prompts).unwrap();
        let file = prompts.join("sre.md");
        fs::write(&file, "one").unwrap();
        let (mut watch, told) = watching(&file);

        fs::write(prompts.join(".sre.md.swp"), "two").unwrap();
        fs::rename(prompts.join(".sre.md.swp"), &file).unwrap();
        told.recv_timeout(LONG).expect("a rename over it");

        fs::write(&file, "three").unwrap();
        told.recv_timeout(LONG).expect("truncated and written");

        fs::remove_file(&file).unwrap();
        told.recv_timeout(LONG).expect("removed");

        fs::write(&file, "four").unwrap();
        told.recv_timeout(LONG).expect("back again");

        fs::rename(&prompts, folder.path().join("old")).unwrap();
        told.recv_timeout(LONG).expect("its folder moved away");
        watch.set([file.clone()]).unwrap();
        fs::create_dir(&prompts).unwrap();
        told.recv_timeout(LONG).expect("its folder is made anew");
        watch.set([file.clone()]).unwrap();
        fs::write(&file, "five").unwrap();
        told.recv_timeout(LONG).expect("written in a new folder");
    }

    #[test]
    fn what_comes_together_is_said_once_and_what_never_rests_is_said() {
        for (events, said) in [
            (0, 0),
            (1, 1),
            (20, 1),
            (MOST, 1),
            (MOST + 1, 2),
            (3 * MOST, 3),
        ] {
            let (sender, receiver) = channel();
            for _ in 0..events {
                sender.send(()).unwrap();
            }
            drop(sender);
            let count = Cell::new(0);
            settle(&receiver, || count.set(count.get() + 1));
            assert_eq!(count.get(), said, "{events}");
        }
    }

    #[test]
    fn other_files_of_the_folder_are_nobodys_business() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roles.toml");
        fs::write(&file, "one").unwrap();
        let (_watch, told) = watching(&file);
        fs::write(folder.path().join("notes.txt"), "two").unwrap();
        fs::read_to_string(&file).unwrap();
        // Both would be told of in one go, so what comes first is the change of the file itself.
        fs::write(&file, "three").unwrap();
        told.recv_timeout(LONG).expect("the file");
    }
}
