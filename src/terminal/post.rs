//! What goes from the client to the host.

use std::time::Duration;

use tokio::io::WriteHalf;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::terminal::wire::{self, Hello, Sender, ToHost};

/// How long the last message to the instance may take.
const LAST_LETTER: Duration = Duration::from_millis(200);

/// The way to the host. An instance that does not read must not hold the client up: it could not
/// even be left then.
pub(crate) struct Post {
    letters: mpsc::Sender<ToHost>,
    task: JoinSet<()>,
}

impl Post {
    pub(crate) fn begin(mut to_host: Sender<WriteHalf<UnixStream>>, hello: Hello) -> Self {
        // Room for the events of a second of an instance that is held up.
        let (letters, mut waiting) = mpsc::channel(256);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // A failure is not told here: the instance may have said goodbye, which is still to be
            // read from the other direction.
            if wire::send(&mut to_host, &hello).await.is_err() {
                return;
            }
            while let Some(letter) = waiting.recv().await {
                if wire::send(&mut to_host, &letter).await.is_err() {
                    return;
                }
            }
        });
        Self { letters, task }
    }

    pub(crate) fn send(&self, letter: ToHost) {
        // Where there is no room, the instance has not read for long and will not miss a key.
        drop(self.letters.try_send(letter));
    }

    /// Waits until the last one is sent, for as long as is reasonable.
    pub(crate) async fn end(mut self) {
        drop(self.letters);
        drop(tokio::time::timeout(LAST_LETTER, self.task.join_next()).await);
    }
}
