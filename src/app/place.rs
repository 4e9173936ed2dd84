//! Where an instance keeps its things: the state folder of a workspace, and the sockets in it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The kernel's limit for the path of a socket, without its closing zero.
const LONGEST_SOCKET: usize = 107;

/// Why there is no state folder.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The workspace is not there.
    #[error("cannot find the workspace {}", path.display())]
    Workspace {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no home folder to keep state in.
    #[error("there is no home folder to keep state in")]
    NoHome,
    /// A folder cannot be made.
    #[error("cannot make the folder {}", path.display())]
    Make {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder for sockets belongs to somebody else or is open to others.
    #[error("the folder {} is not ours alone", path.display())]
    NotOurs {
        /// Which.
        path: PathBuf,
    },
}

impl PlaceError {
    /// What to do about it, where there is something to say.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::Workspace { .. } => "name a folder that exists with --workspace",
            Self::NoHome => "set HOME, or name a folder with --state",
            Self::Make { .. } => "mend the permissions, or name another folder with --state",
            Self::NotOurs { .. } => "remove it, or set TMPDIR to a folder of your own",
        })
    }
}

/// The state folder of one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder {
    workspace: PathBuf,
    base: PathBuf,
    folder: PathBuf,
}

impl StateFolder {
    /// Finds the state folder of a workspace; nothing is made yet. `state` takes the place of the
    /// user's own folder for state; the workspaces are subfolders of either.
    ///
    /// # Errors
    /// [`PlaceError::Workspace`] if the workspace is not there, [`PlaceError::NoHome`] if neither
    /// the environment nor `state` names a place.
    pub fn locate(workspace: &Path, state: Option<&Path>) -> Result<Self, PlaceError> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|source| PlaceError::Workspace {
                path: path.to_owned(),
                source,
            })
        };
        // By its real path: one workspace has one instance, however it is reached.
        let workspace = workspace
            .canonicalize()
            .map_err(|source| PlaceError::Workspace {
                path: workspace.to_owned(),
                source,
            })?;
        let base = match state {
            Some(state) => absolute(state)?,
            None => user_state().ok_or(PlaceError::NoHome)?,
        };
        let folder = base.join(subfolder(&workspace, ""));
        Ok(Self {
            workspace,
            base,
            folder,
        })
    }

    /// That of the workspace's demonstration, which never meets the real staff.
    #[must_use]
    pub fn demo(&self) -> Self {
        Self {
            folder: self.base.join(subfolder(&self.workspace, "-demo")),
            ..self.clone()
        }
    }

    /// Makes the folder, for this user alone.
    ///
    /// # Errors
    /// [`PlaceError::Make`] if it cannot be made.
    pub fn make(&self) -> Result<(), PlaceError> {
        make(&self.base)?;
        make(&self.folder)?;
        let fail = |source| PlaceError::Make {
            path: self.folder.clone(),
            source,
        };
        let metadata = fs::metadata(&self.folder).map_err(fail)?;
        if metadata.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700)).map_err(fail)?;
        }
        Ok(())
    }

    /// The workspace, by its real path.
    #[must_use]
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// The folder that all workspaces share.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join("headcount.db")
    }

    /// The folder of the runs.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// The folder of the logs of the processes.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The instance's own log.
    #[must_use]
    pub fn own_log(&self) -> PathBuf {
        self.folder.join("headcount.log")
    }

    /// Its presence tells the running instance to stay when the last terminal leaves.
    #[must_use]
    pub fn keep_mark(&self) -> PathBuf {
        self.folder.join("keep")
    }

    /// Held by whoever is about to start an instance.
    #[must_use]
    pub fn start_lock(&self) -> PathBuf {
        self.folder.join("start.lock")
    }

    /// The socket of the terminals. [`StateFolder::make_sockets_folder`] makes its folder.
    #[must_use]
    pub fn attach_socket(&self) -> PathBuf {
        self.sockets_folder().join("attach.sock")
    }

    /// The socket of the HTTP interface.
    #[must_use]
    pub fn api_socket(&self) -> PathBuf {
        self.sockets_folder().join("api.sock")
    }

    /// Makes the folder of the sockets where it is not the state folder itself, and looks that it
    /// is this user's alone: the temp folder belongs to everybody.
    ///
    /// # Errors
    /// [`PlaceError::Make`] and [`PlaceError::NotOurs`].
    pub fn make_sockets_folder(&self) -> Result<(), PlaceError> {
        let path = self.sockets_folder();
        if path == self.folder {
            return Ok(());
        }
        make(&path)?;
        let metadata = fs::symlink_metadata(&path).map_err(|source| PlaceError::Make {
            path: path.clone(),
            source,
        })?;
        let ours = metadata.is_dir()
            && metadata.uid() == nix::unistd::geteuid().as_raw()
            && metadata.permissions().mode() & 0o077 == 0;
        if ours {
            Ok(())
        } else {
            Err(PlaceError::NotOurs { path })
        }
    }

    fn sockets_folder(&self) -> PathBuf {
        let longest = self.folder.join("attach.sock");
        if longest.as_os_str().len() <= LONGEST_SOCKET {
            return self.folder.clone();
        }
        let user = nix::unistd::geteuid().as_raw();
        let hash = hash(self.folder.as_os_str());
        std::env::temp_dir().join(format!("headcount-{user}-{hash}"))
    }
}

