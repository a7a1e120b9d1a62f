//! What the tests of the running server share: the server itself, and peers that speak to it through real sockets.

#![allow(dead_code, reason = "each test program uses its own part")]

pub(crate) mod certificate;
pub(crate) mod turn;

use std::fmt::Write as _;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Parser as _;
use futures_util::{SinkExt as _, StreamExt as _};
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Nameplate;
use nearhand_protocol::id::{Epoch, ResumeToken, SessionId};
use nearhand_protocol::signal::{
    Entry, HostInfo, HostToServer, Negotiate, Sdp, ServerToHost, ServerToViewer, ViewerToServer,
};
use nearhand_protocol::version::{Capabilities, Version};
use nearhand_signaling::config::{Config, Options};
use nearhand_signaling::server::{Server, ServerError, Shutdown};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// What the technician of the tests signs in with.
pub(crate) const TOKEN: &str = "canary-token-0123456789";

/// Nothing that the tests wait for takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("nothing happened in time")
}

/// Tries again until there is something.
pub(crate) async fn eventually<T>(what: impl AsyncFn() -> Option<T>) -> T {
    soon(async {
        loop {
            if let Some(found) = what().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// A server of this process on a port of its own.
pub(crate) struct TestServer {
    client: Client,
    /// Where its relay listens.
    pub(crate) relay: Option<SocketAddr>,
    /// Where its metrics are read.
    pub(crate) metrics: Option<SocketAddr>,
    shutdown: Shutdown,
    running: JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With more options.
    pub(crate) async fn with(arguments: &[&str]) -> Self {
        Self::try_with(arguments).await.expect("the server should start")
    }

    pub(crate) async fn try_with(arguments: &[&str]) -> Result<Self, ServerError> {
        let fixed = [
            "nearhand",
            "--technician-token",
            TOKEN,
            "--organisation",
            "Example",
            "--technician-name",
            "Ada",
        ];
        let listen: &[&str] =
            if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let options = Options::parse_from(fixed.iter().chain(listen).chain(arguments));
        let server = Server::new(Config::from_options(options).expect("the options of a test")).await?;
        let (address, shutdown) = (server.local_addr(), server.shutdown());
        let (relay, metrics) = (server.relay_addr(), server.metrics_addr());
        Ok(Self {
            client: Client::new(address),
            relay,
            metrics,
            shutdown,
            running: tokio::spawn(server.run()),
        })
    }

    pub(crate) async fn with_state(folder: &Path) -> Self {
        Self::with(&["--state", folder.to_str().unwrap()]).await
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn shut_down(&self) {
        self.shutdown.shut_down();
    }

    /// Stops it and waits until it is gone.
    pub(crate) async fn stop(self) {
        self.shutdown.shut_down();
        soon(self.running).await.expect("the server must not panic");
    }
}

impl std::ops::Deref for TestServer {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Whoever speaks to a server, of this process or another.
pub(crate) struct Client {
    /// Where the server listens.
    pub(crate) address: SocketAddr,
}

impl Client {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// One request with these headers, byte by byte as given, on a connection of its own.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        if !body.is_empty() {
            write!(text, "content-length: {}\r\n", body.len()).unwrap();
        }
        text.push_str("\r\n");
        text.push_str(body);
        soon(async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            Answer::parse(&answer)
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    /// Signs in as a browser does and returns the cookie, as it is sent back.
    pub(crate) async fn sign_in(&self) -> String {
        let answer = self.submit(TOKEN, "/desk").await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/desk")));
        let cookie = answer.header("set-cookie").expect("a cookie");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// The form of the sign-in page.
    pub(crate) async fn submit(&self, token: &str, next: &str) -> Answer {
        let origin = self.origin();
        let form = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin.as_str())];
        self.request("POST", "/sign-in", &form, &format!("token={token}&next={next}")).await
    }

    /// A request with the technician's token.
    pub(crate) async fn api(&self, method: &str, path: &str) -> Answer {
        self.request(method, path, &[("authorization", &format!("Bearer {TOKEN}"))], "").await
    }

    /// A new session.
    pub(crate) async fn create(&self) -> (SessionId, Nameplate) {
        let answer = self.api("POST", "/api/sessions").await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let json = answer.json();
        (
            json["session"].as_str().unwrap().parse().unwrap(),
            json["nameplate"].as_str().unwrap().parse().unwrap(),
        )
    }

    /// The technician's sessions.
    pub(crate) async fn sessions(&self) -> Vec<Value> {
        self.api("GET", "/api/sessions").await.json()["sessions"].as_array().unwrap().clone()
    }

    /// A WebSocket with these headers; on refusal the status.
    pub(crate) async fn open<Out, In>(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Peer<Out, In>, u16> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            let name: tungstenite::http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        match soon(tokio_tungstenite::connect_async(request)).await {
            Ok((socket, _)) => Ok(Peer { socket, messages: PhantomData }),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// The customer's program, before it said anything.
    pub(crate) async fn host_socket(&self) -> HostPeer {
        self.open("/ws/host", &[]).await.unwrap()
    }

    /// The technician's tab, before it said anything.
    pub(crate) async fn viewer_socket(&self) -> ViewerPeer {
        let origin = self.origin();
        let bearer = format!("Bearer {TOKEN}");
        self.open("/ws/viewer", &[("origin", &origin), ("authorization", &bearer)]).await.unwrap()
    }

    /// The customer's program in its seat, and its way back.
    pub(crate) async fn host(&self, entry: Entry) -> (HostPeer, ResumeToken) {
        let mut host = self.host_socket().await;
        host.send(&host_hello(entry)).await;
        match host.receive().await {
            ServerToHost::Welcome { resume, .. } => (host, resume),
            other => panic!("{other:?}"),
        }
    }

    /// The technician's tab in its seat, its way back and its epoch.
    pub(crate) async fn viewer(&self, entry: Entry) -> (ViewerPeer, ResumeToken, Epoch) {
        let mut viewer = self.viewer_socket().await;
        viewer.send(&viewer_hello(entry)).await;
        match viewer.receive().await {
            ServerToViewer::Welcome { resume, epoch, .. } => (viewer, resume, epoch),
            other => panic!("{other:?}"),
        }
    }

    /// Why a customer's program that comes like this is turned away.
    pub(crate) async fn host_refused(&self, entry: Entry) -> CloseReason {
        let mut host = self.host_socket().await;
        host.send(&host_hello(entry)).await;
        host.end().await
    }

    /// Why a technician's tab that comes like this is turned away.
    pub(crate) async fn viewer_refused(&self, entry: Entry) -> CloseReason {
        let mut viewer = self.viewer_socket().await;
        viewer.send(&viewer_hello(entry)).await;
        viewer.end().await
    }

    /// A session with both ends in it.
    pub(crate) async fn pair(&self) -> Pair {
        let (session, nameplate) = self.create().await;
        let (mut viewer, viewer_token, epoch) = self.viewer(Entry::SignedIn { session }).await;
        let (host, host_token) = self.host(Entry::Nameplate { nameplate }).await;
        assert!(matches!(viewer.receive().await, ServerToViewer::HostArrived { .. }));
        Pair { session, nameplate, host, host_token, viewer, viewer_token, epoch }
    }
}

/// Both ends of a session.
pub(crate) struct Pair {
    pub(crate) session: SessionId,
    pub(crate) nameplate: Nameplate,
    pub(crate) host: HostPeer,
    pub(crate) host_token: ResumeToken,
    pub(crate) viewer: ViewerPeer,
    pub(crate) viewer_token: ResumeToken,
    pub(crate) epoch: Epoch,
}

impl Pair {
    /// An offer goes across, and an answer comes back.
    pub(crate) async fn negotiate(&mut self) {
        negotiate(&mut self.viewer, &mut self.host, self.epoch).await;
    }
}

pub(crate) async fn negotiate(viewer: &mut ViewerPeer, host: &mut HostPeer, epoch: Epoch) {
    let offer = Negotiate::Offer { epoch, sdp: Sdp("v=0 canary-offer".into()) };
    viewer.send(&ViewerToServer::Negotiate(offer.clone())).await;
    assert_eq!(host.receive().await, ServerToHost::Negotiate(offer));
    let answer = Negotiate::Answer { epoch, sdp: Sdp("v=0 canary-answer".into()) };
    host.send(&HostToServer::Negotiate(answer.clone())).await;
    assert_eq!(viewer.receive().await, ServerToViewer::Negotiate(answer));
}

pub(crate) fn host_hello(entry: Entry) -> HostToServer {
    HostToServer::Hello {
        version: Version::CURRENT,
        capabilities: Capabilities::H264_TRACK,
        entry,
        info: HostInfo { system: "Linux".into(), machine: "test".into(), headless: true },
    }
}

pub(crate) fn viewer_hello(entry: Entry) -> ViewerToServer {
    ViewerToServer::Hello { version: Version::CURRENT, capabilities: Capabilities::NONE, entry }
}

pub(crate) type HostPeer = Peer<HostToServer, ServerToHost>;
pub(crate) type ViewerPeer = Peer<ViewerToServer, ServerToViewer>;

/// One end of a WebSocket: what it says, and what it is told.
pub(crate) struct Peer<Out, In> {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    messages: PhantomData<fn(Out) -> In>,
}

impl<Out: Serialize, In: DeserializeOwned + std::fmt::Debug> Peer<Out, In> {
    pub(crate) async fn send(&mut self, message: &Out) {
        self.send_raw(Message::text(serde_json::to_string(message).unwrap())).await;
    }

    /// Whatever it is. The server may have closed in the middle of it; then its reason counts, not this.
    pub(crate) async fn send_raw(&mut self, message: Message) {
        let _closed_meanwhile = soon(self.socket.send(message)).await;
    }

    /// The next message.
    pub(crate) async fn receive(&mut self) -> In {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("a message was due, but: {other:?}"),
            }
        }
    }

    /// Reads to the end: the reasons of the message `End` and of the close frame, which must be the same.
    pub(crate) async fn end(mut self) -> CloseReason {
        let mut said = None;
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    if value["type"] == "end" {
                        said = Some(serde_json::from_value::<CloseReason>(value["reason"].clone()).unwrap());
                    }
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    let reason = CloseReason::from_websocket_code(frame.code.into());
                    assert_eq!(reason, said, "{frame:?}");
                    return said.expect("a reason of ours");
                }
                Some(Ok(_)) => {}
                other => panic!("closed without a reason: {other:?}"),
            }
        }
    }
}

/// An answer by HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("the end of the headers");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(':').unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
