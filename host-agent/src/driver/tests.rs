//! The driver with a server, a browser, a customer and a desktop that the test plays.

mod guests;
mod hands;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Mutex, OnceLock};

use nearhand_desktop::fake::{self, Control, Injected};
use nearhand_protocol::chat::ChatMessage;
use nearhand_protocol::control::{Hello, ToHost, ToViewer};
use nearhand_protocol::file::{FileMessage, FileProblem, TransferId};
use nearhand_protocol::grant::{Right, Rights};
use nearhand_protocol::id::{ResumeToken, Seat, SessionId};
use nearhand_protocol::input::{InputEvent, KeyCode, PointerMove};
use nearhand_protocol::machine::handshake::{Binding, Exchange, Fingerprint, Key};
use nearhand_protocol::proof::Share;
use nearhand_protocol::signal::{HostToServer, Negotiate, Sdp, Technician};
use nearhand_protocol::version::{Capabilities, Version};
use nearhand_protocol::wire::decode;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::rtc::fake::{FakeTransport, Recorded};
use crate::rtc::{Event as PeerEvent, Path, PeerState};
use crate::session::{Question, QuestionId};

const PATIENCE: Duration = Duration::from_secs(20);

/// What the customer saw.
#[derive(Clone, Debug)]
enum Seen {
    Asked(Question),
    Withdrawn,
    Told(News),
    Stopped,
}

struct FakeUi(mpsc::UnboundedSender<Seen>);

impl Ui for FakeUi {
    fn ask(&mut self, question: &Question) {
        let _ = self.0.send(Seen::Asked(question.clone()));
    }

    fn withdraw(&mut self, _: QuestionId) {
        let _ = self.0.send(Seen::Withdrawn);
    }

    fn show(&mut self, news: &News) {
        let _ = self.0.send(Seen::Told(news.clone()));
    }

    fn stop(&mut self) {
        let _ = self.0.send(Seen::Stopped);
    }
}

/// Hands out transports that were made before; when there are none left, it takes for ever.
struct FakeConnect(Mutex<Vec<(Arc<FakeTransport>, Events)>>);

#[async_trait]
impl Connect for FakeConnect {
    async fn connect(&self, _: &[IceServer]) -> Result<(Arc<dyn Transport>, Events), RtcError> {
        let made = self.0.lock().unwrap().pop();
        match made {
            Some((transport, events)) => Ok((transport, events)),
            None => std::future::pending().await,
        }
    }
}

/// What the host's end of every connection uses: its own certificate and the browser's.
const FINGERPRINTS: [[u8; 32]; 2] = [[3; 32], [4; 32]];

/// Where the customer's computer is at first.
const FIRST_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn code() -> Code {
    "482 913 705".parse().unwrap()
}

/// Everything around one driver.
struct Stage {
    /// The technician's end of it.
    key: Option<Key>,
    transports: Vec<Arc<FakeTransport>>,
    seen: mpsc::UnboundedReceiver<Seen>,
    commands: mpsc::Sender<Command>,
    interrupt: mpsc::Sender<()>,
    from_server: mpsc::Sender<signal::Event>,
    to_server: mpsc::Receiver<HostToServer>,
    redial: Arc<tokio::sync::Notify>,
    addresses: tokio::sync::watch::Sender<BTreeSet<IpAddr>>,
    desktop: Control,
    downloads: tempfile::TempDir,
    hand: Arc<OnceLock<Hand>>,
    driver: JoinHandle<Result<CloseReason, DriverError>>,
}

