//! What a run keeps on disk: its lock, who serves it, its record, its exit report.
//!
//! Readable with or without a shim, and the same for a run of the past and one of now.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::identity::ProcessIdentity;
use super::spec::ExitReport;
use super::text;
use crate::domain::id::RunId;

/// What went wrong with a run folder.
#[derive(Debug, thiserror::Error)]
pub enum RunFolderError {
    /// The last part of its path is not the id of a run.
    #[error("{} is not named after a run", path.display())]
    Name {
        /// The folder.
        path: PathBuf,
    },
    /// A file could not be read or listed.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file could not be written, made or removed.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected.
        #[source]
        source: serde_json::Error,
    },
}

/// Who serves a run and how its processes are found, as the shim writes it into `shim.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimRecord {
    /// Of the protocol that the shim speaks.
    pub version: u32,
    /// The run.
    pub run: RunId,
    /// The shim itself.
    pub shim: ProcessIdentity,
    /// The value of the variable that marks all processes of the run.
    pub mark: String,
    /// The folder of the run's control group, from just before the launch on.
    #[serde(with = "text::maybe_path", default)]
    pub cgroup: Option<PathBuf>,
    /// The leader, from just after the launch on.
    #[serde(default)]
    pub leader: Option<ProcessIdentity>,
}

/// The folder of one run, `runs/RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
    run: RunId,
}

impl RunFolder {
    /// Takes up a folder that is named after its run.
    ///
    /// # Errors
    /// [`RunFolderError::Name`] if it is not.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RunFolderError> {
        let path = path.into();
        match path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
        {
            Some(run) => Ok(Self { path, run }),
            None => Err(RunFolderError::Name { path }),
        }
    }

    /// Makes the folder of `run` below `runs`, for our eyes only.
    ///
    /// # Errors
    /// [`RunFolderError::Write`], also if it exists: the id of a run is never used again.
    pub fn create(runs: &Path, run: RunId) -> Result<Self, RunFolderError> {
        let path = runs.join(run.to_string());
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self { path, run }),
            Err(source) => Err(RunFolderError::Write { path, source }),
        }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Returns what the shim wrote about itself; `None` if none has begun.
    ///
    /// # Errors
    /// [`RunFolderError::Read`] and [`RunFolderError::Damaged`].
    pub fn shim(&self) -> Result<Option<ShimRecord>, RunFolderError> {
        self.read_json("shim.json")
    }

    /// Returns the exit report; `None` while the run is not over, or if its shim was killed.
    ///
    /// # Errors
    /// [`RunFolderError::Read`] and [`RunFolderError::Damaged`].
    pub fn exit_report(&self) -> Result<Option<ExitReport>, RunFolderError> {
        self.read_json("exit.json")
    }

    /// Does a living shim hold this folder?
    ///
    /// Asks for the lock, which cannot outlive its holder, and not whether a number still exists.
    ///
    /// # Errors
    /// [`RunFolderError::Read`] if the lock cannot be tried.
    pub fn is_served(&self) -> Result<bool, RunFolderError> {
        let path = self.path.join("lock");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(RunFolderError::Read { path, source }),
        };
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => Ok(false),
            Err((_, Errno::EWOULDBLOCK)) => Ok(true),
            Err((_, error)) => Err(RunFolderError::Read {
                path,
                source: error.into(),
            }),
        }
    }

    /// Takes the lock for as long as the returned value lives; `None` if another has it.
    pub(crate) fn lock(&self) -> Result<Option<Flock<File>>, RunFolderError> {
        let path = self.path.join("lock");
        let fail = |source| RunFolderError::Write {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(fail(error.into())),
        }
    }

    pub(crate) fn write_shim(&self, record: &ShimRecord) -> Result<(), RunFolderError> {
        // Not synced: it matters only while processes of this boot run.
        self.write_json("shim.json", record, false)
    }

    pub(crate) fn write_exit_report(&self, report: &ExitReport) -> Result<(), RunFolderError> {
        self.write_json("exit.json", report, true)
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, RunFolderError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|source| RunFolderError::Damaged { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RunFolderError::Read { path, source }),
        }
    }

    /// Replaces a file whole: a reader sees the old one or the new one.
    fn write_json(
        &self,
        name: &str,
        value: &impl Serialize,
        sync: bool,
    ) -> Result<(), RunFolderError> {
        let path = self.path.join(name);
        let fail = |source: io::Error| RunFolderError::Write {
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec(value).map_err(|error| fail(error.into()))?;
        let temporary = self.path.join(format!("{name}.new"));
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            file.write_all(&text)?;
            if sync {
                file.sync_all()?;
            }
            fs::rename(&temporary, &path)?;
            if sync {
                File::open(&self.path)?.sync_all()?;
            }
            Ok(())
        };
        write().map_err(fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_after_its_run() {
        assert_eq!(
            RunFolder::open("/x/run_000007").expect("opens").run(),
            RunId(7)
        );
        for path in ["/x/run", "/x/proc_001", "/"] {
            RunFolder::open(path).expect_err(path);
        }
    }

    #[test]
    fn a_folder_is_served_while_its_lock_is_held() {
        let temp = tempfile::tempdir().expect("temp folder");
        let folder = RunFolder::create(temp.path(), RunId(1)).expect("is made");
        assert!(!folder.is_served().expect("is tried"));
        let lock = folder.lock().expect("is tried").expect("is free");
        assert!(folder.is_served().expect("is tried"));
        assert!(folder.lock().expect("is tried").is_none());
        drop(lock);
        assert!(!folder.is_served().expect("is tried"));
    }

    #[test]
    fn a_run_that_never_began_has_neither_shim_nor_report() {
        let temp = tempfile::tempdir().expect("temp folder");
        let folder = RunFolder::create(temp.path(), RunId(1)).expect("is made");
        assert_eq!(folder.shim().expect("reads"), None);
        assert_eq!(folder.exit_report().expect("reads"), None);
        fs::write(folder.path().join("exit.json"), "{").expect("is written");
        assert!(matches!(
            folder.exit_report(),
            Err(RunFolderError::Damaged { .. })
        ));
    }
}
