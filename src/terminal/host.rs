//! The instance's side: one task for each attached terminal, each with a screen of its own.
//!
//! No terminal waits for another, and nothing else waits for a terminal. A panic in one ends that
//! one alone.

use std::any::Any;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::event::Event;
use crate::runtime::handle::{Caller, Handle, Peer};
use crate::terminal::looks::Looks;
use crate::terminal::screen::{Screen, Setting};
use crate::terminal::wire::{
    self, Goodbye, Hello, Note, PROTOCOL, Sender, ToClient, Versions, WireError,
};

/// More terminals than people have; each costs a screen.
const MOST: u32 = 64;
/// How long a client may take to say who it is.
const HELLO: Duration = Duration::from_secs(10);
/// How long a client may take to hear the last words.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long to wait when no connection can be accepted, for want of descriptors for example.
const RECOVERY: Duration = Duration::from_millis(200);

/// Serves the attached terminals. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Host(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    handle: Handle,
    shutdown: CancellationToken,
    clients: TaskTracker,
    orders: TaskTracker,
    /// Whether another program takes over: then nobody is told that the instance ends.
    handing_over: AtomicBool,
    /// `None` once nobody is let in any more.
    attached: watch::Sender<Option<u32>>,
    looks: Looks,
}

/// How a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Over the socket: by anybody of this user, an employee too.
    Socket,
    /// From this very process.
    Own,
}

impl Host {
    /// Makes a host without clients. It ends with `shutdown`.
    #[must_use]
    pub fn new(handle: Handle, shutdown: CancellationToken) -> Self {
        let (attached, counts) = watch::channel(Some(0));
        let looks = Looks::new();
        let host = Self(Arc::new(Shared {
            handle: handle.clone(),
            shutdown: shutdown.clone(),
            clients: TaskTracker::new(),
            orders: TaskTracker::new(),
            handing_over: AtomicBool::new(false),
            attached,
            looks: looks.clone(),
        }));
        let looking = looks.report(handle.clone(), shutdown.clone());
        host.0.clients.spawn(looking);
        host.0.clients.spawn(report(handle, counts, shutdown));
        host
    }

    /// How many terminals are attached, as it changes; `None` after [`Host::close_if_empty`].
    #[must_use]
    pub fn attached(&self) -> watch::Receiver<Option<u32>> {
        self.0.attached.subscribe()
    }

    /// Lets nobody in any more, if nobody is there. Who comes from then on hears that the instance
    /// ends, before anything was shown, and can start another one.
    #[must_use]
    pub fn close_if_empty(&self) -> bool {
        self.0.attached.send_if_modified(|count| {
            let empty = *count == Some(0);
            if empty {
                *count = None;
            }
            empty
        })
    }

    /// Accepts clients until `until` is cancelled. Those that are attached stay.
    pub async fn accept(&self, listener: &UnixListener, until: &CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = until.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.admit(stream, Way::Socket),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a terminal");
                    tokio::time::sleep(RECOVERY).await;
                }
            }
        }
    }

    /// Attaches a terminal of this very process.
    pub fn attach(&self, stream: UnixStream) {
        self.admit(stream, Way::Own);
    }

    /// Has whoever is attached told to come back: another program takes over.
    pub fn hand_over(&self) {
        self.0.handing_over.store(true, Ordering::Release);
    }

    /// Waits until every client has heard that the instance ends, and is gone. `shutdown` must be
    /// cancelled before.
    pub async fn end(&self) {
        self.0.clients.close();
        self.0.clients.wait().await;
        self.0.orders.close();
        self.0.orders.wait().await;
    }

    fn admit(&self, stream: UnixStream, way: Way) {
        let shared = Arc::clone(&self.0);
        self.0.clients.spawn(async move {
            if let Err(error) = shared.attend(stream, way).await {
                tracing::debug!(%error, "a terminal is gone");
            }
        });
    }
}

/// Reports how many are attached: the newest count, in order.
async fn report(
    handle: Handle,
    mut counts: watch::Receiver<Option<u32>>,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = counts.changed() => if changed.is_err() { return },
        }
        let Some(attached) = *counts.borrow_and_update() else {
            return;
        };
        let seen = handle.presence().last();
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = handle.report(Event::Terminals { attached, seen }) => {}
        }
    }
}