impl Stage {
    fn new() -> Self {
        let mut transports = Vec::new();
        let mut ready = Vec::new();
        for _ in 0..3 {
            let (transport, events) = FakeTransport::new();
            transport.set_video(Ok(()));
            let [local, remote] = FINGERPRINTS.map(crate::rtc::Fingerprint::from_bytes);
            transport.set_fingerprints(local, remote);
            transports.push(transport.clone());
            ready.insert(0, (transport, events));
        }
        let (ui, seen) = mpsc::unbounded_channel();
        let (commands, customer) = mpsc::channel(8);
        let (interrupt, interrupted) = mpsc::channel(1);
        let (from_server, server) = mpsc::channel(8);
        let (signal, to_server, redial) = Signal::fake();
        let (addresses, watched) = tokio::sync::watch::channel([FIRST_ADDRESS].into());
        let (mut desktop, control) = fake::desktop(64, 48);
        let local = desktop.local.take().expect("a hand");
        let downloads = tempfile::tempdir().unwrap();
        let hand = Arc::new(OnceLock::new());
        let listening = hand.clone();
        let driver = tokio::spawn(run(Parts {
            consent: Consent::Customer,
            code: code(),
            ui: Box::new(FakeUi(ui)),
            commands: customer,
            interrupt: interrupted,
            signal,
            server,
            connect: Box::new(FakeConnect(Mutex::new(ready))),
            interfaces: Interfaces::scripted(watched),
            desktop,
            downloads: downloads.path().to_owned(),
            brake: Brake::default(),
            listen: Some(Box::new(move |hand| {
                let _ = listening.set(hand.clone());
                devices(local)(hand)
            })),
        }));
        Self {
            key: None,
            transports,
            seen,
            commands,
            interrupt,
            from_server,
            to_server,
            redial,
            addresses,
            desktop: control,
            downloads,
            hand,
            driver,
        }
    }

    /// In the room, and the first peer connection stands.
    async fn connected() -> Self {
        let mut stage = Self::new();
        stage.welcome().await;
        stage.exchange(code()).await;
        stage.join(0).await;
        stage
    }

    async fn welcome(&self) {
        self.server(ServerToHost::Welcome {
            version: Version::CURRENT,
            session: SessionId::new(uuid::Uuid::nil()),
            resume: ResumeToken::new("r".into()),
            technician: Technician { name: "Ada".into(), organisation: String::new() },
            ice_servers: vec![IceServer {
                urls: vec!["turn:relay".into()],
                username: None,
                credential: None,
            }],
            viewer_present: true,
        })
        .await;
    }

    /// The key exchange with a technician who was told this code.
    async fn exchange(&mut self, code: Code) {
        let session = SessionId::new(uuid::Uuid::nil());
        let (exchange, share) = Exchange::begin(Seat::Viewer, session, code, [1; SEED_LEN]);
        self.server(ServerToHost::Share { share }).await;
        let ours = self.share().await;
        self.key = Some(exchange.finish(&ours).unwrap());
    }

    /// The host's share.
    async fn share(&mut self) -> Share {
        loop {
            let message = timeout(PATIENCE, self.to_server.recv()).await.expect("a share").expect("one");
            if let HostToServer::Share { share } = message {
                return share;
            }
        }
    }

    /// The host's next wish for a restart, and whether by a new connection.
    async fn wants_restart(&mut self) -> (Epoch, bool) {
        loop {
            let message = timeout(PATIENCE, self.to_server.recv()).await.expect("a wish").expect("one");
            if let HostToServer::Negotiate(Negotiate::RestartWanted { epoch, anew }) = message {
                return (epoch, anew);
            }
        }
    }

    /// The browser proves the code on its n-th connection, over what it believes to use.
    async fn proves(&self, n: usize, viewer: [u8; 32]) {
        let binding = Self::binding(n, viewer);
        let proof = self.key.as_ref().expect("a key").prove(&binding);
        self.says(n, Channel::Control, &ToHost::Prove(proof)).await;
    }

    fn binding(n: usize, viewer: [u8; 32]) -> Binding {
        let epoch = Epoch(n as u32 + 1);
        Binding { epoch, host: Fingerprint(FINGERPRINTS[0]), viewer: Fingerprint(viewer) }
    }

    /// The browser comes with its n-th peer connection, and proves that it is the right one.
    async fn join(&mut self, n: usize) {
        self.open(n).await;
        self.proves(n, FINGERPRINTS[1]).await;
        let key = self.key.clone().expect("a key");
        let binding = Self::binding(n, FINGERPRINTS[1]);
        let right = |message: &ToViewer| matches!(message, ToViewer::Prove(proof) if key.verify(&binding, proof).is_ok());
        self.hears::<ToViewer>(n, Channel::Control, right).await;
    }

