//! The whole host against the real server and a technician's end that proves the code, or can't.

mod browser;
mod running;

use std::sync::Arc;

use async_trait::async_trait;
use browser::{Browser, Seen};
use bytes::BytesMut;
use futures_util::{SinkExt as _, StreamExt as _};
use nearhand_host::driver::{self, Connect, DriverError, Parts};
use nearhand_host::rtc::{Bind, Events, Interfaces, Peer, PeerConfig, RtcError, Transport};
use nearhand_host::session::{News, Question, QuestionId};
use nearhand_host::ui::{Command, Ui};
use nearhand_protocol::channel::Channel;
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::{Code, Secret};
use nearhand_protocol::control::{Hello, ToHost, ToViewer};
use nearhand_protocol::grant::{Brake, Consent, Right, Rights};
use nearhand_protocol::id::{Epoch, Seat, SessionId};
use nearhand_protocol::machine::handshake::{Binding, Exchange, Fingerprint, Key, SEED_LEN};
use nearhand_protocol::signal::{
    Candidate, Entry, IceServer, Negotiate, Sdp, ServerToViewer, ViewerToServer,
};
use nearhand_protocol::version::{Capabilities, Version};
use nearhand_protocol::wire::{decode, encode};
use rtc::peer_connection::configuration::RTCOfferOptions;
use running::{PATIENCE, Running, TOKEN};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use webrtc::peer_connection::{RTCIceCandidateInit, RTCSessionDescription};

/// Connections over loopback alone.
struct Loopback;

#[async_trait]
impl Connect for Loopback {
    async fn connect(&self, _: &[IceServer]) -> Result<(Arc<dyn Transport>, Events), RtcError> {
        let bind = Bind::Addresses(vec!["127.0.0.1:0".parse().expect("an address")]);
        let (peer, events) = Peer::new(&PeerConfig { bind, ..PeerConfig::default() }).await?;
        Ok((Arc::new(peer), events))
    }
}

/// What the customer saw.
#[derive(Debug)]
enum Shown {
    Asked(Right),
    Told(News),
}

struct Screen(mpsc::UnboundedSender<Shown>);

impl Ui for Screen {
    fn ask(&mut self, question: &Question) {
        let _ = self.0.send(Shown::Asked(question.right));
    }

    fn withdraw(&mut self, _: QuestionId) {}

    fn show(&mut self, news: &News) {
        let _ = self.0.send(Shown::Told(news.clone()));
    }

    fn stop(&mut self) {}
}

/// The customer's end.
struct Customer {
    shown: mpsc::UnboundedReceiver<Shown>,
    driver: JoinHandle<Result<CloseReason, DriverError>>,
    _commands: mpsc::Sender<Command>,
    _interrupt: mpsc::Sender<()>,
}

impl Customer {
    fn start(server: &Running, code: Code) -> Self {
        let (seen, shown) = mpsc::unbounded_channel();
        let (commands, typed) = mpsc::channel(1);
        let (interrupt, interrupted) = mpsc::channel(1);
        let (signal, events) = server.join(code.nameplate);
        let (desktop, _) = nearhand_desktop::fake::desktop(64, 48);
        let driver = tokio::spawn(driver::run(Parts {
            consent: Consent::Customer,
            code,
            ui: Box::new(Screen(seen)),
            commands: typed,
            interrupt: interrupted,
            signal,
            server: events,
            connect: Box::new(Loopback),
            interfaces: Interfaces::watch(),
            desktop,
            downloads: std::env::temp_dir(),
            brake: Brake::default(),
            listen: None,
        }));
        Self { shown, driver, _commands: commands, _interrupt: interrupt }
    }

    async fn sees(&mut self, wanted: impl Fn(&Shown) -> bool) -> Shown {
        loop {
            let shown = timeout(PATIENCE, self.shown.recv()).await.expect("in time").expect("something");
            if wanted(&shown) {
                return shown;
            }
        }
    }

    async fn ends(self) -> CloseReason {
        timeout(PATIENCE, self.driver).await.expect("an end").expect("no panic").expect("an ordinary one")
    }
}

/// The technician's end.
struct Technician {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The server closed the socket.
    left: bool,
    browser: Browser,
    session: SessionId,
    epoch: Epoch,
    offer: String,
    answer: String,
}

/// What the technician's end waits for.
enum Heard {
    Server(ServerToViewer),
    Host(ToViewer),
}

