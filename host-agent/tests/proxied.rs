//! Signaling through a real proxy to the real server.

#![cfg(unix)]

mod proxy_programs;
mod running;

use std::time::Duration;

use nearhand_host::config::Server as Address;
use nearhand_host::dial::{Dialer, Options, Proxy, Way};
use nearhand_host::signal::{Connector, Event, Introduction, Signal};
use nearhand_protocol::signal::{HostInfo, ServerToHost};
use proxy_programs::{Squid, is_installed, microsocks, squid};
use running::{PATIENCE, Running};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_meets_its_server_through_squid_and_microsocks() {
    if !is_installed("squid") || !is_installed("microsocks") {
        return;
    }
    let state = tempfile::tempdir().expect("a folder");
    let server = Running::start("127.0.0.1:0", state.path().to_str().expect("a path")).await;
    let (http, socks) = (squid(Squid::Digest), microsocks(true));
    for proxy in
        [format!("http://me:geheim@{}", http.address()), format!("socks5://me:geheim@{}", socks.address())]
    {
        let way = Way::Proxy(Proxy::parse(&proxy).expect("a proxy"));
        let dialer = Dialer::new(&Options { way, ..Options::default() }).expect("a dialer");
        let (_, nameplate) = server.create().await;
        let address =
            Address::parse(&format!("http://localhost:{}", server.address.port())).expect("an address");
        let connector = Connector::new(address, dialer).expect("a connector");
        let (signal, mut events) =
            Signal::start(connector, Introduction { nameplate, info: HostInfo::default() });
        let event = timeout(PATIENCE, events.recv()).await.expect("in time").expect("an event");
        assert!(matches!(event, Event::Message(ServerToHost::Welcome { .. })), "{event:?}");
        signal.finish(Duration::from_secs(5)).await;
    }
    http.log("access.log", &format!("CONNECT localhost:{}", server.address.port()));
    server.stop().await;
}
