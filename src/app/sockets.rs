//! The instance's sockets: bound under the lock of the state folder, bound anew when they vanish.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::app::place::{PlaceError, StateFolder};

/// How often to look whether the file is still ours; a cleaner of temp folders may take it.
const LOOK: Duration = Duration::from_secs(5);

/// Why a socket cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Its folder cannot be used.
    #[error(transparent)]
    Folder(#[from] PlaceError),
    /// The socket itself.
    #[error("cannot bind the socket {}", path.display())]
    Bind {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Which file a path leads to.
type Identity = (u64, u64);

/// A second descriptor of a socket, as long as the socket is not given to a program that takes over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spare(Arc<Mutex<Option<OwnedFd>>>);

impl Spare {
    /// Takes the descriptor: from now on the socket's file stays.
    pub(crate) fn take(&self) -> Option<OwnedFd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, fd: OwnedFd) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fd);
    }

    fn is_there(&self) -> bool {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spare.is_some()
    }
}

/// A bound socket. Its file goes when this does, if it is still this one's.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    identity: Identity,
    listener: Option<UnixListener>,
    spare: Spare,
}

impl Socket {
    /// Takes the socket over from the program that was in this process before, or binds it: what
    /// stands in its place is stale, since the lock is ours.
    pub(crate) fn take(
        place: &StateFolder,
        path: &Path,
        inherited: Option<OwnedFd>,
    ) -> Result<Self, SocketError> {
        let taken = inherited.and_then(|fd| Self::adopt(path, fd).ok());
        taken.map_or_else(|| Self::bind(place, path), Ok)
    }

    fn adopt(path: &Path, fd: OwnedFd) -> io::Result<Self> {
        let spare = Spare::default();
        spare.put(fd.try_clone()?);
        let listener = std::os::unix::net::UnixListener::from(fd);
        if listener.local_addr()?.as_pathname() != Some(path) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        listener.set_nonblocking(true)?;
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
            listener: Some(UnixListener::from_std(listener)?),
            spare,
        })
    }

    /// The descriptor for a program that takes over.
    pub(crate) fn spare(&self) -> Spare {
        self.spare.clone()
    }

    /// Binds the socket anew.
    pub(crate) fn bind(place: &StateFolder, path: &Path) -> Result<Self, SocketError> {
        let fail = |source| SocketError::Bind {
            path: path.to_owned(),
            source,
        };
        place.make_sockets_folder()?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(fail)?;
        // The folder is this user's alone, so nobody came in between.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(fail)?;
        let identity = identity(path).map_err(fail)?;
        let spare = Spare::default();
        spare.put(listener.as_fd().try_clone_to_owned().map_err(fail)?);
        Ok(Self {
            path: path.to_owned(),
            identity,
            listener: Some(listener),
            spare,
        })
    }

    /// The listener; once.
    pub(crate) fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }

    /// Returns when the path does not lead here any more.
    pub(crate) async fn vanished(&self) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.is_there() {
            ticks.tick().await;
        }
    }

    fn is_there(&self) -> bool {
        identity(&self.path).is_ok_and(|found| found == self.identity)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_there() && self.spare.is_there() {
            // It may have gone in this moment.
            drop(fs::remove_file(&self.path));
        }
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Serves a socket until `shutdown`, and binds it anew whenever its file vanishes. `serve` gets a
/// listener and a token that ends it.
pub(crate) async fn keep<F: Future<Output = ()>>(
    mut socket: Socket,
    place: &StateFolder,
    shutdown: &CancellationToken,
    mut serve: impl FnMut(UnixListener, CancellationToken) -> F,
) {
    loop {
        let Some(listener) = socket.take_listener() else {
            return;
        };
        let until = shutdown.child_token();
        let vanished = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = socket.vanished() => until.cancel(),
            }
        };
        futures::future::join(serve(listener, until.clone()), vanished).await;
        let (path, spare) = (socket.path.clone(), socket.spare.clone());
        // Before the new one is there: the number of its file may be the same.
        drop(socket);
        socket = loop {
            if shutdown.is_cancelled() {
                return;
            }
            match Socket::bind(place, &path) {
                Ok(mut bound) => {
                    // Whoever holds the one has the other.
                    if let Some(fd) = bound.spare.take() {
                        spare.put(fd);
                    }
                    bound.spare = spare;
                    break bound;
                }
                Err(error) => tracing::error!(%error, "cannot bind a socket that vanished"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        };
        tracing::warn!(path = %path.display(), "a socket vanished and was bound anew");
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;

    fn place() -> (tempfile::TempDir, StateFolder) {
        let temp = tempfile::tempdir().unwrap();
        let place = StateFolder::locate(temp.path(), Some(temp.path())).unwrap();
        place.make().unwrap();
        (temp, place)
    }

    #[tokio::test]
    async fn d5_a_stale_socket_is_replaced() {
        let (_temp, place) = place();
        let path = place.attach_socket();
        let stale = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(stale);
        assert!(path.exists());
        let socket = Socket::bind(&place, &path).unwrap();
        assert!(UnixStream::connect(&path).await.is_ok());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_that_vanishes_is_bound_anew() {
        let (_temp, place) = place();
        let path = place.api_socket();
        let socket = Socket::bind(&place, &path).unwrap();
        let shutdown = CancellationToken::new();
        let (bound, mut listeners) = tokio::sync::mpsc::unbounded_channel();
        let serve = |listener: UnixListener, until: CancellationToken| {
            let bound = bound.clone();
            async move {
                // The test waits for the second one.
                let _ = bound.send(());
                until.cancelled().await;
                drop(listener);
            }
        };
        let test = async {
            listeners.recv().await.unwrap();
            tokio::time::pause();
            fs::remove_file(&path).unwrap();
            listeners.recv().await.unwrap();
            assert!(UnixStream::connect(&path).await.is_ok());
            shutdown.cancel();
        };
        futures::future::join(keep(socket, &place, &shutdown, serve), test).await;
        assert!(!path.exists());
    }
}
