//! The host with clients and a hub that only listens.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::Event as Input;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::command::Command;
use crate::domain::event::Event;
use crate::domain::id::ProcessId;
use crate::domain::snapshot::Snapshot;
use crate::runtime::Events;
use crate::runtime::git::Worktrees;
use crate::runtime::handle::{Growth, Handle, Mail};
use crate::runtime::logs::Logs;
use crate::terminal::host::Host;
use crate::terminal::looks::Looks;
use crate::terminal::screen::{PANIC, Screen, Setting};
use crate::terminal::wire::{
    self, Environment, Frames, Goodbye, Hello, Note, Sender, ToClient, ToHost, Versions,
};
use crate::tui::Action;

const PATIENCE: Duration = Duration::from_secs(20);

struct Stage {
    handle: Handle,
    mail: mpsc::Receiver<Mail>,
    host: Host,
    shutdown: CancellationToken,
    _view: watch::Sender<Arc<Snapshot>>,
}

impl Stage {
    fn new(shims: HashMap<u32, ProcessId>) -> Self {
        let (sender, mail) = mpsc::channel(64);
        let (view, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let logs = Arc::new(Logs::new(
            PathBuf::from("/nonexistent"),
            "/nonexistent".into(),
        ));
        let shims = shims.into_iter().map(|(pid, process)| (pid, Some(process)));
        let (_, shims) = watch::channel(Arc::new(shims.collect::<HashMap<_, _>>()));
        let handle = Handle::new(
            sender,
            snapshots,
            logs,
            Growth::default(),
            Worktrees::default(),
            shims,
            Events::of(std::path::Path::new("/nonexistent")),
        );
        let shutdown = CancellationToken::new();
        Self {
            host: Host::new(handle.clone(), shutdown.clone()),
            handle,
            mail,
            shutdown,
            _view: view,
        }
    }

    async fn attach(&self) -> Client {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.host.attach(theirs);
        let mut client = Client::greet(ours).await;
        assert!(matches!(
            client.hear().await,
            ToClient::Note(Note::Welcome(_))
        ));
        assert!(matches!(client.hear().await, ToClient::Screen(_)));
        client
    }

    /// The next fact that fits.
    async fn told(&mut self, fits: impl Fn(&Event) -> bool) -> Event {
        loop {
            match timeout(PATIENCE, self.mail.recv()).await.unwrap().unwrap() {
                Mail::Fact(event) if fits(&event) => return event,
                _ => {}
            }
        }
    }

    async fn end(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.host.end()).await.unwrap();
    }
}

fn hello() -> Hello {
    Hello {
        versions: Versions::ours(),
        columns: 80,
        rows: 24,
        bookmark: None,
        environment: Environment::default(),
    }
}

struct Client {
    frames: Frames<ReadHalf<UnixStream>>,
    sender: Sender<WriteHalf<UnixStream>>,
}

impl Client {
    async fn greet(stream: UnixStream) -> Self {
        let (frames, mut sender) = wire::split(stream);
        wire::send(&mut sender, &hello()).await.unwrap();
        Self { frames, sender }
    }

    async fn say(&mut self, message: ToHost) {
        wire::send(&mut self.sender, &message).await.unwrap();
    }

    async fn hear(&mut self) -> ToClient {
        let frame = timeout(PATIENCE, wire::receive(&mut self.frames)).await;
        wire::read_from_host(frame.unwrap().unwrap().unwrap()).unwrap()
    }

    async fn goodbye(&mut self) -> Goodbye {
        loop {
            if let ToClient::Note(Note::Goodbye(goodbye)) = self.hear().await {
                return goodbye;
            }
        }
    }

    async fn is_drawn_for(&mut self) {
        let (columns, rows) = (100, 30);
        self.say(ToHost::Redraw { columns, rows }).await;
        assert!(matches!(self.hear().await, ToClient::Screen(_)));
    }
}

#[tokio::test]
async fn d15_a_panic_in_one_screen_ends_that_one_alone() {
    let mut stage = Stage::new(HashMap::new());
    let mut one = stage.attach().await;
    let mut two = stage.attach().await;
    one.say(ToHost::Event(Input::Paste(PANIC.to_owned()))).await;
    assert_eq!(one.goodbye().await, Goodbye::Failed(PANIC.to_owned()));
    stage
        .told(|event| matches!(event, Event::Trouble { .. }))
        .await;
    two.is_drawn_for().await;
    stage.end().await;
}

#[tokio::test]
async fn e3_a_size_that_is_the_same_again_is_drawn_anew() {
    let stage = Stage::new(HashMap::new());
    let mut one = stage.attach().await;
    // There and back, faster than anybody looked.
    let (columns, rows) = (hello().columns, hello().rows);
    one.say(ToHost::Event(Input::Resize(columns, rows))).await;
    let ToClient::Screen(bytes) = one.hear().await else {
        panic!("a note");
    };
    let text = String::from_utf8_lossy(&bytes);
    assert!(
        text.contains("\u{1b}[2J") && text.contains("headcount"),
        "{text:?}"
    );
    stage.end().await;
}

#[tokio::test]
async fn terminals_are_counted_and_hear_of_the_end() {
    let mut stage = Stage::new(HashMap::new());
    let mut one = stage.attach().await;
    stage
        .told(|event| matches!(event, Event::Terminals { attached: 1, .. }))
        .await;
    let mut two = stage.attach().await;
    stage
        .told(|event| matches!(event, Event::Terminals { attached: 2, .. }))
        .await;
    one.say(ToHost::Leave).await;
    stage
        .told(|event| matches!(event, Event::Terminals { attached: 1, .. }))
        .await;
    stage.shutdown.cancel();
    assert_eq!(two.goodbye().await, Goodbye::Ended);
    stage.end().await;
}