    /// The browser comes with its n-th peer connection, and says hello.
    async fn open(&mut self, n: usize) {
        let epoch = Epoch(n as u32 + 1);
        self.server(ServerToHost::Negotiate(Negotiate::Offer { epoch, sdp: Sdp("offer".into()) })).await;
        loop {
            let message = timeout(PATIENCE, self.to_server.recv()).await.expect("an answer").expect("one");
            if let HostToServer::Negotiate(Negotiate::Answer { epoch: of, .. }) = message {
                assert_eq!(of, epoch);
                break;
            }
        }
        self.greets(n).await;
        self.hears::<ToViewer>(n, Channel::Control, |message| matches!(message, ToViewer::Hello(_))).await;
    }

    /// The n-th peer connection stands with all its channels, and its tab says hello.
    async fn greets(&self, n: usize) {
        self.peer(n, PeerEvent::State(PeerState::Connected(Path::Host))).await;
        for channel in Channel::ALL {
            self.peer(n, PeerEvent::ChannelOpen(channel)).await;
        }
        let hello = Hello { version: Version::CURRENT, capabilities: Capabilities::NONE };
        self.says(n, Channel::Control, &ToHost::Hello(hello)).await;
    }

    async fn server(&self, message: ServerToHost) {
        self.from_server.send(signal::Event::Message(message)).await.unwrap();
    }

    async fn peer(&self, n: usize, event: PeerEvent) {
        self.transports[n].emit(event).await;
    }

    async fn says<M: Message>(&self, n: usize, channel: Channel, message: &M) {
        self.peer(n, PeerEvent::Message(channel, encode(message).unwrap().into())).await;
    }

    /// Waits for a message to the browser.
    async fn hears<M: Message + DeserializeOwned>(
        &self,
        n: usize,
        channel: Channel,
        wanted: impl Fn(&M) -> bool,
    ) {
        let wanted = |recorded: &Recorded| match recorded {
            Recorded::Message(on, bytes) if *on == channel => {
                decode(bytes).is_ok_and(|message| wanted(&message))
            }
            _ => false,
        };
        timeout(PATIENCE, self.transports[n].wait_for(wanted)).await.expect("a message to the browser");
    }

    /// Waits for something that the customer sees.
    async fn sees(&mut self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            let seen = timeout(PATIENCE, self.seen.recv()).await.expect("in time").expect("something");
            if wanted(&seen) {
                return seen;
            }
        }
    }

    /// Waits until what the desktop was made to do is like this.
    async fn injects(&self, wanted: fn(&[Injected]) -> bool) {
        let control = self.desktop.clone();
        let done = tokio::task::spawn_blocking(move || control.wait_injected(PATIENCE, wanted));
        assert!(done.await.unwrap(), "the input was not carried out");
    }

    /// Something changes on the desktop, and the n-th connection is shown it.
    async fn goes_on(&self, n: usize) {
        let frames = || self.transports[n].recorded().into_iter().filter(is_frame).count();
        let before = frames();
        self.desktop.paint(nearhand_desktop::Rect::new(0, 0, 9, 9), [1; 4]);
        let more = async {
            while frames() <= before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, more).await.expect("the picture goes on");
    }

    /// The customer answers the next question.
    async fn answers(&mut self, right: Right, yes: bool) {
        let seen = self.sees(|seen| matches!(seen, Seen::Asked(_))).await;
        let Seen::Asked(question) = seen else { unreachable!() };
        assert_eq!(question.right, right);
        self.commands.send(Command::Answer { question: question.id, yes, choice: None }).await.unwrap();
    }

    /// The technician asks, and the customer says yes.
    async fn gives(&mut self, right: Right) {
        self.says(0, Channel::Control, &ToHost::Ask(Rights::only(right))).await;
        self.answers(right, true).await;
        self.hears::<ToViewer>(
            0,
            Channel::Control,
            |message| matches!(message, ToViewer::Rights { held, .. } if held.has(right)),
        )
        .await;
    }

    async fn ends(self) -> Result<CloseReason, DriverError> {
        timeout(PATIENCE, self.driver).await.expect("an end").expect("no panic")
    }
}

