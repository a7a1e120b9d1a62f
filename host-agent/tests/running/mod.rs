//! The real server in this process, on a port of its own.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use nearhand_host::config::Server as Address;
use nearhand_host::dial::{self, Dialer};
use nearhand_host::signal::{Connector, Event, Introduction, Signal};
use nearhand_protocol::code::Nameplate;
use nearhand_protocol::id::SessionId;
use nearhand_protocol::signal::HostInfo;
use nearhand_signaling::config::{Config, Options};
use nearhand_signaling::server::{Server, Shutdown};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) const TOKEN: &str = "canary-token-0123456789";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server of this process.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(listen: &str, state: &str) -> Self {
        let arguments = ["nearhand", "--technician-token", TOKEN, "--listen", listen, "--state", state];
        let options = Options::parse_from(arguments);
        let server = Server::new(Config::from_options(options).expect("options")).await.expect("a server");
        let (address, shutdown) = (server.local_addr(), server.shutdown());
        Self { address, shutdown, task: tokio::spawn(server.run()) }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.shut_down();
        timeout(PATIENCE, self.task).await.expect("a quick end").expect("no panic");
    }

    /// A request with the technician's token; the body of the answer.
    pub(crate) async fn api(&self, method: &str, path: &str) -> serde_json::Value {
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

    /// A new session and its nameplate.
    pub(crate) async fn create(&self) -> (SessionId, Nameplate) {
        let created = self.api("POST", "/api/sessions").await;
        let text = |name: &str| created[name].as_str().expect("a text").to_owned();
        (text("session").parse().expect("a session"), text("nameplate").parse().expect("six digits"))
    }

    pub(crate) fn join(&self, nameplate: Nameplate) -> (Signal, mpsc::Receiver<Event>) {
        let address = Address::parse(&format!("http://{}", self.address)).expect("an address");
        let dialer = Dialer::new(&dial::Options::default()).expect("a dialer");
        let connector = Connector::new(address, dialer).expect("a connector");
        Signal::start(connector, Introduction { nameplate, info: HostInfo::default() })
    }
}