impl Technician {
    /// In the room of this session.
    async fn enter(server: &Running, session: SessionId) -> Self {
        let mut request =
            format!("ws://{}/ws/viewer", server.address).into_client_request().expect("a request");
        let headers =
            [("origin", format!("http://{}", server.address)), ("authorization", format!("Bearer {TOKEN}"))];
        for (name, value) in headers {
            request.headers_mut().append(name, value.parse().expect("a header"));
        }
        let connected = timeout(PATIENCE, tokio_tungstenite::connect_async(request)).await;
        let (socket, _) = connected.expect("in time").expect("a connection");
        let browser = Browser::new(true).await;
        let (offer, answer) = (String::new(), String::new());
        let mut technician = Self { socket, left: false, browser, session, epoch: Epoch(0), offer, answer };
        let (version, capabilities) = (Version::CURRENT, Capabilities::NONE);
        let entry = Entry::SignedIn { session };
        technician.say(&ViewerToServer::Hello { version, capabilities, entry }).await;
        technician.epoch = technician
            .hear(|heard| match heard {
                Heard::Server(ServerToViewer::Welcome { epoch, .. }) => Some(epoch),
                _ => None,
            })
            .await;
        technician
    }

    async fn say(&mut self, message: &ViewerToServer) {
        let text = serde_json::to_string(message).expect("JSON");
        self.socket.send(Message::text(text)).await.expect("sent");
    }

    async fn tell(&self, message: &ToHost) {
        let bytes = BytesMut::from(&encode(message).expect("a message")[..]);
        self.browser.channels[&Channel::Control].send(bytes).await.expect("sent");
    }