fn key(code: KeyCode, pressed: bool) -> InputEvent {
    InputEvent::Key { code, key: None, pressed }
}

/// A frame, or an update of the picture.
fn is_frame(recorded: &Recorded) -> bool {
    matches!(recorded, Recorded::Frame { .. } | Recorded::Message(Channel::Picture, _))
}

#[tokio::test]
async fn seen_controlled_chatted_and_ended_by_the_customer() {
    let mut stage = Stage::connected().await;
    stage.says(0, Channel::Control, &ToHost::Ask(Rights::only(Right::View))).await;
    stage.sees(|seen| matches!(seen, Seen::Told(News::PeerConnected))).await;
    assert!(!stage.transports[0].recorded().iter().any(is_frame), "nothing is shown before the yes");
    stage.answers(Right::View, true).await;
    timeout(PATIENCE, stage.transports[0].wait_for(is_frame)).await.unwrap();
    stage.hears::<ToViewer>(0, Channel::Control, |m| matches!(m, ToViewer::Layout(l) if l.width == 64)).await;

    stage.says(0, Channel::Input, &key(KeyCode::KeyA, true)).await;
    stage.hears::<ToViewer>(0, Channel::Control, |m| matches!(m, ToViewer::InputIgnored(_))).await;
    stage.gives(Right::Control).await;
    stage.says(0, Channel::Pointer, &PointerMove { sequence: 1, x: 5, y: 6 }).await;
    stage.says(0, Channel::Input, &key(KeyCode::ShiftLeft, true)).await;
    stage.injects(|done| done.len() == 2).await;
    assert!(stage.desktop.take_injected().contains(&Injected::Move(5, 6)));

    let line = ChatMessage::Line { number: 1, written_at_ms: 1, text: "hello".into() };
    stage.says(0, Channel::Chat, &line).await;
    stage.sees(|seen| matches!(seen, Seen::Told(News::Chat(text)) if text == "hello")).await;
    stage.commands.send(Command::Say("hi".into())).await.unwrap();
    stage.hears::<ChatMessage>(0, Channel::Chat, |m| matches!(m, ChatMessage::Line { .. })).await;

    stage.commands.send(Command::End).await.unwrap();
    stage.hears::<ToViewer>(0, Channel::Control, |m| *m == ToViewer::End(CloseReason::CustomerEnded)).await;
    stage.sees(|seen| matches!(seen, Seen::Stopped)).await;
    assert!(matches!(stage.desktop.take_injected()[..], [Injected::Release(_)]), "the shift key is let go");
    while let Some(message) = timeout(PATIENCE, stage.to_server.recv()).await.unwrap() {
        if let HostToServer::End { reason } = message {
            assert_eq!(reason, CloseReason::CustomerEnded);
        }
    }
    let transport = stage.transports[0].clone();
    assert_eq!(stage.ends().await.unwrap(), CloseReason::CustomerEnded);
    assert!(transport.recorded().contains(&Recorded::Close));
}