impl Shared {
    async fn attend(&self, stream: UnixStream, way: Way) -> Result<(), WireError> {
        let peer = stream.peer_cred()?;
        // Before the first byte is read: who hides behind a process that ends is told by its end.
        let who = self.handle.peer(&stream);
        let (mut frames, mut sender) = wire::split(stream);
        if peer.uid() != nix::unistd::geteuid().as_raw() {
            tracing::warn!(uid = peer.uid(), "a terminal of another user was refused");
            return refuse(
                &mut sender,
                Goodbye::Refused("another user's instance".to_owned()),
            )
            .await;
        }
        let hello = tokio::select! {
            biased;
            hello = timeout(HELLO, wire::receive(&mut frames)) => hello,
            // Nobody waits for one who says nothing.
            () = self.shutdown.cancelled() => return Ok(()),
        };
        let Ok(hello) = hello else {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        };
        let Some(hello) = hello? else {
            // Somebody only looked whether we are here.
            return Ok(());
        };
        let versions: Versions = wire::read(&hello)?;
        if versions.protocol != PROTOCOL {
            return refuse(&mut sender, Goodbye::Versions(Versions::ours())).await;
        }
        let hello: Hello = wire::read(&hello)?;
        if way == Way::Socket
            && let Some(why) = self.trespass(who, peer.pid()).await
        {
            return refuse(&mut sender, Goodbye::Refused(why)).await;
        }
        let _place = match Place::take(&self.attached) {
            Ok(place) => place,
            Err(goodbye) => return refuse(&mut sender, goodbye).await,
        };
        let welcome = ToClient::Note(Note::Welcome(Versions::ours()));
        wire::send_to_client(&mut sender, &welcome).await?;

        let (hear, heard) = mpsc::channel(64);
        let (said, mut saying) = mpsc::channel(1);
        let mut ways = JoinSet::new();
        ways.spawn(async move {
            while let Ok(Some(frame)) = wire::receive(&mut frames).await {
                let message = match wire::read(&frame) {
                    Ok(message) => message,
                    Err(error) => {
                        tracing::warn!(%error, "a terminal said what cannot be understood");
                        return None;
                    }
                };
                if hear.send(message).await.is_err() {
                    return None;
                }
            }
            None
        });
        let writing = ways.spawn(async move {
            while let Some(message) = saying.recv().await {
                if wire::send_to_client(&mut sender, &message).await.is_err() {
                    return None;
                }
            }
            Some(sender)
        });
        let setting = Setting {
            handle: self.handle.clone(),
            orders: self.orders.clone(),
            eye: self.looks.open(),
            shutdown: self.shutdown.clone(),
            heard,
            said,
        };
        let screen = AssertUnwindSafe(async { Screen::new(&hello, setting).attend().await });
        let goodbye = match screen.catch_unwind().await {
            Ok((Some(Goodbye::Ended), bookmark)) if self.handing_over.load(Ordering::Acquire) => {
                Some(Goodbye::HandedOver { bookmark })
            }
            Ok((goodbye, _)) => goodbye,
            Err(panic) => Some(self.failed(words(panic.as_ref())).await),
        };
        if let Some(goodbye) = goodbye {
            // The screen is gone and with it the only sender: the writer ends after its last frame.
            let last_words = async {
                while let Some(ended) = ways.join_next_with_id().await {
                    if let Ok((id, Some(mut sender))) = ended
                        && id == writing.id()
                    {
                        return refuse(&mut sender, goodbye).await;
                    }
                }
                Ok(())
            };
            // A client that reads nothing is left without.
            return timeout(LAST_WORDS, last_words).await.unwrap_or(Ok(()));
        }
        Ok(())
    }

    /// Why the process at the other end may not attach, if so.
    async fn trespass(&self, who: Peer, peer: Option<i32>) -> Option<String> {
        let peer = peer.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        match who {
            Peer::Known(Caller::Person) => None,
            Peer::Foreign => Some("another user's instance".to_owned()),
            Peer::Known(Caller::Employee(process)) => {
                let what = "tried to attach to the screen".to_owned();
                self.handle.report(Event::Trespass { process, what }).await;
                Some("an employee may not attach to the screen".to_owned())
            }
            Peer::Untraced => {
                let text =
                    format!("process {peer} tried to attach to the screen and hid whose it is");
                let process = None;
                self.handle.report(Event::Trouble { process, text }).await;
                Some("it cannot be told whose this process is".to_owned())
            }
            Peer::Known(Caller::Stray) => {
                let text = format!(
                    "process {peer}, which was left by a run, tried to attach to the screen"
                );
                self.handle
                    .report(Event::Trouble {
                        process: None,
                        text,
                    })
                    .await;
                Some("a process that an employee left may not attach to the screen".to_owned())
            }
        }
    }

    /// Records that a screen failed by a mistake of ours.
    async fn failed(&self, text: String) -> Goodbye {
        tracing::error!(text, "a screen failed");
        self.handle
            .report(Event::Trouble {
                process: None,
                text: format!("a screen failed and was closed: {text}"),
            })
            .await;
        Goodbye::Failed(text)
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}

async fn refuse<W: tokio::io::AsyncWrite + Unpin>(
    sender: &mut Sender<W>,
    goodbye: Goodbye,
) -> Result<(), WireError> {
    let goodbye = ToClient::Note(Note::Goodbye(goodbye));
    match timeout(LAST_WORDS, wire::send_to_client(sender, &goodbye)).await {
        Ok(sent) => sent,
        Err(_) => Ok(()),
    }
}

/// A place among the attached, given back when it is dropped.
struct Place<'a>(&'a watch::Sender<Option<u32>>);

impl<'a> Place<'a> {
    fn take(attached: &'a watch::Sender<Option<u32>>) -> Result<Self, Goodbye> {
        let mut refusal = Some(Goodbye::Ended);
        attached.send_if_modified(|count| {
            refusal = match count {
                None => Some(Goodbye::Ended),
                Some(MOST..) => {
                    let why = format!("{MOST} terminals are attached already");
                    Some(Goodbye::Refused(why))
                }
                Some(free) => {
                    *free += 1;
                    None
                }
            };
            refusal.is_none()
        });
        refusal.map_or(Ok(Self(attached)), Err)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| {
            if let Some(count) = count {
                *count = count.saturating_sub(1);
            }
        });
    }
}