/// The user's own folder for state.
fn user_state() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "headcount")?;
    let state = folders.state_dir().unwrap_or_else(|| folders.data_dir());
    Some(state.to_owned())
}

/// A name that a person recognizes and that no other workspace has.
fn subfolder(workspace: &Path, suffix: &str) -> String {
    let name = workspace.file_name().unwrap_or(OsStr::new("root"));
    let name: String = name
        .to_string_lossy()
        .chars()
        .map(|char| match char {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => char,
            _ => '_',
        })
        .take(32)
        .collect();
    format!("{name}-{}{suffix}", hash(workspace.as_os_str()))
}

fn hash(text: &OsStr) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(5)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn make(path: &Path) -> Result<(), PlaceError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| PlaceError::Make {
            path: path.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_has_one_folder_and_its_demo_another() {
        let temp = tempfile::tempdir().unwrap();
        let shop = temp.path().join("my shop");
        let link = temp.path().join("link");
        fs::create_dir(&shop).unwrap();
        std::os::unix::fs::symlink(&shop, &link).unwrap();
        let state = temp.path().join("state");
        let place = StateFolder::locate(&shop, Some(&state)).unwrap();
        assert_eq!(place, StateFolder::locate(&link, Some(&state)).unwrap());
        assert!(place.path().starts_with(&state));
        let name = place.path().file_name().unwrap().to_string_lossy();
        assert!(name.starts_with("my_shop-"), "{name}");
        assert_ne!(place.path(), place.demo().path());
        assert_eq!(place.demo().workspace(), place.workspace());

        place.make().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(place.path()), 0o700);
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        place.make().unwrap();
        assert_eq!(mode(place.path()), 0o700);
    }

    #[test]
    fn a_workspace_that_is_not_there_is_an_error() {
        let error = StateFolder::locate(Path::new("/nonexistent/shop"), None).unwrap_err();
        assert!(matches!(error, PlaceError::Workspace { .. }));
    }

    #[test]
    fn a_long_path_moves_the_sockets_to_a_folder_of_our_own() {
        let temp = tempfile::tempdir().unwrap();
        let state = temp.path().join("long".repeat(40));
        let place = StateFolder::locate(temp.path(), Some(&state)).unwrap();
        let socket = place.attach_socket();
        assert!(socket.as_os_str().len() <= LONGEST_SOCKET);
        assert!(!socket.starts_with(&state));
        place.make_sockets_folder().unwrap();
        let folder = socket.parent().unwrap();

        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        let open = place.make_sockets_folder();
        fs::remove_dir(folder).unwrap();
        std::os::unix::fs::symlink(temp.path(), folder).unwrap();
        let link = place.make_sockets_folder();
        fs::remove_file(folder).unwrap();
        for refused in [open, link] {
            assert!(matches!(refused, Err(PlaceError::NotOurs { .. })));
        }
    }
}