#[tokio::test]
async fn e4_a_client_that_reads_nothing_does_not_delay_the_end() {
    let stage = Stage::new(HashMap::new());
    let mut stalled = stage.attach().await;
    for columns in (1..2000).map(|n| 60 + n % 140) {
        stalled.say(ToHost::Redraw { columns, rows: 60 }).await;
    }
    stage.attach().await.is_drawn_for().await;
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_does_not_delay_the_end() {
    let stage = Stage::new(HashMap::new());
    let (_silent, theirs) = UnixStream::pair().unwrap();
    stage.host.attach(theirs);
    let begun = tokio::time::Instant::now();
    stage.end().await;
    // The clock stands unless somebody waits for it.
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn g5_an_employee_may_not_attach_and_its_try_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    for (shims, employee) in [
        (HashMap::from([(std::process::id(), ProcessId(7))]), true),
        (HashMap::new(), false),
    ] {
        let mut stage = Stage::new(shims);
        let path = folder.path().join(format!("{employee}.sock"));
        let listener = UnixListener::bind(&path).unwrap();
        let host = stage.host.clone();
        let until = stage.shutdown.clone();
        let try_it = async {
            // This process is the instance: what connects from it is no person.
            let stream = UnixStream::connect(&path).await.unwrap();
            let mut client = Client::greet(stream).await;
            assert!(matches!(client.goodbye().await, Goodbye::Refused(_)));
            let event = stage
                .told(|event| matches!(event, Event::Trespass { .. } | Event::Trouble { .. }))
                .await;
            match event {
                Event::Trespass { process, .. } => assert!(employee && process == ProcessId(7)),
                _ => assert!(!employee),
            }
            stage.end().await;
        };
        tokio::join!(host.accept(&listener, &until), try_it);
    }
}

/// A screen without a client.
fn screen(stage: &Stage, orders: &TaskTracker) -> Screen {
    screen_for(Environment::default(), stage, orders)
}

fn screen_for(environment: Environment, stage: &Stage, orders: &TaskTracker) -> Screen {
    let (_, heard) = mpsc::channel(1);
    let (said, _) = mpsc::channel(1);
    let hello = Hello {
        environment,
        ..hello()
    };
    Screen::new(
        &hello,
        Setting {
            handle: stage.handle.clone(),
            orders: orders.clone(),
            eye: Looks::new().open(),
            shutdown: stage.shutdown.clone(),
            heard,
            said,
        },
    )
}

#[tokio::test]
async fn a_copied_text_goes_to_the_terminal_as_osc_52() {
    let stage = Stage::new(HashMap::new());
    let mut screen = screen(&stage, &TaskTracker::new());
    screen.act(vec![Action::Copy("cargo test".to_owned())]);
    let frame = screen.frame().unwrap();
    let sent = String::from_utf8_lossy(&frame);
    assert!(sent.contains("\x1b]52;c;Y2FyZ28gdGVzdA=="), "{sent:?}");
    drop(screen);
    stage.end().await;
}

#[tokio::test]
async fn an_order_is_given_even_if_its_screen_leaves_at_once() {
    let mut stage = Stage::new(HashMap::new());
    let orders = TaskTracker::new();
    let screen = screen(&stage, &orders);
    screen.order(1, Command::Start(ProcessId(1)));
    drop(screen);
    loop {
        if let Mail::Order { command, .. } = stage.mail.recv().await.unwrap() {
            assert_eq!(command, Command::Start(ProcessId(1)));
            break;
        }
    }
    orders.close();
    timeout(PATIENCE, orders.wait()).await.unwrap();
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn t5_a_person_is_called_by_the_ways_that_are_on_and_not_too_often() {
    let both = "\x1b]9;Ada asks: git push\x07\x1b]777;notify;headcount;Ada asks: git push\x07\x07";
    for (notify, expected) in [
        ("", both),
        ("bell", "\x07"),
        ("osc9", "\x1b]9;Ada asks: git push\x07"),
        ("off", ""),
    ] {
        let stage = Stage::new(HashMap::new());
        let environment = Environment {
            term: "xterm-256color".to_owned(),
            notify: notify.to_owned(),
            ..Environment::default()
        };
        let mut screen = screen_for(environment, &stage, &TaskTracker::new());
        // The first picture, so that what follows is the call alone.
        screen.frame();
        let mut sent = |text: &str| {
            screen.act(vec![
                Action::Call(text.to_owned()),
                Action::Title("(1) headcount".to_owned()),
            ]);
            let frame = screen.frame().unwrap_or_default();
            String::from_utf8_lossy(&frame).into_owned()
        };
        let title = if notify.is_empty() {
            "\x1b]2;(1) headcount\x07"
        } else {
            ""
        };
        assert!(
            sent("Ada asks: git push").contains(&format!("{title}{expected}")),
            "{notify}"
        );
        // One that comes at once waits, and is then said with the newest words.
        assert!(!sent("Linus asks: make").contains("Linus"), "{notify}");
        tokio::time::advance(Duration::from_secs(6)).await;
        let late = sent("Grace asks: ls");
        assert_eq!(late.contains("Grace"), expected.contains("]9;"), "{notify}");
        assert!(!late.contains("Linus"), "{notify}");
        drop(screen);
        stage.end().await;
    }
}