#[tokio::test]
async fn who_does_not_know_the_code_sees_nothing_and_is_told() {
    let wrong: Code = "482 913 706".parse().unwrap();
    // A wrong code; and the right one, over a connection that somebody in the middle made.
    for (told, viewer) in [(wrong, FINGERPRINTS[1]), (code(), [9; 32])] {
        let mut stage = Stage::new();
        stage.welcome().await;
        stage.exchange(told).await;
        stage.open(0).await;
        stage.says(0, Channel::Control, &ToHost::Ask(Rights::only(Right::View))).await;
        stage.proves(0, viewer).await;
        let end = ToViewer::End(CloseReason::NotProven);
        stage.hears::<ToViewer>(0, Channel::Control, |message| *message == end).await;
        let seen = stage.sees(|seen| matches!(seen, Seen::Asked(_) | Seen::Told(News::Ended(_)))).await;
        assert!(matches!(seen, Seen::Told(News::Ended(CloseReason::NotProven))), "{seen:?}");
        let mut to_server = Vec::new();
        while let Some(message) = timeout(PATIENCE, stage.to_server.recv()).await.expect("an end") {
            to_server.push(message);
        }
        assert!(to_server.contains(&HostToServer::End { reason: CloseReason::NotProven }), "{to_server:?}");
        let said = stage.transports[0].recorded();
        assert!(!said.iter().any(is_frame));
        assert_eq!(said.iter().filter(|what| matches!(what, Recorded::Message(..))).count(), 2, "hello, end");
        assert_eq!(stage.ends().await.unwrap(), CloseReason::NotProven);
    }
}

#[tokio::test]
async fn nothing_is_believed_before_the_proof_and_the_words_come_with_it() {
    let mut stage = Stage::new();
    stage.welcome().await;
    // The connection may be faster than the exchange.
    stage.open(0).await;
    let line = ChatMessage::Line { number: 1, written_at_ms: 1, text: "early".into() };
    stage.says(0, Channel::Chat, &line).await;
    let id = TransferId { sender: Seat::Viewer, number: 1 };
    stage.says(0, Channel::Files, &FileMessage::Offer { id, name: "a".into(), size: 3 }).await;
    stage.says(0, Channel::Files, &FileMessage::Wanted).await;
    stage.says(0, Channel::Input, &key(KeyCode::KeyA, true)).await;
    stage.says(0, Channel::Pointer, &PointerMove { sequence: 1, x: 5, y: 6 }).await;
    stage.says(0, Channel::Control, &ToHost::Ping { nonce: 7 }).await;
    stage.exchange(code()).await;
    // The same share again, as of a tab that was reloaded meanwhile.
    stage.exchange(code()).await;
    stage.proves(0, FINGERPRINTS[1]).await;
    let words = stage.key.as_ref().expect("a key").words();
    let wanted = |seen: &Seen| {
        matches!(seen, Seen::Asked(_) | Seen::Told(News::Chat(_) | News::FileWanted | News::Words(_)))
    };
    let seen = stage.sees(wanted).await;
    assert!(matches!(seen, Seen::Told(News::Words(told)) if told == words), "{seen:?}");
    stage.says(0, Channel::Control, &ToHost::Ping { nonce: 8 }).await;
    stage.hears::<ToViewer>(0, Channel::Control, |m| *m == ToViewer::Pong { nonce: 8 }).await;
    let pong = encode(&ToViewer::Pong { nonce: 7 }).unwrap();
    let early = Recorded::Message(Channel::Control, pong.into());
    assert!(!stage.transports[0].recorded().contains(&early), "forgotten");
    assert!(stage.desktop.take_injected().is_empty());

    // After an ICE restart the browser proves itself again, and is held to it.
    stage
        .server(ServerToHost::Negotiate(Negotiate::Offer { epoch: Epoch(1), sdp: Sdp("again".into()) }))
        .await;
    stage.proves(0, [9; 32]).await;
    assert_eq!(stage.ends().await.unwrap(), CloseReason::NotProven);
}

