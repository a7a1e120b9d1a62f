//! The host's connection to the server, with the real server on a port of its own.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use nearhand_host::config::Server as Address;
use nearhand_host::signal::{Connector, Event, Introduction, Signal};
use nearhand_protocol::close::CloseReason;
use nearhand_protocol::code::Nameplate;
use nearhand_protocol::grant::{Right, Rights};
use nearhand_protocol::signal::{HostInfo, HostToServer, ServerToHost};
use nearhand_signaling::config::{Config, Options};
use nearhand_signaling::server::{Server, Shutdown};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const TOKEN: &str = "canary-token-0123456789";
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of this process.
struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(listen: &str, state: &str) -> Self {
        let arguments = ["nearhand", "--technician-token", TOKEN, "--listen", listen, "--state", state];
        let options = Options::parse_from(arguments);
        let server = Server::new(Config::from_options(options).expect("options")).await.expect("a server");
        let (address, shutdown) = (server.local_addr(), server.shutdown());
        Self { address, shutdown, task: tokio::spawn(server.run()) }
    }

    async fn stop(self) {
        self.shutdown.shut_down();
        timeout(PATIENCE, self.task).await.expect("a quick end").expect("no panic");
    }

    /// A request with the technician's token; the body of the answer.
    async fn api(&self, method: &str, path: &str) -> serde_json::Value {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").expect("an answer");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        // Where the answer is chunked, the JSON is the part in braces.
        let json = body.find('{').and_then(|start| Some(&body[start..=body.rfind('}')?])).unwrap_or("null");
        serde_json::from_str(json).expect("JSON")
    }

    /// A new session's nameplate.
    async fn create(&self) -> Nameplate {
        let created = self.api("POST", "/api/sessions").await;
        created["nameplate"].as_str().expect("a nameplate").parse().expect("six digits")
    }

    fn join(&self, nameplate: Nameplate) -> (Signal, mpsc::Receiver<Event>) {
        let address = Address::parse(&format!("http://{}", self.address)).expect("an address");
        let connector = Connector::new(address, None).expect("a connector");
        Signal::start(connector, Introduction { nameplate, info: HostInfo::default() })
    }
}

async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
    timeout(PATIENCE, events.recv()).await.expect("in time").expect("an event")
}

async fn welcomed(events: &mut mpsc::Receiver<Event>) {
    let event = next(events).await;
    assert!(matches!(event, Event::Message(ServerToHost::Welcome { .. })), "{event:?}");
}

async fn refusal(events: &mut mpsc::Receiver<Event>) -> String {
    match next(events).await {
        Event::Failed(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_code_works_once_and_others_are_refused_in_words() {
    let state = tempfile::tempdir().expect("a folder");
    let server = Running::start("127.0.0.1:0", state.path().to_str().expect("UTF-8")).await;
    let nameplate = server.create().await;
    let (signal, mut events) = server.join(nameplate);
    welcomed(&mut events).await;

    let (again, mut refused) = server.join(nameplate);
    assert!(refusal(&mut refused).await.contains("ask the technician for a new one"));
    again.finish(PATIENCE).await;
    let wrong = Nameplate::from_number((nameplate.number() + 1) % Nameplate::COUNT).expect("a nameplate");
    let (other, mut refused) = server.join(wrong);
    assert!(refusal(&mut refused).await.contains("this code is wrong"));
    other.finish(PATIENCE).await;

    // The customer's end reaches the server: its session is gone from the desk.
    assert!(signal.send(HostToServer::End { reason: CloseReason::CustomerEnded }));
    signal.finish(PATIENCE).await;
    timeout(PATIENCE, async {
        while server.api("GET", "/api/sessions").await["sessions"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the session ends");
    server.stop().await;
}

#[tokio::test]
async fn a_restarted_server_is_come_back_to() {
    let state = tempfile::tempdir().expect("a folder");
    let state = state.path().to_str().expect("UTF-8");
    let server = Running::start("127.0.0.1:0", state).await;
    let address = server.address.to_string();
    let (signal, mut events) = server.join(server.create().await);
    welcomed(&mut events).await;
    server.stop().await;
    let event = next(&mut events).await;
    assert!(matches!(event, Event::Lost(_)), "{event:?}");
    // Said while nobody listens: it arrives later.
    assert!(signal.send(HostToServer::Rights { held: Rights::only(Right::View) }));

    let server = Running::start(&address, state).await;
    loop {
        match next(&mut events).await {
            Event::Lost(_) => {}
            Event::Message(ServerToHost::Welcome { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    timeout(PATIENCE, async {
        while server.api("GET", "/api/sessions").await["sessions"][0]["held"] != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the rights arrive");
    signal.finish(PATIENCE).await;
    server.stop().await;
}

#[tokio::test]
async fn nobody_at_the_address_and_somebody_else_are_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let start = |address: SocketAddr| {
        let address = Address::parse(&format!("http://{address}")).expect("an address");
        let connector = Connector::new(address, None).expect("a connector");
        let nameplate = Nameplate::from_number(1).expect("a nameplate");
        Signal::start(connector, Introduction { nameplate, info: HostInfo::default() })
    };
    let (signal, mut events) = start(free);
    let words = refusal(&mut events).await;
    assert!(words.contains(&free.to_string()) && words.contains("can't be reached"), "{words}");
    signal.finish(PATIENCE).await;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let stranger = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    });
    let (signal, mut events) = start(address);
    assert!(refusal(&mut events).await.contains("no Nearhand server"));
    signal.finish(PATIENCE).await;
    stranger.await.expect("the stranger");
}