    /// Carries candidates both ways until something wanted comes from the server or the host.
    async fn hear<T>(&mut self, mut wanted: impl FnMut(Heard) -> Option<T>) -> T {
        let heard = async {
            loop {
                let heard = tokio::select! {
                    received = self.socket.next(), if !self.left => match received.map(|got| got.expect("no error")) {
                        Some(Message::Text(text)) => {
                            Heard::Server(serde_json::from_str(&text).expect("a message of the server"))
                        }
                        Some(_) => continue,
                        // The server said its last word; the host's own may still be on its way.
                        None => {
                            self.left = true;
                            continue;
                        }
                    },
                    seen = self.browser.seen.recv() => match seen.expect("the stand-in ended") {
                        Seen::Candidate(RTCIceCandidateInit { candidate, sdp_mid, sdp_mline_index, .. }) => {
                            let candidate = Candidate { candidate, sdp_mid, sdp_m_line_index: sdp_mline_index };
                            let epoch = self.epoch;
                            self.say(&ViewerToServer::Negotiate(Negotiate::Candidate { epoch, candidate })).await;
                            continue;
                        }
                        Seen::Message(Channel::Control, bytes) => {
                            Heard::Host(decode(&bytes).expect("a message of the host"))
                        }
                        Seen::Message(channel, _) => panic!("the host spoke on {}", channel.label()),
                        Seen::Rtp(_) => panic!("nobody allowed a picture"),
                    },
                };
                if let Heard::Server(ServerToViewer::Negotiate(Negotiate::Candidate { candidate, .. })) =
                    &heard
                {
                    let init = RTCIceCandidateInit {
                        candidate: candidate.candidate.clone(),
                        sdp_mid: candidate.sdp_mid.clone(),
                        sdp_mline_index: candidate.sdp_m_line_index,
                        ..Default::default()
                    };
                    self.browser.connection.add_ice_candidate(init).await.expect("the host's candidate");
                }
                if let Some(found) = wanted(heard) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, heard).await.expect("in time")
    }

    /// The key exchange, once the customer is there, with the digits that this end knows.
    async fn exchange(&mut self, code: Code) -> Key {
        self.hear(|heard| matches!(heard, Heard::Server(ServerToViewer::HostArrived { .. })).then_some(()))
            .await;
        let (exchange, share) = Exchange::begin(Seat::Viewer, self.session, code, [1; SEED_LEN]);
        self.say(&ViewerToServer::Share { share }).await;
        let theirs = self
            .hear(|heard| match heard {
                Heard::Server(ServerToViewer::Share { share }) => Some(share),
                _ => None,
            })
            .await;
        exchange.finish(&theirs).expect("a share")
    }

    /// One round of offer and answer by way of the server.
    async fn negotiate(&mut self, ice_restart: bool) {
        let options = RTCOfferOptions { ice_restart };
        let offer = self.browser.connection.create_offer(Some(options)).await.expect("an offer");
        self.browser.connection.set_local_description(offer.clone()).await.expect("local");
        self.offer.clone_from(&offer.sdp);
        let epoch = self.epoch;
        self.say(&ViewerToServer::Negotiate(Negotiate::Offer { epoch, sdp: Sdp(offer.sdp) })).await;
        self.answer = self
            .hear(|heard| match heard {
                Heard::Server(ServerToViewer::Negotiate(Negotiate::Answer { sdp, .. })) => Some(sdp.0),
                _ => None,
            })
            .await;
        let answer = RTCSessionDescription::answer(self.answer.clone()).expect("an answer");
        self.browser.connection.set_remote_description(answer).await.expect("remote");
    }

    /// Connects, and says hello.
    async fn connect(&mut self) {
        self.negotiate(false).await;
        self.hear(|heard| matches!(heard, Heard::Host(ToViewer::Hello(_))).then_some(())).await;
        let hello = Hello { version: Version::CURRENT, capabilities: Capabilities::NONE };
        self.tell(&ToHost::Hello(hello)).await;
    }

    /// What this end believes that the connection uses.
    fn binding(&self) -> Binding {
        let host = Fingerprint::from_sdp(&self.answer).expect("the host's fingerprint");
        let viewer = Fingerprint::from_sdp(&self.offer).expect("our fingerprint");
        Binding { epoch: self.epoch, host, viewer }
    }

    async fn proven(&mut self) -> nearhand_protocol::proof::Proof {
        self.hear(|heard| match heard {
            Heard::Host(ToViewer::Prove(proof)) => Some(proof),
            _ => None,
        })
        .await
    }
}

/// A server, a room, and the code of it.
async fn room(state: &tempfile::TempDir) -> (Running, SessionId, Code) {
    let server = Running::start("127.0.0.1:0", state.path().to_str().expect("UTF-8")).await;
    let (session, nameplate) = server.create().await;
    (server, session, Code { nameplate, secret: Secret::from_random(705) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_the_code_is_believed_also_after_an_ice_restart() {
    let state = tempfile::tempdir().expect("a folder");
    let (server, session, code) = room(&state).await;
    let mut technician = Technician::enter(&server, session).await;
    let mut customer = Customer::start(&server, code);
    let key = technician.exchange(code).await;
    technician.connect().await;
    technician.tell(&ToHost::Prove(key.prove(&technician.binding()))).await;
    let answer = technician.proven().await;
    assert_eq!(key.verify(&technician.binding(), &answer), Ok(()));
    let words = customer.sees(|shown| matches!(shown, Shown::Told(News::Words(_)))).await;
    assert!(matches!(words, Shown::Told(News::Words(words)) if words == key.words()));
    technician.tell(&ToHost::Ask(Rights::only(Right::View))).await;
    customer.sees(|shown| matches!(shown, Shown::Asked(Right::View))).await;

    technician.negotiate(true).await;
    technician.tell(&ToHost::Prove(key.prove(&technician.binding()))).await;
    let answer = technician.proven().await;
    assert_eq!(key.verify(&technician.binding(), &answer), Ok(()));

    technician.say(&ViewerToServer::End { reason: CloseReason::TechnicianEnded }).await;
    assert_eq!(customer.ends().await, CloseReason::TechnicianEnded);
    technician.browser.connection.close().await.expect("closed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_code_and_somebody_in_the_middle_end_the_session_for_both() {
    for middle in [false, true] {
        let state = tempfile::tempdir().expect("a folder");
        let (server, session, code) = room(&state).await;
        let mut technician = Technician::enter(&server, session).await;
        let mut customer = Customer::start(&server, code);
        let known = if middle { code } else { Code { secret: Secret::from_random(706), ..code } };
        let key = technician.exchange(known).await;
        technician.connect().await;
        let mut binding = technician.binding();
        if middle {
            // The connection to the host is that of the middle; the technician's proof is over its own, to the middle.
            binding = Binding { host: binding.viewer, viewer: Fingerprint([9; 32]), ..binding };
        }
        technician.tell(&ToHost::Ask(Rights::only(Right::View))).await;
        technician.tell(&ToHost::Prove(key.prove(&binding))).await;
        let (mut by_host, mut by_server) = (None, None);
        technician
            .hear(|heard| {
                match heard {
                    Heard::Host(ToViewer::End(reason)) => by_host = Some(reason),
                    Heard::Server(ServerToViewer::End { reason }) => by_server = Some(reason),
                    Heard::Host(other) => panic!("the host said {other:?} to a stranger"),
                    Heard::Server(_) => {}
                }
                by_host.zip(by_server)
            })
            .await;
        assert_eq!((by_host, by_server), (Some(CloseReason::NotProven), Some(CloseReason::NotProven)));
        let shown =
            customer.sees(|shown| matches!(shown, Shown::Asked(_) | Shown::Told(News::Ended(_)))).await;
        assert!(matches!(shown, Shown::Told(News::Ended(CloseReason::NotProven))), "{shown:?}");
        assert_eq!(customer.ends().await, CloseReason::NotProven);
        let sessions = server.api("GET", "/api/sessions").await;
        assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(0), "the code is void");
        technician.browser.connection.close().await.expect("closed");
        server.stop().await;
    }
}