#[tokio::test]
async fn a_lost_peer_releases_keys_and_a_reloaded_tab_goes_on() {
    let mut stage = Stage::connected().await;
    stage.gives(Right::View).await;
    stage.gives(Right::Control).await;
    stage.says(0, Channel::Input, &key(KeyCode::KeyA, true)).await;
    stage.injects(|done| !done.is_empty()).await;
    stage.peer(0, PeerEvent::State(PeerState::Disconnected)).await;
    stage.sees(|seen| matches!(seen, Seen::Told(News::PeerLost))).await;
    stage.injects(|done| done.iter().any(|what| matches!(what, Injected::Release(_)))).await;

    stage.join(1).await;
    stage
        .hears::<ToViewer>(
            1,
            Channel::Control,
            |m| matches!(m, ToViewer::Rights { held, .. } if held.has(Right::Control)),
        )
        .await;
    timeout(PATIENCE, stage.transports[1].wait_for(is_frame)).await.expect("a frame on the new connection");
    timeout(PATIENCE, stage.transports[0].wait_for(|r| *r == Recorded::Close))
        .await
        .expect("the old one closed");

    stage.says(1, Channel::Control, &ToHost::End).await;
    // The technician's tab tells the server as well.
    stage.server(ServerToHost::End { reason: CloseReason::TechnicianEnded }).await;
    assert_eq!(stage.ends().await.unwrap(), CloseReason::TechnicianEnded);
}

#[tokio::test]
async fn a_changed_network_leads_back_to_the_server_and_asks_for_a_restart() {
    let mut stage = Stage::connected().await;
    stage.gives(Right::View).await;
    stage.addresses.send_replace([FIRST_ADDRESS, "192.0.2.7".parse().unwrap()].into());
    timeout(PATIENCE, stage.redial.notified()).await.expect("a new connection to the server");
    stage.welcome().await;
    assert_eq!(stage.wants_restart().await, (Epoch(1), false));
    let servers = |recorded: &Recorded| match recorded {
        Recorded::IceServers(servers) => servers.iter().any(|server| server.urls == ["turn:relay"]),
        _ => false,
    };
    timeout(PATIENCE, stage.transports[0].wait_for(servers)).await.expect("the relays of the new welcome");

    // The restart leads through a relay; the picture starts again on the same connection.
    stage.peer(0, PeerEvent::State(PeerState::Disconnected)).await;
    stage.sees(|seen| matches!(seen, Seen::Told(News::PeerLost))).await;
    stage
        .server(ServerToHost::Negotiate(Negotiate::Offer { epoch: Epoch(1), sdp: Sdp("again".into()) }))
        .await;
    timeout(PATIENCE, stage.transports[0].wait_for(|r| *r == Recorded::Offer("again".into()))).await.unwrap();
    stage.peer(0, PeerEvent::State(PeerState::Connected(Path::Relayed))).await;
    stage.sees(|seen| matches!(seen, Seen::Told(News::PeerConnected))).await;
    stage.sees(|seen| matches!(seen, Seen::Told(News::Path { relayed: true }))).await;
    stage.goes_on(0).await;
    stage.interrupt.send(()).await.unwrap();
    stage.ends().await.unwrap();
}

#[tokio::test]
async fn a_connection_of_which_no_address_is_left_is_to_be_made_anew() {
    let mut stage = Stage::connected().await;
    stage.gives(Right::View).await;
    stage.addresses.send_replace(["198.51.100.7".parse().unwrap()].into());
    timeout(PATIENCE, stage.redial.notified()).await.expect("a new connection to the server");
    stage.welcome().await;
    assert_eq!(stage.wants_restart().await, (Epoch(1), true));
    // The new one is made with the new address: when that stays, there is a way to restart.
    stage.join(1).await;
    stage.addresses.send_replace(["198.51.100.7".parse().unwrap(), FIRST_ADDRESS].into());
    timeout(PATIENCE, stage.redial.notified()).await.expect("a new connection to the server");
    stage.welcome().await;
    assert_eq!(stage.wants_restart().await, (Epoch(2), false));
    stage.interrupt.send(()).await.unwrap();
    stage.ends().await.unwrap();
}

#[tokio::test]
async fn a_minute_alone_takes_everything_back() {
    let mut stage = Stage::connected().await;
    stage.gives(Right::View).await;
    stage.peer(0, PeerEvent::State(PeerState::Failed)).await;
    stage.sees(|seen| matches!(seen, Seen::Told(News::PeerLost))).await;
    // From here nothing happens but time, which the paused clock jumps over.
    tokio::time::pause();
    stage.seen_expiry().await;
    tokio::time::resume();
    stage.interrupt.send(()).await.unwrap();
    assert_eq!(stage.ends().await.unwrap(), CloseReason::CustomerEnded);
}

impl Stage {
    async fn seen_expiry(&mut self) {
        let before = Instant::now();
        loop {
            match self.seen.recv().await.expect("something") {
                Seen::Told(News::RightsExpired) => break,
                Seen::Withdrawn | Seen::Told(_) | Seen::Asked(_) | Seen::Stopped => {}
            }
        }
        assert!(before.elapsed() > Duration::from_secs(50));
    }
}

#[tokio::test]
async fn garbage_on_every_channel_is_borne_and_then_ends_the_session() {
    let stage = Stage::connected().await;
    for channel in Channel::ALL {
        stage.peer(0, PeerEvent::Message(channel, Bytes::from_static(&[0xff; 40]))).await;
        stage.peer(0, PeerEvent::Message(channel, vec![0; 60_000].into())).await;
    }
    stage.says(0, Channel::Control, &ToHost::Ping { nonce: 7 }).await;
    stage.hears::<ToViewer>(0, Channel::Control, |m| *m == ToViewer::Pong { nonce: 7 }).await;
    for _ in 0..100 {
        stage.peer(0, PeerEvent::Message(Channel::Input, Bytes::from_static(&[0xff; 40]))).await;
    }
    assert_eq!(stage.ends().await.unwrap(), CloseReason::BadMessage);
}

#[tokio::test]
async fn a_file_comes_after_a_yes_and_not_after_a_no() {
    let mut stage = Stage::connected().await;
    let id = |number| TransferId { sender: Seat::Viewer, number };
    let offer = |number| FileMessage::Offer { id: id(number), name: "../a.txt".into(), size: 3 };
    stage.says(0, Channel::Files, &offer(1)).await;
    stage.answers(Right::FilesIn, false).await;
    let refused = FileMessage::Stop { id: id(1), problem: FileProblem::Refused };
    stage.hears::<FileMessage>(0, Channel::Files, |m| *m == refused).await;
    stage.says(0, Channel::Files, &offer(2)).await;
    stage.answers(Right::FilesIn, true).await;
    stage.hears::<FileMessage>(0, Channel::Files, |m| matches!(m, FileMessage::Accept { .. })).await;
    let (mut sender, _) = nearhand_protocol::machine::transfer::Sender::offer(id(2), "a.txt".into(), 3);
    sender.receive(&FileMessage::Accept { id: id(2), offset: 0 });
    let chunk = sender.chunk(b"abc").unwrap();
    stage.says(0, Channel::FileData, &chunk).await;
    stage.says(0, Channel::Files, &sender.complete().unwrap()).await;
    stage.hears::<FileMessage>(0, Channel::Files, |m| matches!(m, FileMessage::Saved { .. })).await;
    stage.sees(|seen| matches!(seen, Seen::Told(News::FileSaved { .. }))).await;
    assert_eq!(std::fs::read(stage.downloads.path().join("a.txt")).unwrap(), b"abc");
    stage.interrupt.send(()).await.unwrap();
    stage.ends().await.unwrap();
}

#[tokio::test]
async fn a_lost_desktop_ends_with_a_sentence() {
    let mut stage = Stage::connected().await;
    stage.gives(Right::View).await;
    stage.desktop.lose();
    stage.desktop.paint(nearhand_desktop::Rect::new(0, 0, 9, 9), [1; 4]);
    stage.hears::<ToViewer>(0, Channel::Control, |m| matches!(m, ToViewer::End(_))).await;
    assert!(matches!(stage.ends().await, Err(DriverError::Broken(_))));
}

#[tokio::test]
async fn a_refusal_of_the_server_is_the_error() {
    let stage = Stage::new();
    let refused = SignalError::Refused(CloseReason::UnknownCode);
    stage.from_server.send(signal::Event::Failed(refused)).await.unwrap();
    let error = stage.ends().await.unwrap_err();
    assert!(error.to_string().contains("ask the technician for a new one"), "{error}");
}
